"""What a Ditto server or the way to it says when a call fails, as the errors of this program."""

from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from homestow.values.errors import (
    BadRequest,
    Busy,
    CloudError,
    ContentMissing,
    Fact,
    Forbidden,
    LoginNeeded,
    NotFound,
    NotHomestow,
    PathTaken,
    ServerError,
    Stale,
    Unreachable,
    all_errors,
)

DETAILS: Final = "grpc-status-details-bin"
_Code = grpc.StatusCode

_BY_STATUS: Final = MappingProxyType(
    {
        _Code.INVALID_ARGUMENT: BadRequest,
        _Code.OUT_OF_RANGE: BadRequest,
        _Code.UNAUTHENTICATED: LoginNeeded,
        _Code.PERMISSION_DENIED: Forbidden,
        _Code.NOT_FOUND: NotFound,
        _Code.ALREADY_EXISTS: PathTaken,
        _Code.FAILED_PRECONDITION: Stale,
        _Code.ABORTED: Stale,
        _Code.RESOURCE_EXHAUSTED: Busy,
        _Code.DATA_LOSS: ContentMissing,
        _Code.UNAVAILABLE: Unreachable,
        _Code.DEADLINE_EXCEEDED: Unreachable,
        _Code.CANCELLED: Unreachable,
        _Code.UNIMPLEMENTED: NotHomestow,
    }
)
"""What a status means where the server does not say more; anything else is a mistake of the server."""


def error_of(error: grpc.RpcError) -> CloudError:
    """The error that a failed call means: the reason that the server gives, else what its status says.

    Fact `retry_after_s`: whole seconds, where the server says when to try again.
    """
    call, status = _call_of(error), status_of(error)
    said = (None if call is None else call.details()) or str(status.name)
    reason, wait_s = _details(error)
    kind = {each.code: each for each in all_errors()}.get(reason.lower().replace("_", "-"))
    if kind is None:
        kind = _BY_STATUS.get(status, ServerError)
    if kind is Unreachable:
        said = f"The Ditto server does not answer ({said})."
    elif kind is NotHomestow:
        said = f"What answers there is no Ditto server ({said})."
    facts: dict[str, Fact] = {} if wait_s is None else {"retry_after_s": wait_s}
    return kind(said, **facts)


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    """The status of a failed call."""
    call = _call_of(error)
    return _Code.UNKNOWN if call is None else call.code()


def _call_of(error: object) -> grpc.Call | None:
    """The call that failed, which tells more."""
    return error if isinstance(error, grpc.Call) else None


def _details(error: grpc.RpcError) -> tuple[str, int | None]:
    """The reason in the status details, "" for none, and the seconds to wait."""
    reason, wait_s = "", None
    call = _call_of(error)
    for key, value in (None if call is None else call.trailing_metadata()) or ():
        if key != DETAILS or not isinstance(value, bytes):
            continue
        try:
            status = Status.FromString(value)
            for each in status.details:
                info, retry = ErrorInfo(), RetryInfo()
                if each.Is(info.DESCRIPTOR) and each.Unpack(info):
                    reason = info.reason
                elif each.Is(retry.DESCRIPTOR) and each.Unpack(retry):
                    wait_s = max(retry.retry_delay.seconds, 0)
        except DecodeError:
            continue  # not ours; the status alone counts
    return reason, wait_s
