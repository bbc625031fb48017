"""Handles of the store in memory."""

import errno
from typing import Protocol

from homestow.server.adapters.disk_errors import disk_error, told_as
from homestow.server.adapters.disk_trust import Trust
from homestow.server.adapters.memory_disk import File, MemoryDisk, fail
from homestow.server.ports.content import Stat, StoreFacts


class Store(Protocol):
    """What a handle needs of its store."""

    disk: MemoryDisk

    @property
    def facts(self) -> StoreFacts:
        """What the disk does."""

    @property
    def life(self) -> int:
        """Grows when all handles close."""

    @property
    def trust(self) -> Trust:
        """Which staged bytes may be believed."""

    def step(self, name: str, /) -> None:
        """Something is about to persist."""

    def flush_staged_names(self, keys: list[str]) -> None:
        """Make names in staging durable."""


class MemoryStaged:
    """A staging file; see the port."""

    def __init__(self, store: Store, key: str, file: File) -> None:
        self._store = store
        self._key = key
        self._file = file
        self._life = store.life
        self._closed = False

    @property
    def key(self) -> str:
        """Its key."""
        return self._key

    @told_as("write to staging")
    def write_at(self, offset: int, data: bytes | memoryview, *, passing: bool = False) -> None:
        """Put bytes at an offset."""
        self._store.step("content.write")
        self._store.disk.write(self._handle(), offset, data)

    @told_as("read from staging")
    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes."""
        return bytes(self._handle().data[offset : offset + size])

    @told_as("resize in staging")
    def truncate(self, size: int) -> None:
        """Cut or extend."""
        self._store.disk.truncate(self._handle(), size)

    def sync(self) -> None:
        """Make bytes and name durable."""
        self._store.trust.check(self._key)
        try:
            self._store.step("content.sync")
            self._store.disk.flush_file(self._handle())
            self._store.flush_staged_names([self._key])
        except OSError as error:
            self._store.trust.lose([self._key], error)
            raise disk_error(error, "make durable", self._key) from error

    @told_as("look at staging")
    def stat(self) -> Stat:
        """Facts now."""
        return self._store.disk.stat(self._handle(), self._store.facts.stable_inodes)

    def close(self) -> None:
        """Let go."""
        self._closed = True

    def _handle(self) -> File:
        if self._closed or self._life != self._store.life:
            raise fail(errno.EBADF)
        return self._file


class MemoryOpened:
    """Content being read; see the port."""

    def __init__(self, store: Store, file: File) -> None:
        self._store = store
        self._file = file
        self._stat = store.disk.stat(file, store.facts.stable_inodes)
        self._life = store.life
        self._closed = False

    @property
    def stat(self) -> Stat:
        """Facts at the time of opening."""
        return self._stat

    @property
    def fd(self) -> int | None:
        """None: there is no local file."""
        return None

    @told_as("read")
    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes."""
        if self._closed or self._life != self._store.life:
            raise fail(errno.EBADF)
        return bytes(self._file.data[offset : offset + size])

    @told_as("hand out")
    def detach(self) -> int:
        """Nothing to give away: EBADF."""
        raise fail(errno.EBADF)

    def close(self) -> None:
        """Let go; may be called twice."""
        self._closed = True
