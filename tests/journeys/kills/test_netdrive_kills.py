"""kill -9 of the server while netdrive clients send: what was acknowledged is there, what was not is whole or absent."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fronts.netdrive.rig import BLOCK, Peer, documented, md5
from tests.journeys.kills.processes import ServerProcess, Zygote

pytestmark = pytest.mark.serial

BLOCK_POINTS = (
    "content.write:kill:3", "content.write:kill:11", "upload.block_received:kill:1", "upload.block_received:kill:3",
    "upload.block_received:kill:5", "upload.verified:kill:1", "upload.before_sync:kill:1", "content.sync:kill:1",
    "committer.intents_recorded:kill:1", "content.publish:kill:1", "committer.carried_out:kill:1",
    "committer.recorded:kill:1", "committer.recorded:kill:2", "database.before_commit:kill:4", "database.committed:kill:4",
    "database.committed:kill:6",
)  # fmt: skip
SMALL_POINTS = (
    "content.stage_small:kill:40", "committer.prepared:kill:1", "committer.staged_durable:kill:1",
    "committer.intents_recorded:kill:2", "content.publish:kill:25", "committer.carried_out:kill:1",
    "committer.renames_durable:kill:1", "committer.recorded:kill:1", "committer.before_answers:kill:1",
    "database.before_commit:kill:3",
)  # fmt: skip
LANES = 2
LARGE = 4 * BLOCK + BLOCK // 2
SMALL_FILES = 120


class Client:
    """A person's program: it keeps its session, and goes on after every break.

    Attributes:
        sent: blocks that were sent, in all.
    """

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.session = ""
        self.sent = 0

    def connect(self) -> Peer:
        """One more connection with the session."""
        return Peer(int(str(self.server.ready["netdrive"]).rpartition(":")[2]), session=self.session)

    def log_in(self) -> None:
        with self.connect() as peer:
            self.session = peer.log_in().session

    def missing(self, name: str, content: bytes) -> tuple[int, list[int]]:
        """Announce: the id, and which blocks are still to be sent."""
        with self.connect() as peer:
            told = peer.ask(
                "upload", filename=name, path="//", md5=md5(content), size=len(content), offset=0, chunksize=0
            )
        if told["error"] == 0:
            return int(told["vfile_id"]), []
        assert told["error"] == 4, told
        return int(told["vfile_id"]), [each["offset"] // BLOCK for each in told["done"] if not each["done"]]

    def send(self, vfile: int, content: bytes, numbers: list[int], acked: set[int]) -> None:
        """Send these blocks over some connections until all are there, or the server died."""
        waiting = list(reversed(numbers))

        def lane(peer: Peer) -> None:
            with peer:
                while waiting:
                    number = waiting.pop()
                    part = content[number * BLOCK : (number + 1) * BLOCK]
                    self.sent += 1
                    told = peer.ask("upload", data=part, vfile_id=vfile, offset=number * BLOCK, chunksize=len(part))
                    assert told["error"] == 0, told
                    acked.add(number)

        with ThreadPoolExecutor(LANES) as pool:
            list(pool.map(lane, [self.connect() for _ in range(LANES)]))


@contextmanager
def serving(zygote: Zygote, place: Path) -> Iterator[ServerProcess]:
    """A server with one user, started."""
    server = ServerProcess(zygote, place, "--netdrive", "127.0.0.1:0")
    server.add_user("anna")
    assert server.start()
    try:
        yield server
    finally:
        if server.ended() is None:
            server.stop()


def died(server: ServerProcess) -> None:
    """It was killed by its fault; it is there again afterwards."""
    assert server.wait() < 0, server.errors()
    server.note_kill()
    assert server.start()


def on_disk(server: ServerProcess) -> dict[str, bytes]:
    """What anybody sees in the user's folder."""
    folder = server.data / "files" / "anna"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_killed_anywhere_in_an_upload_no_acknowledged_block_is_lost(
    zygote: Zygote, place: Path, told: Callable[[str], None]
) -> None:
    """Blocks over two connections: those that were acknowledged are told as done, at most one of each connection is sent
    again, nothing half done shows, and the file is right. The session outlives every kill."""
    with serving(zygote, place) as server:
        client = Client(server)
        client.log_in()
        expected: dict[str, bytes] = {}
        for number, point in enumerate(BLOCK_POINTS):
            content = random.Random(number).randbytes(LARGE)
            name = "again" if number % 4 == 3 else f"film {number}"
            server.stop()
            assert server.start(point)
            acked: set[int] = set()
            before, kills = client.sent, len(server.killed_at)
            for _ in range(4):
                try:
                    vfile, missing = client.missing(name, content)
                    assert not acked.intersection(missing), f"{point}: acknowledged, and gone"
                    client.send(vfile, content, missing, acked)
                except OSError:
                    died(server)
                    shown = on_disk(server)
                    assert shown.pop(name, content) in (content, expected.get(name)), point
                    assert shown == {each: data for each, data in expected.items() if each != name}, point
                    continue
                break
            assert len(server.killed_at) == kills + 1, point
            assert client.sent - before <= 5 + LANES, point
            expected[name] = content
            with client.connect() as peer:
                done = peer.ask("upload", vfile_id=vfile, complete=True)
                assert done["error"] == 0, (point, done)
                assert peer.get(md5=md5(content)) == content
                assert peer.get(vfile_id=done["vfile_id"]) == content
            assert on_disk(server) == expected, point
        assert not list((server.data / "files" / "anna" / ".homestow" / "staging").glob("*"))
        told(f"netdrive: {len(server.killed_at)} kills at {len(set(server.killed_at))} points of an upload in blocks")


def test_killed_among_small_files_every_acknowledged_one_is_there(
    zygote: Zygote, place: Path, told: Callable[[str], None]
) -> None:
    """Sent ahead by the hundred: whatever was answered is there with its bytes, everything else is whole or absent."""
    with serving(zygote, place) as server:
        client = Client(server)
        client.log_in()
        with client.connect() as peer:
            peer.put("first", b"makes what the first write of a root makes")
        expected = {"first": b"makes what the first write of a root makes"}
        for number, point in enumerate(SMALL_POINTS):
            rng = random.Random(number)
            files = {f"{number}-{at}": rng.randbytes(rng.randrange(4000)) for at in range(SMALL_FILES)}
            server.stop()
            assert server.start(point)
            acked = send_ahead(client, files)
            died(server)
            shown = on_disk(server)
            for name, content in {**expected, **{name: files[name] for name in acked}}.items():
                assert shown.get(name) == content, (point, name)
            for name in shown.keys() - expected.keys():
                assert shown[name] == files[name], (point, name)
            assert send_ahead(client, files) == list(files)
            expected |= files
            assert on_disk(server) == expected, point
        told(f"netdrive: {len(server.killed_at)} kills among {len(expected)} small files")


def send_ahead(client: Client, files: dict[str, bytes]) -> list[str]:
    """Send all without waiting; which were acknowledged."""
    acked: list[str] = []
    with client.connect() as peer:
        try:
            peer.send(
                b"".join(
                    documented("upload", session=client.session, filename=name, size=len(content), md5=md5(content))
                    + content
                    for name, content in files.items()
                )
            )
            for name in files:
                told = peer.hear()
                assert told["error"] == 0, told
                acked.append(name)
        except OSError:
            return acked
    return acked
