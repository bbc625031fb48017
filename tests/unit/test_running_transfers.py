"""Transfers on computers in memory: large files that go on where they broke, and content that is not what it should be."""

import pytest
from tests.unit.sync_rig import Computer, at
from tests.unit.sync_wire import BLOCK, broken, nothing, small_blocks, wired

from homestow.client.adapters.clock_memory import Killed, SimClock
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.running import downloads
from homestow.client.running.outcome import Ending
from homestow.values.errors import Unreachable


@pytest.mark.parametrize("restart", [False, True])
def test_upload_goes_on_where_it_broke(restart: bool) -> None:
    """P7: after a cut at most one block is sent again."""
    server, clock = small_blocks(), SimClock()
    computer, wire = wired("A", server, clock)
    size = 40 * BLOCK + 1
    computer.write("big", "b" * size)
    wire.fail = broken(25, names=frozenset(["put_block"]))
    computer.cycle.run_pass()
    wire.fail = nothing
    if restart:
        computer.restart()
    assert computer.sync().ending is Ending.IN_STEP

    assert wire.calls["begin_upload"] == 1
    assert wire.sent <= size + BLOCK


@pytest.mark.parametrize("alone", [False, True])
def test_a_killed_download_asks_for_no_range_again(monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    """P7: what came is remembered range by range, so that a kill costs only what is under way."""
    monkeypatch.setattr(downloads, "RANGE_BYTES", BLOCK)
    monkeypatch.setattr(downloads, "ALONE_BYTES", 0 if alone else 100 * BLOCK)
    monkeypatch.setattr(downloads, "SMALL_BYTES", 0)
    server, clock = small_blocks(), SimClock()
    first = Computer("A", server, clock)
    first.write("big", "b" * 40 * BLOCK)
    first.sync()
    computer, wire = wired("B", server, clock)

    def kill(name: str) -> None:
        if name == "read" and wire.calls["read"] in (10, 20, 30):
            raise Killed

    wire.fail = kill
    for _ in range(3):
        with pytest.raises(Killed):
            computer.sync()
        computer.tree.kill()
        computer.start()
    assert computer.sync().ending is Ending.IN_STEP

    assert wire.calls["read"] == 40 + 3
    assert computer.files() == first.files()


def test_cuts_far_apart_in_a_long_transfer_are_waited_out() -> None:
    """SC-167: a single run gives a server that went away the same time each time, however long a file takes."""
    server, clock = small_blocks(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("big", "b" * 40 * BLOCK)
    back_at = 0.0

    def slow_and_cut_twice(name: str) -> None:
        nonlocal back_at
        if name == "put_block":
            clock.advance(3)
            if wire.calls["put_block"] in (10, 25):
                back_at = clock.monotonic() + 5
        if clock.monotonic() < back_at:
            raise Unreachable("cut")

    wire.fail = slow_and_cut_twice
    assert computer.sync().ending is Ending.IN_STEP


def test_edit_after_a_broken_upload_starts_anew() -> None:
    """SC-135: what was sent of the old content is dropped, nothing is mixed."""
    server, clock = small_blocks(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("big", "a" * 10 * BLOCK)
    wire.fail = broken(4, names=frozenset(["put_block"]))
    computer.cycle.run_pass()
    wire.fail = nothing
    computer.write("big", "b" * 10 * BLOCK)
    computer.sync()
    other = Computer("B", server, clock)
    other.sync()

    assert other.files() == {"big": b"b" * 10 * BLOCK}
    assert wire.calls["cancel"] == 1


def test_delete_after_a_broken_upload_cancels_it() -> None:
    """SC-136: the server's parts are freed."""
    server, clock = small_blocks(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("big", "a" * 10 * BLOCK)
    wire.fail = broken(4, names=frozenset(["put_block"]))
    computer.cycle.run_pass()
    wire.fail = nothing
    computer.disk.remove(at("big"))
    computer.sync()

    assert wire.calls["cancel"] == 1
    assert not server.uploads
    assert not computer.state.open_uploads()


def test_file_that_changes_while_it_is_sent() -> None:
    """R19: what was read of two states is never published."""
    server, clock = small_blocks(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("big", "a" * 10 * BLOCK)
    changed = False

    def change(name: str) -> None:
        nonlocal changed
        if name == "put_block" and not changed and wire.calls["put_block"] == 5:
            changed = True
            computer.disk.write(at("big"), b"b" * 10 * BLOCK)

    wire.fail = change
    computer.sync()

    contents = {bytes(content) for content in server.contents.values() if content}
    assert contents == {b"b" * 10 * BLOCK}


def test_download_goes_on_where_it_broke() -> None:
    """P7, SC-158: ranges that were durable are not asked for again, and nothing partial is ever shown."""
    server, clock = small_blocks(), SimClock()
    source = Computer("A", server, clock)
    size = 90 * 1024 * 1024
    source.disk.write(at("big"), bytes(1024 * 1024) * 90)
    source.sync()
    computer, wire = wired("B", server, clock)
    wire.fail = broken(10, names=frozenset(["read"]))
    assert computer.cycle.run_pass().ending is Ending.TROUBLE
    assert computer.files() == {}
    before = wire.calls["read"]
    wire.fail = nothing
    computer.restart()
    assert computer.sync().ending is Ending.IN_STEP

    assert wire.calls["read"] - before <= 3
    assert len(computer.files()["big"] or b"") == size


def test_content_that_is_not_the_servers_is_not_placed() -> None:
    """SC-161: wrong bytes are refused, told, and fetched again later."""
    server, clock = MemoryServer(), SimClock()
    source = Computer("A", server, clock)
    source.write("f", "right")
    source.sync()
    (which,) = [key for key, content in server.contents.items() if bytes(content) == b"right"]
    server.contents[which] = b"wrong"
    computer = Computer("B", server, clock)
    outcome = computer.cycle.run_pass()

    assert outcome.ending is Ending.ITEMS_LEFT
    assert computer.files() == {}
    assert [held.code for held in outcome.problems] == ["digest-mismatch"]
    server.contents[which] = b"right"
    assert computer.sync().ending is Ending.IN_STEP
