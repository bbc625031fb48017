"""A server core over a root in memory or on disk, with people and hands that change the folder from outside."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.content_memory import MemoryContent
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.memory_disk import MemoryDisk
from homestow.server.ports.content import Content
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.committer import Committer
from homestow.server.service.contents import OutsideLook
from homestow.server.service.core import make_core
from homestow.server.service.hashing import Hashing
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.values.ids import DeviceId, NodeId
from homestow.values.nodes import Node

SECOND = 1_000_000_000
START = 1_900_000_000 * SECOND


class Clock:
    """A clock we move."""

    def __init__(self) -> None:
        self.ns = START

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND


class World:
    """Root `tree` of anna (owner), with ben (may write), cora (may read) and dan (nothing)."""

    def __init__(
        self,
        place: Path,
        *,
        on_disk: bool = False,
        threads: bool = False,
        database: Path | None = None,
        plain: bool = False,
    ) -> None:
        self.place = place
        self.on_disk = on_disk
        self.threads = threads
        self.path = database
        self.clock = Clock()
        self.plain = plain
        self.memory = self._memory(None)
        self.folder = place / "tree"
        self.folder.mkdir(exist_ok=True)
        (place / "data" / "files").mkdir(parents=True, exist_ok=True)
        self.boot = "first"
        self._start()

    def _start(self) -> None:
        self.database = Database.open(self.path, in_process=True)
        self.catalogue = SqlCatalogue(self.database)
        account_rows = SqlAccounts(self.database)
        accounts = Accounts(account_rows, self.clock, Hashing(time=1, memory_kib=8))
        root_rows = SqlRoots(self.database)
        self.roots = Roots(
            root_rows, account_rows, self.catalogue, self._open_store, self.clock, self.place / "data" / "files"
        )
        if not accounts.all():
            for name in ("anna", "ben", "cora", "dan"):
                accounts.add(name, "correct horse")
        ids = {account.name: account.id for account in accounts.all()}
        found = root_rows.root_named("tree")
        if found is None:
            members = [("anna", Rights.OWN), ("ben", Rights.WRITE), ("cora", Rights.READ)]
            found = self.roots.add("tree", str(self.folder), members)
        self.root = found.id
        self.anna, self.ben, self.cora, self.dan = (
            Principal(ids[name], name, DeviceId(at + 1)) for at, name in enumerate(("anna", "ben", "cora", "dan"))
        )
        self.core = make_core(
            self.catalogue, self.roots, self.roots, self.clock, self.boot, self._outside, inline=not self.threads
        )
        top = self.catalogue.top(self.root)
        assert top is not None
        self.top: NodeId = top.id

    def _memory(self, disk: MemoryDisk | None) -> MemoryContent:
        """The store in memory; a `plain` disk neither exchanges names nor has stable inodes, as exFAT."""
        return MemoryContent(disk, exchange=not self.plain, stable_inodes=not self.plain)

    def _open_store(self, folder: str) -> Content:
        return TreeContent(Path(folder)) if self.on_disk else self.memory

    def _outside(self, committer: Committer) -> OutsideLook:
        return Outside(self.catalogue, self.roots, committer, self.clock)

    @property
    def store(self) -> Content:
        return self.roots.get(self.root)

    def restart(self) -> None:
        """As after kill -9: nothing is finished or closed properly (only for databases in a file)."""
        if not self.on_disk:
            self.memory = self._memory(self.memory.disk)
        self._start()

    def close(self) -> None:
        self.core.close()
        self.database.close()

    # --- short forms ---

    def put(
        self,
        name: str,
        data: bytes,
        parent: NodeId | None = None,
        base: int | None = None,
        who: Principal | None = None,
        mtime_ns: int | None = None,
    ) -> Node:
        """A file, whole."""
        sink = self.core.whole.put_file(who or self.anna, parent or self.top, name, base=base, mtime_ns=mtime_ns)
        sink.write(data)
        return sink.finish()

    def folder_node(self, name: str, parent: NodeId | None = None) -> Node:
        return self.core.files.make_folder(self.anna, parent or self.top, name)

    def read(self, node: NodeId, rev: int | None = None) -> bytes:
        content = self.core.downloads.content(self.anna, node, rev)
        try:
            return content.opened.read_at(0, content.size + 1)
        finally:
            content.close()

    def on_store(self, *location: str) -> bytes:
        """Bytes as somebody on the server's disk reads them."""
        opened = self.store.open(location)
        try:
            return opened.read_at(0, 1 << 26)
        finally:
            opened.close()

    def names(self, node: NodeId | None = None) -> list[str]:
        nodes, _ = self.core.files.children(self.anna, node or self.top)
        return [each.name for each in nodes]

    def usage_is_right(self) -> None:
        """Counters equal what is counted anew."""
        usage = self.catalogue.usage([self.root])[self.root]
        with self.catalogue.write() as rows:
            assert rows.recount(self.root) == usage

    def nothing_staged(self) -> None:
        """Nothing is left in the staging area, and the kept area holds what rows need and nothing else."""
        assert list(self.store.staged_keys()) == []
        assert set(self.store.kept_keys()) == self.catalogue.kept_keys(self.root)
        assert self.catalogue.intents() == []


@contextmanager
def world(
    place: Path, *, on_disk: bool = False, threads: bool = False, database: Path | None = None
) -> Iterator[World]:
    """A world that is closed at the end."""
    made = World(place, on_disk=on_disk, threads=threads, database=database)
    try:
        yield made
    finally:
        made.close()


counter = itertools.count()
