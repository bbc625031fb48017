"""Every call of the native API as one table: method, path, parameters, messages, errors.

The server binds handlers to these calls, the client makes them, and the OpenAPI document is generated from them, so the
three cannot drift apart. The messages are in `wire.api`.
"""

from dataclasses import dataclass, field
from typing import Literal

from homestow.values import errors
from homestow.values.nodes import Node
from homestow.wire.api import (
    CURSOR_FORM,
    DIGEST_FORM,
    MAX_BLOCK_BYTES,
    MAX_PAGE,
    MAX_WAIT_S,
    MIN_MTIME_NS,
    NAME_FORM,
    PATH_FORM,
    TEXT_FORM,
    Blocks,
    Body,
    Changes,
    Copy,
    Devices,
    Emptied,
    Facts,
    Finish,
    Have,
    Journal,
    LoggedIn,
    Login,
    Me,
    Media,
    Member,
    Members,
    Move,
    NewFolder,
    NewPassword,
    NewShare,
    NewUpload,
    NodePage,
    Order,
    Outcome,
    PackFolders,
    PackResults,
    PackWanted,
    Restore,
    Roots,
    ServerInfo,
    SharedLink,
    Shares,
    Signup,
    Trash,
    TreePage,
    Upload,
    Versions,
    Wire,
)

Where = Literal["path", "query"]


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter in path or query: its name, type (int or str), whether it may be left out, what it is, its range or form.

    Integers go from `minimum` (0 when None) to `maximum` (the largest 64-bit integer when None), both included.
    """

    name: str
    kind: type
    about: str
    where: Where = "query"
    default: int | str | None = None
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    pattern: str = ""
    """What text looks like, for the document; the use cases check it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API.

    Attributes:
        name: operation id, also the name of the handler and of the client's method.
        method, path: HTTP method and path below `PREFIX`; `{x}` are path parameters.
        about: one sentence.
        params: path and query parameters.
        takes: message or body kind of the request.
        gives: message or body kind of the answer.
        status: status of success.
        fails: errors besides bad-request, login-needed, cursor-gone (of another epoch than the request's), busy,
            storage-failed and internal, which any call may give.
        open: may be called without a token.
        mutates: takes an Idempotency-Key.
        operator: only for admins and the local socket.
    """

    name: str
    method: str
    path: str
    about: str
    params: tuple[Param, ...] = ()
    takes: type[Wire] | Body = Body.NONE
    gives: type[Wire] | type[Node] | Body = Body.NONE
    status: int = 200
    fails: tuple[type[errors.CloudError], ...] = ()
    open: bool = False
    mutates: bool = False
    operator: bool = False
    headers: tuple[str, ...] = field(default=())


def _id(name: str, about: str) -> Param:
    return Param(name, int, about, "path", required=True)


_ROOT = _id("root", "Root id.")
_NODE = _id("node", "Node id.")
_UPLOAD = Param("upload", str, "Upload id.", "path", required=True)
_LIMIT = Param("limit", int, f"Entries at most, 1 to {MAX_PAGE}.", default=1000, minimum=1, maximum=MAX_PAGE)
_CURSOR = Param("cursor", str, "Where the reader stands.", required=True, pattern=CURSOR_FORM)
_DIGEST = Param("digest", str, "BLAKE3 the bytes must have.", pattern=DIGEST_FORM)
_REV = Param("rev", int, "Which content; the present one when left out.")

_SEE = (errors.NotFound,)
_CHANGE = (errors.NotFound, errors.Forbidden, errors.KeyReused)
_PLACE = (*_CHANGE, errors.BadName, errors.PathTaken, errors.WrongKind, errors.StorageFull)
_STORE = (*_CHANGE, errors.Stale, errors.WrongKind, errors.StorageFull, errors.QuotaExceeded, errors.TooLarge)
_UPLOADS = (errors.UploadGone, errors.NotFound, errors.Forbidden)
_GUESS = (errors.LoginFailed, errors.TooManyTries)
_ALL = tuple(kind for kind in errors.all_errors() if kind.__module__ == errors.__name__)

# The table is read by its lines.
# fmt: off
CALLS: tuple[Call, ...] = (
    Call("server", "GET", "/server", "Who answers.", gives=ServerInfo, open=True),
    Call("openapi", "GET", "/openapi.json", "This document.", gives=Body.RAW, open=True),
    Call("login", "POST", "/login", "Log in.", takes=Login, gives=LoggedIn, open=True, fails=_GUESS),
    Call(
        "signup", "POST", "/signup", "Make an account, where sign-up is open.", takes=Signup, gives=LoggedIn, status=201,
        open=True, fails=(errors.SignupClosed, errors.NameTaken, errors.WeakPassword, errors.BadName, errors.TooManyTries),
    ),
    Call("logout", "POST", "/logout", "End this device's token.", status=204),
    Call("me", "GET", "/me", "The account of the token.", gives=Me),
    Call(
        "change_password", "POST", "/me/password", "Change the own password.", takes=NewPassword, status=204,
        fails=(*_GUESS, errors.WeakPassword),
    ),
    Call("devices", "GET", "/devices", "The account's devices.", gives=Devices),
    Call(
        "remove_device", "DELETE", "/devices/{device}", "Log a device out.", (_id("device", "Device id."),),
        status=204, fails=_SEE,
    ),
    Call("roots", "GET", "/roots", "The roots the account may see.", gives=Roots),
    Call("root_members", "GET", "/roots/{root}/members", "Who may see a root.", (_ROOT,), gives=Members, fails=_SEE),
    Call(
        "set_member", "PUT", "/roots/{root}/members", "Give or take rights; owners only.", (_ROOT,), takes=Member,
        gives=Members, fails=(*_CHANGE, errors.TooManyTries), mutates=True,
    ),
    Call(
        "changes", "GET", "/roots/{root}/changes", "The feed: latest states since a cursor, waiting for the next.",
        (
            _ROOT,
            _CURSOR,
            Param("wait", int, f"Seconds to wait for a change, 0 to {MAX_WAIT_S}.", default=0, maximum=MAX_WAIT_S),
            _LIMIT,
        ),
        gives=Changes, fails=(errors.NotFound, errors.CursorGone),
    ),
    Call(
        "journal", "GET", "/roots/{root}/journal", "Raw entries after a cursor.",
        (_ROOT, _CURSOR, _LIMIT),
        gives=Journal, fails=(errors.NotFound, errors.CursorGone),
    ),
    Call(
        "tree", "GET", "/roots/{root}/tree", "All nodes of a root, by pages; then follow the feed from `cursor`.",
        (
            _ROOT,
            Param("after", int, "`next` of the page before.", default=0),
            Param("cursor", str, "`cursor` of the first page, on every later page.", pattern=CURSOR_FORM),
            Param("under", int, "Only this folder's subtree (the folder itself included)."),
            _LIMIT,
        ),
        gives=TreePage, fails=(errors.NotFound, errors.CursorGone, errors.WrongKind),
    ),
    Call(
        "resolve", "GET", "/roots/{root}/path", "The node at a path.",
        (_ROOT, Param("path", str, "Names from the root's top, '/' between.", default="", pattern=PATH_FORM)),
        gives=Node, fails=(errors.NotFound, errors.BadName),
    ),
    Call("node", "GET", "/nodes/{node}", "One node.", (_NODE,), gives=Node, fails=_SEE),
    Call(
        "children", "GET", "/nodes/{node}/children", "What a folder holds, by name.",
        (_NODE, Param("after", str, "`next` of the page before.", default="", pattern=TEXT_FORM), _LIMIT),
        gives=NodePage, fails=(errors.NotFound, errors.WrongKind),
    ),
    Call(
        "make_folder", "POST", "/nodes/{node}/folders", "Make a folder.", (_NODE,), takes=NewFolder, gives=Node,
        status=201, fails=_PLACE, mutates=True,
    ),
    Call(
        "move", "POST", "/nodes/{node}/move", "Rename or move.", (_NODE,), takes=Move, gives=Node,
        fails=(*_PLACE, errors.Stale, errors.WouldCycle, errors.ContentMissing), mutates=True,
    ),
    Call(
        "copy", "POST", "/nodes/{node}/copy", "Copy a file or folder.", (_NODE,), takes=Copy, gives=Node, status=201,
        fails=(*_PLACE, errors.QuotaExceeded, errors.WouldCycle, errors.ContentMissing), mutates=True,
    ),
    Call(
        "set_facts", "POST", "/nodes/{node}/facts", "Set the modification time.", (_NODE,), takes=Facts, gives=Node,
        fails=(*_CHANGE, errors.Stale, errors.WrongKind), mutates=True,
    ),
    Call(
        "delete", "DELETE", "/nodes/{node}", "Put into the trash.",
        (_NODE, Param("base", int, "What the caller saw: a file's `change`, a folder's `below`.")),
        status=204, fails=(*_CHANGE, errors.Stale, errors.StorageFull), mutates=True,
    ),
    Call(
        "trash", "GET", "/roots/{root}/trash", "What was deleted.",
        (_ROOT, Param("after", int, "`next` of the page before.", default=0), _LIMIT), gives=Trash, fails=_SEE,
    ),
    Call(
        "empty_trash", "DELETE", "/roots/{root}/trash", "Remove everything in the trash for good.", (_ROOT,),
        gives=Emptied, fails=_CHANGE, mutates=True,
    ),
    Call(
        "restore", "POST", "/trash/{node}/restore", "Bring back from the trash.", (_NODE,), takes=Restore, gives=Node,
        fails=(*_CHANGE, errors.BadName, errors.WrongKind, errors.StorageFull), mutates=True,
    ),
    Call(
        "purge", "DELETE", "/trash/{node}", "Remove one thing from the trash for good.", (_NODE,), status=204,
        fails=_CHANGE, mutates=True,
    ),
    Call(
        "versions", "GET", "/nodes/{node}/versions", "Contents a file had.", (_NODE,), gives=Versions,
        fails=(errors.NotFound, errors.WrongKind),
    ),
    Call(
        "restore_version", "POST", "/nodes/{node}/versions/{rev}/restore",
        "Make an older content the present one, as a new rev.",
        (_NODE, _id("rev", "Which content."), Param("base", int, "The `rev` the caller saw.")),
        gives=Node,
        fails=(*_CHANGE, errors.Stale, errors.WrongKind, errors.StorageFull, errors.QuotaExceeded, errors.ContentMissing),
        mutates=True,
    ),
    Call(
        "content", "GET", "/nodes/{node}/content",
        "Bytes of a file: whole, one range or several; conditional; HEAD as well.", (_NODE, _REV), gives=Body.RAW,
        fails=(errors.NotFound, errors.WrongKind, errors.ContentMissing),
        headers=("Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since"),
    ),
    Call(
        "media", "GET", "/nodes/{node}/media", "What a picture, film or sound shows: kind, sides, time, place.", (_NODE,),
        gives=Media, fails=(errors.NotFound, errors.WrongKind, errors.MediaBroken),
    ),
    Call(
        "thumbnail", "GET", "/nodes/{node}/thumbnail",
        "A small picture of a picture or film: upright, proportional, never enlarged; JPEG or PNG; conditional; HEAD as well.",
        (_NODE, Param("size", str, "Longest side in pixels: 100 or 800.", default="100", pattern="^(100|800)$")),
        gives=Body.RAW, fails=(errors.NotFound, errors.WrongKind, errors.MediaBroken),
        headers=("Range", "If-Range", "If-None-Match", "If-Match"),
    ),
    Call(
        "block_digests", "GET", "/nodes/{node}/blocks", "Digests of a content's blocks.",
        (_NODE, _REV, Param(
            "block_size", int, "Bytes, 64 KiB to 64 MiB.", default=4 * 1024 * 1024, minimum=64 * 1024,
            maximum=MAX_BLOCK_BYTES,
        )), gives=Blocks,
        fails=(errors.NotFound, errors.WrongKind, errors.ContentMissing),
    ),
    Call(
        "put_file", "PUT", "/nodes/{node}/files",
        "A new file in the folder `node`, in one request. With `base` it replaces the file of that name.",
        (
            _NODE,
            Param("name", str, "Its name.", required=True, pattern=NAME_FORM),
            Param("mtime_ns", int, "Modification time; now when left out.", minimum=MIN_MTIME_NS),
            _DIGEST,
            Param("base", int, "`rev` of the file of that name that the caller saw; without it a taken name is refused."),
        ),
        takes=Body.RAW, gives=Node, status=201,
        fails=(*_STORE, errors.BadName, errors.PathTaken, errors.DigestMismatch), mutates=True,
    ),
    Call(
        "put_content", "PUT", "/nodes/{node}/content", "New content for a file, in one request.",
        (
            _NODE,
            Param("base", int, "The `rev` the caller saw.", required=True),
            Param("mtime_ns", int, "Modification time; now when left out.", minimum=MIN_MTIME_NS),
            _DIGEST,
        ),
        takes=Body.RAW, gives=Node, fails=(*_STORE, errors.DigestMismatch), mutates=True,
    ),
    Call(
        "begin_upload", "POST", "/uploads", "Begin an upload in blocks.", takes=NewUpload, gives=Upload, status=201,
        fails=(*_STORE, errors.BadName, errors.PathTaken, errors.UploadGone), mutates=True,
    ),
    Call("upload", "GET", "/uploads/{upload}", "How far an upload is.", (_UPLOAD,), gives=Upload, fails=_UPLOADS),
    Call(
        "put_block", "PUT", "/uploads/{upload}/blocks/{offset}",
        "Bytes at an offset; any order, any number of connections, again is harmless.",
        (_UPLOAD, _id("offset", "Where the bytes begin."), Param("digest", str, "BLAKE3 of this block.", pattern=DIGEST_FORM)),
        takes=Body.RAW, gives=Upload,
        fails=(*_UPLOADS, errors.WrongOffset, errors.TooLarge, errors.DigestMismatch, errors.StorageFull),
    ),
    Call(
        "upload_have", "POST", "/uploads/{upload}/have", "Fill in blocks that the replaced content already has.",
        (_UPLOAD,), takes=Have, gives=Upload, fails=(*_UPLOADS, errors.StorageFull),
    ),
    Call(
        "finish_upload", "POST", "/uploads/{upload}/finish", "Verify and publish; again gives the same answer.",
        (_UPLOAD,), takes=Finish, gives=Node, mutates=True,
        fails=(
            *_CHANGE, errors.UploadGone, errors.Incomplete, errors.DigestMismatch, errors.PathTaken, errors.Stale,
            errors.StorageFull,
        ),
    ),
    Call("cancel_upload", "DELETE", "/uploads/{upload}", "Drop an upload.", (_UPLOAD,), status=204, fails=_UPLOADS),
    Call(
        "make_folders", "POST", "/roots/{root}/folders", "Make many folders in one call.", (_ROOT,), takes=PackFolders,
        gives=PackResults, fails=(*_CHANGE, errors.TooLarge), mutates=True,
    ),
    Call(
        "put_pack", "POST", "/roots/{root}/pack", "Many small files up in one body, answered per file.", (_ROOT,),
        takes=Body.PACK, gives=PackResults, fails=(*_CHANGE, errors.TooLarge, errors.StorageFull), mutates=True,
    ),
    Call(
        "get_pack", "POST", "/roots/{root}/wanted", "Many small files down in one body.", (_ROOT,), takes=PackWanted,
        gives=Body.PACK, fails=(errors.NotFound, errors.TooLarge),
    ),
    Call(
        "shares", "GET", "/shares", "Links one made, newest first; with `root` all into a root, for its owners.",
        (Param("root", int, "Root id."),), gives=Shares, fails=(errors.NotFound, errors.Forbidden),
    ),
    Call(
        "add_share", "POST", "/shares", "Make a link to a file or folder, for reading without a login.", takes=NewShare,
        gives=SharedLink, status=201, fails=(errors.NotFound, errors.WeakPassword, errors.TooLarge, errors.KeyReused),
        mutates=True,
    ),
    Call(
        "remove_share", "DELETE", "/shares/{share}", "End a link: one's own, or one into a root that one owns.",
        (_id("share", "Link id."),), status=204, fails=_SEE,
    ),
    Call(
        "order", "POST", "/admin", "An administration order.", takes=Order, gives=Outcome, operator=True,
        fails=_ALL,
    ),
)
# fmt: on

BY_NAME: dict[str, Call] = {call.name: call for call in CALLS}
