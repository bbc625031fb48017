"""The machine's clocks."""

import time


class SystemClock:
    """Wall time and monotonic time of this machine."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()
