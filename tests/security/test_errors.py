"""What an answer says of a failure inside, and to whom (row S34)."""

import logging
import sqlite3
import threading

import pytest
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import Rig, is_ours

from homestow.cli.troubles import TROUBLE, told
from homestow.server.adapters.catalogue_sql.database import translated
from homestow.values.errors import StorageFailed
from homestow.values.faults import arm

SECRET = "no such column: nodes.secret in /srv/private/homestow.db"


def test_S34_the_databases_own_words_are_for_the_log(shared: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A client hears a sentence and the request's id; the log has that id and the reason."""
    thread = threading.current_thread()

    def act(point: str) -> None:
        if point == "committer.prepared":
            assert threading.current_thread() is not thread
            raise translated(sqlite3.OperationalError(SECRET))

    arm(act)
    try:
        with caplog.at_level(logging.WARNING):
            answer = shared.ask("POST", f"/nodes/{shared.top}/folders", {"name": fresh()})
    finally:
        arm(None)
    assert answer.code == "storage-failed"
    assert "secret" not in answer.body.decode()
    assert "/srv" not in answer.body.decode()
    is_ours(answer)
    lines = [record.getMessage() for record in caplog.records]
    assert any(answer.json()["request_id"] in line and SECRET in line for line in lines)
    shared.folder_node(fresh())


def test_S34_the_operator_hears_the_reason() -> None:
    """A command on the server's own machine shows what the database said."""
    error = translated(sqlite3.OperationalError(SECRET))
    assert isinstance(error, StorageFailed)
    assert SECRET not in error.message
    line, code = told(error)
    assert SECRET in line
    assert code == TROUBLE
