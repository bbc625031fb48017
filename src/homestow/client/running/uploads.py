"""Sending files: small ones in packs, larger ones in blocks that a later run continues; nothing that moved is published.

Packs are read and hashed by the control thread while workers send the packs before, so that reading, sending and
remembering overlap. Of larger files a few go at once, of very large ones several blocks.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import md5
from types import TracebackType
from typing import NamedTuple

from blake3 import blake3

from homestow.client.engine.feed import remote_item
from homestow.client.engine.steps import UploadContent, UploadNew
from homestow.client.engine.trees import LocalItem, agreed
from homestow.client.ports.localtree import LocalChanged, LocalPath, Reading
from homestow.client.ports.remote import SmallFile, UploadState
from homestow.client.ports.state import OpenUpload, Sent
from homestow.client.running.deeds import Did
from homestow.client.running.reading import ensure_still, opened
from homestow.client.running.work import Work, in_packs, value_of
from homestow.values.digests import BLOCK_SIZE, Digest
from homestow.values.errors import CloudError, DigestMismatch, NotFound, PathTaken, Stale, UploadGone
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

SMALL_BYTES = 256 * 1024
PACK_FILES = 500
PACK_BYTES = 8 * 1024 * 1024
ALONE_BYTES = 8 * BLOCK_SIZE
"""From here on a file's own blocks go in parallel; below, several files do."""
DELTA_BYTES = 2 * BLOCK_SIZE
"""From here on, replacing content first asks which blocks the server has."""


class _File(NamedTuple):
    """A file to send: `rev` is the content it replaces, None for a new file at (parent, name)."""

    item: int
    path: LocalPath
    mine: LocalItem
    parent: int
    rev: int | None


class Uploads:
    """Takes the uploading steps of a plan."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._heard: list[int] = []

    def run(self, steps: Sequence[UploadNew | UploadContent]) -> None:
        """Send what the steps say, small files first."""
        work = self._work
        limits = work.remote.limits
        most = min(SMALL_BYTES, limits.pack_file_bytes, limits.pack_bytes)
        sizes: dict[int, int] = {}
        for step in steps:
            item = work.trees.now(step.item)
            with work.answering(item):
                sizes[item] = work.here(item).size
        small = [(item, size) for item, size in sizes.items() if size <= most]
        self._cancel_stale({item for item, _ in small})
        self._run_small(small)
        rest = self._files(item for item, size in sizes.items() if size > most)
        self._run_blocks([file for file in rest if file.mine.size <= ALONE_BYTES])
        for file in rest:
            if file.mine.size > ALONE_BYTES:
                self._run_alone(file)
                self._remember()

    def _files(self, items: Iterable[int]) -> list[_File]:
        """The items as files to send; what cannot be sent now is noted or left out."""
        work, trees = self._work, self._work.trees
        folders: dict[int, LocalPath | None] = {trees.top: ()}
        files: list[_File] = []
        for item in items:
            try:
                mine = work.here(item)
                parent = trees.now(mine.parent)
                rev = None if item < 0 else work.there(item).rev
                if parent < 0 and rev is None:
                    continue
                if mine.parent not in folders:
                    folders[mine.parent] = trees.path_here(mine.parent)
                if (folder := folders[mine.parent]) is None:
                    raise LocalChanged("It is not there any more.")
                files.append(_File(item, (*folder, mine.spelled), mine, parent, rev))
            except CloudError as error:
                work.failed(item, error)
        return files

    def _cancel_stale(self, items: set[int]) -> None:
        """A file that shrank to a small one may have left an upload behind (SC-135)."""
        for upload in self._work.state.open_uploads():
            if upload.item in items:
                self._work.remote.cancel(upload.upload)
                self._work.state.drop_upload(upload.item)

    # --- packs --------------------------------------------------------------------------------------------------------

    def _run_small(self, small: list[tuple[int, int]]) -> None:
        work, limits = self._work, self._work.remote.limits
        packs = in_packs(small, min(PACK_FILES, limits.pack_files), min(PACK_BYTES, limits.pack_bytes))

        def send(pack: list[tuple[_File, SmallFile]]) -> list[Node | CloudError]:
            return work.remote.put_small([content for _, content in pack])

        for pack, outcome in work.workers.run(send, self._read_packs(packs)):
            if isinstance(outcome, CloudError):
                for file, _ in pack:
                    work.failed(file.item, outcome)
                continue
            done, size = 0, 0
            for (file, content), result in zip(pack, value_of(outcome), strict=True):
                try:
                    self._sent(file, content.digest, value_of(result))
                    work.did(Did.UPLOAD, here=False, path=file.path, size=file.mine.size)
                    done, size = done + 1, size + file.mine.size
                except CloudError as error:
                    work.failed(file.item, error, file.parent)
            work.progress.small(pack[-1][0].path[-1], done, size)
            self._remember()
            work.check_stop()

    def _read_packs(self, packs: Iterator[list[int]]) -> Iterator[list[tuple[_File, SmallFile]]]:
        """The packs, each looked for and read when it is its turn: the server is at work on those before it meanwhile."""
        work = self._work
        for items in packs:
            files = self._files(items)
            pack: list[tuple[_File, SmallFile]] = []
            contents = work.tree.read_small([(file.path, file.mine.stamp) for file in files])
            for file, content in zip(files, contents, strict=True):
                if isinstance(content, CloudError):
                    work.failed(file.item, content)
                else:
                    pack.append((file, _small(file, content)))
            work.check_stop()
            if pack:
                offer(work, [(file, content.digest) for file, content in pack])
                yield pack

    def _remember(self) -> None:
        """Remember what was done; only then may be forgotten what was offered for it."""
        self._work.remember()
        if self._heard:
            self._work.state.drop_sent(self._heard)
            self._heard.clear()

    def _sent(self, file: _File, digest: Digest | None, node: Node) -> None:
        """The server has the content now."""
        work = self._work
        if digest is None or (node.digest is not None and node.digest != digest):
            raise DigestMismatch(f"The server has other bytes of {file.path[-1]}.")
        self._heard.append(file.item)
        work.counts.uploaded += 1
        work.counts.uploaded_bytes += file.mine.size
        work.acted_there(node)
        theirs, mine, item = remote_item(node), file.mine, file.item
        if theirs.digest is None:
            theirs = theirs._replace(digest=digest)
        if mine.digest != digest:
            mine = mine._replace(digest=digest)
        if item < 0:
            if (theirs.parent, theirs.name) == (mine.parent, mine.name):
                if work.trees.arrive(item, agreed(node.id, mine, theirs)):
                    work.settled(item)
                    return
            if node.id in work.trees.synced:
                raise NotFound("The server answered with another file.", node=node.id)
            work.trees.set_there(node.id, theirs)
            work.trees.rename(item, node.id)
            work.settled(item)
            item = node.id
        work.same_content(item, mine, theirs)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _run_blocks(self, files: list[_File]) -> None:
        """Several files at once, each block by block."""
        work = self._work
        earlier = {upload.item: upload for upload in work.state.open_uploads()}

        def send(file: _File) -> tuple[Digest, Node]:
            with _Sending(work, file, earlier.get(file.item)) as sending:
                for block in sending.blocks():
                    sending.put(block)
                return sending.finish()

        for file, outcome in work.workers.run(send, files):
            self._finished(file, outcome)
            self._remember()
            work.check_stop()

    def _run_alone(self, file: _File) -> None:
        """One file, several of its blocks at once."""
        work = self._work
        earlier = {upload.item: upload for upload in work.state.open_uploads()}
        outcome: tuple[Digest, Node] | BaseException
        try:
            with _Sending(work, file, earlier.get(file.item)) as sending:
                for _, sent in work.workers.run(sending.put, sending.blocks()):
                    value_of(sent)
                outcome = sending.finish()
        except CloudError as error:
            outcome = error
        self._finished(file, outcome)

    def _finished(self, file: _File, outcome: tuple[Digest, Node] | BaseException) -> None:
        work = self._work
        done = False
        with work.answering(file.item, file.parent):
            try:
                digest, node = value_of(outcome)
            finally:
                if not isinstance(outcome, tuple):
                    work.progress.end(file.item, done=False)
            self._sent(file, digest, node)
            work.did(Did.UPLOAD, here=False, path=file.path, size=file.mine.size)
            done = True
        if done:
            work.state.drop_upload(file.item)
            work.progress.end(file.item, done=True)


def offer(work: Work, files: Sequence[tuple[_File, Digest | None]]) -> None:
    """Remember what is about to be sent: if its answer is never heard, by a break or our own death, the server's new content is
    known again as ours, also when the file was edited since (SC-141)."""
    offered = [Sent(file.item, file.rev or 0, digest) for file, digest in files if digest is not None]
    if offered:
        work.state.put_sent(offered)


def _small(file: _File, content: bytes) -> SmallFile:
    digest = Digest(blake3(content).hexdigest())
    mtime_ns = file.mine.mtime_ns
    if file.rev is None:
        return SmallFile(content, mtime_ns, digest, parent=NodeId(file.parent), name=file.mine.name)
    return SmallFile(content, mtime_ns, digest, node=NodeId(file.item), base=file.rev)


def publish(work: Work, item: int, path: LocalPath, mine: LocalItem, rev: int) -> tuple[Digest, Node]:
    """Make the bytes of one file of the disk the content of another file's node, over its content `rev`.

    Nothing is remembered: should the answer be lost, it is news like those of another computer.

    Raises:
        LocalChanged: the file at `path` is not as `mine` says. Stale: the node has other content by now.
        DigestMismatch: the server answered with something else.
    """
    file = _File(item, path, mine, mine.parent, rev)
    try:
        with _Sending(work, file, None, remembered=False) as sending:
            for block in sending.blocks():
                sending.put(block)
            digest, node = sending.finish()
        if node.id != item or (node.digest is not None and node.digest != digest):
            raise DigestMismatch(f"The server answered about something else than {path[-1]}.")
    except BaseException:
        work.progress.end(item, done=False)
        raise
    work.progress.end(item, done=True)
    return digest, node


class _Sending:
    """One upload by blocks: begun anew or continued, read once from start to end while missing blocks go out.

    `remembered` False: the file is not the node's own, so that nothing of it may be taken for its state later.
    """

    def __init__(self, work: Work, file: _File, earlier: OpenUpload | None, *, remembered: bool = True) -> None:
        self._work, self._file, self._remembered = work, file, remembered
        self._block = min(BLOCK_SIZE, work.remote.limits.block_bytes)
        work.progress.begin(file.item, file.path[-1], True, file.mine.size)
        self._reading: Reading = opened(work.tree, file.path, file.mine.stamp)
        self._hasher = blake3()
        try:
            self._state = self._continued(earlier) or self._begun()
        except BaseException:
            self._reading.close()
            raise

    def __enter__(self) -> "_Sending":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()
        if isinstance(error, LocalChanged | DigestMismatch | NotFound | PathTaken | Stale):
            # What it was of is no more, or not what was sent (R19, SC-135); or where it should go is not there any more,
            # which an upload cannot change (SC-154): the next one begins at the place that is right by then.
            self._work.remote.cancel(self._state.id)
            self._work.state.drop_upload(self._file.item)

    def _continued(self, earlier: OpenUpload | None) -> UploadState | None:
        """The upload of an earlier run, if it is of this very state of the file (P7), else it is dropped (SC-135)."""
        if earlier is None:
            return None
        file, work = self._file, self._work
        if earlier.stamp == file.mine.stamp and earlier.base_rev == file.rev:
            try:
                state = work.remote.upload(earlier.upload)
            except (UploadGone, NotFound):
                state = None
            if state is not None and state.size == file.mine.size:
                return state
        work.remote.cancel(earlier.upload)
        work.state.drop_upload(file.item)
        return None

    def _begun(self) -> UploadState:
        file, work = self._file, self._work
        begin = work.remote.begin_upload
        size, mtime_ns, digest, key = file.mine.size, file.mine.mtime_ns, self._named(), work.chance.key()
        self._offer(digest)  # the server may know the content, and then this is all
        if file.rev is None:
            state = begin(
                size=size, mtime_ns=mtime_ns, block_size=self._block, digest=digest,
                parent=NodeId(file.parent), name=file.mine.name, key=key,
            )  # fmt: skip
        else:
            state = begin(
                size=size, mtime_ns=mtime_ns, block_size=self._block, digest=digest,
                node=NodeId(file.item), base=file.rev, key=key,
            )  # fmt: skip
        if state.done is None:
            if self._remembered:
                work.state.put_upload(OpenUpload(file.item, state.id, file.mine.stamp, file.rev, self._block))
            if file.rev is not None and size >= DELTA_BYTES and work.fingerprints is None:
                state = work.remote.have_blocks(state.id, self._block_digests())
        return state

    def _offer(self, digest: Digest | None) -> None:
        if self._remembered:
            offer(self._work, [(self._file, digest)])

    def _named(self) -> Digest | None:
        """The digest as far as it is known; where the server wants an MD5 at the beginning, the file is read for both."""
        names, digest = self._work.fingerprints, self._file.mine.digest
        if names is None or not self._file.mine.size or (digest is not None and names.md5_of(digest) is not None):
            return digest
        hasher, other = blake3(), md5(usedforsecurity=False)
        for _, data in self._read():
            hasher.update(data)
            other.update(data)
        ensure_still(self._reading, self._file.path)
        digest = Digest(hasher.hexdigest())
        names.learn(self._file.mine.size, digest, other.hexdigest())
        return digest

    def _block_digests(self) -> list[Digest]:
        digests = []
        for offset, data in self._read():
            del offset
            digests.append(Digest(blake3(data).hexdigest()))
        return digests

    def _read(self) -> Iterator[tuple[int, bytes]]:
        size = self._file.mine.size
        for offset in range(0, size, self._block):
            self._work.check_stop()
            want = min(self._block, size - offset)
            data = self._reading.read_at(offset, want)
            while len(data) < want:
                more = self._reading.read_at(offset + len(data), want - len(data))
                if not more:
                    raise LocalChanged(f"{self._file.path[-1]} got shorter while it was read.")
                data += more
            yield offset, data

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """The blocks that the server does not have, in order; all of the file is hashed on the way."""
        have = sorted(self._state.have)
        if self._state.done is not None and self._file.mine.digest is not None:
            return
        for offset, data in self._read():
            self._hasher.update(data)
            if self._state.done is None and not _covered(have, offset, offset + len(data)):
                yield offset, data
            else:
                self._work.progress.moved(self._file.item, len(data), before=True)

    def put(self, block: tuple[int, bytes]) -> None:
        """Send one block; safe in any thread, harmless when repeated."""
        offset, data = block
        self._work.check_stop()
        self._work.remote.put_block(self._state.id, offset, data)
        self._work.progress.moved(self._file.item, len(data))

    def finish(self) -> tuple[Digest, Node]:
        """Publish what stood still, once all blocks were sent.

        Raises:
            LocalChanged: the file changed while it was read (R19).
        """
        file, work, state = self._file, self._work, self._state
        if state.done is not None and file.mine.digest is not None:
            return file.mine.digest, state.done
        digest = Digest(self._hasher.hexdigest())
        ensure_still(self._reading, file.path)
        self._offer(digest)
        return digest, state.done or work.remote.finish(state.id, digest)


def _covered(have: Sequence[tuple[int, int]], start: int, stop: int) -> bool:
    return any(first <= start and stop <= last for first, last in have)
