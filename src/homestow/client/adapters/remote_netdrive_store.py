"""Where a job keeps its account of a netdrive server: one SQLite file beside the job's state.

Every number that was given out is on the disk before anybody hears it (synchronous=FULL): a revision that is given twice
would hide an edit. When the file is lost or cannot be read, a new account with an epoch of its own begins, and both sides are
joined anew, deleting nothing (R23, R24).
"""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Final, NamedTuple

from homestow.client.adapters.remote_netdrive_tree import Changed, Entry, Snapshot
from homestow.client.adapters.sqlite_file import keep_damaged, open_sqlite
from homestow.values.digests import Digest
from homestow.values.errors import StorageFailed

_MIGRATIONS = (
    """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, folder INTEGER NOT NULL, size INTEGER NOT NULL,
    md5 TEXT NOT NULL, mtime_ns INTEGER NOT NULL, rev INTEGER NOT NULL, change INTEGER NOT NULL, below INTEGER NOT NULL,
    gone INTEGER NOT NULL, key TEXT NOT NULL, place TEXT NOT NULL, raw TEXT NOT NULL
);
CREATE TABLE aliases (key TEXT PRIMARY KEY, node INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pairs (digest TEXT PRIMARY KEY, md5 TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX pairs_by_md5 ON pairs (md5, size);
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, vfile INTEGER NOT NULL, node INTEGER, base INTEGER, parent INTEGER, name TEXT,
    size INTEGER NOT NULL, md5 TEXT NOT NULL, mtime_ns INTEGER NOT NULL, done INTEGER, asked TEXT UNIQUE
) WITHOUT ROWID;
""",
)
_MOST_PAIRS: Final = 500
_FIRST_IDS: Final = 1 << 32
_IDS_EACH: Final = 1 << 24
_EMPTY = ("DELETE FROM facts", "DELETE FROM nodes", "DELETE FROM aliases", "DELETE FROM uploads")
_PUT_NODE = "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NUMBERS = ("change", "compacted", "next_id")


class Upload(NamedTuple):
    """An upload under way: new at (parent, name), or new content of `node` over the revision `base`.

    Attributes:
        vfile: under which number the server takes its blocks.
        done: the node that it became; None while it has not.
        asked: the key by which a repeated beginning is known.
    """

    id: str
    vfile: int
    node: int | None
    base: int | None
    parent: int | None
    name: str | None
    size: int
    md5: str
    mtime_ns: int
    done: int | None
    asked: str | None


class NetdriveStore:
    """The account of one root; `path` may be ":memory:". Safe in any thread.

    Args:
        first_id: of the nodes of a new account. By default somewhere among so many that two computers never have the same:
            the passing names of files whose names go round in a circle (`engine.compare`) are made of ids.
    Raises:
        NewerStore: a newer Homestow wrote the file.
        StorageFailed: it cannot be opened or made.
    """

    def __init__(self, path: Path | str, first_id: int | None = None) -> None:
        self._path = path
        self._first_id = first_id
        self._lock = RLock()
        self._closed = False
        self._pairs: dict[Digest, tuple[Digest, str, int]] = {}
        try:
            self._db = self._open()
            self.snapshot = self._load()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._db = self._open()
            self.snapshot = self._load()

    def _open(self) -> sqlite3.Connection:
        return open_sqlite(self._path, str(self._path), _MIGRATIONS, "FULL")

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        if not isinstance(self._path, Path) or not self._path.exists() or "locked" in str(error):
            raise StorageFailed(f"{self._path} cannot be used: {error}") from error
        keep_damaged(self._path)

    @contextmanager
    def _whole(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise StorageFailed(f"{self._path} cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._flush_pairs()
                self._db.close()

    # --- the account --------------------------------------------------------------------------------------------------

    def _load(self) -> Snapshot:
        facts = dict(self._db.execute("SELECT name, value FROM facts"))
        if "epoch" not in facts:
            return self._begin()
        rows = self._db.execute("SELECT * FROM nodes")
        entries = {row[0]: Entry._make((*row[:3], bool(row[3]), *row[4:10], bool(row[10]), *row[11:])) for row in rows}
        aliases = dict(self._db.execute("SELECT key, node FROM aliases"))
        change, compacted, next_id = (int(facts[name]) for name in _NUMBERS)
        return Snapshot(facts["epoch"], entries, aliases, change, compacted, next_id)

    def _begin(self) -> Snapshot:
        first = self._first_id or _FIRST_IDS + secrets.randbelow(_FIRST_IDS) * _IDS_EACH
        snapshot = Snapshot(secrets.token_hex(16), next_id=first)
        with self._whole() as db:
            for statement in _EMPTY:
                db.execute(statement)
            db.execute("INSERT INTO facts VALUES ('epoch', ?)", (snapshot.epoch,))
            self._write(db, snapshot, snapshot.drain())
        return snapshot

    def begin_anew(self) -> Snapshot:
        """Another life: nothing that was told so far means anything."""
        with self._lock:
            self.snapshot = self._begin()
            return self.snapshot

    def save(self) -> None:
        """Make durable what the snapshot learned; before it is told to anybody."""
        with self._lock:
            changed = self.snapshot.drain()
            try:
                with self._whole() as db:
                    self._write(db, self.snapshot, changed)
            except StorageFailed:
                self.snapshot.undrain(changed)
                raise

    @staticmethod
    def _write(db: sqlite3.Connection, snapshot: Snapshot, changed: Changed) -> None:
        db.executemany(_PUT_NODE, changed.entries)
        db.executemany("DELETE FROM nodes WHERE id = ?", ((node,) for node in changed.dropped))
        db.executemany("INSERT OR REPLACE INTO aliases VALUES (?, ?)", changed.aliases)
        db.executemany("DELETE FROM aliases WHERE key = ?", ((key,) for key in changed.aliases_dropped))
        numbers = zip(_NUMBERS, (snapshot.change, snapshot.compacted, snapshot.next_id), strict=True)
        db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", ((name, str(value)) for name, value in numbers))

    def fact(self, name: str) -> str | None:
        """A fact that was put by this name."""
        with self._lock:
            row = self._db.execute("SELECT value FROM facts WHERE name = ?", (f"of {name}",)).fetchone()
        return None if row is None else str(row[0])

    def put_fact(self, name: str, value: str) -> None:
        """Keep a fact, until another life begins."""
        with self._whole() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (f"of {name}", value))

    # --- contents by both names ----------------------------------------------------------------------------------------

    def learn(self, pairs: list[tuple[Digest, str, int]]) -> None:
        """(BLAKE3, MD5, size) of bytes that were seen here; written with whatever is written next.

        What is lost of them costs reading once more.
        """
        with self._lock:
            self._pairs.update((pair[0], pair) for pair in pairs)
            if len(self._pairs) >= _MOST_PAIRS:
                self._flush_pairs()

    def _flush_pairs(self) -> None:
        with self._lock:
            if self._pairs:
                with self._whole() as db:
                    db.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)", self._pairs.values())
                self._pairs.clear()

    def md5_of(self, digest: Digest) -> str | None:
        """The MD5 of bytes that were seen here."""
        with self._lock:
            if digest in self._pairs:
                return self._pairs[digest][1]
            row = self._db.execute("SELECT md5 FROM pairs WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else str(row[0])

    def digest_of(self, md5: str, size: int) -> Digest | None:
        """The BLAKE3 of bytes that were seen here; None also when two contents of one size share the MD5."""
        with self._lock:
            rows = self._db.execute(
                "SELECT digest FROM pairs WHERE md5 = ? AND size = ? LIMIT 2", (md5, size)
            ).fetchall()
            found = {str(row[0]) for row in rows}
            found.update(digest for digest, *content in self._pairs.values() if content == [md5, size])
        return Digest(found.pop()) if len(found) == 1 else None

    # --- uploads ------------------------------------------------------------------------------------------------------

    def put_upload(self, upload: Upload) -> None:
        """Remember an upload."""
        with self._whole() as db:
            db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", upload)

    def upload(self, upload: str) -> Upload | None:
        """The upload of that id."""
        return self._upload("SELECT * FROM uploads WHERE id = ?", upload)

    def asked(self, key: str) -> Upload | None:
        """The upload that was begun with that key."""
        return self._upload("SELECT * FROM uploads WHERE asked = ?", key)

    def _upload(self, query: str, value: str) -> Upload | None:
        with self._lock:
            row = self._db.execute(query, (value,)).fetchone()
        return None if row is None else Upload(*row)

    def drop_upload(self, upload: str) -> None:
        """Forget it."""
        with self._whole() as db:
            db.execute("DELETE FROM uploads WHERE id = ?", (upload,))

    def drop_done_uploads(self) -> None:
        """Forget those that became files: nobody asks for them after a new start."""
        with self._whole() as db:
            db.execute("DELETE FROM uploads WHERE done IS NOT NULL")
