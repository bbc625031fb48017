"""The reading half of a root on disk: its handles, and looking, opening and listing without a trace."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_calls import FOLDER_HANDLE
from homestow.server.adapters.disk_errors import check_key, disk_error, path_of, told_as
from homestow.server.adapters.tree_files import OpenedFile
from homestow.server.adapters.tree_hidden import Hidden, guess_facts, keys_in, open_hidden
from homestow.server.ports.content import Entry, EntryKind, Location, Opened, Stat, StoreFacts
from homestow.values.errors import BadName, CloudError, ContentMissing, StorageFailed
from homestow.values.paths import RESERVED

READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
READ_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeReading:
    """A root's handles and everything that only looks; see the port for what each method promises.

    Args:
        root: the root's folder; a symlink to it is followed, nothing inside is.
        step: called with the name of each step that makes something persist.
    Raises:
        StorageFailed: there is no such folder, or it cannot be read.
    """

    def __init__(self, root: Path, step: Callable[[str], None]) -> None:
        self._path = root
        self._step = step
        self._lock = threading.Lock()
        self._hidden: Hidden | None = None
        self._retired: list[Hidden] = []
        self._measured = False
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageFailed(
                f"The folder {str(root)!r} cannot be opened: {os.strerror(error.errno or 0)}.", errno=_name_of(error)
            ) from error
        try:
            self._facts = guess_facts(self._root)
            self._hidden = open_hidden(self._root, self._facts, self._step, create=False)
            if self._hidden is not None:
                self._hidden.heal(self._open_folder)
        except OSError as error:
            self.close()
            raise disk_error(error, "open the store of", str(root)) from error
        except CloudError:
            self.close()
            raise

    @property
    def facts(self) -> StoreFacts:
        """What the disk does: as its kind promises until the first write, as measured from then on."""
        return self._facts

    # -- looking ------------------------------------------------------------------------------------------------------

    @told_as("open")
    def open(self, at: Location) -> Opened:
        """A regular file."""
        return self._open_file(self._root, path_of(at, self._facts.folds_case))

    @told_as("open")
    def open_kept(self, key: str, inside: Location = ()) -> Opened:
        """A kept file, or one inside a kept folder."""
        name = check_key(key)
        hidden = self._existing()
        if hidden is None:
            raise ContentMissing("Nothing is kept in this root.")
        if inside:
            below = os.sep.encode() + path_of(("kept", *inside)).removeprefix(b"kept/")
            name += below
        return self._open_file(hidden.kept, name)

    @told_as("look at")
    def look(self, at: Location) -> Stat | None:
        """Facts of what is there, None for nothing; the top's own for ()."""
        if not at:
            return disk_calls.stat_of(self._root, self._facts.stable_inodes)
        try:
            folder, name = self._open_parent(at)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise
        try:
            return self._find(folder, name)
        finally:
            self._close_folder(folder)

    @told_as("read the link")
    def read_link(self, at: Location, kept: str | None = None) -> str:
        """The target of a link."""
        if kept is None:
            folder, name = self._open_parent(at)
            return self._target(folder, name)
        hidden = self._existing()
        if hidden is None:
            raise ContentMissing("Nothing is kept in this root.")
        key = check_key(kept)
        if not at:
            return self._target(os.dup(hidden.kept), key)
        above, _, name = (key + b"/" + path_of(("kept", *at)).removeprefix(b"kept/")).rpartition(b"/")
        return self._target(disk_calls.open_beneath(hidden.kept, above, FOLDER_HANDLE), name)

    def _target(self, folder: int, name: bytes) -> str:
        try:
            return os.fsdecode(os.readlink(name, dir_fd=folder))
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise ContentMissing(f"{os.fsdecode(name)!r} is not a link.") from error
            raise
        finally:
            self._close_folder(folder)

    @told_as("look at")
    def look_kept(self, key: str) -> Stat | None:
        """Facts of something kept."""
        name = check_key(key)
        hidden = self._existing()
        return self._find(hidden.kept, name) if hidden is not None else None

    @told_as("look at")
    def look_staged(self, key: str) -> Stat | None:
        """Facts of something staged."""
        name = check_key(key)
        hidden = self._existing()
        return self._find(hidden.staging, name) if hidden is not None else None

    @told_as("list")
    def list_folder(self, at: Location) -> list[Entry]:
        """Everything in a folder but the hidden area.

        Raises:
            StorageFailed: also for the top when its path leads to another folder by now (unmounted, replaced): what the
                handle still shows would not be what the owner sees (R17).
        """
        if not at:
            self._check_root()
            fd = os.open(".", READ_FOLDER, dir_fd=self._root)
        else:
            fd = disk_calls.open_beneath(self._root, path_of(at, self._facts.folds_case), READ_FOLDER)
        try:
            entries = disk_calls.entries_of(fd, self._facts.stable_inodes)
        finally:
            os.close(fd)
        return entries if at else [entry for entry in entries if entry.name != RESERVED]

    @told_as("measure the room of")
    def free_bytes(self) -> int:
        """Room left for ordinary users."""
        found = os.fstatvfs(self._root)
        return found.f_bavail * found.f_frsize

    def staged_keys(self) -> Iterator[str]:
        """Everything in staging."""
        return self._keys("staging")

    def kept_keys(self) -> Iterator[str]:
        """Everything kept."""
        return self._keys("kept")

    def close(self) -> None:
        """Let go of all handles; may be called twice."""
        with self._lock:
            areas = [*self._retired, *([] if self._hidden is None else [self._hidden])]
            self._retired, self._hidden = [], None
            root, self._root = self._root, -1
        for hidden in areas:
            hidden.close()
        if root >= 0:
            os.close(root)

    # -- inside ---------------------------------------------------------------------------------------------------------

    def _existing(self) -> Hidden | None:
        """The hidden area if the root has one."""
        hidden = self._hidden
        if hidden is not None and not hidden.gone:
            return hidden
        with self._lock:
            self._retire_gone()
            if self._hidden is None:
                self._hidden = open_hidden(self._root, self._facts, self._step, create=False)
            return self._hidden

    def _retire_gone(self) -> None:
        """Forget an area somebody removed; its handles stay open, since another thread may be using their numbers."""
        if self._hidden is not None and self._hidden.gone:
            self._retired.append(self._hidden)
            self._hidden = None
            self._measured = False

    @told_as("list")
    def _keys(self, area: str) -> Iterator[str]:
        hidden = self._existing()
        if hidden is None:
            return iter(())
        return keys_in(hidden.staging if area == "staging" else hidden.kept)

    def _open_folder(self, at: Location) -> int:
        """A handle of a visible folder, to be given back by `_close_folder`."""
        path = path_of(at, self._facts.folds_case)
        return disk_calls.open_beneath(self._root, path, FOLDER_HANDLE) if path else self._root

    def _open_parent(self, at: Location) -> tuple[int, bytes]:
        """A handle of the folder a location lies in, and its name there."""
        if not at:
            raise BadName("The top folder of a root stays what it is.")
        above, _, name = path_of(at, self._facts.folds_case).rpartition(b"/")
        return disk_calls.open_beneath(self._root, above, FOLDER_HANDLE) if above else self._root, name

    def _close_folder(self, fd: int) -> None:
        if fd != self._root:
            os.close(fd)

    def _find(self, folder: int, name: bytes) -> Stat | None:
        try:
            return disk_calls.stat_at(folder, name, self._facts.stable_inodes)
        except FileNotFoundError:
            return None

    def _open_file(self, top: int, path: bytes) -> Opened:
        fd = disk_calls.open_beneath(top, path or b".", READ)
        try:
            found = disk_calls.stat_of(fd, self._facts.stable_inodes)
            if found.kind is not EntryKind.FILE:
                raise OSError(errno.ENXIO, "not a regular file")
        except BaseException:
            os.close(fd)
            raise
        return OpenedFile(fd, found)

    def _check_root(self) -> None:
        held = os.fstat(self._root)
        try:
            now = os.stat(self._path)
        except OSError as error:
            raise StorageFailed("The root's folder is not there.", errno=_name_of(error)) from error
        if (held.st_dev, held.st_ino) != (now.st_dev, now.st_ino):
            raise StorageFailed(
                "The root's folder was replaced by another; start the server again to use that.",
                errno="ESTALE",
            )


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))
