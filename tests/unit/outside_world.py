"""A root on a real disk with its catalogue, for tests of what happens outside of the server."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.ports.catalogue import NodeRow
from homestow.server.ports.content import Content
from homestow.server.rules.access import Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.committer import Committer
from homestow.server.service.hashing import Hashing
from homestow.server.service.outside import Outside
from homestow.server.service.outside_scan import Found
from homestow.server.service.roots import Roots
from homestow.server.service.work import Ground
from homestow.values.changes import ChangeKind
from homestow.values.ids import RootId

SECOND = 1_000_000_000


class Clock:
    """A clock we move; it begins a minute after the files of the test."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND


class World:
    """One user, anna, one adopted root `tree`, and hands that change the folder behind the server's back."""

    def __init__(self, data: Path, database: Database) -> None:
        self.data = data
        self.clock = Clock()
        self.clock.ns = os.stat(data).st_mtime_ns + 60 * SECOND
        self.catalogue = SqlCatalogue(database)
        self.account_rows = SqlAccounts(database)
        self.accounts = Accounts(self.account_rows, self.clock, Hashing(time=1, memory_kib=8))
        (data / "files").mkdir(exist_ok=True)
        self.folder = data.parent / "tree"
        self.folder.mkdir(exist_ok=True)
        self.root_rows = SqlRoots(database)
        self.roots = Roots(self.root_rows, self.account_rows, self.catalogue, open_tree, self.clock, data / "files")
        self.ground = Ground(self.catalogue, self.roots, self.roots, self.clock)
        self.committer = Committer(self.ground, lambda: None, inline=True)
        self.outside = Outside(self.catalogue, self.roots, self.committer, self.clock)
        if not self.accounts.all():
            self.accounts.add("anna", "correct horse")
        found = self.root_rows.root_named("tree")
        self.root: RootId = (found or self.roots.add("tree", str(self.folder), [("anna", Rights.WRITE)])).id

    # --- what somebody does on the server's disk ---

    def write(self, path: str, text: str = "x", age_s: float = 10) -> None:
        """A file with content, last written so many seconds before the clock."""
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
        self.age(path, age_s)

    def age(self, path: str, age_s: float) -> None:
        ns = self.clock.ns - int(age_s * SECOND)
        os.utime(self.folder / path, ns=(ns, ns))

    def save_by_rename(self, path: str, text: str) -> None:
        """As editors save: a new file beside, renamed over."""
        self.write(path + ".new", text, age_s=5)
        os.rename(self.folder / (path + ".new"), self.folder / path)

    def move(self, source: str, target: str) -> None:
        (self.folder / target).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.folder / source, self.folder / target)

    def remove(self, path: str) -> None:
        at = self.folder / path
        shutil.rmtree(at) if at.is_dir() and not at.is_symlink() else at.unlink()

    # --- what the server knows ---

    def rescan(self) -> Found:
        return self.outside.rescan(self.root)

    def look(self, *folders: str) -> Found:
        return self.outside.look(self.root, [tuple(folder.split("/")) if folder else () for folder in folders])

    def tree(self) -> dict[str, NodeRow]:
        """Every live node but the top by its path."""
        top = self.catalogue.top(self.root)
        assert top is not None
        found: dict[str, NodeRow] = {}
        waiting = [(top, "")]
        while waiting:
            folder, path = waiting.pop()
            for row in self.catalogue.children(folder.id, "", -1):
                found[path + row.name] = row
                if row.kind == "folder":
                    waiting.append((row, f"{path}{row.name}/"))
        return found

    def ids(self) -> dict[str, int]:
        return {path: row.id for path, row in self.tree().items()}

    def kinds(self, after: int) -> list[str]:
        """Journal entries after a number as "kind path" (path at the end of the test), in order."""
        paths = {row.id: path for path, row in self.tree().items()}
        entries = self.catalogue.entries(self.root, after, 10_000)
        return [f"{ChangeKind(entry.kind).value} {paths.get(entry.node, '-')}" for entry in entries]

    def agrees(self) -> None:
        """The catalogue shows what the disk shows, the counters are right, and another look finds nothing."""
        on_disk = {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if not str(path.relative_to(self.folder)).startswith(".homestow")
        }
        tree = self.tree()
        assert set(tree) == on_disk
        for path, row in tree.items():
            at = self.folder / path
            if row.kind == "file":
                assert row.size == at.stat().st_size
            assert row.kind == ("link" if at.is_symlink() else "folder" if at.is_dir() else "file")
        usage = self.catalogue.usage([self.root])[self.root]
        with self.catalogue.write() as rows:
            assert rows.recount(self.root) == usage
        before = self.catalogue.last()
        again = self.rescan()
        assert (again.changes, again.skipped, self.catalogue.last()) == (0, [], before)


def open_tree(folder: str) -> Content:
    return TreeContent(Path(folder))


@contextmanager
def open_world(template: Path, place: Path) -> Iterator[World]:
    """A world on a copy of an empty database."""
    data = place / "data"
    data.mkdir(exist_ok=True)
    if not (data / "homestow.db").exists():
        shutil.copy(template, data / "homestow.db")
    database = Database.open(data / "homestow.db")
    world = World(data, database)
    try:
        yield world
    finally:
        world.committer.close()
        world.roots.close()
        database.close()
