"""How much anybody may ask of the Ditto front at once (S77, S82)."""

import asyncio
import threading
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from homestow.values.errors import Busy, TooManyTries
from homestow.values.ids import AccountId

CALLS_PER_S: Final = 1000.0
"""Calls that one user may make a second in the long run; a block counts as one."""

BURST: Final = 4000.0
"""Calls that one user may make at once after a rest."""

CONNECTION_CALLS: Final = 8
"""Calls of one connection whose message is received or worked on at the same time; others wait for their turn, unread."""

USER_CALLS: Final = 32
"""The same of all connections of a user."""

ALL_CALLS: Final = 64
"""The same of all users: what their messages take in memory is at most this times the longest message."""

STRANGER_CALLS: Final = 32
"""Calls without a login from one address that are under way at the same time."""

_MOST_USERS: Final = 10_000


class Rates:
    """How many calls each user may still make: a bucket that fills evenly. Safe from any thread."""

    def __init__(self, now: Callable[[], float], per_s: float = CALLS_PER_S, burst: float = BURST) -> None:
        self._now = now
        self._per_s = per_s
        self._burst = burst
        self._left: OrderedDict[AccountId, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, account: AccountId) -> None:
        """One call more. Raises `TooManyTries`."""
        with self._lock:
            now = self._now()
            left, at = self._left.get(account, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_s)
            if left < 1:
                raise TooManyTries("Too many calls at once; go slower.", retry_after_s=1)
            self._left[account] = left - 1, now
            self._left.move_to_end(account)
            if len(self._left) > _MOST_USERS:
                self._left.popitem(last=False)


class Strangers:
    """Places for calls of addresses that have not logged in. Used on the loop."""

    def __init__(self, most: int = STRANGER_CALLS) -> None:
        self._most = most
        self._inside: Counter[str] = Counter()

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """One of them. Raises `Busy`: this address has all it may have."""
        if self._inside[address] >= self._most:
            raise Busy("Too many calls at once from this address; try again in a moment.", retry_after_s=1)
        self._inside[address] += 1
        try:
            yield
        finally:
            self._inside[address] -= 1
            if not self._inside[address]:
                del self._inside[address]


class Rooms:
    """Places for calls with a login: few for each connection and user, so that nobody takes those of others.

    Used on one loop.
    """

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(ALL_CALLS)
        self._some: dict[str, asyncio.Semaphore] = {}
        self._inside: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, user: str, connection: str) -> AsyncIterator[None]:
        """One of them, when it is this call's turn."""
        async with self._own(f"connection {connection}", CONNECTION_CALLS), self._own(user, USER_CALLS), self._all:
            yield

    @asynccontextmanager
    async def _own(self, whose: str, most: int) -> AsyncIterator[None]:
        places = self._some.setdefault(whose, asyncio.Semaphore(most))
        self._inside[whose] += 1
        try:
            async with places:
                yield
        finally:
            self._inside[whose] -= 1
            if not self._inside[whose]:
                del self._inside[whose], self._some[whose]
