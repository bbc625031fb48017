"""The use cases of the netdrive calls in one place, as their front is given them."""

from dataclasses import dataclass

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.clock import Clock
from homestow.server.ports.netdrive import Md5Rows, NetdriveRows
from homestow.server.ports.sessions import Sessions as SessionRows
from homestow.server.service.core import Core
from homestow.server.service.md5s import Md5s
from homestow.server.service.md5s_idle import Md5Idle
from homestow.server.service.netdrive_downloads import Doorway, NetdriveDownloads
from homestow.server.service.netdrive_finishing import Finishing
from homestow.server.service.netdrive_places import Places
from homestow.server.service.netdrive_sessions import IDLE_S, NetdriveSessions
from homestow.server.service.netdrive_small import SmallPuts
from homestow.server.service.netdrive_tree import NetdriveTree
from homestow.server.service.netdrive_uploads import NetdriveUploads
from homestow.server.service.publishing import Publisher
from homestow.server.service.services import Services

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Netdrive:
    """The use cases; each is safe to call from any thread. `idle.start()` beside a server; `close` before the core is closed."""

    services: Services
    sessions: NetdriveSessions
    tree: NetdriveTree
    uploads: NetdriveUploads
    downloads: NetdriveDownloads
    doorway: Doorway
    md5s: Md5s
    idle: Md5Idle

    def close(self) -> None:
        """End what runs beside and write down what is only in memory; before the database is closed."""
        self.idle.stop()
        self.sessions.flush()


@dataclass(frozen=True, slots=True)
class NetdriveStores:
    """What the use cases keep and read beside the catalogue."""

    accounts: AccountRows
    sessions: SessionRows
    netdrive: NetdriveRows
    md5s: Md5Rows


def drop_netdrive_orphans(netdrive: NetdriveRows, md5s: Md5Rows) -> None:
    """Forget what was kept about things and people that are no more; upkeep does it now and then."""
    while netdrive.drop_orphans(_AT_ONCE) >= _AT_ONCE:
        continue
    while md5s.drop_orphans(_AT_ONCE) == _AT_ONCE:
        continue


def make_netdrive(
    core: Core, services: Services, rows: NetdriveStores, clock: Clock, key: bytes, *, open_root: str | None = None,
    idle_s: int = IDLE_S,
) -> Netdrive:  # fmt: skip
    """Put the use cases together.

    Args:
        key: secret from which sessions are derived; a lost one only ends them at the next login.
        open_root: name of the root that peers without login may use the top folder of.
        idle_s: seconds a session lives without being used.
    """
    roots, catalogue, access = services.roots, core.catalogue, core.access
    md5s = Md5s(catalogue, access, core.contents, rows.md5s, clock)
    places = Places(catalogue, access, core.files, rows.netdrive)
    stores = core.ground.stores
    publisher = Publisher(catalogue, stores, core.committer, core.outside)
    small = SmallPuts(catalogue, access, core.files, core.committer, publisher, stores, places, md5s, clock)
    finishing = Finishing(
        catalogue, access, core.files, core.contents, core.uploads, core.arrivals, rows.netdrive, places, md5s
    )
    uploads = NetdriveUploads(
        catalogue, access, roots, core.contents, core.uploads, core.arrivals, rows.netdrive, places, md5s, small,
        finishing, clock,
    )  # fmt: skip
    return Netdrive(
        services=services,
        sessions=NetdriveSessions(rows.sessions, services.accounts, clock, key, idle_s),
        tree=NetdriveTree(catalogue, access, roots, core.files, rows.accounts, rows.netdrive, places, md5s, clock),
        uploads=uploads,
        downloads=NetdriveDownloads(access, roots, core.downloads, rows.netdrive, md5s),
        doorway=Doorway(catalogue, roots, core.downloads, uploads, open_root),
        md5s=md5s,
        idle=Md5Idle(catalogue, rows.netdrive, md5s, clock),
    )
