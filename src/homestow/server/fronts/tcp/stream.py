"""One connection: bytes in with deadlines, bodies past our own memory into a worker's hands, contents out."""

import asyncio
import errno
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from homestow.server.fronts.tcp.blocks import Blocks, Sink, Spares
from homestow.server.fronts.tcp.files import Bytes, OpenFile, pump
from homestow.server.fronts.tcp.intake import Intake, Room
from homestow.server.fronts.tcp.peers import untaken

AHEAD_BYTES: Final = 64 * 1024
"""So much is read before anybody asks for it."""
WRITE_BYTES: Final = 256 * 1024
"""So much is given to the transport at once, so that it never holds much more."""
_PEER_LEFT: Final = (errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class Gone(ConnectionError):
    """The peer left, or stopped sending, midway; `received` bytes of the body had come and reached the sink."""

    def __init__(self, received: int = 0) -> None:
        super().__init__(f"the peer has left after {received} bytes of a body")
        self.received = received


class TooSlow(Exception):
    """What is awaited came slower than the limits allow (S72)."""


class Plain(Enum):
    """Whose unencrypted connections are served (S75)."""

    LOOPBACK = "this machine's own"
    ANYBODY = "everybody's"


@dataclass(frozen=True, slots=True)
class Limits:
    """What peers may cost the server (S71, S72, S109).

    `connections`, `connections_per_host` (this machine's own are not counted there), `connections_per_user`: at once.
    `head_s`: how long a message's head may take from its first byte on, and a TLS handshake. A body must bring
    `body_bytes_per_s` on average over each `body_window_s`. `write_stall_s`: how long sent bytes may stay unread.
    `linger_s`: how long what still comes is read after the last answer, so that it arrives. `shutdown_s`: how long closing
    waits for what is under way, at most twice.
    """

    connections: int = 2000
    connections_per_host: int = 100
    connections_per_user: int = 64
    head_s: float = 10.0
    body_bytes_per_s: int = 1024
    body_window_s: float = 30.0
    write_stall_s: float = 60.0
    linger_s: float = 5.0
    shutdown_s: float = 4.0


@dataclass(slots=True)
class Site:
    """What all connections of one front share. `closing`: they are to end."""

    limits: Limits
    plain: Plain = Plain.LOOPBACK
    closing: bool = False
    streams: "set[Stream]" = field(default_factory=set)
    open_per_user: Counter[Hashable] = field(default_factory=Counter)
    spares: Spares = field(default_factory=Spares)
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(AHEAD_BYTES)))


class Stream(asyncio.BufferedProtocol):
    """One connection, used on its loop by one task at a time.

    `peer`: the address at the other end. `secure`: what goes through is encrypted. `loopback`: the peer is this machine.
    `left`: how many bytes of the body last asked for have not come; unless it is 0, the next byte is no message's first.
    """

    def __init__(self, site: Site, peer: str, *, secure: bool, loopback: bool) -> None:
        self.peer = peer
        self.secure = secure
        self.loopback = loopback
        self.left = 0
        self._site = site
        self._limits = site.limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._ahead = bytearray()
        self._ended = False
        self._lost = False
        self._over = False
        self._deaf = False
        self._reading = True
        self._full = False
        self._waiter: asyncio.Future[bool] | None = None
        self._drained: asyncio.Future[bool] | None = None
        self._intake: Intake | None = None
        self._head_due: float | None = None
        self._user: Hashable | None = None

    @property
    def too_plain(self) -> bool:
        """Whether what is said here could be read on its way and the owner did not allow that: refuse and close (S75)."""
        return not (self.secure or self.loopback or self._site.plain is Plain.ANYBODY)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come: the peer has left or sends no more, or the server is stopping."""
        return self._ended or self._lost or self._over

    def logged_in(self, user: Hashable) -> bool:
        """Count the connection as one of `user`, until it ends or is another's; False when that user has too many (S72).

        A connection that is counted may be silent for ever; one that is not must be ended soon.
        """
        if user == self._user:
            return True
        counts = self._site.open_per_user
        if counts[user] >= self._limits.connections_per_user:
            return False
        self._log_out()
        if not self._lost:
            counts[user] += 1
            self._user = user
        return True

    def _log_out(self) -> None:
        if self._user is not None:
            counts = self._site.open_per_user
            counts[self._user] -= 1
            if counts[self._user] <= 0:
                del counts[self._user]
            self._user = None

    # --- in -----------------------------------------------------------------------------------------------------------

    async def read(self, within: float | None, *, begun: bool = False) -> bytes:
        """Some bytes, at least one, or b"" when no more will come (see `ended`).

        Args:
            within: how many seconds to wait; None: for ever.
            begun: part of a message's head is here already. All of it must come within `Limits.head_s` from the first such
                call on; a call without it, a body and everything that is sent begin anew.
        Raises:
            TooSlow.
        """
        now = self._loop.time()
        due = None if within is None else now + within
        if not begun:
            self._head_due = None
        else:
            if self._head_due is None:
                self._head_due = now + self._limits.head_s
            if now >= self._head_due:
                raise TooSlow
            due = self._head_due if due is None else min(due, self._head_due)
        while not self._ahead:
            if self.ended:
                return b""
            self._resume()
            if not await self._wait(None if due is None else due - self._loop.time()):
                raise TooSlow
        if self._over:
            return b""
        data = bytes(self._ahead)
        self._ahead.clear()
        self._resume()
        return data

    def unread(self, data: Bytes | memoryview) -> None:
        """Put bytes back, before everything that is not read yet."""
        self._ahead[:0] = data

    async def receive(self, count: int, sink: Sink, executor: Executor | None) -> None:
        """Hand exactly `count` bytes to `sink`, in a worker and in blocks of up to 1 MiB.

        What was received has reached `sink` when this returns or raises, also when the peer left midway; `sink` is never
        called afterwards. What `sink` raises is raised here, and `left` says how much of the body was not read.
        Cancelling waits for the call of `sink` that is running.

        Raises:
            Gone: with how much came. TooSlow.
        """
        blocks = Blocks(self._loop, sink, executor, self._site.spares)
        try:
            await self._take_in(count, blocks)
        except BaseException:
            await blocks.settle(quiet=True)
            raise
        await blocks.settle()

    async def exactly(self, count: int) -> bytearray:
        """The next `count` bytes, for what is small enough to be held in memory; they may come as slowly as a body.

        Raises:
            Gone, TooSlow.
        """
        whole = _Memory(self._loop, count)
        await self._take_in(count, whole)
        return whole.data

    async def discard(self, count: int) -> None:
        """Read `count` bytes and forget them.

        Raises:
            Gone, TooSlow.
        """
        await self._take_in(count, _Nowhere(self._loop, self._site.scratch))

    async def _take_in(self, count: int, target: Room) -> None:
        self._head_due = None
        self.left = count
        self._pause()
        self._take_ahead(target)
        if self.left:
            if self._ended or self._lost:
                raise Gone(count - self.left)
            intake = self._intake = Intake(target, self.left, self._resume_for_body, self._pause)
            limits = self._limits
            try:
                intake.begin(limits.body_bytes_per_s, limits.body_window_s, TooSlow)
                await intake.done
            except ConnectionError:
                if target.failure is not None:
                    raise
                raise Gone(count - intake.remaining) from None
            finally:
                intake.end()
                self.left = intake.remaining
                self._intake = None
        self._resume()

    def _take_ahead(self, target: Room) -> None:
        """Move what was read ahead of the body; it is never more than an empty target has room for."""
        count = min(len(self._ahead), self.left)
        with memoryview(self._ahead) as ahead:
            at = 0
            while at < count:
                room = target.room()
                assert room is not None, "what is read ahead fits into a block"
                part = min(len(room), count - at)
                room[:part] = ahead[at : at + part]
                target.filled(part)
                at += part
        del self._ahead[:count]
        self.left -= count

    async def _wait(self, within: float | None) -> bool:
        """Wait until something came or ended; False when that took too long."""
        if within is not None and within <= 0:
            return False
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        timer = None if within is None else self._loop.call_later(within, _resolve, waiter, False)
        try:
            return await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None:
            _resolve(self._waiter, True)

    def _pause(self) -> None:
        if self._reading and not self._lost and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        if len(self._ahead) < AHEAD_BYTES:
            self._resume_for_body()

    def _resume_for_body(self) -> None:
        if not (self._reading or self._ended or self._lost) and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()

    # --- out ----------------------------------------------------------------------------------------------------------

    async def write(self, data: Bytes) -> None:
        """Send bytes; waits while the peer takes them too slowly. One that takes nothing for long is cut off.

        Raises:
            Gone.
        """
        self._head_due = None
        if len(data) <= WRITE_BYTES:
            await self._write_piece(data)
            return
        with memoryview(data) as whole:
            for start in range(0, len(whole), WRITE_BYTES):
                await self._write_piece(whole[start : start + WRITE_BYTES])

    async def _write_piece(self, data: Bytes | memoryview) -> None:
        self._open_transport().write(data)
        if self._full:
            await self._drain()

    def _open_transport(self) -> asyncio.Transport:
        transport = self._transport
        if transport is None or self._lost or transport.is_closing():
            raise Gone
        return transport

    async def _drain(self) -> None:
        while self._full:
            transport = self._open_transport()
            before = untaken(transport)
            drained = self._drained = self._loop.create_future()
            timer = self._loop.call_later(self._limits.write_stall_s, _resolve, drained, False)
            try:
                moved = await drained
            finally:
                timer.cancel()
                self._drained = None
            if not moved and untaken(transport) >= before:
                self.abort()
                raise Gone
        self._open_transport()

    async def send_file(self, fd: int, start: int, count: int, executor: Executor | None) -> None:
        """Send `count` bytes of an open file from `start` on; `executor` reads what is not in memory yet.

        When it fails midway the connection is cut: the peer was promised all of it.

        Raises:
            Gone; ContentShort: the file has fewer bytes; OSError: it cannot be read.
        """
        file = OpenFile(fd, start, executor)
        with _Whole(self):
            if not count:
                return
            if self.secure:
                await file.send_encrypted(self.write, 0, count)
            else:
                await file.send_by_kernel(self._open_transport(), self.write, 0, count)

    async def send_blocks(
        self, read_at: Callable[[int, int], bytes], start: int, count: int, executor: Executor | None
    ) -> None:
        """Send what `read_at(offset, count)` gives in a worker; see `send_file`, and `files.pump`."""

        async def read(offset: int, most: int) -> bytes:
            return await self._loop.run_in_executor(executor, read_at, offset, most)

        with _Whole(self):
            if count:
                await pump(self.write, start, count, read)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Read nothing more: once its task ends, the connection is closed when what was written has gone out."""
        self._over = True
        self._wake()

    def abort(self) -> None:
        """Cut the connection now."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    async def finish(self) -> None:
        """Close and wait until it is closed; what still comes meanwhile is thrown away, so that the last answer arrives."""
        transport = self._transport
        if transport is None:
            return
        more = bool(self._ahead) or self.left > 0
        self._over = self._deaf = True
        self._ahead.clear()
        try:
            if not (self._ended or self._lost or self._site.closing):
                if not self.secure:
                    transport.write_eof()
                if more or not self.secure:
                    self._resume()
                    await self._wait(self._limits.linger_s)
            transport.close()
            while not self._lost and await self._wait(self._limits.write_stall_s):
                pass
        finally:
            if not self._lost:
                transport.abort()

    # --- what the transport calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._site.streams.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: straight into a body, or where they lie until `buffer_updated` looks at them."""
        if self._intake is not None:
            return self._intake.buffer()
        if self._deaf:
            return self._site.scratch
        return self._site.scratch[: max(1, AHEAD_BYTES - len(self._ahead))]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self._intake is not None:
            self._intake.came(nbytes)
        elif not self._deaf:
            self._ahead += self._site.scratch[:nbytes]
            if len(self._ahead) >= AHEAD_BYTES:
                self._pause()
            self._wake()

    def eof_received(self) -> bool:
        """The peer sends no more; it may still read, unless encrypted (asyncio ends both ways then)."""
        self._ended = True
        if self._intake is not None:
            self._intake.lose()
        self._wake()
        return not self.secure

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._lost = True
        self._site.streams.discard(self)
        self._log_out()
        if self._intake is not None:
            self._intake.lose()
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The peer takes what is sent too slowly."""
        self._full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._full = False
        if self._drained is not None:
            _resolve(self._drained, True)


class _Whole:
    """All of something is sent within, or the connection is cut."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        self._stream.abort()
        if isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno in _PEER_LEFT):
            raise Gone from error


class _Memory:
    """Holds a whole body."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self.loop = loop
        self.failure: BaseException | None = None
        self.on_room: Callable[[], None] | None = None
        self.data = bytearray(count)
        self._at = 0

    def room(self) -> memoryview | None:
        return memoryview(self.data)[self._at :]

    def filled(self, count: int) -> None:
        self._at += count


class _Nowhere:
    """Forgets a body."""

    def __init__(self, loop: asyncio.AbstractEventLoop, scratch: memoryview) -> None:
        self.loop = loop
        self.failure: BaseException | None = None
        self.on_room: Callable[[], None] | None = None
        self._scratch = scratch

    def room(self) -> memoryview | None:
        return self._scratch

    def filled(self, count: int) -> None:
        return None


def _resolve(future: "asyncio.Future[bool]", result: bool) -> None:
    if not future.done():
        future.set_result(result)
