"""Catalogs: browse, make, show elsewhere, delete."""

from pathlib import Path

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone

from homestow.values.ids import NodeId


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def make(phone: Phone, parent: int, name: str, **more: object) -> dict[str, object]:
    data: dict[str, object] = phone.post("createCatalog", parentId=parent, name=name, **more).data
    return data


def below(phone: Phone, *parents: int) -> list[dict[str, object]]:
    data: list[dict[str, object]] = phone.get("catalogs", pids=",".join(map(str, parents))).data
    return data


def names(phone: Phone, *parents: int) -> list[object]:
    return [each["name"] for each in below(phone, *parents)]


def test_roots_and_what_is_in_them(rig: IsyncRig, phone: Phone) -> None:
    """-1 gives the roots, also mixed with others; counts are what stands directly in each."""
    rig.put("a.jpg")
    inner = make(phone, rig.top, "Holidays")
    rig.put("b.jpg", parent=int(str(inner["id"])))
    make(phone, int(str(inner["id"])), "Sea")

    (root,) = below(phone, -1)
    assert root | {"createTime": 0, "lastModifyTime": 0} == {
        "id": rig.top, "rootId": rig.top, "parentId": -1, "name": "tree", "createTime": 0, "lastModifyTime": 0,
        "subCatalogCount": 1, "fileCount": 1,
    }  # fmt: skip
    (shown,) = below(phone, rig.top)
    assert (shown["rootId"], shown["parentId"], shown["subCatalogCount"], shown["fileCount"]) == (
        rig.top,
        rig.top,
        1,
        1,
    )
    assert names(phone, -1, rig.top) == ["tree", "Holidays"]
    assert names(phone, 999_999, int(str(inner["id"]))) == ["Sea"]
    assert names(phone, 999_999) == []


def test_whoever_has_no_root_gets_one(rig: IsyncRig) -> None:
    """A user without any root has an own one after the login, in which everything works."""
    phone = rig.phone("dan")
    (root,) = below(phone, -1)
    assert root["name"] == "dan"
    assert make(phone, int(str(root["id"])), "new")["parentId"] == root["id"]
    assert (rig.place / "data" / "files" / "dan" / "new").is_dir()


def test_a_new_catalog_is_a_real_folder(rig: IsyncRig, phone: Phone) -> None:
    """It is on the disk, in the native listing and in the change feed at once; what was given comes back."""
    cursor = rig.services.changes.cursor()
    made = make(
        phone, rig.top, "Grüße", createTime=1500000000.7, lastModifyTime=5, memo="m", helpInt=-3, helpText="für mich"
    )
    assert made == {
        "id": made["id"], "rootId": rig.top, "parentId": rig.top, "name": "Grüße", "createTime": 1500000000,
        "lastModifyTime": 1900000000, "memo": "m", "subCatalogCount": 0, "fileCount": 0, "helpInt": -3,
        "helpText": "für mich",
    }  # fmt: skip
    assert (rig.folder / "Grüße").is_dir()
    assert rig.names() == ["Grüße"]
    fed = rig.ask("GET", f"/roots/{rig.root}/changes?cursor={cursor}").json()["nodes"]
    assert made["id"] in [node["id"] for node in fed]
    assert below(phone, rig.top) == [made]


def test_display_names_may_repeat(rig: IsyncRig, phone: Phone) -> None:
    """On the disk the second is called "(2)"; what people see is what they gave."""
    for _ in range(3):
        make(phone, rig.top, "Photos")
    assert names(phone, rig.top) == ["Photos"] * 3
    assert rig.names() == ["Photos", "Photos (2)", "Photos (3)"]


def test_many_make_the_same_at_once(rig: IsyncRig) -> None:
    """Each gets a catalog of its own, all are shown by the same name."""
    from concurrent.futures import ThreadPoolExecutor

    phones = [rig.phone() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(make, phone, rig.top, "Photos") for phone in phones for _ in range(5)]:
            made.result()
    assert names(phones[0], rig.top) == ["Photos"] * 20
    assert len(rig.names()) == 20


@pytest.mark.parametrize(
    "name, on_disk", [("a/b", "a_b"), ("..", "_.."), (".", "_."), ("x" * 99, "x" * 99), ("日" * 99, "日" * 85)]
)
def test_names_no_disk_takes(rig: IsyncRig, phone: Phone, name: str, on_disk: str) -> None:
    """They stay as display names; the folder gets the nearest name that it can have."""
    make(phone, rig.top, name)
    assert names(phone, rig.top) == [name]
    assert rig.names() == [on_disk]


def test_names_that_are_refused(rig: IsyncRig, phone: Phone) -> None:
    """None, an empty one, a hundred characters, the server's own name; and unknown parents."""
    for params in ({}, {"name": ""}, {"name": "x" * 100}, {"name": ".homestow"}):
        assert phone.post("createCatalog", parentId=rig.top, **params).code == -10003, params
    file = rig.put("a.txt")
    for parent in (0, -1, 999_999, file.id):
        assert phone.post("createCatalog", parentId=parent, name="x").code == -10007, parent
    assert rig.names() == ["a.txt"]


def test_a_renamed_folder_outside_shows_its_new_name(rig: IsyncRig, phone: Phone) -> None:
    """The display name counts as long as the folder is called as it was then."""
    made = make(phone, rig.top, "a/b")
    assert rig.ask("POST", f"/nodes/{made['id']}/move", {"parent": rig.top, "name": "other"}).status == 200
    assert names(phone, rig.top) == ["other"]


def test_update_changes_the_place_only(rig: IsyncRig, phone: Phone) -> None:
    """Shown elsewhere and under another name everywhere; on the disk nothing has moved."""
    one, two = make(phone, rig.top, "one"), make(phone, rig.top, "two")
    rig.put("a.txt", b"content", parent=int(str(one["id"])))
    moved = phone.post("updateCatalog", id=one["id"], parentId=two["id"], name="eins", memo="x").data
    assert (moved["parentId"], moved["name"], moved["memo"], moved["fileCount"]) == (two["id"], "eins", "x", 1)
    assert rig.names() == ["two"]
    assert rig.names(int(str(two["id"]))) == ["eins"]
    assert (rig.folder / "one" / "a.txt").read_bytes() == b"content"
    assert not list((rig.folder / "two").iterdir())
    phone.post("updateCatalog", id=one["id"], parentId=rig.top, name="one")
    assert rig.names() == ["one", "two"]


def test_a_moved_catalog_keeps_its_display_name(rig: IsyncRig, phone: Phone) -> None:
    """Where its name is taken it is called "(2)" there and shown as before; back home the number is gone."""
    first, box = make(phone, rig.top, "Photos"), make(phone, rig.top, "box")
    make(phone, int(str(box["id"])), "Photos")
    moved = phone.post("updateCatalog", id=first["id"], parentId=box["id"]).data
    assert (moved["name"], moved["parentId"]) == ("Photos", box["id"])
    assert rig.names(int(str(box["id"]))) == ["Photos", "Photos (2)"]
    phone.post("updateCatalog", id=first["id"], parentId=rig.top)
    assert rig.names() == ["Photos", "box"]


def test_nothing_to_change_is_an_error(rig: IsyncRig, phone: Phone) -> None:
    """The same parent and nothing else, wrong values only, unknown ones, cycles, another root."""
    one = make(phone, rig.top, "one")
    inner = make(phone, int(str(one["id"])), "inner")
    mine = below(rig.phone("dan"), -1)[0]["id"]
    file = rig.put("a.txt")
    for params in (
        {}, {"parentId": rig.top}, {"parentId": 0}, {"parentId": -1}, {"name": ""}, {"name": "x" * 100}, {"helpInt": "x"},
        {"parentId": one["id"]}, {"parentId": inner["id"]}, {"parentId": 999_999}, {"parentId": file.id},
        {"parentId": mine}, {"parentId": 999_999, "name": "y"},
    ):  # fmt: skip
        assert phone.post("updateCatalog", id=one["id"], **params).code == -10010, params
    for node in (999_999, mine, file.id, -1, 0):
        assert phone.post("updateCatalog", id=node, name="x").code == -10010
    assert phone.post("updateCatalog", name="x").code == -10003
    assert names(phone, rig.top) == ["one"]


def test_nothing_moves_to_another_root(rig: IsyncRig, tmp_path: Path) -> None:
    """It would need its bytes on another disk: refused, and nothing is changed."""
    other = tmp_path / "other"
    other.mkdir()
    from homestow.server.rules.access import Rights

    root = rig.roots.add("other", str(other), [("anna", Rights.OWN)])
    top = rig.catalogue.top(root.id)
    assert top is not None
    phone = rig.phone()
    one = make(phone, rig.top, "one")
    assert phone.post("updateCatalog", id=one["id"], parentId=top.id, name="z").code == -10010
    assert below(phone, rig.top) == [one]
    assert [each["name"] for each in below(phone, -1)] == ["tree", "other"]


def test_a_root_gets_another_display_name_only(rig: IsyncRig, phone: Phone) -> None:
    """Its own name and its folder stay."""
    assert phone.post("updateCatalog", id=rig.top, name="Our files", helpText="h").data["name"] == "Our files"
    assert below(phone, -1)[0]["name"] == "Our files"
    assert rig.ask("GET", "/roots").json()["roots"][0]["name"] == "tree"
    inner = make(phone, rig.top, "inner")
    assert phone.post("updateCatalog", id=rig.top, parentId=inner["id"]).code == -10010


def test_deleting_takes_everything_in_it_to_the_trash(rig: IsyncRig, phone: Phone) -> None:
    """With what is shown in it; what only lies in it is brought to its place first, and nothing is lost."""
    one, two = make(phone, rig.top, "one"), make(phone, rig.top, "two")
    inner = make(phone, int(str(one["id"])), "inner")
    rig.put("gone.txt", b"gone", parent=int(str(inner["id"])))
    stays = rig.put("stays.txt", b"stays", parent=int(str(inner["id"])))
    rig.isync.services.files.move(
        rig.services.accounts.check(rig.token("anna")),
        stays.id,
        NodeId(int(str(two["id"]))),
        "stays.txt",
        place_only=True,
    )
    answer = phone.post("deleteCatalog", ids=f"{one['id']},999999,{inner['id']}")
    assert answer.body == b'{"code": 0, "data": "OK"}'
    assert names(phone, rig.top) == ["two"]
    assert rig.read(stays.id) == b"stays"
    assert (rig.folder / "two" / "stays.txt").read_bytes() == b"stays"
    assert not (rig.folder / "one").exists()
    (kept,) = rig.ask("GET", f"/roots/{rig.root}/trash").json()["items"]
    assert kept["node"]["id"] == one["id"]
    rig.nothing_left_over()


def test_deleting_a_root_empties_it(rig: IsyncRig, phone: Phone) -> None:
    """Everything in it goes to the trash; the root stays."""
    make(phone, rig.top, "one")
    rig.put("a.txt")
    assert phone.post("deleteCatalog", ids=rig.top).data == "OK"
    assert rig.names() == []
    assert names(phone, -1) == ["tree"]
    assert len(rig.ask("GET", f"/roots/{rig.root}/trash").json()["items"]) == 2


def test_who_may_only_read_changes_nothing(rig: IsyncRig) -> None:
    """A reader sees everything and is refused by -10002; nothing of a list is deleted then."""
    phone, reader = rig.phone(), rig.phone("cora")
    one = make(phone, rig.top, "one")
    assert below(reader, rig.top) == [one]
    for call, params in (
        ("createCatalog", {"parentId": rig.top, "name": "x"}), ("updateCatalog", {"id": one["id"], "name": "x"}),
        ("deleteCatalog", {"ids": f"{one['id']}"}), ("updateHelpInfo", {"type": 1, "id": one["id"], "helpInt": 1}),
    ):  # fmt: skip
        assert reader.post(call, **params).code == -10002, call
    assert below(phone, rig.top) == [one]
