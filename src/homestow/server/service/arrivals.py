"""Bytes of uploads as this process holds them: open handles, running digests, what is remembered of them and when.

Rows hold what was received; handles and digests are only a shortcut. After the machine itself went down only bytes that were
flushed count, which is why both are recorded.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection

from homestow.server.ports.catalogue import Rows, UploadRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.rights import StoreSet
from homestow.server.rules import ranges as spans
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.committer import Committer
from homestow.server.service.receiving import Arriving
from homestow.server.service.work import Ground, RowsWork, Work
from homestow.values.errors import QuotaExceeded, StorageFailed, TooLarge, UploadGone, WrongOffset
from homestow.values.ids import UploadId

MAX_SIZE = 1 << 50
SYNC_EVERY = 64 * 1024 * 1024
"""Received bytes after which an upload's file is flushed, so that finishing has little left to flush."""

_GROW_BY = 16 * 1024 * 1024
_MOST_OPEN = 128


class Arrivals:
    """Uploads that bytes are coming in for. All methods may be called from any thread.

    Args:
        boot: which run of the machine this is; another one means that unflushed bytes may be lost.
        lifetime_ns: an upload nobody touched for so long is removed.
    """

    def __init__(self, stores: StoreSet, committer: Committer, clock: Clock, boot: str, lifetime_ns: int) -> None:
        self.boot = boot
        self._stores = stores
        self._committer = committer
        self._clock = clock
        self._lifetime_ns = lifetime_ns
        self._open: OrderedDict[UploadId, Arriving] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, upload: UploadId) -> Arriving | None:
        """What this process knows of an upload already."""
        return self._open.get(upload)

    def received(self, row: UploadRow) -> spans.Ranges:
        """Bytes that are there by now."""
        arriving = self._open.get(row.id)
        return self.counting(row) if arriving is None else arriving.received

    def counting(self, row: UploadRow) -> spans.Ranges:
        """Bytes that count: all received in this run of the machine, else those that were flushed."""
        return row.received if row.boot == self.boot else row.durable

    def get(self, row: UploadRow, hold: bool = False) -> Arriving:
        """What this process knows of an upload, its staging file open.

        Raises:
            WrongOffset: it is written.
        """
        if row.state == "written":
            raise WrongOffset("This upload is finished.", expected=row.size)
        with self._lock:
            arriving = self._open.get(row.id)
            if arriving is not None:
                self._open.move_to_end(row.id)
                arriving.users += hold
                return arriving
            staged = self._stores.get(row.root).stage(row.id)
            have, durable, there = self.counting(row), row.durable, staged.stat().size
            if there != row.size:
                # The staging file is new, or was lost: nothing counts beyond what it has.
                have, durable = spans.remove(have, there, row.size), spans.remove(durable, there, row.size)
                staged.truncate(row.size)
            arriving = self._open[row.id] = Arriving(staged, row.size, have, durable)
            arriving.users += hold
            self._close_oldest()
            return arriving

    def hold(self, row: UploadRow) -> Arriving:
        """The same, and it stays open until it is let go."""
        return self.get(row, hold=True)

    def let_go(self, arriving: Arriving) -> None:
        """End of a hold."""
        with self._lock:
            arriving.users -= 1

    def _close_oldest(self) -> None:
        """Keep few handles open; none of an upload that is being written to or finished."""
        idle = [upload for upload, each in self._open.items() if not each.users and not each.finishing.locked()]
        for upload in idle[: len(self._open) - _MOST_OPEN]:
            self._open.pop(upload).staged.close()

    def grow(self, row: UploadRow, arriving: Arriving, size: int) -> None:
        """Another declared size, `size` bytes and some more when there is room for those too."""
        if size > MAX_SIZE:
            raise TooLarge("A file has at most 1 PiB.", limit=MAX_SIZE)
        try:
            self.resize(row, arriving, size + _GROW_BY)
        except QuotaExceeded:
            self.resize(row, arriving, size)

    def resize(self, row: UploadRow, arriving: Arriving, size: int) -> UploadRow:
        """Another declared size, its room reserved; the row as it is then. What lies behind it is cut off."""
        resized = self._committer.run(_Resize(row, size))
        arriving.lost(size, max(size, arriving.size))
        arriving.staged.truncate(size)
        arriving.size = size
        return row._replace(size=resized)

    def progress(
        self, row: UploadRow, arriving: Arriving, flush: bool = False, durable: bool = False,
        beside: Callable[[Rows], None] | None = None,
    ) -> None:  # fmt: skip
        """Remember what arrived; flush what has piled up. `flush` it all; or have only the row `durable`.

        Args:
            beside: what else to write down, in the same transaction.
        """
        piled_up = arriving.unsynced()
        # One of those who send at the same time flushes, the others go on; far behind, all wait for the disk.
        if flush or piled_up >= 4 * SYNC_EVERY or (piled_up >= SYNC_EVERY and not arriving.syncing.locked()):
            self.flush(row, arriving)
        expires = self._clock.now_ns() + self._lifetime_ns

        def remember(rows: Rows) -> None:
            known = rows.upload(row.id)
            if known is None:
                raise UploadGone("This upload was cancelled.")
            if known.state != "written":
                received = arriving.received
                state = "uploaded" if spans.count(received) == known.size else "uploading" if received else "created"
                rows.save_upload(
                    known._replace(
                        received=received, durable=arriving.durable, boot=self.boot, state=state, expires_ns=expires
                    )
                )
            if beside is not None:
                beside(rows)

        work = RowsWork(OUTSIDE, row.root, remember, (("upload", row.id),), durable=flush or durable)
        self._committer.run(work)

    def flush(self, row: UploadRow, arriving: Arriving) -> None:
        """Make all that was received durable; a root whose disk cannot takes no more changes."""
        try:
            arriving.sync()
        except StorageFailed as error:
            self._committer.distrust(row.root, error)
            raise

    def forget(self, upload: UploadId) -> None:
        """Close what belongs to an upload that is over."""
        with self._lock:
            arriving = self._open.pop(upload, None)
        if arriving is not None:
            arriving.staged.close()

    def doubt(self, uploads: Collection[UploadId]) -> None:
        """The disk of these failed: whoever sends is over, and what was flushed is all that counts."""
        with self._lock:
            doubted = [self._open.pop(upload) for upload in uploads if upload in self._open]
        for arriving in doubted:
            # Outside of the lock: who appends may wait for the committer in the middle of a piece.
            arriving.take_over()
            arriving.doubt()
            if not arriving.users and not arriving.finishing.locked():
                arriving.staged.close()

    def close(self) -> None:
        """Let go of all handles."""
        with self._lock:
            for arriving in self._open.values():
                arriving.staged.close()
            self._open.clear()


class _Resize(Work[int]):
    """Reserve other room for an upload; gives its size."""

    displaces = False
    on_disk = False
    durable = False

    def __init__(self, row: UploadRow, size: int) -> None:
        super().__init__(OUTSIDE, row.root)
        self._upload = row.id
        self._size = size
        self._more = 0
        self.keys = (("upload", row.id),)

    def prepare(self, ground: Ground) -> None:
        """There must be room for what it grows by."""
        row = ground.catalogue.upload(self._upload)
        if row is None or row.state == "written":
            raise UploadGone("This upload was cancelled.")
        self._more = self._size - row.size
        ground.grow(self.root, self._more)

    def record(self, rows: Rows) -> None:
        """The upload's row and what is reserved."""
        row = rows.upload(self._upload)
        assert row is not None, "works on one upload are never in one batch"
        received, durable = (
            spans.remove(each, self._size, max(self._size, row.size)) for each in (row.received, row.durable)
        )
        rows.save_upload(row._replace(size=self._size, received=received, durable=durable))
        rows.charge(self.root, reserved=self._more)
        self.result = self._size
