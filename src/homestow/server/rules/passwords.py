"""What a user may be called and how long a password is. Pure; the hashing itself is in `service.accounts`."""

import unicodedata

from homestow.values.errors import BadName, WeakPassword
from homestow.values.paths import nfc

MIN_PASSWORD = 10
MAX_PASSWORD = 1024
MAX_USER_NAME = 64
MAX_DEVICE_NAME = 64

ARGON_TIME = 2
ARGON_MEMORY_KIB = 19 * 1024
ARGON_LANES = 1
"""Argon2id at or above 19 MiB and two passes (S46); a hash with less is made anew at the next login."""

MAX_HASHES = 4
MAX_HASHES_WAITING = 50
"""How many passwords are hashed at once, and how many logins may wait for that (S47)."""

_EXTRA = frozenset("._@- ")
_USER_RULE = "A user name has 1 to 64 letters or digits, and between them . _ @ - and single spaces."


def check_user_name(name: str) -> str:
    """A user name in NFC.

    Letters, digits and the marks that belong to letters, of any script, and `._@-` and inner spaces (S06). The name begins
    and ends with a letter, digit or mark, so that it is neither hidden nor an option nor a path on any disk.

    Raises:
        BadName: anything else, with the rule in the message.
    """
    name = nfc(name)
    fits = 1 <= len(name) <= MAX_USER_NAME and all(_is_word(letter) or letter in _EXTRA for letter in name)
    if not fits or not _is_word(name[0]) or not _is_word(name[-1]) or "  " in name or ".." in name:
        raise BadName(f"{name[:MAX_USER_NAME]!r} cannot be a user name. {_USER_RULE}")
    return name


def name_key(name: str) -> str:
    """Under which two spellings are one name: "Anna" and "anna" are the same person, composed or not."""
    return nfc(nfc(name).casefold())


def check_password(password: str) -> str:
    """The password, unchanged.

    Raises:
        WeakPassword: not 10 to 1,024 characters (S46), or not valid text.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise WeakPassword(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD:,} characters.")
    if not encodable(password):
        raise WeakPassword("A password is valid Unicode text.")
    return password


def encodable(text: str) -> bool:
    """Whether the text has a UTF-8 form (no lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def device_name(name: str) -> str:
    """A device's name fit to be shown: control characters dropped, at most 64 characters, never empty."""
    shown = "".join(letter for letter in nfc(name) if letter.isprintable()).strip()[:MAX_DEVICE_NAME].strip()
    return shown or "device"


def _is_word(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNM"
