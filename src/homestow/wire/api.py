"""The native API `/api/v1`: its messages and limits. The calls that bear them are the table in `wire.calls`.

Bodies are JSON (msgspec structs below) unless a call says `RAW` (bytes of content) or `PACK` (see
`wire.packs`). Times are nanoseconds since 1970 UTC, sizes are bytes, digests BLAKE3 in lower-case hexadecimal.

Headers used by all calls: `Authorization: Bearer <token>`; `Idempotency-Key` (1 to 64 printable ASCII characters) on every
mutating call: the same key with the same request gives the same answer and one effect (P8); answers bear
`Homestow-Epoch`, by which a client tells a Homestow server from a captive portal (SC-171). A request that bears it means that
life of the store: in another one it is refused with `cursor-gone`, since node ids may be somebody else's there (R23).
"""

from enum import Enum
from typing import Annotated, Literal

import msgspec

from homestow.values.nodes import Node

PREFIX = "/api/v1"
EPOCH_HEADER = "Homestow-Epoch"
KEY_HEADER = "Idempotency-Key"
MAX_JSON_BYTES = 1024 * 1024
MAX_PAGE = 10_000
MAX_FOLDERS = 10_000
MAX_PACK_FILES = 4096
MAX_PACK_BYTES = 16 * 1024 * 1024
MAX_PACK_FILE_BYTES = 1024 * 1024
MAX_BLOCK_BYTES = 64 * 1024 * 1024
MAX_WAIT_S = 60
MIN_MTIME_NS = -(2**63)


Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A size, an id, an offset: 0 up to the largest 64-bit integer."""

Time = Annotated[int, msgspec.Meta(ge=MIN_MTIME_NS, le=2**63 - 1)]
"""Nanoseconds since 1970 UTC, negative before."""

DIGEST_FORM = "^[0-9a-f]{64}$"
CURSOR_FORM = "^[0-9a-f]{32}-[0-9]{1,18}$"
NAME_FORM = r"^(?!\.{1,2}$)[^/\x00]+$"
TEXT_FORM = r"^[^\x00]*$"
PATH_FORM = r"^/?((?!\.{1,2}(/|$))[^/\x00]+(/(?!\.{1,2}(/|$))[^/\x00]+)*/?)?$"

# What is written in the document only: the use cases check it and say what is wrong by their own codes.
Name = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 255, "pattern": NAME_FORM})]
"""A name in a folder, at most 255 bytes in UTF-8; see `values.paths.check_name`."""

DigestText = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": DIGEST_FORM})]
"""BLAKE3 as 64 lower-case hexadecimal digits."""

NewSecret = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 10, "maxLength": 1024})]
"""A password to be, 10 to 1,024 characters (S46)."""

LinkSecret = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 6, "maxLength": 1024})]
"""A password of a link to be."""

BlockSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_BLOCK_BYTES)]
"""Bytes of a block."""


class Body(Enum):
    """Bodies that are not JSON."""

    NONE = "none"
    RAW = "application/octet-stream"
    PACK = "application/x-homestow-pack"


class Wire(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of all messages: unknown fields are ignored, so that older clients read newer servers."""


class Problem(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What every failing call answers; `code` is one of `values.errors`."""

    code: str
    message: str
    facts: dict[str, str | int | bool | None] = {}
    request_id: str = ""


# --- the server itself ------------------------------------------------------------------------------------------------


class ServerInfo(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Who answers, in which life of the store, and what it takes at most."""

    name: Literal["homestow"] = "homestow"
    version: str
    epoch: str
    now_ns: int
    signup_open: bool
    max_pack_files: int = MAX_PACK_FILES
    max_pack_bytes: int = MAX_PACK_BYTES
    max_pack_file_bytes: int = MAX_PACK_FILE_BYTES
    max_block_bytes: int = MAX_BLOCK_BYTES
    max_wait_s: int = MAX_WAIT_S


# --- login, devices ---------------------------------------------------------------------------------------------------


class Login(Wire, frozen=True, kw_only=True):
    """Trade a password for a token; `device` names this computer or phone, 1 to 64 characters."""

    user: str
    password: str
    device: str = "browser"


class LoggedIn(Wire, frozen=True, kw_only=True):
    """The token goes into `Authorization: Bearer`; it is shown this once."""

    token: str
    user: str
    device: int


class Signup(Wire, frozen=True, kw_only=True):
    """A new account, where the owner opened sign-up; `user`: see `server.rules.passwords.check_user_name`."""

    user: str
    password: NewSecret


class Me(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """The account of the token."""

    user: str
    admin: bool
    device: int
    device_name: str
    quota: int | None
    used: int


class NewPassword(Wire, frozen=True, kw_only=True):
    """Own password change; all other devices are logged out."""

    old: str
    new: NewSecret


class Device(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """One logged-in computer or phone."""

    id: int
    name: str
    created_ns: int
    seen_ns: int
    current: bool


class Devices(Wire, frozen=True, kw_only=True):
    """All devices of the account."""

    devices: list[Device]


# --- roots ------------------------------------------------------------------------------------------------------------


class Root(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A tree the account may see; `top` is the node of its top folder; rights are "read", "write" or "own"."""

    id: int
    name: str
    top: int
    rights: Literal["read", "write", "own"]
    change: int
    used: int
    quota: int | None


class Roots(Wire, frozen=True, kw_only=True):
    """All roots of the account, its own first."""

    roots: list[Root]


class Member(Wire, frozen=True, kw_only=True):
    """Somebody's rights in a root; "none" takes them away."""

    user: str
    rights: Literal["read", "write", "own", "none"]


class Members(Wire, frozen=True, kw_only=True):
    """All members of a root."""

    members: list[Member]


# --- nodes ------------------------------------------------------------------------------------------------------------


class NodePage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Nodes in order; `next` goes into `after` for the next page, None at the end."""

    nodes: list[Node]
    next: str | None


class TreePage(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A page of all nodes of a root that are not gone, by id; `cursor` is where the feed continues, taken before page one."""

    nodes: list[Node]
    next: int | None
    cursor: str


class Changes(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """The latest state of every node changed since the cursor, oldest change first; `more`: ask again at once.

    A gone folder stands for everything in it; what else changed in it since the cursor is told as gone too. A folder that
    came back is told with everything in it.
    """

    nodes: list[Node]
    cursor: str
    more: bool


class Entry(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """One raw journal entry."""

    number: int
    root: int
    node: int
    kind: str
    at_ns: int
    user: str | None
    device: int


class Journal(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Raw journal entries after a cursor, in order, each once."""

    entries: list[Entry]
    cursor: str


class NewFolder(Wire, frozen=True, kw_only=True):
    """Make a folder in this one; an existing folder of that name is `path-taken` with its id as fact `node`."""

    name: Name


class Move(Wire, frozen=True, kw_only=True):
    """Give a node a new place in the same root. `base` is the `change` the caller saw; without it any state is moved."""

    parent: Whole
    name: Name
    base: Whole | None = None
    place_only: bool = False
    """Leave the file where it lies on disk (place and location are two facts)."""


class Copy(Wire, frozen=True, kw_only=True):
    """Copy a file or folder inside its root; a taken name is `path-taken`."""

    parent: Whole
    name: Name


class Facts(Wire, frozen=True, kw_only=True):
    """Set facts of a node without new content (R26)."""

    mtime_ns: Time
    base: Whole | None = None


# --- trash and versions -----------------------------------------------------------------------------------------------


class Media(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What the present content of a file shows; null: it does not tell.

    Attributes:
        kind: image, gif, video, audio or other.
        format: JPEG, PNG, MP4 …; the extension in capitals for what is no media.
        width, height: pixels as it is to be displayed, so after `orientation`.
        orientation: 1 to 8 as EXIF has it.
        duration_s: of films, sounds and animations.
        taken_ns: when it was taken, nanoseconds since 1970; without a zone in the file it counts as UTC.
        latitude, longitude: degrees, north and east positive.
        codec: of the picture, else of the sound.
    """

    kind: str
    format: str
    width: int | None
    height: int | None
    orientation: int | None
    duration_s: float | None
    taken_ns: int | None
    latitude: float | None
    longitude: float | None
    codec: str | None


class Trashed(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Something in the trash: the node, where it was, when and by whom it was deleted."""

    node: Node
    path: str
    deleted_ns: int
    by: str | None


class Trash(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A page of the trash, newest first."""

    items: list[Trashed]
    next: int | None


class Restore(Wire, frozen=True, kw_only=True):
    """Bring back from the trash: to its old place, or to `parent` and `name`; a taken name gets " (2)"."""

    parent: Whole | None = None
    name: Name | None = None


class Emptied(Wire, frozen=True, kw_only=True):
    """How many things were removed for good."""

    removed: int


class Version(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Content a file had; `current` marks the present one."""

    rev: int
    size: int
    mtime_ns: int
    digest: str | None
    saved_ns: int
    current: bool


class Versions(Wire, frozen=True, kw_only=True):
    """All kept contents of a file, newest first."""

    versions: list[Version]


# --- links ------------------------------------------------------------------------------------------------------------


class NewShare(Wire, frozen=True, kw_only=True):
    """A link to be, to a file or to a folder with all below it; for reading only.

    Attributes:
        password: asked of whoever opens it, 6 to 1,024 characters.
        expires_ns: dead from then on, by the server's clock; a time that is over makes a dead link.
        label: a word for whoever made it, up to 200 characters.
    """

    node: Whole
    password: LinkSecret | None = None
    expires_ns: Whole | None = None
    label: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Share(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A link.

    Attributes:
        name: the node's name; None while whoever asks cannot see it.
        kind: `link`, or `isync` for one that an isync client asked for; that one dies when it is not used for some time.
        user: who made it; None when that account is gone. Whoever opens the link gets what this one may read.
        used_ns, uses: last use (at first its making), and how many.
        life_ns: dies when unused for so long; None: no such rule.
        password: whether one is asked.
        opens: whether somebody with the key gets something now.
    """

    id: int
    node: int
    root: int
    name: str | None
    kind: str
    user: str | None
    created_ns: int
    expires_ns: int | None
    life_ns: int | None
    used_ns: int
    uses: int
    password: bool
    label: str | None
    opens: bool


class Shares(Wire, frozen=True, kw_only=True):
    """Links, newest first."""

    shares: list[Share]


class SharedLink(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A new link; `path` on this server opens it and is told this once."""

    share: Share
    path: str


class SharedNode(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What stands in a shared folder, as somebody with the link sees it; a digit path behind the link's leads to it."""

    id: int
    name: str
    kind: str
    size: int
    mtime_ns: int


class SharedFolder(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What opening a folder's link answers; `next` is `after` of the following page, None on the last."""

    name: str
    nodes: list[SharedNode]
    next: str | None


# --- content ----------------------------------------------------------------------------------------------------------


class Blocks(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """Digests of the blocks of one content: block k covers bytes k*block_size up to (k+1)*block_size."""

    rev: int
    size: int
    block_size: int
    digests: list[str]


class NewUpload(Wire, frozen=True, kw_only=True):
    """Begin an upload.

    Attributes:
        parent, name: where a new file shall be; or `node`: the file to replace.
        size: declared length in bytes, 0 or more.
        base: rev of the content it replaces, as the caller saw it; needed with `node`.
        digest: BLAKE3 of all of it, when already known: content of 64 KiB or more that this account already has is not sent again.
        block_size: bytes of a block for `have`; at most 64 MiB.
    """

    size: Whole
    parent: Whole | None = None
    name: Name | None = None
    node: Whole | None = None
    base: Whole | None = None
    digest: DigestText | None = None
    mtime_ns: Time | None = None
    block_size: BlockSize = 4 * 1024 * 1024


class Upload(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """An upload's state: created, uploading, uploaded, written. `have` are ranges [start, stop) that are durable or at
    least received; `node` is reserved from the start. `done` is the finished node once written."""

    id: str
    node: int
    state: Literal["created", "uploading", "uploaded", "written"]
    size: int
    block_size: int
    have: list[tuple[int, int]]
    expires_ns: int
    done: Node | None = None


class Have(Wire, frozen=True, kw_only=True):
    """Digests of the blocks of the content to come; the server fills in those it finds in the replaced content."""

    digests: list[DigestText]


class Finish(Wire, frozen=True, kw_only=True):
    """Publish; with `digest` the received bytes must be those."""

    digest: DigestText | None = None


# --- packs: see wire.packs for the framing ----------------------------------------------------------------------------


class PackItem(Wire, frozen=True, kw_only=True):
    """Header of one file in an upward pack: a new file (`parent`, `name`) or new content of `node` over rev `base`."""

    size: Whole
    mtime_ns: Time
    parent: Whole | None = None
    name: str | None = None
    node: Whole | None = None
    base: Whole | None = None
    digest: str | None = None


class PackResult(Wire, frozen=True, kw_only=True):
    """What became of one file of a pack, in the pack's order: the node, or the problem."""

    node: Node | None = None
    problem: Problem | None = None


class PackResults(Wire, frozen=True, kw_only=True):
    """One result per file."""

    results: list[PackResult]


class PackFolders(Wire, frozen=True, kw_only=True):
    """Folders to make, parents before children; an entry's parent is a node id, or -k for the k-th entry (from 1) of this list.

    An existing folder of that name is taken as the answer: many clients may make one tree at once.
    """

    folders: list[tuple[Annotated[int, msgspec.Meta(ge=-MAX_FOLDERS, le=2**63 - 1)], Name]]


class PackWanted(Wire, frozen=True, kw_only=True):
    """Contents wanted in one body; a file whose rev moved on comes as a problem. At most 4,096 files, 16 MiB in all."""

    files: list[tuple[Whole, Whole]]
    """(node, rev)"""


class PackHeader(Wire, frozen=True, kw_only=True):
    """Header of one file in a downward pack: its bytes follow, or a problem."""

    node: int
    rev: int
    size: int = 0
    problem: Problem | None = None


# --- administration (an admin's token, or the owner-only local socket) ------------------------------------------------


class Order(Wire, frozen=True, kw_only=True):
    """One administration order by name with its arguments; see `server.service.admin` for the list."""

    name: str
    args: dict[str, str | int | bool | None | list[str]] = {}


class Outcome(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """What an order gave: lines for people and data for programs."""

    lines: list[str]
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
