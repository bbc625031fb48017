"""What the isync calls keep about files, folders and people, as rows of SQLite; and folders without their files."""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.catalogue import NodeRow
from homestow.server.ports.extras import Extras, PartStatus, Person
from homestow.values.ids import AccountId, NodeId, RootId, UploadId


def _sql(*parts: str) -> str:
    return " ".join(parts)


_NAMES: Final = [field.name for field in fields(Extras)]
_ROW: Final = ", ".join(_NAMES)
_FROM: Final = _sql("SELECT", _ROW, "FROM extras")
# As the partial index `extras_waiting` has it: few rows, however many files there are.
_UNFINISHED: Final = "(upload IS NOT NULL OR thumb = 2 OR screen = 2)"
_BY_NODES: Final = _sql(_FROM, "WHERE node IN (SELECT value FROM json_each(?))")
_WAITING: Final = _sql(_FROM, "WHERE", _UNFINISHED, "AND uploader = ? ORDER BY node")
_IN_FOLDER: Final = _sql(_FROM, "WHERE", _UNFINISHED, "AND folder = ? ORDER BY node")
_COUNT_IN: Final = _sql(
    "SELECT folder, count(*) FROM extras WHERE", _UNFINISHED,
    "AND folder IN (SELECT value FROM json_each(?)) GROUP BY folder",
)  # fmt: skip
_PUT: Final = _sql(
    "INSERT OR REPLACE INTO extras (", _ROW, ", stamp) VALUES (", ", ".join("?" * len(_NAMES)), ", ?)"
)  # fmt: skip
_STAMP: Final = "UPDATE counters SET value = value + 1 WHERE name = 'facts' RETURNING value"
_PERSON: Final = "SELECT login_s, modified_s, help_int, help_text FROM people WHERE account = ?"
_ORPHANS: Final = (
    "SELECT e.node FROM extras e LEFT JOIN nodes n ON n.id = e.node LEFT JOIN uploads u ON u.id = e.upload"
    " WHERE n.id IS NULL AND u.id IS NULL LIMIT ?"
)
_NODE: Final = ", ".join(NodeRow._fields)
_IN_FOLDERS: Final = (
    "FROM nodes INDEXED BY nodes_folders WHERE parent IN (SELECT value FROM json_each(?)) AND kind = 'folder' AND gone = 0"
    " AND (name NOT LIKE '.%' OR EXISTS (SELECT 1 FROM extras WHERE extras.node = nodes.id))"
)
_FOLDERS: Final = _sql("SELECT", _NODE, _IN_FOLDERS, "ORDER BY id")
_COUNT_FOLDERS: Final = _sql("SELECT parent, count(*)", _IN_FOLDERS, "GROUP BY parent")


class SqlExtras(SqlStore):
    """`ports.extras.ExtrasRows` and `Folders` over one database."""

    def extras(self, nodes: Collection[NodeId]) -> dict[NodeId, Extras]:
        """Rows of nodes."""
        return {row.node: row for row in map(_extras, self._read(_BY_NODES, (json.dumps(list(nodes)),)))}

    def change(self, node: NodeId, root: RootId, change: Callable[[Extras], Extras]) -> Extras:
        """Change a node's row from what it is now."""
        with self._writing() as run:
            found = run.execute(_BY_NODES, (json.dumps([node]),)).fetchone()
            before = Extras(node=node, root=root) if found is None else _extras(found)
            after = change(before)
            if after != before or found is None:
                run.execute(_PUT, (*astuple(after), _next_stamp(run)))
            return after

    def drop(self, nodes: Collection[NodeId]) -> None:
        """Remove rows."""
        with self._writing() as run:
            _drop(run, nodes)

    def waiting(self, uploader: AccountId) -> list[Extras]:
        """Rows of files of which this account still has to send something."""
        return list(map(_extras, self._read(_WAITING, (uploader,))))

    def in_folder(self, folder: NodeId) -> list[Extras]:
        """Rows of files on their way into a folder."""
        return list(map(_extras, self._read(_IN_FOLDER, (folder,))))

    def unfinished_in(self, folders: Collection[NodeId]) -> dict[NodeId, int]:
        """How many files are on their way into each folder."""
        return {NodeId(folder): count for folder, count in self._read(_COUNT_IN, (json.dumps(list(folders)),))}

    def drop_orphans(self, limit: int) -> int:
        """Remove rows that have neither a node nor an upload."""
        found = [NodeId(node) for (node,) in self._read(_ORPHANS, (limit,))]
        with self._writing() as run:
            run.execute("DELETE FROM people WHERE account NOT IN (SELECT id FROM accounts)")
            _drop(run, found)
        return len(found)

    def person(self, account: AccountId) -> Person:
        """What is kept about an account."""
        return _person(account, self._read(_PERSON, (account,)))

    def change_person(self, account: AccountId, change: Callable[[Person], Person]) -> Person:
        """Change it from what it is now."""
        with self._writing() as run:
            before = _person(account, run.execute(_PERSON, (account,)).fetchall())
            person = change(before)
            run.execute(
                "INSERT OR REPLACE INTO people (account, login_s, modified_s, help_int, help_text) VALUES (?, ?, ?, ?, ?)",
                (account, person.login_s, person.modified_s, person.help_int, person.help_text),
            )
            return before

    def folders_in(self, parents: Collection[NodeId]) -> list[NodeRow]:
        """Live folders that stand directly in folders."""
        return list(map(NodeRow._make, self._read(_FOLDERS, (json.dumps(list(parents)),))))

    def count_folders_in(self, parents: Collection[NodeId]) -> dict[NodeId, int]:
        """How many folders stand directly in each."""
        return {NodeId(parent): count for parent, count in self._read(_COUNT_FOLDERS, (json.dumps(list(parents)),))}


def _extras(row: Sequence[Any]) -> Extras:
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    values["thumb"], values["screen"] = PartStatus(values["thumb"]), PartStatus(values["screen"])
    if values["upload"] is not None:
        values["upload"] = UploadId(values["upload"])
    return Extras(**values)


def _person(account: AccountId, rows: Sequence[Sequence[Any]]) -> Person:
    if not rows:
        return Person(account=account)
    login_s, modified_s, help_int, help_text = rows[0]
    return Person(account=account, login_s=login_s, modified_s=modified_s, help_int=help_int, help_text=help_text)


def _next_stamp(run: sqlite3.Connection) -> int:
    return int(run.execute(_STAMP).fetchone()[0])


def _drop(run: sqlite3.Connection, nodes: Collection[NodeId]) -> None:
    run.executemany("DELETE FROM extras WHERE node = ?", [(node,) for node in nodes])
