"""MD5 of contents, because protocols name them: computed when somebody needs them, remembered by file and rev."""

import hashlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.netdrive import Md5Row, Md5Rows
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.contents import Contents, OpenContent
from homestow.server.service.digesting import CHUNK
from homestow.values.errors import (
    BadRequest,
    Busy,
    CloudError,
    ContentMissing,
    NotFound,
    StorageFailed,
    StorageFull,
)
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind

EMPTY = hashlib.md5(usedforsecurity=False).digest()
_TOGETHER = 256
_TRIES = 3
_CANDIDATES = 64

log = logging.getLogger(__name__)


def parse_md5(text: str) -> bytes:
    """The 16 bytes of 32 hexadecimal digits.

    Raises:
        BadRequest: something else.
    """
    if len(text) != 32 or not text.isascii() or not text.isalnum():
        raise BadRequest("An md5 has 32 hexadecimal digits.")
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise BadRequest("An md5 has 32 hexadecimal digits.") from error


class Md5s:
    """MD5 of contents. All methods may be called from any thread."""

    def __init__(self, catalogue: Catalogue, access: Access, contents: Contents, rows: Md5Rows, clock: Clock) -> None:
        self._catalogue = catalogue
        self._access = access
        self._contents = contents
        self._rows = rows
        self._clock = clock
        self._stop = threading.Event()

    def stop(self) -> None:
        """End what is being read; whoever waits for it is told that the server stops."""
        self._stop.set()

    def note(self, rows: Collection[Md5Row]) -> None:
        """Remember what somebody else computed; inside of a transaction of this thread, as a part of it."""
        if rows:
            self._rows.put(rows)

    def of_root(self, root: RootId) -> dict[NodeId, bytes]:
        """What is known of the present contents of a root's files."""
        return self._rows.of_root(root)

    def missing(self, root: RootId, after: NodeId, limit: int) -> list[NodeId]:
        """Files of a root of which nothing is known, by id."""
        return self._rows.missing(root, after, limit)

    def of(self, row: NodeRow) -> bytes | None:
        """Of a file's present content, if it is known."""
        return self._rows.md5(row.id, row.rev)

    def read(
        self, files: Iterable[NodeRow], until: float | None = None, go_on: Callable[[], bool] = lambda: True
    ) -> dict[NodeId, tuple[NodeRow, bytes | None]]:
        """Read files for their MD5, and remember it. Each as it is now, None for one that cannot be read; gone ones are left out.

        Args:
            until: monotonic seconds when no further file is begun.
            go_on: asked before each file; False ends it, with what was read.

        Raises:
            Busy: it was not done in time, or the server stops; what was read is remembered.
        """
        found: dict[NodeId, tuple[NodeRow, bytes | None]] = {}
        fresh: list[Md5Row] = []
        try:
            for row in files:
                if not go_on():
                    break
                if until is not None and self._clock.monotonic() >= until:
                    raise Busy("Files are being read for their md5; ask again in a moment.", retry_after_s=5)
                self._one(row, found, fresh)
                if len(fresh) >= _TOGETHER:
                    self._keep(fresh)
                    fresh = []
        finally:
            self._keep(fresh)
        return found

    def _keep(self, fresh: Collection[Md5Row]) -> None:
        """What was read is good even if it cannot be remembered, as on a full disk."""
        try:
            self.note(fresh)
        except (StorageFull, StorageFailed) as error:
            log.warning("md5s are not remembered", extra={"reason": error.message})

    def _one(self, row: NodeRow, found: dict[NodeId, tuple[NodeRow, bytes | None]], fresh: list[Md5Row]) -> None:
        for _ in range(_TRIES):
            try:
                read = self._read(row)
            except NotFound:
                return
            except Busy:
                if self._stop.is_set():
                    raise
                read = None
            except CloudError:
                read = None
            now = self._catalogue.node(row.id)
            if now is None or now.gone:
                return
            if read is not None and read.rev == now.rev:
                fresh.append(read)
                found[row.id] = now, read.md5
                return
            if read is None and now.rev == row.rev:
                break
            row = now
        found[row.id] = row, None

    def _read(self, row: NodeRow) -> Md5Row | None:
        """Of a file's content; None when it was changed while it was read."""
        content = self._contents.open(row)
        try:
            hasher = hashlib.md5(usedforsecurity=False)
            at = 0
            while at < content.size:
                if self._stop.is_set():
                    raise Busy("The server is shutting down.", retry_after_s=5)
                data = content.opened.read_at(at, min(CHUNK, content.size - at))
                if not data:
                    raise ContentMissing("The content ended while it was read.")
                hasher.update(data)
                at += len(data)
            if not self._contents.is_unchanged(content):
                return None
            return Md5Row(content.node, content.rev, hasher.digest(), content.size)
        finally:
            content.close()

    def open(
        self, who: Principal, roots: Iterable[Collection[RootId]], md5: bytes, size: int | None = None
    ) -> OpenContent | None:
        """A content with this MD5 that somebody may read (S110), open; None when there is none.

        Args:
            roots: where to look, the best ones first.
            size: in bytes, where it is known.
        """
        for among in roots:
            readable = [root for root in among if self._access.rights(who, root) >= Rights.READ]
            for known in self._rows.find(md5, readable, _CANDIDATES) if readable else ():
                if size is not None and known.size != size:
                    continue
                row = self._catalogue.node(known.node)
                if row is None or row.gone or row.kind != Kind.FILE or not self._access.stands_in(row.parent):
                    continue
                try:
                    content = self._contents.open(row, known.rev)
                except CloudError:
                    continue
                if content.size == known.size:
                    return content
                content.close()
        return None
