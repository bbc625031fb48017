"""What a sync job over the netdrive protocol must know: the session, which root by its number, how the server is spoken to."""

from pathlib import Path
from typing import NamedTuple

from homestow.cli.netdrive_entering import Door, entered
from homestow.cli.sync import Wish
from homestow.cli.troubles import TROUBLE, USAGE, Trouble
from homestow.client.adapters.netdrive_address import parse_netdrive
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.this_computer import device_name
from homestow.client.engine.rules import Direction
from homestow.client.settings import JobSettings
from homestow.values.errors import LoginNeeded
from homestow.wire.netdrive import Dialect


class _Bind(NamedTuple):
    """A root by its number; `name` "" where the server tells none."""

    number: int
    name: str
    writable: bool


def netdrive_settings(wish: Wish, states: Path) -> JobSettings:
    """Log in, with the session that is kept or once with a password, and find the root.

    Raises:
        CloudError: the server refuses, or does not answer.
        Trouble: who, with what password, or which root, is not to be had.
    """

    def known(server: NetdriveServer, user: str) -> JobSettings:
        bind = _chosen(wish, server, user)
        if server.session is None:
            raise LoginNeeded("Nobody is logged in.")
        return JobSettings(
            server=wish.server,
            token=server.session,
            folder=wish.directory,
            device=device_name(),
            data=states,
            root=bind.name or None,
            direction=Direction(wish.direction),
            accept_deletes=wish.accept_deletes,
            bind=bind.number,
            dialect=server.dialect.value,
            writable=bind.writable,
        )

    door = Door(parse_netdrive(wish.server), allow_plain=wish.allow_plain)
    return entered(door, wish.user, known, wish.password)


def _chosen(wish: Wish, server: NetdriveServer, user: str) -> _Bind:
    """The root that is meant; the protocol knows numbers, our own servers tell their names too."""
    bound, binds = server.roots()
    told = [_Bind(*each) for each in binds]
    wanted = wish.root
    if wanted is None:
        number = bound if server.dialect is Dialect.FINAL and bound else 1
        return next((bind for bind in told if bind.number == number), _Bind(number, "", True))
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
            return next((bind for bind in told if bind.number == number), _Bind(number, "", True))
    if not told:
        raise Trouble(f"this server knows roots by number only: -w 1 in place of -w {wanted!r}.", USAGE)
    names = ", ".join(f"{bind.name} ({bind.number})" for bind in told[:10])
    raise Trouble(
        f"{user} sees no root {wanted!r} on {wish.server}; check the name and the rights. There is: {names}.", TROUBLE
    )
