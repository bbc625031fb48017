"""A computer with a real folder, so that rows run on the disk adapter that users have (L3)."""

import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from tests.simulation.backends import Backend, Entry
from tests.simulation.machine import Client, Inside

from homestow.client.adapters.clock_memory import SimClock
from homestow.client.adapters.disk_memory import OUTSIDE
from homestow.client.adapters.tree_disk import DiskTree
from homestow.client.ports.localtree import LocalPath, LocalTree
from homestow.values.paths import nfc

PRIVATE_DIR = ".homestow-sync"


class RealHands:
    """What a person does in a real folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "job"
        self.root.mkdir(parents=True)
        self._count = 0

    def _at(self, path: LocalPath) -> Path:
        return self.home.joinpath("out", *path[1:]) if path[:1] == (OUTSIDE,) else self.root.joinpath(*path)

    def exists(self, path: LocalPath) -> bool:
        return os.path.lexists(self._at(path))

    def write(self, path: LocalPath, data: bytes, mtime_ns: int | None = None) -> None:
        self._at(path).parent.mkdir(exist_ok=True)
        self._at(path).write_bytes(data)
        if mtime_ns is not None:
            os.utime(self._at(path), ns=(mtime_ns, mtime_ns))

    def append(self, path: LocalPath, data: bytes) -> None:
        with self._at(path).open("ab") as file:
            file.write(data)

    def safe_save(self, path: LocalPath, data: bytes) -> None:
        draft = self._at(path).with_name("draft~")
        draft.write_bytes(data)
        draft.replace(self._at(path))

    def remove(self, path: LocalPath) -> None:
        self._at(path).unlink()

    def rmtree(self, path: LocalPath) -> None:
        for entry in list(self._at(path).iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                self.rmtree((*path, entry.name))
            else:
                entry.unlink()
        self._at(path).rmdir()

    def mkdir(self, path: LocalPath) -> None:
        self._at(path).mkdir(parents=path[:1] == (OUTSIDE,))

    def rename(self, source: LocalPath, target: LocalPath) -> None:
        self._at(target).parent.mkdir(exist_ok=True)
        self._at(source).replace(self._at(target))

    def swap(self, first: LocalPath, second: LocalPath) -> None:
        self._count += 1
        aside = (OUTSIDE, f"swap{self._count}")
        self.rename(first, aside)
        self.rename(second, first)
        self.rename(aside, second)

    def touch(self, path: LocalPath, mtime_ns: int) -> None:
        os.utime(self._at(path), ns=(mtime_ns, mtime_ns))

    def symlink(self, path: LocalPath, target: str) -> None:
        self._at(path).symlink_to(target)

    def special(self, path: LocalPath) -> None:
        os.mkfifo(self._at(path))

    def mtime_of(self, path: LocalPath) -> int:
        return self._at(path).stat().st_mtime_ns

    def set_mode(self, path: LocalPath, mode: int) -> None:
        self._at(path).chmod(mode)

    def mode_of(self, path: LocalPath) -> int | None:
        return self._at(path).stat().st_mode & 0o777 if self.exists(path) else None

    def shown(self) -> dict[LocalPath, Entry]:
        """What the folder shows, names in NFC, symlinks and special files left out."""
        found: dict[LocalPath, Entry] = {}
        waiting = [self.root]
        while waiting:
            for entry in waiting.pop().iterdir():
                path = entry.relative_to(self.root).parts
                info = entry.lstat()
                if path[0] == PRIVATE_DIR:
                    continue
                names = tuple(nfc(name) for name in path)
                if S_ISDIR(info.st_mode):
                    found[names] = Entry(None, 0)
                    waiting.append(entry)
                elif S_ISREG(info.st_mode):
                    found[names] = Entry(entry.read_bytes(), info.st_mtime_ns)
        return found


class RealMachine(Client):
    """A client on a real folder."""

    def __init__(self, device: str, clock: SimClock, backend: Backend, inside: Inside, home: Path) -> None:
        super().__init__(device, clock, backend.remote(device), lambda line: None, inside, 0)
        self.hands = RealHands(home / device)

    def _open_tree(self) -> LocalTree:
        return DiskTree(self.hands.root)


def maker(home: Path) -> Callable[[str, object, SimClock, Backend, Inside], RealMachine]:
    """Makes computers whose folders lie under `home`."""

    def make(device: str, kind: object, clock: SimClock, backend: Backend, inside: Inside) -> RealMachine:
        return RealMachine(device, clock, backend, inside, home)

    return make
