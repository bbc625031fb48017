"""One job's life in a thread of its own: wait for its turn, open it, keep its folder in step, and begin again after trouble.

A job that has nothing to do because it is paused, scheduled or in trouble is closed: it holds no folder, no connection and
no trees. So an order is obeyed by ending what runs, and the thread goes on from what was ordered.
"""

import logging
import threading
from typing import TYPE_CHECKING, Final

from homestow.client.running.daemon import ERRAND_S, Job
from homestow.client.running.daily import last_at_ns
from homestow.client.running.errands import Errands, waited
from homestow.client.running.outcome import Counts, Ending, Outcome, counts_as_left
from homestow.client.running.settling import Keep, NotReady
from homestow.client.running.situation import Situation
from homestow.client.running.standing import (
    LOGIN,
    Hooks,
    Opened,
    Surroundings,
    TellingProgress,
    asks,
    passes,
)
from homestow.values.errors import BadRequest, BadSettings, CloudError
from homestow.wire.control import Conflict, JobConfig

if TYPE_CHECKING:
    from homestow.client.running.conflicts import Conflicts

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
"""Pauses between tries to open a job grow from one to the other."""

SLOW_S: Final = 300.0
"""A failed job is tried again so rarely: somebody may have put it right at the server."""


class Task(Situation):
    """One job of the service; all methods may be called from any thread.

    Args:
        fault: why the job cannot run at all ("" nothing): it fails until it is changed.
    """

    def __init__(self, config: JobConfig, around: Surroundings, *, fault: str = "") -> None:
        super().__init__(config, around, fault)
        self._ready: Opened | None = None
        self._job: Job | None = None
        self._conflicts: Conflicts | None = None
        self._errands: Errands[Conflicts, tuple[Conflict, ...]] = Errands()
        self._troubles = 0
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Open the job for its first run in the thread that calls, so that it hears what is in the way; before `begin`.

        Raises:
            CloudError: see `Opener`.
        """
        if self.config.active and not self._wanted.paused:
            self._ready = self._open(accept_deletes=False)

    def begin(self) -> None:
        """Start to live, if it is active and can."""
        if self.fault:
            self._rest("failed", BadSettings.code, self.fault)
        elif self.config.active:
            self._thread = threading.Thread(target=self._live, name=f"job {self.id}", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop soon, without waiting for it."""
        with self._changed:
            self._wanted.ended = True
            self._stop_running()

    def ended(self, timeout_s: float) -> bool:
        """Wait for the thread's end after `end`; whether it came."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        if self._ready is not None:
            self._ready.job.close()
            self._ready = None
        return True

    # --- orders -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on after a pause; run now what is scheduled; try again at once what failed."""
        with self._changed:
            was_paused = self._wanted.paused
            if was_paused:
                self._note(paused=False)
                self._wanted.paused = False
            self._wanted.run = True
            self._retry()
        if was_paused:
            self._log.note("resume")
        self._around.changed(self.id)

    def pause(self) -> None:
        """Begin nothing new until `start`; a step under way ends, a large transfer stops where it is."""
        with self._changed:
            if self._wanted.paused:
                return
            self._note(paused=True)
            self._wanted.paused = True
            self._stop_running()
        self._log.note("pause")
        self._around.changed(self.id)

    def reload(self) -> None:
        """Look at everything anew, soon; a paused job does when it goes on."""
        with self._changed:
            self._wanted.run = True
            if self._job is not None and self._state() not in ("waiting", "failed"):
                self._job.rescan()
            else:
                self._retry()

    def reconnect(self) -> None:
        """The computer slept or the network is another one: open anew, with a full look."""
        with self._changed:
            if self._job is not None and self.continuous:
                self._wanted.anew = True
                self._stop_running()
            elif self._told.rest is not None and self._told.rest[0] == "waiting":
                self._retry()

    def logged_in(self) -> None:
        """There is a new token: a job that lacked one tries again."""
        with self._changed:
            if self._told.rest is not None and self._told.rest[1] in LOGIN:
                self._retry()

    def hold(self, code: str = "", why: str = "") -> bool:
        """Do not begin before `release`: a login is on its way, or waits for what `code` and `why` say.

        False when it was held already.
        """
        with self._changed:
            new, self._wanted.held = not self._wanted.held, True
        if code:
            self._rest("waiting", code, why)
        return new

    def release(self) -> None:
        """The login is there, or cannot be had."""
        with self._changed:
            self._wanted.held = False
            self._changed.notify_all()

    def accept_deletes(self) -> None:
        """The user answers the brake: delete (SC-193).

        Raises:
            BadRequest: nothing was asked.
        """
        with self._changed:
            if self._state() != "asking":
                raise BadRequest("This job does not ask whether to delete anything; there is nothing to accept.")
            self._told.brake = None
            self._told.rest = ("starting", "", "")
            if self._job is not None:
                self._job.accept_deletes()
                self._job.rescan()
            else:
                self._wanted.accept_deletes = self._wanted.run = True
                self._changed.notify_all()
        self._around.changed(self.id)

    def settle(self, keep: Keep, conflict: str | None) -> tuple[Conflict, ...]:
        """Do what was chosen for a conflict, None: for all that are ready; gives those that are left.

        The job's own thread does it, between two passes; a job that is paused or scheduled is opened for it.

        Raises:
            CloudError: see `Conflicts.settle`; `NotReady` also while the job cannot be opened.
        """

        def errand(conflicts: "Conflicts") -> tuple[Conflict, ...]:
            try:
                return conflicts.settle(keep, conflict)
            finally:
                self._show_conflicts()

        with self._changed:
            job, conflicts = self._job, self._conflicts
            if job is None or conflicts is None:
                if self._state() not in ("paused", "scheduled"):
                    raise NotReady("The job does not run at this moment; choose again when it does.")
                future = self._errands.put(errand)
                self._changed.notify_all()
        if job is None or conflicts is None:
            return waited(future, ERRAND_S)
        left = job.ask(lambda: errand(conflicts))
        job.soon()
        return left

    def tick(self) -> None:
        """Time passed: has a pause ended, is a daily job due? Called now and then."""
        with self._changed:
            soon = self._wanted.not_before
            if soon is not None and self._around.clock.monotonic() >= soon:
                self._changed.notify_all()
        if self.config.frequency != "time" or not self.holds_folder:
            return
        now, at = self._around.clock.now_ns(), self.config.start_time
        with self._changed:
            ran_ns = self._around.notes.read(self.config.directory).ran_ns
            if not ran_ns or ran_ns > now:
                # A new job waits for its first time, and so does one that ran while the clock was ahead; from then on one
                # that was missed is made up for.
                self._note(ran_ns=now)
            elif ran_ns < last_at_ns(now, at.h, at.m) and not self._wanted.run:
                self._wanted.run = True
                self._changed.notify_all()

    def _retry(self) -> None:
        self._wanted.not_before, self._troubles = None, 0
        if self._job is not None and self._told.rest is not None and self._told.rest[0] in ("waiting", "failed"):
            self._wanted.anew = True
            self._stop_running()
        self._changed.notify_all()

    def _stop_running(self) -> None:
        if self._job is not None:
            self._job.stop()
        self._changed.notify_all()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        while self._turn():
            try:
                self._open_run_close()
            except CloudError as error:
                self._trouble(error.code, error.message)
            except Exception as error:  # noqa: BLE001  # the outer loop of a worker: one job's mistake must not end the others
                _log.exception("job %s stopped by a mistake", self.id)
                self._trouble("internal", f"This is a mistake in Homestow ({type(error).__name__}); it is tried again.")
        self._errands.end(NotReady("The job has ended, so that nothing can be chosen in it."))

    def _turn(self) -> bool:
        """Wait until the job shall be opened; False when it shall end."""
        with self._changed:
            while not self._wanted.ended:
                wanted, now = self._wanted, self._around.clock.monotonic()
                if self._errands:
                    return True
                if wanted.paused:
                    self._rest("paused")
                    self._changed.wait()
                elif wanted.held:
                    self._changed.wait()
                elif wanted.not_before is not None and now < wanted.not_before:
                    self._changed.wait(min(wanted.not_before - now, 3600.0))
                elif not self.continuous and not wanted.run:
                    if self._told.rest is None or self._told.rest[0] not in ("asking", "failed"):
                        self._rest("scheduled")
                    self._changed.wait()
                else:
                    wanted.anew, wanted.not_before = False, None
                    return True
        return False

    def _open_run_close(self) -> None:
        """One opening of the job, to its end."""
        with self._changed:
            accept, self._wanted.accept_deletes = self._wanted.accept_deletes, False
            opened, self._ready = self._ready, None
            idle = self._wanted.paused or not (self.continuous or self._wanted.run)
            if not idle and (self._told.rest is None or self._told.rest[0] not in ("waiting", "failed")):
                self._told.rest = ("starting", "", "")
        if opened is None:
            self._around.changed(self.id)
            opened = self._open(accept)
        job, self._conflicts = opened
        try:
            if self._conflicts is not None:
                self._errands.run(self._conflicts)
            with self._changed:
                if idle or self._wanted.ended or self._wanted.paused or self._wanted.anew:
                    return
                self._job = job
            if self.config.frequency == "time":
                self._note(ran_ns=self._around.clock.now_ns())
            if self.continuous:
                self._outcome_done(job.run(self._passed))
            else:
                self._outcome_done(self._once(job))
        finally:
            with self._changed:
                self._job = self._conflicts = None
            job.close()

    def _once(self, job: Job) -> Outcome:
        """A scheduled run; again when it settled conflicts by itself, whose copies have to go on the server too."""
        for _ in range(3):
            outcome = job.once()
            if not self._outcome(outcome):
                break
        return outcome

    def _open(self, accept_deletes: bool) -> Opened:
        self._progress = TellingProgress(self._around.clock, self._at_work, lambda: self._around.stirred(self.id))
        hooks = Hooks(self._progress, self._log.did)
        return self._around.open_job(self.config, hooks, continuous=self.continuous, accept_deletes=accept_deletes)

    def _passed(self, outcome: Outcome) -> None:
        if self._outcome(outcome) and self._job is not None:
            self._job.soon()

    def _outcome(self, outcome: Outcome) -> bool:
        """A pass ended; whether it left something to do at once."""
        more = False
        if self._conflicts is not None:
            more = self._conflicts.passed(outcome.ending)
            self._show_conflicts()
        self._around.heard(self.id, outcome)
        with self._changed:
            told = self._told
            if outcome.ending is not Ending.STOPPED:
                told.problems = tuple(outcome.problems)
            told.brake = outcome.brake
            if outcome.ending is Ending.IN_STEP:
                told.synced_at_ns = self._around.clock.now_ns()
            if outcome.ending is not Ending.TROUBLE:
                self._troubles = 0
            left = sum(map(counts_as_left, told.problems))
            self._log.problems(told.problems)
        match outcome.ending:
            case Ending.IN_STEP:
                self._rest("synced")
            case Ending.ITEMS_LEFT:
                # Nothing is left but files that were written a moment ago, which wait until they are quiet (R19).
                self._rest("left" if left else "syncing")
            case Ending.BRAKE:
                self._rest("asking", "brake", asks(outcome.brake))
            case Ending.TROUBLE:
                code, why = outcome.trouble or ("internal", "Something went wrong; it is tried again.")
                self._rest("waiting" if passes(code) else "failed", code, why)
                if code in LOGIN:
                    with self._changed:
                        self._stop_running()
            case Ending.STOPPED:
                pass
        return more

    def _show_conflicts(self) -> None:
        if self._conflicts is not None and self._conflicts.listed != self.conflicts:
            self.conflicts = self._conflicts.listed
            self._around.changed(self.id)

    def _outcome_done(self, outcome: Outcome) -> None:
        """What the last pass of an opening means for the next."""
        with self._changed:
            rest, wanted = self._told.rest, self._wanted
            if wanted.ended or wanted.paused or wanted.anew:
                return
            if rest is not None and rest[0] in ("waiting", "failed"):
                self._back_off(rest[1])
            elif outcome.ending is not Ending.STOPPED:
                wanted.run = False

    def _trouble(self, code: str, why: str) -> None:
        """It could not be opened, or fell over."""
        self._errands.refuse(NotReady(f"The job cannot be opened: {why}"))
        self._around.heard(self.id, Outcome(Ending.TROUBLE, Counts(), trouble=(code, why)))
        self._rest("waiting" if passes(code) else "failed", code, why)
        with self._changed:
            self._back_off(code)

    def _back_off(self, code: str) -> None:
        self._troubles += 1
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._troubles - 1, 16))
        if code in LOGIN:
            self._wanted.not_before = float("inf")
            return
        pause = pause if passes(code) or code == "store-locked" else SLOW_S
        pause *= 0.75 + 0.5 * self._around.chance.fraction()
        self._wanted.not_before = self._around.clock.monotonic() + pause
