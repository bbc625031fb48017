"""What every `History` promises, over the SQLite file and its twin in memory; and what the file does beyond."""

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homestow.client.adapters.history_memory import KEPT, MemoryHistory
from homestow.client.adapters.history_sqlite import SqliteHistory
from homestow.client.ports.history import Clash, Entry, History
from homestow.values.errors import NewerStore, StorageFailed


@pytest.fixture(params=["file", "memory"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    opened: History = MemoryHistory() if request.param == "memory" else SqliteHistory(tmp_path / "history.sqlite")
    yield opened
    opened.close()


def entry(path: str, job: str = "j", kind: str = "upload") -> Entry:
    return Entry(0, 5, job, kind, "there", path, size=3)


def paths(history: History, job: str | None = None, before: int | None = None, limit: int = 100, *kinds: str) -> str:
    return "".join(one.path for one in history.entries(job, before, limit, kinds))


def test_events_come_back_as_they_were(history: History) -> None:
    """All facts survive, under an id that the history gave."""
    told = Entry(0, -7, "j\u00e9", "move", "here", "a/\u00e9", "b", True, 2**63 - 1, "code", "What happened.")

    (added,) = history.add([told])

    assert added == told._replace(id=added.id)
    assert added.id > 0
    assert list(history.entries("j\u00e9", None, 10)) == [added]
    assert history.entries(None, None, 10)[0].folder is True


def test_ids_grow_and_the_newest_come_first(history: History) -> None:
    """Events are numbered in the order they are told, over all jobs."""
    history.add([entry("a"), entry("b", "k")])
    history.add([])
    added = history.add([entry("c")])

    assert [one.id for one in history.entries(None, None, 10)] == sorted({1, 2, 3}, reverse=True)
    assert paths(history) == "cba"
    assert paths(history, "j") == "ca"
    assert paths(history, None, added[0].id) == "ba"
    assert paths(history, None, None, 2) == "cb"
    assert paths(history, None, None, 0) == ""
    assert paths(history, "nobody") == ""


def test_events_are_chosen_by_kind(history: History) -> None:
    """Only the kinds that are asked for, and a limit counts those alone."""
    history.add([entry("a", kind="delete"), entry("b"), entry("c", kind="move"), entry("d")])

    assert paths(history, "j", None, 2, "delete", "move") == "ca"
    assert paths(history, None, None, 5, "nothing") == ""


def test_the_newest_events_of_each_job_are_kept(history: History) -> None:
    """A busy job takes no room from a quiet one, and does not grow for ever."""
    history.add([entry("quiet", "k")])
    for start in range(0, KEPT + 3000, 1000):
        history.add([entry(str(number)) for number in range(start, start + 1000)])

    kept = history.entries("j", None, 100_000)
    assert KEPT <= len(kept) < KEPT + 1000
    assert kept[0].path == str(KEPT + 2999)
    assert kept[KEPT - 1].path == "3000"
    assert paths(history, "k") == "quiet"


def test_conflicts_are_kept_until_settled(history: History) -> None:
    """One per copy, oldest first, of one job."""
    late, early = Clash("j", "f", "f (2)", "A", 9), Clash("j", "g", "g (2)", "B", 3)
    history.put_clash(late)
    history.put_clash(early)
    history.put_clash(late._replace(job="k"))
    history.put_clash(early._replace(device="C"))

    assert list(history.clashes("j")) == [early._replace(device="C"), late]
    history.drop_clash("j", "f (2)")
    history.drop_clash("j", "f (2)")
    assert [clash.copy for clash in history.clashes("j")] == ["g (2)"]
    assert [clash.copy for clash in history.clashes("k")] == ["f (2)"]


def test_a_job_that_is_no_more_leaves_nothing(history: History) -> None:
    """Its events and conflicts go, others stay, and no id is given twice."""
    history.add([entry("a", "k"), entry("b")])
    history.put_clash(Clash("j", "f", "f (2)", "A", 9))

    history.forget("j")

    assert paths(history) == "a"
    assert list(history.clashes("j")) == []
    assert history.add([entry("c")])[0].id == 3


def test_a_name_that_is_no_text_is_told(history: History) -> None:
    """Names of the disk that are no UTF-8 are told too, as well as they can be."""
    history.add([entry("a\udcff")])

    assert paths(history).startswith("a")


def test_threads_may_tell_at_once(history: History) -> None:
    """Every event is there once, each with its own id."""

    def tell(who: int) -> None:
        for number in range(50):
            history.add([entry(f"{who}-{number}")])

    threads = [threading.Thread(target=tell, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    told = history.entries("j", None, 1000)
    assert len({one.path for one in told}) == len({one.id for one in told}) == len(told) == 200


# --- the file ---------------------------------------------------------------------------------------------------------

Open = Callable[[], SqliteHistory]


def test_events_outlive_the_process(tmp_path: Path) -> None:
    """What was told is there when the file is opened again, in a new folder that only its owner may enter."""
    path = tmp_path / "client" / "history.sqlite"
    first = SqliteHistory(path)
    first.add([entry("a")])
    first.put_clash(Clash("j", "f", "f (2)", "A", 9))
    first.close()
    first.close()

    second = SqliteHistory(path)
    assert (paths(second), len(second.clashes("j"))) == ("a", 1)
    second.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    """The service and a job of its own folder both tell; ids stay different."""
    one, other = SqliteHistory(tmp_path / "h.sqlite"), SqliteHistory(tmp_path / "h.sqlite")

    ids = [history.add([entry("a")])[0].id for history in (one, other, one, other)]

    assert ids == [1, 2, 3, 4]
    assert paths(one) == paths(other) == "aaaa"
    one.close()
    other.close()


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """Nothing stops for the sake of a log: a new one begins, the old one is kept."""
    path = tmp_path / "h.sqlite"
    path.write_bytes(b"this was a history once " * 100)

    history = SqliteHistory(path)

    assert paths(history) == ""
    history.add([entry("a")])
    assert paths(history) == "a"
    history.close()
    assert (tmp_path / "h.sqlite.damaged").read_bytes().startswith(b"this was")


def test_a_history_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """It is neither read nor set aside."""
    path = tmp_path / "h.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(NewerStore):
        SqliteHistory(path)
    with pytest.raises(StorageFailed):
        SqliteHistory(tmp_path / "h.sqlite" / "below")


def test_jobs_go_on_when_nothing_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk costs the log's newest lines and nothing else: events still have ids to be shown by."""
    history = SqliteHistory(tmp_path / "h.sqlite")
    history.add([entry("a")])
    history._db.execute("PRAGMA query_only = 1")

    added = history.add([entry("b"), entry("c")])
    history.put_clash(Clash("j", "f", "f (2)", "A", 9))

    assert [one.id for one in added] == [2, 3]
    assert paths(history) == "a"
    history._db.execute("PRAGMA query_only = 0")
    assert history.add([entry("d")])[0].id == 4
    history.close()
    assert (paths(history), list(history.clashes("j"))) == ("", [])
    assert history.add([entry("e")])[0].id == 5
    assert "cannot be written" in caplog.text
