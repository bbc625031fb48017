"""Logins of the netdrive calls: a second login of a user gets the session there is, and logging out counts.

The article lets all clients of a user share one session. Its text is derived from its row by a key of the server, so that it
can be told again although only its hash is stored (S50). A session is a device of its account: it ends with the last logout,
with the device, with a password change elsewhere, with the account, and after 30 days without use (S49).
"""

import hashlib
import hmac
import string
import threading

from homestow.server.ports.clock import Clock
from homestow.server.ports.sessions import Session
from homestow.server.ports.sessions import Sessions as Store
from homestow.server.rules.access import Principal
from homestow.server.service.accounts import Accounts
from homestow.server.service.sessions import Sessions
from homestow.values.errors import LoginNeeded

FRONT = "netdrive"
LENGTH = 32
"""Characters of a session: letters and digits (the article's length, its clients' alphabet)."""

IDLE_S = 30 * 24 * 3600
DEVICE = "netdrive"
_MOST = 1 << 40
_LETTERS = string.digits + string.ascii_letters
_TRUST_S = 0.5
_MOST_TRUSTED = 10_000


class NetdriveSessions:
    """Logging in and out. All methods may be called from any thread.

    Args:
        key: the server's secret; another one only means that sessions there are cannot be told again.
        idle_s: seconds a session lives without being used.
    """

    def __init__(self, store: Store, accounts: Accounts, clock: Clock, key: bytes, idle_s: int = IDLE_S) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._key = key
        self._idle_ns = idle_s * 1_000_000_000
        self._live = Sessions(store, accounts, clock, _MOST, idle_s, FRONT)
        self._lock = threading.Lock()
        self._trusted: dict[str, tuple[Principal, float]] = {}

    def sign_up(self, user: str, password: str, address: str) -> None:
        """A new account, not logged in.

        Raises:
            SignupClosed, NameTaken, BadName, WeakPassword, TooManyTries: as `Accounts.sign_up`.
        """
        self._accounts.log_out(self._accounts.sign_up(user, password, DEVICE, address).principal)

    def log_in(self, user: str, password: str, address: str) -> str:
        """The user's session: the one that lives, else a new one.

        Raises:
            LoginFailed, TooManyTries, Busy: as `Accounts.log_in`, with the same counters (S43).
        """
        account = self._accounts.prove(user, password, address)
        with self._lock:
            self._live.flush()
            now = self._clock.now_ns()
            there = self._store.join(account, FRONT, now)
            if there is not None:
                text = self._text(there)
                if hmac.compare_digest(_hash(text), there.token):
                    return text
                self._store.remove(there.token)  # another key made it
            who = self._accounts.enter(account, DEVICE).principal
            made = Session(b"", who.account, who.device, FRONT, now, now, self._idle_ns)
            text = self._text(made)
            self._store.add(Session(_hash(text), who.account, who.device, FRONT, now, now, self._idle_ns), _MOST, now)
            return text

    def check(self, session: str) -> Principal:
        """Whom a session stands for; using it puts its end off.

        Raises:
            LoginNeeded: there is none (any more).
        """
        if len(session) != LENGTH:
            raise LoginNeeded("Log in first.")
        try:
            who = self._live.check(session)
        except LoginNeeded:
            self._trusted.pop(session, None)
            raise
        if len(self._trusted) >= _MOST_TRUSTED:
            self._trusted.clear()
        self._trusted[session] = who, self._clock.monotonic() + _TRUST_S
        return who

    def known(self, session: str) -> Principal | None:
        """The same without any input or output, half a second long after `check`; None: ask `check`."""
        found = self._trusted.get(session)
        return None if found is None or self._clock.monotonic() >= found[1] else found[0]

    def change_password(self, session: str, old: str, new: str, address: str) -> None:
        """Set the own password: this session stays, every other login of the user ends.

        Raises:
            LoginNeeded: there is no such session.
            WeakPassword, LoginFailed, TooManyTries, Busy: as `Accounts.change_password`.
        """
        self._accounts.change_password(self.check(session), old, new, address)

    def log_out(self, session: str) -> bool:
        """Take one login back; whether that was the last one, which ends the session. None is no error."""
        if len(session) != LENGTH:
            return False
        self._trusted.pop(session, None)
        self._live.flush()
        return self._store.leave(_hash(session), FRONT)

    def flush(self) -> None:
        """Write down when sessions were last used; also before the server stops."""
        self._live.flush()

    def _text(self, session: Session) -> str:
        said = f"netdrive {session.device} {session.created_ns}".encode()
        number = int.from_bytes(hmac.digest(self._key, said, hashlib.sha256), "big")
        letters = []
        for _ in range(LENGTH):
            number, at = divmod(number, len(_LETTERS))
            letters.append(_LETTERS[at])
        return "".join(letters)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
