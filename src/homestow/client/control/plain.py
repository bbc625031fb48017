"""The plain words of the link: orders obeyed, and news said so that the windows of all generations understand them."""

import logging
from collections.abc import Iterable
from typing import Final

import msgspec

from homestow.client.control.pace import Pace
from homestow.client.control.service import SyncService
from homestow.values.errors import CloudError
from homestow.wire import pydio
from homestow.wire.control import (
    AnyNews,
    AnyOrder,
    Ended,
    Event,
    EventNews,
    GeneralNews,
    JobGone,
    JobNews,
    JobNow,
    Pause,
    Progress,
    ProgressNews,
    Reload,
    SettingsNews,
    Start,
)
from homestow.wire.pydio import Word

_log = logging.getLogger(__name__)

PROGRESS_S: Final = 1.0
"""Progress is told at most so often."""

_SEVERAL: Final = {"paused": "in pause"}
"""The wiki's word for a state that is one word in ours."""


def runs(jobs: Iterable[JobNow]) -> bool:
    """What the watch tells: whether the last active job is not paused; False where none is active."""
    last = max((job for job in jobs if job.state != "off"), key=lambda job: job.number, default=None)
    return last is not None and not last.paused


def obey(service: SyncService, frame: bytes) -> tuple[bytes, bool | None]:
    """The reply to a plain order, and the status to publish right after it: runs or not; None: no status."""
    order = pydio.decode_order(frame)
    if order is None:
        return pydio.UNDEFINED, None
    jobs = service.jobs()
    if order.word is Word.LIST_JOBS:
        return pydio.encode_jobs((job.config.server, job.config.directory) for job in jobs), None
    named = _named(order, jobs)
    if order.job is not None and named is None:
        return pydio.undefined(f"There is no job {order.job}. LIST-JOBS shows all, counted from 0."), None
    if not jobs:
        return pydio.undefined("There are no jobs."), None
    ident = named.id if named is not None else None
    try:
        service.do(_meant(order.word, ident))
    except CloudError as error:
        return pydio.undefined(error.message), None
    except Exception:  # noqa: BLE001  # the outer loop of orders: the service lives on
        _log.exception("a plain order failed: %s", order.word.value)
        return pydio.undefined("The sync service failed at this; its log says why."), None
    match order.word:
        case Word.START:
            return pydio.RUNNING, True
        case Word.PAUSE:
            return pydio.PAUSED, False
        case _:
            now = service.jobs()
            return pydio.state_reply(running=runs(job for job in now if ident in (None, job.id))), None


def _named(order: pydio.Order, jobs: tuple[JobNow, ...]) -> JobNow | None:
    number = order.number
    return next((job for job in jobs if (job.number == number if number is not None else job.id == order.job)), None)


def _meant(word: Word, ident: str | None) -> AnyOrder:
    match word:
        case Word.START:
            return Start(job=ident)
        case Word.PAUSE:
            return Pause(job=ident)
        case Word.RELOAD | Word.LIST_JOBS:
            return Reload(job=ident)


def said(event: Event) -> str | None:
    """What is published of an event, in the words that windows show; None: nothing."""
    there = " on server" if event.side == "there" else ""
    match event.kind:
        case "upload":
            return f"File {event.path} uploaded to server"
        case "download":
            return f"File {event.path} downloaded from server"
        case "mkdir":
            return f"New folder created{there} at {event.path}"
        case "move":
            return f"Moved {event.path} to {event.to}{there}"
        case "delete":
            return f"Deleted {'folder' if event.folder else 'file'} {event.path}{there}"
        case "conflict":
            return f"Both contents of {event.path} are kept, the other one as {event.to}"
        case "settled":
            return f"The conflict of {event.path} is settled"
        case _:
            return None


class Plain:
    """Turns news into plain publications; one thread's."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobNow] = {}
        self._tasks: dict[str, bytes] = {}
        self._general = b""
        self._overall = Progress()
        self._pace: Pace[str, bytes] = Pace(PROGRESS_S)

    def begin(self, current: Iterable[AnyNews]) -> None:
        """Know the present state, without telling it."""
        for news in current:
            self.tell(news, 0.0)
        self._pace.clear()

    def obeyed(self, jobs: Iterable[JobNow], *, running: bool) -> None:
        """An order's own publication told already that these jobs run, or that they do not; news of it say nothing more."""
        for job in jobs:
            known = self._jobs.get(job.id)
            if known is not None and job.paused is not running:
                self._jobs[job.id] = msgspec.structs.replace(known, paused=job.paused)

    def tell(self, news: AnyNews, now: float) -> list[bytes]:
        """What is published of this at the moment `now`."""
        match news:
            case GeneralNews(general=word, progress=progress):
                self._overall = progress
                general = pydio.encode(pydio.General(_SEVERAL.get(word, word)))
                fresh = [general] if general != self._general else []
                self._general = general
                return fresh + self._pace.put("overall", _way(None, progress), now)
            case JobNews(job=job):
                return self._job(job)
            case JobGone(job=gone):
                return self._gone(gone)
            case ProgressNews(job=moved, progress=progress):
                known = self._jobs.get(moved)
                return [] if known is None else self._pace.put(moved, _way(known.number, progress), now)
            case EventNews(events=events):
                texts = (said(event) for event in events)
                return [pydio.encode(pydio.Sync(text)) for text in texts if text is not None]
            case SettingsNews() | Ended():
                return []

    def due(self, now: float) -> list[bytes]:
        """What has waited long enough."""
        return self._pace.due(now)

    def next(self) -> float | None:
        """When something is due; None: nothing waits."""
        return self._pace.next()

    def current(self) -> list[bytes]:
        """The present state, a publication for each topic."""
        state = [pydio.encode(pydio.Status(runs(self._by_number()))), pydio.encode(pydio.Ping())]
        if self._general:
            state.append(self._general)
        state += self._tasks.values()
        state += [_way(job.number, job.progress) for job in self._by_number()]
        state.append(_way(None, self._overall))
        return state

    def _by_number(self) -> list[JobNow]:
        return sorted(self._jobs.values(), key=lambda job: job.number)

    def _job(self, job: JobNow) -> list[bytes]:
        before = self._jobs.get(job.id)
        self._jobs[job.id] = job
        fresh = []
        if _active(job) and (before is None or not _active(before) or before.paused != job.paused):
            fresh.append(pydio.encode(pydio.Status(not job.paused)))
        task = pydio.encode(pydio.Task(job.number, job.state, job.config.server, job.config.directory))
        if task != self._tasks.get(job.id):
            self._tasks[job.id] = task
            fresh.append(task)
        return fresh

    def _gone(self, ident: str) -> list[bytes]:
        job = self._jobs.pop(ident, None)
        self._tasks.pop(ident, None)
        self._pace.drop(ident)
        if job is None:
            return []
        return [pydio.encode(pydio.Task(job.number, "gone", job.config.server, job.config.directory))]


def _active(job: JobNow) -> bool:
    return job.state != "off"


def _way(number: int | None, progress: Progress) -> bytes:
    return pydio.encode(
        pydio.Way(
            number,
            progress.files_done,
            progress.files_total,
            progress.bytes_done,
            progress.bytes_total,
            max(0, min(round(progress.rate), 2**53)),
        )
    )
