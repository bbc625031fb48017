"""What the listing is derived from, read from the catalogue's database: nodes with their facts and extras, by number or stamp.

What begins with a dot is not listed, nor anything below it, as scans of the isync article leave it out; unless it has extras, so
that what a client sent or made is shown to it whatever it is called.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from homestow.server.adapters.catalogue_sql.database import Database, translated
from homestow.server.ports.listing import Derived, FolderFact, KindOf, Listed, ReadTo
from homestow.server.rules.listed import created_s
from homestow.values.ids import AccountId, NodeId, RootId

_FOUND = """
SELECT n.change, n.id, n.root, n.parent, n.kind, n.gone, n.name, n.size, n.birth_ns, n.mtime_ns, n.ctime_ns,
    m.kind, m.duration_s, m.width, m.height, m.taken_ns,
    e.created_s, e.uploaded_s, e.size, e.kind, e.duration_s, e.width, e.height, e.uploader,
    e.upload IS NOT NULL OR e.thumb = 2 OR e.screen = 2,
    n.parent IS NOT NULL AND n.name LIKE '.%' AND e.node IS NULL
FROM nodes n {index} LEFT JOIN media m ON m.node = n.id AND m.rev = n.rev LEFT JOIN extras e ON e.node = n.id
"""
_BY_CHANGE = "WHERE n.root = ? AND n.change > ? AND n.change <= ? ORDER BY n.change LIMIT ?"
_CHANGED = _FOUND.format(index="INDEXED BY nodes_change") + _BY_CHANGE
_BY_IDS = "WHERE n.id IN (SELECT value FROM json_each(?))"
_OF_IDS = _FOUND.format(index="") + _BY_IDS
_STAMPED = (
    "SELECT stamp, node FROM (SELECT * FROM (SELECT stamp, node FROM media WHERE stamp > ?1 AND stamp <= ?2"
    " ORDER BY stamp LIMIT ?3) UNION ALL SELECT * FROM (SELECT stamp, node FROM extras WHERE stamp > ?1 AND stamp <= ?2"
    " ORDER BY stamp LIMIT ?3)) ORDER BY stamp LIMIT ?3"
)
_NOW = (
    "SELECT (SELECT value FROM meta WHERE name = 'epoch'), (SELECT value FROM counters WHERE name = 'journal'),"
    " (SELECT value FROM counters WHERE name = 'facts')"
)
_ROOTS = (
    "WITH RECURSIVE found(root) AS (SELECT min(root) FROM nodes UNION ALL"
    " SELECT (SELECT min(nodes.root) FROM nodes WHERE nodes.root > found.root) FROM found WHERE found.root IS NOT NULL)"
    " SELECT root FROM found WHERE root IS NOT NULL"
)


class SqlListingSource:
    """`ports.listing.ListingSource` over the catalogue's database.

    Args:
        kind_of: the kind of a file of which no facts are known.
    """

    def __init__(self, database: Database, kind_of: KindOf) -> None:
        self._database = database
        self._kind_of = kind_of

    def now(self) -> ReadTo:
        """How far the catalogue is."""
        epoch, number, stamp = self._all(_NOW, ())[0]
        return ReadTo(epoch, int(number), int(stamp))

    def compacted(self) -> int:
        """What is no longer kept."""
        return int(self._all("SELECT value FROM meta WHERE name = 'compacted'", ())[0][0])

    def roots(self) -> list[RootId]:
        """Roots with nodes."""
        return [RootId(root) for (root,) in self._all(_ROOTS, ())]

    def changed(self, root: RootId, after: int, through: int, limit: int) -> Derived:
        """By number."""
        rows = self._all(_CHANGED, (root, after, through, limit))
        return self._derived(rows, rows[-1][0] if len(rows) == limit else None)

    def refreshed(self, after: int, through: int, limit: int) -> Derived:
        """By stamp."""
        stamped = self._all(_STAMPED, (after, through, limit))
        ids = "[" + ",".join(str(node) for _, node in stamped) + "]"
        return self._derived(self._all(_OF_IDS, (ids,)), stamped[-1][0] if len(stamped) == limit else None)

    def _derived(self, rows: Iterable[Sequence[Any]], through: int | None) -> Derived:
        put: list[Listed] = []
        drop: list[NodeId] = []
        folders: list[FolderFact] = []
        kind_of = self._kind_of
        for (
            _, node, root, parent, node_kind, gone, name, size, birth_ns, mtime_ns, ctime_ns,
            kind, duration, width, height, taken_ns,
            given_created, uploaded, given_size, given_kind, given_duration, given_width, given_height, uploader, hidden,
            dotted,
        ) in rows:  # fmt: skip
            if node_kind == "folder":
                folders.append(FolderFact(node, root, parent, gone != 0 or dotted != 0))
            elif gone or dotted or parent is None:
                drop.append(node)
            else:
                put.append(
                    Listed(
                        node, parent,
                        given_kind if given_kind is not None else kind if kind is not None else kind_of(name),
                        None if uploader is None else AccountId(uploader),
                        created_s(given_created, taken_ns, birth_ns, mtime_ns, ctime_ns),
                        uploaded,
                        size if given_size is None else given_size,
                        duration if given_duration is None else given_duration,
                        width if given_width is None else given_width,
                        height if given_height is None else given_height,
                        bool(hidden),
                    )
                )  # fmt: skip
        return Derived(put, drop, folders, through)

    def _all(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._database.reader().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
