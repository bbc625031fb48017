"""What readers of framed protocols have in common: bytes that were fed, and a body that may be taken past the reader."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of the body of the last message, at least one; valid until the reader is fed again."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class End:
    """The body of the last message is complete."""


END: Final = End()


class Fed:
    """Bytes in: `feed` what came, then ask for events until there are none, then feed more.

    A long body may be taken past the reader: when `buffered` is 0 inside of a body, up to `body_left` bytes may be read elsewhere,
    and `passed` says how many.
    """

    def __init__(self, body: str = "body") -> None:
        """`body` is what errors call it."""
        self._called = body
        self._buffer = b""
        self._at = 0
        self._held = bytearray()
        self._left = 0
        self._open = False
        self._broken: Exception | None = None

    @property
    def body_left(self) -> int:
        """Bytes of the present body that were neither given out nor passed."""
        return self._left

    @property
    def in_body(self) -> bool:
        """Whether the `End` of the last message is still to come."""
        return self._open

    @property
    def buffered(self) -> int:
        """Bytes that were fed and not given out."""
        return len(self._held) + len(self._buffer) - self._at

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what came from the peer; bytes are kept as they are, not copied. After an error nothing is kept."""
        if self._broken is not None:
            return
        piece = data if type(data) is bytes else bytes(data)
        if self._at < len(self._buffer):
            piece = self._buffer[self._at :] + piece
        self._buffer = piece
        self._at = 0

    def passed(self, count: int) -> None:
        """`count` bytes of the body were taken past the reader.

        Raises:
            ValueError: more than `body_left`, or bytes that were fed are not yet given out.
        """
        if not 0 <= count <= self._left or self.buffered:
            raise ValueError(f"only the rest of a {self._called} passes, after all that was fed")
        self._left -= count

    def _piece(self) -> Data | None:
        """What is here of the body; None when more bytes are needed, or none are left."""
        start = self._at
        stop = start + min(len(self._buffer) - start, self._left)
        if stop == start:
            return None
        self._at = stop
        self._left -= stop - start
        return Data(memoryview(self._buffer)[start:stop])
