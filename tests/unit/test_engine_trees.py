"""The three trees by themselves: what is remembered of an item whose agreed folder is known no more."""

import pytest
from tests.unit.planner_model import TOP
from tests.unit.test_planner_rules import FOLDER, Case

from homestow.client.adapters.state_sqlite import SqliteState
from homestow.client.engine.feed import drop_there
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import Forget, Rebirth
from homestow.client.engine.trees import NOWHERE, SyncedItem, Trees, same_trees
from homestow.client.ports.state import Life


def moved_out() -> tuple[Case, int, int]:
    """A file that was in folder d was given other places by both sides, and waits; with the file's id and d's."""
    case = Case({"d": FOLDER, "d/f": "1"})
    folder, file = case.item("d", here=True), case.item("d/f", here=True)
    case.move_here("d/f", "here")
    case.move_there("d/f", "there")
    return case, folder, file


def believed(trees: Trees) -> Trees:
    """What a new process has of the trees; it must be all of it."""
    state = SqliteState(":memory:")
    fresh = Trees(TOP, dict(trees.synced), dict(trees.local), dict(trees.remote))
    life = Life("e", 1, TOP)
    state.begin_life(life, trees.drain())
    saved = state.load()
    assert saved.life == life
    loaded = Trees(TOP, saved.synced, saved.local, saved.remote)
    assert same_trees(loaded, fresh)
    state.close()
    return loaded


def waits_as_before(trees: Trees, file: int, was: SyncedItem) -> None:
    """The file is where each side has it, and what was agreed of its content still is."""
    assert (trees.path_here(file), trees.path_there(file)) == (("here",), ("there",))
    assert trees.synced[file] == was._replace(parent=NOWHERE)
    believed(trees)


class TestFolderThatIsKnownNoMore:
    def test_both_sides_dropped_it(self) -> None:
        """R7 for the folder, while what was in it waits elsewhere: the saved state is one that is believed again."""
        case, folder, file = moved_out()
        was = case.trees.synced[file]
        case.trees.set_here(folder, None)
        drop_there(case.trees, folder)
        assert case.trees.synced[file] == was
        settle(case.trees, Forget(folder))
        assert folder not in case.trees.synced
        waits_as_before(case.trees, file, was)

    def test_the_server_dropped_it_after_it_was_forgotten(self) -> None:
        """R8: nothing was agreed on it any more, the server's alone was to come; then that is gone too."""
        case, folder, file = moved_out()
        was = case.trees.synced[file]
        case.trees.set_here(folder, None)
        settle(case.trees, Forget(folder))
        assert case.trees.synced[file] == was
        drop_there(case.trees, folder)
        waits_as_before(case.trees, file, was)

    def test_the_disk_dropped_it_after_its_rebirth(self) -> None:
        """R8: it was new again on disk and had not reached the server; its number is free for another folder."""
        case, folder, file = moved_out()
        was = case.trees.synced[file]
        drop_there(case.trees, folder)
        settle(case.trees, Rebirth(folder))
        reborn = case.item("d", here=True)
        assert reborn < 0
        assert case.trees.synced[file] == was._replace(parent=reborn)
        case.trees.set_here(reborn, None)
        waits_as_before(case.trees, file, was)

    def test_it_was_forgotten_before_what_is_in_it(self) -> None:
        """In whichever order a deleted folder and what it held are forgotten, nothing of them stays."""
        for first in (0, 1):
            case = Case({"d": FOLDER, "d/f": "1"})
            items = [case.item("d", here=True), case.item("d/f", here=True)]
            for item in items:
                case.trees.set_here(item, None)
            drop_there(case.trees, items[0])
            settle(case.trees, Forget(items[first]))
            settle(case.trees, Forget(items[1 - first]))
            assert not case.trees.synced
            assert not believed(case.trees).differing()

    def test_what_waits_comes_together(self) -> None:
        """R13: the server's place stands, as if the folder were still remembered; then both are in step."""
        case, folder, _ = moved_out()
        case.trees.set_here(folder, None)
        drop_there(case.trees, folder)
        settle(case.trees, Forget(folder))
        assert case.settle() == {"there": "1"}


class TestFolderOfAnotherNumber:
    @pytest.mark.parametrize("side", ["here", "there"])
    def test_what_was_agreed_to_be_in_it_goes_along(self, side: str) -> None:
        """A folder that gets its node, or loses it, is the same folder: what is in it has not moved."""
        case = Case({"d": FOLDER, "d/f": "1"})
        folder, file = case.item("d", here=True), case.item("d/f", here=True)
        new = case.trees.new_id() if side == "here" else case.model.tick()
        case.trees.rename(folder, new)
        assert case.trees.synced[file].parent == new
        assert list(case.trees.kids_settled(new)) == [file]
        assert case.trees.path_here(file) == ("d", "f")
        believed(case.trees)
