"""Databases of earlier versions become those of this one."""

import sqlite3
from pathlib import Path

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.migrate import migrate
from homestow.server.adapters.catalogue_sql.netdrive import SqlNetdrive
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.ports.catalogue import VersionRow, new_row
from homestow.server.ports.sessions import Session
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind


def test_entries_of_an_older_file_are_counted(tmp_path: Path) -> None:
    """A database that did not count folders, versions and uploads yet does after the next start, exactly."""
    path = tmp_path / "homestow.db"
    row = new_row(NodeId(1), RootId(1), None, "", Kind.FOLDER, 1)
    file = row._replace(id=NodeId(3), parent=NodeId(1), name="file", kind="file", size=7)
    nodes = [
        row, row._replace(id=NodeId(2), parent=NodeId(1), name="folder"), file,
        file._replace(id=NodeId(4), name="in the trash", gone=5, kept="k"),
        file._replace(id=NodeId(5), name="a tombstone", gone=6),
        row._replace(id=NodeId(6), root=RootId(9)), row._replace(id=NodeId(7), root=RootId(9), parent=NodeId(6), name="f"),
    ]  # fmt: skip
    database = Database.open(path)
    with SqlCatalogue(database).write() as rows:
        rows.add(nodes)
        rows.add_version(VersionRow(NodeId(3), 1, 5, 0, None, 0, "v"))
        rows.charge(RootId(1), live=14, kept=5, files=2)
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE usage DROP COLUMN entries")
        _undo_netdrive(connection)
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    connection.close()

    migrate(path).close()

    database = Database.open(path)
    catalogue = SqlCatalogue(database)
    found = catalogue.usage([RootId(1), RootId(9)])
    assert found == {RootId(1): (14, 5, 0, 2, 4), RootId(9): (0, 0, 0, 0, 1)}
    with catalogue.write() as rows:
        assert {root: rows.recount(root) for root in found} == found
    database.close()


def _undo_netdrive(connection: sqlite3.Connection) -> None:
    """Take away what 0006 and 0007 brought."""
    for table in ("clients", "ditto_logins", "ditto_files", "ditto_blocks", "ditto_events", "ditto_watches"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE sessions DROP COLUMN logins")
    for table in ("md5s", "netdrive_people", "netdrive_binds", "netdrive_paths", "netdrive_roots", "netdrive_uploads"):
        connection.execute(f"DROP TABLE {table}")


def test_sessions_of_an_older_file_were_logged_in_to_once(tmp_path: Path) -> None:
    """They go on, and one logout ends them."""
    path = tmp_path / "homestow.db"
    database = Database.open(path)
    accounts, sessions = SqlAccounts(database), SqlSessions(database)
    anna = accounts.add_account("anna", "x", False, 1)
    device = accounts.add_device(anna, "phone", b"device", 1)
    session = Session(b"token", anna.id, device.id, "isync", 1, 1, 100)
    sessions.add(session, 9, 1)
    database.close()
    with sqlite3.connect(path) as connection:
        _undo_netdrive(connection)
        connection.execute("UPDATE alembic_version SET version_num = '0005'")
    connection.close()

    database = Database.open(path, in_process=True)

    sessions = SqlSessions(database)
    assert sessions.find(b"token", "isync") == (session, anna)
    assert sessions.leave(b"token", "isync")
    assert sessions.find(b"token", "isync") is None
    assert SqlNetdrive(database).numbers(anna.id) == {}
    database.close()
