"""One job's life in the sync service: its turn, trouble, pauses, times of day, the brake, and errands while it is closed."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from tests.unit.sync_service_world import SERVER, World, eventually, outcome, state

from homestow.client.engine.steps import Brake, Held
from homestow.client.ports.jobfile import Note
from homestow.client.running.conflicts import Conflicts
from homestow.client.running.deeds import Deed, Did
from homestow.client.running.outcome import Ending
from homestow.client.running.service import Service
from homestow.values.errors import BadRequest, CloudError, LoginNeeded, NotFound, StoreLocked, Unreachable
from homestow.wire import control

Begin = Callable[..., tuple[World, Service]]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins a service of one job, called "docs"; more keywords are keys of the job."""
    services = []

    def start(world: World | None = None, **more: Any) -> tuple[World, Service]:
        job = {"__type__": "JobConfig", "server": SERVER, "directory": "/docs", "workspace": "anna", "user": "anna"}
        given = world or World(json.dumps({"docs": {**job, **more}}).encode())
        service = given.service()
        services.append(service)
        return given, service

    yield start
    for service in services:
        service.close()


def rests(service: Service, wanted: str) -> None:
    eventually(lambda: state(service, "docs").state == wanted, wanted)


def logged(world: World, *kinds: str) -> list[tuple[str, str]]:
    return [(entry.kind, entry.code) for entry in world.history.entries("docs", None, 100, kinds)][::-1]


def test_a_job_follows_both_sides(begin: Begin) -> None:
    """It is opened, at work while it looks, in step when it is, and tells what it did."""
    world, service = begin()
    job = world.running("docs")
    rests(service, "scanning")
    job.hooks.told(Deed(Did.UPLOAD, here=False, path="a/b.txt", size=5))
    job.passes.put(outcome())

    rests(service, "synced")
    eventually(lambda: logged(world) == [("upload", ""), ("state", "synced")], "the log")
    assert state(service, "docs").synced_at_ns == world.clock.now_ns()


def test_pause_ends_what_runs_and_outlives_the_service(begin: Begin) -> None:
    """Nothing is held while it pauses; another service begins it paused; start goes on."""
    world, service = begin()
    job = world.running("docs")
    job.passes.put(outcome())
    rests(service, "synced")

    (paused,) = service.do(control.Pause(job="docs"))
    assert paused.paused
    assert job.closed.wait(5)
    rests(service, "paused")
    service.close()

    world.opened.clear()
    _, again = begin(world)
    rests(again, "paused")
    assert world.opened == []
    (going,) = again.do(control.Start())
    assert not going.paused
    assert going.state != "paused"
    world.running("docs").passes.put(outcome())
    rests(again, "synced")
    eventually(lambda: logged(world, "pause", "resume") == [("pause", ""), ("resume", "")], "the log")


def test_a_pause_stops_a_pass_under_way(begin: Begin) -> None:
    """A person who pauses a long upload does not wait for its end; the state tells paused when it has ended."""
    world, service = begin()
    world.running("docs")
    rests(service, "scanning")

    service.do(control.Pause())

    rests(service, "paused")


def test_while_the_server_is_away_it_waits_longer_and_longer(begin: Begin) -> None:
    """It tells why, tries again by itself, at once when told to, and goes on when the server is back."""
    world = World(json.dumps({"docs": {"__type__": "JobConfig", "server": SERVER, "directory": "/docs"}}).encode())
    world.refuse = [Unreachable("The server does not answer.")]
    _, service = begin(world)
    rests(service, "waiting")
    seen = state(service, "docs")
    assert (seen.code, seen.why) == ("unreachable", "The server does not answer.")

    world.refuse = []
    world.clock.advance(1.3)
    service.tick()
    world.running("docs").passes.put(outcome())
    rests(service, "synced")

    eventually(lambda: logged(world, "state") == [("state", "unreachable"), ("state", "synced")], "the log")


def test_start_and_reload_do_not_wait_for_the_next_try(begin: Begin) -> None:
    """Who says "now" means it."""
    for order in (control.Start(job="docs"), control.Reload()):
        world, service = begin(
            World(json.dumps({"docs": {"__type__": "JobConfig", "server": SERVER, "directory": "/docs"}}).encode())
        )
        world.running("docs").passes.put(outcome(Ending.TROUBLE, trouble=("unreachable", "Away.")))
        rests(service, "waiting")
        service.do(order)
        eventually(lambda: len(world.opened) == 2, "the next try")  # noqa: B023
        service.close()


def test_a_login_that_was_taken_back_is_not_tried_again(begin: Begin) -> None:
    """It fails, asks no server again, and goes on when somebody logs in."""
    world, service = begin()
    world.running("docs").passes.put(outcome(Ending.TROUBLE, trouble=("login-needed", "Log in again.")))
    rests(service, "failed")
    assert state(service, "docs").code == "login-needed"

    world.clock.advance(100_000)
    service.tick()
    assert len(world.opened) == 1

    service.do(control.LogIn(url=SERVER, user="anna", password="secret"))
    world.running("docs").passes.put(outcome())
    rests(service, "synced")


@pytest.mark.parametrize(
    "error,wanted",
    [
        (NotFound("no such root"), "failed"),
        (StoreLocked("another keeps it"), "failed"),
        (LoginNeeded("no login"), "failed"),
        (ValueError("a mistake"), "waiting"),
    ],
)
def test_what_stands_in_the_way_is_told(begin: Begin, error: Exception, wanted: str) -> None:
    """Also a mistake of ours: it is tried again, and ends no other job."""
    world = World(json.dumps({"docs": {"__type__": "JobConfig", "server": SERVER, "directory": "/docs"}}).encode())
    world.refuse = [error]
    _, service = begin(world)

    rests(service, wanted)
    seen = state(service, "docs")
    assert seen.code == (error.code if isinstance(error, CloudError) else "internal")
    assert seen.why


def test_a_job_by_hand_runs_when_told(begin: Begin) -> None:
    """It is closed before and after, and has no time of its own."""
    world, service = begin(frequency="manual")
    rests(service, "scheduled")
    assert (world.opened, state(service, "docs").next_at_ns) == ([], None)

    service.do(control.Start(job="docs"))
    job = world.running("docs")
    job.passes.put(outcome())
    assert job.closed.wait(5)
    rests(service, "scheduled")


def test_a_job_by_hand_that_was_paused_in_the_middle_goes_on_with_start(begin: Begin) -> None:
    """The pause ends the run, the start finishes it."""
    world, service = begin(frequency="manual")
    service.do(control.Start())
    world.running("docs")
    service.do(control.Pause())
    rests(service, "paused")

    service.do(control.Start())
    world.running("docs").passes.put(outcome())
    rests(service, "scheduled")


def test_a_daily_job_runs_at_its_time_and_makes_up_for_one_that_was_missed(begin: Begin) -> None:
    """A new one waits for its first time; a computer that was off or asleep at the time runs it afterwards, once."""
    world, service = begin(frequency="time", start_time={"h": 3, "m": 30})
    rests(service, "scheduled")
    service.tick()
    at = state(service, "docs").next_at_ns
    assert at is not None
    assert 0 < at - world.clock.now_ns() <= 24 * 3600 * 10**9

    world.clock.advance((at - world.clock.now_ns()) / 1e9 - 1)
    service.tick()
    assert world.opened == []
    world.clock.advance(2)
    service.tick()
    world.running("docs").passes.put(outcome())
    eventually(lambda: world.opened[0][1].closed.is_set() and state(service, "docs").state == "scheduled", "its end")
    service.tick()
    assert len(world.opened) == 1

    service.close()
    world.clock.advance(3 * 24 * 3600)
    _, again = begin(world)
    again.tick()
    eventually(lambda: len(world.opened) == 2, "the run that was missed")


def test_the_brake_asks_and_is_answered(begin: Begin) -> None:
    """The question stands in the job's state; the answer goes to the job; without a question there is no answer."""
    world, service = begin()
    job = world.running("docs")
    with pytest.raises(BadRequest):
        service.do(control.AcceptDeletes(job="docs"))
    job.passes.put(outcome(Ending.BRAKE, brake=Brake("there", 90, 100)))
    rests(service, "asking")
    asked = state(service, "docs")
    assert asked.brake == control.Brake(side="there", files=90, of=100)
    assert "90 of 100" in asked.why

    assert service.do(control.AcceptDeletes(job="docs")).brake is None
    assert job.accepted == 1


def test_the_brake_of_a_job_by_hand(begin: Begin) -> None:
    """It is closed while it asks; the answer runs it once with the deletions accepted."""
    world, service = begin(frequency="manual")
    service.do(control.Start())
    world.running("docs").passes.put(outcome(Ending.BRAKE, brake=Brake("here", 9, 10)))
    rests(service, "asking")

    service.do(control.AcceptDeletes(job="docs"))
    job = world.running("docs")
    assert job.accept_deletes_given
    job.passes.put(outcome())
    rests(service, "scheduled")


def test_problems_are_told_once_each(begin: Begin) -> None:
    """A pass every minute does not fill the log with what is known."""
    world, service = begin()
    job = world.running("docs")
    held = Held(("a", "b\udcff.txt"), "unreadable", "a/b\udcff.txt: it cannot be read")
    for _ in range(3):
        job.passes.put(outcome(Ending.ITEMS_LEFT, problems=(held,)))
    rests(service, "left")

    assert state(service, "docs").problems == 1
    (problem,) = service.do(control.ListProblems())
    assert (problem.path, problem.message) == ("a/b\\xff.txt", "it cannot be read")
    eventually(lambda: logged(world, "problem") == [("problem", "unreadable")], "the log")


def test_files_that_are_still_being_written_are_not_in_step(begin: Begin) -> None:
    """They are no problem either: the job is at work until they were quiet and went over."""
    world, service = begin()
    job = world.running("docs")
    job.passes.put(outcome(Ending.ITEMS_LEFT))
    rests(service, "syncing")
    job.passes.put(outcome())
    rests(service, "synced")


def test_when_the_computer_slept_everything_is_looked_at_anew(begin: Begin) -> None:
    """The wall clock gained on the other: connections are dead, so the job is opened again; a small step is none."""
    world, service = begin()
    first = world.running("docs")
    first.passes.put(outcome())
    rests(service, "synced")

    world.clock.jump(20)
    service.tick()
    assert not first.closed.is_set()
    world.clock.jump(3600)
    service.tick()
    assert first.closed.wait(5)
    world.running("docs").passes.put(outcome())
    rests(service, "synced")


def test_a_job_that_cannot_be_is_failed_and_holds_nothing(begin: Begin) -> None:
    """Its fault names it, and says what to do."""
    world, service = begin(directory="relative")

    seen = state(service, "docs")
    assert (seen.state, seen.code) == ("failed", "bad-settings")
    assert "docs" in seen.why
    assert world.opened == []


def test_a_job_that_is_off(begin: Begin) -> None:
    """It has no part in the word for all, and begins when it is enabled."""
    world, service = begin(active=False)
    assert (state(service, "docs").state, service.general()) == ("off", "none")

    enabled = service.do(control.Enable(job="docs", active=True))
    assert enabled.config.active
    world.running("docs")
    service.do(control.Enable(job="docs", active=False))
    rests(service, "off")


def test_a_conflict_is_settled_while_the_job_is_paused(begin: Begin) -> None:
    """It is opened for that alone, by its own thread, and closed again."""
    world, service = begin()
    world.running("docs")
    service.do(control.Pause())
    rests(service, "paused")
    threads = []

    class Settling:
        listed = ()

        def settle(self, keep: str, conflict: str | None) -> tuple[()]:
            threads.append((threading.current_thread().name, keep, conflict))
            return ()

        def passed(self, ending: Ending) -> bool:
            return False

    world.conflicts = cast(Conflicts, Settling())
    assert service.do(control.Settle(job="docs", keep="both")) == ()

    assert threads == [("job docs", "both", None)]
    eventually(lambda: all(job.closed.is_set() for _, job in world.opened), "it to be closed")
    rests(service, "paused")

    world.refuse = [Unreachable("Away.")]
    with pytest.raises(CloudError, match="Away"):
        service.do(control.Settle(job="docs", keep="both"))


def test_the_note_of_a_pause_is_the_folders(begin: Begin) -> None:
    """So it holds for the folder, whichever service keeps it."""
    world, service = begin()
    world.running("docs")
    service.do(control.Pause())

    assert world.notes.read("/docs") == Note(paused=True)
