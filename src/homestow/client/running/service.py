"""The sync service: several jobs, each in a thread of its own, steered by orders and telling news (see `control.service`).

Where jobs come from a job file, every order that changes them changes the file first, so that a service that is killed at any
moment begins again with what was ordered.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from homestow.client.ports.accounts import Accounts
from homestow.client.ports.history import History
from homestow.client.ports.jobfile import JobBook, Listed
from homestow.client.ports.settings import SettingsStore
from homestow.client.running import overlaps
from homestow.client.running.jobs import Task
from homestow.client.running.logins import trade
from homestow.client.running.outcome import counts_as_left
from homestow.client.running.progress import Snapshot
from homestow.client.running.publishing import Listener, Publisher, event
from homestow.client.running.servers import ask_servers
from homestow.client.running.showing import all_progress, general_of, job_now, seen
from homestow.client.running.standing import LOGIN, Surroundings, path_of, reason
from homestow.values.errors import BadRequest, NotFound
from homestow.wire import control, job_file

_log = logging.getLogger(__name__)

SLEPT_S: Final = 30.0
"""When the wall clock gains so much on the one that stands still in sleep, the computer slept or its time was set."""

ENDING_S: Final = 8.0
"""So long all jobs together may take to end (SIGTERM: 10 s)."""


class House(Protocol):
    """What the service needs of the process and the computer around it; `bootstrap` has it."""

    def apply(self, before: control.Settings, now: control.Settings) -> None:
        """Make the settings true: bandwidth, ports, begin with the session.

        Raises:
            CloudError: one of them cannot be; nothing changed.
        """

    def begins_with_session(self) -> bool:
        """Whether the service begins with the desktop session."""

    def open_page(self) -> str:
        """Address of the browser page, with a key that works once."""

    def check_folder(self, directory: str) -> control.FolderSeen:
        """What a folder of this computer holds, and what is against keeping it in step."""

    def real(self, directory: str) -> str:
        """The folder's one true path, links resolved."""

    def forget(self, config: control.JobConfig) -> None:
        """Remove what the client remembers of a job; user files stay."""

    def quit(self) -> None:
        """End the service; returns at once."""


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
        self._book, self._accounts, self._history = book, accounts, history
        self._store, self._house, self._facts = settings, house, facts
        self._lock = threading.RLock()
        self._changing = threading.Lock()
        self._tasks: list[Task] = []
        self._settings = settings.load()
        self.publisher = Publisher(history, self._news_of, self.tick)
        self._around = around(self)
        clock = self._around.clock
        self._ahead_s = clock.now_ns() / 1e9 - clock.monotonic()
        self._closed = False

    # --- life ---------------------------------------------------------------------------------------------------------

    def begin(self, given: Sequence[Task] = ()) -> None:
        """Start to publish, and the jobs: `given`, and those of the job file.

        Raises:
            BadSettings: the job file cannot be used.
        """
        listed = () if self._book is None else self._book.read()
        with self._lock:
            self._tasks = [*given, *(self._task(each) for each in overlaps.judged(listed, self._house.real))]
            self.publisher.begin()
            for each in listed:
                self._use_password(each)
            for task in self._tasks:
                task.begin()

    def task(self, config: control.JobConfig, **more: Any) -> Task:
        """A job that `begin` may be given."""
        return Task(config, self._around, **more)

    def close(self) -> None:
        """End all jobs, then what tells of them; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            tasks = list(self._tasks)
        for task in tasks:
            task.end()
        until = time.monotonic() + ENDING_S
        late = [task.id for task in tasks if not task.ended(max(until - time.monotonic(), 0.0))]
        if late:
            _log.warning("jobs that did not end in time: %s", ", ".join(late))
        self.publisher.close()
        self.publisher.publish(control.Ended())

    def tick(self) -> None:
        """Time passed: daily jobs may be due, and the computer may have slept."""
        clock = self._around.clock
        ahead_s = clock.now_ns() / 1e9 - clock.monotonic()
        slept = abs(ahead_s - self._ahead_s) > SLEPT_S
        self._ahead_s = ahead_s
        with self._lock:
            tasks = list(self._tasks)
        for task in tasks:
            if slept:
                task.reconnect()
            task.tick()

    # --- what is ------------------------------------------------------------------------------------------------------

    def jobs(self) -> tuple[control.JobNow, ...]:
        """All jobs as they are now, by number."""
        with self._lock:
            tasks = list(self._tasks)
        return tuple(self._now(number, task) for number, task in enumerate(tasks))

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
        with self._lock:
            tasks = list(self._tasks)
        return seen(tasks)

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
                book = "" if self._book is None else self._book.place
                facts = self._facts
                return control.About(
                    version=facts.version, pid=facts.pid, begun_ns=facts.begun_ns, jobs_file=book,
                    device=facts.device, general=self.general(),
                )  # fmt: skip
            case control.ListJobs():
                return self.jobs()
            case control.Start() | control.Pause() | control.Reload():
                return self._steer(order)
            case control.ReloadFile():
                return self._reload_file()
            case control.AcceptDeletes(job=job):
                self._find(job).accept_deletes()
                return self._job(job)
            case control.AddJob() | control.ChangeJob() | control.RemoveJob() | control.Enable():
                return self._change(order)
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
                return ask_servers(order, self._accounts, lambda job: self._find(job).config, self._logged_in)

    def _find(self, job: str) -> Task:
        with self._lock:
            for task in self._tasks:
                if task.id == job:
                    return task
        raise NotFound(f"There is no job {job!r}; `homestow jobs` lists them all.")

    def _chosen(self, job: str | None) -> list[Task]:
        if job is not None:
            return [self._find(job)]
        with self._lock:
            return list(self._tasks)

    def _job(self, job: str) -> control.JobNow:
        found = next((each for each in self.jobs() if each.id == job), None)
        if found is None:
            raise NotFound(f"There is no job {job!r} any more.")
        return found

    def _jobs_of(self, tasks: Sequence[Task]) -> tuple[control.JobNow, ...]:
        ids = {task.id for task in tasks}
        return tuple(job for job in self.jobs() if job.id in ids)

    def _steer(self, order: control.Start | control.Pause | control.Reload) -> tuple[control.JobNow, ...]:
        tasks = self._chosen(order.job)
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
                    self._find(job)
                self.publisher.flush()
                return tuple(event(entry) for entry in self._history.entries(job, before, limit, kinds))
            case control.ListProblems(job=job):
                return tuple(
                    control.Problem(
                        job=task.id, path=path_of(held), code=held.code, message=reason(held),
                        left=counts_as_left(held),
                    )
                    for task in self._chosen(job)
                    for held in task.standing().problems
                )[: control.MAX_LIST]  # fmt: skip
            case control.ListConflicts(job=job):
                return tuple(each for task in self._chosen(job) for each in task.conflicts)[: control.MAX_LIST]
            case control.Settle(job=job, keep=keep, conflict=conflict):
                return self._find(job).settle(keep, conflict)

    # --- jobs of the file ---------------------------------------------------------------------------------------------

    def _task(self, listed: Listed) -> Task:
        for remark in listed.remarks:
            _log.warning("job %s: %s", listed.config.id, remark)
        return self.task(listed.config, fault=listed.fault)

    def _writable(self) -> JobBook:
        if self._book is None:
            raise BadRequest(
                "This service keeps the one folder that its command line named, so that its jobs cannot be changed. "
                "End it, start `homestow sync` without -d, and add the folder there."
            )
        return self._book

    def _change(self, order: control.AddJob | control.ChangeJob | control.RemoveJob | control.Enable) -> Any:
        book = self._writable()
        match order:
            case control.AddJob(config=config, password=password):
                self._prove(config, password)
                return self._put(book, config, new=True)
            case control.ChangeJob(config=config, password=password):
                self._find(config.id)
                self._prove(config, password)
                return self._put(book, config, new=False)
            case control.Enable(job=job, active=active):
                task = self._find(job)
                if task.config.active == active:
                    return self._job(job)
                return self._put(book, job_file.changed(task.config, active=active), new=False)
            case control.RemoveJob(job=job):
                return self._remove(book, job)

    def _prove(self, config: control.JobConfig, password: str | None) -> None:
        """There has to be a login before there is a job; asks the server only when a password is given."""
        if password is not None:
            self._accounts.log_in(config.server, config.user, password)
        elif config.active:
            self._accounts.token(config.server, config.user)

    def _put(self, book: JobBook, config: control.JobConfig, *, new: bool) -> control.JobNow:
        with self._changing:
            config = job_file.changed(
                config, server=config.server.rstrip("/"), directory=job_file.cut(config.directory)
            )
            if new:
                config = job_file.changed(config, id=self._new_id(book, config))
            wrong = job_file.wrong(config)
            if not wrong and config.active:
                with self._lock:
                    others = [task.config for task in self._tasks if task.id != config.id and task.holds_folder]
                taken = [(other, self._house.real(other.directory)) for other in others]
                wrong = overlaps.against(config, self._house.real(config.directory), taken)
            if wrong:
                raise BadRequest(wrong)
            book.put(config)
            self._replace(config)
        return self._job(config.id)

    def _new_id(self, book: JobBook, config: control.JobConfig) -> str:
        if not config.id:
            return book.new_id(config)
        if any(job.id == config.id for job in self.jobs()):
            raise BadRequest(f"There is a job {config.id!r} already; leave the id out, or choose another.")
        return config.id

    def _replace(self, config: control.JobConfig, fault: str = "") -> None:
        """Put a job in the place of the one of its id, or at the end, and let it begin."""
        with self._lock:
            place = next((n for n, task in enumerate(self._tasks) if task.id == config.id), None)
            old = self._tasks[place] if place is not None else None
        if old is not None:
            old.end()
            old.ended(ENDING_S)
            if old.config.directory != config.directory:
                self._house.forget(old.config)
        task = self.task(config, fault=fault)
        with self._lock:
            if place is None:
                self._tasks.append(task)
            else:
                self._tasks[place] = task
            if not self._closed:
                task.begin()
        self.publisher.changed(config.id)

    def _remove(self, book: JobBook, job: str) -> tuple[control.JobNow, ...]:
        with self._changing:
            task = self._find(job)
            book.drop(job)
            self._end(task)
            self._house.forget(task.config)
        return self.jobs()

    def _end(self, task: Task) -> None:
        """End a job that is not in the file any more."""
        with self._lock:
            self._tasks = [other for other in self._tasks if other is not task]
        task.end()
        task.ended(ENDING_S)
        self.publisher.forget(task.id)
        self._history.forget(task.id)
        self.publisher.publish(control.JobGone(job=task.id))
        with self._lock:
            left = [other.id for other in self._tasks]
        for other in left:
            self.publisher.changed(other)  # their numbers are others now

    def _reload_file(self) -> tuple[control.JobNow, ...]:
        book = self._writable()
        with self._changing:
            listed = overlaps.judged(book.read(), self._house.real)
            wanted = {each.config.id: each for each in listed}
            with self._lock:
                known = {task.id: task for task in self._tasks}
            for job, task in known.items():
                if job not in wanted:
                    self._end(task)
            for job, each in wanted.items():
                old = known.get(job)
                if old is None or (old.config, old.fault) != (each.config, each.fault):
                    for remark in each.remarks:
                        _log.warning("job %s: %s", job, remark)
                    self._replace(each.config, each.fault)
            with self._lock:
                by_id = {task.id: task for task in self._tasks}
                self._tasks = [by_id[job] for job in wanted if job in by_id]
        for each in listed:
            self._use_password(each)
        return self.jobs()

    def _use_password(self, listed: Listed) -> None:
        """A password in the job file is traded for a token, then it is taken out of the file (S90); the job waits for that."""
        if listed.password is None or listed.fault or self._book is None:
            return
        try:
            task = self._find(listed.config.id)
        except NotFound:
            return
        task.hold()
        trade(self._book, task, self._accounts, listed.password, lambda: self._closed, self._logged_in)

    # --- settings -----------------------------------------------------------------------------------------------------

    def _change_settings(self, settings: control.Settings) -> control.Settings:
        with self._changing:
            self._house.apply(self.settings, settings)
            self._store.save(settings)
            self._settings = settings
        self.publisher.publish(control.SettingsNews(settings=settings))
        return settings

    # --- servers and folders ------------------------------------------------------------------------------------------

    def _check_folder(self, directory: str) -> control.FolderSeen:
        seen = self._house.check_folder(directory)
        if seen.against:
            return seen
        with self._lock:
            configs = [task.config for task in self._tasks if task.holds_folder]
        taken = [(config, self._house.real(config.directory)) for config in configs]
        wish = control.JobConfig(server="", directory=seen.directory)
        against = overlaps.against(wish, self._house.real(seen.directory), taken)
        return msgspec.structs.replace(seen, against=against, code="roots-overlap" if against else "")

    def _logged_in(self, url: str) -> None:
        with self._lock:
            tasks = [task for task in self._tasks if task.config.server.rstrip("/") == url.rstrip("/")]
        for task in tasks:
            if task.standing().code in LOGIN:
                task.logged_in()
