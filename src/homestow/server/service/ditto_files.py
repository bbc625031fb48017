"""Files sent by Ditto: announced by name and size, sent in numbered blocks, in any order and side by side.

An announced file is an upload of the one mechanism; a row beside it holds what that does not know: its uuid, its declared MD5 and
type, and which block lies where. What was written is an ordinary file in the folder `Ditto` of the user's own root.
"""

import uuid as uuids
from typing import Final

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import UploadRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.ditto import Announced, Block, DittoRows, Stage
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.arrivals import MAX_SIZE
from homestow.server.service.core import Core
from homestow.server.service.ditto_sending import BlockView, DittoSending
from homestow.server.service.ditto_shelf import HOME, NOTHING, DittoShelf, FileView
from homestow.server.service.md5s import EMPTY, Md5s
from homestow.server.service.roots import Roots
from homestow.server.service.uploads import Begin
from homestow.values.errors import BadRequest, DigestMismatch, NotFound, TooLarge
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind
from homestow.values.paths import MAX_DEPTH, check_name

__all__ = ["HOME", "BlockView", "DittoFiles", "FileView"]

MAX_TYPE: Final = 255


class DittoFiles:
    """Use cases around files. All methods may be called from any thread."""

    def __init__(
        self, core: Core, roots: Roots, accounts: AccountRows, rows: DittoRows, md5s: Md5s, clock: Clock
    ) -> None:
        self._core = core
        self._catalogue = core.catalogue
        self._rows = rows
        self._clock = clock
        self._shelf = DittoShelf(core, roots, accounts, rows, md5s)
        self._sending = DittoSending(core, self._shelf, rows, md5s, clock)

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
        root, folder = self._shelf.folder(who, names[:-1])
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
            self._sending.finish_empty(who, file)
        return self._shelf.view(self._shelf.again(file))

    def get(self, who: Principal, uuid: str) -> FileView:
        """A file; also one that came otherwise, by the uuid that events name it by.

        Raises:
            NotFound: it is not there, or not this user's.
        """
        number = self._shelf.foreign(uuid)
        if number is not None:
            return self._shelf.of_node(self._core.access.node(who, number, Rights.READ, Kind.FILE))
        return self._shelf.view(self._sending.settled(who, self._shelf.find(who, uuid)))

    def page(self, who: Principal, after: int, limit: int, stage: Stage | None) -> tuple[list[FileView], int]:
        """This user's files after a number, in the order they were announced, and the number of the last; 0 at the end."""
        found = self._rows.announced_page(who.account, after, limit, stage)
        views = []
        for file, _ in found:
            try:
                views.append(self._shelf.view(file))
            except NotFound:
                continue
        return views, found[-1][0].number if len(found) == limit else 0

    def delete(self, who: Principal, uuid: str) -> None:
        """Forget a file that is not complete; one that is written goes to the trash. Raises `NotFound`."""
        number = self._shelf.foreign(uuid)
        if number is not None:
            self._core.files.delete(who, self._core.access.node(who, number, Rights.WRITE, Kind.FILE).id)
            return
        file = self._shelf.find(who, uuid)
        row = self._catalogue.upload(file.upload)
        if file.written_ns is None and row is not None and row.state != "written":
            self._core.uploads.drop(row)
            self._rows.forget(file.number)
            return
        node = self._catalogue.node(self._sending.settled(who, file).node)
        if node is None or node.gone or not self._core.access.stands_in(node.parent):
            self._rows.forget(file.number)
            raise NotFound(NOTHING)
        self._core.files.delete(who, node.id)
        self._rows.forget(file.number)

    def uuid_of(self, node: NodeId) -> uuids.UUID:
        """The uuid that names a file which did not come by Ditto."""
        return self._shelf.uuid_of(node)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def upload(self, who: Principal, uuid: str, no: int, data: bytes | memoryview, md5: bytes | None) -> BlockView:
        """A block; the one that completes the file has it verified and written. The same again is harmless.

        Raises:
            NotFound: there is no such file.
            BadRequest: a block that this file cannot have.
            DigestMismatch: the block, or now the whole file, is not what was declared; the blocks are kept.
            Stale: the file is written, and this is another block.
            QuotaExceeded, StorageFull, StorageFailed, Busy: as they say.
        """
        return self._sending.upload(who, uuid, no, data, md5)

    def blocks(
        self, who: Principal, uuid: str, first: int, limit: int, stage: Stage | None
    ) -> tuple[list[BlockView], int]:
        """Blocks from a number on, and the number to go on with; 0 at the end. Missing ones are told when the size is known.

        Args:
            stage: only those; `CREATED` stands for those that are missing.
        Raises:
            NotFound: there is no such file.
        """
        file = self._sending.settled(who, self._shelf.find(who, uuid))
        written = file.written_ns is not None
        have = None if written else self._sending.received(who, file)
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
