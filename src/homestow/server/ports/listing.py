"""Files of roots in any order, paged by number: derived from nodes, media facts and extras, and always behind them by a moment.

It can be thrown away and made again. Counts are kept with the rows, never counted anew.

Where a file belongs is told by its folder alone: folders are told with their parent and root, and a file is listed while its
folder and all above it stand. So deleting, moving or restoring a folder is one fact, however much is in it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from homestow.values.ids import AccountId, NodeId, RootId


class Sort(IntEnum):
    """What files are sorted by; equal ones by id. Files without the value come first. Descending is exactly the reverse."""

    NONE = 0
    CREATED = 1
    UPLOADED = 2
    SIZE = 3
    DURATION = 4
    PIXELS = 5


class Listed(NamedTuple):
    """One file as it is sorted and filtered; hidden while a promised part has not arrived (then no page and no count has it).

    Attributes:
        kind: a number of `ports.media.MediaKind`.
        uploader: who sent it by an upload that tells; None: found on the disk or sent otherwise.
        created_s, uploaded_s: seconds since 1970.
        width, height: pixels as displayed; compared as (width, height).
    """

    node: NodeId
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


class FolderFact(NamedTuple):
    """A folder: its root, the folder it is in (None: a root's top), and whether it was itself deleted."""

    folder: NodeId
    root: RootId
    parent: NodeId | None
    gone: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files: all of `roots`; with `folders`, `kinds` or `uploader` only those directly in, of, by (None: any)."""

    roots: Sequence[RootId]
    folders: Collection[NodeId] | None = None
    kinds: Collection[int] | None = None
    uploader: AccountId | None = None
    sort: Sort = Sort.NONE
    descending: bool = False


class ReadTo(NamedTuple):
    """How far something was derived; ("", 0, 0) of a new one: nothing."""

    epoch: str
    number: int
    stamp: int


class Listing(Protocol):
    """The derived index. Reading is for every thread and sees whole updates only; writing is for one thread at a time."""

    def read_to(self) -> ReadTo:
        """Up to where it was derived."""

    def update(
        self, put: Collection[Listed], drop: Collection[NodeId], folders: Collection[FolderFact], read_to: ReadTo
    ) -> None:
        """Put files and folders in place of what was known of them, remove others, remember how far was read: all or nothing.

        A node is in one of the three only. Order does not matter: files of a folder nobody told of are not listed.
        """

    def clear(self) -> None:
        """Forget everything."""

    def count(self, wanted: Wanted) -> int:
        """How many files a query has in all."""

    def page(self, wanted: Wanted, start: int, limit: int) -> tuple[list[NodeId], int]:
        """Ids `start` to `start + limit` of a query in its order, and how many there are in all, both of one state."""

    def folder_counts(self, folders: Collection[NodeId]) -> dict[NodeId, int]:
        """How many files, hidden ones too, lie directly in each folder; every asked one is in the answer."""

    def save(self) -> None:
        """Keep it for the next start, where it has a place for that; failing to is no error, it is only made anew then.

        What it finds there is used only when it is whole and of this format.
        """


class Derived(NamedTuple):
    """Some changes as rows of the index; `through`: the last number or stamp of them, None: that was all."""

    put: list[Listed]
    drop: list[NodeId]
    folders: list[FolderFact]
    through: int | None


class ListingSource(Protocol):
    """What the index is derived from, for a reader that never holds up writers."""

    def now(self) -> ReadTo:
        """Epoch, newest journal number and newest stamp, as committed."""

    def compacted(self) -> int:
        """Of deletions up to this number nothing may be left."""

    def roots(self) -> list[RootId]:
        """Every root that has nodes."""

    def changed(self, root: RootId, after: int, through: int, limit: int) -> Derived:
        """Up to `limit` nodes of a root by their last change, from after one number through another."""

    def refreshed(self, after: int, through: int, limit: int) -> Derived:
        """Up to about `limit` nodes of all roots by the stamp of their facts or extras."""


KindOf = Callable[[str], int]
"""The kind of a file nobody read yet, by its name."""
