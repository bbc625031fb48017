"""How the isync calls take parameters: from query, form or JSON; checked one by one; a wrong one with a default is left alone.

A check takes a value as it came (text, or any value of JSON) and gives what it means, or None when it means nothing.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from homestow.wire.isync import Code, Refused

Check = Callable[[object], object | None]
T = TypeVar("T")

_MOST_FIELDS: Final = 1000
_LARGEST: Final = (1 << 63) - 1
_WHOLE: Final = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
_LAST_SECOND: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
_FIRST_SECOND: Final = int(datetime(1, 1, 2, tzinfo=UTC).timestamp())


# --- where parameters come from -----------------------------------------------------------------------------------------


def read_parameters(query: str, content_type: str, body: bytes) -> dict[str, object]:
    """All parameters of a request.

    A JSON body alone counts when the content type is JSON; a broken one holds nothing. Else query and form are taken
    together, and the query wins. Of a name given twice the first counts.

    Args:
        query: as it came, percent-encoded.
        content_type: the header, "" when there is none.
        body: b"" when there is none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return _from_json(body)
    given: dict[str, object] = dict(reversed(_pairs(query)))
    if kind == "application/x-www-form-urlencoded":
        form = _pairs(body.decode("utf-8", "replace"))
    elif kind == "multipart/form-data":
        form = form_fields(content_type, body)
    else:
        form = []
    return {**dict(reversed(form)), **given}


def query_parameters(query: str) -> dict[str, object]:
    """Parameters of the query alone, as `uploadFile.icc` takes them."""
    return dict(reversed(_pairs(query)))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []


def _from_json(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart body, 1 to 70 bytes; None when the header names none."""
    found = re.search(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', content_type, re.IGNORECASE)
    if found is None:
        return None
    text = found[1] or found[2]
    return text.encode() if text.isascii() else None


_FIELD: Final = re.compile(r';\s*name="([^"\r\n]*)"', re.IGNORECASE)
_FILE: Final = re.compile(r";\s*filename\*?\s*=", re.IGNORECASE)


def form_fields(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Text fields of a multipart form that came whole; parts that are files, or are not well formed, are left out."""
    boundary = boundary_of(content_type)
    if boundary is None:
        return []
    found: list[tuple[str, str]] = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1 : _MOST_FIELDS + 1]:
        if part.startswith(b"--"):
            break
        head, blank, value = part.partition(b"\r\n\r\n")
        for line in head.decode("utf-8", "replace").split("\r\n"):
            header, _, rest = line.partition(":")
            name = _FIELD.search(rest) if header.strip().lower() == "content-disposition" else None
            if name is not None and blank and _FILE.search(rest) is None:
                found.append((name[1], value.decode("utf-8", "replace")))
    return found


# --- checks -------------------------------------------------------------------------------------------------------------


def whole(value: object) -> int | None:
    """A whole number that 64 bits hold: a JSON number (cut), or digits with a sign and spaces around."""
    digits = isinstance(value, str) and _WHOLE.fullmatch(value) is not None
    if not digits and not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    found = int(value)  # type: ignore[call-overload]  # text of digits, or a number
    return found if -_LARGEST <= found <= _LARGEST else None


def real(value: object) -> float | None:
    """A finite number."""
    if isinstance(value, str) and len(value) > 64:
        return None
    if not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def moment(value: object) -> int | None:
    """Seconds since 1970, cut to whole ones, of a day between the years 1 and 9999."""
    found = real(value)
    return int(found) if found is not None and _FIRST_SECOND <= found <= _LAST_SECOND else None


def text(value: object) -> str | None:
    """Any text; a number is taken as it is written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value)
    return value if isinstance(value, str) and _encodable(value) else None


def words(least: int, most: int) -> Check:
    """Text of `least` to `most` characters."""

    def check(value: object) -> str | None:
        return value if isinstance(value, str) and least <= len(value) <= most and _encodable(value) else None

    return check


def one_of(*allowed: int) -> Check:
    """One of these whole numbers."""

    def check(value: object) -> int | None:
        found = whole(value)
        return found if found in allowed else None

    return check


def at_least(least: int, most: int = _LARGEST) -> Check:
    """A whole number from `least` to `most`."""

    def check(value: object) -> int | None:
        found = whole(value)
        return found if found is not None and least <= found <= most else None

    return check


def waits(value: object) -> int | None:
    """The status of a thumbnail as clients may set it: 2 (it will be sent), everything else is 0."""
    found = whole(value)
    return None if found is None else 2 if found == 2 else 0


def id_list(value: object) -> tuple[int, ...] | None:
    """Whole numbers apart by commas, each once; also a JSON array of them, or one number.

    What calls delete by is taken by its word: true is no 1, and 2.9 no 2.
    """
    parts: list[object]
    if isinstance(value, str):
        parts = list(value.split(","))
    elif isinstance(value, list):
        parts = value
    else:
        parts = [value]
    found = [None if isinstance(part, bool) or _is_cut(part) else whole(part) for part in parts]
    numbers = [each for each in found if each is not None]
    return tuple(dict.fromkeys(numbers)) if numbers and len(numbers) == len(found) else None


def _is_cut(value: object) -> bool:
    return isinstance(value, float) and not value.is_integer()


def _encodable(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in value) if not value.isascii() else True


# --- a call's parameters ------------------------------------------------------------------------------------------------


def needed(name: str, check: Check) -> Any:
    """A field of a call that must be given."""
    return field(metadata={"name": name, "check": check})


def optional(name: str, check: Check, default: object = None) -> Any:
    """A field of a call that may be left out; a wrong value counts as left out."""
    return field(default=default, metadata={"name": name, "check": check})


def take(kind: type[T], given: Mapping[str, object]) -> T:
    """A call's parameters, checked in the order of its fields.

    Raises:
        Refused: one that must be given is missing or wrong.
    """
    values: dict[str, object] = {}
    for each in fields(kind):  # type: ignore[arg-type]  # every `kind` is a dataclass of `isync_calls`
        value = given.get(each.metadata["name"])
        found = None if value is None else each.metadata["check"](value)
        if found is not None:
            values[each.name] = found
        elif each.default is MISSING:
            raise Refused(Code.BAD_PARAMETER)
    return kind(**values)
