"""Links as rows of SQLite."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.shares import Share
from homestow.server.rules.access import Rights
from homestow.values.ids import AccountId, NodeId, RootId

_SHARE: Final = (
    "SELECT id, key, node, root, owner, kind, rights, password, created_ns, expires_ns, life_ns, used_ns, uses, label"
    " FROM shares"
)
_ADD: Final = (
    "INSERT INTO shares (key, node, root, owner, kind, rights, password, created_ns, expires_ns, life_ns, used_ns, uses,"
    " label) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DROP_DEAD: Final = "DELETE FROM shares WHERE (expires_ns <= ?1 OR used_ns + life_ns <= ?1)"
_DROP_LOST: Final = "DELETE FROM shares WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = shares.node AND (gone = 0 OR kept IS NOT NULL))"
_DROP_LONGEST_UNUSED: Final = (
    "DELETE FROM shares WHERE id IN (SELECT id FROM (SELECT id, used_ns, row_number() OVER"
    " (PARTITION BY owner ORDER BY id = ?2 DESC, used_ns DESC, id DESC) AS place FROM shares WHERE kind = ?1)"
    " WHERE id <> ?2 ORDER BY place DESC, used_ns, id LIMIT max(0,"
    " (SELECT count(*) FROM shares WHERE kind = ?1) - ?3))"
)


class SqlShares(SqlStore):
    """`ports.shares.Shares` over one database."""

    def add(self, share: Share, most: int | None, now_ns: int) -> Share:
        """Store a new link."""
        with self._writing() as run:
            done = run.execute(
                _ADD,
                (
                    share.key, share.node, share.root, share.owner, share.kind, int(share.rights), share.password,
                    share.created_ns, share.expires_ns, share.life_ns, share.used_ns, share.uses, share.label,
                ),
            )  # fmt: skip
            added = replace(share, id=done.lastrowid or 0)
            if most is not None:
                run.execute(_DROP_DEAD + " AND kind = ?2 AND id <> ?3", (now_ns, share.kind, added.id))
                run.execute(_DROP_LONGEST_UNUSED, (share.kind, added.id, most))
            return added

    def share(self, share: int) -> Share | None:
        """The link of an id."""
        return next(iter(self._find(_SHARE + " WHERE id = ?", (share,))), None)

    def by_key(self, key: bytes) -> Share | None:
        """The link of a key's hash."""
        return next(iter(self._find(_SHARE + " WHERE key = ?", (key,))), None)

    def of_owner(self, owner: AccountId) -> list[Share]:
        """All an account made."""
        return self._find(_SHARE + " WHERE owner = ? ORDER BY id DESC", (owner,))

    def of_root(self, root: RootId) -> list[Share]:
        """All into a root; by the node's root, which may be another than when the link was made."""
        where = (
            " WHERE coalesce((SELECT nodes.root FROM nodes WHERE nodes.id = shares.node), root) = ? ORDER BY id DESC"
        )
        return self._find(_SHARE + where, (root,))

    def of_node(self, node: NodeId) -> list[Share]:
        """All to a node."""
        return self._find(_SHARE + " WHERE node = ? ORDER BY id DESC", (node,))

    def note_used(self, uses: Collection[tuple[int, int, int]]) -> None:
        """Remember uses."""
        with self._writing(relaxed=True) as run:
            run.executemany(
                "UPDATE shares SET used_ns = max(used_ns, ?), uses = uses + ? WHERE id = ?",
                [(at_ns, count, share) for share, at_ns, count in uses],
            )

    def remove(self, ids: Collection[int]) -> None:
        """Remove links."""
        with self._writing() as run:
            run.executemany("DELETE FROM shares WHERE id = ?", [(share,) for share in ids])

    def remove_dead(self, now_ns: int) -> int:
        """Remove what can never be opened again."""
        with self._writing() as run:
            return run.execute(_DROP_DEAD, (now_ns,)).rowcount + run.execute(_DROP_LOST).rowcount

    def _find(self, statement: str, values: Sequence[object]) -> list[Share]:
        return [_share(row) for row in self._read(statement, values)]


def _share(row: Sequence[Any]) -> Share:
    (
        number, key, node, root, owner, kind, rights, password, created_ns, expires_ns, life_ns, used_ns, uses, label,
    ) = row  # fmt: skip
    return Share(
        id=number, key=bytes(key), node=NodeId(node), root=RootId(root), owner=AccountId(owner), kind=kind,
        rights=Rights(rights), password=password, created_ns=created_ns, expires_ns=expires_ns, life_ns=life_ns,
        used_ns=used_ns, uses=uses, label=label,
    )  # fmt: skip
