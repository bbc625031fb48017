"""One window per person: the first listens in a folder that only its owner can enter, a second asks it to come to the front."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from homestow.client.control import places
from homestow.values.errors import StoreLocked

NAME: Final = "window"
_SOCKET: Final = "orders"
_PATIENCE_S: Final = 2.0


class First:
    """This process has the window; `listener` becomes readable when another wants to see it.

    Where there are no sockets in folders `listener` is None, and a second window only says that there is one.
    """

    def __init__(self, held: places.Held) -> None:
        self._held = held
        self.listener: socket.socket | None = None
        if held.has_sockets and sys.platform != "win32":
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                listener.setblocking(False)
                listener.bind(str(held.folder / _SOCKET))
                listener.listen(4)
            except OSError:
                listener.close()
            else:
                self.listener = listener

    def heed(self) -> bool:
        """Whether somebody asked for the window; call it when `listener` is readable."""
        if self.listener is None:
            return False
        asked = False
        with suppress(BlockingIOError):
            while True:
                peer, _ = self.listener.accept()
                with peer, suppress(OSError):
                    peer.send(b"ok")
                asked = True
        return asked

    def release(self) -> None:
        """The window is no more; may be called twice."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        self._held.release()


def take(folder: Path | None = None) -> First | None:
    """Be the window for the client's data in `folder` (None: this user's); None: there is one, and it was asked to come up.

    Raises:
        StorageFailed: no folder can be had that only this user can enter.
    """
    try:
        return First(places.take(NAME, folder))
    except StoreLocked:
        there = places.holder(NAME, folder)
        if there is not None and sys.platform != "win32":
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
                caller.settimeout(_PATIENCE_S)
                caller.connect(str(there.folder / _SOCKET))
                caller.recv(2)
        return None
