"""Send files and folders to a root, once; large files continue where an earlier run was interrupted."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from homestow.cli.carrying import PIECE, Carried, Children, Moved, digest_of
from homestow.client.ports.clock import Workers
from homestow.client.ports.remote import Remote, SmallFile, UploadState
from homestow.values.digests import Digest
from homestow.values.errors import BadRequest, CloudError, NotFound, PathTaken, Stale, UploadGone
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name

_PACK_FILES = 512


@dataclass(frozen=True, slots=True)
class Item:
    """A local file to send: where it lies, as it was seen, and where it goes; `over` is the file it replaces."""

    path: Path
    size: int
    mtime_ns: int
    inode: int
    parent: NodeId
    name: str
    over: Node | None


class Sending:
    """Files and folders to one root.

    Args:
        remote: the root.
        children: lists a folder of it.
        workers: carry out several transfers at once.
        memory: folder where uploads under way are remembered, so that a later run continues them.
        moved: told the bytes of each step and the name it belongs to.
    """

    def __init__(self, remote: Remote, children: Children, workers: Workers, memory: Path, moved: Moved) -> None:
        self._remote, self._children, self._workers = remote, children, workers
        self._memory, self._moved = memory, moved
        self.carried = Carried()

    def send(self, source: Path, parent: NodeId, name: str, over: Node | None) -> None:
        """Send a file or folder to `name` in the folder `parent`; `over` is what has that name now, None: nothing."""
        name = check_name(name)
        seen = source.lstat() if not source.is_symlink() else source.stat()
        if stat.S_ISDIR(seen.st_mode):
            if over is not None and over.kind is not Kind.FOLDER:
                raise PathTaken(f"{name} is a file on the server, {source} a folder; choose another name.")
            items = list(self._walk(source, parent, name, over))
        elif stat.S_ISREG(seen.st_mode):
            items = [_item(source, seen, parent, name, over)]
        else:
            raise BadRequest(f"{source} is neither a file nor a folder.")
        self._send_all(items)

    def _walk(self, source: Path, parent: NodeId, name: str, over: Node | None) -> Iterator[Item]:
        """Make the folders below `source` on the server, level by level, and give the files."""
        level: list[tuple[Path, NodeId, str, bool]] = [(source, parent, name, over is not None)]
        while level:
            made = self._remote.make_folders([(folder_in, its_name) for _, folder_in, its_name, _ in level])
            below: list[tuple[Path, NodeId, str, bool]] = []
            for (path, _, _, existed), node in zip(level, made, strict=True):
                if isinstance(node, CloudError):
                    self._problem(path, node.message)
                    continue
                there = {child.name: child for child in self._children(node.id)} if existed else {}
                yield from self._entries(path, node.id, there, below)
            level = below

    def _entries(
        self, path: Path, node: NodeId, there: dict[str, Node], below: list[tuple[Path, NodeId, str, bool]]
    ) -> Iterator[Item]:
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            self._problem(path, error.strerror or str(error))
            return
        for entry in entries:
            child = path / entry.name
            try:
                name = check_name(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    below.append((child, node, name, name in there))
                elif entry.is_file(follow_symlinks=False):
                    yield _item(child, entry.stat(follow_symlinks=False), node, name, there.get(name))
                else:
                    self._problem(child, "a link or device, not sent")
            except CloudError as error:
                self._problem(child, error.message)
            except OSError as error:
                self._problem(child, error.strerror or str(error))

    def _send_all(self, items: Sequence[Item]) -> None:
        limit = self._remote.limits.pack_file_bytes
        wanted = []
        for item in items:
            if item.over is not None and item.over.kind is not Kind.FILE:
                self._problem(item.path, f"{item.name} is a folder on the server; choose another name")
            else:
                wanted.append(item)
        small = [item for item in wanted if item.size <= limit]
        for pack, outcome in self._workers.run(self._send_pack, list(self._packs(small))):
            if isinstance(outcome, BaseException):
                for item in pack:
                    self.carried.failed(item.path, outcome)
        for item in wanted:
            if item.size > limit:
                try:
                    self._send_large(item)
                except (CloudError, OSError) as error:
                    self.carried.failed(item.path, error)

    def _packs(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        limits = self._remote.limits
        pack: list[Item] = []
        size = 0
        for item in items:
            if pack and (
                len(pack) >= min(limits.pack_files, _PACK_FILES) or size + item.size > min(limits.pack_bytes, PIECE)
            ):
                yield pack
                pack, size = [], 0
            pack.append(item)
            size += item.size
        if pack:
            yield pack

    def _send_pack(self, items: list[Item]) -> None:
        ready: list[tuple[Item, SmallFile]] = []
        for item in items:
            try:
                content = _read_whole(item)
            except (CloudError, OSError) as error:
                self.carried.failed(item.path, error)
                continue
            digest = digest_of(content)
            if item.over is not None and item.over.digest == digest:
                self.carried.same += 1
                continue
            if item.over is None:
                file = SmallFile(content, item.mtime_ns, digest, parent=item.parent, name=item.name)
            else:
                file = SmallFile(content, item.mtime_ns, digest, node=item.over.id, base=item.over.rev)
            ready.append((item, file))
        if not ready:
            return
        for (item, _), result in zip(ready, self._remote.put_small([file for _, file in ready]), strict=True):
            if isinstance(result, CloudError):
                self.carried.failed(item.path, result)
            else:
                self._done(item)

    def _send_large(self, item: Item) -> None:
        """One file in blocks; an upload that an earlier run of the same content began is continued."""
        with item.path.open("rb") as file:
            digest = _digest_of_file(item, file)
            if item.over is not None and item.over.digest == digest:
                self.carried.same += 1
                return
            key = repr((str(item.path), digest, item.parent, item.name, item.over and item.over.rev))
            note = self._memory / hashlib.sha256(key.encode()).hexdigest()[:32]
            state = self._resumed(note, item) or self._begin(note, item, digest)
            if state.done is None:
                self._send_blocks(item, file, state)
                if not _still(item, item.path.stat()):
                    self._remote.cancel(state.id)
                    note.unlink(missing_ok=True)
                    raise _changed(item)
                self._remote.finish(state.id, digest)
        note.unlink(missing_ok=True)
        self._done(item, told=state.done is None)

    def _send_blocks(self, item: Item, file: BinaryIO, state: UploadState) -> None:
        def send(gap: tuple[int, int]) -> None:
            data = os.pread(file.fileno(), gap[1] - gap[0], gap[0])
            if len(data) != gap[1] - gap[0]:
                raise _changed(item)
            self._remote.put_block(state.id, gap[0], data)
            self._moved(item.name, len(data))

        missing = list(gaps(state.have, item.size, min(PIECE, self._remote.limits.block_bytes)))
        self._moved(item.name, item.size - sum(stop - start for start, stop in missing))
        for _, outcome in self._workers.run(send, missing):
            if isinstance(outcome, BaseException):
                raise outcome

    def _begin(self, note: Path, item: Item, digest: Digest) -> UploadState:
        block = min(PIECE, self._remote.limits.block_bytes)
        if item.over is None:
            began = self._remote.begin_upload(
                size=item.size,
                mtime_ns=item.mtime_ns,
                block_size=block,
                digest=digest,
                parent=item.parent,
                name=item.name,
            )
        else:
            began = self._remote.begin_upload(
                size=item.size, mtime_ns=item.mtime_ns, block_size=block, digest=digest,
                node=item.over.id, base=item.over.rev,
            )  # fmt: skip
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write_text(json.dumps({"upload": began.id}), "utf-8")
        return began

    def _resumed(self, note: Path, item: Item) -> UploadState | None:
        try:
            state = self._remote.upload(str(json.loads(note.read_text("utf-8"))["upload"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError, UploadGone, NotFound):
            return None
        # One that is finished is an old one: what it made may have been changed or deleted since.
        return state if state.done is None and state.size == item.size else None

    def _done(self, item: Item, *, told: bool = False) -> None:
        self.carried.files += 1
        self.carried.bytes += item.size
        self._moved(item.name, 0 if told else item.size)

    def _problem(self, path: Path, reason: str) -> None:
        self.carried.problems.append((str(path), reason))


def gaps(have: Sequence[tuple[int, int]], size: int, block: int) -> Iterator[tuple[int, int]]:
    """The ranges [start, stop) of a content of `size` bytes that are not in `have`, none longer than `block`."""
    at = 0
    for start, stop in [*sorted(have), (size, size)]:
        while at < start:
            yield at, min(at + block, start)
            at = min(at + block, start)
        at = max(at, stop)


def _item(path: Path, seen: os.stat_result, parent: NodeId, name: str, over: Node | None) -> Item:
    return Item(path, seen.st_size, seen.st_mtime_ns, seen.st_ino, parent, name, over)


def _still(item: Item, seen: os.stat_result) -> bool:
    return (seen.st_size, seen.st_mtime_ns, seen.st_ino) == (item.size, item.mtime_ns, item.inode)


def _changed(item: Item) -> Stale:
    return Stale(f"{item.path} changed while it was read; run it again.")


def _read_whole(item: Item) -> bytes:
    with item.path.open("rb") as file:
        content = file.read(item.size + 1)
        if len(content) != item.size or not _still(item, os.fstat(file.fileno())):
            raise _changed(item)
        return content


def _digest_of_file(item: Item, file: BinaryIO) -> Digest:
    """BLAKE3 of an open file that is and stays as it was seen; read in pieces, a shrinking file must not kill us."""
    digest = blake3(max_threads=blake3.AUTO)
    size = 0
    while piece := file.read(PIECE):
        digest.update(piece)
        size += len(piece)
    if size != item.size or not _still(item, os.fstat(file.fileno())):
        raise _changed(item)
    return Digest(digest.hexdigest())
