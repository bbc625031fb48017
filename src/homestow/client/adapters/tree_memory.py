"""The local tree in memory: `LocalTree` and `Watcher` over a `SimDisk`, with doors for what a simulation does.

A `SimTree` is one process's sight of the disk: `kill` ends it as kill -9 does (every later call raises `Killed`), the
disk lives on. `between` is called inside every call, also after the check and before the deed, so that a person may act
at the worst moment; what follows it holds against that (SC-033, SC-034).
"""

import errno
from collections.abc import Callable, Iterator

from homestow.client.adapters.clock_memory import Killed
from homestow.client.adapters.disk_memory import Inode, SimDisk
from homestow.client.ports.localtree import (
    LocalChanged,
    LocalFull,
    LocalPath,
    LocalTrouble,
    Reading,
    RootMissing,
    Seen,
    SeenKind,
    Staging,
    Stamp,
    TreeFacts,
)
from homestow.client.ports.watcher import Hints
from homestow.values.errors import BadName, CloudError, StoreLocked
from homestow.values.paths import check_name

PRIVATE = ".homestow-sync"
"""Name of the private folder in the job's folder; nobody is shown it."""

_MARKER = "marker"
_FULL = (errno.ENOSPC, errno.EDQUOT)

Between = Callable[[str, LocalPath], None]
"""Called with the point ("put", "put:checked", …) and the path."""

Trouble = Callable[[str, LocalPath], int | None]
"""Gives the errno with which an operation ("open", "put", …) on a path fails, None to let it pass."""


def _no_one(point: str, path: LocalPath) -> None:
    """Nobody acts between."""


def _translate(error: OSError, path: LocalPath) -> LocalTrouble:
    kind = LocalFull if error.errno in _FULL else LocalTrouble
    return kind(f"{'/'.join(path)!r}: {error.strerror}.", errno=error.errno)


class SimTree:
    """A `LocalTree` on a `SimDisk`."""

    def __init__(self, disk: SimDisk, *, between: Between = _no_one, trouble: Trouble | None = None) -> None:
        self.disk = disk
        self.between = between
        self.trouble = trouble
        self._alive = True
        self._unsettled: list[Inode] = []

    @property
    def facts(self) -> TreeFacts:
        """What the disk does."""
        kind = self.disk.kind
        return TreeFacts(kind.folds_case, kind.normalises, kind.stable_inodes, kind.mtime_step_ns)

    def kill(self) -> None:
        """End this process's sight at once; the lock is free, nothing else is tidied."""
        self._alive = False
        if self.disk.lock_holder is self:
            self.disk.lock_holder = None

    # --- the port -----------------------------------------------------------------------------------------------------

    def check_root(self) -> None:
        """Raise `RootMissing` unless folder and marker are there."""
        self._enter("check_root", ())
        self._rooted()

    def prepare(self) -> None:
        """Make the private folder and the marker, take the lock."""
        self._enter("prepare", ())
        if self.disk.lock_holder not in (None, self):
            raise StoreLocked("Another process keeps this folder in step.")
        try:
            if self.disk.find(()) is None:
                self.disk.make_root()
            if self.disk.find((PRIVATE,)) is None:
                self.disk.mkdir((PRIVATE,))
                self.disk.flush(self.disk.folder(()))
            if self.disk.find((PRIVATE, _MARKER)) is None:
                self.disk.make_file((PRIVATE, _MARKER))
            self.disk.flush(self.disk.folder((PRIVATE,)))
        except OSError as error:
            raise _translate(error, ()) from error
        self.disk.lock_holder = self

    def list_folder(self, path: LocalPath) -> list[Seen]:
        """Everything in a folder but our private folder."""
        self._enter("list_folder", path)
        self._rooted()
        try:
            folder = self.disk.folder(path)
        except OSError as error:
            raise _translate(error, path) from error
        if not folder.readable:
            raise LocalTrouble(f"{'/'.join(path)!r}: permission denied.", errno=errno.EACCES)
        return [
            Seen(name, inode.kind, self.disk.stamp(inode))
            for name, inode in self.disk.children(folder)
            if path or name != PRIVATE
        ]

    def list_tree(
        self, path: LocalPath = (), skip: Callable[[LocalPath, str], bool] | None = None
    ) -> Iterator[tuple[LocalPath, list[Seen] | LocalTrouble]]:
        """Every folder at and below `path`, parents before children; others act between two folders."""
        waiting = [path]
        while waiting:
            here = waiting.pop()
            try:
                seen = self.list_folder(here)
            except LocalTrouble as error:
                yield here, error
                continue
            folders = [entry.name for entry in reversed(seen) if entry.kind is SeenKind.FOLDER]
            waiting.extend((*here, name) for name in folders if skip is None or not skip(here, name))
            yield here, seen
        self._rooted()

    def look(self, path: LocalPath) -> Seen | None:
        """What is at `path` now."""
        self._enter("look", path)
        self._rooted()
        inode = self.disk.find(path)
        if inode is None:
            return None
        name = ""
        if path:
            name = self.disk.folder(path[:-1]).names[self.disk.key(path[-1])][0]
        return Seen(name, inode.kind, self.disk.stamp(inode))

    def open(self, path: LocalPath) -> Reading:
        """Open a regular file."""
        self._enter("open", path)
        inode = self.disk.find(path)
        if inode is None or inode.kind is not SeenKind.FILE:
            raise LocalChanged(f"{'/'.join(path)!r} is no file any more.")
        if not inode.readable:
            raise LocalTrouble(f"{'/'.join(path)!r}: permission denied.", errno=errno.EACCES)
        return _Reading(self, path, inode)

    def read_small(self, files: list[tuple[LocalPath, Stamp]]) -> list[bytes | CloudError]:
        """Many small files, each whole and as seen."""
        return [self._read_small(path, expect) for path, expect in files]

    def _read_small(self, path: LocalPath, expect: Stamp) -> bytes | CloudError:
        try:
            reading = self.open(path)
            content = reading.read_at(0, expect.size) if reading.stamp == expect else b""
            if len(content) == expect.size and reading.stamp == expect and reading.still():
                return content
        except (LocalChanged, LocalTrouble) as error:
            return error
        return LocalChanged(f"{'/'.join(path)!r} changes while it is read.")

    def stage(self, key: str, size: int) -> Staging:
        """A staging file; the one of an earlier run when it has that size."""
        path = (PRIVATE, key)
        self._enter("stage", path)
        try:
            inode = self.disk.find(path)
            if inode is not None and len(inode.data) != size:
                self.disk.remove(path)
                inode = None
            if inode is None:
                inode = self.disk.make_file(path)
                inode.data = bytearray(size)
                self.disk.flush(self.disk.folder((PRIVATE,)))
                self.disk.flush(inode)
        except OSError as error:
            raise _translate(error, path) from error
        return _Staging(self, path, inode)

    def staged(self) -> Iterator[str]:
        """Keys of staging files."""
        self._enter("staged", ())
        private = self.disk.find((PRIVATE,))
        names = [name for name, _ in self.disk.children(private)] if private is not None else []
        return iter(sorted(name for name in names if name != _MARKER))

    def put(self, staging: Staging, path: LocalPath, expect: Stamp | None, mtime_ns: int) -> Stamp:
        """Publish a staging file at `path`, unless something else than `expect` is there."""
        self._enter("put", path)
        self._named(path)
        inode = self._staged_inode(staging)
        self._check_put(path, expect)
        self.between("put:checked", path)
        self._living()
        with_mode = self._check_put(path, expect)
        try:
            inode.mode = with_mode.mode if with_mode is not None else inode.mode
            self.disk.rename(self._staged_path(staging), path)
            self.disk.touch(path, mtime_ns)
            inode.durable = None if inode.durable is None else (inode.durable[0], inode.mtime_ns, inode.ctime_ns)
            self.disk.flush(self.disk.folder(path[:-1]))
        except OSError as error:
            raise _translate(error, path) from error
        stamp = self.disk.stamp(inode)
        self.between("put:done", path)
        self._living()
        return stamp

    def put_small(self, files: list[tuple[LocalPath, bytes, int]]) -> list[Stamp | CloudError]:
        """Publish small files at free names, durable together."""
        outcomes: list[Stamp | CloudError] = []
        folders: set[LocalPath] = set()
        for path, content, mtime_ns in files:
            try:
                self._enter("put_small", path)
                self._named(path)
                self._check_put(path, None)
                inode = self.disk.make_file((PRIVATE, "small"))
                try:
                    self.disk.set_data(inode, content, mtime_ns)
                    self.disk.rename((PRIVATE, "small"), path)
                except OSError:
                    self.disk.remove((PRIVATE, "small"))
                    raise
                self.disk.flush(inode)
                folders.add(path[:-1])
                outcomes.append(self.disk.stamp(inode))
            except CloudError as error:
                outcomes.append(error)
            except OSError as error:
                outcomes.append(_translate(error, path))
            self.between("put_small:done", path)
            self._living()
        for folder in sorted(folders):
            found = self.disk.find(folder)
            if found is not None:
                self.disk.flush(found)
        return outcomes

    def make_folder(self, path: LocalPath) -> Stamp:
        """Make one folder at a free name."""
        self._enter("make_folder", path)
        self._named(path)
        parent = self.disk.find(path[:-1])
        if parent is None or parent.kind is not SeenKind.FOLDER or self.disk.find(path) is not None:
            raise LocalChanged(f"{'/'.join(path)!r} is taken, or its folder is gone.")
        try:
            inode = self.disk.mkdir(path)
        except OSError as error:
            raise _translate(error, path) from error
        self._unsettled.append(parent)
        return self.disk.stamp(inode)

    def move(self, source: LocalPath, target: LocalPath, expect: Stamp) -> Stamp:
        """Rename to a free name."""
        self._enter("move", source)
        self._named(target)
        self._check_move(source, target, expect)
        self.between("move:checked", source)
        self._living()
        inode = self._check_move(source, target, expect)
        try:
            homes = [self.disk.folder(source[:-1]), self.disk.folder(target[:-1])]
            self.disk.rename(source, target)
        except OSError as error:
            raise _translate(error, source) from error
        self._unsettled += homes
        return self.disk.stamp(inode)

    def remove_file(self, path: LocalPath, expect: Stamp) -> None:
        """Remove a file or symlink that is as seen."""
        self._enter("remove_file", path)
        self._check_same(path, expect)
        self.between("remove_file:checked", path)
        self._living()
        self._check_same(path, expect)
        try:
            self.disk.remove(path)
            self._unsettled.append(self.disk.folder(path[:-1]))
        except OSError as error:
            raise _translate(error, path) from error

    def remove_folder(self, path: LocalPath) -> None:
        """Remove an empty folder."""
        self._enter("remove_folder", path)
        inode = self.disk.find(path)
        if inode is None or inode.kind is not SeenKind.FOLDER or inode.names:
            raise LocalChanged(f"{'/'.join(path)!r} is no empty folder any more.")
        try:
            self.disk.rmdir(path)
            self._unsettled.append(self.disk.folder(path[:-1]))
        except OSError as error:
            raise _translate(error, path) from error

    def set_mtime(self, path: LocalPath, mtime_ns: int, expect: Stamp) -> Stamp:
        """Set the modification time of a file that is as seen."""
        self._enter("set_mtime", path)
        inode = self._check_same(path, expect)
        self.disk.touch(path, mtime_ns)
        return self.disk.stamp(inode)

    def settle(self) -> None:
        """Make folders made, moves and removals durable."""
        self._enter("settle", ())
        folders, self._unsettled = self._unsettled, []
        for folder in folders:
            self.disk.flush(folder)

    def free_bytes(self) -> int:
        """Room left."""
        self._enter("free_bytes", ())
        return self.disk.free_bytes()

    def close(self) -> None:
        """Give the lock back."""
        if self.disk.lock_holder is self:
            self.disk.lock_holder = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def enter(self, point: str, path: LocalPath) -> None:
        """What every call begins with, those on open files included: somebody may act, the process may die, it may fail."""
        self._enter(point, path)

    def _enter(self, point: str, path: LocalPath) -> None:
        self._living()
        self.between(point, path)
        self._living()
        number = self.trouble(point, path) if self.trouble is not None else None
        if number is not None:
            raise _translate(OSError(number, errno.errorcode.get(number, "failed")), path)

    def _rooted(self) -> None:
        if self.disk.find((PRIVATE, _MARKER)) is None:
            raise RootMissing("The folder or its marker is missing; is its disk connected?")

    @staticmethod
    def _named(path: LocalPath) -> None:
        try:
            for name in path:
                name.encode(errors="surrogateescape")
                if not any("\udc80" <= letter <= "\udcff" for letter in name):
                    check_name(name)
        except (BadName, UnicodeEncodeError) as error:
            raise LocalTrouble(f"{path!r} is no name here.") from error
        if not path or path[0] == PRIVATE:
            raise LocalTrouble("This place is ours.")

    def _living(self) -> None:
        if not self._alive:
            raise Killed

    def _check_put(self, path: LocalPath, expect: Stamp | None) -> Inode | None:
        parent = self.disk.find(path[:-1])
        inode = self.disk.find(path)
        if parent is None or parent.kind is not SeenKind.FOLDER:
            raise LocalChanged(f"The folder of {'/'.join(path)!r} is gone.")
        if expect is None:
            if inode is not None:
                raise LocalChanged(f"{'/'.join(path)!r} is taken.")
            return None
        if inode is None or inode.kind is not SeenKind.FILE or self.disk.stamp(inode) != expect:
            raise LocalChanged(f"{'/'.join(path)!r} changed.")
        return inode

    def _check_same(self, path: LocalPath, expect: Stamp) -> Inode:
        inode = self.disk.find(path)
        if inode is None or inode.kind is SeenKind.FOLDER or self.disk.stamp(inode) != expect:
            raise LocalChanged(f"{'/'.join(path)!r} changed.")
        return inode

    def _check_move(self, source: LocalPath, target: LocalPath, expect: Stamp) -> Inode:
        inode, there = self.disk.find(source), self.disk.find(target)
        parent = self.disk.find(target[:-1])
        if inode is None or parent is None or parent.kind is not SeenKind.FOLDER or there not in (None, inode):
            raise LocalChanged(f"{'/'.join(source)!r} is gone, or {'/'.join(target)!r} is taken.")
        stamp = self.disk.stamp(inode)
        same = stamp.inode == expect.inode if inode.kind is SeenKind.FOLDER else stamp == expect
        if not same:
            raise LocalChanged(f"{'/'.join(source)!r} changed.")
        return inode

    def _staged_inode(self, staging: Staging) -> Inode:
        inode = self.disk.find(self._staged_path(staging))
        if inode is None:
            raise LocalTrouble("The staging file is gone.")
        return inode

    @staticmethod
    def _staged_path(staging: Staging) -> LocalPath:
        if not isinstance(staging, _Staging):
            raise TypeError("The staging file is of another tree.")
        return staging.path


class _Reading:
    """An open file."""

    def __init__(self, tree: SimTree, path: LocalPath, inode: Inode) -> None:
        self._tree = tree
        self._path = path
        self._inode = inode
        self._stamp = tree.disk.stamp(inode)

    @property
    def stamp(self) -> Stamp:
        """Stamp at opening."""
        return self._stamp

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes as the inode has them now: a write in the middle of reading is seen in part (R19)."""
        self._tree.enter("read_at", self._path)
        return bytes(self._inode.data[offset : offset + size])

    def still(self) -> bool:
        """Whether handle and path show what was opened."""
        self._tree.enter("still", self._path)
        there = self._tree.disk.find(self._path)
        return there is self._inode and self._tree.disk.stamp(self._inode) == self._stamp

    def close(self) -> None:
        """Let go."""


class _Staging:
    """A file being received."""

    def __init__(self, tree: SimTree, path: LocalPath, inode: Inode) -> None:
        self._tree = tree
        self.path = path
        self._inode = inode

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes."""
        self._tree.enter("write_at", self.path)
        try:
            self._tree.disk.put_data(self._inode, offset, data)
        except OSError as error:
            raise _translate(error, self.path) from error

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes written before."""
        self._tree.enter("read_at", self.path)
        return bytes(self._inode.data[offset : offset + size])

    def flush(self) -> None:
        """Make the content durable."""
        self._tree.enter("flush", self.path)
        self._tree.disk.flush(self._inode)

    def discard(self) -> None:
        """Remove it."""
        self._tree.enter("discard", self.path)
        if self._tree.disk.find(self.path) is self._inode:
            self._tree.disk.remove(self.path)

    def close(self) -> None:
        """Let go."""


class SimWatcher:
    """A `Watcher` of a `SimDisk` with room for `room` folders: then it says `everything` (SC-197).

    `wait` never waits: it tells whether there is something and otherwise calls `idle` with the seconds asked for.
    """

    def __init__(self, disk: SimDisk, room: int = 64, idle: Callable[[float], None] | None = None) -> None:
        self._disk = disk
        self._room = room
        self._idle = idle
        self._folders: list[LocalPath] = []
        self._woken = False
        self.overflowed = False
        disk.listeners.append(self._heard)

    def _heard(self, folder: LocalPath) -> None:
        if folder[:1] == (PRIVATE,) or folder in self._folders:
            return
        if len(self._folders) >= self._room:
            self.overflowed = True
        else:
            self._folders.append(folder)

    def take(self) -> Hints:
        """All hints since the last call."""
        hints = Hints(tuple(self._folders), self.overflowed)
        self._folders.clear()
        self.overflowed = False
        return hints

    def wait(self, timeout_s: float) -> bool:
        """Whether there is a hint or `wake` was called."""
        if not self._folders and not self.overflowed and not self._woken and self._idle is not None:
            self._idle(timeout_s)
        answer = bool(self._folders) or self.overflowed or self._woken
        self._woken = False
        return answer

    def wake(self) -> None:
        """End the next `wait` at once."""
        self._woken = True

    def close(self) -> None:
        """Stop watching."""
        if self._heard in self._disk.listeners:
            self._disk.listeners.remove(self._heard)
