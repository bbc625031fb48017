"""The page of activity: what happened lately in all folders or one, the newest first, found by its name."""

import posixpath
from datetime import datetime
from typing import Final

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QStackedWidget, QWidget

from homestow.client.apps.qt.forms import named
from homestow.client.apps.qt.lists import Row, Rows, RowsView, menu_at
from homestow.client.apps.qt.model import Model
from homestow.client.apps.qt.opening import full_path, reveal
from homestow.client.apps.qt.widgets import Choice, Empty, page_layout
from homestow.client.apps.qt.wording import KINDS, name_of
from homestow.client.apps.texts import Texts
from homestow.wire.control import Event, ListLog

MOST: Final = 5000
"""So many events are kept here; the log of the service has more."""

_PAGE: Final = 200
_WAIT_MS: Final = 150
_ENOUGH: Final = 40


class ActivityPage(QWidget):
    """Recent changes."""

    def __init__(self, model: Model, texts: Texts) -> None:
        super().__init__()
        self._model, self._texts = model, texts
        self._events: list[Event] = []
        self._asked = 0
        self._loading = False
        self._all_read = False
        self._missed = True
        column, head, _ = page_layout(self, texts("activity.title"), texts("activity.about"))
        self.search = QLineEdit()
        self.search.setPlaceholderText(texts("activity.search"))
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(130)
        self.search.setMaximumWidth(220)
        named(self.search, texts("activity.search"))
        self.job = Choice(texts("activity.folder"), [("", texts("activity.all-folders"))])
        self.job.bound()
        head.addWidget(self.job)
        head.addWidget(self.search)
        self.rows = Rows()
        self.view = RowsView(self.rows, texts("activity.title"))
        self._empty = Empty("activity", "", "", "idle")
        self._stack = QStackedWidget()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty)
        column.addWidget(self._stack, 1)
        column.setContentsMargins(32, 26, 32, 24)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(_WAIT_MS)
        self._typed.timeout.connect(self._find)
        self.search.textChanged.connect(lambda _: self._typed.start())
        self.job.chosen.connect(lambda _: self.reload())
        self.view.chosen.connect(self._reveal)
        self.view.menu_wanted.connect(self._menu)
        self.view.near_end.connect(self._more)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self).activated.connect(self.search.setFocus)
        model.events_came.connect(self._came)
        model.jobs_changed.connect(self._name_jobs)
        model.connection_changed.connect(self._connection)
        self._name_jobs()

    def arrived(self) -> None:
        """Catch up with what happened while another page was shown."""
        if self._missed:
            self.reload()

    def show_job(self, job_id: str) -> None:
        """Only that job's changes; "" all."""
        self._name_jobs()
        self.search.clear()
        self.job.take(job_id)
        self.reload()

    def reload(self) -> None:
        """Ask for the newest anew."""
        self._missed, self._all_read = False, False
        self._asked += 1
        self._loading = False
        self._load(None)

    # --- events -------------------------------------------------------------------------------------------------------

    def _load(self, before: int | None) -> None:
        if self._loading:
            return
        self._loading = True
        asked = self._asked

        def got(events: tuple[Event, ...]) -> None:
            if asked != self._asked:
                return
            self._loading = False
            self._all_read = len(events) < _PAGE
            if before is None:
                self._events = list(events)
                self._refill()
            else:
                self._events.extend(events)
                shown = [event for event in events if self._fits(event)]
                self._append(shown)
            self._look_further()

        def failed(_: object) -> None:
            self._loading, self._missed = False, True

        self._model.ask(ListLog(job=self.job.value or None, before=before, limit=_PAGE), got, failed, owner=self)

    def _look_further(self) -> None:
        """What is looked for may lie further back than what was read."""
        if self.search.text() and len(self.rows.rows) < _ENOUGH:
            self._more()

    def _more(self) -> None:
        if self._events and not self._all_read and len(self._events) < MOST:
            self._load(self._events[-1].id)

    def _came(self, events: tuple[Event, ...], more: int) -> None:
        if not self.isVisible():
            self._missed = True
            return
        if more:
            self.reload()
            return
        known = self._events[0].id if self._events else -1
        fresh = [each for each in events if each.id > known and self.job.value in ("", each.job)]
        self._events[0:0] = reversed(fresh)
        del self._events[MOST:]
        shown = [event for event in reversed(fresh) if self._fits(event)]
        if shown:
            self._prepend(shown)
        self._show_which()

    def _fits(self, event: Event) -> bool:
        wanted = self.search.text().casefold().split()
        if not wanted:
            return True
        job = self._model.job(event.job)
        text = f"{event.path} {event.to} {name_of(job.config) if job else ''}".casefold()
        return all(word in text for word in wanted)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _find(self) -> None:
        self._refill()
        self._look_further()

    def _refill(self) -> None:
        rows: list[Row] = []
        day = ""
        for event in self._events:
            if self._fits(event):
                today = self._day(event)
                if today != day:
                    rows.append(Row(None, today))
                    day = today
                rows.append(self._row(event))
        self.rows.replace(rows)
        self._show_which()

    def _append(self, events: list[Event]) -> None:
        rows: list[Row] = []
        last = next((row.thing for row in reversed(self.rows.rows) if isinstance(row.thing, Event)), None)
        day = self._day(last) if last is not None else ""
        for event in events:
            today = self._day(event)
            if today != day:
                rows.append(Row(None, today))
                day = today
            rows.append(self._row(event))
        self.rows.insert(len(self.rows.rows), rows)

    def _prepend(self, events: list[Event]) -> None:
        """Newer events, the newest first; they go below today's heading, which is there or is made."""
        if len({self._day(event) for event in events}) > 1:
            self._refill()
            return
        day = self._day(events[0])
        rows = [self._row(event) for event in events]
        if self.rows.rows and self.rows.rows[0].title == day:
            self.rows.insert(1, rows)
        else:
            self.rows.insert(0, [Row(None, day), *rows])
        self.rows.cut(MOST)

    def _day(self, event: Event) -> str:
        at, now = datetime.fromtimestamp(event.at_ns / 1e9), datetime.now()
        gone = (now.date() - at.date()).days
        if gone == 0:
            return self._texts("activity.today")
        if gone == 1:
            return self._texts("activity.yesterday")
        return self._texts("activity.day", year=str(at.year), month=str(at.month), day=str(at.day))

    def _row(self, event: Event) -> Row:
        texts = self._texts
        icon, tone = KINDS[event.kind]
        job = self._model.job(event.job)
        where = name_of(job.config) if job else event.job
        kind = texts(f"kind.{event.kind}")
        if event.kind == "delete" and event.side:
            kind = texts("activity.deleted-here") if event.side == "here" else texts("activity.deleted-there")
        path = event.to if event.kind == "move" and event.to else event.path
        title = posixpath.basename(path) or where
        parts = [kind]
        if event.kind == "move":
            parts.append(texts("activity.from", path=event.path))
        elif event.message or event.code:
            parts.append(texts.told(event.code, event.message, path=event.path).what)
        folder = posixpath.dirname(path)
        parts.append(f"{where}/{folder}" if folder else where)
        at = datetime.fromtimestamp(event.at_ns / 1e9)
        right = f"{texts.size(event.size)}   {at:%H:%M}" if event.size else f"{at:%H:%M}"
        below = " · ".join(parts)
        return Row(event, title, icon, tone, ((below, "muted"),), right, f"{title}. {below}. {at:%H:%M}")

    def _show_which(self) -> None:
        texts = self._texts
        if self.rows.rows:
            self._stack.setCurrentWidget(self.view)
            return
        if self.search.text():
            self._empty.say(texts("activity.none-found"), texts("activity.none-found-about", text=self.search.text()))
        else:
            self._empty.say(texts("activity.none"), texts("activity.none-about"))
        self._stack.setCurrentWidget(self._empty)

    def _name_jobs(self) -> None:
        names = [(job.id, name_of(job.config)) for job in self._model.jobs]
        self.job.refill([("", self._texts("activity.all-folders")), *names])

    def _connection(self) -> None:
        if self._model.connected and self.isVisible():
            self.reload()
        elif self._model.connected:
            self._missed = True

    # --- doing --------------------------------------------------------------------------------------------------------

    def _reveal(self, event: object) -> None:
        if isinstance(event, Event):
            path = full_path(self._model, event.job, event.to or event.path)
            if path is not None:
                reveal(path)

    def _menu(self, event: object, at: QPoint) -> None:
        if not isinstance(event, Event):
            return
        texts, path = self._texts, event.to or event.path
        full = full_path(self._model, event.job, path)
        there = full is not None and bool(path)
        menu_at(
            self.view,
            at,
            (
                (texts("activity.show"), "folder-open", lambda: self._reveal(event), full is not None),
                (
                    texts("activity.share"),
                    "share",
                    lambda: self._share(event.job, path),
                    there and self._model.connected,
                ),
                (texts("activity.copy-path"), "copy", lambda: QGuiApplication.clipboard().setText(full or ""), there),
            ),
        )

    def _share(self, job_id: str, path: str) -> None:
        from homestow.client.apps.qt.share import ShareDialog

        ShareDialog(self._model, self._texts, job_id, path, self.window()).open()
