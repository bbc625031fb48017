"""Digests: what is hashed while it is written."""

import threading

import pytest
from blake3 import blake3

from homestow.server.service.digesting import feed_beside


class Waits:
    """A hasher that takes its bytes only while they are written."""

    def __init__(self, done: list[str]) -> None:
        self.written = threading.Event()
        self._done = done

    def update(self, data: bytes | memoryview, /) -> None:
        assert self.written.wait(10)
        self._done.append(bytes(data).decode())


def test_bytes_are_hashed_while_they_are_written() -> None:
    """Both happen at once, and the memory is free for other bytes only when both are over, also after a failure."""
    for failure in (None, OSError("full")):
        done: list[str] = []
        hasher = Waits(done)

        def write(hasher: Waits = hasher, done: list[str] = done, failure: OSError | None = failure) -> None:
            done.append("written")
            hasher.written.set()
            if failure is not None:
                raise failure

        if failure is None:
            feed_beside(hasher, memoryview(b"hashed"), write)
        else:
            with pytest.raises(OSError, match="full"):
                feed_beside(hasher, memoryview(b"hashed"), write)
        assert done == ["written", "hashed"]


def test_the_digest_is_that_of_all_bytes_in_order() -> None:
    """Piece after piece, as if nothing were done beside it."""
    data = bytes(range(256)) * 9000
    hasher = blake3()
    for at in range(0, len(data), 300_001):
        feed_beside(hasher, memoryview(data)[at : at + 300_001], lambda: None)

    assert hasher.digest() == blake3(data).digest()
