"""What a transfer has done so far, kept on disk, so that it goes on after the program was closed or killed.

One list per order (the same files between the same places), one line of JSON per step, only ever added to. A line that was cut
off by a crash does not count: the step is done again, which is harmless.
"""

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from homestow.cli.troubles import Trouble

Stamp = Sequence[str | int | None]
"""By which a thing is known to be the same as when the step was done: size, times, digest."""


KEPT_S: Final = 7 * 24 * 3600
"""What was not gone on with for so long begins anew: by then the other side may have been changed."""


@dataclass(slots=True)
class Begun:
    """A large file on its way: what it was when it began, what the other side called it, and which bytes are across."""

    stamp: list[str | int | None]
    facts: dict[str, Any]
    have: dict[int, int] = field(default_factory=dict)


class TaskList:
    """The steps of one order; may be used from several threads at once.

    Attributes:
        order: what was asked for.
    """

    def __init__(self, path: Path, order: Mapping[str, Any]) -> None:
        """See `open_list`."""
        self.order = dict(order)
        self._path = path
        self._lock = threading.Lock()
        self._done: dict[str, list[str | int | None]] = {}
        self._begun: dict[str, Begun] = {}
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(fd, "r+b", buffering=0)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise Trouble("the same is being transferred by another process; wait for it, or end it.") from error
        self._read()

    def is_done(self, key: str, stamp: Stamp) -> bool:
        """Whether a file was transferred as it is now."""
        return self._done.get(key) == list(stamp)

    def done(self, key: str, stamp: Stamp) -> None:
        """A file is transferred."""
        with self._lock:
            self._done[key] = list(stamp)
            self._begun.pop(key, None)
            self._add("done", key, list(stamp))

    def begun(self, key: str, stamp: Stamp) -> Begun | None:
        """How far a file is; None when it is not under way, or is another one by now."""
        found = self._begun.get(key)
        return found if found is not None and found.stamp == list(stamp) else None

    def begin(self, key: str, stamp: Stamp, facts: Mapping[str, Any]) -> Begun:
        """A file begins, from nothing."""
        with self._lock:
            self._begun[key] = Begun(list(stamp), dict(facts))
            self._add("begun", key, list(stamp), dict(facts))
            return self._begun[key]

    def have(self, key: str, offset: int, size: int) -> None:
        """Bytes of it are across."""
        with self._lock:
            if key in self._begun:
                self._begun[key].have[offset] = size
                self._add("have", key, offset, size)

    def close(self) -> None:
        """Let go of it; the next run goes on from here."""
        self._file.close()

    def finish(self) -> None:
        """All was tried: forget what was done, unless a large file is on its way."""
        if not self._begun:
            self._path.unlink(missing_ok=True)

    def _add(self, *line: object) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")

    def _read(self) -> None:
        data = self._file.read()
        whole, _, cut = data.rpartition(b"\n")
        if cut:
            os.ftruncate(self._file.fileno(), len(data) - len(cut))
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue
        if not data:
            self._add("order", self.order)

    def _take(self, line: list[Any]) -> None:
        match line:
            case ["done", str(key), list(stamp)]:
                self._done[key] = stamp
                self._begun.pop(key, None)
            case ["begun", str(key), list(stamp), dict(facts)]:
                self._begun[key] = Begun(stamp, facts)
            case ["have", str(key), int(offset), int(size)]:
                self._begun[key].have[offset] = size
            case _:
                pass


def open_list(folder: Path, order: Mapping[str, Any]) -> TaskList:
    """The list of an order, as it was left, or a new one.

    Raises:
        Trouble: another process has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.tasks"):
        if path.stat().st_mtime < time.time() - KEPT_S:
            path.unlink(missing_ok=True)
    name = hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()[:32]
    return TaskList(folder / f"{name}.tasks", order)


def left_over(folder: Path) -> Iterator[dict[str, Any]]:
    """The orders that were not finished."""
    for path in sorted(folder.glob("*.tasks")):
        try:
            with path.open("rb") as file:
                line = json.loads(file.readline())
        except (OSError, ValueError):
            continue
        if isinstance(line, list) and line[:1] == ["order"] and isinstance(line[1], dict):
            yield line[1]
