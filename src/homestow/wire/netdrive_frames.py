"""What netdrive readers of both directions share: events, errors, and bytes kept until a message is complete."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from homestow.wire.fed import END, Data, End, Fed
from homestow.wire.netdrive_messages import Dialect

MAX_TYPE: Final = 19
"""Characters of the type line, its LF not counted (source of the final dialect)."""

_BLANKS: Final = b"\0\t\n\r "


class Framing(Enum):
    """How the messages of a connection are told apart."""

    BRACES = auto()
    LINES = auto()


def framing_of(first: bytes) -> Framing | None:
    """How a connection that begins so speaks: by its first byte; None when no byte is there yet or it is none of ours."""
    if not first:
        return None
    letter = first[:1]
    if letter.isalpha():
        return Framing.LINES
    return Framing.BRACES if letter == b"{" or letter in _BLANKS else None


class Reason(Enum):
    """What is wrong with a message."""

    NOT_OURS = "not netdrive"
    TOO_LONG = "too long"
    BAD_JSON = "not readable"
    UNKNOWN_TYPE = "unknown type"
    BAD_FIELD = "a key is missing or of the wrong type"
    NO_LENGTH = "how many bytes follow is not clear"
    NO_NUL = "no NUL behind the bytes of a body"
    OUT_OF_ORDER = "an answer to nothing that was asked"


class FrameError(Exception):
    """Where the next message begins cannot be known, or the dialect wants the connection closed.

    Attributes:
        reason: what is wrong.
        dialect: as far as it is known; phase 0 and the documented list count as DOCUMENTED until the type is read.
        type: of the message, None when it was not read.
        message: words for the peer, where a dialect has a reply.
    """

    def __init__(self, reason: Reason, message: str, dialect: Dialect | None = None, type: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.dialect = dialect
        self.type = type


@dataclass(frozen=True, slots=True)
class Message:
    """What requests and answers have in common: one object and perhaps bytes.

    Attributes:
        type: of the request; an answer bears the one of its request, without the ending "Res".
        fields: all keys as they came, `type` left out. Those of the table of its type have the type of JSON it says and,
            where `trouble` is None, its range; optional ones that were left out (or null) are missing here.
        body: how many bytes follow; None when this message has no body. With a body, even of 0 bytes, `Data` and then `End` come next.
        dialect: how it was said.
    """

    type: str
    fields: dict[str, Any]
    body: int | None
    dialect: Dialect

    def text(self, name: str, default: str = "") -> str:
        """A field of kind TEXT or MD5; `default` when it was left out."""
        found = self.fields.get(name, default)
        return found if isinstance(found, str) else default

    def integer(self, name: str, default: int = 0) -> int:
        """A field of kind INTEGER or SECONDS; `default` when it was left out."""
        found = self.fields.get(name, default)
        return found if isinstance(found, int) else default

    def maybe_integer(self, name: str) -> int | None:
        """A field of kind INTEGER or SECONDS; None when it was left out."""
        found = self.fields.get(name)
        return found if isinstance(found, int) else None

    def maybe_text(self, name: str) -> str | None:
        """A field of kind TEXT or MD5; None when it was left out."""
        found = self.fields.get(name)
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Request(Message):
    """A request. In the documented dialect a missing `session` reads as "".

    Attributes:
        trouble: None, or what is out of range (documented: also missing or of the wrong type). It is to be answered with error 1, after
            errors 2 and 3, and its body dropped. A field that has trouble is not to be used.
    """

    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Answer(Message):
    """An answer."""

    @property
    def error(self) -> int:
        """Number of the outcome, 0 when the answer has none (phase 0)."""
        return self.integer("error")

    @property
    def message(self) -> str:
        """Words of the server, "" when there are none."""
        return self.text("msg")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is not understood, while the next one is found all the same.

    Final dialect: readable by nobody, no reply expected, may be ignored. Documented: the object is sound, its type is unknown;
    phase 0 ignored such, else it deserves error 1.
    """

    dialect: Dialect
    type: str
    reason: Reason
    message: str


class Reader(Fed):
    """Bytes in, messages out: what both directions have in common.

    The closing NUL of the final dialect belongs to no body: `body_left` does not count it, and `End` comes when it was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tail = False

    def take_body(self) -> memoryview | None:
        """The whole rest of the body when all of it was fed, its closing NUL as well: takes the place of `Data` and `End`.

        None when something is missing, or no body is open; then `next` goes on as ever. Valid until the reader is fed again.
        Raises:
            FrameError: another byte than NUL behind the body.
        """
        start = self._at
        stop = start + self._left
        if not self._open or stop + self._tail > len(self._buffer):
            return None
        self._at = stop
        self._left = 0
        self._close()
        return memoryview(self._buffer)[start:stop]

    def _body(self) -> Data | End | None:
        """The next event while a body is open."""
        if self._left:
            return self._piece()
        if self._tail and self._at == len(self._buffer):
            return None
        self._close()
        return END

    def _close(self) -> None:
        if self._tail:
            if self._buffer[self._at] != 0:
                raise self._fail(Reason.NO_NUL, Reason.NO_NUL.value, Dialect.FINAL)
            self._at += 1
        self._open = False

    def _begin(self, length: int | None, *, tail: bool) -> None:
        if length is not None:
            self._left = length
            self._tail = tail
            self._open = True

    def _fail(
        self, reason: Reason, message: str, dialect: Dialect | None = None, type: str | None = None
    ) -> FrameError:
        """What to raise, now and whenever the reader is asked again."""
        broken = self._broken = FrameError(reason, message, dialect, type)
        self._buffer = b""
        self._at = 0
        self._held = bytearray()
        return broken

    def _skip_blanks(self) -> bool:
        """Go to the next byte that is neither NUL nor white space; whether there is one."""
        buffer, at = self._buffer, self._at
        size = len(buffer)
        while at < size and buffer[at] in _BLANKS:
            at += 1
        self._at = at
        return at < size

    def _until_nul(self, most: int, dialect: Dialect) -> bytes | bytearray | None:
        """All bytes up to the next NUL, which is taken as well; None when it is not there yet."""
        buffer, at = self._buffer, self._at
        stop = buffer.find(0, at)
        end = stop if stop >= 0 else len(buffer)
        if len(self._held) + end - at > most:
            raise self._fail(Reason.TOO_LONG, f"the head of a message has more than {most} bytes", dialect)
        if stop < 0:
            self._held += buffer if at == 0 else memoryview(buffer)[at:]
            self._at = end
            return None
        self._at = stop + 1
        if not self._held:
            return buffer[at:stop]
        head = self._held
        head += memoryview(buffer)[at:stop]
        self._held = bytearray()
        return head

    def _line(self, head: bytes | bytearray) -> tuple[str, int]:
        """The type line of a head of the final dialect, and where its JSON begins."""
        line = head.find(b"\n", 0, MAX_TYPE + 1)
        if line < 0:
            raise self._fail(
                Reason.UNKNOWN_TYPE, f"the type is not a line of at most {MAX_TYPE} characters", Dialect.FINAL
            )
        return head[:line].decode("latin-1"), line + 1
