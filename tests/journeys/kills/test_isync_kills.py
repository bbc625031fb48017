"""kill -9 of the server between and inside the parts of a phone's upload: what it is told afterwards is true, and all arrives."""

import hashlib
import http.client
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.journeys.cli_processes import PASSWORD
from tests.journeys.kills.processes import ServerProcess, Zygote

pytestmark = pytest.mark.serial

PARTS = {
    "origin": ("uploadingOriginSize", "obp"), "thumb": ("uploadingThumbSize", "tbp"), "screen": ("uploadingScreenSize", "sbp"),
}  # fmt: skip
POINTS = (
    "upload.appended:kill:1", "upload.appended:kill:3", "upload.appended:kill:7", "upload.before_sync:kill:1",
    "upload.before_sync:kill:2", "upload.verified:kill:1", "content.sync:kill:1", "content.write:kill:5",
    "committer.intents_recorded:kill:1", "content.publish:kill:1", "committer.carried_out:kill:1",
    "committer.recorded:kill:1", "committer.recorded:kill:3", "committer.recorded:kill:4", "parts.published:kill:1",
)  # fmt: skip


class Phone:
    """A client that keeps its cookie and its files, and goes on after every break."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.cookie = ""

    def ask(self, method: str, target: str, body: bytes | None = None, kind: str = "") -> Any:
        """`data` of an answer."""
        host = self.server.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=20)
        try:
            headers = {"Cookie": self.cookie, **({"Content-Type": kind} if kind else {})}
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            if (cookie := response.getheader("Set-Cookie")) is not None:
                self.cookie = cookie.partition(";")[0]
            answer = json.loads(response.read())
            assert answer["code"] == 0, (target, answer)
            return answer.get("data")
        finally:
            connection.close()

    def post(self, name: str, /, **params: object) -> Any:
        return self.ask("POST", f"/{name}.icc?{urlencode(params)}")

    def get(self, name: str, /, **params: object) -> Any:
        return self.ask("GET", f"/{name}.icc?{urlencode(params)}")

    def missing(self, node: int, whole: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
        """Where the parts of a file that still waits go on, and with which bytes."""
        info: dict[str, int] = next((each for each in self.get("uploadingInfo") if each["id"] == node), {})
        query, parts = "", {}
        for part, (field, param) in PARTS.items():
            if field in info:
                assert info[field] <= len(whole[part]), part
                query += f"&{param}={info[field]}"
                parts[part] = whole[part][info[field] :]
        return query, parts

    def send(self, node: int, query: str, parts: dict[str, bytes]) -> Any:
        body = b"".join(
            b'--B\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n' % (part.encode(), data)
            for part, data in parts.items()
        )
        body += b"--B--\r\n"
        return self.ask("POST", f"/uploadFile.icc?id={node}{query}", body, "multipart/form-data; boundary=B")


def all_of_it(phone: Phone, node: int, whole: dict[str, bytes]) -> None:
    """Send what is missing until nothing is; the server is started again whenever it died."""
    for _ in range(5):
        try:
            query, parts = phone.missing(node, whole)
            if not parts:
                return
            phone.send(node, query, parts)
        except (OSError, http.client.HTTPException):
            phone.server.wait()
            phone.server.note_kill()
            assert phone.server.start()
    raise AssertionError("it does not come to an end")


def test_killed_anywhere_in_an_upload_the_server_tells_the_truth(
    zygote: Zygote, place: Path, told: Callable[[str], None]
) -> None:
    """New files and new content of old ones: bytes, digests, thumbnails and names are right in the end, each file is there
    once. Logins outlive the kills."""
    server = ServerProcess(zygote, place)
    server.add_user("anna")
    assert server.start()
    phone = Phone(server)
    phone.post("login", userName="anna", password=PASSWORD)
    (top,) = (each["id"] for each in phone.get("catalogs", pids=-1))
    try:
        for number, point in enumerate(POINTS):
            rng = random.Random(number)
            name = f"film {number}"
            node = phone.post(
                "uploadFileInfo",
                cid=top,
                name=name,
                size=20_000_000,
                type=4,
                ext="mp4",
                statusForThumb=2,
                statusForScreen=2,
            )["id"]
            whole = {"origin": rng.randbytes(20_000_000), "thumb": rng.randbytes(9000), "screen": rng.randbytes(90_000)}
            parts = dict(rng.sample(sorted(whole.items()), 3))
            server.stop()
            assert server.start(point)
            with_kill(phone, node, parts)
            all_of_it(phone, node, whole)
            path = server.data / "files" / "anna" / f"{name}.mp4"
            assert hashlib.sha1(path.read_bytes()).digest() == hashlib.sha1(whole["origin"]).digest(), point

        listed = phone.get("files", pageIndex=0, maxPerPage=1000)["list"]
        assert sorted(file["name"] for file in listed) == sorted(f"film {number}" for number in range(len(POINTS)))
        old = listed[0]
        server.stop()
        for point in ("parts.claimed:kill:1", "upload.appended:kill:2", "parts.published:kill:1"):
            whole = {"origin": random.Random(point).randbytes(9_000_000)}
            assert server.start(point)
            with_kill(phone, old["id"], whole)
            if not any(each["id"] == old["id"] for each in phone.get("uploadingInfo")) and point.startswith(
                "parts.claimed"
            ):
                phone.send(old["id"], "", whole)  # killed before the claim was written down: nothing was begun
            all_of_it(phone, old["id"], whole)
            path = server.data / "files" / "anna" / f"{old['name']}.mp4"
            assert path.read_bytes() == whole["origin"], point
            server.stop()
        assert not list((server.data / "files" / "anna" / ".homestow" / "staging").glob("*"))
        told(f"isync: {len(server.killed_at)} kills at {len(set(server.killed_at))} points of an upload")
    finally:
        if server.ended() is None:
            server.stop()


def with_kill(phone: Phone, node: int, parts: dict[str, bytes]) -> None:
    """A request during which the server dies; it is there again afterwards."""
    with pytest.raises((OSError, http.client.HTTPException)):
        phone.send(node, "", parts)
    assert phone.server.wait() < 0, phone.server.errors()
    phone.server.note_kill()
    assert phone.server.start()
