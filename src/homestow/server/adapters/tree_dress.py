"""Mode, group, owner and time of what is published, so that the root's owner reads it without us (S12)."""

import os
import stat
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.ports.content import EntryKind, Stat

_MTIME_SLACK_NS: Final = 2_000_000_000
"""exFAT and FAT keep modification times in steps of up to 2 s."""
_MTIME_LIMIT_NS: Final = 2**63 - 1


def dress_file(area_fd: int, name: bytes, staged: os.stat_result, old: os.stat_result | None, folder_fd: int) -> None:
    """Give a staged file the mode and group (and owner, where the server may) of the file it replaces, else its folder's:
    readable for whom the folder is readable, writable for its owner and, where the folder is, its group."""
    if old is not None and stat.S_ISREG(old.st_mode):
        _wear(old, old.st_mode & 0o777, staged, area_fd, name)
    else:
        like = os.fstat(folder_fd)
        _wear(like, 0o600 | like.st_mode & 0o664, staged, area_fd, name)


def dress_folder(fd: int, parent_fd: int) -> None:
    """Give a folder just made the mode and group of the one it is in, but for writing by everybody."""
    made = os.fstat(fd)
    if made.st_uid != os.geteuid():
        return  # somebody put another folder there a moment ago
    like = os.fstat(parent_fd)
    _wear(like, 0o700 | like.st_mode & 0o775 | made.st_mode & stat.S_ISGID, made, fd, b".")


def _wear(like: os.stat_result, mode: int, made: os.stat_result, folder_fd: int, name: bytes) -> None:
    uid = like.st_uid if os.geteuid() == 0 else made.st_uid
    if uid != made.st_uid or like.st_gid != made.st_gid:
        try:
            os.chown(name, uid, like.st_gid, dir_fd=folder_fd, follow_symlinks=False)
        except PermissionError:
            mode &= ~0o070  # not our group: the server's own group gets nothing in its stead
    if made.st_mode & 0o7777 != mode:
        try:
            os.chmod(name, mode, dir_fd=folder_fd)
        except PermissionError:
            return  # a disk with one mode for all of its files (exFAT, FAT, some network disks)


def set_times(folder_fd: int, name: bytes, mtime_ns: int) -> None:
    """Set a file's modification time, clamped to what 64 bits hold; the time of reading becomes the same."""
    when = clamped(mtime_ns)
    os.utime(name, ns=(when, when), dir_fd=folder_fd, follow_symlinks=False)


def clamped(mtime_ns: int) -> int:
    """A time in nanoseconds that a disk can be asked to keep."""
    return max(-_MTIME_LIMIT_NS, min(_MTIME_LIMIT_NS, mtime_ns))


def published_stat(folder_fd: int, name: bytes, staged: os.stat_result, mtime_ns: int | None, stable: bool) -> Stat:
    """Facts of what was just published from a file that was `staged`, with the time it was asked to bear as far as this disk
    can (ext4 begins in 1901).

    Where somebody replaced or changed it in the last moment: facts from before, so that whoever compares later sees a
    difference and does not take the other content for ours.
    """
    when = staged.st_mtime_ns
    try:
        now = disk_calls.facts_at(folder_fd, name)
    except FileNotFoundError:
        return _before(staged, when, 0, stable)
    slack = 0 if mtime_ns is None else _MTIME_SLACK_NS
    same = now.inode == staged.st_ino
    if same and now.size == staged.st_size and abs(now.mtime_ns - when) <= slack:
        return now.to_stat(stable)
    return _before(staged, when, now.birth_ns if same else 0, stable)


def _before(staged: os.stat_result, mtime_ns: int, birth_ns: int, stable: bool) -> Stat:
    inode = staged.st_ino if stable else 0
    return Stat(EntryKind.FILE, staged.st_size, mtime_ns, staged.st_ctime_ns, inode, birth_ns if stable else 0)
