"""What peers are told: one table from error code to text, and the texts that belong to no error.

Clients of this protocol write a text to their log and stop there; none may hold the delimiter or a word of the protocol.
"""

from types import MappingProxyType
from typing import Final

from homestow.wire.picloud import Reason

STORED: Final = "The file is stored."
"""After `FileReceived`: clients of 2015 go on reading until a text comes."""
GIVEN: Final = "The file is sent."
"""After the `FileReceived` of a peer that was given a file: it reads on as well."""
DROPPED: Final = "Nothing is kept of a certificate."
ENCRYPTED: Final = "This server speaks the first protocol of PiCloud, without encryption of its own. Use a client of November 2015, or TLS."
TOO_PLAIN: Final = (
    "Passwords and files would cross the network readable. Connect from the server itself or over TLS, "
    "or ask the owner to allow plain connections."
)
TOO_SLOW: Final = "The message did not come to its end in time. Nothing of it is kept, send it again."
TOO_MANY: Final = "Too many connections of yours are open. Close some."
TOO_LONG: Final = "The file is too long for a message of this protocol. Get it another way."

_FAILED: Final = "The server could not do it. Its owner finds the reason in its log."

TEXTS: Final = MappingProxyType(
    {
        "bad-request": "This cannot be done.",
        "bad-name": (
            "This cannot be the name of a file here. Take one of at most 255 bytes, without a slash at its front and "
            "without two dots."
        ),
        "weak-password": "A password has 10 to 1024 characters.",
        "login-needed": "Log in first. Send a file that is named as you, with the extension id and your password in it.",
        "login-failed": "Unknown user or wrong password.",
        "too-many-tries": "Too many tries. Wait and try again later.",
        "forbidden": "You may not do this here. Ask the owner of the server.",
        "signup-closed": "This server takes no new accounts. Ask its owner for one.",
        "not-found": "Nothing is there.",
        "name-taken": "This name is taken.",
        "path-taken": "A folder is needed where a file stands, or the other way round. Take another name.",
        "wrong-kind": "This is no file.",
        "would-cycle": "This cannot be done.",
        "stale": "It changed meanwhile. Send it again.",
        "wrong-offset": "This cannot be done.",
        "incomplete": "Bytes are missing. Send it again.",
        "digest-mismatch": "The bytes that arrived are not the declared ones. Send it again.",
        "upload-gone": "This was dropped. Send it again.",
        "too-large": TOO_LONG,
        "key-reused": "This cannot be done.",
        "roots-overlap": "This cannot be done.",
        "media-broken": "This cannot be shown.",
        "quota-exceeded": "Your room on this server is used up. Emptying the trash and removing old versions makes room.",
        "storage-full": "The disk of the server is full.",
        "storage-failed": "The disk of the server failed. Its owner finds the reason in its log.",
        "content-missing": "The server knows this file, but its disk does not give it.",
        "busy": "The server has too much to do. Try again in a few seconds.",
        "cursor-gone": "This cannot be done.",
        "newer-store": _FAILED,
        "store-locked": _FAILED,
        "bad-settings": _FAILED,
        "unreachable": _FAILED,
        "not-homestow": _FAILED,
        "internal": _FAILED,
        "error": _FAILED,
    }
)
"""Text by code, complete over `values.errors`."""

REASONS: Final = MappingProxyType(
    {
        Reason.TOO_LONG: TOO_LONG,
        Reason.NAME_TOO_LONG: "No name was found at the end of the message, or it is too long.",
        Reason.NO_NAME: "The file has no name.",
        Reason.BAD_TEXT: "A name is text in UTF-8.",
    }
)
"""Text by what is wrong with a payload, complete over `Reason`."""


def text_of(code: str) -> str:
    """What is told of an error."""
    return TEXTS.get(code, _FAILED)
