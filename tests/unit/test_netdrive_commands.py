"""`homestow netdrive …` against small servers of each kind: what people type, and what they get."""

import io
import json
import os
import socket
import time
from pathlib import Path

import pytest
from tests.unit.netdrive_servers import ListServer, OldServer, Serving

from homestow.cli import main

PASSWORD = "correct horse battery"
OLD_PASSWORD = "Secret1234"
LARGE = bytes(range(251)) * 50_000  # three blocks


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own home, working directory and password."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOMESTOW_PASSWORD", PASSWORD)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(server: Serving, order: str, *args: object) -> int:
    return main(["netdrive", order, "-s", server.url, "-u", "anna", *map(str, args)])


class TestList:
    def test_there_and_back(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Folders with small, large and empty files go up and come down as they were, times included."""
        folder = home / "album"
        (folder / "sub").mkdir(parents=True)
        contents = {"a.txt": b"hello", "sub/large.bin": LARGE, "sub/middle.bin": LARGE[:1_000_000], "empty": b""}
        for name, content in contents.items():
            (folder / name).write_bytes(content)
            os.utime(folder / name, (1_500_000_000, 1_500_000_000))
        with ListServer() as server:
            assert run(server, "upload", folder, "--to", "photos") == 0
            (home / "out").mkdir()
            assert run(server, "download", "/photos/album", "-o", home / "out") == 0
            assert run(server, "dirinfo", "-l") == 0
            assert run(server, "dirinfo", "--json") == 0
        for name, content in contents.items():
            got = home / "out" / "album" / name
            assert got.read_bytes() == content
            assert got.stat().st_mtime == 1_500_000_000
        assert not list((home / "out").rglob("*.download"))
        out = capsys.readouterr().out
        assert "sent 4 files (13.6 MB)." in out
        assert "/photos/album/sub/large.bin" in out
        assert json.loads(out[out.index("{") :])["files"]

    def test_account(self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """An account is made, its password changed with a word from standard input, and its session ended."""
        with ListServer() as server:
            assert run(server, "signup") == 0
            monkeypatch.setattr("sys.stdin", io.StringIO("another horse battery\n"))
            assert run(server, "changepwd", "--password-stdin") == 0
            assert server.password == "another horse battery"
            assert run(server, "logout") == 0
            assert run(server, "logout") == 1
            assert [asked.type for asked in server.heard] == ["signup", "login", "changepwd", "logout"]
            assert main(["netdrive", "signup", "-s", server.url]) == 2
        assert "battery" not in capsys.readouterr().out

    def test_same_content_is_not_sent(self, home: Path) -> None:
        """Content that the account has there already is announced, not sent."""
        (home / "a").write_bytes(LARGE)
        (home / "b").write_bytes(LARGE)
        with ListServer() as server:
            assert run(server, "upload", home / "a") == 0
            before = server.received
            assert run(server, "upload", home / "b") == 0
            assert server.received == before
            assert ("//", "b") in server.stored


class TestOld:
    def test_there_and_back(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A server of the first kind is found out, bound to, and takes whole blocks with answers in order."""
        monkeypatch.setenv("HOMESTOW_PASSWORD", OLD_PASSWORD)
        (home / "large").write_bytes(LARGE)
        (home / "small").write_bytes(b"hello")
        with OldServer(bind=0) as server:
            assert run(server, "upload", "large", "small") == 0
            (home / "out").mkdir()
            assert run(server, "download", "/", "-o", "out") == 0
            assert run(server, "logout") == 0
        assert server.bind == 1
        assert server.sessions == {}
        assert (home / "out" / "large").read_bytes() == LARGE
        assert (home / "out" / "small").read_bytes() == b"hello"


class FirstPhase(Serving):
    """The server of the first phase, with its ways: no answers, a header with a NUL, its bytes apart, what it does not know ignored."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    def talk(self, sock: socket.socket, number: int) -> None:
        while True:
            head, depth = b"", 0
            while not head or depth:
                byte = sock.recv(1)
                if not byte:
                    return
                head += byte
                depth += {b"{": 1, b"}": -1}.get(byte, 0)
            asked = json.loads(head)
            if asked["type"] == "upload":
                content = b""
                while len(content) < asked["size"] and (data := sock.recv(asked["size"] - len(content))):
                    content += data
                self.files[asked["filename"]] = content
            elif asked["type"] == "download":
                if asked["filename"] not in self.files:
                    return
                content = self.files[asked["filename"]]
                sock.sendall(b'{"size":%d}\0' % len(content))
                time.sleep(0.02)
                sock.sendall(content)


class TestFirstPhase:
    def test_there_and_back(self, home: Path) -> None:
        """Single files by name, without a login; wherever the flag stands."""
        contents = {"txt": b"x" * 100, "large": LARGE, "empty": b""}
        for name, content in contents.items():
            (home / name).write_bytes(content)
        (home / "out").mkdir()
        with FirstPhase() as server:
            assert main(["netdrive", "upload", "--phase0", "-s", server.url, *contents]) == 0
            assert main(["netdrive", "--phase0", "download", "-s", server.url, *contents, "-o", "out"]) == 0
        assert server.files == contents
        assert {path.name: path.read_bytes() for path in (home / "out").iterdir()} == contents

    def test_what_goes_wrong(self, home: Path) -> None:
        """What is not there, what is there already, and a server that is not: nothing is left, nothing replaced."""
        with FirstPhase() as server:
            server.files["txt"] = b"theirs"
            assert main(["netdrive", "download", "--phase0", "-s", server.url, "nothing"]) == 4
            (home / "txt").write_bytes(b"mine")
            assert main(["netdrive", "download", "--phase0", "-s", server.url, "txt"]) == 1
            assert (home / "txt").read_bytes() == b"mine"
            assert main(["netdrive", "download", "--phase0", "-f", "-s", server.url, "txt"]) == 0
            assert (home / "txt").read_bytes() == b"theirs"
            assert main(["netdrive", "upload", "--phase0", "-s", server.url]) == 2
            url = server.url
        assert main(["netdrive", "upload", "--phase0", "-s", url, "txt"]) == 4
        assert os.listdir(home) == ["txt"]
