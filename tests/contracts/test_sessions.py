"""The promises of `ports.sessions`, held by every adapter."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.ports.accounts import Account, Accounts
from homestow.server.ports.sessions import Session, Sessions

NOW = 1_700_000_000_000_000_000
IDLE = 100

World = tuple[Sessions, Accounts]


class SessionsContract:
    """One suite for every adapter."""

    @staticmethod
    def begin(
        world: World, account: Account, name: str, at_ns: int = NOW, most: int = 9, front: str = "isync"
    ) -> Session:
        """A session with its device."""
        sessions, accounts = world
        device = accounts.add_device(account, name, f"device {name}".encode(), at_ns)
        made = Session(name.encode(), account.id, device.id, front, at_ns, at_ns, IDLE)
        sessions.add(made, most, at_ns)
        return made

    def test_what_was_stored_is_found(self, world: World) -> None:
        """By its token and its front only, with its account; no secret is shown."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "secret", False, NOW)
        made = self.begin(world, anna, "secret-token")
        assert sessions.find(b"secret-token", "isync") == (made, anna)
        assert sessions.find(b"secret-token", "other") is None
        assert sessions.find(b"other", "isync") is None
        assert "secret" not in repr(made)

    def test_use_is_remembered(self, world: World) -> None:
        """With the device's; never backwards; of unknown ones nothing."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "x", False, NOW)
        made = self.begin(world, anna, "one")
        sessions.note_seen([(b"one", NOW + 5), (b"gone", NOW)])
        sessions.note_seen([(b"one", NOW + 3)])
        assert sessions.find(b"one", "isync") == (replace(made, seen_ns=NOW + 5), anna)
        assert [device.seen_ns for device in accounts.devices(anna.id)] == [NOW + 5]

    @pytest.mark.parametrize("ending", ["remove", "device", "others", "account"])
    def test_it_ends_with_its_device(self, world: World, ending: str) -> None:
        """And its device with it."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "x", False, NOW)
        made, stays = self.begin(world, anna, "one"), self.begin(world, anna, "two")
        match ending:
            case "remove":
                sessions.remove(b"one")
                sessions.remove(b"one")
            case "device":
                accounts.remove_device(anna.id, made.device)
            case "others":
                accounts.remove_devices(anna.id, stays.device)
            case _:
                accounts.remove_account(anna.id)
        assert sessions.find(b"one", "isync") is None
        left = [] if ending == "account" else [stays.device]
        assert [device.id for device in accounts.devices(anna.id)] == left
        assert (sessions.find(b"two", "isync") is None) == (ending == "account")

    def test_a_new_one_ends_what_outlived_its_time(self, world: World) -> None:
        """And what lost its device, and nothing of another front."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "x", False, NOW)
        self.begin(world, anna, "old")
        self.begin(world, anna, "other front", front="other")
        lost = self.begin(world, anna, "lost", NOW + IDLE)
        accounts.remove_device(anna.id, lost.device)
        self.begin(world, anna, "just", NOW + 1)
        self.begin(world, anna, "new", NOW + IDLE + 1)
        found = [name for name in ("old", "lost", "just", "new") if sessions.find(name.encode(), "isync")]
        assert found == ["just", "new"]
        assert sessions.find(b"other front", "other") is not None
        assert (sessions.count("isync"), sessions.count("other")) == (2, 1)

    def test_a_token_that_is_given_again_belongs_to_the_new_one(self, world: World) -> None:
        """Whose it was keeps the device."""
        sessions, accounts = world
        anna, ben = (accounts.add_account(name, "x", False, NOW) for name in ("anna", "ben"))
        before = self.begin(world, anna, "place")
        device = accounts.add_device(ben, "place", b"device of ben", NOW + 1)
        after = Session(b"place", ben.id, device.id, "isync", NOW + 1, NOW + 1, IDLE)
        assert sessions.add(after, 9, NOW + 1) == 0
        assert sessions.find(b"place", "isync") == (after, ben)
        assert sessions.count("isync") == 1
        assert [each.id for each in accounts.devices(anna.id)] == [before.device]

    def test_there_are_only_so_many(self, world: World) -> None:
        """The one unused for longest ends, the new one never, whenever it was begun."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "x", False, NOW)
        for at, name in enumerate(("one", "two", "three")):
            self.begin(world, anna, name, NOW + at, most=3)
        sessions.note_seen([(b"one", NOW + 9)])
        self.begin(world, anna, "new", NOW - 5, most=3)
        assert [name for name in ("one", "two", "three", "new") if sessions.find(name.encode(), "isync")] == [
            "one", "three", "new",
        ]  # fmt: skip

    def test_nobody_ends_those_of_others_by_logging_in(self, world: World) -> None:
        """Where there are too many, whoever has the most loses one (S109)."""
        sessions, accounts = world
        anna, ben = (accounts.add_account(name, "x", False, NOW) for name in ("anna", "ben"))
        self.begin(world, anna, "phone", NOW, most=3)
        for at in range(6):
            self.begin(world, ben, f"ben {at}", NOW + at + 1, most=3)
        assert sessions.find(b"phone", "isync") is not None
        assert sessions.count("isync") == 3

    def test_logins_to_one_session_are_counted(self, world: World) -> None:
        """Whoever joins keeps it alive; the last to leave ends it with its device."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "x", False, NOW)
        assert sessions.join(anna, "isync", NOW) is None
        made = self.begin(world, anna, "one")
        assert sessions.join(anna, "other", NOW) is None
        assert sessions.join(anna, "isync", NOW + 7) == replace(made, seen_ns=NOW + 7)
        assert not sessions.leave(b"one", "other")
        assert not sessions.leave(b"one", "isync")
        assert sessions.find(b"one", "isync") is not None
        assert sessions.leave(b"one", "isync")
        assert not sessions.leave(b"one", "isync")
        assert sessions.find(b"one", "isync") is None
        assert accounts.devices(anna.id) == []

    @pytest.mark.parametrize("why", ["device", "password", "time", "account"])
    def test_nobody_joins_what_is_over(self, world: World, why: str) -> None:
        """Its device is gone, or its time, or the password that was proven is not the account's any more (S49)."""
        sessions, accounts = world
        anna = accounts.add_account("anna", "x", False, NOW)
        made = self.begin(world, anna, "one")
        match why:
            case "device":
                accounts.remove_device(anna.id, made.device)
            case "password":
                accounts.set_password(anna.id, "y")
            case "account":
                accounts.remove_account(anna.id)
            case _:
                pass
        assert sessions.join(anna, "isync", NOW + (IDLE + 1 if why == "time" else 0)) is None
        assert sessions.find(b"one", "isync") is None or why in ("password", "time")


class TestSqlSessions(SessionsContract):
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
        return SqlSessions(database), SqlAccounts(database)
