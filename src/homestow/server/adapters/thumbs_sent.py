"""Thumbnails that clients sent, in a folder of their own: one file for each node and level, never evicted."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from homestow.server.ports.media import MOST_SENT_BYTES
from homestow.server.rules.sent_names import FOLDERS, NAME, sent_path
from homestow.values.errors import Busy, CloudError, StorageFailed, StorageFull, TooLarge, WrongOffset
from homestow.values.ids import NodeId

_LEVELS: Final = (0, 1)


class DiskSentThumbs:
    """`ports.media.SentThumbs` in a folder, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, node: NodeId, level: int) -> int:
        """Bytes that are there."""
        try:
            return os.stat(self._path(node, level), follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _translated(error) from error

    def append(self, node: NodeId, level: int, offset: int) -> "DiskSentSink":
        """Go on at an offset."""
        path = self._path(node, level)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _translated(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            have = os.fstat(fd).st_size
            if not 0 <= offset <= have:
                raise WrongOffset(f"{have} bytes are here; go on from there.", expected=have)
            os.ftruncate(fd, offset)
        except BlockingIOError as error:
            os.close(fd)
            raise Busy("Another piece of this thumbnail is coming in.", retry_after_s=1) from error
        except OSError as error:
            os.close(fd)
            raise _translated(error) from error
        except CloudError:
            if have == 0:
                with suppress(OSError):
                    path.unlink()
            os.close(fd)
            raise
        return DiskSentSink(fd, offset, path.parent)

    def open(self, node: NodeId, level: int) -> BinaryIO | None:
        """What is there."""
        try:
            fd = os.open(self._path(node, level), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _translated(error) from error
        return os.fdopen(fd, "rb")

    def drop(self, node: NodeId) -> None:
        """Remove both levels of a node."""
        for level in _LEVELS:
            try:
                self._path(node, level).unlink(missing_ok=True)
            except OSError as error:
                raise _translated(error) from error

    def nodes(self) -> list[NodeId]:
        """Nodes for which something was sent."""
        found: set[int] = set()
        for inner in FOLDERS:
            with suppress(FileNotFoundError):
                for name in os.listdir(self._folder / inner):
                    if match := NAME.fullmatch(name):
                        found.add(int(match[1]))
        return [NodeId(node) for node in sorted(found)]

    def _path(self, node: NodeId, level: int) -> Path:
        return self._folder / sent_path(node, level)


class DiskSentSink:
    """`ports.media.SentSink`."""

    def __init__(self, fd: int, offset: int, folder: Path) -> None:
        self._fd: int | None = fd
        self._at = offset
        self._folder = folder

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        if self._fd is None:
            raise StorageFailed("This piece was finished already.")
        view = memoryview(data)
        if self._at + len(view) > MOST_SENT_BYTES:
            raise TooLarge(f"A thumbnail has at most {MOST_SENT_BYTES} bytes.", limit=MOST_SENT_BYTES)
        try:
            while view:
                done = os.pwrite(self._fd, view, self._at)
                self._at += done
                view = view[done:]
        except OSError as error:
            raise _translated(error) from error

    def finish(self) -> int:
        """Make it durable."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.fsync(fd)
                folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
            except OSError as error:
                raise _translated(error) from error
            finally:
                os.close(fd)
        return self._at

    def abort(self) -> None:
        """What came stays; it is made durable like the rest, since a resumed upload counts on it."""
        with suppress(StorageFailed, StorageFull):
            self.finish()


def _translated(error: OSError) -> CloudError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The disk of the data folder is full; make room there.")
    return StorageFailed(f"A thumbnail cannot be kept: {error.strerror}. Look at the disk of the data folder.")
