"""JSON as both ends of netdrive read it: strict in what it means, lenient in how it is written, and where an object ends.

Refused (S73): more than 32 levels, whole numbers beyond 2^53, numbers that are none (NaN, Infinity, 1e999), a key given twice, text that
is no text (lone surrogates), a value that is no object. Taken: UTF-8, else GBK, as the first clients and servers write; where
asked, comments from `//` to the end of a line and commas before a closing bracket, as the samples of the document show.
"""

import json
import math
import re
from enum import Enum, auto
from typing import Any, Final

MAX_DEPTH: Final = 32
"""Objects and lists inside of each other (S73)."""
MAX_INTEGER: Final = 1 << 53
"""Largest absolute value of a whole number: what every JSON reader holds exactly (S73)."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# A text that never ends is taken up to the end, else it would be begun anew at each of its quotes.
_TEXT: Final = r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))'
_LOOSE: Final = re.compile(_TEXT + r"|//[^\n]*+", re.DOTALL)
_COMMAS: Final = re.compile(_TEXT + r"|,(?=[ \t\r\n]*+[}\]])", re.DOTALL)
_MARK: Final = re.compile(rb'[{}"/]')
_IN_STRING: Final = re.compile(rb'["\\]')


class BadJson(ValueError):
    """Not an object we read; the message says why, in words for the peer."""


class TooDeep(BadJson):
    """More than 32 levels."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("a key is given twice")
    return found


def _constant(name: str) -> float:
    raise BadJson(f"{name} is no number")


def _real(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise BadJson("a number is too large")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_real)


def decode(data: bytes | bytearray | memoryview) -> str:
    """Text of a message.

    Raises:
        BadJson: neither UTF-8 nor GBK.
    """
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return str(data, "gbk")
    except UnicodeDecodeError:
        raise BadJson("the text is neither UTF-8 nor GBK") from None


def load(data: bytes | bytearray | memoryview, *, lenient: bool) -> dict[str, Any]:
    """The object that `data` holds, white space around it allowed.

    Args:
        lenient: take comments and trailing commas.
    Raises:
        BadJson: see above.
    """
    text = decode(data)
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise TooDeep(f"more than {MAX_DEPTH} levels") from None
    except BadJson:
        raise
    except ValueError as wrong:
        if not lenient:
            raise BadJson("not JSON") from wrong
        value = _loose(text)
    if type(value) is not dict:
        raise BadJson("not a JSON object")
    check(value, text)
    return value


def _loose(text: str) -> Any:
    bare = _COMMAS.sub(r"\1", _LOOSE.sub(r"\1", text))
    try:
        return _DECODER.decode(bare)
    except RecursionError:
        raise TooDeep(f"more than {MAX_DEPTH} levels") from None
    except BadJson:
        raise
    except ValueError as wrong:
        raise BadJson("not JSON") from wrong


def begin(text: str) -> tuple[dict[str, Any], int] | None:
    """The object at the very beginning of `text` and where it ends, the quick way; None when the careful way has to look."""
    try:
        value, stop = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    head = text[:stop]
    if type(value) is not dict or not head.isascii():
        return None
    check(value, head)
    return value, stop


def check(value: dict[str, Any], text: str) -> None:
    """Refuse what JSON can write and we do not take; `text` is what `value` was read from.

    Raises:
        BadJson: too deep, too large, or no text.
    """
    texts = "\\ud" in text or "\\uD" in text
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if type(each) is dict:
                if texts and any(map(_SURROGATE.search, each)):
                    raise BadJson("text with half of a character")
                each = each.values()
            for one in each:
                kind = type(one)
                if kind is dict or kind is list:
                    below.append(one)
                elif kind is int:
                    if not -MAX_INTEGER <= one <= MAX_INTEGER:
                        raise BadJson("a number is too large")
                elif kind is str and texts and _SURROGATE.search(one):
                    raise BadJson("text with half of a character")
        if not below:
            return
        level = below
    raise TooDeep(f"more than {MAX_DEPTH} levels")


def dump(fields: dict[str, Any], *, compact: bool) -> bytes:
    """An object as one line of pure ASCII.

    Args:
        compact: no spaces, as answers must be; else as Python writes it, which is how the first clients ask.
    Raises:
        ValueError: a number that is none.
    """
    return json.dumps(fields, allow_nan=False, separators=(",", ":") if compact else None).encode("ascii")


class _At(Enum):
    BETWEEN = auto()
    SLASH = auto()
    COMMENT = auto()
    STRING = auto()
    ESCAPED = auto()


class Braces:
    """Finds where one object ends, in any cuts: braces in texts and comments do not count.

    A backslash may be the second half of a character of GBK; it is when the bytes before it are no UTF-8 and their number is odd.
    """

    def __init__(self) -> None:
        self._at = _At.BETWEEN
        self._depth = 0
        self._run = bytearray()

    def feed(self, data: bytes, at: int) -> int:
        """Look at `data` from `at` on; the place behind the closing brace, or -1 when it is not there yet.

        Raises:
            TooDeep: more than 32 levels.
        """
        first = at
        size = len(data)
        while at < size:
            match self._at:
                case _At.BETWEEN:
                    found = _MARK.search(data, at)
                    if found is None:
                        return -1
                    at = first = found.end()
                    if self._mark(data[at - 1]):
                        return at
                case _At.SLASH:
                    self._at = _At.BETWEEN
                    if data[at] == 0x2F:
                        self._at = _At.COMMENT
                        at += 1
                case _At.COMMENT:
                    line = data.find(b"\n", at)
                    if line < 0:
                        return -1
                    self._at = _At.BETWEEN
                    at = line + 1
                case _At.ESCAPED:
                    self._at = _At.STRING
                    at += 1
                    first = at
                case _At.STRING:
                    found = _IN_STRING.search(data, at)
                    if found is None:
                        self._keep_run(data, first)
                        return -1
                    at = found.end()
                    if data[at - 1] == 0x22:
                        self._at = _At.BETWEEN
                    elif not self._is_half(data, first, at - 1):
                        self._at = _At.ESCAPED
                    self._run.clear()
                    first = at
        return -1

    def _mark(self, letter: int) -> bool:
        if letter == 0x7B:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise TooDeep(f"more than {MAX_DEPTH} levels")
        elif letter == 0x7D:
            self._depth -= 1
            return self._depth <= 0
        else:
            self._at = _At.STRING if letter == 0x22 else _At.SLASH
        return False

    def _keep_run(self, data: bytes, first: int) -> None:
        """Remember the letters beyond ASCII with which this piece ends inside of a text."""
        start = _run_start(data, first, len(data))
        if start > first:
            self._run.clear()
        self._run += data[start:]

    def _is_half(self, data: bytes, first: int, stop: int) -> bool:
        start = _run_start(data, first, stop)
        run = bytes(self._run) + data[start:stop] if start == first else data[start:stop]
        if len(run) % 2 == 0:
            return False
        try:
            run.decode("utf-8")
        except UnicodeDecodeError:
            return True
        return False


def _run_start(data: bytes, first: int, stop: int) -> int:
    while stop > first and data[stop - 1] >= 0x80:
        stop -= 1
    return stop
