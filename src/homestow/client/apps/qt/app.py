"""The window's process: one application, one window per service, a tray icon."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from homestow import __version__
from homestow.client.apps.qt import icons, theme
from homestow.client.apps.qt.model import Connection, Line, Model
from homestow.client.apps.qt.window import MainWindow
from homestow.client.apps.texts import Language, Texts, desktop_languages, language_of


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the window begins.

    Attributes:
        launch_at_once: start the service when none runs.
        hidden: only the tray icon, where there is one.
        look: "light" or "dark" whatever the desktop says.
        language: "en" or "zh" whatever the settings say, "" as they say.
        tray: False: none, also where there could be.
    """

    launch_at_once: bool = False
    hidden: bool = False
    look: theme.Choice = "system"
    language: str = ""
    tray: bool = True


class App:
    """Owns the window, and makes it anew when the language changes.

    Args:
        environment: where the desktop's language stands.
    """

    def __init__(
        self,
        qt: QApplication,
        connect: Callable[[], Line | None],
        launch: Callable[[], None] | None,
        wishes: Wishes,
        environment: Mapping[str, str],
    ) -> None:
        self._qt, self._wishes, self._environment = qt, wishes, environment
        theme.begin(qt, wishes.look)
        self.model = Model(connect, launch)
        self._texts = Texts(self._language())
        self.window = self._make_window()
        self.model.settings_changed.connect(self._follow_language)
        self.model.connection_changed.connect(self._follow_connection)
        self._asked_to_launch = False

    def begin(self) -> None:
        """Show the window; look for the service when it is painted."""
        self.window.restore()
        self.window.show()
        QTimer.singleShot(0, self.model, self.model.begin)

    def raise_up(self) -> None:
        """Show the window in front of all others."""
        self.window.raise_up()

    def quit(self) -> None:
        """End the window; the service goes on."""
        self.window.remember()
        self._qt.quit()

    def close(self) -> None:
        """After the event loop: let go of everything."""
        self.model.close()

    def _make_window(self) -> MainWindow:
        window = MainWindow(self.model, self._texts)
        window.quit_wanted.connect(self.quit)
        window.closed.connect(self._closed)
        return window

    def _closed(self) -> None:
        self.quit()

    def _language(self) -> Language:
        setting = self._wishes.language or (self.model.settings.language if self.model.about is not None else "")
        return language_of(setting, desktop_languages(self._environment))

    def _follow_language(self) -> None:
        language = self._language()
        if language == self._texts.language:
            return
        self._texts = Texts(language)
        old = self.window
        self.window = self._make_window()
        self.window.setGeometry(old.geometry())
        self.window.page = old.page
        if old.isVisible():
            self.window.show()
        old.hide()
        old.deleteLater()

    def _follow_connection(self) -> None:
        if self._wishes.launch_at_once and not self._asked_to_launch and self.model.connection is Connection.GONE:
            self._asked_to_launch = True
            self.model.launch()
        if self.model.connected:
            self._asked_to_launch = True


def main(
    connect: Callable[[], Line | None],
    launch: Callable[[], None] | None = None,
    wishes: Wishes | None = None,
) -> int:
    """Run the window until it ends; gives the process's exit code."""
    qt = QApplication([sys.argv[0]])
    QGuiApplication.setDesktopFileName("homestow")
    qt.setApplicationName("Homestow")
    qt.setApplicationVersion(__version__)
    qt.setWindowIcon(icons.app_icon())
    qt.setQuitOnLastWindowClosed(False)
    app = App(qt, connect, launch, wishes or Wishes(), os.environ)
    ticks = _heed_signals(app)
    app.begin()
    code = qt.exec()
    ticks()
    app.close()
    return code


def _heed_signals(app: App) -> Callable[[], None]:
    """End in order at SIGTERM and Ctrl-C, without a timer: the signal writes into a socket that the event loop watches."""
    import socket

    from PySide6.QtCore import QSocketNotifier

    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    notifier = QSocketNotifier(ours.fileno(), QSocketNotifier.Type.Read, app.model)

    def told() -> None:
        ours.recv(64)
        app.quit()

    notifier.activated.connect(told)

    def stop() -> None:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(-1)
        ours.close()
        theirs.close()

    return stop
