"""A house without fronts for the netdrive use cases: real disk and database, people with roots, a clock we move."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from homestow.server.adapters.catalogue_sql.accounts import SqlAccounts
from homestow.server.adapters.catalogue_sql.catalogue import SqlCatalogue
from homestow.server.adapters.catalogue_sql.database import Database
from homestow.server.adapters.catalogue_sql.extras import SqlExtras
from homestow.server.adapters.catalogue_sql.media import SqlMedia
from homestow.server.adapters.catalogue_sql.netdrive import SqlMd5s, SqlNetdrive
from homestow.server.adapters.catalogue_sql.roots import SqlRoots
from homestow.server.adapters.catalogue_sql.sessions import SqlSessions
from homestow.server.adapters.catalogue_sql.shares import SqlShares
from homestow.server.adapters.content_tree import TreeContent
from homestow.server.adapters.media_workers.pool import WorkerPool
from homestow.server.adapters.thumbs_disk import DiskThumbs
from homestow.server.adapters.thumbs_sent import DiskSentThumbs
from homestow.server.ports.content import Content
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.committer import Committer
from homestow.server.service.core import make_core
from homestow.server.service.hashing import Hashing
from homestow.server.service.media_parts import MediaStores, make_media
from homestow.server.service.netdrive import NetdriveStores, drop_netdrive_orphans, make_netdrive
from homestow.server.service.netdrive_facts import Announced, ListedFile
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.server.service.services import Services
from homestow.server.service.shares import Shares
from homestow.values.errors import CloudError
from homestow.values.ids import DeviceId, NodeId, RootId
from homestow.values.nodes import Node
from homestow.wire.api import Order, Outcome

SECOND = 1_000_000_000
START = 1_900_000_000 * SECOND
PASSWORD = "correct horse battery"
BLOCK = 4 * 1024 * 1024
PEOPLE = {"anna": Rights.OWN, "ben": Rights.WRITE, "cora": Rights.READ, "dan": Rights.NONE}
"""Who there is, and their rights in the root `tree`; anna and ben have an own root as well."""

T = TypeVar("T")


class Clock:
    """A clock we move."""

    def __init__(self) -> None:
        self.ns = START

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND


class _Orders:
    def run(self, order: Order) -> Outcome:
        return Outcome(lines=[order.name])


class Drive:
    """The house."""

    def __init__(
        self, place: Path, *, quota: int = 0, entries: int = 0, signup: bool = False, opened: bool = False
    ) -> None:
        self.place = place
        self.clock = Clock()
        self.folder = place / "tree"
        self.key = b"k" * 32
        self.boot = "first"
        self._quota, self._entries, self._signup = quota, entries, signup
        self._opened = "tree" if opened else None
        self.folder.mkdir(exist_ok=True)
        (place / "data" / "files").mkdir(parents=True, exist_ok=True)
        self.open()

    def open(self) -> None:
        """Open the data folder, as at a start."""
        self.database = Database.open(self.place / "data" / "homestow.db", in_process=True)
        self.catalogue = SqlCatalogue(self.database)
        self.account_rows = SqlAccounts(self.database)
        hashing = Hashing(time=1, memory_kib=8, lanes=1)
        self.accounts = Accounts(self.account_rows, self.clock, hashing, self._signup)
        self.roots = Roots(
            SqlRoots(self.database), self.account_rows, self.catalogue, self._open_store, self.clock,
            self.place / "data" / "files", default_quota=self._quota, entries=self._entries,
        )  # fmt: skip
        self.core = make_core(self.catalogue, self.roots, self.roots, self.clock, self.boot, self._outside)
        if not self.accounts.all():
            for name in PEOPLE:
                account = self.accounts.add(name, PASSWORD)
                if name in ("anna", "ben"):
                    self.roots.own(account)
            members = [(name, rights) for name, rights in PEOPLE.items() if rights is not Rights.NONE]
            self.roots.add("tree", str(self.folder), members)
        self.root = self.roots.named("tree").id
        self.top = self.top_of(self.root)
        self.stores = NetdriveStores(
            self.account_rows, SqlSessions(self.database), SqlNetdrive(self.database), SqlMd5s(self.database)
        )
        self.services = self._services(hashing)
        self.drive = make_netdrive(
            self.core, self.services, self.stores, self.clock, self.key, open_root=self._opened
        )  # fmt: skip
        self.anna, self.ben, self.cora, self.dan = (
            Principal(self.accounts.named(name).id, name, DeviceId(1000 + at)) for at, name in enumerate(PEOPLE)
        )

    def _services(self, hashing: Hashing) -> Services:
        core = self.core
        stores = MediaStores(
            SqlMedia(self.database), SqlExtras(self.database), WorkerPool(1),
            DiskThumbs(self.place / "thumbs", self.catalogue.epoch(), 1 << 20), DiskSentThumbs(self.place / "sent"),
        )  # fmt: skip
        pictures = make_media(core, self.roots, stores, self.clock)
        shares = Shares(
            SqlShares(self.database), self.account_rows, self.catalogue, core.access, self.clock, hashing, b"s" * 32
        )
        return Services(
            accounts=self.accounts, roots=self.roots, files=core.files, whole=core.whole, uploads=core.uploads,
            downloads=core.downloads, trashcan=core.trashcan, changes=core.changes, admin=_Orders(), clock=self.clock,
            answers=core.answers, media=pictures.media, thumbnails=pictures.thumbnails, shares=shares,
        )  # fmt: skip

    def _open_store(self, folder: str) -> Content:
        return TreeContent(Path(folder))

    def _outside(self, committer: Committer) -> Outside:
        self.outside = Outside(self.catalogue, self.roots, committer, self.clock)
        return self.outside

    def close(self) -> None:
        """As at a clean end."""
        self.drive.close()
        self.core.close()
        self.roots.close()
        self.database.close()

    def reopen(self) -> None:
        """A clean restart."""
        self.close()
        self.open()

    def kill(self) -> None:
        """As after kill -9: nothing is finished or written down."""
        self.open()

    def power_cut(self) -> None:
        """As after the machine itself went down: only what was flushed counts."""
        self.boot += "'"
        self.open()

    # --- short forms --------------------------------------------------------------------------------------------------

    def top_of(self, root: RootId) -> NodeId:
        top = self.catalogue.top(root)
        assert top is not None
        return top.id

    def own(self, who: Principal) -> RootId:
        return self.drive.tree.root(who, None)

    def announced(
        self, path: str, data: bytes, *, md5: str | None = "", mtime_s: float | None = None, size: int | None = None
    ) -> Announced:
        """What a client says of a file before it sends it; `path` as "//name" or "/a/b/name"."""
        folder, _, name = path.rpartition("/")
        return Announced(
            f"{folder}/", name, md5_of(data) if md5 == "" else md5, len(data) if size is None else size, mtime_s
        )

    def send(
        self, path: str, data: bytes, *, who: Principal | None = None, root: RootId | None = None,
        mtime_s: float | None = None,
    ) -> int:  # fmt: skip
        """A file, sent as clients do: announced, then in blocks; its id."""
        who, root = who or self.anna, root or self.root
        begun = self.drive.uploads.begin(who, root, self.announced(path, data, mtime_s=mtime_s))
        if not begun.instant:
            for at in range(0, len(data), BLOCK):
                self.chunk(who, begun.vfile, at, data[at : at + BLOCK])
        return self.drive.uploads.complete(who, begun.vfile)

    def chunk(self, who: Principal, vfile: int, offset: int, data: bytes) -> bool | None:
        """One block; whether the file is complete, None when the block was there."""
        sink = self.drive.uploads.chunk(who, vfile, offset, len(data))
        if sink is None:
            return None
        for at in range(0, len(data), 1 << 20):
            sink.write(memoryview(data[at : at + (1 << 20)]))
        return sink.finish()

    def whole(self, *files: tuple[str, bytes], who: Principal | None = None) -> list[int]:
        """Small files, all at once."""
        asked = [(who or self.anna, self.root, self.announced(path, data), data) for path, data in files]
        found = []
        for done in self.drive.uploads.whole_many(asked):
            if isinstance(done, CloudError):
                raise done
            found.append(done)
        return found

    def listed(self, who: Principal | None = None, root: RootId | None = None) -> dict[str, ListedFile]:
        """What a client sees, by path and name."""
        listing = self.drive.tree.listing(who or self.anna, root or self.root)
        return {file.path + file.name: file for file in listing.files}

    def put(self, name: str, data: bytes, *, root: RootId | None = None, base: int | None = None) -> Node:
        """A file at the top, as the native calls store it."""
        sink = self.core.whole.put_file(OUTSIDE, self.top_of(root or self.root), name, base=base)
        sink.write(data)
        return sink.finish()

    def rescan(self) -> None:
        """The server looks at the disk."""
        self.outside.rescan(self.root)

    def versions(self, node: int) -> int:
        return len(self.catalogue.versions(NodeId(node)))

    def content(self, node: int, rev: int | None = None) -> bytes:
        content = self.core.downloads.content(OUTSIDE, NodeId(node), rev)
        try:
            return content.opened.read_at(0, content.size + 1)
        finally:
            content.close()

    def sweep(self) -> None:
        drop_netdrive_orphans(self.stores.netdrive, self.stores.md5s)

    def is_tidy(self) -> None:
        """Usage is right, nothing is staged, no intent is open."""
        for root in (self.root, self.own(self.anna)):
            usage = self.catalogue.usage([root])[root]
            with self.catalogue.write() as rows:
                assert rows.recount(root) == usage
            store = self.roots.get(root)
            assert list(store.staged_keys()) == []
            assert set(store.kept_keys()) == self.catalogue.kept_keys(root)
        assert self.catalogue.intents() == []


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def together(*works: Callable[[], T]) -> list[T]:
    """All at the same time, each on a thread of its own."""
    results: list[T | BaseException] = [RuntimeError("not run")] * len(works)

    def run(at: int) -> None:
        try:
            results[at] = works[at]()
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            results[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        found.append(result)
    return found


@contextmanager
def open_drive(
    place: Path, *, quota: int = 0, entries: int = 0, signup: bool = False, opened: bool = False
) -> Iterator[Drive]:
    """A house that is closed at the end."""
    made = Drive(place, quota=quota, entries=entries, signup=signup, opened=opened)
    try:
        yield made
    finally:
        made.close()
