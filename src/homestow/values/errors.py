"""Everything that can go wrong for a caller, each with a code that never changes once released.

Adapters translate foreign errors into these at the place of the call; every front has one table from code to its own
status. `facts` holds the values a program may want (current version, seconds to wait); the message is for people and
says what to do.
"""

from collections.abc import Iterator
from typing import ClassVar, Self

Fact = str | int | bool | None


class CloudError(Exception):
    """Base of all errors that a caller can be told; `code` is its public name."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Fact] = facts


class BadRequest(CloudError):
    """The request cannot be understood or its values are out of range."""

    code = "bad-request"


class BadName(CloudError):
    """A name or path that no file may have (S01, S14)."""

    code = "bad-name"


class LoginNeeded(CloudError):
    """No valid session or token came with the request."""

    code = "login-needed"


class LoginFailed(CloudError):
    """Unknown user or wrong password; deliberately not told apart (S45)."""

    code = "login-failed"


class TooManyTries(CloudError):
    """Logins are slowed down for this account or address; fact `retry_after_s` (S43)."""

    code = "too-many-tries"


class SignupClosed(CloudError):
    """The owner has not opened sign-up."""

    code = "signup-closed"


class NameTaken(CloudError):
    """An account, root or client of this name exists."""

    code = "name-taken"


class WeakPassword(CloudError):
    """A password outside 10 to 1,024 characters (S46)."""

    code = "weak-password"


class Forbidden(CloudError):
    """The caller may know the thing, but not do this to it."""

    code = "forbidden"


class NotFound(CloudError):
    """Nothing is there, or the caller has no right to know that something is (S09)."""

    code = "not-found"


class PathTaken(CloudError):
    """Something already lives at the wanted place; fact `node` is its id."""

    code = "path-taken"


class Stale(CloudError):
    """The thing changed since the caller looked; facts `rev` and `change` are the present ones."""

    code = "stale"


class WrongKind(CloudError):
    """A file was expected and a folder found, or the other way round."""

    code = "wrong-kind"


class WouldCycle(CloudError):
    """A folder cannot move into itself (R13)."""

    code = "would-cycle"


class DigestMismatch(CloudError):
    """Received bytes are not the declared ones; nothing was published."""

    code = "digest-mismatch"


class WrongOffset(CloudError):
    """An append or block does not fit; fact `expected` is the right offset in bytes."""

    code = "wrong-offset"


class Incomplete(CloudError):
    """An upload was finished before all of its bytes arrived; fact `missing` counts the missing bytes."""

    code = "incomplete"


class UploadGone(CloudError):
    """The upload is unknown, was cancelled or outlived its time; begin a new one."""

    code = "upload-gone"


class TooLarge(CloudError):
    """One request or file is larger than a stated limit; fact `limit`."""

    code = "too-large"


class QuotaExceeded(CloudError):
    """The account's or root's quota would be passed; fact `free` in bytes, or `entries` left."""

    code = "quota-exceeded"


class StorageFull(CloudError):
    """The disk under the root has no room (ENOSPC, EDQUOT); nothing was lost."""

    code = "storage-full"


class StorageFailed(CloudError):
    """The disk or database failed; the volume is read-only until the owner looked at it (P1)."""

    code = "storage-failed"
    reason = ""
    """What the system said of it, for the log and the operator alone: it may name places and files of the server (S34)."""

    def because(self, reason: object) -> Self:
        """The same with a reason."""
        self.reason = str(reason)
        return self


def with_reason(error: CloudError) -> str:
    """An error's message for the operator, with its reason where it has one."""
    reason = error.reason if isinstance(error, StorageFailed) else ""
    return f"{error.message} ({reason})" if reason else error.message


class ContentMissing(CloudError):
    """The catalogue knows the content, the disk does not have it (SC-211)."""

    code = "content-missing"


class Busy(CloudError):
    """Too much at once; fact `retry_after_s`."""

    code = "busy"


class CursorGone(CloudError):
    """The cursor is of another epoch or older than the kept journal: list anew, delete nothing (R17, R23)."""

    code = "cursor-gone"


class KeyReused(CloudError):
    """An idempotency key came again with a different request (P8)."""

    code = "key-reused"


class RootsOverlap(CloudError):
    """A root's folder would lie in another root's folder."""

    code = "roots-overlap"


class NewerStore(CloudError):
    """The data folder was written by a newer Homestow; run that version (S112)."""

    code = "newer-store"


class StoreLocked(CloudError):
    """Another process holds the data folder or the job."""

    code = "store-locked"


class BadSettings(CloudError):
    """A settings file or value cannot be used."""

    code = "bad-settings"


class Unreachable(CloudError):
    """The other side did not answer in time or the connection broke (client side)."""

    code = "unreachable"


class NotHomestow(CloudError):
    """Something answered, but not a Homestow server (captive portal, wrong port; SC-171)."""

    code = "not-homestow"


class ServerError(CloudError):
    """The server failed inside; the request id is in the message."""

    code = "internal"


class MediaBroken(CloudError):
    """The content is no picture or film that can be shown: damaged, too large, of an unknown kind, or over the limits."""

    code = "media-broken"


def all_errors() -> Iterator[type[CloudError]]:
    """Every error class with a code of its own, for tables and their completeness tests."""
    seen = [CloudError]
    while seen:
        for kind in seen.pop().__subclasses__():
            seen.append(kind)
            if "code" in vars(kind):
                yield kind


def by_code(code: str) -> type[CloudError]:
    """The class of a public code; `ServerError` for a code this version does not know."""
    return next((kind for kind in all_errors() if kind.code == code), ServerError)
