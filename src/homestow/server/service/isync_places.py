"""Names that are free: the isync calls allow two things of one display name side by side, a tree of files does not."""

from collections.abc import Callable
from typing import Final, TypeVar

from homestow.server.ports.catalogue import CatalogueReads
from homestow.values.errors import PathTaken
from homestow.values.ids import NodeId
from homestow.values.paths import with_suffix

T = TypeVar("T")
_MOST_TRIES: Final = 100
_MORE: Final = 8
_MOST_AT_ONCE: Final = 4096


def free_name(catalogue: CatalogueReads, folder: NodeId, name: str, but: NodeId | None = None) -> str:
    """`name`, or `name (2)` … before the extension, so that nothing of that name stands in the folder but node `but`."""
    first, count = 1, 1
    while True:
        candidates = [_numbered(name, number) for number in range(first, first + count)]
        there = catalogue.children_named(folder, candidates)
        for candidate in candidates:
            if candidate not in there or there[candidate].id == but:
                return candidate
        # Many of one name are asked for together, more each time: a thousand namesakes cost five queries.
        first, count = first + count, min(count * _MORE, _MOST_AT_ONCE)


def _numbered(name: str, number: int) -> str:
    """What `values.paths.numbered` gives when the `number - 1` names before it are taken."""
    return name if number == 1 else with_suffix(name, f" ({number})")


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
