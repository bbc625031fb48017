"""The page of folders: all jobs as cards, and what can be done with them."""

import os
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QStackedWidget, QWidget

from homestow.client.apps.qt.folder_card import Deeds, FolderCard
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.opening import open_path
from homestow.client.apps.qt.widgets import Button, Empty, Scroller, page_layout
from homestow.client.apps.qt.wording import name_of, progress_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import AcceptDeletes, Enable, Pause, Reload, RemoveJob, Start

_AT_ONCE = 8
"""So many new cards are made in one go."""


class FoldersPage(QWidget):
    """All jobs. `wanted` names a page to show and the job it is about."""

    wanted = Signal(str, str)

    def __init__(self, model: Model, texts: Texts) -> None:
        super().__init__()
        self._model, self._texts = model, texts
        self._cards: dict[str, FolderCard] = {}
        column, head, self._subtitle = page_layout(self, texts("folders.title"))
        self._all = Button("", "", "pause", press=self._press_all)
        self._add = Button(texts("folders.add"), "primary", "plus", press=self.add)
        head.addWidget(self._all)
        head.addWidget(self._add)
        self._stack = QStackedWidget()
        self._list = Scroller()
        self._list.rows.addStretch(1)
        first = Button(texts("folders.add-first"), "primary", "plus", press=self.add)
        self._empty = Empty("house", texts("folders.empty"), texts("folders.empty-about"), button=first)
        self._stack.addWidget(self._list)
        self._stack.addWidget(self._empty)
        column.addWidget(self._stack, 1)
        self._deeds = Deeds(
            pause=lambda job: model.ask(Pause(job=job)),
            resume=lambda job: model.ask(Start(job=job)),
            reload=lambda job: model.ask(Reload(job=job)),
            open=self.open_folder,
            edit=self.edit,
            remove=self.remove,
            enable=self._enable,
            log_in=self.log_in,
            accept=lambda job: model.ask(AcceptDeletes(job=job)),
            decline=lambda job: model.ask(Pause(job=job)),
            share=self.share,
            activity=lambda job: self.wanted.emit("activity", job),
            problems=lambda job: self.wanted.emit("problems", job),
            conflicts=lambda job: self.wanted.emit("conflicts", job),
        )
        model.jobs_changed.connect(self._show_jobs)
        model.connection_changed.connect(self._show_jobs)
        model.progress_changed.connect(self._show_progress)
        self._show_jobs()

    # --- showing ------------------------------------------------------------------------------------------------------

    def _show_jobs(self) -> None:
        model, texts = self._model, self._texts
        wanted = {job.id for job in model.jobs}
        for gone in [job_id for job_id in self._cards if job_id not in wanted]:
            card = self._cards.pop(gone)
            card.hide()
            card.deleteLater()
        made = 0
        for at, job in enumerate(model.jobs):
            if job.id not in self._cards:
                if made == _AT_ONCE:
                    QTimer.singleShot(0, self, self._show_jobs)
                    break
                made += 1
                self._cards[job.id] = FolderCard(texts, self._deeds, job)
            card = self._cards[job.id]
            card.show_job(job, able=model.connected)
            if self._list.rows.indexOf(card) != at:
                self._list.rows.insertWidget(at, card)
        self._stack.setCurrentWidget(self._list if model.jobs else self._empty)
        going = any(not job.paused for job in model.jobs if job.state != "off")
        self._all.setText(texts("folders.pause-all") if going else texts("folders.resume-all"))
        self._all.take_icon("pause" if going else "play")
        self._all.setVisible(len(model.jobs) > 1)
        for button in (self._all, self._add):
            button.setEnabled(model.connected)
        self._show_progress()

    def _show_progress(self) -> None:
        model = self._model
        if self.isVisible():
            for job in model.jobs:
                card = self._cards.get(job.id)
                if card is not None and card.job.progress is not job.progress:
                    card.show_progress(job)
        words = self._texts(f"general.{model.general}")
        if not model.connected:
            words = self._texts("window.no-service")
        elif model.general == "syncing" and len(model.jobs) > 1:
            far = progress_of(self._texts, model.progress)
            words = f"{words} · {far}" if far else words
        self._subtitle.say(words)
        self._subtitle.setVisible(bool(model.jobs))

    def arrived(self) -> None:
        """Catch up with what happened while another page was shown."""
        self._show_jobs()

    # --- doing --------------------------------------------------------------------------------------------------------

    def _press_all(self) -> None:
        going = any(not job.paused for job in self._model.jobs if job.state != "off")
        self._model.ask(Pause() if going else Start())

    def open_folder(self, job_id: str) -> None:
        """Show the job's folder in the desktop's file program."""
        job = self._model.job(job_id)
        if job is not None:
            open_path(job.config.directory)

    def _enable(self, job_id: str) -> None:
        job = self._model.job(job_id)
        if job is not None:
            self._model.ask(Enable(job=job_id, active=job.state == "off"))

    def add(self) -> None:
        """Begin the wizard."""
        from homestow.client.apps.qt.wizard import Wizard

        self._open(Wizard(self._model, self._texts, self.window()))

    def edit(self, job_id: str) -> None:
        """Change what the job is told to be."""
        from homestow.client.apps.qt.editor import JobEditor

        job = self._model.job(job_id)
        if job is not None:
            self._open(JobEditor(self._model, self._texts, job.config, self.window()))

    def log_in(self, job_id: str) -> None:
        """Give the password again."""
        from homestow.client.apps.qt.asking import LogInAgain

        job = self._model.job(job_id)
        if job is not None:
            self._open(LogInAgain(self._model, self._texts, job, self.window()))

    def remove(self, job_id: str) -> None:
        """Ask, then forget the job."""
        from homestow.client.apps.qt.asking import Question

        job, texts = self._model.job(job_id), self._texts
        if job is None:
            return
        name = name_of(job.config)
        self._ask(
            Question(
                texts,
                texts("remove.heading", name=name),
                texts("remove.text", folder=job.config.directory),
                yes=texts("remove.yes"),
                icon="trash",
                danger=True,
                parent=self.window(),
            ),
            lambda: self._model.ask(RemoveJob(job=job_id)),
        )

    def share(self, job_id: str) -> None:
        """Choose a file of the job and make a link to it."""
        from homestow.client.apps.qt.share import ShareDialog

        job = self._model.job(job_id)
        if job is None:
            return
        directory = job.config.directory
        chooser = QFileDialog(self.window(), self._texts("folders.share-which"), directory)
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        chooser.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def chosen(path: str) -> None:
            below = os.path.relpath(path, directory).replace(os.sep, "/")
            if not below.startswith("../"):
                self._open(ShareDialog(self._model, self._texts, job_id, below, self.window()))

        chooser.fileSelected.connect(chosen)
        chooser.open()

    def _ask(self, question: QDialog, yes: Callable[[], None]) -> None:
        question.accepted.connect(yes)
        self._open(question)

    def _open(self, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
