"""The sync service as its two ends of control need it: somewhere to give orders, somewhere to hear news."""

from collections.abc import Callable
from typing import Any, Protocol

from homestow.values.errors import Unreachable
from homestow.wire.control import AnyNews, AnyOrder, GeneralText, JobNow

Listener = Callable[[AnyNews], None]
"""Hears a publication; called from any thread, returns at once and never raises."""


class ServiceAway(Unreachable):
    """The sync service of this computer does not answer; it is not a server that is away."""

    code = "service-away"


class SyncService(Protocol):
    """Thread-safe; what `homestow sync` runs."""

    def do(self, order: AnyOrder) -> Any:
        """Obey; what it gives is of the type in `wire.control.GIVES`.

        Orders in `wire.control.SLOW` may wait for a server or a disk, at most about a minute; others come back at once.

        Raises:
            CloudError: it was refused; nothing was done.
        """

    def jobs(self) -> tuple[JobNow, ...]:
        """All jobs as they are now, by number."""

    def general(self) -> GeneralText:
        """All jobs in one word."""

    def current(self) -> tuple[AnyNews, ...]:
        """What a new subscriber has missed: the general state, each job, the settings."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called with all news from now on; gives what ends that."""
