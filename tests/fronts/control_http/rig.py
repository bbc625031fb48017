"""The local HTTP API over a service in memory, and peers that speak to it byte by byte."""

import hashlib
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.control_twin import TwinService

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.apps.page import FOLDERS
from homestow.client.control.web.limits import Limits
from homestow.client.control.web.page import WebPage

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def read_answer(heard: bytes) -> Answer:
    head, _, body = heard.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


def exchange(port: int, sent: bytes, *, end: bool = False) -> bytes:
    """All that comes back for some bytes, until the other side closes; `end`: nothing more is sent after them."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(sent)
        if end:
            peer.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := peer.recv(1 << 16):
            heard += piece
        return heard


@dataclass
class Site:
    """An open page and what stands behind it."""

    twin: TwinService
    page: WebPage
    clock: SimClock
    port: int
    ports_file: Path

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
        """One request on a connection of its own, with a right Host unless another is given."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **(headers or {})}
        if body is not None:
            given = {**JSON, "Content-Length": str(len(content)), **given}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return read_answer(
            exchange(self.port, f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content)
        )

    def key(self) -> str:
        """A key of the page, as it stands in the address."""
        return self.page.open().partition("#key=")[2]

    def enter(self) -> "Visitor":
        """A session, as our page opens one."""
        answer = self.ask("POST", "/control/open", body={"key": self.key()})
        assert answer.status == 200
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return Visitor(self, {"Cookie": cookie, "X-Homestow-Proof": answer.json()["token"]})

    def log_in(self) -> "OldWindow":
        """A client with the name and password of the ports file."""
        _, _, user, password = self.ports_file.read_text().split(":")
        return OldWindow(self, user, password)


@dataclass
class Visitor:
    """Our page, as far as its requests go."""

    site: Site
    secrets: dict[str, str]

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
        return self.site.ask(method, target, {**self.secrets, **(headers or {})}, body)

    def order(self, name: str, **facts: Any) -> Any:
        """What an order gives, or its refusal."""
        answer = self.ask("POST", "/control", body={"order": {"order": name, **facts}})
        told = answer.json()
        return told["gave"] if "gave" in told else told["refused"]


@dataclass
class OldWindow:
    """The window of the shipped service: asks, is challenged, answers, and goes on with the same nonce."""

    site: Site
    user: str
    password: str
    nonce: str = ""
    count: int = 0
    challenges: list[str] = field(default_factory=list)

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
        for _ in range(2):
            given = {**(headers or {}), **({"Authorization": self.words(method, target)} if self.nonce else {})}
            answer = self.site.ask(method, target, given, body)
            if answer.status != 401 or "www-authenticate" not in answer.headers:
                return answer
            self.challenges.append(answer.headers["www-authenticate"])
            found = re.search(r'nonce="([^"]+)"', self.challenges[-1])
            assert found
            self.nonce, self.count = found[1], 0
        return answer

    def words(self, method: str, target: str, realm: str = "PydioSyncAuthRealm") -> str:
        """A value of Authorization for the next request."""
        self.count += 1
        secret, asked = md5(f"{self.user}:{realm}:{self.password}"), md5(f"{method}:{target}")
        answer = md5(f"{secret}:{self.nonce}:{self.count:08x}:0a4f113b:auth:{asked}")
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{self.nonce}", uri="{target}", algorithm="MD5", '
            f'response="{answer}", qop=auth, nc={self.count:08x}, cnonce="0a4f113b"'
        )


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@contextmanager
def opened(folder: Path, twin: TwinService | None = None, limits: Limits = Limits()) -> Iterator[Site]:
    """A page on a free port until the end of the block."""
    clock = SimClock()
    twin = twin or TwinService()
    ports_file = folder / "ports_config"
    page = WebPage(twin, folders=FOLDERS, ports_file=ports_file, monotonic=clock.monotonic, limits=limits)
    try:
        yield Site(twin, page, clock, page.start(0), ports_file)
    finally:
        page.stop()
