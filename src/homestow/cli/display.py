"""What people see of a running sync: a status block redrawn in a terminal, plain lines anywhere else. Words only, no deciding."""

import os
import sys
import threading
from collections.abc import Callable, Sequence

from homestow.cli.fitting import duration, fitted, size, terminal_columns
from homestow.cli.troubles import one_line
from homestow.client.engine.steps import Brake, Held
from homestow.client.running.outcome import Counts, Ending, Outcome, counts_as_left
from homestow.client.running.progress import Doing, Snapshot
from homestow.values.words import counted

_REDRAW_S = 0.2
_PLAIN_LINE_S = 10.0
_NAMES = 3
MAX_PROBLEMS = 20
"""So many items that are left are named in a summary; the rest is counted."""


_WORDS = {
    Doing.STARTING: "Starting",
    Doing.LISTING: "Asking the server what it has",
    Doing.SCANNING: "Looking through the folder",
    Doing.SYNCING: "Syncing",
    Doing.IDLE: "In step, watching for changes",
    Doing.PAUSED: "Paused",
    Doing.WAITING: "Waiting",
}


def headline(seen: Snapshot) -> str:
    """What a job is at, in one line."""
    words = _WORDS[seen.doing]
    if seen.why:
        words = f"{words}: {seen.why}"
    if seen.doing is Doing.SCANNING and seen.scanned:
        words += f", {counted(seen.scanned, 'entry', 'entries')} so far"
    if seen.doing is Doing.SYNCING and seen.files_total:
        parts = [f"{seen.files_done:,} of {counted(seen.files_total, 'file')}"]
        if seen.bytes_total:
            parts.append(f"{size(seen.bytes_done)} of {size(seen.bytes_total)}")
        if seen.rate >= 1:
            parts.append(f"{size(seen.rate)}/s")
        if seen.left_s is not None:
            parts.append(f"{duration(seen.left_s)} left")
        words += ": " + ", ".join(parts)
    return words


def block(seen: Snapshot, problems: int, width: int) -> list[str]:
    """The lines of the status block, none wider than `width` columns."""
    lines = [fitted(headline(seen), width)]
    if seen.doing is Doing.SYNCING:
        if seen.bytes_total:
            inner = min(width - 8, 60)
            done = min(max(seen.bytes_done / seen.bytes_total, 0.0), 1.0)
            if inner >= 10:
                filled = int(inner * done)
                lines.append(f"[{'#' * filled}{'.' * (inner - filled)}] {int(done * 100):3d}%")
        for transfer in seen.transfers[:_NAMES]:
            share = 100 * transfer.done_bytes // transfer.size_bytes if transfer.size_bytes else 100
            lines.append(f"  {'up  ' if transfer.up else 'down'} {share:3d}% " + fitted(transfer.name, width - 13))
        if not seen.transfers and seen.current:
            lines.append("  " + fitted(seen.current, width - 2))
    if problems:
        lines.append("  " + fitted(f"{counted(problems, 'item')} left with problems", width - 2))
    return lines


def done(counts: Counts) -> str:
    """What was done, in one line; "nothing to do" when it was nothing."""
    parts = []
    if counts.uploaded:
        parts.append(f"{counted(counts.uploaded, 'file')} up ({size(counts.uploaded_bytes)})")
    if counts.downloaded:
        parts.append(f"{counted(counts.downloaded, 'file')} down ({size(counts.downloaded_bytes)})")
    if counts.folders:
        parts.append(f"{counted(counts.folders, 'folder')} made")
    if counts.moves:
        parts.append(f"{counts.moves:,} moved or renamed")
    if counts.deletes:
        parts.append(f"{counts.deletes:,} deleted")
    if counts.conflicts:
        parts.append(f"{counted(counts.conflicts, 'conflict')} (both sides kept)")
    return ", ".join(parts) or "nothing to do"


def problem(held: Held) -> str:
    """One item that is not in step, and why."""
    path = "/".join(part.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for part in held.path)
    return one_line(f"{path or '.'}: {held.reason.removeprefix(f'{path}: ')}")


def label(held: Held) -> str:
    """What stands before an item that is told: whether it is left against what was wished."""
    return "left" if counts_as_left(held) else "not synced"


def braked(brake: Brake, again: str) -> str:
    """What the brake asks, and both answers."""
    them = "it" if brake.files == 1 else "them"
    if brake.side == "here":
        where, gone = "in the folder here", "the server"
        back = f"run it once with -dir up to send {them} again, or restore {them} from the trash on the server"
    else:
        where, gone = "on the server", "the folder here"
        back = f"put {them} back into the folder, or run it once with -dir down to get {them} from the server"
    return (
        f"this would delete {brake.files:,} of {counted(brake.of, 'file')} {where}, because {gone} does not have "
        f"{them} any more. Nothing was deleted. If it is meant, {again}; if not, {back}."
    )


def summary(outcome: Outcome, seconds: float) -> list[str]:
    """What `sync --once` says at its end; trouble and brake are told on stderr instead."""
    head = {
        Ending.IN_STEP: "In step",
        Ending.ITEMS_LEFT: f"{counted(outcome.left, 'item')} left",
        Ending.BRAKE: "Stopped by the brake",
        Ending.TROUBLE: "Not finished",
        Ending.STOPPED: "Stopped; the next run continues",
    }[outcome.ending]
    did = done(outcome.counts)
    if outcome.ending is not Ending.IN_STEP and not outcome.counts.total():
        did = "nothing was done"
    lines = [f"{head}: {did} in {duration(seconds) if seconds >= 10 else f'{seconds:.1f} s'}."]
    first = sorted(outcome.problems, key=counts_as_left, reverse=True)[:MAX_PROBLEMS]
    lines += [f"  {label(held)}: {problem(held)}" for held in first]
    if (more := len(outcome.problems) - MAX_PROBLEMS) > 0:
        lines.append(f"  … and {more:,} more")
    return lines


class Board:
    """The place where a running sync is shown: lines that stay go to stdout, the status block below them to the terminal.

    In a terminal the block is redrawn five times a second; elsewhere a plain line tells now and then how far it is.
    """

    def __init__(self, look: Callable[[], Snapshot]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._drawn = 0
        self._stop = threading.Event()
        self._problems = 0
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._thread = threading.Thread(target=self._follow, name="status", daemon=True)

    def __enter__(self) -> "Board":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            self._erase()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._erase()
            print(line, flush=True)

    def problems(self, number: int) -> None:
        """So many items are left with problems for now."""
        self._problems = number

    def _follow(self) -> None:
        told = ""
        while not self._stop.wait(_REDRAW_S if self._terminal else _PLAIN_LINE_S):
            seen = self._look()
            if self._terminal:
                width = terminal_columns() - 1
                self._draw(block(seen, self._problems, width))
            elif seen.doing not in (Doing.IDLE, Doing.PAUSED) and (line := headline(seen)) != told:
                told = line
                with self._lock:
                    print(one_line(line), file=sys.stderr, flush=True)

    def _draw(self, lines: Sequence[str]) -> None:
        with self._lock:
            up = f"\x1b[{self._drawn}F" if self._drawn else ""
            sys.stderr.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
            sys.stderr.flush()
            self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J")
            sys.stderr.flush()
            self._drawn = 0
