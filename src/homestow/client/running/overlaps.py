"""Which jobs can be together on one computer: each folder in one job, none inside another's."""

from collections.abc import Iterable
from pathlib import PurePath

from homestow.wire.control import JobConfig

_SCHEMES = ("http://", "https://", "netdrive://", "netdrives://")


def cut(directory: str) -> str:
    """A folder's path without slashes at its end."""
    return directory.rstrip("/\\") or directory[:1]


def wrong(config: JobConfig) -> str:
    """What is wrong with a job by itself, in a sentence; "" nothing."""
    name = config.id or config.label or config.directory
    if not config.server.startswith(_SCHEMES) or not config.server.partition("://")[2]:
        return f"The job {name!r} needs the address of its server, such as https://home.example:5000."
    if not config.directory:
        return f"The job {name!r} needs a folder on this computer."
    if not PurePath(config.directory).is_absolute():
        return f"The folder {config.directory!r} of the job {name!r} has to be written in full, beginning with a slash."
    if "\0" in config.directory:
        return f"The folder of the job {name!r} has a name that no folder can have."
    return ""


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
