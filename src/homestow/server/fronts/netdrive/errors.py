"""The netdrive protocol's one table from error code to its number and to what the peer is told.

Texts of the final dialect are its own, word for word. Where none is given, the error's own message is told: it says what to do and
names nothing but what the caller named (S34).
"""

from types import MappingProxyType
from typing import Final

from homestow.values.errors import CloudError
from homestow.wire.netdrive import Error, Say

_SERVER: Final = "the server cannot do this now, try again later"
_NOTHING: Final = "there is no such file, folder or upload"

CODES: Final = MappingProxyType(
    {
        "login-needed": (Error.NO_SESSION, Say.NO_SESSION.value),
        "login-failed": (Error.FAILED, Say.WRONG_PASSWORD.value),
        "name-taken": (Error.FAILED, Say.NAME_REGISTERED.value),
        "too-many-tries": (Error.FAILED, None),
        "signup-closed": (Error.FAILED, None),
        "weak-password": (Error.FAILED, None),
        "bad-request": (Error.FAILED, None),
        "bad-name": (Error.FAILED, None),
        "forbidden": (Error.FAILED, None),
        "not-found": (Error.FAILED, _NOTHING),
        "path-taken": (Error.FAILED, "something else is in this place"),
        "wrong-kind": (Error.FAILED, "there is a folder where a file should be, or the other way round"),
        "would-cycle": (Error.FAILED, "a folder cannot go into itself"),
        "stale": (Error.FAILED, "it was changed meanwhile, try again"),
        "wrong-offset": (Error.FAILED, None),
        "incomplete": (Error.FAILED, None),
        "digest-mismatch": (Error.FAILED, "what came does not have the announced md5, send the file again"),
        "upload-gone": (Error.FAILED, _NOTHING),
        "too-large": (Error.FAILED, None),
        "quota-exceeded": (Error.FAILED, None),
        "storage-full": (Error.FAILED, Say.NO_SPACE.value),
        "content-missing": (Error.FAILED, "the server's disk does not have this content"),
        "busy": (Error.FAILED, None),
        "media-broken": (Error.FAILED, _SERVER),
        "key-reused": (Error.FAILED, _SERVER),
        "roots-overlap": (Error.FAILED, _SERVER),
        "cursor-gone": (Error.FAILED, _SERVER),
        "storage-failed": (Error.FAILED, _SERVER),
        "internal": (Error.FAILED, _SERVER),
        "newer-store": (Error.FAILED, _SERVER),
        "store-locked": (Error.FAILED, _SERVER),
        "bad-settings": (Error.FAILED, _SERVER),
        "not-homestow": (Error.FAILED, _SERVER),
        "unreachable": (Error.FAILED, _SERVER),
    }
)
"""Number and text by code, complete over `values.errors`."""

_UNKNOWN: Final = (Error.FAILED, _SERVER)


def number_of(error: CloudError) -> Error:
    """The number of an answer."""
    return CODES.get(error.code, _UNKNOWN)[0]


def text_of(error: CloudError) -> str:
    """What the peer is told."""
    return CODES.get(error.code, _UNKNOWN)[1] or error.message


def is_ours(error: CloudError) -> bool:
    """Whether it is trouble of the server, which belongs into its log."""
    return CODES.get(error.code, _UNKNOWN)[1] == _SERVER
