"""An idempotency key means the same effect after the server died in the middle of it (P8)."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.core_world import World

from homestow.server.service.publish import Outcome
from homestow.server.service.work import Once
from homestow.values.faults import arm
from homestow.values.nodes import Node
from homestow.wire.api import PackItem

ONCE = Once("key", b"request")
STEPS = (
    "committer.intents_recorded", "content.publish", "publish.displaced", "committer.carried_out",
    "committer.renames_durable", "database.before_commit", "committer.recorded",
)  # fmt: skip


class Place:
    """A folder with a world in it that nobody has open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def opened(self) -> Iterator[World]:
        """The world, as a server that starts finds it."""
        world = World(self._path, on_disk=True, database=self._path / "data.db")
        try:
            yield world
        finally:
            world.close()

    def dying(self, step: str, hit: int, act: Callable[[World], object]) -> None:
        """Do something in a process that dies at the hit of a step; or that does not, when the step is not reached so often."""
        child = os.fork()
        if child == 0:
            try:
                with self.opened() as world:
                    arm(_killer(step, hit))
                    act(world)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def once_again(self, step: str, hit: int, act: Callable[[World], Any]) -> Any:
        """Do it and die of it; start again and do it again, twice."""
        self.dying(step, hit, act)
        with self.opened() as world:
            again = act(world)
            assert act(world) == again
        return again


def _killer(step: str, hit: int) -> Callable[[str], None]:
    reached = 0

    def reach(name: str) -> None:
        nonlocal reached
        reached += name == step
        if name == step and reached == hit:
            os._exit(137)

    return reach


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("step", STEPS)
def test_new_content_is_one_rev(place: Place, step: str) -> None:
    """A replace that was repeated made one rev, and the one before is a version."""
    with place.opened() as world:
        node = world.put("a", b"one")

    def replace(world: World) -> Node:
        sink = world.core.whole.put_content(world.anna, node.id, 1, once=ONCE)
        sink.write(b"two")
        return sink.finish()

    assert place.once_again(step, 1, replace).rev == 2
    with place.opened() as world:
        assert world.read(node.id) == b"two"
        assert world.read(node.id, 1) == b"one"


@pytest.mark.parametrize("hit", [1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_a_pack_is_whole(place: Place, step: str, hit: int) -> None:
    """However far a pack came, repeated it gives every file once, and a file that was refused is refused again."""
    with place.opened() as world:
        node, top = world.put("a", b"one"), world.top
    items = [
        (PackItem(size=3, mtime_ns=5, node=node.id, base=1), b"two"),
        (PackItem(size=1, mtime_ns=5, node=node.id + 1000, base=1), b"x"),
        (PackItem(size=3, mtime_ns=5, parent=top, name="b"), b"new"),
        (PackItem(size=4, mtime_ns=5, parent=top, name="c"), b"more"),
    ]
    again: list[Outcome] = place.once_again(
        step, hit, lambda world: world.core.whole.put_pack(world.anna, world.root, items, ONCE)
    )
    assert [outcome.code for outcome in again] == ["", "not-found", "", ""]
    assert [outcome.node.rev for outcome in again if outcome.node is not None] == [2, 1, 1]
    with place.opened() as world:
        assert world.names() == ["a", "b", "c"]
        world.usage_is_right()


@pytest.mark.parametrize("step", [*STEPS, "content.make_folder", "content.move", "content.keep", "purge.next"])
def test_a_folder_is_made_moved_deleted_and_purged_once(place: Place, step: str) -> None:
    """Each of these has one effect, and the repetition is no error."""
    with place.opened() as world:
        world.put("something", b"that stays")

    def act(world: World) -> None:
        made = world.core.files.make_folder(world.anna, world.top, "one", Once("make", b"m"))
        moved = world.core.files.move(world.anna, made.id, world.top, "two", once=Once("move", b"n"))
        assert moved.id == made.id
        world.core.files.delete(world.anna, made.id, once=Once("delete", b"d"))
        world.core.trashcan.purge(world.anna, made.id, Once("purge", b"p"))

    for hit in (1, 2, 3, 4):
        place.dying(step, hit, act)
    place.once_again(step, 5, act)
    with place.opened() as world:
        assert world.names() == ["something"]
        assert world.core.trashcan.trash(world.anna, world.root)[0] == []


def test_other_rights_are_no_edit(place: Place) -> None:
    """A file whose rights were changed on the server's disk still is the content that the catalogue knows: replacing it
    keeps that one version, not a second of the same bytes."""
    with place.opened() as world:
        node = world.put("a", b"one")
        (world.folder / "a").chmod(0o600)
        assert world.put("a", b"two", base=1).rev == 2
        assert [version.rev for version in world.core.trashcan.versions(world.anna, node.id)[1]] == [1]


@pytest.mark.parametrize("hit", [1, 2, 3, 4])
@pytest.mark.parametrize("step", ["committer.recorded", "committer.carried_out", "content.publish"])
def test_a_copied_folder_is_whole(place: Place, step: str, hit: int) -> None:
    """A copy that was cut off is filled up by the repetition, into the folder that was begun."""
    with place.opened() as world:
        source = world.folder_node("source")
        inner = world.folder_node("inner", source.id)
        world.put("a", b"one", source.id)
        world.put("b", b"two", inner.id)
        top = world.top
    copied = place.once_again(step, hit, lambda world: world.core.files.copy(world.anna, source.id, top, "copy", ONCE))
    with place.opened() as world:
        assert world.names() == ["copy", "source"]
        assert world.names(copied.id) == ["a", "inner"]
        found, _ = world.core.files.children(world.anna, copied.id)
        assert world.names(found[1].id) == ["b"]
