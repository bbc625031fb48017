"""Hints from the operating system about what changed in the job's folder.

Linux's inotify, spoken to directly: the library at hand for all systems says neither that a limit was reached nor that
events were lost, and stops at a name that is not UTF-8. Each folder has its own watch, set before the folder is listed,
so nothing made meanwhile is missed. Where there is no inotify, or its limits are too small for the folder, everything is
looked at every `poll_s` seconds instead, and the reason is told (SC-197).
"""

import ctypes
import errno
import logging
import os
import select
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from homestow.client.adapters.disk.folders import walk
from homestow.client.ports.localtree import LocalPath
from homestow.client.ports.watcher import Hints

log = logging.getLogger(__name__)

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_ONLYDIR, _EXCL_UNLINK, _ISDIR = 0x1000000, 0x4000000, 0x40000000
_MASK = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
    | _ONLYDIR | _EXCL_UNLINK
)  # fmt: skip
_EVENT = struct.Struct("iIII")
_READ_BYTES = 256 * 1024
_PATIENCE_S = 5.0

_TOO_MANY = "This computer's limit for watched folders is reached (fs.inotify.max_user_watches)"
_NO_INOTIFY = "This system does not tell what changed"
_LOST = "More happened at once than the system could tell"
_GONE = "The folder was moved or removed"


class _Inotify:
    """One inotify instance."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def watch(self, folder: int) -> int:
        """Watch an open folder; its watch number, the same for the same folder."""
        way = b"/proc/self/fd/%d" % folder
        return self._checked(self._libc.inotify_add_watch(self.fd, way, _MASK))

    def unwatch(self, number: int) -> None:
        """Watch no longer; the folder may be gone already."""
        self._libc.inotify_rm_watch(self.fd, number)

    def events(self) -> Iterator[tuple[int, int, bytes]]:
        """(watch number, mask, name) of what has happened; returns at once."""
        try:
            data = os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            yield number, mask, data[at : at + length].rstrip(b"\0")
            at += length

    def close(self) -> None:
        """End all watches."""
        os.close(self.fd)

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


class OsWatcher:
    """Watches one job's folder from a thread of its own; the private folder is left out."""

    def __init__(self, root: Path, private_dir_name: str = ".homestow-sync", poll_s: float = 30.0) -> None:
        """Begin to watch: a full scan that starts after this misses nothing."""
        self._private = private_dir_name
        self._poll_s = poll_s
        self._folders: set[LocalPath] = set()
        self._everything = False
        self._reason = ""
        self._woken = False
        self._closed = False
        self._changed = threading.Condition()
        self._paths: dict[int, LocalPath] = {}
        self._watches: dict[LocalPath, int] = {}
        self._stuck = ""
        self._top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self._bell_read, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._inotify: _Inotify | None = None
        self._begin()
        self._thread = threading.Thread(target=self._run, name="homestow-watcher", daemon=True)
        self._thread.start()

    # --- the port ------------------------------------------------------------------------------------------------------

    def take(self) -> Hints:
        """All hints since the last call; returns at once."""
        with self._changed:
            hints = Hints(self._folders, self._everything, self._reason)
            self._folders, self._everything, self._reason = set(), False, ""
        return hints

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is a hint or `wake` was called; False when the time ran out."""
        with self._changed:
            woken = self._changed.wait_for(
                lambda: self._woken or self._everything or bool(self._folders) or self._closed, timeout_s
            )
            self._woken = False
        return woken

    def wake(self) -> None:
        """End a `wait` from another thread, or the next one when none is under way."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop watching; may be called twice."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        os.write(self._bell, b"x")
        self._thread.join(_PATIENCE_S)
        if self._inotify is not None:
            self._inotify.close()
        for fd in (self._top, self._bell_read, self._bell):
            os.close(fd)

    # --- watching ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        try:
            self._inotify = _Inotify()
        except (AttributeError, OSError) as error:
            self._get_stuck(_TOO_MANY if isinstance(error, OSError) else _NO_INOTIFY)
        else:
            self._watch_tree(())

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._bell_read, select.POLLIN)
        if self._inotify is not None:
            poll.register(self._inotify.fd, select.POLLIN)
        while True:
            ready = poll.poll(self._poll_s * 1000 if self._stuck else None)
            if self._closed:
                return
            if not ready and self._stuck:
                self._hint_everything(self._stuck)
            elif self._inotify is not None:
                self._read(self._inotify)

    def _read(self, inotify: _Inotify) -> None:
        folders: set[LocalPath] = set()
        for number, mask, name in inotify.events():
            if mask & _OVERFLOW:
                log.warning("events about the folder were lost; looking at everything")
                self._watch_tree(())
                self._hint_everything(_LOST)
                continue
            path = self._paths.get(number)
            if path is None:
                continue
            if mask & _IGNORED:
                self._forget(number)
            elif mask & (_DELETE_SELF | _MOVE_SELF | _UNMOUNT):
                if not path:
                    self._hint_everything(_GONE)
            else:
                spelled = name.decode("utf-8", "surrogateescape")
                if spelled != self._private:
                    folders.add(path)
                    if mask & _ISDIR:
                        folders |= self._folder_event(inotify, mask, (*path, spelled))
        self._hint(folders)

    def _folder_event(self, inotify: _Inotify, mask: int, path: LocalPath) -> set[LocalPath]:
        """Follow a folder that came or went; the folders that have to be listed for it."""
        if mask & (_MOVED_FROM | _DELETE):
            depth = len(path)
            for below in [watched for watched in self._watches if watched[:depth] == path]:
                number = self._watches[below]
                self._forget(number)
                inotify.unwatch(number)
        if mask & (_MOVED_TO | _CREATE):
            return self._watch_tree(path)
        return set()

    def _watch_tree(self, path: LocalPath) -> set[LocalPath]:
        """Watch a folder and all below it; the folders that are watched now."""
        watched: set[LocalPath] = set()
        if self._inotify is None:
            return watched
        for below, folder in walk(self._top, path, self._private):
            try:
                number = self._inotify.watch(folder)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM):
                    self._get_stuck(_TOO_MANY)
                    break
                if not below:
                    self._get_stuck(_NO_INOTIFY)
                    break
                continue
            if (before := self._paths.get(number)) is not None and before != below:
                self._watches.pop(before, None)
            self._paths[number] = below
            self._watches[below] = number
            watched.add(below)
        return watched

    def _forget(self, number: int) -> None:
        path = self._paths.pop(number, None)
        if path is not None and self._watches.get(path) == number:
            del self._watches[path]

    def _get_stuck(self, reason: str) -> None:
        if not self._stuck:
            log.warning("%s; looking at everything every %g s", reason, self._poll_s)
        self._stuck = f"{reason}; everything is looked at every {self._poll_s:g} seconds."
        self._hint_everything(self._stuck)

    def _hint(self, folders: set[LocalPath]) -> None:
        if folders:
            with self._changed:
                self._folders |= folders
                self._changed.notify_all()

    def _hint_everything(self, reason: str) -> None:
        with self._changed:
            self._everything = True
            self._reason = reason
            self._changed.notify_all()
