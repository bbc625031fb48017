"""What a backup folder holds, and how its files are written and trusted; `backup` says what it is for."""

import errno
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from blake3 import blake3

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.content import Content, Opened
from homestow.values.errors import BadName, BadRequest, CloudError, ContentMissing, StorageFailed, StorageFull
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import check_name

_CHUNK = 1024 * 1024
_DIGEST = re.compile("[0-9a-f]{64}")
_PAGE = 1000


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


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A symbolic link: which node, and its target as the disk has it, in hexadecimal since it need not be text."""

    root: int
    node: int
    target: str


class Sent(msgspec.Struct, frozen=True):
    """A thumbnail that a client sent: its name in the data folder, its size in bytes, its digest."""

    name: str
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
        links: symbolic links, those in the trash too.
        settings: digests of the settings files beside it, by their names.
        sent: thumbnails that clients sent, as contents.
    """

    format: int
    epoch: str
    made_ns: int
    database: str
    items: list[Item]
    missing: list[str]
    links: list[Link] = []
    settings: dict[str, str] = {}
    sent: list[Sent] = []


def standing(catalogue: Catalogue, root: RootId, kind: Kind) -> Iterator[NodeRow]:
    """Every node of a kind that has something on the disk: live, in the trash, or in a folder there."""
    after: NodeId | None = NodeId(0)
    while after is not None:
        rows, after = catalogue.tree(root, after, _PAGE)
        yield from (row for row in rows if row.kind == kind)
    before = 0
    while trashed := catalogue.trash(root, before, _PAGE):
        before = trashed[-1].gone
        for row in trashed:
            inside = catalogue.inside(row.id) if row.kind == "folder" else [row]
            yield from (inner for inner in inside if inner.kind == kind and (inner is row or not inner.gone))


def needed(catalogue: Catalogue, roots: list[RootId]) -> Iterator[Wanted]:
    """Every content a catalogue needs, of these roots."""
    for root in roots:
        for row in standing(catalogue, root, Kind.FILE):
            yield Wanted(root, row.id, row.rev, row.size, row.digest, row, None)
    mine = set(roots)
    after: NodeId | None = NodeId(0)
    while after is not None:
        nodes = catalogue.nodes_with_versions(after, _PAGE)
        after = nodes[-1] if len(nodes) == _PAGE else None
        for row in catalogue.nodes(nodes).values():
            if row.root in mine:
                for version in catalogue.versions(row.id):
                    yield Wanted(row.root, row.id, version.rev, version.size, version.digest, row, version.kept)


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


class Contents:
    """Contents by digest, in a folder."""

    def __init__(self, folder: Path, go_on: Callable[[], None] = lambda: None) -> None:
        """`go_on` is asked before each piece that is copied; what it raises ends the copying."""
        self._folder = folder
        self._go_on = go_on
        self.copied = 0

    def _path(self, digest: str) -> Path:
        if _DIGEST.fullmatch(digest) is None:
            raise StorageFailed(f"The backup is damaged: {digest!r} is no digest.")
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
                    self._go_on()
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

    def add_bytes(self, body: bytes) -> str:
        """Keep a small content; its digest."""
        digest = blake3(body).hexdigest()
        if not self.has(digest, len(body)):
            self._go_on()
            path = self._path(digest)
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                part = self._folder / f".part-{secrets.token_hex(8)}"
                write_file(part, body)
                part.rename(path)
            except OSError as error:
                raise _told(error, self._folder) from error
            self.copied += 1
        return digest

    def read(self, digest: str, size: int) -> bytes:
        """A small content. `ContentMissing` when it is not there as it was."""
        try:
            body = self._path(digest).read_bytes()
        except OSError as error:
            raise ContentMissing(f"the backup cannot read it: {error.strerror}") from error
        if len(body) != size or blake3(body).hexdigest() != digest:
            raise ContentMissing("the backup holds other bytes")
        return body

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
                sync_folder(folder)


def known_digests(target: Path, epoch: str) -> dict[tuple[int, int, int], str]:
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


def free_path(folder: Path, name: str) -> Path:
    """`name` in a folder, numbered while it is in use.

    Raises:
        StorageFailed: no file can have this name; a backup that has it was made to lead elsewhere (S107).
    """
    try:
        check_name(name)
    except BadName as error:
        raise StorageFailed(f"The backup is damaged: {error.message}") from error
    number, candidate = 1, folder / name
    while candidate.exists():
        number += 1
        candidate = folder / f"{name}-{number}"
    return candidate


def write_file(path: Path, body: bytes) -> None:
    """A new file, durable, mode 0600."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _told(error, path) from error


def copy_file(source: Path, target: Path, digest: str) -> None:
    """Copy a database if its bytes are still those of `digest`."""
    if digest_file(source) != digest:
        raise StorageFailed(f"{source} is not the database this backup was made with; take another backup.")
    with source.open("rb") as file:
        write_file(target, file.read())


def digest_file(path: Path) -> str:
    """BLAKE3 of a file, hexadecimal."""
    try:
        return blake3().update_mmap(path).hexdigest()
    except OSError as error:
        raise _told(error, path) from error


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _told(error: OSError, path: Path) -> CloudError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"There is no room left for {path}.")
    return StorageFailed(f"{path} failed: {error.strerror}.")
