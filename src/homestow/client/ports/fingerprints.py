"""Contents by their MD5, for servers that know no other name of them; beside the `Remote` of such a server.

The sync client tells contents apart by BLAKE3. Where the server tells MD5s, whoever reads a file here says both, so that
content that is on both sides is recognised without being moved, and an upload can name its MD5 before its first byte.
"""

from typing import Protocol

from homestow.values.digests import Digest
from homestow.values.ids import NodeId


class Fingerprints(Protocol):
    """Which MD5 goes with which BLAKE3. Safe in any thread."""

    def md5_of(self, digest: Digest) -> str | None:
        """The MD5 of content that was read here; None when it was not."""

    def learn(self, size: int, digest: Digest, md5: str) -> None:
        """These are one content of `size` bytes: somebody read all of it."""

    def digest_of(self, node: NodeId, rev: int) -> Digest | None:
        """The BLAKE3 of a node's content, as far as it can be known without asking for its bytes."""

    def check(self, node: NodeId, rev: int, digest: Digest, md5: str) -> None:
        """All of a node's content was received: is it that content?

        Raises:
            DigestMismatch: it is not.
        """
