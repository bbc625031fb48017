"""What the tree promises of a real disk beyond the contract: modes, links planted by a racing thread, handles, full disks."""

import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.contracts.content_rigs import bytes_at, names, put

from homestow.server.adapters import disk_calls
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.tree_files import OpenedFile
from homestow.server.ports.content import Location
from homestow.values.errors import Busy, CloudError, ContentMissing, PathTaken, StorageFailed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def store(root: Path) -> Iterator[TreeContent]:
    store = TreeContent(root)
    yield store
    store.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# -- who may read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_hidden_areas_are_private(root: Path, store: TreeContent, umask: int) -> None:
    """Staging and kept are 0700, staged files 0600, whatever the umask and the root's own mode (S12)."""
    root.chmod(0o777)
    before = os.umask(umask)
    try:
        store.stage_small("small", b"x")
        store.stage("large").close()
        put(store, ("a",), b"x")
        store.keep(("a",), "t")
    finally:
        os.umask(before)
    for path in (".homestow", ".homestow/staging", ".homestow/kept"):
        assert mode_of(root / path) == 0o700, path
    assert mode_of(root / ".homestow/staging/small") == 0o600
    assert mode_of(root / ".homestow/staging/large") == 0o600


@pytest.mark.parametrize(
    "folder_mode, file_mode, below_mode",
    [(0o700, 0o600, 0o700), (0o750, 0o640, 0o750), (0o755, 0o644, 0o755), (0o775, 0o664, 0o775), (0o777, 0o664, 0o775)],
)
def test_published_files_are_readable_as_their_folder_is(
    root: Path, store: TreeContent, folder_mode: int, file_mode: int, below_mode: int
) -> None:
    """New files and folders open to whom the folder is open, never for writing by everybody."""
    root.chmod(folder_mode)
    put(store, ("file",), b"x")
    store.make_folder(("below",))
    assert mode_of(root / "file") == file_mode
    assert mode_of(root / "below") == below_mode


def test_a_replaced_file_keeps_its_mode(root: Path, store: TreeContent) -> None:
    """A script stays executable, a private file private; special bits do not pass to new content."""
    for number, (before, after) in enumerate([(0o755, 0o755), (0o600, 0o600), (0o4711, 0o711), (0o444, 0o444)]):
        path = root / f"file {number}"
        path.write_bytes(b"old")
        path.chmod(before)
        put(store, (path.name,), b"new", key=f"k{number}", replace=True)
        assert mode_of(path) == after
        assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_files_belong_to_the_folder_s_owner(root: Path, store: TreeContent) -> None:
    """A server that may do so gives what it publishes to the folder's owner and group, replaced files to their own."""
    os.chown(root, 12345, 23456)
    put(store, ("file",), b"x")
    store.make_folder(("below",))
    (root / "theirs").write_bytes(b"old")
    os.chown(root / "theirs", 777, 888)
    put(store, ("theirs",), b"new", key="k2", replace=True)
    owners = {name: ((root / name).stat().st_uid, (root / name).stat().st_gid) for name in ("file", "below", "theirs")}
    assert owners == {"file": (12345, 23456), "below": (12345, 23456), "theirs": (777, 888)}


# -- links, races -----------------------------------------------------------------------------------------------------


def test_a_racing_link_never_leads_out(tmp_path: Path, root: Path, store: TreeContent) -> None:
    """While a thread swaps a folder for a link to outside, nothing is written or read there (S03, S05)."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "secret").write_bytes(b"secret")
    (root / "swap").mkdir()
    (root / "swap" / "secret").write_bytes(b"public")
    (root / "link").symlink_to(canary)
    stop = threading.Event()

    def swap() -> None:
        fd = os.open(root, os.O_RDONLY)
        while not stop.is_set():
            disk_calls.rename(fd, b"swap", fd, b"link", disk_calls.EXCHANGE)
        os.close(fd)

    swapper = threading.Thread(target=swap)
    swapper.start()
    done = refused = 0
    try:
        for number in range(1500):
            at = ("swap", f"new {number}")
            store.stage_small(f"k{number}", b"x")
            try:
                store.publish(f"k{number}", at, number % 2 == 0, None)
                done += 1
            except ContentMissing:
                store.drop_staged(f"k{number}")
                refused += 1
            acts: list[Callable[[], object]] = [
                partial(store.set_mtime, ("swap", "secret"), 1),
                partial(store.make_folder, ("swap", f"folder {number}")),
            ]
            for act in acts:
                try:
                    act()
                except ContentMissing:
                    refused += 1
            try:
                assert bytes_at(store, ("swap", "secret")) == b"public"
                assert "secret" in names(store, ("swap",))
            except ContentMissing:
                refused += 1
    finally:
        stop.set()
        swapper.join()
    assert done
    assert refused
    assert [path.name for path in canary.iterdir()] == ["secret"]
    assert (canary / "secret").stat().st_mtime > 1


def test_readers_see_old_or_new_only(root: Path, store: TreeContent) -> None:
    """While content is replaced a thousand times, no reader sees a mix or nothing (P2)."""
    contents = [bytes([number]) * 10_000 for number in range(1, 5)]
    put(store, ("file",), contents[0])
    stop = threading.Event()
    wrong: list[str] = []
    reads = [0]

    def read() -> None:
        while not stop.is_set():
            try:
                data = (root / "file").read_bytes()
            except OSError as error:
                wrong.append(repr(error))
                return
            reads[0] += 1
            if data not in contents:
                wrong.append(f"{len(data)} bytes {data[:1]!r}…{data[-1:]!r}")

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1000):
        store.stage_small("k", contents[number % 4])
        store.publish("k", ("file",), True, None)
        store.drop_staged("k")
    stop.set()
    reader.join()
    assert wrong == []
    assert reads[0] > 10


# -- handles ----------------------------------------------------------------------------------------------------------


def open_handles() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_no_handle_is_left_behind(root: Path) -> None:
    """After any work and any error all handles are closed again."""
    before = open_handles()
    store = TreeContent(root)
    (root / "link").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    store.make_folder(("d",))
    put(store, ("d", "a"), b"x")
    put(store, ("d", "a"), b"y", key="k2", replace=True)
    for number in range(5):
        store.stage_small(f"many-{number}", b"x")
    store.sync_staged([f"many-{number}" for number in range(5)])
    store.sync_staged(["many-0", "many-1"])
    store.sync_folders([(), ("d",), ("none",)])
    during = open_handles()
    for at in (("link",), ("pipe",), ("none", "x"), ("link", "x"), ("d", "a", "x"), ("d",), ("a" * 300,), ("..",)):
        looks: list[Callable[[Location], object]] = [store.open, store.list_folder, store.look, store.make_folder]
        for act in looks:
            try:
                result = act(at)
            except CloudError:
                continue
            if isinstance(result, OpenedFile):
                result.close()
        for replace in (False, True):
            try:
                store.publish("many-1", at, replace, 5)
            except CloudError:
                continue
    store.open(("d", "a")).close()
    os.close(store.open(("d", "a")).detach())
    with store.watch():
        pass
    store.keep(("d",), "t")
    store.drop_kept("t")
    assert open_handles() == during
    store.close()
    store.close()
    with pytest.raises(StorageFailed):
        store.look(("d", "a"))
    assert open_handles() == before


def test_no_handles_left_is_told_and_passes(root: Path, store: TreeContent) -> None:
    """With no file handle left each call says "busy, try again", loses nothing, and works again afterwards."""
    put(store, ("a",), b"x")
    store.make_folder(("d",))
    store.stage_small("k2", b"y")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    acts: list[Callable[[], object]] = [
        lambda: store.open(("a",)),
        lambda: store.list_folder(()),
        lambda: store.stage("k3"),
        lambda: store.stage_small("k3", b""),
        lambda: store.publish("k2", ("d", "b"), False, None),
        lambda: store.make_folder(("d", "e")),
        lambda: store.sync_folders([("d",)]),
    ]
    try:
        for act in acts:
            with pytest.raises(Busy):
                act()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    store.sync_folders([("d",)])
    store.sync_staged(["k2"])
    store.publish("k2", ("d", "b"), False, None)
    assert names(store, ("d",)) == ["b"]


# -- folders ----------------------------------------------------------------------------------------------------------


def test_very_deep_folders_are_dropped(root: Path, store: TreeContent) -> None:
    """A folder tree far deeper than any path, with read-only folders in it, is removed without recursion."""
    fd = os.open(root, os.O_RDONLY)
    for level in range(1500):
        os.mkdir("d" * 10, dir_fd=fd)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o400, dir_fd=fd))
        if level % 100 == 50:
            os.fchmod(fd, 0o500)
        os.close(fd)
        fd = below
    os.close(fd)
    store.keep(("d" * 10,), "t")
    store.drop_kept("t")
    assert list((root / ".homestow" / "kept").iterdir()) == []


def test_a_drop_cut_short_is_ended_by_the_next_start(root: Path, store: TreeContent) -> None:
    """What a crash left of a folder being removed is removed at the next start."""
    store.stage("k").close()
    left = root / ".homestow" / "kept" / ".drop-abc" / "inner"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"x")
    TreeContent(root).close()
    assert list(left.parent.parent.iterdir()) == []


@pytest.mark.parametrize("replaced", [False, True])
def test_a_root_that_went_away_is_never_empty(tmp_path: Path, root: Path, store: TreeContent, replaced: bool) -> None:
    """A root whose folder was unmounted, moved or replaced fails to list; it does not look emptied (R17, P10)."""
    put(store, ("a",), b"x")
    root.rename(tmp_path / "elsewhere")
    if replaced:
        root.mkdir()
    with pytest.raises(StorageFailed):
        store.list_folder(())


def test_a_missing_root_is_told(tmp_path: Path) -> None:
    """No folder, or a file in its stead: one clear error."""
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(StorageFailed, match=str(path)):
            TreeContent(path)


# -- full and read-only disks -----------------------------------------------------------------------------------------

FULL_DISK = """
import os, sys
from pathlib import Path
from homestow.server.adapters.content_tree import TreeContent
from homestow.values.errors import StorageFailed, StorageFull
from tests.contracts.content_rigs import bytes_at, names, put

def refused(kind, act):
    try:
        act()
    except kind as error:
        assert "disk" in str(error), error
        return
    raise AssertionError("not refused")

store = TreeContent(Path(sys.argv[1]))
put(store, ("old",), b"o" * 300_000)
large = store.stage("large")
large.truncate(50_000_000)
large.write_at(0, b"l" * 100_000)
refused(StorageFull, lambda: large.write_at(200_000, b"l" * 900_000))
assert large.read_at(0, 100_000) == b"l" * 100_000
large.close()
refused(StorageFull, lambda: store.stage_small("k2", b"s" * 900_000))
assert store.look_staged("k2") is None
store.drop_staged("large")
put(store, ("old",), b"n" * 300_000, key="k3", replace=True)
assert bytes_at(store, ("old",)) == b"n" * 300_000
assert store.free_bytes() < 500_000
for number in range(2000):
    try:
        store.make_folder((f"folder {number}",))
    except StorageFull:
        break
else:
    raise AssertionError("never full")
refused(StorageFull, lambda: store.stage("k4"))
assert len(names(store)) == number + 1
store.close()

os.system(f"mount -o remount,ro {sys.argv[1]}")
store = TreeContent(Path(sys.argv[1]))
assert bytes_at(store, ("old",)) == b"n" * 300_000
refused(StorageFailed, lambda: store.stage("k5"))
refused(StorageFailed, lambda: store.keep(("old",), "t"))
print("held")
"""


def test_a_full_and_a_read_only_disk(root: Path) -> None:
    """On a disk of 1 MB and 50 files: told as full, nothing lost; read-only: still readable, told as failed."""
    script = f'mount -t tmpfs -o size=1m,nr_inodes=50 none "{root}" && exec "{sys.executable}" -c "$0" "{root}"'
    environment = {**os.environ, "PYTHONPATH": "src:."}
    try:
        run = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", script, FULL_DISK],
            check=False,
            cwd=Path(__file__).parents[2],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("this machine has no `unshare` to mount a small disk with")
    if "unshare" in run.stderr or "mount:" in run.stderr:
        pytest.skip(f"this machine does not let us mount a small disk: {run.stderr}")
    assert run.stdout.strip() == "held", run.stderr


# -- links ------------------------------------------------------------------------------------------------------------


def test_links_are_read_and_made_as_what_they_are(root: Path, store: TreeContent) -> None:
    """Wherever a link lies its target is told, and one that is made leads where it says; neither is followed (S05)."""
    odd = os.fsdecode(b"../\xff/nowhere")
    store.make_folder(("d",))
    store.make_link(("d", "link"), odd)
    assert os.readlink(os.fsencode(root / "d" / "link")) == b"../\xff/nowhere"
    assert store.read_link(("d", "link")) == odd
    (root / "alone").symlink_to("/etc/passwd")
    store.keep(("alone",), "t1")
    store.keep(("d",), "t2")

    assert store.read_link((), "t1") == "/etc/passwd"
    assert store.read_link(("link",), "t2") == odd


def test_what_is_no_link_has_no_target(root: Path, store: TreeContent) -> None:
    """Files, folders and nothing are told as missing, taken names as taken, and no link on the way is followed."""
    put(store, ("file",), b"x")
    (root / "away").symlink_to("/etc")
    for at in (("file",), ("none",), ("away", "localtime")):
        with pytest.raises(ContentMissing):
            store.read_link(at)
    with pytest.raises(ContentMissing):
        store.read_link((), "none")
    with pytest.raises(PathTaken):
        store.make_link(("file",), "elsewhere")
    with pytest.raises(CloudError):
        store.make_link(("away", "planted"), "elsewhere")
