"""The folder on this computer, as the sync client needs it: look, read, and change only what still is as it was seen.

Every path is a tuple of names below the job's folder, as the disk spells them; () is the folder itself. Adapters walk
directory handles and never follow a symlink (S04, S05, R25). Temporary data lives in a private folder of the same
filesystem, never at a visible name (R20), under names that do not derive from the final name (SC-121).
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from homestow.client.engine.seen import LocalPath, Seen, SeenKind, Stamp, TreeFacts
from homestow.values.errors import CloudError

__all__ = [
    "LocalChanged",
    "LocalFull",
    "LocalPath",
    "LocalTree",
    "LocalTrouble",
    "Reading",
    "RootMissing",
    "Seen",
    "SeenKind",
    "Staging",
    "Stamp",
    "TreeFacts",
]


class RootMissing(CloudError):
    """The job's folder or its marker is not there: pause, delete nothing (R18)."""

    code = "local-root-missing"


class LocalChanged(CloudError):
    """The thing on disk is not what the caller saw; nothing was done (R4, R6, SC-033, SC-034)."""

    code = "local-changed"


class LocalTrouble(CloudError):
    """This item cannot be read or written here (permission, name too long, bad type); others go on (R16, R21, P9)."""

    code = "local-trouble"


class LocalFull(LocalTrouble):
    """The disk has no room; what was there is intact (R21)."""

    code = "local-full"


class Reading(Protocol):
    """An open file: its stamp at opening, bytes at any offset. Close it."""

    @property
    def stamp(self) -> Stamp:
        """Stamp taken from the open handle."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; b"" at or after the end."""

    def still(self) -> bool:
        """Whether handle and path still show the stamp of the opening (R19: else what was read is not committed)."""

    def close(self) -> None:
        """Let go; may be called twice."""


class Staging(Protocol):
    """A file being received; survives a kill under its key, so that a download resumes (P7)."""

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes; offsets in any order, from several threads."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes written before, to hash the part that an earlier run received."""

    def flush(self) -> None:
        """Make what was written durable, so that the state may remember it."""

    def discard(self) -> None:
        """Remove it; may be called twice."""

    def close(self) -> None:
        """Let go but keep the bytes for a later run."""


class LocalTree(Protocol):
    """One job's folder."""

    @property
    def facts(self) -> TreeFacts:
        """What the filesystem does."""

    def check_root(self) -> None:
        """Raise `RootMissing` unless the folder and its marker are there; a first `prepare` makes the marker.

        Raises:
            StoreLocked: it lies in a folder that another process keeps in step.
        """

    def prepare(self) -> None:
        """Make the folder (if allowed: parent exists), the private folder and the marker, and take the one-process lock.

        Raises:
            StoreLocked: another process keeps this folder, or one that it lies in, in step (SC-195).
        """

    def list_folder(self, path: LocalPath) -> list[Seen]:
        """Everything in a folder but our private folder, in no order.

        Raises:
            LocalTrouble: unreadable, or no folder any more; never read as empty (R17).
        """

    def list_tree(
        self, path: LocalPath = (), skip: Callable[[LocalPath, str], bool] | None = None
    ) -> Iterator[tuple[LocalPath, list[Seen] | LocalTrouble]]:
        """Every folder at and below `path`, parents before children, each as `list_folder` would give it.

        A folder that cannot be read comes as its trouble and others go on (R17); only the root's loss is raised
        (`RootMissing`, R18), also at the very end when the root went away meanwhile. Folders that `skip` names, by the
        path of the folder they are in and their name, are shown there but not gone into.
        """

    def look(self, path: LocalPath) -> Seen | None:
        """What is at `path` now; None when nothing is."""

    def open(self, path: LocalPath) -> Reading:
        """Open a regular file for reading, never blocking, never through a symlink.

        Raises:
            LocalChanged: nothing or no regular file is there.
            LocalTrouble: not readable.
        """

    def stage(self, key: str, size: int) -> Staging:
        """A staging file of `size` bytes under `key` (at most 64 letters, digits, '-'); reopened when it exists with that size."""

    def staged(self) -> Iterator[str]:
        """Keys of staging files left by earlier runs."""

    def put(self, staging: Staging, path: LocalPath, expect: Stamp | None, mtime_ns: int) -> Stamp:
        """Publish a flushed staging file at `path`, old or new and never between (P2); the stamp it then has.

        Mode and group follow the replaced file, else the folder. The folder is flushed.

        Args:
            expect: stamp of the file to replace; None when the name must be free.
        Raises:
            LocalChanged: something else is there, also when it came in the last moment (what was there stays, SC-033).
        """

    def read_small(self, files: list[tuple[LocalPath, Stamp]]) -> list[bytes | CloudError]:
        """The bytes of many small files that are as their stamps say and stood still while they were read; one result each."""

    def put_small(self, files: list[tuple[LocalPath, bytes, int]]) -> list[Stamp | CloudError]:
        """Publish many new small files (path, content, mtime_ns) at free names, made durable together; one result each."""

    def make_folder(self, path: LocalPath) -> Stamp:
        """Make one folder; `LocalChanged` when the name is taken or the parent is gone."""

    def move(self, source: LocalPath, target: LocalPath, expect: Stamp) -> Stamp:
        """Rename to a free name (never replacing). For a folder only inode is compared with `expect`.

        Raises:
            LocalChanged: the source is not as expected, or the target is taken.
        """

    def remove_file(self, path: LocalPath, expect: Stamp) -> None:
        """Remove a file or symlink that still is as seen; `LocalChanged` otherwise (SC-034: an edit in the last moment survives)."""

    def remove_folder(self, path: LocalPath) -> None:
        """Remove an empty folder; `LocalChanged` when something is in it (SC-059)."""

    def set_mtime(self, path: LocalPath, mtime_ns: int, expect: Stamp) -> Stamp:
        """Set the modification time of a file that is as seen."""

    def settle(self) -> None:
        """Make all folders made, moves and removals so far durable together; call it before the state remembers them."""

    def free_bytes(self) -> int:
        """Room left for us on the disk."""

    def close(self) -> None:
        """Give the lock back."""
