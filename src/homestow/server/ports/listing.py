"""Files of roots in any order, paged by number: derived from nodes, media facts and extras, and always behind them by a moment.

It can be thrown away and made again. Counts are kept with the rows, never counted anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from homestow.values.ids import AccountId, NodeId, RootId


class Sort(IntEnum):
    """What files are sorted by; equal ones by id. Files without the value come first when ascending."""

    NONE = 0
    CREATED = 1
    UPLOADED = 2
    SIZE = 3
    DURATION = 4
    PIXELS = 5


class Listed(NamedTuple):
    """One live file as it is sorted and filtered; hidden while a promised part has not arrived (it is counted nowhere)."""

    node: NodeId
    root: RootId
    folder: NodeId
    kind: int
    uploader: AccountId | None
    created_s: float
    uploaded_s: float | None
    size: int
    duration_s: float | None
    width: int | None
    height: int | None
    hidden: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files: all of `roots`; with `folders`, `kinds` or `uploader` only those directly in, of, by (None: any)."""

    roots: Sequence[RootId]
    folders: Sequence[NodeId] | None = None
    kinds: Sequence[int] | None = None
    uploader: AccountId | None = None
    sort: Sort = Sort.NONE
    descending: bool = False


class Listing(Protocol):
    """The derived index. Reading is for every thread, writing for one at a time."""

    def read_to(self) -> tuple[str, int, int]:
        """(epoch, journal number, facts stamp) up to which it was derived; ("", 0, 0) when it is new."""

    def update(self, put: Iterable[Listed], drop: Iterable[NodeId], epoch: str, number: int, stamp: int) -> None:
        """Put rows in place of what was known, remove others, and remember how far was read: all or nothing."""

    def clear(self) -> None:
        """Forget everything."""

    def count(self, wanted: Wanted) -> int:
        """How many files a query has in all."""

    def page(self, wanted: Wanted, start: int, limit: int) -> list[NodeId]:
        """Ids `start` to `start + limit` of a query, in its order."""

    def folder_counts(self, folders: Sequence[NodeId]) -> dict[NodeId, int]:
        """How many files, hidden ones too, lie directly in each folder."""
