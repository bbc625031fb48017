"""One connection: every byte in order, whatever its way, and an end for whoever is slow, gone or in the way."""

import asyncio
import ctypes
import mmap
import os
import random
import socket
import threading

import pytest
from tests.fronts.loops import the_loop, turns
from tests.fronts.tcp.conftest import MIB, Client, World

from homestow.server.fronts.tcp.blocks import Spares
from homestow.server.fronts.tcp.stream import AHEAD_BYTES, Limits

SIZES = [0, 1, 4096, AHEAD_BYTES, AHEAD_BYTES + 1, MIB, 3 * MIB + 1, 13 * MIB]


@pytest.mark.parametrize("size", SIZES)
async def test_bodies_of_all_sizes_arrive_in_order(any_client: Client, world: World, size: int) -> None:
    """The sink sees the bytes in blocks of at most a mebibyte, and the next message is none of them."""
    body = os.urandom(size)
    for round_ in (1, 2):
        assert await any_client.ask(b"put %d\n%b" % (size, body)) == b"%d" % size
        assert b"".join(world.seen) == body * round_
    assert all(len(block) <= MIB for block in world.seen)
    assert await any_client.ask(b"who\n")


@pytest.mark.parametrize("size", [0, 1, AHEAD_BYTES + 1, 5 * MIB])
async def test_small_and_unwanted_bodies(any_client: Client, world: World, size: int) -> None:
    """What is held in memory is whole, what is thrown away is counted, and both end where they should."""
    body = os.urandom(size)

    assert await any_client.ask(b"mem %d\n%bskip %d\n%b" % (size, body, size, body)) == b"%d" % size
    assert await any_client.line() == b"%d" % size
    assert world.seen == [body]
    assert await any_client.ask(b"who\n")


async def test_bytes_in_pieces_of_any_size(any_client: Client, world: World) -> None:
    """How the network cuts the bytes makes no difference, not even in the middle of a head."""
    rng = random.Random(7)
    body = rng.randbytes(2 * MIB + 12_345)
    data = b"put %d\n%bmem 7\nseven..put %d\n%b" % (len(body), body, len(body), body)
    at = 0
    while at < len(data):
        count = rng.choice((1, 17, 1000, 65_536, 700_000))
        await any_client.send(data[at : at + count])
        await asyncio.sleep(0)
        at += count

    assert [await any_client.line() for _ in range(3)] == [b"%d" % len(body), b"7", b"%d" % len(body)]
    assert b"".join(world.seen) == body + b"seven.." + body


async def test_every_cut_of_a_short_talk(world: World) -> None:
    """S76: messages, bodies and what follows them are the same wherever the bytes are cut in two."""
    data = b"put 5\nhellomem 3\nabcskip 4\nxxxxput 0\nlogin a\n"
    for cut in range(len(data) + 1):
        world.seen.clear()
        client = await world.connect()
        await client.send(data[:cut])
        await turns(4)
        await client.send(data[cut:])

        assert [await client.line() for _ in range(5)] == [b"5", b"3", b"4", b"0", b"yes"], cut
        assert world.seen == [b"hello", b"abc"], cut
        await client.hang_up()


async def test_large_bodies_come_in_whole_pages(any_client: Client, world: World) -> None:
    """Blocks are full and begin at a page of memory, also those that an earlier body used."""
    begins: list[int] = []
    world.before_block = lambda block: begins.append(ctypes.addressof(ctypes.c_char.from_buffer(block)))
    for _ in range(3):
        world.seen.clear()
        body = os.urandom(3 * MIB + 5)
        assert await any_client.ask(b"put %d\n%b" % (len(body), body)) == b"%d" % len(body)
        assert [len(block) for block in world.seen] == [MIB, MIB, MIB, 5]
        assert b"".join(world.seen) == body
    assert {begin % mmap.PAGESIZE for begin in begins} == {0}
    assert len(set(begins)) <= 4


async def test_a_slow_disk_holds_the_sender_back(client: Client, world: World) -> None:
    """S71: while the sink does not take anything, a few blocks are received and no more, however long the body is."""
    gate = threading.Event()
    world.before_block = lambda block: gate.wait(60)
    size = 64 * MIB
    sending = asyncio.create_task(client.send(b"put %d\n" % size + bytes(size)))
    await world.until("began")
    while client.writer.transport.get_write_buffer_size() > size - 4 * MIB:
        await asyncio.sleep(0)
    for _ in range(50):
        await turns()

    assert client.writer.transport.get_write_buffer_size() > size - 4 * MIB - 16 * MIB
    await the_loop().move(120.0, steps=4)
    assert world.notes == ["began"]
    gate.set()
    await sending
    assert await client.line() == b"%d" % size


async def test_many_slow_disks_hold_little_memory(world: World) -> None:
    """S71: what all bodies together have in memory is bounded; each still comes to its end, whatever others hold or leave."""
    gate = threading.Event()
    world.before_block = lambda block: gate.wait(60)
    site = world.servers[0]._site
    site.spares = Spares(most=5)
    clients = [await world.connect() for _ in range(6)]
    body = os.urandom(9 * MIB)
    sending = [asyncio.create_task(each.send(b"put %d\n%b" % (len(body), body))) for each in clients]
    for _ in range(100):
        await turns()
    assert site.spares._more == 5
    await clients[0].hang_up()
    gate.set()
    await asyncio.gather(*sending, return_exceptions=True)

    assert [await each.line() for each in clients[1:]] == [b"%d" % len(body)] * 5
    await world.until("Gone")
    assert site.spares._more == 0
    assert len(site.spares._free) == 4


async def test_a_client_that_leaves_midway(any_client: Client, world: World) -> None:
    """What came has reached the sink, and the handler is told how much that is."""
    await any_client.send(b"put 5000000\n" + b"a" * 1_234_567)
    while sum(map(len, world.seen)) < MIB:
        await asyncio.sleep(0)
    await any_client.hang_up()
    await world.until("Gone")

    assert MIB <= sum(map(len, world.seen)) <= 1_234_567
    assert set(b"".join(world.seen)) == {ord("a")}


async def test_a_half_closed_client_gets_its_answers(client: Client, world: World) -> None:
    """Whoever says at once that nothing more will come is answered all the same, and then closed."""
    await client.send(b"put 3\nabcput 100000\n" + bytes(100_000))
    client.writer.write_eof()

    assert await client.closed() == b"3\n100000\n"
    await world.until("left")


async def test_a_half_closed_client_midway_in_a_body(client: Client, world: World) -> None:
    """No more will come, so the body ends early at once, not by a deadline."""
    await client.send(b"put 300000\n" + bytes(100_000))
    client.writer.write_eof()
    await world.until("Gone")

    assert sum(map(len, world.seen)) == 100_000


async def test_what_the_sink_raises(any_client: Client, world: World) -> None:
    """It is raised where the body was received; that connection is cut, others go on."""
    await any_client.send(b"fail %d\n" % (8 * MIB))
    sending = asyncio.create_task(any_client.send(bytes(8 * MIB)))
    await world.until("Refused")
    await asyncio.gather(sending, return_exceptions=True)
    await any_client.closed()

    assert (await (await world.connect()).ask(b"who\n")).startswith(b"127.0.0.1") or world.servers[1:]


@pytest.mark.parametrize("word", ["get", "blocks"])
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 4 * MIB + 1, 21 * MIB])
async def test_contents_of_all_sizes(any_client: Client, world: World, word: str, size: int) -> None:
    """By the kernel, through encryption and through memory the same bytes come, and the connection goes on."""
    content = os.urandom(size)
    world.path.write_bytes(content)
    await any_client.send(f"{word} {size}\nwho\n".encode())

    assert await any_client.reader.readexactly(size) == content
    assert (await any_client.line()).startswith(b"127.0.0.1")


@pytest.mark.parametrize("word", ["get", "blocks"])
async def test_a_content_that_is_shorter_than_promised(any_client: Client, world: World, word: str) -> None:
    """The connection is cut, so that nobody takes half a content for all of it."""
    world.path.write_bytes(bytes(3 * MIB))
    await any_client.send(f"{word} {4 * MIB}\n".encode())

    assert len(await any_client.closed()) <= 3 * MIB
    await world.until("ContentShort")


@pytest.mark.parametrize("word", ["get", "blocks", "say"])
async def test_a_reader_that_leaves_midway(any_client: Client, world: World, word: str) -> None:
    """Sending ends with it."""
    world.path.write_bytes(bytes(64 * MIB))
    await any_client.send(f"{word} {64 * MIB}\n".encode())
    await any_client.reader.readexactly(100_000)
    await any_client.hang_up()

    await world.until("Gone")


async def test_a_reader_that_stops_reading_is_cut(world: World) -> None:
    """S72: what was sent and is not read holds a connection for `write_stall_s`, and little memory."""
    sock = _small_reader(world)
    sock.sendall(b"say %d\n" % (64 * MIB))
    await world.until("began")
    await turns(200)
    assert world.notes == ["began"]
    await the_loop().move(59.0)
    assert world.notes == ["began"]
    await the_loop().move(2.0)
    await world.until("Gone")
    sock.close()


async def test_a_reader_that_reads_a_little_stays(world: World) -> None:
    """Whoever takes something in each span of time is slow and welcome."""
    sock = _small_reader(world)
    sock.sendall(b"say %d\n" % (8 * MIB))
    await world.until("began")
    got = 0
    for _ in range(6):
        await turns(200)
        got += len(sock.recv(MIB))
        await turns(200)
        await the_loop().move(50.0)
    assert world.notes == ["began"]
    sock.setblocking(False)
    while got < 8 * MIB:
        got += len(await asyncio.get_running_loop().sock_recv(sock, MIB))
    sock.close()
    await world.until("left")


def _small_reader(world: World) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((world.address.host, world.address.port))
    return sock


class TestDeadlines:
    """S72: heads, bodies and silence."""

    async def test_silence(self, client: Client, world: World) -> None:
        """Who says nothing is closed when the handler's patience ends, not before."""
        await client.send(b"who\n")
        await client.line()
        await the_loop().move(59.0)
        assert world.notes == ["began"]
        await the_loop().move(2.0)

        await world.until("TooSlow")
        assert await client.closed() == b""

    async def test_a_head_that_drips(self, client: Client, world: World) -> None:
        """A byte a second does not keep a head alive beyond ten seconds."""
        await client.ask(b"who\n")
        for _ in range(9):
            await client.send(b"w")
            await turns()
            await the_loop().move(1.0)
        assert world.notes == ["began"]
        await client.send(b"w")
        await turns()
        await the_loop().move(1.1)

        await world.until("TooSlow")

    async def test_a_head_that_never_waits(self, client: Client, world: World) -> None:
        """Bytes that are always here already do not put the deadline off either."""
        await client.send(b"w")
        await turns()
        await the_loop().move(9.0)
        await client.send(b"h" * 60_000)
        await turns()
        the_loop()._now += 2.0
        await client.send(b"h")

        await world.until("TooSlow")

    async def test_each_head_has_its_own_time(self, client: Client) -> None:
        """Who sends many messages, each in two pieces, may go on for ever."""
        await client.send(b"wh")
        for _ in range(10):
            await turns()
            await the_loop().move(4.0)
            assert await client.ask(b"o\nwh")

    @pytest.mark.parametrize("word", [b"put", b"mem", b"skip"])
    async def test_a_body_that_drips(self, client: Client, world: World, word: bytes) -> None:
        """Less than a kilobyte a second over half a minute ends a body; what came has reached the sink."""
        await client.send(word + b" 1000000\n")
        for _ in range(29):
            await client.send(b"a")
            await turns()
            await the_loop().move(1.0)
        assert world.notes == ["began"]
        await client.send(b"a")
        await turns()
        await the_loop().move(2.0)

        await world.until("TooSlow")
        assert b"".join(world.seen) == (b"a" * 30 if word == b"put" else b"")

    async def test_a_body_that_comes_slowly(self, client: Client, world: World) -> None:
        """A kilobyte a second is enough, for as long as it takes."""
        await client.send(b"put 240000\n")
        for _ in range(20):
            await client.send(b"a" * 12_000)
            await turns()
            await the_loop().move(9.7)

        assert await client.line() == b"240000"


class TestUsers:
    """S72, S109: connections that may be silent are counted by user."""

    @pytest.fixture
    def limits(self) -> Limits:
        """Two for each user."""
        return Limits(connections_per_user=2)

    async def test_a_user_has_so_many(self, world: World) -> None:
        """The third is told no, another user is not; one that ends or becomes another user's makes room."""
        clients = [await world.connect() for _ in range(4)]
        assert [await each.ask(b"login anna\n") for each in clients[:3]] == [b"yes", b"yes", b"no"]
        assert await clients[0].ask(b"login anna\n") == b"yes"
        assert await clients[3].ask(b"login bob\n") == b"yes"
        assert await clients[3].ask(b"login anna\n") == b"no"
        await clients[0].hang_up()
        await world.until("left")
        assert await clients[2].ask(b"login anna\n") == b"yes"
        assert await clients[1].ask(b"login bob\n") == b"yes"
        assert await clients[3].ask(b"login anna\n") == b"yes"

    async def test_whoever_is_counted_may_be_silent(self, world: World, client: Client) -> None:
        """For as long as it likes."""
        assert await client.ask(b"login anna\n") == b"yes"
        await the_loop().move(1_000_000.0, steps=3)

        assert await client.ask(b"who\n")
