"""HTTP on loopback with bounds: so many connections, so many bytes, so many seconds, and nothing of a request in an error."""

import contextlib
import io
import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from homestow.client.control.web.asking import Asking, Reply, split_target, trouble
from homestow.client.control.web.limits import Limits
from homestow.values.errors import BadRequest

log = logging.getLogger(__name__)

IDLE_S = 3600.0
"""The loop of the server looks around so seldom when nobody comes."""
Answer = Callable[[Asking], Reply]
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
)
"""Headers of every answer, unless it says otherwise."""
CROWDED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class TooMuch(HTTPException):
    """A request has more bytes than it may."""


class _Bounded(io.RawIOBase):
    """What a peer sends, until its time or its bytes are used up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ends = 0.0
        self._left = 0

    def allow(self, seconds: float, size_bytes: int) -> None:
        """From now on so much."""
        self._ends = time.monotonic() + seconds
        self._left = size_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise TooMuch
        self._connection.settimeout(left_s)
        count = self._connection.recv_into(into, min(len(into), self._left))
        self._left -= count
        return count


class BoundedServer(ThreadingMixIn, HTTPServer):
    """A thread for each connection, as many as `limits` allows."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, answer: Answer, limits: Limits) -> None:
        self.answer = answer
        self.limits = limits
        self._free = threading.BoundedSemaphore(limits.connections)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._mine = threading.local()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        """Bind, without asking the resolver for a name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, or turn it away when none is free."""
        if not self._free.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.settimeout(0)
                request.send(CROWDED)
            self.shutdown_request(request)
            return
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        self._mine.connection = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's error; anything else is ours."""
        log.debug("a connection of the local HTTP API ended", exc_info=True)

    def serve(self) -> None:
        """Take connections until the end; nothing is polled meanwhile."""
        self.serve_forever(IDLE_S)

    def end(self) -> None:
        """Take no more, and end all connections but the one whose request asked for it, which ends with its answer."""
        mine = getattr(self._mine, "connection", None)
        ending = threading.Thread(target=self.shutdown, daemon=True)
        ending.start()
        while ending.is_alive():
            # A last connection wakes the loop, which then sees that it is over.
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.server_port), 0.1).close()
            ending.join(0.05)
        self.server_close()
        with self._lock:
            for connection in self._open - {mine}:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Reads requests of one connection and has them answered."""

    protocol_version = "HTTP/1.1"
    server: BoundedServer

    def setup(self) -> None:
        """Read through the bounds."""
        super().setup()
        self.rfile.close()
        self._reading = _Bounded(self.connection)
        self.rfile = io.BufferedReader(self._reading)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_one_request(self) -> None:
        """Read one request, answer it."""
        limits = self.server.limits
        self.close_connection = True
        self.command, self.request_version = "", self.protocol_version
        self._reading.allow(limits.head_s, limits.head_bytes)
        try:
            self.raw_requestline = self.rfile.readline(limits.head_bytes + 1)
            if not self.raw_requestline or not self.parse_request():
                return
            asking = self._asking()
            if isinstance(asking, Reply):
                self.close_connection = True
                self._send(asking)
            else:
                self._send(self._answer(asking))
        except TooMuch:
            self.close_connection = True
            self._send(trouble(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "This request is too long."))
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def _asking(self) -> Asking | Reply:
        """The whole request, or why it is none."""
        if self.command not in METHODS:
            return trouble(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET, HEAD, POST and DELETE are known here.")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            low = name.lower()
            if low in headers and low in ("host", "content-length", "origin", "authorization"):
                return trouble(HTTPStatus.BAD_REQUEST, f"Two headers {low}.")
            headers[low] = f"{headers[low]}, {value}" if low in headers else value
        if not self.path.isascii() or "transfer-encoding" in headers:
            return trouble(HTTPStatus.BAD_REQUEST, "Send a request with a length, to an address in ASCII.")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return trouble(HTTPStatus.BAD_REQUEST, "The length of the body is no number.")
        if int(length) > self.server.limits.body_bytes:
            return trouble(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too long.")
        try:
            path, query = split_target(self.path)
        except BadRequest as error:
            return trouble(HTTPStatus.BAD_REQUEST, error.message)
        self._reading.allow(self.server.limits.body_s, int(length) + io.DEFAULT_BUFFER_SIZE)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError
        return Asking(self.command, self.path, path, query, headers, body)

    def _answer(self, asking: Asking) -> Reply:
        try:
            return self.server.answer(asking)
        except Exception:
            log.exception("the local HTTP API failed at %s", asking.method)
            return trouble(HTTPStatus.INTERNAL_SERVER_ERROR, "This failed inside; the log of the service says more.")

    def _send(self, reply: Reply) -> None:
        if reply.stream is None:
            self.connection.settimeout(self.server.limits.write_s)
            body = b"" if self.command == "HEAD" else reply.body
            self.connection.sendall(self._head(reply) + body)
            return
        self.close_connection = True
        with contextlib.closing(reply.stream):
            self.connection.settimeout(self.server.limits.write_s)
            self.connection.sendall(self._head(reply))
            if self.command != "HEAD":
                for piece in reply.stream:
                    self.connection.settimeout(self.server.limits.write_s)
                    self.connection.sendall(piece)

    def _head(self, reply: Reply) -> bytes:
        given = dict(reply.headers)
        if reply.stream is None and reply.status != HTTPStatus.NO_CONTENT:
            given["Content-Length"] = str(len(reply.body))
        if reply.stream is not None or reply.body:
            given["Content-Type"] = reply.kind
        if self.close_connection:
            given["Connection"] = "close"
        for name, value in ALWAYS:
            given.setdefault(name, value)
        lines = [f"HTTP/1.1 {int(reply.status)} {HTTPStatus(reply.status).phrase}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the parser found, without a word of the request."""
        self.close_connection = True
        self._send(trouble(code, HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: an address may hold a password (S91)."""
