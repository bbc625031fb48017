"""`homestow sync` on and on: the sync service in this process, in calm lines, until it is told to stop."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homestow.cli.display import Board
from homestow.cli.jobwords import name
from homestow.cli.passwords import ask_password, given_password
from homestow.cli.signals import stopped_by_signals
from homestow.cli.telling import Teller, in_the_way
from homestow.cli.troubles import FINE, TROUBLE, Trouble, one_line
from homestow.client.adapters.logins import Logins
from homestow.client.adapters.this_computer import client_folder
from homestow.values.errors import CloudError, Unreachable
from homestow.values.words import counted
from homestow.wire.control import AddJob, AnyNews, DirectionText, JobConfig, JobGone, JobNews, JobNow

if TYPE_CHECKING:
    from homestow.cli.wishes import Jobs, Wish
    from homestow.client.bootstrap import ServicePlan
    from homestow.client.control.service import SyncService
    from homestow.client.running.outcome import Outcome
    from homestow.client.settings import JobSettings


def keep_folder(wish: "Wish", enter: Callable[[], "JobSettings"]) -> int:
    """Keep the one folder of the command line in step; the exit code.

    Args:
        enter: logs in, and gives what the job must know.
    """
    try:
        settings: JobSettings | None = enter()
    except Unreachable as error:
        # Who was here before waits for the server to come back.
        logins = Logins()
        known = logins.find(wish.server, wish.user) if wish.user else logins.only(wish.server)
        if known is None:
            raise in_the_way(error) from error
        settings = None
        print(f"waiting for the server: {one_line(error.message)}", flush=True)
    except CloudError as error:
        raise in_the_way(error) from error
    root = (settings.root if settings is not None else None) or wish.root or "its root"
    return keep_known(wish, settings, f"{wish.directory} and {root} on {wish.server}")


def keep_known(
    wish: "Wish",
    settings: "JobSettings | None",
    what: str,
    stop_too: Callable[[Callable[[], None]], None] = lambda stop: None,
) -> int:
    """Keep a folder in step whose login is known; the exit code.

    Args:
        settings: what the job must know; None: it logs in by itself, when the server answers.
        what: names both sides, for the line that says they are in step.
        stop_too: given what ends the service, for whoever else may end it.
    """
    from homestow.client.bootstrap import ServicePlan
    from homestow.client.control.places import name_for_folder
    from homestow.wire.job_file import job_id

    root = (settings.root if settings is not None else None) or wish.root or ""
    config = JobConfig(
        id=job_id(wish.server, root or wish.user or wish.directory.name, ()), server=wish.server,
        directory=str(wish.directory), user=wish.user or "", workspace=root, remote_folder=wish.remote_folder,
        direction=_DIRECTIONS[wish.direction],
    )  # fmt: skip
    lines = _OneFolder(what, stop_too)
    zmq_port, api_port = wish.ports
    return _serve(
        ServicePlan(
            name_for_folder(wish.directory), client_folder(), given=config, known=settings, heard=lines.heard,
            zmq_port=zmq_port, api_port=api_port,
        ),
        lines,
    )  # fmt: skip


def keep_jobs(jobs: "Jobs") -> int:
    """Keep the jobs of a file in step; the exit code."""
    from homestow.client.bootstrap import ServicePlan
    from homestow.client.control.places import SERVICE, name_for_file

    stored = client_folder() / "jobs.json"
    file = jobs.file or stored
    place = SERVICE if file.resolve() == stored.resolve() else name_for_file(file)
    lines = _Jobs()
    zmq_port, api_port = jobs.ports
    plan = ServicePlan(place, client_folder(), jobs_file=file, heard=lines.heard, zmq_port=zmq_port, api_port=api_port)
    added = jobs.added
    return _serve(plan, lines, lambda service: None if added is None else _add(service, added))


def _add(service: "SyncService", wish: "Wish") -> None:
    """Make the folder of the command line one of the jobs, unless it is one already."""
    if any(Path(job.config.directory) == wish.directory for job in service.jobs()):
        return
    password, user = given_password(wish.password), wish.user
    known = Logins().find(wish.server, user) if user else Logins().only(wish.server)
    if known is None and user and password is None:
        password = ask_password(f"Password of {user} on {wish.server}")
    config = JobConfig(
        server=wish.server, directory=str(wish.directory), user=user or "", workspace=wish.root or "",
        remote_folder=wish.remote_folder, direction=_DIRECTIONS[wish.direction],
    )  # fmt: skip
    service.do(AddJob(config=config, password=password))


_DIRECTIONS: Final[dict[str, DirectionText]] = {"bi": "bi", "up": "up", "down": "down"}


def _serve(
    plan: "ServicePlan", lines: "_OneFolder | _Jobs", first: "Callable[[SyncService], None]" = lambda service: None
) -> int:
    """Run the service until somebody ends it; the exit code. `first` may order something of it once it runs."""
    from homestow.client.bootstrap import Running

    try:
        running = Running(plan)
    except CloudError as error:
        raise in_the_way(error) from error
    try:
        # The signals first: threads begun before would not leave them to the one that waits for them.
        with stopped_by_signals(running.quit), Board(running.service.seen) as board:
            lines.show_on(board, running.quit)
            running.service.listen(lines.news)
            try:
                running.begin()
                first(running.service)
            except CloudError as error:
                raise in_the_way(error) from error
            lines.begun(running.service.jobs(), plan)
            running.wait()
    finally:
        running.close()
    if lines.refused:
        raise Trouble(f"{lines.refused} This computer was logged out; start again with your password.", TROUBLE)
    return FINE


class _OneFolder:
    """The lines of the one folder of the command line; ends the service when its login is refused."""

    def __init__(self, what: str, stop_too: Callable[[Callable[[], None]], None]) -> None:
        self._what, self._stop_too = what, stop_too
        self._teller: Teller | None = None
        self._say: Callable[[str], None] = print
        self._stop: Callable[[], None] = lambda: None
        self._paused = False
        self.refused = ""

    def show_on(self, board: Board, stop: Callable[[], None]) -> None:
        """Where lines go, and what ends the service."""
        self._teller, self._say, self._stop = Teller(board.say, board.problems, self._what), board.say, stop
        self._stop_too(stop)

    def begun(self, jobs: tuple[JobNow, ...], plan: "ServicePlan") -> None:
        """All is there."""

    def heard(self, job: str, outcome: "Outcome") -> None:
        """A pass ended."""
        if self._teller is not None:
            self._teller(outcome)
        if outcome.trouble is not None and outcome.trouble[0] in ("login-needed", "login-failed"):
            # Trying again with a token that was taken back helps nobody.
            self.refused = outcome.trouble[1]
            self._stop()

    def news(self, news: AnyNews) -> None:
        """What was published."""
        if isinstance(news, JobNews) and news.job.paused != self._paused:
            self._paused = news.job.paused
            self._say(_paused(news.job))


class _Jobs:
    """The lines of several jobs: like those of one, behind the job's name."""

    refused = ""

    def __init__(self) -> None:
        self._tellers: dict[str, Teller] = {}
        self._known: dict[str, JobNow] = {}
        self._left: dict[str, int] = {}
        self._print: Callable[[str], None] = print
        self._early: list[str] | None = []
        self._lock = threading.Lock()
        self._problems: Callable[[int], None] = lambda number: None

    def show_on(self, board: Board, stop: Callable[[], None]) -> None:
        """Where lines go."""
        self._print, self._problems = board.say, board.problems

    def begun(self, jobs: tuple[JobNow, ...], plan: "ServicePlan") -> None:
        """All is there: the first line, and what was said meanwhile."""
        with self._lock:
            early, self._early = self._early or [], None
            self._print(
                f"keeping {counted(len(jobs), 'job')} of {plan.jobs_file} in step; `homestow status` shows them"
            )
            for line in early:
                self._print(line)
        for job in jobs:
            self._tell(job)

    def _say(self, line: str) -> None:
        with self._lock:
            if self._early is None:
                self._print(line)
            else:
                self._early.append(line)

    def heard(self, job: str, outcome: "Outcome") -> None:
        """A pass ended."""
        teller = self._tellers.get(job)
        if teller is None:
            teller = self._tellers[job] = Teller(
                lambda line: self._say(_of(self._name(job), line)),
                lambda number: self._count(job, number),
                "both sides",
            )
        teller(outcome)

    def _name(self, job: str) -> str:
        known = self._known.get(job)
        return job if known is None else name(known)

    def _count(self, job: str, number: int) -> None:
        self._left[job] = number
        self._problems(sum(self._left.values()))

    def news(self, news: AnyNews) -> None:
        """What was published."""
        match news:
            case JobNews(job=job):
                self._tell(job)
            case JobGone(job=gone):
                called = self._name(gone)
                if self._known.pop(gone, None) is not None:
                    self._say(_of(called, f"{time.strftime('%H:%M:%S')}  removed"))
            case _:
                pass

    def _tell(self, job: JobNow) -> None:
        before = self._known.get(job.id)
        self._known[job.id] = job
        faulty = job.state == "failed" and job.code == "bad-settings"
        if not faulty and (before is None or before.config != job.config):
            config = job.config
            self._say(_of(name(job), f"{time.strftime('%H:%M:%S')}  {config.directory} and {config.server}"))
        if (before is None and job.paused) or (before is not None and before.paused != job.paused):
            self._say(_of(name(job), _paused(job)))
        if faulty and (before is None or before.why != job.why):
            self._say(_of(name(job), f"{time.strftime('%H:%M:%S')}  cannot go on: {one_line(job.why)}"))


def _of(job: str, line: str) -> str:
    """A line with the job's name between its time and what it says."""
    stamp, between, said = line.partition("  ")
    return f"{stamp}  {one_line(job)}: {said}" if between and stamp else f"          {one_line(job)}: {line.strip()}"


def _paused(job: JobNow) -> str:
    stamp = time.strftime("%H:%M:%S")
    return f"{stamp}  paused; `homestow resume` goes on" if job.paused else f"{stamp}  goes on"
