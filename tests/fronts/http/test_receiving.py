"""Bodies in: all bytes in order, bounded memory, and an answer whatever goes wrong."""

import asyncio
import ctypes
import mmap
import os
import random
import threading
from collections.abc import AsyncIterator

import pytest
from tests.fronts.http.conftest import Client, World

from homestow.server.fronts.http.connection import Limits

MIB = 1024 * 1024


def head(length: int, path: str = "/put", more: str = "") -> bytes:
    return f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n{more}\r\n".encode()


@pytest.fixture(params=["plain", "tls"])
async def any_client(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Client]:
    """A client over plain and over encrypted connections."""
    from homestow.server.fronts.tcp.listening import Tls

    if request.param == "plain":
        yield await world.connect()
        return
    cert, key, trust = request.getfixturevalue("certificate")
    address = await world.server.listen_tcp("127.0.0.1", 0, tls=Tls(cert, key))
    yield await world.connect(tls=trust, address=address)


@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024 - 1, 300_000, MIB, 3 * MIB + 1, 21 * MIB])
async def test_bodies_of_all_sizes_arrive_in_order(any_client: Client, world: World, size: int) -> None:
    """Whatever the way a body takes, the sink sees its bytes, and the connection goes on."""
    body = os.urandom(size)
    for round_ in (1, 2):
        answer = await any_client.ask("PUT", "/put", body)

        assert (answer.status, answer.body) == (200, str(size).encode())
        assert b"".join(world.seen) == body * round_
    assert all(len(block) <= MIB for block in world.seen)


async def test_large_bodies_come_in_whole_pages(any_client: Client, world: World) -> None:
    """Blocks are full and begin at a page of memory, so that a disk can take them without another copy."""
    begins: list[int] = []
    world.before_block = lambda block: begins.append(ctypes.addressof(ctypes.c_char.from_buffer(block)))
    body = os.urandom(3 * MIB + 5)

    assert (await any_client.ask("PUT", "/put", body)).status == 200
    assert [len(block) for block in world.seen] == [MIB, MIB, MIB, 5]
    assert {begin % mmap.PAGESIZE for begin in begins} == {0}


async def test_bodies_in_pieces_of_any_size(any_client: Client, world: World) -> None:
    """How the network cuts the bytes makes no difference, not even in the middle of the head."""
    rng = random.Random(7)
    body = rng.randbytes(2 * MIB + 12_345)
    data = head(len(body)) + body + head(len(body)) + body
    at = 0
    while at < len(data):
        count = rng.choice((1, 17, 1000, 65_536, 700_000))
        await any_client.send(data[at : at + count])
        await asyncio.sleep(0)
        at += count

    assert (await any_client.answer()).status == 200
    assert (await any_client.answer()).status == 200
    assert b"".join(world.seen) == body * 2


async def test_a_request_behind_a_large_body_is_not_eaten(any_client: Client, world: World) -> None:
    """Bytes after the declared end belong to the next request."""
    body = os.urandom(5 * MIB)
    await any_client.send(head(len(body)) + body + b"GET /who HTTP/1.1\r\nHost: h\r\n\r\n" + head(3) + b"abc")

    assert (await any_client.answer()).body == str(len(body)).encode()
    assert (await any_client.answer()).body == b"127.0.0.1 False"
    assert (await any_client.answer()).body == b"3"
    assert b"".join(world.seen) == body + b"abc"


async def test_chunked_bodies(any_client: Client, world: World) -> None:
    """A body without a declared length is taken as well, up to the cap."""
    body = os.urandom(3 * MIB + 5)
    chunks = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    await any_client.send(b"PUT /put HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + framed)

    assert (await any_client.answer()).body == str(len(body)).encode()
    assert b"".join(world.seen) == body
    assert (await any_client.ask("GET", "/who")).status == 200


async def test_many_tiny_chunks_are_handled_in_time(client: Client, world: World) -> None:
    """S17: a hundred thousand chunks of one byte are linear work, and others are served meanwhile."""
    other = await world.connect()
    sending = asyncio.create_task(
        client.send(b"PUT /put HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000)
    )
    assert (await other.ask("GET", "/who")).status == 200
    await sending
    await client.send(b"0\r\n\r\n")

    assert (await client.answer()).body == b"100000"
    assert b"".join(world.seen) == b"x" * 100_000


async def test_chunked_bodies_have_a_cap(world: World, client: Client) -> None:
    """A body that does not say its length ends at the cap."""
    world.cap = 100_000
    framed = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    await client.send(b"PUT /put HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + framed * 3)
    answer = await client.answer()

    assert answer.status == 413
    assert answer.headers["Connection"] == "close"
    assert len(b"".join(world.seen)) <= 100_000


async def test_what_the_head_says_is_checked_first(world: World, client: Client) -> None:
    """Too long, of the wrong length or compressed: refused before the body, whose bytes reach no sink."""
    world.cap = 1000
    for path, body, more, status in (
        ("/put", b"x" * 1001, {}, 413),
        ("/put?expected=5", b"1234", {}, 400),
        ("/put", b"1234", {"Content_Encoding": "gzip"}, 415),
        ("/post", b"x" * 1001, {}, 413),
        ("/post", b"1234", {"Content_Encoding": "br"}, 415),
    ):
        answer = await client.ask("PUT" if path.startswith("/put") else "POST", path, body, **more)
        assert answer.status == status, path
    assert world.seen == []
    assert (await client.ask("PUT", "/put?expected=4", b"1234")).status == 200
    assert (await client.ask("PUT", "/put", b"1234", Content_Encoding="identity")).status == 200


async def test_chunked_bodies_of_the_wrong_length_are_told(world: World, client: Client) -> None:
    """Where no length was declared, the length is checked at the end."""
    chunked = b"PUT /put?expected=5 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"
    await client.send(chunked)

    answer = await client.answer()
    assert answer.status == 400
    assert b"body-length-wrong" in answer.body
    assert (await client.ask("GET", "/who")).status == 200


async def test_small_bodies_come_back(any_client: Client) -> None:
    """`read_body` gives the body of a call as it was sent."""
    for body in (b"", b"{}", os.urandom(700_000)):
        assert (await any_client.ask("POST", "/post", body)).body == body


async def test_a_refused_small_body_costs_no_connection(client: Client, world: World) -> None:
    """An early error reads a short rest of the body away, and the next request is answered."""
    for _ in range(3):
        answer = await client.ask("PUT", "/refuse", b"x" * 100_000)
        assert answer.status == 403
        assert answer.headers.get("Connection") != "close"


async def test_a_refused_large_body_still_gets_its_answer(client: Client, world: World) -> None:
    """A client that sends all before it reads finds the answer, and that the connection ends."""
    answer = await client.ask("PUT", "/refuse", b"x" * (30 * MIB))

    assert answer.status == 403
    assert answer.headers["Connection"] == "close"


async def test_bodies_are_asked_for_only_when_wanted(client: Client, world: World) -> None:
    """`Expect: 100-continue`: asked for by who reads it, refused without it by who does not."""
    await client.send(head(3, more="Expect: 100-continue\r\n"))
    assert (await client.answer()).status == 100
    await client.send(b"abc")
    assert (await client.answer()).body == b"3"
    await client.send(head(2 * MIB, more="Expect: 100-continue\r\n"))
    assert (await client.answer()).status == 100
    await client.send(b"x" * 2 * MIB)
    assert (await client.answer()).body == str(2 * MIB).encode()
    await client.send(head(10**12, path="/refuse", more="Expect: 100-continue\r\n"))
    answer = await client.answer()
    assert (answer.status, answer.headers["Connection"]) == (403, "close")


@pytest.mark.parametrize("size", [500_000, 40 * MIB])
async def test_a_failing_sink_ends_the_upload_with_its_error(any_client: Client, world: World, size: int) -> None:
    """A full disk, say: no more is written, and the client, still sending, finds the answer."""

    def full(block: memoryview) -> None:
        if world.seen or size < MIB:
            raise OSError(28, "No space left on device")

    world.before_block = full
    answer = await any_client.ask("PUT", "/put", b"x" * size)

    assert answer.status == 500
    assert "OSError" in world.notes
    assert len(world.seen) <= 1
    world.before_block = None
    assert (await (await world.connect()).ask("PUT", "/put", b"abc")).body == b"3"


@pytest.mark.parametrize("sent", [10_000, 2 * MIB + 1])
async def test_what_came_before_the_client_left_reaches_the_sink(any_client: Client, world: World, sent: int) -> None:
    """An upload can go on where its connection broke."""
    body = os.urandom(sent)
    await any_client.send(head(10 * MIB) + body)
    any_client.writer.close()
    await world.until("ClientGone")

    assert b"".join(world.seen) == body
    assert (await (await world.connect()).ask("GET", "/who")).status == 200


@pytest.mark.parametrize("size", [10, 3000, 60_000, 200_000])
async def test_a_body_that_came_whole_counts_when_its_client_has_left(world: World, client: Client, size: int) -> None:
    """A phone that loses its connection right after the last byte has sent all of it."""
    body = os.urandom(size)
    await client.send(head(size, "/put?late") + body)
    client.writer.close()
    await world.until("received")

    assert b"".join(world.seen) == body


async def test_no_call_of_the_sink_after_the_end(world: World, client: Client) -> None:
    """A slow worker is waited for, so whoever owns the file may close it afterwards."""
    gate, calls = threading.Event(), list[int]()

    def slow(block: memoryview) -> None:
        calls.append(len(block))
        gate.wait(20)

    world.before_block = slow
    await client.send(head(100 * MIB) + b"x" * 6 * MIB)
    async with asyncio.timeout(20):
        while not calls:
            await asyncio.sleep(0.005)
    await client.hang_up()
    assert "ClientGone" not in world.notes
    gate.set()
    await world.until("ClientGone")
    count = len(calls)
    await asyncio.sleep(0.05)

    assert len(calls) == count


async def test_a_slow_worker_holds_the_client_back(world: World, client: Client) -> None:
    """No more than a few blocks wait in memory: the rest waits at the client."""
    gate = threading.Event()

    def held(block: memoryview) -> None:
        gate.wait(20)

    world.before_block = held
    sending = asyncio.create_task(client.ask("PUT", "/put", b"x" * 200 * MIB))
    done, _ = await asyncio.wait({sending}, timeout=0.3)
    waiting = client.writer.transport.get_write_buffer_size()

    assert not done
    assert waiting > 150 * MIB
    gate.set()
    assert (await sending).body == str(200 * MIB).encode()


async def test_malformed_chunks_are_a_clear_error(world: World, client: Client) -> None:
    """What is not HTTP is answered and ends the connection."""
    await client.send(b"PUT /put HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")

    assert (await client.closed()).startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


class TestPace:
    """S19: a body must bring some bytes in each window."""

    @pytest.fixture
    def limits(self) -> Limits:
        """A kilobyte in each fifth of a second."""
        return Limits(body_bytes_per_s=5 * 1024, body_window_s=0.2, shutdown_s=1.0, linger_s=0.2)

    @pytest.mark.parametrize("length", [10_000, 10 * MIB])
    async def test_bodies_that_stall_are_ended(self, any_client: Client, world: World, length: int) -> None:
        """A client that stops sending gets 408, and what it sent is kept."""
        await any_client.send(head(length) + b"x" * 5000)
        answer = await any_client.answer()

        assert answer.status == 408
        assert answer.headers["Connection"] == "close"
        assert b"".join(world.seen) == b"x" * 5000

    async def test_bodies_that_keep_the_pace_are_taken(self, client: Client, world: World) -> None:
        """Slow, but not too slow."""
        await client.send(head(300_000))
        for _ in range(30):
            await client.send(b"x" * 10_000)
            await asyncio.sleep(0.02)

        assert (await client.answer()).body == b"300000"

    async def test_a_slow_worker_is_not_the_clients_fault(self, client: Client, world: World) -> None:
        """While the server does not read, the client's pace is not measured."""
        gate = threading.Event()

        def held(block: memoryview) -> None:
            gate.wait(20)

        world.before_block = held
        sending = asyncio.create_task(client.ask("PUT", "/put", b"x" * 30 * MIB))
        done, _ = await asyncio.wait({sending}, timeout=0.7)
        assert not done
        gate.set()

        assert (await sending).body == str(30 * MIB).encode()


class TestClosing:
    """A server that closes while a body comes in."""

    @pytest.fixture
    def limits(self) -> Limits:
        """Closing waits for a fifth of a second."""
        return Limits(shutdown_s=0.2)

    async def test_closing_ends_uploads_in_time(self, client: Client, world: World) -> None:
        """The handler is cancelled, the sink has everything that came, and nothing hangs."""
        await client.send(head(10 * MIB) + b"x" * 3 * MIB)
        async with asyncio.timeout(20):
            while len(world.seen) < 2:
                await asyncio.sleep(0.005)
        async with asyncio.timeout(5):
            await world.server.close()
        await world.until("CancelledError")

        assert b"".join(world.seen) == b"x" * 3 * MIB
