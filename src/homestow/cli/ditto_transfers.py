"""Send files and folders over the Ditto services, of one's own accord or because the server asks for them."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from homestow.cli.carrying import Carried, Moved
from homestow.cli.ditto_notes import Note, Notes
from homestow.client.adapters.clock_system import ThreadWorkers
from homestow.client.adapters.ditto_client import DittoClient
from homestow.client.adapters.ditto_sending import Known, send_block
from homestow.client.adapters.ditto_values import DittoEvent, EventKind
from homestow.values.errors import Busy, CloudError, TooManyTries, Unreachable
from homestow.values.paths import check_name
from homestow.wire.ditto.calls import FAST_BLOCK_BYTES

COMMANDS = frozenset({EventKind.FILE_TOUPLOAD_COMMANDED, EventKind.FILEBLOCK_TOUPLOAD_COMMANDED})
_AGAIN_S = 15.0


class Item(NamedTuple):
    """A file here, its size and time as they were seen, and what it is called there."""

    path: Path
    size: int
    mtime_ns: int
    name: str


class DittoSending:
    """Files to one server for one user.

    Args:
        streams: connections at the same time.
        block_size: bytes.
        moved: told the bytes of each step and the name they belong to.
    """

    def __init__(
        self, client: DittoClient, notes: Notes, moved: Moved, *, streams: int = 4, block_size: int = FAST_BLOCK_BYTES
    ) -> None:
        self._client, self._notes, self._moved = client, notes, moved
        self._streams, self._block_size = streams, block_size
        self.carried = Carried()

    def send(self, items: Iterable[Item]) -> None:
        """Send files: small ones side by side, of large ones the blocks. What cannot be sent is noted, the rest goes on.

        Raises:
            CloudError: trouble that every other file would have as well.
        """
        large: list[Item] = []

        def small() -> Iterator[Item]:
            for item in items:
                if item.size > self._block_size:
                    large.append(item)
                else:
                    yield item

        workers = ThreadWorkers(self._streams)
        try:
            for item, outcome in workers.run(self._send, small()):
                if isinstance(outcome, BaseException):
                    self.carried.failed(item.path, outcome)
                else:
                    self._count(item, fresh=outcome)
        finally:
            workers.close()
        for item in large:
            try:
                self._count(item, fresh=self._send(item))
            except (CloudError, OSError) as error:
                self.carried.failed(item.path, error)

    def _send(self, item: Item) -> bool:
        """Send one; whether it was not there before."""
        note = self._notes.find(item.path, item.name)
        was_there = note is not None and note.done
        began: list[Known] = []

        def announced(known: Known) -> None:
            began.append(known)
            self._notes.keep(item.path, known, done=False)

        self._client.upload(
            item.path, name=item.name, known=note.known if note is not None else None, block_size=self._block_size,
            streams=self._streams, progress=None if was_there else self._moved, announced=announced,
        )  # fmt: skip
        if began:
            self._notes.keep(item.path, began[-1], done=True)
        elif note is not None and not note.done:
            self._notes.keep(item.path, note.known, done=True)
        return bool(began) or not was_there

    def _count(self, item: Item, *, fresh: bool) -> None:
        if fresh:
            self.carried.files += 1
            self.carried.bytes += item.size
        else:
            self.carried.same += 1

    def problem(self, path: object, reason: str) -> None:
        """Note what could not be done."""
        self.carried.problems.append((str(path), reason))

    # --- what to send -------------------------------------------------------------------------------------------------

    def items(self, source: Path) -> Iterator[Item]:
        """A file, or all files of a folder under its name; what is neither is noted as a problem."""
        source = Path(os.path.abspath(source))
        seen = source.stat()
        name = source.name and check_name(source.name)
        if stat.S_ISREG(seen.st_mode):
            yield Item(source, seen.st_size, seen.st_mtime_ns, name)
        elif stat.S_ISDIR(seen.st_mode):
            yield from self._walk(source, name)
        else:
            self.problem(source, "neither a file nor a folder")

    def _walk(self, folder: Path, name: str) -> Iterator[Item]:
        below = [(folder, f"{name}/" if name else "")]
        while below:
            here, its_name = below.pop()
            try:
                entries = sorted(os.scandir(here), key=lambda entry: entry.name)
            except OSError as error:
                self.problem(here, error.strerror or str(error))
                continue
            for entry in entries:
                path, full = here / entry.name, its_name + entry.name
                try:
                    check_name(entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        below.append((path, f"{full}/"))
                    elif entry.is_file(follow_symlinks=False):
                        seen = entry.stat(follow_symlinks=False)
                        yield Item(path, seen.st_size, seen.st_mtime_ns, full)
                    else:
                        self.problem(path, "a link or device, not sent")
                except CloudError as error:
                    self.problem(path, error.message)
                except OSError as error:
                    self.problem(path, error.strerror or str(error))


class Acting:
    """Does what the server asks for, with the files of one folder and no others.

    Args:
        tell: told lines for people.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        client: DittoClient,
        notes: Notes,
        folder: Path,
        tell: Callable[[str], None],
        pause: Callable[[float], object],
    ) -> None:
        self._client, self._notes = client, notes
        self._folder = Path(os.path.abspath(folder))
        self._tell, self._pause = tell, pause

    def act(self, event: DittoEvent) -> None:
        """Carry out a command; any other event is none. A server that does not answer is waited for.

        Raises:
            CloudError: this computer's or the server's trouble with all files.
        """
        if event.kind not in COMMANDS:
            return
        while True:
            try:
                self._act(event)
            except (Unreachable, Busy, TooManyTries) as error:
                self._tell(f"{error.message} Trying again.")
                self._pause(_AGAIN_S)
            else:
                return

    def _act(self, event: DittoEvent) -> None:
        if event.kind is EventKind.FILEBLOCK_TOUPLOAD_COMMANDED:
            self._send_block(event)
            return
        sending = DittoSending(self._client, self._notes, lambda *_: None)
        found = sending.items(self._folder)
        sending.send(item for item in found if event.start_ns <= item.mtime_ns <= event.end_ns)
        done = sending.carried
        self._tell(f"sent {done.files}, there already {done.same}")
        for path, reason in done.problems:
            self._tell(f"{path}: {reason}")

    def _send_block(self, event: DittoEvent) -> None:
        note = self._notes.of_uuid(event.file)
        if note is None or not self._is_inside(note):
            self._tell(f"{event.file}: no file of {self._folder}")
            return
        try:
            send_block(self._client, note.path, note.known, event.block_no)
        except OSError as error:
            self._tell(f"{note.path}: {error.strerror or error}")
        except (Unreachable, Busy, TooManyTries):
            raise
        except CloudError as error:
            self._tell(f"{note.path}: {error.message}")
        else:
            self._tell(f"sent block {event.block_no} of {note.path}")

    def _is_inside(self, note: Note) -> bool:
        return note.path.is_relative_to(self._folder)
