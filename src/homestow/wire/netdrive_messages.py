"""What netdrive messages hold: one table per direction, read by fronts, clients and tests alike; limits, error numbers and texts.

Three dialects are spoken on one port. *Phase 0*: `upload` and `download` of single names without login. *Documented*: the list of
the article, `type` inside of the JSON, `session` in every request after the login. *Final*: what its authors shipped in the end, `type` on
a line of its own before the JSON.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum, auto
from typing import Any, Final

from homestow.wire.netdrive_json import MAX_INTEGER

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""Size of a block (document, "chunks"); only the last one of a file is shorter. Blocks of first clients reach to the end of the file."""
SESSION_CHARACTERS: Final = 32
"""Letters and digits of a session (document)."""
MAX_NAME: Final = 255
"""Characters of a file's name (column of the first server; also what disks hold)."""
MAX_PATH: Final = 4096
"""Characters of a folder's path; the first server held 1,024."""
MAX_USERNAME: Final = 255
"""Characters; the first server held 20. The service says which names it takes."""
MAX_PASSWORD: Final = 1024
"""Characters (S46)."""
OLDEST_MTIME: Final = -(1 << 40)
NEWEST_MTIME: Final = 1 << 40
"""Seconds since 1970 between which a time of change must lie."""
TOP: Final = "//"
"""How the clients spell the top folder of what they keep in step."""


class Dialect(Enum):
    """Which way of speaking a message belongs to."""

    PHASE0 = "phase 0"
    DOCUMENTED = "documented"
    FINAL = "final"


class Error(IntEnum):
    """The number `error` of an answer (source of the final dialect)."""

    OK = 0
    FAILED = 1
    NO_SESSION = 2
    NO_BIND = 3
    NEED_UPLOAD = 4


class Say(StrEnum):
    """Texts `msg` of the final dialect, word for word."""

    SIGNED_UP = "signup success"
    NAME_REGISTERED = "username has been registered"
    SIGNUP_FAILED = "signup fail for db insert"
    LOGGED_IN = "login success"
    NO_SUCH_USER = "username not exist"
    WRONG_PASSWORD = "username password not match"  # noqa: S105 - a text of the protocol
    NO_SESSION_MADE = "error occur when generate session"
    NO_SESSION = "session has been destroyed, user need to login"
    NO_BIND = "user not bind server dir"
    NO_USER = "user not exist"
    BOUND = "bind success"
    BIND_FAILED = "bind failed"
    UNBOUND = "disbind success"
    NEED_UPLOAD = "need to upload"
    INSTANT = "lightning transfer success"
    NO_SPACE = "server create file failed for short of space"
    CHUNK_KNOWN = "this chunk has been uploaded"
    UPLOADED = "upload success"
    DOWNLOADED = "download success"
    FILE_DELETED = "delete file success"
    NO_PARENT = "parent dir not exist"
    FILE_GONE = "file already has been deleted, delete failed"
    DIR_THERE = "dir has been created"
    DIR_MADE = "create dir success"
    DIR_GONE = "dir has been deleted"
    DIR_DELETED = "delete dir success"


def short_chunk(came: int, declared: int) -> str:
    """Text of error 1 when fewer bytes of a block came than its request said (final dialect, word for word)."""
    return f"upload failed, actural upload {came} bytes, should be {declared} bytes"


# --- fields -------------------------------------------------------------------------------------------------------------


class Kind(Enum):
    """What a field holds."""

    TEXT = auto()
    """Text of `least` to `most` characters."""
    MD5 = auto()
    """32 hexadecimal digits, read as small letters."""
    INTEGER = auto()
    """A whole number from `least` to `most`; true and 2.0 are none."""
    SECONDS = auto()
    """As INTEGER; a fraction is taken and cut off, since file times have one."""
    FLAG = auto()
    """True or false."""
    ROWS = auto()
    """A list of objects, or null for an empty one."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a message."""

    name: str
    kind: Kind
    needed: bool = True
    least: int = 0
    most: int = MAX_INTEGER


class WrongField(ValueError):
    """A key is missing or holds another type of JSON: what closes a connection of the final dialect. Says which."""


def check_fields(table: tuple[Field, ...], fields: dict[str, Any]) -> str | None:
    """Hold a message against its table and bring its values into their form (`fields` is changed: MD5, SECONDS, ROWS).

    Keys that the table does not name are left alone; an optional key that is null counts as left out and is removed.
    Returns:
        None, or what is wrong with the first value that has the right type and is out of range.
    Raises:
        WrongField: see there.
    """
    trouble = None
    for field in table:
        name = field.name
        value = fields.get(name)
        if value is None:
            _absent(field, fields)
            continue
        kind = field.kind
        held = type(value)
        if kind is Kind.TEXT and held is str:
            good = field.least <= len(value) <= field.most
        elif kind is Kind.INTEGER and held is int:
            good = field.least <= value <= field.most
        elif kind is Kind.MD5 and held is str:
            fields[name] = value = value.lower()
            good = is_md5(value)
        elif kind is Kind.SECONDS and (held is int or held is float):
            fields[name] = value = math.floor(value)
            good = field.least <= value <= field.most
        elif (kind is Kind.FLAG and held is bool) or (kind is Kind.ROWS and held is list):
            good = True
        else:
            raise WrongField(f"{name} is not {_WORDS[kind]}")
        if not good and trouble is None:
            trouble = _range(field)
    return trouble


def _absent(field: Field, fields: dict[str, Any]) -> None:
    if field.kind is Kind.ROWS and field.name in fields:
        fields[field.name] = []
    elif field.needed:
        raise WrongField(f"{field.name} is missing")
    else:
        fields.pop(field.name, None)


_WORDS: Final = {
    Kind.TEXT: "text",
    Kind.MD5: "text",
    Kind.INTEGER: "a whole number",
    Kind.SECONDS: "a number",
    Kind.FLAG: "true or false",
    Kind.ROWS: "a list",
}


def _range(field: Field) -> str:
    if field.kind is Kind.TEXT:
        return f"{field.name} must have {field.least} to {field.most} characters"
    if field.kind is Kind.MD5:
        return f"{field.name} must be 32 hexadecimal digits"
    return f"{field.name} must be a number from {field.least} to {field.most}"


_HEX: Final = frozenset("0123456789abcdef")


def is_md5(text: str) -> bool:
    """Whether `text` is 32 hexadecimal digits in small letters."""
    return len(text) == 32 and _HEX.issuperset(text)


# --- requests -----------------------------------------------------------------------------------------------------------


def _text(name: str, most: int, *, least: int = 0, needed: bool = True) -> Field:
    return Field(name, Kind.TEXT, needed, least, most)


_SESSION: Final = _text("session", 64 * 1024)
_BINDID: Final = Field("bindid", Kind.INTEGER, needed=False, least=-MAX_INTEGER)
_QUEUEID: Final = Field("queueid", Kind.INTEGER, least=-MAX_INTEGER)
_USERNAME: Final = _text("username", MAX_USERNAME, least=1)
_PASSWORD: Final = _text("password", MAX_PASSWORD)
_FILENAME: Final = _text("filename", MAX_NAME, least=1)
_PATH: Final = _text("path", MAX_PATH)
_MD5: Final = Field("md5", Kind.MD5)
_SIZE: Final = Field("size", Kind.INTEGER)
_OFFSET: Final = Field("offset", Kind.INTEGER)
_CHUNKSIZE: Final = Field("chunksize", Kind.INTEGER)
_MTIME: Final = Field("mtime", Kind.SECONDS, least=OLDEST_MTIME, most=NEWEST_MTIME)


def _maybe(field: Field) -> Field:
    return Field(field.name, field.kind, False, field.least, field.most)


_FOLDER: Final = (_SESSION, _text("prefix", MAX_PATH), _text("dirname", MAX_PATH), _QUEUEID, _BINDID)

REQUESTS: Final[Mapping[Dialect, Mapping[str, tuple[Field, ...]]]] = {
    Dialect.PHASE0: {
        "upload": (_FILENAME, _SIZE),
        "download": (_FILENAME,),
    },
    Dialect.DOCUMENTED: {
        "signup": (_USERNAME, _PASSWORD),
        "login": (_USERNAME, _PASSWORD),
        "changepwd": (_SESSION, _PASSWORD, _text("new_password", MAX_PASSWORD)),
        "logout": (_SESSION,),
        "dirinfo": (_SESSION, _BINDID),
        "upload": (
            _SESSION,
            _maybe(_FILENAME),
            _maybe(_PATH),
            Field("vfile_dir_id", Kind.INTEGER, needed=False),
            _maybe(_MD5),
            _maybe(_SIZE),
            _maybe(_MTIME),
            Field("vfile_id", Kind.INTEGER, needed=False),
            _maybe(_OFFSET),
            _maybe(_CHUNKSIZE),
            Field("complete", Kind.FLAG, needed=False),
            _BINDID,
        ),
        "download": (
            _SESSION,
            Field("vfile_id", Kind.INTEGER, needed=False),
            _maybe(_MD5),
            _maybe(_OFFSET),
            _maybe(_SIZE),
            _BINDID,
        ),
    },
    Dialect.FINAL: {
        "signup": (_USERNAME, _PASSWORD),
        "login": (_USERNAME, _PASSWORD),
        "logout": (_SESSION,),
        "setbind": (_SESSION, Field("bindid", Kind.INTEGER, least=-MAX_INTEGER)),
        "disbind": (_SESSION,),
        "getbindid": (_SESSION,),
        "getdir": (_SESSION, _BINDID),
        "uploadFile": (_SESSION, _QUEUEID, _FILENAME, _PATH, _MD5, _SIZE, _MTIME, _BINDID),
        "uploadChunk": (
            _SESSION,
            Field("vfile_id", Kind.INTEGER),
            _QUEUEID,
            Field("chunkid", Kind.INTEGER),
            _OFFSET,
            _CHUNKSIZE,
            _BINDID,
        ),
        "downloadFile": (_SESSION, _MD5, _QUEUEID, _OFFSET, _CHUNKSIZE, _BINDID),
        "deleteFile": (_SESSION, _FILENAME, _PATH, _QUEUEID, _BINDID),
        "createDir": _FOLDER,
        "deleteDir": _FOLDER,
    },
}
"""Which keys a request has, by dialect and type."""

ECHOED: Final[Mapping[str, tuple[str, ...]]] = {
    "setbind": ("bindid",),
    "uploadFile": ("queueid",),
    "uploadChunk": ("queueid",),
    "downloadFile": ("queueid",),
    "deleteFile": ("filename", "path", "queueid"),
    "createDir": ("prefix", "dirname", "queueid"),
    "deleteDir": ("prefix", "dirname", "queueid"),
}
"""Which keys of a request of the final dialect stand in its answer as they came, whatever the outcome."""


def upload_trouble(fields: Mapping[str, Any]) -> str | None:
    """What is wrong with a documented `upload`, whose forms differ in their keys; None when it is complete.

    Forms: a whole file (`filename`, `size`); a piece or, with `chunksize` 0, an announcement (`filename`, `size`, `md5`, `offset`,
    `chunksize`, or `vfile_id` in place of the first three); the notice that all was sent (`vfile_id`, `complete`).
    """
    if fields.get("complete") is True:
        return None if "vfile_id" in fields else "vfile_id is missing"
    wanted = (
        ["offset"] if "chunksize" in fields else ["chunksize"] if "offset" in fields or "vfile_id" in fields else []
    )
    if "vfile_id" not in fields:
        wanted += ["filename", "size"]
        wanted += ["md5"] if "chunksize" in fields else []
    missing = next((name for name in wanted if name not in fields), None)
    if missing is not None:
        return f"{missing} is missing"
    if "size" in fields and fields.get("offset", 0) + fields.get("chunksize", 0) > fields["size"]:
        return "offset and chunksize reach beyond size"
    return None


# --- answers ------------------------------------------------------------------------------------------------------------

_NUMBER: Final = Field("error", Kind.INTEGER, least=-MAX_INTEGER)
_MSG: Final = _text("msg", 64 * 1024, needed=False)
_GIVEN_SESSION: Final = _text("session", 1024, least=1)
_ECHO: Final = _maybe(_QUEUEID)
_VFILE_ID: Final = Field("vfile_id", Kind.INTEGER)
_DONE: Final = Field("done", Kind.ROWS, needed=False)

ANSWERS: Final[Mapping[Dialect, Mapping[str, tuple[Field, ...]]]] = {
    Dialect.PHASE0: {"upload": (), "download": (_SIZE,)},
    Dialect.DOCUMENTED: {
        "signup": (),
        "login": (_GIVEN_SESSION,),
        "changepwd": (),
        "logout": (),
        "dirinfo": (Field("dirs", Kind.ROWS), Field("files", Kind.ROWS)),
        "upload": (_maybe(_VFILE_ID), _DONE),
        "download": (_SIZE,),
    },
    Dialect.FINAL: {
        "signup": (),
        "login": (_GIVEN_SESSION,),
        "setbind": (),
        "disbind": (),
        "getbindid": (Field("bindid", Kind.INTEGER, least=-MAX_INTEGER),),
        "getdir": (Field("dir_list", Kind.ROWS),),
        "uploadFile": (_ECHO, _VFILE_ID),
        "uploadChunk": (_ECHO,),
        "downloadFile": (_ECHO,),
        "deleteFile": (_ECHO,),
        "createDir": (_ECHO,),
        "deleteDir": (_ECHO,),
    },
}
"""Which keys an answer has beside `error` and `msg`, by dialect and type of the request; held to at error 0 and 4 only."""

ALWAYS: Final = (_NUMBER, _MSG)
"""Keys of every answer."""
LISTINGS: Final = frozenset({"getdir", "dirinfo"})
"""Types whose answer may be long."""


# --- rows of lists ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block of a file on its way; `done` when all of it is there (document, "chunks")."""

    offset: int
    size: int
    done: bool

    def as_fields(self) -> dict[str, Any]:
        """As it stands in a list."""
        return {"offset": self.offset, "size": self.size, "done": self.done}


@dataclass(frozen=True, slots=True)
class DirRow:
    """A folder in the answer to `dirinfo`."""

    dir_id: int
    dir_path: str

    def as_fields(self) -> dict[str, Any]:
        """As it stands in a list."""
        return {"dir_id": self.dir_id, "dir_path": self.dir_path}


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file in the answer to `dirinfo`; its folder is the row of `vfile_dir_id`; time in whole seconds since 1970."""

    vfile_id: int
    vfile_dir_id: int
    vfile_name: str
    vfile_size: int
    vfile_md5: str
    vfile_server_mtime: int

    def as_fields(self) -> dict[str, Any]:
        """As it stands in a list."""
        return {
            "vfile_id": self.vfile_id,
            "vfile_dir_id": self.vfile_dir_id,
            "vfile_name": self.vfile_name,
            "vfile_size": self.vfile_size,
            "vfile_md5": self.vfile_md5,
            "vfile_server_mtime": self.vfile_server_mtime,
        }


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in the answer to `getdir`; `path` exactly as it was sent by the client that uploaded it."""

    filename: str
    path: str
    md5: str
    size: int
    mtime: int

    def as_fields(self) -> dict[str, Any]:
        """As it stands in a list."""
        return {"filename": self.filename, "path": self.path, "md5": self.md5, "size": self.size, "mtime": self.mtime}


_CHUNK_ROW: Final = (_OFFSET, _SIZE, Field("done", Kind.FLAG))
_DIR_ROW: Final = (Field("dir_id", Kind.INTEGER), _text("dir_path", MAX_PATH))
_FILE_ROW: Final = (
    _VFILE_ID,
    Field("vfile_dir_id", Kind.INTEGER),
    _text("vfile_name", MAX_NAME, least=1),
    Field("vfile_size", Kind.INTEGER),
    Field("vfile_md5", Kind.MD5),
    Field("vfile_server_mtime", Kind.SECONDS, least=OLDEST_MTIME, most=NEWEST_MTIME),
)
_LISTED_FILE: Final = (_FILENAME, _PATH, _MD5, _SIZE, _MTIME)


def read_chunks(rows: list[Any]) -> list[Chunk]:
    """The list `done` or `chunks`.

    Raises:
        WrongField: a row is no block.
    """
    return [Chunk(each["offset"], each["size"], each["done"]) for each in _checked(rows, _CHUNK_ROW)]


def read_dirs(rows: list[Any]) -> list[DirRow]:
    """The list `dirs`.

    Raises:
        WrongField: a row is no folder.
    """
    return [DirRow(each["dir_id"], each["dir_path"]) for each in _checked(rows, _DIR_ROW)]


def read_files(rows: list[Any]) -> list[FileRow]:
    """The list `files`.

    Raises:
        WrongField: a row is no file.
    """
    return [
        FileRow(
            each["vfile_id"],
            each["vfile_dir_id"],
            each["vfile_name"],
            each["vfile_size"],
            each["vfile_md5"],
            each["vfile_server_mtime"],
        )
        for each in _checked(rows, _FILE_ROW)
    ]


def read_listed(rows: list[Any]) -> list[ListedFile]:
    """The list `dir_list`.

    Raises:
        WrongField: a row is no file.
    """
    return [
        ListedFile(each["filename"], each["path"], each["md5"], each["size"], each["mtime"])
        for each in _checked(rows, _LISTED_FILE)
    ]


def _checked(rows: list[Any], table: tuple[Field, ...]) -> list[dict[str, Any]]:
    for row in rows:
        if type(row) is not dict:
            raise WrongField("a row is not an object")
        trouble = check_fields(table, row)
        if trouble is not None:
            raise WrongField(trouble)
    return rows
