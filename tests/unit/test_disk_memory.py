"""The simulated disk is as cruel as a real one, and not crueler: what was flushed stays."""

import errno
import random

import pytest

from homestow.client.adapters.clock_memory import Killed, SimClock
from homestow.client.adapters.disk_memory import DiskKind, SimDisk
from homestow.client.adapters.tree_memory import SimTree, SimWatcher
from homestow.client.ports.localtree import LocalFull, LocalPath


def disk(kind: DiskKind = DiskKind()) -> SimDisk:
    return SimDisk(SimClock().now_ns, kind)


def contents(found: SimDisk) -> dict[LocalPath, bytes]:
    return {path: bytes(inode.data) for path, inode in found.walk()}


def lose_power(found: SimDisk, times: int = 60) -> list[dict[LocalPath, bytes]]:
    """What a power loss now may leave, many times over."""
    now = found.snapshot()
    states: list[dict[LocalPath, bytes]] = []
    for seed in range(times):
        found.restore(now)
        found.power_loss(random.Random(seed))
        states.append(contents(found))
    found.restore(now)
    return states


def test_what_was_published_survives_a_power_loss() -> None:
    """A put over a file leaves old or new, a finished one the new, never a piece (P1, P2)."""
    found = disk()
    found.write(("f",), b"old")
    found.flush_all()
    tree = SimTree(found)
    tree.prepare()
    staging = tree.stage("k", 3)
    staging.write_at(0, b"new")
    staging.flush()
    assert {state[("f",)] for state in lose_power(found)} == {b"old"}
    seen = tree.look(("f",))
    assert seen is not None
    tree.put(staging, ("f",), seen.stamp, 0)
    assert {state[("f",)] for state in lose_power(found)} == {b"new"}


def test_what_was_not_flushed_may_be_lost() -> None:
    """A person's last edits may be whole, old, empty or gone; nothing flushed is."""
    found = disk()
    found.write(("kept",), b"1")
    found.flush_all()
    found.write(("kept",), b"22")
    found.write(("new",), b"333")
    states = lose_power(found)
    assert {state[("kept",)] for state in states} == {b"1", b"22"}
    assert {state.get(("new",)) for state in states} == {None, b"", b"\0\0\0", b"333"}


def test_a_rename_is_whole_or_not_at_all() -> None:
    """However much of a rename between two folders is lost, the file is in exactly one of them."""
    found = disk()
    found.mkdir(("d",))
    found.mkdir(("e",))
    found.write(("d", "f"), b"1")
    found.flush_all()
    found.rename(("d", "f"), ("e", "g"))
    found.rename(("e", "g"), ("h",))
    for state in lose_power(found):
        assert sum(content == b"1" for content in state.values()) == 1


def test_a_flushed_folder_stands_with_what_it_needs() -> None:
    """fsync of a folder keeps what came into it by earlier renames from elsewhere."""
    found = disk()
    found.mkdir(("d",))
    found.write(("f",), b"1")
    found.flush_all()
    found.rename(("f",), ("d", "f"))
    found.flush(found.folder(("d",)))
    assert all(state == {("d",): b"", ("d", "f"): b"1"} for state in lose_power(found))


def test_limits_are_hard() -> None:
    """Bytes and inodes end; what was there is intact."""
    found = disk()
    found.write(("f",), b"12345")
    found.bytes_limit = 10
    with pytest.raises(OSError, match="No space") as caught:
        found.write(("f",), b"12345678901")
    assert caught.value.errno == errno.ENOSPC
    assert found.read(("f",)) == b"12345"
    found.bytes_limit = 1 << 20
    found.inodes_limit = found.used_inodes + 1
    found.write(("g",), b"")
    with pytest.raises(OSError, match="No space"):
        found.write(("h",), b"")
    found.remove(("g",))
    found.write(("h",), b"")


def test_folding_and_normalising() -> None:
    """Names that are one name to the disk are one; the case may still be changed."""
    found = disk(DiskKind(folds_case=True, normalises=True))
    found.write(("é",), b"1")
    assert [path for path, _ in found.walk()] == [("e\u0301",)]
    found.write(("E\u0301",), b"2")
    assert contents(found) == {("e\u0301",): b"2"}
    found.rename(("é",), ("É",))
    assert contents(found) == {("E\u0301",): b"2"}


def test_a_killed_process_sees_nothing_more() -> None:
    """After `kill` every call ends, the disk lives on and the lock is free."""
    found = disk()
    tree = SimTree(found)
    tree.prepare()
    tree.kill()
    with pytest.raises(Killed):
        tree.look(("f",))
    SimTree(found).prepare()


def test_errors_of_the_disk_reach_the_port() -> None:
    """An errno wished by a test comes as the port's error."""
    tree = SimTree(disk(), trouble=lambda point, path: errno.ENOSPC if point == "make_folder" else None)
    tree.prepare()
    with pytest.raises(LocalFull):
        tree.make_folder(("d",))


def test_a_watcher_forgets_when_too_much_happens() -> None:
    """Hints name folders, each once; past its room the watcher says everything may have changed (SC-197)."""
    found = disk()
    watcher = SimWatcher(found, room=2)
    found.write(("f",), b"1")
    found.write(("f",), b"2")
    assert watcher.wait(1)
    hints = watcher.take()
    assert (list(hints.folders), hints.everything) == ([()], False)
    for number in range(3):
        found.mkdir((f"d{number}",))
        found.write((f"d{number}", "f"), b"1")
    assert watcher.take().everything
    assert not watcher.wait(1)
    watcher.wake()
    assert watcher.wait(1)
