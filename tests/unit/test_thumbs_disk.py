"""The cache of thumbnails and those that clients sent, on disk."""

import os
from collections.abc import Collection
from pathlib import Path

import pytest

from homestow.server.adapters.thumbs_disk import DiskThumbs
from homestow.server.adapters.thumbs_sent import DiskSentThumbs
from homestow.server.ports.media import MOST_SENT_BYTES
from homestow.values.errors import Busy, TooLarge, WrongOffset
from homestow.values.ids import NodeId

EPOCH = "0123456789abcdef0123456789abcdef"
ONE, TWO = NodeId(1), NodeId(0x101)
Keys = Collection[tuple[NodeId, int]]


def nothing(keys: Keys) -> Keys:
    return []


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def test_what_was_put_is_there_whole(tmp_path: Path) -> None:
    """By node, rev and size; also for one that opens the folder later, and at hand."""
    cache = DiskThumbs(tmp_path / "thumbs", EPOCH, 1 << 20)
    cache.put(ONE, 1, {100: b"small", 800: b"large"})
    later = DiskThumbs(tmp_path / "thumbs", EPOCH, 1 << 20)

    for each in (cache, later):
        assert (each.get(ONE, 1, 100), each.get(ONE, 1, 800)) == (b"small", b"large")
        assert each.get(ONE, 1, 100, at_hand=True) in (b"small", None)
        assert each.get(ONE, 2, 100) is each.get(TWO, 1, 100) is None
        assert (each.has(ONE, 1, 100), each.has(ONE, 2, 100)) == (True, False)


def test_another_life_of_the_store_has_other_thumbnails(tmp_path: Path) -> None:
    """Node ids of a restored store may mean other files."""
    DiskThumbs(tmp_path, EPOCH, 1 << 20).put(ONE, 1, {100: b"old"})
    new = DiskThumbs(tmp_path, "f" * 32, 1 << 20)

    assert new.get(ONE, 1, 100) is None
    new.tidy(nothing)
    assert files(tmp_path) == []


def test_other_things_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    """Somebody may choose a folder that holds more than thumbnails, in folders of whatever names."""
    others = [
        tmp_path / name for name in ("20240101/a.jpg", "deadbeef/00/1-1-100", "00/1-1-100", "homestow-thumbs-mine")
    ]
    mine = [
        *others,
        tmp_path / "homestow-thumbs-ffffffff" / "00" / "notes.txt",
        tmp_path / f"homestow-thumbs-{EPOCH[:8]}" / "x",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
        os.utime(path, (1, 1))
    cache = DiskThumbs(tmp_path, EPOCH, 0)
    cache.put(ONE, 1, {100: b"small"})
    cache.tidy(lambda keys: keys)

    assert files(tmp_path) == sorted(mine)


def test_deleting_by_hand_takes_only_time(tmp_path: Path) -> None:
    """A file, a folder, everything: it is made again."""
    cache = DiskThumbs(tmp_path / "thumbs", EPOCH, 1 << 20)
    for _ in range(2):
        cache.put(ONE, 1, {100: b"small"})
        assert cache.get(ONE, 1, 100) == b"small"
        for path in sorted((tmp_path / "thumbs").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (tmp_path / "thumbs").rmdir()
        assert cache.get(ONE, 1, 100) is None
        cache.tidy(nothing)


@pytest.mark.parametrize("left", [b"", b"sma", b"\0" * 17, b"small" + b"\0" * 12])
def test_what_a_power_cut_left_counts_as_missing(tmp_path: Path, left: bytes) -> None:
    """Nothing cut off or empty is ever given."""
    cache = DiskThumbs(tmp_path, EPOCH, 1 << 20)
    cache.put(ONE, 1, {100: b"small"})
    (path,) = files(tmp_path)
    path.write_bytes(left)

    assert cache.get(ONE, 1, 100) is None
    cache.put(ONE, 1, {100: b"small"})
    assert cache.get(ONE, 1, 100) == b"small"


def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    """Over the budget; what was asked for lately stays."""
    cache = DiskThumbs(tmp_path, EPOCH, 20_000)
    cache.tidy(nothing)
    for number in range(1, 11):
        cache.put(NodeId(number), 1, {100: bytes(1500)})
        os.utime(next(path for path in files(tmp_path) if path.name == f"{number}-1-100"), (number, number))
    assert cache.get(NodeId(1), 1, 100) is not None  # now it was asked for last
    assert 0.7 < cache.fill() < 0.8
    for number in range(11, 15):
        cache.put(NodeId(number), 1, {100: bytes(1500)})

    kept = [number for number in range(1, 15) if cache.has(NodeId(number), 1, 100)]
    assert kept[0] == 1
    assert kept[1:] == list(range(kept[1], 15))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 20_000


def test_tidying_removes_the_dead(tmp_path: Path) -> None:
    """What the catalogue says is of no use, and what a write left behind an hour ago."""
    cache = DiskThumbs(tmp_path, EPOCH, 1 << 20)
    cache.put(ONE, 1, {100: b"old", 800: b"old"})
    cache.put(ONE, 2, {100: b"new"})
    left = files(tmp_path)[0].parent / ".new-1-1"
    left.write_bytes(b"x")
    os.utime(left, (1, 1))

    cache.tidy(lambda keys: [key for key in keys if key == (ONE, 1)])
    assert [path.name for path in files(tmp_path)] == ["1-2-100"]


def test_a_disk_that_cannot_be_written_is_borne(tmp_path: Path) -> None:
    """There is no cache then, and no error."""
    (tmp_path / "thumbs").write_bytes(b"in the way")
    cache = DiskThumbs(tmp_path / "thumbs", EPOCH, 1 << 20)
    cache.put(ONE, 1, {100: b"small"})

    assert cache.get(ONE, 1, 100) is None
    cache.tidy(nothing)


# --- sent by clients ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(tmp_path: Path) -> DiskSentThumbs:
    """A folder that is not there yet."""
    return DiskSentThumbs(tmp_path / "sent")


def send(sent: DiskSentThumbs, offset: int, *pieces: bytes, level: int = 0) -> int:
    sink = sent.append(ONE, level, offset)
    for piece in pieces:
        sink.write(piece)
    return sink.finish()


def content(sent: DiskSentThumbs, level: int = 0) -> bytes | None:
    file = sent.open(ONE, level)
    if file is None:
        return None
    with file:
        return file.read()


def test_sent_in_pieces(sent: DiskSentThumbs) -> None:
    """Each goes on where the last ended, over restarts; the levels are apart."""
    assert (sent.size(ONE, 0), content(sent), sent.nodes()) == (0, None, [])
    assert send(sent, 0, b"abc", b"def") == 6
    again = DiskSentThumbs(sent._folder)
    assert again.size(ONE, 0) == 6
    assert send(again, 6, b"ghi") == 9
    send(again, 0, b"other", level=1)

    assert (content(again), content(again, 1)) == (b"abcdefghi", b"other")
    assert again.nodes() == [ONE]


def test_what_broke_off_counts(sent: DiskSentThumbs) -> None:
    """An aborted piece stays as far as it came."""
    sink = sent.append(ONE, 0, 0)
    sink.write(b"abc")
    sink.abort()
    sink.abort()

    assert sent.size(ONE, 0) == 3


def test_below_truncates_above_is_refused(sent: DiskSentThumbs) -> None:
    """Without harm, and with the right offset told."""
    send(sent, 0, b"abcdef")
    with pytest.raises(WrongOffset) as refused:
        sent.append(ONE, 0, 7)
    assert refused.value.facts["expected"] == 6
    assert content(sent) == b"abcdef"
    assert send(sent, 2, b"X") == 3
    assert content(sent) == b"abX"
    with pytest.raises(WrongOffset):
        sent.append(TWO, 0, 1)
    assert sent.nodes() == [ONE]


def test_one_piece_at_a_time(sent: DiskSentThumbs) -> None:
    """A second connection is told to wait, and cuts nothing off."""
    sink = sent.append(ONE, 0, 0)
    sink.write(b"abc")
    with pytest.raises(Busy):
        sent.append(ONE, 0, 0)
    assert sink.finish() == 3
    assert send(sent, 3, b"d") == 4


def test_a_thumbnail_is_no_film(sent: DiskSentThumbs) -> None:
    """What is larger than any thumbnail is refused."""
    sink = sent.append(ONE, 0, 0)
    sink.write(bytes(MOST_SENT_BYTES))
    with pytest.raises(TooLarge):
        sink.write(b"x")
    assert sink.finish() == MOST_SENT_BYTES


def test_dropped_is_gone(sent: DiskSentThumbs) -> None:
    """Both levels; again is harmless."""
    send(sent, 0, b"a")
    send(sent, 0, b"b", level=1)
    sent.drop(ONE)
    sent.drop(ONE)

    assert (content(sent), content(sent, 1), sent.nodes()) == (None, None, [])
