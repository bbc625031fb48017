"""Shown elsewhere than it lies: rescans, edits, moves and deletions of every other way cope with that."""

import os

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone

from homestow.server.service.outside import Outside
from homestow.values.ids import NodeId
from homestow.values.nodes import Node


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def rescan(rig: IsyncRig) -> None:
    outside = rig.core.outside
    assert isinstance(outside, Outside)
    outside.rescan(rig.root)


def shown(rig: IsyncRig) -> dict[str, int]:
    """All nodes by their paths, as people see them."""
    found: dict[str, int] = {}
    rows, _ = rig.catalogue.tree(rig.root, NodeId(0), 1000)
    for row in rows:
        found["/".join(rig.services.files.path_of(row))] = row.id
    return found


def on_disk(rig: IsyncRig) -> list[str]:
    """All files by their paths in the root's folder."""
    found = []
    for place, folders, files in os.walk(rig.folder):
        folders[:] = [name for name in folders if name != ".homestow"]
        found += [os.path.relpath(os.path.join(place, name), rig.folder) for name in files]
    return sorted(found)


class World:
    """Folders one (with a.txt and inner/b.txt) and two; a.txt and inner are shown in two under other names."""

    def __init__(self, rig: IsyncRig, phone: Phone) -> None:
        self.one, self.two = rig.folder_node("one"), rig.folder_node("two")
        self.inner = rig.folder_node("inner", self.one.id)
        self.a = rig.put("a.txt", b"a", self.one.id)
        self.b = rig.put("b.txt", b"b", self.inner.id)
        assert phone.post("updateFile", id=self.a.id, catalogId=self.two.id, name="A").code == 0
        assert phone.post("updateCatalog", id=self.inner.id, parentId=self.two.id, name="Inner").code == 0
        self.shown = {
            "": rig.top, "one": self.one.id, "two": self.two.id, "two/A.txt": self.a.id, "two/Inner": self.inner.id,
            "two/Inner/b.txt": self.b.id,
        }  # fmt: skip
        assert shown(rig) == self.shown
        assert on_disk(rig) == ["one/a.txt", "one/inner/b.txt"]


@pytest.fixture
def world(rig: IsyncRig, phone: Phone) -> World:
    return World(rig, phone)


def read(rig: IsyncRig, node: Node) -> bytes:
    return rig.read(node.id)


def test_a_rescan_changes_nothing(rig: IsyncRig, world: World) -> None:
    """Nor does a start of the server."""
    last = rig.catalogue.last()
    rescan(rig)
    rig.restart()
    rescan(rig)
    assert (shown(rig), rig.catalogue.last()) == (world.shown, last)
    assert (read(rig, world.a), read(rig, world.b)) == (b"a", b"b")


def test_edits_where_it_lies_are_seen_where_it_is_shown(rig: IsyncRig, world: World) -> None:
    """New content keeps the node, a new file beside it appears where its folder is shown, a deleted one is gone."""
    (rig.folder / "one" / "a.txt").write_bytes(b"edited")
    (rig.folder / "one" / "inner" / "new.txt").write_bytes(b"new")
    (rig.folder / "one" / "inner" / "b.txt").unlink()
    rescan(rig)
    found = shown(rig)
    assert {path: node for path, node in found.items() if path != "two/Inner/new.txt"} == {
        path: node for path, node in world.shown.items() if path != "two/Inner/b.txt"
    }
    assert "two/Inner/new.txt" in found
    assert read(rig, world.a) == b"edited"


def test_new_files_go_where_their_folder_lies(rig: IsyncRig, phone: Phone, world: World) -> None:
    """A file made in a folder that is shown elsewhere lies in the folder itself; so does a new catalog."""
    rig.put("c.txt", b"c", world.inner.id)
    assert phone.post("createCatalog", parentId=world.inner.id, name="deep").code == 0
    assert on_disk(rig) == ["one/a.txt", "one/inner/b.txt", "one/inner/c.txt"]
    assert (rig.folder / "one" / "inner" / "deep").is_dir()
    rescan(rig)
    assert set(shown(rig)) - set(world.shown) == {"two/Inner/c.txt", "two/Inner/deep"}


def test_a_new_file_at_the_place_it_left(rig: IsyncRig, phone: Phone, world: World) -> None:
    """The name is free where it was shown, though not on the disk: both are kept apart."""
    other = rig.put("a.txt", b"other", world.one.id)
    assert (read(rig, other), read(rig, world.a)) == (b"other", b"a")
    assert {path for path in shown(rig) if path.endswith(".txt")} == {"one/a.txt", "two/A.txt", "two/Inner/b.txt"}
    assert phone.post("updateFile", id=world.a.id, catalogId=world.one.id).code == 0
    assert len(rig.names(world.one.id)) == 2
    rescan(rig)
    assert (read(rig, other), read(rig, world.a)) == (b"other", b"a")


def test_another_way_to_move_brings_the_bytes_along(rig: IsyncRig, world: World) -> None:
    """Moved by sync or a browser, place and location agree again."""
    assert rig.ask("POST", f"/nodes/{world.a.id}/move", {"parent": rig.top, "name": "a.txt"}).status == 200
    assert rig.ask("POST", f"/nodes/{world.inner.id}/move", {"parent": rig.top, "name": "inner"}).status == 200
    assert on_disk(rig) == ["a.txt", "inner/b.txt"]
    rescan(rig)
    assert set(shown(rig)) == {"", "one", "two", "a.txt", "inner", "inner/b.txt"}
    assert (read(rig, world.a), read(rig, world.b)) == (b"a", b"b")


def test_a_folder_renamed_outside_keeps_what_is_shown_elsewhere(rig: IsyncRig, world: World) -> None:
    """It moves with the bytes: what lies in it stays shown where it was."""
    (rig.folder / "one").rename(rig.folder / "eins")
    rescan(rig)
    renamed = {"eins" if path == "one" else path: node for path, node in world.shown.items()}
    assert shown(rig) == renamed
    assert (read(rig, world.a), read(rig, world.b)) == (b"a", b"b")


@pytest.mark.parametrize("doomed", ["one", "two"])
def test_deleting_a_folder_loses_nothing_else(rig: IsyncRig, phone: Phone, world: World, doomed: str) -> None:
    """Of the folder in which it lies: it is brought to its place. Of the folder in which it is shown: it goes along."""
    assert phone.post("deleteCatalog", ids=world.shown[doomed]).data == "OK"
    if doomed == "one":
        assert set(shown(rig)) == {"", "two", "two/A.txt", "two/Inner", "two/Inner/b.txt"}
        assert on_disk(rig) == ["two/A.txt", "two/Inner/b.txt"]
    else:
        assert set(shown(rig)) == {"", "one"}
        assert on_disk(rig) == []
        assert rig.ask("POST", f"/trash/{world.two.id}/restore", {}).status == 200
    rescan(rig)
    assert (read(rig, world.a), read(rig, world.b)) == (b"a", b"b")
    rig.nothing_left_over()


def test_deleting_the_file_itself(rig: IsyncRig, phone: Phone, world: World) -> None:
    """From where it lies into the trash, and back to where it was shown."""
    assert phone.post("deleteFiles", ids=world.a.id).data == "OK"
    assert on_disk(rig) == ["one/inner/b.txt"]
    assert rig.ask("POST", f"/trash/{world.a.id}/restore", {}).status == 200
    assert shown(rig) == world.shown
    assert read(rig, world.a) == b"a"
    assert phone.get("files", pageIndex=0, pids=world.two.id).data["list"][0]["name"] == "A"


def test_a_file_on_its_way_is_changed(rig: IsyncRig, phone: Phone, world: World) -> None:
    """What is changed about it before its content is there counts when it is; its memo and help too."""
    announced = phone.post("uploadFileInfo", cid=world.one.id, name="new", size=2, type=16, ext="txt").data["id"]
    told = phone.post("updateFile", id=announced, catalogId=world.two.id, name="later", memo="m").data
    assert (told["catalogId"], told["name"], told["memo"], told["uploadingOriginSize"]) == (
        world.two.id,
        "later",
        "m",
        0,
    )
    assert phone.post("updateHelpInfo", type=2, id=announced, helpInt=5).code == 0
    assert phone.get("catalogs", pids=rig.top).data[1]["fileCount"] == 2
    body = b'--B\r\nContent-Disposition: form-data; name="f"; filename="origin"\r\n\r\nxy\r\n--B--\r\n'
    sent = phone.ask(
        "POST", f"/uploadFile.icc?id={announced}", body, {"Content-Type": "multipart/form-data; boundary=B"}
    )
    info = sent.data["fileInfo"]
    assert (info["catalogId"], info["name"], info["memo"], info["helpInt"], info["size"]) == (
        world.two.id,
        "later",
        "m",
        5,
        2,
    )
    assert "two/later.txt" in on_disk(rig)


def test_a_file_on_its_way_is_given_up(rig: IsyncRig, phone: Phone, world: World) -> None:
    """By who sends it; nobody else ends another's upload. Nothing of it is left."""
    announced = phone.post("uploadFileInfo", cid=world.one.id, name="new", size=2, type=16, ext="txt").data["id"]
    assert rig.phone("ben").post("deleteFiles", ids=announced).data == "OK"
    assert [each["id"] for each in phone.get("uploadingInfo").data] == [announced]
    assert phone.post("deleteFiles", ids=announced).data == "OK"
    assert phone.get("uploadingInfo").data == []
    assert phone.get("helpInfo", type=2, id=announced).data == {}
    assert rig.isync.extras.extras([NodeId(announced)]) == {}
    rig.nothing_left_over()
