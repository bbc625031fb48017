"""Logins that end by themselves when nobody uses them, as rows: those of the isync calls and of the TCP fronts.

Each belongs to a device of its account and ends with it, so that people see it among their devices and can end it there.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from homestow.server.ports.accounts import Account
from homestow.values.ids import AccountId, DeviceId


@dataclass(frozen=True, slots=True)
class Session:
    """One login.

    Attributes:
        token: SHA-256 of the token.
        front: whose calls it opens; it opens no others.
        seen_ns: when it was last used, to a minute or a quarter of `idle_ns`.
        idle_ns: it ends when it was not used for so long.
    """

    token: bytes = field(repr=False)
    account: AccountId
    device: DeviceId
    front: str
    created_ns: int
    seen_ns: int
    idle_ns: int


class Sessions(Protocol):
    """Sessions as rows. Each method is one transaction; what only says when something was used is relaxed."""

    def add(self, session: Session, most: int, now_ns: int) -> int:
        """Store a new one; how many ended for it. One of the same token is replaced by it, and keeps its device.

        Of its front those end that outlived their time; where there are more than `most` then, those of the account that has
        the most of them, the ones unused for longest first (S109), never the new one. Their devices are removed with them.
        """

    def find(self, token: bytes, front: str) -> tuple[Session, Account] | None:
        """The session of a token's hash with its account; None when there is none, or its device is gone."""

    def join(self, account: Account, front: str, now_ns: int) -> Session | None:
        """Log in once more to the session that an account has at a front; None when none lives.

        Nothing is joined when the account got another password since `account` was read (S49).
        """

    def leave(self, token: bytes, front: str) -> bool:
        """Take one login back; whether that was the last one, with which the session and its device end. None is no error."""

    def note_seen(self, seen: Collection[tuple[bytes, int]]) -> None:
        """Remember when sessions, and so their devices, were last used."""

    def remove(self, token: bytes) -> None:
        """End one, with its device; none is no error."""

    def count(self, front: str) -> int:
        """How many there are, those included that outlived their time and were not looked at since."""
