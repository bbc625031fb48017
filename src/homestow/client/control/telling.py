"""What is published, when and to whom: JSON for our own windows, plain words for the old ones."""

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

import msgspec
import zmq

from homestow.client.control.loop import Loop, Socket
from homestow.client.control.pace import Pace
from homestow.wire.control import (
    AnyNews,
    Ended,
    EventNews,
    GeneralNews,
    JobGone,
    JobNews,
    ProgressNews,
    SettingsNews,
    encode_news,
    topic_of,
)

QUARTER_S: Final = 0.25
"""Progress and events are told at most so often."""

MAX_EVENTS: Final = 100
MAX_NEWS: Final = 10_000
"""Publications that wait between the service and the link's thread."""

_BATCH: Final = 1000


class Teller(Protocol):
    """Turns news into frames; see `Told` and `plain.Plain`."""

    def tell(self, news: AnyNews, now: float) -> list[bytes]:
        """What is published of this at the moment `now`."""

    def due(self, now: float) -> list[bytes]:
        """What has waited long enough."""

    def next(self) -> float | None:
        """When something is due; None: nothing waits."""

    def current(self) -> Iterable[bytes]:
        """The present state of all topics."""


class Told:
    """News as JSON."""

    def __init__(self, current: Callable[[], Iterable[AnyNews]]) -> None:
        self._current = current
        self._word = ""
        self._pace: Pace[str, AnyNews] = Pace(QUARTER_S, _merged)

    def tell(self, news: AnyNews, now: float) -> list[bytes]:
        """What is published of this at the moment `now`."""
        match news:
            case GeneralNews(general=word) if word != self._word:
                self._word = word
                self._pace.drop("general")
                return self._frames(self._pace.put("general", news, now))
            case GeneralNews():
                return self._frames(self._pace.put("general", news, now))
            case ProgressNews(job=job):
                return self._frames(self._pace.put(f"progress/{job}", news, now))
            case EventNews():
                return self._frames(self._pace.put("events", _cut(news), now))
            case JobGone(job=job):
                self._pace.drop(f"progress/{job}")
                return self._frames([news])
            case Ended():
                return self._frames([*self._pace.now("events"), news])
            case JobNews() | SettingsNews():
                return self._frames([news])

    def due(self, now: float) -> list[bytes]:
        """What has waited long enough."""
        return self._frames(self._pace.due(now))

    def next(self) -> float | None:
        """When something is due; None: nothing waits."""
        return self._pace.next()

    def current(self) -> Iterable[bytes]:
        """The present state of all topics."""
        for news in self._current():
            yield encode_news(news)
            if isinstance(news, JobNews):
                yield encode_news(ProgressNews(job=news.job.id, progress=news.job.progress))

    def _frames(self, news: Iterable[AnyNews]) -> list[bytes]:
        return [encode_news(each) for each in news]


def _merged(before: AnyNews, after: AnyNews) -> AnyNews:
    """One of two that wait: all events, and the newer one of everything else."""
    if isinstance(before, EventNews) and isinstance(after, EventNews):
        return _cut(EventNews(events=before.events + after.events, more=before.more + after.more))
    return after


def _cut(news: EventNews) -> EventNews:
    """At most the newest hundred; the others are counted."""
    over = len(news.events) - MAX_EVENTS
    return news if over <= 0 else EventNews(events=news.events[over:], more=news.more + over)


class Outlet:
    """One publishing socket; belongs to the loop's thread. Whoever does not read misses publications, and keeps nobody waiting."""

    def __init__(self, loop: Loop, socket: Socket, teller: Teller) -> None:
        self._loop = loop
        self._socket = socket
        self._teller = teller
        self._topics: set[bytes] = set()
        loop.watch(socket, self._look)

    def end(self) -> None:
        """Publish no more."""
        self._loop.unwatch(self._socket)

    def tell(self, news: AnyNews, now: float) -> None:
        """Publish news, now or when their time comes."""
        self.send(self._teller.tell(news, now))

    def due(self, now: float) -> None:
        """Publish what has waited long enough."""
        self.send(self._teller.due(now))

    def next(self) -> float | None:
        """When something is due; None: nothing waits."""
        return self._teller.next()

    def send(self, frames: Iterable[bytes]) -> None:
        """Publish frames."""
        if self._topics:
            for frame in frames:
                with suppress(zmq.Again):
                    self._socket.send(frame, zmq.NOBLOCK)

    def _look(self) -> None:
        """Take subscriptions; the present state is repeated under each topic that is new to somebody."""
        begun: set[bytes] = set()
        for _ in range(_BATCH):
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if frame[:1] == b"\x01":
                begun.add(frame[1:])
                self._topics.add(frame[1:])
            elif frame[:1] == b"\x00":
                self._topics.discard(frame[1:])
        if begun:
            these = tuple(begun)
            self.send(frame for frame in self._teller.current() if frame.startswith(these))


class Inbox:
    """News on their way from the service's threads to the link's; the caller holds the lock."""

    def __init__(self) -> None:
        self._news: deque[AnyNews] = deque()

    def put(self, news: AnyNews) -> None:
        """One more; when too many wait, states that are no more true go, and old events."""
        self._news.append(news)
        if len(self._news) > MAX_NEWS:
            self._shrink()

    def take(self) -> Iterable[AnyNews]:
        """All that wait."""
        news, self._news = self._news, deque()
        return news

    def _shrink(self) -> None:
        kept: dict[str, AnyNews] = {}
        events: deque[EventNews] = deque(maxlen=MAX_NEWS // 10)
        lost = 0
        for news in self._news:
            if isinstance(news, EventNews):
                if len(events) == events.maxlen:
                    lost += len(events[0].events) + events[0].more
                events.append(news)
            else:
                kept[topic_of(news)] = news
        if events and lost:
            events[0] = msgspec.structs.replace(events[0], more=events[0].more + lost)
        self._news = deque([*kept.values(), *events])
