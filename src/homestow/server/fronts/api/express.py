"""Small contents and thumbnails by the express lane: what `content` and `thumbnail` answer, for what is at hand."""

import os
import re
import time
from functools import lru_cache
from typing import Final

from homestow.server.fronts.api.binding import Bench
from homestow.server.fronts.http.disposition import Disposition, content_disposition
from homestow.server.fronts.http.express import Plain, answer
from homestow.server.fronts.http.ranges import http_date
from homestow.server.ports.media import SIZES
from homestow.server.service.contents import OpenContent
from homestow.server.service.thumbnails import Thumb
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId
from homestow.wire.api import EPOCH_HEADER, PREFIX

MOST_BYTES: Final = 64 * 1024
MOST_THUMB_BYTES: Final = 512 * 1024
_CONTENT: Final = re.compile(PREFIX.encode() + rb"/nodes/([1-9][0-9]{0,17})/content")
_THUMBNAIL: Final = re.compile(PREFIX.encode() + rb"/nodes/([1-9][0-9]{0,17})/thumbnail")
_LEVELS: Final = {b"": 0, **{f"size={size}".encode(): level for level, size in enumerate(SIZES)}}
_EPOCH: Final = EPOCH_HEADER.lower().encode()
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)


class SmallContents:
    """Answers `GET /nodes/{node}/content` and `…/thumbnail` where login, row, file and bytes are all in memory; nothing else.

    Every error, and whatever is not at hand, is left to the ordinary way.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._services = bench.services

    def __call__(self, asked: Plain, secure: bool) -> bytes | None:
        """The whole answer, or None."""
        level: int | None = None
        found = _CONTENT.fullmatch(asked.path)
        if found is None:
            found, level = _THUMBNAIL.fullmatch(asked.path), _LEVELS.get(asked.query)
            if found is None or level is None:
                return None
        elif asked.query:
            return None
        scheme, _, token = asked.headers.get(b"authorization", b"").partition(b" ")
        if scheme != b"Bearer":
            return None
        epoch = self._services.epoch()
        if asked.headers.get(_EPOCH, epoch.encode()) != epoch.encode():
            return None
        node, text = NodeId(int(found[1])), token.decode()
        if level is None:
            return self._bench.border.at_hand(lambda: self._answer(node, text, epoch, secure))
        return self._bench.border.at_hand(lambda: self._thumbnail(node, level, text, epoch, secure))

    def _answer(self, node: NodeId, token: str, epoch: str, secure: bool) -> bytes | None:
        who = self._services.accounts.known(token)
        if who is None:
            return None
        try:
            content = self._services.downloads.content_at_hand(who, node)
        except CloudError:
            return None
        if content is None:
            return None
        try:
            body = _read(content)
        finally:
            content.close()
        if body is None:
            return None
        return answer(_fields(content, epoch), body, int(time.time()), secure)

    def _thumbnail(self, node: NodeId, level: int, token: str, epoch: str, secure: bool) -> bytes | None:
        who = self._services.accounts.known(token)
        if who is None:
            return None
        try:
            thumb = self._services.thumbnails.at_hand(who, node, level)
        except CloudError:
            return None
        if thumb is None or len(thumb.body) > MOST_THUMB_BYTES:
            return None
        return answer(_thumb_fields(thumb, epoch), thumb.body, int(time.time()), secure)


def _thumb_fields(thumb: Thumb, epoch: str) -> str:
    return (
        f"Cache-Control: private, no-cache\r\nETag: {thumb.etag}\r\n"
        f"Last-Modified: {http_date(max(0, thumb.mtime_ns // 1_000_000_000))}\r\nAccept-Ranges: bytes\r\n"
        f"Content-Type: {thumb.content_type}\r\nContent-Length: {len(thumb.body)}\r\n"
        f"{EPOCH_HEADER}: {epoch}\r\nHomestow-Rev: {thumb.rev}\r\n"
    )


def _read(content: OpenContent) -> bytes | None:
    """All bytes of a small file that lies in memory."""
    fd, size = content.opened.fd, content.size
    if fd is None or not 0 < size <= MOST_BYTES or not _NOWAIT:
        return None
    buffer = bytearray(size)
    try:
        got = os.preadv(fd, [buffer], 0, _NOWAIT)
    except OSError:
        return None
    return bytes(buffer) if got == size else None


def _fields(content: OpenContent, epoch: str) -> str:
    return (
        f"Cache-Control: private, no-cache\r\nETag: {content.etag}\r\n"
        f"Last-Modified: {http_date(max(0, content.mtime_ns // 1_000_000_000))}\r\nAccept-Ranges: bytes\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {content.size}\r\n"
        f"Content-Disposition: {_saved_as(content.name)}\r\n{EPOCH_HEADER}: {epoch}\r\nHomestow-Rev: {content.rev}\r\n"
    )


@lru_cache(maxsize=4096)
def _saved_as(name: str) -> str:
    return content_disposition(Disposition.ATTACHMENT, name)
