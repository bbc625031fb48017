"""One body on its way from a socket into memory: counted, never read past its end, and ended when it comes too slowly."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Room(Protocol):
    """Where a body's bytes go. `on_room` is called when there is room again, or `failure` says that nothing can go on."""

    loop: asyncio.AbstractEventLoop
    failure: BaseException | None
    on_room: Callable[[], None] | None

    def room(self) -> memoryview | None:
        """Where the next bytes go, at least one; None while there is no room."""

    def filled(self, count: int) -> None:
        """`count` more bytes stand at the beginning of what `room` gave."""


class Intake:
    """Lets a transport read exactly `remaining` bytes into `target`, as long as there is room.

    Begins and ends with a transport that is paused. `done` is resolved when all bytes are here, or fails with what ended
    them early: `ConnectionResetError` when the peer has left, the target's failure, or what `begin` was given.
    """

    def __init__(self, target: Room, remaining: int, resume: Callable[[], None], pause: Callable[[], None]) -> None:
        self.remaining = remaining
        self.done: asyncio.Future[None] = target.loop.create_future()
        self._target = target
        self._resume, self._pause = resume, pause
        self._timer: asyncio.TimerHandle | None = None
        self._reading = False
        self._lost = False

    def begin(self, bytes_per_s: int, window_s: float, too_slow: Callable[[], BaseException]) -> None:
        """Start to read; the body must bring `bytes_per_s` on average over each window (S19, S72)."""
        if not self.done.done():
            self._target.on_room = self.go_on
            self._watch(int(bytes_per_s * window_s), window_s, too_slow, self.remaining)
            self.go_on()

    def _watch(self, due: int, window_s: float, too_slow: Callable[[], BaseException], before: int) -> None:
        def check() -> None:
            if self._reading and before - self.remaining < due:
                self._fail(too_slow())
            else:
                self._watch(due, window_s, too_slow, self.remaining)

        self._timer = self._target.loop.call_later(window_s, check)

    def go_on(self) -> None:
        """Read when there is room to, or stop when writing has failed."""
        if self.done.done() or self._lost:
            return
        if self._target.failure is not None:
            self._fail(self._target.failure)
        elif not self._reading and self._target.room() is not None:
            self._reading = True
            self._resume()

    def end(self) -> None:
        """Stop reading for good."""
        if self._timer is not None:
            self._timer.cancel()
        self._target.on_room = None
        self._stop_reading()
        if not self.done.done():
            self.done.cancel()
        elif not self.done.cancelled():
            self.done.exception()  # who did not wait for it was told something else

    def lose(self) -> None:
        """The peer has left, or sends no more."""
        self._lost = True
        if not self.done.done():
            self.done.set_exception(ConnectionResetError("the peer has left"))

    def buffer(self) -> memoryview:
        """Where the next bytes go: never past the end of the body."""
        room = self._target.room()
        assert room is not None, "reading is paused while there is no room"
        return room[: self.remaining]

    def came(self, count: int) -> None:
        """Count bytes that came into `buffer`."""
        self.remaining -= count
        self._target.filled(count)
        if self.remaining == 0:
            self._stop_reading()
            if not self.done.done():
                self.done.set_result(None)
        elif self._target.room() is None:
            self._stop_reading()

    def _fail(self, error: BaseException) -> None:
        self._stop_reading()
        if not self.done.done():
            self.done.set_exception(error)

    def _stop_reading(self) -> None:
        self._reading = False
        if not self._lost:
            self._pause()
