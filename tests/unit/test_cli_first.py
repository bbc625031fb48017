"""What a first start decides, and what this computer remembers of logins."""

import socket
import stat
from pathlib import Path

import pytest

from homestow.cli.first import account_name, check_apart, free_port, new_password, read_account, write_account
from homestow.cli.sync import server_url
from homestow.cli.troubles import Trouble
from homestow.client.adapters.logins import Login, Logins, check_digits
from homestow.server.rules.passwords import check_password, check_user_name
from homestow.values.errors import BadSettings


@pytest.mark.parametrize(
    "wanted,name",
    [
        ("anna", "anna"),
        ("Ben Müller", "Ben-Müller"),
        ("_svc", "svc"),
        ("DOMAIN\\user$", "DOMAIN-user"),
        ("a..b", "a.b"),
        ("", "me"),
        ("...", "me"),
        ("x" * 100, "x" * 64),
        ("写真", "写真"),
    ],
)
def test_the_first_account_is_named_like_the_person(wanted: str, name: str) -> None:
    """Whatever this computer calls a person, the server takes the name."""
    assert account_name(wanted) == name
    assert check_user_name(name) == name


def test_generated_passwords_are_long_and_different() -> None:
    """The server takes them, and no two are the same (S52)."""
    passwords = {new_password() for _ in range(100)}

    assert len(passwords) == 100
    assert all(check_password(password) for password in passwords)


def test_the_first_password_is_kept_for_the_owner_only(tmp_path: Path) -> None:
    """Name and password come back as they were written, from a file nobody else reads."""
    path = tmp_path / "first-account.txt"
    assert read_account(path) is None
    write_account(path, "Ben: b", "x: y")

    assert read_account(path) == ("Ben: b", "x: y")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_folder_and_the_data_lie_apart(tmp_path: Path) -> None:
    """A folder that holds the server's data, or lies in it, would be synced into itself."""
    data = tmp_path / "here" / "data"
    (data / "files").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    check_apart(tmp_path / "here" / "other", data)
    for folder in (data, data / "files" / "x", tmp_path / "here", tmp_path / "link", tmp_path / "link" / "new"):
        with pytest.raises(Trouble, match="another folder"):
            check_apart(folder, data)


def test_a_taken_port_gives_way_to_a_free_one() -> None:
    """Somebody else's program keeps its port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) == 0
    assert free_port(port) == port


def test_a_login_is_remembered_for_its_owner_only(tmp_path: Path) -> None:
    """Token by server and account; the folder and the file are the owner's alone (S90)."""
    logins = Logins(tmp_path / "client")
    assert logins.only("http://a") is None
    anna, ben = Login("http://a", "anna", "token 1"), Login("http://a", "ben", "token 2")
    logins.keep(anna)

    assert logins.find("http://a", "anna") == logins.only("http://a") == anna
    logins.keep(ben)
    assert (logins.find("http://a", "ben"), logins.only("http://a")) == (ben, None)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "client").rglob("*.json")}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "client" / "logins").stat().st_mode) == 0o700

    assert logins.drop("http://a", "anna")
    assert not logins.drop("http://a", "anna")
    assert logins.find("http://a", "anna") is None


def test_check_digits_tell_passwords_apart_and_tell_nothing(tmp_path: Path) -> None:
    """They belong to one token, survive in the file, and are too few to find a password by (S90)."""
    found = {check_digits("token", f"password {number}") for number in range(2000)}
    assert {len(digits) for digits in found} == {3}
    assert 1000 < len(found) < 2000
    assert check_digits("token", "a") == check_digits("token", "a") != check_digits("other", "a")
    check_digits("token", "\udc80")
    logins = Logins(tmp_path)
    logins.keep(Login("http://a", "anna", "t", "abc"))
    assert logins.only("http://a") == Login("http://a", "anna", "t", "abc")
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"server": "http://a", "user": "anna", "token": "t"}')
    assert logins.only("http://a") == Login("http://a", "anna", "t")


def test_a_damaged_login_says_what_to_do(tmp_path: Path) -> None:
    """It is not taken for another account, and not overwritten silently."""
    logins = Logins(tmp_path)
    logins.keep(Login("http://a", "anna", "x"))
    for path in tmp_path.rglob("*.json"):
        path.write_text("{}")
    with pytest.raises(BadSettings, match="remove it"):
        logins.find("http://a", "anna")


@pytest.mark.parametrize(
    "text,url",
    [
        ("http://localhost:5000/", "http://localhost:5000"),
        ("https://home.example/cloud/", "https://home.example/cloud"),
        ("raspberrypi.local:5000", "http://raspberrypi.local:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_server_addresses(text: str, url: str) -> None:
    """A path prefix is kept, a slash at the end is not, a bare host is http."""
    assert server_url(text) == url


@pytest.mark.parametrize("text", ["ftp://host", "http://", "http://u:p@host", "http://host?x", "a b", "http://:5000"])
def test_what_is_no_server_address(text: str) -> None:
    """Said at once, not after a time-out; a password has no place in an address."""
    with pytest.raises(Trouble, match="no server's address"):
        server_url(text)
