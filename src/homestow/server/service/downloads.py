"""Reading content: whole, in ranges, in packs; and digests of its blocks."""

from collections.abc import Iterator, Sequence

from homestow.server.ports.catalogue import Catalogue
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.blocks import Blocks
from homestow.server.service.contents import Contents, OpenContent
from homestow.values.digests import Digest
from homestow.values.errors import BadRequest, CloudError, ContentMissing, NotFound, Stale, TooLarge
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.wire.api import MAX_PACK_BYTES, MAX_PACK_FILES

MIN_BLOCK = 64 * 1024
MAX_BLOCK = 64 * 1024 * 1024
MOST_BLOCKS = 1 << 18
"""So many digests are computed for one request: a tebibyte in blocks of 4 MiB (S109)."""


class Downloads:
    """Content for those who may read it."""

    def __init__(self, catalogue: Catalogue, access: Access, contents: Contents, blocks: Blocks) -> None:
        self._catalogue = catalogue
        self._access = access
        self._contents = contents
        self._blocks = blocks

    def content(self, who: Principal, node: NodeId, rev: int | None = None) -> OpenContent:
        """A file's content, open; the present one, or the one of a rev. The caller closes it.

        Raises:
            NotFound, WrongKind: no such file or content.
            ContentMissing: the disk does not have it.
            Busy: it is being written from outside right now.
        """
        return self._contents.open(self._access.node(who, node, Rights.READ, Kind.FILE), rev)

    def content_at_hand(self, who: Principal, node: NodeId, rev: int | None = None) -> OpenContent | None:
        """The same in a few microseconds, for what is asked for most; None when it takes `content` to answer.

        Raises:
            NotFound, WrongKind: as `content`.
        """
        row = self._access.node(who, node, Rights.READ, Kind.FILE)
        return self._contents.at_hand(row) if rev is None or rev == row.rev else None

    def block_digests(
        self, who: Principal, node: NodeId, rev: int | None = None, block_size: int = 4 * 1024 * 1024
    ) -> tuple[OpenContent, list[Digest]]:
        """Which content (closed already) and the BLAKE3 of its blocks of `block_size` bytes, 64 KiB to 64 MiB."""
        if not MIN_BLOCK <= block_size <= MAX_BLOCK:
            raise BadRequest("A block has 64 KiB to 64 MiB.")
        content = self.content(who, node, rev)
        try:
            if content.size > block_size * MOST_BLOCKS:
                raise BadRequest(f"That would be over {MOST_BLOCKS:,} blocks; ask for larger ones.")
            return content, [Digest(digest.hex()) for digest in self._blocks.digests(content, block_size)]
        finally:
            content.close()

    def digest_of(self, who: Principal, node: NodeId) -> Digest:
        """BLAKE3 of a file's present content; computed when nobody needed it yet, and remembered."""
        content = self.content(who, node)
        try:
            return Digest(self._contents.digest(content).hex())
        finally:
            content.close()

    def get_pack(
        self, who: Principal, root: RootId, wanted: Sequence[tuple[NodeId, int]]
    ) -> Iterator[tuple[NodeId, int, bytes | CloudError]]:
        """Many small contents, one after the other: (node, rev, bytes or why not).

        Raises:
            NotFound: no right to the root.
            TooLarge: too many files, or over 16 MiB in all.
        """
        self._access.root(who, root, Rights.READ)
        if len(wanted) > MAX_PACK_FILES:
            raise TooLarge("A pack has at most 4,096 files.", limit=MAX_PACK_FILES)
        rows = self._catalogue.nodes([node for node, _ in wanted])
        # Sizes of what is not for this one to know count nothing: the refusal would tell them (S09).
        told = (
            rows[node].size for node, rev in wanted if node in rows and (rows[node].root, rows[node].rev) == (root, rev)
        )
        if sum(told) > MAX_PACK_BYTES:
            raise TooLarge("A pack has at most 16 MiB.", limit=MAX_PACK_BYTES)
        return self._pack(root, wanted)

    def _pack(
        self, root: RootId, wanted: Sequence[tuple[NodeId, int]]
    ) -> Iterator[tuple[NodeId, int, bytes | CloudError]]:
        room = MAX_PACK_BYTES
        for node, rev in wanted:
            found = self._one(root, node, rev, room)
            if isinstance(found, bytes):
                room -= len(found)
            yield node, rev, found

    def _one(self, root: RootId, node: NodeId, rev: int, room: int) -> bytes | CloudError:
        row = self._catalogue.node(node)
        if row is None or row.root != root or row.gone or not self._access.stands_in(row.parent):
            return NotFound("Nothing is there.")
        try:
            content = self._contents.open(row)
        except CloudError as error:
            return error
        try:
            if content.rev != rev:
                return Stale("The file has other content by now.", rev=content.rev)
            if content.size > room:
                return TooLarge("A pack has at most 16 MiB.", limit=MAX_PACK_BYTES)
            data = content.opened.read_at(0, content.size)
        except CloudError as error:
            return error
        finally:
            content.close()
        return data if len(data) == content.size else ContentMissing("The content ended while it was read.")
