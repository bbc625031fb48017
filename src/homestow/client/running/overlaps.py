"""Which jobs can be together on one computer: each folder in one job, none inside another's."""

from collections.abc import Iterable
from pathlib import PurePath

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
