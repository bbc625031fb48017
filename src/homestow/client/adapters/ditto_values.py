"""Files, blocks and events of the Ditto services as a program holds them, and the address of a server."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from homestow.client.adapters.tcp_address import TcpAddress, parse_address
from homestow.wire.ditto import ditto_pb2 as pb

DEFAULT_PORT: Final = 50051


class FileStatus(IntEnum):
    """How far an announced file is; `WRITTEN`: it is an ordinary file."""

    CREATED = 1
    UPLOADING = 2
    UPLOADED = 3
    WRITTEN = 4


class BlockStatus(IntEnum):
    """How far a block is; `NONE`: it is not there."""

    NONE = 1
    UPLOADED = 3
    WRITTEN = 4


class EventKind(IntEnum):
    """What an event tells."""

    FILE_WRITTEN = 2
    FILE_UPLOADED = 3
    FILEBLOCK_UPLOADED = 4
    FILE_TOUPLOAD_COMMANDED = 5
    FILEBLOCK_TOUPLOAD_COMMANDED = 6


@dataclass(frozen=True, slots=True)
class DittoFile:
    """A file.

    Attributes:
        uuid: its name in all calls.
        size: bytes.
        md5: 32 hexadecimal digits, "" when it is not known.
        created_ns, written_ns: nanoseconds since 1970; None: not told, or not yet.
    """

    uuid: str
    name: str
    size: int
    type: str
    md5: str
    status: FileStatus
    created_ns: int | None
    written_ns: int | None


@dataclass(frozen=True, slots=True)
class DittoBlock:
    """A block: its number from 0 on, its size in bytes, its MD5 (32 hexadecimal digits, "" when it is not known)."""

    no: int
    size: int
    md5: str
    status: BlockStatus


@dataclass(frozen=True, slots=True)
class DittoEvent:
    """An event.

    Attributes:
        uuid: the same each time it is told.
        created_ns: when it came about, nanoseconds since 1970.
        file: uuid of the file; "" for `FILE_TOUPLOAD_COMMANDED`.
        size: bytes of the file, or of the block; 0 where a command does not know it.
        block_no: of the two kinds that tell of a block, else 0.
        md5: 32 hexadecimal digits, "" when it is not known.
        start_ns, end_ns: of `FILE_TOUPLOAD_COMMANDED`: the wanted files' time, both ends included; else 0.
    """

    uuid: str
    kind: EventKind
    created_ns: int
    file: str = ""
    size: int = 0
    block_no: int = 0
    md5: str = ""
    start_ns: int = 0
    end_ns: int = 0


class DittoTokens(NamedTuple):
    """A login: the access token, until when it counts (seconds since 1970), and the token that gives the next ones."""

    access: str
    until_s: float
    refresh: str = ""

    def __repr__(self) -> str:
        return f"DittoTokens(until_s={self.until_s})"


@dataclass(frozen=True, slots=True)
class DittoAccess:
    """Who asks: the registered client, and the user; `password` None: a login is there already, or `http` renews it."""

    client_id: str
    client_secret: str = field(repr=False)
    user: str
    password: str | None = field(default=None, repr=False)


DittoAddress = TcpAddress


def parse_ditto(text: str, *, tls: bool = False) -> DittoAddress:
    """Read host and port, also as `ditto://host:port` or `dittos://host:port` (TLS); the port may be left out.

    Args:
        tls: secured also where the address does not say so.
    Raises:
        BadSettings: another scheme, no host, or more than host and port.
    """
    problem = f"{text!r} is not the address of a Ditto server. It looks like host:50051 or dittos://host."
    return parse_address(text, "ditto", DEFAULT_PORT, problem, tls=tls, others=("http", "https"))


def file_of(message: pb.DittoFile) -> DittoFile:
    """The file of a message; a status that nobody knows counts as not begun."""
    status = FileStatus(message.status) if message.status in _FILE_STATUSES else FileStatus.CREATED
    return DittoFile(
        message.uuid, message.name, message.size, message.type, message.md5, status,
        message.created.ToNanoseconds() if message.HasField("created") else None,
        message.written.ToNanoseconds() if message.HasField("written") else None,
    )  # fmt: skip


def block_of(message: pb.DittoFileBlock) -> DittoBlock:
    """The block of a message; a status that nobody knows counts as not there."""
    status = BlockStatus(message.status) if message.status in _BLOCK_STATUSES else BlockStatus.NONE
    return DittoBlock(message.block_no, message.block_size, message.md5, status)


def event_of(message: pb.Event) -> DittoEvent | None:
    """The event of a message; None for a kind that this version does not know."""
    uuid, at = message.event_uuid, message.created.ToNanoseconds()
    match message.WhichOneof("event_union"):
        case "file_written_event":
            written = message.file_written_event
            return DittoEvent(uuid, EventKind.FILE_WRITTEN, at, written.file_uuid, written.file_size, md5=written.md5)
        case "file_uploaded_event":
            sent = message.file_uploaded_event
            return DittoEvent(uuid, EventKind.FILE_UPLOADED, at, sent.file_uuid, sent.file_size, md5=sent.md5)
        case "fileblock_uploaded_event":
            block = message.fileblock_uploaded_event
            return DittoEvent(
                uuid, EventKind.FILEBLOCK_UPLOADED, at, block.file_uuid, block.block_size, block.block_no, block.md5
            )
        case "file_toupload_commanded_event":
            wanted = message.file_toupload_commanded_event
            return DittoEvent(
                uuid, EventKind.FILE_TOUPLOAD_COMMANDED, at,
                start_ns=wanted.start.ToNanoseconds(), end_ns=wanted.end.ToNanoseconds(),
            )  # fmt: skip
        case "fileblock_toupload_commanded_event":
            part = message.fileblock_toupload_commanded_event
            return DittoEvent(
                uuid, EventKind.FILEBLOCK_TOUPLOAD_COMMANDED, at, part.file_uuid, part.block_size, part.block_no
            )
        case _:
            return None


_FILE_STATUSES = frozenset(map(int, FileStatus))
_BLOCK_STATUSES = frozenset(map(int, BlockStatus))
