"""What the use cases ask of accounts and roots, however these are kept."""

from collections.abc import Collection, Sequence
from typing import Protocol

from homestow.server.ports.content import Content
from homestow.server.rules.access import Rights
from homestow.server.rules.quotas import Quota
from homestow.values.ids import AccountId, RootId


class RightsSource(Protocol):
    """Rights and quotas as they are now; asked at every call, so that what is taken away is gone at once."""

    def rights(self, account: AccountId, root: RootId) -> Rights:
        """Rights of an account in a root; `Rights.NONE` for unknown ones."""

    def readable(self, account: AccountId) -> Collection[RootId]:
        """The roots an account may read."""

    def quotas(self, root: RootId) -> Sequence[Quota]:
        """Every quota that counts what lies in this root; empty when there is none."""

    def most_entries(self, root: RootId) -> Quota | None:
        """How many entries (`Usage.entries`) this root and those counted with it may hold; None: any number (S109)."""


class StoreSet(Protocol):
    """The content store of each root."""

    def get(self, root: RootId) -> Content:
        """The store of a root.

        Raises:
            NotFound: there is no such root.
            StorageFailed: the root's folder is not there (disk not mounted, removed).
        """
