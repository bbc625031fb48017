"""What file managers and the setting up of a job ask about paths of this computer."""

import os
from pathlib import Path
from typing import Any, Literal

from homestow.client.control.service import SyncService
from homestow.values.errors import BadRequest
from homestow.wire.control import JobNow, ListProblems, Problem

NodeStatus = Literal["IDLE", "PENDING", "False"]


def status(service: SyncService, job: JobNow, path: str) -> NodeStatus:
    """Is a file, or all in a folder, in step? As far as can be said without looking at all of it.

    Pending: it is being transferred, has a problem, or changed after both sides were last in step. False: it is not there.
    """
    names = path.split("/") if path else []
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise BadRequest("This is no path below the job's folder.")
    try:
        facts = os.lstat(Path(job.config.directory, *names))
    except (OSError, ValueError):
        return "False"
    moving = {job.progress.current, *(transfer.path for transfer in job.progress.transfers)} - {""}
    problems: tuple[Problem, ...] = service.do(ListProblems(job=job.id)) if job.problems else ()
    busy = moving | {problem.path for problem in problems if problem.left}
    if path in busy or any(each.startswith(f"{path}/") or not path for each in busy):
        return "PENDING"
    if job.synced_at_ns is None or facts.st_mtime_ns > job.synced_at_ns:
        return "PENDING"
    return "IDLE"


def proposed(body: dict[str, Any]) -> str:
    """A folder for a new job: the workspace's name in the person's own folder."""
    found = body.get("repoObject")
    label = found.get("label") if isinstance(found, dict) else None
    name = (
        "".join(letter for letter in label if letter not in '/\\:*?"<>|' and letter >= " ")
        if isinstance(label, str)
        else ""
    )
    return str(Path.home() / "Homestow" / (name.strip(" .") or "files"))
