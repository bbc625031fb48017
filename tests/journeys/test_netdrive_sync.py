"""`homestow sync -s netdrive://…`: real processes of server and clients, over netdrive and the native API in one root.

`HOMESTOW_LONG=1` works many more rounds with kills; HOMESTOW_SEED chooses them.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving, read_line, stop, wait_for
from tests.journeys.kills.folders import Person, Tree, differences, tree_of

pytestmark = pytest.mark.serial

LONG = os.environ.get("HOMESTOW_LONG") == "1"
ROUNDS = 40 if LONG else 3
SEED = int(os.environ.get("HOMESTOW_SEED", "1"))
TOPS = [f"top{number}" for number in range(6)]


class Computer:
    """One computer with a folder; `url` says by which protocol it speaks."""

    def __init__(self, place: Path, url: str) -> None:
        self.home, self.url = Home(place), url
        self.folder = place / "docs"
        self.folder.mkdir()

    @property
    def args(self) -> tuple[object, ...]:
        """Of its job."""
        return ("sync", "-s", self.url, "-u", "anna", "-d", self.folder)

    def sync(self, *more: object, code: int = 0) -> str:
        """Until both sides are settled; what it said."""
        ran = self.home.run(*self.args, "--once", *more, timeout=120)
        assert ran.code == code, ran
        return ran.out + ran.err

    def texts(self) -> dict[str, str]:
        """Files with their texts."""
        return {
            "/".join(path): content.decode() for path, content in tree_of(self.folder).items() if content is not None
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Where the server runs."""
    return Home(tmp_path / "home")


@pytest.fixture
def server(home: Home) -> Iterator[Serving]:
    """A server with the account anna."""
    with home.server("--netdrive", "127.0.0.1:0") as serving:
        home.fine("user", "add", "anna", "--data", home.data)
        yield serving


@pytest.fixture
def three(tmp_path: Path, server: Serving) -> list[Computer]:
    """Two computers that speak netdrive, and one that speaks the native protocol."""
    netdrive = f"netdrive://{server.ready['netdrive']}"
    return [
        Computer(tmp_path / name, url) for name, url in (("one", netdrive), ("two", netdrive), ("three", server.url))
    ]


def settle(computers: list[Computer]) -> None:
    """Let all come into step."""
    for _ in range(2):
        for computer in computers:
            computer.sync()


def test_edits_renames_and_deletions_reach_everybody(three: list[Computer], home: Home) -> None:
    """What one computer does, the others show, whichever protocol they speak; and the server has plain files."""
    one, two, three_ = three
    (one.folder / "sub" / "deep").mkdir(parents=True)
    (one.folder / "a.txt").write_text("a")
    (one.folder / "empty").write_text("")
    (one.folder / "sub" / "deep" / "b.txt").write_text("b")
    (one.folder / "sub" / "big").write_bytes(bytes(range(256)) * 40_000)
    (one.folder / "nothing in it").mkdir()
    settle(three)
    assert tree_of(one.folder) == tree_of(two.folder) == tree_of(three_.folder) == tree_of(home.data / "files" / "anna")

    (two.folder / "a.txt").write_text("edited")
    (three_.folder / "sub").rename(three_.folder / "renamed")
    (one.folder / "empty").unlink()
    (two.folder / "nothing in it").rmdir()
    settle(three)
    (one.folder / "renamed" / "deep").rename(one.folder / "up")
    (two.folder / "a.txt").rename(two.folder / "c.txt")
    settle(three)

    expected: Tree = {
        ("c.txt",): b"edited", ("renamed",): None, ("renamed", "big"): bytes(range(256)) * 40_000,
        ("up",): None, ("up", "b.txt"): b"b",
    }  # fmt: skip
    for folder in (*(each.folder for each in three), home.data / "files" / "anna"):
        assert tree_of(folder) == expected
    for computer in three:
        assert computer.sync().startswith("In step: nothing")


def test_both_edits_of_one_file_are_kept(three: list[Computer]) -> None:
    """The one that the server had first keeps the name, the others become conflict copies (R4)."""
    (three[0].folder / "f").write_text("first")
    settle(three)
    for number, computer in enumerate(three):
        (computer.folder / "f").write_text(f"edit {number}")
    settle(three)
    texts = three[0].texts()
    assert sorted(texts.values()) == ["edit 0", "edit 1", "edit 2"]
    assert texts["f"] == "edit 0"
    assert three[0].texts() == three[1].texts() == three[2].texts()


def test_equal_folders_join_without_copies(three: list[Computer]) -> None:
    """A full folder meets a full server with the same in it: nothing is sent, fetched or doubled (R3)."""
    for computer in three:
        (computer.folder / "d").mkdir()
        for number in range(30):
            (computer.folder / "d" / f"f{number}").write_text(f"content {number}")
    three[2].sync()
    for computer in three[:2]:
        said = computer.sync()
        assert " up" not in said
        assert " down" not in said
        assert len(computer.texts()) == 30


def test_kill_and_go_on(three: list[Computer]) -> None:
    """A client that is killed in the middle of a large file goes on when it is started again (P7)."""
    one, two = three[:2]
    content = random.Random(5).randbytes(48 * 1024 * 1024)
    (one.folder / "big").write_bytes(content)
    job = one.home.popen(*one.args, "--once")
    store = one.home.path / ".local" / "share" / "homestow" / "client" / "jobs"

    def sending() -> bool:
        return any(path.stat().st_size > 0 for path in store.glob("*.netdrive-wal")) or job.poll() is not None

    wait_for(sending, "a job that has begun")
    time.sleep(0.25)
    job.kill()
    job.communicate()
    one.sync()
    two.sync()
    assert (two.folder / "big").read_bytes() == content
    assert one.sync().startswith("In step: nothing")


def test_on_and_on_and_only_once_at_a_time(three: list[Computer]) -> None:
    """Two clients that keep running carry changes within seconds; a second start on a folder is refused; SIGTERM ends them."""
    one, two = three[:2]
    jobs = [computer.home.popen(*computer.args) for computer in (one, two)]
    try:
        for job in jobs:
            assert "in step" in read_line(job)
        (one.folder / "f").write_text("hello")
        wait_for(lambda: two.texts() == {"f": "hello"}, "the file on the other computer")
        assert "already" in one.sync(code=4)
        (two.folder / "f").unlink()
        wait_for(lambda: one.texts() == {}, "the deletion on the first one")
    finally:
        ended = [stop(job) for job in jobs]
    assert [each.code for each in ended] == [0, 0], ended


def test_roots_and_logins(three: list[Computer], home: Home, tmp_path: Path) -> None:
    """A root is chosen by number or by name; a wrong one, or a wrong password, exits with 4 and says what to do."""
    one = three[0]
    (tmp_path / "shared").mkdir()
    home.fine("root", "add", "Shared", tmp_path / "shared", "--member", "anna:write", "--data", home.data)
    (one.folder / "f").write_text("x")
    one.sync("-w", "shared")
    assert (tmp_path / "shared" / "f").read_text() == "x"
    assert one.sync("-w", "2").startswith("In step: nothing")
    assert "There is: anna (1), Shared (2)" in one.sync("-w", "other", code=4)
    assert "There is: anna (1), Shared (2)" in one.sync("-w", "7", code=4)
    ran = one.home.run(*one.args, "--once", env={"HOMESTOW_PASSWORD": "wrong password"})
    assert ran.code == 4, ran
    for path in one.home.path.rglob("*.json"):
        assert PASSWORD not in path.read_text()
    assert (
        one.home.run("sync", "-s", "netdrives://nowhere.invalid:1", "-u", "anna", "-d", one.folder, "--once").code == 4
    )
    assert one.home.run("sync", "-s", "netdrive://", "-u", "anna", "-d", one.folder, "--once").code == 2


def test_random_work_with_kills(three: list[Computer]) -> None:
    """Three people work at once and clients die at any moment: in the end all hold just what was meant, to the byte."""
    dice = random.Random(SEED)
    meant: Tree = {}
    people = [Person(computer.folder, dice, meant) for computer in three]
    for number in range(ROUNDS):
        tops = TOPS[:]
        dice.shuffle(tops)
        for place, person in enumerate(people):
            person.work(tops[2 * place : 2 * place + 2])
        jobs = [computer.home.popen(*computer.args, "--once", "--accept-deletes") for computer in three]
        victim = dice.choice(jobs)
        time.sleep(dice.random() * 1.5)
        victim.send_signal(signal.SIGKILL)
        for job in jobs:
            job.communicate(timeout=120)
        for _ in range(2):
            for computer in three:
                computer.sync("--accept-deletes")
        for computer in three:
            found = differences(meant, tree_of(computer.folder))
            assert not found, f"SEED={SEED} round {number} {computer.url}: {found[:10]}"
