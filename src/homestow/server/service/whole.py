"""Files that arrive whole: in one request each, or many small ones in a pack."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import msgspec
from blake3 import blake3

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.content import Content, Staged, Stat
from homestow.server.ports.rights import StoreSet
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.committer import Committer
from homestow.server.service.digesting import digest_bytes, feed_beside, to_bytes
from homestow.server.service.placing import check_place
from homestow.server.service.publish import File, Outcome
from homestow.server.service.publishing import Publisher
from homestow.server.service.small_files import SmallFile, SmallFiles, drop_quietly
from homestow.server.service.work import Once, answered
from homestow.values.digests import Digest, parse_digest
from homestow.values.errors import (
    BadName,
    BadRequest,
    CloudError,
    DigestMismatch,
    Incomplete,
    KeyReused,
    PathTaken,
    ServerError,
    Stale,
    StorageFailed,
    TooLarge,
    WrongKind,
)
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name
from homestow.wire.api import MAX_PACK_BYTES, MAX_PACK_FILE_BYTES, MAX_PACK_FILES, PackItem

SMALL = 256 * 1024
"""Bytes up to which a body is gathered in memory and staged in one go."""

_NOWHERE = NodeId(0)
_FLUSH_EVERY = 64 * 1024 * 1024
KEPT_AT_HAND = 64 * 1024 * 1024
"""What is uploaded is often read soon, for its thumbnail first of all: all of a photo, the beginning of a film. What comes
after so many bytes is not kept in memory for that."""


class WholeFiles:
    """Uploads in one request."""

    def __init__(
        self, catalogue: Catalogue, stores: StoreSet, access: Access, committer: Committer, publisher: Publisher
    ) -> None:
        self._catalogue = catalogue
        self._stores = stores
        self._access = access
        self._committer = committer
        self._publisher = publisher

    def put_file(
        self, who: Principal, folder: NodeId, name: str, *, mtime_ns: int | None = None, digest: Digest | None = None,
        base: int | None = None, size: int | None = None, once: Once | None = None,
    ) -> "FileSink | ToldSink":  # fmt: skip
        """A sink for a new file in a folder; with `base` it replaces the file of that name.

        Args:
            base: rev of the file of that name that the caller saw; None: a taken name is refused.
            size: length in bytes that the sender announced, None when it did not.

        Raises:
            NotFound, Forbidden, WrongKind, BadName, PathTaken, Stale: before a byte is taken; the same is checked at the end.
        """
        if (told := self._told(who, once)) is not None:
            return told
        name = check_name(name)
        row = self._access.node(who, folder, Rights.WRITE, Kind.FOLDER)
        check_place(self._catalogue.folder(row.id), row.root, name)
        there = self._catalogue.child(row.id, name)
        node = _NOWHERE
        if there is not None:
            if base is None:
                raise PathTaken(f"{name!r} exists already.", node=there.id)
            if there.kind != Kind.FILE:
                raise WrongKind(f"{name!r} is a {there.kind}.")
            if there.rev != base:
                raise Stale("The file has other content by now.", rev=there.rev, change=there.change)
            node = there.id
        elif base is not None:
            raise Stale("The file is not there any more.", rev=0, change=0)
        file = File("", row.id, name, 0, b"", 0, mtime_ns, node, base or 0)
        return FileSink(self, who, row.root, file, to_bytes(digest), size, once)

    def small_file(
        self, who: Principal, folder: NodeId, name: str, body: bytes, *, mtime_ns: int | None = None,
        digest: Digest | None = None,
    ) -> SmallFile:  # fmt: skip
        """A small new file that has arrived already, for `put_small`; a few microseconds where rows lie in memory.

        Raises:
            NotFound, Forbidden, WrongKind, BadName: as `put_file`, which says the rest.
        """
        name = check_name(name)
        row = self._access.node(who, folder, Rights.WRITE, Kind.FOLDER)
        check_place(self._catalogue.folder(row.id), row.root, name)
        file = File(secrets.token_hex(16), row.id, name, len(body), b"", 0, mtime_ns)
        return SmallFile(who, row.root, file, body, to_bytes(digest))

    def put_small(self, files: Sequence[SmallFile], told: Callable[[Sequence[SmallFile]], None]) -> None:
        """Store small new files of one person in one root, without waiting.

        Args:
            told: called on the committer's thread, once or more, with those that came to an end: durable, and then they have
                their `node`, or not stored, for a reason that `put_file` would tell. Must return at once.
        Raises:
            Busy: too many works wait; nothing was done.
        """
        first = files[0]
        self._committer.submit(SmallFiles(first.who, first.root, files, self.check, told))

    def put_content(
        self, who: Principal, node: NodeId, base: int, *, mtime_ns: int | None = None, digest: Digest | None = None,
        size: int | None = None, once: Once | None = None,
    ) -> "FileSink | ToldSink":  # fmt: skip
        """A sink for new content of a file.

        Raises:
            NotFound, Forbidden, WrongKind, Stale: before a byte is taken; the same is checked at the end.
        """
        if (told := self._told(who, once)) is not None:
            return told
        row = self._access.node(who, node, Rights.WRITE, Kind.FILE)
        if base < 1:
            raise BadRequest("`base` is the rev that is replaced, 1 or more.")
        if row.rev != base:
            raise Stale("The file has other content by now.", rev=row.rev, change=row.change)
        file = File("", _NOWHERE, row.name, 0, b"", 0, mtime_ns, row.id, base)
        return FileSink(self, who, row.root, file, to_bytes(digest), size, once)

    def _told(self, who: Principal, once: Once | None) -> "ToldSink | None":
        told = answered(self._catalogue, who, once)
        return None if told is None else ToldSink(msgspec.json.decode(told, type=list[Outcome])[0].result())

    def begin_pack(self, who: Principal, root: RootId) -> "PackSink":
        """A sink for many small files.

        Raises:
            NotFound, Forbidden: the root as a whole.
        """
        self.check(who, root)
        return PackSink(self, root)

    def put_pack(
        self, who: Principal, root: RootId, items: Sequence[tuple[PackItem, bytes]], once: Once | None = None
    ) -> list[Outcome]:
        """Many small files at once; what became of each, in order.

        Raises:
            NotFound, Forbidden: the root as a whole.
            TooLarge: too many files or bytes.
            StorageFull, StorageFailed: nothing more could be stored; nothing of the pack was published.
        """
        pack = self.begin_pack(who, root)
        try:
            pack.add_all(items)
            return pack.finish(who, once)
        finally:
            pack.abort()

    def publish_all(self, who: Principal, root: RootId, files: Sequence[File], once: Once | None) -> list[Outcome]:
        """Publish staged files as one work."""
        return self._publisher.many(who, root, files, once) if files else []

    def finish_all(self, sinks: Sequence["FileSink | ToldSink"]) -> list[Node | CloudError]:
        """Finish files that arrived at the same time: those of one person in one root are published as one work.

        What became of each, in order; the same as `finish` of each would give.
        """
        results: list[Node | CloudError | None] = [None] * len(sinks)
        together: dict[tuple[Principal, RootId], list[int]] = {}
        for at, sink in enumerate(sinks):
            if isinstance(sink, FileSink) and sink.once is None:
                together.setdefault((sink.who, sink.root), []).append(at)
            else:
                results[at] = _outcome_of(sink.finish)
        for (who, root), places in together.items():
            chosen = [(at, sink) for at in places if isinstance(sink := sinks[at], FileSink)]
            for (at, _), result in zip(chosen, self._publish_all(who, root, [sink for _, sink in chosen]), strict=True):
                results[at] = result
        return [
            ServerError("The server did not come to an end with it; try again.") if result is None else result
            for result in results
        ]

    def _publish_all(self, who: Principal, root: RootId, sinks: Sequence["FileSink"]) -> list[Node | CloudError]:
        results: list[Node | CloudError | None] = [None] * len(sinks)
        ready: list[int] = []
        try:
            with self.turn():
                for at, sink in enumerate(sinks):
                    try:
                        sink.ready()
                        ready.append(at)
                    except CloudError as error:
                        results[at] = error
            try:
                outcomes = self.publish_all(who, root, [sinks[at].file for at in ready], None)
            except CloudError as error:
                outcomes = [Outcome.of(error) for _ in ready]
            for at, outcome in zip(ready, outcomes, strict=True):
                results[at] = _outcome_of(outcome.result)
        finally:
            for sink in sinks:
                sink.end()
        return [
            ServerError("The server did not come to an end with it; try again.") if result is None else result
            for result in results
        ]

    def check(self, who: Principal, root: RootId) -> None:
        """Let somebody put files into a root, or not. Raises `NotFound`, `Forbidden`."""
        self._access.root(who, root, Rights.WRITE)

    def store(self, root: RootId) -> Content:
        """The store of a root."""
        return self._stores.get(root)

    def turn(self) -> AbstractContextManager[None]:
        """A turn at staging many files; see `Turns`."""
        return self._committer.turns.mine()

    def publish(self, who: Principal, root: RootId, file: File, once: Once | None) -> Node:
        """Publish one staged file."""
        return self._publisher.one(who, root, file, once)

    def failed(self, root: RootId, error: StorageFailed) -> None:
        """A flush failed."""
        self._committer.distrust(root, error)


class ToldSink:
    """Takes the bytes of a request whose answer is known, and compares them with those that came first (P8)."""

    def __init__(self, node: Node) -> None:
        self.offset = 0
        self._node = node
        self._hasher = blake3()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next piece."""
        self._hasher.update(data)
        self.offset += len(data)

    def finish(self) -> Node:
        """What was answered then.

        Raises:
            KeyReused: other bytes came this time.
        """
        if self._node.digest != self._hasher.hexdigest():
            raise KeyReused("This idempotency key was used for other content.")
        return self._node

    def abort(self) -> None:
        """Nothing is to be undone."""


class FileSink:
    """Takes one whole file: `write` its pieces in order, then `finish`; `abort` when it broke off (nothing is left then).

    Attributes:
        offset: bytes taken so far.
        who, root, file, once: who puts which file where, and the idempotency key.
    """

    def __init__(
        self, files: WholeFiles, who: Principal, root: RootId, file: File, digest: bytes | None, size: int | None,
        once: Once | None,
    ) -> None:  # fmt: skip
        self.offset = 0
        self.who = who
        self.root = root
        self.file = file
        self.once = once
        self._files = files
        self._digest = digest
        self._size = size
        self._small = bytearray()
        self._staged: Staged | None = None
        self._hasher: blake3 | None = None
        self._flushed = 0
        file.staged = secrets.token_hex(16)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next piece.

        Raises:
            Incomplete: more than was announced.
            StorageFull: no room; nothing is left behind.
        """
        piece = memoryview(data)
        if self._size is not None and self.offset + len(piece) > self._size:
            self.abort()
            raise Incomplete("More bytes came than were announced.", missing=0)
        if self._staged is None:
            if self.offset + len(piece) <= SMALL:
                self._small += piece
                self.offset += len(piece)
                return
            self._begin_large()
        assert self._staged is not None
        assert self._hasher is not None
        try:
            self._take(self._hasher, self._staged, piece)
            self.offset += len(piece)
            if self.offset - self._flushed >= _FLUSH_EVERY:
                self._flush()
        except CloudError:
            self.abort()
            raise

    def _take(self, hasher: blake3, staged: Staged, piece: memoryview) -> None:
        at = self.offset
        if at < KEPT_AT_HAND:
            hasher.update(piece)
            staged.write_at(at, piece)
        else:
            feed_beside(hasher, piece, lambda: staged.write_at(at, piece, passing=True))

    def _begin_large(self) -> None:
        self._staged = self._files.store(self.root).stage(self.file.staged)
        self._hasher = blake3(self._small)
        if self._small:
            self._staged.write_at(0, bytes(self._small))
        self._small = bytearray()

    def _flush(self) -> None:
        assert self._staged is not None
        try:
            self._staged.sync()
        except StorageFailed as error:
            self._files.failed(self.root, error)
            raise
        self._flushed = self.offset

    def finish(self) -> Node:
        """Verify and publish.

        Raises:
            Incomplete: fewer bytes than announced; fact `missing`.
            DigestMismatch: not the declared bytes.
            NotFound, PathTaken, Stale, QuotaExceeded: it does not fit (any more).
            NotFound, Forbidden: the right to write was taken away while the bytes came in.
        """
        try:
            self.ready()
            return self._files.publish(self.who, self.root, self.file, self.once)
        finally:
            self.end()

    def ready(self) -> None:
        """Verify and stage what came, so that it can be published; raises as `finish`."""
        file = self.file
        self._files.check(self.who, self.root)
        if self._size is not None and self.offset != self._size:
            raise Incomplete("Fewer bytes came than were announced.", missing=self._size - self.offset)
        file.size = self.offset
        file.digest = digest_bytes(memoryview(self._small)) if self._hasher is None else self._hasher.digest()
        if self._digest is not None and file.digest != self._digest:
            raise DigestMismatch("The bytes that arrived are not the declared ones.")
        file.inode = self._stage().inode

    def _stage(self) -> Stat:
        if self._staged is None:
            return self._files.store(self.root).stage_small(self.file.staged, bytes(self._small))
        self._flush()
        return self._staged.stat()

    def end(self) -> None:
        """Let go; what was not published is removed."""
        self._end(self.file.published is None)

    def abort(self) -> None:
        """Nothing comes of it; may be called at any time and twice."""
        self._end(self._staged is not None)

    def _end(self, drop: bool) -> None:
        staged, self._staged = self._staged, None
        if staged is not None:
            self.file.inode = self.file.inode or staged.stat().inode
            staged.close()
        if drop:
            drop_quietly(self._files.store(self.root), self.file)


class PackSink:
    """Takes many small files, each staged as it comes, so that memory holds one at a time; then `finish`, and `abort`.

    `abort` removes what was not published, and is harmless after `finish`.
    """

    def __init__(self, whole: WholeFiles, root: RootId) -> None:
        self._whole = whole
        self._root = root
        self._store = whole.store(root)
        self._token = secrets.token_hex(16)
        self._outcomes: list[Outcome | None] = []
        self._files: list[File] = []
        self._places: list[int] = []
        self._bytes = 0

    def add(self, item: PackItem, data: bytes) -> None:
        """The next file; a wrong one gets its own answer, the others go on.

        Raises:
            TooLarge: too many files or bytes for a pack.
            StorageFull, StorageFailed: it could not be stored.
        """
        at = len(self._outcomes)
        self._bytes += len(data)
        if at >= MAX_PACK_FILES or self._bytes > MAX_PACK_BYTES:
            raise TooLarge("A pack has at most 4,096 files and 16 MiB.", limit=MAX_PACK_FILES)
        self._outcomes.append(None)
        try:
            self._files.append(_staged(self._store, f"{self._token}-{at}", item, data))
            self._places.append(at)
        except (BadName, BadRequest, DigestMismatch) as error:
            self._outcomes[at] = Outcome.of(error)

    def add_all(self, items: Iterable[tuple[PackItem, bytes]]) -> None:
        """The next files; raises as `add`."""
        with self._whole.turn():
            for item, data in items:
                self.add(item, data)

    def __len__(self) -> int:
        return len(self._outcomes)

    def finish(self, who: Principal, once: Once | None = None) -> list[Outcome]:
        """Publish; what became of each file, in order.

        Raises:
            NotFound, Forbidden: the right to write was taken away while the pack came in.
            StorageFull, StorageFailed: nothing of it was published.
        """
        self._whole.check(who, self._root)
        done = self._whole.publish_all(who, self._root, self._files, once)
        for at, outcome in zip(self._places, done, strict=True):
            self._outcomes[at] = outcome
        return [outcome if outcome is not None else Outcome() for outcome in self._outcomes]

    def abort(self) -> None:
        """Remove what was staged and not published."""
        for file in self._files:
            if file.published is None:
                drop_quietly(self._store, file)


def _outcome_of(finish: Callable[[], Node]) -> Node | CloudError:
    try:
        return finish()
    except CloudError as error:
        return error


def _staged(store: Content, key: str, item: PackItem, data: bytes) -> File:
    """One file of a pack, staged."""
    if item.size != len(data) or len(data) > MAX_PACK_FILE_BYTES:
        raise BadRequest("The size does not fit.")
    digest = digest_bytes(data)
    if item.digest is not None and bytes.fromhex(parse_digest(item.digest)) != digest:
        raise DigestMismatch("The bytes that arrived are not the declared ones.")
    if item.node is not None:
        if item.base is None or item.base < 1 or item.parent is not None or item.name is not None:
            raise BadRequest("New content of a node needs its `base` and no place.")
        place = (_NOWHERE, "", NodeId(item.node), item.base)
    elif item.parent is None or item.name is None:
        raise BadRequest("A file needs `parent` and `name`, or `node` and `base`.")
    else:
        place = (NodeId(item.parent), check_name(item.name), _NOWHERE, 0)
    parent, name, node, base = place
    stat = store.stage_small(key, data)
    return File(key, parent, name, len(data), digest, stat.inode, item.mtime_ns, node, base)
