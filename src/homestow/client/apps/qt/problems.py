"""The page of problems: what is not in step, why, and what to do."""

import posixpath

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from homestow.client.apps.qt.forms import label
from homestow.client.apps.qt.lists import Row, Rows, RowsView, menu_at
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.opening import full_path, reveal
from homestow.client.apps.qt.widgets import Button, Choice, Empty, page_layout
from homestow.client.apps.qt.wording import host_of, name_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import MAX_LIST, ListProblems, Problem, Reload

_SOON_MS = 1000


class ProblemsPage(QWidget):
    """Items that are not in step."""

    def __init__(self, model: Model, texts: Texts) -> None:
        super().__init__()
        self._model, self._texts = model, texts
        self._problems: tuple[Problem, ...] = ()
        self._counted: object = None
        column, head, self._about = page_layout(self, texts("problems.title"), texts("problems.about"))
        column.setContentsMargins(32, 26, 32, 24)
        self.job = Choice(texts("activity.folder"), [("", texts("activity.all-folders"))])
        self.job.bound()
        self.job.chosen.connect(lambda _: self._fill())
        self._again = Button(texts("problems.again"), "", "reload", press=self._check)
        head.addWidget(self.job)
        head.addWidget(self._again)
        self.rows = Rows()
        self.view = RowsView(self.rows, texts("problems.title"))
        self._empty = Empty("check", texts("problems.none"), texts("problems.none-about"), "good")
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.view)
        column.addWidget(self._stack, 1)
        foot = QHBoxLayout()
        self._show = Button(texts("problems.show"), "", "folder-open", press=lambda: self._reveal(self.view.current()))
        self._more = label("", "small")
        foot.addWidget(self._more, 1)
        foot.addWidget(self._show)
        column.addLayout(foot)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SOON_MS)
        self._soon.timeout.connect(self.reload)
        self.view.chosen.connect(self._reveal)
        self.view.menu_wanted.connect(self._menu)
        self.view.selectionModel().currentChanged.connect(
            lambda: self._show.setEnabled(self.view.current() is not None)
        )
        model.jobs_changed.connect(self._jobs_changed)
        model.connection_changed.connect(self._jobs_changed)
        self._fill()

    def arrived(self) -> None:
        """Ask for them anew."""
        self.reload()

    def show_job(self, job_id: str) -> None:
        """Only that job's; "" all."""
        self._name_jobs()
        self.job.take(job_id)
        self._fill()

    def reload(self) -> None:
        """Ask for them anew."""
        self._model.ask(ListProblems(), self._got, lambda _: None, owner=self)

    def _got(self, problems: tuple[Problem, ...]) -> None:
        if problems != self._problems:
            self._problems = problems
            self._fill()

    def _jobs_changed(self) -> None:
        self._again.setEnabled(self._model.connected)
        counted = tuple((job.id, job.problems, job.state) for job in self._model.jobs)
        if counted != self._counted and self._model.connected:
            self._counted = counted
            self._name_jobs()
            if self.isVisible() and not self._soon.isActive():
                self._soon.start()

    def _name_jobs(self) -> None:
        names = [(job.id, name_of(job.config)) for job in self._model.jobs]
        self.job.refill([("", self._texts("activity.all-folders")), *names])

    def _fill(self) -> None:
        now = self.view.current()
        shown = [each for each in self._problems if self.job.value in ("", each.job)]
        rows: list[Row] = []
        for left, heading in ((True, self._texts("problems.left")), (False, self._texts("problems.told"))):
            these = [each for each in shown if each.left is left]
            if these:
                rows.append(Row(None, heading))
                rows += [self._row(each) for each in these]
        self.rows.replace(rows)
        for at, row in enumerate(rows):
            if row.thing is not None and row.thing == now:
                self.view.setCurrentIndex(self.rows.index(at))
        self._stack.setCurrentWidget(self.view if rows else self._empty)
        self._show.setVisible(bool(rows))
        self._show.setEnabled(self.view.current() is not None)
        self._again.setVisible(bool(self._problems))
        self.job.setVisible(bool(self._problems) and len(self._model.jobs) > 1)
        cut = len(self._problems) >= MAX_LIST
        self._more.setText(self._texts("problems.more", n=MAX_LIST) if cut else "")

    def _row(self, problem: Problem) -> Row:
        texts = self._texts
        job = self._model.job(problem.job)
        where = name_of(job.config) if job else problem.job
        folder = posixpath.dirname(problem.path)
        place = f"{where}/{folder}" if folder else where
        told = texts.told(
            problem.code,
            problem.message,
            path=posixpath.basename(problem.path),
            server=host_of(job.config.server) if job else "",
        )
        below = [(told.what, "text")]
        if told.todo:
            below.append((told.todo, "muted"))
        title = posixpath.basename(problem.path) or where
        icon, tone = ("problem", "warn") if problem.left else ("info", "idle")
        return Row(problem, title, icon, tone, tuple(below), place, f"{title}, {place}. {told}")

    def _check(self) -> None:
        self._model.ask(Reload(job=self.job.value or None))

    def _reveal(self, problem: object) -> None:
        if isinstance(problem, Problem):
            path = full_path(self._model, problem.job, problem.path)
            if path is not None:
                reveal(path)

    def _menu(self, problem: object, at: QPoint) -> None:
        if isinstance(problem, Problem):
            again = self._model.connected
            menu_at(
                self.view,
                at,
                (
                    (self._texts("problems.show"), "folder-open", lambda: self._reveal(problem), True),
                    (self._texts("problems.again"), "reload", lambda: self._model.ask(Reload(job=problem.job)), again),
                ),
            )
