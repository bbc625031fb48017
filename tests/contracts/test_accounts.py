"""The promises of `ports.accounts`, held by every adapter."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.ports.accounts import Account, Accounts
from homestow.server.rules.access import Rights
from homestow.server.rules.throttle import LIMIT, WINDOW_NS
from homestow.values.errors import LoginFailed, NameTaken, NotFound
from homestow.values.ids import DeviceId, RootId

NOW = 1_700_000_000_000_000_000
KEYS = ("account:anna", "address:local")


class AccountsContract:
    """One suite for every adapter."""

    def test_an_account_is_found_by_every_spelling(self, accounts: Accounts) -> None:
        """Capitals and composition do not make another person."""
        anna = accounts.add_account("Zo\u00eb", "hash", True, NOW)

        assert accounts.account(anna.id) == accounts.account_named("ZOE\u0308") == anna
        assert (anna.name, anna.admin, anna.password, anna.quota, anna.created_ns) == (
            "Zo\u00eb",
            True,
            "hash",
            None,
            NOW,
        )
        assert accounts.account_named("zoe") is None

    def test_a_second_of_the_name_is_refused(self, accounts: Accounts) -> None:
        """`NameTaken`, and the first stays as it is."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        with pytest.raises(NameTaken):
            accounts.add_account("ANNA", "other", True, NOW)
        assert accounts.accounts() == [anna]

    def test_ids_are_never_used_again(self, accounts: Accounts) -> None:
        """A removed person's id never becomes another's."""
        first = accounts.add_account("anna", "hash", False, NOW)
        accounts.remove_account(first.id)

        assert accounts.add_account("anna", "hash", False, NOW).id > first.id

    def test_a_password_and_quota_can_be_set(self, accounts: Accounts) -> None:
        """What was set is read back; an account that is gone is no error."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        accounts.set_password(anna.id, "new")
        accounts.set_quota(anna.id, 5)
        accounts.remove_account(accounts.add_account("bert", "hash", False, NOW).id)

        found = accounts.account(anna.id)
        assert found is not None
        assert (found.password, found.quota) == ("new", 5)

    def test_a_token_leads_to_its_device(self, accounts: Accounts) -> None:
        """By the hash of the whole token only."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        device = accounts.add_device(anna, "phone", b"1" * 32, NOW)

        assert accounts.device_of(b"1" * 32) == (device, anna)
        assert accounts.device_of(b"1" * 31) is None
        assert accounts.devices(anna.id) == [device]

    def test_a_login_under_way_does_not_outlive_a_password_change(self, accounts: Accounts) -> None:
        """S49: the device is refused when the password it was proved with is no more."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        accounts.set_password(anna.id, "new")
        with pytest.raises(LoginFailed):
            accounts.add_device(anna, "phone", b"1" * 32, NOW)
        changed = accounts.account(anna.id)
        assert changed is not None
        accounts.remove_account(anna.id)
        with pytest.raises(LoginFailed):
            accounts.add_device(changed, "phone", b"1" * 32, NOW)

    def test_nobody_removes_another_ones_device(self, accounts: Accounts) -> None:
        """A device is named together with its account (S54)."""
        anna, bert = (accounts.add_account(name, "hash", False, NOW) for name in ("anna", "bert"))
        device = accounts.add_device(anna, "phone", b"1" * 32, NOW)

        assert accounts.remove_device(bert.id, device.id) is None
        assert accounts.remove_device(anna.id, device.id) == b"1" * 32
        assert accounts.remove_device(anna.id, device.id) is None
        assert accounts.device_of(b"1" * 32) is None

    def test_all_devices_but_one(self, accounts: Accounts) -> None:
        """What died is told, so that caches can forget it."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        devices = [accounts.add_device(anna, "phone", bytes([n]) * 32, NOW) for n in range(3)]

        assert sorted(accounts.remove_devices(anna.id, devices[1].id)) == [b"\0" * 32, b"\2" * 32]
        assert accounts.remove_devices(anna.id, DeviceId(0)) == [b"\1" * 32]

    def test_devices_not_seen_end(self, accounts: Accounts) -> None:
        """`note_seen` counts, also for devices that are gone meanwhile."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        old = accounts.add_device(anna, "old", b"1" * 32, NOW)
        new = accounts.add_device(anna, "new", b"2" * 32, NOW)
        accounts.note_seen([(new.id, NOW + 10), (DeviceId(999), NOW)])

        assert accounts.remove_unseen(NOW + 5) == [old.token]
        assert [device.seen_ns for device in accounts.devices(anna.id)] == [NOW + 10]

    def test_removing_an_account_takes_its_devices_and_rights(self, accounts: Accounts) -> None:
        """S49: tokens die with the account, memberships too."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        accounts.add_device(anna, "phone", b"1" * 32, NOW)
        accounts.set_rights(anna.id, RootId(1), Rights.OWN)

        assert accounts.remove_account(anna.id) == [b"1" * 32]
        assert accounts.account(anna.id) is None
        assert accounts.device_of(b"1" * 32) is None
        assert accounts.members(RootId(1)) == []

    def test_rights_are_given_changed_and_taken(self, accounts: Accounts) -> None:
        """One row per account and root; NONE removes it."""
        anna, bert = (accounts.add_account(name, "hash", False, NOW) for name in ("anna", "bert"))
        accounts.set_rights(bert.id, RootId(7), Rights.READ)
        accounts.set_rights(anna.id, RootId(7), Rights.OWN)
        accounts.set_rights(bert.id, RootId(7), Rights.WRITE)

        assert accounts.rights(bert.id, RootId(7)) is Rights.WRITE
        assert accounts.rights(bert.id, RootId(8)) is Rights.NONE
        assert accounts.members(RootId(7)) == [(anna, Rights.OWN), (bert, Rights.WRITE)]
        assert accounts.roots_of(bert.id) == [(RootId(7), Rights.WRITE)]
        accounts.set_rights(bert.id, RootId(7), Rights.NONE)
        assert accounts.roots_of(bert.id) == []
        accounts.forget_root(RootId(7))
        assert accounts.members(RootId(7)) == []

    def test_rights_for_nobody_are_refused(self, accounts: Accounts) -> None:
        """An account removed meanwhile gets no row."""
        anna = accounts.add_account("anna", "hash", False, NOW)
        accounts.remove_account(anna.id)
        with pytest.raises(NotFound):
            accounts.set_rights(anna.id, RootId(1), Rights.READ)

    def test_tries_side_by_side_count(self, accounts: Accounts) -> None:
        """S43: of two hundred tries from eight threads ten pass."""
        passed: list[bool] = []

        def guess() -> None:
            passed.extend(accounts.count_try(KEYS, NOW) is None for _ in range(25))

        threads = [threading.Thread(target=guess) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(passed) == LIMIT
        assert accounts.wait_s(KEYS, NOW) == WINDOW_NS // 1_000_000_000

    def test_a_refused_try_counts_nowhere(self, accounts: Accounts) -> None:
        """A blocked account does not use up the address it is asked from."""
        for _ in range(LIMIT):
            assert accounts.count_try(("account:anna",), NOW) is None
        for _ in range(LIMIT * 2):
            assert accounts.count_try(KEYS, NOW) is not None

        assert accounts.wait_s(("address:local",), NOW) is None
        assert accounts.count_try(("account:bert", "address:local"), NOW) is None

    def test_a_right_password_is_forgiven(self, accounts: Accounts) -> None:
        """The account starts anew and the address gets its try back."""
        for _ in range(LIMIT * 3):
            assert accounts.count_try(KEYS, NOW) is None
            accounts.forgive(*KEYS, NOW)

    def test_counters_survive_a_restart(self, reopen: Callable[[], Accounts]) -> None:
        """S44: they are rows, not memory."""
        accounts = reopen()
        for _ in range(LIMIT):
            accounts.count_try(KEYS, NOW)

        assert reopen().wait_s(KEYS, NOW) is not None

    def test_old_counters_are_dropped(self, accounts: Accounts) -> None:
        """Only those that would not change an answer."""
        accounts.count_try(("account:old",), NOW)
        accounts.count_try(("account:new",), NOW + WINDOW_NS)

        assert accounts.drop_counters(NOW + WINDOW_NS) == 1
        assert accounts.drop_counters(NOW + WINDOW_NS) == 0

    def test_nothing_secret_shows(self, accounts: Accounts) -> None:
        """S97: neither the password's nor the token's hash is in what a log would print."""
        anna = accounts.add_account("anna", "secret-hash", False, NOW)
        device = accounts.add_device(anna, "phone", b"secret-token", NOW)

        assert "secret" not in f"{anna!r} {device!r}"
        assert isinstance(anna, Account)


class TestSqlAccounts(AccountsContract):
    """Rows in SQLite."""

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Iterator[Callable[[], Accounts]]:
        """Opens the same database anew at each call."""
        opened: list[Database] = []

        def open_database() -> Accounts:
            if opened:
                opened.pop().close()
            opened.append(Database.open(tmp_path / "homestow.db", in_process=True))
            return SqlAccounts(opened[0])

        yield open_database
        for database in opened:
            database.close()

    @pytest.fixture
    def accounts(self, reopen: Callable[[], Accounts]) -> Accounts:
        """An empty store."""
        return reopen()
