"""Pictures of a conflict, from this computer's disk, for the page: of no other file, and only when they begin like a picture."""

import os
import stat
from http import HTTPStatus
from pathlib import PurePath
from typing import Final

from homestow.client.control.service import SyncService
from homestow.client.control.web.asking import Reply, trouble
from homestow.client.control.web.limits import Limits
from homestow.wire.control import Conflict, ListConflicts, Side

ALONE: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""Even when shown by itself it may do nothing."""


def kind_of(head: bytes) -> str | None:
    """The type of picture that begins so, of those that a browser shows and that cannot bear scripts; else None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "image/bmp"
    return None


def picture(service: SyncService, limits: Limits, job: str, conflict: str, side: str) -> Reply:
    """One side of a conflict that the service lists now, when it is a picture."""
    listed: tuple[Conflict, ...] = service.do(ListConflicts(job=job))
    found = next((each for each in listed if each.job == job and each.id == conflict), None)
    folder = next((each.config.directory for each in service.jobs() if each.id == job), None)
    chosen: Side | None = {"original": found.original, "copy": found.copy}.get(side) if found else None
    if chosen is None or chosen.file is None or folder is None or not _below(chosen.file, folder):
        return trouble(HTTPStatus.NOT_FOUND, "There is no such conflict, or its file is not on this computer.")
    content = _read(chosen.file, limits.picture_bytes)
    kind = kind_of(content[:16]) if content is not None else None
    if content is None or kind is None:
        return trouble(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This is no picture that can be shown.")
    return Reply(
        body=content, kind=kind, headers=(("Content-Security-Policy", ALONE), ("Content-Disposition", "inline"))
    )


def _below(file: str, folder: str) -> bool:
    path = PurePath(file)
    return path.is_absolute() and ".." not in path.parts and path.is_relative_to(folder)


def _read(file: str, most_bytes: int) -> bytes | None:
    """The whole content; None when it is no ordinary file, is too large, or cannot be read."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(file, flags)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as opened:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most_bytes:
            return None
        try:
            head = opened.read(16)
            return head + opened.read(most_bytes) if kind_of(head) else None
        except OSError:
            return None
