"""BLAKE3 of content wherever it lies."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from blake3 import blake3

from homestow.server.ports.content import Content, Opened, Staged
from homestow.values.digests import Digest

CHUNK = 1024 * 1024
"""Bytes read at once."""

_PIECE = 64 * CHUNK
_beside = ThreadPoolExecutor(2, thread_name_prefix="digest")


class Hasher(Protocol):
    """What takes bytes for a digest."""

    def update(self, data: bytes | memoryview, /) -> object:
        """The next bytes."""


def digest_open(content: Opened | Staged, size: int, go_on: Callable[[], None] | None = None) -> bytes:
    """BLAKE3 (32 bytes) of the first `size` bytes; of less where there is less.

    Args:
        go_on: asked before each piece of 64 MiB; what it raises ends the reading.
    """
    hasher = blake3()
    for start in range(0, size, _PIECE):
        if go_on is not None:
            go_on()
        feed(hasher, content, start, min(start + _PIECE, size))
    return hasher.digest()


def feed(hasher: Hasher, content: Opened | Staged, start: int, stop: int) -> int:
    """Hash bytes from `start` up to `stop`; how many there were."""
    at = start
    while at < stop and (data := content.read_at(at, min(CHUNK, stop - at))):
        hasher.update(data)
        at += len(data)
    return at - start


def feed_beside(hasher: Hasher, data: memoryview, write: Callable[[], None]) -> None:
    """Hash bytes while `write`, which waits for the disk, puts them somewhere.

    Both have let go of the bytes when this returns, or raises what `write` raised.
    """
    hashing = _beside.submit(hasher.update, data)
    try:
        write()
    finally:
        hashing.result()


def digest_staged(store: Content, key: str) -> bytes:
    """BLAKE3 of a whole staging file."""
    staged = store.stage(key)
    try:
        return digest_open(staged, staged.stat().size)
    finally:
        staged.close()


def digest_bytes(data: bytes | memoryview) -> bytes:
    """BLAKE3 of bytes in memory."""
    return blake3(data).digest()


def to_bytes(digest: Digest | str | None) -> bytes | None:
    """A checked digest as the catalogue has it."""
    return None if digest is None else bytes.fromhex(digest)
