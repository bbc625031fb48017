"""Three trees: what the disk shows, what the server says, and what both last agreed on.

All are keyed by item id: positive is the server's node id, negative an item of this disk that the server does not have yet.
`synced` is the base; `local` and `remote` are overlays that hold only what differs from it, so a folder in step costs one
row per item and the planner looks at differences alone. A folder that is gone on one side is gone with all it held.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from homestow.client.engine.seen import LocalPath, Stamp
from homestow.values.digests import Digest

_VERSIONS = count(1)

NOWHERE = 0
"""The folder of a base whose folder is known no more; no id is 0. Both sides have the item elsewhere, or not at all."""


class SyncedItem(NamedTuple):
    """What both sides last agreed on for a node, with the facts each side had then.

    Attributes:
        id: the node's id, 1 or more.
        parent, name: its place, see also `NOWHERE`; the name in NFC (R15).
        folder: a folder, else a file.
        size, digest: the content; 0 and None for folders.
        rev, change, mtime_ns: as the server told them.
        disk: how the disk spells the name, None when just like `name`.
        local_mtime_ns, ctime_ns, inode: as the disk showed them; see `Stamp`.
    """

    id: int
    parent: int
    name: str
    folder: bool
    size: int
    digest: Digest | None
    rev: int
    change: int
    mtime_ns: int
    disk: str | None
    local_mtime_ns: int
    ctime_ns: int
    inode: int


class LocalItem(NamedTuple):
    """An item as the disk shows it; `digest` is None while nobody has read this state of the file."""

    parent: int
    name: str
    folder: bool
    size: int
    digest: Digest | None
    disk: str | None
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def stamp(self) -> Stamp:
        """What the disk must still show for a step to hold."""
        return Stamp(self.size, self.mtime_ns, self.ctime_ns, self.inode)

    @property
    def spelled(self) -> str:
        """The name as the disk has it."""
        return self.name if self.disk is None else self.disk


class RemoteItem(NamedTuple):
    """A node as the server says; `digest` is None while the server has not needed one."""

    parent: int
    name: str
    folder: bool
    size: int
    digest: Digest | None
    rev: int
    change: int
    mtime_ns: int


class Passed(NamedTuple):
    """A node that is passed over, because no disk should have it: where the server shows it, and the code of the reason."""

    parent: int
    name: str
    code: str


def local_of(item: SyncedItem) -> LocalItem:
    """What the disk showed when both agreed."""
    return LocalItem(
        item.parent, item.name, item.folder, item.size, item.digest, item.disk,
        item.local_mtime_ns, item.ctime_ns, item.inode,
    )  # fmt: skip


def remote_of(item: SyncedItem) -> RemoteItem:
    """What the server said when both agreed."""
    return RemoteItem(item.parent, item.name, item.folder, item.size, item.digest, item.rev, item.change, item.mtime_ns)


def agreed(item: int, local: LocalItem, remote: RemoteItem) -> SyncedItem:
    """Both sides as they are, taken as agreed: the caller knows that place and content are the same."""
    return SyncedItem(
        item, remote.parent, remote.name, remote.folder, remote.size, local.digest or remote.digest,
        remote.rev, remote.change, remote.mtime_ns, local.disk, local.mtime_ns, local.ctime_ns, local.inode,
    )  # fmt: skip


@dataclass(slots=True)
class TreeChanges:
    """Rows to write and to drop, so that a store shows what the trees show; None in an overlay means gone on that side."""

    synced: list[SyncedItem] = field(default_factory=list)
    synced_dropped: list[int] = field(default_factory=list)
    local: list[tuple[int, LocalItem | None]] = field(default_factory=list)
    local_dropped: list[int] = field(default_factory=list)
    remote: list[tuple[int, RemoteItem | None]] = field(default_factory=list)
    remote_dropped: list[int] = field(default_factory=list)
    passed: list[tuple[int, Passed]] = field(default_factory=list)
    passed_dropped: list[int] = field(default_factory=list)
    earlier: list[tuple[int, RemoteItem | None]] = field(default_factory=list)
    earlier_dropped: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.synced or self.synced_dropped or self.local or self.local_dropped or self.remote or self.remote_dropped
            or self.passed or self.passed_dropped or self.earlier or self.earlier_dropped
        )  # fmt: skip


class Trees:
    """The three trees in memory, with what has to be remembered since the last `drain`.

    Reading gives None for what is not (or no longer) there. Writing a side back to what was agreed removes the difference.
    A folder that no tree knows any more may have been the agreed place of items that wait elsewhere: then that is `NOWHERE`.
    """

    __slots__ = (
        "_below", "_dirty_earlier", "_dirty_local", "_dirty_passed", "_dirty_remote", "_dirty_synced", "_local_in",
        "_remote_in", "earlier", "local", "next_new", "passed", "remote", "renamed", "synced", "top",
        "version",
    )  # fmt: skip

    def __init__(
        self,
        top: int,
        synced: dict[int, SyncedItem] | None = None,
        local: dict[int, LocalItem | None] | None = None,
        remote: dict[int, RemoteItem | None] | None = None,
        passed: dict[int, Passed] | None = None,
        earlier: dict[int, RemoteItem | None] | None = None,
    ) -> None:
        self.top = top
        self.synced: dict[int, SyncedItem] = {} if synced is None else synced
        self.local: dict[int, LocalItem | None] = {} if local is None else local
        self.remote: dict[int, RemoteItem | None] = {} if remote is None else remote
        self.passed: dict[int, Passed] = {} if passed is None else passed
        """Nodes that are in none of the trees, by id (R16)."""
        self.earlier: dict[int, RemoteItem | None] = {} if earlier is None else earlier
        """What the server showed, and the disk may have got, before the news that `remote` holds; see `engine.earlier`."""
        self.next_new = min(0, min(self.local, default=0)) - 1
        """The next free id for an item that the server does not have."""
        self.version = next(_VERSIONS)
        """Another number after each `drain` that had something, and in other trees."""
        self.renamed: dict[int, int] = {}
        """Id before the server had it to present id, of this run; see `now`."""
        self._below: dict[int, set[int]] = {}
        self._local_in: dict[int, set[int]] = {}
        self._remote_in: dict[int, set[int]] = {}
        self._dirty_synced: set[int] = set()
        self._dirty_local: set[int] = set()
        self._dirty_remote: set[int] = set()
        self._dirty_passed: set[int] = set()
        self._dirty_earlier: set[int] = set()
        below = self._below
        for item in self.synced.values():
            if (kids := below.get(item.parent)) is None:
                below[item.parent] = {item.id}
            else:
                kids.add(item.id)
        for new, mine in self.local.items():
            if mine is not None:
                self._local_in.setdefault(mine.parent, set()).add(new)
        for node, theirs in self.remote.items():
            if theirs is not None:
                self._remote_in.setdefault(theirs.parent, set()).add(node)

    # --- reading ------------------------------------------------------------------------------------------------------

    def here(self, item: int) -> LocalItem | None:
        """The item as the disk shows it."""
        if item in self.local:
            return self.local[item]
        base = self.synced.get(item)
        return None if base is None else local_of(base)

    def there(self, item: int) -> RemoteItem | None:
        """The item as the server says."""
        if item in self.remote:
            return self.remote[item]
        base = self.synced.get(item)
        return None if base is None else remote_of(base)

    def is_here(self, item: int) -> bool:
        """Whether the disk shows it."""
        return self.local[item] is not None if item in self.local else item in self.synced

    def is_there(self, item: int) -> bool:
        """Whether the server has it."""
        return self.remote[item] is not None if item in self.remote else item in self.synced

    def kids_here(self, folder: int) -> Iterator[int]:
        """What the disk shows directly in a folder."""
        local = self.local
        for item in self._below.get(folder, ()):
            if item not in local:
                yield item
        yield from self._local_in.get(folder, ())

    def kids_there(self, folder: int) -> Iterator[int]:
        """What the server has directly in a folder."""
        remote = self.remote
        for item in self._below.get(folder, ()):
            if item not in remote:
                yield item
        yield from self._remote_in.get(folder, ())

    def kids_gone(self, folder: int) -> Iterator[int]:
        """What was agreed to be directly in a folder, is gone from disk, and is still on the server."""
        local = self.local
        for item in self._below.get(folder, ()):
            if item in local and local[item] is None and self.is_there(item):
                yield item

    def kids_settled(self, folder: int) -> Iterator[int]:
        """What was agreed to be directly in a folder and is so on both sides."""
        for item in self._below.get(folder, ()):
            if item not in self.local and item not in self.remote:
                yield item

    def all_here(self, folder: int) -> Iterator[int]:
        """Everything below a folder on disk, parents first."""
        waiting = [folder]
        while waiting:
            for item in list(self.kids_here(waiting.pop())):
                yield item
                waiting.append(item)

    def all_there(self, folder: int) -> Iterator[int]:
        """Everything below a folder on the server, parents first."""
        waiting = [folder]
        while waiting:
            for item in list(self.kids_there(waiting.pop())):
                yield item
                waiting.append(item)

    def path_here(self, item: int) -> LocalPath | None:
        """Where the disk has it; None when it, or a folder above it, is not there."""
        names: list[str] = []
        while item != self.top:
            mine = self.here(item)
            if mine is None or len(names) > 4096:
                return None
            names.append(mine.spelled)
            item = mine.parent
        return tuple(reversed(names))

    def path_there(self, item: int) -> tuple[str, ...] | None:
        """Where the server has it; None when it is gone or a folder above it is not known (an orphan)."""
        names: list[str] = []
        while item != self.top:
            theirs = self.there(item)
            if theirs is None or len(names) > 4096:
                return None
            names.append(theirs.name)
            item = theirs.parent
        return tuple(reversed(names))

    def now(self, item: int) -> int:
        """The present id of an item that was known as `item` earlier in this run."""
        while item in self.renamed:
            item = self.renamed[item]
        return item

    def differing(self) -> list[int]:
        """All items in which a side differs from what was agreed, in order of id."""
        return sorted(self.local.keys() | self.remote.keys())

    # --- writing ------------------------------------------------------------------------------------------------------

    def set_here(self, item: int, mine: LocalItem | None) -> None:
        """Say what the disk shows now."""
        self._put_here(item, mine)
        self._let_go(item)

    def _put_here(self, item: int, mine: LocalItem | None) -> None:
        old = self.local.get(item)
        if old is not None:
            self._local_in[old.parent].discard(item)
        base = self.synced.get(item)
        if (mine is None) if base is None else (mine is not None and mine == local_of(base)):
            self.local.pop(item, None)
        else:
            self.local[item] = mine
            if mine is not None:
                self._local_in.setdefault(mine.parent, set()).add(item)
        self._dirty_local.add(item)

    def set_there(self, item: int, theirs: RemoteItem | None) -> None:
        """Say what the server has now."""
        self._put_there(item, theirs)
        self._let_go(item)

    def _put_there(self, item: int, theirs: RemoteItem | None) -> None:
        old = self.remote.get(item)
        if old is not None:
            self._remote_in[old.parent].discard(item)
        base = self.synced.get(item)
        if (theirs is None) if base is None else (theirs is not None and theirs == remote_of(base)):
            self.remote.pop(item, None)
        else:
            self.remote[item] = theirs
            if theirs is not None:
                self._remote_in.setdefault(theirs.parent, set()).add(item)
        self._dirty_remote.add(item)

    def set_passed(self, node: int, passed: Passed | None) -> None:
        """Say that a node is passed over, or (None) that it is not."""
        if self.passed.get(node) == passed:
            return
        if passed is None:
            del self.passed[node]
        else:
            self.passed[node] = passed
        self._dirty_passed.add(node)

    def keep_earlier(self, node: int) -> None:
        """News of a node are about to be taken: what differed before is kept, unless something older is kept already."""
        if node in self.remote and node not in self.earlier:
            self.earlier[node] = self.remote[node]
            self._dirty_earlier.add(node)

    def forget_earlier(self, node: int) -> None:
        """What the disk got of a node is of no interest any more."""
        if node in self.earlier:
            del self.earlier[node]
            self._dirty_earlier.add(node)

    def drop_earlier(self) -> None:
        """What the disk got is known for all nodes."""
        self._dirty_earlier.update(self.earlier)
        self.earlier.clear()

    def set_synced(self, item: int, base: SyncedItem | None) -> None:
        """Say what both agree on; what each side shows stays as it is, told as differences from the new base."""
        mine, theirs = self.here(item), self.there(item)
        old = self.synced.pop(item, None)
        if old is not None:
            self._below[old.parent].discard(item)
        if base is not None:
            self.synced[item] = base
            self._below.setdefault(base.parent, set()).add(item)
        self._dirty_synced.add(item)
        self._put_here(item, mine)
        self._put_there(item, theirs)
        self._let_go(item)

    def _let_go(self, folder: int) -> None:
        """If no tree knows the folder any more, nothing is agreed to be in it (it may even be another's number one day)."""
        if folder in self._below and not (folder in self.synced or folder in self.local or folder in self.remote):
            self._rebase(folder, NOWHERE)

    def _rebase(self, old: int, new: int) -> None:
        """What was agreed to be in the folder `old` is agreed to be in `new`. Not a move: neither side is touched."""
        if kids := self._below.pop(old, None):
            for kid in kids:
                self.synced[kid] = self.synced[kid]._replace(parent=new)
            self._below.setdefault(new, set()).update(kids)
            self._dirty_synced.update(kids)

    def agree(self, item: int, mine: LocalItem, theirs: RemoteItem) -> None:
        """Both sides show this now, and it is the same: nothing is left to do for the item."""
        base = agreed(item, mine, theirs)
        self.set_synced(item, base)
        self.set_here(item, mine._replace(digest=base.digest))
        self.set_there(item, theirs._replace(digest=base.digest))

    def rename(self, old: int, new: int) -> None:
        """Give a local item another id (it reached the server, or its node is no more); what it holds follows.

        The base and the server's side of `old` are forgotten; those of `new`, when there are any, stay.
        """
        mine = self.here(old)
        self._rebase(old, new)
        self.set_synced(old, None)
        self.set_there(old, None)
        self.set_here(old, None)
        for kid in list(self._local_in.get(old, ())):
            item = self.local[kid]
            if item is not None:
                self.set_here(kid, item._replace(parent=new))
        if mine is not None:
            self.set_here(new, mine)
        self._let_go(new)
        if old < 0:
            self.renamed[old] = new

    def arrive(self, new: int, base: SyncedItem) -> bool:
        """A new file of the disk reached the server and both are as `base` says: the short way of `rename` and `agree`.

        False, and nothing done, when the node is known already.
        """
        item = base.id
        if item in self.synced or item in self.local or item in self.remote:
            return False
        mine = self.local.pop(new, None)
        if mine is not None:
            self._local_in[mine.parent].discard(new)
            self._dirty_local.add(new)
        self.synced[item] = base
        if (kids := self._below.get(base.parent)) is None:
            self._below[base.parent] = {item}
        else:
            kids.add(item)
        self._dirty_synced.add(item)
        self.renamed[new] = item
        return True

    def arrive_here(self, base: SyncedItem) -> bool:
        """A node that this disk did not have is here now, and both are as `base` says: the short way of `agree`.

        False, and nothing done, when something of the node is known besides what the server has.
        """
        item = base.id
        theirs = self.remote.get(item)
        if theirs is None or item in self.synced or item in self.local:
            return False
        del self.remote[item]
        self._remote_in[theirs.parent].discard(item)
        self._dirty_remote.add(item)
        self.synced[item] = base
        if (kids := self._below.get(base.parent)) is None:
            self._below[base.parent] = {item}
        else:
            kids.add(item)
        self._dirty_synced.add(item)
        return True

    def new_id(self) -> int:
        """An id for an item that the server does not have."""
        new = self.next_new
        self.next_new -= 1
        return new

    def drain(self) -> TreeChanges:
        """What changed since the last call, for the store."""
        changes = TreeChanges()
        for item in self._dirty_synced:
            if (base := self.synced.get(item)) is None:
                changes.synced_dropped.append(item)
            else:
                changes.synced.append(base)
        for item in self._dirty_local:
            if item in self.local:
                changes.local.append((item, self.local[item]))
            else:
                changes.local_dropped.append(item)
        for item in self._dirty_remote:
            if item in self.remote:
                changes.remote.append((item, self.remote[item]))
            else:
                changes.remote_dropped.append(item)
        for node in self._dirty_passed:
            if (passed := self.passed.get(node)) is None:
                changes.passed_dropped.append(node)
            else:
                changes.passed.append((node, passed))
        for node in self._dirty_earlier:
            if node in self.earlier:
                changes.earlier.append((node, self.earlier[node]))
            else:
                changes.earlier_dropped.append(node)
        self._dirty_synced, self._dirty_local, self._dirty_remote = set(), set(), set()
        self._dirty_passed, self._dirty_earlier = set(), set()
        if changes:
            self.version = next(_VERSIONS)
        return changes


def same_trees(left: Trees, right: Trees) -> bool:
    """Whether two sets of trees show the same; for tests and the simulation's sweep."""
    return left.synced == right.synced and left.local == right.local and left.remote == right.remote


def orphans(base: Mapping[int, SyncedItem], top: int) -> Iterable[int]:
    """Items whose chain of parents does not end at `top`; none in a sound store (lesson 5)."""
    sound = {top}
    for item in base:
        trail: list[int] = []
        at = item
        while at not in sound and at in base and at not in trail:
            trail.append(at)
            at = base[at].parent
        if at in sound:
            sound.update(trail)
        else:
            yield item
