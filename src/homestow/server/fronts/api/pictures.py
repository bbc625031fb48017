"""Media facts and thumbnails of nodes. They may have to be made first, so they wait in a lane of their own."""

from typing import Final

import msgspec
from aiohttp import web

from homestow.server.border import Lane
from homestow.server.fronts.api.asking import read_ask
from homestow.server.fronts.api.binding import Bench, Handler
from homestow.server.fronts.api.files import node_of
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.disposition import Disposition
from homestow.server.fronts.http.ranges import EntityTag
from homestow.server.fronts.http.sending import BlockSource, Facts, send_blocks
from homestow.server.ports.media import SIZES, MediaState
from homestow.server.service.thumbnails import Thumb
from homestow.values.errors import BadRequest, MediaBroken
from homestow.wire import api
from homestow.wire.api import EPOCH_HEADER
from homestow.wire.calls import BY_NAME

_KEPT: Final = "private, no-cache"
_LEVELS: Final = {str(size): level for level, size in enumerate(SIZES)}
_encode = msgspec.json.Encoder().encode


class Pictures:
    """Handlers of these calls."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._services = bench.services
        self._border = bench.border

    def handlers(self) -> dict[str, Handler]:
        """Handler by the call's name."""
        return {"media": self._media, "thumbnail": self._thumbnail}

    async def _media(self, request: Request) -> web.StreamResponse:
        call = BY_NAME["media"]
        ask = read_ask(call, request, None)

        def work() -> bytes:
            state, facts = self._services.media.facts(self._bench.who(ask), node_of(ask))
            if state is MediaState.BROKEN:
                raise MediaBroken("The file is damaged, or none of the formats that can be read.")
            return _encode(
                api.Media(
                    kind=facts.kind.name.lower(), format=facts.format, width=facts.width, height=facts.height,
                    orientation=facts.orientation, duration_s=facts.duration_s, taken_ns=facts.taken_ns,
                    latitude=facts.latitude, longitude=facts.longitude, codec=facts.codec,
                )
            )  # fmt: skip

        return self._bench.json(call, await self._border.apart(Lane.MEDIA, work))

    async def _thumbnail(self, request: Request) -> web.StreamResponse:
        ask = read_ask(BY_NAME["thumbnail"], request, None)
        level = _LEVELS.get(ask.text("size"))
        if level is None:
            raise BadRequest("A thumbnail has a size of 100 or 800.")
        thumbnails = self._services.thumbnails
        found = self._border.at_hand(lambda: thumbnails.at_hand(self._bench.who(ask), node_of(ask), level))
        if found is None:
            found = await self._border.apart(
                Lane.MEDIA, lambda: thumbnails.get(self._bench.who(ask), node_of(ask), level)
            )
        return await send_thumb(request, found, {EPOCH_HEADER: self._services.epoch(), "Homestow-Rev": str(found.rev)})


async def send_thumb(request: Request, thumb: Thumb, headers: dict[str, str]) -> web.StreamResponse:
    """Answer with a thumbnail: whole, a range, or that it is the one the client has."""
    facts = Facts(
        size=len(thumb.body),
        etag=EntityTag(thumb.etag.strip('"')),
        mtime_s=max(0, thumb.mtime_ns // 1_000_000_000),
        content_type=thumb.content_type,
        disposition=Disposition.INLINE,
        headers={"Cache-Control": _KEPT, **headers},
    )
    body = memoryview(thumb.body)
    return await send_blocks(request, BlockSource(facts, lambda at, size: bytes(body[at : at + size]), lambda: None))
