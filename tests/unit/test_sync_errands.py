"""Errands for a job's own thread: each asker gets an answer, also when the job ends, or is busy for long."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import cast

import pytest
from tests.unit.sync_service_world import SERVER, World, eventually, state

from homestow.client.ports.jobfile import Note
from homestow.client.running.conflicts import Conflicts
from homestow.client.running.errands import Errands, waited
from homestow.client.running.outcome import Ending
from homestow.client.running.service import Service
from homestow.client.running.settling import NotReady
from homestow.values.errors import Busy
from homestow.wire import control

YEAR_NS = 365 * 24 * 3600 * 1_000_000_000


class SlowChoice:
    """Conflicts of which one takes long to settle."""

    listed = ()

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.settled: list[str | None] = []

    def passed(self, ending: Ending) -> bool:
        return False

    def settle(self, keep: str, conflict: str | None) -> tuple[()]:
        self.begun.set()
        assert self.go_on.wait(10)
        self.settled.append(conflict)
        return ()


def world(**more: object) -> World:
    job = {"__type__": "JobConfig", "server": SERVER, "directory": "/docs", "workspace": "anna", "user": "anna"}
    return World(json.dumps({"docs": {**job, **more}}).encode())


@pytest.fixture
def paused() -> Iterator[tuple[SlowChoice, Service]]:
    """A service whose one job is paused."""
    given = world()
    service = given.service()
    choice = SlowChoice()
    given.conflicts = cast(Conflicts, choice)
    service.do(control.Pause())
    eventually(lambda: state(service, "docs").state == "paused", "the pause")
    yield choice, service
    choice.go_on.set()
    service.close()


def asked(service: Service, conflict: str) -> "Future[object]":
    """What somebody hears who settles a conflict, in a thread of their own."""
    heard: Future[object] = Future()

    def ask() -> None:
        try:
            heard.set_result(service.do(control.Settle(job="docs", keep="both", conflict=conflict)))
        except Exception as error:  # noqa: BLE001  # the test looks at it
            heard.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return heard


def test_who_waits_while_the_job_is_removed_is_told_at_once(paused: tuple[SlowChoice, Service]) -> None:
    """What is being done is done to its end; what only waits is refused, and nobody waits for a job that is no more."""
    choice, service = paused
    first = asked(service, "1")
    assert choice.begun.wait(10)
    late = service._roster.find("docs")
    removing = threading.Thread(target=lambda: service.do(control.RemoveJob(job="docs")))
    removing.start()
    eventually(lambda: late._wanted.ended, "the job to be told")
    choice.go_on.set()
    removing.join(10)

    assert first.result(10) == ()
    with pytest.raises(NotReady):
        late.settle("both", "2")
    assert choice.settled == ["1"]


def test_an_errand_that_nobody_waits_for_any_more_is_not_done() -> None:
    """Who was told that the job is busy can rely on it that nothing was done, and nothing will be."""
    errands: Errands[int, None] = Errands()
    done: list[int] = []
    future = errands.put(done.append)

    with pytest.raises(Busy):
        waited(future, 0.01)
    errands.run(1)

    assert done == []


def test_an_errand_that_was_begun_is_waited_for() -> None:
    """It ends as it ends, so that nobody is told that nothing was done while something is."""
    errands: Errands[int, int] = Errands()
    begun, go_on = threading.Event(), threading.Event()

    def errand(given: int) -> int:
        begun.set()
        assert go_on.wait(10)
        return given + 1

    future = errands.put(errand)
    threading.Thread(target=lambda: errands.run(1), daemon=True).start()
    assert begun.wait(10)
    threading.Timer(0.05, go_on.set).start()

    assert waited(future, 0.01) == 2


def test_a_daily_job_does_not_wait_for_a_clock_that_was_ahead() -> None:
    """A clock that was a year ahead for a moment costs one day at most, not the year."""
    given = world(frequency="time")
    given.notes.write("/docs", Note(ran_ns=given.clock.now_ns() + YEAR_NS))
    service = given.service()
    try:
        service.tick()
        assert given.notes.read("/docs").ran_ns == given.clock.now_ns()
    finally:
        service.close()
