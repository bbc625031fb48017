"""A job that runs: once until settled, or on and on, woken by the watcher and by news from the server.

One control loop does everything that decides; two threads only wake it: the watcher's, and one that waits on the feed.
"""

import gc
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from homestow.client.ports.clock import Chance, Clock
from homestow.client.ports.remote import Remote
from homestow.client.ports.watcher import Hints, Watcher
from homestow.client.running.cycle import Cycle
from homestow.client.running.outcome import Ending, Outcome
from homestow.client.running.progress import Doing, Progress
from homestow.client.running.work import FIRST_WAIT_S, LONGEST_WAIT_S
from homestow.values.errors import CloudError, Unreachable

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

RESCAN_S = 3600.0
"""A full look at the disk at least so often, whatever the watcher says (SC-182)."""

QUIET_S = 0.2
"""After a hint so much time passes before looking, because changes come in swarms."""

FEED_WAIT_S = 50

MOST_HINTS = 10_000
"""Of more folders than these everything is looked at."""

SLEEP_S = 20.0
"""After so much rest the memory for the trees is given back until there is something to do."""

ERRAND_S = 60.0
"""So long an errand waits for the end of a pass under way."""

_GRACE_S = 3.0
"""So long a request under way may still take after `stop`, before its connection is closed."""


class Stop:
    """Says once and for all that we shall end; readable from every thread."""

    def __init__(self) -> None:
        self._ended = False
        self._calls = 0
        # May be entered twice by one thread: a signal comes while it waits here.
        self._changed = threading.Condition(threading.RLock())

    def __call__(self) -> bool:
        """Whether we shall end."""
        return self._ended

    def set(self) -> None:
        """End."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def calls(self) -> int:
        """How often somebody called; see `wait`."""
        return self._calls

    def call(self) -> None:
        """End waits that are for it."""
        with self._changed:
            self._calls += 1
            self._changed.notify_all()

    def wait(self, seconds: float, calls: int | None = None) -> None:
        """Let time pass, less when we shall end, or when somebody called since there were `calls`."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or (calls is not None and self._calls != calls), max(seconds, 0.0)
            )


def let_memory_go() -> None:
    """Give free memory back to the system, as far as that can be asked for."""
    gc.collect()
    if sys.platform == "linux":
        import ctypes

        try:
            ctypes.CDLL(None).malloc_trim(0)
        except AttributeError:
            pass  # another C library, which has its own ways


def _together(one: Hints, other: Hints) -> Hints:
    """What both say; too many to look at one by one mean everything."""
    folders = {*one.folders, *other.folders}
    if one.everything or other.everything or len(folders) > MOST_HINTS:
        return Hints((), everything=True, reason=other.reason or one.reason)
    return Hints(folders, everything=False)


class Job:
    """One folder kept in step; made by `bootstrap.open_job`.

    `once` or `run` is called by one thread; the other methods may be called from any.

    Args:
        cycle: does the passes; asks `stop`.
        remote: the cycle's own sight of the server.
        follower: another sight of it, with its own connections, for the long wait on the feed; None for `once` alone.
        watch: begins to watch the folder.
        close: lets go of everything the job stands on, called last.
        let_memory_go: called after the cycle let go of its trees.
    """

    def __init__(
        self,
        cycle: Cycle,
        remote: Remote,
        follower: Remote | None,
        watch: Callable[[], Watcher],
        clock: Clock,
        chance: Chance,
        stop: Stop,
        close: Callable[[], None] = lambda: None,
        let_memory_go: Callable[[], None] = let_memory_go,
    ) -> None:
        self._cycle, self._remote, self._follower_remote, self._watch = cycle, remote, follower, watch
        self._clock, self._chance, self._stop, self._close = clock, chance, stop, close
        self._let_memory_go = let_memory_go
        self._watcher: Watcher | None = None
        self._errands: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._ended = False
        self._paused = threading.Event()
        self._rescan = threading.Event()
        self._news = threading.Event()
        self._taken = threading.Event()
        self._troubles = 0

    @property
    def progress(self) -> Progress:
        """What is going on, for another thread to read."""
        return self._cycle.progress

    def once(self) -> Outcome:
        """Passes until both sides are settled."""
        return self._cycle.once(self._stop.wait)

    def ask(self, errand: Callable[[], T], timeout_s: float = ERRAND_S) -> T:
        """Have a function called by the job's thread between two passes, also while it rests or is paused; what it gives.

        For threads other than the job's own.

        Raises:
            Busy: a pass is under way for so long already; nothing was done.
            Unreachable: the job has ended; likewise. And what the function raises.
        """
        from concurrent.futures import Future

        from homestow.client.running.errands import waited

        future: Future[T] = Future()
        self._errands.append((future, errand))
        if self._ended:
            self._refuse_errands()
        self._wake()
        return waited(future, timeout_s)

    def soon(self) -> None:
        """Something is to do: make a pass soon, without looking at everything."""
        self._news.set()
        self._wake()

    # --- steering -----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Begin nothing new until `resume`; the pass under way ends as it would."""
        self._paused.set()
        self._wake()

    def resume(self) -> None:
        """Go on, with a full look."""
        self._rescan.set()
        self._paused.clear()
        self._wake()

    def rescan(self) -> None:
        """Look at everything soon."""
        self._rescan.set()
        self._wake()

    def accept_deletes(self) -> None:
        """The user answers the brake: delete (SC-193)."""
        self._cycle.accept_deletes()
        self._wake()

    def stop(self) -> None:
        """End `once` or `run` soon: between steps, inside transfers, and at the latest when the server is let go."""
        self._stop.set()
        if self._follower_remote is not None:
            self._follower_remote.close()
        self._wake()
        closer = threading.Timer(_GRACE_S, self._remote.close)
        closer.daemon = True
        closer.start()

    def close(self) -> None:
        """Let go of everything; after `once` or `run` came back."""
        self._stop.set()
        self._refuse_errands()
        if self._watcher is not None:
            self._watcher.close()
        self._cycle.close()
        self._close()

    def _wake(self) -> None:
        self._stop.call()
        if (watcher := self._watcher) is not None:
            watcher.wake()

    # --- on and on ----------------------------------------------------------------------------------------------------

    def run(self, told: Callable[[Outcome], None] = lambda outcome: None) -> Outcome:
        """Keep in step until `stop`; `told` hears each pass's outcome. Gives the last one."""
        self._watcher = self._watch()
        follower = threading.Thread(target=self._follow, name="homestow-feed", daemon=True)
        if self._follower_remote is not None:
            follower.start()
        try:
            return self._loop(self._watcher, told)
        finally:
            self._stop.set()
            self._refuse_errands()
            self._taken.set()
            if self._follower_remote is not None:
                self._follower_remote.close()
                follower.join(timeout=5.0)

    def _loop(self, watcher: Watcher, told: Callable[[Outcome], None]) -> Outcome:
        full_at = self._clock.monotonic()
        owed = Hints((), everything=False)
        while True:
            self._run_errands()
            if self._paused.is_set() and not self._stop():
                self._rest_paused(watcher)
                continue
            now = self._clock.monotonic()
            full = now >= full_at or self._rescan.is_set()
            hints = _together(owed, watcher.take())
            self._rescan.clear()
            self._news.clear()
            outcome = self._cycle.run_pass(None if full else hints)
            self._taken.set()
            told(outcome)
            if outcome.ending is Ending.STOPPED or self._stop():
                return outcome
            if outcome.ending is Ending.TROUBLE:
                self._troubles += 1
                full_at = now if full else full_at
                # The pass may have ended before it looked: nobody will give these hints again.
                owed = hints
            else:
                if self._troubles:
                    self._stop.call()  # the follower need not wait any longer either
                self._troubles = 0
                owed = Hints((), everything=False)
                full_at = now + RESCAN_S if full or hints.everything else full_at
            self._rest(watcher, full_at)

    def _rest(self, watcher: Watcher, full_at: float) -> None:
        """Wait for something to do: a hint, news, a retry, or the next full look."""
        while True:
            calls = self._stop.calls
            self._run_errands()
            if self._due():
                return
            if self._troubles:
                pause = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._troubles - 1, 16))
                # Hints do not help while the server, the login or the folder is the trouble.
                self._stop.wait(min(pause * (0.75 + 0.5 * self._chance.fraction()), 30.0), calls)
            else:
                retry = self._cycle.next_retry()
                self._doze(watcher, full_at if retry is None else min(full_at, retry))
            if not self._errands:
                return

    def _due(self) -> bool:
        """Whether the loop has to go on at once."""
        return self._news.is_set() or self._rescan.is_set() or self._paused.is_set() or self._stop()

    def _doze(self, watcher: Watcher, until: float) -> None:
        """Wait for a hint or a call, at most until a time; after a while asleep."""
        left = max(until - self._clock.monotonic(), 0.05)
        woken = watcher.wait(left if self._cycle.asleep else min(left, SLEEP_S))
        if not woken and left > SLEEP_S and not self._cycle.asleep:
            self._sleep()
            woken = watcher.wait(left - SLEEP_S)
        if woken and not self._errands and not self._due():
            self._stop.wait(QUIET_S)

    def _rest_paused(self, watcher: Watcher) -> None:
        self.progress.at(Doing.PAUSED)
        # Hints would end the wait at once; the full look after the pause finds what they were about.
        watcher.take()
        if not watcher.wait(RESCAN_S if self._cycle.asleep else SLEEP_S):
            self._sleep()

    def _sleep(self) -> None:
        if self._cycle.sleep():
            self.progress.rest()
            self._let_memory_go()

    def _errands_left(self) -> "Iterator[tuple[Future[Any], Callable[[], Any]]]":
        """Each errand that nobody gave up, once, whichever thread asks."""
        while True:
            try:
                future, errand = self._errands.popleft()
            except IndexError:
                return
            if future.set_running_or_notify_cancel():
                yield future, errand

    def _run_errands(self) -> None:
        for future, errand in self._errands_left():
            try:
                gave = errand()
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                future.set_exception(error)
            else:
                future.set_result(gave)

    def _refuse_errands(self) -> None:
        self._ended = True
        for future, _ in self._errands_left():
            future.set_exception(Unreachable("The job has ended."))

    def _follow(self) -> None:
        """Wait on the feed from where the loop has read; what comes only wakes the loop, which takes it itself."""
        remote, failures = self._follower_remote, 0
        while remote is not None and not self._stop():
            cursor = self._cycle.cursor
            if cursor is None:
                self._stop.wait(0.2)
                continue
            self._taken.clear()
            begun, calls = self._clock.monotonic(), self._stop.calls
            try:
                news = bool(remote.changes(cursor, FEED_WAIT_S).nodes)
                failures = 0
            except CloudError:
                # The loop meets the same trouble, or takes the new cursor, and tells. Where nothing happens it would not
                # ask for an hour: so it is woken, but not for somebody who only cuts long waits short.
                failures += 1
                if failures == 2 and not self._troubles:
                    self.soon()
                self._stop.wait(min(LONGEST_WAIT_S, 2.0 ** min(failures, 8)), calls if failures > 2 else None)
                continue
            if news and cursor == self._cycle.cursor:
                self._news.set()
                self._wake()
                # The loop has to take them first, else the same news would come at once again.
                self._taken.wait(60.0)
            elif self._clock.monotonic() - begun < 1.0:
                # Somebody between us and the server does not wait as asked, or the loop was faster: not at once again.
                self._stop.wait(1.0)
