"""Sessions as rows of SQLite."""

import sqlite3
from collections.abc import Collection
from typing import Final

from homestow.server.adapters.catalogue_sql.store import SqlStore
from homestow.server.ports.accounts import Account
from homestow.server.ports.sessions import Session
from homestow.values.ids import AccountId, DeviceId

_FIND: Final = (
    "SELECT s.token, s.account, s.device, s.front, s.created_ns, s.seen_ns, s.idle_ns,"
    " a.id, a.name, a.admin, a.password, a.quota, a.created_ns"
    " FROM sessions s JOIN devices d ON d.id = s.device AND d.account = s.account JOIN accounts a ON a.id = s.account"
    " WHERE s.token = ? AND s.front = ?"
)
_ENDED: Final = (
    "SELECT token, device FROM sessions WHERE front = ?1 AND (seen_ns + idle_ns < ?2"
    " OR NOT EXISTS (SELECT 1 FROM devices WHERE devices.id = sessions.device))"
)
_LONGEST_UNUSED: Final = (
    "SELECT token, device FROM (SELECT token, device, seen_ns, created_ns, row_number() OVER"
    " (PARTITION BY account ORDER BY token = ?2 DESC, seen_ns DESC, created_ns DESC) AS place"
    " FROM sessions WHERE front = ?1) WHERE token <> ?2 ORDER BY place DESC, seen_ns, created_ns LIMIT max(0,"
    " (SELECT count(*) FROM sessions WHERE front = ?1) - ?3)"
)
"""Whoever has the most sessions loses one first, so that nobody ends those of others by logging in again and again (S109)."""

_JOIN: Final = (
    "UPDATE sessions SET logins = logins + 1, seen_ns = max(seen_ns, ?3) WHERE token ="
    " (SELECT s.token FROM sessions s JOIN devices d ON d.id = s.device AND d.account = s.account"
    " JOIN accounts a ON a.id = s.account AND a.password = ?4"
    " WHERE s.account = ?1 AND s.front = ?2 AND s.seen_ns + s.idle_ns >= ?3 ORDER BY s.created_ns LIMIT 1)"
    " RETURNING token, account, device, front, created_ns, seen_ns, idle_ns"
)
_LEAVE: Final = "UPDATE sessions SET logins = logins - 1 WHERE token = ? AND front = ? RETURNING logins, device"


class SqlSessions(SqlStore):
    """`ports.sessions.Sessions` over one database."""

    def add(self, session: Session, most: int, now_ns: int) -> int:
        """Store a new one."""
        with self._writing() as run:
            ended = _end(run, run.execute(_ENDED, (session.front, now_ns)).fetchall())
            run.execute(
                "INSERT OR REPLACE INTO sessions (token, account, device, front, created_ns, seen_ns, idle_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    session.token, session.account, session.device, session.front, session.created_ns, session.seen_ns,
                    session.idle_ns,
                ),
            )  # fmt: skip
            return ended + _end(run, run.execute(_LONGEST_UNUSED, (session.front, session.token, most)).fetchall())

    def find(self, token: bytes, front: str) -> tuple[Session, Account] | None:
        """The session of a token's hash with its account."""
        rows = self._read(_FIND, (token, front))
        if not rows:
            return None
        hashed, account, device, of, created_ns, seen_ns, idle_ns, *rest = rows[0]
        number, name, admin, password, quota, made_ns = rest
        return (
            Session(bytes(hashed), AccountId(account), DeviceId(device), of, created_ns, seen_ns, idle_ns),
            Account(AccountId(number), name, bool(admin), password, quota, made_ns),
        )

    def join(self, account: Account, front: str, now_ns: int) -> Session | None:
        """Log in once more."""
        with self._writing() as run:
            row = run.execute(_JOIN, (account.id, front, now_ns, account.password)).fetchone()
        if row is None:
            return None
        token, owner, device, of, created_ns, seen_ns, idle_ns = row
        return Session(bytes(token), AccountId(owner), DeviceId(device), of, created_ns, seen_ns, idle_ns)

    def leave(self, token: bytes, front: str) -> bool:
        """Take one login back."""
        with self._writing() as run:
            row = run.execute(_LEAVE, (token, front)).fetchone()
            if row is None or row[0] > 0:
                return False
            _end(run, [(token, row[1])])
            return True

    def note_seen(self, seen: Collection[tuple[bytes, int]]) -> None:
        """Remember when sessions were last used."""
        with self._writing(relaxed=True) as run:
            run.executemany(
                "UPDATE sessions SET seen_ns = max(seen_ns, ?) WHERE token = ?", [(at, token) for token, at in seen]
            )
            run.executemany(
                "UPDATE devices SET seen_ns = max(seen_ns, ?) WHERE id = (SELECT device FROM sessions WHERE token = ?)",
                [(at, token) for token, at in seen],
            )

    def remove(self, token: bytes) -> None:
        """End one, with its device."""
        with self._writing() as run:
            _end(run, run.execute("SELECT token, device FROM sessions WHERE token = ?", (token,)).fetchall())

    def count(self, front: str) -> int:
        """How many there are."""
        ((found,),) = self._read("SELECT count(*) FROM sessions WHERE front = ?", (front,))
        return int(found)


def _end(run: sqlite3.Connection, rows: list[tuple[bytes, int]]) -> int:
    run.executemany("DELETE FROM sessions WHERE token = ?", [(token,) for token, _ in rows])
    run.executemany("DELETE FROM devices WHERE id = ?", [(device,) for _, device in rows])
    return len(rows)
