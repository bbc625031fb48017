"""The server on the local network: what it announces, to whom, and what a client makes of what others announce.

mDNS is spoken on the loopback interface alone, which every record here stays on.
"""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import ServiceInfo

from homestow.client.adapters.discovery import announced, discover, look
from homestow.client.adapters.server_address import address_of
from homestow.client.ports.accounts import Announced
from homestow.server.adapters.announcing import Announcer, announcer
from homestow.wire.announcing import INTERFACES, MAX_NAME, SERVICE, Told, properties, read, shown

HERE = "127.0.0.1"
PATIENCE_S = 30.0


@contextmanager
def announcing(port: int, told: Told, host: str = HERE) -> Iterator[None]:
    """A server that announces itself on this machine while the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(Announcer(host, port, told, [HERE]).run(), loop)
    try:
        yield
    finally:
        running.cancel()

        async def settle() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 20)

        asyncio.run_coroutine_threadsafe(settle(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def found(
    *wanted: str, by: Callable[[float], Sequence[Announced]] = lambda seconds: look(seconds, [HERE])
) -> list[Announced]:
    """What is found, when all the wanted addresses are among it."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        servers = [server for server in by(0.6) if server.url in wanted]
        if {server.url for server in servers} == set(wanted):
            return servers
        assert time.monotonic() < give_up, servers


def test_a_server_is_found(unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name and an address that can be asked; also by the process that looks for a service; after its goodbye no more."""
    monkeypatch.setenv(INTERFACES, HERE)
    mine = f"http://{HERE}:{unused_tcp_port}"
    with announcing(unused_tcp_port, Told("Küche", "0.1.0", False)):
        assert found(mine) == found(mine, by=discover) == [Announced("Küche", mine)]
    assert mine not in [server.url for server in look(0.6, [HERE])]


def test_two_servers_of_one_name(unused_tcp_port_factory: Callable[[], int]) -> None:
    """Both are found: the second one takes another name on the network, and both show their own."""
    first, second = unused_tcp_port_factory(), unused_tcp_port_factory()
    with announcing(first, Told("home", "0.1.0", False)), announcing(second, Told("home", "0.1.0", False)):
        assert len(found(f"http://{HERE}:{first}", f"http://{HERE}:{second}")) == 2


def test_a_machine_that_is_not_asked_to_tells_nothing() -> None:
    """Bound to this machine only, there is nothing to announce; on all addresses, its own one is left out."""
    assert announcer(HERE, 5000, {}, tls=False, url="").addresses() == []
    assert announcer("localhost", 5000, {}, tls=False, url="").addresses() == []
    assert HERE not in announcer("0.0.0.0", 5000, {}, tls=False, url="").addresses()
    assert announcer("0.0.0.0", 5000, {INTERFACES: f" {HERE} ,"}, tls=False, url="").addresses() == [HERE]
    assert announcer("no.such.host.invalid", 5000, {}, tls=False, url="").addresses() == []


def test_nothing_secret_is_told() -> None:
    """The record holds these fields and no others: no epoch, no account, no path of a disk."""
    told = properties(Told("home", "0.1.0", True, "/", "https://home.example"))
    assert told == {"name": "home", "version": "0.1.0", "tls": "1", "path": "/", "url": "https://home.example"}


def test_the_library_is_not_loaded_for_who_does_not_announce() -> None:
    """P11: a server that announces nothing pays nothing, and no client does before it looks."""
    program = (
        "import sys, homestow.server.bootstrap, homestow.client.adapters.accounts_api, homestow.client.adapters.discovery;"
        "print('zeroconf' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "False\n"


# --- what others announce (S92) ---------------------------------------------------------------------------------------


def record(
    port: int = 5000,
    host: str = "pi.local.",
    addresses: tuple[str, ...] = ("192.168.1.20",),
    **fields: str | bytes | None,
) -> ServiceInfo:
    told = {"name": "home", "version": "1", "tls": "0", "path": "/"} | fields
    return ServiceInfo(
        SERVICE, f"x.{SERVICE}", port=port, parsed_addresses=list(addresses), properties=told, server=host
    )


@pytest.mark.parametrize(
    "info,url",
    [
        (record(), "http://192.168.1.20:5000"),
        (record(tls="1"), "https://pi.local:5000"),
        (record(path="/cloud/"), "http://192.168.1.20:5000/cloud"),
        (record(addresses=("fe80::1", "2001:db8::1")), "http://[2001:db8::1]:5000"),
        (record(url="https://home.example/x"), "https://home.example/x"),
        (record(url="HTTPS://Home.Example"), "https://home.example"),
    ],
)
def test_what_becomes_an_address(info: ServiceInfo, url: str) -> None:
    """The number where nothing is secured, the name that a certificate has where TLS is spoken, or what the owner has set."""
    assert announced(info) == Announced("home", url)


@pytest.mark.parametrize(
    "info",
    [
        record(port=0),
        record(tls="yes"),
        record(version=""),
        record(version=None),
        record(addresses=("0.0.0.0",)),
        record(addresses=("224.0.0.251", "ff02::fb")),
        record(addresses=()),
        record(url="file:///etc/passwd"),
        record(url="javascript:alert(1)"),
        record(url="netdrive://192.168.1.1"),
        record(url="http://anna:secret@host"),
        record(url="https://hömé.example"),
        record(path="/\x1b[2J"),
        record(path="/x?y#z"),
        record(path="/ü"),
        record(name=b"\xff\xfe", version=b"\xff"),
    ],
)
def test_what_becomes_none(info: ServiceInfo) -> None:
    """S88, S92: other schemes, users, control characters, addresses of nobody."""
    server = announced(info)
    assert server is None or (server.url == "http://192.168.1.20:5000" and "\x1b" not in server.url)


@given(
    st.dictionaries(
        st.sampled_from([b"name", b"version", b"tls", b"path", b"url", b"other"]),
        st.one_of(st.none(), st.binary(max_size=300), st.sampled_from([b"0", b"1", b"https://home.example", b"/a b"])),
    ),
    st.integers(0, 65535),
    st.one_of(st.none(), st.text(max_size=60), st.sampled_from(["a/b.local.", "a@b.local.", "pi.local."])),
)
def test_S92_any_record_becomes_an_address_or_nothing(
    fields: dict[bytes, bytes | None], port: int, server: str | None
) -> None:
    """Whatever stands in it; what comes out is an address that would be taken as typed."""

    class Info(ServiceInfo):
        """A record as it came, without the library's own look at it."""

        properties = fields

    info = Info(SERVICE, f"x.{SERVICE}", port=port, parsed_addresses=["192.168.1.20"])
    info.server = server
    made = announced(info)
    if made is not None:
        assert address_of(made.url) == made.url
        assert made.name
        assert made.name.isprintable()


def test_a_name_is_only_shown() -> None:
    """Cut, printable, never empty; a record of thousands of bytes says nothing."""
    assert shown("a\x1b[31m\nb.c\u202e" + "x" * 100).startswith("a [31m b c")
    assert len(shown("ä" * 100).encode()) <= MAX_NAME
    assert shown("\x00\n ") == shown("") == "Homestow"
    assert read({b"name": b"n" * 5000, b"version": b"1", b"tls": b"0"}) == Told("Homestow", "1", False)
    assert read({}) is None
    assert read({b"tls": None, b"version": b"1"}) is None


def test_noise_on_the_port_stops_nobody(unused_tcp_port: int) -> None:
    """Packets that are no DNS, or lie about their lengths, are passed over by both ends."""
    noise = [b"", b"\0" * 12, b"\xff" * 1400, b"\0\0\x84\0" + b"\0\1" * 4 + b"\xc0\x0c" * 100, SERVICE.encode() * 30]
    with announcing(unused_tcp_port, Told("home", "0.1.0", False)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
            for packet in noise:
                sock.sendto(packet, ("224.0.0.251", 5353))
        assert found(f"http://{HERE}:{unused_tcp_port}")
