"""The `pycloud` library: the names, values and messages of its document, over real sockets on this machine."""

import inspect
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.pycloud_ends import RECEIVED, D, Peer, file, poll, server_of_one, serving, working_in

import pycloud
from homestow.wire import picloud
from pycloud import ClientSocket, ReceivedFile, ServerSocket, User, framing, hashing, shelves, talking


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """The working directory, with nobody else's things around it."""
    place = tmp_path / "served"
    place.mkdir()
    with working_in(place):
        yield place


@pytest.fixture
def server() -> Iterator[ServerSocket]:
    """A server of this working directory, serving."""
    with serving() as made:
        yield made


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected ends; nobody waits longer than 10 s."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


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
