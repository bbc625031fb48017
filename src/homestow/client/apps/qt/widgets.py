"""Parts that every page is made of. What paints itself takes its colours from the theme at each painting."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QHideEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt import icons, theme
from homestow.client.apps.qt.forms import label
from homestow.client.apps.qt.tips import tip

WIDEST: Final = 900
"""Text lines and cards get no wider than so many points."""

_FRAME_MS: Final = 50


def plain(text: str) -> str:
    """A button's text without its mnemonic, for screen readers."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&")


class Button(QPushButton):
    """A button of a role ("primary", "danger", "quiet", "link", "nav", "segment", "" ordinary), perhaps with a pictogram."""

    def __init__(self, text: str, role: str = "", icon: str = "", *, press: Callable[[], object] | None = None) -> None:
        super().__init__(text)
        self._icon = icon
        if role:
            self.setProperty("role", role)
        self._role = role
        self.setAccessibleName(plain(text))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAutoDefault(role == "primary")
        self._press = press
        self.clicked.connect(self._pressed)
        if icon:
            self.setIconSize(icons.BESIDE)
            theme.notifier().changed.connect(self._paint_icon)
            self.toggled.connect(self._paint_icon)
            self._paint_icon()

    def _pressed(self) -> None:
        if self._press is not None:
            self._press()

    def setText(self, text: str) -> None:
        """Another text, which is also said."""
        super().setText(text)
        self.setAccessibleName(plain(text))

    def take_icon(self, icon: str) -> None:
        """Another pictogram."""
        self._icon = icon
        self._paint_icon()

    def _paint_icon(self) -> None:
        look = theme.current()
        color = {"primary": look.on_accent, "danger": look.bad, "link": look.accent}.get(self._role, look.text)
        if self._role in ("nav", "segment"):
            color = look.accent if self.isChecked() else look.muted
        self.setIcon(icons.icon(self._icon, color, look.faint, gap=icons.GAP))


class Tool(QToolButton):
    """A small button of a pictogram alone; `name` is its tooltip and what a screen reader says."""

    def __init__(
        self, icon: str, name: str, *, press: Callable[[], object] | None = None, framed: bool = False
    ) -> None:
        super().__init__()
        self._icon = icon
        if not framed:
            self.setProperty("role", "quiet")
        self.setIconSize(icons.SMALL)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.rename(name)
        self._press = press
        self.clicked.connect(self._pressed)
        theme.notifier().changed.connect(self._paint_icon)
        self._paint_icon()

    def _pressed(self) -> None:
        if self._press is not None:
            self._press()

    def rename(self, name: str, icon: str = "") -> None:
        """Another name, and another pictogram."""
        self.setToolTip(tip(plain(name)))
        self.setAccessibleName(plain(name))
        if icon:
            self._icon = icon
            self._paint_icon()

    def _paint_icon(self) -> None:
        look = theme.current()
        self.setIcon(icons.icon(self._icon, look.muted, look.faint))


class Glyph(QWidget):
    """A pictogram on a round ground of its tone; turns while it stands for work, unless motion is unwanted.

    Args:
        on_tint: what is around it has its tone already, so its ground is that of cards.
    """

    def __init__(self, icon: str = "folder", tone: str = "idle", size: int = 40, *, on_tint: bool = False) -> None:
        super().__init__()
        self._on_tint = on_tint
        self._icon, self._tone, self._turns, self._angle = icon, tone, False, 0.0
        self.setFixedSize(size, size)
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._turn)
        theme.notifier().changed.connect(self.update)

    def show_state(self, icon: str, tone: str, *, turns: bool = False) -> None:
        """Another pictogram and tone."""
        if (icon, tone, turns) != (self._icon, self._tone, self._turns):
            self._icon, self._tone, self._turns, self._angle = icon, tone, turns, 0.0
            self._set_going()
            self.update()

    def showEvent(self, event: QShowEvent) -> None:
        """Go on turning."""
        super().showEvent(event)
        self._set_going()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing turns unseen."""
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        front, ground = theme.current().tone(self._tone)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.current().surface if self._on_tint else ground))
        painter.drawEllipse(QRectF(self.rect()))
        side = self.width() * 0.54
        painter.translate(self.width() / 2, self.height() / 2)
        painter.rotate(self._angle)
        icons.paint(painter, self._icon, QRectF(-side / 2, -side / 2, side, side), front, 1.9)
        painter.end()

    def _turn(self) -> None:
        self._angle = (self._angle + 9.0) % 360
        self.update()

    def _set_going(self) -> None:
        if self._turns and self.isVisible() and not theme.is_calm():
            self._timer.start()
        else:
            self._timer.stop()


class Bar(QWidget):
    """A thin line that fills; `share` None: work whose end is not known."""

    def __init__(self) -> None:
        super().__init__()
        self._share: float | None = 0.0
        self._tone = "accent"
        self._at = 0.0
        self.setFixedHeight(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._move)
        theme.notifier().changed.connect(self.update)

    @property
    def share(self) -> float | None:
        """How much is done, 0 to 1."""
        return self._share

    def fill(self, share: float | None, tone: str = "accent") -> None:
        """Show so much of it filled."""
        share = None if share is None else min(1.0, max(0.0, share))
        if (share, tone) != (self._share, self._tone):
            self._share, self._tone = share, tone
            self._set_going()
            self.update()

    def showEvent(self, event: QShowEvent) -> None:
        """Go on moving."""
        super().showEvent(event)
        self._set_going()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing moves unseen."""
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.idle_soft))
        whole = QRectF(self.rect())
        painter.drawRoundedRect(whole, 3, 3)
        painter.setBrush(QColor(look.tone(self._tone)[0]))
        if self._share is None:
            wide = whole.width() * 0.28
            start = (whole.width() + wide) * self._at - wide if not theme.is_calm() else 0.0
            painter.setClipRect(whole)
            painter.drawRoundedRect(QRectF(start, 0, wide, whole.height()), 3, 3)
        elif self._share > 0:
            painter.drawRoundedRect(QRectF(0, 0, max(6.0, whole.width() * self._share), whole.height()), 3, 3)
        painter.end()

    def _move(self) -> None:
        self._at = (self._at + 0.025) % 1.0
        self.update()

    def _set_going(self) -> None:
        if self._share is None and self.isVisible() and not theme.is_calm():
            self._timer.start()
        else:
            self._timer.stop()


class Elided(QLabel):
    """One line of text that is cut with "…" where there is no room; the whole of it is the tooltip then."""

    def __init__(self, text: str = "", role: str = "", where: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._whole, self._where = "", where
        if role:
            self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.say(text)

    def say(self, text: str) -> None:
        """Another text."""
        if text != self._whole:
            self._whole = text
            self.setAccessibleName(text)
            self._fit()

    def sizeHint(self) -> QSize:
        """As wide as the whole text, where there is room."""
        return QSize(self.fontMetrics().horizontalAdvance(self._whole) + 2, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """A few letters at least."""
        return QSize(min(60, self.sizeHint().width()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit it anew."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Fit it anew in another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def _fit(self) -> None:
        cut = self.fontMetrics().elidedText(self._whole, self._where, max(0, self.width()))
        if cut != self.text():
            self.setText(cut)
        self.setToolTip(tip(self._whole) if cut != self._whole else "")


class Choice(QComboBox):
    """A box to choose one of a few values; values are strings."""

    chosen = Signal(str)

    def __init__(self, name: str, values: list[tuple[str, str]], value: str = "") -> None:
        super().__init__()
        self.setAccessibleName(plain(name))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for each, text in values:
            self.addItem(text, each)
        self.take(value)
        self.activated.connect(lambda: self.chosen.emit(self.value))

    @property
    def value(self) -> str:
        """What is chosen."""
        return str(self.currentData())

    def take(self, value: str) -> None:
        """Choose a value; one that is not there changes nothing."""
        at = self.findData(value)
        if at >= 0 and at != self.currentIndex():
            self.setCurrentIndex(at)

    def bound(self) -> None:
        """No wider than a dozen letters, however long the texts are; the open list shows them whole."""
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)

    def refill(self, values: list[tuple[str, str]]) -> None:
        """Other values; what was chosen stays if it is among them."""
        now = self.value
        if [(self.itemData(at), self.itemText(at)) for at in range(self.count())] == values:
            return
        self.clear()
        for each, text in values:
            self.addItem(text, each)
        self.take(now)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The box, and our arrow in it."""
        super().paintEvent(event)
        look = theme.current()
        painter = QPainter(self)
        box = QRectF(self.width() - 25, (self.height() - 15) / 2, 15, 15)
        icons.paint(painter, "chevron-down", box, look.muted if self.isEnabled() else look.faint, 2.2)
        painter.end()


class Check(QCheckBox):
    """A box to tick, seen in both looks."""

    def __init__(self, text: str = "", about: str = "") -> None:
        super().__init__(text)
        self.setAccessibleName(plain(text))
        self.setAccessibleDescription(about)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The box as the stylesheet has it, and our tick in it."""
        super().paintEvent(event)
        if not self.isChecked():
            return
        how = QStyleOptionButton()
        self.initStyleOption(how)
        box = QRectF(self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, how, self))
        look = theme.current()
        painter = QPainter(self)
        color = look.on_accent if self.isEnabled() else look.faint
        icons.paint(painter, "check", box.adjusted(2.5, 2.5, -2.5, -2.5), color, 3.2)
        painter.end()


class Switch(QAbstractButton):
    """On or off."""

    def __init__(self, name: str, about: str = "") -> None:
        super().__init__()
        self.setCheckable(True)
        self.setAccessibleName(plain(name))
        self.setAccessibleDescription(about)
        self.setFixedSize(46, 28)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        theme.notifier().changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(4, 4, 38, 20)
        if self.hasFocus():
            painter.setPen(QPen(QColor(look.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(1, 1, 44, 26), 13, 13)
        on = self.isChecked()
        painter.setPen(Qt.PenStyle.NoPen)
        ground = look.accent if on else look.strong
        painter.setBrush(QColor(ground if self.isEnabled() else look.border))
        painter.drawRoundedRect(track, 10, 10)
        painter.setBrush(QColor(look.on_accent if on else look.surface))
        painter.drawEllipse(QRectF(24 if on else 6, 6, 16, 16))
        painter.end()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Look alive."""
        super().enterEvent(event)
        self.update()

    def sizeHint(self) -> QSize:
        """Always the same."""
        return QSize(46, 28)


class Note(QFrame):
    """A tinted part that says something with a pictogram, and offers what to do."""

    def __init__(self, tone: str, icon: str, heading: str = "", text: str = "") -> None:
        super().__init__()
        self.tone = tone
        self.setProperty("role", f"note-{tone}")
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 12, 14, 12)
        row.setSpacing(12)
        self.glyph = Glyph(icon, tone, 32, on_tint=True)
        row.addWidget(self.glyph, 0, Qt.AlignmentFlag.AlignTop)
        self.rows = QVBoxLayout()
        self.rows.setSpacing(6)
        row.addLayout(self.rows, 1)
        self.heading, self.text = label(heading, "strong"), label(text)
        self.rows.addWidget(self.heading)
        self.rows.addWidget(self.text)
        self.say(heading, text)

    def say(self, heading: str, text: str = "") -> None:
        """Other words."""
        for each, words in ((self.heading, heading), (self.text, text)):
            each.setText(words)
            each.setVisible(bool(words))
        self.setAccessibleName(heading)
        self.setAccessibleDescription(text)

    def buttons(self, *buttons: QWidget) -> None:
        """Put these below the words."""
        row = QHBoxLayout()
        row.setContentsMargins(0, 4, 0, 0)
        row.setSpacing(8)
        for each in buttons:
            row.addWidget(each)
        row.addStretch(1)
        self.rows.addLayout(row)


class Empty(QWidget):
    """What a page shows when there is nothing on it: a pictogram, words, and perhaps a first step."""

    def __init__(self, icon: str, heading: str, text: str, tone: str = "accent", button: QWidget | None = None) -> None:
        super().__init__()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(24, 24, 24, 56)
        rows.setSpacing(10)
        rows.addStretch(1)
        self.glyph = Glyph(icon, tone, 72)
        rows.addWidget(self.glyph, 0, Qt.AlignmentFlag.AlignHCenter)
        rows.addSpacing(8)
        self.heading, self.text = label(heading, "heading"), label(text, "muted")
        for each in (self.heading, self.text):
            each.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
            each.setFixedWidth(420)
            # Without an alignment of its own, so that the layout asks how high it is at this width.
            line = QHBoxLayout()
            line.addStretch(1)
            line.addWidget(each)
            line.addStretch(1)
            rows.addLayout(line)
        if button is not None:
            rows.addSpacing(6)
            rows.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        rows.addStretch(2)

    def say(self, heading: str, text: str) -> None:
        """Other words."""
        self.heading.setText(heading)
        self.text.setText(text)


class Scroller(QScrollArea):
    """A column of things that scrolls when it is long; put them into `rows`."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        inside.setObjectName("scrolled")
        outer = QHBoxLayout(inside)
        outer.setContentsMargins(0, 0, 0, 0)
        column = QWidget()
        column.setMaximumWidth(WIDEST)
        outer.addWidget(column, 1000)
        outer.addStretch(1)
        self.rows = QVBoxLayout(column)
        self.rows.setContentsMargins(0, 0, 14, 24)
        self.rows.setSpacing(12)
        self.setWidget(inside)


def page_layout(page: QWidget, title: str, subtitle: str = "") -> tuple[QVBoxLayout, QHBoxLayout, Elided]:
    """The usual frame of a page: its column, the row of the title (for buttons at the right), and the subtitle's label."""
    column = QVBoxLayout(page)
    column.setContentsMargins(32, 26, 18, 0)
    column.setSpacing(14)
    head = QHBoxLayout()
    head.setContentsMargins(0, 0, 14, 0)
    head.setSpacing(8)
    words = QVBoxLayout()
    words.setSpacing(2)
    name = label(title, "title", wrap=False)
    below = Elided(subtitle, "subtitle", Qt.TextElideMode.ElideRight)
    below.setVisible(bool(subtitle))
    words.addWidget(name)
    words.addWidget(below)
    head.addLayout(words, 1)
    column.addLayout(head)
    page.setAccessibleName(title)
    return column, head, below
