"""Roots as netdrive clients see them: binds, lists with md5, folders; and contents by md5."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.netdrive_world import SECOND, Drive, md5_of, open_drive

from homestow.server.rules.access import Rights
from homestow.server.service.netdrive_facts import NoFolder, NotBound, NotEmpty
from homestow.server.service.netdrive_places import names_of, path_of
from homestow.server.service.netdrive_tree import LISTING_S
from homestow.values.errors import (
    BadName,
    BadRequest,
    Busy,
    Forbidden,
    NotFound,
    PathTaken,
    StorageFull,
    WrongKind,
)
from homestow.values.faults import arm
from homestow.values.ids import NodeId


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Drive]:
    """A house."""
    with open_drive(tmp_path) as made:
        yield made


# --- binds ------------------------------------------------------------------------------------------------------------


def test_numbers_begin_with_the_own_root(w: Drive) -> None:
    """Then the others in their order; no other number is bound."""
    tree = w.drive.tree
    assert tree.bind(w.anna) == 0
    assert tree.root(w.anna, 1) == w.own(w.anna)
    assert tree.root(w.anna, 2) == w.root
    for number in (0, 3, -1, 1 << 60):
        assert not tree.set_bind(w.anna, number)
        with pytest.raises(NotBound):
            tree.root(w.anna, number)
    assert tree.set_bind(w.anna, 2)
    w.reopen()
    assert w.drive.tree.bind(w.anna) == 2
    assert w.drive.tree.bind(w.ben) == 0
    w.drive.tree.unbind(w.anna)
    assert w.drive.tree.bind(w.anna) == 0


def test_a_number_never_comes_to_mean_another_root(w: Drive) -> None:
    """A root that is gone leaves its number dead; a new one gets the next; one that is back has its own again."""
    tree = w.drive.tree
    assert tree.root(w.anna, 2) == w.root
    w.roots.remove("tree")
    with pytest.raises(NotBound):
        tree.root(w.anna, 2)
    (w.place / "other").mkdir()
    other = w.roots.add("other", str(w.place / "other"), [("anna", Rights.WRITE)])
    assert tree.root(w.anna, 3) == other.id
    with pytest.raises(NotBound):
        tree.root(w.anna, 2)
    w.roots.add("tree", str(w.folder), [("anna", Rights.OWN)])
    w.reopen()
    assert w.drive.tree.root(w.anna, 2) == w.root
    w.roots.set_member(w.anna, w.root, "ben", Rights.OWN)
    w.roots.set_member(w.ben, w.root, "anna", Rights.NONE)
    with pytest.raises(NotBound):
        w.drive.tree.root(w.anna, 2)


def test_the_own_root_is_made_when_missing(w: Drive) -> None:
    """For the documented calls and for a bind alike; it always has the first number."""
    tree = w.drive.tree
    own = tree.root(w.cora, 1)
    assert own != w.root
    assert tree.root(w.cora, None) == own
    assert tree.root(w.cora, 2) == w.root
    assert tree.root(w.dan, None) == tree.root(w.dan, 1)


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_holds_folders_and_complete_files(w: Drive) -> None:
    """With ids, paths, sizes, md5 and times; links and what is on its way or deleted are not in it."""
    w.send("/a/b/x", b"abc", mtime_s=1234.9)
    w.send("//y", b"")
    w.drive.tree.make_dir(w.anna, w.root, "/a/empty")
    gone = w.send("//gone", b"1")
    w.core.files.delete(w.anna, NodeId(gone))
    os.symlink("y", w.folder / "link")
    w.rescan()
    w.drive.uploads.begin(w.anna, w.root, w.announced("//coming", b"xyz"))
    listing = w.drive.tree.listing(w.anna, w.root)
    assert [path for _, path in listing.dirs] == ["//", "/a/", "/a/b/", "/a/empty/"]
    by_path = {path: node for node, path in listing.dirs}
    assert by_path["//"] == w.top
    assert sorted((file.path, file.name, file.size, file.md5, file.dir) for file in listing.files) == [
        ("//", "y", 0, md5_of(b""), by_path["//"]), ("/a/b/", "x", 3, md5_of(b"abc"), by_path["/a/b/"]),
    ]  # fmt: skip
    assert {file.mtime_s for file in listing.files if file.name == "x"} == {1234}


def test_s09_a_list_is_for_members(w: Drive) -> None:
    """Others learn nothing of the root."""
    for work in (w.drive.tree.listing, lambda who, root: w.drive.downloads.by_md5(who, root, md5_of(b""))):
        with pytest.raises(NotFound):
            work(w.dan, w.root)
    assert w.drive.tree.listing(w.cora, w.root).files == []


def test_files_from_outside_and_edits_have_their_md5_at_once(w: Drive) -> None:
    """And no content is read again whose md5 is known."""
    (w.folder / "x").write_bytes(b"one")
    (w.folder / "d").mkdir()
    (w.folder / "d" / "y").write_bytes(b"two")
    w.rescan()
    assert {path: file.md5 for path, file in w.listed().items()} == {"//x": md5_of(b"one"), "/d/y": md5_of(b"two")}
    reads: list[NodeId] = []
    opened = w.core.contents.open

    def spy(row, rev=None):  # type: ignore[no-untyped-def]  # as the one it stands before
        reads.append(row.id)
        return opened(row, rev)

    w.core.contents.open = spy  # type: ignore[method-assign]  # counts what is read
    assert len(w.listed()) == 2
    assert reads == []
    (w.folder / "x").write_bytes(b"edited")
    w.rescan()
    assert w.listed()["//x"].md5 == md5_of(b"edited")
    assert reads == [w.listed()["//x"].vfile]


def test_an_edit_that_nobody_saw_is_seen_when_the_file_is_read(w: Drive) -> None:
    """Size, time and md5 in the list belong together."""
    (w.folder / "x").write_bytes(b"one")
    w.rescan()
    (w.folder / "x").write_bytes(b"three")
    os.utime(w.folder / "x", (7, 7))
    listed = w.listed()["//x"]
    assert (listed.size, listed.md5, listed.mtime_s) == (5, md5_of(b"three"), 7)


def test_a_file_that_cannot_be_read_is_listed_without_md5(w: Drive) -> None:
    """It must look neither deleted nor like anything a client could have."""
    (w.folder / "x").write_bytes(b"one")
    (w.folder / "y").write_bytes(b"two")
    w.rescan()
    (w.folder / "x").chmod(0)
    if os.access(w.folder / "x", os.R_OK):  # whoever may read everything: it is not there at all then
        (w.folder / "x").unlink()
        (w.folder / "x").symlink_to("y")
    listed = w.listed()
    assert listed["//y"].md5 == md5_of(b"two")
    assert "//x" not in listed or listed["//x"].md5 == ""


def test_a_full_disk_still_gives_lists(w: Drive) -> None:
    """What cannot be remembered of a list does not keep it from who wants to make room; it is read anew the next time."""
    (w.folder / "x").write_bytes(b"one")
    w.rescan()

    def full(name: str) -> None:
        if name == "database.before_commit":
            raise StorageFull("There is no room.")

    arm(full)
    try:
        assert [w.listed()["//x"].md5 for _ in range(2)] == [md5_of(b"one")] * 2
    finally:
        arm(None)
    assert w.listed()["//x"].md5 == md5_of(b"one")


def test_a_list_that_takes_too_long_is_refused_and_goes_on(w: Drive) -> None:
    """What was read is not read again, so that asking again comes to an end; a part of a list is never told."""
    for at in range(5):
        (w.folder / str(at)).write_bytes(bytes([at]))
    w.rescan()
    opened = w.core.contents.open

    def slow(row, rev=None):  # type: ignore[no-untyped-def]  # as the one it stands before
        w.clock.ns += int(LISTING_S / 2 * SECOND)
        return opened(row, rev)

    w.core.contents.open = slow  # type: ignore[method-assign]  # a slow disk
    for _ in range(2):
        with pytest.raises(Busy):
            w.listed()
    assert len(w.listed()) == 5


def test_files_are_read_ahead(w: Drive) -> None:
    """In roots whose lists are asked for, and only there; what cannot be read is tried again later; a stop is obeyed."""
    (w.folder / "x").write_bytes(b"one")
    w.rescan()
    w.drive.idle.run()
    assert w.stores.md5s.of_root(w.root) == {}
    w.listed()
    (w.folder / "y").write_bytes(b"two")
    w.rescan()
    w.reopen()
    w.drive.idle.run()
    assert set(w.stores.md5s.of_root(w.root).values()) == {bytes.fromhex(md5_of(data)) for data in (b"one", b"two")}
    w.drive.idle.start()
    w.drive.idle.stop()
    (w.folder / "z").write_bytes(b"three")
    w.rescan()
    with pytest.raises(Busy):
        w.listed()
    w.drive.idle.run()
    assert len(w.stores.md5s.of_root(w.root)) == 2


# --- folders and files ------------------------------------------------------------------------------------------------


def test_folders_are_made_and_removed(w: Drive) -> None:
    """With what is missing above; there already is no error; only empty ones go, and the top never."""
    tree = w.drive.tree
    assert tree.make_dir(w.anna, w.root, "//a/b/c")
    assert not tree.make_dir(w.anna, w.root, "/a/b")
    assert not tree.make_dir(w.anna, w.root, "//")
    assert (w.folder / "a/b/c").is_dir()
    with pytest.raises(NotEmpty):
        tree.drop_dir(w.anna, w.root, "/a/b/")
    assert tree.drop_dir(w.anna, w.root, "/a/b/c")
    assert not tree.drop_dir(w.anna, w.root, "/a/b/c")
    assert not tree.drop_dir(w.anna, w.root, "/never/was")
    with pytest.raises(Forbidden):
        tree.drop_dir(w.anna, w.root, "//")
    assert [row.name for row in w.catalogue.trash(w.root, 1 << 60, 9)] == ["c"]
    w.send("//file", b"x")
    for path in ("/file", "/file/below"):
        with pytest.raises((PathTaken, WrongKind)):
            tree.make_dir(w.anna, w.root, path)
        with pytest.raises(WrongKind):
            tree.drop_dir(w.anna, w.root, path)
    with pytest.raises(Forbidden):
        tree.make_dir(w.cora, w.root, "/no")
    with pytest.raises(Forbidden):
        tree.drop_dir(w.cora, w.root, "/a/b")
    with pytest.raises(Forbidden):
        tree.drop_dir(w.cora, w.root, "/no")
    for who in (w.dan,):
        with pytest.raises(NotFound):
            tree.make_dir(who, w.root, "/no")
        with pytest.raises(NotFound):
            tree.drop_dir(who, w.root, "/a")


def test_how_a_made_folder_was_spelled(w: Drive) -> None:
    """Is told to who made it, with a slash at its end; a folder that was there keeps how it was told before."""
    tree = w.drive.tree
    tree.make_dir(w.anna, w.root, "//new/./x")
    assert [path for _, path in tree.listing(w.anna, w.root).dirs] == ["//", "/new/", "//new/./x/"]
    assert [path for _, path in tree.listing(w.ben, w.root).dirs] == ["//", "/new/", "/new/x/"]
    w.send("/new/x/file", b"1")
    tree.make_dir(w.anna, w.root, "/new//x")
    assert [path for _, path in tree.listing(w.anna, w.root).dirs] == ["//", "/new/", "/new/x/"]


def test_files_go_to_the_trash(w: Drive) -> None:
    """What is not there is told apart: its folder, or itself."""
    w.send("/a/x", b"abc")
    tree = w.drive.tree
    with pytest.raises(NoFolder):
        tree.drop_file(w.anna, w.root, "/b/", "x")
    for name in ("y", "", "../a/x"):
        with pytest.raises(NotFound):
            tree.drop_file(w.anna, w.root, "/a/", name)
    with pytest.raises(NotFound):
        tree.drop_file(w.anna, w.root, "//", "a")
    with pytest.raises(Forbidden):
        tree.drop_file(w.cora, w.root, "/a/", "x")
    tree.drop_file(w.anna, w.root, "//a/", "x")
    assert w.listed() == {}
    assert [row.name for row in w.catalogue.trash(w.root, 1 << 60, 9)] == ["x"]


@pytest.mark.parametrize(
    "said, names",
    [
        ("", ()),
        ("/", ()),
        ("//", ()),
        ("/./", ()),
        ("/a/b/", ("a", "b")),
        ("a//b", ("a", "b")),
        ("/e\u0301/", ("\xe9",)),
    ],
)
def test_paths_in_any_spelling(said: str, names: tuple[str, ...]) -> None:
    """Mean names; ours is one of the spellings."""
    assert names_of(said) == names
    assert names_of(path_of(names)) == names


@pytest.mark.parametrize("said", ["..", "/a/../b", "/\0/", "/\ud800/", "/a" * 300, "/" * 9000, "/" + "n" * 256])
def test_paths_that_are_none(said: str) -> None:
    """Are refused."""
    with pytest.raises(BadName):
        names_of(said)


# --- contents ---------------------------------------------------------------------------------------------------------


def test_contents_by_md5_and_by_id(w: Drive) -> None:
    """Also one that was replaced since, so that a download in pieces ends; not one that was deleted."""
    node = w.send("//x", b"old content")
    w.send("//x", b"new content")
    for data in (b"old content", b"new content"):
        content = w.drive.downloads.by_md5(w.cora, w.root, md5_of(data).upper())
        assert content.opened.read_at(0, 99) == data
        content.close()
    content = w.drive.downloads.by_id(w.anna, node)
    assert content.opened.read_at(0, 99) == b"new content"
    content.close()
    with pytest.raises(NotFound):
        w.drive.downloads.by_id(w.dan, node)
    with pytest.raises(BadRequest):
        w.drive.downloads.by_md5(w.anna, w.root, "nonsense")
    w.core.files.delete(w.anna, NodeId(node))
    for data in (b"old content", b"new content", b"never there"):
        with pytest.raises(NotFound):
            w.drive.downloads.by_md5(w.anna, w.root, md5_of(data))


def test_content_by_md5_below_a_deleted_folder_is_gone(w: Drive) -> None:
    """And one whose disk shows something else is not given for it."""
    w.send("/a/x", b"in the folder")
    w.core.files.delete(w.anna, w.core.files.resolve(w.anna, w.root, ["a"]).id)
    with pytest.raises(NotFound):
        w.drive.downloads.by_md5(w.anna, w.root, md5_of(b"in the folder"))
    w.send("//y", b"as it was")
    (w.folder / "y").write_bytes(b"as it is!")
    with pytest.raises(NotFound):
        w.drive.downloads.by_md5(w.anna, w.root, md5_of(b"as it was"))
    assert w.listed()["//y"].md5 == md5_of(b"as it is!")


def test_the_id_of_an_upload_leads_to_its_file(w: Drive) -> None:
    """Also where it went over one that stood there."""
    node = w.send("//x", b"old")
    begun = w.drive.uploads.begin(w.anna, w.root, w.announced("//x", b"newer"))
    w.chunk(w.anna, begun.vfile, 0, b"newer")
    content = w.drive.downloads.by_id(w.anna, begun.vfile)
    assert (content.node, content.opened.read_at(0, 99)) == (node, b"newer")
    content.close()


def test_rows_of_what_is_gone_are_swept(w: Drive) -> None:
    """Uploads that outlived their time, contents that are kept no more, people and folders that went; and nothing else."""
    assert w.drive.tree.set_bind(w.cora, 1)
    w.send("/./a/x", b"1", who=w.ben)
    node = w.send("//x", b"2")
    w.drive.uploads.begin(w.anna, w.root, w.announced("//coming/e\u0301", b"3"))
    w.listed()
    w.sweep()
    counts = "SELECT (SELECT count(*) FROM md5s), (SELECT count(*) FROM netdrive_uploads WHERE done IS NULL)"
    tables = (
        "SELECT (SELECT count(*) FROM netdrive_people), (SELECT count(*) FROM netdrive_binds WHERE account = ?),"
        " (SELECT count(*) FROM netdrive_paths)"
    )

    def count() -> tuple[int, ...]:
        reader = w.database.reader()
        return (*reader.execute(counts).fetchone(), *reader.execute(tables, (w.cora.account,)).fetchone())

    assert count() == (2, 1, 1, 2, 3)
    w.accounts.remove("cora")
    w.core.files.delete(w.anna, w.core.files.resolve(w.anna, w.root, ["a"]).id)
    w.clock.ns += 8 * 24 * 3600 * SECOND
    w.core.uploads.expire()
    with w.catalogue.write() as rows:
        rows.set_content(NodeId(node), 9, 9, 1, 1, None, (0, 0, 0, 0))  # type: ignore[arg-type]  # as any other content
    w.sweep()
    assert count()[1:] == (0, 0, 0, 1)  # a folder that stands, spelled with two slashes
    assert count()[0] == 1
