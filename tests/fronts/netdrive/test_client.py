"""The commands of `homestow netdrive` with our own server, each through its real stack, in both dialects."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD
from tests.fronts.netdrive.rig import BLOCK, DriveRig, open_rig

from homestow.cli import main

NEW_PASSWORD = "another horse battery"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DriveRig]:
    """A server with a root that phase 0 may use."""
    with open_rig(tmp_path / "server", open_root="tree") as made:
        yield made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's own home, working directory and password."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOMESTOW_PASSWORD", PASSWORD)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(rig: DriveRig, order: str, *args: object) -> int:
    return main(["netdrive", order, "-s", f"127.0.0.1:{rig.tcp_port}", "-u", "anna", *map(str, args)])


def album(folder: Path) -> dict[str, bytes]:
    """Files of each kind: empty, small, of one block, of several."""
    contents = {"empty": b"", "a.txt": b"hello", "sub/é 中.txt": b"x" * 5000, "middle": b"m" * 700_000}
    contents |= {"block": b"b" * BLOCK, "sub/large": os.urandom(2 * BLOCK + 12345)}
    contents |= {f"many/{n}": f"{n}".encode() * n for n in range(1, 200)}
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1_500_000_000, 1_500_000_000))
    return contents


@pytest.mark.parametrize("dialect", ["documented", "final"])
def test_there_and_back(rig: DriveRig, home: Path, dialect: str) -> None:
    """What goes up lies on the server's disk as it was, and comes back so, times included."""
    contents = album(home / "album")

    assert run(rig, "upload", "album", "--to", "photos/2026", "--dialect", dialect) == 0
    assert {name.removeprefix("photos/2026/album/"): content for name, content in rig.files().items()} == contents
    (home / "out").mkdir()
    assert run(rig, "download", "/", "-o", "out", "--dialect", dialect) == 0
    got = home / "out" / "photos" / "2026" / "album"
    assert {str(path.relative_to(got)): path.read_bytes() for path in got.rglob("*") if path.is_file()} == contents
    assert {path.stat().st_mtime for path in got.rglob("*") if path.is_file()} == {1_500_000_000}


def test_account(
    rig: DriveRig, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log in, change the password, go on without it, log out, and be nobody."""
    assert run(rig, "login") == 0
    monkeypatch.setattr("sys.stdin", _Text(NEW_PASSWORD + "\n"))
    assert run(rig, "changepwd", "--password-stdin") == 0
    monkeypatch.delenv("HOMESTOW_PASSWORD")
    (home / "a").write_bytes(b"a")
    assert run(rig, "upload", "a") == 0
    assert run(rig, "dirinfo") == 0
    assert run(rig, "logout") == 0
    assert run(rig, "dirinfo") == 4
    monkeypatch.setenv("HOMESTOW_PASSWORD", PASSWORD)
    assert run(rig, "login") == 4
    monkeypatch.setenv("HOMESTOW_PASSWORD", NEW_PASSWORD)
    assert run(rig, "login") == 0
    assert "/a\n" in capsys.readouterr().out


def test_instant(rig: DriveRig, home: Path) -> None:
    """The same content under another name is there at once, and sent again it stays one file."""
    content = os.urandom(BLOCK + 5)
    (home / "a").write_bytes(content)
    (home / "b").write_bytes(content)
    assert run(rig, "upload", "a") == 0
    assert run(rig, "upload", "b") == 0
    assert run(rig, "upload", "a") == 0
    assert rig.files() == {"a": content, "b": content}


def test_phase0(rig: DriveRig, home: Path) -> None:
    """By name only, in the root that the owner opened."""
    (home / "txt").write_bytes(b"hello" * 100_000)
    assert run(rig, "upload", "--phase0", "txt") == 0
    assert (rig.folder / "txt").read_bytes() == b"hello" * 100_000
    (home / "out").mkdir()
    assert run(rig, "download", "--phase0", "txt", "-o", "out") == 0
    assert (home / "out" / "txt").read_bytes() == b"hello" * 100_000
    assert run(rig, "download", "--phase0", "nothing", "-o", "out") == 1


def test_phase0_closed(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the owner opened nothing, the server's words say so."""
    (home / "txt").write_bytes(b"hello")
    with open_rig(tmp_path / "closed") as rig:
        assert run(rig, "upload", "--phase0", "txt") == 1
        assert run(rig, "download", "--phase0", "txt") == 1
    assert "open_root" in capsys.readouterr().err


class _Text:
    def __init__(self, text: str) -> None:
        self._text = text

    def readline(self, _: int) -> str:
        return self._text

    def isatty(self) -> bool:
        return False
