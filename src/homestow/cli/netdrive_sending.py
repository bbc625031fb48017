"""Send files and folders to a netdrive server: small ones many at once, large ones in blocks over several connections.

What is across is written into a task list, so that another run goes on after this one was closed or killed. What goes out over
all connections at once is one block of 4 MiB, where the server takes blocks in parts: so much may have to be sent again after a break.
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO, Final

from homestow.cli.carrying import Carried, Moved
from homestow.cli.netdrive_lanes import Lanes, Work
from homestow.cli.netdrive_tasks import TaskList
from homestow.cli.sending import gaps
from homestow.client.adapters.http_client import FileSlice
from homestow.client.adapters.netdrive_client import CONNECTIONS, NetdriveServer, accepted
from homestow.client.adapters.netdrive_connection import Call
from homestow.client.adapters.netdrive_files import VERIFY_BYTES_S, Announced, Begun, DocumentedFiles, files_of, md5_of
from homestow.values.errors import BadRequest, CloudError, Incomplete, Stale, Unreachable
from homestow.values.paths import check_name
from homestow.wire.netdrive import BLOCK_BYTES, TOP, Answer

WHOLE_BYTES: Final = 256 * 1024
"""Files up to this size go in one message; larger ones are announced first, since the server may have their content."""


@dataclass(frozen=True, slots=True)
class Item:
    """A local file to send: where it lies, as it was seen, and where it goes (`path` as the protocol spells it)."""

    source: Path
    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int
    path: str
    name: str

    @property
    def key(self) -> str:
        """By which the task list knows it."""
        return f"{self.source}\n{self.path}{self.name}"

    @property
    def stamp(self) -> list[str | int | None]:
        """By which it is known to be unchanged; ctime betrays a change whose traces were wiped."""
        return [self.size, self.mtime_ns, self.inode, self.ctime_ns]

    def announced(self, md5: str) -> Announced:
        """What the server is told of it."""
        return Announced(self.path, self.name, md5, self.size, self.mtime_ns // 1_000_000_000)


class _Step(Enum):
    WHOLE = auto()
    ANNOUNCE = auto()
    BLOCK = auto()
    COMPLETE = auto()


@dataclass(slots=True)
class _Large:
    """A file that is sent in blocks; `told`: what was across before is counted as moved."""

    item: Item
    file: BinaryIO
    md5: str
    told: bool = False


class Sending:
    """Files and folders to one server.

    Args:
        tasks: what is done already, and where what is done now is noted.
        moved: told the bytes of each step and the name they belong to.
    """

    def __init__(self, server: NetdriveServer, tasks: TaskList, lanes: Lanes, moved: Moved) -> None:
        self._server, self._tasks, self._lanes, self._moved = server, tasks, lanes, moved
        self._files = files_of(server)
        self._whole = self._files if isinstance(self._files, DocumentedFiles) else None
        self.carried = Carried()

    def send(self, sources: Sequence[Path], to: Sequence[str]) -> None:
        """Send files and folders into a folder of the server, by the names on the way to it; it is made when missing."""
        wanted: list[Item] = []
        for source in sources:
            for item in self._items(source, to):
                if self._tasks.is_done(item.key, item.stamp):
                    self.carried.same += 1
                else:
                    wanted.append(item)
        small = [item for item in wanted if item.size <= BLOCK_BYTES]
        if small:
            work = Work(small)
            self._lanes.patiently(lambda: self._send_small(work))
        for item in wanted:
            if item.size > BLOCK_BYTES:
                try:
                    self._send_large(item)
                except (CloudError, OSError) as error:
                    self.carried.failed(item.source, error)

    # --- what there is -------------------------------------------------------------------------------------------------

    def _items(self, source: Path, to: Sequence[str]) -> Iterator[Item]:
        try:
            seen = source.stat()
            name = check_name(source.name)
            if stat.S_ISREG(seen.st_mode):
                yield _item(source, seen, to, name)
            elif stat.S_ISDIR(seen.st_mode):
                yield from self._folder(source, [*to, name])
            else:
                self._problem(source, "neither a file nor a folder, not sent")
        except (CloudError, OSError) as error:
            self.carried.failed(source, error)

    def _folder(self, folder: Path, to: Sequence[str]) -> Iterator[Item]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._problem(folder, error.strerror or str(error))
            return
        for entry in entries:
            path = folder / entry.name
            try:
                name = check_name(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    yield from self._folder(path, [*to, name])
                elif entry.is_file(follow_symlinks=False):
                    yield _item(path, entry.stat(follow_symlinks=False), to, name)
                else:
                    self._problem(path, "a link or device, not sent")
            except (CloudError, OSError) as error:
                self.carried.failed(path, error)

    # --- files up to a block -------------------------------------------------------------------------------------------

    def _send_small(self, work: Work[Item]) -> None:
        work.resume()
        self._lanes.run(lambda: self._small_lane(work), 1 + len(work) // 4, self._server.close)

    def _small_lane(self, work: Work[Item]) -> None:
        """One connection: what has its answer leads to the next step of that file, or to the next file."""
        under_way: dict[str, Item] = {}
        ready: deque[Callable[[], Call]] = deque()

        def more() -> Call | None:
            while True:
                try:
                    if ready:
                        return ready.popleft()()
                    item = work.take()
                    if item is None:
                        return None
                    under_way[item.key] = item
                    return self._first_call(item)
                except _Gone as gone:
                    under_way.pop(gone.item.key, None)
                    self.carried.failed(gone.item.source, gone.error)

        try:
            for call, answer in self._server.pump(more):
                item, step, vfile_id = call.about
                try:
                    following = self._after(item, step, vfile_id, answer)
                except CloudError as error:
                    under_way.pop(item.key, None)
                    self.carried.failed(item.source, error)
                    continue
                if following is None:
                    under_way.pop(item.key, None)
                    self._done(item)
                else:
                    ready.append(following)
        except CloudError:
            # The server is away or wants none of it: the others would meet the same.
            work.stop()
            raise
        finally:
            work.give_back(under_way.values())

    def _first_call(self, item: Item) -> Call:
        with _blaming(item):
            if self._whole is not None and item.size <= WHOLE_BYTES:
                content = _read(item, 0, item.size)
                call = self._whole.whole_call(item.announced(_md5(content)), content)
                return replace(call, about=(item, _Step.WHOLE, 0))
            with item.source.open("rb", buffering=0) as file:
                call = self._files.announce_call(item.announced(_md5_of_file(item, file)))
            return replace(call, about=(item, _Step.ANNOUNCE, 0))

    def _after(self, item: Item, step: _Step, vfile_id: int, answer: Answer) -> Callable[[], Call] | None:
        """The call that has to follow an answer; None when the file is in its place."""
        if step is _Step.ANNOUNCE:
            begun = self._files.begun(answer)
            if begun.instant:
                return None
            if item.size == 0:
                raise BadRequest("this server takes no empty files")
            return lambda: self._block_call(item, begun.vfile_id)
        accepted(answer)
        if step is _Step.BLOCK:
            last = self._files.complete_call(vfile_id, item.size)
            if last is not None:
                return lambda: replace(last, about=(item, _Step.COMPLETE, vfile_id))
        return None

    def _block_call(self, item: Item, vfile_id: int) -> Call:
        with _blaming(item):
            call = self._files.block_call(vfile_id, 0, _read(item, 0, item.size))
            return replace(call, about=(item, _Step.BLOCK, vfile_id))

    # --- large files ---------------------------------------------------------------------------------------------------

    def _send_large(self, item: Item) -> None:
        """One file in blocks over all connections; one that an earlier run began is continued."""
        with item.source.open("rb", buffering=0) as file:
            earlier = self._tasks.begun(item.key, item.stamp)
            md5 = str(earlier.facts["md5"]) if earlier is not None else _md5_of_file(item, file)
            large = _Large(item, file, md5)
            if not self._lanes.patiently(lambda: self._send_blocks(large)):
                # The server has not kept what it confirmed, or the file is not what it was: nothing noted here counts.
                large.md5 = _md5_of_file(item, file)
                self._tasks.begin(item.key, item.stamp, {"md5": large.md5})
                if not self._lanes.patiently(lambda: self._send_blocks(large)):
                    raise Incomplete("the server does not keep what it confirms; try again later.")
        self._done(item, told=large.told)

    def _send_blocks(self, large: _Large) -> bool:
        """Send what is missing and say that it is all; False when the server then finds that something is missing."""
        item = large.item
        begun = self._begin(large)
        if begun.instant:
            return True
        missing = list(self._missing(large, begun))
        if not large.told:
            large.told = True
            self._moved(item.name, item.size - sum(size for _, size in missing))
        work = Work(missing)
        if missing:
            self._lanes.run(lambda: self._block_lane(large, begun.vfile_id, work), len(missing), self._server.close)
        if not _still(item, os.fstat(large.file.fileno())):
            raise _changed(item)
        last = self._files.complete_call(begun.vfile_id, item.size)
        if last is None:
            return self._begin(large).instant
        try:
            self._server.ask(last)
        except Unreachable:
            raise
        except CloudError:
            again = self._begin(large)
            if not again.instant and (not again.chunks or all(chunk.done for chunk in again.chunks)):
                raise
            return again.instant
        return True

    def _begin(self, large: _Large) -> Begun:
        return self._files.begun(self._server.ask(self._files.announce_call(large.item.announced(large.md5))))

    def _missing(self, large: _Large, begun: Begun) -> Iterator[tuple[int, int]]:
        """Parts (offset, size) that are not across, by what the server says and what is noted here of the same upload."""
        item, facts = large.item, {"md5": large.md5, "vfile_id": begun.vfile_id}
        noted = self._tasks.begun(item.key, item.stamp)
        if noted is None or noted.facts != facts:
            noted = self._tasks.begin(item.key, item.stamp, facts)
        have = [(chunk.offset, chunk.offset + chunk.size) for chunk in begun.chunks or () if chunk.done]
        have += [(offset, offset + size) for offset, size in noted.have.items()]
        part = BLOCK_BYTES if self._whole is None else BLOCK_BYTES // CONNECTIONS
        return ((start, stop - start) for start, stop in gaps(have, item.size, part))

    def _block_lane(self, large: _Large, vfile_id: int, work: Work[tuple[int, int]]) -> None:
        item = large.item

        def more() -> Call | None:
            part = work.take()
            if part is None:
                return None
            call = self._files.block_call(vfile_id, part[0], FileSlice(large.file.fileno(), *part))
            # The answer to the last ones may wait until the server has compared the whole file.
            return replace(call, about=part, wait_s=item.size / VERIFY_BYTES_S if len(work) < CONNECTIONS else 0.0)

        try:
            for call, answer in self._server.pump(more, ahead=1):
                accepted(answer)
                offset, size = call.about
                self._tasks.have(item.key, offset, size)
                self._lanes.moved += 1
                self._moved(item.name, size)
        except BaseException:
            work.stop()
            raise

    # --- ends ----------------------------------------------------------------------------------------------------------

    def _done(self, item: Item, *, told: bool = False) -> None:
        self._tasks.done(item.key, item.stamp)
        self._lanes.moved += 1
        self.carried.files += 1
        self.carried.bytes += item.size
        if not told:
            self._moved(item.name, item.size)

    def _problem(self, path: Path, reason: str) -> None:
        self.carried.problems.append((str(path), reason))


class _Gone(Exception):
    """A file that cannot be sent."""

    def __init__(self, item: Item, error: CloudError | OSError) -> None:
        super().__init__(str(error))
        self.item, self.error = item, error


class _blaming:  # noqa: N801 - reads as a word at the place of use
    def __init__(self, item: Item) -> None:
        self._item = item

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CloudError | OSError):
            raise _Gone(self._item, error) from error


def spelled(folders: Sequence[str]) -> str:
    """A folder's path as the protocol writes it: `//`, else `/a/b/`."""
    return f"/{'/'.join(folders)}/" if folders else TOP


def _item(source: Path, seen: os.stat_result, to: Sequence[str], name: str) -> Item:
    return Item(source, seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns, spelled(to), name)


def _still(item: Item, seen: os.stat_result) -> bool:
    return (seen.st_size, seen.st_mtime_ns, seen.st_ino) == (item.size, item.mtime_ns, item.inode)


def _changed(item: Item) -> Stale:
    return Stale("it changed while it was read; run it again.")


def _read(item: Item, offset: int, size: int) -> bytes:
    with item.source.open("rb", buffering=0) as file:
        content = os.pread(file.fileno(), size, offset) if size else b""
        if len(content) != size or not _still(item, os.fstat(file.fileno())):
            raise _changed(item)
        return content


def _md5(content: bytes) -> str:
    parts = [content, b""]
    return md5_of(lambda _: parts.pop(0))[0]


def _md5_of_file(item: Item, file: BinaryIO) -> str:
    """MD5 of an open file that is and stays as it was seen."""
    file.seek(0)
    md5, size = md5_of(file.read)
    if size != item.size or not _still(item, os.fstat(file.fileno())):
        raise _changed(item)
    return md5
