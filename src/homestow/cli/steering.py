"""The sync services that run for this user, and the jobs that a command means."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from homestow.cli.jobwords import Row, name
from homestow.cli.troubles import TROUBLE, USAGE, Trouble, one_line
from homestow.client.control.link import WHAT_TO_DO, Link
from homestow.client.control.places import Place, live
from homestow.values.errors import Unreachable
from homestow.wire.control import JobNow, ListJobs

NO_SERVICE = f"no sync service runs. {WHAT_TO_DO}"
_ANSWER_S = 10.0


class Steered(NamedTuple):
    """A job, the service that has it, and the number it has among all."""

    number: int
    job: JobNow
    link: Link

    @property
    def row(self) -> Row:
        """For the table."""
        return Row(self.number, self.job)


class Services:
    """All that run; the one of the stored jobs comes first. Close it.

    Raises:
        Trouble: none runs; exit code 4.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.links = [Link(place) for place in live(folder)]
        if not self.links:
            raise Trouble(NO_SERVICE, TROUBLE)

    def close(self) -> None:
        """Close all links."""
        for link in self.links:
            link.close()

    def __enter__(self) -> "Services":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def places(self) -> list[Place]:
        """Where they are."""
        return [link.place for link in self.links]

    def jobs(self) -> list[Steered]:
        """Every job of every service; a service that ended meanwhile has none.

        Raises:
            Unreachable: none answers.
        """
        found: list[tuple[JobNow, Link]] = []
        failed: Unreachable | None = None
        heard = False
        for link in self.links:
            try:
                found += [(job, link) for job in link.ask(ListJobs(), timeout_s=_ANSWER_S)]
                heard = True
            except Unreachable as error:
                failed = error
        if failed is not None and not heard:
            raise failed
        # One service: its own numbers, which its order of jobs gives. Several: counted through.
        return [Steered(number, job, link) for number, (job, link) in enumerate(found)]


def meant(jobs: Iterable[Steered], word: str) -> Steered:
    """The job that `word` names: by id, number, label, or its folder's name or path.

    Raises:
        Trouble: none or several; the message names those there are; exit code 2.
    """
    jobs = list(jobs)
    ways = (
        lambda each: each.job.id == word,
        lambda each: word.isascii() and word.isdigit() and each.number == int(word[:9]),
        lambda each: word in (each.job.config.label, name(each.job), Path(each.job.config.directory).name),
        lambda each: _is_folder(word, each.job.config.directory),
        lambda each: word.casefold() in (each.job.id.casefold(), name(each.job).casefold()),
    )
    for fits in ways:
        found = [each for each in jobs if fits(each)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Trouble(f"{one_line(word)!r} may be several jobs: {_named(found)}. Say which by its id.", USAGE)
    if not jobs:
        raise Trouble(f"there is no job {one_line(word)!r}: there are no jobs yet.", USAGE)
    raise Trouble(f"there is no job {one_line(word)!r}; there is: {_named(jobs)}.", USAGE)


def _named(jobs: Iterable[Steered]) -> str:
    shown = [f"{one_line(each.job.id)} ({name(each.job)})" for each in jobs]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")


def _is_folder(word: str, directory: str) -> bool:
    if os.sep not in word and word not in (".", ".."):
        return False
    path = Path(word).expanduser().absolute()
    if str(path) == directory.rstrip("/"):
        return True
    with suppress(OSError):
        return path.resolve() == Path(directory).resolve()
    return False
