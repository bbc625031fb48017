"""What no peer of netdrive or PiCloud may do, whichever of them it speaks: the real fronts on a loop whose clock is moved."""

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.fronts.loops import the_loop, turns
from tests.fronts.tcp.conftest import Client

from homestow.server.bootstrap import TcpServed, open_house, tcp_fronts
from homestow.server.border import Border
from homestow.server.fronts.tcp.listening import Address
from homestow.server.settings import Settings
from homestow.values.errors import BadSettings

PASSWORD = "a marked password"


def _framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4) + payload


LOGIN = {
    "netdrive": b'login\n{"username":"anna","password":"%b"}\0' % PASSWORD.encode(),
    "picloud": _framed(PASSWORD.encode() + b"::::::::::anna::::::::::id"),
}
FRONTS = list(LOGIN)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of two thousand connections are open files of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16_384, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def fronts(
    tmp_path: Path, certificate: tuple[Path, Path, ssl.SSLContext], many_files: None
) -> AsyncIterator[dict[str, TcpServed]]:
    """Both, as a server with a certificate has them; anna has an account."""
    cert, key, _ = certificate
    with open_house(tmp_path / "data", Settings(netdrive=":0", picloud=":0")) as house:
        house.services.accounts.add("anna", PASSWORD)
        border = Border()
        served = list(tcp_fronts(house, border, (cert, key)))
        yield {front.name: front for front in served}
        for front in served:
            await front.server.close()
        border.close()
        for front in served:
            front.end()


async def connect(address: Address, tls: ssl.SSLContext | None = None) -> Client:
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=tls, server_hostname="localhost" if tls else None
    )
    return Client(reader, writer)


async def said(client: Client, wanted: bytes) -> bytes:
    """What comes until `wanted` is in it, or the connection ends."""
    got = b""
    while wanted not in got and (part := await client.reader.read(1000)):
        got += part
    return got


@pytest.mark.parametrize("name", FRONTS)
async def test_S75_a_password_is_not_taken_in_the_clear(
    fronts: dict[str, TcpServed], certificate: tuple[Path, Path, ssl.SSLContext], name: str
) -> None:
    """From elsewhere a login without TLS is refused, right or wrong alike, and told what to do; over TLS it is one."""
    server = fronts[name].server
    server._local = lambda host: False
    address = await server.listen("127.0.0.1", 0)
    refusals = []
    for password in (PASSWORD, "x" * len(PASSWORD)):
        client = await connect(address)
        await client.send(LOGIN[name].replace(PASSWORD.encode(), password.encode()))
        refusals.append(await client.closed())
        client.writer.close()
    assert refusals[0] == refusals[1]
    assert b"TLS" in refusals[0]
    assert b"success" not in refusals[0]

    client = await connect(address, certificate[2])
    await client.send(LOGIN[name])
    assert b"success" in await said(client, b"success")
    await client.hang_up()


@pytest.mark.parametrize("name", FRONTS)
async def test_S72_a_thousand_drips_hold_nobody_up(fronts: dict[str, TcpServed], name: str) -> None:
    """Heads, then bodies at a byte every other second: others log in meanwhile, and within a minute all drips are gone."""
    server = fronts[name].server
    address = await server.listen("127.0.0.1", 0)
    drips = [socket.create_connection((address.host, address.port)) for _ in range(1000)]
    try:
        await turns()
        assert server._open == 1000
        for byte in b"\0\0\x20\0" + bytes(20):
            for sock in drips:
                with suppress(ConnectionError):
                    sock.send(bytes([byte or ord("l")]) if name == "netdrive" else bytes([byte]))
            await the_loop().move(2.1, steps=3)
            if byte:
                client = await connect(address)
                await client.send(LOGIN[name])
                assert b"success" in await said(client, b"success")
                await client.hang_up()
        await the_loop().move(10.0, steps=5)

        assert server._open == 0
        for sock in drips:
            sock.settimeout(20)
            assert ended(sock)
    finally:
        for sock in drips:
            sock.close()


def ended(sock: socket.socket) -> bool:
    """Whether nothing but a last word comes before the end."""
    try:
        while sock.recv(1000):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize("begun", [b"", b"\0", b"\x16\x03\x01"])
async def test_S72_a_stranger_is_not_silent_for_long(fronts: dict[str, TcpServed], name: str, begun: bytes) -> None:
    """A minute without a login, ten seconds with part of a head."""
    address = await fronts[name].server.listen("127.0.0.1", 0)
    client = await connect(address)
    await client.send(begun)
    await turns()
    closed = asyncio.create_task(client.closed())
    await the_loop().move(61.0, steps=61)

    assert b"success" not in await closed
    client.writer.close()


@pytest.mark.parametrize("name", FRONTS)
def test_S75_S102_listening_in_plain_beyond_this_machine_needs_a_word(tmp_path: Path, name: str) -> None:
    """Without a certificate it is refused with what to do, unless the owner allowed it; with one it is not asked for."""
    pem = Path("cert.pem"), Path("key.pem")
    for allowed, encrypted, fine in ((False, False, False), (True, False, True), (False, True, True)):
        settings = Settings(**{name: "0.0.0.0:0"}, allow_plain=allowed)  # type: ignore[arg-type]  # a front's name
        with open_house(tmp_path / "data", settings) as house, pytest.MonkeyPatch.context() as patch:
            patch.setattr("homestow.server.fronts.tcp.listening.Tls", lambda *_, **__: object())
            border = Border()
            if fine:
                assert [front.name for front in tcp_fronts(house, border, pem if encrypted else None)] == [name]
            else:
                with pytest.raises(BadSettings, match=f"Plain {name} on 0.0.0.0 .*--allow-plain"):
                    list(tcp_fronts(house, border, None))
            border.close()
