"""Sending files by netdrive: announced with an md5, sent in blocks at offsets by any number of connections, whole, or known.

What is announced becomes an upload of the one mechanism, always as a new file of its place; a row ties it to what was announced,
and the blocks told are a view of what the upload received. When all is there it goes over whatever stands at the place: what was
there becomes a version, also when somebody else put it there meanwhile.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from homestow.server.ports.catalogue import Catalogue, NodeRow, UploadRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.netdrive import NetdriveRows, Sent
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.arrivals import MAX_SIZE, Arrivals
from homestow.server.service.contents import Contents
from homestow.server.service.md5s import EMPTY, Md5s, parse_md5
from homestow.server.service.netdrive_facts import (
    BLOCK,
    MOST_CHUNKS,
    Announced,
    Begun,
    Chunk,
    ChunkSink,
    WholeSink,
    mtime_ns_of,
    seconds_of,
)
from homestow.server.service.netdrive_finishing import Finishing, in_the_way
from homestow.server.service.netdrive_places import Names, Places
from homestow.server.service.netdrive_sinks import Block, Discarded, Whole
from homestow.server.service.netdrive_small import Small, SmallPuts
from homestow.server.service.receiving import Arriving
from homestow.server.service.roots import Roots
from homestow.server.service.uploads import Begin, Uploads
from homestow.values.errors import (
    CloudError,
    ContentMissing,
    DigestMismatch,
    NotFound,
    TooLarge,
    UploadGone,
    WrongOffset,
)
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import check_name

SECOND = 1_000_000_000
CATCH_UP = 64 * 1024 * 1024
"""Bytes digested after a block at most, so that little is left to be read when the last one came."""

_UNTOUCHED_NS = 60 * SECOND
_MOST_AT_PLACE = 4
_LOCKS = 64
_GONE = "This upload is unknown, was replaced or outlived its time; announce the file again."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file shall be: a folder with its names, and its name."""

    folder: NodeId
    names: Names
    name: str


class NetdriveUploads:
    """Use cases around files on their way in. All methods may be called from any thread."""

    def __init__(
        self, catalogue: Catalogue, access: Access, roots: Roots, contents: Contents, uploads: Uploads, arrivals: Arrivals,
        rows: NetdriveRows, places: Places, md5s: Md5s, small: SmallPuts, finishing: Finishing, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._roots = roots
        self._contents = contents
        self._uploads = uploads
        self._arrivals = arrivals
        self._rows = rows
        self._places = places
        self._md5s = md5s
        self._small = small
        self._finishing = finishing
        self._clock = clock
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    # --- announcing -----------------------------------------------------------------------------------------------

    def begin(self, who: Principal, root: RootId, announced: Announced, *, anew: bool = False) -> Begun:
        """Announce a file; nothing is to be sent of content that this user can read somewhere (S110).

        The same announcement again goes on with the same upload. May read much: for the long lane, unless the file is small.

        Args:
            anew: begin a new upload even so.

        Raises:
            NoFolder, BadName, PathTaken, WrongKind, NotFound, Forbidden: it cannot stand there.
            QuotaExceeded, TooLarge, Busy, StorageFull: too much.
            DigestMismatch: announced as empty with the md5 of something.
        """
        md5 = None if announced.md5 is None else parse_md5(announced.md5)
        name = check_name(announced.name)
        if not 0 <= announced.size <= MAX_SIZE:
            raise TooLarge("A file has at most 1 PiB.", limit=MAX_SIZE)
        folder, names, _ = self._places.make(who, root, announced.folder)
        self._places.spell_folder(who, root, folder, announced.folder, names)
        there = self._catalogue.child(folder, name)
        if there is not None and there.kind != Kind.FILE:
            raise in_the_way(there)
        if not announced.size:
            return self._empty(who, root, announced, folder, md5)
        if there is not None and md5 is not None and self._holds(there, md5, announced.size):
            return Begun(self._as_announced(who, there, announced), True)
        return self._begin(who, root, announced, _Place(folder, names, name), md5, anew)

    def _empty(self, who: Principal, root: RootId, announced: Announced, folder: NodeId, md5: bytes | None) -> Begun:
        if md5 not in (None, EMPTY):
            raise DigestMismatch("A file without bytes has another md5.")
        item = Announced(int(folder), announced.name, announced.md5, 0, announced.mtime_s)
        (made,) = self.whole_many([(who, root, item, b"")])
        if isinstance(made, CloudError):
            raise made
        return Begun(made, True)

    def _holds(self, row: NodeRow, md5: bytes, size: int) -> bool:
        """Whether a file surely has this content; one of the same size whose md5 nobody knows is read for it once.

        It may have been put there by a server that died before it noted that down: a look saves sending all of it again.
        """
        if row.size != size:
            return False
        known = self._md5s.of(row)
        if known is None:
            now, known = self._md5s.read([row]).get(row.id, (row, None))
            if now.rev != row.rev:
                return False
        if known != md5:
            return False
        content = self._contents.at_hand(row)
        if content is None:
            return False
        content.close()
        return True

    def _as_announced(self, who: Principal, row: NodeRow, announced: Announced) -> int:
        self._finishing.set_time(who, row, mtime_ns_of(announced.mtime_s))
        self._places.spell_file(who, row.root, row.id, announced.name, row.name)
        return int(row.id)

    def _begin(
        self, who: Principal, root: RootId, announced: Announced, place: _Place, md5: bytes | None, anew: bool
    ) -> Begun:
        with self._lock(who.account, place.folder, place.name):
            live = self._live(who, place)
            there = None if anew else next((each for each in live if _is_same(each[0], announced, md5)), None)
            if there is None:
                self._drop_untouched(live)
                there = self._begin_anew(who, root, announced, place, md5)
        sent, row = there
        self._places.spell_file(who, root, sent.vfile, announced.name, place.name)
        if md5 is not None and not self._arrivals.received(row):
            self._fill_in(who, sent)
        if spans.count(self._arrivals.received(row)) == row.size:
            try:
                return Begun(int(self._finishing.complete(who, sent)), True)
            except DigestMismatch:
                log.info("what was there is not what was announced", extra={"upload": row.id})
        return Begun(int(sent.vfile), False)

    def _lock(self, account: AccountId, folder: NodeId, name: str) -> AbstractContextManager[object]:
        return self._locks[hash((account, folder, name)) % _LOCKS]

    def _live(self, who: Principal, place: _Place) -> list[tuple[Sent, UploadRow]]:
        """What this user is sending to a place already, the newest first."""
        found = []
        for sent in self._rows.sent_to(who.account, place.folder, place.name):
            try:
                row = self._uploads.shared(who, sent.upload)
            except UploadGone:
                self._rows.drop_sent(sent.vfile)
                continue
            if row.state != "written":
                found.append((sent, row))
        return found

    def _drop_untouched(self, live: Sequence[tuple[Sent, UploadRow]]) -> None:
        """Other content for the same place, of which nothing came for a minute, has been given up by who sent it.

        Two clients of a user that each send their own content to one place do not disturb one another.
        """
        before = self._clock.now_ns() - _UNTOUCHED_NS
        for at, (sent, row) in enumerate(live):
            if at >= _MOST_AT_PLACE - 1 or row.expires_ns - self._uploads.lifetime_ns < before:
                self._forget(sent)

    def _forget(self, sent: Sent) -> None:
        row = self._catalogue.upload(sent.upload)
        if row is not None:
            self._uploads.drop(row)
        self._rows.drop_sent(sent.vfile)

    def _begin_anew(
        self, who: Principal, root: RootId, announced: Announced, place: _Place, md5: bytes | None
    ) -> tuple[Sent, UploadRow]:
        made: list[Sent] = []

        def tie(row: UploadRow) -> None:
            sent = Sent(
                row.node, who.account, root, row.id, md5, row.size, seconds_of(announced.mtime_s), place.folder, place.name,
                "/".join(place.names), None, self._clock.now_ns(),
            )  # fmt: skip
            self._rows.add_sent(sent)
            made.append(sent)

        begin = Begin(
            announced.size, place.folder, place.name, mtime_ns=mtime_ns_of(announced.mtime_s), block_size=BLOCK,
            numbered=True,
        )  # fmt: skip
        state = self._uploads.begin_upload(who, begin, beside=tie)
        return made[-1], self._uploads.shared(who, state.id)

    def _fill_in(self, who: Principal, sent: Sent) -> None:
        """Content that this user can read anyway is not sent again; it is digested like all that arrives before it counts."""
        assert sent.md5 is not None
        readable = self._roots.readable(who.account)
        others = [root for root in readable if root != sent.root]
        content = self._md5s.open(who, ([sent.root], others), sent.md5, sent.size)
        if content is None:
            return
        try:
            held = self._finishing.hold(who, sent)
            if held is None:
                return
            row, arriving = held
            try:
                with arriving.finishing:
                    if not arriving.received:
                        self._contents.copy(content, 0, row.size, arriving.staged, 0, row.root)
                        arriving.lost(0, row.size)
                        arriving.got(0, row.size)
                self._arrivals.progress(row, arriving)
            except ContentMissing as error:
                log.info("content went while it was copied", extra={"node": content.node, "reason": error.message})
            finally:
                self._arrivals.let_go(arriving)
        finally:
            content.close()

    # --- blocks ---------------------------------------------------------------------------------------------------

    def chunk(self, who: Principal, vfile: int, offset: int, size: int) -> ChunkSink | None:
        """A sink for bytes of an announced file; None when all of them are there already: read and discard.

        Blocks may have any size and come in any order, on any number of connections, more than once. With the last one the
        file goes into its place.

        Raises:
            UploadGone: nothing was announced under this id, or it was given up; announce the file again.
            WrongOffset: not all of it lies within the file.
            DigestMismatch, PathTaken: all is there, but it cannot be put into its place.
        """
        sent = self._rows.sent(NodeId(vfile), who.account)
        if sent is None:
            _check_range(offset, size, self._standing(who, vfile).size)
            return None
        _check_range(offset, size, sent.size)
        if sent.done is not None:
            return None
        row = self._uploads.shared(who, sent.upload)
        if row.state == "written":
            return None
        have = self._arrivals.received(row)
        if spans.covers(have, offset, offset + size):
            if spans.count(have) == row.size:
                self._finishing.complete(who, sent)
            return None
        held = self._finishing.hold(who, sent)
        if held is None:
            return None
        row, arriving = held
        return Block(
            arriving, offset, size, lambda: self._counted(row, arriving), lambda: self._finishing.complete_if(who, sent),
            lambda: self._arrivals.let_go(arriving),
        )  # fmt: skip

    def _counted(self, row: UploadRow, arriving: Arriving) -> None:
        arriving.catch_up(CATCH_UP)
        self._arrivals.progress(row, arriving)

    def chunks(self, who: Principal, vfile: int) -> list[Chunk]:
        """The blocks of an announced file and which of them are there.

        Raises:
            UploadGone: as `chunk`.
            TooLarge: there would be too many.
        """
        sent = self._rows.sent(NodeId(vfile), who.account)
        size = self._standing(who, vfile).size if sent is None else sent.size
        if -(-size // BLOCK) > MOST_CHUNKS:
            raise TooLarge(f"That would be over {MOST_CHUNKS:,} blocks.", limit=MOST_CHUNKS)
        have: spans.Ranges = (0, size)
        if sent is not None and sent.done is None:
            row = self._uploads.shared(who, sent.upload)
            if row.state != "written":
                have = self._arrivals.received(row)
        return [
            Chunk(at, min(BLOCK, size - at), spans.covers(have, at, min(at + BLOCK, size)))
            for at in range(0, size, BLOCK)
        ]

    def complete(self, who: Principal, vfile: int) -> int:
        """The client says that it sent everything; the file's id. Again gives it again.

        Raises:
            Incomplete: not everything came; fact `missing`.
            UploadGone, DigestMismatch, PathTaken: as `chunk`.
        """
        sent = self._rows.sent(NodeId(vfile), who.account)
        return int(self._standing(who, vfile).id if sent is None else self._finishing.complete(who, sent))

    def whole(self, who: Principal, root: RootId, announced: Announced) -> WholeSink:
        """A sink for a whole file; broken off, a file announced with its md5 may be gone on with. Raises as `begin`."""
        # Bytes of before are taken for these only by their md5: without one nothing may be mixed.
        begun = self.begin(who, root, announced, anew=announced.md5 is None)
        if begun.instant:
            return Discarded(begun.vfile, announced.size)
        vfile = begun.vfile
        block = self.chunk(who, vfile, 0, announced.size)
        if block is None:
            return Discarded(self.complete(who, vfile), announced.size)

        def broke_off() -> None:
            sent = self._rows.sent(NodeId(vfile), who.account)
            if sent is not None and sent.md5 is None and sent.done is None:
                self._forget(sent)

        return Whole(block, lambda: self.complete(who, vfile), broke_off)

    def whole_many(self, files: Sequence[Small]) -> list[int | CloudError]:
        """Store small whole files, many at once; the id or the error of each, in order. For `Border.together`."""
        return self._small.put_all(files)

    # --- the end --------------------------------------------------------------------------------------------------

    def _standing(self, who: Principal, vfile: int) -> NodeRow:
        """A file that was there when it was announced."""
        try:
            return self._access.node(who, NodeId(vfile), Rights.READ, Kind.FILE)
        except NotFound as error:
            raise UploadGone(_GONE) from error


def _is_same(sent: Sent, announced: Announced, md5: bytes | None) -> bool:
    """Whether an announcement goes on with an upload; without an md5 only its time tells that it is the same content."""
    if (sent.md5, sent.size) != (md5, announced.size):
        return False
    return md5 is not None or (sent.mtime_s is not None and sent.mtime_s == seconds_of(announced.mtime_s))


def _check_range(offset: int, size: int, whole: int) -> None:
    if not 0 <= offset <= offset + size <= whole:
        raise WrongOffset(f"The file has {whole} bytes.", expected=whole)
