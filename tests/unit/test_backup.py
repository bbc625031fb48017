"""A backup made beside a working server restores to one instant, into a new life of the store (P14)."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.keeping_world import House, open_house
from tests.unit.outside_world import SECOND, open_tree

from homestow.server.adapters.catalogue_sql.copies import SqlCopies
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.ports.copies import Copy
from homestow.server.service.admin import OPERATOR
from homestow.server.service.restore import Restored, restore
from homestow.values.errors import BadRequest, Busy, LoginNeeded, StorageFailed
from homestow.values.ids import Epoch

KEY = b"a key of the owner"


@pytest.fixture
def house(empty: Path, tmp_path: Path) -> Iterator[House]:
    with open_house(empty, tmp_path / "one") as house:
        house.write("old/adopted", "from before")
        (house.folder / "empty").mkdir()
        house.rescan()
        house.put("a.txt", b"one")
        house.put("a.txt", b"the second content")
        house.put("d/e/c.txt", b"deep")
        house.put("gone.txt", b"deleted")
        house.put("dir/in/gone2.txt", b"deleted with its folder")
        house.delete("gone.txt")
        house.delete("dir")
        house.clock.ns += 5 * SECOND
        yield house


def renew(copy: Copy) -> None:
    with copy.catalogue.write() as rows:
        rows.renew_epoch(Epoch("f" * 32))


def bring_back(source: Path, data: Path, key: bytes | None = None) -> Restored:
    data.mkdir(parents=True, exist_ok=True)
    (data / "lock").touch()
    nothing = Database.open(None)
    try:
        return restore(source, data, SqlCopies(nothing), open_tree, key, renew)
    finally:
        nothing.close()


def contents(house: House) -> dict[str, bytes]:
    """Every file people see."""
    folder = Path(house.roots.named("tree").folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".homestow" not in path.parts
    }


def test_a_restored_backup_is_the_store_of_that_instant(house: House, empty: Path, tmp_path: Path) -> None:
    """Tree, versions and trash are there, verify is clean, the epoch is another, and nothing later is in it."""
    before = contents(house)
    token = house.accounts.log_in("anna", "correct horse", "stolen phone", "").token
    done = house.keeping.backup.run(tmp_path / "backup")
    house.put("later.txt", b"after the backup")
    house.put("a.txt", b"third")
    epoch = house.catalogue.epoch()

    restored = bring_back(tmp_path / "backup", tmp_path / "two" / "data")

    assert (done.files, done.missing, restored.files, restored.missing) == (6, [], 6, [])
    with open_house(empty, tmp_path / "two") as again:
        assert contents(again) == before
        assert again.rescan().changes == 0
        assert (Path(again.roots.named("tree").folder) / "empty").is_dir()
        report = again.keeping.verify.run()
        assert (report.problems, report.compared) == ([], 5)
        assert again.catalogue.epoch() != epoch
        a = again.tree()["a.txt"]
        assert [version.rev for version in again.catalogue.versions(a.id)] == [1]
        back = again.core.trashcan.restore_version(OPERATOR, a.id, 1)
        assert contents(again)["a.txt"] == b"one"
        assert back.rev == 3
        for item in again.core.trashcan.trash(OPERATOR, again.root)[0]:
            again.core.trashcan.restore(OPERATOR, item.node.id)
        assert contents(again)["dir/in/gone2.txt"] == b"deleted with its folder"
        assert contents(again)["gone.txt"] == b"deleted"
        with pytest.raises(LoginNeeded):
            again.accounts.check(token)
        assert again.accounts.log_in("anna", "correct horse", "phone", "").token


def test_repeating_copies_only_what_is_new(house: House, tmp_path: Path) -> None:
    """Contents are there once; both backups are whole."""
    first = house.keeping.backup.run(tmp_path / "backup")
    house.put("new.txt", b"new")
    house.clock.ns += 5 * SECOND
    second = house.keeping.backup.run(tmp_path / "backup")

    assert (first.copied, second.copied, second.files) == (6, 1, 7)
    assert first.target != second.target
    assert bring_back(first.target, tmp_path / "two" / "data").files == 6
    assert bring_back(second.target, tmp_path / "three" / "data").files == 7


def test_a_backup_under_load_is_of_one_instant(empty: Path, tmp_path: Path) -> None:
    """While files change and go, every backup restores clean, without anything missing (files come and go in pairs)."""
    with open_house(empty, tmp_path / "one") as house:
        stop = threading.Event()
        errors: list[BaseException] = []

        def write() -> None:
            number = 0
            try:
                while not stop.is_set():
                    number += 1
                    house.put("a", f"a {number}".encode() * 50)
                    house.put("b", f"b {number}".encode() * 50)
                    if number % 5 == 0:
                        house.delete("b")
            except BaseException as error:
                errors.append(error)
                raise

        writer = threading.Thread(target=write)
        writer.start()
        try:
            made = [house.keeping.backup.run(tmp_path / "backup") for _ in range(4)]
        finally:
            stop.set()
            writer.join()
        assert errors == []
        assert all(done.missing == [] for done in made)
    for number, done in enumerate(made):
        place = tmp_path / f"restored{number}"
        bring_back(done.target, place / "data")
        with open_house(empty, place) as again:
            assert again.keeping.verify.run().problems == []


def test_damage_and_forgery_are_refused(house: House, tmp_path: Path) -> None:
    """S107: a changed content, list or database is told, and no store comes of it; so is a list without its seal."""
    house.keeping.backup._key = KEY
    done = house.keeping.backup.run(tmp_path / "backup")
    assert bring_back(done.target, tmp_path / "good" / "data", KEY).files == 6

    listing = done.target / "contents.json"
    body = listing.read_bytes()
    listing.write_bytes(body.replace(b'"format":1', b'"format": 1'))
    with pytest.raises(StorageFailed, match="the seal is not that"):
        bring_back(done.target, tmp_path / "forged" / "data", KEY)
    listing.write_bytes(body)
    (done.target / "seal").unlink()
    with pytest.raises(StorageFailed, match="the seal is not that"):
        bring_back(done.target, tmp_path / "unsealed" / "data", KEY)

    digest = json.loads(body)["items"][0][4]
    content = tmp_path / "backup" / "contents" / digest[:2] / digest
    data = bytearray(content.read_bytes())
    data[0] ^= 1
    content.write_bytes(data)
    with pytest.raises(StorageFailed, match="not what its name says"):
        bring_back(done.target, tmp_path / "flipped" / "data")
    assert not (tmp_path / "flipped" / "data" / "homestow.db").exists()

    with (done.target / "homestow.db").open("ab") as file:
        file.write(b"x")
    with pytest.raises(StorageFailed, match="is not the database this backup was made with"):
        bring_back(done.target, tmp_path / "exchanged" / "data")


def test_a_restore_never_overwrites(house: House, tmp_path: Path) -> None:
    """A data folder in use is named with the way out, and stays as it is."""
    done = house.keeping.backup.run(tmp_path / "backup")
    data = tmp_path / "two" / "data"
    bring_back(done.target, data)
    with pytest.raises(BadRequest, match=f"mv {data} {data}.before"):
        restore(done.target, data, house.copies, open_tree, None, renew)
    with pytest.raises(BadRequest, match="There is no backup in"):
        bring_back(tmp_path / "nothing", tmp_path / "three" / "data")


def test_backups_are_private_and_lie_beside(house: House, tmp_path: Path) -> None:
    """S12: only the owner reads them; a target inside of what is backed up is refused."""
    done = house.keeping.backup.run(tmp_path / "backup")
    for folder, _, names in os.walk(tmp_path / "backup"):
        assert os.stat(folder).st_mode & 0o077 == 0
        assert all(os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0 for name in names)
    assert sorted(os.listdir(done.target)) == ["contents.json", "homestow.db"]
    for inside in (house.folder / "backup", house.data / "backup"):
        with pytest.raises(BadRequest, match="make backups beside"):
            house.keeping.backup.run(inside)


def test_what_vanished_from_outside_is_told(house: House, tmp_path: Path) -> None:
    """A file that is being written to has no settled content: the rest is backed up and this one is named."""
    house.write("old/adopted", "changing right now", age_s=0)
    done = house.keeping.backup.run(tmp_path / "backup")

    assert done.files == 5
    assert len(done.missing) == 1
    assert "adopted" in done.missing[0]


def test_an_unfinished_backup_leaves_the_earlier_ones(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure in the middle is an error, and what was there can be restored."""
    first = house.keeping.backup.run(tmp_path / "backup")
    house.put("new.txt", b"new")

    def fails(path: Path) -> None:
        raise StorageFailed("The disk says: no.")

    monkeypatch.setattr(house.copies, "copy_to", fails)
    with pytest.raises(StorageFailed):
        house.keeping.backup.run(tmp_path / "backup")
    assert bring_back(tmp_path / "backup", tmp_path / "two" / "data").files == first.files


def test_links_come_back_as_links(house: House, empty: Path, tmp_path: Path) -> None:
    """Those people see and those in the trash, with targets that are no text; none is followed, none gets a copy."""
    odd = b"../\xff"
    for name in ("kept link", "linked/inside"):
        (house.folder / name).parent.mkdir(exist_ok=True)
        os.symlink("/etc/passwd", house.folder / name)
    os.symlink(odd, os.fsencode(house.folder / "d" / "live"))
    house.rescan()
    house.delete("kept link")
    house.delete("linked")
    done = house.keeping.backup.run(tmp_path / "backup")

    restored = bring_back(tmp_path / "backup", tmp_path / "two" / "data")

    assert (done.missing, restored.missing) == ([], [])
    with open_house(empty, tmp_path / "two") as again:
        folder = Path(again.roots.named("tree").folder)
        assert os.readlink(os.fsencode(folder / "d" / "live")) == odd
        assert again.rescan().changes == 0
        assert again.keeping.verify.run().problems == []
        for item in again.core.trashcan.trash(OPERATOR, again.root)[0]:
            again.core.trashcan.restore(OPERATOR, item.node.id)
        assert os.readlink(folder / "kept link") == "/etc/passwd"
        assert os.readlink(folder / "linked" / "inside") == "/etc/passwd"


def test_a_backup_ends_when_the_server_stops(house: House, tmp_path: Path) -> None:
    """In the middle too, and nothing that looks like a backup is left."""
    house.outside.stopping.ask()
    with pytest.raises(Busy):
        house.keeping.backup.run(tmp_path / "backup")
    assert not list((tmp_path / "backup").glob("backups/[0-9]*"))
