"""Blocks of Ditto on the one upload mechanism: taken in any order, put where they belong, verified and published at the end."""

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import Final

from homestow.server.ports.catalogue import NodeRow, Rows, UploadRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.ditto import Announced, Block, DittoRows, Event, EventKind, Stage
from homestow.server.ports.netdrive import Md5Row
from homestow.server.rules import ditto_blocks as layouts
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import OUTSIDE, Principal
from homestow.server.rules.ditto_blocks import Layout
from homestow.server.service.core import Core
from homestow.server.service.ditto_live import Live, Lives, layout_of
from homestow.server.service.ditto_shelf import NOTHING, DittoShelf
from homestow.server.service.isync_places import at_free_name
from homestow.server.service.md5s import EMPTY, Md5s
from homestow.server.service.receiving import Arriving
from homestow.server.service.work import RowsWork
from homestow.values.errors import CloudError, DigestMismatch, NotFound, Stale, UploadGone
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId
from homestow.values.paths import check_name

CATCH_UP: Final = 64 * 1024 * 1024
FLUSHED_TOGETHER: Final = 1024 * 1024
"""Files up to so many bytes are flushed with all others that are written at the same moment, longer ones before."""


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BlockView:
    """A block: its number, size in bytes, MD5 (16 bytes, None: not known), and how far it is; None: it is not there."""

    no: int
    size: int
    md5: bytes | None
    stage: Stage | None


class DittoSending:
    """Takes blocks. All methods may be called from any thread."""

    def __init__(self, core: Core, shelf: DittoShelf, rows: DittoRows, md5s: Md5s, clock: Clock) -> None:
        self._core = core
        self._catalogue = core.catalogue
        self._shelf = shelf
        self._rows = rows
        self._md5s = md5s
        self._clock = clock
        self._lives = Lives(rows)

    def finish_empty(self, who: Principal, file: Announced) -> None:
        """Write a file without bytes."""
        with self._lives.using(file) as live:
            self._complete(who, file, live)

    def upload(self, who: Principal, uuid: str, no: int, data: bytes | memoryview, md5: bytes | None) -> BlockView:
        """A block; the one that completes the file has it verified and written. The same again is harmless.

        Raises:
            NotFound: there is no such file.
            BadRequest: a block that this file cannot have.
            DigestMismatch: the block, or now the whole file, is not what was declared; the blocks are kept.
            Stale: the file is written, and this is another block.
            QuotaExceeded, StorageFull, StorageFailed, Busy: as they say.
        """
        found = hashlib.md5(data, usedforsecurity=False).digest()
        if md5 is not None and found != md5:
            raise DigestMismatch("The block that arrived does not have the declared md5; send it again.")
        file = self._shelf.find(who, uuid)
        written = BlockView(no, len(data), found, Stage.WRITTEN)
        if file.written_ns is not None:
            return self._known_again(file, written)
        with self._lives.using(file) as live:
            with live.turn(no):
                row = self._upload_row(who, file)
                if row is not None:
                    known = next((each for each in self._rows.blocks(file.number, no, 1) if each.no == no), None)
                    if not self._has(row, known, len(data), found):
                        self._take(file, row, live, no, data, found, 0 if known is None else known.size)
            if live.total == file.size and not live.wrong and self._complete(who, file, live):
                return written
        return replace(written, stage=Stage.UPLOADED)

    def _known_again(self, file: Announced, block: BlockView) -> BlockView:
        known = [each for each in self._rows.blocks(file.number, block.no, 1) if each.no == block.no]
        if known and (known[0].size, known[0].md5) != (block.size, block.md5):
            raise Stale("The file is written already; announce it anew to send other content.", rev=0, change=0)
        return block

    def _has(self, row: UploadRow, known: Block | None, size: int, md5: bytes) -> bool:
        if known is None or (known.size, known.md5) != (size, md5):
            return False
        return spans.covers(self._core.arrivals.received(row), known.offset, known.offset + size)

    def _take(
        self, file: Announced, row: UploadRow, live: Live, no: int, data: bytes | memoryview, md5: bytes, before: int
    ) -> None:
        """Put a block where it belongs, and remember it with its event. `before`: bytes that it had until now."""
        arrivals = self._core.arrivals
        arriving = arrivals.hold(row)
        try:
            arriving.want_md5()
            layout = live.lay(no, len(data), lambda layout: self._move(file, row, arriving, layout))
            try:
                self._put(arriving, layout, no, data)
                block = Block(no, len(data), layouts.offset_of(layout, no), md5)
                arrivals.progress(row, arriving, beside=lambda rows: self._note_block(rows, file, layout, block))
            except CloudError:
                live.unlay(no, lambda: layout_of(file, self._rows.blocks(file.number)))
                raise
            with live.lock:
                live.total += len(data) - before
                live.wrong = False
        finally:
            arrivals.let_go(arriving)

    def _put(self, arriving: Arriving, layout: Layout, no: int, data: bytes | memoryview) -> None:
        offset = layouts.offset_of(layout, no)
        stop = offset + len(data)
        if spans.count(spans.remove(arriving.received, offset, stop)) != spans.count(arriving.received):
            arriving.lost(offset, stop)  # other bytes are there
        arriving.write(offset, memoryview(data))
        arriving.got(offset, stop)
        faultpoint("ditto.block_received")
        arriving.catch_up(CATCH_UP)

    def _note_block(self, rows: Rows, file: Announced, layout: Layout, block: Block) -> None:
        if layout.regular != file.regular:
            self._rows.set_regular(file.number, layout.regular)
        self._rows.save_block(file.number, block)
        self._note(rows, file, EventKind.BLOCK_UPLOADED, block.no, block.size, block.md5)

    def _note(self, rows: Rows, file: Announced, kind: EventKind, no: int, size: int, md5: bytes) -> None:
        number = rows.take_numbers(1, ())
        now = self._clock.now_ns()
        self._rows.add_event(Event(number, file.account, kind, file.uuid, no, size, md5, 0, 0, now))

    def _move(self, file: Announced, row: UploadRow, arriving: Arriving, layout: Layout) -> None:
        """The last block was taken for one of another size: it goes to the end."""
        assert layout.last is not None
        known = next((each for each in self._rows.blocks(file.number, layout.last[0], 1)), None)
        if known is None or known.no != layout.last[0]:
            return
        to = layouts.offset_of(layout, known.no)
        old, new = (known.offset, known.offset + known.size), (to, to + known.size)
        if spans.covers(arriving.received, *old):  # else a power cut took it
            data = arriving.staged.read_at(known.offset, known.size)
            arriving.lost(*new)
            arriving.write(to, memoryview(data))
            arriving.got(*new)
        if old[0] < new[0]:
            arriving.lost(old[0], min(old[1], new[0]))

        def moved(rows: Rows) -> None:
            self._rows.set_regular(file.number, layout.regular)
            self._rows.save_block(file.number, replace(known, offset=to))

        self._core.arrivals.progress(row, arriving, beside=moved)
        faultpoint("ditto.block_moved")

    # --- the end ------------------------------------------------------------------------------------------------------

    def _complete(self, who: Principal, file: Announced, live: Live) -> bool:
        """All blocks came: verify, publish, remember. False: a power cut took bytes of some, which must come again."""
        with live.finishing:
            file = self._shelf.again(file)
            if file.written_ns is not None:
                return True
            row = self._upload_row(who, file)
            if row is None:
                return True
            arrivals = self._core.arrivals
            arriving = arrivals.hold(row)
            try:
                with arriving.finishing:
                    if spans.count(arriving.received) < file.size:
                        return False
                    arriving.take_over()
                    if file.size:
                        arriving.want_md5()
                    digest, md5 = arriving.digests()
                    md5 = md5 or EMPTY
                    if file.md5 is not None and md5 != file.md5:
                        live.wrong = True
                        raise DigestMismatch(
                            "All blocks are here, but the file does not have the declared md5; nothing was written. Send the "
                            "blocks again that are wrong, or delete the file."
                        )
                    self._uploaded(file, row, md5)
                    faultpoint("ditto.uploaded")
                    if file.size > FLUSHED_TOGETHER:
                        arrivals.flush(row, arriving)
                    node = self._publish(who, file, row, arriving, digest)
            finally:
                arrivals.let_go(arriving)
            arrivals.forget(row.id)
            faultpoint("ditto.published")
            self._written(file, row, Md5Row(node.id, node.rev, md5, node.size))
        return True

    def _written(self, file: Announced, row: UploadRow, known: Md5Row) -> None:
        """It is a file. What a power cut may take of this is found again: the upload is written, which is durable."""

        def note(_: Rows) -> None:
            self._md5s.note([known])
            self._rows.set_written(file.number, known.node, self._clock.now_ns())

        self._core.committer.run(RowsWork(OUTSIDE, row.root, note, durable=False))

    def _uploaded(self, file: Announced, row: UploadRow, md5: bytes) -> None:
        """All bytes are there and right: told once."""
        if file.uploaded_ns is not None:
            return

        def note(rows: Rows) -> None:
            self._rows.set_uploaded(file.number, self._clock.now_ns())
            self._note(rows, file, EventKind.UPLOADED, 0, file.size, md5)

        self._core.committer.run(RowsWork(OUTSIDE, row.root, note, (("upload", row.id),), durable=False))

    def _publish(self, who: Principal, file: Announced, row: UploadRow, arriving: Arriving, digest: bytes) -> NodeRow:
        parent, name = row.parent, row.name
        if parent is None or name is None or not self._core.access.stands_in(parent):
            *folders, name = [check_name(part) for part in file.name.split("/")]
            _, parent = self._shelf.folder(who, folders)
        place = parent

        def attempt(free: str) -> NodeId:
            return self._core.uploads.put_in_place(
                who, row._replace(parent=place, name=free), arriving, digest, None
            ).id

        node = self._catalogue.node(at_free_name(self._catalogue, place, name, attempt))
        if node is None:
            raise UploadGone("This upload is finished, and its file was removed since.")
        return node

    def settled(self, who: Principal, file: Announced) -> Announced:
        """A file as it is: what a crash or a lost answer left half done is done first."""
        if file.written_ns is not None:
            return file
        with self._lives.using(file) as live:
            try:
                row = self._upload_row(who, file)
                if row is not None and live.total == file.size and not live.wrong:
                    self._complete(who, file, live)
            except DigestMismatch:
                log.info("a file of Ditto is not what was declared", extra={"file": file.number})
        return self._shelf.again(file)

    def _upload_row(self, who: Principal, file: Announced) -> UploadRow | None:
        """The upload of a file; None when it is written, which is then remembered. Raises `NotFound`: it was given up."""
        try:
            row = self._core.uploads.shared(who, file.upload)
        except UploadGone as error:
            self._rows.forget(file.number)
            raise NotFound(NOTHING) from error
        if row.state != "written":
            return row
        if file.written_ns is None:
            self._rows.set_written(file.number, row.node, self._clock.now_ns())
        return None

    def received(self, who: Principal, file: Announced) -> spans.Ranges:
        """Bytes that are here. Raises `NotFound`: it was given up."""
        row = self._upload_row(who, file)
        return (0, file.size) if row is None else self._core.arrivals.received(row)
