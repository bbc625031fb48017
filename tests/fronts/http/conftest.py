"""A real server on 127.0.0.1 and a client that speaks bytes."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from multidict import CIMultiDict

from homestow.server.fronts.http.connection import Limits, Request
from homestow.server.fronts.http.ranges import EntityTag
from homestow.server.fronts.http.receiving import read_body, receive
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.http.sending import BlockSource, Facts, FileSource, send_blocks, send_file
from homestow.server.fronts.http.serving import HttpServer
from homestow.server.fronts.tcp.listening import Address, Tls

MTIME = 1_700_000_000
PATIENCE_S = 20.0


@dataclass(slots=True)
class Answer:
    """One answer as it came."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


@dataclass(slots=True)
class Client:
    """One connection; `send` writes bytes, `answer` reads one answer, both with patience but not for ever."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            await self.writer.drain()

    async def answer(self, *, bodiless: bool = False) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            headers: CIMultiDict[str] = CIMultiDict()
            for line in head[1:-2]:
                name, _, value = line.partition(": ")
                headers.add(name, value)
            if bodiless or status in (100, 204, 304):
                return Answer(status, headers, b"")
            return Answer(status, headers, await self.reader.readexactly(int(headers["Content-Length"])))

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "Host: h"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode("utf-8") + (body or b""))
        return await self.answer(bodiless=method == "HEAD")

    async def closed(self) -> bytes:
        """What still comes until the server closes the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def hang_up(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


@dataclass(slots=True)
class World:
    """A running server, what its handlers saw, and its clients."""

    folder: Path
    limits: Limits
    router: Router = field(default_factory=Router)
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))
    seen: list[bytes] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    noted: asyncio.Event = field(default_factory=asyncio.Event)
    before_block: Callable[[memoryview], None] | None = None
    cap: int = 1 << 30
    server: HttpServer = field(init=False)
    address: Address = field(init=False)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.noted.set()

    async def until(self, wanted: str) -> None:
        """Wait for a handler's note."""
        async with asyncio.timeout(PATIENCE_S):
            while wanted not in self.notes:
                self.noted.clear()
                await self.noted.wait()

    async def connect(self, *, tls: ssl.SSLContext | None = None, address: Address | None = None) -> Client:
        where = address or self.address
        reader, writer = await asyncio.open_connection(
            where.host, where.port, ssl=tls, server_hostname="localhost" if tls else None, limit=1 << 26
        )
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    # -- handlers ----------------------------------------------------------------------------------------------------

    async def get_file(self, request: Request) -> web.StreamResponse:
        """GET /file/NAME: the file; the query `blocks` sends it without a descriptor."""
        path = self.folder / request.params["name"]
        size = int(request.query.get("claim", path.stat().st_size))
        facts = Facts(size, EntityTag("v1"), MTIME, "text/plain", request.query.get("as"))
        if "blocks" not in request.query:
            fd = os.open(path, os.O_RDONLY)
            return await send_file(request, FileSource(facts, fd), executor=self.executor)
        fd = os.open(path, os.O_RDONLY)

        def close() -> None:
            os.close(fd)
            self.note("closed")

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(fd, min(count, 100_000), offset)

        return await send_blocks(request, BlockSource(facts, read_at, close), executor=self.executor)

    async def put(self, request: Request) -> web.StreamResponse:
        """PUT /put: the body into `seen`, block by block; with the query `late`, after the client has left."""
        if "late" in request.query:
            await request.gone()

        def sink(block: memoryview) -> None:
            if self.before_block is not None:
                self.before_block(block)
            self.seen.append(bytes(block))

        expected = request.query.get("expected")
        try:
            count = await receive(
                request,
                sink,
                cap=self.cap,
                expected=None if expected is None else int(expected),
                executor=self.executor,
            )
        except BaseException as error:
            self.note(type(error).__name__)
            raise
        self.note("received")
        return web.Response(text=str(count))

    async def post(self, request: Request) -> web.StreamResponse:
        """POST /post: the body comes back."""
        return web.Response(body=await read_body(request, cap=min(self.cap, 1 << 20)))

    async def refuse(self, request: Request) -> web.StreamResponse:
        """Any method on /refuse: answers without reading the body."""
        return web.Response(status=403, text="no")

    async def fail(self, request: Request) -> web.StreamResponse:
        """GET /fail: breaks."""
        raise RuntimeError("secret detail in /etc/secret")

    async def wait(self, request: Request) -> web.StreamResponse:
        """GET /wait: until the client leaves or the server closes."""
        self.note("waiting")
        await request.gone()
        self.note("gone")
        return web.Response(text="bye")

    async def who(self, request: Request) -> web.StreamResponse:
        """GET /who: what the server thinks of the caller."""
        return web.Response(text=f"{request.client_host} {request.operator}")


@pytest.fixture
def limits() -> Limits:
    """Small enough to be met within a test; a module may override it."""
    return Limits(shutdown_s=1.0)


@pytest.fixture
async def world(tmp_path: Path, limits: Limits) -> AsyncIterator[World]:
    """A server with handlers of all kinds, on a free port."""
    made = World(tmp_path, limits)
    for method, pattern, handler in (
        ("GET", "/file/{name}", made.get_file),
        ("PUT", "/put", made.put),
        ("POST", "/post", made.post),
        ("*", "/refuse", made.refuse),
        ("GET", "/fail", made.fail),
        ("GET", "/wait", made.wait),
        ("GET", "/who", made.who),
        ("GET", "/share/{token:secret}", made.who),
    ):
        made.router.add(method, pattern, handler)
    made.server = HttpServer(made.router, limits=limits, proxies=["127.0.0.2", "10.0.0.0/8"])
    made.address = await made.server.listen_tcp("127.0.0.1", 0)
    yield made
    for client in made.clients:
        client.writer.transport.abort()
    await made.server.close()
    made.executor.shutdown()
    await asyncio.sleep(0)


@pytest.fixture
async def client(world: World) -> Client:
    """One connection to `world`."""
    return await world.connect()


@pytest.fixture
async def tls_client(world: World, certificate: tuple[Path, Path, ssl.SSLContext]) -> Client:
    """One TLS connection to the same handlers."""
    cert, key, trust = certificate
    address = await world.server.listen_tcp("127.0.0.1", 0, tls=Tls(cert, key))
    return await world.connect(tls=trust, address=address)
