"""The staging half of a root on disk: the hidden area, made at the first write, and what is on its way in."""

import errno
import os
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from homestow.server.adapters import disk_calls
from homestow.server.adapters.disk_errors import check_key, disk_error, told_as
from homestow.server.adapters.disk_trust import Trust
from homestow.server.adapters.tree_dress import set_times
from homestow.server.adapters.tree_files import StagedFile, write_all
from homestow.server.adapters.tree_hidden import Hidden, open_hidden
from homestow.server.adapters.tree_reading import READ, TreeReading
from homestow.server.ports.content import NO_TIMES, Staged, Stat
from homestow.values.errors import ContentMissing

SINGLE_FLUSHES: Final = 1
"""Up to so many files or folders are flushed one by one, more by one flush of the file system: measured, a syncfs costs no
more than one fsync and hardly grows with the number of small files, while each fsync is a flush of the disk's own cache."""

_STAGED: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeStaging(TreeReading):
    """Staging files of a root; see the port for what each method promises.

    Args:
        root, step: as for `TreeReading`.
        exchange: False does without exchanging names even where the disk could; None asks the disk.
    Raises:
        StorageFailed: there is no such folder, or it cannot be read.
    """

    def __init__(self, root: Path, step: Callable[[str], None], exchange: bool | None) -> None:
        super().__init__(root, step)
        self._exchange = exchange
        self._trust = Trust()

    @told_as("stage")
    def stage(self, key: str) -> Staged:
        """A new or existing staging file."""
        name = check_key(key)
        hidden = self._writable()
        try:
            fd = self._open_staged(hidden, name)
        except FileNotFoundError:
            hidden = self._writable(hidden)
            fd = self._open_staged(hidden, name)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.ENXIO, "not a regular file")
        except OSError:
            os.close(fd)
            raise
        return StagedFile(fd, key, self._facts.stable_inodes, self._trust, hidden.flush_staged_name, self._step)

    def _open_staged(self, hidden: Hidden, name: bytes) -> int:
        while True:
            try:
                return os.open(name, _STAGED, dir_fd=hidden.staging)
            except FileNotFoundError:
                pass
            try:
                self._step("content.stage")
                return os.open(name, _STAGED | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=hidden.staging)
            except FileExistsError:
                continue

    @told_as("drop")
    def drop_staged(self, key: str) -> None:
        """Remove a staging file."""
        name = check_key(key)
        hidden = self._existing()
        if hidden is not None:
            self._step("content.drop_staged")
            hidden.remove(hidden.staging, name)
            self._trust.forget(key)

    @told_as("stage")
    def stage_small(self, key: str, data: bytes) -> Stat:
        """A whole small file."""
        name = check_key(key)
        fd = self._open_new(name)
        try:
            write_all(fd, data)
            return disk_calls.stat_of(fd, self._facts.stable_inodes)
        except BaseException:
            os.unlink(name, dir_fd=self._writable().staging)
            raise
        finally:
            os.close(fd)

    def _open_new(self, name: bytes) -> int:
        hidden = self._writable()
        self._step("content.stage_small")
        try:
            return os.open(name, _NEW, 0o600, dir_fd=hidden.staging)
        except FileNotFoundError:
            return os.open(name, _NEW, 0o600, dir_fd=self._writable(hidden).staging)

    def sync_staged(self, keys: Collection[str], times: Mapping[str, int | None] = NO_TIMES) -> None:
        """Make staged files, their times and their names durable."""
        names = {key: check_key(key) for key in keys}
        if not names:
            return
        hidden = self._existing()
        if hidden is None:
            raise ContentMissing("Nothing is staged in this root.")
        for key in names:
            self._trust.check(key)
        flushes_all = self._flushes_all(len(names))
        handles: list[int] = []
        try:
            for key, name in names.items():
                mtime_ns = times.get(key)
                if mtime_ns is not None:
                    set_times(hidden.staging, name, mtime_ns)
                elif flushes_all:
                    disk_calls.facts_at(hidden.staging, name)
                if not flushes_all:
                    handles.append(os.open(name, READ, dir_fd=hidden.staging))
            self._flush_staged(hidden, list(names), handles)
        except OSError as error:
            raise disk_error(error, "make durable") from error
        finally:
            for fd in handles:
                os.close(fd)

    def _flush_staged(self, hidden: Hidden, keys: list[str], handles: list[int]) -> None:
        """Flush single files by their handles, or without any the whole file system."""
        try:
            self._step("content.sync_staged")
            if not handles:
                disk_calls.sync_file_system(self._root)
                return
            for fd in handles:
                os.fsync(fd)
            if not hidden.names_follow_bytes:
                os.fsync(hidden.staging)
        except OSError as error:
            self._trust.lose(keys, error)
            raise

    # -- inside ---------------------------------------------------------------------------------------------------------

    def _writable(self, gone: Hidden | None = None) -> Hidden:
        """The hidden area, made and measured at the first write; made anew when `gone` was removed by somebody."""
        self._trust.check_store()
        hidden = self._hidden
        if hidden is not None and self._measured and hidden is not gone:
            return hidden
        with self._lock:
            self._retire_gone()
            if self._hidden is None:
                self._step("content.make_hidden")
                self._hidden = open_hidden(self._root, self._facts, self._step, create=True)
                assert self._hidden is not None
            if not self._measured:
                self._hidden.measure(self._exchange)
                self._facts = self._hidden.facts
                self._measured = True
            return self._hidden

    @staticmethod
    def _flushes_all(count: int) -> bool:
        return count > SINGLE_FLUSHES and disk_calls.reports_sync_errors()
