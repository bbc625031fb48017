"""What the netdrive calls keep beside the catalogue, and MD5 of contents, as rows.

Every writing method is one transaction of its own, or a part of the one that its thread is in. Nothing here is more than a
convenience: rows that are lost cost a login, a bind, blocks sent again or contents read again, never content.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from homestow.values.ids import AccountId, NodeId, RootId, UploadId


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that an account announced.

    Attributes:
        vfile: id under which its blocks are sent: the node id that its upload reserved.
        upload: the upload that takes them.
        md5: 16 bytes; None: the client did not say.
        size: in bytes.
        mtime_s: as announced, whole seconds; None: not said.
        folder: where it shall be; `path` is that folder's path, names joined by "/", for when it is gone by then.
        done: the file it became; None until then.
    """

    vfile: NodeId
    account: AccountId
    root: RootId
    upload: UploadId
    md5: bytes | None
    size: int
    mtime_s: int | None
    folder: NodeId
    name: str
    path: str
    done: NodeId | None
    created_ns: int


class NetdriveRows(Protocol):
    """Binds, spellings of paths, announced files, and which roots these clients use."""

    def bind(self, account: AccountId) -> int:
        """The number of the bind that counts now; 0: none."""

    def set_bind(self, account: AccountId, number: int) -> None:
        """Another one; 0: none."""

    def numbers(self, account: AccountId) -> dict[int, RootId]:
        """Which root each number means."""

    def give_numbers(self, account: AccountId, roots: Sequence[RootId]) -> dict[int, RootId]:
        """Give each root that has none the next number, in this order; all numbers then. None ever means another root."""

    def spelled(self, account: AccountId, root: RootId) -> dict[NodeId, str]:
        """How an account last spelled the paths of folders and the names of files, where it did so in a way of its own."""

    def spell(self, account: AccountId, root: RootId, node: NodeId, said: str | None) -> None:
        """Remember a spelling; None: forget it."""

    def add_sent(self, sent: Sent) -> None:
        """A newly announced file."""

    def sent(self, vfile: NodeId, account: AccountId) -> Sent | None:
        """What an account announced under an id."""

    def sent_to(self, account: AccountId, folder: NodeId, name: str) -> list[Sent]:
        """What an account announced for a place and has not completed, newest first."""

    def sent_done(self, vfile: NodeId, node: NodeId) -> None:
        """It became a file."""

    def drop_sent(self, vfile: NodeId) -> None:
        """Forget it."""

    def note_used(self, root: RootId, at_ns: int) -> None:
        """A client asked for the list of a root."""

    def used(self) -> list[RootId]:
        """Roots of which clients asked for the list, the latest asked for first."""

    def drop_orphans(self, limit: int) -> int:
        """Remove up to `limit` rows of each table whose account, node or upload is no more; how many were removed."""


class Md5Row(NamedTuple):
    """The MD5 (16 bytes) of a content of a file."""

    node: NodeId
    rev: int
    md5: bytes
    size: int


class Md5Rows(Protocol):
    """MD5 of contents."""

    def put(self, rows: Collection[Md5Row]) -> None:
        """Remember; what a power cut takes of it is computed again."""

    def md5(self, node: NodeId, rev: int) -> bytes | None:
        """Of one content."""

    def of_root(self, root: RootId) -> dict[NodeId, bytes]:
        """Of the present contents of the files of a root, deleted ones too, as far as they are known."""

    def missing(self, root: RootId, after: NodeId, limit: int) -> list[NodeId]:
        """Files of a root whose present content has none yet, by id, after an id; those in the trash aside."""

    def find(self, md5: bytes, roots: Collection[RootId], limit: int) -> list[Md5Row]:
        """Contents with this MD5 of files of these roots that were not deleted themselves; present ones first."""

    def drop_orphans(self, limit: int) -> int:
        """Remove up to `limit` rows of contents that are no more; how many were removed."""
