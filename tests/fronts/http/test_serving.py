"""Listening, limits, errors, logs and closing."""

import asyncio
import contextlib
import http.client
import json
import logging
import os
import socket
import stat
from pathlib import Path

import pytest
from tests.fronts.http.conftest import Client, World

from homestow.server.fronts.http.connection import Connection, Limits, Request, Site
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.http.serving import HttpServer
from homestow.server.fronts.tcp.listening import ListenFailed, Tls, TlsUnusable


async def test_unknown_paths_and_methods(client: Client) -> None:
    """404 and 405 are JSON of one form; 405 and OPTIONS tell the methods there are."""
    answer = await client.ask("GET", "/nothing")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.body.startswith(b'{"code": "not-found", "message": ')
    answer = await client.ask("DELETE", "/put")
    assert (answer.status, answer.headers["Allow"]) == (405, "OPTIONS, PUT")
    answer = await client.ask("OPTIONS", "/file/x")
    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_a_broken_handler_shows_nothing(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """S34: the answer has an id and no detail; the log has both; the connection goes on."""
    answer = await client.ask("GET", "/fail", Accept="text/html")

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b"RuntimeError" not in answer.body
    assert json.loads(answer.body)["request_id"] in caplog.text
    assert "secret detail" in caplog.text
    assert (await client.ask("GET", "/who")).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nBad Header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nA: b\x00c\r\n\r\n",
        b"PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\nabc",
        b"\r\n\r\n\r\nnonsense\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_answered_once(world: World, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """S18, S35: 400 without an echo, the connection closed, nothing in the log above debug."""
    client = await world.connect()
    await client.send(data)
    got = await client.closed()

    assert got.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert got.count(b"HTTP/1.") == 1
    assert b"x" * 50 not in got
    assert [
        record for record in caplog.records if record.levelno > logging.DEBUG and record.name != "homestow.access"
    ] == []
    assert world.seen == []


async def test_bad_cookies_do_not_flood_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """S35: a header full of nonsense costs no line of its own."""
    await client.ask("GET", "/who", Cookie="; ".join(f"b{n}@d=\x01" for n in range(500)).replace("\x01", "\x7f"))

    assert len([record for record in caplog.records if record.name != "homestow.access"]) <= 1


async def test_the_access_log_keeps_secrets(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """S33: one line per request, without queries and without tokens in paths."""
    caplog.set_level(logging.INFO, logger="homestow.access")
    client = await world.connect()
    await client.ask("GET", "/who?token=hush1")
    await client.ask("GET", "/share/hush2")
    await client.ask("GET", "/nothing%0d%0aINFO")
    await client.ask("GET", "/who")
    lines = [record.getMessage() for record in caplog.records if record.name == "homestow.access"]

    assert len(lines) == 4
    assert "hush" not in caplog.text
    assert '"GET /share/{token:secret}" 200' in lines[1]
    assert all("\n" not in line and line.isascii() for line in lines)


async def test_forwarded_addresses_are_believed_from_proxies_only(world: World, client: Client) -> None:
    """S29: nobody but a listed proxy says who the client is."""
    assert (await client.ask("GET", "/who", X_Forwarded_For="9.9.9.9")).body == b"127.0.0.1 False"
    reader, writer = await asyncio.open_connection(world.address.host, world.address.port, local_addr=("127.0.0.2", 0))
    proxy = Client(reader, writer)
    world.clients.append(proxy)
    for chain, expected in (
        ("9.9.9.9", b"9.9.9.9"),
        ("6.6.6.6, 9.9.9.9", b"9.9.9.9"),
        ("6.6.6.6, 9.9.9.9, 10.1.1.1", b"9.9.9.9"),
        ("6.6.6.6, , 10.1.1.1", b"10.1.1.1"),
        ("", b"127.0.0.2"),
    ):
        answer = await proxy.ask("GET", "/who", X_Forwarded_For=chain)
        assert answer.body == expected + b" False", chain


async def test_waiting_handlers_learn_that_the_client_left(world: World, client: Client) -> None:
    """A long wait ends when nobody waits for its answer."""
    await client.send(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
    await world.until("waiting")
    await client.hang_up()

    await world.until("gone")


async def test_closing_answers_those_who_wait(world: World, client: Client) -> None:
    """Long waits end at once when the server closes, with their answer; idle connections are closed."""
    idle = await world.connect()
    await idle.ask("GET", "/who")
    await client.send(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
    await world.until("waiting")
    async with asyncio.timeout(5):
        await world.server.close()
        await world.server.close()

    assert (await client.answer()).body == b"bye"
    assert await idle.closed() == b""
    with pytest.raises(OSError):  # noqa: PT011 - refused, or reset, by platform
        await world.connect()


async def test_ordinary_clients_are_served(world: World) -> None:
    """The standard library's client, which knows nothing of us, gets its answers over one connection."""
    world.file("f", b"content")

    def talk() -> list[tuple[int, bytes]]:
        connection = http.client.HTTPConnection(world.address.host, world.address.port, timeout=20)
        found = []
        for method, path, body in (("GET", "/file/f", None), ("PUT", "/put", b"x" * 3_000_000), ("GET", "/who", None)):
            connection.request(method, path, body)
            response = connection.getresponse()
            found.append((response.status, response.read()))
        connection.close()
        return found

    assert await asyncio.to_thread(talk) == [(200, b"content"), (200, b"3000000"), (200, b"127.0.0.1 False")]


async def test_a_taken_port_is_one_clear_line(world: World) -> None:
    """The error names the address and what to do."""
    other = HttpServer(Router())
    with pytest.raises(ListenFailed) as caught:
        await other.listen_tcp("127.0.0.1", world.address.port)

    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{world.address.port}: "
        "something else listens there already; stop it or choose another port"
    )
    with pytest.raises(ListenFailed):
        await other.listen_tcp("192.0.2.1", 0)
    await other.close()


async def test_the_owners_socket(world: World, tmp_path: Path) -> None:
    """Only its owner can open it, its requests are the operator's, and a left-over file is no obstacle."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    await world.server.listen_unix(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reader, writer = await asyncio.open_unix_connection(str(path))
    client = Client(reader, writer)
    world.clients.append(client)
    assert (await client.ask("GET", "/who")).body == b" True"
    world.file("f", os.urandom(5_000_000))
    assert len((await client.ask("GET", "/file/f")).body) == 5_000_000
    assert (await client.ask("PUT", "/put", b"x" * 5_000_000)).body == b"5000000"
    with pytest.raises(ListenFailed, match="already"):
        await HttpServer(Router()).listen_unix(path)
    assert (await client.ask("GET", "/who")).body == b" True"
    await world.server.close()
    assert not path.exists()


async def test_a_file_in_the_sockets_place_stays(tmp_path: Path) -> None:
    """Only a socket nobody answers on is ever removed."""
    path = tmp_path / "admin.sock"
    path.write_text("precious")
    with pytest.raises(ListenFailed):
        await HttpServer(Router()).listen_unix(path)

    assert path.read_text() == "precious"


async def test_encrypted_answers_ask_to_stay_encrypted(tls_client: Client) -> None:
    """S101: HSTS where there is TLS, and modern TLS only."""
    answer = await tls_client.ask("GET", "/who")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert tls_client.writer.get_extra_info("cipher")[1] in ("TLSv1.2", "TLSv1.3")


async def test_plain_talk_to_the_tls_port_is_quiet(
    world: World, certificate: tuple[Path, Path, object], caplog: pytest.LogCaptureFixture
) -> None:
    """A browser that tries http first, or a scanner, makes no noise."""
    cert, key, _ = certificate
    address = await world.server.listen_tcp("127.0.0.1", 0, tls=Tls(cert, key))
    client = await world.connect(address=address)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.closed()

    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_unusable_certificates_are_one_clear_line(tmp_path: Path, certificate: tuple[Path, Path, object]) -> None:
    """Missing or mismatched files are told by name; renewed ones are taken, broken ones leave the old in use."""
    cert, key, _ = certificate
    with pytest.raises(TlsUnusable, match="nowhere"):
        Tls(tmp_path / "nowhere.pem", key)
    with pytest.raises(TlsUnusable, match="cannot use"):
        Tls(key, key)
    mine = tmp_path / "cert.pem"
    mine.write_bytes(cert.read_bytes())
    tls = Tls(mine, key)
    assert tls.renewed() is None
    os.utime(mine, ns=(1, 1))
    stamp = tls.renewed()
    assert stamp is not None
    tls.take(stamp)
    assert tls.renewed() is None
    mine.write_text("half a certif")
    with pytest.raises(TlsUnusable):
        tls.renewed()


class TestDeadlines:
    """S19: slow heads, idle connections and readers that do not read."""

    @pytest.fixture
    def limits(self) -> Limits:
        """Fractions of a second."""
        return Limits(head_timeout_s=0.2, idle_timeout_s=0.6, write_stall_s=0.5, shutdown_s=1.0)

    async def test_slow_heads_are_cut_off(self, world: World) -> None:
        """Byte after byte does not prolong it; neither a first nor a later request may dawdle."""
        loop = asyncio.get_running_loop()
        for begin in (b"", b"GET /who HTTP/1.1\r\nHost: h\r\n\r\n"):
            client = await world.connect()
            if begin:
                await client.send(begin)
                await client.answer()
            began = loop.time()
            ended = asyncio.create_task(client.closed())
            for byte in b"GET /who HTTP/1.1\r\nHost: " + b"h" * 100:
                if ended.done():
                    break
                client.writer.write(bytes((byte,)))
                await asyncio.sleep(0.01)
            await ended
            assert 0.15 < loop.time() - began < 0.55

    async def test_idle_connections_are_closed(self, world: World) -> None:
        """A connection without requests ends, a busy one does not."""
        idle, busy = await world.connect(), await world.connect()
        ended = asyncio.create_task(idle.closed())
        while not ended.done():
            assert (await busy.ask("GET", "/who")).status == 200
            await asyncio.sleep(0.05)
        assert (await busy.ask("GET", "/who")).status == 200

    @pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel has no such option here")
    async def test_readers_that_do_not_read_are_cut_off(self, world: World) -> None:
        """A file nobody takes holds its descriptor for a while only."""
        with world.file("f", b"").open("r+b") as file:
            file.truncate(1 << 30)
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, (world.address.host, world.address.port))
        await loop.sock_sendall(sock, b"GET /file/f HTTP/1.1\r\nHost: h\r\n\r\n")
        holds = str(world.folder / "f")

        def leads_to(link: Path) -> str:
            with contextlib.suppress(OSError):  # closed meanwhile, or another test's file under a name too long to read
                return os.readlink(link)
            return ""

        def held() -> bool:
            return any(leads_to(link) == holds for link in Path("/proc/self/fd").iterdir())

        async with asyncio.timeout(20):
            while not held():
                await asyncio.sleep(0.01)
            while held():
                await asyncio.sleep(0.05)
        sock.close()


class TestCap:
    """S19: connections per host."""

    @pytest.fixture
    def limits(self) -> Limits:
        """Three."""
        return Limits(connections_per_host=3, shutdown_s=1.0)

    async def test_loopback_is_exempt(self, world: World) -> None:
        """The machine itself may open as many as it likes."""
        for _ in range(10):
            assert (await (await world.connect()).ask("GET", "/who")).status == 200

    async def test_others_are_not(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fourth connection from one host is refused until one of the three ends."""
        from homestow.server.fronts.http import connection

        monkeypatch.setattr(connection, "is_loopback", lambda host: False)
        held = [await world.connect() for _ in range(3)]
        for client in held:
            assert (await client.ask("GET", "/who")).status == 200
        assert await (await world.connect()).closed() == b""
        await held[0].hang_up()
        async with asyncio.timeout(20):
            while True:
                client = await world.connect()
                await client.send(b"GET /who HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                if (await client.closed()).startswith(b"HTTP/1.1 200"):
                    break


def test_aiohttp_still_has_what_we_reach_into() -> None:
    """A new aiohttp that renamed its inner parts is noticed here, by name."""
    inner = {
        "_waiter",
        "_loop",
        "_parser",
        "_read_bufsize",
        "_max_msg_queue_size",
        "max_line_size",
        "max_field_size",
        "max_headers",
    }
    slots = {name for kind in Connection.__mro__ for name in getattr(kind, "__slots__", ())}

    assert inner <= slots
    assert all(hasattr(Request, name) for name in ("_cancel", "_finish", "_prepare_hook"))
    assert Site(Limits()).trusts("127.0.0.1") is False
