"""Small whole files by netdrive, many at once; and files of those who have no login."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.netdrive_world import Drive, md5_of, open_drive, together

from homestow.values.errors import BadName, BadRequest, CloudError, DigestMismatch, Forbidden, NotFound, PathTaken
from homestow.values.ids import NodeId


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Drive]:
    """A house."""
    with open_drive(tmp_path) as made:
        yield made


# --- many small ones --------------------------------------------------------------------------------------------------


def test_many_small_files_at_once(w: Drive) -> None:
    """New and replacing ones, in folders that are made, of two people: each has its own end."""
    old = w.put("old", b"old")
    w.drive.tree.make_dir(w.anna, w.root, "/dir")
    asked = [
        (w.anna, w.root, w.announced("//new", b"1"), b"1"),
        (w.anna, w.root, w.announced("//old", b"22"), b"22"),
        (w.ben, w.root, w.announced("/a/b/deep", b"333"), b"333"),
        (w.anna, w.root, w.announced("/a/b/other", b""), b""),
        (w.anna, w.root, w.announced("//dir", b"x"), b"x"),
        (w.cora, w.root, w.announced("//no", b"x"), b"x"),
        (w.dan, w.root, w.announced("//no", b"x"), b"x"),
        (w.anna, w.root, w.announced("//wrong", b"x"), b"y"),
        (w.anna, w.root, w.announced("//short", b"x", size=2), b"x"),
        (w.anna, w.own(w.anna), w.announced("//own", b"own", mtime_s=77), b"own"),
    ]
    results = w.drive.uploads.whole_many(asked)
    kinds = [type(result) for result in results]
    assert kinds[:4] == [int] * 4
    assert kinds[4:9] == [PathTaken, Forbidden, NotFound, DigestMismatch, BadRequest]
    assert kinds[9] is int
    assert results[1] == old.id
    assert w.content(old.id, 1) == b"old"
    assert {path: file.md5 for path, file in w.listed().items()} == {
        "//new": md5_of(b"1"), "//old": md5_of(b"22"), "/a/b/deep": md5_of(b"333"), "/a/b/other": md5_of(b""),
    }  # fmt: skip
    assert w.listed(root=w.own(w.anna))["//own"].mtime_s == 77
    w.is_tidy()


def test_one_place_twice_in_one_call(w: Drive) -> None:
    """The later one counts, the earlier one is its version."""
    first, second = w.whole(("//x", b"one"), ("//x", b"two"))
    assert first == second
    assert (w.folder / "x").read_bytes() == b"two"
    assert w.content(first, 1) == b"one"
    assert set(w.whole(*[("//x", bytes([at])) for at in range(20)])) == {first}
    assert (w.folder / "x").read_bytes() == bytes([19])
    assert w.versions(first) == 21


def test_the_same_small_file_again_is_no_version(w: Drive) -> None:
    """But its time; and an edit on the disk that nobody saw is kept under it."""
    (node,) = w.whole(("//x", b"same"))
    assert w.whole(("//x", b"same"), ("//y", b"new"))[0] == node
    w.drive.uploads.whole_many([(w.anna, w.root, w.announced("//x", b"same", mtime_s=99), b"same")])
    assert w.listed()["//x"].mtime_s == 99
    assert w.versions(node) == 0
    (w.folder / "x").write_bytes(b"edit")
    w.whole(("//x", b"same"))
    assert (w.folder / "x").read_bytes() == b"same"
    assert b"edit" in {w.content(node, version.rev) for version in w.catalogue.versions(NodeId(node))}


def test_small_files_where_the_disk_has_something_unknown(w: Drive) -> None:
    """A file that somebody put there a moment ago becomes the version before."""
    (w.folder / "x").write_bytes(b"from outside")
    (w.folder / "a").mkdir()
    first, _ = w.whole(("//x", b"ours"), ("//y", b"ours"))
    assert (w.folder / "x").read_bytes() == b"ours"
    assert b"from outside" in {w.content(first, version.rev) for version in w.catalogue.versions(NodeId(first))}
    w.whole(("/a/z", b"1"))
    w.rescan()
    assert (w.folder / "a/z").read_bytes() == b"1"


def test_many_callers_for_the_same_places(w: Drive) -> None:
    """All are answered, and what is there in the end is one of theirs."""

    def put(at: int) -> list[int | CloudError]:
        return w.drive.uploads.whole_many(
            [(w.anna, w.root, w.announced(f"/d/{n}", f"{at} {n}".encode()), f"{at} {n}".encode()) for n in range(20)]
        )

    for results in together(*[lambda at=at: put(at) for at in range(4)]):
        assert all(isinstance(result, int) for result in results), results
    assert {(w.folder / f"d/{n}").read_bytes().split()[1] for n in range(20)} == {str(n).encode() for n in range(20)}
    w.is_tidy()


# --- those without login ----------------------------------------------------------------------------------------------


def test_the_doorway(tmp_path: Path) -> None:
    """Files at the top of the root that the owner opened, from nobody; without one it says what to do."""
    with open_drive(tmp_path) as w:
        with pytest.raises(Forbidden, match="netdrive_open_root"):
            w.drive.doorway.open_put("x", 3)
        with pytest.raises(Forbidden, match="netdrive_open_root"):
            w.drive.doorway.open_get("x")
    (tmp_path / "b").mkdir()
    with open_drive(tmp_path / "b", opened=True) as w:
        for data in (b"one", b"twos", b""):
            sink = w.drive.doorway.open_put("x", len(data))
            if data:
                sink.write(memoryview(data))
            node = sink.finish()
            assert (w.folder / "x").read_bytes() == data
        assert w.versions(node) == 2
        content = w.drive.doorway.open_get("x")
        assert content.size == 0
        content.close()
        with pytest.raises(NotFound):
            w.drive.doorway.open_get("y")
        for name in ("../x", "a/b", "..", "", ".homestow"):
            with pytest.raises(BadName):
                w.drive.doorway.open_put(name, 3)
        sink = w.drive.doorway.open_put("broken", 10)
        sink.write(memoryview(b"12345"))
        sink.abort()
        w.roots.remove("tree")
        with pytest.raises(Forbidden):
            w.drive.doorway.open_get("x")
        w.roots.add("tree", str(w.folder), [])
        w.is_tidy()
