"""Measure the HTTP base against nginx in one run, on one machine: `python bench/http_base.py`.

Prints a table of throughputs and their ratios; only the ratios mean something beyond the minute they were taken in.
Needs nginx and, for small requests, wrk: on Debian `apt-get install nginx-light wrk`.
"""

import argparse
import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from aiohttp import web
from blake3 import blake3

from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.ranges import EntityTag
from homestow.server.fronts.http.receiving import receive
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.http.sending import Facts, FileSource, send_file
from homestow.server.fronts.http.serving import HttpServer
from homestow.server.fronts.tcp.listening import Tls

MIB = 1024 * 1024
SMALL_FILES = 1000

NGINX = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_max_body_size 0;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/t1; fastcgi_temp_path {dir}/t2;
  uwsgi_temp_path {dir}/t3; scgi_temp_path {dir}/t4;
  server {{ listen 127.0.0.1:{port}; root {root};
    location /default/ {{ dav_methods PUT; create_full_put_path on; }}
    location /buffered/ {{ dav_methods PUT; create_full_put_path on; client_body_buffer_size 1m; }} }}
  server {{ listen 127.0.0.1:{tls_port} ssl; root {root}; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under test."""

    name: str
    pid: int
    port: int
    tls_port: int

    def cpu_s(self) -> float:
        """CPU seconds of the process and, for nginx, its workers."""
        pids = [self.pid, *children(self.pid)]
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Process ids of the direct children of `pid`."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += [int(text) for text in (thread / "children").read_text().split()]
    return found


# -- our side --------------------------------------------------------------------------------------------------------


def serve(root: Path, cert: Path, key: Path) -> None:
    """Serve `root` through the HTTP base until terminated; prints the two ports."""
    asyncio.run(_serve(root, cert, key))


async def _serve(root: Path, cert: Path, key: Path) -> None:
    executor = ThreadPoolExecutor(4)

    async def get(request: Request) -> web.StreamResponse:
        fd = os.open(root / request.params["path"], os.O_RDONLY | os.O_CLOEXEC)
        stat = os.fstat(fd)
        facts = Facts(stat.st_size, EntityTag(f"{stat.st_mtime_ns:x}-{stat.st_size:x}"), int(stat.st_mtime))
        return await send_file(request, FileSource(facts, fd), executor=executor)

    async def put(request: Request) -> web.StreamResponse:
        durable = "sync" in request.query_string
        fd = os.open(root / "ours.put", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
        digest = blake3()

        def sink(block: memoryview) -> None:
            digest.update(block)
            os.write(fd, block)

        await receive(request, sink, cap=1 << 40, executor=executor)
        if durable:
            await asyncio.get_running_loop().run_in_executor(executor, os.fsync, fd)
        os.close(fd)
        return web.Response(text=digest.hexdigest())

    router = Router()
    router.add("GET", "/{path:path}", get)
    router.add("PUT", "/put", put)
    server = HttpServer(router)
    plain = await server.listen_tcp("127.0.0.1", 0)
    secure = await server.listen_tcp("127.0.0.1", 0, tls=Tls(cert, key))
    sys.stdout.write(f"{plain.port} {secure.port}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.close()


# -- running the servers ---------------------------------------------------------------------------------------------


@contextmanager
def ours(root: Path, work: Path, name: str, loop: str) -> Iterator[Server]:
    """Our server in a process of its own, on the event loop named `loop`."""
    command = [sys.executable, __file__, "--serve", str(root), str(work / "cert.pem"), str(work / "key.pem"), loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port, tls_port = process.stdout.readline().split()
            yield Server(name, process.pid, int(port), int(tls_port))
        finally:
            process.terminate()


@contextmanager
def nginx(root: Path, work: Path, program: str) -> Iterator[Server]:
    """nginx with one worker, sendfile on, its WebDAV PUT with both buffer sizes."""
    port, tls_port = free_port(), free_port()
    config = work / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(user + NGINX.format(dir=work, root=root, port=port, tls_port=tls_port))
    with subprocess.Popen([program, "-c", str(config), "-e", str(work / "error.log")]) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield Server("nginx", process.pid, port, tls_port)
        finally:
            process.terminate()


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# -- what is measured ------------------------------------------------------------------------------------------------


def download(server: Server, path: str, size: int, *, tls: bool) -> float:
    """Seconds to fetch `path` whole."""
    with connect(server, tls=tls) as sock:
        began = time.perf_counter()
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n".encode())
        buffer, got = memoryview(bytearray(MIB)), 0
        while count := sock.recv_into(buffer):
            got += count
        took = time.perf_counter() - began
    assert got > size, f"{server.name} sent {got} bytes only"
    return took


def upload(server: Server, path: str, size: int, *, tls: bool = False) -> float:
    """Seconds to put `size` bytes and get the answer."""
    block = memoryview(os.urandom(MIB))
    with connect(server, tls=tls) as sock:
        began = time.perf_counter()
        head = f"PUT {path} HTTP/1.1\r\nHost: b\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        sock.sendall(head.encode())
        for _ in range(size // MIB):
            sock.sendall(block)
        answer = sock.recv(4096)
        took = time.perf_counter() - began
    assert b" 20" in answer[:20], answer[:200]
    return took


def connect(server: Server, *, tls: bool) -> socket.socket:
    """A connection to `server`."""
    sock = socket.create_connection(("127.0.0.1", server.tls_port if tls else server.port))
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(sock)
    return sock


def small_gets(server: Server, wrk: str, script: Path) -> float:
    """Requests per second for small files over 8 kept-alive connections."""
    command = [wrk, "-t1", "-c8", "-d2s", "-s", str(script), f"http://127.0.0.1:{server.port}"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    match = re.search(r"Requests/sec:\s+([\d.]+)", out)
    assert match is not None, out
    assert "Non-2xx" not in out, out
    return float(match[1])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    unit: str
    figures: dict[str, tuple[float, float]]
    baseline: str


def measured(servers: list[Server], rounds: int, run: Callable[[Server], float]) -> dict[str, tuple[float, float]]:
    """Median figure and CPU seconds by server; rounds go round the servers in turn, so slow moments hit all."""
    figures: dict[str, list[float]] = {server.name: [] for server in servers}
    cpu: dict[str, list[float]] = {server.name: [] for server in servers}
    for number in range(rounds + 1):
        turn = number % len(servers)
        for server in servers[turn:] + servers[:turn]:
            before = server.cpu_s()
            figure = run(server)
            if number > 0:  # the first round only warms up
                figures[server.name].append(figure)
                cpu[server.name].append(server.cpu_s() - before)
    return {name: (statistics.median(values), statistics.median(cpu[name])) for name, values in figures.items()}


def table(rows: list[Row]) -> str:
    """The rows as text, each figure with its ratio to the row's baseline."""
    lines = []
    for row in rows:
        base = row.figures[row.baseline][0]
        cells = [
            f"{name} {figure:,.0f} {row.unit} (x{figure / base:.2f}, {cpu:.2f} s CPU)"
            for name, (figure, cpu) in row.figures.items()
        ]
        lines.append(f"{row.what:34} " + "   ".join(cells))
    return "\n".join(lines)


def compare(size: int, rounds: int, loops: list[str], only: str) -> int:
    """Run everything and print the table."""
    program = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
    wrk = shutil.which("wrk")
    if program is None or wrk is None:
        sys.stderr.write("nginx and wrk are needed: apt-get install nginx-light wrk\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="homestow-bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        work = Path(folder)
        root = work / "root"
        root.mkdir()
        work.chmod(0o755)
        prepare(root, work, size)
        script = work / "small.lua"
        script.write_text(
            f'local n = 0\nrequest = function() n = n + 1; return wrk.format("GET", "/small/" .. n % {SMALL_FILES}) end\n'
        )
        with nginx(root, work, program) as peer:
            servers = [peer]
            with ExitStack() as stack:
                servers += [stack.enter_context(ours(root, work, f"ours/{loop}", loop)) for loop in loops]
                sys.stdout.write(table(list(rows_of(servers, root, size, rounds, wrk, script, only))) + "\n")
    return 0


def rows_of(
    servers: list[Server], root: Path, size: int, rounds: int, wrk: str, script: Path, only: str
) -> Iterator[Row]:
    """Measure one row after the other."""
    mib = size / MIB

    def mine(server: Server) -> bool:
        return server.name != "nginx"

    def put(server: Server, path: str, peer_path: str, *, tls: bool = False) -> float:
        # Gone before the clock starts, so that every server writes into memory the last one has just given back.
        for target in (root / "ours.put", root / "default" / "put", root / "buffered" / "put"):
            target.unlink(missing_ok=True)
        os.sync()
        if mine(server):
            return mib / upload(server, path, size, tls=tls)
        return mib / upload(server, peer_path, size)

    runs: list[tuple[str, str, Callable[[Server], float]]] = [
        ("download", "MiB/s", lambda s: mib / download(s, "/big", size, tls=False)),
        ("download over TLS", "MiB/s", lambda s: mib / download(s, "/big", size, tls=True)),
        ("small GET, 4 KiB", "per s", lambda s: small_gets(s, wrk, script)),
        ("upload, nginx by default", "MiB/s", lambda s: put(s, "/put", "/default/put")),
        ("upload, nginx with 1 MiB buffer", "MiB/s", lambda s: put(s, "/put", "/buffered/put")),
        ("upload, ours fsynced, nginx 1 MiB", "MiB/s", lambda s: put(s, "/put?sync", "/buffered/put")),
        ("upload over TLS, nginx plain 1 MiB", "MiB/s", lambda s: put(s, "/put", "/buffered/put", tls=True)),
    ]
    for what, unit, run in runs:
        if only in what:
            yield Row(what, unit, measured(servers, rounds, run), "nginx")


def prepare(root: Path, work: Path, size: int) -> None:
    """Write the files to fetch, and a certificate."""
    block = os.urandom(MIB)
    with (root / "big").open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
    (root / "small").mkdir()
    for number in range(SMALL_FILES):
        (root / "small" / str(number)).write_bytes(os.urandom(4096))
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(work / "key.pem"))
    (work / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", nargs=4, metavar=("ROOT", "CERT", "KEY", "LOOP"), help=argparse.SUPPRESS)
    parser.add_argument("--mib", type=int, default=1024, help="size of the big file (default: 1024)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loops", default="asyncio,uvloop", help="event loops to try (default: asyncio,uvloop)")
    parser.add_argument("--only", default="", help="measure only rows whose name contains this")
    args = parser.parse_args()
    if args.serve:
        root, cert, key, loop = args.serve
        if loop == "uvloop":
            import uvloop

            uvloop.install()
        serve(Path(root), Path(cert), Path(key))
        return 0
    return compare(args.mib * MIB, args.rounds, args.loops.split(","), args.only)


if __name__ == "__main__":
    sys.exit(main())
