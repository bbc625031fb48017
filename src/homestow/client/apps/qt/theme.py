"""How the window looks: two palettes, one stylesheet, and which of them holds now."""

import os
from dataclasses import dataclass
from typing import Final, Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyle

Choice = Literal["system", "light", "dark"]

# Fonts of desktops, for a screen where none is set; those that are missing are passed over.
_FAMILIES: Final = ("Inter", "Noto Sans", "Cantarell", "Ubuntu", "Segoe UI", "DejaVu Sans", "Noto Sans CJK SC")


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of one appearance, as #RRGGBB. Text on its ground has a contrast of 4.5 or more in both.

    `good`, `busy`, `warn`, `bad`, `idle` are the five tones of states; each has a `_soft` ground of its own.
    """

    dark: bool
    window: str
    side: str
    surface: str
    hover: str
    border: str
    strong: str
    text: str
    muted: str
    faint: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_soft: str
    good: str
    good_soft: str
    busy: str
    busy_soft: str
    warn: str
    warn_soft: str
    bad: str
    bad_soft: str
    idle: str
    idle_soft: str

    def tone(self, name: str) -> tuple[str, str]:
        """Colour and soft ground of a tone: good, busy, warn, bad, idle, accent."""
        match name:
            case "good":
                return self.good, self.good_soft
            case "busy":
                return self.busy, self.busy_soft
            case "warn":
                return self.warn, self.warn_soft
            case "bad":
                return self.bad, self.bad_soft
            case "accent":
                return self.accent, self.accent_soft
            case _:
                return self.idle, self.idle_soft


LIGHT: Final = Look(
    dark=False,
    window="#F5F7F6",
    side="#EBEFED",
    surface="#FFFFFF",
    hover="#EFF3F1",
    border="#DEE4E1",
    strong="#7C8983",
    text="#16211D",
    muted="#55635D",
    faint="#9AA6A0",
    accent="#0B6E5F",
    accent_hover="#095A4E",
    on_accent="#FFFFFF",
    accent_soft="#DCEFEA",
    good="#137545",
    good_soft="#E0F3E8",
    busy="#1B5FC1",
    busy_soft="#E3EDFB",
    warn="#8A5600",
    warn_soft="#FBF1DC",
    bad="#B3261E",
    bad_soft="#FBE7E5",
    idle="#55635D",
    idle_soft="#E8EDEA",
)
DARK: Final = Look(
    dark=True,
    window="#121716",
    side="#0D1211",
    surface="#1A2120",
    hover="#232C2A",
    border="#2B3533",
    strong="#6E7D78",
    text="#E6ECEA",
    muted="#A0AEA9",
    faint="#6A7873",
    accent="#4FC3AE",
    accent_hover="#6CD3C0",
    on_accent="#06231D",
    accent_soft="#17352F",
    good="#5FCB8D",
    good_soft="#163324",
    busy="#84B3FF",
    busy_soft="#1B2B47",
    warn="#F0B75C",
    warn_soft="#38290F",
    bad="#FF8F86",
    bad_soft="#421F1C",
    idle="#A0AEA9",
    idle_soft="#27302E",
)


class Notifier(QObject):
    """Tells that the look changed."""

    changed = Signal()


class Theme:
    """The look that holds in this process."""

    def __init__(self) -> None:
        self.choice: Choice = "system"
        self.look = LIGHT
        self.notifier: Notifier | None = None


_theme = Theme()


def current() -> Look:
    """The colours that hold now."""
    return _theme.look


def notifier() -> Notifier:
    """Whose `changed` tells what paints itself to do it anew."""
    if _theme.notifier is None:
        _theme.notifier = Notifier()
    return _theme.notifier


def chosen() -> Choice:
    """What was chosen: "system" follows the desktop."""
    return _theme.choice


def color(name: str) -> QColor:
    """A colour of the present look by its name."""
    return QColor(getattr(_theme.look, name))


def is_calm() -> bool:
    """Whether motion shall be left out: the desktop says so, or HOMESTOW_REDUCED_MOTION does."""
    app = QApplication.instance()
    if os.environ.get("HOMESTOW_REDUCED_MOTION", "") not in ("", "0") or not isinstance(app, QApplication):
        return True
    return app.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0


def begin(app: QApplication, choice: Choice = "system") -> None:
    """Give the application its look, and follow the desktop's from now on unless `choice` forces one."""
    app.setStyle("Fusion")
    _theme.choice = choice
    font = app.font()
    if font.family() in ("Sans Serif", "Sans", "sans-serif", ""):
        font.setFamilies([*_FAMILIES, font.family()])
        font.setPointSizeF(max(10.0, font.pointSizeF()))
    font.setStyleStrategy(QFont.StyleStrategy.PreferAntialias)
    app.setFont(font)
    QGuiApplication.styleHints().colorSchemeChanged.connect(_follow)
    _put_on(app)


def choose(choice: Choice) -> None:
    """Force a look, or follow the desktop's again."""
    _theme.choice = choice
    _follow()


def _follow() -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication) and _wanted() is not _theme.look:
        _put_on(app)
        notifier().changed.emit()


def _wanted() -> Look:
    if _theme.choice != "system":
        return DARK if _theme.choice == "dark" else LIGHT
    return DARK if QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark else LIGHT


def _put_on(app: QApplication) -> None:
    _theme.look = _wanted()
    app.setPalette(palette(_theme.look))
    app.setStyleSheet(stylesheet(_theme.look, app.font().pointSizeF()))


def palette(look: Look) -> QPalette:
    """The look for what Qt paints by itself."""
    made = QPalette()
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    for which, name in (
        (role.Window, look.window),
        (role.WindowText, look.text),
        (role.Base, look.surface),
        (role.AlternateBase, look.hover),
        (role.Text, look.text),
        (role.PlaceholderText, look.muted),
        (role.Button, look.surface),
        (role.ButtonText, look.text),
        (role.ToolTipBase, look.text),
        (role.ToolTipText, look.window),
        (role.Highlight, look.accent),
        (role.HighlightedText, look.on_accent),
        (role.Accent, look.accent),
        (role.Link, look.accent),
        (role.LinkVisited, look.accent),
        (role.Mid, look.border),
        (role.Dark, look.strong),
        (role.Light, look.hover),
        (role.Midlight, look.hover),
        (role.Shadow, look.border),
    ):
        made.setColor(which, QColor(name))
    for which in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(group.Disabled, which, QColor(look.faint))
    return made


def stylesheet(look: Look, points: float) -> str:
    """The stylesheet; `points` is the size of ordinary text."""
    sizes = {"small": points * 0.9, "large": points * 1.12, "heading": points * 1.2, "title": points * 1.75}
    values = {name: getattr(look, name) for name in Look.__slots__} | {k: f"{v:.1f}pt" for k, v in sizes.items()}
    text = _SHEET
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f"@{name}@", str(values[name]))
    return text


_SHEET: Final = """
QToolTip { background: @text@; color: @window@; border: none; padding: 5px 8px; border-radius: 6px; }
QWidget#side { background: @side@; border-right: 1px solid @border@; }
QLabel { background: transparent; }
QLabel[role="title"] { font-size: @title@; font-weight: 600; }
QLabel[role="heading"] { font-size: @heading@; font-weight: 600; }
QLabel[role="strong"] { font-weight: 600; }
QLabel[role="subtitle"], QLabel[role="muted"] { color: @muted@; }
QLabel[role="small"] { color: @muted@; font-size: @small@; }
QLabel[role="good"] { color: @good@; } QLabel[role="busy"] { color: @busy@; } QLabel[role="warn"] { color: @warn@; }
QLabel[role="bad"], QLabel[role="error"] { color: @bad@; }
QLabel[role="brand"] { font-size: @heading@; font-weight: 700; }
QLabel[role="badge"] { background: @warn_soft@; color: @warn@; border-radius: 7px; padding: 1px 7px; font-size: @small@;
  font-weight: 600; }

QFrame[role="card"] { background: @surface@; border: 1px solid @border@; border-radius: 12px; }
QFrame[role="line"] { background: @border@; border: none; max-height: 1px; min-height: 1px; }
QFrame[role="note-warn"] { background: @warn_soft@; border: none; border-radius: 10px; }
QFrame[role="note-bad"] { background: @bad_soft@; border: none; border-radius: 10px; }
QFrame[role="note-busy"] { background: @busy_soft@; border: none; border-radius: 10px; }
QFrame[role="note-idle"] { background: @idle_soft@; border: none; border-radius: 10px; }
QFrame[role="note-good"] { background: @good_soft@; border: none; border-radius: 10px; }
QFrame[role="banner"] { background: @warn_soft@; border: none; border-bottom: 1px solid @border@; }

QPushButton, QToolButton { background: @surface@; color: @text@; border: 1px solid @border@; border-radius: 8px;
  padding: 6px 13px; }
QPushButton { min-height: 20px; }
QToolButton { padding: 6px; }
QPushButton:hover, QToolButton:hover { background: @hover@; border-color: @strong@; }
QPushButton:pressed, QToolButton:pressed { background: @border@; }
QPushButton:disabled, QToolButton:disabled { color: @faint@; border-color: @border@; background: transparent; }
QPushButton:focus, QToolButton:focus { border: 2px solid @accent@; padding: 5px 12px; outline: none; }
QToolButton:focus { padding: 5px; }
QToolButton::menu-indicator { image: none; width: 0; }
QPushButton::menu-indicator { image: none; width: 0; }
QPushButton[role="primary"] { background: @accent@; color: @on_accent@; border-color: @accent@; font-weight: 600; }
QPushButton[role="primary"]:hover { background: @accent_hover@; border-color: @accent_hover@; }
QPushButton[role="primary"]:focus { border: 2px solid @text@; }
QPushButton[role="primary"]:disabled { background: @idle_soft@; border-color: @idle_soft@; color: @faint@; }
QPushButton[role="danger"] { color: @bad@; }
QPushButton[role="danger"]:hover { background: @bad_soft@; border-color: @bad@; }
QPushButton[role="quiet"], QToolButton[role="quiet"] { background: transparent; border-color: transparent; }
QPushButton[role="quiet"]:hover, QToolButton[role="quiet"]:hover { background: @hover@; }
QPushButton[role="quiet"]:focus, QToolButton[role="quiet"]:focus { border-color: @accent@; }
QPushButton[role="link"] { background: transparent; border: 1px solid transparent; color: @accent@; padding: 2px 4px; }
QPushButton[role="link"]:hover { text-decoration: underline; }
QPushButton[role="link"]:focus { border: 2px solid @accent@; padding: 1px 3px; }
QPushButton[role="nav"] { background: transparent; border: 2px solid transparent; border-radius: 9px; padding: 8px 10px;
  text-align: left; }
QPushButton[role="nav"]:hover { background: @hover@; }
QPushButton[role="nav"]:checked { background: @accent_soft@; color: @accent@; font-weight: 600; }
QPushButton[role="nav"]:focus { border-color: @accent@; }
QPushButton[role="nav"]:disabled { background: transparent; }
QPushButton[role="segment"] { border-radius: 8px; padding: 5px 12px; background: transparent; border-color: transparent; }
QPushButton[role="segment"]:hover { background: @hover@; }
QPushButton[role="segment"]:checked { background: @accent_soft@; color: @accent@; font-weight: 600; }
QPushButton[role="segment"]:focus { border: 2px solid @accent@; padding: 4px 11px; }

QLineEdit, QPlainTextEdit, QTextEdit, QSpinBox, QTimeEdit, QComboBox { background: @surface@; color: @text@;
  border: 1px solid @strong@; border-radius: 8px; padding: 6px 9px; selection-background-color: @accent@;
  selection-color: @on_accent@; }
QLineEdit, QSpinBox, QTimeEdit, QComboBox { min-height: 20px; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QSpinBox:focus, QTimeEdit:focus, QComboBox:focus {
  border: 2px solid @accent@; padding: 5px 8px; }
QLineEdit:disabled, QSpinBox:disabled, QTimeEdit:disabled, QComboBox:disabled, QPlainTextEdit:disabled { color: @faint@;
  border-color: @border@; background: transparent; }
QLineEdit[wrong="true"], QSpinBox[wrong="true"] { border-color: @bad@; }
QComboBox { padding-right: 28px; }
QComboBox:focus { padding-right: 27px; }
QComboBox::drop-down { border: none; width: 26px; }
QComboBox::down-arrow { image: none; }
QComboBox QAbstractItemView { background: @surface@; border: 1px solid @border@; outline: none; padding: 4px;
  selection-background-color: @accent_soft@; selection-color: @text@; }
QSpinBox::up-button, QSpinBox::down-button, QTimeEdit::up-button, QTimeEdit::down-button { width: 0; border: none; }
QCheckBox, QRadioButton { spacing: 9px; padding: 3px 2px; border: 2px solid transparent; border-radius: 6px; }
QCheckBox:focus, QRadioButton:focus { border-color: @accent@; }
QCheckBox::indicator { width: 17px; height: 17px; border: 1px solid @strong@; border-radius: 5px; background: @surface@; }
QCheckBox::indicator:hover { background: @hover@; }
QCheckBox::indicator:checked { background: @accent@; border-color: @accent@; }
QCheckBox::indicator:disabled { background: @idle_soft@; border-color: @border@; }
QCheckBox:disabled, QRadioButton:disabled { color: @faint@; }

QListView, QTreeView { background: @surface@; border: 1px solid @border@; border-radius: 12px; outline: none; padding: 4px; }
QListView:focus, QTreeView:focus { border: 2px solid @accent@; padding: 3px; }
QListView[role="plain"], QTreeView[role="plain"] { border: none; background: transparent; padding: 0; }
QTreeView::item, QListWidget::item { padding: 5px 6px; border-radius: 6px; }
QTreeView::item:selected, QListWidget::item:selected { background: @accent_soft@; color: @text@; }
QTreeView::item:hover:!selected, QListWidget::item:hover:!selected { background: @hover@; }
QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget#scrolled { background: transparent; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 2px; }
QScrollBar::handle:vertical { background: @faint@; border-radius: 4px; min-height: 34px; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 2px; }
QScrollBar::handle:horizontal { background: @faint@; border-radius: 4px; min-width: 34px; }
QScrollBar::handle:hover { background: @strong@; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QMenu { background: @surface@; border: 1px solid @border@; border-radius: 8px; padding: 5px; }
QMenu::item { padding: 7px 26px 7px 12px; border-radius: 6px; }
QMenu::item:selected { background: @accent_soft@; color: @text@; }
QMenu::item:disabled { color: @muted@; }
QMenu::icon { padding-left: 8px; }
QMenu::separator { height: 1px; background: @border@; margin: 5px 8px; }
QDialog { background: @window@; }
QProgressBar { background: @idle_soft@; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: @accent@; border-radius: 3px; }
"""
