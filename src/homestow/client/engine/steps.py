"""The steps a plan is made of: values, each with what must still hold when it is taken.

Settlements change only what is remembered; they are pure and `settle` takes them. The others act on disk or server; the
executor takes them, one by one or in packs. Steps name items by the id they had when the plan was made: an item that got
its node in between is found by `Trees.now`.
"""

from dataclasses import dataclass

from homestow.client.engine.seen import Stamp

# --- settlements: nothing moves, only the trees learn ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing was agreed on the item: both sides dropped it (R7), or the side that still has it wins (R6, R8, R10)."""

    item: int


@dataclass(frozen=True, slots=True)
class Rebirth:
    """The server dropped the item, the disk's copy stays: it becomes an item that the server does not have (R6, R8, R10)."""

    item: int


@dataclass(frozen=True, slots=True)
class Split:
    """Both sides hold different content: the disk's becomes an item of its own (R4)."""

    item: int


@dataclass(frozen=True, slots=True)
class Adopt:
    """Disk and server made the same thing: bind the local item to the node, no transfer (R3, R5, R24)."""

    item: int
    node: int


@dataclass(frozen=True, slots=True)
class Replace:
    """One-way up: the disk's file at the same place shall become the node's content, the server's stays as a version."""

    item: int
    node: int


@dataclass(frozen=True, slots=True)
class Remember:
    """Both sides hold the same content; take as agreed all that is the same."""

    item: int


@dataclass(frozen=True, slots=True)
class TakeTheirs:
    """One-way up: the server's state becomes the base, so that what the disk shows is the change that remains."""

    item: int


Settlement = Forget | Rebirth | Split | Adopt | Replace | Remember | TakeTheirs

# --- reading: what has to be known before deciding ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadDigest:
    """Read the local file to learn whether its content changed."""

    item: int
    expect: Stamp


@dataclass(frozen=True, slots=True)
class LearnDigest:
    """Read the server's content, whose digest the server does not know, to compare it (R3)."""

    item: int
    rev: int


# --- acting on the server ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakeRemoteFolder:
    """Make the local folder `item` on the server."""

    item: int


@dataclass(frozen=True, slots=True)
class MoveRemote:
    """Give the node a new place; `base` is the change number we know. `parent` may be an item that becomes a node before."""

    item: int
    parent: int
    name: str
    base: int


@dataclass(frozen=True, slots=True)
class DeleteRemote:
    """Put the node into the server's trash, a folder with all it holds."""

    item: int
    base: int
    folder: bool


@dataclass(frozen=True, slots=True)
class SetMtimeRemote:
    """Only the time changed (R26)."""

    item: int
    mtime_ns: int
    base: int


@dataclass(frozen=True, slots=True)
class UploadNew:
    """Send the local file `item` as a new one."""

    item: int
    expect: Stamp


@dataclass(frozen=True, slots=True)
class UploadContent:
    """Send new content of a node over the content `base_rev`."""

    item: int
    base_rev: int
    expect: Stamp


# --- acting on the disk ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakeLocalFolder:
    """Make the node's folder on disk."""

    item: int


@dataclass(frozen=True, slots=True)
class MoveLocal:
    """Rename on disk to the place the server has."""

    item: int
    parent: int
    name: str
    expect: Stamp


@dataclass(frozen=True, slots=True)
class RenameToConflict:
    """Give the local item the conflict name of `name` in `parent`; the name needs the content's SHA-256 (R4, R12, R14)."""

    item: int
    parent: int
    name: str
    expect: Stamp


@dataclass(frozen=True, slots=True)
class RemoveLocal:
    """Remove from disk what the server dropped; folders only when empty."""

    item: int
    expect: Stamp
    folder: bool


@dataclass(frozen=True, slots=True)
class SetMtimeLocal:
    """Only the time changed (R26)."""

    item: int
    mtime_ns: int
    expect: Stamp


@dataclass(frozen=True, slots=True)
class DownloadNew:
    """Bring a node's content to a free name. `conflict`: a local folder has the name; use the conflict name (R14)."""

    item: int
    rev: int
    size: int
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class DownloadContent:
    """Bring a node's new content over the local file that is still as seen."""

    item: int
    rev: int
    size: int
    expect: Stamp


Action = (
    ReadDigest
    | LearnDigest
    | MakeRemoteFolder
    | MoveRemote
    | DeleteRemote
    | SetMtimeRemote
    | UploadNew
    | UploadContent
    | MakeLocalFolder
    | MoveLocal
    | RenameToConflict
    | RemoveLocal
    | SetMtimeLocal
    | DownloadNew
    | DownloadContent
)
Step = Settlement | Action


@dataclass(frozen=True, slots=True)
class Held:
    """An item or name that is not synced, and why; `code` is stable, `path` as the disk or server has it (R16, P9)."""

    path: tuple[str, ...]
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Brake:
    """The pass would delete too much of one side: ask (R18). `side` is "here" or "there"."""

    side: str
    files: int
    of: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next, in order.

    Either `settlements` (take them, then plan again) or `actions`; neither means both sides are in step but for `held`.
    With a `brake` there are no actions.
    """

    settlements: tuple[Settlement, ...] = ()
    actions: tuple[Action, ...] = ()
    held: tuple[Held, ...] = ()
    brake: Brake | None = None
