"""Bodies in: received on the loop, written by a worker at the same time, never more than a few blocks in between."""

import asyncio
import mmap
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from aiohttp import web

from homestow.server.fronts.http.connection import Connection, Request, left_behind
from homestow.server.fronts.http.problems import (
    BodyLengthWrong,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    EncodedBody,
    HttpProblem,
)

BLOCK_BYTES: Final = 1024 * 1024
BLOCKS_IN_FLIGHT: Final = 4
DIRECT_BYTES: Final = 256 * 1024
"""From this many bytes still to come on, a body is received past aiohttp's parser."""

Sink = Callable[[memoryview], None]
"""Takes the body's next bytes, in order, one call at a time, in a worker thread. The memory is reused afterwards."""


def check_body(request: Request, *, cap: int, expected: int | None = None) -> None:
    """Refuse a body by what its headers say, before a byte of it is read.

    Args:
        cap: the longest body taken, in bytes.
        expected: how long it must be exactly; None when that is not known.
    Raises:
        EncodedBody, BodyTooLarge, BodyLengthWrong.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise EncodedBody
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise EncodedBody  # compressed on the way: nobody here would undo it
    declared = request.content_length
    if declared is not None:
        if declared > cap:
            raise BodyTooLarge(cap)
        if expected is not None and declared != expected:
            raise BodyLengthWrong(expected, declared)


async def read_body(request: Request, *, cap: int) -> bytes:
    """The whole body, for calls whose arguments it holds.

    Raises:
        EncodedBody, BodyTooLarge, BodyTooSlow, ClientGone, HttpProblem: 400, the body is malformed.
    """
    check_body(request, cap=cap)
    if not request.can_read_body:
        return b""
    parts: list[bytes] = []
    received = 0
    await request.ask_for_body()
    async with _Pace(request) as pace:
        while part := await pace.next_part():
            received += len(part)
            if received > cap:
                request.must_close = True
                raise BodyTooLarge(cap)
            parts.append(part)
    return b"".join(parts)


async def receive(
    request: Request, sink: Sink, *, cap: int, expected: int | None = None, executor: Executor | None = None
) -> int:
    """Hand the request's body to `sink` in blocks of up to 1 MiB; returns its length in bytes.

    What was received has reached `sink` when this returns or raises, also when the client left midway, so an upload can
    go on from there; `sink` is never called afterwards. What `sink` raises is raised here: reading stops, and the
    connection is closed once the answer has gone out. Cancelling waits for the call of `sink` that is running.

    Args:
        cap: the longest body taken, in bytes.
        expected: how long it must be exactly; None when that is not known.
        executor: where `sink` runs; a worker is held only while there is something to write.
    Raises:
        EncodedBody, BodyTooLarge, BodyLengthWrong, BodyTooSlow, ClientGone, HttpProblem: 400, the body is malformed.
    """
    check_body(request, cap=cap, expected=expected)
    if not request.can_read_body:
        if expected:
            raise BodyLengthWrong(expected, 0)
        return 0
    await request.ask_for_body()
    blocks = _Blocks(asyncio.get_running_loop(), sink, executor)
    try:
        declared = request.content_length
        here = request.content.total_bytes
        if declared is not None and declared - here >= DIRECT_BYTES and request.content.exception() is None:
            await _receive_direct(request, blocks, declared)
        else:
            await _receive_parsed(request, blocks, cap)
    except BaseException:
        request.must_close = True
        await blocks.settle(quiet=True)
        raise
    try:
        await blocks.settle()
    except BaseException:
        request.must_close = not request.content.is_eof()
        raise
    if expected is not None and blocks.received != expected:
        raise BodyLengthWrong(expected, blocks.received)
    return blocks.received


async def _receive_parsed(request: Request, blocks: "_Blocks", cap: int) -> None:
    """Through aiohttp's parser: chunked bodies, and those that are nearly here already."""
    async with _Pace(request) as pace:
        try:
            while part := await pace.next_part():
                if blocks.received + len(part) > cap:
                    raise BodyTooLarge(cap)
                await _put(blocks, memoryview(part))
        except ClientGone:
            raise ClientGone(blocks.received) from None


async def _put(blocks: "_Blocks", part: memoryview) -> None:
    while part:
        room = blocks.room()
        if room is None:
            await blocks.wait_for_room()
            continue
        count = min(len(room), len(part))
        room[:count] = part[:count]
        blocks.filled(count)
        part = part[count:]


async def _receive_direct(request: Request, blocks: "_Blocks", declared: int) -> None:
    """Past the parser, from the socket into our blocks: a length is declared, so its end is known."""
    body, connection = request.content, request.connection
    try:
        ahead = body.read_nowait()
    except ConnectionError:
        raise ClientGone(0) from None
    remaining = declared - len(ahead)
    borrower = _BodyReader(connection, blocks, remaining, request.site.limits.body_window_s)
    transport = connection.lend_transport(borrower)
    if transport is None:
        await _put(blocks, memoryview(ahead))
        raise ClientGone(blocks.received)
    borrower.transport = transport
    complete = False
    try:
        await _put(blocks, memoryview(ahead))
        borrower.begin(request.site.limits.body_bytes_per_s)
        await borrower.done
        complete = True
    except ConnectionError:
        raise ClientGone(blocks.received) from None
    finally:
        borrower.end()
        connection.take_back(body, complete=complete)


class _Pace:
    """Reads a body part by part through aiohttp and ends it when it comes too slowly (S19)."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._timeout = asyncio.timeout(None)
        limits = request.site.limits
        self._window_s = limits.body_window_s
        self._due = int(limits.body_bytes_per_s * limits.body_window_s)
        self._received = 0

    async def __aenter__(self) -> "_Pace":
        self._window_ends = asyncio.get_running_loop().time() + self._window_s
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def next_part(self) -> bytes:
        """The next bytes of the body, or b"" at its end."""
        content = self._request.content
        loop = asyncio.get_running_loop()
        if content.is_eof():
            # All of it is here: whether the client stayed for the answer makes no difference.
            return left_behind(content) if content.exception() is not None else await content.readany()
        began = loop.time()
        if self._received >= self._due:
            self._received, self._window_ends = 0, began + self._window_s
        try:
            async with asyncio.timeout_at(self._window_ends):
                part = await content.readany()
        except TimeoutError:
            self._request.must_close = True
            raise BodyTooSlow from None
        except web.RequestPayloadError:
            self._request.must_close = True
            if self._request.transport is None:
                return self._last_words()
            raise HttpProblem(400, "body-malformed", "The request body is malformed.") from None
        except ConnectionError:
            return self._last_words()
        self._received += len(part)
        return part

    def _last_words(self) -> bytes:
        """What came together with the end of the connection; then `ClientGone`."""
        content = self._request.content
        part = left_behind(content)
        if not part:
            raise ClientGone(content.total_bytes)
        return part


class _BodyReader(asyncio.BufferedProtocol):
    """Stands in for a connection while the loop receives a body straight into blocks.

    `done` is resolved when all bytes are here, or fails with what ended it early.
    """

    transport: asyncio.Transport

    def __init__(self, connection: Connection, blocks: "_Blocks", remaining: int, window_s: float) -> None:
        self._connection = connection
        self._blocks = blocks
        self._remaining = remaining
        self._window_s = window_s
        self._timer: asyncio.TimerHandle | None = None
        self._reading = False
        self._lost = False
        self.done: asyncio.Future[None] = blocks.loop.create_future()

    def begin(self, bytes_per_s: int) -> None:
        """Start to read; the body must bring `bytes_per_s` on average over each window."""
        due = int(bytes_per_s * self._window_s)
        if not self.done.done():
            self._blocks.on_room = self.go_on
            self._watch(due, self._remaining)
            self.go_on()

    def _watch(self, due: int, remaining: int) -> None:
        def check() -> None:
            if self._reading and remaining - self._remaining < due:
                self.fail(BodyTooSlow())
            else:
                self._watch(due, self._remaining)

        self._timer = self._blocks.loop.call_later(self._window_s, check)

    def go_on(self) -> None:
        """Read when there is room to, or stop when writing has failed."""
        if self.done.done() or self._lost:
            return
        if self._blocks.failure is not None:
            self.fail(self._blocks.failure)
        elif not self._reading and self._blocks.room() is not None:
            self._reading = True
            self.transport.resume_reading()

    def end(self) -> None:
        """Stop reading for good."""
        if self._timer is not None:
            self._timer.cancel()
        self._blocks.on_room = None
        self._stop_reading()
        if not self.done.done():
            self.done.cancel()

    def fail(self, error: BaseException) -> None:
        """End the body early."""
        self._stop_reading()
        if not self.done.done():
            self.done.set_exception(error)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: never past the end of the body, whose next byte belongs to the next request."""
        room = self._blocks.room()
        assert room is not None, "reading is paused while there is no room"
        return room[: self._remaining]

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes that came."""
        self._remaining -= nbytes
        self._blocks.filled(nbytes)
        if self._remaining == 0:
            self._stop_reading()
            if not self.done.done():
                self.done.set_result(None)
        elif self._blocks.room() is None:
            self._stop_reading()

    def _stop_reading(self) -> None:
        self._reading = False
        if not self._lost:
            self.transport.pause_reading()

    def eof_received(self) -> bool | None:
        """The client sends no more, so its body will not be complete."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self._lost = True
        if not self.done.done():
            self.done.set_exception(ConnectionResetError("the client has left"))
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on what the connection's own writing needs."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Hand on what the connection's own writing needs."""
        self._connection.resume_writing()


class _Blocks:
    """A few blocks of memory that the loop fills and a worker empties into the sink.

    All methods are called on the loop. `on_room` is called when a block has become free, or writing has failed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Sink, executor: Executor | None) -> None:
        self.loop = loop
        self.received = 0
        self.failure: BaseException | None = None
        self.on_room: Callable[[], None] | None = None
        self._sink = sink
        self._executor = executor
        self._free: list[memoryview] = []
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
            elif self._made < BLOCKS_IN_FLIGHT:
                self._made += 1
                # Memory that begins at a page, so that a disk can take it as it is.
                self._current = memoryview(mmap.mmap(-1, BLOCK_BYTES))
            else:
                return None
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
        if cancelled is not None:
            raise cancelled
        if self.failure is not None and not quiet:
            raise self.failure
