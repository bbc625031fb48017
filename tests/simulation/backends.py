"""The server of a simulated run as the judges need it: what is live, what was ever accepted, whether it is sound."""

import copy
import random
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from homestow.client.adapters.remote_memory import TOP, MemoryRemote, MemoryServer
from homestow.client.ports.remote import Limits, Remote
from homestow.values.ids import Epoch, NodeId
from homestow.values.nodes import Kind
from homestow.values.paths import nfc

SMALL_LIMITS = Limits(pack_files=5, pack_bytes=2048, pack_file_bytes=512, block_bytes=256)
"""So small that every run meets packs that are full and uploads of several blocks."""

Path = tuple[str, ...]


class Entry(NamedTuple):
    """A file or folder as a judge compares it; content is None for folders."""

    content: bytes | None
    mtime_ns: int


class Backend(Protocol):
    """One server with one root.

    Attributes:
        compares_by_reading: the server does not tell the digest that clients compare by, so that they may read to compare.
    """

    compares_by_reading: bool

    def remote(self, device: str) -> Remote:
        """A device's sight of the root."""

    def tree(self) -> dict[Path, Entry]:
        """Everything that is live."""

    def path_of(self, node: int) -> Path | None:
        """Where a folder is; None when it is not live."""

    def contents(self) -> Iterator[bytes]:
        """Every content that is live, a version or in the trash."""

    def unsound(self) -> list[str]:
        """What is wrong with the store; nothing when it is sound."""

    def restart(self, dice: random.Random) -> None:
        """The process or the machine dies, now or at a step soon to come: what was not acknowledged may be lost."""

    def calm(self) -> None:
        """No death is to come any more."""

    def bring_back(self, dice: random.Random) -> None:
        """Somebody brings something back from the trash."""

    def close(self) -> None:
        """The run is over."""

    def set_full(self, full: bool) -> None:
        """Whether the disk takes any more."""

    def forget_uploads(self) -> None:
        """All uploads under way have outlived their time."""

    def compact(self) -> None:
        """Forget the journal: all cursors are too old."""

    def save(self) -> None:
        """Make a backup."""

    def restore(self) -> None:
        """Go back to the backup, in a new epoch; nothing without one."""


class MemoryBackend:
    """The reference server."""

    compares_by_reading = False

    def __init__(self, limits: Limits = SMALL_LIMITS) -> None:
        self.server = MemoryServer(limits=limits)
        self.server.page = 7
        self._backup: MemoryServer | None = None
        self._lives = 1
        self._remotes: list[MemoryRemote] = []

    def remote(self, device: str) -> Remote:
        remote = MemoryRemote(self.server)
        self._remotes.append(remote)
        return remote

    def _walk(self, folder: NodeId, path: Path) -> Iterator[tuple[Path, Entry]]:
        for name, child in sorted(self.server.children[folder].items()):
            node = self.server.nodes[child]
            if node.kind is Kind.FOLDER:
                yield (*path, name), Entry(None, 0)
                yield from self._walk(child, (*path, name))
            else:
                yield (*path, name), Entry(self.server.contents[child, node.rev], node.mtime_ns)

    def tree(self) -> dict[Path, Entry]:
        return dict(self._walk(TOP, ()))

    def path_of(self, node: int) -> Path | None:
        server, names = self.server, list[str]()
        while node != TOP:
            found = server.nodes.get(NodeId(node))
            if found is None or found.gone or found.parent is None:
                return None
            names.append(found.name)
            node = found.parent
        return tuple(reversed(names))

    def contents(self) -> Iterator[bytes]:
        return iter(self.server.contents.values())

    def unsound(self) -> list[str]:
        found: list[str] = []
        server = self.server
        for node in server.nodes.values():
            if node.parent is not None and node.parent not in server.nodes:
                found.append(f"node {node.id} is an orphan")
            if not node.gone and node.parent is not None:
                if server.children[node.parent].get(node.name) != node.id:
                    found.append(f"node {node.id} shares its name {node.name!r}")
                if nfc(node.name) != node.name:
                    found.append(f"the name {node.name!r} is not NFC")
            if node.kind is Kind.FILE and len(server.contents.get((node.id, node.rev), b"")) != node.size:
                found.append(f"node {node.id} has no content of its size")
        reachable = {TOP}
        todo = [TOP]
        while todo:
            for child in server.children[todo.pop()].values():
                if child in reachable:
                    found.append(f"node {child} is reached twice")
                reachable.add(child)
                if server.nodes[child].kind is Kind.FOLDER:
                    todo.append(child)
        return found

    def restart(self, dice: random.Random) -> None:
        for upload in self.server.uploads.values():
            if upload.done is None and dice.random() < 0.5:
                upload.have = upload.have[: dice.randint(0, len(upload.have))]
        if dice.random() < 0.2:
            for key in [key for key, upload in self.server.uploads.items() if upload.done is None]:
                del self.server.uploads[key]

    def calm(self) -> None:
        """It does not die later."""

    def bring_back(self, dice: random.Random) -> None:
        server = self.server
        gone = [
            node
            for node in server.nodes.values()
            if node.gone and node.parent is not None and server.is_live(node.parent)
        ]
        if gone:
            node = gone[int(dice.random() * len(gone))]
            assert node.parent is not None
            if node.name not in server.children[node.parent]:
                server.bring_back(node.id, node.parent, node.name)

    def close(self) -> None:
        """Nothing to let go."""

    def set_full(self, full: bool) -> None:
        self.server.bytes_limit = 0 if full else 1 << 40

    def forget_uploads(self) -> None:
        for key in [key for key, upload in self.server.uploads.items() if upload.done is None]:
            del self.server.uploads[key]

    def compact(self) -> None:
        self.server.compacted = self.server.change

    def save(self) -> None:
        self._backup = copy.deepcopy(self.server)

    def restore(self) -> None:
        if self._backup is None:
            return
        self._lives += 1
        self.server = copy.deepcopy(self._backup)
        self.server.epoch = Epoch(f"{self._lives:032x}")
        for remote in self._remotes:
            remote.server = self.server
