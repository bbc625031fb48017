"""The server over its native API, as the sync client needs it (see `ports.remote`)."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from homestow.client.adapters.api_client import ApiClient, error_of, login
from homestow.client.adapters.http_client import Response
from homestow.client.adapters.throttle import Throttle
from homestow.client.ports.remote import Feed, Limits, RemoteRoot, SmallFile, TreePart, UploadState
from homestow.values.changes import Cursor, parse_cursor
from homestow.values.digests import Digest
from homestow.values.errors import BadName, CloudError, NotFound, NotHomestow, Stale, Unreachable, UploadGone
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name
from homestow.wire import api, packs

__all__ = ["ApiRemote", "login"]

_BIGGEST: Final = 2**63 - 1
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:\d{1,19}|\*)")
_TAGS: Final = 1024
_MOST_JSON_PER_CHARACTER: Final = 6
_UNMADE: Final = NotFound("The folder above could not be made.")
_HASHED_PER_S: Final = 20_000_000
"""Bytes per second at which the smallest server surely verifies an upload; sets how long `finish` may take."""

Refused = Callable[[Node, CloudError], None]
"""Told each node of the server that no folder here can hold; it is left out (S04, S92)."""


def log_refused(node: Node, reason: CloudError) -> None:
    """Say in the log that a node was left out."""
    import logging  # seldom needed, and a start should be quick

    text = "the server told of a node that is refused: %s"
    logging.getLogger(__name__).warning(text, reason.message, extra={"node": node.id})


class ApiRemote:
    """One root on a server.

    `root` takes the server in whatever life of its store it is; every other call means the life that `root` saw last and
    raises `CursorGone` in another one, so that a restored server never gets what was planned for the one before (R23).

    Args:
        url: of the server; see `http_address.parse_url`.
        token: from `login`.
        root_id: which root.
        refused: see `Refused`; by default it is logged.
        throttle: see `HttpClient`.
    """

    def __init__(
        self,
        url: str,
        token: str,
        root_id: RootId,
        timeout_s: float = 60.0,
        refused: Refused = log_refused,
        throttle: Throttle | None = None,
    ) -> None:
        self._api = ApiClient(url, token, timeout_s, throttle)
        self._root = root_id
        self._refused = refused
        self._limits: Limits | None = None
        self._lock = threading.Lock()
        self._tags: OrderedDict[tuple[int, int], str] = OrderedDict()
        self._sizes: OrderedDict[str, int] = OrderedDict()

    @property
    def limits(self) -> Limits:
        """What the server takes at most; asked once, and never more than this client would send anyhow."""
        if self._limits is None:
            told = self._api.call("server", api.ServerInfo)
            limits = Limits(
                min(told.max_pack_files, api.MAX_PACK_FILES),
                min(told.max_pack_bytes, api.MAX_PACK_BYTES),
                min(told.max_pack_file_bytes, api.MAX_PACK_FILE_BYTES),
                min(told.max_block_bytes, api.MAX_BLOCK_BYTES),
            )
            if min(limits.pack_files, limits.pack_bytes, limits.pack_file_bytes, limits.block_bytes) < 1:
                raise _senseless("limits below 1")
            self._limits = limits
        return self._limits

    def close(self) -> None:
        """Close connections; calls under way end with `Unreachable`."""
        self._api.close()

    # --- looking -------------------------------------------------------------------------------------------------------

    def root(self) -> RemoteRoot:
        """The root as it is now; `NotFound` when it is not (or no longer) ours to see."""
        for root in self._api.pin("roots", api.Roots).roots:
            if root.id == self._root:
                epoch = self._api.pinned or ""
                return RemoteRoot(self._root, root.name, NodeId(root.top), root.rights != "read", epoch, root.change)
        raise NotFound("The folder on the server is gone, or no longer shared with this account.")

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        """A page of all nodes; pass `next` and `cursor` of the page before."""
        page = self._api.call(
            "tree", api.TreePage, root=self._root, after=after, cursor=cursor, under=under, limit=api.MAX_PAGE
        )
        parse_cursor_of(page.cursor)
        if page.next is not None and (page.next <= after or not page.nodes):
            raise _senseless("a listing that does not get on")
        return TreePart(self._sound(page.nodes), page.next, page.cursor)

    def changes(self, cursor: str, wait_s: int) -> Feed:
        """The feed since `cursor`, waiting up to `wait_s` seconds for something."""
        feed = self._api.call(
            "changes", api.Changes, root=self._root, cursor=cursor, wait=wait_s, limit=api.MAX_PAGE, wait_s=wait_s
        )
        before, now = parse_cursor_of(cursor), parse_cursor_of(feed.cursor)
        if before.epoch == now.epoch and (now.number < before.number or (feed.more and now.number == before.number)):
            raise _senseless("a feed that does not get on")
        return Feed(self._sound(feed.nodes), feed.cursor, feed.more)

    def node(self, node: NodeId) -> Node:
        """One node as it is now."""
        return self._one(self._api.call("node", Node, node=node))

    def resolve(self, path: str) -> Node:
        """The node at a path, names with "/" between."""
        return self._one(self._api.call("resolve", Node, root=self._root, path=path))

    # --- changing ------------------------------------------------------------------------------------------------------

    def make_folder(self, parent: NodeId, name: str) -> Node:
        """A new folder."""
        return self._one(self._api.call("make_folder", Node, api.NewFolder(name=name), node=parent))

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        """Many folders, parents first; parent -k is the k-th of this list (from 1)."""
        results: list[Node | CloudError] = [_UNMADE] * len(folders)
        at = 0
        while at < len(folders):
            asked: list[tuple[int, str]] = []
            asked_for: dict[int, int] = {}
            size = 0
            while at < len(folders) and size < api.MAX_JSON_BYTES // 2:
                parent, name = folders[at]
                above = results[-parent - 1] if parent < 0 and -parent - 1 not in asked_for else None
                if not isinstance(above, CloudError):
                    if above is not None:
                        parent = above.id
                    elif parent < 0:
                        parent = -asked_for[-parent - 1]
                    asked.append((parent, name))
                    asked_for[at] = len(asked)
                    size += _MOST_JSON_PER_CHARACTER * len(name) + 32
                at += 1
            if asked:
                message = api.PackFolders(folders=asked)
                answer = self._api.call("make_folders", api.PackResults, message, root=self._root)
                for number, result in zip(asked_for, self._results(answer, len(asked)), strict=True):
                    results[number] = result
        return results

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        """A new place."""
        return self._one(self._api.call("move", Node, api.Move(parent=parent, name=name, base=base), node=node))

    def delete(self, node: NodeId, base: int) -> None:
        """Into the trash."""
        self._api.act("delete", node=node, base=base)

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        """A new modification time without new content (R26)."""
        return self._one(self._api.call("set_facts", Node, api.Facts(mtime_ns=mtime_ns, base=base), node=node))

    # --- many small files ----------------------------------------------------------------------------------------------

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        """Send a pack; one result per file."""
        if not files:
            return []
        answer = self._api.call("put_pack", api.PackResults, content=_Pack(files), root=self._root)
        return self._results(answer, len(files))

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        """Fetch (node, rev) contents in one answer, in order, as they arrive."""
        if not wanted:
            return
        asked = api.PackWanted(files=[(node, rev) for node, rev in wanted])
        reader = packs.PackReader(api.PackHeader, len(wanted))
        coming = iter(wanted)
        with self._api.stream("get_pack", asked, root=self._root) as answer:
            for piece in answer.pieces():
                for header, content in _parts(reader, piece):
                    node, rev = next(coming)
                    if (header.node, header.rev) != (node, rev):
                        raise _senseless("a file nobody asked for")
                    yield node, content if header.problem is None else error_of(header.problem)
        if next(coming, None) is not None:
            raise Unreachable("The server's answer ended before the last file.")

    # --- uploads -------------------------------------------------------------------------------------------------------

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
        """Begin; `done` is set at once when the server knows the content."""
        asked = api.NewUpload(
            size=size,
            mtime_ns=mtime_ns,
            block_size=block_size,
            digest=digest,
            parent=parent,
            name=name,
            node=node,
            base=base,
        )
        return self._state(self._api.call("begin_upload", api.Upload, asked, key=key))

    def upload(self, upload: str) -> UploadState:
        """How far it is."""
        return self._state(self._api.call("upload", api.Upload, upload=upload))

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        """Send bytes at an offset; harmless when repeated."""
        self._api.call("put_block", api.Upload, content=data, upload=upload, offset=offset)

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        """Digests of all blocks to come: the server takes those from the replaced content that it has."""
        answer = self._api.call(
            "upload_have", api.Upload, api.Have(digests=list(digests)), upload=upload, wait_s=self._patience(upload)
        )
        return self._state(answer)

    def finish(self, upload: str, digest: Digest) -> Node:
        """Publish; repeated, it answers the same node."""
        wait_s = self._patience(upload)
        return self._one(self._api.call("finish_upload", Node, api.Finish(digest=digest), upload=upload, wait_s=wait_s))

    def cancel(self, upload: str) -> None:
        """Drop it; nothing when it is gone already."""
        try:
            self._api.act("cancel_upload", upload=upload)
        except UploadGone:
            pass

    # --- downloads -----------------------------------------------------------------------------------------------------

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        """Bytes [start, stop) of one content in pieces of at most 1 MiB.

        Raises:
            Stale: the server now gives other bytes for this content than at an earlier call (SC-159).
        """
        if start >= stop:
            return
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with self._lock:
            tag = self._tags.get((node, rev))
        if tag is not None:
            headers["If-Range"] = tag
        with self._api.stream("content", None, headers, node=node, rev=rev) as answer:
            self._check_content(answer, (node, rev), tag, start, stop)
            left = stop - start
            for piece in answer.pieces():
                left -= len(piece)
                if left < 0:
                    raise _senseless("more bytes than asked for")
                yield piece
        if left:
            raise Unreachable("The server's answer ended early.")

    def _check_content(self, answer: Response, which: tuple[int, int], tag: str | None, start: int, stop: int) -> None:
        """Make sure that an answer holds just the bytes asked for, of the same content as before."""
        got = answer.header("etag")
        if tag is not None and got != tag:
            with self._lock:
                self._tags.pop(which, None)
            raise Stale("The file changed on the server while it was received; it is received anew.")
        if answer.status == 206:
            found = _CONTENT_RANGE.fullmatch(answer.header("content-range"))
            if found is None or (int(found[1]), int(found[2])) != (start, stop - 1):
                raise _senseless("another range than asked for")
        elif answer.status != 200 or start != 0 or answer.length not in (stop, None):
            raise _senseless("other bytes than asked for")
        if got and not got.startswith("W/"):
            with self._lock:
                self._tags[which] = got
                while len(self._tags) > _TAGS:
                    self._tags.popitem(last=False)

    # --- reading answers -----------------------------------------------------------------------------------------------

    def _sound(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes that can be; each other one is reported and left out."""
        return [node for node in nodes if self._is_sound(node)]

    def _is_sound(self, node: Node) -> bool:
        try:
            check_node(node, self._root)
        except CloudError as error:
            self._refused(node, error)
            return False
        return True

    def _one(self, node: Node) -> Node:
        check_node(node, self._root)
        return node

    def _results(self, answer: api.PackResults, count: int) -> list[Node | CloudError]:
        if len(answer.results) != count:
            raise _senseless("not one result per file")
        results: list[Node | CloudError] = []
        for result in answer.results:
            if result.node is None:
                results.append(error_of(result.problem or api.Problem(code="internal", message="No result was told.")))
                continue
            try:
                results.append(self._one(result.node))
            except CloudError as error:
                results.append(error)
        return results

    def _state(self, told: api.Upload) -> UploadState:
        if told.size < 0 or told.block_size < 1 or any(not 0 <= a <= b <= told.size for a, b in told.have):
            raise _senseless("an upload with impossible ranges")
        with self._lock:
            self._sizes[told.id] = told.size
            while len(self._sizes) > _TAGS:
                self._sizes.popitem(last=False)
        done = self._one(told.done) if told.done is not None else None
        return UploadState(told.id, told.size, told.block_size, told.have, done)

    def _patience(self, upload: str) -> float:
        """Seconds that the server may need to read an upload once."""
        with self._lock:
            return self._sizes.get(upload, 0) / _HASHED_PER_S


class _Pack:
    """An upward pack as a request body: headers made once, contents not copied."""

    def __init__(self, files: Sequence[SmallFile]) -> None:
        self._files = files
        self._heads = [
            packs.head(
                api.PackItem(
                    size=len(file.content),
                    mtime_ns=file.mtime_ns,
                    parent=file.parent,
                    name=file.name,
                    node=file.node,
                    base=file.base,
                    digest=file.digest,
                )
            )
            for file in files
        ]
        self.size = sum(map(len, self._heads)) + sum(len(file.content) for file in files)

    def __iter__(self) -> Iterator[bytes]:
        for head, file in zip(self._heads, self._files, strict=True):
            yield head
            yield file.content


def _parts(reader: packs.PackReader[api.PackHeader], piece: bytes) -> Iterator[tuple[api.PackHeader, bytes]]:
    try:
        yield from reader.feed(piece)
    except CloudError as error:
        raise NotHomestow(f"The server's answer is not of its form: {error.message}") from error


def parse_cursor_of(text: str) -> Cursor:
    """The cursor of an answer.

    Raises:
        NotHomestow: the text is none.
    """
    try:
        return parse_cursor(text)
    except CloudError as error:
        raise _senseless("a cursor that is none") from error


def check_node(node: Node, root: RootId) -> None:
    """Make sure that a node a server told of can be (S04, S92).

    Raises:
        BadName: a name that no file may have, or not in its one form (NFC).
        NotHomestow: numbers out of range, another root, its own parent.
    """
    if node.parent is None:
        if node.name != "" or node.kind is not Kind.FOLDER:
            raise BadName("The server tells of a top folder with a name.")
    elif check_name(node.name) != node.name:
        raise BadName(f"{node.name!r} is not in Unicode's composed form (NFC).")
    numbers = (node.id, node.parent or 1, node.rev, node.change, node.below, node.size)
    if (
        node.root != root
        or node.id < 1
        or node.parent == node.id
        or min(numbers) < 0
        or max(numbers) > _BIGGEST
        or not -_BIGGEST - 1 <= node.mtime_ns <= _BIGGEST
        or (node.digest is not None and len(node.digest) != 64)
    ):
        raise _senseless("a node that cannot be")


def _senseless(what: str) -> NotHomestow:
    return NotHomestow(f"The server's answer makes no sense: {what}.")
