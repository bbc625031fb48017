"""What a long PiCloud message costs the server: room on the disk, not memory."""

import struct
from pathlib import Path

import pytest
from tests.fronts.picloud.rig import LOGGED_IN, RECEIVED, STORED, D, Peer, request, user_file
from tests.journeys.cli_processes import Home

pytestmark = pytest.mark.serial

MIB = 1024 * 1024
SENT = 256 * MIB
MOST_MEMORY_KIB = 48 * 1024


def highest_kib(pid: int) -> int:
    """The most memory a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_long_messages_cost_no_memory(tmp_path: Path) -> None:
    """A quarter of a gibibyte up and down, then so much of one that is declared with 4 GiB and breaks off: the server has never
    held more than a few pieces, and nothing of what broke off is left."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    tail = D + b"film" + D + b"mp4"
    block = bytes(range(256)) * 4096
    with home.server("--picloud", "127.0.0.1:0") as server:
        port = int(server.ready["picloud"].rpartition(":")[2])
        with Peer(port) as peer:
            assert peer.ask(user_file("anna")) == [RECEIVED, LOGGED_IN]
            assert peer.get("nothing", "txt") is None
            before = highest_kib(server.process.pid)
            peer.send(struct.pack(">I", SENT + len(tail)))
            for _ in range(SENT // MIB):
                peer.send(block)
            assert peer.ask(tail) == [RECEIVED, STORED]
            peer.send(request("film", "mp4"))
            assert peer.exactly(4) == struct.pack(">I", SENT + len(tail))
            for _ in range(SENT // MIB):
                assert peer.exactly(MIB) == block
            assert peer.exactly(len(tail)) == tail
            peer.send(b"\xff\xff\xff\xff")
            for _ in range(SENT // MIB):
                peer.send(block)
        with Peer(port) as peer:
            assert peer.get("nothing", "txt") is None
        assert highest_kib(server.process.pid) - before < MOST_MEMORY_KIB
    assert [path.name for path in (home.data / "files" / "anna").iterdir() if path.name != ".homestow"] == ["film.mp4"]
    assert list((home.data / "files" / "anna" / ".homestow" / "staging").glob("*")) == []
