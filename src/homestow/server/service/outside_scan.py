"""One comparison of a root's folders with the disk: what is unchanged, new, edited, moved or missing. It records nothing."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from homestow.server.ports.catalogue import Catalogue, NodeRow, same_content
from homestow.server.ports.content import Content, Entry, EntryKind, Location, Stat
from homestow.server.rules.matching import match_moves
from homestow.server.service.digesting import digest_open
from homestow.server.service.outside_adopt import Standing, check_entry, standing_in
from homestow.server.service.outside_record import KINDS, Edit, Folder, Gone, Move, New, Touch
from homestow.server.service.stopping import Stopping
from homestow.values.errors import BadName, CloudError, ContentMissing, StorageFailed
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import MAX_DEPTH

QUIET_NS = 2_000_000_000
"""A file written to less than this ago may still be written to; it is taken when it was quiet (R19)."""


_MOST_TOLD = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Found:
    """What a look at the disk came to.

    Attributes:
        new, edited, moved, gone: how many nodes; a folder that went with all in it counts once.
        seen: how many entries were looked at.
        skipped: up to 100 lines "path: reason" of what could not be taken.
        later: folders to look at again after two seconds: a file there is being written, or they changed meanwhile.
        away: the root's folder is not there; nothing was changed.
        held: files that are missing and do not count as deleted until the owner says so (P10).
    """

    new: int = 0
    edited: int = 0
    moved: int = 0
    gone: int = 0
    seen: int = 0
    skipped: list[str] = field(default_factory=list)
    later: set[Location] = field(default_factory=set)
    away: bool = False
    held: int = 0

    def skip(self, at: Location, reason: str) -> None:
        """Note what was left out."""
        if len(self.skipped) < _MOST_TOLD:
            self.skipped.append(f"{'/'.join(at) or '/'}: {reason}".encode(errors="replace").decode())

    @property
    def changes(self) -> int:
        """How many changes were recorded."""
        return self.new + self.edited + self.moved + self.gone


Tell = Callable[[int], None]
"""Hears how many entries were looked at so far."""


class _Unsettled(NamedTuple):
    """A file of the disk that is not simply the node lying there: `row` is that node, if any."""

    folder: Folder
    entry: Entry
    row: NodeRow | None


class RootGone(Exception):
    """The root's own folder cannot be listed: not there, another one by now, or its disk fails."""


class Scan:
    """One comparison of a root, or of some of its folders, with the disk."""

    def __init__(
        self, root: RootId, store: Content, catalogue: Catalogue, now_ns: int, fresh: bool, stopping: Stopping
    ) -> None:
        self.root = root
        self.store = store
        self.catalogue = catalogue
        self.now_ns = now_ns
        self.fresh = fresh
        self.stopping = stopping
        self.stable = store.facts.stable_inodes
        self.found = Found()
        self.standing: list[Standing] = []
        self.standing_count = 0
        self.new: list[New] = []
        self.moves: list[Move] = []
        self.edits: list[Edit] = []
        self.touches: list[Touch] = []
        self.unsettled: list[_Unsettled] = []
        self.missing: dict[NodeId, tuple[NodeRow, Location]] = {}
        self.claimed: set[NodeId] = set()

    # --- folders --------------------------------------------------------------------------------------------------

    def look(self, folder: Folder) -> list[Folder]:
        """Compare one folder; the folders in it."""
        try:
            entries = self.store.list_folder(folder.location)
        except ContentMissing:
            if not folder.location:
                raise RootGone("The root's folder is not there.") from None
            self.found.later.add(folder.location[:-1])
            return []
        except StorageFailed as error:
            if not folder.location:
                raise RootGone(error.message) from error
            self.found.skip(folder.location, error.message)
            return []
        self.found.seen += len(entries)
        if self.fresh:
            return self._adopt(folder, entries)
        if folder.id is not None and (unchanged := self._unchanged(folder.id, folder.location, entries)) is not None:
            return unchanged
        rows = {} if folder.id is None else {_disk_name(row): row for row in self.catalogue.lying_in(folder.id)}
        if rows and not entries and self._is_other(folder):
            self.found.skip(folder.location, "another, empty folder is there now, as when a disk is not mounted")
            return []
        below: list[Folder] = []
        deep = len(folder.location) + 1 >= MAX_DEPTH
        for entry in entries:
            row = rows.get(entry.name)
            if row is not None and row.id in self.claimed:
                row = None
            if row is not None and self._is_same(entry, row):
                del rows[entry.name]
                self.claimed.add(row.id)
                if row.kind == "folder":
                    below.append(Folder(row.id, (*folder.location, entry.name), same=True))
                continue
            inner = self._differs(folder, entry, row, deep)
            if row is not None and row.id in self.claimed:
                del rows[entry.name]
            if inner is not None:
                below.append(inner)
        for name, row in rows.items():
            if row.id not in self.claimed:
                self.missing[row.id] = (row, (*folder.location, name))
        return below

    def _unchanged(self, folder: NodeId, at: Location, entries: Sequence[Entry]) -> list[Folder] | None:
        """The folders in one that shows just what we know of it; None when anything is to be looked at.

        Almost every folder of almost every comparison: both sides are held against each other by loops in C.
        """
        shown = self.catalogue.shown_in(folder)
        if len(shown) != len(entries):
            return None
        ids = [row[7] for row in shown]
        if not self.claimed.isdisjoint(ids):
            return None
        folders = {row[0]: (row[5], row[7]) for row in shown if row[1] == "folder"}
        below: list[Folder] = []
        if folders:
            for name, stat in entries:
                known = folders.get(name)
                if known is not None:
                    if stat.kind is not EntryKind.FOLDER or stat.inode != known[0]:
                        return None
                    below.append(Folder(known[1], (*at, name), same=True))
            if {name: stat for name, stat in entries if name not in folders} != {
                row[0]: row[1:7] for row in shown if row[0] not in folders
            }:
                return None
        elif dict(entries) != {row[0]: row[1:7] for row in shown}:
            return None
        self.claimed.update(ids)
        return below

    def _adopt(self, folder: Folder, entries: Sequence[Entry]) -> list[Folder]:
        """All is new in a root that is being adopted; the folders in this one."""
        found, refused = standing_in(folder, entries)
        for name, reason in refused:
            self.found.skip((*folder.location, name), reason)
        if found.entries:
            self.standing.append(found)
            self.standing_count += len(found.entries)
        return found.inner

    def _is_other(self, folder: Folder) -> bool:
        """Whether a folder that shows nothing is another one than we knew."""
        row = self.catalogue.node(folder.id) if folder.id is not None else None
        stat = self.store.look(folder.location)
        return bool(row is not None and stat is not None and row.inode and stat.inode and row.inode != stat.inode)

    def _is_same(self, entry: Entry, row: NodeRow) -> bool:
        stat = entry.stat
        kind = stat.kind
        if kind is EntryKind.FILE:
            return row.kind == "file" and same_content(row, stat)
        if kind is EntryKind.FOLDER:
            return row.kind == "folder" and row.inode == stat.inode
        return kind is EntryKind.LINK and row.kind == "link" and (row.inode, row.disk_mtime_ns, row.ctime_ns) == (
            stat.inode, stat.mtime_ns, stat.ctime_ns,
        )  # fmt: skip

    def _differs(self, folder: Folder, entry: Entry, row: NodeRow | None, deep: bool) -> Folder | None:
        """Something at this name is not as we know it; the folder to look into, if it is one."""
        at = (*folder.location, entry.name)
        kind = KINDS.get(entry.stat.kind)
        try:
            check_entry(entry, deep, known=row is not None)
        except BadName as error:
            self.found.skip(at, error.message)
            if row is not None and kind is None:
                self.claimed.add(row.id)  # R16: what cannot be a node deletes nothing
            return None
        if row is not None and row.kind != kind:
            row = None  # that node is gone from here, and this is another
        if kind is Kind.FOLDER:
            return self._folder_differs(folder, entry, row, at)
        if kind is Kind.LINK:
            self._link_differs(folder, entry, row)
            return None
        if row is not None and row.inode == entry.stat.inode:
            self.claimed.add(row.id)
            self._edited(row, at, entry.stat)
        else:
            self.unsettled.append(_Unsettled(folder, entry, row))
        return None

    def _folder_differs(self, folder: Folder, entry: Entry, row: NodeRow | None, at: Location) -> Folder:
        moved = self._moved_from(entry.stat, "folder")
        if moved is not None and moved.id not in self.claimed:
            self.claimed.add(moved.id)
            self.moves.append(Move(moved, folder, entry.name, entry.stat))
            return Folder(moved.id, at, same=True)
        if row is not None:  # removed and made again under its name, or its facts were never looked at
            self.claimed.add(row.id)
            self.touches.append(Touch(row, at, entry.stat, None))
            return Folder(row.id, at)
        return self._fresh_folder(folder, entry)

    def _link_differs(self, folder: Folder, entry: Entry, row: NodeRow | None) -> None:
        if row is not None:
            self.claimed.add(row.id)
            self.touches.append(Touch(row, (*folder.location, entry.name), entry.stat, entry.stat.mtime_ns))
            return
        moved = self._moved_from(entry.stat, "link")
        if moved is not None and moved.id not in self.claimed:
            self.claimed.add(moved.id)
            self.moves.append(Move(moved, folder, entry.name, entry.stat))
        else:
            self._fresh(folder, entry, Kind.LINK)

    def _fresh(self, folder: Folder, entry: Entry, kind: Kind) -> None:
        self.new.append(New(folder, entry.name, kind, entry.stat, None))

    def _fresh_folder(self, folder: Folder, entry: Entry) -> Folder:
        inner = Folder(None, (*folder.location, entry.name))
        self.new.append(New(folder, entry.name, Kind.FOLDER, entry.stat, inner))
        return inner

    def _moved_from(self, stat: Stat, kind: str) -> NodeRow | None:
        """The node that has this inode and is not at its location any more."""
        if not self.stable or not stat.inode:
            return None
        for row in self.catalogue.by_inode(self.root, stat.inode):
            if row.kind == kind and row.birth_ns == stat.birth_ns and row.parent is not None:
                lies = self.catalogue.lies(row)
                if lies.kept is not None:
                    continue
                now = self.store.look(lies.location)
                if now is None or now.inode != row.inode or now.birth_ns != row.birth_ns:
                    return row
        return None

    # --- files ----------------------------------------------------------------------------------------------------

    def _edited(self, row: NodeRow, at: Location, stat: Stat) -> None:
        """The file of a node has other facts: find out whether it has other bytes."""
        if self._is_busy(stat):
            self.found.later.add(at[:-1])
            return
        if stat.size != row.size:
            self.edits.append(Edit(row, at, stat, None))
            return
        if stat.mtime_ns == row.disk_mtime_ns and row.digest is None:
            # Same size and time, and nobody ever asked for a digest: chmod, a link more, a copy that kept its time.
            self.touches.append(Touch(row, at, stat, None))
            return
        digest = self._digest(at, stat) if row.digest is not None else None
        if row.digest is not None and digest is None:
            self.found.later.add(at[:-1])
        elif digest is not None and digest == row.digest:
            mtime_ns = None if stat.mtime_ns == row.disk_mtime_ns else stat.mtime_ns
            self.touches.append(Touch(row, at, stat, mtime_ns))
        else:
            self.edits.append(Edit(row, at, stat, digest))

    def settle_files(self) -> None:
        """Decide for every file that is not simply the node lying there: moved, edited or new."""
        taken: dict[int, NodeId] = {}
        wants: dict[int, NodeId] = {}
        rows: dict[NodeId, NodeRow] = {}
        busy: set[int] = set()
        for number, (folder, entry, row) in enumerate(self.unsettled):
            if row is not None:
                taken[number] = row.id
                rows[row.id] = row
            known = self._moved_from(entry.stat, "file")
            if self._is_busy(entry.stat):
                busy.add(number)
                self.found.later.add(folder.location)
                self.claimed.update(one.id for one in (row, known) if one is not None)
            elif known is not None and known.id not in self.claimed:
                wants[number] = known.id
                rows[known.id] = known
        # A node is wanted by one name only; further hard links are files of their own.
        unique = {row: number for number, row in reversed(wants.items()) if row not in self.claimed}
        moves = match_moves(taken, {number: row for row, number in unique.items()})
        for number, (folder, entry, row) in enumerate(self.unsettled):
            if number in busy:
                continue
            if number in moves:
                moved = rows[moves[number]]
                self.claimed.add(moved.id)
                self.moves.append(Move(moved, folder, entry.name, entry.stat))
                continue
            if row is not None:
                self.claimed.add(row.id)
                self._edited(row, (*folder.location, entry.name), entry.stat)
            else:
                self._fresh(folder, entry, Kind.FILE)
        self.unsettled.clear()

    def settle_copies(self) -> None:
        """Of what is still missing and new, the same bytes are the same node (a move between disks, a copy and delete)."""
        sizes: dict[int, list[NodeRow]] = {}
        for row, _ in self.missing.values():
            if row.id not in self.claimed and row.kind == "file" and row.size and row.digest is not None:
                sizes.setdefault(row.size, []).append(row)
        if not sizes:
            return
        left: list[New] = []
        for new in self.new:
            rows = sizes.get(new.stat.size) if new.kind is Kind.FILE else None
            digest = self._digest((*new.folder.location, new.name), new.stat) if rows else None
            same = [row for row in rows or () if row.digest == digest and row.id not in self.claimed]
            if same:
                self.claimed.add(same[0].id)
                self.moves.append(Move(same[0], new.folder, new.name, new.stat, same=True))
            else:
                left.append(new)
        self.new = left

    def gone(self) -> list[Gone]:
        """What is missing for good."""
        return [Gone(row, at) for row, at in self.missing.values() if row.id not in self.claimed]

    def _is_busy(self, stat: Stat) -> bool:
        return abs(self.now_ns - stat.mtime_ns) < QUIET_NS

    def _digest(self, at: Location, stat: Stat) -> bytes | None:
        """BLAKE3 of a file as it was seen; None when it is another by now."""
        try:
            opened = self.store.open(at)
        except CloudError:
            return None
        try:
            digest = digest_open(opened, stat.size, self.stopping.check)
            return digest if opened.stat == stat and self.store.look(at) == stat else None
        except CloudError:
            self.stopping.check()
            return None
        finally:
            opened.close()


def _disk_name(row: NodeRow) -> str:
    return row.name if row.loc_name is None else row.loc_name
