"""The final dialect, message by message: success and each failure, with what is echoed."""

import os
from typing import Any

import pytest
from tests.fronts.api.rig import PASSWORD
from tests.fronts.netdrive.rig import (
    BLOCK,
    DEAD,
    MIB,
    NO_BIND,
    NO_SESSION,
    UNKNOWN,
    DriveRig,
    Peer,
    final,
    md5,
    open_rig,
)

NOTHING = md5(b"")

QUEUED: dict[str, dict[str, Any]] = {
    "uploadFile": {"queueid": 5, "filename": "a", "path": "//", "md5": md5(b"hello"), "size": 5, "mtime": 1},
    "uploadChunk": {"queueid": 5, "vfile_id": 3, "chunkid": 0, "offset": 0, "chunksize": 0},
    "downloadFile": {"queueid": 5, "md5": NOTHING, "offset": 0, "chunksize": 0},
    "deleteFile": {"queueid": 5, "filename": "a", "path": "//"},
    "createDir": {"queueid": 5, "prefix": "//", "dirname": "d"},
    "deleteDir": {"queueid": 5, "prefix": "//", "dirname": "d"},
}
ECHO = {
    "deleteFile": ("queueid", "filename", "path"),
    "createDir": ("queueid", "prefix", "dirname"),
    "deleteDir": ("queueid", "prefix", "dirname"),
}


def body_of(kind: str) -> bytes | None:
    return b"" if kind == "uploadChunk" else None


class TestAccounts:
    def test_sign_up(self, tmp_path: Any) -> None:
        """A name is taken once; the new user can log in, with an own root."""
        with open_rig(tmp_path, signup_open=True) as rig, rig.peer(None) as peer:
            assert peer.old("signup", username="eve", password=PASSWORD) == {"error": 0, "msg": "signup success"}
            told = peer.old("signup", username="eve", password=PASSWORD)
            assert told == {"error": 1, "msg": "username has been registered"}
            peer.old_log_in("eve").bound()
            peer.old_put("a", b"hello")
            assert rig.files("eve") == {"a": b"hello"}

    def test_a_short_password_is_told_what_to_do(self, tmp_path: Any) -> None:
        """S46: the example of the document, "123456", is too short here, and the answer says so."""
        with open_rig(tmp_path, signup_open=True) as rig, rig.peer(None) as peer:
            told = peer.old("signup", username="admin0606", password="123456")
            assert told["error"] == 1
            assert "10" in told["msg"]

    def test_sign_up_is_closed_unless_opened(self, rig: DriveRig) -> None:
        """Error 1 and how it is, for a new name as for one that is there."""
        with rig.peer(None) as peer:
            told = [peer.old("signup", username=user, password=PASSWORD) for user in ("eve", "anna")]
            assert told[0] == told[1]
            assert told[0]["error"] == 1
            assert "accounts" in told[0]["msg"]

    def test_an_unknown_user_looks_like_a_wrong_password(self, rig: DriveRig) -> None:
        """S45: the dialect has two texts; telling them apart would tell who exists."""
        with rig.peer(None) as peer:
            for user in ("anna", "nobody"):
                told = peer.old("login", username=user, password="wrong password")
                assert told == {"error": 1, "msg": "username password not match"}

    def test_guesses_are_counted_together_with_all_others(self, rig: DriveRig) -> None:
        """S43: after ten wrong passwords here the right one is refused, here and over HTTP."""
        with rig.peer(None) as peer:
            for _ in range(10):
                assert peer.old("login", username="anna", password="wrong password")["error"] == 1
            told = peer.old("login", username="anna", password=PASSWORD)
            assert told["error"] == 1
            assert "session" not in told
            assert "wait" in told["msg"]
            assert (
                rig.ask("POST", "/login", {"user": "anna", "password": PASSWORD, "device": "d"}, user=None).status
                == 429
            )

    def test_a_second_login_gets_the_session_there_is(self, rig: DriveRig) -> None:
        """And one client's logout does not throw out the other; the last one ends the session."""
        with rig.old_peer() as first, rig.old_peer() as second:
            assert first.session == second.session
            first.send(final("logout", session=first.session))
            assert first.is_closed()
            assert second.old("getdir")["error"] == 0
            second.send(final("logout", session=second.session))
            assert second.is_closed()
        with Peer(rig.tcp_port, session=first.session) as third:
            assert third.old("getdir")["error"] == 2

    def test_logging_out_says_nothing(self, rig: DriveRig) -> None:
        """Known or not: no response, and the socket is closed."""
        with rig.peer(None) as peer:
            peer.send(final("logout", session=DEAD))
            assert peer.is_closed()


class TestBinds:
    def test_binds(self, rig: DriveRig) -> None:
        """0 is none; 1 the own root, then the others; any other number fails and is echoed."""
        with rig.old_peer(bind=None) as peer:
            assert peer.old("getbindid") == {"bindid": 0, "error": 1, "msg": NO_BIND}
            assert peer.old("setbind", bindid=7) == {"bindid": 7, "error": 1, "msg": "bind failed"}
            assert peer.old("setbind", bindid=-1) == {"bindid": -1, "error": 1, "msg": "bind failed"}
            peer.bound(2)
            assert peer.old("getbindid") == {"bindid": 2, "error": 0, "msg": "bind success"}
            peer.old_put("here", b"in the tree")
            assert (rig.folder / "here").read_bytes() == b"in the tree"
            assert peer.old("disbind") == {"error": 0, "msg": "disbind success"}
            assert peer.old("getdir") == {"error": 3, "msg": NO_BIND}

    def test_the_bind_is_the_users(self, rig: DriveRig) -> None:
        """It holds on all connections, also short-lived ones that only bear the session."""
        with rig.old_peer() as peer, rig.beside(peer) as short:
            peer.old_put("a", b"hello")
            assert list(short.listed()) == ["//a"]

    def test_a_request_may_name_its_bind(self, rig: DriveRig) -> None:
        """`bindid` in a request means that root, and changes nothing for others."""
        with rig.old_peer() as peer:
            peer.old_put("own", b"own")
            told = peer.old("createDir", prefix="//", dirname="d", queueid=1, bindid=2)
            assert told["error"] == 0
            assert (rig.folder / "d").is_dir()
            assert peer.old("getdir", bindid=2) == {"error": 0, "msg": "getdir success", "dir_list": None}
            assert list(peer.listed()) == ["//own"]
            assert peer.old("getdir", bindid=9)["error"] == 3

    def test_without_a_session(self, rig: DriveRig) -> None:
        """Error 2 everywhere; the client reads -1 as "log in"."""
        with Peer(rig.tcp_port, session=DEAD) as peer:
            assert peer.old("getbindid") == {"bindid": -1, "error": 2, "msg": NO_SESSION}
            assert peer.old("setbind", bindid=1) == {"bindid": 1, "error": 2, "msg": NO_SESSION}
            assert peer.old("disbind") == {"error": 2, "msg": NO_SESSION}
            assert peer.old("getdir") == {"error": 2, "msg": NO_SESSION}


@pytest.mark.parametrize("kind", QUEUED)
class TestOrderOfChecks:
    def test_the_session_comes_first(self, rig: DriveRig, kind: str) -> None:
        """Error 2 with what is echoed, also when nothing is bound and the values are absurd."""
        with Peer(rig.tcp_port, session=DEAD) as peer:
            told = peer.old(kind, data=body_of(kind), **{**QUEUED[kind], "bindid": 99})
            assert (told.pop("error"), told.pop("msg")) == (2, NO_SESSION)
            assert told == {name: QUEUED[kind][name] for name in ECHO.get(kind, ("queueid",))}

    def test_then_the_bind(self, rig: DriveRig, kind: str) -> None:
        """Error 3 with what is echoed, also when values are out of range."""
        wrong = {"md5": "no md5"} if "md5" in QUEUED[kind] else {"vfile_id": -1} if "vfile_id" in QUEUED[kind] else {}
        with rig.old_peer(bind=None) as peer:
            told = peer.old(kind, data=body_of(kind), **{**QUEUED[kind], **wrong})
            assert (told.pop("error"), told.pop("msg")) == (3, NO_BIND)
            assert told == {name: QUEUED[kind][name] for name in ECHO.get(kind, ("queueid",))}

    def test_then_the_values(self, rig: DriveRig, kind: str) -> None:
        """Error 1 for what no file can have, and the connection goes on."""
        wrong: dict[str, dict[str, Any]] = {
            "uploadFile": {"md5": "no md5"}, "uploadChunk": {"vfile_id": 99999}, "downloadFile": {"md5": "?"},
            "deleteFile": {"path": "/../"}, "createDir": {"dirname": ".."}, "deleteDir": {"dirname": "../x"},
        }  # fmt: skip
        with rig.old_peer() as peer:
            told = peer.old(kind, data=body_of(kind), **{**QUEUED[kind], **wrong[kind]})
            if kind == "deleteDir":
                assert told["error"] in (0, 1)  # what cannot be there is not there
            else:
                assert told["error"] == 1, told
            assert peer.old("getdir")["error"] == 0


class TestUploads:
    def test_as_its_client_does_it(self, rig: DriveRig) -> None:
        """Announced, sent, listed with the path as it was spelled, on disk under its name, with its time."""
        with rig.old_peer() as peer:
            told = peer.announce("a.txt", b"hello", "/sub/")
            vfile = told.pop("vfile_id")
            assert told == {"error": 4, "msg": "need to upload", "queueid": 7}
            assert peer.old("getdir")["dir_list"] is None
            assert peer.chunk(vfile, b"hello") == {"error": 0, "msg": "upload success", "queueid": 8}
            assert peer.listed() == {
                "/sub/a.txt": {
                    "filename": "a.txt",
                    "path": "/sub/",
                    "md5": md5(b"hello"),
                    "size": 5,
                    "mtime": 1_625_000_000,
                }
            }
            assert rig.files() == {"sub/a.txt": b"hello"}
            assert (rig.own() / "sub" / "a.txt").stat().st_mtime == 1_625_000_000

    def test_spellings_come_back_byte_for_byte(self, rig: DriveRig) -> None:
        """Clients compare path and name with their own, so another spelling would be downloaded for ever."""
        with rig.old_peer() as peer:
            for path in ("//", "/sub/", "//x//y/"):
                peer.old_put("a", b"a" + path.encode(), path)
            assert sorted(peer.listed()) == ["///a".replace("///", "//"), "//x//y/a", "/sub/a"]
            assert set(rig.files()) == {"a", "sub/a", "x/y/a"}

    def test_names_that_are_not_ascii(self, rig: DriveRig) -> None:
        """Answers are ASCII, whatever the names; requests may be GBK."""
        with rig.old_peer() as peer:
            peer.old_put("文件.txt", b"hello", "/目录/")
            assert list(peer.listed()) == ["/目录/文件.txt"]
            head = (
                "deleteFile\n" + f'{{"session":"{peer.session}","queueid":1,"filename":"文件.txt","path":"/目录/"}}\0'
            )
            peer.send(head.encode("gbk"))
            assert peer.hear()["filename"] == "文件.txt"
            assert rig.files() == {}

    def test_known_content_is_not_sent(self, rig: DriveRig) -> None:
        """Error 0 at once, with an id that means something; the file is there."""
        with rig.old_peer() as peer:
            peer.old_put("a", b"hello")
            told = peer.announce("b", b"hello")
            vfile = told.pop("vfile_id")
            assert told == {"error": 0, "msg": "lightning transfer success", "queueid": 7}
            assert rig.files() == {"a": b"hello", "b": b"hello"}
            assert peer.chunk(vfile, b"hello")["msg"] == "this chunk has been uploaded"

    def test_an_empty_file(self, rig: DriveRig) -> None:
        """No client of the dialect sends one; it is taken."""
        with rig.old_peer() as peer:
            assert peer.announce("empty", b"")["error"] == 0
            assert rig.files() == {"empty": b""}

    def test_the_whole_file_as_its_first_block(self, rig: DriveRig) -> None:
        """Every version of the client sends all that is left of the file with each block; what is there is passed over."""
        content = os.urandom(2 * BLOCK + 5)
        with rig.old_peer() as peer:
            vfile = peer.announce("a", content)["vfile_id"]
            assert peer.chunk(vfile, content)["msg"] == "upload success"
            for number in (1, 2):
                told = peer.chunk(vfile, content[number * BLOCK :], number, number * BLOCK)
                assert told == {"error": 0, "msg": "this chunk has been uploaded", "queueid": 8}
            assert rig.files() == {"a": content}
            assert rig.ask("GET", f"/nodes/{vfile}/versions").json()["versions"][1:] == []

    def test_blocks_in_any_order_and_twice(self, rig: DriveRig) -> None:
        """The file appears with the last one, whole."""
        content = os.urandom(2 * BLOCK + 5)
        with rig.old_peer() as peer:
            vfile = peer.announce("a", content)["vfile_id"]
            for number in (2, 0, 2, 0):
                part = content[number * BLOCK : (number + 1) * BLOCK]
                assert peer.chunk(vfile, part, number, number * BLOCK)["error"] == 0
                assert rig.files() == {}
            assert peer.chunk(vfile, content[BLOCK : 2 * BLOCK], 1, BLOCK)["msg"] == "upload success"
            assert rig.files() == {"a": content}

    def test_other_bytes_than_announced(self, rig: DriveRig) -> None:
        """The md5 is verified: nothing is published, nothing counts, and the right bytes can be sent."""
        with rig.old_peer() as peer:
            vfile = peer.announce("a", b"hello")["vfile_id"]
            told = peer.chunk(vfile, b"jello")
            assert (told["error"], told["queueid"]) == (1, 8)
            assert "md5" in told["msg"]
            assert rig.files() == {}
            assert peer.chunk(vfile, b"hello")["msg"] == "upload success"
            assert rig.files() == {"a": b"hello"}

    def test_blocks_that_lie_outside(self, rig: DriveRig) -> None:
        """Error 1; their bytes are stepped over."""
        with rig.old_peer() as peer:
            vfile = peer.announce("a", b"hello")["vfile_id"]
            assert peer.chunk(vfile, b"hello!")["error"] == 1
            assert peer.chunk(vfile, b"o", 0, 5)["error"] == 1
            assert peer.chunk(99999, b"hello") == {"error": 1, "msg": UNKNOWN, "queueid": 8}
            assert peer.chunk(vfile, b"hello")["error"] == 0

    def test_a_dead_session_in_front_of_a_body(self, rig: DriveRig) -> None:
        """As after a restart, when a client sends what it had queued: error 2 for each, in step, nothing stored."""
        content = os.urandom(3 * MIB)
        with rig.old_peer() as peer:
            vfile = peer.announce("a", content)["vfile_id"]
            alive, peer.session = peer.session, DEAD
            for _ in range(3):
                assert peer.chunk(vfile, content) == {"error": 2, "msg": NO_SESSION, "queueid": 8}
            peer.session = alive
            assert peer.chunk(vfile, content)["error"] == 0

    def test_a_refused_body_of_a_stranger_is_read_up_to_a_bound(self, rig: DriveRig) -> None:
        """Beyond 64 MiB the answer comes at once and the connection is closed."""
        with Peer(rig.tcp_port, session=DEAD) as peer:
            peer.send(final("uploadChunk", session=DEAD, vfile_id=1, queueid=1, chunkid=0, offset=0, chunksize=1 << 33))
            assert peer.hear()["error"] == 2
            assert peer.is_closed()

    def test_a_new_content_keeps_the_old_one(self, rig: DriveRig) -> None:
        """The protocol cannot say what it replaces, so what was there is a version."""
        with rig.old_peer() as peer:
            peer.old_put("a", b"one")
            peer.old_put("a", b"two!")
            assert rig.files() == {"a": b"two!"}
            (node,) = rig.drive.tree.listing(rig.drive.sessions.check(peer.session), rig.roots.named("anna").id).files
            versions = rig.ask("GET", f"/nodes/{node.vfile}/versions").json()["versions"]
            assert [each["size"] for each in versions] == [4, 3]

    def test_what_was_sent_in_part_is_still_told(self, rig: DriveRig) -> None:
        """A client that stops sending, but still listens, is told how many bytes came."""
        with rig.old_peer() as peer:
            vfile = peer.announce("a", b"hello")["vfile_id"]
            peer.send(
                final("uploadChunk", session=peer.session, vfile_id=vfile, queueid=1, chunkid=0, offset=0, chunksize=5)
            )
            peer.send(b"he")
            peer.sock.shutdown(1)
            told = peer.hear()
            assert told["msg"] == "upload failed, actural upload 2 bytes, should be 5 bytes"
            assert (told["error"], told["queueid"]) == (1, 1)
            assert peer.is_closed()


class TestDownloads:
    def test_parts(self, rig: DriveRig) -> None:
        """Exactly the bytes asked for, then one NUL, small and large."""
        content = os.urandom(BLOCK + 5)
        with rig.old_peer() as peer:
            peer.old_put("a", content)
            assert peer.old_get(md5(content), BLOCK) == content[:BLOCK]
            assert peer.old_get(md5(content), 5, BLOCK) == content[BLOCK:]
            assert peer.old_get(md5(content), 0, BLOCK) == b""
            assert peer.old_get(md5(content).upper(), 3, 1) == content[1:4]

    def test_unknown_content(self, rig: DriveRig) -> None:
        """Error 1 without data, so the stream stays in step."""
        with rig.old_peer() as peer:
            told = peer.old("downloadFile", md5=md5(b"hello"), queueid=1, offset=0, chunksize=5)
            assert told == {"error": 1, "msg": UNKNOWN, "queueid": 1}
            peer.old_put("a", b"hello")
            assert peer.old("downloadFile", md5=md5(b"hello"), queueid=1, offset=3, chunksize=3)["error"] == 1
            assert peer.old_get(md5(b"hello"), 5) == b"hello"


class TestTree:
    def test_deleting_files(self, rig: DriveRig) -> None:
        """Into the trash; then it has been deleted; the parent may be gone too."""
        with rig.old_peer() as peer:
            peer.old_put("a", b"hello")
            ask: dict[str, Any] = {"queueid": 1, "filename": "a", "path": "//"}
            assert peer.old("deleteFile", **ask) == {**ask, "error": 0, "msg": "delete file success"}
            told = peer.old("deleteFile", **ask)
            assert told == {**ask, "error": 1, "msg": "file already has been deleted, delete failed"}
            ask["path"] = "/nowhere/"
            assert peer.old("deleteFile", **ask) == {**ask, "error": 1, "msg": "parent dir not exist"}
            assert rig.files() == {}
            root = rig.roots.named("anna").id
            assert [each["node"]["name"] for each in rig.ask("GET", f"/roots/{root}/trash").json()["items"]] == ["a"]

    def test_folders(self, rig: DriveRig) -> None:
        """Made once, deleted once; one that is not empty stays."""
        with rig.old_peer() as peer:
            ask: dict[str, Any] = {"queueid": 1, "prefix": "//", "dirname": "d"}
            assert peer.old("createDir", **ask) == {**ask, "error": 0, "msg": "create dir success"}
            assert peer.old("createDir", **ask) == {**ask, "error": 0, "msg": "dir has been created"}
            peer.old_put("a", b"hello", "/d/")
            told = peer.old("deleteDir", **ask)
            assert told["error"] == 1
            assert "empty" in told["msg"]
            peer.old("deleteFile", queueid=1, filename="a", path="/d/")
            assert peer.old("deleteDir", **ask) == {**ask, "error": 0, "msg": "delete dir success"}
            assert peer.old("deleteDir", **ask) == {**ask, "error": 0, "msg": "dir has been deleted"}
            assert not (rig.own() / "d").exists()

    def test_a_file_in_the_way(self, rig: DriveRig) -> None:
        """Error 1, and nothing is replaced by something of another kind."""
        with rig.old_peer() as peer:
            peer.old_put("a", b"hello")
            assert peer.old("createDir", queueid=1, prefix="//", dirname="a")["error"] == 1
            peer.old("createDir", queueid=1, prefix="//", dirname="d")
            assert peer.announce("d", b"hello")["error"] == 1
            assert rig.files() == {"a": b"hello"}

    def test_keys_of_clients_are_tolerated(self, rig: DriveRig) -> None:
        """Its own client strips them, others may not."""
        with rig.old_peer() as peer:
            peer.old_put("a", b"hello")
            told = peer.old(
                "downloadFile", md5=md5(b"hello"), queueid=1, offset=0, chunksize=5, taskid=4, filename="a", path="//",
                chunkid=0,
            )  # fmt: skip
            assert told["error"] == 0
            assert peer.exactly(6) == b"hello\0"
