"""Which situations the simulated runs met: local change x remote change x fault, so that many green runs cannot be easy ones."""

from collections import Counter
from collections.abc import Iterable

from tests.simulation.people import KINDS
from tests.simulation.world import FAULTS

CHANGES = sorted(set(KINDS.values()))
PROPERTY = "situations"
"""Name under which a test tells its runs: (server, how many runs, the cells they met as "mine theirs fault")."""

Told = tuple[str, int, list[str]]


def summary(told: Iterable[Told]) -> list[str]:
    """Lines for people: how many situations of all were met, and how many pairs of changes under each fault."""
    runs: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for server, count, cells in told:
        runs[server] += count
        met.update(cells)
    if not runs:
        return []
    every = [f"{mine} {theirs} {fault}" for mine in CHANGES for theirs in CHANGES for fault in FAULTS]
    hit = [cell for cell in every if met[cell]]
    often = sum(met[cell] >= 50 for cell in every)
    which = ", ".join(f"{count} on {server}" for server, count in sorted(runs.items()))
    by_fault = ", ".join(f"{fault} {sum(cell.endswith(' ' + fault) for cell in hit)}" for fault in FAULTS)
    return [
        f"{sum(runs.values())} schedules ({which}); {len(hit)} of {len(every)} situations met, {often} at least 50 times",
        f"of {len(CHANGES) ** 2} pairs of changes under each fault: {by_fault}",
    ]
