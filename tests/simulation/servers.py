"""The servers a simulated run can have, by name."""

from collections.abc import Callable

from tests.simulation.backends import Backend, MemoryBackend
from tests.simulation.netdrive_backend import NetdriveBackend
from tests.simulation.service_backend import ServiceBackend

from homestow.client.adapters.clock_memory import SimClock


def _memory(clock: SimClock) -> Backend:
    return MemoryBackend()


def _netdrive(clock: SimClock) -> Backend:
    return NetdriveBackend()


SERVERS: dict[str, Callable[[SimClock], Backend]] = {
    "memory": _memory,
    "service": ServiceBackend,
    "netdrive": _netdrive,
}
