"""What somebody may not see is answered byte for byte like what does not exist; what may only be read is not changed (S09, S54)."""

import os
from dataclasses import dataclass

import pytest
from tests.fronts.netdrive.rig import BLOCK, UNKNOWN, DriveRig, Peer, documented, md5

SECRET = b"anna's secret content"


@dataclass(frozen=True, slots=True)
class World:
    """A root of anna's with a file and an unfinished upload, and ids of all of it."""

    rig: DriveRig
    top: int
    folder: int
    file: int
    coming: int
    content: bytes


@pytest.fixture
def world(rig: DriveRig) -> World:
    content = os.urandom(BLOCK + 1)
    with rig.peer() as peer:
        file = peer.put("secret", SECRET, "/folder/")
        told = peer.ask(
            "upload", data=content[:BLOCK], filename="coming", path="//", md5=md5(content), size=BLOCK + 1, offset=0,
            chunksize=BLOCK,
        )  # fmt: skip
        dirs = {each["dir_path"]: each["dir_id"] for each in peer.ask("dirinfo")["dirs"]}
    return World(rig, dirs["//"], dirs["/folder/"], file, told["vfile_id"], content)


@pytest.mark.parametrize("user", ["dan", "ben", "cora"])
def test_foreign_things_are_like_nothing(world: World, user: str) -> None:
    """Ids of files, folders and uploads, md5 of contents, numbers of roots: each like one that never was."""
    nobodys = 987_654_321
    with world.rig.peer(user) as peer, world.rig.old_peer(user) as old:

        def told(asked: bytes) -> bytes:
            peer.send(asked)
            return peer.until_nul()

        def like_nothing(kind: str, name: str, *values: int, data: bytes = b"", **fields: object) -> None:
            expected = told(documented(kind, session=peer.session, **{**fields, name: nobodys}) + data)
            assert b'"error":1' in expected
            for value in values:
                assert told(documented(kind, session=peer.session, **{**fields, name: value}) + data) == expected

        like_nothing("download", "vfile_id", world.top, world.folder, world.file, world.coming)
        like_nothing("upload", "vfile_id", world.top, world.folder, world.file, world.coming, offset=0, chunksize=0)
        like_nothing("upload", "vfile_id", world.file, world.coming, offset=0, chunksize=5, data=b"hello")
        like_nothing("upload", "vfile_id", world.top, world.file, world.coming, complete=True)
        like_nothing(
            "upload", "vfile_dir_id", world.top, world.folder, world.file, filename="a", size=5, data=b"hello"
        )  # fmt: skip
        unknown = old.old("downloadFile", md5=md5(b"nobody has this"), queueid=1, offset=0, chunksize=5)
        assert old.old("downloadFile", md5=md5(SECRET), queueid=1, offset=0, chunksize=5) == unknown
        assert unknown["msg"] == UNKNOWN
        for vfile in (world.file, world.coming, nobodys):
            assert old.chunk(vfile, world.content[:5]) == {"error": 1, "msg": UNKNOWN, "queueid": 8}
        bad = old.old("setbind", bindid=77)
        assert {**old.old("setbind", bindid=9), "bindid": 77} == bad


def test_known_content_is_known_to_who_may_read_it(world: World) -> None:
    """S110: announcing content that somebody else has asks for all of it, as for content nobody has."""
    with world.rig.old_peer("dan") as dan:
        assert dan.announce("mine", SECRET)["error"] == 4
        assert dan.announce("other", b"nobody has this content")["error"] == 4
        assert dan.old("getdir")["dir_list"] is None
    with world.rig.old_peer("anna") as anna:
        assert anna.announce("again", SECRET)["msg"] == "lightning transfer success"


def test_an_upload_is_its_makers(world: World) -> None:
    """Another member of the same root who announces the same sends all of it himself."""
    rig = world.rig
    content = os.urandom(BLOCK + 1)
    with rig.old_peer("anna", 2) as anna, rig.old_peer("ben", 2) as ben:
        vfile = anna.announce("both", content)["vfile_id"]
        assert anna.chunk(vfile, content[:BLOCK])["error"] == 0
        assert ben.chunk(vfile, content[BLOCK:], 1, BLOCK) == {"error": 1, "msg": UNKNOWN, "queueid": 8}
        own = ben.announce("both", content)
        assert (own["error"], own["vfile_id"] == vfile) == (4, False)
        assert ben.chunk(own["vfile_id"], content)["error"] == 0
        assert anna.chunk(vfile, content[BLOCK:], 1, BLOCK)["error"] == 0
        assert (rig.folder / "both").read_bytes() == content


def test_a_reader_reads_and_changes_nothing(rig: DriveRig) -> None:
    """Every message that changes something is error 1; what is listed is as it was."""
    with rig.old_peer("anna", 2) as anna:
        anna.old_put("a", b"hello", "/d/")
    with rig.old_peer("cora", 2) as cora, rig.beside(cora) as new:
        before = cora.listed()
        assert list(before) == ["/d/a"]
        assert cora.old_get(md5(b"hello"), 5) == b"hello"
        for path in ("/d/", "//", "/new/"):
            assert cora.announce("b", b"other", path)["error"] == 1
            assert cora.announce("a", b"hello", path)["error"] == 1
        assert cora.old("deleteFile", queueid=1, filename="a", path="/d/")["error"] == 1
        assert cora.old("createDir", queueid=1, prefix="//", dirname="e")["error"] == 1
        assert cora.old("deleteDir", queueid=1, prefix="//", dirname="d")["error"] == 1
        told = new.ask("upload", data=b"other", filename="b", size=5, bindid=2)
        assert told["error"] == 1
        told = new.ask("upload", data=bytes(300_000), filename="b", size=300_000, bindid=2)
        assert told["error"] == 1
        assert cora.listed() == before
    assert sorted(path.name for path in rig.folder.rglob("*") if ".homestow" not in path.parts) == ["a", "d"]


def test_rights_that_are_taken_are_gone_at_once(rig: DriveRig) -> None:
    """S55: the number of a root that is not for somebody any more means nothing, with no other in its place."""
    with rig.old_peer("ben", 2) as ben, rig.peer("ben") as new:
        ben.old_put("a", b"hello")
        vfile = new.ask("dirinfo", bindid=2)["files"][0]["vfile_id"]
        sent = documented("upload", session=new.session, filename="b", size=5, bindid=2) + b"hello"
        new.send(sent)
        assert new.hear()["error"] == 0
        assert rig.ask("PUT", f"/roots/{rig.root}/members", {"user": "ben", "rights": "none"}).status == 200
        new.send(sent)
        assert new.hear()["error"] in (1, 3)
        assert ben.old("getdir")["error"] == 3
        assert ben.old("downloadFile", md5=md5(b"hello"), queueid=1, offset=0, chunksize=5)["error"] == 3
        assert new.ask("download", vfile_id=vfile) == {"error": 1, "msg": UNKNOWN}
        assert new.ask("dirinfo", bindid=2)["error"] == 3
        ben.bound(1)
        assert ben.old("getdir")["error"] == 0


def test_names_lead_nowhere(rig: DriveRig) -> None:
    """S01, S02: whatever is spelled, nothing appears outside of the root, and every answer is one of ours."""
    names = [
        "..",
        ".",
        "/",
        "a/b",
        "../x",
        "..\\x",
        "\\..",
        "C:\\x",
        "con",
        "a\0b",
        "\u202e",
        "x" * 256,
        "é" * 200,
        ".homestow",
        "~",
        " ",
        "a ",
        "a.",
    ]
    before = {path: sorted(os.listdir(path)) for path in (rig.place, rig.place / "data", rig.place / "data" / "files")}
    with rig.peer() as peer, rig.old_peer() as old:
        before = {path: sorted(os.listdir(path)) for path in before}
        for name in names:
            for path in ("//", f"/{name}/", f"{name}", f"/../{name}", "/a/../../"):
                told = peer.ask("upload", data=b"hello", filename=name, path=path, size=5)
                assert told["error"] in (0, 1), (name, path)
                for kind in ("createDir", "deleteDir"):
                    assert old.old(kind, queueid=1, prefix=path, dirname=name)["error"] in (0, 1)
                assert old.old("deleteFile", queueid=1, filename=name, path=path)["error"] in (0, 1)
        assert peer.ask("dirinfo")["error"] == 0
    assert {path: sorted(os.listdir(path)) for path in before} == before


def test_a_session_says_who_and_nothing_else(rig: DriveRig) -> None:
    """S40: tokens of other ways in open nothing here, and this one's opens nothing there."""
    with rig.peer() as peer:
        token = rig.token("anna")
        phone = rig.phone()
        assert phone.cookie is not None
        for other in (
            token,
            phone.cookie,
            peer.session[::-1],
            peer.session.swapcase(),
            peer.session + "x",
            peer.session[:-1],
        ):
            assert peer.ask("dirinfo", session=other)["error"] == 2
        assert rig.ask("GET", "/me", token=peer.session).status == 401
        phone.cookie = peer.session
        assert phone.get("catalogs", pids=-1).code == -10001


def test_one_connection_may_bear_two_users(rig: DriveRig) -> None:
    """Each request is its session's, whoever asked before on the same connection."""
    with rig.peer("anna") as anna, rig.peer("ben") as ben, Peer(rig.tcp_port) as both:
        sent = b"".join(
            documented("upload", session=session, filename=f"f{at}", size=3) + name
            for at in range(20)
            for session, name in ((anna.session, b"ann"), (ben.session, b"ben"))
        )
        both.send(sent)
        assert [both.hear()["error"] for _ in range(40)] == [0] * 40
    assert rig.files("anna") == {f"f{at}": b"ann" for at in range(20)}
    assert rig.files("ben") == {f"f{at}": b"ben" for at in range(20)}
