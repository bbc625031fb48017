"""Opening folders from the job's folder downwards, one handle at a time, never through a symlink (S05).

The chain is opened anew for each call: a handle kept by its path would lie as soon as somebody renames a folder, and a
chain of ten costs 40 microseconds, little beside the flush that any write ends with.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from homestow.client.adapters.disk.names import FOLDER_FLAGS, to_disk
from homestow.client.adapters.disk.syscalls import Spot
from homestow.client.ports.localtree import LocalPath


def open_folder(top: int, path: LocalPath) -> int:
    """A new handle on the folder `path` below the open folder `top`; the caller closes it.

    Raises:
        OSError: ENOENT, ENOTDIR or ELOOP when a component is missing, no folder, or a symlink.
    """
    folder = os.open(b".", FOLDER_FLAGS, dir_fd=top)
    try:
        for name in path:
            deeper = os.open(to_disk(name), FOLDER_FLAGS, dir_fd=folder)
            os.close(folder)
            folder = deeper
    except BaseException:
        os.close(folder)
        raise
    return folder


@contextmanager
def spot(top: int, path: LocalPath) -> Iterator[Spot]:
    """The place `path` as a name in its open folder, for the time of the block; `path` is not ()."""
    name = to_disk(path[-1])
    folder = open_folder(top, path[:-1])
    try:
        yield Spot(folder, name)
    finally:
        os.close(folder)
