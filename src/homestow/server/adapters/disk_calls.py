"""Linux calls that Python does not wrap, by ctypes: renameat2, openat2, statx, syncfs, statfs; each one system call.

Names are bytes in the file system's encoding. Every function raises `OSError` with the call's errno, as `os` does.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

from homestow.server.ports.content import Entry, EntryKind, Stat

NOREPLACE: Final = 1
EXCHANGE: Final = 2

_OPENAT2: Final = 437  # the same number on every architecture
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_AT_EMPTY_PATH: Final = 0x1000
_AT_SYMLINK_NOFOLLOW: Final = 0x100
_STATX_BASIC_AND_BIRTH: Final = 0xFFF
_LONGEST_PATH: Final = 4000
"""The kernel takes 4,095 bytes in one call; longer paths are walked."""

FOLDER_HANDLE: Final = os.O_PATH | os.O_DIRECTORY
"""Open flags of a folder that is only a starting point of other calls."""

_libc = ctypes.CDLL(None, use_errno=True)

_renameat2 = getattr(_libc, "renameat2", None)
if _renameat2 is not None:
    _renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

_statx = getattr(_libc, "statx", None)
# Without `argtypes`, whose converters take a third of the time of a call: flags and masks fit a C int, pointers are `c_void_p`.

_syncfs = _libc.syncfs
_syncfs.argtypes = [ctypes.c_int]

_fstatfs = getattr(_libc, "fstatfs64", None) or _libc.fstatfs  # the plain one refuses large disks on 32-bit systems
_fstatfs.argtypes = [ctypes.c_int, ctypes.c_void_p]

_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]

_syscall = _libc.syscall
_syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t]
_syscall.restype = ctypes.c_long

# struct statx: nlink, uid, gid, mode, ino, size, blocks, btime, ctime, mtime, dev major and minor.
_STATX = struct.Struct("=16xIIIH2xQQQ8x16xqI4xqI4xqI4x8xII")
# The part of it that the port shows: mode, ino, size, btime, ctime, mtime.
_STAT = struct.Struct("=28xH2xQQ32xqI4xqI4xqI")
_OPEN_HOW = struct.Struct("=QQQ")


_SLOT = 256
_SLOTS = 256
_STATS = struct.Struct(f"{_STAT.format}{_SLOT - _STAT.size}x")


class _Scratch(threading.local):
    """Room for statx answers, of each thread its own: one, and many beside each other for whole folders."""

    def __init__(self) -> None:
        self.buffer = ctypes.create_string_buffer(_SLOT)
        self.address = ctypes.c_void_p(ctypes.addressof(self.buffer))
        self._many: tuple[memoryview, list[ctypes.c_void_p]] | None = None

    def many(self) -> tuple[memoryview, list[ctypes.c_void_p]]:
        """Room for `_SLOTS` answers, and the address of each."""
        if self._many is None:
            room = ctypes.create_string_buffer(_SLOT * _SLOTS)
            first = ctypes.addressof(room)
            self._many = memoryview(room), [ctypes.c_void_p(first + _SLOT * at) for at in range(_SLOTS)]
        return self._many


_scratch = _Scratch()


class Facts(NamedTuple):
    """What statx says about one entry; times in nanoseconds, `birth_ns` 0 where the file system does not know it."""

    mode: int
    links: int
    uid: int
    gid: int
    size: int
    blocks: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    birth_ns: int
    device: int

    @property
    def is_file(self) -> bool:
        """A regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """A directory."""
        return stat.S_ISDIR(self.mode)

    def to_stat(self, stable: bool) -> Stat:
        """The port's form; inode and birth time only where they are `stable`."""
        kind = _KINDS.get(self.mode & 0o170000, EntryKind.OTHER)
        size = self.size if kind is not EntryKind.FOLDER else 0
        if stable:
            return Stat(kind, size, self.mtime_ns, self.ctime_ns, self.inode, self.birth_ns)
        return Stat(kind, size, self.mtime_ns, self.ctime_ns, 0, 0)


_KINDS: Final = {stat.S_IFREG: EntryKind.FILE, stat.S_IFDIR: EntryKind.FOLDER, stat.S_IFLNK: EntryKind.LINK}


def _fail() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))


def rename(source_fd: int, source: bytes, target_fd: int, target: bytes, flags: int) -> None:
    """Rename with `NOREPLACE`, `EXCHANGE` or 0; EINVAL or ENOSYS where the file system or kernel cannot."""
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _renameat2(source_fd, source, target_fd, target, flags):
        raise _fail()


def facts_at(folder_fd: int, name: bytes) -> Facts:
    """Facts of `name` in a folder, symlinks not followed."""
    if _statx is None:
        return _from_os(os.stat(name, dir_fd=folder_fd, follow_symlinks=False))
    if _statx(folder_fd, name, _AT_SYMLINK_NOFOLLOW, _STATX_BASIC_AND_BIRTH, _scratch.address):
        raise _fail()
    return _from_scratch()


def facts_of(fd: int) -> Facts:
    """Facts of an open handle."""
    if _statx is None:
        return _from_os(os.fstat(fd))
    if _statx(fd, b"", _AT_EMPTY_PATH, _STATX_BASIC_AND_BIRTH, _scratch.address):
        raise _fail()
    return _from_scratch()


def entries_of(folder_fd: int, stable: bool) -> list[Entry]:
    """Every name in an open folder with its facts, by name; inode and birth time only where they are `stable`.

    The loop over which adopting and comparing large trees spend their time, so it makes nothing but what it returns.
    """
    names = os.listdir(folder_fd)
    names.sort()
    if _statx is None:
        return _entries_by_os(folder_fd, names, stable)
    entries: list[Entry] = []
    add, make, kinds, other, folder = entries.append, tuple.__new__, _KINDS, EntryKind.OTHER, EntryKind.FOLDER
    for start in range(0, len(names), _SLOTS):
        found, facts = _look_at_all(folder_fd, names[start : start + _SLOTS])
        for name, (mode, inode, size, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns) in zip(
            found, facts, strict=True
        ):
            kind = kinds.get(mode & 0o170000, other)
            facts_of_it = (
                kind, 0 if kind is folder else size, mtime * 1_000_000_000 + mtime_ns, ctime * 1_000_000_000 + ctime_ns,
                inode if stable else 0, birth * 1_000_000_000 + birth_ns if stable else 0,
            )  # fmt: skip
            add(make(Entry, (name, make(Stat, facts_of_it))))
    return entries


def _look_at_all(folder_fd: int, names: list[str]) -> tuple[list[str], Iterator[tuple[int, ...]]]:
    """Up to `_SLOTS` names of which something is there, and their facts as `_STAT` has them; read before the next call."""
    room, slots = _scratch.many()
    encoding, errors, call = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors(), _libc.statx
    gone: set[str] = set()
    for name, slot in zip(names, slots, strict=False):
        if call(folder_fd, name.encode(encoding, errors), _AT_SYMLINK_NOFOLLOW, _STATX_BASIC_AND_BIRTH, slot):
            if ctypes.get_errno() != errno.ENOENT:
                raise _fail()
            gone.add(name)
    facts: Iterator[tuple[int, ...]] = _STATS.iter_unpack(room[: _SLOT * len(names)])
    if gone:
        facts = iter([fact for name, fact in zip(names, facts, strict=True) if name not in gone])
        names = [name for name in names if name not in gone]
    return names, facts


def _entries_by_os(folder_fd: int, names: list[str], stable: bool) -> list[Entry]:
    entries = []
    for name in names:
        try:
            facts = _from_os(os.stat(name, dir_fd=folder_fd, follow_symlinks=False))
        except FileNotFoundError:
            continue
        entries.append(Entry(name, facts.to_stat(stable)))
    return entries


def stat_at(folder_fd: int, name: bytes, stable: bool) -> Stat:
    """`facts_at` in the port's form, for the many: half of its time."""
    if _statx is None:
        return facts_at(folder_fd, name).to_stat(stable)
    if _statx(folder_fd, name, _AT_SYMLINK_NOFOLLOW, _STATX_BASIC_AND_BIRTH, _scratch.address):
        raise _fail()
    return _stat_from_scratch(stable)


def stat_of(fd: int, stable: bool) -> Stat:
    """`facts_of` in the port's form."""
    if _statx is None:
        return facts_of(fd).to_stat(stable)
    if _statx(fd, b"", _AT_EMPTY_PATH, _STATX_BASIC_AND_BIRTH, _scratch.address):
        raise _fail()
    return _stat_from_scratch(stable)


def _stat_from_scratch(stable: bool) -> Stat:
    mode, inode, size, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns = _STAT.unpack_from(_scratch.buffer)
    kind = _KINDS.get(mode & 0o170000, EntryKind.OTHER)
    return Stat(
        kind,
        size if kind is not EntryKind.FOLDER else 0,
        mtime * 1_000_000_000 + mtime_ns,
        ctime * 1_000_000_000 + ctime_ns,
        inode if stable else 0,
        birth * 1_000_000_000 + birth_ns if stable else 0,
    )


def _from_scratch() -> Facts:
    (links, uid, gid, mode, inode, size, blocks, birth, birth_ns, ctime, ctime_ns, mtime, mtime_ns, major, minor) = (
        _STATX.unpack_from(_scratch.buffer)
    )
    return Facts(
        mode,
        links,
        uid,
        gid,
        size,
        blocks,
        inode,
        mtime * 1_000_000_000 + mtime_ns,
        ctime * 1_000_000_000 + ctime_ns,
        birth * 1_000_000_000 + birth_ns,
        major << 32 | minor,
    )


def _from_os(found: os.stat_result) -> Facts:
    device = os.major(found.st_dev) << 32 | os.minor(found.st_dev)
    return Facts(
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_blocks,
        found.st_ino,
        found.st_mtime_ns,
        found.st_ctime_ns,
        0,
        device,
    )


def open_beneath(top_fd: int, path: bytes, flags: int) -> int:
    """Open `path` (relative, '/' between names, no '..') below a folder, no component of it a symlink.

    One call where the kernel has openat2, else one call per component. ELOOP or ENOTDIR when a symlink is in the way; with
    `O_PATH | O_NOFOLLOW` a symlink as the last component is opened itself.
    """
    flags |= os.O_CLOEXEC
    if not _without_openat2 and len(path) <= _LONGEST_PATH:
        how = _OPEN_HOW.pack(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)
        while (fd := _syscall(_OPENAT2, top_fd, path, how, len(how))) < 0:
            code = ctypes.get_errno()
            if code in (errno.ENOSYS, errno.EPERM, errno.E2BIG) and not has_openat2(top_fd):
                break
            if code not in (errno.EAGAIN, errno.EINTR):
                raise OSError(code, os.strerror(code))
        else:
            return int(fd)
    return walk_beneath(top_fd, path, flags)


def walk_beneath(top_fd: int, path: bytes, flags: int) -> int:
    """`open_beneath` by one call per component, for kernels before 5.6, sandboxes without openat2 and very long paths."""
    *folders, last = path.split(b"/")
    at = top_fd
    try:
        for name in folders:
            below = os.open(name, FOLDER_HANDLE | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            if at != top_fd:
                os.close(at)
            at = below
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    finally:
        if at != top_fd:
            os.close(at)


_without_openat2 = False


def has_openat2(top_fd: int) -> bool:
    """Whether the kernel has openat2; asked once it failed, remembered for the process."""
    global _without_openat2  # a fact of the running kernel
    how = _OPEN_HOW.pack(FOLDER_HANDLE | os.O_CLOEXEC, 0, _RESOLVE_BENEATH)
    fd = _syscall(_OPENAT2, top_fd, b".", how, len(how))
    if fd >= 0:
        os.close(fd)
        return True
    if ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
        _without_openat2 = True
        return False
    return True


def sync_file_system(fd: int) -> None:
    """Make everything on the file system of an open handle durable; EIO when a write since this handle's opening failed
    (kernels from 5.8)."""
    if _syncfs(fd):
        raise _fail()


def reports_sync_errors() -> bool:
    """Whether `sync_file_system` tells of failed writes: Linux 5.8 and later."""
    numbers = os.uname().release.split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= (5, 8)
    except (ValueError, IndexError):
        return False


def begin_writeback(fd: int, offset: int, size: int) -> None:
    """Ask the kernel to begin writing a range, without waiting and without any promise; a refusal does not matter."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, size, 2)


def file_system_type(fd: int) -> int:
    """The magic number of the file system of an open handle (statfs(2))."""
    room = ctypes.create_string_buffer(256)
    if _fstatfs(fd, room):
        raise _fail()
    return int(ctypes.c_long.from_buffer(room).value) & 0xFFFF_FFFF
