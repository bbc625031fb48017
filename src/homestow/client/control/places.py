"""Where a running sync service is reached: a folder that only its owner can enter, with the sockets and a note of who answers.

A place lies in the first of these folders that serves (see `_homes`), under the service's name, and holds

    lock         locked as long as the service lives, however it ends
    orders, news the sockets, where the system has such sockets
    place.json   who answers and where; with the keys of the link where that is a port of the loopback (S83)

A place whose lock is free is stale: whoever looks for services removes it.
"""

import hashlib
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import msgspec

from homestow.client.adapters.this_computer import client_folder
from homestow.values.errors import StorageFailed, StoreLocked

SERVICE: Final = "service"
"""Name of the service of the stored jobs."""

MAX_SOCKET_PATH: Final = 100
"""Bytes that the path of a socket may have; the system's own limit is 107 on Linux and 103 on macOS."""

_FILES: Final = ("orders", "news", "place.json", "place.json.new")
_PATIENCE_S: Final = 3.0
"""So long a taker waits for somebody who only looked whether the lock is free."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a client of a loopback link proves itself by, as CURVE has it: 40 letters each."""

    server: str
    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A running service.

    Attributes:
        folder: only its owner can enter it.
        begun_ns: when it began.
        jobs_file: where its jobs are stored, "" nowhere.
        orders, news: endpoints for ZeroMQ.
        keys: where the endpoints are ports of the loopback.
    """

    name: str
    folder: Path
    pid: int
    begun_ns: int
    jobs_file: str
    orders: str = ""
    news: str = ""
    version: str = ""
    keys: Keys | None = None

    def again(self) -> "Place | None":
        """The service that is at this place now; None: none is."""
        return _look(self.folder) if _is_held(self.folder) else None


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """`place.json`."""

    name: str
    client: str
    pid: int
    begun_ns: int
    jobs_file: str
    orders: str
    news: str
    version: str = ""
    keys: Keys | None = None


def name_for_file(path: Path) -> str:
    """Name of the service of a job file."""
    return f"file-{_hashed(path.absolute())}"


def name_for_folder(path: Path) -> str:
    """Name of the service that keeps one folder, by flags alone."""
    return f"folder-{_hashed(path.absolute())}"


def live(folder: Path | None = None) -> list[Place]:
    """All services that run for the client's data in `folder` (None: this user's own), the one of the stored jobs first.

    Places that were left behind are removed.
    """
    answering = (place for place in _held(folder or client_folder()) if place.orders)
    return sorted(answering, key=lambda place: (place.name != SERVICE, place.begun_ns))


def find(name: str, folder: Path | None = None) -> Place | None:
    """The running service of this name, if there is one."""
    return next((place for place in live(folder) if place.name == name), None)


def holder(name: str, folder: Path | None = None) -> Place | None:
    """Who holds the place of this name, also when it does not answer (yet)."""
    return next((place for place in _held(folder or client_folder()) if place.name == name), None)


def _held(client: Path) -> list[Place]:
    """All services of this client, also those that are just starting."""
    found: dict[Path, Place] = {}
    for home in _homes(client, looking=True):
        for inside in _folders(home):
            if not _is_held(inside):
                _sweep(inside)
                continue
            note = _read(inside)
            if note is not None and note.client == str(client):
                found[inside] = _place(inside, note)
    return list(found.values())


class Held:
    """A place that this process holds until `release`, or its end."""

    def __init__(self, name: str, folder: Path, client: Path, lock: int) -> None:
        self.name = name
        self.folder = folder
        self.client = client
        self._lock = lock

    @property
    def has_sockets(self) -> bool:
        """Whether sockets can lie in the folder."""
        return sys.platform != "win32"

    def tell(self, note: Place) -> Place:
        """Write who answers here and where, for those who look; gives it with this place's name and folder."""
        written = _Note(
            name=self.name,
            client=str(self.client),
            pid=note.pid,
            begun_ns=note.begun_ns,
            jobs_file=note.jobs_file,
            orders=note.orders,
            news=note.news,
            version=note.version,
            keys=note.keys,
        )
        fresh = self.folder / "place.json.new"
        with suppress(FileNotFoundError):
            fresh.unlink()
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(written))
        fresh.replace(self.folder / "place.json")
        return _place(self.folder, written)

    def release(self) -> None:
        """Take the place away; may be called twice."""
        if self._lock < 0:
            return
        _empty(self.folder)
        os.close(self._lock)
        self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def take(name: str, folder: Path | None = None) -> Held:
    """Make and hold the place of a service of this name for the client's data in `folder` (None: this user's own).

    Raises:
        StoreLocked: such a service already runs; fact `pid` is its process, 0 when it is just starting.
        StorageFailed: no folder can be had that only this user can enter.
    """
    client = folder or client_folder()
    for running in _held(client):
        if running.name == name:
            raise _runs(name, running.pid)
    for inside in _candidates(name, client):
        home = inside.parent
        if len(os.fsencode(inside / "orders")) > MAX_SOCKET_PATH or not (_make(home) and _make(inside)):
            continue
        lock = _lock(inside)
        if lock is not None:
            for left in _FILES:
                with suppress(FileNotFoundError):
                    (inside / left).unlink()
            held = Held(name, inside, client, lock)
            held.tell(Place(name, inside, os.getpid(), time.time_ns(), ""))
            return held
        note = _read(inside)
        if note is None or note.client == str(client):
            raise _runs(name, note.pid if note is not None else 0)
    raise StorageFailed(
        f"There is no folder for the sockets of the sync service: {client / 'run'} and {tempfile.gettempdir()} cannot be used."
        " Make one of them writable for you alone."
    )


def _runs(name: str, pid: int) -> StoreLocked:
    who = f"process {pid}" if pid else "another process"
    what = "The sync service" if name == SERVICE else f"A sync service for this {name.partition('-')[0]}"
    return StoreLocked(
        f"{what} already runs ({who}). `homestow status` shows what it does; end that one first to begin anew.", pid=pid
    )


# --- folders ----------------------------------------------------------------------------------------------------------


def _hashed(path: Path) -> str:
    return hashlib.blake2b(os.fsencode(path), digest_size=6).hexdigest()


def _uid() -> int:
    return os.getuid() if sys.platform != "win32" else 0


def _homes(client: Path, *, looking: bool = False) -> Iterator[Path]:
    """Folders that may hold places, the best first; `looking`: also where a service of another session may have put one."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    # A session's folder that was opened to others since may hold the place of a service that runs; the place itself is private.
    if given.startswith("/") and (_is_ours if looking else _is_private)(Path(given)):
        yield Path(given) / "homestow"
    session = Path(f"/run/user/{_uid()}")
    if looking and str(session) != given and _is_private(session):
        yield session / "homestow"
    yield client / "run"
    yield Path(tempfile.gettempdir()) / f"homestow-{_uid()}"


def _candidates(name: str, client: Path) -> Iterator[Path]:
    """Where a place may be made, the best first: homes that other data of this user share know it by a second name."""
    second = f"{name}-{_hashed(client)}"
    for home in _homes(client):
        own = home == client / "run"
        if own or os.environ.get("XDG_RUNTIME_DIR", "") == str(home.parent):
            yield home / name
        if not own:
            yield home / second


def _is_private(path: Path) -> bool:
    """A real folder of ours that nobody else can enter."""
    return _is_ours(path, 0o077)


def _is_ours(path: Path, closed: int = 0) -> bool:
    """A real folder of ours, without any of the rights `closed`."""
    try:
        found = path.lstat()
    except OSError:
        return False
    if sys.platform == "win32":
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & closed


def _make(path: Path) -> bool:
    """Make a folder that only we can enter, unless it is one; False: it cannot be, or something else is there."""
    # Who looks for services may remove it at this moment, as one that was left behind.
    for _ in range(20):
        try:
            for each in (*reversed(path.parents), path):
                if not each.is_dir():
                    each.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:
            continue
        except OSError:
            return False
        if _is_private(path):
            return True
        if os.path.lexists(path):
            return False
    return False


def _folders(home: Path) -> Iterator[Path]:
    """Places in a home of ours; nothing where the home is somebody else's."""
    if not _is_private(home):
        return
    with suppress(OSError):
        yield from (inside for inside in sorted(home.iterdir()) if _is_private(inside))


# --- the lock ---------------------------------------------------------------------------------------------------------


def _open(inside: Path, flags: int) -> int | None:
    """The lock file, open; None: it is not there or not ours."""
    try:
        return os.open(inside / "lock", os.O_RDWR | flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        return None


def _try(fd: int, *, alone: bool) -> bool:
    """Lock it, for this process alone or with others who only look; False: the service holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _same(fd: int, inside: Path) -> bool:
    """Whether the lock that was opened is still the one that has the name."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(fd), (inside / "lock").lstat())
    return False


def _lock(inside: Path) -> int | None:
    """Take the lock and keep it; None: somebody else has it."""
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        fd = _open(inside, os.O_CREAT)
        if fd is not None:
            if _try(fd, alone=True) and _same(fd, inside):
                return fd
            os.close(fd)
        if time.monotonic() > give_up or not _make(inside):
            return None
        time.sleep(0.02)


def _is_held(inside: Path) -> bool:
    """Whether a service holds this place."""
    fd = _open(inside, 0)
    if fd is None:
        return False
    try:
        return not _try(fd, alone=False)
    finally:
        os.close(fd)


def _sweep(inside: Path) -> None:
    """Remove a place that was left behind, unless somebody takes it at this moment."""
    fd = _open(inside, 0)
    if fd is None:
        return
    try:
        if _try(fd, alone=True) and _same(fd, inside):
            _empty(inside)
    finally:
        os.close(fd)


def _empty(inside: Path) -> None:
    """Remove what a service puts into its place, the lock last; only who holds the lock may."""
    for name in (*_FILES, "lock"):
        with suppress(OSError):
            (inside / name).unlink()
    with suppress(OSError):
        inside.rmdir()


# --- the note ---------------------------------------------------------------------------------------------------------


def _read(inside: Path) -> _Note | None:
    try:
        return msgspec.json.decode((inside / "place.json").read_bytes(), type=_Note)
    except (OSError, ValueError):
        return None


def _look(inside: Path) -> Place | None:
    note = _read(inside)
    return None if note is None else _place(inside, note)


def _place(inside: Path, note: _Note) -> Place:
    return Place(
        name=note.name,
        folder=inside,
        pid=note.pid,
        begun_ns=note.begun_ns,
        jobs_file=note.jobs_file,
        orders=note.orders,
        news=note.news,
        version=note.version,
        keys=note.keys,
    )
