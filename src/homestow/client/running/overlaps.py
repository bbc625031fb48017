"""Which jobs can be together on one computer: each folder in one job, none inside another's."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath

from homestow.client.ports.jobfile import Listed
from homestow.wire.control import JobConfig


def against(config: JobConfig, real: str, taken: Iterable[tuple[JobConfig, str]]) -> str:
    """Why a folder cannot be kept by this job beside others, in a sentence; "" nothing.

    Args:
        real: the folder's true path, and that of each of `taken`.
    """
    mine = PurePath(real)
    for other, place in taken:
        its = PurePath(place)
        name = other.label or other.id
        if mine == its:
            return f"The folder {config.directory} is kept in step by the job {name!r} already; choose another folder."
        if its in mine.parents:
            return (
                f"The folder {config.directory} lies in {other.directory}, which the job {name!r} keeps in step already; "
                "choose a folder outside of it."
            )
        if mine in its.parents:
            return (
                f"In the folder {config.directory} lies {other.directory}, which the job {name!r} keeps in step already; "
                "choose a folder that does not hold it."
            )
    return ""


def judged(listed: Sequence[Listed], real: Callable[[str], str]) -> list[Listed]:
    """The jobs of a file; of two whose folders overlap the later one cannot run. `real` gives a folder's true path."""
    taken: list[tuple[JobConfig, str]] = []
    found = []
    for each in listed:
        if each.config.active and not each.fault:
            place = real(each.config.directory)
            why = against(each.config, place, taken)
            if why:
                each = each._replace(fault=why)
            else:
                taken.append((each.config, place))
        found.append(each)
    return found
