"""The tree as people use it, over the store in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import SECOND, World, world

from homestow.server.rules.access import Rights
from homestow.server.service.work import Once
from homestow.values.errors import (
    BadName,
    BadRequest,
    CloudError,
    Forbidden,
    KeyReused,
    NotFound,
    PathTaken,
    Stale,
    WouldCycle,
    WrongKind,
)
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made
        made.usage_is_right()
        made.nothing_staged()


class TestLooking:
    def test_a_path_leads_to_its_node(self, w: World) -> None:
        """Names from the top, in whatever normal form."""
        folder = w.folder_node("ä")
        node = w.put("x", b"1", folder.id)

        assert w.core.files.resolve(w.cora, w.root, ["a\u0308", "x"]) == node
        assert w.core.files.path(w.cora, node.id) == ("ä", "x")
        assert w.core.files.resolve(w.cora, w.root, []).id == w.top
        with pytest.raises(NotFound):
            w.core.files.resolve(w.cora, w.root, ["ä", "x", "y"])

    def test_who_may_not_know_is_told_nothing(self, w: World) -> None:
        """No right and no such node are one answer (S09)."""
        node = w.put("x", b"1")
        known: list[str] = []
        unknown: list[str] = []
        for call in (w.core.files.node, w.core.downloads.content, w.core.trashcan.versions, w.core.files.delete):
            for told, number in ((known, node.id), (unknown, NodeId(999))):
                with pytest.raises(NotFound) as caught:
                    call(w.dan, number)
                told.append(caught.value.message)

        assert known == unknown

    def test_readers_read_and_change_nothing(self, w: World) -> None:
        """Every change needs the right to write, removing for good the right to own."""
        node, folder = w.put("x", b"1"), w.folder_node("f")
        assert w.core.files.node(w.cora, node.id) == node
        core, cora, ben = w.core, w.cora, w.ben
        for change in (
            lambda: core.files.make_folder(cora, w.top, "g"),
            lambda: core.files.move(cora, node.id, folder.id, "x"),
            lambda: core.files.copy(cora, node.id, folder.id, "x"),
            lambda: core.files.set_facts(cora, node.id, 5),
            lambda: core.files.delete(cora, node.id),
            lambda: core.whole.put_content(cora, node.id, 1),
            lambda: core.whole.put_pack(cora, w.root, []),
            lambda: core.files.make_folders(cora, w.root, []),
            lambda: core.trashcan.empty_trash(ben, w.root),
        ):
            with pytest.raises(Forbidden):
                change()

    def test_a_tree_comes_by_pages(self, w: World) -> None:
        """Every live node once."""
        folder = w.folder_node("f")
        ids = {w.top, folder.id, *(w.put(str(at), b"", folder.id).id for at in range(5))}
        w.core.files.delete(w.anna, w.put("gone", b"").id)

        found: list[NodeId] = []
        after: NodeId | None = NodeId(0)
        while after is not None:
            page, after = w.core.files.tree(w.cora, w.root, after, limit=2)
            found += [node.id for node in page]

        assert len(found) == len(ids)
        assert set(found) == ids
        below, _ = w.core.files.tree(w.cora, w.root, under=folder.id)
        assert {node.id for node in below} == ids - {w.top}


class TestMaking:
    def test_a_taken_name_is_refused_with_what_is_there(self, w: World) -> None:
        """So that the caller can go on with it."""
        folder = w.folder_node("f")

        with pytest.raises(PathTaken) as caught:
            w.folder_node("f")

        assert caught.value.facts["node"] == folder.id

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "x" * 256, "\udcff"])
    def test_absurd_names_are_refused(self, w: World, name: str) -> None:
        """By every call that takes one (S01, S14)."""
        node = w.put("x", b"")
        calls: list[Callable[[], Node]] = [
            lambda: w.folder_node(name),
            lambda: w.put(name, b""),
            lambda: w.core.files.move(w.anna, node.id, w.top, name),
            lambda: w.core.files.copy(w.anna, node.id, w.top, name),
        ]
        for call in calls:
            with pytest.raises(BadName):
                call()

    def test_the_servers_own_name_is_refused_at_the_top(self, w: World) -> None:
        """And is a name like any other below it."""
        with pytest.raises(BadName):
            w.folder_node(".homestow")
        with pytest.raises(BadName):
            w.put(".homestow", b"")
        w.folder_node(".homestow", w.folder_node("f").id)

    def test_many_folders_are_made_in_one_call(self, w: World) -> None:
        """Parents before children; what exists is the answer; a wrong one does not stop the others."""
        there = w.folder_node("there")
        w.put("file", b"")
        wanted = [
            (w.top, "there"),
            (-1, "a"),
            (-2, "b"),
            (w.top, "file"),
            (-4, "c"),
            (-1, "a"),
            (w.top, ".."),
            (-99, "x"),
        ]

        outcomes = w.core.files.make_folders(w.anna, w.root, wanted)

        nodes = [outcome.node for outcome in outcomes]
        assert nodes[0] is not None
        assert nodes[0].id == there.id
        assert nodes[2] is not None
        assert w.core.files.path(w.anna, nodes[2].id) == ("there", "a", "b")
        assert nodes[5] == nodes[1]
        assert [outcome.code for outcome in outcomes] == [
            "", "", "", "path-taken", "not-found", "", "bad-name", "bad-request",
        ]  # fmt: skip
        assert w.store.look(("there", "a", "b")) is not None


class TestMoving:
    def test_a_folder_moves_with_all_in_it_and_keeps_ids(self, w: World) -> None:
        """On disk too, and one entry in the journal."""
        a = w.folder_node("a")
        x = w.put("x", b"data", w.folder_node("b", a.id).id)
        before = w.catalogue.last()

        moved = w.core.files.move(w.anna, a.id, w.top, "z")

        assert (moved.id, moved.name, w.catalogue.last()) == (a.id, "z", before + 1)
        assert w.on_store("z", "b", "x") == b"data" == w.read(x.id)

    def test_a_folder_never_moves_into_itself(self, w: World) -> None:
        """Whatever the depth (R13)."""
        a = w.folder_node("a")
        b = w.folder_node("b", a.id)
        for target in (a.id, b.id):
            with pytest.raises(WouldCycle):
                w.core.files.move(w.anna, a.id, target, "x")

    def test_a_stale_base_is_refused(self, w: World) -> None:
        """With what is there now."""
        node = w.put("x", b"1")
        w.put("x", b"2", base=1)

        with pytest.raises(Stale) as caught:
            w.core.files.move(w.anna, node.id, w.top, "y", base=node.change)

        assert caught.value.facts["rev"] == 2
        assert w.names() == ["x"]

    def test_only_the_place_moves_when_asked(self, w: World) -> None:
        """The bytes stay where they lie until they are moved for real."""
        folder = w.folder_node("f")
        node = w.put("x", b"1")

        w.core.files.move(w.anna, node.id, folder.id, "y", place_only=True)
        assert (w.on_store("x"), w.read(node.id), w.names(folder.id)) == (b"1", b"1", ["y"])
        w.core.files.move(w.anna, node.id, folder.id, "y")
        assert (w.on_store("f", "y"), w.read(node.id)) == (b"1", b"1")
        assert w.store.look(("x",)) is None

    def test_the_place_of_something_shown_elsewhere_is_not_free_on_disk(self, w: World) -> None:
        """A new file of its old name gets another name on disk, and both are read."""
        folder = w.folder_node("f")
        old = w.put("x", b"old")
        w.core.files.move(w.anna, old.id, folder.id, "x", place_only=True)

        new = w.put("x", b"new")

        assert (w.read(old.id), w.read(new.id)) == (b"old", b"new")
        assert w.on_store("x") == b"old"
        assert w.on_store("x (2)") == b"new"

    def test_renaming_to_its_own_name_changes_nothing(self, w: World) -> None:
        """No entry in the journal (P5)."""
        node = w.put("x", b"1")
        before = w.catalogue.last()

        assert w.core.files.move(w.anna, node.id, w.top, "x") == node
        assert w.catalogue.last() == before

    def test_the_top_stays(self, w: World) -> None:
        """It is neither moved nor deleted."""
        folder = w.folder_node("f")
        with pytest.raises(Forbidden):
            w.core.files.move(w.anna, w.top, folder.id, "x")
        with pytest.raises(Forbidden):
            w.core.files.delete(w.anna, w.top)


class TestCopyingAndFacts:
    def test_a_folder_is_copied_with_all_in_it(self, w: World) -> None:
        """Bytes, times and structure; ids are new."""
        a = w.folder_node("a")
        x = w.put("x", b"data", w.folder_node("b", a.id).id)
        w.core.files.set_facts(w.anna, x.id, 5 * SECOND)

        copied = w.core.files.copy(w.anna, a.id, w.top, "copy")

        assert copied.id != a.id
        found = w.core.files.resolve(w.anna, w.root, ["copy", "b", "x"])
        assert (w.read(found.id), found.mtime_ns, found.digest) == (b"data", 5 * SECOND, x.digest)
        assert found.id != x.id

    def test_a_folder_is_not_copied_into_itself(self, w: World) -> None:
        """It would have no end."""
        a = w.folder_node("a")
        with pytest.raises(WouldCycle):
            w.core.files.copy(w.anna, a.id, w.folder_node("b", a.id).id, "x")

    def test_a_time_is_set_without_new_content(self, w: World) -> None:
        """The rev stays, the change is told (R26)."""
        node = w.put("x", b"1")

        after = w.core.files.set_facts(w.anna, node.id, 7 * SECOND, base=node.change)

        assert (after.rev, after.mtime_ns, after.change) == (1, 7 * SECOND, w.catalogue.last())
        assert w.core.files.node(w.anna, node.id) == after
        stat = w.store.look(("x",))
        assert stat is not None
        assert stat.mtime_ns == 7 * SECOND
        with pytest.raises(WrongKind):
            w.core.files.set_facts(w.anna, w.folder_node("f").id, 5)


class TestDeleting:
    def test_what_is_deleted_comes_back_with_all_in_it(self, w: World) -> None:
        """Ids, versions and bytes; the feed tells everything anew."""
        folder = w.folder_node("f")
        node = w.put("x", b"1", folder.id)
        w.put("x", b"2", folder.id, base=1)
        w.core.files.delete(w.ben, folder.id)
        assert (w.names(), w.store.look(("f",))) == ([], None)
        with pytest.raises(NotFound):
            w.core.files.node(w.anna, node.id)
        trashed, _ = w.core.trashcan.trash(w.anna, w.root)
        assert [(each.node.id, each.path, each.by) for each in trashed] == [(folder.id, ("f",), w.ben.account)]
        cursor = w.core.changes.cursor()

        back = w.core.trashcan.restore(w.anna, folder.id)

        assert (back.id, back.name, w.read(node.id), w.read(node.id, 1)) == (folder.id, "f", b"2", b"1")
        told = w.core.changes.changes(w.anna, w.root, cursor).nodes
        assert [each.id for each in told if each.id != w.top] == [folder.id, node.id]

    def test_a_taken_place_gets_a_number(self, w: World) -> None:
        """Before the extension."""
        node = w.put("x.txt", b"old")
        w.core.files.delete(w.anna, node.id)
        w.put("x.txt", b"new")

        back = w.core.trashcan.restore(w.anna, node.id)

        assert (back.name, w.read(node.id)) == ("x (2).txt", b"old")

    def test_it_comes_back_to_the_nearest_folder_that_is_there(self, w: World) -> None:
        """When its own was deleted after it."""
        a = w.folder_node("a")
        b = w.folder_node("b", a.id)
        node = w.put("x", b"1", b.id)
        w.core.files.delete(w.anna, node.id)
        w.core.files.delete(w.anna, b.id)

        assert w.core.trashcan.restore(w.anna, node.id).parent == a.id
        w.core.trashcan.purge(w.anna, b.id)

    def test_a_stale_folder_is_not_deleted(self, w: World) -> None:
        """When something in it changed since the caller looked."""
        folder = w.folder_node("f")
        w.put("x", b"1", folder.id)

        with pytest.raises(Stale):
            w.core.files.delete(w.anna, folder.id, base=folder.below)

        w.core.files.delete(w.anna, folder.id, base=w.core.files.node(w.anna, folder.id).below)

    def test_files_lying_in_it_but_shown_elsewhere_stay(self, w: World) -> None:
        """They move to their place before the folder goes; files shown in it but lying elsewhere go with it."""
        folder, other = w.folder_node("f"), w.folder_node("o")
        inside, outside = w.put("inside", b"in", folder.id), w.put("outside", b"out", other.id)
        w.core.files.move(w.anna, inside.id, other.id, "inside", place_only=True)
        w.core.files.move(w.anna, outside.id, folder.id, "outside", place_only=True)

        w.core.files.delete(w.anna, folder.id)

        assert w.names(other.id) == ["inside"]
        assert w.on_store("o", "inside") == b"in" == w.read(inside.id)
        assert w.store.look(("o", "outside")) is None
        w.core.trashcan.restore(w.anna, folder.id)
        assert w.read(outside.id) == b"out"

    def test_an_edit_from_outside_outlives_a_deletion(self, w: World) -> None:
        """Who deletes has not seen it (R6)."""
        node = w.put("x", b"1")
        w.memory.outside.write(("x",), b"edited", mtime_ns=w.clock.ns - 60 * SECOND)
        w.clock.ns += 60 * SECOND

        with pytest.raises(Stale):
            w.core.files.delete(w.anna, node.id)

        assert w.read(node.id) == b"edited"

    def test_purging_leaves_nothing(self, w: World) -> None:
        """No bytes, no versions, no usage; the feed still tells."""
        folder = w.folder_node("f")
        node = w.put("x", b"1", folder.id)
        w.put("x", b"22", folder.id, base=1)
        w.put("y", b"1")
        w.core.files.delete(w.anna, folder.id)
        cursor = w.core.changes.cursor()

        w.core.trashcan.purge(w.anna, folder.id)

        assert w.catalogue.usage([w.root])[w.root] == (1, 0, 0, 1, 1)
        assert [each.id for each in w.core.changes.changes(w.anna, w.root, cursor).nodes if each.gone] == [folder.id]
        with pytest.raises(NotFound):
            w.core.trashcan.restore(w.anna, folder.id)
        assert w.catalogue.node(node.id) is None

    def test_emptying_removes_everything_of_this_root(self, w: World) -> None:
        """Also what was deleted before the folder it was in."""
        folder = w.folder_node("f")
        early = w.put("x", b"1", folder.id)
        w.core.files.delete(w.anna, early.id)
        w.core.files.delete(w.anna, folder.id)

        assert w.core.trashcan.empty_trash(w.anna, w.root) == 2
        assert w.core.trashcan.trash(w.anna, w.root) == ([], None)
        assert list(w.store.kept_keys()) == []

    def test_the_trash_of_others_is_not_for_readers(self, w: World) -> None:
        """They are shown none (S111)."""
        w.core.files.delete(w.anna, w.put("x", b"1").id)

        assert w.core.trashcan.trash(w.cora, w.root) == ([], None)
        assert len(w.core.trashcan.trash(w.ben, w.root)[0]) == 1


class TestVersions:
    def test_every_content_it_had_is_kept(self, w: World) -> None:
        """And made the present one again as a new rev."""
        node = w.put("x", b"1")
        for rev, data in enumerate((b"2", b"3"), 1):
            w.put("x", data, base=rev)

        present, versions = w.core.trashcan.versions(w.cora, node.id)
        assert (present.rev, [version.rev for version in versions]) == (3, [2, 1])
        back = w.core.trashcan.restore_version(w.anna, node.id, 1, base=3)

        assert (back.rev, w.read(node.id), w.read(node.id, 3), w.read(node.id, 1)) == (4, b"1", b"3", b"1")
        with pytest.raises(Stale):
            w.core.trashcan.restore_version(w.anna, node.id, 2, base=3)
        with pytest.raises(NotFound):
            w.core.trashcan.restore_version(w.anna, node.id, 99)

    def test_replacing_what_was_edited_outside_keeps_the_edit(self, w: World) -> None:
        """As a version of its own, before ours."""
        node = w.put("x", b"ours 1")
        w.memory.outside.write(("x",), b"theirs")

        after = w.put("x", b"ours 2", base=1)

        _, versions = w.core.trashcan.versions(w.anna, node.id)
        assert w.read(node.id) == b"ours 2"
        assert b"theirs" in [w.read(node.id, version.rev) for version in versions]
        assert after.rev == 3

    def test_a_file_from_outside_at_a_free_name_is_taken_in_first(self, w: World) -> None:
        """The caller learns of it instead of hiding it."""
        w.memory.outside.write(("x",), b"theirs", mtime_ns=w.clock.ns)
        w.clock.ns += 60 * SECOND

        with pytest.raises(PathTaken) as caught:
            w.put("x", b"ours")

        found = caught.value.facts["node"]
        assert isinstance(found, int)
        assert w.read(NodeId(found)) == b"theirs"


class TestOnce:
    def test_the_same_key_has_one_effect_and_one_answer(self, w: World) -> None:
        """For every kind of change (P8)."""
        once = Once("key", b"request")
        node = w.core.files.make_folder(w.anna, w.top, "f", once)
        before = w.catalogue.last()

        assert w.core.files.make_folder(w.anna, w.top, "f", once) == node
        assert w.catalogue.last() == before
        with pytest.raises(KeyReused):
            w.core.files.make_folder(w.anna, w.top, "g", Once("key", b"another"))
        assert w.core.files.make_folder(w.ben, w.top, "g", Once("key", b"another")).name == "g"

    def test_a_failure_is_no_answer(self, w: World) -> None:
        """The key may be used again for the same request."""
        once = Once("key", b"request")
        node = w.put("x", b"")
        with pytest.raises(PathTaken):
            w.core.files.make_folder(w.anna, w.top, "x", once)
        w.core.files.delete(w.anna, node.id, once=Once("other", b""))

        assert w.core.files.make_folder(w.anna, w.top, "x", once).kind is Kind.FOLDER

    def test_many_folders_answer_the_same_again(self, w: World) -> None:
        """Failures included."""
        once = Once("key", b"request")
        wanted = [(w.top, "a"), (w.top, "x"), (-1, "b")]
        w.put("x", b"")
        first = w.core.files.make_folders(w.anna, w.root, wanted, once)

        assert w.core.files.make_folders(w.anna, w.root, wanted, once) == first


def test_rights_taken_away_are_gone_at_once(w: World) -> None:
    """The next call is refused."""
    node = w.put("x", b"1")
    w.core.files.node(w.cora, node.id)
    w.roots.set_member(w.anna, w.root, "cora", Rights.NONE)

    with pytest.raises(NotFound):
        w.core.files.node(w.cora, node.id)


def test_nodes_do_not_leave_their_root(w: World) -> None:
    """Folders of another root are no targets."""
    other_folder = w.place / "other"
    other_folder.mkdir()
    other = w.roots.add("other", str(other_folder), [("anna", Rights.OWN)])
    top = w.catalogue.top(other.id)
    assert top is not None
    node = w.put("x", b"1")
    for call in (w.core.files.move, w.core.files.copy):
        with pytest.raises(BadRequest):
            call(w.anna, node.id, top.id, "x")
    with pytest.raises(CloudError):
        w.core.whole.put_content(w.anna, top.id, 1)
