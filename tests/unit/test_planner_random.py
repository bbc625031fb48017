"""L1: the planner alone over random correlated trees (canopy): it ends, loses nothing, and leaves both sides equal."""

import os

import pytest
from tests.unit.planner_model import Draw

from homestow.client.engine.planner import plan
from homestow.client.engine.rules import Direction
from homestow.client.engine.steps import Plan

CASES = int(os.environ.get("HOMESTOW_L1_CASES", "20000"))
CHUNKS = 20


def run(seed: int, direction: Direction = Direction.BOTH) -> Draw:
    drawn = Draw(seed, direction)
    drawn.model.converge()
    return drawn


def live(drawn: Draw) -> set[str | None]:
    return set(drawn.model.live_here().values())


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_both_ways(chunk: int) -> None:
    """Both sides end equal within 200 plans; every new content of either side is live; a second plan is empty (P3 to P5)."""
    for seed in range(chunk * CASES // CHUNKS, (chunk + 1) * CASES // CHUNKS):
        drawn = run(seed)
        model = drawn.model
        assert not model.trees.local, seed
        assert not model.trees.remote, seed
        assert model.live_here() == model.live_there(), seed
        assert plan(model.trees, model.rules) == Plan(), seed
        made = {*drawn.before_here.values(), *drawn.before_there.values()} - drawn.base_tokens
        assert made <= live(drawn) | {None}, (seed, made - live(drawn))
        if not drawn.changes_there:
            assert model.live_here() == drawn.before_here, seed
        if not drawn.changes_here:
            assert model.live_here() == drawn.before_there, seed


@pytest.mark.parametrize("direction", [Direction.UP, Direction.DOWN])
def test_one_way(direction: Direction) -> None:
    """The source's tree is found whole on the other side; what the other side had is still somewhere (R1), and told (P9)."""
    for seed in range(CASES // 20):
        drawn = run(seed, direction)
        model = drawn.model
        last = plan(model.trees, model.rules)
        assert last == Plan(held=last.held), seed
        only_here = model.live_here().keys() - model.live_there().keys()
        told = {held.path for held in last.held}
        assert only_here == {path for path in model.live_here() for top in told if path[: len(top)] == top}, seed
        here, there = model.live_here(), model.live_there()
        if direction is Direction.UP:
            assert here == drawn.before_here, seed
            assert here.items() <= there.items(), seed
        else:
            assert there == drawn.before_there, seed
            assert there.items() <= here.items(), seed
        everything = {*here.values(), *there.values(), *model.history}
        assert set(drawn.before_here.values()) <= everything | {None}, seed


def test_same_case_same_plan() -> None:
    """The plan depends on the trees alone: the same case gives the same steps."""
    for seed in range(300):
        assert run(seed).model.steps == run(seed).model.steps
