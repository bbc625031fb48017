"""Byte ranges, preconditions and the framing of several ranges: header text in, values out (RFC 9110)."""

import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate, parsedate_tz
from enum import Enum, auto
from functools import lru_cache
from typing import Final

MAX_RANGES: Final = 16
"""More ranges than this in one request are answered with the whole body (S15)."""
_MAX_RANGE_HEADER: Final = 1024
_MAX_DATE_HEADER: Final = 64

_RANGE = re.compile(r"(\d{0,40})-(\d{0,40})", re.ASCII)
_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"')
_ETAG_GAP = re.compile(r"[ \t]*(?:,[ \t,]*|$)")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to, not including, `stop`; 0 <= start < stop."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes, 1 or more."""
        return self.stop - self.start


class RangeNotSatisfiable(Exception):
    """The ranges are well formed, but none of them holds a byte of a body of `size` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"no byte of {size} is asked for")
        self.size = size


def parse_range(header: str, size: int) -> tuple[ByteRange, ...] | None:
    """Read the value of `Range` against a body of `size` bytes; None means send it all.

    Ranges that overlap or touch are merged, then in ascending order; others keep the order asked for, so the sum of
    the lengths never exceeds `size`. Malformed values, other units and more than `MAX_RANGES` ranges give None.
    The cost does not grow with the number of ranges beyond `MAX_RANGES` (S15).

    Raises:
        RangeNotSatisfiable: well formed, but no byte of the body is asked for.
    Source: RFC 9110, sections 14.1.2, 14.2 and 15.5.17.
    """
    if len(header) > _MAX_RANGE_HEADER or header.count(",") >= MAX_RANGES:
        return None
    unit, equals, listed = header.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    found: list[ByteRange] = []
    seen = False
    for item in listed.split(","):
        text = item.strip(" \t")
        if not text:
            continue
        match = _RANGE.fullmatch(text)
        if match is None:
            return None
        first, last = match.groups()
        seen = True
        if first:
            start, stop = int(first), int(last) + 1 if last else size
            if last and stop <= start:
                return None
            stop = min(stop, size)
        elif last:
            # A suffix of an empty body is all of it, and no Content-Range can say "nothing".
            if size == 0 and int(last) > 0:
                return None
            start, stop = max(size - int(last), 0), size
        else:
            return None
        if start < stop:
            found.append(ByteRange(start, stop))
    if not seen:
        return None
    if not found:
        raise RangeNotSatisfiable(size)
    return _merge(found)


def _merge(ranges: list[ByteRange]) -> tuple[ByteRange, ...]:
    ascending = sorted(ranges, key=lambda item: item.start)
    merged = [ascending[0]]
    for item in ascending[1:]:
        last = merged[-1]
        if item.start <= last.stop:
            merged[-1] = ByteRange(last.start, max(last.stop, item.stop))
        else:
            merged.append(item)
    return tuple(ranges if len(merged) == len(ranges) else merged)


class Verdict(Enum):
    """What a request's preconditions say about the answer."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class EntityTag:
    """One entity tag as a header carries it, without its quotes."""

    value: str
    weak: bool = False

    def __str__(self) -> str:
        return f'W/"{self.value}"' if self.weak else f'"{self.value}"'


def parse_etag(text: str) -> EntityTag | None:
    """Read one quoted entity tag such as `"abc"` or `W/"abc"`; None when `text` is anything else."""
    match = _ETAG.fullmatch(text.strip(" \t"))
    return EntityTag(match[2], match[1] is not None) if match else None


def parse_etags(header: str) -> tuple[EntityTag, ...] | None:
    """Read the list of entity tags of `If-Match` or `If-None-Match`; None when malformed. `*` is not a tag."""
    found: list[EntityTag] = []
    at = len(header) - len(header.lstrip(" \t,"))
    while at < len(header):
        match = _ETAG.match(header, at)
        if match is None:
            return None
        found.append(EntityTag(match[2], match[1] is not None))
        gap = _ETAG_GAP.match(header, match.end())
        if gap is None:
            return None
        at = gap.end()
    return tuple(found)


def judge(
    headers: Mapping[str, str],
    *,
    etag: EntityTag | None,
    mtime_s: int | None,
    reading: bool,
) -> Verdict:
    """Weigh `If-Match`, `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since` against what is there now.

    Args:
        headers: looked up case-insensitively by the mapping; repeated lines joined by commas.
        etag: of what is there now; None means nothing is there.
        mtime_s: seconds since 1970 as sent in `Last-Modified`; None when nothing is there.
        reading: True for GET and HEAD, where a matching `If-None-Match` means "not modified" instead of "failed".
    A malformed `If-Match` fails, a malformed `If-None-Match` or date is ignored: the answer that cannot lose an edit.
    Source: RFC 9110, section 13.2.2.
    """
    if_match = headers.get("If-Match")
    if if_match is not None:
        if not _matches(if_match, etag, weakly=False):
            return Verdict.FAILED
    else:
        unmodified_since = _date_of(headers, "If-Unmodified-Since")
        if unmodified_since is not None and (mtime_s is None or mtime_s > unmodified_since):
            return Verdict.FAILED
    if_none_match = headers.get("If-None-Match")
    if if_none_match is not None:
        if _matches(if_none_match, etag, weakly=True):
            return Verdict.NOT_MODIFIED if reading else Verdict.FAILED
    elif reading and mtime_s is not None:
        modified_since = _date_of(headers, "If-Modified-Since")
        if modified_since is not None and mtime_s <= modified_since:
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def _date_of(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    return None if text is None else parse_http_date(text)


def _matches(header: str, etag: EntityTag | None, *, weakly: bool) -> bool:
    if etag is None:
        return False
    if header.strip(" \t") == "*":
        return True
    tags = parse_etags(header)
    if tags is None:
        return False
    if weakly:
        return any(tag.value == etag.value for tag in tags)
    return not etag.weak and any(tag.value == etag.value and not tag.weak for tag in tags)


def if_range_holds(header: str, *, etag: EntityTag, mtime_s: int, now_s: int) -> bool:
    """Tell whether the part a client holds, named by `If-Range`, belongs to what is there now.

    A tag must match strongly. A date must be exactly `mtime_s` and lie at least two seconds back from `now_s`: within
    one second a file may change unseen by its date.
    Source: RFC 9110, sections 13.1.5 and 8.8.2.2.
    """
    tag = parse_etag(header)
    if tag is not None:
        return not tag.weak and not etag.weak and tag.value == etag.value
    date = parse_http_date(header)
    return date is not None and date == mtime_s and mtime_s <= now_s - 2


def parse_http_date(text: str) -> int | None:
    """Seconds since 1970 of a date in any of HTTP's three forms; None when it is none of them."""
    if len(text) > _MAX_DATE_HEADER:
        return None
    try:
        parsed = parsedate_tz(text)
        if parsed is None or parsed[0] < 1900:
            return None
        return timegm((*parsed[:6], 0, 0, 0)) - (parsed[9] or 0)
    except (ValueError, OverflowError, IndexError):
        return None


@lru_cache(maxsize=1024)
def http_date(at_s: int) -> str:
    """The form `Last-Modified` has, such as "Sun, 06 Nov 1994 08:49:37 GMT"."""
    return formatdate(at_s, usegmt=True)


def content_range(item: ByteRange, size: int) -> str:
    """The value of `Content-Range` for `item` of a body of `size` bytes."""
    return f"bytes {item.start}-{item.stop - 1}/{size}"


@dataclass(frozen=True, slots=True)
class Framing:
    """The bytes around several ranges in one `multipart/byteranges` body.

    `parts`: each range with the bytes that stand before it; `tail` ends the body; `length` is that of the whole body.
    """

    content_type: str
    parts: tuple[tuple[bytes, ByteRange], ...]
    tail: bytes
    length: int


def frame(ranges: Sequence[ByteRange], *, size: int, content_type: str, boundary: str) -> Framing:
    """Lay out `ranges` of a body of `size` bytes as one multipart body.

    `boundary` must not occur in the content: 16 random bytes as hexadecimal digits will do.
    Source: RFC 9110, section 14.6, and RFC 2046, section 5.1.
    """
    parts: list[tuple[bytes, ByteRange]] = []
    for number, item in enumerate(ranges):
        lead = "" if number == 0 else "\r\n"
        head = (
            f"{lead}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(item, size)}\r\n\r\n"
        )
        parts.append((head.encode("latin-1"), item))
    tail = f"\r\n--{boundary}--\r\n".encode("latin-1")
    length = sum(len(head) + item.length for head, item in parts) + len(tail)
    return Framing(f"multipart/byteranges; boundary={boundary}", tuple(parts), tail, length)
