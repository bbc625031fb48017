"""Transfers through a network that breaks: nothing acknowledged is sent again (P7), no call hangs (P12), a repetition has one
effect (P8)."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.journeys.chaos_proxy import ChaosProxy, Counts, Cut, Hole, Weather
from tests.journeys.cli_processes import PASSWORD
from tests.journeys.kills.processes import ClientProcess, ServerProcess, Zygote

from homestow.client.adapters.api_client import Client
from homestow.client.bootstrap import open_job
from homestow.client.running.downloads import RANGE_BYTES
from homestow.client.running.outcome import Ending
from homestow.client.settings import JobSettings
from homestow.values.digests import BLOCK_SIZE
from homestow.values.errors import CloudError, Unreachable
from homestow.values.nodes import Node
from homestow.wire import api, packs
from homestow.wire.calls import CALLS

pytestmark = pytest.mark.serial

CUTS_EACH = 9
OVERHEAD = 64 * 1024
"""Heads, listings and the feed around a transfer."""


def sizes(block: int) -> list[int]:
    return [0, 1, block - 1, block, block + 1, 3 * block + block // 2]


class Trial:
    """A server behind a proxy, and a folder that is synced through it."""

    def __init__(self, zygote: Zygote, place: Path) -> None:
        self.place = place
        self.server = ServerProcess(zygote, place)
        self.server.add_user("anna")
        assert self.server.start()
        self.proxy = ChaosProxy(self.server.url)
        self.client = Client(self.server.url, timeout_s=20)
        self.token = self.client.login("anna", PASSWORD, "test").token
        self.root = self.client.roots()[0]
        self.folder = place / "folder"

    def close(self) -> None:
        self.client.close()
        self.proxy.close()
        self.server.stop()

    def sync(self) -> Ending:
        """A run of the client through the proxy."""
        settings = JobSettings(
            self.proxy.url, self.token, self.folder, "here", self.place / "jobs", timeout_s=10.0, workers=2
        )
        job = open_job(settings)
        try:
            # As `Job.once`, but a break is tried again at once: a hundred cuts are not waited for.
            return job._cycle.once(lambda seconds: time.sleep(min(seconds, 0.02))).ending
        finally:
            job.close()

    def sync_through(self, weather: Weather) -> Counts:
        """Runs until in step; what passed."""
        self.proxy.weather, self.proxy.counts = weather, Counts()
        for _ in range(4):
            try:
                if self.sync() is Ending.IN_STEP:
                    return self.proxy.counts
            except Unreachable:
                continue
        raise AssertionError(f"not in step after {weather}")


@pytest.fixture
def trial(zygote: Zygote, place: Path) -> Iterator[Trial]:
    one = Trial(zygote, place)
    yield one
    one.close()


def kinds(dice: random.Random) -> tuple[Cut, int]:
    """How a cut is made, and whether bytes crawl before it."""
    return dice.choice(list(Cut)), dice.choice([0, 0, 0, 20_000])


def test_cut_uploads_go_on(trial: Trial, told: Callable[[str], None]) -> None:
    """At whatever byte an upload is cut, at most one block goes a second time, and what arrives is what was sent."""
    dice = random.Random(5)
    trial.folder.mkdir()
    trial.sync()
    cuts = 0
    for size in sizes(BLOCK_SIZE):
        for number in range(CUTS_EACH):
            content = dice.randbytes(size)
            name = f"{size}-{number}"
            (trial.folder / name).write_bytes(content)
            how, piece = kinds(dice)
            at = dice.randrange(1, size + 400)
            counts = trial.sync_through(Weather(cut_up=at, how=how, piece=piece))
            assert counts.up <= size + counts.cuts * BLOCK_SIZE + OVERHEAD, f"{size} bytes cut {how} at {at}: {counts}"
            node = trial.client.resolve(trial.root.id, name)
            with trial.client.content(node.id) as answer:
                assert answer.read(size + 1) == content
            assert trial.client.versions(node.id)[1:] == []
            cuts += counts.cuts
    assert cuts >= 50
    told(f"resume: {cuts} cuts of uploads, at most one block each again")


def test_cut_downloads_go_on(trial: Trial, told: Callable[[str], None]) -> None:
    """At whatever byte a download is cut, at most one range comes a second time, and nothing incomplete shows."""
    dice = random.Random(6)
    trial.folder.mkdir()
    trial.sync()
    cuts = 0
    for size in sizes(RANGE_BYTES):
        for number in range(CUTS_EACH):
            content = dice.randbytes(size)
            name = f"{size}-{number}"
            trial.client.put_file(trial.root.top, name, content)
            how, piece = kinds(dice)
            at = dice.randrange(1, size + 400)
            counts = trial.sync_through(Weather(cut_down=at, how=how, piece=0 if size > RANGE_BYTES else piece))
            assert counts.down <= size + counts.cuts * RANGE_BYTES + OVERHEAD, (
                f"{size} bytes cut {how} at {at}: {counts}"
            )
            assert (trial.folder / name).read_bytes() == content
            (trial.folder / name).unlink()
            assert trial.sync() is Ending.IN_STEP
            cuts += counts.cuts
    assert cuts >= 50
    told(f"resume: {cuts} cuts of downloads, at most one range each again")


# --- deaths in the middle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point", ["put_block.asking:2", "put_block.answered:2", "finish_upload.asking:1", "state.committed:3"]
)
def test_a_client_that_dies_goes_on(trial: Trial, zygote: Zygote, point: str) -> None:
    """SC-134: what the server acknowledged before the client died is not sent again; of the rest one block at most."""
    client = ClientProcess(zygote, trial.place / "home", "anna", trial.proxy.url)
    client.folder.mkdir()
    assert client.sync() == 0, client.said()
    content = random.Random(point).randbytes(3 * BLOCK_SIZE + BLOCK_SIZE // 2)
    (client.folder / "large").write_bytes(content)
    trial.proxy.counts = Counts()
    assert client.sync(f"client.{point.replace(':', ':kill:')}") == -signal.SIGKILL
    assert client.sync() == 0, client.said()
    assert trial.proxy.counts.up <= len(content) + BLOCK_SIZE + OVERHEAD
    node = trial.client.resolve(trial.root.id, "large")
    with trial.client.content(node.id) as answer:
        assert answer.read(len(content) + 1) == content


@pytest.mark.parametrize(
    "point", ["upload.block_received:2", "content.write:9", "upload.verified:1", "content.publish:1"]
)
def test_a_server_that_dies_goes_on(trial: Trial, zygote: Zygote, point: str) -> None:
    """SC-133: the client finds the server again, which has every block that it acknowledged."""
    client = ClientProcess(zygote, trial.place / "home", "anna", trial.proxy.url)
    client.folder.mkdir()
    assert client.sync() == 0, client.said()
    content = random.Random(point).randbytes(3 * BLOCK_SIZE + BLOCK_SIZE // 2)
    (client.folder / "large").write_bytes(content)
    trial.server.stop()
    assert trial.server.start(point.replace(":", ":kill:"))
    trial.proxy.counts = Counts()
    client.begin()
    assert trial.server.wait() == -signal.SIGKILL
    assert trial.server.start()
    assert client.end() == 0, client.said()
    # The block under way may be sent to the dying server a second time, whose socket still listens for a moment.
    assert trial.proxy.counts.up <= len(content) + 2 * BLOCK_SIZE + OVERHEAD
    node = trial.client.resolve(trial.root.id, "large")
    assert node.rev == 1
    with trial.client.content(node.id) as answer:
        assert answer.read(len(content) + 1) == content


# --- black holes ------------------------------------------------------------------------------------------------------

LIMIT_S = 0.5


def calls(client: Client, trial: Trial) -> list[Callable[[], object]]:
    """One call of each kind: small, with a body, streaming, and one that waits for news."""
    cursor = trial.client.call("tree", api.TreePage, root=trial.root.id).cursor
    node = trial.client.put_file(trial.root.top, f"hole{time.monotonic_ns()}", bytes(1_000_000))
    return [
        client.server,
        client.roots,
        lambda: client.put_file(trial.root.top, "hole", bytes(3_000_000)),
        lambda: client.content(node.id).read(2_000_000),
        lambda: client.call("changes", api.Changes, root=trial.root.id, cursor=cursor, wait=1, wait_s=1),
    ]


@pytest.mark.parametrize("hole", Hole)
def test_in_a_black_hole_every_call_ends(trial: Trial, hole: Hole) -> None:
    """A connection that stays open and says nothing costs the call its limit and no more (P12)."""
    client = Client(trial.proxy.url, trial.token, timeout_s=LIMIT_S)
    trial.proxy.weather = Weather(hole=hole)
    try:
        for number, call in enumerate(calls(client, trial)):
            begun = time.monotonic()
            with pytest.raises(Unreachable, match=r"did not answer|broke|ended"):
                call()
            took = time.monotonic() - begun
            assert took < LIMIT_S * 1.1 + (1 if number == 4 else 0) + 0.5, f"call {number} took {took:.2f} s"
    finally:
        client.close()


# --- lost replies -----------------------------------------------------------------------------------------------------


def orders(trial: Trial) -> dict[str, Callable[[Client, str], object]]:
    """Every mutating call by name, with all it needs prepared; called twice with one key."""
    own, top, root = trial.client, trial.root.top, trial.root.id
    file = own.put_file(top, "file", b"one")
    second = own.put_content(file.id, 1, b"two")
    trashed, purged = own.put_file(top, "trashed", b"t"), own.put_file(top, "purged", b"p")
    for node in (trashed, purged):
        own.delete(node.id)
    gone = own.put_file(top, "gone", b"g")
    moved = own.put_file(top, "moved", b"m")
    folder = own.make_folder(top, "folder")
    own.put_file(folder.id, "inside", b"i")
    upload = own.call("begin_upload", api.Upload, api.NewUpload(size=3, parent=top, name="uploaded"))
    own.call("put_block", api.Upload, content=b"abc", upload=upload.id, offset=0)
    pack = b"".join(
        packs.part(api.PackItem(size=1, mtime_ns=1, parent=top, name=f"packed{number}"), b"x") for number in range(3)
    )
    return {
        "set_member": lambda c, key: c.call(
            "set_member", api.Members, api.Member(user="ben", rights="read"), root=root, key=key
        ),
        "make_folder": lambda c, key: c.call("make_folder", Node, api.NewFolder(name="new"), node=top, key=key),
        "make_folders": lambda c, key: c.call(
            "make_folders", api.PackResults, api.PackFolders(folders=[(top, "f1"), (-1, "f2")]), root=root, key=key
        ),
        "move": lambda c, key: c.call(
            "move", Node, api.Move(parent=folder.id, name="here", base=moved.change), node=moved.id, key=key
        ),
        "copy": lambda c, key: c.call("copy", Node, api.Copy(parent=top, name="copied"), node=folder.id, key=key),
        "set_facts": lambda c, key: c.call(
            "set_facts", Node, api.Facts(mtime_ns=5, base=second.change), node=file.id, key=key
        ),
        "restore_version": lambda c, key: c.call("restore_version", Node, node=file.id, rev=1, base=2, key=key),
        "put_content": lambda c, key: c.call("put_content", Node, content=b"four", node=file.id, base=3, key=key),
        "delete": lambda c, key: c.act("delete", node=gone.id, key=key),
        "restore": lambda c, key: c.call("restore", Node, api.Restore(), node=trashed.id, key=key),
        "purge": lambda c, key: c.act("purge", node=purged.id, key=key),
        "put_file": lambda c, key: c.call("put_file", Node, content=b"p", node=top, name="put", key=key),
        "begin_upload": lambda c, key: c.call(
            "begin_upload", api.Upload, api.NewUpload(size=3, parent=top, name="begun"), key=key
        ),
        "finish_upload": lambda c, key: c.call("finish_upload", Node, api.Finish(), upload=upload.id, key=key),
        "put_pack": lambda c, key: c.call("put_pack", api.PackResults, content=pack, root=root, key=key),
        "empty_trash": lambda c, key: c.call("empty_trash", api.Emptied, root=root, key=key),
        "add_share": lambda c, key: c.call("add_share", api.SharedLink, api.NewShare(node=folder.id), key=key),
    }


def test_a_lost_reply_has_one_effect(trial: Trial) -> None:
    """For every mutating call: the reply is lost, the same is asked again under the same key, and it happened once (P8)."""
    trial.server.stop()
    trial.server.add_user("ben")
    assert trial.server.start()
    acts = orders(trial)
    assert set(acts) == {call.name for call in CALLS if call.mutates}
    for name, act in acts.items():
        key = f"key of {name}"
        client = Client(trial.proxy.url, trial.token, timeout_s=10)
        trial.proxy.weather, trial.proxy.counts = Weather(lose=lambda head: True), Counts()
        try:
            with pytest.raises(Unreachable):
                act(client, key)
            assert trial.proxy.counts.lost == 1
            before = entries(trial)
            first = act(client, key)
            assert act(client, key) == first, name
        except CloudError as error:
            raise AssertionError(f"{name}: {error!r}") from error
        finally:
            client.close()
        assert entries(trial) == before, f"{name} happened twice"


def entries(trial: Trial) -> tuple[int, int]:
    """How many changes the journal knows, and how many uploads there are room for: what a second effect would change."""
    root = trial.client.roots()[0]
    return root.change, root.used
