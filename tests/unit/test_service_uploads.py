"""Uploads in blocks, whole and in packs."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from tests.unit.core_world import SECOND, World, world

from homestow.server.ports.content import Staged
from homestow.server.rules import ranges as spans
from homestow.server.service.uploads import Begin
from homestow.server.service.whole import SMALL
from homestow.server.service.work import Once
from homestow.values.digests import Digest
from homestow.values.errors import (
    BadRequest,
    DigestMismatch,
    Incomplete,
    NotFound,
    PathTaken,
    QuotaExceeded,
    Stale,
    StorageFull,
    TooLarge,
    UploadGone,
    WrongKind,
    WrongOffset,
)
from homestow.values.ids import NodeId, UploadId
from homestow.wire.api import PackItem


def digest(data: bytes) -> Digest:
    return Digest(blake3(data).hexdigest())


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made
        made.usage_is_right()


def begin(w: World, size: int, name: str = "up", **more: object) -> UploadId:
    return w.core.uploads.begin_upload(w.anna, Begin(size=size, parent=w.top, name=name, **more)).id  # type: ignore[arg-type]


def block(w: World, upload: UploadId, offset: int, data: bytes, declared: Digest | None = None) -> None:
    sink = w.core.uploads.put_block(w.anna, upload, offset, declared)
    for at in range(0, len(data), 1000):
        sink.write(memoryview(data)[at : at + 1000])
    sink.finish()


class TestRanges:
    def test_sets_of_ranges_are_what_sets_of_numbers_are(self) -> None:
        """Adding, removing, covering, counting, against plain sets."""
        rng = random.Random(1)
        for _ in range(300):
            ranges: spans.Ranges = ()
            model: set[int] = set()
            for _ in range(8):
                start, stop = sorted((rng.randrange(30), rng.randrange(30)))
                if rng.random() < 0.7:
                    ranges, model = spans.add(ranges, start, stop), model | set(range(start, stop))
                else:
                    ranges, model = spans.remove(ranges, start, stop), model - set(range(start, stop))
                assert {at for first, last in spans.pairs(ranges) for at in range(first, last)} == model
                assert list(ranges) == sorted(set(ranges))
                assert spans.count(ranges) == len(model)
                assert spans.covers(ranges, start, stop) == (set(range(start, stop)) <= model)
                assert spans.prefix(ranges) == next(at for at in range(31) if at not in model)


class TestBlocks:
    def test_blocks_come_in_any_order(self, w: World) -> None:
        """And become the file that they are parts of."""
        data = random.Random(1).randbytes(10_500)
        upload = begin(w, len(data), block_size=1000)
        offsets = list(range(0, len(data), 1000))
        random.Random(2).shuffle(offsets)
        for offset in offsets:
            block(w, upload, offset, data[offset : offset + 1000])

        state = w.core.uploads.upload(w.anna, upload)
        assert (state.state, state.have) == ("uploaded", [(0, len(data))])
        node = w.core.uploads.finish_upload(w.anna, upload, digest(data))

        assert (w.read(node.id), node.id, node.digest) == (data, state.node, digest(data))
        assert w.core.uploads.finish_upload(w.anna, upload) == node
        assert w.core.uploads.upload(w.anna, upload).done == node
        w.nothing_staged()

    def test_what_was_received_counts_after_a_restart(self, tmp_path: Path) -> None:
        """Of this process; after a restart of the machine what was flushed."""
        with world(tmp_path, on_disk=True, database=tmp_path / "data.db") as w:
            upload = begin(w, 30)
            block(w, upload, 10, b"b" * 10)
            w.restart()
            assert w.core.uploads.upload(w.anna, upload).have == [(10, 20)]
            sink = w.core.appends.append(w.anna, upload, 0)
            sink.write(b"a" * 10)
            sink.finish()
            block(w, upload, 20, b"c" * 10)
            w.boot = "second"
            w.restart()

            assert w.core.uploads.upload(w.anna, upload).have == [(0, 20)]
            block(w, upload, 20, b"c" * 10)
            node = w.core.uploads.finish_upload(w.anna, upload)
            assert w.read(node.id) == b"a" * 10 + b"b" * 10 + b"c" * 10

    def test_sent_again_is_harmless(self, w: World) -> None:
        """Whole or in part, also with other bytes once the right ones are there."""
        upload = begin(w, 6)
        block(w, upload, 0, b"abc")
        block(w, upload, 0, b"xyz")
        block(w, upload, 3, b"def")
        with pytest.raises(DigestMismatch):
            block(w, upload, 3, b"DEF", digest(b"def"))
        block(w, upload, 3, b"def", digest(b"def"))

        assert w.read(w.core.uploads.finish_upload(w.anna, upload, digest(b"abcdef")).id) == b"abcdef"

    def test_a_damaged_block_does_not_count(self, w: World) -> None:
        """It is sent again."""
        upload = begin(w, 6)
        with pytest.raises(DigestMismatch):
            block(w, upload, 0, b"abX", digest(b"abc"))
        assert w.core.uploads.upload(w.anna, upload).have == []
        block(w, upload, 0, b"abc", digest(b"abc"))
        block(w, upload, 3, b"def")

        assert w.core.uploads.finish_upload(w.anna, upload).digest == digest(b"abcdef")

    def test_a_broken_off_block_counts_as_far_as_it_came(self, w: World) -> None:
        """Unless it was to be verified as a whole (P7)."""
        upload = begin(w, 6)
        for declared, have in ((digest(b"abcdef"), []), (None, [(0, 3)])):
            sink = w.core.uploads.put_block(w.anna, upload, 0, declared)
            sink.write(b"abc")
            sink.abort()
            sink.abort()
            assert w.core.uploads.upload(w.anna, upload).have == have

    def test_wrong_sizes_are_refused(self, w: World) -> None:
        """Past the end, too early, too much."""
        upload = begin(w, 6)
        with pytest.raises(WrongOffset):
            w.core.uploads.put_block(w.anna, upload, 7)
        with pytest.raises(WrongOffset):
            block(w, upload, 3, b"abcd")
        w.core.uploads.cancel_upload(w.anna, upload)
        upload = begin(w, 6)
        block(w, upload, 0, b"abc")
        with pytest.raises(Incomplete) as caught:
            w.core.uploads.finish_upload(w.anna, upload)
        assert caught.value.facts["missing"] == 3
        with pytest.raises(TooLarge):
            begin(w, 1 << 60, "large")
        with pytest.raises(BadRequest):
            begin(w, 5, "x", block_size=0)

    def test_wrong_bytes_are_never_published(self, w: World) -> None:
        """And may be sent once more."""
        upload = begin(w, 3, digest=digest(b"abc"))
        block(w, upload, 0, b"abX")
        with pytest.raises(DigestMismatch):
            w.core.uploads.finish_upload(w.anna, upload)
        assert w.names() == []
        assert w.core.uploads.upload(w.anna, upload).have == []

        block(w, upload, 0, b"abc")
        assert w.read(w.core.uploads.finish_upload(w.anna, upload).id) == b"abc"

    def test_appending_below_cuts_and_above_is_refused(self, w: World) -> None:
        """Its progress is what is there without a gap."""
        upload = begin(w, 10)
        for offset, data in ((0, b"abcdef"), (3, b"DE")):
            sink = w.core.appends.append(w.anna, upload, offset)
            sink.write(data)
            sink.finish()
        assert w.core.uploads.upload(w.anna, upload).have == [(0, 5)]
        with pytest.raises(WrongOffset) as caught:
            w.core.appends.append(w.anna, upload, 6)
        assert caught.value.facts["expected"] == 5
        sink = w.core.appends.append(w.anna, upload, 5)
        sink.write(b"fghij")
        sink.finish()

        assert w.read(w.core.uploads.finish_upload(w.anna, upload).id) == b"abcDEfghij"

    def test_an_empty_file_is_a_file(self, w: World) -> None:
        """Truly 0 bytes."""
        node = w.core.uploads.finish_upload(w.anna, begin(w, 0))

        assert (node.size, w.read(node.id), node.digest) == (0, b"", digest(b""))

    def test_new_content_takes_the_rev_it_replaces(self, w: World) -> None:
        """A wrong one is refused, at the beginning and at the end."""
        node = w.put("x", b"1")
        upload = w.core.uploads.begin_upload(w.anna, Begin(size=1, node=node.id, base=1)).id
        block(w, upload, 0, b"2")
        other = w.core.uploads.begin_upload(w.anna, Begin(size=1, node=node.id, base=1)).id
        block(w, other, 0, b"3")
        assert w.core.uploads.finish_upload(w.anna, upload).rev == 2

        with pytest.raises(Stale):
            w.core.uploads.finish_upload(w.anna, other)
        with pytest.raises(Stale):
            w.core.uploads.begin_upload(w.anna, Begin(size=1, node=node.id, base=1))
        assert w.read(node.id) == b"2"

    def test_a_folder_deleted_meanwhile_takes_nothing(self, w: World) -> None:
        """The upload stays and says so."""
        folder = w.folder_node("f")
        upload = w.core.uploads.begin_upload(w.anna, Begin(size=1, parent=folder.id, name="x")).id
        block(w, upload, 0, b"1")
        w.core.files.delete(w.anna, folder.id)

        with pytest.raises(NotFound):
            w.core.uploads.finish_upload(w.anna, upload)

        w.core.trashcan.restore(w.anna, folder.id)
        assert w.read(w.core.uploads.finish_upload(w.anna, upload).id) == b"1"

    def test_uploads_of_others_are_unknown(self, w: World) -> None:
        """To everybody else, whatever their rights."""
        upload = begin(w, 3)
        with pytest.raises(UploadGone):
            w.core.uploads.upload(w.ben, upload)

    def test_cancelled_and_expired_uploads_leave_nothing(self, w: World) -> None:
        """No bytes, no reserved room."""
        first, second = begin(w, 3, "a"), begin(w, 3, "b")
        block(w, first, 0, b"abc")
        block(w, second, 0, b"abc")
        w.core.uploads.cancel_upload(w.anna, first)
        with pytest.raises(UploadGone):
            w.core.uploads.upload(w.anna, first)
        assert w.catalogue.usage([w.root])[w.root].reserved == 3

        w.clock.ns += 8 * 24 * 3600 * SECOND
        with pytest.raises(UploadGone):
            w.core.uploads.put_block(w.anna, second, 0)
        assert w.core.uploads.expire() == 1

        assert w.catalogue.usage([w.root])[w.root].reserved == 0
        w.nothing_staged()

    def test_the_same_key_begins_one_upload(self, w: World) -> None:
        """And finishes it once (P8)."""
        wanted, once = Begin(size=1, parent=w.top, name="x"), Once("key", b"")
        first = w.core.uploads.begin_upload(w.anna, wanted, once)

        assert w.core.uploads.begin_upload(w.anna, wanted, once) == first
        assert w.catalogue.usage([w.root])[w.root].reserved == 1


class TestNothingToSend:
    def test_known_content_is_not_sent_again(self, w: World) -> None:
        """Finished at once, from what this account can read."""
        data = random.Random(3).randbytes(200_000)
        w.put("large", data)

        state = w.core.uploads.begin_upload(
            w.ben, Begin(size=len(data), parent=w.top, name="again", digest=digest(data))
        )

        assert state.state == "written"
        assert state.done is not None
        assert w.read(state.done.id) == data

    def test_nobody_learns_what_others_have(self, w: World) -> None:
        """Content of roots without right must be sent (S110)."""
        from homestow.server.rules.access import Rights

        data = random.Random(3).randbytes(200_000)
        w.put("secret", data)
        (w.place / "dans").mkdir()
        dans = w.roots.add("dans", str(w.place / "dans"), [("dan", Rights.OWN)])
        top = w.catalogue.top(dans.id)
        assert top is not None

        state = w.core.uploads.begin_upload(w.dan, Begin(size=len(data), parent=top.id, name="x", digest=digest(data)))

        assert state.state == "created"

    def test_blocks_of_the_replaced_content_are_filled_in(self, w: World) -> None:
        """Wherever they were; the rest is sent."""
        rng = random.Random(4)
        blocks = [rng.randbytes(1000) for _ in range(5)]
        node = w.put("x", b"".join(blocks))
        new = [blocks[0], rng.randbytes(1000), blocks[4], blocks[2][:500]]
        data = b"".join(new)
        upload = w.core.uploads.begin_upload(w.anna, Begin(size=len(data), node=node.id, base=1, block_size=1000)).id

        state = w.core.uploads.upload_have(w.anna, upload, [digest(each) for each in new])

        assert state.have == [(0, 1000), (2000, 3000)]
        block(w, upload, 1000, new[1])
        block(w, upload, 3000, new[3])
        assert w.read(w.core.uploads.finish_upload(w.anna, upload, digest(data)).id) == data


class TestQuota:
    def test_room_is_reserved_at_the_beginning(self, w: World) -> None:
        """So that nobody finds out at the end (S108)."""
        w.roots.set_quota("tree", 100)
        w.put("x", b"x" * 30)
        begin(w, 60, "a")
        with pytest.raises(QuotaExceeded) as caught:
            begin(w, 11, "b")
        assert caught.value.facts["free"] == 10
        with pytest.raises(QuotaExceeded):
            w.put("c", b"x" * 11)
        outcomes = w.core.whole.put_pack(
            w.anna, w.root, [(PackItem(size=6, mtime_ns=0, parent=w.top, name=f"p{at}"), b"123456") for at in range(3)]
        )
        assert [outcome.code for outcome in outcomes] == ["", "quota-exceeded", "quota-exceeded"]


class TestWhole:
    @pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 3 * SMALL])
    def test_a_file_in_one_request(self, w: World, size: int) -> None:
        """Small ones in one go, large ones through staging."""
        data = random.Random(size).randbytes(size)
        sink = w.core.whole.put_file(w.anna, w.top, "x", size=size, digest=digest(data), mtime_ns=5 * SECOND)
        for at in range(0, size, 100_000):
            sink.write(data[at : at + 100_000])

        node = sink.finish()

        assert (w.read(node.id), node.mtime_ns, node.digest, node.size) == (data, 5 * SECOND, digest(data), size)
        w.nothing_staged()

    def test_only_what_lies_far_into_a_large_file_need_not_be_kept_at_hand(
        self, w: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The beginning is read again soon; all of it is the file."""
        passed: list[tuple[int, bool]] = []
        kind = type(w.core.whole.store(w.root).stage("probe"))
        real = kind.write_at

        def write_at(self: Staged, offset: int, data: bytes | memoryview, *, passing: bool = False) -> None:
            passed.append((offset, passing))
            real(self, offset, data, passing=passing)

        w.core.whole.store(w.root).drop_staged("probe")
        monkeypatch.setattr(kind, "write_at", write_at)
        monkeypatch.setattr("homestow.server.service.whole.KEPT_AT_HAND", 2 * SMALL)
        data = random.Random(7).randbytes(4 * SMALL + 1)
        sink = w.core.whole.put_file(w.anna, w.top, "x", size=len(data))
        for at in range(0, len(data), SMALL + 1):
            sink.write(data[at : at + SMALL + 1])

        assert w.read(sink.finish().id) == data
        assert passed == [(at * (SMALL + 1), at >= 2) for at in range(4)]

    def test_a_disk_that_fails_far_into_a_file_leaves_nothing(self, w: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The one who sends learns it, and nothing is left behind."""
        monkeypatch.setattr("homestow.server.service.whole.KEPT_AT_HAND", 0)
        sink = w.core.whole.put_file(w.anna, w.top, "x")
        sink.write(bytes(2 * SMALL))
        kind = type(w.core.whole.store(w.root).stage("probe"))
        w.core.whole.store(w.root).drop_staged("probe")

        def full(*_: object, **__: object) -> None:
            raise StorageFull("No room.")

        monkeypatch.setattr(kind, "write_at", full)
        with pytest.raises(StorageFull):
            sink.write(bytes(2 * SMALL))

        assert w.names() == []
        w.nothing_staged()

    @pytest.mark.parametrize("size", [10, SMALL * 2])
    def test_what_went_wrong_leaves_nothing(self, w: World, size: int) -> None:
        """Short, long, damaged or broken off."""
        data = bytes(size)
        for announced, declared, error in (
            (size + 1, None, Incomplete), (size, digest(b"other"), DigestMismatch),
        ):  # fmt: skip
            sink = w.core.whole.put_file(w.anna, w.top, "x", size=announced, digest=declared)
            sink.write(data)
            with pytest.raises(error):
                sink.finish()
        sink = w.core.whole.put_file(w.anna, w.top, "x", size=size - 1)
        with pytest.raises(Incomplete):
            sink.write(data)
        sink = w.core.whole.put_file(w.anna, w.top, "x")
        sink.write(data)
        sink.abort()

        assert w.names() == []
        w.nothing_staged()

    def test_a_taken_name_needs_the_rev(self, w: World) -> None:
        """Nothing is overwritten unseen."""
        w.put("x", b"1")
        with pytest.raises(PathTaken):
            w.put("x", b"2")
        with pytest.raises(Stale):
            w.put("x", b"2", base=2)
        with pytest.raises(Stale):
            w.put("y", b"2", base=1)
        w.folder_node("f")
        with pytest.raises(WrongKind):
            w.put("f", b"2", base=1)

    def test_what_came_first_wins(self, w: World) -> None:
        """The second of two that both saw the place free is refused."""
        sinks = [w.core.whole.put_file(w.anna, w.top, "x") for _ in range(2)]
        for at, sink in enumerate(sinks):
            sink.write(str(at).encode())
        node = sinks[0].finish()
        with pytest.raises(PathTaken):
            sinks[1].finish()

        assert w.read(node.id) == b"0"
        w.nothing_staged()


class TestPacks:
    def test_each_file_is_answered(self, w: World) -> None:
        """The good ones are there, the bad ones say why (P9)."""
        folder = w.folder_node("f")
        old = w.put("old", b"1")

        def new(name: str | None, data: bytes = b"data", **more: object) -> tuple[PackItem, bytes]:
            facts: dict[str, object] = {"size": len(data), "mtime_ns": 7, "parent": folder.id, "name": name, **more}
            return PackItem(**facts), data  # type: ignore[arg-type]

        items = [
            new("a"), new("a"), new("b", size=99), new("c", digest=digest(b"other")), new("d", digest=digest(b"data")),
            new(None, parent=None, node=old.id, base=1), new(None, parent=None, node=old.id, base=9),
            new("e", parent=12345), new("..",), new("g", node=old.id),
        ]  # fmt: skip
        once = Once("key", b"")

        outcomes = w.core.whole.put_pack(w.anna, w.root, items, once)

        assert [outcome.code for outcome in outcomes] == [
            "", "path-taken", "bad-request", "digest-mismatch", "", "", "stale", "not-found", "bad-name", "bad-request",
        ]  # fmt: skip
        assert w.names(folder.id) == ["a", "d"]
        assert w.read(old.id) == b"data"
        w.nothing_staged()
        before = w.catalogue.last()
        assert w.core.whole.put_pack(w.anna, w.root, items, once) == outcomes
        assert w.catalogue.last() == before
        w.nothing_staged()

    def test_many_files_come_back_in_one_body(self, w: World) -> None:
        """With their bytes, or why not."""
        nodes = [w.put(str(at), str(at).encode()) for at in range(20)]
        w.put("3", b"new", base=1)
        gone = nodes[5]
        w.core.files.delete(w.anna, gone.id)

        found = list(w.core.downloads.get_pack(w.cora, w.root, [(node.id, 1) for node in nodes]))

        assert [node for node, _, _ in found] == [node.id for node in nodes]
        for at, (_, _, data) in enumerate(found):
            wrong = {3: Stale, 5: NotFound}.get(at)
            assert data == str(at).encode() if wrong is None else isinstance(data, wrong)
        with pytest.raises(TooLarge):
            w.core.downloads.get_pack(w.anna, w.root, [(NodeId(1), 1)] * 5000)

    def test_too_much_is_refused_as_a_whole(self, w: World) -> None:
        """Before anything is stored."""
        item = PackItem(size=0, mtime_ns=0, parent=w.top, name="x")
        with pytest.raises(TooLarge):
            w.core.whole.put_pack(w.anna, w.root, [(item, b"")] * 5000)
        w.nothing_staged()


class TestReading:
    def test_a_digest_is_computed_when_needed_and_remembered(self, w: World) -> None:
        """For files that came from outside."""
        w.memory.outside.write(("x",), b"theirs", mtime_ns=w.clock.ns)
        w.clock.ns += 60 * SECOND
        w.core.outside.look(w.root, [()])
        node = w.core.files.resolve(w.anna, w.root, ["x"])

        assert w.core.downloads.digest_of(w.anna, node.id) == digest(b"theirs")
        assert w.core.files.node(w.anna, node.id).digest == digest(b"theirs")

    def test_an_edit_from_outside_is_served_whole(self, w: World) -> None:
        """With a new rev and another validator, never old facts with new bytes."""
        node = w.put("x", b"old")
        with_old = w.core.downloads.content(w.anna, node.id)
        w.memory.outside.write(("x",), b"edited", mtime_ns=w.clock.ns)
        w.clock.ns += 60 * SECOND

        content = w.core.downloads.content(w.anna, node.id)

        assert (content.size, content.rev, content.opened.read_at(0, 99)) == (6, 2, b"edited")
        assert content.etag != with_old.etag
        assert with_old.opened.read_at(0, 99) == b"old"
        content.close()
        with_old.close()

    def test_block_digests_are_of_the_blocks(self, w: World) -> None:
        """The last one is shorter."""
        data = random.Random(5).randbytes(150_000)
        node = w.put("x", data)

        content, digests = w.core.downloads.block_digests(w.cora, node.id, block_size=65536)

        assert digests == [digest(data[at : at + 65536]) for at in range(0, len(data), 65536)]
        assert (content.rev, content.size) == (1, len(data))
        with pytest.raises(BadRequest):
            w.core.downloads.block_digests(w.cora, node.id, block_size=1)
