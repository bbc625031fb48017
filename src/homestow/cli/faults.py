"""HOMESTOW_FAULTS: make this process die, or its disk fail, at a named point. For tests of what a crash leaves.

The value is a list of NAME:ACTION:NUMBER with commas between. NAME is a pattern over the points' names, `content.*` say;
ACTION is `kill` (as by kill -9), or the name of an errno to be raised, `EIO` say; NUMBER says at which hit of the pattern,
from 1, or `*` for every one. HOMESTOW_FAULTS_NOTE names a file to which the name of every point reached is appended.
"""

import errno
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from homestow.values.errors import BadSettings
from homestow.values.faults import arm

VARIABLE = "HOMESTOW_FAULTS"
NOTE = "HOMESTOW_FAULTS_NOTE"


@dataclass(slots=True)
class Fault:
    """One fault; `number` None: at every hit; `error` None: the process dies."""

    pattern: str
    error: int | None
    number: int | None
    hits: int = 0

    def due(self, name: str) -> bool:
        """Count a point that was reached: whether it is its time."""
        if not fnmatchcase(name, self.pattern):
            return False
        self.hits += 1
        return self.number is None or self.hits == self.number


def parse(text: str) -> list[Fault]:
    """Read the variable's value.

    Raises:
        BadSettings: it is not of that form.
    """
    faults = []
    for part in text.split(","):
        try:
            pattern, action, number = part.strip().split(":")
            error = None if action == "kill" else getattr(errno, action)
            faults.append(Fault(pattern, error, None if number == "*" else int(number)))
        except (ValueError, AttributeError) as problem:
            raise BadSettings(f"{VARIABLE}: {part!r} is not NAME:ACTION:NUMBER, as in content.sync:EIO:1.") from problem
    return faults


def arm_as_told(environ: Mapping[str, str]) -> None:
    """Install the faults of the environment.

    Raises:
        BadSettings: see `parse`; or the file for notes cannot be written.
    """
    faults = parse(environ[VARIABLE]) if environ.get(VARIABLE) else []
    note = environ.get(NOTE)
    arm(_action(faults, note))


def _action(faults: list[Fault], note: str | None) -> Callable[[str], None]:
    lock = threading.Lock()
    fd = -1
    if note:
        try:
            fd = os.open(note, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadSettings(f"{NOTE}: {note} cannot be written: {error.strerror}.") from error

    def reached(name: str) -> None:
        with lock:
            due = [fault for fault in faults if fault.due(name)]
            if fd >= 0:
                os.write(fd, f"{name}\n".encode())
            for fault in due:
                if fault.error is None:
                    os.write(2, f"killed at {name}\n".encode())
                    os.kill(os.getpid(), signal.SIGKILL)
        for fault in due:
            if fault.error is not None:
                raise OSError(fault.error, os.strerror(fault.error))

    return reached
