"""What was brought to disk without being remembered, and is other on the server by now.

A process that dies between an act on disk and writing it down leaves the act to be found by the next look: disk and server
show the same, and that settles it. When the server's news come first, the two differ, and it looks as if somebody had acted
here as well: a conflict copy of what nobody wrote, a renamed file under both names, a deleted one sent again. So news do not
replace what they find not yet agreed, they push it aside (`Trees.keep_earlier`), and whatever the disk shows of that was
brought by us, or might as well have been: it is agreed, and what the server did since is its change alone. The last state
before the first news is enough, because nothing is brought between news and the look that clears this. Pure.
"""

from collections.abc import Iterator

from homestow.client.engine.names import Names
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import Adopt
from homestow.client.engine.trees import LocalItem, RemoteItem, SyncedItem, Trees


def unread(trees: Trees) -> list[tuple[int, LocalItem]]:
    """Files that have to be read before `agree_as_brought` can tell whether they were brought."""
    found: list[tuple[int, LocalItem]] = []
    for node, item, was in _brought(trees):
        mine = trees.here(item)
        if mine is None or was.folder or mine.folder or mine.digest is not None or mine.size != was.size:
            continue
        if was.digest is not None and was.digest != _digest(trees.synced.get(node)):
            found.append((item, mine))
    return found


def agree_as_brought(trees: Trees) -> None:
    """Take as agreed what the disk shows of earlier states, and forget these."""
    for node, was in trees.earlier.items():
        if was is None and node in trees.synced and not trees.is_here(node):
            trees.set_synced(node, None)
    for node, item, was in _brought(trees):
        mine, base = trees.here(item), trees.synced.get(node)
        if mine is None or mine.folder != was.folder:
            continue
        same = was.digest is not None and mine.digest == was.digest
        if base is None:
            if was.folder or same:
                theirs = trees.there(node)
                trees.set_there(node, was)
                settle(trees, Adopt(item, node))
                trees.set_there(node, theirs)
            continue
        if (mine.parent, mine.name) == (was.parent, was.name):
            base = base._replace(parent=was.parent, name=was.name)
        if same and was.digest != base.digest:
            # A time that differs from the server's is the server's to say, as with everything that is bound.
            base = base._replace(
                size=was.size, digest=was.digest, rev=was.rev, change=was.change, mtime_ns=mine.mtime_ns,
                local_mtime_ns=mine.mtime_ns, ctime_ns=mine.ctime_ns, inode=mine.inode,
            )  # fmt: skip
        trees.set_synced(node, base)
    trees.drop_earlier()


def _digest(base: SyncedItem | None) -> str | None:
    return None if base is None else base.digest


def _brought(trees: Trees) -> Iterator[tuple[int, int, RemoteItem]]:
    """Nodes with what the server showed of them, and the item of the disk that may be it; folders first, from the top."""
    earlier = [(node, was) for node, was in trees.earlier.items() if was is not None]
    waiting = [each for each in earlier if each[1].folder]
    files = [each for each in earlier if not each[1].folder]
    while waiting:
        # A folder that is new here can be found once the one that it is in has been.
        later: list[tuple[int, RemoteItem]] = []
        names = Names(trees.kids_here, trees.here)
        for node, was in waiting:
            if (item := _counterpart(trees, names, node, was)) is None:
                later.append((node, was))
            else:
                yield node, item, was
        if len(later) == len(waiting):
            break
        waiting = later
    names = Names(trees.kids_here, trees.here)
    for node, was in files:
        if (item := _counterpart(trees, names, node, was)) is not None:
            yield node, item, was


def _counterpart(trees: Trees, names: Names, node: int, was: RemoteItem) -> int | None:
    if trees.is_here(node):
        return node
    if node in trees.synced:
        return None
    item = names.of(was.parent, was.name)
    return item if item is not None and item < 0 else None
