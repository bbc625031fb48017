"""What somebody may not see answers the same as what does not exist, on every call and with every kind of id (S09)."""

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone, Told

from homestow.server.ports.extras import PartStatus
from homestow.server.service.outside import Outside
from homestow.server.service.uploads import Begin
from homestow.values.ids import NodeId
from homestow.wire.isync_calls import CALLS

NOBODYS = 987_654_321
KINDS = ("top", "folder", "file", "link", "deleted file", "file in a deleted folder", "hidden file", "unfinished file")
IDS = {"id", "parentId", "catalogId", "cid", "pids", "ids", "rootIds"}
GOOD: dict[str, Any] = {
    "type": 1, "name": "new", "size": 1, "ext": "txt", "pageIndex": 0, "helpInt": 1, "memo": "m", "shareKey": "0" * 32,
}  # fmt: skip
"""A value for every parameter that must be given."""

EXCEPTIONS = {"login", "logout", "shareFile", "uploadingInfo"}
"""Calls that take no id."""


@dataclass(frozen=True, slots=True)
class World:
    """A tree of anna's that dan cannot see, and what he has himself."""

    rig: IsyncRig
    phone: Phone
    foreign: dict[str, int]
    own_folder: int
    own_file: int


@pytest.fixture
def world(rig: IsyncRig) -> World:
    folder, gone = rig.folder_node("folder"), rig.folder_node("gone")
    file, hidden, deleted = rig.put("a.jpg"), rig.put("hidden.jpg"), rig.put("deleted.jpg")
    inner = rig.put("inner.jpg", parent=gone.id)
    (rig.folder / "link").symlink_to("/etc")
    outside = rig.core.outside
    assert isinstance(outside, Outside)
    outside.rescan(rig.root)
    anna = rig.services.accounts.check(rig.token("anna"))
    (link,) = [row for row in rig.catalogue.children(rig.top, "", 100) if row.kind == "link"]
    for node in (gone.id, deleted.id):
        rig.services.files.delete(anna, NodeId(node))
    rig.isync.extras.change(hidden.id, rig.root, lambda row: replace(row, thumb=PartStatus.UPLOADING))
    upload = rig.services.uploads.begin_upload(
        anna, Begin(parent=rig.top, name="coming.jpg", size=10, mtime_ns=None, block_size=65536)
    )
    rig.isync.extras.change(
        upload.node, rig.root,
        lambda row: replace(row, upload=upload.id, folder=rig.top, uploader=anna.account, shown="coming", size=10, kind=1),
    )  # fmt: skip
    made = [rig.top, folder.id, file.id, link.id, deleted.id, inner.id, hidden.id, upload.node]
    phone = rig.phone("dan")
    root = phone.get("catalogs", pids=-1).data[0]["id"]
    own = rig.put("own.jpg", parent=root, user="dan")
    return World(rig, phone, dict(zip(KINDS, made, strict=True)), root, own.id)


def asks() -> list[tuple[str, str]]:
    """Every call with every parameter of it that is an id."""
    return [
        (name, each.metadata["name"])
        for name, call in CALLS.items()
        for each in fields(call.takes)  # type: ignore[arg-type]  # all are dataclasses
        if each.metadata["name"] in IDS
    ]


def params(world: World, name: str, changed: str, value: int) -> dict[str, object]:
    """Good parameters of a call, but one."""
    given: dict[str, object] = {}
    for each in fields(CALLS[name].takes):  # type: ignore[arg-type]  # all are dataclasses
        param = each.metadata["name"]
        if param in GOOD:
            given[param] = GOOD[param]
        elif param in IDS:
            given[param] = world.own_file if param == "id" and name in ("updateFile",) else world.own_folder
    return {**given, changed: value}


def comparable(told: Told) -> tuple[object, ...]:
    """All of an answer but its date."""
    return told.status, {name: text for name, text in told.headers.items() if name != "date"}, told.body


def test_every_call_takes_part() -> None:
    """A new call with an id is in the matrix, one without is named here."""
    assert {name for name, _ in asks()} == set(CALLS) - EXCEPTIONS


@pytest.mark.parametrize("name, changed", asks())
def test_not_yours_is_nothing(world: World, name: str, changed: str) -> None:
    """Byte for byte the answer for an id that nobody ever had, and nothing of the other's is changed."""
    path = CALLS[name].path.replace("{tail}", "c")
    if world.phone.ask("OPTIONS", path).status == 404:
        pytest.fail(f"{path} is not answered")
    before = state(world)
    method = "get" if CALLS[name].methods == ("GET",) else "post"
    for kind, node in world.foreign.items():
        for about in (1, 2) if "elpInfo" in name else (None,):
            more = {} if about is None else {"type": about}
            send = getattr(world.phone, method)
            nothing = send(name, **{**params(world, name, changed, NOBODYS), **more})
            foreign = send(name, **{**params(world, name, changed, node), **more})
            assert comparable(foreign) == comparable(nothing), (kind, about)
    assert state(world) == before


@pytest.mark.parametrize("name, changed", asks())
def test_without_login_there_is_one_answer(world: World, name: str, changed: str) -> None:
    """Whatever the id: log in first."""
    stranger = world.rig.phone(None)
    send = stranger.get if CALLS[name].methods == ("GET",) else stranger.post
    answers = {send(name, **params(world, name, changed, node)).body for node in (*world.foreign.values(), NOBODYS)}
    assert answers == {b'{"code": -10001, "msg": "Log in first."}'}


def state(world: World) -> object:
    """All that is anna's."""
    rows = world.rig.catalogue.nodes([NodeId(node) for node in world.foreign.values()])
    extras = world.rig.isync.extras.extras([NodeId(node) for node in world.foreign.values()])
    return rows, extras, world.rig.names(), sorted(path.name for path in world.rig.folder.iterdir())
