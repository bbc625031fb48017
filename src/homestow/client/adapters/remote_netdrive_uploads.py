"""Uploads by blocks to a netdrive server, which puts a file in its place as soon as its last byte comes.

So the block that would complete a file is kept here until `finish`, which looks first whether the file still may go there.
What this client knows of an upload is on disk; what the server has of it, the server tells when it is announced again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from homestow.client.adapters.netdrive_files import Announced
from homestow.client.adapters.remote_netdrive_account import Account
from homestow.client.adapters.remote_netdrive_calls import Begun, Drive
from homestow.client.adapters.remote_netdrive_store import Upload
from homestow.client.adapters.remote_netdrive_tree import NS, Entry
from homestow.client.ports.clock import Chance
from homestow.client.ports.remote import UploadState
from homestow.values.digests import Digest
from homestow.values.errors import (
    BadRequest,
    CloudError,
    DigestMismatch,
    Incomplete,
    NotFound,
    PathTaken,
    Stale,
    TooLarge,
    Unreachable,
    UploadGone,
    WrongKind,
    WrongOffset,
)
from homestow.values.ids import NodeId
from homestow.values.nodes import Node
from homestow.wire.netdrive import BLOCK_BYTES

Range = tuple[int, int]
Target = Entry | tuple[int, str]
Where = tuple[int | None, str | None, int | None, int | None]
"""(parent, name, node, base): a free place, or a file's next content."""

EMPTY_MD5: Final = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(slots=True)
class _Progress:
    """What of an upload is on the server, on its way or kept here."""

    begun: Begun
    size: int
    have: list[Range]
    held: tuple[int, bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def missing(self) -> int:
        """Bytes that nobody sent."""
        return self.size - sum(stop - start for start, stop in self.have)

    def claim(self, offset: int, data: bytes) -> bool:
        """Count bytes as sent; False: they are kept here, because with them the file would be complete."""
        with self.lock:
            if (
                self.held is not None
                and offset < self.held[0] + len(self.held[1])
                and self.held[0] < offset + len(data)
            ):
                return False
            incomplete = self.missing > 0
            self.have = joined([*self.have, (offset, offset + len(data))])
            if incomplete and not self.missing:
                self.held = (offset, data)
                return False
            return True

    def lost(self, offset: int, stop: int) -> None:
        """These bytes did not get there."""
        with self.lock:
            kept = [(start, min(end, offset)) for start, end in self.have if start < offset]
            kept += [(max(start, stop), end) for start, end in self.have if end > stop]
            self.have = kept


def joined(ranges: list[Range]) -> list[Range]:
    """The same bytes as ranges that do not touch, in order."""
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        elif stop > start:
            found.append((start, stop))
    return found


class Uploads:
    """See the module. `look` and `target` are the remote's."""

    def __init__(
        self,
        account: Account,
        drive: Drive,
        chance: Chance,
        look: Callable[[], None],
        target: Callable[[int | None, str | None, int | None, int | None], Target],
    ) -> None:
        self._account, self._drive, self._chance = account, drive, chance
        self._look, self._target = look, target
        self._under_way: dict[str, _Progress] = {}

    # --- places ---------------------------------------------------------------------------------------------------------

    def announced(self, target: Target, content: tuple[str, int], mtime_ns: int) -> Announced:
        """How the server is told of content for a place."""
        if isinstance(target, Entry):
            path, name = target.place, target.raw
        else:
            path, name = self._account.snapshot.folder_path(target[0]), target[1]
        return Announced(path, name, content[0], content[1], mtime_ns // NS)

    def stored(self, target: Target, content: tuple[str, int], mtime_ns: int, key: str) -> Entry:
        """The server has the content there now; the caller saves."""
        snapshot = self._account.snapshot
        if not isinstance(target, Entry):
            return snapshot.stored(None, target[0], target[1], content, mtime_ns, key)
        now = snapshot.entries.get(target.id, target)
        return snapshot.stored(now.id, now.parent, now.name, content, mtime_ns, key or now.key, now.raw)

    # --- the port's calls -----------------------------------------------------------------------------------------------

    def begin(self, size: int, mtime_ns: int, digest: Digest | None, where: Where, key: str | None) -> UploadState:
        """Begin, or give the upload that was begun with `key`."""
        if key is not None and (known := self._account.store.asked(key)) is not None:
            return self.state(known.id)
        self._look()
        with self._account.lock:
            target = self._target(*where)
            md5 = EMPTY_MD5 if not size else None if digest is None else self._account.md5_of(digest)
            if md5 is None:
                raise BadRequest("This protocol wants a content's MD5 before its first byte; nobody told it.")
            announced = self.announced(target, (md5, size), mtime_ns)
        begun = self._announce(announced)
        parent, name, node, base = where
        upload = Upload(
            self._chance.key(), begun.vfile, node, base, parent, name, size, md5, mtime_ns, None, key
        )  # fmt: skip
        return self._state(upload, begun, target)

    def _announce(self, announced: Announced) -> Begun:
        [begun] = self._drive.announce([announced])
        if isinstance(begun, CloudError):
            raise begun
        return begun

    def _state(self, upload: Upload, begun: Begun, target: Target) -> UploadState:
        """Remember what the server said to an announcement."""
        upload = upload._replace(vfile=begun.vfile)
        if begun.done:
            return self._told(self._done(upload, target, begun.vfile))
        self._account.store.put_upload(upload)
        self._under_way[upload.id] = _Progress(begun, upload.size, joined(list(begun.have)))
        return self._told(upload)

    def _done(self, upload: Upload, target: Target, vfile: int) -> Upload:
        with self._account.lock:
            key = f"v{vfile}" if vfile and self._drive.told_by_id else ""
            entry = self.stored(target, (upload.md5, upload.size), upload.mtime_ns, key)
            self._account.store.save()
            upload = upload._replace(done=entry.id)
            self._account.store.put_upload(upload)
        self._under_way.pop(upload.id, None)
        return upload

    def _told(self, upload: Upload) -> UploadState:
        progress = self._under_way.get(upload.id)
        if upload.done is not None:
            return UploadState(upload.id, upload.size, BLOCK_BYTES, ((0, upload.size),), self._node(upload.done))
        have = tuple(progress.have) if progress is not None else ()
        return UploadState(upload.id, upload.size, BLOCK_BYTES, have, None)

    def _node(self, node: int) -> Node:
        with self._account.lock:
            return self._account.node(self._account.snapshot.live(NodeId(node)))

    def _known(self, upload: str) -> Upload:
        found = self._account.store.upload(upload)
        if found is None:
            raise UploadGone("Begin a new upload.")
        return found

    def state(self, upload: str) -> UploadState:
        """How far it is."""
        known = self._known(upload)
        if known.done is None and upload not in self._under_way:
            return self._again(known)
        return self._told(known)

    def _again(self, known: Upload) -> UploadState:
        """Announce it again after a new start: the server says what it has."""
        self._look()
        with self._account.lock:
            try:
                target = self._target(known.parent, known.name, known.node, known.base)
            except (Stale, PathTaken, NotFound, WrongKind) as error:
                self.cancel(known.id)
                raise UploadGone("Its place is not what it was; begin a new upload.") from error
            announced = self.announced(target, (known.md5, known.size), known.mtime_ns)
        return self._state(known, self._announce(announced), target)

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        """Send a block, or keep it if it is the last."""
        known = self._known(upload)
        if len(data) > BLOCK_BYTES:
            raise TooLarge("The block is too large.", limit=BLOCK_BYTES)
        if not 0 <= offset <= known.size - len(data):
            raise WrongOffset("The block does not fit.", expected=0)
        self.state(upload)
        progress = self._under_way.get(upload)
        content = bytes(data)
        if progress is None or not progress.claim(offset, content):
            return
        try:
            self._drive.put_block(progress.begun, offset, content)
        except BaseException:
            progress.lost(offset, offset + len(content))
            raise

    def finish(self, upload: str, digest: Digest) -> Node:
        """Publish, once it is sure that nobody changed the place meanwhile."""
        self.state(upload)
        known, progress = self._known(upload), self._under_way.get(upload)
        if known.done is not None or progress is None:
            state = self._told(self._known(upload))
            if state.done is None:
                raise UploadGone("Begin a new upload.")
            return state.done
        if progress.missing:
            raise Incomplete("Bytes are missing.", missing=progress.missing)
        if self._account.md5_of(digest) not in (None, known.md5) or (
            self._account.store.digest_of(known.md5, known.size) not in (None, digest)
        ):
            self.cancel(upload)
            raise DigestMismatch("Other bytes were sent than announced.")
        self._look()
        with self._account.lock:
            target = self._target(known.parent, known.name, known.node, known.base)
        try:
            if progress.held is not None:
                self._drive.put_block(progress.begun, *progress.held)
            vfile = self._drive.complete(progress.begun, known.size)
        except Unreachable:
            raise
        except CloudError:
            # What the server has is not what was thought: it is asked before this goes on.
            self._under_way.pop(upload, None)
            raise
        done = self._done(known, target, vfile).done
        assert done is not None
        return self._node(done)

    def cancel(self, upload: str) -> None:
        """Forget it; nothing when it is forgotten already."""
        self._under_way.pop(upload, None)
        known = self._account.store.upload(upload)
        if known is not None and known.done is None:
            self._account.store.drop_upload(upload)
