"""Edits of a disk in memory that the server did not make."""

from collections import deque
from collections.abc import Collection

from homestow.server.adapters.memory_disk import File, Folder, MemoryDisk
from homestow.server.ports.content import EntryKind, Location
from homestow.values.paths import RESERVED


class Outside:
    """Edits behind the server's back, as an editor, a shell or SMB makes them; durable at once.

    Locations may name the hidden area too. Each edit is a hint to whoever watches; `overflow` loses them.
    """

    def __init__(self, disk: MemoryDisk, hints: deque[Collection[Location] | None]) -> None:
        self._disk = disk
        self._hints = hints

    def write(self, at: Location, data: bytes, in_place: bool = False, mtime_ns: int | None = None) -> None:
        """A file gets this content, as a new file under the name or (`in_place`) in the one that is there."""
        disk = self._disk
        folder = disk.walk(disk.top, at[:-1])
        there = disk.find(folder, at[-1])
        if in_place and isinstance(there, File):
            file = there
            disk.truncate(file, 0)
        else:
            if there is not None:
                disk.remove(folder, at[-1])
            file = self._made(folder, at[-1], EntryKind.FILE)
        disk.write(file, 0, data)
        if mtime_ns is not None:
            disk.set_mtime(file, mtime_ns)
        disk.flush_file(file)
        self._done(at[:-1])

    def make_folder(self, at: Location) -> None:
        """A new folder."""
        disk = self._disk
        disk.create(disk.walk(disk.top, at[:-1]), at[-1], EntryKind.FOLDER)
        self._done(at[:-1], at)

    def make_link(self, at: Location, target: str) -> None:
        """A new symlink."""
        disk = self._disk
        link = self._made(disk.walk(disk.top, at[:-1]), at[-1], EntryKind.LINK)
        link.data[:] = target.encode()
        link.dirty = True
        disk.flush_file(link)
        self._done(at[:-1])

    def make_other(self, at: Location) -> None:
        """Something that is no file: a pipe."""
        disk = self._disk
        self._made(disk.walk(disk.top, at[:-1]), at[-1], EntryKind.OTHER)
        self._done(at[:-1])

    def move(self, source: Location, target: Location) -> None:
        """Rename, over whatever is there."""
        disk = self._disk
        disk.rename(
            disk.walk(disk.top, source[:-1]), source[-1], disk.walk(disk.top, target[:-1]), target[-1], replace=True
        )
        self._done(source[:-1], target[:-1])

    def remove(self, at: Location) -> None:
        """Remove a file or a whole folder."""
        disk = self._disk
        disk.remove(disk.walk(disk.top, at[:-1]), at[-1])
        self._done(at[:-1])

    def read(self, at: Location) -> bytes:
        """What `cat` shows."""
        disk = self._disk
        node = disk.get(disk.walk(disk.top, at[:-1]), at[-1])
        return bytes(node.data) if isinstance(node, File) else b""

    def overflow(self) -> None:
        """The system loses the hints not taken yet."""
        self._hints.clear()
        self._hints.append(None)

    def _made(self, folder: Folder, name: str, kind: EntryKind) -> File:
        node = self._disk.create(folder, name, kind)
        assert isinstance(node, File)
        return node

    def _done(self, *folders: Location) -> None:
        disk = self._disk
        touched = [disk.walk(disk.top, at) for at in folders]
        disk.flush_names(lambda folder, form: folder in touched)
        self._hints.append({at for at in folders if at[:1] != (RESERVED,)})
