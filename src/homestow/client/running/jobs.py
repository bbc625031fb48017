"""One job's life in a thread of its own: wait for its turn, open it, keep its folder in step, and begin again after trouble.

A job that has nothing to do because it is paused, scheduled or in trouble is closed: it holds no folder, no connection and
no trees. So an order is obeyed by ending what runs, and the thread goes on from what was ordered.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from homestow.client.engine.steps import Brake as Asked
from homestow.client.engine.steps import Held
from homestow.client.ports.clock import Chance, Clock
from homestow.client.ports.history import Entry
from homestow.client.ports.jobfile import JobNotes
from homestow.client.running.daemon import Job
from homestow.client.running.daily import last_at_ns, next_at_ns
from homestow.client.running.deeds import Deed
from homestow.client.running.outcome import Counts, Ending, Outcome, counts_as_left
from homestow.client.running.progress import Doing, Progress, Snapshot
from homestow.values.errors import BadRequest, BadSettings, CloudError
from homestow.wire.control import Brake, JobConfig, StateText, Time

_log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
"""Pauses between tries to open a job grow from one to the other."""

SLOW_S: Final = 300.0
"""A failed job is tried again so rarely: somebody may have put it right at the server."""

_PASSING: Final = frozenset(
    {
        *("unreachable", "busy", "internal", "cursor-gone", "not-homestow", "too-many-tries"),
        *("local-root-missing", "storage-full", "storage-failed"),
    }
)
"""Trouble that may pass by itself: the server, the network, the folder or the disk is away."""


def passes(code: str) -> bool:
    """Whether trouble of this code may pass by itself."""
    return code in _PASSING


LOGIN: Final = frozenset({"login-needed", "login-failed"})
"""Trying again with the same token helps nobody, and looks like an attack."""

_ACTIVE: Final[dict[Doing, StateText]] = {
    Doing.STARTING: "starting",
    Doing.LISTING: "listing",
    Doing.SCANNING: "scanning",
    Doing.SYNCING: "syncing",
}

MOST_PROBLEMS_TOLD: Final = 20
"""Of more new problems in one pass the log names these."""


def shown(text: str) -> str:
    """A name of the disk as text that every reader can show: bytes that are no UTF-8 are written as \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Hooks(NamedTuple):
    """Where a job that runs tells what goes on: how far it is, and each thing it did."""

    progress: Progress
    told: Callable[[Deed], None]


class Opener(Protocol):
    """Makes a job ready to run."""

    def __call__(self, config: JobConfig, hooks: Hooks, *, continuous: bool, accept_deletes: bool) -> Job:
        """The job, `continuous` to be `run` on and on, else for `once`.

        Raises:
            CloudError: the server, the login, the root, the folder or the state cannot be used.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all jobs of a service share.

    Attributes:
        open_job: see `Opener`.
        changed: hears the id of a job that is otherwise than before; from any thread, returns at once.
        stirred: the same for a job of which only the progress moved.
        record: keeps an event, see `ports.history`; from any thread, returns at once.
        heard: hears each pass's outcome.
    """

    open_job: Opener
    notes: JobNotes
    clock: Clock
    chance: Chance
    changed: Callable[[str], None]
    stirred: Callable[[str], None]
    record: Callable[[Entry], None]
    heard: Callable[[str, Outcome], None] = lambda job, outcome: None


class Standing(NamedTuple):
    """How a job is: the state, why it waits or failed, and since when it was in step."""

    state: StateText
    code: str = ""
    why: str = ""
    paused: bool = False
    brake: Brake | None = None
    problems: tuple[Held, ...] = ()
    synced_at_ns: Time | None = None
    next_at_ns: Time | None = None

    @property
    def left(self) -> int:
        """How many of the problems count as items left."""
        return sum(map(counts_as_left, self.problems))


@dataclass(slots=True)
class _Wanted:
    """What orders and time want of the thread; read and written under the lock."""

    ended: bool = False
    held: bool = False
    """A login is on its way."""
    paused: bool = False
    run: bool = False
    """A scheduled job shall run."""
    anew: bool = False
    """What runs shall be closed and opened again."""
    accept_deletes: bool = False
    not_before: float | None = None
    """Monotonic seconds before which it is not opened."""


@dataclass(slots=True)
class _Told:
    """What was told of the job last; read and written under the lock."""

    rest: tuple[StateText, str, str] | None = ("starting", "", "")
    """How it rests: state, code, why; None while it is at work."""
    logged: tuple[StateText, str] = ("starting", "")
    brake: Asked | None = None
    problems: tuple[Held, ...] = ()
    known: frozenset[Held] = field(default_factory=frozenset)
    synced_at_ns: int | None = None
    began_s: float | None = None


class _TellingProgress(Progress):
    """Tells its task that something moved."""

    def __init__(self, clock: Clock, at_work: Callable[[Doing], None], stirred: Callable[[], None]) -> None:
        super().__init__(clock)
        self._at_work, self._stirred = at_work, stirred

    def at(self, doing: Doing, why: str = "") -> None:
        """Say what the job is at now."""
        super().at(doing, why)
        self._at_work(doing)

    def looked(self, entries: int) -> None:
        """So many more entries of the disk were looked at."""
        super().looked(entries)
        self._stirred()

    def moved(self, item: int, size_bytes: int, *, before: bool = False) -> None:
        """So many bytes of a large file were transferred."""
        super().moved(item, size_bytes, before=before)
        self._stirred()

    def small(self, name: str, files: int, size_bytes: int) -> None:
        """So many small files were transferred."""
        super().small(name, files, size_bytes)
        self._stirred()


class Task:
    """One job of the service; all methods may be called from any thread.

    Args:
        fault: why the job cannot run at all ("" nothing): it fails until it is changed.
    """

    def __init__(self, config: JobConfig, around: Surroundings, *, fault: str = "") -> None:
        self.config, self.fault = config, fault
        self._around = around
        self._ready: Job | None = None
        self._changed = threading.Condition(threading.RLock())
        self._wanted = _Wanted(paused=around.notes.read(config.directory).paused)
        self._told = _Told()
        self._job: Job | None = None
        self._troubles = 0
        self._progress = Progress(around.clock)
        self._thread: threading.Thread | None = None

    @property
    def id(self) -> str:
        """The job's id."""
        return self.config.id

    @property
    def holds_folder(self) -> bool:
        """Whether no other job may have its folder."""
        return self.config.active and not self.fault

    @property
    def continuous(self) -> bool:
        """Whether it follows both sides all the time."""
        return self.config.frequency == "auto"

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
            self._ready.close()
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
            self._record("resume")
        self._around.changed(self.id)

    def pause(self) -> None:
        """Begin nothing new until `start`; a step under way ends, a large transfer stops where it is."""
        with self._changed:
            if self._wanted.paused:
                return
            self._note(paused=True)
            self._wanted.paused = True
            self._stop_running()
        self._record("pause")
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

    def hold(self, code: str = "", why: str = "") -> None:
        """Do not begin before `release`: a login is on its way, or waits for what `code` and `why` say."""
        with self._changed:
            self._wanted.held = True
        if code:
            self._rest("waiting", code, why)

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

    def tick(self) -> None:
        """Time passed: is a daily job due? Called now and then."""
        if self.config.frequency != "time" or not self.config.active or self.fault:
            return
        now, at = self._around.clock.now_ns(), self.config.start_time
        with self._changed:
            note = self._around.notes.read(self.config.directory)
            if not note.ran_ns:
                # A new job waits for its first time; from then on one that was missed is made up for.
                self._note(ran_ns=now)
            elif note.ran_ns < last_at_ns(now, at.h, at.m) and not self._wanted.run:
                self._wanted.run = True
                self._changed.notify_all()

    def _note(self, *, paused: bool | None = None, ran_ns: int | None = None) -> None:
        notes, folder = self._around.notes, self.config.directory
        note = notes.read(folder)
        if paused is not None:
            note = note._replace(paused=paused)
        if ran_ns is not None:
            note = note._replace(ran_ns=ran_ns)
        notes.write(folder, note)

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

    # --- how it is ----------------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """How the job is now."""
        with self._changed:
            told, asked = self._told, self._told.brake
            state = self._state()
            _, code, why = told.rest if told.rest is not None and state == told.rest[0] else (state, "", "")
            side: Literal["here", "there"] = "here" if asked is not None and asked.side == "here" else "there"
            return Standing(
                state, code, why, self._wanted.paused,
                Brake(side=side, files=asked.files, of=asked.of) if asked is not None and state == "asking" else None,
                told.problems, told.synced_at_ns, self._next_at_ns(),
            )  # fmt: skip

    def progress(self) -> Snapshot:
        """How far it is."""
        return self._progress.snapshot()

    def _state(self) -> StateText:
        if self.fault:
            return "failed"
        if not self.config.active:
            return "off"
        if self._told.rest is None:
            return _ACTIVE.get(self._progress.snapshot().doing, "syncing")
        return "paused" if self._wanted.paused else self._told.rest[0]

    def _next_at_ns(self) -> int | None:
        if self.config.frequency != "time" or not self.config.active or self.fault:
            return None
        return next_at_ns(self._around.clock.now_ns(), self.config.start_time.h, self.config.start_time.m)

    def _at_work(self, doing: Doing) -> None:
        if doing not in _ACTIVE:
            return  # how it rests is told by the outcome of the pass
        with self._changed:
            self._told.rest = None
        self._around.changed(self.id)

    def _rest(self, state: StateText, code: str = "", why: str = "") -> None:
        """It is at rest; a state that people should know of goes into the log."""
        with self._changed:
            if self._told.rest == (state, code, why):
                return
            self._told.rest = (state, code, why)
            new = state in _LOGGED and (state, code) != self._told.logged
            if new:
                self._told.logged = (state, code)
        if new:
            self._record("state", code=code or state, message=why or _LOGGED[state])
        self._around.changed(self.id)

    def _record(self, kind: str, code: str = "", message: str = "", path: str = "") -> None:
        now = self._around.clock.now_ns()
        self._around.record(Entry(0, now, self.id, kind, path=path, code=code, message=message))

    def _did(self, deed: Deed) -> None:
        now, side = self._around.clock.now_ns(), "here" if deed.here else "there"
        self._around.record(
            Entry(
                0, now, self.id, deed.did.value, side, shown(deed.path), shown(deed.to), deed.folder, max(deed.size, 0)
            )
        )

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

    def _turn(self) -> bool:
        """Wait until the job shall be opened; False when it shall end."""
        with self._changed:
            while not self._wanted.ended:
                wanted, now = self._wanted, self._around.clock.monotonic()
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
            job, self._ready = self._ready, None
            if self._told.rest is None or self._told.rest[0] not in ("waiting", "failed"):
                self._told.rest = ("starting", "", "")
        if job is None:
            self._around.changed(self.id)
            job = self._open(accept)
        try:
            with self._changed:
                if self._wanted.ended or self._wanted.paused or self._wanted.anew:
                    return
                self._job = job
            if self.config.frequency == "time":
                self._note(ran_ns=self._around.clock.now_ns())
            if self.continuous:
                self._outcome_done(job.run(self._outcome))
            else:
                outcome = job.once()
                self._outcome(outcome)
                self._outcome_done(outcome)
        finally:
            with self._changed:
                self._job = None
            job.close()

    def _open(self, accept_deletes: bool) -> Job:
        self._progress = _TellingProgress(self._around.clock, self._at_work, lambda: self._around.stirred(self.id))
        hooks = Hooks(self._progress, self._did)
        return self._around.open_job(self.config, hooks, continuous=self.continuous, accept_deletes=accept_deletes)

    def _outcome(self, outcome: Outcome) -> None:
        """A pass ended."""
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
            left = {held for held in told.problems if counts_as_left(held)}
            new = [held for held in told.problems if held in left - told.known]
            told.known = frozenset(left)
        for held in new[:MOST_PROBLEMS_TOLD]:
            self._record("problem", held.code, reason(held), path_of(held))
        if (more := len(new) - MOST_PROBLEMS_TOLD) > 0:
            self._record("problem", "more", f"{more:,} more items are left; the list of problems names them.")
        match outcome.ending:
            case Ending.IN_STEP:
                self._rest("synced")
            case Ending.ITEMS_LEFT:
                self._rest("left" if left else "synced")
            case Ending.BRAKE:
                self._rest("asking", "brake", _asks(outcome.brake))
            case Ending.TROUBLE:
                code, why = outcome.trouble or ("internal", "Something went wrong; it is tried again.")
                self._rest("waiting" if code in _PASSING else "failed", code, why)
                if code in LOGIN:
                    with self._changed:
                        self._stop_running()
            case Ending.STOPPED:
                pass

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
        self._around.heard(self.id, Outcome(Ending.TROUBLE, Counts(), trouble=(code, why)))
        self._rest("waiting" if code in _PASSING else "failed", code, why)
        with self._changed:
            self._back_off(code)

    def _back_off(self, code: str) -> None:
        self._troubles += 1
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._troubles - 1, 16))
        if code in LOGIN:
            self._wanted.not_before = float("inf")
            return
        pause = pause if code in _PASSING or code == "store-locked" else SLOW_S
        pause *= 0.75 + 0.5 * self._around.chance.fraction()
        self._wanted.not_before = self._around.clock.monotonic() + pause


_LOGGED: Final[dict[StateText, str]] = {
    "synced": "Both sides are in step.",
    "left": "Both sides are in step but for some items; the list of problems names them.",
    "waiting": "It waits, and goes on by itself.",
    "asking": "It asks before it deletes so much.",
    "failed": "It cannot go on.",
}
"""States that are worth a line in the log, and the line where nothing better is known."""


def path_of(held: Held) -> str:
    """An item's path below the job's folder, as text."""
    return shown("/".join(held.path))


def reason(held: Held) -> str:
    """Why an item is not in step, without its path."""
    return shown(held.reason.removeprefix(f"{'/'.join(held.path)}: "))


def _asks(brake: Asked | None) -> str:
    if brake is None:
        return ""
    where, gone = ("in the folder here", "the server") if brake.side == "here" else ("on the server", "the folder here")
    return (
        f"This would delete {brake.files:,} of {brake.of:,} files {where}, because {gone} does not have them any more. "
        "Nothing was deleted. If it is meant, accept the deletions; if not, put the files back where they are missing."
    )
