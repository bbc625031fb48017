"""The planner's rules one by one: small trees, drawn as paths, and what both sides show in the end."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from tests.unit.planner_model import TOP, Model

from homestow.client.engine.compare import passing_name
from homestow.client.engine.feed import drop_there
from homestow.client.engine.planner import plan
from homestow.client.engine.rules import Direction, Rules
from homestow.client.engine.seen import TreeFacts
from homestow.client.engine.steps import (
    DeleteRemote,
    DownloadContent,
    DownloadNew,
    MoveLocal,
    MoveRemote,
    ReadDigest,
    SetMtimeLocal,
    SetMtimeRemote,
    UploadContent,
    UploadNew,
)
from homestow.client.engine.trees import LocalItem, RemoteItem, Trees
from homestow.values.digests import Digest

FOLDER = None
Tree = Mapping[str, str | None]
FOLDING = TreeFacts(folds_case=True, normalises=False, stable_inodes=True, mtime_step_ns=1)


class Case:
    """Trees that were in step as `tree` says; then things happen here and there, by path as it is on that side."""

    def __init__(self, tree: Tree = MappingProxyType({}), rules: Rules = Rules(accept_deletes=True)) -> None:
        self.model = Model(Trees(TOP), rules)
        self.trees = self.model.trees
        for path, token in tree.items():
            parent, name = self._parent(path, here=True)
            node, inode = self.model.tick(), self.model.tick()
            digest = None if token is None else Digest(token)
            size = 0 if token is None else len(token)
            theirs = RemoteItem(parent, name, token is None, size, digest, int(token is not None), self.model.tick(), 1)
            mine = LocalItem(parent, name, token is None, size, digest, None, int(token is not None), 0, inode)
            if token is not None:
                self.model.tokens[inode] = self.model.bytes_there[node] = token
                self.model.history.add(token)
            self.trees.agree(node, mine, theirs)

    def _parent(self, path: str, *, here: bool) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return (self.item(folder, here=here) if folder else TOP), name

    def item(self, path: str, *, here: bool) -> int:
        found = self.trees.path_here if here else self.trees.path_there
        below = self.trees.all_here(TOP) if here else self.trees.all_there(TOP)
        return next(item for item in below if found(item) == tuple(path.split("/")))

    # --- what people do -----------------------------------------------------------------------------------------------

    def make_here(self, path: str, token: str | None, disk: str | None = None) -> None:
        parent, name = self._parent(path, here=True)
        inode, time = self.model.tick(), self.model.tick()
        if token is None:
            mine = LocalItem(parent, name, True, 0, None, disk, 0, 0, inode)
        else:
            self.model.tokens[inode] = token
            mine = LocalItem(parent, name, False, len(token), None, disk, time, time, inode)
        self.trees.set_here(self.trees.new_id(), mine)

    def make_there(self, path: str, token: str | None) -> None:
        parent, name = self._parent(path, here=False)
        node = self.model.tick()
        digest = None if token is None else Digest(token)
        if token is not None:
            self.model.bytes_there[node] = token
            self.model.history.add(token)
        size = 0 if token is None else len(token)
        theirs = RemoteItem(parent, name, token is None, size, digest, int(token is not None), self.model.tick(), 7)
        self.trees.set_there(node, theirs)

    def edit_here(self, path: str, token: str) -> None:
        item = self.item(path, here=True)
        mine = self.trees.here(item)
        assert mine is not None
        inode, time = self.model.tick(), self.model.tick()
        self.model.tokens[inode] = token
        self.trees.set_here(
            item, mine._replace(size=len(token), digest=None, inode=inode, mtime_ns=time, ctime_ns=time)
        )

    def edit_there(self, path: str, token: str, *, known: bool = True) -> None:
        item = self.item(path, here=False)
        theirs = self.trees.there(item)
        assert theirs is not None
        self.model.bytes_there[item] = token
        self.model.history.add(token)
        digest = Digest(token) if known else None
        self.trees.set_there(
            item,
            theirs._replace(
                size=len(token), digest=digest, rev=theirs.rev + 1, change=self.model.tick(), mtime_ns=self.model.tick()
            ),
        )

    def move_here(self, path: str, new: str) -> None:
        item = self.item(path, here=True)
        mine = self.trees.here(item)
        assert mine is not None
        parent, name = self._parent(new, here=True)
        self.trees.set_here(item, mine._replace(parent=parent, name=name))

    def move_there(self, path: str, new: str) -> None:
        item = self.item(path, here=False)
        theirs = self.trees.there(item)
        assert theirs is not None
        parent, name = self._parent(new, here=False)
        self.trees.set_there(item, theirs._replace(parent=parent, name=name, change=self.model.tick()))

    def remove_here(self, path: str) -> None:
        item = self.item(path, here=True)
        for below in (*reversed(list(self.trees.all_here(item))), item):
            self.trees.set_here(below, None)

    def remove_there(self, path: str) -> None:
        drop_there(self.trees, self.item(path, here=False))

    # --- what comes of it ---------------------------------------------------------------------------------------------

    def settle(self) -> Tree:
        """Converge; both sides have to show the same, which is given as paths."""
        self.model.converge()
        assert self.model.live_here() == self.model.live_there()
        return {"/".join(path): token for path, token in self.model.live_here().items()}

    def steps(self, *kinds: type) -> list[object]:
        return [step for step in self.model.steps if isinstance(step, kinds)]


TRANSFERS = (UploadNew, UploadContent, DownloadNew, DownloadContent)


def test_edit_edit_keeps_the_first_and_copies_the_second() -> None:
    """R4: what the server has keeps the name, ours goes to a conflict copy, which is uploaded."""
    case = Case({"f": "0"})
    case.edit_here("f", "ours")
    case.edit_there("f", "theirs")

    assert case.settle() == {"f": "theirs", "f!ours": "ours"}


def test_same_edit_is_no_conflict() -> None:
    """R3: the same bytes on both sides cost no transfer; the server's time comes to the disk."""
    case = Case({"f": "0"})
    case.edit_here("f", "same")
    case.edit_there("f", "same")

    assert case.settle() == {"f": "same"}
    assert not case.steps(*TRANSFERS)
    assert case.steps(SetMtimeLocal)


def test_same_edit_whose_digest_the_server_does_not_know() -> None:
    """R3 holds too when the server's content came from outside and has no digest yet: it is read, not doubled."""
    case = Case({"f": "0"})
    case.edit_here("f", "same")
    case.edit_there("f", "same", known=False)

    assert case.settle() == {"f": "same"}
    assert not case.steps(*TRANSFERS)


@pytest.mark.parametrize("edited", ["here", "there"])
def test_edit_beats_delete(edited: str) -> None:
    """R6: whichever side edited, the edit stays."""
    case = Case({"f": "0"})
    if edited == "here":
        case.edit_here("f", "new")
        case.remove_there("f")
    else:
        case.edit_there("f", "new")
        case.remove_here("f")

    assert case.settle() == {"f": "new"}


def test_delete_delete_is_silent() -> None:
    """R7."""
    case = Case({"f": "0", "g": "1"})
    case.remove_here("f")
    case.remove_there("f")

    assert case.settle() == {"g": "1"}
    assert case.model.steps == []


@pytest.mark.parametrize("deleted", ["here", "there"])
def test_folder_delete_keeps_what_the_other_side_changed_in_it(deleted: str) -> None:
    """R8: the folder and exactly the changed and new children stay (SC-049, SC-050)."""
    case = Case({"D": FOLDER, "D/a": "1", "D/b": "2", "D/x": FOLDER, "D/x/y": "3"})
    if deleted == "here":
        case.remove_here("D")
        case.edit_there("D/b", "new")
        case.make_there("D/x/z", "made")
    else:
        case.remove_there("D")
        case.edit_here("D/b", "new")
        case.make_here("D/x/z", "made")

    assert case.settle() == {"D": FOLDER, "D/b": "new", "D/x": FOLDER, "D/x/z": "made"}


def test_rename_and_edit_meet() -> None:
    """R9: one file, new name, new content, by id (SC-070, SC-080)."""
    case = Case({"D": FOLDER, "D/a": "1"})
    case.move_here("D", "E")
    case.edit_there("D/a", "2")

    assert case.settle() == {"E": FOLDER, "E/a": "2"}
    assert len(case.steps(MoveRemote)) == 1


@pytest.mark.parametrize("renamed", ["here", "there"])
def test_rename_beats_delete(renamed: str) -> None:
    """R10, for a file and for a folder with all in it."""
    case = Case({"f": "0", "D": FOLDER, "D/a": "1"})
    for old, new in (("f", "g"), ("D", "E")):
        if renamed == "here":
            case.move_here(old, new)
            case.remove_there(old)
        else:
            case.move_there(old, new)
            case.remove_here(old)

    assert case.settle() == {"g": "0", "E": FOLDER, "E/a": "1"}


def test_two_renames_of_one_item() -> None:
    """R11: the server's name wins, our rename is taken back; nothing is transferred."""
    case = Case({"a": "1"})
    case.move_here("a", "mine")
    case.move_there("a", "theirs")

    assert case.settle() == {"theirs": "1"}
    assert not case.steps(*TRANSFERS)


def test_two_items_want_one_name() -> None:
    """R12: the server's item keeps it, ours gets a conflict name (SC-075, SC-076)."""
    case = Case({"a": "1", "b": "2"})
    case.move_there("a", "x")
    case.move_here("b", "x")

    assert case.settle() == {"x": "1", "x!2": "2"}


def test_moves_that_would_make_a_circle() -> None:
    """R13: X into Y there, Y into X here: the server's move stands, ours is undone, no subtree is lost (SC-087)."""
    case = Case({"X": FOLDER, "X/x": "1", "Y": FOLDER, "Y/y": "2"})
    case.move_there("X", "Y/X")
    case.move_here("Y", "X/Y")

    assert case.settle() == {"Y": FOLDER, "Y/y": "2", "Y/X": FOLDER, "Y/X/x": "1"}


def test_circle_of_three() -> None:
    """R13 over more than two folders (SC-088)."""
    case = Case(dict.fromkeys(("X", "Y", "Z"), FOLDER) | {"X/x": "1", "Y/y": "2", "Z/z": "3"})
    case.move_there("X", "Y/X")
    case.move_there("Y", "Z/Y")
    case.move_here("Z", "X/Z")

    assert case.settle() == {
        "Z": FOLDER, "Z/z": "3", "Z/Y": FOLDER, "Z/Y/y": "2", "Z/Y/X": FOLDER, "Z/Y/X/x": "1",
    }  # fmt: skip


def test_folder_here_file_there() -> None:
    """R14: the folder keeps the name although the server had the file first."""
    case = Case()
    case.make_there("n", "file")
    case.make_here("n", FOLDER)
    case.make_here("n/x", "inside")

    assert case.settle() == {"n": FOLDER, "n/x": "inside", "n!file": "file"}


def test_file_here_folder_there() -> None:
    """R14 the other way (SC-106)."""
    case = Case({"f": "1"})
    case.edit_here("f", "2!")
    case.remove_there("f")
    case.make_there("f", FOLDER)

    assert case.settle() == {"f": FOLDER, "f!2!": "2!"}


def test_two_spellings_of_one_name() -> None:
    """R15: of two names that are one in NFC the second gets a conflict name (SC-116)."""
    case = Case()
    case.make_here("\u00e9", "first")
    case.make_here("\u00e9", "second", disk="e\u0301")

    assert case.settle() == {"\u00e9": "first", "\u00e9!second": "second"}


def test_case_clash_is_held() -> None:
    """R15: on a disk that folds case the second name waits with a reason; nothing is deleted or renamed (SC-118, SC-119)."""
    case = Case({"test": "1"}, Rules(facts=FOLDING))
    case.make_there("TEST", "2")
    chosen = plan(case.trees, case.model.rules)

    assert chosen.actions == ()
    assert [(held.path, held.code) for held in chosen.held] == [(("TEST",), "case-clash")]

    case.remove_there("TEST")
    assert case.settle() == {"test": "1"}


def test_case_rename_on_a_folding_disk() -> None:
    """A rename that changes only the case is no clash with itself (SC-089)."""
    case = Case({"a": "1"}, Rules(facts=FOLDING))
    case.move_there("a", "A")

    assert case.settle() == {"A": "1"}


def test_swap_goes_through_a_passing_name() -> None:
    """SC-077: two files change names: three renames, no transfer, and the passing name is nobody's rename."""
    case = Case({"a": "1", "b": "2"})
    one, other = case.item("a", here=True), case.item("b", here=True)
    case.move_here("a", "t")
    case.move_here("b", "a")
    case.move_here("t", "b")

    assert case.settle() == {"a": "2", "b": "1"}
    assert len(case.model.steps) == 3
    assert {one, other} == {case.item("a", here=False), case.item("b", here=False)}


def test_a_passing_name_that_is_taken() -> None:
    """Something else may bear it, left by others on the way: the swap goes through another one, which is nobody's rename."""
    case = Case({"a": "1", "b": "2"})
    left = [passing_name(case.item(name, here=True)) for name in "ab"]
    for name in left:
        case.make_there(name, FOLDER)
    case.move_here("a", "t")
    case.move_here("b", "a")
    case.move_here("t", "b")

    assert case.settle() == {"a": "2", "b": "1"} | dict.fromkeys(left)


@pytest.mark.parametrize("ending", ["", "-2"])
def test_killed_in_the_middle_of_a_swap(ending: str) -> None:
    """The server bears a passing name from a run that was killed: it is not taken for somebody's rename."""
    case = Case({"a": "1", "b": "2"})
    case.move_here("a", "t")
    case.move_here("b", "a")
    case.move_here("t", "b")
    item = case.item("b", here=False)
    case.move_there("b", passing_name(item) + ending)

    assert case.settle() == {"a": "2", "b": "1"}


def test_child_takes_the_name_of_the_folder_it_leaves() -> None:
    """A circle of a move and two deletions is broken outside of the folder that goes."""
    case = Case({"a": FOLDER, "a/b": FOLDER, "a/b/c": "1"})
    case.move_there("a/b/c", "c")
    case.remove_there("a")
    case.move_there("c", "a")

    assert case.settle() == {"a": "1"}


def test_new_folder_takes_the_place_of_one_whose_child_it_gets() -> None:
    """The new folder waits for the old one's name, that for the child to leave, the child for the new folder."""
    case = Case({"c": "1", "d": FOLDER}, Rules(Direction.UP, accept_deletes=True))
    case.move_there("c", "d/b")
    case.remove_here("d")
    case.make_here("d", FOLDER)
    case.move_here("c", "d/d")

    assert case.settle() == {"d": FOLDER, "d/d": "1"}


def test_moves_come_before_deletes() -> None:
    """SC-101: what moves out of a deleted folder is moved first, then the folder goes in one step."""
    case = Case({"D": FOLDER, "D/a": "1", "D/b": "2", "E": FOLDER})
    case.move_here("D/a", "E/a")
    case.remove_here("D")

    assert case.settle() == {"E": FOLDER, "E/a": "1"}
    assert [type(step) for step in case.model.steps] == [MoveRemote, DeleteRemote]


@pytest.mark.parametrize("way, step", [(Direction.UP, SetMtimeRemote), (Direction.DOWN, SetMtimeLocal)])
@pytest.mark.parametrize("touched", ["here", "there", "both"])
def test_in_a_one_way_job_times_follow_too(
    way: Direction, step: type[SetMtimeRemote | SetMtimeLocal], touched: str
) -> None:
    """R26: whoever changed the time, that of the side the job comes from stands."""
    case = Case({"f": "0"}, Rules(way))
    item = case.item("f", here=True)
    here, there = case.trees.here(item), case.trees.there(item)
    assert here is not None
    assert there is not None
    if touched != "there":
        case.trees.set_here(item, here._replace(mtime_ns=here.mtime_ns + 5))
    if touched != "here":
        case.trees.set_there(item, there._replace(mtime_ns=there.mtime_ns + 9))

    assert case.settle() == {"f": "0"}
    assert [type(one) for one in case.model.steps] == [step]


def test_touch_costs_no_transfer() -> None:
    """R26: the file is read, found unchanged, and its time goes up (SC-005)."""
    case = Case({"f": "0"})
    case.edit_here("f", "0")

    assert case.settle() == {"f": "0"}
    assert [type(step) for step in case.model.steps] == [ReadDigest, SetMtimeRemote]


def test_lost_state_is_a_union() -> None:
    """R23, R24: with nothing agreed, equal bytes are adopted, different ones conflict, nothing is deleted."""
    case = Case()
    case.make_here("D", FOLDER)
    case.make_there("D", FOLDER)
    for side in (case.make_here, case.make_there):
        side("D/same", "same")
    case.make_here("D/f", "ours")
    case.make_there("D/f", "them")
    case.make_here("D/only-here", "1")
    case.make_there("D/only-there", "2")

    assert case.settle() == {
        "D": FOLDER, "D/same": "same", "D/f": "them", "D/f!ours": "ours", "D/only-here": "1", "D/only-there": "2",
    }  # fmt: skip
    assert len(case.steps(*TRANSFERS)) == 4


def test_deep_trees_are_adopted_in_one_plan() -> None:
    """200 folders in each other, on both sides, need no plan each (P4)."""
    case = Case()
    for depth in range(1, 201):
        case.make_here("/".join(["d"] * depth), FOLDER)
        case.make_there("/".join(["d"] * depth), FOLDER)

    assert len(plan(case.trees, case.model.rules).settlements) == 200
    assert case.model.converge() == 2


# --- one way ----------------------------------------------------------------------------------------------------------


def test_up_only() -> None:
    """The disk is the source: its state goes up, what the server did is undone, what only the server has is left alone."""
    case = Case({"a": "1", "b": "2", "c": "3", "d": "4"}, Rules(Direction.UP, accept_deletes=True))
    case.edit_there("a", "theirs")
    case.move_there("b", "moved")
    case.remove_there("c")
    case.remove_here("d")
    case.make_there("extra", "5")
    before = case.model.live_here()
    case.model.converge()

    assert case.model.live_here() == before
    assert case.model.live_there() == {**before, ("extra",): "5"}
    assert "theirs" in case.model.history


def test_down_only() -> None:
    """The server is the source: what the disk edited stays as a conflict copy, deleted things come back."""
    case = Case({"a": "1", "b": "2", "c": "3", "d": "4"}, Rules(Direction.DOWN, accept_deletes=True))
    case.edit_here("a", "ours")
    case.move_here("b", "moved")
    case.remove_here("c")
    case.remove_there("d")
    case.make_here("extra", "5")
    case.model.converge()

    assert case.model.live_there() == {("a",): "1", ("b",): "2", ("c",): "3"}
    assert case.model.live_here() == {**case.model.live_there(), ("a!ours",): "ours", ("extra",): "5"}


def test_read_only_root_goes_down_only() -> None:
    """SC-213 to SC-215: nothing is sent where we may not write."""
    case = Case({"a": "1", "b": "2"}, Rules(writable=False, accept_deletes=True))
    case.edit_here("a", "ours")
    case.remove_here("b")
    case.model.converge()

    assert case.model.live_there() == {("a",): "1", ("b",): "2"}
    assert case.model.live_here() == {("a",): "1", ("b",): "2", ("a!ours",): "ours"}


# --- the brake --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files, deleted, stops", [(100, 51, True), (100, 50, False), (30, 19, False), (38, 20, True), (20, 20, True)]
)
@pytest.mark.parametrize("side", ["here", "there"])
def test_brake(files: int, deleted: int, stops: bool, side: str) -> None:
    """R18: more than half and at least twenty files, in a folder or one by one, on either side (SC-191)."""
    case = Case({"D": FOLDER, **{f"D/{number}": str(number) for number in range(files)}}, Rules())
    for number in range(deleted):
        (case.remove_here if side == "here" else case.remove_there)(f"D/{number}")
    chosen = plan(case.trees, Rules())

    assert (chosen.brake is not None) == stops
    if chosen.brake is not None:
        assert chosen.actions == ()
        assert (chosen.brake.files, chosen.brake.of) == (deleted, files)
        assert chosen.brake.side == ("there" if side == "here" else "here")
        assert plan(case.trees, Rules(accept_deletes=True)).actions


def test_renames_do_not_brake() -> None:
    """SC-194: moving everything is no deletion."""
    case = Case({"D": FOLDER, **{f"D/{number}": str(number) for number in range(40)}}, Rules())
    case.move_here("D", "E")

    assert [type(step) for step in plan(case.trees, Rules()).actions] == [MoveRemote]


# --- what waits -------------------------------------------------------------------------------------------------------


def test_waiting_items_are_left_alone() -> None:
    """R21, P9: an item that waits gets no step, others do."""
    case = Case({"a": "1", "b": "2"})
    case.edit_here("a", "new a")
    case.edit_here("b", "new b")
    waiting = case.item("a", here=True)

    actions = plan(case.trees, case.model.rules, leave=[waiting]).actions
    assert [step.item for step in actions] == [case.item("b", here=True)]


def test_held_folders_keep_everything_below() -> None:
    """SC-111: a folder that became a link is not deleted there, and nothing is written below it here."""
    case = Case({"D": FOLDER, "D/a": "1", "b": "2"})
    case.edit_there("D/a", "new")
    case.remove_there("b")

    actions = plan(case.trees, case.model.rules, held=[case.item("D", here=True)]).actions
    assert [step.item for step in actions] == [case.item("b", here=True)]


def test_orphans_wait_for_their_folder() -> None:
    """A node whose folder the server has not told yet is not acted on."""
    case = Case()
    case.trees.set_there(9, RemoteItem(8, "x", False, 1, Digest("x"), 1, 2, 3))
    assert plan(case.trees, case.model.rules).actions == ()

    case.trees.set_there(8, RemoteItem(TOP, "D", True, 0, None, 0, 1, 0))
    case.model.bytes_there[9] = "x"
    assert case.settle() == {"D": FOLDER, "D/x": "x"}


def test_many_renames_in_a_row_are_ordered() -> None:
    """A thousand files that each take the next one's name need a rename each and no recursion."""
    case = Case({f"{number:04}": str(number) for number in range(1000)})
    items = {number: case.item(f"{number:04}", here=True) for number in range(1000)}
    for number, item in items.items():
        mine = case.trees.here(item)
        assert mine is not None
        case.trees.set_here(item, mine._replace(name=f"{number + 1:04}"))

    actions = plan(case.trees, case.model.rules).actions
    assert len(actions) == 1000
    assert case.settle() == {f"{number + 1:04}": str(number) for number in range(1000)}
    assert not case.steps(MoveLocal)
