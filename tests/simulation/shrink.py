"""Makes a failing program small: takes away steps and events as long as the same kind of promise stays broken."""

import time
from collections.abc import Callable

from tests.simulation.program import Program, smaller
from tests.simulation.world import Verdict


def kind_of(verdict: Verdict) -> str:
    """Which promise broke, without the particulars; "" when none did."""
    if not verdict.problems:
        return ""
    first = verdict.problems[0]
    if first.startswith("crashed"):
        return "crashed " + first.strip().splitlines()[-1].split(":")[0]
    return first.split(":")[0]


def shrink(program: Program, run: Callable[[Program], Verdict], limit_s: float = 60) -> Program:
    """The smallest program found in `limit_s` seconds that breaks the same promise."""
    wanted = kind_of(run(program))
    until = time.monotonic() + limit_s
    shrinking = True
    while shrinking:
        shrinking = False
        for candidate in smaller(program):
            if time.monotonic() > until:
                return program
            if candidate.size < program.size and kind_of(run(candidate)) == wanted:
                program = candidate
                shrinking = True
                break
    return program
