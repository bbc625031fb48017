"""Login and logout, and what clients keep with users, catalogs and files."""

from aiohttp import web

from homestow.server.border import Lane
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.isync.binding import Desk, Handler, session_token
from homestow.server.fronts.isync.catalogs import NO_ROOT
from homestow.server.rules.access import Principal
from homestow.server.service.isync import Isync
from homestow.values.errors import NotFound, WrongKind
from homestow.values.ids import NodeId
from homestow.wire import isync
from homestow.wire.isync import Code, HelpInfo, Refused
from homestow.wire.isync_calls import HELP_INFO, LOGIN, LOGOUT, UPDATE_HELP_INFO, About, AskHelp, SetHelp
from homestow.wire.isync_params import take


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""

    async def log_in(request: Request) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise Refused(Code.NO_RIGHT)  # a picture of another site's page would log its visitors in as somebody else
        given = await desk.parameters(LOGIN, request)
        asked = take(LOGIN.takes, given)
        device, address, old = _device(request), request.client_host, session_token(request)

        def work() -> tuple[bytes, str]:
            entered = desk.isync.people.log_in(asked.user, asked.password, device, address, old)
            return isync.success(entered.user), entered.token

        body, token = await desk.border.apart(Lane.LOGIN, work)
        return desk.success(body, isync.cookie(token, desk.secure(request)))

    async def log_out(request: Request) -> web.StreamResponse:
        await desk.parameters(LOGOUT, request)
        token = session_token(request)
        if token is not None:
            await desk.border.run(desk.isync.sessions.log_out, token)
        return desk.success(isync.success(""), isync.cookie_ended(desk.secure(request)))

    return {
        "login": desk.guarded(log_in, NO_ROOT),
        "logout": desk.guarded(log_out),
        "helpInfo": desk.plain(HELP_INFO, _help),
        "updateHelpInfo": desk.plain(UPDATE_HELP_INFO, _set_help),
    }


def _help(use: Isync, who: Principal, asked: AskHelp) -> HelpInfo:
    """What is unknown to the caller has an empty one."""
    if asked.about == About.USER:
        return use.people.help(who)
    if asked.id <= 0:
        raise Refused(Code.BAD_PARAMETER)
    try:
        about = use.catalogs if asked.about == About.CATALOG else use.files
        return about.help(who, NodeId(asked.id))
    except (NotFound, WrongKind):
        return HelpInfo()


def _set_help(use: Isync, who: Principal, asked: SetHelp) -> None:
    """What is unknown to the caller is left out."""
    if asked.about != About.USER and asked.id <= 0:
        raise Refused(Code.BAD_PARAMETER)
    if asked.help_int is None and asked.help_text is None:
        raise Refused(Code.BAD_PARAMETER)
    try:
        if asked.about == About.USER:
            use.people.set_help(who, asked)
        elif asked.about == About.CATALOG:
            use.catalogs.set_help(who, asked)
        else:
            use.files.set_help(who, asked)
    except (NotFound, WrongKind):
        return


def _device(request: Request) -> str:
    """What people see among their devices: the program's name without its version."""
    program = request.headers.get("User-Agent", "").split("/")[0].split("(")[0].strip()
    return f"{program} (isync)" if program else "isync"
