"""What this computer remembers of logins: a device token per server and account, never a password (S90).

One file per login, readable for its owner only. The token itself lies in the keyring of the desktop session where one works,
else in the file. It can be taken back on the server at any time.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from homestow.client.adapters.keyring_desktop import desktop_keyring
from homestow.client.adapters.this_computer import client_folder
from homestow.client.private_files import write_whole
from homestow.values.errors import BadSettings

_IN_KEYRING: Final = "keyring"


class Keyring(Protocol):
    """A keeper of secrets by service and user."""

    def get(self, service: str, user: str) -> str | None:
        """The secret; None when it is not to be had."""

    def put(self, service: str, user: str, secret: str) -> bool:
        """Keep a secret; False: it could not."""

    def drop(self, service: str, user: str) -> None:
        """Forget a secret, if there is one."""


class Login(NamedTuple):
    """A token for one account on one server; `server` is the address without a slash at its end.

    `check` are the check digits of the password that was last proved beside the token, "" when nobody knows them. `dialect` is how
    a netdrive server is spoken to.
    """

    server: str
    user: str
    token: str
    check: str = ""
    dialect: str = ""

    def __repr__(self) -> str:
        return f"Login({self.user!r} on {self.server!r})"


def check_digits(token: str, password: str) -> str:
    """Three hexadecimal digits by which a mistyped password is noticed without asking the server.

    Only three: of 4,096 passwords one fits, so that who finds them learns next to nothing of the password (S90).
    """
    return hashlib.blake2b(password.encode(errors="surrogatepass"), key=token.encode()[:64], digest_size=2).hexdigest()[
        :3
    ]


class Logins:
    """The remembered logins below one folder, made when something is to be remembered.

    Args:
        folder: None: the client's own.
        keyring: gives the keyring when one is wanted; None from it: there is none.
    """

    def __init__(self, folder: Path | None = None, keyring: Callable[[], Keyring | None] = desktop_keyring) -> None:
        self._folder = (folder or client_folder()) / "logins"
        self._keyring = keyring

    def find(self, server: str, user: str) -> Login | None:
        """The login of `user` on `server`; None when none is remembered, or its token lies in a keyring that is not open.

        Raises:
            BadSettings: the file is there but cannot be read or used.
        """
        return self._read(self._path(server, user))

    def only(self, server: str) -> Login | None:
        """The one login on `server`, whoever it is; None when there is none or more than one."""
        try:
            paths = sorted(self._folder.glob(f"{_server_key(server)}-*.json"))
        except OSError:
            return None
        return self._read(paths[0]) if len(paths) == 1 else None

    def keep(self, login: Login) -> None:
        """Remember a login instead of the one before; durable before it returns, and never half.

        Raises:
            StorageFailed: it cannot be written; the one before stays.
        """
        keyring = self._keyring()
        fields: dict[str, Any] = login._asdict()
        if keyring is not None and keyring.put(_service(login.server), login.user, login.token):
            fields |= {"token": "", _IN_KEYRING: True}
        write_whole(self._path(login.server, login.user), json.dumps(fields).encode() + b"\n")

    def drop(self, server: str, user: str) -> bool:
        """Forget a login; whether there was one."""
        path = self._path(server, user)
        try:
            if _IN_KEYRING.encode() in path.read_bytes() and (keyring := self._keyring()) is not None:
                keyring.drop(_service(server), user)
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _path(self, server: str, user: str) -> Path:
        # Names are compared without case on the server; a second token for another spelling does no harm.
        return self._folder / f"{_server_key(server)}-{_key(user)}.json"

    def _read(self, path: Path) -> Login | None:
        try:
            found = json.loads(path.read_text("utf-8"))
            check, dialect = str(found.get("check", "")), str(found.get("dialect", ""))
            login = Login(str(found["server"]), str(found["user"]), str(found["token"]), check, dialect)
            elsewhere = found.get(_IN_KEYRING) is True
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadSettings(f"{path} cannot be read: {error.strerror}. Correct its rights or remove it.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadSettings(f"{path} is damaged; remove it and log in again.") from error
        if not elsewhere:
            return login
        keyring = self._keyring()
        token = keyring.get(_service(login.server), login.user) if keyring is not None else None
        return login._replace(token=token) if token else None


def _service(server: str) -> str:
    """What a token is kept under; a password that somebody put there for us stands under another name."""
    return f"homestow login {_here(server)}"


def _server_key(server: str) -> str:
    return _key(_here(server))


def _here(server: str) -> str:
    """This computer is the same by either name."""
    return server.replace("//localhost:", "//127.0.0.1:", 1)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
