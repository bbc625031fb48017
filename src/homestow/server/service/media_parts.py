"""Media facts, thumbnails, and who works at them in idle time, put together over their ports."""

from dataclasses import dataclass

from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import ExtrasRows
from homestow.server.ports.media import MediaRows, MediaTools, SentThumbs, ThumbCache
from homestow.server.service.core import Core
from homestow.server.service.media import Media
from homestow.server.service.media_idle import MediaIdle
from homestow.server.service.roots import Roots
from homestow.server.service.thumbnails import Thumbnails


@dataclass(frozen=True, slots=True)
class MediaStores:
    """Where facts and thumbnails are kept, and what reads contents."""

    rows: MediaRows
    extras: ExtrasRows
    tools: MediaTools
    cache: ThumbCache
    sent: SentThumbs


@dataclass(frozen=True, slots=True)
class MediaParts:
    """`idle.start()` beside a server; `idle.stop()` before the core is closed, started or not."""

    media: Media
    thumbnails: Thumbnails
    idle: MediaIdle


def make_media(core: Core, roots: Roots, stores: MediaStores, clock: Clock, *, readers: int = 2) -> MediaParts:
    """Put them together.

    Args:
        readers: how many files `Media.read` has read at the same time.
    """
    media = Media(core.catalogue, core.access, core.contents, stores.rows, stores.extras, stores.tools, readers)
    thumbnails = Thumbnails(
        core.catalogue, core.access, core.contents, media, stores.extras, stores.tools, stores.cache, stores.sent
    )
    idle = MediaIdle(
        core.catalogue,
        roots,
        media,
        thumbnails,
        stores.rows,
        stores.extras,
        stores.tools,
        stores.cache,
        stores.sent,
        clock,
    )
    return MediaParts(media, thumbnails, idle)
