"""What every `LocalTree` promises, run over each adapter; what only a real disk can show stands in `test_tree_disk.py`.

An adapter joins by a `World`: the folder as the user's other programs see it, and a way to step in between an
adapter's last look and its rename.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.disk_memory import SimDisk
from homestow.client.adapters.tree_disk import DiskTree
from homestow.client.adapters.tree_memory import PRIVATE, SimTree
from homestow.client.ports.localtree import (
    LocalChanged,
    LocalPath,
    LocalTree,
    LocalTrouble,
    RootMissing,
    SeenKind,
    Stamp,
)
from homestow.values.errors import CloudError, StoreLocked

DAY_NS = 1_600_000_000_000_000_000
ABSURD = [
    *(
        "a\nb",
        "-rf",
        " lead",
        "trail ",
        "a.",
        "%41",
        ";",
        '"',
        "\\",
        ":",
        "*",
        "😀",
        "\u202eabc",
        "é",
        "e\u0301",
        "CON",
    ),
    *("x" * 255, "ß" * 127, "\x01\x7f", ".hidden", "a (conflict b 2026-01-01 abcdef).txt"),
]


class World(Protocol):
    """One folder, seen by its user."""

    @property
    def tree(self) -> LocalTree:
        """The folder as the client sees it."""

    def write(self, path: LocalPath, content: bytes) -> None:
        """Write a file as an editor does that saves in place."""

    def replace(self, path: LocalPath, content: bytes) -> None:
        """Write a file as an editor does that saves to another name and renames."""

    def read(self, path: LocalPath) -> bytes | None:
        """Content of a file; None when none is there."""

    def mkdir(self, path: LocalPath) -> None:
        """Make a folder."""

    def remove(self, path: LocalPath) -> None:
        """Remove a file or an empty folder."""

    def link(self, path: LocalPath, to: str) -> None:
        """Make a symlink."""

    def visible(self) -> set[LocalPath]:
        """Every path below the folder but what is private."""

    def meanwhile(self, act: Callable[[], None]) -> None:
        """Do `act` once, between the next look and the rename that follows it."""

    def another(self) -> LocalTree:
        """A second tree object on the same folder, as another process has it."""

    def lose_root(self) -> None:
        """Take the folder away, as an unmount does."""


class _RacedTree(DiskTree):
    """A `DiskTree` whose race is won by somebody else."""

    act: Callable[[], None] | None = None

    def _race(self, path: LocalPath) -> None:
        act, self.act = self.act, None
        if act is not None:
            act()


class DiskWorld:
    """A folder on the disk under the test's temporary folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "job"
        self.tree = _RacedTree(self.root)

    def at(self, path: LocalPath) -> Path:
        return self.root.joinpath(*path)

    def write(self, path: LocalPath, content: bytes) -> None:
        self.at(path).write_bytes(content)

    def replace(self, path: LocalPath, content: bytes) -> None:
        draft = self.root.parent / "draft"
        draft.write_bytes(content)
        draft.rename(self.at(path))

    def read(self, path: LocalPath) -> bytes | None:
        try:
            return self.at(path).read_bytes()
        except FileNotFoundError:
            return None

    def mkdir(self, path: LocalPath) -> None:
        self.at(path).mkdir()

    def remove(self, path: LocalPath) -> None:
        found = self.at(path)
        if found.is_dir() and not found.is_symlink():
            found.rmdir()
        else:
            found.unlink()

    def link(self, path: LocalPath, to: str) -> None:
        self.at(path).symlink_to(to)

    def visible(self) -> set[LocalPath]:
        found = (path.relative_to(self.root).parts for path in self.root.rglob("*"))
        return {path for path in found if path[0] != ".homestow-sync"}

    def meanwhile(self, act: Callable[[], None]) -> None:
        self.tree.act = act

    def another(self) -> LocalTree:
        return DiskTree(self.root)

    def lose_root(self) -> None:
        self.root.rename(self.root.with_name("elsewhere"))


class MemoryWorld:
    """The memory twin."""

    def __init__(self, home: Path) -> None:
        self.disk = SimDisk(SimClock().now_ns)
        self._act: Callable[[], None] | None = None
        self.tree: LocalTree = SimTree(self.disk, between=self._between)

    def _between(self, point: str, path: LocalPath) -> None:
        act = self._act
        if act is not None and point.endswith(":checked"):
            self._act = None
            act()

    def write(self, path: LocalPath, content: bytes) -> None:
        self.disk.write(path, content)

    def replace(self, path: LocalPath, content: bytes) -> None:
        self.disk.safe_save(path, content)

    def read(self, path: LocalPath) -> bytes | None:
        return self.disk.read(path) if self.disk.find(path) is not None else None

    def mkdir(self, path: LocalPath) -> None:
        self.disk.mkdir(path)

    def remove(self, path: LocalPath) -> None:
        found = self.disk.find(path)
        if found is not None and found.kind is SeenKind.FOLDER:
            self.disk.rmdir(path)
        else:
            self.disk.remove(path)

    def link(self, path: LocalPath, to: str) -> None:
        self.disk.symlink(path, to)

    def visible(self) -> set[LocalPath]:
        return {path for path, _ in self.disk.walk() if path[0] != PRIVATE}

    def meanwhile(self, act: Callable[[], None]) -> None:
        self._act = act

    def another(self) -> LocalTree:
        return SimTree(self.disk)

    def lose_root(self) -> None:
        self.disk.disconnect(mount_point=False)


WORLDS: dict[str, Callable[[Path], World]] = {"disk": DiskWorld, "memory": MemoryWorld}


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A prepared, empty folder."""
    made = WORLDS[request.param](tmp_path)
    made.tree.prepare()
    yield made
    made.tree.close()


def stamp(world: World, *path: str) -> Stamp:
    seen = world.tree.look(path)
    assert seen is not None
    return seen.stamp


def names(world: World, *path: str) -> set[str]:
    return {seen.name for seen in world.tree.list_folder(path)}


def receive(
    world: World, path: LocalPath, content: bytes, expect: Stamp | None = None, key: str = "k", mtime_ns: int = DAY_NS
) -> Stamp:
    """Stage and publish as the executor does."""
    staging = world.tree.stage(key, len(content))
    staging.write_at(0, content)
    staging.flush()
    return world.tree.put(staging, path, expect, mtime_ns)


class TestRoot:
    def test_a_second_process_is_refused(self, world: World) -> None:
        """Two clients never keep one folder in step (SC-195); the lock is free again after `close`."""
        other = world.another()
        with pytest.raises(StoreLocked):
            other.prepare()

        world.tree.close()
        other.prepare()
        other.close()

    def test_a_lost_root_is_never_an_empty_one(self, world: World) -> None:
        """Folder gone means pause: no list is given that could be read as deletion (R17, R18, SC-188)."""
        world.write(("a",), b"1")
        world.tree.check_root()
        world.lose_root()

        for attempt in (
            world.tree.check_root,
            lambda: world.tree.list_folder(()),
            lambda: list(world.tree.list_tree()),
            lambda: world.tree.look(("gone",)),
        ):
            with pytest.raises(RootMissing):
                attempt()

    def test_a_marker_is_asked_for_before_prepare(self, world: World) -> None:
        """A folder that was prepared once is known by its marker, before the lock is taken (SC-190)."""
        world.tree.close()
        world.another().check_root()
        world.lose_root()
        with pytest.raises(RootMissing):
            world.another().check_root()

    def test_free_bytes_is_a_number(self, world: World) -> None:
        """Room is told in bytes."""
        assert world.tree.free_bytes() > 0


class TestLooking:
    def test_a_folder_shows_everything_but_ours(self, world: World) -> None:
        """Kinds are told apart and the private folder is not listed (R20)."""
        world.write(("f",), b"abc")
        world.mkdir(("d",))
        world.link(("l",), "f")

        seen = {entry.name: entry for entry in world.tree.list_folder(())}

        assert {name: entry.kind for name, entry in seen.items()} == {
            "f": SeenKind.FILE,
            "d": SeenKind.FOLDER,
            "l": SeenKind.LINK,
        }
        assert (seen["f"].stamp.size, seen["d"].stamp.size) == (3, 0)
        assert all(world.tree.look((name,)) == entry for name, entry in seen.items())

    def test_a_missing_folder_is_trouble(self, world: World) -> None:
        """A folder that is not there, or is a file, is never listed as empty (R17)."""
        world.write(("f",), b"")
        for path in (("none",), ("f",), ("none", "below")):
            with pytest.raises(LocalTrouble):
                world.tree.list_folder(path)

    def test_nothing_is_none(self, world: World) -> None:
        """What is not there, also below a file, is None."""
        world.write(("f",), b"")
        assert world.tree.look(("none",)) is None
        assert world.tree.look(("none", "below")) is None
        assert world.tree.look(("f", "below")) is None

    def test_a_tree_comes_parents_first(self, world: World) -> None:
        """`list_tree` gives every folder once, a parent before its children, as `list_folder` would."""
        folders: list[LocalPath] = [("d",), ("d", "e"), ("d", "e", "f"), ("x",)]
        for path in folders:
            world.mkdir(path)
        world.write(("d", "e", "file"), b"1")
        world.link(("x", "loop"), "..")

        listed = list(world.tree.list_tree())

        paths = [path for path, _ in listed]
        assert sorted(paths) == [(), *folders]
        assert all(path[:-1] in paths[: paths.index(path)] for path in paths if path)
        for path, seen in listed:
            assert not isinstance(seen, LocalTrouble)
            assert sorted(seen) == sorted(world.tree.list_folder(path))
        assert next(path for path, _ in world.tree.list_tree(("d", "e"))) == ("d", "e")

    def test_folders_may_be_skipped(self, world: World) -> None:
        """`list_tree` shows the folders that are skipped, and does not go into them."""
        for path in (("d",), ("d", "x"), ("d", "x", "e"), ("x",), ("y",)):
            world.mkdir(path)

        listed = dict(world.tree.list_tree((), lambda path, name: bool(path) and name == "x"))

        assert sorted(listed) == [(), ("d",), ("x",), ("y",)]
        seen = listed["d",]
        assert not isinstance(seen, LocalTrouble)
        assert [entry.name for entry in seen] == ["x"]

    def test_a_missing_subtree_is_trouble(self, world: World) -> None:
        """`list_tree` of what is not there says so (R17)."""
        [(path, seen)] = list(world.tree.list_tree(("none",)))
        assert path == ("none",)
        assert isinstance(seen, LocalTrouble)

    def test_an_edit_changes_the_stamp(self, world: World) -> None:
        """Same size, other bytes: another stamp (SC-010)."""
        world.write(("f",), b"one")
        before = stamp(world, "f")
        world.replace(("f",), b"two")
        assert stamp(world, "f") != before


class TestReading:
    def test_bytes_at_any_offset(self, world: World) -> None:
        """Reads reach the end and give b"" behind it."""
        world.write(("f",), b"0123456789")
        reading = world.tree.open(("f",))
        assert reading.stamp == stamp(world, "f")
        assert (reading.read_at(2, 3), reading.read_at(8, 100), reading.read_at(10, 1)) == (b"234", b"89", b"")
        assert reading.still()
        reading.close()
        reading.close()

    @pytest.mark.parametrize("how", ["write", "replace", "remove"])
    def test_a_change_while_reading_is_noticed(self, world: World, how: str) -> None:
        """What was read of a file that changed is not committed (R19)."""
        world.write(("f",), b"old")
        reading = world.tree.open(("f",))
        if how == "remove":
            world.remove(("f",))
        else:
            getattr(world, how)(("f",), b"newer")
        assert not reading.still()
        reading.close()

    def test_many_small_files_at_once(self, world: World) -> None:
        """Many files are read whole in order, and one that is not as seen stops no other (R19)."""
        world.mkdir(("d",))
        contents = {
            ("d", "a"): b"one",
            ("d", "gone"): b"x",
            ("empty",): b"",
            ("d", "edited"): b"old",
            ("b",): b"two" * 9,
        }
        for path, content in contents.items():
            world.write(path, content)
        files = [(path, stamp(world, *path)) for path in contents]
        world.remove(("d", "gone"))
        world.write(("d", "edited"), b"newer")
        files += [(("d",), stamp(world, "d")), (("nowhere", "f"), files[0][1])]
        a, gone, empty, edited, b, folder, nowhere = world.tree.read_small(files)
        assert (a, empty, b) == (b"one", b"", b"two" * 9)
        assert all(isinstance(each, LocalChanged) for each in (gone, edited, folder, nowhere))

    def test_only_files_are_opened(self, world: World) -> None:
        """Nothing, a folder and a symlink are `LocalChanged`; a symlink is never followed (R25)."""
        world.mkdir(("d",))
        world.write(("f",), b"")
        world.link(("l",), "f")
        for name in ("none", "d", "l"):
            with pytest.raises(LocalChanged):
                world.tree.open((name,))


class TestReceiving:
    def test_a_new_file(self, world: World) -> None:
        """Content, mtime and stamp are as told; nothing else becomes visible, before or after (P2, R20)."""
        staging = world.tree.stage("key-1", 5)
        staging.write_at(2, memoryview(b"llo"))
        staging.write_at(0, b"he")
        staging.flush()
        assert world.visible() == set()

        told = world.tree.put(staging, ("f",), None, DAY_NS)

        assert world.visible() == {("f",)}
        assert world.read(("f",)) == b"hello"
        assert told == stamp(world, "f")
        assert told.mtime_ns == DAY_NS
        assert list(world.tree.staged()) == []
        staging.discard()
        assert world.read(("f",)) == b"hello"

    def test_staging_survives_a_restart(self, world: World) -> None:
        """A download resumes from what an earlier run received (P7); another size begins anew."""
        staging = world.tree.stage("key-1", 6)
        staging.write_at(0, b"abc")
        staging.flush()
        staging.close()
        world.tree.close()
        again = world.another()
        again.prepare()

        assert list(again.staged()) == ["key-1"]
        resumed = again.stage("key-1", 6)
        assert resumed.read_at(0, 3) == b"abc"
        resumed.close()
        fresh = again.stage("key-1", 4)
        assert fresh.read_at(0, 4) == bytes(4)
        fresh.discard()
        fresh.discard()
        assert list(again.staged()) == []
        again.close()

    def test_a_replaced_file(self, world: World) -> None:
        """Old becomes new when the old is as expected."""
        world.write(("f",), b"old")
        told = receive(world, ("f",), b"newer", expect=stamp(world, "f"))
        assert world.read(("f",)) == b"newer"
        assert told == stamp(world, "f")
        assert world.visible() == {("f",)}

    def test_an_empty_file(self, world: World) -> None:
        """No bytes is content too (SC-008)."""
        receive(world, ("f",), b"")
        assert world.read(("f",)) == b""

    def test_what_is_not_expected_stays(self, world: World) -> None:
        """A taken name, another content, a missing file, a folder, a lost parent: `LocalChanged`, and all is as it was."""
        world.write(("f",), b"edit")
        world.mkdir(("d",))
        old = Stamp(4, 1, 1, 1)
        for path, expect in ((("f",), None), (("f",), old), (("none",), old), (("d",), None), (("no", "f"), None)):
            with pytest.raises(LocalChanged):
                receive(world, path, b"x", expect=expect)
        assert world.read(("f",)) == b"edit"
        assert world.visible() == {("f",), ("d",)}
        assert list(world.tree.staged()) == ["k"]

    @pytest.mark.parametrize("how", ["write", "replace"])
    def test_an_edit_between_look_and_rename_survives(self, world: World, how: str) -> None:
        """SC-033: the last-moment edit keeps its name, the download is refused and can be used again."""
        world.write(("f",), b"old")
        expect = stamp(world, "f")
        world.meanwhile(lambda: getattr(world, how)(("f",), b"edited"))

        with pytest.raises(LocalChanged):
            receive(world, ("f",), b"newer", expect=expect)

        assert world.read(("f",)) == b"edited"
        assert world.visible() == {("f",)}
        receive(world, ("f",), b"newer", expect=stamp(world, "f"))
        assert world.read(("f",)) == b"newer"

    def test_a_file_made_between_look_and_rename_survives(self, world: World) -> None:
        """A new file never lands on a name that was taken in the last moment."""
        world.meanwhile(lambda: world.write(("f",), b"mine"))
        with pytest.raises(LocalChanged):
            receive(world, ("f",), b"theirs")
        assert world.read(("f",)) == b"mine"

    def test_a_removal_between_look_and_rename_stands(self, world: World) -> None:
        """A file removed in the last moment does not come back as the download."""
        world.write(("f",), b"old")
        expect = stamp(world, "f")
        world.meanwhile(lambda: world.remove(("f",)))
        with pytest.raises(LocalChanged):
            receive(world, ("f",), b"newer", expect=expect)
        assert world.visible() == set()

    @pytest.mark.parametrize("name", ABSURD)
    def test_absurd_names_are_names(self, world: World, name: str) -> None:
        """Every name of SC-124 and 255 bytes (SC-121) is published, listed, moved and removed byte-exactly."""
        told = receive(world, (name,), b"1")
        assert names(world) == {name}
        world.mkdir(("d",))
        told = world.tree.move((name,), ("d", name), told)
        assert names(world, "d") == {name}
        world.tree.remove_file(("d", name), told)
        assert names(world, "d") == set()

    @pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b", "x" * 256, "\ud800"])
    def test_what_is_no_name_is_trouble(self, world: World, name: str) -> None:
        """A hostile server's name is refused here too (S04), and nothing is made anywhere."""
        for path in ((name,), ("d", name), (name, "f")):
            if path[0] == "d" and world.tree.look(("d",)) is None:
                world.mkdir(("d",))
            with pytest.raises((LocalTrouble, LocalChanged)):
                receive(world, path, b"1")
            with pytest.raises((LocalTrouble, LocalChanged)):
                world.tree.make_folder(path)
            [result] = world.tree.put_small([(path, b"1", DAY_NS)])
            assert isinstance(result, LocalTrouble | LocalChanged)
        assert world.visible() <= {("d",)}


class TestSmallFiles:
    def test_many_at_once(self, world: World) -> None:
        """Every file of a batch is there with its content, mtime and stamp."""
        world.mkdir(("d",))
        files = [(("d", f"f{k}"), b"%d" % k, DAY_NS + k * 1_000_000_000) for k in range(50)]
        results = world.tree.put_small([*files, (("top",), b"", DAY_NS)])

        for (path, content, mtime_ns), result in zip(files, results, strict=False):
            assert isinstance(result, Stamp)
            assert result == stamp(world, *path)
            assert result.mtime_ns == mtime_ns
            assert world.read(path) == content
        assert len(world.visible()) == 52

    @pytest.mark.parametrize("many", [1, 40])
    def test_one_bad_file_stops_no_other(self, world: World, many: int) -> None:
        """A taken name, a missing parent, a bad name: each has its own answer (P9)."""
        world.write(("taken",), b"mine")
        good = [((f"g{k}",), b"1", DAY_NS) for k in range(many)]
        bad = [(("taken",), b"2", DAY_NS), (("none", "f"), b"2", DAY_NS), (("..",), b"2", DAY_NS)]

        results = world.tree.put_small([*bad, *good])

        assert [isinstance(result, CloudError) for result in results] == [True] * 3 + [False] * many
        assert isinstance(results[0], LocalChanged)
        assert isinstance(results[1], LocalChanged)
        assert isinstance(results[2], LocalTrouble)
        assert world.read(("taken",)) == b"mine"
        assert len(world.visible()) == many + 1

    def test_no_files(self, world: World) -> None:
        """An empty batch is answered by nothing."""
        assert world.tree.put_small([]) == []

    def test_the_same_name_twice(self, world: World) -> None:
        """Of two files of one name the first is published, the second is told that the name is taken."""
        first, second = world.tree.put_small([(("f",), b"1", DAY_NS), (("f",), b"2", DAY_NS)])
        assert isinstance(first, Stamp)
        assert isinstance(second, LocalChanged)
        assert world.read(("f",)) == b"1"


class TestFolders:
    def test_make_and_remove(self, world: World) -> None:
        """A folder comes and goes; a taken name and a missing parent are `LocalChanged`."""
        told = world.tree.make_folder(("d",))
        assert told.inode == stamp(world, "d").inode
        world.tree.settle()
        for path in (("d",), ("none", "d")):
            with pytest.raises(LocalChanged):
                world.tree.make_folder(path)
        world.tree.remove_folder(("d",))
        assert world.tree.look(("d",)) is None
        with pytest.raises(LocalChanged):
            world.tree.remove_folder(("d",))

    def test_a_filled_folder_stays(self, world: World) -> None:
        """Whatever is in a folder, ignored files too, keeps it (SC-059)."""
        world.mkdir(("d",))
        world.write(("d", ".tmp"), b"mine")
        with pytest.raises(LocalChanged):
            world.tree.remove_folder(("d",))
        assert world.read(("d", ".tmp")) == b"mine"

    def test_a_file_is_no_folder(self, world: World) -> None:
        """`remove_folder` does not remove a file, `remove_file` no folder."""
        world.write(("f",), b"1")
        world.mkdir(("d",))
        with pytest.raises(LocalChanged):
            world.tree.remove_folder(("f",))
        with pytest.raises(LocalChanged):
            world.tree.remove_file(("d",), stamp(world, "d"))
        assert world.visible() == {("f",), ("d",)}


class TestMoving:
    def test_a_file(self, world: World) -> None:
        """A rename keeps content, mtime and inode."""
        world.write(("f",), b"1")
        world.mkdir(("d",))
        before = stamp(world, "f")
        told = world.tree.move(("f",), ("d", "g"), before)
        world.tree.settle()
        assert world.read(("d", "g")) == b"1"
        assert told == stamp(world, "d", "g")
        assert (told.inode, told.mtime_ns, told.size) == (before.inode, before.mtime_ns, before.size)
        assert world.visible() == {("d",), ("d", "g")}

    def test_a_folder_is_known_by_its_inode(self, world: World) -> None:
        """A folder moves though something was made in it since it was seen."""
        world.mkdir(("d",))
        before = stamp(world, "d")
        world.write(("d", "new"), b"1")
        world.tree.move(("d",), ("e",), before)
        assert world.visible() == {("e",), ("e", "new")}

    def test_a_taken_name_is_kept(self, world: World) -> None:
        """No rename replaces anything, not even an empty folder by a folder."""
        world.write(("f",), b"1")
        world.write(("g",), b"2")
        world.mkdir(("d",))
        world.mkdir(("e",))
        for source, target in (("f", "g"), ("d", "e"), ("f", "e"), ("d", "g")):
            with pytest.raises(LocalChanged):
                world.tree.move((source,), (target,), stamp(world, source))
        assert world.visible() == {("f",), ("g",), ("d",), ("e",)}
        assert world.read(("g",)) == b"2"

    def test_what_changed_stays(self, world: World) -> None:
        """An edited or missing source, another folder of the name, a missing target folder: nothing moves."""
        world.write(("f",), b"1")
        old = stamp(world, "f")
        world.replace(("f",), b"edit")
        world.mkdir(("d",))
        world.mkdir(("other",))
        with pytest.raises(LocalChanged):
            world.tree.move(("f",), ("g",), old)
        with pytest.raises(LocalChanged):
            world.tree.move(("none",), ("g",), old)
        with pytest.raises(LocalChanged):
            world.tree.move(("d",), ("g",), stamp(world, "other"))
        with pytest.raises(LocalChanged):
            world.tree.move(("f",), ("none", "g"), stamp(world, "f"))
        assert world.visible() == {("f",), ("d",), ("other",)}

    def test_a_name_taken_in_the_last_moment_is_kept(self, world: World) -> None:
        """The target may be made between look and rename."""
        world.write(("f",), b"1")
        world.meanwhile(lambda: world.write(("g",), b"mine"))
        with pytest.raises(LocalChanged):
            world.tree.move(("f",), ("g",), stamp(world, "f"))
        assert (world.read(("f",)), world.read(("g",))) == (b"1", b"mine")

    def test_a_change_of_case_only(self, world: World) -> None:
        """`a` becomes `A` (SC-089)."""
        world.write(("a",), b"1")
        world.tree.move(("a",), ("A",), stamp(world, "a"))
        assert names(world) == {"A"}

    def test_no_folder_moves_into_itself(self, world: World) -> None:
        """A cycle is refused and the folder stays (R13)."""
        world.mkdir(("d",))
        with pytest.raises((LocalTrouble, LocalChanged)):
            world.tree.move(("d",), ("d", "e"), stamp(world, "d"))
        assert world.visible() == {("d",)}


class TestRemoving:
    def test_a_file_and_a_symlink(self, world: World) -> None:
        """Both go when they are as seen; a symlink's target stays."""
        world.write(("f",), b"1")
        world.link(("l",), "f")
        world.tree.remove_file(("l",), stamp(world, "l"))
        assert world.visible() == {("f",)}
        world.tree.remove_file(("f",), stamp(world, "f"))
        world.tree.settle()
        assert world.visible() == set()

    def test_what_changed_stays(self, world: World) -> None:
        """An edited file is not removed; a missing one is `LocalChanged`."""
        world.write(("f",), b"1")
        old = stamp(world, "f")
        world.replace(("f",), b"edit")
        for name in ("f", "none"):
            with pytest.raises(LocalChanged):
                world.tree.remove_file((name,), old)
        assert world.read(("f",)) == b"edit"

    @pytest.mark.parametrize("how", ["write", "replace"])
    def test_an_edit_between_look_and_removal_survives(self, world: World, how: str) -> None:
        """SC-034: the file that was saved in the last moment is there under its name."""
        world.write(("f",), b"1")
        world.meanwhile(lambda: getattr(world, how)(("f",), b"edit"))
        with pytest.raises(LocalChanged):
            world.tree.remove_file(("f",), stamp(world, "f"))
        assert world.read(("f",)) == b"edit"
        assert world.visible() == {("f",)}


class TestTimes:
    def test_set_mtime(self, world: World) -> None:
        """Only the time changes (R26)."""
        world.write(("f",), b"1")
        told = world.tree.set_mtime(("f",), DAY_NS, stamp(world, "f"))
        assert told == stamp(world, "f")
        assert told.mtime_ns == DAY_NS
        assert world.read(("f",)) == b"1"

    def test_an_edited_file_keeps_its_time(self, world: World) -> None:
        """A file that is not as seen keeps the time of its edit."""
        world.write(("f",), b"1")
        old = stamp(world, "f")
        world.replace(("f",), b"edit")
        now = stamp(world, "f")
        with pytest.raises(LocalChanged):
            world.tree.set_mtime(("f",), DAY_NS, old)
        assert stamp(world, "f") == now

    @pytest.mark.parametrize("mtime_ns", [-1_000_000_000, 0, 2**80, -(2**80)])
    def test_odd_times_are_no_trouble(self, world: World, mtime_ns: int) -> None:
        """Times before 1970 and absurd ones are kept as well as the disk can."""
        told = receive(world, ("f",), b"1", mtime_ns=mtime_ns)
        assert told == stamp(world, "f")
