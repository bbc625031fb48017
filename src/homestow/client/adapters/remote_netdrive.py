"""A netdrive server as the sync client needs it (see `ports.remote`), out of the few things that its protocol can do.

The protocol names no version that a change is meant for, knows no moves and tells times in seconds. So everything is looked
at before it is changed (`Stale` when it is not as the caller saw it), and what somebody else changes within the moment
between look and act is replaced and stays a version on the server. Nothing is deleted before the same content was seen at
its new place.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import md5
from typing import Final

from blake3 import blake3

from homestow.client.adapters.netdrive_files import Announced
from homestow.client.adapters.remote_api import Refused, log_refused
from homestow.client.adapters.remote_netdrive_account import FRESH_S, Account
from homestow.client.adapters.remote_netdrive_calls import Drive, Place
from homestow.client.adapters.remote_netdrive_folders import Folders
from homestow.client.adapters.remote_netdrive_moves import Moves
from homestow.client.adapters.remote_netdrive_tree import NS, TOP, Entry
from homestow.client.adapters.remote_netdrive_uploads import Uploads
from homestow.client.ports.clock import Chance, Clock
from homestow.client.ports.remote import Feed, Limits, RemoteRoot, SmallFile, TreePart, UploadState
from homestow.values.changes import Cursor, parse_cursor
from homestow.values.digests import Digest
from homestow.values.errors import (
    BadName,
    BadRequest,
    Busy,
    CloudError,
    CursorGone,
    DigestMismatch,
    Forbidden,
    NotFound,
    Stale,
    TooLarge,
    Unreachable,
)
from homestow.values.ids import Epoch, NodeId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name
from homestow.wire.netdrive import BLOCK_BYTES

LIMITS: Final = Limits(pack_files=256, pack_bytes=8 * 1024 * 1024, pack_file_bytes=256 * 1024, block_bytes=BLOCK_BYTES)

POLL_S: Final = 2.0
"""Pause between two looks while waiting for news; it grows to `LONGEST_POLL_S` as long as none come."""
LONGEST_POLL_S: Final = 10.0
_GROWTH: Final = 1.25
BUSY_TRIES: Final = 100
"""So often a server is asked again that reads its files before it can tell them."""
_PAGE: Final = 5000
_REFUSED_IDS: Final = 1 << 62


class NetdriveRemote:
    """One root on a netdrive server. Several of these in one process share an `Account`.

    Args:
        account: see there.
        drive: the way to the server; closed with this.
        clock, chance: see `ports.clock`.
        name: of the root, for people.
        writable: whether this user may change anything there, as far as the server tells.
        refused: told what no folder here can hold (S04, R16).
        limits: what is sent at once at most.
        pause: lets so many seconds pass, less when this is closed; by default really.
    """

    def __init__(
        self,
        account: Account,
        drive: Drive,
        clock: Clock,
        chance: Chance,
        *,
        name: str = "netdrive",
        writable: bool = True,
        refused: Refused = log_refused,
        limits: Limits = LIMITS,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._account, self._drive, self._clock = account, drive, clock
        self._name, self._writable, self._refused, self._limits = name, writable, refused, limits
        self._closed = threading.Event()
        self._pause = pause or self._closed.wait
        self._poll_s = POLL_S
        self._life: str | None = None
        self._told: dict[str, Node] = {}
        self._folders = Folders(account, drive, self._look)
        self._moves = Moves(account, drive, self._look)
        self._uploads = Uploads(account, drive, chance, self._look, self._target)

    @property
    def limits(self) -> Limits:
        """What fits together well."""
        return self._limits

    def close(self) -> None:
        """Close connections; calls under way end with `Unreachable`."""
        self._closed.set()
        self._drive.close()

    # --- looking -------------------------------------------------------------------------------------------------------

    def _look(self, within_s: float = FRESH_S) -> None:
        """Look, and make sure that node ids still mean what the caller was told.

        Raises:
            CursorGone: another life began.
        """
        self._see(within_s)
        self._check_life()

    def _see(self, within_s: float) -> None:
        for left in range(BUSY_TRIES, -1, -1):
            try:
                self._account.look(self._drive, within_s)
                return
            except Busy:
                if not left or self._closed.is_set():
                    raise
                self._pause(1.0)

    def _check_life(self) -> None:
        if self._life is not None and self._account.snapshot.epoch != self._life:
            raise CursorGone("The account of the server began anew; everything is listed again.")

    def root(self) -> RemoteRoot:
        """The root as it is now; `NotFound` when it is not (or no longer) ours to see."""
        self._see(FRESH_S)
        with self._account.lock:
            snapshot = self._account.snapshot
            self._life = snapshot.epoch
            change = snapshot.change
            return RemoteRoot(self._account.root_id, self._name, NodeId(TOP), self._writable, snapshot.epoch, change)

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        """A page of all nodes; pass `next` and `cursor` of the page before."""
        if cursor is None:
            self._look()
        with self._account.lock:
            snapshot = self._account.snapshot
            if cursor is None:
                cursor = str(Cursor(Epoch(snapshot.epoch), snapshot.change))
            elif parse_cursor(cursor).epoch != snapshot.epoch:
                raise CursorGone("The account of the server began anew; everything is listed again.")
            start = TOP if under is None else self._account.folder(under).id
            entries = [snapshot.entries[start], *snapshot.below(start)]
            wanted = sorted((entry for entry in entries if entry.id > after), key=lambda entry: entry.id)
            page = [self._account.node(entry) for entry in wanted[:_PAGE]]
        self._tell_refused()
        return TreePart(page, page[-1].id if len(wanted) > _PAGE else None, cursor)

    def changes(self, cursor: str, wait_s: int) -> Feed:
        """The feed since `cursor`, waiting up to `wait_s` seconds for something; `CursorGone`: list anew, delete nothing."""
        until = self._clock.monotonic() + wait_s
        while True:
            self._look()
            feed = self._since(parse_cursor(cursor), forget=not wait_s)
            left = until - self._clock.monotonic()
            if feed.nodes or left <= 0:
                if feed.nodes:
                    self._poll_s = POLL_S
                self._tell_refused()
                return feed
            if self._closed.is_set():
                raise Unreachable("The connection was closed.")
            self._pause(min(self._poll_s, left))
            self._poll_s = min(self._poll_s * _GROWTH, LONGEST_POLL_S)

    def _since(self, cursor: Cursor, *, forget: bool) -> Feed:
        with self._account.lock:
            snapshot = self._account.snapshot
            if cursor.epoch != snapshot.epoch or cursor.number < snapshot.compacted:
                raise CursorGone("List the root anew.")
            if cursor.number > snapshot.change:
                # Numbers that were given out are not known: the account is older than its reader. What it would number
                # again, the reader would take for what it knows.
                if forget:
                    self._account.store.begin_anew()
                raise CursorGone("List the root anew.")
            changed = snapshot.since(cursor.number)
            page = changed[:_PAGE]
            more = len(changed) > len(page)
            number = page[-1].change if more else snapshot.change
            if forget:
                # Its reader has remembered everything up to the cursor.
                snapshot.forget_gone(cursor.number)
            return Feed([self._account.node(entry) for entry in page], str(Cursor(Epoch(snapshot.epoch), number)), more)

    def node(self, node: NodeId) -> Node:
        """One node as it is now."""
        self._look()
        with self._account.lock:
            return self._account.node(self._account.snapshot.live(node))

    def _tell_refused(self) -> None:
        """Tell what the last listing had that is left out here, and what of it is no more."""
        with self._account.lock:
            now = dict(self._account.snapshot.refused)
        for key in self._told.keys() - now.keys():
            gone = self._told.pop(key)
            self._refused(_gone(gone), BadName("It is not there any more."))
        for key, refusal in now.items():
            if key not in self._told:
                number = _REFUSED_IDS | int.from_bytes(blake3(key.encode(errors="replace")).digest(length=7), "big")
                self._told[key] = Node(
                    NodeId(number), self._account.root_id, NodeId(refusal.parent), refusal.name, Kind.FILE, 1, 1, 1, 0, 0, None
                )  # fmt: skip
                self._refused(self._told[key], BadName(refusal.reason))

    # --- folders --------------------------------------------------------------------------------------------------------

    def make_folder(self, parent: NodeId, name: str) -> Node:
        """A new folder; `PathTaken` with fact `node` when something has the name."""
        self._look()
        return self._folders.make(parent, name)

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        """Many folders, parents first; parent -k is the k-th of this list (from 1); an existing folder is taken as the answer."""
        self._look()
        return self._folders.make_many(folders)

    # --- moving and deleting --------------------------------------------------------------------------------------------

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        """A new place; `Stale` unless the node's `change` still is `base`; moving to where it already is answers the node."""
        self._look()
        with self._account.lock:
            entry = self._account.snapshot.live(node)
            if (entry.parent, entry.name) == (parent, check_name(name)):
                return self._account.node(entry)
            _not_top(entry)
            if entry.change != base:
                raise Stale("It changed on the server.", rev=entry.rev, change=entry.change)
            self._account.folder(parent)
            self._moves.check_circle(entry, parent)
            name = self._folders.free(parent, name, node)
        moved = (
            self._moves.move_folder(entry, parent, name) if entry.folder else self._moves.move_file(entry, parent, name)
        )
        with self._account.lock:
            return self._account.node(moved)

    def delete(self, node: NodeId, base: int) -> None:
        """Into the trash; `Stale` unless a file's `change` / a folder's `below` still is `base`."""
        self._look()
        with self._account.lock:
            entry = self._account.snapshot.live(node)
            _not_top(entry)
            if (entry.below if entry.folder else entry.change) != base:
                raise Stale("It changed on the server.", rev=entry.rev, change=entry.change)
        if entry.folder:
            self._folders.delete(entry)
            return
        [error] = self._drive.delete_files([Place(entry.place, entry.raw)])
        if error is not None and not isinstance(error, NotFound):
            raise error
        self._folders.drop(entry)

    # --- files ------------------------------------------------------------------------------------------------------------

    def _target(
        self, parent: int | None, name: str | None, node: int | None, base: int | None
    ) -> Entry | tuple[int, str]:
        """Where content shall go, looked at: the file that gets it, or a free place; under the account's lock."""
        if node is not None and parent is None:
            return self._account.file(node, base)
        if parent is None or name is None or node is not None:
            raise BadRequest("Either a place or a node.")
        return parent, self._folders.free(parent, name)

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        """A new modification time without new content (R26); below a second it is this client's alone."""
        self._look()
        with self._account.lock:
            entry = self._account.file(node, self._account.snapshot.live(node).rev)
            if entry.mtime_ns == mtime_ns:
                return self._account.node(entry)
            if entry.change != base:
                raise Stale("It changed on the server.", rev=entry.rev, change=entry.change)
        key = entry.key
        if entry.mtime_ns // NS != mtime_ns // NS:
            key = self._moves.announce_at(entry, entry.place, entry.raw, mtime_ns) or key
        with self._account.lock:
            entry = self._account.snapshot.stored(
                entry.id, entry.parent, entry.name, entry.content, mtime_ns, key, entry.raw
            )
            self._account.store.save()
            return self._account.node(entry)

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        """Send a pack; one result per file."""
        if len(files) > self._limits.pack_files or sum(len(file.content) for file in files) > self._limits.pack_bytes:
            raise TooLarge("The pack is too large.", limit=self._limits.pack_bytes)
        self._look()
        results: list[Node | CloudError] = [BadRequest("Not sent.")] * len(files)
        going: list[tuple[int, Entry | tuple[int, str], Announced, bytes]] = []
        with self._account.lock:
            for number, file in enumerate(files):
                try:
                    target = self._target(file.parent, file.name, file.node, file.base)
                    going.append((number, target, self._announced(target, file), file.content))
                except CloudError as error:
                    results[number] = error
        stored = self._drive.put([(announced, content) for *_, announced, content in going])
        with self._account.lock:
            for (number, target, announced, _), vfile in zip(going, stored, strict=True):
                if isinstance(vfile, CloudError):
                    results[number] = vfile
                else:
                    key = f"v{vfile}" if vfile and self._drive.told_by_id else ""
                    results[number] = self._stored(target, announced, files[number].mtime_ns, key)
            self._account.store.save()
        return results

    def _announced(self, target: Entry | tuple[int, str], file: SmallFile) -> Announced:
        digest = Digest(blake3(file.content).hexdigest())
        if file.digest is not None and file.digest != digest:
            raise DigestMismatch("Other bytes than declared came.")
        if len(file.content) > self._limits.pack_file_bytes:
            raise TooLarge("Too large for a pack.", limit=self._limits.pack_file_bytes)
        content = md5(file.content, usedforsecurity=False).hexdigest()
        self._account.learn(len(file.content), digest, content)
        return self._uploads.announced(target, (content, len(file.content)), file.mtime_ns)

    def _stored(self, target: Entry | tuple[int, str], announced: Announced, mtime_ns: int, key: str) -> Node:
        entry = self._uploads.stored(target, (announced.md5, announced.size), mtime_ns, key)
        return self._account.node(entry)

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        """Fetch (node, rev) contents in one answer, in order, as they arrive; each is what its MD5 says."""
        contents: list[tuple[str, int] | CloudError] = []
        with self._account.lock:
            for node, rev in wanted:
                try:
                    contents.append(self._account.file(node, rev).content)
                except CloudError as error:
                    contents.append(error)
        coming = self._drive.fetch([content for content in contents if not isinstance(content, CloudError)])
        for (node, _), content in zip(wanted, contents, strict=True):
            if isinstance(content, CloudError):
                yield node, content
                continue
            data = next(coming)
            yield node, _checked(self._account, content, data)
        for _ in coming:
            pass

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        """Bytes [start, stop) of one content in pieces of at most 1 MiB; never a mix of two contents (SC-159)."""
        with self._account.lock:
            entry = self._account.file(node, rev)
        if start >= stop:
            return
        try:
            yield from self._drive.read(entry.md5, start, min(stop, entry.size))
        except (Forbidden, NotFound) as error:
            self._look(0)
            raise Stale(f"The server does not give this content: {error.message}") from error

    # --- uploads ------------------------------------------------------------------------------------------------------------

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
        """Begin; `digest` must be of content whose MD5 is known here (`ports.fingerprints`), since the server wants it first."""
        if not 1 <= block_size <= self._limits.block_bytes:
            raise BadRequest("Blocks have 1 byte up to the limit.")
        return self._uploads.begin(size, mtime_ns, digest, (parent, name, node, base), key)

    def upload(self, upload: str) -> UploadState:
        """How far it is; `UploadGone` when it is no more."""
        return self._uploads.state(upload)

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        """Send bytes at an offset; harmless when repeated. What would complete the file is kept until `finish`."""
        self._uploads.put_block(upload, offset, data)

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        """This protocol sends changed files whole."""
        return self._uploads.state(upload)

    def finish(self, upload: str, digest: Digest) -> Node:
        """Publish; repeated, it answers the same node."""
        return self._uploads.finish(upload, digest)

    def cancel(self, upload: str) -> None:
        """Drop it; the server forgets what it got when nobody goes on with it."""
        self._uploads.cancel(upload)


def _checked(account: Account, content: tuple[str, int], data: bytes | CloudError) -> bytes | CloudError:
    """What was fetched, if it is the content that was meant."""
    if isinstance(data, CloudError):
        return Stale(data.message) if isinstance(data, Forbidden | NotFound) else data
    if (md5(data, usedforsecurity=False).hexdigest(), len(data)) != content:
        return DigestMismatch("Other bytes came than the server told of.")
    account.learn(len(data), Digest(blake3(data).hexdigest()), content[0])
    return data


def _not_top(entry: Entry) -> None:
    if entry.id == TOP:
        raise Forbidden("The top folder stays.")


def _gone(node: Node) -> Node:
    return Node(
        node.id, node.root, node.parent, node.name, node.kind, node.rev, node.change, node.below, node.size, node.mtime_ns,
        node.digest, True,
    )  # fmt: skip
