"""Wires a job from real parts; the one place of the client that knows them all, and imports each when it is needed."""

import gc
from collections.abc import Callable
from pathlib import Path

from homestow.client.engine.sightings import PRIVATE_NAME
from homestow.client.ports.clock import Chance, Clock
from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.localtree import LocalTree, RootMissing
from homestow.client.ports.remote import Remote
from homestow.client.ports.watcher import Watcher
from homestow.client.running.cycle import Cycle
from homestow.client.running.daemon import Job, Stop
from homestow.client.running.deeds import Told, nobody
from homestow.client.settings import SETTLE_S, JobSettings
from homestow.values.errors import BadSettings, CloudError, NotFound
from homestow.values.ids import RootId
from homestow.values.nodes import Node


def open_job(settings: JobSettings, *, continuous: bool = False, told: Told = nobody) -> Job:
    """A job ready to run: `once()`, or `run()` when `continuous`; `told` hears what it did.

    Raises:
        CloudError: the server, the login, the root, the folder or the state cannot be used; `StoreLocked` when another
            process keeps the folder in step (SC-195).
    """
    from homestow.client.adapters.clock_system import SystemChance, SystemClock, ThreadWorkers
    from homestow.client.adapters.state_sqlite import SqliteState
    from homestow.client.adapters.tree_disk import DiskTree

    # A tree of 100,000 files is a million small values that live as long as the job: looking through them for circles
    # again and again costs more than everything else a pass without changes does.
    gc.set_threshold(200_000, 20, 100)
    root = RootId(settings.bind or 1) if settings.is_netdrive else root_id(settings)
    tree = DiskTree(settings.folder, PRIVATE_NAME)
    state_file = _state_file(settings, root)
    if state_file.exists():
        _check_known_folder(tree, state_file)
    tree.prepare()
    try:
        state = SqliteState(state_file)
        clock, chance, stop = SystemClock(), SystemChance(), Stop()
        workers = ThreadWorkers(settings.workers)

        def refused(node: Node, error: CloudError) -> bool:
            return cycle.refused(node, error)

        open_sights = _netdrive if settings.is_netdrive else _native
        remote, follower, names, let_go = open_sights(settings, root, state_file, clock, chance, refused, continuous)
        cycle = Cycle(
            tree, remote, state, clock, chance, workers, device=settings.device, direction=settings.direction,
            settle_s=SETTLE_S if continuous else 0.0, accept_deletes=settings.accept_deletes, stop=stop, fingerprints=names,
            told=told,
        )  # fmt: skip
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

    return Job(cycle, remote, follower, watch, clock, chance, stop, close)


_Sights = tuple[Remote, Remote | None, Fingerprints | None, Callable[[], None]]
"""The job's own sight of the server, the follower's, what names contents by MD5, and what to call when both are closed."""

_Told = Callable[[Node, CloudError], bool]


def _native(
    settings: JobSettings, root: RootId, state_file: Path, clock: Clock, chance: Chance, told: _Told, continuous: bool
) -> _Sights:
    from homestow.client.adapters.remote_api import ApiRemote, log_refused

    def refused(node: Node, error: CloudError) -> None:
        if not told(node, error):
            log_refused(node, error)

    remote = ApiRemote(settings.server, settings.token, root, settings.timeout_s, refused)
    follower = ApiRemote(settings.server, settings.token, root, settings.timeout_s) if continuous else None
    return remote, follower, None, lambda: None


def _netdrive(
    settings: JobSettings, root: RootId, state_file: Path, clock: Clock, chance: Chance, told: _Told, continuous: bool
) -> _Sights:
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
            settings.server, session=settings.token, bind=settings.bind, timeout_s=settings.timeout_s
        )
        if settings.dialect == Dialect.FINAL.value:
            server.dialect, server.long_heads = Dialect.FINAL, False
        return NetdriveRemote(
            account, ServerDrive(server), clock, chance, name=settings.root or "netdrive", writable=settings.writable,
            refused=refused,
        )  # fmt: skip

    store = NetdriveStore(state_file.with_suffix(".netdrive"))
    account = Account(store, clock, root)
    return sight(), sight() if continuous else None, account, store.close


def root_id(settings: JobSettings) -> RootId:
    """The root that the job means.

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
        return RootId(roots[0].id)
    for root in roots:
        if root.name == settings.root:
            return RootId(root.id)
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
