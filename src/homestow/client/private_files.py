"""Small files of this client's own, for no other user's eyes, replaced whole: whoever is killed at any moment leaves the old one or the new one."""

import glob
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from homestow.values.errors import StorageFailed

STALE_S = 600.0

MAX_BYTES = 16 * 1024 * 1024
"""Nothing of ours is longer; a longer file is somebody else's."""


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` where `path` stands, readable for its owner only, durable before it returns; links are followed.

    Raises:
        StorageFailed: it cannot be written; what was there is untouched.
    """
    real = path.resolve()
    staged = real.with_name(f".{real.name}.{secrets.token_hex(4)}.new")
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(real)
        except BaseException:
            with suppress(OSError):
                staged.unlink()
            raise
        _sync_folder(real.parent)
        _sweep(real)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}. Correct its rights or make room.") from error


def _sweep(real: Path) -> None:
    """Remove what a killed writer left of this file; what is younger may be somebody's who writes now."""
    old = time.time() - STALE_S
    with suppress(OSError):
        for left in real.parent.glob(f".{glob.escape(real.name)}.*.new"):
            if left.stat().st_mtime < old:
                left.unlink()


def read_whole(path: Path) -> bytes | None:
    """The file's bytes; None: there is none.

    Raises:
        StorageFailed: it cannot be read, is no ordinary file, or is longer than `MAX_BYTES`.
    """
    try:
        # Not to wait for a writer, should it be a pipe.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}. Correct its rights.") from error
    try:
        with os.fdopen(fd, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise StorageFailed(f"{path} is longer than {MAX_BYTES // 1024 // 1024} MiB; it is no file of ours.")
    return content


def remove(path: Path) -> None:
    """Remove it, durably; nothing when it is not there."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)


def remove_own(path: Path, content: bytes) -> None:
    """Remove it as far as it still has this content: another process may have put its own there since."""
    with suppress(StorageFailed):
        if read_whole(path) == content:
            remove(path)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
