"""The netdrive front under the same list of names, limits and secrets (rows S01, S02, S14, S43, S45, S50, S71, S76, S82, S97, S109)."""

import json
import logging
import os
import resource
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND
from tests.fronts.netdrive.rig import DEAD, MIB, DriveRig, Peer, documented, final, md5, open_rig
from tests.security.vectors import legal, names, stored

from homestow.server.service import uploads
from homestow.server.service.netdrive_facts import SMALL
from homestow.wire.isync import Code

NAMES = [name for name in names() if not any("\ud800" <= letter <= "\udfff" for letter in name)]
"""JSON cannot carry half of a character; `unit/test_wire_netdrive_json.py` sees that it is refused."""
CANARY = b"canary-51c2: nobody reads or writes me"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DriveRig]:
    """A server of its own, with canaries beside its roots."""
    with open_rig(tmp_path / "place") as made:
        with made.peer("ben") as peer:
            peer.put("canary.txt", CANARY)
        for place in (made.place.parent, made.place, made.place / "data", made.place / "data" / "files"):
            (place / "canary.txt").write_bytes(CANARY)
        yield made


def outside(rig: DriveRig) -> dict[str, bytes]:
    """Everything beside anna's folder that somebody who climbs out could reach first."""
    places = (rig.place.parent, rig.place, rig.place / "data", rig.place / "data" / "files", rig.own("ben"))
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for place in places
        for path in place.glob("*")
        if not path.name.startswith("catalogue.db") and path != rig.own()
    }


def test_S01_S02_S14_names_lead_nowhere(rig: DriveRig) -> None:
    """A sample of the vectors as names of files: each is refused, or lies in the sender's own top folder exactly so."""
    with rig.peer() as peer:
        peer.put("first", b"x")
        before, expected = outside(rig), {"first"}
        for start in range(0, len(NAMES), 50):
            sample = NAMES[start : start + 50 : 7]
            peer.send(
                b"".join(documented("upload", session=peer.session, filename=name, size=1) + b"x" for name in sample)
            )
            for name in sample:
                told = peer.hear()
                assert told["error"] in (0, 1), (ascii(name), told)
                if told["error"] == 0:
                    assert legal(name), ascii(name)
                    expected.add(stored(name))
        assert len(expected) > 300
        assert set(rig.files()) == expected
        assert outside(rig) == before


def test_S01_S02_paths_lead_nowhere(rig: DriveRig) -> None:
    """The vectors as folders, before and behind other folders, in all calls that take one: nothing is touched or read outside."""
    with rig.old_peer() as old, rig.beside(old) as peer:
        peer.put("first", b"x")
        before = outside(rig)
        for name in NAMES[::71]:
            for path in (name, f"/{name}/", f"/a/{name}/b/"):
                assert old.old("deleteFile", filename="canary.txt", queueid=1, path=path)["error"] in (0, 1)
                assert old.old("createDir", queueid=1, prefix=path, dirname="d")["error"] in (0, 1)
                assert peer.ask("upload", data=b"x", filename="canary.txt", path=path, size=1)["error"] in (0, 1)
                old.old("deleteDir", queueid=1, prefix=path, dirname="d")
        assert outside(rig) == before


def test_S43_guesses_here_count_with_all_others(tmp_path: Path) -> None:
    """Ten tries in all over both dialects, isync and HTTP, on however many connections; then the right password is refused."""
    with open_rig(tmp_path) as rig:
        for number in range(3):
            wrong = f"wrong password {number}"
            with rig.peer(None) as peer, rig.peer(None) as old:
                assert peer.ask("login", username="anna", password=wrong)["msg"] == "username password not match"
                assert old.old("login", username="anna", password=wrong)["msg"] == "username password not match"
            assert rig.phone(None).post("login", userName="anna", password=wrong).code == Code.WRONG_LOGIN
        assert rig.ask("POST", "/login", {"user": "anna", "password": "wrong"}, user=None).status == 401
        with rig.peer(None) as peer:
            peer.send(documented("login", username="anna", password=PASSWORD) * 5)
            for _ in range(5):
                told = peer.hear()
                assert told["error"] == 1
                assert "session" not in told
        assert rig.ask("POST", "/login", {"user": "anna", "password": PASSWORD, "device": "d"}, user=None).status == 429


def test_S43_guesses_sent_ahead_count_each(tmp_path: Path) -> None:
    """A thousand logins in one write reach ten passwords; so do guesses of the old password for a new one."""
    with open_rig(tmp_path) as rig:
        with rig.peer("anna") as known, rig.peer(None) as peer:
            peer.send(b"".join(final("login", username="ben", password=f"wrong {at}") for at in range(1000)))
            told = [peer.hear()["msg"] for _ in range(1000)]
            assert told.count("username password not match") <= 10
            rig.clock.ns += 24 * 3600 * SECOND
            told = [
                known.ask("changepwd", password=f"wrong {at}", new_password="a new password")["msg"] for at in range(30)
            ]
            assert told.count("username password not match") <= 10


def test_S45_an_unknown_user_looks_like_a_wrong_password(rig: DriveRig) -> None:
    """Byte for byte, in both dialects."""
    for make in (documented, final):
        with rig.peer(None) as peer:
            told = []
            for user in ("anna", "nobody", "ANNA ", "\0", "x" * 200):
                peer.send(make("login", username=user, password="wrong password"))
                told.append(peer.until_nul())
            assert len(set(told)) == 1, told


def test_S50_sessions_cannot_be_guessed(tmp_path: Path) -> None:
    """Of 200 users' sessions each letter is different, spread over the whole alphabet; none is near another."""
    with open_rig(tmp_path) as rig:
        sessions = []
        for number in range(200):
            rig.services.accounts.add(f"user{number}", PASSWORD)
            sessions.append(rig.drive.sessions.log_in(f"user{number}", PASSWORD, ""))
        assert len(set(sessions)) == 200
        letters = "".join(sessions)
        assert set(letters) == set(string.ascii_letters + string.digits)
        assert max(letters.count(letter) for letter in set(letters)) < 200
        closest = max(
            sum(one == other for one, other in zip(first, second, strict=True))
            for at, first in enumerate(sessions)
            for second in sessions[:at]
        )
        assert closest < 10


def test_S71_declared_lengths_reserve_nothing(tmp_path: Path) -> None:
    """Files of a pebibyte, heads without end, lists of listed lists: memory stays where it was."""
    with open_rig(tmp_path, quota=100 * MIB) as rig:
        with rig.peer() as peer:
            peer.put("warm", bytes(MIB))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for size in (1 << 31, 1 << 32, 1 << 50, (1 << 53) - 1, 1 << 53):
            for asked in (
                documented("upload", session=DEAD, filename="a", size=size),
                documented("upload", filename="a", size=size),
                final("uploadChunk", session=DEAD, vfile_id=1, queueid=1, chunkid=0, offset=0, chunksize=size),
            ):
                with rig.peer(None) as peer:
                    peer.send(asked)
                    assert peer.hear()["error"] in (1, 2)
                    assert peer.is_closed()
            with rig.peer() as peer:
                peer.send(documented("upload", session=peer.session, filename="a", size=size))
                assert peer.hear()["error"] == 1
        for head in (b"getdir\n{", b'{"a":'):
            with rig.peer(None) as peer:
                try:
                    peer.send(head + b"[" * 30 * MIB)
                except ConnectionError:
                    pass
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        with rig.peer() as peer:
            assert peer.ask("dirinfo")["error"] == 0
            assert set(rig.files()) == {"warm"}


def test_S76_what_is_out_of_step_stores_nothing_more(rig: DriveRig) -> None:
    """A request hidden in the body of a broken one is not obeyed: the connection is closed before it."""
    with rig.peer() as victim:
        hidden = documented("upload", session=victim.session, filename="hidden", size=1) + b"x"
        for broken in (
            b'{"type":"upload","session":"%s","filename":"a","size":"5"}' % victim.session.encode(),
            b'{"type":"upload","session":"%s","filename":"a","size":5,"size":0}hello' % victim.session.encode(),
            b'{"type":"upload","session":"%s","filename":"a"}' % victim.session.encode(),
        ):
            with rig.peer(None) as peer:
                peer.send(broken + hidden)
                assert peer.hear()["error"] == 1
                assert peer.is_closed()
        old = Peer(rig.tcp_port, session=victim.session)
        with old:
            old.bound(1)
            head = final("uploadChunk", session=victim.session, vfile_id=1, queueid=1, chunkid=0, offset=0, chunksize=3)
            old.send(head + b"abc" + final("createDir", session=victim.session, prefix="//", dirname="h", queueid=1))
            old.rest()
    assert rig.files() == {}
    assert not (rig.own() / "h").exists()


def test_S82_limits_are_those_of_every_front(tmp_path: Path) -> None:
    """Quota, entries, names, sign-up, passwords: what HTTP refuses is refused here, and what it takes is taken."""
    with open_rig(tmp_path, quota=MIB, entries=12) as rig, rig.peer() as peer:
        top = peer.ask("dirinfo")["dirs"][0]["dir_id"]
        for name in (
            "n" * 255,
            "n" * 256,
            "é" * 127,
            "é" * 128,
            ".",
            "..",
            "a/b",
            "a\\b",
            " ",
            "con",
            "a\n",
            ".homestow",
        ):
            by_http = rig.ask("POST", f"/nodes/{top}/folders", {"name": name}).status == 201
            made = peer.ask("upload", data=b"", filename=name, size=0)
            assert (made["error"] == 0) <= by_http or name == "a/b", ascii(name)
        for node in rig.ask("GET", f"/nodes/{top}/children").json()["nodes"]:
            rig.ask("DELETE", f"/nodes/{node['id']}")
        root = rig.roots.named("anna").id
        assert rig.ask("DELETE", f"/roots/{root}/trash").status == 200
        by_size = [
            (rig.ask("PUT", f"/nodes/{top}/files?name=h{size}", bytes(size)).status == 201,
             peer.ask("upload", data=bytes(size), filename=f"n{size}", size=size)["error"] == 0)
            for size in (100_000, SMALL, 2 * MIB)
        ]  # fmt: skip
        assert by_size == [(True, True), (True, True), (False, False)]
        told = [peer.ask("upload", data=b"", filename=f"e{at}", size=0)["error"] for at in range(12)]
        assert told == sorted(told)
        assert set(told) == {0, 1}
        assert rig.ask("PUT", f"/nodes/{top}/files?name=more", b"").status == 507
        for password in ("123456789", "x" * 1025):
            assert peer.ask("signup", username="eve", password=password)["error"] == 1
            assert peer.ask("changepwd", password=PASSWORD, new_password=password)["error"] == 1


def test_S109_announced_files_are_counted(rig: DriveRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all other unfinished uploads of a user; others are not affected."""
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 5)
    with rig.old_peer() as peer, rig.old_peer("ben") as other:
        told = [peer.announce(f"f{at}", os.urandom(10))["error"] for at in range(8)]
        assert told == [4] * 5 + [1] * 3
        assert other.announce("a", os.urandom(10))["error"] == 4
        assert peer.old("getdir")["dir_list"] is None


def test_S97_no_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Passwords and sessions of a conversation with every kind of failure stand in no line, at whatever level."""
    caplog.set_level(logging.DEBUG)
    marked = "marked-secret-password-77"
    with open_rig(tmp_path, signup_open=True) as rig, rig.peer(None) as peer, rig.peer(None) as old:
        assert peer.ask("signup", username="eve", password=marked)["error"] == 0
        peer.log_in("eve", marked)
        old.old_log_in("eve", marked)
        peer.put("a", b"hello")
        peer.ask("changepwd", password=marked + "x", new_password=marked + "y")
        peer.ask("changepwd", password=marked, new_password=marked + "z")
        peer.ask("login", username="eve", password=marked)
        peer.ask("upload", data=b"x", filename="..", size=1)
        peer.send(b'{"type":"login","username":"eve","password":"%s",,}' % marked.encode())
        peer.rest()
        old.send(final("login", username="eve"))
        old.rest()
        session = peer.session
    lines = [json.dumps(record.__dict__, default=str) + record.getMessage() for record in caplog.records]
    assert lines
    for line in lines:
        assert marked not in line
        assert session not in line


def test_S110_content_of_others_is_not_known(rig: DriveRig) -> None:
    """Whichever way it is asked: announced in either dialect, whole, or by md5."""
    facts: dict[str, Any] = {"md5": md5(CANARY), "size": len(CANARY)}
    with rig.peer() as peer, rig.old_peer() as old:
        assert peer.ask("upload", filename="a", offset=0, chunksize=0, **facts)["error"] == 4
        assert old.announce("b", CANARY)["error"] == 4
        assert peer.ask("download", md5=md5(CANARY))["error"] == 1
        told = peer.ask("upload", data=bytes(len(CANARY)), filename="c", **facts)
        assert told["error"] == 1
    assert rig.files() == {}
