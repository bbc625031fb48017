"""One tree for all: a file that comes by one way is at once there by every other, and as a plain file; also over TLS."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.journeys.cli_processes import PASSWORD, Home, Serving
from tests.journeys.test_isync_family import Phone

from homestow.wire import picloud

pytestmark = [pytest.mark.serial, pytest.mark.timeout(180)]

FLAGS = ("--netdrive", "127.0.0.1:0", "--picloud", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
WAYS = ("native", "isync", "netdrive", "picloud", "ditto")


class Family:
    """Anna's home folder, her server with every front, and all her ways to it."""

    def __init__(self, home: Home, server: Serving, box: dict[str, str]) -> None:
        self.home = home
        self.server = server
        self.plain = home.data / "files" / "anna"
        self.phone = Phone(server.url)
        self.phone.post("login", userName="anna", password=PASSWORD)
        (self.root,) = (each["id"] for each in self.phone.get("catalogs", pids="-1"))
        self.ditto = ("-s", server.ready["grpc"], "-u", "anna")
        self.netdrive = ("-s", f"netdrive://{server.ready['netdrive']}")
        home.fine("ditto", "login", *self.ditto, env=box)
        home.fine("netdrive", "login", *self.netdrive, "-u", "anna")

    def bring(self, way: str, name: str, content: bytes) -> Path:
        """Send a file one way; where it lies on the server's disk."""
        file = self.home.path / name
        file.write_bytes(content)
        match way:
            case "native":
                self.home.fine("put", "-s", self.server.url, "-u", "anna", name, "anna/")
            case "isync":
                announced = self.phone.post_json(
                    "uploadFileInfo", cid=self.root, name=name[:-4], ext="txt", size=len(content), type=16
                )
                self.phone.upload(f"id={announced['id']}", origin=content)
            case "netdrive":
                self.home.fine("netdrive", "upload", *self.netdrive, name)
            case "picloud":
                said = list(self.talk(picloud.frame(b"::::::::::".join((content, name[:-4].encode(), b"txt")))))
                assert said[0] == b"FileReceived"
            case _:
                self.home.fine("ditto", "upload", *self.ditto, name)
                return self.plain / "Ditto" / name
        return self.plain / name

    def talk(self, message: bytes) -> Iterator[bytes]:
        """Answers to a PiCloud message of anna's, two of them."""
        host, _, port = str(self.server.ready["picloud"]).rpartition(":")
        login = picloud.frame(b"::::::::::".join((PASSWORD.encode(), b"anna", b"id")))
        with socket.create_connection((host, int(port)), timeout=20) as sock, sock.makefile("rb") as coming:
            for each, answers in ((login, 2), (message, 1)):
                sock.sendall(each)
                for _ in range(answers):
                    (length,) = struct.unpack(">I", coming.read(4))
                    said = coming.read(length)
                    if each is message:
                        yield said

    def content(self, way: str, path: str) -> bytes:
        """A file as one way gives it."""
        name = path.rpartition("/")[2]
        out = self.home.path / f"out-{way}"
        out.mkdir(exist_ok=True)
        match way:
            case "native":
                self.home.fine("get", "-s", self.server.url, "-u", "anna", f"anna/{path}", f"{out}/")
                return (out / name).read_bytes()
            case "isync":
                listed = self.phone.get("files", pageIndex=0, maxPerPage=100)["list"]
                (file,) = (each["id"] for each in listed if each["name"] in (name, name[:-4]))
                return self.phone.ask("GET", f"/downFile.icc?id={file}")[2]
            case "netdrive":
                self.home.fine("netdrive", "download", *self.netdrive, f"/{path}", "-o", out)
                return (out / name).read_bytes()
            case "picloud":
                (answer,) = self.talk(picloud.frame(b"::::::::::".join((path[:-4].encode(), b"txt"))))
                return answer.partition(b"::::::::::")[0]
            case _:
                folder = self.home.path / "in step"
                folder.mkdir(exist_ok=True)
                self.home.fine("sync", "-s", self.server.url, "-u", "anna", "-d", folder, "--once")
                return (folder / path).read_bytes()


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    made = json.loads(home.fine("client", "add", "box", "--data", home.data).out)
    box = {f"HOMESTOW_DITTO_{name.upper()}": value for name, value in made.items()}
    with home.server(*FLAGS) as server:
        yield Family(home, server, box)


def test_what_comes_one_way_is_there_by_every_other(family: Family) -> None:
    """Five ways in; on the disk at once, by every way out (and by sync), and told to a watcher."""
    sent = {}
    for way in WAYS:
        content = f"by {way} ".encode() + os.urandom(4)
        lies = family.bring(way, f"{way}.txt", content)
        assert lies.read_bytes() == content, way
        sent[lies.relative_to(family.plain).as_posix()] = content
    for path, content in sent.items():
        for way in WAYS:
            assert family.content(way, path) == content, (way, path)
    watching = family.home.popen("ditto", "watch", *family.ditto, "--json", "--types", "FILE_WRITTEN")
    try:
        assert watching.stdout is not None
        sizes = sorted(json.loads(watching.stdout.readline())["size"] for _ in sent)
    finally:
        watching.terminate()
        watching.communicate(timeout=20)
    assert sizes == sorted(map(len, sent.values()))


def test_every_front_over_tls(tmp_path: Path) -> None:
    """The Ditto front has the certificate of the others; a client that does not know its authority is refused."""
    home = Home(tmp_path / "home")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    cert, key, roots = home.path / "cert.pem", home.path / "key.pem", home.path / "roots.pem"
    issued.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(cert), append=number > 0)
    authority.cert_pem.write_to_path(str(roots))
    home.fine("user", "add", "anna", "--data", home.data)
    made = json.loads(home.fine("client", "add", "box", "--data", home.data).out)
    box = {f"HOMESTOW_DITTO_{name.upper()}": value for name, value in made.items()}
    (home.path / "a.txt").write_text("secret")
    with home.server(*FLAGS, "--tls-cert", cert, "--tls-key", key) as server:
        door = ("-s", f"dittos://{server.ready['grpc']}", "-u", "anna")
        assert home.run("ditto", "login", *door, env=box).code == 4
        home.fine("ditto", "login", *door, "--ca", roots, env=box)
        home.fine("ditto", "upload", *door, "--ca", roots, "a.txt")
        drive = ("-s", f"netdrives://{server.ready['netdrive']}")
        home.fine("netdrive", "login", *drive, "-u", "anna", env={"SSL_CERT_FILE": str(roots)})
        home.fine("netdrive", "upload", *drive, "a.txt", env={"SSL_CERT_FILE": str(roots)})
        folder = home.path / "in step"
        folder.mkdir()
        for _ in range(2):
            home.fine("sync", *drive, "-u", "anna", "-d", folder, "--once", env={"SSL_CERT_FILE": str(roots)})
        assert (folder / "Ditto" / "a.txt").read_text() == "secret"
        assert (folder / "a.txt").read_text() == "secret"
