"""What the log of one job says: each thing it did, what is left, how it rests, what was ordered."""

from collections.abc import Callable, Sequence
from typing import Final

from homestow.client.engine.steps import Held
from homestow.client.ports.clock import Clock
from homestow.client.ports.history import Entry
from homestow.client.running.deeds import Deed
from homestow.client.running.outcome import counts_as_left
from homestow.client.running.standing import WORTH_TELLING, path_of, reason, shown
from homestow.wire.control import StateText

MOST_PROBLEMS_TOLD: Final = 20
"""Of more new problems in one pass the log names these."""


_CHOSEN: Final[dict[str, str]] = {
    "original": "The original was kept.",
    "copy": "The copy was kept.",
    "both": "Both were kept.",
}


class JobLog:
    """Writes the events of one job; `record` keeps them, from any thread."""

    def __init__(self, job: str, clock: Clock, record: Callable[[Entry], None]) -> None:
        self._job, self._clock, self._record = job, clock, record
        self._rested: tuple[StateText, str] = ("starting", "")
        self._left: frozenset[Held] = frozenset()

    def note(self, kind: str, code: str = "", message: str = "", path: str = "") -> None:
        """Something happened to the job."""
        self._record(Entry(0, self._clock.now_ns(), self._job, kind, path=path, code=code, message=message))

    def did(self, deed: Deed) -> None:
        """The job did something."""
        side = "here" if deed.here else "there"
        path, to, size = shown(deed.path), shown(deed.to), max(deed.size, 0)
        code, message = deed.choice, _CHOSEN.get(deed.choice, "")
        entry = Entry(0, self._clock.now_ns(), self._job, deed.did.value, side, path, to, deed.folder, size)
        self._record(entry._replace(code=code, message=message) if code else entry)

    def problems(self, problems: Sequence[Held]) -> None:
        """A pass left these; each is told once, until it was gone."""
        left = frozenset(held for held in problems if counts_as_left(held))
        new = [held for held in problems if held in left and held not in self._left]
        self._left = left
        for held in new[:MOST_PROBLEMS_TOLD]:
            self.note("problem", held.code, reason(held), path_of(held))
        if (more := len(new) - MOST_PROBLEMS_TOLD) > 0:
            self.note("problem", "more", f"{more:,} more items are left; the list of problems names them.")

    def rests(self, state: StateText, code: str, why: str) -> None:
        """The job rests in this state; told when people should know, and did not hear it last."""
        if state in WORTH_TELLING and (state, code) != self._rested:
            self._rested = (state, code)
            self.note("state", code or state, why or WORTH_TELLING[state])
