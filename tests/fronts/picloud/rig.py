"""The real stack of `tests.fronts.isync.rig`, with PiCloud's port beside HTTP, and a client that knows only the notes on its wire."""

import asyncio
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.fronts.api.rig import PASSWORD
from tests.fronts.isync.rig import IsyncRig

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.border import Border
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.picloud.front import PicloudFront
from homestow.server.fronts.tcp.serving import TcpServer
from homestow.server.fronts.tcp.stream import Limits, Plain
from homestow.server.service.picloud import Picloud, make_picloud

D = b"::::::::::"
RECEIVED = b"FileReceived"
FAILED = b"FileError"
STORED = b"The file is stored."
QUESTION = (
    b"InputRequest:Incorrect username or password.\n[1] Exit\n[2] Register an account under this name and password\n"
)
REGISTERED = b"[+]  Registration attempt successful"
NOT_REGISTERED = b"[-]  Registration attempt failed"
LOGGED_IN = b"[+]  Login attempt successful"
NOT_LOGGED_IN = b"[-]  Login attempt failed"


def frame(payload: bytes) -> bytes:
    """One message."""
    return struct.pack(">I", len(payload)) + payload


def upload(name: str, ext: str, content: bytes) -> bytes:
    """The message that sends a file."""
    return frame(content + D + name.encode() + D + ext.encode())


def request(name: str, ext: str) -> bytes:
    """The message that asks for one."""
    return frame(name.encode() + D + ext.encode())


def user_file(user: str, password: str = PASSWORD) -> bytes:
    """The message that registers or logs in."""
    return upload(user, "id", password.encode())


class Peer:
    """One connection."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Bytes just so."""
        self.sock.sendall(data)

    def exactly(self, count: int) -> bytes:
        """So many bytes, fewer at the end of the connection."""
        data = bytearray()
        while len(data) < count and (part := self.sock.recv(min(count - len(data), 1 << 20))):
            data += part
        return bytes(data)

    def hear(self) -> bytes | None:
        """The next payload; None at the end of the connection."""
        head = self.exactly(4)
        if not head:
            return None
        assert len(head) == 4, head
        (length,) = struct.unpack(">I", head)
        payload = self.exactly(length)
        assert len(payload) == length
        return payload

    def ask(self, data: bytes, answers: int = 2) -> list[bytes | None]:
        """Send something and hear so many payloads."""
        self.send(data)
        return [self.hear() for _ in range(answers)]

    def log_in(self, user: str = "anna", password: str = PASSWORD) -> "Peer":
        """Log in, which must work."""
        assert self.ask(user_file(user, password)) == [RECEIVED, LOGGED_IN]
        return self

    def put(self, name: str, ext: str, content: bytes) -> None:
        """Send a file, which must work."""
        assert self.ask(upload(name, ext, content)) == [RECEIVED, STORED]

    def get(self, name: str, ext: str) -> bytes | None:
        """Ask for a file; its content, None when there is none."""
        self.send(request(name, ext))
        payload = self.hear()
        assert payload is not None
        if payload == FAILED:
            return None
        content, named, ending = payload.rsplit(D, 2)
        assert (named, ending) == (name.encode(), ext.encode())
        return content

    def end(self) -> bytes:
        """Send no more, and give all that comes until the server closes too."""
        self.sock.shutdown(socket.SHUT_WR)
        return self.rest()

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        data = bytearray()
        try:
            while part := self.sock.recv(1 << 20):
                data += part
        except ConnectionResetError:
            pass
        return bytes(data)

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


class PicloudRig(IsyncRig):
    """A server with all three fronts."""

    picloud: Picloud

    def __init__(
        self, place: Path, *, inbox: str | None = None, current_user: bool = False, login_s: int = 900,
        tcp: Limits | None = None, local: tuple[str, ...] = ("127.",), plain: Plain = Plain.LOOPBACK, **more: Any,
    ) -> None:  # fmt: skip
        self._inbox, self._current_user, self._login_s = inbox, current_user, login_s
        self._tcp_limits, self._local, self._plain = tcp, local, plain
        self._later_s = 0.0
        super().__init__(place, **more)

    def _add_more(self, router: Router, border: Border) -> None:
        super()._add_more(router, border)
        rows, sessions = SqlAccounts(self.database), SqlSessions(self.database)
        self.picloud = make_picloud(
            self.core, self.services, rows, sessions, inbox_root=self._inbox, current_user=self._current_user,
            login_s=self._login_s,
        )  # fmt: skip
        front = PicloudFront(self.picloud, border, self._login_s)
        self.tcp = TcpServer(
            front.handle, self._tcp_limits or Limits(linger_s=2.0), None, self._plain, local=self._is_local
        )
        real = self._loop.time
        self._later_s = 0.0
        # The loop's clock goes on by itself, and further when a test says so.
        self._loop.time = lambda: real() + self._later_s  # type: ignore[method-assign]
        self._listening = self._loop.create_task(self.tcp.listen("127.0.0.1", 0))

    def _is_local(self, host: str) -> bool:
        return host.startswith(self._local)

    @property
    def tcp_port(self) -> int:
        """Where PiCloud answers."""

        async def wait() -> int:
            return (await self._listening).port

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(20)

    def later(self, seconds: float) -> None:
        """Let time pass for connections; what is due then has happened when this returns."""

        async def wait() -> None:
            self._later_s += seconds
            for _ in range(20):
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(20)

    def until_heard(self, peer: Peer, each_s: float = 31.0) -> None:
        """Let time pass until the server says something, or hangs up."""
        for _ in range(200):
            if select.select([peer.sock], [], [], 0.05)[0]:
                return
            self.later(each_s)
        raise AssertionError("the server says nothing")

    def peer(self, user: str | None = None, source: str = "127.0.0.1") -> Peer:
        """A connection of its own, logged in."""
        made = Peer(self.tcp_port, source)
        return made if user is None else made.log_in(user)

    def open_streams(self) -> int:
        """How many connections the server has."""

        async def count() -> int:
            return len(self.tcp._tasks)

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(20)

    def nodelay(self) -> list[bool]:
        """Of each connection, whether small writes leave at once."""
        socks = [stream._transport.get_extra_info("socket") for stream in self.tcp._site.streams if stream._transport]
        return [bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) for sock in socks]

    def settled(self) -> None:
        """Wait until the server is done with every connection; all were hung up on."""
        self.settled_but(0)

    def settled_but(self, open_yet: int) -> None:
        """Wait until only so many are left."""

        async def wait() -> None:
            deadline = time.monotonic() + 20
            while len(self.tcp._tasks) > open_yet:
                assert time.monotonic() < deadline
                await asyncio.wait(self.tcp._tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(30)

    def until_coming(self, count: int = 1) -> None:
        """Wait until so many long messages have begun."""
        deadline = time.monotonic() + 20
        while len(list(self.roots_coming())) < count:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def roots_coming(self) -> list[int]:
        """For which roots room is kept while a long message comes."""
        return list(self.picloud.files._coming)

    def own(self, user: str = "anna") -> Path:
        """The folder of somebody's own root."""
        return self.place / "data" / "files" / user

    def files(self, user: str = "anna") -> dict[str, bytes]:
        """What lies in it, by path, without what is the server's own."""
        folder = self.own(user)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and ".homestow" not in path.parts
        }

    def nothing_staged(self, user: str = "anna") -> None:
        """Nothing of what broke off is left, nor room kept for it."""
        for root in self.roots.all():
            assert list(self.roots.get(root.id).staged_keys()) == []
        assert not self.picloud.files._coming
        assert self.catalogue.intents() == []

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.tcp.close(), self._loop).result(30)
        self.picloud.close()
        super().close()


@contextmanager
def open_rig(place: Path, **more: Any) -> Iterator[PicloudRig]:
    """A rig that is closed at the end."""
    made = PicloudRig(place, **more)
    try:
        yield made
    finally:
        made.close()
