"""Both ends of PiCloud connections on this machine, for tests of the `pycloud` library."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pycloud
from pycloud import ServerSocket, framing, hashing, remembering

D = b"::::::::::"
RECEIVED = b"FileReceived"
QUESTION = (
    b"InputRequest:Incorrect username or password.\n[1] Exit\n[2] Register an account under this name and password\n"
)


@contextmanager
def working_in(path: Path) -> Iterator[Path]:
    """An empty working directory; nobody is logged in from anywhere; hashes are quick; servers stay on this machine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(path)
        patched.setenv("PYCLOUD_HOST", "127.0.0.1")
        patched.setattr(hashing, "COST_LOG2", 4)
        remembering.logins.forget()
        remembering.tries.forget()
        yield path


class serving:  # noqa: N801  # used as a statement
    """A server in a thread of its own, stopped at the end."""

    def __enter__(self) -> ServerSocket:
        self.server = ServerSocket(0)
        self.thread = threading.Thread(target=self.server.activate)
        self.thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


class Peer:
    """A client of raw bytes."""

    def __init__(self, server: ServerSocket) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def say(self, payload: bytes) -> None:
        self.sock.sendall(len(payload).to_bytes(4, "big") + payload)

    def hear(self) -> bytes:
        """The next message; b"" at the end."""
        head = self._exactly(4)
        return self._exactly(int.from_bytes(head, "big")) if head else b""

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count and (piece := self.sock.recv(count - len(got))):
            got += piece
        return got

    def ask(self, payload: bytes) -> bytes:
        self.say(payload)
        return self.hear()

    def send(self, content: bytes, name: str, ext: str) -> list[bytes]:
        """Send a file; the two messages that answer it."""
        self.say(content + D + name.encode() + D + ext.encode())
        return [self.hear(), self.hear()]


def file(content: bytes, name: str, ext: str) -> bytes:
    return content + D + name.encode() + D + ext.encode()


def poll(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("waited in vain")


class server_of_one:  # noqa: N801  # used as a statement
    """A server of raw bytes: takes one message, says one thing, hears one more, and leaves (or stays until the end)."""

    def __init__(self, word: bytes, heard: list[bytes] | None = None, *, stay: bool = False) -> None:
        self.word = word
        self.heard = [] if heard is None else heard
        self.done = threading.Event()
        self.stay = stay

    def __enter__(self) -> int:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        taken, _ = self.listener.accept()
        with taken:
            taken.settimeout(10)
            self.heard.append(pycloud.recv_all(taken) or b"")
            framing.send(taken, self.word)
            if self.stay:
                self.done.wait(10)
            else:
                self.heard.append(pycloud.recv_all(taken) or b"")

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join(10)
        self.listener.close()
