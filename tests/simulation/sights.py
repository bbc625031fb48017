"""What a client shows that does not see everything: patterns leave things out, or its job is about one folder of the root."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.simulation.backends import Entry, Path

from homestow.client.engine.filters import NOTHING, Filters

FLAVOURS = ("filters", "part", "part-filters")
"""Flavours of their own, with faults, in which the last client sees only some of the tree."""

PATTERNS = (
    Filters(excludes=("b",)),
    Filters(excludes=("*.txt",)),
    Filters(excludes=("D",)),
    Filters(excludes=("/D",)),
    Filters(excludes=("/E/a", "/E/D", "/a/b")),
    Filters(excludes=("D/*",)),
    Filters(excludes=("?/b", "c*")),
    Filters(excludes=("E/", "/a")),
    Filters(includes=("*.txt", "a")),
    Filters(excludes=("*/c.txt", "/[ab]/")),
)
"""About the names that simulated people use."""

Tree = Mapping[Path, Entry]


class Sight(NamedTuple):
    """What a client sees; `top` is where the server has the folder that its job is about, None when it is not there."""

    filters: Filters = NOTHING
    top: Path | None = ()

    def both(self, server: Tree, local: Tree) -> tuple[Tree, Tree]:
        """What is to be the same on both sides."""
        if self.top is None:
            return {}, {}
        size = len(self.top)
        server = {path[size:]: entry for path, entry in server.items() if len(path) > size and path[:size] == self.top}
        if not self.filters:
            return server, local
        there, here = self._seen(server), self._seen(local)
        bare_there, bare_here = self._bare(server), self._bare(local)
        return (
            {path: entry for path, entry in there.items() if path in here or path not in bare_there},
            {path: entry for path, entry in here.items() if path in there or path not in bare_here},
        )

    def clashing(self, server: Tree, local: Tree) -> list[Path]:
        """Places where one side has something left out and the other a thing of the other kind that is not, deepest first."""
        if self.top is None:
            return []
        size = len(self.top)
        server = {path[size:]: entry for path, entry in server.items() if len(path) > size and path[:size] == self.top}
        there, here = self._seen(server), self._seen(local)
        found = (there.keys() & (local.keys() - here.keys())) | (here.keys() & (server.keys() - there.keys()))
        return sorted(found, key=lambda path: (-len(path), path))

    def only_here(self, server: Tree, local: Tree) -> Tree:
        """What of a disk the server need not have."""
        _, shared = self.both(server, local)
        return {path: local[path] for path in local.keys() - shared.keys()}

    def _seen(self, tree: Tree) -> Tree:
        matcher = self.filters.matcher()
        return {path: entry for path, entry in tree.items() if not matcher.path(path, entry.content is None)}

    def _bare(self, tree: Tree) -> set[Path]:
        """Folders that hold something left out, and nothing else but such folders (SC-059)."""
        seen = self._seen(tree)
        bare: set[Path] = set()
        for path in sorted((path for path, entry in seen.items() if entry.content is None), key=len, reverse=True):
            below = [other for other in tree if len(other) == len(path) + 1 and other[:-1] == path]
            if below and all(other not in seen or other in bare for other in below):
                bare.add(path)
        return bare
