"""The steps a plan is made of: values, each with what must still hold when it is taken.

Settlements change only what is remembered; they are pure and `settle` takes them. The others act on disk or server; the
executor takes them, one by one or in packs. Steps name items by the id they had when the plan was made: an item that got
its node in between is found by `Trees.now`.
"""

from typing import Any, NamedTuple, TypeVar

from homestow.client.engine.seen import Stamp

_StepT = TypeVar("_StepT", bound=type[tuple[Any, ...]])


def _of_its_kind(step: _StepT) -> _StepT:
    """A step equals another one of its own kind only, although it is a tuple.

    Tuples, because a class of them is made in an eighth of the time that a dataclass takes, and every start makes all these.
    """

    def same(self: tuple[Any, ...], other: object) -> bool:
        return type(other) is type(self) and tuple.__eq__(self, other)

    def differs(self: tuple[Any, ...], other: object) -> bool:
        return not same(self, other)

    for name, does in (("__eq__", same), ("__ne__", differs), ("__hash__", tuple.__hash__)):
        setattr(step, name, does)
    return step


# --- settlements: nothing moves, only the trees learn ------------------------------------------------------------------


@_of_its_kind
class Forget(NamedTuple):
    """Nothing was agreed on the item: both sides dropped it (R7), or the side that still has it wins (R6, R8, R10)."""

    item: int


@_of_its_kind
class Rebirth(NamedTuple):
    """The server dropped the item, the disk's copy stays: it becomes an item that the server does not have (R6, R8, R10)."""

    item: int


@_of_its_kind
class Split(NamedTuple):
    """Both sides hold different content: the disk's becomes an item of its own (R4)."""

    item: int


@_of_its_kind
class Adopt(NamedTuple):
    """Disk and server made the same thing: bind the local item to the node, no transfer (R3, R5, R24)."""

    item: int
    node: int


@_of_its_kind
class Replace(NamedTuple):
    """One-way up: the disk's file at the same place shall become the node's content, the server's stays as a version."""

    item: int
    node: int


@_of_its_kind
class Remember(NamedTuple):
    """Both sides hold the same content; take as agreed all that is the same."""

    item: int


@_of_its_kind
class TakeTheirs(NamedTuple):
    """One-way up: the server's state becomes the base, so that what the disk shows is the change that remains."""

    item: int


@_of_its_kind
class LeaveOut(NamedTuple):
    """The item would be where the patterns leave everything out: forgotten on both sides, it stays on both (SC-129)."""

    item: int


Settlement = Forget | Rebirth | Split | Adopt | Replace | Remember | TakeTheirs | LeaveOut

# --- reading: what has to be known before deciding ---------------------------------------------------------------------


@_of_its_kind
class ReadDigest(NamedTuple):
    """Read the local file to learn whether its content changed."""

    item: int
    expect: Stamp


@_of_its_kind
class LearnDigest(NamedTuple):
    """Read the server's content, whose digest the server does not know, to compare it (R3)."""

    item: int
    rev: int


# --- acting on the server ----------------------------------------------------------------------------------------------


@_of_its_kind
class MakeRemoteFolder(NamedTuple):
    """Make the local folder `item` on the server."""

    item: int


@_of_its_kind
class MoveRemote(NamedTuple):
    """Give the node a new place; `base` is the change number we know. `parent` may be an item that becomes a node before."""

    item: int
    parent: int
    name: str
    base: int


@_of_its_kind
class DeleteRemote(NamedTuple):
    """Put the node into the server's trash, a folder with all it holds."""

    item: int
    base: int
    folder: bool


@_of_its_kind
class SetMtimeRemote(NamedTuple):
    """Only the time changed (R26)."""

    item: int
    mtime_ns: int
    base: int


@_of_its_kind
class UploadNew(NamedTuple):
    """Send the local file `item` as a new one."""

    item: int
    expect: Stamp


@_of_its_kind
class UploadContent(NamedTuple):
    """Send new content of a node over the content `base_rev`."""

    item: int
    base_rev: int
    expect: Stamp


# --- acting on the disk ------------------------------------------------------------------------------------------------


@_of_its_kind
class MakeLocalFolder(NamedTuple):
    """Make the node's folder on disk."""

    item: int


@_of_its_kind
class MoveLocal(NamedTuple):
    """Rename on disk to the place the server has."""

    item: int
    parent: int
    name: str
    expect: Stamp


@_of_its_kind
class RenameToConflict(NamedTuple):
    """Give the local item the conflict name of `name` in `parent`; the name needs the content's SHA-256 (R4, R12, R14)."""

    item: int
    parent: int
    name: str
    expect: Stamp


@_of_its_kind
class RemoveLocal(NamedTuple):
    """Remove from disk what the server dropped; folders only when empty."""

    item: int
    expect: Stamp
    folder: bool


@_of_its_kind
class SetMtimeLocal(NamedTuple):
    """Only the time changed (R26)."""

    item: int
    mtime_ns: int
    expect: Stamp


@_of_its_kind
class DownloadNew(NamedTuple):
    """Bring a node's content to a free name. `conflict`: a local folder has the name; use the conflict name (R14)."""

    item: int
    rev: int
    size: int
    conflict: bool = False


@_of_its_kind
class DownloadContent(NamedTuple):
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


class Held(NamedTuple):
    """An item or name that is not synced, and why; `code` is stable, `path` as the disk or server has it (R16, P9)."""

    path: tuple[str, ...]
    code: str
    reason: str


class Brake(NamedTuple):
    """The pass would delete too much of one side: ask (R18). `side` is "here" or "there"."""

    side: str
    files: int
    of: int


class Plan(NamedTuple):
    """What to do next, in order.

    Either `settlements` (take them, then plan again) or `actions`; neither means both sides are in step but for `held`.
    With a `brake` there are no actions.
    """

    settlements: tuple[Settlement, ...] = ()
    actions: tuple[Action, ...] = ()
    held: tuple[Held, ...] = ()
    brake: Brake | None = None
