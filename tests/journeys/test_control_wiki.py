"""A real `homestow sync -z` steered as the wiki has it: by raw ZeroMQ sockets that know the wiki, the port file and nothing of us."""

import json
import os
import signal
import socket as sockets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from tests.journeys.cli_processes import PATIENCE_S, Home, Serving, stop, wait_for

pytestmark = pytest.mark.serial

Socket = zmq.Socket[bytes]


class Window:
    """What a program of 2014 does: it reads the port file, subscribes, and asks."""

    def __init__(self, home: Home, *words: object) -> None:
        self.home = home
        self.process: subprocess.Popen[str] = home.popen("sync", *words)
        self.port_file = home.path / ".local/share/homestow/client/pydio_port_config"
        wait_for(self._is_open, "the port file")
        lines = self.port_file.read_text().splitlines()
        assert lines[0] == "Pydio port config file "
        self.ports = {name: int(port) for name, _, port in (line.partition(":") for line in lines[1:])}
        self.context: zmq.Context[Socket] = zmq.Context()
        self.command = self.socket(zmq.REQ, "command_socket")
        self.watch = self.socket(zmq.REQ, "watch_socket")
        self.ear = self.hear("status", "sync", "ping")

    def _is_open(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        return self.port_file.exists()

    def socket(self, kind: int, name: str) -> Socket:
        """A socket, connected to a port of the file."""
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = int(PATIENCE_S * 1000)
        socket.connect(f"tcp://127.0.0.1:{self.ports[name]}")
        return socket

    def hear(self, *topics: str) -> Socket:
        """A subscriber, which heard that the service knows it."""
        ear = self.socket(zmq.SUB, "pub_socket")
        for topic in topics:
            ear.subscribe(topic)
        self.said_at_once: list[str] = []
        while (came := ear.recv()) != b"ping/":
            self.said_at_once.append(came.decode())
        return ear

    def say(self, order: str) -> str:
        """The reply to an order."""
        self.command.send(order.encode())
        return self.command.recv().decode()

    def state(self) -> str:
        """The reply of the watch."""
        self.watch.send(b"sync")
        return self.watch.recv().decode()

    def until(self, fits: Callable[[str], bool]) -> list[str]:
        """What is published, without signs of life, up to and with what fits."""
        heard: list[str] = []
        give_up = time.monotonic() + PATIENCE_S
        while not (heard and fits(heard[-1])):
            assert time.monotonic() < give_up, heard
            came = self.ear.recv().decode()
            heard += [came] if came != "ping/" else []
        return heard

    def close(self) -> None:
        """Hang up, and have the service end."""
        self.context.destroy(linger=0)
        stop(self.process)


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


@pytest.fixture
def here(home: Home) -> Path:
    """Anna's folder on this computer."""
    folder = home.path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def window(home: Home, server: Serving, here: Path) -> Iterator[Window]:
    """A sync of one folder with three free ports, and a window to it; it is in step."""
    (here / "first.txt").write_text("first")
    made = Window(home, "-s", server.url, "-u", "anna", "-w", "anna", "-d", here, "-z", 0)
    wait_for((home.data / "files/anna/first.txt").exists, "the first file")
    yield made
    made.close()


def test_a_day_with_an_old_window(window: Window, home: Home, server: Serving, here: Path) -> None:
    """List, pause, go on, reload: replies, statuses and a line for each change of either side, in the order the wiki has it."""
    there = home.data / "files" / "anna"
    assert json.loads(window.say("LIST-JOBS")) == [f"{server.url} - {here}"]
    assert window.state() == "RUNNING"
    (here / "letter.txt").write_text("dear")
    assert window.until(lambda line: "letter" in line)[-1] == "sync File letter.txt uploaded to server"
    home.fine("put", "-s", server.url, "-u", "anna", here / "first.txt", "anna/from elsewhere.txt")
    assert window.until(lambda line: "elsewhere" in line)[-1] == "sync File from elsewhere.txt downloaded from server"

    assert window.say("PAUSE") == "PAUSED"
    assert window.until(lambda line: line.startswith("status"))[-1] == "status PAUSE"
    assert window.state() == "PAUSED"
    (here / "while paused.txt").write_text("later")
    (here / "letter.txt").rename(here / "mail.txt")
    assert window.say("RELOAD 0") == "PAUSED"
    time.sleep(3)  # longer than a change has to be quiet: nothing may happen
    assert not (there / "while paused.txt").exists()

    assert window.say("START 0") == "RUNNING"
    heard = window.until(lambda line: "while paused" in line)
    assert heard[0] == "status START"
    assert heard[-1] == "sync File while paused.txt uploaded to server"
    wait_for((there / "mail.txt").exists, "the new name")
    assert window.state() == "RUNNING"
    assert window.say("RELOAD") == "RUNNING"
    assert window.say("EXPLODE") == "undefined reply"
    assert window.say("PAUSE 1").startswith("undefined reply")

    (here / "folder").mkdir()
    assert "New folder created on server at folder" in window.until(lambda line: "folder" in line)[-1]
    (here / "mail.txt").unlink()
    assert window.until(lambda line: "Deleted" in line)[-1] == "sync Deleted file mail.txt on server"


def test_fast_deaf_and_dying_peers(window: Window, home: Home, here: Path) -> None:
    """A thousand orders, subscribers that never read and requesters that die: files go on to be kept in step."""
    deaf = window.hear("sync", "status", "progress", "task", "general", "overall", "ping")
    for number in range(1000):
        assert window.say("START" if number % 2 else "PAUSE") == ("RUNNING" if number % 2 else "PAUSED")
    for _ in range(50):
        dying = window.socket(zmq.REQ, "command_socket")
        dying.send(b"LIST-JOBS")
        dying.close(linger=1000)
    (here / "after.txt").write_text("after")
    assert window.until(lambda line: "after.txt" in line)[-1] == "sync File after.txt uploaded to server"
    deaf.close()


def test_it_ends_as_it_should(window: Window) -> None:
    """The ports, the port file and the sockets are gone, soon after it was told to end."""
    ran = stop(window.process)
    assert ran.code in (0, -signal.SIGTERM, 130, 143), ran
    assert not window.port_file.exists()
    for port in window.ports.values():
        with sockets.socket() as free:
            free.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))


def test_a_killed_service_comes_back(window: Window, home: Home, server: Serving, here: Path) -> None:
    """After kill -9 the next start takes over what was left; a window that reads the port file again goes on."""
    (here / "in the last moment.txt").write_text("x")
    os.kill(window.process.pid, signal.SIGKILL)
    window.process.communicate()
    window.port_file.unlink()
    window.context.destroy(linger=0)
    again = Window(home, "-s", server.url, "-u", "anna", "-w", "anna", "-d", here, "-z", 0)
    try:
        wait_for((home.data / "files/anna/in the last moment.txt").exists, "the last file")
        assert again.say("PAUSE") == "PAUSED"
    finally:
        again.close()


def test_a_pause_outlives_the_service(window: Window, home: Home, server: Serving, here: Path) -> None:
    """Paused before the end is paused after the start; `status START` comes before the first change that follows."""
    assert window.say("PAUSE") == "PAUSED"
    stop(window.process)
    (here / "meanwhile.txt").write_text("x")
    again = Window(home, "-s", server.url, "-u", "anna", "-w", "anna", "-d", here, "-z", 0)
    try:
        assert again.state() == "PAUSED"
        assert again.said_at_once == ["status PAUSE"]
        assert again.say("START") == "RUNNING"
        heard = again.until(lambda line: "meanwhile" in line)
        assert heard[0] == "status START"
    finally:
        again.close()


def test_a_port_in_use(home: Home, server: Serving, here: Path) -> None:
    """The start fails with a line that names the port and says what to do."""
    with sockets.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = home.run("sync", "-s", server.url, "-u", "anna", "-w", "anna", "-d", here, "-z", port)
    assert ran.code == 2, ran
    assert f"Port {port} of this computer is in use by another program" in ran.line
    assert "-z" in ran.line
