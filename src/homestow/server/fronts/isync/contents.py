"""Calls whose answers are bytes: downloads, thumbnails, shared files; and the keys of these."""

import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from homestow.server.border import Lane
from homestow.server.fronts.http.connection import Request
from homestow.server.fronts.http.content_types import SAFE, content_type
from homestow.server.fronts.http.disposition import Disposition
from homestow.server.fronts.http.ranges import ByteRange, EntityTag, RangeNotSatisfiable
from homestow.server.fronts.http.sending import (
    BlockSource,
    Facts,
    FileSource,
    Plan,
    response_headers,
    send_blocks,
    send_file,
)
from homestow.server.fronts.isync.binding import Desk, Handler, session_token
from homestow.server.ports.extras import PartStatus
from homestow.server.ports.media import SIZES, MediaKind, MediaState
from homestow.server.rules.access import Principal, Rights
from homestow.server.rules.media_kinds import kind_of
from homestow.server.service.contents import OpenContent
from homestow.server.service.isync import Isync
from homestow.server.service.thumbnails import Thumb
from homestow.values.errors import CloudError, MediaBroken, NotFound, TooManyTries, WrongKind
from homestow.values.ids import NodeId
from homestow.wire.isync import Code, Refused
from homestow.wire.isync_calls import DOWN_FILE, SHARE_FILE, SHARE_FILE_URL, THUMBNAIL, AskThumbnail, OneFile
from homestow.wire.isync_params import take

_RANGE: Final = re.compile(r"[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.ASCII)
_DOWN_STATUSES: Final = {
    Code.LOGIN_NEEDED: 403,
    Code.BAD_PARAMETER: 416,
    Code.NOT_FOUND: 404,
    Code.FILE_REMOVED: 404,
}
_READ_CODES: Final = {"storage-failed": Code.SERVER_FAILED}
"""A disk that is away has recorded nothing wrong: it cannot be read now."""
_SHARED_CODES: Final = {**_READ_CODES, "content-missing": Code.NOT_FOUND}
_THUMB_STATUSES: Final = {Code.NO_THUMBNAIL: 404, Code.WAITING: 404}
_WITH_THUMB: Final = frozenset({MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO})


def handlers(desk: Desk) -> dict[str, Handler]:
    """Handlers by name of the call."""

    async def down(request: Request) -> web.StreamResponse:
        given = await desk.parameters(DOWN_FILE, request)
        token = session_token(request)

        def work() -> OpenContent:
            who = desk.who(token)
            return _file(desk.isync, who, NodeId(take(DOWN_FILE.takes, given).id))

        return await _send(desk, request, await desk.border.short(work))

    async def thumbnail(request: Request) -> web.StreamResponse:
        given = await desk.parameters(THUMBNAIL, request)
        token = session_token(request)

        def look() -> Thumb | None:
            who = desk.who(token)
            asked = take(THUMBNAIL.takes, given)
            return thumb_at_hand(desk.isync, who, NodeId(asked.id), int(asked.level != 0))

        def work() -> Thumb | OpenContent:
            who = desk.who(token)
            return _thumbnail(desk.isync, who, take(THUMBNAIL.takes, given))

        found: Thumb | OpenContent | None = await desk.border.short(look)
        if found is None:
            found = await desk.border.apart(Lane.MEDIA, work)
        if isinstance(found, OpenContent):
            return await _send(desk, request, found)
        return _send_bytes(request, found)

    async def shared(request: Request) -> web.StreamResponse:
        given = await desk.parameters(SHARE_FILE, request)
        address = request.client_host

        def work() -> OpenContent:
            asked = take(SHARE_FILE.takes, given)
            try:
                opened = desk.isync.services.shares.open_isync(asked.key, address)
            except (NotFound, TooManyTries):
                raise Refused(Code.BAD_PARAMETER) from None
            return _file(desk.isync, opened.who, opened.row.id)

        return await _send(desk, request, await desk.border.run(work))

    return {
        "shareFileUrl": desk.plain(SHARE_FILE_URL, _share),
        "shareFile": desk.guarded(_ranged(desk, shared), _SHARED_CODES),
        "downFile": desk.guarded(_ranged(desk, down), _READ_CODES, statuses=_DOWN_STATUSES),
        "thumbnail": desk.guarded(_ranged(desk, thumbnail), _READ_CODES, statuses=_THUMB_STATUSES),
    }


def _file(isync: Isync, who: Principal, node: NodeId) -> OpenContent:
    return isync.services.downloads.content(who, node)


def _share(isync: Isync, who: Principal, asked: OneFile) -> str:
    return isync.services.shares.isync_key(who, NodeId(asked.id))


def _thumbnail(isync: Isync, who: Principal, asked: AskThumbnail) -> Thumb | OpenContent:
    """What is shown of a file: what a client sent, the file itself where it is small enough, or what is made of it.

    Raises:
        Refused: no file that has thumbnails, it still comes in, or none can be made.
    """
    node, level = NodeId(asked.id), int(asked.level != 0)
    if not made_for(isync, who, node, level):
        return isync.services.downloads.content(who, node)
    try:
        return isync.services.thumbnails.get(who, node, level)
    except (MediaBroken, WrongKind):
        raise Refused(Code.NO_THUMBNAIL) from None


def thumb_at_hand(isync: Isync, who: Principal, node: NodeId, level: int) -> Thumb | None:
    """A thumbnail that lies in memory; None when it takes longer, or something else is the answer."""
    try:
        thumb = isync.services.thumbnails.at_hand(who, node, level)
        return thumb if thumb is not None and made_for(isync, who, node, level, waits=False) else None
    except (CloudError, Refused):
        return None


def made_for(isync: Isync, who: Principal, node: NodeId, level: int, *, waits: bool = True) -> bool:
    """Whether a thumbnail is made or was sent for a file; False: the picture itself is small enough.

    Args:
        waits: what the content is may be read from it now; otherwise that is refused.
    Raises:
        NotFound: no such file.
        Refused: it has no thumbnails, they or its content still come in, or none could be made.
    """
    row, extras = isync.files.find(who, node, Rights.READ)
    status = extras.screen if level else extras.thumb
    known = None if row is None else isync.services.media.facts_of([row]).get(node)
    kind = extras.kind
    if kind is None:
        assert row is not None, "whoever announces a file says what it is"
        kind = kind_of(row.name) if known is None else known.kind
    if kind not in _WITH_THUMB:
        raise Refused(Code.WRONG_TYPE)
    if status is PartStatus.BROKEN:
        raise Refused(Code.NO_THUMBNAIL)
    if status is PartStatus.UPLOADING or (status is PartStatus.LOCAL and (row is None or extras.upload is not None)):
        raise Refused(Code.WAITING)
    if status is not PartStatus.LOCAL or kind != MediaKind.IMAGE or row is None:
        return True
    if known is None:
        if not waits:
            raise Refused(Code.WAITING)
        state, known = isync.services.media.facts(who, node)
        if state is not MediaState.READ:
            return True
    large = max(known.width or SIZES[1] + 1, known.height or SIZES[1] + 1) > SIZES[level]
    return large or content_type(row.name)[1] is not Disposition.INLINE


# --- sending ------------------------------------------------------------------------------------------------------------


def one_range(header: str | None, size: int) -> ByteRange | None:
    """The one range of bytes that is asked for; None: send everything, as for several ranges and for what is malformed.

    Raises:
        RangeNotSatisfiable: it begins behind the end, its last bytes are more than there are, or its unit is not bytes.
    """
    if header is None or len(header) > 256:
        return None
    unit, equals, listed = header.partition("=")
    if not equals or "," in listed:
        return None
    if unit.strip(" \t").lower() != "bytes":
        raise RangeNotSatisfiable(size)
    found = _RANGE.fullmatch(listed)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        if not 0 < int(last) <= size:
            raise RangeNotSatisfiable(size)
        return ByteRange(size - int(last), size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, min(int(last) + 1, size) if last else size)


def _decide(method: str, headers: Mapping[str, str], facts: Facts, now_s: int) -> Plan:
    """As these calls have it: no conditions, one range."""
    wanted = one_range(headers.get("Range"), facts.size) if method == "GET" else None
    if wanted is not None:
        return Plan(206, (wanted,))
    return Plan(200, (ByteRange(0, facts.size),) if facts.size else ())


def _ranged(desk: Desk, handler: Handler) -> Handler:
    """A handler of content, with the answer for ranges that it does not have."""

    async def answer(request: Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RangeNotSatisfiable as error:
            response = desk.failure(Code.BAD_PARAMETER, 416)
            response.headers["Content-Range"] = f"bytes */{error.size}"
            return response

    return answer


async def _send(desk: Desk, request: Request, content: OpenContent) -> web.StreamResponse:
    kind, disposition = content_type(content.name)
    facts = Facts(
        size=content.size,
        etag=EntityTag(content.etag.strip('"')),
        mtime_s=max(0, content.mtime_ns // 1_000_000_000),
        content_type=kind,
        name=content.name,
        disposition=disposition,
        headers=SAFE,
    )
    executor = desk.border.executor
    if content.opened.fd is None:
        source = BlockSource(facts, content.opened.read_at, content.close)
        return await send_blocks(request, source, executor=executor, decide=_decide)
    return await send_file(request, FileSource(facts, content.opened.detach()), executor=executor, decide=_decide)


def _send_bytes(request: Request, thumb: Thumb) -> web.StreamResponse:
    facts = Facts(
        size=len(thumb.body),
        etag=EntityTag(thumb.etag.strip('"')),
        mtime_s=max(0, thumb.mtime_ns // 1_000_000_000),
        content_type=thumb.content_type,
        headers=SAFE,
    )
    chosen = _decide(request.method, request.headers, facts, 0)
    headers = response_headers(facts, chosen)
    body = thumb.body[chosen.ranges[0].start : chosen.ranges[0].stop] if chosen.ranges else b""
    return web.Response(status=chosen.status, headers=headers, body=body)
