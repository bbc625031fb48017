"""The isync calls as routes, under the HTTP address itself."""

from aiohttp import web

from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.routing import Router
from homestow.server.fronts.isync import accounts, catalogs, contents, files, uploads
from homestow.server.fronts.isync.binding import Desk
from homestow.wire.isync_calls import CALLS


def add_routes(router: Router, desk: Desk) -> None:
    """Put all calls on a router; `/` too, unless something else answers there already."""
    handlers = {
        name: handler
        for calls in (accounts, catalogs, files, contents, uploads)
        for name, handler in calls.handlers(desk).items()
    }
    for name, handler in handlers.items():
        for method in CALLS[name].methods:
            router.add(method, CALLS[name].path, handler)
    if router.find("GET", "/") is None:
        router.add("GET", "/", _hello)
        router.add("POST", "/", _hello)


async def _hello(request: Request) -> web.StreamResponse:
    """Says that somebody is here."""
    return web.Response(body=b"hello world", headers={"Content-Type": "text/html; charset=utf-8"})
