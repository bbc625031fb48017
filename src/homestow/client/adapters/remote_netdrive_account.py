"""This client's account of one root on a netdrive server, kept up to date by looking; shared by all sights of it in a process."""

import logging
import threading
from typing import Final

from homestow.client.adapters.remote_netdrive_calls import Drive
from homestow.client.adapters.remote_netdrive_compare import take
from homestow.client.adapters.remote_netdrive_store import NetdriveStore
from homestow.client.adapters.remote_netdrive_tree import TOP, Entry, Snapshot
from homestow.client.ports.clock import Clock
from homestow.values.digests import EMPTY, Digest
from homestow.values.errors import DigestMismatch, NotFound, Stale, WrongKind
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node

FRESH_S: Final = 1.0
"""What a listing showed is taken for the present for so long: within it somebody else's change may be replaced unseen, and is
then a version on the server."""

SHARE: Final = 4.0
"""Looking takes at most one part of so many: a listing that took long to make is good for longer."""

_ALIASES_S: Final = 600.0
"""A move that nobody went on with for so long is given up: what was copied becomes files of their own."""

log = logging.getLogger(__name__)


class Account:
    """Safe in several threads.

    Args:
        root: its number on the server.
        share: see `SHARE`.
    Attributes:
        lock: held by whoever reads or changes the snapshot; never across a call to the server.
        store, snapshot: see there. After a change `store.save` comes before anybody hears of it.
    """

    def __init__(self, store: NetdriveStore, clock: Clock, root: int, share: float = SHARE) -> None:
        self.store = store
        self.lock = threading.RLock()
        self.root_id = RootId(max(root, 1))
        self._clock, self._share = clock, share
        self._one_look = threading.Lock()
        self._looked: float | None = None
        self._cost = 0.0
        self._aliased = clock.monotonic()
        self._server_epoch = store.fact("epoch")
        self._pairs: dict[tuple[str, int], Digest | None] = {}
        store.drop_done_uploads()

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self.store.snapshot

    # --- looking ------------------------------------------------------------------------------------------------------

    def look(self, drive: Drive, within_s: float = FRESH_S) -> None:
        """Make sure that what is known was asked for at most `within_s` seconds ago; 0: after this call began.

        Raises:
            CloudError: the server did not give a whole listing; nothing is concluded from that (R17).
        """
        called = self._clock.monotonic()
        with self._one_look:
            if self._looked is not None and self._looked >= called - max(
                within_s, min(within_s * 60, self._cost * self._share)
            ):
                return
            asked = self._clock.monotonic()
            missed = self._look_once(drive, set())
            if missed:
                self._look_once(drive, missed)
            self._looked, self._cost = asked, self._clock.monotonic() - asked

    def _look_once(self, drive: Drive, missed: set[int]) -> set[int]:
        with self.lock:
            snapshot, began = self.snapshot, self.snapshot.begin()
        seen = drive.listing()
        with self.lock:
            if seen.epoch is not None and seen.epoch != self._server_epoch:
                if self._server_epoch is not None:
                    log.warning("the server's store was restored: both sides are joined anew")
                    self.store.begin_anew()
                    missed = set()
                self.store.put_fact("epoch", seen.epoch)
                self._server_epoch = seen.epoch
            if snapshot is not self.snapshot:
                snapshot, began = self.snapshot, self.snapshot.begin()
            missed = take(snapshot, seen, began, missed)
            self._give_up_moves()
            self.store.save()
        return missed

    def _give_up_moves(self) -> None:
        now = self._clock.monotonic()
        if not self.snapshot.aliases:
            self._aliased = now
        elif now - self._aliased > _ALIASES_S:
            self.snapshot.drop_aliases(set(self.snapshot.aliases.values()))

    def moving(self) -> None:
        """Somebody goes on with a move."""
        self._aliased = self._clock.monotonic()

    # --- what is known --------------------------------------------------------------------------------------------------

    def file(self, node: int, rev: int | None) -> Entry:
        """A file whose content is still `rev`.

        Raises:
            NotFound, WrongKind: it is no file (any more). Stale: it has other content.
        """
        entry = self.snapshot.live(node)
        if entry.folder:
            raise WrongKind(f"Node {node} is no file.")
        if rev != entry.rev:
            raise Stale("The content changed on the server.", rev=entry.rev, change=entry.change)
        return entry

    def folder(self, node: int) -> Entry:
        """A folder.

        Raises:
            NotFound, WrongKind: it is none (any more).
        """
        entry = self.snapshot.live(node)
        if not entry.folder:
            raise WrongKind(f"Node {node} is no folder.")
        return entry

    def node(self, entry: Entry) -> Node:
        """An entry as everybody knows nodes."""
        if entry.folder:
            parent = NodeId(entry.parent) if entry.id != TOP else None
            return Node(
                NodeId(entry.id), self.root_id, parent, entry.name, Kind.FOLDER, 0, entry.change, entry.below, 0, 0, None,
                entry.gone,
            )  # fmt: skip
        digest = self._digest(entry.md5, entry.size)
        return Node(
            NodeId(entry.id), self.root_id, NodeId(entry.parent), entry.name, Kind.FILE, entry.rev, entry.change,
            entry.below, entry.size, entry.mtime_ns, digest, entry.gone,
        )  # fmt: skip

    def _digest(self, md5: str, size: int) -> Digest | None:
        if not size:
            return EMPTY
        key = (md5, size)
        if key not in self._pairs:
            self._pairs[key] = self.store.digest_of(md5, size)
        return self._pairs[key]

    # --- contents by both names (`ports.fingerprints`) --------------------------------------------------------------------

    def md5_of(self, digest: Digest) -> str | None:
        """See `Fingerprints.md5_of`."""
        return self.store.md5_of(digest)

    def learn(self, size: int, digest: Digest, md5: str) -> None:
        """See `Fingerprints.learn`."""
        with self.lock:
            self.store.learn([(digest, md5, size)])
            self._pairs.pop((md5, size), None)

    def digest_of(self, node: NodeId, rev: int) -> Digest | None:
        """See `Fingerprints.digest_of`."""
        with self.lock:
            entry = self.snapshot.entries.get(node)
            if entry is None or entry.folder or entry.rev != rev:
                return None
            return self._digest(entry.md5, entry.size)

    def check(self, node: NodeId, rev: int, digest: Digest, md5: str) -> None:
        """See `Fingerprints.check`."""
        with self.lock:
            try:
                entry = self.file(node, rev)
            except NotFound as error:
                raise Stale("The file went on the server while it was received.") from error
            if entry.md5 != md5:
                raise DigestMismatch(f"The bytes received of {entry.name} are not the ones the server told of.")
            self.learn(entry.size, digest, md5)
