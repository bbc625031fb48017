"""What the sync service costs while nothing happens, beside syncthing: `python -m bench.service_rest [FILES]`.

Both keep the same files in step with another program on this machine, watch them, and rest. Resident memory and the share of a
core over half a minute, first after the first sync, then after a start with everything in step. On Debian: `apt-get install syncthing`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.http_base import free_port
from bench.sync_speed import (
    PASSWORD,
    QUIET,
    _markers,
    _syncthing_config,
    _syncthing_id,
    _syncthing_state,
    make_tree,
)

REST_S = 40.0
"""The service gives its memory back after 20 s of rest."""
MEASURED_S = 30.0
LIMIT_MB, LIMIT_SHARE = 60.0, 0.005


def resident_mib(pid: int) -> float:
    """Of a process and its children."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    ticks = 0
    for one in _family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def rest(pid: int) -> tuple[float, float]:
    """MiB and the share of a core, once it has rested for a while."""
    time.sleep(REST_S)
    before = cpu_s(pid)
    time.sleep(MEASURED_S)
    return resident_mib(pid), (cpu_s(pid) - before) / MEASURED_S


def wait(done: Callable[[], bool], what: str) -> None:
    """Poll; the first sync of many files takes its time."""
    give_up = time.monotonic() + 900
    while not done():
        if time.monotonic() > give_up:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.5)


def end(process: "subprocess.Popen[bytes]") -> None:
    """As a signal ends it."""
    process.send_signal(signal.SIGTERM)
    process.wait()


def ours(work: Path, source: Path) -> list[tuple[float, float]]:
    """The service with one job, of a job file."""
    homestow = str(Path(sys.executable).with_name("homestow"))
    env = {**os.environ, "HOME": str(work), "HOMESTOW_PASSWORD": PASSWORD}
    env = {name: value for name, value in env.items() if not name.startswith("XDG_")}
    subprocess.run([homestow, "user", "add", "anna", "--data", str(work / "data")], check=True, env=env, stdout=QUIET)
    serve = [homestow, "serve", "--data", str(work / "data"), "--http", "127.0.0.1:0"]
    found = []
    with subprocess.Popen(serve, env=env, stdout=subprocess.PIPE, stderr=QUIET) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["http"]
            job = {
                "__type__": "JobConfig", "server": url, "directory": str(source), "user": "anna", "password": PASSWORD,
            }  # fmt: skip
            (work / "jobs.json").write_text(json.dumps([job]))
            for _ in range(2):
                service = subprocess.Popen(
                    [homestow, "sync", "-f", str(work / "jobs.json")], env=env, stdout=QUIET, stderr=QUIET
                )
                try:
                    wait(lambda: _state(homestow, env) == "synced", "homestow to be in step")
                    found.append(rest(service.pid))
                finally:
                    end(service)
        finally:
            end(server)
    return found


def _state(homestow: str, env: dict[str, str]) -> str:
    said = subprocess.run([homestow, "status", "--json"], env=env, check=False, capture_output=True, text=True)
    jobs = json.loads(said.stdout)["jobs"] if said.returncode == 0 else []
    return str(jobs[0]["state"]) if jobs else ""


def syncthing(work: Path, source: Path) -> list[tuple[float, float]]:
    """The one of two syncthing processes that has the files first."""
    homes = [work / "st1", work / "st2"]
    folders = [source, work / "syncthing"]
    folders[1].mkdir()
    ids = [_syncthing_id(home) for home in homes]
    guis, ports = [free_port(), free_port()], [free_port(), free_port()]
    keys = [_syncthing_config(home, ids, guis[at], ports, at, folders[at]) for at, home in enumerate(homes)]
    wanted = sum(len(files) for _, _, files in os.walk(source)) - _markers(source)
    found = []

    def settled() -> bool:
        states = [_syncthing_state(guis[at], keys[at]) for at in range(2)]
        return all(
            state and state["state"] == "idle" and state["localFiles"] >= wanted and state["needFiles"] == 0
            for state in states
        )

    for _ in range(2):
        processes = [
            subprocess.Popen(
                ["syncthing", "serve", "--no-browser", "--no-restart", "--no-upgrade", f"--home={home}"],
                stdout=QUIET, stderr=QUIET, env={**os.environ, "HOME": str(work), "STNOUPGRADE": "1"},
            )
            for home in homes
        ]  # fmt: skip
        try:
            wait(settled, "syncthing to be idle")
            found.append(rest(processes[0].pid))
        finally:
            for process in processes:
                end(process)
    return found


def main() -> None:
    """Measure both after one another, and print ratios."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as folder:
        work = Path(folder)
        make_tree(work / "source", files, 100)
        mine, theirs = ours(work, work / "source"), syncthing(work, work / "source")
    fine = True
    for at, when in enumerate(("after the first sync", "after a start in step")):
        (mib, share), (their_mib, their_share) = mine[at], theirs[at]
        fine = fine and mib <= LIMIT_MB and share <= LIMIT_SHARE
        print(f"{files:,} files at rest, {when}:")
        print(f"  homestow   {mib:6.1f} MiB  {share:7.3%} of a core   {mib / their_mib:.2f}x the memory")
        print(f"  syncthing  {their_mib:6.1f} MiB  {their_share:7.3%} of a core")
    print(f"limits {LIMIT_MB} MiB and {LIMIT_SHARE:.1%}: {'held' if fine else 'NOT HELD'}")
    sys.exit(not fine)


if __name__ == "__main__":
    main()
