"""Small dialogs: a question with two answers, and the password once more."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from homestow.client.apps.qt.forms import Complaint, label, named
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.widgets import Button, Glyph
from homestow.client.apps.qt.wording import host_of, name_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import JobNow, LogIn, Refused, Start


class _Small(QDialog):
    """A pictogram at the left, words at the right, buttons below."""

    def __init__(self, heading: str, text: str, icon: str, tone: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(heading)
        self.setAccessibleDescription(text)
        self.setMinimumWidth(460)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 22, 24, 18)
        outer.setSpacing(18)
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(Glyph(icon, tone, 44), 0, Qt.AlignmentFlag.AlignTop)
        self.rows = QVBoxLayout()
        self.rows.setSpacing(8)
        self.rows.addWidget(label(heading, "heading"))
        self.rows.addWidget(label(text))
        row.addLayout(self.rows, 1)
        outer.addLayout(row)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(8)
        self.buttons.addStretch(1)
        outer.addLayout(self.buttons)

    def showEvent(self, event: QShowEvent) -> None:
        """As high as its words need."""
        super().showEvent(event)
        self.fit()

    def fit(self) -> None:
        """Grow with the words: a dialog does not do so by itself for texts that wrap."""
        layout = self.layout()
        if layout is not None:
            layout.activate()
            self.setMinimumHeight(layout.totalHeightForWidth(self.width()))


class Question(_Small):
    """Yes, or leave it; `accepted` is yes. A dangerous yes is not the default."""

    def __init__(
        self,
        texts: Texts,
        heading: str,
        text: str,
        *,
        yes: str,
        icon: str = "question",
        danger: bool = False,
        no: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(heading, text, icon, "bad" if danger else "accent", parent)
        cancel = Button(no or texts("button.cancel"), press=self.reject)
        agree = Button(yes, "danger" if danger else "primary", press=self.accept)
        self.buttons.addWidget(cancel)
        self.buttons.addWidget(agree)
        default = cancel if danger else agree
        default.setDefault(True)
        default.setFocus()


class LogInAgain(_Small):
    """The password of a job's account, traded for a new token; then the job goes on."""

    def __init__(self, model: Model, texts: Texts, job: JobNow, parent: QWidget | None = None) -> None:
        config = job.config
        super().__init__(
            texts("login.heading"),
            texts("login.text", user=config.user, server=host_of(config.server), name=name_of(config)),
            "key",
            "accent",
            parent,
        )
        self._model, self._texts, self._job = model, texts, job
        name = label(texts("login.password"), "muted")
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        named(self.password, texts("login.password"), texts("login.about"))
        name.setBuddy(self.password)
        self._complaint = Complaint(self.password)
        for each in (name, self.password, self._complaint, label(texts("login.about"), "small")):
            self.rows.addWidget(each)
        self._cancel = Button(texts("button.cancel"), press=self.reject)
        self._enter = Button(texts("login.enter"), "primary", "key", press=self._press)
        self._enter.setDefault(True)
        self._enter.setEnabled(False)
        self.buttons.addWidget(self._cancel)
        self.buttons.addWidget(self._enter)
        self.password.textChanged.connect(lambda: self._enter.setEnabled(bool(self.password.text())))
        self.password.setFocus()

    def _press(self) -> None:
        self._complaint.hush()
        self._enter.setEnabled(False)
        config = self._job.config
        order = LogIn(url=config.server, user=config.user, password=self.password.text())
        self._model.ask(order, lambda _: self._entered(), self._refused, owner=self)

    def _entered(self) -> None:
        self._model.ask(Start(job=self._job.id))
        self.accept()

    def _refused(self, refused: Refused) -> None:
        self._enter.setEnabled(True)
        self._complaint.say(self._texts.told(refused.code, refused.message, server=host_of(self._job.config.server)))
        self.password.selectAll()
        self.fit()
