"""Whole runs of real sync engines against a server, drawn from seeds (L2): nothing is lost, all ends equal and quiet.

`HOMESTOW_LONG=1` runs many more. A failing run prints how to see it again; shrunk ones are kept in tests/regress/seeds.txt.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.simulation.program import ONE_WAY, draw, from_line, to_line
from tests.simulation.replay import headline
from tests.simulation.servers import SERVERS
from tests.simulation.sights import FLAVOURS as NARROW
from tests.simulation.situations import PROPERTY
from tests.simulation.world import run

LONG = os.environ.get("HOMESTOW_LONG") == "1"
SCHEDULES = {"memory": 20_000 if LONG else 300, "service": 5_000 if LONG else 200, "netdrive": 5_000 if LONG else 100}
BATCH = 50
ONE_WAY_SCHEDULES = 2_000 if LONG else 40
"""Of each way, on each server."""
NARROW_SCHEDULES = 2_500 if LONG else 60
"""Of each kind, on each server."""
REGRESS = Path(__file__).parents[1] / "regress" / "seeds.txt"


def _batches() -> Iterator[tuple[str, int]]:
    for server in SERVERS:
        for first in range(0, SCHEDULES[server], BATCH):
            yield server, first


@pytest.mark.parametrize("server, first", list(_batches()))
def test_schedules(server: str, first: int, record_property: Callable[[str, object], None]) -> None:
    """No seed loses a token, shows half a file, ends unequal or stays restless (P2 to P5, P8)."""
    failures: list[str] = []
    cells: list[str] = []
    for seed in range(first, first + BATCH):
        program = draw(seed)
        verdict = run(program, SERVERS[server])
        cells.extend(" ".join(cell) for cell in sorted(verdict.cells))
        if verdict.problems:
            failures.append("\n".join((headline(program) + f" --server {server}", *verdict.problems)))
    record_property(PROPERTY, (server, BATCH, cells))
    assert not failures, f"{len(failures)} of {BATCH} failed\n" + "\n\n".join(failures[:3])


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("way", ONE_WAY)
def test_one_way_schedules(server: str, way: str) -> None:
    """A job that goes one way brings all of it and nothing else: what gives way stays as a version or a conflict copy, what
    was added on the other side stays, and what was deleted where it comes from goes; then all is quiet."""
    failures: list[str] = []
    for seed in range(ONE_WAY_SCHEDULES):
        program = draw(seed, way)
        verdict = run(program, SERVERS[server])
        if verdict.problems:
            failures.append("\n".join((f"{headline(program)} --flavour {way} --server {server}", *verdict.problems)))
    assert not failures, f"{len(failures)} of {ONE_WAY_SCHEDULES} failed\n" + "\n\n".join(failures[:3])


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("flavour", NARROW)
def test_narrow_schedules(server: str, flavour: str) -> None:
    """A job that leaves things out, or is about one folder, ends in step with what it sees, and deletes nothing, nor touches
    anything, that it does not see; whatever the patterns become in the middle."""
    if server == "netdrive" and flavour != "filters":
        pytest.skip("over that protocol a job is about all of a root")
    failures: list[str] = []
    for seed in range(NARROW_SCHEDULES):
        verdict = run(program := draw(seed, flavour), SERVERS[server])
        if verdict.problems:
            failures.append(
                "\n".join((f"{headline(program)} --flavour {flavour} --server {server}", *verdict.problems))
            )
    assert not failures, f"{len(failures)} of {NARROW_SCHEDULES} failed\n" + "\n\n".join(failures[:3])


@pytest.mark.parametrize("server", SERVERS)
def test_the_same_seed_gives_the_same_run(server: str) -> None:
    """Everything that happens is decided by the seed: two runs of one seed leave the same trace."""
    for seed in range(50 if LONG else 12):
        assert run(draw(seed), SERVERS[server]).trace == run(draw(seed), SERVERS[server]).trace, f"SEED={seed}"


def _regress() -> list[str]:
    return [line for line in REGRESS.read_text().splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("line", _regress())
def test_once_broken_runs_stay_right(line: str, server: str) -> None:
    """What a shrunk schedule showed once never comes back."""
    verdict = run(from_line(line), SERVERS[server])
    assert not verdict.problems, "\n".join(verdict.problems)


def test_programs_survive_being_written() -> None:
    """A program read from its line is the same program."""
    for seed in range(20):
        assert from_line(to_line(draw(seed))) == draw(seed)
