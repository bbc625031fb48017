"""Mode, group, owner and time of what is published, so that the root's owner reads it without us (S12)."""

import os
import stat
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_calls import Facts

_MTIME_SLACK_NS: Final = 2_000_000_000
"""exFAT and FAT keep modification times in steps of up to 2 s."""
_MTIME_LIMIT_NS: Final = 2**63 - 1


def dress_file(area_fd: int, name: bytes, facts: Facts, old: Facts | None, folder_fd: int) -> None:
    """Give a staged file the mode and group (and owner, where the server may) of the file it replaces, else its folder's:
    readable for whom the folder is readable, writable for its owner and, where the folder is, its group."""
    if old is not None and old.is_file:
        _wear(old, old.mode & 0o777, facts, area_fd, name)
    else:
        like = disk_calls.facts_of(folder_fd)
        _wear(like, 0o600 | like.mode & 0o664, facts, area_fd, name)


def dress_folder(fd: int, parent_fd: int) -> None:
    """Give a folder just made the mode and group of the one it is in, but for writing by everybody."""
    facts = disk_calls.facts_of(fd)
    if facts.uid != os.geteuid():
        return  # somebody put another folder there a moment ago
    like = disk_calls.facts_of(parent_fd)
    _wear(like, 0o700 | like.mode & 0o775 | facts.mode & stat.S_ISGID, facts, fd, b".")


def _wear(like: Facts, mode: int, facts: Facts, folder_fd: int, name: bytes) -> None:
    uid = like.uid if os.geteuid() == 0 else facts.uid
    if uid != facts.uid or like.gid != facts.gid:
        try:
            os.chown(name, uid, like.gid, dir_fd=folder_fd, follow_symlinks=False)
        except PermissionError:
            mode &= ~0o070  # not our group: the server's own group gets nothing in its stead
    if facts.mode & 0o7777 != mode:
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


def published_facts(folder_fd: int, name: bytes, facts: Facts, mtime_ns: int | None) -> Facts:
    """Facts of what was just published from a file with `facts`.

    Where somebody replaced or changed it in the last moment: facts from before, so that whoever compares later sees a
    difference and does not take the other content for ours.
    """
    before = facts if mtime_ns is None else facts._replace(mtime_ns=clamped(mtime_ns))
    try:
        now = disk_calls.facts_at(folder_fd, name)
    except FileNotFoundError:
        return before
    slack = 0 if mtime_ns is None else _MTIME_SLACK_NS
    is_ours = now.inode == facts.inode and now.size == facts.size and abs(now.mtime_ns - before.mtime_ns) <= slack
    return now if is_ours else before
