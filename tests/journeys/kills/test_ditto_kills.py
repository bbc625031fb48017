"""kill -9 of the server between and inside the steps of an upload by Ditto: what was acknowledged stays, no event is lost, and
one that is told again has the name it had."""

import contextlib
import hashlib
import random
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from tests.fronts.ditto.http2 import DATA, SETTINGS, Http2, frame, message
from tests.fronts.ditto.rig import Phone, Stream
from tests.journeys.cli_processes import PASSWORD
from tests.journeys.kills.processes import ServerProcess, Zygote, points_in

from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

pytestmark = pytest.mark.serial

SIZE = 256 * 1024
COUNT = 6
POINTS = (
    "ditto.block_received:kill:1", "ditto.block_received:kill:2", "ditto.block_received:kill:6", "ditto.block_moved:kill:1",
    "ditto.uploaded:kill:1", "ditto.published:kill:1", "upload.before_sync:kill:1", "content.write:kill:1",
    "content.write:kill:3", "content.sync:kill:1", "content.publish:kill:1", "committer.intents_recorded:kill:1",
    "committer.carried_out:kill:1", "committer.prepared:kill:1", "committer.staged_durable:kill:1",
    "committer.renames_durable:kill:1", "committer.before_answers:kill:1", "committer.recorded:kill:1",
    "committer.recorded:kill:2", "committer.recorded:kill:4", "database.before_commit:kill:1", "database.before_commit:kill:3",
    "database.before_commit:kill:6", "database.committed:kill:1", "database.committed:kill:4",
)  # fmt: skip


class Device:
    """Anna's device: announces, sends what is missing, watches, and remembers everything that it was told.

    Attributes:
        kept: blocks that were acknowledged, by file.
        events: what was told, by event_uuid.
    """

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.kept: dict[str, set[int]] = {}
        self.events: dict[str, pb.Event] = {}
        self.repeated = 0
        self.secret = server.order("client", "add", "box")
        self.token = ""

    @contextlib.contextmanager
    def connected(self) -> Iterator[Phone]:
        """A connection to the server of now."""
        phone = Phone(str(self.server.ready["grpc"]), self.token or None)
        if not self.token:
            request = pb.AuthenticateRequest(username="anna", password=PASSWORD, **self.secret)
            phone.token = self.token = phone.call(calls.AUTHENTICATE, request).access_token
        try:
            yield phone
        finally:
            phone.close()

    def note(self, answers: list[pb.WatchResponse]) -> None:
        """Remember events; one that was told before is the same."""
        for event in (event for answer in answers for event in answer.events):
            known = self.events.setdefault(event.event_uuid, event)
            self.repeated += known is not event
            assert known == event

    def watch(self, enough: Callable[[], bool], name: str = "w") -> None:
        """Watch until enough was told."""
        with self.connected() as phone:
            stream = Stream(phone, timeout=30)
            stream.create(name)
            while not enough():
                self.note([next(stream.call)])
            stream.drop()

    def send(self, uuid: str, data: bytes, chance: random.Random) -> None:
        """All blocks, the short last one first, the others in any order and side by side."""
        order = list(range(COUNT - 1))
        chance.shuffle(order)
        with self.connected() as phone:

            def one(no: int) -> None:
                phone.send(uuid, no, data[no * SIZE : (no + 1) * SIZE])
                self.kept.setdefault(uuid, set()).add(no)

            one(COUNT - 1)
            one(order.pop())
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(one, order))

    def missing(self, uuid: str) -> list[int]:
        """Blocks that the server does not have; it has all that it acknowledged."""
        with self.connected() as phone:
            found = phone.call(calls.LIST_FILE_BLOCKS, pb.ListFileBlocksRequest(file_uuid=uuid))
            have = {block.block_no for block in found.blocks if block.status != pb.DittoFileBlock.NONE}
            whole = phone.get(uuid).status == pb.DittoFile.WRITTEN
        assert whole or self.kept.get(uuid, set()) <= have, (self.kept, have)
        return [] if whole else [no for no in range(COUNT) if no not in have]


def test_every_point_of_an_upload_is_a_place_to_die() -> None:
    """The list has all that the files of Ditto go by."""
    named = {point.partition(":")[0] for point in POINTS}
    assert {point for point in points_in("server/service") if point.startswith("ditto.")} <= named


def test_killed_anywhere_in_an_upload_nothing_is_lost(zygote: Zygote, place: Path, told: Callable[[str], None]) -> None:
    """Bytes, acknowledged blocks, events and their names, after each kill; in the end each file is there once and right."""
    server = ServerProcess(zygote, place, "--grpc", "127.0.0.1:0")
    server.add_user("anna")
    device = Device(server)
    files: dict[str, str] = {}
    try:
        for number, point in enumerate(POINTS):
            chance = random.Random(number)
            data = chance.randbytes(SIZE * (COUNT - 1) + 1000)
            assert server.start()
            name = f"film {number}.mp4"
            with device.connected() as phone:
                uuid = phone.create(name, data).uuid
            files[uuid] = name
            server.stop()
            if server.start(point):  # else it died on its way up
                with pytest.raises(grpc.RpcError):
                    device.send(uuid, data, chance)
                assert server.wait() < 0, (point, server.errors())
                server.note_kill()
            assert server.start()
            missing = device.missing(uuid)
            with device.connected() as phone:
                for no in missing:
                    phone.send(uuid, no, data[no * SIZE : (no + 1) * SIZE])
                    device.kept.setdefault(uuid, set()).add(no)
                assert phone.get(uuid).status == pb.DittoFile.WRITTEN, point
            path = server.data / "files" / "anna" / "Ditto" / name
            assert hashlib.sha1(path.read_bytes()).digest() == hashlib.sha1(data).digest(), point
            device.watch(lambda uuid=uuid: complete(device, uuid))  # type: ignore[misc]
            if number % 3 == 0:
                server.kill()
            else:
                server.stop()
        before = dict(device.events)
        assert server.start()
        names = {path.name for path in (server.data / "files" / "anna" / "Ditto").iterdir()}
        assert names == set(files.values())
        device.events = {}
        device.watch(lambda: before.keys() <= device.events.keys(), "another")
        assert {uuid: device.events[uuid] for uuid in before} == before
        for uuid in files:
            assert complete(device, uuid), files[uuid]
            assert device.kept[uuid] <= blocks(device, uuid)
        assert not list((server.data / "files" / "anna" / ".homestow" / "staging").glob("*"))
        told(
            f"Ditto: {len(server.killed_at)} kills at {len(set(server.killed_at))} points of an upload, "
            f"{len(before)} events, {device.repeated} of them told again"
        )
    finally:
        if server.ended() is None:
            server.stop()


def blocks(device: Device, uuid: str) -> set[int]:
    """Numbers of the blocks of a file that events told of."""
    found = (event.fileblock_uploaded_event for event in device.events.values())
    return {block.block_no for block in found if block.file_uuid == uuid}


def complete(device: Device, uuid: str) -> bool:
    """Whether events told of a whole file: each acknowledged block, that all are there, and that it was written."""
    return (
        device.kept.get(uuid, set()) <= blocks(device, uuid)
        and any(event.file_uploaded_event.file_uuid == uuid for event in device.events.values())
        and any(event.file_written_event.file_uuid == uuid for event in device.events.values())
    )


def test_a_server_with_open_streams_stops_in_time(zygote: Zygote, place: Path, told: Callable[[str], None]) -> None:
    """Within 10 s, whatever is open: watchers are told to come back, those who never read or never send are left."""
    server = ServerProcess(zygote, place, "--grpc", "127.0.0.1:0")
    server.add_user("anna")
    device = Device(server)
    assert server.start()
    with device.connected() as phone, Http2(str(server.ready["grpc"])) as line:
        token = [("authorization", f"Bearer {device.token}")]
        streams = [Stream(phone) for _ in range(5)]
        for number, stream in enumerate(streams):
            stream.create(f"w{number}")
        line.sock.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
        create = pb.WatchRequest(create_request=pb.WatchCreateRequest(watch_uuid="shut"))
        line.sock.sendall(frame(DATA, 0, line.call(calls.WATCH.path, token), message(create.SerializeToString()) * 90))
        for _ in range(20):
            line.call(calls.UPLOAD_FILE_BLOCK.path, token)
        phone.put("one", b"x")
        for stream in streams:
            stream.events(3)
        began = time.monotonic()
        server.stop()
        took = time.monotonic() - began
        for stream in streams:
            with pytest.raises(grpc.RpcError) as caught:
                list(stream.call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert took < 10
    told(f"Ditto: a server with 26 open streams stops in {took:.1f} s")
