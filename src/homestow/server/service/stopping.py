"""Ending long work on a disk when the server stops: a comparison, a check or a backup ends at the next file, not at its end."""

import threading

from homestow.values.errors import Busy


class Stopping:
    """Whether work shall end; one for everything that goes through whole roots. Any thread."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """All work that looks ends soon."""
        self._asked.set()

    def reset(self) -> None:
        """Work may begin again."""
        self._asked.clear()

    def check(self) -> None:
        """Go on. Raises `Busy` when work shall end."""
        if self._asked.is_set():
            raise Busy("The server is shutting down; the work goes on when it is started again.", retry_after_s=5)
