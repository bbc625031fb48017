"""Orders through the owner-only socket of a running server."""

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from homestow.cli.control import ask_server
from homestow.values.errors import NameTaken, NotHomestow, Unreachable
from homestow.wire.api import Order

Answer = Callable[[str, dict[str, object]], tuple[int, bytes]]


@contextmanager
def listening(path: Path, answer: Answer) -> Iterator[None]:
    """Something that speaks HTTP at a socket file."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one order."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = answer(self.path, body)
            if status:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def address_string(self) -> str:
            """There is none."""
            return "local"

    class Server(socketserver.UnixStreamServer):
        def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
            """A peer at a socket file has no address; the handler wants one."""
            return self.socket.accept()[0], ("local", 0)

    here = os.getcwd()
    os.chdir(path.parent)  # a socket's own name has 107 bytes at most
    try:
        server = Server(path.name, Handler)
    finally:
        os.chdir(here)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a server, or with one that was killed, the answer is None: the order goes to the folder."""
    assert ask_server(tmp_path / "control.sock", Order(name="user.list")) is None
    with listening(tmp_path / "control.sock", lambda *_: (200, b"")):
        pass
    assert (tmp_path / "control.sock").exists()
    assert ask_server(tmp_path / "control.sock", Order(name="user.list")) is None


@pytest.mark.parametrize("folder", ["near", "far/" + "x" * 200])
def test_an_order_and_its_outcome(tmp_path: Path, folder: str) -> None:
    """Lines for people come back, however long the folder's name is."""
    place = tmp_path / folder
    place.mkdir(parents=True)
    seen: list[tuple[str, dict[str, object]]] = []

    def answer(path: str, body: dict[str, object]) -> tuple[int, bytes]:
        seen.append((path, body))
        return 200, b'{"lines": ["one", "two"], "data": {"x": 1}}'

    with listening(place / "control.sock", answer):
        outcome = ask_server(place / "control.sock", Order(name="user.add", args={"name": "anna", "admin": True}))

    assert outcome is not None
    assert (outcome.lines, bytes(outcome.data)) == (["one", "two"], b'{"x": 1}')
    assert seen == [("/api/v1/admin", {"name": "user.add", "args": {"name": "anna", "admin": True}})]


def test_a_refusal_is_the_error_it_would_be_here(tmp_path: Path) -> None:
    """Code, message and facts survive the way."""
    problem = b'{"code": "name-taken", "message": "anna is taken.", "facts": {"x": 1}}'
    with (
        listening(tmp_path / "s", lambda *_: (409, problem)),
        pytest.raises(NameTaken, match="anna is taken") as caught,
    ):
        ask_server(tmp_path / "s", Order(name="user.add"))
    assert caught.value.facts == {"x": 1}


def test_something_else_at_the_socket(tmp_path: Path) -> None:
    """What is no Homestow server is told apart from one that stopped half-way."""
    with listening(tmp_path / "a", lambda *_: (200, b"<html>")), pytest.raises(NotHomestow):
        ask_server(tmp_path / "a", Order(name="x"))
    with listening(tmp_path / "b", lambda *_: (0, b"")), pytest.raises(Unreachable, match="was carried out"):
        ask_server(tmp_path / "b", Order(name="x"))
