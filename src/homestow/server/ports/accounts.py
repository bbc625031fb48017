"""Who there is: accounts, their devices with tokens, who may see which root, and the counters of password tries.

Every method is one transaction: all of it is durable when the method returns, or nothing of it happened. Secrets never
come here in the clear: passwords as Argon2id strings, tokens as SHA-256 of the token.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from homestow.server.rules.access import Rights
from homestow.values.ids import AccountId, DeviceId, RootId


@dataclass(frozen=True, slots=True)
class Account:
    """A person.

    Attributes:
        name: as it is shown; unique after `rules.passwords.name_key`.
        password: Argon2id string; kept out of `repr` (S97).
        quota: bytes its own roots may hold in all; None: the server's default.
    """

    id: AccountId
    name: str
    admin: bool
    password: str = field(repr=False)
    quota: int | None
    created_ns: int


@dataclass(frozen=True, slots=True)
class Device:
    """One logged-in computer or phone; `seen_ns` is when its token was last used, to some minutes."""

    id: DeviceId
    account: AccountId
    name: str
    token: bytes = field(repr=False)
    created_ns: int
    seen_ns: int


class Accounts(Protocol):
    """Accounts, devices, members and counters as rows."""

    def add_account(self, name: str, password: str, admin: bool, now_ns: int) -> Account:
        """A new account; ids are never used again. `NameTaken` when a name of the same key exists."""

    def account(self, account: AccountId) -> Account | None:
        """The account of an id."""

    def account_named(self, name: str) -> Account | None:
        """The account of a name, in whatever capitals; names that no account can have give None."""

    def accounts(self) -> list[Account]:
        """All accounts by name."""

    def set_password(self, account: AccountId, password: str) -> None:
        """Store another Argon2id string; nothing when the account is gone."""

    def set_quota(self, account: AccountId, quota: int | None) -> None:
        """Set how many bytes the account's own roots may hold; None: the server's default."""

    def remove_account(self, account: AccountId) -> list[bytes]:
        """Remove an account with its devices and memberships; the token hashes that died (S49)."""

    def add_device(self, account: Account, name: str, token: bytes, now_ns: int) -> Device:
        """A new device with the hash of its token.

        `LoginFailed` when the account was removed or got another password since `account` was read: a login that was under
        way with the old password does not outlive the change (S49).
        """

    def device_of(self, token: bytes) -> tuple[Device, Account] | None:
        """The device of a token's hash, with its account; None when no login has it."""

    def devices(self, account: AccountId) -> list[Device]:
        """The account's devices, newest first."""

    def remove_device(self, account: AccountId, device: DeviceId) -> bytes | None:
        """Remove one device of this very account; the token hash that died, None when it has no such device."""

    def remove_devices(self, account: AccountId, but: DeviceId) -> list[bytes]:
        """Remove all devices but one (0: all); the token hashes that died."""

    def note_seen(self, seen: Collection[tuple[DeviceId, int]]) -> None:
        """Remember when devices were last seen, in nanoseconds."""

    def remove_unseen(self, before_ns: int) -> list[bytes]:
        """Remove devices last seen before a time; the token hashes that died."""

    def rights(self, account: AccountId, root: RootId) -> Rights:
        """An account's rights in a root; NONE when it is no member."""

    def roots_of(self, account: AccountId) -> list[tuple[RootId, Rights]]:
        """Every root the account is a member of, oldest first."""

    def members(self, root: RootId) -> list[tuple[Account, Rights]]:
        """A root's members by name."""

    def set_rights(self, account: AccountId, root: RootId, rights: Rights) -> None:
        """Give or take rights; NONE ends the membership. `NotFound` when the account is gone."""

    def forget_root(self, root: RootId) -> None:
        """End all memberships of a root that is no more."""

    def wait_s(self, keys: Sequence[str], now_ns: int) -> int | None:
        """Seconds a try of these counters would have to wait now; None when it would pass. Counts nothing."""

    def count_try(self, keys: Sequence[str], now_ns: int) -> int | None:
        """Count a try on every counter, or on none when one refuses; seconds to wait, None when it passes.

        Atomic also between processes (S43, S44); the rule is `rules.throttle.count_try`.
        """

    def forgive(self, account_key: str, address_key: str, now_ns: int) -> None:
        """The password was right: forget the account's counter and give the address its try back."""

    def give_back(self, key: str, now_ns: int) -> None:
        """A try was no guess: the counter gets it back."""

    def drop_counters(self, now_ns: int) -> int:
        """Remove counters that say nothing any more; how many."""
