"""Uploads in three parts: announced, sent in pieces, broken off, resumed, over finished files."""

import hashlib
import random
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.isync.rig import FORM, IsyncRig, Phone, Told
from tests.fronts.isync.rig import rig as open_rig

from homestow.server.rules.access import OUTSIDE
from homestow.server.service.parts import Part
from homestow.values.errors import WrongOffset
from homestow.values.ids import NodeId

TYPE = "multipart/form-data; boundary=B"


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def announce(
    rig: IsyncRig, phone: Phone, size: int, name: str = "a", ext: str = "jpg", **more: object
) -> dict[str, Any]:
    """A file announced in the root."""
    given: dict[str, object] = {"cid": rig.top, "name": name, "size": size, "type": 1, "ext": ext, **more}
    found: dict[str, Any] = phone.post("uploadFileInfo", **given).data
    return found


def body_of(parts: Mapping[str, bytes]) -> bytes:
    """A body with these parts by file name."""
    made = b"".join(
        f'--B\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: video/mp4\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in parts.items()
    )
    return made + b"--B--\r\n"


def send(phone: Phone, node: int, query: str = "", /, **parts: bytes) -> Told:
    """One request with these parts."""
    return phone.ask("POST", f"/uploadFile.icc?id={node}{query}", body_of(parts), {"Content-Type": TYPE})


def waiting(phone: Phone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = phone.get("uploadingInfo").data
    return found


def read(phone: Phone, node: int) -> bytes:
    told = phone.ask("GET", f"/downFile.icc?id={node}")
    assert told.status == 200, told
    return told.body


def on_disk(rig: IsyncRig) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in rig.folder.iterdir() if path.is_file()}


class TestConversation:
    def test_a_file_with_both_thumbnails_in_one_request(self, rig: IsyncRig, phone: Phone) -> None:
        """Announced, sent, listed; on disk under its name and extension."""
        info = announce(
            rig, phone, 5, "Pic", "JPG", statusForThumb=2, statusForScreen=2, createTime=1_400_000_000,
            lastModifyTime=1_500_000_000, longitude=12.5, latitude=-3.25, memo="m", helpInt=7, width=4, height=3,
        )  # fmt: skip
        assert {key: info[key] for key in info if "ing" in key and key != "orientation"} == {
            "uploadingOriginSize": 0, "uploadingThumbSize": 0, "uploadingScreenSize": 0,
        }  # fmt: skip
        assert info["name"] == "Pic"
        assert phone.get("files", pageIndex=0).data["list"] == []
        assert waiting(phone) == [info]

        answer = send(phone, info["id"], "&cm=SHA1", origin=b"HELLO", thumb=b"small", screen=b"large").data

        assert answer["check"] == {
            "origin": hashlib.sha1(b"HELLO").hexdigest(), "thumb": hashlib.sha1(b"small").hexdigest(),
            "screen": hashlib.sha1(b"large").hexdigest(),
        }  # fmt: skip
        file = answer["fileInfo"]
        assert (file["id"], file["name"], file["size"], file["createTime"]) == (info["id"], "Pic", 5, 1_400_000_000)
        assert (file["lastModifyTime"], file["memo"], file["helpInt"], file["width"]) == (1_500_000_000, "m", 7, 4)
        assert not [key for key in file if key.startswith("uploading")]
        assert waiting(phone) == []
        assert phone.get("files", pageIndex=0).data["list"] == [file]
        assert on_disk(rig) == {"Pic.JPG": b"HELLO"}
        extras = rig.isync.extras.extras([NodeId(info["id"])])[NodeId(info["id"])]
        assert (extras.longitude, extras.latitude) == (12.5, -3.25)
        assert phone.ask("GET", f"/thumbnail.icc?id={info['id']}").body == b"small"
        assert phone.ask("GET", f"/thumbnail.icc?id={info['id']}&level=1").body == b"large"

    def test_the_example_of_the_protocol(self, rig: IsyncRig, phone: Phone) -> None:
        """Byte for byte: five bytes more behind 82,331 that are there, with their digest together."""
        begun = random.Random(1).randbytes(82331)
        node = announce(rig, phone, 82336, "film", "mp4", type=4)["id"]
        assert send(phone, node, origin=begun).data["fileInfo"]["uploadingOriginSize"] == 82331
        body = (
            b'--B\r\nContent-Disposition: form-data; name="f"; filename="origin"\r\nContent-Type: video/mp4\r\n\r\n'
            b"HELLO\r\n--B--\r\n"
        )
        told = phone.ask("POST", f"/uploadFile.icc?id={node}&obp=82331&cm=sha1", body, {"Content-Type": TYPE})

        assert told.data["check"] == {"origin": hashlib.sha1(begun + b"HELLO").hexdigest()}
        assert told.data["fileInfo"]["size"] == 82336
        assert on_disk(rig) == {"film.mp4": begun + b"HELLO"}

    def test_nothing_to_send_changes_nothing(self, rig: IsyncRig, phone: Phone) -> None:
        """No body, another type, a form without files; `check` is there and empty when it was asked for."""
        info = announce(rig, phone, 3)
        for kind, body in ((TYPE, b""), (FORM, b"a=b"), ("text/plain", b"x"), (TYPE, b"--B--\r\n")):
            told = phone.ask("POST", f"/uploadFile.icc?id={info['id']}&cm=md5", body, {"Content-Type": kind})
            assert told.data == {"fileInfo": info, "check": {}}, kind
        field = b'--B\r\nContent-Disposition: form-data; name="origin"\r\n\r\nxyz\r\n--B--\r\n'
        told = phone.ask("POST", f"/uploadFile.icc?id={info['id']}", field, {"Content-Type": TYPE})
        assert told.data == {"fileInfo": info}

    def test_only_the_query_counts(self, rig: IsyncRig, phone: Phone) -> None:
        """An id in the body is none."""
        info = announce(rig, phone, 3)
        body = f'--B\r\nContent-Disposition: form-data; name="id"\r\n\r\n{info["id"]}\r\n--B--\r\n'.encode()
        assert phone.ask("POST", "/uploadFile.icc", body, {"Content-Type": TYPE}).code == -10003

    def test_json_and_form_and_query_announce(self, rig: IsyncRig, phone: Phone) -> None:
        """All three ways to give parameters."""
        given = {"cid": rig.top, "name": "n", "size": 1, "type": 16, "ext": ""}
        first = phone.post_json("uploadFileInfo", given).data
        second = phone.ask("POST", f"/uploadFileInfo.icc?cid={rig.top}&name=n&size=1&type=16&ext=").data
        assert first["id"] < second["id"]
        assert [each["id"] for each in waiting(phone)] == [first["id"], second["id"]]


class TestRefused:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"cid": 999999}, {"cid": "x"}, {"name": ""}, {"name": "n" * 101}, {"size": -1}, {"size": "1.5"}, {"type": 3},
            {"ext": "e" * 11}, {"ext": None}, {"name": None}, {"size": 1 << 60},
        ],
    )  # fmt: skip
    def test_a_wrong_announcement(self, rig: IsyncRig, phone: Phone, wrong: dict[str, object]) -> None:
        """Is a bad parameter; nothing is begun."""
        given = {"cid": rig.top, "name": "n", "size": 1, "type": 1, "ext": "jpg", **wrong}
        told = phone.post_json("uploadFileInfo", {key: value for key, value in given.items() if value is not None})
        assert told.code == -10003
        assert waiting(phone) == []

    def test_wrong_begins_do_no_harm(self, rig: IsyncRig, phone: Phone) -> None:
        """Above what is there, for each part; what is there stays."""
        info = announce(rig, phone, 9, statusForThumb=2, statusForScreen=2)
        send(phone, info["id"], origin=b"abc", thumb=b"12")
        # The thumbnail came whole: it counts now, the others wait.
        (before,) = waiting(phone)
        assert (before["uploadingOriginSize"], before["uploadingScreenSize"]) == (3, 0)
        assert "uploadingThumbSize" not in before
        for query, part in (("&obp=4", "origin"), ("&tbp=3", "thumb"), ("&sbp=1", "screen"), ("&obp=-1", "origin")):
            assert send(phone, info["id"], query, **{part: b"zzz"}).code == -10003
            assert waiting(phone) == [before]
        assert send(phone, info["id"], "&obp=2&sbp=0", origin=b"CDEFGHI", screen=b"s").code == 0
        assert on_disk(rig) == {"a.jpg": b"abCDEFGHI"}

    @pytest.mark.parametrize(
        "kind, body",
        [
            (TYPE, b"--B\r\nnonsense\r\n\r\nx\r\n--B--"),
            (TYPE, body_of({"other": b"x"})),
            (TYPE, b'--B\r\nContent-Disposition: form-data; filename="origin"\r\n\r\nabc'),
            ("multipart/form-data", body_of({"origin": b"x"})),
            (TYPE, b"--C--"),
        ],
    )
    def test_malformed_bodies(self, rig: IsyncRig, phone: Phone, kind: str, body: bytes) -> None:
        """Are told; the file still waits for its bytes."""
        info = announce(rig, phone, 3)
        told = phone.ask("POST", f"/uploadFile.icc?id={info['id']}", body, {"Content-Type": kind})
        assert told.code == -10003
        assert len(waiting(phone)) == 1
        assert on_disk(rig) == {}

    def test_what_somebody_may_not_see_is_not_there(self, rig: IsyncRig, phone: Phone) -> None:
        """The same bytes as for what never was, on every call; also without a login."""
        info = announce(rig, phone, 3)
        dan = rig.phone("dan")
        for node in (info["id"], rig.put("x", b"1").id):
            assert send(dan, node, origin=b"abc").body == send(dan, 987654, origin=b"abc").body
        told = dan.post("uploadFileInfo", cid=rig.top, name="n", size=1, type=1, ext="")
        assert told.body == dan.post("uploadFileInfo", cid=987654, name="n", size=1, type=1, ext="").body
        assert waiting(dan) == []
        nobody = rig.phone(None)
        assert send(nobody, info["id"], origin=b"abc").code == -10001
        assert nobody.get("uploadingInfo").code == -10001

    def test_a_folder_takes_no_bytes(self, rig: IsyncRig, phone: Phone) -> None:
        """Nor does a file that was deleted."""
        assert send(phone, rig.top, origin=b"x").code == -10003
        node = announce(rig, phone, 1)["id"]
        send(phone, node, origin=b"x")
        phone.post("deleteFiles", ids=node)
        assert send(phone, node, origin=b"y").code == -10003


class TestNames:
    @pytest.mark.parametrize(
        "name, ext, becomes",
        [
            ("a", "jpg", "a.jpg"), ("a.JPG", "jpg", "a.JPG"), ("a/b\\c", "x", "a_b\\c.x"), ("..", "", "_.."), (".", "e", "..e"),
            ("x", "../e", "x._e"), ("\0", "", "_"), (".homestow", "", "_.homestow"), ("ü" * 100, "jpg", "ü" * 100 + ".jpg"),
            ("😀" * 100, "jpg", "😀" * 62 + ".jpg"), ("a\nb", "", "a\nb"), ("-rf", "", "-rf"),
        ],
    )  # fmt: skip
    def test_absurd_names_become_names(self, rig: IsyncRig, phone: Phone, name: str, ext: str, becomes: str) -> None:
        """On disk what a file can be called; told as they were given."""
        given = {"cid": rig.top, "name": name, "size": 1, "type": 16, "ext": ext}
        info = phone.post_json("uploadFileInfo", given).data
        done = send(phone, info["id"], origin=b"1").data["fileInfo"]
        assert done["name"] == info["name"] == name
        assert list(on_disk(rig)) == [becomes]

    def test_a_name_in_use_gets_a_number(self, rig: IsyncRig, phone: Phone) -> None:
        """On disk; people see the name they gave."""
        rig.put("a.jpg", b"other")
        for number in (2, 3):
            node = announce(rig, phone, 1)["id"]
            assert send(phone, node, origin=b"%d" % number).data["fileInfo"]["name"] == "a"
        assert on_disk(rig) == {"a.jpg": b"other", "a (2).jpg": b"2", "a (3).jpg": b"3"}

    def test_it_lands_where_it_was_moved_while_it_came(self, rig: IsyncRig, phone: Phone) -> None:
        """Another name and catalog, given between two pieces."""
        folder = phone.post("createCatalog", parentId=rig.top, name="f").data["id"]
        node = announce(rig, phone, 2)["id"]
        send(phone, node, origin=b"1")
        assert phone.post("updateFile", id=node, catalogId=folder, name="b").code == 0
        done = send(phone, node, "&obp=1", origin=b"2").data["fileInfo"]
        assert (done["catalogId"], done["name"]) == (folder, "b")


class TestSizes:
    def test_pieces_until_the_declared_size(self, rig: IsyncRig, phone: Phone) -> None:
        """Each whole request is fine; the file appears with the last."""
        node = announce(rig, phone, 6)["id"]
        for at, piece in ((0, b"ab"), (2, b"cd")):
            told = send(phone, node, f"&obp={at}", origin=piece).data["fileInfo"]
            assert (told["uploadingOriginSize"], told["size"]) == (at + 2, 6)
            assert phone.get("files", pageIndex=0).data["list"] == []
        assert "uploadingOriginSize" not in send(phone, node, "&obp=4", origin=b"ef").data["fileInfo"]
        assert on_disk(rig) == {"a.jpg": b"abcdef"}

    def test_more_than_declared_is_taken(self, rig: IsyncRig, phone: Phone) -> None:
        """As the order's server does."""
        node = announce(rig, phone, 2)["id"]
        assert send(phone, node, origin=b"x" * 300_000).data["fileInfo"]["size"] == 300_000

    def test_an_empty_file(self, rig: IsyncRig, phone: Phone) -> None:
        """Is there once its empty part came."""
        node = announce(rig, phone, 0)["id"]
        assert len(waiting(phone)) == 1
        assert send(phone, node, origin=b"").data["fileInfo"]["size"] == 0
        assert on_disk(rig) == {"a.jpg": b""}

    def test_a_quota_is_told(self, rig: IsyncRig, phone: Phone) -> None:
        """At the announcement and for what comes beyond it; what came stays."""
        rig.roots.set_quota("tree", 100_000)
        told = phone.post("uploadFileInfo", cid=rig.top, name="n", size=200_000, type=1, ext="")
        assert (told.status, told.code) == (200, -10003)
        assert "quota" in told.json["msg"]
        node = announce(rig, phone, 2)["id"]
        told = send(phone, node, origin=b"x" * 200_000)
        assert (told.code, "quota" in told.json["msg"]) == (-10003, True)
        (info,) = waiting(phone)
        have = info["uploadingOriginSize"]
        assert send(phone, node, f"&obp={have}", origin=b"ab").data["fileInfo"]["size"] == have + 2


class TestOver:
    def test_a_finished_file_gets_new_content(self, rig: IsyncRig, phone: Phone) -> None:
        """The old one is kept; a digest covers all of it."""
        node = rig.put("old.txt", b"old content")
        done = send(phone, node.id, "&cm=md5", origin=b"new").data
        assert done["fileInfo"]["size"] == 3
        assert read(phone, node.id) == b"new"
        done = send(phone, node.id, "&obp=2&cm=md5", origin=b"xt one").data
        assert done["check"]["origin"] == hashlib.md5(b"next one").hexdigest()
        assert read(phone, node.id) == b"next one"
        assert old_content(rig, node.id, 1) == b"old content"
        assert old_content(rig, node.id, 2) == b"new"

    def test_broken_off_it_waits_and_the_old_content_stands(self, rig: IsyncRig, phone: Phone) -> None:
        """For who sent it; resumed, it takes its place."""
        node = rig.put("old.txt", b"old content")
        cut_short(phone, node.id, body_of({"origin": b"new content"}), 100)
        (info,) = waiting(phone)
        have = info["uploadingOriginSize"]
        assert info["id"] == node.id
        assert rig.read(node.id) == b"old content"
        send(phone, node.id, f"&obp={have}", origin=b"new content"[have:])
        assert (waiting(phone), rig.read(node.id)) == ([], b"new content")

    def test_the_same_again_changes_nothing(self, rig: IsyncRig, phone: Phone) -> None:
        """An answer was lost, and the phone sends its last piece once more."""
        node = announce(rig, phone, 6)["id"]
        for query, piece in (("", b"abcdef"), ("", b"abcdef"), ("&obp=3", b"def"), ("&obp=6", b"")):
            done = send(phone, node, query + "&cm=md5", origin=piece).data
            assert done["check"]["origin"] == hashlib.md5(b"abcdef").hexdigest()
        assert rig.core.catalogue.versions(NodeId(node)) == []

    def test_a_sent_thumbnail_is_not_served_while_another_comes(self, rig: IsyncRig, phone: Phone) -> None:
        """A broken one waits for the rest."""
        node = announce(rig, phone, 1, statusForThumb=2)["id"]
        send(phone, node, origin=b"1", thumb=b"thumb")
        cut_short(phone, node, body_of({"thumb": b"other thumb"}), 100)
        (info,) = waiting(phone)
        assert phone.ask("GET", f"/thumbnail.icc?id={node}").code == -10009
        have = info["uploadingThumbSize"]
        send(phone, node, f"&tbp={have}", thumb=b"other thumb"[have:])
        assert phone.ask("GET", f"/thumbnail.icc?id={node}").body == b"other thumb"

    def test_a_thumbnail_sent_with_new_content_stays(self, rig: IsyncRig, phone: Phone) -> None:
        """One of the old content goes when somebody looks at the new one; this one is of the new."""
        node = announce(rig, phone, 1, statusForThumb=2, statusForScreen=2)["id"]
        send(phone, node, origin=b"1", thumb=b"old", screen=b"old")
        rig.services.media.facts(OUTSIDE, NodeId(node))
        send(phone, node, origin=b"2", thumb=b"new")
        rig.services.media.facts(OUTSIDE, NodeId(node))
        assert phone.ask("GET", f"/thumbnail.icc?id={node}").body == b"new"
        assert phone.ask("GET", f"/thumbnail.icc?id={node}&level=1").code == -10008

    def test_the_declared_size_may_change(self, rig: IsyncRig, phone: Phone) -> None:
        """While the file comes in."""
        node = announce(rig, phone, 10)["id"]
        send(phone, node, origin=b"abc")
        assert phone.post("updateFile", id=node, size=5).data["size"] == 5
        assert "uploadingOriginSize" not in send(phone, node, "&obp=3", origin=b"de").data["fileInfo"]


def cut_short(phone: Phone, node: int, body: bytes, at: int) -> None:
    """A request whose body ends before its closing boundary."""
    assert phone.ask("POST", f"/uploadFile.icc?id={node}", body[:at], {"Content-Type": TYPE}).code == -10003


def broken(rig: IsyncRig, phone: Phone, node: int, query: str, body: bytes, at: int) -> None:
    """A request whose connection breaks after `at` bytes of its body. The server may still be writing when this returns."""
    head = (
        f"POST /uploadFile.icc?id={node}{query} HTTP/1.1\r\nHost: x\r\nCookie: session={phone.cookie}\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((rig.host, rig.port)) as connection:
        connection.sendall(head.encode() + body[:at])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


class TestBreaks:
    def test_any_break_is_resumed(self, tmp_path: Path) -> None:
        """150 seeds: three parts in random order, each connection breaking at a random byte; what is told is there, and in
        the end the bytes are those that were sent."""
        with open_rig(tmp_path) as rig:
            phone = rig.phone()
            for seed in range(150):
                rng = random.Random(seed)
                whole = {
                    "origin": rng.randbytes(rng.choice([0, 1, 300, 5000, 400_000])),
                    "thumb": rng.randbytes(rng.randrange(2000)),
                    "screen": rng.randbytes(rng.randrange(3000)),
                }
                node = announce(
                    rig, phone, len(whole["origin"]), f"s{seed}", "bin", type=16, statusForThumb=2, statusForScreen=2
                )["id"]
                for _ in range(rng.randrange(1, 4)):
                    body, query = rest(rng, phone, node, whole)
                    broken(rig, phone, node, query, body, rng.randrange(len(body)))
                for _ in range(5):
                    body, query = rest(rng, phone, node, whole)
                    told = phone.ask("POST", f"/uploadFile.icc?id={node}{query}&cm=md5", body, {"Content-Type": TYPE})
                    if told.code == 0:
                        break  # else what broke off last was still being written when we asked how far it is
                assert told.code == 0, (seed, told)
                assert waiting(phone) == [], seed
                for part, digest in told.data["check"].items():
                    assert digest == hashlib.md5(whole[part]).hexdigest(), (seed, part)
                assert rig.read(NodeId(node)) == whole["origin"], seed
                for level, part in enumerate(("thumb", "screen")):
                    file = rig.services.thumbnails.sent(NodeId(node), level)
                    assert file is not None
                    with file:
                        assert file.read() == whole[part], (seed, part)

    def test_two_who_send_at_once(self, rig: IsyncRig, phone: Phone) -> None:
        """To one id: the file is one of both contents, never a mixture."""
        other = rig.phone("ben")
        for round_ in range(10):
            node = announce(rig, phone, 500_000, f"r{round_}")["id"]
            threads = [
                threading.Thread(target=send, args=(who, node), kwargs={"origin": letter * 500_000})
                for who, letter in ((phone, b"a"), (other, b"b"))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if waiting(phone):  # both were in each other's way: the phone goes on
                send(phone, node, origin=b"a" * 500_000)
            assert rig.read(NodeId(node)) in (b"a" * 500_000, b"b" * 500_000)

    def test_one_whose_bytes_another_took_back_is_told(self, rig: IsyncRig, phone: Phone) -> None:
        """Its content came whole, but before it counted a later request brought other content: that is no success."""
        node = announce(rig, phone, 5, statusForThumb=2)["id"]
        parts = rig.isync.parts
        first, later = (parts.send(OUTSIDE, NodeId(node), {}, "sha1", parts.arrived()) for _ in range(2))
        for part, data in ((Part.ORIGIN, b"first"), (Part.THUMB, b"small")):
            first.begin(part)
            first.write(memoryview(data))
            first.end()
        later.begin(Part.ORIGIN)

        with pytest.raises(WrongOffset):
            first.finish()
        first.abort()
        later.write(memoryview(b"later"))
        later.end()
        assert later.finish().file_info.uploading_origin_size is None
        later.abort()

        assert read(phone, node) == b"later"
        assert phone.ask("GET", f"/thumbnail.icc?id={node}").body == b"small"


def rest(rng: random.Random, phone: Phone, node: int, whole: Mapping[str, bytes]) -> tuple[bytes, str]:
    """A body with what is missing, or less: some parts begin anew; in random order."""
    info = next((each for each in waiting(phone) if each["id"] == node), {})
    names = {"origin": ("uploadingOriginSize", "obp"), "thumb": ("uploadingThumbSize", "tbp"), "screen": ("uploadingScreenSize", "sbp")}  # fmt: skip
    order = list(whole)
    rng.shuffle(order)
    parts: dict[str, bytes] = {}
    query = ""
    for part in order:
        field, param = names[part]
        if field in info:
            have = info[field]
            begin = have if rng.random() < 0.7 else rng.randrange(have + 1)
            query += f"&{param}={begin}"
            parts[part] = whole[part][begin:]
    return body_of(parts), query


def old_content(rig: IsyncRig, node: int, rev: int) -> bytes:
    """An older content, by the native calls."""
    answer = rig.ask("GET", f"/nodes/{node}/content?rev={rev}")
    assert answer.status == 200, answer
    return answer.body
