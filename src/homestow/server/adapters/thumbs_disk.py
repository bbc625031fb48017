"""Thumbnails in a folder: one file each, named by node, rev and size, in 256 folders for one life of the store.

Each file ends with a short mark that repeats its length, so that one a power cut left half-written counts as missing; a
picture's reader does not mind what follows its end. A file's modification time is when it was last asked for, to the hour.
"""

import logging
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from homestow.values.ids import NodeId

_MARK: Final = struct.Struct("<4sQ")
_MAGIC: Final = b"HsTn"
_NAME: Final = re.compile(r"([1-9][0-9]{0,18})-([0-9]{1,18})-([0-9]{1,5})")
_LEFT: Final = re.compile(r"\.new-[0-9]+-[0-9]+")
_LIFE: Final = re.compile(r"homestow-thumbs-[0-9a-f]{8}")
_HOUR_S: Final = 3600.0
_KEEP: Final = 0.9
"""Eviction frees room down to this share of the budget, so that it does not run with every picture."""
_BATCH: Final = 1000
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)
_FOUND: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

log = logging.getLogger(__name__)


class DiskThumbs:
    """`ports.media.ThumbCache` in a folder.

    Args:
        folder: made when the first picture comes. All is in a folder of ours inside of it, which may be deleted at any time;
            what else lies there is left alone.
        epoch: which life of the store: node ids of another one may mean something else.
        budget: bytes it may take.
    """

    def __init__(self, folder: Path, epoch: str, budget: int) -> None:
        self._top = folder
        self._folder = folder / f"homestow-thumbs-{epoch[:8]}"
        self._prefix = os.fspath(self._folder)
        self._budget = budget
        self._used: int | None = None
        self._lock = threading.Lock()
        self._evicting = threading.Lock()
        self._next = 0

    def get(self, node: NodeId, rev: int, size: int, *, at_hand: bool = False) -> bytes | None:
        """A picture, or None."""
        try:
            fd = os.open(self._path(node, rev, size), _FOUND)
        except OSError:
            return None
        try:
            facts = os.fstat(fd)
            if at_hand:
                if not _NOWAIT:
                    return None
                buffer = bytearray(facts.st_size)
                data = bytes(buffer[: os.preadv(fd, [buffer], 0, _NOWAIT)])
            else:
                data = os.pread(fd, facts.st_size, 0)
            if facts.st_mtime + _HOUR_S < time.time():
                os.utime(fd)
        except OSError:
            return None
        finally:
            os.close(fd)
        return _whole(data)

    def has(self, node: NodeId, rev: int, size: int) -> bool:
        """Whether it is there."""
        return os.path.exists(self._path(node, rev, size))

    def put(self, node: NodeId, rev: int, pictures: Mapping[int, bytes]) -> None:
        """Keep pictures; whole or not at all."""
        added = 0
        for size, body in pictures.items():
            path = self._path(node, rev, size)
            try:
                self._write(path, body + _MARK.pack(_MAGIC, len(body)))
            except OSError as error:
                log.warning("a thumbnail could not be kept", extra={"path": path, "reason": error.strerror})
                continue
            added += len(body) + _MARK.size
        with self._lock:
            if self._used is None:
                return
            self._used += added
            full = self._used > self._budget
        if full:
            self._evict()

    def fill(self) -> float:
        """Share of the budget; 1.0 while it is not known."""
        used = self._used
        if used is None:
            return 1.0
        return used / self._budget if self._budget else 1.0

    def tidy(self, dead: Callable[[Collection[tuple[NodeId, int]]], Collection[tuple[NodeId, int]]]) -> None:
        """Drop what is of another life, of contents that are gone, or not ours; then keep the budget."""
        self._drop_other_lives()
        batch: dict[tuple[NodeId, int], list[str]] = {}
        for entry in _entries(self._prefix):
            name = _NAME.fullmatch(entry.name)
            if name is None:
                with suppress(OSError):
                    if (
                        _LEFT.fullmatch(entry.name)
                        and entry.stat(follow_symlinks=False).st_mtime + _HOUR_S < time.time()
                    ):
                        os.unlink(entry.path)  # left by a write that broke off
                continue
            batch.setdefault((NodeId(int(name[1])), int(name[2])), []).append(entry.path)
            if len(batch) >= _BATCH:
                _drop(batch, dead)
        _drop(batch, dead)
        self._evict()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _path(self, node: NodeId, rev: int, size: int) -> str:
        return f"{self._prefix}/{node & 0xFF:02x}/{node}-{rev}-{size}"

    def _write(self, path: str, data: bytes) -> None:
        with self._lock:
            self._next += 1
            name = f"{os.path.dirname(path)}/.new-{os.getpid()}-{self._next}"
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
            finally:
                os.close(fd)
            os.replace(name, path)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise

    def _drop_other_lives(self) -> None:
        """Files of ours and folders that are empty then; nothing else, for somebody may have chosen a folder with other things."""
        try:
            names = [name for name in os.listdir(self._top) if _LIFE.fullmatch(name) and name != self._folder.name]
        except OSError:
            return
        for name in names:
            folder = os.fspath(self._top / name)
            for entry in _entries(folder):
                if _NAME.fullmatch(entry.name) or _LEFT.fullmatch(entry.name):
                    with suppress(OSError):
                        os.unlink(entry.path)
            for inside in (*(f"{folder}/{number:02x}" for number in range(256)), folder):
                with suppress(OSError):
                    os.rmdir(inside)

    def _evict(self) -> None:
        """Count anew; over the budget, remove what was not asked for longest. One at a time, the others do not wait."""
        if not self._evicting.acquire(blocking=False):
            return
        try:
            found: list[tuple[float, int, str]] = []
            for entry in _entries(self._prefix):
                with suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    found.append((facts.st_mtime, facts.st_size, entry.path))
            used = sum(size for _, size, _ in found)
            if used > self._budget:
                for _, size, path in sorted(found):
                    if used <= self._budget * _KEEP:
                        break
                    with suppress(OSError):
                        os.unlink(path)
                        used -= size
                log.info("thumbnails not asked for lately were removed", extra={"used_bytes": used})
            with self._lock:
                self._used = used
        finally:
            self._evicting.release()


def _entries(folder: str) -> "Iterator[os.DirEntry[str]]":
    for number in range(256):
        with suppress(OSError):
            with os.scandir(f"{folder}/{number:02x}") as entries:
                yield from entries


def _whole(data: bytes) -> bytes | None:
    """The picture of a file, None when the file is not what was written."""
    if len(data) < _MARK.size:
        return None
    magic, length = _MARK.unpack_from(data, len(data) - _MARK.size)
    return data[:length] if magic == _MAGIC and length == len(data) - _MARK.size else None


def _drop(
    batch: dict[tuple[NodeId, int], list[str]],
    dead: Callable[[Collection[tuple[NodeId, int]]], Collection[tuple[NodeId, int]]],
) -> None:
    if batch:
        for key in dead(list(batch)):
            for path in batch.get(key, []):
                with suppress(OSError):
                    os.unlink(path)
    batch.clear()
