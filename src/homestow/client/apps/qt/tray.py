"""The icon in the desktop's tray: state at a glance, and the most wanted orders in a menu."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from homestow.client.apps.qt import icons
from homestow.client.apps.qt.balloons import Kind
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.opening import open_path
from homestow.client.apps.qt.wording import AT_WORK, name_of, progress_of, state_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import JobNow, Pause, Start

MOST_JOBS: Final = 20
_SHOW_MS: Final = 500
_STATES: Final = (*icons.BADGES, "none")


class Tray(QObject):
    """The tray icon; where there is no tray it is not shown, and nothing else is missed.

    Args:
        show: brings the window to the front, on a page.
    """

    quit_wanted = Signal(bool)
    """True: the service shall end too."""

    def __init__(self, model: Model, texts: Texts, show: Callable[[str], None], parent: QObject) -> None:
        super().__init__(parent)
        self._model, self._texts, self._show = model, texts, show
        self._icons: dict[str, QIcon] = {}
        self._state = ""
        self.icon = QSystemTrayIcon(self)
        self.menu = QMenu()
        self.menu.aboutToShow.connect(self.fill)
        self.icon.setContextMenu(self.menu)
        self.icon.activated.connect(self._activated)
        self.icon.messageClicked.connect(lambda: show(""))
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SHOW_MS)
        self._soon.timeout.connect(self._follow)
        model.connection_changed.connect(self._follow)
        model.jobs_changed.connect(self._later)
        model.progress_changed.connect(self._later)
        self._follow()
        self.fill()
        if QSystemTrayIcon.isSystemTrayAvailable():
            self.icon.show()

    @property
    def shown(self) -> bool:
        """Whether there is a tray that shows it."""
        return self.icon.isVisible() and QSystemTrayIcon.isSystemTrayAvailable()

    @property
    def state(self) -> str:
        """What it shows: a word of `GeneralText`, or "gone"."""
        return self._state

    def close(self) -> None:
        """Take it away."""
        self.icon.hide()
        self.menu.deleteLater()

    def tell(self, heading: str, text: str, kind: Kind) -> None:
        """Show a balloon, where there is a tray that can."""
        if self.shown:
            signs = QSystemTrayIcon.MessageIcon
            self.icon.showMessage(heading, text, signs.Warning if kind == "warning" else signs.Information)

    def fill(self) -> None:
        """Make the menu anew."""
        texts, model, menu = self._texts, self._model, self.menu
        menu.clear()
        self._entry(texts("tray.open"), lambda: self._show(""))
        menu.addSeparator()
        if not model.connected:
            self._entry(texts("window.no-service"), None)
            if model.can_launch:
                self._entry(texts("window.start-service"), model.launch)
        elif not model.jobs:
            self._entry(texts("general.none"), None)
        else:
            for job in model.jobs[:MOST_JOBS]:
                menu.addMenu(self._job_menu(job))
            if len(model.jobs) > MOST_JOBS:
                self._entry(texts("tray.more", n=len(model.jobs) - MOST_JOBS), lambda: self._show("folders"))
            menu.addSeparator()
            going = any(not job.paused for job in model.jobs if job.state != "off")
            self._entry(texts("folders.pause-all"), lambda: model.ask(Pause()), going)
            still = any(job.paused for job in model.jobs)
            self._entry(texts("folders.resume-all"), lambda: model.ask(Start()), still)
        menu.addSeparator()
        self._entry(texts("nav.settings"), lambda: self._show("settings"))
        self._entry(texts("tray.quit-window"), lambda: self.quit_wanted.emit(False))
        self._entry(texts("tray.quit-all"), lambda: self.quit_wanted.emit(True), model.connected)

    def _entry(self, text: str, deed: Callable[[], object] | None, may: bool = True) -> None:
        action = QAction(text, self.menu)
        action.setEnabled(may and deed is not None)
        if deed is not None:
            action.triggered.connect(lambda _=False: deed())
        self.menu.addAction(action)

    def _job_menu(self, job: JobNow) -> QMenu:
        texts, model = self._texts, self._model
        menu = QMenu(f"{_doubled(name_of(job.config))} – {texts(f'state.{job.state}')}", self.menu)
        status = QAction(self._status(job), menu)
        status.setEnabled(False)
        menu.addAction(status)
        menu.addSeparator()
        opened = QAction(texts("folders.open"), menu)
        opened.triggered.connect(lambda _=False: open_path(job.config.directory))
        menu.addAction(opened)
        go = QAction(texts("folders.resume") if job.paused else texts("folders.pause"), menu)
        go.setEnabled(job.state != "off")
        go.triggered.connect(lambda _=False: model.ask(Start(job=job.id) if job.paused else Pause(job=job.id)))
        menu.addAction(go)
        return menu

    def _status(self, job: JobNow) -> str:
        far = progress_of(self._texts, job.progress) if job.state in AT_WORK else ""
        return _doubled(far or state_of(self._texts, job))

    def _later(self) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def _follow(self) -> None:
        model, texts = self._model, self._texts
        state = model.general if model.connected else "gone"
        if state != self._state:
            self._state = state
            if state not in self._icons:
                self._icons[state] = icons.tray_icon(state)
            self.icon.setIcon(self._icons[state])
        words = texts(f"general.{model.general}") if model.connected else texts("window.no-service")
        far = progress_of(texts, model.progress) if model.connected and model.general == "syncing" else ""
        lines = ["Homestow", f"{words} · {far}" if far else words]
        if model.connected:
            lines += [f"{name_of(job.config)}: {texts(f'state.{job.state}')}" for job in model.jobs[:5]]
        tip = "\n".join(lines)
        if tip != self.icon.toolTip():
            self.icon.setToolTip(tip)

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self._show("")


def _doubled(text: str) -> str:
    """A text that is no mnemonic."""
    return text.replace("&", "&&")
