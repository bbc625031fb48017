"""What the messages mean: files, requests, accounts, questions. Both ends use the same function, `evaluate`.

An end that made the connection (`ClientSocket`) takes what it asked for and answers questions at the keyboard; it gives no
files away. Any other end serves.
"""

import io
import logging
import os
import shutil
import socket
from pathlib import Path

from homestow.values.errors import BadName
from homestow.wire import picloud
from pycloud.accounts import User, current_account
from pycloud.framing import CutShort, head, pieces, send
from pycloud.remembering import Sent, Talk, logins, talks
from pycloud.shelves import AREA, Incoming, find, find_open, full_name, is_account_name, parts_of, room_for, spelled
from pycloud.sockets import ClientSocket

CLOSING = b"[+]  File stored"
"""Last word after a file was taken. It says no keyword, so that clients of the first PiCloud log it and end."""
SENT = b"[+]  File sent"
"""Last word after a file was given and has come."""
CLOSING_S = 2.0
"""So long a client waits for the last word of a server that has given all it owes; the first servers give none."""
FOLLOW_CURRENT_USER = "PYCLOUD_CURRENT_USER"
"""Set to 1, a server takes whoever has not logged in for the user who did last, as the first PiCloud did."""

_log = logging.getLogger("pycloud")


def evaluate(sock: socket.socket) -> int:
    """Receive one message and do what it asks for.

    Returns:
        0: more will come, call again. 1: it is over, because all has been said or because it failed.
    """
    talk = talks.of(sock)
    try:
        length = head(sock, CLOSING_S if talk.settled else None)
        if length is None:
            return 1
        # Who it is from is settled when it begins: somebody else may log in from that address while it comes.
        sender = _user(talk)
        if length > picloud.MAX_HELD:
            return _take_long(sock, talk, sender, length)
        payload = b"".join(pieces(sock, length))
        return _answer(sock, talk, sender, payload) if len(payload) == length else 1
    except (CutShort, TimeoutError):
        # Who stands still in the middle may be waiting for an answer.
        _log.warning("a message did not come whole peer=%s", talk.peer)
        return _give_up(sock, picloud.FAILED)
    except OSError as error:
        _log.info("connection ended peer=%s reason=%s", talk.peer, error)
        return _give_up(sock)


def pre_proc(filename: str, is_server: int = 0) -> bytes:
    """Make the message for a file, by whether it is in the working directory.

    Args:
        filename: name of the file with its extension, folders before it as they are ("/").
        is_server: 1 when a peer named the file; then only what lies openly in the working directory is given, which nothing
            in a folder, hidden, or of the server's own is.
    Returns:
        The file itself when it is there; else the request for it, or, for a server, `FileError`.
    Raises:
        ValueError: the file has 4 GiB or more, or a name that no message can carry: ten colons, or over 4,096 bytes.
    """
    path = Path(filename)
    name, ext = parts_of(_told(filename))
    if is_server:
        there = find_open(filename)
        return picloud.FAILED if there is None else _file_payload(there, name, ext)
    return _file_payload(path, name, ext) if path.is_file() else picloud.wanted_payload(name, ext)


def send_file(sock: socket.socket, b_data: bytes) -> int | None:
    """Send one message, such as `pre_proc` makes; b"" is one too.

    Returns:
        0 success; None failure: the connection is gone, or the message has 4 GiB or more.
    """
    talk = talks.of(sock)
    talk.sent, talk.asked, talk.settled = Sent.OTHER, None, False
    match picloud.classify(b_data[-picloud.MAX_TAIL :]):  # the name is at the end
        case picloud.File() as file:
            talk.sent = Sent.ACCOUNT if file.is_account else Sent.FILE
        case picloud.Wanted(name, ext):
            talk.sent, talk.asked = Sent.REQUEST, full_name(name, ext)
        case _:
            pass
    return send(sock, b_data)


class ReceivedFile:
    """A file that a peer sent: `take_data` its content, then `evaluate`.

    Args:
        name: its name, folders before it ("/"), no extension.
        ext: its extension, "" for none. `id` makes it an account, where this end serves.
        sock: the connection it came on.
    """

    def __init__(self, name: str, ext: str, sock: socket.socket) -> None:
        self.name = name
        self.ext = ext
        self.sock = sock
        self.data = b""
        self.sender = _user(talks.of(sock))
        """Whose it is; None: nobody known."""

    def take_data(self, b_data: bytes) -> None:
        """Take the content."""
        self.data = b_data

    def evaluate(self) -> int:
        """Store it, or register or log in who it is; the peer is told. 0 done, 1 it cannot be taken."""
        if self.ext == picloud.ACCOUNT_EXT and not isinstance(self.sock, ClientSocket):
            return self._evaluate_account()
        with Incoming() as incoming:
            incoming.write(self.data)
            return self.store(incoming)

    def store(self, incoming: Incoming) -> int:
        """Put content that is on the disk already into its place; then the peer is told."""
        talk = talks.of(self.sock)
        filename = full_name(self.name, self.ext)
        if self.ext == picloud.CERT_EXT:
            _log.info("dropped file=%r peer=%s", filename, talk.peer)
            return _say(self.sock, picloud.RECEIVED)
        shelf, over = self._shelf(talk, filename)
        try:
            place = incoming.put(shelf, filename, over=over)
        except (BadName, OSError) as error:
            _log.warning("refused file=%r peer=%s reason=%r", filename, talk.peer, str(error))
            return _give_up(self.sock, picloud.FAILED)
        _log.info("received file=%r bytes=%d peer=%s", str(place), incoming.size, talk.peer)
        talk.settled = isinstance(self.sock, ClientSocket)
        return _say(self.sock, picloud.RECEIVED, *([CLOSING] if talk.served else []))

    def _shelf(self, talk: Talk, filename: str) -> tuple[Path, bool]:
        """The folder it goes to, and whether it takes the name of a file that is there."""
        if self.sender is not None:
            return Path(self.sender), True
        return Path() if filename == talk.asked else Path(AREA), False

    def _evaluate_account(self) -> int:
        """An account's file: whoever has a folder logs in, whoever has none registers."""
        if _say(self.sock, picloud.RECEIVED):
            return 1
        user = User(self.name, self.data.decode("utf-8", "surrogateescape"), self.sock)
        if is_account_name(self.name) and Path(self.name).exists():
            return _say(self.sock, picloud.NOT_LOGGED_IN if user.login() else picloud.LOGGED_IN)
        return _say(self.sock, picloud.NOT_REGISTERED if user.register() else picloud.REGISTERED)


def _answer(sock: socket.socket, talk: Talk, sender: str | None, payload: bytes) -> int:
    """Do what a message that came whole asks for."""
    match picloud.classify(payload):
        case picloud.File() as file if file.is_key:
            _log.warning("an encrypted PiCloud, which this one cannot talk to peer=%s", talk.peer)
            return _give_up(sock, picloud.FAILED)
        case picloud.File(content, name, ext):
            received = ReceivedFile(name, ext, sock)
            received.sender = sender
            received.take_data(content)
            return received.evaluate()
        case picloud.Wanted(name, ext):
            return _give(sock, talk, sender, name, ext)
        case picloud.Received():
            return _note_received(sock, talk)
        case picloud.Failed():
            _log.info("the other end has no such file, or does not take it peer=%s", talk.peer)
            return _give_up(sock)
        case picloud.Question(text) if not talk.served:
            return _ask_person(sock, text)
        case picloud.Question(text) | picloud.Text(text):
            # Registered, logged in, stored, or not: what a server says last.
            _log.info("%s", _shown(text))
            return 1
        case picloud.Broken(reason):
            _log.warning("refused a message peer=%s reason=%s", talk.peer, reason.value)
            return _give_up(sock, picloud.FAILED)


def _take_long(sock: socket.socket, talk: Talk, sender: str | None, length: int) -> int:
    """A message too long to be held: it can only be a file, and goes to the disk as it comes."""
    came = 0
    tail = picloud.Tail(length)
    with Incoming() as incoming:
        fits = room_for(length)
        for piece in pieces(sock, length):
            came += len(piece)
            if fits:
                for sure in tail.feed(piece):
                    incoming.write(sure)
        if came < length:
            return 1
        ending = tail.finish() if fits else None
        if isinstance(ending, picloud.Ending) and (ending.ext != picloud.ACCOUNT_EXT or isinstance(sock, ClientSocket)):
            incoming.write(ending.rest)
            received = ReceivedFile(ending.name, ending.ext, sock)
            received.sender = sender
            return received.store(incoming)
    _log.warning("refused a message peer=%s bytes=%d fits=%s", talk.peer, length, fits)
    return _give_up(sock, picloud.FAILED)


def _give(sock: socket.socket, talk: Talk, sender: str | None, name: str, ext: str) -> int:
    """Send the file that was asked for; from a client nobody gets one."""
    filename = full_name(name, ext)
    place = None if isinstance(sock, ClientSocket) else find(sender, filename)
    if place is None:
        _log.info("not found file=%r peer=%s", filename, talk.peer)
        return _say(sock, picloud.FAILED)
    _log.info("sent file=%r peer=%s", str(place), talk.peer)
    ending = picloud.file_ending(name, ext)
    with place.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        whole = size + len(ending)
        if whole > picloud.MAX_PAYLOAD:
            _log.warning("too long for one message file=%r bytes=%d", str(place), size)
            return _say(sock, picloud.FAILED)
        talk.gave = True
        if whole <= picloud.MAX_HELD:
            return _say(sock, file.read(size) + ending)
        try:
            sock.sendall(picloud.frame_head(whole))
            if sock.sendfile(file, 0, size) == size:
                sock.sendall(ending)
                return 0
            _log.warning("it became shorter while it was sent file=%r", str(place))
        except OSError as error:
            _log.info("not sent whole file=%r peer=%s reason=%s", str(place), talk.peer, error)
    return _give_up(sock)  # the frame cannot be ended as it was begun


def _note_received(sock: socket.socket, talk: Talk) -> int:
    """The other end has what was sent. A server's last word lets the other end stop listening."""
    _log.info("received by the other end peer=%s", talk.peer)
    if talk.served and talk.gave:
        talk.gave = False
        return _say(sock, SENT)
    talk.settled = talk.sent is Sent.FILE
    return 0


def _ask_person(sock: socket.socket, text: str) -> int:
    """A question for whoever sits at this computer; the end of the input is an empty answer."""
    _log.info("asked: %s", _shown(text))
    try:
        answer = input("".join(char if char == "\n" or char.isprintable() else "?" for char in text))
    except EOFError:
        answer = ""
    return _say(sock, answer.encode("utf-8", "surrogateescape"))


def _user(talk: Talk) -> str | None:
    """Whom a message counts for: who logged in on the connection, else who did last from its address.

    Where nobody was accepted by a `ServerSocket`, this computer's own `.current_user` counts.
    """
    if talk.user is not None:
        return talk.user
    user = logins.user_at(talk.peer) if talk.served else None
    if user is None and (not talk.served or os.environ.get(FOLLOW_CURRENT_USER) == "1"):
        return current_account()
    return user


def _told(filename: str) -> str:
    """How a file is called to the other end: with its folders, when they lead down from here, else the last part alone."""
    parts = spelled(filename).split("/")
    return parts[-1] if Path(filename).is_absolute() or ".." in parts else "/".join(parts)


def _file_payload(path: Path, name: str, ext: str) -> bytes:
    ending = picloud.file_ending(name, ext)
    if path.stat().st_size + len(ending) > picloud.MAX_PAYLOAD:
        raise ValueError(f"{path} is too long for one message")
    # Written into one buffer, so that a long file is in memory once only.
    payload = io.BytesIO()
    with path.open("rb") as file:
        shutil.copyfileobj(file, payload, 1 << 20)
    payload.write(ending)
    return payload.getvalue()


def _say(sock: socket.socket, *payloads: bytes) -> int:
    """Send messages; 0, or 1 when the connection is gone."""
    for payload in payloads:
        if send(sock, payload) is None:
            return 1
    return 0


def _give_up(sock: socket.socket, *payloads: bytes) -> int:
    """Send a last message and close. What the peer has still on its way is read for a moment, or it would not see the message."""
    if not _say(sock, *payloads) and payloads:
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(0.5)
            for _ in range(16):
                if not sock.recv(65_536):
                    break
        except OSError:  # it has gone, or is silent: both are its end
            pass
    sock.close()
    return 1


def _shown(text: str) -> str:
    """Words of the other end, fit for a log (S98)."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:200])
