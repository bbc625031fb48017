"""Every call of the Ditto services in one table, for the server, the client and the tests; and the limits both ends keep.

Nothing of this needs generated service code: a call is its path, and how its two messages become bytes.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from homestow.wire.ditto import ditto_pb2 as pb

PACKAGE: Final = "dittocloud.dittofile.v1"
"""Of all services; each also answers under its bare name, since the printed definitions give only one of them a package."""

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""The longest message either end takes (S77); a block is a little shorter."""

MAX_BLOCK_BYTES: Final = MAX_MESSAGE_BYTES - 4096
FAST_BLOCK_BYTES: Final = 1024 * 1024
"""The size of a block that is sent fastest."""

MAX_METADATA_BYTES: Final = 16 * 1024
MAX_PAGE: Final = 1000
USUAL_PAGE: Final = 100
MAX_WATCHES: Final = 16
"""Watches of one stream."""

MAX_NAME_BYTES: Final = 1024
BEARER: Final = "Bearer"
AUTHORIZATION: Final = "authorization"

AskT = TypeVar("AskT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)


class Call(NamedTuple, Generic[AskT, AnswerT]):
    """One call.

    Attributes:
        open: whether it can be made without a token.
        streams: both sides send as many messages as they like.
    """

    service: str
    method: str
    asks: type[AskT]
    answers: type[AnswerT]
    open: bool = False
    streams: bool = False

    @property
    def path(self) -> str:
        """What a client asks for."""
        return f"/{PACKAGE}.{self.service}/{self.method}"

    @property
    def read_ask(self) -> Callable[[bytes], AskT]:
        """Makes the message of its bytes."""
        return self.asks.FromString

    @property
    def read_answer(self) -> Callable[[bytes], AnswerT]:
        """Makes the message of its bytes."""
        return self.answers.FromString


AUTHENTICATE: Final = Call(
    "DittoAuthService", "Authenticate", pb.AuthenticateRequest, pb.AuthenticateResponse, open=True
)
CREATE_FILE: Final = Call("DittoFileService", "CreateFile", pb.CreateFileRequest, pb.DittoFile)
GET_FILE: Final = Call("DittoFileService", "GetFile", pb.GetFileRequest, pb.DittoFile)
LIST_FILES: Final = Call("DittoFileService", "ListFiles", pb.ListFilesRequest, pb.ListFilesResponse)
LIST_FILE_BLOCKS: Final = Call(
    "DittoFileService", "ListFileBlocks", pb.ListFileBlocksRequest, pb.ListFileBlocksResponse
)
DELETE_FILE: Final = Call("DittoFileService", "DeleteFile", pb.DeleteFileRequest, Empty)
UPLOAD_FILE_BLOCK: Final = Call("DittoFileService", "UploadFileBlock", pb.UploadFileBlockRequest, pb.DittoFileBlock)
WATCH: Final = Call("DittoWatchService", "Watch", pb.WatchRequest, pb.WatchResponse, streams=True)

CALLS: Final[tuple[Call[Any, Any], ...]] = (
    AUTHENTICATE, CREATE_FILE, GET_FILE, LIST_FILES, LIST_FILE_BLOCKS, DELETE_FILE, UPLOAD_FILE_BLOCK, WATCH,
)  # fmt: skip
