"""Bodies on their way in: received on the loop, written by a worker at the same time, never more than a few blocks between."""

import asyncio
import mmap
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

BLOCK_BYTES: Final = 1024 * 1024
BLOCKS_IN_FLIGHT: Final = 4

Sink = Callable[[memoryview], None]
"""Takes the body's next bytes, in order, one call at a time, in a worker thread. The memory is reused afterwards."""


class Spares:
    """Memory that bodies share: used again by the next, and bounded however many are under way (S71).

    Each may always have one block, and up to `BLOCKS_IN_FLIGHT` while all together have fewer than `most` beyond that.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._more = 0
        self._free: list[memoryview] = []

    def take(self, has: int) -> memoryview | None:
        """A block for a body that `has` so many; None when it must do with these."""
        if has >= BLOCKS_IN_FLIGHT or (has and self._more >= self._most):
            return None
        self._more += has > 0
        # Memory that begins at a page, so that a disk can take it as it is.
        return self._free.pop() if self._free else memoryview(mmap.mmap(-1, BLOCK_BYTES))

    def give_back(self, had: int, blocks: list[memoryview]) -> None:
        """A body that took `had` blocks has come to its end; these of them are in nobody's hands."""
        self._more -= max(0, had - 1)
        self._free += blocks[: max(0, BLOCKS_IN_FLIGHT - len(self._free))]


class Blocks:
    """A few blocks of memory that the loop fills and a worker empties into the sink.

    All methods are called on the loop. `received`: bytes that came. `on_room` is called when a block has become free, or
    writing has failed, with `failure`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sink: Sink,
        executor: Executor | None,
        spares: Spares | None = None,
    ) -> None:
        """Make them; `spares` is what several bodies share."""
        self.loop = loop
        self.received = 0
        self.failure: BaseException | None = None
        self.on_room: Callable[[], None] | None = None
        self._sink = sink
        self._executor = executor
        self._free: list[memoryview] = []
        self._spares = Spares() if spares is None else spares
        self._made = 0
        self._current: memoryview | None = None
        self._used = 0
        self._full: deque[tuple[memoryview, int]] = deque()
        self._worker: asyncio.Future[None] | None = None
        self._changed: asyncio.Future[None] | None = None

    def room(self) -> memoryview | None:
        """The unfilled rest of the current block; None while all blocks wait to be written."""
        if self._current is None:
            if self._free:
                self._current = self._free.pop()
            else:
                self._current = self._spares.take(self._made)
                if self._current is None:
                    return None
                self._made += 1
            self._used = 0
        return self._current[self._used :]

    def filled(self, count: int) -> None:
        """`count` more bytes stand at the beginning of what `room` gave."""
        self.received += count
        self._used += count
        if self._used == BLOCK_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._current is not None and self._used:
            self._full.append((self._current, self._used))
            self._current = None
            self._start_worker()

    def _start_worker(self) -> None:
        if self._worker is None and self._full and self.failure is None:
            self._worker = self.loop.run_in_executor(self._executor, self._write_all)
            self._worker.add_done_callback(self._worker_ended)

    def _write_all(self) -> None:
        """In the worker: write until nothing is left to write."""
        while self._full:
            block, used = self._full.popleft()
            self._sink(block[:used])
            self.loop.call_soon_threadsafe(self._emptied, block)

    def _emptied(self, block: memoryview) -> None:
        self._free.append(block)
        self._notify()

    def _worker_ended(self, worker: "asyncio.Future[None]") -> None:
        self._worker = None
        self.failure = asyncio.CancelledError() if worker.cancelled() else worker.exception()
        # A block may have been handed over just after the worker looked for the last time.
        self._start_worker()
        self._notify()

    def _notify(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
        if self.on_room is not None:
            self.on_room()

    async def _change(self) -> None:
        self._changed = self.loop.create_future()
        await self._changed

    async def wait_for_room(self) -> None:
        """Wait until `room` gives some. Raises what writing has failed with."""
        while self.room() is None:
            if self.failure is not None:
                raise self.failure
            await self._change()

    async def settle(self, *, quiet: bool = False) -> None:
        """Write what is left and wait until the worker has ended, even when cancelled meanwhile.

        Raises what writing has failed with, unless `quiet`.
        """
        self._hand_over()
        cancelled: asyncio.CancelledError | None = None
        while self._worker is not None:
            try:
                await self._change()
            except asyncio.CancelledError as error:
                cancelled = error
        self._spares.give_back(self._made, self._free)
        self._made, self._free = 0, []
        if cancelled is not None:
            raise cancelled
        if self.failure is not None and not quiet:
            raise self.failure

    async def put(self, part: memoryview) -> None:
        """Add bytes that came another way; waits for room. Raises what writing has failed with."""
        while part:
            room = self.room()
            if room is None:
                await self.wait_for_room()
                continue
            count = min(len(room), len(part))
            room[:count] = part[:count]
            self.filled(count)
            part = part[count:]
