"""Telling what changed: the feed of latest states, the raw journal, and waking who waits."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from homestow.server.ports.catalogue import Catalogue, Rows
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.committer import Committer, Listener
from homestow.server.service.work import RowsWork
from homestow.values.changes import Cursor, JournalEntry
from homestow.values.errors import CursorGone
from homestow.values.ids import Epoch, RootId
from homestow.values.nodes import Node


@dataclass(frozen=True, slots=True)
class Page:
    """Latest states of changed nodes, oldest change first; `more`: ask again at once."""

    nodes: list[Node]
    cursor: Cursor
    more: bool


class Changes:
    """The journal for readers; each holds a cursor."""

    def __init__(self, catalogue: Catalogue, access: Access, committer: Committer) -> None:
        self._catalogue = catalogue
        self._access = access
        self._committer = committer
        self._epoch = catalogue.epoch()

    def epoch(self) -> Epoch:
        """Which life of the store this is; it changes only here (`renew_epoch`) and while no process has the store."""
        return self._epoch

    def cursor(self) -> Cursor:
        """Where a reader stands who knows everything up to now."""
        return Cursor(self._catalogue.epoch(), self._catalogue.last())

    def changes(self, who: Principal, root: RootId, cursor: Cursor, limit: int = 1000) -> Page:
        """The feed after a cursor; the cost grows with the answer, not with the store.

        Raises:
            CursorGone: list anew and delete nothing: another epoch, ahead of the journal, or no longer kept.
        """
        self._access.root(who, root, Rights.READ)
        self.check(cursor)
        rows, number, more = self._catalogue.changed(root, cursor.number, limit)
        self.check(cursor)  # compaction between the two reads would leave a gap
        return Page([row.node() for row in rows], Cursor(cursor.epoch, number), more)

    def journal(
        self, who: Principal, root: RootId, cursor: Cursor, limit: int = 1000
    ) -> tuple[list[JournalEntry], Cursor]:
        """Raw entries after a cursor, in order, and the cursor behind them.

        Raises:
            CursorGone: as `changes`.
        """
        self._access.root(who, root, Rights.READ)
        self.check(cursor)
        last = self._catalogue.last()
        entries = self._catalogue.entries(root, cursor.number, limit)
        self.check(cursor)
        number = max(last, entries[-1].number) if entries else max(last, cursor.number)
        if len(entries) == limit:
            number = entries[-1].number
        return entries, Cursor(cursor.epoch, number)

    def check(self, cursor: Cursor) -> None:
        """Let a cursor pass that this store gave and still can continue.

        Raises:
            CursorGone: it cannot (R17, R23).
        """
        if cursor.epoch != self._catalogue.epoch():
            raise CursorGone("The store was restored since; list anew.")
        if cursor.number > self._catalogue.last() or cursor.number < self._catalogue.compacted():
            raise CursorGone("The journal does not reach back to this cursor; list anew.")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener(roots, number)` called after each batch of changes; how to stop it.

        It runs on the committer's thread and must return at once: an async front only wakes its waiting readers.
        """
        return self._committer.subscribe(listener)

    def compact(self, through: int) -> None:
        """Forget entries and tombstones up to a number; older cursors are gone then."""
        through = min(through, self._catalogue.last())
        if through <= self._catalogue.compacted():
            return

        def forget(rows: Rows) -> None:
            rows.compact(through)
            rows.forget_tombstones(through)

        self._committer.run(RowsWork(OUTSIDE, RootId(0), forget, exclusive=True))

    def renew_epoch(self) -> Epoch:
        """Begin another life of the store, after a restore: every cursor is gone."""
        epoch = Epoch(secrets.token_hex(16))
        with self._catalogue.write() as rows:
            rows.renew_epoch(epoch)
        self._epoch = epoch
        return epoch

    def top_change(self, root: RootId) -> int:
        """Number of the last change in a root, 0 when there was none."""
        top = self._catalogue.top(root)
        return 0 if top is None else top.below
