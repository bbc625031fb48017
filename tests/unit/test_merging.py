"""A root becomes a folder of another one: the same nodes, contents and versions, whoever dies in between."""

from pathlib import Path

import pytest
from tests.unit.keeping_world import House, open_house

from homestow.server.ports.catalogue import NodeRow
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.admin import OPERATOR
from homestow.server.service.merging import Merging
from homestow.server.service.uploads import Begin
from homestow.values.errors import CloudError, NotFound, RootsOverlap, UploadGone
from homestow.values.faults import arm
from homestow.values.ids import AccountId, NodeId


def settle_in(house: House, place: Path) -> NodeId:
    """A root `inner` two folders deep in `outer`, with a file of two versions and one in the trash; the file's node."""
    inner = place / "outer" / "x" / "inner"
    inner.mkdir(parents=True)
    (inner / "old.txt").write_text("from before")
    house.root = house.roots.add("inner", str(inner), [("anna", Rights.WRITE)]).id
    house.folder = inner
    house.rescan()
    house.put("d/a.txt", b"one")
    node = house.put("d/a.txt", b"the second")
    house.put("gone.txt", b"deleted")
    house.delete("gone.txt")
    return node.id


def merge(house: House, place: Path) -> None:
    """`inner` into a new root around it."""
    inner = house.roots.named("inner")
    outer = house.roots.add("outer", str(place / "outer"), [("anna", Rights.WRITE)], around={inner.id})
    Merging(house.catalogue, house.roots, house.committer, house.clock).merge(inner, outer)


def check(house: House, place: Path, node: NodeId) -> None:
    """Everything of `inner` is in `outer`, with ids, versions and trash, and the disk agrees."""
    outer = house.roots.named("outer")
    found = house.outside.rescan(outer.id)
    assert (found.new, found.gone, found.moved, found.edited, found.skipped) == (0, 0, 0, 0, [])
    house.root, house.folder = outer.id, place / "outer"
    assert house.core.files.path(OPERATOR, node) == ("x", "inner", "d", "a.txt")
    assert read(house, node, None) == b"the second"
    assert read(house, node, 1) == b"one"
    (trashed,) = house.core.trashcan.trash(OPERATOR, outer.id)[0]
    assert trashed.node.name == "gone.txt"
    back = house.core.trashcan.restore(OPERATOR, trashed.node.id)
    assert read(house, back.id, None) == b"deleted"
    assert not (place / "outer/x/inner/.homestow").exists()
    with pytest.raises(NotFound):
        house.roots.named("inner")
    house.agrees()
    verified = house.keeping.verify.run()
    assert verified.problems == []


def read(house: House, node: NodeId, rev: int | None) -> bytes:
    content = house.core.downloads.content(OPERATOR, node, rev)
    try:
        return content.opened.read_at(0, content.size)
    finally:
        content.close()


def test_everything_comes_along(house: House, tmp_path: Path) -> None:
    """Ids, paths, versions, trash; files stay where they lie; the folders between get nodes."""
    node = settle_in(house, tmp_path)
    before = house.tree()
    inode = (tmp_path / "outer/x/inner/d/a.txt").stat().st_ino
    merge(house, tmp_path)
    check(house, tmp_path, node)
    assert (tmp_path / "outer/x/inner/d/a.txt").stat().st_ino == inode
    after = house.tree()
    for path, row in before.items():
        assert (after[f"x/inner/{path}"].id, after[f"x/inner/{path}"].rev) == (row.id, row.rev)


def test_the_feed_tells_of_all(house: House, tmp_path: Path) -> None:
    """Whoever follows the outer root learns of every node that came."""
    settle_in(house, tmp_path)
    inner = house.roots.named("inner")
    outer = house.roots.add("outer", str(tmp_path / "outer"), [("anna", Rights.WRITE)], around={inner.id})
    cursor = house.core.changes.cursor()
    Merging(house.catalogue, house.roots, house.committer, house.clock).merge(inner, outer)
    told: dict[int, NodeRow] = {}
    after, more = cursor.number, True
    while more:
        rows, after, more = house.catalogue.changed(outer.id, after, 3)
        told |= {row.id: row for row in rows}
    house.root = outer.id
    for row in house.tree().values():
        assert told[row.id].change == row.change
    top = house.catalogue.top(outer.id)
    assert top is not None
    assert top.below == house.catalogue.last()


@pytest.mark.parametrize("point", ["merging.grafted", "content.take_over", "content.take_over.moved"])
def test_a_kill_in_between(empty: Path, tmp_path: Path, point: str) -> None:
    """What is left to be done is done at the next start."""

    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    with open_house(empty, tmp_path) as house:
        node = settle_in(house, tmp_path)
        arm(kill)
        try:
            with pytest.raises(Killed):
                merge(house, tmp_path)
        finally:
            arm(None)
    with open_house(empty, tmp_path) as house:
        check(house, tmp_path, node)


def test_uploads_end_and_others_are_kept_out(house: House, tmp_path: Path) -> None:
    """An upload into the inner root is gone; who could see only that root sees nothing now."""
    settle_in(house, tmp_path)
    house.accounts.add("ben", "correct horse")
    ben = Principal(house.accounts.named("ben").id, "ben")
    house.roots.give(house.root, ben.account, Rights.READ)
    begun = house.core.uploads.begin_upload(OPERATOR, Begin(9, house.top, "late.txt"))
    merge(house, tmp_path)
    with pytest.raises(UploadGone):
        house.core.uploads.upload(OPERATOR, begun.id)
    assert house.roots.readable(ben.account) == []
    outer = house.roots.named("outer")
    anna = house.accounts.named("anna").id
    assert outer.id in house.roots.readable(AccountId(anna))


def test_an_own_root_stays_what_it_is(house: House, tmp_path: Path) -> None:
    """Somebody's own root does not become a folder of another one."""
    settle_in(house, tmp_path)
    inner = house.roots.named("inner")
    house.root_rows.set_owner(inner.id, house.accounts.named("anna").id)
    merging = Merging(house.catalogue, house.roots, house.committer, house.clock)
    with pytest.raises(RootsOverlap):
        merging.check(house.roots.named("inner"), str(tmp_path / "outer"))


def test_not_inside(house: House, tmp_path: Path) -> None:
    """Roots beside each other stay so."""
    settle_in(house, tmp_path)
    beside = tmp_path / "beside"
    beside.mkdir()
    other = house.roots.add("beside", str(beside), [])
    with pytest.raises(CloudError):
        Merging(house.catalogue, house.roots, house.committer, house.clock).merge(house.roots.named("inner"), other)
