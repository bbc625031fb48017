"""Changes made on disk without us: found by comparing folders with the catalogue, recorded as ordinary changes.

Nothing on disk is ever changed here. What cannot be listed is left as it is known (R17, P10); what cannot be a node is left
out with a reason (R16); content overwritten from outside has no older version, because its bytes are gone before we see it.
"""

import gc
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from homestow.server.ports.catalogue import Catalogue, NodeRow, Rows
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Content, EntryKind, Location
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.committer import Committer
from homestow.server.service.outside_adopt import adopt, as_new
from homestow.server.service.outside_brake import Brake
from homestow.server.service.outside_record import Edit, Folder, Gone, Move, New, Recorded, Touch, record
from homestow.server.service.outside_scan import Found, RootGone, Scan, Tell
from homestow.server.service.roots import Roots
from homestow.server.service.stopping import Stopping
from homestow.server.service.work import RowsWork
from homestow.values.errors import CloudError, NotFound, PathTaken, StorageFailed
from homestow.values.ids import NodeId, RootId

_PIECE = 20_000
_MANY_NEW = 50_000

log = logging.getLogger(__name__)


class Outside:
    """Compares roots with the disk. One comparison of a root at a time; see `service.watching` for when."""

    def __init__(self, catalogue: Catalogue, roots: Roots, committer: Committer, clock: Clock) -> None:
        self._catalogue = catalogue
        self._roots = roots
        self._committer = committer
        self._clock = clock
        self._lock = threading.Lock()
        self._comparing: dict[RootId, threading.Lock] = {}
        self._brake = Brake(catalogue, clock)
        self.stopping = Stopping()

    def held(self, root: RootId) -> int:
        """How many files of a root are missing and wait for its owner's word; 0 when none do."""
        return self._brake.held(root)

    def rescan(self, root: RootId, accept_deletes: bool = False, tell: Tell | None = None) -> Found:
        """Compare a whole root with the disk and record every difference.

        A root whose folder is not there, or is another one (no disk mounted), is marked away, and nothing is deleted;
        one that is back is marked present. When most of its files are missing, nothing is deleted either (P10).

        Args:
            accept_deletes: the owner said that what is missing was meant to go.
            tell: called now and then with how many entries were looked at; what it raises ends the comparison.

        Raises:
            NotFound: there is no such root.
            Busy: the server stops; what was recorded stays, nothing was taken for deleted.
            StorageFull, StorageFailed: the database failed; what was recorded stays.
        """
        found = self._compare(root, None, accept_deletes, tell=tell)
        if not found.away:
            self._roots.note_scanned(root)
        return found

    def look(self, root: RootId, folders: Collection[Location], deep: bool = False, tell: Tell | None = None) -> Found:
        """Compare some folders with the disk; of one that we do not know, the nearest known one above it.

        Args:
            deep: also all folders in them.
            tell: as in `rescan`.

        Raises:
            NotFound, StorageFull, StorageFailed: as `rescan`.
        """
        return self._compare(root, folders, deep=deep, tell=tell)

    def _compare(
        self, root: RootId, folders: Collection[Location] | None, accept_deletes: bool = False, deep: bool = False,
        tell: Tell | None = None,
    ) -> Found:  # fmt: skip
        with self._lock:
            one_at_a_time = self._comparing.setdefault(root, threading.Lock())
        with one_at_a_time:
            return self._compare_alone(root, folders, accept_deletes, deep, tell)

    def _compare_alone(
        self, root: RootId, folders: Collection[Location] | None, accept_deletes: bool, deep: bool, tell: Tell | None
    ) -> Found:
        try:
            store = self._roots.present(root)
        except StorageFailed as error:
            log.warning("the root cannot be compared", extra={"root": root, "reason": error.message})
            return Found(away=True)
        top = self._catalogue.top(root)
        if top is None:
            raise NotFound("There is no such root.")
        # Adopting: nobody knows anything of this root yet. Later an empty root fills by ordinary changes.
        fresh = folders is None and not self._roots.was_scanned(root) and not self._catalogue.lying_in(top.id)
        scan = Scan(root, store, self._catalogue, self._clock.now_ns(), fresh, self.stopping)
        with _no_collector() if fresh else nullcontext():
            try:
                self._walk(scan, self._starts(store, top.id, folders), deep or folders is None, tell)
            except RootGone as error:
                self._roots.set_away(root, True)
                scan.found.skip((), str(error))
                scan.found.away = True
                return scan.found
            scan.settle_files()
            scan.settle_copies()
            self.stopping.check()
            gone = self._deleted(scan, everything=folders is None, accepted=accept_deletes)
            self._finish(scan, gone)
        _follow(scan, folders or ())
        return scan.found

    def _starts(self, store: Content, top: NodeId, folders: Collection[Location] | None) -> Iterable[Folder]:
        if folders is None:
            return [Folder(top, ())]
        starts = {}
        for location in folders:
            known: list[NodeRow] = []
            for name in location:
                row = self._catalogue.lying_at(known[-1].id if known else top, name)
                if row is None or row.kind != "folder":
                    break
                known.append(row)
            while known and not _lies_there(store, location[: len(known)], known[-1]):
                known.pop()  # moved or gone: the folder above tells; what lies there now holds nothing of this one
            node = known[-1].id if known else top
            starts[node] = Folder(node, location[: len(known)])
        return starts.values()

    def _walk(self, scan: Scan, starts: Iterable[Folder], everything: bool, tell: Tell | None) -> None:
        """Compare folders and what is new in them; with `everything` also the folders in them that we know.

        What is adopted goes in level by level, so that places, ordered by parents' ids, are added at the end.
        """
        waiting = deque(starts)
        following = waiting.popleft if scan.fresh else waiting.pop
        while waiting:
            self.stopping.check()
            if tell is not None:
                tell(scan.found.seen)
            for inner in scan.look(following()):
                if everything or not inner.same:
                    waiting.append(inner)
            if scan.standing_count >= _PIECE:
                self._adopt(scan)
            if len(scan.new) >= _MANY_NEW:
                self._record(scan, new=scan.new)
                scan.new = []

    def _deleted(self, scan: Scan, everything: bool, accepted: bool) -> list[Gone]:
        """What is missing and counts as deleted: all of it, or nothing while the owner has to be asked (P10)."""
        gone = scan.gone()
        if accepted or (everything and not gone):
            self._brake.release(scan.root)
        elif gone:
            missing = sum(
                self._brake.files_in(row.id, scan.claimed) if row.kind == "folder" else row.kind == "file"
                for row, _ in gone
            )
            if self._brake.holds(scan.root, missing, everything=everything):
                scan.found.held = self._brake.held(scan.root)
                return []
        return gone

    def _adopt(self, scan: Scan) -> None:
        """Record what was found standing in a root that is being adopted."""
        standing, scan.standing, scan.standing_count = scan.standing, [], 0
        try:
            work = RowsWork(OUTSIDE, scan.root, lambda rows: adopt(rows, scan.root, standing), exclusive=True)
            scan.found.new += self._committer.run(work)
        except PathTaken:  # somebody put something into it meanwhile
            self._record(scan, new=as_new(standing))

    def _finish(self, scan: Scan, gone: list[Gone]) -> None:
        if scan.standing:
            self._adopt(scan)
        if scan.moves or gone:
            self._record(scan, new=scan.new, moves=scan.moves, gone=gone)
        else:
            for start in range(0, len(scan.new), _PIECE):
                self._record(scan, new=scan.new[start : start + _PIECE])
        for start in range(0, len(scan.edits), _PIECE):
            self._record(scan, edits=scan.edits[start : start + _PIECE])
        for start in range(0, len(scan.touches), _PIECE):
            self._record(scan, touches=scan.touches[start : start + _PIECE])

    def _record(
        self, scan: Scan, new: list[New] | None = None, moves: list[Move] | None = None, gone: list[Gone] | None = None,
        edits: list[Edit] | None = None, touches: list[Touch] | None = None,
    ) -> None:  # fmt: skip
        """Record differences in the committer's order, alone: no change of ours is half done then."""

        def change(rows: Rows) -> Recorded:
            return record(
                rows, scan.store, scan.root, self._clock.now_ns(), new or [], moves or [], gone or [], edits or [],
                touches or [],
            )  # fmt: skip

        found = scan.found
        try:
            done = self._run(scan.root, change)
        except PathTaken as error:  # the tree changed under us in a way that needs a new comparison
            log.info("a comparison is made again", extra={"root": scan.root, "reason": error.message})
            found.later.add(())
            return
        found.new += done.new
        found.moved += done.moved
        found.gone += done.gone
        found.edited += done.edited
        found.later.update(done.again)

    def _run(self, root: RootId, change: Callable[[Rows], Recorded]) -> Recorded:
        return self._committer.run(RowsWork(OUTSIDE, root, change, exclusive=True))


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without the cycle collector, which would go through the hundred thousand new tuples of an adoption again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _lies_there(store: Content, at: Location, row: NodeRow) -> bool:
    """Whether the folder at a path is the one we know there, as far as its disk can tell."""
    try:
        stat = store.look(at)
    except CloudError:
        return True  # listing it will say why
    if stat is None or stat.kind is not EntryKind.FOLDER:
        return False
    return not row.inode or not stat.inode or (row.inode, row.birth_ns) == (stat.inode, stat.birth_ns)


def _follow(scan: Scan, hints: Iterable[Location]) -> None:
    """What hints told of below a folder that was moved is looked at once more: only now is it known where that is."""
    moved = {(*move.folder.location, move.name) for move in scan.moves if move.row.kind == "folder"}
    if moved:
        scan.found.later.update(at for at in hints if any(at[:depth] in moved for depth in range(1, len(at) + 1)))
