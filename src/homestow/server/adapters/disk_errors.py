"""What a disk's errno means to a caller, and which keys and locations may reach a disk at all; shared by the tree and its
twin in memory."""

import errno
import functools
import os
import re
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

from homestow.server.ports.content import Location
from homestow.values.errors import BadName, Busy, CloudError, ContentMissing, PathTaken, StorageFailed, StorageFull
from homestow.values.paths import RESERVED

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

_KEY: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_NO_NAMES: Final = frozenset(("", ".", ".."))

_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_MISSING: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO))
_TAKEN: Final = frozenset((errno.EEXIST, errno.ENOTEMPTY))
_NAME: Final = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ))
_NO_HANDLES: Final = frozenset((errno.EMFILE, errno.ENFILE))


def disk_error(error: OSError, doing: str, subject: str = "") -> CloudError:
    """The error a caller is told for what the disk said.

    Args:
        error: as the call raised it.
        doing: what was tried, as words: "publish".
        subject: the location or key it was tried on; "" for none.
    Returns:
        `StorageFull`, `ContentMissing` (also for a symlink, file or device in the way), `PathTaken`, `BadName`, `Busy` (no file
        handles left) or `StorageFailed`; the last with the errno's name as fact `errno`.
    """
    code = error.errno or 0
    on = f" {subject!r}" if subject else ""
    if code in _FULL:
        return StorageFull(f"Cannot {doing}{on}: {os.strerror(code)}. Free some room on this disk and try again.")
    if code in _MISSING:
        return ContentMissing(f"Cannot {doing}{on}: it is not on the disk.")
    if code in _TAKEN:
        return PathTaken(f"Cannot {doing}{on}: something is there already.")
    if code in _NAME:
        return BadName(f"Cannot {doing}{on}: this disk cannot have such a name.")
    if code in _NO_HANDLES:
        return Busy(f"Cannot {doing}{on}: too many open files. Try again in a moment.", retry_after_s=1)
    if code == errno.EXDEV:
        return StorageFailed(
            f"Cannot {doing}{on}: the folder lies on another disk than its root. Make it a root of its own.",
            errno="EXDEV",
        )
    reason = os.strerror(code) if code else str(error)
    return StorageFailed(
        f"Cannot {doing}{on}: the disk says: {reason}. Look at the disk and its rights.",
        errno=errno.errorcode.get(code, str(code)),
    )


def told_as(doing: str) -> Callable[[Callable[Concatenate[S, P], T]], Callable[Concatenate[S, P], T]]:
    """A method's decorator: what the disk says leaves it as `disk_error`, with the first argument as its subject."""

    def wrap(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
        def told(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return method(self, *args, **kwargs)
            except OSError as error:
                raise disk_error(error, doing, _subject(args[0] if args else "")) from error

        functools.update_wrapper(told, method)
        return told

    return wrap


def _subject(value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(str(name) for name in value)
    return value if isinstance(value, str) else ""


def check_key(key: str) -> bytes:
    """A key of the hidden areas as a disk name.

    Raises:
        BadName: not 1 to 64 letters, digits or '-'.
    """
    if _KEY.fullmatch(key) is None:
        raise BadName(f"{key[:80]!r} is not a key: 1 to 64 letters, digits or '-'.")
    return key.encode()


def is_key(name: str) -> bool:
    """Whether a name in a hidden area is a key; the store's own leftovers there are none."""
    return _KEY.fullmatch(name) is not None


def path_of(location: Location, folds_case: bool = False) -> bytes:
    """A location as a relative path, b"" for the top: the one place where names become disk names.

    Raises:
        BadName: a segment that is no name ('', '.', '..', with '/' or NUL, not encodable), or one of the hidden area (S01);
            where names fold case, also any spelling of it.
    """
    if not location:
        return b""
    path = "/".join(location)
    if path.count("/") != len(location) - 1 or "\0" in path or not _NO_NAMES.isdisjoint(location):
        raise BadName(f"{path!r} cannot be a path on a disk.")
    first = location[0]
    if first == RESERVED or (folds_case and _is_reserved_there(first)):
        raise BadName(f"The name {first!r} is kept for the server's own files.")
    try:
        return os.fsencode(path)
    except UnicodeEncodeError as error:
        raise BadName(f"{path!r} cannot be written in this disk's encoding.") from error


def _is_reserved_there(name: str) -> bool:
    # Such disks drop dots and spaces at the end and know each long name by a short one too: HOMEST~1.
    name = name.rstrip(". ").casefold()
    return name == RESERVED or re.fullmatch(r"home[a-z0-9]{0,4}~[0-9]+", name) is not None
