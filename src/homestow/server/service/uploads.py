"""Uploads: one mechanism for every front. Blocks at offsets in any order, resumable after a restart of either end.

What arrives is looked after by `arrivals`; who sends from the beginning to the end does so by `appends`.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from homestow.server.ports.catalogue import Catalogue, NodeRow, Rows, UploadRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.rights import StoreSet
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.arrivals import MAX_SIZE, Arrivals
from homestow.server.service.blocks import Blocks
from homestow.server.service.committer import Committer
from homestow.server.service.contents import Contents
from homestow.server.service.digesting import to_bytes
from homestow.server.service.downloads import MOST_BLOCKS
from homestow.server.service.placing import check_place
from homestow.server.service.publish import File, Outcome, check_free
from homestow.server.service.publishing import Publisher
from homestow.server.service.receiving import Arriving, BlockSink
from homestow.server.service.work import Ground, Once, RowsWork, Work, answered
from homestow.values.digests import BLOCK_SIZE, Digest
from homestow.values.errors import (
    BadRequest,
    Busy,
    CloudError,
    ContentMissing,
    DigestMismatch,
    Incomplete,
    NotFound,
    Stale,
    TooLarge,
    UploadGone,
    WrongOffset,
)
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId, RootId, UploadId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name

MAX_BLOCK = 64 * 1024 * 1024
LIFETIME_NS = 7 * 24 * 3600 * 1_000_000_000
MOST_UPLOADS = 10_000
_GONE = "This upload is unknown, was cancelled or outlived its time."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begin:
    """What an upload shall become: a new file (`parent`, `name`) or new content of `node` over rev `base`.

    `size` in bytes; `digest` when the caller knows it: content that this account already has is not sent again.
    `numbered`: the name may be in use; the file gets the next free one with a number when it is finished.
    """

    size: int
    parent: NodeId | None = None
    name: str | None = None
    node: NodeId | None = None
    base: int | None = None
    digest: Digest | None = None
    mtime_ns: int | None = None
    block_size: int = BLOCK_SIZE
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class UploadState:
    """How far an upload is; `have` are received (start, stop), `done` is the finished node once written."""

    id: UploadId
    node: NodeId
    state: str
    size: int
    block_size: int
    have: list[tuple[int, int]]
    expires_ns: int
    done: Node | None = None


class Uploads:
    """Uploads in blocks.

    Args:
        arrivals: the same ones for everybody who takes bytes of uploads.
        lifetime_ns: an upload nobody touched for so long is removed.
    """

    def __init__(
        self, catalogue: Catalogue, stores: StoreSet, access: Access, committer: Committer, publisher: Publisher,
        contents: Contents, blocks: Blocks, clock: Clock, arrivals: Arrivals, lifetime_ns: int = LIFETIME_NS,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._stores = stores
        self._access = access
        self._committer = committer
        self._publisher = publisher
        self._contents = contents
        self._blocks = blocks
        self._clock = clock
        self._arrivals = arrivals
        self._lifetime_ns = self.lifetime_ns = lifetime_ns
        self.dropped: Callable[[NodeId], None] | None = None
        """Called with the node of an upload that was cancelled or expired."""

    def begin_upload(
        self, who: Principal, begin: Begin, once: Once | None = None, beside: Callable[[UploadRow], None] | None = None
    ) -> UploadState:
        """Begin an upload; its node id and room are reserved from now on.

        Args:
            beside: what else to write down of it, in the same transaction.

        Raises:
            NotFound, Forbidden, WrongKind, BadName, PathTaken, Stale: the place or the base does not fit.
            QuotaExceeded, TooLarge, Busy: too much.
            UploadGone: `once` began an upload that is gone by now.
        """
        if (told := answered(self._catalogue, who, once)) is not None:
            return self._state(self._row(who, UploadId(msgspec.json.decode(told, type=str))))
        parent, name, row = self._target(who, begin)
        if not 0 <= begin.size <= MAX_SIZE:
            raise TooLarge("A file has at most 1 PiB.", limit=MAX_SIZE)
        if not 1 <= begin.block_size <= MAX_BLOCK:
            raise BadRequest("A block has 1 byte to 64 MiB.")
        if self._catalogue.uploads_count(who.account) >= MOST_UPLOADS:
            raise Busy(f"There are {MOST_UPLOADS} unfinished uploads; finish or cancel some.", retry_after_s=60)
        now = self._clock.now_ns()
        root = row.root
        upload = UploadRow(
            UploadId(secrets.token_hex(16)), root, row.id if begin.node is not None else NodeId(0), who.account, who.device,
            parent, name, begin.base or 0 if begin.node is not None else 0, begin.size, begin.block_size,
            to_bytes(begin.digest), begin.mtime_ns, "created" if begin.size else "uploaded", (), (), self._arrivals.boot, now,
            now + self._lifetime_ns, 0,
        )  # fmt: skip
        began = self._committer.run(_BeginUpload(who, upload, once, beside))
        row_now = self._row(who, UploadId(began))
        if begin.digest is not None and begin.size and row_now.state == "created" and self._fill_in(who, row_now):
            self.finish_upload(who, row_now.id, begin.digest)
            row_now = self._row(who, row_now.id)
        return self._state(row_now)

    def _target(self, who: Principal, begin: Begin) -> tuple[NodeId | None, str | None, NodeRow]:
        """Place of a new file with its folder, or the file to replace."""
        if begin.node is not None:
            if begin.base is None or begin.parent is not None or begin.name is not None:
                raise BadRequest("New content of a node needs its `base` and no place.")
            row = self._access.node(who, begin.node, Rights.WRITE, Kind.FILE)
            if row.rev != begin.base:
                raise Stale("The file has other content by now.", rev=row.rev, change=row.change)
            return None, None, row
        if begin.parent is None or begin.name is None:
            raise BadRequest("An upload needs `parent` and `name`, or `node` and `base`.")
        name = check_name(begin.name)
        folder = self._access.node(who, begin.parent, Rights.WRITE, Kind.FOLDER)
        check_place(self._catalogue.folder(folder.id), folder.root, name)
        if not begin.numbered:
            check_free(self._catalogue, folder.id, name)
        return folder.id, name, folder

    def upload(self, who: Principal, upload: UploadId) -> UploadState:
        """How far an upload is.

        Raises:
            UploadGone: unknown, cancelled or expired.
        """
        return self._state(self._row(who, upload))

    def put_block(self, who: Principal, upload: UploadId, offset: int, digest: Digest | None = None) -> BlockSink:
        """A sink for bytes from `offset` on.

        Raises:
            UploadGone: unknown, cancelled or expired.
            WrongOffset: beyond the end of the upload.
        """
        row = self._row(who, upload)
        if not 0 <= offset <= row.size:
            raise WrongOffset("The block begins past the declared size.", expected=row.size)
        arriving = self._arrivals.hold(row)

        def done(changed: bool) -> None:
            self._arrivals.let_go(arriving)
            if changed:
                self._arrivals.progress(row, arriving)

        return BlockSink(arriving, offset, MAX_BLOCK, to_bytes(digest), done)

    def upload_have(self, who: Principal, upload: UploadId, digests: Sequence[Digest]) -> UploadState:
        """Fill in blocks that the replaced content already has; `digests` are those of all blocks of the new content."""
        row = self._row(who, upload)
        if row.state == "written" or not row.base:
            return self._state(row)
        if len(digests) > -(-row.size // row.block_size):
            raise BadRequest("There are more digests than blocks.")
        try:
            node = self._access.node(who, row.node, Rights.READ, Kind.FILE)
            content = self._contents.open(node, row.base)
        except (NotFound, ContentMissing):
            return self._state(row)
        arriving = self._arrivals.get(row)
        try:
            if content.size > row.block_size * MOST_BLOCKS:
                return self._state(row)  # so small blocks save nothing worth their digests (S109)
            known = self._blocks.digests(content, row.block_size)
            where = {block: at * row.block_size for at, block in reversed(list(enumerate(known)))}
            for at, digest in enumerate(digests):
                start = at * row.block_size
                size = min(row.block_size, row.size - start)
                source = where.get(bytes.fromhex(digest))
                if source is None or min(row.block_size, content.size - source) != size:
                    continue
                if not spans.covers(arriving.received, start, start + size):
                    self._contents.copy(content, source, size, arriving.staged, start, row.root)
                    arriving.lost(start, start + size)  # written past the running digest
                    arriving.got(start, start + size)
        finally:
            content.close()
        self._arrivals.progress(row, arriving)
        return self.upload(who, upload)

    def finish_upload(
        self, who: Principal, upload: UploadId, digest: Digest | None = None, once: Once | None = None
    ) -> Node:
        """Verify and publish; again gives the node as it is now.

        Raises:
            Incomplete: bytes are missing; fact `missing`.
            DigestMismatch: the bytes are not the declared ones; send them again.
            NotFound, PathTaken, Stale: the place or the base does not fit any more; the upload stays.
        """
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=list[Outcome])[0].result()
        row = self._row(who, upload)
        if row.state == "written":
            return self.written(row)
        arriving = self._arrivals.get(row)
        with arriving.finishing:
            row = self._row(who, upload)
            if row.state == "written":
                return self.written(row)
            arriving.take_over()
            missing = row.size - spans.count(arriving.received)
            if missing:
                raise Incomplete(f"{missing} bytes have not arrived.", missing=missing)
            found = arriving.digest()
            for declared in (row.digest, to_bytes(digest)):
                if declared is not None and found != declared:
                    arriving.cut(0)
                    self._arrivals.progress(row, arriving)
                    raise DigestMismatch("The bytes that arrived are not the declared ones; send them again.")
            faultpoint("upload.verified")
            self._arrivals.flush(row, arriving)
            node = self.put_in_place(who, row, arriving, found, once)
        self._arrivals.forget(row.id)
        return node

    def put_in_place(
        self, who: Principal, row: UploadRow, arriving: Arriving, digest: bytes, once: Once | None
    ) -> Node:
        """Publish an upload that is all there and flushed, as its row says."""
        stat = arriving.staged.stat()
        file = File(
            row.id, row.parent or NodeId(0), row.name or "", row.size, digest, stat.inode, row.mtime_ns, row.node, row.base,
            upload=row.id, reserved=row.size,
        )  # fmt: skip
        try:
            return self._publisher.one(who, row.root, file, once)
        except CloudError:
            again = self._catalogue.upload(row.id)
            if again is not None and again.state == "written":
                return self.written(again)
            raise

    def cancel_upload(self, who: Principal, upload: UploadId) -> None:
        """Drop an upload and what arrived of it.

        Raises:
            UploadGone: unknown, or gone already.
        """
        self.drop(self._row(who, upload))

    def expire(self, limit: int = 100) -> int:
        """Drop up to `limit` uploads that nobody touched for their lifetime; how many."""
        dropped = 0
        for row in self._catalogue.uploads_expired(self._clock.now_ns(), limit):
            try:
                self.drop(row)
                dropped += 1
            except CloudError as error:
                # One root whose disk is away must not keep the others' room.
                _log.warning("an upload cannot be removed", extra={"upload": row.id, "reason": error.message})
        return dropped

    def doubt(self, root: RootId) -> None:
        """Count only what was flushed of the uploads into a root: its disk failed, the rest is asked for again (P1)."""
        mine = self._catalogue.uploads_of(root)
        self._arrivals.doubt(mine)

        def forget(rows: Rows) -> None:
            for upload in mine:
                row = rows.upload(upload)
                if row is not None and row.state != "written":
                    state = "uploading" if row.durable else "created"
                    rows.save_upload(row._replace(received=row.durable, state=state if row.size else row.state))

        # Not in the root's own name: it takes no changes yet.
        self._committer.run(RowsWork(OUTSIDE, RootId(0), forget, exclusive=True))

    def close(self) -> None:
        """Let go of all handles."""
        self._arrivals.close()

    # --- inside ---

    def _row(self, who: Principal, upload: UploadId) -> UploadRow:
        row = self._known(upload)
        if row.account != who.account and not who.operator:
            raise UploadGone(_GONE)
        self._access.root(who, row.root, Rights.WRITE)
        return row

    def shared(self, who: Principal, upload: UploadId) -> UploadRow:
        """An upload for whoever may write into its root; to others it is like one that never was (S09)."""
        row = self._known(upload)
        if self._access.rights(who, row.root) < Rights.WRITE:
            raise UploadGone(_GONE)
        return row

    def _known(self, upload: UploadId) -> UploadRow:
        row = self._catalogue.upload(upload)
        if row is None or row.expires_ns < self._clock.now_ns():
            raise UploadGone(_GONE)
        return row

    def _state(self, row: UploadRow) -> UploadState:
        have = self._arrivals.received(row)
        state = row.state
        if state != "written":
            state = "uploaded" if spans.count(have) == row.size else "uploading" if have else "created"
        done = self.written(row) if state == "written" else None
        return UploadState(
            row.id, row.node if done is None else done.id, state, row.size, row.block_size, spans.pairs(have),
            row.expires_ns, done,
        )  # fmt: skip

    def written(self, row: UploadRow) -> Node:
        """The file that a written upload became, as it is now."""
        node = self._catalogue.node(row.node)
        if node is None:
            raise UploadGone("This upload is finished, and its file was removed since.")
        return node.node()

    def _fill_in(self, who: Principal, row: UploadRow) -> bool:
        """Copy content that this account can read anyway (S110); whether there was such."""
        assert row.digest is not None
        for candidate in self._catalogue.by_digest(row.digest, row.size):
            if self._access.rights(who, candidate.root) < Rights.READ:
                continue
            try:
                content = self._contents.open(candidate)
            except CloudError:
                continue
            try:
                if (content.digest, content.size) != (row.digest, row.size):
                    continue
                arriving = self._arrivals.get(row)
                self._contents.copy(content, 0, row.size, arriving.staged, 0, row.root)
                arriving.lost(0, row.size)
                arriving.got(0, row.size)
                return True
            except ContentMissing:
                continue
            finally:
                content.close()
        return False

    def drop(self, row: UploadRow) -> None:
        """Forget an upload with all that arrived; one that is written, its row alone."""
        arriving = self._arrivals.known(row.id)
        if arriving is not None:
            arriving.take_over()

        def forget(rows: Rows) -> None:
            known = rows.upload(row.id)
            if known is not None:
                rows.drop_upload(row.id)
                if known.state != "written":
                    rows.charge(row.root, reserved=-known.size, entries=-1)

        self._committer.run(RowsWork(OUTSIDE, row.root, forget, (("upload", row.id),)))
        faultpoint("upload.forgotten")
        self._arrivals.forget(row.id)
        if row.state != "written":
            self._stores.get(row.root).drop_staged(row.id)
        if self.dropped is not None:
            self.dropped(row.node)


class _BeginUpload(Work[str]):
    """Reserve node id and room."""

    gives = str
    displaces = False
    on_disk = False

    def __init__(
        self, who: Principal, upload: UploadRow, once: Once | None, beside: Callable[[UploadRow], None] | None = None
    ) -> None:
        super().__init__(who, upload.root, once)
        self._upload = upload
        self._beside = beside
        self.keys = (("upload", upload.id),)

    def prepare(self, ground: Ground) -> None:
        """There must be room."""
        ground.enter(self.root)
        ground.grow(self.root, self._upload.size)

    def record(self, rows: Rows) -> None:
        """The upload's row."""
        upload = self._upload
        if not upload.node:
            upload = upload._replace(node=rows.take_ids(1))
        rows.save_upload(upload)
        rows.charge(self.root, reserved=upload.size, entries=1)
        if self._beside is not None:
            self._beside(upload)
        self.result = upload.id
