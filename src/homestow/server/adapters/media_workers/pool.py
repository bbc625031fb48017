"""Workers that read media: processes started when first needed, few, kept for long, replaced when they die, ended when idle."""

import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

import homestow
from homestow.server.adapters.media_workers.messages import MAX_ASK, MAX_TOLD, Ask, Hello, Told, receive, send
from homestow.server.ports.media import Facts
from homestow.server.rules.media_kinds import MediaKind, kind_of
from homestow.values.errors import Busy, MediaBroken

IDLE_S: Final = 60.0
WALL_S: Final = 40.0
START_S: Final = 30.0
CPU_S: Final = 10
_GRACE_S: Final = 2.0
_MOST_ITEMS: Final = 2000
_MOST_BYTES: Final = 400 * 1024 * 1024
_FILMS: Final = frozenset({MediaKind.VIDEO, MediaKind.AUDIO})
_ASKED_TO_END: Final = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
_ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Nothing of the server's own. No library may begin threads: a process that has some gets no namespace of its own."""
_INT64: Final = 1 << 63
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Told).decode
_decode_hello = msgspec.msgpack.Decoder(Hello).decode

log = logging.getLogger(__name__)


class WorkerPool:
    """`ports.media.MediaTools` over worker processes.

    Films and sounds have workers of their own, for those may start ffmpeg while the others may start nothing.

    Args:
        workers: how many files are read at the same time at most; None: one for each processor, at most 4.
        wall_s: seconds one file may take, whatever it waits for.
    """

    def __init__(self, workers: int | None = None, wall_s: float = WALL_S) -> None:
        self.workers = workers or max(1, min(4, os.cpu_count() or 1))
        self._wall_s = wall_s
        self._free = threading.Condition()
        self._at_work = 0
        self._urgent = 0
        self._idle: dict[bool, list[_Worker]] = {False: [], True: []}
        self._all: set[_Worker] = set()
        self._closed = False

    def facts(self, descriptor: int, name: str, ahead: bool = False) -> Facts:
        """Facts of an open file."""
        told = self._ask(descriptor, Ask(name=name[-64:]), kind_of(name) in _FILMS, ahead)
        if told.facts is None:
            raise MediaBroken("Nothing could be read from the file.")
        return _checked(told.facts)

    def thumbnail(self, descriptor: int, facts: Facts, sizes: Collection[int], ahead: bool = False) -> dict[int, bytes]:
        """Pictures of an open file by size."""
        ask = Ask(
            name=f"file.{facts.format.lower()}"[:64], sizes=tuple(sizes), kind=facts.kind, duration_s=facts.duration_s
        )
        told = self._ask(descriptor, ask, facts.kind in _FILMS, ahead)
        if set(told.pictures) != set(sizes):
            raise MediaBroken("No picture could be made of the file.")
        return told.pictures

    def rest(self) -> None:
        """End workers that had nothing to do for a minute."""
        before = time.monotonic() - IDLE_S
        with self._free:
            tired = [worker for kind in self._idle.values() for worker in kind if worker.used_at < before]
            for worker in tired:
                self._idle[worker.films].remove(worker)
        for worker in tired:
            self._end(worker)

    def close(self) -> None:
        """End all workers; whoever waits for one is told `Busy`."""
        with self._free:
            self._closed = True
            workers = list(self._all)
            self._free.notify_all()
        for worker in workers:
            self._end(worker)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _ask(self, descriptor: int, ask: Ask, films: bool, ahead: bool) -> Told:
        self._enter(ahead)
        try:
            try:
                worker, told = self._asked(descriptor, ask, films)
            except _Killed:  # by whom, nobody knows: perhaps the machine was short of memory
                try:
                    worker, told = self._asked(descriptor, ask, films)
                except _Killed as error:
                    raise MediaBroken("The file cannot be read within the limits of memory and time.") from error
            with self._free:
                fresh = not self._closed and worker.items < _MOST_ITEMS and told.used_bytes < _MOST_BYTES
                if fresh:
                    self._idle[films].append(worker)
            if not fresh:
                self._end(worker)
        finally:
            with self._free:
                self._at_work -= 1
                self._free.notify_all()
        if told.broken is not None:
            raise MediaBroken(told.broken)
        return told

    def _asked(self, descriptor: int, ask: Ask, films: bool) -> "tuple[_Worker, Told]":
        worker = self._take(films)
        try:
            return worker, worker.ask(ask, descriptor, self._wall_s)
        except BaseException as error:
            self._end(worker)
            if self._closed and isinstance(
                error, MediaBroken | _Killed
            ):  # the end of the server is not the file's fault
                raise Busy("The server is shutting down.", retry_after_s=5) from error
            raise

    def _enter(self, ahead: bool) -> None:
        """Wait for a turn; those for whom nobody waits only when nobody else does, and they leave a worker free."""
        with self._free:
            if not ahead:
                self._urgent += 1
            try:
                while not self._closed and (
                    self._at_work >= self.workers or (ahead and (self._urgent > 0 or self._at_work > 0))
                ):
                    self._free.wait()
                if self._closed:
                    raise Busy("The server is shutting down.", retry_after_s=5)
                self._at_work += 1
            finally:
                if not ahead:
                    self._urgent -= 1

    def _take(self, films: bool) -> "_Worker":
        while True:
            with self._free:
                found = self._idle[films].pop() if self._idle[films] else None
            if found is None:
                break
            if found.lives():
                return found
            self._end(found)
        with self._free:
            spare = (
                self._idle[not films].pop() if len(self._all) >= 2 * self.workers and self._idle[not films] else None
            )
        if spare is not None:
            self._end(spare)
        worker = _Worker(films)
        with self._free:
            self._all.add(worker)
            closed = self._closed
        if closed:
            self._end(worker)
            raise Busy("The server is shutting down.", retry_after_s=5)
        return worker

    def _end(self, worker: "_Worker") -> None:
        with self._free:
            self._all.discard(worker)
        worker.end()


class _Killed(Exception):
    """A worker was killed from outside."""


class _Worker:
    """One process, from the server's side."""

    def __init__(self, films: bool) -> None:
        self.films = films
        self.items = 0
        self.used_at = time.monotonic()
        self.walls: list[str] = []
        ours, theirs = socket.socketpair()
        self._channel = ours
        source = str(Path(homestow.__file__).parents[1])
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-s", "-E", "-m", "homestow.server.adapters.media_workers.worker",
                     "films" if films else "pictures"],
                    stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=True,
                    start_new_session=True, cwd=source, env=_ENVIRONMENT,
                )  # fmt: skip
        except OSError as error:
            ours.close()
            raise Busy("No process can be started to read media just now.", retry_after_s=5) from error

    def ask(self, ask: Ask, descriptor: int, wall_s: float) -> Told:
        """Have one file read.

        Raises:
            MediaBroken: the process died of it or took too long.
            Busy: it took too long without computing, or could not start, or the machine is going down.
            _Killed: somebody killed it.
        """
        if not self.items:
            self._greet()
        self.items += 1
        self._channel.settimeout(wall_s)
        try:
            send(self._channel, _encode(ask), descriptor)
            found = receive(self._channel, MAX_TOLD)
        except TimeoutError:
            if self._cpu_s() < CPU_S / 2:
                raise Busy(
                    "The file could not be read in time; the machine or its disk is slow.", retry_after_s=30
                ) from None
            raise MediaBroken("Reading the file takes too long.") from None
        except OSError:
            found = None
        if found is None:
            raise self._died()
        body, extra = found
        if extra >= 0:
            os.close(extra)
        try:
            told = _decode(body)
        except msgspec.DecodeError:
            raise MediaBroken("The file cannot be read as media.") from None
        self.used_at = time.monotonic()
        return told

    def lives(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def _greet(self) -> None:
        """Wait until it is ready. Raises `Busy` when it is not."""
        self._channel.settimeout(START_S)
        try:
            found = receive(self._channel, MAX_ASK)
            hello = None if found is None else _decode_hello(found[0])
        except (OSError, msgspec.DecodeError):
            hello = None
        if hello is None:
            log.error(
                "a process for reading media does not start; look at the installation", extra={"films": self.films}
            )
            raise Busy("Media cannot be read just now.", retry_after_s=30)
        log.debug("a media worker is ready", extra={"films": self.films, "walls": " ".join(hello.walls)})
        self.walls = hello.walls

    def end(self) -> None:
        """Kill it, with whatever it started."""
        self._channel.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)

    def _died(self) -> Exception:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        code = self._process.returncode
        log.info("a media worker ended", extra={"code": code, "films": self.films, "items": self.items})
        if code == -signal.SIGKILL:
            return _Killed()
        if code in _ASKED_TO_END:
            return Busy("Media cannot be read just now.", retry_after_s=5)
        return MediaBroken("The file cannot be read within the limits of memory and time.")

    def _cpu_s(self) -> float:
        """Seconds of processor the process and what it waited for have used."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.inf
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _checked(told: Facts) -> Facts:
    """Facts as the worker told them, with what cannot be true left out: it may be in the hands of the file it read."""
    place = _number(told.latitude, -90, 90), _number(told.longitude, -180, 180)
    sides = _whole(told.width, 1, 1 << 30), _whole(told.height, 1, 1 << 30)
    latitude, longitude = place if None not in place else (None, None)
    width, height = sides if None not in sides else (None, None)
    return Facts(
        told.kind, _word(told.format) or "", width, height, _whole(told.orientation, 1, 8),
        _number(told.duration_s, 0, 1e9), _whole(told.taken_ns, -_INT64, _INT64 - 1), latitude, longitude,
        _word(told.codec),
    )  # fmt: skip


def _whole(value: int | None, low: int, high: int) -> int | None:
    return value if value is not None and low <= value <= high else None


def _number(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None


def _word(value: str | None) -> str | None:
    if value is None:
        return None
    return "".join(each for each in value if each.isascii() and each.isprintable())[:32] or None
