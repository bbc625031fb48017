"""From an HTTP request to what a use case takes: who asks, typed parameters, the message, the idempotency key."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

import msgspec

from homestow.server.fronts.http.connection import Request
from homestow.server.service.work import Once
from homestow.values.errors import BadRequest, LoginNeeded
from homestow.wire.api import KEY_HEADER, Wire
from homestow.wire.calls import Call, Param

Value = int | str | bool | None
_MAX_KEY: Final = 64
_INT_DIGITS: Final = 19
_BIGGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of the native API, before anybody looked who asks.

    Attributes:
        call: which call of `wire.calls`.
        token: from `Authorization: Bearer`; None when there is none, or the call is open and does not look at it.
        params: all parameters of the call, defaults filled in.
        once: idempotency key with a digest of the request.
        address: the client's address, "" for the machine itself.
        operator: it came over the owner-only local socket.
    """

    call: Call
    token: str | None
    params: Mapping[str, Value]
    once: Once | None
    address: str
    operator: bool

    def number(self, name: str) -> int:
        """A parameter that is an integer and always there."""
        value = self.params[name]
        assert isinstance(value, int)
        return value

    def maybe_number(self, name: str) -> int | None:
        """A parameter that is an integer or left out."""
        value = self.params[name]
        assert value is None or isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """A parameter that is text and always there."""
        value = self.params[name]
        assert isinstance(value, str)
        return value

    def maybe_text(self, name: str) -> str | None:
        """A parameter that is text or left out."""
        value = self.params[name]
        assert value is None or isinstance(value, str)
        return value

    def need_token(self) -> str:
        """The token. Raises `LoginNeeded` when none came."""
        if self.token is None:
            raise LoginNeeded("Log in first: send the token as `Authorization: Bearer …`.")
        return self.token


def read_ask(call: Call, request: Request, body: bytes | None) -> Ask:
    """Everything about a request but its body.

    Args:
        body: the body when it is a message, for the digest that goes with an idempotency key; None for content, where
            the declared length stands for it.
    Raises:
        BadRequest: a parameter is missing, unknown in form or out of range; a header is malformed.
    """
    params = read_params(call, request.params, request.rel_url.raw_query_string)
    return Ask(
        call,
        None if call.open else _read_token(request.headers.get("Authorization")),
        params,
        _read_key(call, request, body),
        "" if request.operator else request.client_host,
        request.operator,
    )


def read_params(call: Call, path: Mapping[str, str], raw_query: str) -> dict[str, Value]:
    """All parameters of a call, defaults filled in.

    Args:
        path: those of the path, decoded.
        raw_query: as it came over the wire.
    Raises:
        BadRequest: one is missing, unknown in form or out of range.
    """
    query = _read_query(raw_query)
    if query and (unknown := query.keys() - {param.name for param in call.params if param.where == "query"}):
        # A condition that is misspelt must not be taken for none.
        raise BadRequest(f"This call has no parameter {min(unknown)[:60]!r}.")
    return {param.name: _value(param, path, query) for param in call.params}


def _read_token(header: str | None) -> str | None:
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise LoginNeeded("This API takes `Authorization: Bearer <token>`; log in to get a token.")
    return token


def _read_key(call: Call, request: Request, body: bytes | None) -> Once | None:
    key = request.headers.get(KEY_HEADER)
    if key is None or not call.mutates:
        return None
    if not 1 <= len(key) <= _MAX_KEY or not key.isascii() or not key.isprintable():
        raise BadRequest(f"{KEY_HEADER} takes 1 to {_MAX_KEY} printable ASCII characters.")
    whole = hashlib.sha256(f"{call.name}\0{request.rel_url.raw_path_qs}\0".encode(errors="surrogatepass"))
    whole.update(str(request.content_length).encode() if body is None else body)
    return Once(key, whole.digest())


def _read_query(raw: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if not raw:
        return found
    for piece in raw.split("&"):
        name, _, value = piece.partition("=")
        try:
            name, value = unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")
        except UnicodeDecodeError as error:
            raise BadRequest("The query is not UTF-8.") from error
        if name in found:
            raise BadRequest(f"The parameter {name!r} stands twice in the query.")
        found[name] = value
    return found


def _value(param: Param, path: Mapping[str, str], query: Mapping[str, str]) -> Value:
    text = path.get(param.name) if param.where == "path" else query.get(param.name)
    if text is None:
        if param.required:
            raise BadRequest(f"The parameter `{param.name}` is missing: {param.about}")
        return param.default
    if param.kind is int:
        return _number(param, text)
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise BadRequest(f"The parameter `{param.name}` is not text.")
    return text


def _number(param: Param, text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > _INT_DIGITS:
        raise BadRequest(f"The parameter `{param.name}` takes a whole number: {param.about}")
    number = int(text)
    low = 0 if param.minimum is None else param.minimum
    high = _BIGGEST if param.maximum is None else param.maximum
    if not low <= number <= high:
        raise BadRequest(f"The parameter `{param.name}` takes {low} to {high}: {param.about}")
    return number


def read_message(kind: type[Wire], body: bytes) -> Wire:
    """The message a body holds.

    Raises:
        BadRequest: not JSON, not of that form, or with numbers no 64-bit integer holds.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The request body is not what this call takes: {error}") from error
