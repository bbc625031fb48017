"""A sync service in memory: jobs that do nothing but what a test lets happen, a clock that is moved, and what was published."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, cast

from homestow.client.adapters.accounts_memory import MemoryAccounts, MemoryServer, MemorySpace
from homestow.client.adapters.clock_memory import SeededChance, SimClock
from homestow.client.adapters.history_memory import MemoryHistory
from homestow.client.adapters.job_file import MemoryJobs
from homestow.client.adapters.job_notes import MemoryNotes
from homestow.client.adapters.settings_file import MemorySettings
from homestow.client.running.conflicts import Conflicts
from homestow.client.running.daemon import Job
from homestow.client.running.outcome import Counts, Ending, Outcome
from homestow.client.running.progress import Doing
from homestow.client.running.service import Facts, Service
from homestow.client.running.standing import Hooks, Opened, Surroundings
from homestow.values.errors import CloudError
from homestow.wire.control import AnyNews, FolderSeen, JobConfig, JobNow, Settings

SERVER = "http://home:5000"
PATIENCE_S = 10.0


def eventually(condition: Callable[[], Any], what: str = "it") -> None:
    """Wait until `condition` holds; the threads of jobs take their time."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.002)


def outcome(ending: Ending = Ending.IN_STEP, **more: Any) -> Outcome:
    """How a pass ended."""
    return Outcome(ending, Counts(), **more)


class TwinJob:
    """Stands for `running.daemon.Job`: each pass ends as the test says with `passes.put`."""

    def __init__(self, hooks: Hooks, *, accept_deletes: bool) -> None:
        self.hooks, self.accept_deletes_given = hooks, accept_deletes
        self.progress = hooks.progress
        self.passes: SimpleQueue[Outcome | None] = SimpleQueue()
        self.rescans = self.accepted = 0
        self.closed = threading.Event()
        self._stopped = False

    def once(self) -> Outcome:
        """One pass."""
        self.progress.at(Doing.SCANNING)
        return self._next()

    def run(self, told: Callable[[Outcome], None]) -> Outcome:
        """Passes until it is stopped; between them it rests."""
        self.progress.at(Doing.SCANNING)
        while True:
            ended = self._next()
            told(ended)
            if ended.ending is Ending.STOPPED:
                return ended

    def _next(self) -> Outcome:
        ended = self.passes.get()
        return outcome(Ending.STOPPED) if ended is None or self._stopped else ended

    def stop(self) -> None:
        """End soon."""
        self._stopped = True
        self.passes.put(None)

    def rescan(self) -> None:
        """Counts."""
        self.rescans += 1

    def accept_deletes(self) -> None:
        """Counts."""
        self.accepted += 1

    def soon(self) -> None:
        """Nothing."""

    def ask(self, errand: Callable[[], Any]) -> Any:
        """In the thread that asks."""
        return errand()

    def close(self) -> None:
        """Let go."""
        self.closed.set()


class World:
    """What a service stands on; also its `House`."""

    def __init__(self, jobs: bytes | None = b"{}", settings: Settings | None = None) -> None:
        self.clock, self.notes, self.history = SimClock(), MemoryNotes(), MemoryHistory()
        self.cloud = MemoryServer({"anna": "secret"}, [MemorySpace(1, "anna", {"anna": "own"})])
        self.accounts = MemoryAccounts({SERVER: self.cloud})
        self.accounts.log_in(SERVER, "anna", "secret")
        self.book = None if jobs is None else MemoryJobs(jobs)
        self.settings = MemorySettings(settings)
        self.opened: list[tuple[JobConfig, TwinJob]] = []
        self.refuse: list[Exception] = []
        self.conflicts: Conflicts | None = None
        self.heard: list[AnyNews] = []
        self.forgotten: list[str] = []
        self.applied: list[Settings] = []
        self.quits = 0
        self.autostart = False

    def around(self, service: Service) -> Surroundings:
        """What jobs share."""
        publisher = service.publisher
        return Surroundings(
            self.open, self.notes, self.clock, SeededChance(1), publisher.changed, publisher.stirred, publisher.record
        )

    def service(self) -> Service:
        """A service that begins; `close` it."""
        service = Service(
            self.around, self.book, self.accounts, self.history, self.settings, self, Facts("1", 5, 6, "laptop")
        )
        service.listen(self.heard.append)
        service.begin()
        return service

    def open(self, config: JobConfig, hooks: Hooks, *, continuous: bool, accept_deletes: bool) -> Opened:
        """An `Opener`."""
        if self.refuse:
            raise self.refuse[0]
        job = TwinJob(hooks, accept_deletes=accept_deletes)
        self.opened.append((config, job))
        return Opened(cast(Job, job), self.conflicts)

    def running(self, job: str) -> TwinJob:
        """The job of this id that runs now."""
        found: list[TwinJob] = []

        def there() -> bool:
            found[:] = [twin for config, twin in self.opened if config.id == job and not twin.closed.is_set()]
            return bool(found)

        eventually(there, f"{job} to be opened")
        return found[-1]

    # --- see `running.service.House` ------------------------------------------------------------------------------------

    def apply(self, before: Settings, now: Settings) -> None:
        """See `House`."""
        if now.zmq_port == 1:
            raise CloudError("taken")
        self.applied.append(now)

    def begins_with_session(self) -> bool:
        """See `House`."""
        return self.autostart

    def open_page(self) -> str:
        """See `House`."""
        return "http://127.0.0.1:1/#key"

    def check_folder(self, directory: str) -> FolderSeen:
        """See `House`."""
        return FolderSeen(directory=directory, exists=True, files=1, size_bytes=2, more=False, free_bytes=3)

    def real(self, directory: str) -> str:
        """See `House`."""
        return directory.replace("/link", "/docs")

    def forget(self, config: JobConfig) -> None:
        """See `House`."""
        self.forgotten.append(config.id)
        self.notes.forget(config.directory)

    def quit(self) -> None:
        """See `House`."""
        self.quits += 1


def state(service: Service, job: str) -> JobNow:
    """One job as it is."""
    return next(each for each in service.jobs() if each.id == job)
