"""The main window: a calm navigation at the left, one page at a time at the right, and a banner when the service is away.

What pages and dialogs are, so that they can be written apart:

- A *page* is a `QWidget` made by `Page(model, texts)` when it is first wanted. It fills the space at the right, margins of its
  own (`widgets.page_layout` gives the usual ones and the title). It may have a method `arrived() -> None`, called each time it
  comes to the front. Pages are made anew when the language changes. `conflicts.ConflictsPage(model, texts)` is one.
- A *dialog* is a `QDialog` made by `Dialog(model, texts, ..., parent)` and shown by `open()` (never `exec()`: the window stays
  alive): `wizard.Wizard(model, texts, parent)`, whose `accepted` means that a job was added, `made: str | None` is its id;
  `share.ShareDialog(model, texts, job_id, path, parent)`, `path` with "/" below the job's folder.
- *model*: `model.Model`: `jobs`, `job(id)`, `general`, `progress`, `settings`, `connected`, the signals `jobs_changed`,
  `progress_changed`, `events_came`, `settings_changed`, `connection_changed`, and `ask(order, then, failed, owner=self)`, which
  never waits: `then(gave)` or `failed(refused)` is called in the window's thread.
- *texts*: `apps.texts.Texts`: `texts("folders.pause")`, `texts("folders.files", n=3)`, `texts.told(code, message, path=…)`.
- *look*: `theme.current()` gives the colours (`look.accent`, `look.muted`, …); widgets take them from the stylesheet by the
  dynamic property `role` ("title", "subtitle", "heading", "muted", "card", "primary", "danger", "quiet", "link", …), never by
  colours of their own, so that dark and light can change while the window is open. What paints itself listens to
  `theme.notifier().changed`. Icons: `icons.icon("pause")`, names in `icons.NAMES`.
- A page may have a signal `wanted(str, str)`: show the page of that name ("folders", "activity", "problems", "conflicts",
  "settings") and there the job of that id ("" all); a page that can do so has a method `show_job(job_id)`.
- Each control has an `accessibleName` (its text counts), each action a place in the tab order or a shortcut.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

from PySide6.QtCore import QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QCloseEvent, QKeySequence, QPixmap, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt import icons
from homestow.client.apps.qt.forms import label
from homestow.client.apps.qt.model import Connection, Model
from homestow.client.apps.qt.widgets import Button, Elided, Empty, Glyph, Note, Tool, plain
from homestow.client.apps.qt.wording import GENERAL
from homestow.client.apps.texts import Texts
from homestow.wire.control import Refused

_PAGES: Final[tuple[tuple[str, str, str], ...]] = (
    ("folders", "folder", "FoldersPage"),
    ("activity", "activity", "ActivityPage"),
    ("problems", "problem", "ProblemsPage"),
    ("conflicts", "conflict", "ConflictsPage"),
    ("settings", "settings", "SettingsPage"),
)
"""Name and module of each page, its pictogram, its class."""

_AHEAD_MS: Final = 700
"""Between two modules of pages that are loaded before they are wanted, while nothing else is to be done."""

_SHOWN_MS: Final = 12_000
"""So long a message stays at the foot of the window."""


class MainWindow(QWidget):
    """The one window; closing only hides it, what that means is decided by who hears `closed`."""

    closed = Signal()
    quit_wanted = Signal(bool)
    """True: the service shall end too."""

    def __init__(self, model: Model, texts: Texts) -> None:
        super().__init__()
        self._model, self._texts = model, texts
        self._pages: dict[str, QWidget] = {}
        self._navs: dict[str, Button] = {}
        self._badges: dict[str, QLabel] = {}
        self.page = "folders"
        self.setWindowTitle("Homestow")
        self.setWindowIcon(icons.app_icon())
        self.setMinimumSize(760, 520)
        self.resize(QSize(1060, 720))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._side())
        right = QVBoxLayout()
        right.setSpacing(0)
        self._banner = _Banner(texts, model.launch)
        right.addWidget(self._banner)
        self._stack = QStackedWidget()
        self._start = Empty("sync", texts("window.connecting"), texts("window.connecting-about"))
        self._away = Empty(
            "offline",
            texts("window.away"),
            texts("window.away-about"),
            "idle",
            button=Button(texts("window.start-service"), "primary", "play", press=model.launch),
        )
        self._stack.addWidget(self._start)
        self._stack.addWidget(self._away)
        right.addWidget(self._stack, 1)
        self._foot = _Foot(texts)
        self._ahead = QTimer(self)
        self._ahead.setInterval(_AHEAD_MS)
        self._ahead.timeout.connect(self._load_ahead)
        right.addWidget(self._foot)
        row.addLayout(right, 1)
        self._add_shortcuts()
        model.connection_changed.connect(self._show_connection)
        model.jobs_changed.connect(self._show_general)
        model.refused.connect(self._tell_refused)
        self._show_general()
        self._show_connection()

    # --- pages --------------------------------------------------------------------------------------------------------

    def go(self, name: str, job_id: str | None = None) -> None:
        """Bring a page to the front, made if it is not yet; with the job of that id, "" all jobs, None: as it was."""
        self.page = name
        self._navs[name].setChecked(True)
        if not self._may_show_pages():
            return
        page = self._pages.get(name)
        if page is None:
            _, _, kind = next(entry for entry in _PAGES if entry[0] == name)
            page = getattr(import_module(f"{__package__}.{name}"), kind)(self._model, self._texts)
            wanted = getattr(page, "wanted", None)
            if wanted is not None:
                wanted.connect(self.go)
            quit_wanted = getattr(page, "quit_wanted", None)
            if quit_wanted is not None:
                quit_wanted.connect(lambda: self.quit_wanted.emit(True))
            self._pages[name] = page
            self._stack.addWidget(page)
            self._ahead.start()
        self._stack.setCurrentWidget(page)
        show_job: Callable[[str], Any] | None = getattr(page, "show_job", None)
        if job_id is not None and show_job is not None:
            show_job(job_id)
        arrived: Callable[[], Any] | None = getattr(page, "arrived", None)
        if arrived is not None:
            arrived()

    def _load_ahead(self) -> None:
        """Load the module of one more page, so that going there the first time does not stutter."""
        for name, _, _ in _PAGES:
            module = f"{__package__}.{name}"
            if module not in sys.modules:
                import_module(module)
                return
        self._ahead.stop()

    def find_page(self, name: str) -> QWidget | None:
        """A page that was made already."""
        return self._pages.get(name)

    def say(self, tone: str, icon: str, heading: str, text: str = "") -> None:
        """Show a message at the foot of the window for a while."""
        self._foot.say(tone, icon, heading, text)

    def raise_up(self) -> None:
        """Show the window in front of all others."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hide where a tray icon brings it back, else end; the service goes on in any case."""
        self.remember()
        super().closeEvent(event)
        self.closed.emit()

    def remember(self) -> None:
        """Keep size and place for the next time."""
        QSettings("Homestow", "window").setValue("geometry", self.saveGeometry())

    def restore(self) -> None:
        """As large and where it was the last time."""
        kept = QSettings("Homestow", "window").value("geometry")
        if kept is not None:
            self.restoreGeometry(kept)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _side(self) -> QWidget:
        texts = self._texts
        side = QWidget()
        side.setObjectName("side")
        side.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        side.setFixedWidth(216)
        rows = QVBoxLayout(side)
        rows.setContentsMargins(12, 20, 12, 14)
        rows.setSpacing(3)
        brand = QHBoxLayout()
        brand.setContentsMargins(8, 0, 0, 14)
        brand.setSpacing(10)
        mark = QLabel()
        mark.setPixmap(_mark(28, self.devicePixelRatioF()))
        brand.addWidget(mark)
        brand.addWidget(label("Homestow", "brand", wrap=False))
        brand.addStretch(1)
        rows.addLayout(brand)
        group = QButtonGroup(self)
        names = {
            "folders": texts("nav.folders"),
            "activity": texts("nav.activity"),
            "problems": texts("nav.problems"),
            "conflicts": texts("nav.conflicts"),
            "settings": texts("nav.settings"),
        }
        for number, (name, icon, _) in enumerate(_PAGES, 1):
            if name == "settings":
                rows.addStretch(1)
            nav = Button(names[name], "nav", icon)
            nav.setCheckable(True)
            nav.setToolTip(f"Ctrl+{number}")
            nav.clicked.connect(lambda _=False, name=name: self.go(name))
            group.addButton(nav)
            badge = label("", "badge", wrap=False)
            badge.setVisible(False)
            inside = QHBoxLayout(nav)
            inside.setContentsMargins(0, 0, 10, 0)
            inside.addStretch(1)
            inside.addWidget(badge, 0, Qt.AlignmentFlag.AlignVCenter)
            self._navs[name], self._badges[name] = nav, badge
            rows.addWidget(nav)
        rows.addWidget(self._status())
        self._navs["folders"].setChecked(True)
        return side

    def _status(self) -> QWidget:
        part = QFrame()
        part.setProperty("role", "side-status")
        row = QHBoxLayout(part)
        row.setContentsMargins(8, 10, 4, 2)
        row.setSpacing(9)
        self._state_glyph = Glyph("sync", "idle", 26)
        self._state = Elided(role="muted", where=Qt.TextElideMode.ElideRight)
        row.addWidget(self._state_glyph)
        row.addWidget(self._state, 1)
        return part

    def _add_shortcuts(self) -> None:
        def on(keys: QKeySequence | QKeySequence.StandardKey | str, what: Callable[[], object]) -> None:
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.activated.connect(what)

        for number, (name, _, _) in enumerate(_PAGES, 1):
            on(f"Ctrl+{number}", partial(self.go, name))
        on("Ctrl+,", lambda: self.go("settings"))
        on(QKeySequence.StandardKey.New, self.add_folder)
        on(QKeySequence.StandardKey.Close, self.close)
        on(QKeySequence.StandardKey.Quit, lambda: self.quit_wanted.emit(False))

    def add_folder(self) -> None:
        """Begin the wizard."""
        self.go("folders")
        add: Callable[[], Any] | None = getattr(self._pages.get("folders"), "add", None)
        if add is not None and self._model.connected:
            add()

    # --- what the model tells -----------------------------------------------------------------------------------------

    def _may_show_pages(self) -> bool:
        return self._model.connected or bool(self._pages)

    def _show_connection(self) -> None:
        model, texts = self._model, self._texts
        first = not self._may_show_pages()
        if model.connected:
            # The first page is made after this event, so that the frame is painted at once.
            QTimer.singleShot(0, self, lambda: self.go(self.page) if self._model.connected else None)
        elif first:
            starting = model.launching or model.connection is Connection.STARTING
            self._start.glyph.show_state("sync", "accent", turns=True)
            if model.launching:
                self._start.say(texts("window.launching"), texts("window.launching-about"))
            self._stack.setCurrentWidget(self._start if starting else self._away)
        self._banner.show_connection(model.connection, model.launching, model.can_launch, wanted=not first)
        self._show_general()

    def _show_general(self) -> None:
        model, texts = self._model, self._texts
        icon, tone = GENERAL[model.general] if model.connected else ("offline", "idle")
        turns = model.connected and model.general in ("syncing", "starting")
        self._state_glyph.show_state(icon, tone, turns=turns)
        words = texts(f"general.{model.general}") if model.connected else texts("window.no-service")
        if model.launching or model.connection is Connection.STARTING:
            words = texts("window.connecting")
        self._state.say(words)
        counts = {
            "problems": sum(job.problems for job in model.jobs),
            "conflicts": sum(job.conflicts for job in model.jobs),
        }
        for name, many in counts.items():
            badge, nav = self._badges[name], self._navs[name]
            badge.setText(f"{many:,}")
            badge.setVisible(many > 0)
            nav.setAccessibleName(f"{plain(nav.text())}: {many}" if many else plain(nav.text()))

    def _tell_refused(self, refused: Refused) -> None:
        told = self._texts.told(refused.code, refused.message)
        self.say("bad", "alert", told.what, told.todo)


class _Banner(QFrame):
    """Says across the top that the service is away, and offers to start it."""

    def __init__(self, texts: Texts, launch: Callable[[], None]) -> None:
        super().__init__()
        self._texts = texts
        self.setProperty("role", "banner")
        row = QHBoxLayout(self)
        row.setContentsMargins(32, 10, 24, 10)
        row.setSpacing(12)
        self._glyph = Glyph("offline", "warn", 32, on_tint=True)
        self._text = label("")
        self._start = Button(texts("window.start-service"), "primary", "play", press=launch)
        row.addWidget(self._glyph)
        row.addWidget(self._text, 1)
        row.addWidget(self._start)
        self.setVisible(False)

    def show_connection(self, connection: Connection, launching: bool, can_launch: bool, *, wanted: bool) -> None:
        """Show it where it is wanted and the service is away."""
        shown = wanted and connection is not Connection.CONNECTED
        if shown:
            self._text.setText(self._texts("window.launching") if launching else self._texts("banner.away"))
            self._glyph.show_state("sync" if launching else "offline", "warn", turns=launching)
            self._start.setVisible(can_launch and not launching)
            self.setAccessibleName(self._text.text())
        if shown and self.isHidden():
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))
        self.setVisible(shown)


class _Foot(QWidget):
    """A message at the foot of the window; goes by itself, or when it is closed."""

    def __init__(self, texts: Texts) -> None:
        super().__init__()
        self._close = texts("button.close")
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(32, 8, 32, 16)
        self._note: Note | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hush)
        self.setVisible(False)

    def say(self, tone: str, icon: str, heading: str, text: str) -> None:
        """Show a message in place of the last."""
        self.hush()
        note = self._note = Note(tone, icon, heading, text)
        layout = note.layout()
        if layout is not None:
            layout.addWidget(Tool("cross", self._close, press=self.hush))
        self._rows.addWidget(note)
        self.setVisible(True)
        self._timer.start(_SHOWN_MS)
        QAccessible.updateAccessibility(QAccessibleEvent(note, QAccessible.Event.Alert))

    def hush(self) -> None:
        """Take it away."""
        self._timer.stop()
        if self._note is not None:
            self._note.hide()
            self._note.deleteLater()
            self._note = None
        self.setVisible(False)


def _mark(size: int, ratio: float) -> QPixmap:
    from PySide6.QtCore import QRectF
    from PySide6.QtGui import QPainter

    pixels = round(size * ratio)
    picture = QPixmap(pixels, pixels)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    icons.paint_mark(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture
