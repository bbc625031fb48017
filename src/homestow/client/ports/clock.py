"""Time, chance and parallel work as the client needs them, so that a simulation can hold all three in its hand."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    """Two clocks: one that people read, one that only goes forward."""

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 UTC; may jump. Never decides a conflict (SC-045)."""

    def monotonic(self) -> float:
        """Seconds that only grow."""


class Chance(Protocol):
    """The only randomness: jitter of back-off and keys of uploads."""

    def fraction(self) -> float:
        """0 <= x < 1."""

    def key(self) -> str:
        """32 lower-case hexadecimal digits that nobody can guess."""


class Workers(Protocol):
    """A bounded set of workers; the simulation's twin runs everything inline."""

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Iterable[tuple[T, R | BaseException]]:
        """Do `work` on each item, several at once, and give the outcomes as they come; never more than a few items ahead."""
