"""The promises of `ports.media.MediaRows`, held by every adapter."""

from pathlib import Path

import pytest
from tests.unit.core_world import World

from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.ports.media import Facts, MediaKind, MediaRows, MediaState
from homestow.values.ids import NodeId

FULL = Facts(MediaKind.VIDEO, "MP4", 1920, 1080, 6, 12.5, -5, -33.5, 151.25, "h264")
BARE = Facts(MediaKind.IMAGE, "JPEG")


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A catalogue in memory or in a file."""
    return World(tmp_path, database=tmp_path / "catalogue.db" if request.param == "file" else None)


@pytest.fixture
def rows(world: World) -> MediaRows:
    """The rows beside it."""
    return SqlMedia(world.database)


def test_what_was_set_is_there(rows: MediaRows) -> None:
    """Each fact as it was, those that are not known too; nothing for the others."""
    rows.set_media([(NodeId(7), 1, MediaState.READ, FULL), (NodeId(8), 2, MediaState.BROKEN, BARE)])

    found = rows.media([NodeId(7), NodeId(8), NodeId(9)])
    assert {node: (row.rev, row.state, row.facts) for node, row in found.items()} == {
        7: (1, MediaState.READ, FULL),
        8: (2, MediaState.BROKEN, BARE),
    }


def test_stamps_grow_with_each_change(rows: MediaRows) -> None:
    """Also when a row is replaced; no two rows have the same."""
    rows.set_media([(NodeId(7), 1, MediaState.READ, FULL), (NodeId(8), 1, MediaState.READ, BARE)])
    first = {row.stamp for row in rows.media([NodeId(7), NodeId(8)]).values()}
    rows.set_media([(NodeId(7), 2, MediaState.READ, BARE)])

    (again,) = rows.media([NodeId(7)]).values()
    assert len(first) == 2
    assert again.stamp > max(first)
    assert (again.rev, again.facts) == (2, BARE)


def test_unread_are_live_media_without_facts_of_their_content(world: World, rows: MediaRows) -> None:
    """By id and page; what is no media by its name, deleted, or read is not among them."""
    nodes = [world.put(name, b"x") for name in ("a.jpg", "b.txt", "c.MP4", "d", "e.flac", ".jpg")]
    world.folder_node("f.jpg")
    wanted = [nodes[at].id for at in (0, 2, 4)]

    assert rows.unread(world.root, NodeId(0), 10) == wanted
    assert rows.unread(world.root, NodeId(0), 2) == wanted[:2]
    assert rows.unread(world.root, wanted[1], 2) == wanted[2:]
    rows.set_media([(nodes[0].id, 1, MediaState.READ, BARE), (nodes[2].id, 1, MediaState.BROKEN, BARE)])
    assert rows.unread(world.root, NodeId(0), 10) == [nodes[4].id]
    world.put("a.jpg", b"other", base=1)
    assert rows.unread(world.root, NodeId(0), 10) == [nodes[0].id, nodes[4].id]
    world.core.files.delete(world.anna, nodes[0].id)
    assert rows.unread(world.root, NodeId(0), 10) == [nodes[4].id]


def test_orphans_go(world: World, rows: MediaRows) -> None:
    """Rows of nodes that are nowhere any more, at most as many as asked."""
    node = world.put("a.jpg", b"x")
    rows.set_media([(NodeId(at), 1, MediaState.READ, BARE) for at in (node.id, 900_001, 900_002, 900_003)])

    assert [rows.drop_orphans(2), rows.drop_orphans(2), rows.drop_orphans(2)] == [2, 1, 0]
    assert set(rows.media([node.id, NodeId(900_001)])) == {node.id}
