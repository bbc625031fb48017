"""One item, three states: what changed on which side."""

from typing import NamedTuple

from homestow.client.engine.rules import Direction, Rules
from homestow.client.engine.seen import PASSING
from homestow.client.engine.trees import LocalItem, RemoteItem, SyncedItem

Place = tuple[int, str]
"""A folder's id and a name in NFC."""


class View(NamedTuple):
    """An item as base, disk and server have it; None where it is not."""

    item: int
    base: SyncedItem | None
    here: LocalItem | None
    there: RemoteItem | None


def passing_name(item: int) -> str:
    """Name an item bears for a moment when names go round in a circle (SC-077); with "-2", "-3"... where something has it."""
    return f"{PASSING}{item}"


def is_passing(item: int, name: str) -> bool:
    """Whether the item bears its passing name, which is never taken for a rename by somebody."""
    return name == passing_name(item) or name.startswith(f"{passing_name(item)}-")


def changed_here(here: LocalItem, base: SyncedItem) -> bool | None:
    """Whether the file's content on disk is not the agreed one; None: only reading it can tell (SC-010, SC-011, R26).

    A base without digest is content that only the server has seen (one-way up): the disk's is another.
    """
    if base.digest is None:
        return True
    if here.digest is not None:
        return here.digest != base.digest
    if here.size != base.size:
        return True
    if (here.mtime_ns, here.ctime_ns, here.inode) == (base.local_mtime_ns, base.ctime_ns, base.inode):
        return False
    return None


def changed_there(there: RemoteItem, base: SyncedItem) -> bool:
    """Whether the file's content on the server is not the agreed one, as far as the server told."""
    return there.rev != base.rev and (there.digest is None or there.digest != base.digest)


def moved_here(item: int, here: LocalItem, base: SyncedItem) -> bool:
    """Whether somebody gave it another place on disk."""
    return (here.parent, here.name) != (base.parent, base.name) and not is_passing(item, here.name)


def moved_there(item: int, there: RemoteItem, base: SyncedItem) -> bool:
    """Whether somebody gave it another place on the server."""
    return (there.parent, there.name) != (base.parent, base.name) and not is_passing(item, there.name)


def close_times(one_ns: int, other_ns: int, step_ns: int) -> bool:
    """Whether a disk of this step cannot tell the two times apart."""
    return one_ns == other_ns or abs(one_ns - other_ns) < step_ns


def way_of_time(view: View, rules: Rules) -> Direction | None:
    """Which way a change of the time alone has to go (R26): in a one-way job its way, else the server's wins."""
    _, base, here, there = view
    if base is None or here is None or there is None or here.folder:
        return None
    if close_times(here.mtime_ns, there.mtime_ns, rules.facts.mtime_step_ns):
        return None
    theirs, mine = there.mtime_ns != base.mtime_ns, here.mtime_ns != base.local_mtime_ns
    if not theirs and not mine:
        return None
    if rules.down and (theirs or not rules.up):
        return Direction.DOWN
    return Direction.UP if rules.up else None
