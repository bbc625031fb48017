"""A link to a file or folder, for people without an account: made, copied, ended."""

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QGuiApplication
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from homestow.client.apps.qt.forms import Complaint, card, label, named, told
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.widgets import Bar, Button, Check, Choice
from homestow.client.apps.texts import Texts
from homestow.wire.control import Link, Refused, Share, Unshare

_DAYS: Final = (1, 7, 30, 365)
_SHORTEST: Final = 6
"""Letters of a link's password, at least."""


class ShareDialog(QDialog):
    """Makes a link to `path` below a job's folder, "" the folder itself; a link that was made can be ended as long as it is open."""

    def __init__(self, model: Model, texts: Texts, job_id: str, path: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.texts = texts
        self.job_id = job_id
        self.path = path
        self.made: Link | None = None
        self._working = False
        self.setWindowTitle(texts("share.title"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(500)
        self._build()
        self._refresh()
        self.days.setFocus(Qt.FocusReason.TabFocusReason)

    def _build(self) -> None:
        texts = self.texts
        self.days = Choice(
            texts("share.ends"),
            [*((str(days), texts("share.days", n=days)) for days in _DAYS), ("", texts("share.never"))],
            "30",
        )
        self.guarded = Check(texts("share.guard"))
        named(self.guarded, texts("share.guard"))
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.PasswordEchoOnEdit)
        self.password.setMaxLength(1024)
        self.password.setPlaceholderText(texts("share.password-about", n=_SHORTEST))
        named(self.password, texts("share.password"), texts("share.password-about", n=_SHORTEST))
        self.wrong = Complaint(self.password)
        self.form = QWidget()
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(10)
        form.setHorizontalSpacing(18)
        form.addRow(label(texts("share.ends"), "strong", wrap=False), self.days)
        form.addRow(label(texts("share.password"), "strong", wrap=False), self.guarded)
        form.addRow(label(" ", wrap=False), self.password)
        self.link_card, rows = card()
        self.link = QLineEdit()
        self.link.setReadOnly(True)
        named(self.link, texts("share.link"))
        self.copy = Button(texts("share.copy"), "primary", "copy", press=self._copy)
        line = QHBoxLayout()
        line.addWidget(self.link, 1)
        line.addWidget(self.copy)
        self.said = label("", "muted")
        rows.addWidget(label(texts("share.link"), "strong"))
        rows.addLayout(line)
        self.waiting = Bar()
        self.waiting.fill(None)
        self.waiting.setAccessibleName(texts("wizard.busy"))
        kept = self.waiting.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.waiting.setSizePolicy(kept)
        self.make = Button(texts("share.make"), "primary", press=self._make)
        self.end = Button(texts("share.end"), "danger", press=self._end)
        self.close_button = Button(texts("button.close"), press=self.accept)
        foot = QHBoxLayout()
        for button in (self.end, self.close_button, self.make):
            foot.addWidget(button)
            if button is self.end:
                foot.addStretch(1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(28, 24, 28, 20)
        rows.setSpacing(10)
        job = self.model.job(self.job_id)
        name = self.path.rpartition("/")[2] or ("" if job is None else job.config.label or job.config.workspace)
        rows.addWidget(label(texts("share.of", name=name), "title"))
        rows.addWidget(label(texts("share.about"), "subtitle"))
        rows.addSpacing(6)
        for part in (self.form, self.wrong, self.link_card, self.said, self.waiting):
            rows.addWidget(part)
        rows.addStretch(1)
        rows.addLayout(foot)
        self.guarded.toggled.connect(self._guard)
        self.password.textChanged.connect(self._refresh)

    def _guard(self, guarded: bool) -> None:
        self._refresh()
        if guarded:
            self.password.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.password.clear()

    def _refresh(self) -> None:
        made = self.made is not None
        self.form.setVisible(not made)
        self.link_card.setVisible(made)
        self.make.setVisible(not made)
        self.end.setVisible(made)
        self.password.setVisible(self.guarded.isChecked())
        self.waiting.setVisible(self._working)
        self.form.setEnabled(not self._working)
        enough = not self.guarded.isChecked() or len(self.password.text()) >= _SHORTEST
        self.make.setEnabled(enough and not self._working)
        self.end.setEnabled(not self._working)
        self.make.setDefault(not made)

    def _make(self) -> None:
        self.wrong.hush()
        self.said.clear()
        self._working = True
        self._refresh()
        days, password = self.days.value, self.password.text() if self.guarded.isChecked() else None

        def came(link: Link) -> None:
            self._working = False
            self.made = link
            self.password.clear()
            self.link.setText(link.url)
            self._refresh()
            self._say(self.texts("share.made" if password is None else "share.made-guarded"))
            self.copy.setFocus(Qt.FocusReason.OtherFocusReason)

        order = Share(job=self.job_id, path=self.path, days=int(days) if days else None, password=password)
        self.model.ask(order, came, self._failed, owner=self)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.link.text())
        self._say(self.texts("share.copied"))

    def _end(self) -> None:
        if self.made is None:
            return
        self._working = True
        self._refresh()

        def ended(_: bool) -> None:
            self._working = False
            self.made = None
            self.link.clear()
            self._refresh()
            self._say(self.texts("share.ended"))

        self.model.ask(Unshare(job=self.job_id, link=self.made.id), ended, self._failed, owner=self)

    def _failed(self, refused: Refused) -> None:
        self._working = False
        self._refresh()
        self.wrong.say(told(self.texts, refused, path=self.path))

    def _say(self, text: str) -> None:
        self.said.setText(text)
        named(self.said, text)
        QAccessible.updateAccessibility(QAccessibleEvent(self.said, QAccessible.Event.Alert))

    def done(self, result: int) -> None:
        """Closed: no password stays in a field."""
        self.password.clear()
        super().done(result)
