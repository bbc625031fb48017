"""SIGTERM and Ctrl-C end a command cleanly."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """While it lasts, SIGTERM ends the main thread like Ctrl-C: what was begun is let go of on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """While it lasts, SIGINT and SIGTERM call `stop` once; a second one ends the process at once.

    The signals are taken by a thread of their own, because a handler in the main thread would run in the middle of whatever
    that holds.
    """
    numbers = {signal.SIGINT, signal.SIGTERM}

    def wait() -> None:
        signal.sigwait(numbers)
        stop()
        signal.sigwait(numbers)
        os._exit(128 + signal.SIGINT)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    threading.Thread(target=wait, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
