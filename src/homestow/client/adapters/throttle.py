"""How fast bytes may go to servers and come from them, over all connections of this process; changed while they flow."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from homestow.client.ports.clock import Clock

PIECE: Final = 64 * 1024
"""Most bytes given or taken at once while a limit holds."""

SLOWEST: Final = 8_000
"""Bytes per second; a lower limit is taken for this one. Servers give up connections that are slower than 1 KiB/s each (S19)."""

_BURST_S: Final = 0.25
_SLICE_S: Final = 0.5
_LEAST_S: Final = 0.001
_LARGE: Final = 64 * 1024
_EACH: Final = 4_000


def _never() -> bool:
    return False


class Flow:
    """One direction: a bucket that fills at the limit and may be overdrawn by the piece under way. Thread-safe.

    Args:
        wait: lets so many seconds pass; by default really, and less when the limit changes.
    """

    def __init__(self, clock: Clock, wait: Callable[[float], None] | None = None) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._wait = self._really if wait is None else wait
        self._limit = 0
        self._balance, self._at = 0.0, clock.monotonic()
        self._large = 0

    @property
    def limited(self) -> bool:
        """Whether there is a limit now."""
        return self._limit > 0

    @property
    def piece(self) -> int:
        """So many bytes at most may be given or taken at once, that all connections get on and a change is felt soon."""
        return min(PIECE, max(1024, self._limit // 8)) if self._limit else PIECE

    def limit(self, bytes_per_s: int) -> None:
        """From now on at most so fast; 0: no limit."""
        with self._changed:
            self._fill()
            self._limit = max(bytes_per_s, SLOWEST) if bytes_per_s > 0 else 0
            self._balance = max(self._balance, -float(self._limit))
            self._changed.notify_all()

    def spend(self, size_bytes: int, given_up: Callable[[], bool] = _never) -> float:
        """So many bytes went or came: wait until others may; the seconds that took. Ends early when nobody waits for it."""
        if not self._limit:
            return 0.0
        begun = self._clock.monotonic()
        with self._changed:
            self._fill()
            self._balance -= size_bytes
        while not given_up():
            with self._changed:
                self._fill()
                if not self._limit or self._balance >= 0:
                    break
                pause = min(max(-self._balance / self._limit, _LEAST_S), _SLICE_S)
            self._wait(pause)
        return self._clock.monotonic() - begun

    @contextmanager
    def line(self, size_bytes: int, given_up: Callable[[], bool] = _never) -> Iterator[None]:
        """For the time of one body: of large ones only so many go at once that each is fast enough for the other side."""
        if size_bytes <= _LARGE:
            yield
            return
        begun = self._begin_large()
        while not begun and not given_up():
            self._wait(_SLICE_S)
            begun = self._begin_large()
        try:
            yield
        finally:
            if begun:
                with self._changed:
                    self._large -= 1
                    self._changed.notify_all()

    def _begin_large(self) -> bool:
        with self._changed:
            if self._limit and self._large >= max(1, self._limit // _EACH):
                return False
            self._large += 1
            return True

    def _fill(self) -> None:
        now = self._clock.monotonic()
        if self._limit:
            self._balance = min(self._balance + (now - self._at) * self._limit, self._limit * _BURST_S)
        else:
            self._balance = 0.0
        self._at = now

    def _really(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)


class Throttle:
    """The limits of both directions, shared by all jobs.

    Attributes:
        up, down: to servers, from servers.
    """

    def __init__(self, clock: Clock, wait: Callable[[float], None] | None = None) -> None:
        self.up, self.down = Flow(clock, wait), Flow(clock, wait)

    def limit(self, up: int, down: int) -> None:
        """From now on at most so many bytes per second; 0: no limit."""
        self.up.limit(up)
        self.down.limit(down)
