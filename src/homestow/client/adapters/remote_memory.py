"""A small reference server in dictionaries: what every server of the `Remote` port must be like, and nothing more.

`MemoryServer` is one root of one store; `MemoryRemote` is one device's sight of it. All versions and everything deleted
are kept for ever, so that a test can ask for every content that ever was accepted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from blake3 import blake3

from homestow.client.ports.remote import Feed, Limits, RemoteRoot, SmallFile, TreePart, UploadState
from homestow.values.changes import Cursor, parse_cursor
from homestow.values.digests import Digest
from homestow.values.errors import (
    BadRequest,
    CloudError,
    ContentMissing,
    CursorGone,
    DigestMismatch,
    Forbidden,
    Incomplete,
    NotFound,
    PathTaken,
    Stale,
    StorageFull,
    TooLarge,
    UploadGone,
    WouldCycle,
    WrongKind,
    WrongOffset,
)
from homestow.values.ids import Epoch, NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name

LIMITS = Limits(pack_files=64, pack_bytes=1 << 20, pack_file_bytes=1 << 12, block_bytes=1 << 16)
"""Small, so that small tests meet every limit."""

TOP = NodeId(1)
_ROOT = RootId(1)


def digest_of(content: bytes | bytearray) -> Digest:
    """BLAKE3 of some bytes."""
    return Digest(blake3(content).hexdigest())


@dataclass(slots=True)
class _Upload:
    """An upload under way: where it goes, what it holds, the node it became."""

    id: str
    size: int
    mtime_ns: int
    block_size: int
    place: tuple[NodeId, str] | None
    node: NodeId | None
    base: int | None
    data: bytearray
    have: list[tuple[int, int]] = field(default_factory=list)
    done: Node | None = None

    def take(self, offset: int, data: bytes | memoryview) -> None:
        """Keep bytes and remember that they are here."""
        self.data[offset : offset + len(data)] = data
        ranges = sorted([*self.have, (offset, offset + len(data))])
        self.have = []
        for start, stop in ranges:
            if self.have and start <= self.have[-1][1]:
                self.have[-1] = (self.have[-1][0], max(stop, self.have[-1][1]))
            elif stop > start:
                self.have.append((start, stop))

    @property
    def missing(self) -> int:
        """Bytes that have not come."""
        return self.size - sum(stop - start for start, stop in self.have)

    @property
    def state(self) -> UploadState:
        """As the port tells it."""
        return UploadState(self.id, self.size, self.block_size, tuple(self.have), self.done)


class MemoryServer:
    """One root of nodes, contents and uploads; see the module.

    Attributes:
        nodes: every node that ever was, deleted ones with `gone`; what lies in a deleted folder is not marked itself.
        contents: bytes by (node, rev), all versions.
        bytes_limit: room for contents and uploads together.
        writable: whether members may change anything.
        page: entries of one page of tree or feed.
    """

    def __init__(self, epoch: str = "0" * 32, limits: Limits = LIMITS) -> None:
        self.epoch = Epoch(epoch)
        self.limits = limits
        self.bytes_limit = 1 << 40
        self.writable = True
        self.page = 100
        self.change = 1
        self.compacted = 0
        self.nodes: dict[NodeId, Node] = {TOP: Node(TOP, _ROOT, None, "", Kind.FOLDER, 0, 1, 1, 0, 0, None)}
        self.children: dict[NodeId, dict[str, NodeId]] = {TOP: {}}
        self.contents: dict[tuple[NodeId, int], bytes] = {}
        self.uploads: dict[str, _Upload] = {}
        self.keys: dict[str, str] = {}
        self._ids = 1
        self._used = 0

    # --- looking ------------------------------------------------------------------------------------------------------

    def live(self, node: NodeId) -> Node:
        """A node that is not deleted, nor in a deleted folder; `NotFound` otherwise."""
        found = above = self.nodes.get(node)
        while above is not None and not above.gone:
            if above.parent is None:
                assert found is not None
                return found
            above = self.nodes[above.parent]
        raise NotFound(f"There is no node {node}.")

    def is_live(self, node: NodeId) -> bool:
        """Whether it is neither deleted nor in a deleted folder."""
        try:
            self.live(node)
        except NotFound:
            return False
        return True

    def known(self, digest: Digest) -> bytes | None:
        """Content of that digest, wherever it was accepted."""
        return next((content for content in self.contents.values() if digest_of(content) == digest), None)

    # --- changing -----------------------------------------------------------------------------------------------------

    def new_id(self) -> NodeId:
        """An id that was never used."""
        self._ids += 1
        return NodeId(self._ids)

    def record(self, node: Node) -> Node:
        """Keep a node's new state under the next change number, and tell the folders above, old and new."""
        self.change += 1
        old = self.nodes.get(node.id)
        node = replace(node, change=self.change, below=self.change)
        if old is not None and old.parent is not None and not old.gone:
            self.children[old.parent].pop(old.name, None)
        self.nodes[node.id] = node
        if node.parent is not None and not node.gone:
            self.children[node.parent][node.name] = node.id
        if node.kind is Kind.FOLDER:
            self.children.setdefault(node.id, {})
        for start in {node.parent, old.parent if old is not None else None}:
            above = start
            while above is not None:
                self.nodes[above] = replace(self.nodes[above], below=self.change)
                above = self.nodes[above].parent
        return node

    def folder(self, node: NodeId) -> Node:
        """A live folder."""
        found = self.live(node)
        if found.kind is not Kind.FOLDER:
            raise WrongKind(f"Node {node} is no folder.")
        return found

    def free_name(self, parent: NodeId, name: str, mover: NodeId | None = None) -> str:
        """`name` in its stored form, when nothing but `mover` has it in the folder."""
        self.folder(parent)
        name = check_name(name)
        taken = self.children[parent].get(name)
        if taken is not None and taken != mover:
            raise PathTaken(f"{name!r} is taken.", node=taken)
        return name

    def based(self, node: NodeId, base: int | None) -> Node:
        """A live file whose content still is `base`."""
        found = self.live(node)
        if found.kind is not Kind.FILE:
            raise WrongKind(f"Node {node} is no file.")
        if base != found.rev:
            raise Stale("The content changed.", rev=found.rev, change=found.change)
        return found

    def claim(self, size: int) -> None:
        """Whether `size` more bytes fit."""
        held = sum(upload.size for upload in self.uploads.values() if upload.done is None)
        if self._used + held + size > self.bytes_limit:
            raise StorageFull("The server's disk is full.")

    def publish(
        self, place: tuple[NodeId, str] | None, node: NodeId | None, base: int | None, content: bytes, mtime_ns: int
    ) -> Node:
        """New content at a free place, or over the content `base` of a node."""
        if place is not None and node is None:
            parent, name = place[0], self.free_name(*place)
            made = Node(
                self.new_id(), _ROOT, parent, name, Kind.FILE, 1, 0, 0, len(content), mtime_ns, digest_of(content)
            )
        elif node is not None and place is None:
            old = self.based(node, base)
            made = replace(old, rev=old.rev + 1, size=len(content), mtime_ns=mtime_ns, digest=digest_of(content))
        else:
            raise BadRequest("Either a place or a node.")
        self.contents[made.id, made.rev] = content
        self._used += len(content)
        return self.record(made)

    def bring_back(self, node: NodeId, parent: NodeId, name: str) -> Node:
        """Out of the trash, with everything in it told anew."""
        back = self.record(replace(self.nodes[node], parent=parent, name=self.free_name(parent, name), gone=False))
        for child in list(self.children.get(node, {}).values()):
            self.record(self.nodes[child])
            if self.nodes[child].kind is Kind.FOLDER:
                self.bring_back_below(child)
        return self.nodes[back.id]

    def bring_back_below(self, folder: NodeId) -> None:
        """Tell everything below a folder anew."""
        for child in list(self.children[folder].values()):
            self.record(self.nodes[child])
            if self.nodes[child].kind is Kind.FOLDER:
                self.bring_back_below(child)


class MemoryRemote:
    """A `Remote` on a `MemoryServer`."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server

    @property
    def limits(self) -> Limits:
        """The server's."""
        return self.server.limits

    def root(self) -> RemoteRoot:
        """The root as it is now."""
        server = self.server
        return RemoteRoot(_ROOT, "home", TOP, server.writable, server.epoch, server.change)

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        """A page of all live nodes, by id."""
        server = self.server
        cursor = cursor if cursor is not None else str(Cursor(server.epoch, server.change))
        if parse_cursor(cursor).epoch != server.epoch:
            raise CursorGone("The store was restored.")
        if under is not None:
            server.live(under)
        nodes = [
            server.nodes[node]
            for node in sorted(server.nodes)
            if node > after and server.is_live(node) and (under is None or self._below(node, under))
        ]
        page = nodes[: server.page]
        return TreePart(page, page[-1].id if len(nodes) > len(page) else None, cursor)

    def _below(self, node: NodeId | None, top: NodeId) -> bool:
        while node is not None and node != top:
            node = self.server.nodes[node].parent
        return node == top

    def changes(self, cursor: str, wait_s: int) -> Feed:
        """The feed since `cursor`; never waits."""
        server, since = self.server, parse_cursor(cursor)
        if since.epoch != server.epoch or not server.compacted <= since.number <= server.change:
            raise CursorGone("List the root anew.")
        changed = sorted((n for n in server.nodes.values() if n.change > since.number), key=lambda n: n.change)
        # What came into a folder and was deleted with it is told as gone: its reader may know it elsewhere.
        told = [n if n.parent is None or server.is_live(n.parent) else replace(n, gone=True) for n in changed]
        page = told[: server.page]
        more = len(told) > len(page)
        return Feed(page, str(Cursor(server.epoch, page[-1].change if more else server.change)), more)

    def node(self, node: NodeId) -> Node:
        """One live node."""
        return self.server.live(node)

    def resolve(self, path: str) -> Node:
        """The node at a path, names with "/" between."""
        at = TOP
        for name in path.split("/"):
            if (below := self.server.children.get(at, {}).get(name)) is None:
                raise NotFound("Nothing is there.")
            at = below
        return self.server.nodes[at]

    def _writing(self) -> MemoryServer:
        if not self.server.writable:
            raise Forbidden("This root is read-only for you.")
        return self.server

    def make_folder(self, parent: NodeId, name: str) -> Node:
        """A new folder."""
        server = self._writing()
        name = server.free_name(parent, name)
        return server.record(Node(server.new_id(), _ROOT, parent, name, Kind.FOLDER, 0, 0, 0, 0, 0, None))

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        """Many folders; what exists is the answer."""
        server = self._writing()
        answers: list[Node | CloudError] = []
        for parent, name in folders:
            try:
                home = answers[-parent - 1] if parent < 0 else None
                if isinstance(home, CloudError):
                    raise NotFound("The folder above could not be made.")
                answers.append(self.make_folder(home.id if home is not None else NodeId(parent), name))
            except PathTaken as error:
                there = server.nodes[NodeId(int(error.facts["node"] or 0))]
                answers.append(there if there.kind is Kind.FOLDER else error)
            except CloudError as error:
                answers.append(error)
        return answers

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        """A new place."""
        server = self._writing()
        old = server.live(node)
        if (old.parent, old.name) == (parent, check_name(name)):
            return old
        if old.parent is None:
            raise Forbidden("The top folder stays.")
        if old.change != base:
            raise Stale("It changed.", rev=old.rev, change=old.change)
        server.folder(parent)
        if self._below(parent, node):
            raise WouldCycle("A folder cannot move into itself.")
        return server.record(replace(old, parent=parent, name=server.free_name(parent, name, node)))

    def delete(self, node: NodeId, base: int) -> None:
        """Into the trash."""
        server = self._writing()
        old = server.live(node)
        if old.parent is None:
            raise Forbidden("The top folder stays.")
        if (old.below if old.kind is Kind.FOLDER else old.change) != base:
            raise Stale("It changed.", rev=old.rev, change=old.change)
        server.record(replace(old, gone=True))

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        """A new modification time."""
        server = self._writing()
        old = server.live(node)
        if old.mtime_ns == mtime_ns:
            return old
        if old.change != base:
            raise Stale("It changed.", rev=old.rev, change=old.change)
        return server.record(replace(old, mtime_ns=mtime_ns))

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        """A pack of files."""
        server = self._writing()
        if len(files) > self.limits.pack_files or sum(len(f.content) for f in files) > self.limits.pack_bytes:
            raise TooLarge("The pack is too large.", limit=self.limits.pack_bytes)
        answers: list[Node | CloudError] = []
        for file in files:
            try:
                if len(file.content) > self.limits.pack_file_bytes:
                    raise TooLarge("Too large for a pack.", limit=self.limits.pack_file_bytes)
                if file.digest is not None and digest_of(file.content) != file.digest:
                    raise DigestMismatch("Other bytes than declared came.")
                server.claim(len(file.content))
                place = (file.parent, file.name) if file.parent is not None and file.name is not None else None
                answers.append(server.publish(place, file.node, file.base, file.content, file.mtime_ns))
            except CloudError as error:
                answers.append(error)
        return answers

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        """Contents, each as it is when its turn comes."""
        for node, rev in wanted:
            try:
                self.server.based(node, rev)
                yield node, self.server.contents[node, rev]
            except CloudError as error:
                yield node, error

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
        """Begin; the same key gives the same upload."""
        server = self._writing()
        if key is not None and key in server.keys:
            return self.upload(server.keys[key])
        if not 1 <= block_size <= self.limits.block_bytes:
            raise BadRequest("Blocks have 1 byte up to the limit.")
        place = (parent, name) if parent is not None and name is not None else None
        if place is not None:
            server.free_name(*place)
        elif node is not None:
            server.based(node, base)
        content = server.known(digest) if digest is not None else None
        server.claim(size)
        upload = _Upload(f"{server.new_id():032x}", size, mtime_ns, block_size, place, node, base, bytearray(size))
        if content is not None and len(content) == size:
            upload.done = server.publish(place, node, base, content, mtime_ns)
            upload.take(0, content)
        server.uploads[upload.id] = upload
        if key is not None:
            server.keys[key] = upload.id
        return upload.state

    def _upload(self, upload: str) -> _Upload:
        found = self.server.uploads.get(upload)
        if found is None:
            raise UploadGone("Begin a new upload.")
        return found

    def upload(self, upload: str) -> UploadState:
        """How far it is."""
        return self._upload(upload).state

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        """Bytes at an offset."""
        found = self._upload(upload)
        if len(data) > self.limits.block_bytes:
            raise TooLarge("The block is too large.", limit=self.limits.block_bytes)
        if not 0 <= offset <= found.size - len(data):
            raise WrongOffset("The block does not fit.", expected=0)
        if found.done is None:
            found.take(offset, data)

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        """Take blocks that the replaced content has."""
        found = self._upload(upload)
        old = self.server.contents.get((found.node, found.base), b"") if found.node and found.base else b""
        size = found.block_size
        blocks = {digest_of(old[at : at + size]): old[at : at + size] for at in range(0, len(old), size)}
        for number, digest in enumerate(digests):
            block = blocks.get(digest)
            if found.done is None and block is not None and number * size + len(block) <= found.size:
                found.take(number * size, block)
        return found.state

    def finish(self, upload: str, digest: Digest) -> Node:
        """Publish."""
        server, found = self._writing(), self._upload(upload)
        if found.done is not None:
            return found.done
        if found.missing:
            raise Incomplete("Bytes are missing.", missing=found.missing)
        if digest_of(found.data) != digest:
            del server.uploads[upload]
            raise DigestMismatch("Other bytes than declared came.")
        found.done = server.publish(found.place, found.node, found.base, bytes(found.data), found.mtime_ns)
        return found.done

    def cancel(self, upload: str) -> None:
        """Drop it."""
        found = self.server.uploads.get(upload)
        if found is not None and found.done is None:
            del self.server.uploads[upload]

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        """Bytes of one content."""
        self.server.live(node)
        content = self.server.contents.get((node, rev))
        if content is None:
            raise ContentMissing("This content is not kept.")
        for at in range(start, stop, 1 << 16):
            yield content[at : min(stop, at + (1 << 16))]

    def close(self) -> None:
        """Nothing to close."""
