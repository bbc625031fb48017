"""Logins of PiCloud's clients: one belongs to the address it came from for a while, and to its connection as long as that lives.

Old clients open a connection for each message, log in on one and upload on the next, so the latest login of an address counts
for connections that did not log in themselves. Several people may sit behind one address: who logged in on a connection stays
himself there, whatever others do. Each login is a device of its account and ends with it (S49).
"""

import hashlib
import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.clock import Clock
from homestow.server.ports.sessions import Session, Sessions
from homestow.server.rules.access import Principal
from homestow.server.service.accounts import Accounts, LoggedIn
from homestow.server.service.roots import Roots
from homestow.values.errors import Busy, CloudError, LoginFailed, LoginNeeded, TooManyTries
from homestow.values.ids import DeviceId

SECOND = 1_000_000_000
FRONT = "picloud"
MOST = 1000
"""So many addresses are logged in at once; whoever has the most of them loses one then (S109)."""
LOGIN_S = 900
_FLUSH_NS = 60 * SECOND

log = logging.getLogger(__name__)


class Entry(Enum):
    """What became of a user's file (`<name>.id`)."""

    REGISTERED = "registered"
    NOT_REGISTERED = "not registered"
    LOGGED_IN = "logged in"
    WRONG = "wrong name or password"
    REFUSED = "refused without a look"


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who is logged in.

    Attributes:
        key: of the row of the address it came from.
        token: of the device; None for who did not log in on this connection, and counts as long as the row does.
    """

    principal: Principal
    key: bytes = field(repr=False)
    token: str | None = field(default=None, repr=False)


class Logins:
    """Logins with sliding life. All methods may be called from any thread.

    Args:
        idle_s: an address nobody comes from for so long is logged out.
        current_user: whoever is not logged in counts as the one who logged in last, from wherever: as the first servers of
            this protocol did. It shows files to the wrong person where more than one uses the server.
    """

    def __init__(
        self, store: Sessions, accounts: Accounts, rows: AccountRows, roots: Roots, clock: Clock, *,
        idle_s: int = LOGIN_S, current_user: bool = False, most: int = MOST,
    ) -> None:  # fmt: skip
        self._store = store
        self._accounts = accounts
        self._rows = rows
        self._roots = roots
        self._clock = clock
        self._idle_ns = idle_s * SECOND
        self._most = most
        self._current_user = current_user
        self._last: Login | None = None
        self._seen: dict[tuple[bytes, DeviceId], int] = {}
        self._held: Counter[DeviceId] = Counter()
        self._lock = threading.Lock()
        self._entering = threading.RLock()

    # --- coming in ----------------------------------------------------------------------------------------------------

    def enter(self, user: str, password: str, address: str) -> tuple[Entry, Login | None]:
        """What a user's file asks for: an account where sign-up is open and nobody has the name, else a login.

        The login is held: give it back by `let_go`. A name that nobody has costs what a wrong password costs while sign-up is
        closed (S45). Tries are counted with those of all fronts (S43).
        """
        device = f"PiCloud at {address}"
        if self._accounts.signup_open and not self._has(user):
            try:
                entered = self._accounts.sign_up(user, password, device, address)
            except CloudError as error:
                log.info("registration refused", extra={"reason": error.code, "address": address})
                return Entry.NOT_REGISTERED, None
            self._make_root(entered.principal)
            return Entry.REGISTERED, self._remember(entered, address)
        try:
            entered = self._accounts.log_in(user, password, device, address)
        except LoginFailed:
            return Entry.WRONG, None
        except (TooManyTries, Busy) as error:
            log.info("login not looked at", extra={"reason": error.code, "address": address})
            return Entry.REFUSED, None
        return Entry.LOGGED_IN, self._remember(entered, address)

    def _has(self, user: str) -> bool:
        try:
            self._accounts.named(user)
        except CloudError:
            return False
        return True

    def _make_root(self, who: Principal) -> None:
        """The own root at once; where that fails, it is made when it is needed first."""
        account = self._rows.account(who.account)
        if account is None:
            return
        try:
            self._roots.own(account)
        except CloudError as error:
            log.warning("an own root cannot be made", extra={"user": who.name, "reason": error.message})

    def _remember(self, entered: LoggedIn, address: str) -> Login:
        """The row of the address; its login of before ends, unless a connection still holds it."""
        who, key = entered.principal, _key(address)
        made = Login(who, key, entered.token)
        with self._lock:
            self._held[who.device] += 1
        with self._entering:
            self.flush()
            before = self._find(key)
            now = self._clock.now_ns()
            self._store.add(Session(key, who.account, who.device, FRONT, now, now, self._idle_ns), self._most, now)
            self._last = made
        if before is not None and not self._is_held(before.principal.device):
            self._accounts.log_out(before.principal)
        return made

    # --- who is it ----------------------------------------------------------------------------------------------------

    def of(self, address: str) -> Login | None:
        """Who counts for a connection from this address on which nobody has logged in."""
        key = _key(address)
        found = self._find(key)
        if found is not None:
            self._use(found)
            return found
        if not self._current_user or self._last is None:
            return None
        principal = self.check(self._last)
        return None if principal is None else self._last

    def check(self, login: Login) -> Principal | None:
        """Whom a login still stands for; None when it has ended. Using it puts its end off."""
        if login.token is not None:
            try:
                self._accounts.check(login.token)
            except LoginNeeded:
                return None
        else:
            found = self._find(login.key)
            if found is None or found.principal.device != login.principal.device:
                return None
        self._use(login)
        return login.principal

    def touch(self, login: Login) -> None:
        """Something of a long message has come; no I/O."""
        with self._lock:
            self._seen[login.key, login.principal.device] = self._clock.now_ns()

    def let_go(self, login: Login) -> None:
        """The connection that logged in is over; where the address counts as somebody else by now, so is the login."""
        with self._lock:
            self._held[login.principal.device] -= 1
            if self._held[login.principal.device] <= 0:
                del self._held[login.principal.device]
        found = self._find(login.key)
        if found is None or found.principal.device != login.principal.device:
            self._accounts.log_out(login.principal)

    def flush(self) -> None:
        """Write down when logins were last used; also before the server stops."""
        with self._lock:
            seen, self._seen = self._seen, {}
        rows = []
        for (key, device), at_ns in seen.items():
            found = self._store.find(key, FRONT)
            if found is not None and found[0].device == device:
                rows.append((key, at_ns))
        if rows:
            self._store.note_seen(rows)

    def _find(self, key: bytes) -> Login | None:
        found = self._store.find(key, FRONT)
        if found is None:
            return None
        session, account = found
        seen = max(session.seen_ns, self._seen.get((key, session.device), 0))
        if self._clock.now_ns() - seen > session.idle_ns:
            self._end(key, session.device)
            return None
        return Login(Principal(account.id, account.name, session.device, account.admin), key)

    def _end(self, key: bytes, device: DeviceId) -> None:
        """Remove a row that outlived its time, unless somebody logged in there meanwhile or a connection holds its login."""
        with self._entering:
            found = self._store.find(key, FRONT)
            if found is not None and found[0].device == device and not self._is_held(device):
                self._store.remove(key)

    def _use(self, login: Login) -> None:
        self.touch(login)
        found = self._store.find(login.key, FRONT)
        if found is not None and self._clock.now_ns() - found[0].seen_ns >= min(_FLUSH_NS, found[0].idle_ns // 4):
            self.flush()

    def _is_held(self, device: DeviceId) -> bool:
        with self._lock:
            return self._held[device] > 0


def _key(address: str) -> bytes:
    return hashlib.sha256(f"picloud {address}".encode(errors="surrogatepass")).digest()
