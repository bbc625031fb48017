"""Clients of the Ditto services, and their users' logins.

A login is a device of its account, so that people see it among their devices and can end it there; it ends with its account,
a password change and its client too (S49). An access token refers to it for an hour. A refresh token works once: whoever
comes with one that was used already ends the login, since one of the two who have it is a thief.
"""

import hashlib
import hmac
import logging
import secrets
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from homestow.server.ports.accounts import Account
from homestow.server.ports.clock import Clock
from homestow.server.ports.ditto import Client, DittoRows, Login
from homestow.server.rules.access import Principal
from homestow.server.rules.passwords import device_name
from homestow.server.service.accounts import Accounts
from homestow.server.service.ditto_tokens import Claims, Key, read, rotated, sign
from homestow.values.errors import BadRequest, Busy, LoginFailed, LoginNeeded, NotFound

ACCESS_S: Final = 3600
"""Seconds an access token counts."""

REFRESH_S: Final = 30 * 24 * 3600
"""Seconds a refresh token counts."""

MAX_CLIENT_NAME: Final = 64
_MOST_VERIFIED: Final = 1024
_SECOND: Final = 1_000_000_000
_NOBODY: Final = "Unknown client or user, or wrong secret or password."

log = logging.getLogger(__name__)


class TooManyUsers(Busy):
    """As many users of a client are logged in as it may have."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives; `expires_in` in seconds."""

    access: str = field(repr=False)
    expires_in: int
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom an access token stands for, through which client; `login` names the login itself."""

    who: Principal
    client: str
    login: str


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client as it was just made; its secret is shown this once."""

    id: str
    secret: str = field(repr=False)


class DittoAuth:
    """Clients and logins. All methods may be called from any thread.

    Args:
        keys: the newest last.
        issuer: what tokens name as their giver.
    """

    def __init__(self, rows: DittoRows, accounts: Accounts, clock: Clock, keys: Sequence[Key], issuer: str) -> None:
        self._rows = rows
        self._accounts = accounts
        self._clock = clock
        self._keys = list(keys)
        self._issuer = issuer
        self._verified: dict[str, tuple[list[Key], Claims]] = {}
        self._rotating = threading.Lock()

    def rotate(self, save: Callable[[Sequence[Key]], None]) -> Key:
        """A new key, which signs from now on; it counts when `save` has put the keys where the next start finds them."""
        with self._rotating:
            keys = rotated(self._keys)
            save(keys)
            self._keys = keys
        return keys[-1]

    # --- logins -------------------------------------------------------------------------------------------------------

    def log_in(self, client_id: str, secret: str, user: str, password: str, address: str) -> Tokens:
        """Log a user in.

        Raises:
            LoginFailed: client, secret, user or password is wrong; not told which.
            TooManyUsers: the client has as many as it may.
            TooManyTries, Busy: as `Accounts.log_in`, with the same counters (S43).
        """
        client = self._proved(client_id, secret)
        try:
            entered = self._accounts.log_in(user, password, device_name(f"Ditto: {client.name}"), address)
        except LoginFailed as error:
            raise LoginFailed(_NOBODY) from error
        who, now = entered.principal, self._clock.now_ns()
        refresh = secrets.token_urlsafe(32)
        login = Login(
            secrets.token_hex(16), who.account, who.device, client.id, 0, _hash(refresh), now, now + REFRESH_S * _SECOND
        )
        if not self._rows.add_login(login, client.max_users, now):
            self._accounts.log_out(who)
            raise TooManyUsers("This client has as many users as it may; one has to log out first.")
        found = self._rows.login(login.id)
        if found is None:
            raise LoginFailed(_NOBODY)
        return self._tokens(login, found[1], refresh)

    def refresh(self, client_id: str, secret: str, token: str) -> Tokens:
        """The next tokens of a login; the refresh token that was given counts no more.

        Raises:
            LoginFailed: the client is not the one, or the token counts no more. One that was used before ends the login.
        """
        client = self._proved(client_id, secret)
        name, dot, given = token.partition(".")
        found = self._rows.login(name) if dot else None
        if found is None or found[0].client != client.id:
            raise LoginFailed(_NOBODY)
        login, account = found
        now = self._clock.now_ns()
        fresh = secrets.token_urlsafe(32)
        good = hmac.compare_digest(login.refresh, _hash(given))
        until = now + REFRESH_S * _SECOND
        if (
            login.until_ns < now
            or not good
            or not self._rows.renew_login(login.id, login.turn, _hash(fresh), until, now)
        ):
            self._rows.end_login(login.id)
            log.warning("a login was ended: its refresh token was used before", extra={"user": account.name})
            raise LoginFailed(_NOBODY)
        return self._tokens(replace(login, turn=login.turn + 1), account, fresh)

    def check(self, token: str) -> Caller:
        """Whom an access token stands for; rows are looked at each time.

        Raises:
            LoginNeeded: nobody (any more).
        """
        claims = self._claims(token)
        name, _, turn = claims.jti.partition(".")
        found = self._rows.login(name)
        ended = LoginNeeded("This login has ended, or never was; log in again.")
        if found is None or not turn.isascii() or not turn.isdigit():
            raise ended
        login, account = found
        if login.client != claims.client or user_uuid(account) != claims.sub or not 0 <= login.turn - int(turn) <= 1:
            raise ended
        return Caller(Principal(account.id, account.name, login.device, account.admin), login.client, login.id)

    def signed_for(self, token: str) -> str:
        """The user that a token of ours names, whether or not it still counts; no row is looked at.

        Raises:
            LoginNeeded: it is none of ours, or its time is over.
        """
        return self._claims(token).sub

    def _claims(self, token: str) -> Claims:
        """What a token of ours says; the signature of one is computed once, as long as the keys are the same."""
        now_s, keys = self._clock.now_ns() / _SECOND, self._keys
        verified = self._verified.get(token)
        if verified is not None and verified[0] is keys and verified[1].exp > now_s:
            return verified[1]
        claims = read(token, keys, self._issuer, now_s)
        if len(self._verified) >= _MOST_VERIFIED:
            self._verified.clear()
        self._verified[token] = keys, claims
        return claims

    def log_out(self, caller: Caller) -> None:
        """End a login: its tokens count no more."""
        self._rows.end_login(caller.login)

    def revoke(self, client_id: str, secret: str, token: str) -> None:
        """End the login of a refresh token, whichever of its turns; an unknown one is no error.

        Raises:
            LoginFailed: the client is not one.
        """
        client = self._proved(client_id, secret)
        name, dot, _ = token.partition(".")
        found = self._rows.login(name) if dot else None
        if found is not None and found[0].client == client.id:
            self._rows.end_login(name)

    # --- clients ------------------------------------------------------------------------------------------------------

    def add_client(self, name: str, max_users: int = 0) -> NewClient:
        """A new client.

        Raises:
            BadRequest: the name is not 1 to 64 characters that can be shown, or the number is below 0.
            NameTaken: there is one of this name.
        """
        if not 1 <= len(name) <= MAX_CLIENT_NAME or not name.isprintable() or name != name.strip():
            raise BadRequest("A client's name has 1 to 64 characters that can be shown, no spaces around them.")
        if not 0 <= max_users < 1 << 31:
            raise BadRequest("A client has 0 (any number) to 2147483647 users.")
        made = NewClient(secrets.token_hex(8), secrets.token_urlsafe(32))
        self._rows.add_client(Client(made.id, name, _hash(made.secret), max_users, self._clock.now_ns()))
        log.info("client made", extra={"client": name})
        return made

    def clients(self) -> list[Client]:
        """All clients, by name."""
        return self._rows.clients()

    def remove_client(self, name: str) -> None:
        """Remove a client, by its name or id; all logins through it end. Raises `NotFound`."""
        known = [client for client in self._rows.clients() if name in (client.name, client.id)]
        if not known or not self._rows.remove_client(known[0].id):
            raise NotFound(f"There is no client {name!r}; `homestow client list` shows all.")
        log.info("client removed", extra={"client": known[0].name})

    # --- inside -------------------------------------------------------------------------------------------------------

    def _proved(self, client_id: str, secret: str) -> Client:
        client = self._rows.client(client_id) if _storable(client_id) else None
        if not hmac.compare_digest(client.secret if client else _hash(""), _hash(secret)) or client is None:
            raise LoginFailed(_NOBODY)
        return client

    def _tokens(self, login: Login, account: Account, refresh: str) -> Tokens:
        until = self._clock.now_ns() // _SECOND + ACCESS_S
        claims = Claims(self._issuer, until, user_uuid(account), login.client, f"{login.id}.{login.turn}")
        return Tokens(sign(claims, self._keys), ACCESS_S, f"{login.id}.{refresh}")


def user_uuid(account: Account) -> str:
    """What tokens name a user by: the same as long as the account lives, and never another's."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"homestow account {account.id} {account.created_ns}"))


def _storable(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
