"""Most of a root missing deletes nothing before its owner says so (P10), and a comparison that is stopped deletes nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.outside_world import SECOND, World, open_world

from homestow.server.ports.catalogue import ShownRow
from homestow.server.ports.content import Entry
from homestow.server.service import outside
from homestow.values.errors import Busy
from homestow.values.ids import NodeId


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> Iterator[World]:
    with open_world(empty, tmp_path) as world:
        yield world


def filled(world: World, count: int = 40) -> None:
    """A root with so many files, every tenth at the top, the others in folders of ten."""
    for number in range(count):
        world.write(f"f{number}" if number % 10 == 0 else f"d{number // 10}/f{number}", str(number))
    world.rescan()


def test_a_root_that_looks_emptied_is_kept_until_its_owner_says_so(world: World) -> None:
    """P10: 51 % missing with the root's folder still there delete nothing, whoever looks, until that is accepted."""
    filled(world)
    before = world.ids()
    for folder in ("d0", "d1", "f0"):
        world.remove(folder)
    world.remove("d2/f21")
    world.remove("d2/f22")
    world.write("new")

    found = world.rescan()

    assert (found.gone, found.held, found.new) == (0, 21, 1)
    assert world.ids().items() >= before.items()
    assert world.look("").gone == 0
    assert world.look("d2").gone == 0
    assert world.rescan().held == 21
    assert world.outside.held(world.root) == 21
    assert world.outside.rescan(world.root, accept_deletes=True).gone == 5
    assert world.outside.held(world.root) == 0
    world.agrees()


def test_what_comes_back_ends_the_brake(world: World) -> None:
    """The disk was put right: the same nodes are there, and a few deletions pass again."""
    filled(world)
    before = world.ids()
    (world.folder / "d0").rename(world.data / "d0")
    (world.folder / "d1").rename(world.data / "d1")
    (world.folder / "d2").rename(world.data / "d2")
    assert world.rescan().held == 27
    for name in ("d0", "d1", "d2"):
        (world.data / name).rename(world.folder / name)
    assert world.rescan().held == 0
    assert world.ids() == before
    world.remove("d0")
    assert world.rescan().gone == 1
    world.agrees()


def test_a_tree_that_vanishes_piece_by_piece_is_braked_too(world: World) -> None:
    """Deletions within ten minutes count together; later ones begin anew."""
    filled(world)
    world.remove("d0")
    assert world.look("").gone == 1
    world.remove("d1")
    assert world.look("").gone == 1
    world.remove("d2")
    found = world.look("")
    assert (found.gone, found.held) == (0, 9)
    world.outside.rescan(world.root, accept_deletes=True)
    filled(world)
    world.remove("d0")
    world.remove("d1")
    assert world.rescan().gone == 2
    world.clock.ns += 700 * SECOND
    world.remove("d2")
    assert world.rescan().gone == 1
    world.agrees()


def test_few_files_and_moves_are_no_accident(world: World) -> None:
    """Fewer than twenty pass whatever their share; a folder that was renamed is not missing; the trash is no live file."""
    filled(world, 19)
    for name in ("d0", "d1", "f0", "f10"):
        world.remove(name)
    assert world.rescan().gone == 4
    filled(world)
    os.rename(world.folder / "d0", world.folder / "moved")
    os.rename(world.folder / "d1", world.folder / "d2" / "moved")
    os.rename(world.folder / "d2", world.folder / "also")
    found = world.rescan()
    assert (found.held, found.gone) == (0, 0)
    world.agrees()


def test_an_interrupted_comparison_deletes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server stops in the middle, what was not looked at is not missing; the next one does it all."""
    filled(world)
    before = world.ids()
    world.remove("f0")
    world.write("d3/new")
    scanned = world.root_rows.roots()[0].scanned_ns
    world.clock.ns += SECOND
    real, looked = world.catalogue.shown_in, []

    def third_stops(folder: NodeId) -> list[ShownRow]:
        looked.append(folder)
        if len(looked) == 3:
            world.outside.stopping.ask()
        return real(folder)

    monkeypatch.setattr(world.catalogue, "shown_in", third_stops)
    with pytest.raises(Busy):
        world.rescan()

    assert len(looked) == 3
    assert world.ids() == before
    assert world.root_rows.roots()[0].scanned_ns == scanned
    world.outside.stopping.reset()
    assert (world.rescan().gone, "d3/new" in world.tree()) == (1, True)


def test_an_interrupted_adoption_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was adopted stays, the rest comes with the next comparison."""
    monkeypatch.setattr(outside, "_PIECE", 5)
    for number in range(40):
        world.write(f"d{number // 10}/f{number}")
    real = world.roots.present(world.root).list_folder

    def stops(at: tuple[str, ...]) -> list[Entry]:
        if at == ("d2",):
            world.outside.stopping.ask()
        return real(at)

    monkeypatch.setattr(world.roots.present(world.root), "list_folder", stops)
    with pytest.raises(Busy):
        world.rescan()
    monkeypatch.undo()
    assert 0 < len(world.tree()) < 44
    world.outside.stopping.reset()
    world.rescan()
    assert len(world.tree()) == 44
    world.agrees()
