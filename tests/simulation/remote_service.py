"""The sync client's server port straight over the server's use cases: no HTTP in between, one flow of control."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from homestow.client.ports.remote import Feed, Limits, RemoteRoot, SmallFile, TreePart, UploadState
from homestow.server.rules.access import Principal
from homestow.server.service.core import Core
from homestow.server.service.publish import Outcome
from homestow.server.service.uploads import Begin
from homestow.server.service.uploads import UploadState as ServiceUpload
from homestow.server.service.work import Once
from homestow.values.changes import parse_cursor
from homestow.values.digests import Digest
from homestow.values.errors import CloudError, CursorGone, TooLarge, Unreachable, UploadGone
from homestow.values.ids import NodeId, RootId, UploadId
from homestow.values.nodes import Node
from homestow.wire.api import PackItem

T = TypeVar("T")


class ServerDied(BaseException):
    """The simulated server's process ended here; no Exception, so that no handler may take it for a failure."""


class RemoteService:
    """A `Remote` for one person's device.

    Args:
        core: the use cases as they are now: another after each restart.
        died: called when the server's process ended inside a call; it starts it again. The caller hears nothing.
        accepted: told each node the server answered to have stored.
    """

    def __init__(
        self,
        core: Callable[[], Core],
        who: Principal,
        root: RootId,
        limits: Limits,
        page: int = 7,
        died: Callable[[], None] = lambda: None,
        accepted: Callable[[Node], None] = lambda node: None,
    ) -> None:
        self._core = core
        self._who = who
        self._root = root
        self._limits = limits
        self._page = page
        self._died = died
        self._accepted = accepted

    @property
    def limits(self) -> Limits:
        return self._limits

    def _call(self, act: Callable[[Core], T]) -> T:
        try:
            return act(self._core())
        except ServerDied:
            self._died()
            raise Unreachable("The server went away.") from None

    def root(self) -> RemoteRoot:
        def act(core: Core) -> RemoteRoot:
            top = core.catalogue.top(self._root)
            assert top is not None
            cursor = core.changes.cursor()
            return RemoteRoot(self._root, "tree", top.id, True, cursor.epoch, core.changes.top_change(self._root))

        return self._call(act)

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        def act(core: Core) -> TreePart:
            now = core.changes.cursor()
            if cursor is not None and parse_cursor(cursor).epoch != now.epoch:
                raise CursorGone("The store was restored since.")
            nodes, following = core.files.tree(self._who, self._root, NodeId(after), under, self._page)
            return TreePart(nodes, following, cursor or str(now))

        return self._call(act)

    def changes(self, cursor: str, wait_s: int) -> Feed:
        def act(core: Core) -> Feed:
            page = core.changes.changes(self._who, self._root, parse_cursor(cursor), self._page)
            return Feed(page.nodes, str(page.cursor), page.more)

        return self._call(act)

    def node(self, node: NodeId) -> Node:
        return self._call(lambda core: core.files.node(self._who, node))

    def resolve(self, path: str) -> Node:
        return self._call(lambda core: core.files.resolve(self._who, self._root, path.split("/")))

    def make_folder(self, parent: NodeId, name: str) -> Node:
        return self._call(lambda core: core.files.make_folder(self._who, parent, name))

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        return self._call(lambda core: _told(core.files.make_folders(self._who, self._root, folders)))

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        return self._call(lambda core: core.files.move(self._who, node, parent, name, base=base))

    def delete(self, node: NodeId, base: int) -> None:
        self._call(lambda core: core.files.delete(self._who, node, base))

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        return self._call(lambda core: core.files.set_facts(self._who, node, mtime_ns, base))

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        limits = self._limits
        if len(files) > limits.pack_files or sum(len(file.content) for file in files) > limits.pack_bytes:
            raise TooLarge("The pack is too large.", limit=limits.pack_bytes)
        items = [
            (
                PackItem(
                    size=len(file.content), mtime_ns=file.mtime_ns, parent=file.parent, name=file.name, node=file.node,
                    base=file.base, digest=file.digest,
                ),
                file.content,
            )
            for file in files
        ]  # fmt: skip
        answers = self._call(lambda core: _told(core.whole.put_pack(self._who, self._root, items)))
        for answer in answers:
            if isinstance(answer, Node):
                self._accepted(answer)
        return answers

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        found = self._call(lambda core: list(core.downloads.get_pack(self._who, self._root, wanted)))
        for node, _, content in found:
            yield node, content

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
        begin = Begin(size, parent, name, node, base, digest, mtime_ns, block_size)
        once = None if key is None else Once(key, repr(begin).encode())
        return self._upload(self._call(lambda core: core.uploads.begin_upload(self._who, begin, once)))

    def _upload(self, state: ServiceUpload) -> UploadState:
        if state.done is not None:
            self._accepted(state.done)
        return UploadState(state.id, state.size, state.block_size, tuple(state.have), state.done)

    def upload(self, upload: str) -> UploadState:
        return self._upload(self._call(lambda core: core.uploads.upload(self._who, UploadId(upload))))

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        def act(core: Core) -> None:
            sink = core.uploads.put_block(self._who, UploadId(upload), offset)
            sink.write(data)
            sink.finish()

        if len(data) > self._limits.block_bytes:
            raise TooLarge("The block is too large.", limit=self._limits.block_bytes)
        self._call(act)

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        return self._upload(self._call(lambda core: core.uploads.upload_have(self._who, UploadId(upload), digests)))

    def finish(self, upload: str, digest: Digest) -> Node:
        node = self._call(lambda core: core.uploads.finish_upload(self._who, UploadId(upload), digest))
        self._accepted(node)
        return node

    def cancel(self, upload: str) -> None:
        try:
            self._call(lambda core: core.uploads.cancel_upload(self._who, UploadId(upload)))
        except UploadGone:
            return

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        content = self._call(lambda core: core.downloads.content(self._who, node, rev))
        try:
            at = start
            while at < stop:
                piece = content.opened.read_at(at, min(1 << 16, stop - at))
                if not piece:
                    return
                at += len(piece)
                yield piece
        finally:
            content.close()

    def close(self) -> None:
        """Nothing to close."""


def _told(outcomes: Sequence[Outcome]) -> list[Node | CloudError]:
    answers: list[Node | CloudError] = []
    for outcome in outcomes:
        try:
            answers.append(outcome.result())
        except CloudError as error:
            answers.append(error)
    return answers
