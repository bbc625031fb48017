"""Open files: one being read, one being received."""

import os
import stat
import threading

from homestow.client.adapters.disk.found import Found, found_of
from homestow.client.adapters.disk.names import Stamps, trouble
from homestow.client.adapters.disk.syscalls import Spot
from homestow.client.ports.localtree import LocalPath, Stamp
from homestow.values.faults import faultpoint

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_STAGE_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK


class DiskReading:
    """A file open for reading, and the folder it was opened in, which tells what bears its name now; both are closed here."""

    __slots__ = ("_fd", "_path", "_place", "_stamp", "_stamps")

    def __init__(self, fd: int, place: Spot, path: LocalPath, stamps: Stamps, stamp: Stamp) -> None:
        self._fd = fd
        self._place = place
        self._path = path
        self._stamps = stamps
        self._stamp = stamp

    @property
    def stamp(self) -> Stamp:
        """Stamp taken from the open handle."""
        return self._stamp

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; b"" at or after the end."""
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise trouble(error, self._path) from error

    def fileno(self) -> int:
        """The open handle, for sending the file without copying it; it stays ours."""
        return self._fd

    def still(self) -> bool:
        """Whether handle and name still show the stamp of the opening (R19), wherever their folder is by now."""
        if self._stamps.at(self._fd, b"")[1] != self._stamp:
            return False
        try:
            return self._stamps.at(self._place.folder, self._place.name)[1] == self._stamp
        except OSError:
            return False

    def close(self) -> None:
        """Let go; may be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
            os.close(self._place.folder)


class DiskStaging:
    """A file being received, in the private folder under its key."""

    def __init__(self, spot: Spot, key: str, size: int) -> None:
        """Open the file at `spot` when it has `size` bytes, else make it anew.

        Raises:
            OSError: as the system says it.
        """
        self.key = key
        self.spot = spot
        self.size = size
        self._lock = threading.Lock()
        self._gone = False
        self._fd = _reopen(spot, size)
        if self._fd < 0:
            self._fd = os.open(spot.name, _STAGE_FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=spot.folder)
            faultpoint("client.stage.made")
            os.ftruncate(self._fd, size)

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes; offsets in any order, from several threads."""
        if offset < 0 or offset + len(data) > self.size:
            raise ValueError(f"bytes {offset} to {offset + len(data)} lie outside a file of {self.size}")
        rest = memoryview(data)
        try:
            faultpoint("client.stage.write")
            while rest:
                written = os.pwrite(self._fd, rest, offset)
                offset += written
                rest = rest[written:]
        except OSError as error:
            raise trouble(error, (self.key,)) from error

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes written before."""
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise trouble(error, (self.key,)) from error

    def flush(self) -> None:
        """Make what was written durable."""
        try:
            faultpoint("client.stage.flush")
            os.fsync(self._fd)
        except OSError as error:
            raise trouble(error, (self.key,)) from error

    def dress(self, mode: int, owner: int, group: int, mtime_ns: int) -> Found:
        """Give it the looks it will have in public, durably: mode, owner and group (-1: as they are), mtime."""
        dress(self._fd, mode, owner, group, mtime_ns)
        os.fsync(self._fd)
        return found_of(self._fd)

    def stat(self) -> Found:
        """What the open handle shows now."""
        return found_of(self._fd)

    def discard(self) -> None:
        """Remove it; may be called twice, and after it was published (then it removes nothing)."""
        self.close()
        if not self._gone:
            self._gone = True
            try:
                os.unlink(self.spot.name, dir_fd=self.spot.folder)
            except FileNotFoundError:
                pass

    def published(self) -> None:
        """Say that the file has left the private folder."""
        self._gone = True
        self.close()

    def close(self) -> None:
        """Let go but keep the bytes for a later run."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _reopen(spot: Spot, size: int) -> int:
    """A handle on what an earlier run left, or -1 when there is nothing fit."""
    try:
        found = spot.look()
    except FileNotFoundError:
        return -1
    if stat.S_ISREG(found.st_mode) and found.st_size == size and found.st_nlink == 1:
        fd = os.open(spot.name, _STAGE_FLAGS, dir_fd=spot.folder)
        if found_of(fd).same_as(found):
            return fd
        os.close(fd)
    os.unlink(spot.name, dir_fd=spot.folder)
    return -1


def dress(fd: int, mode: int, owner: int, group: int, mtime_ns: int) -> None:
    """Set mode, owner, group and modification time of an open file of ours.

    Owner and group are wishes: who may not give files away keeps them, and then the group gets no more than others.
    """
    if owner != -1 or group != -1:
        try:
            os.fchown(fd, owner, group)
        except PermissionError:
            mode &= 0o707 | (mode << 3 & 0o070)
    if mode != 0o600:
        try:
            os.fchmod(fd, mode)
        except PermissionError:
            # FAT has no modes.
            pass
    mtime_ns = within_clock(mtime_ns)
    os.utime(fd, ns=(mtime_ns, mtime_ns))


def within_clock(mtime_ns: int) -> int:
    """The nearest time that the system can be told; a filesystem may narrow it further."""
    return max(-(2**63), min(2**63 - 1, mtime_ns))
