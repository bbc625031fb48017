"""The isync calls' one table from error code to theirs and to the HTTP status.

A call may have codes of its own where the order's server had them (`Desk.guarded`). What a caller did is told with 200, as
clients of these calls expect it; what the server cannot do with a status that says so.
"""

from types import MappingProxyType
from typing import Final

from homestow.wire.isync import Code

CODES: Final = MappingProxyType(
    {
        "bad-request": (Code.BAD_PARAMETER, 200),
        "bad-name": (Code.BAD_PARAMETER, 200),
        "weak-password": (Code.BAD_PARAMETER, 200),
        "login-needed": (Code.LOGIN_NEEDED, 200),
        "login-failed": (Code.WRONG_LOGIN, 200),
        "too-many-tries": (Code.WRONG_LOGIN, 200),
        "forbidden": (Code.NO_RIGHT, 200),
        "signup-closed": (Code.NO_RIGHT, 200),
        "not-found": (Code.NOT_FOUND, 200),
        "name-taken": (Code.BAD_PARAMETER, 200),
        "path-taken": (Code.BAD_PARAMETER, 200),
        "wrong-kind": (Code.NOT_FOUND, 200),
        "would-cycle": (Code.NOTHING_CHANGED, 200),
        "stale": (Code.NOTHING_CHANGED, 200),
        "wrong-offset": (Code.BAD_PARAMETER, 200),
        "incomplete": (Code.BAD_PARAMETER, 200),
        "digest-mismatch": (Code.BAD_PARAMETER, 200),
        "upload-gone": (Code.BAD_PARAMETER, 200),
        "too-large": (Code.BAD_PARAMETER, 200),
        "key-reused": (Code.BAD_PARAMETER, 200),
        "roots-overlap": (Code.BAD_PARAMETER, 200),
        "media-broken": (Code.NO_THUMBNAIL, 404),
        "content-missing": (Code.FILE_REMOVED, 200),
        "cursor-gone": (Code.SERVER_FAILED, 200),
        "quota-exceeded": (Code.NOT_RECORDED, 507),
        "storage-full": (Code.NOT_RECORDED, 507),
        "storage-failed": (Code.NOT_RECORDED, 500),
        "internal": (Code.SERVER_FAILED, 500),
        "newer-store": (Code.SERVER_FAILED, 500),
        "bad-settings": (Code.SERVER_FAILED, 500),
        "not-homestow": (Code.SERVER_FAILED, 502),
        "busy": (Code.SERVER_FAILED, 503),
        "store-locked": (Code.SERVER_FAILED, 503),
        "unreachable": (Code.SERVER_FAILED, 504),
    }
)
"""Code and status by code, complete over `values.errors`."""


def code_of(code: str) -> Code:
    """The code of an answer."""
    return CODES[code][0] if code in CODES else Code.SERVER_FAILED


def status_of(code: str) -> int:
    """The HTTP status of an answer."""
    return CODES[code][1] if code in CODES else 500
