"""When daily jobs are due, over days on which clocks are set, and what a folder is like before it is kept."""

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from homestow.client.adapters.folder_check import check_folder
from homestow.client.running.daily import last_at_ns, next_at_ns

BERLIN = ZoneInfo("Europe/Berlin")
S = 1_000_000_000


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=BERLIN).timestamp()) * S  # type: ignore[arg-type,misc]  # year to minute


@pytest.mark.parametrize(
    "now,hour,minute,last,following",
    [
        (at(2026, 5, 1, 12, 0), 3, 30, at(2026, 5, 1, 3, 30), at(2026, 5, 2, 3, 30)),
        (at(2026, 5, 1, 1, 0), 3, 30, at(2026, 4, 30, 3, 30), at(2026, 5, 1, 3, 30)),
        (at(2026, 5, 1, 3, 30), 3, 30, at(2026, 5, 1, 3, 30), at(2026, 5, 2, 3, 30)),
        # On 29 March 2:30 is left out: it comes an hour later by the clock. On 25 October it comes twice, and counts once.
        (at(2026, 3, 28, 12, 0), 2, 30, at(2026, 3, 28, 2, 30), at(2026, 3, 29, 3, 30)),
        (at(2026, 10, 25, 12, 0), 2, 30, at(2026, 10, 25, 2, 30), at(2026, 10, 26, 2, 30)),
        (at(2026, 12, 31, 23, 59), 0, 0, at(2026, 12, 31, 0, 0), at(2027, 1, 1, 0, 0)),
    ],
)
def test_the_last_and_the_next_time(now: int, hour: int, minute: int, last: int, following: int) -> None:
    """By the clock on the wall, whatever daylight saving does."""
    assert last_at_ns(now, hour, minute, BERLIN) == last
    assert next_at_ns(now, hour, minute, BERLIN) == following


def test_every_day_has_one_time() -> None:
    """Going from one to the next through a year meets every day once."""
    now, days = at(2026, 1, 1, 0, 0), 0
    while now < at(2027, 1, 1, 0, 0):
        following = next_at_ns(now, 2, 30, BERLIN)
        assert last_at_ns(following, 2, 30, BERLIN) == following
        now, days = following, days + 1
    assert days == 366


def test_a_folder_is_counted_and_links_are_not_followed(tmp_path: Path) -> None:
    """Files, bytes and room; what Homestow keeps inside is not counted."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "sub" / "b").write_bytes(b"123")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    seen = check_folder(str(tmp_path) + "/")

    assert (seen.directory, seen.exists, seen.files, seen.size_bytes, seen.more) == (str(tmp_path), True, 2, 8, False)
    assert (seen.free_bytes > 0, seen.against) == (True, "")


def test_folders_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what to do instead; one that can be made is fine."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "file").write_text("")
    (tmp_path / "data" / "homestow" / "client").mkdir(parents=True)

    assert check_folder(str(tmp_path / "new")).against == ""
    for directory, said in (
        ("relative", "in full"),
        (str(tmp_path / "none" / "deeper"), "There is no folder"),
        (str(tmp_path / "file"), "is no folder"),
        ("/", "whole disk"),
        (str(tmp_path / "data" / "homestow" / "client"), "Homestow itself"),
    ):
        assert said in check_folder(directory).against, directory


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    """It is said before anything begins."""
    (tmp_path / "shut").mkdir(mode=0o000)
    assert "may not read" in check_folder(str(tmp_path / "shut")).against
