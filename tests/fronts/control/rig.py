"""A hub at a place of its own over a service in memory, and ends that know nothing but ZeroMQ."""

import json
import socket as sockets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq
from tests.control_twin import TwinService

from homestow.client.control import places
from homestow.client.control.hub import Hub
from homestow.client.control.places import Place
from homestow.wire.pydio import Ports

PATIENCE_S = 20.0
"""So long something may take on a busy machine; a test that passes never waits for it."""

Socket = zmq.Socket[bytes]


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """One service, its hub and raw sockets to it; all sockets end with it."""

    def __init__(self, folder: Path, *, jobs: bool = True, ports: bool | None = None) -> None:
        self.twin = TwinService(jobs=jobs)
        self.clock = Clock()
        self.folder = folder
        self.port_file = folder / "client" / "pydio_port_config"
        self.held = places.take(places.SERVICE, folder / "client")
        self.hub = Hub(self.twin, self.held, ports=ports, port_file=self.port_file, clock=self.clock)
        self.place: Place = self.hub.open()
        self.plain = Ports(0, 0, 0)
        self.context: zmq.Context[Socket] = zmq.Context()
        self.sockets: list[Socket] = []

    def close(self) -> None:
        """End all."""
        self.hub.close()
        self.held.release()
        self.context.destroy(linger=0)

    def open_plain(self, port: int = 0) -> Ports:
        """Open the plain words."""
        self.plain = self.hub.open_plain(port)
        return self.plain

    def forward(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds
        self.hub.poke()

    def connect(self, kind: int, to: str | int) -> Socket:
        """A raw socket, connected to an endpoint or a port."""
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = int(PATIENCE_S * 1000)
        socket.connect(to if isinstance(to, str) else f"tcp://127.0.0.1:{to}")
        self.sockets.append(socket)
        return socket

    def orders(self, kind: int = zmq.REQ) -> Socket:
        """A socket for orders of our own windows."""
        return self.connect(kind, self.place.orders)

    def command(self, kind: int = zmq.REQ) -> Socket:
        """A socket for plain orders."""
        return self.connect(kind, self.plain.command)

    def hear(self, *topics: str, to: str | int | None = None) -> "Ear":
        """A subscriber, of the plain words unless an endpoint is given; the hub knows its topics when it is there."""
        target = self.plain.pub if to is None else to
        return Ear(self.connect(zmq.SUB, target), topics, "ping" if to is None else "homestow.1/settings")

    def ask(self, order: dict[str, object]) -> Any:
        """What an order as JSON is answered, as JSON."""
        with self.orders() as socket:
            socket.send(json.dumps({"version": 1, "order": order}).encode())
            return json.loads(socket.recv())

    def say(self, order: str) -> str:
        """What a plain order is replied."""
        with self.command() as socket:
            socket.send(order.encode())
            return socket.recv().decode()


class Ear:
    """A subscriber that already hears."""

    def __init__(self, socket: Socket, topics: tuple[str, ...], last: str) -> None:
        self.socket = socket
        for topic in (*topics, last):
            socket.subscribe(topic)
        self.heard: list[str] = []
        """What came before it was known that all topics are."""
        # Subscriptions are taken in order, and the state of the last one is repeated.
        while not (came := socket.recv().decode()).startswith(last):
            self.heard.append(came)
        if not last.startswith(topics or " "):
            socket.unsubscribe(last)
        else:
            self.heard.append(came)

    def next(self) -> str:
        """The next publication."""
        return self.heard.pop(0) if self.heard else self.socket.recv().decode()

    def until(self, fits: Callable[[str], bool]) -> list[str]:
        """All publications up to and with what fits."""
        came: list[str] = []
        while not (came and fits(came[-1])):
            came.append(self.next())
        return came

    def flush(self, ms: int = 50) -> list[str]:
        """All that came, and comes in a moment."""
        came, self.heard = self.heard, []
        while self.socket.poll(ms):
            came.append(self.socket.recv().decode())
        return came


@contextmanager
def open_rig(folder: Path, *, jobs: bool = True, ports: bool | None = None) -> Iterator[Rig]:
    """A rig for so long."""
    rig = Rig(folder, jobs=jobs, ports=ports)
    try:
        yield rig
    finally:
        rig.close()


def wait_for(true: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.005)


# --- ZMTP 3.0 by hand -------------------------------------------------------------------------------------------------

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)


class Bytes:
    """A peer of ZMTP 3.0 without security, byte by byte over a plain connection."""

    def __init__(self, port: int, kind: str, *, shake: bool = True) -> None:
        self.socket = sockets.create_connection(("127.0.0.1", port), PATIENCE_S)
        if shake:
            self.send(GREETING)
            greeting = self.read(64)
            assert greeting[:1] == b"\xff"
            assert greeting[9:11] == b"\x7f\x03"
            assert greeting[12:32] == b"NULL".ljust(20, b"\0")
            ready = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind.encode()
            self.send(b"\x04" + bytes([len(ready)]) + ready)
            flags, size = self.read(2)
            assert flags == 4
            assert self.read(size).startswith(b"\x05READY")

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.socket.sendall(data)

    def read(self, size: int) -> bytes:
        """So many bytes."""
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError(data)
            data += more
        return data

    def is_cut(self) -> bool:
        """Whether the other end closes it."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
