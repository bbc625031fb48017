"""One file to a Ditto server: its blocks side by side, from where an earlier try ended."""

import hashlib
import mimetypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from homestow.client.adapters.clock_system import ThreadWorkers
from homestow.client.adapters.ditto_values import BlockStatus, DittoBlock, DittoFile, FileStatus
from homestow.values.errors import BadRequest, CloudError, DigestMismatch, NotFound, Stale
from homestow.wire.ditto.calls import MAX_BLOCK_BYTES

if TYPE_CHECKING:
    from homestow.client.adapters.ditto_client import DittoClient

STREAMS: Final = 4
_PIECE: Final = 1024 * 1024

Progress = Callable[[str, int], None]
"""Told a file's name and the bytes of it that the server has now, beside those told before."""


class Known(NamedTuple):
    """An upload as it was begun: the uuid, and the file as it was then. Times in nanoseconds since 1970."""

    uuid: str
    name: str
    size: int
    mtime_ns: int
    inode: int
    md5: str
    block_size: int


class Sending:
    """Sends files by one client, each over up to `streams` connections at the same time."""

    def __init__(self, client: "DittoClient", block_size: int, streams: int, progress: Progress) -> None:
        if not 1 <= block_size <= MAX_BLOCK_BYTES or streams < 1:
            raise BadRequest(f"A block has 1 to {MAX_BLOCK_BYTES} bytes, and goes over 1 stream or more.")
        self._client = client
        self._block_size = block_size
        self._streams = streams
        self._progress = progress

    def send(
        self, path: Path, name: str | None, kind: str | None, known: Known | None, announced: Callable[[Known], None]
    ) -> DittoFile:
        """See `DittoClient.upload`."""
        with path.open("rb", buffering=0) as file:
            seen = os.fstat(file.fileno())
            if known is not None and not _same(known, seen):
                self._give_up(known)
                known = None
            if known is not None and (there := self._found(known)) is not None:
                return self._send(file, there, known)
            name = name or path.name
            kind = mimetypes.guess_type(path.name)[0] or "" if kind is None else kind
            md5 = _md5_of(file, seen)
            made = self._client.create(name, seen.st_size, md5=md5, kind=kind)
            known = Known(made.uuid, name, seen.st_size, seen.st_mtime_ns, seen.st_ino, md5, self._block_size)
            announced(known)
            return self._send(file, made, known)

    def _found(self, known: Known) -> DittoFile | None:
        """The file that was announced; None when it is there no more. One that is written may have been edited there since."""
        try:
            found = self._client.get(known.uuid)
        except NotFound:
            return None
        return found if found.status is FileStatus.WRITTEN or found.size == known.size else None

    def _give_up(self, known: Known) -> None:
        """The file is another one by now: what came of the old one is of no use."""
        try:
            if self._client.get(known.uuid).status is not FileStatus.WRITTEN:
                self._client.delete(known.uuid)
        except NotFound:
            pass

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _send(self, file: BinaryIO, there: DittoFile, known: Known) -> DittoFile:
        if there.status is FileStatus.WRITTEN:
            self._progress(known.name, known.size)
            return there
        have: dict[int, DittoBlock] = {}
        if there.status is not FileStatus.CREATED:
            blocks = self._client.list_blocks(known.uuid)
            have = {block.no: block for block in blocks if block.status is not BlockStatus.NONE}
        try:
            self._send_missing(file, known, have)
        except DigestMismatch:
            # What an earlier try sent may be other bytes: those blocks alone are sent again.
            self._send_wrong(file, known)
        written = self._client.get(known.uuid)
        if written.status is not FileStatus.WRITTEN:
            raise Stale(f"{known.name} did not arrive whole; send it again.", rev=0, change=0)
        return written

    def _send_missing(self, file: BinaryIO, known: Known, have: dict[int, DittoBlock]) -> None:
        sizes = dict(_blocks(known))
        kept = {no for no, block in have.items() if sizes.get(no) == block.size}
        if there := sum(sizes[no] for no in kept):
            self._progress(known.name, there)
        self._send_blocks(file, known, [no for no in sizes if no not in kept])

    def _send_wrong(self, file: BinaryIO, known: Known) -> None:
        wrong = []
        have = {block.no: block.md5 for block in self._client.list_blocks(known.uuid)}
        for no, size in _blocks(known):
            if have.get(no) != _md5(_read(file, known, no, size)):
                wrong.append(no)
        if not wrong:
            raise _changed(known)
        self._send_blocks(file, known, wrong)

    def _send_blocks(self, file: BinaryIO, known: Known, numbers: list[int]) -> None:
        sizes = dict(_blocks(known))

        def send(no: int) -> None:
            data = _read(file, known, no, sizes[no])
            self._client.upload_block(known.uuid, no, data, md5=_md5(data), file_size=known.size)
            self._progress(known.name, len(data))

        if len(numbers) <= 1:
            for no in numbers:
                send(no)
            return
        workers = ThreadWorkers(min(self._streams, len(numbers)))
        try:
            for _, outcome in workers.run(send, numbers):
                if isinstance(outcome, BaseException):
                    raise outcome
        finally:
            workers.close()


def send_block(client: "DittoClient", path: Path, known: Known, no: int) -> None:
    """Send one block of a file again.

    Raises:
        Stale: the file is another one by now. BadRequest: it has no such block. CloudError: as `DittoClient.upload_block`.
    """
    size = dict(_blocks(known)).get(no)
    if size is None:
        raise BadRequest(f"{known.name} has no block {no}.")
    with path.open("rb", buffering=0) as file:
        data = _read(file, known, no, size)
    client.upload_block(known.uuid, no, data, md5=_md5(data), file_size=known.size)


def _blocks(known: Known) -> Iterator[tuple[int, int]]:
    """Number and size of each block."""
    for no, at in enumerate(range(0, known.size, known.block_size)):
        yield no, min(known.block_size, known.size - at)


def _read(file: BinaryIO, known: Known, no: int, size: int) -> bytes:
    data = os.pread(file.fileno(), size, no * known.block_size)
    if len(data) != size or not _same(known, os.fstat(file.fileno())):
        raise _changed(known)
    return data


def _same(known: Known, seen: os.stat_result) -> bool:
    return (known.size, known.mtime_ns, known.inode) == (seen.st_size, seen.st_mtime_ns, seen.st_ino)


def _changed(known: Known) -> CloudError:
    return Stale(f"{known.name} changed while it was sent; send it again.", rev=0, change=0)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _md5_of(file: BinaryIO, seen: os.stat_result) -> str:
    """MD5 of an open file that is and stays as it was seen."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    buffer = bytearray(_PIECE)
    while count := os.preadv(file.fileno(), [buffer], size):
        digest.update(memoryview(buffer)[:count])
        size += count
    now = os.fstat(file.fileno())
    if size != seen.st_size or (now.st_mtime_ns, now.st_ino) != (seen.st_mtime_ns, seen.st_ino):
        raise Stale("It changed while it was read; send it again.", rev=0, change=0)
    return digest.hexdigest()
