"""The account of a server that can only list everything: ids, revisions, change numbers out of listings."""

from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from homestow.client.adapters.remote_netdrive_compare import take
from homestow.client.adapters.remote_netdrive_store import NetdriveStore
from homestow.client.adapters.remote_netdrive_tree import (
    NS,
    TOP,
    Entry,
    Names,
    Seen,
    SeenFile,
    SeenFolder,
    Snapshot,
    spell,
)

EPOCH = "e" * 32


@dataclass
class Drive:
    """A server's objects by place: folders with ids, files with (id, content, time)."""

    folders: dict[Names, int] = field(default_factory=lambda: {(): 1})
    files: dict[Names, tuple[int, bytes, int]] = field(default_factory=dict)
    ids: int = 1

    def new(self) -> int:
        self.ids += 1
        return self.ids

    def put(self, path: str, content: bytes, mtime_s: int = 5) -> None:
        names = tuple(path.split("/"))
        for count in range(len(names)):
            if names[:count] not in self.folders:
                self.folders[names[:count]] = self.new()
        old = self.files.get(names)
        self.files[names] = (old[0] if old else self.new(), content, mtime_s)

    def move(self, path: str, to: str) -> None:
        old, new = tuple(path.split("/")), tuple(to.split("/"))
        for tree in (self.folders, self.files):
            for names in [names for names in tree if names[: len(old)] == old]:
                tree[(*new, *names[len(old) :])] = tree.pop(names)  # type: ignore[assignment]

    def drop(self, path: str) -> None:
        old = tuple(path.split("/"))
        for tree in (self.folders, self.files):
            for names in [names for names in tree if names[: len(old)] == old]:
                del tree[names]

    def seen(self, *, ids: bool = True) -> Seen:
        files = [
            SeenFile(f"v{key}" if ids else "", spell(names[:-1]), names[-1], len(content), hexed(content), mtime_s)
            for names, (key, content, mtime_s) in self.files.items()
        ]
        if not ids:
            return Seen((), files, tells_gone=False, tells_folders=False)
        return Seen([SeenFolder(f"d{key}", spell(names)) for names, key in self.folders.items()], files)


def hexed(content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


def look(snapshot: Snapshot, drive: Drive, *, ids: bool = True) -> list[Entry]:
    """Take a listing; what changed."""
    before = snapshot.change
    take(snapshot, drive.seen(ids=ids), snapshot.begin())
    return snapshot.since(before)


def find(snapshot: Snapshot, path: str) -> Entry:
    node = TOP
    for name in path.split("/"):
        node = snapshot.kids[node][name]
    return snapshot.entries[node]


def shown(snapshot: Snapshot) -> dict[Names, str | None]:
    """Places with MD5s, None for folders."""
    return {snapshot.names(entry.id): None if entry.folder else entry.md5 for entry in snapshot.below(TOP)}


@pytest.fixture
def drive() -> Drive:
    """A small tree."""
    drive = Drive()
    drive.put("d/a", b"1")
    drive.put("d/e/b", b"2")
    drive.put("f", b"3")
    return drive


@pytest.fixture
def snapshot(drive: Drive) -> Snapshot:
    """It, looked at once."""
    snapshot = Snapshot(EPOCH)
    look(snapshot, drive)
    return snapshot


class TestListings:
    def test_nothing_new_is_no_change(self, snapshot: Snapshot, drive: Drive) -> None:
        """The same listing again tells nothing."""
        assert look(snapshot, drive) == []

    def test_new_content_is_a_revision(self, snapshot: Snapshot, drive: Drive) -> None:
        """Another MD5 is the next revision of the same node; folders above tell of it below, not of themselves."""
        old, folder = find(snapshot, "d/e/b"), find(snapshot, "d")
        drive.put("d/e/b", b"22")
        [new] = look(snapshot, drive)
        assert (new.id, new.rev, new.size) == (old.id, old.rev + 1, 2)
        now = find(snapshot, "d")
        assert (now.change, now.below) == (folder.change, new.change)

    def test_only_the_time(self, snapshot: Snapshot, drive: Drive) -> None:
        """Another second is no revision (R26)."""
        old = find(snapshot, "f")
        drive.put("f", b"3", 9)
        [new] = look(snapshot, drive)
        assert (new.rev, new.mtime_ns) == (old.rev, 9 * NS)

    def test_a_move_is_found_by_id(self, snapshot: Snapshot, drive: Drive) -> None:
        """A file or folder at another place is the same node, and what is in the folder did not change."""
        file, folder, inner = find(snapshot, "f"), find(snapshot, "d"), find(snapshot, "d/a")
        drive.move("f", "d/g")
        drive.move("d", "h")
        changed = look(snapshot, drive)
        assert {entry.id for entry in changed} == {file.id, folder.id}
        assert find(snapshot, "h/g")._replace(
            change=0, below=0, parent=0, name="", key="", place="", raw=""
        ) == file._replace(change=0, below=0, parent=0, name="", key="", place="", raw="")
        assert find(snapshot, "h/a").change == inner.change

    def test_names_in_a_circle(self, snapshot: Snapshot, drive: Drive) -> None:
        """Two files that changed their names are two moves."""
        drive.put("g", b"4")
        look(snapshot, drive)
        f, g = find(snapshot, "f").id, find(snapshot, "g").id
        drive.files[("f",)], drive.files[("g",)] = drive.files[("g",)], drive.files[("f",)]
        look(snapshot, drive)
        assert (find(snapshot, "f").id, find(snapshot, "g").id) == (g, f)

    def test_what_is_missing_is_gone_with_all_in_it(self, snapshot: Snapshot, drive: Drive) -> None:
        """Absence in a complete listing is a deletion, and what comes back is the same node."""
        old = find(snapshot, "d/a")
        kept = drive.files[("d", "a")]
        drive.drop("d")
        assert {entry.gone for entry in look(snapshot, drive)} == {True}
        assert shown(snapshot) == {("f",): hexed(b"3")}
        drive.put("d/a", b"1")
        drive.files[("d", "a")] = kept
        look(snapshot, drive)
        assert find(snapshot, "d/a").id == old.id

    def test_a_copy_and_a_deletion_are_a_move(self, snapshot: Snapshot, drive: Drive) -> None:
        """A file that came when just one of its content went is that one: nothing has to be fetched."""
        old = find(snapshot, "f")
        drive.drop("f")
        drive.put("d/new", b"3")
        assert [entry.id for entry in look(snapshot, drive)] == [old.id]
        drive.put("d/x", b"1")
        drive.drop("d/a")
        drive.put("d/y", b"1")
        assert find(snapshot, "d/a").id not in {entry.id for entry in look(snapshot, drive) if not entry.gone}

    def test_nanoseconds_of_our_own(self, snapshot: Snapshot, drive: Drive) -> None:
        """A time that we gave stays exact while the server shows its second."""
        old = find(snapshot, "f")
        snapshot.stored(old.id, TOP, "f", (hexed(b"new"), 3), 7 * NS + 123, old.key)
        drive.put("f", b"new", 7)
        assert look(snapshot, drive) == []
        assert find(snapshot, "f").mtime_ns == 7 * NS + 123
        drive.put("f", b"new", 8)
        [new] = look(snapshot, drive)
        assert new.mtime_ns == 8 * NS

    def test_a_listing_older_than_our_act(self, snapshot: Snapshot, drive: Drive) -> None:
        """What we did after a listing was asked for is not undone by it."""
        old, other = find(snapshot, "f"), find(snapshot, "d/a")
        began, seen = snapshot.begin(), drive.seen()
        snapshot.stored(old.id, TOP, "f", (hexed(b"new"), 3), NS, old.key)
        snapshot.dropped(other.id)
        made = snapshot.stored(None, TOP, "n", (hexed(b"n"), 1), NS, "v99")
        before = snapshot.change
        take(snapshot, seen, began)
        assert snapshot.since(before) == []
        assert find(snapshot, "n").id == made.id
        take(snapshot, drive.seen(), snapshot.begin())
        assert find(snapshot, "f").md5 == hexed(b"3")

    def test_names_that_cannot_be(self, snapshot: Snapshot, drive: Drive) -> None:
        """Such things are left out and told; what they were known as stays (S04, R16)."""
        seen = drive.seen()
        seen = seen._replace(
            folders=[*seen.folders, SeenFolder("d70", "/x/../y/")],
            files=[
                *seen.files,
                SeenFile("v71", "//", "..", 1, hexed(b"1"), 1),
                SeenFile("v72", "//", "f", 1, hexed(b"1"), 1),
            ],
        )
        before = snapshot.change
        take(snapshot, seen, snapshot.begin())
        assert snapshot.since(before) == []
        assert set(snapshot.refused) == {"d70", "v71", "v72"}

    def test_a_file_that_cannot_be_read_now_stays(self, snapshot: Snapshot, drive: Drive) -> None:
        """Without an MD5 nothing is concluded."""
        seen = drive.seen()
        seen = seen._replace(files=[file._replace(md5="", size=9) for file in seen.files])
        before = snapshot.change
        take(snapshot, seen, snapshot.begin())
        assert snapshot.since(before) == []


class TestSecondObjects:
    def test_a_copy_of_ours_takes_over(self, snapshot: Snapshot, drive: Drive) -> None:
        """While both are listed the copy is hidden; when the first is gone, the node is at the new place."""
        node = find(snapshot, "f").id
        snapshot.alias(("d", "g"), node)
        drive.put("d/g", b"3")
        assert look(snapshot, drive) == []
        drive.drop("f")
        [moved] = look(snapshot, drive)
        assert (moved.id, snapshot.names(moved.id)) == (node, ("d", "g"))
        assert not snapshot.aliases

    def test_somebody_elses_file_there_is_its_own(self, snapshot: Snapshot, drive: Drive) -> None:
        """Other content at the place of our copy is another file."""
        node = find(snapshot, "f").id
        snapshot.alias(("d", "g"), node)
        drive.put("d/g", b"theirs")
        look(snapshot, drive)
        assert find(snapshot, "d/g").id != node

    def test_a_folder_half_moved_is_one(self, snapshot: Snapshot, drive: Drive) -> None:
        """Between copy and deletion a folder stays where it was, with all that is in either; then it has moved."""
        before = {name: find(snapshot, name).id for name in ("d", "d/a", "d/e", "d/e/b")}
        for name, node in before.items():
            snapshot.alias(tuple(name.replace("d", "n", 1).split("/")), node)
        drive.put("n/a", b"1")
        drive.put("n/e/b", b"2")
        assert look(snapshot, drive) == []
        drive.drop("d/e/b")
        assert look(snapshot, drive) == []
        drive.drop("d")
        changed = look(snapshot, drive)
        assert [entry.id for entry in changed] == [before["d"]]
        assert {name: find(snapshot, name.replace("d", "n", 1)).id for name in before} == before


class TestWithoutIds:
    def test_absence_says_nothing(self, drive: Drive) -> None:
        """A server that leaves out what is being sent anew deletes nothing here."""
        snapshot = Snapshot(EPOCH)
        look(snapshot, drive, ids=False)
        drive.drop("d")
        assert look(snapshot, drive, ids=False) == []
        drive.put("d/a", b"2")
        [new] = look(snapshot, drive, ids=False)
        assert new.rev == 2


class TestStore:
    def test_a_new_start_knows_it_all(self, tmp_path: Path, drive: Drive) -> None:
        """Closed and opened, the account is the same."""
        store = NetdriveStore(tmp_path / "account")
        look(store.snapshot, drive)
        store.snapshot.alias(("x",), find(store.snapshot, "f").id)
        store.save()
        drive.drop("d/e")
        look(store.snapshot, drive)
        store.save()
        store.close()
        again = NetdriveStore(tmp_path / "account")
        assert again.snapshot.entries == store.snapshot.entries
        assert again.snapshot.aliases == store.snapshot.aliases
        assert (again.snapshot.change, again.snapshot.next_id) == (store.snapshot.change, store.snapshot.next_id)
        assert look(again.snapshot, drive) == []
        again.close()

    def test_a_damaged_file_begins_another_life(self, tmp_path: Path) -> None:
        """What cannot be read is set aside."""
        store = NetdriveStore(tmp_path / "account")
        store.close()
        (tmp_path / "account").write_bytes(b"no database at all" * 100)
        again = NetdriveStore(tmp_path / "account")
        assert again.snapshot.epoch != store.snapshot.epoch
        assert (tmp_path / "account.damaged").exists()
        again.close()

    def test_two_contents_of_one_md5_have_no_digest(self) -> None:
        """A collision makes the MD5 say nothing."""
        from homestow.values.digests import Digest

        store = NetdriveStore(":memory:")
        one, other = Digest("a" * 64), Digest("b" * 64)
        store.learn([(one, "c" * 32, 5)])
        assert store.digest_of("c" * 32, 5) == one
        store.learn([(other, "c" * 32, 5)])
        assert store.digest_of("c" * 32, 5) is None
        assert store.md5_of(other) == "c" * 32
        store.close()


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


class Following(RuleBasedStateMachine):
    """A drive that somebody changes at will, and an account that looks at times."""

    @initialize()
    def begin(self) -> None:
        self.drive, self.store = Drive(), NetdriveStore(":memory:")
        self.replica: dict[int, Entry] = {}
        self.number, self.count = 0, 0
        self.contents: dict[tuple[int, int], str] = {}

    def _free(self, path: str) -> bool:
        names = tuple(path.split("/"))
        return names not in self.drive.folders and all(names[:n] not in self.drive.files for n in range(1, len(names)))

    @rule(path=PATHS, kind=st.integers(0, 2))
    def put(self, path: str, kind: int) -> None:
        if self._free(path):
            self.count += 1
            self.drive.put(path, b"%d" % (self.count if kind else kind), self.count)

    @rule(path=PATHS)
    def drop(self, path: str) -> None:
        self.drive.drop(path)

    @rule(path=PATHS, to=PATHS)
    def move(self, path: str, to: str) -> None:
        new = tuple(to.split("/"))
        if (
            not to.startswith(path)
            and self._free(to)
            and new not in self.drive.files
            and new[:-1] in self.drive.folders
        ):
            self.drive.move(path, to)

    @rule()
    def look(self) -> None:
        snapshot = self.store.snapshot
        take(snapshot, self.drive.seen(), snapshot.begin())
        self.store.save()
        assert not snapshot.refused
        for entry in snapshot.since(self.number):
            old = self.replica.get(entry.id)
            assert old is None or entry.change > old.change
            assert old is None or old.folder == entry.folder
            self.replica[entry.id] = entry
            if not entry.folder:
                # One revision is one content.
                assert self.contents.setdefault((entry.id, entry.rev), entry.md5) == entry.md5
        self.number = snapshot.change
        expected: dict[Names, str | None] = {names: None for names in self.drive.folders if names}
        expected.update({names: hexed(content) for names, (_, content, _) in self.drive.files.items()})
        assert shown(snapshot) == expected
        # Who only reads the changes knows the same.
        live = {entry.id: entry for entry in self.replica.values() if not entry.gone}
        live.pop(TOP, None)
        places = {(entry.parent, entry.name) for entry in live.values()}
        assert len(places) == len(live) == len(expected)
        assert {entry.id for entry in snapshot.below(TOP)} == set(live)
        by_key = {entry.key: entry for entry in snapshot.below(TOP)}
        for names, (key, _, _) in self.drive.files.items():
            assert snapshot.names(by_key[f"v{key}"].id) == names

    @rule()
    def forget(self) -> None:
        self.store.snapshot.forget_gone(self.number)

    @invariant()
    def folders_tell_of_what_is_below(self) -> None:
        if hasattr(self, "store"):
            for entry in self.store.snapshot.below(TOP):
                assert self.store.snapshot.entries[entry.parent].below >= entry.change


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
