"""One request and one reply of the local HTTP API, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from homestow.values.errors import BadRequest

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asking:
    """A request whose body was read.

    Attributes:
        target: as it stood in the first line; `path` its decoded part before "?".
        headers: names in small letters; those that came more than once are joined by ", ".
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            BadRequest: it is none.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadRequest("The body is no JSON.") from error

    def object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            BadRequest: it is none.
        """
        body = self.json()
        if not isinstance(body, dict):
            raise BadRequest("The body is no JSON object.")
        return body


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Decoded path and query of a request's target; the last of two values of one name holds.

    Raises:
        BadRequest: it is no path, or not UTF-8.
    """
    if not target.startswith("/") or target.startswith("//"):
        raise BadRequest("The address of a request begins with one slash.")
    try:
        parts = urlsplit(target)
        path = unquote(parts.path, errors="strict")
        query = dict(parse_qsl(parts.query, keep_blank_values=True, errors="strict", max_num_fields=64))
    except ValueError as error:
        raise BadRequest("The address of the request cannot be read.") from error
    if "\0" in path:
        raise BadRequest("The address of the request cannot be read.")
    return path, query


class Stream(Protocol):
    """Pieces of a body without a known end."""

    def __iter__(self) -> Iterator[bytes]:
        """The pieces."""

    def close(self) -> None:
        """No more are wanted; may be called without one having been taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `stream`, where there is one, comes in place of `body` and ends with the connection."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    stream: Stream | None = field(default=None, compare=False)


_encode = msgspec.json.Encoder().encode


def as_json(value: Any, status: int = HTTPStatus.OK, *headers: tuple[str, str]) -> Reply:
    """A reply of JSON."""
    return Reply(status, _encode(value), JSON, headers)


def trouble(status: int, message: str, code: str = "", *headers: tuple[str, str]) -> Reply:
    """A refusal in words; `code` as in `values.errors`, "" for what HTTP says alone."""
    return as_json({"error": message, "code": code} if code else {"error": message}, status, *headers)
