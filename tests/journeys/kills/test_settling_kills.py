"""The sync service is killed while it settles a conflict: at each step on the way, neither content is lost."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from tests.journeys.cli_processes import Home, Serving, wait_for
from tests.journeys.test_sync_service import Syncing, log_in, syncing

from homestow.values.errors import CloudError
from homestow.wire import control

pytestmark = pytest.mark.serial

ORIGINAL = ("client.delete.asking", "client.delete.answered", "client.remove.aside")
"""Steps of keeping the original."""

COPY = (
    "client.begin_upload.asking",
    "client.begin_upload.answered",
    "client.stage.made",
    "client.put.published",
    "client.put.durable",
    *ORIGINAL,
)
"""Steps of keeping the copy."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


@pytest.fixture
def server(home: Home) -> Iterator[Serving]:
    """A server with the account of Anna."""
    with home.server() as serving:
        home.fine("user", "add", "anna", "--data", home.data)
        yield serving


class Scene:
    """A folder that is kept in step, another computer, and a service between them that is begun again and again."""

    def __init__(self, home: Home, server: Serving) -> None:
        self.home, self.account = home, ("-s", server.url, "-u", "anna")
        self.folder, self.other = home.path / "docs", Home(home.path / "other computer")
        self.theirs, self.job = self.other.path / "docs", "127.0.0.1-anna"
        log_in(home, server)

    def once(self) -> None:
        """The other computer comes into step."""
        self.other.fine("sync", *self.account, "-d", self.theirs, "--once")

    def conflict(self, name: str) -> None:
        """Both computers edit one file; ours is set aside."""
        (self.folder / name).write_text("base")
        self.home.fine("sync", *self.account, "-d", self.folder, "--once")
        self.once()
        (self.theirs / name).write_text(f"theirs, longer {name}")
        self.once()
        (self.folder / name).write_text(f"mine {name}")
        self.home.fine("sync", *self.account, "-d", self.folder, "--once")

    def kept(self) -> set[bytes]:
        """Every content that is on the server, live, as a version, or in the trash."""
        top = self.home.data / "files" / "anna"
        return {path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def settle(self, keep: Literal["original", "copy"], faults: str) -> int:
        """Have the service settle the conflict that is left, and die as told; its exit code."""
        running = Syncing(self.home, *self.account, "-d", self.folder, faults=faults)
        try:
            wait_for(lambda: running.jobs()[self.job].conflicts == 1, "the conflict")
            running.wait(self.job, "synced")
            (conflict,) = running.link.ask(control.ListConflicts(job=self.job))
            with suppress(CloudError):
                running.link.ask(control.Settle(job=self.job, keep=keep, conflict=conflict.id))
            return running.process.wait(30)
        finally:
            running.link.close()
            running.process.kill()
            running.process.communicate()


@pytest.mark.parametrize("keep, points", [("copy", COPY), ("original", ORIGINAL)])
def test_killed_while_a_conflict_is_settled(
    home: Home, server: Serving, keep: Literal["original", "copy"], points: Sequence[str]
) -> None:
    """kill -9 at each step: the file has one of both contents, whole and the same everywhere, and both are on the server. Where
    the choice was not done yet it is made again."""
    scene = Scene(home, server)
    scene.folder.mkdir()
    for number, point in enumerate(points):
        name = f"f{number}.txt"
        mine, theirs = f"mine {name}".encode(), f"theirs, longer {name}".encode()
        scene.conflict(name)

        assert scene.settle(keep, f"{point}:kill:1") == -signal.SIGKILL, point

        home.fine("sync", *scene.account, "-d", scene.folder, "--once")
        scene.once()
        here = (scene.folder / name).read_bytes()
        assert here == (scene.theirs / name).read_bytes()
        assert here in (mine, theirs), point
        assert {mine, theirs} <= scene.kept(), point
        with syncing(home, *scene.account, "-d", scene.folder) as service:
            service.wait(scene.job, "synced")
            for conflict in service.link.ask(control.ListConflicts(job=scene.job)):
                service.link.ask(control.Settle(job=scene.job, keep=keep, conflict=conflict.id))
            wait_for(lambda: service.jobs()[scene.job].conflicts == 0, "no conflict to be left")
        scene.once()
        assert (scene.theirs / name).read_bytes() == (mine if keep == "copy" else theirs), point
        assert not [path for path in scene.theirs.iterdir() if "conflict" in path.name], point
        assert {mine, theirs} <= scene.kept(), point
