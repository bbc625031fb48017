"""How a pass ended, for people and for exit codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from homestow.client.engine.leaving import LEFT_OUT
from homestow.client.engine.steps import Brake, Held

LISTED_ONLY = frozenset({"link", "only-here", LEFT_OUT})
"""Reasons that are told but do not count as items left: links are not synced (R25), what is new on the following side of a
one-way job stays there as the job wants it, and so does what its patterns leave out."""


def counts_as_left(held: Held) -> bool:
    """Whether the item is not in step against what the job wants."""
    return held.code not in LISTED_ONLY


class Ending(Enum):
    """How a run ended; the value is the exit code of `homestow sync --once`."""

    IN_STEP = 0
    ITEMS_LEFT = 1
    BRAKE = 3
    TROUBLE = 4
    """Server, login or root (on either side) is the trouble; nothing was deleted (R17, R18)."""
    STOPPED = 5
    """We were asked to stop; the state is sound and the next run continues."""


@dataclass(slots=True)
class Counts:
    """What was done."""

    uploaded: int = 0
    uploaded_bytes: int = 0
    downloaded: int = 0
    downloaded_bytes: int = 0
    folders: int = 0
    moves: int = 0
    deletes: int = 0
    conflicts: int = 0

    def total(self) -> int:
        """How many things were done; 0 when nothing was (P5)."""
        return self.uploaded + self.downloaded + self.folders + self.moves + self.deletes + self.conflicts


class Outcome(NamedTuple):
    """How a pass or run ended.

    Attributes:
        ending: see `Ending`.
        counts: what was done.
        problems: items that are not in step, with reasons, also those that do not count (see `LISTED_ONLY`).
        brake: what the brake asks, with `Ending.BRAKE`.
        trouble: the public code and the message, with `Ending.TROUBLE`.
    """

    ending: Ending
    counts: Counts
    problems: Sequence[Held] = ()
    brake: Brake | None = None
    trouble: tuple[str, str] | None = None

    @property
    def left(self) -> int:
        """How many of the problems count as items left."""
        return sum(map(counts_as_left, self.problems))
