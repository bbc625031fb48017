"""Disks that are full or fail: nothing is acknowledged that is not there, old content stays, the words are clear (P1, P9)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD
from tests.journeys.kills.processes import REPOSITORY, ServerProcess, Zygote, environment

from homestow.client.adapters.api_client import Client
from homestow.values.errors import CloudError, ServerError, StorageFailed, StorageFull
from homestow.values.nodes import Node
from homestow.wire import api

pytestmark = pytest.mark.serial

UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]


def may_mount(place: Path) -> bool:
    """Whether the kernel lets us have a disk of our own."""
    try:
        tried = subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.parametrize("case", ["server", "client"])
def test_a_full_disk(place: Path, case: str) -> None:
    """Clear refusals, old content intact, others go on, all works again with room; see `full_disk`."""
    if not may_mount(place):
        pytest.skip("the kernel allows no mount namespace here")
    ran = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "tests.journeys.kills.full_disk", case, str(place)],
        cwd=REPOSITORY, env=environment(place), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]


class Trial:
    """A server with a file on it, whose disk can be made to fail."""

    def __init__(self, zygote: Zygote, place: Path) -> None:
        self.server = ServerProcess(zygote, place)
        self.server.add_user("anna")
        assert self.server.start()
        self.client = Client(self.server.url, timeout_s=20)
        self.client.login("anna", PASSWORD, "test")
        self.top = self.client.roots()[0].top
        self.old = self.client.put_file(self.top, "old", b"old content")
        self.other = self.client.put_file(self.top, "other", b"other content")
        self.rev = 1

    def again(self, faults: str = "") -> None:
        """Start it anew, with faults."""
        self.server.stop()
        assert self.server.start(faults)

    def replace(self, data: bytes) -> None:
        """New content for the file."""
        self.rev = self.client.put_content(self.old.id, self.rev, data).rev

    def read(self, node: Node | None = None) -> bytes:
        """A file as it is served; by default the one that is changed."""
        with self.client.content((node or self.old).id) as answer:
            return answer.read(1000)

    def sound(self) -> bool:
        """What the server's own sweep says."""
        owner = Client(f"unix:{self.server.data / 'control.sock'}", timeout_s=60)
        try:
            return b'"sound":true' in bytes(owner.order("verify", {}).data)
        finally:
            owner.close()


@pytest.fixture
def trial(zygote: Zygote, place: Path) -> Iterator[Trial]:
    one = Trial(zygote, place)
    yield one
    one.client.close()
    one.server.stop()


def blocks(trial: Trial) -> None:
    """New content by an upload, whose bytes are flushed before it is published."""
    begin = api.NewUpload(size=3, node=trial.old.id, base=trial.rev)
    upload = trial.client.call("begin_upload", api.Upload, begin)
    trial.client.call("put_block", api.Upload, content=b"new", upload=upload.id, offset=0)
    trial.rev = trial.client.call("finish_upload", Node, api.Finish(), upload=upload.id).rev


def replace(trial: Trial) -> None:
    """New content in one request."""
    trial.replace(b"new")


@pytest.mark.parametrize("point", ["content.sync_staged", "content.sync_folders", "content.sync"])
def test_a_flush_that_fails_is_never_acknowledged(trial: Trial, point: str) -> None:
    """EIO of a flush: an error, the root takes no more changes and says why, reading goes on; a restart settles it (SC-206)."""
    trial.again(f"{point}:EIO:1")
    act = blocks if point == "content.sync" else replace
    with pytest.raises(StorageFailed, match=r"Input/output error.*Look at the disk"):
        act(trial)
    with pytest.raises(StorageFailed, match=r"read-only until its disk was looked at"):
        trial.client.put_file(trial.top, "another", b"refused")
    assert trial.read(trial.other) == b"other content"
    assert "read-only" in trial.server.errors()

    trial.again()
    found = trial.client.node(trial.old.id)
    assert (found.rev, trial.read()) in ((1, b"old content"), (2, b"new"))
    trial.rev = found.rev
    trial.replace(b"newest")
    assert trial.read() == b"newest"
    assert trial.sound()


def test_a_commit_that_fails_after_the_content_is_placed(trial: Trial) -> None:
    """SC-205: not acknowledged, settled before the next change, and the same request again has one effect (P8)."""
    refused = 0
    for number in range(1, 9):
        data = f"content {number}".encode()

        def put(data: bytes = data, key: str = f"key {number}") -> Node:
            return trial.client.call("put_content", Node, content=data, node=trial.old.id, base=trial.rev, key=key)

        trial.again(f"database.before_commit:EIO:{number}")
        try:
            put()
        except (ServerError, StorageFailed):
            refused += 1
        node = put()
        assert (node.rev, trial.read()) == (trial.rev + 1, data)
        trial.rev = node.rev
        assert trial.sound()
    assert refused >= 2


BEFORE = (
    "content.stage_small", "content.publish.checked", "content.keep_staged", "content.keep.checked",
    "content.bring_back.checked", "content.move.checked", "content.make_folder", "content.set_mtime", "content.stage",
    "content.write",
)  # fmt: skip
AFTER = ("content.publish", "content.keep", "content.bring_back", "content.move")
"""The name is changed already: a full disk cannot be told any more, a failing one can."""


@pytest.mark.parametrize("error, points", [("ENOSPC", BEFORE), ("EIO", BEFORE + AFTER)], ids=["full", "failing"])
def test_an_error_at_any_step(trial: Trial, error: str, points: tuple[str, ...]) -> None:
    """Whatever step the disk refuses, the caller hears it, nothing is lost, and after a restart the same can be done."""
    for point in points:
        name = point.replace(".", "-")
        trial.again(f"{point}:{error}:1")
        heard = 0
        for _ in range(3):
            try:
                everything(trial, name)
                break
            except StorageFull:
                heard += 1
            except StorageFailed:
                heard += 1
                trial.again()
            except CloudError as told:
                raise AssertionError(f"{point}: {told!r}") from told
        else:
            raise AssertionError(f"{point}: it never came to an end")
        assert heard == 1, f"{point}: heard {heard} times of {error}"
        assert trial.sound(), point


def everything(trial: Trial, name: str) -> None:
    """A file's life, each act under its own key: what was done before is not done twice."""
    client, top = trial.client, trial.top
    folder = client.call("make_folder", Node, api.NewFolder(name=name), node=top, key=f"{name}1")
    file = client.call("put_file", Node, content=b"one", node=folder.id, name="f", key=f"{name}2")
    client.call("put_content", Node, content=b"two", node=file.id, base=1, key=f"{name}3")
    upload = client.call("begin_upload", api.Upload, api.NewUpload(size=5, node=file.id, base=2), key=f"{name}4")
    if upload.state != "written":
        client.call("put_block", api.Upload, content=b"three", upload=upload.id, offset=0)
    client.call("finish_upload", Node, api.Finish(), upload=upload.id, key=f"{name}5")
    client.call("set_facts", Node, api.Facts(mtime_ns=10**18), node=file.id, key=f"{name}6")
    client.call("move", Node, api.Move(parent=top, name=name + "!"), node=file.id, key=f"{name}7")
    client.act("delete", node=file.id, key=f"{name}8")
    client.call("restore", Node, api.Restore(), node=file.id, key=f"{name}9")
    with client.content(file.id) as answer:
        assert answer.read(100) == b"three"
    assert [version.rev for version in client.versions(file.id)] == [3, 2, 1]
