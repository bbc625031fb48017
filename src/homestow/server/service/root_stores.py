"""The store of each root, and whether what is at its path is the folder we know (P10)."""

import logging
import os
import threading
from collections.abc import Callable

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Content
from homestow.server.ports.roots import Root, RootState
from homestow.server.ports.roots import Roots as RootRows
from homestow.values.errors import NotFound, StorageFailed
from homestow.values.ids import RootId
from homestow.values.paths import RESERVED

log = logging.getLogger(__name__)

OpenStore = Callable[[str], Content]
"""Opens the store of a root's folder; `StorageFailed` when the folder is not there."""


class RootStores:
    """The `StoreSet` of the other use cases: opened at first need, away while their folder is not there."""

    def __init__(self, rows: RootRows, catalogue: Catalogue, open_store: OpenStore, clock: Clock) -> None:
        self._rows = rows
        self._catalogue = catalogue
        self._open_store = open_store
        self._clock = clock
        self._guard = threading.Lock()
        self._opening: dict[RootId, threading.RLock] = {}
        """Held while a root's store is opened, which may take long on a slow disk; no other root waits for it."""

        self._stores: dict[RootId, Content] = {}
        self._retired: list[Content] = []
        self._trusted: set[RootId] = set()
        """Roots whose folder the operator said is the right one."""

        self._told: set[RootId] = set()
        """Roots of which the log says why they are away."""

    def get(self, root: RootId) -> Content:
        """The store of a root, opened at first need.

        Raises:
            NotFound: there is no such root.
            StorageFailed: its folder is not there (disk not mounted, removed).
        """
        store = self._stores.get(root)
        return store if store is not None else self.present(root)

    def present(self, root: RootId) -> Content:
        """The store of a root after looking whether its folder is the right one; a root that was away is back then.

        Raises:
            NotFound: there is no such root.
            StorageFailed: its folder is not there or is another one, as when its disk is not mounted; the root is away.
        """
        with self._lock_of(root):
            row = self._rows.root(root)
            if row is None or row.state is RootState.REMOVED:
                raise NotFound("There is no such root.")
            store = self._stores.get(root)
            if store is not None and row.state is RootState.PRESENT:
                return store
            try:
                store = self._open_right(row)
            except StorageFailed as error:
                if row.state is RootState.PRESENT:
                    self.set_away(root, True)
                self._tell_once(row, error)
                # Where the folder lies is nobody's business but the owner's, who finds it in the log (S34).
                raise StorageFailed(
                    f"The folder of {row.name} is not at its place on the server; nothing is deleted. Mount its disk again; "
                    "the server's log says which.",
                    **error.facts,
                ) from error
            self._told.discard(root)
            if row.state is RootState.AWAY:
                self.set_away(root, False)
            self._stores[root] = store
            return store

    def was_scanned(self, root: RootId) -> bool:
        """Whether a root was compared as a whole with its disk before."""
        row = self._rows.root(root)
        return row is not None and row.scanned_ns > 0

    def note_scanned(self, root: RootId) -> None:
        """A root was compared as a whole with its disk: remember how its folder is known again."""
        row = self._rows.root(root)
        if row is None:
            return
        stat = self.get(root).look(())
        marked = os.path.isdir(os.path.join(row.folder, RESERVED))
        if stat is not None and (row.inode, row.birth_ns, row.marked) != (stat.inode, stat.birth_ns, marked):
            self._rows.set_identity(root, stat.inode, stat.birth_ns, marked)
        self._rows.set_scanned(root, self._clock.now_ns())

    def set_away(self, root: RootId, away: bool) -> None:
        """The root's folder is not there, or is there again; the store is opened anew."""
        with self._lock_of(root):
            row = self._rows.root(root)
            if row is None or row.state is RootState.REMOVED:
                return
            self._rows.set_state(root, RootState.AWAY if away else RootState.PRESENT)
            self._close(root)
        if away:
            log.error("root is away: its folder is not there; nothing is deleted", extra={"root_name": row.name})
        else:
            log.warning("root is back", extra={"root_name": row.name})

    def reopen(self, root: RootId) -> None:
        """Open the root's store anew at next need: the owner looked at its disk, so it may be believed again (P1)."""
        with self._lock_of(root):
            self._close(root)

    def close(self) -> None:
        """Close all stores."""
        for store in (*self._stores.values(), *self._retired):
            store.close()
        self._stores.clear()
        self._retired.clear()

    # --- inside ---

    def _lock_of(self, root: RootId) -> "threading.RLock":
        with self._guard:
            return self._opening.setdefault(root, threading.RLock())

    def _tell_once(self, row: Root, error: StorageFailed) -> None:
        if row.id not in self._told:
            self._told.add(row.id)
            log.error("the folder of a root cannot be used", extra={"root_name": row.name, "reason": error.message})

    def _open_right(self, row: Root) -> Content:
        """Open a root's store, unless what is at its path now is not the folder we know (P10)."""
        store = self._open_store(row.folder)
        hint = (
            f"Mount its disk again; or, if this is the right folder, run: homestow root add {row.name!r} {row.folder!r}"
        )
        if row.marked and not os.path.isdir(os.path.join(row.folder, RESERVED)):
            store.close()
            raise StorageFailed(
                f"The folder {row.folder} of {row.name} is not the one it was: no {RESERVED} in it. {hint}"
            )
        stat = store.look(())
        trusted = row.id in self._trusted
        if not row.marked and not trusted and (stat is None or not stat.inode or stat.inode != row.inode):
            top = self._catalogue.top(row.id)
            known = {lying.loc_name or lying.name for lying in self._catalogue.lying_in(top.id)} if top else set()
            if known and known.isdisjoint(entry.name for entry in store.list_folder(())):
                store.close()
                raise StorageFailed(f"The folder {row.folder} of {row.name} shows nothing of what was in it. {hint}")
        return store

    def _close(self, root: RootId) -> None:
        """Open it anew next time. The old handles stay until the end: another thread may be using them right now."""
        if (store := self._stores.pop(root, None)) is not None:
            self._retired.append(store)
