"""Names and paths: what a node may be called, and the names made for conflicts and clashes.

Paths from outside are read once, here, into lists of names; nothing inside passes paths as text (S02).
"""

import re
import unicodedata
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from homestow.values.errors import BadName

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4096
MAX_DEPTH = 256

RESERVED = ".homestow"
"""Name of the hidden staging folder at the top of a root; no node of the top folder may have it."""

_RULE = "Names are text without '/', NUL, '.' or '..', at most 255 bytes in UTF-8."


def nfc(name: str) -> str:
    """The form in which names are compared and stored (R15)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def check_name(name: str) -> str:
    """One name in NFC, fit for a node.

    Raises:
        BadName: empty, '.', '..', with '/' or NUL, not encodable in UTF-8 (lone surrogates), or over 255 bytes
            (S01, S14). Everything else is a name, newlines and leading dashes included (SC-124).
    """
    name = nfc(name)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise BadName(f"{name!r} cannot be a name. {_RULE}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise BadName(f"{name!r} is not valid Unicode text. {_RULE}") from error
    if size > MAX_NAME_BYTES:
        raise BadName(f"The name {name[:40]!r}… has {size} bytes. {_RULE}")
    return name


def split_path(path: str) -> tuple[str, ...]:
    """Names of a '/'-separated path from a root's top; one leading and one trailing slash are allowed; "" is the top.

    Raises:
        BadName: a segment that is no name (S01), over 4,096 bytes or 256 levels (S14).
    """
    path = path.removeprefix("/").removesuffix("/")
    if not path:
        return ()
    if len(path) > MAX_PATH_BYTES or path.count("/") >= MAX_DEPTH:
        raise BadName("A path has at most 4,096 bytes and 256 levels.")
    names = tuple(check_name(name) for name in path.split("/"))
    if sum(len(name.encode()) + 1 for name in names) > MAX_PATH_BYTES + 1:
        raise BadName("A path has at most 4,096 bytes and 256 levels.")
    return names


def split_extension(name: str) -> tuple[str, str]:
    """Stem and extension, the dot with the extension: "a.tar.gz" gives ("a.tar", ".gz"), ".profile" (".profile", "")."""
    stem, dot, extension = name.rpartition(".")
    if not stem or not dot or not extension:
        return name, ""
    return stem, dot + extension


def with_suffix(name: str, suffix: str) -> str:
    """`name` with `suffix` before its extension, the stem cut at a character so that all fits into 255 bytes."""
    stem, extension = split_extension(name)
    if len((suffix + extension).encode()) > MAX_NAME_BYTES - 4:
        stem, extension = name, ""
    room = MAX_NAME_BYTES - len((suffix + extension).encode())
    cut = stem.encode()[:room].decode(errors="ignore")
    return cut + suffix + extension


def numbered(name: str, taken: Collection[str]) -> str:
    """`name` if it is free, else `name (2)`, `name (3)` … before the extension."""
    if name not in taken:
        return name
    number = 2
    while (candidate := with_suffix(name, f" ({number})")) in taken:
        number += 1
    return candidate


CONFLICT_MARK = " (conflict "
"""Every conflict name holds this."""

_CONFLICT = re.compile(
    r"(?P<stem>.+) \(conflict (?P<device>[^/\0]+) (?P<day>\d{4}-\d\d-\d\d) (?P<digits>[0-9a-f]{6})\)"
    r"(?: \(\d+\))?(?P<extension>(?:\.[^.]+)?)",
    re.DOTALL | re.ASCII,
)


def conflict_name(name: str, device: str, mtime_ns: int, sha256_hex: str) -> str:
    """Name of the conflict copy of `name`: `<stem> (conflict <device> <YYYY-MM-DD> <h6>)<ext>`.

    A pure function of the losing content, so that repeating after a crash makes no second copy (SCENARIOS, P6).

    Args:
        name: the name both wanted.
        device: the losing device's name; '/' and NUL are dropped, cut to 40 bytes.
        mtime_ns: the losing content's modification time; its UTC date is shown.
        sha256_hex: SHA-256 of the losing content, at least 6 hexadecimal digits.
    """
    return with_suffix(name, f"{CONFLICT_MARK}{conflict_device(device)} {_utc_day(mtime_ns)} {sha256_hex[:6]})")


def conflict_device(device: str) -> str:
    """A device's name as conflict names bear it."""
    who = nfc(device).replace("/", "").replace("\0", "").encode(errors="ignore")[:40].decode(errors="ignore").strip()
    return who or "device"


class ConflictName(NamedTuple):
    """What a conflict name says: the name both wanted (its stem cut, if that was very long), whose the losing content was, the
    UTC date of it as YYYY-MM-DD, and the first six digits of its SHA-256."""

    name: str
    device: str
    day: str
    digits: str


def parse_conflict_name(name: str) -> ConflictName | None:
    """What `conflict_name` said, also when the name was `numbered` since; None for other names."""
    if CONFLICT_MARK not in name or (found := _CONFLICT.fullmatch(name)) is None:
        return None
    return ConflictName(found["stem"] + found["extension"], found["device"], found["day"], found["digits"])


def _utc_day(mtime_ns: int) -> str:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return (epoch + timedelta(seconds=mtime_ns // 1_000_000_000)).strftime("%Y-%m-%d")
    except OverflowError:
        return "1970-01-01"
