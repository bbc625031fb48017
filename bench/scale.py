"""Measure what must not grow with the store, adoption, and memory: `python -m bench.scale [adopt|grow|memory]`.

- adopt: adopting a folder of 100,000 files, against the floor "walk it with stat and insert into SQLite", in turns.
- grow: the change feed and a folder listing of 1,000 over HTTP, at 10,000 and at 1,000,000 nodes.
- memory: growth of the server's and the client's peak through one large upload and download by `sync` (10 GiB by default).
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.service_core import Clock
from bench.sync_speed import PASSWORD, make_tree
from homestow.client.adapters.remote_api import ApiRemote, login
from homestow.server.bootstrap import House, open_house
from homestow.server.ports.catalogue import NOT_SEEN, new_row
from homestow.server.ports.journal import Note
from homestow.server.service.outside import Outside
from homestow.server.settings import Settings
from homestow.values.changes import ChangeKind
from homestow.values.ids import NO_DEVICE, SYSTEM, NodeId, RootId
from homestow.values.nodes import Kind

MIB = 1024 * 1024
COMMAND = [sys.executable, "-m", "homestow"]


def floor(folder: Path, work: Path) -> tuple[float, float]:
    """Seconds, and seconds of CPU, to walk a folder with stat and insert a row per entry."""
    database = work / f"floor-{time.monotonic_ns()}.db"
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE f (id INTEGER PRIMARY KEY, parent INTEGER, name TEXT, size INTEGER, mtime INTEGER, inode INTEGER)"
    )
    began, cpu = time.perf_counter(), time.process_time()
    connection.execute("BEGIN")
    folders = [(0, str(folder))]
    number = 0
    while folders:
        parent, path = folders.pop()
        rows = []
        with os.scandir(path) as entries:
            for entry in entries:
                stat = entry.stat(follow_symlinks=False)
                number += 1
                rows.append((number, parent, entry.name, stat.st_size, stat.st_mtime_ns, stat.st_ino))
                if entry.is_dir(follow_symlinks=False):
                    folders.append((number, entry.path))
        connection.executemany("INSERT INTO f VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    took = time.perf_counter() - began, time.process_time() - cpu
    connection.close()
    return took


def adopt(rounds: int, files: int) -> None:
    """Adoption against its floor, in turns."""
    floors, ours, again = [], [], []
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
        work = Path(name)
        folder = work / "family"
        make_tree(folder, files, 200)
        os.sync()
        for number in range(rounds):
            floors.append(floor(folder, work))
            with open_house(work / f"data{number}", Settings(watch=False)) as house:
                root = house.services.roots.add("family", str(folder), [])
                began, cpu = time.perf_counter(), time.process_time()
                found = _rescan(house, root.id)
                ours.append((time.perf_counter() - began, time.process_time() - cpu))
                assert found >= files, found
                cpu = time.process_time()
                assert _rescan(house, root.id) == 0
                again.append(time.process_time() - cpu)
    for clock, at in (("wall", 0), ("CPU", 1)):
        low, own = statistics.median(one[at] for one in floors), statistics.median(one[at] for one in ours)
        each = ", ".join(f"{a[at] / b[at]:.2f}" for a, b in zip(floors, ours, strict=True))
        print(
            f"adoption of {files:,} files, {clock} time: {files / own:,.0f}/s, the floor {files / low:,.0f}/s, "
            f"ratio {low / own:.2f} (rounds {each})"
        )
    print(f"comparing them again, nothing changed: {files / statistics.median(again):,.0f}/s of CPU time")


def _rescan(house: House, root: RootId) -> int:
    outside = house.core.outside
    assert isinstance(outside, Outside)
    return outside.rescan(root).changes


@contextmanager
def serving(data: Path) -> Iterator[tuple[int, str]]:
    """A server process on a data folder: its process id and address."""
    serve = [*COMMAND, "serve", "--data", str(data), "--http", "127.0.0.1:0"]
    environment = {**os.environ, "HOMESTOW_WATCH": "false", "HOMESTOW_LOG_LEVEL": "warning"}
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process.pid, str(json.loads(process.stdout.readline())["http"])
        finally:
            process.terminate()


def new_server(data: Path) -> None:
    """A data folder with one account."""
    environment = {**os.environ, "HOMESTOW_PASSWORD": PASSWORD}
    subprocess.run([*COMMAND, "user", "add", "anna", "--data", str(data)], env=environment, check=True, stdout=2)


def fill(data: Path, nodes: int) -> tuple[int, str]:
    """Rows for `nodes` files, 1,000 to a folder; the last folder, and a cursor before its last 1,000 changes.

    Rows only: neither call reads content.
    """
    with open_house(data, Settings(watch=False)) as house:
        root = RootId(1)
        top = house.core.catalogue.top(root)
        assert top is not None
        folder = NodeId(0)
        cursor = ""
        for start in range(0, nodes, 1000):
            cursor = str(house.core.changes.cursor())
            with house.core.catalogue.write() as rows:
                first = rows.take_ids(1001)
                folder = first
                notes = [
                    Note(root, NodeId(first + at), ChangeKind.CREATED, Clock().now_ns(), SYSTEM, NO_DEVICE, (top.id,))
                    for at in range(1001)
                ]
                number = rows.note(notes)
                rows.add(
                    [new_row(first, root, top.id, f"d{start}", Kind.FOLDER, number)]
                    + [
                        new_row(
                            NodeId(first + at), root, folder, f"f{start + at}", Kind.FILE, number + at, rev=1, size=10,
                            seen=NOT_SEEN,
                        )
                        for at in range(1, 1001)
                    ]
                )  # fmt: skip
    return folder, cursor


def grow() -> None:
    """Times over HTTP at two sizes of the store."""
    figures: dict[int, tuple[float, float]] = {}
    for nodes in (10_000, 1_000_000):
        with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
            data = Path(name) / "data"
            new_server(data)
            folder, cursor = fill(data, nodes)
            # A rescan would find none of these files on the disk; the root is away while we measure.
            root = data / "files" / "anna"
            root.rename(data / "files" / "elsewhere")
            with serving(data) as (_, url):
                token = login(url, "anna", PASSWORD, "bench").token
                remote = ApiRemote(url, token, RootId(1))
                feeds, listings = [], []
                for _ in range(30):
                    began = time.perf_counter()
                    page = remote.changes(cursor, 0)
                    feeds.append(time.perf_counter() - began)
                    assert len(page.nodes) >= 1000, len(page.nodes)
                    began = time.perf_counter()
                    part = remote.tree(under=NodeId(folder))
                    listings.append(time.perf_counter() - began)
                    assert len(part.nodes) == 1001 or part.next is not None, len(part.nodes)
                remote.close()
            figures[nodes] = (statistics.median(feeds), statistics.median(listings))
            print(
                f"{nodes:,} nodes: feed of 1,000 {feeds and figures[nodes][0] * 1e3:.1f} ms, listing {figures[nodes][1] * 1e3:.1f} ms"
            )
    small, large = figures[10_000], figures[1_000_000]
    print(f"1,000,000 against 10,000 nodes: feed x{large[0] / small[0]:.2f}, listing x{large[1] / small[1]:.2f}")


def peak(pid: int) -> float:
    """Peak resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def memory(size: int) -> None:
    """Peaks through one large file up and down, each against the same with a small file."""
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
        work = Path(name)
        data = work / "data"
        new_server(data)
        with serving(data) as (pid, url):
            environment = {**os.environ, "HOMESTOW_PASSWORD": PASSWORD, "HOME": str(work), "XDG_DATA_HOME": str(work)}

            def sync(folder: Path) -> float:
                folder.mkdir(exist_ok=True)
                command = [
                    "/usr/bin/time",
                    "-f",
                    "%M",
                    *COMMAND,
                    "sync",
                    "-s",
                    url,
                    "-u",
                    "anna",
                    "-d",
                    str(folder),
                    "--once",
                ]
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                return int(done.stderr.strip().splitlines()[-1]) / 1024

            one, two = work / "one", work / "two"
            one.mkdir()
            (one / "small").write_bytes(b"x" * 1000)
            clients = {"small up": sync(one), "small down": sync(two)}
            before = peak(pid)
            print(f"idle server {before:.0f} MiB peak, client {clients['small up']:.0f} MiB")
            block = os.urandom(MIB)
            with (one / "large").open("wb") as file:
                for _ in range(size):
                    file.write(block)
            began = time.perf_counter()
            clients["large up"] = sync(one)
            up = time.perf_counter() - began
            middle = peak(pid)
            began = time.perf_counter()
            clients["large down"] = sync(two)
            down = time.perf_counter() - began
            print(f"{size} MiB up in {up:.1f} s, down in {down:.1f} s")
            print(
                f"server +{middle - before:.0f} MiB by the upload, +{peak(pid) - middle:.0f} MiB more by the download"
            )
            print(
                f"client +{clients['large up'] - clients['small up']:.0f} MiB up, "
                f"+{clients['large down'] - clients['small down']:.0f} MiB down"
            )


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["adopt", "grow", "memory"])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=10 * 1024)
    chosen = parser.parse_args()
    if chosen.what in (None, "adopt"):
        adopt(chosen.rounds, chosen.files)
    if chosen.what in (None, "grow"):
        grow()
    if chosen.what in (None, "memory"):
        memory(chosen.mib)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
