"""Tooltips: Qt takes one that looks like HTML for HTML, and names of files and words of servers may look like anything."""

from html import escape

from PySide6.QtGui import Qt


def tip(text: str) -> str:
    """The text as a tooltip that shows just that: nothing in it is a picture, a link or a style."""
    if not Qt.mightBeRichText(text):
        return text
    return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>"
