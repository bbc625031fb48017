"""Who may hold a connection to a port of the control link: few, and of this user, where the system says whose a connection is.

libzmq accepts everybody, without a bound, and gathers frames of a message that never ends; so connections of others, and those
beyond a number, are cut as soon as libzmq tells of them (S83, S85).
"""

import logging
import os
import socket as sockets
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import zmq

from homestow.client.control import monitor
from homestow.client.control.loop import Loop, Socket
from homestow.client.control.sockets import LOOPBACK

_log = logging.getLogger(__name__)

MOST: Final = 64
"""Connections to one port."""


class Guard:
    """Watches the connections of one socket, from before it is bound; belongs to the loop's thread.

    Attributes:
        port: where it is bound; 0: not yet.
    """

    def __init__(self, loop: Loop, socket: Socket) -> None:
        self._loop = loop
        self._socket = socket
        self.port = 0
        self._open: set[int] = set()
        self._full = False
        self._cut: set[int] = set()
        self._monitor: Socket = socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        loop.watch(self._monitor, self.look)

    def end(self) -> None:
        """Watch no more; before the socket is closed."""
        self._loop.unwatch(self._monitor)
        self._socket.disable_monitor()
        self._monitor.close(linger=0)

    def refuses(self, number: int) -> bool:
        """Whether the connection of this number was cut: what came over it before does not count."""
        self.look()
        return number in self._cut

    def look(self) -> None:
        """Judge the connections that are new."""
        while self._monitor.poll(0):
            event, number = monitor.read(self._monitor)
            if event != zmq.EVENT_ACCEPTED:
                self._open.discard(number)
                continue
            self._open.add(number)
            self._cut.discard(number)
            self._judge(number)

    def _judge(self, number: int) -> None:
        """Cut a connection that may not be. Its number may be another's by now: only one of our port is touched."""
        try:
            copy = sockets.socket(fileno=os.dup(number))
        except OSError:
            return
        with copy, suppress(OSError):
            if copy.family != sockets.AF_INET or copy.getsockname() != (LOOPBACK, self.port):
                return
            owner = owner_of(copy.getpeername(), copy.getsockname())
            if owner is not None and owner not in (0, os.getuid()):
                _log.warning("a connection of user %d to port %d is refused", owner, self.port)
            elif len(self._open) <= MOST:
                self._full = False
                return
            elif not self._full:
                self._full = True
                _log.warning("port %d has %d connections; no more are let in", self.port, MOST)
            self._cut.add(number)
            copy.shutdown(sockets.SHUT_RDWR)


def owner_of(near: tuple[str, int], far: tuple[str, int]) -> int | None:
    """The number of the user who holds the end `near` of a connection within this computer; None: the system does not say."""
    if not sys.platform.startswith("linux"):
        return None
    wanted = [_hex(*near), _hex(*far)]
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
            parts = line.split()
            if parts[1:3] == wanted:
                return int(parts[7])
    return None


def _hex(host: str, port: int) -> str:
    """An address as /proc/net/tcp writes it: the number as the machine holds it."""
    return f"{struct.unpack('=I', sockets.inet_aton(host))[0]:08X}:{port:04X}"
