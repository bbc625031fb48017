"""A network between one client and the server that loses, repeats, delays and cuts, and lets others act in between.

`SimRemote` is a `Remote` around another. Before each call and after each effect its gate is asked for a fate; the gate may
also let anybody act at that moment, or kill the client.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar, cast

from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.remote import Feed, Limits, Places, Remote, RemoteRoot, SmallFile, TreePart, UploadState
from homestow.values.digests import Digest
from homestow.values.errors import Busy, CloudError, CursorGone, ServerError, StorageFull, Unreachable
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

T = TypeVar("T")


class Fate(StrEnum):
    """What becomes of one call."""

    LOST_REQUEST = "lost-request"
    LOST_REPLY = "lost-reply"
    LATE = "late"
    """No answer in time; the request reaches the server later, after others (reordered)."""
    TWICE = "twice"
    CUT = "cut"
    """A body ends in the middle; other calls lose their reply."""
    CORRUPT = "corrupt"
    """A byte of a body is another one."""
    BUSY = "busy"
    BROKEN = "broken"
    FULL = "server-full"
    CURSOR_GONE = "cursor-gone"


_ANSWERS: dict[Fate, type[CloudError]] = {
    Fate.BUSY: Busy,
    Fate.BROKEN: ServerError,
    Fate.FULL: StorageFull,
    Fate.CURSOR_GONE: CursorGone,
}

MUTATIONS = frozenset(
    (
        "make_folder",
        "make_folders",
        "move",
        "delete",
        "set_mtime",
        "put_small",
        "begin_upload",
        "put_block",
        "have_blocks",
        "finish",
        "cancel",
    )
)
DOWNLOADS = frozenset(("read", "get_small"))

Gate = Callable[[str], Fate | None]


class SimRemote:
    """A `Remote` behind a bad network.

    Attributes:
        counts: calls by name; `PUT` counts files sent, `GET` files fetched.
        partitioned: nothing passes while it is set.
        late: requests still on their way; `deliver` lets the oldest arrive.
        doomed: asked before each deletion what it must not take along; what was taken all the same is in `wrongs`.
    """

    def __init__(self, inner: Remote, gate: Gate) -> None:
        self._inner = inner
        self._gate = gate
        self.counts: Counter[str] = Counter()
        self.partitioned = False
        self.late: list[Callable[[], object]] = []
        self.doomed: Callable[[int], list[str]] = lambda node: []
        self.wrongs: list[str] = []

    def deliver(self) -> None:
        """The oldest late request arrives; nobody hears its answer."""
        if self.late:
            _unheard(self.late.pop(0))

    def _call(self, name: str, act: Callable[[], T], *, changes: bool = False) -> T:
        fate = self._fate(name)
        self.counts[name] += 1
        match fate:
            case None:
                pass
            case Fate.LOST_REQUEST:
                raise Unreachable("The request was lost.")
            case Fate.LATE:
                if changes:
                    self.late.append(act)
                raise Unreachable("No answer came in time.")
            case Fate.CORRUPT:
                pass
            case Fate.LOST_REPLY | Fate.CUT:
                _unheard(act)
                raise Unreachable("The answer was lost.")
            case Fate.TWICE:
                answer = act()
                if changes:
                    _unheard(act)
                return answer
            case _:
                raise _ANSWERS[fate]("The server says no.", retry_after_s=1)
        answer = act()
        self._gate(f"{name}:answered")
        return answer

    def _fate(self, name: str) -> Fate | None:
        fate = self._gate(name)
        return Fate.LOST_REQUEST if self.partitioned else fate

    def _stream(self, name: str, act: Callable[[], Iterator[T]], files: int) -> Iterator[T]:
        fate = self._fate(name)
        self.counts[name] += 1
        self.counts["GET"] += files
        if fate in (Fate.LOST_REQUEST, Fate.LATE, Fate.LOST_REPLY):
            raise Unreachable("No answer came.")
        if fate in _ANSWERS and fate is not Fate.CURSOR_GONE:
            raise _ANSWERS[fate]("The server says no.", retry_after_s=1)
        for number, piece in enumerate(act()):
            if fate is Fate.CUT and number >= 1:
                raise Unreachable("The connection broke in the middle.")
            if fate is Fate.CUT and isinstance(piece, bytes):
                yield piece[: len(piece) // 2]  # type: ignore[misc]  # half of the bytes are bytes
                raise Unreachable("The connection broke in the middle.")
            yield _spoilt(piece) if fate is Fate.CORRUPT else piece
            self._gate(f"{name}:piece")

    @property
    def fingerprints(self) -> Fingerprints | None:
        """What names contents by MD5, where the server does."""
        return getattr(self._inner, "fingerprints", None)

    def begin(self) -> None:
        """A new process begins to use it: what only the one before had in memory is gone."""
        if (begin := getattr(self._inner, "begin", None)) is not None:
            begin()

    # --- the port -----------------------------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return self._inner.limits

    def root(self) -> RemoteRoot:
        return self._call("root", self._inner.root)

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        return self._call("tree", lambda: self._inner.tree(after, cursor, under))

    def changes(self, cursor: str, wait_s: int) -> Feed:
        return self._call("changes", lambda: self._inner.changes(cursor, 0))

    def node(self, node: NodeId) -> Node:
        return self._call("node", lambda: self._inner.node(node))

    def resolve(self, path: str) -> Node:
        places = cast(Places, self._inner)
        return self._call("resolve", lambda: places.resolve(path))

    def make_folder(self, parent: NodeId, name: str) -> Node:
        return self._call("make_folder", lambda: self._inner.make_folder(parent, name), changes=True)

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        return self._call("make_folders", lambda: self._inner.make_folders(folders), changes=True)

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        return self._call("move", lambda: self._inner.move(node, parent, name, base), changes=True)

    def delete(self, node: NodeId, base: int) -> None:
        def act() -> None:
            doomed = self.doomed(node)
            self._inner.delete(node, base)
            self.wrongs.extend(doomed)

        self._call("delete", act, changes=True)

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        return self._call("set_mtime", lambda: self._inner.set_mtime(node, mtime_ns, base), changes=True)

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        self.counts["PUT"] += len(files)
        return self._call("put_small", lambda: self._inner.put_small(files), changes=True)

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        return self._stream("get_small", lambda: self._inner.get_small(wanted), len(wanted))

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
        return self._call(
            "begin_upload",
            lambda: self._inner.begin_upload(
                size=size, mtime_ns=mtime_ns, block_size=block_size, digest=digest, parent=parent, name=name,
                node=node, base=base, key=key,
            ),
            changes=True,
        )  # fmt: skip

    def upload(self, upload: str) -> UploadState:
        return self._call("upload", lambda: self._inner.upload(upload))

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        held = bytes(data)
        self._call("put_block", lambda: self._inner.put_block(upload, offset, held), changes=True)

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        return self._call("have_blocks", lambda: self._inner.have_blocks(upload, digests), changes=True)

    def finish(self, upload: str, digest: Digest) -> Node:
        self.counts["PUT"] += 1
        return self._call("finish", lambda: self._inner.finish(upload, digest), changes=True)

    def cancel(self, upload: str) -> None:
        self._call("cancel", lambda: self._inner.cancel(upload), changes=True)

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        return self._stream("read", lambda: self._inner.read(node, rev, start, stop), 1 if start == 0 else 0)

    def close(self) -> None:
        self._inner.close()


def _spoilt(piece: T) -> T:
    if isinstance(piece, bytes) and piece:
        return bytes([piece[0] ^ 1]) + piece[1:]  # type: ignore[return-value]  # bytes for bytes
    if isinstance(piece, tuple):
        return tuple(_spoilt(part) for part in piece)  # type: ignore[return-value]  # the same parts
    return piece


def _unheard(act: Callable[[], object]) -> None:
    try:
        act()
    except CloudError:
        return  # the answer does not reach anybody
