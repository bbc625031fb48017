"""The sync service: several jobs, each in a thread of its own, steered by orders and telling news (see `control.service`).

Where jobs come from a job file, every order that changes them changes the file first, so that a service that is killed at any
moment begins again with what was ordered.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from homestow.client.ports.accounts import Accounts
from homestow.client.ports.history import History
from homestow.client.ports.jobfile import JobBook
from homestow.client.ports.settings import SettingsStore
from homestow.client.running.jobs import Task
from homestow.client.running.outcome import counts_as_left
from homestow.client.running.progress import Snapshot
from homestow.client.running.publishing import Listener, Publisher, event
from homestow.client.running.roster import House, Roster
from homestow.client.running.servers import ask_servers
from homestow.client.running.showing import all_progress, general_of, job_now, seen
from homestow.client.running.standing import Surroundings, path_of, reason
from homestow.values.errors import CloudError, NotFound
from homestow.wire import control

SLEPT_S: Final = 30.0
"""When the wall clock gains so much on the one that stands still in sleep, the computer slept or its time was set."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Who answers; see `wire.control.About`."""

    version: str
    pid: int
    begun_ns: int
    device: str


class Service:
    """See `control.service.SyncService`; `begin` it, `close` it.

    Args:
        around: what jobs share; its `changed`, `stirred` and `record` are those of `publisher`.
        book: the job file; None: the jobs are those of the command line, and cannot be changed by orders.
    """

    def __init__(
        self,
        around: Callable[["Service"], Surroundings],
        book: JobBook | None,
        accounts: Accounts,
        history: History,
        settings: SettingsStore,
        house: House,
        facts: Facts,
    ) -> None:
        self._accounts, self._history = accounts, history
        self._store, self._house, self._facts = settings, house, facts
        self._changing = threading.Lock()
        self._settings = settings.load()
        self.publisher = Publisher(history, self._news_of, self.tick)
        self._around = around(self)
        self._roster = Roster(self._around, book, accounts, history, house, self.publisher)
        clock = self._around.clock
        self._ahead_s = clock.now_ns() / 1e9 - clock.monotonic()
        self._closed = False

    # --- life ---------------------------------------------------------------------------------------------------------

    def begin(self, given: Sequence[Task] = ()) -> None:
        """Start to publish, and the jobs: `given`, and those of the job file.

        Raises:
            BadSettings: the job file cannot be used.
        """
        self._roster.begin(given)

    def task(self, config: control.JobConfig, **more: Any) -> Task:
        """A job that `begin` may be given."""
        return Task(config, self._around, **more)

    def close(self) -> None:
        """End all jobs, then what tells of them; may be called twice."""
        with self._changing:
            if self._closed:
                return
            self._closed = True
        self._roster.close()
        self.publisher.close()
        self.publisher.publish(control.Ended())

    def tick(self) -> None:
        """Time passed: daily jobs may be due, and the computer may have slept."""
        clock = self._around.clock
        ahead_s = clock.now_ns() / 1e9 - clock.monotonic()
        slept = abs(ahead_s - self._ahead_s) > SLEPT_S
        self._ahead_s = ahead_s
        for task in self._roster.all():
            if slept:
                task.reconnect()
            task.tick()

    # --- what is ------------------------------------------------------------------------------------------------------

    def jobs(self) -> tuple[control.JobNow, ...]:
        """All jobs as they are now, by number."""
        return tuple(self._now(number, task) for number, task in enumerate(self._roster.all()))

    def general(self) -> control.GeneralText:
        """All jobs in one word."""
        return general_of(self.jobs())

    def current(self) -> tuple[control.AnyNews, ...]:
        """What a new subscriber has missed."""
        jobs = self.jobs()
        return (
            control.GeneralNews(general=general_of(jobs), progress=all_progress(jobs)),
            *(control.JobNews(job=job) for job in jobs),
            control.SettingsNews(settings=self.settings),
        )

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with all news from now on; gives what ends that."""
        return self.publisher.listen(listener)

    @property
    def settings(self) -> control.Settings:
        """The settings as they are; whether it begins with the session may have been changed by others."""
        return msgspec.structs.replace(self._settings, autostart=self._house.begins_with_session())

    def seen(self) -> Snapshot:
        """One look for a terminal."""
        return seen(self._roster.all())

    def _now(self, number: int, task: Task) -> control.JobNow:
        return job_now(number, task, self.publisher.last(task.id), len(task.conflicts))

    def _news_of(self, changed: set[str], stirred: set[str]) -> Sequence[control.AnyNews]:
        jobs = self.jobs()
        news: list[control.AnyNews] = [control.JobNews(job=job) for job in jobs if job.id in changed]
        news += [control.ProgressNews(job=job.id, progress=job.progress) for job in jobs if job.id in stirred]
        return [*news, control.GeneralNews(general=general_of(jobs), progress=all_progress(jobs))]

    # --- orders -------------------------------------------------------------------------------------------------------

    def do(self, order: control.AnyOrder) -> Any:
        """Obey; what it gives is of the type in `wire.control.GIVES`.

        Raises:
            CloudError: it was refused; nothing was done.
        """
        match order:
            case control.Hello():
                facts = self._facts
                return control.About(
                    version=facts.version, pid=facts.pid, begun_ns=facts.begun_ns, jobs_file=self._roster.place,
                    device=facts.device, general=self.general(),
                )  # fmt: skip
            case control.ListJobs():
                return self.jobs()
            case control.Start() | control.Pause() | control.Reload():
                return self._steer(order)
            case control.ReloadFile():
                self._roster.reload_file()
                return self.jobs()
            case control.AcceptDeletes(job=job):
                self._roster.find(job).accept_deletes()
                return self._job(job)
            case control.RemoveJob():
                self._roster.change(order)
                return self.jobs()
            case control.AddJob() | control.ChangeJob() | control.Enable():
                return self._job(self._roster.change(order))
            case control.ListLog() | control.ListProblems() | control.ListConflicts() | control.Settle():
                return self._look(order)
            case control.GetSettings():
                return self.settings
            case control.ChangeSettings(settings=settings):
                return self._change_settings(settings)
            case control.OpenPage():
                return control.Page(url=self._house.open_page())
            case control.Quit():
                self._house.quit()
                return True
            case control.CheckFolder(directory=directory):
                return self._check_folder(directory)
            case _:
                return ask_servers(
                    order, self._accounts, lambda job: self._roster.find(job).config, self._roster.logged_in
                )

    def _job(self, job: str) -> control.JobNow:
        found = next((each for each in self.jobs() if each.id == job), None)
        if found is None:
            raise NotFound(f"There is no job {job!r} any more.")
        return found

    def _jobs_of(self, tasks: Sequence[Task]) -> tuple[control.JobNow, ...]:
        ids = {task.id for task in tasks}
        return tuple(job for job in self.jobs() if job.id in ids)

    def _steer(self, order: control.Start | control.Pause | control.Reload) -> tuple[control.JobNow, ...]:
        tasks = self._roster.chosen(order.job)
        for task in tasks:
            match order:
                case control.Start():
                    task.start()
                case control.Pause():
                    task.pause()
                case control.Reload():
                    task.reload()
        return self._jobs_of(tasks)

    def _look(self, order: control.ListLog | control.ListProblems | control.ListConflicts | control.Settle) -> Any:
        match order:
            case control.ListLog(job=job, before=before, limit=limit, kinds=kinds):
                if job is not None:
                    self._roster.find(job)
                self.publisher.flush()
                return tuple(event(entry) for entry in self._history.entries(job, before, limit, kinds))
            case control.ListProblems(job=job):
                return tuple(
                    control.Problem(
                        job=task.id, path=path_of(held), code=held.code, message=reason(held),
                        left=counts_as_left(held),
                    )
                    for task in self._roster.chosen(job)
                    for held in task.standing().problems
                )[: control.MAX_LIST]  # fmt: skip
            case control.ListConflicts(job=job):
                return tuple(each for task in self._roster.chosen(job) for each in task.conflicts)[: control.MAX_LIST]
            case control.Settle(job=job, keep=keep, conflict=conflict):
                return self._roster.find(job).settle(keep, conflict)

    # --- settings -----------------------------------------------------------------------------------------------------

    def _change_settings(self, settings: control.Settings) -> control.Settings:
        with self._changing:
            before = self.settings
            self._house.apply(before, settings)
            try:
                self._store.save(settings)
            except CloudError:
                self._house.apply(settings, before)
                raise
            self._settings = settings
        self.publisher.publish(control.SettingsNews(settings=settings))
        return settings

    # --- servers and folders ------------------------------------------------------------------------------------------

    def _check_folder(self, directory: str) -> control.FolderSeen:
        seen = self._house.check_folder(directory)
        if seen.against:
            return seen
        against = self._roster.against(control.JobConfig(server="", directory=seen.directory))
        return msgspec.structs.replace(seen, against=against, code="roots-overlap" if against else "")
