"""What happened to the jobs, in one SQLite file beside the jobs' states; several processes may write to it.

It is told for people and holds nothing that a sync depends on: whatever is wrong with the file or its disk, jobs go on. What
cannot be written is not remembered; a file that cannot be read is set aside (WAL with synchronous=NORMAL: a power loss may
cost the newest events, never the file).
"""

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

from homestow.client.adapters.history_memory import KEPT
from homestow.client.adapters.sqlite_file import keep_damaged, open_sqlite
from homestow.client.ports.history import Clash, Entry
from homestow.values.errors import StorageFailed

log = logging.getLogger(__name__)

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL, job TEXT NOT NULL, kind TEXT NOT NULL,
        side TEXT NOT NULL, path TEXT NOT NULL, target TEXT NOT NULL, folder INTEGER NOT NULL, size INTEGER NOT NULL,
        code TEXT NOT NULL, message TEXT NOT NULL
    );
    CREATE INDEX events_of_job ON events (job, id);
    CREATE TABLE clashes (
        job TEXT NOT NULL, path TEXT NOT NULL, copy TEXT NOT NULL, device TEXT NOT NULL, at_ns INTEGER NOT NULL,
        PRIMARY KEY (job, copy)
    ) WITHOUT ROWID;
    """,
)
"""Entry k brings schema k to k + 1; released entries never change."""

_ADD = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ENTRIES = """
    SELECT * FROM events
    WHERE (:job IS NULL OR job = :job) AND id < :before AND (:any OR kind IN (SELECT value FROM json_each(:kinds)))
    ORDER BY id DESC LIMIT :limit
"""
_TRIM = """
    DELETE FROM events
    WHERE job = :job AND id <= (SELECT id FROM events WHERE job = :job ORDER BY id DESC LIMIT 1 OFFSET :kept)
"""
_TRIM_EVERY = 500


class SqliteHistory:
    """`History` in a file that only its owner can read; made with its folder when missing.

    Of each job a few hundred events more than promised may still be there.

    Raises:
        NewerStore: a newer Homestow wrote it. StorageFailed: it cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._last = 0
        self._untrimmed: dict[str, int] = {}
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            log.warning("%s cannot be read and is set aside: %s", path, error)
            keep_damaged(path)
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
        except OSError as error:
            raise StorageFailed(f"The history {self._path} cannot be made: {error.strerror}.") from error
        return open_sqlite(self._path, f"The history {self._path}", _MIGRATIONS, "NORMAL")

    def _write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """One transaction; what goes wrong with it is logged, and nothing of it stays."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    change(self._db)
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                log.warning("%s cannot be written: %s", self._path, error)

    def _rows(self, question: str, values: dict[str, object]) -> list[tuple[object, ...]]:
        with self._lock:
            try:
                return self._db.execute(question, values).fetchall()
            except sqlite3.Error as error:
                log.warning("%s cannot be read: %s", self._path, error)
                return []

    def add(self, entries: Iterable[Entry]) -> Sequence[Entry]:
        """See `History.add`; many at once cost little more than one."""
        entries = list(entries)
        added: list[Entry] = []

        def put(db: sqlite3.Connection) -> None:
            found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            self._last = max(self._last, found[0] if found else 0)
            added.extend(self._numbered(entries))
            db.executemany(_ADD, (_row(entry) for entry in added))
            for entry in added:
                self._untrimmed[entry.job] = self._untrimmed.get(entry.job, _TRIM_EVERY) + 1
            for job in [job for job, count in self._untrimmed.items() if count >= _TRIM_EVERY]:
                db.execute(_TRIM, {"job": job, "kept": KEPT})
                self._untrimmed[job] = 0

        if entries:
            self._write(put)
        # Whoever shows them now needs numbers, remembered or not.
        return added or self._numbered(entries)

    def _numbered(self, entries: Sequence[Entry]) -> list[Entry]:
        first = self._last + 1
        self._last += len(entries)
        return [entry._replace(id=number) for number, entry in enumerate(entries, first)]

    def entries(self, job: str | None, before: int | None, limit: int, kinds: Sequence[str] = ()) -> Sequence[Entry]:
        """See `History.entries`."""
        values: dict[str, object] = {
            "job": job, "before": 2**63 - 1 if before is None else before, "limit": max(limit, 0),
            "any": not kinds, "kinds": json.dumps(list(kinds)),
        }  # fmt: skip
        return [Entry._make((*row[:7], bool(row[7]), *row[8:])) for row in self._rows(_ENTRIES, values)]

    def clashes(self, job: str) -> Sequence[Clash]:
        """See `History.clashes`."""
        rows = self._rows("SELECT * FROM clashes WHERE job = :job ORDER BY at_ns, copy", {"job": job})
        return [Clash._make(row) for row in rows]

    def put_clash(self, clash: Clash) -> None:
        """See `History.put_clash`."""
        statement = "INSERT OR REPLACE INTO clashes VALUES (?, ?, ?, ?, ?)"
        self._write(lambda db: db.execute(statement, _row(clash)))

    def drop_clash(self, job: str, copy: str) -> None:
        """See `History.drop_clash`."""
        statement = "DELETE FROM clashes WHERE job = ? AND copy = ?"
        self._write(lambda db: db.execute(statement, (job, _text(copy))))

    def forget(self, job: str) -> None:
        """See `History.forget`."""

        def drop(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM events WHERE job = ?", (job,))
            db.execute("DELETE FROM clashes WHERE job = ?", (job,))

        self._write(drop)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        with self._lock:
            self._db.close()


def _row(entry: Entry | Clash) -> tuple[object, ...]:
    return tuple(_text(value) if isinstance(value, str) else value for value in entry)


def _text(text: str) -> str:
    """A name of the disk may be no text (it is never synced then, but told)."""
    return text if text.isascii() else text.encode(errors="replace").decode()
