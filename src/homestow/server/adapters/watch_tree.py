"""Which folders of a root change from outside: inotify on every folder, told as hints only; a rescan stays the truth.

A watch belongs to a folder, not to its path, so a renamed folder keeps its watches and only its place in our own tree of
names changes.
"""

import ctypes
import errno
import logging
import os
import select
import struct
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_errors import disk_error
from homestow.server.ports.content import Location
from homestow.values.paths import RESERVED

_log = logging.getLogger(__name__)

_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x02, 0x04, 0x08, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_OVERFLOW, _IGNORED, _ISDIR = 0x4000, 0x8000, 0x4000_0000
_ONLYDIR, _EXCL_UNLINK = 0x0100_0000, 0x0400_0000
_WANTED: Final = _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR | _EXCL_UNLINK
_EVENT: Final = struct.Struct("=iIII")

_GATHER_S: Final = 0.05
"""After the first event more are awaited for so long, as long as they keep coming and at most `_GATHER_MOST` times."""
_GATHER_MOST: Final = 10
_REST_MS: Final = 20
"""After something happened events come together for so long before they are read. The store's own renames come by the
thousand, and a thread that wakes for each costs as much as the renames."""

_RECENT_S: Final = 120.0
"""A hint may wait for so long before it is looked at; when its folder is renamed meanwhile, it is told at the new place."""
_MOST_RECENT: Final = 20_000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]


@dataclass(slots=True, eq=False)
class _Folder:
    name: str
    above: "_Folder | None"
    watch: int
    below: dict[str, "_Folder"] = field(default_factory=dict)

    def location(self) -> Location:
        names = []
        at = self
        while at.above is not None:
            names.append(at.name)
            at = at.above
        return tuple(reversed(names))


class OwnRenames:
    """Renames that the store itself is about to make at visible names: what inotify tells of them is no hint.

    Exact by count, so that somebody else's change at the same name is still told. What was expected and did not come (events
    are merged when they are alike) is forgotten after a moment, so that it hides nobody's change later. For several threads.
    """

    _FORGET_S: Final = 3.0
    _MOST: Final = 100_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches = 0
        self._expected: dict[tuple[Location, int], list[float]] = {}

    def watched(self, more: int) -> None:
        """One watch more or less; without any nothing is remembered."""
        with self._lock:
            self._watches += more
            if not self._watches:
                self._expected.clear()

    def forget(self) -> None:
        """Expect nothing: events were lost, so counting them means nothing."""
        with self._lock:
            self._expected.clear()

    def expect(self, at: Location, *, exchange: bool) -> None:
        """A file is about to be renamed to `at`, or exchanged with the one there."""
        if not self._watches:
            return
        if len(self._expected) > self._MOST:
            self.forget()
        until = time.monotonic() + self._FORGET_S
        with self._lock:
            for kind in (_MOVED_TO, _MOVED_FROM) if exchange else (_MOVED_TO,):
                self._expected.setdefault((at, kind), []).append(until)

    def withdraw(self, at: Location, *, exchange: bool) -> None:
        """It was not done."""
        with self._lock:
            for kind in (_MOVED_TO, _MOVED_FROM) if exchange else (_MOVED_TO,):
                self._take((at, kind))

    def was_own(self, at: Location, mask: int) -> bool:
        """Whether an event is one of those that were expected; each counts once."""
        kind = mask & (_MOVED_TO | _MOVED_FROM)
        if not kind or not self._expected:
            return False
        with self._lock:
            until = self._take((at, kind))
        return until is not None and until >= time.monotonic()

    def _take(self, key: tuple[Location, int]) -> float | None:
        found = self._expected.get(key)
        if found is None:
            return None
        until = found.pop(0)
        if not found:
            del self._expected[key]
        return until


class TreeWatch:
    """The watches of one root; `read` waits for the next batch. For one thread, but for `stop`.

    Args:
        root_fd: the root's handle; duplicated.
        own: the store's own renames, of which nothing is told; None: everything is.
    Raises:
        StorageFailed, Busy: the system refuses to watch at all.
    """

    def __init__(self, root_fd: int, own: OwnRenames | None = None) -> None:
        self._own = own
        self._by_watch: dict[int, _Folder] = {}
        self._moving: dict[int, _Folder] = {}
        self._changed: set[Location] = set()
        self._recent: dict[_Folder, float] = {}
        self._overflowed = False
        self._incomplete = False
        self._stopped = False
        fds: list[int] = []
        try:
            fds.append(os.dup(root_fd))
            fds.append(_inotify())
            fds.append(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        except OSError as error:
            for fd in fds:
                os.close(fd)
            raise disk_error(error, "watch the root") from error
        self._root, self._inotify, self._wake = fds
        self._top = _Folder("", None, -1)
        self._watch_all(self._top)
        self._changed.clear()

    @property
    def watched(self) -> int:
        """How many folders are watched."""
        return len(self._by_watch)

    def read(self, timeout_s: float | None = None) -> Collection[Location] | None:
        """Wait for changes.

        Returns:
            folders in which something changed; empty when stopped or when the time ran out; None when events were lost or a
            folder could not be watched: everything must be looked at.
        """
        poll = select.poll()
        poll.register(self._inotify, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        wait_ms = None if timeout_s is None else timeout_s * 1000
        rest = select.poll()
        rest.register(self._wake, select.POLLIN)
        rounds = 0
        while not self._stopped and rounds <= _GATHER_MOST and poll.poll(wait_ms):
            rest.poll(_REST_MS)
            try:
                self._take(os.read(self._inotify, 1 << 18))
            except BlockingIOError:
                continue  # only woken
            if self._changed or self._overflowed or self._incomplete:
                wait_ms = _GATHER_S * 1000
                rounds += 1
        self._forget_moved_out()
        changed, self._changed = self._changed, set()
        if self._overflowed or self._incomplete:
            if self._overflowed:
                self._watch_all(self._top)
                self._changed.clear()
            self._overflowed = self._incomplete = False
            return None
        return changed

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """End a `read` in another thread, and all later ones."""
        self._stopped = True
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Stop watching."""
        for fd in (self._inotify, self._wake, self._root):
            os.close(fd)

    # -- events -------------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            watch, mask, cookie, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
            self._one(watch, mask, cookie, name)

    def _one(self, watch: int, mask: int, cookie: int, name: str) -> None:
        if mask & _OVERFLOW:
            self._overflowed = True
            if self._own is not None:
                self._own.forget()
            return
        folder = self._by_watch.get(watch)
        if folder is None:
            return
        if mask & _IGNORED:
            self._forget(folder)
            return
        if folder is self._top and name == RESERVED:
            return
        location = folder.location()
        if self._own is not None and not mask & _ISDIR and self._own.was_own((*location, name), mask):
            return
        self._changed.add(location)
        self._remember(folder)
        if not mask & _ISDIR or not name:
            return
        if mask & _MOVED_FROM:
            moved = folder.below.pop(name, None)
            if moved is not None:
                self._moving[cookie] = moved
        elif mask & (_CREATE | _MOVED_TO):
            known = self._moving.pop(cookie, None) if mask & _MOVED_TO else None
            stale = folder.below.pop(name, None)
            if stale is not None and stale is not known:
                self._unwatch(stale)
            if known is not None:
                known.name, known.above = name, folder
                folder.below[name] = known
                self._changed.add(known.location())
                self._tell_again(known)
            else:
                below = folder.below[name] = _Folder(name, folder, -1)
                self._watch_all(below)

    def _remember(self, folder: _Folder) -> None:
        if len(self._recent) >= _MOST_RECENT:
            self._forget_old()
        if len(self._recent) >= _MOST_RECENT:
            self._recent.clear()
            self._incomplete = True
        self._recent[folder] = time.monotonic()

    def _forget_old(self) -> None:
        since = time.monotonic() - _RECENT_S
        self._recent = {folder: at for folder, at in self._recent.items() if at >= since}

    def _tell_again(self, moved: _Folder) -> None:
        """Hints below a folder that was renamed: whoever got them under the old path finds nothing there any more."""
        self._forget_old()
        for folder in self._recent:
            above: _Folder | None = folder
            while above is not None and above is not moved:
                above = above.above
            if above is moved:
                self._changed.add(folder.location())

    def _forget_moved_out(self) -> None:
        """Folders that left and did not come back went out of the root (or into the hidden area)."""
        for folder in self._moving.values():
            self._unwatch(folder)
        self._moving.clear()

    def _unwatch(self, folder: _Folder) -> None:
        waiting = [folder]
        while waiting:
            one = waiting.pop()
            waiting.extend(one.below.values())
            if self._by_watch.get(one.watch) is one:
                del self._by_watch[one.watch]
                _libc.inotify_rm_watch(self._inotify, one.watch)

    def _forget(self, folder: _Folder) -> None:
        if self._by_watch.get(folder.watch) is folder:
            del self._by_watch[folder.watch]
        if folder.above is not None and folder.above.below.get(folder.name) is folder:
            del folder.above.below[folder.name]

    # -- folders ------------------------------------------------------------------------------------------------------

    def _watch_all(self, folder: _Folder) -> None:
        """Watch a folder and all below it. Each one is a hint: what was put in before the watch began made no event."""
        waiting = [folder]
        while waiting:
            one = waiting.pop()
            location = one.location()
            path = b"/".join(os.fsencode(name) for name in location) or b"."
            try:
                fd = disk_calls.open_beneath(self._root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    self._give_up(error, location)
                continue
            try:
                self._watch_one(one, fd)
                self._changed.add(location)
                for name in _folders_in(fd):
                    if name == RESERVED and one is self._top:
                        continue
                    below = one.below.get(name) or _Folder(name, one, -1)
                    one.below[name] = below
                    waiting.append(below)
            except OSError as error:
                self._give_up(error, location)
            finally:
                os.close(fd)

    def _watch_one(self, folder: _Folder, fd: int) -> None:
        watch = _libc.inotify_add_watch(self._inotify, b"/proc/self/fd/%d" % fd, _WANTED)
        if watch < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        before = self._by_watch.get(watch)
        if before is not None and before is not folder and before.above is not None:
            # The same folder under another name: a rename of which we have not read the event yet, or lost it.
            if before.above.below.get(before.name) is before:
                del before.above.below[before.name]
            folder.below = before.below
            for below in folder.below.values():
                below.above = folder
        folder.watch = watch
        self._by_watch[watch] = folder

    def _give_up(self, error: OSError, location: Location) -> None:
        if error.errno == errno.ENOENT:
            return
        self._incomplete = True
        _log.warning(
            "cannot watch a folder; changes in it are seen at the next rescan (fs.inotify.max_user_watches may be too low)",
            extra={"folder": "/".join(location), "errno": errno.errorcode.get(error.errno or 0)},
        )


def _inotify() -> int:
    fd = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


def _folders_in(fd: int) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


@contextmanager
def watch_tree(root_fd: int, own: OwnRenames | None = None) -> Iterator[Iterator[Collection[Location] | None]]:
    """An endless iterator of changed folders, None after lost events. Leaving the context, in any thread, ends it.

    `own`: see `TreeWatch`.
    """
    watch = TreeWatch(root_fd, own)
    reading = _Reading(watch)
    if own is not None:
        own.watched(1)
    try:
        yield reading
    finally:
        if own is not None:
            own.watched(-1)
        watch.stop()
        reading.end()


class _Reading:
    """The iterator; closes the handles when both sides are done with them."""

    def __init__(self, watch: TreeWatch) -> None:
        self._watch = watch
        self._lock = threading.Lock()

    def __iter__(self) -> "_Reading":
        return self

    def __next__(self) -> Collection[Location] | None:
        with self._lock:
            while not self._watch.stopped:
                changed = self._watch.read()
                if changed is None or changed:
                    return changed
        raise StopIteration

    def end(self) -> None:
        """Close, once no `read` is under way."""
        with self._lock:
            self._watch.close()
