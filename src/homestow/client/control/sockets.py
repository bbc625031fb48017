"""Sockets of the control link as they all are made: bounded, never blocking, and with keys where they are ports."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from homestow.client.control.loop import Socket
from homestow.client.control.places import Keys
from homestow.values.errors import BadSettings

LEAST_LIBZMQ: Final = (4, 3, 5)
"""Older ones have holes that open before a peer is known (S85)."""

LOOPBACK: Final = "127.0.0.1"
LINGER_MS: Final = 300
"""At the end, so long the last messages may still leave."""

_HANDSHAKE_MS: Final = 2000
_PLAIN: Final = b"plain"
_KEYED: Final = b"keyed"


def context() -> "zmq.Context[Socket]":
    """A context for one hub.

    Raises:
        BadSettings: this computer's libzmq is too old.
    """
    if zmq.zmq_version_info() < LEAST_LIBZMQ:
        least = ".".join(map(str, LEAST_LIBZMQ))
        raise BadSettings(
            f"libzmq {zmq.zmq_version()} has known holes; the sync service needs {least} or newer. Update pyzmq."
        )
    return zmq.Context()


def make(made_in: "zmq.Context[Socket]", kind: int, *, longest: int, waiting: int) -> Socket:
    """A socket whose peers may send frames of `longest` bytes, and for each of which `waiting` messages are kept at most."""
    socket = made_in.socket(kind)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, longest)
    socket.setsockopt(zmq.SNDHWM, waiting)
    socket.setsockopt(zmq.RCVHWM, waiting)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    if kind == zmq.XPUB:
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    return socket


def bind_file(socket: Socket, path: Path) -> str:
    """Bind to a socket file that only this user can open; gives the endpoint."""
    if hasattr(os, "getuid"):
        # The folder keeps others out already; the system says who connects, so it is asked, too.
        socket.setsockopt(zmq.IPC_FILTER_UID, os.getuid())
    endpoint = f"ipc://{path}"
    socket.bind(endpoint)
    path.chmod(0o600)
    return endpoint


def bind_port(socket: Socket, port: int) -> int:
    """Bind to a port of the loopback, 0: a free one; gives the port.

    Raises:
        BadSettings: it cannot be had, mostly since another program has it; fact `port`.
    """
    try:
        socket.bind(f"tcp://{LOOPBACK}:{port or '*'}")
    except zmq.ZMQError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is in use by another program" if taken else f"cannot be opened ({error.strerror})"
        raise BadSettings(
            f"Port {port} of this computer {why}. {'End that one, or give' if taken else 'Give'} another with `-z`: the link"
            " needs three in a row, and `-z 0` takes any that are free.",
            port=port,
        ) from error
    return int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])


class Gate:
    """Decides who comes in at a port: a handler of ZAP requests, for one hub's context.

    Sockets behind `keyed` let in by CURVE only who has the keys that lie in the place. Those behind `plain` let in everybody who
    speaks ZMTP 3: with a gate, libzmq refuses the versions before it, whose first bytes an HTTP request may happen to be, so that a
    web page cannot say an order (S86).

    Args:
        before: called before anybody is let in: connections that were refused are cut by then, and what they sent meanwhile is lost.
    """

    def __init__(self, made_in: "zmq.Context[Socket]", before: Callable[[], None]) -> None:
        self._before = before
        server_public, self._server_secret = zmq.curve_keypair()
        self._public, secret = zmq.curve_keypair()
        self.keys = Keys(server_public.decode(), self._public.decode(), secret.decode())
        self.socket: Socket = made_in.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind("inproc://zeromq.zap.01")

    def plain(self, socket: Socket) -> None:
        """Have a socket want ZMTP 3; before it is bound."""
        socket.setsockopt(zmq.ZAP_DOMAIN, _PLAIN)

    def keyed(self, socket: Socket) -> None:
        """Have a socket ask for the keys; before it is bound."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._server_secret)
        socket.setsockopt(zmq.ZAP_DOMAIN, _KEYED)

    def answer(self) -> None:
        """Answer what libzmq asks of a peer (RFC 27)."""
        while self.socket.poll(0):
            version, request, domain, _address, _identity, *proof = self.socket.recv_multipart()
            self._before()
            known = proof == ([b"NULL"] if domain == _PLAIN else [b"CURVE", z85.decode(self._public)])
            verdict = [b"200", b"OK"] if known else [b"400", b"No access"]
            self.socket.send_multipart([version, request, *verdict, b"", b""])
