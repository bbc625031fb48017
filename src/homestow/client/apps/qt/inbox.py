"""Where other threads leave what the window shall know; the window takes it out all at once."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from homestow.wire.control import (
    AnyNews,
    Ended,
    Event,
    EventNews,
    GeneralNews,
    JobGone,
    JobNews,
    JobNow,
    Progress,
    ProgressNews,
    Settings,
    SettingsNews,
)

MAX_EVENTS: Final = 500
"""So many events are kept between two looks; older ones are only counted. All of them are in the service's log."""


@dataclass(slots=True)
class Batch:
    """What came since the last look: the latest of each kind.

    Attributes:
        jobs: by id; None where the job is no more.
        progress: by id of the job.
        events: the newest last; `more` counts those that were left out.
    """

    general: GeneralNews | None = None
    jobs: dict[str, JobNow | None] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    more: int = 0
    settings: Settings | None = None
    ended: bool = False
    done: list[Callable[[], None]] = field(default_factory=list)

    def add(self, news: AnyNews) -> None:
        """Keep what matters of a publication."""
        match news:
            case GeneralNews():
                self.general = news
            case JobNews(job=job):
                self.jobs[job.id] = job
                self.progress.pop(job.id, None)
            case JobGone(job=gone):
                self.jobs[gone] = None
                self.progress.pop(gone, None)
            case ProgressNews(job=moved, progress=progress):
                self.progress[moved] = progress
            case EventNews(events=events, more=more):
                self.more += more + max(0, len(self.events) + len(events) - MAX_EVENTS)
                self.events.extend(events)
            case SettingsNews(settings=settings):
                self.settings = settings
            case Ended():
                self.ended = True


class Inbox:
    """Thread-safe. However much is put in, one look costs about the same, since only the latest of each thing is kept."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._batch = Batch()
        self._asleep = True
        self._closed = False

    def hear(self, news: AnyNews) -> None:
        """Leave a publication; never raises."""
        with self._lock:
            if self._closed:
                return
            self._batch.add(news)
            self._rouse()

    def call(self, what: Callable[[], None]) -> None:
        """Have `what` called in the thread that takes; in the order of coming, after the news that came before."""
        with self._lock:
            if self._closed:
                return
            self._batch.done.append(what)
            self._rouse()

    def take(self) -> Batch:
        """All that came since the last call."""
        with self._lock:
            batch, self._batch, self._asleep = self._batch, Batch(), True
            return batch

    def close(self) -> None:
        """Nothing is taken or woken any more."""
        with self._lock:
            self._closed = True
            self._batch = Batch()

    def _rouse(self) -> None:
        if self._asleep:
            self._asleep = False
            self._wake()
