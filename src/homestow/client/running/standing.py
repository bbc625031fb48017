"""How a job of the sync service is, and what it is given and tells: the values and words around `running.jobs.Task`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from homestow.client.engine.steps import Brake as Asked
from homestow.client.engine.steps import Held
from homestow.client.ports.clock import Chance, Clock
from homestow.client.ports.history import Entry
from homestow.client.ports.jobfile import JobNotes
from homestow.client.running.daemon import Job
from homestow.client.running.deeds import Deed
from homestow.client.running.outcome import Outcome, counts_as_left
from homestow.client.running.progress import Doing, Progress
from homestow.wire.control import Brake, JobConfig, StateText, Time

if TYPE_CHECKING:
    from homestow.client.running.conflicts import Conflicts

_PASSING: Final = frozenset(
    {
        *("unreachable", "busy", "internal", "cursor-gone", "not-homestow", "too-many-tries"),
        *("local-root-missing", "storage-full", "storage-failed"),
    }
)
"""Trouble that may pass by itself: the server, the network, the folder or the disk is away."""


def passes(code: str) -> bool:
    """Whether trouble of this code may pass by itself."""
    return code in _PASSING


LOGIN: Final = frozenset({"login-needed", "login-failed"})
"""Trying again with the same token helps nobody, and looks like an attack."""


AT_WORK: Final[dict[Doing, StateText]] = {
    Doing.STARTING: "starting",
    Doing.LISTING: "listing",
    Doing.SCANNING: "scanning",
    Doing.SYNCING: "syncing",
}


WORTH_TELLING: Final[dict[StateText, str]] = {
    "synced": "Both sides are in step.",
    "left": "Both sides are in step but for some items; the list of problems names them.",
    "waiting": "It waits, and goes on by itself.",
    "asking": "It asks before it deletes so much.",
    "failed": "It cannot go on.",
}
"""States that are worth a line in the log, and the line where nothing better is known."""


def shown(text: str) -> str:
    """A name of the disk as text that every reader can show: bytes that are no UTF-8 are written as \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Hooks(NamedTuple):
    """Where a job that runs tells what goes on: how far it is, and each thing it did."""

    progress: Progress
    told: Callable[[Deed], None]


class Opened(NamedTuple):
    """A job ready to run, and the conflicts that it meets; None: nobody asks for them."""

    job: Job
    conflicts: "Conflicts | None" = None


class Opener(Protocol):
    """Makes a job ready to run."""

    def __call__(self, config: JobConfig, hooks: Hooks, *, continuous: bool, accept_deletes: bool) -> Opened:
        """The job, `continuous` to be `run` on and on, else for `once`.

        Raises:
            CloudError: the server, the login, the root, the folder or the state cannot be used.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all jobs of a service share.

    Attributes:
        open_job: see `Opener`.
        changed: hears the id of a job that is otherwise than before; from any thread, returns at once.
        stirred: the same for a job of which only the progress moved.
        record: keeps an event, see `ports.history`; from any thread, returns at once.
        heard: hears each pass's outcome.
    """

    open_job: Opener
    notes: JobNotes
    clock: Clock
    chance: Chance
    changed: Callable[[str], None]
    stirred: Callable[[str], None]
    record: Callable[[Entry], None]
    heard: Callable[[str, Outcome], None] = lambda job, outcome: None


class Standing(NamedTuple):
    """How a job is: the state, why it waits or failed, and since when it was in step."""

    state: StateText
    code: str = ""
    why: str = ""
    paused: bool = False
    brake: Brake | None = None
    problems: tuple[Held, ...] = ()
    synced_at_ns: Time | None = None
    next_at_ns: Time | None = None

    @property
    def left(self) -> int:
        """How many of the problems count as items left."""
        return sum(map(counts_as_left, self.problems))


class TellingProgress(Progress):
    """Tells its task that something moved."""

    def __init__(self, clock: Clock, at_work: Callable[[Doing], None], stirred: Callable[[], None]) -> None:
        super().__init__(clock)
        self._at_work, self._stirred = at_work, stirred

    def at(self, doing: Doing, why: str = "") -> None:
        """Say what the job is at now."""
        super().at(doing, why)
        self._at_work(doing)

    def looked(self, entries: int) -> None:
        """So many more entries of the disk were looked at."""
        super().looked(entries)
        self._stirred()

    def moved(self, item: int, size_bytes: int, *, before: bool = False) -> None:
        """So many bytes of a large file were transferred."""
        super().moved(item, size_bytes, before=before)
        self._stirred()

    def small(self, name: str, files: int, size_bytes: int) -> None:
        """So many small files were transferred."""
        super().small(name, files, size_bytes)
        self._stirred()


def path_of(held: Held) -> str:
    """An item's path below the job's folder, as text."""
    return shown("/".join(held.path))


def reason(held: Held) -> str:
    """Why an item is not in step, without its path."""
    return shown(held.reason.removeprefix(f"{'/'.join(held.path)}: "))


def asks(brake: Asked | None) -> str:
    """What the brake asks, and both answers."""
    if brake is None:
        return ""
    where, gone = ("in the folder here", "the server") if brake.side == "here" else ("on the server", "the folder here")
    return (
        f"This would delete {brake.files:,} of {brake.of:,} files {where}, because {gone} does not have them any more. "
        "Nothing was deleted. If it is meant, accept the deletions; if not, put the files back where they are missing."
    )
