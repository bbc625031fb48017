"""What is going on, as a small record that a terminal or a status page reads from another thread; nothing is printed here."""

from collections import deque
from enum import StrEnum
from threading import Lock
from typing import NamedTuple

from homestow.client.ports.clock import Clock

_WINDOW_S = 5.0


class Doing(StrEnum):
    """What the job is at."""

    STARTING = "starting"
    LISTING = "listing"
    SCANNING = "scanning"
    SYNCING = "syncing"
    IDLE = "idle"
    PAUSED = "paused"
    WAITING = "waiting"
    """For the server or the disk to come back; `why` says for what."""


class Transfer(NamedTuple):
    """One file on its way; `up` to the server."""

    name: str
    up: bool
    done_bytes: int
    size_bytes: int


class Snapshot(NamedTuple):
    """One look at a job.

    Attributes:
        doing, why: what it is at; `why` is "" or says what it waits for.
        files_done, files_total: files to transfer in this pass.
        bytes_done, bytes_total: their bytes.
        scanned: entries looked at in this scan.
        rate: bytes per second over the last five seconds.
        left_s: seconds to go at this rate; None when not known.
        transfers: large files on their way.
        current: name of the last file begun.
    """

    doing: Doing
    why: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    scanned: int
    rate: float
    left_s: float | None
    transfers: tuple[Transfer, ...]
    current: str


class Progress:
    """Thread-safe; writers are the cycle and its workers, readers take `snapshot`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._doing, self._why = Doing.STARTING, ""
        self._files_done = self._files_total = self._bytes_done = self._bytes_total = self._scanned = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._open: dict[int, Transfer] = {}
        self._current = ""
        self._moved_at: float | None = None

    def at(self, doing: Doing, why: str = "") -> None:
        """Say what the job is at now."""
        with self._lock:
            self._doing, self._why = doing, why

    def looked(self, entries: int) -> None:
        """So many more entries of the disk were looked at."""
        with self._lock:
            self._scanned += entries

    def expect(self, files: int, size_bytes: int) -> None:
        """A plan was made: so much is to transfer from here on, besides what was done."""
        with self._lock:
            self._files_total = self._files_done + files
            self._bytes_total = self._bytes_done + size_bytes

    def begin(self, item: int, name: str, up: bool, size_bytes: int) -> None:
        """A large file is on its way."""
        with self._lock:
            self._open[item] = Transfer(name, up, 0, size_bytes)
            self._current = name

    @property
    def moved_at(self) -> float | None:
        """When (monotonic seconds) bytes last crossed the network."""
        with self._lock:
            return self._moved_at

    def moved(self, item: int, size_bytes: int, *, before: bool = False) -> None:
        """So many bytes of a large file were transferred, now or `before` in an earlier run."""
        now = self._clock.monotonic()
        with self._lock:
            if not before:
                self._moved_at = now
            self._count(now, size_bytes)
            if (old := self._open.get(item)) is not None:
                self._open[item] = Transfer(old.name, old.up, old.done_bytes + size_bytes, old.size_bytes)

    def end(self, item: int, done: bool) -> None:
        """A large file is there (`done`) or given up for now."""
        with self._lock:
            old = self._open.pop(item, None)
            if done:
                self._files_done += 1
            elif old is not None:
                self._bytes_done -= old.done_bytes

    def small(self, name: str, files: int, size_bytes: int) -> None:
        """So many small files, the last of them called `name`, were transferred."""
        now = self._clock.monotonic()
        with self._lock:
            self._files_done += files
            self._count(now, size_bytes)
            self._current = name

    def rest(self) -> None:
        """Nothing goes on: what was counted for the rate is let go."""
        with self._lock:
            self._recent.clear()

    def _count(self, now: float, size_bytes: int) -> None:
        self._bytes_done += size_bytes
        self._recent.append((now, size_bytes))
        while self._recent and self._recent[0][0] < now - _WINDOW_S:
            self._recent.popleft()

    def snapshot(self) -> Snapshot:
        """One consistent look."""
        now = self._clock.monotonic()
        with self._lock:
            recent = [entry for entry in self._recent if entry[0] >= now - _WINDOW_S]
            span = max(now - recent[0][0], 0.25) if recent else _WINDOW_S
            rate = sum(size for _, size in recent) / span
            left = self._bytes_total - self._bytes_done
            return Snapshot(
                self._doing, self._why, self._files_done, self._files_total, self._bytes_done, self._bytes_total,
                self._scanned, rate, left / rate if rate > 0 and left > 0 else None,
                tuple(self._open.values()), self._current,
            )  # fmt: skip
