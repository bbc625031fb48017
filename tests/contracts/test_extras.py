"""The promises of `ports.extras`, held by every adapter."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.extras import SqlExtras
from homestow.server.ports.accounts import Accounts
from homestow.server.ports.catalogue import Catalogue, UploadRow, new_row
from homestow.server.ports.extras import Extras, ExtrasRows, Folders, PartStatus, Person
from homestow.values.ids import AccountId, DeviceId, NodeId, RootId, UploadId
from homestow.values.nodes import Kind

ROOT = RootId(1)
ANNA, BEN = AccountId(1), AccountId(2)


@dataclass(frozen=True, slots=True)
class Store:
    """An empty store, and the catalogue it lies beside."""

    rows: ExtrasRows
    folders: Folders
    catalogue: Catalogue
    accounts: Accounts
    database: Database

    def stamp(self) -> int:
        """How many changes there were."""
        return int(self.database.reader().execute("SELECT value FROM counters WHERE name = 'facts'").fetchone()[0])


def waiting(node: int, folder: int, uploader: AccountId = ANNA, **more: object) -> Extras:
    row = Extras(node=NodeId(node), root=ROOT, folder=NodeId(folder), uploader=uploader, upload=UploadId(f"{node:032}"))
    return replace(row, **more)  # type: ignore[arg-type]  # fields of a test's choice


class ExtrasContract:
    """One suite for every adapter."""

    def put(self, store: Store, *rows: Extras) -> None:
        for row in rows:
            store.rows.change(row.node, row.root, lambda _, row=row: row)  # type: ignore[misc]  # bound per turn

    def test_every_field_is_kept(self, store: Store) -> None:
        """What was given comes back in its type; other nodes have none."""
        full = Extras(
            node=NodeId(5), root=ROOT, folder=NodeId(2), shown="Grüße", shown_for="g", upload=UploadId("a" * 32),
            uploader=ANNA, created_s=1.5, uploaded_s=2.0, imported_s=3.0, modified_s=-4.5, ext="", size=0, kind=4,
            duration_s=9.25, width=1, height=2, orientation=8, latitude=-90.0, longitude=180.0, memo="", help_int=-7,
            help_text="\0", help_s=6.0, thumb=PartStatus.UPLOADING, screen=PartStatus.BROKEN,
        )  # fmt: skip
        assert all(getattr(full, each.name) is not None for each in fields(full))
        self.put(store, full)
        assert store.rows.extras([NodeId(5), NodeId(6)]) == {NodeId(5): full}
        assert store.rows.extras([]) == {}

    def test_a_change_sees_what_is_there(self, store: Store) -> None:
        """An empty row at first; what it became is given back, and stamped only when something became other."""
        first = store.rows.change(NodeId(5), ROOT, lambda row: replace(row, memo="a"))
        assert first == Extras(node=NodeId(5), root=ROOT, memo="a")
        stamp = store.stamp()
        assert store.rows.change(NodeId(5), RootId(9), lambda row: row) == first
        assert store.stamp() == stamp
        assert (
            store.rows.change(NodeId(5), ROOT, lambda row: replace(row, memo=row.memo and row.memo + "b")).memo == "ab"
        )
        assert store.stamp() == stamp + 1

    def test_a_change_that_fails_changes_nothing(self, store: Store) -> None:
        """What the caller raises is raised."""
        self.put(store, Extras(node=NodeId(5), root=ROOT, memo="a"))

        def fail(row: Extras) -> Extras:
            raise KeyError(row.memo)

        with pytest.raises(KeyError):
            store.rows.change(NodeId(5), ROOT, fail)
        assert store.rows.extras([NodeId(5)])[NodeId(5)].memo == "a"

    def test_what_somebody_still_has_to_send(self, store: Store) -> None:
        """Content or a promised thumbnail, of this very account, by id; until it has come."""
        rows = (
            waiting(9, 2), waiting(8, 2, BEN), Extras(node=NodeId(7), root=ROOT, uploader=ANNA, thumb=PartStatus.UPLOADING),
            Extras(node=NodeId(6), root=ROOT, uploader=ANNA, screen=PartStatus.UPLOADING),
            Extras(node=NodeId(5), root=ROOT, uploader=ANNA, thumb=PartStatus.UPLOADED),
        )  # fmt: skip
        self.put(store, *rows)
        assert [row.node for row in store.rows.waiting(ANNA)] == [6, 7, 9]
        assert [row.node for row in store.rows.waiting(BEN)] == [8]
        self.put(store, replace(rows[0], upload=None, folder=None))
        assert [row.node for row in store.rows.waiting(ANNA)] == [6, 7]

    def test_what_is_on_its_way_into_folders(self, store: Store) -> None:
        """As rows and as counts; what has arrived counts no more."""
        self.put(store, waiting(9, 2), waiting(8, 2, BEN), waiting(7, 3), waiting(6, 3, upload=None))
        assert [row.node for row in store.rows.in_folder(NodeId(2))] == [8, 9]
        assert store.rows.in_folder(NodeId(4)) == []
        assert store.rows.unfinished_in([NodeId(2), NodeId(3), NodeId(4)]) == {2: 2, 3: 1}

    def test_rows_that_belong_to_nothing_go(self, store: Store) -> None:
        """Neither a node nor an upload: a row that waits for its upload stays, so does one of a node."""
        with store.catalogue.write() as rows:
            rows.add(
                [
                    new_row(NodeId(1), ROOT, None, "", Kind.FOLDER, 1),
                    new_row(NodeId(2), ROOT, NodeId(1), "a", Kind.FILE, 2),
                ]
            )
            rows.save_upload(
                UploadRow(
                    UploadId(f"{9:032}"),
                    ROOT,
                    NodeId(9),
                    ANNA,
                    DeviceId(1),
                    NodeId(1),
                    "b",
                    0,
                    5,
                    1,
                    None,
                    None,
                    "created",
                    (),
                    (),
                    "",
                    0,
                    1,
                    0,
                )
            )
        self.put(
            store, waiting(9, 1), waiting(8, 1), Extras(node=NodeId(2), root=ROOT), Extras(node=NodeId(7), root=ROOT)
        )
        assert store.rows.drop_orphans(1) == 1
        assert store.rows.drop_orphans(10) == 1
        assert store.rows.drop_orphans(10) == 0
        assert set(store.rows.extras([NodeId(each) for each in range(10)])) == {2, 9}
        store.rows.drop([NodeId(2), NodeId(3)])
        assert set(store.rows.extras([NodeId(each) for each in range(10)])) == {9}

    def test_people(self, store: Store) -> None:
        """Each has a row of its own, empty at first; that of somebody who is gone goes with the orphans."""
        anna, ben = (store.accounts.add_account(name, "x", False, 1).id for name in ("anna", "ben"))
        assert store.rows.person(anna) == Person(account=anna)
        for account in (anna, ben):
            full = Person(account=account, login_s=1.5, modified_s=2.0, help_int=-1, help_text="")
            assert store.rows.change_person(account, lambda _, full=full: full) == Person(account=account)  # type: ignore[misc]  # bound per turn
        assert store.rows.change_person(anna, lambda row: replace(row, help_text="ü")).help_text == ""
        assert store.rows.person(anna) == Person(account=anna, login_s=1.5, modified_s=2.0, help_int=-1, help_text="ü")
        store.accounts.remove_account(ben)
        store.rows.drop_orphans(10)
        assert store.rows.person(ben) == Person(account=ben)
        assert store.rows.person(anna).login_s == 1.5

    def test_folders_without_their_files(self, store: Store) -> None:
        """Live ones that stand directly in a folder, by id, and how many; files and deleted ones are neither."""
        with store.catalogue.write() as rows:
            rows.add([new_row(NodeId(1), ROOT, None, "", Kind.FOLDER, 1)])
            rows.add([new_row(NodeId(node), ROOT, NodeId(1), str(node), Kind.FOLDER, node) for node in (4, 3, 2)])
            rows.add([new_row(NodeId(node), ROOT, NodeId(1), str(node), Kind.FILE, node) for node in range(10, 20)])
            rows.add([new_row(NodeId(5), ROOT, NodeId(2), "5", Kind.FOLDER, 20)])
            rows.set_gone(NodeId(3), 21, 1, ANNA, "k")
        assert [row.id for row in store.folders.folders_in([NodeId(1), NodeId(2), NodeId(10)])] == [2, 4, 5]
        assert store.folders.folders_in([NodeId(1)])[0] == store.catalogue.node(NodeId(2))
        assert store.folders.count_folders_in([NodeId(1), NodeId(2), NodeId(4)]) == {1: 2, 2: 1}
        assert (store.folders.folders_in([]), store.folders.count_folders_in([])) == ([], {})


class TestSqlExtras(ExtrasContract):
    """Rows in SQLite, in a file and in memory."""

    @pytest.fixture(params=["file", "memory"])
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
        """An empty store."""
        database = Database.open(tmp_path / "homestow.db" if request.param == "file" else None, in_process=True)
        extras = SqlExtras(database)
        yield Store(extras, extras, SqlCatalogue(database), SqlAccounts(database), database)
        database.close()
