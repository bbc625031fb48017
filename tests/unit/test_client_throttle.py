"""Bandwidth limits: as fast as allowed and no faster, over all connections, changed while bytes flow."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fronts.api.rig import PASSWORD, rig
from tests.unit.netdrive_servers import ListServer
from tests.unit.scripted_server import Answer, Asked, ScriptedServer
from tests.unit.test_netdrive_client import announced

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.clock_system import SystemClock
from homestow.client.adapters.http_client import FileSlice, HttpClient
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.netdrive_files import DocumentedFiles
from homestow.client.adapters.remote_api import ApiRemote
from homestow.client.adapters.throttle import PIECE, SLOWEST, Flow, Throttle
from homestow.client.ports.remote import SmallFile
from homestow.values.errors import Unreachable

MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Moved:
    """A throttle whose waits move a clock."""

    def __init__(self, up: int = 0, down: int = 0) -> None:
        self.clock = SimClock()
        self.lock = threading.Lock()
        self.throttle = Throttle(self.clock, self.wait)
        self.throttle.limit(up, down)

    def wait(self, seconds: float) -> None:
        with self.lock:
            self.clock.advance(seconds)

    @property
    def passed(self) -> float:
        """Seconds that were waited."""
        return self.clock.monotonic()


def test_bytes_take_their_time() -> None:
    """At 100 kB/s a megabyte takes ten seconds."""
    moved = Moved(up=100_000)

    for _ in range(100):
        moved.throttle.up.spend(10_000)

    assert moved.passed == pytest.approx(10, abs=0.3)
    assert moved.throttle.down.spend(MIB) == 0


def test_without_a_limit_nothing_waits() -> None:
    """No limit, or one that was taken back."""
    moved = Moved()
    moved.throttle.up.spend(10**9)
    moved.throttle.limit(100_000, 0)
    moved.throttle.limit(0, 0)
    moved.throttle.up.spend(10**9)

    assert moved.passed == 0
    assert not moved.throttle.up.limited


def test_rest_is_not_saved_up_for_long() -> None:
    """After an hour of quiet no more than a moment's bytes go at once."""
    moved = Moved(up=100_000)
    moved.clock.advance(3600)
    before = moved.passed

    moved.throttle.up.spend(1_000_000)

    assert moved.passed - before == pytest.approx(10, abs=0.5)


@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.integers(0, 3000)), max_size=40),
    st.integers(SLOWEST, 10_000_000),
)
def test_never_faster_than_allowed(sends: list[tuple[int, int]], limit: int) -> None:
    """Whatever is sent with whatever pauses: never more than the limit, a quarter of a second and the piece under way; and
    each wait is as long as its debt, not longer."""
    moved = Moved(up=limit)
    sent = 0
    for size, pause_ms in sends:
        moved.clock.advance(pause_ms / 1000)
        waited = moved.throttle.up.spend(size)
        sent += size
        assert sent <= limit * (moved.passed + 0.26) + 1
        assert waited <= size / limit + 0.01


def test_a_new_limit_holds_for_what_waits_already() -> None:
    """Somebody who waits at a low limit goes on when it is raised; real threads."""
    flow = Flow(SystemClock())
    flow.limit(SLOWEST)
    ended = threading.Event()

    def send() -> None:
        flow.spend(100 * SLOWEST)
        ended.set()

    thread = threading.Thread(target=send)
    thread.start()
    assert not ended.wait(0.05)
    flow.limit(0)
    assert ended.wait(10)
    thread.join()


def test_a_wait_in_vain_ends() -> None:
    """Whoever closes the connection does not wait for its bytes' turn."""
    moved = Moved(up=10_000)

    moved.throttle.up.spend(10_000_000, lambda: moved.passed > 2)

    assert moved.passed < 4


def test_pieces_are_small_under_small_limits() -> None:
    """So small that every connection gives or takes some bytes each second; never above 64 KiB."""
    for limit, piece in ((SLOWEST, 1024), (80_000, 10_000), (10_000_000, PIECE), (0, PIECE)):
        flow = Flow(SimClock())
        flow.limit(limit)
        assert flow.piece == piece
    flow.limit(1)
    assert flow.limited


def test_few_large_bodies_go_at_once_under_small_limits() -> None:
    """Servers give up bodies that come too slowly: large ones wait for each other, small ones pass."""
    moved = Moved(up=SLOWEST)
    line = moved.throttle.up.line
    with line(MIB), line(MIB), line(100), line(1000):
        with line(MIB, lambda: moved.passed > 3):
            assert moved.passed > 3
    with line(MIB), line(MIB):
        assert moved.passed < 4
    moved.throttle.limit(0, 0)
    with line(MIB), line(MIB), line(MIB):
        pass


# --- over HTTP --------------------------------------------------------------------------------------------------------


class Parts:
    """A body of pieces of different sizes."""

    def __init__(self) -> None:
        self.pieces = [os.urandom(size) for size in (10, 300_000, 5, 70_000)]
        self.size = sum(map(len, self.pieces))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)


def always(answer: Answer) -> ScriptedServer:
    return ScriptedServer(lambda asked: answer)


def test_uploads_are_throttled(tmp_path: Path) -> None:
    """Bytes, pieces and slices of files take their time, and arrive as they are; the server's answer is waited for after it."""
    content, parts = os.urandom(500_000), Parts()
    (tmp_path / "f").write_bytes(content)
    with always(OK) as server, (tmp_path / "f").open("rb") as file:
        for body, whole in (
            (content, content),
            (FileSlice(file.fileno(), 0, len(content)), content),
            (parts, b"".join(parts.pieces)),
        ):
            moved = Moved(up=50_000)
            client = HttpClient(server.url, 5, throttle=moved.throttle)
            assert client.request("PUT", "/x", {}, body).read(10) == b"ok"
            client.close()
            assert moved.passed == pytest.approx(len(whole) / 50_000, rel=0.1)
            assert server.asked[-1].body == whole


def test_downloads_are_throttled() -> None:
    """Plain and chunked answers; a download that takes longer than the client's patience is no failure."""
    content = os.urandom(600_000)
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + content
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n927c0\r\n" + content + b"\r\n0\r\n\r\n"
    for answer in (plain, chunked):
        with always(answer) as server:
            moved = Moved(down=20_000)
            client = HttpClient(server.url, 5, throttle=moved.throttle)
            assert client.request("GET", "/x", {}).read(MIB) == content
            client.close()
            assert moved.passed == pytest.approx(30, rel=0.1)


def test_closing_ends_throttled_transfers() -> None:
    """P12: whoever stops does not wait for minutes of bytes."""
    begun = threading.Event()

    def answer(asked: Asked) -> Answer:
        return OK

    def wait(seconds: float) -> None:
        begun.set()
        closed.wait(10)

    closed = threading.Event()
    throttle = Throttle(SimClock(), wait)
    throttle.limit(SLOWEST, SLOWEST)
    failed: list[Exception] = []
    with ScriptedServer(answer) as server:
        client = HttpClient(server.url, 5, throttle=throttle)

        def send() -> None:
            try:
                client.request("PUT", "/x", {}, bytes(50 * MIB))
            except Unreachable as error:
                failed.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        assert begun.wait(10)
        client.close()
        closed.set()
        thread.join(10)
        assert not thread.is_alive()
    assert failed


def test_a_whole_server_is_reached_at_the_limit(tmp_path: Path) -> None:
    """A real server and a real clock: a file up and down at 1.6 MB/s, no faster and not much slower; then without a limit."""
    content, clock = os.urandom(800_000), SystemClock()
    throttle = Throttle(clock)
    throttle.limit(1_600_000, 1_600_000)
    with rig(tmp_path) as server:
        token = server.services.accounts.log_in("anna", PASSWORD, "A", "").token
        remote = ApiRemote(server.url, token, server.root, 20, throttle=throttle)
        top = remote.root().top

        begun = clock.monotonic()
        [node] = remote.put_small([SmallFile(content, 5, None, top, "f")])
        sent = clock.monotonic() - begun
        assert not isinstance(node, Exception)
        got = io.BytesIO()
        begun = clock.monotonic()
        for piece in remote.read(node.id, node.rev, 0, len(content)):
            got.write(piece)
        received = clock.monotonic() - begun
        throttle.limit(0, 0)
        assert b"".join(remote.read(node.id, node.rev, 0, len(content))) == content
        remote.close()

    assert got.getvalue() == content
    assert 0.2 < sent < 5
    assert 0.2 < received < 5


# --- over netdrive ----------------------------------------------------------------------------------------------------


def test_netdrive_is_throttled_too(tmp_path: Path) -> None:
    """The same limits hold for that protocol's connections, both ways."""
    content = os.urandom(400_000)
    (tmp_path / "f").write_bytes(content)
    moved = Moved(up=40_000, down=80_000)
    with (
        ListServer() as server,
        NetdriveServer(server.url, throttle=moved.throttle) as client,
        (tmp_path / "f").open("rb") as file,
    ):
        client.log_in("anna", "correct horse battery")
        files = DocumentedFiles(client)
        begun = files.begun(client.ask(files.announce_call(announced(content))))
        client.ask(files.block_call(begun.vfile_id, 0, FileSlice(file.fileno(), 0, len(content))))
        files.complete(begun.vfile_id, len(content))
        assert moved.passed == pytest.approx(10, rel=0.1)
        [found] = files.listing().files
        got = bytearray()
        client.ask(files.download_call(found, 0, len(content), got.extend))
    assert got == content
    assert moved.passed == pytest.approx(15, rel=0.1)
