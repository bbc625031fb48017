"""A family with the isync server's article in hand and nothing else: scan two folders for two users, browse, show thumbnails, play,
share, upload with breaks, rename, move, delete; then look at the disk with ordinary tools."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image
from tests.journeys.cli_processes import Home, Serving, stop

pytestmark = pytest.mark.serial

Answer = tuple[int, dict[str, str], bytes]


class Phone:
    """A client of the article: it keeps cookies, sends what the article says, and reads `code` and `data`."""

    def __init__(self, url: str) -> None:
        self.host, _, self.port = url.removeprefix("http://").partition(":")
        self.cookie = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        link = http.client.HTTPConnection(self.host, int(self.port), timeout=30)
        try:
            link.request(method, path, body, {**({"Cookie": self.cookie} if self.cookie else {}), **(headers or {})})
            answer = link.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            if "set-cookie" in found:
                self.cookie = found["set-cookie"].partition(";")[0]
            return answer.status, found, answer.read()
        finally:
            link.close()

    def get(self, command: str, **params: object) -> Any:
        """`data` of a GET that succeeds."""
        return self.data(self.ask("GET", f"/{command}.icc?{urlencode(params)}"))

    def post(self, command: str, **params: object) -> Any:
        """`data` of a POST of a form that succeeds."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.data(self.ask("POST", f"/{command}.icc", urlencode(params).encode(), headers))

    def post_json(self, command: str, **params: object) -> Any:
        """The same as JSON."""
        return self.data(
            self.ask("POST", f"/{command}.icc", json.dumps(params).encode(), {"Content-Type": "application/json"})
        )

    def code(self, method: str, path: str) -> int:
        """`code` of an answer."""
        return int(json.loads(self.ask(method, path)[2])["code"])

    @staticmethod
    def data(answer: Answer) -> Any:
        envelope = json.loads(answer[2])
        assert envelope["code"] == 0, envelope
        return envelope.get("data")

    def multipart(self, **parts: bytes) -> tuple[bytes, str]:
        """A body with parts that are told by their file names."""
        lines = b"".join(
            b'--B\r\nContent-Disposition: form-data; name="f"; filename="' + name.encode() + b'"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n"
            for name, data in parts.items()
        )
        return lines + b"--B--\r\n", "multipart/form-data; boundary=B"

    def upload(self, query: str, **parts: bytes) -> Any:
        """Send parts whole; `data`."""
        body, kind = self.multipart(**parts)
        return self.data(self.ask("POST", f"/uploadFile.icc?{query}", body, {"Content-Type": kind}))

    def break_off(self, query: str, sent: int, **parts: bytes) -> None:
        """Send so many bytes of the body and vanish."""
        body, kind = self.multipart(**parts)
        with socket.create_connection((self.host, int(self.port)), timeout=30) as link:
            head = (
                f"POST /uploadFile.icc?{query} HTTP/1.1\r\nHost: {self.host}\r\nCookie: {self.cookie}\r\n"
                f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            link.sendall(head.encode() + body[:sent])


def picture(path: Path, size: tuple[int, int], orientation: int = 1) -> bytes:
    """A JPEG with red on its left half."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", exif=exif)
    return path.read_bytes()


def film(path: Path) -> bytes:
    """Two seconds of film, and what it is made of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=320x240:rate=10", "-pix_fmt", "yuv420p", path],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return path.read_bytes()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The family's server, with folders on its disk."""
    home = Home(tmp_path / "home")
    picture(home.path / "photos/2026/beach.jpg", (1200, 900))
    picture(home.path / "photos/2026/turned.jpg", (1200, 900), orientation=6)
    film(home.path / "photos/clip.mp4")
    (home.path / "photos/.hidden").mkdir()
    (home.path / "photos/.hidden/secret.txt").write_text("x")
    (home.path / "papers").mkdir()
    (home.path / "papers/tax.txt").write_text("numbers")
    config = [
        {
            "paths": ["~/photos"],
            "users": [{"name": "terry", "password": "123"}, {"name": "mia", "password": "333"}],
            "mergeRootPaths": 1,
        },
        {"paths": ["~/papers"], "users": [{"name": "terry"}]},
    ]
    (home.path / "scanConfig.json").write_text(json.dumps(config))
    return home


def log_in(serving: Serving, name: str, password: str) -> Phone:
    phone = Phone(serving.url)
    info = phone.post("login", userName=name, password=password)
    assert info["name"] == name
    assert phone.cookie.startswith("session=")
    return phone


def roots(phone: Phone) -> dict[str, dict[str, Any]]:
    return {root["name"]: root for root in phone.get("catalogs", pids="-1")}


def files(phone: Phone, **params: object) -> dict[str, dict[str, Any]]:
    page = phone.get("files", pageIndex=0, **params)
    return {info["name"]: info for info in page["list"]}


def test_a_family_with_the_article(home: Home) -> None:
    """Everything the article promises, in the order a family would do it."""
    scanned = home.fine("scan", "--data", home.data, "-i", "scanConfig.json")
    assert "photos" in scanned.out
    with home.server() as serving:
        assert Phone(serving.url).code("GET", "/files.icc?pageIndex=0") == -10001
        terry, mia = log_in(serving, "terry", "123"), log_in(serving, "mia", "333")
        assert set(roots(terry)) == {"photos", "papers"}
        assert set(roots(mia)) == {"photos"}
        top = roots(mia)["photos"]
        assert (top["parentId"], top["rootId"], top["subCatalogCount"], top["fileCount"]) == (-1, top["id"], 1, 1)

        browse(terry, mia, top)
        pictures(mia)
        play(mia, (home.path / "photos/clip.mp4").read_bytes())
        share(serving, mia)
        uploads(home, serving, terry, mia, top)
        change(home, terry, mia, top)

        mia.post("logout")
        assert mia.code("GET", "/files.icc?pageIndex=0") == -10001
        assert files(terry)


def browse(terry: Phone, mia: Phone, top: dict[str, Any]) -> None:
    """What is where, filtered and paged; nothing of what is not one's own."""
    (year,) = mia.get("catalogs", pids=top["id"])
    assert (year["name"], year["parentId"], year["fileCount"]) == ("2026", top["id"], 2)
    assert set(files(mia)) == {"beach.jpg", "turned.jpg", "clip.mp4"}
    assert set(files(terry)) == {"beach.jpg", "turned.jpg", "clip.mp4", "tax.txt"}
    assert set(files(mia, types="1", sort=-3)) == {"beach.jpg", "turned.jpg"}
    assert set(files(mia, pids=top["id"])) == {"clip.mp4"}
    assert (files(mia)["turned.jpg"]["width"], files(mia)["turned.jpg"]["height"]) == (900, 1200)
    clip = files(mia)["clip.mp4"]
    assert (clip["type"], clip["width"], clip["height"], round(clip["duration"])) == (4, 320, 240, 2)
    page = mia.get("files", pageIndex=1, maxPerPage=10)
    assert (page["list"], page["page"]) == ([], {"pageIndex": 1, "maxPerPage": 10, "pageCount": 1})
    tax = files(terry)["tax.txt"]["id"]
    unknown = mia.ask("GET", "/downFile.icc?id=999999999")
    hidden = mia.ask("GET", f"/downFile.icc?id={tax}")
    assert (hidden[0], hidden[2]) == (unknown[0], unknown[2])


def pictures(mia: Phone) -> None:
    """Thumbnails of both sizes, upright."""
    turned = files(mia)["turned.jpg"]["id"]
    for level, longest in ((0, 100), (1, 800)):
        status, _, body = mia.ask("GET", f"/thumbnail.icc?id={turned}&level={level}")
        assert status == 200
        image = Image.open(io.BytesIO(body))
        assert image.size == (longest * 3 // 4, longest)
        red, _, blue = image.convert("RGB").getpixel((image.width // 2, image.height // 4))  # type: ignore[misc]  # RGB
        assert red > 200 > blue
    clip = files(mia)["clip.mp4"]["id"]
    assert Image.open(io.BytesIO(mia.ask("GET", f"/thumbnail.icc?id={clip}")[2])).size == (100, 75)


def play(mia: Phone, whole: bytes) -> None:
    """A film piece by piece, as a player asks for it."""
    clip = files(mia)["clip.mp4"]["id"]
    status, headers, body = mia.ask("GET", f"/downFile.icc.mp4?id={clip}", headers={"Range": "bytes=0-1"})
    assert (status, body, headers["content-range"]) == (206, whole[:2], f"bytes 0-1/{len(whole)}")
    middle = len(whole) // 2
    assert mia.ask("GET", f"/downFile.icc.mp4?id={clip}", headers={"Range": f"bytes={middle}-"})[2] == whole[middle:]
    assert mia.ask("GET", f"/downFile.icc.mp4?id={clip}", headers={"Range": "bytes=-7"})[2] == whole[-7:]
    assert mia.ask("GET", f"/downFile.icc?id={clip}")[2] == whole


def share(serving: Serving, mia: Phone) -> None:
    """A link that somebody without an account opens."""
    clip = files(mia)["clip.mp4"]["id"]
    key = mia.get("shareFileUrl", id=clip)
    assert isinstance(key, str)
    assert len(key) == 32
    stranger = Phone(serving.url)
    assert stranger.ask("GET", f"/shareFile.icc.mp4?shareKey={key}")[2] == mia.ask("GET", f"/downFile.icc?id={clip}")[2]
    assert stranger.code("GET", f"/shareFile.icc.mp4?shareKey={'0' * 32}") == -10003


def uploads(home: Home, serving: Serving, terry: Phone, mia: Phone, top: dict[str, Any]) -> None:
    """A photo with a thumbnail of its own, in four pieces with three breaks; others see it when it is whole."""
    origin = os.urandom(300_000)
    small = picture(home.path / "own.jpg", (80, 60))
    info = mia.post_json(
        "uploadFileInfo", cid=top["id"], name="IMG_1", ext="jpg", size=len(origin), type=1, statusForThumb=2, memo="sea"
    )
    number = info["id"]
    assert (info["uploadingOriginSize"], info["uploadingThumbSize"]) == (0, 0)
    have = 0
    for sent in (50_000, 90_000, 120_000):
        mia.break_off(f"id={number}&obp={have}", sent, origin=origin[have:])
        have = settled(mia, number, have)
        assert 0 < have < len(origin)
        assert "IMG_1" not in files(terry)
    assert not list((home.path / "photos").glob("IMG_1*"))
    terry_says = terry.code("POST", f"/uploadFile.icc?id={number}&obp={have + 1}")
    assert terry_says in (0, -10003)
    done = mia.upload(f"id={number}&obp={have}&cm=md5", origin=origin[have:], thumb=small)
    assert set(done["check"]) == {"origin", "thumb"}
    assert "uploadingOriginSize" not in done["fileInfo"]
    seen = files(terry)["IMG_1"]
    assert (seen["id"], seen["size"], seen["memo"]) == (number, len(origin), "sea")
    assert (home.path / "photos/IMG_1.jpg").read_bytes() == origin
    assert terry.ask("GET", f"/thumbnail.icc?id={number}")[2] == small
    assert set(files(mia, onlySelfUpload=1)) == {"IMG_1"}
    assert mia.get("uploadingInfo") == []
    again = mia.post_json("uploadFileInfo", cid=top["id"], name="IMG_1", ext="jpg", size=1, type=1)
    mia.upload(f"id={again['id']}", origin=b"2")
    assert (home.path / "photos/IMG_1 (2).jpg").read_bytes() == b"2"


def settled(phone: Phone, number: int, before: int) -> int:
    """What is there of an upload once the server noticed that we vanished."""
    for _ in range(500):
        (waiting,) = phone.get("uploadingInfo")
        assert waiting["id"] == number
        have = int(waiting["uploadingOriginSize"])
        if have > before:
            return have
    raise AssertionError("nothing of what was sent has arrived")


def change(home: Home, terry: Phone, mia: Phone, top: dict[str, Any]) -> None:
    """Rename and move change what is shown, never the disk; deleting does."""
    page = mia.get("files", pageIndex=0, onlySelfUpload=1)
    (number,) = [info["id"] for info in page["list"] if info["size"] == 300_000]
    year = mia.get("catalogs", pids=top["id"])[0]["id"]
    moved = mia.post("updateFile", id=number, catalogId=year, name="Sea", helpInt=7)
    assert (moved["catalogId"], moved["name"], moved["helpInt"]) == (year, "Sea", 7)
    assert (home.path / "photos/IMG_1.jpg").exists()
    album = mia.post("createCatalog", parentId=top["id"], name="Summer: album?")
    assert any("Summer" in entry.name for entry in (home.path / "photos").iterdir())
    renamed = mia.post("updateCatalog", id=year, parentId=album["id"], name="The year")
    assert (renamed["parentId"], renamed["name"]) == (album["id"], "The year")
    assert (home.path / "photos/2026/beach.jpg").exists()
    assert set(files(terry, pids=year)) == {"beach.jpg", "turned.jpg", "Sea"}
    scanned = home.fine("scan", "--data", home.data, "-i", "scanConfig.json")
    assert "0 new, 0 edited, 0 moved, 0 gone" in scanned.out
    assert set(files(terry, pids=year)) == {"beach.jpg", "turned.jpg", "Sea"}
    assert mia.post("deleteFiles", ids=number) == "OK"
    assert not (home.path / "photos/IMG_1.jpg").exists()
    assert mia.post("deleteCatalog", ids=album["id"]) == "OK"
    assert set(files(terry)) == {"clip.mp4", "IMG_1", "tax.txt"}
    assert not (home.path / "photos/2026").exists()
    trash = home.fine("trash", "list", "--data", home.data).out
    assert "beach.jpg" in trash or "Summer" in trash


def test_everything_survives_a_restart(home: Home) -> None:
    """The session, a shared link and a half-sent upload go on after kill -9."""
    home.fine("scan", "--data", home.data, "-i", "scanConfig.json")
    with home.server() as serving:
        mia = log_in(serving, "mia", "333")
        top = roots(mia)["photos"]["id"]
        key = mia.get("shareFileUrl", id=files(mia)["clip.mp4"]["id"])
        number = mia.post("uploadFileInfo", cid=top, name="half", ext="bin", size=10, type=16)["id"]
        mia.upload(f"id={number}", origin=b"01234")
        stop(serving.process, signal.SIGKILL)
    with home.server() as serving:
        mia.host, _, mia.port = serving.url.removeprefix("http://").partition(":")
        assert set(files(mia)) == {"beach.jpg", "turned.jpg", "clip.mp4"}
        (waiting,) = mia.get("uploadingInfo")
        assert (waiting["id"], waiting["uploadingOriginSize"]) == (number, 5)
        mia.upload(f"id={number}&obp=5", origin=b"56789")
        assert (home.path / "photos/half.bin").read_bytes() == b"0123456789"
        assert Phone(serving.url).ask("GET", f"/shareFile.icc?shareKey={key}")[0] == 200
