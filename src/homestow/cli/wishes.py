"""What `homestow sync` was asked for."""

from pathlib import Path
from typing import NamedTuple

Ports = tuple[int | None, int | None]
"""Ports of the plain ZeroMQ link and of the local HTTP API; None: not asked for, 0: any free one."""


class Wish(NamedTuple):
    """What `homestow sync` was asked for; `root` None: the account's own; `user` None: whoever is known for this server."""

    server: str
    directory: Path
    root: str | None
    user: str | None
    password: str | None
    direction: str
    once: bool
    accept_deletes: bool
    allow_plain: bool = False
    remote_folder: str = ""
    ports: Ports = (None, None)

    @property
    def is_netdrive(self) -> bool:
        """Whether the server is spoken to by the netdrive protocol."""
        return self.server.startswith(("netdrive://", "netdrives://"))


class Jobs(NamedTuple):
    """What `homestow sync` was asked for with -f or without a folder: the jobs of a file; None: the stored jobs.

    `added` is a folder that shall be one of them from now on.
    """

    file: Path | None
    ports: Ports
    added: Wish | None = None
