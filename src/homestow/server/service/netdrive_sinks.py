"""What netdrive's front feeds with bytes: a run of an upload's bytes, a whole file, or bytes that are there already."""

from collections.abc import Callable

from homestow.server.service.netdrive_facts import BLOCK, ChunkSink
from homestow.server.service.receiving import Arriving
from homestow.values.errors import CloudError, DigestMismatch, Incomplete, WrongOffset
from homestow.values.faults import faultpoint


class Block:
    """Takes bytes of an upload from an offset on, as many as were announced. What came counts now and then, at the end, and when
    it broke off; bytes that are there already are passed over.

    Args:
        counted: remembers what arrived.
        complete: puts the file into its place when all of it is there; whether it was.
        done: lets go of the upload.
    """

    def __init__(
        self, arriving: Arriving, offset: int, size: int, counted: Callable[[], None], complete: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:  # fmt: skip
        self._arriving = arriving
        self._start = self._counted_to = self._at = offset
        self._stop = offset + size
        self._cuts = arriving.cuts
        self._counted = counted
        self._complete = complete
        self._done: Callable[[], None] | None = done

    def write(self, data: memoryview) -> None:
        """The next piece."""
        piece = memoryview(data)
        stop = self._at + len(piece)
        if stop > self._stop:
            self.abort()
            raise WrongOffset("More bytes came than were announced.", expected=self._stop)
        try:
            self._arriving.write(self._at, piece)
        except CloudError:
            self.abort()
            raise
        self._at = stop
        if self._at - self._counted_to >= BLOCK and self._at < self._stop:
            self._count()

    def finish(self) -> bool:
        """All bytes came; whether the file is complete now."""
        missing = self._stop - self._at
        if missing:
            self.abort()
            raise Incomplete(f"{missing} bytes are missing.", missing=missing)
        try:
            self._count()
        finally:
            self._end()
        return self._complete()

    def abort(self) -> None:
        """The sender broke off: what came counts."""
        if self._done is not None:
            try:
                if self._at > self._counted_to and self._cuts == self._arriving.cuts:
                    self._count()
            finally:
                self._end()

    def _count(self) -> None:
        if self._cuts != self._arriving.cuts:
            raise DigestMismatch("The file that arrived is not the announced one; send it again.")
        self._arriving.got(self._start, self._at)
        self._counted_to = self._at
        faultpoint("upload.block_received")
        self._counted()

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()


class Whole:
    """Takes all bytes of a file.

    Args:
        file: the id of the file once it is complete.
        broke_off: called when it broke off.
    """

    def __init__(self, block: ChunkSink, file: Callable[[], int], broke_off: Callable[[], None]) -> None:
        self._block = block
        self._file = file
        self._broke_off: Callable[[], None] | None = broke_off

    def write(self, data: memoryview) -> None:
        """The next piece."""
        self._block.write(data)

    def finish(self) -> int:
        """The file is in its place; its id."""
        self._block.finish()
        found = self._file()
        self._broke_off = None
        return found

    def abort(self) -> None:
        """The sender broke off."""
        self._block.abort()
        broke_off, self._broke_off = self._broke_off, None
        if broke_off is not None:
            broke_off()


class Discarded:
    """Takes bytes of a file that is there already, and keeps none."""

    def __init__(self, vfile: int, size: int) -> None:
        self._vfile = vfile
        self._left = size

    def write(self, data: memoryview) -> None:
        """The next piece."""
        self._left -= len(data)
        if self._left < 0:
            raise WrongOffset("More bytes came than were announced.", expected=0)

    def finish(self) -> int:
        """The file's id."""
        if self._left:
            raise Incomplete(f"{self._left} bytes are missing.", missing=self._left)
        return self._vfile

    def abort(self) -> None:
        """Nothing is to be undone."""
