"""How a job is put into words and signs: what its state looks like, how far it is, where it is."""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from homestow.client.apps.texts import Texts, Told
from homestow.wire.control import EventKind, GeneralText, JobConfig, JobNow, Progress, StateText

STATES: Final[Mapping[StateText, tuple[str, str]]] = {
    "off": ("power", "idle"),
    "starting": ("sync", "busy"),
    "listing": ("sync", "busy"),
    "scanning": ("sync", "busy"),
    "syncing": ("sync", "busy"),
    "synced": ("check", "good"),
    "left": ("alert", "warn"),
    "paused": ("pause", "idle"),
    "waiting": ("clock", "warn"),
    "asking": ("question", "warn"),
    "scheduled": ("clock", "idle"),
    "failed": ("cross", "bad"),
}
"""Pictogram and tone of each state."""

GENERAL: Final[Mapping[GeneralText, tuple[str, str]]] = {
    "none": ("folder", "idle"),
    "starting": STATES["starting"],
    "syncing": STATES["syncing"],
    "synced": STATES["synced"],
    "left": STATES["left"],
    "paused": STATES["paused"],
    "waiting": STATES["waiting"],
    "asking": STATES["asking"],
    "failed": STATES["failed"],
}
"""Pictogram and tone of all jobs together."""

KINDS: Final[Mapping[EventKind, tuple[str, str]]] = {
    "upload": ("up", "accent"),
    "download": ("down", "busy"),
    "mkdir": ("folder", "idle"),
    "move": ("move", "idle"),
    "delete": ("trash", "idle"),
    "conflict": ("conflict", "warn"),
    "settled": ("check", "good"),
    "state": ("info", "idle"),
    "problem": ("problem", "warn"),
    "pause": ("pause", "idle"),
    "resume": ("play", "idle"),
}
"""Pictogram and tone of what happened."""

AT_WORK: Final = frozenset({"starting", "listing", "scanning", "syncing"})

ACCOUNT: Final = frozenset({"login-needed", "login-failed", "too-many-tries"})
"""Codes that a person mends by logging in again."""


def name_of(config: JobConfig) -> str:
    """What people call the job."""
    return config.label or os.path.basename(config.directory.rstrip("/\\")) or config.directory


def short_path(path: str) -> str:
    """A path with "~" for the home folder."""
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path == home or path.startswith(home + os.sep) else path


def host_of(server: str) -> str:
    """A server's address without its protocol."""
    return urlsplit(server).netloc or server


def place_of(texts: Texts, config: JobConfig) -> str:
    """Which folder is kept in step with what, in one line; the arrow shows the way."""
    arrow = {"bi": "↔", "up": "→", "down": "←"}[config.direction]
    there = "/".join(part for part in (config.workspace or config.user, config.remote_folder.strip("/")) if part)
    where = (
        texts("folders.place-there", folder=there, server=host_of(config.server)) if there else host_of(config.server)
    )
    return f"{short_path(config.directory)}  {arrow}  {where}"


def share_of(progress: Progress) -> float | None:
    """How much of a pass is done, 0 to 1; None: not known yet."""
    if progress.bytes_total > 0:
        return progress.bytes_done / progress.bytes_total
    if progress.files_total > 0:
        return progress.files_done / progress.files_total
    return None


def progress_of(texts: Texts, progress: Progress) -> str:
    """How far, how fast and how long yet, in one line; "" when there is nothing to tell."""
    if progress.files_total == 0 and progress.bytes_total == 0:
        return texts("folders.looked-at", n=progress.scanned) if progress.scanned else ""
    parts = [texts("folders.files-of", done=progress.files_done, n=progress.files_total)]
    if progress.bytes_total:
        parts.append(
            texts("folders.size-of", done=texts.size(progress.bytes_done), total=texts.size(progress.bytes_total))
        )
    if progress.rate >= 1:
        parts.append(texts.rate(progress.rate))
    if progress.left_s is not None:
        parts.append(texts("folders.time-left", time=texts.left(progress.left_s)))
    return " · ".join(parts)


def current_of(progress: Progress) -> str:
    """What is on its way just now, in one line: large files with how much of them is through."""
    large = [
        f"{'↑' if each.up else '↓'} {each.path.rpartition('/')[2]} {100 * each.done_bytes // each.size_bytes} %"
        for each in progress.transfers[:3]
        if each.size_bytes
    ]
    return "   ".join(large) or progress.current


def trouble_of(texts: Texts, job: JobNow) -> Told | None:
    """What a job waits for or why it failed, and what to do; None: nothing."""
    if not job.code and not job.why:
        return None
    return texts.told(job.code, job.why, path=job.config.directory, server=host_of(job.config.server))


def state_of(texts: Texts, job: JobNow) -> str:
    """A job's state in one line."""
    text = texts(f"state.{job.state}")
    if job.state in ("synced", "left") and job.synced_at_ns is not None:
        return f"{text} · {texts('folders.synced-at', time=texts.when(job.synced_at_ns))}"
    if job.state == "scheduled":
        if job.next_at_ns is not None:
            return texts("folders.next-at", time=texts.when(job.next_at_ns))
        return texts("folders.when-told")
    return text
