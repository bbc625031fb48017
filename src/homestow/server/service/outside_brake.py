"""The brake on deletions from outside (P10): when most of a root is suddenly missing, its owner is asked first.

Nothing is written down: after a restart the next comparison finds the files missing again and the brake holds again.
"""

import logging
from collections.abc import Collection

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.clock import Clock
from homestow.server.rules.brake import looks_emptied
from homestow.values.ids import NodeId, RootId

WINDOW_NS = 600_000_000_000
"""Deletions within ten minutes count together: a large tree does not vanish between two looks."""

_PAGE = 1000

log = logging.getLogger(__name__)


class Brake:
    """Which roots' deletions are held, and how much was deleted lately. One comparison of a root at a time."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._held: dict[RootId, int] = {}
        self._lately: dict[RootId, tuple[int, int]] = {}

    def held(self, root: RootId) -> int:
        """How many files are missing of a root whose deletions are held; 0 when they are not."""
        return self._held.get(root, 0)

    def release(self, root: RootId) -> None:
        """The owner said that what is missing was meant to go; or nothing is missing any more."""
        self._held.pop(root, None)
        self._lately.pop(root, None)

    def holds(self, root: RootId, missing: int, *, everything: bool) -> bool:
        """Whether these missing files must not count as deleted (yet).

        Args:
            missing: files, 0 or more; those in missing folders too.
            everything: they were found by comparing the whole root.
        """
        before = self._held.get(root)
        if before is not None:
            self._held[root] = missing if everything else max(before, missing)
            return True
        since, lately = self._lately.get(root, (0, 0))
        now = self._clock.now_ns()
        if not 0 <= now - since < WINDOW_NS:
            since, lately = now, 0
        if looks_emptied(missing + lately, lambda: self._live_files(root) + lately):
            self._held[root] = missing
            log.error("most of a root is missing: nothing is deleted until its owner says so", extra={
                "root": root, "missing": missing,
            })  # fmt: skip
            return True
        self._lately[root] = since, lately + missing
        return False

    def _live_files(self, root: RootId) -> int:
        """Files of a root, without those in the trash."""
        files = self._catalogue.usage([root])[root].files
        before = 0
        while trashed := self._catalogue.trash(root, before, _PAGE):
            before = trashed[-1].gone
            files -= sum(1 if row.kind == "file" else self.files_in(row.id) for row in trashed if row.kind != "link")
        return files

    def files_in(self, folder: NodeId, but: Collection[NodeId] = ()) -> int:
        """Files below a folder, without some."""
        return sum(row.kind == "file" and row.id not in but for row in self._catalogue.inside(folder))
