"""Content out: every kind of range and condition, over plain and encrypted connections, from files and from blocks."""

import asyncio
import errno
import logging
import os
import re
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.fronts.http.conftest import MTIME, Client, World

from homestow.server.fronts.http.ranges import http_date
from homestow.server.fronts.tcp.listening import Tls

SMALL = bytes(range(256)) * 16
BIG = os.urandom(9 * 1024 * 1024 + 17)


@pytest.fixture(params=["small", "big"])
def content(request: pytest.FixtureRequest, world: World) -> bytes:
    """Content below and above the size from which the kernel sends it."""
    chosen = SMALL if request.param == "small" else BIG
    world.file("f", chosen)
    return chosen


@pytest.fixture(params=["plain", "tls", "blocks"])
async def way(
    request: pytest.FixtureRequest, world: World, certificate: tuple[Path, Path, ssl.SSLContext]
) -> tuple[Client, str]:
    """The three ways content takes: by the kernel, by our memory, by a worker; with the path to ask for."""
    if request.param == "tls":
        cert, key, trust = certificate
        address = await world.server.listen_tcp("127.0.0.1", 0, tls=Tls(cert, key))
        return await world.connect(tls=trust, address=address), "/file/f"
    return await world.connect(), "/file/f?blocks" if request.param == "blocks" else "/file/f"


async def test_whole_content(way: tuple[Client, str], content: bytes) -> None:
    """GET gives all bytes with what a client needs to keep them; the connection stays."""
    client, path = way
    for _ in range(2):
        answer = await client.ask("GET", path)

        assert answer.status == 200
        assert answer.body == content
        assert answer.headers["ETag"] == '"v1"'
        assert answer.headers["Last-Modified"] == http_date(MTIME)
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "homestow"


async def test_one_range(way: tuple[Client, str], content: bytes) -> None:
    """One range is 206 with exactly those bytes, wherever they lie."""
    client, path = way
    size = len(content)
    for asked, start, stop in (("0-0", 0, 1), ("100-", 100, size), ("-5", size - 5, size), ("1-2000000", 1, 2_000_001)):
        answer = await client.ask("GET", path, Range=f"bytes={asked}")

        stop = min(stop, size)
        assert answer.status == 206
        assert answer.body == content[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"


async def test_several_ranges(way: tuple[Client, str], content: bytes) -> None:
    """Several ranges come as one multipart body of the announced length, byte for byte."""
    client, path = way
    size = len(content)
    answer = await client.ask("GET", path, Range="bytes=10-19, 100-2000100,-7")

    assert answer.status == 206
    match = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", answer.headers["Content-Type"])
    assert match is not None
    boundary = match[1].encode()
    expected = b""
    overlapping = size - 8 <= 2_000_100
    pairs = [(10, 20), (100, size)] if overlapping else [(10, 20), (100, 2_000_101), (size - 7, size)]
    for start, stop in pairs:
        lead = b"\r\n" if expected else b""
        head = f"Content-Type: text/plain\r\nContent-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n"
        expected += lead + b"--" + boundary + b"\r\n" + head.encode() + content[start:stop]
    assert answer.body == expected + b"\r\n--" + boundary + b"--\r\n"
    assert (await client.ask("GET", path, Range="bytes=0-1")).body == content[:2]


async def test_ranges_that_cannot_be_served(client: Client, world: World, content: bytes) -> None:
    """Beyond the end is 416 with the true size; malformed or far too many is the whole content."""
    answer = await client.ask("GET", "/file/f", Range=f"bytes={len(content)}-")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(content)}"
    assert b"range-not-satisfiable" in answer.body
    for odd in ("bytes=x", "lines=1-2", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 200, 2))):
        answer = await client.ask("GET", "/file/f", Range=odd)
        assert (answer.status, answer.body) == (200, content)


async def test_hundred_thousand_ranges_are_refused(world: World, client: Client) -> None:
    """S15: a header of that size never reaches the content."""
    world.file("f", BIG)
    answer = await client.ask("GET", "/file/f", Range="bytes=" + "0-," * 100_000)

    assert answer.status == 400
    assert (await (await world.connect()).ask("GET", "/file/f", Range="bytes=0-3")).body == BIG[:4]


async def test_if_range(client: Client, content: bytes) -> None:
    """A part is continued when it is a part of this content; otherwise all of it comes."""
    for value, status in (('"v1"', 206), ('"v0"', 200), ('W/"v1"', 200), (http_date(MTIME), 206), (http_date(5), 200)):
        answer = await client.ask("GET", "/file/f", Range="bytes=0-9", If_Range=value)
        assert (answer.status, answer.body) == (status, content[:10] if status == 206 else content), value


async def test_conditions(client: Client, content: bytes) -> None:
    """304 has no body and no length of its own; 412 tells why; the connection stays usable after both."""
    for _ in range(2):
        answer = await client.ask("GET", "/file/f", If_None_Match='"v0", "v1"')
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == '"v1"'
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Content-Length" not in answer.headers
        assert (await client.ask("GET", "/file/f", If_Modified_Since=http_date(MTIME))).status == 304
        answer = await client.ask("GET", "/file/f", If_Match='"v0"')
        assert answer.status == 412
        assert b"precondition-failed" in answer.body
        assert (await client.ask("GET", "/file/f", If_Unmodified_Since=http_date(MTIME - 1))).status == 412
        assert (await client.ask("GET", "/file/f", If_None_Match='"v0"', Range="bytes=0-1")).status == 206


async def test_head(way: tuple[Client, str], content: bytes) -> None:
    """HEAD tells all that GET would, of the whole content, and sends none of it."""
    client, path = way
    answer = await client.ask("HEAD", path, Range="bytes=0-1")

    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["ETag"] == '"v1"'
    assert (await client.ask("GET", path, Range="bytes=0-1")).body == content[:2]


async def test_empty_content(way: tuple[Client, str], world: World) -> None:
    """Nothing is a content like any other."""
    client, path = way
    world.file("f", b"")

    answer = await client.ask("GET", path)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
    assert (await client.ask("GET", path, Range="bytes=0-")).status == 416
    assert (await client.ask("GET", path, Range="bytes=-5")).status == 200


async def test_names_are_headers_only(world: World, client: Client) -> None:
    """S21: a name with line ends adds no header."""
    world.file("f", SMALL)
    answer = await client.ask("GET", "/file/f?as=a%0d%0aX-Evil:%20%E2%82%AC%22.txt")

    assert "X-Evil" not in answer.headers
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="aX-Evil: __.txt"; filename*=')


@pytest.mark.parametrize("size", [5_000, 3_000_000])
@pytest.mark.parametrize("source", ["", "&blocks"])
async def test_content_that_shrinks_is_never_passed_off_as_whole(
    world: World, client: Client, size: int, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    """When the file is shorter than said, the connection breaks before the announced length."""
    world.file("f", b"x" * (size - 1000))
    await client.send(f"GET /file/f?claim={size}{source} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    got = await client.closed()

    _, _, body = got.partition(b"\r\n\r\n")
    assert len(body) < size
    assert "became shorter" in caplog.text


@pytest.mark.parametrize("source", ["/file/f", "/file/f?blocks"])
async def test_a_client_that_leaves_is_no_error(
    world: World, source: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Descriptors are closed, nothing is logged as trouble, others are served."""
    caplog.set_level(logging.INFO)
    with world.file("f", b"").open("r+b") as file:
        file.truncate(1 << 30)
    before = open_files(tmp_path)
    for _ in range(5):
        client = await world.connect()
        await client.send(f"GET {source} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await client.reader.readexactly(200_000)
        await client.hang_up()
    async with asyncio.timeout(20):
        while open_files(tmp_path) > before:
            await asyncio.sleep(0.01)

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    answer = await (await world.connect()).ask("GET", source, Range="bytes=5-6")
    assert answer.body == b"\0\0"


def open_files(folder: Path) -> int:
    """How many descriptors of this process lie in `folder`."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            count += os.readlink(link).startswith(str(folder))
        except OSError:
            continue
    return count


async def test_pipelined_requests_are_answered_in_order(world: World, client: Client) -> None:
    """Requests sent at once are answered one after the other, whole."""
    world.file("f", BIG)
    world.file("g", SMALL)
    await client.send(b"".join(f"GET /file/{n} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for n in "fgfg"))

    for expected in (BIG, SMALL, BIG, SMALL):
        assert (await client.answer()).body == expected


async def test_an_old_client_gets_its_file(world: World, client: Client) -> None:
    """HTTP/1.0 without keep-alive: the content, then the end of the connection."""
    world.file("f", BIG)
    await client.send(b"GET /file/f HTTP/1.0\r\n\r\n")
    head, _, body = (await client.closed()).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.0 200")
    assert body == BIG


async def test_a_long_file_lets_others_through(world: World) -> None:
    """While one client reads a large file as fast as it can, another is answered."""
    with world.file("f", b"").open("r+b") as file:
        file.truncate(1 << 28)
    fast, other = await world.connect(), await world.connect()
    await fast.send(b"GET /file/f HTTP/1.1\r\nHost: h\r\n\r\n")
    reading = asyncio.create_task(fast.answer())
    while not reading.done():
        assert (await other.ask("GET", "/who")).status == 200

    assert len((await reading).body) == 1 << 28


@pytest.fixture
async def secure(world: World, certificate: tuple[Path, Path, ssl.SSLContext]) -> Callable[[], Awaitable[Client]]:
    """Makes encrypted connections."""
    cert, key, trust = certificate
    address = await world.server.listen_tcp("127.0.0.1", 0, tls=Tls(cert, key))

    async def connect() -> Client:
        return await world.connect(tls=trust, address=address)

    return connect


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot say what lies in memory")
@pytest.mark.parametrize("odd", [2, 3, 7])
async def test_encrypted_content_that_lies_in_memory_in_part(
    world: World, secure: Callable[[], Awaitable[Client]], odd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory is sent as it is, what is there in part or not at all is fetched: all bytes, each once."""
    content = os.urandom(40 * 1024 * 1024 + 5)
    world.file("f", content)
    client, calls, real = await secure(), 0, os.preadv

    def sometimes(fd: int, buffers: list[bytearray], at: int, flags: int) -> int:
        nonlocal calls
        calls += 1
        if calls % odd == 0:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if calls % odd == 1 and calls % 4 == 0:
            return real(fd, [memoryview(buffers[0])[: len(buffers[0]) // 2]], at, flags)
        return real(fd, buffers, at, flags)

    monkeypatch.setattr(os, "preadv", sometimes)
    for asked, start in (("0-", 0), ("12345-", 12345)):
        assert (await client.ask("GET", "/file/f", Range=f"bytes={asked}")).body == content[start:]


async def test_encrypted_content_that_shrinks_is_never_passed_off_as_whole(
    world: World, secure: Callable[[], Awaitable[Client]], caplog: pytest.LogCaptureFixture
) -> None:
    """When the file is shorter than said, an encrypted connection breaks before the announced length too."""
    world.file("f", b"x" * 2_999_000)
    client = await secure()
    await client.send(b"GET /file/f?claim=3000000 HTTP/1.1\r\nHost: h\r\n\r\n")
    _, _, body = (await client.closed()).partition(b"\r\n\r\n")

    assert len(body) < 3_000_000
    assert "became shorter" in caplog.text


async def test_a_long_encrypted_file_lets_others_through(
    world: World, secure: Callable[[], Awaitable[Client]], tmp_path: Path
) -> None:
    """While one client reads a large file as fast as it can, another is answered; one that leaves costs nothing."""
    with world.file("f", b"").open("r+b") as file:
        file.truncate(1 << 27)
    before = open_files(tmp_path)
    fast, other, leaving = await secure(), await secure(), await secure()
    await leaving.send(b"GET /file/f HTTP/1.1\r\nHost: h\r\n\r\n")
    await leaving.reader.readexactly(200_000)
    await leaving.hang_up()
    await fast.send(b"GET /file/f HTTP/1.1\r\nHost: h\r\n\r\n")
    reading = asyncio.create_task(fast.answer())
    answered = 0
    while not reading.done():
        assert (await other.ask("GET", "/who")).status == 200
        answered += 1

    assert len((await reading).body) == 1 << 27
    assert answered > 10
    async with asyncio.timeout(20):
        while open_files(tmp_path) > before:
            await asyncio.sleep(0.01)
