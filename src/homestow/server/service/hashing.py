"""Passwords to Argon2id strings and back to yes or no, few at a time (S46, S47)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from homestow.server.rules.passwords import (
    ARGON_LANES,
    ARGON_MEMORY_KIB,
    ARGON_TIME,
    MAX_HASHES,
    MAX_HASHES_WAITING,
    MAX_PASSWORD,
    encodable,
)
from homestow.values.errors import Busy


class Hashing:
    """Argon2id behind a gate: four hashes at once, fifty callers waiting, the next is told to come back.

    Tests pass a smaller `memory_kib`; a server uses the defaults.
    """

    def __init__(self, time: int = ARGON_TIME, memory_kib: int = ARGON_MEMORY_KIB, lanes: int = ARGON_LANES) -> None:
        self._argon = PasswordHasher(time_cost=time, memory_cost=memory_kib, parallelism=lanes, type=Type.ID)
        self._slots = threading.Semaphore(MAX_HASHES)
        self._lock = threading.Lock()
        self.inside = 0
        """How many callers hash or wait now."""
        self._nobody = self._argon.hash("nobody has this password")

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One of the places in which passwords are hashed; held from before a try is counted until it is judged.

        Raises:
            Busy: four hash and fifty wait.
        """
        with self._lock:
            if self.inside >= MAX_HASHES + MAX_HASHES_WAITING:
                raise Busy("Too many logins at once; try again in a few seconds.", retry_after_s=5)
            self.inside += 1
        try:
            with self._slots:
                yield
        finally:
            with self._lock:
                self.inside -= 1

    def make(self, password: str) -> str:
        """The Argon2id string of a new password."""
        return self._argon.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one; None (no such account) and "" (none is set) take as long and are never right (S45)."""
        usable = len(password) <= MAX_PASSWORD and encodable(password)
        try:
            self._argon.verify(stored or self._nobody, password if usable else "")
        except (VerificationError, InvalidHashError):
            return False
        return usable and bool(stored)

    def is_weak(self, stored: str) -> bool:
        """Whether the string was made with less than today's settings and shall be made anew."""
        return self._argon.check_needs_rehash(stored)
