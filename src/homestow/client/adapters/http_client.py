"""HTTP/1.1 to one server: lean, strict, with a deadline on every wait and connections kept for the next request.

Made for this client alone: the libraries at hand cost half a second to import or a tenth of a millisecond for each small
file, and none can send a slice of a file without copying it. It speaks `http:`, `https:` (always verified, TLS 1.2 or
newer, `SSL_CERT_FILE` names other roots of trust; S89) and `unix:/path`, nothing else (S88). It never follows a redirect.
"""

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from homestow.client.adapters.dialing import Dialer
from homestow.client.adapters.http_address import Address, parse_url
from homestow.client.adapters.http_parsing import Framing, Head, framing_of, parse_chunk_size, parse_head
from homestow.client.adapters.throttle import Flow, Throttle
from homestow.values.errors import NotHomestow, Unreachable

MAX_PIECE: Final = 1024 * 1024
"""Most bytes of an answer held at once while it streams."""

_MAX_HEAD: Final = 64 * 1024
_MAX_LINE: Final = 4096
_MAX_INTERIM: Final = 16
_SEND: Final = 256 * 1024
_TLS_PIECE: Final = 256 * 1024
_MAX_IDLE: Final = 16
_IDLE_S: Final = 50.0
_SLOWEST: Final = 1024
"""Bytes per second below which an answer is given up, after the time that any answer has."""


class Pieces(Protocol):
    """A request body that can be read from the start as often as needed."""

    @property
    def size(self) -> int:
        """Length of all pieces together, in bytes."""

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """The pieces in order."""


@dataclass(frozen=True, slots=True)
class FileSlice:
    """`size` bytes of an open file from `offset` on; the file stays its owner's."""

    fd: int
    offset: int
    size: int


Body = bytes | bytearray | memoryview | FileSlice | Pieces


class _Connection:
    """One connection; used by one request at a time. `waited`: seconds in which we did not want to receive."""

    def __init__(self, sock: socket.socket, address: Address, throttle: Throttle | None) -> None:
        self.sock = sock
        self.tls = address.tls
        self.up: Flow | None = None if throttle is None else throttle.up
        self.down: Flow | None = None if throttle is None else throttle.down
        self.waited = 0.0
        self.closed = False
        self.used = False
        self.idle_since = 0.0
        self.rest = b""

    def receive(self, size: int, timeout_s: float) -> bytes:
        """Up to `size` bytes; b"" when the other side has closed."""
        if self.rest:
            data, self.rest = self.rest[:size], self.rest[size:]
            return data
        self.sock.settimeout(max(0.001, timeout_s))
        if self.down is None or not self.down.limited:
            return self.sock.recv(size)
        data = self.sock.recv(min(size, self.down.piece))
        self.waited += self.down.spend(len(data), self.is_closed)
        return data

    def is_closed(self) -> bool:
        """Whether somebody closed it; for waits that are then in vain."""
        return self.closed

    def is_quiet(self) -> bool:
        """Whether it can be used again: a server that closed or spoke unasked makes it readable."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLHUP)
        return not self.rest and not poll.poll(0)

    def shut(self) -> None:
        """End what is under way, from any thread."""
        self.closed = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self.shut()
        self.sock.close()


class Response:
    """An answer: its head, and its body as it comes. Close it; a body read to its end keeps the connection."""

    def __init__(self, owner: "HttpClient", connection: _Connection, head: Head, framing: Framing) -> None:
        self.status = head.status
        self.headers = head.headers
        self._owner = owner
        self._connection: _Connection | None = connection
        self._keep = head.keep_alive and framing.chunked is not None
        self._chunked = bool(framing.chunked)
        self._left: int | None = 0 if framing.chunked else framing.length
        self._first = True
        self._began = time.monotonic() - connection.waited
        self._received = 0
        if not self._chunked and self._left == 0:
            self._finish()

    def header(self, name: str) -> str:
        """A header by its lower-case name, "" when it is missing."""
        return self.headers.get(name, "")

    @property
    def length(self) -> int | None:
        """Announced length of the body in bytes; None when it was not announced."""
        return None if self._chunked else self._left

    def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            NotHomestow: longer than `limit` bytes.
            Unreachable: it broke off, or came too slowly.
        """
        pieces = []
        size = 0
        for piece in self.pieces():
            size += len(piece)
            if size > limit:
                self.close()
                raise NotHomestow(f"The server's answer is longer than {limit} bytes.")
            pieces.append(piece)
        return b"".join(pieces)

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 1 MiB."""
        try:
            while self._connection is not None:
                if self._chunked and self._left == 0 and not self._next_chunk():
                    self._finish()
                    return
                piece = self._piece(MAX_PIECE if self._left is None else min(self._left, MAX_PIECE))
                if not piece:
                    self._end_by_close()
                    return
                if self._left is not None:
                    self._left -= len(piece)
                    if self._left == 0 and not self._chunked:
                        self._finish()
                yield piece
        except OSError as error:
            raise self._owner.broken(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Let go; may be called twice. An unread rest costs the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._owner.drop(connection)

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._keep:
                self._owner.keep(connection)
            else:
                self._owner.drop(connection)

    def _end_by_close(self) -> None:
        if self._left is not None:
            raise Unreachable("The connection broke in the middle of the server's answer.")
        self._finish()

    def _receive(self, size: int) -> bytes:
        if self._connection is None:
            raise Unreachable("The connection was closed.")
        allowed = self._began + self._connection.waited + self._owner.timeout_s + self._received / _SLOWEST
        left = allowed - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, "too slow")
        data = self._connection.receive(size, min(left, self._owner.timeout_s))
        self._received += len(data)
        return data

    def _piece(self, size: int) -> bytes:
        piece = self._receive(size)
        if self._connection is None or not self._connection.tls or len(piece) >= min(size, _TLS_PIECE) or not piece:
            return piece
        # TLS gives 16 KiB at once; one larger piece costs its receiver less.
        pieces = [piece]
        have, wanted = len(piece), min(size, _TLS_PIECE)
        while have < wanted:
            piece = self._receive(wanted - have)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def _line(self) -> bytes:
        line = b""
        while b"\n" not in line:
            if len(line) > _MAX_LINE:
                raise NotHomestow("The server's answer is not well-formed HTTP.")
            data = self._receive(_MAX_LINE)
            if not data:
                raise Unreachable("The connection broke in the middle of the server's answer.")
            line += data
        line, _, rest = line.partition(b"\n")
        if self._connection is not None:
            self._connection.rest = rest + self._connection.rest
        return line.removesuffix(b"\r")

    def _next_chunk(self) -> bool:
        """Read the line that begins a chunk; False after the last one, with its trailers."""
        if not self._first and self._line():
            raise NotHomestow("The server's answer is not well-formed HTTP.")
        self._first = False
        self._left = parse_chunk_size(self._line())
        if self._left:
            return True
        for _ in range(_MAX_INTERIM):
            if not self._line():
                return False
        raise NotHomestow("The server's answer is not well-formed HTTP.")


class HttpClient:
    """Requests to one server; may be used from several threads at once, each request with a connection of its own."""

    def __init__(
        self, url: str, timeout_s: float = 60.0, user_agent: str = "homestow", throttle: Throttle | None = None
    ) -> None:
        """Nothing is connected yet.

        Args:
            timeout_s: longest wait for a connection, for the other side to take or give a byte, and for an answer to begin.
            throttle: says how fast bytes may go and come; None: as fast as they can.
        Raises:
            BadSettings: see `http_address.parse_url`.
        """
        self.address = parse_url(url)
        self.timeout_s = timeout_s
        self._agent, self._throttle = user_agent, throttle
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._closed = False
        to = self.address
        self._dialer = Dialer(
            to.host,
            to.port,
            to.path or to.authority,
            tls=to.tls,
            timeout_s=timeout_s,
            path=to.path,
            protocols=("http/1.1",),
        )

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        *,
        repeatable: bool = False,
        wait_s: float = 0.0,
    ) -> Response:
        """Send a request and read the head of its answer.

        A kept connection that turns out to be closed is replaced by a new one, once: when the request was not sent whole,
        or when it is `repeatable` (asking twice has one effect).

        Args:
            target: path below the server's prefix, with its query, percent-encoded.
            headers: printable ASCII; `Host`, `Content-Length` and `User-Agent` are added.
            wait_s: seconds that the answer may take longer than `timeout_s`, as a long poll does.
        Raises:
            Unreachable: no answer came; the effect of the request is unknown.
            NotHomestow: something answered that is no HTTP, or cannot prove who it is.
        """
        head = self._head(method, target, headers, body)
        for attempt in (1, 2):
            connection = self._take(fresh=attempt == 2)
            reused, sent = connection.used, False
            try:
                sent = self._send(connection, head, body)
                answer = self._read_head(connection, wait_s)
                connection.used = True
                return Response(self, connection, answer, framing_of(method, answer))
            except (OSError, EOFError) as error:
                self.drop(connection)
                stale = reused and not isinstance(error, TimeoutError) and not self._closed
                if attempt == 1 and stale and (repeatable or not sent):
                    continue
                raise self.broken(error) from error
            except BaseException:
                self.drop(connection)
                raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close all connections; requests under way end with `Unreachable`."""
        with self._lock:
            self._closed = True
            connections = [*self._idle, *self._busy]
            self._idle.clear()
        for connection in connections:
            connection.shut()
            if connection not in self._busy:
                connection.sock.close()

    # --- connections ---------------------------------------------------------------------------------------------------

    def keep(self, connection: _Connection) -> None:
        """Take back a connection whose answer was read to its end."""
        with self._lock:
            self._busy.discard(connection)
            if not self._closed and len(self._idle) < _MAX_IDLE:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                return
        connection.close()

    def drop(self, connection: _Connection) -> None:
        """Close a connection that cannot be used again."""
        with self._lock:
            self._busy.discard(connection)
        connection.close()

    def broken(self, error: BaseException) -> Unreachable:
        """The error for a failed connection."""
        return self._closed_now() or self._dialer.broken(error)

    def _closed_now(self) -> Unreachable | None:
        return Unreachable("The connection was closed.") if self._closed else None

    def _take(self, *, fresh: bool) -> _Connection:
        now = time.monotonic()
        stale = []
        found = None
        with self._lock:
            if self._closed:
                raise Unreachable("The connection was closed.")
            while self._idle and found is None:
                connection = self._idle.pop()
                if not fresh and now - connection.idle_since < _IDLE_S and connection.is_quiet():
                    found = connection
                    self._busy.add(found)
                else:
                    stale.append(connection)
        for connection in stale:
            connection.close()
        return found or self._connect()

    def _connect(self) -> _Connection:
        try:
            sock = self._dialer.connect()
        except Unreachable as error:
            raise self._closed_now() or error from error.__cause__
        connection = _Connection(sock, self.address, self._throttle)
        with self._lock:
            self._busy.add(connection)
            closed = self._closed
        if closed:
            self.drop(connection)
            raise Unreachable("The connection was closed.")
        return connection

    # --- one request ---------------------------------------------------------------------------------------------------

    def _head(self, method: str, target: str, headers: Mapping[str, str], body: Body | None) -> bytes:
        lines = [
            f"{method} {self.address.prefix}{target} HTTP/1.1",
            f"Host: {self.address.authority}",
            f"User-Agent: {self._agent}",
            "Accept-Encoding: identity",
        ]
        if body is not None or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {_size(body)}")
        for name, value in headers.items():
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"not a header value: {name}")
            lines.append(f"{name}: {value}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    def _send(self, connection: _Connection, head: bytes, body: Body | None) -> bool:
        """Send all of it; True when anything was given to the system.

        Raises:
            OSError: the connection broke and nothing was answered. When the server answered before it had read all (a
                refusal), this returns and the answer can be read.
        """
        connection.sock.settimeout(self.timeout_s)
        if connection.up is None:
            self._send_now(connection, head, body)
        else:
            with connection.up.line(_size(body), connection.is_closed):
                self._send_now(connection, head, body)
        return True

    def _send_now(self, connection: _Connection, head: bytes, body: Body | None) -> None:
        try:
            if body is None:
                _send_all(connection, head)
            elif isinstance(body, FileSlice):
                _send_all(connection, head)
                self._send_file(connection, body)
            else:
                _send_pieces(connection, head, body)
        except (BrokenPipeError, ConnectionResetError):
            if not _is_readable(connection.sock, 0.5):
                raise

    def _send_file(self, connection: _Connection, part: FileSlice) -> None:
        """Send a slice of a file, by the kernel alone where the connection is plain.

        Raises:
            NotHomestow: never. ValueError: the file became shorter.
        """
        offset, stop = part.offset, part.offset + part.size
        while offset < stop:
            if connection.tls:
                data = os.pread(part.fd, min(_SEND, stop - offset), offset)
                _send_all(connection, data)
                sent = len(data)
            else:
                most = _at_once(connection.up, min(stop - offset, 2**30))
                sent = self._send_by_kernel(connection.sock, part.fd, offset, most)
                _spend(connection, sent)
            if sent == 0:
                raise Unreachable("The file became shorter while it was sent.")
            offset += sent

    def _send_by_kernel(self, sock: socket.socket, fd: int, offset: int, size: int) -> int:
        while True:
            try:
                return os.sendfile(sock.fileno(), fd, offset, size)
            except BlockingIOError:
                poll = select.poll()
                poll.register(sock, select.POLLOUT)
                if not poll.poll(self.timeout_s * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None

    def _read_head(self, connection: _Connection, wait_s: float) -> Head:
        deadline = time.monotonic() + self.timeout_s + wait_s - connection.waited
        for _ in range(_MAX_INTERIM):
            data = b""
            while (end := data.find(b"\r\n\r\n")) < 0:
                if len(data) > _MAX_HEAD:
                    raise NotHomestow("The head of the server's answer is too long.")
                left = deadline + connection.waited - time.monotonic()
                if left <= 0:
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                more = connection.receive(_MAX_HEAD, left)
                if not more:
                    raise EOFError("closed before an answer")
                data += more
            if end > _MAX_HEAD:
                raise NotHomestow("The head of the server's answer is too long.")
            connection.rest = data[end + 4 :] + connection.rest
            head = parse_head(data[:end])
            if head.status >= 200:
                return head
        raise NotHomestow("The server's answer does not begin.")


def _size(body: Body | None) -> int:
    if body is None:
        return 0
    return len(body) if isinstance(body, bytes | bytearray | memoryview) else body.size


def _at_once(flow: Flow | None, most: int) -> int:
    return most if flow is None or not flow.limited else min(most, flow.piece)


def _spend(connection: _Connection, size: int) -> None:
    if connection.up is not None:
        connection.up.spend(size, connection.is_closed)


def _send_all(connection: _Connection, data: bytes | memoryview) -> None:
    """Send everything; each piece has its own deadline, so that a large body on a slow line is no failure."""
    rest = memoryview(data)
    while rest:
        sent = connection.sock.send(rest[: _at_once(connection.up, _SEND)])
        rest = rest[sent:]
        _spend(connection, sent)


def _send_pieces(connection: _Connection, head: bytes, body: bytes | bytearray | memoryview | Pieces) -> None:
    """Send head and body in few large pieces, copying only what is small."""
    pieces: Sequence[bytes | memoryview] | Pieces
    pieces = [memoryview(body)] if isinstance(body, bytes | bytearray | memoryview) else body
    waiting: list[bytes | memoryview] = [head]
    size = len(head)
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _SEND:
            if len(piece) >= _SEND:
                waiting.pop()
                _send_all(connection, b"".join(waiting))
                _send_all(connection, memoryview(piece))
            else:
                _send_all(connection, b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        _send_all(connection, b"".join(waiting))


def _is_readable(sock: socket.socket, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(timeout_s * 1000))
