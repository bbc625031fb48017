"""Bodies in: received on the loop, written by a worker at the same time, never more than a few blocks in between."""

import asyncio
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
from homestow.server.fronts.tcp.blocks import Blocks, Sink
from homestow.server.fronts.tcp.intake import Intake

DIRECT_BYTES: Final = 256 * 1024
"""From this many bytes still to come on, a body is received past aiohttp's parser."""


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
    blocks = Blocks(asyncio.get_running_loop(), sink, executor)
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


async def _receive_parsed(request: Request, blocks: Blocks, cap: int) -> None:
    """Through aiohttp's parser: chunked bodies, and those that are nearly here already."""
    async with _Pace(request) as pace:
        try:
            while part := await pace.next_part():
                if blocks.received + len(part) > cap:
                    raise BodyTooLarge(cap)
                await blocks.put(memoryview(part))
        except ClientGone:
            raise ClientGone(blocks.received) from None


async def _receive_direct(request: Request, blocks: Blocks, declared: int) -> None:
    """Past the parser, from the socket into our blocks: a length is declared, so its end is known."""
    body, connection = request.content, request.connection
    try:
        ahead = body.read_nowait()
    except ConnectionError:
        raise ClientGone(0) from None
    remaining = declared - len(ahead)
    limits = request.site.limits
    borrower = _BodyReader(connection)
    transport = connection.lend_transport(borrower)
    if transport is None:
        await blocks.put(memoryview(ahead))
        raise ClientGone(blocks.received)
    intake = borrower.intake = Intake(blocks, remaining, transport.resume_reading, transport.pause_reading)
    complete = False
    try:
        await blocks.put(memoryview(ahead))
        intake.begin(limits.body_bytes_per_s, limits.body_window_s, BodyTooSlow)
        await intake.done
        complete = True
    except ConnectionError:
        raise ClientGone(blocks.received) from None
    finally:
        intake.end()
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
    """Stands in for a connection while the loop receives a body straight into blocks."""

    intake: Intake

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: never past the end of the body, whose next byte belongs to the next request."""
        return self.intake.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes that came."""
        self.intake.came(nbytes)

    def eof_received(self) -> bool | None:
        """The client sends no more, so its body will not be complete."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self.intake.lose()
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on what the connection's own writing needs."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Hand on what the connection's own writing needs."""
        self._connection.resume_writing()
