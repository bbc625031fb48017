"""Names that are free: the isync calls allow two things of one display name side by side, a tree of files does not."""

from collections.abc import Callable
from typing import Final, TypeVar

from homestow.server.ports.catalogue import CatalogueReads
from homestow.values.errors import PathTaken
from homestow.values.ids import NodeId
from homestow.values.paths import numbered

T = TypeVar("T")
_MOST_TRIES: Final = 100


def free_name(catalogue: CatalogueReads, folder: NodeId, name: str, but: NodeId | None = None) -> str:
    """`name`, or `name (2)` … before the extension, so that nothing of that name stands in the folder but node `but`."""
    taken: set[str] = set()
    while True:
        candidate = numbered(name, taken)
        there = catalogue.child(folder, candidate)
        if there is None or there.id == but:
            return candidate
        taken.add(candidate)


def at_free_name(
    catalogue: CatalogueReads, folder: NodeId, name: str, attempt: Callable[[str], T], but: NodeId | None = None
) -> T:
    """What `attempt` gives for the first free name; it is called again when somebody was faster.

    Raises:
        PathTaken: others were faster a hundred times.
    """
    for _ in range(_MOST_TRIES - 1):
        try:
            return attempt(free_name(catalogue, folder, name, but))
        except PathTaken:
            continue
    return attempt(free_name(catalogue, folder, name, but))
