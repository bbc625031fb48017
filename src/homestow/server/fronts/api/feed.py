"""The change feed: an answer at once when there is something, else as soon as there is, or empty when the wait is over."""

import asyncio
from collections import defaultdict

import msgspec
from aiohttp import web

from homestow.server.fronts.api.asking import Ask, read_ask
from homestow.server.fronts.api.binding import Bench
from homestow.server.fronts.api.files import root_of
from homestow.server.fronts.http.connection import Request
from homestow.server.service.changes import Page
from homestow.values.changes import parse_cursor
from homestow.values.ids import RootId
from homestow.wire import api
from homestow.wire.calls import BY_NAME

_encode = msgspec.json.Encoder().encode
_REVOKE_S = 30.0
"""A waiting reader is looked at again at least so often, so that what was taken away ends its wait (S49)."""


class Feed:
    """Readers that wait for changes, on the async side; nothing of them is held by a worker."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[RootId, set[asyncio.Event]] = defaultdict(set)
        self._stop = bench.services.changes.subscribe(self._changed)

    def close(self) -> None:
        """Stop listening."""
        self._stop()

    def _changed(self, roots: frozenset[RootId], number: int) -> None:
        """On the committer's thread: wake who waits for these roots."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, roots)

    def _wake(self, roots: frozenset[RootId]) -> None:
        for root in roots:
            for event in self._waiting.get(root, ()):
                event.set()

    async def changes(self, request: Request) -> web.StreamResponse:
        """The handler."""
        ask = read_ask(BY_NAME["changes"], request, None)
        root = root_of(ask)
        deadline = self._loop.time() + ask.number("wait")
        event = asyncio.Event()
        self._waiting[root].add(event)
        try:
            while True:
                event.clear()
                page = await self._bench.border.short(lambda: self._page(ask, root))
                left = deadline - self._loop.time()
                if page.nodes or page.more or left <= 0 or not await _wait(event, request, min(left, _REVOKE_S)):
                    break
        finally:
            self._waiting[root].discard(event)
            if not self._waiting[root]:
                del self._waiting[root]
        answer = api.Changes(nodes=page.nodes, cursor=str(page.cursor), more=page.more)
        return self._bench.json(BY_NAME["changes"], _encode(answer))

    def _page(self, ask: Ask, root: RootId) -> Page:
        who = self._bench.who(ask)
        return self._bench.services.changes.changes(who, root, parse_cursor(ask.text("cursor")), ask.number("limit"))


async def _wait(event: asyncio.Event, request: Request, seconds: float) -> bool:
    """Wait for the event or the time; False when the client has left or the server is closing."""
    gone = request.gone()
    waiting: asyncio.Future[object] = asyncio.ensure_future(event.wait())
    left: asyncio.Future[object] = asyncio.shield(gone)
    try:
        await asyncio.wait((waiting, left), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        left.cancel()
    return not gone.done()
