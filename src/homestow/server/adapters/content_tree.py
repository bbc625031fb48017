"""Content as ordinary files in an ordinary folder: the store of a root on disk.

Nothing here builds a path to user content: every access starts at the root's handle and takes no symlink on the way, by
one `openat2` per folder. Handles of folders are not remembered: to be sure that a remembered one still is the folder of
that location costs the same call as opening it (1.4 µs), and without that somebody's rename would make us write into a
folder that now means something else.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from homestow.server.adapters import disk_calls, tree_files
from homestow.server.adapters.disk_errors import check_key, disk_error, path_of, told_as
from homestow.server.adapters.tree_dress import clamped, dress_file, dress_folder, published_stat, set_times
from homestow.server.adapters.tree_hidden import Hidden
from homestow.server.adapters.tree_reading import READ_FOLDER
from homestow.server.adapters.tree_staging import TreeStaging
from homestow.server.adapters.tree_taking import take_over
from homestow.server.adapters.watch_tree import OwnRenames, watch_tree
from homestow.server.ports.content import (
    Content,
    EntryKind,
    Location,
    Opened,
    Published,
    Staged,
    Stat,
)
from homestow.values.errors import ContentMissing, PathTaken, WouldCycle
from homestow.values.faults import faultpoint


class TreeContent(TreeStaging):
    """The store of one root; see the port for what each method promises.

    Args:
        root: the root's folder; a symlink to it is followed, nothing inside is.
        step: called with the name of each step that makes something persist; tests kill, fail or interfere there.
        exchange: False does without exchanging names even where the disk could; None asks the disk.
    Raises:
        StorageFailed: there is no such folder, or it cannot be read.
    """

    def __init__(self, root: Path, step: Callable[[str], None] = faultpoint, exchange: bool | None = None) -> None:
        super().__init__(root, step, exchange)
        self._own = OwnRenames()

    # -- visible names ------------------------------------------------------------------------------------------------

    @told_as("publish")
    def publish(self, key: str, at: Location, replace: bool, mtime_ns: int | None) -> Published:
        """Put a staged file into place in one step; without exchange, in two under a record that the next start undoes."""
        staged = check_key(key)
        hidden = self._writable()
        self._trust.check(key)
        stable = self._facts.stable_inodes
        folder, name = self._open_parent(at)
        try:
            old = self._see(folder, name) if replace else None
            if old is not None and stat.S_ISDIR(old.st_mode):
                raise PathTaken(f"A folder is at {_text(at)!r}.")
            found = os.stat(staged, dir_fd=hidden.staging, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                raise ContentMissing(f"What is staged as {key!r} is not a file.")
            dress_file(hidden.staging, staged, found, old, folder)
            if mtime_ns is not None and found.st_mtime_ns != clamped(mtime_ns):
                set_times(hidden.staging, staged, mtime_ns)
                found = os.stat(staged, dir_fd=hidden.staging, follow_symlinks=False)
            self._step("content.publish.checked")
            displaced = None
            exchange = old is not None and self._facts.exchange
            self._own.expect(at, exchange=exchange)
            try:
                if not replace:
                    hidden.rename_free(hidden.staging, staged, folder, name)
                elif hidden.swap_in(staged, folder, name, at, old is not None):
                    displaced = disk_calls.stat_at(hidden.staging, staged, stable)
                    if displaced.kind is EntryKind.FOLDER:
                        self._give_back(hidden, staged, folder, name, at)
            except BaseException:
                self._own.withdraw(at, exchange=exchange)
                raise
            self._step("content.publish")
            return Published(published_stat(folder, name, found, mtime_ns, stable), displaced)
        finally:
            self._close_folder(folder)

    @staticmethod
    def _see(folder: int, name: bytes) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _give_back(self, hidden: Hidden, staged: bytes, folder: int, name: bytes, at: Location) -> None:
        """Somebody made a folder at the place in the last moment: it is not ours to take away."""
        if not hidden.swap_in(staged, folder, name, at, True):
            raise OSError(errno.EBUSY, "the place changes while it is replaced")
        raise PathTaken(f"A folder is at {_text(at)!r}.")

    @told_as("make a folder")
    def make_folder(self, at: Location) -> Stat:
        """One new folder, with the mode and group of the one it is in."""
        self._trust.check_store()
        folder, name = self._open_parent(at)
        try:
            self._step("content.make_folder")
            os.mkdir(name, 0o700, dir_fd=folder)
            fd = os.open(name, READ_FOLDER, dir_fd=folder)
            try:
                dress_folder(fd, folder)
                return disk_calls.stat_of(fd, self._facts.stable_inodes)
            finally:
                os.close(fd)
        finally:
            self._close_folder(folder)

    @told_as("move")
    def move(self, source: Location, target: Location) -> Stat:
        """Rename a file or folder to a free name."""
        if source and len(target) > len(source) and target[: len(source)] == source:
            raise WouldCycle(f"{_text(source)!r} cannot move into itself.")
        hidden = self._writable()
        source_folder, source_name = self._open_parent(source)
        try:
            target_folder, target_name = self._open_parent(target)
            try:
                self._step("content.move.checked")
                try:
                    hidden.rename_free(source_folder, source_name, target_folder, target_name)
                except FileExistsError:
                    if not self._is_respelling(source_folder, source, target_folder, target):
                        raise
                    hidden.respell(source_folder, source_name, target_name)
                self._step("content.move")
                return disk_calls.stat_at(target_folder, target_name, self._facts.stable_inodes)
            finally:
                self._close_folder(target_folder)
        finally:
            self._close_folder(source_folder)

    def _is_respelling(self, source_folder: int, source: Location, target_folder: int, target: Location) -> bool:
        """The name "in use" is the thing itself, on a disk that folds case (R15)."""
        if (
            source[:-1] != target[:-1]
            or source[-1] == target[-1]
            or not (self._facts.folds_case or self._facts.normalises)
        ):
            return False
        one = disk_calls.facts_at(source_folder, os.fsencode(source[-1]))
        other = disk_calls.facts_at(target_folder, os.fsencode(target[-1]))
        return (one.device, one.inode) == (other.device, other.inode)

    @told_as("make a link")
    def make_link(self, at: Location, target: str) -> Stat:
        """One new symbolic link."""
        self._trust.check_store()
        folder, name = self._open_parent(at)
        try:
            self._step("content.make_link")
            os.symlink(os.fsencode(target), name, dir_fd=folder)
            return disk_calls.stat_at(folder, name, self._facts.stable_inodes)
        finally:
            self._close_folder(folder)

    @told_as("look at")
    def may_take_over(self, at: Location) -> bool:
        """Whether a folder is on our disk."""
        folder = self._open_folder(at)
        try:
            return os.fstat(folder).st_dev == os.fstat(self._root).st_dev
        finally:
            self._close_folder(folder)

    @told_as("take over what was kept in")
    def take_over(self, at: Location) -> int:
        """What a store in a folder of this one has kept."""
        self._trust.check_store()
        folder = disk_calls.open_beneath(self._root, path_of(at, self._facts.folds_case), os.O_RDONLY | os.O_DIRECTORY)
        try:
            return take_over(self._writable(), folder, self._step)
        finally:
            os.close(folder)

    @told_as("set the time of")
    def set_mtime(self, at: Location, mtime_ns: int) -> Stat:
        """Set the modification time of a file."""
        self._trust.check_store()
        folder, name = self._open_parent(at)
        try:
            if not disk_calls.facts_at(folder, name).is_file:
                raise ContentMissing(f"{_text(at)!r} is not a file.")
            self._step("content.set_mtime")
            set_times(folder, name, mtime_ns)
            return disk_calls.stat_at(folder, name, self._facts.stable_inodes)
        finally:
            self._close_folder(folder)

    # -- kept ---------------------------------------------------------------------------------------------------------

    @told_as("keep")
    def keep(self, at: Location, key: str) -> Stat:
        """Move a file or folder out of sight."""
        kept = check_key(key)
        folder, name = self._open_parent(at)
        try:
            hidden = self._writable()
            if hidden.gone:
                hidden = self._writable(hidden)
            self._step("content.keep.checked")
            hidden.rename_free(folder, name, hidden.kept, kept)
            hidden.kept_changed()
            self._step("content.keep")
            return disk_calls.stat_at(hidden.kept, kept, self._facts.stable_inodes)
        finally:
            self._close_folder(folder)

    @told_as("keep")
    def keep_staged(self, staged: str, key: str) -> None:
        """Move from staging to kept."""
        source, target = check_key(staged), check_key(key)
        hidden = self._writable()
        self._step("content.keep_staged")
        hidden.rename_free(hidden.staging, source, hidden.kept, target)
        hidden.kept_changed()

    @told_as("stage")
    def stage_kept(self, key: str, staged: str) -> None:
        """Move a file from kept to staging."""
        source, target = check_key(key), check_key(staged)
        hidden = self._writable()
        if not disk_calls.facts_at(hidden.kept, source).is_file:
            raise ContentMissing(f"What is kept as {key!r} is not a file.")
        self._step("content.stage_kept")
        hidden.rename_free(hidden.kept, source, hidden.staging, target)
        hidden.kept_changed()

    @told_as("bring back")
    def bring_back(self, key: str, at: Location) -> Stat:
        """Move something kept to a free visible name."""
        kept = check_key(key)
        hidden = self._writable()
        folder, name = self._open_parent(at)
        try:
            self._step("content.bring_back.checked")
            hidden.rename_free(hidden.kept, kept, folder, name)
            hidden.kept_changed()
            self._step("content.bring_back")
            return disk_calls.stat_at(folder, name, self._facts.stable_inodes)
        finally:
            self._close_folder(folder)

    @told_as("drop")
    def drop_kept(self, key: str) -> None:
        """Remove something kept for good."""
        name = check_key(key)
        hidden = self._existing()
        if hidden is not None:
            self._step("content.drop_kept")
            hidden.remove(hidden.kept, name)

    def sync_folders(self, folders: Collection[Location]) -> None:
        """Make renames durable. A folder that somebody moved meanwhile is reached by flushing the whole file system."""
        wanted = set(folders)
        paths = [path_of(at, self._facts.folds_case) for at in wanted]
        self._trust.check_store()
        try:
            self._step("content.sync_folders")
            if self._flushes_all(len(paths)) or not self._flush_folders(paths):
                disk_calls.sync_file_system(self._root)
        except OSError as error:
            self._trust.lose([], error)
            raise disk_error(error, "make renames durable") from error

    # -- abilities ----------------------------------------------------------------------------------------------------

    def copy_range(self, source: Opened, start: int, size: int, staged: Staged, offset: int) -> None:
        """Copy bytes inside the store."""
        tree_files.copy_range(source, start, size, staged, offset)

    def watch(self) -> AbstractContextManager[Iterator[Collection[Location] | None]]:
        """Folders in which something changes."""
        return watch_tree(self._root, self._own)

    # -- inside ---------------------------------------------------------------------------------------------------------

    def _flush_folders(self, paths: list[bytes]) -> bool:
        """Flush folders and the hidden areas one by one; False when one cannot be opened: it is not at its place any
        more, or not ours to read."""
        for path in paths:
            try:
                fd = disk_calls.open_beneath(self._root, path or b".", READ_FOLDER)
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                return False
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        if self._hidden is not None:
            self._hidden.flush_names()
        return True


def _text(at: Location) -> str:
    return "/".join(at)


def _as_port(store: TreeContent) -> Content:
    """The type checker's proof that the tree is a store."""
    return store
