"""The computer's own clocks, chance and threads."""

import queue
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

_FINE = 2**53


class SystemClock:
    """Wall and monotonic time of this computer."""

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 UTC; may jump."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()


class SystemChance:
    """Chance from the operating system, which nobody can guess."""

    def fraction(self) -> float:
        """0 <= x < 1."""
        return secrets.randbelow(_FINE) / _FINE

    def key(self) -> str:
        """32 lower-case hexadecimal digits that nobody can guess."""
        return secrets.token_hex(16)


class ThreadWorkers:
    """`count` threads; at most `ahead` items more than threads are taken before their turn.

    Threads begin with the first work and end with `close`. Several `run`s may share them.
    """

    def __init__(self, count: int, ahead: int = 2) -> None:
        self._window = max(1, count) + max(0, ahead)
        self._count = max(1, count)
        self._started: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @property
    def _pool(self) -> "ThreadPoolExecutor":
        """The threads; a pass without work does without them."""
        with self._lock:
            if self._started is None:
                from concurrent.futures import ThreadPoolExecutor

                self._started = ThreadPoolExecutor(max_workers=self._count, thread_name_prefix="homestow-worker")
            return self._started

    def run(self, work: Callable[[T], R], items: Iterable[T]) -> Generator[tuple[T, R | BaseException], None, None]:
        """Outcomes as they come, in no order; an exception of `work` is the outcome of its item.

        Whoever stops reading early waits for the items under way; those not begun are left undone. Items are taken in
        the reader's thread, and an exception of theirs is raised there.
        """
        done: queue.SimpleQueue[Future[R]] = queue.SimpleQueue()
        under_way: dict[Future[R], T] = {}
        source = iter(items)
        try:
            while True:
                for item in islice(source, self._window - len(under_way)):
                    future = self._pool.submit(work, item)
                    under_way[future] = item
                    future.add_done_callback(done.put)
                if not under_way:
                    return
                future = done.get()
                yield under_way.pop(future), future.exception() or future.result()
        finally:
            for future in under_way:
                future.cancel()
            for future in under_way:
                if not future.cancelled():
                    future.exception()

    def close(self) -> None:
        """Let the threads end; waits for work under way."""
        with self._lock:
            pool, self._started = self._started, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
