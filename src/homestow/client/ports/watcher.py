"""What tells the client early that something happened on disk; a full scan always remains the truth."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from homestow.client.ports.localtree import LocalPath


@dataclass(frozen=True, slots=True)
class Hints:
    """Folders in which something may have changed; `everything` after an overflow or a lost watch (SC-197).

    `reason` says in one sentence for people why everything has to be looked at, "" when nothing is wrong.
    """

    folders: Collection[LocalPath]
    everything: bool
    reason: str = ""


class Watcher(Protocol):
    """Watches one job's folder."""

    def take(self) -> Hints:
        """All hints since the last call; returns at once."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is a hint or `wake` was called; False when the time ran out."""

    def wake(self) -> None:
        """End a `wait` from another thread."""

    def close(self) -> None:
        """Stop watching."""
