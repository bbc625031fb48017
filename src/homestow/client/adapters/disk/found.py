"""What the system says of a thing on disk, with its time of birth, which `os.stat` does not tell on Linux.

A number of an inode is given anew as soon as its file is gone, often to the very next file: without the birth beside it a
new file would be taken for a removed one that somebody renamed.
"""

import ctypes
import errno
import os
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

_SYMLINK_NOFOLLOW: Final = 0x100
_EMPTY_PATH: Final = 0x1000
_BASIC_AND_BIRTH: Final = 0xFFF
# struct statx: nlink, uid, gid, mode, ino, size, blocks, btime, ctime, mtime, dev major and minor.
_STATX: Final = struct.Struct("=16xIIIH2xQQQ8x16xqI4xqI4xqI4x8xII")
_LISTED: Final = struct.Struct("=28xH2xQQ32xqI4xqI4xqI")
"""The part of it that a listing needs: mode, ino, size, btime, ctime, mtime."""

_SECOND: Final = 1_000_000_000
_LARGEST: Final = 2**63 - 1
_SPREAD: Final = 0x9E3779B97F4A7C15
"""An odd number without a pattern: two births a moment apart give numbers far apart."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_CALL = getattr(_LIBC, "statx", None)
if _CALL is not None:
    _CALL.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)


class _Scratch(threading.local):
    """Room for one answer of the system, one per thread."""

    def __init__(self) -> None:
        self.buffer = ctypes.create_string_buffer(256)
        self.address = ctypes.addressof(self.buffer)


_scratch = _Scratch()


class Found(NamedTuple):
    """Facts of one thing, named as in `os.stat_result`; birth_ns is 0 where the filesystem does not tell."""

    st_mode: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_blocks: int
    st_dev: int
    st_ino: int
    st_mtime_ns: int
    st_ctime_ns: int
    birth_ns: int

    @property
    def identity(self) -> int:
        """See `identity`."""
        return identity(self.st_ino, self.birth_ns)

    def same_as(self, other: "Found") -> bool:
        """Whether both are one thing at this moment."""
        return (self.st_ino, self.st_dev) == (other.st_ino, other.st_dev)


def identity(inode: int, birth_ns: int) -> int:
    """One number, 1 to 2**63 - 1, for a thing through all its names, and for no other that has its inode later."""
    return (inode ^ birth_ns * _SPREAD) & _LARGEST or 1


def found_at(folder: int, name: bytes) -> Found:
    """Facts of a name in an open folder, not following a symlink."""
    if _CALL is None:
        return _from_os(os.stat(name, dir_fd=folder, follow_symlinks=False))
    if _CALL(folder, name, _SYMLINK_NOFOLLOW, _BASIC_AND_BIRTH, _scratch.address):
        raise _failure(name)
    return _from_scratch()


def found_of(fd: int) -> Found:
    """Facts of an open handle."""
    if _CALL is None:
        return _from_os(os.fstat(fd))
    if _CALL(fd, b"", _EMPTY_PATH, _BASIC_AND_BIRTH, _scratch.address):
        raise _failure(None)
    return _from_scratch()


def listed_at(folder: int, name: bytes) -> tuple[int, int, int, int, int]:
    """Mode, size, mtime_ns, ctime_ns and identity of a name in an open folder, of the folder or file itself where `name` is
    empty: half of `found_at`'s time, for what is done for each of many files."""
    if _CALL is None:
        found = found_at(folder, name) if name else found_of(folder)
        return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.identity
    if _CALL(folder, name, _SYMLINK_NOFOLLOW if name else _EMPTY_PATH, _BASIC_AND_BIRTH, _scratch.address):
        raise _failure(name)
    mode, inode, size, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns = _LISTED.unpack_from(_scratch.buffer)
    number = (inode ^ (birth * _SECOND + birth_ns) * _SPREAD) & _LARGEST or 1
    return mode, size, mtime * _SECOND + mtime_ns, ctime * _SECOND + ctime_ns, number


def found_in(folder: int) -> Iterator[tuple[str, int, int, int, int, int]]:
    """Name, mode, size, mtime_ns, ctime_ns and identity of everything in an open folder; what goes away is left out.

    Where a scan spends its time with the system, so it makes nothing but what it gives.
    """
    if _CALL is None:
        yield from _listed_by_os(folder)
        return
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    call, unpack, buffer, address = _CALL, _LISTED.unpack_from, _scratch.buffer, _scratch.address
    for name in os.listdir(folder):
        if call(folder, name.encode(encoding, errors), _SYMLINK_NOFOLLOW, _BASIC_AND_BIRTH, address):
            if ctypes.get_errno() == errno.ENOENT:
                continue
            raise _failure(os.fsencode(name))
        mode, inode, size, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns = unpack(buffer)
        number = (inode ^ (birth * _SECOND + birth_ns) * _SPREAD) & _LARGEST or 1
        yield name, mode, size, mtime * _SECOND + mtime_ns, ctime * _SECOND + ctime_ns, number


def _listed_by_os(folder: int) -> Iterator[tuple[str, int, int, int, int, int]]:
    for name in os.listdir(folder):
        try:
            found = _from_os(os.stat(name, dir_fd=folder, follow_symlinks=False))
        except FileNotFoundError:
            continue
        yield name, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.identity


def _failure(name: bytes | None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), name)


def _from_scratch() -> Found:
    links, uid, gid, mode, inode, size, blocks, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns, major, minor = (
        _STATX.unpack_from(_scratch.buffer)
    )
    return Found(
        mode, links, uid, gid, size, blocks, os.makedev(major, minor), inode,
        mtime * _SECOND + mtime_ns, ctime * _SECOND + ctime_ns, birth * _SECOND + birth_ns,
    )  # fmt: skip


def _from_os(found: os.stat_result) -> Found:
    return Found(
        found.st_mode, found.st_nlink, found.st_uid, found.st_gid, found.st_size, found.st_blocks, found.st_dev,
        found.st_ino, found.st_mtime_ns, found.st_ctime_ns, 0,
    )  # fmt: skip
