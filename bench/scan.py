"""Measure a first scan and a scan without changes: `python -m bench.scan [--copyparty PROGRAM]`.

Of 100,000 small files without media, in turns: ours inside one process against the floors ("walk with stat and insert into
SQLite"; "walk with stat and compare with the rows of SQLite") and against copyparty's index (`-e2dsa`, which reads and hashes
every content), from which a run that only starts and ends is taken off; and ours as a whole command.
"""

import argparse
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.scale import COMMAND, floor
from bench.sync_speed import make_tree
from homestow.server.bootstrap import open_house
from homestow.server.settings import Settings
from homestow.wire.api import Order


def compare_floor(folder: Path, database: Path) -> float:
    """Seconds to walk a folder with stat and hold each entry against its row, after `floor` made the rows."""
    connection = sqlite3.connect(database)
    connection.execute("CREATE INDEX f_parent ON f (parent)")
    began = time.perf_counter()
    folders = [(0, str(folder))]
    differs = 0
    while folders:
        parent, path = folders.pop()
        query = "SELECT name, id, size, mtime, inode FROM f WHERE parent = ?"
        rows = {name: rest for name, *rest in connection.execute(query, (parent,))}
        with os.scandir(path) as entries:
            for entry in entries:
                stat = entry.stat(follow_symlinks=False)
                number, *facts = rows.pop(entry.name)
                differs += facts != [stat.st_size, stat.st_mtime_ns, stat.st_ino]
                if entry.is_dir(follow_symlinks=False):
                    folders.append((number, entry.path))
        differs += len(rows)
    took = time.perf_counter() - began
    assert not differs, differs
    connection.close()
    return took


def in_process(folder: Path, data: Path) -> tuple[float, float]:
    """Seconds of a first scan and of one without changes."""
    items = json.dumps([{"paths": [str(folder)], "people": [{"name": "terry", "password": "123"}]}])
    took = []
    with open_house(data, Settings(watch=False)) as house:
        for _ in range(2):
            began = time.perf_counter()
            house.services.admin.run(Order(name="scan.start", args={"items": items}))
            while not json.loads(bytes(house.services.admin.run(Order(name="scan.state")).data))["ended"]:
                pass
            took.append(time.perf_counter() - began)
    return took[0], took[1]


def command(folder: Path, data: Path, config: Path) -> tuple[float, float]:
    """The same as a whole command."""
    config.write_text(json.dumps([{"paths": [str(folder)], "users": [{"name": "terry", "password": "123"}]}]))
    took = []
    for _ in range(2):
        began = time.perf_counter()
        subprocess.run(
            [*COMMAND, "scan", "--data", str(data), "-i", str(config)], check=True, stdout=subprocess.DEVNULL
        )
        took.append(time.perf_counter() - began)
    return took[0], took[1]


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def copyparty(program: str, folder: Path, home: Path) -> tuple[float, float]:
    """copyparty's first and second index of the folder, without its start."""

    def run(until: str) -> float:
        began = time.perf_counter()
        arguments = [
            program,
            "-q",
            "-i",
            "127.0.0.1",
            "-p",
            str(free_port()),
            "--hist",
            str(home / "hist"),
            "-e2dsa",
            "--no-thumb",
        ]
        subprocess.run(
            [*arguments, "-v", f"{folder}::r", "--exit", until], check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "XDG_CONFIG_HOME": str(home), "HOME": str(home)}, timeout=300,
        )  # fmt: skip
        return time.perf_counter() - began

    start = run("cfg")
    return run("idx") - start, run("idx") - start


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--copyparty", help="the program, to compare with it")
    given = parser.parse_args()
    rows: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
        work = Path(name)
        folder = work / "family"
        make_tree(folder, given.files, 200)
        os.sync()
        for number in range(given.rounds):
            first, _ = floor(folder, work)
            database = max(work.glob("floor-*.db"), key=lambda path: path.stat().st_mtime_ns)
            rows.setdefault("floor", []).append((first, compare_floor(folder, database)))
            rows.setdefault("in process", []).append(in_process(folder, work / f"data{number}"))
            rows.setdefault("command", []).append(command(folder, work / f"own{number}", work / "c.json"))
            if given.copyparty:
                home = work / f"party{number}"
                home.mkdir()
                rows.setdefault("copyparty", []).append(copyparty(given.copyparty, folder, home))
    for at, what in enumerate(("first scan", "scan without changes")):
        low, own = (statistics.median(one[at] for one in rows[who]) for who in ("floor", "in process"))
        print(f"{what} of {given.files:,} files: {own:.2f} s, the floor {low:.2f} s, ratio {low / own:.2f}")
        if given.copyparty:
            whole, party = (statistics.median(one[at] for one in rows[who]) for who in ("command", "copyparty"))
            print(
                f"  copyparty without its start {party:.2f} s, {party / own:.2f} times ours; ours as a whole command {whole:.2f} s"
            )


if __name__ == "__main__":
    main()
