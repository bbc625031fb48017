"""Give an administration order: to the server that runs on the data folder, or to the folder itself when none does."""

import http.client
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from homestow.cli.troubles import TROUBLE, Trouble
from homestow.server.settings import DataFolder, load
from homestow.values.errors import NotHomestow, StoreLocked, Unreachable, by_code
from homestow.wire.api import PREFIX, Order, Outcome, Problem
from homestow.wire.calls import BY_NAME

Args = Mapping[str, str | int | bool | None | list[str]]

_STARTING_S = 15.0
"""A server that holds the lock but does not answer yet is starting, or stopping: so long we wait for either."""


class _Unix(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=None)
        self._path = path

    def connect(self) -> None:
        """Connect; the folder is opened first, since a socket's own name has 107 bytes at most."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.connect(
                f"/proc/self/fd/{folder}/{self._path.name}" if len(str(self._path)) > 100 else str(self._path)
            )
        finally:
            os.close(folder)


def give(data: Path, name: str, args: Args) -> Outcome:
    """Carry out the order `name` on the data folder, whoever holds it, and give what came of it.

    Raises:
        CloudError: as the order fails; `StoreLocked` when something that takes no orders holds the folder.
    """
    order = Order(name=name, args=dict(args))
    folder = DataFolder(data).make()
    give_up = time.monotonic() + _STARTING_S
    while True:
        answer = ask_server(folder.socket, order)
        if answer is not None:
            return answer
        try:
            return _directly(folder, order)
        except StoreLocked:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def ask_server(path: Path, order: Order) -> Outcome | None:
    """What the running server answers to the order; None when none listens at the socket `path`.

    Raises:
        CloudError: the server refused it, or stopped while it was at it (`Unreachable`).
    """
    link = _Unix(path)
    try:
        link.connect()
    except (FileNotFoundError, ConnectionRefusedError):
        link.close()
        return None
    except PermissionError as error:
        link.close()
        raise Trouble(f"{path} is not yours; run this as the user who runs the server.", TROUBLE) from error
    call = BY_NAME["order"]
    try:
        link.request(
            call.method,
            PREFIX + call.path,
            msgspec.json.encode(order),
            {"Content-Type": "application/json"},
        )
        answer = link.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable("The server stopped before it answered; look whether the order was carried out.") from error
    finally:
        with suppress(OSError):
            link.close()
    try:
        if answer.status == call.status:
            return msgspec.json.decode(body, type=Outcome)
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError as error:
        raise NotHomestow(f"{path} does not answer as a Homestow server does; restart the server.") from error
    raise by_code(problem.code)(problem.message, **problem.facts)


def _directly(folder: DataFolder, order: Order) -> Outcome:
    """Open the folder for this one order; no server has it."""
    from homestow.server.bootstrap import open_house

    with open_house(folder.path, load(folder.path, os.environ, {})) as house:
        return house.services.admin.run(order)
