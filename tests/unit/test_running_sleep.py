"""A job that rests gives its memory back, does errands, and goes on as if nothing had been."""

import threading
from collections.abc import Callable

import pytest
from tests.unit.sync_rig import Computer, at, settle, two
from tests.unit.test_running_daemon import Running, nothing_happens

from homestow.client.engine.trees import Trees, same_trees
from homestow.client.ports.localtree import LocalPath
from homestow.client.ports.watcher import Hints
from homestow.client.running.daemon import SLEEP_S
from homestow.client.running.outcome import Ending
from homestow.values.errors import Busy, NotFound, Unreachable


def grown(computer: Computer) -> None:
    """Give it folders, files, something that is held, and something of the other side."""
    computer.disk.mkdir(at("d"))
    computer.disk.mkdir(at("d/e"))
    for path in ("a", "d/b", "d/e/c"):
        computer.write(path, path)
    computer.disk.symlink(at("d/link"), "a")


def copied(trees: Trees) -> Trees:
    """The trees as they are now."""
    return Trees(trees.top, dict(trees.synced), dict(trees.local), dict(trees.remote))


def test_after_sleep_the_trees_are_the_same() -> None:
    """What is read from the state is what was let go, in step and with differences alike."""
    _, one, other = two()
    grown(one)
    settle(one, other)
    other.write("a", "new")
    other.sync()
    one.write("d/b", "edited")
    one.cycle._looking.look(None)
    one.cycle._news.take()
    before = copied(one.cycle.trees)

    assert one.cycle.sleep()
    assert one.cycle.asleep
    assert not one.cycle.sleep()

    assert len(before.local) == len(before.remote) == 1
    assert same_trees(one.cycle.trees, before)
    assert not one.cycle.asleep


def test_only_what_is_hinted_is_looked_at_after_sleep() -> None:
    """The books of what was looked at are kept: one hint does not cost a look at everything."""
    _, one, other = two()
    grown(one)
    settle(one, other)
    held = one.cycle._looking.problems()
    listed: list[LocalPath] = []
    list_folder = one.tree.list_folder

    def counted(path: LocalPath) -> list[object]:
        listed.append(path)
        return list(list_folder(path))

    def never(path: LocalPath = ()) -> None:
        raise AssertionError("everything was looked at")

    one.tree.list_folder = counted  # type: ignore[method-assign, assignment]
    one.tree.list_tree = never  # type: ignore[method-assign, assignment]
    one.cycle.sleep()
    one.write("d/e/c", "edited")

    outcome = one.cycle.run_pass(Hints((at("d/e"),), everything=False))

    assert outcome.ending is Ending.IN_STEP
    assert one.cycle.counts.uploaded == 4
    assert set(listed) == {at("d/e")}
    assert held
    assert list(outcome.problems) == held


def test_what_waits_waits_on_after_sleep() -> None:
    """An item that failed keeps its time and its reason."""
    _, one, _ = two()
    one.write("secret", "1")
    one.disk.chmod(at("secret"), readable=False)
    first = one.cycle.run_pass()
    retry = one.cycle.next_retry()

    one.cycle.sleep()

    assert one.cycle.next_retry() == retry
    assert retry is not None
    again = one.cycle.run_pass()
    assert again.problems == first.problems
    one.disk.chmod(at("secret"), readable=True)
    one.clock.advance(60)
    assert one.cycle.run_pass().ending is Ending.IN_STEP


def test_a_folder_that_got_its_node_keeps_its_book() -> None:
    """What was held in a folder that is new is told after sleep too, when the folder goes by another id."""
    _, one, _ = two()
    one.disk.mkdir(at("new"))
    one.disk.symlink(at("new/link"), "x")

    before = one.cycle.run_pass()
    one.cycle.sleep()
    after = one.cycle.run_pass(Hints((), everything=False))

    assert [held.path for held in before.problems] == [at("new/link")]
    assert after.problems == before.problems


def test_a_state_that_is_lost_while_asleep_is_built_anew() -> None:
    """R24: whoever wakes over an empty state joins both sides again; nothing is deleted."""
    _, one, other = two()
    grown(one)
    settle(one, other)
    one.cycle.sleep()
    for table in ("synced", "local", "remote", "facts"):
        one.state._db.execute(f"DELETE FROM {table}")

    outcome = one.cycle.run_pass(Hints((), everything=False))

    assert outcome.ending is Ending.IN_STEP
    assert one.cycle.counts.deletes == 0
    assert len(one.cycle.trees.synced) == 5
    settle(one, other)
    assert one.files() == {**other.files(), "d/link": None}


# --- the job ----------------------------------------------------------------------------------------------------------


def with_memory(running: Running) -> list[str]:
    """The running's job tells when memory is let go."""
    let_go: list[str] = []
    running.job._let_memory_go = lambda: let_go.append("let go")
    return let_go


def test_a_job_sleeps_after_a_while_of_rest() -> None:
    """The trees are let go once nothing came for some seconds, once per rest."""
    running = Running()
    running.computer.write("f", "1")
    let_go = with_memory(running)
    seen: list[tuple[float, bool]] = []

    def while_idle() -> None:
        seen.append((running.idle_for[-1], running.computer.cycle.asleep))
        if len(seen) == 2:
            running.computer.write("g", "1")

    running.when_idle = while_idle
    running.run(nothing_happens)

    assert seen[0] == (SLEEP_S, False)
    assert seen[1][1]
    assert let_go == ["let go"]
    assert running.computer.cycle.counts.uploaded == 2


def test_a_paused_job_sleeps_too() -> None:
    """Memory is given back while a job is paused; resuming wakes it."""
    running = Running()
    let_go = with_memory(running)
    seen: list[bool] = []

    def while_idle() -> None:
        seen.append(running.computer.cycle.asleep)
        if len(seen) == 3:
            running.job.resume()

    running.when_idle = while_idle
    running.run(running.job.pause)

    assert seen == [False, True, True]
    assert let_go == ["let go"]


def asked(running: Running, errand: Callable[[], object]) -> list[object]:
    """Ask from another thread while the job rests; what came of it, once the job was stopped."""
    came: list[object] = []

    def ask() -> None:
        try:
            came.append(running.job.ask(errand, 20))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            came.append(error)

    asking = threading.Thread(target=ask)

    def while_idle() -> None:
        if asking.ident is None:
            asking.start()
            while not running.job._errands:
                pass
        else:
            asking.join(20)
            running.job.stop()

    running.when_idle = while_idle
    running.run(nothing_happens)
    return came


def test_an_errand_is_done_while_the_job_rests() -> None:
    """It is done by the job's own thread, without a pass; what it gives comes back."""
    running = Running()
    names: list[str] = []

    def errand() -> int:
        names.append(threading.current_thread().name)
        return 7

    assert asked(running, errand) == [7]
    assert names == [threading.current_thread().name]
    assert [outcome.ending for outcome in running.outcomes] == [Ending.IN_STEP, Ending.STOPPED]


def test_an_errand_that_fails_raises_where_it_was_asked() -> None:
    """The job goes on."""
    running = Running()

    def errand() -> None:
        raise NotFound("no such thing")

    (error,) = asked(running, errand)

    assert isinstance(error, NotFound)
    assert [outcome.ending for outcome in running.outcomes] == [Ending.IN_STEP, Ending.STOPPED]


def test_errands_are_done_while_paused_and_while_the_server_is_away() -> None:
    """Neither a pause nor trouble keeps an errand waiting."""
    paused = Running()
    paused.job.pause()
    assert asked(paused, lambda: paused.computer.cycle.trees.top) == [paused.computer.cycle.trees.top]
    assert [outcome.ending for outcome in paused.outcomes] == [Ending.STOPPED]

    troubled = Running()
    troubled.fail()
    came: list[int] = []

    def ask() -> None:
        came.append(troubled.job.ask(lambda: 3, 20))

    asking = threading.Thread(target=ask)

    def begin() -> None:
        asking.start()
        while not troubled.job._errands:
            pass

    troubled.run(begin, lambda: asking.join(20))
    troubled.heal()
    assert came == [3]
    assert troubled.stop.waited[0] < 2


def test_whoever_waits_too_long_is_told() -> None:
    """An errand that nobody came to is taken back; a job that has ended refuses at once."""
    running = Running()
    done: list[int] = []

    with pytest.raises(Busy):
        running.job.ask(lambda: done.append(1), timeout_s=0.01)
    running.run()
    assert done == []

    with pytest.raises(Unreachable):
        running.job.ask(lambda: done.append(1))
