"""The client's end of the control protocol: give orders to a running service, and hear its news."""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import zmq

from homestow.client.control import monitor as monitor_events
from homestow.client.control.places import Place
from homestow.client.control.service import ServiceAway
from homestow.values.errors import CloudError, ServerError, all_errors
from homestow.wire.control import (
    MAX_MESSAGE_BYTES,
    TOPIC,
    AnyNews,
    AnyOrder,
    Refused,
    decode_answer,
    decode_news,
    encode_order,
)

_log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_S: Final = 0.5
"""While an answer is awaited or the service is away, so often it is looked whether it lives."""

WHAT_TO_DO: Final = "Start it with `homestow sync`, or open the window with `homestow ui`."

_MAX_ANSWER_BYTES: Final = 64 * MAX_MESSAGE_BYTES


class RefusedBy(CloudError):
    """The service refused an order for a reason that has no class of its own; `code` is the reason's name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # the only error whose code comes from elsewhere


def refusal(refused: Refused) -> CloudError:
    """The error that a refusal tells of: of the class that has its code, else `RefusedBy`."""
    for kind in all_errors():
        if kind.code == refused.code and kind is not RefusedBy:
            return kind(refused.message)
    return RefusedBy(refused.code, refused.message)


class Link:
    """A link to one service; thread-safe, and it outlives restarts of the service at the same place.

    Args:
        place: from `places.live` or `places.find`.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stops: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._closed = False
        # A program that forgets to close it would wait for ever at its end for sockets that are still open.
        atexit.register(self.close)

    def ask(self, order: AnyOrder, timeout_s: float = 60.0) -> Any:
        """Give an order and wait for what it gives (see `wire.control.GIVES`); orders of several threads wait side by side.

        Raises:
            CloudError: refused, by the class of the refusal's code, or `RefusedBy`.
            ServiceAway: no service answers; the message says what to do. The order may have been obeyed nevertheless.
        """
        place = self._now()
        socket = self._socket(zmq.REQ, place)
        try:
            socket.connect(place.orders)
            socket.send(encode_order(order))
            frame = self._reply(socket, place, time.monotonic() + timeout_s)
        except zmq.ZMQError as error:
            raise ServiceAway(f"The link to the sync service broke ({error}). {WHAT_TO_DO}") from error
        finally:
            socket.close()
        try:
            gave = decode_answer(frame, type(order))
        except ValueError as error:
            raise ServerError("The sync service gave an answer that is none; update the older of both.") from error
        if isinstance(gave, Refused):
            raise refusal(gave)
        return gave

    def subscribe(
        self,
        topics: Sequence[str],
        heard: Callable[[AnyNews], None],
        connected: Callable[[bool], None] | None = None,
    ) -> Callable[[], None]:
        """Have `heard` called with all news under these topics, from a thread of the link's own; gives what ends that.

        The service repeats the present state of each topic when it begins, and after it was away.

        Args:
            topics: beginnings of topics without the version: "general", "job/", "progress/", "events", "settings"; "" all.
            heard: returns soon; news that come meanwhile wait, and are dropped when they are too many.
            connected: is told True when the service is there, also for the first time, and False when it went away. Jobs may have
                vanished meanwhile: list them anew.
        """
        with self._lock:
            if self._closed:
                raise ServiceAway("The link is closed.")
            hearing = _Hearing(self, tuple(f"{TOPIC}{topic}".encode() for topic in topics), heard, connected)
            self._stops.append(hearing.stop)
        hearing.start()
        return hearing.stop

    def close(self) -> None:
        """End all subscriptions and the link; may be called twice, but not by `heard` or `connected`."""
        with self._lock:
            self._closed = True
            stops, self._stops = self._stops, []
        atexit.unregister(self.close)
        for stop in stops:
            stop()
        self._context.destroy(linger=0)

    def _now(self) -> Place:
        place = self.place.again()
        if place is None or self._closed:
            raise ServiceAway(f"The sync service does not run. {WHAT_TO_DO}")
        return place

    def _reply(self, socket: "zmq.Socket[bytes]", place: Place, give_up: float) -> bytes:
        while True:
            left = give_up - time.monotonic()
            if socket.poll(int(1000 * max(0.0, min(_LOOK_S, left)))):
                return socket.recv()
            if left <= 0:
                raise ServiceAway(
                    f"The sync service (process {place.pid}) did not answer in time; it is very busy, or it was halted. Try "
                    "again later. Does that not help, end that process and begin anew with `homestow sync`: nothing is lost."
                )
            now = place.again()
            if now is None or now.pid != place.pid or now.begun_ns != place.begun_ns:
                raise ServiceAway(f"The sync service ended before it answered. {WHAT_TO_DO}")

    def _socket(self, kind: int, place: Place) -> "zmq.Socket[bytes]":
        """A socket that is not connected yet."""
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, _MAX_ANSWER_BYTES)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        if place.keys is not None:
            socket.curve_serverkey = place.keys.server.encode()
            socket.curve_publickey = place.keys.public.encode()
            socket.curve_secretkey = place.keys.secret.encode()
        return socket


class _Hearing:
    """One subscription: a thread that hears and tells."""

    def __init__(
        self,
        link: Link,
        topics: tuple[bytes, ...],
        heard: Callable[[AnyNews], None],
        connected: Callable[[bool], None] | None,
    ) -> None:
        self._link = link
        self._topics = topics
        self._heard = heard
        self._connected = connected
        self._there: bool | None = None
        self._ended = threading.Event()
        self._end = link._context.socket(zmq.PAIR)
        self._ends = link._context.socket(zmq.PAIR)
        self._end.bind(f"inproc://end-{id(self)}")
        self._ends.connect(f"inproc://end-{id(self)}")
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="homestow-news", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread, unless it is the thread that asks; may be called twice."""
        with self._lock:
            if not self._ended.is_set():
                self._ended.set()
                self._ends.send(b"", zmq.NOBLOCK)
                self._ends.close(linger=100)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                place = self._link.place.again()
                if place is None:
                    self._tell(False)
                    self._end.poll(int(1000 * _LOOK_S))
                    continue
                self._hear(place)
        finally:
            self._end.close(linger=0)

    def _hear(self, place: Place) -> None:
        """Hear one service until it is another one or the end."""
        socket = self._link._socket(zmq.SUB, place)
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        try:
            for topic in self._topics:
                socket.subscribe(topic)
            socket.connect(place.news)
            poller = zmq.Poller()
            for each in (socket, monitor, self._end):
                poller.register(each, zmq.POLLIN)
            while not self._ended.is_set():
                ready = dict(poller.poll(None if self._there else int(1000 * _LOOK_S)))
                if monitor in ready:
                    self._tell(monitor_events.read(monitor).event == zmq.EVENT_HANDSHAKE_SUCCEEDED)
                if socket in ready:
                    self._take(socket)
                if not self._there and _other(place, self._link.place.again()):
                    return
        finally:
            socket.disable_monitor()
            monitor.close(linger=0)
            socket.close(linger=0)

    def _take(self, socket: "zmq.Socket[bytes]") -> None:
        # Not all at once: the end is looked at in between.
        for _ in range(100):
            try:
                frame = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                news = decode_news(frame)
            except ValueError:
                # Of a newer service; what is known goes on.
                continue
            self._give(self._heard, news)

    def _tell(self, there: bool) -> None:
        if there != self._there:
            self._there = there
            if self._connected is not None:
                self._give(self._connected, there)

    def _give(self, listener: Callable[[T], None], what: T) -> None:
        try:
            listener(what)
        except Exception:  # noqa: BLE001  # the outer loop of a worker: other news are heard nevertheless
            _log.exception("a listener failed")


def _other(place: Place, now: Place | None) -> bool:
    """Whether the place is left or somebody else's."""
    return now is None or (now.orders, now.news, now.keys) != (place.orders, place.news, place.keys)
