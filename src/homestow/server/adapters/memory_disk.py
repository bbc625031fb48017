"""A disk in memory that forgets what was not flushed: files and folders, each with what is seen and what is durable.

Names change by *changes*: a creation, removal, rename or exchange, which a crash keeps or drops as a whole. A flush of a
folder makes durable the changes that touch its names and the earlier ones those depend on, nothing more; a flush of a
file its bytes, and not its name. That is less than most file systems give and as much as POSIX promises (P1).
"""

import errno
import os
import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from homestow.server.ports.content import EntryKind, Stat

BLOCK: Final = 4096
_EARLIEST_NS: Final = -(2**31) * 10**9
_LATEST_NS: Final = (2**34 - 2**31) * 10**9 - 1
"""As ext4 with inodes of 256 bytes: December 1901 to May 2446."""
_MOST_NAME_BYTES: Final = 255


class Crash(Enum):
    """What of the un-flushed survives."""

    NOTHING = "nothing"
    EVERYTHING = "everything"
    SUBSET = "subset"
    """Each change of names and each file's bytes by chance."""
    TORN = "torn"
    """As SUBSET, and bytes in pieces of 512 or 4,096."""


def fail(code: int) -> OSError:
    """What a disk would say."""
    return OSError(code, os.strerror(code))


@dataclass(slots=True, eq=False)
class File:
    """A regular file (or, by `kind`, a symlink or device without content); `kept_*` is what a crash leaves."""

    inode: int
    birth_ns: int
    kind: EntryKind = EntryKind.FILE
    data: bytearray = field(default_factory=bytearray)
    mtime_ns: int = 0
    ctime_ns: int = 0
    blocks: set[int] = field(default_factory=set)
    kept_data: bytes = b""
    kept_mtime_ns: int = 0
    dirty: bool = False


@dataclass(slots=True, eq=False)
class Folder:
    """A folder; names by the form in which this disk compares them."""

    inode: int
    birth_ns: int
    names: dict[str, "Named"] = field(default_factory=dict)
    kept: dict[str, "Named"] = field(default_factory=dict)
    mtime_ns: int = 0
    ctime_ns: int = 0


Node = File | Folder
Named = tuple[str, Node]
_Edit = tuple[Folder, str, "Named | None", "Named | None"]


class MemoryDisk:
    """One file system.

    Args:
        now_ns: its clock; None counts one millisecond per look.
        capacity_bytes: room for file blocks of 4,096 bytes; None for no limit.
        max_nodes: room for files and folders; None for no limit.
        folds_case, normalises: how it compares names; a normalising disk also shows them decomposed (NFD).
        time_step_ns: modification times are kept in such steps.
    """

    def __init__(
        self,
        now_ns: Callable[[], int] | None = None,
        capacity_bytes: int | None = None,
        max_nodes: int | None = None,
        folds_case: bool = False,
        normalises: bool = False,
        time_step_ns: int = 1,
    ) -> None:
        self._ticks = 1_700_000_000_000_000_000
        self._now_ns = now_ns or self._tick
        self.capacity_bytes = capacity_bytes
        self.max_nodes = max_nodes
        self.folds_case = folds_case
        self.normalises = normalises
        self._time_step_ns = time_step_ns
        self._last_inode = 1
        self._blocks = 0
        self._nodes = 1
        self._pending: list[list[_Edit]] = []
        self.top = Folder(1, self.now_ns())

    def _tick(self) -> int:
        self._ticks += 1_000_000
        return self._ticks

    def now_ns(self) -> int:
        """Its time."""
        return self._now_ns()

    def rounded(self, time_ns: int) -> int:
        """A time as this disk keeps it."""
        return max(_EARLIEST_NS, min(_LATEST_NS, time_ns)) // self._time_step_ns * self._time_step_ns

    @property
    def free_bytes(self) -> int:
        """Room left."""
        if self.capacity_bytes is None:
            return 1 << 50
        return max(0, self.capacity_bytes - self._blocks * BLOCK)

    # -- looking ------------------------------------------------------------------------------------------------------

    def form(self, name: str) -> str:
        """The form in which a name is compared."""
        if self.normalises:
            name = unicodedata.normalize("NFD", name)
        return name.casefold() if self.folds_case else name

    def find(self, folder: Folder, name: str) -> Node | None:
        """What is at a name."""
        if len(os.fsencode(name)) > _MOST_NAME_BYTES:
            raise fail(errno.ENAMETOOLONG)
        named = folder.names.get(self.form(name))
        return named[1] if named is not None else None

    def get(self, folder: Folder, name: str) -> Node:
        """What is at a name; ENOENT for nothing."""
        node = self.find(folder, name)
        if node is None:
            raise fail(errno.ENOENT)
        return node

    def walk(self, top: Folder, names: Iterable[str]) -> Folder:
        """A folder below another; ENOENT, ENOTDIR or (a symlink in the way) ELOOP."""
        at = top
        for name in names:
            below = self.get(at, name)
            if isinstance(below, File):
                raise fail(errno.ELOOP if below.kind is EntryKind.LINK else errno.ENOTDIR)
            at = below
        return at

    def listed(self, folder: Folder) -> Iterator[Named]:
        """Names as they are shown, with what is there."""
        return iter(list(folder.names.values()))

    # -- changes of names ---------------------------------------------------------------------------------------------

    def create(self, folder: Folder, name: str, kind: EntryKind) -> Node:
        """A new file, folder or other thing at a free name."""
        if self.find(folder, name) is not None:
            raise fail(errno.EEXIST)
        if self.max_nodes is not None and self._nodes >= self.max_nodes:
            raise fail(errno.ENOSPC)
        self._last_inode += 1
        self._nodes += 1
        now = self.now_ns()
        node: Node
        if kind is EntryKind.FOLDER:
            node = Folder(self._last_inode, now, mtime_ns=now, ctime_ns=now)
        else:
            node = File(self._last_inode, now, kind, mtime_ns=self.rounded(now), ctime_ns=now)
            node.kept_mtime_ns = node.mtime_ns
        self._change([(folder, self.form(name), None, (self._shown(name), node))])
        return node

    def rename(self, source: Folder, name: str, target: Folder, to: str, replace: bool = False) -> None:
        """Rename to a free name; with `replace` what was there is gone."""
        node = self.get(source, name)
        there = self.find(target, to)
        if there is not None and not replace:
            raise fail(errno.EEXIST)
        if isinstance(node, Folder) and self._is_below(target, node):
            raise fail(errno.EINVAL)
        before, after = source.names[self.form(name)], target.names.get(self.form(to))
        node.ctime_ns = self.now_ns()
        edits: list[_Edit] = [(source, self.form(name), before, None)]
        edits.append((target, self.form(to), after, (self._shown(to), node)))
        self._change(edits)
        if there is not None and there is not node:
            self._let_go(there)

    def exchange(self, one: Folder, name: str, other: Folder, to: str) -> None:
        """Two things swap names."""
        first, second = self.get(one, name), self.get(other, to)
        first.ctime_ns = second.ctime_ns = self.now_ns()
        a, b = one.names[self.form(name)], other.names[self.form(to)]
        self._change([(one, self.form(name), a, (a[0], second)), (other, self.form(to), b, (b[0], first))])

    def remove(self, folder: Folder, name: str) -> None:
        """Remove a file, or a folder with all below it."""
        node = self.get(folder, name)
        self._change([(folder, self.form(name), folder.names[self.form(name)], None)])
        self._let_go(node)

    def _shown(self, name: str) -> str:
        return unicodedata.normalize("NFD", name) if self.normalises else name

    def _change(self, edits: list[_Edit]) -> None:
        now = self.now_ns()
        for folder, form, _, after in edits:
            if after is None:
                folder.names.pop(form, None)
            else:
                folder.names[form] = after
            folder.mtime_ns = folder.ctime_ns = now
        self._pending.append(edits)

    def _is_below(self, folder: Folder, top: Folder) -> bool:
        if folder is top:
            return True
        return any(self._is_below(folder, node) for _, node in top.names.values() if isinstance(node, Folder))

    def _let_go(self, node: Node) -> None:
        waiting = [node]
        while waiting:
            one = waiting.pop()
            self._nodes -= 1
            if isinstance(one, File):
                self._blocks -= len(one.blocks)
                one.blocks = set()
            else:
                waiting.extend(below for _, below in one.names.values())

    # -- bytes --------------------------------------------------------------------------------------------------------

    def write(self, file: File, offset: int, data: bytes | memoryview) -> None:
        """Put bytes; ENOSPC before any of them when they do not fit."""
        if not len(data):
            return
        new = set(range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1)) - file.blocks
        if len(new) * BLOCK > self.free_bytes:
            raise fail(errno.ENOSPC)
        if len(file.data) < offset:
            file.data.extend(bytes(offset - len(file.data)))
        file.data[offset : offset + len(data)] = data
        file.blocks |= new
        self._blocks += len(new)
        self._touched(file)

    def truncate(self, file: File, size: int) -> None:
        """Cut, or extend by a hole."""
        if size < len(file.data):
            del file.data[size:]
            cut = {block for block in file.blocks if block * BLOCK >= size}
            file.blocks -= cut
            self._blocks -= len(cut)
        else:
            file.data.extend(bytes(size - len(file.data)))
        self._touched(file)

    def set_mtime(self, node: Node, mtime_ns: int) -> None:
        """Set the modification time."""
        node.mtime_ns = self.rounded(mtime_ns)
        node.ctime_ns = self.now_ns()
        if isinstance(node, File):
            node.dirty = True

    def _touched(self, file: File) -> None:
        now = self.now_ns()
        file.mtime_ns, file.ctime_ns, file.dirty = self.rounded(now), now, True

    # -- durable and not ----------------------------------------------------------------------------------------------

    def flush_file(self, file: File) -> None:
        """Make a file's bytes and time durable, not its name."""
        if file.dirty:
            file.kept_data, file.kept_mtime_ns, file.dirty = bytes(file.data), file.mtime_ns, False

    def flush_names(self, wanted: Callable[[Folder, str], bool]) -> None:
        """Make durable the changes that touch a wanted name, with all earlier changes those depend on."""
        touched: set[tuple[int, str]] = set()
        flushed = []
        for edits in reversed(self._pending):
            here = {(id(folder), form) for folder, form, _, _ in edits}
            if not here.isdisjoint(touched) or any(wanted(folder, form) for folder, form, _, _ in edits):
                touched |= here
                flushed.append(edits)
        for edits in reversed(flushed):
            _settle(edits)
        done = {id(edits) for edits in flushed}
        self._pending = [edits for edits in self._pending if id(edits) not in done]

    def flush_all(self) -> None:
        """Make everything durable."""
        for edits in self._pending:
            _settle(edits)
        self._pending = []
        for node in _below(self.top, lambda folder: folder.names):
            if isinstance(node, File):
                self.flush_file(node)

    def crash(self, rng: random.Random, how: Crash | None = None) -> None:
        """Lose power: of what was not flushed only what `how` says is left; None chooses."""
        how = how or rng.choice(list(Crash))
        for edits in self._pending:
            if how is Crash.EVERYTHING or (how is not Crash.NOTHING and rng.random() < 0.5):
                _settle(edits)
        self._pending = []
        self._blocks = 0
        self._nodes = 1
        self.top.names = dict(self.top.kept)
        for node in _below(self.top, lambda folder: folder.kept):
            self._nodes += 1
            if isinstance(node, Folder):
                node.names = dict(node.kept)
            else:
                self._recover(node, rng, how)
                self._blocks += len(node.blocks)

    def _recover(self, file: File, rng: random.Random, how: Crash) -> None:
        kept = how is Crash.EVERYTHING or (how is not Crash.NOTHING and rng.random() < 0.5)
        if file.dirty and how is Crash.TORN and rng.random() < 0.5:
            file.data = _torn(file.kept_data, bytes(file.data), rng)
        elif not kept or not file.dirty:
            file.data = bytearray(file.kept_data)
            file.mtime_ns = file.kept_mtime_ns
        file.blocks = {block for block in file.blocks if block * BLOCK < len(file.data)}
        file.kept_data, file.kept_mtime_ns, file.dirty = bytes(file.data), file.mtime_ns, False

    def stat(self, node: Node, stable: bool) -> Stat:
        """Facts of a node."""
        size = len(node.data) if isinstance(node, File) else 0
        kind = node.kind if isinstance(node, File) else EntryKind.FOLDER
        inode, birth_ns = (node.inode, node.birth_ns) if stable else (0, 0)
        return Stat(kind, size, node.mtime_ns, node.ctime_ns, inode, birth_ns)


def _settle(edits: list[_Edit]) -> None:
    """Carry one change into the durable names, unless one it depends on was lost."""
    if all(_same(folder.kept.get(form), before) for folder, form, before, _ in edits):
        for folder, form, _, after in edits:
            if after is None:
                folder.kept.pop(form, None)
            else:
                folder.kept[form] = after


def _same(one: Named | None, other: Named | None) -> bool:
    return one is other or (one is not None and other is not None and one[1] is other[1])


def _below(top: Folder, names: Callable[[Folder], dict[str, Named]]) -> Iterator[Node]:
    waiting: list[Node] = [node for _, node in names(top).values()]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Folder):
            waiting.extend(below for _, below in names(node).values())


def _torn(old: bytes, new: bytes, rng: random.Random) -> bytearray:
    """Some pieces of the new bytes over the old ones, the end anywhere between both at a piece's border."""
    piece = rng.choice((512, 4096))
    least, most = sorted((len(old), len(new)))
    sizes = [least, most, *range(least - least % piece + piece, most, piece)]
    result = bytearray(old.ljust(most, b"\0"))
    for start in range(0, len(new), piece):
        if rng.random() < 0.5:
            result[start : start + piece] = new[start : start + piece]
    del result[rng.choice(sizes) :]
    return result
