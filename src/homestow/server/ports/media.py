"""What a content shows as a picture, a film or a sound: the facts as rows, and the tools that read them from bytes.

Tools see nothing but one open file and a limit; they run apart from the server, without network (S95, S96).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import IntEnum
from typing import BinaryIO, NamedTuple, Protocol

from homestow.server.rules.media_kinds import MediaKind as MediaKind
from homestow.values.ids import NodeId, RootId

SIZES = (100, 800)
"""Longest sides of thumbnails in pixels, by level."""

MOST_SENT_BYTES = 32 * 1024 * 1024
"""The largest thumbnail a client may send."""


class MediaState(IntEnum):
    """Whether the facts could be read from the content."""

    READ = 1
    BROKEN = 2


class Facts(NamedTuple):
    """Facts of one content.

    Attributes:
        format: name of the format in capitals such as JPEG, MP4; the file's extension where it is no known format.
        width, height: in pixels as it is displayed, so after `orientation`; None without a picture.
        orientation: EXIF numbers 1 to 8, None: not told.
        duration_s: seconds of a film, a sound or an animation.
        taken_ns: when it was taken, nanoseconds since 1970; a camera's time without zone counts as UTC.
        latitude, longitude: degrees, north and east positive.
        codec: of the picture, else of the sound, as ffmpeg calls it.
    """

    kind: MediaKind
    format: str
    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    duration_s: float | None = None
    taken_ns: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    codec: str | None = None


class MediaRow(NamedTuple):
    """Facts of a node's content at a rev; `stamp` grows with each change of any row of media or extras."""

    node: NodeId
    stamp: int
    rev: int
    state: MediaState
    facts: Facts


class MediaRows(Protocol):
    """Facts as rows. Writing is one relaxed transaction per call: they can be read from the content again."""

    def media(self, nodes: Collection[NodeId]) -> dict[NodeId, MediaRow]:
        """Rows of nodes; those never read are left out. A row of another rev than the node's is out of date."""

    def set_media(self, rows: Iterable[tuple[NodeId, int, MediaState, Facts]]) -> None:
        """Remember (node, rev, state, facts), each in place of what was known of the node."""

    def unread(self, root: RootId, after: NodeId, limit: int) -> list[NodeId]:
        """Live files of a root, named as media are (see `rules.media_kinds`), whose facts are missing or out of date, by id."""

    def drop_orphans(self, limit: int) -> int:
        """Remove rows of nodes of which nothing is left; how many."""


class MediaTools(Protocol):
    """Reads contents. Safe to call from any thread; each call waits for a free worker. `descriptor` stays the caller's.

    Args:
        ahead: nobody waits for the answer: whoever does goes first.
    Raises:
        Busy: no worker could be had, or the machine was too slow just now; nothing is said about the content.
    """

    def facts(self, descriptor: int, name: str, ahead: bool = False) -> Facts:
        """Facts of the file open at `descriptor`; `name` only for its extension.

        Raises:
            MediaBroken: it claims to be media and cannot be read, or reading went over the limits of time or memory.
        """

    def thumbnail(self, descriptor: int, facts: Facts, sizes: Collection[int], ahead: bool = False) -> dict[int, bytes]:
        """Pictures of at most `size` × `size` pixels each: proportional, never enlarged, upright; JPEG, or PNG where it shines
        through.

        Raises:
            MediaBroken: no picture can be made of it.
        """

    def rest(self) -> None:
        """End workers that had nothing to do for a while; to be called now and then."""

    def close(self) -> None:
        """End all workers."""


class ThumbCache(Protocol):
    """Thumbnails that can be made again, under a budget of bytes: what was not asked for longest goes first.

    Whoever deletes from it by hand takes nothing but time. What it gives for (node, rev, size) is what was put there, whole.
    """

    def get(self, node: NodeId, rev: int, size: int, *, at_hand: bool = False) -> bytes | None:
        """A picture; None when it is not there, or (`at_hand`) not in memory."""

    def put(self, node: NodeId, rev: int, pictures: Mapping[int, bytes]) -> None:
        """Keep pictures by size. A disk that is full or failing is told in the log: the cache may be without them."""

    def has(self, node: NodeId, rev: int, size: int) -> bool:
        """Whether a picture is there."""

    def fill(self) -> float:
        """How much of the budget is used, 1.0: all of it."""

    def tidy(self, dead: Callable[[Collection[tuple[NodeId, int]]], Collection[tuple[NodeId, int]]]) -> None:
        """Go through everything: remove what is of no use any more (`dead` tells which of some nodes' revs), then keep the
        budget."""


class SentSink(Protocol):
    """Takes one more piece of a thumbnail that a client sends."""

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes. `TooLarge` past `MOST_SENT_BYTES`, `StorageFull`, `StorageFailed`; what came before stays."""

    def finish(self) -> int:
        """All is here and durable; the size from the first byte on. May be called again."""

    def abort(self) -> None:
        """It broke off: what came stays and counts. May be called after `finish`."""


class SentThumbs(Protocol):
    """Thumbnails that clients sent, by node and level; kept until dropped. Whether one is complete is known elsewhere."""

    def size(self, node: NodeId, level: int) -> int:
        """Bytes that are there, 0 for none."""

    def append(self, node: NodeId, level: int, offset: int) -> SentSink:
        """Go on at an offset; what lies behind it is cut off.

        Raises:
            WrongOffset: it is above what is there; fact `expected`.
            Busy: another piece of it is coming in.
            StorageFull, StorageFailed: the disk.
        """

    def open(self, node: NodeId, level: int) -> BinaryIO | None:
        """What is there; the caller closes it."""

    def drop(self, node: NodeId) -> None:
        """Remove what was sent for a node."""

    def nodes(self) -> list[NodeId]:
        """Nodes for which something was sent."""
