"""Fetch files and folders from a root, once; a large file continues where an earlier run was interrupted."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from homestow.cli.carrying import PIECE, Carried, Moved, digest_of
from homestow.client.ports.clock import Workers
from homestow.client.ports.remote import Remote
from homestow.values.errors import CloudError, DigestMismatch, PathTaken
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name

_PACK_FILES = 512


@dataclass(frozen=True, slots=True)
class Item:
    """A file to fetch, and where it goes."""

    node: Node
    path: Path


class Fetching:
    """Files and folders of one root to this disk.

    Args:
        remote: the root.
        workers: carry out several transfers at once.
        replace: whether a file that is there and differs is replaced; else it is a problem.
        moved: told of every step.
    """

    def __init__(self, remote: Remote, workers: Workers, replace: bool, moved: Moved) -> None:
        self._remote, self._workers, self._replace, self._moved = remote, workers, replace, moved
        self.carried = Carried()

    def fetch(self, node: Node, target: Path) -> None:
        """Bring a file or folder to `target`; a folder's content goes into `target`, made when missing."""
        if node.kind is Kind.FOLDER:
            items = list(self._folder(node, target))
        elif node.kind is Kind.FILE:
            items = [Item(node, target)]
        else:
            self.carried.problems.append((node.name, "a symbolic link, not fetched"))
            return
        wanted = [item for item in items if self._is_wanted(item)]
        limit = self._remote.limits.pack_file_bytes
        small = [item for item in wanted if item.node.size <= limit]
        for pack, outcome in self._workers.run(self._fetch_pack, list(self._packs(small))):
            if isinstance(outcome, BaseException):
                for item in pack:
                    self.carried.failed(item.path, outcome)
        for item in wanted:
            if item.node.size > limit:
                try:
                    self._fetch_large(item)
                except (CloudError, OSError) as error:
                    self.carried.failed(item.path, error)

    def _folder(self, top: Node, target: Path) -> Iterator[Item]:
        """Make the folders, parents before children, and give the files."""
        nodes: list[Node] = []
        part = self._remote.tree(under=top.id)
        nodes += part.nodes
        while part.next is not None:
            part = self._remote.tree(part.next, part.cursor, top.id)
            nodes += part.nodes
        below: dict[NodeId, list[Node]] = {}
        for node in nodes:
            if node.parent is not None and node.id != top.id:
                below.setdefault(node.parent, []).append(node)
        level = [(top.id, target)]
        while level:
            folder, path = level.pop()
            try:
                path.mkdir(exist_ok=True)
            except OSError as error:
                self.carried.failed(path, error)
                continue
            for child in sorted(below.get(folder, ()), key=lambda child: child.name):
                try:
                    place = path / check_name(child.name)
                except CloudError as error:
                    self.carried.failed(path / "?", error)
                    continue
                if child.kind is Kind.FOLDER:
                    level.append((child.id, place))
                elif child.kind is Kind.FILE:
                    yield Item(child, place)

    def _is_wanted(self, item: Item) -> bool:
        """Whether the file has to come: not when it is there already with the same bytes; a clash is noted."""
        try:
            seen = item.path.lstat()
        except FileNotFoundError:
            return True
        except OSError as error:
            self.carried.failed(item.path, error)
            return False
        if os.path.isfile(item.path) and seen.st_size == item.node.size and self._same(item):
            self.carried.same += 1
            return False
        if not self._replace or item.path.is_dir():
            self.carried.failed(item.path, _taken(item.path))
            return False
        return True

    def _same(self, item: Item) -> bool:
        if item.node.digest is None:
            return False
        digest = blake3()
        with item.path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
        return digest.hexdigest() == item.node.digest

    def _packs(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        limits = self._remote.limits
        pack: list[Item] = []
        size = 0
        for item in items:
            full = len(pack) >= min(limits.pack_files, _PACK_FILES)
            if pack and (full or size + item.node.size > min(limits.pack_bytes, PIECE)):
                yield pack
                pack, size = [], 0
            pack.append(item)
            size += item.node.size
        if pack:
            yield pack

    def _fetch_pack(self, items: list[Item]) -> None:
        by_id = {item.node.id: item for item in items}
        for node, content in self._remote.get_small([(item.node.id, item.node.rev) for item in items]):
            item = by_id[node]
            try:
                if isinstance(content, CloudError):
                    raise content
                if item.node.digest is not None and digest_of(content) != item.node.digest:
                    raise _damaged(item)
                part = self._part(item)
                part.unlink(missing_ok=True)
                with part.open("xb") as file:
                    file.write(content)
                self._publish(item, part)
            except (CloudError, OSError) as error:
                self.carried.failed(item.path, error)
            else:
                self._moved(item.node.name, len(content))

    def _fetch_large(self, item: Item) -> None:
        """One file by a stream; bytes that an earlier run received are kept, and read again for the digest."""
        node, part = item.node, self._part(item)
        digest = blake3(max_threads=blake3.AUTO)
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "r+b") as file:
            at = 0
            while at < node.size and (piece := file.read(min(PIECE, node.size - at))):
                digest.update(piece)
                at += len(piece)
            file.truncate(at)
            self._moved(node.name, at)
            if at < node.size:
                for piece in self._remote.read(node.id, node.rev, at, node.size):
                    file.write(piece)
                    digest.update(piece)
                    self._moved(node.name, len(piece))
            file.flush()
            os.fsync(file.fileno())
        if node.digest is not None and digest.hexdigest() != node.digest:
            part.unlink()
            raise _damaged(item)
        self._publish(item, part)

    def _part(self, item: Item) -> Path:
        """Where a file is while it is on its way; the name says which content, so that only that is continued."""
        return item.path.with_name(f".homestow-{item.node.id}-{item.node.rev}.part")

    def _publish(self, item: Item, part: Path) -> None:
        # What opening made private gets the rights that a new file of this user has.
        os.chmod(part, 0o666 & ~_UMASK)
        os.utime(part, ns=(item.node.mtime_ns, item.node.mtime_ns))
        if self._replace:
            part.replace(item.path)
        else:
            try:
                os.link(part, item.path)
            except FileExistsError as error:
                raise _taken(item.path) from error
            except OSError:
                # A disk without hard links: the look and the rename are two steps there.
                if item.path.exists():
                    raise _taken(item.path) from None
                part.rename(item.path)
            else:
                part.unlink()
        self.carried.files += 1
        self.carried.bytes += item.node.size


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


def _taken(path: Path) -> PathTaken:
    return PathTaken(f"{path} is there already and differs; --force replaces it.")


def _damaged(item: Item) -> DigestMismatch:
    return DigestMismatch(f"{item.node.name} did not arrive as it left the server; try again.")
