"""HTTP Digest as the shipped service speaks it: MD5, one user whose name and password are new at each start.

Source: RFC 7616 with algorithm MD5 (the only one that the old windows know); the answer without `qop` of RFC 2069 is taken too.
"""

import hashlib
import hmac
import re
import secrets
import string
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

REALM: Final = "PydioSyncAuthRealm"
NONCE_LIFE_S: Final = 1800.0
MOST_NONCES: Final = 256
WINDOW: Final = 256
"""Counts that came may be so far behind the highest: a browser asks on several connections at once."""

_ALPHABET: Final = string.ascii_letters + string.digits
_PART: Final = re.compile(r'\s*([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)', re.IGNORECASE)


class Credentials(NamedTuple):
    """One name and password."""

    user: str
    password: str

    @classmethod
    def new(cls) -> "Credentials":
        """16 random letters and digits each."""
        return cls(*("".join(secrets.choice(_ALPHABET) for _ in range(16)) for _ in range(2)))


class Verdict(NamedTuple):
    """Was it right? `stale`: all but the nonce was, so that a new one is enough."""

    right: bool
    stale: bool = False


WRONG: Final = Verdict(False)


class DigestLogin:
    """Makes nonces and judges answers to them. Thread-safe."""

    def __init__(self, credentials: Credentials, monotonic: Callable[[], float]) -> None:
        self.credentials = credentials
        self._monotonic = monotonic
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, set[int]] = OrderedDict()

    def challenge(self, stale: bool = False) -> str:
        """A value of WWW-Authenticate."""
        begun = f"{int(self._monotonic() * 1000):x}.{secrets.token_hex(8)}"
        words = f'Digest realm="{REALM}", nonce="{begun}.{self._sign(begun)}", algorithm=MD5, qop="auth"'
        return words + ", stale=true" if stale else words

    def judge(self, method: str, target: str, authorization: str) -> Verdict:
        """Judge a value of Authorization for a request."""
        said = parse(authorization)
        if said is None or said.get("username") != self.credentials.user or said.get("realm") != REALM:
            return WRONG
        if said.get("uri") != target or said.get("algorithm", "MD5").upper() != "MD5":
            return WRONG
        nonce, qop = said.get("nonce", ""), said.get("qop", "")
        middle = f"{nonce}:{said.get('nc', '')}:{said.get('cnonce', '')}:{qop}" if qop else nonce
        secret = _md5(f"{self.credentials.user}:{REALM}:{self.credentials.password}")
        expected = _md5(f"{secret}:{middle}:{_md5(f'{method}:{target}')}")
        if qop not in ("", "auth") or not hmac.compare_digest(
            expected.encode(), said.get("response", "").lower().encode()
        ):
            return WRONG
        fresh = self._is_ours(nonce) and (not qop or self._counts_up(nonce, said.get("nc", "")))
        return Verdict(fresh, stale=not fresh)

    def _sign(self, begun: str) -> str:
        return hmac.new(self._secret, begun.encode(), "sha256").hexdigest()[:32]

    def _is_ours(self, nonce: str) -> bool:
        begun, _, signature = nonce.rpartition(".")
        if not hmac.compare_digest(self._sign(begun).encode(), signature.encode()):
            return False
        return self._monotonic() - int(begun.partition(".")[0], 16) / 1000 <= NONCE_LIFE_S

    def _counts_up(self, nonce: str, count_text: str) -> bool:
        """Is this count of requests one that did not come before? A recorded request opens nothing a second time."""
        if not re.fullmatch(r"[0-9a-fA-F]{8}", count_text):
            return False
        count = int(count_text, 16)
        with self._lock:
            seen = self._counts.setdefault(nonce, set())
            self._counts.move_to_end(nonce)
            while len(self._counts) > MOST_NONCES:
                self._counts.popitem(last=False)
            highest = max(seen, default=0)
            if count in seen or count <= highest - WINDOW:
                return False
            seen.add(count)
            if len(seen) > 2 * WINDOW:
                self._counts[nonce] = {kept for kept in seen if kept > max(seen) - WINDOW}
            return True


def parse(authorization: str) -> dict[str, str] | None:
    """The parts of a value of Authorization of the scheme Digest, names in small letters; None when it is none."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found: dict[str, str] = {}
    place = 0
    while place < len(rest):
        part = _PART.match(rest, place)
        if part is None or part[1].lower() in found:
            return None
        found[part[1].lower()] = re.sub(r"\\(.)", r"\1", part[2]) if part[2] is not None else part[3]
        place = part.end()
    return found


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
