"""What a job remembers, in one SQLite file; ":memory:" is the twin for simulations.

WAL with synchronous=NORMAL: a power loss may cost the newest transactions, never the file. That is enough, because the
state is a cache of two sides that both still exist: what is missing is seen again and adopted, nothing is deleted for it
(R24). A file that cannot be read is set aside, not repaired.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from homestow.client.adapters.sqlite_file import keep_damaged, open_sqlite
from homestow.client.engine.seen import Stamp
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import NOWHERE, LocalItem, Passed, RemoteItem, SyncedItem, TreeChanges
from homestow.client.ports.state import Life, OpenDownload, OpenUpload, Saved, Sent
from homestow.values.digests import Digest
from homestow.values.errors import StorageFailed
from homestow.values.faults import faultpoint

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE synced (
        id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, folder INTEGER NOT NULL,
        size INTEGER NOT NULL, digest TEXT, rev INTEGER NOT NULL, change INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        disk TEXT, local_mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL
    );
    CREATE TABLE local (
        id INTEGER PRIMARY KEY, gone INTEGER NOT NULL, parent INTEGER, name TEXT, folder INTEGER, size INTEGER,
        digest TEXT, disk TEXT, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER
    );
    CREATE TABLE remote (
        id INTEGER PRIMARY KEY, gone INTEGER NOT NULL, parent INTEGER, name TEXT, folder INTEGER, size INTEGER,
        digest TEXT, rev INTEGER, change INTEGER, mtime_ns INTEGER
    );
    CREATE TABLE uploads (
        item INTEGER PRIMARY KEY, upload TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, base_rev INTEGER, block_size INTEGER NOT NULL
    );
    CREATE TABLE downloads (
        item INTEGER PRIMARY KEY, rev INTEGER NOT NULL, key TEXT NOT NULL, have TEXT NOT NULL
    );
    CREATE TABLE sent (item INTEGER PRIMARY KEY, base_rev INTEGER NOT NULL, digest TEXT NOT NULL);
    CREATE TABLE problems (
        number INTEGER PRIMARY KEY, path BLOB NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL
    );
    """,
    "CREATE TABLE passed (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, code TEXT NOT NULL);",
    """
    CREATE TABLE earlier (
        id INTEGER PRIMARY KEY, gone INTEGER NOT NULL, parent INTEGER, name TEXT, folder INTEGER, size INTEGER,
        digest TEXT, rev INTEGER, change INTEGER, mtime_ns INTEGER
    );
    """,
)
"""Entry k brings schema k to k + 1; released entries never change."""

SCHEMA = len(_MIGRATIONS)

_PUT_SYNCED = "INSERT OR REPLACE INTO synced VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_LOCAL = "INSERT OR REPLACE INTO local VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_REMOTE = "INSERT OR REPLACE INTO remote VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_EARLIER = "INSERT OR REPLACE INTO earlier VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_GONE = (None,) * 8
_MARK_LOCAL = "INSERT OR REPLACE INTO local (id, gone) VALUES (?, 1)"
_MARK_REMOTE = "INSERT OR REPLACE INTO remote (id, gone) VALUES (?, 1)"


class SqliteState:
    """`State` in a SQLite file; `path` may be ":memory:".

    Raises:
        NewerStore: a newer Homestow wrote the file.
        StorageFailed: the file cannot be opened or made.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._lock = RLock()
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._db = self._open()

    # --- the file -----------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        return open_sqlite(self._path, f"The sync state {self._path}", _MIGRATIONS, "NORMAL")

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Keep an unreadable file under another name, so that a new one is built by union (R24)."""
        if not isinstance(self._path, Path) or not self._path.exists():
            raise StorageFailed(f"The sync state {self._path} cannot be used: {error}") from error
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise StorageFailed(f"The sync state {self._path} is in use by another program.") from error
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
                faultpoint("client.state.before_commit")
                self._db.execute("COMMIT")
                faultpoint("client.state.committed")
            except sqlite3.Error as error:
                raise StorageFailed(f"The sync state {self._path} cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        with self._lock:
            self._db.close()

    # --- trees --------------------------------------------------------------------------------------------------------

    def load(self) -> Saved:
        """See `State.load`."""
        with self._lock:
            try:
                saved = self._load()
                sound = _sound(saved)
            except sqlite3.DatabaseError as error:
                return self._anew(error)
            return saved if sound else self._anew(sqlite3.DatabaseError("items without their folders"))

    def _anew(self, error: sqlite3.DatabaseError) -> Saved:
        self._db.close()
        self._set_aside(error)
        self._db = self._open()
        return self._load()

    def _load(self) -> Saved:
        facts = dict(self._db.execute("SELECT name, value FROM facts"))
        life = None
        if "epoch" in facts:
            life = Life(facts["epoch"], int(facts["root"]), int(facts["top"]))
        make = SyncedItem._make
        synced = {row[0]: make(row) for row in self._db.execute("SELECT * FROM synced")}
        local = {
            row[0]: None if row[1] else LocalItem._make(row[2:]) for row in self._db.execute("SELECT * FROM local")
        }
        remote = {
            row[0]: None if row[1] else RemoteItem._make(row[2:]) for row in self._db.execute("SELECT * FROM remote")
        }
        passed = {row[0]: Passed._make(row[1:]) for row in self._db.execute("SELECT * FROM passed")}
        earlier = {
            row[0]: None if row[1] else RemoteItem._make(row[2:]) for row in self._db.execute("SELECT * FROM earlier")
        }
        return Saved(life, facts.get("cursor"), synced, local, remote, passed, earlier)

    def save(self, changes: TreeChanges, cursor: str | None = None) -> None:
        """See `State.save`."""
        if not changes and cursor is None:
            return
        with self._whole() as db:
            self._write(db, changes)
            if cursor is not None:
                db.execute("INSERT OR REPLACE INTO facts VALUES ('cursor', ?)", (cursor,))

    def begin_life(self, life: Life, changes: TreeChanges) -> None:
        """See `State.begin_life`."""
        with self._whole() as db:
            for statement in (
                "DELETE FROM synced", "DELETE FROM local", "DELETE FROM remote", "DELETE FROM uploads",
                "DELETE FROM downloads", "DELETE FROM sent", "DELETE FROM facts", "DELETE FROM passed", "DELETE FROM earlier",
            ):  # fmt: skip
                db.execute(statement)
            facts = (("epoch", life.epoch), ("root", str(life.root)), ("top", str(life.top)))
            db.executemany("INSERT INTO facts VALUES (?, ?)", facts)
            self._write(db, changes)

    @staticmethod
    def _write(db: sqlite3.Connection, changes: TreeChanges) -> None:
        if changes.synced_dropped:
            db.executemany("DELETE FROM synced WHERE id = ?", ((item,) for item in changes.synced_dropped))
        if changes.local_dropped:
            db.executemany("DELETE FROM local WHERE id = ?", ((item,) for item in changes.local_dropped))
        if changes.remote_dropped:
            db.executemany("DELETE FROM remote WHERE id = ?", ((item,) for item in changes.remote_dropped))
        if changes.synced:
            db.executemany(_PUT_SYNCED, changes.synced)
        if changes.local:
            db.executemany(_PUT_LOCAL, ((item, *mine) for item, mine in changes.local if mine is not None))
            db.executemany(_MARK_LOCAL, ((item,) for item, mine in changes.local if mine is None))
        if changes.remote:
            db.executemany(_PUT_REMOTE, ((item, *theirs) for item, theirs in changes.remote if theirs is not None))
            db.executemany(_MARK_REMOTE, ((item,) for item, theirs in changes.remote if theirs is None))
        if changes.passed_dropped:
            db.executemany("DELETE FROM passed WHERE id = ?", ((node,) for node in changes.passed_dropped))
        if changes.passed:
            rows = ((node, *passed) for node, passed in changes.passed)
            db.executemany("INSERT OR REPLACE INTO passed VALUES (?, ?, ?, ?)", rows)
        if changes.earlier_dropped:
            db.executemany("DELETE FROM earlier WHERE id = ?", ((node,) for node in changes.earlier_dropped))
        if changes.earlier:
            db.executemany(_PUT_EARLIER, ((node, was is None, *(was or _GONE)) for node, was in changes.earlier))

    # --- transfers ----------------------------------------------------------------------------------------------------

    def open_uploads(self) -> Sequence[OpenUpload]:
        """See `State.open_uploads`."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM uploads ORDER BY item").fetchall()
        return [OpenUpload(row[0], row[1], Stamp(*row[2:6]), row[6], row[7]) for row in rows]

    def put_upload(self, upload: OpenUpload) -> None:
        """See `State.put_upload`."""
        row = (upload.item, upload.upload, *upload.stamp, upload.base_rev, upload.block_size)
        with self._whole() as db:
            db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def drop_upload(self, item: int) -> None:
        """See `State.drop_upload`."""
        with self._whole() as db:
            db.execute("DELETE FROM uploads WHERE item = ?", (item,))

    def open_downloads(self) -> Sequence[OpenDownload]:
        """See `State.open_downloads`."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM downloads ORDER BY item").fetchall()
        return [OpenDownload(row[0], row[1], row[2], _ranges(row[3])) for row in rows]

    def put_download(self, download: OpenDownload) -> None:
        """See `State.put_download`."""
        have = " ".join(f"{start}-{stop}" for start, stop in download.have)
        with self._whole() as db:
            row = (download.item, download.rev, download.key, have)
            db.execute("INSERT OR REPLACE INTO downloads VALUES (?, ?, ?, ?)", row)

    def drop_download(self, item: int) -> None:
        """See `State.drop_download`."""
        with self._whole() as db:
            db.execute("DELETE FROM downloads WHERE item = ?", (item,))

    def sent(self) -> Sequence[Sent]:
        """See `State.sent`."""
        with self._lock:
            rows = self._db.execute("SELECT item, base_rev, digest FROM sent ORDER BY item").fetchall()
        return [Sent(item, base_rev, Digest(digest)) for item, base_rev, digest in rows]

    def put_sent(self, sent: Iterable[Sent]) -> None:
        """See `State.put_sent`."""
        with self._whole() as db:
            rows = ((one.item, one.base_rev, one.digest) for one in sent)
            db.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", rows)

    def drop_sent(self, items: Iterable[int]) -> None:
        """See `State.drop_sent`."""
        with self._whole() as db:
            db.executemany("DELETE FROM sent WHERE item = ?", ((item,) for item in items))

    # --- for the user -------------------------------------------------------------------------------------------------

    def problems(self) -> Sequence[Held]:
        """See `State.problems`."""
        with self._lock:
            rows = self._db.execute("SELECT path, code, reason FROM problems ORDER BY number").fetchall()
        return [Held(_path(path), code, reason) for path, code, reason in rows]

    def put_problems(self, problems: Sequence[Held]) -> None:
        """See `State.put_problems`."""
        with self._lock:
            if list(problems) == list(self.problems()):
                return
            with self._whole() as db:
                db.execute("DELETE FROM problems")
                rows = (
                    ("\0".join(held.path).encode(errors="surrogateescape"), held.code, _text(held.reason))
                    for held in problems
                )
                db.executemany("INSERT INTO problems (path, code, reason) VALUES (?, ?, ?)", rows)

    def deletes_accepted(self) -> bool:
        """See `State.deletes_accepted`."""
        with self._lock:
            return self._db.execute("SELECT 1 FROM facts WHERE name = 'accepted'").fetchone() is not None

    def accept_deletes(self, accepted: bool) -> None:
        """See `State.accept_deletes`."""
        if accepted == self.deletes_accepted():
            return
        with self._whole() as db:
            if accepted:
                db.execute("INSERT OR REPLACE INTO facts VALUES ('accepted', '1')")
            else:
                db.execute("DELETE FROM facts WHERE name = 'accepted'")

    def filters(self) -> str:
        """See `State.filters`."""
        with self._lock:
            row = self._db.execute("SELECT value FROM facts WHERE name = 'filters'").fetchone()
        return "" if row is None else str(row[0])

    def put_filters(self, digest: str) -> None:
        """See `State.put_filters`."""
        if digest == self.filters():
            return
        with self._whole() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES ('filters', ?)", (digest,))


def _path(data: bytes) -> tuple[str, ...]:
    text = data.decode(errors="surrogateescape")
    return tuple(text.split("\0")) if text else ()


def _text(reason: str) -> str:
    return reason.encode(errors="replace").decode()


def _ranges(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (pair.split("-") for pair in text.split())
    return tuple((int(start), int(stop)) for start, stop in pairs)


def _sound(saved: Saved) -> bool:
    """Whether every item's folder is known (lesson 5)."""
    if saved.life is None:
        return not saved.synced
    parents = {item.parent for item in saved.synced.values()}
    parents -= {saved.life.top, NOWHERE}
    return all(parent in saved.synced or parent in saved.local or parent in saved.remote for parent in parents)
