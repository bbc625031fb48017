"""Many small files read together: a folder is opened once for those in it, and nothing is asked twice of the system."""

import os
from collections.abc import Callable

from homestow.client.adapters.disk.files import READ_FLAGS
from homestow.client.adapters.disk.folders import open_folder
from homestow.client.adapters.disk.names import Stamps, shown, to_disk, trouble_or_changed
from homestow.client.ports.localtree import LocalChanged, LocalPath, SeenKind, Stamp
from homestow.values.errors import CloudError


def read_small(
    stamps: Stamps, top: int, files: list[tuple[LocalPath, Stamp]], check: Callable[[LocalPath], None]
) -> list[bytes | CloudError]:
    """Read small files; see `LocalTree.read_small`. `check` refuses paths that no file may have.

    A folder that is renamed meanwhile still is the one its files were seen in.
    """
    results: list[bytes | CloudError] = []
    folder, opened = -1, None
    try:
        for path, expect in files:
            try:
                check(path)
                parent = path[:-1]
                if parent != opened:
                    if folder >= 0:
                        os.close(folder)
                    folder, opened = -1, None
                    folder, opened = open_folder(top, parent), parent
                results.append(_read(stamps, folder, path, (SeenKind.FILE, expect)))
            except CloudError as error:
                results.append(error)
            except OSError as error:
                results.append(trouble_or_changed(error, path))
    finally:
        if folder >= 0:
            os.close(folder)
    return results


def _read(stamps: Stamps, folder: int, path: LocalPath, expect: tuple[SeenKind, Stamp]) -> bytes:
    """One file whole. That the handle shows the same after reading as the name did before opening tells all in between (R19)."""
    name, size = to_disk(path[-1]), expect[1].size
    # A look before: even opening a device or a FIFO for a moment can have effects (SC-112).
    if stamps.at(folder, name) != expect:
        raise LocalChanged(f"{shown(path)} changed since it was looked at.")
    fd = os.open(name, READ_FLAGS, dir_fd=folder)
    try:
        content = os.pread(fd, size, 0) if size else b""
        while len(content) < size and (more := os.pread(fd, size - len(content), len(content))):
            content += more
        still = stamps.at(fd, b"") == expect and stamps.at(folder, name) == expect
    finally:
        os.close(fd)
    if not still or len(content) != size:
        raise LocalChanged(f"{shown(path)} changes while it is read.")
    return content
