"""Users' files: registering, logging in, failing, byte for byte; and that no name can be guessed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fronts.api.rig import PASSWORD, SECOND
from tests.fronts.picloud.rig import (
    LOGGED_IN,
    NOT_LOGGED_IN,
    NOT_REGISTERED,
    QUESTION,
    RECEIVED,
    REGISTERED,
    D,
    PicloudRig,
    frame,
    open_rig,
    upload,
    user_file,
)

from homestow.values.errors import Busy, StorageFailed

WRONG = "wrong password"


@pytest.fixture
def open_for_all(tmp_path: Path) -> Iterator[PicloudRig]:
    """A server that takes sign-ups."""
    with open_rig(tmp_path, signup_open=True) as made:
        yield made


@pytest.mark.parametrize(
    "answer", [b"1", b"2", b"3", b"", b"no", b"x" * 100_000, b"a" + D + b"txt", b"x" + D + b"y" + D + b"txt"]
)
@pytest.mark.parametrize("user", ["anna", "nobody"])
def test_a_wrong_password(rig: PicloudRig, user: str, answer: bytes) -> None:
    """Brings the question, and whatever is answered, the login failed; the connection goes on. Unknown names are the same."""
    with rig.peer() as peer:
        assert peer.ask(user_file(user, WRONG)) == [RECEIVED, QUESTION]
        assert peer.ask(frame(answer), 1) == [NOT_LOGGED_IN]
        assert peer.get("hi", "txt") is None
        peer.log_in()


def test_an_answer_that_is_far_too_long(rig: PicloudRig) -> None:
    """Ends the connection with the answer it would get."""
    with rig.peer() as peer:
        peer.ask(user_file("anna", WRONG))
        assert peer.ask(b"\x7f\xff\xff\xff" + b"x" * 1000) == [NOT_LOGGED_IN, None]


def test_a_failed_login_takes_nothing_away(rig: PicloudRig) -> None:
    """Who was logged in still is."""
    with rig.peer("anna") as peer:
        peer.ask(user_file("ben", WRONG))
        peer.ask(frame(b"1"), 1)
        peer.put("hi", "txt", b"hello")
    assert rig.files() == {"hi.txt": b"hello"}


def test_who_failed_is_not_somebody_else(rig: PicloudRig) -> None:
    """On a connection where a login failed nobody counts for the address, so that no file goes to who logged in there before."""
    with rig.peer("anna") as anna, rig.peer() as ben:
        anna.put("secret", "txt", b"of anna")
        ben.ask(user_file("ben", WRONG))
        ben.ask(frame(b"1"), 1)
        assert ben.get("secret", "txt") is None
        assert ben.ask(upload("diary", "txt", b"of ben"))[0] == b"FileError"
        ben.log_in("ben")
        ben.put("diary", "txt", b"of ben")
    assert rig.files() == {"secret.txt": b"of anna"}
    assert rig.files("ben") == {"diary.txt": b"of ben"}


def test_another_login_on_the_same_connection(rig: PicloudRig) -> None:
    """Is who counts from then on."""
    with rig.peer("anna") as peer:
        peer.log_in("ben")
        peer.put("hi", "txt", b"hello")
    assert rig.files("ben") == {"hi.txt": b"hello"}


@pytest.mark.parametrize("size", [1025, 60_000, 70_000, 500_000, 900_000])
@pytest.mark.parametrize("user", ["anna", "nobody"])
def test_absurd_passwords(rig: PicloudRig, user: str, size: int) -> None:
    """Fail; those beyond any password without the question, whoever is meant."""
    with rig.peer() as peer:
        answers = [RECEIVED, QUESTION] if size <= 65_000 else [RECEIVED, NOT_LOGGED_IN]
        assert peer.ask(user_file(user, "x" * size)) == answers


GUESSES = [
    "anna",
    "Anna",
    "nobody",
    "gone",
    "ada",
    "operator",
    "",
    "../anna",
    "a/b",
    "anna ",
    "0",
    "x" * 4000,
    "é",
    "a\nb",
]


@pytest.mark.parametrize("answer", [b"1", b"2"])
def test_no_name_can_be_guessed(rig: PicloudRig, answer: bytes) -> None:
    """While sign-up is closed every name gets the same bytes for a wrong password: before and after there were too many tries."""
    rig.services.accounts.add("gone", PASSWORD)
    rig.services.accounts.remove("gone")
    seen = []
    for user in GUESSES:
        rig.clock.ns += 24 * 3600 * SECOND
        said = b""
        for _ in range(13):
            with rig.peer() as peer:
                peer.send(user_file(user, WRONG) + frame(answer))
                said += peer.end()
        seen.append(said)
    assert set(seen) == {seen[0]}
    assert seen[0].count(QUESTION) == 10
    assert seen[0].count(NOT_LOGGED_IN) == 13


def test_tries_are_counted_everywhere(rig: PicloudRig) -> None:
    """Ten in all, wherever they are made (S43)."""
    for number in range(5):
        with rig.peer() as peer:
            assert peer.ask(user_file("anna", f"{WRONG} {number}"))[1] == QUESTION
        assert rig.ask("POST", "/login", {"user": "anna", "password": f"{WRONG} {number}"}, user=None).status == 401
    with rig.peer() as peer:
        assert peer.ask(user_file("anna")) == [RECEIVED, NOT_LOGGED_IN]
    assert rig.ask("POST", "/login", {"user": "anna", "password": PASSWORD}, user=None).status == 429


def test_signing_up(open_for_all: PicloudRig) -> None:
    """An unknown name registers and is logged in at once; then it is an account like any other."""
    rig = open_for_all
    with rig.peer() as peer:
        assert peer.ask(user_file("paul")) == [RECEIVED, REGISTERED]
        peer.put("hi", "txt", b"hello")
        assert rig.files("paul") == {"hi.txt": b"hello"}
        assert peer.ask(user_file("paul")) == [RECEIVED, LOGGED_IN]
        assert peer.ask(user_file("paul", WRONG)) == [RECEIVED, QUESTION]
        assert peer.ask(frame(b"2"), 1) == [NOT_LOGGED_IN]
    assert rig.ask("POST", "/login", {"user": "paul", "password": PASSWORD}, user=None).status == 200


@pytest.mark.parametrize(
    "name, password",
    [("paul", b"hello"), ("paul", b""), ("paul", b"\xff" * 20), ("../paul", PASSWORD.encode()), ("a/b", PASSWORD.encode()),
     ("", PASSWORD.encode()), ("a\0b", PASSWORD.encode()), ("paul", b"x" * 2000)],
)  # fmt: skip
def test_what_does_not_sign_up(open_for_all: PicloudRig, name: str, password: bytes) -> None:
    """Passwords under ten characters, no text, and names that nobody may have: the registration failed, nobody is logged in."""
    with open_for_all.peer() as peer:
        assert peer.ask(upload(name, "id", password)) == [RECEIVED, NOT_REGISTERED]
        assert peer.get("hi", "txt") is None
    assert not open_for_all.own("paul").exists()


def test_only_so_many_accounts_from_one_address(open_for_all: PicloudRig) -> None:
    """Ten in a quarter of an hour."""
    with open_for_all.peer() as peer:
        for number in range(10):
            assert peer.ask(user_file(f"user{number}"))[1] == REGISTERED
        assert peer.ask(user_file("user10")) == [RECEIVED, NOT_REGISTERED]


@pytest.mark.parametrize("error", [lambda: Busy("later", retry_after_s=5), lambda: StorageFailed("The disk failed.")])
def test_trouble_of_the_server(
    rig: PicloudRig, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    """Is a login that failed, and nothing of its inside is told."""

    def fail(*args: object) -> None:
        raise error()

    monkeypatch.setattr(rig.picloud.logins, "enter", fail)
    with rig.peer() as peer:
        assert peer.ask(user_file("anna")) == [RECEIVED, NOT_LOGGED_IN]


def test_no_password_is_in_the_log(rig: PicloudRig, caplog: pytest.LogCaptureFixture) -> None:
    """Right or wrong ones, and what was typed as an answer (S97)."""
    with caplog.at_level("DEBUG"), rig.peer() as peer:
        peer.ask(user_file("anna", "my wrong secret"))
        peer.ask(frame(b"my typed secret"), 1)
        peer.log_in()
        peer.send(frame(PASSWORD.encode()))
        peer.get("hi", "txt")
    assert "secret" not in caplog.text
    assert PASSWORD not in caplog.text
