"""The isync calls: their names, methods and parameters with defaults and limits.

`ext` and the tail of `/downFile.ic…` and `/shareFile.ic…` are free; every other path is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from homestow.wire.isync_params import (
    at_least,
    id_list,
    moment,
    needed,
    one_of,
    optional,
    real,
    text,
    waits,
    whole,
    words,
)

T_co = TypeVar("T_co", covariant=True)
KINDS: Final = (1, 2, 4, 8, 16)
DEFAULT_PAGE: Final = 100


class About(IntEnum):
    """What a help info belongs to."""

    USER = 0
    CATALOG = 1
    FILE = 2


@dataclass(frozen=True, slots=True)
class Nothing:
    """A call without parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who it is."""

    user: str = needed("userName", text)
    password: str = needed("password", text)

    def __repr__(self) -> str:
        return f"Login(user={self.user!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHelp:
    """Of which user, catalog or file; a user's id is ignored, it is always the caller."""

    about: int = needed("type", one_of(*About))
    id: int = optional("id", whole, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHelp(AskHelp):
    """What to keep; at least one of both."""

    help_int: int | None = optional("helpInt", whole)
    help_text: str | None = optional("helpText", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCatalogs:
    """Of which catalogs the children are wanted; -1: all roots."""

    parents: tuple[int, ...] = needed("pids", id_list)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCatalog:
    """A folder to be made."""

    parent: int = needed("parentId", whole)
    name: str = needed("name", words(1, 99))
    created_s: int | None = optional("createTime", moment)
    modified_s: int | None = optional("lastModifyTime", moment)
    memo: str | None = optional("memo", text)
    help_int: int | None = optional("helpInt", whole)
    help_text: str | None = optional("helpText", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCatalog:
    """What shall be other; a `parent` below 1 counts as not given."""

    id: int = needed("id", whole)
    parent: int | None = optional("parentId", at_least(1))
    name: str | None = optional("name", words(1, 99))
    memo: str | None = optional("memo", text)
    help_int: int | None = optional("helpInt", whole)
    help_text: str | None = optional("helpText", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """Which ones."""

    ids: tuple[int, ...] = needed("ids", id_list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFiles:
    """Which page of which files; `sort`: what by (see `ports.listing.Sort`), below 0 descending."""

    page: int = needed("pageIndex", at_least(0))
    per_page: int = optional("maxPerPage", at_least(10, 10_000), DEFAULT_PAGE)
    roots: tuple[int, ...] | None = optional("rootIds", id_list)
    parents: tuple[int, ...] | None = optional("pids", id_list)
    kinds: tuple[int, ...] | None = optional("types", id_list)
    only_own: int = optional("onlySelfUpload", whole, 0)
    sort: int = optional("sort", whole, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskThumbnail:
    """Of which file; level 0 is the small one, any other the large one."""

    id: int = needed("id", whole)
    level: int = optional("level", whole, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFile:
    """Which file."""

    id: int = needed("id", whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskShared:
    """Which link."""

    key: str = needed("shareKey", words(1, 256))

    def __repr__(self) -> str:
        return "AskShared()"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """Facts a client may give about a file."""

    thumb: int | None = optional("statusForThumb", waits)
    screen: int | None = optional("statusForScreen", waits)
    created_s: int | None = optional("createTime", moment)
    imported_s: int | None = optional("importTime", moment)
    modified_s: int | None = optional("lastModifyTime", moment)
    duration_s: float | None = optional("duration", real)
    longitude: float | None = optional("longitude", real)
    latitude: float | None = optional("latitude", real)
    width: int | None = optional("width", whole)
    height: int | None = optional("height", whole)
    orientation: int | None = optional("orientation", whole)
    memo: str | None = optional("memo", words(0, 1024))
    help_int: int | None = optional("helpInt", whole)
    help_text: str | None = optional("helpText", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile(_Facts):
    """A file about to be uploaded."""

    catalog: int = needed("cid", whole)
    name: str = needed("name", words(1, 100))
    size: int = needed("size", at_least(0))
    kind: int = needed("type", one_of(*KINDS))
    ext: str = needed("ext", words(0, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFile(_Facts):
    """What shall be other."""

    id: int = needed("id", whole)
    catalog: int | None = optional("catalogId", whole)
    name: str | None = optional("name", words(1, 100))
    size: int | None = optional("size", at_least(0))
    kind: int | None = optional("type", one_of(*KINDS))
    ext: str | None = optional("ext", words(0, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFile:
    """Where the parts of an upload begin, and which digest to tell."""

    id: int = needed("id", whole)
    origin_begin: int = optional("obp", whole, 0)
    thumb_begin: int = optional("tbp", whole, 0)
    screen_begin: int = optional("sbp", whole, 0)
    check: str | None = optional("cm", text)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One call.

    Attributes:
        path: as in `Router.add`.
        takes: class of its parameters, read by `isync_params.take`.
        open: it needs no login.
        query_only: its parameters stand in the query whatever the body is.
    """

    path: str
    methods: tuple[str, ...]
    takes: type[T_co]
    open: bool = False
    query_only: bool = False


_GET: Final = ("GET",)
_POST: Final = ("POST",)

LOGIN: Final = Call("/login.icc", ("GET", "POST"), Login, open=True)
LOGOUT: Final = Call("/logout.icc", _POST, Nothing, open=True)
HELP_INFO: Final = Call("/helpInfo.icc", _GET, AskHelp)
UPDATE_HELP_INFO: Final = Call("/updateHelpInfo.icc", _POST, SetHelp)
CATALOGS: Final = Call("/catalogs.icc", _GET, AskCatalogs)
CREATE_CATALOG: Final = Call("/createCatalog.icc", _POST, NewCatalog)
DELETE_CATALOG: Final = Call("/deleteCatalog.icc", _POST, Ids)
UPDATE_CATALOG: Final = Call("/updateCatalog.icc", _POST, ChangeCatalog)
FILES: Final = Call("/files.icc", _GET, AskFiles)
THUMBNAIL: Final = Call("/thumbnail.icc", _GET, AskThumbnail)
DOWN_FILE: Final = Call("/downFile.ic{tail}", _GET, OneFile)
SHARE_FILE_URL: Final = Call("/shareFileUrl.icc", _GET, OneFile)
SHARE_FILE: Final = Call("/shareFile.ic{tail}", _GET, AskShared, open=True)
UPLOAD_FILE_INFO: Final = Call("/uploadFileInfo.icc", _POST, NewFile)
UPLOADING_INFO: Final = Call("/uploadingInfo.icc", _GET, Nothing)
UPLOAD_FILE: Final = Call("/uploadFile.icc", _POST, SendFile, query_only=True)
DELETE_FILES: Final = Call("/deleteFiles.icc", _POST, Ids)
UPDATE_FILE: Final = Call("/updateFile.icc", _POST, ChangeFile)

CALLS: Final[Mapping[str, Call[object]]] = MappingProxyType(
    {
        call.path[1:].partition(".")[0]: call
        for call in (
            LOGIN, LOGOUT, HELP_INFO, UPDATE_HELP_INFO, CATALOGS, CREATE_CATALOG, DELETE_CATALOG, UPDATE_CATALOG, FILES,
            THUMBNAIL, DOWN_FILE, SHARE_FILE_URL, SHARE_FILE, UPLOAD_FILE_INFO, UPLOADING_INFO, UPLOAD_FILE, DELETE_FILES,
            UPDATE_FILE,
        )
    }
)  # fmt: skip
"""Every call by its name."""
