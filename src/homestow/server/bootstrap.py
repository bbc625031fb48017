"""Puts a server together: the only place that sees settings, adapters, use cases and fronts at once.

`open_house` opens a data folder for one process (the server, or a command while no server runs); `Server` serves it.
"""

import asyncio
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.copies import SqlCopies
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.extras import SqlExtras
from homestow.server.adapters.catalogue_sql.listing import SqlListingSource
from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.adapters.catalogue_sql.shares import SqlShares
from homestow.server.adapters.clock_system import SystemClock
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.adapters.thumbs_disk import DiskThumbs
from homestow.server.adapters.thumbs_sent import DiskSentThumbs
from homestow.server.ports.content import Content
from homestow.server.ports.copies import Copy
from homestow.server.ports.listing import Listing
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.accounts import Accounts
from homestow.server.service.admin_ditto import DittoOrders
from homestow.server.service.committer import Committer
from homestow.server.service.core import Core, make_core
from homestow.server.service.hashing import Hashing
from homestow.server.service.isync import Isync, IsyncRows, drop_orphans, make_isync
from homestow.server.service.keeping import Keeping, make_keeping
from homestow.server.service.listing import ListingService
from homestow.server.service.media_parts import MediaParts, MediaStores, make_media
from homestow.server.service.outside import Outside
from homestow.server.service.restore import Restored, restore
from homestow.server.service.roots import Roots
from homestow.server.service.services import Services
from homestow.server.service.shares import Shares
from homestow.server.settings import DataFolder, Settings, parse_address
from homestow.values.errors import BadSettings, StorageFailed
from homestow.values.ids import Epoch

if TYPE_CHECKING:
    from homestow.server.border import Border
    from homestow.server.fronts.ditto.front import DittoFront
    from homestow.server.fronts.http.routing import Router
    from homestow.server.fronts.tcp.serving import TcpServer
    from homestow.server.service.ditto import Ditto
    from homestow.server.service.ditto_tokens import Key
    from homestow.server.service.netdrive import Netdrive
    from homestow.server.service.picloud import Picloud

log = logging.getLogger(__name__)

DITTO_KEYS = "ditto.keys"

_FILES_OF_A_CLIENT = 4
"""So many open files are counted for each TCP client that may be there: its connection, a content, and room for all others."""


@dataclass(frozen=True, slots=True)
class House:
    """An open data folder with all its use cases."""

    folder: DataFolder
    settings: Settings
    database: Database
    core: Core
    services: Services
    keeping: Keeping
    isync: Isync
    listing: ListingService
    pictures: MediaParts
    ditto: "DittoUse"


class DittoUse:
    """The use cases of the Ditto services, made when somebody is to use them: a front, or an order of the owner."""

    def __init__(self, make: "Callable[[], Ditto]") -> None:
        self._make = make
        self._made: Ditto | None = None
        self._lock = threading.Lock()

    def get(self) -> "Ditto":
        """The same for everybody. Raises as `open_ditto`."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def close(self) -> None:
        """End them; harmless when there are none."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()


def own_roots(folder: DataFolder, settings: Settings) -> Path:
    """The folder in which own roots are made.

    Raises:
        StorageFailed: it cannot be made.
    """
    if settings.users_folder is None:
        return folder.files
    path = Path(settings.users_folder)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{path} (users_folder) cannot be made: {error.strerror or error}.") from error
    return path


def open_store(folder: str) -> Content:
    """The store of a root's folder."""
    return TreeContent(Path(folder))


@contextmanager
def open_house(data: Path, settings: Settings) -> Iterator[House]:
    """Lock a data folder (made when missing), settle what a crash left, and open everything.

    Raises:
        StoreLocked: another process has it; fact `pid`.
        NewerStore: a newer Homestow wrote it.
        StorageFailed: the folder or the database cannot be used.
    """
    folder = DataFolder(data).make()
    with folder.locked():
        database = Database.open(folder.database)
        try:
            house = _build(folder, settings, database)
            try:
                yield house
            finally:
                house.pictures.idle.stop()
                house.ditto.close()
                house.core.close()
                house.services.roots.close()
                house.listing.stop()
                house.services.shares.flush()
                house.isync.close()
        finally:
            database.close()


def _build(folder: DataFolder, settings: Settings, database: Database) -> House:
    clock = SystemClock()
    catalogue = SqlCatalogue(database)
    account_rows = SqlAccounts(database)
    hashing = Hashing()
    accounts = Accounts(account_rows, clock, hashing, settings.signup)
    roots = Roots(
        SqlRoots(database), account_rows, catalogue, open_store, clock, own_roots(folder, settings), folder.path,
        default_quota=settings.quota, entries=settings.entries,
    )  # fmt: skip

    def outside(committer: Committer) -> Outside:
        return Outside(catalogue, roots, committer, clock)

    core = make_core(
        catalogue, roots, roots, clock, _boot_id(), outside, upload_lifetime_ns=settings.retention().upload_ns
    )
    roots.ensure_tops()
    watched = core.outside
    assert isinstance(watched, Outside)
    shares = Shares(
        SqlShares(database), account_rows, catalogue, core.access, clock, hashing, _secret_key(folder, "share.key"),
        isync_most=settings.share_limit, isync_life_s=settings.share_seconds,
    )  # fmt: skip
    pictures = _media(folder, settings, database, core, roots)
    extras = SqlExtras(database)
    key = settings.backup_key
    keeping = make_keeping(
        core, watched, accounts, account_rows, roots, SqlCopies(database), clock, settings.retention(),
        settings.rescan_minutes * 60.0, settings.watch, None if key is None else key.reveal().encode(),
        read_media=pictures.media.read, data=folder.path,
        sweeps=[
            shares.sweep, lambda: drop_orphans(extras), lambda: _sweep_netdrive(database),
            lambda: _sweep_ditto(database, catalogue, clock),
        ],
    )  # fmt: skip
    services = Services(
        accounts=accounts,
        roots=roots,
        files=core.files,
        whole=core.whole,
        uploads=core.uploads,
        downloads=core.downloads,
        trashcan=core.trashcan,
        changes=core.changes,
        admin=keeping.admin,
        clock=clock,
        answers=core.answers,
        media=pictures.media,
        thumbnails=pictures.thumbnails,
        shares=shares,
    )
    listing = _listing(folder, database, core)
    rows = IsyncRows(account_rows, extras, extras, SqlSessions(database), SqlMedia(database), listing)
    isync = make_isync(core, services, rows, clock, most=settings.online_limit, idle_s=settings.online_seconds)
    ditto = DittoUse(lambda: open_ditto(house))
    keys = folder.path / DITTO_KEYS
    keeping.admin.include(DittoOrders(ditto.get, accounts, lambda found: _save_keys(keys, found)).orders())
    house = House(folder, settings, database, core, services, keeping, isync, listing, pictures, ditto)
    return house


def _sweep_netdrive(database: Database) -> None:
    from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s, SqlNetdrive
    from homestow.server.service.netdrive import drop_netdrive_orphans

    drop_netdrive_orphans(SqlNetdrive(database), SqlMd5s(database))


def _sweep_ditto(database: Database, catalogue: SqlCatalogue, clock: SystemClock) -> None:
    from homestow.server.adapters.catalogue_sql.ditto import SqlDitto
    from homestow.server.service.ditto import drop_ditto_orphans

    drop_ditto_orphans(SqlDitto(database), catalogue, clock)


def open_ditto(house: House) -> "Ditto":
    """New use cases of the Ditto services; there is one of them at a time, see `House.ditto`.

    Raises:
        StorageFailed: the keys of its tokens cannot be read or written.
    """
    from homestow.server.adapters.catalogue_sql.ditto import SqlDitto
    from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s
    from homestow.server.ditto_keys import open_keys
    from homestow.server.service.ditto import make_ditto

    database = house.database
    return make_ditto(
        house.core, house.services, house.services.roots, SqlAccounts(database), SqlDitto(database), SqlMd5s(database),
        SystemClock(), open_keys(house.folder.path / DITTO_KEYS), house.settings.public_url or "homestow",
    )  # fmt: skip


def _save_keys(path: Path, keys: Sequence["Key"]) -> None:
    from homestow.server.ditto_keys import save_keys

    save_keys(path, keys)


def open_netdrive(house: House) -> "Netdrive":
    """The use cases of netdrive; `close` them before the house is closed.

    Raises:
        StorageFailed: the key of its sessions cannot be read or written.
    """
    from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s, SqlNetdrive
    from homestow.server.service.netdrive import NetdriveStores, make_netdrive

    database = house.database
    stores = NetdriveStores(SqlAccounts(database), SqlSessions(database), SqlNetdrive(database), SqlMd5s(database))
    return make_netdrive(
        house.core, house.services, stores, SystemClock(), _secret_key(house.folder, "netdrive.key"),
        open_root=house.settings.netdrive_open_root,
    )  # fmt: skip


def open_picloud(house: House) -> "Picloud":
    """The use cases of PiCloud; `close` them before the house is closed."""
    from homestow.server.service.picloud import make_picloud

    settings = house.settings
    return make_picloud(
        house.core, house.services, SqlAccounts(house.database), SqlSessions(house.database),
        inbox_root=settings.picloud_inbox_root, current_user=settings.picloud_current_user,
        login_s=settings.picloud_login_seconds,
    )  # fmt: skip


def _media(folder: DataFolder, settings: Settings, database: Database, core: Core, roots: Roots) -> MediaParts:
    """Media facts and thumbnails; no process is started for them before somebody needs one."""
    place = folder.path / "thumbs" if settings.thumbs_folder is None else Path(settings.thumbs_folder)
    tools = WorkerPool()
    stores = MediaStores(
        SqlMedia(database), SqlExtras(database), tools, DiskThumbs(place, core.catalogue.epoch(), settings.thumbs_bytes),
        DiskSentThumbs(folder.path / "thumbs-sent"),
    )  # fmt: skip
    return make_media(core, roots, stores, SystemClock(), readers=tools.workers)


def _listing(folder: DataFolder, database: Database, core: Core) -> ListingService:
    """The list of files; what it needs is loaded when somebody lists files for the first time."""
    path = folder.path / "listing"

    def open_index() -> Listing:
        from homestow.server.adapters.listing_arrays import ArrayListing

        return ArrayListing(path)

    source = SqlListingSource(database, kind_of)
    return ListingService(source, open_index, core.access, core.committer.subscribe, used_before=path.exists())


def _secret_key(folder: DataFolder, name: str) -> bytes:
    """A secret of 32 bytes that the file `name` holds, made when missing. Lost, what is derived from it is only made anew:
    keys of isync links (`share.key`), sessions of netdrive (`netdrive.key`).

    Raises:
        StorageFailed: it cannot be read or written.
    """
    path = folder.path / name
    try:
        with suppress(FileNotFoundError):
            found = path.read_bytes()
            if len(found) == 32:
                return found
        made = secrets.token_bytes(32)
        part = path.with_name(f"{name}.part")
        with open(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be used: {error.strerror or error}.") from error
    return made


def _boot_id() -> str:
    """Which run of the machine this is; something new where the system does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return os.urandom(16).hex()


def restore_backup(source: Path, data: Path, settings: Settings) -> Restored:
    """Bring a backup back into a data folder without data; it begins another life of the store (P14).

    Raises:
        BadRequest: no backup there, or the data folder is in use.
        StoreLocked: a process has the data folder.
        StorageFailed: the backup is not what it was (S107), or the disk failed.
    """
    folder = DataFolder(data).make()
    key = settings.backup_key
    with folder.locked():
        database = Database.open(None)
        try:
            return restore(
                source, folder.path, SqlCopies(database), open_store, None if key is None else key.reveal().encode(),
                _renew,
            )  # fmt: skip
        finally:
            database.close()


def _renew(copy: Copy) -> None:
    with copy.catalogue.write() as rows:
        rows.renew_epoch(Epoch(secrets.token_hex(16)))


class Server:
    """Serves an open house until it is told to stop."""

    def __init__(self, house: House) -> None:
        self._house = house

    def run(self, ready: Callable[[dict[str, object]], None]) -> None:
        """Serve; returns after SIGTERM or SIGINT, at most 10 s later.

        Args:
            ready: called once, when every front answers, with what the ready line holds.
        Raises:
            ListenFailed, TlsUnusable: an address or a certificate cannot be used.
            BadSettings: unencrypted on an address that is not this machine's own (S75, S101).
        """
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: Callable[[dict[str, object]], None]) -> None:
        from homestow.server.border import Border
        from homestow.server.fronts.api.binding import Bench
        from homestow.server.fronts.api.express import SmallContents
        from homestow.server.fronts.api.express_put import SmallPuts
        from homestow.server.fronts.api.front import add_routes
        from homestow.server.fronts.http.express import first_of
        from homestow.server.fronts.http.routing import Router
        from homestow.server.fronts.http.serving import HttpServer
        from homestow.server.fronts.isync.binding import Desk
        from homestow.server.fronts.isync.express import SmallThumbs
        from homestow.server.fronts.isync.front import add_routes as add_isync
        from homestow.server.fronts.tcp.listening import Tls

        house = self._house
        settings = house.settings
        host, port = parse_address(settings.http, "http:")
        pem = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            pem = Path(settings.tls_cert), Path(settings.tls_key)
        tls = None if pem is None else Tls(*pem)
        check_plain("http", host, tls is None, settings.allow_plain)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        border = Border()
        router = Router()
        bench = Bench(house.services, border)
        feed = add_routes(router, bench)
        desk = Desk(house.isync, border, settings.public_url)
        add_isync(router, desk)
        lanes = first_of(SmallContents(bench), SmallThumbs(desk))
        server = HttpServer(router, proxies=settings.trusted_proxies, express=lanes, taker=SmallPuts(bench))
        others: list[TcpServed] = []
        ditto = None
        announcing: asyncio.Task[None] | None = None
        try:
            bound = await server.listen_tcp(host, port, tls=tls)
            line: dict[str, object] = {"ready": True, "http": bound.url}
            others += tcp_fronts(house, border, pem)
            for front in others:
                line[front.name] = (await front.server.listen(*front.address)).shown
            if settings.grpc is not None:
                ditto = ditto_front(house, border, router, secure=pem is not None)
                address = _checked_address("grpc", settings.grpc, settings, pem is None)
                line["grpc"] = (await ditto.front.listen(*address, pem)).shown
            await server.listen_unix(house.folder.socket)
            house.keeping.start()
            house.listing.start()
            house.pictures.idle.start()
            for front in others:
                front.begin()
            if settings.announce:
                from homestow.server.adapters.announcing import announcer

                speaks = announcer(host, bound.port, os.environ, tls=tls is not None, url=settings.public_url or "")
                announcing = asyncio.create_task(speaks.run())
            ready(line)
            await stop.wait()
            log.info("stopping")
        finally:
            if announcing is not None:
                announcing.cancel()
                with suppress(asyncio.CancelledError):
                    await announcing
            for halt in (house.keeping.stop, house.pictures.idle.stop, *(front.halt for front in others)):
                await loop.run_in_executor(None, halt)
            feed.close()
            closing = [server.close(), *(front.server.close() for front in others)]
            await asyncio.gather(*closing, *([] if ditto is None else [ditto.front.close()]))
            await loop.run_in_executor(None, border.close)
            for front in others:
                front.end()
            if ditto is not None:
                house.ditto.close()


@dataclass(frozen=True, slots=True)
class DittoServed:
    """The gRPC front and its use cases, which are closed after it."""

    front: "DittoFront"
    use: "Ditto"


def ditto_front(house: House, border: "Border", router: "Router", *, secure: bool) -> DittoServed:
    """The gRPC front, and what of it the HTTP address answers. Raises as `open_ditto`."""
    from homestow.server.fronts.ditto.binding import DittoDesk
    from homestow.server.fronts.ditto.front import DittoFront
    from homestow.server.fronts.ditto.http import add_routes
    from homestow.server.fronts.ditto.limits import Rates

    use = house.ditto.get()
    desk = DittoDesk(use, border, Rates(use.clock.monotonic), secure=secure, plain=house.settings.allow_plain)
    front = DittoFront(desk, house.core.changes.subscribe, reflect=house.settings.grpc_reflection)
    add_routes(router, desk, front.wakes)
    return DittoServed(front, use)


@dataclass(frozen=True, slots=True)
class TcpServed:
    """A front that speaks its own protocol: where it is to listen, and what begins, halts and ends with it.

    `halt` ends what runs beside, before connections are ended; `end` comes after them.
    """

    name: str
    address: tuple[str, int]
    server: "TcpServer"
    begin: Callable[[], object] = lambda: None
    halt: Callable[[], object] = lambda: None
    end: Callable[[], object] = lambda: None


def tcp_fronts(house: House, border: "Border", pem: tuple[Path, Path] | None) -> Iterator[TcpServed]:
    """The fronts that were given an address.

    Args:
        pem: certificate and key, with which they take TLS too.
    Raises:
        TlsUnusable; BadSettings: unencrypted beyond this machine (S75).
    """
    settings = house.settings
    if settings.netdrive is None and settings.picloud is None:
        return
    from homestow.server.fronts.tcp.listening import Tls
    from homestow.server.fronts.tcp.serving import TcpServer
    from homestow.server.fronts.tcp.stream import Limits, Plain

    # One without a name: nobody is to be sent here for HTTP.
    tls = None if pem is None else Tls(*pem, protocol=None)
    plain = Plain.ANYBODY if settings.allow_plain else Plain.LOOPBACK
    limits = Limits(connections=min(Limits().connections, _most_files() // _FILES_OF_A_CLIENT))
    if settings.netdrive is not None:
        from homestow.server.fronts.netdrive.front import NetdriveFront

        address = _checked_address("netdrive", settings.netdrive, settings, tls is None)
        netdrive = open_netdrive(house)
        server = TcpServer(NetdriveFront(netdrive, border).handle, limits, tls, plain)
        yield TcpServed("netdrive", address, server, netdrive.idle.start, netdrive.idle.stop, netdrive.close)
    if settings.picloud is not None:
        from homestow.server.fronts.picloud.front import PicloudFront

        address = _checked_address("picloud", settings.picloud, settings, tls is None)
        picloud = open_picloud(house)
        server = TcpServer(PicloudFront(picloud, border, settings.picloud_login_seconds).handle, limits, tls, plain)
        yield TcpServed("picloud", address, server, end=picloud.close)


def _checked_address(name: str, text: str, settings: Settings, no_tls: bool) -> tuple[str, int]:
    host, port = parse_address(text, f"{name}:")
    # Without TLS nobody but this machine could be served; with it, those are refused who do not use it.
    check_plain(name, host, no_tls or settings.allow_plain, settings.allow_plain)
    return host, port


def _most_files() -> int:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def check_plain(what: str, host: str, plain: bool, allowed: bool) -> None:
    """Let unencrypted connections pass on this machine's own addresses, elsewhere only as the owner allowed (S75, S101, S102).

    Args:
        what: the front.
        plain: whether it would serve them.
    Raises:
        BadSettings: with what to do.
    """
    if not plain or _is_own(host):
        return
    if not allowed:
        raise BadSettings(
            f"Plain {what} on {host} would send passwords readable through the network: give --tls-cert and --tls-key, "
            "or --allow-plain where you trust everybody on it."
        )
    log.warning("plain %s: passwords and files cross the network readable", what, extra={"host": host})


def _is_own(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def say_ready(line: dict[str, object]) -> None:
    """Print the ready line: one line of JSON on stdout."""
    import json

    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
