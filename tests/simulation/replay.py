"""Replays one simulated run and tells what happens in it.

python -m tests.simulation.replay SEED [--flavour F] [--server memory|service] [--shrink] [--quiet]
python -m tests.simulation.replay --line '<a line of tests/regress/seeds.txt>'
python -m tests.simulation.replay --search FIRST COUNT        runs many, prints what fails
"""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.program import Program, Step, draw, from_line, to_line
from tests.simulation.servers import SERVERS
from tests.simulation.shrink import kind_of, shrink
from tests.simulation.world import Verdict, World, run


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def headline(program: Program) -> str:
    """The one line that says which run failed and how to see it again."""
    return (
        f"SEED={program.seed} CLIENTS={program.clients} OPS={program.size} FLAVOUR={program.flavour}  "
        f"replay: python -m tests.simulation.replay {program.seed}"
    )


def _show(step: Step, depth: int = 0) -> None:
    _say("  " * depth + f"{step.kind} {'ABC'[step.who % 3]} {step.dice}")
    for event in step.events:
        _say("  " * depth + f"  @{event.point or 'any'}#{event.nth}")
        _show(event.step, depth + 2)


def _tell(program: Program, server: str) -> Verdict:
    world = World(program, SERVERS[server])
    world.log = []
    verdict = world.run()
    for line in world.log:
        _say(line)
    for problem in verdict.problems:
        _say(problem)
    return verdict


def _search(first: int, count: int, server: str, flavour: str | None) -> int:
    begun = time.monotonic()
    failures: Counter[str] = Counter()
    for seed in range(first, first + count):
        program = draw(seed, flavour)
        verdict = run(program, SERVERS[server])
        if verdict.problems:
            failures[kind_of(verdict)] += 1
            _say(f"{headline(program)} | {verdict.problems[0].strip().splitlines()[-1][:150]}")
    _say(
        f"{count} schedules, {sum(failures.values())} failed: {dict(failures)}, {count / (time.monotonic() - begun):.1f}/s"
    )
    return 1 if failures else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("--line")
    parser.add_argument("--flavour")
    parser.add_argument("--server", default="memory", choices=sorted(SERVERS))
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--search", type=int, nargs=2)
    args = parser.parse_args()
    if args.search:
        return _search(args.search[0], args.search[1], args.server, args.flavour)
    program = from_line(args.line) if args.line else draw(args.seed, args.flavour)
    if args.shrink:
        program = shrink(program, lambda candidate: run(candidate, SERVERS[args.server]))
        _say(to_line(program))
    for step in program.steps:
        _show(step)
    verdict = run(program, SERVERS[args.server]) if args.quiet else _tell(program, args.server)
    _say(headline(program))
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
