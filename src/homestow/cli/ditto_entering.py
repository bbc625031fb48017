"""Log in to a Ditto server: with the login this computer keeps, else with the client's secret and a password."""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from homestow.cli.passwords import ENVIRONMENT, ask_password, given_password
from homestow.cli.troubles import USAGE, Trouble
from homestow.client.adapters.ditto_client import DittoClient
from homestow.client.adapters.ditto_values import DittoAddress, DittoTokens, parse_ditto
from homestow.client.adapters.logins import check_digits
from homestow.client.adapters.this_computer import client_folder
from homestow.values.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Door:
    """Which server, who, and how, as the flags and the environment say it."""

    server: str
    user: str | None
    client_id: str | None
    client_secret: str | None = field(repr=False)
    tls: bool
    ca: str | None
    http: str | None
    allow_plain: bool

    @property
    def address(self) -> DittoAddress:
        """Where it is. Raises `BadSettings`."""
        return parse_ditto(self.server, tls=self.tls)


@dataclass(frozen=True, slots=True)
class Kept:
    """A login as this computer keeps it, in a file for its owner only.

    Attributes:
        ca: path of the authorities' PEM, "" for the computer's own.
        http: HTTP address of the server, where tokens are renewed; "" when it is not known.
        check: check digits of the password, keyed by `salt`; the password itself is not kept (S90).
    """

    server: str
    user: str
    client_id: str
    client_secret: str = field(repr=False)
    ca: str = ""
    http: str = ""
    salt: str = ""
    check: str = ""
    access: str = field(default="", repr=False)
    until_s: float = 0.0
    refresh: str = field(default="", repr=False)

    @property
    def tokens(self) -> DittoTokens | None:
        """Its tokens; None: it has none yet."""
        return DittoTokens(self.access, self.until_s, self.refresh) if self.access else None


class KeptLogins:
    """The logins below the client's folder, one file each."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or client_folder() / "ditto"

    def find(self, server: str, user: str | None) -> Kept | None:
        """The login of a user on a server; of whoever is the only one there when `user` is None.

        Raises:
            BadSettings: the file cannot be read or used.
        """
        if user is not None:
            return self._read(self._path(server, user))
        try:
            paths = sorted(self._folder.glob(f"login-{_key(server)}-*.json"))
        except OSError:
            return None
        return self._read(paths[0]) if len(paths) == 1 else None

    def keep(self, login: Kept) -> None:
        """Keep it instead of the one before; durable when it returns, and never half."""
        path = self._path(login.server, login.user)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staged = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(json.dumps(asdict(login)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)

    @contextmanager
    def turn(self, login: Kept) -> Iterator[None]:
        """While it lasts, no other program changes this login."""
        path = self._path(login.server, login.user)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def machine(self) -> str:
        """What this computer is called among the readers of events: 32 hexadecimal digits, the same from now on."""
        path = self._folder / "machine"
        try:
            found = path.read_text("ascii").strip()
            if found:
                return found
        except (FileNotFoundError, UnicodeDecodeError):
            pass
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = secrets.token_hex(16)
        staged = path.with_name(f"machine.{secrets.token_hex(4)}.new")
        staged.write_text(made + "\n")
        try:
            os.link(staged, path)  # whoever comes first names it
        except FileExistsError:
            made = path.read_text("ascii").strip()
        finally:
            staged.unlink()
        return made

    def _path(self, server: str, user: str) -> Path:
        return self._folder / f"login-{_key(server)}-{_key(user.casefold())}.json"

    def _read(self, path: Path) -> Kept | None:
        try:
            found = Kept(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadSettings(f"{path} cannot be read: {error.strerror}. Correct its rights or remove it.") from error
        except (ValueError, TypeError) as error:
            raise BadSettings(f"{path} is damaged; remove it and log in again.") from error
        return found


class _Store:
    """The tokens of a kept login, shared by the programs of one person."""

    def __init__(self, logins: KeptLogins, login: Kept) -> None:
        self._logins = logins
        self._login = login

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._logins.turn(self._login):
            yield

    def read(self) -> DittoTokens | None:
        found = self._logins.find(self._login.server, self._login.user)
        same = found is not None and (found.salt, found.check) == (self._login.salt, self._login.check)
        return found.tokens if found is not None and same else None

    def keep(self, tokens: DittoTokens) -> None:
        self._logins.keep(_with(self._login, tokens))


@dataclass(frozen=True, slots=True)
class Entered:
    """A client for one login, and what it is called: `owner` names server and user."""

    client: DittoClient
    login: Kept

    @property
    def owner(self) -> str:
        """Server and user."""
        return f"{self.login.server} {self.login.user}"


def enter(door: Door, *, patience_s: float, password: str | None = None, anew: bool = False) -> Entered:
    """A client that is logged in, or will be with the first call.

    The kept login serves, also beside a password that was proved with it before; another password is proved by a login.

    Args:
        password: default: as HOMESTOW_PASSWORD or a terminal say.
        anew: log in with the password, whatever is kept.
    Raises:
        Trouble: nobody knows who it is, or no secret or password is to be had.
        CloudError: the server refuses, or does not answer.
    """
    logins = KeptLogins()
    server = door.address.url
    kept = logins.find(server, door.user)
    user = door.user or (kept.user if kept else None)
    if user is None:
        raise Trouble(f"who are you on {server}? Name your account with -u USER.", USAGE)
    client_id, secret = door.client_id or (kept.client_id if kept else ""), door.client_secret
    if secret is None and kept is not None and kept.client_id == client_id:
        secret = kept.client_secret
    if not client_id or not secret:
        raise Trouble(
            "no client: set HOMESTOW_DITTO_CLIENT_ID and HOMESTOW_DITTO_CLIENT_SECRET to what `homestow client add` gave.",
            USAGE,
        )
    password = password or given_password()
    login = Kept(server, user, client_id, secret, _ca(door, kept), door.http or (kept.http if kept else ""))
    if kept is not None and not anew and _serves(kept, login, password):
        login = replace(kept, ca=login.ca, http=login.http)
    else:
        password = password or ask_password(f"Password of {user} on {server}")
        if not password:
            raise Trouble(f"no password: set {ENVIRONMENT}, or run it in a terminal to be asked.", USAGE)
        salt = secrets.token_hex(16)
        login = replace(login, salt=salt, check=check_digits(salt, password))
    client = DittoClient(
        door.server, client_id, secret, user, password, tokens=login.tokens, store=_Store(logins, login),
        tls=door.tls, ca=Path(login.ca).read_bytes() if login.ca else None, http=login.http or None,
        allow_plain=door.allow_plain, patience_s=patience_s,
    )  # fmt: skip
    return Entered(client, login)


def _with(login: Kept, tokens: DittoTokens) -> Kept:
    return replace(login, access=tokens.access, until_s=tokens.until_s, refresh=tokens.refresh)


def _serves(kept: Kept, login: Kept, password: str | None) -> bool:
    """Whether a kept login is the wanted one, as far as this computer knows."""
    same = (kept.client_id, kept.client_secret) == (login.client_id, login.client_secret)
    return same and bool(kept.access) and (password is None or kept.check == check_digits(kept.salt, password))


def _ca(door: Door, kept: Kept | None) -> str:
    if door.ca is not None:
        return str(Path(door.ca).expanduser().absolute())
    return kept.ca if kept is not None else ""


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
