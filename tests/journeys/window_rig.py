"""A real window to drive: the application in this process, as `homestow ui` runs it, with Qt's own test events.

The tests start processes of their own for it (`window_acts`), since a process has one `QApplication`, and what Qt warns of there
shall fail the test.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from PySide6.QtCore import QObject, QPoint, Qt, QtMsgType, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QWidget

from homestow.client.apps.qt.app import App, Wishes
from homestow.client.apps.qt.folder_card import FolderCard
from homestow.client.apps.qt.model import Line
from homestow.client.apps.qt.wizard import Wizard
from homestow.client.control.service import SyncService
from homestow.wire.control import AnyNews, AnyOrder

W = TypeVar("W", bound=QObject)
PATIENCE_S = 30.0

EXPECTED = (
    # The X server of the tests has no window manager and no accessibility bus.
    "This plugin does not support propagateSizeHints()",
    "This plugin does not support raise()",
)
"""Beginnings of what Qt may say in tests."""


class DirectLine:
    """A line to a service in this process, without sockets."""

    def __init__(self, service: SyncService) -> None:
        self.service = service
        self._stop: Callable[[], None] = lambda: None

    def ask(self, order: AnyOrder, timeout_s: float = 60.0) -> Any:
        """As `Link.ask`."""
        return self.service.do(order)

    def subscribe(
        self,
        topics: object,
        heard: Callable[[AnyNews], None],
        connected: Callable[[bool], None] | None = None,
    ) -> Callable[[], None]:
        """As `Link.subscribe`."""
        if connected is not None:
            connected(True)
        for news in self.service.current():
            heard(news)
        self._stop = self.service.listen(heard)
        return self._stop

    def close(self) -> None:
        """As `Link.close`."""
        self._stop()


class Rig:
    """The window, and hands and eyes for it."""

    def __init__(
        self,
        connect: Callable[[], Line | None],
        launch: Callable[[], None] | None = None,
        wishes: Wishes | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self.said: list[str] = []
        qInstallMessageHandler(self._hear)
        self.qt = cast("QApplication", QApplication.instance() or QApplication(sys.argv[:1]))
        self.qt.setQuitOnLastWindowClosed(False)
        self.app = App(self.qt, connect, launch, wishes or Wishes(tray=False, language="en"), os.environ)
        self.app.begin()
        QTest.qWaitForWindowExposed(self.app.window)
        self.app.raise_up()
        if not alone:
            self.until(lambda: self.model.connected, "the service")

    @property
    def model(self) -> Any:
        """What the window knows."""
        return self.app.model

    @property
    def window(self) -> QWidget:
        """The main window."""
        return self.app.window

    def _hear(self, kind: QtMsgType, _context: object, text: str) -> None:
        if kind is not QtMsgType.QtDebugMsg and not text.startswith(EXPECTED):
            self.said.append(text)
            sys.stderr.write(f"{kind.name}: {text}\n")

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Let the window live until the condition gives something true; gives that."""
        give_up = time.monotonic() + PATIENCE_S
        while not (gave := condition()):
            assert time.monotonic() < give_up, f"waited in vain for {what}"
            self.breathe(0.02)
        return gave

    def breathe(self, seconds: float) -> None:
        """Let the window live for so long; sleeping lets its threads work."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QTest.qWait(5)
            time.sleep(0.002)

    def named(self, kind: type[W], name: str, within: QWidget | None = None) -> W | None:
        """The shown widget whose accessible name begins so."""
        tops = [within] if within is not None else self.qt.topLevelWidgets()
        for top in tops:
            for child in cast("list[QWidget]", top.findChildren(QWidget)):
                if isinstance(child, kind) and child.isVisible() and child.accessibleName().startswith(name):
                    return cast("W", child)
        return None

    def press(self, name: str, within: QWidget | None = None) -> None:
        """Click the button of that name when it can be."""

        def able() -> QWidget | None:
            found = self.named(QWidget, name, within)
            return found if found is not None and found.isEnabled() else None

        button = self.until(able, f"the button {name!r}")
        # A box to tick is pressed on the box: right of its words it does not feel.
        at = QPoint(14, button.height() // 2) if isinstance(button, QCheckBox) else button.rect().center()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=at)

    def card(self, name: str) -> FolderCard:
        """The card of a folder."""
        return cast("FolderCard", self.until(lambda: self.named(FolderCard, name), f"the card of {name}"))

    def wizard(self) -> Wizard:
        """The wizard that is open."""

        def open_one() -> Wizard | None:
            return next(
                (each for each in self.qt.topLevelWidgets() if isinstance(each, Wizard) and each.isVisible()), None
            )

        wizard = cast("Wizard", self.until(open_one, "the wizard"))
        QTest.qWaitForWindowExposed(wizard)
        wizard.windowHandle().requestActivate()
        self.until(wizard.isActiveWindow, "the wizard in front")
        return wizard

    def keys(self, *keys: Qt.Key | str, to: QWidget | None = None) -> None:
        """Press keys, or type texts, where the focus is."""
        for key in keys:
            target = to or self.qt.focusWidget()
            assert target is not None, "nothing has the focus"
            if isinstance(key, str):
                QTest.keyClicks(target, key)
            else:
                QTest.keyClick(target, key)
            self.breathe(0.02)

    def tab_to(self, widget: QWidget) -> None:
        """Press Tab until a widget has the focus; it must be reached."""
        for _ in range(80):
            if self.qt.focusWidget() is widget:
                return
            self.keys(Qt.Key.Key_Tab)
        raise AssertionError(f"Tab never comes to {widget.accessibleName()!r}")

    def end(self) -> None:
        """Close the window; Qt must have said nothing."""
        self.app.close()
        self.breathe(0.05)
        qInstallMessageHandler(None)
        assert self.said == [], self.said
