"""Calls around catalogs."""

from types import MappingProxyType
from typing import Final

from homestow.server.border import Lane
from homestow.server.fronts.isync.binding import Desk, Handler
from homestow.server.rules.access import Principal
from homestow.server.service.isync import Isync
from homestow.wire.isync import CatalogInfo, Code
from homestow.wire.isync_calls import (
    CATALOGS,
    CREATE_CATALOG,
    DELETE_CATALOG,
    UPDATE_CATALOG,
    AskCatalogs,
    ChangeCatalog,
    Ids,
    NewCatalog,
)

NO_ROOT: Final = MappingProxyType({"storage-failed": Code.NO_ROOT, "storage-full": Code.NO_ROOT})
_NO_PARENT: Final = MappingProxyType({"not-found": Code.BAD_CATALOG, "wrong-kind": Code.BAD_CATALOG})
NOT_CHANGED: Final = MappingProxyType(
    dict.fromkeys(("not-found", "wrong-kind", "bad-request", "bad-name", "would-cycle", "stale"), Code.NOTHING_CHANGED)
)
NOT_DELETED: Final = MappingProxyType(
    dict.fromkeys(("busy", "stale", "storage-failed", "storage-full", "content-missing", "not-found"), Code.NOT_DELETED)
)


def _catalogs(isync: Isync, who: Principal, asked: AskCatalogs) -> list[CatalogInfo]:
    return isync.catalogs.below(who, asked.parents)


def _create(isync: Isync, who: Principal, asked: NewCatalog) -> CatalogInfo:
    return isync.catalogs.create(who, asked)


def _update(isync: Isync, who: Principal, asked: ChangeCatalog) -> CatalogInfo:
    return isync.catalogs.change(who, asked)


def _delete(isync: Isync, who: Principal, asked: Ids) -> str:
    isync.catalogs.delete(who, asked.ids)
    return "OK"


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""
    return {
        "catalogs": desk.plain(CATALOGS, _catalogs, NO_ROOT),
        "createCatalog": desk.plain(CREATE_CATALOG, _create, _NO_PARENT),
        "updateCatalog": desk.plain(UPDATE_CATALOG, _update, NOT_CHANGED),
        "deleteCatalog": desk.plain(DELETE_CATALOG, _delete, NOT_DELETED, lane=Lane.LONG),
    }
