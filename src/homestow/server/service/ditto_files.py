"""Files sent by Ditto: announced by name and size, sent in numbered blocks, in any order and side by side.

An announced file is an upload of the one mechanism; a row beside it holds what that does not know: its uuid, its declared MD5 and
type, and which block lies where. What was written is an ordinary file in the folder `Ditto` of the user's own root.
"""

import hashlib
import logging
import threading
import uuid as uuids
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import NodeRow, Rows, UploadRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.ditto import Announced, Block, DittoRows, Event, EventKind, Stage
from homestow.server.ports.netdrive import Md5Row
from homestow.server.rules import ditto_blocks as layouts
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.rules.ditto_blocks import Layout
from homestow.server.service.arrivals import MAX_SIZE
from homestow.server.service.core import Core
from homestow.server.service.isync_places import at_free_name
from homestow.server.service.md5s import EMPTY, Md5s
from homestow.server.service.receiving import Arriving
from homestow.server.service.roots import Roots
from homestow.server.service.uploads import Begin
from homestow.server.service.work import RowsWork
from homestow.values.errors import BadRequest, CloudError, DigestMismatch, NotFound, Stale, TooLarge, UploadGone
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import MAX_DEPTH, check_name, numbered

HOME: Final = "Ditto"
"""Folder of the own root that holds what came."""

MAX_TYPE: Final = 255
CATCH_UP: Final = 64 * 1024 * 1024
_MOST_LIVE: Final = 256
_NOTHING: Final = "There is no such file."
_FOREIGN: Final = 8  # version of the uuids of files that did not come by Ditto

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileView:
    """A file as its user sees it. `md5`: 16 bytes; None: not known. Times in nanoseconds since 1970; None: not yet."""

    uuid: uuids.UUID
    name: str
    size: int
    type: str
    md5: bytes | None
    stage: Stage
    created_ns: int | None
    written_ns: int | None


@dataclass(frozen=True, slots=True)
class BlockView:
    """A block: its number, size in bytes, MD5 (16 bytes, None: not known), and how far it is; None: it is not there."""

    no: int
    size: int
    md5: bytes | None
    stage: Stage | None


class _Live:
    """What this process keeps of a file that blocks come for."""

    def __init__(self, layout: Layout, total: int) -> None:
        self.layout = layout
        self.total = total
        self.users = 0
        self.wrong = False
        """Everything is there, and it is not what was declared; nothing came since."""
        self.lock = threading.Lock()
        self.finishing = threading.Lock()
        self._busy: set[int] = set()
        self._free = threading.Condition(self.lock)

    @contextmanager
    def turn(self, no: int) -> Iterator[None]:
        """One at a time may send a block of this number."""
        with self._free:
            while no in self._busy:
                self._free.wait()
            self._busy.add(no)
        try:
            yield
        finally:
            with self._free:
                self._busy.discard(no)
                self._free.notify_all()

    def lay(self, no: int, size: int, move: Callable[[Layout], None]) -> Layout:
        """The layout with a block that is about to be written; `move` is called when another one lies elsewhere then."""
        with self._free:
            while True:
                layout = layouts.add(self.layout, no, size)
                shown = layout.last is not None and layout.last[0] != no and self.layout.last is None
                if not shown or layout.last is None or layout.last[0] not in self._busy:
                    break
                self._free.wait()
            if shown:
                move(layout)
            self.layout = layout
            return layout

    def unlay(self, no: int, found: Callable[[], Layout]) -> None:
        """A block could not be written: the layout is what rows show, unless others are being written."""
        with self._free:
            if self._busy == {no}:
                self.layout = found()


class DittoFiles:
    """Use cases around files. All methods may be called from any thread."""

    def __init__(
        self, core: Core, roots: Roots, accounts: AccountRows, rows: DittoRows, md5s: Md5s, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._core = core
        self._catalogue = core.catalogue
        self._roots = roots
        self._rows = rows
        self._md5s = md5s
        self._clock = clock
        self._epoch = hashlib.sha256(core.catalogue.epoch().encode()).digest()[:6]
        self._live: OrderedDict[int, _Live] = OrderedDict()
        self._lock = threading.Lock()

    # --- files --------------------------------------------------------------------------------------------------------

    def create(self, who: Principal, name: str, size: int, md5: bytes | None, kind: str) -> FileView:
        """Announce a file; one without bytes is written at once.

        Args:
            name: may have folders before it, separated by slashes; they are made.
            kind: whatever the client calls its type.

        Raises:
            BadName, BadRequest, TooLarge, QuotaExceeded, Busy, StorageFull, DigestMismatch: it cannot be.
        """
        names = [check_name(part) for part in name.split("/")]
        if len(names) >= MAX_DEPTH:
            raise BadRequest("A name has at most 255 folders.")
        if len(kind) > MAX_TYPE or not kind.isprintable():
            raise BadRequest(f"A type has at most {MAX_TYPE} characters that can be shown.")
        if size < 0:
            raise BadRequest("A size is 0 or more.")
        if size > MAX_SIZE:
            raise TooLarge("A file has at most 1 PiB.", limit=MAX_SIZE)
        if not size and md5 not in (None, EMPTY):
            raise DigestMismatch("A file without bytes has another md5.")
        root, folder = self._folder(who, names[:-1])
        made: list[Announced] = []

        def tie(row: UploadRow) -> None:
            file = Announced(
                0, uuids.uuid4().bytes, who.account, root, row.id, row.node, name, kind, size, md5, 0,
                self._clock.now_ns(), None, None,
            )  # fmt: skip
            made.append(self._rows.announce(file))

        self._core.uploads.begin_upload(who, Begin(size, folder, names[-1], numbered=True), beside=tie)
        file = made[-1]
        if not size:
            with self._using(file) as live:
                self._complete(who, file, live)
        return self._view(self._again(file))

    def get(self, who: Principal, uuid: str) -> FileView:
        """A file; also one that came otherwise, by the uuid that events name it by.

        Raises:
            NotFound: it is not there, or not this user's.
        """
        number = self._foreign(uuid)
        if number is not None:
            return self._of_node(self._core.access.node(who, number, Rights.READ, Kind.FILE))
        return self._view(self._settled(who, self._find(who, uuid)))

    def page(self, who: Principal, after: int, limit: int, stage: Stage | None) -> tuple[list[FileView], int]:
        """This user's files after a number, in the order they were announced, and the number of the last; 0 at the end."""
        found = self._rows.announced_page(who.account, after, limit, stage)
        views = []
        for file, _ in found:
            try:
                views.append(self._view(file))
            except NotFound:
                continue
        return views, found[-1][0].number if len(found) == limit else 0

    def delete(self, who: Principal, uuid: str) -> None:
        """Forget a file that is not complete; one that is written goes to the trash. Raises `NotFound`."""
        number = self._foreign(uuid)
        if number is not None:
            self._core.files.delete(who, self._core.access.node(who, number, Rights.WRITE, Kind.FILE).id)
            return
        file = self._find(who, uuid)
        row = self._catalogue.upload(file.upload)
        if file.written_ns is None and row is not None and row.state != "written":
            self._core.uploads.drop(row)
            self._rows.forget(file.number)
            return
        node = self._catalogue.node(self._settled(who, file).node)
        if node is None or node.gone or not self._core.access.stands_in(node.parent):
            self._rows.forget(file.number)
            raise NotFound(_NOTHING)
        self._core.files.delete(who, node.id)
        self._rows.forget(file.number)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def blocks(
        self, who: Principal, uuid: str, first: int, limit: int, stage: Stage | None
    ) -> tuple[list[BlockView], int]:
        """Blocks from a number on, and the number to go on with; 0 at the end. Missing ones are told when the size is known.

        Args:
            stage: only those; `CREATED` stands for those that are missing.
        Raises:
            NotFound: there is no such file.
        """
        file = self._settled(who, self._find(who, uuid))
        written = file.written_ns is not None
        have = None if written else self._received(who, file)
        known = {block.no: block for block in self._rows.blocks(file.number, first, limit + 1)}
        regular = file.regular
        count = -(-file.size // regular) if regular else max(known, default=-1) + 1
        found: list[BlockView] = []
        no = max(first, 0)
        while no < count and len(found) < limit:
            if no not in known and regular and len(known) > limit and no > max(known):
                known = {block.no: block for block in self._rows.blocks(file.number, no, limit + 1)}
            view = self._block_view(file, no, known.get(no), have)
            if stage is None or (view.stage or Stage.CREATED) is stage:
                found.append(view)
            no += 1
        return found, no if no < count else 0

    def _block_view(self, file: Announced, no: int, known: Block | None, have: spans.Ranges | None) -> BlockView:
        size = min(file.regular, file.size - no * file.regular) if file.regular else 0
        if have is None:
            return BlockView(
                no, size if known is None else known.size, None if known is None else known.md5, Stage.WRITTEN
            )
        if known is None or not spans.covers(have, known.offset, known.offset + known.size):
            return BlockView(no, size if known is None else known.size, None, None)
        return BlockView(no, known.size, known.md5, Stage.UPLOADED)

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
        file = self._find(who, uuid)
        written = BlockView(no, len(data), found, Stage.WRITTEN)
        if file.written_ns is not None:
            return self._known_again(file, written)
        with self._using(file) as live:
            with live.turn(no):
                row = self._upload_row(who, file)
                if row is not None and not self._has(file, row, no, len(data), found):
                    self._take(file, row, live, no, data, found)
            if live.total == file.size and not live.wrong:
                self._complete(who, file, live)
                return written
        return replace(written, stage=Stage.UPLOADED)

    def _known_again(self, file: Announced, block: BlockView) -> BlockView:
        known = [each for each in self._rows.blocks(file.number, block.no, 1) if each.no == block.no]
        if known and (known[0].size, known[0].md5) != (block.size, block.md5):
            raise Stale("The file is written already; announce it anew to send other content.", rev=0, change=0)
        return block

    def _has(self, file: Announced, row: UploadRow, no: int, size: int, md5: bytes) -> bool:
        for known in self._rows.blocks(file.number, no, 1):
            if (known.no, known.size, known.md5) == (no, size, md5):
                return spans.covers(self._core.arrivals.received(row), known.offset, known.offset + size)
        return False

    def _take(
        self, file: Announced, row: UploadRow, live: _Live, no: int, data: bytes | memoryview, md5: bytes
    ) -> None:
        """Put a block where it belongs, and remember it with its event."""
        arrivals = self._core.arrivals
        arriving = arrivals.hold(row)
        try:
            arriving.want_md5()
            layout = live.lay(no, len(data), lambda layout: self._move(file, row, arriving, layout))
            try:
                self._put(arriving, layout, no, data)
                block = Block(no, len(data), layouts.offset_of(layout, no), md5)
                before = [known for known in self._rows.blocks(file.number, no, 1) if known.no == no]
                arrivals.progress(row, arriving, beside=lambda rows: self._note_block(rows, file, layout, block))
            except CloudError:
                live.unlay(no, lambda: _layout(file, self._rows.blocks(file.number)))
                raise
            with live.lock:
                live.total += len(data) - sum(known.size for known in before)
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
        data = arriving.staged.read_at(known.offset, known.size)
        old, new = (known.offset, known.offset + known.size), (to, to + known.size)
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

    def _complete(self, who: Principal, file: Announced, live: _Live) -> None:
        """All blocks are there: verify, publish, remember."""
        with live.finishing:
            file = self._again(file)
            if file.written_ns is not None:
                return
            row = self._upload_row(who, file)
            if row is None:
                return
            arrivals = self._core.arrivals
            arriving = arrivals.hold(row)
            try:
                with arriving.finishing:
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
                    arrivals.flush(row, arriving)
                    node = self._publish(who, file, row, arriving, digest)
            finally:
                arrivals.let_go(arriving)
            arrivals.forget(row.id)
            faultpoint("ditto.published")
            self._md5s.note([Md5Row(node.id, node.rev, md5, node.size)])
            self._rows.set_written(file.number, node.id, self._clock.now_ns())

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
            _, parent = self._folder(who, folders)
        place = parent

        def attempt(free: str) -> NodeId:
            return self._core.uploads.put_in_place(
                who, row._replace(parent=place, name=free), arriving, digest, None
            ).id

        node = self._catalogue.node(at_free_name(self._catalogue, place, name, attempt))
        if node is None:
            raise UploadGone("This upload is finished, and its file was removed since.")
        return node

    def _settled(self, who: Principal, file: Announced) -> Announced:
        """A file as it is: what a crash or a lost answer left half done is done first."""
        if file.written_ns is not None:
            return file
        with self._using(file) as live:
            try:
                row = self._upload_row(who, file)
                if row is not None and live.total == file.size and not live.wrong:
                    self._complete(who, file, live)
            except DigestMismatch:
                log.info("a file of Ditto is not what was declared", extra={"file": file.number})
        return self._again(file)

    # --- finding ------------------------------------------------------------------------------------------------------

    def _find(self, who: Principal, uuid: str) -> Announced:
        try:
            raw = uuids.UUID(uuid).bytes if len(uuid) == 36 else None
        except ValueError:
            raw = None
        file = None if raw is None else self._rows.announced(raw, who.account)
        if file is None:
            raise NotFound(_NOTHING)
        return file

    def _again(self, file: Announced) -> Announced:
        found = self._rows.announced(file.uuid, file.account)
        if found is None:
            raise NotFound(_NOTHING)
        return found

    def _upload_row(self, who: Principal, file: Announced) -> UploadRow | None:
        """The upload of a file; None when it is written, which is then remembered. Raises `NotFound`: it was given up."""
        try:
            row = self._core.uploads.shared(who, file.upload)
        except UploadGone as error:
            self._rows.forget(file.number)
            raise NotFound(_NOTHING) from error
        if row.state != "written":
            return row
        if file.written_ns is None:
            self._rows.set_written(file.number, row.node, self._clock.now_ns())
        return None

    def _received(self, who: Principal, file: Announced) -> spans.Ranges:
        row = self._upload_row(who, file)
        return (0, file.size) if row is None else self._core.arrivals.received(row)

    def _view(self, file: Announced) -> FileView:
        uuid = uuids.UUID(bytes=file.uuid)
        stage = self._rows.stage(file)
        if stage is not Stage.WRITTEN:
            return FileView(uuid, file.name, file.size, file.type, file.md5, stage, file.created_ns, None)
        row = self._catalogue.node(file.node)
        if row is None or row.gone or not self._core.access.stands_in(row.parent):
            raise NotFound(_NOTHING)
        return FileView(
            uuid, file.name, row.size, file.type, self._md5s.of(row), stage, file.created_ns, file.written_ns
        )

    def _of_node(self, row: NodeRow) -> FileView:
        return FileView(
            self.uuid_of(row.id), row.name, row.size, "", self._md5s.of(row), Stage.WRITTEN, None, row.mtime_ns
        )

    def uuid_of(self, node: NodeId) -> uuids.UUID:
        """The uuid that names a file which did not come by Ditto: it tells the node, and the life of the store."""
        raw = bytearray(self._epoch + bytes(2) + int(node).to_bytes(8, "big"))
        raw[6] = _FOREIGN << 4
        raw[8] |= 0x80
        return uuids.UUID(bytes=bytes(raw))

    def _foreign(self, uuid: str) -> NodeId | None:
        """The node of such a uuid; None for any other text."""
        try:
            raw = uuids.UUID(uuid).bytes if len(uuid) == 36 else bytes(16)
        except ValueError:
            return None
        number = int.from_bytes(raw[8:], "big") & ((1 << 62) - 1)
        return NodeId(number) if raw == self.uuid_of(NodeId(number)).bytes else None

    def _folder(self, who: Principal, names: list[str]) -> tuple[RootId, NodeId]:
        """The folder for files with these folders before their names, made when missing."""
        root, top = self._own(who)
        at, path = top, [self._home_name(top), *names]
        while path:
            below = self._catalogue.child(at, path[0])
            if below is None:
                break
            if below.kind != Kind.FOLDER:
                raise BadRequest(f"{path[0]!r} is a {below.kind}; take another name.")
            at, path = below.id, path[1:]
        if not path:
            return root, at
        wanted = [(at if not number else -number, name) for number, name in enumerate(path)]
        return root, [made.result() for made in self._core.files.make_folders(who, root, wanted)][-1].id

    def _home_name(self, top: NodeId) -> str:
        """`Ditto`, or that with a number when a file has this name."""
        taken: list[str] = []
        while (
            there := self._catalogue.child(top, name := numbered(HOME, taken))
        ) is not None and there.kind != Kind.FOLDER:
            taken.append(name)
        return name

    def _own(self, who: Principal) -> tuple[RootId, NodeId]:
        account = self._accounts.account(who.account)
        top = None if account is None else self._catalogue.top(self._roots.own(account).id)
        if top is None:
            raise NotFound(_NOTHING)
        return top.root, top.id

    @contextmanager
    def _using(self, file: Announced) -> Iterator[_Live]:
        """What is kept of a file that blocks come for; only what nobody uses is forgotten."""
        with self._lock:
            live = self._live.get(file.number)
            if live is None:
                blocks = self._rows.blocks(file.number)
                live = self._live[file.number] = _Live(_layout(file, blocks), sum(block.size for block in blocks))
            self._live.move_to_end(file.number)
            live.users += 1
            idle = [number for number, each in self._live.items() if not each.users]
            for number in idle[: len(self._live) - _MOST_LIVE]:
                del self._live[number]
        try:
            yield live
        finally:
            with self._lock:
                live.users -= 1


def _layout(file: Announced, blocks: list[Block]) -> Layout:
    """The layout of blocks that were taken before."""
    if not blocks:
        return Layout(file.size)
    regular = max(block.size for block in blocks)
    last = next(((block.no, block.size) for block in blocks if block.size < regular), None)
    return Layout(file.size, regular, last, blocks[0].no if len(blocks) == 1 else None)
