"""What libzmq tells of a socket's connections.

Its Python package has a reader of its own, which loads asyncio: time at the start of every command, memory while a service idles.
"""

import struct
from typing import Final, NamedTuple

import zmq

_FORM: Final = struct.Struct("=HI")


class Happened(NamedTuple):
    """An event (one of `zmq.EVENT_…`) and its value: mostly the connection's number."""

    event: int
    value: int


def read(monitor: "zmq.Socket[bytes]") -> Happened:
    """The next event of a monitor.

    Source: zmq_socket_monitor(3): the first frame is 16 bits of event and 32 of value, as the machine holds numbers.
    """
    return Happened(*_FORM.unpack(monitor.recv_multipart()[0]))
