"""A root becomes a folder of another root whose folder lies around it: the same nodes, the same files, nothing moves.

What the inner root has kept (versions, trash) is renamed into the outer one's hidden folder afterwards; a crash in between is
made good at the next start (`settle`).
"""

import logging
import os

from homestow.server.ports.catalogue import Catalogue, Rows, new_row
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import TakesOver
from homestow.server.ports.journal import Note
from homestow.server.ports.roots import Root
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.committer import Committer
from homestow.server.service.roots import Roots
from homestow.server.service.work import RowsWork
from homestow.values.changes import ChangeKind
from homestow.values.errors import BadRequest, Busy, CloudError, NotFound, RootsOverlap
from homestow.values.faults import faultpoint
from homestow.values.ids import NO_DEVICE, SYSTEM, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import RESERVED, nfc

log = logging.getLogger(__name__)


class Merging:
    """Makes roots folders of others."""

    def __init__(self, catalogue: Catalogue, roots: Roots, committer: Committer, clock: Clock) -> None:
        self._catalogue = catalogue
        self._roots = roots
        self._committer = committer
        self._clock = clock

    def check(self, inner: Root, folder: str) -> None:
        """Refuse what could not be merged into a root at `folder`, before anything is done.

        Raises:
            RootsOverlap: another disk is mounted there, or the inner root is an account's own or away.
        """
        if inner.owner != SYSTEM:
            raise RootsOverlap(f"{inner.folder} is somebody's own root; it cannot become a folder of another one.")
        try:
            apart = os.stat(inner.folder).st_dev != os.stat(folder).st_dev
        except OSError as error:
            raise RootsOverlap(
                f"{inner.folder}, the folder of {inner.name!r}, is not there: {error.strerror}."
            ) from error
        if apart:
            raise RootsOverlap(f"{inner.folder}, the folder of {inner.name!r}, is on another disk than {folder}.")

    def merge(self, inner: Root, outer: Root) -> int:
        """Make `inner` a folder of `outer`, in whose folder it lies; how many nodes came.

        Folders between the two that are not known yet become nodes too. Whoever may see `outer` sees it; members of `inner`
        who may not lose it. Uploads into `inner` that were under way end.

        Raises:
            BadRequest: it does not lie there.
            Busy: something of it is not settled yet.
            RootsOverlap: as `check`.
        """
        self.check(inner, outer.folder)
        path = os.path.relpath(inner.folder, outer.folder).split("/")
        if path[0] in ("..", "."):
            raise BadRequest(f"{inner.folder} does not lie in {outer.folder}.")
        store = self._roots.get(outer.id)
        if not isinstance(store, TakesOver) or not store.may_take_over(tuple(path)):
            raise RootsOverlap(
                f"{inner.folder} cannot become a folder of {outer.name!r}: another disk is mounted there."
            )

        def graft(rows: Rows) -> int:
            if any(intent.root == inner.id for intent in rows.intents()):
                raise Busy(f"Something in {inner.name} is not settled yet; try again.", retry_after_s=2)
            top = rows.top(outer.id)
            if top is None:
                raise NotFound("There is no such root.")
            at = top.id
            for name in path[:-1]:
                at = self._folder(rows, outer.id, at, name)
            count = rows.graft(inner.id, outer.id, at, nfc(path[-1]))
            if (moved := rows.child(at, nfc(path[-1]))) is not None:
                note = Note(outer.id, moved.id, ChangeKind.MOVED, self._clock.now_ns(), SYSTEM, NO_DEVICE, (at,))
                rows.bump([(moved.id, rows.note([note]))])
                if moved.name != path[-1]:
                    rows.set_location(moved.id, at, path[-1])
            return count

        count = self._committer.run(RowsWork(OUTSIDE, outer.id, graft, exclusive=True))
        faultpoint("merging.grafted")
        self._roots.grafted(inner.id)
        store.take_over(tuple(path))
        log.info("root became a folder of another", extra={"root": inner.id, "into": outer.id, "nodes": count})
        return count

    def settle(self) -> None:
        """Finish what a crash left: take over what roots have kept that became folders of others."""
        for gone, root, at in self._roots.left_over():
            if self._catalogue.top(gone.id) is not None or not os.path.isdir(os.path.join(gone.folder, RESERVED)):
                continue
            try:
                store = self._roots.get(root)
                if isinstance(store, TakesOver):
                    store.take_over(at)
            except CloudError as error:
                log.warning("what a merged root kept cannot be moved", extra={"root": root, "reason": error.message})

    def _folder(self, rows: Rows, root: RootId, parent: NodeId, disk_name: str) -> NodeId:
        there = rows.lying_at(parent, disk_name)
        if there is not None and there.kind == Kind.FOLDER:
            return there.id
        node = rows.take_ids(1)
        note = Note(root, node, ChangeKind.CREATED, self._clock.now_ns(), SYSTEM, NO_DEVICE, (parent,))
        name = nfc(disk_name)
        rows.add([
            new_row(
                node, root, parent, name, Kind.FOLDER, rows.note([note]), loc_parent=None if name == disk_name else parent,
                loc_name=None if name == disk_name else disk_name,
            )
        ])  # fmt: skip
        return node
