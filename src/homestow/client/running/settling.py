"""Conflict copies: where they lie, and what becomes of them when somebody chooses.

A choice is ordinary work in a safe order: the server is asked first, on the condition that it still has what was chosen about,
and what it replaces or drops there is a version or in its trash before anything is removed here. Whatever ends us between
two steps leaves a state that the next pass knows what to do with.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from blake3 import blake3

from homestow.client.engine.feed import drop_there, remote_item
from homestow.client.engine.names import Names
from homestow.client.engine.rules import Rules
from homestow.client.engine.trees import LocalItem, RemoteItem, Trees
from homestow.client.ports.localtree import LocalChanged, LocalFull, LocalPath
from homestow.client.running.deeds import Did
from homestow.client.running.looking import Looking
from homestow.client.running.news import News
from homestow.client.running.reading import read_whole
from homestow.client.running.uploads import publish
from homestow.client.running.work import Stopped, Trouble, Work, free_name, stamped
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId
from homestow.values.paths import CONFLICT_MARK, parse_conflict_name

Keep = Literal["original", "copy", "both"]

_SPARE_BYTES = 16 * 1024 * 1024


class NotReady(CloudError):
    """A choice cannot be made yet; nothing was done."""

    code = "not-ready"


class Copy(NamedTuple):
    """A conflict copy on this disk.

    Attributes:
        item, path, mine: the copy.
        name: what the file is called that it is a copy of, in the same folder.
        original, other: that file; None when it is not here.
        device: who set the copy aside.
        ready: both are in step with the server.
    """

    item: int
    path: LocalPath
    mine: LocalItem
    name: str
    original: int | None
    other: LocalItem | None
    device: str
    ready: bool


def find_copies(trees: Trees, named: Mapping[LocalPath, str]) -> list[Copy]:
    """All files of the disk that are conflict copies, in order of their paths.

    Args:
        named: of copies that this computer made, what they are copies of: a very long name is cut in the copy's.
    """
    marked = {item for item, base in trees.synced.items() if CONFLICT_MARK in base.name}
    marked.update(item for item, mine in trees.local.items() if mine is not None and CONFLICT_MARK in mine.name)
    here, there = Names(trees.kids_here, trees.here), Names(trees.kids_there, trees.there)
    found: list[Copy] = []
    for item in marked:
        mine, path = trees.here(item), trees.path_here(item)
        if mine is None or mine.folder or path is None or (told := parse_conflict_name(mine.name)) is None:
            continue
        name = named.get(path, told.name)
        original = here.of(mine.parent, name)
        other = None if original is None else trees.here(original)
        ready = _in_step(trees, item) and (
            there.of(mine.parent, name) is None if original is None else _in_step(trees, original)
        )
        found.append(Copy(item, path, mine, name, original, other, told.device, ready))
    return sorted(found, key=lambda copy: copy.path)


def _in_step(trees: Trees, item: int) -> bool:
    return item in trees.synced and item not in trees.local and item not in trees.remote


class Settling:
    """Takes a choice about one conflict copy; used by the thread that does the passes, between them."""

    def __init__(self, work: Work, news: News, looking: Looking, rules: Callable[[], Rules]) -> None:
        self._work, self._news, self._looking, self._rules = work, news, looking, rules

    @property
    def trees(self) -> Trees:
        """The three trees as known now."""
        return self._work.trees

    def refresh(self, folders: Iterable[int]) -> None:
        """Take the server's news, and look at these folders.

        Raises:
            CloudError: server or disk cannot be asked.
        """
        try:
            self._work.tree.check_root()
            self._news.meet()
            self._news.take()
            self._looking.look_at(folders)
            self._work.remember()
        except Trouble as trouble:
            raise trouble.error from trouble
        except Stopped as stopped:
            raise NotReady(_STOPPED) from stopped

    def settle(self, copy: Copy, keep: Keep) -> None:
        """Do what was chosen, as far as both contents still are what they were.

        Raises:
            NotReady: not yet, or never in this job, and nothing was done; or the job was stopped meanwhile, and then what
                was done so far stays.
            LocalChanged, Stale: here, or on the server, it is not as it was. Nothing is lost: what was done so far stays.
            CloudError: the server or the disk refused; likewise.
        """
        try:
            self._work.check_stop()
            match keep:
                case "original":
                    self._ensure(copy)
                    self._drop(copy)
                case "copy":
                    self._ensure(copy)
                    self._keep_copy(copy)
                case "both":
                    if not self._rules().up and copy.item in self.trees.synced:
                        raise NotReady(_FOLLOWS)
                    self._rename(copy, copy.name)
            self._work.remember()
        except Trouble as trouble:
            raise trouble.error from trouble
        except Stopped as stopped:
            raise NotReady(_STOPPED) from stopped
        self._work.did(Did.SETTLED, here=True, path=(*copy.path[:-1], copy.name), to=copy.path, choice=keep)

    def _ensure(self, copy: Copy) -> None:
        if not self._rules().up:
            raise NotReady(_FOLLOWS)
        if not copy.ready:
            raise NotReady(f"{copy.path[-1]} or {copy.name} is not on the server yet. Choose again when it is.")

    def _drop(self, copy: Copy) -> None:
        """The copy goes to the server's trash, then from the disk."""
        work, item = self._work, copy.item
        theirs = self._there(item)
        work.remote.delete(NodeId(item), theirs.change)
        work.own_acts = True
        work.counts.deletes += 1
        work.did(Did.DELETE, here=False, path=copy.path)
        drop_there(work.trees, item)
        work.remember()
        work.tree.remove_file(copy.path, copy.mine.stamp)
        work.acted_here()
        work.trees.set_here(item, None)
        work.settled(item)
        work.counts.deletes += 1
        work.did(Did.DELETE, here=True, path=copy.path)

    def _keep_copy(self, copy: Copy) -> None:
        """The copy's bytes become the file's new content, on the server first; then the copy goes."""
        work, original, other = self._work, copy.original, copy.other
        if original is None or other is None:
            self._rename(copy, copy.name)
            return
        if other.folder:
            raise NotReady(
                f"{copy.name} is a folder now, which cannot get the content of a file. Keep both, or the folder."
            )
        if work.tree.free_bytes() < copy.mine.size + _SPARE_BYTES:
            raise LocalFull("This computer's disk has too little room to keep the copy as the file. Free some.")
        path = (*copy.path[:-1], other.spelled)
        digest, node = publish(work, original, copy.path, copy.mine, self._there(original).rev)
        theirs = remote_item(node)._replace(digest=digest)
        work.trees.set_there(original, theirs)
        work.acted_there(node)
        work.counts.uploaded += 1
        work.counts.uploaded_bytes += theirs.size
        work.did(Did.UPLOAD, here=False, path=path, size=theirs.size)
        work.remember()
        self._place(copy, original, other, path, theirs)
        work.remember()
        self._drop(copy)

    def _place(self, copy: Copy, original: int, other: LocalItem, path: LocalPath, theirs: RemoteItem) -> None:
        """Put the copy's bytes at the file's place, as what the server has now."""
        work = self._work
        staging = work.tree.stage(f"n{original}-r{theirs.rev}", copy.mine.size)
        try:
            hasher, at = blake3(), 0
            for piece in read_whole(work.tree, copy.path, copy.mine.stamp, work.check_stop):
                hasher.update(piece)
                staging.write_at(at, piece)
                at += len(piece)
            if hasher.hexdigest() != theirs.digest:
                raise LocalChanged(f"{copy.path[-1]} is not what the server has of it.")
            staging.flush()
            stamp = work.tree.put(staging, path, other.stamp, theirs.mtime_ns)
        except BaseException:
            staging.discard()
            raise
        work.acted_here()
        work.same_content(original, stamped(other, stamp)._replace(digest=theirs.digest), theirs)

    def _rename(self, copy: Copy, name: str) -> None:
        """The copy gets an ordinary name, which the next pass tells the server."""
        work, folder = self._work, copy.path[:-1]
        new = free_name(work.tree, folder, name)
        stamp = work.tree.move(copy.path, (*folder, new), copy.mine.stamp)
        work.acted_here()
        work.trees.set_here(copy.item, stamped(copy.mine._replace(name=new, disk=None), stamp))
        work.counts.moves += 1
        work.did(Did.MOVE, here=True, path=copy.path, to=(*folder, new))

    def _there(self, item: int) -> RemoteItem:
        return self._work.there(item)


_FOLLOWS = (
    "This job only follows the server, so that nothing can be chosen here. Choose on a computer that may change the server's "
    "files, or in the browser."
)

_STOPPED = "The job was paused or ended meanwhile; nothing is lost. Choose again when it goes on."
