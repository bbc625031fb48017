"""Files sent by netdrive: over one upload mechanism, in any order and more than once, never a mix, never lost."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.netdrive_world import BLOCK, SECOND, START, Drive, md5_of, open_drive, together

from homestow.server.ports.netdrive import Md5Row
from homestow.server.rules.access import Rights
from homestow.server.service.netdrive_facts import Announced
from homestow.values.errors import (
    BadName,
    BadRequest,
    DigestMismatch,
    Forbidden,
    Incomplete,
    NotFound,
    PathTaken,
    QuotaExceeded,
    TooLarge,
    UploadGone,
    WrongKind,
    WrongOffset,
)
from homestow.values.ids import NodeId


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Drive]:
    """A house."""
    with open_drive(tmp_path) as made:
        yield made


def data_of(blocks: float, seed: int = 1) -> bytes:
    """So many blocks of bytes of which no two are alike."""
    return (bytes([seed]) + os.urandom(1023)) * int(blocks * BLOCK / 1024)


def begin(w: Drive, path: str, data: bytes, **given: object) -> int:
    """An announcement of something new; the id for its blocks."""
    begun = w.drive.uploads.begin(w.anna, w.root, w.announced(path, data, **given))  # type: ignore[arg-type]  # by name
    assert not begun.instant
    return begun.vfile


def test_a_file_in_blocks(w: Drive) -> None:
    """Goes into its place with the last one: on disk, in the list, with its md5 and its time."""
    data = data_of(2.5)
    vfile = begin(w, "/a/b/film", data, mtime_s=1_600_000_000)
    assert w.chunk(w.anna, vfile, 0, data[:BLOCK]) is False
    assert w.listed() == {}
    assert w.chunk(w.anna, vfile, 2 * BLOCK, data[2 * BLOCK :]) is False
    chunks = w.drive.uploads.chunks(w.anna, vfile)
    assert [(chunk.offset, chunk.size, chunk.done) for chunk in chunks] == [
        (0, BLOCK, True), (BLOCK, BLOCK, False), (2 * BLOCK, BLOCK // 2, True),
    ]  # fmt: skip
    assert w.chunk(w.anna, vfile, BLOCK, data[BLOCK : 2 * BLOCK]) is True
    assert (w.folder / "a/b/film").read_bytes() == data
    assert (w.folder / "a/b/film").stat().st_mtime == 1_600_000_000
    listed = w.listed()["/a/b/film"]
    assert (listed.vfile, listed.md5, listed.size, listed.mtime_s) == (vfile, md5_of(data), len(data), 1_600_000_000)
    assert all(chunk.done for chunk in w.drive.uploads.chunks(w.anna, vfile))
    assert w.drive.uploads.complete(w.anna, vfile) == vfile
    w.is_tidy()


def test_chunk_0_holds_all_the_rest_and_the_others_come_again(w: Drive) -> None:
    """As the client that was shipped sends them: block k with everything from there to the end."""
    data = data_of(3.2)
    vfile = begin(w, "//film", data)
    done = [w.chunk(w.anna, vfile, at, data[at:]) for at in range(0, len(data), BLOCK)]
    assert done == [True, None, None, None]
    assert (w.folder / "film").read_bytes() == data
    assert w.versions(vfile) == 0


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 0, 3, 2), (0, 0, 2, 1, 1, 3)])
def test_any_order_and_again(w: Drive, order: tuple[int, ...]) -> None:
    """The same file comes of it."""
    data = data_of(3.5)
    vfile = begin(w, "//film", data)
    for at in order:
        w.chunk(w.anna, vfile, at * BLOCK, data[at * BLOCK : (at + 1) * BLOCK])
    assert (w.folder / "film").read_bytes() == data


def test_overlapping_runs_of_any_size(w: Drive) -> None:
    """Bytes that are there stay as they are; the rest is taken."""
    data = data_of(1)
    vfile = begin(w, "//x", data)
    w.chunk(w.anna, vfile, 1000, data[1000:2000])
    w.chunk(w.anna, vfile, 500, b"\0" * 0)
    w.chunk(w.anna, vfile, 1500, data[1500:900_000])
    w.chunk(w.anna, vfile, 0, data[:1001])
    assert w.chunk(w.anna, vfile, 800_000, data[800_000:]) is True
    assert (w.folder / "x").read_bytes() == data


def test_what_does_not_fit_is_refused(w: Drive) -> None:
    """Blocks past the end or before the beginning, more bytes than announced, fewer, ids of nobody and of somebody else."""
    data = data_of(1)
    vfile = begin(w, "//x", data)
    for offset, size in ((0, BLOCK + 1), (-1, 5), (BLOCK, 1), (5, -1)):
        with pytest.raises(WrongOffset):
            w.drive.uploads.chunk(w.anna, vfile, offset, size)
    sink = w.drive.uploads.chunk(w.anna, vfile, 0, 10)
    assert sink is not None
    with pytest.raises(WrongOffset):
        sink.write(memoryview(data[:11]))
    sink = w.drive.uploads.chunk(w.anna, vfile, 0, 10)
    assert sink is not None
    sink.write(memoryview(data[:4]))
    with pytest.raises(Incomplete):
        sink.finish()
    sink.abort()
    with pytest.raises(Incomplete):
        w.drive.uploads.complete(w.anna, vfile)
    for who, wrong in ((w.anna, 999_999), (w.ben, vfile), (w.dan, vfile)):
        with pytest.raises(UploadGone):
            w.drive.uploads.chunk(who, wrong, 0, 1)
        with pytest.raises(UploadGone):
            w.drive.uploads.chunks(who, wrong)
    w.chunk(w.anna, vfile, 0, data)
    assert (w.folder / "x").read_bytes() == data


def test_what_broke_off_counts(w: Drive) -> None:
    """Block by block, and what came of the last one; none of it is sent again."""
    data = data_of(3)
    vfile = begin(w, "//x", data)
    sink = w.drive.uploads.chunk(w.anna, vfile, 0, len(data))
    assert sink is not None
    for at in range(0, 2 * BLOCK + 1000, 1 << 20):
        sink.write(memoryview(data[at : at + (1 << 20)]))
    before = [chunk.done for chunk in w.drive.uploads.chunks(w.anna, vfile)]
    assert before == [True, True, False]
    sink.abort()
    assert w.chunk(w.anna, vfile, 0, data) is True
    assert (w.folder / "x").read_bytes() == data


@pytest.mark.parametrize("how", ["reopen", "kill", "power_cut"])
def test_progress_survives(w: Drive, how: str) -> None:
    """A restart, a kill, and of a power cut what was flushed: the same announcement goes on with the same upload."""
    data = data_of(3)
    vfile = begin(w, "//x", data)
    w.chunk(w.anna, vfile, BLOCK, data[BLOCK : 2 * BLOCK])
    getattr(w, how)()
    assert begin(w, "//x", data) == vfile
    have = [chunk.done for chunk in w.drive.uploads.chunks(w.anna, vfile)]
    assert have == ([False, False, False] if how == "power_cut" else [False, True, False])
    w.chunk(w.anna, vfile, 2 * BLOCK, data[2 * BLOCK :])
    w.chunk(w.anna, vfile, 0, data[:BLOCK])
    if how == "power_cut":
        assert w.chunk(w.anna, vfile, BLOCK, data[BLOCK : 2 * BLOCK]) is True
    assert (w.folder / "x").read_bytes() == data
    assert w.listed()["//x"].md5 == md5_of(data)


def test_all_there_but_not_in_place_when_killed(w: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next announcement puts it there; so does a block that comes again."""
    for again in ("announce", "chunk", "complete"):
        data = data_of(1)
        vfile = begin(w, f"//{again}", data)
        with monkeypatch.context() as m:
            m.setattr(w.drive.uploads._finishing, "complete", lambda who, sent: NodeId(0))
            w.chunk(w.anna, vfile, 0, data)
        w.kill()
        assert not (w.folder / again).exists()
        match again:
            case "announce":
                assert w.drive.uploads.begin(w.anna, w.root, w.announced(f"//{again}", data)).instant
            case "chunk":
                assert w.chunk(w.anna, vfile, 0, data) is None
            case _:
                assert w.drive.uploads.complete(w.anna, vfile) == vfile
        assert (w.folder / again).read_bytes() == data


def test_killed_right_after_the_file_was_put_into_its_place(w: Drive) -> None:
    """Blocks that come again are there, and the id leads to the file, also where it went over one that stood there."""
    old = w.put("x", b"old")
    data = data_of(1)
    vfile = begin(w, "//x", data)
    w.chunk(w.anna, vfile, 0, data)
    with w.database.write() as run:
        run.execute("UPDATE netdrive_uploads SET done = NULL")
        run.execute("DELETE FROM md5s")
    w.kill()
    assert w.chunk(w.anna, vfile, 0, data) is None
    assert all(chunk.done for chunk in w.drive.uploads.chunks(w.anna, vfile))
    assert w.drive.uploads.complete(w.anna, vfile) == old.id
    assert w.drive.uploads.begin(w.anna, w.root, w.announced("//y", data)).instant is False
    assert w.listed()["//x"].md5 == md5_of(data)
    assert w.drive.uploads.begin(w.anna, w.root, w.announced("//z", data)).instant
    assert w.versions(old.id) == 1


def test_content_that_somebody_else_put_there_meanwhile_is_no_version(w: Drive) -> None:
    """Nothing is published then but the announced time; content that is there already is never sent."""
    data = data_of(1)
    vfile = begin(w, "//x", data, mtime_s=4321)
    node = w.put("x", data)
    assert w.chunk(w.anna, vfile, 0, data) is True
    assert w.chunk(w.anna, vfile, 0, data) is None
    listed = w.listed()["//x"]
    assert (listed.vfile, listed.mtime_s, w.versions(node.id)) == (node.id, 4321, 0)
    w.put("y", data)
    assert w.drive.uploads.begin(w.anna, w.root, w.announced("//y", data)).instant
    w.is_tidy()


def test_blocks_on_several_connections(w: Drive) -> None:
    """At the same time, each twice, and with other bytes of nobody's meaning: the announced file, or none."""
    data = data_of(6)
    vfile = begin(w, "//x", data)
    works = [
        lambda at=at: w.chunk(w.anna, vfile, at, data[at : at + BLOCK])
        for at in [*range(0, len(data), BLOCK), *range(0, len(data), BLOCK)]
    ]
    together(*works)
    assert w.drive.uploads.complete(w.anna, vfile) == vfile
    assert (w.folder / "x").read_bytes() == data
    assert w.versions(vfile) == 0
    w.is_tidy()


def test_other_bytes_at_the_same_time_are_never_taken_for_the_file(w: Drive) -> None:
    """Somebody with the same login sends wrong bytes for the same block: what is published has the announced md5."""
    for seed in range(6):
        data, wrong = data_of(1, seed), data_of(1, seed)
        vfile = begin(w, f"//{seed}", data)

        def send(bytes_: bytes, vfile: int = vfile) -> None:
            try:
                w.chunk(w.anna, vfile, 0, bytes_)
            except (DigestMismatch, Incomplete):
                return

        together(lambda data=data: send(data), lambda wrong=wrong: send(wrong))  # type: ignore[misc]  # bound in the loop
        for _ in range(3):
            if (w.folder / str(seed)).exists():
                break
            send(data)
        assert (w.folder / str(seed)).read_bytes() == data
        assert w.catalogue.node(NodeId(w.listed()[f"//{seed}"].vfile)) is not None


def test_two_clients_share_one_upload(w: Drive) -> None:
    """The same announcement, at the same time and from any login of the user: the same id, and each block is needed once."""
    data = data_of(2)
    first, second = together(*[lambda: begin(w, "//x", data)] * 2)
    assert first == second
    w.chunk(w.anna, first, 0, data[:BLOCK])
    assert w.chunk(w.anna, second, 0, data[:BLOCK]) is None
    assert w.chunk(w.anna, second, BLOCK, data[BLOCK:]) is True


def test_two_contents_for_one_place_do_not_disturb_one_another(w: Drive) -> None:
    """Both become the file, the later over the earlier, which is a version."""
    one, two = data_of(1, 1), data_of(1, 2)
    first, second = begin(w, "//x", one), begin(w, "//x", two)
    assert first != second
    w.chunk(w.anna, first, 0, one)
    w.chunk(w.anna, second, 0, two)
    node = w.listed()["//x"].vfile
    assert (w.folder / "x").read_bytes() == two
    assert w.content(node, 1) == one
    assert w.drive.uploads.complete(w.anna, second) == node


def test_what_was_given_up_gives_its_room_back(w: Drive) -> None:
    """A minute after its last block, when other content is announced for the place."""
    big = begin(w, "//x", data_of(1), size=BLOCK)
    w.clock.ns += 61 * SECOND
    begin(w, "//x", data_of(0.5))
    assert w.catalogue.usage([w.root])[w.root].reserved == BLOCK // 2
    with pytest.raises(UploadGone):
        w.drive.uploads.chunk(w.anna, big, 0, 1)


def test_bytes_that_are_not_the_announced_ones(w: Drive) -> None:
    """Nothing is published and nothing counts; the right ones then are taken."""
    data = data_of(1.5)
    vfile = begin(w, "//x", data)
    w.chunk(w.anna, vfile, 0, b"x" * BLOCK)
    with pytest.raises(DigestMismatch):
        w.chunk(w.anna, vfile, BLOCK, data[BLOCK:])
    assert not (w.folder / "x").exists()
    assert not any(chunk.done for chunk in w.drive.uploads.chunks(w.anna, vfile))
    w.reopen()
    assert begin(w, "//x", data) == vfile
    w.chunk(w.anna, vfile, 0, data)
    assert (w.folder / "x").read_bytes() == data


def test_an_md5_in_any_capitals_or_none(w: Drive) -> None:
    """Whole files without one are stored as they come, never mixed with what came before."""
    data = data_of(1)
    vfile = begin(w, "//upper", data, md5=md5_of(data).upper())
    assert w.chunk(w.anna, vfile, 0, data) is True
    sink = w.drive.uploads.whole(w.anna, w.root, w.announced("//none", data, md5=None, mtime_s=5))
    sink.write(memoryview(data[: BLOCK // 2]))
    sink.abort()
    other = data_of(1, 9)
    sink = w.drive.uploads.whole(w.anna, w.root, w.announced("//none", other, md5=None, mtime_s=5))
    sink.write(memoryview(other))
    sink.finish()
    assert (w.folder / "none").read_bytes() == other
    for bad in ("", "x" * 32, "0" * 31, "0" * 33, "é" * 32, "0 " * 16):
        with pytest.raises(BadRequest):
            w.drive.uploads.begin(w.anna, w.root, Announced("//", "x", bad, 5))
    w.is_tidy()


def test_pieces_without_an_md5_are_tied_by_their_time(w: Drive) -> None:
    """Without either each announcement is a new upload."""
    data = data_of(2)
    vfile = begin(w, "//x", data, md5=None, mtime_s=7)
    assert begin(w, "//x", data, md5=None, mtime_s=7) == vfile
    assert begin(w, "//x", data, md5=None, mtime_s=8) != vfile
    assert begin(w, "//x", data, md5=None) != begin(w, "//x", data, md5=None)


def test_a_whole_file_that_broke_off_goes_on(w: Drive) -> None:
    """When its md5 was told."""
    data = data_of(3)
    sink = w.drive.uploads.whole(w.anna, w.root, w.announced("//x", data))
    sink.write(memoryview(data[: 2 * BLOCK]))
    sink.abort()
    assert [chunk.done for chunk in w.drive.uploads.chunks(w.anna, begin(w, "//x", data))] == [True, True, False]
    sink = w.drive.uploads.whole(w.anna, w.root, w.announced("//x", data))
    sink.write(memoryview(data))
    assert sink.finish() == w.listed()["//x"].vfile
    sink = w.drive.uploads.whole(w.anna, w.root, w.announced("//x", data))
    sink.write(memoryview(data))
    assert sink.finish() == w.listed()["//x"].vfile
    assert w.versions(w.listed()["//x"].vfile) == 0


# --- what stands at the place -----------------------------------------------------------------------------------------


def test_what_was_replaced_is_a_version(w: Drive) -> None:
    """Also what somebody else stored while the file was on its way, through another protocol or on the disk itself."""
    old = w.put("x", b"old")
    data = data_of(1.5)
    vfile = begin(w, "//x", data)
    w.chunk(w.anna, vfile, 0, data[:BLOCK])
    w.put("x", b"by somebody else", base=old.rev)
    (w.folder / "x").write_bytes(b"edited on the disk")
    w.chunk(w.anna, vfile, BLOCK, data[BLOCK:])
    assert (w.folder / "x").read_bytes() == data
    assert w.drive.uploads.complete(w.anna, vfile) == old.id
    kept = {w.content(old.id, version.rev) for version in w.catalogue.versions(old.id)}
    assert kept == {b"old", b"edited on the disk"}  # what was there before the edit was written over by it
    w.is_tidy()


def test_a_place_that_was_taken_or_left_meanwhile(w: Drive) -> None:
    """A new file under way goes over what came there; over a file that was deleted it is a new one."""
    data = data_of(1)
    vfile = begin(w, "//new", data)
    there = w.put("new", b"quicker")
    w.chunk(w.anna, vfile, 0, data)
    assert w.drive.uploads.complete(w.anna, vfile) == there.id
    assert w.content(there.id, 1) == b"quicker"

    old, other = w.put("old", b"old"), data_of(1, 2)
    vfile = begin(w, "//old", other)
    w.core.files.delete(w.anna, old.id)
    w.chunk(w.anna, vfile, 0, other)
    assert (w.folder / "old").read_bytes() == other
    assert w.listed()["//old"].vfile != old.id
    w.is_tidy()


def test_a_folder_in_the_way(w: Drive) -> None:
    """Is said at the announcement, and at the end when it came meanwhile; the upload stays, and goes elsewhere or over later."""
    w.drive.tree.make_dir(w.anna, w.root, "/x")
    with pytest.raises(PathTaken):
        w.drive.uploads.begin(w.anna, w.root, w.announced("//x", b"abc"))
    data = data_of(1)
    vfile = begin(w, "//y", data)
    w.drive.tree.make_dir(w.anna, w.root, "/y/")
    with pytest.raises(PathTaken):
        w.chunk(w.anna, vfile, 0, data)
    w.drive.tree.drop_dir(w.anna, w.root, "/y/")
    assert w.chunk(w.anna, vfile, 0, data) is None
    assert (w.folder / "y").read_bytes() == data


def test_a_folder_that_was_deleted_or_moved_meanwhile(w: Drive) -> None:
    """A deleted one is made again, for an edit outlives a deletion; a moved one is followed."""
    data = data_of(1)
    gone, moved = begin(w, "/a/gone/x", data), begin(w, "/a/moved/x", data)
    folders = dict(w.drive.tree.listing(w.anna, w.root).dirs)
    by_path = {path: NodeId(node) for node, path in folders.items()}
    w.core.files.delete(w.anna, by_path["/a/gone/"])
    w.core.files.move(w.anna, by_path["/a/moved/"], w.top, "elsewhere")
    w.chunk(w.anna, gone, 0, data)
    w.chunk(w.anna, moved, 0, data)
    assert (w.folder / "a/gone/x").read_bytes() == data
    assert (w.folder / "elsewhere/x").read_bytes() == data


def test_the_same_content_again_is_no_version(w: Drive) -> None:
    """Nothing is sent, the file bears the announced time; an edit on the disk that nobody saw yet is none of it."""
    data = data_of(1)
    node = w.send("//x", data, mtime_s=1000)
    begun = w.drive.uploads.begin(w.anna, w.root, w.announced("//x", data, mtime_s=2000))
    assert (begun.instant, begun.vfile) == (True, node)
    assert w.listed()["//x"].mtime_s == 2000
    assert (w.folder / "x").stat().st_mtime == 2000
    assert w.versions(node) == 0
    (w.folder / "x").write_bytes(b"edited")
    assert w.send("//x", data) == node
    assert (w.folder / "x").read_bytes() == data
    assert {w.content(node, version.rev) for version in w.catalogue.versions(NodeId(node))} >= {b"edited"}


def test_files_without_bytes(w: Drive) -> None:
    """Are there at once; one with the md5 of something is refused."""
    begun = w.drive.uploads.begin(w.anna, w.root, w.announced("/d/empty", b""))
    assert begun.instant
    assert (w.folder / "d/empty").read_bytes() == b""
    assert w.listed()["/d/empty"].md5 == md5_of(b"")
    with pytest.raises(DigestMismatch):
        w.drive.uploads.begin(w.anna, w.root, Announced("/d/", "other", md5_of(b"x"), 0))


# --- instant ----------------------------------------------------------------------------------------------------------


def test_known_content_is_not_sent_again(w: Drive) -> None:
    """From anywhere the user may read: another folder, another root, an older version."""
    data = data_of(1.5)
    w.send("//x", data)
    assert w.drive.uploads.begin(w.anna, w.root, w.announced("/copy/x", data)).instant
    own = w.own(w.anna)
    assert w.drive.uploads.begin(w.anna, own, w.announced("//x", data)).instant
    w.send("//x", b"new")
    w.core.files.delete(w.anna, NodeId(w.listed()["/copy/x"].vfile))
    w.core.files.delete(w.anna, NodeId(w.listed(root=own)["//x"].vfile))
    assert w.drive.uploads.begin(w.anna, w.root, w.announced("/again/x", data)).instant
    assert (w.folder / "again/x").read_bytes() == data
    w.is_tidy()


def test_s110_nobody_learns_what_others_have(w: Drive) -> None:
    """Content of a root that is not the user's must be sent, and is not given by its md5."""
    data = data_of(1)
    w.send("//secret", data, root=w.own(w.anna))
    begun = w.drive.uploads.begin(w.ben, w.root, w.announced("//guess", data))
    assert not begun.instant
    with pytest.raises(NotFound):
        w.drive.downloads.by_md5(w.ben, w.root, md5_of(data))
    w.roots.set_member(w.anna, w.own(w.anna), "ben", Rights.READ)
    assert w.drive.uploads.begin(w.ben, w.root, w.announced("//guess", data)).instant
    content = w.drive.downloads.by_md5(w.ben, w.root, md5_of(data))
    assert content.size == len(data)
    content.close()


def test_known_content_that_was_edited_is_no_known_content(w: Drive) -> None:
    """Neither an edit on the disk nor a row that is wrong makes a mix: then it is to be sent."""
    data = data_of(1)
    w.send("//x", data)
    (w.folder / "x").write_bytes(data_of(1, 3))
    assert not w.drive.uploads.begin(w.anna, w.root, w.announced("//y", data)).instant
    node = w.put("z", data_of(1, 4))
    w.stores.md5s.put([Md5Row(node.id, 1, bytes.fromhex(md5_of(data)), len(data))])
    begun = w.drive.uploads.begin(w.anna, w.root, w.announced("//again", data))
    assert not begun.instant
    assert not (w.folder / "again").exists()
    assert w.chunk(w.anna, begun.vfile, 0, data) is True
    assert (w.folder / "again").read_bytes() == data


# --- rights and limits ------------------------------------------------------------------------------------------------


def test_rights_are_asked_at_every_step(w: Drive) -> None:
    """Who may only read, or nothing, announces nothing; who loses his right finishes nothing."""
    with pytest.raises(Forbidden):
        w.drive.uploads.begin(w.cora, w.root, w.announced("//x", b"abc"))
    with pytest.raises(NotFound):
        w.drive.uploads.begin(w.dan, w.root, w.announced("//x", b"abc"))
    data = data_of(2)
    begun = w.drive.uploads.begin(w.ben, w.root, w.announced("//x", data))
    sink = w.drive.uploads.chunk(w.ben, begun.vfile, 0, len(data))
    assert sink is not None
    sink.write(memoryview(data))
    w.roots.set_member(w.anna, w.root, "ben", Rights.READ)
    with pytest.raises(UploadGone):
        sink.finish()
    with pytest.raises(UploadGone):
        w.drive.uploads.chunk(w.ben, begun.vfile, 0, 1)
    assert not (w.folder / "x").exists()


@pytest.mark.parametrize(
    "path", ["/../x", "/a/../x", "//..", "//", "/a\0b/x", "//.homestow", f"/{'n' * 256}/x", "/a" * 300 + "/x"]
)
def test_names_that_no_file_has(w: Drive, path: str) -> None:
    """Are refused before anything is made."""
    with pytest.raises(BadName):
        w.drive.uploads.begin(w.anna, w.root, w.announced(path, b"abc"))
    with pytest.raises(BadName):
        w.whole((path, b"abc"))
    assert list(w.folder.iterdir()) in ([], [w.folder / ".homestow"])


def test_a_file_is_no_folder(w: Drive) -> None:
    """What a path leads through must be folders."""
    w.send("//x", b"abc")
    for work in (
        lambda: w.send("/x/y", b"abc"),
        lambda: w.whole(("/x/y", b"abc")),
        lambda: w.drive.uploads.begin(w.anna, w.root, Announced(w.listed()["//x"].vfile, "y", None, 3)),
    ):
        with pytest.raises((WrongKind, PathTaken)):
            work()


def test_sizes_that_no_file_has(w: Drive) -> None:
    """Negative ones, over a pebibyte; and the blocks of a very large one are not told."""
    for size in (-1, (1 << 50) + 1):
        with pytest.raises(TooLarge):
            w.drive.uploads.begin(w.anna, w.root, w.announced("//x", b"", size=size))
    vfile = begin(w, "//x", b"", size=1 << 49)
    with pytest.raises(TooLarge):
        w.drive.uploads.chunks(w.anna, vfile)


def test_quota_and_entries(tmp_path: Path) -> None:
    """Count from the announcement on, for all forms alike."""
    with open_drive(tmp_path, quota=10_000, entries=6) as w:
        own = w.own(w.anna)
        with pytest.raises(QuotaExceeded):
            w.drive.uploads.begin(w.anna, own, w.announced("//x", b"x" * 10_001))
        w.drive.uploads.begin(w.anna, own, w.announced("//x", b"x" * 9_000))
        with pytest.raises(QuotaExceeded):
            w.drive.uploads.begin(w.anna, own, w.announced("//y", b"y" * 2_000))
        (done,) = w.drive.uploads.whole_many([(w.anna, own, w.announced("//y", b"y" * 2_000), b"y" * 2_000)])
        assert isinstance(done, QuotaExceeded)
        many = [(w.anna, own, w.announced(f"//{at}", b"1"), b"1") for at in range(9)]
        results = w.drive.uploads.whole_many(many)
        assert [isinstance(result, int) for result in results].count(True) == 5
        assert all(isinstance(result, int | QuotaExceeded) for result in results)


def test_times_that_no_file_has(w: Drive) -> None:
    """Are as if none was told."""
    for at, mtime_s in enumerate((-5, 1 << 40, float("nan"), float("inf"))):
        node = w.send(f"//{at}", b"x" * (at + 1), mtime_s=mtime_s)
        row = w.catalogue.node(NodeId(node))
        assert row is not None
        assert abs(row.mtime_ns) < START * 2


def test_names_and_paths_are_told_as_they_were_spelled(w: Drive) -> None:
    """Byte for byte, to whom spelled them; what a spelling does not mean any more is not told."""
    w.send("/./a//b/x", b"1")
    w.send("//e\u0301", b"2")
    assert set(w.listed()) == {"/./a//b/x", "//e\u0301"}
    assert set(w.listed(w.ben)) == {"/a/b/x", "//\xe9"}
    w.reopen()
    assert set(w.listed()) == {"/./a//b/x", "//e\u0301"}
    w.whole(("/a/b/y", b"3"))
    assert set(w.listed()) == {"/a/b/x", "/a/b/y", "//e\u0301"}
    w.whole(("/a/./b/y", b"4"), ("//e\u0301\u0301", b"5"))
    folder = w.core.files.resolve(w.anna, w.root, ["a", "b"])
    w.core.files.move(w.anna, folder.id, w.top, "c")
    assert {"/c/x", "/c/y"} < set(w.listed())
