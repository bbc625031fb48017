"""Bytes on their way in: what a front feeds from its workers, piece by piece."""

import hashlib
import logging
import threading
from collections.abc import Callable

from blake3 import blake3

from homestow.server.ports.content import Staged
from homestow.server.rules import ranges as spans
from homestow.server.rules.ranges import Ranges
from homestow.server.service.digesting import CHUNK, feed_beside
from homestow.server.service.whole import KEPT_AT_HAND
from homestow.values.errors import CloudError, DigestMismatch, TooLarge, WrongOffset
from homestow.values.faults import faultpoint

RECORD_EVERY = 8 * 1024 * 1024
"""Appended bytes after which a row remembers them, so that a killed server asks for few of them again."""

_BESIDE = 64 * 1024
"""Bytes from which on handing them to another thread costs less than it saves."""

_log = logging.getLogger(__name__)


class Digests:
    """What of an upload's bytes has gone by in order: BLAKE3, and MD5 where a protocol names it."""

    __slots__ = ("blake3", "md5")

    def __init__(self, md5: bool = False) -> None:
        self.blake3 = blake3()
        self.md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    def update(self, data: bytes | memoryview, /) -> None:
        """The next bytes."""
        self.blake3.update(data)
        if self.md5 is not None:
            self.md5.update(data)

    def update_beside(self, data: memoryview, write: Callable[[], None]) -> None:
        """The same while `write` puts them somewhere; MD5 takes longest and has a thread of its own."""
        if self.md5 is None or len(data) < _BESIDE:
            self.update(data)
            write()
            return

        def others() -> None:
            self.blake3.update(data)
            write()

        feed_beside(self.md5, data, others)

    def feed(self, content: Staged, start: int, stop: int) -> int:
        """Take bytes that lie there, from `start` up to `stop`, the next being read while these are digested; how many there were."""
        at = start
        data = content.read_at(at, min(CHUNK, stop - at)) if at < stop else b""
        while data:
            at += len(data)
            following = [b""]

            def read(at: int = at, following: list[bytes] = following) -> None:
                if at < stop:
                    following[0] = content.read_at(at, min(CHUNK, stop - at))

            self.update_beside(memoryview(data), read)
            data = following[0]
        return at - start


class Arriving:
    """An upload's bytes as this process knows them; rows hold what survives it.

    Several blocks may arrive at once; of those who append only the last who began. The digest of the whole is computed on the
    way as long as bytes come in order, what is left of it at the end, or now and then by `catch_up`.
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
        self.cuts = 0
        self._digests: Digests | None = Digests() if not received else None
        self._hashed = 0
        self._hashing = False
        self._with_md5 = False
        self._writing: list[tuple[int, int]] = []
        self._quiet = threading.Condition(self.lock)

    def write(self, at: int, data: memoryview) -> None:
        """Put bytes at an offset; those that are there already are left as they are (the same bytes sent again)."""
        stop = at + len(data)
        with self.lock:
            there = spans.covered(self.received, at)
            if there >= stop:
                return
            at, data = there, data[there - at :]
            if at < self._hashed:
                self._digests = None
            digests = self._digests
            in_order = at == self._hashed and not self._hashing and not self._is_written(at, stop)
            if digests is not None and in_order:
                self._hashing, self._hashed = True, stop
            else:
                digests = None
            # Alone and in order: what is digested on its way nobody reads again.
            passing = digests is not None and not self._writing and at >= KEPT_AT_HAND
            self._writing.append((at, stop))
        try:
            if digests is None:
                self.staged.write_at(at, data)
            else:
                digests.update_beside(data, lambda: self.staged.write_at(at, data, passing=passing))
        finally:
            self._written(at, stop, digests is not None)

    def _written(self, at: int, stop: int, hashed: bool) -> None:
        with self.lock:
            self._writing.remove((at, stop))
            if hashed:
                self._hashing = False
            self._quiet.notify_all()

    def _is_written(self, at: int, stop: int) -> bool:
        """Whether somebody else is writing there right now: nobody knows whose bytes are there in the end."""
        return any(first < stop and at < last for first, last in self._writing)

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
                self._digests = None
            if not start and stop == self.size and not self._writing and not self._hashing:
                self._begin_anew()

    def doubt(self) -> None:
        """The disk failed: only what it had flushed counts."""
        with self.lock:
            self.received = self.durable
            self._digests = None

    def cut(self, at: int) -> None:
        """Forget everything from an offset on."""
        self.cuts += 1
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

    def want_md5(self) -> None:
        """Compute the MD5 as well from now on, also of what is there already."""
        with self.lock:
            if not self._with_md5:
                self._with_md5 = True
                while self._hashing:
                    self._quiet.wait()
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._digests, self._hashed = Digests(self._with_md5), 0

    def catch_up(self, most: int) -> None:
        """Digest up to `most` bytes that are there, in order, and were not digested as they came; nothing while another does."""
        with self.lock:
            digests, start = self._digests, self._hashed
            stop = min(spans.prefix(self.received), start + most, *(first for first, _ in self._writing))
            if digests is None or self._hashing or stop <= start:
                return
            # Whoever writes below `stop` from now on makes all of it count for nothing.
            self._hashing, self._hashed = True, stop
        done = 0
        try:
            done = digests.feed(self.staged, start, stop)
        finally:
            with self.lock:
                self._hashing = False
                if done != stop - start:
                    self._digests = None
                self._quiet.notify_all()

    def digest(self) -> bytes:
        """BLAKE3 of the whole, once everything is there."""
        return self.digests()[0]

    def digests(self) -> tuple[bytes, bytes | None]:
        """BLAKE3 of the whole, once everything is there, and its MD5 where that is wanted."""
        with self.lock:
            # Whoever was writing when the last bytes came writes no more than the piece he is at.
            while self._writing or self._hashing:
                self._quiet.wait()
            digests, self._digests = self._digests, None
        if digests is None:
            digests = Digests(self._with_md5)
            self._hashed = 0
        digests.feed(self.staged, self._hashed, self.size)
        return digests.blake3.digest(), None if digests.md5 is None else digests.md5.digest()


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
