"""What all calls of the native API have in common: read the ask, find out who asks, cross the border, answer."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from homestow.server.border import Border, Lane
from homestow.server.fronts.api.asking import Ask, read_ask, read_message
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.problems import HttpProblem, problem_response
from homestow.server.fronts.http.receiving import read_body
from homestow.server.rules.access import Principal
from homestow.server.service.services import Services
from homestow.values.errors import Busy, CloudError, CursorGone, Forbidden, TooManyTries, with_reason
from homestow.values.ids import SYSTEM
from homestow.wire.api import EPOCH_HEADER, MAX_JSON_BYTES, Body, Wire
from homestow.wire.api_status import status_of
from homestow.wire.calls import Call

log = logging.getLogger(__name__)

OPERATOR: Final = Principal(SYSTEM, "operator", admin=True, operator=True)
"""Who asks over the owner-only local socket."""

Use = Callable[[Services, Principal, Ask, Wire | None], object]
"""A use case as the table of calls has it: runs in a worker; gives a message, a node or None."""

Handler = Callable[[Request], Awaitable[web.StreamResponse]]
_encode = msgspec.json.Encoder().encode
_NOBODY: Final = Principal(SYSTEM, "")
_LANES: Final = {
    **dict.fromkeys(("login", "signup", "change_password", "add_share"), Lane.LOGIN),
    **dict.fromkeys(("block_digests", "upload_have", "copy", "restore_version", "empty_trash", "order"), Lane.LONG),
}
_CODES: Final = {412: "stale", 413: "too-large"}


class Bench:
    """Where handlers work: the use cases, the border, and what every answer bears."""

    def __init__(self, services: Services, border: Border) -> None:
        self.services = services
        self.border = border

    def who(self, ask: Ask) -> Principal:
        """Who asks; in a worker, since a token may have to be looked up.

        Raises:
            LoginNeeded: nobody that we know.
            Forbidden: an operator's call by somebody else.
        """
        if ask.operator and ask.token is None:
            return OPERATOR
        if ask.call.open:
            return _NOBODY
        who = self.services.accounts.check(ask.need_token())
        if ask.call.operator and not (who.admin or who.operator):
            raise Forbidden("Only an administrator may do this.")
        return who

    def headers(self) -> dict[str, str]:
        """Headers of every answer; the epoch tells a Homestow server from whatever else may answer (SC-171)."""
        return {EPOCH_HEADER: self.services.epoch(), "Cache-Control": "private, no-store"}

    def json(self, call: Call, body: bytes | None) -> web.Response:
        """The answer of a call that went well."""
        if body is None:
            return web.Response(status=call.status, headers=self.headers())
        headers = self.headers()
        headers["Content-Type"] = "application/json"
        return web.Response(status=call.status, headers=headers, body=body)

    def problem(self, request: Request, error: CloudError) -> web.Response:
        """The answer of a call that failed: status by the one table, code, message and facts."""
        headers = self.headers()
        if isinstance(error, Busy | TooManyTries):
            headers["Retry-After"] = str(error.facts.get("retry_after_s", 1))
        status = status_of(error.code)
        if status >= 500 and (told := with_reason(error)) != error.message:
            log.warning("request %s failed: %s", request.request_id, told)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        message = with_reason(error) if request.operator else error.message
        return problem_response(status, error.code, message, request.request_id, headers, facts=error.facts)

    def guarded(self, call: Call, handler: Handler) -> Handler:
        """A call's handler whose errors become answers, for requests of its type and of this life of the store."""

        async def answer(request: Request) -> web.StreamResponse:
            try:
                if not call.open:
                    self._check_epoch(request)
                check_type(call, request)
                return await handler(request)
            except CloudError as error:
                return self.problem(request, error)
            except HttpProblem as problem:
                # What HTTP itself refuses has codes of its own; here every code is one of `values.errors`.
                headers = {**self.headers(), **problem.headers}
                code = _CODES.get(problem.status, "bad-request")
                return problem_response(problem.status, code, problem.message, request.request_id, headers)

        return answer

    def _check_epoch(self, request: Request) -> None:
        """Refuse a client that means another life of the store: its node ids may be somebody else's here (R23)."""
        meant = request.headers.get(EPOCH_HEADER)
        if meant is not None and meant != self.services.epoch():
            raise CursorGone("This server was restored from a backup since you last asked; list everything anew.")

    def plain(self, call: Call, use: Use) -> Handler:
        """The handler of a call whose request and answer are messages: one crossing, JSON read and written over there."""
        kind = call.takes if isinstance(call.takes, type) else None
        lane, short = _LANES.get(call.name), call.method == "GET"

        async def handle(request: Request) -> web.StreamResponse:
            body = await read_body(request, cap=MAX_JSON_BYTES) if kind is not None else None
            ask = read_ask(call, request, body if body is not None else b"")

            def work() -> bytes | None:
                message = None if kind is None else read_message(kind, body or b"")
                result = use(self.services, self.who(ask), ask, message)
                return None if result is None else _encode(result)

            if lane is not None:
                answer = await self.border.apart(lane, work)
            else:
                answer = await (self.border.short(work) if short else self.border.run(work))
            return self.json(call, None if call.gives is Body.NONE else answer)

        return self.guarded(call, handle)


def check_type(call: Call, request: Request) -> None:
    """Refuse a body that says it is something else: a form or a script of another site cannot say `application/json` (S26).

    Content may say what it likes; it is bytes to us.
    """
    if call.takes in (Body.NONE, Body.RAW):
        return
    wanted = call.takes.value if isinstance(call.takes, Body) else "application/json"
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise HttpProblem(415, "body-type", f"This call takes a body of the type {wanted}.")
