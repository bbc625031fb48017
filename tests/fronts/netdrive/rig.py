"""The real stack of `tests.fronts.isync.rig`, with netdrive's port beside HTTP, and a client that knows only the protocol's notes.

The client writes and reads bytes by hand: it shares no code with the server.
"""

import asyncio
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.fronts.api.rig import PASSWORD
from tests.fronts.isync.rig import IsyncRig

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s, SqlNetdrive
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.border import Border
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.netdrive.front import NetdriveFront
from homestow.server.fronts.tcp.listening import Tls
from homestow.server.fronts.tcp.serving import TcpServer
from homestow.server.fronts.tcp.stream import Limits, Plain
from homestow.server.service.netdrive import Netdrive, NetdriveStores, make_netdrive

MIB = 1024 * 1024
BLOCK = 4 * MIB
NO_SESSION = "session has been destroyed, user need to login"
NO_BIND = "user not bind server dir"
UNKNOWN = "there is no such file, folder or upload"
DEAD = "x" * 32
"""What looks like a session and is none."""


def md5(content: bytes) -> str:
    """As the protocol writes it."""
    return hashlib.md5(content).hexdigest()


def final(kind: str, /, **fields: object) -> bytes:
    """A request of the final dialect, without its bytes."""
    return f"{kind}\n{json.dumps(fields)}\0".encode("gbk")


def documented(kind: str, /, **fields: object) -> bytes:
    """A request of the documented list, or of phase 0, without its bytes."""
    return json.dumps({"type": kind, **fields}).encode()


class Peer:
    """One connection."""

    def __init__(self, port: int, source: str = "127.0.0.1", session: str = "") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.session = session
        self._here = b""

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- bytes --------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes just so."""
        self.sock.sendall(data)

    def exactly(self, count: int) -> bytes:
        """So many bytes, fewer at the end of the connection."""
        data = bytearray(self._here[:count])
        self._here = self._here[count:]
        while len(data) < count and (part := self.sock.recv(min(count - len(data), 1 << 20))):
            data += part
        return bytes(data)

    def until_nul(self) -> bytes:
        """All bytes before the next NUL, which is taken too; b"" at the end of the connection."""
        while b"\0" not in self._here:
            part = self.sock.recv(1 << 16)
            if not part:
                assert not self._here, self._here
                return b""
            self._here += part
        head, _, self._here = self._here.partition(b"\0")
        return head

    def end(self) -> bytes:
        """Send no more, and give all that comes until the server closes too."""
        self.sock.shutdown(socket.SHUT_WR)
        return self.rest()

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        data, self._here = bytearray(self._here), b""
        try:
            while part := self.sock.recv(1 << 20):
                data += part
        except ConnectionResetError:
            pass
        return bytes(data)

    def is_closed(self) -> bool:
        """Whether the server closes without another word."""
        return self.rest() == b""

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    # --- messages -----------------------------------------------------------------------------------------------------

    def hear(self) -> dict[str, Any]:
        """The next answer, of either dialect; with its type, as the documented list has it.

        Raises:
            ConnectionError: the server has closed.
        """
        head = self.until_nul()
        if not head:
            raise ConnectionResetError("closed")
        assert head.isascii()
        if head.startswith(b"{"):
            found: dict[str, Any] = json.loads(head)
            return found
        kind, _, text = head.partition(b"\n")
        assert b"\n" not in text
        return {"type": kind.decode(), **json.loads(text)}

    def old(self, kind: str, /, *, data: bytes | None = None, **fields: object) -> dict[str, Any]:
        """A call of the final dialect with the session; its answer."""
        fields.setdefault("session", self.session)
        self.send(final(kind, **fields) + (b"" if data is None else data + b"\0"))
        told = self.hear()
        assert told.pop("type") == f"{kind}Res"
        return told

    def ask(self, kind: str, /, *, data: bytes = b"", **fields: object) -> dict[str, Any]:
        """A call of the documented list with the session; its answer."""
        self.send(documented(kind, session=fields.pop("session", self.session), **fields) + data)
        told = self.hear()
        assert told.pop("type") == f"{kind}Res"
        return told

    # --- conversations ------------------------------------------------------------------------------------------------

    def log_in(self, user: str = "anna", password: str = PASSWORD) -> "Peer":
        """Log in by the documented list, which must work."""
        self.send(documented("login", username=user, password=password))
        return self._entered(self.hear())

    def old_log_in(self, user: str = "anna", password: str = PASSWORD) -> "Peer":
        """Log in by the final dialect, which must work."""
        self.send(final("login", username=user, password=password))
        return self._entered(self.hear())

    def _entered(self, told: dict[str, Any]) -> "Peer":
        assert (told["error"], told["msg"]) == (0, "login success"), told
        self.session = told["session"]
        assert len(self.session) == 32
        assert self.session.isalnum()
        return self

    def bound(self, number: int = 1) -> "Peer":
        """Bind, which must work."""
        assert self.old("setbind", bindid=number) == {"bindid": number, "error": 0, "msg": "bind success"}
        return self

    def put(self, name: str, content: bytes, path: str = "//", **more: object) -> int:
        """A whole file by the documented list, which must work; its id."""
        told = self.ask("upload", data=content, filename=name, path=path, size=len(content), md5=md5(content), **more)
        assert (told["error"], told["msg"]) == (0, "upload success"), told
        return int(told["vfile_id"])

    def announce(self, name: str, content: bytes, path: str = "//", mtime: int = 1_625_000_000) -> dict[str, Any]:
        """A file announced by the final dialect."""
        return self.old(
            "uploadFile", queueid=7, filename=name, path=path, md5=md5(content), size=len(content), mtime=mtime
        )

    def chunk(self, vfile: int, content: bytes, number: int = 0, offset: int = 0) -> dict[str, Any]:
        """A block by the final dialect."""
        return self.old(
            "uploadChunk",
            data=content,
            vfile_id=vfile,
            queueid=8,
            chunkid=number,
            offset=offset,
            chunksize=len(content),
        )

    def old_put(self, name: str, content: bytes, path: str = "//", mtime: int = 1_625_000_000) -> None:
        """A whole file by the final dialect, as its client sends it: everything as the first block."""
        told = self.announce(name, content, path, mtime)
        assert told["error"] in (0, 4), told
        if told["error"] == 4:
            assert self.chunk(told["vfile_id"], content) == {"error": 0, "msg": "upload success", "queueid": 8}

    def old_get(self, digest: str, size: int, offset: int = 0) -> bytes:
        """A part of a content by the final dialect, which must work."""
        told = self.old("downloadFile", md5=digest, queueid=9, offset=offset, chunksize=size)
        assert told == {"error": 0, "msg": "download success", "queueid": 9}
        data = self.exactly(size)
        assert self.exactly(1) == b"\0"
        return data

    def get(self, **fields: Any) -> bytes:
        """A content by the documented list, which must work."""
        told = self.ask("download", **fields)
        assert (told["error"], told["msg"]) == (0, "download success"), told
        return self.exactly(told["size"])

    def listed(self) -> dict[str, Any]:
        """What `getdir` tells, by path and name."""
        told = self.old("getdir")
        assert told["error"] == 0, told
        return {each["path"] + each["filename"]: each for each in told["dir_list"] or ()}


class DriveRig(IsyncRig):
    """A server with netdrive too."""

    drive: Netdrive

    def __init__(
        self, place: Path, *, open_root: str | None = None, tcp: Limits | None = None, tls: Tls | None = None,
        local: tuple[str, ...] = ("127.",), plain: Plain = Plain.LOOPBACK, **more: Any,
    ) -> None:  # fmt: skip
        self._open_to_all = open_root
        self._tcp_limits, self._tls, self._local, self._plain = tcp, tls, local, plain
        self._later_s = 0.0
        super().__init__(place, **more)

    def _add_more(self, router: Router, border: Border) -> None:
        super()._add_more(router, border)
        stores = NetdriveStores(
            SqlAccounts(self.database), SqlSessions(self.database), SqlNetdrive(self.database), SqlMd5s(self.database)
        )
        self.drive = make_netdrive(self.core, self.services, stores, self.clock, b"k" * 32, open_root=self._open_to_all)
        front = NetdriveFront(self.drive, border)
        self.tcp = TcpServer(
            front.handle, self._tcp_limits or Limits(linger_s=2.0), self._tls, self._plain, local=self._is_local
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
        """Where netdrive answers."""

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

    def peer(self, user: str | None = "anna", source: str = "127.0.0.1") -> Peer:
        """A connection of its own, logged in by the documented list."""
        made = Peer(self.tcp_port, source)
        return made if user is None else made.log_in(user)

    def old_peer(self, user: str = "anna", bind: int | None = 1) -> Peer:
        """A connection of its own, logged in by the final dialect and bound."""
        made = Peer(self.tcp_port).old_log_in(user)
        return made if bind is None else made.bound(bind)

    def beside(self, peer: Peer) -> Peer:
        """One more connection with the same session, as clients of the documented list open them."""
        return Peer(self.tcp_port, session=peer.session)

    def open_connections(self) -> int:
        """How many connections the server has."""

        async def count() -> int:
            return len(self.tcp._tasks)

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(20)

    def until_open(self, count: int) -> None:
        """Wait until the server has taken so many connections."""
        deadline = time.monotonic() + 20
        while self.open_connections() != count:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def settled(self) -> None:
        """Wait until the server is done with every connection that was hung up on."""

        async def wait() -> None:
            tasks = set(self.tcp._tasks)
            if tasks:
                _, left = await asyncio.wait(tasks, timeout=20)
                assert not left, left

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(30)

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

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.tcp.close(), self._loop).result(30)
        self.drive.close()
        super().close()


@contextmanager
def open_rig(place: Path, **more: Any) -> Iterator[DriveRig]:
    """A rig that is closed at the end."""
    made = DriveRig(place, **more)
    try:
        yield made
    finally:
        made.close()
