"""Quotas and disks that are full: nothing is told to be stored that is not, what was there stays, and the next works."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fronts.picloud.rig import FAILED, RECEIVED, STORED, D, PicloudRig, open_rig, upload

from homestow.values.errors import StorageFull
from homestow.values.faults import arm

MIB = 1024 * 1024


@contextmanager
def failing(at: str, error: Exception) -> Iterator[None]:
    """At this point of persistence it fails."""

    def act(point: str) -> None:
        if point == at:
            raise error

    arm(act)
    try:
        yield
    finally:
        arm(None)


@pytest.mark.parametrize(
    "point, size",
    [("content.write", 3 * MIB), ("content.stage_small", 100), ("content.stage_small", 100_000),
     *(("committer.staged_durable", size) for size in (100, 100_000, 3 * MIB))],
)  # fmt: skip
def test_a_full_disk(rig: PicloudRig, size: int, point: str) -> None:
    """Is told, wherever it shows; the content of before is there, and a later try works, on the same connection if it can."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"before")
        with failing(point, StorageFull("The disk is full.")):
            failed, text = peer.ask(upload("hi", "txt", b"x" * size))
            assert failed == FAILED
            assert b"full" in (text or b"")
        assert rig.files() == {"hi.txt": b"before"}
    rig.settled()
    rig.nothing_staged()
    with rig.peer() as peer:
        assert peer.get("hi", "txt") == b"before"
        peer.put("hi", "txt", b"x" * size)
    assert rig.files() == {"hi.txt": b"x" * size}


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_a_failing_disk(rig: PicloudRig, size: int) -> None:
    """Is told, without a word of its inside; what was there is still given, also after a restart."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"before")
        with failing("content.publish.checked", OSError(errno.EIO, os.strerror(errno.EIO))):
            failed, text = peer.ask(upload("hi", "txt", b"x" * size))
        assert failed == FAILED
        assert text == b"The disk of the server failed. Its owner finds the reason in its log."
        assert peer.get("hi", "txt") == b"before"
    rig.restart()
    with rig.peer() as peer:
        assert peer.get("hi", "txt") == b"before"
        peer.put("hi", "txt", b"x" * size)


def test_the_quota(tmp_path: Path) -> None:
    """Holds for what is stored, older contents included, and lets everything in that fits; each refusal says so."""
    with open_rig(tmp_path, quota=200_000) as rig, rig.peer("anna") as peer:
        peer.put("a", "bin", b"a" * 90_000)
        peer.put("a", "bin", b"b" * 90_000)
        for size in (30_000, 90_000, 900_000):
            failed, text = peer.ask(upload("b", "bin", b"c" * size))
            assert failed == FAILED
            assert b"room" in (text or b"")
        peer.put("c", "bin", b"c" * 10_000)
        assert peer.get("a", "bin") == b"b" * 90_000
        assert sorted(rig.files()) == ["a.bin", "c.bin"]
        rig.nothing_staged()


@pytest.mark.parametrize("size", [1000, 100_000, 3 * MIB])
def test_the_last_byte_of_a_quota(tmp_path: Path, size: int) -> None:
    """What fits exactly is taken, whatever its name takes of the message; a byte more is not."""
    with open_rig(tmp_path, quota=size) as rig, rig.peer("anna") as peer:
        assert peer.ask(upload("a" * 200, "bin", b"x" * (size + 1)))[0] == FAILED
        peer.put("a" * 200, "bin", b"x" * size)
        assert peer.ask(upload("b", "bin", b"x"))[0] == FAILED
        rig.nothing_staged()


def test_many_at_once_under_a_quota(tmp_path: Path) -> None:
    """Never more is staged than may be stored: whoever comes while others fill it is refused at once."""
    with open_rig(tmp_path, quota=3 * MIB) as rig:
        rig.peer("anna").close()
        data = [upload(f"f{number}", "bin", bytes([number]) * (2 * MIB)) for number in range(4)]
        peers = [rig.peer() for _ in data]
        peers[0].send(data[0][:MIB])
        rig.until_coming()
        for peer, message in zip(peers[1:], data[1:], strict=True):
            failed, text = peer.ask(message[:MIB])
            assert failed == FAILED
            assert b"room" in (text or b"")
        peers[0].send(data[0][MIB:])
        assert [peers[0].hear(), peers[0].hear()] == [RECEIVED, STORED]
        for peer in peers:
            peer.close()
        rig.settled()
        assert list(rig.files()) == ["f0.bin"]
        rig.nothing_staged()


def test_a_file_that_the_disk_does_not_give(rig: PicloudRig) -> None:
    """Is told as such; one that was removed from outside is not there."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"hello")
        (rig.own() / "hi.txt").unlink()
        peer.send(b"\x00\x00\x00\x0fhi" + D + b"txt")
        assert peer.hear() == FAILED
        peer.put("hi", "txt", b"again")
        assert peer.get("hi", "txt") == b"again"


def test_a_file_that_is_too_long_for_a_message(rig: PicloudRig) -> None:
    """Is refused with a word; the largest that fits is begun."""
    with rig.peer("anna") as peer:
        peer.put("hi", "txt", b"hello")
        for name, size in (("too-long", (1 << 32) - 1), ("longest", (1 << 32) - 1 - 20 - len("longest.bin") + 1)):
            with (rig.own() / f"{name}.bin").open("wb") as file:
                file.truncate(size)
        rig.core.outside.look(rig.roots.named("anna").id, [()])
        failed, text = peer.ask(b"\x00\x00\x00\x15too-long" + D + b"bin")
        assert failed == FAILED
        assert b"too long" in (text or b"")
        peer.send(b"\x00\x00\x00\x14longest" + D + b"bin")
        assert peer.exactly(4 + 3 * MIB) == b"\xff\xff\xff\xff" + bytes(3 * MIB)
    rig.settled()
