"""News that change faster than anybody looks: the newest of each kind passes, at most every so often."""

from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Pace(Generic[Key, Value]):
    """Lets the first of each key pass at once, and then the newest whenever `gap_s` seconds are over.

    Args:
        gap_s: seconds between two of one key.
        merge: makes one of a value that waits and a newer one; None: the newer one replaces it.
    """

    def __init__(self, gap_s: float, merge: Callable[[Value, Value], Value] | None = None) -> None:
        self._gap_s = gap_s
        self._merge = merge
        self._free_at: dict[Key, float] = {}
        self._waiting: dict[Key, Value] = {}

    def put(self, key: Key, value: Value, now: float) -> list[Value]:
        """The value when it may pass at the moment `now`; otherwise it waits."""
        if key in self._waiting:
            before = self._waiting[key]
            self._waiting[key] = value if self._merge is None else self._merge(before, value)
            return []
        if now < self._free_at.get(key, now):
            self._waiting[key] = value
            return []
        self._free_at[key] = now + self._gap_s
        return [value]

    def due(self, now: float) -> list[Value]:
        """What waited long enough."""
        ready = [key for key in self._waiting if self._free_at[key] <= now]
        for key in ready:
            self._free_at[key] = now + self._gap_s
        return [self._waiting.pop(key) for key in ready]

    def next(self) -> float | None:
        """The moment at which something is due; None: nothing waits."""
        return min((self._free_at[key] for key in self._waiting), default=None)

    def now(self, key: Key) -> list[Value]:
        """What waits of this key, at once."""
        return [self._waiting.pop(key)] if key in self._waiting else []

    def drop(self, key: Key) -> None:
        """Forget a key."""
        self._waiting.pop(key, None)
        self._free_at.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._free_at.clear()
