"""Bodies of the type `multipart/form-data` as a stream: bytes in, heads and pieces of parts out, nothing kept but a few lines.

Source: RFC 7578 and RFC 2046, section 5.1. Stricter than most: lines end with CR LF, heads are short, a transfer encoding that
would change bytes is refused (storing its text as content would be worse), and every number has a limit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MAX_HEAD_BYTES: Final = 8192
MAX_HEAD_LINES: Final = 16
MAX_PARTS: Final = 64
MAX_AROUND_BYTES: Final = 64 * 1024
"""What may stand before the first part and after the last one."""

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_HEADER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}):([^\x00\r\n]*)")
_PARAM: Final = re.compile(rf';[ \t]*({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\\r\n]|\\.)*)"|({_WORD}))[ \t]*')
_PLAIN_ENCODINGS: Final = frozenset({"binary", "8bit", "7bit"})


class MultipartBroken(Exception):
    """The body is not what its type says, or goes over a limit; the message says where."""


@dataclass(frozen=True, slots=True)
class Head:
    """A part begins. `name` and `filename` are the attributes of its disposition, None where they are missing."""

    name: str | None
    filename: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the part that began last, at least one; valid until the next step of the iteration."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class End:
    """The part that began last is complete."""


Event = Head | Piece | End


class _At(Enum):
    BEFORE = auto()
    DELIMITER = auto()
    HEAD = auto()
    BEGIN = auto()
    CONTENT = auto()
    AFTER = auto()


class MultipartReader:
    """Reads one body. `feed` what comes in, in any cuts; `close` when nothing more comes.

    What may be the beginning of a delimiter is held back until that is clear, so a piece is content for certain: whoever
    stops in the middle has stored nothing that does not belong to the part.
    """

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._at = _At.BEFORE
        # A delimiter at the very beginning of the body has no line end before it.
        self._held = b"\r\n"
        self._around = 0
        self._parts = 0

    @property
    def complete(self) -> bool:
        """Whether the closing delimiter was read."""
        return self._at is _At.AFTER

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """What the next bytes bring. The iteration must be taken to its end before the next call.

        Raises:
            MultipartBroken: see there; nothing can be read from then on.
        """
        buffer = b"".join((self._held, data))
        self._held = b""
        view = memoryview(buffer)
        at = 0
        while at < len(buffer):
            match self._at:
                case _At.BEFORE:
                    at = self._skip(buffer, at)
                case _At.CONTENT:
                    found = buffer.find(self._delimiter, at)
                    stop = self._sure(buffer, at) if found < 0 else found
                    if stop > at:
                        yield Piece(view[at:stop])
                    if found < 0:
                        self._held = buffer[stop:]
                        return
                    yield End()
                    self._at = _At.DELIMITER
                    at = found + len(self._delimiter)
                case _At.DELIMITER:
                    following = self._after_delimiter(buffer, at)
                    if following is None:
                        return
                    at = following
                case _At.HEAD:
                    head = self._head(buffer, at)
                    if head is None:
                        return
                    self._at = _At.BEGIN
                    at, begun = head
                    yield begun
                case _At.BEGIN:
                    # The empty line that ends a head may already be the one a delimiter begins with.
                    if buffer.startswith(self._delimiter, at):
                        self._at = _At.CONTENT
                    elif self._delimiter.startswith(buffer[at:]):
                        self._held = buffer[at:]
                        return
                    else:
                        self._at = _At.CONTENT
                        at += 2
                case _At.AFTER:
                    self._count(len(buffer) - at)
                    return

    def close(self) -> None:
        """The body is over.

        Raises:
            MultipartBroken: its end is missing.
        """
        if self._at is not _At.AFTER:
            raise MultipartBroken("the body ended before its closing boundary")

    def _skip(self, buffer: bytes, at: int) -> int:
        found = buffer.find(self._delimiter, at)
        stop = self._sure(buffer, at) if found < 0 else found
        self._count(stop - at)
        if found < 0:
            self._held = buffer[stop:]
            return len(buffer)
        self._at = _At.DELIMITER
        return found + len(self._delimiter)

    def _count(self, size: int) -> None:
        self._around += size
        if self._around > MAX_AROUND_BYTES:
            raise MultipartBroken("there is too much around the parts")

    def _sure(self, buffer: bytes, at: int) -> int:
        """Where the bytes end that cannot belong to a delimiter."""
        last = buffer.rfind(b"\r", max(at, len(buffer) - len(self._delimiter) + 1))
        return last if last >= 0 and self._delimiter.startswith(buffer[last:]) else len(buffer)

    def _after_delimiter(self, buffer: bytes, at: int) -> int | None:
        """Read the rest of a delimiter's line; None when it is not here yet."""
        if buffer.startswith(b"--", at):
            self._at = _At.AFTER
            return at + 2
        end = buffer.find(b"\r\n", at, at + 256)
        if end < 0:
            if len(buffer) - at >= 256:
                raise MultipartBroken("a boundary's line does not end")
            rest = buffer[at:].rstrip(b"\r")
            if rest not in (b"", b"-") and rest.strip(b" \t"):
                raise MultipartBroken("something stands behind a boundary")
            self._held = buffer[at:]
            return None
        if buffer[at:end].strip(b" \t"):
            raise MultipartBroken("something stands behind a boundary")
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartBroken(f"there are more than {MAX_PARTS} parts")
        self._at = _At.HEAD
        return end + 2

    def _head(self, buffer: bytes, at: int) -> tuple[int, Head] | None:
        """Read a part's head and where the empty line behind it begins; None when it is not all here yet."""
        if buffer.startswith(b"\r\n", at):
            return at, Head(None, None)
        end = buffer.find(b"\r\n\r\n", at, at + MAX_HEAD_BYTES)
        if end < 0:
            if len(buffer) - at >= MAX_HEAD_BYTES:
                raise MultipartBroken(f"a part's head has more than {MAX_HEAD_BYTES} bytes")
            self._held = buffer[at:]
            return None
        return end + 2, _read_head(buffer[at:end])


def boundary_of(content_type: str) -> str | None:
    """The boundary that a `Content-Type` header names; None when it is not `multipart/form-data`.

    Raises:
        MultipartBroken: it is, and names no boundary that could be one.
    """
    kind, semicolon, rest = content_type.partition(";")
    if kind.strip(" \t").lower() != "multipart/form-data":
        return None
    boundary = _params(semicolon + rest).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartBroken("the content type names no boundary")
    return boundary


def _read_head(block: bytes) -> Head:
    lines = block.split(b"\r\n")
    if len(lines) > MAX_HEAD_LINES:
        raise MultipartBroken("a part's head has too many lines")
    name = filename = None
    seen: set[str] = set()
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise MultipartBroken("a line of a part's head is no header")
        field, value = found[1].decode("ascii").lower(), found[2].decode("utf-8", "replace").strip(" \t")
        if field in seen and field.startswith("content-"):
            raise MultipartBroken(f"a part has {field} twice")
        seen.add(field)
        if field == "content-disposition":
            _, semicolon, rest = value.partition(";")
            params = _params(semicolon + rest)
            name, filename = params.get("name"), params.get("filename")
        elif field == "content-transfer-encoding" and value.lower() not in _PLAIN_ENCODINGS:
            raise MultipartBroken("a part's content is encoded")
    return Head(name, filename)


def _params(text: str) -> dict[str, str]:
    """Attributes such as `; name="f"; filename=origin`, names in lower case."""
    params: dict[str, str] = {}
    at = 0
    text = text.rstrip("; \t")
    while at < len(text):
        found = _PARAM.match(text, at)
        if found is None:
            raise MultipartBroken("an attribute is malformed")
        name = found[1].lower()
        if name in params:
            raise MultipartBroken(f"the attribute {name[:20]} stands twice")
        params[name] = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        at = found.end()
    return params
