"""Lists whose rows have a name, a quiet line below it, and a pictogram."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from homestow.client.apps.qt import icons, theme
from homestow.client.apps.qt.forms import named
from homestow.client.apps.qt.tips import tip

_ROLE: Final = int(Qt.ItemDataRole.UserRole)
_EDGE: Final = 10
_GLYPH: Final = 20


class Line(NamedTuple):
    """One row; `key` is what the program knows it by, `about` may have several lines."""

    key: str
    name: str
    about: str
    icon: str


class TwoLines(QListWidget):
    """A list of such rows; `key` tells which one is chosen."""

    def __init__(self, name: str) -> None:
        super().__init__()
        named(self, name)
        self.setItemDelegate(_Painter(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        theme.notifier().changed.connect(self.viewport().update)

    def show_lines(self, lines: Sequence[Line], row: int = -1) -> None:
        """Show these rows and choose one; tells nobody that another one is chosen."""
        self.blockSignals(True)
        self.clear()
        for line in lines:
            item = QListWidgetItem(line.name)
            item.setData(_ROLE, line)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{line.name}, {line.about}".replace("\n", ", "))
            item.setToolTip(tip(f"{line.name}\n{line.about}"))
            self.addItem(item)
        self.setCurrentRow(row)
        self.blockSignals(False)

    @property
    def key(self) -> str:
        """What the chosen row is known by, "" none."""
        item: QListWidgetItem | None = self.currentItem()
        return "" if item is None else str(item.data(_ROLE)[0])


class _Painter(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Of Qt."""
        how: Any = option
        line = Line(*index.data(_ROLE))
        small = QFontMetrics(_small(how.font))
        return QSize(80, how.fontMetrics.height() + small.height() * (1 + line.about.count("\n")) + 20)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Of Qt."""
        how: Any = option
        look, line = theme.current(), Line(*index.data(_ROLE))
        box = QRectF(how.rect).adjusted(2, 1, -2, -1)
        chosen = bool(how.state & QStyle.StateFlag.State_Selected)
        under = bool(how.state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen or under:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.accent_soft if chosen else look.hover))
            painter.drawRoundedRect(box, 8, 8)
        glyph = QRectF(box.left() + _EDGE, box.top() + (box.height() - _GLYPH) / 2, _GLYPH, _GLYPH)
        icons.paint(painter, line.icon, glyph, look.accent if chosen else look.muted)
        text = box.adjusted(2 * _EDGE + _GLYPH, 8, -_EDGE, -8)
        strong, small = QFont(how.font), _small(how.font)
        strong.setWeight(QFont.Weight.DemiBold)
        metrics = QFontMetrics(strong)
        painter.setFont(strong)
        painter.setPen(QColor(look.text))
        painter.drawText(
            QRectF(text.left(), text.top(), text.width(), metrics.height()),
            metrics.elidedText(line.name, Qt.TextElideMode.ElideMiddle, int(text.width())),
        )
        top = text.top() + metrics.height() + 2
        metrics = QFontMetrics(small)
        painter.setFont(small)
        painter.setPen(QColor(look.muted))
        for about in line.about.split("\n"):
            painter.drawText(
                QRectF(text.left(), top, text.width(), metrics.height()),
                metrics.elidedText(about, Qt.TextElideMode.ElideRight, int(text.width())),
            )
            top += metrics.height()
        painter.restore()


def _small(font: QFont) -> QFont:
    made = QFont(font)
    made.setPointSizeF(font.pointSizeF() * 0.9)
    return made
