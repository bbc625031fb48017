"""What the window knows of the sync service, kept up to date by its news; the only thing pages speak to.

All of it lives in the window's thread. Other threads wait for the service and leave what they got in an `Inbox`; it is looked
into at most ten times a second, so that a hundred thousand files going by cost the window no more than ten.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from PySide6.QtCore import QObject, Qt, QTimer, Signal
from shiboken6 import isValid

from homestow.client.apps.qt.inbox import Batch, Inbox
from homestow.client.control.service import ServiceAway
from homestow.values.errors import CloudError
from homestow.wire.control import (
    SLOW,
    About,
    AnyNews,
    AnyOrder,
    GeneralText,
    GetSettings,
    Hello,
    JobNow,
    ListJobs,
    Progress,
    Refused,
    Settings,
)

LOOK_MS: Final = 100
"""Between two looks into the inbox."""

AGAIN_S: Final = 1.0
"""Between two tries to reach a service that is away."""

PATIENCE_MS: Final = 30_000
"""So long a service that was started may take until it answers."""

_ASKERS: Final = 3


class Line(Protocol):
    """A connection with the service; `control.link.Link` is one."""

    def ask(self, order: AnyOrder, timeout_s: float = 60.0) -> Any:
        """What the order gives. Raises `CloudError`; `ServiceAway` when nobody answers."""

    def subscribe(
        self,
        topics: Sequence[str],
        heard: Callable[[AnyNews], None],
        connected: Callable[[bool], None] | None = None,
    ) -> Callable[[], None]:
        """Have news told from another thread, and whether the service is there, until what this gives is called."""

    def close(self) -> None:
        """End it."""


class Connection(Enum):
    """Whether the service can be reached. STARTING: not yet since the window began."""

    STARTING = "starting"
    CONNECTED = "connected"
    GONE = "gone"


Then = Callable[[Any], None]
Failed = Callable[[Refused], None]


class Model(QObject):
    """The sync service as the window knows it.

    Args:
        connect: gives a line to the service, None when it does not run; called in a thread of its own, again and again.
        launch: starts the service and comes back at once; None: it cannot be started from here.
    """

    connection_changed = Signal()
    """`connection`, `starting` or `about` is otherwise."""
    jobs_changed = Signal()
    """`jobs` or `general` is otherwise, but for progress."""
    progress_changed = Signal()
    """`progress` or that of some jobs is otherwise."""
    events_came = Signal(object, int)
    """A tuple of `Event`, the newest last, and how many were left out."""
    settings_changed = Signal()
    refused = Signal(object)
    """A `Refused` that nobody asked about."""
    _woken = Signal()

    def __init__(
        self,
        connect: Callable[[], Line | None],
        launch: Callable[[], None] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.connection = Connection.STARTING
        self.launching = False
        self.about: About | None = None
        self.general: GeneralText = "none"
        self.progress = Progress()
        self.settings = Settings()
        self._jobs: dict[str, JobNow] = {}
        self._ordered: tuple[JobNow, ...] = ()
        self._fresh: set[str] = set()
        self._launch = launch
        self._connect = connect
        self._line: Line | None = None
        self._inbox = Inbox(self._woken.emit)
        self._looked = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._look)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._too_long)
        self._woken.connect(self._rouse, Qt.ConnectionType.QueuedConnection)
        # Orders that are answered at once keep their order; those that wait for a server or a disk go side by side.
        self._quick: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._slow: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closing = False
        self._poked = threading.Event()
        self._asking = 0
        self._counting = threading.Lock()
        self._threads: list[threading.Thread] = []

    # --- what pages see -----------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> tuple[JobNow, ...]:
        """All jobs by number; the last known ones while the service is away."""
        return self._ordered

    def job(self, job_id: str) -> JobNow | None:
        """The job of that id; None when there is none."""
        return self._jobs.get(job_id)

    @property
    def connected(self) -> bool:
        """Whether orders can be given."""
        return self.connection is Connection.CONNECTED

    @property
    def can_launch(self) -> bool:
        """Whether the service could be started from here."""
        return self._launch is not None

    def ask(
        self,
        order: AnyOrder,
        then: Then | None = None,
        failed: Failed | None = None,
        *,
        owner: QObject | None = None,
        timeout_s: float = 90.0,
    ) -> None:
        """Give an order; never waits. One of the two is called in the window's thread later.

        Args:
            then: gets what the order gave.
            failed: gets why not; None: `refused` tells.
            owner: nothing is called once this object is gone.
        """
        orders = self._slow if type(order) in SLOW else self._quick
        orders.put(lambda: self._carry(order, timeout_s, owner, then, failed))

    def launch(self) -> None:
        """Start the service; the connection follows by itself. Does nothing when it is there or being started."""
        if self._launch is None or self.launching or self.connected:
            return
        self.launching = True
        self._patience.start()
        self.connection_changed.emit()
        launch = self._launch

        def begin() -> None:
            try:
                launch()
            except (CloudError, OSError) as error:
                refusal = Refused(code=getattr(error, "code", "internal"), message=str(error))
                self._inbox.call(lambda: self._launched(refusal))
            self._poked.set()

        self._slow.put(begin)

    def begin(self) -> None:
        """Start to look for the service."""
        work = [threading.Thread(target=self._keep, name="window-link", daemon=True)]
        for orders in (self._quick, *[self._slow] * _ASKERS):
            work.append(threading.Thread(target=self._obey, args=(orders,), name="window-orders", daemon=True))
        self._threads = work
        for thread in work:
            thread.start()

    def close(self) -> None:
        """End the connection; the service goes on. May be called twice."""
        if self._closing:
            return
        self._closing = True
        self._inbox.close()
        self._poked.set()
        for orders in (self._quick, *[self._slow] * _ASKERS):
            orders.put(None)
        give_up = time.monotonic() + 1.0
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    # --- in other threads ---------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._is_closing():
            with contextlib.suppress(CloudError, OSError, ValueError):
                line = self._connect()
                if line is not None:
                    self._attend(line)
            self._inbox.call(self._away)
            if not self._is_closing():
                self._poked.wait(AGAIN_S)
                self._poked.clear()

    def _is_closing(self) -> bool:
        return self._closing

    def _attend(self, line: Line) -> None:
        """Hear the service until it is gone."""
        stop: Callable[[], None] = lambda: None  # noqa: E731
        try:
            self._inbox.call(self._fresh.clear)
            about = line.ask(Hello(), 10.0)
            stop = line.subscribe([""], self._inbox.hear, self._seen)
            while not self._is_closing():
                jobs, settings = line.ask(ListJobs(), 30.0), line.ask(GetSettings(), 30.0)
                self._inbox.call(partial(self._arrived, line, about, jobs, settings))
                # It went away, came back, or did not answer somebody: look whether it is the same.
                self._poked.wait()
                self._poked.clear()
                if self._is_closing():
                    return
                self._inbox.call(self._fresh.clear)
                about = line.ask(Hello(), 10.0)
        finally:
            self._line = None
            with self._counting:
                waiting = self._asking
            # At the end of the window nobody waits for orders under way; their threads end with the process.
            if not (self._closing and waiting):
                stop()
                line.close()

    def _seen(self, there: bool) -> None:
        if not there:
            self._poked.set()

    @staticmethod
    def _obey(orders: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
        while (work := orders.get()) is not None:
            work()

    def _carry(
        self, order: AnyOrder, timeout_s: float, owner: QObject | None, then: Then | None, failed: Failed | None
    ) -> None:
        line = self._line
        with self._counting:
            self._asking += 1
        try:
            if line is None:
                raise ServiceAway("The sync service is not running, so nothing was done. Start it and try again.")
            gave = line.ask(order, timeout_s)
        except CloudError as error:
            refusal = Refused(code=error.code, message=str(error))
            if isinstance(error, ServiceAway):
                self._poked.set()
            self._inbox.call(lambda: self._hand(owner, failed or self.refused.emit, refusal))
            return
        finally:
            with self._counting:
                self._asking -= 1
        if then is not None:
            self._inbox.call(lambda: self._hand(owner, then, gave))

    # --- in the window's thread ---------------------------------------------------------------------------------------

    def _rouse(self) -> None:
        """Look now, or as soon as it may be."""
        waited = (time.monotonic() - self._looked) * 1000
        if waited >= LOOK_MS:
            self._look()
        elif not self._timer.isActive():
            self._timer.start(int(LOOK_MS - waited) + 1)

    def _look(self) -> None:
        self._looked = time.monotonic()
        batch = self._inbox.take()
        self._apply(batch)
        for what in batch.done:
            what()

    def _apply(self, batch: Batch) -> None:
        moved = bool(batch.progress) or batch.general is not None
        for job_id, job in batch.jobs.items():
            self._fresh.add(job_id)
            if job is None:
                self._jobs.pop(job_id, None)
            else:
                self._jobs[job_id] = job
        for job_id, progress in batch.progress.items():
            if job_id in self._jobs:
                self._jobs[job_id] = msgspec.structs.replace(self._jobs[job_id], progress=progress)
        if batch.jobs or batch.progress:
            self._order()
        general = self.general
        if batch.general is not None:
            self.general, self.progress = batch.general.general, batch.general.progress
        if batch.jobs or general != self.general:
            self.jobs_changed.emit()
        if moved:
            self.progress_changed.emit()
        if batch.settings is not None and batch.settings != self.settings:
            self.settings = batch.settings
            self.settings_changed.emit()
        if batch.events or batch.more:
            self.events_came.emit(tuple(batch.events), batch.more)
        if batch.ended:
            self._poked.set()
            self._away()

    def _order(self) -> None:
        self._ordered = tuple(sorted(self._jobs.values(), key=lambda job: job.number))

    def _arrived(self, line: Line, about: About, jobs: tuple[JobNow, ...], settings: Settings) -> None:
        self._line = line
        listed = {job.id: job for job in jobs}
        for job_id in [known for known in self._jobs if known not in listed and known not in self._fresh]:
            del self._jobs[job_id]
        self._jobs.update({job_id: job for job_id, job in listed.items() if job_id not in self._fresh})
        self._order()
        self.about, self.general, self.settings = about, about.general, settings
        self.connection, self.launching = Connection.CONNECTED, False
        self._patience.stop()
        self.connection_changed.emit()
        self.settings_changed.emit()
        self.jobs_changed.emit()
        self.progress_changed.emit()

    def _away(self) -> None:
        self._line = None
        if self.connection is Connection.CONNECTED:
            self.connection = Connection.GONE
            self.connection_changed.emit()
            self.jobs_changed.emit()
        elif self.connection is Connection.STARTING and not self.launching:
            self.connection = Connection.GONE
            self.connection_changed.emit()

    def _too_long(self) -> None:
        self._launched(
            Refused(
                code="service-away",
                message="The sync service was started but does not answer. Run `homestow sync` in a terminal to see why.",
            )
        )

    def _launched(self, refusal: Refused) -> None:
        """It was not to be started."""
        self.launching = False
        self._patience.stop()
        self.connection_changed.emit()
        self.refused.emit(refusal)

    def _hand(self, owner: QObject | None, what: Callable[[Any], None], gave: Any) -> None:
        if owner is None or isValid(owner):
            what(gave)
