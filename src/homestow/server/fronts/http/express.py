"""The express lane: a plain GET for a small file, all in one segment, answered without the long way through the parser.

Reading a request, making its objects and writing an answer by the ordinary way costs several times what the answer itself
does. Most requests a gallery or a sync of small files makes are of one simple form; those are recognised here by one strict
pattern. Whatever is not exactly of that form goes the ordinary way, which decides what it means: this file refuses nothing and
reads no body, so there is nothing in which the two could differ to somebody's use (S18).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Final

MAX_HEAD: Final = 2048

_HEAD: Final = re.compile(
    rb"GET (/[A-Za-z0-9/_-]{1,200}(?:\.icc)?)(?:\?([A-Za-z0-9=&_-]{1,100}))? HTTP/1\.1\r\n((?:[A-Za-z-]{1,40}: ?[\x21-\x7e](?:[\x20-\x7e]{0,500}[\x21-\x7e])?\r\n){1,12})\r\n"
)
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


@dataclass(frozen=True, slots=True)
class Plain:
    """A recognised request: its path, its headers by lower-case name, each once, and its query, in which nothing is escaped."""

    path: bytes
    headers: dict[bytes, bytes]
    query: bytes = b""


Express = Callable[[Plain, bool], bytes | None]
"""The whole answer to a request (over TLS or not), see `answer`; None sends it the ordinary way. Must not wait."""


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
    headers: dict[bytes, bytes] = {}
    for line in found[3][:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in _KNOWN or name in headers:
            return None
        headers[name] = value.strip(b" ")
    return Plain(found[1], headers, found[2] or b"") if b"host" in headers else None


def answer(fields: str, body: bytes, now_s: int, secure: bool) -> bytes:
    """A 200 answer as it goes over the wire.

    Args:
        fields: header lines of the content, each ended by CR LF; Latin-1.
        now_s: for `Date`, seconds since 1970.
        secure: over TLS.
    """
    return b"".join((b"HTTP/1.1 200 OK\r\n", fields.encode("latin-1"), _common(now_s, secure), body))


@lru_cache(maxsize=8)
def _common(now_s: int, secure: bool) -> bytes:
    lines = f"Date: {formatdate(now_s, usegmt=True)}\r\nServer: homestow\r\nX-Content-Type-Options: nosniff\r\n"
    lines += "Referrer-Policy: no-referrer\r\n"
    if secure:
        lines += "Strict-Transport-Security: max-age=31536000\r\n"
    return (lines + "\r\n").encode()
