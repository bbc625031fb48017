"""The last steps of the wizard: how the folder is kept in step, and everything once more."""

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Final, cast, get_args

from PySide6.QtCore import QTime
from PySide6.QtWidgets import (
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTimeEdit,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt.forms import Complaint, card, label, named, told
from homestow.client.apps.qt.widgets import Choice
from homestow.client.apps.qt.wizard_steps import Step, Way
from homestow.client.apps.texts import Texts
from homestow.wire.control import AddJob, DirectionText, FrequencyText, Refused, SolveText, StartTime

_EXPLAINED: Final = {
    "bi": "wizard.direction-bi",
    "up": "wizard.direction-up",
    "down": "wizard.direction-down",
    "auto": "wizard.frequency-auto",
    "manual": "wizard.frequency-manual",
    "time": "wizard.frequency-time",
}


def choice(texts: Texts, family: str, values: Sequence[str], name: str) -> Choice:
    """A box to choose one value of a family of texts."""
    return Choice(name, [(value, texts(f"{family}.{value}")) for value in values])


class OptionsStep(Step):
    """Direction, when, what is left out, and what becomes of different edits; all of it has a good answer already."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, way.texts("wizard.options-title"), way.texts("wizard.options-about"))
        texts = self.texts
        self.name = QLineEdit()
        self.name.setMaxLength(200)
        named(self.name, texts("wizard.label"))
        self.direction = choice(texts, "direction", get_args(DirectionText), texts("wizard.direction"))
        self.direction_about = label("", "muted")
        self.frequency = choice(texts, "frequency", get_args(FrequencyText), texts("wizard.frequency"))
        self.time = QTimeEdit(QTime(3, 0))
        self.time.setDisplayFormat("HH:mm")
        named(self.time, texts("wizard.time"))
        self.frequency_about = label("", "muted")
        self.solve = choice(texts, "solve", get_args(SolveText), texts("wizard.solve"))
        self.solve_about = label(texts("wizard.solve-about"), "muted")
        self.excludes = QPlainTextEdit()
        self.excludes.setTabChangesFocus(True)
        self.excludes.setPlaceholderText("*.tmp\nnode_modules\nVideos/raw")
        self.excludes.setFixedHeight(78)
        named(self.excludes, texts("wizard.excludes"), texts("wizard.excludes-about"))
        form = QFormLayout()
        form.setVerticalSpacing(12)
        form.setHorizontalSpacing(18)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._row(form, texts("wizard.label"), self.name)
        self._row(form, texts("wizard.direction"), self.direction, self.direction_about)
        self._row(form, texts("wizard.frequency"), self.frequency, self.time, self.frequency_about)
        self._row(form, texts("wizard.solve"), self.solve, self.solve_about)
        self._row(form, texts("wizard.excludes"), self.excludes, label(texts("wizard.excludes-about"), "muted"))
        self.rows.addLayout(form)
        self.rows.addStretch(1)
        self.direction.currentIndexChanged.connect(self._explain)
        self.frequency.currentIndexChanged.connect(self._explain)
        self._for: tuple[str, str] = ("", "")

    def _row(self, form: QFormLayout, name: str, *parts: QWidget) -> None:
        stack = QVBoxLayout()
        stack.setSpacing(4)
        for part in parts:
            stack.addWidget(part)
        above = label(name, "strong", wrap=False)
        above.setBuddy(parts[0])
        form.addRow(above, stack)

    def first(self) -> QWidget:
        """Of `Step`."""
        return self.name

    def arrive(self) -> None:
        """Of `Step`."""
        draft = self.way.draft
        self.name.setPlaceholderText(PurePath(draft.directory).name)
        read_only = draft.workspace is not None and draft.workspace.rights == "read"
        place = (draft.url, draft.workspace_name)
        if self._for != place:
            self._for = place
            self.direction.take("down" if read_only else "bi")
        self.direction.setEnabled(not read_only)
        self._explain()

    def leave(self, on: Callable[[], None]) -> None:
        """Of `Step`."""
        draft = self.way.draft
        draft.label = self.name.text().strip()
        draft.direction = cast("DirectionText", self.direction.value)
        draft.frequency = cast("FrequencyText", self.frequency.value)
        draft.start = StartTime(h=self.time.time().hour(), m=self.time.time().minute())
        draft.solve = cast("SolveText", self.solve.value)
        lines = (line.strip() for line in self.excludes.toPlainText().splitlines())
        draft.excludes = tuple(line for line in lines if line)
        on()

    def _explain(self) -> None:
        texts, draft = self.texts, self.way.draft
        if draft.workspace is not None and draft.workspace.rights == "read":
            self.direction_about.setText(texts("wizard.direction-read"))
        else:
            self.direction_about.setText(texts(_EXPLAINED[self.direction.value]))
        self.frequency_about.setText(texts(_EXPLAINED[self.frequency.value]))
        self.time.setVisible(self.frequency.value == "time")


class SummaryStep(Step):
    """Everything once more; "Start" adds the job."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, way.texts("wizard.summary-title"), way.texts("wizard.summary-about"))
        self.summary, rows = card()
        self._form = QFormLayout()
        self._form.setVerticalSpacing(10)
        self._form.setHorizontalSpacing(18)
        rows.addLayout(self._form)
        self._values: dict[str, QLabel] = {}
        for key in (
            "wizard.on-server",
            "wizard.here",
            "wizard.direction",
            "wizard.frequency",
            "wizard.solve",
            "wizard.excludes",
        ):
            value = label()
            self._values[key] = value
            self._form.addRow(label(self.texts(key), "muted", wrap=False), value)
        self.wrong = Complaint(self.summary)
        self.rows.addWidget(self.summary)
        self.rows.addWidget(self.wrong)
        self.rows.addStretch(1)

    def first(self) -> QWidget:
        """Of `Step`; the button that starts."""
        return getattr(self.way, "next", self)

    def arrive(self) -> None:
        """Of `Step`."""
        self.wrong.hush()
        texts, draft = self.texts, self.way.draft
        place = "/".join(filter(None, (draft.workspace_name, draft.folder)))
        when = texts(f"frequency.{draft.frequency}")
        shown = {
            "wizard.on-server": texts("wizard.place-there", place=place, server=draft.url, user=draft.user),
            "wizard.here": draft.directory,
            "wizard.direction": texts(f"direction.{draft.direction}"),
            "wizard.frequency": f"{when}, {draft.start.h:02}:{draft.start.m:02}" if draft.frequency == "time" else when,
            "wizard.solve": texts(f"solve.{draft.solve}"),
            "wizard.excludes": ", ".join(draft.excludes) or texts("wizard.nothing"),
        }
        for key, text in shown.items():
            self._values[key].setText(text)

    def leave(self, on: Callable[[], None]) -> None:
        """Of `Step`; there is no further one: the wizard ends."""
        self.wrong.hush()

        def failed(refused: Refused) -> None:
            self.wrong.say(told(self.texts, refused, path=self.way.draft.directory, server=self.way.draft.url))

        self.way.ask(AddJob(config=self.way.draft.config()), self.way.finish, failed)
