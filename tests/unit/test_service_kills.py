"""kill -9 at every persistence point of the server core: nothing acknowledged is lost, and a start settles the rest (P1, P2).

A child process works through a fixed program and is ended by `os._exit` at the k-th point it reaches; what it acknowledged
before is read from a file that it appended to. Only the children die: the points, the disk and the database are real.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_program import Acks, Told, check, program
from tests.unit.core_world import World

from homestow.server.adapters.catalogue_sql.database import Database
from homestow.values.faults import arm

KILLED = 137
EVERY = int(os.environ.get("KILL_EVERY", "7"))
"""Every so many-th point is tried; 1 tries all (some minutes)."""

_REACHED: list[str] = []


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A world nothing happened in yet, in memory where the machine has such a folder: a kill does not need a disk."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    world = start(place)
    world.put("before.txt", b"there before")
    world.close()
    yield place
    shutil.rmtree(place)


def fresh(seed: Path) -> Path:
    """A copy of the untouched world, at a place of its own."""
    place = Path(tempfile.mkdtemp(dir=seed.parent))
    shutil.copytree(seed, place, dirs_exist_ok=True, symlinks=True)
    database = Database.open(place / "data.db")
    with database.write() as connection:
        connection.execute("UPDATE roots SET folder = ?, inode = 0, birth_ns = 0, marked = 0", (str(place / "tree"),))
    database.close()
    return place


def start(place: Path) -> World:
    return World(place, on_disk=True, database=place / "data.db")


def run_child(place: Path, kill_at: int) -> int:
    """The program in a child that ends at its k-th point; the child's exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            reached = 0

            def at_point(name: str) -> None:
                nonlocal reached
                reached += 1
                if reached == kill_at:
                    os.write(2, f"killed at point {kill_at}: {name}\n".encode())
                    os._exit(KILLED)

            world = start(place)
            arm(at_point)
            program(world, Acks(place / "acks"))
            code = 0
        except BaseException as error:  # noqa: BLE001 - the child must not run on in pytest
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def judge(place: Path) -> None:
    """Start again and look."""
    world = start(place)
    try:
        check(world, Told(place / "acks"))
    finally:
        world.close()


def points(seed: Path) -> list[str]:
    """Names of all points the program reaches, in order."""
    if not _REACHED:
        place = fresh(seed)
        world = start(place)
        arm(_REACHED.append)
        try:
            program(world, Acks(place / "acks"))
        finally:
            arm(None)
        world.close()
        judge(place)
        shutil.rmtree(place)
    return _REACHED


def test_the_program_reaches_many_points(seed: Path) -> None:
    """Enough of them that the kills below mean something."""
    assert len(set(points(seed))) >= 30
    assert len(points(seed)) >= 200


@pytest.mark.parametrize("part", range(EVERY if EVERY == 1 else 4))
def test_a_kill_at_any_point_loses_nothing(seed: Path, part: int) -> None:
    """Acknowledged contents are there, rows and disk agree, nothing is left half done."""
    total = len(points(seed))
    parts = EVERY if EVERY == 1 else 4
    for kill_at in range(1 + part * EVERY % total, total, EVERY * parts):
        place = fresh(seed)
        try:
            assert run_child(place, kill_at) == KILLED
            judge(place)
        except AssertionError as error:
            raise AssertionError(f"killed at point {kill_at}, {points(seed)[kill_at - 1]}") from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
