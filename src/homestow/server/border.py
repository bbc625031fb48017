"""The only crossing between the async fronts and the synchronous service: a bounded set of worker threads.

A front crosses once per use case. What waits for long on the network never waits here; what waits for the disk does.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any, ParamSpec, TypeVar, cast

from homestow.server.rules.passwords import MAX_HASHES, MAX_HASHES_WAITING
from homestow.values.errors import Busy, CloudError

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

_GROUP = 16
"""Calls that may share one crossing; more would make the last wait for the others' disk."""

_QUICK_S = 0.003
_TRUST_S = 5.0
"""A read that took at most `_QUICK_S` says that what is read lies in memory; it is believed for `_TRUST_S`."""


class Lane(Enum):
    """Workers apart from those that do everything else, for calls of which a few could hold all workers (S47, S109).

    `LOGIN`: a password is looked at. `LONG`: contents are read from end to end, or a whole tree is gone through.
    `MEDIA`: a picture or film is read by another process.
    """

    LOGIN = "login"
    LONG = "long"
    MEDIA = "media"


_LANES = {Lane.LOGIN: (MAX_HASHES, MAX_HASHES_WAITING), Lane.LONG: (6, 64), Lane.MEDIA: (8, 1024)}
"""Threads of each, and how many calls may wait for one."""


class Border:
    """Worker threads and the way into them.

    Args:
        workers: threads, 1 or more.
        waiting: calls that may wait for a worker, before new ones are refused with `Busy`.
    """

    def __init__(self, workers: int = 16, waiting: int = 512) -> None:
        self.executor = ThreadPoolExecutor(workers, thread_name_prefix="service")
        self._lanes = {lane: ThreadPoolExecutor(most, lane.value) for lane, (most, _) in _LANES.items()}
        self._in_lane = dict.fromkeys(Lane, 0)
        self._limit = workers + waiting
        self._inside = 0
        self._group: list[_Ask] = []
        self._quick_until = 0.0
        self._looking = False
        self._together: dict[Any, list[tuple[Any, asyncio.Future[Any]]]] = {}

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` in a worker thread and give its result; what it raises is raised here.

        A caller that is cancelled leaves; the work goes on to its end.

        Raises:
            Busy: too many calls wait already.
        """
        self._enter()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.executor, lambda: work(*args, **kwargs))
        finally:
            self._inside -= 1

    async def apart(self, lane: Lane, work: Callable[[], T]) -> T:
        """Like `run`, in the workers of a lane: however many of these are asked for, everything else goes on.

        Raises:
            Busy: too many calls wait in this lane already.
        """
        if self._in_lane[lane] >= sum(_LANES[lane]):
            raise Busy("Too many such requests at once; try again in a few seconds.", retry_after_s=5)
        self._in_lane[lane] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._lanes[lane], work)
        finally:
            self._in_lane[lane] -= 1

    async def short(self, work: Callable[[], T], at_hand: Callable[[], T | None] | None = None) -> T:
        """Like `run`, for short reads: those asked for in one turn of the loop share one crossing.

        A crossing costs ten times what a read from memory does. As long as reads were quick a moment ago, `at_hand` is tried
        right here, on the loop; after one that was not, or when nobody has read for a while (a disk may sleep), all cross.

        Args:
            at_hand: the same as `work` where that needs a few microseconds and waits for nobody, else None.
        """
        if at_hand is not None:
            found = self.at_hand(at_hand)
            if found is not None:
                return found
        self._enter()
        loop = asyncio.get_running_loop()
        ask = _Ask(work, loop.create_future())
        if not self._group:
            loop.call_soon(self._cross, loop)
        self._group.append(ask)
        try:
            return cast(T, await ask.answer)
        finally:
            self._inside -= 1

    def at_hand(self, work: Callable[[], T | None]) -> T | None:
        """Do a read of a few microseconds on the loop; None when reads are not quick at the moment. See `short`."""
        began = time.monotonic()
        if began >= self._quick_until:
            return None
        try:
            return work()
        finally:
            ended = time.monotonic()
            self._quick_until = ended + _TRUST_S if ended - began <= _QUICK_S else 0.0

    def look_again(self, work: Callable[[], object]) -> None:
        """When reads are not quick at the moment, see in a worker whether they are; for who does not read by `short`."""
        if time.monotonic() >= self._quick_until and not self._looking:
            self._looking = True
            self.executor.submit(self._do_all, [_Ask(work, self._looked())], asyncio.get_running_loop())

    def _looked(self) -> "asyncio.Future[object]":
        def forget(future: asyncio.Future[object]) -> None:
            self._looking = False
            future.exception()

        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(forget)
        return answer

    def enter(self) -> bool:
        """Take one of the places of calls that wait, for work that goes on elsewhere, until `leave`; False: there is none."""
        if self._inside >= self._limit:
            return False
        self._inside += 1
        return True

    def leave(self) -> None:
        """Give a place back that `enter` took."""
        self._inside -= 1

    async def together(self, work: Callable[[list[A]], list[R | CloudError]], item: A) -> R:
        """Like `run` for one item, but items given for the same `work` in one turn of the loop share one call of it.

        `work` gives one result or error for each item, in order; what it raises itself is raised for all of them.
        """
        self._enter()
        loop = asyncio.get_running_loop()
        waiting = self._together.get(work)
        if waiting is None:
            waiting = self._together[work] = []
            loop.call_soon(self._cross_together, work, loop)
        answer: asyncio.Future[R] = loop.create_future()
        waiting.append((item, answer))
        try:
            return await answer
        finally:
            self._inside -= 1

    def _cross_together(self, work: Callable[[list[A]], list[R | CloudError]], loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._together.pop(work)

        def done(future: asyncio.Future[list[R | CloudError]]) -> None:
            failure = future.exception()
            results = [failure] * len(waiting) if failure is not None else future.result()
            for (_, answer), result in zip(waiting, results, strict=True):
                if answer.done():
                    continue
                if isinstance(result, BaseException):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)

        loop.run_in_executor(self.executor, work, [item for item, _ in waiting]).add_done_callback(done)

    def close(self) -> None:
        """Wait for running work, refuse what waits."""
        for executor in (*self._lanes.values(), self.executor):
            executor.shutdown(wait=True, cancel_futures=True)

    def _enter(self) -> None:
        if self._inside >= self._limit:
            raise Busy("The server has too much to do at once; try again in a moment.", retry_after_s=1)
        self._inside += 1

    def _cross(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._group = self._group, []
        for start in range(0, len(group), _GROUP):
            self.executor.submit(self._do_all, group[start : start + _GROUP], loop)

    def _do_all(self, group: list["_Ask"], loop: asyncio.AbstractEventLoop) -> None:
        began = time.monotonic()
        for ask in group:
            try:
                ask.result = ask.work()
            except BaseException as error:  # noqa: BLE001 - handed to the one who asked
                ask.failure = error
        quick = time.monotonic() - began <= _QUICK_S * len(group)
        loop.call_soon_threadsafe(self._answer_all, group, quick)

    def _answer_all(self, group: list["_Ask"], quick: bool) -> None:
        self._quick_until = time.monotonic() + _TRUST_S if quick else 0.0
        for ask in group:
            if ask.answer.done():
                continue
            if ask.failure is not None:
                ask.answer.set_exception(ask.failure)
            else:
                ask.answer.set_result(ask.result)


class _Ask:
    __slots__ = ("answer", "failure", "result", "work")

    def __init__(self, work: Callable[[], object], answer: "asyncio.Future[object]") -> None:
        self.work = work
        self.answer = answer
        self.result: object = None
        self.failure: BaseException | None = None
