"""A real server process and its media workers: made when needed, gone with the server, and the facts there after a scan."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from tests.unit import media_corpus as corpus

from homestow.client.adapters.api_client import Client

pytestmark = pytest.mark.serial
PASSWORD = "correct horse battery"


def homestow(data: Path, *words: str) -> None:
    env = {**os.environ, "HOMESTOW_PASSWORD": PASSWORD}
    subprocess.run(
        [sys.executable, "-m", "homestow", *words, "--data", str(data)], check=True, env=env, stdout=subprocess.DEVNULL
    )


def children(pid: int) -> set[int]:
    """Living processes that a process started."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == pid and state != "Z":
                found.add(int(place.name))
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def read(client: Client, node: int, size: int) -> bytes:
    with client.thumbnail(node, size) as answer:
        return answer.read(1 << 20)


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_workers_come_and_go_with_the_server(tmp_path: Path, end: str) -> None:
    """No process before a picture is there; facts and thumbnails over HTTP; none is left when the server ended, however it did."""
    data, photos = tmp_path / "data", tmp_path / "photos"
    photos.mkdir()
    homestow(data, "user", "add", "anna", "--no-root")
    homestow(data, "root", "add", "photos", str(photos), "--member", "anna")
    server = subprocess.Popen(
        [sys.executable, "-m", "homestow", "serve", "--data", str(data), "--http", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        client = Client(json.loads(server.stdout.readline())["http"])
        client.login("anna", PASSWORD, "test")
        (root,) = client.roots()
        top = client.resolve(root.id, "").id
        assert children(server.pid) == set()
        picture = client.put_file(top, "a.jpg", corpus.turned(6))
        film = client.put_file(top, "b.mp4", corpus.film("mp4"))

        assert client.media(picture.id).orientation == 6
        assert client.media(film.id).kind == "video"
        assert Image.open(io.BytesIO(read(client, picture.id, 800))).size == (300, 200)
        assert Image.open(io.BytesIO(read(client, film.id, 100))).size == (100, 75)
        workers = children(server.pid)
        assert workers
        client.close()
    finally:
        server.terminate() if end == "terminate" else server.kill()
        server.wait(15)
        assert server.stdout is not None
        server.stdout.close()
    deadline = time.monotonic() + 15
    while any(map(lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(lives, workers))
