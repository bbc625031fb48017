"""Many changes at once, disks that fail, readers that wait, names that disks cannot have."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.unit.core_world import World, world

from homestow.server.rules.access import OUTSIDE, Rights
from homestow.server.rules.naming import disk_names
from homestow.server.rules.quotas import Quota, check_growth, room
from homestow.server.service.work import RowsWork
from homestow.values.changes import Cursor
from homestow.values.errors import (
    Busy,
    CloudError,
    CursorGone,
    PathTaken,
    QuotaExceeded,
    ServerError,
    StorageFailed,
    StorageFull,
)
from homestow.values.ids import Epoch, NodeId, RootId


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def threaded(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, on_disk=True, threads=True, database=tmp_path / "data.db") as made:
        yield made
        made.usage_is_right()
        made.nothing_staged()


def in_threads(count: int, work: Callable[[int], object]) -> list[CloudError]:
    """Run `work(0)` … at once; the errors they came to."""
    errors: list[CloudError] = []

    def run(at: int) -> None:
        try:
            work(at)
        except CloudError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def failing(w: World, step: str, code: int, times: int = 1) -> None:
    """Let the store in memory fail at a step."""
    left = times

    def at_step(name: str) -> None:
        nonlocal left
        if name == step and left:
            left -= 1
            raise OSError(code, os.strerror(code))

    w.memory.step = at_step


class TestTogether:
    def test_many_threads_make_many_files(self, threaded: World) -> None:
        """All are there, each with its own number, and the feed tells each once."""
        w = threaded
        cursor = w.core.changes.cursor()

        errors = in_threads(8, lambda at: [w.put(f"{at}-{number}", bytes([at])) for number in range(10)])

        assert errors == []
        nodes = w.core.changes.changes(w.anna, w.root, cursor).nodes
        changes = [node.change for node in nodes if node.id != w.top]
        assert len(changes) == 80
        assert sorted(set(changes)) == changes

    def test_one_of_many_gets_the_name(self, threaded: World) -> None:
        """The others are told what is there."""
        w = threaded

        errors = in_threads(8, lambda at: w.put("x", bytes([at])))

        assert len(errors) == 7
        assert {type(error) for error in errors} == {PathTaken}

    def test_one_of_many_replaces_a_rev(self, threaded: World) -> None:
        """Nothing is overwritten unseen."""
        w = threaded
        node = w.put("x", b"first")

        errors = in_threads(8, lambda at: w.put("x", bytes([at]), base=1))

        assert {error.code for error in errors} == {"stale"}
        assert len(errors) == 7
        assert w.core.files.node(w.anna, node.id).rev == 2
        assert w.read(node.id, 1) == b"first"

    def test_the_quota_holds_however_many_come(self, threaded: World) -> None:
        """Never above it by a byte (S108)."""
        w = threaded
        w.roots.set_quota("tree", 100)

        errors = in_threads(16, lambda at: w.put(str(at), bytes(30)))

        assert {error.code for error in errors} == {"quota-exceeded"}
        assert w.catalogue.usage([w.root])[w.root].total == 90

    def test_folders_move_while_files_come(self, threaded: World) -> None:
        """Every acknowledged file is read by its id afterwards."""
        w = threaded
        folder = w.folder_node("0")
        made: list[NodeId] = []

        def work(at: int) -> None:
            if at == 0:
                for number in range(1, 15):
                    w.core.files.move(w.anna, folder.id, w.top, str(number))
            else:
                for number in range(10):
                    made.append(w.put(f"{at}-{number}", b"data", folder.id).id)

        assert in_threads(5, work) == []
        assert len(made) == 40
        assert all(w.read(node) == b"data" for node in made)

    def test_reading_while_it_is_replaced_gives_one_content(self, threaded: World) -> None:
        """Size, rev and bytes belong together (P2)."""
        w = threaded
        node = w.put("x", b"1" * 1)
        mixed: list[str] = []
        done = threading.Event()

        def work(at: int) -> None:
            if at == 0:
                for rev in range(1, 30):
                    w.put("x", str(rev % 10).encode() * (rev + 1), base=rev)
                done.set()
            while not done.is_set():
                content = w.core.downloads.content(w.anna, node.id)
                data = content.opened.read_at(0, 1000)
                if len(data) != content.size or len(data) != content.rev or len(set(data)) != 1:
                    mixed.append(f"rev {content.rev}, {content.size} bytes: {data!r}")
                content.close()

        assert in_threads(4, work) == []
        assert mixed == []


class TestFailingDisks:
    @pytest.mark.parametrize("step", ["content.sync_staged", "content.sync_folders"])
    def test_a_failed_flush_acknowledges_nothing_and_ends_writing(self, w: World, step: str) -> None:
        """The root is read-only until somebody looked; reading goes on (P1)."""
        node = w.put("x", b"1")
        failing(w, step, errno.EIO)

        with pytest.raises(StorageFailed):
            w.put("y", b"2")
        with pytest.raises(StorageFailed):
            w.folder_node("f")

        assert w.read(node.id) == b"1"
        assert w.core.committer.broken(w.root) is not None

    @pytest.mark.parametrize("again", ["trusted", "started"])
    def test_what_was_open_is_settled_again(self, tmp_path: Path, again: str) -> None:
        """What reached the disk is recorded, with what it replaced."""
        with world(tmp_path, database=tmp_path / "data.db") as w:
            node = w.put("x", b"1")
            failing(w, "content.sync_folders", errno.EIO)
            with pytest.raises(StorageFailed):
                w.put("x", b"2", base=1)
            assert len(w.catalogue.intents()) == 1
            if again == "started":
                w.restart()
            else:
                w.memory._trust = type(w.memory._trust)()
                w.core.committer.trust_again(w.root)

            assert (w.read(node.id), w.read(node.id, 1)) == (b"2", b"1")
            w.put("y", b"1")
            w.usage_is_right()
            w.nothing_staged()

    def test_what_was_replaced_outlives_a_crash_and_an_edit_from_outside(self, tmp_path: Path) -> None:
        """Put into place, not recorded, edited in between: the older content is a version, the edit is the present one."""
        with world(tmp_path, database=tmp_path / "data.db") as w:
            node = w.put("x", b"older")
            failing(w, "content.sync_folders", errno.EIO)
            with pytest.raises(StorageFailed):
                w.put("x", b"ours", base=1)
            w.memory.outside.write(("x",), b"edited outside", mtime_ns=w.clock.ns)
            w.clock.ns += 60_000_000_000

            w.restart()

            assert (w.read(node.id), w.read(node.id, 1)) == (b"edited outside", b"older")
            w.usage_is_right()
            w.nothing_staged()

    @pytest.mark.parametrize("step", ["content.publish", "content.publish.checked", "content.stage_small"])
    def test_a_full_disk_loses_nothing(self, w: World, step: str) -> None:
        """The call fails, and goes through when there is room again."""
        node = w.put("x", b"1")
        failing(w, step, errno.ENOSPC)

        try:
            w.put("x", b"2", base=1)
        except (StorageFull, StorageFailed):
            if w.core.committer.broken(w.root) is not None:
                w.core.committer.trust_again(w.root)
        rev = w.core.files.node(w.anna, node.id).rev
        w.put("x", b"3", base=rev)

        assert w.read(node.id) == b"3"
        assert w.read(node.id, 1) == b"1"
        w.usage_is_right()

    def test_no_room_to_keep_what_is_replaced_puts_it_back(self, w: World) -> None:
        """Old or new, never neither."""
        node = w.put("x", b"1")
        failing(w, "content.keep_staged", errno.ENOSPC)

        with pytest.raises(StorageFull):
            w.put("x", b"2", base=1)

        assert (w.read(node.id), w.on_store("x")) == (b"1", b"1")
        assert w.put("x", b"3", base=w.core.files.node(w.anna, node.id).rev).size == 1

    def test_a_full_database_disk_is_told_and_settled_later(self, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was put on disk meanwhile is recorded before the next change."""
        real = w.database._execute

        def full(statement: str) -> None:
            if statement == "COMMIT" and commits.pop(0):
                raise StorageFull("full")
            real(statement)

        commits = [False, True]  # the intent is recorded, the rows are not
        monkeypatch.setattr(w.database, "_execute", full)
        with pytest.raises(StorageFull):
            w.put("x", b"1")
        monkeypatch.undo()

        w.put("y", b"2")

        assert w.names() == ["x", "y"]
        assert w.catalogue.intents() == []
        w.usage_is_right()

    def test_a_mistake_in_one_change_is_not_the_end(self, threaded: World) -> None:
        """The committer's thread lives on."""

        def wrong(rows: object) -> None:
            raise ZeroDivisionError

        with pytest.raises(CloudError):
            threaded.core.committer.run(RowsWork(OUTSIDE, threaded.root, wrong))

        threaded.put("x", b"1")

    @pytest.mark.parametrize("step", ["_gather", "_take", "_run", "_commit", "_tell"])
    @pytest.mark.parametrize("mistake", [ZeroDivisionError, SystemExit])
    @pytest.mark.filterwarnings("error")
    def test_a_mistake_anywhere_leaves_nobody_waiting(
        self, threaded: World, monkeypatch: pytest.MonkeyPatch, step: str, mistake: type[BaseException]
    ) -> None:
        """Who waits is told, of whatever kind the mistake is, and the next change is made by the same thread."""
        w = threaded
        committer = w.core.committer
        real, left = getattr(committer, step), [mistake()]

        def fails_once(*given: Any) -> object:
            if left:
                if step == "_gather":
                    committer._wakeup.wait_for(lambda: committer._queue)
                raise left.pop()
            return real(*given)

        monkeypatch.setattr(committer, step, fails_once)

        errors = in_threads(4, lambda at: [w.put(f"{at}-{number}", b"1") for number in range(3)])
        w.put("x", b"1")

        assert left == []
        assert {error.code for error in errors} <= {"internal"}
        assert errors or step == "_tell"
        assert "x" in w.names()

    def test_a_work_that_cannot_be_compared_fails_alone_or_with_those_beside_it(self, threaded: World) -> None:
        """Keys nobody can look up are its own mistake; the thread lives on."""
        unhashable: Any = [[]]

        for _ in range(2):
            with pytest.raises(ServerError):
                threaded.core.committer.run(RowsWork(OUTSIDE, threaded.root, lambda rows: None, keys=unhashable))

        threaded.put("x", b"1")

    def test_a_root_that_is_away_is_no_broken_disk(self, threaded: World) -> None:
        """Its folder comes back and everything goes on."""
        w = threaded
        w.folder.rename(w.place / "unmounted")
        w.roots._stores.clear()
        with pytest.raises(StorageFailed):
            w.put("x", b"1")
        assert w.core.committer.broken(w.root) is None

        (w.place / "unmounted").rename(w.folder)
        w.put("x", b"1")

    def test_after_the_end_nothing_more_is_taken(self, tmp_path: Path) -> None:
        """Callers are told to come back."""
        with world(tmp_path, on_disk=True, threads=True, database=tmp_path / "data.db") as w:
            w.core.committer.close()
            with pytest.raises(Busy):
                w.put("x", b"1")


class TestReaders:
    def test_cursors_of_another_life_are_gone(self, w: World) -> None:
        """Ahead of the journal, behind the compaction, of another epoch: list anew (R17, R23)."""
        w.put("x", b"1")
        here = w.core.changes.cursor()
        w.put("y", b"1")
        for wrong in (Cursor(here.epoch, here.number + 100), Cursor(Epoch("0" * 32), 1)):
            for ask in (w.core.changes.changes, w.core.changes.journal):
                with pytest.raises(CursorGone):
                    ask(w.anna, w.root, wrong)
        assert [node.name for node in w.core.changes.changes(w.anna, w.root, here).nodes if node.name] == ["y"]

        w.core.changes.compact(here.number + 1)

        with pytest.raises(CursorGone):
            w.core.changes.changes(w.anna, w.root, here)
        now = w.core.changes.cursor()
        assert w.core.changes.changes(w.anna, w.root, now).nodes == []
        w.core.changes.renew_epoch()
        with pytest.raises(CursorGone):
            w.core.changes.changes(w.anna, w.root, now)

    def test_who_waits_is_woken_by_changes_of_the_root(self, w: World) -> None:
        """And by nothing else."""
        told: list[tuple[frozenset[RootId], int]] = []
        stop = w.core.changes.subscribe(lambda roots, number: told.append((roots, number)))
        w.put("x", b"1")
        with pytest.raises(PathTaken):
            w.put("x", b"1")
        w.core.committer.settle()
        stop()
        w.put("y", b"1")

        assert told == [(frozenset([w.root]), w.catalogue.last() - 1)]

    def test_raw_entries_come_once_in_order(self, w: World) -> None:
        """By pages, each with who and when."""
        cursor = w.core.changes.cursor()
        w.put("x", b"1", who=w.ben)
        w.put("x", b"2", base=1)

        first, behind = w.core.changes.journal(w.cora, w.root, cursor, 1)
        rest, end = w.core.changes.journal(w.cora, w.root, behind, 10)

        assert [(entry.kind.value, entry.account) for entry in (*first, *rest)] == [
            ("created", w.ben.account), ("content", w.anna.account),
        ]  # fmt: skip
        assert w.core.changes.journal(w.cora, w.root, end) == ([], end)


class TestRules:
    def test_disk_names_are_tried_best_first(self) -> None:
        """The node's own, then one that every disk takes, then numbers."""
        assert list(islice(disk_names("a.txt", 255), 3)) == ["a.txt", "a (2).txt", "a (3).txt"]
        assert list(islice(disk_names('a?"b.', 255), 2)) == ['a?"b.', "a%3F%22b%2E"]
        assert next(disk_names("con", 255)) == "con"
        assert list(islice(disk_names("con.txt", 255), 2))[1] == "%63on.txt"
        long = "ä" * 120 + ".txt"
        assert all(len(name.encode()) <= 100 for name in islice(disk_names(long, 100), 5))
        assert next(disk_names(long, 100)).endswith(".txt")

    def test_every_quota_counts(self) -> None:
        """The tightest one decides; none means no limit."""
        one, two = RootId(1), RootId(2)
        quotas = [Quota(100, (one,)), Quota(150, (one, two))]
        used = {one: 20, two: 90}

        assert room([], {}) is None
        assert room(quotas, used) == 40
        check_growth(quotas, used, 40)
        with pytest.raises(QuotaExceeded):
            check_growth(quotas, used, 41)
        assert room([Quota(10, (one,))], used) == 0


def test_two_names_that_are_one_on_disk_are_two_nodes(tmp_path: Path) -> None:
    """On a disk that folds case the later one lies under a name of its own (R15)."""
    with world(tmp_path) as w:
        w.memory.disk.folds_case = True
        upper, lower = w.put("Name.txt", b"upper"), w.put("name.txt", b"lower")
        folder = w.folder_node("NAME.TXT")
        inside = w.put("x", b"inside", folder.id)

        assert w.names() == ["NAME.TXT", "Name.txt", "name.txt"]
        assert (w.read(upper.id), w.read(lower.id), w.read(inside.id)) == (b"upper", b"lower", b"inside")
        w.core.files.delete(w.anna, lower.id)
        w.core.trashcan.restore(w.anna, lower.id)
        w.core.files.move(w.anna, upper.id, w.top, "NAME.txt")
        assert (w.read(upper.id), w.read(lower.id)) == (b"upper", b"lower")
        w.usage_is_right()
        assert Rights.OWN.word == "own"
