"""One SQLite file: opening it in the schema of this version, a connection for each reading thread, one for writing.

SQLAlchemy and Alembic are needed only while the stored schema is not the newest one, and run in a short child process then,
so that a server that merely serves never loads them.
"""

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from homestow.values.errors import Busy, CloudError, NewerStore, StorageFailed, StorageFull
from homestow.values.faults import faultpoint

log = logging.getLogger(__name__)
_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_WAL_PAGES = 4000


def head() -> str:
    """The newest schema: the largest number among the migrations' file names (`0001_nodes.py` is "0001")."""
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*_*.py"))


def translated(error: sqlite3.Error) -> CloudError:
    """What a database error means for the caller."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("The disk of the data folder is full; make room there.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy("The database is busy; try again.", retry_after_s=1)
    log.error("the database failed", extra={"reason": str(error)})
    return StorageFailed(
        "The database failed; the server's log says why. Look at the disk of the data folder, then run `homestow verify`."
    ).because(error)


class Database:
    """Connections to one database file, or to one in memory (which then belongs to a single thread)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.RLock()
        self._depth = 0
        self._closed = False
        self._writer = _connect(path)
        self._relaxed = False
        try:
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.execute("PRAGMA cache_size = -16384")
            if path is not None:
                self._writer.execute("PRAGMA journal_mode = WAL")
                self._writer.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        except sqlite3.Error as error:
            self._writer.close()
            raise translated(error) from error

    @classmethod
    def open(cls, path: Path | None, *, in_process: bool = False) -> "Database":
        """The database at `path`, made or brought to the newest schema where needed; None: a new one in memory.

        Args:
            in_process: migrate here instead of in a child process (for tools that load SQLAlchemy anyway).

        Raises:
            NewerStore: written by a newer version; it is not touched (S112).
            StorageFailed: it is no database of ours, is damaged, may not be written, or could not be migrated.
        """
        if path is None:
            database = cls(None)
            _copy_of_new(database._writer)
            return database
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        for part in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if part.exists() and not os.access(part, os.R_OK | os.W_OK):
                raise StorageFailed(f"{part} cannot be read and written; run as its owner or correct its rights.")
        if stored_schema(path) != head():
            if in_process:
                from homestow.server.adapters.catalogue_sql.migrate import migrate

                migrate(path).close()
            else:
                _migrate_apart(path)
        return cls(path)

    def reader(self) -> sqlite3.Connection:
        """This thread's connection for reading; inside of a transaction of this thread in memory, the writing one."""
        if self.path is None:
            return self._writer
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._closed:
                raise StorageFailed("The server is shutting down.")
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection

    @contextmanager
    def write(self, relaxed: bool = False, committed: Callable[[], None] | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end of the block and undone by an exception; nested ones are parts of it.

        One thread at a time; keep it short.

        Args:
            relaxed: it survives a kill, but a power cut only once a later, not relaxed one was committed.
            committed: called when it is (not for a nested one), before another one can begin.
        """
        with self._lock:
            if self._closed:
                raise StorageFailed("The server is shutting down.")
            if self._depth:
                with self.savepoint():
                    yield self._writer
                return
            self._begin(relaxed)
            self._depth = 1
            try:
                yield self._writer
                faultpoint("database.before_commit")
                self._execute("COMMIT")
                if committed is not None:
                    committed()
                faultpoint("database.committed")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._depth = 0

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of the current transaction that an exception undoes alone."""
        self._execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK TO part")
                self._writer.execute("RELEASE part")
            raise
        self._execute("RELEASE part")

    def close(self) -> None:
        """Close every connection; the WAL is folded into the file."""
        with self._lock:
            self._closed = True
            for connection in self._readers:
                connection.close()
            self._readers.clear()
            self._writer.close()

    def _begin(self, relaxed: bool) -> None:
        if relaxed != self._relaxed:
            self._execute("PRAGMA synchronous = NORMAL" if relaxed else "PRAGMA synchronous = FULL")
            self._relaxed = relaxed
        self._execute("BEGIN IMMEDIATE")

    def _execute(self, statement: str) -> None:
        try:
            self._writer.execute(statement)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _roll_back(self) -> None:
        # After some failures (disk full, I/O error) SQLite has undone the transaction already.
        if self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise translated(error) from error


def stored_schema(path: Path) -> str | None:
    """The schema number a database file has, None for an empty one.

    Raises:
        NewerStore: its number is above ours.
        StorageFailed: not a database of ours.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if "alembic_version" not in tables:
                if tables:
                    raise StorageFailed(f"{path} is a database, but not one of Homestow.")
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageFailed(f"{path} cannot be read as a database: {error}. Restore it from a backup.") from error
    if row is None:
        return None
    found = str(row[0])
    if found > head():
        raise NewerStore(
            f"{path} was written by a newer Homestow (schema {found}, this one knows {head()}). Run that version; "
            "nothing was changed."
        )
    return found


def _connect(path: Path | None) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            ":memory:" if path is None else path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error as error:
        raise translated(error) from error
    return connection


def _migrate_apart(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "homestow.server.adapters.catalogue_sql.migrate", str(path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise StorageFailed(f"{path} could not be brought to the schema of this version: {said[-1] if said else ''}")


_new: list[sqlite3.Connection] = []
"""At most one empty database of the newest schema, from which those in memory are copied (tests and simulations make many)."""


def _copy_of_new(target: sqlite3.Connection) -> None:
    if not _new:
        from homestow.server.adapters.catalogue_sql.migrate import migrate

        _new.append(migrate(None))
    _new[0].backup(target)
