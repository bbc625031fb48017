"""A real server on 127.0.0.1 with a handler of few words, and clients that speak bytes; the clock is moved by the tests."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.fronts.loops import MovedLoop

from homestow.server.fronts.tcp.listening import Address, Tls
from homestow.server.fronts.tcp.serving import TcpServer
from homestow.server.fronts.tcp.stream import Limits, Plain, Stream

IDLE_S = 60.0
MIB = 1024 * 1024


def pytest_asyncio_loop_factories() -> dict[str, type[MovedLoop]]:
    """All tests here move the clock."""
    return {"moved": MovedLoop}


class Refused(Exception):
    """What a sink may raise."""


@dataclass(slots=True)
class Client:
    """One connection; patience is pytest-timeout's business."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def line(self) -> bytes:
        """The next line without its end, b"" when the server closed."""
        return (await self.reader.readline()).removesuffix(b"\n")

    async def ask(self, data: bytes) -> bytes:
        await self.send(data)
        return await self.line()

    async def closed(self) -> bytes:
        """What still comes until the server closes the connection."""
        got = bytearray()
        try:
            while part := await self.reader.read(1 << 20):
                got += part
        except ConnectionError:
            pass
        return bytes(got)

    async def hang_up(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


@dataclass(slots=True)
class World:
    """A running server whose messages are lines, what its handler saw, and its clients.

    `put N`, `mem N` and `skip N` are followed by N bytes and answered by their count; `fail N` by a sink that raises. `get N`
    gives the first N bytes of `path`, `blocks N` the same through memory. `say N` gives N bytes, `login NAME` yes or no, `who`
    how the peer is seen; `close` closes, `break` is a mistake of the handler, `hold` waits for `free` to be set.
    """

    folder: Path
    limits: Limits
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))
    seen: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    noted: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    before_block: Callable[[memoryview], object] | None = None
    idle_s: float | None = IDLE_S
    servers: list[TcpServer] = field(default_factory=list)
    address: Address = field(init=False)

    @property
    def path(self) -> Path:
        return self.folder / "content"

    async def serve(
        self,
        tls: Tls | None = None,
        plain: Plain = Plain.LOOPBACK,
        local: Callable[[str], bool] = lambda host: True,
        host: str = "127.0.0.1",
    ) -> Address:
        server = TcpServer(self.handle, self.limits, tls, plain, local=local)
        self.address = await server.listen(host, 0)
        self.servers.append(server)
        return self.address

    async def connect(self, *, tls: ssl.SSLContext | None = None, source: str | None = None) -> Client:
        reader, writer = await asyncio.open_connection(
            self.address.host,
            self.address.port,
            ssl=tls,
            server_hostname="localhost" if tls else None,
            local_addr=None if source is None else (source, 0),
            limit=1 << 26,
        )
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.noted.set()

    async def until(self, wanted: str) -> None:
        """Wait for a note."""
        while wanted not in self.notes:
            self.noted.clear()
            await self.noted.wait()

    # --- the handler --------------------------------------------------------------------------------------------------

    async def handle(self, stream: Stream) -> None:
        self.streams.append(stream)
        self.note("began")
        try:
            await self._talk(stream)
            self.note("left")
        except BaseException as error:
            self.note(type(error).__name__)
            raise

    async def _talk(self, stream: Stream) -> None:
        head = b""
        while True:
            data = await stream.read(self.idle_s, begun=bool(head))
            if not data:
                return
            head += data
            line, found, rest = head.partition(b"\n")
            if found:
                stream.unread(rest)
                head = b""
                words = line.decode("latin-1").split()
                await self._obey(stream, words[0], words[-1])

    async def _obey(self, stream: Stream, word: str, last: str) -> None:
        match word:
            case "put" | "fail":
                await stream.receive(int(last), self._fail if word == "fail" else self._sink, self.executor)
                await stream.write(last.encode() + b"\n")
            case "mem":
                self.seen.append(bytes(await stream.exactly(int(last))))
                await stream.write(last.encode() + b"\n")
            case "skip":
                await stream.discard(int(last))
                await stream.write(last.encode() + b"\n")
            case "get" | "blocks":
                fd = os.open(self.path, os.O_RDONLY)
                try:
                    if word == "get":
                        await stream.send_file(fd, 0, int(last), self.executor)
                    else:
                        await stream.send_blocks(lambda at, n: os.pread(fd, n, at), 0, int(last), self.executor)
                finally:
                    os.close(fd)
            case "say":
                await stream.write(b"x" * int(last))
            case "login":
                await stream.write(b"yes\n" if stream.logged_in(last) else b"no\n")
                self.idle_s = None
            case "who":
                await stream.write(f"{stream.peer} {stream.secure} {stream.loopback} {stream.too_plain}\n".encode())
            case "hold":
                self.note("holding")
                await self.free.wait()
                await stream.write(b"held\n")
            case "close":
                await stream.write(b"bye\n")
                stream.close()
            case _:
                raise RuntimeError("a mistake")

    def _sink(self, block: memoryview) -> None:
        if self.before_block is not None:
            self.before_block(block)
        self.seen.append(bytes(block))

    def _fail(self, block: memoryview) -> None:
        raise Refused


@pytest.fixture
def limits() -> Limits:
    """As they are; a test may override them."""
    return Limits()


@pytest.fixture
async def world(tmp_path: Path, limits: Limits) -> AsyncIterator[World]:
    """A server on a free port."""
    made = World(tmp_path, limits)
    await made.serve()
    yield made
    made.free.set()
    for client in made.clients:
        client.writer.transport.abort()
    await asyncio.sleep(0)
    for server in made.servers:
        await server.close()
    made.executor.shutdown()
    await asyncio.sleep(0)


@pytest.fixture
async def client(world: World) -> Client:
    """One connection to `world`."""
    return await world.connect()


@pytest.fixture
async def secure(world: World, certificate: tuple[Path, Path, ssl.SSLContext]) -> ssl.SSLContext:
    """The server takes TLS and plain on one port from now on; what a client trusts."""
    cert, key, trust = certificate
    await world.serve(Tls(cert, key, None))
    return trust


@pytest.fixture(params=["plain", "tls"])
async def any_client(request: pytest.FixtureRequest, world: World, secure: ssl.SSLContext) -> Client:
    """A client on one port, plain and encrypted."""
    return await world.connect(tls=secure if request.param == "tls" else None)
