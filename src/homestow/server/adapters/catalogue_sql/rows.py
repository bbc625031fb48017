"""Changing rows inside of one transaction. What many changes share (numbers, folder numbers, usage) is written once."""

import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice

from homestow.server.adapters.catalogue_sql import statements as sql
from homestow.server.adapters.catalogue_sql.database import Database, translated
from homestow.server.adapters.catalogue_sql.paths import FolderCache
from homestow.server.adapters.catalogue_sql.reads import Reads
from homestow.server.ports.catalogue import (
    LARGE_ANSWER,
    MOST_LARGE_ANSWERS,
    Answer,
    Folder,
    FoundRow,
    NodeRow,
    Seen,
    UploadRow,
    Usage,
    VersionRow,
)
from homestow.server.ports.journal import Note
from homestow.values.errors import PathTaken, StorageFailed
from homestow.values.ids import AccountId, Epoch, NodeId, RootId, UploadId
from homestow.values.nodes import Kind

log = logging.getLogger(__name__)


class SqlRows(Reads):
    """One transaction's view of the catalogue; ends with it.

    `counters`: last numbers given. `moved`: paths of folders changed. `folders`: until then the shared folders, afterwards our own.
    """

    def __init__(
        self, connection: sqlite3.Connection, database: Database, shared: FolderCache, committed: dict[str, int]
    ) -> None:
        self._writing = connection
        self._database = database
        self._committed = committed
        self.folders = _Overlay(shared)
        self.moved = False
        self.counters: dict[str, int] = {}
        self._below: dict[NodeId, int] = {}
        self._charges: dict[RootId, list[int]] = {}

    def _connection(self) -> sqlite3.Connection:
        return self._writing

    def _folders(self) -> FolderCache:
        return self.folders

    def _do(self, statement: str, values: Sequence[object]) -> None:
        try:
            self._writing.execute(statement, values)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _do_all(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._writing.executemany(statement, rows)
        except sqlite3.Error as error:
            raise translated(error) from error

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that an exception undoes alone."""
        with self._database.savepoint(), self.part():
            yield

    @contextmanager
    def part(self) -> Iterator[None]:
        """What is gathered here is as it was before if the block raises; for a savepoint that somebody else made."""
        before = dict(self.counters), dict(self._below), {root: list(sums) for root, sums in self._charges.items()}
        try:
            yield
        except BaseException:
            self.counters, self._below, self._charges = before
            self.folders.clear()
            raise

    def flush(self) -> None:
        """Write what was gathered."""
        below: dict[NodeId, int] = {}
        for folder, number in sorted(self._below.items(), key=lambda item: item[1]):
            found = self.folder(folder)
            for node in found.chain if found is not None else (folder,):
                below[node] = number
        self._do_all(sql.SET_BELOW, [(number, node, number) for node, number in below.items()])
        self._below.clear()
        self._do_all(sql.CHARGE, [(root, *sums) for root, sums in self._charges.items() if any(sums)])
        self._charges.clear()
        self._do_all(sql.SET_COUNTER, [(value, name) for name, value in self.counters.items()])

    def _count(self, name: str, by: int) -> int:
        """Add to a counter; the first of the new numbers."""
        value = self._counter(name)
        self.counters[name] = value + by
        return value + 1

    def _counter(self, name: str) -> int:
        value = self.counters.get(name)
        if value is None:
            value = self._committed.get(name)
        return int(self._one(sql.COUNTER, (name,))[0]) if value is None else value

    def last(self) -> int:
        """Newest entry, those of this transaction included."""
        return self._counter("journal")

    def usage(self, roots: Collection[RootId]) -> dict[RootId, Usage]:
        """Room taken, this transaction's changes included."""
        found = super().usage(roots)
        for root in roots:
            sums = self._charges.get(root)
            if sums is not None:
                found[root] = Usage(*(have + more for have, more in zip(found[root], sums, strict=True)))
        return found

    def _paths_changed(self) -> None:
        self.moved = True
        self.folders.clear()

    # --- nodes ---

    def take_ids(self, count: int) -> NodeId:
        """Reserve ids."""
        return NodeId(self._count("node", count))

    def add(self, rows: Iterable[NodeRow]) -> None:
        """New nodes."""
        # Plain tuples are bound faster than named ones.
        self._add_all(sql.ADD_NODE, map(tuple, rows))

    def adopt(self, root: RootId, rows: Iterable[FoundRow]) -> None:
        """Very many new nodes."""
        coming, count = iter(rows), sql.ADOPTED_AT_ONCE
        rest: list[FoundRow] = []

        def at_once() -> Iterator[Sequence[object]]:
            while len(some := tuple(islice(coming, count))) == count:
                yield root, *chain.from_iterable(some)
            rest.extend(some)

        self._add_all(sql.ADOPT_MANY, at_once())
        self._add_all(sql.ADOPT, [(root, *row) for row in rest])

    def _add_all(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._writing.executemany(statement, rows)
        except sqlite3.IntegrityError as error:
            raise _taken(error) from error
        except sqlite3.Error as error:
            raise translated(error) from error

    def set_content(
        self, node: NodeId, rev: int, change: int, size: int, mtime_ns: int, digest: bytes | None, seen: Seen
    ) -> None:
        """New present content."""
        self._do(sql.SET_CONTENT, (rev, change, change, size, mtime_ns, digest, *seen, node))

    def set_seen(self, node: NodeId, mtime_ns: int, seen: Seen, change: int | None) -> None:
        """Other facts."""
        self._do(sql.SET_SEEN, (mtime_ns, *seen, node))
        if change is not None:
            self._do(sql.SET_CHANGE, (change, change, node))

    def set_digest(self, node: NodeId, rev: int, digest: bytes) -> None:
        """Remember a digest."""
        self._do(sql.SET_DIGEST, (digest, node, rev))

    def set_version_digest(self, node: NodeId, rev: int, digest: bytes) -> None:
        """Remember an older content's digest."""
        self._do(sql.SET_VERSION_DIGEST, (digest, node, rev))

    def set_kind(self, node: NodeId, kind: Kind) -> None:
        """Another kind."""
        self._do(sql.SET_KIND, (kind.value, node))
        self._paths_changed()

    def set_place(
        self, node: NodeId, parent: NodeId, name: str, loc_parent: NodeId | None, loc_name: str | None, change: int
    ) -> None:
        """Another place and location."""
        try:
            self._writing.execute(sql.SET_PLACE, (parent, name, loc_parent, loc_name, change, change, node))
        except sqlite3.IntegrityError as error:
            raise _taken(error) from error
        except sqlite3.Error as error:
            raise translated(error) from error
        self._paths_changed()

    def set_location(self, node: NodeId, loc_parent: NodeId | None, loc_name: str | None) -> None:
        """Another location."""
        self._do(sql.SET_LOCATION, (loc_parent, loc_name, node))
        self._paths_changed()

    def graft(self, root: RootId, into: RootId, parent: NodeId, name: str) -> int:
        """Another root's nodes from now on."""
        (count,) = self._one(sql.GRAFT_COUNT, (root,))
        first = self.take_numbers(count, {parent})
        try:
            self._writing.execute(sql.GRAFT_TOP, (parent, name, root)).fetchall()
        except sqlite3.IntegrityError as error:
            raise _taken(error) from error
        self._do(sql.GRAFT_NODES, (into, first, first + count - 1, first, root))
        for statement in (sql.GRAFT_UPLOADS, sql.GRAFT_ROOT, sql.GRAFT_MEMBERS):
            self._do(statement, (root,))
        self.recount(root)
        self.recount(into)
        self._paths_changed()
        return int(count)

    def bump(self, nodes: Iterable[tuple[NodeId, int]]) -> None:
        """Numbers of last changes."""
        self._do_all(sql.SET_CHANGE, [(change, change, node) for node, change in nodes])

    def set_gone(self, node: NodeId, change: int, at_ns: int, by: AccountId, kept: str | None) -> None:
        """Deleted."""
        self._do(sql.SET_GONE, (change, change, change, at_ns, by, kept, node))
        self._paths_changed()

    def set_purged(self, node: NodeId, change: int) -> None:
        """Only the tombstone is left."""
        self._do(sql.SET_PURGED, (change, change, change, node))
        self._paths_changed()

    def forget(self, nodes: Iterable[NodeId], change: int) -> None:
        """Remove rows."""
        for node in nodes:
            if not self._forgotten(node):
                self._do(sql.SET_PURGED, (change, change, change, node))
        self._paths_changed()

    def forget_tombstones(self, through: int) -> int:
        """Remove old tombstones; those under which something is still kept stay."""
        return sum(self._forgotten(node) for (node,) in self._all(sql.TOMBSTONES, (through,)))

    def _forgotten(self, node: NodeId) -> bool:
        """Remove a row, unless rows of nodes in it are left."""
        self._do(sql.DROP_VERSIONS, (node,))
        try:
            self._writing.execute(sql.FORGET, (node,))
        except sqlite3.IntegrityError:
            return False
        except sqlite3.Error as error:
            raise translated(error) from error
        return True

    # --- versions and room ---

    def add_version(self, version: VersionRow) -> None:
        """One more older content."""
        self._do(sql.ADD_VERSION, version)

    def drop_version(self, node: NodeId, rev: int) -> None:
        """No longer kept."""
        self._do(sql.DROP_VERSION, (node, rev))

    def charge(
        self, root: RootId, *, live: int = 0, kept: int = 0, reserved: int = 0, files: int = 0, entries: int = 0
    ) -> None:
        """Add to a root's usage."""
        sums = self._charges.setdefault(root, [0, 0, 0, 0, 0])
        sums[0] += live
        sums[1] += kept
        sums[2] += reserved
        sums[3] += files
        sums[4] += entries

    def recount(self, root: RootId) -> Usage:
        """Count anew."""
        self._charges.pop(root, None)
        live, files, nodes = self._one(sql.COUNT_NODES, (root,))
        kept, versions = self._one(sql.COUNT_VERSIONS, (root,))
        reserved, uploads = self._one(sql.COUNT_RESERVED, (root,))
        usage = Usage(live, kept, reserved, files, nodes + versions + uploads)
        self._do(sql.SET_USAGE, (root, *usage))
        return usage

    # --- uploads, answers, intents ---

    def save_upload(self, upload: UploadRow) -> None:
        """Add or change an upload."""
        received, durable = ",".join(map(str, upload.received)), ",".join(map(str, upload.durable))
        values = list(upload)
        values[13:15] = received, durable
        self._do(sql.SAVE_UPLOAD, values)

    def drop_upload(self, upload: UploadId) -> None:
        """Forget an upload."""
        self._do(sql.DROP_UPLOAD, (upload,))

    def add_intents(self, intents: Sequence[tuple[RootId, bytes]]) -> list[int]:
        """Record intents."""
        first = self._count("intent", len(intents))
        self._do_all(sql.ADD_INTENT, [(first + k, root, body) for k, (root, body) in enumerate(intents)])
        return list(range(first, first + len(intents)))

    def drop_intents(self, ids: Iterable[int]) -> None:
        """Carried out or undone."""
        self._do_all(sql.DROP_INTENT, [(intent,) for intent in ids])

    def save_answer(self, account: AccountId, key: str, answer: Answer, at_ns: int) -> None:
        """Remember an answer."""
        self._do(sql.SAVE_ANSWER, (account, key, *answer, at_ns))
        if len(answer.answer) > LARGE_ANSWER:
            self._do(sql.FORGET_LARGE, (account, LARGE_ANSWER, MOST_LARGE_ANSWERS))

    def drop_answers(self, before_ns: int) -> None:
        """Forget old answers."""
        self._do(sql.DROP_ANSWERS, (before_ns,))

    # --- journal ---

    def note(self, notes: Sequence[Note]) -> int:
        """Enter changes."""
        first = self._count("journal", len(notes))
        number = first
        entries = []
        below = self._below
        for root, node, kind, at_ns, account, device, inside in notes:
            entries.append((number, root, node, kind.value, at_ns, account, device))
            for folder in inside:
                below[folder] = number
            number += 1
        self._do_all(sql.ADD_ENTRY, entries)
        return first

    def take_numbers(self, count: int, inside: Collection[NodeId]) -> int:
        """Numbers without entries."""
        first = self._count("journal", count)
        for folder in inside:
            self._below[folder] = first + count - 1
        return first

    def compact(self, through: int) -> None:
        """Forget entries."""
        self._do(sql.COMPACT, (through,))
        self._do(sql.SET_META, ("compacted", str(through)))

    def renew_epoch(self, epoch: Epoch) -> None:
        """Begin another life."""
        self._do(sql.SET_META, ("epoch", epoch))


class _Overlay(FolderCache):
    """Folders as a transaction sees them: the shared ones until paths change, its own afterwards."""

    def __init__(self, shared: FolderCache) -> None:
        super().__init__()
        self._shared: FolderCache | None = shared

    def get(self, node: NodeId) -> Folder | None:
        """A known folder."""
        own = self.known.get(node)
        return own if own is not None or self._shared is None else self._shared.get(node)

    def clear(self) -> None:
        """A folder moved in this transaction."""
        super().clear()
        self._shared = None


def _taken(error: sqlite3.IntegrityError) -> PathTaken | StorageFailed:
    if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
        return PathTaken("Something already lives there.")
    log.error("the catalogue refused a row", extra={"reason": str(error)})
    return StorageFailed("The catalogue refused a row; the server's log says why. Run `homestow verify`.").because(
        error
    )
