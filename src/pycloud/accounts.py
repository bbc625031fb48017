"""Accounts of the library's own server: `.pi_users`, `.current_user`, and `User` as the document has it."""

import logging
import socket
import threading
from pathlib import Path

from homestow.values.errors import BadName
from homestow.wire import picloud
from pycloud import hashing
from pycloud.framing import MOST_ANSWER_BYTES, receive, send
from pycloud.remembering import logins, talks, tries
from pycloud.shelves import account_folder, write_private

USERS = Path(".pi_users")
CURRENT = Path(".current_user")

QUESTION = picloud.LOGIN_QUESTION.removeprefix(picloud.QUESTION).decode()

_log = logging.getLogger("pycloud")
_changing = threading.RLock()


class User:
    """Somebody with a name and a password, on a connection.

    Args:
        name: name of the account, which is the name of its folder too.
        pwd: the password as it was sent; a newline at its end belongs to it.
        sock: where questions go to; None asks nobody.
    """

    def __init__(self, name: str, pwd: str, sock: socket.socket | None) -> None:
        self.name = name
        self.pwd = pwd
        self.sock = sock

    def check_pwd(self) -> str | int:
        """The stored password (its salted hash) of `self.name` from `.pi_users`; 1 when there is none."""
        return _records().get(self.name, 1)

    def input_request(self, msg: str) -> str:
        """Ask the client something and wait for the answer; "" when none came."""
        if self.sock is None or send(self.sock, picloud.question_payload(msg)) is None:
            return ""
        answer = receive(self.sock, most=MOST_ANSWER_BYTES)
        return "" if answer is None else answer.decode("utf-8", "replace").strip("\r\n")

    def login(self) -> int:
        """Log in with name and password: 0 success, 1 failure.

        A wrong password or an unknown name is answered with a question, whether to register under this name; if the client
        wants to and can, this is a success too. Success writes `.current_user` and counts for the address of the client for
        15 minutes. Ten failures from one address in 15 minutes, and it has to wait (S43).
        """
        peer = talks.of(self.sock).peer
        if not tries.take(peer):
            _log.info("login refused: too many tries peer=%s", peer)
            return 1
        stored = self.check_pwd()
        if isinstance(stored, str) and hashing.matches(self.pwd, stored):
            if hashing.is_old(stored):
                _record(self.name, self.make_hashed(), replace=True)
            tries.forgive(peer)
            self._enter()
            return 0
        _log.info("login failed user=%r peer=%s", self.name, peer)
        return self.register() if self.input_request(QUESTION) == picloud.ANSWER_REGISTER.decode() else 1

    def register(self) -> int:
        """Make the account and its folder, and log in: 0 success, 1 when the name is taken or cannot be one.

        A folder that is there already, with files in it and without an account, belongs to nobody who can be asked: its name
        cannot be registered.
        """
        peer = talks.of(self.sock).peer
        if not tries.take(peer):
            _log.info("registration refused: too many tries peer=%s", peer)
            return 1
        try:
            folder = account_folder(self.name)
            made = self.make_hashed()
            with _changing:
                folder.mkdir(mode=0o700, exist_ok=True)
                if self.check_pwd() != 1 or any(folder.iterdir()) or not _record(self.name, made):
                    _log.info("registration refused: name is taken user=%r peer=%s", self.name, peer)
                    return 1
        except (BadName, ValueError, OSError) as error:
            _log.info("registration refused user=%r peer=%s reason=%r", self.name, peer, str(error))
            return 1
        _log.info("registered user=%r peer=%s", self.name, peer)
        self._enter()
        return 0

    def make_hashed(self, salt: str | bytes | None = None) -> str:
        """The password's hash as `.pi_users` keeps it; with a stored hash as `salt` it is the same again for the same password.

        Raises:
            ValueError: the password has more than 1,024 bytes, or `salt` is text that is no stored hash.
        """
        return hashing.hashed(self.pwd, salt)

    def _enter(self) -> None:
        talk = talks.of(self.sock)
        talk.user = self.name
        if talk.peer:
            logins.enter(talk.peer, self.name)
        with _changing:
            write_private(CURRENT, self.name)
        _log.info("logged in user=%r peer=%s", self.name, talk.peer)


def get_cwu() -> str:
    """Name of the user who logged in last, from `.current_user`; "" when nobody did."""
    try:
        return CURRENT.read_text("utf-8", "surrogateescape").rstrip("\r\n")
    except FileNotFoundError:
        return ""


def current_account() -> str | None:
    """The same, or None when nobody logged in or no account can have that name."""
    name = get_cwu()
    try:
        return str(account_folder(name))
    except BadName:
        return None


def _records() -> dict[str, str]:
    """Hashes by name; lines that are none are passed over."""
    try:
        text = USERS.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return {}
    records: dict[str, str] = {}
    for line in text.split("\n"):
        name, colon, stored = line.partition(":")
        if name and colon and stored:
            records.setdefault(name, stored)
    return records


def _record(name: str, stored: str, *, replace: bool = False) -> bool:
    """Write one account down for good; False when the name is taken: names that differ in case only are one folder on some disks."""
    with _changing:
        records = _records()
        taken = {known.casefold() for known in records}
        if not replace and name.casefold() in taken:
            return False
        records[name] = stored
        write_private(USERS, "".join(f"{known}:{kept}\n" for known, kept in records.items()))
        return True
