"""Jobs of the sync service in words: the table of `homestow status`, its lines, the lines of the log. Pure."""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from homestow.cli.fitting import columns, duration, fitted, size
from homestow.cli.troubles import one_line
from homestow.values.words import counted
from homestow.wire.control import Brake, Conflict, Event, JobNow, Problem, Progress

_GAP: Final = "  "
_NAME_COLUMNS: Final = 30
_LATER: Final = 24 * 3600 * 1_000_000_000


class Row(NamedTuple):
    """A job with the number that it has on the command line."""

    number: int
    job: JobNow


def name(job: JobNow) -> str:
    """What people call a job: its label, else its folder's name."""
    directory = job.config.directory.rstrip("/\\")
    return one_line(job.config.label or directory.replace("\\", "/").rpartition("/")[2] or job.id)


def state(job: JobNow) -> str:
    """What a job is at, in a word or three."""
    match job.state:
        case "off":
            return "not active"
        case "starting":
            return "starting"
        case "listing":
            return "asking the server"
        case "scanning":
            return "looking through the folder"
        case "syncing":
            return "syncing"
        case "synced":
            return "in step"
        case "left":
            return f"{counted(job.problems, 'item')} left"
        case "paused":
            return "paused"
        case "waiting":
            return "waiting"
        case "asking":
            return "asks before deleting"
        case "scheduled":
            return "rests"
        case "failed":
            return "failed"


def amount(progress: Progress) -> str:
    """How far a pass is: "12 of 3,400 files, 5.0 MB of 80.0 MB"; "" where nothing is to be transferred."""
    parts = []
    if progress.files_total:
        parts.append(f"{progress.files_done:,} of {counted(progress.files_total, 'file')}")
    if progress.bytes_total:
        parts.append(f"{size(progress.bytes_done)} of {size(progress.bytes_total)}")
    if not parts and progress.scanned:
        parts.append(f"{counted(progress.scanned, 'entry', 'entries')} so far")
    return ", ".join(parts)


def speed(progress: Progress) -> str:
    """Bytes per second in words, "" while nothing moves."""
    return f"{size(progress.rate)}/s" if progress.rate >= 1 else ""


def left(progress: Progress) -> str:
    """Time left in words, "" when it is not known."""
    return "" if progress.left_s is None else duration(progress.left_s)


def notes(job: JobNow, now_ns: int) -> list[str]:
    """What else a person should know of a job, the most urgent first, each with what to do."""
    found = []
    if job.brake is not None:
        found.append(braked(job.brake, job.id))
    elif job.why:
        found.append(one_line(job.why))
    if job.state == "scheduled":
        found.append(f"next at {moment(job.next_at_ns, now_ns)}" if job.next_at_ns else f"runs on: resume {job.id}")
    if job.problems and job.state != "left":
        found.append(f"{counted(job.problems, 'item')} left with problems")
    if job.problems:
        found.append(f"see which and why: homestow status {job.id}")
    if job.conflicts:
        waits = "waits" if job.conflicts == 1 else "wait"
        found.append(
            f"{counted(job.conflicts, 'conflict')} {waits} for your choice (nothing is lost): homestow conflicts {job.id}"
        )
    return found


def braked(brake: Brake, job: str) -> str:
    """What the brake asks, and both answers."""
    where, gone = ("in the folder here", "the server") if brake.side == "here" else ("on the server", "the folder here")
    return (
        f"{brake.files:,} of {counted(brake.of, 'file')} would be deleted {where}, because {gone} does not have them any more. "
        f"If it is meant: homestow resume {job} --accept-deletes"
    )


def headline(job: JobNow) -> str:
    """A job in one line."""
    parts = [state(job)]
    if job.state in _MOVES:
        parts += [amount(job.progress), speed(job.progress)]
        parts += [f"{left(job.progress)} left"] if job.progress.left_s is not None else []
    return f"{name(job)}: " + ", ".join(part for part in parts if part)


def sentence(job: JobNow, now_ns: int) -> str:
    """A job in one line with what is most urgent about it, for where lines are not redrawn."""
    return ", ".join([headline(job), *notes(job, now_ns)[:1]])


_MOVES: Final = frozenset({"listing", "scanning", "syncing"})


def table(rows: Sequence[Row], now_ns: int, width: int | None = None) -> list[str]:
    """All jobs, one line each, with what a person should know of it below; no line is wider than `width` columns (None: any)."""
    cells = [("#", "job", "state", "progress", "speed", "time left")]
    cells += [_cells(row) for row in rows]
    shown = 6 if any(cell[3] for cell in cells[1:]) else 3
    widths = [max(columns(cell[at]) for cell in cells) for at in range(shown)]
    is_wide = width is None or sum(widths) + len(_GAP) * (shown - 1) <= width
    lines = [_line(cells[0], widths)] if is_wide else []
    indent = " " * (widths[0] + len(_GAP))
    for row, cell in zip(rows, cells[1:], strict=True):
        # Where columns have no room, a job is a sentence.
        lines += [_line(cell, widths)] if is_wide else wrapped(f"{cell[0]}  {headline(row.job)}", width, indent)
        for note in notes(row.job, now_ns):
            lines += wrapped(indent + note, width, indent)
        if row.job.state in _MOVES:
            lines += [fit(indent + each, width) for each in _under_way(row.job.progress)]
    return lines


def _cells(row: Row) -> tuple[str, str, str, str, str, str]:
    progress = row.job.progress if row.job.state in _MOVES else Progress()
    return (
        str(row.number), fitted(name(row.job), _NAME_COLUMNS), state(row.job), amount(progress), speed(progress), left(progress),
    )  # fmt: skip


def _under_way(progress: Progress) -> list[str]:
    found = []
    for each in progress.transfers[:3]:
        share = min(100 * each.done_bytes // each.size_bytes, 100) if each.size_bytes else 100
        found.append(f"{'up  ' if each.up else 'down'} {share:3d}% {one_line(each.path)}")
    if not found and progress.current:
        found.append(one_line(progress.current))
    return found


def _line(cell: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (most - columns(text)) for text, most in zip(cell, widths, strict=False))
    return _GAP.join(padded).rstrip()


def wrapped(line: str, width: int | None, indent: str) -> list[str]:
    """A sentence over as many lines as it needs, so that no command in it is cut; those after the first begin with `indent`."""
    if width is None or columns(line) <= width:
        return [line]
    lines, current = [], ""
    for word in line.lstrip().split(" "):
        longer = f"{current} {word}" if current else line[: len(line) - len(line.lstrip())] + word
        if current and columns(longer) > width:
            lines.append(current)
            longer = indent + word
        current = longer
    return [fit(each, width) for each in [*lines, current]]


def fit(line: str, width: int | None) -> str:
    """A line of at most `width` columns; its beginning stays as it is indented."""
    if width is None or columns(line) <= width:
        return line
    body = line.lstrip()
    indent = len(line) - len(body)
    return line[:indent] + fitted(body, max(width - indent, 1))


def overall(rows: Sequence[Row]) -> str:
    """All jobs in one line."""
    if not rows:
        return "No jobs yet. Add one: homestow jobs add -s SERVER -u USER -d FOLDER, or with the window: homestow ui"
    counts: dict[str, int] = {}
    for row in rows:
        word = "with problems" if row.job.state == "left" else state(row.job)
        counts[word] = counts.get(word, 0) + 1
    return f"{counted(len(rows), 'job')}: " + ", ".join(f"{number:,} {word}" for word, number in counts.items())


def told(problem: Problem) -> str:
    """An item that is not in step, and why."""
    path = one_line(problem.path)
    word = "left" if problem.left else "not synced"
    return f"{word}: {path or '.'}: {one_line(problem.message).removeprefix(f'{path}: ')}"


# --- events and conflicts ---------------------------------------------------------------------------------------------


def moment(at_ns: int, now_ns: int | None = None) -> str:
    """A time as people of this computer read it; only the time of day when it is within a day of `now_ns`."""
    try:
        local = time.localtime(at_ns // 1_000_000_000)
    except (ValueError, OverflowError, OSError):
        return "a far day"
    near = now_ns is not None and abs(at_ns - now_ns) < _LATER
    return time.strftime("%H:%M" if near else "%Y-%m-%d %H:%M:%S", local)


def happened(event: Event) -> str:
    """What an event says, without its time and job."""
    path, to = one_line(event.path), one_line(event.to)
    where = {"here": " here", "there": " on the server", "": ""}[event.side]
    what = "folder " if event.folder else ""
    match event.kind:
        case "upload":
            text = f"sent {path} ({size(event.size)})"
        case "download":
            text = f"received {path} ({size(event.size)})"
        case "mkdir":
            text = f"made the folder {path}{where}"
        case "move":
            text = f"moved {what}{path} to {to}{where}"
        case "delete":
            text = f"deleted {what}{path}{where}"
        case "conflict":
            text = f"both contents of {path} are kept, one as {to}"
        case "settled":
            text = f"the conflict of {path} is settled"
        case "problem":
            text = f"{path or 'problem'}"
        case "pause":
            text = "paused"
        case "resume":
            text = "goes on"
        case "state":
            text = path
    message = one_line(event.message).removeprefix(f"{text}: ")
    if event.kind in ("state", "problem"):
        return ": ".join(part for part in (text, message or one_line(event.code)) if part)
    return f"{text} ({message})" if message else text


def logged(event: Event, job: str) -> str:
    """A line of the log."""
    return f"{moment(event.at_ns)}  {job}: {happened(event)}"


def clashes(conflict: Conflict, job: str) -> list[str]:
    """A conflict with both its contents."""
    both = (("original", conflict.original), ("copy", conflict.copy))
    lines = [f"{one_line(conflict.id)}  {job}: {one_line(conflict.original.path)}"]
    for word, each in both:
        of = f" by {one_line(conflict.device)}" if word == "copy" and conflict.device else ""
        here = "" if each.file is not None else ", not on this computer"
        lines.append(f"    {word:8}  {size(each.size)}, {moment(each.mtime_ns)}{of}{here}: {one_line(each.path)}")
    if not conflict.ready:
        lines.append("    not both are on the server yet; it can be settled after the next pass")
    return lines
