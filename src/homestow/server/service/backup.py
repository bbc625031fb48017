"""Backups beside a running server, and bringing one back (P14).

A backup folder holds contents once each, under their digests, and for every backup made into it the database of one
instant with a list of what that database needs. So a second backup copies only what is new, an interrupted one leaves the
earlier ones whole, and damage shows as a file whose bytes are not its name. With the setting `backup_key` each list is
sealed, so that nobody without the key can exchange it unnoticed (S107).

    TARGET/contents/ab/abcd…             contents by BLAKE3
    TARGET/backups/20261121T101500Z/     homestow.db, contents.json (the list), seal (when there is a key)
"""

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Content, Opened
from homestow.server.ports.copies import Copies, Copy
from homestow.server.ports.roots import RootState
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.committer import Committer
from homestow.server.service.outside import Outside
from homestow.server.service.roots import OpenStore, Roots
from homestow.server.service.work import RowsWork
from homestow.values.errors import BadRequest, CloudError, ContentMissing, StorageFailed, StorageFull
from homestow.values.ids import NodeId, RootId

_CHUNK = 1024 * 1024
_PAGE = 1000
_ATTEMPTS = 4

log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """One content that a catalogue needs: of a live file, in the trash, or an older version."""

    root: RootId
    node: NodeId
    rev: int
    size: int
    digest: bytes | None
    row: NodeRow
    kept: str | None


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A line of the list: which content of which node, and its digest."""

    root: int
    node: int
    rev: int
    size: int
    digest: str


class Listing(msgspec.Struct, frozen=True):
    """The list of a backup.

    Attributes:
        format: 1.
        epoch: life of the store it is of.
        database: BLAKE3 of its homestow.db.
        items: contents it needs.
        missing: contents it needs that nobody had any more: damaged, or overwritten from outside meanwhile.
    """

    format: int
    epoch: str
    made_ns: int
    database: str
    items: list[Item]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class Done:
    """A finished backup: its folder, how many contents and bytes it holds, and how many were copied now."""

    target: Path
    files: int
    size: int
    copied: int
    missing: list[str]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back."""

    roots: dict[str, str]
    files: int
    size: int
    missing: list[str] = field(default_factory=list)


class Backup:
    """Makes backups of the whole store."""

    def __init__(
        self, catalogue: Catalogue, roots: Roots, committer: Committer, outside: Outside, copies: Copies, clock: Clock,
        key: bytes | None,
    ) -> None:  # fmt: skip
        """`key` seals the lists; None leaves them unsealed."""
        self._catalogue = catalogue
        self._roots = roots
        self._committer = committer
        self._outside = outside
        self._copies = copies
        self._clock = clock
        self._key = key

    def run(self, target: Path) -> Done:
        """Copy everything that the catalogue of one instant needs into a folder.

        Contents are copied first, then the database, then what became new between; when something vanished meanwhile that
        is done again, the last time with changes waiting.

        Raises:
            BadRequest: the target lies in a root or in the data folder.
            StorageFull, StorageFailed: the target or a root's disk failed; earlier backups in it are whole.
        """
        self._refuse(target)
        contents = _Contents(target / "contents")
        known = _known_digests(target, self._catalogue.epoch())
        self._copy_all(self._catalogue, contents, known)
        name = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
        final = _free(target / "backups", name)
        making = final.with_name(f".{final.name}.{secrets.token_hex(4)}")
        making.mkdir(mode=0o700, parents=True)
        for attempt in range(_ATTEMPTS):
            database = making / f"{attempt}.db"
            self._register_outside()
            items, missing = self._attempt(database, contents, known, waiting=attempt == _ATTEMPTS - 1)
            if not missing:
                break
        database.rename(making / "homestow.db")
        for left in making.glob("[0-9]*.db*"):
            left.unlink()
        self._seal(making, items, missing)
        contents.sync()
        making.rename(final)
        _sync_folder(final.parent)
        log.info("backup made", extra={"target": str(final), "files": len(items), "missing": len(missing)})
        return Done(final, len(items), sum(item.size for item in items), contents.copied, missing)

    def _register_outside(self) -> None:
        """Register what was changed from outside, so that the catalogue asks for bytes that are there."""
        for root in self._roots.all():
            if root.state is RootState.PRESENT:
                self._outside.rescan(root.id)

    def _attempt(
        self, database: Path, contents: "_Contents", known: dict[tuple[int, int, int], str], waiting: bool
    ) -> tuple[list[Item], list[str]]:
        """Copy the database and what it needs; with `waiting`, changes wait until all of it is copied."""

        def copy_needed() -> tuple[list[Item], list[str]]:
            with self._copies.open_copy(database) as copy:
                return self._copy_all(copy.catalogue, contents, known)

        def act(_: object) -> tuple[list[Item], list[str]]:
            self._copies.copy_to(database)
            return copy_needed() if waiting else ([], [])

        # Alone in the committer's order: a copy made in the middle of a change would hold it half done.
        found = self._committer.run(RowsWork(OUTSIDE, RootId(0), act, exclusive=True))
        return found if waiting else copy_needed()

    def _copy_all(
        self, catalogue: Catalogue, contents: "_Contents", known: dict[tuple[int, int, int], str]
    ) -> tuple[list[Item], list[str]]:
        """Copy what a catalogue needs and is not there yet; the list of it, and what could not be had."""
        items: list[Item] = []
        missing: list[str] = []
        for wanted in needed(catalogue, [root.id for root in self._roots.all()]):
            place = (wanted.root, wanted.node, wanted.rev)
            digest = wanted.digest.hex() if wanted.digest is not None else known.get(place)
            if digest is None or not contents.has(digest, wanted.size):
                try:
                    digest = self._copy_one(wanted, contents, digest)
                except ContentMissing as error:
                    missing.append(f"{wanted.row.name} (node {wanted.node}, version {wanted.rev}): {error.message}")
                    continue
            known[place] = digest
            items.append(Item(wanted.root, wanted.node, wanted.rev, wanted.size, digest))
        return items, missing

    def _copy_one(self, wanted: Wanted, contents: "_Contents", digest: str | None) -> str:
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

    def _seal(self, making: Path, items: list[Item], missing: list[str]) -> None:
        database = making / "homestow.db"
        listing = Listing(1, self._catalogue.epoch(), self._clock.now_ns(), _digest_file(database), items, missing)
        body = msgspec.json.encode(listing)
        _write(making / "contents.json", body)
        if self._key is not None:
            _write(making / "seal", seal_of(self._key, body).encode())
        _sync_folder(making)

    def _refuse(self, target: Path) -> None:
        path = os.path.realpath(target)
        for folder in self._roots.folders():
            if path == folder or path.startswith(folder.rstrip("/") + "/"):
                raise BadRequest(f"{target} lies in {folder}; make backups beside what they are of.")
        try:
            Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"{target} cannot be made: {error.strerror}.") from error


def needed(catalogue: Catalogue, roots: list[RootId]) -> Iterator[Wanted]:
    """Every content a catalogue needs, of these roots."""
    for root in roots:
        after: NodeId | None = NodeId(0)
        while after is not None:
            rows, after = catalogue.tree(root, after, _PAGE)
            for row in rows:
                if row.kind == "file":
                    yield Wanted(root, row.id, row.rev, row.size, row.digest, row, None)
        before = 0
        while trashed := catalogue.trash(root, before, _PAGE):
            before = trashed[-1].gone
            for row in trashed:
                inside = catalogue.inside(row.id) if row.kind == "folder" else [row]
                for inner in inside:
                    if inner.kind == "file" and (inner is row or not inner.gone):
                        yield Wanted(root, inner.id, inner.rev, inner.size, inner.digest, inner, None)
    mine = set(roots)
    after = NodeId(0)
    while after is not None:
        nodes = catalogue.nodes_with_versions(after, _PAGE)
        after = nodes[-1] if len(nodes) == _PAGE else None
        for row in catalogue.nodes(nodes).values():
            if row.root in mine:
                for version in catalogue.versions(row.id):
                    yield Wanted(row.root, row.id, version.rev, version.size, version.digest, row, version.kept)


# --- restoring --------------------------------------------------------------------------------------------------------


def restore(
    source: Path, data: Path, copies: Copies, open_store: OpenStore, key: bytes | None, renew: Callable[[Copy], None]
) -> Restored:
    """Bring a backup back into a data folder that has no database yet; no server may run there.

    All roots come to lie in `DATA/files`; the database is put into place last, so an interrupted restore is no store.
    Symbolic links are not in backups.

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
    _copy_file(chosen / "homestow.db", making, listing.database)
    contents = _Contents(chosen.parent.parent / "contents")
    digests = {(item.root, item.node, item.rev): item.digest for item in listing.items}
    placed: dict[str, str] = {}
    count = size = 0
    with copies.open_copy(making) as copy:
        copies.drop_sessions(copy)
        for root in copy.roots.roots():
            folder = _free(files, root.name)
            folder.mkdir(mode=0o700)
            store = open_store(str(folder))
            try:
                more, bytes_more = _Placing(copy.catalogue, root.id, store, contents, digests).run()
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
    making.rename(data / "homestow.db")
    _sync_folder(data)
    return Restored(placed, count, size, listing.missing)


class _Placing:
    """Puts the contents of one root to where its catalogue says."""

    def __init__(
        self, catalogue: Catalogue, root: RootId, store: Content, contents: "_Contents",
        digests: dict[tuple[int, int, int], str],
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._root = root
        self._store = store
        self._contents = contents
        self._digests = digests
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
        self._store.sync_staged([key])
        lies = self._catalogue.lies(wanted.row) if wanted.kept is None else None
        if wanted.kept is not None:
            self._store.keep_staged(key, wanted.kept)
        elif lies is None or lies.kept is None:
            at = lies.location if lies is not None else ()
            published = self._store.publish(key, at, False, wanted.row.mtime_ns)
            stat = published.stat
            self._seen.append(
                wanted.row._replace(
                    inode=stat.inode, birth_ns=stat.birth_ns, ctime_ns=stat.ctime_ns, disk_mtime_ns=stat.mtime_ns
                )
            )
        elif not lies.location:
            self._store.keep_staged(key, lies.kept)
        else:
            self._store.publish(key, (*self._shown(lies.kept), *lies.location), False, wanted.row.mtime_ns)

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


def newest(source: Path) -> Path:
    """The backup a path means: itself, or the newest of the folder it is. Raises `BadRequest`."""
    if (source / "contents.json").is_file():
        return source
    found = sorted(path for path in (source / "backups").glob("[0-9]*") if (path / "contents.json").is_file())
    if not found:
        raise BadRequest(f"There is no backup in {source}.")
    return found[-1]


def read_listing(backup: Path, key: bytes | None) -> Listing:
    """The list of a backup, if it is whole and, with a key, sealed by it.

    Raises:
        StorageFailed: it was changed, has no seal though there is a key, or is of another form.
    """
    try:
        body = (backup / "contents.json").read_bytes()
        seal = (backup / "seal").read_text().strip() if (backup / "seal").exists() else None
    except OSError as error:
        raise StorageFailed(f"{backup} cannot be read: {error.strerror}.") from error
    if key is not None and (seal is None or not hmac.compare_digest(seal, seal_of(key, body))):
        raise StorageFailed(
            f"{backup}: the seal is not that of this backup_key; the backup was changed or is another's."
        )
    try:
        listing = msgspec.json.decode(body, type=Listing)
    except msgspec.DecodeError as error:
        raise StorageFailed(f"{backup}: its list is damaged; take another backup.") from error
    if listing.format != 1:
        raise StorageFailed(f"{backup} was made by a newer Homestow; restore it with that version.")
    return listing


def seal_of(key: bytes, body: bytes) -> str:
    """HMAC-SHA256 of a list, hexadecimal."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


# --- files of a backup ------------------------------------------------------------------------------------------------


class _Contents:
    """Contents by digest, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.copied = 0

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def has(self, digest: str, size: int) -> bool:
        """Whether a whole content of this digest is there (it only ever gets its name when it is)."""
        try:
            return self._path(digest).stat().st_size == size
        except OSError:
            return False

    def add(self, opened: Opened, size: int, digest: str | None) -> str:
        """Copy a content; its digest. `ContentMissing` when its bytes are not those of `digest`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f".part-{secrets.token_hex(8)}"
        try:
            hasher, at = blake3(), 0
            with part.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                while at < size and (data := _read(opened, at, min(_CHUNK, size - at))):
                    hasher.update(data)
                    file.write(data)
                    at += len(data)
                file.flush()
                os.fdatasync(file.fileno())
            found = hasher.hexdigest()
            if at != size or (digest is not None and found != digest):
                raise ContentMissing("its bytes are not those of its digest")
            path = self._path(found)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            part.rename(path)
        except OSError as error:
            raise _told(error, self._folder) from error
        finally:
            part.unlink(missing_ok=True)
        self.copied += 1
        return found

    def put(self, digest: str, size: int, store: Content, key: str) -> None:
        """Stage a content in a root. `StorageFailed` when it is not what its name says."""
        hasher, at = blake3(), 0
        staged = store.stage(key)
        try:
            with self._path(digest).open("rb") as file:
                while data := file.read(_CHUNK):
                    hasher.update(data)
                    staged.write_at(at, data)
                    at += len(data)
        except OSError as error:
            raise _told(error, self._path(digest)) from error
        finally:
            staged.close()
        if at != size or hasher.hexdigest() != digest:
            raise StorageFailed(f"The backup is damaged: {self._path(digest)} is not what its name says.")

    def sync(self) -> None:
        """Make the names durable."""
        if self._folder.exists():
            for folder in (self._folder, *(path for path in self._folder.iterdir() if path.is_dir())):
                _sync_folder(folder)


def _known_digests(target: Path, epoch: str) -> dict[tuple[int, int, int], str]:
    """What the newest earlier backup of this life of the store says about contents: they never change under their rev."""
    try:
        listing = read_listing(newest(target), None)
    except CloudError:
        return {}
    if listing.epoch != epoch:
        return {}
    return {(item.root, item.node, item.rev): item.digest for item in listing.items}


def _read(opened: Opened, offset: int, size: int) -> bytes:
    try:
        return opened.read_at(offset, size)
    except StorageFailed as error:
        raise ContentMissing(error.message) from error


def _free(folder: Path, name: str) -> Path:
    number, candidate = 1, folder / name
    while candidate.exists():
        number += 1
        candidate = folder / f"{name}-{number}"
    return candidate


def _write(path: Path, body: bytes) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _told(error, path) from error


def _copy_file(source: Path, target: Path, digest: str) -> None:
    if _digest_file(source) != digest:
        raise StorageFailed(f"{source} is not the database this backup was made with; take another backup.")
    with source.open("rb") as file:
        _write(target, file.read())


def _digest_file(path: Path) -> str:
    try:
        return blake3().update_mmap(path).hexdigest()
    except OSError as error:
        raise _told(error, path) from error


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _told(error: OSError, path: Path) -> CloudError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"There is no room left for {path}.")
    return StorageFailed(f"{path} failed: {error.strerror}.")
