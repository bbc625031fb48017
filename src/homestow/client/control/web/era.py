"""Jobs, events and conflicts in the shapes of the shipped service's HTTP API, and back.

Source: the facts of its routes in docs/protocols/control-http.md. What it had and we have not is given its default; what we have and
it had not is left out.
"""

import time
from typing import Any, Final
from zlib import crc32

import msgspec

from homestow.values.errors import BadRequest
from homestow.wire.control import Conflict, Event, JobConfig, JobNow, Progress

TYPE: Final = "JobConfig"
NOT_GOING: Final = ("off", "paused")
BUSY: Final = ("starting", "listing", "scanning", "syncing")
MOST_CURRENT: Final = 5
ACTIONS: Final = {
    "upload": "upload", "download": "download", "mkdir": "mkdir", "move": "move", "delete": "delete",
}  # fmt: skip
STATUSES: Final = {"problem": "error", "conflict": "wait", "pause": "sync", "resume": "start"}
"""Of an event's kind; of any other: success."""
_FIELDS: Final = {field.name: field for field in msgspec.structs.fields(JobConfig)}
_CHOICES: Final = ("direction", "frequency", "solve")


def job_of(job: JobNow) -> dict[str, Any]:
    """A job as `/jobs` shows it."""
    shown: dict[str, Any] = {
        "__type__": TYPE,
        **msgspec.to_builtins(job.config),
        "label": label_of(job.config),
        "trust_ssl": False,
        "hide_up_dir": False,
        "hide_bi_dir": False,
        "hide_down_dir": False,
        "running": job.state not in NOT_GOING,
    }
    # Windows read its message without looking whether there is one.
    last = job.last or Event(id=0, at_ns=0, job=job.id, kind="state")
    shown["last_event"] = event_of(last)
    shown["last_action"] = date_of(last.at_ns) if job.last else ""
    if shown["running"]:
        shown["state"] = state_of(job)
    return shown


def label_of(config: JobConfig) -> str:
    """What people call a job."""
    return config.label or config.directory.replace("\\", "/").rstrip("/").rpartition("/")[2] or config.directory


def state_of(job: JobNow) -> dict[str, Any]:
    """How far a running job is."""
    progress = job.progress
    total = progress.files_total if job.state in BUSY else 0
    return {
        "global": {
            "status_indexing": job.state in ("listing", "scanning"),
            "queue_length": progress.files_total,
            "queue_done": progress.files_done,
            "queue_bytesize": progress.bytes_total,
            "last_transfer_rate": progress.rate,
            "queue_start_time": 0,
            "total_time": 0,
            "eta": -1 if progress.left_s is None else round(progress.left_s),
        },
        "tasks": {"total": max(0, total - progress.files_done), "current": _current(progress)},
        "websocket": None,
    }


def _current(progress: Progress) -> list[dict[str, Any]]:
    return [
        {
            "type": "upload" if moved.up else "download",
            "source": f"/{moved.path}",
            "target": f"/{moved.path}",
            "node": {"node_path": f"/{moved.path}", "bytesize": moved.size_bytes},
            "total_bytes_sent": moved.done_bytes,
            "total_size": moved.size_bytes,
        }
        for moved in progress.transfers[:MOST_CURRENT]
    ]


def event_of(event: Event) -> dict[str, Any]:
    """A line of a job's log."""
    side = {"here": "local", "there": "remote"}.get(event.side)
    action = ACTIONS.get(event.kind, "")
    if action == "delete":
        action = "delete_folder" if event.folder else "delete_file"
    return {
        "id": event.id,
        "type": side or ("notif" if event.kind in ("conflict", "problem") else "sync"),
        "message": event.message
        or " ".join(word for word in (event.kind, event.path, event.to and f"-> {event.to}") if word),
        "source": f"/{event.path}" if event.path else "",
        "action": action,
        "target": f"/{event.to or event.path}" if event.path else "",
        "status": STATUSES.get(event.kind, "success"),
        "date": date_of(event.at_ns),
    }


def date_of(at_ns: int) -> str:
    """Local time as the log shows it; "" for one that no calendar has."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ns // 1_000_000_000))
    except (OverflowError, ValueError, OSError):
        return ""


def conflict_of(conflict: Conflict) -> dict[str, Any]:
    """A row of a job's conflicts; `node_id` tells apart two of one file."""
    return {
        "node_id": node_id(conflict),
        "node_path": f"/{conflict.original.path}",
        "bytesize": conflict.original.size,
        "md5": "",
        "mtime": conflict.original.mtime_ns // 1_000_000_000,
        "status": "CONFLICT",
        "detail": f"/{conflict.copy.path}",
    }


def node_id(conflict: Conflict) -> int:
    """A number for a conflict that stays the same while it waits."""
    return crc32(conflict.id.encode()) & 0x7FFF_FFFF


def config_of(body: dict[str, Any], before: JobConfig | None = None) -> JobConfig:
    """What a job is told to be, from the shape of `POST /jobs`; an unknown choice is as if it were not there.

    Args:
        before: the job that is changed: what is not said stays. Of a new one it is the default, as it always was.
    Raises:
        BadRequest: a value is of the wrong kind or out of range, or server or directory are missing.
    """
    known = {name: body[name] for name in _FIELDS if body.get(name) is not None}
    for name in _CHOICES:
        if name in known:
            try:
                msgspec.convert(known[name], _FIELDS[name].type)
            except msgspec.ValidationError:
                del known[name]
    for name in ("directory", "remote_folder"):
        if isinstance(known.get(name), str):
            known[name] = known[name].rstrip("/\\") or known[name][:1]
    try:
        return msgspec.convert((msgspec.to_builtins(before) if before else {}) | known, JobConfig)
    except msgspec.ValidationError as error:
        raise BadRequest(f"This is no job: {error}.") from error
