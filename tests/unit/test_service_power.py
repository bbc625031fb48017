"""Power cuts: what was not flushed may be gone, in any order, and still nothing acknowledged is lost (P1).

The store is in memory and knows what was flushed. At the k-th point the power goes: everything that would persist from then
on fails, the store loses what was not flushed (all of it, none of it, or by chance), and the server starts again.
"""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_program import Acks, Told, check, program
from tests.unit.core_world import World
from tests.unit.core_world import world as open_world

from homestow.server.adapters.memory_disk import Crash
from homestow.values.faults import arm

EVERY = int(os.environ.get("CUT_EVERY", "9"))
"""Every so many-th point is tried; 1 tries all."""


class PowerCut(BaseException):
    """The machine is off."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for the database; in memory where the machine has such, for a power cut here needs no disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as temporary:
        yield Path(temporary)


def run(place: Path, cut_at: int, chance: random.Random, plain: bool) -> list[str]:
    """The program until the power goes; then start again and look. The names of the points it reached."""
    world = World(place, database=place / "data.db", plain=plain)
    reached: list[str] = []

    def at_point(name: str) -> None:
        reached.append(name)
        if len(reached) >= cut_at:
            raise PowerCut

    arm(at_point)
    try:
        program(world, Acks(place / "acks"))
    except PowerCut:
        pass
    finally:
        arm(None)
    world.core.uploads.close()
    world.database.close()
    world.memory.crash(chance)
    world.boot = "after the cut"
    world.restart()
    try:
        check(world, Told(place / "acks"))
    except AssertionError as error:
        raise AssertionError(f"cut at point {cut_at}, {reached[-1]}") from error
    finally:
        world.close()
    return reached


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_time_the_disk_cannot_bear_is_no_change(tmp_path: Path, on_disk: bool) -> None:
    """A file from before 1901 keeps its time for everybody, and nobody takes it for edited on the server's disk."""
    long_ago = -3 * 10**18
    with open_world(tmp_path, on_disk=on_disk) as world:
        node = world.put("a", b"1", mtime_ns=long_ago)
        before = world.catalogue.last()
        world.clock.ns += 60_000_000_000

        world._outside(world.core.committer).look(world.root, [()])

        assert world.catalogue.last() == before
        assert world.core.files.node(world.anna, node.id).mtime_ns == long_ago


@pytest.mark.parametrize("plain", [False, True], ids=["disk", "plain disk"])
@pytest.mark.parametrize("how", list(Crash))
def test_times_survive_a_power_cut(place: Path, how: Crash, plain: bool) -> None:
    """An acknowledged file bears its time afterwards: nobody takes it for edited."""
    world = World(place, database=place / "data.db", plain=plain)
    try:
        world.put("replaced", b"first", mtime_ns=1_000_000_000)
        world.put("replaced", b"second", base=1, mtime_ns=3_000_000_000)
        world.put("new", b"new", mtime_ns=5_000_000_000)
        world.core.committer.settle()
        before = world.catalogue.last()
        world.core.uploads.close()
        world.database.close()
        world.memory.crash(random.Random(1), how)
        world.boot = "after the cut"
        world.restart()
        world.clock.ns += 60_000_000_000

        world._outside(world.core.committer).look(world.root, [()])

        assert world.catalogue.last() == before
        nodes, _ = world.core.files.children(world.anna, world.top)
        assert {(node.name, node.rev, node.mtime_ns) for node in nodes} == {
            ("new", 1, 5_000_000_000),
            ("replaced", 2, 3_000_000_000),
        }
    finally:
        world.close()


@pytest.mark.parametrize("plain", [False, True], ids=["disk", "plain disk"])
@pytest.mark.parametrize("part", range(2))
def test_a_power_cut_at_any_point_loses_nothing(place: Path, part: int, plain: bool) -> None:
    """Acknowledged contents are there, rows and disk agree, nothing is left half done."""
    chance = random.Random(part)
    cut_at = 1 + part * EVERY
    while True:
        inner = place / str(cut_at)
        inner.mkdir()
        if len(run(inner, cut_at, chance, plain)) < cut_at:
            break
        cut_at += 2 * EVERY
    assert cut_at > 200
