"""Which root of a netdrive server is meant: the protocol knows numbers, our own servers tell their names too."""

from typing import NamedTuple

from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.values.errors import BadRequest, NotFound
from homestow.wire.netdrive import Dialect


class Bind(NamedTuple):
    """A root by its number; `name` "" where the server tells none."""

    number: int
    name: str
    writable: bool


def choose(server: NetdriveServer, user: str, wanted: str | None) -> Bind:
    """The root that is meant by a name or a number; None: the account's own.

    Raises:
        NotFound: the account sees no such root. BadRequest: the server knows roots by number only.
    """
    bound, binds = server.roots()
    told = [Bind(*each) for each in binds]
    if wanted is None:
        number = bound if server.dialect is Dialect.FINAL and bound else 1
        return next((bind for bind in told if bind.number == number), Bind(number, "", True))
    named = [bind for bind in told if bind.name == wanted] or [
        bind for bind in told if bind.name.casefold() == wanted.casefold()
    ]
    if named:
        return named[0]
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and int(wanted) > 0:
        number = int(wanted)
        if not told and server.dialect is Dialect.FINAL and number != bound:
            server.set_bind(number)
        if not told or any(bind.number == number for bind in told):
            return next((bind for bind in told if bind.number == number), Bind(number, "", True))
    if not told:
        raise BadRequest(f"this server knows roots by number only: -w 1 in place of -w {wanted!r}.")
    names = ", ".join(f"{bind.name} ({bind.number})" for bind in told[:10])
    raise NotFound(
        f"{user} sees no root {wanted!r} on {server.address.url}; check the name and the rights. There is: {names}."
    )
