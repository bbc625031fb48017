"""Files that arrive at the same time are published together, each with its own outcome."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import World, world

from homestow.server.service.whole import FileSink, ToldSink
from homestow.server.service.work import Once
from homestow.values.digests import EMPTY
from homestow.values.errors import CloudError, DigestMismatch, NotFound, PathTaken, Stale
from homestow.values.nodes import Node


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, on_disk=True) as made:
        yield made


def sink(w: World, name: str, data: bytes, base: int | None = None, once: Once | None = None) -> FileSink | ToldSink:
    made = w.core.whole.put_file(w.anna, w.top, name, base=base, once=once)
    made.write(data)
    return made


def kinds(results: list[Node | CloudError]) -> list[type]:
    return [type(result) for result in results]


def test_all_are_published(w: World) -> None:
    """Each result is its own node, the bytes lie on disk, nothing is left in staging."""
    results = w.core.whole.finish_all([sink(w, f"f{number}", b"%d" % number) for number in range(8)])

    assert kinds(results) == [Node] * 8
    assert [w.on_store(f"f{number}") for number in range(8)] == [b"%d" % number for number in range(8)]
    w.nothing_staged()
    w.usage_is_right()


def test_one_name_twice_is_given_once(w: World) -> None:
    """Of two new files of one name one is made, the other is told so; likewise two contents over one rev."""
    results = w.core.whole.finish_all([sink(w, "a", b"first"), sink(w, "a", b"second")])
    assert kinds(results) == [Node, PathTaken]

    results = w.core.whole.finish_all([sink(w, "a", b"third", base=1), sink(w, "a", b"fourth", base=1)])
    assert sorted(kind.__name__ for kind in kinds(results)) == ["Node", "Stale"]
    assert Stale in kinds(results)
    w.nothing_staged()
    w.usage_is_right()


def test_a_failure_is_its_own(w: World) -> None:
    """Wrong bytes, a folder that went away: the others are published all the same."""
    folder = w.folder_node("gone")
    bad = w.core.whole.put_file(w.anna, w.top, "bad", digest=EMPTY)
    bad.write(b"not empty")
    orphan = w.core.whole.put_file(w.anna, folder.id, "orphan")
    orphan.write(b"x")
    good = sink(w, "good", b"good")
    w.core.files.delete(w.anna, folder.id)

    results = w.core.whole.finish_all([bad, orphan, good])

    assert kinds(results) == [DigestMismatch, NotFound, Node]
    assert w.on_store("good") == b"good"
    w.nothing_staged()


def test_keys_are_answered_one_by_one(w: World) -> None:
    """A file with an idempotency key has one effect, also beside others (P8)."""
    once = Once("key", b"request")
    first = w.core.whole.finish_all([sink(w, "a", b"a", once=once), sink(w, "b", b"b")])
    again = w.core.whole.finish_all([sink(w, "a", b"a", once=once), sink(w, "c", b"c")])

    assert kinds(first + again) == [Node] * 4
    assert first[0] == again[0]
    assert w.names() == ["a", "b", "c"]
