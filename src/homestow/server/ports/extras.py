"""What the isync calls keep about files, folders and people beside the nodes themselves, as rows.

An extras row may stand before its node: a file that is still on its way has its id reserved by the upload.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from homestow.server.ports.catalogue import NodeRow
from homestow.values.ids import AccountId, NodeId, RootId, UploadId


class PartStatus(IntEnum):
    """Where a file, its small or its large thumbnail comes from; numbers as in the article."""

    LOCAL = 0
    BROKEN = 1
    UPLOADING = 2
    UPLOADED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """Facts that clients gave; None: not given, what the server knows itself counts.

    Attributes:
        folder: where a file on its way shall be; None once the node stands.
        shown: display name as it was given; counts while the node is called `shown_for`.
        upload: the upload of the file's content while it is under way.
        created_s, uploaded_s, imported_s, modified_s, help_s: seconds since 1970.
        thumb, screen: status of the small and the large thumbnail.
    """

    node: NodeId
    root: RootId
    folder: NodeId | None = None
    shown: str | None = None
    shown_for: str | None = None
    upload: UploadId | None = None
    uploader: AccountId | None = None
    created_s: float | None = None
    uploaded_s: float | None = None
    imported_s: float | None = None
    modified_s: float | None = None
    ext: str | None = None
    size: int | None = None
    kind: int | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    memo: str | None = None
    help_int: int | None = None
    help_text: str | None = None
    help_s: float | None = None
    thumb: PartStatus = PartStatus.LOCAL
    screen: PartStatus = PartStatus.LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the isync calls keep about an account; `login_s` is the last login."""

    account: AccountId
    login_s: float | None = None
    modified_s: float | None = None
    help_int: int | None = None
    help_text: str | None = None


class ExtrasRows(Protocol):
    """Extras as rows. Each writing method is one durable transaction."""

    def extras(self, nodes: Collection[NodeId]) -> dict[NodeId, Extras]:
        """Rows of nodes; those without one are left out."""

    def change(self, node: NodeId, root: RootId, change: Callable[[Extras], Extras]) -> Extras:
        """Change a node's row (an empty one when there is none) from what it is now; what it became."""

    def drop(self, nodes: Collection[NodeId]) -> None:
        """Remove rows."""

    def waiting(self, uploader: AccountId) -> list[Extras]:
        """Rows of files of which this account still has to send something, by id."""

    def in_folder(self, folder: NodeId) -> list[Extras]:
        """Rows of files on their way into a folder."""

    def unfinished_in(self, folders: Collection[NodeId]) -> dict[NodeId, int]:
        """How many files are on their way into each folder; those with none are left out."""

    def drop_orphans(self, limit: int) -> int:
        """Remove rows that have neither a node nor an upload; how many. Rows of people without an account go with them."""

    def person(self, account: AccountId) -> Person:
        """What is kept about an account."""

    def change_person(self, account: AccountId, change: Callable[[Person], Person]) -> Person:
        """Change what is kept about an account from what it is now; what it was."""


class Folders(Protocol):
    """Folders as a tree without its files, however many there are.

    A folder whose name begins with a dot counts only when it has extras: scans leave such folders out, clients may make one.
    """

    def folders_in(self, parents: Collection[NodeId]) -> list[NodeRow]:
        """Live folders that stand directly in folders, by id."""

    def count_folders_in(self, parents: Collection[NodeId]) -> dict[NodeId, int]:
        """How many folders stand directly in each; those with none are left out."""
