"""Many clients and connections at once, breaks and restarts in the middle, and the same files seen by every other way."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.netdrive.rig import BLOCK, MIB, DriveRig, Peer, documented, final, md5, open_rig

from homestow.server.fronts.netdrive import conversation
from homestow.values.faults import arm


@pytest.fixture
def faults() -> Iterator[Callable[[str, int], None]]:
    """Makes calls of the disk at named points fail from now on."""

    def fail(points: str, number: int) -> None:
        def reached(name: str) -> None:
            if fnmatchcase(name, points):
                raise OSError(number, os.strerror(number))

        arm(reached)

    yield fail
    arm(None)


def test_parallel_blocks(rig: DriveRig) -> None:
    """One file over four connections, blocks in no order and some twice: right in the end, and there once."""
    content = os.urandom(9 * BLOCK + 12345)
    with rig.old_peer() as first:
        vfile = first.announce("big", content)["vfile_id"]
        numbers = list(range(10)) * 2

        def work(peer: Peer) -> None:
            with peer:
                while numbers:
                    number = numbers.pop()
                    part = content[number * BLOCK : (number + 1) * BLOCK]
                    assert peer.chunk(vfile, part, number, number * BLOCK)["error"] == 0

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, [rig.beside(first) for _ in range(4)]))
        assert rig.files() == {"big": content}
        assert first.listed()["//big"]["md5"] == md5(content)


def test_the_same_block_from_all_sides(rig: DriveRig) -> None:
    """As the first clients do it over several connections: each sends all that is left of the file."""
    content = os.urandom(3 * BLOCK)
    with rig.old_peer() as first:
        vfile = first.announce("a", content)["vfile_id"]

        def work(number: int) -> int:
            with rig.beside(first) as peer:
                return int(peer.chunk(vfile, content[number * BLOCK :], number, number * BLOCK)["error"])

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(work, range(3))) == [0, 0, 0]
        assert rig.files() == {"a": content}


def test_many_clients(rig: DriveRig) -> None:
    """Three users, eight connections, small files sent ahead and large ones: all there, each in its own place."""
    users = ["anna", "ben", "cora", "dan", "anna", "ben", "cora", "dan"]

    def work(number: int) -> None:
        with rig.peer(users[number]) as peer:
            sent = b"".join(
                documented("upload", session=peer.session, filename=f"f{at}", path=f"/p{number}/", size=at)
                + bytes((at,)) * at
                for at in range(200)
            )
            thread = threading.Thread(target=peer.send, args=(sent,))
            thread.start()
            assert [peer.hear()["error"] for _ in range(200)] == [0] * 200
            thread.join()
            peer.put("big", bytes((number,)) * MIB, f"/p{number}/")
            assert peer.get(md5=md5(bytes((number,)) * MIB)) == bytes((number,)) * MIB

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    for user in set(users):
        expected = {
            f"p{number}/f{at}": bytes((at,)) * at for number in range(8) if users[number] == user for at in range(200)
        }
        expected |= {f"p{number}/big": bytes((number,)) * MIB for number in range(8) if users[number] == user}
        assert rig.files(user) == expected


def test_a_restart_in_the_middle(rig: DriveRig) -> None:
    """What was acknowledged is still there, what came of a broken block is not asked for again, and the file gets whole."""
    content = os.urandom(3 * BLOCK)
    with rig.peer() as peer:
        facts: dict[str, Any] = {"filename": "a", "path": "//", "md5": md5(content), "size": len(content)}
        vfile = peer.ask("upload", data=content[:BLOCK], offset=0, chunksize=BLOCK, **facts)["vfile_id"]
        peer.send(documented("upload", session=peer.session, vfile_id=vfile, offset=BLOCK, chunksize=BLOCK))
        peer.send(content[BLOCK : BLOCK + MIB])
        session = peer.session
    rig.settled()
    rig.restart()
    with Peer(rig.tcp_port, session=session) as peer:
        told = peer.ask("upload", offset=0, chunksize=0, **facts)
        assert (told["error"], told["vfile_id"]) == (4, vfile)
        assert [each["done"] for each in told["done"]] == [True, False, False]
        told = peer.ask(
            "upload", data=content[BLOCK + MIB :], vfile_id=vfile, offset=BLOCK + MIB, chunksize=2 * BLOCK - MIB
        )
        assert told["error"] == 0
        assert rig.files() == {"a": content}
    rig.restart()
    with Peer(rig.tcp_port, session=session) as peer:
        told = peer.ask("upload", data=content[:MIB], vfile_id=vfile, offset=0, chunksize=MIB)
        assert told["msg"] == "this chunk has been uploaded"


def test_every_other_way_shows_the_same(rig: DriveRig) -> None:
    """At once: a plain file, in the native API, in isync's list; and what these put there is in both lists here."""
    with rig.old_peer(bind=2) as peer:
        peer.old_put("Pic.jpg", b"from netdrive", "/x/")
        assert (rig.folder / "x" / "Pic.jpg").read_bytes() == b"from netdrive"
        folder = next(
            each for each in rig.ask("GET", f"/nodes/{rig.top}/children").json()["nodes"] if each["name"] == "x"
        )
        (node,) = rig.ask("GET", f"/nodes/{folder['id']}/children").json()["nodes"]
        assert rig.read(node["id"]) == b"from netdrive"
        phone = rig.phone()
        listed = phone.get("files", pageIndex=0).data["list"]
        assert [(each["id"], each["name"], each["ext"]) for each in listed] == [(node["id"], "Pic.jpg", "jpg")]

        rig.put("by http", b"other way", folder["id"])
        (rig.folder / "by hand").write_bytes(b"by hand")
        rig.core.outside.look(rig.root, [()])
        assert set(peer.listed()) == {"/x/Pic.jpg", "/x/by http", "//by hand"}
        assert peer.old_get(md5(b"by hand"), 7) == b"by hand"
        assert phone.post("deleteFiles", ids=str(node["id"])).code == 0
        assert set(peer.listed()) == {"/x/by http", "//by hand"}
        with rig.beside(peer) as new:
            assert new.ask("download", vfile_id=node["id"])["error"] == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails(rig: DriveRig, faults: Callable[[str, int], None], number: int) -> None:
    """Error 1 and why, the stream in step, nothing half done to be seen; what could not be replaced is as it was."""
    words = "short of space" if number == errno.ENOSPC else "try again later"
    content = os.urandom(2 * MIB)
    with rig.peer() as peer, rig.old_peer() as old:
        peer.put("old", b"old content")
        vfile = old.announce("chunked", content)["vfile_id"]
        faults("content.[sw]*", number)
        for name, data in (("small", b"hello"), ("large", content[::-1]), ("old", b"new content")):
            told = peer.ask("upload", data=data, filename=name, size=len(data), md5=md5(data))
            assert told["error"] == 1, name
            assert words in told["msg"], told
        told = old.chunk(vfile, content)
        assert told["error"] == 1
        assert words in told["msg"]
        arm(None)
        assert rig.files() == {"old": b"old content"}
        assert peer.get(md5=md5(b"old content")) == b"old content"


@pytest.mark.parametrize("looked", ["_LOOK_EACH_S", "_LOOK_AT_END_S"])
def test_rights_that_are_taken_end_an_upload(rig: DriveRig, monkeypatch: pytest.MonkeyPatch, looked: str) -> None:
    """S49: in the middle of a long body, at once at its end, and before the next request."""
    monkeypatch.setattr(conversation, "_LOOK_EACH_S", 60.0)
    monkeypatch.setattr(conversation, "_LOOK_AT_END_S", 60.0)
    monkeypatch.setattr(conversation, looked, 0.0)
    content = os.urandom(20 * MIB)
    with rig.peer("ben") as peer:
        peer.send(documented("upload", session=peer.session, filename="a", size=len(content), bindid=2))
        peer.send(content[: 5 * MIB])
        for device in rig.ask("GET", "/devices", user="ben").json()["devices"]:
            if not device["current"]:
                rig.ask("DELETE", f"/devices/{device['id']}", user="ben")
        peer.send(content[5 * MIB :])
        assert peer.hear()["error"] == 2
        assert peer.ask("dirinfo")["error"] == 2
    assert list(rig.folder.iterdir()) in ([], [rig.folder / ".homestow"])


def test_the_server_stops_with_clients_there(tmp_path: Path) -> None:
    """Closing waits for none that is silent, and what was answered is there afterwards."""
    with open_rig(tmp_path) as rig:
        peers = [rig.peer() for _ in range(5)]
        peers[0].put("a", b"hello")
        rig.restart()
        assert all(each.is_closed() for each in peers)
        assert rig.files() == {"a": b"hello"}
        with rig.old_peer() as peer:
            peer.send(final("getdir", session=peer.session))
            assert peer.hear()["error"] == 0
        for each in peers:
            each.close()
