"""Opening folders from the job's folder downwards, one handle at a time, never through a symlink (S05).

The chain is opened anew for each call: a handle kept by its path would lie as soon as somebody renames a folder, and a
chain of ten costs 40 microseconds, little beside the flush that any write ends with.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from homestow.client.adapters.disk.names import FOLDER_FLAGS, from_disk, to_disk
from homestow.client.adapters.disk.syscalls import Spot
from homestow.client.ports.localtree import LocalPath
from homestow.values.paths import MAX_DEPTH


def open_folder(top: int, path: LocalPath) -> int:
    """A new handle on the folder `path` below the open folder `top`; the caller closes it.

    Raises:
        OSError: ENOENT, ENOTDIR or ELOOP when a component is missing, no folder, or a symlink.
    """
    if not path:
        return os.open(b".", FOLDER_FLAGS, dir_fd=top)
    folder = os.open(to_disk(path[0]), FOLDER_FLAGS, dir_fd=top)
    try:
        for name in path[1:]:
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


def walk(top: int, path: LocalPath, skip: str) -> Iterator[tuple[LocalPath, int]]:
    """Every folder at and below `path` with an open handle, parents before children; folders named `skip` are left out.

    A folder's own children are listed after it was given, so that a watch set on it misses none. What cannot be opened
    is left out. The handles stay ours.
    """
    try:
        folder = open_folder(top, path)
    except OSError:
        return
    ways = [(path, folder, [""])]
    try:
        while ways:
            here, folder, names = ways[-1]
            if not names:
                ways.pop()
                os.close(folder)
                continue
            name = names.pop()
            try:
                deeper = os.open(to_disk(name) if name else b".", FOLDER_FLAGS, dir_fd=folder)
            except OSError:
                continue
            below = (*here, name) if name else here
            ways.append((below, deeper, []))
            yield below, deeper
            if len(below) < MAX_DEPTH:
                ways[-1] = below, deeper, _subfolders(deeper, skip)
    finally:
        for _, folder, _ in ways:
            os.close(folder)


def _subfolders(folder: int, skip: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [from_disk(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [name for name in names if name != skip]
