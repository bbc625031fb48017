"""What a job does not see is in none of its trees, and what the feed tells in another order than it happened."""

from homestow.client.engine.feed import take_nodes
from homestow.client.engine.filters import Filters
from homestow.client.engine.leaving import (
    LEFT_OUT,
    LEFT_OUT_FOLDER,
    Scope,
    back_in_sight,
    leave_out,
    review,
    told_there,
    unlisted,
)
from homestow.client.engine.planner import plan
from homestow.client.engine.rules import Rules
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import DeleteRemote, DownloadNew, LeaveOut, RemoveLocal, UploadNew
from homestow.client.engine.trees import LocalItem, SyncedItem, Trees
from homestow.client.engine.unseen import bare_folders
from homestow.values.digests import Digest
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node

TOP = 1
CONTENT = Digest("c" * 64)


def node(id: int, parent: int, name: str, change: int = 1, *, folder: bool = False, gone: bool = False) -> Node:
    kind = Kind.FOLDER if folder else Kind.FILE
    return Node(NodeId(id), RootId(1), NodeId(parent), name, kind, 1, change, change, 0, 0, None, gone=gone)


def synced(id: int, parent: int, name: str, *, folder: bool = False) -> SyncedItem:
    return SyncedItem(id, parent, name, folder, 0, None if folder else CONTENT, 1, 1, 0, None, 0, 0, id + 100)


def trees_of(*items: SyncedItem) -> Trees:
    return Trees(TOP, {item.id: item for item in items})


def tree() -> Trees:
    """D/E/f, D/g and h, in step."""
    return trees_of(
        synced(2, TOP, "D", folder=True), synced(3, 2, "E", folder=True), synced(4, 3, "f"), synced(5, 2, "g"), synced(6, TOP, "h")
    )  # fmt: skip


def scope(*excludes: str, part: bool = False) -> Scope:
    return Scope(Filters(excludes=excludes).matcher(), part)


def test_what_moved_out_of_a_deleted_folder_stays_whatever_is_told_first() -> None:
    """A folder that was moved out, and changed again after the deletion, is told after it; what it holds is there still."""
    known = tree()
    take_nodes(known, [node(4, 3, "f2", 5), node(2, TOP, "D", 7, gone=True), node(3, TOP, "E", 8, folder=True)])
    assert known.path_there(4) == ("E", "f2")
    assert not known.is_there(5)


def test_the_last_word_on_a_node_counts() -> None:
    """What is told as gone and then as back, in one feed, is there; and the other way round."""
    known = tree()
    take_nodes(
        known,
        [node(6, TOP, "h", 5, gone=True), node(6, TOP, "h", 6), node(5, 2, "g", 7), node(5, 2, "g", 8, gone=True)],
    )
    assert known.is_there(6)
    assert not known.is_there(5)


def test_forgotten_on_both_sides() -> None:
    """What is left out is agreed no more and is on neither side: there is nothing left to do for it."""
    known = tree()
    leave_out(known, 2)
    assert known.differing() == []
    assert set(known.synced) == {6}
    assert known.passed[2].code == LEFT_OUT_FOLDER
    assert plan(known, Rules(filters=Filters(excludes=("D",)))).actions == ()


def test_what_went_elsewhere_on_one_side_is_new_there() -> None:
    """A file that was moved out of the folder here, before the folder is left out, becomes a new one of this computer."""
    known = tree()
    known.set_here(4, LocalItem(TOP, "f", False, 0, None, None, 0, 0, 104))
    leave_out(known, 2)
    [item] = known.differing()
    assert item < 0
    assert known.path_here(item) == ("f",)
    [step] = plan(known, Rules()).actions
    assert isinstance(step, UploadNew)


def test_other_patterns_leave_out_what_is_known() -> None:
    """A review forgets what matches on either side, also what is gone here and not yet there (SC-129)."""
    known = tree()
    known.set_here(6, None)
    review(known, scope("h", "/D/E").matcher)
    assert set(known.synced) == {2, 5}
    assert known.differing() == []
    assert {each: passed.code for each, passed in known.passed.items()} == {3: LEFT_OUT_FOLDER, 6: LEFT_OUT}


def test_renamed_on_the_server_out_of_sight_is_gone() -> None:
    """By its own new name, or into a folder that is not seen; the rest of the folder's rename is only followed."""
    known = tree()
    take_nodes(known, [node(6, TOP, "h.tmp", 5), node(5, 99, "g", 6)], scope("*.tmp"))
    assert not known.is_there(6)
    assert not known.is_there(5)
    removed = {
        step.item
        for step in plan(known, Rules(filters=Filters(excludes=("*.tmp",)))).actions
        if isinstance(step, RemoveLocal)
    }
    assert removed == {5, 6}


def test_out_of_sight_by_the_name_of_a_folder_above_is_forgotten() -> None:
    """The pattern is about the path: what it matches now is not deleted here, although the server shows it no more."""
    known = tree()
    rules = Rules(filters=Filters(excludes=("/X/g",)))
    take_nodes(known, [node(2, TOP, "X", 5, folder=True)], scope("/X/g"))
    take_nodes(known, [node(5, 2, "g", 6)], scope("/X/g"))
    assert 5 not in known.synced
    assert not any(isinstance(step, RemoveLocal | DeleteRemote) for step in plan(known, rules).actions)


def test_what_would_be_left_out_in_the_end_is_left_out_now() -> None:
    """A folder was renamed here so that a new file of the server in it matches: it is not brought under the old name."""
    known = tree()
    known.set_here(2, LocalItem(TOP, "X", True, 0, None, None, 0, 0, 102))
    take_nodes(known, [node(7, 2, "new", 5)], scope("/X/new"))
    rules = Rules(filters=Filters(excludes=("/X/new",)))
    chosen = plan(known, rules)
    assert chosen.settlements == (LeaveOut(7),)
    settle(known, LeaveOut(7))
    assert not any(isinstance(step, DownloadNew) for step in plan(known, rules).actions)


def test_nothing_outside_the_folder_is_kept() -> None:
    """News of other parts of the root leave no trace."""
    known = tree()
    assert (
        take_nodes(
            known, [node(50, 40, "x", 5), node(51, 40, "y", 6, folder=True), node(52, 51, "z", 7)], scope(part=True)
        )
        == 0
    )
    assert known.differing() == []
    assert not known.passed


def test_a_folder_that_comes_into_sight_has_to_be_listed() -> None:
    """The topmost one of those that come, known ones and those out of sight not."""
    news = [
        node(8, TOP, "N", 5, folder=True), node(9, 8, "M", 6, folder=True), node(2, TOP, "D", 7, folder=True),
        node(10, 77, "far", 8, folder=True), node(11, TOP, "n.tmp", 9, folder=True), node(12, 11, "in", 10, folder=True),
        node(13, TOP, "file", 11),
    ]  # fmt: skip
    assert unlisted(tree(), news, scope("*.tmp")) == [8]
    assert unlisted(tree(), news, scope()) == []
    assert unlisted(tree(), news, scope(part=True)) == [8, 11]


def test_another_name_above_brings_things_back() -> None:
    """What was left out for the path that it has no more is to be asked for."""
    known = tree()
    matcher = scope("/D/g", "*.tmp").matcher
    review(known, matcher)
    take_nodes(known, [node(20, 2, "x.tmp", 4)], Scope(matcher))
    assert back_in_sight(known, matcher) == []
    take_nodes(known, [node(2, TOP, "X", 5, folder=True)], Scope(matcher))
    assert back_in_sight(known, matcher) == [5]


def test_bare_folders() -> None:
    """Only where nothing but what is left out lies, all the way down, and only what the other side has not."""
    known = tree()
    for item, parent, name in ((-1, TOP, "N"), (-2, -1, "M"), (-3, TOP, "P"), (-4, -3, "Q")):
        known.set_here(item, LocalItem(parent, name, True, 0, None, None, 0, 0, 200 - item))
    known.next_new = -5
    staying = known.differing()
    assert bare_folders(known, [-2, 2], staying, known.here, known.is_there) == {-1, -2}
    assert bare_folders(known, [-2, -3], staying, known.here, known.is_there) == {-1, -2}
    assert bare_folders(known, [-2, -3, -4], staying, known.here, known.is_there) == {-1, -2, -3, -4}


def test_a_folder_is_not_deleted_with_what_is_left_out_in_it() -> None:
    """Deleted here with all that is seen: on the server exactly that goes, and the folder stays for the rest (SC-128)."""
    known = tree()
    rules = Rules(filters=Filters(excludes=("*.tmp",)))
    take_nodes(known, [node(20, 3, "x.tmp", 4)], Scope(rules.filters.matcher()))
    for item in (2, 3, 4, 5):
        known.set_here(item, None)
    chosen = plan(known, rules)
    while chosen.settlements:
        for settlement in chosen.settlements:
            settle(known, settlement)
        chosen = plan(known, rules)
    assert {step.item for step in chosen.actions if isinstance(step, DeleteRemote)} == {4, 5}
    assert [held.code for held in chosen.held] == [LEFT_OUT, LEFT_OUT]


def test_much_that_is_left_out_is_one_line() -> None:
    """Ten thousand things are told by their number and an example."""
    known = tree()
    take_nodes(known, [node(100 + number, 2, f"{number}.tmp") for number in range(10_000)], scope("*.tmp"))
    [told] = told_there(known)
    assert told.path == ("D", "0.tmp")
    assert "10,000" in told.reason
