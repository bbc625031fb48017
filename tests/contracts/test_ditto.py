"""The promises of `ports.ditto`, held by every adapter."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.ditto import SqlDitto
from homestow.server.ports.accounts import Account, Accounts
from homestow.server.ports.ditto import Announced, Block, Client, DittoRows, Event, EventKind, Login, Stage
from homestow.values.errors import NameTaken
from homestow.values.ids import AccountId, NodeId, RootId, UploadId

NOW = 1_700_000_000_000_000_000
CLIENT = Client("box-1", "box", b"secret", 0, NOW)


@dataclass(frozen=True, slots=True)
class World:
    """Rows under test, with accounts beside them."""

    rows: DittoRows
    accounts: Accounts

    def account(self, name: str) -> Account:
        """A new account."""
        return self.accounts.add_account(name, "x", False, NOW)

    def login(self, account: Account, name: str, most: int = 0, now: int = NOW, life: int = 100) -> bool:
        """A login on a device of its own."""
        device = self.accounts.add_device(account, name, name.encode(), now)
        login = Login(name, account.id, device.id, CLIENT.id, 0, b"refresh", now, now + life)
        return self.rows.add_login(login, most, now)

    def announce(self, account: AccountId, uuid: bytes, node: int = 7) -> Announced:
        """A file of ten bytes."""
        file = Announced(
            0, uuid, account, RootId(1), UploadId("u" + uuid.hex()), NodeId(node), "a.bin", "bin", 10, b"m" * 16, 0, NOW,
            None, None,
        )  # fmt: skip
        return self.rows.announce(file)


class DittoContract:
    """One suite for every adapter."""

    def test_clients(self, world: World) -> None:
        """Kept, listed by name, one of a name, gone with their logins and devices; their secrets are not shown."""
        rows = world.rows
        rows.add_client(CLIENT)
        rows.add_client(replace(CLIENT, id="other", name="a box"))
        assert rows.client("box-1") == CLIENT
        assert [client.name for client in rows.clients()] == ["a box", "box"]
        assert "secret" not in repr(CLIENT)
        with pytest.raises(NameTaken):
            rows.add_client(replace(CLIENT, id="third"))
        anna = world.account("anna")
        assert world.login(anna, "one")
        assert rows.remove_client("box-1")
        assert not rows.remove_client("box-1")
        assert rows.login("one") is None
        assert world.accounts.devices(anna.id) == []
        rows.add_client(CLIENT)
        assert rows.login("one") is None

    @pytest.mark.parametrize("ending", ["end", "device", "password", "account", "client"])
    def test_a_login_ends(self, world: World, ending: str) -> None:
        """With itself, its device, its account, its client; others stay."""
        rows, accounts = world.rows, world.accounts
        rows.add_client(CLIENT)
        anna, ben = world.account("anna"), world.account("ben")
        assert world.login(anna, "one")
        assert world.login(ben, "two")
        found = rows.login("one")
        assert found is not None
        assert found[1] == anna
        assert "refresh" not in repr(found[0]).replace("refresh=", "")
        match ending:
            case "end":
                rows.end_login("one")
                rows.end_login("one")
                assert accounts.devices(anna.id) == []
            case "device":
                accounts.remove_device(anna.id, found[0].device)
            case "password":
                accounts.remove_devices(anna.id, found[0].device.__class__(0))
            case "account":
                accounts.remove_account(anna.id)
            case _:
                rows.remove_client(CLIENT.id)
        assert rows.login("one") is None
        assert (rows.login("two") is None) == (ending == "client")

    def test_a_client_has_so_many_users(self, world: World) -> None:
        """Accounts count, not their logins; what is over does not count."""
        rows = world.rows
        rows.add_client(CLIENT)
        anna, ben = world.account("anna"), world.account("ben")
        assert world.login(anna, "one", most=1)
        assert world.login(anna, "two", most=1)
        assert not world.login(ben, "three", most=1)
        assert rows.login("three") is None
        assert world.login(ben, "four", most=1, now=NOW + 101)
        assert rows.login("one") is None

    def test_a_login_is_renewed_once_per_turn(self, world: World) -> None:
        """Whoever comes with an older turn changes nothing."""
        rows = world.rows
        rows.add_client(CLIENT)
        assert world.login(world.account("anna"), "one")
        assert rows.renew_login("one", 0, b"next", NOW + 500, NOW + 1)
        assert not rows.renew_login("one", 0, b"other", NOW + 900, NOW + 2)
        assert not rows.renew_login("two", 0, b"other", NOW + 900, NOW + 2)
        found = rows.login("one")
        assert found is not None
        assert [device.seen_ns for device in world.accounts.devices(found[1].id)] == [NOW + 1]
        assert (found[0].turn, found[0].refresh, found[0].until_ns) == (1, b"next", NOW + 500)

    def test_files_and_their_stages(self, world: World) -> None:
        """A file is its account's; its stage follows what is known of it; pages go in order, by stage."""
        rows = world.rows
        anna, ben = world.account("anna"), world.account("ben")
        first, second = world.announce(anna.id, b"1" * 16), world.announce(anna.id, b"2" * 16, 8)
        world.announce(ben.id, b"3" * 16, 9)
        assert rows.announced(b"1" * 16, anna.id) == first
        assert rows.announced(b"1" * 16, ben.id) is None
        assert rows.stage(first) is Stage.CREATED
        rows.save_block(first.number, Block(0, 4, 0, b"b" * 16))
        assert rows.stage(first) is Stage.UPLOADING
        rows.set_uploaded(first.number, NOW)
        assert rows.stage(first) is Stage.UPLOADED
        rows.set_uploaded(first.number, None)
        assert rows.stage(first) is Stage.UPLOADING
        rows.set_written(first.number, NodeId(70), NOW + 1)
        rows.set_regular(first.number, 4)
        now = rows.announced(b"1" * 16, anna.id)
        assert now == replace(first, node=NodeId(70), written_ns=NOW + 1, regular=4)
        assert rows.announced_page(anna.id, 0, 9, None) == [(now, Stage.WRITTEN), (second, Stage.CREATED)]
        assert rows.announced_page(anna.id, 0, 1, None) == [(now, Stage.WRITTEN)]
        assert rows.announced_page(anna.id, first.number, 9, None) == [(second, Stage.CREATED)]
        assert rows.announced_page(anna.id, 0, 9, Stage.CREATED) == [(second, Stage.CREATED)]
        assert rows.announced_page(anna.id, 0, 9, Stage.UPLOADED) == []
        assert rows.of_nodes([NodeId(70), NodeId(8), NodeId(1)]) == {70: b"1" * 16, 8: b"2" * 16}
        rows.forget(first.number)
        assert rows.announced(b"1" * 16, anna.id) is None
        assert rows.blocks(first.number) == []

    def test_blocks(self, world: World) -> None:
        """By number, from a number on; one that comes again takes the place of the first."""
        file = world.announce(world.account("anna").id, b"1" * 16)
        for no in (2, 0, 1):
            world.rows.save_block(file.number, Block(no, 4, no * 4, b"b" * 16))
        world.rows.save_block(file.number, Block(1, 2, 8, b"c" * 16))
        assert [(block.no, block.size, block.offset) for block in world.rows.blocks(file.number)] == [
            (0, 4, 0),
            (1, 2, 8),
            (2, 4, 8),
        ]
        assert [block.no for block in world.rows.blocks(file.number, 1, 1)] == [1]

    def test_events(self, world: World) -> None:
        """Of one account, after a number, of some kinds, in order."""
        anna, ben = world.account("anna"), world.account("ben")
        for number, account, kind in (
            (5, anna, EventKind.BLOCK_UPLOADED),
            (3, anna, EventKind.WANTED),
            (4, ben, EventKind.WANTED),
            (9, anna, EventKind.WANTED),
        ):
            world.rows.add_event(Event(number, account.id, kind, b"", 0, 0, b"", 1, 2, NOW))
        every = list(EventKind)
        assert [event.number for event in world.rows.events(anna.id, 0, 9, every)] == [3, 5, 9]
        assert [event.number for event in world.rows.events(anna.id, 3, 1, every)] == [5]
        found = world.rows.events(anna.id, 0, 9, [EventKind.WANTED])
        assert [(event.number, event.kind) for event in found] == [(3, EventKind.WANTED), (9, EventKind.WANTED)]

    def test_positions(self, world: World) -> None:
        """Of an account, a client and a watch; never backwards."""
        rows = world.rows
        anna = world.account("anna").id
        assert rows.position(anna, "box", "w") is None
        rows.set_positions([(anna, "box", "w", 5)], NOW)
        rows.set_positions([(anna, "box", "w", 3)], NOW)
        assert rows.position(anna, "box", "w") == 5
        assert rows.position(anna, "box", "other") is None
        assert rows.position(anna, "other", "w") is None

    def test_orphans(self, world: World) -> None:
        """What belongs to nothing goes, what was compacted too, the rest stays."""
        rows = world.rows
        rows.add_client(CLIENT)
        anna, ben = world.account("anna"), world.account("ben")
        file = world.announce(anna.id, b"1" * 16)
        rows.save_block(file.number, Block(0, 4, 0, b"b" * 16))
        for number, account in ((1, anna), (2, anna), (3, ben)):
            rows.add_event(Event(number, account.id, EventKind.WANTED, b"", 0, 0, b"", 1, 2, NOW))
        rows.set_positions([(anna.id, CLIENT.id, "old", 1)], NOW)
        rows.set_positions([(anna.id, CLIENT.id, "new", 1)], NOW + 10)
        world.accounts.remove_account(ben.id)
        while rows.drop_orphans(1, NOW + 5, 1):
            continue
        assert rows.announced(b"1" * 16, anna.id) is None  # its upload is no more
        assert rows.blocks(file.number) == []
        assert [event.number for event in rows.events(anna.id, 0, 9, list(EventKind))] == [2]
        assert rows.events(ben.id, 0, 9, list(EventKind)) == []
        assert rows.position(anna.id, CLIENT.id, "old") is None
        assert rows.position(anna.id, CLIENT.id, "new") == 1


class TestSql(DittoContract):
    """SQLite, in memory and on disk."""

    @pytest.fixture(params=["memory", "disk"])
    def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
        """Empty rows."""
        database = Database.open(None if request.param == "memory" else tmp_path / "homestow.db", in_process=True)
        yield World(SqlDitto(database), SqlAccounts(database))
        database.close()
