"""Opening content: what a row says and what the open handle shows are compared, so that nothing mixed is ever read."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from homestow.server.ports.catalogue import Catalogue, NodeRow, Rows, VersionRow, same_content
from homestow.server.ports.content import Content, CopiesRanges, Location, Opened, Staged
from homestow.server.ports.rights import StoreSet
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.committer import Committer
from homestow.server.service.digesting import CHUNK, digest_open
from homestow.server.service.work import RowsWork
from homestow.values.digests import Digest
from homestow.values.errors import Busy, ContentMissing, NotFound, WrongKind
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind


class OutsideLook(Protocol):
    """Who registers changes made on disk without us."""

    def look(self, root: RootId, folders: Collection[Location]) -> object:
        """Compare these folders with the catalogue and record what differs, before returning."""


@dataclass(slots=True)
class OpenContent:
    """One content of a file, open for reading; the caller closes it.

    Attributes:
        opened: the handle; what it reads stays this content whatever happens to the name.
        mtime_ns: modification time the content bears.
        digest: BLAKE3, None while nobody needed it.
        etag: strong validator, in quotes; another content never has the same.
    """

    opened: Opened
    node: NodeId
    root: RootId
    rev: int
    size: int
    mtime_ns: int
    digest: bytes | None
    etag: str
    name: str

    @property
    def hex_digest(self) -> Digest | None:
        """The digest as text."""
        return None if self.digest is None else Digest(self.digest.hex())

    def close(self) -> None:
        """Let go."""
        self.opened.close()


class Contents:
    """Present and older contents of files."""

    def __init__(self, catalogue: Catalogue, stores: StoreSet, committer: Committer, outside: OutsideLook) -> None:
        self._catalogue = catalogue
        self._stores = stores
        self._committer = committer
        self._outside = outside
        self._epoch = catalogue.epoch()[:8]

    def open(self, row: NodeRow, rev: int | None = None) -> OpenContent:
        """A content of a file: the present one (None or its rev), or an older one.

        Raises:
            WrongKind: no file.
            NotFound: the file went away, or there is no such rev.
            ContentMissing: the catalogue knows it, the disk does not have it.
            Busy: it is being written from outside right now.
        """
        if row.kind != Kind.FILE:
            raise WrongKind(f"{row.name!r} is a {row.kind}; only files have content.")
        if rev is None or rev == row.rev:
            found = self._open_present(row)
            if rev is None or found.rev == rev:
                return found
            found.close()
        version = self._catalogue.version(row.id, rev)
        if version is None:
            raise NotFound("This content is not kept (any more).")
        return self._open_version(row, version)

    def at_hand(self, row: NodeRow) -> OpenContent | None:
        """The present content of a file when disk and row agree; None when that needs a closer look, which may take long."""
        try:
            return self._matching(row)
        except ContentMissing:
            return None

    def _open_version(self, row: NodeRow, version: VersionRow) -> OpenContent:
        opened = self._stores.get(row.root).open_kept(version.kept)
        if opened.stat.size != version.size:
            opened.close()
            raise ContentMissing("This older content is damaged on disk; run `homestow verify`.")
        return OpenContent(
            opened, row.id, row.root, version.rev, version.size, version.mtime_ns, version.digest,
            self.etag(row.id, version.rev), row.name,
        )  # fmt: skip

    def _open_present(self, row: NodeRow) -> OpenContent:
        try:
            return self._matching(row)
        except ContentMissing:
            # A change may be between disk and rows; then what rows and disk show belongs together again.
            self._committer.settle()
        row = self._again(row)
        try:
            return self._matching(row)
        except ContentMissing:
            self.look_at(row)
        row = self._again(row)
        try:
            return self._matching(row)
        except ContentMissing:
            if self._stores.get(row.root).look(self._catalogue.lies(row).location) is None:
                raise
        raise Busy("The file is being changed on the server's disk; try again.", retry_after_s=2)

    def _again(self, row: NodeRow) -> NodeRow:
        found = self._catalogue.node(row.id)
        if found is None or found.gone:
            raise NotFound("It is not there any more.")
        return found

    def look_at(self, row: NodeRow) -> None:
        """Have a file compared with the disk, which shows something else than its row."""
        lies = self._catalogue.lies(row)
        if lies.kept is None:
            self._outside.look(row.root, [lies.location[:-1]])

    def _matching(self, row: NodeRow) -> OpenContent:
        """The file, when its handle shows what the row says; otherwise it counts as missing."""
        lies = self._catalogue.lies(row)
        store = self._stores.get(row.root)
        opened = store.open(lies.location) if lies.kept is None else store.open_kept(lies.kept, lies.location)
        if not same_content(row, opened.stat):
            opened.close()
            raise ContentMissing("The disk has other content there.")
        return OpenContent(
            opened, row.id, row.root, row.rev, row.size, row.mtime_ns, row.digest, self.etag(row.id, row.rev), row.name
        )

    def etag(self, node: NodeId, rev: int) -> str:
        """The strong validator of a content."""
        return f'"{self._epoch}-{node}-{rev}"'

    def digest(self, content: OpenContent) -> bytes:
        """BLAKE3 of an open content; computed when nobody needed it yet, and remembered unless the file changed meanwhile."""
        if content.digest is None:
            content.digest = digest_open(content.opened, content.size)
            if self.is_unchanged(content):
                node, rev, digest = content.node, content.rev, content.digest

                def remember(rows: Rows) -> None:
                    rows.set_digest(node, rev, digest)
                    rows.set_version_digest(node, rev, digest)

                self._committer.run(RowsWork(OUTSIDE, content.root, remember, (("node", node),), durable=False))
        return content.digest

    def is_unchanged(self, content: OpenContent) -> bool:
        """Whether what was read from it is surely this content: nobody wrote into the file meanwhile."""
        row = self._catalogue.node(content.node)
        if row is None or row.rev != content.rev:
            return row is not None
        lies = self._catalogue.lies(row)
        if lies.kept is not None:
            return True
        stat = self._stores.get(row.root).look(lies.location)
        return stat is not None and same_content(row, stat)

    def copy(self, content: OpenContent, start: int, size: int, staged: Staged, offset: int, into: RootId) -> None:
        """Copy a range of a content into a staging file, inside of the store where it can."""
        store: Content = self._stores.get(content.root)
        if into == content.root and isinstance(store, CopiesRanges):
            store.copy_range(content.opened, start, size, staged, offset)
            return
        done = 0
        while done < size:
            data = content.opened.read_at(start + done, min(CHUNK, size - done))
            if not data:
                raise ContentMissing("The content ended while it was copied.")
            staged.write_at(offset + done, data)
            done += len(data)
