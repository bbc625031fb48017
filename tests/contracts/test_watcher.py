"""What every `Watcher` promises, run over each adapter, and what only the system's own can show."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from tests.contracts.test_localtree import DiskWorld, MemoryWorld, World

from homestow.client.adapters.tree_memory import SimWatcher
from homestow.client.adapters.watch_os import OsWatcher
from homestow.client.ports.localtree import LocalPath
from homestow.client.ports.watcher import Watcher

SOURCES = Path(__file__).parents[2] / "src"
PATIENCE_S = 10.0

Watched = tuple[World, Watcher]


def on_disk(home: Path) -> Watched:
    world = DiskWorld(home)
    world.tree.prepare()
    return world, OsWatcher(world.root)


def in_memory(home: Path) -> Watched:
    world = MemoryWorld(home)
    world.tree.prepare()
    return world, SimWatcher(world.disk)


WATCHED: dict[str, Callable[[Path], Watched]] = {"os": on_disk, "memory": in_memory}


@pytest.fixture(params=sorted(WATCHED))
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    """A prepared, empty folder and what watches it."""
    world, watcher = WATCHED[request.param](tmp_path)
    yield world, watcher
    watcher.close()
    world.tree.close()


def hinted(watcher: Watcher, *wanted: LocalPath) -> set[LocalPath]:
    """All hints until the wanted ones came, with a deadline."""
    folders: set[LocalPath] = set()
    deadline = time.monotonic() + PATIENCE_S
    while not folders.issuperset(wanted):
        assert time.monotonic() < deadline, f"no hint for {set(wanted) - folders}"
        watcher.wait(0.5)
        hints = watcher.take()
        assert not hints.everything, hints.reason
        folders.update(hints.folders)
    return folders


def quiet(watcher: Watcher) -> None:
    """Take what is there until nothing comes any more."""
    while watcher.wait(0.05):
        watcher.take()


class TestHints:
    def test_quiet_at_first(self, watched: Watched) -> None:
        """Without a change there is no hint, and a wait runs out."""
        _, watcher = watched
        hints = watcher.take()
        assert not hints.folders
        assert not hints.everything
        assert not watcher.wait(0.01)

    def test_every_change_hints_its_folder(self, watched: Watched) -> None:
        """Made, edited in place, replaced, removed: each hints the folder it happened in, and only once taken."""
        world, watcher = watched
        world.mkdir(("d",))
        hinted(watcher, ())
        quiet(watcher)
        acts: list[Callable[[], None]] = [
            lambda: world.write(("d", "f"), b"1"),
            lambda: world.write(("d", "f"), b"22"),
            lambda: world.replace(("d", "f"), b"333"),
            lambda: world.remove(("d", "f")),
            lambda: world.link(("d", "l"), "f"),
            lambda: world.mkdir(("d", "e")),
        ]
        for act in acts:
            act()
            assert hinted(watcher, ("d",)) <= {("d",), ("d", "e")}
            quiet(watcher)

    def test_a_new_tree_is_watched(self, watched: Watched) -> None:
        """What is made in a folder right after the folder itself is hinted too (SC-099)."""
        world, watcher = watched
        path: LocalPath = ()
        for name in "abcde":
            path = (*path, name)
            world.mkdir(path)
            world.write((*path, "f"), b"1")
        hinted(watcher, (), ("a",), path)

    def test_a_moved_folder_is_watched_at_its_new_place(self, watched: Watched) -> None:
        """Edits in a folder that was renamed are hinted under its new name, not its old one."""
        world, watcher = watched
        world.mkdir(("a",))
        world.mkdir(("a", "b"))
        hinted(watcher, (), ("a",))
        seen = world.tree.look(("a",))
        assert seen is not None
        world.tree.move(("a",), ("z",), seen.stamp)
        hinted(watcher, ())
        quiet(watcher)
        world.write(("z", "b", "f"), b"1")
        assert ("a", "b") not in hinted(watcher, ("z", "b"))

    def test_our_private_folder_is_no_news(self, watched: Watched) -> None:
        """Receiving a file hints nothing until it is published."""
        world, watcher = watched
        staging = world.tree.stage("k", 3)
        staging.write_at(0, b"abc")
        staging.flush()
        quiet(watcher)
        assert not watcher.take().folders
        world.tree.put(staging, ("f",), None, 10**18)
        assert hinted(watcher, ()) == {()}

    def test_wake_ends_one_wait(self, watched: Watched) -> None:
        """`wake` ends the present wait or the next one, and only that."""
        _, watcher = watched
        watcher.wake()
        assert watcher.wait(PATIENCE_S)
        assert not watcher.wait(0.01)


# --- the system's own -------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


@pytest.fixture
def watcher(root: Path) -> Iterator[OsWatcher]:
    made = OsWatcher(root)
    yield made
    made.close()
    made.close()


def test_wake_from_another_thread(watcher: OsWatcher) -> None:
    """A stop does not wait for the time to run out (P12)."""
    begun = time.monotonic()
    timer = threading.Timer(0.05, watcher.wake)
    timer.start()
    assert watcher.wait(PATIENCE_S)
    timer.join()
    assert time.monotonic() - begun < PATIENCE_S / 2


def test_close_ends_a_wait(root: Path) -> None:
    """Closing is prompt whoever waits."""
    watcher = OsWatcher(root)
    timer = threading.Timer(0.05, watcher.close)
    timer.start()
    assert watcher.wait(PATIENCE_S)
    timer.join()


def test_names_that_are_not_utf8(root: Path, watcher: OsWatcher) -> None:
    """A name of any bytes stops nothing; its folder comes as the disk spells it (R16)."""
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    hinted(watcher, (), ("caf\udce9",))
    with open(os.fsencode(root) + b"/caf\xe9/\xff", "wb"):
        pass
    hinted(watcher, ("caf\udce9",))


def test_no_symlink_is_followed(root: Path, tmp_path: Path) -> None:
    """A symlink to a folder outside is news itself; what happens outside is not (R25)."""
    (tmp_path / "outside").mkdir()
    (root / "before").symlink_to(tmp_path / "outside")
    watcher = OsWatcher(root)
    (root / "after").symlink_to(tmp_path / "outside")
    hinted(watcher, ())
    quiet(watcher)
    (tmp_path / "outside" / "f").write_bytes(b"1")
    assert not watcher.wait(0.2)
    watcher.close()


def test_a_burst_of_changes_is_known_or_said_to_be_lost(root: Path, watcher: OsWatcher) -> None:
    """SC-197: however much happens at once, each folder is hinted or everything is."""
    for number in range(300):
        (root / f"d{number}").mkdir()
    hinted(watcher, *((f"d{number}",) for number in range(300)))
    quiet(watcher)
    for _ in range(40):
        for number in range(300):
            (root / f"d{number}" / "f").write_bytes(b"x")
            (root / f"d{number}" / "f").unlink()
    folders: set[LocalPath] = set()
    everything = False
    while watcher.wait(0.2):
        hints = watcher.take()
        folders.update(hints.folders)
        everything = everything or hints.everything
    assert everything or folders >= {(f"d{number}",) for number in range(300)}


def test_lost_events_mean_everything(root: Path, watcher: OsWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """SC-197: the system's overflow becomes `everything` with the reason, and new folders are watched afterwards."""
    inotify = watcher._inotify
    assert inotify is not None
    real = inotify.events

    def overflowing() -> Iterator[tuple[int, int, bytes]]:
        list(real())
        monkeypatch.setattr(inotify, "events", real)
        yield -1, 0x4000, b""

    monkeypatch.setattr(inotify, "events", overflowing)
    (root / "missed").mkdir()
    assert watcher.wait(PATIENCE_S)
    hints = watcher.take()
    assert hints.everything
    assert "More happened" in hints.reason
    (root / "missed" / "f").write_bytes(b"1")
    hinted(watcher, ("missed",))


def test_a_folder_taken_away_is_said(root: Path, watcher: OsWatcher) -> None:
    """R18: when the job's folder itself goes, the client looks at once."""
    root.rename(root.with_name("elsewhere"))
    assert watcher.wait(PATIENCE_S)
    hints = watcher.take()
    assert hints.everything
    assert "moved or removed" in hints.reason


def test_a_limit_of_the_system_means_looking_again_and_again(root: Path) -> None:
    """SC-197: when the folder has more folders than the system watches, everything is looked at every few seconds."""
    for number in range(60):
        (root / f"d{number}").mkdir()
    program = """
        import sys
        from pathlib import Path
        limit = Path("/proc/sys/user/max_inotify_watches")
        try:
            limit.write_text("20")
        except OSError:
            sys.exit(77)
        from homestow.client.adapters.watch_os import OsWatcher
        watcher = OsWatcher(Path(sys.argv[1]), poll_s=0.05)
        for _ in range(3):
            assert watcher.wait(10)
            hints = watcher.take()
            assert hints.everything and "max_user_watches" in hints.reason, hints
        watcher.close()
    """
    run = subprocess.run(
        ["unshare", "-Ur", sys.executable, "-c", dedent(program), str(root)],
        env={**os.environ, "PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode == 77 or "unshare" in run.stderr:
        pytest.skip("no namespaces to lower the limit in")
    assert run.returncode == 0, run.stderr
