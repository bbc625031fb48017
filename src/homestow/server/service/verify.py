"""Is everything there that the catalogue says, and nothing else? And setting right what can be set right (P13).

Verifying only reads. Repairing never removes content that a row needs: what no row knows is adopted, what is not there any
more is no longer claimed, and damaged content stays as it is until somebody brings back a good version or backup.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from homestow.server.ports.catalogue import Catalogue, NodeRow, Rows, VersionRow, new_row, seen_from
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Content, EntryKind, Location, Opened, Stat
from homestow.server.ports.copies import Copies
from homestow.server.ports.journal import Note
from homestow.server.ports.roots import Root
from homestow.server.rules.access import OUTSIDE
from homestow.server.rules.retention import HOUR_NS
from homestow.server.service.committer import Committer
from homestow.server.service.digesting import digest_open
from homestow.server.service.outside import Outside
from homestow.server.service.recovery import leftovers
from homestow.server.service.roots import Roots
from homestow.server.service.stopping import Stopping
from homestow.server.service.work import RowsWork
from homestow.values.changes import ChangeKind
from homestow.values.errors import CloudError, ContentMissing, StorageFailed
from homestow.values.ids import NO_DEVICE, SYSTEM, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import numbered
from homestow.values.words import counted

_PAGE = 1000
_MOST_TOLD = 1000

log = logging.getLogger(__name__)


class Wrong(StrEnum):
    """What can be wrong."""

    DATABASE = "database"
    AWAY = "away"
    MISSING = "missing"
    SIZE = "size"
    DAMAGED = "damaged"
    """The facts are those we know and the bytes are not: the disk changed them."""

    CHANGED = "changed"
    """Other facts and other bytes: somebody edited it and no comparison saw it yet, or it was damaged that way."""

    STRAY = "stray"
    UNREADABLE = "unreadable"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where as ROOT/path, and what in words."""

    wrong: Wrong
    where: str
    what: str


@dataclass(slots=True)
class Report:
    """What a check found, or a repair did (`done`: one line each)."""

    files: int = 0
    size: int = 0
    compared: int = 0
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[Wrong] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts

    def add(self, wrong: Wrong, where: str, what: str) -> None:
        """Note something wrong; of very many the first thousand are told."""
        self.counts[wrong] += 1
        if len(self.problems) < _MOST_TOLD:
            self.problems.append(Problem(wrong, where, what))

    def lines(self) -> list[str]:
        """For people."""
        found = [f"{one.wrong.value}: {one.where}: {one.what}" for one in self.problems]
        total = f"{counted(self.files, 'content')} checked, the bytes of {self.compared:,} compared with their digests"
        wrong = self.counts.total()
        is_are = "is" if wrong == 1 else "are"
        verdict = "everything is in order" if self.sound else f"{counted(wrong, 'thing')} {is_are} wrong"
        return [*self.done, *found, f"{total}; {verdict}."]

    def data(self) -> dict[str, object]:
        """For programs."""
        return {
            "sound": self.sound, "files": self.files, "size": self.size, "compared": self.compared,
            "counts": {wrong.value: count for wrong, count in self.counts.items()},
            "problems": [{"wrong": one.wrong.value, "where": one.where, "what": one.what} for one in self.problems],
            "done": self.done,
        }  # fmt: skip


class Verify:
    """Checks and repairs all roots; works beside a running server."""

    def __init__(
        self, catalogue: Catalogue, roots: Roots, committer: Committer, outside: Outside, copies: Copies, clock: Clock
    ) -> None:
        self._catalogue = catalogue
        self._roots = roots
        self._committer = committer
        self._outside = outside
        self._copies = copies
        self._clock = clock

    def run(self, quick: bool = False) -> Report:
        """Check the database, every row's content, and what no row knows.

        Args:
            quick: compare sizes only; without it every content whose digest is known is read.

        Raises:
            Busy: the server stops.
        """
        report = Report()
        for line in self._copies.problems():
            report.add(Wrong.DATABASE, "homestow.db", line)
        if not report.sound:
            report.done.append("The database is damaged: restore a backup, or move homestow.db away and run repair.")
            return report
        for root in self._roots.all():
            try:
                store = self._roots.present(root.id)
            except CloudError as error:
                report.add(Wrong.AWAY, root.name, error.message)
                continue
            _Check(self._catalogue, root, store, report, quick, self._clock.now_ns(), self._outside.stopping).run()
        return report

    def repair(self) -> Report:
        """Set right what can be, then check again; `done` says what was done.

        Files that no row knows become nodes, rows whose file is not there become gone, kept content that no row needs goes
        to the trash under a found name, versions without content are no longer offered, counters are counted anew. Folders
        in the server's own file area that belong to no root become roots without members.
        """
        if problems := self._copies.problems():
            report = Report()
            for line in problems:
                report.add(Wrong.DATABASE, "homestow.db", line)
            report.done.append("The database is damaged: restore a backup, or move homestow.db away and run repair.")
            return report
        done = [f"{root.name}: {root.folder} is a root again, without members" for root in self._roots.adopt_orphans()]
        self._roots.ensure_tops()
        for root in self._roots.all():
            try:
                store = self._roots.present(root.id)
                done += [f"{root.name}: {line}" for line in self._repair(root, store)]
            except CloudError as error:
                self._outside.stopping.check()
                done.append(f"{root.name}: left as it is: {error.message}")
        report = self.run()
        report.done = done
        return report

    def _repair(self, root: Root, store: Content) -> list[str]:
        found = self._outside.rescan(root.id, accept_deletes=True)
        done = [
            f"{counted(count, what, more)} {done}"
            for count, what, more, done in (
                (found.new, "file or folder", "files and folders", "adopted"), (found.edited, "edit", "edits", "registered"),
                (found.moved, "move", "moves", "registered"), (found.gone, "thing", "things", "without content marked as gone"),
            )
            if count
        ]  # fmt: skip
        mend = _Mend(root.id, store, self._clock.now_ns())
        work = RowsWork(OUTSIDE, root.id, mend.rows, exclusive=True)
        self._committer.run(work)
        for key in mend.staged:
            store.drop_staged(key)
        return done + mend.done


class _Check:
    """One root's check. What looks wrong is believed only if its row is still the same afterwards."""

    def __init__(
        self, catalogue: Catalogue, root: Root, store: Content, report: Report, quick: bool, now_ns: int,
        stopping: Stopping,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._root = root
        self._store = store
        self._report = report
        self._quick = quick
        self._now_ns = now_ns
        self._stopping = stopping

    def run(self) -> None:
        """Live nodes, trash, versions, strays, counters."""
        for row in self._live():
            self._live_node(row)
        for row in self._trash():
            self._stopping.check()
            self._kept_node(row)
        after: NodeId | None = NodeId(0)
        while after is not None:
            nodes = self._catalogue.nodes_with_versions(after, _PAGE)
            after = nodes[-1] if len(nodes) == _PAGE else None
            for row in self._catalogue.nodes(nodes).values():
                if row.root == self._root.id:
                    self._stopping.check()
                    for version in self._catalogue.versions(row.id):
                        self._version(row, version)
        self._strays()
        self._counters()

    def _live(self) -> Iterator[NodeRow]:
        after: NodeId | None = NodeId(0)
        while after is not None:
            rows, after = self._catalogue.tree(self._root.id, after, _PAGE)
            yield from rows

    def _trash(self) -> Iterator[NodeRow]:
        before = 0
        while rows := self._catalogue.trash(self._root.id, before, _PAGE):
            yield from rows
            before = rows[-1].gone

    def _live_node(self, row: NodeRow) -> None:
        self._stopping.check()
        if row.parent is None:
            self._folder(row, ())
            return
        try:
            at = self._catalogue.lies(row).location
            stat = self._store.look(at)
        except CloudError as error:
            self._tell(
                row, Wrong.ROW if isinstance(error, StorageFailed) else Wrong.UNREADABLE, str(row.id), error.message
            )
            return
        kind = Kind(row.kind)
        if stat is None:
            self._tell(row, Wrong.MISSING, self._where(at), f"the {kind.value} is not on the disk")
        elif stat.kind != kind.value:
            self._tell(row, Wrong.CHANGED, self._where(at), f"it is a {stat.kind.value} there, not a {kind.value}")
        elif kind is Kind.FILE:
            self._bytes(row, self._where(at), row.size, row.digest, stat, lambda: self._store.open(at))
        elif kind is Kind.FOLDER:
            self._folder(row, at)
        if row.change > self._catalogue.last():
            self._tell(row, Wrong.ROW, self._where(at), "its change number is beyond the journal")

    def _folder(self, row: NodeRow, at: Location) -> None:
        """What lies in a folder and no row knows."""
        try:
            entries = self._store.list_folder(at)
        except CloudError as error:
            self._tell(row, Wrong.UNREADABLE, self._where(at), error.message)
            return
        known = {one.name if one.loc_name is None else one.loc_name for one in self._catalogue.lying_in(row.id)}
        for entry in entries:
            if entry.name not in known and entry.stat.kind is not EntryKind.OTHER:
                self._tell(
                    row, Wrong.STRAY, self._where((*at, entry.name)), "it is on the disk and not in the catalogue"
                )

    def _kept_node(self, row: NodeRow) -> None:
        """Something in the trash; of a folder everything in it."""
        key = row.kept
        if key is None:
            return
        where = f"trash of {self._root.name}: {row.name}"
        stat = self._store.look_kept(key)
        if stat is None:
            self._tell(row, Wrong.MISSING, where, "its content is not there")
            return
        if row.kind == "file":
            self._bytes(row, where, row.size, row.digest, stat, lambda: self._store.open_kept(key))
        elif row.kind == "folder":
            for inner in self._catalogue.inside(row.id):
                lies = self._catalogue.lies(inner)
                if inner.kind == "file" and lies.kept is not None and not inner.gone:
                    self._kept_inside(inner, lies.kept, lies.location, f"{where}/{'/'.join(lies.location)}")

    def _kept_inside(self, row: NodeRow, key: str, inside: Location, where: str) -> None:
        try:
            opened = self._store.open_kept(key, inside)
        except ContentMissing:
            self._tell(row, Wrong.MISSING, where, "its content is not there")
            return
        except CloudError as error:
            self._tell(row, Wrong.UNREADABLE, where, error.message)
            return
        stat = opened.stat
        self._bytes(row, where, row.size, row.digest, stat, lambda: opened)

    def _version(self, row: NodeRow, version: VersionRow) -> None:
        where = f"version {version.rev} of {self._root.name}: {row.name}"
        stat = self._store.look_kept(version.kept)
        if stat is None:
            if self._catalogue.version(row.id, version.rev) == version:
                self._report.add(Wrong.MISSING, where, "its content is not there")
            return
        self._bytes(
            row, where, version.size, version.digest, stat, lambda: self._store.open_kept(version.kept), version
        )

    def _bytes(
        self, row: NodeRow, where: str, size: int, digest: bytes | None, stat: Stat, open_it: Callable[[], Opened],
        version: VersionRow | None = None,
    ) -> None:  # fmt: skip
        """One content: its size, and its bytes where their digest is known."""
        self._report.files += 1
        self._report.size += size
        if stat.size != size:
            self._tell(row, Wrong.SIZE, where, f"it has {stat.size:,} bytes and not {size:,}", version)
        elif digest is not None and not self._quick:
            try:
                opened = open_it()
                try:
                    found = digest_open(opened, size, self._stopping.check)
                finally:
                    opened.close()
            except CloudError as error:
                self._stopping.check()
                self._tell(row, Wrong.UNREADABLE, where, error.message, version)
                return
            self._report.compared += 1
            if found != digest:
                same = version is not None or row.gone or stat.mtime_ns == row.disk_mtime_ns
                wrong = Wrong.DAMAGED if same else Wrong.CHANGED
                self._tell(row, wrong, where, "its bytes are not those of its digest", version)

    def _strays(self) -> None:
        """What lies in the hidden areas and no row needs, seen twice so that nothing under way is told."""
        kept = set(self._store.kept_keys()) - self._catalogue.kept_keys(self._root.id)
        if kept:
            self._still_there(kept)
        for key in sorted(leftovers(self._catalogue, self._root.id, self._store, self._now_ns, HOUR_NS)):
            self._report.add(Wrong.STRAY, f"staging of {self._root.name}", f"{key} belongs to no upload")

    def _still_there(self, kept: set[str]) -> None:
        open_roots = {intent.root for intent in self._catalogue.intents()}
        if self._root.id in open_roots:
            return  # being moved right now; the next check sees what is left
        for key in sorted(kept - self._catalogue.kept_keys(self._root.id)):
            if self._store.look_kept(key) is not None:
                self._report.add(Wrong.STRAY, f"kept area of {self._root.name}", f"{key} is needed by nothing")

    def _counters(self) -> None:
        try:
            with self._catalogue.write() as rows:
                stored, counted = rows.usage([self._root.id])[self._root.id], rows.recount(self._root.id)
                if stored != counted:
                    self._report.add(Wrong.ROW, self._root.name, f"counted {counted}, stored {stored}")
                raise _OnlyLooked
        except _OnlyLooked:
            return

    def _tell(self, row: NodeRow, wrong: Wrong, where: str, what: str, version: VersionRow | None = None) -> None:
        """Note it, unless the row changed while we looked."""
        if version is not None:
            if self._catalogue.version(version.node, version.rev) != version:
                return
        elif wrong is not Wrong.STRAY and self._catalogue.node(row.id) != row:
            return
        self._report.add(wrong, where, what)

    def _where(self, at: Location) -> str:
        return "/".join((self._root.name, *at)).encode(errors="replace").decode()


class _OnlyLooked(Exception):
    """Ends a transaction that shall leave nothing behind."""


class _Mend:
    """One root's repair in rows, alone in the committer's order."""

    def __init__(self, root: RootId, store: Content, now_ns: int) -> None:
        self._root = root
        self._store = store
        self._now_ns = now_ns
        self.done: list[str] = []
        self.staged: list[str] = []

    def rows(self, rows: Rows) -> None:
        """Versions and trash without content, kept content without rows, counters."""
        self._drop_lost(rows)
        self._adopt_kept(rows)
        before, after = rows.usage([self._root])[self._root], rows.recount(self._root)
        if before != after:
            self.done.append("counters counted anew")
        self.staged = sorted(leftovers(rows, self._root, self._store, self._now_ns, HOUR_NS))
        if self.staged:
            self.done.append(f"{counted(len(self.staged), 'leftover')} of uploads removed")

    def _drop_lost(self, rows: Rows) -> None:
        lost = 0
        after: NodeId | None = NodeId(0)
        while after is not None:
            nodes = rows.nodes_with_versions(after, _PAGE)
            after = nodes[-1] if len(nodes) == _PAGE else None
            mine = [row.id for row in rows.nodes(nodes).values() if row.root == self._root]
            for version in [version for node in mine for version in rows.versions(node)]:
                if self._store.look_kept(version.kept) is None:
                    rows.drop_version(version.node, version.rev)
                    lost += 1
        if lost:
            self.done.append(f"{counted(lost, 'version')} without content no longer offered")
        before, emptied = 0, 0
        while trashed := rows.trash(self._root, before, _PAGE):
            before = trashed[-1].gone
            for row in trashed:
                if row.kept is not None and self._store.look_kept(row.kept) is None and row.parent is not None:
                    note = Note(self._root, row.id, ChangeKind.PURGED, self._now_ns, SYSTEM, NO_DEVICE, (row.parent,))
                    rows.set_purged(row.id, rows.note([note]))
                    emptied += 1
        if emptied:
            self.done.append(f"{counted(emptied, 'thing')} of the trash without content no longer offered")

    def _adopt_kept(self, rows: Rows) -> None:
        """Kept content that no row needs goes to the trash, from where it can be brought back."""
        top = rows.top(self._root)
        strays = sorted(set(self._store.kept_keys()) - rows.kept_keys(self._root))
        if top is None:
            return
        adopted = 0
        for key in strays:
            stat = self._store.look_kept(key)
            kind = {EntryKind.FILE: Kind.FILE, EntryKind.FOLDER: Kind.FOLDER}.get(stat.kind) if stat else None
            if stat is None or kind is None:
                continue
            name, taken = f"found {key[:8]}", set[str]()
            while rows.child(top.id, candidate := numbered(name, taken)) is not None:
                taken.add(candidate)
            node = rows.take_ids(1)
            number = rows.note([Note(self._root, node, ChangeKind.TRASHED, self._now_ns, SYSTEM, NO_DEVICE, (top.id,))])
            size = stat.size if kind is Kind.FILE else 0
            row = new_row(
                node, self._root, top.id, candidate, kind, number, rev=int(kind is Kind.FILE), size=size,
                mtime_ns=stat.mtime_ns, seen=seen_from(stat),
            )  # fmt: skip
            rows.add([row])
            rows.set_gone(node, number, self._now_ns, SYSTEM, key)
            adopted += 1
        if adopted:
            self.done.append(f"{counted(adopted, 'kept content')} that nothing needed now in the trash as 'found …'")
