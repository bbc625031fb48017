"""Thumbnails: those a client sent, and those made of the content; kept in a cache, made again whenever they are not there."""

import os
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.extras import Extras, ExtrasRows, PartStatus
from homestow.server.ports.media import (
    SIZES,
    MediaKind,
    MediaState,
    MediaTools,
    SentSink,
    SentThumbs,
    ThumbCache,
)
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.contents import Contents
from homestow.server.service.media import Media, opened
from homestow.values.errors import MediaBroken, NotFound, WrongKind
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind

_SHOWN: Final = frozenset({MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO})
_TYPES: Final = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Thumb:
    """A thumbnail.

    Attributes:
        content_type: told by its first bytes; `application/octet-stream` for what a client sent and we do not know.
        etag: strong validator, in quotes.
        rev, mtime_ns: of the content it shows; those of the node for what a client sent.
    """

    content_type: str
    body: bytes
    etag: str
    rev: int
    mtime_ns: int


class Thumbnails:
    """Thumbnails of files by level: 0 at most 100 × 100 pixels, 1 at most 800 × 800 (`SIZES`)."""

    def __init__(
        self, catalogue: Catalogue, access: Access, contents: Contents, media: Media, extras: ExtrasRows,
        tools: MediaTools, cache: ThumbCache, sent: SentThumbs,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._contents = contents
        self._media = media
        self._extras = extras
        self._tools = tools
        self._cache = cache
        self._sent = sent
        self._epoch = catalogue.epoch()[:8]
        self._lock = threading.Lock()
        self._making: dict[NodeId, threading.Event] = {}
        media.outdated = sent.drop

    def get(self, who: Principal, node: NodeId, level: int) -> Thumb:
        """A file's thumbnail: what a client sent, else from the cache, else made now. May take seconds.

        Raises:
            NotFound: no such file, or what a client sent is gone.
            WrongKind: no file, or neither picture nor film.
            MediaBroken: none can be made; remembered until the file has other content.
            Busy: it cannot be made just now.
        """
        row = self._access.node(who, node, Rights.READ, Kind.FILE)
        extras = self._extras.extras([node]).get(node)
        if _status(extras, level) is PartStatus.UPLOADED:
            self._media.known(row)  # with a content that is new since, what was sent counts no longer
            extras = self._extras.extras([node]).get(node)
        if _status(extras, level) is PartStatus.UPLOADED:
            return self._sent_thumb(row, level)
        for _ in range(_TRIES):
            body = self._cache.get(row.id, row.rev, SIZES[level])
            if body is not None:
                return self._thumb(row, level, body)
            body = self.make(row, level).get(SIZES[level])
            if body is not None:
                return self._thumb(row, level, body)
            # Another one was making it and it was evicted at once, or the file has other content by now.
            row = self._access.node(who, node, Rights.READ, Kind.FILE)
        raise MediaBroken("No thumbnail can be made of this file.")

    def at_hand(self, who: Principal, node: NodeId, level: int, *, none_sent: bool = False) -> Thumb | None:
        """The same in a few microseconds when it lies in memory; None when it takes `get` to answer.

        Args:
            none_sent: the caller knows that no client sent one.
        Raises:
            NotFound, WrongKind: as `get`.
        """
        row = self._access.node(who, node, Rights.READ, Kind.FILE)
        if not none_sent and self._sent.size(node, level):
            return None
        body = self._cache.get(node, row.rev, SIZES[level], at_hand=True)
        return None if body is None else self._thumb(row, level, body)

    def make(self, row: NodeRow, level: int | None = None) -> dict[int, bytes]:
        """Make all sizes of a file's thumbnail and keep them; {} when another one did meanwhile.

        Args:
            level: which one is waited for; None: nobody waits.
        Raises:
            MediaBroken, WrongKind, Busy: as `get`.
        """
        with self._lock:
            other = self._making.get(row.id)
            if other is None:
                mine = self._making[row.id] = threading.Event()
        if other is not None:
            other.wait()
            return {}
        try:
            return self._make(row, level)
        finally:
            with self._lock:
                del self._making[row.id]
            mine.set()

    def ahead(self, row: NodeRow) -> None:
        """Make a file's thumbnails before anybody asks, unless they are there or cannot be made.

        Raises:
            CloudError: why not.
        """
        if not self._cache.has(row.id, row.rev, SIZES[0]):
            with suppress(MediaBroken, WrongKind):
                self.make(row)

    # --- what clients send ----------------------------------------------------------------------------------------
    # Whether a node may be written to, and when a part is complete, is for those to say who speak with the client.

    def sent_size(self, node: NodeId, level: int) -> int:
        """Bytes of a client's thumbnail that are durable."""
        return self._sent.size(node, level)

    def append(self, node: NodeId, level: int, offset: int) -> SentSink:
        """Take more of a client's thumbnail from `offset` on; below what is there cuts it off.

        Raises:
            WrongOffset: above what is there.
            Busy: another piece of it is coming in.
        """
        return self._sent.append(node, level, offset)

    def sent(self, node: NodeId, level: int) -> BinaryIO | None:
        """What a client sent so far; the caller closes it."""
        return self._sent.open(node, level)

    def drop(self, node: NodeId) -> None:
        """Forget what clients sent for a node."""
        self._sent.drop(node)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _make(self, row: NodeRow, level: int | None) -> dict[int, bytes]:
        ahead = level is None
        state, facts = self._media.known(row, ahead)
        if facts.kind not in _SHOWN:
            raise WrongKind(f"{row.name!r} is neither picture nor film; it has no thumbnail.")
        # Asked after its facts were read: reading those of a new content takes back what was said of an old one.
        extras = self._extras.extras([row.id]).get(row.id)
        statuses = {_status(extras, at) for at in ((0, 1) if level is None else (level,))}
        if PartStatus.BROKEN in statuses:
            raise MediaBroken("No thumbnail can be made of this file.")
        try:
            if state is MediaState.BROKEN:  # somebody took the status back, or nobody tried yet: once more
                state, facts = self._media.known(row, ahead, anew=True)
            if state is MediaState.BROKEN:
                raise MediaBroken("The file is damaged, or none of the formats that can be shown.")
            with opened(self._contents, row) as (content, descriptor):
                if content.rev != row.rev:
                    return {}
                pictures = self._tools.thumbnail(descriptor, facts, SIZES, ahead)
        except MediaBroken:
            self._set_broken(row)
            raise
        self._cache.put(row.id, row.rev, pictures)
        return pictures

    def _set_broken(self, row: NodeRow) -> None:
        def broken(now: Extras) -> Extras:
            return replace(
                now,
                thumb=PartStatus.BROKEN if now.thumb is PartStatus.LOCAL else now.thumb,
                screen=PartStatus.BROKEN if now.screen is PartStatus.LOCAL else now.screen,
            )

        extras = self._extras.extras([row.id]).get(row.id)
        if extras is None or PartStatus.LOCAL in (extras.thumb, extras.screen):
            self._extras.change(row.id, row.root, broken)

    def _thumb(self, row: NodeRow, level: int, body: bytes) -> Thumb:
        return Thumb(type_of(body), body, f'"{self._epoch}-{row.id}-{row.rev}-{SIZES[level]}"', row.rev, row.mtime_ns)

    def _sent_thumb(self, row: NodeRow, level: int) -> Thumb:
        file = self._sent.open(row.id, level)
        if file is None:
            raise NotFound("The thumbnail that was sent for this file is gone.")
        with file:
            body = file.read()
            stamp = os.fstat(file.fileno()).st_mtime_ns
        return Thumb(
            type_of(body), body, f'"{self._epoch}-{row.id}-{row.rev}-{SIZES[level]}-{stamp:x}"', row.rev, row.mtime_ns
        )


def dead_revs(catalogue: Catalogue, keys: Collection[tuple[NodeId, int]]) -> list[tuple[NodeId, int]]:
    """Which of some nodes' revs are of no use any more: the node has other content, or nothing of it is left."""
    rows = catalogue.nodes({node for node, _ in keys})
    return [
        (node, rev)
        for node, rev in keys
        if (row := rows.get(node)) is None or row.rev != rev or (row.gone and row.kept is None)
    ]


def type_of(body: bytes) -> str:
    """MIME type of a picture by its first bytes."""
    for magic, name in _TYPES:
        if body.startswith(magic):
            return name
    return "image/webp" if body[:4] == b"RIFF" and body[8:12] == b"WEBP" else "application/octet-stream"


def _status(extras: Extras | None, level: int) -> PartStatus:
    if extras is None:
        return PartStatus.LOCAL
    return extras.screen if level else extras.thumb
