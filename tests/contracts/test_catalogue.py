"""What every catalogue promises, over a database in a file and one in memory."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database, head, stored_schema
from homestow.server.ports.catalogue import Answer, Catalogue, NodeRow, Rows, Seen, UploadRow, VersionRow, new_row
from homestow.server.ports.journal import Note
from homestow.values.changes import ChangeKind
from homestow.values.errors import NewerStore, PathTaken, StorageFailed
from homestow.values.ids import NO_DEVICE, SYSTEM, AccountId, Epoch, NodeId, RootId, UploadId
from homestow.values.nodes import Kind

ROOT = RootId(7)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty database of the newest schema."""
    path = tmp_path_factory.mktemp("template") / "homestow.db"
    Database.open(path, in_process=True).close()
    return path.read_bytes()


@pytest.fixture(params=["memory", "file"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path, template: bytes) -> Iterator[Catalogue]:
    path = None
    if request.param == "file":
        path = tmp_path / "homestow.db"
        path.write_bytes(template)
    database = Database.open(path)
    yield SqlCatalogue(database)
    database.close()


def note(rows: Rows, node: NodeId, *inside: NodeId, kind: ChangeKind = ChangeKind.CREATED) -> int:
    return rows.note([Note(ROOT, node, kind, 5, SYSTEM, NO_DEVICE, inside)])


def add(
    catalogue: Catalogue,
    parent: NodeId | None,
    name: str,
    kind: Kind = Kind.FILE,
    size: int = 0,
    digest: bytes | None = None,
) -> NodeId:
    with catalogue.write() as rows:
        node = rows.take_ids(1)
        number = note(rows, node, *(() if parent is None else (parent,)))
        row = new_row(
            node, ROOT, parent, name, kind, number, rev=1, size=size, digest=digest, seen=Seen(node + 100, 1, 2, 3)
        )
        rows.add([row])
    return node


def row(catalogue: Catalogue, node: NodeId) -> NodeRow:
    found = catalogue.node(node)
    assert found is not None
    return found


@pytest.fixture
def top(catalogue: Catalogue) -> NodeId:
    return add(catalogue, None, "", Kind.FOLDER)


def move(catalogue: Catalogue, node: NodeId, parent: NodeId, name: str) -> None:
    with catalogue.write() as rows:
        rows.set_place(node, parent, name, None, None, note(rows, node, parent, kind=ChangeKind.MOVED))


def trash(catalogue: Catalogue, node: NodeId, kept: str | None = "kept") -> int:
    parent = row(catalogue, node).parent
    assert parent is not None
    with catalogue.write() as rows:
        number = note(rows, node, parent, kind=ChangeKind.TRASHED)
        rows.set_gone(node, number, 9, AccountId(3), kept)
    return number


class TestNodes:
    def test_a_node_is_found_by_id_and_by_place(self, catalogue: Catalogue, top: NodeId) -> None:
        """What was added is there with all its facts."""
        node = add(catalogue, top, "a", size=5, digest=bytes(32))

        assert catalogue.child(top, "a") == row(catalogue, node)
        assert row(catalogue, node).seen == Seen(node + 100, 1, 2, 3)
        assert row(catalogue, node).node().digest == "00" * 32
        assert catalogue.top(ROOT) == row(catalogue, top)

    def test_a_place_is_taken_once(self, catalogue: Catalogue, top: NodeId) -> None:
        """Two live nodes never have one place; a deleted one leaves it free."""
        node = add(catalogue, top, "a")
        with pytest.raises(PathTaken):
            add(catalogue, top, "a")

        trash(catalogue, node)
        again = add(catalogue, top, "a")

        assert again != node
        assert catalogue.child(top, "a") == row(catalogue, again)

    def test_adopted_nodes_are_like_added_ones(self, catalogue: Catalogue, top: NodeId) -> None:
        """However many come at once, folders before what is in them, each row is the one `add` would have made."""
        with catalogue.write() as rows:
            folder = rows.take_ids(231)
            change = rows.take_numbers(231, [top])
            wanted = [new_row(folder, ROOT, top, "d", Kind.FOLDER, change, mtime_ns=8, seen=Seen(90, 4, 5, 8))]
            wanted += [
                new_row(
                    NodeId(folder + n), ROOT, folder, f"f{n}", Kind.FILE, change + n, rev=1, size=n, mtime_ns=n + 1,
                    seen=Seen(n + 2, n + 3, n + 4, n + 1),
                )
                for n in range(1, 231)
            ]  # fmt: skip
            rows.adopt(ROOT, [
                (one.id, one.parent or top, one.name, one.kind, one.rev, one.change, one.size, one.mtime_ns, one.inode,
                 one.birth_ns, one.ctime_ns)
                for one in wanted
            ])  # fmt: skip

        assert sorted(catalogue.children(folder, "", -1)) == wanted[1:]
        assert catalogue.child(top, "d") == wanted[0]._replace(below=row(catalogue, folder).below)
        with pytest.raises(PathTaken), catalogue.write() as rows:
            rows.adopt(ROOT, [(rows.take_ids(1), folder, "f1", "file", 1, change, 0, 0, 0, 0, 0)])

    def test_ids_are_never_given_twice(self, catalogue: Catalogue, top: NodeId) -> None:
        """Not even when everything in between was removed."""
        node = add(catalogue, top, "a")
        with catalogue.write() as rows:
            rows.forget([node], note(rows, node))

        assert catalogue.node(node) is None
        assert add(catalogue, top, "b") > node

    def test_children_come_by_pages_in_order_of_names(self, catalogue: Catalogue, top: NodeId) -> None:
        """Without gaps and without what was deleted."""
        for name in ("b", "a", "ä", "B", "c"):
            add(catalogue, top, name)
        gone = catalogue.child(top, "b")
        assert gone is not None
        trash(catalogue, gone.id)

        first = [each.name for each in catalogue.children(top, "", 2)]
        rest = [each.name for each in catalogue.children(top, first[-1], 10)]

        assert first + rest == ["B", "a", "c", "ä"]

    def test_an_undone_transaction_leaves_nothing(self, catalogue: Catalogue, top: NodeId) -> None:
        """Rows, numbers, usage and paths are as before."""
        folder = add(catalogue, top, "f", Kind.FOLDER)
        number, usage = catalogue.last(), catalogue.usage([ROOT])

        def change() -> None:
            with catalogue.write() as rows:
                rows.set_place(folder, top, "g", None, None, note(rows, folder, top))
                rows.charge(ROOT, live=5)
                assert rows.folder(folder) is not None
                raise RuntimeError

        with pytest.raises(RuntimeError):
            change()

        found = catalogue.folder(folder)
        assert found is not None
        assert (found.location, catalogue.last(), catalogue.usage([ROOT])) == (("f",), number, usage)
        assert add(catalogue, top, "after") == folder + 1

    def test_a_savepoint_is_undone_alone(self, catalogue: Catalogue, top: NodeId) -> None:
        """What happened before and after it in the transaction stays."""

        def fails(rows: Rows) -> None:
            with rows.savepoint():
                rows.charge(ROOT, live=100)
                note(rows, top)
                raise RuntimeError

        before = catalogue.last()
        with catalogue.write() as rows:
            rows.charge(ROOT, live=1)
            with pytest.raises(RuntimeError):
                fails(rows)
            rows.charge(ROOT, live=2)
            note(rows, top)

        assert catalogue.usage([ROOT])[ROOT].live == 3
        assert catalogue.last() == before + 1


class TestPaths:
    def test_renaming_a_folder_moves_all_below_it(self, catalogue: Catalogue, top: NodeId) -> None:
        """One row changes, and every path below follows, known before or not."""
        a = add(catalogue, top, "a", Kind.FOLDER)
        b = add(catalogue, a, "b", Kind.FOLDER)
        leaf = add(catalogue, b, "x")
        assert catalogue.lies(row(catalogue, leaf)) == (None, ("a", "b", "x"))

        move(catalogue, a, top, "z")

        assert catalogue.lies(row(catalogue, leaf)) == (None, ("z", "b", "x"))
        found = catalogue.folder(b)
        assert found is not None
        assert (found.chain, found.held, found.live) == ((b, a, top), (b, a, top), True)

    def test_place_and_location_are_two_facts(self, catalogue: Catalogue, top: NodeId) -> None:
        """A folder shown elsewhere keeps lying where it lies, and what is in it lies there too."""
        a, b = add(catalogue, top, "a", Kind.FOLDER), add(catalogue, top, "b", Kind.FOLDER)
        inner = add(catalogue, a, "inner", Kind.FOLDER)
        leaf = add(catalogue, inner, "x")
        with catalogue.write() as rows:
            rows.set_place(inner, b, "shown", a, "inner", note(rows, inner, a, b))

        assert catalogue.lies(row(catalogue, leaf)) == (None, ("a", "inner", "x"))
        found = catalogue.folder(inner)
        assert found is not None
        assert (found.chain, found.held) == ((inner, b, top), (inner, a, top))
        assert [each.id for each in catalogue.lying_elsewhere(ROOT)] == [inner]
        assert [each.id for each in catalogue.lying_in(a)] == [inner]
        assert catalogue.lying_in(b) == []
        at = catalogue.lying_at(a, "inner")
        assert at is not None
        assert at.id == inner

    def test_what_is_below_a_deleted_folder_lies_in_what_is_kept(self, catalogue: Catalogue, top: NodeId) -> None:
        """Rows below stay as they are, are no longer live, and come back with the folder."""
        a = add(catalogue, top, "a", Kind.FOLDER)
        b = add(catalogue, a, "b", Kind.FOLDER)
        leaf = add(catalogue, b, "x")

        trash(catalogue, a, "key")

        assert catalogue.lies(row(catalogue, leaf)) == ("key", ("b", "x"))
        below = catalogue.folder(b)
        assert below is not None
        assert not below.live
        assert [each.id for each in catalogue.tree(ROOT, NodeId(0), 100)[0]] == [top]
        move(catalogue, a, top, "back")
        assert catalogue.lies(row(catalogue, leaf)) == (None, ("back", "b", "x"))
        assert [each.id for each in catalogue.inside(a)] == [b, leaf]

    def test_readers_in_other_threads_never_keep_an_old_path(self, catalogue: Catalogue, top: NodeId) -> None:
        """Paths asked for while folders move are right once the move is done."""
        if not isinstance(catalogue, SqlCatalogue) or catalogue._database.path is None:
            pytest.skip("a database in memory belongs to one thread")
        a = add(catalogue, top, "0", Kind.FOLDER)
        leaf = row(catalogue, add(catalogue, a, "x"))
        stop = threading.Event()
        failures: list[str] = []

        def ask() -> None:
            while not stop.is_set():
                lies = catalogue.lies(leaf)
                if lies.kept is not None or lies.location[1:] != ("x",):
                    failures.append(str(lies))

        readers = [threading.Thread(target=ask) for _ in range(3)]
        for reader in readers:
            reader.start()
        for number in range(1, 40):
            move(catalogue, a, top, str(number))
            if catalogue.lies(leaf).location != (str(number), "x"):
                failures.append(f"stale at {number}")
        stop.set()
        for reader in readers:
            reader.join()

        assert failures == []


class TestJournal:
    def test_folders_learn_the_last_change_below_them(self, catalogue: Catalogue, top: NodeId) -> None:
        """Every folder up to the top, and no other."""
        a, b = add(catalogue, top, "a", Kind.FOLDER), add(catalogue, top, "b", Kind.FOLDER)
        before = row(catalogue, b).below
        add(catalogue, a, "x")

        assert row(catalogue, a).below == row(catalogue, top).below == catalogue.last()
        assert row(catalogue, b).below == before
        assert row(catalogue, a).change < catalogue.last()

    def test_the_feed_gives_latest_states_after_a_number(self, catalogue: Catalogue, top: NodeId) -> None:
        """Each node once, oldest change first, by pages."""
        nodes = [add(catalogue, top, name) for name in "abc"]
        start = catalogue.last()
        for node in (nodes[1], nodes[0], nodes[1]):
            move(catalogue, node, top, f"{row(catalogue, node).name}'")

        page, number, more = catalogue.changed(ROOT, start, 1)
        rest, end, end_more = catalogue.changed(ROOT, number, 10)

        assert [each.id for each in (*page, *rest)] == [nodes[0], nodes[1]]
        assert (more, end_more, end) == (True, False, catalogue.last())
        assert catalogue.changed(ROOT, end, 10) == ([], end, False)

    def test_the_feed_tells_what_came_into_a_deleted_folder_as_gone(self, catalogue: Catalogue, top: NodeId) -> None:
        """A reader may know it at the place it had before; what was in the folder all along goes with it untold."""
        a = add(catalogue, top, "a", Kind.FOLDER)
        add(catalogue, a, "always there")
        elsewhere = add(catalogue, top, "x")
        start = catalogue.last()
        move(catalogue, elsewhere, a, "x")
        trash(catalogue, a)

        page, _, _ = catalogue.changed(ROOT, start, 10)

        assert [(each.id, bool(each.gone)) for each in page] == [(elsewhere, True), (a, True)]

    def test_entries_come_in_order_until_compacted(self, catalogue: Catalogue, top: NodeId) -> None:
        """Numbers grow without gaps; compaction says how far it went."""
        add(catalogue, top, "a")
        numbers = [entry.number for entry in catalogue.entries(ROOT, 0, 100)]
        assert numbers == [1, 2]

        with catalogue.write() as rows:
            rows.compact(1)

        assert catalogue.compacted() == 1
        assert [entry.number for entry in catalogue.entries(ROOT, 0, 100)] == [2]
        add(catalogue, top, "b")
        assert catalogue.last() == 3

    def test_another_epoch_is_remembered(self, catalogue: Catalogue) -> None:
        """After a restore."""
        with catalogue.write() as rows:
            rows.renew_epoch(Epoch("f" * 32))

        assert catalogue.epoch() == "f" * 32


class TestTrashAndVersions:
    def test_the_trash_is_newest_first_and_only_what_is_kept(self, catalogue: Catalogue, top: NodeId) -> None:
        """What nothing is left of is no trash."""
        nodes = [add(catalogue, top, name) for name in "abc"]
        trash(catalogue, nodes[0], "k0")
        last = trash(catalogue, nodes[1], "k1")
        trash(catalogue, nodes[2], None)

        assert [each.id for each in catalogue.trash(ROOT, 0, 10)] == [nodes[1], nodes[0]]
        assert [each.id for each in catalogue.trash(ROOT, last, 10)] == [nodes[0]]
        assert catalogue.kept_keys(ROOT) == {"k0", "k1"}
        assert [each.id for each in catalogue.trash_before(10, 10)] == nodes[:2]
        assert catalogue.trash_before(9, 10) == []

    def test_a_purged_node_is_a_tombstone_until_compaction(self, catalogue: Catalogue, top: NodeId) -> None:
        """The feed tells it as gone as long as a cursor may not know."""
        node = add(catalogue, top, "a")
        trash(catalogue, node)
        with catalogue.write() as rows:
            number = note(rows, node, kind=ChangeKind.PURGED)
            rows.set_purged(node, number)

        assert catalogue.changed(ROOT, number - 1, 10)[0][0].gone == number
        with catalogue.write() as rows:
            assert rows.forget_tombstones(number - 1) == 0
            assert rows.forget_tombstones(number) == 1
        assert catalogue.node(node) is None

    def test_a_folder_that_still_holds_something_deleted_before_it_stays_as_tombstone(
        self, catalogue: Catalogue, top: NodeId
    ) -> None:
        """Rows never lose the folder they are in."""
        folder = add(catalogue, top, "f", Kind.FOLDER)
        inner = add(catalogue, folder, "inner", Kind.FOLDER)
        earlier = add(catalogue, inner, "x")
        trash(catalogue, earlier, "x")
        with catalogue.write() as rows:
            rows.forget([inner], note(rows, inner))

        assert row(catalogue, inner).gone
        assert row(catalogue, inner).kept is None
        assert row(catalogue, earlier).kept == "x"

    def test_versions_are_listed_newest_first(self, catalogue: Catalogue, top: NodeId) -> None:
        """And found by rev."""
        node = add(catalogue, top, "a")
        versions = [VersionRow(node, rev, 5, 1, None, 2, f"k{rev}") for rev in (1, 2)]
        with catalogue.write() as rows:
            for version in versions:
                rows.add_version(version)
            rows.set_version_digest(node, 2, bytes(32))

        assert catalogue.versions(node) == [versions[1]._replace(digest=bytes(32)), versions[0]]
        assert catalogue.version(node, 1) == versions[0]
        assert catalogue.version(node, 3) is None
        assert catalogue.nodes_with_versions(NodeId(0), 10) == [node]
        assert catalogue.kept_keys(ROOT) == {"k1", "k2"}


class TestTheRest:
    def test_uploads_are_kept_as_they_are(self, catalogue: Catalogue) -> None:
        """Ranges and all."""
        upload = UploadRow(
            UploadId("u"), ROOT, NodeId(5), AccountId(1), NO_DEVICE, NodeId(1), "n", 0, 10, 4, None, None, "uploading",
            (0, 4, 6, 8), (0, 2), "boot", 1, 100, 0,
        )  # fmt: skip
        with catalogue.write() as rows:
            rows.save_upload(upload)
            rows.charge(ROOT, reserved=10)

        assert catalogue.upload(UploadId("u")) == upload
        assert catalogue.uploads_of(ROOT) == {"u"}
        assert catalogue.uploads_count(AccountId(1)) == 1
        assert catalogue.uploads_expired(100, 10) == []
        assert catalogue.uploads_expired(101, 10) == [upload]
        with catalogue.write() as rows:
            assert rows.recount(ROOT).reserved == 10
            rows.save_upload(upload._replace(state="written"))
        assert catalogue.uploads_of(ROOT) == set()
        assert catalogue.uploads_count(AccountId(1)) == 0

    def test_content_is_found_by_digest_while_live(self, catalogue: Catalogue, top: NodeId) -> None:
        """Large files only, by digest and size."""
        digest = bytes(range(32))
        node = add(catalogue, top, "large", size=70_000, digest=digest)
        add(catalogue, top, "small", size=5, digest=digest)

        assert [each.id for each in catalogue.by_digest(digest, 70_000)] == [node]
        assert catalogue.by_digest(digest, 5) == []
        trash(catalogue, node)
        assert catalogue.by_digest(digest, 70_000) == []

    def test_a_node_is_found_by_inode(self, catalogue: Catalogue, top: NodeId) -> None:
        """For telling a rename from outside."""
        node = add(catalogue, top, "a")

        assert [each.id for each in catalogue.by_inode(ROOT, node + 100)] == [node]
        assert catalogue.by_inode(RootId(8), node + 100) == []

    def test_subtrees_come_by_pages(self, catalogue: Catalogue, top: NodeId) -> None:
        """The folder itself included, nothing beside it."""
        a = add(catalogue, top, "a", Kind.FOLDER)
        b = add(catalogue, a, "b", Kind.FOLDER)
        x, _ = add(catalogue, b, "x"), add(catalogue, top, "y")

        first, following = catalogue.subtree(a, NodeId(0), 2)
        assert following is not None
        rest, end = catalogue.subtree(a, following, 2)

        assert [each.id for each in (*first, *rest)] == [a, b, x]
        assert end is None

    def test_answers_and_intents_are_kept_until_dropped(self, catalogue: Catalogue) -> None:
        """Keys belong to one account."""
        with catalogue.write() as rows:
            rows.save_answer(AccountId(1), "k", Answer(b"r", b"a"), 10)
            numbers = rows.add_intents([(ROOT, b"one"), (ROOT, b"two")])
            rows.drop_intents(numbers[:1])

        assert catalogue.answer(AccountId(1), "k") == Answer(b"r", b"a")
        assert catalogue.answer(AccountId(2), "k") is None
        assert [(intent.root, intent.body) for intent in catalogue.intents()] == [(ROOT, b"two")]
        with catalogue.write() as rows:
            rows.drop_answers(11)
        assert catalogue.answer(AccountId(1), "k") is None

    def test_a_nested_transaction_is_part_of_the_outer_one(self, catalogue: Catalogue, top: NodeId) -> None:
        """It is undone with it, and seen inside of it."""

        def outer() -> None:
            with catalogue.write() as rows:
                with catalogue.write() as inner:
                    inner.charge(ROOT, live=5)
                assert rows.usage([ROOT])[ROOT].live == 5
                raise RuntimeError

        with pytest.raises(RuntimeError):
            outer()

        assert catalogue.usage([ROOT])[ROOT].live == 0


class TestTheFile:
    def test_a_fresh_file_is_migrated_apart(self, tmp_path: Path) -> None:
        """By a child process, to the newest schema, readable by its owner alone (S12)."""
        path = tmp_path / "homestow.db"

        Database.open(path).close()

        assert stored_schema(path) == head()
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_file_of_another_user_is_refused(
        self, tmp_path: Path, template: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What may not be written is said at the start, with what to do; it is not called damaged."""
        path = tmp_path / "homestow.db"
        path.write_bytes(template)
        journal = tmp_path / "homestow.db-wal"
        journal.write_bytes(b"")
        # The tests may run as root, who may write everything.
        monkeypatch.setattr(os, "access", lambda asked, mode: asked != journal)

        with pytest.raises(StorageFailed, match="run as its owner"):
            Database.open(path)

    def test_a_newer_file_is_refused_untouched(self, tmp_path: Path, template: bytes) -> None:
        """Nobody's data is read by rules it was not written with (S112)."""
        import sqlite3

        path = tmp_path / "homestow.db"
        path.write_bytes(template)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        before = path.read_bytes()

        with pytest.raises(NewerStore):
            Database.open(path)

        assert path.read_bytes() == before

    @pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 4080])
    def test_what_is_no_database_is_refused(self, tmp_path: Path, content: bytes) -> None:
        """With an error that says which file."""
        path = tmp_path / "homestow.db"
        path.write_bytes(content)

        with pytest.raises(StorageFailed, match=r"homestow\.db"):
            Database.open(path)

        assert path.read_bytes() == content

    def test_the_schema_is_what_the_migrations_make(self, tmp_path: Path, template: bytes) -> None:
        """`schema.py` and the migrations never drift apart."""
        import sqlalchemy as sa
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        from homestow.server.adapters.catalogue_sql.schema import metadata

        path = tmp_path / "homestow.db"
        path.write_bytes(template)
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            differences = compare_metadata(context, metadata)
        engine.dispose()

        assert differences == []

    def test_no_question_of_every_day_looks_at_the_whole_table(self) -> None:
        """Its cost grows with its answer, not with the store."""
        from homestow.server.adapters.catalogue_sql import statements

        expected = {
            "NODE": "INTEGER PRIMARY KEY (rowid=?)",
            "CHILD": "nodes_place (parent=? AND gone=? AND name=?)",
            "CHILDREN": "nodes_place (parent=? AND gone=? AND name>?)",
            "TREE": "nodes_root (root=? AND id>?)",
            "CHANGED": "nodes_change (root=? AND change>?)",
            "LYING_ELSEWHERE": "nodes_location (loc_parent>?)",
            "LIES_AT": "nodes_location (loc_parent=? AND loc_name=?)",
            "BY_INODE": "nodes_inode (root=? AND inode=?)",
            "BY_DIGEST": "nodes_digest (digest=?)",
            "TRASH": "nodes_trash (root=? AND gone>? AND gone<?)",
            "ENTRIES": "journal_root (root=? AND number>?)",
        }
        database = Database.open(None)
        for name, wanted in expected.items():
            statement = getattr(statements, name)
            plan = database.reader().execute(f"EXPLAIN QUERY PLAN {statement}", [1] * statement.count("?")).fetchall()
            assert [step[3] for step in plan if wanted in step[3]] == [step[3] for step in plan], name
        database.close()
