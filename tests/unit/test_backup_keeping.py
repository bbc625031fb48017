"""Settings in backups, and old backups that are removed: what stays can be restored (P14)."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.keeping_world import House, open_house
from tests.unit.outside_world import SECOND
from tests.unit.test_backup import bring_back

from homestow.server.service.admin import OPERATOR
from homestow.server.service.backup import Done
from homestow.server.service.backup_settings import without_key
from homestow.values.errors import BadRequest, Busy, ContentMissing, StorageFailed
from homestow.values.ids import Epoch


@pytest.fixture
def house(empty: Path, tmp_path: Path) -> Iterator[House]:
    with open_house(empty, tmp_path / "one") as house:
        house.put("same.txt", b"in every backup")
        yield house


def days(house: House, target: Path, count: int, keep: int | None = None) -> list[Done]:
    """A backup a day, each with a file that only it has."""
    made = []
    for number in range(count):
        house.clock.ns += 86_400 * SECOND
        name = f"{house.clock.ns}.txt"
        house.put(name, f"{number} of {name}".encode())
        made.append(house.keeping.backup.run(target, keep))
        house.delete(name)
        house.core.trashcan.empty_trash(OPERATOR, house.root)
    return made


def stored(target: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(target / "contents"))


class TestKeep:
    def test_the_newest_stay_and_can_be_restored(self, house: House, tmp_path: Path) -> None:
        """The others go, with the contents that only they needed."""
        target = tmp_path / "backup"
        days(house, target, 3)

        done = days(house, target, 1, keep=2)[0]

        left = sorted(os.listdir(target / "backups"))
        assert (len(left), left[-1]) == (2, done.target.name)
        assert len(done.pruned.removed) == 2
        assert done.pruned.size > 0
        assert stored(target) == 3
        for number, name in enumerate(left):
            assert bring_back(target / "backups" / name, tmp_path / str(number) / "data").missing == []

    def test_without_keep_all_stay(self, house: House, tmp_path: Path) -> None:
        """Nobody asked."""
        days(house, tmp_path / "backup", 3)

        assert len(os.listdir(tmp_path / "backup" / "backups")) == 3

    def test_none_is_no_number_to_keep(self, house: House, tmp_path: Path) -> None:
        """The one just made always stays."""
        with pytest.raises(BadRequest):
            house.keeping.backup.run(tmp_path / "backup", 0)
        assert not (tmp_path / "backup").exists()

    def test_with_a_clock_set_back_the_new_one_and_the_newest_stay(self, house: House, tmp_path: Path) -> None:
        """A restore without more words takes the newest by name."""
        target = tmp_path / "backup"
        before = days(house, target, 2)
        house.clock.ns -= 10 * 86_400 * SECOND

        done = days(house, target, 1, keep=1)[0]

        assert set(os.listdir(target / "backups")) == {done.target.name, before[-1].target.name}

    def test_those_of_another_store_stay(self, house: House, tmp_path: Path) -> None:
        """Two servers, or two lives of one, may use one folder; what the other needs stays too."""
        target = tmp_path / "backup"
        other = days(house, target, 1)[0]
        with house.catalogue.write() as rows:
            rows.renew_epoch(Epoch("e" * 32))

        days(house, target, 2, keep=1)

        assert other.target.is_dir()
        assert len(os.listdir(target / "backups")) == 2
        assert bring_back(other.target, tmp_path / "two" / "data").missing == []

    @pytest.mark.parametrize("odd", ["unfinished", "damaged"])
    def test_what_an_unfinished_or_damaged_one_may_need_stays(self, house: House, tmp_path: Path, odd: str) -> None:
        """Nobody knows its list, so no content is removed, and it is said."""
        target = tmp_path / "backup"
        first = days(house, target, 2)[0]
        if odd == "unfinished":
            strange = target / "backups" / ".20260101T000000Z.abcd"
            strange.mkdir()
        else:
            strange = first.target
            (strange / "contents.json").write_bytes(b"{")
        before = stored(target)

        done = days(house, target, 1, keep=1)[0]

        assert strange.is_dir()
        assert stored(target) == before + 1
        assert len(done.pruned.removed) == (2 if odd == "unfinished" else 1)
        assert "unfinished or damaged" in done.pruned.kept_back

    def test_one_that_lacks_something_removes_nothing(self, house: House, tmp_path: Path) -> None:
        """An older one may be the only one that has it."""
        target = tmp_path / "backup"
        days(house, target, 2)
        house.write("odd", "changing right now", age_s=60)
        house.rescan()
        house.write("odd", "changing right now!", age_s=0)

        done = house.keeping.backup.run(target, 1)

        assert done.missing
        assert done.pruned.removed == ()
        assert len(os.listdir(target / "backups")) == 3

    def test_a_removal_that_was_cut_off_is_completed(self, house: House, tmp_path: Path) -> None:
        """What it left is no backup any more, and goes with the next."""
        target = tmp_path / "backup"
        days(house, target, 2)
        (target / "backups" / ".removed-0123").mkdir()
        (target / "backups" / ".removed-0123" / "homestow.db").touch()

        done = days(house, target, 1, keep=1)[0]

        assert os.listdir(target / "backups") == [done.target.name]
        assert done.pruned.kept_back == ""

    def test_two_at_once_do_not_meet(self, house: House, tmp_path: Path) -> None:
        """The second is told to come back: a removal must not take what a backup under way relies on."""
        target = tmp_path / "backup"
        target.mkdir(mode=0o700)
        fd = os.open(target, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="Another backup"):
            house.keeping.backup.run(target)
        os.close(fd)

        house.keeping.backup.run(target)

    def test_the_order_says_what_it_removed(self, house: House, tmp_path: Path) -> None:
        """In words, and in data."""
        target = tmp_path / "backup"
        first = days(house, target, 1)[0]
        house.clock.ns += 86_400 * SECOND

        outcome = house.order("backup", target=str(target), keep=1)

        assert any(line.startswith("1 older backup removed; ") for line in outcome.lines)
        assert first.target.name.encode() in bytes(outcome.data)


class TestSettings:
    def test_they_come_back_where_there_are_none(self, house: House, tmp_path: Path) -> None:
        """With their comments, for the owner's eyes only, and without the key of the seal (S107)."""
        text = '# ours\nsignup = true\nbackup_key = "sixteen letters or more"\n#backup_key = "an older one of the same"\nquota = 5\n'
        (house.data / "homestow.toml").write_text(text)
        (house.data / "appConfigs.json").write_text("{}")
        done = house.keeping.backup.run(tmp_path / "backup")
        data = tmp_path / "two" / "data"

        restored = bring_back(tmp_path / "backup", data)

        assert restored.settings == ["homestow.toml", "appConfigs.json"]
        assert (data / "homestow.toml").read_text() == "# ours\nsignup = true\nquota = 5\n"
        for folder in (done.target, data):
            assert (folder / "homestow.toml").stat().st_mode & 0o777 == 0o600

    def test_those_that_are_there_stay(self, house: House, tmp_path: Path) -> None:
        """Somebody wrote them for this machine."""
        (house.data / "homestow.toml").write_text("signup = true\n")
        house.keeping.backup.run(tmp_path / "backup")
        data = tmp_path / "two" / "data"
        data.mkdir(parents=True)
        (data / "homestow.toml").write_text("signup = false\n")

        restored = bring_back(tmp_path / "backup", data)

        assert restored.settings == []
        assert (data / "homestow.toml").read_text() == "signup = false\n"

    def test_without_settings_there_is_nothing_to_keep(self, house: House, tmp_path: Path) -> None:
        """A server that was never configured."""
        done = house.keeping.backup.run(tmp_path / "backup")

        assert sorted(os.listdir(done.target)) == ["contents.json", "homestow.db"]
        assert bring_back(tmp_path / "backup", tmp_path / "two" / "data").settings == []

    def test_exchanged_settings_are_refused(self, house: House, tmp_path: Path) -> None:
        """They are in the list, and so below the seal (S107); the restored folder is no store then."""
        (house.data / "homestow.toml").write_text("signup = false\n")
        done = house.keeping.backup.run(tmp_path / "backup")
        (done.target / "homestow.toml").write_text("signup = true\n")

        with pytest.raises(StorageFailed, match="is not the file this backup was made with"):
            bring_back(tmp_path / "backup", tmp_path / "two" / "data")
        assert not (tmp_path / "two" / "data" / "homestow.db").exists()

    def test_a_file_nobody_understands_is_named(self, house: House, tmp_path: Path) -> None:
        """It may hold the key, so it stays out; the rest is backed up."""
        (house.data / "homestow.toml").write_text('backup_key = "sixteen letters or more" = \n')

        done = house.keeping.backup.run(tmp_path / "backup")

        assert len(done.missing) == 1
        assert done.missing[0].startswith("homestow.toml: ")
        assert not (done.target / "homestow.toml").exists()

    @pytest.mark.parametrize(
        "text",
        [
            'backup_key = """\nsixteen letters\nor more\n"""\n',
            'tls_cert = """\nbackup_key = 1\n"""\n',
            '"backup\\u005fkey" = "sixteen letters or more"\n',
        ],
    )
    def test_a_key_that_cannot_be_cut_out_keeps_the_file_out(self, text: str) -> None:
        """Rather nothing than the key, or half of a setting."""
        with pytest.raises(ContentMissing):
            without_key(text.encode())
