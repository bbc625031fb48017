"""Backups beside a running server, and bringing one back (P14).

A backup folder holds contents once each, under their digests, and for every backup made into it the database of one
instant with a list of what that database needs. So a second backup copies only what is new, an interrupted one leaves the
earlier ones whole, and damage shows as a file whose bytes are not its name. With the setting `backup_key` each list is
sealed, so that nobody without the key can exchange it unnoticed (S107).

    TARGET/contents/ab/abcd…             contents by BLAKE3
    TARGET/backups/20261121T101500Z/     homestow.db, contents.json (the list), the settings files, seal (when there is a key)
"""

import logging
import os
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Links, Opened
from homestow.server.ports.copies import Copies
from homestow.server.ports.roots import RootState
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.backup_folder import (
    Contents,
    Item,
    Link,
    Listing,
    Sent,
    Wanted,
    digest_file,
    free_path,
    known_digests,
    needed,
    seal_of,
    standing,
    sync_folder,
    write_file,
)
from homestow.server.service.backup_pruning import Pruned, alone, prune
from homestow.server.service.backup_sent import copy_sent
from homestow.server.service.backup_settings import copy_settings
from homestow.server.service.committer import Committer
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.server.service.work import RowsWork
from homestow.values.errors import BadRequest, CloudError, ContentMissing, StorageFailed
from homestow.values.ids import RootId
from homestow.values.nodes import Kind

_ATTEMPTS = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """A finished backup: its folder, how many contents and bytes it holds, how many were copied now, and what else was removed."""

    target: Path
    files: int
    size: int
    copied: int
    missing: list[str]
    pruned: Pruned = field(default_factory=Pruned)


@dataclass(frozen=True, slots=True)
class _Copied:
    """What was copied for one database: contents, what could not be had, and links."""

    items: list[Item]
    missing: list[str]
    links: list[Link]
    settings: dict[str, str] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)


class Backup:
    """Makes backups of the whole store."""

    def __init__(
        self, catalogue: Catalogue, roots: Roots, committer: Committer, outside: Outside, copies: Copies, clock: Clock,
        key: bytes | None, data: Path | None = None,
    ) -> None:  # fmt: skip
        """`key` seals the lists; None leaves them unsealed. The settings files of `data` and the thumbnails that
        clients sent are backed up, None: there are none."""
        self._catalogue = catalogue
        self._roots = roots
        self._committer = committer
        self._outside = outside
        self._copies = copies
        self._clock = clock
        self._key = key
        self._data = data

    def run(self, target: Path, keep: int | None = None) -> Done:
        """Copy everything that the catalogue of one instant needs into a folder.

        Contents are copied first, then the database, then what became new between; when something vanished meanwhile that
        is done again, the last time with changes waiting.

        Args:
            keep: so many backups of this store stay afterwards, this one included, 1 or more; None: all. All stay, too, when
                something is missing in this one.
        Raises:
            BadRequest: the target lies in a root or in the data folder, or `keep` is 0.
            Busy: another backup is being made into it, or the server stops.
            StorageFull, StorageFailed: the target or a root's disk failed; earlier backups in it are whole.
        """
        if keep is not None and keep < 1:
            raise BadRequest("At least one backup is kept.")
        self._refuse(target)
        with alone(target):
            done = self._make(target)
            if keep is None or done.missing:
                return done  # an older one may have what is missing in this
            return replace(done, pruned=prune(target, done.target, self._catalogue.epoch(), keep))

    def _make(self, target: Path) -> Done:
        contents = Contents(target / "contents", self._outside.stopping.check)
        known = known_digests(target, self._catalogue.epoch())
        self._copy_all(self._catalogue, contents, known)
        name = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
        final = free_path(target / "backups", name)
        making = final.with_name(f".{final.name}.{secrets.token_hex(4)}")
        final.parent.mkdir(mode=0o700, exist_ok=True)
        making.mkdir(mode=0o700)
        for attempt in range(_ATTEMPTS):
            database = making / f"{attempt}.db"
            self._register_outside()
            copied = self._attempt(database, contents, known, waiting=attempt == _ATTEMPTS - 1)
            if not copied.missing:
                break
        database.rename(making / "homestow.db")
        for left in making.glob("[0-9]*.db*"):
            left.unlink()
        if self._data is not None:
            settings, unread = copy_settings(self._data, making)
            copied.settings.update(settings)
            sent, lost = copy_sent(self._data, contents)
            copied.sent.extend(sent)
            copied.missing.extend([*unread, *lost])
        self._seal(making, copied)
        contents.sync()
        making.rename(final)
        sync_folder(final.parent)
        items = copied.items
        log.info("backup made", extra={"target": str(final), "files": len(items), "missing": len(copied.missing)})
        return Done(final, len(items), sum(item.size for item in items), contents.copied, copied.missing)

    def _register_outside(self) -> None:
        """Register what was changed from outside, so that the catalogue asks for bytes that are there."""
        for root in self._roots.all():
            if root.state is RootState.PRESENT:
                self._outside.rescan(root.id)

    def _attempt(
        self, database: Path, contents: "Contents", known: dict[tuple[int, int, int], str], waiting: bool
    ) -> "_Copied":
        """Copy the database and what it needs; with `waiting`, changes wait until all of it is copied."""

        def copy_needed() -> _Copied:
            with self._copies.open_copy(database) as copy:
                return self._copy_all(copy.catalogue, contents, known)

        def act(_: object) -> _Copied | None:
            self._copies.copy_to(database)
            return copy_needed() if waiting else None

        # Alone in the committer's order: a copy made in the middle of a change would hold it half done.
        found = self._committer.run(RowsWork(OUTSIDE, RootId(0), act, exclusive=True))
        return copy_needed() if found is None else found

    def _copy_all(
        self, catalogue: Catalogue, contents: "Contents", known: dict[tuple[int, int, int], str]
    ) -> "_Copied":
        """Copy what a catalogue needs and is not there yet; the list of it, and what could not be had."""
        copied = _Copied([], [], [])
        for wanted in needed(catalogue, [root.id for root in self._roots.all()]):
            self._outside.stopping.check()
            place = (wanted.root, wanted.node, wanted.rev)
            digest = wanted.digest.hex() if wanted.digest is not None else known.get(place)
            if digest is None or not contents.has(digest, wanted.size):
                try:
                    digest = self._copy_one(wanted, contents, digest)
                except ContentMissing as error:
                    copied.missing.append(
                        f"{wanted.row.name} (node {wanted.node}, version {wanted.rev}): {error.message}"
                    )
                    continue
            known[place] = digest
            copied.items.append(Item(wanted.root, wanted.node, wanted.rev, wanted.size, digest))
        for root in self._roots.all():
            for row in standing(catalogue, root.id, Kind.LINK):
                self._outside.stopping.check()
                try:
                    copied.links.append(Link(root.id, row.id, self._target(root.id, row)))
                except CloudError as error:
                    copied.missing.append(f"{row.name} (link, node {row.id}): {error.message}")
        return copied

    def _target(self, root: RootId, row: NodeRow) -> str:
        """Where a link leads, from where it lies by now."""
        store = self._roots.get(root)
        if not isinstance(store, Links):
            raise ContentMissing("this disk has no links")
        lies = self._catalogue.lies(self._catalogue.node(row.id) or row)
        return os.fsencode(store.read_link(lies.location, lies.kept)).hex()

    def _copy_one(self, wanted: Wanted, contents: "Contents", digest: str | None) -> str:
        try:
            opened = self._open(wanted)
        except StorageFailed as error:  # this root's disk; the others are backed up all the same
            raise ContentMissing(error.message) from error
        try:
            if opened.stat.size != wanted.size:
                raise ContentMissing("it has other content by now")
            return contents.add(opened, wanted.size, digest)
        finally:
            opened.close()

    def _open(self, wanted: Wanted) -> Opened:
        """The content, wherever it lies by now: in place, kept as a version, or in the trash."""
        store = self._roots.get(wanted.root)
        if wanted.kept is not None:
            return store.open_kept(wanted.kept)
        row = self._catalogue.node(wanted.node)
        if row is not None and row.rev == wanted.rev:
            lies = self._catalogue.lies(row)
            opened = store.open(lies.location) if lies.kept is None else store.open_kept(lies.kept, lies.location)
            if lies.kept is None and (opened.stat.mtime_ns, opened.stat.inode) != (row.disk_mtime_ns, row.inode):
                opened.close()
                raise ContentMissing("it was changed from outside")
            return opened
        version = self._catalogue.version(wanted.node, wanted.rev)
        if version is None:
            raise ContentMissing("it was removed meanwhile")
        return store.open_kept(version.kept)

    def _seal(self, making: Path, copied: "_Copied") -> None:
        database = making / "homestow.db"
        listing = Listing(
            1, self._catalogue.epoch(), self._clock.now_ns(), digest_file(database), copied.items, copied.missing,
            copied.links, copied.settings, copied.sent,
        )  # fmt: skip
        body = msgspec.json.encode(listing)
        write_file(making / "contents.json", body)
        if self._key is not None:
            write_file(making / "seal", seal_of(self._key, body).encode())
        sync_folder(making)

    def _refuse(self, target: Path) -> None:
        path = os.path.realpath(target)
        for folder in self._roots.folders():
            if path == folder or path.startswith(folder.rstrip("/") + "/"):
                raise BadRequest(f"{target} lies in {folder}; make backups beside what they are of.")
        try:
            Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"{target} cannot be made: {error.strerror}.") from error
