"""A netdrive server in dictionaries, as the sync engine's sight of it needs one; and remotes on it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import md5

from homestow.client.adapters.clock_memory import SeededChance
from homestow.client.adapters.netdrive_files import Announced
from homestow.client.adapters.remote_netdrive import NetdriveRemote
from homestow.client.adapters.remote_netdrive_account import Account
from homestow.client.adapters.remote_netdrive_calls import Begun, Place
from homestow.client.adapters.remote_netdrive_store import NetdriveStore
from homestow.client.adapters.remote_netdrive_tree import Names, Seen, SeenFile, SeenFolder, spell, split
from homestow.client.adapters.remote_netdrive_uploads import joined
from homestow.values.errors import CloudError, DigestMismatch, Forbidden, Incomplete, NotFound, PathTaken, Unreachable


@dataclass
class Stored:
    """A file: id, MD5, time; its content is in `DriveServer.contents`."""

    id: int
    md5: str
    size: int
    mtime_s: int


@dataclass
class Coming:
    """A file on its way."""

    file: Announced
    data: bytearray
    have: set[int] = field(default_factory=set)


class DriveServer:
    """One root. `calls` counts what was asked for, by name; `before` runs ahead of each call and may raise."""

    def __init__(self) -> None:
        self.folders: dict[Names, int] = {(): 1}
        self.files: dict[Names, Stored] = {}
        self.contents: dict[str, bytes] = {}
        self.coming: dict[int, Coming] = {}
        self.became: dict[int, int] = {}
        self.trash: list[tuple[Names, Stored]] = []
        self.replaced: list[bytes] = []
        self.calls: dict[str, int] = {}
        self.moved_bytes = 0
        self.epoch: str | None = None
        self.before: Callable[[str], None] = lambda name: None
        self._ids = 1

    def called(self, name: str) -> None:
        """Count a call."""
        self.calls[name] = self.calls.get(name, 0) + 1
        self.before(name)

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def make(self, names: Names) -> None:
        """A folder, with those above."""
        for count in range(1, len(names) + 1):
            if names[:count] in self.files:
                raise PathTaken("A file is in the way.")
            if names[:count] not in self.folders:
                self.folders[names[:count]] = self.new_id()

    def publish(self, names: Names, content: bytes, mtime_s: int) -> int:
        """Content over whatever is there."""
        if names in self.folders:
            raise Forbidden("A folder is in the way.")
        self.make(names[:-1])
        old = self.files.get(names)
        if old is not None:
            self.replaced.append(self.contents[old.md5])
        name = hexed(content)
        self.contents[name] = content
        number = old.id if old is not None else self.new_id()
        self.files[names] = Stored(number, name, len(content), mtime_s)
        return number

    def rename(self, old: Names, new: Names) -> None:
        """As another protocol can: ids stay."""
        for names in [names for names in self.folders if names[: len(old)] == old]:
            self.folders[(*new, *names[len(old) :])] = self.folders.pop(names)
        for names in [names for names in self.files if names[: len(old)] == old]:
            self.files[(*new, *names[len(old) :])] = self.files.pop(names)


def hexed(content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


class MemoryDrive:
    """A `Drive` on a `DriveServer`."""

    def __init__(self, server: DriveServer, *, ids: bool = True) -> None:
        self.server, self._ids, self._closed = server, ids, False

    @property
    def told_by_id(self) -> bool:
        return self._ids

    def close(self) -> None:
        self._closed = True

    def _called(self, name: str) -> None:
        if self._closed:
            raise Unreachable("closed")
        self.server.called(name)

    def listing(self) -> Seen:
        self._called("listing")
        server = self.server
        files = [
            SeenFile(f"v{one.id}" if self._ids else "", spell(names[:-1]), names[-1], one.size, one.md5, one.mtime_s)
            for names, one in server.files.items()
        ]
        if not self._ids:
            return Seen((), files, tells_gone=False, tells_folders=False)
        return Seen(
            [SeenFolder(f"d{key}", spell(names)) for names, key in server.folders.items()], files, epoch=server.epoch
        )

    def put(self, files: Sequence[tuple[Announced, bytes]]) -> list[int | CloudError]:
        results: list[int | CloudError] = []
        for file, content in files:
            self._called("put")
            try:
                if hexed(content) != file.md5:
                    raise DigestMismatch("other bytes")
                self.server.moved_bytes += len(content)
                results.append(self.server.publish((*split(file.path), file.name), content, file.mtime_s))
            except CloudError as error:
                results.append(error)
        return results

    def announce(self, files: Sequence[Announced]) -> list[Begun | CloudError]:
        results: list[Begun | CloudError] = []
        for file in files:
            self._called("announce")
            names = (*split(file.path), file.name)
            try:
                if file.md5 in self.server.contents or not file.size:
                    content = self.server.contents.get(file.md5, b"")
                    results.append(Begun(self.server.publish(names, content, file.mtime_s), done=True))
                    continue
                known = [
                    key
                    for key, one in self.server.coming.items()
                    if one.file._replace(mtime_s=0) == file._replace(mtime_s=0)
                ]
                number = known[0] if known else self.server.new_id()
                coming = self.server.coming.setdefault(number, Coming(file, bytearray(file.size)))
                results.append(Begun(number, False, tuple(joined([(at, at + 1) for at in coming.have]))))
            except CloudError as error:
                results.append(error)
        return results

    def put_block(self, file: Begun, offset: int, data: bytes) -> None:
        self._called("put_block")
        coming = self.server.coming.get(file.vfile)
        if coming is None:
            return
        self.server.moved_bytes += len(data)
        coming.data[offset : offset + len(data)] = data
        coming.have.update(range(offset, offset + len(data)))
        if len(coming.have) == coming.file.size:
            del self.server.coming[file.vfile]
            if hexed(bytes(coming.data)) != coming.file.md5:
                raise DigestMismatch("other bytes")
            names = (*split(coming.file.path), coming.file.name)
            self.server.became[file.vfile] = self.server.publish(names, bytes(coming.data), coming.file.mtime_s)

    def complete(self, file: Begun, size: int) -> int:
        self._called("complete")
        if file.vfile in self.server.coming:
            raise Incomplete("bytes are missing")
        if file.vfile not in self.server.became:
            raise NotFound("no such upload")
        return self.server.became[file.vfile]

    def fetch(self, files: Sequence[tuple[str, int]]) -> Iterator[bytes | CloudError]:
        for name, _ in files:
            self._called("fetch")
            content = self.server.contents.get(name)
            self.server.moved_bytes += len(content or b"")
            yield NotFound("no such content") if content is None else content

    def read(self, md5: str, start: int, stop: int) -> Iterator[bytes]:
        self._called("read")
        content = self.server.contents.get(md5)
        if content is None:
            raise NotFound("no such content")
        self.server.moved_bytes += stop - start
        for at in range(start, stop, 1 << 20):
            yield content[at : min(stop, at + (1 << 20))]

    def delete_files(self, places: Sequence[Place]) -> list[CloudError | None]:
        results: list[CloudError | None] = []
        for path, name in places:
            self._called("delete_file")
            gone = self.server.files.pop(names := (*split(path), name), None)
            if gone is not None:
                self.server.trash.append((names, gone))
            results.append(None if gone is not None else NotFound("no such file"))
        return results

    def make_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        results: list[CloudError | None] = []
        for path in paths:
            self._called("make_folder")
            try:
                self.server.make(split(path))
                results.append(None)
            except CloudError as error:
                results.append(error)
        return results

    def delete_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        results: list[CloudError | None] = []
        for path in paths:
            self._called("delete_folder")
            names = split(path)
            inside = [each for each in (*self.server.files, *self.server.folders) if each[:-1] == names and each]
            if inside:
                results.append(Forbidden("not empty"))
            else:
                self.server.folders.pop(names, None)
                results.append(None)
        return results


class Ticking:
    """A clock that goes two seconds on whenever somebody looks at it: nothing looked at is fresh."""

    def __init__(self) -> None:
        self.now = 0.0

    def now_ns(self) -> int:
        return int(self.monotonic() * 1e9)

    def monotonic(self) -> float:
        self.now += 2
        return self.now


def remote_on(
    server: DriveServer, *, ids: bool = True, store: NetdriveStore | None = None, name: str = "A"
) -> NetdriveRemote:
    """One device's sight of the server, with an account of its own; all number alike what they see alike."""
    clock = Ticking()
    account = Account(store or NetdriveStore(":memory:", first_id=2), clock, 1, share=0)
    return NetdriveRemote(account, MemoryDrive(server, ids=ids), clock, SeededChance(name), pause=lambda _: None)
