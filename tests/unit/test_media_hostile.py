"""Files that are broken or mean harm: the documented error and nothing else, and the next file is read as ever (S95, S96, S100)."""

import http.server
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit import media_corpus as corpus

from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.ports.media import Facts, MediaKind
from homestow.values.errors import Busy, MediaBroken

CANARY = "the canary sings in the coal mine"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Workers for all tests of this file."""
    made = WorkerPool(2)
    yield made
    made.close()


def read_all(pool: WorkerPool, data: bytes, name: str) -> bool:
    """Facts and thumbnails; whether it could be read. Any other error than the documented one comes through."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            facts = pool.facts(file.fileno(), name)
            if facts.kind is not MediaKind.AUDIO:
                pool.thumbnail(file.fileno(), facts, (100, 800))
        except MediaBroken:
            return False
    return True


def sound(pool: WorkerPool) -> None:
    """A good file is read."""
    assert read_all(pool, corpus.picture("png"), "good.png")


def originals() -> list[tuple[str, bytes]]:
    """One of each kind."""
    found = [(f"a.{form}", corpus.picture(form, 64, 48)) for form in corpus.PICTURES]
    found += [
        ("t.jpg", corpus.turned(6, 64, 48, taken=True)),
        ("n.gif", corpus.animation()),
        ("r.nef", corpus.raw_file()),
    ]
    found += [(f"f.{form}", corpus.film(form, 0.5)) for form in ("mp4", "mkv", "avi", "webm", "mp3", "flac", "ogg")]
    return found


def try_many(pool: WorkerPool, count: int, seed: int) -> None:
    chance = random.Random(seed)
    kinds = originals()
    for number in range(count):
        name, data = kinds[number % len(kinds)]
        read_all(pool, corpus.damaged(data, chance), name)
        if number % 50 == 0:
            sound(pool)
    sound(pool)


def test_damaged_files_are_broken_or_read(pool: WorkerPool) -> None:
    """S95: three hundred accidents of every kind of file."""
    try_many(pool, 300, seed=95)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_thousand_damaged_files(pool: WorkerPool) -> None:
    """S95: the same at length."""
    try_many(pool, 2000, seed=96)


def test_a_picture_of_ten_milliard_pixels_is_refused_at_once(pool: WorkerPool) -> None:
    """S95: 100,000 × 100,000 in a megabyte; its sides are told, nothing is decoded, and this process does not grow."""
    before = _memory()
    with tempfile.TemporaryFile() as file:
        file.write(corpus.huge_png())
        file.flush()
        facts = pool.facts(file.fileno(), "a.png")
        assert (facts.width, facts.height) == (100_000, 100_000)
        with pytest.raises(MediaBroken):
            pool.thumbnail(file.fileno(), facts, (100, 800))
    assert _memory() - before < 64 * 1024 * 1024
    sound(pool)


def test_many_pixels_below_the_limit_are_read_within_memory(pool: WorkerPool) -> None:
    """S95: 49 megapixels of one bit are shown or refused; either way the worker's memory is bounded and the next one reads."""
    read_all(pool, corpus.huge_png(7000), "a.png")
    sound(pool)


def test_what_unpacks_without_end_is_refused(pool: WorkerPool) -> None:
    """S95: text and colour profiles of a PNG that are a thousand times as large as they lie."""
    import struct
    import zlib

    bomb = b"profile\0\0" + zlib.compress(bytes(300 * 1024 * 1024), 9)
    chunk = struct.pack(">I", len(bomb)) + b"iCCP" + bomb + struct.pack(">I", zlib.crc32(b"iCCP" + bomb))
    png = corpus.picture("png")
    read_all(pool, png[:33] + chunk + png[33:], "a.png")
    sound(pool)


def test_what_takes_too_long_is_ended(pool: WorkerPool) -> None:
    """A worker that does not answer is killed and another one takes its place; a slow machine is not the file's fault."""
    slow = WorkerPool(1, wall_s=0.001)
    try:
        with pytest.raises((Busy, MediaBroken)):
            show(slow, corpus.picture("avif", 3000, 2000))
    finally:
        slow.close()
    sound(pool)


def show(pool: WorkerPool, data: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        pool.thumbnail(file.fileno(), Facts(MediaKind.IMAGE, "AVIF"), (100, 800))


def test_a_killed_worker_is_replaced(pool: WorkerPool) -> None:
    """S95: whatever becomes of one, the next file is read."""
    sound(pool)
    (worker,) = [each for each in pool._all if not each.films][:1]
    os.kill(worker._process.pid, 9)
    worker._process.wait()
    sound(pool)


def test_workers_that_have_nothing_to_do_end() -> None:
    """After a minute; they are started again when needed."""
    pool = WorkerPool(1)
    try:
        sound(pool)
        (worker,) = pool._all
        worker.used_at -= 120
        pool.rest()
        assert not pool._all
        assert worker._process.poll() is not None
        sound(pool)
    finally:
        pool.close()


def test_nobody_waits_for_a_closed_pool() -> None:
    """Whoever asks then is told so."""
    pool = WorkerPool(1)
    pool.close()
    with pytest.raises(Busy):
        read_all(pool, corpus.picture("png"), "a.png")


# --- S96: playlists -------------------------------------------------------------------------------------------------------


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that writes down what it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def vectors(url: str, canary: Path) -> dict[str, bytes]:
    """Files that ask ffmpeg to open something else."""
    playlist = (
        f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nconcat:{url}/header.m3u8|file://{canary}\n#EXT-X-ENDLIST\n"
    )
    plain = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXTINF:1,\nfile://{canary}\n#EXT-X-ENDLIST\n"
    gab2 = b"GAB2\0\2\0" + (10).to_bytes(4, "little") + b"0123456789" + b"\4\0" + len(plain).to_bytes(4, "little")
    text = gab2 + plain.encode()
    film = corpus.film("avi", 0.5)
    at = film.index(b"movi") + 4
    return {
        "hls": playlist.encode(),
        "hls of segments": plain.encode(),
        "concat": f"ffconcat version 1.0\nfile {url}/b.mp4\nfile {canary}\n".encode(),
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{url}/c</BaseURL></Period></MPD>'.encode(),
        "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/d.png"/><image href="file://{canary}"/></svg>'.encode(),
        "subtitles in an avi": film[:at] + b"02tx" + len(text).to_bytes(4, "little") + text + film[at:],
        "an avi that is a playlist": film[:64] + plain.encode() + film[64:],
        "playlist after a head": b"RIFF\0\0\0\0AVI LIST" + plain.encode(),
    }


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.mp3", "a.jpg"])
def test_S96_nothing_else_is_opened(pool: WorkerPool, told: tuple[str, list[str]], tmp_path: Path, name: str) -> None:
    """No address is asked, and no thumbnail is made of what another file holds."""
    url, asked = told
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    for vector, data in vectors(url, canary).items():
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            try:
                facts = pool.facts(file.fileno(), name)
                assert CANARY not in repr(facts), vector
                pool.thumbnail(file.fileno(), facts, (100, 800))
            except MediaBroken as error:
                assert CANARY not in error.message, vector  # noqa: PT017 - either answer is right
    assert asked == []
    sound(pool)


# --- S100: what a worker that was taken over can do ----------------------------------------------------------------------

_TRY = """
import os, socket, subprocess, sys
from homestow.server.adapters.media_workers import confine
films, canary, port = sys.argv[1] == "films", sys.argv[2], int(sys.argv[3])
out = os.dup(1)
walls = confine.confine(films, ["/usr", "/lib", "/lib64"])
could = []
def attempt(name, work):
    try:
        work()
    except OSError:
        return
    could.append(name)
attempt("read", lambda: os.open(canary, os.O_RDONLY))
attempt("read own memory map", lambda: os.open("/proc/self/maps", os.O_RDONLY))
attempt("write", lambda: os.open(canary + ".new", os.O_WRONLY | os.O_CREAT))
attempt("write there", lambda: os.open(canary, os.O_WRONLY))
attempt("remove", lambda: os.unlink(canary))
attempt("rename", lambda: os.rename(canary, canary + ".b"))
attempt("folder", lambda: os.mkdir(canary + ".d"))
attempt("link", lambda: os.symlink("/", canary + ".l"))
attempt("mode", lambda: os.chmod(canary, 0o777))
attempt("tcp", lambda: socket.socket().connect(("127.0.0.1", port)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("unix", lambda: socket.socket(socket.AF_UNIX))
attempt("pair", lambda: socket.socketpair())
attempt("kill", lambda: os.kill(os.getppid(), 0))
attempt("memory file", lambda: os.memfd_create("x"))
if not films:
    attempt("fork", lambda: os._exit(9) if os.fork() == 0 else None)
    attempt("start", lambda: subprocess.run(["/bin/true"]))
os.write(out, (",".join(walls) + ";" + ",".join(could)).encode())
"""


@pytest.mark.parametrize("kind", ["pictures", "films"])
def test_S100_a_worker_can_neither_open_nor_connect(tmp_path: Path, kind: str) -> None:
    """Each attempt of a worker that was taken over fails, by every wall that this system has."""
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        done = subprocess.run(
            [sys.executable, "-c", _TRY, kind, str(canary), str(server.server_port)], capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    walls, _, could = done.stdout.partition(";")

    assert "seccomp" in walls.split(","), done.stderr
    assert could == ("read" if "landlock" not in walls and kind == "films" else "")
    assert canary.read_text() == CANARY


def test_a_worker_sees_nothing_of_the_servers_environment(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """S100: no secret of it, and no descriptor but its socket and what it needs."""
    monkeypatch.setenv("HOMESTOW_BACKUP_KEY", "secret secret secret")
    fresh = WorkerPool(1)
    try:
        sound(fresh)
        (worker,) = fresh._all
        place = Path(f"/proc/{worker._process.pid}")
        assert b"secret" not in (place / "environ").read_bytes()
        assert len(os.listdir(place / "fd")) <= 6
        assert int((place / "stat").read_text().rpartition(")")[2].split()[16]) == 19  # as nice as can be
    finally:
        fresh.close()


def _memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_two_at_once_do_not_wait_for_a_third(pool: WorkerPool) -> None:
    """Whoever waits for an answer goes before what nobody waits for."""
    order: list[str] = []
    started = threading.Event()
    single = WorkerPool(1)
    try:
        sound(single)
        with tempfile.TemporaryFile() as file:
            file.write(corpus.picture("avif", 2000, 1500))
            file.flush()
            facts = Facts(MediaKind.IMAGE, "AVIF")

            def work(name: str, ahead: bool) -> None:
                started.set()
                single.thumbnail(file.fileno(), facts, (100, 800), ahead)
                order.append(name)

            first = threading.Thread(target=work, args=("first", False))
            first.start()
            deadline = time.monotonic() + 10
            while not single._at_work and time.monotonic() < deadline:
                started.wait(0.001)
            idle = threading.Thread(target=work, args=("idle", True))
            urgent = threading.Thread(target=work, args=("urgent", False))
            idle.start()
            while single._free.acquire() and not single._free._waiters and time.monotonic() < deadline:  # type: ignore[attr-defined]
                single._free.release()
            single._free.release()
            urgent.start()
            for thread in (first, idle, urgent):
                thread.join()
    finally:
        single.close()
    assert order[-1] == "idle"
