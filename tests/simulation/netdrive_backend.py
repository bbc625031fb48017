"""A server that clients speak netdrive with, for simulated runs: the real adapter over a server in dictionaries.

The network between adapter and server breaks too, in the middle of what the adapter does with several calls: requests and
answers are lost, and the process dies between two calls. What the client's account had written is there after its death.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tests.simulation.backends import SMALL_LIMITS, Entry, Path
from tests.unit.netdrive_drive import DriveServer, MemoryDrive, Ticking

from homestow.client.adapters.clock_memory import SeededChance
from homestow.client.adapters.netdrive_files import Announced
from homestow.client.adapters.remote_netdrive import NetdriveRemote
from homestow.client.adapters.remote_netdrive_account import Account
from homestow.client.adapters.remote_netdrive_calls import Begun, Place
from homestow.client.adapters.remote_netdrive_store import NetdriveStore
from homestow.client.adapters.remote_netdrive_tree import NS, Seen
from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.remote import Feed, Limits, Remote, RemoteRoot, SmallFile, TreePart, UploadState
from homestow.values.digests import Digest
from homestow.values.errors import CloudError, StorageFull, Unreachable
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

T = TypeVar("T")

_BREAKS = 0.015
"""Of the adapter's calls to the server, so many break in one of the ways there are."""


class BreakingDrive(MemoryDrive):
    """A way to the server on which calls are lost, in both directions, as long as the server's `breaking` is set."""

    def __init__(self, backend: "NetdriveBackend", dice: random.Random) -> None:
        super().__init__(backend.server)
        self._backend, self._dice = backend, dice

    def _broken(self, act: Callable[[], T]) -> T:
        self.server = self._backend.server
        if self._backend.breaking and self._dice.random() < _BREAKS:
            if self._dice.random() < 0.5:
                act()
            raise Unreachable("The connection broke.")
        return act()

    def listing(self) -> Seen:
        return self._broken(super().listing)

    def put(self, files: Sequence[tuple[Announced, bytes]]) -> list[int | CloudError]:
        parent = super().put
        if self._backend.full:
            return [StorageFull("The disk is full.") for _ in files]
        return self._broken(lambda: parent(files))

    def announce(self, files: Sequence[Announced]) -> list[Begun | CloudError]:
        parent = super().announce
        if self._backend.full:
            return [StorageFull("The disk is full.") for _ in files]
        return self._broken(lambda: parent(files))

    def put_block(self, file: Begun, offset: int, data: bytes) -> None:
        parent = super().put_block
        self._broken(lambda: parent(file, offset, data))

    def complete(self, file: Begun, size: int) -> int:
        parent = super().complete
        return self._broken(lambda: parent(file, size))

    def delete_files(self, places: Sequence[Place]) -> list[CloudError | None]:
        parent = super().delete_files
        # Many calls on one connection: it may break between any two of them.
        return [self._broken(lambda place=place: parent([place])[0]) for place in places]  # type: ignore[misc]

    def make_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        parent = super().make_folders
        return [self._broken(lambda path=path: parent([path])[0]) for path in paths]  # type: ignore[misc]

    def delete_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        parent = super().delete_folders
        return [self._broken(lambda path=path: parent([path])[0]) for path in paths]  # type: ignore[misc]


class Seat:
    """One device's sight, with an account that outlives its process."""

    def __init__(self, backend: "NetdriveBackend", device: str) -> None:
        self._backend, self._device = backend, device
        self._store = NetdriveStore(":memory:", first_id=(ord(device[0]) << 20) + 2)
        self._chance = SeededChance(device)
        self._dice = random.Random(f"network of {device}")
        self.begin()

    def begin(self) -> None:
        """A new process over what was written."""
        self._store.snapshot = self._store._load()
        self._store._pairs.clear()
        clock = Ticking()
        self.account = Account(self._store, clock, 1, share=0)
        self._remote = NetdriveRemote(
            self.account, BreakingDrive(self._backend, self._dice), clock, self._chance, limits=SMALL_LIMITS,
            pause=lambda _: None,
        )  # fmt: skip

    @property
    def fingerprints(self) -> Fingerprints:
        return self.account

    @property
    def limits(self) -> Limits:
        return self._remote.limits

    def root(self) -> RemoteRoot:
        return self._remote.root()

    def tree(self, after: int = 0, cursor: str | None = None, under: NodeId | None = None) -> TreePart:
        return self._remote.tree(after, cursor, under)

    def changes(self, cursor: str, wait_s: int) -> Feed:
        return self._remote.changes(cursor, wait_s)

    def node(self, node: NodeId) -> Node:
        return self._remote.node(node)

    def make_folder(self, parent: NodeId, name: str) -> Node:
        return self._remote.make_folder(parent, name)

    def make_folders(self, folders: Sequence[tuple[int, str]]) -> list[Node | CloudError]:
        return self._remote.make_folders(folders)

    def move(self, node: NodeId, parent: NodeId, name: str, base: int) -> Node:
        return self._remote.move(node, parent, name, base)

    def delete(self, node: NodeId, base: int) -> None:
        self._remote.delete(node, base)

    def set_mtime(self, node: NodeId, mtime_ns: int, base: int) -> Node:
        return self._remote.set_mtime(node, mtime_ns, base)

    def put_small(self, files: Sequence[SmallFile]) -> list[Node | CloudError]:
        return self._remote.put_small(files)

    def get_small(self, wanted: Sequence[tuple[NodeId, int]]) -> Iterator[tuple[NodeId, bytes | CloudError]]:
        return self._remote.get_small(wanted)

    def begin_upload(
        self,
        *,
        size: int,
        mtime_ns: int,
        block_size: int,
        digest: Digest | None = None,
        parent: NodeId | None = None,
        name: str | None = None,
        node: NodeId | None = None,
        base: int | None = None,
        key: str | None = None,
    ) -> UploadState:
        return self._remote.begin_upload(
            size=size, mtime_ns=mtime_ns, block_size=block_size, digest=digest, parent=parent, name=name, node=node,
            base=base, key=key,
        )  # fmt: skip

    def upload(self, upload: str) -> UploadState:
        return self._remote.upload(upload)

    def put_block(self, upload: str, offset: int, data: bytes | memoryview) -> None:
        self._remote.put_block(upload, offset, data)

    def have_blocks(self, upload: str, digests: Sequence[Digest]) -> UploadState:
        return self._remote.have_blocks(upload, digests)

    def finish(self, upload: str, digest: Digest) -> Node:
        return self._remote.finish(upload, digest)

    def cancel(self, upload: str) -> None:
        self._remote.cancel(upload)

    def read(self, node: NodeId, rev: int, start: int, stop: int) -> Iterator[bytes]:
        return self._remote.read(node, rev, start, stop)

    def close(self) -> None:
        """The account stays."""


class NetdriveBackend:
    """See `Backend`."""

    compares_by_reading = True

    def __init__(self) -> None:
        self.server = DriveServer()
        self.server.epoch = f"{1:032x}"
        self.breaking, self.full = True, False
        self._backup: DriveServer | None = None
        self._lives = 1
        self._ever: set[bytes] = set()

    def remote(self, device: str) -> Remote:
        return Seat(self, device)

    def tree(self) -> dict[Path, Entry]:
        server = self.server
        found: dict[Path, Entry] = {names: Entry(None, 0) for names in server.folders if names}
        for names, one in server.files.items():
            found[names] = Entry(server.contents.get(one.md5, b""), one.mtime_s * NS)
        return found

    def path_of(self, node: int) -> Path | None:
        return None  # ids are each computer's own, and a job is about all of the root

    def contents(self) -> Iterator[bytes]:
        return iter(self.server.contents.values())

    def unsound(self) -> list[str]:
        places = [*self.server.files, *(names for names in self.server.folders if names)]
        found = [f"{names} has no folder" for names in places if names[:-1] not in self.server.folders]
        return [*found, *(f"{names} is both" for names in self.server.files if names in self.server.folders)]

    def restart(self, dice: random.Random) -> None:
        for number in list(self.server.coming):
            coming = self.server.coming[number]
            if dice.random() < 0.2:
                del self.server.coming[number]
            elif dice.random() < 0.5:
                coming.have = {at for at in coming.have if at < dice.randint(0, coming.file.size)}

    def calm(self) -> None:
        self.breaking = False

    def bring_back(self, dice: random.Random) -> None:
        server = self.server
        if server.trash:
            names, one = server.trash[int(dice.random() * len(server.trash))]
            if names not in server.files and names not in server.folders and names[:-1] in server.folders:
                server.trash.remove((names, one))
                server.files[names] = one

    def close(self) -> None:
        """Nothing to let go."""

    def set_full(self, full: bool) -> None:
        self.full = full

    def forget_uploads(self) -> None:
        self.server.coming.clear()

    def compact(self) -> None:
        """It keeps no journal."""

    def save(self) -> None:
        self._backup = copy.deepcopy(self.server)

    def restore(self) -> None:
        if self._backup is not None:
            self._lives += 1
            self.server = copy.deepcopy(self._backup)
            self.server.epoch = f"{self._lives:032x}"
