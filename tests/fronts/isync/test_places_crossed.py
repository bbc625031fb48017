"""A catalog shown inside of one that lies in it: both are found, whatever was moved first."""

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone

from homestow.server.service.admin import OPERATOR
from homestow.server.service.outside import Outside
from homestow.values.ids import NodeId


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def test_shown_in_what_lies_in_it(rig: IsyncRig, phone: Phone) -> None:
    """Files are served, a comparison with the disk changes nothing, and deleting loses no file of the other."""
    outer = rig.folder_node("outer")
    inner = rig.folder_node("inner", outer.id)
    rig.put("a.txt", b"in outer", parent=outer.id)
    deep = rig.put("b.txt", b"in inner", parent=inner.id)
    assert phone.post("updateCatalog", id=inner.id, parentId=rig.top).code == 0
    assert phone.post("updateCatalog", id=outer.id, parentId=inner.id).code == 0
    assert (rig.folder / "outer" / "inner" / "b.txt").read_bytes() == b"in inner"
    names = {info["name"] for info in phone.get("files", pageIndex=0).data["list"]}
    assert names == {"a.txt", "b.txt"}
    assert rig.core.files.path(OPERATOR, deep.id) == ("inner", "b.txt")
    content = rig.core.downloads.content(OPERATOR, deep.id)
    assert content.opened.read_at(0, 99) == b"in inner"
    content.close()
    outside = rig.core.outside
    assert isinstance(outside, Outside)
    found = outside.rescan(rig.root)
    assert (found.new, found.gone, found.moved, found.edited) == (0, 0, 0, 0)
    assert phone.post("deleteCatalog", ids=outer.id).data == "OK"
    assert rig.core.files.node(OPERATOR, NodeId(deep.id)).name == "b.txt"
    assert {info["name"] for info in phone.get("files", pageIndex=0).data["list"]} == {"b.txt"}
