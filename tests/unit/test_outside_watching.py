"""Changes on disk are noticed by themselves: hints, late looks, and roots that come and go."""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from tests.unit.outside_world import World, open_world

from homestow.server.adapters.clock_system import SystemClock
from homestow.server.ports.content import Location
from homestow.server.service.outside_scan import Found
from homestow.server.service.watching import Watching
from homestow.values.errors import StorageFailed
from homestow.values.ids import RootId


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> Iterator[World]:
    with open_world(empty, tmp_path) as world:
        world.outside._clock = SystemClock()
        yield world


def watching(world: World, rescan_s: float = 3600.0, watch: bool = True) -> Watching:
    return Watching(world.outside, world.roots, SystemClock(), rescan_s, watch)


def until(holds: Callable[[], bool], deadline_s: float = 20.0) -> None:
    """Wait for something that threads bring about."""
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.02)


def old(world: World, path: str, text: str = "x") -> None:
    """A file written long ago, so that nothing waits for it to be quiet."""
    at = world.folder / path
    at.parent.mkdir(parents=True, exist_ok=True)
    at.with_name(at.name + ".tmp").write_text(text)
    os.utime(at.with_name(at.name + ".tmp"), (1_600_000_000, 1_600_000_000))
    at.with_name(at.name + ".tmp").rename(at)


def test_changes_are_seen_by_hints(world: World) -> None:
    """New, renamed and deleted files and folders arrive without a full comparison; stopping takes no time."""
    old(world, "before")
    running = watching(world)
    running.start()
    try:
        until(lambda: "before" in world.tree())
        old(world, "d/e/new")
        until(lambda: "d/e/new" in world.tree())
        node = world.ids()["d/e/new"]
        world.move("d", "f")
        until(lambda: world.ids().get("f/e/new") == node)
        world.remove("f")
        until(lambda: set(world.tree()) == {"before"})
    finally:
        started = time.monotonic()
        running.stop()
    assert time.monotonic() - started < 5


def test_what_a_failed_look_missed_is_found_soon(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hints of a comparison that failed are spent; so everything is looked at a moment later."""
    monkeypatch.setattr("homestow.server.service.watching.AWAY_S", 0.1)
    old(world, "before")
    look, failed = world.outside.look, threading.Event()

    def fails_once(root: RootId, folders: Collection[Location]) -> Found:
        if not failed.is_set() and any("later" in at for at in folders):
            failed.set()
            raise StorageFailed("The database failed.")
        return look(root, folders)

    monkeypatch.setattr(world.outside, "look", fails_once)
    running = watching(world)
    running.start()
    try:
        until(lambda: "before" in world.tree())
        old(world, "later/file")
        until(lambda: "later/file" in world.tree() and failed.is_set())
    finally:
        running.stop()


def test_a_file_that_was_busy_is_looked_at_again(world: World) -> None:
    """Written just now, it arrives once it was quiet for two seconds, without another hint."""
    old(world, "before")
    running = watching(world)
    running.start()
    try:
        until(lambda: "before" in world.tree())
        (world.folder / "busy").write_text("x")
        until(lambda: "busy" in world.tree())
    finally:
        running.stop()


def test_without_hints_the_regular_look_finds_it(world: World) -> None:
    """Where no hints come (limits reached, network disks) the comparison every so often does."""
    running = watching(world, rescan_s=0.3, watch=False)
    running.start()
    try:
        until(lambda: world.root_rows.roots()[0].scanned_ns > 0)
        old(world, "new")
        until(lambda: "new" in world.tree())
    finally:
        running.stop()


def test_roots_that_come_while_it_runs_are_watched(world: World, tmp_path: Path) -> None:
    """A root added later is compared and watched; one that was removed is left alone."""
    running = watching(world)
    running.start()
    try:
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "a").write_text("x")
        os.utime(tmp_path / "later" / "a", (1_600_000_000, 1_600_000_000))
        root = world.roots.add("later", str(tmp_path / "later"), []).id
        top = world.catalogue.top(root)
        assert top is not None
        until(lambda: [row.name for row in world.catalogue.lying_in(top.id)] == ["a"])
        world.roots.remove("later")
        until(lambda: root not in running._watched)
    finally:
        running.stop()
