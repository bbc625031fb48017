"""Listening, TLS and plain on one port, caps, errors and closing."""

import asyncio
import logging
import resource
import shutil
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.loops import the_loop, turns
from tests.fronts.tcp.conftest import MIB, Client, World

from homestow.server.fronts.tcp.listening import ListenFailed, Tls
from homestow.server.fronts.tcp.peers import is_loopback, neighbourhood
from homestow.server.fronts.tcp.serving import TcpServer, client_hello
from homestow.server.fronts.tcp.stream import Limits, Plain

HELLO = bytes.fromhex("1603010200010001fc0303")


async def test_where_it_listens(world: World) -> None:
    """The address is told in the form people write; a name, IPv6 and a taken port are understood."""
    assert world.address.url == f"tcp://127.0.0.1:{world.address.port}"
    assert world.address.shown == f"127.0.0.1:{world.address.port}"
    server = TcpServer(world.handle)
    with pytest.raises(ListenFailed, match="listens there already") as failed:
        await server.listen("127.0.0.1", world.address.port)
    assert failed.value.address == world.address.shown
    with pytest.raises(ListenFailed, match="no such address"):
        await server.listen("192.0.2.1", 0)
    await server.close()
    await world.serve(host="localhost")
    assert await (await world.connect()).ask(b"who\n")


class TestTls:
    """S75, S101: encrypted and plain on one port."""

    async def test_both_on_one_port(self, world: World, secure: ssl.SSLContext) -> None:
        """Who begins with TLS gets TLS, 1.2 at least; who does not is served plain."""
        encrypted, plain = await world.connect(tls=secure), await world.connect()

        assert await encrypted.ask(b"who\n") == b"127.0.0.1 True True False"
        assert await plain.ask(b"who\n") == b"127.0.0.1 False True False"
        assert encrypted.writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")

    async def test_old_tls_is_refused(self, world: World, secure: ssl.SSLContext) -> None:
        """S101: no 1.1, no cipher without forward secrecy; and nobody is answered in plain who asked for TLS."""
        for version, ciphers in (
            (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
            (ssl.TLSVersion.TLSv1_2, "AES128-SHA256"),
        ):
            old = _trusting()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
                old.minimum_version = ssl.TLSVersion.TLSv1_1
                old.maximum_version = version
            old.set_ciphers(ciphers)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await world.connect(tls=old)
        assert world.notes == []

    async def test_no_protocol_is_named(self, world: World, secure: ssl.SSLContext) -> None:
        """A browser that is sent here for HTTP does not find HTTP named (cross-protocol attacks)."""
        browser = _trusting()
        browser.set_alpn_protocols(["http/1.1"])
        client = await world.connect(tls=browser)

        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None

    async def test_a_hello_in_pieces(self, world: World, secure: ssl.SSLContext) -> None:
        """However the first bytes are cut, TLS is told from plain."""
        for cut in (1, 2, 5, 8, 9, 100):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            talk = secure.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                talk.do_handshake()
            hello = outgoing.read()
            client = await world.connect()
            await client.send(hello[:cut])
            await turns()
            await client.send(hello[cut:])
            await the_loop().move(1.0, steps=4)
            incoming.write(await client.reader.read(1))
            assert incoming.read() == b"\x16", cut
            await client.hang_up()

    async def test_plain_that_begins_like_tls(self, world: World, secure: ssl.SSLContext) -> None:
        """A message whose first bytes look like a hello's and are none is taken as plain, as soon as that is told."""
        client = await world.connect()
        await client.send(HELLO[:8] + b"\xfd\n")
        await world.until("RuntimeError")

        assert await client.closed() == b""

    async def test_garbage_for_a_handshake(self, world: World, secure: ssl.SSLContext) -> None:
        """It ends that connection, without a word in the log."""
        client = await world.connect()
        await client.send(HELLO + bytes(600))
        await client.closed()

        assert world.notes == []
        assert await (await world.connect(tls=secure)).ask(b"who\n")

    @pytest.mark.parametrize("sent", [b"", b"\x16", HELLO[:8], HELLO])
    async def test_whoever_does_not_go_on_is_closed(self, world: World, secure: ssl.SSLContext, sent: bytes) -> None:
        """S72: saying nothing, part of a hello or a hello alone holds a connection for ten seconds."""
        client = await world.connect()
        await client.send(sent)
        await the_loop().move(9.0, steps=9)
        closed = asyncio.create_task(client.closed())
        await turns()
        assert not closed.done()
        await the_loop().move(11.0, steps=11)

        await closed
        assert world.notes == []

    async def test_a_client_that_leaves_before_its_first_byte(self, world: World, secure: ssl.SSLContext) -> None:
        """Nothing is left of it."""
        client = await world.connect()
        await client.hang_up()
        half = await world.connect()
        half.writer.write_eof()

        assert await half.closed() == b""

    async def test_who_is_too_plain(self, world: World, certificate: tuple[Path, Path, ssl.SSLContext]) -> None:
        """S75: from elsewhere only encrypted, unless the owner allowed plain; a handler is told which it is."""
        cert, key, trust = certificate
        for plain, told in ((Plain.LOOPBACK, b"True"), (Plain.ANYBODY, b"False")):
            await world.serve(Tls(cert, key, None), plain, local=lambda host: False)
            assert await (await world.connect()).ask(b"who\n") == b"127.0.0.1 False False " + told
            assert await (await world.connect(tls=trust)).ask(b"who\n") == b"127.0.0.1 True False False"

    async def test_a_renewed_certificate(
        self, world: World, certificate: tuple[Path, Path, ssl.SSLContext], tmp_path: Path
    ) -> None:
        """S101: it is taken within a minute, for connections to come."""
        import trustme

        cert, key, _ = certificate
        own_cert, own_key = tmp_path / "cert.pem", tmp_path / "key.pem"
        shutil.copy(cert, own_cert)
        shutil.copy(key, own_key)
        await world.serve(Tls(own_cert, own_key, None))
        before = await world.connect(tls=_trusting())
        issued = trustme.CA().issue_cert("localhost")
        issued.private_key_pem.write_to_path(own_key)
        issued.cert_chain_pems[0].write_to_path(own_cert)
        first = before.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await the_loop().move(61.0)
        while True:
            after = await world.connect(tls=_trusting())
            if after.writer.get_extra_info("ssl_object").getpeercert(binary_form=True) != first:
                break

        assert await before.ask(b"who\n")
        assert await after.ask(b"who\n")


def _trusting() -> ssl.SSLContext:
    """A client that looks at no name: whose certificate it is is not the question."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    "data,told",
    [
        (b"\x16", None),
        (b"\x16\x03", None),
        (HELLO[:5], None),
        (HELLO[:8], None),
        (HELLO[:9], True),
        (HELLO, True),
        (b"{", False),
        (b"\x16\x02", False),
        (b"\x16\x03\x01\x02\x00\x02", False),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfd", False),
        (b"\x16\x03\x05\x02\x00\x01\x00\x01\xfc", False),
        (b"login\n{}\0", False),
    ],
)
def test_first_bytes(data: bytes, told: bool | None) -> None:
    """A hello is told by both of its lengths, what cannot become one at its first wrong byte."""
    assert client_hello(data) is told


def test_neighbourhoods() -> None:
    """IPv4 by address, also when it is mapped; IPv6 by what one customer has."""
    assert neighbourhood("9.8.7.6") == neighbourhood("::ffff:9.8.7.6") == "9.8.7.6"
    assert neighbourhood("2001:db8:1:2:3::4") == neighbourhood("2001:db8:1:2::%eth0") == "2001:db8:1:2::"
    assert neighbourhood("nowhere") == "nowhere"
    assert [is_loopback(host) for host in ("127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.1", "x")] == [
        True, True, True, False, False,
    ]  # fmt: skip


class TestCaps:
    """S72, S109: connections at once."""

    @pytest.fixture
    def limits(self) -> Limits:
        """Five in all, three from one address."""
        return Limits(connections=5, connections_per_host=3)

    async def test_one_address_has_so_many(self, world: World) -> None:
        """The fourth is closed at once, one from elsewhere is not; one that ends makes room."""
        await world.serve(local=lambda host: False)
        held = [await world.connect(source="127.0.0.2") for _ in range(3)]
        for client in held:
            assert await client.ask(b"who\n") == b"127.0.0.2 False False True"
        assert await (await world.connect(source="127.0.0.2")).closed() == b""
        assert await (await world.connect(source="127.0.0.3")).ask(b"who\n")
        await held[0].hang_up()
        await world.until("left")
        await turns()
        assert await (await world.connect(source="127.0.0.2")).ask(b"who\n")

    async def test_all_together_too(self, world: World) -> None:
        """The sixth is closed at once, also from this machine, which has no cap of its own."""
        for _ in range(5):
            assert await (await world.connect()).ask(b"who\n")
        assert await (await world.connect()).closed() == b""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of a thousand connections are open files of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_dripping_clients(world: World, client: Client, many_files: None) -> None:
    """S72: a byte of a head every two seconds: others are served meanwhile, and after ten seconds all are gone."""
    drips = [socket.create_connection((world.address.host, world.address.port)) for _ in range(1000)]
    try:
        for _ in range(5):
            for sock in drips:
                sock.send(b"w")
            await turns()
            assert await client.ask(b"put 3\nabc") == b"3"
            await the_loop().move(2.1)
        await turns(50)

        assert world.notes.count("TooSlow") == 1000
        assert await client.ask(b"who\n")
        for sock in drips:
            sock.settimeout(20)
            assert _ends(sock)
    finally:
        for sock in drips:
            sock.close()


def _ends(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


async def test_no_more_files(world: World, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """When no file can be opened, connections wait and are taken a second later; who is served already goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert await client.ask(b"who\n")
    waiting = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
    try:
        waiting.connect((world.address.host, world.address.port))
        await turns()
        assert await client.ask(b"put 3\nabc") == b"3"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "no connection can be taken" in caplog.text
    await the_loop().move(1.1)
    waiting.sendall(b"who\n")
    waiting.setblocking(False)
    assert await asyncio.get_running_loop().sock_recv(waiting, 100)
    waiting.close()


async def test_a_mistake_ends_one_connection(world: World, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """S34: it is told in the log, nothing of it to the peer, and others go on."""
    other = await world.connect()
    assert await other.ask(b"who\n")
    await client.send(b"break\n")

    assert await client.closed() == b""
    assert "a mistake" in caplog.text
    assert await other.ask(b"who\n")


async def test_peers_that_misbehave_do_not_fill_the_log(
    world: World, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """S35: who leaves midway or is slow is told at debug only."""
    await client.send(b"put 100\nabc")
    await world.until("began")
    await client.hang_up()
    await world.until("Gone")
    slow = await world.connect()
    await slow.send(b"w")
    await turns()
    await the_loop().move(11.0)
    await world.until("TooSlow")

    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


class TestGoodbye:
    """The last answer arrives, whatever the peer is sending."""

    async def test_the_last_answer_arrives(self, world: World, any_client: Client) -> None:
        """A peer in the middle of sending much reads the answer, though its bytes are not wanted."""
        await any_client.send(b"close\n")
        sending = asyncio.create_task(any_client.send(bytes(2 * MIB)))

        assert await any_client.line() == b"bye"
        await asyncio.gather(sending, return_exceptions=True)
        any_client.writer.close()
        await world.until("left")

    async def test_a_peer_that_does_not_close(self, world: World, client: Client) -> None:
        """It is waited for a few seconds, then closed."""
        assert await client.ask(b"close\n") == b"bye"
        assert await client.closed() == b""
        stream = world.streams[0]
        await turns()
        assert stream in world.servers[0]._site.streams
        await the_loop().move(5.1)
        assert stream not in world.servers[0]._site.streams


class TestClosing:
    """Closing is over in twice `shutdown_s`, and loses nothing that could be ended."""

    async def test_waiting_connections_end_at_once(self, world: World, client: Client, secure: ssl.SSLContext) -> None:
        """Who is silent, in the middle of a head or of a handshake is closed without waiting."""
        silent, begun, hello = await world.connect(tls=secure), await world.connect(), await world.connect()
        await silent.ask(b"who\n")
        await begun.ask(b"who\nwh")
        await hello.send(HELLO[:8])
        await turns()
        closing = asyncio.create_task(world.servers[1].close())
        assert [await each.closed() for each in (silent, begun, hello)] == [b"", b"", b""]
        await closing

        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        await world.servers[1].close()

    async def test_what_is_under_way_may_end(self, world: World, client: Client) -> None:
        """A body that goes on is received and answered; then its connection is closed."""
        await client.send(b"put 100000\n" + bytes(50_000))
        await world.until("began")
        while not world.streams[0].left:
            await asyncio.sleep(0)
        closing = asyncio.create_task(world.servers[0].close())
        await turns()
        await client.send(bytes(50_000))

        assert await client.closed() == b"100000\n"
        await closing
        assert sum(map(len, world.seen)) == 100_000
        assert world.notes == ["began", "left"]

    @pytest.mark.parametrize("sent", [b"put 100000\nabc", b"hold\n", b"get 67108864\n"])
    async def test_what_does_not_end_is_cancelled(self, world: World, client: Client, sent: bytes) -> None:
        """After four seconds; what came of a body has reached the sink."""
        world.path.write_bytes(bytes(64 * MIB))
        await client.send(sent)
        await world.until("began")
        await turns()
        closing = asyncio.create_task(world.servers[0].close())
        await turns()
        assert not closing.done()
        await the_loop().move(4.1)

        await closing
        assert world.notes[-1] == "CancelledError"
        assert b"".join(world.seen) in (b"", b"abc")
        assert (b"".join(world.seen) == b"abc") == sent.startswith(b"put")
