"""What the Ditto services keep, as rows of SQLite."""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import astuple, fields, replace
from typing import Any, Final

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.accounts import Account
from homestow.server.ports.ditto import Announced, Block, Client, Event, EventKind, Login, Stage
from homestow.values.errors import NameTaken
from homestow.values.ids import AccountId, DeviceId, NodeId


def _names(of: type[Any], before: str = "") -> str:
    return ", ".join(before + field.name for field in fields(of))


def _sql(*parts: str) -> str:
    return " ".join(parts)


def _insert(table: str, of: type[Any]) -> str:
    return _sql("INSERT INTO", table, "(", _names(of), ") VALUES (", ", ".join("?" * len(fields(of))), ")")


_ADD_CLIENT: Final = _insert("clients", Client)
_CLIENTS: Final = _sql("SELECT", _names(Client), "FROM clients")
_CLIENT: Final = _sql(_CLIENTS, "WHERE id = ?")
_BY_NAME: Final = _sql(_CLIENTS, "ORDER BY name")
_ADD_LOGIN: Final = _insert("ditto_logins", Login)
_LOGIN: Final = _sql(
    "SELECT", _names(Login, "l."), ", a.id, a.name, a.admin, a.password, a.quota, a.created_ns FROM ditto_logins l",
    "JOIN clients c ON c.id = l.client JOIN devices d ON d.id = l.device AND d.account = l.account",
    "JOIN accounts a ON a.id = l.account WHERE l.id = ?",
)  # fmt: skip
_OVER: Final = (
    "SELECT id, device FROM ditto_logins WHERE client = ?1 AND (until_ns < ?2"
    " OR NOT EXISTS (SELECT 1 FROM devices WHERE devices.id = ditto_logins.device))"
)
_OTHERS: Final = "SELECT count(DISTINCT account) FROM ditto_logins WHERE client = ? AND account <> ?"
_RENEW: Final = (
    "UPDATE ditto_logins SET turn = turn + 1, refresh = ?3, until_ns = ?4 WHERE id = ?1 AND turn = ?2 RETURNING device"
)

_FILE: Final = _names(Announced)
_ANNOUNCE: Final = _insert("ditto_files", Announced)
_ANNOUNCED: Final = _sql("SELECT", _FILE, "FROM ditto_files WHERE uuid = ? AND account = ?")
_STAGE: Final = (
    "CASE WHEN written_ns IS NOT NULL THEN 4 WHEN uploaded_ns IS NOT NULL THEN 3"
    " WHEN EXISTS (SELECT 1 FROM ditto_blocks WHERE file = ditto_files.number) THEN 2 ELSE 1 END"
)
_PAGE: Final = _sql(
    "SELECT", _FILE, ",", _STAGE, "AS stage FROM ditto_files WHERE account = ?1 AND number > ?2",
    "AND (?4 = 0 OR stage = ?4) ORDER BY number LIMIT ?3",
)  # fmt: skip
_STAGE_OF: Final = _sql("SELECT", _STAGE, "FROM ditto_files WHERE number = ?")
_OF_NODES: Final = "SELECT node, uuid FROM ditto_files WHERE node IN (SELECT value FROM json_each(?))"
_SAVE_BLOCK: Final = "INSERT OR REPLACE INTO ditto_blocks (file, no, size, offset, md5) VALUES (?, ?, ?, ?, ?)"
_BLOCKS: Final = "SELECT no, size, offset, md5 FROM ditto_blocks WHERE file = ? AND no >= ? ORDER BY no LIMIT ?"

_ADD_EVENT: Final = _insert("ditto_events", Event)
_EVENTS: Final = _sql(
    "SELECT", _names(Event), "FROM ditto_events WHERE account = ?1 AND number > ?2",
    "AND kind IN (SELECT value FROM json_each(?4)) ORDER BY number LIMIT ?3",
)  # fmt: skip
_MOVE_ON: Final = (
    "INSERT INTO ditto_watches (account, client, watch, number, used_ns) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (account, client, watch) DO UPDATE SET number = max(number, excluded.number), used_ns = excluded.used_ns"
)

_GONE_ACCOUNT: Final = "account NOT IN (SELECT id FROM accounts)"
_ORPHANS: Final = (
    _sql(
        "DELETE FROM ditto_files WHERE number IN (SELECT number FROM ditto_files f WHERE", _GONE_ACCOUNT,
        "OR (written_ns IS NULL AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.id = f.upload))",
        "OR (written_ns IS NOT NULL AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = f.node)) LIMIT :limit)",
    ),
    ("DELETE FROM ditto_blocks WHERE (file, no) IN (SELECT b.file, b.no FROM ditto_blocks b LEFT JOIN ditto_files f"
    " ON f.number = b.file LEFT JOIN uploads u ON u.id = f.upload WHERE f.number IS NULL OR u.id IS NULL LIMIT :limit)"),
    _sql(
        "DELETE FROM ditto_events WHERE number IN (SELECT number FROM ditto_events WHERE number <= :compacted OR",
        _GONE_ACCOUNT, "LIMIT :limit)",
    ),
    _sql(
        "DELETE FROM ditto_watches WHERE (account, client, watch) IN (SELECT account, client, watch FROM ditto_watches",
        "WHERE used_ns < :unused OR", _GONE_ACCOUNT, "OR client NOT IN (SELECT id FROM clients) LIMIT :limit)",
    ),
    ("DELETE FROM ditto_logins WHERE id IN (SELECT l.id FROM ditto_logins l LEFT JOIN devices d ON d.id = l.device"
    " WHERE d.id IS NULL LIMIT :limit)"),
)  # fmt: skip


class SqlDitto(SqlStore):
    """`ports.ditto.DittoRows` over one database."""

    # --- clients and logins -------------------------------------------------------------------------------------------

    def add_client(self, client: Client) -> None:
        """A new client."""
        with self._writing() as run:
            if run.execute("SELECT 1 FROM clients WHERE name = ?", (client.name,)).fetchone() is not None:
                raise NameTaken(f"There is a client {client.name!r} already.")
            run.execute(_ADD_CLIENT, astuple(client))

    def client(self, client: str) -> Client | None:
        """One, by id."""
        rows = self._read(_CLIENT, (client,))
        return Client(*rows[0]) if rows else None

    def clients(self) -> list[Client]:
        """All, by name."""
        return [Client(*row) for row in self._read(_BY_NAME, ())]

    def remove_client(self, client: str) -> bool:
        """Forget one with all its logins and their devices."""
        with self._writing() as run:
            run.execute("DELETE FROM devices WHERE id IN (SELECT device FROM ditto_logins WHERE client = ?)", (client,))
            run.execute("DELETE FROM ditto_logins WHERE client = ?", (client,))
            run.execute("DELETE FROM ditto_watches WHERE client = ?", (client,))
            return run.execute("DELETE FROM clients WHERE id = ?", (client,)).rowcount > 0

    def add_login(self, login: Login, max_users: int, now_ns: int) -> bool:
        """Store a new one, unless there are too many."""
        with self._writing() as run:
            _end(run, run.execute(_OVER, (login.client, now_ns)).fetchall())
            if max_users and run.execute(_OTHERS, (login.client, login.account)).fetchone()[0] >= max_users:
                return False
            run.execute(_ADD_LOGIN, astuple(login))
            return True

    def login(self, login: str) -> tuple[Login, Account] | None:
        """One with its account."""
        rows = self._read(_LOGIN, (login,))
        if not rows:
            return None
        count = len(fields(Login))
        found, account = Login(*rows[0][:count]), rows[0][count:]
        number, name, admin, password, quota, created_ns = account
        found = replace(found, account=AccountId(found.account), device=DeviceId(found.device))
        return found, Account(AccountId(number), name, bool(admin), password, quota, created_ns)

    def renew_login(self, login: str, turn: int, refresh: bytes, until_ns: int, now_ns: int) -> bool:
        """The next turn of a login."""
        with self._writing() as run:
            row = run.execute(_RENEW, (login, turn, refresh, until_ns)).fetchone()
            if row is not None:
                run.execute("UPDATE devices SET seen_ns = max(seen_ns, ?) WHERE id = ?", (now_ns, row[0]))
            return row is not None

    def end_login(self, login: str) -> None:
        """End one, with its device."""
        with self._writing() as run:
            _end(run, run.execute("SELECT id, device FROM ditto_logins WHERE id = ?", (login,)).fetchall())

    # --- files and blocks ---------------------------------------------------------------------------------------------

    def announce(self, file: Announced) -> Announced:
        """A new file; with its number."""
        with self._writing() as run:
            number = run.execute(_ANNOUNCE, (None, *astuple(file)[1:])).lastrowid
        assert number is not None
        return replace(file, number=number)

    def announced(self, uuid: bytes, account: AccountId) -> Announced | None:
        """One of an account's."""
        rows = self._read(_ANNOUNCED, (uuid, account))
        return Announced(*rows[0]) if rows else None

    def announced_page(
        self, account: AccountId, after: int, limit: int, stage: Stage | None
    ) -> list[tuple[Announced, Stage]]:
        """An account's files after a number."""
        rows = self._read(_PAGE, (account, after, limit, 0 if stage is None else int(stage)))
        return [(Announced(*row[:-1]), Stage(row[-1])) for row in rows]

    def stage(self, file: Announced) -> Stage:
        """How far it is."""
        rows = self._read(_STAGE_OF, (file.number,))
        return Stage(rows[0][0]) if rows else Stage.CREATED

    def of_nodes(self, nodes: Collection[NodeId]) -> dict[NodeId, bytes]:
        """The uuids of those nodes that were announced here."""
        rows = self._read(_OF_NODES, (json.dumps(list(nodes)),))
        return {NodeId(node): bytes(uuid) for node, uuid in rows}

    def forget(self, number: int) -> None:
        """Forget a file with its blocks."""
        with self._writing() as run:
            run.execute("DELETE FROM ditto_files WHERE number = ?", (number,))
            run.execute("DELETE FROM ditto_blocks WHERE file = ?", (number,))

    def set_regular(self, number: int, regular: int) -> None:
        """How large its blocks are."""
        with self._writing(relaxed=True) as run:
            run.execute("UPDATE ditto_files SET regular = ? WHERE number = ?", (regular, number))

    def set_uploaded(self, number: int, at_ns: int | None) -> None:
        """All bytes are there, or not the right ones."""
        with self._writing(relaxed=True) as run:
            run.execute("UPDATE ditto_files SET uploaded_ns = ? WHERE number = ?", (at_ns, number))

    def set_written(self, number: int, node: NodeId, at_ns: int) -> None:
        """It became a file."""
        with self._writing() as run:
            run.execute("UPDATE ditto_files SET node = ?, written_ns = ? WHERE number = ?", (node, at_ns, number))

    def save_block(self, number: int, block: Block) -> None:
        """A block arrived, or lies elsewhere now."""
        with self._writing(relaxed=True) as run:
            run.execute(_SAVE_BLOCK, (number, block.no, block.size, block.offset, block.md5))

    def blocks(self, number: int, first: int = 0, limit: int | None = None) -> list[Block]:
        """Blocks from a number on."""
        return [Block(*row) for row in self._read(_BLOCKS, (number, first, -1 if limit is None else limit))]

    # --- events -------------------------------------------------------------------------------------------------------

    def add_event(self, event: Event) -> None:
        """Store one."""
        with self._writing(relaxed=True) as run:
            run.execute(_ADD_EVENT, astuple(event))

    def events(self, account: AccountId, after: int, limit: int, kinds: Collection[EventKind]) -> list[Event]:
        """Events of an account after a journal number."""
        rows = self._read(_EVENTS, (account, after, limit, json.dumps([int(kind) for kind in kinds])))
        return [replace(event, kind=EventKind(event.kind)) for event in (Event(*row) for row in rows)]

    def position(self, account: AccountId, client: str, watch: str) -> int | None:
        """Up to which number a watch was told everything."""
        rows = self._read(
            "SELECT number FROM ditto_watches WHERE account = ? AND client = ? AND watch = ?", (account, client, watch)
        )
        return rows[0][0] if rows else None

    def set_positions(self, positions: Collection[tuple[AccountId, str, str, int]], at_ns: int) -> None:
        """Remember them; never backwards."""
        with self._writing(relaxed=True) as run:
            run.executemany(_MOVE_ON, [(*position, at_ns) for position in positions])

    def drop_orphans(self, compacted: int, unused_since_ns: int, limit: int) -> int:
        """Remove rows that mean nothing any more."""
        dropped = 0
        values = {"limit": limit, "compacted": compacted, "unused": unused_since_ns}
        with self._writing(relaxed=True) as run:
            for statement in _ORPHANS:
                dropped += run.execute(statement, values).rowcount
        return dropped


def _end(run: sqlite3.Connection, rows: list[tuple[str, int]]) -> None:
    run.executemany("DELETE FROM ditto_logins WHERE id = ?", [(login,) for login, _ in rows])
    run.executemany("DELETE FROM devices WHERE id = ?", [(device,) for _, device in rows])
