"""Who may do what. Pure: the service looks rights up and asks here."""

from dataclasses import dataclass
from enum import IntEnum

from homestow.values.errors import Forbidden, NotFound
from homestow.values.ids import NO_DEVICE, SYSTEM, AccountId, DeviceId


class Rights(IntEnum):
    """Rights in a root, each including the ones before."""

    NONE = 0
    READ = 1
    WRITE = 2
    OWN = 3

    @property
    def word(self) -> str:
        """The word used on the wire and the command line: none, read, write or own."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: an account on a device; `operator` is the owner of the machine (local socket, command line)."""

    account: AccountId
    name: str
    device: DeviceId = NO_DEVICE
    admin: bool = False
    operator: bool = False


OUTSIDE = Principal(SYSTEM, "")
"""Acts for changes that came from outside: an editor on the server, SMB, ssh."""


def require(have: Rights, need: Rights) -> None:
    """Pass, or say no in the way that tells nothing to those who may not know (S09).

    Raises:
        NotFound: no right to know that the thing exists.
        Forbidden: may see, but not do this.
    """
    if have < Rights.READ:
        raise NotFound("Nothing is there.")
    if have < need:
        raise Forbidden(f"This needs the right to {need.word}; yours is to {have.word}.")
