"""Two texts side by side: nothing of either is lost, and what differs is marked."""

import random

import pytest

from homestow.client.apps.qt.comparing import (
    MAX_LINE,
    MAX_LINES,
    Cell,
    Row,
    differences,
    differing,
    side_by_side,
    text_of,
)


def test_lines_that_belong_together_stand_in_one_row() -> None:
    """Equal lines meet; a changed one faces its other version; what only one side has faces a gap."""
    rows = side_by_side(["a", "b", "c"], ["a", "B", "c", "d"])

    assert rows == [
        Row(Cell("a", "same"), Cell("a", "same")),
        Row(Cell("b", "changed"), Cell("B", "changed")),
        Row(Cell("c", "same"), Cell("c", "same")),
        Row(Cell("", "gap"), Cell("d", "only")),
    ]
    assert differences(rows) == 2


@pytest.mark.parametrize("seed", range(30))
def test_every_line_of_both_is_there_once_and_in_order(seed: int) -> None:
    """Whatever the texts are, each column without its gaps is the text again."""
    chance = random.Random(seed)
    left = [chance.choice("abcde") for _ in range(chance.randrange(60))]
    right = [chance.choice("abcde") for _ in range(chance.randrange(60))]

    rows = side_by_side(left, right)

    assert [row.left.text for row in rows if row.left.mark != "gap"] == left
    assert [row.right.text for row in rows if row.right.mark != "gap"] == right
    assert all((row.left.mark == "gap") == (row.right.mark == "only") for row in rows)
    assert (differences(rows) == 0) == (left == right)


@pytest.mark.parametrize(
    "line, other, part",
    [
        ("milk 2 l", "milk 3 l", "2"),
        ("aa", "aaa", ""),
        ("aaa", "aa", "a"),
        ("", "x", ""),
        ("x", "y", "x"),
        ("ab", "ab", ""),
    ],
)
def test_what_differs_in_a_line(line: str, other: str, part: str) -> None:
    """The part between what both share at the beginning and at the end."""
    begin, end = differing(line, other)

    assert line[begin:end] == part


@pytest.mark.parametrize(
    "content, lines",
    [
        (b"one\r\ntwo\n", ("one", "two")),
        ("żółć\n".encode(), ("żółć",)),
        ("\ufeffwith a mark".encode(), ("with a mark",)),
        ("wide".encode("utf-16"), ("wide",)),
        (b"", ()),
    ],
)
def test_texts_are_known(content: bytes, lines: tuple[str, ...]) -> None:
    """UTF-8 with any line ends, and UTF-16 that says so."""
    page = text_of(content, len(content))

    assert page is not None
    assert page.lines == lines
    assert not page.cut


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xd8\xff\xe0", b"caf\xe9 au lait", b"\x01\x02\x03"])
def test_what_is_no_text_is_not_shown_as_one(content: bytes) -> None:
    """Bytes that no text has, or that are none in UTF-8, give None, not letters that nobody wrote."""
    assert text_of(content, len(content)) is None


def test_long_texts_are_cut_and_say_so() -> None:
    """The first part of a file, too many lines, too long lines; a letter cut in two at the end does no harm."""
    cut = text_of("aż".encode()[:2], 3)
    assert cut is not None
    assert cut.lines == ("a",)
    assert cut.cut
    many = text_of(b"x\n" * (MAX_LINES + 1), 2 * (MAX_LINES + 1))
    assert many is not None
    assert len(many.lines) == MAX_LINES
    assert many.cut
    wide = text_of(b"x" * (MAX_LINE + 1), MAX_LINE + 1)
    assert wide is not None
    assert wide.cut
