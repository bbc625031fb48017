"""Phase 0: `upload` and `download` of single names, without login, where the owner opened a root for it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fronts.netdrive.rig import DriveRig, documented, open_rig

from homestow.server.rules.access import OUTSIDE
from homestow.values.changes import ChangeKind


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[DriveRig]:
    """A server whose root `tree` is open."""
    with open_rig(tmp_path, open_root="tree") as rig:
        yield rig


def on_disk(rig: DriveRig, name: str, content: bytes) -> bool:
    """Whether a file has come; nothing is answered to an upload."""
    deadline = time.monotonic() + 10
    path = rig.folder / name
    while time.monotonic() < deadline:
        if path.exists() and path.read_bytes() == content:
            return True
        time.sleep(0.002)
    return False


def test_the_bytes_of_the_document(open_to_all: DriveRig) -> None:
    """Header and file in one, no answer, and the client closes; then the same comes back behind `{"size":5}` and a NUL."""
    with open_to_all.peer(None) as peer:
        peer.send(b'{"type": "upload", "filename": "hi.txt", "size": 5}hello')
        assert peer.end() == b""
    assert (open_to_all.folder / "hi.txt").read_bytes() == b"hello"
    with open_to_all.peer(None) as peer:
        peer.send(b'{"type": "download", "filename": "hi.txt"}')
        assert peer.end() == b'{"size":5}\0hello'


def test_as_the_document_prints_it(open_to_all: DriveRig) -> None:
    """With line ends, a comment and commas that JSON does not know."""
    with open_to_all.peer(None) as peer:
        peer.send(
            '{\n "type": "upload",\n "filename": "txt",\n "size": 3 // 字节数量，用以读取指定长度的字节\n}'.encode(
                "gbk"
            )
            + b"abc"
        )
        peer.send(b'{\n // a comment\n "type": "download",\n "filename": "txt",\n}')
        assert peer.until_nul() == b'{"size":3}'
        assert peer.exactly(3) == b"abc"


def test_header_and_bytes_come_apart(open_to_all: DriveRig) -> None:
    """The first client reads its header by one call and takes whatever that brings, without its last byte, for JSON."""
    content = os.urandom(300_000)
    (open_to_all.folder / "a").write_bytes(content)
    open_to_all.core.outside.look(open_to_all.root, [()])
    with open_to_all.peer(None) as peer:
        for _ in range(5):
            peer.send(documented("download", filename="a"))
            assert peer.sock.recv(1024) == b'{"size":300000}\0'
            assert peer.exactly(300_000) == content


def test_several_requests_on_a_connection(open_to_all: DriveRig) -> None:
    """With NUL or line ends between them or without; a later file of a name keeps the earlier one as a version."""
    with open_to_all.peer(None) as peer:
        peer.send(documented("upload", filename="a", size=3) + b"one" + documented("upload", filename="b", size=0))
        peer.send(
            b"\0\r\n" + documented("upload", filename="a", size=3) + b"two\0\n" + documented("download", filename="a")
        )
        assert peer.until_nul() == b'{"size":3}'
        assert peer.exactly(3) == b"two"
        peer.send(documented("download", filename="b"))
        assert peer.until_nul() == b'{"size":0}'
    assert (open_to_all.folder / "b").read_bytes() == b""


def test_large_files(open_to_all: DriveRig) -> None:
    """Of any size: never in memory, never in part."""
    content = os.urandom(5_000_001)
    with open_to_all.peer(None) as peer:
        peer.send(documented("upload", filename="big", size=len(content)) + content)
        peer.send(documented("download", filename="big"))
        assert peer.until_nul() == b'{"size":5000001}'
        assert peer.exactly(len(content)) == content


def test_one_that_breaks_off_leaves_nothing(open_to_all: DriveRig) -> None:
    """Half a file is no file."""
    with open_to_all.peer(None) as peer:
        peer.send(documented("upload", filename="half", size=1000) + b"hello")
        assert peer.end() == b""
    open_to_all.settled()
    assert not (open_to_all.folder / "half").exists()
    open_to_all.nothing_left_over()


def test_what_cannot_be(open_to_all: DriveRig) -> None:
    """A JSON error with its NUL; bytes of a refused upload are stepped over; no name leads out of the top folder."""
    (open_to_all.folder / "d").mkdir()
    open_to_all.core.outside.look(open_to_all.root, [()])
    with open_to_all.peer(None) as peer:
        for name in ("none", "d", "../catalogue.db", "/etc/passwd", "d/x", "", ".."):
            peer.send(documented("download", filename=name))
            told = peer.hear()
            assert (told["error"], "type" in told) == (1, False), name
        for name in ("../x", "d/x", "d", "", "."):
            peer.send(documented("upload", filename=name, size=5) + b"hello")
            assert peer.hear()["error"] == 1, name
        peer.send(documented("upload", filename="a", size=5, chunksize=3) + b"hel")
        assert peer.hear()["error"] == 1
        peer.send(documented("upload", filename="ok", size=5) + b"hello")
    assert on_disk(open_to_all, "ok", b"hello")
    assert sorted(path.name for path in open_to_all.folder.iterdir() if path.name != ".homestow") == ["d", "ok"]


def test_it_is_closed_unless_opened(rig: DriveRig) -> None:
    """The answer says so and what to do; nothing is stored, nothing is given."""
    rig.put("a", b"hello")
    with rig.peer(None) as peer:
        for asked in (documented("download", filename="a"), documented("upload", filename="b", size=5) + b"hello"):
            peer.send(asked)
            told = peer.hear()
            assert told["error"] == 1
            assert "netdrive_open_root" in told["msg"]
    assert not (rig.folder / "b").exists()


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    """As if none were opened."""
    with open_rig(tmp_path, open_root="nowhere") as rig, rig.peer(None) as peer:
        peer.send(documented("upload", filename="b", size=5) + b"hello")
        assert peer.hear()["error"] == 1


def test_no_login_comes_of_it(open_to_all: DriveRig) -> None:
    """Who has no session has the open root's top folder and nothing else."""
    with open_to_all.peer(None) as peer:
        peer.send(documented("upload", filename="a", size=1) + b"x")
        assert peer.ask("dirinfo")["error"] == 2
        assert peer.ask("upload", data=b"x", filename="b", size=1)["error"] == 2
        assert peer.ask("download", vfile_id=1)["error"] == 2


def test_who_did_it_stands_in_the_journal(open_to_all: DriveRig) -> None:
    """It came from outside of accounts."""
    with open_to_all.peer(None) as peer:
        peer.send(documented("upload", filename="a", size=1) + b"x")
        assert peer.end() == b""
    (entry,) = (
        entry for entry in open_to_all.catalogue.entries(open_to_all.root, 0, 1000) if entry.node != open_to_all.top
    )
    assert (entry.kind, entry.account) == (ChangeKind.CREATED, OUTSIDE.account)
