"""Taking turns at runs of short calls: to the disk, to the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_S = 0.1


class Turns:
    """Lets one thread at a time through a run of many short calls.

    Python gives its interpreter lock away at each such call. Threads that each make thousands of them at the same time
    hand it to one another at every one, by way of the kernel and another core's cache: measured, that doubles the CPU time
    of storing small files and halves its speed. Whoever waits long, for a disk, does so outside of his turn.

    It is about speed only and guards nothing: who does not get his turn within 100 ms, because a disk has stalled in
    somebody else's, goes on without it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Wait for a turn and have it during the block."""
        got = self._lock.acquire(timeout=_PATIENCE_S)
        try:
            yield
        finally:
            if got:
                self._lock.release()
