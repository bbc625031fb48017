"""Contents out: from the page cache to the socket where the kernel can do it, else in pieces that suit what they go through."""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from io import FileIO
from typing import Final

SMALL_BYTES: Final = 64 * 1024
"""Up to this size a content leaves by way of our own memory, in one segment with what is said before it."""
BLOCK_BYTES: Final = 1024 * 1024
PIECE_BYTES: Final = 4 * 1024 * 1024
"""How much the kernel is asked to send at once; the loop serves others in between."""
SEALED_BYTES: Final = 7 * 16 * 1024
"""What is encrypted at once: whole TLS records, little enough that the copies encryption makes stay in the processor's
cache and come from memory just used. Measured: a quarter less CPU than a mebibyte, and less than powers of two, whose records
end just past a full segment."""
SEALED_IN_A_ROW: Final = 8
"""So many of these until the loop serves others."""
FETCHED_BYTES: Final = 16 * 1024 * 1024
"""For so long a worker reads ahead, once content was found not to lie in memory."""
_RWF_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)

Bytes = bytes | bytearray
Write = Callable[[Bytes], Awaitable[None]]
"""Sends bytes and waits while the peer takes them too slowly."""


class ContentShort(Exception):
    """The content ended before its stated size."""


async def pump(write: Write, offset: int, count: int, read: Callable[[int, int], Awaitable[Bytes]]) -> None:
    """Write `count` bytes from `offset` on, reading one block ahead of what is being written.

    Raises:
        ContentShort: `read` gave nothing before all was there.
    """
    ahead = asyncio.ensure_future(read(offset, min(BLOCK_BYTES, count)))
    try:
        while True:
            block = await ahead
            if not block:
                raise ContentShort
            offset += len(block)
            count -= len(block)
            if count <= 0:
                await write(block)
                return
            ahead = asyncio.ensure_future(read(offset, min(BLOCK_BYTES, count)))
            await write(block)
    finally:
        if not ahead.done():
            # A read in a worker cannot be stopped; its file must stay open until it is over.
            await asyncio.wait({ahead})
        if not ahead.cancelled():
            ahead.exception()


class OpenFile:
    """Reads and sends parts of one open file, whose content begins at `start`. The descriptor stays its owner's.

    Args:
        executor: reads what is not in memory yet.
    """

    def __init__(self, fd: int, start: int, executor: Executor | None) -> None:
        self._fd = fd
        self._start = start
        self._executor = executor

    def at_hand(self, offset: int, count: int) -> bytearray:
        """What lies in memory already of `count` bytes: all of them, those at the beginning, or none."""
        if not _RWF_NOWAIT:
            return bytearray()
        buffer = bytearray(count)
        try:
            got = os.preadv(self._fd, [buffer], self._start + offset, _RWF_NOWAIT)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise
            return bytearray()
        if got < count:
            del buffer[got:]
        return buffer

    async def read(self, offset: int, count: int) -> bytes | bytearray:
        """Up to `count` bytes; fewer when only a part lies in memory already, none at the end of the file."""
        # What the page cache holds is here sooner than another thread could be woken for it.
        found = self.at_hand(offset, count)
        if len(found) == count or len(found) >= BLOCK_BYTES // 4:
            return found
        at = self._start + offset
        reading = asyncio.get_running_loop().run_in_executor(self._executor, os.pread, self._fd, count, at)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # The descriptor must stay open until the worker has let go of it.
            await asyncio.wait({reading})
            raise

    async def send_by_blocks(self, write: Write, start: int, stop: int) -> None:
        """Through our own memory: the bytes from `start` to `stop`, which is excluded.

        Raises:
            ContentShort: the file ends before `stop`; so with the two below.
        """
        await pump(write, start, stop - start, self.read)

    async def send_encrypted(self, write: Write, start: int, stop: int) -> None:
        """In pieces that suit encryption, as long as the page cache has them; a worker reads ahead where it does not."""
        in_a_row = 0
        while start < stop:
            wanted = min(SEALED_BYTES, stop - start)
            piece = self.at_hand(start, wanted)
            if len(piece) < wanted:
                fetched = min(FETCHED_BYTES, stop - start)
                await pump(write, start, fetched, self.read)
                start += fetched
                continue
            await write(piece)
            start += wanted
            in_a_row += 1
            if in_a_row == SEALED_IN_A_ROW:
                # A fast reader would have the loop to itself otherwise.
                await asyncio.sleep(0)
                in_a_row = 0

    async def send_by_kernel(
        self,
        transport: asyncio.Transport | None,
        write: Write,
        start: int,
        stop: int,
        tell: Callable[[int], None] = lambda count: None,
    ) -> None:
        """From the page cache to the socket without coming by.

        Args:
            tell: is told how many bytes went past `write`.
        Raises:
            ConnectionError: the peer has left.
        """
        if stop - start <= SMALL_BYTES:
            await self.send_by_blocks(write, start, stop)
            return
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the peer has left")
        loop = asyncio.get_running_loop()
        # A file object is what the loop asks for; it must not close the descriptor, which is another's.
        file = FileIO(self._fd, "rb", closefd=False)
        with corked(transport):
            for begin in range(start, stop, PIECE_BYTES):
                count = min(PIECE_BYTES, stop - begin)
                try:
                    sent = await loop.sendfile(transport, file, self._start + begin, count, fallback=False)
                except (asyncio.SendfileNotAvailableError, NotImplementedError):
                    await self.send_by_blocks(write, begin, stop)
                    return
                tell(sent)
                if sent < count:
                    raise ContentShort
                # A fast reader would have the loop to itself otherwise.
                await asyncio.sleep(0)


@contextmanager
def corked(transport: asyncio.BaseTransport) -> Iterator[None]:
    """Let the kernel fill its segments while a file goes out in pieces: a fifth faster than without."""
    option = getattr(socket, "TCP_CORK", None)
    sock = transport.get_extra_info("socket")
    if option is None or sock is None or sock.family == getattr(socket, "AF_UNIX", None):
        yield
        return
    sock.setsockopt(socket.IPPROTO_TCP, option, 1)
    try:
        yield
    finally:
        with suppress(OSError):  # the client may have left, and the socket with it
            sock.setsockopt(socket.IPPROTO_TCP, option, 0)
