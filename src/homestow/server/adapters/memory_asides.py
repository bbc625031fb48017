"""Replacing a name without exchange, in memory: old aside, new in, with the place on record; see `tree_hidden`."""

import contextlib
import json
from collections.abc import Callable, Collection

from homestow.server.adapters.memory_disk import File, Folder, MemoryDisk
from homestow.server.ports.content import EntryKind, Location


class Asides:
    """Replaces in one store's staging area, and their undoing after a crash."""

    def __init__(
        self, disk: MemoryDisk, staging: Folder, kept: Folder, flush: Callable[[Collection[str]], None]
    ) -> None:
        self.disk = disk
        self._staging = staging
        self._kept = kept
        self._flush = flush

    def replace(self, key: str, folder: Folder, name: str, at: Location, step: Callable[[str], None]) -> None:
        """Put a staged file at a name that is in use; what was there goes to the key."""
        staging = self._staging
        aside, record = f"{key}.old", f"{key}.at"
        self._write_record(record, at)
        try:
            step("content.publish.recorded")
            self.disk.rename(folder, name, staging, aside)
            try:
                step("content.publish.aside")
                self.disk.rename(staging, key, folder, name)
            except OSError:
                self._put_back(aside, folder, name, key)
                raise
            self.disk.rename(staging, aside, staging, key)
        except OSError:
            self.disk.remove(staging, record)
            raise
        self.disk.remove(staging, record)

    def _write_record(self, record: str, at: Location) -> None:
        staging = self._staging
        if self.disk.find(staging, record) is not None:
            self.disk.remove(staging, record)
        file = self.disk.create(staging, record, EntryKind.FILE)
        assert isinstance(file, File)
        try:
            self.disk.write(file, 0, json.dumps(list(at)).encode())
        except OSError:
            self.disk.remove(staging, record)
            raise
        self.disk.flush_file(file)
        self._flush([record])

    def _put_back(self, aside: str, folder: Folder | None, name: str, key: str) -> None:
        if folder is not None and self.disk.find(folder, name) is None:
            self.disk.rename(self._staging, aside, folder, name)
        else:
            self.disk.rename(self._staging, aside, self._kept, f"{key[:50]}-old-{self.disk.now_ns() % 2**32:08x}")

    def heal(self) -> None:
        """Undo replaces that a crash left half done, as the tree does at its start."""
        staging = self._staging
        names = [name for name, _ in self.disk.listed(staging)]
        for record in [name for name in names if name.endswith(".at")]:
            node = self.disk.get(staging, record)
            try:
                at = tuple(str(part) for part in json.loads(bytes(node.data) if isinstance(node, File) else b"") or ())
            except ValueError:
                at = ()
            self._undo(record.removesuffix(".at"), at)
            self.disk.remove(staging, record)
        for aside in [name for name in names if name.endswith(".old")]:
            self._undo(aside.removesuffix(".old"), ())

    def _undo(self, key: str, at: Location) -> None:
        staging, aside = self._staging, f"{key}.old"
        if self.disk.find(staging, aside) is None:
            return
        if self.disk.find(staging, key) is None:
            self.disk.rename(staging, aside, staging, key)
            return
        folder = None
        if at:
            with contextlib.suppress(OSError):
                folder = self.disk.walk(self.disk.top, at[:-1])
        self._put_back(aside, folder, at[-1] if at else "", key)
