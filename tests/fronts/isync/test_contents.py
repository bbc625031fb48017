"""Downloads, thumbnails and shared files."""

import random
from pathlib import Path

import pytest
from tests.fronts.isync.rig import IsyncRig, Phone, Told
from tests.fronts.isync.test_uploads import announce, read, send

from homestow.server.ports.extras import PartStatus
from homestow.values.ids import NodeId


@pytest.fixture
def phone(rig: IsyncRig) -> Phone:
    return rig.phone()


def down(phone: Phone, node: int, wanted: str | None = None, tail: str = "c") -> Told:
    return phone.ask("GET", f"/downFile.ic{tail}?id={node}", headers={"Range": wanted} if wanted else None)


class TestDownloads:
    @pytest.mark.parametrize("size", [10, 300_000])
    def test_ranges(self, rig: IsyncRig, phone: Phone, size: int) -> None:
        """One is honoured, several and malformed ones are not; small content and large."""
        data = random.Random(1).randbytes(size)
        node = rig.put("a.mp4", data).id
        for wanted, status, first, stop in (
            (None, 200, 0, size), ("bytes=0-3", 206, 0, 4), ("bytes=4-", 206, 4, size), ("bytes=-2", 206, size - 2, size),
            (f"bytes=2-{size * 2}", 206, 2, size), ("bytes=0-1,4-5", 200, 0, size), ("bytes=x", 200, 0, size),
        ):  # fmt: skip
            told = down(phone, node, wanted)
            assert (told.status, told.body) == (status, data[first:stop]), wanted
            assert told.headers["accept-ranges"] == "bytes"
            assert told.headers["content-type"] == "video/mp4"
            assert told.headers.get("content-range") == (f"bytes {first}-{stop - 1}/{size}" if status == 206 else None)
        for wanted in (f"bytes={size}-", f"bytes=-{size + 1}", "lines=1-2"):
            told = down(phone, node, wanted)
            assert (told.status, told.code, told.headers["content-range"]) == (416, -10003, f"bytes */{size}")

    def test_conditions_are_not_looked_at(self, rig: IsyncRig, phone: Phone) -> None:
        """As the order's server does: never 304."""
        node = rig.put("a.jpg", b"12345").id
        etag = down(phone, node).headers["etag"]
        told = phone.ask(
            "GET",
            f"/downFile.icc?id={node}",
            headers={"If-None-Match": etag, "If-Range": '"other"', "Range": "bytes=0-1"},
        )
        assert (told.status, told.body) == (206, b"12")

    @pytest.mark.parametrize("tail", ["c", "c.mp4", "xyz", "c.a.b"])
    def test_any_tail(self, rig: IsyncRig, phone: Phone, tail: str) -> None:
        """It changes nothing."""
        assert down(phone, rig.put("a.txt", b"x").id, tail=tail).body == b"x"

    def test_head(self, rig: IsyncRig, phone: Phone) -> None:
        """The same headers, no bytes."""
        told = phone.ask("HEAD", f"/downFile.icc?id={rig.put('a.mp3', b'12345').id}")
        assert (told.status, told.body, told.headers["content-length"]) == (200, b"", "5")

    def test_errors_have_their_statuses(self, rig: IsyncRig, phone: Phone) -> None:
        """No login 403, wrong parameters 416, nothing there 404; half of a file is not there."""
        node = rig.put("a", b"1").id
        coming = announce(rig, phone, 5)["id"]
        send(phone, coming, origin=b"ab")
        for asker, target, status, code in (
            (rig.phone(None), node, 403, -10001), (phone, "x", 416, -10003), (phone, 99999, 404, -10004),
            (phone, coming, 404, -10004), (phone, rig.top, 404, -10004),
        ):  # fmt: skip
            told = asker.ask("GET", f"/downFile.icc?id={target}")
            assert (told.status, told.code) == (status, code), target
        dan = rig.phone("dan")
        assert down(dan, node).body == down(dan, 99999).body
        (rig.folder / "a").unlink()
        assert down(phone, node).status == 404

    @pytest.mark.parametrize("name", ["a.html", "a.svg", "a.xml", "a.js", "a", "a.pdf"])
    def test_nothing_runs_in_a_browser(self, rig: IsyncRig, phone: Phone, name: str) -> None:
        """It is saved, not shown; sandboxed and not sniffed in any case (S22)."""
        headers = down(phone, rig.put(name, b"<script>alert(1)</script>").id).headers
        assert headers["content-disposition"].startswith("attachment")
        assert headers["content-security-policy"] == "sandbox"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "private, no-cache"


class TestShares:
    def test_a_key_opens_a_file_without_a_login(self, rig: IsyncRig, phone: Phone) -> None:
        """With ranges and any tail; the same key for who asks again."""
        node = rig.put("film.mp4", b"0123456789").id
        key = phone.get("shareFileUrl", id=node).data
        assert (len(key), phone.get("shareFileUrl", id=node).data) == (32, key)
        nobody = rig.phone(None)
        for tail in ("c", "c.mp4", "c.mov"):
            assert nobody.ask("GET", f"/shareFile.ic{tail}?shareKey={key}").body == b"0123456789"
        told = nobody.ask("GET", f"/shareFile.icc?shareKey={key}", headers={"Range": "bytes=2-4"})
        assert (told.status, told.body) == (206, b"234")
        assert nobody.ask("GET", f"/shareFile.icc?shareKey={key}", headers={"Range": "bytes=20-"}).status == 416

    def test_wrong_keys_open_nothing(self, rig: IsyncRig, phone: Phone) -> None:
        """Unknown, of a deleted file, of somebody who lost the right: all the same answer."""
        node = rig.put("a", b"1").id
        ben = rig.phone("ben")
        keys = [phone.get("shareFileUrl", id=node).data, ben.get("shareFileUrl", id=node).data]
        nobody = rig.phone(None)
        unknown = nobody.get("shareFile", shareKey="0" * 32)
        assert (unknown.status, unknown.code) == (200, -10003)
        assert nobody.get("shareFile").body == unknown.body
        phone.post("deleteFiles", ids=node)
        for key in keys:
            assert nobody.get("shareFile", shareKey=key).body == unknown.body
        assert phone.get("shareFileUrl", id=99999).code == -10004
        assert nobody.get("shareFileUrl", id=node).code == -10001


class TestThumbnails:
    def test_statuses(self, rig: IsyncRig, phone: Phone) -> None:
        """Waiting, broken and sent ones; each with its code and HTTP status."""
        info = announce(rig, phone, 3, statusForThumb=2)
        node = info["id"]

        def asked(level: int) -> tuple[int, int]:
            told = phone.get("thumbnail", id=node, level=level)
            return told.status, told.code

        assert (asked(0), asked(1)) == ((404, -10009), (404, -10009))
        send(phone, node, origin=b"not")
        assert asked(0) == (404, -10009)
        send(phone, node, thumb=b"\xff\xd8\xffsent")
        told = phone.get("thumbnail", id=node)
        assert (told.status, told.body, told.headers["content-type"]) == (200, b"\xff\xd8\xffsent", "image/jpeg")
        part = phone.ask("GET", f"/thumbnail.icc?id={node}", headers={"Range": "bytes=3-"})
        assert (part.status, part.body, part.headers["content-range"]) == (206, b"sent", "bytes 3-6/7")
        assert phone.ask("GET", f"/thumbnail.icc?id={node}", headers={"Range": "bytes=7-"}).status == 416
        assert asked(1) == (404, -10008)
        extras = rig.isync.extras.extras([NodeId(node)])[NodeId(node)]
        assert (extras.thumb, extras.screen) == (PartStatus.UPLOADED, PartStatus.BROKEN)

    def test_only_pictures_and_films(self, rig: IsyncRig, phone: Phone) -> None:
        """By what the client said it is, or the name."""
        assert phone.get("thumbnail", id=rig.put("a.mp3", b"1").id).code == -10005
        sound = announce(rig, phone, 1, "x", "jpg", type=8)["id"]
        send(phone, sound, origin=b"1")
        assert phone.get("thumbnail", id=sound).code == -10005
        assert phone.get("thumbnail", id=99999).code == -10004
        assert phone.get("thumbnail", id="x").code == -10003
        assert rig.phone(None).get("thumbnail", id=sound).code == -10001
        dan = rig.phone("dan")
        assert dan.get("thumbnail", id=sound).body == dan.get("thumbnail", id=99999).body

    def test_made_by_the_server(self, rig: IsyncRig, phone: Phone, tmp_path: Path) -> None:
        """Proportional and small; a picture that fits is sent as it is."""
        from PIL import Image

        path = tmp_path / "made.png"
        Image.new("RGB", (400, 200), "red").save(path)
        node = rig.put("a.png", path.read_bytes()).id
        small, large = phone.get("thumbnail", id=node), phone.get("thumbnail", id=node, level=1)
        assert small.headers["content-type"] in ("image/jpeg", "image/png")
        assert small.body != path.read_bytes()
        assert large.body == path.read_bytes()
        thumb = tmp_path / "thumb"
        thumb.write_bytes(small.body)
        with Image.open(thumb) as opened:
            assert opened.size == (100, 50)


def at_once(rig: IsyncRig, phone: Phone, target: str) -> Told:
    """The answer of the express lane, which is open once reads were quick."""
    for _ in range(200):
        phone.get("catalogs", pids=-1)
        before = rig.at_once
        told = phone.ask("GET", target)
        if rig.at_once > before:
            return told
    raise AssertionError("it never went at once")


class TestAtOnce:
    """Cached thumbnails by the express lane."""

    def picture(self, rig: IsyncRig, tmp_path: Path) -> int:
        from PIL import Image

        path = tmp_path / "made.jpg"
        Image.new("RGB", (1200, 600), "red").save(path)
        return rig.put("a.jpg", path.read_bytes()).id

    def test_it_is_the_same_answer(self, rig: IsyncRig, phone: Phone, tmp_path: Path) -> None:
        """By either way, but for the time it bears; only what is asked in its one form goes at once."""
        node = self.picture(rig, tmp_path)
        for level in ("", "&level=0", "&level=1"):
            ordinary = phone.ask("GET", f"/thumbnail.icc?id={node}{level}", headers={"Pragma": "x"})
            quick = at_once(rig, phone, f"/thumbnail.icc?id={node}{level}")
            drop = ("date",)
            assert {k: v for k, v in quick.headers.items() if k not in drop} == {
                k: v for k, v in ordinary.headers.items() if k not in drop
            }
            assert (quick.status, quick.body) == (200, ordinary.body)

    def test_what_it_does_not_answer_goes_the_ordinary_way(self, rig: IsyncRig, phone: Phone, tmp_path: Path) -> None:
        """No login, no right, waiting and broken ones, what was deleted, foreign pages: the same answers as ever."""
        node = self.picture(rig, tmp_path)
        phone.get("thumbnail", id=node)
        for asker in (phone, rig.phone("cora")):
            assert at_once(rig, asker, f"/thumbnail.icc?id={node}").status == 200
        before = rig.at_once
        assert rig.phone(None).get("thumbnail", id=node).code == -10001
        assert rig.phone("dan").get("thumbnail", id=node).code == -10004
        foreign = phone.ask("GET", f"/thumbnail.icc?id={node}", headers={"Origin": "https://evil.example"})
        assert foreign.code == -10002
        phone.post("updateFile", id=node, statusForThumb=2)
        assert phone.get("thumbnail", id=node).code == -10009
        phone.post("updateFile", id=node, statusForThumb=0, type=16)
        assert phone.get("thumbnail", id=node).code == -10005
        phone.post("updateFile", id=node, type=1)
        phone.post("deleteFiles", ids=node)
        assert phone.get("thumbnail", id=node).code == -10004
        assert rig.at_once == before
        phone.post("logout")
        assert phone.get("thumbnail", id=node).code == -10001


class TestTogether:
    def test_others_see_an_upload_at_once(self, rig: IsyncRig, phone: Phone) -> None:
        """Who shares the root, over both fronts and in the feed."""
        cursor = rig.services.changes.cursor()
        node = announce(rig, phone, 3, "new", "jpg")["id"]
        send(phone, node, origin=b"abc")
        cora = rig.phone("cora")
        assert [file["id"] for file in cora.get("files", pageIndex=0).data["list"]] == [node]
        assert read(cora, node) == b"abc"
        assert rig.read(NodeId(node)) == b"abc"
        rows, _, _ = rig.core.catalogue.changed(rig.root, cursor.number, 100)
        assert [row.id for row in rows if row.kind == "file"] == [node]
