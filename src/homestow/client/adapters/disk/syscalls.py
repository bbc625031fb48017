"""Renames that never replace, exchange of two names, flush of a filesystem: what Linux offers and `os` does not."""

import ctypes
import errno
import os
import stat
from dataclasses import dataclass
from typing import NamedTuple

from homestow.client.adapters.disk.found import Found, found_at

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAMEAT2 = getattr(_LIBC, "renameat2", None)
_SYNCFS = getattr(_LIBC, "syncfs", None)
_NOREPLACE = 1
_EXCHANGE = 2

if _RENAMEAT2 is not None:
    _RENAMEAT2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
if _SYNCFS is not None:
    _SYNCFS.argtypes = (ctypes.c_int,)

_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class Spot(NamedTuple):
    """A name in an open folder: the only way in which a file is ever named to the system."""

    folder: int
    name: bytes

    def look(self) -> Found:
        """What lies here, not following a symlink."""
        return found_at(self.folder, self.name)


def _renameat2(source: Spot, target: Spot, flags: int) -> None:
    if _RENAMEAT2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _RENAMEAT2(source.folder, source.name, target.folder, target.name, flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source.name, None, target.name)


def rename(source: Spot, target: Spot) -> None:
    """Rename, replacing what has the target's name."""
    os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def has_syncfs() -> bool:
    """Whether one call can make a whole filesystem durable."""
    return _SYNCFS is not None


def sync_filesystem(fd: int) -> None:
    """Make everything written so far on the filesystem of `fd` durable."""
    if _SYNCFS is None:
        os.sync()
    elif _SYNCFS(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@dataclass(frozen=True, slots=True)
class Renames:
    """The renames one filesystem can do, measured by `probe`."""

    noreplace: bool
    exchange: bool
    links: bool

    def to_free(self, source: Spot, target: Spot) -> None:
        """Rename to a free name.

        Where the filesystem has no such call, a file gets its second name by a hard link, which never replaces either;
        only without both (FAT on old kernels) a look comes before the rename.

        Raises:
            FileExistsError: something has the target's name; nothing was done.
        """
        if self.noreplace:
            _renameat2(source, target, _NOREPLACE)
            return
        if self.links and not stat.S_ISDIR(source.look().st_mode):
            os.link(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder, follow_symlinks=False)
            os.unlink(source.name, dir_fd=source.folder)
            return
        try:
            target.look()
        except FileNotFoundError:
            rename(source, target)
            return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target.name)

    def swap(self, one: Spot, other: Spot) -> None:
        """Exchange what two names stand for, in one step; both must exist. Only where `exchange`."""
        _renameat2(one, other, _EXCHANGE)


def probe(folder: int) -> Renames:
    """Find out on two files of our own in the open, private `folder` what its filesystem can do."""
    one, other = Spot(folder, b"probe-1"), Spot(folder, b"probe-2")
    for spot in (one, other):
        os.close(os.open(spot.name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folder))
    try:
        exchange = _works(one, other, _EXCHANGE)
        os.unlink(other.name, dir_fd=folder)
        noreplace = _works(one, other, _NOREPLACE)
        if noreplace:
            one, other = other, one
        try:
            os.link(one.name, other.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            links = True
        except OSError:
            links = False
    finally:
        for spot in (one, other):
            try:
                os.unlink(spot.name, dir_fd=folder)
            except FileNotFoundError:
                pass
    return Renames(noreplace, exchange, links)


def _works(one: Spot, other: Spot, flags: int) -> bool:
    try:
        _renameat2(one, other, flags)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True
