"""`homestow start`, what ./start runs: a first run, a second one, and what may stand in its way."""

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from tests.journeys.cli_processes import Home, Ran, read_line, stop, wait_for

pytestmark = pytest.mark.serial


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


class Started:
    """A `homestow start` that said where it answers."""

    def __init__(self, home: Home, *words: object) -> None:
        self.process: subprocess.Popen[str] = home.popen("start", "--data", home.data, *words)
        self.said = ""
        while "in step" not in self.said.partition("Ctrl-C stops it")[2]:
            line = read_line(self.process)
            assert line, self.process.communicate()
            self.said += line

    def after(self, word: str) -> str:
        """What stands behind a word in its lines."""
        return next(line.split(word, 1)[1].strip() for line in self.said.splitlines() if word in line)

    def stop(self, number: signal.Signals = signal.SIGINT) -> Ran:
        """End it as Ctrl-C does."""
        return stop(self.process, number)


def children(process: "subprocess.Popen[str]") -> list[int]:
    """The processes it started."""
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_a_first_run_and_a_second(home: Home) -> None:
    """An account with a generated password, told once and kept 0600; files on both sides; Ctrl-C ends all; again it continues."""
    first = Started(home)
    folder, there = home.path / "Homestow", Path(first.after("is kept in step with"))
    try:
        password = first.after("Its password")
        kept = home.data / "first-account.txt"
        assert password in kept.read_text()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert first.after("This folder") == str(folder)
        (folder / "hello.txt").write_text("hello")
        wait_for((there / "hello.txt").exists, "the file at the server")
        listed = home.fine("ls", "-s", first.after("answers at"), first.after("account"), env={"HOMESTOW_PASSWORD": ""})
        assert listed.out == "hello.txt\n"
        server = children(first.process)
        assert len(server) == 1
    finally:
        ended = first.stop()
    assert (ended.code, ended.err) == (0, "")
    assert not Path(f"/proc/{server[0]}").exists()

    (folder / "hello.txt").unlink()
    (folder / "again.txt").write_text("again")
    second = Started(home)
    try:
        assert "Its password" not in second.said
        assert second.after("answers at") == first.after("answers at")
        wait_for(lambda: os.listdir(there) == ["again.txt"] or not (there / "hello.txt").exists(), "the deletion")
        wait_for((there / "again.txt").exists, "the new file")
    finally:
        assert second.stop(signal.SIGTERM).code == 0


def test_a_folder_of_ones_own_and_a_taken_port(home: Home) -> None:
    """FOLDER is adopted as it is; another program keeps port 5000, and it is said."""
    folder = home.path / "Documents"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 5000))
            taken.listen()
        except OSError:
            pass  # somebody else has it: just as good
        started = Started(home, folder)
        try:
            assert "Port 5000 is taken" in started.said
            there = Path(started.after("is kept in step with"))
            wait_for((there / "old.txt").exists, "the adopted file")
        finally:
            started.stop()
    assert (folder / "old.txt").read_text() == "old"


def test_when_it_is_killed_the_server_ends_as_well(home: Home) -> None:
    """kill -9 leaves no server behind, and the next run continues."""
    started = Started(home)
    (server,) = children(started.process)
    started.process.kill()
    started.process.communicate()
    wait_for(lambda: not Path(f"/proc/{server}").exists(), "the server's end")
    Started(home).stop()


def test_when_the_server_dies_it_says_so(home: Home) -> None:
    """It ends with 4 instead of watching a folder for nobody."""
    started = Started(home)
    (server,) = children(started.process)
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: started.process.poll() is not None, "its end")
    ended = started.stop()
    assert ended.code == 4
    assert "the server ended by itself" in ended.err


def test_what_stands_in_its_way(home: Home) -> None:
    """A second one on the same data, and folders that cannot be meant: one line each, nothing begun."""
    home.data.mkdir(parents=True)
    (home.path / "file").touch()
    for folder, code in ((home.data / "files", 2), (home.path, 2), (home.path / "file", 4), (home.path / "a" / "b", 4)):
        ran = home.run("start", "--data", home.data, folder)
        assert (ran.code, ran.out) == (code, "")
        assert ran.line
    started = Started(home)
    try:
        ran = home.run("start", "--data", home.data, home.path / "Other")
        assert ran.code == 4
        assert "uses the data folder" in ran.err
    finally:
        started.stop()
