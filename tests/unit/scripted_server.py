"""A server that answers what a test scripts, byte for byte, over real sockets; it reads requests properly and keeps them."""

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Answer = bytes | list[bytes] | None
"""Bytes to send, pieces to send one by one until the client is gone, or None: close without a word."""


@dataclass
class ScriptedServer:
    """Serves connections from threads until it is closed."""

    answer: Callable[[Asked], Answer]
    unix: Path | None = None
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    _connections: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "ScriptedServer":
        if self.unix is not None:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.unix))
        else:
            self._listener = socket.socket()
            self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(50)
        thread = threading.Thread(target=self._accept)
        thread.start()
        self._threads.append(thread)
        return self

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    def hang_up(self) -> None:
        """Close every connection."""
        for sock in self._connections:
            _shut(sock)

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, len(self._connections)))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with sock.makefile("rb") as stream:
                while (asked := _read(stream, number)) is not None:
                    self.asked.append(asked)
                    answer = self.answer(asked)
                    if answer is None:
                        return
                    for piece in [answer] if isinstance(answer, bytes) else answer:
                        sock.sendall(piece)
                    if b"connection: close" in (answer if isinstance(answer, bytes) else b"".join(answer[:99])).lower():
                        return
        except (OSError, ValueError, IndexError):
            pass
        finally:
            _shut(sock)
            sock.close()


def _read(stream: BinaryIO, number: int) -> Asked | None:
    line = stream.readline().decode().split()
    if not line:
        return None
    headers = {}
    while (header := stream.readline().decode().strip()) != "":
        name, _, value = header.partition(": ")
        headers[name.lower()] = value
    body = stream.read(int(headers.get("content-length", 0)))
    return Asked(line[0], line[1], headers, body, number)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
