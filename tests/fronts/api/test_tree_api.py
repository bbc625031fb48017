"""The tree over the API: listing in pages, moving, copying, deleting and bringing back, with what the caller saw."""

from typing import Any

from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import Rig

from homestow.values.nodes import Node


def trash(rig: Rig, query: str = "") -> Any:
    return rig.ask("GET", f"/roots/{rig.root}/trash{query}").json()


def delete(rig: Rig, node: Node, base: int | None = None) -> int:
    return rig.ask("DELETE", f"/nodes/{node.id}" + ("" if base is None else f"?base={base}")).status


def restore(rig: Rig, node: Node, **message: Any) -> Node:
    answer = rig.ask("POST", f"/trash/{node.id}/restore", message)
    assert answer.status == 200, answer
    return answer.node


def test_pages(rig: Rig) -> None:
    """Children by name and nodes by id come each once, however small the pages are."""
    names = sorted(["b", "a", "é", "Z", "10", "9", "😀", "a b", "%41"], key=lambda name: name.encode())
    for name in names:
        rig.put(name)
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = rig.ask("GET", f"/nodes/{rig.top}/children?limit=2&after={_quoted(after)}").json()
        seen += [each["name"] for each in page["nodes"]]
        after = page["next"]
    assert seen == names
    ids: list[int] = []
    number: int | None = 0
    while number is not None:
        page = rig.ask("GET", f"/roots/{rig.root}/tree?limit=2&after={number}").json()
        ids += [each["id"] for each in page["nodes"]]
        number = page["next"]
    assert ids == sorted(set(ids))
    assert len(ids) == len(names) + 1


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def test_a_subtree(rig: Rig) -> None:
    """`under` gives one folder with all below it."""
    folder = rig.folder_node("d")
    inner = rig.folder_node("e", folder.id)
    file = rig.put("f", parent=inner.id)
    rig.put("outside")
    nodes = rig.ask("GET", f"/roots/{rig.root}/tree?under={folder.id}").json()["nodes"]
    assert {each["id"] for each in nodes} == {folder.id, inner.id, file.id}


def test_a_move_keeps_the_node(shared: Rig) -> None:
    """A file and a folder keep their ids; where they already are is no change; the bytes lie where they are shown."""
    folder = shared.folder_node(fresh())
    file = shared.put("f", b"content", parent=folder.id)
    name = fresh("moved")
    moved = shared.ask(
        "POST", f"/nodes/{folder.id}/move", {"parent": shared.top, "name": name, "base": folder.change}
    ).node
    assert (moved.id, moved.name) == (folder.id, name)
    assert (shared.folder / name / "f").read_bytes() == b"content"
    assert shared.node(file.id).change == file.change
    number = shared.services.changes.cursor()
    again = shared.ask("POST", f"/nodes/{folder.id}/move", {"parent": shared.top, "name": name})
    assert (again.status, again.node.change) == (200, moved.change)
    assert shared.services.changes.cursor() == number


def test_place_and_location_are_two_facts(shared: Rig) -> None:
    """`place_only` shows a file elsewhere and leaves it where it lies; it is read at its new place."""
    folder = shared.folder_node(fresh())
    file = shared.put(fresh(), b"content")
    message = {"parent": folder.id, "name": "shown", "place_only": True}
    moved = shared.ask("POST", f"/nodes/{file.id}/move", message).node
    assert (moved.parent, moved.name) == (folder.id, "shown")
    assert (shared.folder / file.name).read_bytes() == b"content"
    assert shared.read(file.id) == b"content"
    assert shared.names(folder.id) == ["shown"]


def test_the_top_stays(shared: Rig) -> None:
    """The top of a root is neither moved nor deleted, not by its owner."""
    for answer in (
        shared.ask("DELETE", f"/nodes/{shared.top}"),
        shared.ask("POST", f"/nodes/{shared.top}/move", {"parent": shared.folder_node(fresh()).id, "name": "x"}),
    ):
        assert (answer.status, answer.code) in ((403, "forbidden"), (409, "would-cycle"))


def test_copies(shared: Rig) -> None:
    """A folder is copied with all in it; copies are nodes of their own with the same bytes and times."""
    folder = shared.folder_node(fresh())
    inner = shared.folder_node("inner", folder.id)
    for number in range(5):
        shared.put(f"f{number}", f"content {number}".encode(), parent=inner.id, query="&mtime_ns=5")
    copy = shared.ask("POST", f"/nodes/{folder.id}/copy", {"parent": shared.top, "name": fresh("copy")}).node
    root = shared.root
    for number in range(5):
        node = shared.ask("GET", f"/roots/{root}/path?path={copy.name}/inner/f{number}").node
        assert shared.read(node.id) == f"content {number}".encode()
        assert node.mtime_ns == 5
    assert copy.id != folder.id


def test_deleting_what_was_seen(shared: Rig) -> None:
    """A file by its `change`, a folder by its `below`: whoever did not see the last change deletes nothing."""
    folder = shared.folder_node(fresh())
    file = shared.put("f", parent=folder.id)
    seen = shared.node(folder.id).below
    edited = shared.edit(file, b"newer")
    assert delete(shared, file, file.change) == 412
    assert delete(shared, folder, seen) == 412
    assert shared.read(file.id) == b"newer"
    assert delete(shared, edited, edited.change) == 204
    assert delete(shared, folder, shared.node(folder.id).below) == 204
    assert delete(shared, folder) == 404


def test_the_trash(rig: Rig) -> None:
    """Newest first, in pages, with place and who; a folder counts once with all in it; then brought back or gone for good."""
    folder = rig.folder_node("d")
    file = rig.put("f", b"in d", parent=folder.id)
    others = [rig.put(name) for name in "abc"]
    for node in (*others, folder):
        assert delete(rig, node) == 204
    told = trash(rig)
    assert [item["path"] for item in told["items"]] == ["d", "c", "b", "a"]
    assert {item["by"] for item in told["items"]} == {"anna"}
    assert {item["deleted_ns"] for item in told["items"]} == {rig.clock.ns}
    paged: list[str] = []
    after: int | None = 0
    while after is not None:
        page = trash(rig, f"?limit=3&after={after}")
        paged += [item["path"] for item in page["items"]]
        after = page["next"]
    assert paged == ["d", "c", "b", "a"]
    assert rig.ask("GET", f"/nodes/{file.id}").status == 404
    assert rig.ask("GET", f"/nodes/{file.id}/content").status == 404

    rig.put("a", b"another a")
    assert restore(rig, others[0]).name == "a (2)"
    back = restore(rig, folder, parent=rig.top, name="e")
    assert (back.id, back.name) == (folder.id, "e")
    assert rig.read(file.id) == b"in d"
    elsewhere = restore(rig, others[1], parent=folder.id)
    assert (elsewhere.parent, elsewhere.name) == (folder.id, "b")
    assert rig.ask("POST", f"/trash/{others[1].id}/restore", {}).status == 404
    assert rig.ask("DELETE", f"/trash/{others[1].id}").status == 404
    assert rig.read(others[1].id) == b"1"
    assert rig.ask("DELETE", f"/roots/{rig.root}/trash").json() == {"removed": 1}
    assert trash(rig) == {"items": [], "next": None}
    rig.nothing_left_over()


def test_back_to_a_folder_that_is_gone_too(rig: Rig) -> None:
    """What was deleted before its folder comes back to the nearest folder above that is still there."""
    outer = rig.folder_node("outer")
    inner = rig.folder_node("inner", outer.id)
    file = rig.put("f", b"content", parent=inner.id)
    delete(rig, file)
    delete(rig, inner)
    back = restore(rig, file)
    assert (back.parent, rig.read(file.id)) == (outer.id, b"content")
    rig.nothing_left_over()


def test_every_content_is_kept(rig: Rig) -> None:
    """Each replaced content is a version; an older one brought back is a new one; deletion and return keep them all."""
    node = rig.put("f", b"0")
    for number in range(1, 5):
        node = rig.edit(node, str(number).encode())
    delete(rig, node)
    restore(rig, node)
    versions = rig.ask("GET", f"/nodes/{node.id}/versions").json()["versions"]
    assert [each["rev"] for each in versions] == [5, 4, 3, 2, 1]
    for rev in range(1, 6):
        assert rig.ask("GET", f"/nodes/{node.id}/content?rev={rev}").body == str(rev - 1).encode()
    back = rig.ask("POST", f"/nodes/{node.id}/versions/2/restore").node
    assert (back.rev, rig.read(node.id)) == (6, b"1")
    assert rig.ask("POST", f"/nodes/{node.id}/versions/9/restore").status == 404
    rig.nothing_left_over()


def test_times(shared: Rig) -> None:
    """Modification times from 1906 to 2262 are kept to the nanosecond, and another one is no new content."""
    for mtime_ns in (0, -1, 1, 1_600_000_000_123_456_789, -2_000_000_000_000_000_000, 2**62, 2**63 - 1):
        node = shared.put(fresh(), query=f"&mtime_ns={mtime_ns}")
        assert node.mtime_ns == mtime_ns
        assert shared.node(node.id).mtime_ns == mtime_ns
        assert shared.read(node.id) == b"1"
        later = shared.ask("POST", f"/nodes/{node.id}/facts", {"mtime_ns": 7, "base": node.change}).node
        assert (later.mtime_ns, later.rev) == (7, 1)
        assert later.change > node.change
