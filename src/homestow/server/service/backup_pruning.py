"""Removing old backups from a backup folder: the newest stay, and every content that one of those that stay needs."""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from homestow.server.service.backup_folder import Listing, read_listing, sync_folder
from homestow.values.errors import Busy, CloudError, StorageFailed

_LEAVING = ".removed-"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed: names of backups, and how many bytes of contents. `kept_back` says why contents stayed, or is ""."""

    removed: tuple[str, ...] = ()
    size: int = 0
    kept_back: str = ""


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Be the only one on this machine who makes or removes backups in a folder.

    Raises:
        Busy: somebody else does so now.
    """
    fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                f"Another backup is being made in {target}; try again when it is done.", retry_after_s=60
            ) from error
        except OSError:
            pass  # a network disk without locks: whoever makes backups there from two machines does not prune them
        yield
    finally:
        os.close(fd)


def prune(target: Path, made: Path, epoch: str, keep: int) -> Pruned:
    """Remove all but the newest `keep` finished backups of this life of the store, and contents that nothing needs any more.

    Never removed: the one just made, the newest, unfinished ones, those of another store, and those whose list cannot be
    read. While there is one whose needs nobody knows, all contents stay. Be `alone` with the folder.

    Raises:
        StorageFailed: the disk failed; what stays is whole.
    """
    backups = target / "backups"
    try:
        for left in backups.glob(f"{_LEAVING}*"):
            shutil.rmtree(left)
        lists = {path: _listing(path) for path in sorted(backups.glob("[0-9]*")) if path.is_dir()}
        ours = [
            path for path, listing in lists.items() if listing is not None and listing.epoch == epoch and path != made
        ]
        finished = [path for path, listing in lists.items() if listing is not None]
        old = [path for path in ours[: max(len(ours) - (keep - 1), 0)] if path != finished[-1]]
        for path in old:
            leaving = path.with_name(f"{_LEAVING}{secrets.token_hex(8)}")
            path.rename(leaving)
            sync_folder(backups)
            shutil.rmtree(leaving)
            del lists[path]
        removed = tuple(path.name for path in old)
        if not removed:
            return Pruned()
        unknown = [path.name for path, listing in lists.items() if listing is None]
        unknown += [path.name for path in backups.glob(".*") if not path.name.startswith(_LEAVING)]
        if unknown:
            return Pruned(removed, 0, f"{unknown[0]} is unfinished or damaged: no contents were removed")
        kept = [listing for listing in lists.values() if listing is not None]
        needed = {item.digest for listing in kept for item in listing.items}
        needed |= {one.digest for listing in kept for one in listing.sent}
        return Pruned(removed, _sweep(target / "contents", needed))
    except OSError as error:
        raise StorageFailed(f"{target}: old backups cannot be removed: {error.strerror}.") from error


def _listing(path: Path) -> Listing | None:
    try:
        return read_listing(path, None)
    except CloudError:
        return None


def _sweep(contents: Path, needed: set[str]) -> int:
    """Remove the contents that are not `needed`; their size in bytes."""
    size = 0
    for folder in contents.iterdir():
        if folder.is_dir():
            for path in folder.iterdir():
                if _DIGEST.fullmatch(path.name) and path.name not in needed:
                    size += path.stat().st_size
                    path.unlink()
    return size
