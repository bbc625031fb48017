"""Listening, answering, closing: the HTTP server that fronts put their routes on."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from homestow.server.fronts.http.connection import Limits, Listener, Request, Site
from homestow.server.fronts.http.express import Express, Taker
from homestow.server.fronts.http.problems import ClientGone, HttpProblem, problem_response
from homestow.server.fronts.http.routing import Match, Router, WrongMethod
from homestow.server.fronts.tcp.listening import BACKLOG, Address, ListenFailed, Renewals, Tls, listen_reason, shown

log = logging.getLogger(__name__)
access_log = logging.getLogger("homestow.access")

_MAX_LOGGED_PATH: Final = 300
_READ_BUFFER_BYTES: Final = 256 * 1024
_DRAINED_BYTES: Final = 256 * 1024


class AccessLog(AbstractAccessLogger):
    """One line per request, without the query and without secret paths (S33)."""

    @property
    def enabled(self) -> bool:
        """Whether anybody reads the lines."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line for one request that has been answered."""
        assert isinstance(request, Request)
        self.logger.info(
            '%s "%s %s" %d %d %.1fms %s',
            request.remote or "local",
            request.method,
            shown_path(request),
            response.status,
            response.body_length,
            time * 1000,
            request.request_id,
        )


def shown_path(request: Request) -> str:
    """The request's path as logs may show it: no query, no secrets, ASCII, short."""
    route = request.route
    path = route.pattern if route is not None and route.confidential else request.rel_url.raw_path
    return path.encode("ascii", "backslashreplace").decode("ascii")[:_MAX_LOGGED_PATH]


class HttpServer:
    """Answers requests by `router` on any number of addresses. Made, used and closed on one running loop.

    Handlers are not cancelled when their client leaves; see `Request.gone`. Closing lets running requests end for
    `limits.shutdown_s`, then cancels them and waits as long again.
    """

    def __init__(
        self,
        router: Router,
        *,
        limits: Limits | None = None,
        proxies: Iterable[str] = (),
        express: Express | None = None,
        taker: Taker | None = None,
    ) -> None:
        """Make it.

        Args:
            proxies: addresses or networks whose `X-Forwarded-For` is believed (S29).
            express: answers the simplest requests at once; left out while every request is told in the log.
            taker: answers the simplest ones with a body, later; left out in the same way.
        """
        self._express = None if access_log.isEnabledFor(logging.INFO) else express
        self._taker = None if access_log.isEnabledFor(logging.INFO) else taker
        self._router = router
        self._limits = limits or Limits()
        self._proxies = tuple(ip_network(text) for text in proxies)
        self._listeners: list[tuple[asyncio.AbstractServer, Listener]] = []
        self._socket_files: list[Path] = []
        self._renewals = Renewals()
        self._open_per_host = Site(self._limits).open_per_host

    async def listen_tcp(self, host: str, port: int, *, tls: Tls | None = None) -> Address:
        """Answer on `host`:`port`, over TLS if given one; port 0 picks a free port.

        Raises:
            ListenFailed: the port is taken, the host is not ours, or we may not.
        """
        site = Site(
            self._limits,
            secure=tls is not None,
            proxies=self._proxies,
            open_per_host=self._open_per_host,
            express=self._express,
            taker=self._taker,
        )
        listener = self._listener(site)
        asked = shown(host, port)
        loop = asyncio.get_running_loop()
        try:
            if port == 0:
                # Of several addresses of one host each would get a port of its own.
                found = await loop.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
                host = str(found[0][4][0])
            server = await loop.create_server(
                listener,
                host,
                port,
                ssl=None if tls is None else tls.context,
                backlog=BACKLOG,
                ssl_handshake_timeout=None if tls is None else self._limits.head_timeout_s,
            )
        except OSError as error:
            raise ListenFailed(asked, listen_reason(error)) from error
        self._listeners.append((server, listener))
        if tls is not None:
            self._renewals.follow(tls)
        host, port = server.sockets[0].getsockname()[:2]
        return Address(host, port, f"{'http' if tls is None else 'https'}://{shown(host, port)}")

    async def listen_unix(self, path: Path) -> None:
        """Answer the owner of this process (and root) on a local socket at `path`; such requests are `operator`.

        Raises:
            ListenFailed: another server answers there, or the file cannot be made.
        """
        loop = asyncio.get_running_loop()
        try:
            sock = await loop.run_in_executor(None, _bind_private, path)
        except OSError as error:
            raise ListenFailed(str(path), listen_reason(error)) from error
        listener = self._listener(Site(self._limits, operator=True, admit=_is_owner))
        server = await loop.create_unix_server(listener, sock=sock, backlog=BACKLOG)
        self._listeners.append((server, listener))
        self._socket_files.append(path)

    async def close(self) -> None:
        """Stop listening, let running requests end, close all connections. May be called twice."""
        await self._renewals.close()
        listeners, self._listeners = self._listeners, []
        for server, _ in listeners:
            server.close()
        for path in self._socket_files:
            with contextlib.suppress(OSError):
                path.unlink()
        self._socket_files.clear()
        # Requests that have arrived are begun before idle connections are closed.
        await asyncio.sleep(0)
        for _, listener in listeners:
            listener.site.closing = True
            listener.pre_shutdown()
            for watched in list(listener.site.watched):
                if not watched.done():
                    watched.set_result(None)
        await asyncio.gather(*(listener.shutdown(self._limits.shutdown_s) for _, listener in listeners))

    def _listener(self, site: Site) -> Listener:
        limits = self._limits
        return Listener(
            self._answer,
            site,
            access_log=access_log,
            access_log_class=AccessLog,
            keepalive_timeout=limits.idle_timeout_s,
            lingering_time=limits.linger_s,
            max_line_size=limits.head_line_bytes,
            max_field_size=limits.head_field_bytes,
            max_headers=limits.head_fields,
            read_bufsize=_READ_BUFFER_BYTES,
            auto_decompress=False,
        )

    async def _answer(self, request: Request) -> web.StreamResponse:
        """Find the handler, and turn whatever it raises into an answer."""
        response: web.StreamResponse
        try:
            response = await self._routed(request)
        except HttpProblem as problem:
            response = problem_response(
                problem.status, problem.code, problem.message, request.request_id, problem.headers
            )
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = problem_response(error.status, "http-error", error.reason, request.request_id)
        except (ClientGone, ConnectionError):
            # Nobody is left to answer.
            response = web.Response(status=400)
            request.must_close = True
        except Exception:  # the outer loop of every request
            log.exception("request %s %s %s failed", request.request_id, request.method, shown_path(request))
            response = problem_response(500, "internal", "Something went wrong.", request.request_id)
        if not response.prepared and request.writer.output_size > 0:
            # An answer had begun before the error: it can only be broken off.
            if request.transport is not None:
                request.transport.abort()
            request.must_close = True
        if request.must_close or _leaves_much_unread(request):
            response.force_close()
        return response

    async def _routed(self, request: Request) -> web.StreamResponse:
        match self._router.find(request.method, request.rel_url.raw_path):
            case Match(route, params):
                request.route, request.params = route, params
                return await route.handler(request)
            case WrongMethod(allowed):
                headers = {"Allow": ", ".join(allowed)}
                if request.method == "OPTIONS":
                    return web.Response(status=204, headers=headers)
                raise HttpProblem(405, "method-not-allowed", "This address knows other methods.", headers)
            case None:
                raise HttpProblem(404, "not-found", "There is nothing here.")


def _leaves_much_unread(request: Request) -> bool:
    """Whether the rest of the body is too long to read it for the sake of keeping the connection."""
    if request.content.is_eof():
        return False
    declared = request.content_length
    return request.awaits_continue or declared is None or declared - request.content.total_bytes > _DRAINED_BYTES


def _is_owner(transport: asyncio.BaseTransport) -> bool:
    """Whether the process at the other end runs as our user or as root, where the system can say so."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def _bind_private(path: Path) -> socket.socket:
    """A socket bound at `path` that nobody but our user could open at any moment."""
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # On Linux the mode of a socket before it is bound becomes the mode of its file.
        os.fchmod(sock.fileno(), 0o600)
        sock.bind(str(path))
        path.chmod(0o600)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket file that nobody answers on; one that is answered on is somebody's."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
