"""The isync calls on the wire: answers, error codes, objects, the cookie, and names.

Every call is answered by one JSON object `{"code", "msg", "data"}` in ASCII. Keys without a value are left out. What the
calls take is in `isync_calls`. Source: the order's article and the notes on the server it describes.
"""

import json
import re
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import msgspec

from homestow.values.paths import MAX_NAME_BYTES, nfc, split_extension, with_suffix

TYPE: Final = "application/json"
COOKIE: Final = "session"
MAX_BODY_BYTES: Final = 1024 * 1024
"""A call's parameters in its body take at most so much."""

NO_PARENT: Final = -1
"""`parentId` of a root catalog, and what asks for all of them."""

Number = int | float


class Code(IntEnum):
    """What became of a call; negative ones are errors."""

    OK = 0
    NO_ROOT = -100
    SERVER_FAILED = -101
    NOT_RECORDED = -102
    NOT_DELETED = -103
    WRONG_LOGIN = -10000
    LOGIN_NEEDED = -10001
    NO_RIGHT = -10002
    BAD_PARAMETER = -10003
    NOT_FOUND = -10004
    WRONG_TYPE = -10005
    FILE_REMOVED = -10006
    BAD_CATALOG = -10007
    NO_THUMBNAIL = -10008
    WAITING = -10009
    NOTHING_CHANGED = -10010


MESSAGES: Final = MappingProxyType(
    {
        Code.NO_ROOT: "The server has no folder for this user.",
        Code.SERVER_FAILED: "The server cannot answer this now; try again.",
        Code.NOT_RECORDED: "The server could not record it.",
        Code.NOT_DELETED: "It could not be deleted.",
        Code.WRONG_LOGIN: "Wrong user name or password.",
        Code.LOGIN_NEEDED: "Log in first.",
        Code.NO_RIGHT: "You have no right to do this.",
        Code.BAD_PARAMETER: "A parameter is missing or wrong.",
        Code.NOT_FOUND: "There is no such thing.",
        Code.WRONG_TYPE: "Files of this type cannot do this.",
        Code.FILE_REMOVED: "The file is no longer on the disk.",
        Code.BAD_CATALOG: "There is no such catalog.",
        Code.NO_THUMBNAIL: "No thumbnail can be made of it.",
        Code.WAITING: "It is still waiting for its upload.",
        Code.NOTHING_CHANGED: "Nothing was changed.",
    }
)
"""`msg` of each error. One text for each code, so that it tells nothing a caller may not know (S09)."""


class Refused(Exception):
    """A call ends with an error of the wire."""

    def __init__(self, code: Code) -> None:
        super().__init__(MESSAGES[code])
        self.code = code


# --- answers ------------------------------------------------------------------------------------------------------------


def success(data: object = None) -> bytes:
    """The answer of a call that went well; without `data` when that is None."""
    answer: dict[str, object] = {"code": 0}
    if data is not None:
        answer["data"] = msgspec.to_builtins(data)
    return json.dumps(answer).encode("ascii")


def failure(code: Code, message: str | None = None) -> bytes:
    """The answer of a call that failed, with the message of the code unless there is a better one."""
    return json.dumps({"code": int(code), "msg": message or MESSAGES[code]}).encode("ascii")


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An object of an answer; None is left out."""


class HelpInfo(_Object, frozen=True, kw_only=True):
    """What clients keep for themselves about a user, catalog or file; empty for what is unknown."""

    help_int: int | None = None
    help_text: str | None = None
    last_modify_time: Number | None = None


class UserInfo(_Object, frozen=True, kw_only=True):
    """A user; `last_login_date` is the login before this one. Times: seconds since 1970."""

    id: int
    name: str
    create_time: Number | None = None
    last_login_date: Number | None = None
    last_modify_time: Number | None = None
    help_int: int | None = None
    help_text: str | None = None


class CatalogInfo(_Object, frozen=True, kw_only=True):
    """A folder; a root's `parent_id` is -1 and its `root_id` its own. Counts: what stands directly in it."""

    id: int
    root_id: int
    parent_id: int
    name: str
    create_time: Number | None = None
    last_modify_time: Number | None = None
    memo: str | None = None
    sub_catalog_count: int | None = None
    file_count: int | None = None
    help_int: int | None = None
    help_text: str | None = None


class FileInfo(_Object, frozen=True, kw_only=True):
    """A file. `type`: 1 image, 2 GIF, 4 video, 8 audio, 16 other; `orientation`: EXIF numbers 1 to 8.

    Each `uploading_*_size` is there while that part is awaited: bytes the server has of it.
    """

    id: int
    upload_user_id: int | None = None
    catalog_id: int
    name: str
    ext: str | None = None
    create_time: Number | None = None
    upload_time: Number | None = None
    import_time: Number | None = None
    last_modify_time: Number | None = None
    size: int | None = None
    type: int
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    memo: str | None = None
    help_int: int | None = None
    help_text: str | None = None
    uploading_origin_size: int | None = None
    uploading_thumb_size: int | None = None
    uploading_screen_size: int | None = None


class PageInfo(_Object, frozen=True, kw_only=True):
    """Which page it is; `page_count` is the number of pages."""

    page_index: int
    max_per_page: int
    page_count: int


class FileList(msgspec.Struct, frozen=True):
    """Answer of `files.icc`; `page` None (and told as null) for an unknown `sort`."""

    list: list[FileInfo]
    page: PageInfo | None


class Uploaded(_Object, frozen=True, kw_only=True):
    """Answer of `uploadFile.icc`; `check`: digests of the parts of the request, when they were asked for."""

    file_info: FileInfo
    check: dict[str, str] | None = None


def number(seconds: float | None) -> Number | None:
    """A time as it is told: whole seconds as a whole number."""
    if seconds is None:
        return None
    return int(seconds) if seconds == int(seconds) else seconds


# --- the cookie ---------------------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")


def cookie(token: str, secure: bool) -> str:
    """`Set-Cookie` of a login; `secure` over TLS."""
    return f"{COOKIE}={token}; HttpOnly; Path=/; SameSite=Lax{'; Secure' if secure else ''}"


def cookie_ended(secure: bool) -> str:
    """`Set-Cookie` of a logout."""
    ended = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/; SameSite=Lax"
    return f"{COOKIE}=; {ended}{'; Secure' if secure else ''}"


def read_cookie(header: str) -> str | None:
    """The session's token in a `Cookie` header; of several the first that may be one of ours."""
    for part in header.split(";")[:64]:
        name, _, value = part.strip().partition("=")
        if name == COOKIE and _TOKEN.fullmatch(value.strip('"')):
            return value.strip('"')
    return None


# --- names --------------------------------------------------------------------------------------------------------------

_NO_NAME: Final = re.compile("[/\0\ud800-\udfff]")


def node_name(shown: str, ext: str = "") -> str:
    """What a node of this display name and extension is called: "." and the extension are added unless it ends so.

    Slashes, NUL and half characters become "_", and a name no file can have gets "_" before it; cut to 255 bytes before
    the extension. Never fails.
    """
    clean = _NO_NAME.sub("_", nfc(shown))
    ending = _NO_NAME.sub("_", nfc(ext)).strip(".")
    if ending and not clean.lower().endswith("." + ending.lower()):
        clean = f"{clean}.{ending}"
    if clean.strip(".") == "":
        clean = "_" + clean
    return with_suffix(clean, "") if len(clean.encode()) > MAX_NAME_BYTES else clean


def extension(name: str) -> str:
    """The extension of a name without its dot; "" for none."""
    return split_extension(name)[1].removeprefix(".")
