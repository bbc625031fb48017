"""One thread that owns sockets: it sleeps until one of them, a call from another thread or a moment wants it."""

import logging
import math
import socket as sockets
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

import zmq

from homestow.values.errors import Unreachable

_log = logging.getLogger(__name__)

Socket = zmq.Socket[bytes]
T = TypeVar("T")

_LONGEST_MS: Final = 2**31 - 1


class Loop:
    """The thread and its sockets.

    Args:
        turn: called in each turn, after the sockets; gives the seconds until it wants to be called again, None: never by itself.
    """

    def __init__(self, turn: Callable[[], float | None]) -> None:
        self._turn = turn
        self._poller = zmq.Poller()
        self._ready: dict[Any, Callable[[], None]] = {}
        self._waker, self._woken = sockets.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._poller.register(self._woken.fileno(), zmq.POLLIN)
        self._lock = threading.Lock()
        self._awake = False
        self._calls: deque[Callable[[], None]] = deque()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="homestow-hub", daemon=True)

    # --- from any thread ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """End after the calls that wait, and wait for that; may be called twice, and before `start`, by another thread."""
        with self._lock:
            self._ending = True
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._waker.close()
        self._woken.close()

    def wake(self) -> None:
        """Have a turn made soon."""
        with self._lock:
            if self._awake:
                return
            self._awake = True
        # Closed: the loop is over.
        with suppress(OSError):
            self._waker.send(b"!")

    def later(self, what: Callable[[], None]) -> None:
        """Have the thread do something soon; nothing when it is over."""
        self._calls.append(what)
        self.wake()

    def call(self, what: Callable[[], T]) -> T:
        """Have the thread do something and wait; gives what came of it.

        Raises:
            Unreachable: the loop is over. And what it raised.
        """
        if threading.current_thread() is self._thread:
            return what()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(what())
            except Exception as error:  # noqa: BLE001  # whoever asked gets it, whatever it is: they wait for it
                done.set_exception(error)

        with self._lock:
            if self._ending:
                raise Unreachable("The sync service is ending.")
            self._calls.append(run)
        self.wake()
        return done.result()

    # --- in the thread, and before it begins ----------------------------------------------------------------------

    def watch(self, socket: Socket, ready: Callable[[], None]) -> None:
        """Call `ready` in each turn in which the socket has something; it takes a part of it, and returns soon."""
        self._poller.register(socket, zmq.POLLIN)
        self._ready[socket] = ready

    def unwatch(self, socket: Socket) -> None:
        """Look at it no more."""
        self._poller.unregister(socket)
        del self._ready[socket]

    def _run(self) -> None:
        wait: float | None = 0.0
        while not self._ending:
            try:
                wait = self._once(wait)
            except Exception:  # noqa: BLE001  # the outer loop of a worker
                _log.exception("a turn of the control link failed")
                wait = 1.0
        self._drain()

    def _once(self, wait_s: float | None) -> float | None:
        wait_ms = None if wait_s is None else min(_LONGEST_MS, math.ceil(max(0.0, wait_s) * 1000))
        events = dict(self._poller.poll(wait_ms))
        if events.pop(self._woken.fileno(), 0):
            # In this order: a wake that comes between the two is for what is looked at below. The other way round its byte
            # would be taken here, and nobody could wake us again.
            with suppress(BlockingIOError):
                self._woken.recv(16)
            with self._lock:
                self._awake = False
        self._drain()
        for socket in events:
            if (ready := self._ready.get(socket)) is not None:
                ready()
        return self._turn()

    def _drain(self) -> None:
        while self._calls:
            self._calls.popleft()()
