"""Taking a settlement: the trees learn, nothing on disk or server moves. Pure, and the same whenever repeated."""

from homestow.client.engine.leaving import leave_out
from homestow.client.engine.steps import (
    Adopt,
    Forget,
    LeaveOut,
    Rebirth,
    Remember,
    Replace,
    Settlement,
    Split,
    TakeTheirs,
)
from homestow.client.engine.trees import LocalItem, RemoteItem, SyncedItem, Trees, agreed


def settle(trees: Trees, settlement: Settlement) -> None:
    """Take one settlement of a plan made from these trees."""
    match settlement:
        case Forget(item):
            trees.set_synced(item, None)
        case LeaveOut(item):
            leave_out(trees, item)
        case Rebirth(item) | Split(item):
            _set_apart(trees, item)
        case Adopt(item, node) | Replace(item, node):
            _bind(trees, item, node)
        case Remember(item):
            mine, theirs, base = trees.here(item), trees.there(item), trees.synced.get(item)
            if mine is not None and theirs is not None and base is not None:
                _remember(trees, item, base, mine, theirs)
        case TakeTheirs(item):
            base, theirs = trees.synced.get(item), trees.there(item)
            if base is not None and theirs is not None:
                trees.set_synced(item, base._replace(**theirs._asdict()))


def _set_apart(trees: Trees, item: int) -> None:
    theirs = trees.there(item)
    trees.rename(item, trees.new_id())
    trees.set_there(item, theirs)


def _bind(trees: Trees, item: int, node: int) -> None:
    """The local item is the node. Equal content is agreed; a replaced one has the server's as its base."""
    mine, theirs = trees.here(item), trees.there(node)
    if mine is None or theirs is None:
        return
    trees.rename(item, node)
    base = agreed(node, mine, theirs)
    if theirs.folder:
        trees.set_synced(node, base)
    elif mine.digest is not None and mine.digest == theirs.digest:
        # Where the times differ the server's is the later word: it comes to the disk as a change of time alone.
        trees.set_synced(node, base._replace(mtime_ns=mine.mtime_ns))
    else:
        # No state of the disk's file is agreed: it is read before it may count as unchanged, be it of the same size.
        trees.set_synced(node, base._replace(digest=theirs.digest, local_mtime_ns=0, ctime_ns=-1, inode=0))
    trees.set_there(node, theirs)


def _remember(trees: Trees, item: int, base: SyncedItem, mine: LocalItem, theirs: RemoteItem) -> None:
    same_place = (mine.parent, mine.name) == (theirs.parent, theirs.name)
    digest = mine.digest or theirs.digest or base.digest
    mine, theirs = mine._replace(digest=digest), theirs._replace(digest=digest)
    new = agreed(item, mine, theirs)
    if mine.digest != base.digest:
        new = new._replace(mtime_ns=mine.mtime_ns)
    if not same_place:
        new = new._replace(parent=base.parent, name=base.name)
    trees.set_here(item, mine)
    trees.set_there(item, theirs)
    trees.set_synced(item, new)
