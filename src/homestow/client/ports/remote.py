"""The server as the sync client needs it: one root, by node ids, every change conditioned on what the caller saw.

All calls raise `CloudError`s: `Unreachable` when no answer came (the effect is then unknown, R22), `NotHomestow` when
something else answered (SC-171), else what the server said. Every network wait has a deadline (P12). Calls may come from
several threads at once.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from homestow.values.digests import Digest
from homestow.values.errors import CloudError
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Node


class RemoteRoot(NamedTuple):
    """The root a job keeps in step; `top` is its top folder's node, `change` its newest change number.

    `part`: the top is a folder of the root, the job's, not all of it.
    """

    id: RootId
    name: str
    top: NodeId
    writable: bool
    epoch: str
    change: int
    part: bool = False


class Limits(NamedTuple):
    """What one pack or block may hold at most, in files and bytes."""

    pack_files: int
    pack_bytes: int
    pack_file_bytes: int
    block_bytes: int


class TreePart(NamedTuple):
    """A page of all nodes; `cursor` is where the feed continues once the last page (`next` None) was taken."""

    nodes: Sequence[Node]
    next: int | None
    cursor: str


class Feed(NamedTuple):
    """Latest states since a cursor; a gone folder stands for everything in it."""

    nodes: Sequence[Node]
    cursor: str
    more: bool


class SmallFile(NamedTuple):
    """A file to send in a pack: new at (parent, name), or new content of `node` over `base`."""

    content: bytes
    mtime_ns: int
    digest: Digest | None = None
    parent: NodeId | None = None
    name: str | None = None
    node: NodeId | None = None
    base: int | None = None


class UploadState(NamedTuple):
    """An upload as the server knows it: received ranges [start, stop) in bytes, `done` once it is published."""

    id: str
    size: int
    block_size: int
    have: Sequence[tuple[int, int]]
    done: Node | None


class FolderMissing(CloudError):
    """The folder of the root that a job keeps in step is not on the server: nothing is deleted for it (R18)."""

    code = "remote-folder-missing"


class Places(Protocol):
    """What finds things of a root by path; not every server does."""

    def resolve(self, path: str) -> Node:
        """The node at a path, names with "/" between; `NotFound` when nothing is there."""


class Remote(Protocol):
    """One root on a server."""

    @property
    def limits(self) -> Limits:
        """What the server takes at most; asked once."""

    def root(self) -> RemoteRoot:
        """The root as it is now; `NotFound` when it is not (or no longer) ours to see."""

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        """A page of all nodes; pass `next` and `cursor` of the page before."""

    def changes(self, cursor: str, wait_s: int) -> Feed:
        """The feed since `cursor`, waiting up to `wait_s` seconds for something; `CursorGone`: list anew, delete nothing."""

    def node(self, node: NodeId) -> Node:
        """One node as it is now."""

    def make_folder(self, parent: NodeId, name: str) -> Node:
        """A new folder; `PathTaken` with fact `node` when something has the name."""

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        """Many folders, parents first; parent -k is the k-th of this list (from 1); an existing folder is taken as the answer."""

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        """A new place; `Stale` unless the node's `change` still is `base`; moving to where it already is answers the node."""

    def delete(self, node: NodeId, base: int) -> None:
        """Into the trash; `Stale` unless a file's `change` / a folder's `below` still is `base`."""

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        """A new modification time without new content (R26)."""

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        """Send a pack; one result per file."""

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        """Fetch (node, rev) contents in one answer, in order, as they arrive."""

    def begin_upload(
        self,
        *,
        size: int,
        mtime_ns: int,
        block_size: int,
        digest: Digest | None = None,
        parent: NodeId | None = None,
        name: str | None = None,
        node: NodeId | None = None,
        base: int | None = None,
        key: str | None = None,
    ) -> UploadState:
        """Begin; `done` is set at once when the server knows the content. `key` makes a retry give the same upload."""

    def upload(self, upload: str) -> UploadState:
        """How far it is; `UploadGone` when it is no more."""

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        """Send bytes at an offset; harmless when repeated."""

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        """Digests of all blocks to come: the server takes those from the replaced content that it has."""

    def finish(self, upload: str, digest: Digest) -> Node:
        """Publish; repeated, it answers the same node."""

    def cancel(self, upload: str) -> None:
        """Drop it; nothing when it is gone already."""

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        """Bytes [start, stop) of one content in pieces of at most 1 MiB; never a mix of two contents (SC-159)."""

    def close(self) -> None:
        """Close connections; calls under way end with `Unreachable`."""
