"""Writing large content to the disk without a copy of it in the page cache (O_DIRECT), where that pays.

Whatever is uploaded has to reach the disk before it is answered for. Going there through the page cache costs a copy into
freshly allocated memory, which is most of the CPU time of a large upload, and throws out what others still read.
"""

import errno
import mmap
import os
import time
from typing import Final

from homestow.server.adapters import disk_calls

LEAST_BYTES: Final = 256 * 1024
"""Smaller pieces go through the cache: each direct write waits for the disk."""
SLOWEST_BYTES_PER_S: Final = 250_000_000
"""A disk slower than this gains nothing, because copying was not what held it up, while the kernel may put its writes in a
better order and keep what it reads slowly."""

_SLOW_IN_A_ROW: Final = 4
_UNIT: Final = max(4096, mmap.PAGESIZE)
# statfs(2) magic numbers of ext4 and XFS: where direct and cached writes to different pages of one file are known to agree.
_FIT: Final = frozenset((0xEF53, 0x58465342))
_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)
_UNFIT: Final = -1


class DirectWriter:
    """Direct writes to a file that is open for cached ones as well. It gives up, file by file, where they do not pay."""

    def __init__(self, fd: int) -> None:
        self._fd = _open_direct(fd)
        self._slow = 0

    def write(self, data: bytes | memoryview, offset: int) -> int:
        """Write what can go this way, from the beginning of `data` on; how many bytes that was.

        The rest, all of it where memory, offset or disk do not fit, is for the cached way.

        Raises:
            OSError: the disk failed, or is full.
        """
        count = len(data) - len(data) % _UNIT
        if self._fd == _UNFIT or count < LEAST_BYTES or offset % _UNIT:
            return 0
        began = time.monotonic()
        try:
            written = os.pwrite(self._fd, memoryview(data)[:count], offset)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
                return 0  # memory that does not begin at a page, or a disk that wants more than that
            raise
        self._judge(written, time.monotonic() - began)
        return written

    def _judge(self, written: int, took_s: float) -> None:
        if took_s * SLOWEST_BYTES_PER_S <= written:
            self._slow = 0
            return
        self._slow += 1
        if self._slow >= _SLOW_IN_A_ROW:
            self.close()

    def close(self) -> None:
        """Let go; may be called twice. Nothing goes this way any more."""
        fd, self._fd = self._fd, _UNFIT
        if fd != _UNFIT:
            os.close(fd)


def _open_direct(fd: int) -> int:
    """A handle of the same file for direct writes."""
    if not _DIRECT or disk_calls.file_system_type(fd) not in _FIT:
        return _UNFIT
    try:
        # By its own handle: its name may mean another file by now.
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | _DIRECT | os.O_CLOEXEC)
    except OSError:
        return _UNFIT
