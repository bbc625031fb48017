"""The hidden folder of a root on disk: staging and kept areas, what the disk can do, and replacing without exchange.

`.homestow/staging` holds uploads under way, `.homestow/kept` versions and trash, both by key. Names with a '.' in them
are this module's own: `KEY.old` and `KEY.at` while a replace without exchange is under way, `.drop-…` for folders being
removed. All of it lies under folders of mode 0700, so what is kept may bear its own mode and needs no rewriting (S12).
"""

import contextlib
import errno
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_calls import EXCHANGE, FOLDER_HANDLE, NOREPLACE
from homestow.server.adapters.disk_errors import is_key
from homestow.server.ports.content import Location, StoreFacts
from homestow.values.errors import StorageFailed
from homestow.values.faults import faultpoint
from homestow.values.paths import MAX_NAME_BYTES, RESERVED

_log = logging.getLogger(__name__)

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CANNOT: Final = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))

# statfs(2) magic numbers. Inodes that name the same file after a remount, and disks on which every file has one owner.
_STABLE_INODES: Final = frozenset((
    0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994, 0x858458F6, 0x2FC12FC1, 0x7366746E, 0x6969, 0x794C7630,
    0xCA451A4E, 0x4244, 0x482B, 0x3434, 0x52654973,
))  # fmt: skip
# Where a flush of a new file, or of one folder of a rename, is durable together with the other names of the same change.
_JOURNALED: Final = frozenset(
    (0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994, 0x858458F6, 0x2FC12FC1, 0xCA451A4E)
)
_FOLDING: Final = frozenset((0x4D44, 0x2011BAB0, 0xFF534D42, 0xFE534D42, 0x517B, 0x4244))
_NORMALISING: Final = frozenset((0x482B,))
_NO_HOLES: Final = frozenset((0x4D44, 0x2011BAB0))
_ONE_OWNER: Final = _FOLDING | {0x65735546, 0x7366746E, 0x5346544E}


def guess_facts(root_fd: int) -> StoreFacts:
    """What the kind of file system promises, for a root nothing was written to yet."""
    kind = disk_calls.file_system_type(root_fd)
    return StoreFacts(
        exchange=kind not in _NO_HOLES,
        stable_inodes=kind in _STABLE_INODES,
        sparse=kind not in _NO_HOLES,
        folds_case=kind in _FOLDING,
        normalises=kind in _NORMALISING,
        max_name_bytes=min(MAX_NAME_BYTES, os.fstatvfs(root_fd).f_namemax),
        local_files=True,
    )


class Hidden:
    """Handles of the hidden area of one root, and every rename that cannot be told apart from it."""

    def __init__(self, top: int, staging: int, kept: int, facts: StoreFacts, step: Callable[[str], None]) -> None:
        self.top = top
        self.staging = staging
        self.kept = kept
        self.facts = facts
        self._step = step
        self._noreplace = True
        self._kept_changes = 0
        self._kept_flushed = 0
        self.names_follow_bytes = disk_calls.file_system_type(staging) in _JOURNALED

    @property
    def gone(self) -> bool:
        """Somebody removed the hidden folder under us."""
        return os.fstat(self.staging).st_nlink == 0 or os.fstat(self.kept).st_nlink == 0

    def close(self) -> None:
        """Let go of the handles."""
        for fd in (self.staging, self.kept, self.top):
            os.close(fd)

    # -- what the disk can do -----------------------------------------------------------------------------------------

    def measure(self, exchange: bool | None) -> None:
        """Try what the disk can do, on two small files of our own; `exchange` False does without even if it could."""
        first, second = (f"probe-{secrets.token_hex(8)}".encode() for _ in range(2))
        made = []
        try:
            for name in (first, second):
                os.close(os.open(name, _NEW_FILE, 0o600, dir_fd=self.staging))
                made.append(name)
            self._noreplace = self._can_noreplace(first, second)
            self.facts = StoreFacts(
                exchange=exchange is not False and self._can_exchange(first, second),
                stable_inodes=self.facts.stable_inodes,
                sparse=self._has_holes(first),
                folds_case=self._has(first.upper()),
                normalises=self.facts.normalises,
                max_name_bytes=self.facts.max_name_bytes,
                local_files=True,
            )
        finally:
            for name in made:
                os.unlink(name, dir_fd=self.staging)

    def _can_noreplace(self, first: bytes, second: bytes) -> bool:
        try:
            disk_calls.rename(self.staging, first, self.staging, second, NOREPLACE)
        except OSError as error:
            return error.errno == errno.EEXIST
        raise StorageFailed("This disk overwrites names it was told to leave alone.", errno="EIO")

    def _can_exchange(self, first: bytes, second: bytes) -> bool:
        was = disk_calls.facts_at(self.staging, second).inode
        try:
            faultpoint("content.measure.exchange")  # nothing persists here: tests take the ability away
            disk_calls.rename(self.staging, first, self.staging, second, EXCHANGE)
        except OSError as error:
            if error.errno in _CANNOT:
                return False
            raise
        return disk_calls.facts_at(self.staging, first).inode == was

    def _has_holes(self, name: bytes) -> bool:
        fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.staging)
        try:
            os.ftruncate(fd, 1024 * 1024)
            return os.fstat(fd).st_blocks * 512 < 1024 * 1024
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            raise
        finally:
            os.close(fd)

    def _has(self, name: bytes) -> bool:
        try:
            disk_calls.facts_at(self.staging, name)
        except FileNotFoundError:
            return False
        return True

    # -- making names durable -----------------------------------------------------------------------------------------

    def kept_changed(self) -> None:
        """A name in the kept area changed; called after the change, so that no flush begun before counts for it."""
        self._kept_changes += 1

    def flush_names(self) -> None:
        """Make names in the hidden areas durable, after the visible folders: each flush here is a flush of the disk."""
        changes = self._kept_changes
        if self.names_follow_bytes and self._kept_flushed >= changes:
            return
        if not self.names_follow_bytes:
            os.fsync(self.staging)
        os.fsync(self.kept)
        self._kept_flushed = max(self._kept_flushed, changes)

    def flush_staged_name(self) -> None:
        """Make the name of a file in staging durable whose bytes just were."""
        if not self.names_follow_bytes:
            os.fsync(self.staging)

    # -- renames ------------------------------------------------------------------------------------------------------

    def rename_free(self, source_fd: int, source: bytes, target_fd: int, target: bytes) -> None:
        """Rename to a name that must be free, in one step where the disk can say so.

        Raises:
            FileExistsError: it is in use.
        """
        if self._noreplace:
            try:
                disk_calls.rename(source_fd, source, target_fd, target, NOREPLACE)
                return
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
        if not disk_calls.facts_at(source_fd, source).is_folder:
            try:
                os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
            else:
                os.unlink(source, dir_fd=source_fd)
                return
        # No way to do both at once. A folder at least never replaces anything but an empty folder.
        try:
            disk_calls.facts_at(target_fd, target)
        except FileNotFoundError:
            os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
            return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    def swap_in(self, key: bytes, folder_fd: int, name: bytes, at: Location, occupied: bool) -> bool:
        """Put a staged file at a name; what is there goes to the key. `occupied`: whether something was seen there.

        Returns:
            whether something was displaced.
        """
        for _ in range(16):
            if occupied:
                try:
                    if self.facts.exchange:
                        disk_calls.rename(self.staging, key, folder_fd, name, EXCHANGE)
                    else:
                        self._replace_by_aside(key, folder_fd, name, at)
                except FileNotFoundError:
                    occupied = False  # gone a moment ago; a missing key shows in the other branch
                    continue
                return True
            try:
                self.rename_free(self.staging, key, folder_fd, name)
            except FileExistsError:
                occupied = True
                continue
            return False
        raise OSError(errno.EBUSY, "the place changes faster than it can be replaced")

    def respell(self, folder_fd: int, source: bytes, target: bytes) -> None:
        """Give a file or folder another spelling of its name, on a disk that folds case and does nothing when asked for one
        rename: two, by way of the kept area."""
        key = f"respell-{secrets.token_hex(8)}".encode()
        self.rename_free(folder_fd, source, self.kept, key)
        try:
            self.rename_free(self.kept, key, folder_fd, target)
        except OSError:
            self.rename_free(self.kept, key, folder_fd, source)
            raise

    def _replace_by_aside(self, key: bytes, folder_fd: int, name: bytes, at: Location) -> None:
        """Old aside, new in, with the place on record, so that the next start can undo what a crash left half done."""
        aside, record = key + b".old", key + b".at"
        disk_calls.facts_at(folder_fd, name)
        disk_calls.facts_at(self.staging, key)
        self._write_record(record, at)
        try:
            self._step("content.publish.recorded")
            os.rename(name, aside, src_dir_fd=folder_fd, dst_dir_fd=self.staging)
            try:
                self._step("content.publish.aside")
                self.rename_free(self.staging, key, folder_fd, name)
            except BaseException:
                self._put_back(aside, folder_fd, name, key)
                raise
            os.rename(aside, key, src_dir_fd=self.staging, dst_dir_fd=self.staging)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(record, dir_fd=self.staging)

    def _put_back(self, aside: bytes, folder_fd: int, name: bytes, key: bytes) -> None:
        try:
            self.rename_free(self.staging, aside, folder_fd, name)
        except OSError:
            spare = f"{key.decode()[:50]}-old-{secrets.token_hex(4)}".encode()
            _log.warning("what was replaced cannot go back to its place; it is kept", extra={"key": spare.decode()})
            os.rename(aside, spare, src_dir_fd=self.staging, dst_dir_fd=self.kept)

    def _write_record(self, record: bytes, at: Location) -> None:
        fd = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=self.staging)
        try:
            os.write(fd, json.dumps(list(at)).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.fsync(self.staging)

    # -- after a crash ------------------------------------------------------------------------------------------------

    def heal(self, open_folder: Callable[[Location], int]) -> None:
        """Settle what a crash left: replaces half done are undone, folders half removed are removed."""
        names = [os.fsencode(name) for name in os.listdir(self.staging)]
        for record in names:
            if record.endswith(b".at"):
                self._undo(record.removesuffix(b".at"), self._read_record(record), open_folder)
                os.unlink(record, dir_fd=self.staging)
        for aside in names:
            if aside.endswith(b".old"):
                self._undo(aside.removesuffix(b".old"), (), open_folder)
        for name in os.listdir(self.kept):
            if name.startswith(".drop-"):
                self.remove(self.kept, os.fsencode(name))

    def _undo(self, key: bytes, at: Location, open_folder: Callable[[Location], int]) -> None:
        aside = key + b".old"
        try:
            disk_calls.facts_at(self.staging, aside)
        except FileNotFoundError:
            return
        try:
            disk_calls.facts_at(self.staging, key)
        except FileNotFoundError:
            # The new content is in; only the last of the three renames is missing.
            os.rename(aside, key, src_dir_fd=self.staging, dst_dir_fd=self.staging)
            return
        try:
            folder = open_folder(at[:-1]) if at else -1
        except OSError:
            folder = -1
        try:
            self._put_back(aside, folder, os.fsencode(at[-1]) if at else b"", key)
        finally:
            if folder >= 0:
                os.close(folder)

    def _read_record(self, record: bytes) -> Location:
        fd = os.open(record, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.staging)
        try:
            names = json.loads(os.read(fd, 1 << 16) or b"[]")
        except ValueError:
            return ()
        finally:
            os.close(fd)
        return tuple(str(name) for name in names)

    # -- removing -----------------------------------------------------------------------------------------------------

    def remove(self, area_fd: int, name: bytes) -> None:
        """Remove a file or a folder tree of any depth from an area, never through a symlink; nothing when it is gone.

        Folders leave their key at once; each folder found inside is first moved to the top, so two handles are enough.
        """
        try:
            os.unlink(name, dir_fd=area_fd)
            return
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            if not disk_calls.facts_at(area_fd, name).is_folder:
                raise
        waiting = [self._set_aside(area_fd, name)]
        while waiting:
            dropped = waiting.pop()
            fd = os.open(dropped, _FOLDER, dir_fd=self.kept)
            try:
                os.fchmod(fd, 0o700)
                for inside in self._empty(fd):
                    waiting.append(self._set_aside(fd, inside))
            finally:
                os.close(fd)
            os.rmdir(dropped, dir_fd=self.kept)

    def _set_aside(self, folder_fd: int, name: bytes) -> bytes:
        if name.startswith(b".drop-") and folder_fd == self.kept:
            return name
        aside = b".drop-" + secrets.token_hex(12).encode()
        try:
            os.rename(name, aside, src_dir_fd=folder_fd, dst_dir_fd=self.kept)
        except PermissionError:
            # Moving a folder writes its "..", which a read-only folder refuses its owner.
            fd = os.open(name, FOLDER_HANDLE | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
            try:
                os.chmod(f"/proc/self/fd/{fd}", 0o700)
            finally:
                os.close(fd)
            os.rename(name, aside, src_dir_fd=folder_fd, dst_dir_fd=self.kept)
        return aside

    @staticmethod
    def _empty(fd: int) -> Iterator[bytes]:
        with os.scandir(fd) as entries:
            found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            if is_folder:
                yield name
            else:
                os.unlink(name, dir_fd=fd)


def open_hidden(root_fd: int, facts: StoreFacts, step: Callable[[str], None], create: bool) -> Hidden | None:
    """Handles of a root's hidden area; None when there is none and `create` is False.

    Raises:
        StorageFailed: its name is a symlink or file, or a folder of somebody else (S93).
    """
    one_owner = disk_calls.file_system_type(root_fd) in _ONE_OWNER
    opened: list[int] = []
    try:
        opened.append(_private_folder(root_fd, RESERVED, create, one_owner))
        for name in ("staging", "kept"):
            opened.append(_private_folder(opened[0], name, create, one_owner))
        return Hidden(opened[0], opened[1], opened[2], facts, step)
    except FileNotFoundError:
        _close_all(opened)
        if create:
            raise
        return None
    except BaseException:
        _close_all(opened)
        raise


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _private_folder(parent_fd: int, name: str, create: bool, one_owner: bool) -> int:
    try:
        fd = os.open(name, _FOLDER, dir_fd=parent_fd)
    except FileNotFoundError:
        if not create:
            raise
        try:
            os.mkdir(name, 0o700, dir_fd=parent_fd)
        except FileExistsError:
            pass  # another process was first; what it made is checked below
        else:
            os.fsync(parent_fd)
        fd = os.open(name, _FOLDER, dir_fd=parent_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise StorageFailed(
                f"'{name}' in the root's folder is not a folder. Move it away: the server keeps uploads and versions there.",
                errno="ENOTDIR",
            ) from error
        raise
    try:
        found = os.fstat(fd)
        if found.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0 and not one_owner:
            raise StorageFailed(
                f"'{name}' in the root's folder belongs to another user. Give it to the server's user or move it away.",
                errno="EPERM",
            )
        if found.st_mode & 0o7777 != 0o700:
            with contextlib.suppress(PermissionError):
                os.fchmod(fd, 0o700)
    except BaseException:
        os.close(fd)
        raise
    return fd


def keys_in(area_fd: int) -> Iterator[str]:
    """The keys in a hidden area."""
    with os.scandir(area_fd) as entries:
        names = [entry.name for entry in entries]
    return (name for name in names if is_key(name))
