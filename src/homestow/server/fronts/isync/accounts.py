"""Login and logout."""

from aiohttp import web

from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.isync.binding import Desk, Handler, session_token
from homestow.wire import isync
from homestow.wire.isync import Code
from homestow.wire.isync_calls import LOGIN, LOGOUT
from homestow.wire.isync_params import take

_LOGIN_CODES = {"storage-failed": Code.NO_ROOT, "storage-full": Code.NO_ROOT}


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""

    async def log_in(request: Request) -> web.StreamResponse:
        given = await desk.parameters(LOGIN, request)
        asked = take(LOGIN.takes, given)
        device, address, old = _device(request), request.client_host, session_token(request)

        def work() -> tuple[bytes, str]:
            entered = desk.isync.people.log_in(asked.user, asked.password, device, address, old)
            return isync.success(entered.user), entered.token

        body, token = await desk.border.run(work)
        return desk.success(body, isync.cookie(token, request.site.secure))

    async def log_out(request: Request) -> web.StreamResponse:
        await desk.parameters(LOGOUT, request)
        token = session_token(request)
        if token is not None:
            await desk.border.run(desk.isync.sessions.log_out, token)
        return desk.success(isync.success(""), isync.cookie_ended(request.site.secure))

    return {"login": desk.guarded(log_in, _LOGIN_CODES), "logout": desk.guarded(log_out)}


def _device(request: Request) -> str:
    """What people see among their devices: the program's name without its version."""
    program = request.headers.get("User-Agent", "").split("/")[0].split("(")[0].strip()
    return f"{program} (isync)" if program else "isync"
