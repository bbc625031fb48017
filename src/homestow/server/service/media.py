"""Facts of pictures, films and sounds: read from contents by workers apart, remembered by content, read anew when it changed."""

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.extras import Extras, ExtrasRows, PartStatus
from homestow.server.ports.media import Facts, MediaKind, MediaRows, MediaState, MediaTools
from homestow.server.rules.access import Principal, Rights
from homestow.server.rules.media_kinds import extension_of, kind_of
from homestow.server.service.access import Access
from homestow.server.service.contents import Contents, OpenContent
from homestow.values.errors import CloudError, MediaBroken
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind

_PAGE = 2000
_AT_ONCE = 200
"""Facts written in one transaction."""
MOST_COPIED = 64 * 1024 * 1024
"""Bytes of one file that are copied for the workers where the store has no local files."""

_FAILURES = 50
"""So many files one after the other that cannot be opened: the disk is away, or the server is going down."""

_Read = tuple[NodeRow, MediaState, Facts]
Progress = Callable[[int, int], None]
"""Called with how many files were read and how many there are."""

log = logging.getLogger(__name__)


class Media:
    """Media facts of files.

    Args:
        readers: how many files are read at the same time at most.
    """

    def __init__(
        self, catalogue: Catalogue, access: Access, contents: Contents, rows: MediaRows, extras: ExtrasRows,
        tools: MediaTools, readers: int = 2,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._contents = contents
        self._rows = rows
        self._extras = extras
        self._tools = tools
        self._readers = readers
        self._stopping = threading.Event()
        self.outdated: Callable[[NodeId], None] | None = None
        """Called for nodes whose sent thumbnails show a content they no longer have."""

    def facts_of(self, nodes: Collection[NodeRow]) -> dict[NodeId, Facts]:
        """Known facts of present contents; nodes whose content was not read yet, or is broken, are left out."""
        revs = {row.id: row.rev for row in nodes if row.kind == Kind.FILE}
        return {
            node: row.facts
            for node, row in self._rows.media(revs).items()
            if row.rev == revs[node] and row.state is MediaState.READ
        }

    def facts(self, who: Principal, node: NodeId) -> tuple[MediaState, Facts]:
        """Facts of a file's present content for somebody, read now when nobody did.

        Raises:
            NotFound, WrongKind: no such file.
            Busy: it cannot be read just now.
        """
        return self.known(self._access.node(who, node, Rights.READ, Kind.FILE))

    def known(self, row: NodeRow, ahead: bool = False, *, anew: bool = False) -> tuple[MediaState, Facts]:
        """The same for a row; files that are no media by their name have the kind OTHER and nothing more.

        Args:
            ahead: nobody waits for it.
            anew: read them even when they are known.
        """
        if kind_of(row.name) is MediaKind.OTHER:
            return MediaState.READ, _nothing(row.name)
        found = self._rows.media([row.id]).get(row.id)
        if anew or found is None or found.rev != row.rev:
            read = self._read_one(row, ahead)
            self._remember([read])
            return read[1], read[2]
        return found.state, found.facts

    def read(self, root: RootId, progress: Progress | None = None, *, ahead: bool = False) -> int:
        """Read the facts of all files of a root that were not read yet.

        Returns:
            how many were left out because they cannot be read just now; the next call finds them again.

        Args:
            ahead: nobody waits for it; one file at a time.
        """
        todo = self._unread(root)
        return self._read_all(self._rows_of(todo), len(todo), progress, ahead)

    def read_nodes(self, nodes: Collection[NodeRow]) -> int:
        """The same for some nodes, one file at a time; what is no media, or known, is left out."""
        named = [
            row for row in nodes if row.kind == Kind.FILE and not row.gone and kind_of(row.name) != MediaKind.OTHER
        ]
        known = self._rows.media([row.id for row in named])
        todo = [row for row in named if row.id not in known or known[row.id].rev != row.rev]
        return self._read_all(iter(todo), len(todo), None, ahead=True)

    def stop(self) -> None:
        """End what `read` is doing after the files under way."""
        self._stopping.set()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _read_all(self, nodes: Iterator[NodeRow], total: int, progress: Progress | None, ahead: bool) -> int:
        if not total:
            return 0
        done = left_out = failures = 0
        finished: list[_Read] = []
        waiting: deque[Future[_Read | None]] = deque()
        with ThreadPoolExecutor(1 if ahead else self._readers, thread_name_prefix="media") as pool:
            while True:
                room = 0 if self._stopping.is_set() or failures >= _FAILURES else self._readers * 4 - len(waiting)
                for row in islice(nodes, room):
                    waiting.append(pool.submit(self._try_one, row, ahead))
                if not waiting:
                    break
                read = waiting.popleft().result()
                done += 1
                if read is not None:
                    finished.append(read)
                    failures = 0
                else:
                    left_out += 1
                    failures += 1
                if len(finished) >= _AT_ONCE:
                    self._remember(finished)
                    finished = []
                if progress is not None and done % 16 == 0:
                    progress(done, total)
        self._remember(finished)
        if progress is not None:
            progress(total, total)
        return left_out + total - done

    def _unread(self, root: RootId) -> list[NodeId]:
        found: list[NodeId] = []
        while True:
            page = self._rows.unread(root, found[-1] if found else NodeId(0), _PAGE)
            found.extend(page)
            if len(page) < _PAGE:
                return found

    def _rows_of(self, todo: list[NodeId]) -> Iterator[NodeRow]:
        for start in range(0, len(todo), _PAGE):
            nodes = self._catalogue.nodes(todo[start : start + _PAGE])
            for node in todo[start : start + _PAGE]:
                if self._stopping.is_set():
                    return
                row = nodes.get(node)
                if row is not None and not row.gone and self._access.stands_in(row.parent):
                    yield row

    def _try_one(self, row: NodeRow, ahead: bool) -> _Read | None:
        try:
            return self._read_one(row, ahead)
        except CloudError as error:
            log.info("media facts could not be read now", extra={"node": row.id, "reason": error.message})
            return None

    def _read_one(self, row: NodeRow, ahead: bool) -> _Read:
        with opened(self._contents, row) as (content, descriptor):
            row = row._replace(rev=content.rev)
            try:
                facts = self._tools.facts(descriptor, row.name, ahead)
            except MediaBroken as error:
                log.info("a file is broken as media", extra={"node": row.id, "reason": error.message})
                return row, MediaState.BROKEN, _nothing(row.name)
            return row, MediaState.READ, facts

    def _remember(self, read: list[_Read]) -> None:
        """Write facts down; what was said of thumbnails of an older content no longer counts."""
        if not read:
            return
        nodes = [row.id for row, _, _ in read]
        before = self._rows.media(nodes)
        extras = self._extras.extras(nodes)
        for row, _, _ in read:
            old, given = before.get(row.id), extras.get(row.id)
            if given is not None and (old is None or old.rev != row.rev):
                self._renew(given, new_content=old is not None)
        self._rows.set_media([(row.id, row.rev, state, facts) for row, state, facts in read])

    def _renew(self, given: Extras, new_content: bool) -> None:
        gone = {PartStatus.BROKEN, PartStatus.UPLOADED} if new_content else {PartStatus.BROKEN}
        if given.thumb not in gone and given.screen not in gone:
            return

        def renewed(now: Extras) -> Extras:
            return replace(
                now,
                thumb=PartStatus.LOCAL if now.thumb in gone else now.thumb,
                screen=PartStatus.LOCAL if now.screen in gone else now.screen,
            )

        self._extras.change(given.node, given.root, renewed)
        statuses = (given.thumb, given.screen)
        if PartStatus.UPLOADING in statuses:
            return  # one for the new content comes in just now
        if new_content and PartStatus.UPLOADED in statuses and self.outdated is not None:
            self.outdated(given.node)


def _nothing(name: str) -> Facts:
    return Facts(kind_of(name), extension_of(name).upper()[:16])


@contextmanager
def opened(contents: Contents, row: NodeRow) -> Iterator[tuple[OpenContent, int]]:
    """A file's present content with a descriptor for the workers; copied into memory where the store has no local files.

    Raises:
        MediaBroken: it would have to be copied and is over `MOST_COPIED`.
        CloudError: it cannot be opened.
    """
    content = contents.open(row)
    try:
        fd = content.opened.fd
        if fd is not None:
            yield content, fd
            return
        fd = _copy(content)
        try:
            yield content, fd
        finally:
            os.close(fd)
    finally:
        content.close()


def _copy(content: OpenContent) -> int:
    if content.size > MOST_COPIED:
        raise MediaBroken(f"Files over {MOST_COPIED} bytes are not read for media on this store.")
    fd = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        at = 0
        while at < content.size:
            data = content.opened.read_at(at, min(1 << 20, content.size - at))
            if not data:
                break
            at += os.pwrite(fd, data, at)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    except BaseException:
        os.close(fd)
        raise
    return fd
