"""Log in to a netdrive server: with the session this computer keeps, else once with a password."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from homestow.cli.entering import KEYRING_SERVICE
from homestow.cli.passwords import ENVIRONMENT, ask_password, given_password, keyring_password
from homestow.cli.troubles import TROUBLE, USAGE, Trouble
from homestow.client.adapters.logins import Login, Logins, check_digits
from homestow.client.adapters.netdrive_address import NetdriveAddress
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.netdrive_files import DocumentedFiles, File
from homestow.values.errors import CloudError, LoginNeeded, Unreachable
from homestow.wire.netdrive import TOP, Dialect

T = TypeVar("T")

FIRST_BIND = 1
"""The root that an account is bound to where it is bound to none: its own."""


@dataclass(frozen=True, slots=True)
class Door:
    """Which server, and how it is spoken to.

    Attributes:
        dialect: None: find out.
        bind: which root, by its number; None: the account's own, or the one it is bound to.
        allow_plain: passwords may go unprotected over a network.
    """

    address: NetdriveAddress
    dialect: Dialect | None = None
    bind: int | None = None
    allow_plain: bool = False

    def server(self, known: Login | None = None) -> NetdriveServer:
        """The server, with the session of a login."""
        server = NetdriveServer(self.address, dialect=self.dialect, bind=self.bind, allow_plain=self.allow_plain)
        if known is not None:
            server.session = known.token
            if self.dialect is None and known.dialect == Dialect.FINAL.value:
                server.dialect, server.long_heads = Dialect.FINAL, False
        return server


def known_login(door: Door, user: str | None) -> tuple[str, Login | None]:
    """Who it is, and the login that is kept; `user` None: whoever is known on this computer.

    Raises:
        Trouble: nobody is known.
    """
    logins = Logins()
    known = logins.find(door.address.url, user) if user else logins.only(door.address.url)
    if user is None and known is None:
        raise Trouble(f"who are you on {door.address.url}? Name your account with -u USER.", USAGE)
    return user or (known.user if known else ""), known


def entered(door: Door, user: str | None, work: Callable[[NetdriveServer, str], T], argument: str | None = None) -> T:
    """Do `work` with a server that knows who it is, and the account's name.

    The kept session serves, also beside a password that was proved with it before. When there is none, or the server has
    forgotten it in the middle, the password is the given one, or what the keyring holds or somebody types.
    Raises:
        CloudError: the server refuses, or does not answer.
        Trouble: nobody knows who it is, or no password is to be had.
    """
    user, known = known_login(door, user)
    password = given_password(argument)
    if known is not None and (password is None or known.check == check_digits(known.token, password)):
        with door.server(known) as server:
            try:
                _bind(door, server)
                return work(server, user)
            except LoginNeeded:
                pass  # it was taken back, or was not used for long
    with log_in(door, user, password or _found(door, user, known is not None)) as server:
        return work(server, user)


def log_in(door: Door, user: str, password: str) -> NetdriveServer:
    """Log in with a password and keep the session; the caller closes the server."""
    server = door.server()
    try:
        session = server.log_in(user, password)
        keep(server, user, session, password)
        _bind(door, server)
    except BaseException:
        server.close()
        raise
    return server


def keep(server: NetdriveServer, user: str, session: str, password: str) -> None:
    """Remember a session."""
    Logins().keep(
        Login(server.address.url, user, session, check_digits(session, password), server.dialect.value),
    )


def is_alive(server: NetdriveServer) -> bool:
    """Whether the server still knows the session."""
    try:
        if server.dialect is Dialect.FINAL:
            server.bound()
        else:
            nothing = File(TOP, "", 0, "", 0, 0)
            server.ask(DocumentedFiles(server).download_call(nothing, 0, 0, lambda _: None))
    except LoginNeeded:
        return False
    except Unreachable:
        raise
    except CloudError:
        pass  # there is no such file: but it has looked
    return True


def _bind(door: Door, server: NetdriveServer) -> None:
    """See that an account of an older server is bound to a root."""
    if server.dialect is Dialect.FINAL:
        bound = server.bound()
        wanted = door.bind or bound or FIRST_BIND
        if wanted != bound:
            server.set_bind(wanted)


def _found(door: Door, user: str, was_known: bool) -> str:
    """A password from the keyring or the terminal."""
    url = door.address.url
    password = keyring_password(KEYRING_SERVICE.format(server=url), user) or ask_password(
        f"Password of {user} on {url}"
    )
    if not password:
        why = "this computer was logged out" if was_known else "no password"
        raise Trouble(f"{why}: set {ENVIRONMENT}, or run it in a terminal to be asked.", TROUBLE)
    return password
