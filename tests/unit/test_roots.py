"""Roots: own ones, adopted ones, who may see them and how much they hold."""

import os
from pathlib import Path

import pytest
from tests.unit.keeping_world import House

from homestow.server.rules.access import Principal, Rights
from homestow.server.rules.quotas import Quota
from homestow.values.errors import BadName, BadRequest, Forbidden, NotFound, RootsOverlap, StorageFailed, TooManyTries
from homestow.values.ids import SYSTEM, AccountId, RootId

PASSWORD = "correct horse"


def who(house: House, name: str) -> Principal:
    account = house.accounts.named(name)
    return Principal(account.id, account.name)


def test_an_own_root_is_made_once(house: House) -> None:
    """Named as its owner, in a private folder of that name; asking again gives the same."""
    anna = house.accounts.named("anna")
    root = house.roots.own(anna)

    assert (root.name, root.folder) == ("anna", str(house.data / "files" / "anna"))
    assert os.stat(root.folder).st_mode & 0o777 == 0o700
    assert house.roots.own(anna) == root
    assert house.roots.rights(anna.id, root.id) is Rights.OWN
    assert [(view.name, view.rights) for view in house.roots.of(who(house, "anna"))] == [
        ("anna", Rights.OWN),
        ("tree", Rights.WRITE),
    ]


def test_whoever_has_no_root_gets_one_when_needed(house: House) -> None:
    """Listing the roots is needing one; a member of another root has one already."""
    house.accounts.add("bert", PASSWORD)

    assert [view.name for view in house.roots.of(who(house, "bert"))] == ["bert"]
    assert [view.name for view in house.roots.of(who(house, "anna"))] == ["tree"]


def test_a_folder_that_is_there_is_somebody_elses(house: House) -> None:
    """S06: a new user of an old name never gets the old one's files."""
    old = house.roots.own(house.accounts.named("anna"))
    (Path(old.folder) / "private").write_text("hers")
    house.order("user.remove", name="anna")
    new = house.roots.own(house.accounts.add("anna", PASSWORD))

    assert new.folder != old.folder
    assert os.listdir(new.folder) == []
    assert new.name == "anna (2)"
    assert [view.id for view in house.roots.of(who(house, "anna"))] == [new.id]


def test_names_of_roots_are_unique(house: House, tmp_path: Path) -> None:
    """A second one gets " (2)", in whatever capitals; names that are none are refused."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert house.roots.add("Tree", str(tmp_path / "one"), []).name == "Tree (2)"
    with pytest.raises(BadName):
        house.roots.add("a/b", str(tmp_path / "two"), [])


@pytest.mark.parametrize(
    "path", ["tree", "tree/inner", ".", "data", "data/files", "data/files/x/y", "link", "data/else"]
)
def test_overlapping_folders_are_refused(house: House, tmp_path: Path, path: str) -> None:
    """The same, inside, around, by a link, and the server's own folder."""
    (house.folder / "inner").mkdir()
    (tmp_path / "data" / "files" / "x" / "y").mkdir(parents=True)
    (tmp_path / "data" / "else").mkdir()
    (tmp_path / "link").symlink_to(house.folder)
    with pytest.raises(RootsOverlap, match="choose"):
        house.roots.add("other", str(tmp_path / path), [])
    assert len(house.roots.all()) == 1


def test_a_neighbour_of_a_similar_name_does_not_overlap(house: House, tmp_path: Path) -> None:
    """S07: /tree and /tree2 are two folders."""
    (tmp_path / "tree2").mkdir()
    assert house.roots.add("tree2", str(tmp_path / "tree2"), []).name == "tree2"


def test_what_is_no_folder_is_refused(house: House, tmp_path: Path) -> None:
    """With what to do; and an unknown member leaves no root behind."""
    with pytest.raises(BadRequest, match="is not a folder on this machine; make it first"):
        house.roots.add("x", str(tmp_path / "nothing"), [])
    (tmp_path / "x").mkdir()
    with pytest.raises(NotFound):
        house.roots.add("x", str(tmp_path / "x"), [("nobody", Rights.READ)])
    assert len(house.roots.all()) == 1


def test_rights_change_at_once(house: House) -> None:
    """What is given or taken counts for the very next question."""
    bert = house.accounts.add("bert", PASSWORD)
    assert house.roots.rights(bert.id, house.root) is Rights.NONE
    house.roots.give(house.root, bert.id, Rights.READ)
    assert house.roots.rights(bert.id, house.root) is Rights.READ
    assert house.roots.readable(bert.id) == [house.root]
    house.roots.give(house.root, bert.id, Rights.NONE)
    assert house.roots.rights(bert.id, house.root) is Rights.NONE
    house.roots.give(house.root, bert.id, Rights.WRITE)
    house.order("user.remove", name="bert")
    assert house.roots.rights(bert.id, house.root) is Rights.NONE
    assert house.roots.rights(SYSTEM, house.root) is Rights.OWN
    assert house.roots.rights(AccountId(1), RootId(999)) is Rights.NONE


def test_members_are_managed_by_owners(house: House) -> None:
    """S09: to strangers the root is not there, members may look, owners may change, and one owner stays."""
    for name in ("bert", "carl"):
        house.accounts.add(name, PASSWORD)
    root = house.roots.own(house.accounts.named("anna")).id
    anna, bert, carl = (who(house, name) for name in ("anna", "bert", "carl"))
    with pytest.raises(NotFound):
        house.roots.members(bert, root)
    house.roots.set_member(anna, root, "bert", Rights.WRITE)
    assert [(account.name, rights) for account, rights in house.roots.members(bert, root)] == [
        ("anna", Rights.OWN),
        ("bert", Rights.WRITE),
    ]
    with pytest.raises(Forbidden):
        house.roots.set_member(bert, root, "carl", Rights.READ)
    with pytest.raises(NotFound):
        house.roots.set_member(carl, root, "carl", Rights.READ)
    with pytest.raises(NotFound):
        house.roots.set_member(anna, root, "nobody", Rights.READ)
    with pytest.raises(Forbidden, match="only owner"):
        house.roots.set_member(anna, root, "anna", Rights.READ)
    house.roots.set_member(anna, root, "bert", Rights.OWN)
    house.roots.set_member(bert, root, "anna", Rights.NONE)
    assert house.roots.rights(anna.account, root) is Rights.NONE


def test_names_are_not_tried_without_end(house: House) -> None:
    """S45: an owner who names users there are not is slowed down like somebody who tries passwords; those there are cost nothing,
    and other owners are not touched."""
    anna, bert = who(house, "anna"), house.accounts.add("bert", PASSWORD)
    root = house.roots.own(house.accounts.named("anna")).id
    for _ in range(25):
        house.roots.set_member(anna, root, "bert", Rights.READ)
    for number in range(10):
        with pytest.raises(NotFound):
            house.roots.set_member(anna, root, f"guess{number}", Rights.READ)
    for name in ("guess", "bert"):
        with pytest.raises(TooManyTries) as refused:
            house.roots.set_member(anna, root, name, Rights.READ)
        assert 0 < int(refused.value.facts["retry_after_s"] or 0) <= 15 * 60
    own = house.roots.own(bert).id
    house.roots.set_member(who(house, "bert"), own, "anna", Rights.READ)
    house.clock.ns += 16 * 60 * 1_000_000_000
    house.roots.set_member(anna, root, "bert", Rights.READ)


def test_quotas_of_account_and_root_both_count(house: House) -> None:
    """An account's quota covers all its own roots, a root's own quota only itself; 0 is no limit."""
    anna = house.accounts.named("anna")
    root = house.roots.own(anna)
    assert house.roots.quotas(root.id) == ()
    house.order("user.quota", name="anna", bytes=100)
    house.order("root.quota", name="anna", bytes=50)
    assert house.roots.quotas(root.id) == (Quota(50, (root.id,)), Quota(100, (root.id,)))
    assert house.roots.usage(anna.id) == (0, 100)
    assert house.roots.of(who(house, "anna"))[0].quota == 50
    house.order("user.quota", name="anna", bytes=0)
    house.order("root.quota", name="anna", bytes=0)
    assert house.roots.quotas(root.id) == ()


def test_a_removed_root_sleeps_and_wakes(house: House) -> None:
    """Its files stay; added again it is the same root with its trash, versions and ids."""
    house.write("a", "one")
    house.rescan()
    house.put("b", b"1")
    house.put("b", b"2")
    house.delete("a")
    ids = house.ids()
    house.roots.remove("tree")
    assert house.roots.all() == []
    assert (house.folder / "b").read_bytes() == b"2"
    with pytest.raises(NotFound):
        house.roots.get(house.root)
    with pytest.raises(NotFound):
        house.roots.named("tree")

    again = house.roots.add("other", str(house.folder), [("anna", Rights.READ)])

    assert (again.id, again.name) == (house.root, "other")
    assert house.ids() == ids
    house.rescan()
    assert house.ids() == ids
    assert len(house.catalogue.trash(house.root, 0, 10)) == 1
    assert house.roots.rights(house.accounts.named("anna").id, house.root) is Rights.READ


def test_an_away_root_takes_nothing(house: House) -> None:
    """P10: after a start with the disk not mounted, nothing is written into the empty mount point."""
    house.put("a", b"1")
    house.rescan()
    house.roots.close()
    moved = house.folder.rename(house.folder.with_name("moved"))
    house.folder.mkdir()
    with pytest.raises(StorageFailed, match="Mount its disk again"):
        house.put("b", b"2")
    with pytest.raises(StorageFailed):
        house.put("b", b"2")
    assert os.listdir(house.folder) == []
    house.folder.rmdir()
    moved.rename(house.folder)
    assert not house.rescan().away
    house.put("b", b"2")


def test_a_kill_between_root_and_top_is_mended(house: House, tmp_path: Path) -> None:
    """A root without its top folder gets one at the next start."""
    (tmp_path / "half").mkdir()
    row = house.root_rows.add_root("half", str(tmp_path / "half"), SYSTEM, 0)
    house.roots.ensure_tops()
    house.roots.ensure_tops()
    assert house.catalogue.top(row.id) is not None


@pytest.mark.parametrize("mount_point", [True, False])
def test_what_is_told_of_an_away_root_names_no_folder(
    house: House, mount_point: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """S34: whoever asks learns that the root is away, not where on the server it lies; the log says that, once."""
    house.put("a", b"1")
    house.rescan()
    house.roots.close()
    house.folder.rename(house.folder.with_name("moved"))
    if mount_point:
        house.folder.mkdir()
    for _ in range(2):
        with pytest.raises(StorageFailed) as told:
            house.put("b", b"2")
        assert str(house.folder.parent) not in told.value.message
    told_in_log = [record for record in caplog.records if str(house.folder) in str(getattr(record, "reason", ""))]
    assert len(told_in_log) == 1
