"""Measure the netdrive and PiCloud fronts against the native API, and small files against copyparty's own uploader, in one run:
`python -m bench.tcp_speed [--copyparty PROGRAM --u2c PROGRAM]`. Only ratios mean something beyond the minute they were taken in.

What is compared with what:

* Downloads compute no digest anywhere, so each front stands beside the native `GET` of the same file.
* A PiCloud upload is digested by BLAKE3 alone, as a native `PUT` is: they stand side by side.
* A netdrive upload is digested by BLAKE3 and MD5. Natively nobody asks for MD5, so its peer is a server of ours in which the
  native `PUT` computes both, arranged as netdrive does it (`--serve-md5`, which only this program uses).
* Blocks go over 4 connections of the final dialect, each with one more under way than it waits for, as the source's client has.
* Clients are lean sockets in this process; what they send is made, and its MD5 known, before the clock runs. Contents differ
  each time, for content that is known is not sent at all.
* Small files: both uploaders read them from the disk and digest them. Ours sends whole files of the documented list on 4
  connections, without waiting for each answer; copyparty's `u2c` is told to use 4 connections. Ours are durable when they are
  answered, copyparty's are not flushed.
"""

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.http_base import MIB, Server, connect
from bench.server_speed import PASSWORD, SMALL, Line, Subject, copyparty, fetch_big, in_turns
from homestow.client.adapters.remote_api import login
from homestow.wire import picloud
from homestow.wire.netdrive import Answer, Answers, Data, Dialect, End, request

BLOCK = 4 * MIB
CONNECTIONS = 4
WINDOW = 64
"""Small files that a connection has under way at most."""
USER = "anna"


@dataclass(slots=True)
class Ours:
    """A running server of ours with all its ports."""

    name: str
    server: Server
    files: Path
    headers: dict[str, str]
    top: int
    netdrive: int = 0
    picloud: int = 0
    session: str = ""
    numbers: dict[str, int] = field(default_factory=dict)

    def native(self, path: str) -> Subject:
        """It as other benches know it."""
        return Subject(self.server, self.headers, lambda n: "", lambda u: "", path, lambda n: "")


def serve_md5(arguments: list[str]) -> int:
    """`homestow serve`, the native `PUT` of which computes an MD5 beside its BLAKE3, as netdrive's uploads do."""
    from homestow.cli import main as homestow
    from homestow.server.ports.content import Staged
    from homestow.server.service import whole
    from homestow.server.service.receiving import Digests

    class Both(Digests):
        """Stands where a BLAKE3 stood."""

        def __init__(self, begun: bytes | bytearray = b"") -> None:
            super().__init__(md5=True)
            self.update(bytes(begun))

        def digest(self) -> bytes:
            assert self.md5 is not None
            self.md5.digest()
            return self.blake3.digest()

    def take(sink: whole.FileSink, hasher: Any, staged: Staged, piece: memoryview) -> None:
        at = sink.offset
        hasher.update_beside(piece, lambda: staged.write_at(at, piece, passing=True))

    vars(whole)["blake3"] = Both
    whole.FileSink._take = take  # type: ignore[method-assign]  # its own way to the disk, two digests
    sys.argv = ["homestow", "serve", *arguments]
    return homestow() or 0


@contextmanager
def serving(work: Path, name: str, command: list[str], flags: list[str], big: Path | None) -> Iterator[Ours]:
    """A server on a fresh data folder; `big` lies in its root."""
    data = work / name
    environment = {**os.environ, "HOMESTOW_PASSWORD": PASSWORD}
    homestow = [sys.executable, "-m", "homestow"]
    subprocess.run([*homestow, "user", "add", USER, "--data", str(data)], env=environment, check=True, stdout=2)
    files = data / "files" / USER
    files.mkdir(parents=True, exist_ok=True)
    if big is not None:
        os.link(big, files / "big")
    with subprocess.Popen(
        [*command, "--data", str(data), "--http", "127.0.0.1:0", *flags], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            port = int(ready["http"].rpartition(":")[2])
            entered = login(ready["http"], USER, PASSWORD, "bench")
            ours = Ours(
                name,
                Server(name, process.pid, port, port),
                files,
                {"Authorization": f"Bearer {entered.token}"},
                0,
                *(int(ready.get(front, ":0").rpartition(":")[2]) for front in ("netdrive", "picloud")),
            )
            ours.numbers = _numbers(port, ours.headers, big is not None)
            ours.top = ours.numbers[""]
            if ours.netdrive:
                with Netdrive(ours, Dialect.FINAL) as talk:
                    ours.session = talk.session = talk.call("login", username=USER, password=PASSWORD)["session"]
                    talk.call("setbind", bindid=1)
                    talk.call("getdir")  # now the large file's MD5 is known, which is not part of any measurement
            yield ours
        finally:
            process.terminate()


def _numbers(port: int, headers: dict[str, str], wait_for_big: bool) -> dict[str, int]:
    import urllib.request

    for _ in range(600):
        url = f"http://127.0.0.1:{port}/api/v1/roots/1/tree?limit=100"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            found = {node["name"]: int(node["id"]) for node in json.load(answer)["nodes"]}
        if "big" in found or not wait_for_big:
            return found
        time.sleep(0.1)
    raise SystemExit("the server did not find the file in its folder")


class Netdrive:
    """One connection of a netdrive client."""

    def __init__(self, ours: Ours, dialect: Dialect) -> None:
        self.sock = socket.create_connection(("127.0.0.1", ours.netdrive))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.dialect = dialect
        self.session = ours.session
        self.answers = Answers(dialect)
        self.buffer = memoryview(bytearray(MIB))

    def __enter__(self) -> "Netdrive":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, kind: str, **fields: Any) -> None:
        """Send a request; what answers it is expected."""
        if kind not in ("login", "signup"):
            fields["session"] = self.session
        self.answers.expect(kind)
        self.sock.sendall(request(self.dialect, kind, fields))

    def hear(self) -> dict[str, Any]:
        """The next answer; it must say that all is well, or that content is needed."""
        while (said := self.answers.next()) is None:
            data = self.sock.recv(65_536)
            assert data, "the server has gone"
            self.answers.feed(data)
        assert isinstance(said, Answer), said
        assert said.fields["error"] in (0, 4), said
        return dict(said.fields)

    def call(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Ask and hear."""
        self.ask(kind, **fields)
        return self.hear()

    def take_body(self) -> int:
        """Receive the bytes behind an answer into nothing; how many there were."""
        got = 0
        while True:
            match self.answers.next():
                case Data(data):
                    got += len(data)
                case End():
                    return got
                case _:
                    if self.answers.body_left and not self.answers.buffered:
                        count = self.sock.recv_into(self.buffer, min(MIB, self.answers.body_left))
                        assert count, "the server has gone"
                        self.answers.passed(count)
                        got += count
                    else:
                        self.answers.feed(self.sock.recv(65_536))


class Content:
    """Bytes to send: one random MiB again and again, after a beginning that no other content has."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._first = memoryview(os.urandom(MIB))
        self._block = memoryview(os.urandom(MIB))
        digest = hashlib.md5(self._first)
        for _ in range(size // MIB - 1):
            digest.update(self._block)
        self.md5 = digest.hexdigest()

    def send(self, sock: socket.socket, start: int, stop: int) -> None:
        """Send a range of it; both ends at whole MiB."""
        for at in range(start, stop, MIB):
            sock.sendall(self._block if at else self._first)


# -- one large file --------------------------------------------------------------------------------------------------


def settle(ours: Ours) -> None:
    """Remove what was uploaded and let the disk come to rest, so that all begin alike."""
    for old in ours.files.glob("up*"):
        old.unlink()
    os.sync()
    time.sleep(0.5)


def name_of_upload() -> str:
    return f"up{time.monotonic_ns()}.bin"


def speed(size: int, run: Callable[[], object]) -> float:
    """MB/s of something that moves `size` bytes."""
    began = time.perf_counter()
    run()
    return size / (time.perf_counter() - began) / 1e6


def native_upload(ours: Ours, content: Content) -> float:
    with connect(ours.server, tls=False) as sock:
        lines = "".join(f"{name}: {value}\r\n" for name, value in ours.headers.items())

        def run() -> None:
            sock.sendall(
                f"PUT /api/v1/nodes/{ours.top}/files?name={name_of_upload()} HTTP/1.1\r\nHost: b\r\n{lines}"
                f"Content-Length: {content.size}\r\nConnection: close\r\n\r\n".encode()
            )
            content.send(sock, 0, content.size)
            answer = sock.recv(4096)
            assert b" 20" in answer[:20], answer[:300]

        return speed(content.size, run)


def documented_upload(ours: Ours, content: Content) -> float:
    with Netdrive(ours, Dialect.DOCUMENTED) as talk:

        def run() -> None:
            talk.ask(
                "upload", filename=name_of_upload(), path="/", md5=content.md5, size=content.size, mtime=1_700_000_000
            )
            content.send(talk.sock, 0, content.size)
            assert talk.hear()["error"] == 0

        return speed(content.size, run)


def on_connections(ours: Ours, work: Callable[[Netdrive, Iterator[int]], None], size: int) -> None:
    """Share the blocks of a file among connections of the final dialect."""
    blocks = iter(range(0, size, BLOCK))
    lock = threading.Lock()

    def mine() -> Iterator[int]:
        while True:
            with lock:
                at = next(blocks, -1)
            if at < 0:
                return
            yield at

    failed: list[BaseException] = []

    def run() -> None:
        try:
            with Netdrive(ours, Dialect.FINAL) as talk:
                work(talk, mine())
        except BaseException as error:  # noqa: BLE001  # told below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def block_upload(ours: Ours, content: Content) -> float:
    name = name_of_upload()

    def run() -> None:
        with Netdrive(ours, Dialect.FINAL) as first:
            begun = first.call(
                "uploadFile",
                queueid=1,
                filename=name,
                path="//",
                md5=content.md5,
                size=content.size,
                mtime=1_700_000_000,
            )
        assert begun["error"] == 4, begun

        def send(talk: Netdrive, blocks: Iterator[int]) -> None:
            waiting = 0
            for at in blocks:
                stop = min(at + BLOCK, content.size)
                talk.ask(
                    "uploadChunk", queueid=1, vfile_id=begun["vfile_id"], chunkid=at // BLOCK, offset=at, chunksize=stop - at
                )  # fmt: skip
                content.send(talk.sock, at, stop)
                talk.sock.sendall(b"\0")
                waiting += 1
                if waiting > 1:
                    assert talk.hear()["error"] == 0
                    waiting -= 1
            for _ in range(waiting):
                assert talk.hear()["error"] == 0

        on_connections(ours, send, content.size)

    took = speed(content.size, run)
    assert (ours.files / name).stat().st_size == content.size
    return took


def picloud_login(ours: Ours) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", ours.picloud))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(picloud.frame(picloud.file_payload(PASSWORD.encode(), USER, picloud.ACCOUNT_EXT)))
    assert [heard(sock), heard(sock)] == [picloud.RECEIVED, picloud.LOGGED_IN]
    return sock


def heard(sock: socket.socket) -> bytes:
    length = int.from_bytes(sock.recv(4, socket.MSG_WAITALL), "big")
    return sock.recv(length, socket.MSG_WAITALL)


def picloud_upload(ours: Ours, content: Content) -> float:
    with picloud_login(ours) as sock:
        ending = picloud.file_ending(name_of_upload().removesuffix(".bin"), "bin")

        def run() -> None:
            sock.sendall(picloud.frame_head(content.size + len(ending)))
            content.send(sock, 0, content.size)
            sock.sendall(ending)
            assert heard(sock) == picloud.RECEIVED

        return speed(content.size, run)


def picloud_download(ours: Ours, size: int) -> float:
    with picloud_login(ours) as sock:
        buffer = memoryview(bytearray(MIB))

        def run() -> None:
            sock.sendall(picloud.frame(picloud.wanted_payload("big", "")))
            left = int.from_bytes(sock.recv(4, socket.MSG_WAITALL), "big")
            assert left > size
            while left:
                left -= sock.recv_into(buffer, min(MIB, left))

        return speed(size, run)


def documented_download(ours: Ours, size: int) -> float:
    with Netdrive(ours, Dialect.DOCUMENTED) as talk:

        def run() -> None:
            assert talk.call("download", vfile_id=ours.numbers["big"])["size"] == size
            assert talk.take_body() == size

        return speed(size, run)


def take_block(talk: Netdrive, count: int) -> None:
    assert talk.hear()["error"] == 0
    assert talk.take_body() == count


def block_download(ours: Ours, size: int) -> float:
    with Netdrive(ours, Dialect.FINAL) as talk:
        md5 = next(row["md5"] for row in talk.call("getdir")["dir_list"] if row["filename"] == "big")

    def take(talk: Netdrive, blocks: Iterator[int]) -> None:
        asked: deque[int] = deque()
        for at in blocks:
            count = min(BLOCK, size - at)
            talk.answers.expect("downloadFile", count)
            fields = {"session": talk.session, "queueid": 1, "md5": md5, "offset": at, "chunksize": count}
            talk.sock.sendall(request(Dialect.FINAL, "downloadFile", fields))
            asked.append(count)
            if len(asked) > 1:
                take_block(talk, asked.popleft())
        for count in asked:
            take_block(talk, count)

    return speed(size, lambda: on_connections(ours, take, size))


def large(work: Path, size: int, rounds: int, only: str) -> Iterator[Line]:
    """Uploads and downloads of one large file."""
    big = work / "big"
    content = Content(size)
    with big.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(content._block if at else content._first)
    homestow = [sys.executable, "-m", "homestow", "serve"]
    with ExitStack() as stack:
        fronts = ["--netdrive", "127.0.0.1:0", "--picloud", "127.0.0.1:0"]
        ours = stack.enter_context(serving(work, "homestow", homestow, fronts, big))
        with_md5 = [sys.executable, "-m", "bench.tcp_speed", "--serve-md5"]
        both = stack.enter_context(serving(work, "native with md5", with_md5, [], None))

        def uploading(what: str, run: Callable[[Ours, Content], float], peer: Ours, named: str) -> Line:
            def one(subject: Subject) -> float:
                mine = subject.name == "homestow"
                settle(ours)
                settle(both)
                return (run if mine else native_upload)(ours if mine else peer, Content(size))

            return Line(what, "MB/s", in_turns([ours.native(""), _called(peer.native(""), named)], rounds, one))

        def downloading(what: str, run: Callable[[Ours, int], float]) -> Line:
            path = f"/api/v1/nodes/{ours.numbers['big']}/content"

            def one(subject: Subject) -> float:
                return run(ours, size) if subject.name == "homestow" else fetch_big(subject, size)

            return Line(what, "MB/s", in_turns([ours.native(path), _called(ours.native(path), "native")], rounds, one))

        gib = f"{size / MIB / 1024:g} GiB"
        if only in ("", "up", "netdrive-up"):
            yield uploading(f"netdrive upload, {gib}, whole", documented_upload, both, "native with MD5")
            yield uploading(f"netdrive upload, {gib}, 4 MiB blocks on 4", block_upload, both, "native with MD5")
        if only in ("", "up", "picloud-up"):
            yield uploading(f"PiCloud upload, {gib}", picloud_upload, ours, "native")
        if only in ("", "down"):
            yield downloading(f"netdrive download, {gib}, whole", documented_download)
            yield downloading(f"netdrive download, {gib}, 4 MiB blocks on 4", block_download)
            yield downloading(f"PiCloud download, {gib}", picloud_download)


def _called(subject: Subject, name: str) -> Subject:
    subject.server = Server(name, subject.server.pid, subject.server.port, subject.server.port)
    return subject


def lay_out(folder: Path, files: int) -> None:
    """Small files, each of another content."""
    folder.mkdir()
    block = os.urandom(SMALL + files)
    for number in range(files):
        (folder / f"s{number}").write_bytes(block[number : number + SMALL])


def small_netdrive(ours: Ours, folder: Path, to: str) -> float:
    """Files per second by the documented list on 4 connections, answers awaited in a window."""
    paths = deque(sorted(folder.iterdir()))
    files = len(paths)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with Netdrive(ours, Dialect.DOCUMENTED) as talk:
                _send_small(talk, paths, to)
        except BaseException as error:  # noqa: BLE001  # told below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if failed:
        raise failed[0]
    assert len(list((ours.files / to).iterdir())) == files
    return files / took


def _send_small(talk: Netdrive, paths: deque[Path], to: str) -> None:
    waiting = 0
    while True:
        try:
            path = paths.popleft()
        except IndexError:
            break
        body = path.read_bytes()
        fields = {
            "session": talk.session, "path": f"/{to}/", "filename": path.name, "md5": hashlib.md5(body).hexdigest(),
            "size": len(body), "mtime": int(path.stat().st_mtime),
        }  # fmt: skip
        talk.answers.expect("upload")
        talk.sock.sendall(request(talk.dialect, "upload", fields) + body)
        waiting += 1
        if waiting >= WINDOW:
            assert talk.hear()["error"] == 0
            waiting -= 1
    for _ in range(waiting):
        assert talk.hear()["error"] == 0


def small_u2c(subject: Subject, folder: Path, to: str, program: str) -> float:
    """Files per second by copyparty's uploader, begun to ended."""
    files = len(list(folder.iterdir()))
    command = [program, "-j", str(CONNECTIONS), "-ns", f"http://127.0.0.1:{subject.server.port}/{to}/", str(folder)]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder.parent)
    took = time.perf_counter() - began
    there = sum(1 for path in (subject.uploads / to).rglob("s*") if path.is_file())
    assert there == files, f"{there} of {files} came"
    return files / took


def small(work: Path, files: int, rounds: int, program: str, u2c: str) -> Iterator[Line]:
    """Many small files."""
    folder = work / "small"
    lay_out(folder, files)
    (work / "cp").mkdir()
    homestow = [sys.executable, "-m", "homestow", "serve"]
    with ExitStack() as stack:
        ours = stack.enter_context(serving(work, "homestow-small", homestow, ["--netdrive", "127.0.0.1:0"], None))
        cp = stack.enter_context(copyparty(work, work / "cp", program))

        def one(subject: Subject) -> float:
            os.sync()
            to = f"to{time.monotonic_ns()}"
            if subject.name != "homestow":
                return small_u2c(cp, folder, to, u2c)
            # Other contents than before, or there would be nothing to send.
            for path in folder.iterdir():
                path.write_bytes(os.urandom(16) + path.read_bytes()[16:])
            return small_netdrive(ours, folder, to)

        figures = in_turns([_called(ours.native(""), "homestow"), cp], rounds, one)
        yield Line(f"{files:,} files of 4 KiB, netdrive on 4 connections; u2c with 4", "/s", figures)


def table_row(line: Line) -> str:
    """A line as a row of a Markdown table; the ratio is ours to the other's."""
    own, cpu = line.figures["homestow"]
    ((name, (figure, their_cpu)),) = [each for each in line.figures.items() if each[0] != "homestow"]
    return (
        f"| {line.what} | {own:,.0f} {line.unit} ({cpu:.2f} s CPU) | {name}: {figure:,.0f} {line.unit} "
        f"({their_cpu:.2f} s CPU) | {own / figure:.2f} × |"
    )


def main() -> int:
    """Run it."""
    if sys.argv[1:2] == ["--serve-md5"]:
        return serve_md5(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="how many small files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copyparty", default="copyparty", help="the server's program")
    parser.add_argument("--u2c", default="u2c", help="its uploader")
    parser.add_argument("--only", default="", help="up, netdrive-up, picloud-up, down or small")
    chosen = parser.parse_args()
    sys.stdout.write("| what | homestow | peer | ratio |\n|---|---|---|---|\n")
    with tempfile.TemporaryDirectory(prefix="homestow-bench-") as name:
        if chosen.only != "small":
            for line in large(Path(name), chosen.size * MIB, chosen.rounds, chosen.only):
                sys.stdout.write(table_row(line) + "\n")
                sys.stdout.flush()
        if chosen.only in ("", "small"):
            for line in small(Path(name), chosen.files, chosen.rounds, chosen.copyparty, chosen.u2c):
                sys.stdout.write(table_row(line) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
