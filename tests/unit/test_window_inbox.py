"""What the window is told is gathered, so that its cost does not grow with what happens."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("PySide6", reason="the extra qt is not installed")

from homestow.client.apps.qt.inbox import MAX_EVENTS, Inbox
from homestow.wire.control import (
    Ended,
    Event,
    EventNews,
    GeneralNews,
    JobConfig,
    JobGone,
    JobNews,
    JobNow,
    Progress,
    ProgressNews,
    Settings,
    SettingsNews,
)


def job(name: str, done: int = 0) -> JobNow:
    """A job of that id, so far."""
    config = JobConfig(id=name, server="https://home.example.org", directory="/home/anna/x")
    return JobNow(config=config, number=0, state="syncing", progress=Progress(files_done=done))


def events(first: int, many: int) -> tuple[Event, ...]:
    """Events of these numbers."""
    return tuple(Event(id=number, at_ns=0, job="a", kind="upload") for number in range(first, first + many))


def test_it_wakes_once_until_it_is_looked_into() -> None:
    """A thousand publications are one knock at the window's door."""
    knocks: list[int] = []
    inbox = Inbox(lambda: knocks.append(1))

    for number in range(1000):
        inbox.hear(ProgressNews(job="a", progress=Progress(files_done=number)))

    assert len(knocks) == 1
    assert inbox.take().progress["a"].files_done == 999
    inbox.hear(Ended())
    assert len(knocks) == 2
    assert inbox.take().ended


def test_the_latest_of_each_is_kept() -> None:
    """A job's own news beats progress that came before it; a job that is gone and back is there."""
    inbox = Inbox(lambda: None)

    inbox.hear(ProgressNews(job="a", progress=Progress(files_done=5)))
    inbox.hear(JobNews(job=job("a", 7)))
    inbox.hear(JobGone(job="b"))
    inbox.hear(JobNews(job=job("b", 1)))
    inbox.hear(JobNews(job=job("c")))
    inbox.hear(JobGone(job="c"))
    inbox.hear(SettingsNews(settings=Settings(up_kbytes=9)))
    inbox.hear(GeneralNews(general="syncing", progress=Progress()))
    batch = inbox.take()

    assert batch.progress == {}
    assert batch.jobs == {"a": job("a", 7), "b": job("b", 1), "c": None}
    assert batch.settings == Settings(up_kbytes=9)
    assert batch.general is not None


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5000)), max_size=30))
def test_events_are_bounded_and_counted(told: list[tuple[int, int]]) -> None:
    """However many events come, the newest few are kept, and none is lost from the count."""
    inbox = Inbox(lambda: None)
    first = 0
    for many, more in told:
        inbox.hear(EventNews(events=events(first, many), more=more))
        first += many
    batch = inbox.take()

    assert len(batch.events) == min(MAX_EVENTS, first)
    assert len(batch.events) + batch.more == first + sum(more for _, more in told)
    assert [event.id for event in batch.events] == list(range(first - len(batch.events), first))


def test_answers_come_in_their_order_and_nothing_after_the_end() -> None:
    """What other threads want to have called is called in the order of coming; a closed inbox takes nothing."""
    called: list[int] = []
    inbox = Inbox(lambda: None)
    threads = [threading.Thread(target=inbox.call, args=(lambda n=n: called.append(n),)) for n in range(5)]
    for thread in threads:
        thread.start()
        thread.join()

    for what in inbox.take().done:
        what()
    inbox.close()
    inbox.call(lambda: called.append(99))
    inbox.hear(Ended())
    batch = inbox.take()

    assert called == [0, 1, 2, 3, 4]
    assert not batch.ended
    assert not batch.done
