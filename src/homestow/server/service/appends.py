"""Uploads sent from the beginning to the end, in as many connections as it takes: what phones and plain HTTP clients do.

They need not have said how long they are, may be begun anew from any byte that is there, and may go on after they were
finished: as new content over the old.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from homestow.server.ports.catalogue import Catalogue, UploadRow
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.arrivals import Arrivals
from homestow.server.service.contents import Contents
from homestow.server.service.digesting import CHUNK
from homestow.server.service.receiving import AppendSink, Arriving
from homestow.server.service.uploads import Uploads
from homestow.values.errors import PathTaken, Stale, WrongOffset
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId, UploadId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import with_suffix

_NAMES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new file shall be in the end, and which modification time it is to bear (None: when it was written)."""

    parent: NodeId
    name: str
    mtime_ns: int | None


class Appends:
    """Appending. Everybody who may write into the root and knows the upload may go on with it."""

    def __init__(
        self, catalogue: Catalogue, access: Access, contents: Contents, uploads: Uploads, arrivals: Arrivals
    ) -> None:
        self._catalogue = catalogue
        self._access = access
        self._contents = contents
        self._uploads = uploads
        self._arrivals = arrivals

    def append(self, who: Principal, upload: UploadId, offset: int, *, grows: bool = False) -> AppendSink:
        """A sink for the rest, one piece after the other: everything it took is durable when it was finished or aborted.

        Beginning below what is there cuts it off. Whoever appended before is over. Everybody who may write into the root and
        knows the upload may go on with it.

        Args:
            grows: more may come than was declared.
        Raises:
            UploadGone: unknown, cancelled or expired.
            WrongOffset: above what is there; fact `expected`.
        """
        arriving = self._arrivals.hold(self._uploads.shared(who, upload))
        try:
            with arriving.finishing:
                row = self._uploads.shared(who, upload)
                if row.state == "written":
                    raise WrongOffset("This upload is finished.", expected=row.size)
                have = spans.prefix(arriving.received)
                if not 0 <= offset <= have:
                    raise WrongOffset(f"{have} bytes are there.", expected=have)
                arriving.take_over()
                if offset < have:
                    arriving.cut(offset)
                    # Other bytes are about to be written over what a row says is there.
                    self._arrivals.progress(row, arriving, durable=True)
                sink = AppendSink(
                    arriving, offset, (lambda size: self._arrivals.grow(row, arriving, size)) if grows else None,
                    lambda flush: self._arrivals.progress(row, arriving, flush), lambda: self._arrivals.let_go(arriving),
                )  # fmt: skip
                arriving.take_over(sink)
                return sink
        except BaseException:
            self._arrivals.let_go(arriving)
            raise

    def appended(self, who: Principal, upload: UploadId) -> int:
        """Durable bytes from the first on without a gap; what a killed server had received is made durable first.

        Raises:
            UploadGone: unknown, cancelled or expired.
        """
        row = self._uploads.shared(who, upload)
        if row.state == "written":
            return row.size
        arriving = self._arrivals.known(row.id)
        if arriving is not None and (arriving.appender is not None or arriving.finishing.locked()):
            return spans.prefix(arriving.durable)
        have = spans.prefix(self._arrivals.received(row))
        if have > spans.prefix(row.durable):
            arriving = self._arrivals.hold(row)
            try:
                self._arrivals.progress(row, arriving, flush=True)
                have = spans.prefix(arriving.durable)
            finally:
                self._arrivals.let_go(arriving)
        return have

    def read(self, who: Principal, upload: UploadId, take: Callable[[bytes], object]) -> None:
        """Hand all bytes that are there without a gap to `take`, piece by piece.

        Raises:
            UploadGone: unknown, cancelled or expired.
        """
        row = self._uploads.shared(who, upload)
        arriving = self._arrivals.hold(row)
        try:
            at, stop = 0, spans.prefix(arriving.received)
            while at < stop and (data := arriving.staged.read_at(at, min(CHUNK, stop - at))):
                take(data)
                at += len(data)
        finally:
            self._arrivals.let_go(arriving)

    def begin_with(self, who: Principal, upload: UploadId, size: int) -> None:
        """Let an upload that replaces content begin with the first `size` bytes of that content.

        Raises:
            WrongOffset: it has fewer; fact `expected`.
            NotFound, ContentMissing, Busy: it cannot be read.
        """
        row = self._uploads.shared(who, upload)
        content = self._contents.open(self._access.node(who, row.node, Rights.WRITE, Kind.FILE), row.base)
        try:
            if size > content.size:
                raise WrongOffset(f"{content.size} bytes are there.", expected=content.size)
            arriving = self._arrivals.hold(row)
            try:
                self._contents.copy(content, 0, size, arriving.staged, 0, row.root)
                arriving.lost(0, size)
                arriving.got(0, size)
                self._arrivals.progress(row, arriving)
            finally:
                self._arrivals.let_go(arriving)
        finally:
            content.close()

    def finish(self, who: Principal, upload: UploadId, place: Place | None) -> Node:
        """Publish what was appended as all there is; again gives the node as it is now.

        Args:
            place: of a new file: where it shall be by now, under the next free name with a number when that one is in use.
                None for new content, which goes over whatever is the present one. The same bytes again are no new content.
        Raises:
            UploadGone: unknown, cancelled or expired.
            NotFound, QuotaExceeded, WrongKind: it does not fit any more; the upload stays.
        """
        row = self._uploads.shared(who, upload)
        if row.state == "written":
            return self._uploads.written(row)
        arriving = self._arrivals.hold(row)
        try:
            with arriving.finishing:
                row = self._uploads.shared(who, upload)
                if row.state == "written":
                    return self._uploads.written(row)
                arriving.take_over()
                row = self._arrivals.resize(row, arriving, spans.prefix(arriving.received))
                found = arriving.digest()
                faultpoint("upload.verified")
                self._arrivals.flush(row, arriving)
                if place is None:
                    node, dropped = self._publish_over(who, row, arriving, found)
                else:
                    node, dropped = self._publish_numbered(who, row, arriving, found, place), False
        finally:
            self._arrivals.let_go(arriving)
        if dropped:
            self._uploads.drop(row)
        else:
            self._arrivals.forget(row.id)
        return node

    def _publish_numbered(
        self, who: Principal, row: UploadRow, arriving: Arriving, digest: bytes, place: Place
    ) -> Node:
        """Publish under the first free name."""
        numbers = itertools.count(1)
        while True:
            names = [
                place.name if number == 1 else with_suffix(place.name, f" ({number})")
                for number in itertools.islice(numbers, _NAMES_AT_ONCE)
            ]
            taken = self._catalogue.children_named(place.parent, names)
            for name in names:
                if name not in taken:
                    placed = row._replace(parent=place.parent, name=name, mtime_ns=place.mtime_ns)
                    try:
                        return self._uploads.put_in_place(who, placed, arriving, digest, None)
                    except PathTaken:
                        continue  # somebody was quicker

    def _publish_over(self, who: Principal, row: UploadRow, arriving: Arriving, digest: bytes) -> tuple[Node, bool]:
        """Publish over the present content, and whether there was nothing to publish."""
        while True:
            present = self._access.node(who, row.node, Rights.WRITE, Kind.FILE)
            if (present.digest, present.size) == (digest, row.size):
                return present.node(), True
            try:
                return self._uploads.put_in_place(who, row._replace(base=present.rev), arriving, digest, None), False
            except Stale:
                continue  # somebody was quicker; what he wrote becomes a version
