"""Errands for a job that is closed: its thread opens it for them, and closes it again."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from homestow.values.errors import Busy, CloudError

GivenT = TypeVar("GivenT")
GaveT = TypeVar("GaveT")


def waited(future: "Future[GaveT]", timeout_s: float) -> GaveT:
    """What an errand of a job gives, or raises; one that was begun is waited for to its end.

    Raises:
        Busy: it was not begun in so many seconds, and will not be.
    """
    try:
        return future.result(timeout_s)
    except TimeoutError:
        if future.cancel():
            raise Busy("The job is in the middle of its work. Try again when it is through.") from None
        return future.result()  # it is being done right now, or raised a TimeoutError of its own


class Errands(Generic[GivenT, GaveT]):
    """Waiting errands, each a function of what the opened job has; every method may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[GaveT], Callable[[GivenT], GaveT]]] = deque()
        self._over: CloudError | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, errand: Callable[[GivenT], GaveT]) -> "Future[GaveT]":
        """Have it done; gives where its outcome will be."""
        future: Future[GaveT] = Future()
        self._waiting.append((future, errand))
        if self._over is not None:
            self.refuse(self._over)
        return future

    def run(self, given: GivenT) -> None:
        """Do those that wait; what an errand raises, its asker gets."""
        while (next_one := self._next()) is not None:
            future, errand = next_one
            try:
                future.set_result(errand(given))
            except Exception as error:  # noqa: BLE001  # whoever asked gets it
                future.set_exception(error)

    def refuse(self, error: CloudError) -> None:
        """None of those that wait will be done."""
        while (next_one := self._next()) is not None:
            next_one[0].set_exception(error)

    def end(self, error: CloudError) -> None:
        """Nobody is there any more to do errands: none that waits or comes will be done."""
        self._over = error
        self.refuse(error)

    def _next(self) -> "tuple[Future[GaveT], Callable[[GivenT], GaveT]] | None":
        while self._waiting:
            try:
                found = self._waiting.popleft()
            except IndexError:
                return None
            if found[0].set_running_or_notify_cancel():
                return found
        return None
