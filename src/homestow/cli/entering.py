"""Log in to a server: with the token this computer keeps, else once with a password."""

import contextlib
from collections.abc import Callable, Sequence

from homestow.cli.passwords import ENVIRONMENT, ask_password, keyring_password
from homestow.cli.troubles import TROUBLE, USAGE, Trouble
from homestow.client.adapters.api_client import Client
from homestow.client.adapters.logins import Login, Logins, check_digits
from homestow.client.adapters.this_computer import device_name
from homestow.values.errors import CloudError, LoginNeeded
from homestow.wire.api import Root

KEYRING_SERVICE = "homestow {server}"
"""Under this name, and the account's, the keyring may hold a password."""


class Entered:
    """One account on one server, logged in. `roots` are those it may see, its own first. Close it."""

    def __init__(self, client: Client, login: Login, roots: Sequence[Root]) -> None:
        self.client = client
        self.login = login
        self.roots = roots

    def __enter__(self) -> "Entered":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def root(self, name: str | None) -> Root:
        """The root of that name, in whatever capitals, or of that number; None: the account's own.

        Raises:
            Trouble: there is none that this account may see.
        """
        if name is None:
            found = next((root for root in self.roots if root.rights == "own"), None)
            if found is None:
                raise Trouble(
                    f"{self.login.user} has no root of their own on {self.login.server}; name one.{self._seen()}",
                    TROUBLE,
                )
            return found
        exact = [root for root in self.roots if root.name == name]
        alike = exact or [
            root for root in self.roots if root.name.casefold() == name.casefold() or str(root.id) == name
        ]
        if not alike:
            raise Trouble(
                f"{self.login.user} sees no root {name!r} on {self.login.server}; check the name and the rights.{self._seen()}",
                TROUBLE,
            )
        return alike[0]

    def _seen(self) -> str:
        names = ", ".join(root.name for root in self.roots[:10])
        return f" There is: {names}." if names else ""


def enter(
    server: str,
    user: str | None,
    password: str | None = None,
    *,
    otherwise: Callable[[], str | None] = lambda: None,
    logins: Logins | None = None,
) -> Entered:
    """Log in as `user` (None: whoever is known on this computer), and see which roots there are.

    The kept token serves, also beside a `password` that was proved with it before. Another password is proved by a login of
    its own, so that a wrong one does not go unnoticed. When there is no token, or it was taken back (as by a change of the
    password), the password is the given one, what `otherwise` gives, the keyring holds or somebody types.

    Raises:
        CloudError: the server refuses, or does not answer.
        Trouble: nobody knows who it is, or no password is to be had.
    """
    logins = logins or Logins()
    known, password = logins.find(server, user) if user else logins.only(server), password or None
    if user is None:
        if known is None:
            raise Trouble(f"who are you on {server}? Name your account with -u USER.", USAGE)
        user = known.user
    if known is not None and (password is None or known.check == check_digits(known.token, password)):
        with contextlib.suppress(LoginNeeded):
            return _with_token(server, known)
    fresh = _log_in(server, user, password or otherwise() or _found(server, user, known is not None))
    if password is not None and known is not None:
        with contextlib.suppress(LoginNeeded):
            entered = _with_token(server, known)
            _end(fresh)  # one device per computer is enough; this login only proved the password
            logins.keep(known._replace(check=check_digits(known.token, password)))
            return entered
    logins.keep(fresh)
    return _with_token(server, fresh)


def _with_token(server: str, login: Login) -> Entered:
    client = Client(server, login.token)
    try:
        return Entered(client, login, client.roots())
    except BaseException:
        client.close()
        raise


def _log_in(server: str, user: str, password: str) -> Login:
    client = Client(server)
    try:
        token = client.login(user, password, device_name()).token
        return Login(server, user, token, check_digits(token, password))
    finally:
        client.close()


def _end(login: Login) -> None:
    client = Client(login.server, login.token)
    try:
        client.logout()
    except CloudError:
        pass  # it stays in the list of devices; the account's owner can remove it there
    finally:
        client.close()


def _found(server: str, user: str, was_known: bool) -> str:
    """A password from the keyring or the terminal."""
    password = keyring_password(KEYRING_SERVICE.format(server=server), user) or ask_password(
        f"Password of {user} on {server}"
    )
    if not password:
        why = "this computer was logged out" if was_known else "no password"
        raise Trouble(f"{why}: set {ENVIRONMENT}, or run it in a terminal to be asked.", TROUBLE)
    return password
