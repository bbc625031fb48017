"""What happened to the jobs, for people: a log of events and the conflicts that wait. Losing it loses no file."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """One event; see `wire.control.Event` for the meaning of each. `id` is 0 until the history gives one."""

    id: int
    at_ns: int
    job: str
    kind: str
    side: str = ""
    path: str = ""
    to: str = ""
    folder: bool = False
    size: int = 0
    code: str = ""
    message: str = ""


class Clash(NamedTuple):
    """A conflict copy that was made: `path` the file that has the name, `copy` the one set aside, by `device`."""

    job: str
    path: str
    copy: str
    device: str
    at_ns: int


class History(Protocol):
    """Thread-safe; of each job the newest 10,000 events are kept."""

    def add(self, entries: Iterable[Entry]) -> Sequence[Entry]:
        """Remember events, which get their ids, in order."""

    def entries(self, job: str | None, before: int | None, limit: int, kinds: Sequence[str] = ()) -> Sequence[Entry]:
        """Events with ids below `before`, newest first; of one job or all; of these kinds, or any."""

    def clashes(self, job: str) -> Sequence[Clash]:
        """Conflicts that nobody settled, oldest first."""

    def put_clash(self, clash: Clash) -> None:
        """Remember a conflict; one per copy."""

    def drop_clash(self, job: str, copy: str) -> None:
        """It is settled; nothing when unknown."""

    def forget(self, job: str) -> None:
        """The job is no more."""

    def close(self) -> None:
        """Let go of the store."""
