"""Digests of a content's blocks, for those who send or fetch only what differs."""

import threading
from collections import OrderedDict

from blake3 import blake3

from homestow.server.service.contents import OpenContent
from homestow.server.service.digesting import feed
from homestow.values.errors import ContentMissing
from homestow.values.ids import NodeId

_MOST = 100_000


class Blocks:
    """Block digests, computed when asked for; some remembered (at most 100,000, the least used go first)."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[NodeId, int, int], tuple[bytes, ...]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def digests(self, content: OpenContent, block_size: int) -> tuple[bytes, ...]:
        """BLAKE3 (32 bytes) of each block: block k covers bytes k * block_size up to (k + 1) * block_size."""
        key = (content.node, content.rev, block_size)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        computed = tuple(self._block(content, at, block_size) for at in range(0, content.size, block_size))
        with self._lock:
            if key not in self._known:
                self._known[key] = computed
                self._count += len(computed)
            while self._count > _MOST:
                _, dropped = self._known.popitem(last=False)
                self._count -= len(dropped)
        return computed

    @staticmethod
    def _block(content: OpenContent, start: int, block_size: int) -> bytes:
        hasher = blake3()
        stop = min(start + block_size, content.size)
        if feed(hasher, content.opened, start, stop) != stop - start:
            raise ContentMissing("The content ended while it was read.")
        return hasher.digest()
