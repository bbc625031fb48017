"""What all isync calls have in common: read the parameters, find out who asks, cross the border, answer."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from homestow.server.border import Border, Lane
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.problems import HttpProblem
from homestow.server.fronts.http.receiving import read_body
from homestow.server.fronts.isync.errors import code_of, status_of
from homestow.server.rules.access import Principal
from homestow.server.service.isync import Isync
from homestow.values.errors import Busy, CloudError, LoginNeeded, TooManyTries, with_reason
from homestow.wire import isync
from homestow.wire.isync import Code, Refused
from homestow.wire.isync_calls import Call
from homestow.wire.isync_params import query_parameters, read_parameters, take

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[web.StreamResponse]]

NO_CODES: Final[Mapping[str, Code]] = MappingProxyType({})
NO_STATUSES: Final[Mapping[Code, int]] = MappingProxyType({})

log = logging.getLogger(__name__)


class Desk:
    """Where handlers work: the use cases, the border, and what every answer bears.

    Args:
        public_url: how the server is reached from outside, where the owner has said so; requests from there are not foreign.
    """

    def __init__(self, isync_: Isync, border: Border, public_url: str | None = None) -> None:
        self.isync = isync_
        self.border = border
        public = urlsplit(public_url or "")
        self._public = public.netloc.lower()
        self._public_tls = public.scheme == "https"

    # --- who and what -------------------------------------------------------------------------------------------------

    def who(self, token: str | None) -> Principal:
        """Who asks; in a worker, since a session is looked up.

        Raises:
            LoginNeeded: nobody that we know.
        """
        if token is None:
            raise LoginNeeded("Log in first.")
        return self.isync.sessions.check(token)

    async def parameters(self, call: Call[Any], request: Request) -> dict[str, object]:
        """All parameters of a request, not checked yet."""
        query = request.rel_url.raw_query_string
        if call.query_only:
            return query_parameters(query)
        body = await read_body(request, cap=isync.MAX_BODY_BYTES)
        return read_parameters(query, request.headers.get("Content-Type", ""), body)

    def check_origin(self, request: Request) -> None:
        """Refuse what another site's page asks for (S26, S28).

        Raises:
            Refused: the browser says it comes from elsewhere.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return
        try:
            site = urlsplit(origin)
        except ValueError:
            raise Refused(Code.NO_RIGHT) from None
        own = {request.headers.get("Host", "").lower(), self._public}
        if request.site.trusts(request.remote or ""):
            own.add(request.headers.get("X-Forwarded-Host", "").strip().lower())
        if site.scheme not in ("http", "https") or not site.netloc or site.netloc.lower() not in own:
            raise Refused(Code.NO_RIGHT)

    def secure(self, request: Request) -> bool:
        """Whether the client came over TLS: to us, or to what stands before us under the public address (S27)."""
        return request.site.secure or (self._public_tls and request.headers.get("Host", "").lower() == self._public)

    # --- answers ------------------------------------------------------------------------------------------------------

    def headers(self) -> dict[str, str]:
        """Headers of every answer of JSON."""
        return {"Content-Type": isync.TYPE, "Cache-Control": "private, no-store"}

    def success(self, body: bytes, cookie: str | None = None) -> web.Response:
        """The answer of a call that went well; `body` as `wire.isync.success` makes it."""
        headers = self.headers()
        if cookie is not None:
            headers["Set-Cookie"] = cookie
        return web.Response(headers=headers, body=body)

    def failure(
        self, code: Code, status: int = 200, retry_s: int | None = None, message: str | None = None
    ) -> web.Response:
        """The answer of a call that failed; `message` where the one of the code does not say what to do."""
        headers = self.headers()
        if retry_s is not None:
            headers["Retry-After"] = str(retry_s)
        return web.Response(status=status, headers=headers, body=isync.failure(code, message))

    def guarded(
        self,
        handler: Handler,
        codes: Mapping[str, Code] = NO_CODES,
        statuses: Mapping[Code, int] = NO_STATUSES,
        told: Collection[str] = (),
    ) -> Handler:
        """A handler whose errors become answers, for requests that are not foreign.

        Args:
            codes: by code of the error, where this call's differs from the table all calls share.
            statuses: HTTP status by code of the answer, where it is not 200 (or what the shared table says).
            told: codes of errors whose own message is told, since it says what to do.
        """

        async def answer(request: Request) -> web.StreamResponse:
            try:
                self.check_origin(request)
                return await handler(request)
            except Refused as refused:
                return self.failure(refused.code, statuses.get(refused.code, 200))
            except CloudError as error:
                code = codes.get(error.code) or code_of(error.code)
                if code is Code.SERVER_FAILED:
                    log.warning("request %s failed: %s", request.request_id, with_reason(error))
                retry = error.facts.get("retry_after_s", 1) if isinstance(error, Busy | TooManyTries) else None
                message = error.message if error.code in told else None
                return self.failure(code, statuses.get(code, status_of(error.code)), _whole(retry), message)
            except HttpProblem as problem:
                # What HTTP itself refuses: a body too long, too slow or malformed.
                return self.failure(Code.BAD_PARAMETER, problem.status)

        return answer

    # --- handlers -----------------------------------------------------------------------------------------------------

    def plain(
        self,
        call: Call[T],
        use: Callable[[Isync, Principal, T], object],
        codes: Mapping[str, Code] = NO_CODES,
        statuses: Mapping[Code, int] = NO_STATUSES,
        told: Collection[str] = (),
        lane: Lane | None = None,
    ) -> Handler:
        """The handler of a call that needs a login, takes parameters and answers JSON: one crossing.

        The login is looked at before the parameters. `lane`: workers apart, for what may take long.
        """

        async def handle(request: Request) -> web.StreamResponse:
            given = await self.parameters(call, request)
            token = session_token(request)

            def work() -> bytes:
                who = self.who(token)
                return isync.success(use(self.isync, who, take(call.takes, given)))

            return self.success(await (self.border.run(work) if lane is None else self.border.apart(lane, work)))

        return self.guarded(handle, codes, statuses, told)


def session_token(request: Request) -> str | None:
    """The token in the request's cookie."""
    for header in request.headers.getall("Cookie", ()):
        token = isync.read_cookie(header)
        if token is not None:
            return token
    return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
