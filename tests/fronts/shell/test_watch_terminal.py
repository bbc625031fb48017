"""`homestow status --watch` and `homestow log --follow` in a terminal of their own, until Ctrl-C."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.fronts.shell.rig import Shell

from homestow.cli.fitting import columns

pytestmark = pytest.mark.serial
PATIENCE_S = 30.0


class Terminal:
    """A terminal of so many columns and lines, and what was written to it."""

    def __init__(self, words: list[str], width: int, height: int) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            # Whoever runs the tests in the background has SIGINT ignored, which programs inherit.
            ["env", "--default-signal=INT", sys.executable, "-m", "homestow", *words],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def until(self, pattern: str) -> str:
        """Read until `pattern` stands in what came since the last call; gives that."""
        came, give_up = "", time.monotonic() + PATIENCE_S
        while not re.search(pattern, came):
            assert time.monotonic() < give_up, (pattern, came)
            if select.select([self._master], [], [], 0.5)[0]:
                came += os.read(self._master, 65536).decode(errors="replace")
        self.text += came
        return came

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE_S)
        os.close(self._master)


@contextmanager
def terminal(*words: str, width: int = 100, height: int = 30) -> Iterator[Terminal]:
    made = Terminal(list(words), width, height)
    try:
        yield made
    finally:
        made.close()


def test_watch_draws_over_itself(shell: Shell) -> None:
    """What changes is seen at once, in place; Ctrl-C ends it with 0, and the service goes on."""
    twin = shell.serve().twin
    with terminal("status", "--watch") as seen:
        seen.until("Photos +syncing +8 of 40 files")
        twin.progress("photos", files_done=9)
        assert "\x1b[" in seen.until("Photos +syncing +9 of 40 files")
        twin.work("photos")
        seen.until("Photos +in step")
        assert seen.interrupt() == 0
    assert "Traceback" not in seen.text
    assert twin.jobs()[1].state == "synced"


def test_watch_fits_a_small_terminal(shell: Shell) -> None:
    """No line is wider, no block higher: else it would climb the screen."""
    shell.serve()
    with terminal("status", "--watch", width=40, height=6) as seen:
        seen.until("more lines")
        block = re.split(r"\x1b\[\d+F", seen.until("more lines") if seen.text.count("more lines") < 1 else seen.text)[
            -1
        ]
        lines = [re.sub(r"\x1b\[\d*[A-Z]", "", line) for line in block.replace("\r", "").split("\n")]
        assert len([line for line in lines if line]) <= 5
        assert max(columns(line) for line in lines) < 40
        assert seen.interrupt() == 0


def test_the_log_is_followed(shell: Shell) -> None:
    """What happens comes by itself, each thing once."""
    twin = shell.serve().twin
    with terminal("log", "--follow", "--limit", "1") as seen:
        seen.until("cover.jpg are kept")
        twin.happen("photos", "upload", "new 1.jpg", size=7)
        seen.until("sent new 1.jpg")
        twin.happen("photos", "upload", "new 2.jpg", size=7)
        assert "new 1.jpg" not in seen.until("sent new 2.jpg")
        assert seen.interrupt() == 0
    assert "Traceback" not in seen.text
