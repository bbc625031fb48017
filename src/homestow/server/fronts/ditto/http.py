"""What of the Ditto services the HTTP address answers: the password grant, and watching as lines of JSON."""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from google.protobuf.json_format import MessageToDict, Parse, ParseError

from homestow.server.border import Lane
from homestow.server.fronts.ditto.binding import DittoDesk
from homestow.server.fronts.ditto.sharing import News
from homestow.server.fronts.ditto.watching import Wakes, WatchStream
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.problems import HttpProblem
from homestow.server.fronts.http.receiving import read_body
from homestow.server.fronts.http.routing import Router
from homestow.server.service.ditto_auth import Caller, Tokens
from homestow.values.errors import BadRequest, CloudError, LoginFailed, LoginNeeded, TooManyTries
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

OAUTH: Final = "/v2/oauth"
REVOKE: Final = "/v2/oauth/revoke"
WATCH: Final = "/v1alpha/watch"
METRICS: Final = "/metrics"
"""Answers the owner of the machine on the local socket, and nobody else."""

MAX_BODY: Final = 64 * 1024
ARRIVED_S: Final = 90.0
"""What was written so long ago has arrived: the system ends a connection whose peer confirms nothing for a minute."""

BEAT_S: Final = 20.0
"""An empty line goes out so often, so that both ends notice when the other is gone."""

_ALIASES: Final = {"cient_secret": "client_secret"}
_NEEDED: Final = {
    "password": ("client_id", "client_secret", "username", "password"),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
}


def add_routes(router: Router, desk: DittoDesk, wakes: Wakes) -> None:
    """Put the calls on a router."""

    async def oauth(request: Request) -> web.StreamResponse:
        return await _granted(desk, request)

    async def revoke(request: Request) -> web.StreamResponse:
        return await _revoked(desk, request)

    async def watch(request: Request) -> web.StreamResponse:
        return await _watch(desk, wakes, request)

    async def metrics(request: Request) -> web.StreamResponse:
        if not request.operator:
            raise HttpProblem(404, "not-found", "There is nothing here.")
        return web.Response(text=desk.counts.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    router.add("GET", METRICS, metrics)
    router.add("POST", OAUTH, oauth)
    router.add("POST", REVOKE, revoke)
    router.add("POST", WATCH, watch)


# --- the grant --------------------------------------------------------------------------------------------------------


async def _granted(desk: DittoDesk, request: Request) -> web.Response:
    try:
        given = await _parameters(request)
        kind = given.get("grant_type", "")
        if kind not in _NEEDED:
            return _oauth_error("unsupported_grant_type", "grant_type is password or refresh_token.")
        missing = [name for name in _NEEDED[kind] if name not in given]
        if missing:
            return _oauth_error("invalid_request", f"{', '.join(missing)} is missing.")
        tokens = await desk.border.apart(Lane.LOGIN, lambda: _grant(desk, kind, given, request.client_host))
    except CloudError as error:
        return _refusal(error)
    body = {
        "access_token": tokens.access,
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh,
        "token_type": calls.BEARER,
    }
    return _json(body)


def _grant(desk: DittoDesk, kind: str, given: Mapping[str, str], address: str) -> Tokens:
    auth = desk.ditto.auth
    if kind == "refresh_token":
        return auth.refresh(given["client_id"], given["client_secret"], given["refresh_token"])
    return auth.log_in(given["client_id"], given["client_secret"], given["username"], given["password"], address)


async def _revoked(desk: DittoDesk, request: Request) -> web.Response:
    """Ends the login of a refresh token; an unknown token is no error (RFC 7009)."""
    try:
        given = await _parameters(request)
        client, secret, token = (given.get(name, "") for name in ("client_id", "client_secret", "token"))
        await desk.border.run(desk.ditto.auth.revoke, client, secret, token)
    except CloudError as error:
        return _refusal(error)
    return _json({})


async def _parameters(request: Request) -> dict[str, str]:
    """Parameters of the query and of a form or JSON object in the body; each once.

    Raises:
        BadRequest: they cannot be read, or one comes twice.
    """
    body = await read_body(request, cap=MAX_BODY)
    pairs = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True, max_num_fields=100)
    try:
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json":
            found = json.loads(body)
            if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
                raise BadRequest("The body is a JSON object of texts.")
            pairs += found.items()
        else:
            pairs += parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body cannot be read: send a form or a JSON object.") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        name = _ALIASES.get(name, name)
        if given.setdefault(name, value) != value:
            raise BadRequest(f"{name} comes twice.")
    return given


def _refusal(error: CloudError) -> web.Response:
    if isinstance(error, LoginFailed):
        return _oauth_error("invalid_grant", error.message)
    if isinstance(error, BadRequest):
        return _oauth_error("invalid_request", error.message)
    retry = error.facts.get("retry_after_s")
    status = HTTPStatus.TOO_MANY_REQUESTS if isinstance(error, TooManyTries) else HTTPStatus.SERVICE_UNAVAILABLE
    answer = _oauth_error("temporarily_unavailable", error.message, status)
    if isinstance(retry, int):
        answer.headers["Retry-After"] = str(retry)
    return answer


def _oauth_error(code: str, text: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> web.Response:
    return _json({"error": code, "error_description": text}, status)


def _json(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, headers=headers, body=json.dumps(body).encode() + b"\n")


# --- watching ---------------------------------------------------------------------------------------------------------


async def _watch(desk: DittoDesk, wakes: Wakes, request: Request) -> web.StreamResponse:
    """Each line of the body is a WatchRequest, each line of the answer a WatchResponse; it goes on until the client leaves."""
    token = _token(request)

    def still() -> Caller:
        return desk.ditto.auth.check(token)

    def admitted() -> Caller:
        caller = still()
        desk.rates.take(caller.who.account)
        return caller

    try:
        caller = await desk.border.run(admitted)
        asked = _requests(await read_body(request, cap=MAX_BODY))
    except CloudError as error:
        status = HTTPStatus.UNAUTHORIZED if isinstance(error, LoginNeeded) else HTTPStatus.BAD_REQUEST
        answer = _json({"error": error.code, "message": error.message}, status)
        if status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = calls.BEARER
        return answer
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
    await response.prepare(request)

    async def say(answer: pb.WatchResponse) -> None:
        text = json.dumps(MessageToDict(answer, preserving_proto_field_name=True), separators=(",", ":"))
        await response.write(text.encode() + b"\n")

    async def tell(watch: str, news: News) -> None:
        answer = pb.WatchResponse(watch_uuid=watch)
        answer.MergeFrom(news.answer)
        await say(answer)

    stream = WatchStream(desk, wakes, caller, still, say, tell, ARRIVED_S)
    for each in asked:
        await stream.ask(each)
    running = asyncio.create_task(stream.run())
    beating = asyncio.create_task(_beat(response))
    gone = asyncio.shield(request.gone())
    try:
        await asyncio.wait({running, beating, gone}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    except CloudError as error:
        await response.write(json.dumps({"error": error.code, "message": error.message}).encode() + b"\n")
    finally:
        for task in (running, beating):
            task.cancel()
        await asyncio.wait({running, beating})
        gone.cancel()
    await response.write_eof()
    return response


async def _beat(response: web.StreamResponse) -> None:
    while True:
        await asyncio.sleep(BEAT_S)
        await response.write(b"\n")


def _token(request: Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == calls.BEARER.lower() else ""


def _requests(body: bytes) -> list[pb.WatchRequest]:
    """The requests of a body.

    Raises:
        BadRequest: a line that is none, or there is none at all.
    """
    found = []
    for line in body.splitlines():
        if line.strip():
            try:
                found.append(Parse(line, pb.WatchRequest()))
            except (ParseError, UnicodeDecodeError, RecursionError) as error:
                raise BadRequest("Each line of the body is a WatchRequest as JSON.") from error
    if len(found) > calls.MAX_WATCHES:
        raise BadRequest(f"A stream has at most {calls.MAX_WATCHES} watches.")
    if not found or any(each.WhichOneof("request_union") is None for each in found):
        raise BadRequest('Say what to watch: {"create_request":{"watch_uuid":"…"}}.')
    return found
