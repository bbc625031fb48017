"""What this process remembers of its connections: who logged in on which, what was last sent, who tries too often.

All of it lives in memory and ends with the process; what must outlast it is in `.pi_users` and in the folders.
"""

import enum
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

LOGIN_S = 900.0
"""So long, from its last use, a login counts for other connections of its address: old clients make one per message."""
MOST_ADDRESSES = 10_000
MOST_TRIES = 10
TRIES_S = 900.0

Clock = Callable[[], float]


class Sent(enum.Enum):
    """What this end last sent on a connection, by what the other end owes for it."""

    OTHER = enum.auto()
    FILE = enum.auto()
    """`FileReceived`; then old servers say nothing more."""
    ACCOUNT = enum.auto()
    """`FileReceived` and the outcome, perhaps a question between."""
    REQUEST = enum.auto()
    """The file, or `FileError`."""


@dataclass(slots=True)
class Talk:
    """One connection between two calls of `evaluate`."""

    served: bool = False
    """Accepted by a `ServerSocket`: the other end is a stranger."""
    peer: str = ""
    """Address of the other end without its port; "" where there is none."""
    user: str | None = None
    """Who logged in on this very connection."""
    sent: Sent = Sent.OTHER
    asked: str | None = None
    """The file that this end asked for, as `name.ext`."""
    settled: bool = False
    """What was owed has come; more may come, but nobody has to wait long for it."""
    gave: bool = False
    """The peer was sent a file that it had asked for, and has not yet said that it came."""


class Talks:
    """The connections that are remembered, each as long as its socket lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[socket.socket, Talk] = WeakKeyDictionary()

    def of(self, sock: socket.socket | None) -> Talk:
        """What is known of a connection; kept from the first question on."""
        if sock is None:
            return Talk()
        with self._lock:
            talk = self._known.get(sock)
            if talk is None:
                talk = self._known[sock] = Talk(peer=_address(sock))
            return talk


class Logins:
    """Who last logged in from an address, for `LOGIN_S` from the last use."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def enter(self, address: str, user: str) -> None:
        """`user` has shown the password; who did so before from this address counts no more."""
        with self._lock:
            self._by_address[address] = (user, self._clock() + LOGIN_S)
            self._by_address.move_to_end(address)
            while len(self._by_address) > MOST_ADDRESSES:
                self._by_address.popitem(last=False)

    def user_at(self, address: str) -> str | None:
        """Who it is, and from now on for another `LOGIN_S`."""
        with self._lock:
            user, until = self._by_address.get(address, ("", 0.0))
            if not user or self._clock() >= until:
                self._by_address.pop(address, None)
                return None
            self._by_address[address] = (user, self._clock() + LOGIN_S)
            self._by_address.move_to_end(address)
            return user

    def forget(self) -> None:
        """Everybody has to log in again."""
        with self._lock:
            self._by_address.clear()


class Tries:
    """Counts wrong passwords and registrations per address: 10 in 15 minutes, then no (S43)."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Count one try before it is made; False when there were too many."""
        with self._lock:
            count, until = self._counted.get(address, (0, 0.0))
            now = self._clock()
            if now >= until:
                count, until = 0, now + TRIES_S
            self._counted[address] = (count + 1, until)
            self._counted.move_to_end(address)
            while len(self._counted) > MOST_ADDRESSES:
                self._counted.popitem(last=False)
            return count < MOST_TRIES

    def forgive(self, address: str) -> None:
        """The try was right: it does not count."""
        with self._lock:
            count, until = self._counted.get(address, (0, 0.0))
            if count:
                self._counted[address] = (count - 1, until)

    def forget(self) -> None:
        """Nothing was tried."""
        with self._lock:
            self._counted.clear()


def _address(sock: socket.socket) -> str:
    try:
        name = sock.getpeername()
    except OSError:
        return ""
    return str(name[0]).removeprefix("::ffff:") if isinstance(name, tuple) else ""


talks = Talks()
logins = Logins()
tries = Tries()
