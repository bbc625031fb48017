"""Writes outside changes into rows and journal, after looking once more that each still holds.

Runs inside one transaction of the committer with nothing else under way. A node that is not as the comparison saw it, or a
file that looks different by now, is left for another look.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from homestow.server.ports.catalogue import NOT_SEEN, NodeRow, Rows, new_row, seen_from
from homestow.server.ports.content import Content, EntryKind, Location, Stat
from homestow.server.ports.journal import Note
from homestow.values.changes import ChangeKind
from homestow.values.errors import CloudError, PathTaken
from homestow.values.ids import NO_DEVICE, SYSTEM, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import nfc, numbered

KINDS = {EntryKind.FILE: Kind.FILE, EntryKind.FOLDER: Kind.FOLDER, EntryKind.LINK: Kind.LINK}
"""What can be a node."""


@dataclass(slots=True, eq=False)
class Folder:
    """A folder on disk: `id` is its node, None until it has one; `same`: it is the folder we knew, at its place."""

    id: NodeId | None
    location: Location
    same: bool = False


class New(NamedTuple):
    """An entry no node is known for; `inner` is the entry itself where it is a folder."""

    folder: Folder
    name: str
    kind: Kind
    stat: Stat
    inner: Folder | None


class Move(NamedTuple):
    """A node that lies elsewhere now; `same`: its bytes were compared, whatever its facts say."""

    row: NodeRow
    folder: Folder
    name: str
    stat: Stat
    same: bool = False


class Edit(NamedTuple):
    """A file with other content; `digest` where it was computed."""

    row: NodeRow
    at: Location
    stat: Stat
    digest: bytes | None


class Touch(NamedTuple):
    """A node with other facts and the same content; `mtime_ns`: a new time that people see, None when they see nothing."""

    row: NodeRow
    at: Location
    stat: Stat
    mtime_ns: int | None


class Gone(NamedTuple):
    """A node that is not on disk any more."""

    row: NodeRow
    at: Location


@dataclass(slots=True)
class Recorded:
    """How many of each were recorded, and folders to look at again."""

    new: int = 0
    moved: int = 0
    edited: int = 0
    gone: int = 0
    again: set[Location] = field(default_factory=set)


def record(
    rows: Rows, store: Content, root: RootId, now_ns: int, new: Sequence[New], moves: Sequence[Move],
    gone: Sequence[Gone], edits: Sequence[Edit], touches: Sequence[Touch],
) -> Recorded:  # fmt: skip
    """Record differences in an order in which every place is free when it is needed."""
    writer = _Writer(rows, store, root, now_ns)
    moves = writer.park(moves)
    writer.gone(gone)
    writer.new(new)
    writer.moved(moves)
    writer.edited(edits)
    writer.touched(touches)
    return writer.done


class _Writer:
    """One transaction's work."""

    def __init__(self, rows: Rows, store: Content, root: RootId, now_ns: int) -> None:
        self._rows = rows
        self._store = store
        self._root = root
        self._now_ns = now_ns
        self.done = Recorded()

    # --- nodes that were known ------------------------------------------------------------------------------------

    def park(self, moves: Sequence[Move]) -> list[Move]:
        """Take moved nodes away from their old places, so that swaps and shifts find them free; those that still hold."""
        top = self._rows.top(self._root)
        held: list[Move] = []
        for move in moves:
            at = (*move.folder.location, move.name)
            if top is not None and self._holds(move.row, at, move.stat):
                held.append(move)
                if _follows(move.row):
                    self._rows.set_place(
                        move.row.id, top.id, f"\0{move.row.id}", move.row.loc_parent, move.row.loc_name, move.row.change
                    )
        return held

    def moved(self, moves: Sequence[Move]) -> None:
        """Put moved nodes to where they lie now, with what became of their content."""
        for move in moves:
            row, folder, stat = move.row, move.folder, move.stat
            parent = row.parent
            if folder.id is None or parent is None:  # its new folder could not be made: undone with the transaction
                raise PathTaken(f"{row.name!r} moved into a folder that changed meanwhile.")
            inside = (parent, folder.id)
            number = self._note(row.id, ChangeKind.MOVED, *inside)
            if _follows(row):
                name = self._free(folder.id, nfc(move.name))
                as_shown = name == move.name
                self._rows.set_place(
                    row.id, folder.id, name, None if as_shown else folder.id, None if as_shown else move.name, number
                )
            else:
                self._rows.set_location(row.id, folder.id, move.name)
                self._rows.bump([(row.id, number)])
            seen = seen_from(stat)
            if row.kind == "file" and not move.same and (stat.size, stat.mtime_ns) != (row.size, row.disk_mtime_ns):
                number = self._note(row.id, ChangeKind.CONTENT, folder.id)
                self._rows.set_content(row.id, row.rev + 1, number, stat.size, stat.mtime_ns, None, seen)
                self._rows.charge(self._root, live=stat.size - row.size)
            else:
                mtime_ns = row.mtime_ns if stat.mtime_ns == row.disk_mtime_ns else stat.mtime_ns
                self._rows.set_seen(row.id, mtime_ns, seen, None)
            self.done.moved += 1

    def edited(self, edits: Sequence[Edit]) -> None:
        """New revs. The bytes before are gone: whoever wrote outside overwrote them, so no version of them is made."""
        for row, at, stat, digest in edits:
            if self._holds(row, at, stat) and row.parent is not None:
                number = self._note(row.id, ChangeKind.CONTENT, row.parent)
                self._rows.set_content(row.id, row.rev + 1, number, stat.size, stat.mtime_ns, digest, seen_from(stat))
                self._rows.charge(self._root, live=stat.size - row.size)
                self.done.edited += 1

    def touched(self, touches: Sequence[Touch]) -> None:
        """Other facts: told to people only when they see a difference (R26)."""
        for row, at, stat, mtime_ns in touches:
            if self._holds(row, at, stat) and row.parent is not None:
                number = None if mtime_ns is None else self._note(row.id, ChangeKind.FACTS, row.parent)
                self._rows.set_seen(row.id, row.mtime_ns if mtime_ns is None else mtime_ns, seen_from(stat), number)

    def _holds(self, row: NodeRow, at: Location, stat: Stat) -> bool:
        """Whether a node is as the comparison saw it and its entry is too; else its folder is looked at again."""
        now = self._store.look(at)
        same = now == stat or (now is not None and row.kind == "folder" and now.inode == stat.inode)
        if same and self._unchanged(row):
            return True
        self.done.again.add(at[:-1])
        return False

    def _unchanged(self, row: NodeRow) -> bool:
        now = self._rows.node(row.id)
        if now is None:
            return False
        return now == row or (row.kind == "folder" and now._replace(change=row.change, below=row.below) == row)

    # --- what went ------------------------------------------------------------------------------------------------

    def gone(self, gone: Sequence[Gone]) -> None:
        """Nodes that are not on disk any more. What a folder held goes with it, but for what lies elsewhere."""
        if not gone:
            return
        elsewhere = self._rows.lying_elsewhere(self._root)
        for row, at in gone:
            if self._is_there(row, at) or not self._unchanged(row) or row.parent is None:
                self.done.again.add(at[:-1])
                continue
            files, size, entries = int(row.kind == "file"), row.size, 1
            number = self._note(row.id, ChangeKind.TRASHED, row.parent)
            if row.kind == "folder":
                self._save_from(row, elsewhere)
                files, size, entries = self._forget_inside(row, number)
            self._rows.set_gone(row.id, number, self._now_ns, SYSTEM, None)
            self._rows.charge(self._root, live=-size, files=-files, entries=-entries)
            self.done.gone += 1

    def _is_there(self, row: NodeRow, at: Location) -> bool:
        """Whether a node is at its location after all; something else may be."""
        now = self._store.look(at)
        return now is not None and now.kind == row.kind and (now.inode == row.inode or not row.inode)

    def _save_from(self, folder: NodeRow, elsewhere: Collection[NodeRow]) -> None:
        """What is shown in a lost folder but lies in another moves to where it lies: its bytes are there."""
        for row in elsewhere:
            if row.parent is None or row.loc_parent is None or row.loc_name is None or row.loc_parent == row.parent:
                continue
            place, holder = self._rows.folder(row.parent), self._rows.folder(row.loc_parent)
            if place is None or holder is None or folder.id not in place.chain or folder.id in holder.held:
                continue
            name = self._free(row.loc_parent, nfc(row.loc_name))
            number = self._note(row.id, ChangeKind.MOVED, row.parent, row.loc_parent)
            as_shown = name == row.loc_name
            self._rows.set_place(
                row.id, row.loc_parent, name, None if as_shown else row.loc_parent, None if as_shown else row.loc_name,
                number,
            )  # fmt: skip

    def _forget_inside(self, folder: NodeRow, change: int) -> tuple[int, int, int]:
        """Let go of what was in a lost folder, older contents excepted; files, bytes and entries, it among them."""
        inside = self._rows.inside(folder.id)
        needed: set[NodeId | None] = set()
        forgotten: list[NodeId] = []
        for row in reversed(inside):
            if row.id in needed or (row.kind == "file" and self._rows.versions(row.id)):
                needed.add(row.parent)
                self._rows.set_gone(row.id, change, self._now_ns, SYSTEM, None)
            else:
                forgotten.append(row.id)
        self._rows.forget(forgotten, change)
        files = [row for row in inside if row.kind == "file"]
        return len(files), sum(row.size for row in files), 1 + len(inside)

    # --- what came ------------------------------------------------------------------------------------------------

    def new(self, new: Sequence[New]) -> None:
        """Nodes for new entries, all in one go; an entry whose folder or place changed meanwhile is left for later."""
        named = self._named(new)
        if not named:
            return
        node = self._rows.take_ids(len(named))
        for number, (one, _) in enumerate(named):
            if one.inner is not None:
                one.inner.id = NodeId(node + number)
        notes = [
            Note(
                self._root, NodeId(node + number), ChangeKind.CREATED, self._now_ns, SYSTEM, NO_DEVICE,
                (_known(one.folder),),
            )
            for number, (one, _) in enumerate(named)
        ]  # fmt: skip
        change = self._rows.note(notes)
        size = files = 0
        made: list[NodeRow] = []
        for number, (one, name) in enumerate(named):
            made.append(self._row(NodeId(node + number), one, name, change + number))
            if one.kind is Kind.FILE:
                size += one.stat.size
                files += 1
        self._rows.add(made)
        self._rows.charge(self._root, live=size, files=files, entries=len(made))
        self.done.new += len(made)

    def _row(self, node: NodeId, one: New, name: str, change: int) -> NodeRow:
        stat, parent = one.stat, _known(one.folder)
        is_file = one.kind is Kind.FILE
        return new_row(
            node, self._root, parent, name, one.kind, change,
            rev=int(is_file), size=stat.size if is_file else 0, mtime_ns=stat.mtime_ns,
            seen=seen_from(stat) if stat.inode or is_file else NOT_SEEN,
            loc_parent=None if name == one.name else parent, loc_name=None if name == one.name else one.name,
        )  # fmt: skip

    def _named(self, new: Sequence[New]) -> list[tuple[New, str]]:
        """Which new entries still hold, each with the name it gets; parents stay before their children."""
        coming_to: dict[Folder, set[str]] = {}
        for one in new:
            coming_to.setdefault(one.folder, set()).add(nfc(one.name))
        taken: dict[Folder, set[str]] = {}
        coming: set[Folder] = set()
        named: list[tuple[New, str]] = []
        for one in new:
            folder = one.folder
            if folder.id is None and folder not in coming:
                self.done.again.add(folder.location)
                continue
            names = taken.get(folder)
            if names is None:
                names = taken[folder] = self._names_in(folder, coming_to[folder])
            if folder.id is not None and not self._is_new(one, folder.id):
                self.done.again.add(folder.location)
                continue
            name = nfc(one.name)
            if name in names:
                name = numbered(name, names)
            names.add(name)
            if one.inner is not None:
                coming.add(one.inner)
            named.append((one, name))
        return named

    def _names_in(self, folder: Folder, names: Collection[str]) -> set[str]:
        """Names of a known folder that new entries might clash with."""
        if folder.id is None:
            return set()
        found = self._rows.folder(folder.id)
        if found is None or not found.live:
            return set()
        return set(self._rows.children_named(folder.id, names))

    def _is_new(self, one: New, parent: NodeId) -> bool:
        folder = self._rows.folder(parent)
        if folder is None or not folder.live or self._rows.lying_at(parent, one.name) is not None:
            return False
        try:
            now = self._store.look((*one.folder.location, one.name))
        except CloudError:
            return False
        return now is not None and (now == one.stat or (one.kind is Kind.FOLDER and now.inode == one.stat.inode))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _note(self, node: NodeId, kind: ChangeKind, *inside: NodeId) -> int:
        return self._rows.note([Note(self._root, node, kind, self._now_ns, SYSTEM, NO_DEVICE, inside)])

    def _free(self, parent: NodeId, name: str) -> str:
        """`name` in a folder, numbered when a node that lies elsewhere is shown under it."""
        taken: set[str] = set()
        while self._rows.child(parent, candidate := numbered(name, taken)) is not None:
            taken.add(candidate)
        return candidate


def _follows(row: NodeRow) -> bool:
    """Whether a node is shown where it lies (its disk name may be another spelling)."""
    if row.loc_parent is None or row.loc_name is None:
        return True
    return row.loc_parent == row.parent and nfc(row.loc_name) == row.name


def _known(folder: Folder) -> NodeId:
    assert folder.id is not None
    return folder.id
