"""What a job wants, as far as decisions depend on it."""

from dataclasses import dataclass
from enum import StrEnum

from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.seen import TreeFacts


class Direction(StrEnum):
    """Which side follows which; the values are those of `-dir`."""

    BOTH = "bi"
    UP = "up"
    """The disk is the source: the server follows; what the server had stays as version or in its trash."""
    DOWN = "down"
    """The server is the source: the disk follows; what the disk had stays as a conflict copy."""


BRAKE_SHARE = 0.5
BRAKE_FILES = 20
"""R18: more than half and at least twenty."""


PLAIN_DISK = TreeFacts(folds_case=False, normalises=False, stable_inodes=True, mtime_step_ns=1)
"""A usual Linux filesystem."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the planner must know besides the trees.

    Attributes:
        direction: see `Direction`.
        facts: what the disk does with names and stamps.
        writable: whether we may change the root; when not, the job runs down only (SC-213 to SC-215).
        accept_deletes: the user has answered the brake: delete (R18, SC-193).
        filters: what is left out on both sides.
    """

    direction: Direction = Direction.BOTH
    facts: TreeFacts = PLAIN_DISK
    writable: bool = True
    accept_deletes: bool = False
    filters: Filters = NOTHING

    @property
    def up(self) -> bool:
        """Whether changes of the disk go to the server."""
        return self.writable and self.direction is not Direction.DOWN

    @property
    def down(self) -> bool:
        """Whether changes of the server come to the disk."""
        return self.direction is not Direction.UP or not self.writable
