"""How a job of the sync service is: what was ordered of it, what was told of it last, and the one word for both."""

import threading
from dataclasses import dataclass
from typing import Literal

from homestow.client.engine.steps import Brake as Asked
from homestow.client.engine.steps import Held
from homestow.client.running.daily import next_at_ns
from homestow.client.running.joblog import JobLog
from homestow.client.running.progress import Doing, Progress, Snapshot
from homestow.client.running.standing import AT_WORK, Standing, Surroundings
from homestow.wire.control import Brake, Conflict, JobConfig, StateText


@dataclass(slots=True)
class Wanted:
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
class Told:
    """What was told of the job last; read and written under the lock."""

    rest: tuple[StateText, str, str] | None = ("starting", "", "")
    """How it rests: state, code, why; None while it is at work."""
    brake: Asked | None = None
    problems: tuple[Held, ...] = ()
    synced_at_ns: int | None = None


class Situation:
    """Base of `Task`: everything that both orders and the job's thread look at, under one lock.

    Args:
        fault: why the job cannot run at all ("" nothing): it fails until it is changed.
    """

    def __init__(self, config: JobConfig, around: Surroundings, fault: str) -> None:
        self.config, self.fault = config, fault
        self._around = around
        self._log = JobLog(config.id, around.clock, around.record)
        self._changed = threading.Condition(threading.RLock())
        self._wanted = Wanted(paused=around.notes.read(config.directory).paused)
        self._told = Told()
        self._progress = Progress(around.clock)
        self.conflicts: tuple[Conflict, ...] = ()
        """Those that wait for a choice, as the last pass left them."""

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
            return AT_WORK.get(self._progress.snapshot().doing, "syncing")
        if self._wanted.paused:
            return "paused"
        # An order to go on is seen at once, though its thread has not opened the folder yet.
        return "starting" if self._told.rest[0] == "paused" else self._told.rest[0]

    def _next_at_ns(self) -> int | None:
        if self.config.frequency != "time" or not self.config.active or self.fault:
            return None
        return next_at_ns(self._around.clock.now_ns(), self.config.start_time.h, self.config.start_time.m)

    def _at_work(self, doing: Doing) -> None:
        if doing not in AT_WORK:
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
            self._log.rests(state, code, why)
        self._around.changed(self.id)

    def _note(self, *, paused: bool | None = None, ran_ns: int | None = None) -> None:
        notes, folder = self._around.notes, self.config.directory
        note = notes.read(folder)
        if paused is not None:
            note = note._replace(paused=paused)
        if ran_ns is not None:
            note = note._replace(ran_ns=ran_ns)
        notes.write(folder, note)
