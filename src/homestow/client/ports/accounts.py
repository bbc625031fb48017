"""Accounts on servers, as the sync service needs them: logins that this computer keeps, and what an account may choose from.

Calls may wait for the network; all have deadlines (P12). A password is proved and forgotten; what is kept is a token of this
computer that can be taken back on the server (S90).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Seen(NamedTuple):
    """A server that answered: the address corrected (scheme, no slash at its end), its version ("" where the protocol tells
    none), the known account or ""; `plain`: passwords and files cross the network to it unprotected, which people must know.
    """

    url: str
    version: str
    user: str
    plain: bool = False


class Space(NamedTuple):
    """A root that an account sees; `rights` is own, write or read."""

    id: int
    name: str
    rights: str


class Announced(NamedTuple):
    """A server that announces itself on the local network."""

    name: str
    url: str


class Made(NamedTuple):
    """A link that was made: its whole address, and its number."""

    url: str
    id: int


class Accounts(Protocol):
    """Thread-safe."""

    def check(self, url: str) -> Seen:
        """Is there a Homestow server? Tries https:// and http:// when no scheme is given.

        Raises:
            Unreachable, NotHomestow, BadRequest: none is there, or it is no address; the message says what to do.
        """

    def log_in(self, url: str, user: str, password: str) -> None:
        """Trade a password for a token, and keep that.

        Raises:
            LoginFailed, TooManyTries, Unreachable: it was not to be had.
        """

    def token(self, url: str, user: str) -> tuple[str, str]:
        """The kept login of the account ("" : the only one known there) as (user, token).

        Raises:
            LoginNeeded: none is kept; a password has to be given.
        """

    def spaces(self, url: str, user: str) -> Sequence[Space]:
        """The roots it sees, its own first."""

    def folders(self, url: str, user: str, space: str, path: str) -> Sequence[str]:
        """Names of the folders directly in a folder of a root, sorted."""

    def make_folder(self, url: str, user: str, space: str, path: str) -> None:
        """Make a folder; its parent must be there."""

    def share(self, url: str, user: str, space: str, path: str, days: int | None, password: str | None) -> Made:
        """Make a link to a file or folder."""

    def unshare(self, url: str, user: str, link: int) -> None:
        """End a link."""

    def discover(self, seconds: float) -> Sequence[Announced]:
        """Look for servers on the local network for so long."""
