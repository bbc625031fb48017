"""Balloons: what happened while nobody looked, many things in one, and never more than one in ten seconds."""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from PySide6.QtCore import QObject, QTimer

from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.wording import name_of, trouble_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import Event, StateText

GATHER_MS: Final = 3_000
REST_MS: Final = 10_000
"""A balloon waits so long for more of its kind, and so long after the last one."""

Kind = Literal["info", "warning"]
_URGENT: Final[frozenset[StateText]] = frozenset({"failed", "asking"})


@dataclass(slots=True)
class Gathered:
    """What is to be told next.

    Attributes:
        came, went: files that others changed and that were brought here, or were deleted here.
        more: there were others, of which it is not known what they were.
        first: the name of the first of them.
        conflicts: files that were changed in two places.
    """

    came: int = 0
    went: int = 0
    more: bool = False
    first: str = ""
    jobs: set[str] = field(default_factory=set)
    conflicts: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.came or self.went or self.conflicts)


class Balloons(QObject):
    """Gathers and tells.

    Args:
        show: shows a balloon: heading, text, kind.
        wanted: whether anybody is to be told now; not while the window is in front.
    """

    def __init__(
        self,
        model: Model,
        texts: Texts,
        show: Callable[[str, str, Kind], None],
        wanted: Callable[[], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._model, self._texts, self._show, self._wanted = model, texts, show, wanted
        self._gathered = Gathered()
        self._urgent: dict[str, StateText] = {}
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.tell)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        model.events_came.connect(self._came)
        model.jobs_changed.connect(self._states)

    def tell(self) -> None:
        """Show what was gathered, if it is wanted."""
        gathered, self._gathered = self._gathered, Gathered()
        if not gathered or not self._may():
            return
        texts = self._texts
        many = len(gathered.conflicts)
        if many:
            heading = texts("balloon.conflicts", n=many)
            self._tell(heading, texts("balloon.conflicts-about", name=gathered.conflicts[0]), "warning")
            return
        names = [name_of(job.config) for job in self._model.jobs if job.id in gathered.jobs]
        parts = []
        if gathered.came:
            came = "balloon.came-more" if gathered.more else "balloon.came"
            parts.append(texts(came, n=gathered.came))
        if gathered.went:
            parts.append(texts("balloon.went", n=gathered.went))
        text = gathered.first if gathered.came + gathered.went == 1 else " · ".join(parts)
        self._tell(", ".join(names[:3]) or "Homestow", text, "info")

    def _came(self, events: Sequence[Event], more: int) -> None:
        gathered = self._gathered
        for event in events:
            if event.kind == "conflict":
                gathered.conflicts.append(posixpath.basename(event.path))
            elif event.side == "here" and event.kind in ("download", "move"):
                gathered.came += 1
            elif event.side == "here" and event.kind == "delete":
                gathered.went += 1
            else:
                continue
            gathered.jobs.add(event.job)
            gathered.first = gathered.first or posixpath.basename(event.to or event.path)
        gathered.more = gathered.more or more > 0
        if gathered and not self._soon.isActive():
            self._soon.start(max(GATHER_MS, self._rest.remainingTime()))

    def _states(self) -> None:
        """A job that came to need somebody is told at once, once."""
        for job in self._model.jobs:
            if job.state in _URGENT and self._urgent.get(job.id) != job.state and self._model.connected:
                self._urgent[job.id] = job.state
                if self._may():
                    told = trouble_of(self._texts, job)
                    asks = self._texts("balloon.asks") if job.state == "asking" else str(told or "")
                    self._tell(name_of(job.config), asks or self._texts("state.failed"), "warning")
            elif job.state not in _URGENT:
                self._urgent.pop(job.id, None)

    def _may(self) -> bool:
        return self._model.settings.notifications and self._wanted()

    def _tell(self, heading: str, text: str, kind: Kind) -> None:
        self._rest.start()
        self._show(heading, text, kind)
