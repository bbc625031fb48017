"""Access tokens of the Ditto services: JSON web tokens with the printed claims, signed by a key of the server (S48).

The key file holds one key in a line, `id secret` (64 hexadecimal digits), the newest last: that one signs, all verify. A token
is only a reference: its `jti` names a login, which is looked up at every call.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import jwt

from homestow.values.errors import LoginNeeded, StorageFailed

ALGORITHM: Final = "HS256"
MOST_BYTES: Final = 4096
_KEPT: Final = 3
_LINE: Final = re.compile(r"([0-9a-f]{8}) ([0-9a-f]{64})")
_CLAIMS: Final = {"iss": str, "exp": int, "sub": str, "client": str, "jti": str}
_REFUSED: Final = "This login has ended, or never was; log in again."


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key and its name, the token's `kid`."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: who gave it, until when (seconds since 1970), which user, which client, which login."""

    iss: str
    exp: int
    sub: str
    client: str
    jti: str


def new_key() -> Key:
    """A key of 256 random bits."""
    return Key(secrets.token_hex(4), secrets.token_bytes(32))


def rotated(keys: Sequence[Key]) -> list[Key]:
    """The keys with a new one that signs from now on; the ones before verify for a while."""
    return [*keys[-(_KEPT - 1) :], new_key()]


def write_keys(keys: Sequence[Key]) -> str:
    """The text of a key file."""
    return "".join(f"{key.id} {key.secret.hex()}\n" for key in keys)


def read_keys(text: str) -> list[Key]:
    """The keys of a key file.

    Raises:
        StorageFailed: it is none.
    """
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    keys = [Key(line[1], bytes.fromhex(line[2])) for line in found if line is not None]
    if not keys or len(keys) != len(found):
        raise StorageFailed("ditto.keys is damaged; remove it, and everybody logs in again.")
    return keys


def sign(claims: Claims, keys: Sequence[Key]) -> str:
    """The token."""
    key = keys[-1]
    return jwt.encode({name: getattr(claims, name) for name in _CLAIMS}, key.secret, ALGORITHM, {"kid": key.id})


def read(token: str, keys: Sequence[Key], issuer: str, now_s: float) -> Claims:
    """What a token of ours says.

    Raises:
        LoginNeeded: it is none, is forged, or its time is over; always with the same words.
    """
    try:
        if len(token) > MOST_BYTES:
            raise LoginNeeded(_REFUSED)
        kid = jwt.get_unverified_header(token).get("kid")
        key = next((key for key in keys if isinstance(kid, str) and hmac.compare_digest(key.id, kid)), None)
        if key is None:
            raise LoginNeeded(_REFUSED)
        # The time is compared here, with the server's clock.
        options: jwt.types.Options = {
            "verify_exp": False,
            "verify_sub": False,
            "verify_jti": False,
            "verify_iat": False,
        }
        said = jwt.decode(token, key.secret, [ALGORITHM], options=options)
    except (jwt.InvalidTokenError, UnicodeError, TypeError) as error:
        raise LoginNeeded(_REFUSED) from error
    if any(type(said.get(name)) is not kind for name, kind in _CLAIMS.items()):
        raise LoginNeeded(_REFUSED)
    claims = Claims(**{name: said[name] for name in _CLAIMS})
    if claims.iss != issuer or claims.exp <= now_s:
        raise LoginNeeded(_REFUSED)
    return claims
