"""Cached thumbnails by the express lane: the same answer as `thumbnail.icc` gives, for pictures that lie in memory."""

import re
import time
from typing import Final

from homestow.server.fronts.http.content_types import SAFE
from homestow.server.fronts.http.express import Plain, answer
from homestow.server.fronts.http.ranges import http_date
from homestow.server.fronts.isync.binding import Desk
from homestow.server.fronts.isync.contents import thumb_at_hand
from homestow.server.ports.extras import PartStatus
from homestow.server.rules.access import Principal
from homestow.server.service.thumbnails import Thumb
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId
from homestow.wire.isync import read_cookie

MOST_BYTES: Final = 512 * 1024
_MOST_MADE: Final = 100_000
_QUERY: Final = re.compile(rb"id=([1-9][0-9]{0,17})(?:&level=([0-9]))?")
_SAFE: Final = "".join(f"{name}: {value}\r\n" for name, value in SAFE.items())


class SmallThumbs:
    """Answers `GET /thumbnail.icc?id=…&level=…` of somebody who is logged in; nothing else.

    Every error, and whatever is not at hand, is left to the ordinary way. A request that names the page it comes from has a
    header that the express lane does not know, so none of another site gets here (S26).
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: set[tuple[NodeId, int, int, int | None]] = set()
        """Contents of which thumbnails are made, by what decides that: it never changes for a content."""

    def __call__(self, asked: Plain, secure: bool) -> bytes | None:
        """The whole answer, or None."""
        if asked.path != b"/thumbnail.icc":
            return None
        found = _QUERY.fullmatch(asked.query)
        token = read_cookie(asked.headers.get(b"cookie", b"").decode("ascii"))
        if found is None or token is None:
            return None
        node, level = NodeId(int(found[1])), int(found[2] not in (None, b"0"))
        return self._desk.border.at_hand(lambda: self._answer(node, level, token, secure))

    def _answer(self, node: NodeId, level: int, token: str, secure: bool) -> bytes | None:
        isync = self._desk.isync
        who = isync.sessions.known(token)
        if who is None:
            return None
        thumb = self._thumb(who, node, level)
        if thumb is None or len(thumb.body) > MOST_BYTES:
            return None
        return answer(_fields(thumb), thumb.body, int(time.time()), secure)

    def _thumb(self, who: Principal, node: NodeId, level: int) -> Thumb | None:
        """As `thumb_at_hand`, with fewer questions where the content is known to have thumbnails."""
        isync = self._desk.isync
        extras = isync.extras.extras([node]).get(node)
        if extras is not None and (
            extras.upload is not None or (extras.thumb, extras.screen)[level] is not PartStatus.LOCAL
        ):
            return None
        try:
            thumb = isync.services.thumbnails.at_hand(who, node, level, none_sent=True)
        except CloudError:
            return None
        if thumb is None:
            return None
        key = (node, level, thumb.rev, None if extras is None else extras.kind)
        if key not in self._made:
            if thumb_at_hand(isync, who, node, level) is None:
                return None
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            self._made.add(key)
        return thumb


def _fields(thumb: Thumb) -> str:
    return (
        f"Cache-Control: private, no-cache\r\nETag: {thumb.etag}\r\n"
        f"Last-Modified: {http_date(max(0, thumb.mtime_ns // 1_000_000_000))}\r\nAccept-Ranges: bytes\r\n"
        f"Content-Type: {thumb.content_type}\r\nContent-Length: {len(thumb.body)}\r\n{_SAFE}"
    )
