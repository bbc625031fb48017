"""Files: pages of them, facts, other places, the trash."""

import os
from typing import Any

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone

from homestow.server.ports.extras import PartStatus
from homestow.server.ports.media import Facts, MediaState
from homestow.server.rules.media_kinds import MediaKind
from homestow.values.ids import AccountId, NodeId
from homestow.values.nodes import Node

BORN = 1_500_000_000


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def listed(phone: Phone, **params: object) -> list[dict[str, Any]]:
    """The first page."""
    found: list[dict[str, Any]] = phone.get("files", **{"pageIndex": 0, **params}).data["list"]
    return found


def ids(phone: Phone, **params: object) -> list[int]:
    return [each["id"] for each in listed(phone, **params)]


def old(rig: IsyncRig, name: str, content: bytes = b"1", parent: int | None = None, at: int = BORN) -> Node:
    """A file with a modification time."""
    return rig.put(name, content, parent, query=f"&mtime_ns={at * 1_000_000_000 + 250_000_000}")


def facts(rig: IsyncRig, node: Node, kind: MediaKind, **more: Any) -> None:
    rig.media.set_media([(node.id, node.rev, MediaState.READ, Facts(kind, more.pop("format", "X"), **more))])


def test_what_is_told_about_a_file(rig: IsyncRig, phone: Phone) -> None:
    """From the node alone: type and extension by name, times by the disk; nothing that nobody knows."""
    node = old(rig, "Übung.mp4", b"12345")
    (info,) = listed(phone)
    assert info.pop("importTime") > BORN
    assert info == {
        "id": node.id, "catalogId": rig.top, "name": "Übung.mp4", "ext": "mp4", "createTime": BORN + 0.25,
        "lastModifyTime": BORN + 0.25, "size": 5, "type": 4,
    }  # fmt: skip


def test_what_the_content_says_counts_before_the_name(rig: IsyncRig, phone: Phone) -> None:
    """And what a client gave before that; facts of an older content count no more."""
    node = rig.put("a.jpg", b"one")
    facts(
        rig, node, MediaKind.GIF, format="GIF", width=30, height=20, orientation=6, duration_s=1.5,
        taken_ns=1_400_000_000_000_000_000,
    )  # fmt: skip
    (info,) = listed(phone)
    told = {key: info[key] for key in ("type", "ext", "width", "height", "orientation", "duration", "createTime")}
    assert told == {
        "type": 2, "ext": "GIF", "width": 30, "height": 20, "orientation": 6, "duration": 1.5, "createTime": 1400000000,
    }  # fmt: skip
    given = {
        "width": 1,
        "duration": 2.5,
        "createTime": 7,
        "ext": "jpg",
        "type": 2,
        "importTime": 8,
        "lastModifyTime": 9,
    }
    changed = phone.post("updateFile", id=node.id, **given).data
    assert {key: changed[key] for key in given} == given
    assert (changed["height"], changed["orientation"]) == (20, 6)
    rig.edit(node, b"another")
    (info,) = listed(phone)
    assert (info["width"], info.get("height"), info["size"]) == (1, None, 7)


def test_only_files_directly_in_the_given_catalogs(rig: IsyncRig, phone: Phone) -> None:
    """`pids` is no tree; unknown ones hold nothing; folders are no files."""
    inner = rig.folder_node("inner")
    top, below = rig.put("a.txt"), rig.put("b.txt", parent=inner.id)
    assert ids(phone) == [top.id, below.id]
    assert ids(phone, pids=rig.top) == [top.id]
    assert ids(phone, pids=f"{inner.id}, 99999") == [below.id]
    assert ids(phone, pids="99999") == []
    assert ids(phone, pids="a,b") == [top.id, below.id]


def test_types_uploader_and_roots(rig: IsyncRig, phone: Phone) -> None:
    """Types are compared one by one; a foreign root makes the whole filter count as not given."""
    image, film, text = rig.put("a.jpg"), rig.put("b.mp4"), rig.put("c.txt")
    rig.isync.extras.change(film.id, rig.root, lambda row: _by(row, rig.account("anna")))
    assert ids(phone, types="1,16") == [image.id, text.id]
    assert ids(phone, types="5") == []
    assert ids(phone, types="x") == [image.id, film.id, text.id]
    assert ids(phone, onlySelfUpload=1) == [film.id]
    assert ids(phone, onlySelfUpload=-1) == [film.id]
    assert ids(phone, onlySelfUpload=0) == ids(phone, onlySelfUpload="yes") == [image.id, film.id, text.id]
    assert ids(rig.phone("ben"), onlySelfUpload=1) == []
    own = rig.phone("dan")
    foreign = own.get("catalogs", pids=-1).data[0]["id"]
    assert ids(phone, rootIds=rig.top) == [image.id, film.id, text.id]
    assert ids(phone, rootIds=f"{rig.top},{foreign}") == ids(phone, rootIds="77") == [image.id, film.id, text.id]
    assert ids(own) == []


def _by(row: Any, uploader: AccountId) -> Any:
    from dataclasses import replace

    return replace(row, uploader=uploader, uploaded_s=5.0)


def test_every_order(rig: IsyncRig, phone: Phone) -> None:
    """Ascending and descending; files without the value come first when ascending; an unknown order lists nothing."""
    one, two, three = (
        old(rig, "1.mp4", b"1" * 5, at=30),
        old(rig, "2.mp4", b"1", at=10),
        old(rig, "3.mp4", b"1" * 3, at=20),
    )
    facts(rig, one, MediaKind.VIDEO, duration_s=2.0, width=10, height=5)
    facts(rig, two, MediaKind.VIDEO, duration_s=9.0, width=10, height=7)
    rig.isync.extras.change(three.id, rig.root, lambda row: _by(row, rig.account("ben")))
    for sort, expected in (
        (0, [one, two, three]), (1, [two, three, one]), (2, [one, two, three]), (3, [two, three, one]),
        (4, [three, one, two]), (5, [three, one, two]),
    ):  # fmt: skip
        assert ids(phone, sort=sort) == [node.id for node in expected], sort
        assert ids(phone, sort=-sort) == [node.id for node in (expected[::-1] if sort else expected)], sort
    for sort in (6, -6, 2**62):
        assert phone.get("files", pageIndex=0, sort=sort).body == b'{"code": 0, "data": {"list": [], "page": null}}'
    assert ids(phone, sort="up") == [one.id, two.id, three.id]


def test_pages(rig: IsyncRig, phone: Phone) -> None:
    """Counted from 0, as long as is asked for within limits, else 100; beyond the end is nothing."""
    made = [rig.put(f"{number:02}").id for number in range(25)]

    def page(**params: object) -> tuple[list[int], dict[str, int]]:
        data = phone.get("files", **params).data
        return [each["id"] for each in data["list"]], data["page"]

    assert page(pageIndex=0, maxPerPage=10) == (made[:10], {"pageIndex": 0, "maxPerPage": 10, "pageCount": 3})
    assert page(pageIndex=2, maxPerPage=10)[0] == made[20:]
    assert page(pageIndex=3, maxPerPage=10) == ([], {"pageIndex": 3, "maxPerPage": 10, "pageCount": 3})
    assert page(pageIndex=2**62, maxPerPage=10000)[0] == []
    for given in (9, 10_001, 0, -5, "x", ""):
        assert page(pageIndex=0, maxPerPage=given) == (made, {"pageIndex": 0, "maxPerPage": 100, "pageCount": 1})
    assert page(pageIndex=0, maxPerPage=25, pids=99999)[1]["pageCount"] == 0
    for given in (-1, "x", "1.5", ""):
        assert phone.get("files", pageIndex=given).code == -10003
    assert phone.get("files").code == -10003


def test_changes_of_other_fronts_are_there_at_once(rig: IsyncRig, phone: Phone) -> None:
    """A file sent, edited, renamed or deleted by the native calls is told so by the next page."""
    node = rig.put("a.txt", b"12")
    assert [(each["name"], each["size"]) for each in listed(phone)] == [("a.txt", 2)]
    rig.edit(node, b"12345")
    assert listed(phone)[0]["size"] == 5
    inner = rig.folder_node("inner")
    assert rig.ask("POST", f"/nodes/{node.id}/move", {"parent": inner.id, "name": "b.txt"}).status == 200
    assert [(each["name"], each["catalogId"]) for each in listed(phone)] == [("b.txt", inner.id)]
    assert ids(phone, pids=rig.top) == []
    (catalog,) = phone.get("catalogs", pids=rig.top).data
    assert catalog["fileCount"] == 1
    assert rig.ask("DELETE", f"/nodes/{inner.id}").status == 204
    assert listed(phone) == []
    assert ids(rig.phone("ben")) == []


def test_what_waits_for_a_part_is_not_listed(rig: IsyncRig, phone: Phone) -> None:
    """A promised thumbnail hides the file until it is taken back; it counts in its catalog all the same."""
    node = rig.put("a.jpg")
    told = phone.post("updateFile", id=node.id, statusForThumb=2).data
    assert (told["uploadingThumbSize"], "uploadingScreenSize" in told, "uploadingOriginSize" in told) == (
        0,
        False,
        False,
    )
    assert listed(phone) == []
    assert phone.get("catalogs", pids=-1).data[0]["fileCount"] == 1
    assert "uploadingThumbSize" not in phone.post("updateFile", id=node.id, statusForThumb=3).data
    assert rig.isync.extras.extras([node.id])[node.id].thumb is PartStatus.LOCAL
    assert ids(phone) == [node.id]


def test_update_changes_the_place_only(rig: IsyncRig, phone: Phone) -> None:
    """Shown in another catalog under another name, on every front; the bytes lie where they lay."""
    inner = rig.folder_node("inner")
    node = rig.put("IMG_1.jpg", b"bytes")
    told = phone.post("updateFile", id=node.id, catalogId=inner.id, name="Meer", memo="m", helpInt=1, helpText="t").data
    assert (told["name"], told["catalogId"], told["memo"], told["helpInt"], told["helpText"], told["lastModifyTime"]) == (
        "Meer", inner.id, "m", 1, "t", 1900000000,
    )  # fmt: skip
    assert rig.names(inner.id) == ["Meer.jpg"]
    assert (rig.folder / "IMG_1.jpg").read_bytes() == b"bytes"
    assert rig.read(node.id) == b"bytes"
    rig.put("Meer.jpg")
    assert phone.post("updateFile", id=node.id, catalogId=rig.top).data["name"] == "Meer"
    assert rig.names() == ["Meer (2).jpg", "Meer.jpg", "inner"]
    assert phone.post("updateFile", id=node.id, name="IMG_1.jpg").data["name"] == "IMG_1.jpg"
    assert rig.names() == ["IMG_1.jpg", "Meer.jpg", "inner"]
    assert sorted(os.listdir(rig.folder)) == [".homestow", "IMG_1.jpg", "Meer.jpg", "inner"]


def test_facts_that_are_kept(rig: IsyncRig, phone: Phone) -> None:
    """Also longitude and latitude, which no answer tells; a duration only of films and GIFs; a size is never believed."""
    node = rig.put("a.txt", b"12")
    told = phone.post("updateFile", id=node.id, longitude="13.5", latitude=-52.25, duration=3, size=99).data
    assert (told["size"], "duration" in told, "longitude" in told) == (2, False, False)
    kept = rig.isync.extras.extras([node.id])[node.id]
    assert (kept.longitude, kept.latitude, kept.duration_s) == (13.5, -52.25, None)
    assert phone.post("updateFile", id=node.id, type=4, duration="3.5").data["duration"] == 3.5
    assert "ext" not in phone.post("updateFile", id=node.id, ext="").data


def test_nothing_to_change_is_an_error(rig: IsyncRig, phone: Phone) -> None:
    """Nothing given, the place it has, wrong values only, places it cannot have; and files that are none of the caller's."""
    node, folder = rig.put("a.jpg"), rig.folder_node("inner")
    foreign = rig.phone("dan").get("catalogs", pids=-1).data[0]["id"]
    for params in (
        {}, {"catalogId": rig.top}, {"name": ""}, {"name": "x" * 101}, {"type": 3}, {"memo": "x" * 1025},
        {"ext": "x" * 11}, {"width": "wide"}, {"createTime": "now"}, {"createTime": 1e300}, {"statusForThumb": "x"},
        {"catalogId": 99999}, {"catalogId": node.id}, {"catalogId": foreign}, {"catalogId": -1, "name": "b"},
    ):  # fmt: skip
        assert phone.post("updateFile", id=node.id, **params).code == -10010, params
    for other in (99999, 0, -1, folder.id, rig.top, foreign):
        assert phone.post("updateFile", id=other, name="b").code == -10010
    assert phone.post("updateFile", name="b").code == -10003
    assert rig.names() == ["a.jpg", "inner"]


def test_deleting(rig: IsyncRig, phone: Phone) -> None:
    """Into the trash, from where they come back; what is unknown, or no file, is left out."""
    one, two, folder = rig.put("1.txt", b"one"), rig.put("2.txt"), rig.folder_node("inner")
    answer = phone.post("deleteFiles", ids=f" {one.id} ,{folder.id},-4,999999")
    assert answer.body == b'{"code": 0, "data": "OK"}'
    assert ids(phone) == [two.id]
    assert rig.names() == ["2.txt", "inner"]
    assert rig.ask("POST", f"/trash/{one.id}/restore", {}).status == 200
    assert rig.read(one.id) == b"one"
    assert phone.post_json("deleteFiles", {"ids": [one.id, two.id]}).data == "OK"
    assert ids(phone) == []
    for wrong in ("", "a", "1,", "1.5"):
        assert phone.post("deleteFiles", ids=wrong).code == -10003


def test_who_may_only_read_changes_nothing(rig: IsyncRig) -> None:
    """A reader sees the files and is refused by -10002; of a list nothing is deleted then."""
    node, reader = rig.put("a.jpg"), rig.phone("cora")
    assert ids(reader) == [node.id]
    mine = reader.post("updateFile", id=node.id, name="b")
    assert (mine.status, mine.code) == (200, -10002)
    assert reader.post("deleteFiles", ids=node.id).code == -10002
    assert reader.post("updateHelpInfo", type=2, id=node.id, helpInt=1).code == -10002
    assert rig.names() == ["a.jpg"]


def test_symbolic_links_are_listed_as_other_files(rig: IsyncRig, phone: Phone) -> None:
    """They can be renamed and deleted as files; where they lead is nobody's business."""
    (rig.folder / "link.jpg").symlink_to("/etc/passwd")
    rig.put("a.txt")
    from homestow.server.service.outside import Outside

    outside = rig.core.outside
    assert isinstance(outside, Outside)
    outside.rescan(rig.root)
    found = {each["name"]: each for each in listed(phone)}
    assert set(found) == {"a.txt", "link.jpg"}
    assert phone.post("deleteFiles", ids=found["link.jpg"]["id"]).data == "OK"
    assert not (rig.folder / "link.jpg").is_symlink()


def test_a_file_that_left_between_index_and_answer(rig: IsyncRig, phone: Phone) -> None:
    """The answer tells only what stands now."""
    one, two = rig.put("1.txt"), rig.put("2.txt")
    assert ids(phone) == [one.id, two.id]
    page = rig.listing.page

    def late(*args: Any) -> Any:
        found = page(*args)
        rig.services.files.delete(rig.services.accounts.check(rig.token("anna")), NodeId(one.id))
        return found

    rig.listing.page = late  # type: ignore[method-assign, assignment]
    assert ids(phone) == [two.id]
