"""A computer's disk in memory: what programs see now, and what a power loss would leave.

Two people use it: the simulated person, through the methods here (create, rename, save safely, …), and the sync client,
through `tree_memory`. Failures are `OSError`s with the errno a real system gives.

Durability: every inode keeps the content of its last flush, every folder change waits in one ordered list until its folder
is flushed. `power_loss` keeps a legal part of what waits: a prefix, as journaling systems do, or whole folders in any order.
"""

import copy
import errno
import os
import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from homestow.client.ports.localtree import LocalPath, SeenKind, Stamp

OUTSIDE = ".."
"""First name of a path that lies beside the job's folder, for moves into and out of it (SC-098, SC-099)."""

_WORLD, _JOB, _OUT = 1, "job", "out"
_MAX_NAME_BYTES = 255
_OP_NS = 1_000
"""What one operation takes: two changes never bear the same time, as on kernels with fine timestamps."""


@dataclass(frozen=True, slots=True)
class DiskKind:
    """What sort of filesystem it is; `has_ctime` False gives 0 as change time, as on some network disks.

    `first_mtime_ns` is the earliest time a file can bear: December 1901 on ext4.
    """

    folds_case: bool = False
    normalises: bool = False
    stable_inodes: bool = True
    mtime_step_ns: int = 1
    first_mtime_ns: int = -(2**31) * 10**9
    has_ctime: bool = True


@dataclass(slots=True)
class Inode:
    """A file, folder, symlink or special file; `durable` is content, mtime and ctime of the last flush, None before it."""

    number: int
    kind: SeenKind
    mtime_ns: int
    ctime_ns: int
    home: int
    data: bytearray = field(default_factory=bytearray)
    names: dict[str, tuple[str, int]] = field(default_factory=dict)
    readable: bool = True
    mode: int = 0o644
    room: int = 0
    durable: tuple[bytes, int, int] | None = None


@dataclass(frozen=True, slots=True)
class _NameOp:
    """Names set or taken away at once: (folder, key) now shows (name, inode), or nothing."""

    changes: tuple[tuple[int, str, tuple[str, int] | None], ...]


def _fail(number: int, path: LocalPath) -> OSError:
    return OSError(number, os.strerror(number), "/".join(path))


class _Names:
    """Inodes and folders with their two states, now and durable; knows nothing of paths."""

    def __init__(self) -> None:
        self.inodes: dict[int, Inode] = {}
        self.durable: dict[int, dict[str, tuple[str, int]]] = {}
        self.waiting: list[_NameOp] = []
        self._last = 0

    def make(self, kind: SeenKind, home: int, now_ns: int) -> Inode:
        self._last += 1
        inode = Inode(self._last, kind, now_ns, now_ns, home)
        self.inodes[inode.number] = inode
        if kind is SeenKind.FOLDER:
            self.durable[inode.number] = {}
        return inode

    def change(self, *changes: tuple[int, str, tuple[str, int] | None]) -> None:
        """Do the changes of names now; they wait for a flush together."""
        op = _NameOp(changes)
        for folder, key, shown in op.changes:
            self._set(self.inodes[folder].names, key, shown)
            if shown is not None:
                self.inodes[shown[1]].home = folder
        self.waiting.append(op)

    def show(self, folder: int, key: str, shown: tuple[str, int] | None) -> None:
        """Set a name now and for ever: no file operation but somebody plugging disks."""
        self._set(self.inodes[folder].names, key, shown)
        self._set(self.durable[folder], key, shown)

    def flush_folders(self, folders: set[int]) -> None:
        """Make what waits for `folders` durable, with the earlier changes it cannot stand without."""
        wanted = set(folders)
        chosen: list[_NameOp] = []
        left: list[_NameOp] = []
        for op in reversed(self.waiting):
            touched = {folder for folder, _, _ in op.changes}
            if touched & wanted:
                wanted |= touched
                chosen.append(op)
            else:
                left.append(op)
        self.waiting = left[::-1]
        for op in reversed(chosen):
            self._harden(op)

    def flush_first(self, count: int) -> None:
        """Make the `count` oldest waiting changes durable."""
        for op in self.waiting[:count]:
            self._harden(op)
        del self.waiting[:count]

    def _harden(self, op: _NameOp) -> None:
        for folder, key, shown in op.changes:
            self._set(self.durable.setdefault(folder, {}), key, shown)

    @staticmethod
    def _set(names: dict[str, tuple[str, int]], key: str, shown: tuple[str, int] | None) -> None:
        if shown is None:
            names.pop(key, None)
        else:
            names[key] = shown

    def back_to_durable(self) -> None:
        """Names become what is durable; inodes that nothing shows any more are gone."""
        self.waiting.clear()
        kept: dict[int, Inode] = {}
        todo = [_WORLD]
        while todo:
            inode = self.inodes[todo.pop()]
            kept[inode.number] = inode
            if inode.kind is SeenKind.FOLDER:
                inode.names = dict(self.durable.get(inode.number, {}))
                for _, child in inode.names.values():
                    self.inodes[child].home = inode.number
                    todo.append(child)
        self.inodes = kept
        self.durable = {number: names for number, names in self.durable.items() if number in kept}


class _Disk:
    """One disk with the job's folder, a folder beside it, and limits: all but what a person does.

    Attributes:
        bytes_limit, inodes_limit: what fits; may be changed at any time.
        listeners: called with the folder of every change.
        lock_holder: who keeps the job's folder in step, None when nobody does.
    """

    def __init__(self, now_ns: Callable[[], int], kind: DiskKind = DiskKind()) -> None:
        self.kind = kind
        self.bytes_limit = 1 << 40
        self.inodes_limit = 1 << 30
        self.listeners: list[Callable[[LocalPath], None]] = []
        self.lock_holder: object | None = None
        self._now_ns = now_ns
        self._ops = 0
        self._away: tuple[str, int] | None = None
        self.used_bytes = 0
        self.used_inodes = 0
        self._names = _Names()
        world = self._names.make(SeenKind.FOLDER, _WORLD, self._tick())
        for name in (_JOB, _OUT):
            inode = self._names.make(SeenKind.FOLDER, world.number, self._tick())
            self._names.change((world.number, name, (name, inode.number)))
        self.flush_all()

    # --- looking ------------------------------------------------------------------------------------------------------

    def key(self, name: str) -> str:
        """The form in which this filesystem compares names."""
        if self.kind.normalises:
            name = unicodedata.normalize("NFD", name)
        return name.casefold() if self.kind.folds_case else name

    def find(self, path: LocalPath) -> Inode | None:
        """What is at `path`, never through a symlink; None when nothing is."""
        inode = self._names.inodes[_WORLD]
        for name in (_OUT, *path[1:]) if path[:1] == (OUTSIDE,) else (_JOB, *path):
            shown = inode.names.get(self.key(name)) if inode.kind is SeenKind.FOLDER else None
            if shown is None:
                return None
            inode = self._names.inodes[shown[1]]
        return inode

    def folder(self, path: LocalPath) -> Inode:
        """The folder at `path`; ENOENT or ENOTDIR otherwise."""
        inode = self.find(path)
        if inode is None:
            raise _fail(errno.ENOENT, path)
        if inode.kind is not SeenKind.FOLDER:
            raise _fail(errno.ENOTDIR, path)
        return inode

    def file(self, path: LocalPath) -> Inode:
        """The regular file at `path`; ENOENT, or EISDIR for anything else."""
        inode = self.find(path)
        if inode is None:
            raise _fail(errno.ENOENT, path)
        if inode.kind is not SeenKind.FILE:
            raise _fail(errno.EISDIR, path)
        return inode

    def stamp(self, inode: Inode) -> Stamp:
        """The inode's stamp, as coarse as this filesystem is."""
        return Stamp(
            len(inode.data) if inode.kind is not SeenKind.FOLDER else 0,
            inode.mtime_ns,
            inode.ctime_ns if self.kind.has_ctime else 0,
            inode.number if self.kind.stable_inodes else 0,
        )

    def children(self, folder: Inode) -> Iterator[tuple[str, Inode]]:
        """Names and inodes of a folder."""
        for name, number in list(folder.names.values()):
            yield name, self._names.inodes[number]

    def walk(self, path: LocalPath = ()) -> Iterator[tuple[LocalPath, Inode]]:
        """Everything below `path`, folders before what they hold, by name."""
        if not path and self.find(()) is None:
            return
        for name, inode in sorted(self.children(self.folder(path)), key=lambda found: found[0]):
            yield (*path, name), inode
            if inode.kind is SeenKind.FOLDER:
                yield from self.walk((*path, name))

    def path_of(self, inode: Inode) -> LocalPath | None:
        """Where an inode is; None for what is not in the job's folder."""
        names: list[str] = []
        while inode.number != _WORLD:
            home = self._names.inodes[inode.home]
            found = next((name for name, number in home.names.values() if number == inode.number), None)
            if found is None:
                return None
            names.append(found)
            inode = home
        names.reverse()
        return tuple(names[1:]) if names[:1] == [_JOB] else None

    def free_bytes(self) -> int:
        """Room left."""
        return max(0, self.bytes_limit - self.used_bytes)

    # --- the disk itself goes and comes -------------------------------------------------------------------------------

    @property
    def away(self) -> bool:
        """Whether the job's folder is taken away."""
        return self._away is not None

    def disconnect(self, *, mount_point: bool) -> None:
        """Take the job's folder away, as an unmount does: nothing is there, or an empty folder (SC-188, SC-190)."""
        if self._away is None:
            self._away = self._names.inodes[_WORLD].names[_JOB]
            self._names.show(_WORLD, _JOB, None)
            if mount_point:
                self.make_root()

    def connect(self) -> None:
        """Bring back what `disconnect` took; an empty mount point vanishes below it."""
        if self._away is not None:
            self._names.show(_WORLD, _JOB, self._away)
            self._away = None
            self._tell_all()

    def make_root(self) -> None:
        """Make the job's folder anew where it is gone."""
        inode = self._names.make(SeenKind.FOLDER, _WORLD, self._tick())
        self._names.show(_WORLD, _JOB, (_JOB, inode.number))

    # --- the parts both users share -----------------------------------------------------------------------------------

    def make_file(self, path: LocalPath) -> Inode:
        """An empty file at a free name."""
        return self._add(path, SeenKind.FILE)

    def set_data(self, inode: Inode, data: bytes, mtime_ns: int | None = None) -> None:
        """New content for a file; ENOSPC leaves the old."""
        self._claim(len(data) - inode.room, ())
        self.used_bytes += len(data) - inode.room
        inode.room = len(data)
        inode.data = bytearray(data)
        self._changed(inode, mtime_ns)

    def put_data(self, inode: Inode, offset: int, data: bytes | memoryview) -> None:
        """Bytes into a file at an offset; room is taken as far as the file was written."""
        end = offset + len(data)
        more = max(0, end - inode.room)
        self._claim(more, ())
        self.used_bytes += more
        inode.room += more
        if len(inode.data) < end:
            inode.data.extend(bytes(end - len(inode.data)))
        inode.data[offset:end] = data
        self._changed(inode, None)

    def flush(self, inode: Inode) -> None:
        """fsync: a file's content, or a folder's names."""
        if inode.kind is SeenKind.FOLDER:
            self._names.flush_folders({inode.number})
        inode.durable = (bytes(inode.data), inode.mtime_ns, inode.ctime_ns)

    def flush_all(self) -> None:
        """sync: everything that is now is durable; not while the job's folder is away."""
        if self.away:
            return
        self._names.flush_first(len(self._names.waiting))
        for inode in self._names.inodes.values():
            inode.durable = (bytes(inode.data), inode.mtime_ns, inode.ctime_ns)
        self._names.back_to_durable()

    def durable_contents(self) -> Iterator[bytes]:
        """Contents that every power loss leaves: flushed, at names that are flushed."""
        todo = [_WORLD]
        while todo:
            for _, number in self._names.durable.get(todo.pop(), {}).values():
                inode = self._names.inodes[number]
                todo.append(number)
                if inode.durable is not None and inode.kind is SeenKind.FILE:
                    yield inode.durable[0]

    def power_loss(self, dice: random.Random) -> None:
        """Become a state that a power loss now may leave; the lock is free again."""
        self.connect()
        waiting = self._names.waiting
        how = dice.choice(("nothing", "first", "folders", "everything"))
        if how == "first":
            self._names.flush_first(dice.randint(0, len(waiting)))
        elif how == "folders":
            touched = sorted({folder for op in waiting for folder, _, _ in op.changes})
            self._names.flush_folders({folder for folder in touched if dice.random() < 0.5})
        elif how == "everything":
            self._names.flush_first(len(waiting))
        self._names.back_to_durable()
        self.used_bytes = 0
        self.used_inodes = len(self._names.inodes)
        for inode in self._names.inodes.values():
            self._lose_content(inode, dice)
            self.used_bytes += inode.room
        self.lock_holder = None

    def snapshot(self) -> tuple[_Names, int, int]:
        """All of it as it is now, for `restore`."""
        self.connect()
        return copy.deepcopy((self._names, self.used_bytes, self.used_inodes))

    def restore(self, snapshot: tuple[_Names, int, int]) -> None:
        """Become what `snapshot` showed, as from a backup; may be used again."""
        self._names, self.used_bytes, self.used_inodes = copy.deepcopy(snapshot)
        self.lock_holder = None
        self._tell_all()

    def _lose_content(self, inode: Inode, dice: random.Random) -> None:
        held = (bytes(inode.data), inode.mtime_ns, inode.ctime_ns)
        if inode.durable is None:
            # Zeros under an unchanged stamp are damage that nobody could see without reading everything again.
            states = [held, (b"", *held[1:]), (bytes(len(inode.data)), held[1], self._tick())]
        else:
            states = [held, inode.durable]
        if inode.kind in (SeenKind.LINK, SeenKind.OTHER):
            states = [held]
        state = inode.durable = dice.choice(states)
        if inode.kind is SeenKind.FILE and state[0] != held[0]:
            inode.room = len(state[0])
        inode.data, inode.mtime_ns, inode.ctime_ns = bytearray(state[0]), state[1], state[2]

    def _add(self, path: LocalPath, kind: SeenKind) -> Inode:
        if not path:
            raise _fail(errno.EEXIST, path)
        folder = self.folder(path[:-1])
        self._check_name(path)
        if self.key(path[-1]) in folder.names:
            raise _fail(errno.EEXIST, path)
        if self.used_inodes >= self.inodes_limit:
            raise _fail(errno.ENOSPC, path)
        self.used_inodes += 1
        inode = self._names.make(kind, folder.number, self._tick())
        inode.mtime_ns = self._coarse(inode.mtime_ns)
        self._names.change((folder.number, self.key(path[-1]), (self._spelling(path[-1]), inode.number)))
        self._touch(folder)
        return inode

    def _drop(self, path: LocalPath, inode: Inode) -> None:
        folder = self._names.inodes[inode.home]
        self._names.change((folder.number, self.key(path[-1]), None))
        self._release(inode)
        self._touch(folder)

    def _release(self, inode: Inode) -> None:
        self.used_bytes -= inode.room
        self.used_inodes -= 1
        inode.room = 0

    def _check_name(self, path: LocalPath) -> None:
        if len(path[-1].encode(errors="surrogateescape")) > _MAX_NAME_BYTES:
            raise _fail(errno.ENAMETOOLONG, path)

    def _spelling(self, name: str) -> str:
        return unicodedata.normalize("NFD", name) if self.kind.normalises else name

    def _claim(self, more: int, path: LocalPath) -> None:
        if more > 0 and self.used_bytes + more > self.bytes_limit:
            raise _fail(errno.ENOSPC, path)

    def _changed(self, inode: Inode, mtime_ns: int | None) -> None:
        inode.ctime_ns = self._tick()
        inode.mtime_ns = self._coarse(inode.ctime_ns if mtime_ns is None else mtime_ns)
        self._tell(inode.home)

    def _touch(self, folder: Inode) -> None:
        folder.ctime_ns = self._tick()
        folder.mtime_ns = self._coarse(folder.ctime_ns)
        self._tell(folder.number)

    def _coarse(self, time_ns: int) -> int:
        time_ns = max(time_ns, self.kind.first_mtime_ns)
        return time_ns - time_ns % self.kind.mtime_step_ns

    def _tick(self) -> int:
        self._ops += 1
        return self._now_ns() + self._ops * _OP_NS

    def _tell(self, folder: int) -> None:
        inode = self._names.inodes.get(folder)
        path = self.path_of(inode) if inode is not None and self.listeners else None
        if path is not None:
            for listener in self.listeners:
                listener(path)

    def _tell_all(self) -> None:
        for listener in self.listeners:
            listener(())


class SimDisk(_Disk):
    """One disk with the job's folder, a folder beside it, and what a person does there; see the module."""

    def write(self, path: LocalPath, data: bytes, mtime_ns: int | None = None) -> None:
        """Create a file, or write new content into the one that is there (same inode)."""
        inode = self.find(path)
        if inode is None:
            self._claim(len(data), path)
            inode = self.make_file(path)
        elif inode.kind is not SeenKind.FILE:
            raise _fail(errno.EISDIR, path)
        self.set_data(inode, data, mtime_ns)

    def append(self, path: LocalPath, data: bytes) -> None:
        """Add bytes at the end."""
        inode = self.file(path)
        self.set_data(inode, bytes(inode.data) + data)

    def truncate(self, path: LocalPath, size: int) -> None:
        """Cut a file to `size` bytes, or fill it up with zeros."""
        inode = self.file(path)
        self.set_data(inode, bytes(inode.data[:size]).ljust(size, b"\0"))

    def remove(self, path: LocalPath) -> None:
        """Remove a file, symlink or special file."""
        inode = self.find(path)
        if inode is None:
            raise _fail(errno.ENOENT, path)
        if inode.kind is SeenKind.FOLDER:
            raise _fail(errno.EISDIR, path)
        self._drop(path, inode)

    def mkdir(self, path: LocalPath) -> Inode:
        """Make a folder at a free name."""
        return self._add(path, SeenKind.FOLDER)

    def rmdir(self, path: LocalPath) -> None:
        """Remove an empty folder."""
        inode = self.folder(path)
        if inode.names:
            raise _fail(errno.ENOTEMPTY, path)
        self._drop(path, inode)

    def rmtree(self, path: LocalPath) -> None:
        """Remove a folder with everything in it, deepest first."""
        for name, inode in list(self.children(self.folder(path))):
            if inode.kind is SeenKind.FOLDER:
                self.rmtree((*path, name))
            else:
                self.remove((*path, name))
        self.rmdir(path)

    def rename(self, source: LocalPath, target: LocalPath) -> None:
        """rename(2): replaces a file by a file and an empty folder by a folder."""
        inode = self.find(source)
        if inode is None:
            raise _fail(errno.ENOENT, source)
        new_home = self.folder(target[:-1])
        self._check_name(target)
        above = new_home
        while above.number != _WORLD:
            if above is inode:
                raise _fail(errno.EINVAL, target)
            above = self._names.inodes[above.home]
        old = self.find(target)
        if old is not None and old is not inode:
            if old.kind is SeenKind.FOLDER and (inode.kind is not SeenKind.FOLDER or old.names):
                raise _fail(errno.EISDIR if inode.kind is not SeenKind.FOLDER else errno.ENOTEMPTY, target)
            if old.kind is not SeenKind.FOLDER and inode.kind is SeenKind.FOLDER:
                raise _fail(errno.ENOTDIR, target)
            self._release(old)
        old_home = self._names.inodes[inode.home]
        changes: list[tuple[int, str, tuple[str, int] | None]] = [
            (old_home.number, self.key(source[-1]), None),
            (new_home.number, self.key(target[-1]), (self._spelling(target[-1]), inode.number)),
        ]
        self._names.change(*changes)
        inode.ctime_ns = self._tick()
        self._touch(old_home)
        self._touch(new_home)

    def swap(self, first: LocalPath, second: LocalPath) -> None:
        """Let two names change their content, by way of a third name."""
        aside = (*first[:-1], f"swap-{self._ops}")
        self.rename(first, aside)
        self.rename(second, first)
        self.rename(aside, second)

    def touch(self, path: LocalPath, mtime_ns: int) -> None:
        """Set a file's modification time."""
        inode = self.find(path)
        if inode is None:
            raise _fail(errno.ENOENT, path)
        inode.mtime_ns = self._coarse(mtime_ns)
        inode.ctime_ns = self._tick()
        self._tell(inode.home)

    def chmod(self, path: LocalPath, *, readable: bool) -> None:
        """Let a file or folder be read, or not."""
        inode = self.find(path)
        if inode is None:
            raise _fail(errno.ENOENT, path)
        inode.readable = readable
        inode.ctime_ns = self._tick()
        self._tell(inode.home)

    def symlink(self, path: LocalPath, target: str) -> None:
        """Make a symlink."""
        self._add(path, SeenKind.LINK).data = bytearray(target.encode())

    def special(self, path: LocalPath) -> None:
        """Make a FIFO."""
        self._add(path, SeenKind.OTHER)

    def safe_save(self, path: LocalPath, data: bytes) -> None:
        """Save as careful editors do: write beside, then rename over (a new inode)."""
        aside = (*path[:-1], f"{path[-1][:20]}~save{self._ops}")
        self.write(aside, data)
        self.rename(aside, path)

    def read(self, path: LocalPath) -> bytes:
        """Content of a file."""
        return bytes(self.file(path).data)
