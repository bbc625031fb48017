"""Netdrive logins: one session for all clients of a user, ended by the last logout, or with what it hangs on."""

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.netdrive_world import PASSWORD, SECOND, Drive, open_drive, together

from homestow.server.service.netdrive_sessions import IDLE_S, LENGTH
from homestow.values.errors import LoginFailed, LoginNeeded, NameTaken, SignupClosed, TooManyTries, WeakPassword

NEW = "another long password"


@pytest.fixture
def w(tmp_path: Path) -> Iterator[Drive]:
    """A house."""
    with open_drive(tmp_path) as made:
        yield made


def login(w: Drive, user: str = "anna", password: str = PASSWORD) -> str:
    return w.drive.sessions.log_in(user, password, "192.0.2.7")


def ended(w: Drive, session: str) -> bool:
    """Whether a session is no more, for `check` at once and for `known` after a moment."""
    w.clock.ns += SECOND
    assert w.drive.sessions.known(session) is None
    try:
        who = w.drive.sessions.check(session)
    except LoginNeeded:
        assert w.drive.sessions.known(session) is None
        return True
    assert w.drive.sessions.known(session) == who
    return False


def test_a_second_login_gets_the_same_session(w: Drive) -> None:
    """32 letters and digits, of its user; also after a restart, and for two at the same time."""
    session = login(w)
    assert len(session) == LENGTH
    assert set(session) <= set(string.ascii_letters + string.digits)
    w.reopen()
    assert login(w) == session
    assert together(*[lambda: login(w)] * 3) == [session] * 3
    who = w.drive.sessions.check(session)
    assert (who.name, who.account) == ("anna", w.anna.account)
    assert login(w, "ben") != session
    assert len(w.accounts.devices(who)) == 1


def test_two_first_logins_at_the_same_time(w: Drive) -> None:
    """Get one session."""
    assert len(set(together(*[lambda: login(w)] * 4))) == 1


def test_logout_counts(w: Drive) -> None:
    """The last one ends the session and its device; more, or of nobody, are no error."""
    session = login(w)
    login(w)
    assert not w.drive.sessions.log_out(session)
    assert not ended(w, session)
    assert w.drive.sessions.log_out(session)
    assert ended(w, session)
    assert w.accounts.devices(w.anna) == []
    for other in (session, "", "x" * 32, "\ud800" * 32):
        assert not w.drive.sessions.log_out(other)
    assert login(w) != session


def test_s50_only_its_hash_is_stored(w: Drive) -> None:
    """Neither text nor anything it could be guessed from is in the database or a log; without the key it is not told again."""
    session = login(w)
    w.close()
    for path in (w.place / "data").iterdir():
        if path.is_file():
            assert session.encode() not in path.read_bytes()
    w.key = b"o" * 32
    w.open()
    assert w.drive.sessions.check(session).name == "anna"
    other = login(w)
    assert other != session
    assert ended(w, session)
    assert not ended(w, other)


@pytest.mark.parametrize("how", ["device", "password", "operator", "account", "idle"])
def test_s49_what_ends_it(w: Drive, how: str) -> None:
    """Removing its device, another password, removal of the account, 30 days without use."""
    session = login(w)
    who = w.drive.sessions.check(session)
    match how:
        case "device":
            w.accounts.remove_device(w.anna, who.device)
        case "password":
            w.accounts.change_password(w.anna, PASSWORD, NEW, "")
        case "operator":
            w.accounts.set_password("anna", NEW)
        case "account":
            w.accounts.remove("anna")
        case _:
            w.clock.ns += (IDLE_S - 10) * SECOND
            assert not ended(w, session)
            w.clock.ns += (IDLE_S - 10) * SECOND
            w.reopen()
            assert not ended(w, session)
            w.clock.ns += (IDLE_S + 1) * SECOND
    assert ended(w, session)


def test_changing_the_password_keeps_this_session_and_ends_the_others(w: Drive) -> None:
    """The old password is needed; with the new one a login gets the session that stayed."""
    session = login(w)
    phone = w.accounts.log_in("anna", PASSWORD, "phone", "")
    sessions = w.drive.sessions
    with pytest.raises(LoginFailed):
        sessions.change_password(session, "wrong password", NEW, "")
    with pytest.raises(WeakPassword):
        sessions.change_password(session, PASSWORD, "123456", "")
    with pytest.raises(LoginNeeded):
        sessions.change_password("x" * 32, PASSWORD, NEW, "")
    sessions.change_password(session, PASSWORD, NEW, "")
    assert not ended(w, session)
    with pytest.raises(LoginNeeded):
        w.accounts.check(phone.token)
    with pytest.raises(LoginFailed):
        login(w)
    assert login(w, password=NEW) == session


def test_s43_tries_count_with_those_of_all_fronts(w: Drive) -> None:
    """Ten wrong ones in all, then even the right one waits."""
    for _ in range(5):
        with pytest.raises(LoginFailed):
            login(w, password="wrong password")
        with pytest.raises(LoginFailed):
            w.accounts.log_in("anna", "wrong password", "web", "192.0.2.7")
    with pytest.raises(TooManyTries):
        login(w)


def test_unknown_users_are_told_the_same(w: Drive) -> None:
    """As a wrong password (S45)."""
    with pytest.raises(LoginFailed) as unknown:
        login(w, "nobody")
    with pytest.raises(LoginFailed) as wrong:
        login(w, password="wrong password")
    assert unknown.value.message == wrong.value.message


def test_sign_up_obeys_the_owner(tmp_path: Path) -> None:
    """Closed unless opened; names once, passwords long enough; the new account has no device yet and can log in."""
    with open_drive(tmp_path) as w, pytest.raises(SignupClosed):
        w.drive.sessions.sign_up("eve", PASSWORD, "")
    (tmp_path / "b").mkdir()
    with open_drive(tmp_path / "b", signup=True) as w:
        with pytest.raises(WeakPassword):
            w.drive.sessions.sign_up("admin0606", "123456", "")
        w.drive.sessions.sign_up("eve", PASSWORD, "")
        with pytest.raises(NameTaken):
            w.drive.sessions.sign_up("Eve", PASSWORD, "")
        who = w.drive.sessions.check(login(w, "eve"))
        assert len(w.accounts.devices(who)) == 1
        assert w.drive.tree.root(who, 1) == w.drive.tree.root(who, None)


def test_s27_sessions_of_other_fronts_open_nothing_here(w: Drive) -> None:
    """Nor does this one open anything there; nonsense of any length is refused."""
    token = w.accounts.log_in("anna", PASSWORD, "phone", "").token
    for other in (token, token[:32], "", "x", "x" * 5000, "\ud800" * 32):
        with pytest.raises(LoginNeeded):
            w.drive.sessions.check(other)
    with pytest.raises(LoginNeeded):
        w.accounts.check(login(w))
