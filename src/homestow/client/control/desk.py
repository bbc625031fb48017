"""Where orders arrive: each is taken, obeyed and answered, and whoever asks is never waited for."""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import zmq

from homestow.client.control.loop import Loop, Socket
from homestow.client.control.pool import Pool
from homestow.client.control.service import SyncService
from homestow.values.errors import CloudError
from homestow.wire import pydio
from homestow.wire.control import SLOW, AnyOrder, Refused, decode_order, encode_answer

_log = logging.getLogger(__name__)

MAX_FRAMES: Final = 8
BATCH: Final = 100
"""Orders taken of one socket before others have their turn."""

_MAX_BEHIND: Final = 256
"""Orders of one peer that wait behind a slow one."""

Plain = Callable[[bytes], tuple[bytes, Callable[[], None]]]
"""Obeys a plain order: gives the reply, and what is done right after it left."""


class Envelope:
    """The frames before an order, which lead its answer back."""

    __slots__ = ("frames",)

    def __init__(self, frames: tuple[bytes, ...]) -> None:
        self.frames = frames

    @property
    def is_bare(self) -> bool:
        """Without an id of the peer's own: answers come in the order of the orders."""
        return len(self.frames) <= 2


def open_letter(frames: list[bytes]) -> tuple[Envelope, bytes | None]:
    """Part what a ROUTER received into envelope and order; None: it is not one frame."""
    cut = frames.index(b"", 1) + 1 if b"" in frames[1:] else 1
    body = frames[cut:]
    return Envelope(tuple(frames[:cut])), body[0] if len(body) == 1 else None


def receive(socket: Socket, refuses: Callable[[int], bool] | None = None) -> list[bytes] | None:
    """One message; [] one of too many frames or of a connection that is refused, None: there is none."""
    frames: list[bytes] = []
    count = 0
    try:
        while True:
            frame = socket.recv(zmq.NOBLOCK, copy=False)
            count += 1
            if count <= MAX_FRAMES:
                frames.append(frame.bytes)
            if not frame.more:
                break
    except zmq.Again:
        return None
    if count > MAX_FRAMES or (refuses is not None and refuses(int(frame.get(zmq.SRCFD)))):
        return []
    return frames


def reply(socket: Socket, envelope: Envelope, frame: bytes) -> None:
    """Send an answer; it is lost when the peer is gone or does not take its answers."""
    with suppress(zmq.ZMQError):
        socket.send_multipart([*envelope.frames, frame], zmq.NOBLOCK)


class Desk:
    """Orders of our own windows and shells, JSON or plain; belongs to the loop's thread.

    Orders of a peer that gives them no id of its own are obeyed and answered one after the other.
    """

    def __init__(self, loop: Loop, socket: Socket, service: SyncService, pool: Pool, plain: Plain) -> None:
        self._loop = loop
        self._socket = socket
        self._service = service
        self._pool = pool
        self._plain = plain
        self._behind: dict[bytes, deque[tuple[Envelope, AnyOrder | Refused | bytes]]] = {}
        loop.watch(socket, self._look)

    def end(self) -> None:
        """Take no more orders."""
        self._loop.unwatch(self._socket)

    def _look(self) -> None:
        for _ in range(BATCH):
            frames = receive(self._socket)
            if frames is None:
                return
            if frames:
                self._take(*open_letter(frames))

    def _take(self, envelope: Envelope, body: bytes | None) -> None:
        order: AnyOrder | Refused | bytes
        if body is None:
            order = Refused(code="bad-request", message="An order is one frame.")
        elif body.lstrip()[:1] == b"{":
            order = decode_order(body)
        else:
            order = body
        peer = envelope.frames[0]
        line = self._behind.get(peer) if envelope.is_bare else None
        if line is None:
            self._obey(envelope, order)
        elif len(line) < _MAX_BEHIND:
            line.append((envelope, order))
        else:
            refused = Refused(code="busy", message="Too many orders wait; take the answers first.")
            reply(self._socket, envelope, encode_answer(refused))

    def _obey(self, envelope: Envelope, order: AnyOrder | Refused | bytes) -> None:
        match order:
            case Refused():
                reply(self._socket, envelope, encode_answer(order))
            case bytes():
                frame, after = self._plain(order)
                reply(self._socket, envelope, frame)
                after()
            case _ if type(order) in SLOW:
                self._obey_slowly(envelope, order)
            case _:
                reply(self._socket, envelope, obey(self._service, order))

    def _obey_slowly(self, envelope: Envelope, order: AnyOrder) -> None:
        if envelope.is_bare:
            self._behind.setdefault(envelope.frames[0], deque())

        def work() -> None:
            frame = obey(self._service, order)
            self._loop.later(lambda: self._obeyed(envelope, frame))

        if not self._pool.give(work):
            refused = Refused(code="busy", message="The sync service has too much to do at the moment; try again.")
            self._obeyed(envelope, encode_answer(refused))

    def _obeyed(self, envelope: Envelope, frame: bytes) -> None:
        """A slow order was done: answer it, and go on with what its peer ordered meanwhile, until one of these is slow."""
        if not self._socket.closed:
            reply(self._socket, envelope, frame)
        if not envelope.is_bare:
            return
        peer = envelope.frames[0]
        line = self._behind.pop(peer)
        while line:
            self._obey(*line.popleft())
            if peer in self._behind:
                self._behind[peer] = line
                return


def obey(service: SyncService, order: AnyOrder) -> bytes:
    """Have the service obey; gives the answer, whatever happens."""
    try:
        return encode_answer(service.do(order))
    except CloudError as error:
        return encode_answer(Refused(code=error.code, message=error.message))
    except Exception:  # noqa: BLE001  # the outer loop of orders: the service lives on
        _log.exception("an order failed: %s", type(order).__name__)
        return encode_answer(Refused(code="internal", message="The sync service failed at this; its log says why."))


class PlainDesk:
    """Plain orders, or the watch, on a port; belongs to the loop's thread. All of them are quick.

    Args:
        refuses: whether a connection, by its number, was cut.
    """

    def __init__(self, loop: Loop, socket: Socket, plain: Plain, refuses: Callable[[int], bool]) -> None:
        self._refuses = refuses
        self._loop = loop
        self._socket = socket
        self._plain = plain
        loop.watch(socket, self._look)

    def end(self) -> None:
        """Take no more orders."""
        self._loop.unwatch(self._socket)

    def _look(self) -> None:
        for _ in range(BATCH):
            frames = receive(self._socket, self._refuses)
            if frames is None:
                return
            if not frames:
                continue
            envelope, body = open_letter(frames)
            frame, after = (pydio.UNDEFINED, _nothing) if body is None else self._plain(body)
            reply(self._socket, envelope, frame)
            after()


def _nothing() -> None:
    pass
