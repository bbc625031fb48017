"""The service's facts as Ditto messages, and the other way round."""

import base64
import binascii
from collections.abc import Collection

from google.protobuf.timestamp_pb2 import Timestamp

from homestow.server.ports.ditto import EventKind, Stage
from homestow.server.service.ditto_events import EventView
from homestow.server.service.ditto_files import BlockView, FileView
from homestow.server.service.md5s import parse_md5
from homestow.values.errors import BadRequest
from homestow.wire.ditto import ditto_pb2 as pb
from homestow.wire.ditto.calls import MAX_PAGE, USUAL_PAGE

_SECOND = 1_000_000_000
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


def timestamp(at_ns: int) -> Timestamp:
    """A time; one that a Timestamp cannot say is the nearest that it can."""
    seconds, nanos = divmod(at_ns, _SECOND)
    return Timestamp(seconds=min(max(seconds, _FIRST_S), _LAST_S), nanos=nanos)


def nanoseconds(at: Timestamp) -> int:
    """Nanoseconds since 1970."""
    return at.seconds * _SECOND + at.nanos


def md5_given(text: str) -> bytes | None:
    """A declared MD5; None where none is.

    Raises:
        BadRequest: it has not 32 hexadecimal digits.
    """
    return parse_md5(text) if text else None


def file_message(view: FileView) -> pb.DittoFile:
    """A file."""
    return pb.DittoFile(
        uuid=str(view.uuid),
        name=view.name,
        size=view.size,
        type=view.type,
        md5="" if view.md5 is None else view.md5.hex(),
        status=pb.DittoFile.Status.Name(int(view.stage)),
        created=None if view.created_ns is None else timestamp(view.created_ns),
        written=None if view.written_ns is None else timestamp(view.written_ns),
    )


_BLOCK_STATUS = {
    None: pb.DittoFileBlock.NONE,
    Stage.UPLOADED: pb.DittoFileBlock.UPLOADED,
    Stage.WRITTEN: pb.DittoFileBlock.WRITTEN,
}
_STAGES = {
    pb.DittoFileBlock.NONE: Stage.CREATED,
    pb.DittoFileBlock.UPLOADED: Stage.UPLOADED,
    pb.DittoFileBlock.WRITTEN: Stage.WRITTEN,
}


def block_message(view: BlockView) -> pb.DittoFileBlock:
    """A block, without its bytes."""
    return pb.DittoFileBlock(
        block_no=view.no,
        block_size=view.size,
        md5="" if view.md5 is None else view.md5.hex(),
        status=_BLOCK_STATUS[view.stage],
    )


def file_stage(request: pb.ListFilesRequest) -> Stage | None:
    """Which files are wanted; None: all.

    Raises:
        BadRequest: no such status.
    """
    if not request.HasField("status") or request.status == pb.DittoFile.STATUS_UNSPECIFIED:
        return None
    try:
        return Stage(request.status)
    except ValueError:
        raise BadRequest("A file's status is CREATED, UPLOADING, UPLOADED or WRITTEN.") from None


def block_stage(request: pb.ListFileBlocksRequest) -> Stage | None:
    """Which blocks are wanted; None: all. Raises as `file_stage`."""
    if not request.HasField("status") or request.status == pb.DittoFileBlock.STATUS_UNSPECIFIED:
        return None
    if request.status not in _STAGES:
        raise BadRequest("A block's status is NONE, UPLOADED or WRITTEN.")
    return _STAGES[request.status]


def page_size(asked: int) -> int:
    """How many to give: what was asked for as far as that is allowed, a usual number when nothing was.

    Raises:
        BadRequest: below 0.
    """
    if asked < 0:
        raise BadRequest("A page has 1 or more entries; 0 leaves the number to the server.")
    return min(asked, MAX_PAGE) or USUAL_PAGE


def page_token(after: int) -> str:
    """The token of the page after a number; "" when there is none."""
    return base64.urlsafe_b64encode(after.to_bytes(8, "big")).decode().rstrip("=") if after else ""


def read_page_token(token: str) -> int:
    """The number in a page token.

    Raises:
        BadRequest: it is none of ours.
    """
    if not token:
        return 0
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    number = int.from_bytes(raw, "big") if len(raw) == 8 else 0
    if page_token(number) != token or number >= 1 << 63:
        raise BadRequest("This page_token was not given by this server.")
    return number


def kinds_of(watches: Collection[int]) -> frozenset[EventKind]:
    """Which events are wanted; none named: all.

    Raises:
        BadRequest: a type that is none.
    """
    try:
        return frozenset(map(EventKind, watches)) or frozenset(EventKind)
    except ValueError:
        raise BadRequest("There is no such WatchType; they are 2 to 6.") from None


def event_message(view: EventView) -> pb.Event:
    """An event."""
    at = timestamp(view.at_ns)
    event = pb.Event(event_uuid=str(view.uuid), created=at)
    file, md5 = "" if view.file is None else str(view.file), view.md5.hex()
    match view.kind:
        case EventKind.WRITTEN:
            event.file_written_event.CopyFrom(
                pb.FileWrittenEvent(file_uuid=file, file_size=view.size, md5=md5, created=at)
            )
        case EventKind.UPLOADED:
            event.file_uploaded_event.CopyFrom(
                pb.FileUploadedEvent(file_uuid=file, file_size=view.size, md5=md5, uploaded=at)
            )
        case EventKind.BLOCK_UPLOADED:
            event.fileblock_uploaded_event.CopyFrom(
                pb.FileblockUploadedEvent(
                    file_uuid=file, block_no=view.block_no, block_size=view.size, md5=md5, uploaded=at
                )
            )
        case EventKind.WANTED:
            event.file_toupload_commanded_event.CopyFrom(
                pb.FileTouploadCommandedEvent(start=timestamp(view.start_ns), end=timestamp(view.end_ns))
            )
        case EventKind.BLOCK_WANTED:
            event.fileblock_toupload_commanded_event.CopyFrom(
                pb.FileblockTouploadCommandedEvent(file_uuid=file, block_no=view.block_no, block_size=view.size)
            )
    return event
