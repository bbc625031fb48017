"""verify finds every kind of damage, and repair never removes what a row needs (P13)."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.keeping_world import House, open_house
from tests.unit.outside_world import SECOND

from homestow.server.service.admin import OPERATOR
from homestow.server.service.verify import Wrong
from homestow.values.errors import Busy, ContentMissing


@pytest.fixture
def house(empty: Path, tmp_path: Path) -> Iterator[House]:
    """A root with files of both kinds, versions, and a trash with a file and a folder."""
    with open_house(empty, tmp_path) as house:
        house.write("old/adopted", "from before")
        house.rescan()
        house.put("a.txt", b"one")
        house.put("a.txt", b"the second content")
        house.put("d/b.bin", bytes(range(256)) * 300)
        house.put("d/e/c.txt", b"deep")
        house.put("gone.txt", b"deleted")
        house.put("dir/gone2.txt", b"deleted with its folder")
        house.delete("gone.txt")
        house.delete("dir")
        house.clock.ns += 5 * SECOND
        yield house


def found(house: House, quick: bool = False) -> dict[Wrong, int]:
    return dict(house.keeping.verify.run(quick).counts)


def kept_files(house: House) -> list[Path]:
    return sorted(path for path in (house.folder / ".homestow" / "kept").rglob("*") if path.is_file())


def flip(path: Path, at: int) -> None:
    """One bit, with the file's time put back, as a bad disk does it."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << (at % 8)
    path.chmod(0o600)
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_a_sound_store_is_in_order(house: House) -> None:
    """Nothing is found, everything with a digest was read, and nothing was changed by looking."""
    before = house.catalogue.last()
    report = house.keeping.verify.run()

    assert report.problems == []
    assert (report.files, report.compared) == (7, 6)
    assert report.lines()[-1].endswith("everything is in order.")
    assert house.catalogue.last() == before


@pytest.mark.parametrize("seed", range(20))
def test_every_flipped_bit_is_found(house: House, seed: int) -> None:
    """One bit anywhere in content with a digest, live or kept: exactly that one is told as damaged."""
    chance = random.Random(seed)
    files = [house.folder / name for name in ("a.txt", "d/b.bin", "d/e/c.txt")] + kept_files(house)
    assert len(files) == 6
    flip(chance.choice(files), chance.randrange(100_000))

    assert found(house) == {Wrong.DAMAGED: 1}
    assert found(house, quick=True) == {}


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("harm", ["cut", "lost", "grown"])
def test_every_lost_or_cut_content_is_found(house: House, number: int, harm: str) -> None:
    """Missing, shorter and longer contents are told, also without reading bytes."""
    files = [house.folder / name for name in ("a.txt", "d/b.bin", "d/e/c.txt")] + kept_files(house)
    path = files[number]
    path.chmod(0o600)
    if harm == "lost":
        path.unlink()
    elif harm == "cut":
        os.truncate(path, 1)
    else:
        path.write_bytes(path.read_bytes() + b"x")

    expected = {Wrong.MISSING: 1} if harm == "lost" else {Wrong.SIZE: 1}
    assert found(house, quick=True) == expected


STRAYS: dict[str, Callable[[House], object]] = {
    "in the tree": lambda house: house.write("d/unknown"),
    "kept": lambda house: (house.folder / ".homestow" / "kept" / "0123abcd").write_bytes(b"x"),
    "staged": lambda house: (house.folder / ".homestow" / "staging" / "0123abcd").write_bytes(b"x"),
}


@pytest.mark.parametrize("where", STRAYS)
def test_strays_are_found(house: House, where: str) -> None:
    """What no row knows is told; a staging file only when nobody wrote to it for an hour."""
    STRAYS[where](house)
    house.clock.ns += 2 * 3600 * SECOND

    assert found(house) == {Wrong.STRAY: 1}


def test_an_unregistered_edit_is_told_apart_from_damage(house: House) -> None:
    """Other bytes with another time: somebody edited it, and the next comparison registers it."""
    path = house.folder / "d/e/c.txt"
    path.write_bytes(b"DEEP")
    assert found(house) == {Wrong.CHANGED: 1}
    house.age("d/e/c.txt", 3)
    house.rescan()
    assert found(house) == {}


def test_rows_that_do_not_fit_are_found(house: House) -> None:
    """Counters and change numbers are held against what they count."""
    row = house.tree()["a.txt"]
    with house.catalogue.write() as rows:
        rows.charge(house.root, live=5)
        rows.bump([(row.id, house.catalogue.last() + 100)])

    assert found(house) == {Wrong.ROW: 2}


def test_a_damaged_database_is_told(house: House) -> None:
    """A page of rubbish in the middle of the file."""
    house.copies._database.reader().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = house.data / "homestow.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(2, size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 64)
    report = house.keeping.verify.run()

    assert report.counts[Wrong.DATABASE] > 0
    assert "restore a backup" in report.lines()[0]


def test_repair_adopts_and_drops_and_then_all_is_in_order(house: House) -> None:
    """Strays become nodes or come into the trash, what has no content is not claimed, and no content is removed."""
    house.write("d/unknown", "stray")
    (house.folder / ".homestow" / "kept" / "0123abcd").write_bytes(b"precious")
    (house.folder / "a.txt").unlink()
    version = house.catalogue.versions(house.tree()["a.txt"].id)[0]
    (house.folder / ".homestow" / "kept" / version.kept).unlink()
    with house.catalogue.write() as rows:
        rows.charge(house.root, live=5)
    contents = {path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}

    report = house.keeping.verify.repair()

    assert report.problems == []
    assert report.done
    assert "d/unknown" in house.tree()
    assert "a.txt" not in house.tree()
    assert {path.read_bytes() for path in house.folder.rglob("*") if path.is_file()} == contents
    [adopted] = [item for item in house.core.trashcan.trash(OPERATOR, house.root)[0] if "found" in item.node.name]
    back = house.core.trashcan.restore(OPERATOR, adopted.node.id)
    assert (house.folder / back.name).read_bytes() == b"precious"
    assert house.keeping.verify.repair().done == []


def test_repair_leaves_damaged_content_alone(house: House) -> None:
    """There may be a good copy on a client or in a backup; a new version of rubbish would bury it."""
    flip(house.folder / "d/b.bin", 7)
    row = house.tree()["d/b.bin"]
    ctime_ns = (house.folder / "d/b.bin").stat().st_ctime_ns  # a disk that rots does not set it
    with house.catalogue.write() as rows:
        rows.set_seen(row.id, row.mtime_ns, row.seen._replace(ctime_ns=ctime_ns), None)
    report = house.keeping.verify.repair()

    assert dict(report.counts) == {Wrong.DAMAGED: 1}
    assert house.tree()["d/b.bin"].digest == row.digest


def test_a_lost_catalogue_is_rebuilt_from_the_files(empty: Path, tmp_path: Path) -> None:
    """A new database beside the old files: every byte is there again, and nobody sees it before the owner says so."""
    with open_house(empty, tmp_path) as house:
        own = house.roots.own(house.accounts.named("anna"))
        (Path(own.folder) / "d").mkdir()
        (Path(own.folder) / "d" / "a.txt").write_text("precious")
        house.outside.rescan(own.id)
    for path in (tmp_path / "data").glob("homestow.db*"):
        path.unlink()
    with open_house(empty, tmp_path) as house:
        report = house.keeping.verify.repair()
        assert report.sound
        root = house.roots.named("anna")
        assert house.account_rows.members(root.id) == []
        assert house.core.files.resolve(OPERATOR, root.id, ["d", "a.txt"]).size == 8


def test_a_check_ends_when_the_server_stops(house: House) -> None:
    """It says so instead of telling of damage; asked again later it goes through."""
    house.put("a", b"1")
    house.outside.stopping.ask()
    for check in (house.keeping.verify.run, house.keeping.verify.repair):
        with pytest.raises(Busy):
            check()
    house.outside.stopping.reset()
    assert house.keeping.verify.run().sound


def test_repairing_is_the_owners_word_on_what_is_missing(house: House) -> None:
    """The brake on deletions does not hold what somebody set out to put right."""
    for number in range(30):
        house.write(f"away/f{number}")
    house.rescan()
    house.remove("away")
    assert house.rescan().held == 30
    assert house.keeping.verify.run().counts[Wrong.MISSING] == 31
    assert house.keeping.verify.repair().sound
    assert not [path for path in house.tree() if path.startswith("away")]


def test_what_is_missing_or_being_written_is_told_so(house: House) -> None:
    """A reader learns that the disk lost a file whose deletion is held, and to come back for one that is being written."""
    for number in range(30):
        house.write(f"f{number}")
    house.rescan()
    rows = house.tree()
    for number in range(20):
        house.remove(f"f{number}")
    house.write("f29", "growing", age_s=0)
    house.rescan()

    with pytest.raises(ContentMissing):
        house.core.contents.open(rows["f0"])
    with pytest.raises(Busy) as busy:
        house.core.contents.open(rows["f29"])
    assert busy.value.facts["retry_after_s"] == 2
    house.clock.ns += 2 * SECOND
    opened = house.core.contents.open(rows["f29"])
    assert (opened.rev, opened.size) == (2, len("growing"))
    opened.close()
