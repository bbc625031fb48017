"""What simulated people do on their disks: any deed at any moment, aimed by dice at what is there."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.ledger import Ledger, Token, tokens_of

from homestow.client.adapters.disk_memory import OUTSIDE, SimDisk
from homestow.client.adapters.tree_memory import PRIVATE
from homestow.client.ports.localtree import LocalPath, SeenKind

NAMES = ("a", "b", "c.txt", "D", "E")
ODD_NAMES = ("a", "A", "é", "e\u0301", "D", "d", "x" * 250 + ".txt", "a\nb", " x")

KINDS: dict[str, str] = {
    "create": "create",
    "create-big": "create",
    "copy": "create",
    "move-in": "create",
    "edit": "edit",
    "append": "edit",
    "truncate": "edit",
    "safe-save": "edit",
    "sly-edit": "edit",
    "open": "edit",
    "save": "edit",
    "delete": "delete",
    "move-out": "delete",
    "mkdir": "mkdir",
    "rmtree": "rmtree",
    "rename": "rename",
    "case-rename": "rename",
    "swap": "rename",
    "move": "move",
    "move-over": "move",
    "touch": "touch",
    "file-to-folder": "type",
    "folder-to-file": "type",
    "symlink": "type",
    "unreadable": "touch",
    "meddle-edit": "edit",
    "meddle-append": "edit",
    "meddle-replace": "edit",
    "meddle-delete": "delete",
    "meddle-rename": "rename",
    "meddle-fill": "create",
}
"""Every deed and the kind of change it makes, as the situation table counts it.

Those that meddle act on the very thing a client's pass is just at.
"""

MEDDLING = tuple(kind for kind in KINDS if kind.startswith("meddle"))


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done where; `paths` are all places it touched."""

    kind: str
    paths: tuple[LocalPath, ...]


class Person:
    """Somebody at a computer."""

    def __init__(
        self,
        device: str,
        disk: SimDisk,
        ledger: Ledger,
        on_server: Callable[[], set[Token]],
        names: tuple[str, ...] = NAMES,
        now_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self.device = device
        self.disk = disk
        self.ledger = ledger
        self._on_server = on_server
        self._names = names
        self._now_ns = now_ns
        self._opened: tuple[LocalPath, bytes] | None = None
        self._aim: LocalPath | None = None

    def do(self, kind: str, dice: random.Random, aim: LocalPath | None = None) -> Deed | None:
        """Do a deed of this kind; None when nothing there allows it (also when the disk is full).

        Args:
            aim: where a client's pass is; what meddles acts there.
        """
        self._aim = aim
        act = getattr(self, "_" + kind.replace("-", "_"))
        if self.disk.away:
            return None
        before = set(self.ledger.needed)
        try:
            paths = act(dice)
        except OSError:
            # The disk was full in the middle: what was to be written never stood anywhere, an empty file may.
            there = {token for _, inode in self.disk.walk() for token in tokens_of(bytes(inode.data))}
            self.ledger.forget(self.ledger.needed.keys() - before - there)
            self.ledger.stands(b"")
            return None
        return Deed(kind, paths) if paths is not None else None

    # --- aiming -------------------------------------------------------------------------------------------------------

    def _all(self, *kinds: SeenKind) -> list[LocalPath]:
        return [path for path, inode in self.disk.walk() if path[0] != PRIVATE and (not kinds or inode.kind in kinds)]

    def _one(self, dice: random.Random, *kinds: SeenKind) -> LocalPath | None:
        if self._aim is not None:
            inode = self.disk.find(self._aim)
            return self._aim if inode is not None and (not kinds or inode.kind in kinds) else None
        found = self._all(*kinds)
        return found[int(dice.random() * len(found))] if found else None

    def _home(self, dice: random.Random) -> LocalPath:
        homes: list[LocalPath] = [(), *self._all(SeenKind.FOLDER)]
        return homes[int(dice.random() * len(homes))]

    def _place(self, dice: random.Random, home: LocalPath | None = None) -> LocalPath:
        home = self._home(dice) if home is None else home
        return (*home, dice.choice(self._names))

    def _size(self, dice: random.Random) -> int:
        return dice.choice((0, 20, 60, 120))

    def _loses(self, path: LocalPath) -> None:
        inode = self.disk.find(path)
        if inode is not None and inode.kind is SeenKind.FOLDER:
            for _, below in self.disk.walk(path):
                self.ledger.let_go(bytes(below.data))
        elif inode is not None:
            self.ledger.let_go(bytes(inode.data))

    # --- deeds --------------------------------------------------------------------------------------------------------

    def _create(self, dice: random.Random, size: int | None = None) -> tuple[LocalPath, ...] | None:
        path = self._place(dice)
        if self.disk.find(path) is not None:
            return None
        size = self._size(dice) if size is None else size
        self.disk.make_file(path)
        self.disk.write(path, self.ledger.write(self.device, size, f"created {'/'.join(path)} on {self.device}"))
        return (path,)

    def _create_big(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._create(dice, dice.choice((600, 1024, 1500, 3000)))

    def _copy(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        source = self._one(dice, SeenKind.FILE)
        if source is None:
            return None
        size = len(self.disk.read(source))
        return self._create(dice, size)

    def _move_in(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        home = self._place(dice)
        if self.disk.find(home) is not None:
            return None
        self.disk.mkdir((OUTSIDE, "in"))
        for name in dice.sample(self._names, 2):
            content = self.ledger.write(self.device, self._size(dice), f"moved in at {'/'.join(home)} on {self.device}")
            if self.disk.find((OUTSIDE, "in", name)) is not None:  # two names that are one on this disk
                self.ledger.let_go(content)
                continue
            self.disk.write((OUTSIDE, "in", name), content)
        self.disk.rename((OUTSIDE, "in"), home)
        return (home,)

    def _write(
        self, dice: random.Random, write: Callable[[LocalPath, bytes], None], *, keep: bool, size: int | None = None
    ) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE)
        if path is None:
            return None
        old = self.disk.read(path)
        story = f"{'appended to' if keep else 'edited'} {'/'.join(path)} on {self.device}"
        content = self.ledger.write(
            self.device, self._size(dice) if size is None else size, story, old if keep else b""
        )
        write(path, content)
        self.ledger.let_go(old, tokens_of(content))
        return (path,)

    def _edit(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._write(dice, self.disk.write, keep=False, size=dice.choice((None, 900)))

    def _append(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._write(dice, self.disk.write, keep=True)

    def _safe_save(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._write(dice, self.disk.safe_save, keep=False)

    def _sly_edit(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        """Other content of the same size with the old modification time, as some programs write (SC-011)."""
        path = self._one(dice, SeenKind.FILE)
        old = self.disk.read(path) if path is not None else b""
        if path is None or len(old) < 20:
            return None
        content = self.ledger.write(self.device, 0, f"slyly edited {'/'.join(path)} on {self.device}")
        if len(content) > len(old):
            self.ledger.let_go(content)
            return None
        whole = content.ljust(len(old), b".")
        self.ledger.stands(whole)
        self.disk.write(path, whole, self.disk.file(path).mtime_ns)
        self.ledger.let_go(old)
        return (path,)

    def _truncate(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE)
        if path is None:
            return None
        self._loses(path)
        self.disk.truncate(path, 0)
        self.ledger.stands(b"")
        return (path,)

    def _open(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE)
        if path is not None:
            self._opened = path, self.disk.read(path)
        return ()

    def _save(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        """What an editor holds since `open` goes over whatever the file became: only what the server has may survive that."""
        if self._opened is None:
            return None
        (path, loaded), self._opened = self._opened, None
        inode = self.disk.find(path)
        if inode is None or inode.kind is not SeenKind.FILE:
            return None
        now = bytes(inode.data)
        content = self.ledger.write(self.device, self._size(dice), f"saved from an editor {'/'.join(path)}")
        self.disk.write(path, content)
        self.ledger.let_go(loaded)
        self.ledger.let_go(now, self._on_server() - tokens_of(loaded))
        self.ledger.put_aside(tokens_of(now) - tokens_of(loaded))
        return (path,)

    def _delete(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE)
        if path is None:
            return None
        self._loses(path)
        self.disk.remove(path)
        return (path,)

    def _move_out(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice)
        if path is None:
            return None
        self._loses(path)
        self.disk.rename(path, (OUTSIDE, f"out{dice.getrandbits(40)}"))
        return (path,)

    def _mkdir(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._place(dice)
        if self.disk.find(path) is not None:
            return None
        self.disk.mkdir(path)
        return (path,)

    def _rmtree(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FOLDER)
        if path is None:
            return None
        self._loses(path)
        self.disk.rmtree(path)
        return (path,)

    def _rename(self, dice: random.Random, home: LocalPath | None = None) -> tuple[LocalPath, ...] | None:
        source = self._one(dice)
        if source is None:
            return None
        target = self._place(dice, source[:-1] if home is None else home)
        if self.disk.find(target) not in (None, self.disk.find(source)):
            return None
        self.disk.rename(source, target)
        return source, target

    def _move(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._rename(dice, self._home(dice))

    def _case_rename(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        source = self._one(dice)
        if source is None:
            return None
        target = (*source[:-1], source[-1].swapcase())
        if self.disk.find(target) not in (None, self.disk.find(source)) or target == source:
            return None
        self.disk.rename(source, target)
        return source, target

    def _swap(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        first, second = self._one(dice), self._one(dice)
        if first is None or second is None or first == second:
            return None
        if first[: len(second)] == second or second[: len(first)] == first:
            return None
        self.disk.swap(first, second)
        return first, second

    def _move_over(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        source, target = self._one(dice, SeenKind.FILE), self._one(dice, SeenKind.FILE)
        if source is None or target is None or source == target:
            return None
        self._loses(target)
        self.disk.rename(source, target)
        return source, target

    def _touch(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE)
        if path is None:
            return None
        self.disk.touch(path, self._now_ns() - dice.randrange(10**6) * 10**9)
        return (path,)

    def _file_to_folder(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE)
        if path is None:
            return None
        self._loses(path)
        self.disk.remove(path)
        self.disk.mkdir(path)
        if dice.random() < 0.7:
            content = self.ledger.write(self.device, 20, f"in the folder that replaced {'/'.join(path)}")
            self.disk.write((*path, dice.choice(self._names)), content)
        return (path,)

    def _folder_to_file(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FOLDER)
        if path is None:
            return None
        self._loses(path)
        self.disk.rmtree(path)
        self.disk.write(path, self.ledger.write(self.device, 20, f"replaced the folder {'/'.join(path)}"))
        return (path,)

    def _symlink(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._place(dice)
        if self.disk.find(path) is not None:
            return None
        self.disk.symlink(path, "a")
        return (path,)

    def _unreadable(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        path = self._one(dice, SeenKind.FILE, SeenKind.FOLDER)
        if path is None:
            return None
        self.disk.chmod(path, readable=dice.random() < 0.5)
        return (path,)

    # --- what meddles: the deeds above, at the place where the client is ---------------------------------------------

    def _meddle_edit(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._edit(dice) if self._aim else None

    def _meddle_append(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._append(dice) if self._aim else None

    def _meddle_replace(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._safe_save(dice) if self._aim else None

    def _meddle_delete(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        if not self._aim:
            return None
        inode = self.disk.find(self._aim)
        return self._rmtree(dice) if inode is not None and inode.kind is SeenKind.FOLDER else self._delete(dice)

    def _meddle_rename(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        return self._rename(dice) if self._aim else None

    def _meddle_fill(self, dice: random.Random) -> tuple[LocalPath, ...] | None:
        """Put something where the client wants to put something, or into the folder it is at."""
        if self._aim is None:
            return None
        inode = self.disk.find(self._aim)
        path = (*self._aim, dice.choice(self._names)) if inode is not None else self._aim
        if (inode is not None and inode.kind is not SeenKind.FOLDER) or self.disk.find(path) is not None:
            return None
        self.disk.make_file(path)
        self.disk.write(
            path, self.ledger.write(self.device, 20, f"came in between at {'/'.join(path)} on {self.device}")
        )
        return (path,)
