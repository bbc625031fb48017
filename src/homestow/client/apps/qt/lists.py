"""Long lists: rows with a pictogram, two or three lines of text and a note at the right, painted and not made of widgets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from homestow.client.apps.qt import icons, theme
from homestow.client.apps.qt.tips import tip

Index = QModelIndex | QPersistentModelIndex

ROW: Final = Qt.ItemDataRole.UserRole
_PAD: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        thing: what it stands for; None: a heading, `title` alone.
        below: further lines, each with its role ("text", "muted").
        right: at the right of the first line.
        spoken: what a screen reader says.
    """

    thing: object
    title: str
    icon: str = ""
    tone: str = "idle"
    below: tuple[tuple[str, str], ...] = ()
    right: str = ""
    spoken: str = ""


class Rows(QAbstractListModel):
    """Rows for a view, the newest first where they have an order."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        """How many."""
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The row itself, its text, and what is said of it."""
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row = self.rows[index.row()]
        if role == ROW:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return row.spoken or row.title
        if role == Qt.ItemDataRole.ToolTipRole and row.thing is not None:
            return tip("\n".join((row.title, *(text for text, _ in row.below))))
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Headings cannot be chosen."""
        if index.isValid() and self.rows[index.row()].thing is None:
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def replace(self, rows: Sequence[Row]) -> None:
        """Other rows altogether."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def insert(self, at: int, rows: Sequence[Row]) -> None:
        """More rows, the first of them at this place."""
        if rows:
            self.beginInsertRows(QModelIndex(), at, at + len(rows) - 1)
            self.rows[at:at] = rows
            self.endInsertRows()

    def cut(self, most: int) -> None:
        """Drop rows at the end, so that so many are left."""
        if len(self.rows) > most:
            self.beginRemoveRows(QModelIndex(), most, len(self.rows) - 1)
            del self.rows[most:]
            self.endRemoveRows()


class _Painter(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        row = index.data(ROW)
        if not isinstance(row, Row):
            return QSize(0, 0)
        fonts: QFontMetrics = option.fontMetrics  # type: ignore[attr-defined]  # the stubs leave out its fields
        if row.thing is None:
            return QSize(100, fonts.height() + 22)
        return QSize(100, fonts.height() * (1 + len(row.below)) + 2 * _PAD + 2 * len(row.below))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row = index.data(ROW)
        if not isinstance(row, Row):
            return
        look = theme.current()
        box: QRect = option.rect  # type: ignore[attr-defined]  # as above
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]  # as above
        font: QFont = option.font  # type: ignore[attr-defined]  # as above
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if row.thing is None:
            small = QFont(font)
            small.setBold(True)
            small.setPointSizeF(font.pointSizeF() * 0.9)
            painter.setFont(small)
            painter.setPen(QColor(look.muted))
            painter.drawText(box.adjusted(_PAD, 8, -_PAD, -4), Qt.AlignmentFlag.AlignBottom, row.title)
            painter.restore()
            return
        inner = QRectF(box).adjusted(2, 1, -2, -1)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.accent_soft if chosen else look.hover))
            painter.drawRoundedRect(inner, 8, 8)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(look.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(inner.adjusted(1, 1, -1, -1), 8, 8)
        self._write(painter, row, box, font, look)
        painter.restore()

    def _write(self, painter: QPainter, row: Row, box: QRect, font: QFont, look: theme.Look) -> None:
        front, ground = look.tone(row.tone)
        side = 32.0
        circle = QRectF(box.left() + _PAD + 2, box.top() + _PAD + 1, side, side)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        painter.drawEllipse(circle)
        icons.paint(painter, row.icon, circle.adjusted(7.5, 7.5, -7.5, -7.5), front, 2.0)
        strong = QFont(font)
        strong.setWeight(QFont.Weight.DemiBold)
        small = QFont(font)
        small.setPointSizeF(font.pointSizeF() * 0.92)
        left, right = int(circle.right()) + 13, box.right() - _PAD - 4
        line = QFontMetrics(font).height()
        top = box.top() + _PAD
        painter.setFont(small)
        painter.setPen(QColor(look.muted))
        wide = QFontMetrics(small).horizontalAdvance(row.right)
        painter.drawText(QRect(right - wide - 2, top, wide + 2, line), Qt.AlignmentFlag.AlignVCenter, row.right)
        painter.setFont(strong)
        painter.setPen(QColor(look.text))
        room = right - wide - 16 - left
        title = QFontMetrics(strong).elidedText(row.title, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(QRect(left, top, room, line), Qt.AlignmentFlag.AlignVCenter, title)
        painter.setFont(small)
        for text, role in row.below:
            top += line + 2
            painter.setPen(QColor(look.text if role == "text" else look.muted))
            cut = QFontMetrics(small).elidedText(text, Qt.TextElideMode.ElideRight, right - left)
            painter.drawText(QRect(left, top, right - left, line), Qt.AlignmentFlag.AlignVCenter, cut)


class RowsView(QListView):
    """Shows `Rows`; Enter or a double click is `chosen`, the menu key or the right button `menu_wanted`."""

    chosen = Signal(object)
    menu_wanted = Signal(object, QPoint)
    near_end = Signal()

    def __init__(self, rows: Rows, name: str) -> None:
        super().__init__()
        self._rows = rows
        self.setModel(rows)
        self.setAccessibleName(name)
        self.setItemDelegate(_Painter(self))
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QListView.SelectionMode.SingleSelection)
        self.setLayoutMode(QListView.LayoutMode.Batched)
        self.setBatchSize(200)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.activated.connect(self._activate)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        theme.notifier().changed.connect(self._repaint)

    def current(self) -> object | None:
        """What the chosen row stands for."""
        row = self.currentIndex().data(ROW)
        return row.thing if isinstance(row, Row) else None

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of the row under the pointer, or of the current one from the keyboard."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            index = self.currentIndex()
            at = self.viewport().mapToGlobal(self.visualRect(index).center())
        else:
            index, at = self.indexAt(self.viewport().mapFromGlobal(event.globalPos())), event.globalPos()
        row = index.data(ROW)
        if isinstance(row, Row) and row.thing is not None:
            self.setCurrentIndex(index)
            self.menu_wanted.emit(row.thing, at)

    def _activate(self, index: QModelIndex) -> None:
        row = index.data(ROW)
        if isinstance(row, Row) and row.thing is not None:
            self.chosen.emit(row.thing)

    def _scrolled(self, value: int) -> None:
        if value >= self.verticalScrollBar().maximum() - 400:
            self.near_end.emit()

    def _repaint(self) -> None:
        self.viewport().update()


def menu_at(view: RowsView, at: QPoint, entries: Sequence[tuple[str, str, Callable[[], object], bool]]) -> None:
    """Show a menu: text, pictogram, deed, whether it can be done now."""
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMenu

    look = theme.current()
    menu = QMenu(view)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    for text, icon, deed, may in entries:
        action = QAction(icons.icon(icon, look.muted, look.faint), text, menu)
        action.setEnabled(may)
        action.triggered.connect(lambda _=False, deed=deed: deed())
        menu.addAction(action)
    menu.popup(at)
