"""The two scripts of PiCloud's document, unchanged, as real processes in folders of their own: against each other, and the
client against `homestow serve --picloud`."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD, PATIENCE_S, Home, wait_for

pytestmark = pytest.mark.serial

SERVER_PY = """\
from pycloud import *

def main():
    logging.basicConfig(format='%(asctime)s %(message)s',
                        filename='picloud.log',
                        level=logging.INFO)
    server = ServerSocket(46000)
    server.activate()

if __name__ == '__main__':
    main()
"""

CLIENT_PY = """\
from pycloud import *

def main():
    logging.basicConfig(format='%(asctime)s %(message)s',
                        filename='picloud.log',
                        level=logging.INFO)
    c = ClientSocket(server_ip, 46000)
    f = pre_proc('your_file_here')
    send_file(c, f)
    while evaluate(c) == 0:
        pass

if __name__ == '__main__':
    main()
"""
"""As the document prints them; its indentation, which the page lost, is restored."""

D = b"::::::::::"
QUESTION = "Incorrect username or password.\n[1] Exit\n[2] Register an account under this name and password\n"

_addresses = count(1)


class Server:
    """A running server.py: where it answers, and the folder it works in."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder

    def log(self) -> str:
        """What picloud.log says."""
        return (self.folder / "picloud.log").read_text()

    def files(self) -> dict[str, bytes]:
        """What people sent, by path."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and len(path.relative_to(self.folder).parts) > 1
        }


class Client:
    """A folder with a client.py in it."""

    def __init__(self, server: str, folder: Path) -> None:
        self.server = server
        self.folder = folder
        folder.mkdir()

    def write(self, name: str, content: bytes) -> None:
        """A file to send."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def run(self, filename: str, keyboard: str = "") -> str:
        """Run client.py for one file, with somebody who types; gives what it printed."""
        script = CLIENT_PY.replace("server_ip", repr(self.server)).replace("your_file_here", filename)
        (self.folder / "client.py").write_text(script)
        ran = subprocess.run(
            [sys.executable, "client.py"],
            cwd=self.folder, env=environment(), input=keyboard, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran
        assert ran.stderr == ""
        return ran.stdout

    def log(self) -> str:
        """What picloud.log says."""
        return (self.folder / "picloud.log").read_text()


def environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, **more}


def new_address() -> str:
    """An address of this machine only, nobody else's: the document's port is fixed, so that the address has to differ."""
    return f"127.46.{os.getpid() % 250}.{next(_addresses)}"


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """server.py, as a process of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "server.py").write_text(SERVER_PY)
    address = new_address()
    process = subprocess.Popen([sys.executable, "server.py"], cwd=folder, env=environment(PYCLOUD_HOST=address))
    try:
        wait_for(lambda: answers(address), "the server")
        yield Server(address, folder)
        assert process.poll() is None, "it has ended by itself"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def answers(address: str) -> bool:
    try:
        socket.create_connection((address, 46000), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "server") as made:
        yield made


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Client:
    return Client(server.address, tmp_path / "client")


def test_the_quick_start(server: Server, client: Client) -> None:
    """Without any account the file is copied to the other computer, and both logs tell of it."""
    client.write("notes.txt", b"hello")
    began = time.monotonic()
    client.run("notes.txt")
    assert time.monotonic() - began < 10, "its loop has to end by itself"
    assert server.files() == {"received/notes.txt": b"hello"}
    assert "notes.txt" in server.log()
    assert "File stored" in client.log()


def test_an_account_from_its_file(server: Server, client: Client, tmp_path: Path) -> None:
    """Registration, upload by a later run, request by another folder, login, and a wrong password with its question."""
    client.write("paul.id", b"my password\n")
    client.run("paul.id")
    assert "Registration attempt successful" in client.log()
    assert (server.folder / ".current_user").read_text() == "paul"
    assert "my password" not in (server.folder / ".pi_users").read_text()

    client.write("docs/letter.txt", b"Dear Mary")
    client.run("docs/letter.txt")
    assert server.files() == {"paul/docs/letter.txt": b"Dear Mary"}

    other = Client(server.address, tmp_path / "other")
    other.run("docs/letter.txt")
    assert (other.folder / "docs/letter.txt").read_bytes() == b"Dear Mary"

    client.run("paul.id")
    assert "Login attempt successful" in client.log()

    client.write("paul.id", b"a wrong one\n")
    assert client.run("paul.id", keyboard="1\n") == QUESTION
    assert "Login attempt failed" in client.log()
    assert client.run("paul.id", keyboard="2\n") == QUESTION
    assert client.log().count("Login attempt failed") == 2
    assert "my password" not in server.log() + client.log()
    assert "a wrong one" not in server.log() + client.log()


def test_what_is_not_there(server: Server, client: Client) -> None:
    """A request that fails ends the client's loop, and is in its log."""
    client.run("nothing.txt")
    assert "no such file" in client.log()
    assert not (client.folder / "nothing.txt").exists()


def test_a_large_file_there_and_back(server: Server, client: Client, tmp_path: Path) -> None:
    """More than the 4 MiB that the first PiCloud could receive."""
    content = os.urandom(1 << 20) * 9 + b"::"
    client.write("film.mkv", content)
    client.run("film.mkv")
    assert server.files() == {"received/film.mkv": content}
    other = Client(server.address, tmp_path / "other")
    other.run("film.mkv")
    assert (other.folder / "film.mkv").read_bytes() == content


def test_a_restarted_server_knows_its_accounts(tmp_path: Path) -> None:
    """What it must not forget is on the disk."""
    with running(tmp_path / "server") as server:
        client = Client(server.address, tmp_path / "client")
        client.write("paul.id", b"secret")
        client.run("paul.id")
    with running(tmp_path / "server") as server:
        client.server = server.address
        client.run("paul.id")
    assert "Login attempt successful" in client.log()


def test_garbage_ends_only_itself(server: Server, client: Client) -> None:
    """Strangers send what they like; the next client is served as ever."""
    for garbage in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\0" * 100,
        b"\xff" * 100,
        b"\0\0\0\x14" + D + D,
        b"\x16\x03\x01",
    ):
        with socket.create_connection((server.address, 46000), timeout=PATIENCE_S) as stranger:
            stranger.sendall(garbage)
    client.write("notes.txt", b"hello")
    client.run("notes.txt")
    assert server.files() == {"received/notes.txt": b"hello"}


# --- the client and a whole server --------------------------------------------------------------------------------------


def test_the_client_and_homestow(tmp_path: Path) -> None:
    """The same client.py with `homestow serve --picloud`: log in, send, ask, fail; the file is an ordinary one on its disk."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    address = new_address()
    with home.server("--picloud", f"{address}:46000") as serving:
        assert serving.ready["picloud"] == f"{address}:46000"
        client = Client(address, tmp_path / "client")
        client.write("anna.id", PASSWORD.encode())
        client.run("anna.id")
        assert "Login attempt successful" in client.log()

        client.write("docs/letter.txt", b"Dear Mary")
        began = time.monotonic()
        client.run("docs/letter.txt")
        assert (home.data / "files" / "anna" / "docs" / "letter.txt").read_bytes() == b"Dear Mary"

        other = Client(address, tmp_path / "other")
        other.run("docs/letter.txt")
        assert time.monotonic() - began < 20, "both loops have to end by themselves"
        assert (other.folder / "docs/letter.txt").read_bytes() == b"Dear Mary"

        other.run("nothing.txt")
        assert "no such file" in other.log()
        client.write("anna.id", b"a wrong password")
        assert client.run("anna.id", keyboard="1\n") == QUESTION
        assert "Login attempt failed" in client.log()


def test_the_quick_start_and_homestow(tmp_path: Path) -> None:
    """Without account a file is refused, unless the owner opened an inbox; with sign-up open, a file registers."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    (tmp_path / "inbox").mkdir()
    home.fine("root", "add", "Inbox", tmp_path / "inbox", "--member", "anna", "--data", home.data)
    address = new_address()
    client = Client(address, tmp_path / "client")
    client.write("notes.txt", b"hello")
    with home.server("--picloud", f"{address}:46000"):
        client.run("notes.txt")
        assert "does not take it" in client.log()
    opened = {"HOMESTOW_PICLOUD_INBOX_ROOT": "Inbox", "HOMESTOW_SIGNUP": "true"}
    with serving_with(home, opened, "--picloud", f"{address}:46000"):
        client.run("notes.txt")
        assert (tmp_path / "inbox" / "notes.txt").read_bytes() == b"hello"
        client.write("mary.id", b"a long enough password")
        client.run("mary.id")
        assert "Registration attempt successful" in client.log()
        client.write("own.txt", b"mine")
        client.run("own.txt")
    assert (home.data / "files" / "mary" / "own.txt").read_bytes() == b"mine"


@contextmanager
def serving_with(home: Home, settings: dict[str, str], *flags: str) -> Iterator[None]:
    """A server with settings from the environment."""
    with pytest.MonkeyPatch.context() as patched:
        usual = home.env
        patched.setattr(home, "env", lambda more=None: {**usual(more), **settings})
        with home.server(*flags):
            yield


# --- old peers ----------------------------------------------------------------------------------------------------------


def test_an_old_sender_that_forgets_its_end(server: Server, client: Client) -> None:
    """The first PiCloud never sends the last bytes of some lengths; while one hangs so, others are served, and nothing of it
    is stored."""
    payload = b"x" * (1_048_575 - 25) + D + b"hi" + D + b"txt"
    with socket.create_connection((server.address, 46000), timeout=PATIENCE_S) as old:
        old.sendall(len(payload).to_bytes(4, "big") + payload[:-4])
        client.write("notes.txt", b"hello")
        client.run("notes.txt")
    assert server.files() == {"received/notes.txt": b"hello"}


def test_an_old_client_reads_its_answers_whole(server: Server) -> None:
    """Its reader asks for as much as a message has and takes what one `recv` gives: registered, sent, and asked for, each on a
    connection of its own."""

    def old(payload: bytes) -> Iterator[bytes]:
        with socket.create_connection((server.address, 46000), timeout=PATIENCE_S) as sock:
            sock.sendall(len(payload).to_bytes(4, "big") + payload)
            while head := sock.recv(4):
                yield sock.recv(int.from_bytes(head, "big"))

    account = old(b"hello" + D + b"paul" + D + b"id")
    assert [next(account), next(account)] == [b"FileReceived", b"[+]  Registration attempt successful"]
    sent = old(b"hello" + D + b"hi" + D + b"txt")
    assert [next(sent), next(sent)] == [b"FileReceived", b"[+]  File stored"]
    assert next(old(b"paul/hi" + D + b"txt")) == b"hello" + D + b"paul/hi" + D + b"txt"
