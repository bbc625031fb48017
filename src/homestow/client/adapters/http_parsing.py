"""The head of an HTTP/1.1 answer, read strictly: what two readers could take differently is refused (RFC 9112)."""

import re
from typing import NamedTuple

from homestow.values.errors import NotHomestow

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBER = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_MAX_HEADERS = 128


class Head(NamedTuple):
    """Status, headers by lower-case name (repeated ones joined by ", "), and whether the connection stays open."""

    status: int
    headers: dict[str, str]
    keep_alive: bool


class Framing(NamedTuple):
    """How a body ends: chunked (True), by `length` (False), or with the connection (None)."""

    chunked: bool | None
    length: int | None


def _malformed() -> NotHomestow:
    return NotHomestow("The server's answer is not well-formed HTTP. Is this the address of a Homestow server?")


def parse_head(data: bytes) -> Head:
    """Read a head without the empty line that ends it.

    Raises:
        NotHomestow: not HTTP/1.0 or 1.1, or ambiguous.
    """
    first, *lines = data.decode("latin-1").split("\r\n")
    status = _STATUS.fullmatch(first)
    if status is None or len(lines) > _MAX_HEADERS:
        raise _malformed()
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _NAME.fullmatch(name) is None or any(c in value for c in "\r\n\0"):
            raise _malformed()
        name, value = name.lower(), value.strip(" \t")
        if name in headers:
            if name in ("content-length", "transfer-encoding", "content-type", "etag", "homestow-epoch"):
                raise _malformed()
            value = f"{headers[name]}, {value}"
        headers[name] = value
    tokens = {token.strip().lower() for token in headers.get("connection", "").split(",")}
    keep = "close" not in tokens and (status[1] == "1" or "keep-alive" in tokens)
    return Head(int(status[2]), headers, keep)


def framing_of(method: str, head: Head) -> Framing:
    """How the body of this answer to `method` ends (RFC 9112, section 6.3).

    Raises:
        NotHomestow: two lengths, or an encoding that is not plain chunks.
    """
    coding = head.headers.get("transfer-encoding")
    length = head.headers.get("content-length")
    if coding is not None and (length is not None or coding.lower() != "chunked"):
        raise _malformed()
    if length is not None and _NUMBER.fullmatch(length) is None:
        raise _malformed()
    if method == "HEAD" or head.status in (204, 304):
        return Framing(False, 0)
    if coding is not None:
        return Framing(True, None)
    if length is not None:
        return Framing(False, int(length))
    return Framing(None, None)


def parse_chunk_size(line: bytes) -> int:
    """Length of the chunk that this line begins, 0 for the last.

    Raises:
        NotHomestow: not a chunk line.
    """
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise _malformed()
    return int(found[1], 16)
