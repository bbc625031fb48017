"""Reading a local file so that only what stood still while it was read counts (R19)."""

from collections.abc import Callable, Iterator
from hashlib import md5

from blake3 import blake3

from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.localtree import LocalChanged, LocalPath, LocalTree, Reading, Stamp
from homestow.values.digests import Digest

PIECE_BYTES = 1024 * 1024


def opened(tree: LocalTree, path: LocalPath, expect: Stamp) -> Reading:
    """The file, open and still as seen.

    Raises:
        LocalChanged: it is not as `expect` says.
    """
    reading = tree.open(path)
    if reading.stamp != expect:
        reading.close()
        raise LocalChanged(f"{path[-1]} changed since it was looked at.")
    return reading


def ensure_still(reading: Reading, path: LocalPath) -> None:
    """Raise `LocalChanged` when the file changed while it was read."""
    if not reading.still():
        raise LocalChanged(f"{path[-1]} changes while it is read.")


def read_whole(tree: LocalTree, path: LocalPath, expect: Stamp, check: Callable[[], None]) -> Iterator[bytes]:
    """The file's bytes in pieces; before the end it is made sure that it stood still.

    Raises:
        LocalChanged: it is not as `expect` says, or changed while it was read.
    """
    reading = opened(tree, path, expect)
    try:
        offset = 0
        while offset < expect.size:
            check()
            piece = reading.read_at(offset, min(PIECE_BYTES, expect.size - offset))
            if not piece:
                break
            offset += len(piece)
            yield piece
        ensure_still(reading, path)
    finally:
        reading.close()


def digest_of(
    tree: LocalTree, path: LocalPath, expect: Stamp, check: Callable[[], None], names: Fingerprints | None = None
) -> Digest:
    """BLAKE3 of a file that stood still; `names` hears its MD5 too.

    Raises:
        LocalChanged: it is not as `expect` says, or changed while it was read.
    """
    hasher = blake3()
    other = md5(usedforsecurity=False) if names is not None else None
    for piece in read_whole(tree, path, expect, check):
        hasher.update(piece)
        if other is not None:
            other.update(piece)
    digest = Digest(hasher.hexdigest())
    if names is not None and other is not None:
        names.learn(expect.size, digest, other.hexdigest())
    return digest
