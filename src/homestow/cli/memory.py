"""How a process that runs all day keeps its memory."""

import os
import sys
from collections.abc import Mapping, Sequence

_HOW = "PYTHONMALLOC"
_ARENAS = "MALLOC_ARENA_MAX"


def gives_memory_back(args: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether this command line begins a sync service that has to be begun once more, see `begin_again`.

    After a first sync of 100,000 files Python's own store of small values keeps 60 MB that nothing is in any more: each of its
    blocks of a megabyte still holds a value or two. The C library gives such memory back, page by page.
    """
    if args[:1] != ["sync"] or "--once" in args or _HOW in env or sys.platform != "linux":
        return False
    if sys.orig_argv[-len(args) :] != list(args):
        return False  # called from within another program, which must not begin anew in our stead
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        return False  # another C library, which does not do so, or is slow at it


def begin_again() -> None:
    """Replace this process by the same command with all memory taken from the C library; its children hear nothing of that."""
    # One arena: what is free in one of several is of no use to the others' threads.
    os.execve(sys.executable, sys.orig_argv, {**os.environ, _HOW: "malloc", _ARENAS: "1"})


def forget_how() -> None:
    """What was said to us is not for the programs that we start."""
    os.environ.pop(_HOW, None)
    os.environ.pop(_ARENAS, None)
