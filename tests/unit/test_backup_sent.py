"""Thumbnails that clients sent are in a backup, and back where they were after a restore."""

from pathlib import Path

import pytest
from tests.unit.keeping_world import House

from homestow.server.service.backup import Backup
from homestow.server.service.backup_folder import Contents, Sent, read_listing
from homestow.server.service.backup_pruning import prune
from homestow.server.service.backup_sent import FOLDER, put_back_sent
from homestow.values.errors import StorageFailed


def backup(house: House) -> Backup:
    return Backup(
        house.catalogue, house.roots, house.committer, house.outside, house.copies, house.clock, None, house.data
    )


def sent(house: House) -> Path:
    folder = house.data / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / "7-0").write_bytes(b"small")
    (folder / "7-1").write_bytes(b"large" * 1000)
    (folder / "not one").write_bytes(b"?")
    return folder


def test_there_and_back(house: House, tmp_path: Path) -> None:
    """By name and byte; what is no thumbnail is left alone; a second backup copies nothing again."""
    sent(house)
    target = tmp_path / "backup"
    first = backup(house).run(target)
    assert first.missing == []
    assert backup(house).run(target).copied == 0
    listing = read_listing(first.target, None)
    assert [one.name for one in listing.sent] == ["7-0", "7-1"]
    data = tmp_path / "new"
    data.mkdir()
    assert put_back_sent(data, Contents(target / "contents"), listing.sent) == []
    assert {path.name: path.read_bytes() for path in (data / FOLDER).iterdir()} == {
        "7-0": b"small",
        "7-1": b"large" * 1000,
    }


def test_thumbnails_of_another_life_are_not_mistaken(house: House, tmp_path: Path) -> None:
    """What lies there from before belonged to other nodes of the same numbers; it is moved aside, not removed."""
    sent(house)
    target = tmp_path / "backup"
    done = backup(house).run(target)
    data = tmp_path / "new"
    (data / FOLDER).mkdir(parents=True)
    (data / FOLDER / "9-0").write_bytes(b"of somebody else")
    put_back_sent(data, Contents(target / "contents"), read_listing(done.target, None).sent)
    assert not (data / FOLDER / "9-0").exists()
    assert (data / f"{FOLDER}.before" / "9-0").read_bytes() == b"of somebody else"


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
    assert "7-0" in line
    assert not (data / FOLDER / "7-0").exists()
    with pytest.raises(StorageFailed, match="damaged"):
        put_back_sent(data, Contents(target / "contents"), [Sent("../x", 5, listing.sent[1].digest)])


def test_pruning_keeps_them(house: House, tmp_path: Path) -> None:
    """What only a kept backup's thumbnails need stays; what only a removed one needed goes."""
    folder = sent(house)
    target = tmp_path / "backup"
    backup(house).run(target)
    house.clock.ns += 10**12
    (folder / "7-0").unlink()
    second = backup(house).run(target)
    small, large = read_listing(sorted((target / "backups").iterdir())[0], None).sent
    prune(target, second.target, house.catalogue.epoch(), 1)
    assert not Contents(target / "contents").has(small.digest, small.size)
    assert Contents(target / "contents").has(large.digest, large.size)
