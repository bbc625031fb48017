"""Small parts of forms: texts that wrap, fields that have a name for screen readers and a place for their error."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QVBoxLayout, QWidget

from homestow.client.apps.qt.tips import tip
from homestow.client.apps.texts import Texts, Told
from homestow.wire.control import Refused


def label(text: str = "", role: str = "", *, wrap: bool = True) -> QLabel:
    """A text of a role of the theme; never rich text, since it may hold names of files."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    if wrap:
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return made


def card(role: str = "card") -> tuple[QFrame, QVBoxLayout]:
    """A framed part of a page, and the layout in it."""
    frame = QFrame()
    frame.setProperty("role", role)
    rows = QVBoxLayout(frame)
    rows.setContentsMargins(16, 14, 16, 14)
    rows.setSpacing(8)
    return frame, rows


def named(widget: QWidget, name: str, about: str = "") -> QWidget:
    """Give a widget what a screen reader says of it."""
    widget.setAccessibleName(name.replace("&", ""))
    if about:
        widget.setAccessibleDescription(about)
    return widget


class Complaint(QLabel):
    """The error of one field: shown below it, spoken with it, gone when it is mended."""

    def __init__(self, field: QWidget) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setProperty("role", "bad")
        self.setVisible(False)
        self._field = field
        self._about = field.accessibleDescription()

    def say(self, told: Told | str) -> None:
        """Show what is wrong and what to do, and bring the person to the field."""
        self.setText(str(told))
        self.setToolTip(tip(told.detail) if isinstance(told, Told) else "")
        self.setVisible(True)
        self._field.setAccessibleDescription(str(told))
        self._field.setFocus(Qt.FocusReason.OtherFocusReason)
        QAccessible.updateAccessibility(QAccessibleEvent(self._field, QAccessible.Event.Alert))

    def hush(self) -> None:
        """Nothing is wrong any more."""
        if not self.isHidden() or self.text():
            self.setText("")
            self.setVisible(False)
            self._field.setAccessibleDescription(self._about)


def told(texts: Texts, refused: Refused, *, path: str = "", server: str = "") -> Told:
    """A refusal in the language of the texts."""
    return texts.told(refused.code, refused.message, path=path, server=server)
