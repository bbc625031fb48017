"""Answers that are still being worked on, in the order of their requests."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Final

MOST_OPEN: Final = 64
"""Requests of one connection that are worked on side by side (S109)."""


class Gate:
    """How much of such work all connections together may have under way; whoever comes when it is full waits for his turn.

    So many clients at once are slowed down, and none is told that the server has too much to do.
    """

    def __init__(self, most: int = 256, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._left = most
        self._left_bytes = most_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, size: int) -> None:
        """Take a place, and `size` bytes of memory, until `leave`."""
        if not self._waiting and self._fits(size):
            self._take(size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(size)
            raise

    def leave(self, size: int) -> None:
        """Give them back."""
        self._left += 1
        self._left_bytes += size
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._take(wanted)
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._left > 0 and self._left_bytes >= size

    def _take(self, size: int) -> None:
        self._left -= 1
        self._left_bytes -= size


class Replies:
    """Sends each answer once it is there and all before it were sent; those that are ready together leave together.

    Args:
        write: sends bytes and waits while the peer takes them too slowly.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._open: deque[tuple[Hashable, asyncio.Task[bytes]]] = deque()
        self._keys: set[Hashable] = set()
        self._sender: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    async def room_for(self, key: Hashable) -> None:
        """Wait until one more may begin.

        Args:
            key: what the work is about: of two works about the same thing the second begins when the first is done.
        Raises:
            ConnectionError: an answer could not be sent; nothing more will be.
        """
        while len(self._open) >= MOST_OPEN or key in self._keys:
            await self._one_sent()
        self._raise_failure()

    def begin(self, key: Hashable, work: Coroutine[object, object, bytes]) -> None:
        """Begin work that ends with an answer, after `room_for` the same key."""
        self._keys.add(key)
        self._open.append((key, asyncio.create_task(work)))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def settle(self) -> None:
        """Wait until all that was begun is answered.

        Raises:
            ConnectionError: as `room_for`.
        """
        if self._sender is not None:
            await asyncio.wait({self._sender})
            self._raise_failure()

    async def close(self) -> None:
        """Wait for what is under way, which nobody is told of any more."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})
            if not self._sender.cancelled():
                self._sender.exception()  # whoever waited for it was told
        while self._open:
            _, task = self._open.popleft()
            await asyncio.wait({task})
            task.exception()

    async def _one_sent(self) -> None:
        self._raise_failure()
        self._moved.clear()
        await self._moved.wait()

    def _raise_failure(self) -> None:
        sender = self._sender
        if sender is not None and sender.done() and (failure := sender.exception()) is not None:
            raise failure

    async def _send(self) -> None:
        try:
            while self._open:
                await asyncio.wait({self._open[0][1]})
                ready: list[bytes] = []
                while self._open and self._open[0][1].done():
                    key, task = self._open.popleft()
                    self._keys.discard(key)
                    ready.append(task.result())
                self._moved.set()
                await self._write(b"".join(ready))
        finally:
            self._moved.set()
