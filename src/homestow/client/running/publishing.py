"""What the sync service tells: who listens, and a thread that gathers what changed and publishes it.

However much happens, so many publications come: a job's state and progress at most four times a second, events in batches.
While nothing happens the thread sleeps until the next `tick`.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal

from homestow.client.ports.history import Entry, History
from homestow.values.errors import CloudError
from homestow.wire.control import AnyNews, Event, EventKind, EventNews, JobGone

_log = logging.getLogger(__name__)

PACE_S: Final = 0.25
TICK_S: Final = 10.0
"""So often time is looked at: daily jobs, and whether the computer slept."""

MOST_WAITING: Final = 20_000
"""So many events wait at most for the history; of more the oldest are dropped and counted."""

MOST_AT_ONCE: Final = 100

Listener = Callable[[AnyNews], None]


def event(entry: Entry) -> Event:
    """An entry of the history as the control protocol tells it."""
    kind: EventKind = entry.kind  # type: ignore[assignment]  # written by us alone, from the same words
    side: Literal["here", "there", ""] = "here" if entry.side == "here" else "there" if entry.side == "there" else ""
    return Event(
        id=entry.id, at_ns=entry.at_ns, job=entry.job, kind=kind, side=side, path=entry.path, to=entry.to,
        folder=entry.folder, size=entry.size, code=entry.code, message=entry.message,
    )  # fmt: skip


class Publisher:
    """Gathers and publishes; every method may be called from any thread.

    Args:
        history: keeps the events.
        news_of: given the jobs that changed and those whose progress moved, gives what to publish of them.
        tick: called every `TICK_S`.
        begin_thread: False in tests, which call `flush` themselves.
    """

    def __init__(
        self,
        history: History,
        news_of: Callable[[set[str], set[str]], Sequence[AnyNews]],
        tick: Callable[[], None],
    ) -> None:
        self._history, self._news_of, self._tick = history, news_of, tick
        self._lock = threading.Lock()
        self._order = threading.Lock()
        self._listeners: list[Listener] = []
        self._changed: set[str] = set()
        self._stirred: set[str] = set()
        self._events: deque[Entry] = deque()
        self._dropped = 0
        self._something = threading.Event()
        self._end = threading.Event()
        self._last: dict[str, Event] = {}
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Publish by itself from now on."""
        self._thread = threading.Thread(target=self._run, name="news", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Publish what is left, and end."""
        self._end.set()
        self._something.set()
        if self._thread is not None:
            self._thread.join(5.0)
        self.flush()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have it called with all news from now on; gives what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    def publish(self, *news: AnyNews) -> None:
        """Tell all who listen."""
        with self._lock:
            listeners = tuple(self._listeners)
        for each in news:
            for listener in listeners:
                try:
                    listener(each)
                except Exception:  # noqa: BLE001  # one that fails must neither end an order in its middle nor cost others their news
                    _log.exception("a listener failed at %s", type(each).__name__)

    def changed(self, job: str) -> None:
        """A job is otherwise than before."""
        with self._lock:
            self._changed.add(job)
        self._something.set()

    def stirred(self, job: str) -> None:
        """A job's progress moved."""
        if job not in self._stirred:
            with self._lock:
                self._stirred.add(job)
            self._something.set()

    def record(self, entry: Entry) -> None:
        """Something happened."""
        with self._lock:
            if len(self._events) >= MOST_WAITING:
                self._events.popleft()
                self._dropped += 1
            self._events.append(entry)
        self._something.set()

    def last(self, job: str) -> Event | None:
        """The last event of a job since the start."""
        return self._last.get(job)

    def gone(self, job: str) -> None:
        """The job is no more: tell so, and after that nothing of it."""
        with self._order:
            with self._lock:
                self._changed.discard(job)
                self._stirred.discard(job)
                self._last.pop(job, None)
                self._events = deque(entry for entry in self._events if entry.job != job)
            self.publish(JobGone(job=job))

    def flush(self) -> None:
        """Publish what gathered; events before states, so that what was done is heard before "in step"."""
        with self._order:
            with self._lock:
                self._something.clear()
                changed, self._changed = self._changed, set()
                stirred, self._stirred = self._stirred, set()
                events, self._events = list(self._events), deque()
                dropped, self._dropped = self._dropped, 0
            if events:
                self._tell_events(events, dropped)
            if changed or stirred:
                self.publish(*self._news_of(changed, stirred))

    def _tell_events(self, entries: Sequence[Entry], dropped: int) -> None:
        try:
            entries = self._history.add(entries)
        except CloudError as error:
            # They are told all the same; the log of events is nobody's only copy of anything.
            _log.warning("events could not be kept: %s", error.message)
        for entry in entries:
            self._last[entry.job] = event(entry)
        newest = tuple(event(entry) for entry in entries[-MOST_AT_ONCE:])
        self.publish(EventNews(events=newest, more=len(entries) - len(newest) + dropped))

    def _run(self) -> None:
        while not self._end.is_set():
            self._something.wait(TICK_S)
            try:
                self.flush()
                self._tick()
            except Exception:  # noqa: BLE001  # the outer loop of a worker: news that fail once are not the last ones
                _log.exception("publishing failed")
            self._end.wait(PACE_S)
