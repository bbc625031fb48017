"""Sizes, times and names as they fit into a line of a terminal."""

import os
import sys
import unicodedata

from homestow.cli.troubles import one_line


def size(number: float) -> str:
    """Bytes as people say them: "999 B", "1.2 MB"; powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return ""


def duration(seconds: float) -> str:
    """Seconds as "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def fitted(text: str, width: int) -> str:
    """`text` on one line of at most `width` columns, its middle left out where it is longer (the end tells files apart)."""
    text = one_line(text)
    if columns(text) <= width:
        return text
    if width < 5:
        return text[: max(width, 0)]
    tail, used = "", 0
    for letter in reversed(text):
        used += columns(letter)
        if used > (width - 1) // 2:
            break
        tail = letter + tail
    head, used = "", columns(tail) + 1
    for letter in text:
        used += columns(letter)
        if used > width:
            break
        head += letter
    return f"{head}…{tail}"


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def terminal_columns() -> int:
    """The width of the terminal that stderr is, 80 where it is none."""
    # As shutil asks, which is slow to import.
    try:
        return int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        try:
            return os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (OSError, ValueError):
            return 80
