"""The Ditto commands with a real server: what people type, what survives kills and absences, and what is refused."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving, read_line, stop, wait_for

pytestmark = [pytest.mark.serial, pytest.mark.timeout(180)]

BLOCK = 1024 * 1024


class Family:
    """A server's owner, and anna with a phone whose commands speak to it."""

    def __init__(self, path: Path) -> None:
        self.owner = Home(path / "owner")
        self.owner.fine("user", "add", "anna", "--data", self.owner.data)
        made = json.loads(self.owner.fine("client", "add", "box", "--data", self.owner.data).out)
        assert set(made) == {"client_id", "client_secret"}
        self.client = {
            "HOMESTOW_DITTO_CLIENT_ID": made["client_id"],
            "HOMESTOW_DITTO_CLIENT_SECRET": made["client_secret"],
        }
        self.phone = Home(path / "phone")
        self.stored = self.owner.data / "files" / "anna" / "Ditto"

    @contextmanager
    def serving(self, grpc: str = "127.0.0.1:0") -> Iterator[Serving]:
        """A running server with its gRPC front."""
        with self.owner.server("--grpc", grpc) as server:
            yield server

    def door(self, address: str) -> list[object]:
        """The flags that say which server, and who."""
        return ["-s", address, "-u", "anna"]

    def asks(self, *words: object) -> None:
        """The owner asks anna's devices."""
        self.owner.fine("ditto", "request", *words, "--data", self.owner.data)


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


def grpc_of(server: Serving) -> str:
    found = server.ready["grpc"]
    assert isinstance(found, str)
    return found


def test_a_folder_goes_up_once(family: Family) -> None:
    """Login, folders with files of all sizes, again without sending anything, list and delete; the secret is kept 0600."""
    contents = {"a.txt": b"hello", "sub/large.bin": os.urandom(3 * BLOCK + 17), "empty": b""}
    album = family.phone.path / "album"
    for name, content in contents.items():
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        (album / name).write_bytes(content)
    (album / "link").symlink_to("a.txt")
    with family.serving() as server:
        door = family.door(grpc_of(server))
        said = family.phone.fine("ditto", "login", *door, env=family.client)
        assert said.out == f"anna is logged in on ditto://{grpc_of(server)}.\n"
        kept = list((family.phone.path / ".local/share/homestow/client/ditto").glob("login-*.json"))
        assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
        assert PASSWORD not in kept[0].read_text()

        first = family.phone.run("ditto", "upload", *door, "album", env={"HOMESTOW_PASSWORD": ""})
        assert (first.code, first.out) == (1, "sent 3 files (3.1 MB).\n"), first
        assert first.line.endswith("album/link: a link or device, not sent")
        for name, content in contents.items():
            assert (family.stored / "album" / name).read_bytes() == content
        again = family.phone.run("ditto", "upload", *door, "album/a.txt", "album", env={"HOMESTOW_PASSWORD": ""})
        assert again.out == "sent 1 file (5 B); 3 others were there already.\n"

        listed = [json.loads(line) for line in family.phone.fine("ditto", "ls", *door, "--json").out.splitlines()]
        assert sorted(one["name"] for one in listed) == ["a.txt", "album/a.txt", "album/empty", "album/sub/large.bin"]
        assert {one["status"] for one in listed} == {"WRITTEN"}
        uuid = next(one["uuid"] for one in listed if one["name"] == "album/a.txt")
        family.phone.fine("ditto", "rm", *door, uuid)
        gone = family.phone.run("ditto", "rm", *door, uuid)
        assert gone.code == 1
        assert uuid not in family.phone.fine("ditto", "ls", *door).out
    assert not (family.stored / "album" / "a.txt").exists()


class SlowWay:
    """A way to a server, at a port of its own, that lets only so many bytes through."""

    def __init__(self, port: int, address: str, allowance: int) -> None:
        host, _, to = address.rpartition(":")
        self._to = (host, int(to))
        self.passed = 0
        self._allowance = allowance
        self._gate = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        self._gate.set()
        for sock in [self._listener, *self._sockets]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
            except OSError:
                return
            self._sockets += [near, far]
            threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                if counted:
                    self.passed += len(data)
                    if self.passed > self._allowance:
                        self._gate.wait()
                target.sendall(data)
        except OSError:
            pass
        finally:
            for sock in (source, target):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def test_an_upload_goes_on_after_kill_9(family: Family) -> None:
    """Killed in the middle, the same command sends the rest alone; a changed file begins anew."""
    film = family.phone.path / "film.mp4"
    content = os.urandom(24 * BLOCK + 5)
    film.write_bytes(content)
    port = free_port()
    door = family.door(f"127.0.0.1:{port}")
    with family.serving() as server:
        way = SlowWay(port, grpc_of(server), 10 * BLOCK)
        running = family.phone.popen("ditto", "upload", *door, "film.mp4", env=family.client)
        try:
            wait_for(lambda: way.passed > 10 * BLOCK, "ten blocks")
            running.send_signal(signal.SIGKILL)
            running.communicate()
        finally:
            way.close()
        assert not family.stored.exists() or not list(family.stored.iterdir())

        again = SlowWay(port, grpc_of(server), 1 << 40)
        try:
            done = family.phone.fine("ditto", "upload", *door, "film.mp4", env=family.client)
            assert done.out == "sent 1 file (25.2 MB).\n"
            assert (family.stored / "film.mp4").read_bytes() == content
            assert again.passed < 17 * BLOCK, again.passed

            film.write_bytes(content[::-1])
            family.phone.fine("ditto", "upload", *door, "film.mp4", env=family.client)
            assert (family.stored / "film (2).mp4").read_bytes() == content[::-1]
        finally:
            again.close()


def test_a_device_that_was_away_obeys_later(family: Family) -> None:
    """Commands of files and of a block wait for the device; what it has done is not asked of it again."""
    camera = family.phone.path / "camera"
    camera.mkdir()
    for number, at in enumerate((1_000_000_000, 1_500_000_000, 1_700_000_000)):
        (camera / f"{number}.jpg").write_bytes(b"picture %d" % number)
        os.utime(camera / f"{number}.jpg", (at, at))
    acting = ["ditto", "watch", "--act-on", "camera", "--json"]
    with family.serving() as server:
        address = grpc_of(server)
        door = family.door(address)
        family.phone.fine("ditto", "login", *door, env=family.client)
        family.asks("--user", "anna", "--from", "1400000000", "--to", "2020-01-01")
        watching = family.phone.popen(*acting, *door, env={"HOMESTOW_PASSWORD": ""})
        try:
            told = json.loads(read_line(watching))
            assert told["kind"] == "FILE_TOUPLOAD_COMMANDED"
            assert told["start_ns"] == 1_400_000_000_000_000_000
            wait_for((family.stored / "camera" / "1.jpg").exists, "the picture of that time")
            uuid = json.loads(family.phone.fine("ditto", "ls", *door, "--json").out)["uuid"]
            family.asks("--file", uuid, "--block", 0)
            assert json.loads(read_line(watching))["file"] == uuid
            said = wait_for_line(watching, "sent block 0")
            assert "camera/1.jpg" in said
        finally:
            stop(watching)
        assert [path.name for path in (family.stored / "camera").iterdir()] == ["1.jpg"]
        family.asks("--user", "anna", "--from", "1600000000", "--to", "1800000000")
    # The server comes back at the same place, and the device after it.
    with family.serving(address) as server:
        watching = family.phone.popen(*acting, *door, env={"HOMESTOW_PASSWORD": PASSWORD})
        try:
            told = json.loads(read_line(watching))
            while told["start_ns"] != 1_600_000_000_000_000_000:  # the last ones may be told again
                told = json.loads(read_line(watching))
            wait_for((family.stored / "camera" / "2.jpg").exists, "the picture of the later command")
        finally:
            stop(watching)
    assert sorted(path.name for path in (family.stored / "camera").iterdir()) == ["1.jpg", "2.jpg"]


def wait_for_line(process: object, text: str) -> str:
    """The first line on stderr with this text."""
    import select
    import subprocess

    assert isinstance(process, subprocess.Popen)
    assert process.stderr is not None
    give_up, said = time.monotonic() + 30, b""
    while text.encode() not in said or not said.endswith(b"\n"):
        assert time.monotonic() < give_up, said
        if select.select([process.stderr], [], [], 1)[0]:
            said += os.read(process.stderr.fileno(), 4096)
    return said.decode()


def test_a_watch_lives_through_a_restart(family: Family) -> None:
    """A server that is killed and comes back is watched on, and nothing is told twice."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    door = family.door(address)
    with family.serving(address) as server:
        family.phone.fine("ditto", "login", *door, env=family.client)
        watching = family.phone.popen("ditto", "watch", "--json", "--types", "file_written", *door)
        put(family.phone, "one")
        family.phone.fine("ditto", "upload", *door, "one")
        first = json.loads(read_line(watching))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    try:
        with family.serving(address):
            put(family.phone, "two")
            family.phone.fine("ditto", "upload", *door, "two")
            second = json.loads(read_line(watching))
            listed = {
                one["uuid"]: one["name"]
                for one in map(json.loads, family.phone.fine("ditto", "ls", *door, "--json").out.splitlines())
            }
            assert [listed[first["file"]], listed[second["file"]]] == ["one", "two"]
    finally:
        stop(watching)


def put(home: Home, name: str) -> None:
    (home.path / name).write_text(name)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
        assert isinstance(port, int)
        return port


def test_what_is_wrong_is_refused_in_one_line(family: Family) -> None:
    """Wrong password, secret, user and client alike; another machine without TLS; nobody there; a removed client."""
    with family.serving() as server:
        door = family.door(grpc_of(server))
        put(family.phone, "file")

        def refused(*words: object, code: int, **env: str) -> str:
            ran = family.phone.run("ditto", *words, env={**family.client, **env})
            assert ran.code == code, ran
            return ran.line

        wrong = {
            refused("login", *door, code=4, HOMESTOW_PASSWORD="wrong password"),
            refused("login", *door, code=4, HOMESTOW_DITTO_CLIENT_SECRET="x"),
            refused("login", *door, code=4, HOMESTOW_DITTO_CLIENT_ID="x"),
            refused("login", "-s", grpc_of(server), "-u", "nobody", code=4),
        }
        assert wrong == {"homestow: Unknown client or user, or wrong secret or password."}
        assert "no client" in family.phone.run("ditto", "login", *door).line
        assert "TLS" in refused("login", "-s", "192.0.2.1:50051", "-u", "anna", code=2)
        assert "no password" in refused("ls", *door, code=2, HOMESTOW_PASSWORD="")
        assert "does not answer" in refused("login", *family.door(f"127.0.0.1:{free_port()}"), code=4)

        family.phone.fine("ditto", "login", *door, env=family.client)
        family.owner.fine("client", "rotate-key", "--data", family.owner.data)
        family.phone.fine("ditto", "ls", *door, env={"HOMESTOW_PASSWORD": ""})
        family.owner.fine("client", "remove", "box", "--data", family.owner.data)
        gone = family.phone.run("ditto", "upload", *door, "file", env={"HOMESTOW_PASSWORD": ""})
        assert (gone.code, gone.line) == (4, "homestow: The login has ended; log in again.")


def test_a_login_goes_on_without_the_password(family: Family) -> None:
    """Where the HTTP address is known, tokens are renewed; several programs at once use each refresh token once."""
    with family.serving() as server:
        door = family.door(grpc_of(server))
        family.phone.fine("ditto", "login", *door, "--http", server.url, env=family.client)
        (kept,) = (family.phone.path / ".local/share/homestow/client/ditto").glob("login-*.json")
        for _ in range(2):
            before = json.loads(kept.read_text())
            kept.write_text(json.dumps({**before, "until_s": 0.0}))
            running = [family.phone.popen("ditto", "ls", *door, env={"HOMESTOW_PASSWORD": ""}) for _ in range(4)]
            assert [(process.wait(30), process.communicate()[1]) for process in running] == [(0, "")] * 4
            after = json.loads(kept.read_text())
            assert after["refresh"] != before["refresh"]
            assert after["until_s"] > time.time()


def test_orders_work_with_and_without_a_server(family: Family) -> None:
    """Clients are listed and removed, and files asked for, either way."""
    data = ("--data", family.owner.data)

    def all_of_it(name: str) -> None:
        family.owner.fine("client", "add", name, "--max-users", 3, *data)
        assert f"{name}  " in family.owner.fine("client", "list", *data).out
        family.owner.fine("client", "remove", name, *data)
        assert name not in family.owner.fine("client", "list", *data).out
        family.owner.fine("client", "rotate-key", *data)
        family.asks("--user", "anna", "--from", "2026-11-20T08:00:00Z", "--to", "2026-11-20T09:00:00+01:00")
        late = family.owner.run("ditto", "request", "--user", "anna", "--from", "2", "--to", "1", *data)
        assert (late.code, late.line) == (2, "homestow: The end lies before the beginning.")

    all_of_it("alone")
    assert (family.owner.data / "ditto.keys").stat().st_mode & 0o777 == 0o600
    with family.serving():
        all_of_it("served")


def test_help_and_sync_do_without_grpc(tmp_path: Path) -> None:
    """Neither the list of commands nor a sync loads what the Ditto services need."""
    import subprocess
    import sys

    check = (
        "import sys\nfrom homestow.cli import main\n"
        "main(['--help'])\nmain(['ditto', '--help'])\nmain(['sync', '--help'])\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('grpc', 'google', 'jwt')], sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", check], env=Home(tmp_path).env(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
