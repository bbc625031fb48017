"""How fast thumbnails are: made, against vipsthumbnail; asked for, against a small file; and whether others notice.

    python bench/media.py [PHOTOS]      PHOTOS: how many are made at once in the last part, default 1000

Needs vipsthumbnail and wrk: on Debian `apt-get install libvips-tools wrk`. Only ratios within one run mean something.
"""

import http.client
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image, ImageChops, ImageFilter

from homestow.client.adapters.api_client import Client
from homestow.server.adapters.media_workers.pictures import QUALITY
from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.ports.media import Facts
from homestow.server.rules.media_kinds import MediaKind

SIDES = (4000, 3000)
DIFFERENT = 12
ROUNDS = 5
PASSWORD = "correct horse battery"


def make_photos(place: Path) -> list[Path]:
    """Twelve megapixels each, of noise, gradients and edges, about as large as a phone makes them."""
    place.mkdir()
    edges = Image.effect_mandelbrot(SIDES, (-2.2, -1.5, 0.8, 1.5), 120)
    made = []
    for number in range(DIFFERENT):
        bands = []
        for band in range(3):
            noise = Image.effect_noise(SIDES, 40 + number).filter(ImageFilter.GaussianBlur(1.2))
            slope = Image.linear_gradient("L").rotate(90 * band + number * 7).resize(SIDES)
            bands.append(ImageChops.add(ImageChops.add(noise, slope, 2), edges, 1.5))
        made.append(place / f"{number}.jpg")
        Image.merge("RGB", bands).save(made[-1], quality=92)
    return made


def used_s(who: int) -> float:
    """Seconds of processor."""
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


def vips(photos: list[Path], out: Path) -> float:
    """Milliseconds of processor for each photo, all in one call."""
    before = used_s(resource.RUSAGE_CHILDREN)
    subprocess.run(
        ["vipsthumbnail", "--size", "800x800", "-o", f"{out}/%s.jpg[Q={QUALITY},subsample_mode=on]", *map(str, photos)],
        check=True, env={**os.environ, "VIPS_CONCURRENCY": "1"},
    )  # fmt: skip
    return 1000 * (used_s(resource.RUSAGE_CHILDREN) - before) / len(photos)


def ours(photos: list[Path], out: Path, sizes: tuple[int, ...]) -> float:
    """The same, a fresh worker and everything else included."""
    before = used_s(resource.RUSAGE_CHILDREN) + used_s(resource.RUSAGE_SELF)
    pool = WorkerPool(1)
    for photo in photos:
        fd = os.open(photo, os.O_RDONLY)
        try:
            made = pool.thumbnail(fd, Facts(MediaKind.IMAGE, "JPEG"), sizes)
        finally:
            os.close(fd)
        for size, body in made.items():
            (out / f"{photo.stem}-{size}.jpg").write_bytes(body)
    pool.close()
    return 1000 * (used_s(resource.RUSAGE_CHILDREN) + used_s(resource.RUSAGE_SELF) - before) / len(photos)


def compare_making(place: Path, photos: list[Path]) -> None:
    """Part one."""
    out = place / "out"
    out.mkdir()
    many = photos * 3
    found: dict[str, list[float]] = {"vipsthumbnail 800": [], "ours 800": [], "ours 800 and 100": []}
    for _ in range(ROUNDS):
        found["vipsthumbnail 800"].append(vips(many, out))
        found["ours 800"].append(ours(many, out, (800,)))
        found["ours 800 and 100"].append(ours(many, out, (800, 100)))
    peer = statistics.median(found["vipsthumbnail 800"])
    for name, all_ms in found.items():
        ms = statistics.median(all_ms)
        print(f"{name:20} {ms:7.1f} ms of processor a photo   {peer / ms:5.2f} x vipsthumbnail")


class House:
    """A server process over a folder of photos."""

    def __init__(self, place: Path) -> None:
        self.data = place / "data"
        env = {**os.environ, "HOMESTOW_PASSWORD": PASSWORD}
        self.run("user", "add", "anna", "--no-root", env=env)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "homestow", "serve", "--data", str(self.data), "--http", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["http"]
        self.client = Client(self.url)
        self.client.login("anna", PASSWORD, "bench")

    def run(self, *words: str, env: dict[str, str] | None = None) -> None:
        subprocess.run(
            [sys.executable, "-m", "homestow", *words, "--data", str(self.data)], check=True, env=env,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def add(self, name: str, folder: Path) -> dict[str, int]:
        """A folder as a root; node ids by name."""
        self.run("root", "add", name, str(folder), "--member", "anna")
        (root,) = [each for each in self.client.roots() if each.name == name]
        found: dict[str, int] = {}
        while len(found) < len(os.listdir(folder)):
            top = self.client.resolve(root.id, "")
            found = {node.name: node.id for node in self.client.children(top.id).nodes if not node.name.startswith(".")}
        return found

    def used_s(self) -> float:
        """Seconds of processor of the server itself, without its workers."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def wrk(url: str, token: str) -> float:
    """Requests a second."""
    said = subprocess.run(
        ["wrk", "-t1", "-c16", "-d3s", "-H", f"Authorization: Bearer {token}", url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None
    return float(found[1])


def compare_asking(house: House, nodes: dict[str, int]) -> None:
    """Part two."""
    token = house.client.token or ""
    photo, small = nodes["0.jpg"], nodes["small.bin"]
    ways = {
        "small file of 4 KiB": f"/api/v1/nodes/{small}/content",
        "thumbnail 100": f"/api/v1/nodes/{photo}/thumbnail?size=100",
        "thumbnail 800": f"/api/v1/nodes/{photo}/thumbnail?size=800",
    }
    for size in (100, 800):
        house.client.thumbnail(photo, size).close()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, path in ways.items():
            found[name].append(wrk(house.url + path, token))
    peer = statistics.median(found["small file of 4 KiB"])
    for name, rates in found.items():
        rate = statistics.median(rates)
        print(f"{name:20} {rate:9,.0f} requests/s   {rate / peer:5.2f} x the small file")


def latencies(house: House, node: int, stop: Callable[[], bool]) -> list[float]:
    """Milliseconds of one request after the other, each on its way as soon as ten milliseconds went by."""
    address = urlsplit(house.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    found = []
    while not stop():
        begun = time.perf_counter()
        connection.request("GET", f"/api/v1/nodes/{node}", headers={"Authorization": f"Bearer {house.client.token}"})
        connection.getresponse().read()
        found.append(1000 * (time.perf_counter() - begun))
        time.sleep(0.01)
    return found


def notice(house: House, nodes: dict[str, int], other: int) -> None:
    """Part three."""
    waiting = list(nodes.values())
    lock = threading.Lock()

    def ask() -> None:
        client = Client(house.url)
        client.token = house.client.token
        while True:
            with lock:
                if not waiting:
                    return
                node = waiting.pop()
            with client.thumbnail(node, 100) as answer:
                while answer.read(1 << 20):
                    pass

    idle = statistics.quantiles(latencies(house, other, _for(3.0)), n=100)
    begun = time.perf_counter()
    askers = [threading.Thread(target=ask) for _ in range(16)]
    for asker in askers:
        asker.start()
    busy = statistics.quantiles(latencies(house, other, lambda: not any(each.is_alive() for each in askers)), n=100)
    took = time.perf_counter() - begun
    print(f"{len(nodes)} photos in {took:.1f} s, {len(nodes) / took:.1f} a second on {os.cpu_count()} processors")
    print(
        f"other requests meanwhile: p50 {busy[49]:.1f} ms, p99 {busy[98]:.1f} ms   (before: {idle[49]:.1f}, {idle[98]:.1f})"
    )


def _for(seconds: float) -> Callable[[], bool]:
    until = time.perf_counter() + seconds
    return lambda: time.perf_counter() > until


def main() -> None:
    """Measure and print."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    place = Path(tempfile.mkdtemp(prefix="homestow-bench-", dir=".")).absolute()
    try:
        photos = make_photos(place / "photos")
        (place / "photos" / "small.bin").write_bytes(os.urandom(4096))
        compare_making(place, photos)
        (place / "many").mkdir()
        for number in range(many):
            shutil.copyfile(photos[number % DIFFERENT], place / "many" / f"{number}.jpg")
        house = House(place)
        try:
            nodes = house.add("photos", place / "photos")
            compare_asking(house, nodes)
            notice(house, house.add("many", place / "many"), nodes["small.bin"])
        finally:
            house.stop()
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
