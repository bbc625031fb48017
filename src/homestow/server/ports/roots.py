"""Which trees there are and in which folders they lie. Who may see them is in `ports.accounts`.

Every method is one transaction, as in `ports.accounts`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from homestow.values.ids import AccountId, RootId


class RootState(StrEnum):
    """Whether a root can be used."""

    PRESENT = "present"
    AWAY = "away"
    """Its folder is not there (disk not mounted, moved away); nothing is deleted until it is back (P10)."""

    REMOVED = "removed"
    """The operator took it off the server; its files and rows stay, and adding the folder again wakes it."""


@dataclass(frozen=True, slots=True)
class Root:
    """A tree people share.

    Attributes:
        name: as people see it, one segment; unique among roots that were not removed.
        folder: absolute path of its folder, links resolved.
        owner: whose own root it is, and whose quota counts it; 0 for nobody's.
        quota: bytes it may hold; None: no limit of its own.
        inode, birth_ns: identity of the folder when it was last compared with the disk, 0 where disks have none.
        marked: our hidden folder was seen in it; when that is missing, another disk is mounted there.
        scanned_ns: when it was last compared as a whole, 0 never.
    """

    id: RootId
    name: str
    folder: str
    owner: AccountId
    quota: int | None
    state: RootState
    inode: int
    birth_ns: int
    marked: bool
    scanned_ns: int
    created_ns: int


class Roots(Protocol):
    """Roots as rows."""

    def add_root(self, name: str, folder: str, owner: AccountId, now_ns: int) -> Root:
        """A new root; a taken name gets " (2)", " (3)" …; ids are never used again.

        `RootsOverlap` when a root that was not removed has this very folder.
        """

    def root(self, root: RootId) -> Root | None:
        """A root by id, removed or not."""

    def root_named(self, name: str) -> Root | None:
        """The root of a name that was not removed, in whatever capitals."""

    def root_in(self, folder: str) -> Root | None:
        """The newest root of exactly this folder, removed or not."""

    def roots(self) -> list[Root]:
        """All roots that were not removed, oldest first."""

    def removed_roots(self) -> list[Root]:
        """All roots that were removed, oldest first."""

    def rename_root(self, root: RootId, name: str) -> str:
        """Give another name, numbered when taken; the name it got."""

    def set_folder(self, root: RootId, folder: str) -> None:
        """The root's folder lies elsewhere now (after a restore)."""

    def set_owner(self, root: RootId, owner: AccountId) -> None:
        """Whose own root it is; 0 for nobody's."""

    def set_root_quota(self, root: RootId, quota: int | None) -> None:
        """Set how many bytes the root may hold; None: no limit of its own."""

    def set_state(self, root: RootId, state: RootState) -> None:
        """Present, away or removed."""

    def set_identity(self, root: RootId, inode: int, birth_ns: int, marked: bool) -> None:
        """Remember how the folder is known again."""

    def set_scanned(self, root: RootId, at_ns: int) -> None:
        """The root was compared as a whole."""
