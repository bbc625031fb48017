"""The errors a handler may raise to end a request with an answer, and the form that answer has."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})


class HttpProblem(Exception):
    """A request ends with `status` and a JSON body `{code, message, request_id}` (S34).

    `code` is public and never changes once released; `message` is one sentence for a person, without server paths.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class BodyTooLarge(HttpProblem):
    """The body is, or declares to be, longer than `cap` bytes."""

    def __init__(self, cap: int) -> None:
        super().__init__(413, "body-too-large", f"The request body may hold at most {cap} bytes.")


class BodyTooSlow(HttpProblem):
    """The body came in slower than the server allows (S19)."""

    def __init__(self) -> None:
        super().__init__(408, "body-too-slow", "The request body came in too slowly.")


class BodyLengthWrong(HttpProblem):
    """The body's length is not the one that was announced for it."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(400, "body-length-wrong", f"The request body should hold {expected} bytes, not {actual}.")


class EncodedBody(HttpProblem):
    """The body is compressed; bodies are taken as they are (S20)."""

    def __init__(self) -> None:
        super().__init__(
            415, "body-encoded", "Compressed request bodies are not accepted.", {"Accept-Encoding": "identity"}
        )


class ClientGone(Exception):
    """The client went away before its body was complete; `received` bytes had come and reached the sink."""

    def __init__(self, received: int) -> None:
        super().__init__(f"the client went away after {received} bytes of its body")
        self.received = received


def problem_response(
    status: int,
    code: str,
    message: str,
    request_id: str,
    headers: Mapping[str, str] = _NO_HEADERS,
    facts: Mapping[str, object] = _NO_FACTS,
) -> web.Response:
    """The JSON answer for an error; never cached. `facts` are values a program may want."""
    problem = {"code": code, "message": message, "request_id": request_id, "facts": dict(facts)}
    body = json.dumps(problem).encode()
    response = web.Response(status=status, body=body, content_type="application/json", headers=headers)
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
