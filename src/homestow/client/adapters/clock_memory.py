"""Time, chance and work that a test holds in its hand: a clock that is moved, a seeded dice, workers that run inline."""

import random
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

START_NS = 1_700_000_000_000_000_000
"""Where a simulated wall clock begins: November 2023, far from every special date."""


class Killed(BaseException):
    """The simulated process was killed here (kill -9, power loss).

    No Exception, so that no handler of the code under test can take it for a failure it may answer.
    """


class SimClock:
    """A `Clock` that stands still until it is moved. Wall and monotonic time move together, except in `jump`."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._wall_ns = now_ns
        self._passed_ns = 0

    def now_ns(self) -> int:
        """Wall time as moved so far, nanoseconds since 1970 UTC."""
        return self._wall_ns

    def monotonic(self) -> float:
        """Seconds moved forward so far."""
        return self._passed_ns / 1e9

    def advance(self, seconds: float) -> None:
        """Let time pass for both clocks; `seconds` is 0 or more."""
        step = int(seconds * 1e9)
        self._wall_ns += step
        self._passed_ns += step

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back with a negative number; monotonic time does not notice (SC-045, SC-199)."""
        self._wall_ns += int(seconds * 1e9)


class SeededChance:
    """A `Chance` that gives the same numbers for the same seed; for simulation only, its keys can be guessed."""

    def __init__(self, seed: int | str) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - the point is that a run repeats; production has its own Chance

    def fraction(self) -> float:
        """The next number, 0 <= x < 1."""
        return self._dice.random()

    def key(self) -> str:
        """The next 32 hexadecimal digits."""
        return f"{self._dice.getrandbits(128):032x}"


class InlineWorkers:
    """`Workers` of one: each item is done when its outcome is asked for, in the given order.

    `Killed` and other non-`Exception`s pass through, as a killed process gives no outcomes.
    """

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Iterable[tuple[T, R | BaseException]]:
        """The items with their outcomes, one after the other."""
        for item in items:
            try:
                outcome: R | BaseException = work(item)
            except Exception as error:  # noqa: BLE001 - the outcome is handed to the caller, as the port says
                outcome = error
            yield item, outcome
