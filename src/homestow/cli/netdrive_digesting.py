"""MD5 of a file while it arrives: what has come from its start on is read behind those who write it."""

import hashlib
import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final

_PIECE: Final = 1024 * 1024


class Following:
    """Digests an open file of `size` bytes in a thread of its own, as far as parts without a gap before them are there.

    Use it as a context: the thread ends with it.
    """

    def __init__(self, fd: int, size: int, have: Mapping[int, int]) -> None:
        """`have`: the parts that are there already, offset and size."""
        self._fd, self._size = fd, size
        self._parts = dict(have)
        self._ready = 0
        self._changed = threading.Condition()
        self._ended = False
        self._digest = hashlib.md5(usedforsecurity=False)
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._follow, name="digest")

    def __enter__(self) -> "Following":
        self._thread.start()
        self._advance()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def came(self, offset: int, size: int) -> None:
        """A part is written; from any thread."""
        with self._changed:
            self._parts[offset] = size
        self._advance()

    def md5(self) -> str:
        """Of the whole file, in hexadecimal, when all parts came; waits for it. Else of as much as there is.

        Raises:
            OSError: it could not be read.
        """
        with self._changed:
            self._ended = self._ready < self._size
            self._changed.notify()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._digest.hexdigest()

    def _advance(self) -> None:
        with self._changed:
            while (size := self._parts.pop(self._ready, 0)) > 0:
                self._ready += size
            self._changed.notify()

    def _follow(self) -> None:
        at = 0
        try:
            while at < self._size:
                with self._changed:
                    while self._ready <= at and not self._ended:
                        self._changed.wait()
                    if self._ended:
                        return
                    stop = self._ready
                while at < stop:
                    piece = os.pread(self._fd, min(_PIECE, stop - at), at)
                    if not piece:
                        return  # it was cut: its digest will be another one
                    self._digest.update(piece)
                    at += len(piece)
        except OSError as error:
            self._failure = error
