"""Watching a real folder: outside changes become hints, new folders are picked up, lost events are told."""

import os
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from homestow.server.adapters import watch_tree
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.watch_tree import TreeWatch
from homestow.server.ports.content import Location


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "d" / "e").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def watch(root: Path) -> Iterator[TreeWatch]:
    fd = os.open(root, os.O_RDONLY)
    watch = TreeWatch(fd)
    os.close(fd)
    yield watch
    watch.close()


def hints(watch: TreeWatch, act: Callable[[], object]) -> Collection[Location] | None:
    act()
    return watch.read(timeout_s=5)


def test_each_kind_of_edit_is_a_hint(root: Path, watch: TreeWatch) -> None:
    """Writing, touching, renaming, removing and linking are hints of the folder they happen in."""
    file = root / "d" / "e" / "f"
    assert hints(watch, lambda: file.write_bytes(b"x")) == {("d", "e")}
    assert hints(watch, lambda: os.utime(file, (1, 1))) == {("d", "e")}
    assert hints(watch, lambda: file.chmod(0o600)) == {("d", "e")}
    assert hints(watch, lambda: file.rename(root / "d" / "g")) == {("d", "e"), ("d",)}
    assert hints(watch, lambda: (root / "link").symlink_to("d")) == {()}
    assert hints(watch, (root / "d" / "g").unlink) == {("d",)}
    assert watch.read(timeout_s=0) == set()


def test_new_folders_are_watched_with_all_in_them(root: Path, watch: TreeWatch) -> None:
    """A whole tree made at once is hinted folder by folder, and later changes in it are seen."""
    deep = root / "new" / "a" / "b" / "c"

    def make() -> None:
        deep.mkdir(parents=True)
        (deep / "f").write_bytes(b"x")

    assert {(), ("new",), ("new", "a"), ("new", "a", "b"), ("new", "a", "b", "c")} == hints(watch, make)
    assert hints(watch, lambda: (deep / "g").write_bytes(b"y")) == {("new", "a", "b", "c")}
    assert watch.watched == 7


def test_renamed_folders_keep_their_watches(root: Path, watch: TreeWatch) -> None:
    """After a folder was renamed or moved, changes below it are told under its new place."""
    found = hints(watch, lambda: (root / "d").rename(root / "moved"))
    assert found == {(), ("moved",)}
    assert hints(watch, lambda: (root / "moved" / "e" / "f").write_bytes(b"x")) == {("moved", "e")}
    assert hints(watch, lambda: (root / "moved" / "e").rename(root / "e")) == {(), ("moved",), ("e",)}
    assert hints(watch, (root / "e" / "f").unlink) == {("e",)}
    assert watch.watched == 3


def test_hints_below_a_renamed_folder_are_told_at_its_new_place(root: Path, watch: TreeWatch) -> None:
    """A hint that was not looked at yet when a folder above it was renamed leads nowhere; so it is told once more."""
    hints(watch, lambda: (root / "d" / "e" / "f").write_bytes(b"x"))
    assert hints(watch, lambda: (root / "d").rename(root / "z")) == {(), ("z",), ("z", "e")}


def test_folders_that_leave_are_forgotten(tmp_path: Path, root: Path, watch: TreeWatch) -> None:
    """A folder moved out of the root or removed is watched no longer; one of its name made anew is."""
    assert hints(watch, lambda: (root / "d").rename(tmp_path / "away")) == {()}
    assert watch.watched == 1
    (tmp_path / "away" / "e" / "f").write_bytes(b"x")
    assert watch.read(timeout_s=0) == set()
    assert hints(watch, lambda: (tmp_path / "away").rename(root / "d")) == {(), ("d",), ("d", "e")}
    assert hints(watch, (root / "d" / "e" / "f").unlink) == {("d", "e")}
    assert hints(watch, (root / "d" / "e").rmdir) == {("d",)}
    assert watch.watched == 2


def test_odd_names_are_locations(root: Path, watch: TreeWatch) -> None:
    """Names with newlines, or that are no UTF-8, come as locations have them."""
    for name in ("new\nline", "-", "\udcff"):
        assert hints(watch, lambda name=name: (root / name).mkdir()) == {(), (name,)}  # type: ignore[misc]  # bound by default
        assert hints(watch, lambda name=name: (root / name / "f").write_bytes(b"")) == {(name,)}  # type: ignore[misc]  # as above


def test_links_are_not_followed(tmp_path: Path, root: Path, watch: TreeWatch) -> None:
    """A symlink to a folder, inside or outside, is no folder to watch."""
    (tmp_path / "outside").mkdir()
    assert hints(watch, lambda: (root / "link").symlink_to(tmp_path / "outside")) == {()}
    (tmp_path / "outside" / "f").write_bytes(b"x")
    assert watch.read(timeout_s=0) == set()


def test_lost_events_are_told_and_watching_goes_on(root: Path, watch: TreeWatch) -> None:
    """More events than the kernel keeps: None, everything must be looked at; folders made meanwhile are watched."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip(f"this machine keeps {limit} events; making more would take too long")
    file = root / "f"
    for _ in range(limit // 2 + 10):
        file.touch()
        file.unlink()
    (root / "missed").mkdir()
    assert watch.read(timeout_s=5) is None
    assert hints(watch, lambda: (root / "missed" / "f").write_bytes(b"x")) == {("missed",)}


def test_too_few_watches_are_told(root: Path, watch: TreeWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder the system refuses to watch makes one None, not silence and not a failure."""

    def refuse(self: TreeWatch, folder: object, fd: int) -> None:
        raise OSError(28, "no watches left")

    monkeypatch.setattr(TreeWatch, "_watch_one", refuse)
    assert hints(watch, (root / "new").mkdir) is None
    assert hints(watch, lambda: (root / "d" / "f").write_bytes(b"x")) == {("d",)}


def test_closing_in_another_thread_ends_the_iterator(root: Path) -> None:
    """Leaving the context ends a follower that waits."""
    store = TreeContent(root)
    seen: list[Collection[Location] | None] = []
    began = threading.Event()

    def follow(hints: Iterator[Collection[Location] | None]) -> None:
        for hint in hints:
            seen.append(hint)
            began.set()

    with store.watch() as changes:
        follower = threading.Thread(target=follow, args=(changes,))
        follower.start()
        (root / "d" / "f").write_bytes(b"x")
        assert began.wait(10)
    follower.join(10)
    assert not follower.is_alive()
    assert seen[0] == {("d",)}
    store.close()


def test_our_own_hidden_work_is_no_hint(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staging and keeping are not seen; publishing is a hint of its folder like any other change."""
    monkeypatch.setattr(watch_tree, "_GATHER_S", 0.01)
    store = TreeContent(root)
    fd = os.open(root, os.O_RDONLY)
    watch = TreeWatch(fd)
    os.close(fd)
    store.stage_small("k", b"x")
    store.stage_small("k2", b"x")
    store.keep_staged("k2", "t")
    assert watch.read(timeout_s=0.05) == set()
    assert hints(watch, lambda: store.publish("k", ("d", "f"), False, None)) == {("d",)}
    watch.close()
    store.close()
