"""PiCloud as bytes: length-prefixed frames, what their payloads mean, and long ones read without being held.

A frame is 4 bytes, big-endian, with the number of payload bytes, then the payload. Inside, ten colons part a file into content, name
and extension, and the request for one into name and extension; the rest are a few words and free text. Payloads are parted from the
right, since content may hold the delimiter and a name of ours may not.

Source: the documentation of the project, and for framing and exact texts the behaviour of its programs of November 2015
(`docs/protocols/picloud.md`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from homestow.wire.fed import END as END
from homestow.wire.fed import Data as Data
from homestow.wire.fed import End as End
from homestow.wire.fed import Fed

DELIMITER: Final = b"::::::::::"
"""Ten colons ("the primary delimiter for files")."""
HEAD_BYTES: Final = 4
MAX_PAYLOAD: Final = (1 << 32) - 1
"""Bytes that the length of a frame can say."""
MAX_HELD: Final = 1024 * 1024
"""Payloads up to this are given whole, longer ones as a stream (S71)."""
MAX_NAME: Final = 4096
"""Bytes of a name, folders included."""
MAX_EXT: Final = 255
"""Bytes of an extension."""
MAX_TAIL: Final = 2 * len(DELIMITER) + MAX_NAME + MAX_EXT
"""Bytes at the end of a file's payload that may be something else than content."""
OLD_PEER_MOST: Final = 4 * 1024 * 1024
"""The programs of 2015 cannot receive payloads beyond this."""
OLD_SLICE: Final = 1_048_575
"""The programs of 2015 send slices of so many bytes, the first one with the head, and stop up to 4 bytes early."""
DEFAULT_PORT: Final = 46000

RECEIVED: Final = b"FileReceived"
FAILED: Final = b"FileError"
QUESTION: Final = b"InputRequest:"
REGISTERED: Final = b"[+]  Registration attempt successful"
NOT_REGISTERED: Final = b"[-]  Registration attempt failed"
LOGGED_IN: Final = b"[+]  Login attempt successful"
NOT_LOGGED_IN: Final = b"[-]  Login attempt failed"
LOGIN_QUESTION: Final = (
    b"InputRequest:Incorrect username or password.\n[1] Exit\n[2] Register an account under this name and password\n"
)
ANSWER_EXIT: Final = b"1"
ANSWER_REGISTER: Final = b"2"
ACCOUNT_EXT: Final = "id"
"""Extension of account messages: the name is the user, the content the password."""
CERT_EXT: Final = "cert"
"""Extension of files that are accepted and dropped."""
KEY_EXT: Final = "public"
"""Extension by which the later, encrypted variant offers its key (64 hexadecimal digits, no name)."""


class Reason(Enum):
    """What is wrong with a frame or payload."""

    TOO_LONG = "too long"
    NAME_TOO_LONG = "the name is too long"
    NO_NAME = "the name is empty"
    BAD_TEXT = "the name is not UTF-8"


class FrameError(Exception):
    """Only closing the connection helps."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


# --- frames -------------------------------------------------------------------------------------------------------------


def frame(payload: bytes) -> bytes:
    """One message on the wire.

    Raises:
        ValueError: empty (no program of 2015 sends such a frame) or more than 4 GiB - 1.
    """
    return frame_head(len(payload)) + payload


def frame_head(length: int) -> bytes:
    """The 4 bytes before a payload of `length` bytes, which follow by themselves.

    Raises:
        ValueError: as `frame`.
    """
    if not 0 < length <= MAX_PAYLOAD:
        raise ValueError(f"a frame of {length} bytes")
    return length.to_bytes(HEAD_BYTES, "big")


def lost_at_end(length: int) -> int:
    """How many bytes the programs of 2015 never send of a payload of `length` bytes: 0 to 4, since they count the head as payload."""
    short = -(-length // OLD_SLICE) * OLD_SLICE - length
    return HEAD_BYTES - short if short < HEAD_BYTES and length else 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A payload as a whole; empty when the length was 0."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Begun:
    """A payload of `length` bytes begins, too long to be held: `Data` and then `End` come next."""

    length: int


class Frames(Fed):
    """Reads the frames of one connection, in any cuts; the same for both ends.

    `feed` what came, then call `next` until it gives None, then feed more. The rest of a long payload may be taken past the reader: when
    `buffered` is 0, up to `body_left` bytes may be read elsewhere, and `passed` says how many.
    """

    def __init__(self, hold: int = MAX_HELD, most: int = MAX_PAYLOAD) -> None:
        """Args:
        hold: payloads up to so many bytes are given whole.
        most: longer payloads are an error.
        """
        super().__init__("payload")
        self._hold = hold
        self._most = most
        self._length = -1

    @property
    def missing(self) -> int:
        """Bytes still to come of the payload that has begun, long or not; 0 between frames and inside of a head."""
        if self._open:
            return self._left - (len(self._buffer) - self._at)
        return self._length - self.buffered if self._length >= 0 else 0

    @property
    def begun(self) -> bool:
        """Whether a frame has begun whose end was not given out."""
        return self._open or self._length >= 0 or self.buffered > 0

    def next(self) -> Frame | Begun | Data | End | None:
        """The next event, None when more bytes are needed.

        Raises:
            FrameError: more than the bytes allowed; every later call raises it again.
        """
        if self._broken is not None:
            raise self._broken
        if self._open:
            return self._body()
        if self._length < 0:
            head = self._take(HEAD_BYTES)
            if head is None:
                return None
            self._length = int.from_bytes(head, "big")
            if self._length > self._most:
                self._broken = FrameError(
                    Reason.TOO_LONG, f"a frame of {self._length} bytes where {self._most} are taken"
                )
                raise self._broken
            if self._length > self._hold:
                self._left, self._length = self._length, -1
                self._open = True
                return Begun(self._left)
        payload = self._take(self._length)
        if payload is None:
            return None
        self._length = -1
        return Frame(payload)

    def _body(self) -> Data | End | None:
        if self._left:
            return self._piece()
        self._open = False
        return END

    def _take(self, count: int) -> bytes | None:
        """Exactly `count` bytes, None when they are not all here (then what is here is kept aside)."""
        start = self._at
        stop = start + count - len(self._held)
        if stop > len(self._buffer):
            self._held += memoryview(self._buffer)[start:]
            self._at = len(self._buffer)
            return None
        self._at = stop
        if not self._held:
            return self._buffer[start:stop]
        self._held += memoryview(self._buffer)[start:stop]
        whole = bytes(self._held)
        self._held = bytearray()
        return whole


# --- payloads -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """A file that is sent; by its extension perhaps an account, a certificate or a key."""

    content: bytes
    name: str
    ext: str

    @property
    def is_account(self) -> bool:
        """Whether it registers or logs in: `name` is the user, `content` the password."""
        return self.ext == ACCOUNT_EXT

    @property
    def is_key(self) -> bool:
        """Whether the peer speaks the later, encrypted variant, which we do not."""
        return self.ext == KEY_EXT and not self.name and len(self.content) == 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file is asked for."""

    name: str
    ext: str


@dataclass(frozen=True, slots=True)
class Received:
    """`FileReceived`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """`FileError`."""


@dataclass(frozen=True, slots=True)
class Question:
    """`InputRequest:`; `text` is all that stands behind it."""

    text: str

    @property
    def prompt(self) -> str:
        """What the programs of 2015 show: up to the next colon."""
        return self.text.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Text:
    """Anything else: words for the log, or the answer to a question. Bytes that are no UTF-8 are replaced."""

    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A file or request whose name is none."""

    reason: Reason


Payload = File | Wanted | Received | Failed | Question | Text | Broken


def classify(payload: bytes) -> Payload:
    """What a payload means. Three parts are a file, two a request; parted from the right.

    A name may be empty where there is an extension: that is what becomes of ".profile", and of the key of the encrypted variant.
    """
    if payload == RECEIVED:
        return Received()
    if payload == FAILED:
        return Failed()
    parts = payload.rsplit(DELIMITER, 2)
    if len(parts) == 1:
        if payload.startswith(QUESTION):
            return Question(payload[len(QUESTION) :].decode("utf-8", "replace"))
        return Text(payload.decode("utf-8", "replace"))
    named = _named(parts[-2], parts[-1])
    if isinstance(named, Broken):
        return named
    return Wanted(*named) if len(parts) == 2 else File(parts[0], *named)


def _named(name: bytes, ext: bytes) -> tuple[str, str] | Broken:
    if len(name) > MAX_NAME or len(ext) > MAX_EXT:
        return Broken(Reason.NAME_TOO_LONG)
    if not name and not ext:
        return Broken(Reason.NO_NAME)
    try:
        return name.decode("utf-8"), ext.decode("utf-8")
    except UnicodeDecodeError:
        return Broken(Reason.BAD_TEXT)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the payload of a streamed file ends: `rest` is the last content, then its name."""

    rest: bytes
    name: str
    ext: str


class Tail:
    """Parts a file's payload from the right while it passes: gives content as soon as it is certain, and the name at the end.

    Args:
        length: of the whole payload. Where it is known, all before the last `MAX_TAIL` bytes is given just as it comes.
    """

    def __init__(self, length: int = 0) -> None:
        self._held = b""
        self._sure = max(0, length - MAX_TAIL)

    def feed(self, data: bytes | memoryview) -> tuple[bytes | memoryview, ...]:
        """The next bytes of the payload: what of them (and of those before) is content for certain, in order, nothing empty.

        What is given may be a view of `data`; no more than the last 4.4 KB are copied.
        """
        size = len(data)
        if self._sure:
            middle = data[: self._sure]
            self._sure -= len(middle)
            if not self._sure:
                self._held = bytes(data[len(middle) :])
            return (middle,) if size else ()
        if size >= MAX_TAIL:
            before, self._held = self._held, bytes(data[size - MAX_TAIL :])
            return tuple(each for each in (before, data[: size - MAX_TAIL]) if len(each))
        together = self._held + data
        sure = len(together) - MAX_TAIL
        if sure <= 0:
            self._held = together
            return ()
        self._held = together[sure:]
        return (together[:sure],)

    def finish(self) -> Ending | Broken:
        """The payload is complete: the last content and the name, or why it is no file."""
        parts = self._held.rsplit(DELIMITER, 2)
        if len(parts) < 3:
            return Broken(Reason.NAME_TOO_LONG)
        named = _named(parts[1], parts[2])
        return named if isinstance(named, Broken) else Ending(parts[0], *named)


# --- writing ------------------------------------------------------------------------------------------------------------


def split_name(filename: str) -> tuple[str, str]:
    """Name and extension as the protocol has them: before the first dot, and from there to the second; the rest is lost.

    Raises:
        ValueError: no dot.
    """
    parts = filename.split(".")
    if len(parts) < 2:
        raise ValueError(f"{filename} has no extension")
    return parts[0], parts[1]


def file_ending(name: str, ext: str) -> bytes:
    """What stands behind the content of a file.

    Raises:
        ValueError: a name that cannot be told from the delimiter around it, is empty or too long.
    """
    words = _words(name, ext)
    return DELIMITER + words


def file_payload(content: bytes, name: str, ext: str) -> bytes:
    """Payload that sends a file.

    Raises:
        ValueError: as `file_ending`.
    """
    return content + file_ending(name, ext)


def wanted_payload(name: str, ext: str) -> bytes:
    """Payload that asks for a file.

    Raises:
        ValueError: as `file_ending`.
    """
    return _words(name, ext)


def question_payload(text: str) -> bytes:
    """Payload that asks the person at the other end; a colon ends what old peers show of it."""
    return QUESTION + text.encode()


def _words(name: str, ext: str) -> bytes:
    words = name.encode() + DELIMITER + ext.encode()
    if not (name or ext) or len(name.encode()) > MAX_NAME or len(ext.encode()) > MAX_EXT:
        raise ValueError(f"{name!r} is no name for a file here")
    if name.startswith(":") or (b"content" + DELIMITER + words).rsplit(DELIMITER, 2) != [
        b"content",
        name.encode(),
        ext.encode(),
    ]:
        raise ValueError(f"{name!r} holds the delimiter")
    return words
