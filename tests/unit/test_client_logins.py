"""Where a login's token lies: in the keyring where one works, else in a file of the owner's; and what it costs to find out."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from homestow.client.adapters.keyring_desktop import DesktopKeyring, desktop_keyring
from homestow.client.adapters.logins import Login, Logins

ANNA = Login("http://localhost:5000", "anna", "token of anna", "abc")


class Shelf(KeyringBackend):
    """A keyring in memory, as a desktop's behaves."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library does not annotate it
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("somebody pressed cancel")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("somebody pressed cancel")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")


def texts(folder: Path) -> str:
    """All that the client's files hold."""
    return "".join(path.read_text() for path in folder.rglob("*.json"))


def test_a_token_lies_in_the_keyring(tmp_path: Path) -> None:
    """The file then says only where it is (S90), and this computer is the same by either name."""
    shelf = Shelf()
    logins = Logins(tmp_path, lambda: DesktopKeyring(shelf))
    logins.keep(ANNA)

    assert list(shelf.kept.values()) == [ANNA.token]
    assert ANNA.token not in texts(tmp_path)
    assert logins.find(ANNA.server, "anna") == logins.only(ANNA.server) == ANNA
    assert logins.find("http://127.0.0.1:5000", "anna") == ANNA
    assert logins.drop(ANNA.server, "anna")
    assert (shelf.kept, logins.find(ANNA.server, "anna")) == ({}, None)


def test_a_keyring_that_is_locked_has_no_login(tmp_path: Path) -> None:
    """Who logs in then is kept in the file, and an earlier token in the keyring counts no more."""
    shelf = Shelf()
    logins = Logins(tmp_path, lambda: DesktopKeyring(shelf))
    logins.keep(ANNA)
    shelf.locked = True
    assert logins.find(ANNA.server, "anna") is None
    logins.keep(ANNA._replace(token="another"))
    shelf.locked = False
    found = logins.find(ANNA.server, "anna")
    assert found is not None
    assert found.token == "another"


def test_a_keyring_that_takes_and_does_not_give_is_none(tmp_path: Path) -> None:
    """As the null backend does: the token lies in the file."""
    logins = Logins(tmp_path, lambda: DesktopKeyring(NullKeyring()))  # type: ignore[no-untyped-call]  # as above
    logins.keep(ANNA)
    assert logins.find(ANNA.server, "anna") == ANNA
    assert json.loads(texts(tmp_path))["token"] == ANNA.token


def test_a_file_from_before_is_read(tmp_path: Path) -> None:
    """A token that lay in the file stays readable where a keyring appears later."""
    Logins(tmp_path, lambda: None).keep(ANNA)
    assert Logins(tmp_path, lambda: DesktopKeyring(Shelf())).find(ANNA.server, "anna") == ANNA


def test_a_silent_keyring_holds_nobody_up(tmp_path: Path) -> None:
    """P12: after its time it counts as none."""
    done = threading.Event()

    class Silent(Shelf):
        def get_password(self, service: str, username: str) -> str | None:
            done.wait(60)
            return None

    keyring = DesktopKeyring(Silent(), patience_s=0.01)
    assert keyring.get("a", "b") is None
    assert not keyring.put("a", "b", "c")
    done.set()


def test_a_login_does_not_show_its_token() -> None:
    """S91: neither repr nor text, wherever a login stands in a message."""
    assert ANNA.token not in f"{ANNA!r}{ANNA}{[ANNA]}"
    assert "anna" in repr(ANNA)


@pytest.mark.parametrize("bus", [None, "unix:path=/nowhere"])
def test_a_headless_machine_pays_nothing(bus: str | None, tmp_path: Path) -> None:
    """Without a session bus the library is not even imported; with a dead one there is no keyring."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | ({"DBUS_SESSION_BUS_ADDRESS": bus} if bus else {})
    program = (
        "import sys; from homestow.client.adapters.keyring_desktop import desktop_keyring;"
        "print(desktop_keyring(), 'keyring' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == ["None", str(bus is not None)]


def test_backends_of_no_worth_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of somebody else's making is no better than ours."""
    import keyring

    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    before = keyring.get_keyring()
    keyring.set_keyring(NullKeyring())  # type: ignore[no-untyped-call]  # as above
    try:
        assert desktop_keyring() is None
    finally:
        keyring.set_keyring(before)
