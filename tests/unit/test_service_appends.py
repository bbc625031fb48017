"""Uploads sent from the beginning to the end: resumed, begun anew, growing, over finished files."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.core_world import World, world

from homestow.server.service.appends import Place
from homestow.server.service.receiving import RECORD_EVERY
from homestow.server.service.uploads import Begin
from homestow.values.errors import CloudError, QuotaExceeded, UploadGone, WrongOffset
from homestow.values.ids import UploadId


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made
        made.usage_is_right()


def begin(w: World, size: int, name: str = "up") -> UploadId:
    return w.core.uploads.begin_upload(w.anna, Begin(size=size, parent=w.top, name=name, numbered=True)).id


def send(w: World, upload: UploadId, offset: int, data: bytes, *, breaks: bool = False) -> None:
    sink = w.core.appends.append(w.anna, upload, offset, grows=True)
    for at in range(0, len(data), 1000):
        sink.write(memoryview(data)[at : at + 1000])
    if breaks:
        sink.abort()
    else:
        sink.finish()


class TestAppending:
    def test_what_came_before_a_break_is_there(self, w: World) -> None:
        """Broken off or finished; from above it nothing is taken, and nothing is harmed by trying."""
        upload = begin(w, 10)
        send(w, upload, 0, b"abcde", breaks=True)
        assert w.core.appends.appended(w.anna, upload) == 5
        with pytest.raises(WrongOffset) as caught:
            w.core.appends.append(w.anna, upload, 6)
        assert caught.value.facts["expected"] == 5
        with pytest.raises(WrongOffset):
            w.core.appends.append(w.anna, upload, -1)
        send(w, upload, 5, b"fghij")

        node = w.core.appends.finish(w.anna, upload, Place(w.top, "up", None))

        assert (w.read(node.id), node.size) == (b"abcdefghij", 10)
        assert w.core.appends.finish(w.anna, upload, Place(w.top, "up", None)) == node
        w.nothing_staged()

    @pytest.mark.parametrize("declared", [0, 3, 10, 5000])
    def test_it_becomes_as_long_as_what_came(self, w: World, declared: int) -> None:
        """More or less than was declared; the room reserved is that of the file in the end."""
        upload = begin(w, declared)
        data = random.Random(1).randbytes(4321)
        send(w, upload, 0, data)
        node = w.core.appends.finish(w.anna, upload, Place(w.top, "up", 5_000_000_000))

        assert (w.read(node.id), node.mtime_ns) == (data, 5_000_000_000)
        assert w.catalogue.usage([w.root])[w.root].reserved == 0

    def test_growing_stops_at_the_quota(self, w: World) -> None:
        """To the byte; what came before stays and can be finished."""
        w.roots.set_quota("tree", 5000)
        upload = begin(w, 10)
        sink = w.core.appends.append(w.anna, upload, 0, grows=True)
        sink.write(b"x" * 5000)
        with pytest.raises(QuotaExceeded):
            sink.write(b"y")
        sink.abort()

        assert w.core.appends.appended(w.anna, upload) == 5000
        assert w.core.appends.finish(w.anna, upload, Place(w.top, "up", None)).size == 5000

    def test_names_in_use_get_numbers(self, w: World) -> None:
        """Looked for when the file is finished."""
        for number in range(70):
            upload = begin(w, 1, "a.txt")
            send(w, upload, 0, b"%d" % (number % 10))
            node = w.core.appends.finish(w.anna, upload, Place(w.top, "a.txt", None))
            assert node.name == ("a.txt" if number == 0 else f"a ({number + 1}).txt")

    def test_the_one_who_came_last_goes_on(self, w: World) -> None:
        """Who appended before is over, and none of his bytes comes between."""
        upload = begin(w, 6)
        first = w.core.appends.append(w.anna, upload, 0)
        first.write(b"abc")
        second = w.core.appends.append(w.anna, upload, 2)
        with pytest.raises(WrongOffset):
            first.write(b"XYZ")
        first.abort()
        second.write(b"CDEF")
        with pytest.raises(WrongOffset):
            first.finish()
        second.finish()

        assert w.read(w.core.appends.finish(w.anna, upload, Place(w.top, "up", None)).id) == b"abCDEF"

    def test_an_upload_of_others_is_for_those_who_may_write(self, w: World) -> None:
        """To everybody else it is one that never was (S09)."""
        upload = begin(w, 3)
        sink = w.core.appends.append(w.ben, upload, 0)
        sink.write(b"ben")
        sink.finish()
        for who in (w.cora, w.dan):
            for call in (
                lambda: w.core.appends.append(who, upload, 0),  # noqa: B023 - called at once
                lambda: w.core.appends.appended(who, upload),  # noqa: B023
                lambda: w.core.appends.finish(who, upload, Place(w.top, "up", None)),  # noqa: B023
            ):
                with pytest.raises(UploadGone):
                    call()

        assert w.core.appends.finish(w.ben, upload, Place(w.top, "up", None)).size == 3


class TestOverFinishedFiles:
    def over(self, w: World, data: bytes, keep: int = 0, name: str = "old") -> UploadId:
        """An upload over `name` that begins with the first `keep` bytes of it."""
        node = w.core.files.resolve(w.anna, w.root, (name,))
        upload = w.core.uploads.begin_upload(w.anna, Begin(size=keep, node=node.id, base=node.rev)).id
        if keep:
            w.core.appends.begin_with(w.anna, upload, keep)
        send(w, upload, keep, data)
        return upload

    def test_new_content_is_a_version(self, w: World) -> None:
        """From the beginning, or behind some of what is there; the old content is kept."""
        node = w.put("old", b"old content")
        again = w.core.appends.finish(w.anna, self.over(w, b"new"), None)
        more = w.core.appends.finish(w.anna, self.over(w, b"xt", keep=2), None)

        assert (again.id, w.read(node.id), w.read(node.id, 1), w.read(node.id, 2)) == (
            node.id, b"next", b"old content", b"new",
        )  # fmt: skip
        assert more.rev == 3
        w.nothing_staged()

    def test_the_same_bytes_again_are_no_new_content(self, w: World) -> None:
        """As when an answer was lost and the last piece is sent once more."""
        node = w.put("old", b"old content")
        again = w.core.appends.finish(w.anna, self.over(w, b"content", keep=4), None)

        assert again == node
        w.nothing_staged()

    def test_what_came_between_is_a_version_too(self, w: World) -> None:
        """Somebody else replaced the file while the bytes came in."""
        node = w.put("old", b"1")
        upload = self.over(w, b"22")
        w.put("old", b"between", base=1)
        w.core.appends.finish(w.anna, upload, None)

        assert [w.read(node.id, rev) for rev in (1, 2, 3)] == [b"1", b"between", b"22"]

    def test_it_cannot_begin_with_more_than_is_there(self, w: World) -> None:
        """And says how much that is."""
        node = w.put("old", b"12345")
        upload = w.core.uploads.begin_upload(w.anna, Begin(size=9, node=node.id, base=1)).id
        with pytest.raises(WrongOffset) as caught:
            w.core.appends.begin_with(w.anna, upload, 6)
        assert caught.value.facts["expected"] == 5
        w.core.uploads.cancel_upload(w.anna, upload)


class TestRestarts:
    def test_a_killed_server_knows_how_far_it_was(self, tmp_path: Path) -> None:
        """To the last record; a killed machine, to the last flush. What is told is durable from then on."""
        with world(tmp_path, on_disk=True, database=tmp_path / "data.db") as w:
            data = random.Random(3).randbytes(RECORD_EVERY + 5)
            upload = begin(w, 2 * RECORD_EVERY)
            sink = w.core.appends.append(w.anna, upload, 0, grows=True)
            sink.write(data)
            sink.write(b"not recorded")
            assert w.core.appends.appended(w.anna, upload) == 0  # nothing is flushed yet
            w.restart()

            assert w.core.appends.appended(w.anna, upload) == len(data)
            w.boot = "second"
            w.restart()
            assert w.core.appends.appended(w.anna, upload) == len(data)
            node = w.core.appends.finish(w.anna, upload, Place(w.top, "up", None))
            assert w.read(node.id) == data

    def test_a_cut_is_remembered_before_other_bytes_come(self, tmp_path: Path) -> None:
        """Otherwise a kill would leave a row that counts the old bytes behind the new ones."""
        with world(tmp_path, on_disk=True, database=tmp_path / "data.db") as w:
            upload = begin(w, 10)
            send(w, upload, 0, b"abcdefghij")
            sink = w.core.appends.append(w.anna, upload, 2)
            sink.write(b"XY")
            w.restart()

            assert w.core.appends.appended(w.anna, upload) == 2


class TestAtOnce:
    def test_many_who_append_at_once_leave_one_content(self, tmp_path: Path) -> None:
        """50 rounds of three senders of different bytes: what is published is all of one, or a beginning of one and the rest
        of another that began there; never bytes between bytes."""
        with world(tmp_path, threads=True) as w:
            for round_ in range(50):
                upload = begin(w, 3000, f"f{round_}")
                barrier = threading.Barrier(3)

                def run(letter: bytes, offset: int, upload: UploadId = upload, go: threading.Barrier = barrier) -> None:
                    go.wait()
                    try:
                        sink = w.core.appends.append(w.anna, upload, offset)
                        for _ in range(30):
                            sink.write(letter * 100)
                        sink.finish()
                    except CloudError:
                        return

                threads = [threading.Thread(target=run, args=(letter, 0)) for letter in (b"a", b"b", b"c")]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                node = w.core.appends.finish(w.anna, upload, Place(w.top, f"f{round_}", None))
                data = w.read(node.id)
                assert data in (b"a" * 3000, b"b" * 3000, b"c" * 3000)
