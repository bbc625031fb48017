"""The content port's contract, kept by the tree on disk (with and without what newer disks can do) and its twin in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contracts.content_rigs import KINDS, Rig, bytes_at, make_rig, names, put

from homestow.server.ports.content import Content, CopiesRanges, EntryKind, Location, Watches
from homestow.values.errors import BadName, ContentMissing, PathTaken, StorageFailed, WouldCycle

FILE = ("letters", "a.txt")


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    (tmp_path / "root").mkdir()
    rig = make_rig(request.param, tmp_path / "root", monkeypatch.setattr)
    yield rig
    rig.close()


@pytest.fixture
def store(rig: Rig) -> Content:
    rig.outside.make_folder(("letters",))
    return rig.store


# -- staging ----------------------------------------------------------------------------------------------------------


def test_looking_leaves_no_trace(rig: Rig, store: Content, tmp_path: Path) -> None:
    """A tree that is only looked at gets nothing written into it, and its hidden areas are empty."""
    rig.outside.write(FILE, b"mine")

    assert bytes_at(store, FILE) == b"mine"
    assert list(store.staged_keys()) == []
    assert list(store.kept_keys()) == []
    assert store.look_staged("k") is None
    assert store.look_kept("k") is None
    assert store.look((".homestow-none",)) is None
    store.drop_staged("k")
    store.drop_kept("k")
    store.sync_folders([("letters",)])
    store.set_mtime(FILE, 5)
    assert not (tmp_path / "root" / ".homestow").exists()
    assert rig.steps.seen.count("content.make_hidden") == 0
    with pytest.raises(ContentMissing):
        store.sync_staged(["k"])
    with pytest.raises(ContentMissing):
        store.open_kept("k")


def test_a_staged_file_is_written_in_any_order(rig: Rig, store: Content) -> None:
    """Blocks go to their offsets, holes read as zeros, and all of it is there after a restart."""
    staged = store.stage("up-1")
    staged.truncate(10)
    staged.write_at(6, b"wxyz")
    staged.write_at(0, memoryview(b"ab"))
    assert staged.read_at(0, 100) == b"ab\0\0\0\0wxyz"
    assert staged.read_at(8, 1) == b"y"
    assert staged.read_at(10, 5) == b""
    assert staged.stat().size == 10
    assert staged.key == "up-1"
    staged.sync()
    staged.close()
    staged.close()
    with pytest.raises(StorageFailed):
        staged.read_at(0, 1)

    rig.restart()

    assert list(rig.store.staged_keys()) == ["up-1"]
    again = rig.store.stage("up-1")
    again.truncate(7)
    assert again.read_at(0, 100) == b"ab\0\0\0\0w"
    again.sync()
    again.close()
    rig.store.drop_staged("up-1")
    rig.store.drop_staged("up-1")
    assert rig.store.look_staged("up-1") is None
    assert list(rig.store.staged_keys()) == []


def test_small_files_are_staged_once(store: Content) -> None:
    """A key in use is refused, so that two uploads cannot meet in one file."""
    stat = store.stage_small("k1", b"hello")

    assert (stat.kind, stat.size) == (EntryKind.FILE, 5)
    assert store.look_staged("k1") == stat
    with pytest.raises(PathTaken):
        store.stage_small("k1", b"again")
    assert store.stage("k1").read_at(0, 9) == b"hello"
    store.sync_staged([])
    store.sync_staged(["k1"])
    store.sync_staged(["k1"] * 9)
    with pytest.raises(ContentMissing):
        store.sync_staged(["k1", "k2"])


def test_many_are_made_durable_together(store: Content) -> None:
    """Groups of any size are made durable, and a missing one is told."""
    keys = [f"k{number}" for number in range(9)]
    for key in keys:
        store.stage_small(key, key.encode())
    store.sync_staged(keys)
    for key in keys:
        store.publish(key, ("letters", key), False, None)
    store.sync_folders([(), ("letters",), ("no such",), ("nor", "this")])
    assert names(store, ("letters",)) == keys
    with pytest.raises(ContentMissing):
        store.sync_staged(["k1"] + [f"x{number}" for number in range(9)])


@pytest.mark.parametrize(
    "key", ["", ".", "..", "a/b", "../a", "a\0", "a" * 65, "ä", "a.old", "a b", "a\n", "-" * 64 + "x"]
)
def test_keys_are_ours_only(store: Content, key: str) -> None:
    """Only letters, digits and '-' make a key: nothing from outside can name a place in the hidden areas."""
    hidden = (store.stage, store.look_staged, store.look_kept, store.drop_staged, store.drop_kept, store.open_kept)
    acts: list[Callable[[str], object]] = list(hidden)
    for act in acts:
        with pytest.raises(BadName):
            act(key)
    with pytest.raises(BadName):
        store.stage_small(key, b"")
    with pytest.raises(BadName):
        store.sync_staged([key])
    with pytest.raises(BadName):
        store.publish(key, FILE, False, None)
    with pytest.raises(BadName):
        store.keep(FILE, key)
    with pytest.raises(BadName):
        store.bring_back(key, FILE)


# -- publishing -------------------------------------------------------------------------------------------------------


def test_publishing_shows_the_content_at_once(rig: Rig, store: Content) -> None:
    """A published file is there under its name with its bytes and time, and staging is empty."""
    staged = store.stage_small("k", b"content")
    store.sync_staged(["k"])

    done = store.publish("k", FILE, False, 1_234_567_890_000_000_000)

    store.sync_folders([("letters",)])
    assert done.displaced is None
    assert done.stat.size == 7
    assert done.stat.mtime_ns == 1_234_567_890_000_000_000
    assert done.stat.inode == staged.inode
    assert store.look(FILE) == done.stat
    assert rig.outside.read(FILE) == b"content"
    assert list(store.staged_keys()) == []
    assert names(store) == ["letters"]


def test_a_taken_name_is_not_overwritten(rig: Rig, store: Content) -> None:
    """Without `replace` whatever is at the place stays, and the staged file too."""
    rig.outside.write(FILE, b"first")
    rig.outside.make_link(("letters", "link"), "nowhere")
    rig.outside.make_other(("letters", "pipe"))
    store.stage_small("k", b"second")
    for name in ("a.txt", "link", "pipe"):
        with pytest.raises(PathTaken):
            store.publish("k", ("letters", name), False, None)
    with pytest.raises(PathTaken):
        store.publish("k", ("letters",), False, None)

    assert rig.outside.read(FILE) == b"first"
    assert store.look_staged("k") is not None


def test_replacing_displaces_what_was_there(rig: Rig, store: Content) -> None:
    """The old content lies under the staging key afterwards, untouched, and can be kept as a version."""
    put(store, FILE, b"old")
    before = store.look(FILE)
    assert before is not None
    store.stage_small("k2", b"newer")

    done = store.publish("k2", FILE, True, 7_000_000_000)

    assert done.displaced is not None
    assert (done.displaced.size, done.displaced.inode, done.displaced.mtime_ns) == (3, before.inode, before.mtime_ns)
    assert done.stat.mtime_ns == 7_000_000_000
    assert rig.outside.read(FILE) == b"newer"
    assert store.look_staged("k2") == done.displaced
    store.keep_staged("k2", "version-1")
    assert list(store.staged_keys()) == []
    assert store.open_kept("version-1").read_at(0, 10) == b"old"
    with pytest.raises(ContentMissing):
        store.keep_staged("k2", "version-2")


def test_replacing_nothing_is_publishing(store: Content) -> None:
    """`replace` at a free place displaces nothing."""
    store.stage_small("k", b"x")
    assert store.publish("k", FILE, True, None).displaced is None
    assert bytes_at(store, FILE) == b"x"


def test_a_folder_is_never_replaced_by_a_file(rig: Rig, store: Content) -> None:
    """A folder at the place stays with all that is in it."""
    put(store, FILE, b"inside")
    store.stage_small("k2", b"x")
    with pytest.raises(PathTaken):
        store.publish("k2", ("letters",), True, None)
    assert rig.outside.read(FILE) == b"inside"


def test_a_link_or_pipe_at_the_place_is_displaced_itself(rig: Rig, store: Content) -> None:
    """What is replaced is the name: a symlink's target is never written to."""
    rig.outside.write(("canary",), b"safe")
    for number in range(2):
        if number == 0:
            rig.outside.make_link(FILE, "../canary")
        else:
            rig.outside.make_other(FILE)
        store.stage_small(f"k{number}", b"new")
        done = store.publish(f"k{number}", FILE, True, None)
        assert done.displaced is not None
        assert done.displaced.kind is (EntryKind.LINK, EntryKind.OTHER)[number]
        assert rig.outside.read(FILE) == b"new"
        store.drop_staged(f"k{number}")
        rig.outside.remove(FILE)
    assert rig.outside.read(("canary",)) == b"safe"
    assert list(store.staged_keys()) == []


def test_only_files_are_published(rig: Rig, store: Content) -> None:
    """A missing key, or something displaced that is no file, cannot be published."""
    with pytest.raises(ContentMissing):
        store.publish("none", FILE, False, None)
    with pytest.raises(ContentMissing):
        store.publish("none", FILE, True, None)
    rig.outside.make_link(FILE, "elsewhere")
    store.stage_small("k", b"x")
    store.publish("k", FILE, True, None)
    with pytest.raises(ContentMissing):
        store.publish("k", FILE, True, None)
    with pytest.raises(ContentMissing):
        store.stage("k")
    with pytest.raises(ContentMissing):
        store.publish("k", ("no folder", "x"), False, None)


@pytest.mark.parametrize("mtime_ns", [0, 1, -1_000_000_000, 2**31 * 1_000_000_000])
def test_times_are_kept_as_far_as_the_disk_can(store: Content, mtime_ns: int) -> None:
    """A modification time before 1970 or after 2038 comes back as it went in."""
    put(store, FILE, b"x")
    assert store.set_mtime(FILE, mtime_ns).mtime_ns == mtime_ns
    store.stage_small("k2", b"y")
    assert store.publish("k2", FILE, True, mtime_ns).stat.mtime_ns == mtime_ns


@pytest.mark.parametrize("mtime_ns", [-(2**80), -3_000_000_000_000_000_001, -(2**63), 2**63 - 1, 2**80])
@pytest.mark.parametrize("replace", [False, True])
def test_what_was_published_is_not_taken_for_edited(store: Content, mtime_ns: int, replace: bool) -> None:
    """The facts told are those of the next look, also where the disk cannot bear the time and takes the nearest it has."""
    if replace:
        put(store, FILE, b"old")
    store.stage_small("k2", b"new")
    store.sync_staged(["k2"], {"k2": mtime_ns})
    published = store.publish("k2", FILE, replace, mtime_ns)
    assert published.stat == store.look(FILE)
    assert store.set_mtime(FILE, mtime_ns) == store.look(FILE)


@pytest.mark.parametrize("mtime_ns", [2**80, -(2**80)])
def test_impossible_times_do_no_harm(store: Content, mtime_ns: int) -> None:
    """A time no disk can bear becomes one it can, and the content is published."""
    store.stage_small("k", b"x")
    store.publish("k", FILE, False, mtime_ns)
    assert bytes_at(store, FILE) == b"x"


# -- folders, moves, trash --------------------------------------------------------------------------------------------


def test_folders_are_made_once(store: Content) -> None:
    """A new folder appears; a taken name and a missing parent are told."""
    stat = store.make_folder(("letters", "2024"))
    assert stat.kind is EntryKind.FOLDER
    assert stat.size == 0
    assert store.look(("letters", "2024")) == stat
    with pytest.raises(PathTaken):
        store.make_folder(("letters", "2024"))
    with pytest.raises(ContentMissing):
        store.make_folder(("none", "2024"))
    put(store, FILE, b"x")
    with pytest.raises(ContentMissing):
        store.make_folder((*FILE, "below a file"))


def test_moving_keeps_identity(store: Content) -> None:
    """A file or a whole folder moves in one step, with its inode and time."""
    put(store, FILE, b"x")
    before = store.look(FILE)
    assert before is not None
    store.make_folder(("other",))

    after = store.move(FILE, ("other", "b.txt"))

    assert (after.inode, after.birth_ns, after.mtime_ns) == (before.inode, before.birth_ns, before.mtime_ns)
    assert names(store, ("letters",)) == []
    moved = store.move(("other",), ("letters", "deep"))
    assert moved.kind is EntryKind.FOLDER
    assert bytes_at(store, ("letters", "deep", "b.txt")) == b"x"
    store.sync_folders([(), ("letters",)])


def test_moving_overwrites_nothing(rig: Rig, store: Content) -> None:
    """A taken target, a missing source or parent, a folder into itself: each told, nothing changed."""
    put(store, FILE, b"x")
    put(store, ("letters", "b"), b"y")
    store.make_folder(("empty",))
    taken: list[tuple[Location, Location]] = [(FILE, ("letters", "b")), (("letters",), ("empty",)), (FILE, FILE)]
    for source, target in [*taken, (FILE, ("letters",))]:
        with pytest.raises(PathTaken):
            store.move(source, target)
    missing: list[tuple[Location, Location]] = [
        (("none",), ("x",)),
        (FILE, ("none", "x")),
        (FILE, ("letters", "b", "x")),
    ]
    for source, target in missing:
        with pytest.raises(ContentMissing):
            store.move(source, target)
    with pytest.raises(WouldCycle):
        store.move(("letters",), ("letters", "empty", "x"))
    assert names(store) == ["empty", "letters"]
    assert rig.outside.read(FILE) == b"x"


def test_trash_takes_and_gives_back_whole_folders(store: Content) -> None:
    """A kept folder is out of sight, readable by its key, and comes back as it was."""
    put(store, FILE, b"x")
    kept = store.keep(("letters",), "trash-1")
    assert kept.kind is EntryKind.FOLDER
    assert names(store) == []
    assert list(store.kept_keys()) == ["trash-1"]
    assert store.look_kept("trash-1") == kept
    assert store.open_kept("trash-1", ("a.txt",)).read_at(0, 9) == b"x"
    for inside in ((), ("none",), ("a.txt", "below")):
        with pytest.raises(ContentMissing):
            store.open_kept("trash-1", inside)
    with pytest.raises(BadName):
        store.open_kept("trash-1", ("..", "other"))
    with pytest.raises(ContentMissing):
        store.stage_kept("trash-1", "k")
    back = store.bring_back("trash-1", ("letters again",))
    assert back.inode == kept.inode
    assert bytes_at(store, ("letters again", "a.txt")) == b"x"
    assert list(store.kept_keys()) == []
    with pytest.raises(ContentMissing):
        store.bring_back("trash-1", ("letters",))


def test_keeping_overwrites_nothing(store: Content) -> None:
    """A key or a name in use is told, and what is missing too."""
    put(store, FILE, b"x")
    put(store, ("letters", "b"), b"y")
    store.keep(FILE, "t")
    with pytest.raises(PathTaken):
        store.keep(("letters", "b"), "t")
    with pytest.raises(PathTaken):
        store.bring_back("t", ("letters", "b"))
    with pytest.raises(ContentMissing):
        store.keep(("letters", "none"), "t2")
    store.stage_small("s", b"z")
    with pytest.raises(PathTaken):
        store.keep_staged("s", "t")
    with pytest.raises(PathTaken):
        store.stage_kept("t", "s")
    assert store.open_kept("t").read_at(0, 9) == b"x"


def test_an_old_version_is_published_again(store: Content) -> None:
    """Kept content goes back to staging and into place, the present content is displaced."""
    put(store, FILE, b"one")
    put(store, FILE, b"two", key="k2", replace=True)
    store.keep_staged("k2", "v1")
    store.stage_kept("v1", "restore")
    done = store.publish("restore", FILE, True, None)
    assert bytes_at(store, FILE) == b"one"
    assert done.displaced is not None
    with pytest.raises(ContentMissing):
        store.stage_kept("v1", "again")


def test_dropped_folders_are_gone(store: Content) -> None:
    """A kept folder is removed with everything below it; removing it twice is no error."""
    at: tuple[str, ...] = ("letters",)
    for number in range(40):
        at = (*at, f"level {number}")
        store.make_folder(at)
        put(store, (*at, "file"), b"x", key=f"k{number}")
    store.keep(("letters",), "t")
    store.drop_kept("t")
    store.drop_kept("t")
    assert store.look_kept("t") is None
    assert list(store.kept_keys()) == []


def test_the_top_stays(store: Content) -> None:
    """A root's top folder cannot be moved, kept, replaced or made."""
    store.stage_small("k", b"x")
    acts: list[Callable[[], object]] = [
        lambda: store.make_folder(()),
        lambda: store.move((), ("x",)),
        lambda: store.keep((), "t"),
        lambda: store.publish("k", (), True, None),
        lambda: store.set_mtime((), 1),
    ]
    for act in acts:
        with pytest.raises(BadName):
            act()
    top = store.look(())
    assert top is not None
    assert top.kind is EntryKind.FOLDER
    with pytest.raises(ContentMissing):
        store.open(())


# -- looking ----------------------------------------------------------------------------------------------------------


def test_listing_shows_every_kind(rig: Rig, store: Content) -> None:
    """Files, folders, links and pipes are listed for what they are, links not followed."""
    rig.outside.write(("f",), b"12345", mtime_ns=5_000_000_000)
    rig.outside.make_link(("link",), "letters")
    rig.outside.make_other(("pipe",))
    found = {entry.name: entry.stat for entry in store.list_folder(())}
    assert {name: stat.kind for name, stat in found.items()} == {
        "f": EntryKind.FILE,
        "letters": EntryKind.FOLDER,
        "link": EntryKind.LINK,
        "pipe": EntryKind.OTHER,
    }
    assert (found["f"].size, found["f"].mtime_ns) == (5, 5_000_000_000)
    for name, stat in found.items():
        assert store.look((name,)) == stat
    assert len({stat.inode for stat in found.values()}) == 4


def test_listing_what_is_no_folder_is_told(rig: Rig, store: Content) -> None:
    """A missing folder, a file, and a link to a folder are not empty lists (R17)."""
    put(store, FILE, b"x")
    rig.outside.make_link(("link",), "letters")
    for at in (("none",), FILE, (*FILE, "x"), ("link",), ("link", "x")):
        with pytest.raises(ContentMissing):
            store.list_folder(at)


def test_only_regular_files_open(rig: Rig, store: Content) -> None:
    """Folders, links, pipes and missing names do not open, and opening never waits."""
    put(store, FILE, b"x")
    rig.outside.make_link(("letters", "link"), "a.txt")
    rig.outside.make_link(("way",), "letters")
    rig.outside.make_other(("pipe",))
    for at in (("letters",), ("letters", "link"), ("way", "a.txt"), ("pipe",), ("none",), ("none", "x"), (*FILE, "x")):
        with pytest.raises(ContentMissing):
            store.open(at)
    for at in (("way", "a.txt"), ("none", "x"), (*FILE, "x"), ("none",)):
        assert store.look(at) is None
    with pytest.raises(ContentMissing):
        store.set_mtime(("letters", "link"), 1)
    with pytest.raises(ContentMissing):
        store.set_mtime(("letters",), 1)


def test_nothing_goes_through_a_link(rig: Rig, store: Content) -> None:
    """Every changing call refuses a symlink among the folders of a location (S03)."""
    put(store, FILE, b"x")
    rig.outside.make_link(("way",), "letters")
    store.stage_small("k2", b"y")
    acts: list[Callable[[], object]] = [
        lambda: store.publish("k2", ("way", "new"), False, None),
        lambda: store.publish("k2", ("way", "a.txt"), True, None),
        lambda: store.make_folder(("way", "new")),
        lambda: store.move(("way", "a.txt"), ("moved",)),
        lambda: store.move(FILE, ("way", "moved")),
        lambda: store.keep(("way", "a.txt"), "t"),
        lambda: store.set_mtime(("way", "a.txt"), 1),
    ]
    for act in acts:
        with pytest.raises(ContentMissing):
            act()
    assert names(store, ("letters",)) == ["a.txt"]
    store.keep(("way",), "link")
    assert store.look_kept("link") is not None
    with pytest.raises(ContentMissing):
        store.open_kept("link", ("a.txt",))
    store.drop_kept("link")
    assert rig.outside.read(FILE) == b"x"


def test_open_content_stays_what_it_was(store: Content) -> None:
    """Whoever is reading goes on with the content they opened, though the name got another one (P2)."""
    put(store, FILE, b"old")
    opened = store.open(FILE)
    put(store, FILE, b"newer", key="k2", replace=True)
    store.drop_staged("k2")
    assert opened.read_at(0, 2) == b"ol"
    assert opened.read_at(2, 100) == b"d"
    assert opened.read_at(3, 100) == b""
    assert opened.stat.size == 3
    opened.close()
    opened.close()
    with pytest.raises(StorageFailed):
        opened.read_at(0, 1)
    assert bytes_at(store, FILE) == b"newer"


def test_ranges_are_copied_inside_the_store(store: Content) -> None:
    """Bytes of content land at an offset of a staging file; a source too short is told."""
    put(store, FILE, b"0123456789")
    assert isinstance(store, CopiesRanges)
    staged = store.stage("k2")
    source = store.open(FILE)
    store.copy_range(source, 3, 4, staged, 2)
    assert staged.read_at(0, 100) == b"\0\x003456"
    store.copy_range(source, 0, 0, staged, 0)
    with pytest.raises(ContentMissing):
        store.copy_range(source, 8, 4, staged, 0)
    source.close()
    staged.close()


def test_facts_are_told(rig: Rig, store: Content) -> None:
    """The store says what it can, and how much room is left."""
    put(store, FILE, b"x")
    facts = store.facts
    assert facts.max_name_bytes == 255
    assert facts.sparse
    assert store.free_bytes() > 0
    assert isinstance(store, Watches)
    opened = store.open(FILE)
    assert (opened.fd is not None) == facts.local_files
    opened.close()
