"""Reading nodes, versions, usage, uploads and the journal."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from homestow.server.adapters.catalogue_sql import statements as sql
from homestow.server.adapters.catalogue_sql.database import translated
from homestow.server.adapters.catalogue_sql.paths import FolderCache, find_folder
from homestow.server.ports.catalogue import (
    Answer,
    Folder,
    Intent,
    Lies,
    NodeRow,
    ShownRow,
    UploadRow,
    Usage,
    VersionRow,
)
from homestow.values.changes import ChangeKind, JournalEntry
from homestow.values.errors import StorageFailed
from homestow.values.ids import AccountId, DeviceId, Epoch, NodeId, RootId, UploadId

_NEWEST = 1 << 62
_NO_USE = Usage(0, 0, 0, 0, 0)


class Reads:
    """Everything that only reads; the connection comes from below (a thread's own, or the transaction's)."""

    def _connection(self) -> sqlite3.Connection:
        raise StorageFailed("No connection.")

    def _folders(self) -> FolderCache:
        raise StorageFailed("No connection.")

    def _all(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._connection().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error

    def _one(self, statement: str, values: Sequence[object]) -> Any:
        try:
            return self._connection().execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise translated(error) from error

    def _node(self, statement: str, values: Sequence[object]) -> NodeRow | None:
        row = self._one(statement, values)
        return None if row is None else NodeRow._make(row)

    def _nodes(self, statement: str, values: Sequence[object]) -> list[NodeRow]:
        return list(map(NodeRow._make, self._all(statement, values)))

    # --- nodes ---

    def node(self, node: NodeId) -> NodeRow | None:
        """See the port; so for all methods here."""
        return self._node(sql.NODE, (node,))

    def nodes(self, ids: Collection[NodeId]) -> dict[NodeId, NodeRow]:
        """Several by id."""
        return {row.id: row for row in self._nodes(sql.NODES, (json.dumps(list(ids)),))}

    def top(self, root: RootId) -> NodeRow | None:
        """A root's top folder."""
        return self._node(sql.TOP, (root,))

    def child(self, parent: NodeId, name: str) -> NodeRow | None:
        """The node at a place."""
        return self._node(sql.CHILD, (parent, name))

    def children_named(self, parent: NodeId, names: Collection[str]) -> dict[str, NodeRow]:
        """Those of a folder with these names."""
        return {row.name: row for row in self._nodes(sql.CHILDREN_NAMED, (parent, json.dumps(list(names))))}

    def children(self, parent: NodeId, after: str, limit: int) -> list[NodeRow]:
        """What stands in a folder, by name."""
        return self._nodes(sql.CHILDREN, (parent, after, limit))

    def folder(self, node: NodeId) -> Folder | None:
        """A folder with its paths."""
        try:
            return find_folder(self._connection(), self._folders(), node)
        except sqlite3.Error as error:
            raise translated(error) from error

    def lies(self, row: NodeRow) -> Lies:
        """Where a node's bytes lie."""
        if row.gone or row.parent is None:
            return Lies(row.kept, ())
        holder = self.folder(row.parent if row.loc_parent is None else row.loc_parent)
        if holder is None:
            raise StorageFailed(f"Node {row.id} lies in a folder that is not in the catalogue; run `homestow verify`.")
        return Lies(holder.kept, (*holder.location, row.name if row.loc_name is None else row.loc_name))

    def lying_at(self, folder: NodeId, disk_name: str) -> NodeRow | None:
        """The node at a disk name."""
        return self._node(sql.LIES_AS_SHOWN, (folder, disk_name)) or self._node(sql.LIES_AT, (folder, disk_name))

    def lying_in(self, folder: NodeId) -> list[NodeRow]:
        """All nodes lying in a folder."""
        return self._nodes(sql.LYING_AS_SHOWN, (folder,)) + self._nodes(sql.LYING_IN, (folder,))

    def shown_in(self, folder: NodeId) -> list[ShownRow]:
        """What the disk showed last of all nodes lying in a folder."""
        return self._all(sql.SHOWN_AS_NAMED, (folder,)) + self._all(sql.SHOWN_ELSEWHERE, (folder,))

    def lying_elsewhere(self, root: RootId) -> list[NodeRow]:
        """Live nodes whose location is not their place."""
        return [row for row in self._nodes(sql.LYING_ELSEWHERE, (root,)) if self._stands(row)]

    def by_inode(self, root: RootId, inode: int) -> list[NodeRow]:
        """Live nodes last seen with an inode."""
        return [row for row in self._nodes(sql.BY_INODE, (root, inode)) if self._stands(row)]

    def by_digest(self, digest: bytes, size: int) -> list[NodeRow]:
        """Live nodes with this content."""
        return [row for row in self._nodes(sql.BY_DIGEST, (digest, size)) if self._stands(row)]

    def tree(self, root: RootId, after: NodeId, limit: int) -> tuple[list[NodeRow], NodeId | None]:
        """A page of all live nodes."""
        rows = self._nodes(sql.TREE, (after, root, limit))
        return [row for row in rows if self._stands(row)], rows[-1].id if len(rows) == limit else None

    def subtree(self, under: NodeId, after: NodeId, limit: int) -> tuple[list[NodeRow], NodeId | None]:
        """A page of one folder and all below it."""
        rows = self._nodes(sql.SUBTREE, (under, after, limit))
        return rows, rows[-1].id if len(rows) == limit else None

    def inside(self, folder: NodeId) -> list[NodeRow]:
        """All below a folder, parents first."""
        found: list[NodeRow] = []
        level = [folder]
        while level:
            rows = [row for parent in level for row in self._nodes(sql.CHILDREN, (parent, "", -1))]
            found += rows
            level = [row.id for row in rows if row.kind == "folder"]
        return found

    def changed(self, root: RootId, after: int, limit: int) -> tuple[list[NodeRow], int, bool]:
        """The feed."""
        # Asked before the rows: what is committed in between is then told once more, never left out.
        last = self.last()
        rows = self._nodes(sql.CHANGED, (root, after, limit))
        more = len(rows) == limit
        if rows:
            last = rows[-1].change if more else max(last, rows[-1].change)
        # What came into a folder and was deleted with it is told as gone: a reader may know it at another place.
        told = [
            row if row.parent is None or self._stands_in(row.parent) else row._replace(gone=row.gone or row.change)
            for row in rows
        ]
        return told, max(last, after), more

    def trash(self, root: RootId, before: int, limit: int) -> list[NodeRow]:
        """Deleted and kept, newest first."""
        return self._nodes(sql.TRASH, (root, before or _NEWEST, limit))

    def trash_before(self, at_ns: int, limit: int) -> list[NodeRow]:
        """Deleted before a time."""
        return self._nodes(sql.TRASH_BEFORE, (at_ns, limit))

    def _stands(self, row: NodeRow) -> bool:
        return row.gone == 0 and (row.parent is None or self._stands_in(row.parent))

    def _stands_in(self, parent: NodeId) -> bool:
        folder = self.folder(parent)
        return folder is not None and folder.live

    # --- versions and room ---

    def versions(self, node: NodeId) -> list[VersionRow]:
        """Older contents, newest first."""
        return list(map(VersionRow._make, self._all(sql.VERSIONS, (node,))))

    def version(self, node: NodeId, rev: int) -> VersionRow | None:
        """One older content."""
        row = self._one(sql.VERSION, (node, rev))
        return None if row is None else VersionRow._make(row)

    def nodes_with_versions(self, after: NodeId, limit: int) -> list[NodeId]:
        """Files with older contents."""
        return [NodeId(node) for (node,) in self._all(sql.VERSIONED, (after, limit))]

    def kept_keys(self, root: RootId) -> set[str]:
        """Keys that rows need."""
        return {key for (key,) in self._all(sql.KEPT_KEYS, (root,))}

    def usage(self, roots: Collection[RootId]) -> dict[RootId, Usage]:
        """Room taken."""
        found = {RootId(root): Usage(*rest) for root, *rest in self._all(sql.USAGE, (json.dumps(list(roots)),))}
        return {root: found.get(root, _NO_USE) for root in roots}

    # --- uploads, answers, intents ---

    def upload(self, upload: UploadId) -> UploadRow | None:
        """An upload by id."""
        row = self._one(sql.UPLOAD, (upload,))
        return None if row is None else _upload(row)

    def uploads_expired(self, now_ns: int, limit: int) -> list[UploadRow]:
        """Uploads past their time."""
        return list(map(_upload, self._all(sql.UPLOADS_EXPIRED, (now_ns, limit))))

    def uploads_of(self, root: RootId) -> set[UploadId]:
        """Uploads that need their staging file."""
        return {UploadId(upload) for (upload,) in self._all(sql.UPLOADS_OF, (root,))}

    def uploads_count(self, account: AccountId) -> int:
        """Unfinished uploads of an account."""
        return int(self._one(sql.UPLOADS_COUNT, (account,))[0])

    def answer(self, account: AccountId, key: str) -> Answer | None:
        """What was answered."""
        row = self._one(sql.ANSWER, (account, key))
        return None if row is None else Answer(*row)

    def intents(self) -> list[Intent]:
        """All intents."""
        return [Intent(*row) for row in self._all(sql.INTENTS, ())]

    # --- journal ---

    def epoch(self) -> Epoch:
        """Which life of the store this is."""
        return Epoch(self._one(sql.META, ("epoch",))[0])

    def last(self) -> int:
        """Newest entry."""
        return int(self._one(sql.COUNTER, ("journal",))[0])

    def compacted(self) -> int:
        """What is no longer kept."""
        return int(self._one(sql.META, ("compacted",))[0])

    def number_before(self, at_ns: int) -> int:
        """Last number before a time."""
        row = self._one(sql.FIRST_SINCE, (at_ns,))
        return self.last() if row is None else int(row[0]) - 1

    def entries(self, root: RootId, after: int, limit: int) -> list[JournalEntry]:
        """Entries after a number."""
        return [
            JournalEntry(
                number, RootId(root_id), NodeId(node), ChangeKind(kind), at_ns, AccountId(account), DeviceId(device)
            )
            for number, root_id, node, kind, at_ns, account, device in self._all(sql.ENTRIES, (root, after, limit))
        ]


def _upload(row: Sequence[Any]) -> UploadRow:
    upload = UploadRow._make(row)
    return upload._replace(received=_ranges(row[13]), durable=_ranges(row[14]))


def _ranges(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()
