"""Finding the sync service, and starting it; nothing of Qt, and nothing costly before it is needed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from homestow.values.errors import ServerError

if TYPE_CHECKING:
    from homestow.client.control.link import Link

_LIVES_S: Final = 2.0
"""A service that cannot run usually ends within so long."""


def is_loopback(url: str) -> bool:
    """Whether an address is http on this very computer; no other page is ever opened."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")


def connect(folder: Path | None = None, name: str | None = None) -> "Link | None":
    """A line to the running service: that of this name, else the one of the stored jobs, else the only one; None: none runs.

    Args:
        folder: the client's data; None: this user's.
    """
    from homestow.client.control import places
    from homestow.client.control.link import Link

    live = places.live(folder)
    wanted = [place for place in live if place.name == (name or places.SERVICE)]
    if not wanted and name is None and len(live) == 1:
        wanted = live
    return Link(wanted[0]) if wanted else None


def launch(log: Path | None = None) -> None:
    """Start the service of the stored jobs, apart from this process, so that it goes on when the window ends.

    Comes back when it has lived for a moment; what it says goes to `log`.

    Raises:
        ServerError: it ended at once; the message says what it said.
        OSError: it cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    if log is not None:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(log, flags, 0o600) if log is not None else os.open(os.devnull, os.O_WRONLY), "wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "homestow", "sync"],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    # Somebody has to take its end, if it ends before the window does.
    threading.Thread(target=process.wait, name="service-end", daemon=True).start()
    give_up = time.monotonic() + _LIVES_S
    while time.monotonic() < give_up:
        if process.returncode is not None:
            if process.returncode == 0:
                return
            said = log.read_text("utf-8", "replace").strip().rpartition("\n")[2] if log is not None else ""
            raise ServerError(f"The sync service ended at once: {said or f'exit code {process.returncode}'}")
        time.sleep(0.1)
