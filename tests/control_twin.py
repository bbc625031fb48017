"""A sync service in memory, for all that steers one: hub, page, window and shell are tested against it, and drawn from it.

It holds jobs, events, problems, conflicts, settings, servers with accounts and folders; a test moves what it shows, and every
order does what the real service would let be seen of it. Nothing moves by itself: `work` brings a syncing job to its end.
"""

import os
import threading
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any

import msgspec
from tests.control_servers import TwinServer, TwinServers, family_server

from homestow.client.control.service import Listener
from homestow.values.errors import (
    BadRequest,
    CloudError,
    NotFound,
    PathTaken,
)
from homestow.wire.control import (
    About,
    AcceptDeletes,
    AddJob,
    AnyNews,
    AnyOrder,
    Brake,
    ChangeJob,
    ChangeSettings,
    CheckFolder,
    CheckServer,
    Conflict,
    Discover,
    Enable,
    Ended,
    Event,
    EventNews,
    Filters,
    GeneralNews,
    GeneralText,
    GetSettings,
    Hello,
    JobConfig,
    JobGone,
    JobNews,
    JobNow,
    Link,
    ListConflicts,
    ListFolders,
    ListJobs,
    ListLog,
    ListProblems,
    ListWorkspaces,
    LogIn,
    MakeFolder,
    OpenPage,
    Page,
    Pause,
    Problem,
    Progress,
    ProgressNews,
    Quit,
    Reload,
    ReloadFile,
    RemoveJob,
    Settings,
    SettingsNews,
    Settle,
    Share,
    Side,
    Start,
    Unshare,
)

__all__ = ["BEGUN_NS", "BRAKE", "NotReady", "TwinServer", "TwinService", "family_server", "lived_in"]

BEGUN_NS = 1_790_000_000_000_000_000
"""When the twin began: 2026-09-21 13:33:20 UTC. Its clock gives the next second at every event."""

_URGENT: tuple[tuple[GeneralText, tuple[str, ...]], ...] = (
    ("failed", ("failed",)),
    ("asking", ("asking",)),
    ("syncing", ("listing", "scanning", "syncing")),
    ("starting", ("starting",)),
    ("waiting", ("waiting",)),
    ("left", ("left",)),
    ("paused", ("paused",)),
    ("synced", ("synced", "scheduled")),
)


class NotReady(CloudError):
    """The conflict's contents are not both on the server yet."""

    code = "not-ready"


class TwinService:
    """A `SyncService`; thread-safe.

    Args:
        jobs: True: three jobs with a history, problems and conflicts (`lived_in`); False: none.
    """

    def __init__(self, *, jobs: bool = True) -> None:
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._jobs: dict[str, JobNow] = {}
        self._events: list[Event] = []
        self._problems: list[Problem] = []
        self._conflicts: list[Conflict] = []
        self._links: dict[int, tuple[str, str]] = {}
        self._next = 1
        self.settings = Settings()
        self._servers = TwinServers(lambda folder: any(job.config.directory == folder for job in self.jobs()))
        self.servers: list[TwinServer] = self._servers.all
        self.given: list[AnyOrder] = []
        """All orders that were obeyed or refused."""
        self.before: Callable[[AnyOrder], None] = lambda order: None
        """Called with each order before it is obeyed, outside of the lock: a test may wait or raise there."""
        self.file_jobs: list[JobConfig] = []
        """What the job file says at the next `reload-file`, while it is not empty."""
        self.page = "http://127.0.0.1:5559/?key=twin"
        self.quit = threading.Event()
        if jobs:
            lived_in(self)

    # --- the service ----------------------------------------------------------------------------------------------

    def do(self, order: AnyOrder) -> Any:
        """Obey."""
        self.before(order)
        with self._lock:
            self.given.append(order)
            return self._do(order)

    def jobs(self) -> tuple[JobNow, ...]:
        """All jobs, by number."""
        with self._lock:
            return tuple(self._jobs.values())

    def general(self) -> GeneralText:
        """All jobs in one word."""
        states = {job.state for job in self.jobs() if job.state != "off"}
        return next((word for word, these in _URGENT if states & set(these)), "none")

    def current(self) -> tuple[AnyNews, ...]:
        """What a new subscriber missed."""
        with self._lock:
            return (self._general(), *(JobNews(job=job) for job in self.jobs()), SettingsNews(settings=self.settings))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell it all news."""
        with self._lock:
            self._listeners.append(listener)

        def hush() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return hush

    # --- what a test moves ----------------------------------------------------------------------------------------

    def move(self, job: str, **facts: Any) -> JobNow:
        """Other facts of a job (`state`, `why`, `code`, `paused`, `brake`, `synced_at_ns`, …), told to all who listen."""
        with self._lock:
            now = msgspec.structs.replace(self._job(job), **facts)
            self._jobs[job] = now
            self._tell(JobNews(job=now), self._general())
            return now

    def progress(self, job: str, **facts: Any) -> None:
        """Another progress of a job (`files_done`, `bytes_total`, `rate`, `transfers`, …), told as such."""
        with self._lock:
            now = self._job(job)
            self._jobs[job] = msgspec.structs.replace(now, progress=msgspec.structs.replace(now.progress, **facts))
            self._tell(ProgressNews(job=job, progress=self._jobs[job].progress), self._general())

    def happen(self, job: str, kind: str, path: str = "", **facts: Any) -> Event:
        """Something happened to a job: an event with the next number and second, told to all who listen."""
        with self._lock:
            number = len(self._events) + 1
            event = msgspec.convert(
                {
                    "id": number,
                    "at_ns": BEGUN_NS + number * 1_000_000_000,
                    "job": job,
                    "kind": kind,
                    "path": path,
                    **facts,
                },
                Event,
            )
            self._events.append(event)
            self._jobs[job] = msgspec.structs.replace(self._job(job), last=event)
            self._tell(EventNews(events=(event,)))
            return event

    def add(self, config: JobConfig, **facts: Any) -> JobNow:
        """One more job."""
        with self._lock:
            ident = config.id or _free(config, self._jobs)
            job = JobNow(
                config=msgspec.structs.replace(config, id=ident),
                number=len(self._jobs),
                **{"state": "synced" if config.active else "off", **facts},
            )
            self._jobs[ident] = job
            self._tell(JobNews(job=job), self._general())
            return job

    def trouble(self, problem: Problem) -> None:
        """One more item out of step."""
        with self._lock:
            self._problems.append(problem)
            self._count(problem.job)

    def clash(self, job: str, path: str, copy: str, device: str = "ben-laptop", *, ready: bool = True) -> Conflict:
        """One more conflict."""
        with self._lock:
            base = Path(self._job(job).config.directory)
            number = self._next
            self._next += 1
            conflict = Conflict(
                id=f"c{number}",
                job=job,
                at_ns=BEGUN_NS,
                device=device,
                original=_side(base, path, BEGUN_NS - 3_600_000_000_000),
                copy=_side(base, copy, BEGUN_NS - 60_000_000_000),
                ready=ready,
            )
            self._conflicts.append(conflict)
            self.happen(job, "conflict", path, to=copy)
            self._count(job)
            return conflict

    def work(self, job: str) -> None:
        """The job comes to its end: in step, or left with its problems."""
        state = "left" if self._job(job).problems else "synced"
        self.move(job, state=state, progress=Progress(), synced_at_ns=self._now())

    def end(self) -> None:
        """The service ends."""
        self._tell(Ended())

    # --- orders ---------------------------------------------------------------------------------------------------

    def _do(self, order: AnyOrder) -> Any:
        match order:
            case Hello():
                return About(
                    version="0.1.0",
                    pid=os.getpid(),
                    begun_ns=BEGUN_NS,
                    jobs_file="/home/anna/.local/share/homestow/client/jobs.json",
                    device="anna-desktop",
                    general=self.general(),
                )
            case ListJobs():
                return self.jobs()
            case Start() | Pause() | Reload() | AcceptDeletes() | Enable():
                return self._steer(order)
            case ReloadFile() | AddJob() | ChangeJob() | RemoveJob():
                return self._keep(order)
            case ListLog() | ListProblems() | ListConflicts() | Settle():
                return self._account(order)
            case Share() | Unshare():
                return self._link(order)
            case GetSettings():
                return self.settings
            case ChangeSettings(settings=settings):
                self.settings = settings
                self._tell(SettingsNews(settings=settings))
                return settings
            case OpenPage():
                return Page(url=self.page)
            case Quit():
                self.quit.set()
                return True
            case Discover() | CheckServer() | LogIn() | ListWorkspaces() | ListFolders() | MakeFolder() | CheckFolder():
                return self._servers.do(order)

    def _steer(self, order: Start | Pause | Reload | AcceptDeletes | Enable) -> Any:
        match order:
            case Start():
                for job in self._these(order.job):
                    if job.paused:
                        self.happen(job.id, "resume")
                    state = "syncing" if job.state in ("paused", "scheduled", "failed", "waiting") else job.state
                    self.move(job.id, paused=False, state=state, code="", why="")
            case Pause():
                for job in self._these(order.job):
                    self.move(
                        job.id, paused=True, state="paused", progress=msgspec.structs.replace(job.progress, rate=0)
                    )
                    self.happen(job.id, "pause")
            case Reload():
                for job in self._these(order.job):
                    if not job.paused:
                        self.move(job.id, state="scanning", code="", why="")
            case AcceptDeletes():
                if self._job(order.job).brake is None:
                    raise BadRequest(f"The job {order.job} asks nothing.")
                return self.move(order.job, brake=None, state="syncing", code="", why="")
            case Enable():
                config = msgspec.structs.replace(self._job(order.job).config, active=order.active)
                return self.move(order.job, config=config, state="syncing" if order.active else "off", paused=False)
        return self.jobs()

    def _keep(self, order: ReloadFile | AddJob | ChangeJob | RemoveJob) -> Any:
        match order:
            case ReloadFile():
                if self.file_jobs:
                    wanted = {config.id: config for config in self.file_jobs}
                    for gone in [ident for ident in self._jobs if ident not in wanted]:
                        self._remove(gone)
                    for ident, config in wanted.items():
                        if ident not in self._jobs:
                            self.add(config, state="syncing")
                        elif self._jobs[ident].config != config:
                            self.move(ident, config=config, state="syncing")
            case AddJob():
                self._may(order.config, order.password)
                if any(job.config.directory == order.config.directory for job in self.jobs()):
                    raise PathTaken(f"{order.config.directory} is already kept in step by another job.")
                return self.add(order.config, state="syncing" if order.config.active else "off")
            case ChangeJob():
                self._job(order.config.id)
                self._may(order.config, order.password)
                return self.move(
                    order.config.id, config=order.config, state="syncing" if order.config.active else "off"
                )
            case RemoveJob():
                self._remove(order.job)
        return self.jobs()

    def _account(self, order: ListLog | ListProblems | ListConflicts | Settle) -> Any:
        match order:
            case ListLog():
                fitting = (
                    event
                    for event in reversed(self._events)
                    if order.job in (None, event.job)
                    and (order.before is None or event.id < order.before)
                    and (not order.kinds or event.kind in order.kinds)
                )
                return tuple(event for event, _ in zip(fitting, range(order.limit), strict=False))
            case ListProblems():
                return tuple(each for each in self._problems if order.job in (None, each.job))
            case ListConflicts():
                return tuple(each for each in self._conflicts if order.job in (None, each.job))
            case Settle():
                chosen = [
                    each
                    for each in self._conflicts
                    if each.job == self._job(order.job).id and order.conflict in (None, each.id)
                ]
                if order.conflict is not None and not chosen:
                    raise NotFound("This conflict is settled already.")
                if late := next((each for each in chosen if not each.ready), None):
                    raise NotReady(f"{late.copy.path} is not on the server yet; choose when it is.")
                for each in chosen:
                    self._conflicts.remove(each)
                    self.happen(each.job, "settled", each.original.path, to=each.copy.path, message=order.keep)
                self._count(order.job)
                return tuple(each for each in self._conflicts if each.job == order.job)

    def _link(self, order: Share | Unshare) -> Any:
        server = self._servers.named(self._job(order.job).config.server)
        match order:
            case Share():
                number = self._next
                self._next += 1
                self._links[number] = (order.job, order.path)
                return Link(url=f"{server.url}/s/twin-{number}", id=number)
            case Unshare():
                if self._links.pop(order.link, None) is None:
                    raise NotFound("There is no such link.")
                return True

    # --- inside ---------------------------------------------------------------------------------------------------

    def _tell(self, *news: AnyNews) -> None:
        for each in news:
            for listener in list(self._listeners):
                listener(each)

    def _general(self) -> GeneralNews:
        parts = [job.progress for job in self.jobs()]
        return GeneralNews(
            general=self.general(),
            progress=Progress(
                files_done=sum(part.files_done for part in parts),
                files_total=sum(part.files_total for part in parts),
                bytes_done=sum(part.bytes_done for part in parts),
                bytes_total=sum(part.bytes_total for part in parts),
                scanned=sum(part.scanned for part in parts),
                rate=sum(part.rate for part in parts),
                left_s=max((part.left_s for part in parts if part.left_s is not None), default=None),
            ),
        )

    def _now(self) -> int:
        return BEGUN_NS + len(self._events) * 1_000_000_000

    def _job(self, ident: str) -> JobNow:
        job = self._jobs.get(ident)
        if job is None:
            raise NotFound(f"There is no job {ident}.")
        return job

    def _these(self, ident: str | None) -> Iterable[JobNow]:
        return [job for job in self.jobs() if job.state != "off"] if ident is None else [self._job(ident)]

    def _remove(self, ident: str) -> None:
        self._job(ident)
        del self._jobs[ident]
        self._problems = [each for each in self._problems if each.job != ident]
        self._conflicts = [each for each in self._conflicts if each.job != ident]
        self._tell(JobGone(job=ident))
        for number, job in enumerate(self.jobs()):
            if job.number != number:
                self.move(job.id, number=number)
        self._tell(self._general())

    def _count(self, ident: str) -> None:
        self.move(
            ident,
            problems=sum(each.job == ident and each.left for each in self._problems),
            conflicts=sum(each.job == ident for each in self._conflicts),
        )

    def _may(self, config: JobConfig, password: str | None) -> None:
        if not config.directory.startswith("/"):
            raise BadRequest("Give the whole path of the folder.")
        if password is not None:
            self._servers.do(LogIn(url=config.server, user=config.user, password=password))
        else:
            self._servers.entered(config.server, config.user)


def _free(config: JobConfig, taken: Container[str]) -> str:
    host = config.server.partition("://")[2].partition("/")[0].partition(":")[0] or "local"
    base = f"{host}-{config.workspace or config.user or 'files'}".replace(" ", "-").replace("/", "-")
    return next(name for name in (base, *(f"{base}-{n}" for n in range(1, 10_000))) if name not in taken)


def _side(base: Path, path: str, mtime_ns: int) -> Side:
    file = base / path
    return Side(
        path=path,
        file=str(file),
        size=file.stat().st_size if file.is_file() else 4096,
        mtime_ns=file.stat().st_mtime_ns if file.is_file() else mtime_ns,
    )


def lived_in(twin: TwinService, home: str = "/home/anna") -> None:
    """Fill a twin: a synced job, a syncing one and a paused one, with a history, problems and two conflicts."""
    server = "https://home.example.org"
    twin.add(
        JobConfig(
            id="documents",
            label="Documents",
            server=server,
            user="anna",
            workspace="anna",
            directory=f"{home}/Documents",
        )
    )
    twin.add(
        JobConfig(
            id="photos", label="Photos", server=server, user="anna", workspace="Photos", directory=f"{home}/Pictures"
        ),
        state="syncing",
    )
    twin.add(
        JobConfig(
            id="manuals", label="Manuals", server=server, user="anna", workspace="Manuals", directory=f"{home}/Manuals",
            direction="down", filters=Filters(excludes=("*.tmp",)),
        ),
        state="paused", paused=True,
    )  # fmt: skip
    twin.happen("documents", "upload", "Taxes/2025.ods", side="there", size=48_213)
    twin.happen("documents", "move", "letter.odt", to="Letters/letter.odt", side="there")
    twin.happen("photos", "mkdir", "2026/Sommer", side="here", folder=True)
    for number in range(1, 9):
        twin.happen("photos", "download", f"2026/Sommer/IMG_{number:04}.jpg", side="here", size=3_400_000 + number)
    twin.happen("documents", "delete", "old notes.txt", side="here")
    twin.trouble(
        Problem(
            job="documents", path="Budget.xlsx", code="busy", left=True,
            message="Budget.xlsx is being written by another program. It is sent when that is done.",
        )
    )  # fmt: skip
    twin.clash("documents", "plan.md", "plan (conflict ben-laptop 2026-09-21 0f3a9c).md")
    twin.clash("photos", "cover.jpg", "cover (conflict ben-laptop 2026-09-21 b81c44).jpg", ready=False)
    twin.move("documents", state="left", synced_at_ns=BEGUN_NS)
    twin.progress(
        "photos", files_done=8, files_total=40, bytes_done=27_200_036, bytes_total=136_000_000, scanned=40,
        rate=5_600_000.0, left_s=19.4, current="2026/Sommer/IMG_0009.jpg",
    )  # fmt: skip


BRAKE = Brake(side="there", files=180, of=240)
"""A brake's question, for `move(job, state="asking", brake=BRAKE)`."""
