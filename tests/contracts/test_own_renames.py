"""What the store renames itself is no hint; what anybody else does is, also at the same name and at the same time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.watch_tree import OwnRenames, TreeWatch
from homestow.server.ports.content import Location
from homestow.values.errors import PathTaken


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TreeContent]:
    made = TreeContent(tmp_path)
    made.stage_small("first", b"x")
    made.publish("first", ("first",), False, None)
    made.make_folder(("sub",))
    yield made
    made.close()


@pytest.fixture
def watch(store: TreeContent) -> Iterator[TreeWatch]:
    store._own.watched(1)
    made = TreeWatch(store._root, store._own)
    yield made
    made.close()


def put(store: TreeContent, at: Location, replace: bool = False) -> None:
    store.stage_small("key", b"content")
    store.publish("key", at, replace, 5)
    store.drop_staged("key")


def test_own_files_are_not_told(store: TreeContent, watch: TreeWatch) -> None:
    """New and replaced files, in the top and below, give no hint."""
    put(store, ("a",))
    put(store, ("sub", "b"))
    put(store, ("a",), replace=True)

    assert watch.read(0.1) == set()


def test_others_at_the_same_name_are_told(store: TreeContent, watch: TreeWatch, tmp_path: Path) -> None:
    """An edit in place, and a rename over it, right after ours."""
    put(store, ("a",))
    (tmp_path / "a").write_bytes(b"edited")
    assert watch.read(0.1) == {()}

    put(store, ("sub", "b"))
    (tmp_path / "elsewhere").write_bytes(b"moved over")
    watch.read(0.1)
    put(store, ("sub", "b"), replace=True)
    (tmp_path / "elsewhere").rename(tmp_path / "sub" / "b")
    assert watch.read(0.1) == {(), ("sub",)}


def test_what_failed_hides_nothing(store: TreeContent, watch: TreeWatch, tmp_path: Path) -> None:
    """A publish that found the name taken expects nothing any more."""
    (tmp_path / "taken").write_bytes(b"there")
    (tmp_path / "outside").write_bytes(b"moved over")
    watch.read(0.1)
    store.stage_small("key", b"content")
    with pytest.raises(PathTaken):
        store.publish("key", ("taken",), False, None)
    (tmp_path / "outside").rename(tmp_path / "taken")

    assert watch.read(0.1) == {()}


def test_lost_events_end_all_counting() -> None:
    """After an overflow nothing is taken for our own."""
    own = OwnRenames()
    own.watched(1)
    own.expect(("a",), exchange=True)
    own.forget()

    assert not own.was_own(("a",), 0x80)
    assert not own.was_own(("a",), 0x40)
