"""One client's connection and the requests on it: the parts of aiohttp's protocol that our limits need to touch.

aiohttp has no deadline for a request's head, no cap on connections per host, and no way to read a long body without its
parser in between. This file is the only one that reaches into aiohttp's inner attributes; its version is pinned, and
tests/fronts/http would show a change.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.streams import StreamReader

from homestow.server.fronts.http.express import Express, Taker, recognise, recognise_put
from homestow.server.fronts.http.problems import problem_response
from homestow.server.fronts.http.routing import Route
from homestow.server.fronts.tcp.peers import end_stalled, is_loopback

log = logging.getLogger(__name__)

_NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost the server (S16, S19).

    `head_timeout_s`: from the first byte of a request to the end of its headers. `idle_timeout_s`: between requests.
    A body must bring `body_bytes_per_s` on average over each `body_window_s`. `write_stall_s`: how long sent bytes may
    stay unread. `linger_s`: how long the rest of an unwanted body is read, so that the answer still arrives.
    `shutdown_s`: how long closing waits for running requests, at most twice.
    """

    head_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    body_bytes_per_s: int = 1024
    body_window_s: float = 30.0
    write_stall_s: float = 60.0
    connections_per_host: int = 100
    head_line_bytes: int = 8190
    head_field_bytes: int = 8190
    head_fields: int = 100
    linger_s: float = 5.0
    shutdown_s: float = 4.0


@dataclass(slots=True)
class Site:
    """What all connections of one listening address share."""

    limits: Limits
    operator: bool = False
    secure: bool = False
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    open_per_host: Counter[str] = field(default_factory=Counter)
    watched: set[asyncio.Future[None]] = field(default_factory=set)
    admit: Callable[[Any], bool] | None = None
    closing: bool = False
    express: Express | None = None
    taker: Taker | None = None

    def trusts(self, host: str) -> bool:
        """Whether `host` is a listed proxy, whose word about the client is taken (S29)."""
        if not self.proxies:
            return False
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.proxies)


class Request(web.BaseRequest):
    """One request. Read bodies with `receiving`, answer content with `sending`.

    `params` are the path's parameters. `operator` is True on the owner-only local socket and nowhere else.
    """

    params: Mapping[str, str] = _NO_PARAMS
    route: Route | None = None
    must_close: bool = False
    _id: str | None = None
    _gone: asyncio.Future[None] | None = None
    _continued: bool = False

    @property
    def connection(self) -> "Connection":
        """The connection the request came on."""
        protocol = self._protocol
        assert isinstance(protocol, Connection)
        return protocol

    @property
    def site(self) -> Site:
        """The listening address the request came to."""
        return self.connection.site

    @property
    def operator(self) -> bool:
        """Whether the request came over the owner-only local socket."""
        return self.connection.site.operator

    @property
    def request_id(self) -> str:
        """12 hexadecimal digits that name this request in answers and logs."""
        if self._id is None:
            self._id = secrets.token_hex(6)
        return self._id

    @property
    def client_host(self) -> str:
        """The client's address; behind listed proxies the nearest one in `X-Forwarded-For` that is not a proxy (S29)."""
        host = self.remote or ""
        site = self.site
        if site.trusts(host):
            listed = ",".join(self.headers.getall("X-Forwarded-For", ())).split(",")[-16:]
            for text in reversed(listed):
                claimed = text.strip()
                if not claimed:
                    break
                host = claimed
                if not site.trusts(claimed):
                    break
        return host

    def gone(self) -> asyncio.Future[None]:
        """A future that is done when the client has left or the server is closing: wait for it beside long waits.

        Handlers are not cancelled when their client leaves, so what they began is always finished.
        """
        if self._gone is None:
            watched = self.site.watched
            self._gone = self._loop.create_future()
            if self.transport is None:
                self._gone.set_result(None)
            else:
                watched.add(self._gone)
                self._gone.add_done_callback(watched.discard)
        return self._gone

    def _cancel(self, exc: BaseException) -> None:
        super()._cancel(exc)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _finish(self) -> None:
        super()._finish()
        if self._gone is not None and not self._gone.done():
            self._gone.cancel()

    @property
    def awaits_continue(self) -> bool:
        """Whether the client holds its body back until it is asked for it."""
        return not self._continued and self.headers.get("Expect", "").lower() == "100-continue"

    async def ask_for_body(self) -> None:
        """Tell a client that holds its body back to send it. May be called twice."""
        if self.awaits_continue and self.version >= (1, 1):
            await self.writer.write(_CONTINUE)
            # The answer proper has not begun: an error may still replace it.
            self.writer.output_size = 0
        self._continued = True

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Server"] = "homestow"
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        if self.site.secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")


class Connection(web.RequestHandler):
    """aiohttp's connection with deadlines, a cap per host, quiet errors, and a body that can be read past the parser."""

    __slots__ = ("_behind", "_head_timer", "_host", "_idle_timer", "_seen_at", "_settled", "_taken", "site")

    def __init__(self, manager: "Listener", *, loop: asyncio.AbstractEventLoop, **settings: Any) -> None:
        super().__init__(manager, loop=loop, **settings)
        self.site = manager.site
        self._head_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._seen_at = 0.0
        self._host: str | None = None
        self._taken: bytes | None = None
        self._behind = b""
        self._settled: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection unless its host has too many already (S19)."""
        site = self.site
        peer = transport.get_extra_info("peername")
        if site.closing or (site.admit is not None and not site.admit(transport)):
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        if isinstance(peer, tuple):
            host = str(peer[0])
            if not is_loopback(host) and not site.trusts(host):
                if site.open_per_host[host] >= site.limits.connections_per_host:
                    assert isinstance(transport, asyncio.Transport)
                    transport.abort()
                    return
                site.open_per_host[host] += 1
                self._host = host
            end_stalled(transport.get_extra_info("socket"), site.limits.write_stall_s)
        super().connection_made(transport)
        self._seen_at = self._loop.time()
        self._idle_timer = self._loop.call_later(site.limits.idle_timeout_s, self._look_idle)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        for timer in (self._head_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._idle_timer = None
        host, self._host = self._host, None
        if host is not None:
            counts = self.site.open_per_host
            counts[host] -= 1
            if counts[host] <= 0:
                del counts[host]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and watch over a head that came in part (S19)."""
        self._seen_at = self._loop.time()
        if self._taken is not None:
            self._wait_behind(data)
            return
        if self.site.express is not None and self._answered_at_once(data, self.site.express):
            return
        if self.site.taker is not None and self._taken_over(data, self.site.taker):
            return
        super().data_received(data)
        waiting = self._waits()
        if self._head_timer is not None:
            if not waiting:
                self._head_timer.cancel()
                self._head_timer = None
        elif waiting and data:
            self._head_timer = self._loop.call_later(self.site.limits.head_timeout_s, self._head_is_late)

    def _waits(self) -> bool:
        """Whether the connection has nothing to do but wait for a request."""
        return self._waiter is not None and not self._waiter.done() and self._taken is None

    def _is_free(self, transport: asyncio.Transport | None) -> bool:
        """Whether the next bytes begin a request that may be answered past aiohttp."""
        return not (
            transport is None
            or self._head_timer is not None
            or self._messages
            or not self._waits()
            or transport.is_closing()
            or transport.get_write_buffer_size()
        )

    def _answered_at_once(self, data: bytes, express: Express) -> bool:
        """Answer a request of the express lane; False when the ordinary way has to look at it."""
        asked = recognise(data)
        transport = self.transport
        if asked is None or transport is None or not self._is_free(transport):
            return False
        answer = express(asked, self.site.secure)
        if answer is None:
            return False
        transport.write(answer)
        # aiohttp's own timer, which runs from its last request on, is put off.
        self._next_keepalive_close_time = self._seen_at + self.site.limits.idle_timeout_s
        return True

    def _taken_over(self, data: bytes, taker: Taker) -> bool:
        """Have a request answered later; False when the ordinary way has to look at it."""
        if self.site.closing or not self._is_free(self.transport):
            return False
        asked = recognise_put(data)
        if asked is None or not taker(asked, self.site.secure, self._answer_later):
            return False
        self._taken = data
        return True

    def _wait_behind(self, data: bytes) -> None:
        """Keep what comes before the answer of a request that was taken over, and read no more."""
        self._behind += data
        if self.transport is not None:
            self.transport.pause_reading()

    def _answer_later(self, answer: bytes | None) -> None:
        """The answer to the request that was taken over; without one it goes the ordinary way now, as if it had just come."""
        data, self._taken = self._taken, None
        behind, self._behind = self._behind, b""
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._seen_at = self._loop.time()
        self._next_keepalive_close_time = self._seen_at + self.site.limits.idle_timeout_s
        if answer is not None:
            transport.write(answer)
        elif data is not None:
            super().data_received(data)
        if behind:
            transport.resume_reading()
            self.data_received(behind)

    def _process_keepalive(self) -> None:
        if self._taken is not None:
            self._next_keepalive_close_time = self._loop.time() + self.site.limits.idle_timeout_s
        super()._process_keepalive()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's own form
        """Let a request that was taken over be answered, then close."""
        if self._taken is not None:
            self._settled = self._loop.create_future()
            await asyncio.wait({self._settled}, timeout=timeout)
        await super().shutdown(timeout)

    def _look_idle(self) -> None:
        """Close a connection on which nobody asked anything for long; one at work is looked at again."""
        limit = self.site.limits.idle_timeout_s
        due = self._seen_at + limit
        now = self._loop.time()
        if due <= now and self._waits() and self._head_timer is None:
            self.force_close()
            return
        self._idle_timer = self._loop.call_later(due - now if due > now else limit, self._look_idle)

    def _head_is_late(self) -> None:
        self._head_timer = None
        log.debug("a request's head did not come in time; closing the connection")
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what was not HTTP, or no handler could answer; one line, no stack, no echo (S34, S35)."""
        assert isinstance(request, Request)
        if status >= 500:
            log.error("request %s failed outside its handler", request.request_id, exc_info=exc)
        else:
            log.debug("request %s is not valid HTTP: %s", request.request_id, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        code, text = ("internal", "Something went wrong.") if status >= 500 else ("bad-request", "Not valid HTTP.")
        response = problem_response(status, code, text, request.request_id)
        response.force_close()
        return response

    def lend_transport(self, borrower: asyncio.BufferedProtocol) -> asyncio.Transport | None:
        """Let `borrower` read the bytes that come next; the transport is paused. None when the client has left.

        `borrower` must hand on `connection_lost`, `pause_writing` and `resume_writing`, and give the transport back by
        `take_back`.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            return None
        transport.pause_reading()
        transport.set_protocol(borrower)
        return transport

    def take_back(self, body: StreamReader, *, complete: bool) -> None:
        """Go on with the connection after `lend_transport`.

        `complete`: exactly the rest of the body was read, and the next byte begins the next request. Otherwise the
        parser takes up the body where it stood, so the connection cannot be used for another request.
        """
        transport = self.transport
        if transport is None:
            return
        transport.set_protocol(self)
        if complete:
            # The parser still counts the bytes it never saw. A new one knows nothing of them.
            self._parser = HttpRequestParser(
                self,
                self._loop,
                self._read_bufsize,
                max_line_size=self.max_line_size,
                max_field_size=self.max_field_size,
                max_headers=self.max_headers,
                payload_exception=web.RequestPayloadError,
                auto_decompress=False,
                max_msg_queue_size=self._max_msg_queue_size,
            )
            body.feed_eof()
        else:
            transport.resume_reading()


class Listener(web.Server):
    """Makes a `Connection` for each client of one `Site`."""

    def __init__(self, handler: Callable[[Any], Any], site: Site, **settings: Any) -> None:
        super().__init__(handler, request_factory=self._request, **settings)
        self.site = site

    def _request(
        self, message: Any, payload: StreamReader, protocol: Any, writer: Any, task: "asyncio.Task[None]"
    ) -> Request:
        return Request(message, payload, protocol, writer, task, self._loop)

    def __call__(self) -> Connection:
        """A protocol for one more client."""
        return Connection(self, loop=self._loop, **self._kwargs)


def left_behind(body: StreamReader) -> bytes:
    """What had arrived of a body when its connection broke: aiohttp holds it, but only raises from then on."""
    return body._read_nowait(-1) if body.exception() is not None else b""
