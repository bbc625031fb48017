"""The `pycloud` library: the names, values and messages of its document, over real sockets on this machine."""

import inspect
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pycloud
from homestow.wire import picloud
from pycloud import ClientSocket, ReceivedFile, ServerSocket, User, framing, hashing, remembering, shelves, talking

D = b"::::::::::"
RECEIVED = b"FileReceived"
QUESTION = (
    b"InputRequest:Incorrect username or password.\n[1] Exit\n[2] Register an account under this name and password\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty; nobody is logged in from anywhere; hashes are quick."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYCLOUD_HOST", "127.0.0.1")
    monkeypatch.setattr(hashing, "COST_LOG2", 4)
    remembering.logins.forget()
    remembering.tries.forget()
    return tmp_path


@pytest.fixture
def server() -> Iterator[ServerSocket]:
    """A server of this working directory, serving."""
    with serving() as made:
        yield made


class serving:  # noqa: N801  # used as a statement
    """A server in a thread of its own, stopped at the end."""

    def __enter__(self) -> ServerSocket:
        self.server = ServerSocket(0)
        self.thread = threading.Thread(target=self.server.activate)
        self.thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected ends; nobody waits longer than 10 s."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


class Peer:
    """A client of raw bytes."""

    def __init__(self, server: ServerSocket) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def say(self, payload: bytes) -> None:
        self.sock.sendall(len(payload).to_bytes(4, "big") + payload)

    def hear(self) -> bytes:
        """The next message; b"" at the end."""
        head = self._exactly(4)
        return self._exactly(int.from_bytes(head, "big")) if head else b""

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count and (piece := self.sock.recv(count - len(got))):
            got += piece
        return got

    def ask(self, payload: bytes) -> bytes:
        self.say(payload)
        return self.hear()

    def send(self, content: bytes, name: str, ext: str) -> list[bytes]:
        """Send a file; the two messages that answer it."""
        self.say(content + D + name.encode() + D + ext.encode())
        return [self.hear(), self.hear()]


def file(content: bytes, name: str, ext: str) -> bytes:
    return content + D + name.encode() + D + ext.encode()


# --- the document -------------------------------------------------------------------------------------------------------


def test_a_star_import_brings_all_that_the_scripts_use() -> None:
    """`from pycloud import *` brings the documented names, and `logging` and `socket` as its first version did."""
    names: dict[str, object] = {name: getattr(pycloud, name) for name in pycloud.__all__}
    assert set(names) == {
        "ClientSocket", "ReceivedFile", "ServerSocket", "User", "evaluate", "get_cwu", "logging", "pre_proc", "proc_block",
        "recv_all", "send_file", "socket",
    }  # fmt: skip
    assert names["socket"] is socket


@pytest.mark.parametrize(
    "name,parameters",
    [
        ("ClientSocket", ["host", "port"]),
        ("ServerSocket", ["port"]),
        ("User", ["name", "pwd", "sock"]),
        ("ReceivedFile", ["name", "ext", "sock"]),
        ("evaluate", ["sock"]),
        ("get_cwu", []),
        ("pre_proc", ["filename", "is_server"]),
        ("proc_block", ["client_sock", "length"]),
        ("recv_all", ["client_sock"]),
        ("send_file", ["sock", "b_data"]),
        ("User.check_pwd", ["self"]),
        ("User.input_request", ["self", "msg"]),
        ("User.login", ["self"]),
        ("User.register", ["self"]),
        ("User.make_hashed", ["self", "salt"]),
        ("ServerSocket.activate", ["self"]),
        ("ReceivedFile.take_data", ["self", "b_data"]),
        ("ReceivedFile.evaluate", ["self"]),
    ],
)
def test_signatures_are_those_of_the_document(name: str, parameters: list[str]) -> None:
    """Each documented callable takes what the document says, by the names it says."""
    found: object = pycloud
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)
    assert list(inspect.signature(found).parameters) == parameters


def test_both_sockets_are_sockets() -> None:
    """Their base is `socket.socket`; User's is `object`."""
    assert issubclass(ClientSocket, socket.socket)
    assert issubclass(ServerSocket, socket.socket)
    assert User.__bases__ == (object,)


def test_defaults_of_the_document() -> None:
    """`is_server` is 0 and `salt` is None unless given."""
    assert inspect.signature(pycloud.pre_proc).parameters["is_server"].default == 0
    assert inspect.signature(User.make_hashed).parameters["salt"].default is None


# --- messages as values -------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_becomes_its_message(folder: Path) -> None:
    """Content, name and extension, parted by ten colons; the same for a server."""
    (folder / "hi.txt").write_bytes(b"hello")
    assert pycloud.pre_proc("hi.txt") == b"hello::::::::::hi::::::::::txt"
    assert pycloud.pre_proc("hi.txt", 1) == b"hello::::::::::hi::::::::::txt"


def test_a_file_that_is_not_there_is_asked_for_or_refused() -> None:
    """A client asks for it, a server says FileError."""
    assert pycloud.pre_proc("hi.txt") == b"hi::::::::::txt"
    assert pycloud.pre_proc("hi.txt", is_server=1) == b"FileError"


@pytest.mark.parametrize(
    "filename,message",
    [
        ("a.tar.gz", b"a.tar" + D + b"gz"),
        ("README", b"README" + D),
        (".profile", D + b"profile"),
        ("docs/a.b", b"docs/a" + D + b"b"),
        ("/somewhere/else/x.y", b"x" + D + b"y"),
        ("../x.y", b"x" + D + b"y"),
    ],
)
def test_names_keep_all_their_parts(filename: str, message: bytes) -> None:
    """Nothing of a name is lost that a receiver could use; folders outside of this one stay our own affair."""
    assert pycloud.pre_proc(filename) == message


def test_an_empty_file_is_sent_as_one(folder: Path) -> None:
    """No content, then the name: a message like any other."""
    (folder / "empty.txt").touch()
    assert pycloud.pre_proc("empty.txt") == D + b"empty" + D + b"txt"


@pytest.mark.parametrize(
    "filename", [".pi_users", ".current_user", "picloud.log", "paul.id", "paul/hi.txt", "../x.txt"]
)
def test_a_server_keeps_to_itself_what_is_not_open(folder: Path, filename: str) -> None:
    """Hidden files, the log, passwords, people's folders and what lies outside are never given by name."""
    (folder / "paul").mkdir()
    (folder.parent / "x.txt").write_text("outside")
    (folder / filename).write_text("secret")
    assert pycloud.pre_proc(filename, 1) == b"FileError"


def test_a_server_follows_no_link(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link in the working directory gives nothing away."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    elsewhere.write_text("secret")
    (folder / "open.txt").symlink_to(elsewhere)
    assert pycloud.pre_proc("open.txt", 1) == b"FileError"


def test_a_name_that_no_message_can_carry_is_an_error() -> None:
    """A name with the delimiter in it would arrive as another one."""
    with pytest.raises(ValueError, match="delimiter"):
        pycloud.pre_proc("a::::::::::b.txt")


# --- frames -------------------------------------------------------------------------------------------------------------


def test_a_message_has_its_length_before_it(pair: tuple[socket.socket, socket.socket]) -> None:
    """Four bytes, big-endian; 0 is returned."""
    ours, theirs = pair
    assert pycloud.send_file(ours, b"hello" + D + b"hi" + D + b"txt") == 0
    assert theirs.recv(100) == b"\0\0\0\x1ehello::::::::::hi::::::::::txt"


def test_an_empty_message_is_sent_and_received(pair: tuple[socket.socket, socket.socket]) -> None:
    """Enter on a question is an answer; nobody waits for ever."""
    ours, theirs = pair
    assert pycloud.send_file(ours, b"") == 0
    assert pycloud.recv_all(theirs) == b""


@pytest.mark.parametrize("length", [1, 1_048_571, 1_048_572, 1_048_573, 1_048_574, 1_048_575, 1_048_576, 5_000_001])
def test_every_length_arrives_whole_and_in_order(length: int, pair: tuple[socket.socket, socket.socket]) -> None:
    """Also those whose last bytes the first PiCloud forgot, and those over 4 MiB that it turned round."""
    ours, theirs = pair
    payload = os.urandom(length)
    sender = threading.Thread(target=pycloud.send_file, args=(ours, payload))
    sender.start()
    assert pycloud.recv_all(theirs) == payload
    sender.join()


def test_split_at_every_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    """However it is cut, it is one message; and what follows it is left alone."""
    ours, theirs = pair
    whole = b"\0\0\0\x05hello"
    for cut in range(1, len(whole)):
        ours.sendall(whole[:cut])
        sender = threading.Thread(target=ours.sendall, args=(whole[cut:] + b"\0\0\0\x01x",))
        sender.start()
        assert pycloud.recv_all(theirs) == b"hello"
        sender.join()
        assert pycloud.recv_all(theirs) == b"x"


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\x05", b"\0\0\0\x05hell"])
def test_a_connection_that_ends_gives_none(sent: bytes, pair: tuple[socket.socket, socket.socket]) -> None:
    """Before, inside or after the length: None, and `evaluate` says that it is over."""
    ours, theirs = pair
    ours.sendall(sent)
    ours.shutdown(socket.SHUT_WR)
    assert pycloud.recv_all(theirs) is None
    assert pycloud.evaluate(theirs) == 1


def test_a_block_is_so_many_bytes_or_none(pair: tuple[socket.socket, socket.socket]) -> None:
    """`proc_block` gives exactly what was asked for."""
    ours, theirs = pair
    ours.sendall(b"abcdef")
    ours.shutdown(socket.SHUT_WR)
    assert pycloud.proc_block(theirs, 0) == b""
    assert pycloud.proc_block(theirs, 4) == b"abcd"
    assert pycloud.proc_block(theirs, 4) is None


def test_sending_to_who_has_left_is_none(pair: tuple[socket.socket, socket.socket]) -> None:
    """A failure is a value, not an exception."""
    ours, theirs = pair
    theirs.close()
    pycloud.send_file(ours, b"x")
    assert pycloud.send_file(ours, b"x" * 1_000_000) is None


def test_a_pace_is_held_to(pair: tuple[socket.socket, socket.socket]) -> None:
    """1 KB/s over half a minute is enough, less is not (S72)."""
    now = [0.0]
    pace = framing.Pace(lambda: now[0])
    for _ in range(3):
        now[0] += 30
        pace.step(30 * 1024)
    now[0] += 30
    with pytest.raises(TimeoutError):
        pace.step(30 * 1024 - 1)


def test_who_stops_where_the_first_sender_forgets_is_told(
    server: ServerSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A truncated message costs its own connection only, and its sender hears FileError instead of nothing."""
    monkeypatch.setattr(framing, "TRUNCATED_S", 0.05)
    payload = file(b"x" * (1_048_575 - 25), "hi", "txt")
    assert len(payload) == 1_048_575
    with Peer(server) as peer:
        peer.sock.sendall(len(payload).to_bytes(4, "big") + payload[:-4])
        assert [peer.hear(), peer.hear()] == [b"FileError", b""]


# --- a server: files ----------------------------------------------------------------------------------------------------


def test_a_file_of_nobody_lies_in_received(server: ServerSocket, folder: Path) -> None:
    """The quick start of the document, byte for byte, and the last word that lets old clients end."""
    with Peer(server) as peer:
        peer.sock.sendall(bytes.fromhex("0000001e") + b"hello::::::::::hi::::::::::txt")
        assert peer._exactly(16) == bytes.fromhex("0000000c") + b"FileReceived"
        assert peer.hear() == b"[+]  File stored"
    assert (folder / "received" / "hi.txt").read_bytes() == b"hello"


def test_many_messages_on_one_connection(server: ServerSocket, folder: Path) -> None:
    """A connection is good for any number of them, and pipelined ones are answered in order."""
    with Peer(server) as peer:
        for number in range(20):
            peer.say(file(b"%d" % number, f"n{number}", "txt"))
        assert [peer.hear() for _ in range(40)] == [RECEIVED, b"[+]  File stored"] * 20
    assert len(list((folder / "received").iterdir())) == 20


def test_one_message_for_each_connection(server: ServerSocket, folder: Path) -> None:
    """As old clients do: connect, send, read one answer, leave."""
    for number in range(5):
        with Peer(server) as peer:
            assert peer.ask(file(b"x", f"n{number}", "txt")) == RECEIVED
    assert len(list((folder / "received").iterdir())) == 5


@pytest.mark.parametrize("size", [0, 1, 4096, 1_048_576, 6_000_000])
def test_what_was_sent_comes_back(server: ServerSocket, size: int) -> None:
    """Any size, content with the delimiter and with colons at its end included."""
    content = os.urandom(size) + D + b"::"
    with Peer(server) as peer:
        assert peer.send(content, "docs/a", "bin")[0] == RECEIVED
        assert peer.ask(b"docs/a" + D + b"bin") == file(content, "docs/a", "bin")
        assert peer.ask(RECEIVED) == b"[+]  File sent"


def test_what_is_not_there_is_a_fileerror(server: ServerSocket) -> None:
    """And the connection goes on."""
    with Peer(server) as peer:
        assert peer.ask(b"hi" + D + b"txt") == b"FileError"
        assert peer.ask(b"ho" + D + b"txt") == b"FileError"


def test_a_file_that_lies_open_in_the_directory_is_given(server: ServerSocket, folder: Path) -> None:
    """What the owner laid beside the server's script is for everybody, as the document has it."""
    (folder / "for-all.txt").write_text("hello")
    with Peer(server) as peer:
        assert peer.ask(b"for-all" + D + b"txt") == file(b"hello", "for-all", "txt")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "../..", "a\0b", "x" * 300, "received/../../x"], ids=repr
)
def test_names_do_not_leave_their_folder(server: ServerSocket, folder: Path, name: str) -> None:
    """Neither way: nothing is written and nothing read outside, whatever the name (S01)."""
    (folder.parent / "x.txt").write_text("outside")
    before = sorted(str(path) for path in folder.parent.rglob("*") if ".picloud-spool" not in str(path))
    with Peer(server) as peer:
        assert peer.ask(name.encode() + D + b"txt") == b"FileError"
        assert peer.ask(file(b"new", name, "txt")) == b"FileError"
    after = sorted(str(path) for path in folder.parent.rglob("*") if ".picloud-spool" not in str(path))
    assert after == before
    assert (folder.parent / "x.txt").read_text() == "outside"


def test_nobodys_files_never_replace_each_other(server: ServerSocket, folder: Path) -> None:
    """The second of a name gets a number; the same bytes again do not."""
    for content in (b"one", b"two", b"one"):
        with Peer(server) as peer:
            assert peer.send(content, "hi", "txt")[0] == RECEIVED
    assert {path.name: path.read_bytes() for path in (folder / "received").iterdir()} == {
        "hi.txt": b"one", "hi (2).txt": b"two",
    }  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [b"a" * 5000 + D + b"b" * 5000, D + D, D, b"x" + D + b"\xff" + D + b"txt", b"k" * 64 + D + D + b"public"],
    ids=["long name", "no name", "nothing", "no text", "a key"],
)
def test_messages_that_mean_nothing_end_their_connection(server: ServerSocket, message: bytes) -> None:
    """They get FileError; others are not touched."""
    with Peer(server) as other, Peer(server) as peer:
        assert peer.ask(message) == b"FileError"
        assert peer.hear() == b""
        assert other.send(b"x", "hi", "txt")[0] == RECEIVED


def test_a_long_message_that_is_no_file_leaves_nothing(server: ServerSocket, folder: Path) -> None:
    """It is read to its end, refused, and gone from the disk."""
    with Peer(server) as peer:
        peer.say(b"x" * 3_000_000)
        assert peer.hear() == b"FileError"
    assert list((folder / ".picloud-spool").iterdir()) == []


def test_a_length_alone_takes_no_memory(server: ServerSocket) -> None:
    """4 GiB announced and nothing sent: nothing is made for it."""
    with Peer(server) as peer, Peer(server) as other:
        peer.sock.sendall(b"\xff\xff\xff\xff" + b"x" * 100)
        assert other.send(b"x", "hi", "txt")[0] == RECEIVED


def test_a_file_without_room_is_refused(server: ServerSocket, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is not filled by strangers."""
    monkeypatch.setattr(talking, "room_for", lambda size: False)
    with Peer(server) as peer:
        peer.say(file(b"x" * 2_000_000, "hi", "txt"))
        assert peer.hear() == b"FileError"
    assert not (folder / "received").exists()


def test_certificates_are_taken_and_dropped(server: ServerSocket, folder: Path) -> None:
    """As the first PiCloud did."""
    with Peer(server) as peer:
        assert peer.ask(file(b"x", "paul", "cert")) == RECEIVED
    assert not list(folder.rglob("*.cert"))


def test_a_server_asks_nobody_at_its_own_keyboard(server: ServerSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question of a stranger is not shown to the owner, who may not even be there."""
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with Peer(server) as peer:
        assert peer.ask(b"InputRequest:Password?") == b""


def test_too_many_connections_of_one_address(server: ServerSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than allowed is closed at once; when one leaves, the next is served."""
    monkeypatch.setattr("pycloud.sockets.MOST_PER_ADDRESS", 2)
    with Peer(server) as first:
        with Peer(server) as second:
            assert first.send(b"1", "a", "txt")[0] == RECEIVED
            assert second.send(b"2", "b", "txt")[0] == RECEIVED
            with Peer(server) as third:
                assert third.hear() == b""
        poll(lambda: len(server._open) == 1)
        with Peer(server) as fourth:
            assert fourth.send(b"4", "d", "txt")[0] == RECEIVED


def poll(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("waited in vain")


# --- a server: accounts -------------------------------------------------------------------------------------------------


def test_registration_byte_for_byte(server: ServerSocket, folder: Path) -> None:
    """A file `<user>.id` with the password makes the account, its folder, its hash and the current user."""
    with Peer(server) as peer:
        peer.sock.sendall(bytes.fromhex("0000001f") + b"hello::::::::::paul::::::::::id")
        assert peer._exactly(16) == bytes.fromhex("0000000c") + b"FileReceived"
        assert peer._exactly(40) == bytes.fromhex("00000024") + b"[+]  Registration attempt successful"
    assert (folder / "paul").is_dir()
    assert pycloud.get_cwu() == "paul"
    record = (folder / ".pi_users").read_text()
    assert record.startswith("paul:$")
    assert "hello" not in record
    assert (folder / ".pi_users").stat().st_mode & 0o777 == 0o600
    assert (folder / ".current_user").stat().st_mode & 0o777 == 0o600


def test_login_byte_for_byte(server: ServerSocket) -> None:
    """The same bytes again log in; a wrong password asks what to do, and `1` ends it."""
    with Peer(server) as peer:
        assert peer.send(b"hello", "paul", "id")[1] == b"[+]  Registration attempt successful"
        assert peer.send(b"hello", "paul", "id") == [RECEIVED, b"[+]  Login attempt successful"]
        peer.say(file(b"wrong", "paul", "id"))
        assert peer._exactly(16) == bytes.fromhex("0000000c") + b"FileReceived"
        assert peer._exactly(4 + 0x6B) == bytes.fromhex("0000006b") + QUESTION
        assert peer.ask(b"1") == b"[-]  Login attempt failed"


def test_an_answer_of_2_registers_where_it_can(server: ServerSocket, folder: Path) -> None:
    """An empty folder without account becomes one, and that is a success; a name that is taken stays taken."""
    (folder / "mary").mkdir()
    with Peer(server) as peer:
        assert peer.send(b"pass", "mary", "id") == [RECEIVED, QUESTION]
        assert peer.ask(b"2") == b"[+]  Login attempt successful"
        assert peer.send(b"other", "mary", "id") == [RECEIVED, QUESTION]
        assert peer.ask(b"2") == b"[-]  Login attempt failed"
        assert peer.send(b"pass", "mary", "id")[1] == b"[+]  Login attempt successful"


@pytest.mark.parametrize("answer", [b"", b"3", b"\xff", b"x" * 70_000])
def test_other_answers_are_a_failure(server: ServerSocket, answer: bytes) -> None:
    """Whatever a client answers but `2`, it is not logged in."""
    with Peer(server) as peer:
        peer.send(b"hello", "paul", "id")
        peer.send(b"wrong", "paul", "id")
        assert peer.ask(answer) == b"[-]  Login attempt failed"


def test_a_folder_of_the_owner_cannot_be_taken(server: ServerSocket, folder: Path) -> None:
    """A folder with files and no account is nobody's to register."""
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").write_text("private")
    with Peer(server) as peer:
        peer.send(b"pass", "photos", "id")
        assert peer.ask(b"2") == b"[-]  Login attempt failed"
        assert peer.ask(b"photos/a" + D + b"jpg") == b"FileError"


@pytest.mark.parametrize(
    "name", ["..", ".", "a/b", "../x", ".hidden", "a:b", "a\nb", "received", "Received", "x" * 65, ""]
)
def test_names_that_no_account_can_have(server: ServerSocket, folder: Path, name: str) -> None:
    """They are refused in the words of a registration that failed; nothing is made."""
    with Peer(server) as peer:
        assert peer.send(b"pass", name, "id") == [RECEIVED, b"[-]  Registration attempt failed"]
    assert not (folder / ".pi_users").exists()


def test_names_that_differ_in_case_are_one(server: ServerSocket) -> None:
    """On some disks their folders would be one."""
    with Peer(server) as peer:
        peer.send(b"hello", "paul", "id")
        assert peer.send(b"pass", "PAUL", "id")[1] == b"[-]  Registration attempt failed"


def test_files_go_to_whoever_logged_in(server: ServerSocket, folder: Path) -> None:
    """On the same connection, and on later ones from the same address, as old clients do it; by both spellings."""
    with Peer(server) as peer:
        peer.send(b"hello", "paul", "id")
        assert peer.send(b"1", "a", "txt")[0] == RECEIVED
    with Peer(server) as peer:
        assert peer.send(b"2", "b", "txt")[0] == RECEIVED
        assert peer.ask(b"a" + D + b"txt") == file(b"1", "a", "txt")
        assert peer.ask(b"paul/b" + D + b"txt") == file(b"2", "paul/b", "txt")
    assert sorted(path.name for path in (folder / "paul").iterdir()) == ["a.txt", "b.txt"]


def test_a_new_content_keeps_the_old_one_beside(server: ServerSocket, folder: Path) -> None:
    """What a later request gets is the newest; nothing is lost."""
    with Peer(server) as peer:
        peer.send(b"hello", "paul", "id")
        for content in (b"one", b"two", b"two", b"three"):
            peer.send(content, "hi", "txt")
        assert peer.ask(b"hi" + D + b"txt") == file(b"three", "hi", "txt")
    assert {path.name: path.read_bytes() for path in (folder / "paul").iterdir()} == {
        "hi.txt": b"three", "hi (2).txt": b"one", "hi (3).txt": b"two",
    }  # fmt: skip


def test_another_person_sees_nothing_of_it(server: ServerSocket) -> None:
    """Files of an account are for its login only, whatever spelling is tried."""
    with Peer(server) as paul, Peer(server) as mary:
        paul.send(b"hello", "paul", "id")
        mary.send(b"hello", "mary", "id")
        paul.send(b"secret", "hi", "txt")
        for name in (b"hi", b"paul/hi", b"../paul/hi", b"./paul/hi"):
            assert mary.ask(name + D + b"txt") == b"FileError"
        assert paul.ask(b"hi" + D + b"txt") == file(b"secret", "hi", "txt")


def test_a_login_of_an_address_ends(server: ServerSocket, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a quarter of an hour without use whoever comes from there is nobody again; `.current_user` does not count."""
    now = [0.0]
    monkeypatch.setattr(remembering.logins, "_clock", lambda: now[0])
    with Peer(server) as peer:
        peer.send(b"hello", "paul", "id")
    now[0] = 899
    with Peer(server) as peer:
        peer.send(b"1", "a", "txt")
    now[0] = 899 + 900
    with Peer(server) as peer:
        peer.send(b"2", "b", "txt")
        assert peer.ask(b"a" + D + b"txt") == b"FileError"
    assert (folder / "paul" / "a.txt").exists()
    assert (folder / "received" / "b.txt").exists()


def test_the_process_wide_user_counts_where_it_is_asked_for(
    server: ServerSocket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PYCLOUD_CURRENT_USER=1 it is as it was in the first PiCloud."""
    monkeypatch.setenv("PYCLOUD_CURRENT_USER", "1")
    (folder / ".current_user").write_text("paul")
    with Peer(server) as peer:
        peer.send(b"1", "a", "txt")
    assert (folder / "paul" / "a.txt").exists()


def test_guessing_has_an_end(server: ServerSocket) -> None:
    """After ten tries of an address the right password is not looked at either, and no question is asked (S43)."""
    with Peer(server) as peer:
        peer.send(b"hello", "paul", "id")
        for _ in range(9):
            peer.send(b"wrong", "paul", "id")
            assert peer.ask(b"1") == b"[-]  Login attempt failed"
        assert peer.send(b"hello", "paul", "id") == [RECEIVED, b"[-]  Login attempt failed"]


# --- User ---------------------------------------------------------------------------------------------------------------


def test_check_pwd_gives_the_stored_hash_or_1(folder: Path) -> None:
    """A string of the record, or 1."""
    user = User("paul", "hello", None)
    assert user.check_pwd() == 1
    assert user.register() == 0
    stored = user.check_pwd()
    assert isinstance(stored, str)
    assert user.make_hashed(stored) == stored
    assert user.make_hashed() != stored
    assert User("paul", "other", None).make_hashed(stored) != stored
    assert user.make_hashed(b"salt") == user.make_hashed(b"salt")


def test_login_and_register_return_0_or_1() -> None:
    """0 success, 1 failure; without a connection nobody is asked."""
    assert User("paul", "hello", None).login() == 1
    assert User("paul", "hello", None).register() == 0
    assert User("paul", "hello", None).register() == 1
    assert User("paul", "hello", None).login() == 0
    assert User("paul", "wrong", None).login() == 1


@pytest.mark.parametrize("pwd", ["hello\n", "", "pä:ss$word", "\udcff", "x" * 1024])
def test_passwords_of_any_kind(pwd: str) -> None:
    """Each byte of it counts, a newline at its end too."""
    assert User("paul", pwd, None).register() == 0
    assert User("paul", pwd, None).login() == 0
    assert User("paul", pwd[:-1] + "!", None).login() == 1


def test_a_password_that_is_too_long_is_refused() -> None:
    """Hashing takes no part in filling the machine (S46)."""
    assert User("paul", "x" * 1025, None).register() == 1


def test_input_request_sends_and_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    """The client sees the question; the method returns its answer, "" when the client leaves."""
    ours, theirs = pair
    pycloud.send_file(theirs, b"blue\n")
    assert User("paul", "", ours).input_request("Colour?") == "blue"
    assert pycloud.recv_all(theirs) == b"InputRequest:Colour?"
    theirs.close()
    assert User("paul", "", ours).input_request("Colour?") == ""


def test_accounts_of_the_first_picloud_go_on(folder: Path) -> None:
    """A record as crypt(3) made it is understood, and replaced by a better one at the login."""
    old = "$6$abcd$yZwna0YYSz1O8/DJ5YrZO4bVosPSHaDE7dxK87aYFpGHrgTslCGLyaRSv6gIO.mxH6aKoNsndiGmGj2tpwQHk/"
    (folder / ".pi_users").write_text(f"paul:{old}\nnonsense\n:\nmary:$1$abc\n")
    assert User("paul", "hello", None).check_pwd() == old
    assert User("paul", "wrong", None).login() == 1
    assert User("paul", "hello", None).login() == 0
    assert str(User("paul", "", None).check_pwd()).startswith("$scrypt$")
    assert User("paul", "hello", None).login() == 0
    assert User("mary", "x", None).login() == 1


@pytest.mark.parametrize(
    "salt,password,made",
    [
        ("saltstring", "Hello world!", "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"),
        (
            "abcdefghijklmnop", "a much longer password that is more than sixty-four bytes, so that digests repeat, yes",
            "ekBBGiWTF0ZAEebG/h/CAotUI7LMwvjkCf/FMrYMkH3AeC6eTxYtq1QlKvIaOXRmcuDrUAIgmkhGaMTWm2uWr.",
        ),
    ],
)  # fmt: skip
def test_old_hashes_are_those_of_crypt(salt: str, password: str, made: str) -> None:
    """The same as another program makes of them."""
    assert hashing.hashed(password, f"$6${salt}$") == f"$6${salt}${made}"


def test_get_cwu_is_empty_before_anybody_logged_in() -> None:
    """A string at all times."""
    assert pycloud.get_cwu() == ""


# --- a client -----------------------------------------------------------------------------------------------------------


def test_a_client_uploads_and_its_loop_ends(server: ServerSocket, folder: Path) -> None:
    """The loop of the document: 0 after FileReceived, then 1."""
    (folder / "hi.txt").write_text("hello")
    with ClientSocket("127.0.0.1", server.port) as client:
        assert (client.host, client.port) == ("127.0.0.1", server.port)
        assert pycloud.send_file(client, pycloud.pre_proc("hi.txt")) == 0
        assert pycloud.evaluate(client) == 0
        assert pycloud.evaluate(client) == 1
    assert (folder / "received" / "hi.txt").read_text() == "hello"


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_a_client_gets_what_it_asked_for(pair: tuple[socket.socket, socket.socket], folder: Path, size: int) -> None:
    """It lies under the name it was asked for by, so that it need not be asked for again; the server hears that it came."""
    content = os.urandom(size)
    with server_of_one(file(content, "hi", "txt")) as port, ClientSocket("127.0.0.1", port) as client:
        assert pycloud.send_file(client, pycloud.pre_proc("hi.txt")) == 0
        assert pycloud.evaluate(client) == 0
        assert pycloud.evaluate(client) == 1
    assert (folder / "hi.txt").read_bytes() == content


def test_a_client_with_a_current_user_keeps_files_in_its_folder(folder: Path) -> None:
    """As the first PiCloud did."""
    (folder / ".current_user").write_text("paul")
    with server_of_one(file(b"hello", "hi", "txt")) as port, ClientSocket("127.0.0.1", port) as client:
        pycloud.send_file(client, pycloud.pre_proc("hi.txt"))
        assert pycloud.evaluate(client) == 0
    assert (folder / "paul" / "hi.txt").read_bytes() == b"hello"


@pytest.mark.parametrize("name,ext", [("other", "txt"), ("client", "py"), ("paul", "id")])
def test_a_client_lets_no_server_choose_where(folder: Path, name: str, ext: str) -> None:
    """What was not asked for goes aside and replaces nothing; accounts are not made on a client."""
    (folder / f"{name}.{ext}").write_text("mine")
    with server_of_one(file(b"theirs", name, ext)) as port, ClientSocket("127.0.0.1", port) as client:
        pycloud.send_file(client, b"hi" + D + b"txt")
        assert pycloud.evaluate(client) == 0
    assert (folder / f"{name}.{ext}").read_text() == "mine"
    assert (folder / "received" / f"{name}.{ext}").read_text() == "theirs"
    assert not (folder / ".pi_users").exists()


def test_a_client_gives_no_file_away(folder: Path) -> None:
    """A server that asks a client for a file hears FileError."""
    (folder / "hi.txt").write_text("mine")
    heard: list[bytes] = []
    with server_of_one(b"hi" + D + b"txt", heard=heard) as port, ClientSocket("127.0.0.1", port) as client:
        pycloud.send_file(client, b"x" + D + b"y")
        assert pycloud.evaluate(client) == 0
    assert heard[-1] == b"FileError"


def test_a_client_answers_questions_from_the_keyboard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text behind the first colon is shown without what could move a terminal's cursor; the line is the answer."""
    monkeypatch.setattr("sys.stdin", io.StringIO("2\n"))
    heard: list[bytes] = []
    with server_of_one(b"InputRequest:Which one?\n[1] a: b\x1b[2J\n", heard=heard) as port:
        with ClientSocket("127.0.0.1", port) as client:
            pycloud.send_file(client, file(b"x", "paul", "id"))
            assert pycloud.evaluate(client) == 0
    assert heard[-1] == b"2"
    assert capsys.readouterr().out == "Which one?\n[1] a: b?[2J\n"


def test_a_question_without_keyboard_is_answered_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the input is an empty answer."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    heard: list[bytes] = []
    with server_of_one(b"InputRequest:Which?", heard=heard) as port, ClientSocket("127.0.0.1", port) as client:
        pycloud.send_file(client, file(b"x", "paul", "id"))
        assert pycloud.evaluate(client) == 0
    assert heard[-1] == b""


@pytest.mark.parametrize("word,returned", [(b"FileError", 1), (b"FileReceived", 0), (b"[+]  whatever", 1), (b"", 1)])
def test_what_evaluate_returns(word: bytes, returned: int) -> None:
    """0 while more will come, 1 when it is over."""
    with server_of_one(word) as port, ClientSocket("127.0.0.1", port) as client:
        pycloud.send_file(client, file(b"x", "paul", "id"))
        assert pycloud.evaluate(client) == returned


def test_a_server_that_says_no_last_word_does_not_hold_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first servers say FileReceived and keep the connection open: the client waits a moment, then it is over."""
    monkeypatch.setattr(talking, "CLOSING_S", 0.05)
    with server_of_one(RECEIVED, stay=True) as port, ClientSocket("127.0.0.1", port) as client:
        pycloud.send_file(client, file(b"x", "hi", "txt"))
        assert pycloud.evaluate(client) == 0
        assert pycloud.evaluate(client) == 1


class server_of_one:  # noqa: N801  # used as a statement
    """A server of raw bytes: takes one message, says one thing, hears one more, and leaves (or stays until the end)."""

    def __init__(self, word: bytes, heard: list[bytes] | None = None, *, stay: bool = False) -> None:
        self.word = word
        self.heard = [] if heard is None else heard
        self.done = threading.Event()
        self.stay = stay

    def __enter__(self) -> int:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        taken, _ = self.listener.accept()
        with taken:
            taken.settimeout(10)
            self.heard.append(pycloud.recv_all(taken) or b"")
            framing.send(taken, self.word)
            if self.stay:
                self.done.wait(10)
            else:
                self.heard.append(pycloud.recv_all(taken) or b"")

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join(10)
        self.listener.close()


# --- the socket that serves ---------------------------------------------------------------------------------------------


def test_it_listens_on_all_addresses_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other computers shall reach it; PYCLOUD_HOST names one address instead."""
    monkeypatch.delenv("PYCLOUD_HOST")
    with ServerSocket(0) as server:
        assert server.getsockname()[0] == socket.inet_ntoa(bytes(4))
        with socket.create_connection(("127.0.0.1", server.port), timeout=10):
            pass
    monkeypatch.setenv("PYCLOUD_HOST", "127.0.0.1")
    with ServerSocket(0) as server:
        assert server.getsockname()[0] == "127.0.0.1"


def test_closing_ends_serving_and_connections() -> None:
    """`activate` returns, who is connected hears the end, and the port is free; closing twice does nothing."""
    with serving() as server:
        with Peer(server) as peer:
            peer.send(b"x", "hi", "txt")
            server.close()
            assert peer.hear() == b""
            server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_a_port_that_is_taken_is_an_error() -> None:
    """As with any socket; nothing is left open."""
    with ServerSocket(0) as server, pytest.raises(OSError, match="in use"):
        ServerSocket(server.port)


def test_what_a_killed_server_left_is_swept_away(folder: Path) -> None:
    """A day later, and nothing that may still be coming."""
    spool = folder / shelves.SPOOL
    spool.mkdir()
    (spool / "old").write_text("x")
    (spool / "new").write_text("x")
    os.utime(spool / "old", (0, 0))
    with serving() as server:
        poll(lambda: not (spool / "old").exists())
        assert server.port
    assert (spool / "new").exists()


def test_a_received_file_by_hand(pair: tuple[socket.socket, socket.socket], folder: Path) -> None:
    """The class that `evaluate` uses takes data and stores it; on a plain socket this computer's own user counts."""
    ours, theirs = pair
    (folder / ".current_user").write_text("paul")
    received = ReceivedFile("hi", "txt", ours)
    received.take_data(b"hello")
    assert received.evaluate() == 0
    assert pycloud.recv_all(theirs) == RECEIVED
    assert (folder / "paul" / "hi.txt").read_bytes() == b"hello"


def test_words_of_others_cannot_write_log_lines(
    pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """Line ends and escapes of a peer are shown as such (S98)."""
    ours, theirs = pair
    framing.send(theirs, b"all is well\nroot logged in\x1b[0m")
    with caplog.at_level("INFO"):
        assert pycloud.evaluate(ours) == 1
    assert "all is well\\nroot logged in\\x1b[0m" in caplog.text


def test_passwords_are_not_logged(server: ServerSocket, caplog: pytest.LogCaptureFixture) -> None:
    """Neither right nor wrong ones (S97)."""
    with caplog.at_level("DEBUG"), Peer(server) as peer:
        peer.send(b"hunter2-right", "paul", "id")
        peer.send(b"hunter2-wrong", "paul", "id")
        peer.ask(b"1")
    assert "paul" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_words_are_those_of_the_wire() -> None:
    """The last word of a server is no keyword and no file."""
    for word in (talking.CLOSING, talking.SENT):
        assert isinstance(picloud.classify(word), picloud.Text)
