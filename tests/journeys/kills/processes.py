"""Real processes of server and client for the journeys of kills: started, waited for, and asked what became of them."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.journeys.cli_processes import PASSWORD

PATIENCE_S = 40.0
"""A process that takes longer for one step hangs."""

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "src" / "homestow"


def points_in(folder: str) -> set[str]:
    """Every point's name in the source below a folder of the package."""
    found: set[str] = set()
    for path in (SOURCE / folder).rglob("*.py"):
        found.update(re.findall(r'(?:\bfaultpoint|\b_step)\("([a-z_.]+)"\)', path.read_text()))
    return found


def environment(home: Path, more: Mapping[str, str] = {}) -> dict[str, str]:
    """What a command sees: nothing of the real home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    path = f"{REPOSITORY / 'src'}:{REPOSITORY}"
    found = {**kept, "PYTHONPATH": path, "HOME": str(home), "HOMESTOW_PASSWORD": PASSWORD, **more}
    return {name: value for name, value in found.items() if value}


class Zygote:
    """The process that forks; see `zygote`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.kills.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, env=environment(REPOSITORY), bufsize=0,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._rest = b""
        self._ended: dict[int, int] = {}
        self._begun: list[int] = []
        self._read(PATIENCE_S)

    def start(self, argv: Sequence[str], home: Path, log: Path, more: Mapping[str, str] = {}) -> int:
        """Start a command; its pid. What it says is appended to `log`.out and `log`.err."""
        out, err = log.with_suffix(".out"), log.with_suffix(".err")
        order = {"argv": argv, "env": environment(home, more), "cwd": str(home), "out": str(out), "err": str(err)}
        os.write(self._stdin, (json.dumps(order) + "\n").encode())
        while not self._begun:
            assert self._read(PATIENCE_S), "nothing was started"
        return self._begun.pop(0)

    def poll(self, pid: int) -> int | None:
        """How a child ended, as `subprocess` tells it; None while it runs."""
        while pid not in self._ended and self._read(0):
            pass
        return self._ended.get(pid)

    def wait(self, pid: int, timeout_s: float = PATIENCE_S) -> int:
        """Wait until it ended."""
        give_up = time.monotonic() + timeout_s
        while pid not in self._ended:
            left = give_up - time.monotonic()
            assert left > 0, f"process {pid} does not end"
            self._read(left)
        return self._ended[pid]

    def close(self) -> None:
        """End it and what it started."""
        self._process.stdin.close()  # type: ignore[union-attr]  # it was opened as a pipe
        self._process.wait(timeout=PATIENCE_S)
        self._process.stdout.close()  # type: ignore[union-attr]  # likewise

    def _read(self, timeout_s: float) -> bool:
        """Take what was said; whether anything was."""
        readable, _, _ = select.select([self._stdout], [], [], max(0.0, timeout_s))
        if not readable:
            return False
        data = os.read(self._stdout, 1 << 16)
        assert data, "the zygote ended"
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "status" in said:
                self._ended[said["pid"]] = os.waitstatus_to_exitcode(said["status"])
            elif said:
                self._begun.append(said["pid"])
        return True


class ServerProcess:
    """One server on one data folder, started and killed again and again.

    Attributes:
        starts_s: how long each start took until the ready line.
        killed_at: names of the points where it died, in order.
        ready: what the last ready line said.

    Args:
        flags: of `serve`, beside the data folder and the address of HTTP.
    """

    def __init__(self, zygote: Zygote, place: Path, *flags: str) -> None:
        self._zygote = zygote
        self._flags = flags
        self.ready: dict[str, object] = {}
        self.place = place
        self.data = place / "data"
        self.log = place / "server"
        self.url = ""
        self.pid = 0
        self.starts_s: list[float] = []
        self.killed_at: list[str] = []
        self._cold: subprocess.Popen[bytes] | None = None
        self._listen = "127.0.0.1:0"

    def add_user(self, name: str) -> None:
        """An account with its root."""
        pid = self._zygote.start(["user", "add", name, "--data", str(self.data)], self.place, self.log)
        assert self._zygote.wait(pid) == 0, self.errors()

    def order(self, *argv: str) -> dict[str, str]:
        """A command that answers with an object."""
        log = self.place / "order"
        assert self._zygote.wait(self._zygote.start([*argv, "--data", str(self.data)], self.place, log)) == 0
        answer: dict[str, str] = json.loads(log.with_suffix(".out").read_text().splitlines()[-1])
        return answer

    def start(self, faults: str = "", *, cold: bool = False) -> bool:
        """Start it, on the same port as before; False when a fault killed it before it was ready.

        Args:
            cold: by executing the interpreter, as a user does, instead of forking.
        """
        out = self.log.with_suffix(".out")
        said_before = out.stat().st_size if out.exists() else 0
        argv = ["serve", "--data", str(self.data), "--http", self._listen, *self._flags]
        more = {"HOMESTOW_FAULTS": faults} if faults else {}
        begun = time.monotonic()
        if cold:
            with out.open("ab") as stdout, self.log.with_suffix(".err").open("ab") as stderr:
                self._cold = subprocess.Popen(
                    [sys.executable, "-m", "homestow", *argv], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                    env=environment(self.place, more), cwd=self.place,
                )  # fmt: skip
            self.pid = self._cold.pid
        else:
            self._cold = None
            self.pid = self._zygote.start(argv, self.place, self.log, more)
        while True:
            ended = self.ended()
            line = out.read_bytes()[said_before:] if out.exists() else b""
            if line.endswith(b"\n"):
                self.starts_s.append(time.monotonic() - begun)
                self.ready = json.loads(line)
                self.url = str(self.ready["http"])
                self._listen = self.url.removeprefix("http://")
                return True
            if ended is not None:
                assert ended == -signal.SIGKILL, self.errors()
                self.note_kill()
                return False
            assert time.monotonic() - begun < PATIENCE_S, f"not ready: {self.errors()}"
            time.sleep(0.005)

    def ended(self) -> int | None:
        """How it ended; None while it runs."""
        return self._cold.poll() if self._cold is not None else self._zygote.poll(self.pid)

    def wait(self) -> int:
        """Wait for its end."""
        return self._cold.wait(PATIENCE_S) if self._cold is not None else self._zygote.wait(self.pid)

    def note_kill(self) -> None:
        """Remember where it said that it dies."""
        line = last_kill(self.log)
        assert line, self.errors()
        self.killed_at.append(line)

    def kill(self) -> None:
        """kill -9, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """SIGTERM: it ends with 0 within 10 s (P12)."""
        if self.ended() is None:
            begun = time.monotonic()
            os.kill(self.pid, signal.SIGTERM)
            assert self.wait() == 0, self.errors()
            assert time.monotonic() - begun < 11

    def errors(self) -> str:
        """The end of its log."""
        path = self.log.with_suffix(".err")
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


def last_kill(log: Path) -> str:
    """Name of the point at which a process with this log died last; "" for none."""
    path = log.with_suffix(".err")
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line.removeprefix("killed at ") for line in reversed(lines) if line.startswith("killed at ")), "")


class ClientProcess:
    """A person's computer: a home with a folder that `homestow sync` keeps in step.

    Attributes:
        killed_at: names of the points where it died, in order.
    """

    def __init__(self, zygote: Zygote, home: Path, user: str, url: str) -> None:
        home.mkdir(parents=True)
        self._zygote = zygote
        self.home = home
        self.folder = home / "folder"
        self.log = home / "client"
        self.user = user
        self.url = url
        self.pid = 0
        self.killed_at: list[str] = []
        self._known = False

    def begin(self, faults: str = "", *flags: str, once: bool = True) -> None:
        """Begin `homestow sync`, until both sides are settled or on and on."""
        ends = ["--once"] if once else []
        argv = ["sync", "-s", self.url, "-d", str(self.folder), "-u", self.user, *ends, *flags]
        more = {"HOMESTOW_FAULTS": faults} if faults else {}
        known = {"HOMESTOW_PASSWORD": ""} if self._known else {}
        self.pid = self._zygote.start(argv, self.home, self.log, {**more, **known, "HOMESTOW_DEBUG": "1"})

    def end(self) -> int:
        """Wait for its exit code; a kill at a point is remembered."""
        code = self._zygote.wait(self.pid)
        if code == -signal.SIGKILL and (point := last_kill(self.log)):
            self.killed_at.append(point)
        self._known = self._known or code == 0
        return code

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._zygote.poll(self.pid)

    def kill(self) -> None:
        """kill -9, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)
        self._zygote.wait(self.pid)

    def sync(self, faults: str = "", *flags: str) -> int:
        """Run it to its end."""
        self.begin(faults, *flags)
        return self.end()

    def said(self) -> str:
        """The end of what it said."""
        texts = [self.log.with_suffix(suffix) for suffix in (".out", ".err")]
        return "\n".join(path.read_text(errors="replace")[-2500:] for path in texts if path.exists())
