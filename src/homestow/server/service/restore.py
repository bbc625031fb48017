"""Bringing a backup back into an empty data folder (P14)."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.content import Content, Links, Stat
from homestow.server.ports.copies import Copies, Copy
from homestow.server.ports.roots import RootState
from homestow.server.service.backup_folder import (
    Contents,
    Wanted,
    copy_file,
    free_path,
    needed,
    newest,
    read_listing,
    standing,
    sync_folder,
)
from homestow.server.service.backup_sent import put_back_sent
from homestow.server.service.backup_settings import put_back
from homestow.server.service.root_stores import OpenStore
from homestow.values.errors import BadRequest, StorageFailed
from homestow.values.ids import RootId
from homestow.values.nodes import Kind

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back; `settings` are settings files, which never hold the key a backup was `sealed` with."""

    roots: dict[str, str]
    files: int
    size: int
    missing: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    sealed: bool = False


def restore(
    source: Path, data: Path, copies: Copies, open_store: OpenStore, key: bytes | None, renew: Callable[[Copy], None]
) -> Restored:
    """Bring a backup back into a data folder that has no database yet; no server may run there.

    All roots come to lie in `DATA/files`; the database is put into place last, so an interrupted restore is no store.
    Settings files come back where there are none.

    Args:
        source: one backup (`TARGET/backups/…`), or TARGET for the newest in it.
        renew: gives the copy a new epoch, so that clients merge by union (R23).

    Raises:
        BadRequest: no backup there, or the data folder is in use.
        StorageFailed: the list or a content is not what it was (S107), or the disk failed.
    """
    chosen = newest(source)
    listing = read_listing(chosen, key)
    files = data / "files"
    if any((data / f"homestow.db{end}").exists() for end in ("", "-wal", "-shm")) or any(files.glob("*")):
        raise BadRequest(f"{data} has data in it; move it aside first: mv {data} {data}.before")
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = data / "homestow.db.restoring"
    for left in data.glob("homestow.db.restoring*"):
        left.unlink()
    copy_file(chosen / "homestow.db", making, listing.database)
    contents = Contents(chosen.parent.parent / "contents")
    targets = {(link.root, link.node): link.target for link in listing.links}
    digests = {(item.root, item.node, item.rev): item.digest for item in listing.items}
    placed: dict[str, str] = {}
    missing = list(listing.missing)
    count = size = 0
    with copies.open_copy(making) as copy:
        copies.drop_sessions(copy)
        for root in copy.roots.roots():
            folder = free_path(files, root.name)
            folder.mkdir(mode=0o700)
            store = open_store(str(folder))
            try:
                placing = _Placing(copy.catalogue, root.id, store, contents, digests, targets)
                more, bytes_more = placing.run()
                missing += placing.missing
            finally:
                store.close()
            copy.roots.set_folder(root.id, str(folder))
            copy.roots.set_identity(root.id, 0, 0, False)
            copy.roots.set_state(root.id, RootState.PRESENT)
            placed[root.name] = str(folder)
            count, size = count + more, size + bytes_more
        renew(copy)
    for left in data.glob("homestow.db.restoring-*"):
        left.unlink()
    settings = put_back(chosen, data, listing.settings)
    missing += put_back_sent(data, contents, listing.sent)
    making.rename(data / "homestow.db")
    sync_folder(data)
    return Restored(placed, count, size, missing, settings, (chosen / "seal").exists())


class _Placing:
    """Puts the contents of one root to where its catalogue says."""

    def __init__(
        self, catalogue: Catalogue, root: RootId, store: Content, contents: "Contents",
        digests: dict[tuple[int, int, int], str], targets: dict[tuple[int, int], str],
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._root = root
        self._store = store
        self._contents = contents
        self._digests = digests
        self._targets = targets
        self.missing: list[str] = []
        self._seen: list[NodeRow] = []

    def run(self) -> tuple[int, int]:
        """Everything; how many contents and bytes."""
        count = size = 0
        top = self._catalogue.top(self._root)
        if top is None:
            return 0, 0
        self._folders(top)
        for wanted in needed(self._catalogue, [self._root]):
            digest = self._digests.get((wanted.root, wanted.node, wanted.rev))
            if digest is None:
                continue
            self._one(wanted, digest)
            count, size = count + 1, size + wanted.size
        for row in standing(self._catalogue, self._root, Kind.LINK):
            target = self._targets.get((self._root, row.id))
            if target is not None:
                self._link(row, os.fsdecode(bytes.fromhex(target)))
        self._trash_folders()
        self._remember()
        return count, size

    def _folders(self, top: NodeRow) -> None:
        for row in self._catalogue.inside(top.id):
            if row.kind == "folder":
                self._store.make_folder(self._catalogue.lies(row).location)

    def _one(self, wanted: Wanted, digest: str) -> None:
        key = secrets.token_hex(16)
        self._contents.put(digest, wanted.size, self._store, key)
        self._store.sync_staged([key], {key: wanted.row.mtime_ns})
        lies = self._catalogue.lies(wanted.row) if wanted.kept is None else None
        if wanted.kept is not None:
            self._store.keep_staged(key, wanted.kept)
        elif lies is None or lies.kept is None:
            at = lies.location if lies is not None else ()
            published = self._store.publish(key, at, False, wanted.row.mtime_ns)
            self._seen_as(wanted.row, published.stat)
        elif not lies.location:
            self._store.keep_staged(key, lies.kept)
        else:
            self._store.publish(key, (*self._shown(lies.kept), *lies.location), False, wanted.row.mtime_ns)

    def _link(self, row: NodeRow, target: str) -> None:
        lies = self._catalogue.lies(row)
        try:
            if not isinstance(self._store, Links):
                raise StorageFailed("this disk has no links")
            if lies.kept is None:
                self._seen_as(row, self._store.make_link(lies.location, target))
            elif lies.location:
                self._store.make_link((*self._shown(lies.kept), *lies.location), target)
            else:
                at = (f".restoring-{lies.kept}",)
                self._store.make_link(at, target)
                self._store.keep(at, lies.kept)
        except StorageFailed as error:  # a file system without links, such as exFAT
            self.missing.append(f"{row.name} (link to {target!r}): {error.message}")

    def _seen_as(self, row: NodeRow, stat: Stat) -> None:
        self._seen.append(
            row._replace(inode=stat.inode, birth_ns=stat.birth_ns, ctime_ns=stat.ctime_ns, disk_mtime_ns=stat.mtime_ns)
        )

    def _shown(self, kept: str) -> tuple[str, ...]:
        """Where a kept folder is built before it is put out of sight, with every folder in it."""
        at = (f".restoring-{kept}",)
        if self._store.look(at) is None:
            self._store.make_folder(at)
            before = 0
            while trashed := self._catalogue.trash(self._root, before, _PAGE):
                before = trashed[-1].gone
                for row in trashed:
                    if row.kept == kept:
                        for inner in self._catalogue.inside(row.id):
                            if inner.kind == "folder":
                                self._store.make_folder((*at, *self._catalogue.lies(inner).location))
        return at

    def _trash_folders(self) -> None:
        before = 0
        while trashed := self._catalogue.trash(self._root, before, _PAGE):
            before = trashed[-1].gone
            for row in trashed:
                if row.kind == "folder" and row.kept is not None:
                    self._store.keep(self._shown(row.kept), row.kept)

    def _remember(self) -> None:
        """How the files look on their new disk, so that the next comparison knows them."""
        with self._catalogue.write() as rows:
            for row in self._seen:
                rows.set_seen(row.id, row.mtime_ns, row.seen, None)
        self._store.sync_folders({self._catalogue.lies(row).location[:-1] for row in self._seen})
