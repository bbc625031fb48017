"""Where content lies: one store per root, with a small core and optional abilities, each its own Protocol.

A *location* is a tuple of disk names from the root's folder, resolved from the catalogue at the moment of use; it is
never kept as text. Besides the visible tree a store keeps three hidden areas, named by our own keys (letters, digits,
'-', at most 64): *staging* (uploads under way), *kept* (versions and trash). A visible name is only ever changed by
`publish`, `make_folder`, `move`, `keep` and `bring_back`, each of which is one rename, so that old or new is there and
never something between (P2). Nothing here is durable until the matching `sync_*` returned; the committer calls them
in groups (P1).
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

Location = tuple[str, ...]

NO_TIMES: Mapping[str, int | None] = MappingProxyType({})


class EntryKind(StrEnum):
    """What the store shows at a name."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


class Stat(NamedTuple):
    """Facts of one entry: size in bytes, times in nanoseconds UTC, inode and birth time 0 where they are not stable."""

    kind: EntryKind
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    birth_ns: int


class Entry(NamedTuple):
    """A name in a folder with its facts; the name may hold surrogates where it is not UTF-8."""

    name: str
    stat: Stat


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What this store does, measured once: the code asks facts, never classes.

    exchange: replacing swaps names in one step, so nothing that came from outside in the last moment is lost.
    stable_inodes: inode (with birth time) identifies a file across renames.
    sparse: holes cost no room. folds_case, normalises: names that differ only so are one name.
    max_name_bytes: longest name. local_files: `open` gives file descriptors fit for sendfile.
    """

    exchange: bool
    stable_inodes: bool
    sparse: bool
    folds_case: bool
    normalises: bool
    max_name_bytes: int
    local_files: bool


class Staged(Protocol):
    """A file on its way in, under its key; survives restarts."""

    @property
    def key(self) -> str:
        """Its key in the staging area."""

    def write_at(self, offset: int, data: bytes | memoryview, *, passing: bool = False) -> None:
        """Put bytes at an offset; any order, several threads. `StorageFull` leaves what was there.

        `passing`: nobody will read these bytes soon, so the store need not keep them at hand. That is quickest in pieces
        that begin and end at whole pages, in the file and in memory.
        """

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`."""

    def truncate(self, size: int) -> None:
        """Cut or extend (sparse where the store can)."""

    def sync(self) -> None:
        """Make the bytes durable."""

    def stat(self) -> Stat:
        """Facts of the staged file now."""

    def close(self) -> None:
        """Let go of the handle; the file stays."""


class Opened(Protocol):
    """Content open for reading; what it reads stays the same file even when the name gets other content."""

    @property
    def stat(self) -> Stat:
        """Facts taken from the open handle."""

    @property
    def fd(self) -> int | None:
        """A descriptor for sendfile, None when the store has no local files."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; b"" at the end."""

    def detach(self) -> int:
        """Give the descriptor away; the caller closes it."""

    def close(self) -> None:
        """Let go; may be called twice."""


@dataclass(frozen=True, slots=True)
class Published:
    """Result of `publish`: facts of what is now visible, and what was displaced.

    `displaced`: facts of the content that was at the place, now under the staging key; None when the place was free.
    """

    stat: Stat
    displaced: Stat | None


class Content(Protocol):
    """The bytes of one root.

    Errors everywhere: `StorageFull` (ENOSPC, EDQUOT), `StorageFailed` (EIO and whatever else the disk says),
    `ContentMissing` (nothing at the location or key), `PathTaken` (the target name is in use), `BadName` (this disk cannot
    have the name), `Busy` (no file handle left). After a flush failed nothing is written until the store is opened anew.
    """

    @property
    def facts(self) -> StoreFacts:
        """What the store does."""

    def stage(self, key: str) -> Staged:
        """A new or existing staging file, for reading and writing, mode 0600 (S12)."""

    def staged_keys(self) -> Iterator[str]:
        """Everything in the staging area."""

    def drop_staged(self, key: str) -> None:
        """Remove a staging file; nothing when it is gone."""

    def stage_small(self, key: str, data: bytes) -> Stat:
        """Write a whole small file into staging in as few calls as possible; not durable until `sync_staged`."""

    def sync_staged(self, keys: Collection[str], times: Mapping[str, int | None] = NO_TIMES) -> None:
        """Make staged files durable, by single flushes or one for the whole store, whichever is cheaper.

        Args:
            times: modification times by key that `publish` will be asked for; set before the flush, so that a power cut
                cannot leave published content with another time, which would look edited.
        """

    def publish(self, key: str, at: Location, replace: bool, mtime_ns: int | None) -> Published:
        """Put a staged file into place in one step; mode and group as the folder or the replaced file has them (S12).

        Without `facts.exchange` a replace takes two steps; what a crash between them left is undone when the store is
        opened next, so that then too it happened or did not. A folder at the place is `PathTaken`. Handles of the staged
        file must be closed before: what is written through them later would be written to the visible file.

        Args:
            replace: exchange with what is there (afterwards under the staging key, also when it is not what the catalogue
                knew); False: the name must be free (`PathTaken`).
            mtime_ns: modification time to bear; None leaves the time of writing.
        """

    def make_folder(self, at: Location) -> Stat:
        """One new folder."""

    def move(self, source: Location, target: Location) -> Stat:
        """Rename a file or folder to a free name, a folder in O(1)."""

    def keep(self, at: Location, key: str) -> Stat:
        """Move a file or a whole folder out of sight, under `key` in the kept area."""

    def keep_staged(self, staged: str, key: str) -> None:
        """Move what lies under a staging key (displaced content) to the kept area."""

    def stage_kept(self, key: str, staged: str) -> None:
        """Move a kept file to the staging area, to publish it again."""

    def bring_back(self, key: str, at: Location) -> Stat:
        """Move something kept to a free visible name."""

    def drop_kept(self, key: str) -> None:
        """Remove a kept file or folder tree for good; nothing when it is gone."""

    def kept_keys(self) -> Iterator[str]:
        """Everything in the kept area."""

    def sync_folders(self, folders: Collection[Location]) -> None:
        """Make renames in these visible folders, and in the hidden areas, durable."""

    def open(self, at: Location) -> Opened:
        """A regular file at a location, never through a symlink, never blocking."""

    def open_kept(self, key: str, inside: Location = ()) -> Opened:
        """A kept file, or a file inside a kept folder."""

    def look(self, at: Location) -> Stat | None:
        """Facts of what is at a location now; None when nothing is."""

    def look_kept(self, key: str) -> Stat | None:
        """Facts of something kept; None when it is not there."""

    def look_staged(self, key: str) -> Stat | None:
        """Facts of a staging file; None when it is not there."""

    def list_folder(self, at: Location) -> list[Entry]:
        """Everything in a visible folder but the hidden area, in no order. `ContentMissing`: no such folder; a failure to
        read is `StorageFailed`, never an empty list (R17)."""

    def set_mtime(self, at: Location, mtime_ns: int) -> Stat:
        """Set the modification time of a file."""

    def free_bytes(self) -> int:
        """Room left."""

    def close(self) -> None:
        """Let go of all handles."""


@runtime_checkable
class CopiesRanges(Protocol):
    """Optional: copy inside the store without passing the bytes through us (reflink where the disk can)."""

    def copy_range(self, source: Opened, start: int, size: int, staged: Staged, offset: int) -> None:
        """Copy `size` bytes."""


@runtime_checkable
class Links(Protocol):
    """Optional: symbolic links as what they are. They are never followed; backups hold their targets."""

    def read_link(self, at: Location, kept: str | None = None) -> str:
        """The target of a link at a location, or inside of what is kept under `kept` (() for that itself).

        As it is on the disk, surrogates where it is not UTF-8. `ContentMissing`: there is none, or it is no link.
        """

    def make_link(self, at: Location, target: str) -> Stat:
        """A new link to whatever `target` says, at a free name. `PathTaken` when it is not free."""


@runtime_checkable
class TakesOver(Protocol):
    """Optional: take over what another store has kept whose folder lies in this one."""

    def may_take_over(self, at: Location) -> bool:
        """Whether the folder at a location is on the same disk, so that what is kept there can be renamed."""

    def take_over(self, at: Location) -> int:
        """Move everything in the kept area of the store in the folder at a location to ours, under the same keys, durably; then
        remove its hidden folder with all uploads in it. Done again it does the rest. How many things were moved.
        """


@runtime_checkable
class Watches(Protocol):
    """Optional: tells folders in which something changed from outside."""

    def watch(self) -> AbstractContextManager[Iterator[Collection[Location] | None]]:
        """An endless iterator of changed folders; None after an overflow: rescan everything. Closing ends it."""
