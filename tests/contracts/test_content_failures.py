"""What a store does when the disk under it fails or fills: the content contract's other half."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contracts.content_rigs import KINDS, Rig, bytes_at, make_rig, names, put

from homestow.server.ports.content import Content
from homestow.values.errors import Busy, CloudError, StorageFailed, StorageFull

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


@pytest.mark.parametrize(
    "code, kind",
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EIO, StorageFailed),
        (errno.EROFS, StorageFailed),
        (errno.EACCES, StorageFailed),
        (errno.EXDEV, StorageFailed),
        (errno.EMFILE, Busy),
        (errno.ENFILE, Busy),
    ],
)
def test_what_the_disk_says_is_told(rig: Rig, store: Content, code: int, kind: type[CloudError]) -> None:
    """Each errno is the same error in every store, and nothing that was there is lost."""
    put(store, FILE, b"x")
    store.stage_small("k2", b"y")
    store.keep_staged("k2", "t")
    store.stage_small("k2", b"y")
    acts: dict[str, Callable[[], object]] = {
        "content.stage_small": lambda: store.stage_small("k3", b"z"),
        "content.stage": lambda: store.stage("k3"),
        "content.write": lambda: store.stage("k2").write_at(0, b"z"),
        "content.publish.checked": lambda: store.publish("k2", FILE, True, None),
        "content.make_folder": lambda: store.make_folder(("new",)),
        "content.move.checked": lambda: store.move(FILE, ("new",)),
        "content.keep.checked": lambda: store.keep(FILE, "t2"),
        "content.keep_staged": lambda: store.keep_staged("k2", "t2"),
        "content.stage_kept": lambda: store.stage_kept("t", "k4"),
        "content.bring_back.checked": lambda: store.bring_back("t", ("new",)),
        "content.drop_staged": lambda: store.drop_staged("k2"),
        "content.drop_kept": lambda: store.drop_kept("t"),
        "content.set_mtime": lambda: store.set_mtime(FILE, 1),
    }
    for step, act in acts.items():
        rig.steps.fail_at(step, code)
        with pytest.raises(kind) as caught:
            act()
        assert isinstance(caught.value.__cause__, OSError), step
        assert caught.value.facts.get("errno", errno.errorcode[code]) == errno.errorcode[code]
    assert names(store) == ["letters"]
    assert bytes_at(store, FILE) == b"x"
    assert store.open_kept("t").read_at(0, 9) == b"y"
    assert store.stage("k2").read_at(0, 9) == b"y"


@pytest.mark.parametrize("step", ["content.sync_staged", "content.sync", "content.sync_folders"])
def test_a_failed_flush_is_never_believed_again(rig: Rig, store: Content, step: str) -> None:
    """After the disk failed to keep bytes the store takes no more until the next start, but can still be read (P1)."""
    put(store, FILE, b"x")
    store.stage_small("k2", b"y")
    flushes: dict[str, Callable[[], object]] = {
        "content.sync_staged": lambda: store.sync_staged(["k2"]),
        "content.sync": lambda: store.stage("k2").sync(),
        "content.sync_folders": lambda: store.sync_folders([("letters",)]),
    }
    flush = flushes[step]
    rig.steps.fail_at(step, errno.EIO)
    with pytest.raises(StorageFailed):
        flush()
    acts: tuple[Callable[[], object], ...] = (
        flush,
        lambda: store.sync_staged(["k2"]),
        lambda: store.sync_folders([()]),
        lambda: store.publish("k2", ("letters", "b"), False, None),
        lambda: store.stage("k3"),
        lambda: store.stage_small("k3", b"z"),
        lambda: store.make_folder(("new",)),
        lambda: store.move(FILE, ("new",)),
        lambda: store.keep(FILE, "t"),
        lambda: store.bring_back("t", ("new",)),
        lambda: store.set_mtime(FILE, 1),
    )
    for act in acts:
        with pytest.raises(StorageFailed):
            act()
    assert bytes_at(store, FILE) == b"x"
    rig.restart()
    put(rig.store, ("letters", "b"), b"z", key="k4")


def test_a_file_whose_flush_found_no_room_is_sent_again(rig: Rig, store: Content) -> None:
    """No room at the flush spoils that file only: it cannot be published, another can once there is room."""
    store.stage_small("k1", b"x")
    store.stage_small("k2", b"y")
    rig.steps.fail_at("content.sync_staged", errno.ENOSPC)
    with pytest.raises(StorageFull):
        store.sync_staged(["k1"])
    with pytest.raises(StorageFailed):
        store.sync_staged(["k1"])
    with pytest.raises(StorageFailed):
        store.publish("k1", FILE, False, None)
    store.drop_staged("k1")
    put(store, FILE, b"x again", key="k1")
    put(store, ("letters", "b"), b"y", key="k3")
    store.sync_staged(["k2"])
