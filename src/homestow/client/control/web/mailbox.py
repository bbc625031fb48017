"""News on their way to one browser: gathered, and of states only the newest, so that a slow page costs nothing and misses nothing."""

import threading
from collections.abc import Generator, Iterable

from homestow.client.control.service import SyncService
from homestow.client.control.web.limits import Limits
from homestow.wire.control import AnyNews, Ended, Event, EventNews, JobGone, encode_news, topic_of

MOST_EVENTS = 100
"""Of events that wait the newest so many are kept; the rest is counted."""


class Mailbox:
    """What one follower has not been sent yet; `put` is a `Listener`."""

    def __init__(self) -> None:
        self._some = threading.Condition()
        self._states: dict[tuple[type, str], AnyNews] = {}
        self._events: list[Event] = []
        self._more = 0
        self._closed = False

    def put(self, news: AnyNews) -> None:
        """Keep it until it is taken; an older one of the same state is forgotten."""
        with self._some:
            if isinstance(news, EventNews):
                self._events.extend(news.events)
                over = max(0, len(self._events) - MOST_EVENTS)
                del self._events[:over]
                self._more += news.more + over
            else:
                topic = topic_of(news)
                if isinstance(news, JobGone):
                    for kept in [key for key in self._states if key[1].rpartition("/")[2] == news.job]:
                        del self._states[kept]
                key = (type(news), topic)
                self._states.pop(key, None)
                self._states[key] = news
            self._some.notify()

    def begin(self, current: Iterable[AnyNews]) -> None:
        """Keep what is now, unless something newer of the same came since it was looked at."""
        with self._some:
            looked = {(type(news), topic_of(news)): news for news in current}
            self._states = {key: news for key, news in looked.items() if key not in self._states} | self._states
            self._some.notify()

    def close(self) -> None:
        """No more comes; what is there can still be taken."""
        with self._some:
            self._closed = True
            self._some.notify()

    def take(self, wait_s: float) -> list[AnyNews] | None:
        """All that came, in order of its last change, events last; nothing after so long; None when closed and empty."""
        with self._some:
            self._some.wait_for(self._any, wait_s)
            news = list(self._states.values())
            if self._events or self._more:
                news.append(EventNews(events=tuple(self._events), more=self._more))
            self._states, self._events, self._more = {}, [], 0
            return None if self._closed and not news else news

    def pause(self, pause_s: float) -> None:
        """Let news gather."""
        with self._some:
            self._some.wait_for(lambda: self._closed, pause_s)

    def _any(self) -> bool:
        return bool(self._closed or self._states or self._events or self._more)


def follow(service: SyncService, mailbox: Mailbox, limits: Limits) -> Generator[bytes, None, None]:
    """News as server-sent events, the current state first; each `data` is the JSON of one publication.

    The mailbox hears already, so that nothing is missed before the first piece is taken.
    """
    mailbox.begin(service.current())
    yield b"retry: 2000\n\n"
    while (batch := mailbox.take(limits.beat_s)) is not None:
        yield b"".join(as_event(news) for news in batch) or b": alive\n\n"
        if any(isinstance(news, Ended) for news in batch):
            return
        mailbox.pause(limits.pause_s)


def as_event(news: AnyNews) -> bytes:
    """One publication as a server-sent event; its JSON has no line breaks."""
    return b"data: " + encode_news(news).partition(b" ")[2] + b"\n\n"
