"""Every store that must keep the content contract, each with somebody who edits behind its back."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from homestow.server.adapters import disk_calls
from homestow.server.adapters.content_memory import MemoryContent
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.ports.content import Content, Location

Act = Callable[[], object]


class OutsideEdits(Protocol):
    """What an editor or a shell does to the root's folder."""

    def write(self, at: Location, data: bytes, in_place: bool = False, mtime_ns: int | None = None) -> None: ...
    def make_folder(self, at: Location) -> None: ...
    def make_link(self, at: Location, target: str) -> None: ...
    def make_other(self, at: Location) -> None: ...
    def move(self, source: Location, target: Location) -> None: ...
    def remove(self, at: Location) -> None: ...
    def read(self, at: Location) -> bytes: ...


class Steps:
    """What happens at the named steps of a store: each act once, the next time its step is reached."""

    def __init__(self) -> None:
        self.acts: dict[str, list[Act]] = {}
        self.seen: list[str] = []

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        acts = self.acts.get(name)
        if acts:
            acts.pop(0)()

    def at(self, name: str, act: Act) -> None:
        """Do something at the next time `name` is reached."""
        self.acts.setdefault(name, []).append(act)

    def fail_at(self, name: str, code: int) -> None:
        """Let the disk say `code` there."""

        def refuse() -> None:
            raise OSError(code, os.strerror(code))

        self.at(name, refuse)


class Rig(Protocol):
    """A store under test."""

    steps: Steps

    @property
    def store(self) -> Content: ...
    @property
    def outside(self) -> OutsideEdits: ...
    def restart(self) -> None:
        """Another start of the server on the same disk."""

    def close(self) -> None: ...


class FolderEdits:
    """Edits of a real folder, by ordinary paths."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def path(self, at: Location) -> str:
        """An ordinary path."""
        return os.path.join(self.top, *at)

    def write(self, at: Location, data: bytes, in_place: bool = False, mtime_ns: int | None = None) -> None:
        path = self.path(at)
        target = path if in_place else os.path.join(self.top.parent, "editor's temporary file")
        with open(target, "wb") as file:
            file.write(data)
        if mtime_ns is not None:
            os.utime(target, ns=(mtime_ns, mtime_ns))
        if not in_place:
            os.rename(target, path)

    def make_folder(self, at: Location) -> None:
        os.mkdir(self.path(at))

    def make_link(self, at: Location, target: str) -> None:
        os.symlink(target, self.path(at))

    def make_other(self, at: Location) -> None:
        os.mkfifo(self.path(at))

    def move(self, source: Location, target: Location) -> None:
        os.rename(self.path(source), self.path(target))

    def remove(self, at: Location) -> None:
        path = self.path(at)
        if os.path.isdir(path) and not os.path.islink(path):
            for name in os.listdir(path):
                self.remove((*at, name))
            os.rmdir(path)
        else:
            os.unlink(path)

    def read(self, at: Location) -> bytes:
        with open(self.path(at), "rb") as file:
            return file.read()


class TreeRig:
    """The tree on a real folder."""

    def __init__(self, top: Path, exchange: bool | None) -> None:
        self.steps = Steps()
        self.top = top
        self._exchange = exchange
        self.outside = FolderEdits(top)
        self.store = TreeContent(top, self.steps, exchange)

    def restart(self) -> None:
        self.store.close()
        self.store = TreeContent(self.top, self.steps, self._exchange)

    def close(self) -> None:
        self.store.close()


class MemoryRig:
    """The twin in memory."""

    def __init__(self, exchange: bool) -> None:
        self.steps = Steps()
        self._exchange = exchange
        self.store = MemoryContent(step=self.steps, exchange=exchange)

    @property
    def outside(self) -> OutsideEdits:
        return self.store.outside

    def restart(self) -> None:
        self.store = MemoryContent(self.store.disk, self.steps, self._exchange)

    def close(self) -> None:
        self.store.close()


KINDS = (
    "tree",
    "tree without exchange",
    "tree on an old disk",
    "tree on an old kernel",
    "memory",
    "memory without exchange",
)


def make_rig(kind: str, top: Path, patch: Callable[[object, str, object], None]) -> Rig:
    """A fresh store of one kind; `patch` takes abilities away from the machine."""
    if kind.startswith("memory"):
        return MemoryRig(exchange=kind == "memory")
    if kind == "tree on an old disk":
        patch(disk_calls, "rename", _plain_rename)
    if kind == "tree on an old kernel":
        patch(disk_calls, "_without_openat2", True)
        patch(disk_calls, "_statx", None)
        patch(disk_calls, "reports_sync_errors", lambda: False)
    return TreeRig(top, False if kind == "tree without exchange" else None)


def _plain_rename(source_fd: int, source: bytes, target_fd: int, target: bytes, flags: int) -> None:
    if flags:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)


def put(store: Content, at: tuple[str, ...], data: bytes, key: str = "k", replace: bool = False) -> None:
    """Stage, publish and make durable."""
    store.stage_small(key, data)
    store.sync_staged([key])
    store.publish(key, at, replace, None)
    store.sync_folders([at[:-1]])


def names(store: Content, at: tuple[str, ...] = ()) -> list[str]:
    """The names in a folder, sorted."""
    return sorted(entry.name for entry in store.list_folder(at))


def bytes_at(store: Content, at: tuple[str, ...]) -> bytes:
    """What reading the file gives."""
    opened = store.open(at)
    try:
        return opened.read_at(0, 1 << 20)
    finally:
        opened.close()
