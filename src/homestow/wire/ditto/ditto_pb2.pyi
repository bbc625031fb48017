import datetime

from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuthenticateRequest(_message.Message):
    __slots__ = ("client_id", "client_secret", "username", "password")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    client_secret: str
    username: str
    password: str
    def __init__(self, client_id: _Optional[str] = ..., client_secret: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class AuthenticateResponse(_message.Message):
    __slots__ = ("access_token", "expires_in", "refresh_token", "token_type")
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_TYPE_FIELD_NUMBER: _ClassVar[int]
    access_token: str
    expires_in: int
    refresh_token: str
    token_type: str
    def __init__(self, access_token: _Optional[str] = ..., expires_in: _Optional[int] = ..., refresh_token: _Optional[str] = ..., token_type: _Optional[str] = ...) -> None: ...

class DittoFile(_message.Message):
    __slots__ = ("uuid", "name", "size", "type", "md5", "status", "created", "written")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[DittoFile.Status]
        CREATED: _ClassVar[DittoFile.Status]
        UPLOADING: _ClassVar[DittoFile.Status]
        UPLOADED: _ClassVar[DittoFile.Status]
        WRITTEN: _ClassVar[DittoFile.Status]
    STATUS_UNSPECIFIED: DittoFile.Status
    CREATED: DittoFile.Status
    UPLOADING: DittoFile.Status
    UPLOADED: DittoFile.Status
    WRITTEN: DittoFile.Status
    UUID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MD5_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    name: str
    size: int
    type: str
    md5: str
    status: DittoFile.Status
    created: _timestamp_pb2.Timestamp
    written: _timestamp_pb2.Timestamp
    def __init__(self, uuid: _Optional[str] = ..., name: _Optional[str] = ..., size: _Optional[int] = ..., type: _Optional[str] = ..., md5: _Optional[str] = ..., status: _Optional[_Union[DittoFile.Status, str]] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., written: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateFileRequest(_message.Message):
    __slots__ = ("file",)
    FILE_FIELD_NUMBER: _ClassVar[int]
    file: DittoFile
    def __init__(self, file: _Optional[_Union[DittoFile, _Mapping]] = ...) -> None: ...

class GetFileRequest(_message.Message):
    __slots__ = ("uuid",)
    UUID_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    def __init__(self, uuid: _Optional[str] = ...) -> None: ...

class DeleteFileRequest(_message.Message):
    __slots__ = ("uuid",)
    UUID_FIELD_NUMBER: _ClassVar[int]
    uuid: str
    def __init__(self, uuid: _Optional[str] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("page_token", "page_size", "status")
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    page_token: str
    page_size: int
    status: DittoFile.Status
    def __init__(self, page_token: _Optional[str] = ..., page_size: _Optional[int] = ..., status: _Optional[_Union[DittoFile.Status, str]] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("files", "next_page_token")
    FILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[DittoFile]
    next_page_token: str
    def __init__(self, files: _Optional[_Iterable[_Union[DittoFile, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DittoFileBlock(_message.Message):
    __slots__ = ("block_no", "block_size", "md5", "status", "block")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[DittoFileBlock.Status]
        NONE: _ClassVar[DittoFileBlock.Status]
        UPLOADED: _ClassVar[DittoFileBlock.Status]
        WRITTEN: _ClassVar[DittoFileBlock.Status]
    STATUS_UNSPECIFIED: DittoFileBlock.Status
    NONE: DittoFileBlock.Status
    UPLOADED: DittoFileBlock.Status
    WRITTEN: DittoFileBlock.Status
    BLOCK_NO_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SIZE_FIELD_NUMBER: _ClassVar[int]
    MD5_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    block_no: int
    block_size: int
    md5: str
    status: DittoFileBlock.Status
    block: bytes
    def __init__(self, block_no: _Optional[int] = ..., block_size: _Optional[int] = ..., md5: _Optional[str] = ..., status: _Optional[_Union[DittoFileBlock.Status, str]] = ..., block: _Optional[bytes] = ...) -> None: ...

class ListFileBlocksRequest(_message.Message):
    __slots__ = ("file_uuid", "block_no", "page_size", "status")
    FILE_UUID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NO_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    file_uuid: str
    block_no: int
    page_size: int
    status: DittoFileBlock.Status
    def __init__(self, file_uuid: _Optional[str] = ..., block_no: _Optional[int] = ..., page_size: _Optional[int] = ..., status: _Optional[_Union[DittoFileBlock.Status, str]] = ...) -> None: ...

class ListFileBlocksResponse(_message.Message):
    __slots__ = ("blocks", "next_block_no")
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_BLOCK_NO_FIELD_NUMBER: _ClassVar[int]
    blocks: _containers.RepeatedCompositeFieldContainer[DittoFileBlock]
    next_block_no: int
    def __init__(self, blocks: _Optional[_Iterable[_Union[DittoFileBlock, _Mapping]]] = ..., next_block_no: _Optional[int] = ...) -> None: ...

class UploadFileBlockRequest(_message.Message):
    __slots__ = ("file_uuid", "block")
    FILE_UUID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    file_uuid: str
    block: DittoFileBlock
    def __init__(self, file_uuid: _Optional[str] = ..., block: _Optional[_Union[DittoFileBlock, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("create_request", "cancel_request")
    CREATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUEST_FIELD_NUMBER: _ClassVar[int]
    create_request: WatchCreateRequest
    cancel_request: WatchCancelRequest
    def __init__(self, create_request: _Optional[_Union[WatchCreateRequest, _Mapping]] = ..., cancel_request: _Optional[_Union[WatchCancelRequest, _Mapping]] = ...) -> None: ...

class WatchCreateRequest(_message.Message):
    __slots__ = ("watch_uuid", "watches")
    class WatchType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WATCH_TYPE_UNSPECIFIED: _ClassVar[WatchCreateRequest.WatchType]
        FILE_WRITTEN: _ClassVar[WatchCreateRequest.WatchType]
        FILE_UPLOADED: _ClassVar[WatchCreateRequest.WatchType]
        FILEBLOCK_UPLOADED: _ClassVar[WatchCreateRequest.WatchType]
        FILE_TOUPLOAD_COMMANDED: _ClassVar[WatchCreateRequest.WatchType]
        FILEBLOCK_TOUPLOAD_COMMANDED: _ClassVar[WatchCreateRequest.WatchType]
    WATCH_TYPE_UNSPECIFIED: WatchCreateRequest.WatchType
    FILE_WRITTEN: WatchCreateRequest.WatchType
    FILE_UPLOADED: WatchCreateRequest.WatchType
    FILEBLOCK_UPLOADED: WatchCreateRequest.WatchType
    FILE_TOUPLOAD_COMMANDED: WatchCreateRequest.WatchType
    FILEBLOCK_TOUPLOAD_COMMANDED: WatchCreateRequest.WatchType
    WATCH_UUID_FIELD_NUMBER: _ClassVar[int]
    WATCHES_FIELD_NUMBER: _ClassVar[int]
    watch_uuid: str
    watches: _containers.RepeatedScalarFieldContainer[WatchCreateRequest.WatchType]
    def __init__(self, watch_uuid: _Optional[str] = ..., watches: _Optional[_Iterable[_Union[WatchCreateRequest.WatchType, str]]] = ...) -> None: ...

class WatchCancelRequest(_message.Message):
    __slots__ = ("watch_uuid",)
    WATCH_UUID_FIELD_NUMBER: _ClassVar[int]
    watch_uuid: str
    def __init__(self, watch_uuid: _Optional[str] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("watch_uuid", "created", "cancelled", "events")
    WATCH_UUID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    watch_uuid: str
    created: bool
    cancelled: bool
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, watch_uuid: _Optional[str] = ..., created: _Optional[bool] = ..., cancelled: _Optional[bool] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("file_written_event", "file_uploaded_event", "fileblock_uploaded_event", "file_toupload_commanded_event", "fileblock_toupload_commanded_event", "event_uuid", "created")
    FILE_WRITTEN_EVENT_FIELD_NUMBER: _ClassVar[int]
    FILE_UPLOADED_EVENT_FIELD_NUMBER: _ClassVar[int]
    FILEBLOCK_UPLOADED_EVENT_FIELD_NUMBER: _ClassVar[int]
    FILE_TOUPLOAD_COMMANDED_EVENT_FIELD_NUMBER: _ClassVar[int]
    FILEBLOCK_TOUPLOAD_COMMANDED_EVENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_UUID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    file_written_event: FileWrittenEvent
    file_uploaded_event: FileUploadedEvent
    fileblock_uploaded_event: FileblockUploadedEvent
    file_toupload_commanded_event: FileTouploadCommandedEvent
    fileblock_toupload_commanded_event: FileblockTouploadCommandedEvent
    event_uuid: str
    created: _timestamp_pb2.Timestamp
    def __init__(self, file_written_event: _Optional[_Union[FileWrittenEvent, _Mapping]] = ..., file_uploaded_event: _Optional[_Union[FileUploadedEvent, _Mapping]] = ..., fileblock_uploaded_event: _Optional[_Union[FileblockUploadedEvent, _Mapping]] = ..., file_toupload_commanded_event: _Optional[_Union[FileTouploadCommandedEvent, _Mapping]] = ..., fileblock_toupload_commanded_event: _Optional[_Union[FileblockTouploadCommandedEvent, _Mapping]] = ..., event_uuid: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FileWrittenEvent(_message.Message):
    __slots__ = ("file_uuid", "file_size", "md5", "created")
    FILE_UUID_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MD5_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    file_uuid: str
    file_size: int
    md5: str
    created: _timestamp_pb2.Timestamp
    def __init__(self, file_uuid: _Optional[str] = ..., file_size: _Optional[int] = ..., md5: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FileUploadedEvent(_message.Message):
    __slots__ = ("file_uuid", "file_size", "md5", "uploaded")
    FILE_UUID_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MD5_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_FIELD_NUMBER: _ClassVar[int]
    file_uuid: str
    file_size: int
    md5: str
    uploaded: _timestamp_pb2.Timestamp
    def __init__(self, file_uuid: _Optional[str] = ..., file_size: _Optional[int] = ..., md5: _Optional[str] = ..., uploaded: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FileblockUploadedEvent(_message.Message):
    __slots__ = ("file_uuid", "block_no", "block_size", "uploaded", "md5")
    FILE_UUID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NO_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SIZE_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_FIELD_NUMBER: _ClassVar[int]
    MD5_FIELD_NUMBER: _ClassVar[int]
    file_uuid: str
    block_no: int
    block_size: int
    uploaded: _timestamp_pb2.Timestamp
    md5: str
    def __init__(self, file_uuid: _Optional[str] = ..., block_no: _Optional[int] = ..., block_size: _Optional[int] = ..., uploaded: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., md5: _Optional[str] = ...) -> None: ...

class FileTouploadCommandedEvent(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FileblockTouploadCommandedEvent(_message.Message):
    __slots__ = ("file_uuid", "block_no", "block_size")
    FILE_UUID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NO_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SIZE_FIELD_NUMBER: _ClassVar[int]
    file_uuid: str
    block_no: int
    block_size: int
    def __init__(self, file_uuid: _Optional[str] = ..., block_no: _Optional[int] = ..., block_size: _Optional[int] = ...) -> None: ...
