"""A server of the `pycloud` library and what strangers may do with it: files, accounts, and who sees what."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.pycloud_ends import QUESTION, RECEIVED, D, Peer, file, poll, serving, working_in

import pycloud
from pycloud import ServerSocket, remembering, talking


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
