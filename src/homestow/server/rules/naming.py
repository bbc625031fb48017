"""Names on disk: the node's own wherever the disk can have it, else the next best. Pure.

Differing names are the exception (a disk that folds case, forbids characters or has shorter names); what a node is called
there is recorded as its location.
"""

from collections.abc import Iterator
from itertools import count

from homestow.values.paths import split_extension

_FORBIDDEN = frozenset('<>:"\\|?*%')
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)
MOST_NAMES = 64
"""So many names are tried before the disk's refusal is believed."""


def disk_names(name: str, max_bytes: int) -> Iterator[str]:
    """Names to try for `name`, best first, without end: itself, escaped, then numbered; each at most `max_bytes` in UTF-8."""
    if len(name.encode()) <= max_bytes:
        yield name
    plain = _cut(_escaped(name), "", max_bytes)
    if plain != name:
        yield plain
    for number in count(2):
        yield _cut(_escaped(name), f" ({number})", max_bytes)


def _escaped(name: str) -> str:
    """`name` as even FAT takes it: forbidden characters as %XX, no dot or space at the end, no device's name."""
    text = "".join(_percent(char) if char in _FORBIDDEN or char < " " else char for char in name)
    if text[-1] in ". ":
        text = text[:-1] + _percent(text[-1])
    if split_extension(text)[0].split(".")[0].rstrip().casefold() in _DEVICES:
        text = _percent(text[0]) + text[1:]
    return text


def _percent(char: str) -> str:
    return f"%{ord(char):02X}"


def _cut(name: str, suffix: str, max_bytes: int) -> str:
    """`name` with `suffix` before its extension, the stem cut at a character."""
    stem, extension = split_extension(name)
    if len((suffix + extension).encode()) > max_bytes - 4:
        stem, extension = name, ""
    room = max_bytes - len((suffix + extension).encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix + extension
