"""Tooltips show names and messages as they are."""

import pytest

pytest.importorskip("PySide6", reason="the extra qt is not installed")

from PySide6.QtGui import QTextDocument

from homestow.client.apps.qt.tips import tip


@pytest.mark.parametrize(
    "text",
    [
        "Documents/5 < 6.txt",
        "Documents/<b>bold<b>.txt",
        "The server says: <img src='//elsewhere/share/x.png'>",
        "<a href='http://elsewhere'>press here</a>\nsecond line & third",
        "<table>",
    ],
)
def test_a_name_that_looks_like_html_is_a_name(text: str) -> None:
    """A server or another computer could otherwise show what it likes, or have a picture fetched."""
    shown = tip(text)
    document = QTextDocument()
    if shown != text:
        document.setHtml(shown)
        assert document.toPlainText() == text
        assert "<img" not in shown
        assert "<a " not in shown


def test_what_is_plain_stays_so() -> None:
    """No markup where none is needed: other programs read tooltips, too."""
    assert tip("a & b\nc") == "a & b\nc"
