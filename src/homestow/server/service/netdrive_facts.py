"""What the netdrive use cases take and give, their limits, and what can go wrong that other fronts do not know."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from homestow.values.errors import BadRequest, NotFound

BLOCK = 4 * 1024 * 1024
"""Bytes of a block of the progress that is told (the article: 4 MB); blocks that are sent may begin and end anywhere."""

SMALL = 256 * 1024
"""Bytes up to which a whole file is taken in memory and stored together with others (`whole_many`)."""

MOST_CHUNKS = 1 << 18
"""Blocks of one file whose progress is told: a tebibyte (S109)."""

_SECOND = 1_000_000_000
_LATEST_S = 1 << 33

TOP = "//"
"""How the top of a root is called in lists."""


class NotBound(NotFound):
    """The user is bound to no root, or to one that is not there for this user (any more)."""


class NoFolder(NotFound):
    """The folder that a path names is not there."""


class NotEmpty(BadRequest):
    """Only an empty folder is deleted."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A file that a client is about to send.

    Attributes:
        folder: its folder, by id or as the client spells the path; missing folders of a path are made.
        md5: 32 hexadecimal digits in whatever capitals; None: not told, and not verified.
        size: in bytes.
        mtime_s: modification time it is to bear, seconds since 1970; None, or one no file can have: when it was written.
    """

    folder: int | str
    name: str
    md5: str | None
    size: int
    mtime_s: float | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What became of an announcement.

    Attributes:
        vfile: `instant`: the file. Otherwise the id under which its blocks are sent, which is the file's when nothing
            stands at its place; `complete` tells the file's.
        instant: nothing is to be sent.
    """

    vfile: int
    instant: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """One block of an upload: `size` bytes from `offset`; `done` when all of them are there."""

    offset: int
    size: int
    done: bool


class ListedFile(NamedTuple):
    """A complete file.

    Attributes:
        path: of its folder, as this user spelled it last, else as `//` or `/a/b/`.
        md5: 32 lower-case hexadecimal digits; "" for a file that cannot be read now, as one being written to.
        mtime_s: whole seconds.
    """

    vfile: int
    dir: int
    path: str
    name: str
    size: int
    md5: str
    mtime_s: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All folders, (id, path) with the top first and parents before children, and all files of a root."""

    dirs: list[tuple[int, str]] = field(default_factory=list)
    files: list[ListedFile] = field(default_factory=list)


class Sink(Protocol):
    """Takes a run of bytes: `write` its pieces in order, then `finish`; `abort` when it broke off (harmless after `finish`)."""

    def write(self, data: memoryview) -> None:
        """The next piece.

        Raises:
            WrongOffset: more than was announced.
            StorageFull: no room.
        """

    def abort(self) -> None:
        """The sender broke off: what came counts."""


class ChunkSink(Sink, Protocol):
    """A sink for bytes of an upload; what it took counts as it comes."""

    def finish(self) -> bool:
        """All bytes came; whether the file is complete now, and then it is in its place.

        Raises:
            Incomplete: fewer came than were announced; fact `missing`.
            DigestMismatch: the whole file is not what was announced; nothing of it counts any more.
            PathTaken: a folder is in its place.
        """


class WholeSink(Sink, Protocol):
    """A sink for all bytes of a file."""

    def finish(self) -> int:
        """The file is in its place; its id. Raises as `ChunkSink.finish`."""


def seconds_of(mtime_s: float | None) -> int | None:
    """Whole seconds of a modification time that a file can have."""
    return int(mtime_s) if mtime_s is not None and 0 <= mtime_s < _LATEST_S else None


def mtime_ns_of(mtime_s: float | None) -> int | None:
    """The same in nanoseconds, with what was given below a second."""
    return int(mtime_s * _SECOND) if mtime_s is not None and 0 <= mtime_s < _LATEST_S else None
