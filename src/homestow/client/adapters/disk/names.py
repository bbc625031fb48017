"""Names and errors between the port's words and the system's: bytes, errno, stat results."""

import errno
import os
import stat
import sys
from typing import Final

from homestow.client.adapters.disk.found import Found, found_in, listed_at
from homestow.client.ports.localtree import (
    LocalChanged,
    LocalFull,
    LocalPath,
    LocalTrouble,
    RootMissing,
    Seen,
    SeenKind,
    Stamp,
)
from homestow.values.errors import CloudError

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK
VANISHED: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""A component is missing, is no folder, or is a symlink: the place is not what the caller saw."""

_UTF8: Final = sys.getfilesystemencoding() == "utf-8"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_MODE: Final = 0o170000
_KINDS: Final = {stat.S_IFREG: SeenKind.FILE, stat.S_IFDIR: SeenKind.FOLDER, stat.S_IFLNK: SeenKind.LINK}

_REASONS: Final = {
    errno.EACCES: "no permission for it on this computer",
    errno.EPERM: "the system does not permit it",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is longer than this disk takes",
    errno.EINVAL: "this disk does not take such a name",
    errno.EILSEQ: "this disk does not take such a name",
    errno.EXDEV: "it lies on another disk mounted inside the folder",
    errno.EFBIG: "the file is larger than this disk takes",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EBUSY: "another program holds it",
    errno.ETXTBSY: "it is a program that runs",
    errno.EIO: "the disk failed",
    errno.ESTALE: "the network disk lost it",
}


def to_disk(name: str) -> bytes:
    """The bytes of one name, whatever the locale says (SC-131).

    Raises:
        LocalTrouble: what no single name can be; the last line of defence against a hostile server (S04).
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise LocalTrouble(f"{name!r} cannot be a name on this computer.")
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise LocalTrouble(f"{name!r} cannot be a name on this computer.") from error


def from_disk(name: str) -> str:
    """The name that `to_disk` turns into what the disk spells, from what `os` made of it."""
    return name if _UTF8 else os.fsencode(name).decode("utf-8", "surrogateescape")


def shown(path: LocalPath) -> str:
    """A path for people: one line, encodable."""
    text = "/".join(path).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text) or "the folder itself"


def trouble(error: OSError, path: LocalPath) -> LocalTrouble:
    """The port's error for the system's, for this item."""
    if error.errno in _FULL:
        return LocalFull(f"{shown(path)}: the disk of this computer is full. Free some room; it is tried again.")
    reason = _REASONS.get(error.errno or 0, os.strerror(error.errno or errno.EIO))
    return LocalTrouble(f"{shown(path)}: {reason}.", errno=error.errno or 0)


def trouble_or_changed(error: OSError, path: LocalPath) -> CloudError:
    """Like `trouble`, for acts that need the place as it was seen."""
    if error.errno in VANISHED:
        return LocalChanged(f"{shown(path)} is no longer where it was.")
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR):
        return LocalChanged(f"{shown(path)} is taken by something else.")
    return trouble(error, path)


def root_missing(root: object, why: str) -> RootMissing:
    """The error that pauses a job and deletes nothing (R18)."""
    return RootMissing(f"{root}: {why}. The job pauses; nothing is deleted. Is the disk connected?")


def kind_of(found: Found) -> SeenKind:
    """What a stat result tells of."""
    return _KINDS.get(found.st_mode & _MODE, SeenKind.OTHER)


class Stamps:
    """Turns what the system says into stamps; inodes are 0 where the filesystem does not keep them."""

    __slots__ = ("_inodes",)

    def __init__(self, stable_inodes: bool) -> None:
        self._inodes = stable_inodes

    def of(self, found: Found) -> Stamp:
        """The stamp of a file, folder or symlink."""
        return Stamp(
            0 if stat.S_ISDIR(found.st_mode) else found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
            found.identity if self._inodes else 0,
        )

    def at(self, folder: int, name: bytes) -> tuple[SeenKind, Stamp]:
        """Kind and stamp of a name in an open folder, or where it is b"" of that handle itself.

        Raises:
            OSError: nothing is there.
        """
        mode, size, mtime_ns, ctime_ns, inode = listed_at(folder, name)
        kind = _KINDS.get(mode & _MODE, SeenKind.OTHER)
        return kind, Stamp(0 if kind is SeenKind.FOLDER else size, mtime_ns, ctime_ns, inode if self._inodes else 0)

    def same(self, found: Found, expect: Stamp, kind: SeenKind | None = None) -> bool:
        """Whether nothing happened to it, its names aside: a rename alone changes the ctime."""
        now = self.of(found)
        if kind is not None and kind_of(found) is not kind:
            return False
        return (now.size, now.mtime_ns, now.inode) == (expect.size, expect.mtime_ns, expect.inode)

    def entries(self, folder: int) -> list[Seen]:
        """Everything in an open folder.

        An entry that goes away meanwhile is left out, any other failure is the folder's (R17).

        Raises:
            OSError: the folder cannot be read, or was itself removed.
        """
        seen: list[Seen] = []
        add, inodes = seen.append, self._inodes
        for name, mode, size, mtime_ns, ctime_ns, inode in found_in(folder):
            kind = _KINDS.get(mode & _MODE, SeenKind.OTHER)
            add(
                Seen(
                    name if _UTF8 else from_disk(name),
                    kind,
                    Stamp(0 if kind is SeenKind.FOLDER else size, mtime_ns, ctime_ns, inode if inodes else 0),
                )
            )
        if not seen and os.fstat(folder).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return seen
