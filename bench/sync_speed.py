"""Measure sync against rsync's daemon, unison, syncthing and rclone in one run: `python -m bench.sync_speed`.

Seconds from process start to settled, on the same files, all over loopback (unison: between two folders). Ours is durable on
both sides and keeps catalogue, versions and journal; rsync and rclone flush nothing. Only ratios mean something beyond the
minute. On Debian: `apt-get install rsync unison syncthing rclone`.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as Xml
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.http_base import free_port

PASSWORD = "a long enough password"
QUIET = subprocess.DEVNULL
Timed = Callable[[], float]


def make_tree(where: Path, files: int, size: int) -> None:
    """`files` files of `size` random bytes, 100 to a folder."""
    block = random.Random(files).randbytes(size + 100_000)
    for number in range(files):
        folder = where / f"d{number // 100:04}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / f"f{number}").write_bytes(block[number % 100_000 : number % 100_000 + size])


def timed(command: list[str], env: dict[str, str] | None = None) -> float:
    """Seconds a command takes, from start to end."""
    began = time.perf_counter()
    done = subprocess.run(
        command, check=False, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stdout.decode(errors='replace')[-2000:]}")
    return took


def settle_disk() -> None:
    """Let nobody pay for what another wrote."""
    os.sync()
    time.sleep(0.2)


# -- each program: a context that gives a function which brings `source` over once and says how long it took ----------


@contextmanager
def homestow(work: Path, source: Path) -> Iterator[Timed]:
    """Our server and our client."""
    data = work / "homestow-data"
    env = {"HOMESTOW_PASSWORD": PASSWORD, "XDG_DATA_HOME": str(work / "share"), "HOME": str(work)}
    command = [sys.executable, "-m", "homestow"]
    subprocess.run(
        [*command, "user", "add", "anna", "--data", str(data)], env={**os.environ, **env}, check=True, stdout=QUIET
    )
    serve = [*command, "serve", "--data", str(data), "--http", "127.0.0.1:0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=QUIET, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["http"]
            sync = [*command, "sync", "-s", url, "-u", "anna", "--once", "-d"]
            warm = work / "warm"
            warm.mkdir()
            # Logs in once, as a computer that syncs has: the password hash is slow on purpose.
            timed([*sync, str(warm)], env)
            del env["HOMESTOW_PASSWORD"]
            yield lambda: timed([*sync, str(source)], env)
        finally:
            process.terminate()


@contextmanager
def rsync(work: Path, source: Path) -> Iterator[Timed]:
    """rsync to its daemon."""
    port = free_port()
    target = work / "rsync"
    target.mkdir()
    config = work / "rsyncd.conf"
    config.write_text(
        f"use chroot = no\nuid = 0\ngid = 0\n[m]\npath = {target}\nread only = no\n"
        if os.geteuid() == 0
        else f"use chroot = no\n[m]\npath = {target}\nread only = no\n"
    )
    command = ["rsync", "--daemon", "--no-detach", f"--config={config}", f"--port={port}", "--address=127.0.0.1"]
    with subprocess.Popen(command, stdout=QUIET, stderr=QUIET) as process:
        try:
            time.sleep(0.5)
            yield lambda: timed(["rsync", "-a", "--delete", f"{source}/", f"rsync://127.0.0.1:{port}/m/"])
        finally:
            process.terminate()


@contextmanager
def unison(work: Path, source: Path) -> Iterator[Timed]:
    """unison between two folders."""
    target = work / "unison"
    target.mkdir()
    env = {"UNISON": str(work / "unison-state"), "HOME": str(work)}
    command = ["unison", str(source), str(target), "-batch", "-auto", "-silent", "-ui", "text", "-confirmbigdel=false"]
    yield lambda: timed(command, env)


@contextmanager
def rclone(work: Path, source: Path) -> Iterator[Timed]:
    """rclone to its own WebDAV server."""
    port = free_port()
    target = work / "rclone"
    target.mkdir()
    env = {"RCLONE_CONFIG": str(work / "rclone.conf"), "HOME": str(work)}
    serve = ["rclone", "serve", "webdav", str(target), "--addr", f"127.0.0.1:{port}"]
    with subprocess.Popen(serve, stdout=QUIET, stderr=QUIET, env={**os.environ, **env}) as process:
        try:
            time.sleep(1)
            remote = f":webdav,url='http://127.0.0.1:{port}':"
            yield lambda: timed(["rclone", "sync", str(source), remote, "--transfers", "8", "--checkers", "8"], env)
        finally:
            process.terminate()


@contextmanager
def syncthing(work: Path, source: Path) -> Iterator[Timed]:
    """Two syncthing processes: from the start of the first to everything there at the second."""
    homes = [work / "st1", work / "st2"]
    target = work / "syncthing"
    target.mkdir()
    folders = [source, target]
    ids = [_syncthing_id(home) for home in homes]
    guis = [free_port(), free_port()]
    ports = [free_port(), free_port()]
    keys = [_syncthing_config(home, ids, guis[at], ports, at, folders[at]) for at, home in enumerate(homes)]

    def run() -> float:
        began = time.perf_counter()
        processes = [
            subprocess.Popen(
                ["syncthing", "serve", "--no-browser", "--no-restart", "--no-upgrade", f"--home={home}"],
                stdout=QUIET, stderr=QUIET, env={**os.environ, "HOME": str(work), "STNOUPGRADE": "1"},
            )
            for home in homes
        ]  # fmt: skip
        try:
            wanted = sum(len(files) for _, _, files in os.walk(source)) - _markers(source)
            while time.perf_counter() - began < 900:
                state = _syncthing_state(guis[1], keys[1])
                if (
                    state
                    and state["state"] == "idle"
                    and state["localFiles"] >= wanted
                    and state["needFiles"] == 0
                    and state["globalFiles"] >= wanted
                ):
                    return time.perf_counter() - began
                time.sleep(0.05)
            raise SystemExit("syncthing did not settle")
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait()

    yield run


def _markers(source: Path) -> int:
    return sum(len(files) for path, _, files in os.walk(source) if "/.stfolder" in path or "/.homestow" in path)


def _syncthing_id(home: Path) -> str:
    subprocess.run(
        ["syncthing", "generate", f"--home={home}", "--no-default-folder"], check=True, stdout=QUIET, stderr=QUIET
    )
    out = subprocess.run(["syncthing", "--device-id", f"--home={home}"], check=True, capture_output=True, text=True)
    return out.stdout.strip()


def _syncthing_config(home: Path, ids: list[str], gui: int, ports: list[int], at: int, folder: Path) -> str:
    path = home / "config.xml"
    tree = Xml.parse(path)
    root = tree.getroot()
    for old in [*root.findall("device"), *root.findall("folder")]:
        root.remove(old)
    for number, device in enumerate(ids):
        node = Xml.SubElement(root, "device", id=device, name=f"d{number}", compression="metadata")
        Xml.SubElement(node, "address").text = f"tcp://127.0.0.1:{ports[number]}"
    node = Xml.SubElement(
        root,
        "folder",
        id="bench",
        label="bench",
        path=str(folder),
        type="sendreceive",
        fsWatcherEnabled="true",
        rescanIntervalS="3600",
    )
    for device in ids:
        Xml.SubElement(node, "device", id=device)
    options = root.find("options")
    gui_node = root.find("gui")
    assert options is not None
    assert gui_node is not None
    address = gui_node.find("address")
    key = gui_node.find("apikey")
    assert address is not None
    assert key is not None
    address.text = f"127.0.0.1:{gui}"
    for name in (
        "listenAddress",
        "globalAnnounceEnabled",
        "localAnnounceEnabled",
        "relaysEnabled",
        "natEnabled",
        "urAccepted",
        "crashReportingEnabled",
        "startBrowser",
        "autoUpgradeIntervalH",
        "reconnectionIntervalS",
    ):
        for old in options.findall(name):
            options.remove(old)
    values = {
        "listenAddress": f"tcp://127.0.0.1:{ports[at]}",
        "globalAnnounceEnabled": "false",
        "localAnnounceEnabled": "false",
        "relaysEnabled": "false",
        "natEnabled": "false",
        "urAccepted": "-1",
        "crashReportingEnabled": "false",
        "startBrowser": "false",
        "autoUpgradeIntervalH": "0",
        "reconnectionIntervalS": "1",
    }
    for name, value in values.items():
        Xml.SubElement(options, name).text = value
    tree.write(path)
    return str(key.text)


def _syncthing_state(port: int, key: str) -> dict[str, Any] | None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/rest/db/status?folder=bench", headers={"X-API-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return None


PROGRAMS = {"homestow": homestow, "rsync": rsync, "unison": unison, "syncthing": syncthing, "rclone": rclone}


def measure(files: int, size: int, rounds: int, names: list[str]) -> dict[str, dict[str, list[float]]]:
    """Seconds by program for a first sync, and for a pass without changes.

    What a round made is removed after the last one: ext4 passes over inodes that were freed in the last minutes one by one, and
    the next program would wait for that instead of its own work.
    """
    found: dict[str, dict[str, list[float]]] = {"first": {}, "no change": {}}
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as place:
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                if name == "rclone" and number > 0:
                    continue  # minutes per round, and the ratio is far from any edge
                with ExitStack() as stack:
                    work = Path(place) / f"{name}-{number}"
                    work.mkdir()
                    source = work / "source"
                    make_tree(source, files, size)
                    run = stack.enter_context(PROGRAMS[name](work, source))
                    settle_disk()
                    found["first"].setdefault(name, []).append(run())
                    settle_disk()
                    with contextlib.suppress(SystemExit):
                        for _ in range(3):
                            found["no change"].setdefault(name, []).append(run())
    return found


def table(files: int, size: int, found: dict[str, dict[str, list[float]]]) -> str:
    """A Markdown table; the ratio says how many times as long as ours the other takes."""
    out = ["| what | homestow | peer | peer / homestow |", "|---|---|---|---|"]
    for what, figures in found.items():
        ours = statistics.median(figures["homestow"])
        for name, values in figures.items():
            if name != "homestow":
                other = statistics.median(values)
                out.append(
                    f"| {what}, {files:,} × {size:,} B | {ours:.2f} s | {name}: {other:.2f} s | {other / ours:.2f} |"
                )
    return "\n".join(out)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    chosen = parser.parse_args()
    names = [name for name in chosen.programs.split(",") if name == "homestow" or shutil.which(name)]
    sys.stdout.write(table(chosen.files, chosen.size, measure(chosen.files, chosen.size, chosen.rounds, names)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
