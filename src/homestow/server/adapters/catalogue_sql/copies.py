"""Checking and copying the SQLite database as a whole."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database, translated
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.ports.copies import Copy
from homestow.values.errors import StorageFailed

_MOST_TOLD = 100


class SqlCopies:
    """`ports.copies.Copies` over one database file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def problems(self) -> list[str]:
        """What SQLite's own check finds wrong."""
        reader = self._database.reader()
        try:
            found = [str(line) for (line,) in reader.execute(f"PRAGMA integrity_check({_MOST_TOLD})") if line != "ok"]
            for table, row, parent, _ in reader.execute("PRAGMA foreign_key_check"):
                found.append(f"row {row} of {table} belongs to a row of {parent} that is not there")
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return found[:_MOST_TOLD]

    def copy_to(self, path: Path) -> None:
        """A durable copy of one instant."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            target = sqlite3.connect(path, isolation_level=None)
            try:
                self._database.reader().backup(target)
                target.execute("PRAGMA journal_mode = DELETE")
            finally:
                target.close()
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except sqlite3.Error as error:
            path.unlink(missing_ok=True)
            raise translated(error) from error
        except OSError as error:
            raise StorageFailed(f"{path} cannot be written: {error.strerror}.") from error

    @contextmanager
    def open_copy(self, path: Path) -> Iterator[Copy]:
        """Open a copy and close it at the end of the block."""
        database = Database.open(path)
        try:
            yield _OpenCopy(SqlCatalogue(database), SqlRoots(database), database)
        finally:
            database.close()

    def drop_sessions(self, copy: Copy) -> None:
        """Take from a copy what does not outlive a restore."""
        if not isinstance(copy, _OpenCopy):
            raise StorageFailed("This copy is of another database.")
        try:
            with copy.database.write() as run:
                for statement in _SESSIONS:
                    run.execute(statement)
        except sqlite3.Error as error:
            raise translated(error) from error


_NO_UPLOADS = (
    "UPDATE usage SET reserved = 0, entries = entries - "
    "(SELECT count(*) FROM uploads WHERE uploads.root = usage.root AND uploads.state <> 'written')"
)
_SESSIONS = (
    "DELETE FROM intents",
    _NO_UPLOADS,
    "DELETE FROM uploads",
    "DELETE FROM netdrive_uploads",
    "DELETE FROM answers",
    "DELETE FROM tries",
    "DELETE FROM devices",
)


class _OpenCopy(Copy):
    """A copy with its database."""

    database: Database

    def __new__(cls, catalogue: SqlCatalogue, roots: SqlRoots, database: Database) -> "_OpenCopy":
        made = super().__new__(cls, catalogue, roots)
        made.database = database
        return made
