"""What a sync job over the netdrive protocol must know: the session, which root by its number, how the server is spoken to."""

from pathlib import Path

from homestow.cli.netdrive_entering import Door, entered
from homestow.cli.troubles import TROUBLE, USAGE, Trouble
from homestow.cli.wishes import Wish
from homestow.client.adapters.netdrive_address import parse_netdrive
from homestow.client.adapters.netdrive_client import NetdriveServer
from homestow.client.adapters.netdrive_roots import Bind, choose
from homestow.client.adapters.this_computer import device_name
from homestow.client.engine.rules import Direction
from homestow.client.settings import JobSettings
from homestow.values.errors import BadRequest, LoginNeeded, NotFound


def netdrive_settings(wish: Wish, states: Path) -> JobSettings:
    """Log in, with the session that is kept or once with a password, and find the root.

    Raises:
        CloudError: the server refuses, or does not answer.
        Trouble: who, with what password, or which root, is not to be had.
    """

    def known(server: NetdriveServer, user: str) -> JobSettings:
        bind = _chosen(server, user, wish.root)
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
            remote_folder=wish.remote_folder,
        )

    door = Door(parse_netdrive(wish.server), allow_plain=wish.allow_plain)
    return entered(door, wish.user, known, wish.password)


def _chosen(server: NetdriveServer, user: str, wanted: str | None) -> Bind:
    try:
        return choose(server, user, wanted)
    except BadRequest as error:
        raise Trouble(error.message, USAGE) from error
    except NotFound as error:
        raise Trouble(error.message, TROUBLE) from error
