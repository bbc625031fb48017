"""A job that runs on and on, driven by a clock that is moved: what wakes it, pause and stop, trouble that passes."""

import threading
from collections.abc import Callable

from tests.unit.sync_rig import Computer, at
from tests.unit.sync_wire import nothing, wired

from homestow.client.adapters.clock_memory import SeededChance, SimClock
from homestow.client.adapters.remote_memory import MemoryRemote, MemoryServer
from homestow.client.adapters.tree_memory import SimWatcher
from homestow.client.ports.remote import Feed
from homestow.client.running.daemon import RESCAN_S, Job, Stop
from homestow.client.running.outcome import Ending, Outcome
from homestow.client.running.progress import Doing, Progress
from homestow.values.errors import Unreachable


class SimStop(Stop):
    """Waiting moves the clock instead of taking time."""

    def __init__(self, clock: SimClock) -> None:
        super().__init__()
        self._clock = clock
        self.waited: list[float] = []

    def wait(self, seconds: float, calls: int | None = None) -> None:
        self.waited.append(seconds)
        self._clock.advance(seconds)


class Running:
    """A computer whose job runs; `script` is what happens after each pass, in order; after the last one it is stopped."""

    def __init__(self) -> None:
        self.server, self.clock = MemoryServer(), SimClock()
        self.computer, self.wire = wired("A", self.server, self.clock)
        self.other = Computer("B", self.server, self.clock)
        self.outcomes: list[Outcome] = []
        self.idle_for: list[float] = []
        self.when_idle: Callable[[], None] = nothing_happens
        self.stop = SimStop(self.clock)
        self.listed: list[tuple[str, ...]] = []
        self.computer.cycle._work.stop = self.stop
        watcher = SimWatcher(self.computer.disk, idle=self._idle)
        self.job = Job(
            self.computer.cycle, self.computer.remote, None, lambda: watcher, self.clock, SeededChance("job"), self.stop
        )

    def _idle(self, seconds: float) -> None:
        self.idle_for.append(seconds)
        self.when_idle()
        self.clock.advance(seconds)

    def run(self, *script: Callable[[], None]) -> Outcome:
        left = list(script)

        def told(outcome: Outcome) -> None:
            self.outcomes.append(outcome)
            if left:
                left.pop(0)()
            else:
                self.job.stop()

        return self.job.run(told)

    def fail(self) -> None:
        def fail(name: str) -> None:
            raise Unreachable("cut")

        self.wire.fail = fail

    def heal(self) -> None:
        self.wire.fail = nothing


def nothing_happens() -> None:
    """Nothing."""


def test_a_change_here_is_sent_soon() -> None:
    """A hint wakes the loop; it waits a moment for the swarm to end and then looks only where something happened."""
    running = Running()
    running.run(lambda: running.computer.write("f", "1"))

    assert [outcome.ending for outcome in running.outcomes] == [Ending.IN_STEP] * 2
    assert running.computer.cycle.counts.uploaded == 1
    assert sum(running.stop.waited) < 1


def test_everything_is_looked_at_each_hour() -> None:
    """SC-182: what no watcher saw is found by the full look."""
    running = Running()

    def unseen() -> None:
        running.computer.disk.write(at("f"), b"1")
        assert running.job._watcher is not None
        running.job._watcher.take()

    running.run(unseen)

    assert running.computer.cycle.counts.uploaded == 1
    assert max(running.idle_for) <= RESCAN_S


def test_watcher_overflow_means_a_full_look() -> None:
    """SC-197: when the watcher lost track, everything is looked at."""
    running = Running()

    def storm() -> None:
        for number in range(100):
            running.computer.disk.mkdir(at(f"{number}"))
            running.computer.disk.write(at(f"{number}/f"), b"1")

    running.run(storm)

    assert running.computer.cycle.counts.uploaded == 100


def test_an_edit_while_the_server_is_away_is_not_forgotten() -> None:
    """SC-167: what was hinted while nothing could be done is looked at when the server is back, not an hour later."""
    running = Running()

    def edit_while_away() -> None:
        running.fail()
        running.computer.write("f", "1")

    running.run(edit_while_away, nothing_happens, running.heal)

    assert [outcome.ending for outcome in running.outcomes] == [
        Ending.IN_STEP, Ending.TROUBLE, Ending.TROUBLE, Ending.IN_STEP,
    ]  # fmt: skip
    assert running.computer.cycle.counts.uploaded == 1


def test_trouble_passes() -> None:
    """SC-167: while the server is away the loop tries again, less and less often; then it goes on by itself."""
    running = Running()
    running.computer.write("f", "1")
    running.fail()
    running.run(nothing_happens, nothing_happens, running.heal)

    assert [outcome.ending for outcome in running.outcomes] == [*[Ending.TROUBLE] * 3, Ending.IN_STEP]
    pauses = running.stop.waited[:3]
    assert pauses == sorted(pauses)
    assert 0.7 < pauses[0] < 1.3


def test_pause_and_resume() -> None:
    """While paused nothing is sent; after it everything that happened meanwhile is."""
    running = Running()

    def pause() -> None:
        running.job.pause()
        running.computer.write("f", "1")

    seen: list[tuple[Doing, int]] = []

    def while_idle() -> None:
        seen.append((running.job.progress.snapshot().doing, running.computer.cycle.counts.uploaded))
        if len(seen) == 3:
            running.job.resume()

    running.when_idle = while_idle
    running.run(pause)

    assert [doing for doing, _ in seen] == [Doing.PAUSED] * 3
    assert {uploaded for _, uploaded in seen} == {0}
    assert running.computer.cycle.counts.uploaded == 1


def test_brake_is_answered_while_running() -> None:
    """R18: the job goes on asking until the answer, then deletes."""
    running = Running()
    for number in range(30):
        running.computer.write(f"{number}", "x")

    def wipe() -> None:
        for number in range(30):
            running.computer.disk.remove(at(f"{number}"))

    running.run(wipe, running.job.accept_deletes, nothing_happens)

    assert [outcome.ending for outcome in running.outcomes][:3] == [Ending.IN_STEP, Ending.BRAKE, Ending.IN_STEP]
    running.other.sync()
    assert running.other.files() == {}


def test_stop_ends_a_pass_under_way() -> None:
    """P12: asked to stop inside a transfer, the run ends at once and the next one continues."""
    running = Running()
    for number in range(5):
        running.computer.write(f"{number}", "x" * 300_000)
    running.wire.lose = lambda name: running.job.stop() if name == "finish" else None
    last = running.run(nothing_happens, nothing_happens)

    assert last.ending is Ending.STOPPED
    assert 1 <= last.counts.uploaded < 5


def test_news_from_the_server_wake_the_loop() -> None:
    """What another device does arrives without a hint from the disk; real threads, no time passes."""
    running = Running()
    running.other.write("before", "1")
    running.other.sync()
    told = threading.Event()

    class Follower(MemoryRemote):
        """Waits as the server does: until something is new or it is closed."""

        def changes(self, cursor: str, wait_s: int) -> Feed:
            while not (feed := super().changes(cursor, 0)).nodes:
                if told.wait(0.001):
                    raise Unreachable("closed")
            return feed

        def close(self) -> None:
            told.set()

    woken = threading.Event()

    class Patient(SimWatcher):
        """Waits for real until something comes."""

        def wait(self, timeout_s: float) -> bool:
            return woken.wait(20)

        def wake(self) -> None:
            woken.set()

    watcher = Patient(running.computer.disk)
    job = Job(
        running.computer.cycle, running.computer.remote, Follower(running.server), lambda: watcher, running.clock,
        SeededChance("job"), running.stop,
    )  # fmt: skip
    passes: list[Outcome] = []

    def after(outcome: Outcome) -> None:
        passes.append(outcome)
        if len(passes) == 1:
            running.other.write("after", "2")
            running.other.sync()
        else:
            job.stop()

    job.run(after)

    assert running.computer.files() == {"before": b"1", "after": b"2"}


def test_progress_tells_what_goes_on() -> None:
    """Files, bytes, rate and time left, from what the workers report."""
    clock = SimClock()
    progress = Progress(clock)
    progress.at(Doing.SYNCING)
    progress.expect(3, 1000)
    progress.small("a", 1, 100)
    progress.begin(7, "big", True, 800)
    clock.advance(1)
    progress.moved(7, 400)
    seen = progress.snapshot()

    assert (seen.files_done, seen.files_total, seen.bytes_done, seen.bytes_total) == (1, 3, 500, 1000)
    assert (seen.transfers[0].name, seen.transfers[0].done_bytes, seen.transfers[0].size_bytes) == ("big", 400, 800)
    assert seen.rate == 500
    assert seen.left_s == 1.0
    progress.end(7, done=False)
    assert progress.snapshot().bytes_done == 100
    clock.advance(60)
    assert progress.snapshot().rate == 0
