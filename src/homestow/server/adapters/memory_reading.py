"""The reading half of the store in memory: its disk, its handles, and looking, opening and listing."""

import errno
import random
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from homestow.server.adapters.disk_errors import check_key, is_key, path_of, told_as
from homestow.server.adapters.disk_trust import Trust
from homestow.server.adapters.memory_asides import Asides
from homestow.server.adapters.memory_disk import Crash, File, Folder, MemoryDisk, Node, fail
from homestow.server.adapters.memory_files import MemoryOpened
from homestow.server.adapters.memory_outside import Outside
from homestow.server.ports.content import Entry, EntryKind, Location, Opened, Stat, StoreFacts
from homestow.values.errors import BadName, ContentMissing, StorageFailed
from homestow.values.faults import faultpoint
from homestow.values.paths import RESERVED


class MemoryReading:
    """The store of one root in memory; see the port for what each method promises.

    Args:
        disk: where it lies; None makes a new one. A second store on the same disk is a new start of the server.
        step: called with the name of each step that makes something persist.
        exchange, stable_inodes: what the disk can do.
    """

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        step: Callable[[str], None] = faultpoint,
        exchange: bool = True,
        stable_inodes: bool = True,
    ) -> None:
        self.disk = disk if disk is not None else MemoryDisk()
        self.step = step
        self.hints: deque[Collection[Location] | None] = deque()
        self.outside = Outside(self.disk, self.hints)
        self._trust = Trust()
        self._facts = StoreFacts(
            exchange=exchange,
            stable_inodes=stable_inodes,
            sparse=True,
            folds_case=self.disk.folds_case,
            normalises=self.disk.normalises,
            max_name_bytes=255,
            local_files=False,
        )
        self._life = 0
        self._heal()

    @property
    def facts(self) -> StoreFacts:
        """What the disk does."""
        return self._facts

    def crash(self, rng: random.Random, how: Crash | None = None) -> None:
        """Lose power and start again: un-flushed effects survive as `how` says (None: by chance), handles are closed."""
        self.disk.crash(rng, how)
        self._life += 1
        self._trust = Trust()
        self.hints.clear()
        self._heal()

    # -- looking ------------------------------------------------------------------------------------------------------

    @told_as("open")
    def open(self, at: Location) -> Opened:
        """A regular file."""
        if not at:
            raise fail(errno.EISDIR)
        folder, name = self._parent(at)
        return self._open(self.disk.get(folder, name))

    @told_as("open")
    def open_kept(self, key: str, inside: Location = ()) -> Opened:
        """A kept file, or one inside a kept folder."""
        check_key(key)
        path_of(("kept", *inside))
        kept = self._known_area("kept")
        if kept is None:
            raise ContentMissing("Nothing is kept in this root.")
        names = (key, *inside)
        return self._open(self.disk.get(self.disk.walk(kept, names[:-1]), names[-1]))

    def _open(self, node: Node) -> Opened:
        return MemoryOpened(self, self._regular(node))

    @told_as("look at")
    def look(self, at: Location) -> Stat | None:
        """Facts of what is there, None for nothing; the top's own for ()."""
        if not at:
            return self._stat(self.disk.top)
        try:
            folder, name = self._parent(at)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        node = self.disk.find(folder, name)
        return self._stat(node) if node is not None else None

    def look_kept(self, key: str) -> Stat | None:
        """Facts of something kept."""
        return self._look_in("kept", key)

    def look_staged(self, key: str) -> Stat | None:
        """Facts of something staged."""
        return self._look_in("staging", key)

    def _look_in(self, area: str, key: str) -> Stat | None:
        check_key(key)
        folder = self._known_area(area)
        node = self.disk.find(folder, key) if folder is not None else None
        return self._stat(node) if node is not None else None

    @told_as("list")
    def list_folder(self, at: Location) -> list[Entry]:
        """Everything in a folder but the hidden area."""
        path_of(at, self._facts.folds_case)
        folder = self.disk.walk(self.disk.top, at)
        return [Entry(name, self._stat(node)) for name, node in self.disk.listed(folder) if at or name != RESERVED]

    def free_bytes(self) -> int:
        """Room left."""
        return self.disk.free_bytes

    def staged_keys(self) -> Iterator[str]:
        """Everything in staging."""
        return self._keys("staging")

    def kept_keys(self) -> Iterator[str]:
        """Everything kept."""
        return self._keys("kept")

    def watch(self) -> AbstractContextManager[Iterator[Collection[Location] | None]]:
        """What `outside` told so far, ending when there is nothing more: nothing here waits."""
        return self._hints()

    @contextmanager
    def _hints(self) -> Iterator[Iterator[Collection[Location] | None]]:
        def take() -> Iterator[Collection[Location] | None]:
            while self.hints:
                yield self.hints.popleft()

        yield take()

    def close(self) -> None:
        """Let go of all handles; the disk stays."""
        self._life += 1

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def life(self) -> int:
        """Grows when all handles close."""
        return self._life

    @property
    def trust(self) -> Trust:
        """Which staged bytes may be believed."""
        return self._trust

    def _stat(self, node: Node) -> Stat:
        return self.disk.stat(node, self._facts.stable_inodes)

    @staticmethod
    def _regular(node: Node) -> File:
        if not isinstance(node, File) or node.kind is not EntryKind.FILE:
            link = isinstance(node, File) and node.kind is EntryKind.LINK
            raise fail(errno.ELOOP if link else errno.ENXIO)
        return node

    def _parent(self, at: Location) -> tuple[Folder, str]:
        path_of(at, self._facts.folds_case)
        if not at:
            raise BadName("The top folder of a root stays what it is.")
        return self.disk.walk(self.disk.top, at[:-1]), at[-1]

    def _asides(self) -> Asides:
        return Asides(self.disk, self._area("staging"), self._area("kept"), self.flush_staged_names)

    def _heal(self) -> None:
        if self._known_area("staging") is not None:
            self._asides().heal()

    def _known_area(self, area: str) -> Folder | None:
        folder = self.disk.top
        for name in (RESERVED, area):
            node = self.disk.find(folder, name)
            if isinstance(node, File):
                raise StorageFailed(f"{name!r} in the root's folder is not a folder. Move it away.", errno="ENOTDIR")
            if node is None:
                return None
            folder = node
        return folder

    def _area(self, area: str) -> Folder:
        known = self._known_area(area)
        if known is not None:
            return known
        self.step("content.make_hidden")
        top = self.disk.find(self.disk.top, RESERVED) or self.disk.create(self.disk.top, RESERVED, EntryKind.FOLDER)
        assert isinstance(top, Folder)
        for name in ("staging", "kept"):
            if self.disk.find(top, name) is None:
                self.disk.create(top, name, EntryKind.FOLDER)
        self.disk.flush_names(lambda folder, form: form == self.disk.form(RESERVED) or folder is top)
        return self.disk.walk(top, (area,))

    def _keys(self, area: str) -> Iterator[str]:
        folder = self._known_area(area)
        return iter([name for name, _ in self.disk.listed(folder) if is_key(name)] if folder is not None else [])

    def flush_staged_names(self, keys: Collection[str]) -> None:
        """Make names in staging durable."""
        staging = self._area("staging")
        forms = {self.disk.form(key) for key in keys}
        areas = (self.disk.top, self.disk.find(self.disk.top, RESERVED))
        hidden = {self.disk.form(name) for name in (RESERVED, "staging", "kept")}
        self.disk.flush_names(
            lambda folder, form: (folder is staging and form in forms) or (folder in areas and form in hidden)
        )
