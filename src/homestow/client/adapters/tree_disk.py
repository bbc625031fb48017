"""The job's folder on a real disk (see `ports.localtree`), by directory handles and without following symlinks."""

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from homestow.client.adapters.disk import batch, publish, together
from homestow.client.adapters.disk.files import READ_FLAGS, DiskReading, DiskStaging, within_clock
from homestow.client.adapters.disk.folders import open_folder, spot
from homestow.client.adapters.disk.found import found_of
from homestow.client.adapters.disk.names import (
    FOLDER_FLAGS,
    VANISHED,
    kind_of,
    root_missing,
    shown,
    to_disk,
    trouble,
    trouble_or_changed,
)
from homestow.client.adapters.disk.private import PrivateFolder, claim, refuse_inside
from homestow.client.adapters.disk.syscalls import Spot
from homestow.client.ports.localtree import (
    LocalChanged,
    LocalFull,
    LocalPath,
    LocalTrouble,
    Reading,
    Seen,
    SeenKind,
    Staging,
    Stamp,
    TreeFacts,
)
from homestow.values.errors import CloudError
from homestow.values.faults import faultpoint
from homestow.values.paths import MAX_DEPTH

_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")
_RESERVE_BYTES = 1_000_000_000
_RESERVE_PART = 20


class DiskTree:
    """One job's folder. All calls but `prepare` and `close` may come from several threads at once."""

    def __init__(self, root: Path, private_dir_name: str = ".homestow-sync") -> None:
        self._root = root
        self._private_name = private_dir_name
        self._top = -1
        self._open: PrivateFolder | None = None
        self._unsettled: set[LocalPath] = set()
        self._lock = threading.Lock()

    # --- the folder itself ---------------------------------------------------------------------------------------------

    @property
    def facts(self) -> TreeFacts:
        """What the filesystem does."""
        return self._private.facts

    @property
    def _private(self) -> PrivateFolder:
        if self._open is None:
            raise root_missing(self._root, "it is not prepared")
        return self._open

    def check_root(self) -> None:
        """Raise `RootMissing` unless the folder and its marker are there; may be called before `prepare`.

        Raises:
            StoreLocked: it lies in a folder that another process keeps in step.
        """
        try:
            found = os.stat(self._root)
        except OSError as error:
            raise root_missing(self._root, "the folder is not there") from error
        if self._open is not None and not os.path.samestat(found, os.fstat(self._top)):
            raise root_missing(self._root, "another folder is in its place")
        try:
            os.stat(self._root / self._private_name / "marker", follow_symlinks=False)
        except OSError as error:
            raise root_missing(
                self._root, f"its marker {self._private_name}/marker is not there, as in a disk that is not mounted"
            ) from error
        refuse_inside(self._root, self._private_name)

    def prepare(self) -> None:
        """Make what is missing of folder, private folder and marker, take the lock, finish what a kill interrupted.

        Whoever prepared this folder before calls `check_root` first: an empty mount point would get a marker here.
        """
        if self._open is not None:
            return
        refuse_inside(self._root, self._private_name)
        try:
            try:
                self._root.mkdir()
            except FileExistsError:
                pass
            self._top = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError as error:
            raise root_missing(self._root, "the folder it should be made in is not there") from error
        except NotADirectoryError as error:
            raise root_missing(self._root, "it is no folder") from error
        except OSError as error:
            raise trouble(error, (str(self._root),)) from error
        try:
            self._open = claim(self._root, self._top, self._private_name)
        except OSError as error:
            raise trouble(error, (str(self._root), self._private_name)) from error
        finally:
            if self._open is None:
                os.close(self._top)
                self._top = -1

    def close(self) -> None:
        """Give the lock back."""
        private, self._open = self._open, None
        if private is not None:
            private.close()
            os.close(self._top)
            self._top = -1

    def free_bytes(self) -> int:
        """Room left for us on the disk: what is free less a reserve of 5 % or 1 GB, whichever is smaller (S92)."""
        room = os.fstatvfs(self._private.fd)
        reserve = min(_RESERVE_BYTES, room.f_blocks * room.f_frsize // _RESERVE_PART)
        return max(0, room.f_bavail * room.f_frsize - reserve)

    # --- looking -------------------------------------------------------------------------------------------------------

    def list_folder(self, path: LocalPath) -> list[Seen]:
        """Everything in a folder but our private folder, in no order."""
        private = self._private
        try:
            folder = open_folder(self._top, path)
            try:
                seen = self._entries(private, folder, path)
            finally:
                os.close(folder)
        except OSError as error:
            self.check_root()
            raise _unlisted(error, path) from error
        if not path:
            self.check_root()
        return seen

    def list_tree(
        self, path: LocalPath = (), skip: Callable[[LocalPath, str], bool] | None = None
    ) -> Iterator[tuple[LocalPath, list[Seen] | LocalTrouble]]:
        """Every folder at and below `path`, parents before children; an unreadable one comes as its trouble."""
        private = self._private
        try:
            folder = open_folder(self._top, path)
        except OSError as error:
            self.check_root()
            yield path, _unlisted(error, path)
            return
        ways = [(path, folder, [""])]
        try:
            while ways:
                here, folder, names = ways[-1]
                if not names:
                    ways.pop()
                    os.close(folder)
                    continue
                name = names.pop()
                below = (*here, name) if name else here
                deeper = -1
                try:
                    if len(below) > MAX_DEPTH:
                        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
                    deeper = os.open(to_disk(name) if name else b".", FOLDER_FLAGS, dir_fd=folder)
                    seen = self._entries(private, deeper, below)
                except OSError as error:
                    if deeper >= 0:
                        os.close(deeper)
                    yield below, _unlisted(error, below)
                    continue
                folders = [entry.name for entry in seen if entry.kind is SeenKind.FOLDER]
                if skip is not None:
                    folders = [each for each in folders if not skip(below, each)]
                ways.append((below, deeper, folders))
                yield below, seen
        finally:
            for _, folder, _ in ways:
                os.close(folder)
        self.check_root()

    def _entries(self, private: PrivateFolder, folder: int, path: LocalPath) -> list[Seen]:
        seen = private.stamps.entries(folder)
        name = self._private_name
        if not path:
            return [entry for entry in seen if not self._is_private_name(entry.name)]
        if any(entry.name == name for entry in seen) and _has_marker(folder, name):
            return [entry for entry in seen if entry.name != name]
        return seen

    def _is_private_name(self, name: str) -> bool:
        return name == self._private_name or (
            self.facts.folds_case and name.casefold() == self._private_name.casefold()
        )

    def look(self, path: LocalPath) -> Seen | None:
        """What is at `path` now; None when nothing is."""
        private = self._private
        if not path:
            self.check_root()
            return Seen("", SeenKind.FOLDER, private.stamps.of(found_of(self._top)))
        self._check_path(path)
        try:
            with spot(self._top, path) as place:
                found = place.look()
        except OSError as error:
            if error.errno in VANISHED:
                self.check_root()
                return None
            raise trouble(error, path) from error
        return Seen(path[-1], kind_of(found), private.stamps.of(found))

    def open(self, path: LocalPath) -> Reading:
        """Open a regular file for reading, never blocking, never through a symlink."""
        private = self._private
        self._check_path(path)
        fd = folder = -1
        try:
            name = to_disk(path[-1])
            folder = open_folder(self._top, path[:-1])
            # A look before: even opening a device or a FIFO for a moment can have effects (SC-112).
            if private.stamps.at(folder, name)[0] is SeenKind.FILE:
                fd = os.open(name, READ_FLAGS, dir_fd=folder)
                kind, stamp = private.stamps.at(fd, b"")
                if kind is SeenKind.FILE:
                    reading = DiskReading(fd, Spot(folder, name), path, private.stamps, stamp)
                    fd = folder = -1
                    return reading
            raise LocalChanged(f"{shown(path)} is no longer a file.")
        except OSError as error:
            raise trouble_or_changed(error, path) from error
        finally:
            for handle in (fd, folder):
                if handle >= 0:
                    os.close(handle)

    def read_small(self, files: list[tuple[LocalPath, Stamp]]) -> list[bytes | CloudError]:
        """Many small files, each whole and as seen."""
        return together.read_small(self._private.stamps, self._top, files, self._check_path)

    # --- receiving -----------------------------------------------------------------------------------------------------

    def stage(self, key: str, size: int) -> DiskStaging:
        """A staging file of `size` bytes under `key`; reopened when it exists with that size.

        Raises:
            LocalFull: the disk has no room for so many bytes.
            ValueError: not a key.
        """
        private = self._private
        if _KEY.fullmatch(key) is None or size < 0:
            raise ValueError(f"not a key of 1 to 64 letters, digits and '-', or not a size: {key!r}, {size}")
        try:
            staging = DiskStaging(private.staged(key), key, size)
        except OSError as error:
            raise trouble(error, (key,)) from error
        missing = size - staging.stat().st_blocks * 512
        if missing > 0 and missing > self.free_bytes():
            staging.close()
            raise LocalFull(
                f"This computer's disk has too little room: {missing} bytes are missing. Free some; it is tried again."
            )
        return staging

    def staged(self) -> Iterator[str]:
        """Keys of staging files left by earlier runs."""
        for name in os.listdir(self._private.staging):
            if _KEY.fullmatch(name):
                yield name

    # --- changing ------------------------------------------------------------------------------------------------------

    def _race(self, path: LocalPath) -> None:
        """The moment between look and rename. Tests step in here as the user's other program would."""

    def _check_path(self, path: LocalPath) -> None:
        """Refuse the folder itself and our private folder as a thing to act on."""
        if not path:
            raise LocalTrouble("The folder itself cannot be changed.")
        if self._is_private_name(path[0]):
            raise LocalTrouble(f"{shown(path)}: Homestow keeps its own files under this name; rename it elsewhere.")

    def _unsettle(self, *paths: LocalPath) -> None:
        with self._lock:
            self._unsettled.update(path[:-1] for path in paths)

    def put(self, staging: Staging, path: LocalPath, expect: Stamp | None, mtime_ns: int) -> Stamp:
        """Publish a flushed staging file of this tree at `path`, old or new and never between (P2)."""
        private = self._private
        self._check_path(path)
        if not isinstance(staging, DiskStaging):
            raise TypeError("only a staging file of this tree can be published")
        return publish.put(private, self._top, staging, path, expect, mtime_ns, self._race)

    def put_small(self, files: list[tuple[LocalPath, bytes, int]]) -> list[Stamp | CloudError]:
        """Publish many new small files at free names, made durable together; one result each."""
        return batch.put_small(self._private, self._top, files, self._check_path)

    def make_folder(self, path: LocalPath) -> Stamp:
        """Make one folder that whoever may use its parent may use."""
        private = self._private
        self._check_path(path)
        try:
            with spot(self._top, path) as place:
                mode, owner, group = publish.looks_in(found_of(place.folder))
                mode |= mode >> 2 & 0o111
                os.mkdir(place.name, 0o700, dir_fd=place.folder)
                faultpoint("client.folder.made")
                folder = os.open(place.name, FOLDER_FLAGS, dir_fd=place.folder)
                try:
                    publish.open_to(folder, mode, owner, group)
                    stamp = private.stamps.of(found_of(folder))
                finally:
                    os.close(folder)
        except OSError as error:
            raise trouble_or_changed(error, path) from error
        self._unsettle(path)
        return stamp

    def move(self, source: LocalPath, target: LocalPath, expect: Stamp) -> Stamp:
        """Rename to a free name (never replacing). For a folder only inode is compared with `expect`."""
        private = self._private
        self._check_path(source)
        self._check_path(target)
        if target[: len(source)] == source and target != source:
            raise LocalTrouble(f"{shown(source)} cannot move into itself.")
        stamp = publish.move(private, self._top, source, target, expect, self._race)
        self._unsettle(source, target)
        return stamp

    def remove_file(self, path: LocalPath, expect: Stamp) -> None:
        """Remove a file or symlink that still is as seen (SC-034)."""
        private = self._private
        self._check_path(path)
        publish.remove_file(private, self._top, path, expect, self._race)
        self._unsettle(path)

    def remove_folder(self, path: LocalPath) -> None:
        """Remove an empty folder; `LocalChanged` when something is in it (SC-059)."""
        self._check_path(path)
        try:
            with spot(self._top, path) as place:
                os.rmdir(place.name, dir_fd=place.folder)
                faultpoint("client.folder.removed")
        except OSError as error:
            raise trouble_or_changed(error, path) from error
        self._unsettle(path)

    def set_mtime(self, path: LocalPath, mtime_ns: int, expect: Stamp) -> Stamp:
        """Set the modification time of a file that is as seen."""
        private = self._private
        self._check_path(path)
        mtime_ns = within_clock(mtime_ns)
        try:
            with spot(self._top, path) as place:
                found = place.look()
                if kind_of(found) is not SeenKind.FILE or private.stamps.of(found) != expect:
                    raise LocalChanged(f"{shown(path)} changed on this computer in the last moment.")
                self._race(path)
                os.utime(place.name, ns=(mtime_ns, mtime_ns), dir_fd=place.folder, follow_symlinks=False)
                faultpoint("client.mtime.set")
                now = private.stamps.of(place.look())
        except OSError as error:
            raise trouble_or_changed(error, path) from error
        if (now.size, now.inode) != (expect.size, expect.inode):
            raise LocalChanged(f"{shown(path)} changed on this computer in the last moment.")
        return now

    def settle(self) -> None:
        """Make all folders made, moves and removals so far durable together."""
        private = self._private
        with self._lock:
            folders, self._unsettled = self._unsettled, set()
        try:
            faultpoint("client.settle")
            batch.flush_folders(private, self._top, folders)
        except OSError as error:
            with self._lock:
                self._unsettled |= folders
            raise trouble(error, ()) from error


def _has_marker(folder: int, name: str) -> bool:
    """Whether the folder `name` is the private folder of another job below ours: its staging must not be synced (R20)."""
    try:
        with spot(folder, (name, "marker")) as marker:
            return kind_of(marker.look()) is SeenKind.FILE
    except OSError:
        return False


def _unlisted(error: OSError, path: LocalPath) -> LocalTrouble:
    if error.errno in VANISHED:
        return LocalTrouble(f"{shown(path)} went away while it was read.")
    return trouble(error, path)
