"""`homestow status`: what all sync services of this user do, once or live."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import click
import msgspec

from homestow.cli.asking import Command
from homestow.cli.fitting import terminal_columns
from homestow.cli.jobwords import Row, fit, overall, sentence, table, told
from homestow.cli.steering import NO_SERVICE, Services, meant
from homestow.cli.troubles import FINE, USAGE, Trouble
from homestow.client.control.link import Link
from homestow.client.control.places import Place, live
from homestow.values.errors import CloudError
from homestow.wire.control import (
    AnyNews,
    Ended,
    JobGone,
    JobNews,
    JobNow,
    ListJobs,
    ListProblems,
    Problem,
    ProgressNews,
)

_REDRAW_S: Final = 0.25
_LOOK_AGAIN_S: Final = 2.0
_PLAIN_LINE_S: Final = 10.0
_JSON_LINE_S: Final = 0.5


@click.command(
    cls=Command,
    example="homestow status\nhomestow status --watch\nhomestow status --json | jq '.jobs[].state'\nhomestow status -z 5556",
)
@click.option("--watch", is_flag=True, help="Stay, and show what changes; Ctrl-C ends it, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document; with --watch one per line.")
@click.option("-z", "--zmq", "port", metavar="PORT", type=click.IntRange(1, 65_533), help="Ask by the plain TCP link.")
@click.argument("job", metavar="[JOB]", required=False)
def status(job: str | None, watch: bool, as_json: bool, port: int | None) -> int:
    """Show what the sync services do: each job with its state, progress, speed and time left; of JOB also what is left and why.

    JOB is a job's id, its number, its label, or its folder.
    """
    if port is not None:
        from homestow.cli.plainlink import show

        return show(port, as_json=as_json, watch=watch, job=job)
    if job is not None and watch:
        raise Trouble("--watch shows all jobs; leave the job out.", USAGE)
    with Services() as services:
        if not watch:
            jobs = services.jobs()
            chosen = jobs if job is None else [meant(jobs, job)]
            problems = None if job is None else chosen[0].link.ask(ListProblems(job=chosen[0].job.id))
            _print([each.row for each in chosen], services.places, problems, as_json=as_json)
            return FINE
    shown = Json() if as_json else Block() if _is_terminal() else Lines()
    with suppress(KeyboardInterrupt):
        Watching(shown).run()
    shown.end()
    return FINE


def _print(rows: Sequence[Row], places: Sequence[Place], problems: Sequence[Problem] | None, *, as_json: bool) -> None:
    if as_json:
        print(document(rows, places, problems))
        return
    width = terminal_columns() if sys.stdout.isatty() else None
    if rows:
        for line in table(rows, time.time_ns(), width):
            print(line)
    else:
        print(overall(rows))
    for problem in problems or ():
        print(fit(told(problem), width))


def document(rows: Sequence[Row], places: Sequence[Place], problems: Sequence[Problem] | None = None) -> str:
    """All that is known, as one line of JSON: `services`, and `jobs` as the control protocol has them, each with its `number`;
    where one job was asked for, its `problems` too."""
    services = [{"name": place.name, "pid": place.pid, "version": place.version} for place in places]
    jobs: list[dict[str, Any]] = [{**msgspec.to_builtins(row.job), "number": row.number} for row in rows]
    more = {} if problems is None else {"problems": problems}
    return msgspec.json.encode({"version": 1, "services": services, "jobs": jobs, **more}).decode()


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


# --- live -------------------------------------------------------------------------------------------------------------


class Shown:
    """Where what is watched is shown; `pace_s`: at most so often."""

    pace_s = _REDRAW_S

    def show(self, rows: Sequence[Row], places: Sequence[Place]) -> None:
        """What is, now."""

    def end(self) -> None:
        """Leave what was shown last."""


class Block(Shown):
    """A block that is drawn over itself."""

    def __init__(self) -> None:
        self._drawn = 0

    def show(self, rows: Sequence[Row], places: Sequence[Place]) -> None:
        """Draw it; what the terminal is too low for is counted."""
        size = os.get_terminal_size(sys.stdout.fileno())
        width, height = max(size.columns - 1, 10), max(size.lines - 1, 3)
        lines = [fit(overall(rows) if places else NO_SERVICE, width)]
        if rows:
            lines += table(rows, time.time_ns(), width)
        if len(lines) > height:
            lines = [*lines[: height - 1], f"… and {len(lines) - height + 1:,} more lines"]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        sys.stdout.flush()
        self._drawn = len(lines)


def _out(line: str) -> None:
    print(line, flush=True)


class Lines(Shown):
    """A line for each job when its state is another, and now and then while it moves."""

    def __init__(self, say: Callable[[str], None] = _out) -> None:
        self._out = say
        self._said: dict[str, tuple[tuple[Any, ...], float, str]] = {}
        self._empty = ""

    def show(self, rows: Sequence[Row], places: Sequence[Place]) -> None:
        """Print what is new."""
        now_ns, now = time.time_ns(), time.monotonic()
        if not rows:
            line = overall(rows) if places else NO_SERVICE
            if line != self._empty:
                self._say(line)
            self._empty = line
            return
        self._empty = ""
        for row in rows:
            job = row.job
            what = (job.state, job.why, job.problems, job.conflicts, job.brake)
            line = sentence(job, now_ns)
            before, at, said = self._said.get(f"{row.number} {job.id}", ((), 0.0, ""))
            if what != before or (now - at >= _PLAIN_LINE_S and line != said):
                self._said[f"{row.number} {job.id}"] = (what, now, line)
                self._say(line)

    def _say(self, line: str) -> None:
        self._out(f"{time.strftime('%H:%M:%S')}  {line}")


class Json(Shown):
    """A document per line, whenever anything is otherwise."""

    pace_s = _JSON_LINE_S

    def __init__(self, say: Callable[[str], None] = _out) -> None:
        self._out = say
        self._said = ""

    def show(self, rows: Sequence[Row], places: Sequence[Place]) -> None:
        """Print it."""
        line = document(rows, places)
        if line != self._said:
            self._said = line
            self._out(line)


class Watching:
    """Follows all services, those too that begin later, and shows what changes."""

    def __init__(self, shown: Shown, look: Callable[[], list[Place]] = live) -> None:
        self._shown, self._look = shown, look
        self._services: dict[tuple[str, int, int], _Service] = {}
        self._changed = threading.Event()
        self._ended = threading.Event()

    def run(self) -> None:
        """Until Ctrl-C, or `stop`."""
        try:
            looked = -_LOOK_AGAIN_S
            while not self._ended.is_set():
                if time.monotonic() - looked >= _LOOK_AGAIN_S:
                    self._find()
                    looked = time.monotonic()
                self._changed.clear()
                services = [service for service in self._services.values() if not service.ended]
                jobs = [job for service in services for job in service.jobs()]
                rows = [Row(number, job) for number, job in enumerate(jobs)]
                self._shown.show(rows, [service.place for service in services])
                self._ended.wait(self._shown.pace_s)
                self._changed.wait(max(0.0, looked + _LOOK_AGAIN_S - time.monotonic()))
        finally:
            for service in self._services.values():
                service.close()

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self._changed.set()

    def _find(self) -> None:
        """Take up services that are new, and let go of those that ended."""
        found = {(str(place.folder), place.pid, place.begun_ns): place for place in self._look()}
        for gone in self._services.keys() - found.keys():
            self._services.pop(gone).close()
        self._services = {
            key: self._services.get(key) or _Service(place, self._changed.set) for key, place in found.items()
        }


class _Service:
    """One service and its jobs as they were last heard of."""

    def __init__(self, place: Place, changed: Callable[[], None]) -> None:
        self.place = place
        self.ended = False
        self._changed = changed
        self._lock = threading.Lock()
        self._jobs: dict[str, JobNow] = {}
        self._link = Link(place)
        # The state of each job is repeated to whoever begins to hear; the list is for those that hold no job at all.
        with suppress(CloudError):
            self._jobs = {job.id: job for job in self._link.ask(ListJobs(), timeout_s=_LOOK_AGAIN_S)}
        self._link.subscribe(["general", "job/", "progress/"], self._heard)

    def jobs(self) -> list[JobNow]:
        """Its jobs by number."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: job.number)

    def close(self) -> None:
        """Let go."""
        self._link.close()

    def _heard(self, news: AnyNews) -> None:
        with self._lock:
            match news:
                case JobNews(job=job):
                    self._jobs[job.id] = job
                case ProgressNews(job=moved, progress=progress) if (known := self._jobs.get(moved)) is not None:
                    self._jobs[moved] = msgspec.structs.replace(known, progress=progress)
                case JobGone(job=gone):
                    self._jobs.pop(gone, None)
                case Ended():
                    self.ended = True
                case _:
                    return
        self._changed()
