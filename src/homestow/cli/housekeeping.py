"""The server as a child of `homestow start`: started, waited for, watched and stopped."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from homestow.cli.troubles import TROUBLE, Trouble

_READY_S = 300.0
"""A first start on a small machine makes the database and looks through the roots."""
_STOP_S = 15.0
_LOG_BYTES = 10_000_000
"""A longer log is put aside at the start, instead of the one put aside before."""


class ServerChild:
    """`homestow serve` on a data folder. It ends when we stop it, and by itself when we are gone, however we ended."""

    def __init__(self, data: Path, flags: list[str], log: Path) -> None:
        self._log = log
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.old"))
        self._begin = log.stat().st_size if log.exists() else 0
        self.stopping = False
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Its stdin is a pipe that nobody writes to: it closes with us. Its own session keeps Ctrl-C from it, so
            # that the folder is left in peace before the server goes.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "homestow", "serve", "--data", str(data), "--until-stdin-closes", *flags],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=fd, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(fd)

    def ready(self) -> str:
        """Wait until it answers; the address of its HTTP front.

        Raises:
            Trouble: it ended or took too long; its own words are in the line.
        """
        out = self._process.stdout
        assert out is not None
        text, give_up = b"", time.monotonic() + _READY_S
        while not text.endswith(b"\n"):
            if time.monotonic() > give_up:
                raise Trouble(f"the server did not become ready; its log is {self._log}.", TROUBLE)
            if select.select([out], [], [], 1.0)[0]:
                piece = os.read(out.fileno(), 4096)
                if not piece:
                    self._process.wait()
                    raise Trouble(self.last_words(), TROUBLE)
                text += piece
        return str(json.loads(text)["http"])

    def last_words(self) -> str:
        """Why it ended, as it said itself."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(self._begin)
            lines = file.read()[-20_000:].decode(errors="replace").splitlines()
            for line in reversed(lines):
                if line.startswith("homestow: "):
                    return line.removeprefix("homestow: ")
        return f"the server ended with {self._process.returncode}; its log is {self._log}."

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()

    def stop(self) -> None:
        """Ask it to stop and wait for it; it is killed when it does not obey in time."""
        self.stopping = True
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
