"""What the netdrive calls keep, and MD5 of contents, as rows of SQLite."""

import json
from collections.abc import Collection, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.netdrive import Md5Row, Sent
from homestow.values.ids import AccountId, NodeId, RootId, UploadId


def _sql(*parts: str) -> str:
    return " ".join(parts)


_SENT: Final = ", ".join(field.name for field in fields(Sent))
_OF_SENT: Final = _sql("SELECT", _SENT, "FROM netdrive_uploads")
_ADD_SENT: Final = _sql(
    "INSERT OR REPLACE INTO netdrive_uploads (", _SENT, ") VALUES (", ", ".join("?" * len(fields(Sent))), ")"
)  # fmt: skip
_BY_VFILE: Final = _sql(_OF_SENT, "WHERE vfile = ? AND account = ?")
_BY_PLACE: Final = _sql(
    _OF_SENT, "WHERE account = ? AND folder = ? AND name = ? AND done IS NULL ORDER BY created_ns DESC, vfile DESC"
)  # fmt: skip
_ORPHANS: Final = tuple(
    _sql(*parts)
    for parts in (
        (
            "DELETE FROM netdrive_people WHERE account IN (SELECT account FROM netdrive_people",
            "WHERE account NOT IN (SELECT id FROM accounts) LIMIT ?)",
        ),
        (
            "DELETE FROM netdrive_binds WHERE (account, number) IN (SELECT account, number FROM netdrive_binds",
            "WHERE account NOT IN (SELECT id FROM accounts) LIMIT ?)",
        ),
        (
            "DELETE FROM netdrive_uploads WHERE vfile IN (SELECT s.vfile FROM netdrive_uploads s",
            "LEFT JOIN uploads u ON u.id = s.upload WHERE u.id IS NULL LIMIT ?)",
        ),
        (
            "DELETE FROM netdrive_paths WHERE (account, root, node) IN (SELECT p.account, p.root, p.node",
            "FROM netdrive_paths p LEFT JOIN accounts a ON a.id = p.account",
            "LEFT JOIN nodes n ON n.id = p.node AND n.root = p.root AND n.gone = 0",
            "LEFT JOIN netdrive_uploads s ON s.vfile = p.node",
            "WHERE a.id IS NULL OR (n.id IS NULL AND s.vfile IS NULL) LIMIT ?)",
        ),
        (
            "DELETE FROM netdrive_roots WHERE root IN (SELECT r.root FROM netdrive_roots r",
            "LEFT JOIN roots ON roots.id = r.root WHERE roots.id IS NULL OR roots.state = 'removed' LIMIT ?)",
        ),
    )
)

_MD5_OF_ROOT: Final = "SELECT n.id, m.md5 FROM nodes n INDEXED BY nodes_root JOIN md5s m ON m.node = n.id AND m.rev = n.rev WHERE n.root = ?"
_MISSING: Final = (
    "SELECT n.id FROM nodes n INDEXED BY nodes_root LEFT JOIN md5s m ON m.node = n.id AND m.rev = n.rev"
    " WHERE n.root = ? AND n.id > ? AND n.kind = 'file' AND n.gone = 0 AND m.node IS NULL ORDER BY n.id LIMIT ?"
)
_FOUND: Final = (
    "SELECT m.node, m.rev, m.md5, m.size FROM md5s m JOIN nodes n ON n.id = m.node"
    " WHERE m.md5 = ? AND n.gone = 0 AND n.root IN (SELECT value FROM json_each(?))"
)
_PRESENT: Final = _FOUND + " AND m.rev = n.rev LIMIT ?"
_OLDER: Final = _FOUND + " AND m.rev <> n.rev LIMIT ?"
_MD5_ORPHANS: Final = (
    "SELECT m.node, m.rev FROM md5s m LEFT JOIN nodes n ON n.id = m.node AND n.rev = m.rev"
    " LEFT JOIN versions v ON v.node = m.node AND v.rev = m.rev WHERE n.id IS NULL AND v.node IS NULL LIMIT ?"
)


class SqlNetdrive(SqlStore):
    """`ports.netdrive.NetdriveRows` over one database."""

    def bind(self, account: AccountId) -> int:
        """The number of the bind that counts now."""
        rows = self._read("SELECT bind FROM netdrive_people WHERE account = ?", (account,))
        return rows[0][0] if rows else 0

    def set_bind(self, account: AccountId, number: int) -> None:
        """Another one."""
        with self._writing() as run:
            run.execute("INSERT OR REPLACE INTO netdrive_people (account, bind) VALUES (?, ?)", (account, number))

    def numbers(self, account: AccountId) -> dict[int, RootId]:
        """Which root each number means."""
        rows = self._read("SELECT number, root FROM netdrive_binds WHERE account = ?", (account,))
        return {number: RootId(root) for number, root in rows}

    def give_numbers(self, account: AccountId, roots: Sequence[RootId]) -> dict[int, RootId]:
        """Give each root that has none the next number."""
        with self._writing() as run:
            for root in roots:
                run.execute(
                    "INSERT OR IGNORE INTO netdrive_binds (account, number, root) SELECT ?1,"
                    " (SELECT ifnull(max(number), 0) + 1 FROM netdrive_binds WHERE account = ?1), ?2",
                    (account, root),
                )
        return self.numbers(account)

    def spelled(self, account: AccountId, root: RootId) -> dict[NodeId, str]:
        """How an account last spelled paths and names."""
        rows = self._read("SELECT node, said FROM netdrive_paths WHERE account = ? AND root = ?", (account, root))
        return {NodeId(node): said for node, said in rows}

    def spell(self, account: AccountId, root: RootId, node: NodeId, said: str | None) -> None:
        """Remember a spelling."""
        with self._writing(relaxed=True) as run:
            if said is None:
                run.execute(
                    "DELETE FROM netdrive_paths WHERE account = ? AND root = ? AND node = ?", (account, root, node)
                )
            else:
                run.execute(
                    "INSERT OR REPLACE INTO netdrive_paths (account, root, node, said) VALUES (?, ?, ?, ?)",
                    (account, root, node, said),
                )

    def add_sent(self, sent: Sent) -> None:
        """A newly announced file."""
        with self._writing() as run:
            run.execute(_ADD_SENT, astuple(sent))

    def sent(self, vfile: NodeId, account: AccountId) -> Sent | None:
        """What an account announced under an id."""
        rows = self._read(_BY_VFILE, (vfile, account))
        return _sent(rows[0]) if rows else None

    def sent_to(self, account: AccountId, folder: NodeId, name: str) -> list[Sent]:
        """What an account announced for a place and has not completed."""
        return list(map(_sent, self._read(_BY_PLACE, (account, folder, name))))

    def sent_done(self, vfile: NodeId, node: NodeId) -> None:
        """It became a file."""
        with self._writing(relaxed=True) as run:
            run.execute("UPDATE netdrive_uploads SET done = ? WHERE vfile = ?", (node, vfile))

    def drop_sent(self, vfile: NodeId) -> None:
        """Forget it."""
        with self._writing(relaxed=True) as run:
            run.execute("DELETE FROM netdrive_uploads WHERE vfile = ?", (vfile,))

    def note_used(self, root: RootId, at_ns: int) -> None:
        """A client asked for the list of a root."""
        with self._writing(relaxed=True) as run:
            run.execute("INSERT OR REPLACE INTO netdrive_roots (root, used_ns) VALUES (?, ?)", (root, at_ns))

    def used(self) -> list[RootId]:
        """Roots of which clients asked for the list."""
        rows = self._read("SELECT root FROM netdrive_roots ORDER BY used_ns DESC, root", ())
        return [RootId(root) for (root,) in rows]

    def drop_orphans(self, limit: int) -> int:
        """Remove rows whose account, node or upload is no more."""
        with self._writing(relaxed=True) as run:
            return sum(run.execute(statement, (limit,)).rowcount for statement in _ORPHANS)


class SqlMd5s(SqlStore):
    """`ports.netdrive.Md5Rows` over one database."""

    def put(self, rows: Collection[Md5Row]) -> None:
        """Remember."""
        with self._writing(relaxed=True) as run:
            run.executemany("INSERT OR REPLACE INTO md5s (node, rev, md5, size) VALUES (?, ?, ?, ?)", map(tuple, rows))

    def md5(self, node: NodeId, rev: int) -> bytes | None:
        """Of one content."""
        rows = self._read("SELECT md5 FROM md5s WHERE node = ? AND rev = ?", (node, rev))
        return bytes(rows[0][0]) if rows else None

    def of_root(self, root: RootId) -> dict[NodeId, bytes]:
        """Of the present contents of the files of a root."""
        return {NodeId(node): md5 for node, md5 in self._read(_MD5_OF_ROOT, (root,))}

    def missing(self, root: RootId, after: NodeId, limit: int) -> list[NodeId]:
        """Files of a root whose present content has none yet."""
        return [NodeId(node) for (node,) in self._read(_MISSING, (root, after, limit))]

    def find(self, md5: bytes, roots: Collection[RootId], limit: int) -> list[Md5Row]:
        """Contents with this MD5."""
        among = json.dumps(list(roots))
        found = self._read(_PRESENT, (md5, among, limit))
        if len(found) < limit:
            found += self._read(_OLDER, (md5, among, limit - len(found)))
        return [Md5Row(NodeId(node), rev, bytes(known), size) for node, rev, known, size in found]

    def drop_orphans(self, limit: int) -> int:
        """Remove rows of contents that are no more."""
        found = self._read(_MD5_ORPHANS, (limit,))
        with self._writing(relaxed=True) as run:
            run.executemany("DELETE FROM md5s WHERE node = ? AND rev = ?", found)
        return len(found)


def _sent(row: Sequence[Any]) -> Sent:
    vfile, account, root, upload, md5, size, mtime_s, folder, name, path, done, created_ns = row
    return Sent(
        NodeId(vfile), AccountId(account), RootId(root), UploadId(upload), None if md5 is None else bytes(md5), size,
        mtime_s, NodeId(folder), name, path, None if done is None else NodeId(done), created_ns,
    )  # fmt: skip
