"""The native API's one table from error code to HTTP status (RFC 9110; 507 from RFC 4918, 428/429 from RFC 6585)."""

from types import MappingProxyType
from typing import Final

STATUS: Final = MappingProxyType(
    {
        "bad-request": 400,
        "bad-name": 400,
        "weak-password": 400,
        "login-needed": 401,
        "login-failed": 401,
        "forbidden": 403,
        "signup-closed": 403,
        "not-found": 404,
        "name-taken": 409,
        "path-taken": 409,
        "wrong-kind": 409,
        "would-cycle": 409,
        "wrong-offset": 409,
        "incomplete": 409,
        "roots-overlap": 409,
        "upload-gone": 410,
        "cursor-gone": 410,
        "stale": 412,
        "too-large": 413,
        "digest-mismatch": 422,
        "media-broken": 422,
        "key-reused": 422,
        "bad-settings": 422,
        "too-many-tries": 429,
        "internal": 500,
        "content-missing": 500,
        "storage-failed": 500,
        "newer-store": 500,
        "not-homestow": 502,
        "busy": 503,
        "store-locked": 503,
        "unreachable": 504,
        "quota-exceeded": 507,
        "storage-full": 507,
    }
)
"""Status by code, complete over `values.errors`. The codes that only a client meets are here for its own local API."""


def status_of(code: str) -> int:
    """HTTP status of an error's public code; 500 for one this table does not know."""
    return STATUS.get(code, 500)
