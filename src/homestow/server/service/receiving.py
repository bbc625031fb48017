"""Bytes on their way in: what a front feeds from its workers, piece by piece."""

import logging
import threading
from collections.abc import Callable

from blake3 import blake3

from homestow.server.ports.content import Staged
from homestow.server.rules import ranges as spans
from homestow.server.rules.ranges import Ranges
from homestow.server.service.digesting import feed
from homestow.values.errors import CloudError, DigestMismatch, TooLarge, WrongOffset
from homestow.values.faults import faultpoint

RECORD_EVERY = 8 * 1024 * 1024
"""Appended bytes after which a row remembers them, so that a killed server asks for few of them again."""

_log = logging.getLogger(__name__)


class Arriving:
    """An upload's bytes as this process knows them; rows hold what survives it.

    Several blocks may arrive at once; of those who append only the last who began. The digest of the whole is computed on the
    way as long as bytes come in order, what is left of it at the end.
    """

    def __init__(self, staged: Staged, size: int, received: Ranges, durable: Ranges) -> None:
        self.staged = staged
        self.size = size
        self.received = received
        self.durable = durable
        self.lock = threading.Lock()
        self.syncing = threading.Lock()
        self.finishing = threading.Lock()
        self.appending = threading.Lock()
        self.appender: AppendSink | None = None
        self.users = 0
        self._hasher: blake3 | None = blake3() if not received else None
        self._hashed = 0

    def write(self, at: int, data: memoryview) -> None:
        """Put bytes at an offset; those that are there already are left as they are (the same bytes sent again)."""
        stop = at + len(data)
        with self.lock:
            if spans.covers(self.received, at, stop):
                return
            if self._hasher is not None and at == self._hashed:
                self._hasher.update(data)
                self._hashed = stop
            elif at < self._hashed:
                self._hasher = None
        self.staged.write_at(at, data)

    def got(self, start: int, stop: int) -> None:
        """These bytes arrived as they should."""
        with self.lock:
            self.received = spans.add(self.received, start, stop)

    def lost(self, start: int, stop: int) -> None:
        """These bytes are not what they should be."""
        with self.lock:
            self.received = spans.remove(self.received, start, stop)
            self.durable = spans.remove(self.durable, start, stop)
            if start < self._hashed:
                self._hasher = None

    def doubt(self) -> None:
        """The disk failed: only what it had flushed counts."""
        with self.lock:
            self.received = self.durable
            self._hasher = None

    def cut(self, at: int) -> None:
        """Forget everything from an offset on."""
        self.lost(at, self.size)

    def take_over(self, by: "AppendSink | None" = None) -> None:
        """Whoever appended is over; not a byte of his is written once this returns."""
        with self.appending:
            self.appender = by

    def unsynced(self) -> int:
        """Received bytes that a power cut may still take."""
        with self.lock:
            return spans.count(self.received) - spans.count(self.durable)

    def sync(self) -> None:
        """Make everything received so far durable."""
        with self.syncing:
            with self.lock:
                received = self.received
            faultpoint("upload.before_sync")
            self.staged.sync()
            with self.lock:
                self.durable = received

    def digest(self) -> bytes:
        """BLAKE3 of the whole, once everything is there."""
        with self.lock:
            hasher, hashed = self._hasher, self._hashed
            self._hasher = None
        if hasher is None:
            hasher, hashed = blake3(), 0
        feed(hasher, self.staged, hashed, self.size)
        return hasher.digest()


class BlockSink:
    """Takes one block of an upload: `write` its pieces in order, then `finish`; `abort` when it broke off.

    After an error of `write` it is over. Ending it twice is harmless.

    Attributes:
        offset: where the next piece goes, in bytes from the beginning of the upload.
    """

    def __init__(
        self, arriving: Arriving, offset: int, most: int, digest: bytes | None, done: Callable[[bool], None]
    ) -> None:
        self.offset = offset
        self._arriving = arriving
        self._start = offset
        self._most = most
        self._digest = digest
        self._hasher = None if digest is None else blake3()
        self._done: Callable[[bool], None] | None = done

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next piece.

        Raises:
            TooLarge: more than a block may have.
            WrongOffset: it goes past the end of the upload; fact `expected` is the end.
            StorageFull: no room.
        """
        piece = memoryview(data)
        stop = self.offset + len(piece)
        if stop > self._arriving.size:
            self.abort()
            raise WrongOffset("The block goes past the declared size.", expected=self._arriving.size)
        if stop - self._start > self._most:
            self.abort()
            raise TooLarge("The block is larger than allowed.", limit=self._most)
        if self._hasher is not None:
            self._hasher.update(piece)
        try:
            self._arriving.write(self.offset, piece)
        except CloudError:
            self.abort()
            raise
        self.offset = stop

    def finish(self) -> None:
        """The block is complete: verified and remembered.

        Raises:
            DigestMismatch: it does not have the declared digest; its bytes do not count.
        """
        if self._hasher is not None and self._hasher.digest() != self._digest:
            self._arriving.lost(self._start, self.offset)
            self._end(True)
            raise DigestMismatch("The block does not have the declared digest; send it again.")
        self._arriving.got(self._start, self.offset)
        faultpoint("upload.block_received")
        self._end(True)

    def abort(self) -> None:
        """The sender broke off: what came counts, unless it was to be verified as a whole."""
        if self._hasher is None:
            self._arriving.got(self._start, self.offset)
        self._end(self._hasher is None)

    def _end(self, changed: bool) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(changed)


class AppendSink:
    """Appends to an upload: `write` pieces in order, then `finish`; `abort` when it broke off. Ending it twice is harmless.

    What it took counts as it comes. When somebody else begins to append to the same upload, this one is over: a phone that
    lost its network must not wait until the server has noticed.

    Attributes:
        offset: where the next piece goes, in bytes from the beginning of the upload.
    """

    def __init__(
        self, arriving: Arriving, offset: int, grow: Callable[[int], None] | None, record: Callable[[bool], None],
        done: Callable[[], None],
    ) -> None:  # fmt: skip
        self.offset = offset
        self._arriving = arriving
        self._recorded = offset
        self._grow = grow
        self._record = record
        self._done: Callable[[], None] | None = done

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next piece.

        Raises:
            WrongOffset: it goes past the end of an upload that does not grow, or somebody else appends by now.
            QuotaExceeded, StorageFull: no room; what came before stays.
        """
        piece = memoryview(data)
        arriving = self._arriving
        with arriving.appending:
            self._check()
            stop = self.offset + len(piece)
            if stop > arriving.size:
                if self._grow is None:
                    raise WrongOffset("The bytes go past the declared size.", expected=arriving.size)
                self._grow(stop)
            arriving.write(self.offset, piece)
            arriving.got(self.offset, stop)
            self.offset = stop
        faultpoint("upload.appended")
        if self.offset - self._recorded >= RECORD_EVERY:
            self._recorded = self.offset
            self._record(False)

    def _check(self) -> None:
        if self._arriving.appender is not self:
            raise WrongOffset(
                "Another connection goes on with this upload.", expected=spans.prefix(self._arriving.received)
            )

    def finish(self) -> None:
        """All pieces came: they are durable when this returns."""
        with self._arriving.appending:
            self._check()
        try:
            self._record(True)
        finally:
            self._end()

    def abort(self) -> None:
        """The sender broke off: what came counts and is made durable, unless the disk fails."""
        if self._done is None:
            return
        try:
            with self._arriving.appending:
                mine = self._arriving.appender is self
            if mine:
                self._record(True)
        except CloudError as error:
            _log.warning("what came of an upload is not durable", extra={"reason": error.message})
        finally:
            self._end()

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            with self._arriving.appending:
                if self._arriving.appender is self:
                    self._arriving.appender = None
            done()
