"""Jobs as the control protocol tells of them."""

from collections.abc import Iterable, Sequence
from typing import Final

from homestow.client.running.jobs import Task
from homestow.client.running.progress import Doing, Snapshot
from homestow.client.running.standing import shown
from homestow.wire.control import Event, GeneralText, JobNow, Progress, StateText, Transfer

_URGENT: Final[tuple[GeneralText, ...]] = (
    *("failed", "asking", "syncing", "starting", "waiting", "left", "paused", "synced"),
)  # fmt: skip

_GENERAL: Final[dict[StateText, GeneralText]] = {
    "starting": "starting",
    "listing": "syncing",
    "scanning": "syncing",
    "syncing": "syncing",
    "synced": "synced",
    "left": "left",
    "paused": "paused",
    "waiting": "waiting",
    "asking": "asking",
    "scheduled": "synced",
    "failed": "failed",
}
"""A job that is off has no part in the word for all."""


def job_now(number: int, task: Task, last: Event | None, conflicts: int) -> JobNow:
    """A job as it is."""
    standing = task.standing()
    return JobNow(
        config=task.config, number=number, state=standing.state, code=standing.code, why=shown(standing.why),
        paused=standing.paused, problems=standing.left, conflicts=conflicts, brake=standing.brake,
        progress=progress_of(task.progress()), last=last, synced_at_ns=standing.synced_at_ns,
        next_at_ns=standing.next_at_ns,
    )  # fmt: skip


def progress_of(seen: Snapshot) -> Progress:
    """How far a job is."""
    return Progress(
        files_done=max(seen.files_done, 0), files_total=max(seen.files_total, 0), bytes_done=max(seen.bytes_done, 0),
        bytes_total=max(seen.bytes_total, 0), scanned=max(seen.scanned, 0), rate=seen.rate, left_s=seen.left_s,
        current=shown(seen.current),
        transfers=tuple(
            Transfer(path=shown(one.name), up=one.up, done_bytes=max(one.done_bytes, 0), size_bytes=max(one.size_bytes, 0))
            for one in seen.transfers
        ),
    )  # fmt: skip


def general_of(jobs: Iterable[JobNow]) -> GeneralText:
    """All jobs in one word, the most urgent."""
    words = {_GENERAL[job.state] for job in jobs if job.state in _GENERAL}
    return next((word for word in _URGENT if word in words), "none")


def all_progress(jobs: Sequence[JobNow]) -> Progress:
    """How far all jobs together are."""
    each = [job.progress for job in jobs]
    lefts = [progress.left_s for progress in each if progress.left_s is not None]
    return Progress(
        files_done=sum(one.files_done for one in each), files_total=sum(one.files_total for one in each),
        bytes_done=sum(one.bytes_done for one in each), bytes_total=sum(one.bytes_total for one in each),
        scanned=sum(one.scanned for one in each), rate=sum(one.rate for one in each),
        left_s=max(lefts) if lefts else None,
    )  # fmt: skip


_DOING: Final[dict[StateText, Doing]] = {
    "starting": Doing.STARTING,
    "listing": Doing.LISTING,
    "scanning": Doing.SCANNING,
    "syncing": Doing.SYNCING,
    "paused": Doing.PAUSED,
    "off": Doing.PAUSED,
    "waiting": Doing.WAITING,
    "asking": Doing.WAITING,
    "failed": Doing.WAITING,
}


def seen(tasks: Sequence[Task]) -> Snapshot:
    """One look at the jobs for a terminal: at the one that is most at work."""
    looks = []
    for task in tasks:
        standing = task.standing()
        looks.append(task.progress()._replace(doing=_DOING.get(standing.state, Doing.IDLE), why=shown(standing.why)))
    order = (Doing.SYNCING, Doing.SCANNING, Doing.LISTING, Doing.STARTING, Doing.WAITING, Doing.IDLE, Doing.PAUSED)
    nothing = Snapshot(Doing.IDLE, "", 0, 0, 0, 0, 0, 0.0, None, (), "")
    return min(looks, key=lambda look: order.index(look.doing), default=nothing)
