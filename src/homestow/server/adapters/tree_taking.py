"""Taking over what another root on the same disk has kept, when it becomes a folder of this one."""

import errno
import os
from collections.abc import Callable
from typing import Final

from homestow.server.adapters.tree_hidden import Hidden
from homestow.values.errors import StorageFailed
from homestow.values.paths import RESERVED

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def take_over(hidden: Hidden, folder_fd: int, step: Callable[[str], None]) -> int:
    """Move what is kept below the folder of a handle to the kept area of `hidden`; see `ports.content.TakesOver`."""
    try:
        other = os.open(RESERVED, _FOLDER, dir_fd=folder_fd)
    except FileNotFoundError:
        return 0
    try:
        moved = _move_kept(hidden, other, step)
        step("content.take_over.moved")
        _remove_all(other)
    finally:
        os.close(other)
    os.rmdir(RESERVED, dir_fd=folder_fd)
    os.fsync(folder_fd)
    return moved


def _move_kept(hidden: Hidden, other: int, step: Callable[[str], None]) -> int:
    try:
        kept = os.open("kept", _FOLDER, dir_fd=other)
    except FileNotFoundError:
        return 0
    moved = 0
    try:
        for name in os.listdir(kept):
            step("content.take_over")
            try:
                hidden.rename_free(kept, os.fsencode(name), hidden.kept, os.fsencode(name))
            except FileExistsError as error:
                raise StorageFailed(
                    f"{name} is kept in two places; run `homestow verify` and look at both.", errno="EEXIST"
                ) from error
            moved += 1
        hidden.kept_changed()
        os.fsync(hidden.kept)
        os.fsync(kept)
    finally:
        os.close(kept)
    return moved


def _remove_all(folder_fd: int) -> None:
    """Empty a folder of our own; it holds uploads that ended with their root, two levels deep at most."""
    for name in os.listdir(folder_fd):
        try:
            os.unlink(name, dir_fd=folder_fd)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            inner = os.open(name, _FOLDER, dir_fd=folder_fd)
            try:
                _remove_all(inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=folder_fd)
