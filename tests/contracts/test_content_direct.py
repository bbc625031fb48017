"""Bytes that pass by the page cache: the same promises as for any others, on a disk that takes them and on one that does not."""

import errno
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contracts.content_rigs import KINDS, Rig, make_rig

from homestow.server.adapters import tree_direct
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.tree_files import StagedFile
from homestow.values.errors import StorageFailed, StorageFull

MIB = 1024 * 1024
NOISE = os.urandom(3 * MIB)


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    (tmp_path / "root").mkdir()
    rig = make_rig(request.param, tmp_path / "root", monkeypatch.setattr)
    yield rig
    rig.close()


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[StagedFile]:
    """A staging file on the real disk."""
    store = TreeContent(tmp_path)
    file = store.stage("k")
    assert isinstance(file, StagedFile)
    yield file
    file.close()
    store.close()


@pytest.fixture
def direct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(offset, length) of each write that went past the cache; asked for only where the disk lets it."""
    writer = tree_direct.DirectWriter
    with (tmp_path / "probe").open("wb") as file:
        probe = writer(file.fileno())
        if not probe.write(pages(b"x" * MIB), 0):
            pytest.skip("this folder's file system takes no direct writes")
        probe.close()
    monkeypatch.setattr(tree_direct, "SLOWEST_BYTES_PER_S", 1)
    seen: list[tuple[int, int]] = []
    real = writer.write

    def write(self: tree_direct.DirectWriter, data: bytes | memoryview, offset: int) -> int:
        written = real(self, data, offset)
        if written:
            seen.append((offset, written))
        return written

    monkeypatch.setattr(writer, "write", write)
    return seen


def pages(data: bytes, lead: int = 0) -> memoryview:
    """The same bytes, `lead` bytes after the beginning of a page."""
    room = memoryview(mmap.mmap(-1, len(data) + lead + 1))
    room[lead : lead + len(data)] = data
    return room[lead : lead + len(data)]


def failing(call: Callable[..., int], code: int, at: int) -> Callable[..., int]:
    """`os.pwrite` that fails at an offset."""

    def pwrite(fd: int, data: bytes | memoryview, offset: int) -> int:
        if offset == at:
            raise OSError(code, os.strerror(code))
        return call(fd, data, offset)

    return pwrite


@pytest.mark.parametrize("lead", [0, 1, 512])
@pytest.mark.parametrize("start", [0, 1, 4096, 65536 + 7])
@pytest.mark.parametrize("size", [2 * MIB, MIB + 1, 300_000, 4095, 0])
def test_bytes_arrive_whatever_they_begin_and_end_at(rig: Rig, lead: int, start: int, size: int) -> None:
    """At any offset, of any length, from any memory: exactly these bytes are there, durable, read and published."""
    staged = rig.store.stage("k")
    staged.write_at(0, b"\1" * start)
    staged.write_at(start, pages(NOISE[:size], lead), passing=True)
    staged.write_at(start + size, pages(NOISE[-MIB:], lead), passing=True)
    staged.write_at(start + size + MIB, b"end")
    expected = b"\1" * start + NOISE[:size] + NOISE[-MIB:] + b"end"

    assert staged.read_at(0, 9 * MIB) == expected
    staged.sync()
    assert staged.stat().size == len(expected)
    staged.close()
    rig.restart()
    rig.store.publish("k", ("f",), False, None)
    opened = rig.store.open(("f",))
    assert opened.read_at(0, 9 * MIB) == expected
    opened.close()


def test_an_upload_goes_on_where_it_broke_off(rig: Rig) -> None:
    """After a restart the next bytes come at an odd offset; those cut off and sent again replace the first ones."""
    staged = rig.store.stage("k")
    staged.truncate(3 * MIB)
    staged.write_at(0, pages(NOISE[: MIB + 5000]), passing=True)
    staged.close()
    rig.restart()
    staged = rig.store.stage("k")
    staged.write_at(MIB + 5000, pages(b"\2" * MIB), passing=True)
    staged.write_at(MIB + 5000, pages(NOISE[MIB + 5000 : 2 * MIB]), passing=True)
    staged.write_at(2 * MIB, pages(NOISE[2 * MIB :]), passing=True)

    assert staged.read_at(0, 9 * MIB) == NOISE
    staged.close()


def test_whole_pages_pass_the_cache(staged: StagedFile, direct: list[tuple[int, int]]) -> None:
    """Of large pieces from whole pages to whole pages all goes directly, of others what can; small ones do not."""
    staged.write_at(0, pages(NOISE), passing=True)
    staged.write_at(3 * MIB, pages(NOISE[: MIB + 5]), passing=True)
    for unfit in (pages(NOISE[:MIB], 1), pages(NOISE[: tree_direct.LEAST_BYTES - 1])):
        staged.write_at(5 * MIB, unfit, passing=True)
    staged.write_at(7 * MIB + 1, pages(NOISE[:MIB]), passing=True)
    staged.write_at(8 * MIB, pages(NOISE[:MIB]))

    assert direct == [(0, 3 * MIB), (3 * MIB, MIB)]
    assert staged.read_at(0, 4 * MIB + 5) == NOISE + NOISE[: MIB + 5]


def test_cached_and_direct_bytes_of_one_file_agree(staged: StagedFile, direct: list[tuple[int, int]]) -> None:
    """What was written or read through the cache before is replaced by a direct write, and the other way round."""
    staged.write_at(0, b"a" * (2 * MIB + 100))
    assert staged.read_at(MIB, 1) == b"a"
    staged.write_at(MIB, pages(NOISE[:MIB]), passing=True)
    staged.write_at(MIB + 10, b"b")

    assert len(direct) == 1
    expected = b"a" * MIB + NOISE[:10] + b"b" + NOISE[11:MIB] + b"a" * 100
    assert staged.read_at(0, 9 * MIB) == expected


def test_the_disk_takes_a_part(
    staged: StagedFile, direct: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that was cut short, even within a page, is continued where it stopped."""
    real = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: real(fd, memoryview(data)[: max(1, len(data) // 8192 * 4096)], at)
    )
    staged.write_at(0, pages(NOISE), passing=True)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: min(5000, real(fd, data, at)))
    staged.write_at(3 * MIB, pages(NOISE[: 256 * 1024]), passing=True)

    assert len(direct) == 2
    assert staged.read_at(0, 9 * MIB) == NOISE + NOISE[: 256 * 1024]


@pytest.mark.parametrize(
    "code, kind", [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageFailed)]
)
def test_a_disk_that_fails_is_told(
    staged: StagedFile, direct: list[tuple[int, int]], code: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full or broken in the middle: the caller learns it from this very write, and what was there is there."""
    staged.write_at(0, pages(NOISE[:MIB]), passing=True)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", failing(os.pwrite, code, MIB))
        with pytest.raises(kind):
            staged.write_at(MIB, pages(NOISE[:MIB]), passing=True)
    assert staged.read_at(0, 9 * MIB) == NOISE[:MIB]
    staged.write_at(MIB, pages(NOISE[MIB:]), passing=True)
    assert staged.read_at(0, 9 * MIB) == NOISE
    assert len(direct) == 2


def test_a_disk_that_refuses_gets_cached_writes(staged: StagedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system does not open files for direct writes, or takes none, everything arrives all the same."""
    real_open, real_pwrite = os.open, os.pwrite

    def refuse_open(path: str, flags: int, *more: int) -> int:
        if flags & getattr(os, "O_DIRECT", 0):
            raise OSError(errno.EINVAL, "no")
        return real_open(path, flags, *more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse_open)
        staged.write_at(0, pages(NOISE), passing=True)
    calls = iter([OSError(errno.EINVAL, "no")])

    def refuse_write(fd: int, data: bytes | memoryview, offset: int) -> int:
        for error in calls:
            raise error
        return real_pwrite(fd, data, offset)

    monkeypatch.setattr(staged, "_direct", None)
    monkeypatch.setattr(os, "pwrite", refuse_write)
    staged.write_at(3 * MIB, pages(NOISE), passing=True)

    assert staged.read_at(0, 9 * MIB) == NOISE + NOISE


def test_a_slow_disk_gets_cached_writes(
    staged: StagedFile, direct: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where copying is not what takes the time, the kernel may order and keep what is written, from a few pieces on."""
    monkeypatch.setattr(tree_direct, "SLOWEST_BYTES_PER_S", 1 << 60)
    for number in range(8):
        staged.write_at(number * MIB, pages(NOISE[:MIB]), passing=True)

    assert len(direct) == 4
    assert staged.read_at(0, 9 * MIB) == NOISE[:MIB] * 8


def test_no_handle_is_left_open(staged: StagedFile, direct: list[tuple[int, int]]) -> None:
    """Closing lets go of both handles, also when done twice; a closed file takes nothing more."""
    before = len(os.listdir("/proc/self/fd"))
    staged.write_at(0, pages(NOISE), passing=True)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    staged.close()
    staged.close()

    assert len(os.listdir("/proc/self/fd")) == before - 1
    with pytest.raises(StorageFailed):
        staged.write_at(0, pages(NOISE), passing=True)


def test_other_file_systems_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where direct and cached writes are known to agree is anything written directly."""
    monkeypatch.setattr("homestow.server.adapters.disk_calls.file_system_type", lambda fd: 0x6969)
    with (tmp_path / "f").open("wb") as file:
        writer = tree_direct.DirectWriter(file.fileno())
        assert writer.write(pages(NOISE), 0) == 0
        writer.close()
