"""Time as the server needs it, so that tests move it by hand."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read, one that only goes forward."""

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
