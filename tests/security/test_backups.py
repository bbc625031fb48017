"""A backup that somebody exchanged, where no seal tells it: it may be wrong, but it writes nowhere else (rows S10, S107)."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3
from tests.unit.keeping_world import House, open_house
from tests.unit.test_backup import bring_back

from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.service.backup_folder import Listing
from homestow.values.errors import CloudError

ELSEWHERE = [
    "../escaped",
    "../../escaped",
    "..",
    ".",
    "",
    "/tmp/escaped-{}",
    "a/../../../escaped",
    "x\0y",
    "../files/../../escaped",
]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A store with something of every kind in it, and one that was deleted."""
    path = tmp_path / "empty" / "homestow.db"
    path.parent.mkdir()
    Database.open(path, in_process=True).close()
    with open_house(path, tmp_path / "one") as house:
        house.put("a.txt", b"one")
        house.put("a.txt", b"another")
        house.put("d/b.txt", b"deep")
        house.put("gone.txt", b"gone")
        house.delete("gone.txt")
        house.keeping.backup.run(tmp_path / "backup")
        return house


def forge(backup: Path, change: Callable[[sqlite3.Connection], object], items: Callable[[str], str] = str) -> None:
    """Change the database of a backup, or the digests of its list, so that all digests fit again."""
    (chosen,) = (backup / "backups").iterdir()
    database = chosen / "homestow.db"
    link = sqlite3.connect(database, isolation_level=None)
    change(link)
    link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    link.close()
    listing = msgspec.json.decode((chosen / "contents.json").read_bytes(), type=Listing)
    digest = blake3(database.read_bytes()).hexdigest()
    found = [msgspec.structs.replace(item, digest=items(item.digest)) for item in listing.items]
    forged = msgspec.structs.replace(listing, database=digest, items=found)
    (chosen / "contents.json").write_bytes(msgspec.json.encode(forged))
    (chosen / "seal").unlink(missing_ok=True)


def everything(place: Path) -> set[str]:
    """All paths below a place."""
    return {os.path.join(folder, name) for folder, folders, names in os.walk(place) for name in (*folders, *names)}


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE roots SET name = ?",
        "UPDATE nodes SET name = ? WHERE kind = 'file'",
        "UPDATE nodes SET name = ? WHERE kind = 'folder' AND parent IS NOT NULL",
        "UPDATE versions SET kept = ?",
        "UPDATE nodes SET kept = ? WHERE kept IS NOT NULL",
        "UPDATE nodes SET loc_parent = parent, loc_name = ? WHERE kind = 'file'",
    ],
)
@pytest.mark.parametrize("name", ELSEWHERE, ids=ascii)
def test_S107_S10_no_name_in_a_backup_leads_out_of_the_data_folder(tmp_path: Path, statement: str, name: str) -> None:
    """Names of roots, folders, files and kept contents that climb: the restore is refused or stays inside of its folder."""
    forge(tmp_path / "backup", lambda link: link.execute(statement, (name.format(os.getpid()),)))
    data = tmp_path / "two" / "three" / "data"
    data.mkdir(parents=True)
    before = everything(tmp_path)
    with suppress(CloudError):
        bring_back(tmp_path / "backup", data)
    made = everything(tmp_path) - before
    assert {path for path in made if not path.startswith(f"{data}/")} == set()
    assert not Path(f"/tmp/escaped-{os.getpid()}").exists()


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("digest", ["../../../secret", "/etc/passwd", "", "..", "a" * 63, "A" * 64, "\0"], ids=ascii)
def test_S107_no_digest_in_a_backup_leads_out_of_it(tmp_path: Path, digest: str) -> None:
    """A list whose digests are paths is damaged; nothing of what they name is read into the store."""
    (tmp_path / "secret").write_bytes(b"secret")
    forge(tmp_path / "backup", lambda link: None, lambda _: digest)
    data = tmp_path / "two" / "data"
    with pytest.raises(CloudError, match="damaged"):
        bring_back(tmp_path / "backup", data)
    assert not (data / "homestow.db").exists()
    assert not [path for path in everything(data) if Path(path).is_file() and Path(path).read_bytes() == b"secret"]
