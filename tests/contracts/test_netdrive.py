"""The promises of `ports.netdrive`, held by every adapter."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s, SqlNetdrive
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.ports.accounts import Accounts
from homestow.server.ports.catalogue import Catalogue, UploadRow, VersionRow, new_row
from homestow.server.ports.netdrive import Md5Row, Md5Rows, NetdriveRows, Sent
from homestow.server.ports.roots import Roots as RootRows
from homestow.server.ports.roots import RootState
from homestow.values.ids import AccountId, DeviceId, NodeId, RootId, UploadId
from homestow.values.nodes import Kind

NOW = 1_700_000_000_000_000_000
ONE, TWO = b"1" * 16, b"2" * 16


class World(NamedTuple):
    """The rows and what they hang on."""

    netdrive: NetdriveRows
    md5s: Md5Rows
    accounts: Accounts
    roots: RootRows
    catalogue: Catalogue


class NetdriveContract:
    """One suite for every adapter."""

    @staticmethod
    def sent(vfile: int, account: AccountId, name: str = "x", *, at_ns: int = NOW) -> Sent:
        """A file that was announced."""
        return Sent(
            NodeId(vfile), account, RootId(1), UploadId(f"{vfile:032x}"), ONE, 5, 7, NodeId(1), name, "a/b", None, at_ns
        )

    @staticmethod
    def tree(world: World) -> None:
        """Root 1: its top 1, files 2 (rev 3, rev 2 is kept) and 4, a file 5 in the trash; root 9: top 6, file 7."""
        top = new_row(NodeId(1), RootId(1), None, "", Kind.FOLDER, 1)
        file = new_row(NodeId(2), RootId(1), NodeId(1), "x", Kind.FILE, 2, rev=3, size=5)
        with world.catalogue.write() as rows:
            rows.take_ids(20)
            rows.add(
                [
                    top, file, file._replace(id=NodeId(4), name="y"), file._replace(id=NodeId(5), name="z", gone=4, kept="k"),
                    top._replace(id=NodeId(6), root=RootId(9)),
                    file._replace(id=NodeId(7), root=RootId(9), parent=NodeId(6)),
                ]
            )  # fmt: skip
            rows.add_version(VersionRow(NodeId(2), 2, 5, 0, None, 0, "v"))

    def test_binds(self, world: World) -> None:
        """The one that counts, of each account by itself; none is 0."""
        rows, anna, ben = world.netdrive, AccountId(1), AccountId(2)
        assert rows.bind(anna) == 0
        rows.set_bind(anna, 2)
        rows.set_bind(anna, 3)
        assert (rows.bind(anna), rows.bind(ben)) == (3, 0)

    def test_numbers_are_given_once(self, world: World) -> None:
        """In order; what has one keeps it; no number is given twice."""
        rows, anna, ben = world.netdrive, AccountId(1), AccountId(2)
        assert rows.numbers(anna) == {}
        assert rows.give_numbers(anna, [RootId(5), RootId(3)]) == {1: 5, 2: 3}
        assert rows.give_numbers(anna, [RootId(4), RootId(3)]) == {1: 5, 2: 3, 3: 4}
        assert rows.give_numbers(ben, [RootId(3)]) == {1: 3}
        assert rows.numbers(anna) == {1: 5, 2: 3, 3: 4}

    def test_spellings(self, world: World) -> None:
        """Of an account in a root; the last counts; they can be forgotten."""
        rows, anna, root = world.netdrive, AccountId(1), RootId(1)
        rows.spell(anna, root, NodeId(2), "/a")
        rows.spell(anna, root, NodeId(2), "/a/./")
        rows.spell(anna, root, NodeId(3), "e\u0301")
        rows.spell(anna, RootId(2), NodeId(2), "/other")
        assert rows.spelled(anna, root) == {2: "/a/./", 3: "e\u0301"}
        rows.spell(anna, root, NodeId(2), None)
        rows.spell(anna, root, NodeId(2), None)
        assert rows.spelled(anna, root) == {3: "e\u0301"}
        assert rows.spelled(AccountId(2), root) == {}

    def test_announced_files(self, world: World) -> None:
        """Found by id and by place, of their account only, until they are done or dropped."""
        rows, anna, ben = world.netdrive, AccountId(1), AccountId(2)
        first, second = self.sent(11, anna), replace(self.sent(12, anna, at_ns=NOW + 1), md5=None, mtime_s=None)
        for one in (first, second, self.sent(13, ben), self.sent(14, anna, "other")):
            rows.add_sent(one)
        assert rows.sent(NodeId(11), anna) == first
        assert rows.sent(NodeId(11), ben) is None
        assert rows.sent_to(anna, NodeId(1), "x") == [second, first]
        rows.sent_done(NodeId(12), NodeId(99))
        assert rows.sent(NodeId(12), anna) == replace(second, done=NodeId(99))
        assert rows.sent_to(anna, NodeId(1), "x") == [first]
        rows.drop_sent(NodeId(11))
        rows.drop_sent(NodeId(11))
        assert rows.sent_to(anna, NodeId(1), "x") == []

    def test_used_roots(self, world: World) -> None:
        """The latest first, each once."""
        rows = world.netdrive
        for at, root in enumerate((1, 2, 1)):
            rows.note_used(RootId(root), NOW + at)
        assert rows.used() == [1, 2]

    def test_orphans_go(self, world: World) -> None:
        """What has its account, node, root and upload stays."""
        self.tree(world)
        rows = world.netdrive
        anna = world.accounts.add_account("anna", "x", False, NOW)
        ben = world.accounts.add_account("ben", "x", False, NOW)
        root = world.roots.add_root("tree", "/tree", anna.id, NOW)
        gone = world.roots.add_root("gone", "/gone", anna.id, NOW)
        for one in (anna, ben):
            rows.set_bind(one.id, 1)
            rows.give_numbers(one.id, [root.id, gone.id])
            rows.spell(one.id, RootId(1), NodeId(2), "said")
        rows.spell(anna.id, RootId(1), NodeId(5), "in the trash")
        rows.spell(anna.id, RootId(2), NodeId(2), "in another root by now")
        rows.spell(anna.id, RootId(1), NodeId(11), "on its way")
        for used in (root.id, gone.id):
            rows.note_used(used, NOW)
        sent = self.sent(11, anna.id)
        rows.add_sent(sent)
        rows.add_sent(self.sent(12, anna.id, "y"))
        upload = UploadRow(
            sent.upload, RootId(1), sent.vfile, anna.id, DeviceId(0), NodeId(1), "x", 0, 5, 1, None, None, "created", (), (),
            "boot", NOW, NOW, 0,
        )  # fmt: skip
        with world.catalogue.write() as changing:
            changing.save_upload(upload)
        world.accounts.remove_account(ben.id)
        world.roots.set_state(gone.id, RootState.REMOVED)

        assert rows.drop_orphans(100) == 8
        assert rows.drop_orphans(100) == 0

        assert (rows.bind(anna.id), rows.bind(ben.id)) == (1, 0)
        assert rows.numbers(anna.id) == {1: root.id, 2: gone.id}  # never to mean another one
        assert rows.numbers(ben.id) == {}
        assert rows.spelled(anna.id, RootId(1)) == {2: "said", 11: "on its way"}
        assert rows.sent_to(anna.id, NodeId(1), "x") == [sent]
        assert rows.sent_to(anna.id, NodeId(1), "y") == []
        assert rows.used() == [root.id]

    def test_md5s(self, world: World) -> None:
        """By content, of a root's present ones, and what is missing."""
        self.tree(world)
        rows = world.md5s
        assert rows.missing(RootId(1), NodeId(0), 9) == [2, 4]
        rows.put([Md5Row(NodeId(2), 2, ONE, 5), Md5Row(NodeId(5), 3, ONE, 5)])
        assert rows.missing(RootId(1), NodeId(0), 1) == [2]
        assert rows.missing(RootId(1), NodeId(2), 9) == [4]
        rows.put([Md5Row(NodeId(2), 3, TWO, 5)])
        rows.put([Md5Row(NodeId(2), 3, TWO, 5)])
        assert (rows.md5(NodeId(2), 2), rows.md5(NodeId(2), 3), rows.md5(NodeId(2), 4)) == (ONE, TWO, None)
        assert rows.of_root(RootId(1)) == {2: TWO, 5: ONE}
        assert rows.of_root(RootId(9)) == {}
        assert rows.missing(RootId(1), NodeId(0), 9) == [4]

    def test_contents_are_found_by_their_md5(self, world: World) -> None:
        """In the given roots only; not of what was deleted; present ones first."""
        self.tree(world)
        rows = world.md5s
        old, present = Md5Row(NodeId(2), 2, ONE, 5), Md5Row(NodeId(4), 3, ONE, 5)
        other, deleted = Md5Row(NodeId(7), 3, ONE, 5), Md5Row(NodeId(5), 3, ONE, 5)
        rows.put([old, present, other, deleted])
        assert rows.find(ONE, [RootId(1)], 9) == [present, old]
        assert rows.find(ONE, [RootId(1)], 1) == [present]
        assert rows.find(ONE, [RootId(9)], 9) == [other]
        assert rows.find(TWO, [RootId(1), RootId(9)], 9) == []
        assert rows.find(ONE, [], 9) == []

    def test_md5s_of_contents_that_are_no_more_go(self, world: World) -> None:
        """Those of present contents and of versions stay."""
        self.tree(world)
        rows = world.md5s
        rows.put([Md5Row(NodeId(2), rev, ONE, 5) for rev in (1, 2, 3, 4)] + [Md5Row(NodeId(99), 1, ONE, 5)])
        assert rows.drop_orphans(2) == 2
        assert rows.drop_orphans(9) == 1
        assert [rows.md5(NodeId(2), rev) is not None for rev in (1, 2, 3, 4)] == [False, True, True, False]

    def test_what_is_written_inside_of_a_transaction_is_a_part_of_it(self, world: World) -> None:
        """Undone with it."""
        self.tree(world)

        class Undone(Exception):
            """Raised in the middle."""

        def broken() -> None:
            with world.catalogue.write():
                world.md5s.put([Md5Row(NodeId(2), 3, ONE, 5)])
                world.netdrive.add_sent(self.sent(11, AccountId(1)))
                raise Undone

        with pytest.raises(Undone):
            broken()
        assert world.md5s.of_root(RootId(1)) == {}
        assert world.netdrive.sent(NodeId(11), AccountId(1)) is None


class TestSqlNetdrive(NetdriveContract):
    """Rows in SQLite, in a file and in memory."""

    @pytest.fixture(params=["file", "memory"])
    def reopen(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
        opened: list[Database] = []

        def open_database() -> Database:
            path = tmp_path / "homestow.db" if request.param == "file" else None
            opened.append(Database.open(path, in_process=True))
            return opened[-1]

        yield open_database
        for database in opened:
            database.close()

    @pytest.fixture
    def world(self, reopen: Callable[[], Database]) -> World:
        """An empty store."""
        database = reopen()
        return World(
            SqlNetdrive(database), SqlMd5s(database), SqlAccounts(database), SqlRoots(database), SqlCatalogue(database)
        )
