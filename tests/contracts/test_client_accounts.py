"""What every `Accounts` of the client promises, over a real server and over its twin in memory; and what the first does beyond."""

import http.client
import logging
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from tests.fronts.api.rig import PASSWORD, Rig
from tests.fronts.netdrive.rig import DriveRig
from tests.fronts.netdrive.rig import open_rig as open_drive

from homestow.client.adapters.accounts_api import ApiAccounts
from homestow.client.adapters.accounts_memory import MemoryAccounts, MemoryServer, MemorySpace
from homestow.client.adapters.logins import Logins
from homestow.client.adapters.server_address import address_of, candidates_of, is_plain
from homestow.client.ports.accounts import Accounts, Seen
from homestow.values.errors import (
    BadRequest,
    BadSettings,
    CloudError,
    LoginFailed,
    LoginNeeded,
    NotFound,
    NotHomestow,
    PathTaken,
    Unreachable,
    WrongKind,
)

WRONG = "wrong horse battery"


class World(NamedTuple):
    """Accounts of a computer that nobody logged in on; a server with anna, ben, and the root `tree` of anna's."""

    accounts: Accounts
    url: str
    bare: str
    """The address as people type it, without a scheme."""
    take_back: Callable[[str], None]
    """Log an account out everywhere."""


@pytest.fixture(params=["server", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        url = "http://127.0.0.1:5000"
        tree = MemorySpace(1, "tree", {"anna": "own", "ben": "write", "cora": "read"}, {"a", "a/b"}, {"f.txt"})
        server = MemoryServer(dict.fromkeys(("anna", "ben", "cora"), PASSWORD), [tree])
        memory = MemoryAccounts({url: server})
        yield World(memory, url, "127.0.0.1:5000", lambda user: memory.forget(url, user))
        return
    rig = Rig(tmp_path / "server")
    try:
        anna = rig.client("anna")
        folder = anna.make_folder(rig.top, "a")
        anna.make_folder(folder.id, "b")
        anna.put_file(rig.top, "f.txt", b"file")

        def take_back(user: str) -> None:
            client = rig.client(user)
            mine = client.me().device
            for device in client.devices():
                if device.id != mine:
                    client.remove_device(device.id)

        accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
        yield World(accounts, rig.url, f"127.0.0.1:{rig.port}", take_back)
    finally:
        rig.close()


def enter(world: World, user: str = "anna") -> World:
    world.accounts.log_in(world.url, user, PASSWORD)
    return world


# --- servers and logins -----------------------------------------------------------------------------------------------


def test_a_server_is_found_by_what_people_type(world: World) -> None:
    """The address comes back with its scheme and without a slash; on this machine nothing is sent in the open."""
    for typed in (world.bare, f" {world.bare}/ ", world.url + "/"):
        seen = world.accounts.check(typed)
        assert (seen.url, seen.user, seen.plain) == (world.url, "", False)
        assert seen.version


def test_a_known_account_is_told(world: World) -> None:
    """Who logged in here before need not type the name again; of two nobody is named."""
    enter(world)
    assert world.accounts.check(world.url).user == "anna"
    enter(world, "ben")
    assert world.accounts.check(world.url).user == ""


def test_no_server_is_said(world: World) -> None:
    """The message names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=str(port)):
        world.accounts.check(f"127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "smb://host/x", "unix:/run/socket", "javascript:alert(1)", ""])
def test_S88_other_addresses_are_refused(world: World, url: str) -> None:
    """Nothing but servers' addresses is opened."""
    for call in (lambda: world.accounts.check(url), lambda: world.accounts.log_in(url, "anna", PASSWORD)):
        with pytest.raises(BadRequest):
            call()


def test_a_login_is_kept(world: World) -> None:
    """From then on there is a token; who is the only one here need not be named."""
    with pytest.raises(LoginNeeded):
        world.accounts.token(world.url, "anna")
    enter(world)
    user, token = world.accounts.token(world.url, "anna")
    assert (user, world.accounts.token(world.url, "")) == ("anna", (user, token))
    assert token
    assert PASSWORD not in token


def test_a_wrong_password_is_refused(world: World) -> None:
    """Nothing is kept, and the refusal does not repeat it (S91)."""
    with pytest.raises(LoginFailed) as caught:
        world.accounts.log_in(world.url, "anna", WRONG)
    assert WRONG not in repr(caught.value) + str(caught.value)
    with pytest.raises(LoginNeeded):
        world.accounts.token(world.url, "anna")


def test_logging_in_again_is_the_same_device(world: World) -> None:
    """A second login keeps the token that serves; one that was taken back is replaced."""
    _, first = enter(world).accounts.token(world.url, "anna")
    _, second = enter(world).accounts.token(world.url, "anna")
    assert first == second
    world.take_back("anna")
    _, third = enter(world).accounts.token(world.url, "anna")
    assert third != first
    assert world.accounts.spaces(world.url, "anna")


def test_a_token_taken_back_asks_for_the_password(world: World) -> None:
    """Whatever is asked then says who has to log in."""
    enter(world)
    world.take_back("anna")
    with pytest.raises(LoginNeeded, match="anna"):
        world.accounts.spaces(world.url, "anna")


# --- what an account may choose from ----------------------------------------------------------------------------------


def test_spaces_have_names_and_rights(world: World) -> None:
    """Each account sees its own rights."""
    for user, rights in (("anna", "own"), ("ben", "write"), ("cora", "read")):
        enter(world, user)
        assert ("tree", rights) in [(space.name, space.rights) for space in world.accounts.spaces(world.url, user)]


def test_without_a_login_nothing_is_seen(world: World) -> None:
    """Every question needs one."""
    ask = world.accounts
    for call in (
        lambda: ask.spaces(world.url, "anna"),
        lambda: ask.folders(world.url, "anna", "tree", ""),
        lambda: ask.make_folder(world.url, "anna", "tree", "x"),
        lambda: ask.share(world.url, "anna", "tree", "f.txt", None, None),
        lambda: ask.unshare(world.url, "anna", 1),
    ):
        with pytest.raises(LoginNeeded):
            call()


def test_folders_are_listed_and_made(world: World) -> None:
    """Folders only, sorted, by the root's name in any capitals or its number."""
    ask = enter(world).accounts
    number = next(space.id for space in ask.spaces(world.url, "anna") if space.name == "tree")
    for space in ("tree", "TREE", str(number)):
        assert list(ask.folders(world.url, "anna", space, "")) == ["a"]
    assert list(ask.folders(world.url, "anna", "tree", "/a/")) == ["b"]
    ask.make_folder(world.url, "anna", "tree", "a/Ä")
    ask.make_folder(world.url, "anna", "tree", "0")
    assert list(ask.folders(world.url, "anna", "tree", "a")) == ["b", "Ä"]
    assert list(ask.folders(world.url, "anna", "tree", "")) == ["0", "a"]


def test_folders_that_cannot_be(world: World) -> None:
    """Taken, in nothing, in a file, in no root."""
    ask = enter(world).accounts
    with pytest.raises(PathTaken):
        ask.make_folder(world.url, "anna", "tree", "a/b")
    with pytest.raises(NotFound):
        ask.make_folder(world.url, "anna", "tree", "no/b")
    with pytest.raises(NotFound):
        ask.folders(world.url, "anna", "tree", "no")
    with pytest.raises((WrongKind, NotFound)):
        ask.folders(world.url, "anna", "tree", "f.txt")
    with pytest.raises(NotFound, match="nothing here"):
        ask.folders(world.url, "anna", "nothing here", "")


def test_links_are_made_and_ended(world: World) -> None:
    """A link's address begins with the server's; a second end of it is refused."""
    ask = enter(world).accounts
    made = [ask.share(world.url, "anna", "tree", path, 7, "secret word") for path in ("f.txt", "a/b", "")]
    assert {each.url.rpartition("/")[0] for each in made} == {f"{world.url}/s"}
    assert len({each.id for each in made}) == 3
    ask.unshare(world.url, "anna", made[0].id)
    with pytest.raises(NotFound):
        ask.unshare(world.url, "anna", made[0].id)
    with pytest.raises(NotFound):
        ask.share(world.url, "anna", "tree", "no.txt", None, None)


# --- beyond -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "server")
    yield made
    made.close()


def test_S90_S91_the_password_is_nowhere(rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in any file of the client, not in its log, not in what its values show of themselves."""
    caplog.set_level(logging.DEBUG)
    logins = Logins(tmp_path / "client", lambda: None)
    accounts = ApiAccounts(logins, "laptop")
    accounts.log_in(rig.url, "anna", PASSWORD)
    with pytest.raises(LoginFailed):
        accounts.log_in(rig.url, "ben", WRONG)
    made = accounts.share(rig.url, "anna", "tree", "", 1, "link secret")
    shown = repr(accounts) + repr(logins) + repr(logins.only(rig.url)) + repr(made) + caplog.text
    files = [path.read_bytes() for path in (tmp_path / "client").rglob("*") if path.is_file()]
    _, token = accounts.token(rig.url, "anna")

    assert files
    for secret in (PASSWORD, WRONG, "link secret"):
        assert secret not in shown
        assert not [data for data in files if secret.encode() in data]
    assert token not in shown
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "client").rglob("*") if path.is_file()} == {0o600}


def test_a_link_opens(rig: Rig, tmp_path: Path) -> None:
    """The whole address leads to the file, until it is ended."""
    rig.client("anna").put_file(rig.top, "cake.txt", b"eat me")
    accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
    accounts.log_in(rig.url, "anna", PASSWORD)
    made = accounts.share(rig.url, "anna", "tree", "cake.txt", None, None)
    with urllib.request.urlopen(made.url, timeout=20) as answer:
        assert answer.read() == b"eat me"
    accounts.unshare(rig.url, "anna", made.id)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(made.url, timeout=20)


@contextmanager
def proxied(port: int, prefix: str) -> Iterator[int]:
    """A proxy that serves what answers at `port` below a path; gives its own port."""

    class Behind(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.path.startswith(prefix + "/"):
                self.send_error(404)
                return
            inner = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            inner.request(self.command, self.path.removeprefix(prefix), body, dict(self.headers.items()))
            answer = inner.getresponse()
            data = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            inner.close()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


def test_a_link_of_a_server_below_a_path(rig: Rig, tmp_path: Path) -> None:
    """The prefix stands in the link too, which opens through the proxy."""
    rig.client("anna").put_file(rig.top, "cake.txt", b"eat me")
    accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
    with proxied(rig.port, "/cloud") as port:
        url = accounts.check(f"http://127.0.0.1:{port}/cloud/").url
        accounts.log_in(url, "anna", PASSWORD)
        made = accounts.share(url, "anna", "tree", "cake.txt", 3, None)
        assert made.url.startswith(f"http://127.0.0.1:{port}/cloud/s/")
        with urllib.request.urlopen(made.url, timeout=20) as answer:
            assert answer.read() == b"eat me"
        accounts.unshare(url, "anna", made.id)
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(made.url, timeout=20)


def test_a_link_ends_after_its_days_and_asks_for_its_password(rig: Rig, tmp_path: Path) -> None:
    """By the server's clock."""
    rig.client("anna").put_file(rig.top, "cake.txt", b"eat me")
    accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
    accounts.log_in(rig.url, "anna", PASSWORD)
    accounts.share(rig.url, "anna", "tree", "cake.txt", 3, "secret word")
    (share,) = rig.client("anna").shares()
    assert share.password
    assert share.expires_ns == rig.clock.ns + 3 * 24 * 3600 * 10**9


def test_a_bad_certificate_is_not_gone_around() -> None:
    """S89: where TLS is spoken by somebody who cannot prove who it is, nothing is tried without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                with peer:
                    first = peer.recv(1, socket.MSG_PEEK)
                    heard.append(first)
                    try:
                        context.wrap_socket(peer, server_side=True).close()
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        accounts = ApiAccounts(Logins(Path("/nowhere"), lambda: None), "laptop")
        with pytest.raises(NotHomestow, match="cannot prove"):
            accounts.check(f"localhost:{listening.getsockname()[1]}")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(20)
    assert heard == [b"\x16"]


@pytest.mark.parametrize(
    "typed,tried",
    [
        ("home.example:5000", ["https://home.example:5000", "http://home.example:5000"]),
        ("home.example", ["https://home.example", "https://home.example:5000", "http://home.example:5000", "http://home.example"]),
        ("[fe80::1]", ["https://[fe80::1]", "https://[fe80::1]:5000", "http://[fe80::1]:5000", "http://[fe80::1]"]),
        ("[::1]:80", ["https://[::1]:80", "http://[::1]"]),
        ("home.example:5000/cloud/", ["https://home.example:5000/cloud", "http://home.example:5000/cloud"]),
        ("HTTPS://Home.Example/", ["https://home.example"]),
        ("netdrive://home.example", ["netdrive://home.example:4500"]),
    ],
)  # fmt: skip
def test_what_is_tried(typed: str, tried: list[str]) -> None:
    """TLS first; the port that Homestow listens on by itself too; with a scheme just that."""
    assert candidates_of(typed) == tried


@pytest.mark.parametrize("url,plain", [
    ("http://192.168.1.20:5000", True), ("http://home.local", True), ("netdrive://10.0.0.1:4500", True),
    ("https://home.example", False), ("netdrives://10.0.0.1:4500", False),
    ("http://127.0.0.1:5000", False), ("http://localhost:5000/x", False), ("http://[::1]:5000", False),
])  # fmt: skip
def test_what_crosses_a_network_in_the_open_is_told(url: str, plain: bool) -> None:
    """So that a person can be warned before the password is typed."""
    assert is_plain(address_of(url)) is plain


def test_a_users_name_has_no_place_in_an_address() -> None:
    """Nor a password."""
    for url in ("http://anna:pw@host", "http://host/?x", "http://ho st", "http://:5000", "https://"):
        with pytest.raises(BadRequest):
            address_of(url)


class TestNetdrive:
    """What goes over a netdrive server, and what says that it does not."""

    @pytest.fixture
    def drive(self, tmp_path: Path) -> Iterator[DriveRig]:
        with open_drive(tmp_path / "server") as made:
            yield made

    def test_login_and_roots(self, drive: DriveRig, tmp_path: Path) -> None:
        """A session is kept in place of a token, and roots are told by number and name."""
        url = f"netdrive://127.0.0.1:{drive.tcp_port}"
        accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
        assert accounts.check(url) == Seen(url, "", "", False)
        accounts.log_in(url, "anna", PASSWORD)
        assert accounts.check(url).user == "anna"
        spaces = accounts.spaces(url, "")
        assert "tree" in [space.name for space in spaces]
        for call in (
            lambda: accounts.folders(url, "", "tree", ""),
            lambda: accounts.share(url, "", "tree", "", None, None),
        ):
            with pytest.raises(BadRequest, match="netdrive"):
                call()
        with pytest.raises(LoginFailed):
            accounts.log_in(url, "anna", WRONG)

    def test_a_password_does_not_cross_a_network_in_the_open(self, tmp_path: Path) -> None:
        """S75: nothing is even dialled."""
        accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
        with pytest.raises(BadSettings, match="unprotected"):
            accounts.log_in("netdrive://192.0.2.1:4500", "anna", PASSWORD)

    def test_what_is_no_netdrive(self, rig: Rig, tmp_path: Path) -> None:
        """A server of another protocol is told."""
        accounts = ApiAccounts(Logins(tmp_path / "client", lambda: None), "laptop")
        with pytest.raises(CloudError):
            accounts.check(f"netdrive://127.0.0.1:{rig.port}")
