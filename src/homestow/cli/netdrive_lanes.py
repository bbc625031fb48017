"""Several connections at work on one list of transfers, and patience with a server that is away for a moment."""

import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from homestow.cli.troubles import one_line
from homestow.client.adapters.netdrive_client import CONNECTIONS
from homestow.values.errors import Unreachable

PATIENCE_S: Final = 60.0
"""So long a transfer waits for a server that is away, before it gives up and can be continued by another run."""

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0

T = TypeVar("T")


class Work(Generic[T]):
    """Items that several threads take from, and give back when the connection they went out on broke."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = deque(items)
        self._lock = threading.Lock()
        self._stopped = False

    def take(self) -> T | None:
        """The next one; None when there is none now, or nobody shall go on."""
        with self._lock:
            return self._items.popleft() if self._items and not self._stopped else None

    def give_back(self, items: Iterable[T]) -> None:
        """To be taken again, before all others."""
        with self._lock:
            self._items.extendleft(reversed(list(items)))

    def stop(self) -> None:
        """Nobody takes anything more."""
        with self._lock:
            self._stopped = True

    def resume(self) -> None:
        """They may again."""
        with self._lock:
            self._stopped = False

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)


class Lanes:
    """Threads that each work through one connection.

    Attributes:
        moved: how often something went across, by which progress is known.
    """

    def __init__(self, patience_s: float = PATIENCE_S, pause: Callable[[float], None] = time.sleep) -> None:
        self._patience_s, self._pause = patience_s, pause
        self.moved = 0

    def run(self, lane: Callable[[], None], count: int, interrupt: Callable[[], None]) -> None:
        """Run `lane` in so many threads, at most one per connection, until all have ended.

        Args:
            interrupt: called when this program is asked to end: makes the lanes end soon.
        Raises:
            BaseException: what the first of them raised; when only some lost their connection, another error goes before.
        """
        ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                lane()
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                ended.put(error)
            else:
                ended.put(None)

        threads = [threading.Thread(target=work, name="lane") for _ in range(max(1, min(count, CONNECTIONS)))]
        for thread in threads:
            thread.start()
        try:
            failures = [failure for _ in threads if (failure := ended.get()) is not None]
        except BaseException:
            interrupt()
            raise
        finally:
            for thread in threads:
                thread.join()
        for failure in sorted(failures, key=lambda one: isinstance(one, Unreachable)):
            raise failure

    def patiently(self, work: Callable[[], T]) -> T:
        """What `work` gives; begun again while the server cannot be reached, until it was away for too long.

        Raises:
            Unreachable: it was away for too long.
        """
        pause, told = _FIRST_PAUSE_S, False
        away_since: float | None = None
        while True:
            before = self.moved
            try:
                return work()
            except Unreachable as error:
                now = time.monotonic()
                if away_since is None or self.moved != before:
                    away_since, pause = now, _FIRST_PAUSE_S
                if now - away_since >= self._patience_s:
                    raise
                if not told:
                    with suppress(OSError):
                        print(f"homestow: waiting for the server: {one_line(error.message)}", file=sys.stderr)
                    told = True
            self._pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
