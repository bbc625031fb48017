"""One job on the page of folders: how it is, what can be done with it, and what it asks."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from homestow.client.apps.qt import icons, theme
from homestow.client.apps.qt.forms import label
from homestow.client.apps.qt.tips import tip
from homestow.client.apps.qt.widgets import Bar, Button, Elided, Glyph, Note, Tool
from homestow.client.apps.qt.wording import (
    ACCOUNT,
    AT_WORK,
    STATES,
    current_of,
    name_of,
    place_of,
    progress_of,
    share_of,
    state_of,
    trouble_of,
)
from homestow.client.apps.texts import Texts
from homestow.wire.control import JobNow


@dataclass(frozen=True, slots=True)
class Deeds:
    """What a card can have done; each gets the job's id."""

    pause: Callable[[str], None]
    resume: Callable[[str], None]
    reload: Callable[[str], None]
    open: Callable[[str], None]
    edit: Callable[[str], None]
    remove: Callable[[str], None]
    enable: Callable[[str], None]
    log_in: Callable[[str], None]
    accept: Callable[[str], None]
    decline: Callable[[str], None]
    share: Callable[[str], None]
    activity: Callable[[str], None]
    problems: Callable[[str], None]
    conflicts: Callable[[str], None]


class FolderCard(QFrame):
    """Shows one job; `show_job` when it is otherwise, `show_progress` when only its progress is."""

    def __init__(self, texts: Texts, deeds: Deeds, job: JobNow) -> None:
        super().__init__()
        self.job = job
        self._texts, self._deeds = texts, deeds
        self._able = True
        self._brake: Note | None = None
        self._trouble: Note | None = None
        self.setProperty("role", "card")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda at: self._menu().popup(self.mapToGlobal(at)))
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(18, 16, 14, 16)
        self._rows.setSpacing(10)
        self._rows.addLayout(self._head())
        self._below = QVBoxLayout()
        self._below.setContentsMargins(56, 0, 4, 0)
        self._below.setSpacing(6)
        self._bar = Bar()
        self._bar.setAccessibleName(texts("folders.progress"))
        self._how_far = Elided(role="muted", where=Qt.TextElideMode.ElideRight)
        self._current = Elided(role="small")
        for each in (self._bar, self._how_far, self._current):
            self._below.addWidget(each)
        self._rows.addLayout(self._below)
        self._links = QWidget()
        links = QHBoxLayout(self._links)
        links.setContentsMargins(52, 0, 0, 0)
        links.setSpacing(6)
        self._conflicts = Button("", "link", "conflict", press=lambda: deeds.conflicts(self.job.id))
        self._problems = Button("", "link", "problem", press=lambda: deeds.problems(self.job.id))
        for button in (self._conflicts, self._problems):
            links.addWidget(button)
        links.addStretch(1)
        self._rows.addWidget(self._links)
        self.show_job(job, able=True)

    def show_job(self, job: JobNow, *, able: bool) -> None:
        """Show the job as it is; `able`: orders can be given."""
        self.job, self._able = job, able
        texts, name = self._texts, name_of(job.config)
        icon, tone = STATES[job.state]
        self._glyph.show_state(icon, tone, turns=job.state in AT_WORK and able)
        self._name.say(name)
        state = state_of(texts, job)
        self._state.say(state)
        self._place.say(place_of(texts, job.config))
        self.setAccessibleName(name)
        self.setAccessibleDescription(f"{state}. {place_of(texts, job.config)}")
        still = job.paused or job.state == "scheduled"
        if job.state == "off":
            self._go.setText(texts("folders.switch-on"))
            self._go.take_icon("play")
        else:
            self._go.setText(texts("folders.start-now") if job.state == "scheduled" else texts("folders.resume") if still
                             else texts("folders.pause"))  # fmt: skip
            self._go.take_icon("play" if still else "pause")
        self._go.setAccessibleName(f"{self._go.text().replace('&', '')}: {name}")
        self._go.setEnabled(able)
        self._reload.setEnabled(able and job.state != "off")
        self._show_links()
        self._show_brake()
        self._show_trouble()
        self.show_progress(job)

    def show_progress(self, job: JobNow) -> None:
        """Show how far the job is."""
        self.job = job
        at_work = job.state in AT_WORK and self._able
        words = progress_of(self._texts, job.progress) if at_work else ""
        for each in (self._bar, self._how_far, self._current):
            if each.isHidden() == at_work:
                each.setVisible(at_work)
        if at_work:
            share = share_of(job.progress)
            self._bar.fill(share)
            self._bar.setAccessibleDescription(words)
            self._how_far.say(words or self._texts("folders.looking"))
            current = current_of(job.progress)
            self._current.say(current)
            self._current.setVisible(bool(current))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _head(self) -> QHBoxLayout:
        texts = self._texts
        head = QHBoxLayout()
        head.setSpacing(14)
        self._glyph = Glyph(size=42)
        head.addWidget(self._glyph, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(1)
        self._name = Elided(role="heading", where=Qt.TextElideMode.ElideRight)
        self._state = Elided(where=Qt.TextElideMode.ElideRight)
        self._place = Elided(role="small")
        for each in (self._name, self._state, self._place):
            words.addWidget(each)
        head.addLayout(words, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self._go = Button("", "", "pause", press=self._press_go)
        self._reload = Tool("reload", texts("folders.reload"), press=lambda: self._deeds.reload(self.job.id))
        self._open = Tool("folder-open", texts("folders.open"), press=lambda: self._deeds.open(self.job.id))
        self._more = Tool("more", texts("folders.more"), press=self._press_more)
        for button in (self._go, self._reload, self._open, self._more):
            buttons.addWidget(button)
        head.addLayout(buttons)
        head.setAlignment(buttons, Qt.AlignmentFlag.AlignTop)
        return head

    def _press_go(self) -> None:
        job = self.job
        if job.state == "off":
            self._deeds.enable(job.id)
        elif job.paused or job.state == "scheduled":
            self._deeds.resume(job.id)
        else:
            self._deeds.pause(job.id)

    def _press_more(self) -> None:
        self._menu().popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))

    def _menu(self) -> QMenu:
        """What can be done with this job, as a menu; made anew each time it is wanted."""
        texts, deeds, look = self._texts, self._deeds, theme.current()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        entries: tuple[tuple[str, str, Callable[[str], None], bool] | None, ...] = (
            (texts("folders.open"), "folder-open", deeds.open, True),
            (texts("folders.reload"), "reload", deeds.reload, self._able and self.job.state != "off"),
            (texts("folders.show-activity"), "activity", deeds.activity, True),
            (texts("folders.share"), "share", deeds.share, self._able),
            None,
            (texts("folders.edit"), "edit", deeds.edit, self._able),
            (texts("folders.switch-on") if self.job.state == "off" else texts("folders.switch-off"), "power", deeds.enable,
             self._able),
            None,
            (texts("folders.remove"), "trash", deeds.remove, self._able),
        )  # fmt: skip
        for entry in entries:
            if entry is None:
                menu.addSeparator()
                continue
            text, icon, deed, may = entry
            action = QAction(icons.icon(icon, look.muted, look.faint), text, menu)
            action.setEnabled(may)
            action.triggered.connect(lambda _=False, deed=deed: deed(self.job.id))
            menu.addAction(action)
        return menu

    def _show_links(self) -> None:
        job, texts = self.job, self._texts
        self._conflicts.setText(texts("folders.conflicts", n=job.conflicts))
        self._problems.setText(texts("folders.problems", n=job.problems))
        for button, many in ((self._conflicts, job.conflicts), (self._problems, job.problems)):
            button.setAccessibleName(button.text())
            button.setVisible(many > 0)
        self._links.setVisible(job.conflicts > 0 or job.problems > 0)

    def _show_brake(self) -> None:
        """The brake's question, with what either answer brings."""
        brake, texts = self.job.brake, self._texts
        if brake is None or self.job.state != "asking":
            if self._brake is not None:
                self._drop(self._brake)
                self._brake = None
            return
        there = brake.side == "there"
        heading = texts("brake.heading-there" if there else "brake.heading-here", n=brake.files)
        text = texts("brake.text-there" if there else "brake.text-here", n=brake.files, of=brake.of)
        if self._brake is None:
            note = Note("warn", "question", heading, text)
            keep = Button(texts("brake.keep"), "primary", "pause", press=lambda: self._deeds.decline(self.job.id))
            delete = Button(texts("brake.delete"), "danger", "trash", press=lambda: self._deeds.accept(self.job.id))
            for button, about in (
                (keep, texts("brake.keep-there" if there else "brake.keep-here")),
                (delete, texts("brake.delete-there" if there else "brake.delete-here")),
            ):
                row = QHBoxLayout()
                row.setSpacing(12)
                button.setAccessibleDescription(about)
                button.setMinimumWidth(150)
                row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
                row.addWidget(label(about, "small"), 1, Qt.AlignmentFlag.AlignVCenter)
                note.rows.addLayout(row)
            self._brake = note
            self._rows.addWidget(note)
        self._brake.say(heading, text)
        self._brake.setEnabled(self._able)

    def _show_trouble(self) -> None:
        """What a job waits for, or why it failed, and the way out."""
        told = trouble_of(self._texts, self.job) if self.job.state in ("failed", "waiting") else None
        if self._trouble is not None:
            self._drop(self._trouble)
            self._trouble = None
        if told is None:
            return
        bad = self.job.state == "failed"
        note = Note("bad" if bad else "warn", "alert" if bad else "clock", told.what, told.todo)
        note.setToolTip(tip(told.detail))
        buttons: list[QWidget] = []
        if self.job.code in ACCOUNT:
            buttons.append(
                Button(self._texts("folders.log-in"), "primary", "key", press=lambda: self._deeds.log_in(self.job.id))
            )
        elif bad:
            buttons.append(Button(self._texts("folders.edit"), "", "edit", press=lambda: self._deeds.edit(self.job.id)))
        if self.job.code not in ACCOUNT:
            buttons.append(
                Button(self._texts("button.retry"), "", "reload", press=lambda: self._deeds.reload(self.job.id))
            )
        for button in buttons:
            button.setEnabled(self._able)
        note.buttons(*buttons)
        self._trouble = note
        self._rows.addWidget(note)

    def _drop(self, note: Note) -> None:
        self._rows.removeWidget(note)
        note.hide()
        note.deleteLater()
