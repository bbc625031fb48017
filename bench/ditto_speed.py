"""Measure the Ditto services: `python -m bench.ditto_speed [--only 1m,4m,small,watch]`; prints a table for docs/performance.md.

Uploads go, in turns, to ours (login, rights, catalogue, events, durability) and to a bare gRPC server of one page that checks
the same digests, writes the blocks where they belong and flushes each file at its end (`bench.ditto_peers`). Both are processes
of their own, and so is the client, which is the same for both. Only ratios mean something beyond the minute they were taken in.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from bench.http_base import MIB, Server
from homestow.client.adapters.remote_api import login
from homestow.server.bootstrap import open_house
from homestow.server.settings import Settings

PASSWORD = "a long enough password"
USERS = 20
SMALL = 4096
STREAMS = 4
WATCHERS = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """A server under test.

    Attributes:
        tokens: of its users, the first of whom uploads.
        folders: where what was uploaded comes to lie.
    """

    server: Server
    tokens: list[str]
    folders: list[Path]

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.server.name

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self.server.port}"

    def clear(self) -> None:
        """Remove the large files and let the disk settle, so that all begin alike."""
        for folder in self.folders:
            for old in folder.glob("up*"):
                old.unlink()
        os.sync()
        time.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the native API takes files of a user, and the login for it."""

    url: str
    top: int
    token: str


@contextmanager
def ours(work: Path) -> Iterator[tuple[Subject, list[Place]]]:
    """Our server on a fresh data folder, with its users logged in."""
    data = work / "homestow"
    names = [f"user{number}" for number in range(USERS)]
    with open_house(data, Settings()) as house:
        for name in names:
            house.services.roots.own(house.services.accounts.add(name, PASSWORD))
        client = house.ditto.get().auth.add_client("bench")
    command = [sys.executable, "-m", "homestow", "serve", "--data", str(data), "--http", "127.0.0.1:0"]
    with subprocess.Popen([*command, "--grpc", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            port = int(str(line["grpc"]).rpartition(":")[2])
            tokens = [_ditto_token(line["http"], client.id, client.secret, name) for name in names]
            folders = [data / "files" / name / "Ditto" for name in names]
            yield (
                Subject(Server("homestow", process.pid, port, 0), tokens, folders),
                [_place(line["http"], name) for name in names],
            )
        finally:
            process.terminate()


def _ditto_token(url: str, client: str, secret: str, name: str) -> str:
    from urllib.parse import urlencode

    form = {
        "grant_type": "password", "client_id": client, "client_secret": secret, "username": name, "password": PASSWORD,
    }  # fmt: skip
    with urllib.request.urlopen(f"{url}/v2/oauth", urlencode(form).encode()) as answer:
        return str(json.load(answer)["access_token"])


def _place(url: str, name: str) -> Place:
    token = login(url, name, PASSWORD, "bench").token
    ask = urllib.request.Request(f"{url}/api/v1/roots", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(ask) as answer:
        roots = json.load(answer)
    return Place(url, int((roots["roots"] if isinstance(roots, dict) else roots)[0]["top"]), token)


@contextmanager
def bare(work: Path) -> Iterator[Subject]:
    """The bare server."""
    folder = work / "bare"
    folder.mkdir()
    command = [sys.executable, "-m", "bench.ditto_peers", "serve", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield Subject(Server("bare", process.pid, port, 0), [""], [folder])
        finally:
            process.terminate()


def ordered(kind: str, order: dict[str, Any]) -> dict[str, Any]:
    """What a client process answers."""
    command = [sys.executable, "-m", "bench.ditto_peers", kind]
    done = subprocess.run(command, input=json.dumps(order), check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# -- what is measured ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upload:
    """One measured upload: what came of it per second, and CPU seconds of the server and of the client."""

    rate: float
    server_cpu: float
    client_cpu: float


_numbers = count()


def upload(subject: Subject, size: int, block: int) -> Upload:
    """MB/s of one file in blocks over four connections, from its first block to the answer of the last."""
    subject.clear()
    order = {
        "address": subject.address, "tokens": subject.tokens[:1], "name": f"up{next(_numbers)}", "size": size,
        "block": block, "streams": STREAMS,
    }  # fmt: skip
    before = subject.server.cpu_s()
    answer = ordered("blocks", order)
    return Upload(size / answer["seconds"] / 1e6, subject.server.cpu_s() - before, answer["cpu"])


def small(subject: Subject, files: int) -> Upload:
    """Files a second: announced, and sent as one block each; 16 calls under way over four connections of four users."""
    subject.clear()
    order = {
        "address": subject.address, "tokens": subject.tokens[:STREAMS], "name": f"small{next(_numbers)}",
        "size": SMALL, "files": files, "streams": STREAMS, "at_once": 16,
    }  # fmt: skip
    before = subject.server.cpu_s()
    answer = ordered("small", order)
    return Upload(files / answer["seconds"], subject.server.cpu_s() - before, answer["cpu"])


def compared(what: str, unit: str, subjects: list[Subject], rounds: int, run: Any) -> list[str]:
    """The table line of an upload: rounds go round the servers, so that slow moments hit all; the first warms up."""
    found: dict[str, list[Upload]] = {subject.name: [] for subject in subjects}
    for turn in range(rounds + 1):
        for subject in subjects[turn % len(subjects) :] + subjects[: turn % len(subjects)]:
            measured = run(subject)
            sys.stderr.write(
                f"{what}: {subject.name} {measured.rate:,.0f} {unit} {measured.server_cpu:.2f} + {measured.client_cpu:.2f} s CPU\n"
            )
            if turn:
                found[subject.name].append(measured)
    rates = {name: statistics.median(each.rate for each in uploads) for name, uploads in found.items()}
    cpu = {name: statistics.median(each.server_cpu for each in uploads) for name, uploads in found.items()}
    pairs = [mine.rate / other.rate for mine, other in zip(found["homestow"], found["bare"], strict=True)]
    cells = [f"{rates[name]:,.0f} {unit} ({cpu[name]:.2f} s CPU)" for name in ("homestow", "bare")]
    ratio = f"{rates['homestow'] / rates['bare']:.2f} × ({min(pairs):.2f} to {max(pairs):.2f})"
    return [f"| {what} | {cells[0]} | bare: {cells[1]} | {ratio} |"]


def latency(subject: Subject, places: list[Place], users: int, writes: int) -> list[str]:
    """The table line of how long after a native write's answer the watchers have its event."""
    url = places[0].url.rpartition("//")[2].rpartition(":")
    number = next(_numbers)
    order = {
        "address": subject.address, "tokens": subject.tokens[:users], "channels": 10, "watchers": WATCHERS,
        "name": f"w{number}", "writes": writes, "first": 10_000 + number * 1000, "every": 0.1,
        "http": [url[0], int(url[2])], "places": [(place.top, place.token) for place in places[:users]],
    }  # fmt: skip
    before = subject.server.cpu_s()
    answer = ordered("watch", order)
    seconds = answer["seconds"]
    cpu = (subject.server.cpu_s() - before) / writes * 1e3
    median, p99 = (seconds[int(len(seconds) * part)] * 1e3 for part in (0.5, 0.99))
    whose = "one user" if users == 1 else f"{users} users"
    told = f"{median:.1f} ms median, {p99:.1f} ms p99, {seconds[-1] * 1e3:.1f} ms at most"
    if answer["missing"]:
        told += f", {answer['missing']} MISSING"
    return [f"| write to event, {WATCHERS} watchers of {whose} | {told} ({cpu:.1f} ms CPU a write) | – | – |"]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="number of small files")
    parser.add_argument("--writes", type=int, default=100, help="writes the watchers are told of")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="1m,4m,small,watch")
    chosen = parser.parse_args()
    only = chosen.only.split(",")
    lines = ["| what | homestow | peer | ratio |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name, ExitStack() as stack:
        subject, places = stack.enter_context(ours(Path(name)))
        both = [subject, stack.enter_context(bare(Path(name)))]
        if "watch" in only:  # before all others: new watches are told of everything that was written
            for users in (1, USERS):
                lines += latency(subject, places, users, chosen.writes)
        for kind, block in (("1m", MIB), ("4m", 4 * MIB)):
            if kind in only:
                what = f"{chosen.mib} MiB in blocks of {block // MIB} MiB over 4 connections"
                run = lambda each, block=block: upload(each, chosen.mib * MIB, block)  # noqa: E731
                lines += compared(what, "MB/s", both, chosen.rounds, run)
        if "small" in only:
            what = f"{chosen.files:,} files of 4 KiB, 16 calls at once"
            lines += compared(what, "/s", both, max(1, chosen.rounds - 1), lambda each: small(each, chosen.files))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
