"""Where files of people lie in the working directory, and which of them may be given out.

Every account has the folder of its name; what comes from nobody known lies in `received/`. A name from the other end never
leads out of the folder it belongs to, and nothing that was there is ever overwritten. In an account's folder a new file takes
the name, and what had it is kept beside as `name (2).ext`; in `received/`, where several people's files meet, the new one gets
the number. The same bytes again change nothing.
"""

import filecmp
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from homestow.values.errors import BadName
from homestow.values.paths import check_name, numbered, split_path
from homestow.wire import picloud

AREA = "received"
"""Folder of what comes without login."""
SPOOL = ".picloud-spool"
"""Folder of what is on its way."""
STALE_S = 86_400
LEAVE_FREE = 256 << 20
"""Bytes that a stranger's file must leave free on the disk."""

_PRIVATE = frozenset({"picloud.log"})
_placing = threading.Lock()


def full_name(name: str, ext: str) -> str:
    """A file's name from its two parts; an empty extension brings no dot."""
    return f"{name}.{ext}" if ext else name


def parts_of(filename: str) -> tuple[str, str]:
    """Name and extension as they go over the wire: split at the last dot of the last part, no dot gives an empty one."""
    folder, slash, last = filename.rpartition("/")
    stem, _, ext = last.rpartition(".") if "." in last else (last, "", "")
    return folder + slash + stem, ext


def account_folder(user: str) -> Path:
    """The folder of an account.

    Raises:
        BadName: no account may be called so: it must be one plain name that hides nothing, and not `received`.
    """
    name = check_name(user)
    plain = name.isprintable() and not set(name) & set('\\/:*?"<>|')
    if name != user or not plain or name.startswith((".", " ")) or name.endswith((".", " ")) or len(name) > 64:
        raise BadName(f"{user!r} cannot be the name of an account.")
    if name.casefold() == AREA:
        raise BadName(f"{AREA!r} is the folder of everybody.")
    return Path(name)


def is_account_name(user: str) -> bool:
    """Whether an account may be called so."""
    try:
        account_folder(user)
    except BadName:
        return False
    return True


def inside(shelf: Path, filename: str) -> Path:
    """The place of a file below `shelf`.

    Raises:
        BadName: the name would lead out of it, or no file may be called so (S01, S02).
    """
    *folders, last = spelled(filename).split("/")
    if filename.startswith("/") or last in ("", "."):
        raise BadName("A name begins in a folder of its own and ends with a file.")
    names = split_path("/".join([*(folder for folder in folders if folder not in ("", ".")), last]))
    return shelf.joinpath(*names)


def spelled(filename: str) -> str:
    """A name with "/" between its folders, whatever this system uses."""
    return filename if os.sep == "/" else filename.replace(os.sep, "/")


def find(user: str | None, filename: str) -> Path | None:
    """The file that a peer asks for: of its own folder, of `received/`, or one that lies open in the working directory.

    `user/name` finds the user's own file too, as clients of the first server had to spell it. None: there is none, or it
    is somebody else's.
    """
    for shelf, name in _shelves(user, spelled(filename)):
        try:
            place = inside(shelf, name)
        except BadName:
            continue
        if _plain_file_in(shelf, place):
            return place
    return None


def _shelves(user: str | None, name: str) -> Iterable[tuple[Path, str]]:
    if user is not None:
        own = account_folder(user)
        yield own, name
        if name.startswith(f"{user}/"):
            yield own, name.removeprefix(f"{user}/")
    yield Path(AREA), name
    if _is_open(name):
        yield Path(), name


def find_open(filename: str) -> Path | None:
    """The file of the working directory itself that anybody may have; None when there is none such."""
    name = spelled(filename)
    return Path(name) if _is_open(name) and _plain_file_in(Path(), Path(name)) else None


def _is_open(filename: str) -> bool:
    """Whether anybody may have a file of this name: none in a folder, hidden, log, or account."""
    return (
        "/" not in filename
        and not filename.startswith(".")
        and filename.casefold() not in _PRIVATE
        and not filename.casefold().endswith(f".{picloud.ACCOUNT_EXT}")
    )


def _plain_file_in(shelf: Path, place: Path) -> bool:
    """Whether it is an ordinary file that no link leads to from elsewhere."""
    try:
        return stat.S_ISREG(place.lstat().st_mode) and place.resolve().is_relative_to(shelf.resolve())
    except OSError:
        return False


class Incoming:
    """A file on its way: written beside, in `.picloud-spool/`, and gone again unless it was put into its place."""

    def __init__(self) -> None:
        folder = Path(SPOOL)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / secrets.token_hex(8)
        self._file = self._path.open("xb", buffering=0)
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.size += len(data)

    def put(self, shelf: Path, filename: str, *, over: bool = True) -> Path:
        """Make it the file of this name in `shelf`, on the disk for good; gives where it lies.

        Args:
            shelf: folder that the name must not lead out of; made when missing, with the folders between.
            filename: "/"-separated.
            over: True gives it the name and the next free one to what had it; False the other way round.
        Raises:
            BadName: no file may be called so, or a folder stands there, or a link leads out.
            OSError: as the disk says.
        """
        place = inside(shelf, filename)
        os.fsync(self._file.fileno())
        self._file.close()
        with _placing:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.parent.resolve().is_relative_to(shelf.resolve()):
                raise BadName("A link leads out of the folder.")
            if place.is_dir() or place.is_symlink():
                raise BadName("Something else stands there.")
            if place.exists():
                if filecmp.cmp(place, self._path, shallow=False):
                    return place
                if over:
                    place.rename(_free(place))
                else:
                    place = _free(place)
            self._path.replace(place)
            _settle(place.parent)
        return place


def _free(place: Path) -> Path:
    return place.with_name(numbered(place.name, frozenset(os.listdir(place.parent))))


def _settle(folder: Path) -> None:
    """Make names of a folder outlast a loss of power, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def room_for(size: int) -> bool:
    """Whether so many bytes more leave the disk room to work."""
    return shutil.disk_usage(Path()).free - size >= LEAVE_FREE


def sweep() -> None:
    """Remove what a killed server left on its way more than a day ago."""
    for left in Path(SPOOL).glob("*"):
        try:
            if time.time() - left.stat().st_mtime > STALE_S:
                left.unlink()
        except OSError:
            continue


def write_private(path: Path, text: str) -> None:
    """Replace a small file at once and for good, readable by its owner only."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _settle(path.parent)
