"""Real `homestow` processes for journeys of the command line: each in a home of its own, bound to this machine only."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOMESTOW = [sys.executable, "-m", "homestow"]
PASSWORD = "correct horse battery"
PATIENCE_S = 30.0
"""So long a process may take for one step on a busy machine; a journey that passes never waits for it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error: begins with `homestow: `, and there is no other."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("homestow: "), self.err
        return lines[0]


class Home:
    """A person's home folder; every command run in it sees nothing of the real one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.data = path / "data"

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of its commands."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        return {**kept, "HOME": str(self.path), "HOMESTOW_PASSWORD": PASSWORD, **(more or {})}

    def run(self, *args: object, stdin: str = "", env: Mapping[str, str] | None = None, timeout: float = 60) -> Ran:
        """Run `homestow ARGS` to its end."""
        ran = subprocess.run(
            [*HOMESTOW, *map(str, args)],
            input=stdin, env=self.env(env), cwd=self.path, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def fine(self, *args: object, **more: object) -> Ran:
        """Run it and insist that it exits with 0."""
        ran = self.run(*args, **more)  # type: ignore[arg-type]  # the same keywords
        assert ran.code == 0, ran
        return ran

    def popen(self, *args: object, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start `homestow ARGS`, all three streams as pipes, in a session of its own."""
        return subprocess.Popen(
            [*HOMESTOW, *map(str, args)],
            env=self.env(env), cwd=self.path, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @contextmanager
    def server(self, *flags: object, data: Path | None = None) -> Iterator["Serving"]:
        """A running server on `data`, stopped and reaped at the end."""
        process = self.popen("serve", "--data", data or self.data, "--http", "127.0.0.1:0", *flags)
        try:
            yield Serving(process, read_line(process))
        finally:
            stop(process)


class Serving:
    """A server that said that it is ready."""

    def __init__(self, process: "subprocess.Popen[str]", line: str) -> None:
        self.process = process
        self.line = line
        try:
            self.ready = json.loads(line)
        except ValueError:
            process.kill()
            raise AssertionError(f"no ready line: {line!r} {process.communicate()}") from None
        self.url: str = self.ready["http"]


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line of a process's stdout; "" at its end, an error after `PATIENCE_S`."""
    assert process.stdout is not None
    line = b""
    # Byte by byte, so that nothing is left in a buffer that the next look could not see.
    while not line.endswith(b"\n"):
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], f"nothing came after {line!r}"
        byte = os.read(process.stdout.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode()


def stop(process: "subprocess.Popen[str]", by: signal.Signals = signal.SIGTERM) -> Ran:
    """Ask a process to stop, and give what it left; killed when it does not obey in time."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not stop: {out}{err}") from None
    return Ran(process.returncode, out, err)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll until `condition` holds."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.02)
