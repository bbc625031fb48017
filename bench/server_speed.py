"""Measure the whole server against nginx and copyparty in one run: `python -m bench.server_speed [--write docs/…]`.

Ours runs with everything on: login, rights, catalogue, digests, durability. Only ratios mean something beyond the minute they
were taken in. Needs nginx, wrk and copyparty: on Debian `apt-get install nginx wrk`; copyparty from PyPI, in a virtual
environment of its own, named with `--copyparty`.
"""

import argparse
import json
import os
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from bench.http_base import MIB, Server, connect, free_port, nginx
from homestow.client.adapters.remote_api import ApiRemote, login
from homestow.client.ports.remote import SmallFile
from homestow.values.ids import NodeId, RootId

SMALL = 4096
FILES = 10_000
PASSWORD = "a long enough password"


@dataclass(slots=True)
class Subject:
    """A server under test and how to ask it for things."""

    server: Server
    headers: dict[str, str]
    get_path: Callable[[int], str]
    put_path: Callable[[str], str]
    big_path: str
    put_big_path: Callable[[int], str]
    extra: dict[str, str] = field(default_factory=dict)
    uploads: Path = Path()
    """Folder in which its uploads come to lie."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.server.name

    def header_lines(self) -> str:
        """Its headers as they go over the wire."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())


# -- running the servers ---------------------------------------------------------------------------------------------


@contextmanager
def homestow(work: Path, size: int) -> Iterator[Subject]:
    """Our server on a fresh data folder holding the same files."""
    data = work / "homestow"
    environment = {**os.environ, "HOMESTOW_PASSWORD": PASSWORD}
    command = [sys.executable, "-m", "homestow"]
    subprocess.run([*command, "user", "add", "anna", "--data", str(data)], env=environment, check=True, stdout=2)
    root = data / "files" / "anna"
    lay_out(root, size)
    with ExitStack() as stack:
        plain = stack.enter_context(_serving(command, data, []))
        yield _ours(plain[0], plain[1], root)


@contextmanager
def _serving(command: list[str], data: Path, flags: list[str]) -> Iterator[tuple[int, str]]:
    serve = [*command, "serve", "--data", str(data), "--http", "127.0.0.1:0", *flags]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, str(json.loads(process.stdout.readline())["http"])
        finally:
            process.terminate()


def _ours(pid: int, url: str, uploads: Path) -> Subject:
    entered = login(url, "anna", PASSWORD, "bench")
    port = int(url.rpartition(":")[2])
    headers = {"Authorization": f"Bearer {entered.token}"}
    ids = _wait_for_files(port, headers)
    top = ids[""]
    return Subject(
        Server("homestow", pid, port, port),
        headers,
        lambda number: f"/api/v1/nodes/{ids[f's{number}']}/content",
        lambda unique: f"/api/v1/nodes/{top}/files?name={unique}",
        f"/api/v1/nodes/{ids['big']}/content",
        lambda number: f"/api/v1/nodes/{top}/files?name=up{number}-{time.monotonic_ns()}",
        {"token": entered.token, "url": url, "top": str(top)},
        uploads,
    )


def _wait_for_files(port: int, headers: dict[str, str]) -> dict[str, int]:
    """Ids by name once the server has adopted what lies in the folder."""
    import urllib.request

    for _ in range(600):
        found: dict[str, int] = {}
        after = 0
        while True:
            url = f"http://127.0.0.1:{port}/api/v1/roots/1/tree?limit=10000&after={after}"
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                page = json.load(answer)
            found.update({node["name"]: node["id"] for node in page["nodes"]})
            if page["next"] is None:
                break
            after = page["next"]
        if len(found) >= FILES + 2:
            return found
        time.sleep(0.1)
    raise SystemExit("the server did not find the files in its folder")


def lay_out(root: Path, size: int) -> None:
    """The same files for everybody: `big` and `s0` to `s9999`."""
    root.mkdir(parents=True, exist_ok=True)
    block = os.urandom(MIB)
    with (root / "big").open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
    for number in range(FILES):
        (root / f"s{number}").write_bytes(block[number : number + SMALL])


@contextmanager
def copyparty(work: Path, root: Path, program: str) -> Iterator[Subject]:
    """copyparty with its database (`-e2dsa`), as ours has a catalogue; read and write for everybody."""
    port = free_port()
    command = [program, "-q", "-i", "127.0.0.1", "-p", str(port), "-v", f"{root}::rwmda", "--no-crt", "-e2dsa"]
    with subprocess.Popen(command, stdout=2, cwd=work, env={**os.environ, "HOME": str(work)}) as process:
        try:
            server = Server("copyparty", process.pid, port, port)
            for _ in range(200):
                try:
                    connect(server, tls=False).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield Subject(
                server,
                {},
                lambda n: f"/s{n}",
                lambda u: f"/cp-{u}",
                "/big",
                lambda n: f"/cpup{n}-{time.monotonic_ns()}",
                uploads=root,
            )
        finally:
            process.terminate()


# -- what is measured ------------------------------------------------------------------------------------------------


def fetch_big(subject: Subject, size: int, *, tls: bool = False) -> float:
    """MB/s of one download."""
    with connect(subject.server, tls=tls) as sock:
        began = time.perf_counter()
        sock.sendall(
            f"GET {subject.big_path} HTTP/1.1\r\nHost: b\r\n{subject.header_lines()}Connection: close\r\n\r\n".encode()
        )
        buffer, got = memoryview(bytearray(MIB)), 0
        while count := sock.recv_into(buffer):
            got += count
        took = time.perf_counter() - began
    assert got > size, f"{subject.name} sent {got} bytes only"
    return size / took / 1e6


def cipher_of(*subjects: Subject) -> str:
    """The cipher suite that all of them negotiate; comparing different ones would say nothing."""
    suites = set()
    for subject in subjects:
        with connect(subject.server, tls=True) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            chosen = sock.cipher()
            assert chosen is not None
            suites.add(chosen[0])
    if len(suites) != 1:
        raise SystemExit(f"the servers negotiate different suites: {', '.join(sorted(suites))}")
    return suites.pop()


def send_big(subject: Subject, size: int, number: int) -> float:
    """MB/s of one upload, answered. What was uploaded is removed and the disk settled before, so that all begin alike."""
    for old in [*subject.uploads.glob("up*"), *subject.uploads.glob("cpup*")]:
        old.unlink()
    os.sync()
    time.sleep(0.5)
    block = memoryview(os.urandom(MIB))
    with connect(subject.server, tls=False) as sock:
        head = (
            f"PUT {subject.put_big_path(number)} HTTP/1.1\r\nHost: b\r\n{subject.header_lines()}"
            f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
        )
        began = time.perf_counter()
        sock.sendall(head.encode())
        for _ in range(size // MIB):
            sock.sendall(block)
        answer = sock.recv(4096)
        took = time.perf_counter() - began
    assert b" 20" in answer[:20], answer[:300]
    return size / took / 1e6


WRK_GET = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at], {%s})
end
"""
WRK_PUT = """
local at = 0
local body = string.rep("0123456789abcdef", 256)
request = function()
  at = at + 1
  return wrk.format("PUT", (string.gsub("%s", "@", "%s-" .. at)), {%s}, body .. at)
end
"""


def _wrk(subject: Subject, script: str, work: Path, seconds: int) -> float:
    path = work / f"wrk-{time.monotonic_ns()}.lua"
    path.write_text(script)
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", str(path), f"http://127.0.0.1:{subject.server.port}"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    match = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert match is not None, out
    assert "Non-2xx" not in out, out
    return float(match[1])


def _lua_headers(subject: Subject) -> str:
    return ", ".join(f'["{name}"] = "{value}"' for name, value in subject.headers.items())


def small_gets(subject: Subject, work: Path) -> float:
    """Requests per second for 4 KiB files over 8 kept-alive connections."""
    paths = work / f"paths-{subject.name}"
    paths.write_text("\n".join(subject.get_path(number) for number in range(FILES)))
    return _wrk(subject, WRK_GET % (paths, _lua_headers(subject)), work, 4)


def small_puts(subject: Subject, work: Path) -> float:
    """Requests per second for new 4 KiB files over 8 kept-alive connections, each answered on its own."""
    template = subject.put_path("@").replace("%", "%%")
    script = WRK_PUT % (template, f"w{time.monotonic_ns()}", _lua_headers(subject))
    return _wrk(subject, script, work, 4)


def packs(subject: Subject, work: Path) -> float:
    """Files per second for 10,000 new files of 4 KiB in packs, two in flight."""
    remote = ApiRemote(subject.extra["url"], subject.extra["token"], RootId(1))
    folder = remote.make_folder(NodeId(int(subject.extra["top"])), f"pack{time.monotonic_ns()}")
    content = os.urandom(SMALL + FILES)
    batches = [
        [
            SmallFile(content[number : number + SMALL], time.time_ns(), parent=folder.id, name=f"f{number}")
            for number in range(start, start + 1000)
        ]
        for start in range(0, FILES, 1000)
    ]
    failures: list[object] = []

    def send() -> None:
        while batches:
            try:
                batch = batches.pop()
            except IndexError:
                return
            failures.extend(each for each in remote.put_small(batch) if isinstance(each, Exception))

    began = time.perf_counter()
    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    remote.close()
    assert not failures, failures[:3]
    return FILES / took


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: figures and CPU seconds by server, and what is asked of ours."""

    what: str
    unit: str
    figures: dict[str, tuple[float, float]]


def in_turns(subjects: list[Subject], rounds: int, run: Callable[[Subject], float]) -> dict[str, tuple[float, float]]:
    """Median figure and server CPU seconds; rounds go round the servers, so that slow moments hit all."""
    figures: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    cpu: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for turn in range(rounds):
        for subject in subjects[turn % len(subjects) :] + subjects[: turn % len(subjects)]:
            before = subject.server.cpu_s()
            figures[subject.name].append(run(subject))
            cpu[subject.name].append(subject.server.cpu_s() - before)
    return {name: (statistics.median(values), statistics.median(cpu[name])) for name, values in figures.items()}


def compare(size: int, rounds: int, program: str, only: str) -> list[Line]:
    """Everything, in one run."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name, ExitStack() as stack:
        work = Path(name)
        root, cp_root = work / "nginx", work / "cp"
        lay_out(root, size)
        for folder in ("default", "buffered"):
            (root / folder).mkdir()
        lay_out(cp_root, size)
        ca = trustme.CA()
        certificate = ca.issue_cert("127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(work / "cert.pem")
        certificate.private_key_pem.write_to_path(work / "key.pem")
        (work / "key.pem").chmod(0o600)
        ours = stack.enter_context(homestow(work, size))
        flags = ["--tls-cert", str(work / "cert.pem"), "--tls-key", str(work / "key.pem")]
        nx = stack.enter_context(nginx(root, work, shutil.which("nginx") or "/usr/sbin/nginx"))
        cp = stack.enter_context(copyparty(work, cp_root, program))

        def plain_nginx(name: str, folder: str) -> Subject:
            server = Server(name, nx.pid, nx.port, nx.tls_port)
            return Subject(
                server,
                {},
                lambda n: f"/s{n}",
                lambda u: f"/{folder}/{u}",
                "/big",
                lambda n: f"/{folder}/up{n}",
                uploads=root / folder,
            )

        default, buffered = plain_nginx("nginx", "default"), plain_nginx("nginx 1 MiB buffer", "buffered")
        counter = iter(range(1_000_000))
        if only in ("", "down"):
            lines.append(
                Line("one 1 GiB download", "MB/s", in_turns([ours, default, cp], rounds, lambda s: fetch_big(s, size)))
            )
        if only in ("", "up"):
            run = lambda s: send_big(s, size, next(counter))  # noqa: E731
            lines.append(Line("one 1 GiB upload", "MB/s", in_turns([ours, default, buffered, cp], rounds, run)))
        if only in ("", "get"):
            lines.append(
                Line(
                    "GET 4 KiB, 8 connections",
                    "/s",
                    in_turns([ours, default, cp], rounds, lambda s: small_gets(s, work)),
                )
            )
        if only in ("", "put"):
            lines.append(
                Line(
                    "PUT 4 KiB, 8 connections",
                    "/s",
                    in_turns([ours, default, cp], rounds, lambda s: small_puts(s, work)),
                )
            )
        if only in ("", "pack"):
            figures = in_turns([ours], rounds, lambda s: packs(s, work))
            figures |= in_turns([cp], max(1, rounds - 2), lambda s: small_puts(s, work))
            lines.append(Line("4 KiB files in packs (copyparty: one each)", "/s", figures))
        if only in ("", "tls"):
            command = [sys.executable, "-m", "homestow"]
            os.kill(ours.server.pid, 15)
            time.sleep(2)
            pid, url = stack.enter_context(_serving(command, work / "homestow", flags))
            port = int(url.rpartition(":")[2])
            secure = Subject(
                Server("homestow", pid, port, port),
                ours.headers,
                ours.get_path,
                ours.put_path,
                ours.big_path,
                ours.put_big_path,
            )
            lines.append(
                Line(
                    f"one 1 GiB download, {cipher_of(secure, default)}",
                    "MB/s",
                    in_turns([secure, default], rounds, lambda s: fetch_big(s, size, tls=True)),
                )
            )
    return lines


def table(lines: list[Line]) -> str:
    """The lines as a Markdown table; ratios are ours to the other's."""
    out = ["| what | homestow | peer | ratio |", "|---|---|---|---|"]
    for line in lines:
        own, cpu = line.figures["homestow"]
        for name, (figure, their_cpu) in line.figures.items():
            if name != "homestow":
                out.append(
                    f"| {line.what} | {own:,.0f} {line.unit} ({cpu:.2f} s CPU) | {name}: {figure:,.0f} {line.unit} "
                    f"({their_cpu:.2f} s CPU) | {own / figure:.2f} × |"
                )
    return "\n".join(out)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copyparty", default="copyparty", help="the program")
    parser.add_argument("--only", default="", help="down, up, get, put, pack or tls")
    chosen = parser.parse_args()
    sys.stdout.write(table(compare(chosen.size * MIB, chosen.rounds, chosen.copyparty, chosen.only)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
