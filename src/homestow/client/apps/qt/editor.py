"""What a job is told to be, to look at and to change."""

from collections.abc import Sequence
from typing import cast, get_args

import msgspec
from PySide6.QtCore import Qt, QTime
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QTimeEdit,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt.forms import Complaint, card, label, named
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.widgets import Button, Choice, Elided, Scroller, Switch
from homestow.client.apps.qt.wording import host_of, name_of, place_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import (
    ChangeJob,
    DirectionText,
    Filters,
    FrequencyText,
    JobConfig,
    Refused,
    SolveText,
    StartTime,
)


class JobEditor(QDialog):
    """Changes one job; `accepted` when the service took the change."""

    def __init__(self, model: Model, texts: Texts, config: JobConfig, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._texts, self._config = model, texts, config
        self.setWindowTitle(texts("editor.title", name=name_of(config)))
        self.resize(640, 680)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        top = QVBoxLayout()
        top.setContentsMargins(26, 22, 26, 12)
        top.setSpacing(2)
        top.addWidget(Elided(name_of(config), "title", Qt.TextElideMode.ElideRight))
        top.addWidget(Elided(place_of(texts, config), "small"))
        outer.addLayout(top)
        self._scroller = Scroller()
        self._scroller.rows.setContentsMargins(26, 4, 26, 16)
        for part in (self._general(), self._ways(), self._rules(), self._network()):
            self._scroller.rows.addWidget(part)
        self._scroller.rows.addStretch(1)
        outer.addWidget(self._scroller, 1)
        outer.addWidget(self._foot())
        self._explain()
        self.name.setFocus()

    def wanted(self) -> JobConfig:
        """The configuration as it is entered now."""
        time = self.time.time()
        return msgspec.structs.replace(
            self._config,
            label=self.name.text().strip(),
            active=self.active.isChecked(),
            direction=cast("DirectionText", self.direction.value),
            frequency=cast("FrequencyText", self.frequency.value),
            start_time=StartTime(h=time.hour(), m=time.minute()),
            solve=cast("SolveText", self.solve.value),
            filters=Filters(includes=_lines(self.includes), excludes=_lines(self.excludes)),
            timeout=self.timeout.value(),
            poolsize=self.poolsize.value(),
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def _general(self) -> QFrame:
        texts, config = self._texts, self._config
        frame, rows = card()
        self.name = QLineEdit(config.label)
        self.name.setMaxLength(200)
        self.name.setPlaceholderText(name_of(config))
        _field(rows, texts("wizard.label"), self.name)
        self.active = Switch(texts("editor.active"), texts("editor.active-about"))
        self.active.setChecked(config.active)
        row = QHBoxLayout()
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(label(texts("editor.active"), "strong", wrap=False))
        words.addWidget(label(texts("editor.active-about"), "small"))
        row.addLayout(words, 1)
        row.addWidget(self.active)
        rows.addSpacing(4)
        rows.addLayout(row)
        return frame

    def _ways(self) -> QFrame:
        texts, config = self._texts, self._config
        frame, rows = card()
        self.direction = _choice(
            texts, "direction", get_args(DirectionText), texts("wizard.direction"), config.direction
        )
        self._direction_about = label("", "small")
        _field(rows, texts("wizard.direction"), self.direction, self._direction_about)
        self.frequency = _choice(
            texts, "frequency", get_args(FrequencyText), texts("wizard.frequency"), config.frequency
        )
        self._frequency_about = label("", "small")
        self.time = QTimeEdit(QTime(config.start_time.h, config.start_time.m))
        self.time.setDisplayFormat("HH:mm")
        self.time.setFixedWidth(90)
        named(self.time, texts("wizard.time"))
        when = QWidget()
        row = QHBoxLayout(when)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.frequency, 1)
        row.addWidget(self.time)
        _field(rows, texts("wizard.frequency"), when, self._frequency_about, buddy=self.frequency)
        self.solve = _choice(texts, "solve", get_args(SolveText), texts("wizard.solve"), config.solve)
        _field(rows, texts("wizard.solve"), self.solve, label(texts("wizard.solve-about"), "small"))
        self.direction.currentIndexChanged.connect(self._explain)
        self.frequency.currentIndexChanged.connect(self._explain)
        return frame

    def _rules(self) -> QFrame:
        texts, filters = self._texts, self._config.filters
        frame, rows = card()
        self.excludes = _patterns(filters.excludes, "*.tmp\nnode_modules/\n/Videos/raw")
        _field(rows, texts("wizard.excludes"), self.excludes, label(texts("wizard.excludes-about"), "small"))
        self.includes = _patterns(filters.includes, "*.jpg\n*.png")
        _field(rows, texts("editor.includes"), self.includes, label(texts("editor.includes-about"), "small"))
        self._rules_wrong = Complaint(self.excludes)
        rows.addWidget(self._rules_wrong)
        return frame

    def _network(self) -> QFrame:
        texts, config = self._texts, self._config
        frame, rows = card()
        self.poolsize, self.timeout = QSpinBox(), QSpinBox()
        for box, low, high, value in ((self.poolsize, 1, 16, config.poolsize), (self.timeout, 1, 3600, config.timeout)):
            box.setRange(low, high)
            box.setValue(value)
            box.setFixedWidth(110)
        self.timeout.setSuffix(texts("editor.seconds"))
        for name, about, box in (
            (texts("editor.poolsize"), texts("editor.poolsize-about"), self.poolsize),
            (texts("editor.timeout"), texts("editor.timeout-about"), self.timeout),
        ):
            row = QHBoxLayout()
            words = QVBoxLayout()
            words.setSpacing(1)
            words.addWidget(label(name, "strong", wrap=False))
            words.addWidget(label(about, "small"))
            row.addLayout(words, 1)
            row.addWidget(box)
            named(box, name, about)
            rows.addLayout(row)
        return frame

    def _foot(self) -> QWidget:
        texts = self._texts
        foot = QWidget()
        rows = QVBoxLayout(foot)
        rows.setContentsMargins(26, 10, 26, 16)
        self._save = Button(texts("editor.save"), "primary", "check", press=self._press)
        self._save.setDefault(True)
        self._wrong = Complaint(self._save)
        rows.addWidget(self._wrong)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(Button(texts("button.cancel"), press=self.reject))
        row.addWidget(self._save)
        rows.addLayout(row)
        return foot

    # --- doing --------------------------------------------------------------------------------------------------------

    def _explain(self) -> None:
        texts = self._texts
        self._direction_about.setText(
            {
                "bi": texts("wizard.direction-bi"),
                "up": texts("wizard.direction-up"),
                "down": texts("wizard.direction-down"),
            }[self.direction.value]
        )
        self._frequency_about.setText(
            {
                "auto": texts("wizard.frequency-auto"),
                "manual": texts("wizard.frequency-manual"),
                "time": texts("wizard.frequency-time"),
            }[self.frequency.value]
        )
        self.time.setVisible(self.frequency.value == "time")

    def _press(self) -> None:
        wanted = self.wanted()
        if wanted == self._config:
            self.accept()
            return
        self._wrong.hush()
        self._rules_wrong.hush()
        self._save.setEnabled(False)
        self._model.ask(ChangeJob(config=wanted), lambda _: self.accept(), self._refused, owner=self)

    def _refused(self, refused: Refused) -> None:
        self._save.setEnabled(True)
        told = self._texts.told(
            refused.code, refused.message, path=self._config.directory, server=host_of(self._config.server)
        )
        (self._rules_wrong if refused.code == "bad-settings" else self._wrong).say(told)


def _choice(texts: Texts, family: str, values: Sequence[str], name: str, value: str) -> Choice:
    return Choice(name, [(each, texts(f"{family}.{each}")) for each in values], value)


def _patterns(patterns: Sequence[str], example: str) -> QPlainTextEdit:
    made = QPlainTextEdit("\n".join(patterns))
    made.setTabChangesFocus(True)
    made.setPlaceholderText(example)
    made.setFixedHeight(84)
    made.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    return made


def _lines(box: QPlainTextEdit) -> tuple[str, ...]:
    return tuple(line.strip() for line in box.toPlainText().splitlines() if line.strip())


def _field(rows: QVBoxLayout, name: str, field: QWidget, *below: QWidget, buddy: QWidget | None = None) -> None:
    """A field under its name, with what explains it."""
    above = label(name, "strong", wrap=False)
    above.setBuddy(buddy or field)
    about = " ".join(part.text() for part in below if hasattr(part, "text"))
    named(buddy or field, name, about)
    if rows.count():
        rows.addSpacing(6)
    for part in (above, field, *below):
        rows.addWidget(part)
