"""What only a real disk can show: symlinks swapped in, FIFOs, rights, a full disk, kills, modes, odd filesystems."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from homestow.client.adapters.disk import private, syscalls
from homestow.client.adapters.disk.found import Found, found_at
from homestow.client.adapters.disk.names import Stamps
from homestow.client.adapters.tree_disk import DiskTree
from homestow.client.ports.localtree import LocalChanged, LocalPath, LocalTrouble, SeenKind, Stamp
from homestow.values.errors import CloudError, StoreLocked

DAY_NS = 1_600_000_000_000_000_000
SOURCES = Path(__file__).parents[2] / "src"


class RacedTree(DiskTree):
    """A `DiskTree` in whose races the acts of `acts` happen, one after the other."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.acts: list[Callable[[], object]] = []

    def _race(self, path: LocalPath) -> None:
        if self.acts:
            self.acts.pop(0)()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[RacedTree]:
    made = RacedTree(tmp_path / "job")
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def root(tree: RacedTree, tmp_path: Path) -> Path:
    return tmp_path / "job"


def stamp(tree: DiskTree, *path: str) -> Stamp:
    seen = tree.look(path)
    assert seen is not None
    return seen.stamp


def receive(tree: DiskTree, path: LocalPath, content: bytes, expect: Stamp | None = None) -> Stamp:
    staging = tree.stage("k", len(content))
    staging.write_at(0, content)
    staging.flush()
    return tree.put(staging, path, expect, DAY_NS)


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) - {".homestow-sync"}


def save(path: Path, content: bytes) -> None:
    """Save as editors do: to another name, then rename."""
    draft = path.parent.parent / f"draft-{os.urandom(4).hex()}"
    draft.write_bytes(content)
    draft.rename(path)


def seen_by_system(path: Path) -> Found:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        return found_at(folder, os.fsencode(path.name))
    finally:
        os.close(folder)


def wait_for_a_later_birth(folder: Path, birth_ns: int) -> None:
    """Until the system's clock of files has ticked, some milliseconds at most."""
    later = folder.parent / "later"
    for _ in range(100_000):
        later.touch()
        born = seen_by_system(later).birth_ns
        later.unlink()
        if born != birth_ns or born == 0:
            return


# --- things that are no files -----------------------------------------------------------------------------------------


def test_a_fifo_is_seen_and_never_opened(tree: RacedTree, root: Path) -> None:
    """SC-112: a FIFO or socket blocks nothing; it is listed as what it is and refused."""
    os.mkfifo(root / "fifo")
    [seen] = tree.list_folder(())
    assert seen.kind is SeenKind.OTHER
    with pytest.raises(LocalChanged):
        tree.open(("fifo",))
    with pytest.raises(LocalChanged):
        receive(tree, ("fifo",), b"x", expect=seen.stamp)
    assert stat.S_ISFIFO(os.lstat(root / "fifo").st_mode)


def test_a_fifo_in_the_last_moment_blocks_nothing(tree: RacedTree, root: Path) -> None:
    """A FIFO put where a file was about to be replaced comes back to its place."""
    (root / "f").write_bytes(b"old")
    expect = stamp(tree, "f")

    def swap() -> None:
        (root / "f").unlink()
        os.mkfifo(root / "f")

    tree.acts = [swap]
    with pytest.raises(LocalChanged):
        receive(tree, ("f",), b"new", expect=expect)
    assert stat.S_ISFIFO(os.lstat(root / "f").st_mode)


# --- identity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["edited", "replaced", "removed"])
def test_a_small_file_that_changes_while_it_is_read(
    tree: RacedTree, root: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Bytes read of a file of which anything happened meanwhile are not given, also when its size is the same (R19)."""
    file = root / "f"
    file.write_bytes(b"old")
    expect = stamp(tree, "f")
    read = os.pread

    def and_then(fd: int, size: int, offset: int) -> bytes:
        content = read(fd, size, offset)
        match how:
            case "edited":
                file.write_bytes(b"new")
            case "replaced":
                save(file, b"new")
            case _:
                file.unlink()
        return content

    monkeypatch.setattr(os, "pread", and_then)
    (result,) = tree.read_small([(("f",), expect)])
    assert isinstance(result, LocalChanged)


def test_small_files_are_never_read_past_what_they_may_be(tree: RacedTree, root: Path, tmp_path: Path) -> None:
    """In the place of a file: a FIFO is not opened, a symlink not followed, also not one in the place of its folder (S05)."""
    (root / "d").mkdir()
    (root / "d" / "f").write_bytes(b"one")
    (root / "g").write_bytes(b"two")
    inside, outside = stamp(tree, "d", "f"), stamp(tree, "g")
    shutil.move(root / "d", tmp_path / "d")
    (root / "d").symlink_to(tmp_path / "d")
    (root / "g").unlink()
    os.mkfifo(root / "g")
    results = tree.read_small([(("d", "f"), inside), (("g",), outside)])
    assert all(isinstance(result, LocalChanged) for result in results)


def test_an_inode_given_anew_is_another_file(tree: RacedTree, root: Path) -> None:
    """SC-069, R1: a new file or folder is never taken for one that was removed, though the system gives it the same inode."""
    for make, remove in ((Path.touch, Path.unlink), (Path.mkdir, Path.rmdir)):
        known: set[int] = set()
        for number in range(8):
            make(root / f"n{number}")
            known.add(stamp(tree, f"n{number}").inode)
            born = seen_by_system(root / f"n{number}").birth_ns
            remove(root / f"n{number}")
            wait_for_a_later_birth(root, born)
        assert len(known) == 8


def test_identity_stays_through_edits_and_renames(tree: RacedTree, root: Path) -> None:
    """SC-069: what is renamed and written to is the same file."""
    (root / "a").write_bytes(b"1")
    before = stamp(tree, "a").inode
    (root / "a").rename(root / "b")
    (root / "b").write_bytes(b"22")
    seen = {entry.name: entry.stamp for entry in tree.list_folder(())}

    assert seen["b"].inode == stamp(tree, "b").inode == before
    assert seen["b"] == stamp(tree, "b")


# --- symlinks ---------------------------------------------------------------------------------------------------------


def test_no_call_goes_through_a_linked_ancestor(tree: RacedTree, root: Path, tmp_path: Path) -> None:
    """S05, R25: a folder that is a symlink to outside is no folder to any call; nothing outside changes."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    facts = seen_by_system(outside / "secret")
    (root / "d").symlink_to(outside)
    (root / "inside").write_bytes(b"1")
    seen = Stamp(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.identity)

    assert tree.look(("d", "secret")) is None
    with pytest.raises(LocalTrouble):
        tree.list_folder(("d",))
    assert [path for path, _ in tree.list_tree()] == [()]
    for act in (
        lambda: tree.open(("d", "secret")),
        lambda: receive(tree, ("d", "new"), b"x"),
        lambda: receive(tree, ("d", "secret"), b"x", expect=seen),
        lambda: tree.make_folder(("d", "new")),
        lambda: tree.remove_file(("d", "secret"), seen),
        lambda: tree.move(("d", "secret"), ("stolen",), seen),
        lambda: tree.move(("inside",), ("d", "new"), stamp(tree, "inside")),
        lambda: tree.set_mtime(("d", "secret"), DAY_NS, seen),
        lambda: tree.remove_folder(("d",)),
    ):
        with pytest.raises(LocalChanged):
            act()
    [result] = tree.put_small([(("d", "new"), b"x", DAY_NS)])
    assert isinstance(result, LocalChanged)
    assert os.listdir(outside) == ["secret"]
    assert seen_by_system(outside / "secret") == facts


def test_a_race_of_folder_and_symlink_writes_nothing_outside(tree: RacedTree, root: Path, tmp_path: Path) -> None:
    """S05: while somebody swaps a folder and a symlink to outside, no write or removal ever lands outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"outside")
    (root / "d").mkdir()
    (root / "l").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        with_swap = syscalls.Renames(noreplace=True, exchange=True, links=True)
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        while not stop.is_set():
            with_swap.swap(syscalls.Spot(top, b"d"), syscalls.Spot(top, b"l"))
        os.close(top)

    swapper = threading.Thread(target=swap)
    swapper.start()
    won = 0
    try:
        for number in range(400):
            name = f"n{number}"
            try:
                told = receive(tree, ("d", name), b"x")
                won += 1
                tree.remove_file(("d", name), told)
            except CloudError:
                pass
            tree.put_small([(("d", f"s{number}"), b"x", DAY_NS)])
            try:
                tree.remove_file(("d", "f"), Stamp(7, 0, 0, 0))
            except CloudError:
                pass
    finally:
        stop.set()
        swapper.join()
    assert won > 0
    assert os.listdir(outside) == ["f"]
    assert (outside / "f").read_bytes() == b"outside"


def test_a_planted_private_folder_is_refused(tmp_path: Path) -> None:
    """S93: staging never goes where somebody else points it."""
    root = tmp_path / "job"
    root.mkdir()
    (tmp_path / "trap").mkdir()
    (root / ".homestow-sync").symlink_to(tmp_path / "trap")
    with pytest.raises(LocalTrouble, match="in the way"):
        DiskTree(root).prepare()
    assert os.listdir(tmp_path / "trap") == []


def test_a_planted_staging_link_is_not_followed(tree: RacedTree, root: Path, tmp_path: Path) -> None:
    """S93: a symlink or a second name waiting in staging is replaced, never written through."""
    target = tmp_path / "target"
    target.write_bytes(b"12345")
    staging_folder = root / ".homestow-sync" / "staging"
    (staging_folder / "k").symlink_to(target)
    os.link(target, staging_folder / "k2")
    for key in ("k", "k2"):
        staging = tree.stage(key, 5)
        staging.write_at(0, b"xxxxx")
        staging.close()
    assert target.read_bytes() == b"12345"


# --- races ------------------------------------------------------------------------------------------------------------


def test_a_third_content_is_kept_too(tree: RacedTree, root: Path) -> None:
    """An edit before the swap and another one before it is taken back: both are there, the download is not."""
    (root / "f.txt").write_bytes(b"old")
    expect = stamp(tree, "f.txt")
    tree.acts = [lambda: save(root / "f.txt", b"first edit"), lambda: save(root / "f.txt", b"second edit")]

    with pytest.raises(LocalChanged):
        receive(tree, ("f.txt",), b"new", expect=expect)

    assert {(root / name).read_bytes() for name in names(root)} == {b"first edit", b"second edit"}
    assert names(root) == {"f.txt", "f (2).txt"}


def test_our_file_removed_before_the_swap_back(tree: RacedTree, root: Path) -> None:
    """When what was just published goes away at once, the edit under it gets its name back."""
    (root / "f").write_bytes(b"old")
    expect = stamp(tree, "f")
    tree.acts = [lambda: save(root / "f", b"edit"), (root / "f").unlink]
    with pytest.raises(LocalChanged):
        receive(tree, ("f",), b"new", expect=expect)
    assert (root / "f").read_bytes() == b"edit"


def test_an_edit_whose_name_was_taken_during_removal_stays_beside(
    tree: RacedTree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal that took an edit away gives it back under another name when its own is taken."""
    (root / "f.txt").write_bytes(b"old")
    expect = stamp(tree, "f.txt")

    def same_after_a_third_save(stamps: Stamps, found: Found, expect: Stamp, kind: SeenKind) -> bool:
        (root / "f.txt").write_bytes(b"third")
        return stamps.of(found) == expect

    monkeypatch.setattr(Stamps, "same", same_after_a_third_save)
    tree.acts = [lambda: save(root / "f.txt", b"edit")]
    with pytest.raises(LocalChanged):
        tree.remove_file(("f.txt",), expect)
    assert (root / "f.txt").read_bytes() == b"third"
    assert (root / "f (2).txt").read_bytes() == b"edit"


def test_a_disk_without_exchange_still_sees_the_edit(
    tree: RacedTree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where names cannot be exchanged, a second look comes right before the rename; new names never replace."""
    tree.close()
    monkeypatch.setattr(syscalls, "_RENAMEAT2", None)
    tree.prepare()
    assert not tree.facts.atomic_swap
    (root / "f").write_bytes(b"old")
    tree.acts = [lambda: save(root / "f", b"edit")]
    with pytest.raises(LocalChanged):
        receive(tree, ("f",), b"new", expect=stamp(tree, "f"))
    assert (root / "f").read_bytes() == b"edit"
    receive(tree, ("f",), b"new", expect=stamp(tree, "f"))
    assert (root / "f").read_bytes() == b"new"
    with pytest.raises(LocalChanged):
        receive(tree, ("f",), b"x")
    tree.make_folder(("d",))
    with pytest.raises(LocalChanged):
        tree.move(("d",), ("f",), stamp(tree, "d"))
    tree.move(("d",), ("e",), stamp(tree, "d"))
    tree.remove_file(("f",), stamp(tree, "f"))
    assert names(root) == {"e"}


# --- kills ------------------------------------------------------------------------------------------------------------


def killed_at_race(
    tree: RacedTree, deed: Callable[[RacedTree], object], before: Callable[[], object], die_after: int
) -> None:
    """Do `deed` in a child process that kills itself at the `die_after`-th race, after `before` acted in the first."""
    tree.close()
    child = os.fork()
    if child == 0:
        tree.prepare()
        die: list[Callable[[], object]] = [lambda: os.kill(os.getpid(), signal.SIGKILL)]
        tree.acts = [before, *die] if die_after == 2 else [lambda: (before(), die[0]())]
        deed(tree)
        os._exit(3)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    tree.prepare()


def test_a_kill_before_publishing_keeps_the_download(tree: RacedTree, root: Path) -> None:
    """P7: what was received and not yet published is there for the next run; the old file is intact."""
    (root / "f").write_bytes(b"old")
    expect = stamp(tree, "f")
    killed_at_race(tree, lambda tree: receive(tree, ("f",), b"new", expect=expect), lambda: None, 1)
    assert list(tree.staged()) == ["k"]
    assert tree.stage("k", 3).read_at(0, 3) == b"new"
    assert (root / "f").read_bytes() == b"old"


def test_a_kill_with_an_edit_in_hand_brings_it_back(tree: RacedTree, root: Path) -> None:
    """P3: an edit taken aside in the last moment is in the folder again after the next start."""
    (root / "f").write_bytes(b"old")
    expect = stamp(tree, "f")
    killed_at_race(
        tree, lambda tree: receive(tree, ("f",), b"new", expect=expect), lambda: save(root / "f", b"edit"), 2
    )  # fmt: skip
    assert b"edit" in {(root / name).read_bytes() for name in names(root)}
    assert os.listdir(root / ".homestow-sync" / "aside") == []


def test_leftovers_of_a_kill_are_told_apart(tree: RacedTree, root: Path) -> None:
    """What was replaced as expected goes, a download returns to staging, anything else returns to the folder."""
    home = root / ".homestow-sync"
    tree.close()
    for name in ("replaced", "download", "edit"):
        (home / "aside" / name).write_bytes(name.encode())
    facts = {name: seen_by_system(home / "aside" / name) for name in ("replaced", "download", "edit")}
    old = facts["replaced"]
    (home / "aside" / "replaced").rename(home / "aside" / f"k1.77.{old.st_size}.{old.st_mtime_ns}.{old.identity}")
    (home / "aside" / "download").rename(home / "aside" / f"k2.{facts['download'].st_ino}.1.2.3")
    (home / "aside" / "edit").rename(home / "aside" / "k3.77.1.2.3")
    (home / "new" / "0123").write_bytes(b"half")

    tree.prepare()

    assert list(tree.staged()) == ["k2"]
    assert [(root / name).read_bytes() for name in names(root)] == [b"edit"]
    assert os.listdir(home / "aside") == os.listdir(home / "new") == []


def test_the_lock_of_a_killed_process_is_free(tree: RacedTree, root: Path) -> None:
    """A lock never outlives its process; another process sees it as long as it lives (SC-195)."""
    program = "import sys; from pathlib import Path; from homestow.client.adapters.tree_disk import DiskTree; DiskTree(Path(sys.argv[1])).prepare()"
    held = subprocess.run(
        [sys.executable, "-c", program, str(root)], env={"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert "StoreLocked" in held.stderr
    with pytest.raises(StoreLocked):
        DiskTree(root).prepare()
    tree.close()
    subprocess.run([sys.executable, "-c", program, str(root)], env={"PYTHONPATH": str(SOURCES)}, check=True)
    tree.prepare()


def test_a_folder_in_one_that_is_kept_in_step_is_not_kept(tree: RacedTree, root: Path, tmp_path: Path) -> None:
    """SC-195: of two processes only one keeps a folder and what lies in it; the inner one stops when the outer one begins."""
    (root / "a").mkdir()
    (tmp_path / "link").symlink_to(root / "a")
    for inner in (DiskTree(root / "a"), DiskTree(root / "a" / "b"), DiskTree(tmp_path / "link")):
        with pytest.raises(
            StoreLocked, match=rf"lies in {re.escape(str(root))}, which another process \({os.getpid()}\)"
        ):
            inner.prepare()
    assert os.listdir(root / "a") == []
    tree.close()
    inner = DiskTree(root / "a")
    inner.prepare()
    inner.check_root()
    tree.prepare()
    with pytest.raises(StoreLocked, match="lies in"):
        inner.check_root()
    tree.close()
    inner.check_root()
    inner.close()
    tree.prepare()
    (root.parent / "beside").mkdir()
    beside = DiskTree(root.parent / "beside")
    beside.prepare()
    beside.check_root()
    beside.close()


# --- modes ------------------------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_modes_follow_the_replaced_file_else_the_folder(tree: RacedTree, root: Path) -> None:
    """SC-007, S12: a replaced file keeps its mode, a new one opens to whom its folder is open, whatever the umask."""
    (root / "f").write_bytes(b"old")
    os.chmod(root / "f", 0o750)
    receive(tree, ("f",), b"new", expect=stamp(tree, "f"))
    assert mode(root / "f") == 0o750

    for folder_mode, file_mode in ((0o700, 0o600), (0o755, 0o644), (0o775, 0o664)):
        folder = root / f"d{folder_mode:o}"
        folder.mkdir()
        os.chmod(folder, folder_mode)
        receive(tree, (folder.name, "big"), b"1")
        tree.put_small([((folder.name, "small"), b"1", DAY_NS)])
        tree.make_folder((folder.name, "folder"))
        assert mode(folder / "big") == mode(folder / "small") == file_mode
        assert mode(folder / "folder") == folder_mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to other groups")
def test_groups_follow_the_replaced_file_else_the_folder(tree: RacedTree, root: Path) -> None:
    """A folder that a group shares stays shared: new files and folders bear its group and owner."""
    (root / "d").mkdir()
    os.chown(root / "d", 1234, 4321)
    os.chmod(root / "d", 0o2770)
    receive(tree, ("d", "big"), b"1")
    tree.put_small([(("d", "small"), b"1", DAY_NS)])
    tree.make_folder(("d", "folder"))
    for name in ("big", "small", "folder"):
        found = os.lstat(root / "d" / name)
        assert (found.st_uid, found.st_gid) == (1234, 4321)
    assert mode(root / "d" / "folder") == 0o2770
    os.chown(root / "d" / "big", 1, 2)
    receive(tree, ("d", "big"), b"2", expect=stamp(tree, "d", "big"))
    assert (os.lstat(root / "d" / "big").st_uid, os.lstat(root / "d" / "big").st_gid) == (1, 2)


def test_what_is_private_stays_private(tree: RacedTree, root: Path) -> None:
    """S12: nobody else reads what is on its way."""
    tree.stage("k", 10).close()
    home = root / ".homestow-sync"
    assert mode(home) == 0o700
    assert all(mode(folder) == 0o700 for folder in home.iterdir() if folder.is_dir())
    assert all(mode(file) == 0o600 for file in home.rglob("*") if file.is_file())


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_that_are_not_utf8(tree: RacedTree, root: Path) -> None:
    """A name of any bytes is seen, read and removed as it is, whatever its bytes (R16)."""
    raw = os.fsencode(root) + b"/caf\xe9"
    with open(raw, "wb") as file:
        file.write(b"1")
    [seen] = tree.list_folder(())
    assert seen.name == "caf\udce9"
    reading = tree.open((seen.name,))
    assert reading.read_at(0, 10) == b"1"
    assert reading.still()
    reading.close()
    tree.remove_file((seen.name,), seen.stamp)
    assert names(root) == set()


def test_the_locale_changes_no_name(tree: RacedTree, root: Path) -> None:
    """SC-131: names are UTF-8 on disk though the system's encoding is another one."""
    tree.close()
    program = """
        import sys
        from pathlib import Path
        from homestow.client.adapters.tree_disk import DiskTree
        assert sys.getfilesystemencoding() != "utf-8", sys.getfilesystemencoding()
        tree = DiskTree(Path(sys.argv[1]))
        tree.prepare()
        tree.put_small([(("\\U0001f600\\xe9",), b"1", 0)])
        [seen] = tree.list_folder(())
        assert seen.name == "\\U0001f600\\xe9", ascii(seen.name)
        tree.move((seen.name,), ("\\xf6",), seen.stamp)
    """
    environment = {"PYTHONPATH": str(SOURCES), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", dedent(program), str(root)], env=environment, check=True)
    assert [name for name in os.listdir(os.fsencode(root)) if not name.startswith(b".")] == ["ö".encode()]


def test_paths_longer_than_the_system_takes(tree: RacedTree) -> None:
    """SC-123: what a path string could not reach, handles reach; deeper than 256 levels is trouble with a reason."""
    path: LocalPath = ()
    for _ in range(40):
        path = (*path, "d" * 200)
        tree.make_folder(path)
    receive(tree, (*path, "f"), b"1")
    assert tree.open((*path, "f")).read_at(0, 9) == b"1"
    assert len(list(tree.list_tree())) == 41


def test_a_tree_deeper_than_ours_is_trouble(tree: RacedTree) -> None:
    """S14: a bottomless tree ends with a reason instead of all file handles."""
    path: LocalPath = ()
    for _ in range(258):
        path = (*path, "d")
        tree.make_folder(path)
    *_, (deepest, seen) = tree.list_tree()
    assert len(deepest) == 257
    assert isinstance(seen, LocalTrouble)


def test_another_jobs_private_folder_is_not_ours_to_sync(tree: RacedTree, root: Path) -> None:
    """R20, SC-127: a job inside this folder keeps its staging to itself; a user's folder of the name is the user's."""
    inner = DiskTree(root / "inner")
    tree.close()
    inner.prepare()
    tree.prepare()
    assert tree.list_folder(("inner",)) == []
    inner.close()
    (root / "user").mkdir()
    (root / "user" / ".homestow-sync").mkdir()
    assert [seen.name for seen in tree.list_folder(("user",))] == [".homestow-sync"]
    for path in ((".homestow-sync",), (".homestow-sync", "f")):
        with pytest.raises(LocalTrouble):
            receive(tree, path, b"1")
        with pytest.raises(LocalTrouble):
            tree.open(path)


def test_a_vanished_folder_is_trouble_in_a_listing(tree: RacedTree, root: Path) -> None:
    """A folder removed while its handle is open is never an empty folder (R17)."""
    (root / "d").mkdir()
    folder = os.open(root / "d", os.O_RDONLY)
    (root / "d").rmdir()
    with pytest.raises(FileNotFoundError):
        tree._private.stamps.entries(folder)
    os.close(folder)


# --- rights and room --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="runs as root and gives its rights up")
def test_missing_rights_are_trouble_for_one_item(tmp_path: Path) -> None:
    """P9: without rights to a file or folder that one has its reason, and the others go on."""
    program = """
        import os, sys
        from pathlib import Path
        from homestow.client.adapters.tree_disk import DiskTree
        from homestow.client.ports.localtree import LocalTrouble
        root = Path(sys.argv[1])
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        tree = DiskTree(root / "job")
        tree.prepare()
        for name in ("a", "b"):
            tree.make_folder((name,))
            tree.put_small([((name, "f"), b"1", 0)])
        stamp = tree.look(("b", "f")).stamp
        os.chmod(root / "job" / "a", 0)
        os.chmod(root / "job" / "b" / "f", 0)
        os.chmod(root / "job" / "b", 0o500)
        listed = dict(tree.list_tree())
        assert isinstance(listed[("a",)], LocalTrouble), listed
        assert [seen.name for seen in listed[("b",)]] == ["f"]
        stamp = listed[("b",)][0].stamp
        staging = tree.stage("k", 0)
        tried = 0
        for act in (
            lambda: tree.open(("b", "f")),
            lambda: tree.look(("a", "f")),
            lambda: tree.put(staging, ("b", "g"), None, 0),
            lambda: tree.remove_file(("b", "f"), stamp),
            lambda: tree.move(("b", "f"), ("f",), stamp),
            lambda: tree.make_folder(("b", "g")),
            lambda: tree.list_folder(("a",)),
        ):
            try:
                act()
            except LocalTrouble as error:
                assert "permission" in str(error), error
                tried += 1
        [result] = tree.put_small([(("b", "g"), b"", 0)])
        assert isinstance(result, LocalTrouble)
        assert tried == 7, tried
        assert sorted(os.listdir(root / "job" / "b")) == ["f"]
    """
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    subprocess.run([sys.executable, "-c", dedent(program), str(tmp_path)], env={"PYTHONPATH": str(SOURCES)}, check=True)


def small_disk_possible() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(not small_disk_possible(), reason="no namespaces to mount a small disk in")
def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    """SC-163, R21: with no room the item says so, the old file is intact, nothing is left, others go on when there is room."""
    program = """
        import os, sys
        from pathlib import Path
        from homestow.client.adapters.tree_disk import DiskTree
        from homestow.client.ports.localtree import LocalFull, Stamp
        root = Path(sys.argv[1])
        tree = DiskTree(root / "job")
        tree.prepare()
        tree.put_small([(("old",), b"1", 0)])
        def full(act):
            try:
                act()
            except LocalFull:
                return
            raise AssertionError(act)
        full(lambda: tree.stage("big", 10_000_000))
        staging = tree.stage("fits", 1_000_000)
        filler = open(root / "job" / "filler", "wb", buffering=0)
        try:
            while filler.write(bytes(4096)): pass
        except OSError as error:
            assert error.errno == 28
        full(lambda: staging.write_at(0, bytes(1_000_000)))
        results = tree.put_small([((f"f{k}",), bytes(8192), 0) for k in range(20)])
        assert all(isinstance(result, LocalFull) for result in results), results
        assert os.listdir(root / "job" / ".homestow-sync" / "new") == []
        assert (root / "job" / "old").read_bytes() == b"1"
        assert tree.free_bytes() == 0
        filler.truncate(0)
        staging.write_at(0, bytes(1_000_000))
        staging.flush()
        tree.put(staging, ("old",), tree.look(("old",)).stamp, 0)
        assert (root / "job" / "old").stat().st_size == 1_000_000
        assert sorted(os.listdir(root / "job")) == [".homestow-sync", "filler", "old"]
    """
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=3m none "$1" && exec "$2" -c "$3" "$1"'
    subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mounted, "sh", str(tmp_path / "disk"), sys.executable, dedent(program)],
        env={**os.environ, "PYTHONPATH": str(SOURCES)}, check=True,
    )  # fmt: skip


def test_a_file_too_large_for_the_disk_is_trouble(tree: RacedTree, root: Path) -> None:
    """EFBIG names the reason; the file that was there stays."""
    tree.close()
    program = """
        import resource, signal, sys
        from pathlib import Path
        from homestow.client.adapters.tree_disk import DiskTree
        from homestow.client.ports.localtree import LocalTrouble
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        tree = DiskTree(Path(sys.argv[1]))
        tree.prepare()
        for act in (lambda: tree.stage("k", 200_000), lambda: tree.put_small([(("f",), bytes(200_000), 0)])[0]):
            try:
                result = act()
            except LocalTrouble as error:
                result = error
            assert "larger" in str(result), result
        assert tree.list_folder(()) == []
    """
    subprocess.run([sys.executable, "-c", dedent(program), str(root)], env={"PYTHONPATH": str(SOURCES)}, check=True)
    tree.prepare()


def test_facts_are_measured(tree: RacedTree) -> None:
    """The filesystem is asked what it does; on Linux's usual ones the answers are known."""
    facts = tree.facts
    assert (facts.folds_case, facts.normalises, facts.stable_inodes) == (False, False, True)
    assert facts.mtime_step_ns in private._STEPS_NS
