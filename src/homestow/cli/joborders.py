"""`homestow pause | resume | reload | conflicts | log`: orders to the sync services of this user."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import click
import msgspec

from homestow.cli.asking import Command
from homestow.cli.jobwords import clashes, logged, name, sentence
from homestow.cli.steering import Services, Steered, meant
from homestow.cli.troubles import FINE, LEFT, USAGE, Trouble, exit_code, one_line
from homestow.client.control.link import Link
from homestow.values.errors import CloudError, Unreachable
from homestow.wire.control import (
    MAX_LIST,
    AcceptDeletes,
    AnyOrder,
    Conflict,
    Event,
    JobNow,
    ListConflicts,
    ListLog,
    Pause,
    Reload,
    Settle,
    Start,
)

_JOB = "[JOB]"

_STEERED_S = 20.0
"""What only tells the jobs what to do is answered at once; who waits longer waits for a service that is halted."""


def _plain(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "-z", "--zmq", "port", metavar="PORT", type=click.IntRange(1, 65_533), help="Order it by the plain TCP link."
    )(command)


@click.command(cls=Command, example="homestow pause\nhomestow pause Photos\nhomestow pause ~/Photos")
@_plain
@click.argument("job", metavar=_JOB, required=False)
def pause(job: str | None, port: int | None) -> int:
    """Begin nothing new in a job, or in all, until `homestow resume`; a restart of the service or the computer changes nothing.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    if port is not None:
        from homestow.cli.plainlink import order

        return order(port, "PAUSE", job)
    return _steer(job, lambda ident: Pause(job=ident))


@click.command(cls=Command, example="homestow resume\nhomestow resume Photos\nhomestow resume Photos --accept-deletes")
@_plain
@click.option("--accept-deletes", is_flag=True, help="The job asked before deleting much, and it is meant.")
@click.argument("job", metavar=_JOB, required=False)
def resume(job: str | None, accept_deletes: bool, port: int | None) -> int:
    """Go on after a pause, or run a scheduled job now; without JOB all of them.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    if port is not None:
        if accept_deletes:
            raise Trouble("the plain link of -z cannot answer for deletions; leave -z out.", USAGE)
        from homestow.cli.plainlink import order

        return order(port, "START", job)
    return _accept(job) if accept_deletes else _steer(job, lambda ident: Start(job=ident))


@click.command(cls=Command, example="homestow reload\nhomestow reload Photos")
@_plain
@click.argument("job", metavar=_JOB, required=False)
def reload(job: str | None, port: int | None) -> int:
    """Look at everything anew on both sides; without JOB in all jobs. A paused job does when it goes on.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    if port is not None:
        from homestow.cli.plainlink import order

        return order(port, "RELOAD", job)
    return _steer(job, lambda ident: Reload(job=ident))


def _steer(word: str | None, order: Callable[[str | None], AnyOrder]) -> int:
    """Give an order for one job, or each service one for all its jobs; tell how they are then."""
    with Services() as services:
        if word is not None:
            chosen = meant(services.jobs(), word)
            jobs: Iterable[JobNow] = chosen.link.ask(order(chosen.job.id), timeout_s=_STEERED_S)
            _tell(job for job in jobs if job.id == chosen.job.id)
            return FINE
        code = FINE
        for link in services.links:
            try:
                _tell(link.ask(order(None), timeout_s=_STEERED_S))
            except CloudError as error:
                code = _told(error, link)
        return code


def _accept(word: str | None) -> int:
    with Services() as services:
        jobs = services.jobs()
        if word is not None:
            chosen = meant(jobs, word)
        else:
            asking = [each for each in jobs if each.job.brake is not None]
            if not asking:
                raise Trouble("no job asks whether to delete.", LEFT)
            if len(asking) > 1:
                names = ", ".join(one_line(each.job.id) for each in asking)
                raise Trouble(f"several jobs ask whether to delete: {names}. Say which.", USAGE)
            chosen = asking[0]
        now = chosen.link.ask(AcceptDeletes(job=chosen.job.id))
        if now.paused:
            (now,) = [job for job in chosen.link.ask(Start(job=now.id)) if job.id == now.id]
        _tell([now])
        return FINE


def _tell(jobs: Iterable[JobNow]) -> None:
    now = time.time_ns()
    for job in jobs:
        print(sentence(job, now))


def _told(error: CloudError, link: Link) -> int:
    click.echo(f"homestow: {one_line(link.place.name)}: {one_line(error.message)}", err=True)
    return exit_code(error)


# --- conflicts --------------------------------------------------------------------------------------------------------


@click.command(
    cls=Command,
    example="homestow conflicts\nhomestow conflicts Photos\n"
    "homestow conflicts --keep original 3f2a\nhomestow conflicts Photos --keep both --all",
)
@click.option(
    "--keep",
    type=click.Choice(["original", "copy", "both"]),
    help="Settle: keep the file as it is (the copy goes to the server's trash), the copy (it becomes the file's content, the other "
    "stays as a version), or both.",
)
@click.option("--all", "every", is_flag=True, help="With --keep: all of them, or all of JOB.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.argument("words", metavar="[JOB] [ID]", nargs=-1)
def conflicts(
    words: tuple[str, ...], keep: Literal["original", "copy", "both"] | None, every: bool, as_json: bool
) -> int:
    """List files of which two contents are kept because both sides changed them, or settle such conflicts.

    ID is what the list shows, or the path of the file or its copy. JOB is a job's id, its number in `homestow status`, its label,
    or its folder.
    """
    if every and keep is None:
        raise Trouble("--all belongs to --keep: say which content to keep.", USAGE)
    with Services() as services:
        jobs = services.jobs()
        if keep is None:
            if len(words) > 1:
                raise Trouble("name one job, or none; to settle a conflict say --keep too.", USAGE)
            return _list_conflicts([meant(jobs, words[0])] if words else jobs, as_json)
        if every:
            if len(words) > 1:
                raise Trouble("with --all name one job, or none.", USAGE)
            return _settle_all([meant(jobs, words[0])] if words else jobs, keep)
        if not words:
            raise Trouble("which conflict? Name its id from `homestow conflicts`, or say --all.", USAGE)
        if len(words) > 2:
            raise Trouble("name a job and a conflict, or the conflict alone.", USAGE)
        return _settle_one([meant(jobs, words[0])] if len(words) == 2 else jobs, words[-1], keep)


def _conflicts(jobs: Iterable[Steered]) -> Iterator[tuple[Steered, Conflict]]:
    for each in jobs:
        for conflict in each.link.ask(ListConflicts(job=each.job.id)):
            yield each, conflict


def _list_conflicts(jobs: Iterable[Steered], as_json: bool) -> int:
    found = list(_conflicts(jobs))
    for each, conflict in found:
        if as_json:
            print(msgspec.json.encode(conflict).decode())
        else:
            print("\n".join(clashes(conflict, name(each.job))))
    if not found and not as_json:
        print("no conflicts.")
    elif not as_json:
        print("Settle one: homestow conflicts --keep original|copy|both ID")
    return FINE


def _settle_all(jobs: Iterable[Steered], keep: Literal["original", "copy", "both"]) -> int:
    code, settled = FINE, 0
    for each in jobs:
        before = len(each.link.ask(ListConflicts(job=each.job.id)))
        if not before:
            continue
        try:
            settled += before - len(each.link.ask(Settle(job=each.job.id, keep=keep)))
        except CloudError as error:
            code = exit_code(error)
            click.echo(f"homestow: {name(each.job)}: {one_line(error.message)}", err=True)
    print(f"{settled:,} settled." if settled else "nothing was settled.")
    return code


def _settle_one(jobs: Iterable[Steered], word: str, keep: Literal["original", "copy", "both"]) -> int:
    found = list(_conflicts(jobs))
    fitting = [pair for pair in found if pair[1].id == word] or [
        pair for pair in found if word in (pair[1].copy.path, pair[1].original.path, pair[1].copy.file)
    ]
    if len(fitting) != 1:
        ids = ", ".join(one_line(conflict.id) for _, conflict in (fitting or found)[:10]) or "none"
        which = "may be several conflicts" if fitting else "is no conflict"
        raise Trouble(f"{one_line(word)!r} {which}; there is: {ids}.", USAGE)
    each, conflict = fitting[0]
    each.link.ask(Settle(job=each.job.id, keep=keep, conflict=conflict.id))
    kept = {"original": "the file stays as it is", "copy": "the copy is the file now", "both": "both are kept"}[keep]
    print(f"{name(each.job)}: {one_line(conflict.original.path)} is settled: {kept}.")
    return FINE


# --- the log ----------------------------------------------------------------------------------------------------------


@click.command(cls=Command, example="homestow log\nhomestow log Photos --limit 100\nhomestow log --follow")
@click.option("--follow", is_flag=True, help="Stay, and print what happens from now on; Ctrl-C ends it.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.argument("job", metavar=_JOB, required=False)
def log(job: str | None, follow: bool, limit: int, as_json: bool) -> int:
    """Print what happened last to a job, or to all, the newest at the end: what was sent and received, problems, conflicts.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    with Services() as services:
        jobs = services.jobs()
        chosen = None if job is None else meant(jobs, job)
        names = {each.job.id: name(each.job) for each in jobs}
        links = services.links if chosen is None else [chosen.link]
        tails = [_Tail(link, None if chosen is None else chosen.job.id) for link in links]

        def tell(events: Iterable[Event]) -> None:
            for event in sorted(events, key=lambda event: event.at_ns):
                shown = names.get(event.job) or one_line(event.job)
                print(msgspec.json.encode(event).decode() if as_json else logged(event, shown), flush=True)

        first = [event for tail in tails for event in tail.newest(limit)]
        tell(sorted(first, key=lambda event: event.at_ns)[-limit:])
        if follow:
            try:
                _follow(tails, tell)
            except KeyboardInterrupt:
                return FINE
        return FINE


class _Tail:
    """The log of one service, or of one of its jobs, read on from the last event that was seen."""

    def __init__(self, link: Link, job: str | None) -> None:
        self.link, self._job, self._last = link, job, 0

    def newest(self, limit: int) -> list[Event]:
        """The last `limit` events, oldest first."""
        return self._read(limit, 0)

    def more(self) -> list[Event]:
        """What happened since, oldest first."""
        return self._read(1 << 62, self._last)

    def _read(self, limit: int, above: int) -> list[Event]:
        found: list[Event] = []
        before: int | None = None
        while len(found) < limit:
            page = self.link.ask(ListLog(job=self._job, before=before, limit=min(limit - len(found), MAX_LIST)))
            found += (event for event in page if event.id > above)
            if not page or page[-1].id <= above:
                break
            before = page[-1].id
        self._last = max([self._last, *(event.id for event in found)])
        return found[::-1]


def _follow(tails: Iterable[_Tail], tell: Callable[[Iterable[Event]], None]) -> None:
    """Print on and on. News only say that there is more: what was missed while a service was away is read too."""
    changed = threading.Event()
    tails = list(tails)
    for tail in tails:
        tail.link.subscribe(["events"], lambda _: changed.set(), lambda there: changed.set() if there else None)
    while True:
        # With an end, so that Ctrl-C is heard on every system.
        if not changed.wait(3600):
            continue
        changed.clear()
        for tail in tails:
            try:
                tell(tail.more())
            except Unreachable:
                continue
