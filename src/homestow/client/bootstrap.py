"""Wires a job from real parts; the one place of the client that knows them all, and imports each when it is needed."""

import gc
import glob
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from homestow import __version__
from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.rules import Direction
from homestow.client.engine.sightings import PRIVATE_NAME
from homestow.client.ports.clock import Chance, Clock
from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.localtree import LocalTree, RootMissing
from homestow.client.ports.remote import Places, Remote
from homestow.client.ports.watcher import Watcher
from homestow.client.running.cycle import Cycle
from homestow.client.running.daemon import Job, Stop, let_memory_go
from homestow.client.running.deeds import Deed, Told, nobody
from homestow.client.running.outcome import Outcome
from homestow.client.running.progress import Progress
from homestow.client.running.service import Facts, Service
from homestow.client.running.standing import Hooks, Opened, Surroundings
from homestow.client.settings import SETTLE_S, JobSettings
from homestow.values.errors import BadSettings, CloudError, NotFound, with_reason
from homestow.values.ids import RootId
from homestow.values.nodes import Node
from homestow.wire.control import FolderSeen, JobConfig, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homestow.client.adapters.logins import Login
    from homestow.client.adapters.throttle import Throttle
    from homestow.client.control.hub import Hub
    from homestow.client.control.web.page import WebPage
    from homestow.client.ports.accounts import Announced
    from homestow.client.ports.history import History
    from homestow.client.running.conflicts import Conflicts

_log = logging.getLogger(__name__)


def open_job(settings: JobSettings, *, continuous: bool = False, told: Told = nobody) -> Job:
    """A job ready to run: `once()`, or `run()` when `continuous`; `told` hears what it did.

    Raises:
        CloudError: the server, the login, the root, the folder or the state cannot be used; `StoreLocked` when another
            process keeps the folder in step (SC-195).
    """
    return _opened(settings, continuous, told, None, lambda state: None, lambda cycle, clock: None).job


def _opened(
    settings: JobSettings,
    continuous: bool,
    told: Told,
    progress: Progress | None,
    found_state: Callable[[Path], None],
    conflicts_of: "Callable[[Cycle, Clock], Conflicts | None]",
    throttle: "Throttle | None" = None,
) -> Opened:
    """See `open_job`; `found_state` is told where the job keeps its state, before there is any, and `throttle` is shared."""
    from homestow.client.adapters.clock_system import SystemChance, SystemClock, ThreadWorkers
    from homestow.client.adapters.state_sqlite import SqliteState
    from homestow.client.adapters.tree_disk import DiskTree

    _make_ready(settings, continuous)
    settings = _without_ours(settings)
    root = RootId(settings.bind or 1) if settings.is_netdrive else root_id(settings)
    tree = DiskTree(settings.folder, PRIVATE_NAME)
    state_file = _state_file(settings, root)
    if state_file.exists():
        _check_known_folder(tree, state_file)
    tree.prepare()
    try:
        found_state(state_file)
        state = SqliteState(state_file)
        clock, chance, stop = SystemClock(), SystemChance(), Stop()
        workers = ThreadWorkers(settings.workers)

        def refused(node: Node, error: CloudError) -> bool:
            return cycle.refused(node, error)

        def heard(deed: Deed) -> None:
            if conflicts is not None:
                conflicts.heard(deed)
            told(deed)

        open_sights = _netdrive if settings.is_netdrive else _native
        sights = open_sights(settings, root, state_file, clock, chance, refused, continuous, throttle)
        remote, follower, names, places, let_go = sights
        cycle = Cycle(
            tree, remote, state, clock, chance, workers, device=settings.device, direction=settings.direction,
            settle_s=SETTLE_S if continuous else 0.0, accept_deletes=settings.accept_deletes, stop=stop, fingerprints=names,
            told=heard, progress=progress, filters=settings.filters, remote_folder=settings.remote_folder.strip("/"),
            places=places,
        )  # fmt: skip
        conflicts = conflicts_of(cycle, clock)
    except BaseException:
        tree.close()
        raise

    def watch() -> Watcher:
        from homestow.client.adapters.watch_os import OsWatcher

        return OsWatcher(settings.folder, PRIVATE_NAME)

    def close() -> None:
        remote.close()
        workers.close()
        let_go()
        tree.close()

    def rest() -> None:
        # Threads hold memory of their own; they begin again with the next work.
        workers.close()
        let_memory_go()

    return Opened(Job(cycle, remote, follower, watch, clock, chance, stop, close, rest), conflicts)


def _without_ours(settings: JobSettings) -> JobSettings:
    """Whoever keeps a whole home in step does not send the logins and states of this very client with it (S90)."""
    from homestow.client.adapters.this_computer import client_folder

    ours, folder = Path(os.path.realpath(client_folder())), Path(os.path.realpath(settings.folder))
    if folder not in ours.parents:
        return settings
    inside = glob.escape("/" + ours.relative_to(folder).as_posix())
    return replace(settings, filters=Filters(settings.filters.includes, (*settings.filters.excludes, inside)))


def _make_ready(settings: JobSettings, continuous: bool) -> None:
    """Make the process ready for a job.

    Raises:
        BadSettings: the job asks for what its server cannot do.
    """
    # A tree of 100,000 files is a million small values that live as long as the job: looking through them for circles
    # again and again costs more than everything else a pass without changes does.
    gc.set_threshold(200_000, 20, 100)
    if continuous:
        # What is loaded in the middle of much work would lie between it, and keep that memory from being given back.
        import concurrent.futures.thread  # noqa: F401
        import ctypes  # noqa: F401
    if settings.is_netdrive and settings.remote_folder.strip("/"):
        raise BadSettings(
            "One folder of a root can be synced only with the native protocol: use the server's http address, or sync all."
        )


_Sights = tuple[Remote, Remote | None, Fingerprints | None, Places | None, Callable[[], None]]
"""The job's own sight of the server, the follower's, what names contents by MD5, what finds things by path, and what to call
when both are closed."""

_Told = Callable[[Node, CloudError], bool]


def _native(
    settings: JobSettings, root: RootId, state_file: Path, clock: Clock, chance: Chance, told: _Told, continuous: bool,
    throttle: "Throttle | None",
) -> _Sights:  # fmt: skip
    from homestow.client.adapters.remote_api import ApiRemote, log_refused

    def refused(node: Node, error: CloudError) -> None:
        if not told(node, error):
            log_refused(node, error)

    server, token, timeout_s = settings.server, settings.token, settings.timeout_s
    remote = ApiRemote(server, token, root, timeout_s, refused, throttle)
    follower = ApiRemote(server, token, root, timeout_s, throttle=throttle) if continuous else None
    return remote, follower, None, remote, lambda: None


def _netdrive(
    settings: JobSettings, root: RootId, state_file: Path, clock: Clock, chance: Chance, told: _Told, continuous: bool,
    throttle: "Throttle | None",
) -> _Sights:  # fmt: skip
    from homestow.client.adapters.netdrive_client import NetdriveServer
    from homestow.client.adapters.remote_api import log_refused
    from homestow.client.adapters.remote_netdrive import NetdriveRemote
    from homestow.client.adapters.remote_netdrive_account import Account
    from homestow.client.adapters.remote_netdrive_calls import ServerDrive
    from homestow.client.adapters.remote_netdrive_store import NetdriveStore
    from homestow.wire.netdrive import Dialect

    def refused(node: Node, error: CloudError) -> None:
        if not told(node, error):
            log_refused(node, error)

    def sight() -> NetdriveRemote:
        server = NetdriveServer(
            settings.server, session=settings.token, bind=settings.bind, timeout_s=settings.timeout_s,
            throttle=throttle,
        )  # fmt: skip
        if settings.dialect == Dialect.FINAL.value:
            server.dialect, server.long_heads = Dialect.FINAL, False
        return NetdriveRemote(
            account, ServerDrive(server), clock, chance, name=settings.root or "netdrive", writable=settings.writable,
            refused=refused,
        )  # fmt: skip

    store = NetdriveStore(state_file.with_suffix(".netdrive"))
    account = Account(store, clock, root)
    return sight(), sight() if continuous else None, account, None, store.close


def root_id(settings: JobSettings) -> RootId:
    """The root that the job means, by its name, in whatever capitals, or its number.

    Raises:
        NotFound: no root of that name, or none at all, is the account's to see.
    """
    from homestow.client.adapters.api_client import Client

    client = Client(settings.server, settings.token, settings.timeout_s)
    try:
        roots = client.roots()
    finally:
        client.close()
    if not roots:
        raise NotFound("This account has no root on the server yet.")
    if settings.root is None:
        return RootId(next((root.id for root in roots if root.rights == "own"), roots[0].id))
    wanted = settings.root
    named = [root for root in roots if root.name == wanted] or [
        root for root in roots if root.name.casefold() == wanted.casefold() or str(root.id) == wanted
    ]
    if named:
        return RootId(named[0].id)
    names = ", ".join(sorted(root.name for root in roots))
    raise NotFound(f"There is no root {settings.root!r} for this account on the server; there is: {names}.")


def _check_known_folder(tree: LocalTree, state_file: Path) -> None:
    """A folder that was in step before must still be it: an empty mount point looks like everything deleted (SC-190).

    Raises:
        RootMissing: it is not there, or is another one.
    """
    try:
        tree.check_root()
    except RootMissing as error:
        raise RootMissing(
            f"{error.message} If it was emptied or replaced on purpose, remove {state_file} and run this again: "
            "both sides are joined then, and nothing is deleted."
        ) from error


def _state_file(settings: JobSettings, root: RootId) -> Path:
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"The folder {settings.data} cannot be made: {error.strerror}.") from error
    return settings.state_path(root)


# --- the sync service -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What a sync service shall be.

    Attributes:
        name: of its place, see `control.places`.
        client: folder of this computer's client data.
        jobs_file: the job file; None: only the job `given`.
        given: a job of the command line, not stored.
        known: how that one logs in, when it has done so already; taken for the first opening.
        zmq_port, api_port: ports given by flag; None: those of the settings.
        heard: hears each pass's outcome.
    """

    name: str
    client: Path
    jobs_file: Path | None = None
    given: JobConfig | None = None
    known: JobSettings | None = None
    zmq_port: int | None = None
    api_port: int | None = None
    heard: Callable[[str, Outcome], None] = lambda job, outcome: None


class Running:
    """A sync service with all that steers it. `begin`, `wait` until it shall end, `close`."""

    def __init__(self, plan: ServicePlan) -> None:
        """Take the place, and put everything together; nothing runs yet.

        Raises:
            StoreLocked: a service of this name runs already.
            CloudError: a file of the client's cannot be used.
        """
        from homestow.client.adapters.accounts_api import ApiAccounts
        from homestow.client.adapters.clock_system import SystemChance, SystemClock
        from homestow.client.adapters.job_file import FileJobs
        from homestow.client.adapters.job_notes import FileNotes
        from homestow.client.adapters.logins import Logins
        from homestow.client.adapters.settings_file import FileSettings
        from homestow.client.adapters.this_computer import device_name
        from homestow.client.adapters.throttle import Throttle
        from homestow.client.control import places

        self._plan = plan
        self._held = places.take(plan.name, plan.client)
        try:
            self._ended = threading.Event()
            self._states = plan.client / "jobs"
            self._notes = FileNotes(self._states)
            self._device = device_name()
            self._logins = ApiAccounts(Logins(plan.client), self._device, _discover)
            self._known = plan.known
            self._history = _history(plan.client, "" if plan.name == places.SERVICE else f"-{plan.name}")
            clock, chance = SystemClock(), SystemChance()
            self.service = Service(
                lambda service: Surroundings(
                    self._open, self._notes, clock, chance, service.publisher.changed, service.publisher.stirred,
                    service.publisher.record, plan.heard,
                ),
                None if plan.jobs_file is None else FileJobs(plan.jobs_file),
                self._logins,
                self._history,
                FileSettings(plan.client / "settings.json"),
                self,
                Facts(__version__, os.getpid(), clock.now_ns(), self._device),
            )  # fmt: skip
            self._throttle = Throttle(clock)
            self._limit(self.service.settings)
            self._hub: Hub | None = None
            self._page: WebPage | None = None
            self._opening = threading.Lock()
        except BaseException:
            self._held.release()
            raise

    def begin(self) -> None:
        """Open what was given, begin all jobs, then answer.

        Raises:
            CloudError: the given job, or the job file, cannot be used.
        """
        given = []
        if self._plan.given is not None:
            task = self.service.task(self._plan.given)
            given.append(task)
            if self._known is not None:
                task.prepare()
        self.service.begin(given)
        from homestow.client.control.hub import Hub

        self._hub = Hub(self.service, self._held, port_file=self._plan.client / "pydio_port_config")
        self._hub.open()
        self._open_ports()

    def _open_ports(self) -> None:
        """Those of the flags have to open; those of the settings do when they can."""
        settings = self.service.settings
        for given, kept, open_port in (
            (self._plan.zmq_port, settings.zmq_port, self._open_plain),
            (self._plan.api_port, settings.api_port, self._open_web),
        ):
            if given is not None:
                open_port(given)
            elif kept and self._plan.jobs_file is not None:
                try:
                    open_port(kept)
                except CloudError as error:
                    _log.warning("a port of the settings stays closed: %s", error.message)

    def _open_plain(self, port: int) -> None:
        if self._hub is not None:
            self._hub.open_plain(port)

    def _open_web(self, port: int) -> None:
        with self._opening:
            if self._page is None:
                self._page = self._made_page()
            self._page.start(port)

    def _made_page(self) -> "WebPage":
        from time import monotonic

        from homestow.client.apps import page, texts
        from homestow.client.control.web.page import WebPage

        folders = {"": Path(page.__file__).parent, "texts": Path(texts.__file__).parent}
        return WebPage(
            self.service, folders=folders, ports_file=self._plan.client / "ports_config", monotonic=monotonic
        )

    def wait(self) -> None:
        """Come back when the service was told to end."""
        self._ended.wait()

    def close(self) -> None:
        """End everything; may be called in every state."""
        self.service.close()
        if self._page is not None:
            self._page.stop()
        if self._hub is not None:
            self._hub.close()
        self._history.close()
        self._held.release()

    # --- what the service needs of the house, see `running.service.House` -----------------------------------------------

    def quit(self) -> None:
        """See `House`."""
        self._ended.set()

    def apply(self, before: Settings, now: Settings) -> None:
        """See `House`; what was changed is changed back when something of it cannot be."""
        try:
            self._change(before, now)
        except CloudError:
            with suppress(CloudError):
                self._change(now, before)
            raise

    def _limit(self, settings: Settings) -> None:
        self._throttle.limit(settings.up_kbytes * 1000, settings.down_kbytes * 1000)

    def _change(self, before: Settings, now: Settings) -> None:
        from homestow.client.adapters import autostart

        self._limit(now)
        if now.autostart != before.autostart:
            if now.autostart:
                autostart.turn_on()
            else:
                autostart.turn_off()
        if now.zmq_port != before.zmq_port and self._hub is not None:
            if now.zmq_port:
                self._hub.open_plain(now.zmq_port)
            elif self._plan.zmq_port is None:
                self._hub.close_plain()
        if now.api_port != before.api_port:
            if self._page is not None:
                self._page.stop()
            if now.api_port:
                self._open_web(now.api_port)

    def begins_with_session(self) -> bool:
        """See `House`."""
        from homestow.client.adapters import autostart

        return autostart.is_on()

    def open_page(self) -> str:
        """See `House`."""
        self._open_web(self._plan.api_port or self.service.settings.api_port)
        assert self._page is not None
        return self._page.open()

    def check_folder(self, directory: str) -> FolderSeen:
        """See `House`."""
        from homestow.client.adapters.folder_check import check_folder

        return check_folder(directory)

    def real(self, directory: str) -> str:
        """See `House`."""
        return os.path.realpath(directory)

    def forget(self, config: JobConfig) -> None:
        """See `House`."""
        self._notes.forget(config.directory)

    def _open(self, config: JobConfig, hooks: Hooks, *, continuous: bool, accept_deletes: bool) -> Opened:
        known, self._known = self._known, None
        settings = known or self._settings(config)
        if accept_deletes:
            settings = replace(settings, accept_deletes=True)

        def found_state(state: Path) -> None:
            note = self._notes.read(config.directory)
            names = tuple(dict.fromkeys((*note.state, state.name, state.with_suffix(".netdrive").name)))
            self._notes.write(config.directory, note._replace(state=names))

        def conflicts_of(cycle: Cycle, clock: Clock) -> "Conflicts":
            from homestow.client.running.conflicts import Conflicts

            return Conflicts(
                cycle.settling, cycle.wake, self._history, clock, job=config.id, folder=settings.folder,
                device=self._device, solve=config.solve,
            )  # fmt: skip

        return _opened(
            settings, continuous, hooks.told, hooks.progress, found_state, conflicts_of, self._throttle
        )  # fmt: skip

    def _settings(self, config: JobConfig) -> JobSettings:
        login = self._logins.login(config.server, config.user)
        settings = JobSettings(
            server=config.server, token=login.token, folder=Path(config.directory), device=self._device,
            data=self._states, root=config.workspace or None, direction=Direction(config.direction),
            timeout_s=float(config.timeout), workers=config.poolsize, remote_folder=config.remote_folder,
            filters=Filters(config.filters.includes or NOTHING.includes, config.filters.excludes),
        )  # fmt: skip
        return _bound(settings, login) if settings.is_netdrive else settings


def _discover(seconds: float) -> "Sequence[Announced]":
    from homestow.client.adapters.discovery import discover

    return discover(seconds)


def _history(client: Path, which: str) -> "History":
    """The log of events; where it cannot be kept it is of this run alone, because no file depends on it."""
    from homestow.client.adapters.history_sqlite import SqliteHistory

    try:
        return SqliteHistory(client / f"history{which}.sqlite")
    except CloudError as error:
        from homestow.client.adapters.history_memory import MemoryHistory

        _log.warning("what happens is not kept: %s", with_reason(error))
        return MemoryHistory()


def _bound(settings: JobSettings, login: "Login") -> JobSettings:
    """What a job over the netdrive protocol must know besides: the root by its number, how the server is spoken to."""
    from homestow.client.adapters.netdrive_address import parse_netdrive
    from homestow.client.adapters.netdrive_client import NetdriveServer
    from homestow.client.adapters.netdrive_roots import choose
    from homestow.wire.netdrive import Dialect

    with NetdriveServer(parse_netdrive(settings.server), session=login.token, timeout_s=settings.timeout_s) as server:
        if login.dialect == Dialect.FINAL.value:
            server.dialect, server.long_heads = Dialect.FINAL, False
        bind = choose(server, login.user, settings.root)
        return replace(
            settings, root=bind.name or None, bind=bind.number, writable=bind.writable,
            dialect=server.dialect.value,
        )  # fmt: skip
