"""The table of errors."""

from homestow.server.fronts.isync.errors import CODES, code_of, status_of
from homestow.values.errors import all_errors
from homestow.wire.isync import Code


def test_the_table_is_complete() -> None:
    """Every error that can happen has a code and a status, and no other has."""
    assert set(CODES) == {kind.code for kind in all_errors() if kind.__module__ == "homestow.values.errors"}
    assert Code.OK not in {code for code, _ in CODES.values()}


def test_what_the_caller_did_is_told_with_200() -> None:
    """Clients of these calls look at the code; trouble of the server has a status of its own."""
    assert (code_of("not-found"), status_of("not-found")) == (Code.NOT_FOUND, 200)
    assert (code_of("storage-failed"), status_of("storage-failed")) == (Code.NOT_RECORDED, 500)
    assert (code_of("unheard-of"), status_of("unheard-of")) == (Code.SERVER_FAILED, 500)
