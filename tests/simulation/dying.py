"""Who hears of the named fault points while a simulated run goes on; they are one hook of the whole process."""

from collections.abc import Callable

from homestow.values import faults

Listener = Callable[[str], None]

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Have `listener` called with the name of each point reached, until `forget`; it may raise to end a process there."""
    if listener not in _listeners:
        _listeners.append(listener)
        faults.arm(_tell)


def forget(listener: Listener) -> None:
    """Stop that; harmless when it does not listen."""
    if listener in _listeners:
        _listeners.remove(listener)
    if not _listeners:
        faults.arm(None)


def _tell(name: str) -> None:
    for listener in list(_listeners):
        listener(name)
