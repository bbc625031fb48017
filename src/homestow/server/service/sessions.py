"""Logins of the isync calls: they end when nobody used them for a while, and there are only so many at once.

A session is a device of its account with a token of its own. The device's token is shown to nobody, so the session opens
the isync calls only; it ends with logout, removal of the device, a password change or removal of the account (S49).
"""

import hashlib
import logging
import secrets
import threading

from homestow.server.ports.clock import Clock
from homestow.server.ports.sessions import Session
from homestow.server.ports.sessions import Sessions as Store
from homestow.server.rules.access import Principal
from homestow.server.service.accounts import Accounts, LoggedIn
from homestow.values.errors import LoginNeeded

SECOND = 1_000_000_000
FRONT = "isync"
MOST = 100
IDLE_S = 3600
_FLUSH_NS = 60 * SECOND

log = logging.getLogger(__name__)


class Sessions:
    """Logins with sliding life. All methods may be called from any thread."""

    def __init__(
        self, store: Store, accounts: Accounts, clock: Clock, most: int = MOST, idle_s: int = IDLE_S, front: str = FRONT
    ) -> None:
        self._front = front
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._most = most
        self._idle_ns = idle_s * SECOND
        self._seen: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def log_in(self, user: str, password: str, device: str, address: str, old: str | None = None) -> LoggedIn:
        """A new session on a new device.

        Args:
            old: token of the session the client had; it ends (S27).

        Raises:
            LoginFailed, TooManyTries, Busy: as `Accounts.log_in`, with the same counters (S43).
        """
        entered = self._accounts.log_in(user, password, device, address)
        token = secrets.token_urlsafe(32)
        now = self._clock.now_ns()
        who = entered.principal
        self.flush()
        ended = self._store.add(
            Session(_hash(token), who.account, who.device, self._front, now, now, self._idle_ns), self._most, now
        )
        if ended:
            log.info("sessions ended for a new one", extra={"ended": ended})
        if old is not None:
            self.log_out(old)
        return LoggedIn(token, who)

    def check(self, token: str) -> Principal:
        """Whom a token stands for; using it puts its end off.

        Raises:
            LoginNeeded: no session has this token (any more).
        """
        hashed = _hash(token)
        found = self._store.find(hashed, self._front)
        if found is None:
            raise LoginNeeded("Log in first.")
        session, account = found
        now = self._clock.now_ns()
        seen = max(session.seen_ns, self._seen.get(hashed, 0))
        if now - seen > session.idle_ns:
            self._end(hashed)
            raise LoginNeeded("This login has ended; log in again.")
        with self._lock:
            self._seen[hashed] = now
        if now - session.seen_ns >= min(_FLUSH_NS, session.idle_ns // 4):
            self.flush()
        return Principal(account.id, account.name, session.device, account.admin)

    def known(self, token: str) -> Principal | None:
        """The same in a few microseconds, without writing anything; None when it takes `check` to answer."""
        hashed = _hash(token)
        found = self._store.find(hashed, self._front)
        if found is None:
            return None
        session, account = found
        now = self._clock.now_ns()
        if now - session.seen_ns >= min(_FLUSH_NS, session.idle_ns // 4):
            return None
        with self._lock:
            self._seen[hashed] = now
        return Principal(account.id, account.name, session.device, account.admin)

    def log_out(self, token: str) -> None:
        """End a session with its device; one that is no more is no error."""
        hashed = _hash(token)
        if self._store.find(hashed, self._front) is not None:
            self._end(hashed)

    def flush(self) -> None:
        """Write down when sessions were last used; also before the server stops."""
        with self._lock:
            seen, self._seen = self._seen, {}
        if seen:
            self._store.note_seen(list(seen.items()))

    def _end(self, hashed: bytes) -> None:
        with self._lock:
            self._seen.pop(hashed, None)
        self._store.remove(hashed)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
