"""What a node is, as both ends see it."""

from dataclasses import dataclass
from enum import StrEnum

from homestow.values.digests import Digest
from homestow.values.ids import NodeId, RootId


class Kind(StrEnum):
    """What stands at a place of the tree."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    """A symbolic link: listed, never followed, never synced (R25)."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node as it is now.

    Attributes:
        id: identity; survives renames and moves.
        root: the root it belongs to.
        parent: its folder; None only for a root's top folder.
        name: what people see, NFC, one segment (see `paths.check_name`); "" for a root's top folder.
        kind: file, folder or symlink.
        rev: number of the present content, 1 for the first; grows by one with every new content. 0 for folders.
        change: journal number of the last change of this node itself (content, place, facts, trash).
        below: folders: journal number of the last change of the folder or anything under it; files: same as `change`.
        size: bytes of content; 0 for folders.
        mtime_ns: modification time the content bears, nanoseconds since 1970 UTC; may be negative.
        digest: BLAKE3 of the content; None for folders and for content nobody needed a digest of yet.
        gone: it was deleted (lies in the trash, or was purged and only the tombstone is left).
    """

    id: NodeId
    root: RootId
    parent: NodeId | None
    name: str
    kind: Kind
    rev: int
    change: int
    below: int
    size: int
    mtime_ns: int
    digest: Digest | None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where people see a node: a folder and a name in it."""

    parent: NodeId
    name: str
