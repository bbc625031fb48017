"""The page of settings: speed, this computer, other programs, and who answers. Each change is made at once."""

from typing import Final

import msgspec
from PySide6.QtCore import QSettings, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from homestow import __version__
from homestow.client.apps.qt import starting, theme
from homestow.client.apps.qt.forms import card, label, named
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.widgets import Button, Choice, Elided, Scroller, Switch, page_layout
from homestow.client.apps.texts import Texts
from homestow.wire.control import ChangeSettings, OpenPage, Page, Refused, Settings

_REST_MS: Final = 700
"""A number is sent when it was left alone for so long."""

_FIRST_LIMIT: Final = 1000
"""Kilobytes per second that a limit begins with when it is switched on."""

LOOKS: Final[tuple[theme.Choice, ...]] = ("system", "light", "dark")


class SettingsPage(QWidget):
    """The service's settings, and the window's own look."""

    quit_wanted = Signal()
    """The person wants the service to end too."""

    def __init__(self, model: Model, texts: Texts) -> None:
        super().__init__()
        self._model, self._texts = model, texts
        self._showing = False
        self._under_way = self._again = False
        self._held = model.settings
        column, _, _ = page_layout(self, texts("settings.title"), texts("settings.about"))
        scroller = Scroller()
        column.addWidget(scroller, 1)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._send)
        for heading, frame in (
            (texts("settings.speed"), self._speed()),
            (texts("settings.computer"), self._computer()),
            (texts("settings.programs"), self._programs()),
            (texts("settings.who"), self._who()),
        ):
            scroller.rows.addWidget(label(heading, "heading", wrap=False))
            scroller.rows.addWidget(frame)
            scroller.rows.addSpacing(10)
        scroller.rows.addStretch(1)
        model.settings_changed.connect(self._show)
        model.connection_changed.connect(self._show)
        self._show()

    def entered(self) -> Settings:
        """The settings as they are entered now."""
        return msgspec.structs.replace(
            self._model.settings,
            up_kbytes=self.up.value() if self.up_limited.isChecked() else 0,
            down_kbytes=self.down.value() if self.down_limited.isChecked() else 0,
            language=self.language.value,
            autostart=self.autostart.isChecked(),
            notifications=self.notifications.isChecked(),
            zmq_port=self.zmq_port.value(),
            api_port=self.api_port.value(),
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def _speed(self) -> QFrame:
        texts = self._texts
        frame, rows = card()
        self.up_limited, self.up = self._limit(rows, texts("settings.up"), texts("settings.up-about"))
        _line(rows)
        self.down_limited, self.down = self._limit(rows, texts("settings.down"), texts("settings.down-about"))
        return frame

    def _limit(self, rows: QVBoxLayout, name: str, about: str) -> tuple[Switch, QSpinBox]:
        box, switch = QSpinBox(), Switch(name, about)
        box.setRange(1, 10_000_000)
        box.setSuffix(" kB/s")
        box.setGroupSeparatorShown(True)
        box.setSingleStep(100)
        box.setFixedWidth(140)
        named(box, name, about)
        switch.toggled.connect(lambda on: self._toggled(box, on))
        box.valueChanged.connect(lambda _: self._later())
        _row(rows, name, about, box, switch)
        return switch, box

    def _computer(self) -> QFrame:
        texts = self._texts
        frame, rows = card()
        self.autostart = self._switch(rows, texts("settings.autostart"), texts("settings.autostart-about"))
        _line(rows)
        self.notifications = self._switch(rows, texts("settings.notifications"), texts("settings.notifications-about"))
        _line(rows)
        languages = [("", texts("settings.language-system")), ("en", "English"), ("zh", "中文")]
        self.language = Choice(texts("settings.language"), languages)
        self.language.chosen.connect(lambda _: self._send())
        _row(rows, texts("settings.language"), texts("settings.language-about"), self.language)
        _line(rows)
        names = {
            "system": texts("settings.look-system"),
            "light": texts("settings.look-light"),
            "dark": texts("settings.look-dark"),
        }
        self.look = Choice(texts("settings.look"), [(each, names[each]) for each in LOOKS], theme.chosen())
        self.look.chosen.connect(self._choose_look)
        _row(rows, texts("settings.look"), texts("settings.look-about"), self.look)
        return frame

    def _programs(self) -> QFrame:
        texts = self._texts
        frame, rows = card()
        self.page = Button(texts("settings.open-page"), "", "globe", press=self._open_page)
        _row(rows, texts("settings.page"), texts("settings.page-about"), self.page)
        _line(rows)
        self.api_port = self._port(rows, texts("settings.api-port"), texts("settings.api-port-about"), 65_535)
        _line(rows)
        self.zmq_port = self._port(rows, texts("settings.zmq-port"), texts("settings.zmq-port-about"), 65_533)
        return frame

    def _port(self, rows: QVBoxLayout, name: str, about: str, most: int) -> QSpinBox:
        box = QSpinBox()
        box.setRange(0, most)
        box.setSpecialValueText(self._texts("settings.closed"))
        box.setFixedWidth(140)
        named(box, name, about)
        box.valueChanged.connect(lambda _: self._later())
        _row(rows, name, about, box)
        return box

    def _who(self) -> QFrame:
        texts = self._texts
        frame, rows = card()
        self._version = label("", "strong")
        self._device = label("", "small")
        self._file = Elided(role="small")
        for each in (self._version, self._device, self._file):
            rows.addWidget(each)
        _line(rows)
        self.quit = Button(texts("settings.quit"), "danger", "power", press=self.quit_wanted.emit)
        _row(rows, texts("settings.quit-name"), texts("settings.quit-about"), self.quit)
        return frame

    def _switch(self, rows: QVBoxLayout, name: str, about: str) -> Switch:
        switch = Switch(name, about)
        switch.clicked.connect(lambda _: self._send())
        _row(rows, name, about, switch)
        return switch

    # --- showing and doing --------------------------------------------------------------------------------------------

    def _show(self) -> None:
        about, texts = self._model.about, self._texts
        # News of an earlier change must not undo what was entered since.
        if not self._under_way and not self._rest.isActive():
            self._show_values(self._model.settings)
        able = self._model.connected
        for widget in (self.up_limited, self.up, self.down_limited, self.down, self.language, self.autostart,
                       self.notifications, self.page, self.zmq_port, self.api_port, self.quit):  # fmt: skip
            widget.setEnabled(able)
        version = about.version if about is not None and able else __version__
        self._version.setText(texts("settings.version", version=version))
        self._device.setText(texts("settings.device", name=about.device) if about is not None else "")
        self._file.say(texts("settings.file", path=about.jobs_file) if about is not None and about.jobs_file else "")

    def _show_values(self, settings: Settings) -> None:
        self._held = settings
        self._showing = True
        for switch, box, value in (
            (self.up_limited, self.up, settings.up_kbytes),
            (self.down_limited, self.down, settings.down_kbytes),
        ):
            switch.setChecked(value > 0)
            if value:
                box.setValue(value)
            box.setVisible(value > 0)
        self.zmq_port.setValue(settings.zmq_port)
        self.api_port.setValue(settings.api_port)
        self.language.take(settings.language)
        self.autostart.setChecked(settings.autostart)
        self.notifications.setChecked(settings.notifications)
        self._showing = False

    def _toggled(self, box: QSpinBox, on: bool) -> None:
        box.setVisible(on)
        if self._showing:
            return
        if on:
            self._showing = True
            box.setValue(_FIRST_LIMIT)
            self._showing = False
            box.setFocus()
        self._send()

    def _later(self) -> None:
        if not self._showing:
            self._rest.start()

    def _send(self) -> None:
        self._rest.stop()
        # One at a time: two that are under way together could arrive in the other order.
        self._again = self._under_way
        wanted = self.entered()
        if not self._under_way and wanted != self._held:
            self._under_way = True
            self._model.ask(ChangeSettings(settings=wanted), self._changed, self._refused, owner=self)

    def _changed(self, settings: Settings) -> None:
        self._under_way = False
        self._held = settings
        if self._again:
            self._send()
        elif not self._rest.isActive():
            self._show_values(settings)

    def _refused(self, refused: Refused) -> None:
        self._under_way = self._again = False
        self._model.refused.emit(refused)
        self._show()

    def _choose_look(self, value: str) -> None:
        for choice in LOOKS:
            if choice == value:
                QSettings("Homestow", "window").setValue("look", value)
                theme.choose(choice)

    def _open_page(self) -> None:
        def opened(page: Page) -> None:
            if starting.is_loopback(page.url):
                QDesktopServices.openUrl(QUrl(page.url))

        self._model.ask(OpenPage(), opened, owner=self)


def _row(rows: QVBoxLayout, name: str, about: str, *controls: QWidget) -> None:
    """A setting: its name, what it means, and its control at the right."""
    row = QHBoxLayout()
    row.setSpacing(12)
    words = QVBoxLayout()
    words.setSpacing(1)
    above = label(name, "strong", wrap=False)
    above.setBuddy(controls[-1])
    words.addWidget(above)
    words.addWidget(label(about, "small"))
    row.addLayout(words, 1)
    for control in controls:
        row.addWidget(control)
    rows.addLayout(row)


def _line(rows: QVBoxLayout) -> None:
    line = QFrame()
    line.setProperty("role", "line")
    rows.addWidget(line)
