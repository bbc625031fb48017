"""Two texts side by side: which lines belong together, and which differ. Pure; no Qt."""

import difflib
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

MAX_TEXT_BYTES: Final = 256 * 1024
"""So much of a file is read to show it as text."""

MAX_LINES: Final = 2000
MAX_LINE: Final = 400
"""More lines, and longer ones, are cut: this is a look, not an editor."""

Mark = Literal["same", "changed", "only", "gap"]
"""only: the other side has nothing there. gap: this side has nothing there."""


class Cell(NamedTuple):
    """One line on one side; `text` is "" in a gap."""

    text: str
    mark: Mark


class Row(NamedTuple):
    """One line of both sides."""

    left: Cell
    right: Cell


class Page(NamedTuple):
    """The lines of a text; `cut`: there are more."""

    lines: tuple[str, ...]
    cut: bool


def text_of(content: bytes, size: int) -> Page | None:
    """The lines of a file's first bytes, None when they are no text.

    Args:
        content: the first `MAX_TEXT_BYTES` of the file, or all of it.
        size: of the whole file.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    elif b"\0" in content:
        return None
    else:
        cut = len(content) < size
        try:
            # A letter may have been cut in two at the end.
            text = content.decode("utf-8-sig", "strict" if not cut else "ignore")
        except UnicodeDecodeError:
            return None
        if cut and text.encode("utf-8") not in content:
            return None
    if any(ord(letter) < 32 and letter not in "\t\n\r\f\x1b" for letter in text[:4096]):
        return None
    lines = text.splitlines()
    short = tuple(line[:MAX_LINE].expandtabs(4) for line in lines[:MAX_LINES])
    return Page(short, len(content) < size or len(lines) > MAX_LINES or any(len(line) > MAX_LINE for line in lines))


def side_by_side(left: Sequence[str], right: Sequence[str]) -> list[Row]:
    """The lines of both, those that belong together in one row."""
    rows: list[Row] = []
    matcher = difflib.SequenceMatcher(None, left, right)
    for what, from_left, to_left, from_right, to_right in matcher.get_opcodes():
        if what == "equal":
            rows.extend(Row(Cell(line, "same"), Cell(line, "same")) for line in left[from_left:to_left])
            continue
        ours, theirs = left[from_left:to_left], right[from_right:to_right]
        for number in range(max(len(ours), len(theirs))):
            if number < len(ours) and number < len(theirs):
                rows.append(Row(Cell(ours[number], "changed"), Cell(theirs[number], "changed")))
            elif number < len(ours):
                rows.append(Row(Cell(ours[number], "only"), Cell("", "gap")))
            else:
                rows.append(Row(Cell("", "gap"), Cell(theirs[number], "only")))
    return rows


def differing(line: str, other: str) -> tuple[int, int]:
    """Where the part of a line begins and ends that the other one does not share with it at its beginning or end."""
    shorter = min(len(line), len(other))
    begin = next((at for at in range(shorter) if line[at] != other[at]), shorter)
    same = next((at for at in range(shorter - begin) if line[-1 - at] != other[-1 - at]), shorter - begin)
    return begin, len(line) - same


def differences(rows: Sequence[Row]) -> int:
    """How many places differ; neighbouring rows are one place."""
    places = 0
    before = False
    for row in rows:
        differs = row.left.mark != "same"
        places += differs and not before
        before = differs
    return places
