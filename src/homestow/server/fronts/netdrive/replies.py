"""Answers that are still being worked on, in the order of their requests."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Final

MOST_OPEN: Final = 64
"""Requests of one connection that are worked on side by side (S109)."""


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

    async def add(self, key: Hashable, work: Coroutine[object, object, bytes]) -> None:
        """Begin work that ends with an answer; waits while too much is under way.

        Args:
            key: what the work is about: of two works about the same thing the second begins when the first was answered.
        Raises:
            ConnectionError: an answer could not be sent; nothing more will be.
        """
        try:
            while len(self._open) >= MOST_OPEN or key in self._keys:
                await self._one_sent()
        except BaseException:
            work.close()
            raise
        self._keys.add(key)
        self._open.append((key, asyncio.create_task(work)))
        self._raise_failure()
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def settle(self) -> None:
        """Wait until all that was begun is answered.

        Raises:
            ConnectionError: as `add`.
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
