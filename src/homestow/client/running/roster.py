"""The jobs of a service: who they are, and how they come, change and go, each change first in the job file."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol

from homestow.client.ports.accounts import Accounts
from homestow.client.ports.history import History
from homestow.client.ports.jobfile import JobBook, Listed
from homestow.client.running import overlaps
from homestow.client.running.jobs import Task
from homestow.client.running.logins import trade
from homestow.client.running.publishing import Publisher
from homestow.client.running.standing import LOGIN, Surroundings
from homestow.values.errors import BadRequest, NotFound
from homestow.wire import control, job_file

_log = logging.getLogger(__name__)

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


class Roster:
    """The jobs, by number; every method may be called from any thread.

    Args:
        book: the job file; None: the jobs are those of the command line, and cannot be changed by orders.
    """

    def __init__(
        self,
        around: Surroundings,
        book: JobBook | None,
        accounts: Accounts,
        history: History,
        house: House,
        publisher: Publisher,
    ) -> None:
        self._around, self._book, self._accounts = around, book, accounts
        self._history, self._house, self._publisher = history, house, publisher
        self._lock = threading.RLock()
        self._changing = threading.Lock()
        self._tasks: list[Task] = []
        self._closed = False

    @property
    def place(self) -> str:
        """What people call the job file; "" there is none."""
        return "" if self._book is None else self._book.place

    def begin(self, given: Sequence[Task]) -> None:
        """Begin the jobs: `given`, and those of the job file.

        Raises:
            BadSettings: the job file cannot be used.
        """
        listed = () if self._book is None else self._book.read()
        with self._lock:
            self._tasks = [*given, *(self._task(each) for each in overlaps.judged(listed, self._house.real))]
            self._publisher.begin()
            for each in listed:
                self._use_password(each)
            for task in self._tasks:
                task.begin()

    def close(self) -> None:
        """End all jobs."""
        with self._lock:
            self._closed = True
            tasks = list(self._tasks)
        for task in tasks:
            task.end()
        until = time.monotonic() + ENDING_S
        late = [task.id for task in tasks if not task.ended(max(until - time.monotonic(), 0.0))]
        if late:
            _log.warning("jobs that did not end in time: %s", ", ".join(late))

    # --- who they are -------------------------------------------------------------------------------------------------

    def all(self) -> list[Task]:
        """All jobs, by number."""
        with self._lock:
            return list(self._tasks)

    def find(self, job: str) -> Task:
        """The job of this id.

        Raises:
            NotFound: there is none.
        """
        for task in self.all():
            if task.id == job:
                return task
        raise NotFound(f"There is no job {job!r}; `homestow jobs` lists them all.")

    def chosen(self, job: str | None) -> list[Task]:
        """The job of this id, None: all."""
        return self.all() if job is None else [self.find(job)]

    def against(self, config: control.JobConfig) -> str:
        """Why another job stands in the way of this one's folder; "" none does."""
        others = [task.config for task in self.all() if task.id != config.id and task.holds_folder]
        taken = [(other, self._house.real(other.directory)) for other in others]
        return overlaps.against(config, self._house.real(config.directory), taken)

    def logged_in(self, url: str) -> None:
        """An account logged in on a server: jobs that lacked that try again."""
        for task in self.all():
            if task.config.server.rstrip("/") == url.rstrip("/") and task.standing().code in LOGIN:
                task.logged_in()

    def _task(self, listed: Listed) -> Task:
        for remark in listed.remarks:
            _log.warning("job %s: %s", listed.config.id, remark)
        return Task(listed.config, self._around, fault=listed.fault)

    def _writable(self) -> JobBook:
        if self._book is None:
            raise BadRequest(
                "This service keeps the one folder that its command line named, so that its jobs cannot be changed. "
                "End it, start `homestow sync` without -d, and add the folder there."
            )
        return self._book

    # --- how they change ----------------------------------------------------------------------------------------------

    def change(self, order: control.AddJob | control.ChangeJob | control.RemoveJob | control.Enable) -> str:
        """Obey; gives the id of the job that was meant.

        Raises:
            CloudError: it was refused; nothing was done.
        """
        book = self._writable()
        match order:
            case control.AddJob(config=config, password=password):
                self._prove(config, password)
                return self._put(book, config, new=True)
            case control.ChangeJob(config=config, password=password):
                self.find(config.id)
                self._prove(config, password)
                return self._put(book, config, new=False)
            case control.Enable(job=job, active=active):
                task = self.find(job)
                if task.config.active == active:
                    return job
                return self._put(book, job_file.changed(task.config, active=active), new=False)
            case control.RemoveJob(job=job):
                return self._remove(book, job)

    def _prove(self, config: control.JobConfig, password: str | None) -> None:
        """There has to be a login before there is a job; asks the server only when a password is given."""
        if password is not None:
            self._accounts.log_in(config.server, config.user, password)
        elif config.active:
            self._accounts.token(config.server, config.user)

    def _put(self, book: JobBook, config: control.JobConfig, *, new: bool) -> str:
        with self._changing:
            config = job_file.changed(
                config, server=config.server.rstrip("/"), directory=job_file.cut(config.directory)
            )
            if new:
                config = job_file.changed(config, id=self._new_id(book, config))
            wrong = job_file.wrong(config)
            if not wrong and config.active:
                wrong = self.against(config)
            if wrong:
                raise BadRequest(wrong)
            book.put(config)
            self._replace(config)
            self._judge_again(book)
        return config.id

    def _new_id(self, book: JobBook, config: control.JobConfig) -> str:
        if not config.id:
            return book.new_id(config)
        if any(task.id == config.id for task in self.all()):
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
            self._forget_what_changed(old, config, fault)
        task = Task(config, self._around, fault=fault)
        with self._lock:
            if place is None:
                self._tasks.append(task)
            else:
                self._tasks[place] = task
            if not self._closed:
                task.begin()
        self._publisher.changed(config.id)

    def _forget_what_changed(self, old: Task, config: control.JobConfig, fault: str) -> None:
        """What was agreed with one place of a server says nothing about another, nor about this one when the job comes back.

        Else what was deleted in the folder meanwhile would be deleted there, too.
        """
        was = old.config
        if was.directory != config.directory:
            self._house.forget(was)
        elif not (old.fault or fault) and _there(was) != _there(config):
            note = self._around.notes.read(config.directory)
            self._house.forget(was)
            self._around.notes.write(config.directory, note._replace(state=()))

    def _judge_again(self, book: JobBook) -> None:
        """A job whose folder another one had may run now."""
        faulty = {task.id: task for task in self.all() if task.fault}
        if not faulty:
            return
        for each in overlaps.judged(book.read(), self._house.real):
            old = faulty.get(each.config.id)
            if old is not None and old.config == each.config and not each.fault:
                self._replace(each.config)

    def _remove(self, book: JobBook, job: str) -> str:
        with self._changing:
            task = self.find(job)
            book.drop(job)
            self._end(task)
            self._house.forget(task.config)
            self._judge_again(book)
        return job

    def _end(self, task: Task) -> None:
        """End a job that is not in the file any more."""
        with self._lock:
            self._tasks = [other for other in self._tasks if other is not task]
        task.end()
        task.ended(ENDING_S)
        self._publisher.gone(task.id)
        self._history.forget(task.id)
        with self._lock:
            left = [other.id for other in self._tasks]
        for other in left:
            self._publisher.changed(other)  # their numbers are others now

    def reload_file(self) -> None:
        """Read the job file again: new jobs begin, missing ones end, changed ones begin anew.

        Raises:
            CloudError: it cannot be used; nothing was done.
        """
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

    def _use_password(self, listed: Listed) -> None:
        """A password in the job file is traded for a token, then it is taken out of the file (S90); the job waits for that."""
        if listed.password is None or listed.fault or self._book is None:
            return
        try:
            task = self.find(listed.config.id)
        except NotFound:
            return
        if task.hold():
            trade(self._book, task, self._accounts, lambda: self._closed or task not in self.all(), self.logged_in)


def _there(config: control.JobConfig) -> tuple[str, ...]:
    """Where a job's folder is on a server."""
    return config.server, config.user, config.workspace, config.remote_folder
