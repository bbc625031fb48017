"""Free names beside namesakes."""

from collections.abc import Collection
from pathlib import Path

import pytest
from tests.unit.core_world import World

from homestow.server.ports.catalogue import NodeRow, new_row
from homestow.server.service.isync_places import free_name
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind
from homestow.values.paths import numbered


def fill(w: World, names: Collection[str]) -> NodeId:
    """Folders of these names at the top; the first's id."""
    with w.catalogue.write() as rows:
        first = rows.take_ids(len(names))
        rows.add(
            new_row(NodeId(first + at), w.root, w.top, name, Kind.FOLDER, rows.last()) for at, name in enumerate(names)
        )
    return first


@pytest.mark.parametrize("name", ["Holiday", "a.tar.gz", ".hidden", "ü" * 127, "x" * 251 + ".jpg"])
@pytest.mark.parametrize("there", [0, 1, 2, 8, 9, 10, 74])
def test_the_first_free_number(tmp_path: Path, name: str, there: int) -> None:
    """The name is the one that counting up one by one gives; a node may keep the name it has."""
    w = World(tmp_path)
    taken: list[str] = []
    for _ in range(there):
        taken.append(numbered(name, taken))
    first = fill(w, taken)
    assert free_name(w.catalogue, w.top, name) == numbered(name, taken)
    if there:
        assert free_name(w.catalogue, w.top, name, NodeId(first + there - 1)) == taken[-1]


def test_a_gap_is_used(tmp_path: Path) -> None:
    """A number that became free is given again before a new one."""
    w = World(tmp_path)
    fill(w, ["a", "a (2)", "a (4)"])
    assert free_name(w.catalogue, w.top, "a") == "a (3)"


def test_namesakes_cost_few_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five thousand folders of one name are passed with six queries."""
    w = World(tmp_path)
    fill(w, ["a", *(f"a ({number})" for number in range(2, 5001))])
    asked: list[int] = []
    children_named = w.catalogue.children_named

    def counted(parent: NodeId, names: Collection[str]) -> dict[str, NodeRow]:
        asked.append(len(names))
        return children_named(parent, names)

    monkeypatch.setattr(w.catalogue, "children_named", counted)
    assert free_name(w.catalogue, w.top, "a") == "a (5001)"
    assert len(asked) <= 6
