"""The express lane: a plain GET for a small file, or a PUT of one, all in one segment, without the long way through the parser.

Reading a request, making its objects and writing an answer by the ordinary way costs several times what the answer itself
does. Most requests a gallery or a sync of small files makes are of one simple form; those are recognised here by one strict
pattern. Whatever is not exactly of that form goes the ordinary way, which decides what it means: this file refuses nothing,
and reads no body but one of a plainly declared length that ends where the segment does, so there is nothing in which the two
could differ to somebody's use (S18).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Final

MAX_HEAD: Final = 2048
MAX_BODY: Final = 64 * 1024

_FIELDS: Final = rb" HTTP/1\.1\r\n((?:[A-Za-z-]{1,40}: ?[\x21-\x7e](?:[\x20-\x7e]{0,500}[\x21-\x7e])?\r\n){1,12})\r\n"
_HEAD: Final = re.compile(rb"GET (/[A-Za-z0-9/_-]{1,200}(?:\.icc)?)(?:\?([A-Za-z0-9=&_-]{1,100}))?" + _FIELDS)
_PUT_HEAD: Final = re.compile(rb"PUT (/[A-Za-z0-9/_-]{1,200})\?([A-Za-z0-9=&_.~%+-]{1,1000})" + _FIELDS)
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
_KNOWN: Final = frozenset(
    {
        b"host",
        b"authorization",
        b"user-agent",
        b"accept",
        b"accept-language",
        b"accept-encoding",
        b"homestow-epoch",
        b"cookie",
    }
)
"""Headers that do not change what a GET is answered with, or that the one who answers looks at."""
_KNOWN_OF_PUT: Final = _KNOWN | {b"content-length", b"content-type"}


@dataclass(frozen=True, slots=True)
class Plain:
    """A recognised request: its path, its headers by lower-case name, each once, and its query, in which nothing is escaped."""

    path: bytes
    headers: dict[bytes, bytes]
    query: bytes = b""
    body: bytes = b""


Express = Callable[[Plain, bool], bytes | None]
"""The whole answer to a request (over TLS or not), see `answer`; None sends it the ordinary way. Must not wait."""


Later = Callable[[bytes | None], None]
"""Takes the whole answer once it is known; None: the ordinary way is to answer. Called on the loop, once, not before `Taker` returned."""
Taker = Callable[[Plain, bool, Later], bool]
"""Takes a request with a body over to answer it later; False, and nothing was done: it goes the ordinary way. Must not wait."""


def first_of(*lanes: Express) -> Express:
    """The answer of the first that has one."""

    def express(asked: Plain, secure: bool) -> bytes | None:
        for lane in lanes:
            found = lane(asked, secure)
            if found is not None:
                return found
        return None

    return express


def recognise(data: bytes) -> Plain | None:
    """The request that `data` is, when it is one whole request of the simple form; None for everything else.

    A query of plain letters and digits at most; no body, no range, no condition, no connection header, nothing twice, nothing behind it.
    """
    if len(data) > MAX_HEAD or not data.startswith(b"GET /"):
        return None
    found = _HEAD.fullmatch(data)
    if found is None:
        return None
    headers = _fields(found[3], _KNOWN)
    return None if headers is None else Plain(found[1], headers, found[2] or b"")


def recognise_put(data: bytes) -> Plain | None:
    """The PUT that `data` is, when it is one whole request of the simple form with all of its body; None for everything else.

    One length in plain digits, which the bytes behind the head have exactly; no other framing, nothing twice, nothing behind it.
    """
    if not data.startswith(b"PUT /"):
        return None
    found = _PUT_HEAD.match(data, 0, MAX_HEAD)
    if found is None:
        return None
    headers = _fields(found[3], _KNOWN_OF_PUT)
    if headers is None:
        return None
    length = headers.get(b"content-length", b"")
    size = len(data) - found.end()
    if _LENGTH.fullmatch(length) is None or int(length) != size or size > MAX_BODY:
        return None
    return Plain(found[1], headers, found[2], data[found.end() :])


def _fields(lines: bytes, known: frozenset[bytes]) -> dict[bytes, bytes] | None:
    headers: dict[bytes, bytes] = {}
    for line in lines[:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in known or name in headers:
            return None
        headers[name] = value.strip(b" ")
    return headers if b"host" in headers else None


def answer(fields: str, body: bytes, now_s: int, secure: bool, status: bytes = b"200 OK") -> bytes:
    """A good answer as it goes over the wire.

    Args:
        fields: header lines of the content, each ended by CR LF; Latin-1.
        now_s: for `Date`, seconds since 1970.
        secure: over TLS.
    """
    return b"".join((b"HTTP/1.1 ", status, b"\r\n", fields.encode("latin-1"), _common(now_s, secure), body))


@lru_cache(maxsize=8)
def _common(now_s: int, secure: bool) -> bytes:
    lines = f"Date: {formatdate(now_s, usegmt=True)}\r\nServer: homestow\r\nX-Content-Type-Options: nosniff\r\n"
    lines += "Referrer-Policy: no-referrer\r\n"
    if secure:
        lines += "Strict-Transport-Security: max-age=31536000\r\n"
    return (lines + "\r\n").encode()
