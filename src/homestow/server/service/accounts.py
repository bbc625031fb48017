"""People and their devices: login, tokens, passwords, sign-up.

A login trades a password for a device with a token. The token is 256 random bits, shown once and stored as its SHA-256;
what it opens ends at once with logout, removal of the device, a password change or removal of the account (S49, S50).
"""

import hashlib
import hmac
import logging
import secrets
import threading
from dataclasses import dataclass, replace

from homestow.server.ports.accounts import Account, Device
from homestow.server.ports.accounts import Accounts as Store
from homestow.server.ports.clock import Clock
from homestow.server.rules.access import Principal
from homestow.server.rules.passwords import MAX_USER_NAME, check_password, check_user_name, device_name, encodable
from homestow.server.rules.throttle import account_key, address_key
from homestow.server.service.hashing import Hashing
from homestow.values.errors import LoginFailed, LoginNeeded, NotFound, SignupClosed, TooManyTries
from homestow.values.ids import AccountId, DeviceId
from homestow.values.words import counted

MAX_TOKEN = 256
MOST_DEVICES = 500
"""So many logins an account has at once; one more ends the one that was not used for longest (S109)."""
_MAX_CACHED = 10_000

log = logging.getLogger(__name__)

NO_PASSWORD = ""
"""Stored where an account has no password; nothing matches it."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A new login: the token in the clear, shown this once, and whom it stands for."""

    token: str
    principal: Principal

    def __repr__(self) -> str:
        return f"LoggedIn({self.principal!r})"


@dataclass(slots=True)
class _Known:
    """A token that was found good; `seen_ns` is written back by `flush_seen`."""

    principal: Principal
    seen_ns: int
    written_ns: int


class Accounts:
    """Use cases around accounts. All methods may be called from any thread."""

    def __init__(self, store: Store, clock: Clock, hashing: Hashing, signup_open: bool = False) -> None:
        self.signup_open = signup_open
        self._store = store
        self._clock = clock
        self._hashing = hashing
        self._known: dict[bytes, _Known] = {}
        self._lock = threading.Lock()
        self._revocations = 0

    # --- tokens ---------------------------------------------------------------------------------------------------

    def check(self, token: str) -> Principal:
        """Whom a token stands for; a few microseconds when it was used before.

        Raises:
            LoginNeeded: no login has this token (any more).
        """
        hashed = _hash(token)
        known = self._known.get(hashed)
        if known is not None:
            known.seen_ns = self._clock.now_ns()
            return known.principal
        revocations = self._revocations
        found = self._store.device_of(hashed) if len(token) <= MAX_TOKEN else None
        if found is None or not hmac.compare_digest(found[0].token, hashed):
            raise LoginNeeded("This login has ended; log in again.")
        device, account = found
        known = _Known(_principal(account, device), self._clock.now_ns(), device.seen_ns)
        with self._lock:
            if revocations == self._revocations:  # else it may be the one that was just revoked
                if len(self._known) >= _MAX_CACHED:
                    self._known.clear()
                self._known[hashed] = known
        return known.principal

    def known(self, token: str) -> Principal | None:
        """Whom a token stands for when it was used before and not revoked since; None: ask `check`."""
        known = self._known.get(_hash(token))
        if known is None:
            return None
        known.seen_ns = self._clock.now_ns()
        return known.principal

    def flush_seen(self) -> None:
        """Write down when devices were last seen; upkeep calls it now and then."""
        with self._lock:
            moved = [known for known in self._known.values() if known.seen_ns > known.written_ns]
        if moved:
            self._store.note_seen([(known.principal.device, known.seen_ns) for known in moved])
            for known in moved:
                known.written_ns = known.seen_ns

    def end_unseen(self, before_ns: int) -> int:
        """End logins that were not used since a time; how many. Call `flush_seen` before."""
        ended = self._store.remove_unseen(before_ns)
        self._revoke(ended)
        return len(ended)

    # --- login ----------------------------------------------------------------------------------------------------

    def log_in(self, user: str, password: str, device: str, address: str) -> LoggedIn:
        """A new device of this account.

        Args:
            device: what people call it; made fit to be shown.
            address: from where, as text; "" for the machine itself. Counts tries (S43).

        Raises:
            LoginFailed: no such account, or not its password.
            TooManyTries: slowed down; fact `retry_after_s`.
            Busy: too many logins at once (S47).
        """
        account = self.prove(user, password, address)
        return self._new_device(account, device)

    def enter(self, account: Account, device: str) -> LoggedIn:
        """A new device of an account that was proven; what `log_in` does after `prove`.

        Raises:
            LoginFailed: the account is gone, or got another password since.
        """
        return self._new_device(account, device)

    def prove(self, user: str, password: str, address: str) -> Account:
        """The account whose name and password these are; counted, slowed and raising as `log_in`."""
        keys = (account_key(user if encodable(user) else ""), address_key(address))
        self._refuse(self._store.wait_s(keys, self._clock.now_ns()))
        with self._hashing.slot():
            self._refuse(self._store.count_try(keys, self._clock.now_ns()))
            account = self._store.account_named(user) if encodable(user) else None
            if not self._hashing.matches(account.password if account else None, password) or account is None:
                log.warning("login refused", extra={"user": user[:MAX_USER_NAME], "address": address})
                raise LoginFailed("Unknown user or wrong password.")
            if self._hashing.is_weak(account.password):
                account = replace(account, password=self._hashing.make(password))
                self._store.set_password(account.id, account.password)
        self._store.forgive(*keys, self._clock.now_ns())
        return account

    def sign_up(self, user: str, password: str, device: str, address: str) -> LoggedIn:
        """A new account made by a stranger, logged in.

        Raises:
            SignupClosed: the owner has not opened sign-up.
            NameTaken, BadName, WeakPassword: as they say.
            TooManyTries: ten accounts in 15 minutes from one address.
        """
        if not self.signup_open:
            raise SignupClosed("This server takes no new accounts; ask its owner for one.")
        check_user_name(user)
        check_password(password)
        keys = (f"signup {address_key(address)}",)
        self._refuse(self._store.wait_s(keys, self._clock.now_ns()))
        with self._hashing.slot():
            self._refuse(self._store.count_try(keys, self._clock.now_ns()))
            account = self._store.add_account(user, self._hashing.make(password), False, self._clock.now_ns())
        log.info("account made by sign-up", extra={"user": account.name, "address": address})
        return self._new_device(account, device)

    def log_out(self, who: Principal) -> None:
        """End the device's token; again is harmless."""
        ended = self._store.remove_device(who.account, who.device)
        self._revoke([ended] if ended else [])

    def devices(self, who: Principal) -> list[Device]:
        """The account's devices, newest first."""
        self.flush_seen()
        return self._store.devices(who.account)

    def remove_device(self, who: Principal, device: DeviceId) -> None:
        """Log one of the own devices out.

        Raises:
            NotFound: the account has no such device.
        """
        ended = self._store.remove_device(who.account, device)
        if ended is None:
            raise NotFound("You have no such device.")
        self._revoke([ended])

    def change_password(self, who: Principal, old: str, new: str, address: str) -> None:
        """Set the own password; every other device is logged out.

        Raises:
            WeakPassword: the new one, before the old one is looked at.
            LoginFailed, TooManyTries, Busy: as `log_in`, for the old one.
        """
        check_password(new)
        account = self.prove(who.name, old, address)
        with self._hashing.slot():
            hashed = self._hashing.make(new)
        self._store.set_password(account.id, hashed)
        self._revoke(self._store.remove_devices(account.id, who.device))
        log.info("password changed", extra={"user": account.name, "address": address})

    # --- administration -------------------------------------------------------------------------------------------

    def add(self, name: str, password: str | None, admin: bool = False, strict: bool = True) -> Account:
        """A new account.

        Args:
            password: None for somebody who cannot log in until one is set.
            strict: False takes a short password and leaves the warning to the caller (S46, a scan's configuration).

        Raises:
            NameTaken, BadName, WeakPassword: as they say.
        """
        name = check_user_name(name)
        if strict and password is not None:
            check_password(password)
        hashed = self._hashing.make(password) if password else NO_PASSWORD
        account = self._store.add_account(name, hashed, admin, self._clock.now_ns())
        log.info("account made", extra={"user": account.name, "admin": admin})
        return account

    def named(self, name: str) -> Account:
        """The account of a name. Raises `NotFound`."""
        account = self._store.account_named(name) if encodable(name) else None
        if account is None:
            raise NotFound(f"There is no user {name!r}; `homestow user list` shows all.")
        return account

    def all(self) -> list[Account]:
        """All accounts by name."""
        return self._store.accounts()

    def names(self) -> dict[AccountId, str]:
        """The name of every account, to show who did something."""
        return {account.id: account.name for account in self._store.accounts()}

    def has_password(self, account: Account, password: str) -> bool:
        """Whether it is the account's password; for administration, so no try is counted."""
        return self._hashing.matches(account.password, password)

    def set_password(self, name: str, password: str, strict: bool = True) -> None:
        """Set somebody's password; all devices of that account are logged out. `strict` as for `add`.

        Raises:
            NotFound, WeakPassword: as they say.
        """
        if strict:
            check_password(password)
        account = self.named(name)
        self._store.set_password(account.id, self._hashing.make(password))
        self._revoke(self._store.remove_devices(account.id, DeviceId(0)))
        log.info("password set by the operator", extra={"user": account.name})

    def set_quota(self, name: str, quota: int | None) -> None:
        """Set how many bytes an account's own roots may hold; 0: no limit, None: the default. Raises `NotFound`."""
        self._store.set_quota(self.named(name).id, quota)

    def remove(self, name: str) -> Account:
        """Remove an account: its tokens die at once and it leaves all roots; no file is touched. Raises `NotFound`."""
        account = self.named(name)
        self._revoke(self._store.remove_account(account.id))
        log.info("account removed", extra={"user": account.name})
        return account

    # --- inside ---------------------------------------------------------------------------------------------------

    def _new_device(self, account: Account, name: str) -> LoggedIn:
        token = secrets.token_urlsafe(32)
        device = self._store.add_device(account, device_name(name), _hash(token), self._clock.now_ns())
        log.info("logged in", extra={"user": account.name, "device": device.id})
        self._end_surplus(account.id)
        return LoggedIn(token, _principal(account, device))

    def _end_surplus(self, account: AccountId) -> None:
        """End what is over `MOST_DEVICES`, the one not seen for longest first; never the newest."""
        over = len(self._store.devices(account)) - MOST_DEVICES
        if over > 0:
            self.flush_seen()
            _, *others = self._store.devices(account)
            for device in sorted(others, key=lambda one: (one.seen_ns, one.id))[:over]:
                ended = self._store.remove_device(account, device.id)
                self._revoke([ended] if ended else [])
                log.info("login ended: there are newer ones", extra={"account": account, "device": device.id})

    def _revoke(self, tokens: list[bytes]) -> None:
        """Forget tokens whose rows are gone: from now on nobody is let in by them."""
        with self._lock:
            self._revocations += 1
            for token in tokens:
                self._known.pop(token, None)

    def _refuse(self, wait_s: int | None) -> None:
        if wait_s is not None:
            raise TooManyTries(f"Too many tries; wait {counted(wait_s, 'second')}.", retry_after_s=wait_s)


def _principal(account: Account, device: Device) -> Principal:
    return Principal(account.id, account.name, device.id, account.admin)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
