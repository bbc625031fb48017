"""A look at the disk compared with what it showed before: what is new, changed, moved or gone.

Identity is found again by path, then by inode (where the disk keeps inodes), then for files by size and time. The rules:
the same path with an unknown inode is the same item with new content (safe-save, SC-013, SC-014, SC-097, SC-175, SC-176);
so is what was missed there and came back before the server was told;
the same path with the inode of another known item is that item, moved here (SC-077, SC-100); a known item that is missing
but whose inode shows elsewhere has moved (SC-069). What cannot be listed stays as it was (R17). Pure: the caller lists.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from homestow.client.engine.filters import NOTHING, Matcher
from homestow.client.engine.leaving import LeftIn, leave_out
from homestow.client.engine.seen import LocalPath, Seen, SeenKind, Stamp, TreeFacts
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import LocalItem, Trees
from homestow.values.errors import BadName
from homestow.values.paths import RESERVED, check_name, nfc

PRIVATE_NAME = ".homestow-sync"
"""The job's own folder at the top of the synced one; never synced, from either side."""

RESERVED_AT_TOP = frozenset({RESERVED, PRIVATE_NAME})

_REASONS = {
    SeenKind.LINK: ("link", "A symbolic link; links are not synced."),
    SeenKind.OTHER: ("special-file", "Neither file nor folder (a pipe, socket or device); it is not synced."),
}


class _Entry(NamedTuple):
    """Something on disk whose identity is decided later; `occupant` is the known item of the same path and kind."""

    folder: int
    path: LocalPath
    seen: Seen
    occupant: int | None


@dataclass(slots=True)
class Sightings:
    """What a scan found.

    Attributes:
        updates: items whose local state differs now; None: gone.
        held_in: names that are not synced, with reasons, by the folder they are in; a folder that could not be listed by
            itself: it was left as it was.
        held_items_in: known items whose name now shows something that is not synced (SC-110, SC-111): left as they were.
        left_in: what the patterns leave out, by the folder it is in.
        left_in_place: known items whose place the patterns leave out now: forgotten on both sides.
        left_away: known items that got a name that the patterns leave out: gone here, and nothing is agreed on them.
    """

    updates: dict[int, LocalItem | None] = field(default_factory=dict)
    held_in: list[tuple[int, Held]] = field(default_factory=list)
    held_items_in: list[tuple[int, int]] = field(default_factory=list)
    left_in: dict[int, LeftIn] = field(default_factory=dict)
    left_in_place: list[int] = field(default_factory=list)
    left_away: list[int] = field(default_factory=list)


class Scan:
    """One scan: while `next` gives a folder, list it and `take` the listing (or say `failed`); then `finish`.

    Args:
        trees: as known before; not changed until `apply`.
        facts: what the disk does.
        folders: the folders to look at, with their paths, known subfolders not included; None: everything.
        matcher: what is left out: as if it were not there (SC-128).
    """

    def __init__(
        self,
        trees: Trees,
        facts: TreeFacts,
        folders: Iterable[tuple[int, LocalPath]] | None = None,
        matcher: Matcher = NOTHING.matcher(),
    ) -> None:
        self._trees, self._facts, self._matcher = trees, facts, matcher
        self._left: set[tuple[bool, int]] = set()
        self._deep = folders is None
        self._todo: list[tuple[int, LocalPath]] = [(trees.top, ())] if folders is None else list(folders)
        self._result = Sightings()
        self._missing: set[int] = set()
        self._taken: set[int] = set()
        self._unread: dict[int, Held] = {}
        self._files: list[_Entry] = []
        self._folders: list[_Entry] = []
        self._lost_folders: dict[int, int] | None = None
        self._placed: set[int] = set()
        self._next_new = trees.next_new

    # --- walking ------------------------------------------------------------------------------------------------------

    def next(self) -> tuple[int, LocalPath] | None:
        """The next folder to list; None when all were."""
        while not self._todo:
            if not self._folders:
                return None
            self._identify_folder()
        return self._todo.pop()

    def failed(self, folder: int, path: LocalPath, code: str, reason: str) -> None:
        """The folder could not be listed; it and all below stay as they were (R17), unless others show where it went."""
        self._unread[folder] = Held(path, code, reason)

    def take(self, folder: int, path: LocalPath, listing: list[Seen]) -> None:
        """Compare a listing with what the folder held. This is the loop that a pass over many files spends its time in."""
        trees = self._trees
        self._taken.add(folder)
        local, synced, todo = trees.local, trees.synced, self._todo
        kids: dict[str, int] = {}
        for item in trees.kids_here(folder):
            known = local[item] if item in local else synced[item]
            if known is not None:
                name = known.name if known.disk is None else known.disk
                if name in kids:
                    # We put one where the other was no more: whichever is not what the disk shows is missing.
                    self._missing.add(kids[name])
                kids[name] = item
        if self._matcher:
            listing = self._seen(folder, path, listing, kids)
        unknown: list[Seen] = []
        file_kind, folder_kind, deep = SeenKind.FILE, SeenKind.FOLDER, self._deep
        for seen in listing:
            name, kind, stamp = seen
            found = kids.pop(name, None)
            if found is None:
                unknown.append(seen)
                continue
            mine = local.get(found)
            if kind is file_kind:
                if mine is None:
                    base = synced[found]
                    if (
                        base.inode == stamp.inode
                        and base.local_mtime_ns == stamp.mtime_ns
                        and base.size == stamp.size
                        and base.ctime_ns == stamp.ctime_ns
                        and not base.folder
                    ):
                        continue
                elif mine.stamp == stamp and not mine.folder:
                    continue
            elif kind is folder_kind:
                known = synced[found] if mine is None else mine
                if known.folder and known.inode == stamp.inode:
                    if deep:
                        todo.append((found, (*path, name)))
                    continue
            self._differs(folder, path, seen, found)
        if unknown:
            self._unknown(folder, path, unknown, kids)
        self._missing.update(kids.values())

    def _seen(self, folder: int, path: LocalPath, listing: list[Seen], kids: dict[str, int]) -> list[Seen]:
        """The entries that are not left out; what is known of the others is noted."""
        matcher, result = self._matcher, self._result
        above = matcher.above(path)
        seen: list[Seen] = []
        left: list[str] = []
        for entry in listing:
            name, kind, stamp = entry
            if not matcher.entry(above, name, kind is SeenKind.FOLDER):
                seen.append(entry)
                continue
            if stamp.inode:
                self._left.add((kind is SeenKind.FOLDER, stamp.inode))
            left.append(name)
            known = kids.get(name)
            mine = None if known is None else self._trees.here(known)
            if known is not None and mine is not None and mine.folder == (kind is SeenKind.FOLDER):
                result.left_in_place.append(kids.pop(name))
        if left:
            names = frozenset(map(nfc, left)) if matcher.by_kind else frozenset[str]()
            result.left_in[folder] = LeftIn(len(left), (*path, min(left)), names)
        return seen

    def _differs(self, folder: int, path: LocalPath, seen: Seen, item: int) -> None:
        """A known name shows something else than before."""
        mine = self._trees.here(item)
        is_folder = mine is not None and mine.folder
        here = (*path, seen.name)
        match seen.kind:
            case SeenKind.FILE if not is_folder:
                self._files.append(_Entry(folder, here, seen, item))
            case SeenKind.FOLDER if is_folder:
                self._folders.append(_Entry(folder, here, seen, item))
            case SeenKind.FILE:
                self._missing.add(item)
                self._files.append(_Entry(folder, here, seen, None))
            case SeenKind.FOLDER:
                self._missing.add(item)
                self._folders.append(_Entry(folder, here, seen, None))
            case SeenKind.LINK | SeenKind.OTHER:
                code, reason = _REASONS[seen.kind]
                self._result.held_items_in.append((folder, item))
                self._hold(folder, here, f"became-{code}", f"{reason} What the server has stays as it is.")

    def _unknown(self, folder: int, path: LocalPath, unknown: list[Seen], kids: dict[str, int]) -> None:
        """Names that were not known: perhaps another spelling of one that was (R15), else new or moved."""
        spelled = {mine.name: name for name, item in kids.items() if (mine := self._trees.here(item)) is not None}
        gone = {self._trees.synced[item].name: item for item in self._trees.kids_gone(folder)}
        for seen in sorted(unknown):
            here = (*path, seen.name)
            if seen.kind in _REASONS:
                self._hold(folder, here, *_REASONS[seen.kind])
                continue
            try:
                name = check_name(seen.name)
            except BadName as error:
                self._hold(folder, here, error.code, error.message)
                continue
            if folder == self._trees.top and name in RESERVED_AT_TOP:
                self._hold(folder, here, "reserved-name", "Homestow uses this name for itself.")
            elif name in spelled:
                self._differs(folder, path, seen, kids.pop(spelled.pop(name)))
            else:
                is_folder = seen.kind is SeenKind.FOLDER
                # What was missed here and came back before the server was told is the same item again.
                back = gone.pop(name, None)
                if back is not None and self._trees.synced[back].folder != is_folder:
                    back = None
                (self._folders if is_folder else self._files).append(_Entry(folder, here, seen, back))

    def _hold(self, folder: int, path: LocalPath, code: str, reason: str) -> None:
        self._result.held_in.append((folder, Held(path, code, reason)))

    # --- whose folder is it -------------------------------------------------------------------------------------------

    def _identify_folder(self) -> None:
        """Decide what one folder of unknown identity is, and walk it."""
        if self._lost_folders is None:
            displaced = [entry.occupant for entry in self._folders if entry.occupant is not None]
            self._lost_folders = self._by_inode((*self._missing, *displaced), folders=True)
            lost = self._lost_folders
            self._folders.sort(key=lambda entry: entry.occupant is not None and entry.seen.stamp.inode not in lost)
        entry = self._folders.pop()
        owner = self._lost_folders.get(entry.seen.stamp.inode) if entry.seen.stamp.inode else None
        if owner is None or owner in self._placed or (entry.occupant is not None and owner < 0 < entry.occupant):
            owner = entry.occupant
        if owner is None or owner in self._placed:
            owner = self._new_id()
        if entry.occupant is not None and owner != entry.occupant:
            self._missing.add(entry.occupant)
        self._place(owner, entry)
        self._todo.append((owner, entry.path))

    def _by_inode(self, items: Iterable[int], folders: bool) -> dict[int, int]:
        """Folders or files among the items and below, by inode."""
        found: dict[int, int] = {}
        if not self._facts.stable_inodes:
            return found
        waiting, known = list(items), set(items)
        while waiting:
            item = waiting.pop()
            mine = self._trees.here(item)
            if mine is None:
                continue
            if mine.folder == folders and mine.inode:
                found.setdefault(mine.inode, item)
            if mine.folder:
                kids = [kid for kid in self._trees.kids_here(item) if kid not in known]
                known.update(kids)
                waiting.extend(kids)
        return found

    def _new_id(self) -> int:
        new = self._next_new
        self._next_new -= 1
        return new

    def _place(self, item: int, entry: _Entry, digest_from: LocalItem | None = None) -> None:
        """The item is where the entry is, in the state the entry shows."""
        self._placed.add(item)
        name, kind, stamp = entry.seen
        plain = nfc(name)
        disk = None if plain == name else name
        if kind is SeenKind.FOLDER:
            mine = LocalItem(entry.folder, plain, True, 0, None, disk, 0, 0, stamp.inode)
        else:
            known = digest_from or self._trees.here(item)
            same = known is not None and known.stamp == stamp
            digest = known.digest if known is not None and same else None
            mine = LocalItem(
                entry.folder, plain, False, stamp.size, digest, disk, stamp.mtime_ns, stamp.ctime_ns, stamp.inode
            )
        self._result.updates[item] = mine

    # --- whose file is it ---------------------------------------------------------------------------------------------

    def finish(self) -> Sightings:
        """All that was found. Call once, when `next` gave None."""
        gone = self._gone()
        if self._left and (left := self._named_away(gone)):
            gone = [item for item in gone if item not in left]
            self._result.left_away.extend(left)
        displaced = {entry.occupant for entry in self._files if entry.occupant is not None}
        lost = self._by_inode((*(item for item in gone), *displaced), folders=False)
        for item in displaced:
            mine = self._trees.here(item)
            if mine is not None and mine.inode:
                lost.setdefault(mine.inode, item)
        rest: list[_Entry] = []
        for entry in self._files:
            owner = lost.get(entry.seen.stamp.inode)
            if entry.occupant is not None and (owner is None or owner == entry.occupant):
                self._place(entry.occupant, entry)
            else:
                rest.append(entry)
        new = [entry for entry in rest if not self._claim(entry, lost)]
        self._match_by_time(new, [item for item in (*gone, *displaced) if item not in self._placed])
        for item in sorted((*gone, *displaced), key=abs):
            if item not in self._placed:
                self._result.updates[item] = None
        self._let_strays_go()
        updates = self._result.updates
        for folder, held in self._unread.items():
            # A path that a hint named may be no more: the folder was listed elsewhere, or the one above shows it gone.
            if folder not in self._taken and (folder not in updates or updates[folder] is not None):
                self._result.held_in.append((folder, held))
        return self._result

    def _let_strays_go(self) -> None:
        """What was listed in a folder that was gone when the one above was listed is nowhere that we know of.

        It stays where it was known, so that the next look misses it there; at a look at everything what is in no folder goes.
        """
        trees, updates = self._trees, self._result.updates
        standing = {trees.top: True}
        for item, mine in list(updates.items()):
            if mine is not None and not self._stands(mine.parent, standing):
                known = trees.here(item)
                if known is not None and not self._stands(known.parent, standing):
                    updates[item] = None
                else:
                    del updates[item]
                standing = {trees.top: True}
        if self._deep:
            for item, was in trees.local.items():
                if was is not None and item not in updates and not self._stands(was.parent, standing):
                    updates[item] = None

    def _stands(self, folder: int, standing: dict[int, bool]) -> bool:
        """Whether the folder is there, with all above it, as far as was found; `standing` has what is known of that."""
        trail: list[int] = []
        while folder not in standing:
            mine = self._result.updates[folder] if folder in self._result.updates else self._trees.here(folder)
            trail.append(folder)
            standing[folder] = False
            if mine is None:
                break
            folder = mine.parent
        for each in trail:
            standing[each] = standing[folder]
        return standing[folder]

    def _gone(self) -> list[int]:
        """What was missed and not found again, with all below; what could not be read is not missed."""
        gone: list[int] = []
        waiting = [item for item in self._missing if item not in self._placed]
        met = set(waiting)
        while waiting:
            item = waiting.pop()
            gone.append(item)
            for kid in self._trees.kids_here(item):
                if kid not in self._placed and kid not in met:
                    met.add(kid)
                    waiting.append(kid)
        return gone

    def _named_away(self, gone: list[int]) -> set[int]:
        """What of the missing is found under a name that is left out, with all below."""
        left: set[int] = set()
        among = set(gone)
        for item in gone:
            mine = self._trees.here(item)
            if mine is not None and (mine.folder, mine.inode) in self._left and self._facts.stable_inodes:
                left.add(item)
                left.update(below for below in self._trees.all_here(item) if below in among)
        return left

    def _claim(self, entry: _Entry, lost: dict[int, int]) -> bool:
        """Whether the entry is a known item; if its inode says so that one moved here, else it may be the path's own."""
        owner = lost.get(entry.seen.stamp.inode)
        occupant = entry.occupant
        if owner is not None and owner not in self._placed and not (occupant is not None and owner < 0 < occupant):
            self._place(owner, entry)
            return True
        if occupant is not None and occupant not in self._placed:
            self._place(occupant, entry)
            return True
        return False

    def _match_by_time(self, new: list[_Entry], lost: list[int]) -> None:
        """Files found again by size and time where each is the only one of its kind; the others are new.

        The planner reads such a file before it believes that the content is the same.
        """
        by_time: dict[tuple[int, int], list[int]] = {}
        for item in lost:
            mine = self._trees.here(item)
            if mine is not None and not mine.folder and mine.size:
                by_time.setdefault((mine.size, mine.mtime_ns), []).append(item)
        wanted: dict[tuple[int, int], int] = {}
        for entry in new:
            key = (entry.seen.stamp.size, entry.seen.stamp.mtime_ns)
            wanted[key] = wanted.get(key, 0) + 1
        for entry in new:
            key = (entry.seen.stamp.size, entry.seen.stamp.mtime_ns)
            candidates = by_time.get(key, [])
            if len(candidates) == 1 and wanted[key] == 1:
                self._place(candidates[0], entry)
            else:
                self._place(self._new_id(), entry)

    def apply(self, found: Sightings) -> None:
        """Make the trees show what was found."""
        self._trees.next_new = self._next_new
        trees = self._trees
        for item, mine in found.updates.items():
            trees.set_here(item, mine)
        for item in found.left_away:
            trees.set_here(item, None)
            if item in trees.synced:
                trees.set_synced(item, None)
        for item in found.left_in_place:
            leave_out(trees, item)


def stamp_of_folder(inode: int) -> Stamp:
    """What is compared of a folder: its inode alone."""
    return Stamp(0, 0, 0, inode)
