"""The cycle on computers in memory: what is transferred, what survives faults, and how a run ends."""

import errno
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.unit.sync_rig import Computer, at, settle, two
from tests.unit.sync_wire import BLOCK, broken, nothing, small_blocks, wired

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.engine.rules import Direction
from homestow.client.ports.localtree import LocalPath
from homestow.client.ports.remote import Limits
from homestow.client.ports.watcher import Hints
from homestow.client.running.outcome import Counts, Ending
from homestow.values.errors import LoginNeeded, NotFound, ServerError, Unreachable

# --- what is transferred ----------------------------------------------------------------------------------------------


def test_two_computers_show_the_same() -> None:
    """R2: files, empty folders and empty files reach the other computer; times come along."""
    _, one, other = two()
    one.disk.mkdir(at("Y"))
    one.write("a", "1")
    one.disk.mkdir(at("D"))
    one.write("D/b", "")
    settle(one, other, rounds=1)

    assert other.files() == {"Y": None, "a": b"1", "D": None, "D/b": b""}
    seen, mine = other.tree.look(at("a")), one.tree.look(at("a"))
    assert seen is not None
    assert mine is not None
    assert seen.stamp.mtime_ns == mine.stamp.mtime_ns


@pytest.mark.parametrize("ways", [("A", "B"), ("B", "A")])
def test_times_that_a_disk_cannot_bear_are_no_changes(ways: tuple[str, str]) -> None:
    """R26: a file from before 1901 is sent and fetched once, with the time it has, and then there is nothing to do."""
    server, clock = MemoryServer(), SimClock()
    computers = {name: wired(name, server, clock) for name in ways}
    old, plain = computers["A"][0], computers["B"][0]
    old.disk.kind = replace(old.disk.kind, first_mtime_ns=-(2**63))
    writer, reader = computers[ways[0]][0], computers[ways[1]][0]
    long_ago = -3 * 10**18
    writer.disk.write(at("a"), b"1", long_ago)
    settle(writer, reader, rounds=2)
    for computer, wire in computers.values():
        before = wire.mutations()
        computer.restart()
        assert computer.sync().counts == Counts()
        assert wire.mutations() == before
    seen = {name: computer.tree.look(at("a")) for name, (computer, _) in computers.items()}
    assert [one.stamp.mtime_ns for one in seen.values() if one is not None] == (
        [long_ago, -(2**31) * 10**9] if ways[0] == "A" else [-(2**31) * 10**9] * 2
    )
    assert plain.files() == {"a": b"1"}


def test_done_means_done() -> None:
    """P5: a further run on an equal state changes nothing on either side; a restart neither."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("a", "1")
    computer.disk.mkdir(at("D"))
    computer.sync()
    before = wire.mutations()
    for _ in range(2):
        computer.restart()
        assert computer.sync().counts == Counts()
    assert wire.mutations() == before


def test_folder_rename_is_one_call() -> None:
    """SC-068: however much is in it."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.disk.mkdir(at("D"))
    for number in range(50):
        computer.write(f"D/{number}", str(number))
    computer.sync()
    wire.calls.clear()
    computer.disk.rename(at("D"), at("E"))
    computer.sync()

    assert (wire.mutations(), wire.calls["move"]) == (1, 1)


def test_small_files_share_requests() -> None:
    """A thousand small files need a few requests, both ways."""
    server, clock = MemoryServer(limits=Limits(1000, 1 << 20, 1 << 18, 1 << 20)), SimClock()
    one, up = wired("A", server, clock)
    other, down = wired("B", server, clock)
    for number in range(1000):
        one.disk.write(at(f"{number}"), b"x" * (number % 50))
    one.sync()
    other.sync()

    assert up.mutations() <= 3
    assert down.calls["get_small"] <= 3
    assert one.files() == other.files()


def test_conflict_copy_is_made_once() -> None:
    """R4, SC-035: the second device's edit gets a conflict copy; a cut while it is sent makes no second one."""
    server, clock = MemoryServer(), SimClock()
    one, _ = wired("A", server, clock)
    other, wire = wired("B", server, clock)
    one.write("f", "0")
    settle(one, other, rounds=1)
    one.write("f", "ours!")
    one.sync()
    other.write("f", "theirs")
    wire.fail = broken(0, names=frozenset(["put_small"]))
    assert other.cycle.run_pass().ending is Ending.TROUBLE
    wire.fail = nothing
    other.restart()
    settle(other, one)

    assert one.files() == other.files()
    assert sorted(content for content in one.files().values() if content) == [b"ours!", b"theirs"]


# --- replies that do not come -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
def test_lost_reply_to_an_upload_is_no_conflict_with_oneself(restart: bool) -> None:
    """SC-140, SC-141: the server took it, we did not hear; an edit made meanwhile goes on top of it."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("old", "0")
    computer.sync()
    computer.write("old", "1 edit")
    computer.write("new", "1 made")

    def lose(name: str) -> None:
        if name == "put_small":
            raise Unreachable("the reply is lost")

    wire.lose = lose
    assert computer.cycle.run_pass().ending is Ending.TROUBLE
    wire.lose = nothing
    computer.write("old", "2 edits!")
    computer.write("new", "2 made!!")
    if restart:
        computer.restart()
    outcome = computer.sync()

    assert outcome.ending is Ending.IN_STEP
    assert outcome.counts.conflicts == 0
    assert computer.files() == {"old": b"2 edits!", "new": b"2 made!!"}


def test_lost_reply_to_a_rename() -> None:
    """SC-093: the second try finds it done."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("a", "1")
    computer.sync()
    computer.disk.rename(at("a"), at("b"))

    def lose(name: str) -> None:
        if name == "move":
            raise Unreachable("the reply is lost")

    wire.lose = lose
    computer.cycle.run_pass()
    wire.lose = nothing

    assert computer.sync().ending is Ending.IN_STEP
    assert computer.files() == {"b": b"1"}
    assert wire.calls["put_small"] == 1


@pytest.mark.parametrize("after", range(12))
def test_cut_at_every_call(after: int) -> None:
    """R22: wherever the connection breaks, a later run ends in step, with each thing once."""
    server, clock = small_blocks(), SimClock()
    computer, wire = wired("A", server, clock)
    other = Computer("B", server, clock)
    computer.disk.mkdir(at("D"))
    computer.write("D/a", "1")
    computer.write("big", "x" * (3 * BLOCK + 5))
    wire.fail = broken(after)
    computer.cycle.run_pass()
    wire.fail = nothing
    computer.restart()
    settle(computer, other, rounds=2)

    assert computer.files() == other.files() == {"D": None, "D/a": b"1", "big": b"x" * (3 * BLOCK + 5)}


# --- people who act in the last moment --------------------------------------------------------------------------------


def test_edit_in_the_last_moment_of_a_download() -> None:
    """SC-033: the edit made between check and rename is kept as a conflict copy."""
    _, one, other = two()
    one.write("f", "0")
    settle(one, other, rounds=1)
    one.write("f", "theirs")
    one.sync()

    def between(point: str, path: LocalPath) -> None:
        if point == "put" and path == at("f"):
            other.tree.between = lambda point, path: None
            other.disk.write(at("f"), b"mine!")

    other.tree.between = between
    settle(other, one)

    assert one.files() == other.files()
    assert sorted(content or b"" for content in one.files().values()) == [b"mine!", b"theirs"]


def test_edit_in_the_last_moment_of_a_delete() -> None:
    """SC-034: the edit survives."""
    _, one, other = two()
    one.write("f", "0")
    settle(one, other, rounds=1)
    one.disk.remove(at("f"))
    one.sync()

    def between(point: str, path: LocalPath) -> None:
        if point == "remove_file":
            other.tree.between = lambda point, path: None
            other.disk.write(at("f"), b"mine!")

    other.tree.between = between
    settle(other, one)

    assert one.files() == other.files() == {"f": b"mine!"}


def test_child_made_while_its_folder_is_deleted() -> None:
    """R8: a folder delete does not reach a child that the deleting device has not heard of."""
    server, clock = MemoryServer(), SimClock()
    one, wire = wired("A", server, clock)
    other = Computer("B", server, clock)
    one.disk.mkdir(at("D"))
    one.write("D/a", "1")
    settle(one, other, rounds=1)
    one.disk.rmtree(at("D"))
    other.write("D/new", "2")

    def race(name: str) -> None:
        if name == "delete":
            wire.fail = nothing
            other.sync()

    wire.fail = race
    settle(one, other)

    assert one.files() == other.files() == {"D": None, "D/new": b"2"}


# --- items that cannot be synced --------------------------------------------------------------------------------------


def test_one_bad_file_stops_nothing_else() -> None:
    """P9, R21: it is listed, tried again after a pause, and synced when it can be."""
    server, clock = MemoryServer(), SimClock()
    computer, _ = wired("A", server, clock)
    for name in ("a", "bad", "c"):
        computer.write(name, name)
    computer.tree.trouble = lambda point, path: errno.EACCES if point == "open" and path == at("bad") else None
    outcome = computer.cycle.run_pass()

    assert outcome.ending is Ending.ITEMS_LEFT
    assert [held.path for held in outcome.problems] == [at("bad")]
    assert outcome.counts.uploaded == 2
    retry = computer.cycle.next_retry()
    assert retry is not None
    assert computer.cycle.run_pass().counts.uploaded == 2
    computer.tree.trouble = None
    clock.advance(retry - clock.monotonic() + 0.1)
    assert computer.cycle.run_pass().ending is Ending.IN_STEP
    assert list(computer.state.problems()) == []


def test_pauses_grow() -> None:
    """R21: 1 s, doubling, at most 5 minutes."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("a", "a")

    def fail(name: str) -> None:
        if name == "put_small":
            raise ServerError("internal")

    wire.fail = fail
    pauses = []
    for _ in range(12):
        computer.cycle.run_pass()
        retry = computer.cycle.next_retry()
        assert retry is not None
        pauses.append(retry - clock.monotonic())
        clock.advance(pauses[-1] + 0.01)
    assert 0.7 <= pauses[0] <= 1.3
    assert all(later > sooner for sooner, later in pairwise(pauses[:7]))
    assert max(pauses) <= 375


def test_links_and_pipes_are_told() -> None:
    """R16, R25: a link is listed but is nothing left to do; a pipe is an item left; what became a link stays there."""
    _, one, other = two()
    one.write("f", "1")
    one.disk.symlink(at("link"), "f")
    assert one.sync().ending is Ending.IN_STEP
    assert [held.code for held in one.sync().problems] == ["link"]

    one.disk.special(at("pipe"))
    one.disk.remove(at("f"))
    one.disk.symlink(at("f"), "elsewhere")
    outcome = one.sync()
    other.sync()

    assert outcome.ending is Ending.ITEMS_LEFT
    assert sorted(held.code for held in outcome.problems) == ["became-link", "link", "special-file"]
    assert other.files() == {"f": b"1"}


def test_hot_files_wait() -> None:
    """R19: in continuous mode a file is sent once it was quiet for the settle time."""
    server, clock = MemoryServer(), SimClock()
    computer, _ = wired("A", server, clock)
    computer.settle_s = 2.0
    computer.restart()
    computer.write("log", "1")
    assert computer.cycle.run_pass().counts.uploaded == 0
    retry = computer.cycle.next_retry()
    assert retry is not None
    assert 0 < retry - clock.monotonic() <= 2.0
    clock.advance(2.1)

    assert computer.cycle.run_pass().counts.uploaded == 1


# --- how a run ends ---------------------------------------------------------------------------------------------------


def test_brake_asks_and_is_answered_once() -> None:
    """R18, SC-191, SC-193: nothing is deleted before the answer, everything after it, and the answer is then used up."""
    _, one, other = two()
    for number in range(40):
        one.write(f"{number}", str(number))
    settle(one, other, rounds=1)
    for number in range(30):
        one.disk.remove(at(f"{number}"))
    outcome = one.sync()
    assert outcome.ending is Ending.BRAKE
    assert outcome.brake is not None
    assert (outcome.brake.side, outcome.brake.files, outcome.brake.of) == ("there", 30, 40)
    one.restart()
    assert one.sync().ending is Ending.BRAKE

    one.cycle.accept_deletes()
    one.restart()
    assert one.sync().ending is Ending.IN_STEP
    assert not one.state.deletes_accepted()
    assert other.sync().ending is Ending.BRAKE
    other.accept = True
    other.restart()
    assert other.sync().ending is Ending.IN_STEP
    assert len(other.files()) == 10


def test_missing_root_is_no_deletion() -> None:
    """R18, SC-190: an unmounted disk ends the run with trouble."""
    _, one, other = two()
    one.write("f", "1")
    settle(one, other, rounds=1)
    one.disk.disconnect(mount_point=True)
    outcome = one.sync()
    assert outcome.ending is Ending.TROUBLE
    assert outcome.trouble is not None
    assert outcome.trouble[0] == "local-root-missing"
    one.disk.connect()

    assert one.sync().ending is Ending.IN_STEP
    assert other.files() == {"f": b"1"}


@pytest.mark.parametrize("error", [LoginNeeded("log in"), Unreachable("cut")])
def test_trouble_with_the_server(error: Exception) -> None:
    """SC-170, SC-167: the run ends with the reason; local files stay."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.write("f", "1")

    def fail(name: str) -> None:
        raise error

    wire.fail = fail
    outcome = computer.sync()

    assert outcome.ending is Ending.TROUBLE
    assert computer.files() == {"f": b"1"}


def test_root_that_is_no_longer_ours_is_no_deletion() -> None:
    """R17: taken out of the members in the middle of a pass, "not found" means nothing for what is on disk."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.disk.mkdir(at("D"))
    for name in ("D/a", "b"):
        computer.write(name, name)
    computer.sync()
    computer.disk.rename(at("D"), at("E"))
    computer.write("b", "edited!")
    out = False

    def unshare(name: str) -> None:
        nonlocal out
        out = out or name == "move"
        if out:
            raise NotFound("There is no such root for this account.")

    wire.fail = unshare
    for _ in range(3):
        assert computer.cycle.run_pass().ending is Ending.TROUBLE
    assert computer.files() == {"E": None, "E/a": b"D/a", "b": b"edited!"}

    wire.fail = nothing
    assert computer.sync().ending is Ending.IN_STEP
    assert computer.files() == {"E": None, "E/a": b"D/a", "b": b"edited!"}


def test_restored_server_is_merged_by_union() -> None:
    """R23, SC-203: another epoch deletes nothing, sends what is missing there, and keeps both of what differs."""
    server, clock = MemoryServer(), SimClock()
    computer = Computer("A", server, clock)
    for name in ("same", "differs", "lost"):
        computer.write(name, name)
    computer.sync()
    restored = MemoryServer(epoch="f" * 32)
    older = Computer("restore", restored, clock)
    older.write("same", "same")
    older.write("differs", "older")
    older.sync()
    computer.remote = Computer("other", restored, clock).remote
    computer.restart()
    assert computer.sync().ending is Ending.IN_STEP

    assert {name: content for name, content in computer.files().items() if "conflict" not in name} == {
        "same": b"same", "differs": b"older", "lost": b"lost",
    }  # fmt: skip
    assert b"differs" in computer.files().values()


def test_lost_state_costs_no_transfer() -> None:
    """R24, SC-183: everything is adopted."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    computer.disk.mkdir(at("D"))
    for number in range(20):
        computer.write(f"D/{number}", str(number))
    computer.sync()
    wire.calls.clear()
    computer.forget()
    outcome = computer.sync()

    assert outcome.ending is Ending.IN_STEP
    assert outcome.counts == Counts()
    assert wire.mutations() == wire.calls["get_small"] == wire.calls["read"] == 0


def test_hints_find_what_changed() -> None:
    """After a full look, a pass with hints lists only the folders they name."""
    _, one, other = two()
    one.disk.mkdir(at("D"))
    one.disk.mkdir(at("E"))
    settle(one, other, rounds=1)
    listed: list[LocalPath] = []
    one.tree.between = lambda point, path: listed.append(path) if point == "list_folder" else None
    one.write("D/a", "1")
    one.write("E/b", "2")
    one.cycle.run_pass(Hints([at("D"), at("D/new/deep")], everything=False))
    other.sync()

    assert set(listed) == {at("D")}
    assert other.files() == {"D": None, "E": None, "D/a": b"1"}


def test_hints_of_a_folder_that_is_no_more() -> None:
    """A folder that is removed or renamed in a stroke with what is in it is hinted by its old path too: that holds nothing up."""
    _, one, other = two()
    for name in ("D", "D/gone", "D/old"):
        one.disk.mkdir(at(name))
    one.write("D/gone/a", "1")
    one.write("D/old/b", "2")
    settle(one, other, rounds=1)
    one.disk.remove(at("D/gone/a"))
    one.disk.rmdir(at("D/gone"))
    one.write("D/old/b", "3")
    one.disk.rename(at("D/old"), at("D/new"))
    # The watcher may tell of what was in the folder before it tells of the folder.
    one.cycle.run_pass(Hints([at("D/gone"), at("D/old")], everything=False))
    outcome = one.cycle.run_pass(Hints([at("D/gone"), at("D"), at("D/old")], everything=False))
    other.sync()

    assert not outcome.problems
    assert other.files() == {"D": None, "D/new": None, "D/new/b": b"3"}


def test_hints_below_a_folder_that_moved() -> None:
    """What was edited below a folder after it was moved is found, though the folder is known at its old place."""
    _, one, other = two()
    for name in ("D", "D/x", "D/x/y", "E"):
        one.disk.mkdir(at(name))
    one.write("D/x/y/a", "1")
    settle(one, other, rounds=1)
    one.disk.rename(at("D"), at("E/F"))
    one.write("E/F/x/y/a", "2")
    one.disk.rename(at("E/F/x"), at("E/F/z"))
    one.write("E/F/z/y/b", "3")
    hinted = [at("E"), at("E/F"), at("E/F/x"), at("E/F/x/y"), at("E/F/z"), at("E/F/z/y")]
    one.cycle.run_pass(Hints([(), *hinted], everything=False))
    other.sync()

    assert other.files() == {
        "E": None,
        "E/F": None,
        "E/F/z": None,
        "E/F/z/y": None,
        "E/F/z/y/a": b"2",
        "E/F/z/y/b": b"3",
    }


def test_stop_is_heard() -> None:
    """A run that is asked to stop ends in a sound state, and the next one continues."""
    server, clock = MemoryServer(), SimClock()
    computer, wire = wired("A", server, clock)
    for number in range(5):
        computer.write(f"{number}", "x" * 300_000)
    stopping = False

    def stop(name: str) -> None:
        nonlocal stopping
        stopping = stopping or name == "finish"

    wire.lose = stop
    computer.cycle._work.stop = lambda: stopping
    assert computer.sync().ending is Ending.STOPPED
    computer.restart()
    assert computer.sync().ending is Ending.IN_STEP
    assert wire.calls["finish"] == 5


@pytest.mark.parametrize("direction, conflicts", [(Direction.UP, 0), (Direction.DOWN, 1)])
def test_one_way_jobs(direction: Direction, conflicts: int) -> None:
    """The source's content is on both sides in the end; going down, what the disk had stays as a conflict copy."""
    _, one, other = two(A=direction)
    other.write("f", "0")
    settle(other, one, rounds=1)
    one.write("f", "mine!")
    other.write("f", "theirs")
    settle(other, one, other)

    wanted = b"mine!" if direction is Direction.UP else b"theirs"
    assert one.files()["f"] == other.files()["f"] == wanted
    assert one.cycle.counts.conflicts == conflicts
