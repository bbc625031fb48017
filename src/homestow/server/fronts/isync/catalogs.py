"""Calls around catalogs."""

from homestow.server.fronts.isync.binding import Desk, Handler
from homestow.server.rules.access import Principal
from homestow.server.service.isync import Isync
from homestow.wire.isync import CatalogInfo, Code
from homestow.wire.isync_calls import CATALOGS, AskCatalogs


def _catalogs(isync: Isync, who: Principal, asked: AskCatalogs) -> list[CatalogInfo]:
    return isync.catalogs.below(who, asked.parents)


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""
    no_root = {"storage-failed": Code.NO_ROOT, "storage-full": Code.NO_ROOT}
    return {"catalogs": desk.plain(CATALOGS, _catalogs, no_root)}
