"""`homestow netdrive` with real processes: the client killed and begun again, the server restarted, a wrong password."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PATIENCE_S, Home, Serving, wait_for
from tests.journeys.netdrive_proxy import CountingProxy
from tests.unit.netdrive_servers import ListServer

from homestow.wire.netdrive import Request

pytestmark = pytest.mark.serial

FILES = 2_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home, with an account on its server."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    return home


@contextmanager
def serving(home: Home, port: int = 0) -> Iterator[Serving]:
    with home.server("--netdrive", f"127.0.0.1:{port}") as server:
        yield server


def port_of(server: Serving) -> int:
    return int(str(server.ready["netdrive"]).rpartition(":")[2])


def netdrive(port: int, order: str, *args: object) -> tuple[object, ...]:
    return ("netdrive", order, "-s", f"netdrive://127.0.0.1:{port}", "-u", "anna", *args)


def make_tree(folder: Path) -> dict[str, bytes]:
    contents = {f"{n % 20}/{n}.txt": f"{n} ".encode() * (n % 500) for n in range(FILES)}
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return contents


def tree_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".homestow" not in path.parts
    }


def test_accounts(home: Home) -> None:
    """Sign up where that is closed, log in with a right and a wrong password, list, change the password, log out."""
    with serving(home) as server:
        port = port_of(server)
        closed = home.run("netdrive", "signup", "-s", f"127.0.0.1:{port}", "-u", "bert")
        assert closed.code == 1
        assert "no new accounts" in closed.line
        wrong = home.run(*netdrive(port, "login"), env={"HOMESTOW_PASSWORD": "wrong horse battery"})
        assert wrong.code == 4
        assert "password" in wrong.line
        home.fine(*netdrive(port, "login"))
        no_password = {"HOMESTOW_PASSWORD": ""}
        assert json.loads(home.fine(*netdrive(port, "dirinfo", "--json"), env=no_password).out)["files"] == []
        home.fine(*netdrive(port, "changepwd", "--password-stdin"), stdin="a new horse battery\n")
        home.fine(*netdrive(port, "dirinfo"), env=no_password)
        home.fine(*netdrive(port, "logout"), env=no_password)
        assert home.run(*netdrive(port, "dirinfo"), env=no_password).code == 4
        assert home.run(*netdrive(port, "login")).code == 4


def test_many_files_and_a_killed_client(home: Home, tmp_path: Path) -> None:
    """A folder of small files is there after the client was killed in the middle and begun again; little is sent twice."""
    contents = make_tree(tmp_path / "tree")
    total = sum(map(len, contents.values()))
    with serving(home) as server, CountingProxy(lambda: port_of(server)) as proxy:
        order = ("netdrive", "upload", "-s", proxy.url, "-u", "anna", tmp_path / "tree")
        client = home.popen(*order)
        wait_for(lambda: proxy.sent > total // 3, "a third of the files")
        client.send_signal(signal.SIGKILL)
        client.communicate()
        assert proxy.sent < total, "it was killed too late"
        again = home.fine(*order)
        assert "there already" in again.out
        assert tree_of(home.data / "files" / "anna") == {f"tree/{name}": content for name, content in contents.items()}
        # Of each connection, the files that were on their way.
        assert proxy.sent - total <= 4 * 1_300_000
        (tmp_path / "out").mkdir()
        home.fine("netdrive", "download", "-s", proxy.url, "-u", "anna", "/tree", "-o", tmp_path / "out")
    assert tree_of(tmp_path / "out" / "tree") == contents


def test_restarted_server(home: Home, tmp_path: Path) -> None:
    """A server that is restarted in the middle of an upload is waited for; the session goes on."""
    (tmp_path / "large").write_bytes(os.urandom(1 << 26))
    port: list[int] = []
    with CountingProxy(lambda: port[0] if port else None) as proxy:
        with serving(home) as server:
            port.append(port_of(server))
            client = home.popen("netdrive", "upload", "-s", proxy.url, "-u", "anna", tmp_path / "large")
            wait_for(lambda: proxy.sent > 1 << 24, "a quarter of the file")
            port.clear()
        with serving(home) as server:
            port.append(port_of(server))
            out, err = client.communicate(timeout=PATIENCE_S)
            assert client.returncode == 0, (out, err)
            assert "waiting for the server" in err
    assert (home.data / "files" / "anna" / "large").read_bytes() == (tmp_path / "large").read_bytes()


def test_killed_download(home: Home, tmp_path: Path) -> None:
    """A download that was killed goes on where it was, and has its name only when it is whole."""
    content = os.urandom(100_000_000)
    (home.data / "files" / "anna").mkdir(parents=True, exist_ok=True)
    (tmp_path / "large").write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    with serving(home) as server:
        port = port_of(server)
        home.fine(*netdrive(port, "upload", tmp_path / "large"))
        order = netdrive(port, "download", "/large", "-o", out)
        client = home.popen(*order)
        notes = home.path / ".local/share/homestow/client/netdrive"
        wait_for(lambda: any(note.read_bytes().count(b"have") > 4 for note in notes.glob("*.tasks")), "some blocks")
        client.send_signal(signal.SIGKILL)
        client.communicate()
        if not (out / "large").exists():
            assert (out / "large.download").stat().st_size == len(content)
        began = time.monotonic()
        home.fine(*order)
        assert time.monotonic() - began < PATIENCE_S
    assert (out / "large").read_bytes() == content
    assert os.listdir(out) == ["large"]


def test_asked_to_end(home: Home, tmp_path: Path) -> None:
    """A command that waits for a server that says nothing ends soon after it was asked to."""
    (tmp_path / "large").write_bytes(bytes(1 << 26))
    heard, done = threading.Event(), threading.Event()

    def meddle(asked: Request) -> bytes | None:
        if asked.maybe_integer("vfile_id") is None:
            return None
        heard.set()
        done.wait(PATIENCE_S)
        return b""

    with ListServer(meddle) as server:
        client = home.popen("netdrive", "upload", "-s", server.url, "-u", "anna", tmp_path / "large")
        assert heard.wait(PATIENCE_S)
        began = time.monotonic()
        client.send_signal(signal.SIGTERM)
        client.communicate(timeout=PATIENCE_S)
        assert time.monotonic() - began < 10
        done.set()
