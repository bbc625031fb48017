"""Open handles of the tree on disk: a staging file being written, and content being read."""

import errno
import os
import threading
from collections.abc import Callable
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_errors import disk_error, told_as
from homestow.server.adapters.disk_trust import Trust
from homestow.server.adapters.tree_direct import DirectWriter
from homestow.server.ports.content import Opened, Staged, Stat
from homestow.values.errors import ContentMissing

_COPY_BLOCK: Final = 1024 * 1024
_SEND_EACH: Final = 1024 * 1024
"""After so many bytes the kernel is asked to begin writing them: the flush at the end of a large upload then finds little
left to do, and the flush of everybody's small files does not wait for gigabytes."""
_NO_COPY: Final = frozenset((errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EBADF))


def write_all(fd: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write all of `data`, at `offset` or where the handle stands; the disk may take it in pieces."""
    written = os.write(fd, data) if offset is None else os.pwrite(fd, data, offset)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        written = os.write(fd, rest) if offset is None else os.pwrite(fd, rest, offset + len(data) - len(rest))
        if written == 0:
            raise OSError(errno.EIO, "the disk took no bytes")
        rest = rest[written:]


class StagedFile:
    """A staging file by its handle; see the port."""

    def __init__(
        self,
        fd: int,
        key: str,
        stable: bool,
        trust: Trust,
        settle_name: Callable[[], None],
        step: Callable[[str], None],
    ) -> None:
        self.fd = fd
        self._key = key
        self._stable = stable
        self._trust = trust
        self._settle_name = settle_name
        self._step = step
        self._named = False
        self._unsent = 0
        self._direct: DirectWriter | None = None
        self._lock = threading.Lock()

    @property
    def key(self) -> str:
        """Its key."""
        return self._key

    @told_as("write to staging")
    def write_at(self, offset: int, data: bytes | memoryview, *, passing: bool = False) -> None:
        """Put bytes at an offset."""
        self._step("content.write")
        handle = self._handle()
        if passing and (written := self._past_cache(handle).write(data, offset)):
            if written == len(data):
                return
            data, offset = memoryview(data)[written:], offset + written
        write_all(handle, data, offset)
        self._unsent += len(data)
        if self._unsent >= _SEND_EACH:
            self._unsent = 0
            disk_calls.begin_writeback(self.fd, 0, 0)

    def _past_cache(self, handle: int) -> DirectWriter:
        with self._lock:
            if self._direct is None:
                self._direct = DirectWriter(handle)
            return self._direct

    @told_as("read from staging")
    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes."""
        return os.pread(self._handle(), size, offset)

    @told_as("resize in staging")
    def truncate(self, size: int) -> None:
        """Cut or extend, sparse where the disk can."""
        os.ftruncate(self._handle(), size)

    def sync(self) -> None:
        """Make bytes and name durable."""
        self._trust.check(self._key)
        try:
            self._step("content.sync")
            os.fsync(self._handle())
            if not self._named:
                self._settle_name()
                self._named = True
        except OSError as error:
            self._trust.lose([self._key], error)
            raise disk_error(error, "make durable", self._key) from error

    @told_as("look at staging")
    def stat(self) -> Stat:
        """Facts now."""
        return disk_calls.facts_of(self._handle()).to_stat(self._stable)

    @told_as("close in staging")
    def close(self) -> None:
        """Let go; may be called twice."""
        with self._lock:
            fd, self.fd = self.fd, -1
            if self._direct is not None:
                self._direct.close()
        if fd >= 0:
            os.close(fd)

    def _handle(self) -> int:
        # A closed handle must never become -1's neighbour: a number that already means another file.
        if self.fd < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.fd


class OpenedFile:
    """Content by its handle; see the port."""

    def __init__(self, fd: int, stat: Stat) -> None:
        self._fd = fd
        self._stat = stat

    @property
    def stat(self) -> Stat:
        """Facts at the time of opening."""
        return self._stat

    @property
    def fd(self) -> int | None:
        """The descriptor."""
        return self._fd if self._fd >= 0 else None

    @told_as("read")
    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes."""
        if self._fd < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return os.pread(self._fd, size, offset)

    def detach(self) -> int:
        """Give the descriptor away."""
        fd, self._fd = self._fd, -1
        return fd

    @told_as("close")
    def close(self) -> None:
        """Let go; may be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def copy_range(source: Opened, start: int, size: int, staged: Staged, offset: int) -> None:
    """Copy bytes inside the disk, shared blocks where it can; by reading and writing where the kernel refuses.

    Raises:
        ContentMissing: the source ends before `start + size`.
    """
    done = 0
    if source.fd is not None and isinstance(staged, StagedFile):
        try:
            while done < size:
                copied = os.copy_file_range(source.fd, staged.fd, size - done, start + done, offset + done)
                if copied == 0:
                    break
                done += copied
        except OSError as error:
            if error.errno not in _NO_COPY:
                raise disk_error(error, "copy to", staged.key) from error
    while done < size:
        block = source.read_at(start + done, min(_COPY_BLOCK, size - done))
        if not block:
            raise ContentMissing(f"The content ends at {start + done} bytes, {start + size} were wanted.")
        staged.write_at(offset + done, block)
        done += len(block)
