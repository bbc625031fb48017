"""What the Ditto services keep beside the catalogue, as rows: clients, logins, announced files with their blocks, events.

Every writing method is one transaction of its own, or a part of the one that its thread is in.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from homestow.server.ports.accounts import Account
from homestow.values.ids import AccountId, DeviceId, NodeId, RootId, UploadId


@dataclass(frozen=True, slots=True)
class Client:
    """A program that may log its users in.

    Attributes:
        secret: SHA-256 of its secret.
        max_users: accounts that may be logged in through it at once; 0: any number.
    """

    id: str
    name: str
    secret: bytes = field(repr=False)
    max_users: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class Login:
    """A user's login through a client; it lives as long as its device does.

    Attributes:
        id: 32 hexadecimal digits, part of the `jti` of its access tokens.
        turn: how often it was refreshed; only access tokens of this turn and of the one before count.
        refresh: SHA-256 of the refresh token that counts now.
        until_ns: when that ends.
    """

    id: str
    account: AccountId
    device: DeviceId
    client: str
    turn: int
    refresh: bytes = field(repr=False)
    created_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that a client of these services announced.

    Attributes:
        number: order of their coming; pages of lists go by it.
        uuid: 16 bytes.
        node: the node it becomes or became; its upload reserved it.
        name: as the client said it; the file may bear a number behind it.
        type: whatever the client said.
        size: in bytes.
        md5: 16 bytes; None: not told, and not verified.
        regular: bytes of every block but the last; 0: not known yet.
        uploaded_ns, written_ns: when all bytes were there, and when it became a file; None until then.
    """

    number: int
    uuid: bytes
    account: AccountId
    root: RootId
    upload: UploadId
    node: NodeId
    name: str
    type: str
    size: int
    md5: bytes | None
    regular: int
    created_ns: int
    uploaded_ns: int | None
    written_ns: int | None


@dataclass(frozen=True, slots=True)
class Block:
    """A block that arrived: `size` bytes at `offset`, with their MD5 (16 bytes)."""

    no: int
    size: int
    offset: int
    md5: bytes


class Stage(IntEnum):
    """How far an announced file is; the values are those of `DittoFile.Status`."""

    CREATED = 1
    UPLOADING = 2
    UPLOADED = 3
    WRITTEN = 4


class EventKind(IntEnum):
    """What an event tells; the values are those of `WatchType`. What was written stands in the journal, not here."""

    WRITTEN = 2
    UPLOADED = 3
    BLOCK_UPLOADED = 4
    WANTED = 5
    BLOCK_WANTED = 6


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, or is asked for, in one order with the journal.

    Attributes:
        number: journal number; no other event and no change has it.
        uuid: of the file it is about; b"" for `WANTED`.
        size: of the file, or of the block.
        start_ns, end_ns: of `WANTED`: the time of the files that are wanted.
    """

    number: int
    account: AccountId
    kind: EventKind
    uuid: bytes
    block_no: int
    size: int
    md5: bytes
    start_ns: int
    end_ns: int
    at_ns: int


class DittoRows(Protocol):
    """Rows of the Ditto services."""

    # clients and logins

    def add_client(self, client: Client) -> None:
        """A new client. Raises `NameTaken` when there is one of that name."""

    def client(self, client: str) -> Client | None:
        """One, by id."""

    def clients(self) -> list[Client]:
        """All, by name."""

    def remove_client(self, client: str) -> bool:
        """Forget one with all its logins and their devices; whether there was such."""

    def add_login(self, login: Login, max_users: int, now_ns: int) -> bool:
        """Store a new one; False, and nothing stored, when `max_users` other accounts are logged in through its client.

        Logins whose time is over or whose device is gone are removed first, with their devices.
        """

    def login(self, login: str) -> tuple[Login, Account] | None:
        """One with its account; None when there is none, or its device, account or client is gone."""

    def renew_login(self, login: str, turn: int, refresh: bytes, until_ns: int, now_ns: int) -> bool:
        """The next turn of a login that is in turn `turn`, and its device seen now; False when it is not (any more)."""

    def end_login(self, login: str) -> None:
        """End one, with its device; none is no error."""

    # files and blocks

    def announce(self, file: Announced) -> Announced:
        """A new file; with its number, that of `file` does not count."""

    def announced(self, uuid: bytes, account: AccountId) -> Announced | None:
        """One of an account's."""

    def announced_page(
        self, account: AccountId, after: int, limit: int, stage: Stage | None
    ) -> list[tuple[Announced, Stage]]:
        """An account's files after a number, in order, those of one stage alone if it is told."""

    def stage(self, file: Announced) -> Stage:
        """How far it is."""

    def of_nodes(self, nodes: Collection[NodeId]) -> dict[NodeId, bytes]:
        """The uuids of those nodes that were announced here."""

    def forget(self, number: int) -> None:
        """Forget a file with its blocks."""

    def set_regular(self, number: int, regular: int) -> None:
        """How large its blocks are."""

    def set_uploaded(self, number: int, at_ns: int | None) -> None:
        """All bytes are there; None: they are not the right ones."""

    def set_written(self, number: int, node: NodeId, at_ns: int) -> None:
        """It became this file."""

    def save_block(self, number: int, block: Block) -> None:
        """A block arrived, or lies elsewhere now."""

    def blocks(self, number: int, first: int = 0, limit: int | None = None) -> list[Block]:
        """Blocks from a number on, in order."""

    # events

    def add_event(self, event: Event) -> None:
        """Store one."""

    def events(self, account: AccountId, after: int, limit: int, kinds: Collection[EventKind]) -> list[Event]:
        """Events of an account after a journal number, in order, of some kinds."""

    def position(self, account: AccountId, client: str, watch: str) -> int | None:
        """Up to which number a watch was told everything; None: there is no such watch yet."""

    def set_positions(self, positions: Collection[tuple[AccountId, str, str, int]], at_ns: int) -> None:
        """Remember them, each with its account, client and watch; never backwards."""

    def drop_orphans(self, compacted: int, unused_since_ns: int, limit: int) -> int:
        """Remove up to `limit` rows of each kind that mean nothing any more; how many.

        That is what belongs to accounts, nodes or uploads that are gone, events up to `compacted`, and watches nobody used
        since a time.
        """
