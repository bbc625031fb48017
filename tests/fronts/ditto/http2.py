"""HTTP/2 as a hostile client speaks it: frames just so, none of the rules kept for us."""

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(payload: bytes, compressed: int = 0) -> bytes:
    """A gRPC message."""
    return bytes([compressed]) + struct.pack(">I", len(payload)) + payload


def headers(path: str, more: Sequence[tuple[str, str]] = ()) -> bytes:
    """The block of headers that begins a call; nothing is compressed."""
    fields = [
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers"),
        ("content-type", "application/grpc"), *more,
    ]  # fmt: skip
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)


def _text(text: str) -> bytes:
    data = text.encode()
    size = bytes([len(data)]) if len(data) < 127 else b"\x7f" + _rest(len(data) - 127)
    return size + data


def _rest(number: int) -> bytes:
    found = b""
    while number >= 128:
        found += bytes([number % 128 + 128])
        number //= 128
    return found + bytes([number])


class Http2:
    """One connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").rpartition(":")
        self.sock = socket.create_connection((host, int(port)), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
        self._rest = b""
        self.next = 1

    def call(self, path: str, more: Sequence[tuple[str, str]] = (), flags: int = END_HEADERS) -> int:
        """Begin a call; its stream."""
        stream, self.next = self.next, self.next + 2
        self.sock.sendall(frame(HEADERS, flags, stream, headers(path, more)))
        return stream

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """What comes: kind, flags, stream, payload; settings and pings are answered. Ends with the connection."""
        while True:
            while len(self._rest) >= 9:
                size = int.from_bytes(self._rest[:3], "big")
                if len(self._rest) < 9 + size:
                    break
                kind, flags, stream = self._rest[3], self._rest[4], int.from_bytes(self._rest[5:9], "big")
                payload, self._rest = self._rest[9 : 9 + size], self._rest[9 + size :]
                if kind in (SETTINGS, PING) and not flags & ACK:
                    self.sock.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
                yield kind, flags, stream, payload
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                return
            if not data:
                return
            self._rest += data

    def ended(self, stream: int) -> bytes:
        """The last headers of a call (as they come, packed), once it ended; b"" when it was reset or the connection ended."""
        last = b""
        for kind, flags, at, payload in self.frames():
            if at == stream and kind == HEADERS:
                last = payload
                if flags & END_STREAM:
                    return last
            if (at == stream and kind == RESET) or kind == GOAWAY:
                return b""
        return b""

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def __enter__(self) -> "Http2":
        return self

    def __exit__(self, *args: object) -> None:
        self.close()
