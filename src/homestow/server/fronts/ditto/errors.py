"""The Ditto services' one table from error code to gRPC status, and what goes with a status."""

from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from homestow.server.service.ditto_auth import TooManyUsers
from homestow.values.errors import CloudError

_Code = grpc.StatusCode
DOMAIN: Final = "homestow"
DETAILS: Final = "grpc-status-details-bin"

CODES: Final = MappingProxyType(
    {
        "bad-request": _Code.INVALID_ARGUMENT,
        "bad-name": _Code.INVALID_ARGUMENT,
        "weak-password": _Code.INVALID_ARGUMENT,
        "login-needed": _Code.UNAUTHENTICATED,
        "login-failed": _Code.UNAUTHENTICATED,
        "too-many-tries": _Code.RESOURCE_EXHAUSTED,
        "forbidden": _Code.PERMISSION_DENIED,
        "signup-closed": _Code.PERMISSION_DENIED,
        "not-found": _Code.NOT_FOUND,
        "name-taken": _Code.ALREADY_EXISTS,
        "path-taken": _Code.ALREADY_EXISTS,
        "wrong-kind": _Code.FAILED_PRECONDITION,
        "would-cycle": _Code.FAILED_PRECONDITION,
        "stale": _Code.FAILED_PRECONDITION,
        "wrong-offset": _Code.OUT_OF_RANGE,
        "incomplete": _Code.FAILED_PRECONDITION,
        "digest-mismatch": _Code.INVALID_ARGUMENT,
        "upload-gone": _Code.NOT_FOUND,
        "too-large": _Code.INVALID_ARGUMENT,
        "key-reused": _Code.FAILED_PRECONDITION,
        "roots-overlap": _Code.FAILED_PRECONDITION,
        "media-broken": _Code.FAILED_PRECONDITION,
        "content-missing": _Code.DATA_LOSS,
        "cursor-gone": _Code.OUT_OF_RANGE,
        "quota-exceeded": _Code.RESOURCE_EXHAUSTED,
        "storage-full": _Code.RESOURCE_EXHAUSTED,
        "storage-failed": _Code.UNAVAILABLE,
        "internal": _Code.INTERNAL,
        "newer-store": _Code.FAILED_PRECONDITION,
        "bad-settings": _Code.FAILED_PRECONDITION,
        "not-homestow": _Code.UNAVAILABLE,
        "busy": _Code.UNAVAILABLE,
        "store-locked": _Code.UNAVAILABLE,
        "unreachable": _Code.UNAVAILABLE,
    }
)
"""Status by code, complete over `values.errors`."""


def status_of(error: CloudError) -> grpc.StatusCode:
    """The status of an answer."""
    if isinstance(error, TooManyUsers):
        return _Code.RESOURCE_EXHAUSTED
    return CODES.get(error.code, _Code.INTERNAL)


def details_of(error: CloudError) -> tuple[tuple[str, bytes], ...]:
    """Metadata that a program reads: which error it is, and when to try again."""
    status = status_of(error)
    told = [ErrorInfo(reason=error.code.upper().replace("-", "_"), domain=DOMAIN)]
    packed = [_packed(each) for each in told]
    retry = error.facts.get("retry_after_s")
    if isinstance(retry, int):
        packed.append(_packed(RetryInfo(retry_delay=Duration(seconds=retry))))
    return ((DETAILS, Status(code=status.value[0], message=error.message, details=packed).SerializeToString()),)


def _packed(message: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
