"""A few threads for orders that wait for a server or a disk."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Queue
from typing import Final

_log = logging.getLogger(__name__)

THREADS: Final = 4
WAITING: Final = 256
"""So many orders wait for a thread at most."""


class Pool:
    """Threads that begin when they are needed; `give` and `close` belong to one thread."""

    def __init__(self) -> None:
        self._work: Queue[Callable[[], None] | None] = Queue(WAITING + THREADS)
        self._threads = 0
        self._unfinished = 0
        self._lock = threading.Lock()

    def give(self, work: Callable[[], None]) -> bool:
        """Have it done soon; False: too much waits already, and nothing will be done."""
        with self._lock:
            if self._unfinished >= WAITING:
                return False
            self._unfinished += 1
            needed = self._threads < min(THREADS, self._unfinished)
            self._threads += needed
        self._work.put_nowait(work)
        if needed:
            # A daemon: an order that waits for a server must not keep the process when it ends.
            threading.Thread(target=self._run, name="homestow-order", daemon=True).start()
        return True

    def close(self) -> None:
        """Begin nothing more; what is being done ends by itself."""
        with suppress(Empty):
            while True:
                self._work.get_nowait()
        for _ in range(self._threads):
            self._work.put_nowait(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001  # the outer loop of a worker
                _log.exception("an order's thread failed")
            finally:
                with self._lock:
                    self._unfinished -= 1
