"""Calls around files that stand: listed, changed, deleted."""

from homestow.server.border import Lane
from homestow.server.fronts.isync.binding import Desk, Handler
from homestow.server.fronts.isync.catalogs import NOT_CHANGED, NOT_DELETED
from homestow.server.rules.access import Principal
from homestow.server.service.isync import Isync
from homestow.wire.isync import FileInfo, FileList
from homestow.wire.isync_calls import DELETE_FILES, FILES, UPDATE_FILE, AskFiles, ChangeFile, Ids


def _files(isync: Isync, who: Principal, asked: AskFiles) -> FileList:
    return isync.files.page(who, asked)


def _update(isync: Isync, who: Principal, asked: ChangeFile) -> FileInfo:
    return isync.files.change(who, asked)


def _delete(isync: Isync, who: Principal, asked: Ids) -> str:
    isync.files.delete(who, asked.ids)
    return "OK"


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""
    return {
        "files": desk.plain(FILES, _files),
        "updateFile": desk.plain(UPDATE_FILE, _update, NOT_CHANGED),
        "deleteFiles": desk.plain(DELETE_FILES, _delete, NOT_DELETED, lane=Lane.LONG),
    }
