"""What this computer remembers of logins: a device token per server and account, never a password (S90).

One file per login, readable for its owner only. A token can be taken back on the server at any time.
"""

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from homestow.values.errors import BadSettings


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


def check_digits(token: str, password: str) -> str:
    """Three hexadecimal digits by which a mistyped password is noticed without asking the server.

    Only three: of 4,096 passwords one fits, so that who finds them learns next to nothing of the password (S90).
    """
    return hashlib.blake2b(password.encode(errors="surrogatepass"), key=token.encode()[:64], digest_size=2).hexdigest()[
        :3
    ]


def client_folder() -> Path:
    """Where this computer's sync client keeps what is its own: the platform's data folder, `client` in it."""
    return data_home() / "homestow" / "client"


def data_home() -> Path:
    """Where programs keep their data for this user."""
    # The usual place on Linux, without the cost of asking platformdirs for it.
    if os.name == "posix" and os.uname().sysname == "Linux":
        given = os.environ.get("XDG_DATA_HOME", "")
        return Path(given) if given.startswith("/") else Path.home() / ".local" / "share"
    import platformdirs

    return Path(platformdirs.user_data_dir())


class Logins:
    """The remembered logins below one folder, made when something is to be remembered."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = (folder or client_folder()) / "logins"

    def find(self, server: str, user: str) -> Login | None:
        """The login of `user` on `server`; None when none is remembered.

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
        """Remember a login instead of the one before; durable before it returns, and never half."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(login.server, login.user)
        staged = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        text = json.dumps(login._asdict())
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            staged.replace(path)
        except OSError:
            staged.unlink(missing_ok=True)
            raise

    def drop(self, server: str, user: str) -> bool:
        """Forget a login; whether there was one."""
        try:
            self._path(server, user).unlink()
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
            return Login(str(found["server"]), str(found["user"]), str(found["token"]), check, dialect)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadSettings(f"{path} cannot be read: {error.strerror}. Correct its rights or remove it.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BadSettings(f"{path} is damaged; remove it and log in again.") from error


def _server_key(server: str) -> str:
    """This computer is the same by either name."""
    return _key(server.replace("//localhost:", "//127.0.0.1:", 1))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
