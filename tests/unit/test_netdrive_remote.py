"""The sync engine's sight of a netdrive server: what the contract leaves to each protocol, and what breaks off in the middle."""

from collections.abc import Callable
from hashlib import md5

import pytest
from blake3 import blake3
from tests.unit.netdrive_drive import DriveServer, MemoryDrive, Ticking, remote_on
from tests.unit.sync_rig import Computer, settle

from homestow.client.adapters.clock_memory import SeededChance, SimClock
from homestow.client.adapters.remote_memory import MemoryServer
from homestow.client.adapters.remote_netdrive import LONGEST_POLL_S, NetdriveRemote
from homestow.client.adapters.remote_netdrive_account import Account
from homestow.client.adapters.remote_netdrive_store import NetdriveStore
from homestow.client.adapters.remote_netdrive_tree import TOP
from homestow.client.ports.remote import SmallFile, UploadState
from homestow.values.digests import EMPTY, Digest
from homestow.values.errors import (
    Busy,
    CursorGone,
    DigestMismatch,
    Forbidden,
    Incomplete,
    PathTaken,
    Stale,
    Unreachable,
    UploadGone,
)
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

CONTENT = bytes(range(256)) * 10
BLOCK = 1024
TIME_NS = 1_600_000_000_000_000_123


class Seat:
    """A device: its store stays when its process ends."""

    def __init__(self, server: DriveServer, name: str = "A", *, ids: bool = True) -> None:
        self.server, self.name, self.ids = server, name, ids
        self.store = NetdriveStore(":memory:")
        self.begin()

    def begin(self) -> None:
        """A new process over what was written."""
        self.store.snapshot = self.store._load()
        self.clock = Ticking()
        self.account = Account(self.store, self.clock, 1, share=0)
        self.drive = MemoryDrive(self.server, ids=self.ids)
        self.remote = NetdriveRemote(
            self.account, self.drive, self.clock, SeededChance(self.name), pause=lambda _: None
        )  # fmt: skip

    def knows(self, content: bytes) -> Digest:
        """Somebody read this content here."""
        digest = Digest(blake3(content).hexdigest())
        self.account.learn(len(content), digest, md5(content, usedforsecurity=False).hexdigest())
        return digest

    def put(self, name: str, content: bytes, parent: int = TOP) -> Node:
        """A new small file."""
        [made] = self.remote.put_small([SmallFile(content, TIME_NS, parent=NodeId(parent), name=name)])
        assert isinstance(made, Node), made
        return made

    def begin_upload(self, content: bytes, **where: object) -> UploadState:
        """Announce it."""
        place = where or {"parent": NodeId(TOP), "name": "f"}
        digest = self.knows(content) if content else None
        return self.remote.begin_upload(
            size=len(content),
            mtime_ns=TIME_NS,
            block_size=BLOCK,
            digest=digest,
            **place,  # type: ignore[arg-type]
        )


@pytest.fixture
def server() -> DriveServer:
    """An empty root."""
    return DriveServer()


@pytest.fixture
def seat(server: DriveServer) -> Seat:
    """A device."""
    return Seat(server)


def fails(server: DriveServer, call: str, nth: int = 1) -> None:
    """The `nth` call of that name from now on breaks, before it has an effect."""
    left = [nth]

    def before(name: str) -> None:
        if name == call:
            left[0] -= 1
            if left[0] == 0:
                server.before = lambda name: None
                raise Unreachable("The connection broke.")

    server.before = before


def above(told: dict[NodeId, Node], node: Node) -> tuple[str, ...]:
    """Where a node is, from the top."""
    return () if node.parent is None else (*above(told, told[node.parent]), node.name)


class TestUploads:
    def test_blocks_in_any_order(self, seat: Seat) -> None:
        """Blocks come in any order and twice; nothing is published before `finish`."""
        state = seat.begin_upload(CONTENT)
        seat.remote.put_block(state.id, 2048, CONTENT[2048:])
        seat.remote.put_block(state.id, 0, CONTENT[:1024])
        seat.remote.put_block(state.id, 0, memoryview(CONTENT[:1024]))
        assert seat.remote.upload(state.id).have == ((0, 1024), (2048, 2560))
        with pytest.raises(Incomplete):
            seat.remote.finish(state.id, seat.knows(CONTENT))
        seat.remote.put_block(state.id, 1024, CONTENT[1024:2048])
        assert not seat.server.files

        made = seat.remote.finish(state.id, seat.knows(CONTENT))

        assert (made.name, made.size, made.digest, made.mtime_ns) == ("f", 2560, seat.knows(CONTENT), TIME_NS)
        assert b"".join(seat.remote.read(made.id, made.rev, 1000, 2000)) == CONTENT[1000:2000]
        assert seat.remote.finish(state.id, seat.knows(CONTENT)) == made
        assert seat.remote.upload(state.id).done == made

    def test_an_md5_is_wanted_first(self, seat: Seat) -> None:
        """Without one there is nothing to announce; no bytes need none (SC-008)."""
        with pytest.raises(Exception, match="MD5"):
            seat.remote.begin_upload(
                size=5, mtime_ns=1, block_size=BLOCK, digest=Digest("a" * 64), parent=NodeId(TOP), name="f"
            )
        done = seat.begin_upload(b"").done
        assert done is not None
        assert (done.size, done.digest) == (0, EMPTY)

    def test_known_content_is_not_sent(self, seat: Seat) -> None:
        """What the server has is in its place at once."""
        seat.put("there", CONTENT)
        before = seat.server.moved_bytes
        done = seat.begin_upload(CONTENT).done
        assert done is not None
        assert seat.server.moved_bytes == before
        assert done == seat.remote.node(done.id)

    def test_a_key_gives_the_same_upload(self, seat: Seat) -> None:
        """A repeated beginning is one upload (P8)."""
        place = {"parent": NodeId(TOP), "name": "f", "key": "k" * 32}
        assert seat.begin_upload(CONTENT, **place).id == seat.begin_upload(CONTENT, **place).id

    def test_a_new_process_goes_on(self, seat: Seat) -> None:
        """What the server got before we died is not sent again, the block that was kept here is (P7)."""
        state = seat.begin_upload(CONTENT)
        for offset in (0, 1024, 2048):
            seat.remote.put_block(state.id, offset, CONTENT[offset : offset + 1024])
        seat.begin()
        assert seat.remote.upload(state.id).have == ((0, 2048),)
        seat.remote.put_block(state.id, 2048, CONTENT[2048:])
        assert seat.remote.finish(state.id, seat.knows(CONTENT)).size == 2560

    def test_a_lost_block_is_missing(self, seat: Seat) -> None:
        """A block that did not get there counts as not sent."""
        state = seat.begin_upload(CONTENT)
        fails(seat.server, "put_block")
        with pytest.raises(Unreachable):
            seat.remote.put_block(state.id, 0, CONTENT[:1024])
        assert seat.remote.upload(state.id).have == ()

    def test_nothing_is_replaced_unseen(self, seat: Seat) -> None:
        """An edit, or a file, that came meanwhile stops the last block (R4, SC-137)."""
        old, other = seat.put("f", b"old"), Seat(seat.server, "B")
        state = seat.begin_upload(CONTENT, node=old.id, base=old.rev)
        new = seat.begin_upload(CONTENT[:2000], parent=NodeId(TOP), name="g")
        for upload, size in ((state, 2560), (new, 2000)):
            for offset in range(0, size, 1024):
                seat.remote.put_block(upload.id, offset, CONTENT[:size][offset : offset + 1024])
        theirs = next(node for node in other.remote.tree().nodes if node.name == "f")
        other.remote.put_small([SmallFile(b"theirs", 1, node=theirs.id, base=theirs.rev)])
        other.put("g", b"theirs too")
        with pytest.raises(Stale):
            seat.remote.finish(state.id, seat.knows(CONTENT))
        with pytest.raises(PathTaken):
            seat.remote.finish(new.id, seat.knows(CONTENT[:2000]))
        with pytest.raises(Stale):
            seat.begin_upload(CONTENT, node=old.id, base=old.rev)
        assert not seat.server.replaced[1:]

    def test_other_bytes_are_never_published(self, seat: Seat) -> None:
        """Neither what this client sees nor what the server sees (SC-147)."""
        state = seat.begin_upload(CONTENT)
        for offset in (0, 1024, 2048):
            seat.remote.put_block(state.id, offset, bytes(len(CONTENT[offset : offset + 1024])))
        with pytest.raises(DigestMismatch):
            seat.remote.finish(state.id, seat.knows(CONTENT))
        assert not seat.server.files
        state = seat.begin_upload(CONTENT)
        with pytest.raises((DigestMismatch, Incomplete)):
            seat.remote.finish(state.id, seat.knows(b"other"))

    def test_a_cancelled_upload_is_gone(self, seat: Seat) -> None:
        """After `cancel` nothing goes on; cancelling again is harmless."""
        state = seat.begin_upload(CONTENT)
        seat.remote.cancel(state.id)
        seat.remote.cancel(state.id)
        acts: list[Callable[[], object]] = [
            lambda: seat.remote.upload(state.id),
            lambda: seat.remote.put_block(state.id, 0, b"bytes"),
            lambda: seat.remote.finish(state.id, seat.knows(CONTENT)),
        ]
        for act in acts:
            with pytest.raises(UploadGone):
                act()


class TestMoves:
    def test_no_bytes_move(self, seat: Seat) -> None:
        """A file and a folder are moved by announcing what the server has."""
        file = seat.put("f", b"content")
        folder = seat.remote.make_folder(NodeId(TOP), "d")
        seat.put("inside", b"inside", folder.id)
        before = seat.server.moved_bytes
        moved = seat.remote.move(file.id, folder.id, "g", file.change)
        folder = seat.remote.move(folder.id, NodeId(TOP), "e", seat.remote.node(folder.id).change)
        assert seat.server.moved_bytes == before
        assert set(seat.server.files) == {("e", "g"), ("e", "inside")}
        assert set(seat.server.folders) == {(), ("e",)}
        assert (moved.id, folder.name) == (file.id, "e")
        _, cursor = seat.remote.tree().nodes, seat.remote.tree().cursor
        assert seat.remote.changes(cursor, 0).nodes == []

    @pytest.mark.parametrize("call", ["announce", "listing", "delete_file", "make_folder", "delete_folder"])
    @pytest.mark.parametrize("dies", [False, True])
    def test_what_broke_off_is_gone_on_with(self, seat: Seat, call: str, dies: bool) -> None:
        """Wherever a move breaks off, both places together hold all; the next try ends it, with the same ids."""
        folder = seat.remote.make_folder(NodeId(TOP), "d")
        inner = seat.remote.make_folder(folder.id, "e")
        files = [seat.put(f"f{number}", b"%d" % number, inner.id) for number in range(3)]
        cursor = seat.remote.tree().cursor
        for nth in (1, 2, 3):
            fails(seat.server, call, nth)
            try:
                seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
            except Unreachable:
                seat.server.before = lambda name: None
                held = {one.md5 for one in seat.server.files.values()}
                assert len(held) == 3
                if dies:
                    seat.begin()
                assert seat.remote.root().epoch == cursor.split("-")[0]
            else:
                break
        seat.server.before = lambda name: None
        seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
        assert set(seat.server.files) == {("new", "e", f"f{number}") for number in range(3)}
        assert set(seat.server.folders) == {(), ("new",), ("new", "e")}
        told = {node.id for node in seat.remote.changes(cursor, 0).nodes}
        assert told <= {TOP, folder.id}
        assert {seat.remote.node(file.id).parent for file in files} == {inner.id}

    def test_an_edit_meanwhile_stays(self, seat: Seat) -> None:
        """Who edits the file between copy and deletion keeps it where it was; the copy goes again."""
        file = seat.put("f", b"old")
        listings = [0]

        def edit(name: str) -> None:
            listings[0] += name == "listing"
            if name == "listing" and listings[0] == 2:
                seat.server.publish(("f",), b"edited", 9)

        seat.server.before = edit
        with pytest.raises(Stale):
            seat.remote.move(file.id, NodeId(TOP), "g", file.change)
        seat.server.before = lambda name: None
        assert set(seat.server.files) == {("f",)}
        assert seat.remote.node(file.id).rev == 2

    def test_two_things_of_one_name_end_a_move(self, seat: Seat) -> None:
        """A half moved folder whose old place gets a name that the new one has is given up: then all is told as it is."""
        folder = seat.remote.make_folder(NodeId(TOP), "d")
        seat.put("f", b"1", seat.remote.make_folder(folder.id, "e").id)
        fails(seat.server, "delete_folder")
        with pytest.raises(Unreachable):
            seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
        del seat.server.folders["d", "e"]
        seat.remote.node(folder.id)
        seat.server.publish(("d", "e", "g"), b"2", 9)
        with pytest.raises(Stale):
            seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
        assert set(seat.server.files) == {("new", "e", "f"), ("d", "e", "g")}
        told = {node.id: node for node in seat.remote.tree().nodes}
        assert {above(told, node) for node in told.values()} == {*seat.server.folders, *seat.server.files}

    def test_new_folders_stay(self, seat: Seat) -> None:
        """Empty folders that others make in either place meanwhile are at the new one when the move ends."""
        folder = seat.remote.make_folder(NodeId(TOP), "d")
        seat.put("f", b"1", folder.id)

        def make(name: str) -> None:
            if name == "delete_file":
                seat.server.make(("d", "old"))
                seat.server.make(("new", "fresh"))

        seat.server.before = make
        seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
        assert set(seat.server.folders) == {(), ("new",), ("new", "old"), ("new", "fresh")}
        assert set(seat.server.files) == {("new", "f")}

    def test_what_is_at_the_new_place_stays(self, seat: Seat) -> None:
        """A folder whose old one somebody else deleted is not deleted where it is now."""
        folder = seat.remote.make_folder(NodeId(TOP), "d")
        inner = seat.remote.make_folder(folder.id, "e")
        fails(seat.server, "delete_folder")
        with pytest.raises(Unreachable):
            seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
        del seat.server.folders["d", "e"]
        seat.remote.move(folder.id, NodeId(TOP), "new", seat.remote.node(folder.id).change)
        assert set(seat.server.folders) == {(), ("new",), ("new", "e")}
        assert seat.remote.node(inner.id).parent == folder.id

    def test_content_that_the_server_forgot_is_carried(self, seat: Seat) -> None:
        """Where it does not know the content by its MD5, the bytes go down and up again."""
        file = seat.put("f", CONTENT)
        real = seat.drive.announce
        kept = seat.server.contents

        def forgetful(files: object) -> object:
            seat.server.contents = {}
            try:
                return real(files)  # type: ignore[arg-type]
            finally:
                seat.server.contents = kept

        seat.drive.announce = forgetful  # type: ignore[method-assign, assignment]
        moved = seat.remote.move(file.id, NodeId(TOP), "g", file.change)
        assert (moved.id, set(seat.server.files)) == (file.id, {("g",)})


class TestLooking:
    def test_waiting_for_news(self, server: DriveServer) -> None:
        """It looks again and again, ever more seldom, until something is new or the time is up."""
        clock, pauses = SimClock(), []
        account = Account(NetdriveStore(":memory:"), clock, 1)

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            clock.advance(seconds)
            if len(pauses) == 12:
                server.publish(("f",), b"new", 5)

        remote = NetdriveRemote(account, MemoryDrive(server), clock, SeededChance("A"), pause=pause)
        cursor = remote.tree().cursor
        feed = remote.changes(cursor, 500)
        assert [node.name for node in feed.nodes if node.parent] == ["f"]
        assert pauses == sorted(pauses)
        assert pauses[-1] == LONGEST_POLL_S
        assert remote.changes(feed.cursor, 3).nodes == []

    def test_a_failed_listing_says_nothing(self, seat: Seat) -> None:
        """No deletion is concluded from it (R17)."""
        file = seat.put("f", b"1")
        cursor = seat.remote.tree().cursor
        fails(seat.server, "listing")
        with pytest.raises(Unreachable):
            seat.remote.changes(cursor, 0)
        assert seat.remote.changes(cursor, 0).nodes == []
        assert seat.remote.node(file.id).name == "f"

    def test_what_one_listing_leaves_out_is_not_gone(self, seat: Seat) -> None:
        """A server may put a list together while things move in it: only what is missed twice is gone."""
        file = seat.put("f", b"1")
        cursor = seat.remote.tree().cursor
        real, calls = seat.drive.listing, [0]

        def listing() -> object:
            calls[0] += 1
            seen = real()
            return seen._replace(files=()) if calls[0] == 1 else seen

        seat.drive.listing = listing  # type: ignore[method-assign, assignment]
        assert seat.remote.changes(cursor, 0).nodes == []
        seat.server.files.clear()
        assert {node.id for node in seat.remote.changes(cursor, 0).nodes if node.gone} == {file.id}

    def test_a_busy_server_is_asked_again(self, seat: Seat) -> None:
        """It may have to read its files before it can tell their MD5s."""
        left = [3]

        def before(name: str) -> None:
            if left[0]:
                left[0] -= 1
                raise Busy("reading")

        seat.server.before = before
        assert len(seat.remote.tree().nodes) == 1

    def test_a_restored_server_is_another_life(self, seat: Seat) -> None:
        """Its old files are not taken for deletions and edits of today (R23)."""
        seat.server.epoch = "1"
        root = seat.remote.root()
        cursor = seat.remote.tree().cursor
        seat.put("f", b"1")
        seat.server.files.clear()
        seat.server.epoch = "2"
        with pytest.raises(CursorGone):
            seat.remote.changes(cursor, 0)
        assert seat.remote.root().epoch != root.epoch

    def test_an_account_older_than_its_reader_begins_anew(self, seat: Seat) -> None:
        """Numbers are never given twice: who was told of more than is known here hears of another life."""
        epoch, number = seat.remote.tree().cursor.split("-")
        with pytest.raises(CursorGone):
            seat.remote.changes(f"{epoch}-{int(number) + 5}", 0)
        assert seat.remote.root().epoch != epoch


class TestOlderServers:
    """The first servers tell no ids, no empty folders, and leave out what is being sent anew."""

    def test_files_and_folders(self, server: DriveServer) -> None:
        """All that files need works; what vanishes is not taken as deleted."""
        seat = Seat(server, ids=False)
        folder = seat.remote.make_folder(NodeId(TOP), "d")
        file = seat.put("f", b"1", folder.id)
        assert seat.remote.node(folder.id).name == "d"
        moved = seat.remote.move(file.id, NodeId(TOP), "g", file.change)
        assert (moved.id, set(server.files)) == (file.id, {("g",)})
        seat.remote.delete(folder.id, seat.remote.node(folder.id).below)
        cursor = seat.remote.tree().cursor
        server.files.clear()
        assert seat.remote.changes(cursor, 0).nodes == []
        assert seat.remote.node(file.id).name == "g"


def computers(server: DriveServer) -> tuple[Computer, Computer]:
    """Two computers that speak netdrive with one server."""
    clock = SimClock()
    found = []
    for name in "AB":
        seat = Seat(server, name)

        def around(remote: object, seat: Seat = seat) -> NetdriveRemote:
            seat.remote.fingerprints = seat.account  # type: ignore[attr-defined]
            return seat.remote

        found.append(Computer(name, MemoryServer(), clock, around=around))
    return found[0], found[1]


class TestJoining:
    def test_two_equal_full_sides_move_no_bytes(self, server: DriveServer) -> None:
        """A full folder meets a full server with the same in it: nothing is sent, fetched or doubled (R3, R24)."""
        mine, other = computers(server)
        for computer in (mine, other):
            computer.disk.mkdir(("d",))
            for number in range(20):
                computer.write(f"d/f{number}", f"content {number % 15}" * 50)
        settle(mine)
        before = server.moved_bytes
        settle(other)
        assert server.moved_bytes == before
        assert other.cycle.counts.total() == 0
        assert other.files() == mine.files()

    def test_what_differs_is_kept_on_both(self, server: DriveServer) -> None:
        """The same name with other content becomes a conflict copy (R5)."""
        mine, other = computers(server)
        mine.write("f", "mine")
        other.write("f", "other")
        settle(mine, other)
        assert sorted(mine.files().values()) == [b"mine", b"other"]  # type: ignore[type-var]
        assert mine.files() == other.files()

    def test_a_rename_is_one_on_the_other_computer_too(self, server: DriveServer) -> None:
        """A copy and a deletion between two of its looks are a rename there: nothing is fetched."""
        mine, other = computers(server)
        mine.write("f", "content")
        settle(mine, other)
        mine.disk.rename(("f",), ("g",))
        mine.sync()
        before = server.moved_bytes
        other.sync()
        assert (other.files(), server.moved_bytes) == ({"g": b"content"}, before)


def test_small_refusals(seat: Seat) -> None:
    """What the server refuses for one thing is that thing's alone."""
    assert len(remote_on(seat.server).tree().nodes) == 1
    folder = seat.remote.make_folder(NodeId(TOP), "d")
    with pytest.raises(Forbidden):
        seat.remote.delete(NodeId(TOP), 1)
    with pytest.raises(Stale):
        seat.remote.delete(folder.id, 1)
