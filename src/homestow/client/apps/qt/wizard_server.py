"""The first steps of the wizard: which server, and who."""

import ipaddress
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt.forms import Complaint, card, label, named, told
from homestow.client.apps.qt.two_lines import Line, TwoLines
from homestow.client.apps.qt.widgets import Button, Check
from homestow.client.apps.qt.wizard_steps import Step, Way
from homestow.wire.control import (
    CheckServer,
    Discover,
    Found,
    ListWorkspaces,
    LogIn,
    Refused,
    ServerSeen,
    Workspace,
)

_ENCRYPTED: Final = ("https", "netdrives")


def travels_open(url: str) -> bool:
    """Whether what goes to this address can be read on the way: it is not encrypted and leaves this computer."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme in _ENCRYPTED or not host or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


class ServerStep(Step):
    """An address, typed or picked from the servers that announce themselves."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, way.texts("wizard.server-title"), way.texts("wizard.server-about"))
        texts = self.texts
        self.address = QLineEdit()
        self.address.setPlaceholderText("https://cloud.example.org")
        named(self.address, texts("wizard.address"))
        self.address.setInputMethodHints(Qt.InputMethodHint.ImhUrlCharactersOnly)
        self.wrong = Complaint(self.address)
        above = label(texts("wizard.address"), "strong")
        above.setBuddy(self.address)
        self.open_card, rows = card("note-warn")
        rows.addWidget(label(texts("wizard.open-what")))
        self.open_trust = Check(texts("wizard.open-trust"))
        named(self.open_trust, texts("wizard.open-trust"), texts("wizard.open-what"))
        rows.addWidget(self.open_trust)
        self.open_card.setVisible(False)
        self.found = TwoLines(texts("wizard.found"))
        self.found.setMinimumHeight(110)
        self.nobody = label("", "muted")
        self.again = Button(texts("wizard.search"), "link", press=self._search)
        head = QHBoxLayout()
        heading = label(texts("wizard.found"), "strong", wrap=False)
        heading.setBuddy(self.found)
        head.addWidget(heading, 1)
        head.addWidget(self.again)
        for part in (above, self.address, self.wrong, self.open_card):
            self.rows.addWidget(part)
        self.rows.addSpacing(10)
        self.rows.addLayout(head)
        self.rows.addWidget(self.found, 1)
        self.rows.addWidget(self.nobody)
        self.address.textChanged.connect(self._typed)
        self.open_trust.toggled.connect(self.ready_changed)
        self.found.currentItemChanged.connect(self._picked)
        self.found.itemClicked.connect(self._picked)
        self.found.itemActivated.connect(self._picked)
        self._searched = False

    def first(self) -> QWidget:
        """Of `Step`."""
        return self.address

    def arrive(self) -> None:
        """Of `Step`."""
        if not self._searched:
            self._searched = True
            self._search()

    def ready(self) -> bool:
        """Of `Step`."""
        return bool(self._typed_url()) and (not self._needs_trust() or self.open_trust.isChecked())

    def leave(self, on: Callable[[], None]) -> None:
        """Of `Step`."""
        self.wrong.hush()
        url = self._typed_url()

        def seen(server: ServerSeen) -> None:
            draft = self.way.draft
            if server.url != draft.url:
                draft.user, draft.workspaces, draft.workspace, draft.folder = "", (), None, ""
            draft.url, draft.known = server.url, server.user
            agreed = self.open_trust.isChecked()
            if self.address.text() != server.url:
                self.address.setText(server.url)
            if travels_open(server.url) and not agreed:
                self._typed()
                self.open_trust.setFocus(Qt.FocusReason.OtherFocusReason)
                return
            self.open_trust.setChecked(agreed)
            on()

        def failed(refused: Refused) -> None:
            self.wrong.say(told(self.texts, refused, server=url))

        self.way.ask(CheckServer(url=url), seen, failed)

    def _typed_url(self) -> str:
        return self.address.text().strip()

    def _needs_trust(self) -> bool:
        return travels_open(self._typed_url())

    def _typed(self) -> None:
        self.wrong.hush()
        if self._needs_trust() != (not self.open_card.isHidden()):
            self.open_trust.setChecked(False)
        self.open_card.setVisible(self._needs_trust())
        self.ready_changed.emit()

    def _search(self) -> None:
        self.again.setEnabled(False)
        self.nobody.setText(self.texts("wizard.searching"))
        self.nobody.setVisible(True)
        self.way.model.ask(Discover(), self._came, self._none_came, owner=self)

    def _came(self, servers: tuple[Found, ...]) -> None:
        self.found.show_lines([Line(server.url, server.name, server.url, "server") for server in servers])
        self.again.setEnabled(True)
        self.nobody.setText(self.texts("wizard.found-none"))
        self.nobody.setVisible(not servers)

    def _none_came(self, refused: Refused) -> None:
        self.again.setEnabled(True)
        self.nobody.setText(str(told(self.texts, refused)))

    def _picked(self) -> None:
        if self.found.key:
            self.address.setText(self.found.key)


class LoginStep(Step):
    """Name and password, or the login this computer has already."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, way.texts("wizard.login-title"))
        texts = self.texts
        self.server = label("", "muted")
        self.user = QLineEdit()
        named(self.user, texts("wizard.user"))
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setMaxLength(1024)
        named(self.password, texts("wizard.password"), texts("wizard.password-about"))
        self.show_password = Check(texts("wizard.show-password"))
        named(self.show_password, texts("wizard.show-password"))
        self.wrong = Complaint(self.password)
        self.known = label("", "muted")
        form = QVBoxLayout()
        form.setSpacing(8)
        for field, key in ((self.user, "wizard.user"), (self.password, "wizard.password")):
            above = label(texts(key), "strong")
            above.setBuddy(field)
            form.addSpacing(6)
            form.addWidget(above)
            form.addWidget(field)
        self.rows.addWidget(self.server)
        self.rows.addLayout(form)
        below = QVBoxLayout()
        below.setSpacing(8)
        for part in (self.wrong, self.show_password, self.known, label(texts("wizard.password-about"), "muted")):
            below.addWidget(part)
        self.rows.addLayout(below)
        self.rows.addStretch(1)
        self.user.textChanged.connect(self._typed)
        self.password.textChanged.connect(self._typed)
        self.show_password.toggled.connect(self._reveal)

    def first(self) -> QWidget:
        """Of `Step`."""
        return self.password if self.user.text() else self.user

    def arrive(self) -> None:
        """Of `Step`."""
        draft = self.way.draft
        self.server.setText(draft.url)
        if not self.user.text() and draft.known:
            self.user.setText(draft.known)
        self._typed()

    def ready(self) -> bool:
        """Of `Step`."""
        return bool(self.user.text().strip()) and (bool(self.password.text()) or self._has_login())

    def leave(self, on: Callable[[], None]) -> None:
        """Of `Step`."""
        self.wrong.hush()
        draft = self.way.draft
        user, password = self.user.text().strip(), self.password.text()
        self.password.clear()
        if not password and draft.user == user and draft.workspaces:
            on()
            return

        def saw(workspaces: tuple[Workspace, ...]) -> None:
            draft.user, draft.workspaces, draft.known = user, workspaces, draft.known or user
            on()

        def failed(refused: Refused) -> None:
            self.wrong.say(told(self.texts, refused, server=draft.url))

        if password:
            self.way.ask(LogIn(url=draft.url, user=user, password=password), saw, failed)
        else:
            self.way.ask(ListWorkspaces(url=draft.url, user=user), saw, failed)

    def forget(self) -> None:
        """Of `Step`."""
        self.password.clear()

    def _has_login(self) -> bool:
        draft = self.way.draft
        return self.user.text().strip() in {draft.known, draft.user} - {""}

    def _typed(self) -> None:
        if self.password.text():
            self.wrong.hush()
        self.known.setVisible(self._has_login())
        self.known.setText(self.texts("wizard.known", user=self.user.text().strip()))
        self.ready_changed.emit()

    def _reveal(self, shown: bool) -> None:
        self.password.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)
