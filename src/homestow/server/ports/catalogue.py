"""What the disk cannot hold: nodes, versions, trash, uploads, intents, answers; and the journal beside them.

Reading is for every thread. Changing happens in transactions (`write`), one at a time; what belongs to a change of content
goes through the committer (`service.committer`), which is the only writer of nodes. No SQL and no row order of a
particular database passes this port, so that another database is another adapter.

A node has a *place* (`parent`, `name`: what people see) and a *location* (where the bytes lie). The location is the place
unless `loc_parent` and `loc_name` say otherwise; both are set or none. Descendants of a deleted folder keep their rows;
they are not live because an ancestor is gone.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from homestow.server.ports.content import Location, Stat
from homestow.server.ports.journal import Journal, JournalRows
from homestow.values.digests import Digest
from homestow.values.ids import AccountId, DeviceId, NodeId, RootId, UploadId
from homestow.values.nodes import Kind, Node

_KINDS = {kind.value: kind for kind in Kind}


class Seen(NamedTuple):
    """Facts of a node's entry on disk when last looked at; zeros where the store has none.

    They tell an outside change from our own: equal facts are the content of the row. Size is the node's own.
    """

    inode: int
    birth_ns: int
    ctime_ns: int
    mtime_ns: int


NOT_SEEN = Seen(0, 0, 0, 0)
"""For nodes whose entry on disk nobody looked at; a folder's facts are not kept current."""


class NodeRow(NamedTuple):
    """A node with all its facts.

    Attributes:
        kind: value of `values.nodes.Kind`.
        digest: BLAKE3 as 32 bytes, None when nobody needed it yet or for folders.
        gone: 0 while it stands at its place, else the journal number at which it was deleted.
        loc_parent, loc_name: folder and disk name where it lies, both None when that is its place.
        inode, birth_ns, ctime_ns, disk_mtime_ns: what the disk showed last (see `Seen`).
        deleted_ns, deleted_by: when and by whom it was deleted; 0 while live.
        kept: key in the store's kept area of a deleted node; None while live, and when nothing is left of it.
    """

    id: NodeId
    root: RootId
    parent: NodeId | None
    name: str
    kind: str
    rev: int
    change: int
    below: int
    size: int
    mtime_ns: int
    digest: bytes | None
    gone: int
    loc_parent: NodeId | None
    loc_name: str | None
    inode: int
    birth_ns: int
    ctime_ns: int
    disk_mtime_ns: int
    deleted_ns: int
    deleted_by: AccountId
    kept: str | None

    @property
    def seen(self) -> Seen:
        """What the disk showed last."""
        return Seen(self.inode, self.birth_ns, self.ctime_ns, self.disk_mtime_ns)

    @property
    def hex_digest(self) -> Digest | None:
        """The digest as text."""
        return None if self.digest is None else Digest(self.digest.hex())

    def node(self) -> Node:
        """The node as both ends see it."""
        digest = self.digest
        return Node(
            self.id, self.root, self.parent, self.name, _KINDS[self.kind], self.rev, self.change, self.below, self.size,
            self.mtime_ns, None if digest is None else Digest(digest.hex()), self.gone != 0,
        )  # fmt: skip


def new_row(
    node: NodeId, root: RootId, parent: NodeId | None, name: str, kind: Kind, change: int, *, rev: int = 0, size: int = 0,
    mtime_ns: int = 0, digest: bytes | None = None, seen: Seen = NOT_SEEN, loc_parent: NodeId | None = None,
    loc_name: str | None = None,
) -> NodeRow:  # fmt: skip
    """A live node as it is first recorded."""
    return NodeRow(
        node, root, parent, name, kind.value, rev, change, change, size, mtime_ns, digest, 0, loc_parent, loc_name,
        *seen, 0, AccountId(0), None,
    )  # fmt: skip


FoundRow = tuple[NodeId, NodeId, str, str, int, int, int, int, int, int, int]
"""A node as it was found on a disk that nobody knew: id, parent, name, kind, rev, change, size, mtime_ns, inode, birth_ns,
ctime_ns, each as in `NodeRow`. Not a named one: adopting makes hundreds of thousands of them."""


ShownRow = tuple[str, str, int, int, int, int, int, NodeId]
"""What a comparison with the disk needs of a node: disk name, kind, size, disk_mtime_ns, ctime_ns, inode, birth_ns, id. Not a
named one: an unchanged tree is compared by hundreds of thousands of them."""


class Folder(NamedTuple):
    """A folder as paths are made of it.

    Attributes:
        live: it and all folders above stand at their places.
        chain: ids of its place: itself first, the root's top folder last.
        kept: key of the deleted folder its location lies in (itself or one above), None when it is in the visible tree.
        location: disk names from the root's folder, or inside of what is kept under `kept`.
        held: ids of its location, itself first; the same as `chain` unless something lies elsewhere than shown.
    """

    id: NodeId
    root: RootId
    parent: NodeId | None
    name: str
    live: bool
    chain: tuple[NodeId, ...]
    kept: str | None
    location: Location
    held: tuple[NodeId, ...]


class Lies(NamedTuple):
    """Where a node's bytes lie: at `location` of the visible tree, or inside of what is kept under `kept`."""

    kept: str | None
    location: Location


class VersionRow(NamedTuple):
    """Content a file had, in the kept area under `kept`."""

    node: NodeId
    rev: int
    size: int
    mtime_ns: int
    digest: bytes | None
    saved_ns: int
    kept: str


class UploadRow(NamedTuple):
    """An upload under way or written; its staging file has the upload's id as its key.

    Attributes:
        node: reserved for a new file, or the file to replace.
        parent, name: where a new file shall be; None for new content of `node`.
        base: rev it replaces, 0 for a new file.
        digest: declared BLAKE3, or None.
        state: created, uploading, uploaded or written.
        received: (start, stop) pairs of received bytes, sorted, apart: start, stop, start, stop …
        durable: the same of bytes that are on disk for certain.
        boot: the machine's run in which `received` was recorded; after another start only `durable` counts.
        done_rev: rev it became, 0 until written.
        fresh: the node did not exist before (its place is made by this upload).
    """

    id: UploadId
    root: RootId
    node: NodeId
    account: AccountId
    device: DeviceId
    parent: NodeId | None
    name: str | None
    base: int
    size: int
    block_size: int
    digest: bytes | None
    mtime_ns: int | None
    state: str
    received: tuple[int, ...]
    durable: tuple[int, ...]
    boot: str
    created_ns: int
    expires_ns: int
    done_rev: int


class Usage(NamedTuple):
    """Room a root takes, in bytes, and what is in it by number.

    live: present content, that of deleted files in the trash included. kept: older contents. reserved: by uploads.
    files: files, those in the trash included. entries: everything that has a row, the top folder and tombstones aside: files,
    folders and links, in the trash too, older contents, and unfinished uploads (S109).
    """

    live: int
    kept: int
    reserved: int
    files: int
    entries: int

    @property
    def total(self) -> int:
        """Bytes that count against quotas."""
        return self.live + self.kept + self.reserved


class Intent(NamedTuple):
    """A recorded intent: what the committer was about to do on disk, as the work wrote it down."""

    id: int
    root: RootId
    body: bytes


LARGE_ANSWER = 64 * 1024
MOST_LARGE_ANSWERS = 64
"""So many large answers of an account are remembered: enough for whoever did not hear one, and no way to fill the disk."""


class Answer(NamedTuple):
    """What was answered to an idempotency key, and a digest of the request it answered."""

    request: bytes
    answer: bytes


class CatalogueReads(Journal, Protocol):
    """Reading. Every method sees all that was committed before it was called."""

    def node(self, node: NodeId) -> NodeRow | None:
        """A node by id, gone or not; None when there never was one or nothing is left of it."""

    def nodes(self, ids: Collection[NodeId]) -> dict[NodeId, NodeRow]:
        """Several nodes by id; unknown ones are left out."""

    def top(self, root: RootId) -> NodeRow | None:
        """A root's top folder."""

    def child(self, parent: NodeId, name: str) -> NodeRow | None:
        """The node at a place, None when it is free."""

    def children_named(self, parent: NodeId, names: Collection[str]) -> dict[str, NodeRow]:
        """Those of a folder that have one of these names."""

    def children(self, parent: NodeId, after: str, limit: int) -> list[NodeRow]:
        """What stands in a folder, by name (code points), after a name ("" for the first page)."""

    def folder(self, node: NodeId) -> Folder | None:
        """A folder with its paths; None when it is unknown or no folder."""

    def lies(self, row: NodeRow) -> Lies:
        """Where a node's bytes lie."""

    def lying_at(self, folder: NodeId, disk_name: str) -> NodeRow | None:
        """The node that lies at a disk name of a folder."""

    def lying_in(self, folder: NodeId) -> list[NodeRow]:
        """All nodes that lie in a folder (directly), whatever their places are."""

    def shown_in(self, folder: NodeId) -> list[ShownRow]:
        """What the disk showed last of all nodes that lie in a folder, in no order."""

    def lying_elsewhere(self, root: RootId) -> list[NodeRow]:
        """All live nodes of a root whose location is not their place."""

    def by_inode(self, root: RootId, inode: int) -> list[NodeRow]:
        """Live nodes that were last seen with an inode."""

    def by_digest(self, digest: bytes, size: int) -> list[NodeRow]:
        """Up to 16 nodes with this content. Files below 64 KiB are not found: asking would cost more than sending."""

    def tree(self, root: RootId, after: NodeId, limit: int) -> tuple[list[NodeRow], NodeId | None]:
        """A page of a root's live nodes by id, and what to give as `after` for the next (None: that was the last)."""

    def subtree(self, under: NodeId, after: NodeId, limit: int) -> tuple[list[NodeRow], NodeId | None]:
        """The same of one folder with all below it."""

    def inside(self, folder: NodeId) -> list[NodeRow]:
        """All nodes with places below a folder, parents first, without what was deleted on its own; the folder not included."""

    def changed(self, root: RootId, after: int, limit: int) -> tuple[list[NodeRow], int, bool]:
        """Nodes of a root whose last change is later than `after`, oldest first; the number read up to; whether there is more.

        Nodes below a deleted folder are gone here: one that came into it since `after` may be known elsewhere to the reader.
        """

    def trash(self, root: RootId, before: int, limit: int) -> list[NodeRow]:
        """Deleted nodes that are kept, newest first, deleted before the journal number `before` (0: from the newest)."""

    def trash_before(self, at_ns: int, limit: int) -> list[NodeRow]:
        """Kept deleted nodes of all roots that were deleted before a time."""

    def versions(self, node: NodeId) -> list[VersionRow]:
        """Older contents of a file, newest first."""

    def version(self, node: NodeId, rev: int) -> VersionRow | None:
        """One older content."""

    def nodes_with_versions(self, after: NodeId, limit: int) -> list[NodeId]:
        """Files that have older contents, by id."""

    def kept_keys(self, root: RootId) -> set[str]:
        """Every key of a root's kept area that a row needs."""

    def usage(self, roots: Collection[RootId]) -> dict[RootId, Usage]:
        """Room taken; every asked root is in the answer."""

    def upload(self, upload: UploadId) -> UploadRow | None:
        """An upload by id."""

    def uploads_expired(self, now_ns: int, limit: int) -> list[UploadRow]:
        """Uploads that outlived their time."""

    def uploads_of(self, root: RootId) -> set[UploadId]:
        """Uploads of a root whose staging file is still needed."""

    def uploads_count(self, account: AccountId) -> int:
        """How many unfinished uploads an account has."""

    def answer(self, account: AccountId, key: str) -> Answer | None:
        """What was answered to an idempotency key."""

    def intents(self) -> list[Intent]:
        """All recorded intents, oldest first."""


class Catalogue(CatalogueReads, Protocol):
    """The catalogue: reading, and transactions that change it."""

    def write(self, relaxed: bool = False) -> AbstractContextManager["Rows"]:
        """One transaction: committed at the end of the block, undone by an exception; inside of another one, a part of it.

        Args:
            relaxed: it survives a kill, but a power cut only once a later, not relaxed one was committed.

        Raises:
            StorageFull: no room for the database.
            StorageFailed: the database failed.
        """


class Rows(CatalogueReads, JournalRows, Protocol):
    """Changing, inside of one transaction. What is read here includes what was changed here."""

    def savepoint(self) -> AbstractContextManager[None]:
        """A part that an exception undoes alone."""

    def take_ids(self, count: int) -> NodeId:
        """Reserve `count` consecutive node ids; the first. Ids are never given twice."""

    def add(self, rows: Iterable[NodeRow]) -> None:
        """New nodes, parents before children.

        Raises:
            PathTaken: a place is in use.
        """

    def adopt(self, root: RootId, rows: Iterable[FoundRow]) -> None:
        """`add` for very many new live nodes of one root that lie where they are shown, their digests unknown.

        Raises:
            PathTaken: a place is in use.
        """

    def set_content(
        self, node: NodeId, rev: int, change: int, size: int, mtime_ns: int, digest: bytes | None, seen: Seen
    ) -> None:
        """New present content of a file."""

    def set_seen(self, node: NodeId, mtime_ns: int, seen: Seen, change: int | None) -> None:
        """Other facts without new content; `change` None when people see no difference."""

    def set_digest(self, node: NodeId, rev: int, digest: bytes) -> None:
        """Remember the digest of a file's content, unless it has other content by now."""

    def set_version_digest(self, node: NodeId, rev: int, digest: bytes) -> None:
        """Remember the digest of an older content."""

    def set_kind(self, node: NodeId, kind: Kind) -> None:
        """Something of another kind stands there now (changed from outside)."""

    def set_place(
        self, node: NodeId, parent: NodeId, name: str, loc_parent: NodeId | None, loc_name: str | None, change: int
    ) -> None:
        """Another place and location; a deleted node is live again.

        Raises:
            PathTaken: the place is in use.
        """

    def set_location(self, node: NodeId, loc_parent: NodeId | None, loc_name: str | None) -> None:
        """Another location, the place stays."""

    def graft(self, root: RootId, into: RootId, parent: NodeId, name: str) -> int:
        """Make all nodes of a root, gone ones too, nodes of another root, its top folder a folder at a free place there.

        Ids, revs and versions stay; every node gets a new number, so that readers of `into` learn of it. The root has no nodes
        and no uploads afterwards and is removed. How many nodes.

        Raises:
            PathTaken: the place is in use.
        """

    def bump(self, nodes: Iterable[tuple[NodeId, int]]) -> None:
        """Give nodes the journal number of their last change."""

    def set_gone(self, node: NodeId, change: int, at_ns: int, by: AccountId, kept: str | None) -> None:
        """Deleted, with its bytes under `kept` (None: no bytes are left)."""

    def set_purged(self, node: NodeId, change: int) -> None:
        """Only the tombstone is left: the next readers of the feed learn it is gone."""

    def forget(self, nodes: Iterable[NodeId], change: int) -> None:
        """Remove rows of nodes and of their versions, children before parents.

        A folder of which something that was deleted before it is still kept stays as a tombstone with this `change`.
        """

    def forget_tombstones(self, through: int) -> int:
        """Remove tombstones of which every kept cursor knows; how many."""

    def add_version(self, version: VersionRow) -> None:
        """One more older content."""

    def drop_version(self, node: NodeId, rev: int) -> None:
        """An older content is no longer kept."""

    def charge(
        self, root: RootId, *, live: int = 0, kept: int = 0, reserved: int = 0, files: int = 0, entries: int = 0
    ) -> None:
        """Add to a root's usage; negative to give back."""

    def recount(self, root: RootId) -> Usage:
        """Usage counted anew from the rows, stored and returned."""

    def save_upload(self, upload: UploadRow) -> None:
        """Add or change an upload."""

    def drop_upload(self, upload: UploadId) -> None:
        """Forget an upload."""

    def add_intents(self, intents: Sequence[tuple[RootId, bytes]]) -> list[int]:
        """Record intents; their ids."""

    def drop_intents(self, ids: Iterable[int]) -> None:
        """These were carried out or undone."""

    def save_answer(self, account: AccountId, key: str, answer: Answer, at_ns: int) -> None:
        """Remember what was answered to an idempotency key.

        Of answers over `LARGE_ANSWER` bytes an account has its newest `MOST_LARGE_ANSWERS` (S109).
        """

    def drop_answers(self, before_ns: int) -> None:
        """Forget answers older than a time."""


def seen_from(stat: Stat) -> Seen:
    """What to remember of an entry on disk."""
    return Seen(stat.inode, stat.birth_ns, stat.ctime_ns, stat.mtime_ns)


def same_content(row: NodeRow, stat: Stat) -> bool:
    """Whether an entry on disk is, by its facts, still the content of the row.

    Any difference asks for a closer look; equal facts with other bytes are only possible where a disk keeps neither
    inode nor change time.
    """
    return (
        stat.size == row.size
        and stat.mtime_ns == row.disk_mtime_ns
        and stat.inode == row.inode
        and stat.ctime_ns == row.ctime_ns
    )
