"""What a job did, told as it is done: the words of logs, windows and notifications."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Did(StrEnum):
    """What was done."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    MKDIR = "mkdir"
    MOVE = "move"
    DELETE = "delete"
    CONFLICT = "conflict"
    SETTLED = "settled"
    """A conflict is none any more."""


class Deed(NamedTuple):
    """One thing that was done and is durable as far as the step promises.

    Attributes:
        here: it was done on this computer's disk; else on the server.
        path: what, below the job's folder, names joined by "/"; of a move where it was, of a conflict the file that has the name.
        to: where it moved; of a conflict the copy's path, also of one that was settled; else "".
        size: bytes of a file that was transferred, else 0.
        choice: what was kept of a settled conflict: "original", "copy" or "both"; else "".
    """

    did: Did
    here: bool
    path: str
    to: str = ""
    folder: bool = False
    size: int = 0
    choice: str = ""


Told = Callable[[Deed], None]
"""Hears a deed, from any of the job's threads; returns at once."""


def nobody(deed: Deed) -> None:
    """Hears, and does nothing."""
