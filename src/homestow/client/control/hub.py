"""The sync service's end of the control protocol over ZeroMQ: orders are answered, news are published."""

import logging
import os
import socket as sockets
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

import zmq

from homestow.client.control.places import Held, Place
from homestow.client.control.pool import Pool
from homestow.client.control.service import SyncService
from homestow.values.errors import CloudError
from homestow.wire.control import (
    MAX_MESSAGE_BYTES,
    SLOW,
    AnyNews,
    AnyOrder,
    Ended,
    Hello,
    Refused,
    decode_order,
    encode_answer,
    encode_news,
)

_log = logging.getLogger(__name__)

Socket = zmq.Socket[bytes]

_MAX_FRAMES: Final = 8
_MAX_NEWS: Final = 10_000
"""So many publications wait at most between the service and the hub."""


class Hub:
    """Serves one service at one place; everything that is public is thread-safe.

    One thread owns all sockets. It sleeps until an order, news or a moment comes.

    Args:
        service: what obeys.
        held: where.
        clock: seconds that only grow; tests move it, and call `poke`.
    """

    def __init__(self, service: SyncService, held: Held, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._held = held
        self._clock = clock
        self._context: zmq.Context[Socket] = zmq.Context()
        self._waking, self._woken = sockets.socketpair()
        self._waking.setblocking(False)
        self._woken.setblocking(False)
        self._lock = threading.Lock()
        self._awake = False
        self._news: deque[AnyNews] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._ended = False
        self._pool = Pool()
        self._thread = threading.Thread(target=self._run, name="homestow-hub", daemon=True)
        self._orders: Socket | None = None
        self._out: Socket | None = None
        self._lines: dict[bytes, deque[Callable[[], None]]] = {}
        self._hush: Callable[[], None] = lambda: None

    # --- from any thread ------------------------------------------------------------------------------------------

    def open(self) -> Place:
        """Begin to answer and to publish; gives where."""
        place = self._bind()
        self._thread.start()
        self._hush = self._service.listen(self._hear)
        return place

    def close(self) -> None:
        """Say goodbye and end; sockets and their files are gone then. May be called twice."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._hush()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.close()
        self._context.destroy(linger=300)
        self._waking.close()
        self._woken.close()

    def poke(self) -> None:
        """Have the hub look at its clock anew."""
        self._wake()

    def _hear(self, news: AnyNews) -> None:
        with self._lock:
            if len(self._news) < _MAX_NEWS:
                self._news.append(news)
        self._wake()

    def _call(self, what: Callable[[], Any]) -> Any:
        """Have the hub's thread do something; gives what came of it."""
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set_result(what())
            except (CloudError, OSError) as error:
                done.set_exception(error)

        self._calls.append(run)
        self._wake()
        return done.result()

    def _wake(self) -> None:
        with self._lock:
            if self._awake:
                return
            self._awake = True
        with suppress(OSError):
            self._waking.send(b"!")

    # --- the hub's thread -----------------------------------------------------------------------------------------

    def _bind(self) -> Place:
        about = self._service.do(Hello())
        self._orders = self._context.socket(zmq.ROUTER)
        self._out = self._context.socket(zmq.XPUB)
        for each in (self._orders, self._out):
            each.setsockopt(zmq.LINGER, 300)
            each.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._out.setsockopt(zmq.XPUB_VERBOSE, 1)
        orders, news = (f"ipc://{self._held.folder / name}" for name in ("orders", "news"))
        self._out.bind(news)
        self._orders.bind(orders)
        for name in ("orders", "news"):
            os.chmod(self._held.folder / name, 0o600)
        return self._held.tell(
            Place("", self._held.folder, about.pid, about.begun_ns, about.jobs_file, orders, news, about.version)
        )

    def _run(self) -> None:
        assert self._orders is not None
        assert self._out is not None
        poller = zmq.Poller()
        poller.register(self._woken.fileno(), zmq.POLLIN)
        poller.register(self._orders, zmq.POLLIN)
        poller.register(self._out, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._woken.fileno() in ready:
                with self._lock:
                    self._awake = False
                with suppress(BlockingIOError):
                    self._woken.recv(64)
            while self._calls:
                self._calls.popleft()()
            if self._orders in ready:
                self._take_orders(self._orders)
            if self._out in ready:
                self._take_subscriptions(self._out)
            self._publish()
            if self._ended:
                self._out.send(encode_news(Ended()))
                self._orders.close()
                self._out.close()
                return

    def _take_orders(self, socket: Socket) -> None:
        for _ in range(100):
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._order(socket, frames)

    def _order(self, socket: Socket, frames: list[bytes]) -> None:
        cut = frames.index(b"", 1) + 1 if b"" in frames[1:] else 1
        envelope, body = frames[:cut], frames[cut:]
        if len(body) != 1 or len(frames) > _MAX_FRAMES:
            order: AnyOrder | Refused = Refused(code="bad-request", message="An order is one frame.")
        else:
            order = decode_order(body[0])
        slow = type(order) in SLOW

        def answer(frame: bytes) -> None:
            with suppress(zmq.ZMQError):
                socket.send_multipart([*envelope, frame], zmq.NOBLOCK)

        if isinstance(order, Refused):
            answer(encode_answer(order))
        elif slow:
            self._pool.give(lambda: self._calls_answer(answer, self._obey(order)))
        else:
            answer(self._obey(order))

    def _calls_answer(self, answer: Callable[[bytes], None], frame: bytes) -> None:
        self._calls.append(lambda: answer(frame))
        self._wake()

    def _obey(self, order: AnyOrder) -> bytes:
        try:
            return encode_answer(self._service.do(order))
        except CloudError as error:
            return encode_answer(Refused(code=error.code, message=error.message))
        except Exception:  # noqa: BLE001  # the outer loop of orders: the service lives on
            _log.exception("an order failed: %s", type(order).__name__)
            return encode_answer(Refused(code="internal", message="The sync service failed at this; its log says why."))

    def _take_subscriptions(self, socket: Socket) -> None:
        begun: set[bytes] = set()
        for _ in range(1000):
            try:
                frame = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if frame[:1] == b"\x01":
                begun.add(frame[1:])
        if begun:
            for news in self._service.current():
                frame = encode_news(news)
                if frame.startswith(tuple(begun)):
                    socket.send(frame, zmq.NOBLOCK)

    def _publish(self) -> None:
        assert self._out is not None
        with self._lock:
            fresh, self._news = self._news, deque()
        for news in fresh:
            self._out.send(encode_news(news), zmq.NOBLOCK)
