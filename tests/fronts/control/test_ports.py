"""The ports of the loopback: in use, flooded, asked by others, with keys."""

import os
import resource
import socket as sockets
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import zmq
from tests.fronts.control.rig import GREETING, Bytes, Rig, open_rig, wait_for

from homestow.client.control import guard
from homestow.client.control import sockets as control_sockets
from homestow.values.errors import BadRequest, BadSettings
from homestow.wire import pydio
from homestow.wire.pydio import Ports

NOBODY = 65_534


def listening() -> set[int]:
    """Ports of this machine on which this process listens, by IPv4 or IPv6."""
    mine = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            mine.add(os.readlink(f"/proc/self/fd/{entry}"))
        except FileNotFoundError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and f"socket:[{parts[9]}]" in mine:
                found.add(int(parts[1].rpartition(":")[2], 16))
    return found


def free_three() -> int:
    """A port that is free, as the two after it are at the moment."""
    for port in range(21_000, 30_000, 7):
        try:
            with ExitStack() as stack:
                for each in range(port, port + 3):
                    one = stack.enter_context(sockets.socket())
                    one.bind(("127.0.0.1", each))
            return port
        except OSError:
            continue
    raise AssertionError("no free ports")


def test_no_port_is_open_unless_asked_for(rig: Rig) -> None:
    """A service listens at its files alone; with the plain words at three ports of the loopback, and no more when they close."""
    before = listening()
    ports = rig.open_plain()
    assert listening() - before == {ports.pub, ports.command, ports.watch}
    assert {addresses_of(port) for port in (ports.pub, ports.command, ports.watch)} == {"0100007F"}
    rig.hub.close_plain()
    wait_for(lambda: listening() == before, "closed ports")
    rig.hub.close_plain()


def addresses_of(port: int) -> str:
    """The address that is listened at, as /proc/net/tcp writes it."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, _, number = line.split()[1].partition(":")
        if int(number, 16) == port and line.split()[3] == "0A":
            return address
    raise AssertionError(port)


def test_three_ports_in_a_row(rig: Rig) -> None:
    """Publications at the port that is given, orders at the next, the watch at the one after; the port file tells all three."""
    port = free_three()
    assert rig.open_plain(port) == Ports(port, port + 1, port + 2)
    assert rig.say("LIST-JOBS").startswith("[")
    assert rig.port_file.read_text() == (
        f"Pydio port config file \npub_socket:{port}\ncommand_socket:{port + 1}\nwatch_socket:{port + 2}\n"
    )
    assert stat.S_IMODE(rig.port_file.stat().st_mode) == 0o600
    rig.hub.close()
    assert not rig.port_file.exists()


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_port_in_use(rig: Rig, taken: int) -> None:
    """The error names the port and what to do; nothing stays open, no file is left, and another port can be had."""
    port = free_three()
    before = listening()
    with sockets.socket() as other:
        other.bind(("127.0.0.1", port + taken))
        other.listen()
        held = listening()
        with pytest.raises(BadSettings, match=f"Port {port + taken} .*in use.*another with `-z`") as caught:
            rig.open_plain(port)
        assert caught.value.facts["port"] == port + taken
        wait_for(lambda: listening() == held, "closed ports")
        assert not rig.port_file.exists()
    assert rig.ask({"order": "hello"})["gave"]
    wait_for(lambda: listening() == before, "closed ports")
    assert rig.open_plain(port).pub == port


@pytest.mark.parametrize("port", [-1, 65_534, 10**9])
def test_a_number_that_is_no_port(rig: Rig, port: int) -> None:
    """Three in a row must fit."""
    with pytest.raises(BadRequest, match="three in a row"):
        rig.open_plain(port)


def test_ports_move(plain: Rig) -> None:
    """Opened anew, they are elsewhere; the old ones are free, and the port file follows."""
    before = plain.plain
    after = plain.open_plain()
    assert {after.pub, after.command, after.watch}.isdisjoint({before.pub, before.command, before.watch})
    assert pydio.decode_port_file(plain.port_file.read_text()) == after
    assert plain.say("START") == "RUNNING"


def test_an_old_libzmq_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older libraries have holes that open before a peer is known (S85)."""
    assert zmq.zmq_version_info() >= control_sockets.LEAST_LIBZMQ
    monkeypatch.setattr(zmq, "zmq_version_info", lambda: (4, 3, 4))
    with pytest.raises(BadSettings, match=r"4\.3\.5 or newer"):
        control_sockets.context()


# --- who connects -----------------------------------------------------------------------------------------------------


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for many connections in this process, which is also the one that connects."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    "begin",
    [b"", GREETING[:10], GREETING, GREETING + b"\x04\xff"],
    ids=["silent", "half a greeting", "a greeting", "half a command"],
)
def test_half_open_peers(plain: Rig, begin: bytes) -> None:
    """A hundred that connect and never go on, ten times: few are held, and a window that was there before is
    served meanwhile and after (S85)."""
    with plain.command() as window:
        window.send(b"LIST-JOBS")
        assert window.recv()
        for _ in range(10):
            with ExitStack() as stack:
                for _ in range(100):
                    peer = stack.enter_context(sockets.create_connection(("127.0.0.1", plain.plain.command), 20))
                    try:
                        peer.sendall(begin)
                    except (BrokenPipeError, ConnectionResetError):
                        continue  # cut already
                window.send(b"START")
                assert window.recv() == b"RUNNING"
                wait_for(lambda: established(plain.plain.command) <= guard.MOST, "cut connections")
            wait_for(lambda: established(plain.plain.command) == 1, "forgotten connections")
    assert plain.say("START") == "RUNNING"


def established(port: int) -> int:
    """Connections that the process holds to its port."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        parts = line.split()
        count += parts[3] == "01" and int(parts[1].rpartition(":")[2], 16) == port
    return count


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost:5557\r\n\r\n" + b"x" * 100,
        b"\xff" * 200,
        b"\x00" * 200,
        GREETING[:-32] + b"\xff" * 32,
        GREETING.replace(b"NULL", b"CURV") + bytes(100),
        GREETING + b"\x06" + (2**40).to_bytes(8, "big"),
        GREETING + b"\x02" + (2**63).to_bytes(8, "big"),
        GREETING + b"\x04\x19\x05READY\x0bSocket-Type\xff\xff\xff\xff",
    ],
    ids=["web page", "ones", "zeros", "filler", "other mechanism", "long command", "endless frame", "odd command"],
)
def test_what_is_no_zeromq(plain: Rig, data: bytes) -> None:
    """Web pages, noise and impossible sizes end their connection and nothing else (S86, S87)."""
    peers = [Bytes(port, "", shake=False) for port in (plain.plain.pub, plain.plain.command, plain.plain.watch)]
    for peer in peers:
        peer.send(data)
    assert all(peer.is_cut() for peer in peers)
    assert plain.say("START") == "RUNNING"
    for peer in peers:
        peer.close()


def test_a_web_page_cannot_order(plain: Rig) -> None:
    """Whatever a browser sends, it begins with the name of a method. For the first version of ZMTP that is the length of a name,
    so that a page could have said an order in the body of a request (S86)."""
    plain.say("START")
    for method in (b"GET", b"POST", b"PUT", b"OPTIONS"):
        head = (
            method + b" / HTTP/1.1\r\nHost: localhost:5557\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n"
        )
        body = (b"\x01\x00" + b"\x06\x00PAUSE") * 500
        for gap in range(64):
            peer = Bytes(plain.plain.command, "", shake=False)
            with suppress(ConnectionError):
                peer.send(head + b"\x00" * gap + body)
            assert peer.is_cut()
            peer.close()
    assert not any(job.paused for job in plain.twin.jobs())


def test_a_frame_too_long_ends_its_connection(plain: Rig) -> None:
    """An order has a kilobyte at most; what declares more is cut before it is read."""
    peer = Bytes(plain.plain.command, "REQ")
    peer.send(b"\x01\x00" + b"\x02" + (5 * 1024**2).to_bytes(8, "big"))
    assert peer.is_cut()
    peer.close()
    assert plain.say("START") == "RUNNING"


def test_many_frames_have_no_answer(plain: Rig) -> None:
    """A message of a hundred thousand frames is thrown away; the next one is answered (S87)."""
    peer = Bytes(plain.plain.command, "DEALER")
    peer.send(b"\x01\x00" + b"\x01\x01x" * 100_000 + b"\x00\x01x")
    peer.send(bytes.fromhex("01 00 00 05 50 41 55 53 45"))
    assert peer.read(10) == bytes.fromhex("01 00 00 06 50 41 55 53 45 44")
    peer.close()


def test_a_message_that_never_ends_is_cut_with_others(plain: Rig) -> None:
    """Of this user libzmq gathers it, as long as it comes; it is gone with its connection."""
    peer = Bytes(plain.plain.command, "DEALER")
    peer.send(b"\x01\x00" + b"\x01\x01x" * 10_000)
    peer.close()
    assert plain.say("START") == "RUNNING"


def as_nobody(what: Callable[[], str]) -> str:
    """What a function tells in a process of another user of the machine."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, what().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:
        told = said.read()
    os.waitpid(child, 0)
    return told


def test_another_user_gets_nothing_at_a_port(plain: Rig) -> None:
    """Where the system says whose a connection is, that of another user is cut, and its order is not obeyed (S83)."""
    plain.say("START")

    def pause() -> str:
        try:
            peer = Bytes(plain.plain.command, "REQ")
            peer.send(bytes.fromhex("01 00 00 05 50 41 55 53 45"))
            return peer.read(10).hex()
        except (OSError, EOFError):
            return "cut"

    for _ in range(30):
        assert as_nobody(pause) == "cut"
    assert not any(job.paused for job in plain.twin.jobs())
    assert plain.say("PAUSE") == "PAUSED"


def test_another_user_hears_nothing_at_a_port(plain: Rig) -> None:
    """Not even the state that is repeated to each subscriber: it is cut before it is let in (S83)."""

    def hear() -> str:
        try:
            peer = Bytes(plain.plain.pub, "SUB")
            peer.send(b"\x00\x01\x01")
            heard = peer.read(14)
            peer.close()
        except (OSError, EOFError):
            return "nothing"
        return heard[2:].decode()

    for _ in range(30):
        assert as_nobody(hear) == "nothing"
    assert hear() == "status PAUSE"


def test_another_user_cannot_reach_the_sockets(rig: Rig, tmp_path: Path) -> None:
    """The folder keeps everybody else out, whatever the modes above it (S83)."""
    temporary = Path(tempfile.gettempdir())
    above = {each for each in (tmp_path, *tmp_path.parents, *rig.place.folder.parents) if temporary in each.parents}
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in above}
    for folder, mode in modes.items():
        folder.chmod(mode | 0o055)
    open_one = tmp_path / "open"
    with sockets.socket(sockets.AF_UNIX) as server:
        server.bind(str(open_one))
        server.listen()
        open_one.chmod(0o777)

        def reach() -> str:
            said = []
            for path in (rig.place.folder / "orders", rig.place.folder / "news", open_one):
                with sockets.socket(sockets.AF_UNIX) as peer:
                    try:
                        peer.connect(str(path))
                        said.append("reached")
                    except PermissionError:
                        said.append("refused")
            return " ".join(said)

        try:
            assert as_nobody(reach) == "refused refused reached"
        finally:
            for folder, mode in modes.items():
                folder.chmod(mode)


def test_the_system_says_whose_a_connection_is() -> None:
    """Our own ends are ours; ends that do not exist are nobody's."""
    with sockets.create_server(("127.0.0.1", 0)) as server:
        with sockets.create_connection(server.getsockname()) as near:
            assert guard.owner_of(near.getsockname(), server.getsockname()) == os.getuid()
    assert guard.owner_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


# --- with keys --------------------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Rig]:
    """A service on a system without socket files: ports of the loopback, with keys."""
    with open_rig(tmp_path, ports=True) as made:
        yield made


def test_who_has_the_keys_is_served(keyed: Rig) -> None:
    """The keys lie in the place, which only its owner can enter; by them orders and news work as ever."""
    keys = keyed.place.keys
    assert keys is not None
    assert keyed.place.orders.startswith("tcp://127.0.0.1:")
    assert {path.name for path in keyed.place.folder.iterdir()} == {"lock", "place.json"}
    socket = with_keys(keyed, zmq.REQ, keys.server, keys.public, keys.secret)
    socket.connect(keyed.place.orders)
    socket.send(b"PAUSE")
    assert socket.recv() == b"PAUSED"
    assert keys.secret not in repr(keyed.place)


def test_who_has_no_keys_gets_nothing(keyed: Rig) -> None:
    """Without keys, with other keys, and with the server's public key alone: no order is obeyed, no news are heard (S83)."""
    keys = keyed.place.keys
    assert keys is not None
    public, secret = (key.decode() for key in zmq.curve_keypair())
    other, _ = (key.decode() for key in zmq.curve_keypair())
    plain = keyed.context.socket(zmq.REQ)
    tries = [
        plain,
        with_keys(keyed, zmq.REQ, other, keys.public, keys.secret),
        with_keys(keyed, zmq.REQ, keys.server, public, secret),
    ]
    ears = [keyed.context.socket(zmq.SUB), with_keys(keyed, zmq.SUB, keys.server, public, secret)]
    for socket in tries:
        keyed.sockets.append(socket)
        socket.connect(keyed.place.orders)
        with suppress(zmq.Again):  # known to be refused already
            socket.send(b"PAUSE", zmq.NOBLOCK)
    for ear in ears:
        keyed.sockets.append(ear)
        ear.subscribe("")
        ear.connect(keyed.place.news)
    good = with_keys(keyed, zmq.REQ, keys.server, keys.public, keys.secret)
    good.connect(keyed.place.orders)
    for _ in range(20):
        good.send(b"START")
        assert good.recv() == b"RUNNING"
    assert [socket.poll(20) for socket in (*tries, *ears)] == [0] * 5
    assert {type(order).__name__ for order in keyed.twin.given} == {"Hello", "Start"}


def with_keys(rig: Rig, kind: int, server: str, public: str, secret: str) -> "zmq.Socket[bytes]":
    """A socket that proves itself by these."""
    socket = rig.context.socket(kind)
    rig.sockets.append(socket)
    socket.rcvtimeo = 20_000
    socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = (
        key.encode() for key in (server, public, secret)
    )
    return socket
