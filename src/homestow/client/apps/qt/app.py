"""The window's process: one application, one window per service, a tray icon."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QSettings, QSocketNotifier, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from homestow import __version__
from homestow.client.apps.qt import icons, theme
from homestow.client.apps.qt.balloons import Balloons
from homestow.client.apps.qt.model import Connection, Line, Model
from homestow.client.apps.qt.single import First
from homestow.client.apps.qt.tray import Tray
from homestow.client.apps.qt.window import MainWindow
from homestow.client.apps.texts import Language, Texts, desktop_languages, language_of
from homestow.wire.control import Quit

_TRAY_MS: Final = 300
"""The tray icon comes a moment after the window, so that it does not hold it up."""

_TURN_S: Final = 0.001
_QUIT_S: Final = 20.0


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
        # Painting lets go of the interpreter's lock hundreds of times; each time a busy thread of the link may keep it so long.
        sys.setswitchinterval(_TURN_S)
        theme.begin(qt, _look(wishes))
        self.model = Model(connect, launch)
        self._texts = Texts(self._language())
        self.tray: Tray | None = None
        self._balloons: Balloons | None = None
        self.window = self._make_window()
        self._told_of_tray = False
        self._ending = False
        self._asked_to_launch = False
        self.model.settings_changed.connect(self._follow_language)
        self.model.connection_changed.connect(self._follow_connection)

    def begin(self) -> None:
        """Show the window; what else there is comes when it is painted."""
        self.window.restore()
        if not self._wishes.hidden:
            self.window.show()
        QTimer.singleShot(0, self.model, self._go_on)

    def _go_on(self) -> None:
        self.model.begin()
        QTimer.singleShot(_TRAY_MS, self.model, self._make_tray)

    def raise_up(self) -> None:
        """Show the window in front of all others."""
        self.window.raise_up()

    def show_page(self, page: str) -> None:
        """Show the window in front of all others, and a page of it; "" the one it was on."""
        self.window.raise_up()
        if page:
            self.window.go(page)

    def quit(self, service_too: bool = False) -> None:
        """End the window; the service goes on unless it shall end too."""
        if self._ending:
            return
        if not service_too or not self.model.connected:
            self._end()
            return
        # The window ends when the service said that it will, or that it is gone already.
        self.model.ask(Quit(), lambda _: self._end(), lambda _: self._end(), timeout_s=_QUIT_S)

    def _end(self) -> None:
        self._ending = True
        self.window.remember()
        self._qt.quit()

    def ask_to_quit_all(self) -> None:
        """Ask, then end the service and the window."""
        from homestow.client.apps.qt.asking import Question

        texts = self._texts
        self.window.raise_up()
        question = Question(
            texts, texts("quit.heading"), texts("quit.text"), yes=texts("quit.yes"), icon="power", parent=self.window
        )
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.accepted.connect(lambda: self.quit(service_too=True))
        question.open()

    def close(self) -> None:
        """After the event loop: let go of everything."""
        if self.tray is not None:
            self.tray.close()
        self.model.close()

    def _make_window(self) -> MainWindow:
        window = MainWindow(self.model, self._texts)
        window.quit_wanted.connect(self._quit_wanted)
        window.closed.connect(self._closed)
        return window

    def _make_tray(self) -> None:
        if self._wishes.tray:
            self.tray = Tray(self.model, self._texts, self.show_page, self.model)
            self.tray.quit_wanted.connect(self._quit_wanted)
            tray = self.tray
            self._balloons = Balloons(
                self.model, self._texts, tray.tell, lambda: tray.shown and not self.window.isActiveWindow(), tray
            )
        if self._wishes.hidden and (self.tray is None or not self.tray.shown):
            # Nothing else would show that it runs.
            self.window.show()

    def _quit_wanted(self, service_too: bool) -> None:
        if service_too:
            self.ask_to_quit_all()
        else:
            self.quit()

    def _closed(self) -> None:
        """The window was closed: it is hidden where a tray icon brings it back, else this is the end."""
        tray = self.tray
        if tray is None or not tray.shown:
            self.quit()
        elif not self._told_of_tray:
            self._told_of_tray = True
            tray.tell(self._texts("window.goes-on"), self._texts("window.goes-on-about"), "info")

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
        if self.tray is not None:
            self.tray.close()
            self.tray.deleteLater()
            self.tray = None
            self._make_tray()

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
    first: First | None = None,
) -> int:
    """Run the window until it ends; gives the process's exit code.

    Args:
        first: from `single.take`; another window's wish to be seen brings this one to the front.
    """
    qt = QApplication([sys.argv[0]])
    QGuiApplication.setDesktopFileName("homestow")
    qt.setApplicationName("Homestow")
    qt.setApplicationVersion(__version__)
    qt.setWindowIcon(icons.app_icon())
    qt.setQuitOnLastWindowClosed(False)
    app = App(qt, connect, launch, wishes or Wishes(), os.environ)
    stop = _heed_signals(app)
    if first is not None and first.listener is not None:
        callers = QSocketNotifier(first.listener.fileno(), QSocketNotifier.Type.Read, app.model)
        callers.activated.connect(lambda: app.raise_up() if first.heed() else None)
    app.begin()
    code = qt.exec()
    stop()
    app.close()
    return code


def _look(wishes: Wishes) -> theme.Choice:
    """The look that was wished, else the one that was chosen in the settings."""
    if wishes.look != "system":
        return wishes.look
    kept = str(QSettings("Homestow", "window").value("look", "system"))
    return "light" if kept == "light" else "dark" if kept == "dark" else "system"


def _heed_signals(app: App) -> Callable[[], None]:
    """End in order at SIGTERM and Ctrl-C, without a timer: the signal writes into a socket that the event loop watches."""
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
