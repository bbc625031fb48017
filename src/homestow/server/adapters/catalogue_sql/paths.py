"""Where folders stand and lie: chains of rows made once and kept until a folder moves."""

import sqlite3

from homestow.server.adapters.catalogue_sql.statements import FOLDER
from homestow.server.ports.catalogue import Folder
from homestow.server.ports.content import Location
from homestow.values.ids import NodeId, RootId

_MOST = 20_000


class FolderCache:
    """Folders by id as committed; shared by all threads, emptied when a folder moved, went away or came back.

    A reader that looked before such a change and stores after it would bring an old path back; the generation tells.
    """

    def __init__(self) -> None:
        self.known: dict[NodeId, Folder] = {}
        self.generation = 0

    def get(self, node: NodeId) -> Folder | None:
        """A known folder."""
        return self.known.get(node)

    def clear(self) -> None:
        """A folder moved."""
        self.generation += 1
        self.known = {}

    def store(self, folder: Folder, generation: int) -> None:
        """Keep what was read in a generation."""
        known = self.known
        if generation == self.generation:
            if len(known) >= _MOST:
                known.clear()
            known[folder.id] = folder


_Lies = tuple[str | None, Location, tuple[NodeId, ...]]
"""How a folder in the trash is kept, where it lies, and what it lies in, itself first."""


def find_folder(connection: sqlite3.Connection, cache: FolderCache, node: NodeId) -> Folder | None:
    """A folder with its paths; None when it is unknown or no folder."""
    found = cache.get(node)
    if found is not None:
        return found
    generation = cache.generation
    # Climb to the first known folder, then make the ones below it: deep trees must not recurse deeply.
    climbed: list[tuple[int, int, int | None, str, int, int | None, str | None, str | None]] = []
    at: NodeId | None = node
    while at is not None and (found := cache.get(at)) is None:
        row = connection.execute(FOLDER, (at,)).fetchone()
        if row is None:
            return None
        climbed.append(row)
        at = row[2]
    for row in reversed(climbed):
        found = _below(connection, cache, row, found)
        if found is None:
            return None
        cache.store(found, generation)
    return found


def _below(
    connection: sqlite3.Connection,
    cache: FolderCache,
    row: tuple[int, int, int | None, str, int, int | None, str | None, str | None],
    above: Folder | None,
) -> Folder | None:
    number, root, parent, name, gone, loc_parent, loc_name, kept_as = row
    node = NodeId(number)
    if above is None or parent is None:
        return Folder(node, RootId(root), None, name, gone == 0, (node,), kept_as, (), (node,))
    kept: str | None = kept_as
    location: Location = ()
    held: tuple[NodeId, ...] = (node,)
    if not gone:
        disk_name = name
        lies: _Lies | None = above.kept, above.location, above.held
        if loc_parent is not None and loc_name is not None:
            disk_name = loc_name
            if loc_parent != parent:
                lies = _lies(connection, cache, NodeId(loc_parent))
        if lies is None:
            return None
        kept, location, held = lies[0], (*lies[1], disk_name), (node, *lies[2])
    chain = (node, *above.chain)
    if held == chain:
        held = chain
    return Folder(node, RootId(root), NodeId(parent), name, above.live and gone == 0, chain, kept, location, held)


def _lies(connection: sqlite3.Connection, cache: FolderCache, node: NodeId) -> _Lies | None:
    """Where a folder lies, found by locations alone: it may well be shown in a folder that lies in it."""
    passed: list[tuple[NodeId, str]] = []
    at = node
    while (found := cache.get(at)) is None:
        row = connection.execute(FOLDER, (at,)).fetchone()
        if row is None:
            return None
        _, _, parent, name, gone, loc_parent, loc_name, kept = row
        location: Location = ()
        held: tuple[NodeId, ...] = (at,)
        if gone or parent is None:
            break
        elsewhere = loc_parent is not None and loc_name is not None
        passed.append((at, loc_name if elsewhere else name))
        at = NodeId(loc_parent if elsewhere else parent)
    else:
        kept, location, held = found.kept, found.location, found.held
    names = (name for _, name in reversed(passed))
    return kept, (*location, *names), (*(each for each, _ in passed), *held)
