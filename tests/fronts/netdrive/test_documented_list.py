"""The documented list, message by message: success and each failure."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND
from tests.fronts.netdrive.rig import (
    BLOCK,
    DEAD,
    MIB,
    NO_BIND,
    NO_SESSION,
    UNKNOWN,
    DriveRig,
    Peer,
    documented,
    md5,
    open_rig,
)

from homestow.server.fronts.netdrive.documented import MOST_ROWS, progress
from homestow.server.service.netdrive_facts import SMALL, Chunk

NEW = "another battery staple"


class TestAccounts:
    def test_the_documents_example(self, tmp_path: Path) -> None:
        """As the document prints it, comma behind the last value and all."""
        with open_rig(tmp_path, signup_open=True) as rig, rig.peer(None) as peer:
            peer.send(b'{\n    "type": "signup",\n    "username": "admin0606",\n    "password": "1234567890",\n}\n')
            assert peer.hear() == {"type": "signupRes", "error": 0, "msg": "signup success"}
            peer.send(b'{"type": "login", "username": "admin0606", "password": "1234567890",\n \n}')
            told = peer.hear()
            assert (told["type"], told["error"], len(told["session"])) == ("loginRes", 0, 32)

    def test_failures(self, tmp_path: Path) -> None:
        """A taken name, a short password, a wrong one, an unknown user, a missing key: error 1, and the connection goes on."""
        with open_rig(tmp_path, signup_open=True) as rig, rig.peer(None) as peer:
            assert peer.ask("signup", username="anna", password=PASSWORD)["msg"] == "username has been registered"
            assert peer.ask("signup", username="eve", password="123456")["error"] == 1
            for user in ("anna", "nobody"):
                told = peer.ask("login", username=user, password="123456")
                assert told == {"error": 1, "msg": "username password not match"}
            assert peer.ask("login", username="anna")["error"] == 1
            assert peer.ask("login", username=5, password=[])["error"] == 1
            peer.log_in()

    def test_sessions_are_shared_and_counted(self, rig: DriveRig) -> None:
        """A second login while a session lives gets that one, in whichever dialect; the last logout ends it."""
        with rig.peer() as first, rig.old_peer() as second:
            assert first.session == second.session
            assert first.ask("logout") == {"error": 0, "msg": "logout success"}
            assert first.is_closed()
            assert second.old("getdir")["error"] == 0
            with rig.beside(second) as third:
                assert third.ask("logout")["error"] == 0
                assert third.is_closed()
            assert second.old("getdir")["error"] == 2
            with rig.peer() as fourth:
                assert fourth.session != first.session

    def test_sessions_outlive_the_server_and_are_not_stored(self, rig: DriveRig) -> None:
        """S50: the same text is told after a restart, and the database does not hold it."""
        with rig.peer() as peer:
            session = peer.session
        rig.restart()
        with Peer(rig.tcp_port, session=session) as peer:
            assert peer.ask("dirinfo")["error"] == 0
        with rig.peer() as peer:
            assert peer.session == session
        assert session.encode() not in b"".join(
            path.read_bytes() for path in (rig.place / "data").glob("catalogue.db*")
        )

    def test_a_session_nobody_uses_ends(self, rig: DriveRig) -> None:
        """After 30 days; use puts that off."""
        with rig.peer() as peer:
            for _ in range(3):
                rig.clock.ns += 20 * 24 * 3600 * SECOND
                assert peer.ask("dirinfo")["error"] == 0
            rig.clock.ns += 31 * 24 * 3600 * SECOND
            assert peer.ask("dirinfo") == {"error": 2, "msg": NO_SESSION}

    def test_changing_the_password(self, rig: DriveRig) -> None:
        """The document names only the session; the old password is asked for. This session stays, all others end."""
        api = rig.token("anna")
        with rig.peer() as peer:
            assert peer.ask("changepwd", password="wrong", new_password=NEW)["error"] == 1
            assert peer.ask("changepwd", password=PASSWORD, new_password="short")["error"] == 1
            assert peer.ask("changepwd", password=PASSWORD)["error"] == 1
            assert peer.ask("changepwd", session=DEAD, password=PASSWORD, new_password=NEW)["error"] == 2
            assert peer.ask("changepwd", password=PASSWORD, new_password=NEW) == {
                "error": 0,
                "msg": "changepwd success",
            }
            assert peer.ask("dirinfo")["error"] == 0
            assert rig.ask("GET", "/me", token=api).status == 401
            with rig.peer(None) as other:
                assert other.ask("login", username="anna", password=PASSWORD)["error"] == 1
                other.log_in(password=NEW)

    def test_what_ends_a_login_ends_it_at_once(self, rig: DriveRig) -> None:
        """S49: a session is a device of its user; without it the next request is answered with error 2."""
        with rig.peer() as peer:
            devices = rig.ask("GET", "/devices").json()["devices"]
            (mine,) = [each["id"] for each in devices if "netdrive" in each["name"].lower()]
            assert rig.ask("DELETE", f"/devices/{mine}").status == 204
            assert peer.ask("dirinfo") == {"error": 2, "msg": NO_SESSION}
            assert peer.ask("upload", data=b"hello", filename="a", size=5) == {"error": 2, "msg": NO_SESSION}
        assert rig.files() == {}


class TestListing:
    def test_an_empty_root(self, rig: DriveRig) -> None:
        """The top folder alone, and no bind is needed."""
        with rig.peer() as peer:
            told = peer.ask("dirinfo")
            (top,) = told["dirs"]
            assert top["dir_path"] == "//"
            assert told["files"] == []

    def test_folders_and_files(self, rig: DriveRig) -> None:
        """Names of the document; ids lead from files to folders, and from here to everything else."""
        with rig.peer() as peer:
            made = peer.put("a.txt", b"hello", "/sub/deep/", mtime=1_625_000_000)
            told = peer.ask("dirinfo")
            paths = {each["dir_id"]: each["dir_path"] for each in told["dirs"]}
            assert sorted(paths.values()) == ["//", "/sub/", "/sub/deep/"]
            (file,) = told["files"]
            assert paths[file.pop("vfile_dir_id")] == "/sub/deep/"
            assert file == {
                "vfile_id": made, "vfile_name": "a.txt", "vfile_size": 5, "vfile_md5": md5(b"hello"),
                "vfile_server_mtime": 1_625_000_000,
            }  # fmt: skip

    def test_what_others_put_there(self, rig: DriveRig) -> None:
        """Contents that came another way are digested for the list."""
        with rig.peer() as peer:
            top = peer.ask("dirinfo")["dirs"][0]["dir_id"]
            rig.put("by http", b"hello", top)
            (file,) = peer.ask("dirinfo")["files"]
            assert (file["vfile_name"], file["vfile_md5"]) == ("by http", md5(b"hello"))

    def test_other_roots(self, rig: DriveRig) -> None:
        """`bindid` means the same root as in the final dialect; an unknown one is error 3."""
        with rig.peer() as peer:
            peer.put("a", b"hello", bindid=2)
            assert (rig.folder / "a").read_bytes() == b"hello"
            assert len(peer.ask("dirinfo", bindid=2)["files"]) == 1
            assert peer.ask("dirinfo")["files"] == []
            assert peer.ask("dirinfo", bindid=9) == {"error": 3, "msg": NO_BIND}

    def test_failures(self, rig: DriveRig) -> None:
        """No session, a dead one, and what is no session at all."""
        with rig.peer() as peer:
            for session in (DEAD, "", "é" * 32, "x" * 5000):
                assert peer.ask("dirinfo", session=session) == {"error": 2, "msg": NO_SESSION}
            peer.send(documented("dirinfo"))
            assert peer.hear()["error"] == 2
            assert peer.ask("dirinfo", session=5)["error"] in (1, 2)


class TestUploads:
    @pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, BLOCK, BLOCK + 1])
    def test_whole_files(self, rig: DriveRig, size: int) -> None:
        """Small and large, with and without md5."""
        content = os.urandom(size)
        with rig.peer() as peer:
            made = peer.put("a", content, mtime=1_625_000_000)
            assert peer.get(vfile_id=made) == content
            told = peer.ask("upload", data=content[::-1], filename="b", size=size)
            assert (told["error"], told["msg"]) == (0, "upload success")
            assert rig.files() == {"a": content, "b": content[::-1]}

    def test_by_the_id_of_a_folder(self, rig: DriveRig) -> None:
        """In place of a path; a folder that is not there is error 1."""
        with rig.peer() as peer:
            peer.put("a", b"hello", "/sub/")
            folder = next(each["dir_id"] for each in peer.ask("dirinfo")["dirs"] if each["dir_path"] == "/sub/")
            told = peer.ask("upload", data=b"world", filename="b", size=5, vfile_dir_id=folder)
            assert told["error"] == 0
            assert rig.files() == {"sub/a": b"hello", "sub/b": b"world"}
            assert peer.ask("upload", data=b"world", filename="b", size=5, vfile_dir_id=9999)["error"] == 1

    def test_pieces(self, rig: DriveRig) -> None:
        """Announced with its first piece; the others by id, on any connection; the notice of the document is accepted."""
        content = os.urandom(BLOCK + MIB)
        facts: dict[str, Any] = {"filename": "a", "path": "//", "md5": md5(content), "size": len(content)}
        with rig.peer() as peer, rig.beside(peer) as other:
            told = peer.ask("upload", data=content[:MIB], offset=0, chunksize=MIB, **facts)
            vfile = told["vfile_id"]
            assert (told["error"], told["msg"]) == (0, "upload success")
            told = peer.ask("upload", vfile_id=vfile, complete=True)
            assert told["error"] == 1
            assert rig.files() == {}
            told = other.ask("upload", offset=0, chunksize=0, **facts)
            assert (told["error"], told["msg"], told["vfile_id"]) == (4, "need to upload", vfile)
            assert told["done"] == [
                {"offset": 0, "size": BLOCK, "done": False}, {"offset": BLOCK, "size": MIB, "done": False},
            ]  # fmt: skip
            told = other.ask("upload", data=content[MIB:BLOCK], vfile_id=vfile, offset=MIB, chunksize=BLOCK - MIB)
            assert told["error"] == 0
            told = peer.ask("upload", vfile_id=vfile, offset=0, chunksize=0)
            assert [each["done"] for each in told["done"]] == [True, False]
            assert told["error"] == 4
            assert peer.ask("upload", data=content[BLOCK:], vfile_id=vfile, offset=BLOCK, chunksize=MIB)["error"] == 0
            assert peer.ask("upload", vfile_id=vfile, complete=True) == {
                "error": 0, "msg": "upload success", "vfile_id": vfile,
            }  # fmt: skip
            assert rig.files() == {"a": content}
            told = peer.ask("upload", data=content[:MIB], vfile_id=vfile, offset=0, chunksize=MIB)
            assert (told["error"], told["msg"]) == (0, "this chunk has been uploaded")

    def test_known_content_is_not_sent(self, rig: DriveRig) -> None:
        """An announcement is enough, and bytes that come all the same are stepped over."""
        content = os.urandom(MIB)
        facts: dict[str, Any] = {"path": "//", "md5": md5(content), "size": MIB}
        with rig.peer() as peer:
            peer.put("a", content)
            told = peer.ask("upload", filename="b", offset=0, chunksize=0, **facts)
            assert (told["error"], told["msg"]) == (0, "lightning transfer success")
            told = peer.ask("upload", data=content[:10], filename="c", offset=0, chunksize=10, **facts)
            assert (told["error"], told["msg"]) == (0, "lightning transfer success")
            assert set(rig.files()) == {"a", "b", "c"}

    def test_failures(self, rig: DriveRig) -> None:
        """Each is error 1 with its bytes stepped over, so that the next request is found."""
        wrong: list[tuple[dict[str, Any], bytes]] = [
            ({"filename": "a", "size": 5, "md5": md5(b"other")}, b"hello"),
            ({"filename": "a", "size": 5, "md5": "no md5"}, b"hello"),
            ({"filename": "../a", "size": 5}, b"hello"),
            ({"filename": "a/b", "size": 5}, b"hello"),
            ({"filename": "a\0b", "size": 5}, b"hello"),
            ({"filename": "", "size": 5}, b"hello"),
            ({"filename": "a", "path": "/x/../..", "size": 5}, b"hello"),
            ({"filename": "n" * 300, "size": 5}, b"hello"),
            ({"filename": "a", "path": 5, "size": 5}, b"hello"),
            ({"size": 5}, b"hello"),
            ({"filename": "a", "md5": md5(b"hello"), "size": 5, "offset": 3, "chunksize": 5}, b"hello"),
            ({"filename": "a", "size": 5, "offset": 0, "chunksize": 5}, b"hello"),
            ({"vfile_id": 9999, "offset": 0, "chunksize": 5}, b"hello"),
            ({"vfile_id": 9999, "offset": 0, "chunksize": 0}, b""),
            ({"vfile_id": 9999, "complete": True}, b""),
            ({"complete": True}, b""),
            ({"filename": "big", "size": 300_000, "md5": md5(b"other")}, bytes(300_000)),
        ]
        with rig.peer() as peer:
            for fields, data in wrong:
                told = peer.ask("upload", data=data, **fields)
                assert told["error"] == 1, fields
                assert told["msg"]
            assert rig.files() == {}
            peer.put("a", b"hello")

    def test_a_size_nobody_has_room_for(self, tmp_path: Path) -> None:
        """S82: the quota is that of all fronts; the refusal comes before the bytes, and nothing is left."""
        with open_rig(tmp_path, quota=MIB) as rig, rig.peer() as peer:
            peer.send(documented("upload", session=peer.session, filename="a", size=1 << 50))
            told = peer.hear()
            assert told["error"] == 1
            assert peer.is_closed()
            with rig.peer() as other:
                assert other.ask("upload", data=bytes(2 * MIB), filename="a", size=2 * MIB)["error"] == 1
                assert other.ask("upload", data=bytes(MIB // 8), filename="a", size=MIB // 8)["error"] == 0
                for number in range(8):
                    told = other.ask("upload", data=bytes(MIB // 8), filename=f"b{number}", size=MIB // 8)
                assert told["error"] == 1
                assert len(rig.files()) < 9

    def test_many_rows_of_progress(self) -> None:
        """Up to a thousand blocks are told one by one; of more, neighbours together, and no more than a thousand rows."""
        few = [Chunk(at * 4, 4, at % 2 == 0) for at in range(MOST_ROWS)]
        assert [each["offset"] for each in progress(few)] == [4 * at for at in range(MOST_ROWS)]
        many = [Chunk(at * 4, 4, at < 700) for at in range(2000)]
        assert progress(many) == [
            {"offset": 0, "size": 2800, "done": True}, {"offset": 2800, "size": 5200, "done": False},
        ]  # fmt: skip
        assert len(progress([Chunk(at * 4, 4, at % 2 == 0) for at in range(5000)])) == MOST_ROWS


class TestDownloads:
    def test_whole_and_in_part(self, rig: DriveRig) -> None:
        """By id or by md5; the size told is that of the bytes that follow, never past the end."""
        content = os.urandom(MIB)
        with rig.peer() as peer:
            made = peer.put("a", content)
            assert peer.get(vfile_id=made) == content
            assert peer.get(md5=md5(content)) == content
            assert peer.get(vfile_id=made, offset=MIB - 10) == content[-10:]
            assert peer.get(vfile_id=made, offset=5, size=100) == content[5:105]
            assert peer.get(vfile_id=made, offset=MIB - 5, size=100) == content[-5:]
            assert peer.get(vfile_id=made, offset=MIB) == b""

    def test_by_md5_the_content_stays_the_same(self, rig: DriveRig) -> None:
        """A download in pieces comes to its end although the file is another by then; by id it is the new one."""
        with rig.peer() as peer:
            made = peer.put("a", b"one")
            assert peer.get(md5=md5(b"one"), size=2) == b"on"
            peer.put("a", b"two")
            assert peer.get(md5=md5(b"one"), offset=2) == b"e"
            assert peer.get(vfile_id=made) == b"two"

    def test_failures(self, rig: DriveRig) -> None:
        """Error 1 without bytes."""
        with rig.peer() as peer:
            made = peer.put("a", b"hello")
            folder = peer.ask("dirinfo")["dirs"][0]["dir_id"]
            assert peer.ask("download", vfile_id=9999) == {"error": 1, "msg": UNKNOWN}
            assert peer.ask("download", md5=md5(b"x")) == {"error": 1, "msg": UNKNOWN}
            assert peer.ask("download", vfile_id=folder)["error"] == 1
            assert peer.ask("download")["error"] == 1
            assert peer.ask("download", vfile_id="1")["error"] == 1
            assert peer.ask("download", vfile_id=made, offset=6)["error"] == 1
            assert peer.ask("download", vfile_id=made, offset=-1)["error"] == 1
            assert peer.ask("download", session=DEAD, vfile_id=made) == {"error": 2, "msg": NO_SESSION}
            assert peer.get(vfile_id=made) == b"hello"


def test_an_unknown_type_is_told_to_who_is_logged_in(rig: DriveRig) -> None:
    """Phase 0 ignored it, and so it is for strangers."""
    with rig.peer(None) as peer:
        peer.send(documented("list") + b'{"session": ""}' + documented("dirinfo", session=DEAD))
        assert peer.hear()["error"] == 2
        peer.log_in()
        peer.send(documented("list", session=peer.session))
        told = peer.hear()
        assert (told["type"], told["error"]) == ("errorRes", 1)
        assert peer.ask("dirinfo")["error"] == 0
