"""A look at a folder of this computer before it is kept in step: what it holds, and what is against it."""

import os
import stat
import time
from pathlib import Path
from typing import Final

from homestow.client.adapters.this_computer import client_folder
from homestow.client.engine.sightings import PRIVATE_NAME
from homestow.wire.control import FolderSeen

MOST_FILES: Final = 100_000
MOST_S: Final = 5.0
"""Counting stops after so many files or seconds."""


def check_folder(directory: str) -> FolderSeen:
    """What the folder holds; `against` is a sentence, "" when it can be kept in step."""
    path = Path(directory).expanduser()
    if not path.is_absolute():
        return _seen(
            directory, "folder-path", f"The folder {directory!r} has to be written in full, beginning with a slash."
        )
    path = Path(os.path.normpath(path))
    text = str(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        parent = path.parent
        if not parent.is_dir():
            return _seen(text, "folder-parent", f"There is no folder {parent} in which {path.name!r} could be made.")
        if not os.access(parent, os.W_OK | os.X_OK):
            return _seen(text, "folder-rights", f"You may not make a folder in {parent}; choose another place.")
        return _seen(text, *_forbidden(path), free_bytes=_free(parent))
    except OSError as error:
        return _seen(text, "folder-unread", f"{text} cannot be looked at: {error.strerror}.")
    if not stat.S_ISDIR(found.st_mode):
        return _seen(text, "folder-file", f"{text} is no folder; choose one.", exists=True)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return _seen(
            text, "folder-rights", f"You may not read and write in {text}; choose another folder.", exists=True
        )
    files, size, more = _count(path)
    return _seen(text, *_forbidden(path), exists=True, files=files, size_bytes=size, more=more, free_bytes=_free(path))


def _seen(
    directory: str, code: str = "", against: str = "", *, exists: bool = False, files: int = 0, size_bytes: int = 0,
    more: bool = False, free_bytes: int = 0,
) -> FolderSeen:  # fmt: skip
    return FolderSeen(
        directory=_shown(directory), exists=exists, files=files, size_bytes=size_bytes, more=more,
        free_bytes=free_bytes, against=_shown(against), code=code,
    )  # fmt: skip


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _forbidden(path: Path) -> tuple[str, str]:
    """Code and sentence of what is against a place that could be had otherwise; both "" nothing."""
    real, ours = Path(os.path.realpath(path)), Path(os.path.realpath(client_folder()))
    if real == Path(real.anchor):
        return "folder-disk", "The whole disk cannot be kept in step; choose a folder on it."
    if real == ours or ours in real.parents:
        return "folder-ours", f"{path} holds what Homestow itself keeps on this computer; choose another folder."
    if PRIVATE_NAME in real.parts:
        return "folder-ours", f"{path} lies in a folder of Homestow's own; choose another one."
    return "", ""


def _free(path: Path) -> int:
    try:
        room = os.statvfs(path)
    except (OSError, AttributeError):
        return 0
    return room.f_bavail * room.f_frsize


def _count(top: Path) -> tuple[int, int, bool]:
    """Files below a folder, their bytes, and whether there are more than were counted; links are not followed."""
    files = size = 0
    until = time.monotonic() + MOST_S
    waiting = [os.fspath(top)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != PRIVATE_NAME:
                            waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        files, size = files + 1, size + entry.stat(follow_symlinks=False).st_size
                    if files >= MOST_FILES:
                        return files, size, True
        except OSError:
            continue
        if time.monotonic() > until:
            return files, size, bool(waiting)
    return files, size, False
