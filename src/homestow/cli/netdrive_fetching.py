"""Fetch files from a netdrive server: each into `NAME.download`, which gets its name once its digest is right.

What came is written into a task list, so that another run goes on after this one was closed or killed.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from homestow.cli.carrying import Carried, Moved
from homestow.cli.netdrive_digesting import Following
from homestow.cli.netdrive_lanes import Lanes, Work
from homestow.cli.netdrive_tasks import TaskList
from homestow.cli.sending import gaps
from homestow.client.adapters.netdrive_client import NetdriveServer, accepted
from homestow.client.adapters.netdrive_connection import Call
from homestow.client.adapters.netdrive_files import File, Listing, files_of, md5_of
from homestow.values.errors import BadName, CloudError, DigestMismatch, NotFound, PathTaken
from homestow.values.paths import check_name
from homestow.wire.netdrive import BLOCK_BYTES, Answer

WHOLE_BYTES: Final = 256 * 1024
"""Files up to this size are held in memory while they come."""
PARTIAL: Final = ".download"
"""What stands behind the name of a file that is on its way, as with the first clients."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to fetch, and where it goes."""

    file: File
    path: Path

    @property
    def key(self) -> str:
        """By which the task list knows it."""
        return str(self.path)

    @property
    def stamp(self) -> list[str | int | None]:
        """By which its content is known to be the same."""
        return [self.file.md5, self.file.size]

    @property
    def partial(self) -> Path:
        """Where it is while it is on its way."""
        return self.path.with_name(self.path.name + PARTIAL)


class Fetching:
    """Files of one server to this disk.

    Args:
        replace: whether a file that is there and differs is replaced; else it is a problem.
        moved: told the bytes of each step and the name they belong to.
    """

    def __init__(
        self, server: NetdriveServer, tasks: TaskList, lanes: Lanes, moved: Moved, *, replace_files: bool
    ) -> None:
        self._server, self._tasks, self._lanes, self._moved = server, tasks, lanes, moved
        self._replace = replace_files
        self._files = files_of(server)
        self.carried = Carried()

    def fetch(self, wanted: Sequence[str], target: Path) -> None:
        """Bring files and folders, by their paths on the server, into the folder `target`; "/" is everything."""
        listing = self._lanes.patiently(self._files.listing)
        items: dict[str, Item] = {}
        for path in wanted:
            for item in self._chosen(listing, path, target):
                if items.setdefault(item.key, item).file != item.file:
                    self.carried.failed(
                        item.path, PathTaken("two of the wanted files have this name; fetch them apart.")
                    )
        missing = [item for item in items.values() if self._is_apart(item, items) and self._is_wanted(item)]
        small = [item for item in missing if item.file.size <= WHOLE_BYTES]
        if small:
            work = Work(small)
            self._lanes.patiently(lambda: self._fetch_small(work))
        for item in missing:
            if item.file.size > WHOLE_BYTES:
                try:
                    self._fetch_large(item)
                except (CloudError, OSError) as error:
                    self.carried.failed(item.path, error)

    # --- what there is -------------------------------------------------------------------------------------------------

    def _chosen(self, listing: Listing, wanted: str, target: Path) -> list[Item]:
        """The file of a path, or all files of a folder below a folder of its name."""
        names = [name for name in wanted.split("/") if name]
        found = []
        for file in listing.files:
            folders = [name for name in file.path.split("/") if name]
            whole = [*folders, file.name]
            if whole == names:
                below = [file.name]
            elif names == whole[: len(names)]:
                below = whole[max(len(names) - 1, 0) :]
            else:
                continue
            try:
                found.append(Item(file, target.joinpath(*(check_name(name) for name in below))))
            except BadName as error:
                self.carried.failed("/".join(whole), error)
        if (
            not found
            and names
            and not any([n for n in path.split("/") if n][: len(names)] == names for path in listing.folders)
        ):
            self.carried.failed(
                wanted,
                NotFound("there is nothing of that name on the server; `homestow netdrive dirinfo` lists what is."),
            )
        return found

    def _is_apart(self, item: Item, items: Mapping[str, Item]) -> bool:
        """Whether its `.download` is no wanted file itself."""
        if str(item.partial) not in items:
            return True
        self.carried.failed(
            item.path, PathTaken(f"{item.partial.name} is wanted as well; fetch the two one after the other.")
        )
        return False

    def _is_wanted(self, item: Item) -> bool:
        """Whether the file has to come: not when it is there already with the same bytes; a clash is noted."""
        try:
            seen = item.path.lstat()
        except FileNotFoundError:
            return self._is_free(item)
        except OSError as error:
            self.carried.failed(item.path, error)
            return False
        if os.path.isfile(item.path) and seen.st_size == item.file.size:
            with item.path.open("rb", buffering=0) as file:
                if md5_of(file.read)[0] == item.file.md5:
                    self.carried.same += 1
                    return False
        if not self._replace or item.path.is_dir():
            self.carried.failed(item.path, _taken(item.path))
            return False
        return self._is_free(item)

    def _is_free(self, item: Item) -> bool:
        """Whether its `.download` is ours or not there."""
        if not os.path.lexists(item.partial) or self._partial_of(item) is not None:
            return True
        if self._replace and item.partial.is_file() and not item.partial.is_symlink():
            return True
        self.carried.failed(item.partial, PathTaken(f"{item.partial} is in the way; --force replaces it."))
        return False

    def _partial_of(self, item: Item) -> dict[int, int] | None:
        """Which bytes of the `.download` that lies there came from this content; None when it is not ours."""
        try:
            seen = item.partial.lstat()
        except OSError:
            return None
        begun = self._tasks.begun(item.key, item.stamp)
        if begun is None or begun.facts.get("inode") != seen.st_ino or seen.st_size != item.file.size:
            return None
        return begun.have

    # --- small files ---------------------------------------------------------------------------------------------------

    def _fetch_small(self, work: Work[Item]) -> None:
        work.resume()
        self._lanes.run(lambda: self._small_lane(work), 1 + len(work) // 4, self._server.close)

    def _small_lane(self, work: Work[Item]) -> None:
        under_way: dict[str, Item] = {}

        def more() -> Call | None:
            item = work.take()
            if item is None:
                return None
            under_way[item.key] = item
            content = bytearray()
            call = self._files.download_call(item.file, 0, item.file.size, content.extend)
            return replace(call, about=(item, content))

        try:
            for call, answer in self._server.pump(more):
                item, content = call.about
                try:
                    accepted(answer)
                    self._take_small(item, bytes(content))
                except (CloudError, OSError) as error:
                    under_way.pop(item.key, None)
                    self.carried.failed(item.path, error)
                else:
                    under_way.pop(item.key, None)
        except CloudError:
            work.stop()
            raise
        finally:
            work.give_back(under_way.values())

    def _take_small(self, item: Item, content: bytes) -> None:
        parts = [content, b""]
        if len(content) != item.file.size or md5_of(lambda _: parts.pop(0))[0] != item.file.md5:
            raise _damaged()
        item.partial.parent.mkdir(parents=True, exist_ok=True)
        item.partial.unlink(missing_ok=True)
        with item.partial.open("xb") as file:
            file.write(content)
        self._publish(item)
        self._moved(item.file.name, item.file.size)

    # --- large files ---------------------------------------------------------------------------------------------------

    def _fetch_large(self, item: Item) -> None:
        item.path.parent.mkdir(parents=True, exist_ok=True)
        have = self._partial_of(item)
        if have is None:
            item.partial.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_EXCL if have is None else 0)
        with os.fdopen(os.open(item.partial, flags, 0o600), "r+b", buffering=0) as file:
            if have is None:
                os.ftruncate(file.fileno(), item.file.size)
                have = self._tasks.begin(item.key, item.stamp, {"inode": os.fstat(file.fileno()).st_ino}).have
            self._moved(item.file.name, sum(have.values()))
            with Following(file.fileno(), item.file.size, have) as following:
                self._lanes.patiently(lambda: self._fetch_blocks(item, file, following))
                if following.md5() != item.file.md5:
                    item.partial.unlink()
                    raise _damaged()
            os.fsync(file.fileno())
        self._publish(item)

    def _fetch_blocks(self, item: Item, file: BinaryIO, following: Following) -> None:
        begun = self._tasks.begun(item.key, item.stamp)
        have = [(offset, offset + size) for offset, size in begun.have.items()] if begun else []
        work = Work([(start, stop - start) for start, stop in gaps(have, item.file.size, BLOCK_BYTES)])
        if len(work):
            self._lanes.run(lambda: self._block_lane(item, file, following, work), len(work), self._server.close)

    def _block_lane(self, item: Item, file: BinaryIO, following: Following, work: Work[tuple[int, int]]) -> None:
        def more() -> Call | None:
            part = work.take()
            if part is None:
                return None
            call = self._files.download_call(item.file, *part, _writer(file, part[0]))
            return replace(call, about=part)

        try:
            for call, answer in self._server.pump(more, ahead=2):
                self._took(item, call, answer)
                following.came(*call.about)
        except BaseException:
            work.stop()
            raise

    def _took(self, item: Item, call: Call, answer: Answer) -> None:
        accepted(answer)
        offset, size = call.about
        if answer.body != size:
            raise DigestMismatch("the file became shorter on the server while it came; try again.")
        self._tasks.have(item.key, offset, size)
        self._lanes.moved += 1
        self._moved(item.file.name, size)

    # --- ends ----------------------------------------------------------------------------------------------------------

    def _publish(self, item: Item) -> None:
        partial, path = item.partial, item.path
        # What opening made private gets the rights that a new file of this user has.
        os.chmod(partial, 0o666 & ~_UMASK)
        try:
            os.utime(partial, (item.file.mtime_s, item.file.mtime_s))
        except (OverflowError, OSError):
            pass  # a time that this disk cannot hold
        publish(partial, path, over=self._replace)
        self._tasks.done(item.key, item.stamp)
        self._lanes.moved += 1
        self.carried.files += 1
        self.carried.bytes += item.file.size


def publish(partial: Path, path: Path, *, over: bool) -> None:
    """Give a complete file its name.

    Raises:
        PathTaken: something has the name, and is not to be replaced.
    """
    if over:
        partial.replace(path)
        return
    try:
        os.link(partial, path, follow_symlinks=False)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError:
        # A disk without hard links: the look and the rename are two steps there.
        if os.path.lexists(path):
            raise _taken(path) from None
        partial.rename(path)
    else:
        partial.unlink()


def _writer(file: BinaryIO, offset: int) -> Callable[[memoryview], None]:
    """Writes what comes to its place."""
    at = offset

    def write(data: memoryview) -> None:
        nonlocal at
        while data:
            written = os.pwrite(file.fileno(), data, at)
            at += written
            data = data[written:]

    return write


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


def _taken(path: Path) -> PathTaken:
    return PathTaken(f"{path} is there already and differs; --force replaces it.")


def _damaged() -> DigestMismatch:
    return DigestMismatch("it did not arrive as the server's list describes it; try again.")
