"""What begins with a dot: left out as scans of the article leave it out, unless a client of these calls made it."""

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone

from homestow.server.service.admin import OPERATOR
from homestow.values.ids import NodeId


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def names(phone: Phone) -> set[str]:
    return {info["name"] for info in phone.get("files", pageIndex=0).data["list"]}


def test_neither_files_nor_anything_in_folders(rig: IsyncRig, phone: Phone) -> None:
    """Not in pages, not among catalogs, not in counts; renamed it is there, and away again."""
    hidden = rig.folder_node(".hidden")
    inner = rig.folder_node("inner", hidden.id)
    rig.put("a.txt", parent=inner.id)
    dot = rig.put(".profile")
    rig.put("seen.txt")
    assert names(phone) == {"seen.txt"}
    (top,) = phone.get("catalogs", pids=-1).data
    assert (top["subCatalogCount"], top["fileCount"]) == (0, 1)
    assert phone.get("catalogs", pids=top["id"]).data == []
    rig.core.files.move(OPERATOR, hidden.id, NodeId(rig.top), "shown")
    rig.core.files.move(OPERATOR, dot.id, NodeId(rig.top), "profile")
    assert names(phone) == {"seen.txt", "a.txt", "profile"}
    assert [each["name"] for each in phone.get("catalogs", pids=top["id"]).data] == ["shown"]
    rig.core.files.move(OPERATOR, hidden.id, NodeId(rig.top), ".again")
    assert names(phone) == {"seen.txt", "profile"}


def test_what_a_client_made_is_shown_to_it(rig: IsyncRig, phone: Phone) -> None:
    """A catalog called so is there, with what is in it."""
    made = phone.post("createCatalog", parentId=rig.top, name=".mine").data
    rig.put("a.txt", parent=made["id"])
    assert [each["id"] for each in phone.get("catalogs", pids=rig.top).data] == [made["id"]]
    assert names(phone) == {"a.txt"}
