"""The table of errors."""

from homestow.server.fronts.netdrive.errors import CODES, is_ours, number_of, text_of
from homestow.values.errors import CloudError, LoginNeeded, NotFound, QuotaExceeded, StorageFailed, all_errors
from homestow.wire.netdrive import Error


def test_the_table_is_complete() -> None:
    """Every error that can happen has a number, and no other has; none is told as success."""
    assert set(CODES) == {kind.code for kind in all_errors() if kind.__module__ == "homestow.values.errors"}
    assert {number for number, _ in CODES.values()} == {Error.FAILED, Error.NO_SESSION}


def test_what_is_told() -> None:
    """Texts of the dialect where it has them, else what to do; of the server's inside nothing (S34)."""
    assert number_of(LoginNeeded("x")) == Error.NO_SESSION
    assert text_of(NotFound("nobody may know this name")) == "there is no such file, folder or upload"
    assert text_of(QuotaExceeded("Make room: 5 bytes are free.")) == "Make room: 5 bytes are free."
    failed = StorageFailed("/home/anna is read-only").because("EIO")
    assert "anna" not in text_of(failed)
    assert is_ours(failed)
    assert not is_ours(NotFound("x"))


def test_an_error_of_later_days_has_a_number_too() -> None:
    """What the table does not know is the server's trouble."""

    class Later(CloudError):
        code = "later"

    assert number_of(Later("secret")) == Error.FAILED
    assert "secret" not in text_of(Later("secret"))
    assert is_ours(Later("secret"))
    Later.code = "internal"  # other tests look at all codes there are
