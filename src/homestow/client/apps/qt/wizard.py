"""The wizard that connects a folder of this computer with a workspace of a server, one question at a time.

`accepted` means that the job was added; `made` is its id. Everything that waits for a server, a disk or a network is an order
whose answer comes later; meanwhile the questions rest, and "Back" and "Cancel" still work. The password is sent once and is
wiped from its field at once (S90).
"""

from collections.abc import Callable
from typing import Any, Final, cast

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt.forms import label
from homestow.client.apps.qt.model import Failed, Model, Then
from homestow.client.apps.qt.widgets import Bar, Button, plain
from homestow.client.apps.qt.wizard_options import OptionsStep, SummaryStep
from homestow.client.apps.qt.wizard_places import FolderStep, WorkspaceStep
from homestow.client.apps.qt.wizard_server import LoginStep, ServerStep
from homestow.client.apps.qt.wizard_steps import Draft, Step
from homestow.client.apps.texts import Texts
from homestow.wire.control import AnyOrder, JobNow

SIZE: Final = (780, 660)


class Wizard(QDialog):
    """See the module."""

    def __init__(self, model: Model, texts: Texts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.texts = texts
        self.draft = Draft()
        self.made: str | None = None
        self._asked = 0
        self._had_focus: QWidget | None = None
        self.setWindowTitle(texts("wizard.title"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.steps: tuple[Step, ...] = (
            ServerStep(self),
            LoginStep(self),
            WorkspaceStep(self),
            FolderStep(self),
            OptionsStep(self),
            SummaryStep(self),
        )
        self._build()
        self.resize(*SIZE)
        self._show(0)

    # --- what steps need ----------------------------------------------------------------------------------------------

    def ask(self, order: AnyOrder, then: Then, failed: Failed) -> None:
        """Give an order whose answer the step needs to go on; an answer that comes after "Back" or "Cancel" is left alone."""
        self._asked += 1
        number = self._asked

        def still(what: Callable[[Any], None]) -> Callable[[Any], None]:
            def answered(gave: Any) -> None:
                if number == self._asked:
                    self._busy(False)
                    what(gave)

            return answered

        self._busy(True)
        self.model.ask(order, still(then), still(failed), owner=self)

    def finish(self, job: JobNow) -> None:
        """The job was added."""
        self.made = job.id
        self.accept()

    # --- the frame ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        texts = self.texts
        self._step_of = label("", "muted", wrap=False)
        self._title = label("", "title")
        self._about = label("", "subtitle")
        self.stack = QStackedWidget()
        for step in self.steps:
            self.stack.addWidget(_scrolled(step))
            step.ready_changed.connect(self._refresh)
        self._waiting = Bar()
        self._waiting.fill(None)
        self._waiting.setAccessibleName(texts("wizard.busy"))
        kept = self._waiting.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self._waiting.setSizePolicy(kept)
        self.back = Button(texts("button.back"), press=self._go_back)
        self.next = Button(texts("button.next"), "primary", press=self._go_on)
        self.cancel = Button(texts("button.cancel"), press=self.reject)
        self.next.setDefault(True)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Back), self, self._go_back)
        foot = QHBoxLayout()
        foot.addWidget(self.cancel)
        foot.addStretch(1)
        foot.addWidget(self.back)
        foot.addWidget(self.next)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(28, 24, 28, 20)
        rows.setSpacing(6)
        for part in (self._step_of, self._title, self._about):
            rows.addWidget(part)
        rows.addSpacing(10)
        rows.addWidget(self.stack, 1)
        rows.addWidget(self._waiting)
        rows.addLayout(foot)
        for first, second in ((self.stack, self.next), (self.next, self.back), (self.back, self.cancel)):
            QWidget.setTabOrder(first, second)

    @property
    def step(self) -> Step:
        """The question that is shown."""
        return self.steps[self.stack.currentIndex()]

    def _show(self, index: int) -> None:
        self.stack.setCurrentIndex(index)
        step = self.step
        self._busy(False)
        self._step_of.setText(self.texts("wizard.step", number=index + 1, total=len(self.steps)))
        self._title.setText(step.title)
        self._about.setText(step.about)
        self._about.setVisible(bool(step.about))
        last = index == len(self.steps) - 1
        self.next.setText(self.texts("wizard.begin" if last else "button.next"))
        self.next.setAccessibleName(plain(self.next.text()))
        self.setAccessibleName(f"{self.windowTitle()}: {step.title}")
        step.arrive()
        self._refresh()
        step.first().setFocus(Qt.FocusReason.TabFocusReason)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.NameChanged))

    def _refresh(self) -> None:
        busy = not self._waiting.isHidden()
        self.back.setEnabled(self.stack.currentIndex() > 0)
        self.next.setEnabled(not busy and self.step.ready())

    def _busy(self, busy: bool) -> None:
        focus: QWidget | None = self.focusWidget()
        if busy and focus is not None and self.stack.isAncestorOf(focus):
            self._had_focus = focus
        self._waiting.setVisible(busy)
        self.stack.setEnabled(not busy)
        self._refresh()
        if not busy and self._had_focus is not None:
            self._had_focus.setFocus(Qt.FocusReason.OtherFocusReason)
            self._had_focus = None

    def _go_on(self) -> None:
        index = self.stack.currentIndex()
        if self.next.isEnabled():
            self.step.leave(lambda: self._show(index + 1))

    def _go_back(self) -> None:
        if self.stack.currentIndex() > 0:
            self._asked += 1
            self._had_focus = None
            self._show(self.stack.currentIndex() - 1)

    def done(self, result: int) -> None:
        """Closed, one way or the other: nothing that comes later is for us, and no password stays in a field."""
        self._asked += 1
        for step in self.steps:
            step.forget()
        super().done(result)


class _Follows(QObject):
    """Brings what gets the focus into view."""

    def __init__(self, area: QScrollArea) -> None:
        super().__init__(area)
        self._area = area

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Of Qt."""
        if event.type() == QEvent.Type.FocusIn and isinstance(watched, QWidget):
            self._area.ensureWidgetVisible(watched)
        return False


def _scrolled(step: Step) -> QScrollArea:
    """A step that a small screen or large letters cannot hide."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    step.setObjectName("scrolled")
    area.setWidget(step)
    follows = _Follows(area)
    children = cast("list[QWidget]", step.findChildren(QWidget))
    for child in children:
        if not isinstance(child, QLabel) and child.focusPolicy() != Qt.FocusPolicy.NoFocus:
            child.installEventFilter(follows)
    return area
