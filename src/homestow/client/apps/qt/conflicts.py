"""Conflicts: files that were changed in two places at once. Both versions side by side, and the choice between them.

Whatever is chosen, nothing is lost: what is not kept lies in the server's trash or among the versions of the file (R1).
"""

from pathlib import PurePath
from typing import Final, Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt.comparing import differences
from homestow.client.apps.qt.conflict_sides import SidePane
from homestow.client.apps.qt.forms import card, label, named, told
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.previews import Comparison, Looker
from homestow.client.apps.qt.two_lines import Line, TwoLines
from homestow.client.apps.qt.widgets import Button, Check, Empty, page_layout
from homestow.client.apps.texts import Texts
from homestow.wire.control import Conflict, Event, ListConflicts, Refused, Settle

_PICTURES: Final = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".tif", ".tiff", ".bmp")
Keep = Literal["original", "copy", "both"]


class ConflictsPage(QWidget):
    """See the module."""

    def __init__(self, model: Model, texts: Texts) -> None:
        super().__init__()
        self.model = model
        self.texts = texts
        self._conflicts: tuple[Conflict, ...] = ()
        self._shown: Conflict | None = None
        self._counted: dict[str, int] = {}
        self._asking = False
        self._again = False
        self._settling = False
        self._looker = Looker(self)
        self._looker.seen.connect(self._looked)
        self._build()
        model.jobs_changed.connect(self._jobs_changed)
        model.events_came.connect(self._events_came)
        model.connection_changed.connect(self._refresh_choice)
        self._show_list(())

    # --- the frame ----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        texts = self.texts
        self.note, rows = card("note-good")
        self.said = label()
        rows.setContentsMargins(14, 9, 14, 9)
        rows.addWidget(self.said)
        self.note.setVisible(False)
        self.list = TwoLines(texts("conflicts.title"))
        self.list.currentItemChanged.connect(self._chose)
        self.original, self.copy = SidePane(texts), SidePane(texts)
        self._together(self.original.text.verticalScrollBar(), self.copy.text.verticalScrollBar())
        self._together(self.original.text.horizontalScrollBar(), self.copy.text.horizontalScrollBar())
        self.all = Check()
        self.both = Button(texts("conflicts.keep-both"))
        self.both_then = label("", "small")
        self.original.keep.clicked.connect(lambda: self._settle("original"))
        self.copy.keep.clicked.connect(lambda: self._settle("copy"))
        self.both.clicked.connect(lambda: self._settle("both"))
        self.all.toggled.connect(self._refresh_choice)
        self.pages = QStackedWidget()
        self.pages.addWidget(Empty("check", texts("conflicts.none"), texts("conflicts.none-about"), "good"))
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(14)
        split.addWidget(self.list)
        split.addWidget(self._right())
        split.setStretchFactor(0, 0)
        split.setStretchFactor(1, 1)
        split.setSizes([208, 720])
        self.pages.addWidget(split)
        column, _, _ = page_layout(self, texts("conflicts.title"), texts("conflicts.about"))
        column.setContentsMargins(32, 26, 32, 20)
        column.addWidget(self.note)
        column.addWidget(self.pages, 1)

    def _right(self) -> QWidget:
        right = QWidget()
        self.path = label("", "strong")
        self.differs = label("", "muted")
        self.wait, rows = card("note-warn")
        rows.setContentsMargins(14, 9, 14, 9)
        self.wait_text = label()
        rows.addWidget(self.wait_text)
        sides = QHBoxLayout()
        sides.setSpacing(14)
        sides.addWidget(self.original, 1)
        sides.addWidget(self.copy, 1)
        last = QFrame()
        last.setProperty("role", "card")
        line = QHBoxLayout(last)
        line.setContentsMargins(16, 10, 16, 10)
        line.setSpacing(12)
        line.addWidget(self.both)
        line.addWidget(self.both_then, 1)
        rows = QVBoxLayout(right)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(8)
        rows.addWidget(self.path)
        rows.addWidget(self.differs)
        rows.addWidget(self.wait)
        rows.addLayout(sides, 1)
        rows.addWidget(last)
        rows.addWidget(self.all)
        return right

    @staticmethod
    def _together(first: QWidget, second: QWidget) -> None:
        """Two scroll bars that move as one."""
        for one, other in ((first, second), (second, first)):
            one.valueChanged.connect(other.setValue)  # type: ignore[attr-defined]  # both are scroll bars

    # --- what there is ------------------------------------------------------------------------------------------------

    def arrived(self) -> None:
        """The page comes to the front."""
        self._reload()

    def _events_came(self, events: tuple[Event, ...], _more: int) -> None:
        if any(event.kind in ("conflict", "settled") for event in events):
            self._reload()

    def _jobs_changed(self) -> None:
        counted = {job.id: job.conflicts for job in self.model.jobs}
        if counted != self._counted:
            self._counted = counted
            self._reload()

    def _reload(self) -> None:
        if not self.isVisible() or not self.model.connected:
            return
        if self._asking:
            self._again = True
            return
        self._asking, self._again = True, False
        self.model.ask(ListConflicts(), self._came, self._failed, owner=self)

    def _came(self, conflicts: tuple[Conflict, ...]) -> None:
        self._asking = False
        self._show_list(conflicts)
        if self._again:
            self._reload()

    def _failed(self, refused: Refused) -> None:
        self._asking = False
        self._say(str(told(self.texts, refused)), good=False)

    def _show_list(self, conflicts: tuple[Conflict, ...]) -> None:
        texts = self.texts
        row = max(0, self.list.currentRow())
        shown = self._shown.id if self._shown is not None else ""
        self._conflicts = conflicts
        at = next((number for number, each in enumerate(conflicts) if each.id == shown), min(row, len(conflicts) - 1))
        lines = [
            Line(
                conflict.id,
                conflict.original.path.rpartition("/")[2],
                f"{self._label(conflict.job)}\n"
                + texts("conflicts.item", device=conflict.device, when=texts.when(conflict.at_ns)),
                "picture" if _is_picture(conflict.original.path) else "file",
            )
            for conflict in conflicts
        ]
        self.list.show_lines(lines, at)
        self.pages.setCurrentIndex(1 if conflicts else 0)
        self._chose()

    def _label(self, job_id: str) -> str:
        job = self.model.job(job_id)
        return job_id if job is None else job.config.label or PurePath(job.config.directory).name

    # --- one of them --------------------------------------------------------------------------------------------------

    def _chose(self) -> None:
        row = self.list.currentRow()
        conflict = self._conflicts[row] if 0 <= row < len(self._conflicts) else None
        before, self._shown = self._shown, conflict
        if conflict is None:
            self._looker.forget()
            return
        if before is None or before.id != conflict.id:
            self.all.setChecked(False)
        if before != conflict:
            self._show(conflict)
        self._refresh_choice()

    def _show(self, conflict: Conflict) -> None:
        texts = self.texts
        self.path.setText(texts("conflicts.path", folder=self._label(conflict.job), path=conflict.original.path))
        self.differs.setVisible(False)
        self.original.show_side(texts("conflicts.original"), conflict.original)
        self.copy.show_side(texts("conflicts.copy", device=conflict.device), conflict.copy)
        named(self.original, self.original.title.accessibleName())
        named(self.copy, self.copy.title.accessibleName())
        self.wait.setVisible(not conflict.ready)
        self.wait_text.setText(str(texts.told("not-ready", path=conflict.original.path)))
        self._looker.ask(conflict.original.file, conflict.copy.file)

    def _looked(self, comparison: Comparison) -> None:
        left, right = [row.left for row in comparison.rows], [row.right for row in comparison.rows]
        self.original.show_look(comparison.left, left, right)
        self.copy.show_look(comparison.right, right, left)
        self.differs.setVisible(bool(comparison.rows))
        if comparison.rows:
            places = differences(comparison.rows)
            self.differs.setText(self.texts("conflicts.places", n=places) if places else self.texts("conflicts.equal"))

    def _refresh_choice(self) -> None:
        conflict, texts = self._shown, self.texts
        if conflict is None:
            return
        alike = sum(each.job == conflict.job for each in self._conflicts)
        self.all.setVisible(alike > 1)
        self.all.setText(texts("conflicts.all", n=alike, folder=self._label(conflict.job)))
        named(self.all, self.all.text())
        for_all = self.all.isChecked() and alike > 1
        may = (conflict.ready or for_all) and not self._settling and self.model.connected
        name = conflict.original.path.rpartition("/")[2]
        self.original.then.setText(texts("conflicts.then-original"))
        self.copy.then.setText(texts("conflicts.then-copy", name=name))
        self.both_then.setText(texts("conflicts.then-both", device=conflict.device))
        for button, key, pane in (
            (self.original.keep, "conflicts.keep", self.original.title.accessibleName()),
            (self.copy.keep, "conflicts.keep", self.copy.title.accessibleName()),
            (self.both, "conflicts.keep-both", name),
        ):
            button.setEnabled(may)
            text = texts("conflicts.keep-all", choice=texts(key), n=alike) if for_all else texts(key)
            button.setText(text)
            named(button, f"{text}: {pane}")

    # --- the choice ---------------------------------------------------------------------------------------------------

    def _settle(self, keep: Keep) -> None:
        conflict = self._shown
        if conflict is None or self._settling:
            return
        for_all = self.all.isChecked() and not self.all.isHidden()
        self._settling = True
        self._refresh_choice()
        before = sum(each.job == conflict.job for each in self._conflicts)

        def settled(left: tuple[Conflict, ...]) -> None:
            self._settling = False
            others = tuple(each for each in self._conflicts if each.job != conflict.job)
            if for_all:
                self._say(self.texts("conflicts.done-all", n=before - len(left), folder=self._label(conflict.job)))
            else:
                self._say(self._done(keep, conflict))
            self.all.setChecked(False)
            self._show_list(tuple(sorted((*others, *left), key=lambda each: each.at_ns)))
            self.list.setFocus(Qt.FocusReason.OtherFocusReason)

        def failed(refused: Refused) -> None:
            self._settling = False
            self._say(str(told(self.texts, refused, path=conflict.original.path)), good=False)
            self._refresh_choice()
            self._reload()

        self.model.ask(
            Settle(job=conflict.job, keep=keep, conflict=None if for_all else conflict.id), settled, failed, owner=self
        )

    def _done(self, keep: Keep, conflict: Conflict) -> str:
        name = conflict.original.path.rpartition("/")[2]
        match keep:
            case "original":
                return self.texts("conflicts.done-original", name=name, device=conflict.device)
            case "copy":
                return self.texts("conflicts.done-copy", name=name, device=conflict.device)
            case "both":
                return self.texts("conflicts.done-both", name=name, device=conflict.device)

    def _say(self, text: str, *, good: bool = True) -> None:
        """Say how it went, where it is seen and heard."""
        self.said.setText(text)
        self.note.setProperty("role", "note-good" if good else "note-bad")
        self.note.style().unpolish(self.note)
        self.note.style().polish(self.note)
        self.note.setVisible(True)
        named(self.said, text)
        QAccessible.updateAccessibility(QAccessibleEvent(self.said, QAccessible.Event.Alert))


def _is_picture(path: str) -> bool:
    return path.lower().endswith(_PICTURES)
