"""The calls Python does not wrap do what the manual pages say, and refuse what would lead elsewhere."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_calls import EXCHANGE, FOLDER_HANDLE, NOREPLACE
from homestow.server.adapters.disk_errors import disk_error, path_of
from homestow.values.errors import BadName


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the code is what is looked at
        act()
    return errno.errorcode[caught.value.errno or 0]


def test_rename_takes_nothing_in_use(tmp_path: Path, top: int) -> None:
    """NOREPLACE refuses a taken name, EXCHANGE swaps and refuses a missing one."""
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    assert code_of(lambda: disk_calls.rename(top, b"a", top, b"b", NOREPLACE)) == "EEXIST"
    assert code_of(lambda: disk_calls.rename(top, b"a", top, b"c", EXCHANGE)) == "ENOENT"
    disk_calls.rename(top, b"a", top, b"b", EXCHANGE)
    assert (tmp_path / "a").read_bytes() == b"b"
    disk_calls.rename(top, b"a", top, b"c", NOREPLACE)
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]


@pytest.mark.parametrize("opener", [disk_calls.open_beneath, disk_calls.walk_beneath])
def test_no_way_leads_out(tmp_path: Path, opener: Callable[[int, bytes, int], int]) -> None:
    """Symlinks at any component are refused, by one call or by walking."""
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"")
    (tmp_path / "root" / "leaf").symlink_to("../secret")
    (tmp_path / "root" / "a" / "up").symlink_to("..")
    (tmp_path / "root" / "abs").symlink_to(tmp_path)
    (tmp_path / "root" / "file").write_bytes(b"x")
    fd = os.open(tmp_path / "root", os.O_RDONLY)
    try:
        os.close(opener(fd, b"a/b", FOLDER_HANDLE))
        os.close(opener(fd, b"file", os.O_RDONLY))
        os.close(opener(fd, b".", os.O_RDONLY))
        for path in (b"leaf", b"a/up", b"a/up/file", b"abs", b"abs/secret"):
            assert code_of(lambda path=path: opener(fd, path, os.O_RDONLY)) in ("ELOOP", "ENOTDIR")  # type: ignore[misc]  # bound by default
        assert code_of(lambda: opener(fd, b"none/x", os.O_RDONLY)) == "ENOENT"
        assert code_of(lambda: opener(fd, b"file/x", os.O_RDONLY)) == "ENOTDIR"
        assert code_of(lambda: opener(fd, b"file", FOLDER_HANDLE)) == "ENOTDIR"
        if opener is disk_calls.open_beneath:
            assert code_of(lambda: opener(fd, b"../secret", os.O_RDONLY)) == "EXDEV"
            assert code_of(lambda: opener(fd, b"/etc/passwd", os.O_RDONLY)) == "EXDEV"
    finally:
        os.close(fd)


def test_paths_longer_than_one_call_takes_are_walked(top: int) -> None:
    """A folder 30 names of 250 bytes deep opens all the same."""
    fd = os.dup(top)
    for _ in range(30):
        os.mkdir("n" * 250, dir_fd=fd)
        below = os.open("n" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    inode = os.fstat(fd).st_ino
    os.close(fd)
    fd = disk_calls.open_beneath(top, b"/".join([b"n" * 250] * 30), FOLDER_HANDLE)
    assert os.fstat(fd).st_ino == inode
    os.close(fd)


def test_facts_agree_with_the_standard_library(tmp_path: Path, top: int) -> None:
    """statx read by us says what `os.stat` says, and a birth time not after now."""
    (tmp_path / "f").write_bytes(b"x" * 5000)
    os.utime(tmp_path / "f", ns=(5, -7_000_000_001))
    (tmp_path / "l").symlink_to("f")
    (tmp_path / "d").mkdir()
    for name in ("f", "l", "d"):
        ours, theirs = disk_calls.facts_at(top, name.encode()), os.lstat(tmp_path / name)
        assert ours.mode == theirs.st_mode
        assert (ours.links, ours.uid, ours.gid) == (theirs.st_nlink, theirs.st_uid, theirs.st_gid)
        assert (ours.size, ours.blocks, ours.inode) == (theirs.st_size, theirs.st_blocks, theirs.st_ino)
        assert (ours.mtime_ns, ours.ctime_ns) == (theirs.st_mtime_ns, theirs.st_ctime_ns)
        assert 0 <= ours.birth_ns <= ours.ctime_ns + 1_000_000_000
    assert disk_calls.facts_of(top).is_folder
    assert code_of(lambda: disk_calls.facts_at(top, b"none")) == "ENOENT"
    assert code_of(lambda: disk_calls.facts_of(-1)) == "EBADF"


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_a_folder_is_listed_with_the_facts_of_each_name(
    tmp_path: Path, top: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name has its own facts however many there are, and what vanishes while it is listed is left out."""
    for number in range(count):
        (tmp_path / f"f{number}").write_bytes(b"x" * number)
    names = os.listdir(top)
    vanished = [f"gone{number}" for number in range(0, count, 3)]

    def listed(_: int) -> list[str]:
        return names + vanished

    monkeypatch.setattr(os, "listdir", listed)
    found = disk_calls.entries_of(top, stable=True)

    assert [entry.name for entry in found] == sorted(names)
    for name, stat in found:
        assert stat == disk_calls.stat_at(top, name.encode(), stable=True)
        assert stat.size == int(name[1:])


def test_flushing_a_closed_handle_is_no_success(top: int) -> None:
    """syncfs and statfs tell their errors."""
    disk_calls.sync_file_system(top)
    assert disk_calls.file_system_type(top) > 0
    assert code_of(lambda: disk_calls.sync_file_system(-1)) == "EBADF"
    assert code_of(lambda: disk_calls.file_system_type(-1)) == "EBADF"
    disk_calls.begin_writeback(-1, 0, 1)


@pytest.mark.parametrize("release, told", [("6.1.0-18-arm64", True), ("5.8.1", True), ("5.7.9", False), ("odd", False)])
def test_which_kernels_tell_of_failed_flushes(monkeypatch: pytest.MonkeyPatch, release: str, told: bool) -> None:
    """Only kernels that report a failed write at syncfs are trusted with it."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "pi", release, "", "arm")))
    assert disk_calls.reports_sync_errors() is told


def test_a_kernel_without_openat2_is_walked(top: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSYS, or a sandbox's EPERM, at the first call is remembered, and the path is walked instead."""
    import ctypes

    def no_such_call(*_: object) -> int:
        ctypes.set_errno(errno.ENOSYS)
        return -1

    (tmp_path / "a").mkdir()
    monkeypatch.setattr(disk_calls, "_syscall", no_such_call)
    monkeypatch.setattr(disk_calls, "_without_openat2", False)
    os.close(disk_calls.open_beneath(top, b"a", FOLDER_HANDLE))
    assert disk_calls._without_openat2


@pytest.mark.parametrize("name", [".homestow", ".HomeStow", ".homestow.", ".homestow ", "HOMEST~1", "home12~3"])
def test_disks_that_fold_case_hide_every_spelling(name: str) -> None:
    """On FAT and its kin the hidden folder has more names than one; none leads into it."""
    with pytest.raises(BadName):
        path_of((name, "x"), folds_case=True)


def test_ordinary_names_pass_where_case_folds() -> None:
    """Names that only look similar are names."""
    assert path_of(("homework~", "a.homestow"), folds_case=True) == b"homework~/a.homestow"
    assert path_of(("x", ".homestow"), folds_case=True) == b"x/.homestow"


def test_every_errno_has_words() -> None:
    """Whatever a disk says becomes an error with a public code and a message for people."""
    for code in [*errno.errorcode, 0, 99999]:
        error = disk_error(OSError(code, "odd") if code else OSError("odd"), "publish", "a/b")
        assert error.code in ("storage-full", "storage-failed", "content-missing", "path-taken", "bad-name", "busy")
        assert "publish 'a/b'" in str(error)
