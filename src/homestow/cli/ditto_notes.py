"""Which files were sent to which Ditto server, and as what: so that an upload goes on after the program was killed, a file
that is there is not sent twice, and a block that the server asks for is found.
"""

import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from homestow.client.adapters.ditto_sending import Known
from homestow.values.errors import StorageFailed

_BUSY_S: Final = 30.0
_MADE: Final = """
CREATE TABLE IF NOT EXISTS notes (
  owner TEXT NOT NULL, path BLOB NOT NULL, name TEXT NOT NULL, uuid TEXT NOT NULL, size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, inode TEXT NOT NULL, md5 TEXT NOT NULL, block_size INTEGER NOT NULL, done INTEGER NOT NULL,
  PRIMARY KEY (owner, path, name)
) WITHOUT ROWID
"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS notes_uuid ON notes (owner, uuid)"
_BY_PATH: Final = """
SELECT path, uuid, name, size, mtime_ns, inode, md5, block_size, done FROM notes WHERE owner = ? AND path = ? AND name = ?
"""
_BY_UUID: Final = """
SELECT path, uuid, name, size, mtime_ns, inode, md5, block_size, done FROM notes WHERE owner = ? AND uuid = ?
"""


class Note(NamedTuple):
    """One file of one server and user: where it lies, how it was announced, whether it is written there."""

    path: Path
    known: Known
    done: bool


class Notes:
    """The notes of one server and user; may be used from several threads and programs at once.

    Args:
        owner: names the server and the user.
    Raises:
        StorageFailed: the file cannot be used.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self._owner = owner
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(path, _BUSY_S, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _MADE, _INDEX):
                self._database.execute(line)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def find(self, path: Path, name: str) -> Note | None:
        """The note of a file that was sent under a name."""
        return self._one(_BY_PATH, os.fsencode(path), name)

    def of_uuid(self, uuid: str) -> Note | None:
        """The note of an announced file."""
        return self._one(_BY_UUID, uuid)

    def keep(self, path: Path, known: Known, *, done: bool) -> None:
        """Write one down; durable when it returns."""
        values = (
            self._owner, os.fsencode(path), known.name, known.uuid, known.size, known.mtime_ns, str(known.inode), known.md5,
            known.block_size, done,
        )  # fmt: skip
        self._do("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def _one(self, statement: str, *values: str | bytes) -> Note | None:
        rows = self._do(statement, (self._owner, *values))
        if not rows:
            return None
        path, uuid, name, size, mtime_ns, inode, md5, block_size, done = rows[0]
        return Note(Path(os.fsdecode(path)), Known(uuid, name, size, mtime_ns, int(inode), md5, block_size), bool(done))

    def _do(self, statement: str, values: Sequence[Any]) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StorageFailed:
        return StorageFailed(f"{self._path} cannot be used: {error}. It only remembers what was sent; remove it.")
