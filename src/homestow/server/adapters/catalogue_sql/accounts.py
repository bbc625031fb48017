"""Accounts, devices, members and counters of tries as rows of SQLite."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.accounts import Account, Device
from homestow.server.rules import throttle
from homestow.server.rules.access import Rights
from homestow.server.rules.passwords import encodable, name_key
from homestow.server.rules.throttle import Counter
from homestow.values.errors import LoginFailed, NameTaken, NotFound
from homestow.values.ids import AccountId, DeviceId, RootId

_ACCOUNT = "SELECT id, name, admin, password, quota, created_ns FROM accounts"
_DEVICE = "SELECT id, account, name, token, created_ns, seen_ns FROM devices"


class SqlAccounts(SqlStore):
    """`ports.accounts.Accounts` over one database."""

    # --- accounts -------------------------------------------------------------------------------------------------

    def add_account(self, name: str, password: str, admin: bool, now_ns: int) -> Account:
        """A new account."""
        with self._writing() as run:
            if run.execute("SELECT 1 FROM accounts WHERE key = ?", (name_key(name),)).fetchone():
                raise NameTaken(f"There is a user {name!r} already.")
            done = run.execute(
                "INSERT INTO accounts (key, name, admin, password, quota, created_ns) VALUES (?, ?, ?, ?, NULL, ?)",
                (name_key(name), name, int(admin), password, now_ns),
            )
            return Account(AccountId(done.lastrowid or 0), name, admin, password, None, now_ns)

    def account(self, account: AccountId) -> Account | None:
        """The account of an id."""
        rows = self._read(_ACCOUNT + " WHERE id = ?", (account,))
        return _account(rows[0]) if rows else None

    def account_named(self, name: str) -> Account | None:
        """The account of a name."""
        rows = self._read(_ACCOUNT + " WHERE key = ?", (name_key(name),)) if encodable(name) else []
        return _account(rows[0]) if rows else None

    def accounts(self) -> list[Account]:
        """All accounts by name."""
        return [_account(row) for row in self._read(_ACCOUNT + " ORDER BY key", ())]

    def set_password(self, account: AccountId, password: str) -> None:
        """Store another Argon2id string."""
        with self._writing() as run:
            run.execute("UPDATE accounts SET password = ? WHERE id = ?", (password, account))

    def set_quota(self, account: AccountId, quota: int | None) -> None:
        """Set the account's quota."""
        with self._writing() as run:
            run.execute("UPDATE accounts SET quota = ? WHERE id = ?", (quota, account))

    def remove_account(self, account: AccountId) -> list[bytes]:
        """Remove an account with its devices and memberships."""
        with self._writing() as run:
            died = run.execute("DELETE FROM devices WHERE account = ? RETURNING token", (account,)).fetchall()
            run.execute("DELETE FROM members WHERE account = ?", (account,))
            run.execute("DELETE FROM accounts WHERE id = ?", (account,))
            return [bytes(token) for (token,) in died]

    # --- devices --------------------------------------------------------------------------------------------------

    def add_device(self, account: Account, name: str, token: bytes, now_ns: int) -> Device:
        """A new device with the hash of its token."""
        with self._writing() as run:
            done = run.execute(
                "INSERT INTO devices (account, name, token, created_ns, seen_ns)"
                " SELECT id, ?, ?, ?, ? FROM accounts WHERE id = ? AND password = ?",
                (name, token, now_ns, now_ns, account.id, account.password),
            )
            if done.rowcount != 1:
                raise LoginFailed("Unknown user or wrong password.")
            return Device(DeviceId(done.lastrowid or 0), account.id, name, token, now_ns, now_ns)

    def device_of(self, token: bytes) -> tuple[Device, Account] | None:
        """The device of a token's hash, with its account."""
        rows = self._read(
            "SELECT d.id, d.account, d.name, d.token, d.created_ns, d.seen_ns,"
            " a.id, a.name, a.admin, a.password, a.quota, a.created_ns"
            " FROM devices d JOIN accounts a ON a.id = d.account WHERE d.token = ?",
            (token,),
        )
        return (_device(rows[0][:6]), _account(rows[0][6:])) if rows else None

    def devices(self, account: AccountId) -> list[Device]:
        """The account's devices, newest first."""
        return [_device(row) for row in self._read(_DEVICE + " WHERE account = ? ORDER BY id DESC", (account,))]

    def remove_device(self, account: AccountId, device: DeviceId) -> bytes | None:
        """Remove one device of this very account."""
        died = self._delete("DELETE FROM devices WHERE account = ? AND id = ? RETURNING token", (account, device))
        return died[0] if died else None

    def remove_devices(self, account: AccountId, but: DeviceId) -> list[bytes]:
        """Remove all devices but one."""
        return self._delete("DELETE FROM devices WHERE account = ? AND id <> ? RETURNING token", (account, but))

    def note_seen(self, seen: Collection[tuple[DeviceId, int]]) -> None:
        """Remember when devices were last seen."""
        with self._writing(relaxed=True) as run:
            run.executemany("UPDATE devices SET seen_ns = ? WHERE id = ?", [(at_ns, device) for device, at_ns in seen])

    def remove_unseen(self, before_ns: int) -> list[bytes]:
        """Remove devices last seen before a time."""
        return self._delete("DELETE FROM devices WHERE seen_ns < ? RETURNING token", (before_ns,))

    # --- members --------------------------------------------------------------------------------------------------

    def rights(self, account: AccountId, root: RootId) -> Rights:
        """An account's rights in a root."""
        rows = self._read("SELECT rights FROM members WHERE account = ? AND root = ?", (account, root))
        return Rights(rows[0][0]) if rows else Rights.NONE

    def roots_of(self, account: AccountId) -> list[tuple[RootId, Rights]]:
        """Every root the account is a member of."""
        rows = self._read("SELECT root, rights FROM members WHERE account = ? ORDER BY root", (account,))
        return [(RootId(root), Rights(rights)) for root, rights in rows]

    def members(self, root: RootId) -> list[tuple[Account, Rights]]:
        """A root's members by name."""
        rows = self._read(
            "SELECT a.id, a.name, a.admin, a.password, a.quota, a.created_ns, m.rights"
            " FROM members m JOIN accounts a ON a.id = m.account WHERE m.root = ? ORDER BY a.key",
            (root,),
        )
        return [(_account(row[:6]), Rights(row[6])) for row in rows]

    def set_rights(self, account: AccountId, root: RootId, rights: Rights) -> None:
        """Give or take rights."""
        with self._writing() as run:
            if rights is Rights.NONE:
                run.execute("DELETE FROM members WHERE account = ? AND root = ?", (account, root))
                return
            if not run.execute("SELECT 1 FROM accounts WHERE id = ?", (account,)).fetchone():
                raise NotFound("There is no such user.")
            run.execute(
                "INSERT INTO members (account, root, rights) VALUES (?, ?, ?)"
                " ON CONFLICT (account, root) DO UPDATE SET rights = excluded.rights",
                (account, root, int(rights)),
            )

    def forget_root(self, root: RootId) -> None:
        """End all memberships of a root."""
        with self._writing() as run:
            run.execute("DELETE FROM members WHERE root = ?", (root,))

    # --- counters of tries ----------------------------------------------------------------------------------------

    def wait_s(self, keys: Sequence[str], now_ns: int) -> int | None:
        """Seconds a try of these counters would have to wait now."""
        waits = [throttle.is_blocked(self._counter(self._database.reader(), key), now_ns) for key in keys]
        return max((wait for wait in waits if wait is not None), default=None)

    def count_try(self, keys: Sequence[str], now_ns: int) -> int | None:
        """Count a try on every counter, or on none when one refuses."""
        with self._writing() as run:
            verdicts = {key: throttle.count_try(self._counter(run, key), now_ns) for key in keys}
            waits = [verdict.wait_s for verdict in verdicts.values() if verdict.wait_s is not None]
            if waits:
                return max(waits)
            for key, verdict in verdicts.items():
                _save_counter(run, key, verdict.counter)
            return None

    def forgive(self, account_key: str, address_key: str, now_ns: int) -> None:
        """The password was right."""
        with self._writing() as run:
            run.execute("DELETE FROM tries WHERE key = ?", (account_key,))
            self._give_back(run, address_key, now_ns)

    def give_back(self, key: str, now_ns: int) -> None:
        """A try was no guess."""
        with self._writing() as run:
            self._give_back(run, key, now_ns)

    def _give_back(self, run: sqlite3.Connection, key: str, now_ns: int) -> None:
        counter = throttle.give_back(self._counter(run, key), now_ns)
        if counter.tries:
            _save_counter(run, key, counter)
        else:
            run.execute("DELETE FROM tries WHERE key = ?", (key,))

    def drop_counters(self, now_ns: int) -> int:
        """Remove counters that say nothing any more."""
        rows = self._read("SELECT key, tries, since_ns, until_ns FROM tries", ())
        stale = [(key,) for key, *rest in rows if throttle.is_stale(Counter(*rest), now_ns)]
        if not stale:
            return 0
        with self._writing() as run:
            for (key,) in stale:
                if throttle.is_stale(self._counter(run, key), now_ns):
                    run.execute("DELETE FROM tries WHERE key = ?", (key,))
        return len(stale)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _counter(self, run: sqlite3.Connection, key: str) -> Counter:
        row = run.execute("SELECT tries, since_ns, until_ns FROM tries WHERE key = ?", (key,)).fetchone()
        return Counter(*row) if row else Counter()

    def _delete(self, statement: str, values: Sequence[int]) -> list[bytes]:
        with self._writing() as run:
            return [bytes(token) for (token,) in run.execute(statement, values).fetchall()]


def _account(row: Sequence[Any]) -> Account:
    number, name, admin, password, quota, created_ns = row
    return Account(AccountId(number), name, bool(admin), password, quota, created_ns)


def _device(row: Sequence[Any]) -> Device:
    number, account, name, token, created_ns, seen_ns = row
    return Device(DeviceId(number), AccountId(account), name, bytes(token), created_ns, seen_ns)


def _save_counter(run: sqlite3.Connection, key: str, counter: Counter) -> None:
    run.execute(
        "INSERT INTO tries (key, tries, since_ns, until_ns) VALUES (?, ?, ?, ?) ON CONFLICT (key)"
        " DO UPDATE SET tries = excluded.tries, since_ns = excluded.since_ns, until_ns = excluded.until_ns",
        (key, counter.tries, counter.since_ns, counter.until_ns),
    )
