"""Hashes of passwords as `.pi_users` keeps them: one line of text each, salted, slow to guess, from the standard library."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading

COST_LOG2 = 15
"""scrypt's cost: 2^15 rounds over blocks of 1 KiB take 32 MiB and some 80 ms on a small computer (S46)."""

_PREFIX = f"$scrypt$ln={COST_LOG2},r=8,p=1$"
_OLD_PREFIX = "$6$"
_OLD_ROUNDS = 5000
_OLD_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

MOST_PASSWORD_BYTES = 1024

_at_once = threading.Semaphore(2)
"""So many hashes at the same time: strangers can ask for one per connection (S47)."""


def hashed(password: str, salt: str | bytes | None = None) -> str:
    """A line for `.pi_users`, without name and newline.

    Args:
        password: at most 1,024 bytes; bytes that were no UTF-8 may be in it as lone surrogates.
        salt: None takes a new one; bytes are taken as the salt; a stored hash gives its salt and its form, as with
            crypt(3), so that hashing the right password with the stored hash gives the stored hash again.
    Raises:
        ValueError: the password is longer, or the text is no stored hash.
    """
    plain = password.encode("utf-8", "surrogateescape")
    if len(plain) > MOST_PASSWORD_BYTES:
        raise ValueError(f"A password has at most {MOST_PASSWORD_BYTES} bytes.")
    with _at_once:
        if salt is None:
            return _scrypt(plain, secrets.token_bytes(16))
        if isinstance(salt, bytes):
            return _scrypt(plain, salt)
        if salt.startswith(_OLD_PREFIX):
            return _sha512_crypt(plain, salt[len(_OLD_PREFIX) :].partition("$")[0].encode())
        return _scrypt(plain, _salt_of(salt))


def matches(password: str, stored: str) -> bool:
    """Whether `stored` was made of this password; a line that nobody can read matches nothing. Compared in constant time."""
    try:
        made = hashed(password, stored)
    except ValueError:
        return False
    return hmac.compare_digest(made.encode(), stored.encode())


def is_old(stored: str) -> bool:
    """Whether it is a hash of the first PiCloud (`$6$`), quick to guess by today's measure: replaced at the next login."""
    return stored.startswith(_OLD_PREFIX)


def _scrypt(plain: bytes, salt: bytes) -> str:
    made = hashlib.scrypt(plain, salt=salt, n=1 << COST_LOG2, r=8, p=1, maxmem=1 << 26, dklen=32)
    return f"{_PREFIX}{base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def _salt_of(stored: str) -> bytes:
    if not stored.startswith(_PREFIX):
        raise ValueError("This is no hash of a password.")
    try:
        return base64.b64decode(stored[len(_PREFIX) :].partition("$")[0], validate=True)
    except binascii.Error as error:
        raise ValueError("This is no hash of a password.") from error


def _sha512_crypt(plain: bytes, salt: bytes) -> str:
    """What crypt(3) makes of it in the form `$6$` with its usual 5,000 rounds; the module `crypt` has left Python.

    Source: U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6; its steps are named below.
    """
    salt = salt[:16]
    size = len(plain)
    other = hashlib.sha512(plain + salt + plain).digest()  # steps 4 to 8
    first = hashlib.sha512(plain + salt + _repeated(other, size))
    bits = size
    while bits:  # step 11
        first.update(other if bits & 1 else plain)
        bits >>= 1
    state = first.digest()
    p = _repeated(hashlib.sha512(plain * size).digest(), size)  # steps 13 to 16
    s = _repeated(hashlib.sha512(salt * (16 + state[0])).digest(), len(salt))  # steps 17 to 20
    for number in range(_OLD_ROUNDS):  # step 21
        odd = number & 1
        state = hashlib.sha512(
            (p if odd else state) + (s if number % 3 else b"") + (p if number % 7 else b"") + (state if odd else p)
        ).digest()
    return f"{_OLD_PREFIX}{salt.decode()}${_old_text(state)}"


def _repeated(digest: bytes, size: int) -> bytes:
    return (digest * (size // len(digest) + 1))[:size]


def _old_text(digest: bytes) -> str:
    """Step 22: three bytes become four characters, in an order of their own; the last byte becomes two."""
    out = []
    a, b, c = 0, 21, 42
    for _ in range(21):
        value = digest[a] << 16 | digest[b] << 8 | digest[c]
        out += [_OLD_ALPHABET[value >> shift & 63] for shift in (0, 6, 12, 18)]
        a, b, c = b + 1, c + 1, a + 1
    out += [_OLD_ALPHABET[digest[63] >> shift & 63] for shift in (0, 6)]
    return "".join(out)
