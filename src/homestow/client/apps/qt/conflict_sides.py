"""One of the two versions of a conflict as it is shown: its facts, and a picture or its text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QRectF, QSize, Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QDesktopServices,
    QFontDatabase,
    QImage,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QSizePolicy,
    QStackedWidget,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt import theme
from homestow.client.apps.qt.comparing import Cell, Page, differing
from homestow.client.apps.qt.forms import label, named
from homestow.client.apps.qt.previews import Nothing, Picture, Preview
from homestow.client.apps.qt.widgets import Button, Elided
from homestow.client.apps.texts import Texts
from homestow.wire.control import Side

_MARKS: Final = {"same": "  ", "changed": "≠ ", "only": "+ ", "gap": "  "}
"""In front of lines, so that colour alone says nothing."""


class PictureView(QWidget):
    """A picture, as large as there is room, never larger than it is."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self.setMinimumSize(120, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_picture(self, image: QImage, name: str) -> None:
        """Show it; `name` is what a screen reader says."""
        self._image = image
        named(self, name)
        self.update()

    def sizeHint(self) -> QSize:
        """Of Qt."""
        return QSize(320, 260)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Of Qt."""
        if self._image.isNull():
            return
        ratio = self.devicePixelRatioF()
        room = self.size() * ratio
        size = self._image.size()
        if size.width() > room.width() or size.height() > room.height():
            size = size.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        wide, high = size.width() / ratio, size.height() / ratio
        box = QRectF((self.width() - wide) / 2, (self.height() - high) / 2, wide, high)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        scaled = self._image.scaled(
            size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        painter.drawImage(box, scaled)
        painter.end()


class TextView(QPlainTextEdit):
    """Lines of a text, those that differ marked by a sign and a ground."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setTabChangesFocus(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self.setFont(font)
        self.setStyleSheet(f"font-family: '{font.family()}'; font-size: {max(9.0, font.pointSizeF()):.1f}pt;")
        self._cells: Sequence[Cell] = ()
        self._others: Sequence[Cell] = ()
        theme.notifier().changed.connect(self._mark)
        self.verticalScrollBar().valueChanged.connect(self._mark)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Of Qt."""
        super().resizeEvent(event)
        self._mark()

    def show_lines(self, cells: Sequence[Cell], others: Sequence[Cell]) -> None:
        """Show the lines of one side; `others` are those of the other one, row by row."""
        self._cells, self._others = cells, others
        self.setPlainText("\n".join(_MARKS[cell.mark] + cell.text for cell in cells))
        first = next((row for row, cell in enumerate(cells) if cell.mark != "same"), 0)
        cursor = QTextCursor(self.document().findBlockByNumber(max(0, first - 2)))
        self.setTextCursor(cursor)
        self.verticalScrollBar().setValue(max(0, first - 2))
        self._mark()

    def _mark(self) -> None:
        look = theme.current()
        grounds = {"changed": look.warn_soft, "only": look.good_soft, "gap": look.idle_soft}
        marks = []
        # Only what is seen: thousands of marks at once would hold the window up.
        first = self.firstVisibleBlock().blockNumber()
        lines = self.viewport().height() // max(1, self.fontMetrics().lineSpacing()) + 2
        for row in range(first, min(first + lines, len(self._cells))):
            cell = self._cells[row]
            if cell.mark == "same":
                continue
            block = self.document().findBlockByNumber(row)
            ground = QTextCharFormat()
            ground.setBackground(QColor(grounds[cell.mark]))
            ground.setProperty(QTextFormat.Property.FullWidthSelection, True)
            marks.append(_selection(QTextCursor(block), ground))
            if cell.mark == "changed":
                begin, end = differing(cell.text, self._others[row].text)
                part = QTextCursor(block)
                part.setPosition(block.position() + 2 + begin)
                part.setPosition(block.position() + 2 + end, QTextCursor.MoveMode.KeepAnchor)
                strong = QTextCharFormat()
                strong.setForeground(QColor(look.warn))
                strong.setFontUnderline(True)
                marks.append(_selection(part, strong))
        self.setExtraSelections(marks)


def _selection(cursor: QTextCursor, how: QTextCharFormat) -> QTextEdit.ExtraSelection:
    made: Any = QTextEdit.ExtraSelection()
    made.cursor, made.format = cursor, how
    marked: QTextEdit.ExtraSelection = made
    return marked


class SidePane(QFrame):
    """One version: what it is called, how old and large it is, what it looks like, and the button that keeps it."""

    def __init__(self, texts: Texts) -> None:
        super().__init__()
        self.texts = texts
        self.setProperty("role", "card")
        self._file: str | None = None
        self._name = self._facts = ""
        self.title = Elided("", "heading", Qt.TextElideMode.ElideRight)
        self.name = Elided("", "muted")
        self.facts = Elided("", "muted", Qt.TextElideMode.ElideRight)
        self.picture = PictureView()
        self.text = TextView()
        self.none = label("", "muted")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack = QStackedWidget()
        for view in (self.none, self.picture, self.text):
            self.stack.addWidget(view)
        self.stack.setMinimumHeight(150)
        self.open = Button(texts("conflicts.open"), "link", press=self._open)
        self.reveal = Button(texts("conflicts.reveal"), "link", press=self._reveal)
        self.keep = Button(texts("conflicts.keep"), "primary")
        self.then = label("", "small")
        self.then.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.then.setMinimumHeight(2 * self.then.fontMetrics().lineSpacing() + 4)
        links = QHBoxLayout()
        links.setSpacing(4)
        links.addWidget(self.open)
        links.addWidget(self.reveal)
        links.addStretch(1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(16, 14, 16, 14)
        rows.setSpacing(6)
        for part in (self.title, self.name, self.facts):
            rows.addWidget(part)
        rows.addLayout(links)
        rows.addWidget(self.stack, 1)
        rows.addSpacing(4)
        rows.addWidget(self.keep)
        rows.addWidget(self.then)

    def show_side(self, title: str, side: Side) -> None:
        """Show the facts of a version; its look comes later."""
        texts = self.texts
        self._file = side.file
        self.title.say(title)
        self._name = side.path.rpartition("/")[2]
        self.name.say(self._name)
        self._facts = texts("conflicts.facts", size=texts.size(side.size), when=texts.when(side.mtime_ns))
        self.facts.say(self._facts)
        self.open.setEnabled(side.file is not None)
        self.reveal.setEnabled(side.file is not None)
        for button, key in ((self.open, "conflicts.open"), (self.reveal, "conflicts.reveal")):
            named(button, f"{texts(key)}: {self._name}")
        self._say(texts("conflicts.looking"))

    def show_look(self, preview: Preview, cells: Sequence[Cell], others: Sequence[Cell]) -> None:
        """Show what a look into the file gave; `cells` its lines when both versions are texts."""
        texts, name = self.texts, self._name
        match preview:
            case Picture(image=image, width=width, height=height):
                self.picture.show_picture(image, texts("conflicts.picture", name=name, width=width, height=height))
                self.facts.say(f"{self._facts} · {width} × {height}")
                self.stack.setCurrentWidget(self.picture)
            case Page() if cells:
                self.text.show_lines(cells, others)
                named(self.text, texts("conflicts.text-of", name=name))
                self.stack.setCurrentWidget(self.text)
            case Nothing(missing=True):
                self._say(texts("conflicts.not-here"))
            case _:
                self._say(texts("conflicts.no-look"))

    def _say(self, text: str) -> None:
        self.none.setText(text)
        self.stack.setCurrentWidget(self.none)

    def _open(self) -> None:
        if self._file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(self._file))

    def _reveal(self) -> None:
        if self._file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self._file).parent)))
