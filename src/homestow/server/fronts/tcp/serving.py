"""Listening, caps, TLS and plain on one port, closing: the server that netdrive and picloud put their handlers on."""

import asyncio
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from homestow.server.fronts.tcp.listening import BACKLOG, Address, ListenFailed, Renewals, Tls, listen_reason, shown
from homestow.server.fronts.tcp.peers import end_stalled, end_vanished, is_loopback, neighbourhood
from homestow.server.fronts.tcp.stream import Limits, Plain, Site, Stream, TooSlow

log = logging.getLogger(__name__)

Handle = Callable[[Stream], Awaitable[None]]
"""Serves one connection to its end. What it raises ends that connection only."""
Sniff = Callable[[bytes], bool | None]
"""Whether a connection that begins with these bytes, 1 or more, speaks TLS; None: more are needed to tell."""

_PEEKED_BYTES: Final = 16
_LOOK_AGAIN_S: Final = (0.02, 1.0)
"""How soon a connection is looked at again whose first bytes did not tell; each time twice as late, up to the second."""
_NO_MORE_FILES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ACCEPT_AGAIN_S: Final = 1.0


def client_hello(data: bytes) -> bool | None:
    """Whether a connection begins with a TLS ClientHello; None: so far it may.

    Both lengths are looked at, since messages of some protocols begin with a length that may look like the first bytes.
    Source: RFC 8446, sections 4 and 5.1: content type 22, version 3.x, the record's length; type 1, the message's length.
    """
    wanted = bytes((0x16, 0x03))
    if data[:2] != wanted[: len(data)]:
        return False
    if len(data) >= 6 and data[5] != 1:
        return False
    if len(data) < 9:
        return None
    return data[2] <= 4 and int.from_bytes(data[6:9]) == int.from_bytes(data[3:5]) - 4


class TcpServer:
    """Serves connections by `handle` on any number of addresses. Made, used and closed on one running loop.

    Closing ends connections that wait for a message at once, lets others go on for `limits.shutdown_s`, then cancels their
    tasks and waits as long again.
    """

    def __init__(
        self,
        handle: Handle,
        limits: Limits | None = None,
        tls: Tls | None = None,
        plain: Plain = Plain.LOOPBACK,
        sniff: Sniff = client_hello,
        *,
        local: Callable[[str], bool] = is_loopback,
    ) -> None:
        """Make it.

        Args:
            tls: offered on the same port to whoever begins with it.
            plain: whose unencrypted connections a handler may serve; see `Stream.too_plain`.
            local: which addresses are this machine's own; they are trusted, and not capped one by one.
        """
        self._handle = handle
        self._limits = limits or Limits()
        self._tls = tls
        self._sniff = sniff
        self._local = local
        self._site = Site(self._limits, plain)
        self._sockets: list[socket.socket] = []
        self._open = 0
        self._open_per_host: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._renewals = Renewals()

    async def listen(self, host: str, port: int) -> Address:
        """Answer on `host`:`port`; port 0 picks a free port.

        Raises:
            ListenFailed: the port is taken, the host is not ours, or we may not.
        """
        loop = asyncio.get_running_loop()
        made: list[socket.socket] = []
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            # Of several addresses of one host each would get a free port of its own.
            for family, _, _, _, address in found[:1] if port == 0 else found:
                made.append(socket.create_server(address, family=family, backlog=BACKLOG))
        except OSError as error:
            for sock in made:
                sock.close()
            raise ListenFailed(shown(host, port), listen_reason(error)) from error
        for sock in made:
            sock.setblocking(False)
            loop.add_reader(sock, self._accept, sock)
        self._sockets += made
        if self._tls is not None:
            self._renewals.follow(self._tls)
        bound, taken = made[0].getsockname()[:2]
        return Address(bound, taken, f"tcp://{shown(bound, taken)}")

    async def close(self) -> None:
        """Stop listening and end all connections. May be called twice."""
        await self._renewals.close()
        loop = asyncio.get_running_loop()
        self._site.closing = True
        for sock in self._sockets:
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        for task in self._opening:
            task.cancel()
        for stream in list(self._site.streams):
            stream.close()
        for _ in range(2):
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._limits.shutdown_s)
            for task in self._tasks:
                task.cancel()
        await asyncio.sleep(0)

    # --- connections --------------------------------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_MORE_FILES:
                    raise
                log.error("no connection can be taken for a moment: %s", error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(_ACCEPT_AGAIN_S, self._accept_again, listening)
                return
            sock.setblocking(False)
            self._admit(sock, str(address[0]))

    def _accept_again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _admit(self, sock: socket.socket, host: str) -> None:
        """Serve a connection unless there are too many."""
        place = "" if self._local(host) else neighbourhood(host)
        counts, limits = self._open_per_host, self._limits
        if self._open >= limits.connections or (place and counts[place] >= limits.connections_per_host):
            log.debug("too many connections", extra={"peer": host, "open": self._open})
            sock.close()
            return
        self._open += 1
        if place:
            counts[place] += 1

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._opening.discard(task)
            self._open -= 1
            if place:
                counts[place] -= 1
                if counts[place] <= 0:
                    del counts[place]

        task = asyncio.create_task(self._serve(sock, host))
        self._tasks.add(task)
        self._opening.add(task)
        task.add_done_callback(ended)

    async def _serve(self, sock: socket.socket, host: str) -> None:
        """One connection from its first byte to its last."""
        stream = await self._begin(sock, host)
        if stream is None:
            return
        try:
            await self._handle(stream)
            await stream.finish()
        except (ConnectionError, TooSlow) as error:
            log.debug("a connection ended early", extra={"peer": host, "why": type(error).__name__})
            stream.abort()
        except Exception:  # the outer loop of every connection
            log.exception("serving a connection failed", extra={"peer": host})
            stream.abort()
        except BaseException:
            stream.abort()
            raise

    async def _begin(self, sock: socket.socket, host: str) -> Stream | None:
        """The connection ready to use, encrypted if its peer began so; None when that came to nothing."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        local = self._local(host)
        try:
            # asyncio does it for sockets it made itself. Answers of two messages would wait for the peer's acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end_stalled(sock, self._limits.write_stall_s)
            end_vanished(sock)
            secure = self._tls is not None and await self._begins_tls(sock)
        except (OSError, TimeoutError):
            sock.close()
            return None
        except BaseException:
            sock.close()
            raise
        context = self._tls.context if secure and self._tls is not None else None
        try:
            _, stream = await loop.connect_accepted_socket(
                lambda: Stream(self._site, host, secure=secure, loopback=local),
                sock,
                ssl=context,
                ssl_handshake_timeout=None if context is None else self._limits.head_s,
                ssl_shutdown_timeout=None if context is None else self._limits.linger_s,
            )
        except (OSError, ssl.SSLError) as error:
            log.debug("no TLS handshake", extra={"peer": host, "why": str(error)})
            return None
        self._opening.discard(task)
        if self._site.closing:
            stream.close()
        return stream

    async def _begins_tls(self, sock: socket.socket) -> bool:
        """Look at the first bytes, which stay where they are.

        Raises:
            TimeoutError: they did not come in time. OSError: the peer has left.
        """
        loop = asyncio.get_running_loop()
        pause, longest = _LOOK_AGAIN_S
        async with asyncio.timeout(self._limits.head_s):
            while True:
                await _readable(loop, sock)
                data = sock.recv(_PEEKED_BYTES, socket.MSG_PEEK)
                if not data:
                    return False
                answer = self._sniff(data)
                if answer is not None:
                    return answer
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = loop.create_future()
    loop.add_reader(sock, _ready, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _ready(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
