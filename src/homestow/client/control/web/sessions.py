"""Who may steer from a browser: sessions that were opened with a key handed over outside of the web.

A session has two secrets. The cookie is kept from the page's scripts; but cookies know no ports, so a server that another user runs
on this computer may be sent it. The token is kept by our page alone (its storage belongs to one origin, port included) and sent in
a header. One without the other opens nothing.
"""

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

KEY_LIFE_S = 600.0
MOST = 64
"""Sessions, and keys, at once; the oldest goes."""


class Session(NamedTuple):
    """The two secrets of one browser, 256 bit each."""

    cookie: str
    token: str


class Sessions:
    """Thread-safe; all of it ends with the service."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: OrderedDict[str, float] = OrderedDict()
        self._used: OrderedDict[str, Session] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def invite(self) -> str:
        """A key that opens one session within ten minutes."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._keys[key] = self._monotonic() + KEY_LIFE_S
            _cut(self._keys)
        return key

    def open_with(self, key: str) -> Session | None:
        """The session that a key opens, once.

        A key that comes again was seen by two; which of both is the thief cannot be known, so the session ends (an address lies
        open for a moment in the list of processes of the computer).
        """
        with self._lock:
            ends = self._keys.pop(key, None)
            if ends is None:
                if (stolen := self._used.pop(key, None)) is not None:
                    self._sessions.pop(stolen.cookie, None)
                return None
            if self._monotonic() > ends:
                return None
            session = self._make()
            self._used[key] = session
            _cut(self._used)
            return session

    def open(self) -> Session:
        """A session for one who proved another way who they are."""
        with self._lock:
            return self._make()

    def close(self, cookie: str) -> None:
        """End a session; nothing when there is none."""
        with self._lock:
            self._sessions.pop(cookie, None)

    def knows(self, cookie: str, token: str) -> bool:
        """Do both belong to one session?"""
        with self._lock:
            session = self._sessions.get(cookie)
        return session is not None and hmac.compare_digest(session.token.encode(), token.encode())

    def _make(self) -> Session:
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._sessions[session.cookie] = session
        _cut(self._sessions)
        return session


def _cut(kept: OrderedDict[str, float] | OrderedDict[str, Session]) -> None:
    while len(kept) > MOST:
        kept.popitem(last=False)
