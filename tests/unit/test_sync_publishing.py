"""What a sync service tells those who listen: to each all of it, in an order that ends with what is."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from tests.unit.sync_service_world import SERVER, World, eventually

from homestow.client.adapters.history_memory import MemoryHistory
from homestow.client.running.publishing import Publisher
from homestow.wire import control
from homestow.wire.control import AnyNews, EventNews, GeneralNews, JobConfig, JobGone, JobNews, JobNow


class Telling:
    """A publisher of one job, whose look at it can be held up."""

    def __init__(self) -> None:
        self.heard: list[AnyNews] = []
        self.looked, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.publisher = Publisher(MemoryHistory(), self._look, lambda: None)
        self.publisher.listen(self.heard.append)
        self.publisher.begin()

    def _look(self, changed: set[str], stirred: set[str]) -> Sequence[AnyNews]:
        job = JobNow(config=JobConfig(id="docs", server=SERVER, directory="/docs"), number=0, state="synced")
        self.looked.set()
        assert self.go_on.wait(10)
        return [JobNews(job=job)]


@pytest.fixture
def telling() -> Iterator[Telling]:
    telling = Telling()
    yield telling
    telling.go_on.set()
    telling.publisher.close()


def test_of_a_job_that_is_gone_nothing_is_told_after_that(telling: Telling) -> None:
    """Who listens would show it for ever: a look at it that was under way is told before, never after."""
    telling.go_on.clear()
    telling.publisher.changed("docs")
    assert telling.looked.wait(10)
    going = threading.Thread(target=lambda: telling.publisher.gone("docs"))
    going.start()
    going.join(0.1)
    telling.go_on.set()
    going.join(10)

    assert [type(news) for news in telling.heard] == [JobNews, JobGone]


def test_one_listener_that_fails_costs_others_nothing(telling: Telling) -> None:
    """They hear all, and what is told goes on."""

    def fail(news: AnyNews) -> None:
        raise RuntimeError("a mistake")

    later: list[AnyNews] = []
    telling.publisher.listen(fail)
    telling.publisher.listen(later.append)
    telling.publisher.publish(EventNews(events=(), more=1), GeneralNews(general="none", progress=control.Progress()))
    telling.publisher.changed("docs")

    eventually(lambda: any(isinstance(news, JobNews) for news in later), "news after a failure")
    assert [type(news) for news in later] == [EventNews, GeneralNews, JobNews]


def test_an_order_is_obeyed_to_its_end_whoever_fails_to_listen() -> None:
    """A job that is removed is forgotten, too."""
    world = World(b'{"docs": {"__type__": "JobConfig", "server": "http://home:5000", "directory": "/docs"}}')
    service = world.service()
    try:

        def fail(news: AnyNews) -> None:
            raise RuntimeError("a mistake")

        service.listen(fail)
        assert service.do(control.RemoveJob(job="docs")) == ()
        assert world.forgotten == ["docs"]
    finally:
        service.close()
