"""What every `State` promises, over the SQLite file and its twin in memory; and what the file does beyond."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homestow.client.adapters.state_sqlite import SCHEMA, SqliteState
from homestow.client.engine.seen import Stamp
from homestow.client.engine.steps import Held
from homestow.client.engine.trees import NOWHERE, LocalItem, RemoteItem, SyncedItem, TreeChanges, Trees
from homestow.client.ports.state import Life, OpenDownload, OpenUpload, Sent, State
from homestow.values.digests import Digest
from homestow.values.errors import NewerStore, StorageFailed

LIFE = Life("a" * 32, 3, 1)
BASE = SyncedItem(7, 1, "f", False, 2, Digest("d" * 64), 4, 9, -5, None, 11, 12, 2**63 - 1)
FOLDER = SyncedItem(8, 1, "\u00e9", True, 0, None, 0, 3, 0, "e\u0301", 0, 0, 5)
MINE = LocalItem(8, "n", False, 3, None, None, 21, 22, 23)
THEIRS = RemoteItem(8, "m", False, 3, None, 1, 31, 32)

Open = Callable[[], State]


@pytest.fixture(params=["file", "memory"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same state, again and again; the one before is closed first. The twin in memory lives on by itself."""
    kept: list[SqliteState] = []

    def open_state() -> State:
        if request.param == "memory" and kept:
            return kept[-1]
        for state in kept:
            state.close()
        kept.append(SqliteState(":memory:" if request.param == "memory" else tmp_path / "state.sqlite"))
        return kept[-1]

    yield open_state
    for state in kept:
        state.close()


def test_new_state_is_empty(reopen: Open) -> None:
    """A first run starts from nothing."""
    saved = reopen().load()

    assert (saved.life, saved.cursor, saved.synced, saved.local, saved.remote) == (None, None, {}, {}, {})


def test_trees_come_back_as_they_were(reopen: Open) -> None:
    """All facts of all three trees survive, tombstones of one side included."""
    state = reopen()
    state.begin_life(LIFE, TreeChanges())
    state.save(
        TreeChanges(synced=[BASE, FOLDER], local=[(-1, MINE), (7, None)], remote=[(9, THEIRS), (8, None)]), "cursor"
    )
    saved = reopen().load()

    assert saved.life == LIFE
    assert saved.cursor == "cursor"
    assert saved.synced == {7: BASE, 8: FOLDER}
    assert saved.local == {-1: MINE, 7: None}
    assert saved.remote == {9: THEIRS, 8: None}


def test_what_may_have_been_brought_is_kept(reopen: Open) -> None:
    """What the server showed before its latest news comes back, also that a node was gone, until it is dropped."""
    state = reopen()
    state.begin_life(LIFE, TreeChanges())
    state.save(TreeChanges(earlier=[(9, THEIRS), (8, None)]), "cursor")
    state = reopen()
    assert state.load().earlier == {9: THEIRS, 8: None}
    state.save(TreeChanges(earlier_dropped=[8]))
    assert reopen().load().earlier == {9: THEIRS}


def test_dropped_rows_are_gone(reopen: Open) -> None:
    """What a later save drops or replaces is so after opening again; the cursor stays without a new one."""
    state = reopen()
    state.begin_life(LIFE, TreeChanges(synced=[BASE, FOLDER], local=[(-1, MINE)], remote=[(9, THEIRS)]))
    state.save(TreeChanges(), "one")
    state.save(TreeChanges(synced_dropped=[7], local_dropped=[-1], remote=[(9, None)]))
    saved = reopen().load()

    assert saved.synced == {8: FOLDER}
    assert saved.local == {}
    assert saved.remote == {9: None}
    assert saved.cursor == "one"


def test_drained_trees_are_the_saved_ones(reopen: Open) -> None:
    """Saving each drain keeps the store equal to the trees in memory."""
    state, trees = reopen(), Trees(LIFE.top)
    state.begin_life(LIFE, trees.drain())
    trees.set_here(trees.new_id(), MINE._replace(parent=1))
    state.save(trees.drain())
    trees.set_there(12, THEIRS._replace(parent=1))
    trees.rename(-1, 12)
    state.save(trees.drain())
    trees.agree(12, MINE._replace(parent=1, digest=Digest("e" * 64)), THEIRS._replace(parent=1, name="n"))
    state.save(trees.drain())
    saved = reopen().load()

    assert saved.synced == trees.synced
    assert saved.local == trees.local == {}
    assert saved.remote == trees.remote == {}


def test_another_life_drops_everything(reopen: Open) -> None:
    """R23: nothing agreed in one life of the store counts in another one; problems stay readable."""
    state = reopen()
    state.begin_life(LIFE, TreeChanges(synced=[BASE]))
    state.save(TreeChanges(), "cursor")
    state.put_upload(OpenUpload(-1, "u", Stamp(1, 2, 3, 4), None, 5))
    state.put_download(OpenDownload(7, 4, "k", ((0, 5),)))
    state.put_sent([Sent(7, 4, Digest("d" * 64))])
    state.accept_deletes(True)
    other = Life("b" * 32, 3, 2)
    state.begin_life(other, TreeChanges(local=[(-1, MINE._replace(parent=2))]))
    saved = reopen().load()

    assert (saved.life, saved.cursor, saved.synced) == (other, None, {})
    assert saved.local == {-1: MINE._replace(parent=2)}
    state = reopen()
    assert not state.open_uploads()
    assert not state.open_downloads()
    assert not state.sent()
    assert not state.deletes_accepted()


def test_transfers_come_back(reopen: Open) -> None:
    """P7: what is under way is known after a restart; one entry per item, the newest."""
    state = reopen()
    upload = OpenUpload(-3, "u" * 32, Stamp(10, -1, 3, 2**63 - 1), None, 4096)
    state.put_upload(OpenUpload(-3, "old", Stamp(1, 1, 1, 1), 2, 4096))
    state.put_upload(upload)
    download = OpenDownload(7, 4, "n7-r4", ((0, 5), (10, 2**40)))
    state.put_download(download)
    sent = Sent(7, 4, Digest("d" * 64))
    state.put_sent([sent, Sent(8, 1, Digest("e" * 64))])
    state.drop_sent([8, 99])
    state = reopen()

    assert list(state.open_uploads()) == [upload]
    assert list(state.open_downloads()) == [download]
    assert list(state.sent()) == [sent]
    state.drop_upload(-3)
    state.drop_download(7)
    state.drop_download(7)
    assert not state.open_uploads()
    assert not state.open_downloads()


def test_problems_come_back(reopen: Open) -> None:
    """P9: what is left is told with its reason, names that are no text and the folder itself included."""
    problems = [Held(("D", "bad\udcff"), "bad-name", "why \udcff"), Held((), "x", "the folder"), Held(("a",), "y", "z")]
    state = reopen()
    state.put_problems([Held(("old",), "o", "o")])
    state.put_problems(problems)
    found = list(reopen().problems())

    assert [held.path for held in found] == [held.path for held in problems]
    assert [held.code for held in found] == ["bad-name", "x", "y"]
    assert found[1].reason == "the folder"


def test_answer_to_the_brake_is_kept(reopen: Open) -> None:
    """SC-193: a restart between the answer and the deletions does not ask again."""
    state = reopen()
    assert not state.deletes_accepted()
    state.accept_deletes(True)
    state = reopen()
    assert state.deletes_accepted()
    state.accept_deletes(False)
    assert not reopen().deletes_accepted()


def test_patterns_are_remembered_for_one_life(reopen: Open) -> None:
    """SC-129: which patterns the trees were made with; in another life they are made anew."""
    state = reopen()
    assert state.filters() == ""
    state.put_filters("abc")
    state = reopen()
    assert state.filters() == "abc"
    state.begin_life(Life("b" * 32, 3, 2), TreeChanges())
    assert reopen().filters() == ""


# --- the file ---------------------------------------------------------------------------------------------------------


def test_newer_file_is_refused(tmp_path: Path) -> None:
    """S112: a state of a newer Homestow is left as it is."""
    path = tmp_path / "state.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    db.close()
    before = path.read_bytes()

    with pytest.raises(NewerStore):
        SqliteState(path)
    assert path.read_bytes() == before


def test_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """R24: a file that is no database is kept under another name, and a new state begins."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"no database at all" * 500)
    state = SqliteState(path)

    assert state.load().life is None
    assert (tmp_path / "state.sqlite.damaged").read_bytes().startswith(b"no database")
    state.close()


def test_damage_inside_is_found_when_loading(tmp_path: Path) -> None:
    """A page overwritten by something else makes the state begin anew; it is never half believed."""
    path = tmp_path / "state.sqlite"
    state = SqliteState(path)
    rows = [BASE._replace(id=number, name=f"file {number}") for number in range(10, 3000)]
    state.begin_life(LIFE, TreeChanges(synced=rows))
    state.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = b"\xff" * 8192
    path.write_bytes(data)
    state = SqliteState(path)

    assert state.load().life is None
    assert (tmp_path / "state.sqlite.damaged").exists()
    state.close()


def test_items_without_their_folder_are_not_believed(tmp_path: Path) -> None:
    """Lesson 5: a store with orphans is no sound store."""
    path = tmp_path / "state.sqlite"
    state = SqliteState(path)
    state.begin_life(LIFE, TreeChanges(synced=[BASE._replace(parent=4711)]))

    assert state.load().synced == {}
    state.close()


def test_items_whose_folder_is_gone_for_good_are_believed(tmp_path: Path) -> None:
    """Both sides have such an item elsewhere, or nowhere; that its folder was forgotten is no damage."""
    state = SqliteState(tmp_path / "state.sqlite")
    waiting = BASE._replace(parent=NOWHERE)
    state.begin_life(LIFE, TreeChanges(synced=[waiting]))

    assert state.load().synced == {waiting.id: waiting}
    state.close()


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """A state that cannot be made is a clear error."""
    with pytest.raises(StorageFailed):
        SqliteState(tmp_path / "absent" / "state.sqlite")
