"""What a content shows as a picture, a film or a sound: the facts as rows, and the tools that read them from bytes.

Tools see nothing but one open file and a limit; they run apart from the server, without network (S95, S96).
"""

from collections.abc import Collection, Iterable
from enum import IntEnum
from typing import NamedTuple, Protocol

from homestow.values.ids import NodeId, RootId


class MediaKind(IntEnum):
    """What kind of content it is; the numbers are those of the isync calls."""

    IMAGE = 1
    GIF = 2
    VIDEO = 4
    AUDIO = 8
    OTHER = 16


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
        """Live files of a root whose facts are missing or out of date, by id."""

    def drop_orphans(self, limit: int) -> int:
        """Remove rows of nodes of which nothing is left; how many."""


class MediaTools(Protocol):
    """Reads contents. Safe to call from any thread; each call waits for a free worker. `descriptor` stays the caller's."""

    def facts(self, descriptor: int, name: str) -> Facts:
        """Facts of the file open at `descriptor`; `name` only for its extension.

        Raises:
            MediaBroken: it claims to be media and cannot be read, or reading went over the limits of time or memory.
        """

    def thumbnail(self, descriptor: int, facts: Facts, sizes: Collection[int]) -> dict[int, bytes]:
        """Pictures of at most `size` × `size` pixels each: proportional, never enlarged, upright; JPEG, or PNG where it shines
        through.

        Raises:
            MediaBroken: no picture can be made of it.
        """

    def close(self) -> None:
        """End all workers."""
