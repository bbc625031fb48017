"""What a look at the disk gives: kinds, stamps, entries, and what the filesystem does.

Named tuples, because a scan makes one of each per file and a pass over 100,000 files has to stay below two seconds.
"""

from enum import StrEnum
from typing import NamedTuple

LocalPath = tuple[str, ...]
"""Names below the job's folder as the disk spells them; () is the folder itself."""

PASSING = ".homestow-moving-"
"""How names begin that an item bears for a moment; see `compare.passing_name`."""


class SeenKind(StrEnum):
    """What the disk holds at a name."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"
    """FIFO, socket, device: never opened (SC-112)."""


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it.

    size in bytes (0 for folders), mtime_ns and ctime_ns in nanoseconds (ctime 0 where the system has none), inode 0 where
    it is not stable, else 1 to 2**63 - 1 (larger numbers are folded into that).
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Seen(NamedTuple):
    """One entry of a folder as the disk shows it now; `name` may hold surrogates when it is not UTF-8 (R16)."""

    name: str
    kind: SeenKind
    stamp: Stamp


class TreeFacts(NamedTuple):
    """What this filesystem does, measured once: the code asks facts, never classes.

    folds_case: names that differ by case only are one name. normalises: the disk may spell a name in another Unicode form
    than it was given. stable_inodes: a renamed file keeps its inode. mtime_step_ns: the finest difference of two
    modification times. atomic_swap: replacing exchanges two names and looks at what came out; where False, an edit in the
    microseconds between the last look and the rename can be replaced unseen.
    """

    folds_case: bool
    normalises: bool
    stable_inodes: bool
    mtime_step_ns: int
    atomic_swap: bool = True
