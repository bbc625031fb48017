"""Thumbnails that clients sent are in a backup, and back where they were after a restore."""

from pathlib import Path

import pytest
from tests.unit.keeping_world import House

from homestow.server.adapters.thumbs_sent import DiskSentThumbs
from homestow.server.service.backup import Backup
from homestow.server.service.backup_folder import Contents, Sent, read_listing
from homestow.server.service.backup_pruning import prune
from homestow.server.service.backup_sent import FOLDER, put_back_sent
from homestow.values.errors import StorageFailed
from homestow.values.ids import NodeId


def backup(house: House) -> Backup:
    return Backup(
        house.catalogue, house.roots, house.committer, house.outside, house.copies, house.clock, None, house.data
    )


def sent(house: House) -> DiskSentThumbs:
    thumbs = DiskSentThumbs(house.data / FOLDER)
    for level, body in enumerate((b"small", b"large" * 1000)):
        sink = thumbs.append(NodeId(777), level, 0)
        sink.write(body)
        sink.finish()
    (house.data / FOLDER / "09" / "not one").write_bytes(b"?")
    return thumbs


def body(thumbs: DiskSentThumbs, node: int, level: int) -> bytes | None:
    file = thumbs.open(NodeId(node), level)
    if file is None:
        return None
    with file:
        return file.read()


def test_there_and_back(house: House, tmp_path: Path) -> None:
    """By name and byte; what is no thumbnail is left alone; a second backup copies nothing again."""
    sent(house)
    target = tmp_path / "backup"
    first = backup(house).run(target)
    assert first.missing == []
    assert backup(house).run(target).copied == 0
    listing = read_listing(first.target, None)
    assert [one.name for one in listing.sent] == ["777-0", "777-1"]
    data = tmp_path / "new"
    data.mkdir()
    assert put_back_sent(data, Contents(target / "contents"), listing.sent) == []
    back = DiskSentThumbs(data / FOLDER)
    assert back.nodes() == [777]
    assert (body(back, 777, 0), body(back, 777, 1)) == (b"small", b"large" * 1000)


def test_thumbnails_of_another_life_are_not_mistaken(house: House, tmp_path: Path) -> None:
    """What lies there from before belonged to other nodes of the same numbers; it is moved aside, not removed."""
    sent(house)
    target = tmp_path / "backup"
    done = backup(house).run(target)
    data = tmp_path / "new"
    data.mkdir()
    sink = DiskSentThumbs(data / FOLDER).append(NodeId(9), 0, 0)
    sink.write(b"of somebody else")
    sink.finish()
    put_back_sent(data, Contents(target / "contents"), read_listing(done.target, None).sent)
    assert DiskSentThumbs(data / FOLDER).nodes() == [777]
    assert body(DiskSentThumbs(data / f"{FOLDER}.before"), 9, 0) == b"of somebody else"


def test_damage_is_told(house: House, tmp_path: Path) -> None:
    """A changed one is named and left out; a name that leads elsewhere is refused."""
    sent(house)
    target = tmp_path / "backup"
    done = backup(house).run(target)
    listing = read_listing(done.target, None)
    small = listing.sent[0]
    (target / "contents" / small.digest[:2] / small.digest).write_bytes(b"other")
    data = tmp_path / "new"
    data.mkdir()
    (line,) = put_back_sent(data, Contents(target / "contents"), listing.sent)
    assert "777-0" in line
    assert body(DiskSentThumbs(data / FOLDER), 777, 0) is None
    with pytest.raises(StorageFailed, match="damaged"):
        put_back_sent(data, Contents(target / "contents"), [Sent("../x", 5, listing.sent[1].digest)])


def test_pruning_keeps_them(house: House, tmp_path: Path) -> None:
    """What only a kept backup's thumbnails need stays; what only a removed one needed goes."""
    thumbs = sent(house)
    target = tmp_path / "backup"
    backup(house).run(target)
    house.clock.ns += 10**12
    small, large = read_listing(next((target / "backups").iterdir()), None).sent
    thumbs.drop(NodeId(777))
    sink = thumbs.append(NodeId(777), 1, 0)
    sink.write(b"large" * 1000)
    sink.finish()
    second = backup(house).run(target)
    prune(target, second.target, house.catalogue.epoch(), 1)
    assert not Contents(target / "contents").has(small.digest, small.size)
    assert Contents(target / "contents").has(large.digest, large.size)
