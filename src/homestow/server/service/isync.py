"""The use cases of the isync calls in one place, as their front is given them."""

from dataclasses import dataclass

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import ExtrasRows, Folders
from homestow.server.ports.sessions import Sessions as SessionRows
from homestow.server.service.core import Core
from homestow.server.service.isync_catalogs import Catalogs
from homestow.server.service.isync_files import MediaFiles
from homestow.server.service.isync_infos import FactsOf, Infos
from homestow.server.service.isync_people import People
from homestow.server.service.listing import ListingService
from homestow.server.service.parts import Parts
from homestow.server.service.services import Services
from homestow.server.service.sessions import IDLE_S, MOST, Sessions

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Isync:
    """The use cases; each is safe to call from any thread."""

    services: Services
    sessions: Sessions
    people: People
    infos: Infos
    catalogs: Catalogs
    files: MediaFiles
    parts: Parts
    extras: ExtrasRows

    def close(self) -> None:
        """Write down what is only in memory; before the database is closed."""
        self.sessions.flush()


def drop_orphans(rows: ExtrasRows) -> None:
    """Forget what was kept about things and people that are no more; upkeep does it now and then."""
    while rows.drop_orphans(_AT_ONCE) == _AT_ONCE:
        continue


@dataclass(frozen=True, slots=True)
class IsyncRows:
    """What the use cases keep and read beside the catalogue."""

    accounts: AccountRows
    extras: ExtrasRows
    folders: Folders
    sessions: SessionRows
    media: FactsOf
    listing: ListingService


def make_isync(
    core: Core, services: Services, rows: IsyncRows, clock: Clock, *, most: int = MOST, idle_s: int = IDLE_S
) -> Isync:
    """Put the use cases together.

    Args:
        most: sessions there are at once at most.
        idle_s: seconds a session lives without being used.
    """
    roots = services.roots
    sessions = Sessions(rows.sessions, services.accounts, clock, most, idle_s)
    infos = Infos(core.catalogue, roots.all, rows.extras, rows.folders, rows.media, rows.listing)
    infos.parts = parts = Parts(
        core.catalogue, core.access, core.contents, core.uploads, core.appends, rows.extras, services.thumbnails,
        services.media, infos, clock,
    )  # fmt: skip
    parts.settle(services.accounts.names())
    catalogs = Catalogs(core.catalogue, core.access, roots, services.files, rows.extras, rows.folders, infos, clock)
    return Isync(
        services=services,
        sessions=sessions,
        people=People(rows.accounts, rows.extras, roots, sessions, infos, clock),
        infos=infos,
        catalogs=catalogs,
        files=MediaFiles(
            core.catalogue,
            core.access,
            roots,
            services.files,
            services.uploads,
            catalogs,
            rows.extras,
            infos,
            rows.listing,
            clock,
        ),
        parts=parts,
        extras=rows.extras,
    )
