"""kill -9 of the server in the middle of PiCloud's messages: what was told is true, nothing half is ever seen."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fronts.picloud.rig import LOGGED_IN, RECEIVED, STORED, Peer, upload, user_file
from tests.journeys.kills.processes import ServerProcess, Zygote

from homestow.client.adapters.api_client import Client

pytestmark = pytest.mark.serial

POINTS = (
    "content.stage:kill:1", "content.write:kill:1", "content.write:kill:4", "content.sync:kill:1", "committer.prepared:kill:1",
    "committer.staged_durable:kill:1", "committer.intents_recorded:kill:1", "content.publish:kill:1", "publish.displaced:kill:1",
    "publish.kept:kill:1", "committer.carried_out:kill:1", "committer.renames_durable:kill:1", "committer.recorded:kill:1",
    "committer.before_answers:kill:1",
)  # fmt: skip
SIZES = (500, 3_000_000)


def connect(server: ServerProcess) -> Peer:
    """A connection to its port of now."""
    return Peer(int(str(server.ready["picloud"]).rpartition(":")[2]))


def heard(peer: Peer, data: bytes) -> list[bytes]:
    """What was answered to a message until the server died."""
    said: list[bytes] = []
    try:
        peer.send(data)
        while len(said) < 2:
            head = peer.exactly(4)
            if len(head) < 4:
                break
            (length,) = struct.unpack(">I", head)
            payload = peer.exactly(length)
            if len(payload) < length:
                break
            said.append(payload)
    except ConnectionError:
        pass
    return said


def test_killed_anywhere_in_a_message_nothing_half_is_seen(
    zygote: Zygote, place: Path, told: Callable[[str], None]
) -> None:
    """New files and new content: afterwards it is all of the old or all of the new, the new if it was told; sent again, it is
    there; the address is still logged in, and the store is sound."""
    server = ServerProcess(zygote, place, "--picloud", "127.0.0.1:0")
    server.add_user("anna")
    assert server.start()
    tree = server.data / "files" / "anna"
    with connect(server) as peer:
        assert peer.ask(user_file("anna")) == [RECEIVED, LOGGED_IN]
        peer.put("old", "bin", b"the first content")
    contents = {"old.bin": b"the first content"}
    try:
        for number, point in enumerate(POINTS):
            for size in SIZES:
                server.stop()
                assert server.start(point), point
                name = "old" if number % 3 or "displaced" in point or "kept" in point else f"new {number} {size}"
                content = random.Random(f"{point} {size}").randbytes(size)
                with connect(server) as peer:
                    said = heard(peer, upload(name, "bin", content))
                    died = server.ended() is not None or not said
                if died:
                    server.wait()
                    server.note_kill()
                    assert server.start()
                before = contents.get(f"{name}.bin")
                with connect(server) as peer:
                    now = peer.get(name, "bin")
                    assert now in (before, content), point
                    if said == [RECEIVED, STORED]:
                        assert now == content, point
                    peer.put(name, "bin", content)
                    assert peer.get(name, "bin") == content
                contents[f"{name}.bin"] = content
                found = {path.name: path.read_bytes() for path in tree.iterdir() if path.is_file()}
                assert found == contents, point
        assert len(server.killed_at) >= len(POINTS)
        owner = Client(f"unix:{server.data / 'control.sock'}", timeout_s=60)
        try:
            assert b'"sound":true' in bytes(owner.order("verify", {}).data)
        finally:
            owner.close()
        told(f"picloud: {len(server.killed_at)} kills at {len(set(server.killed_at))} points of a message")
    finally:
        if server.ended() is None:
            server.stop()
