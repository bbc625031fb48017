"""The few calls of a netdrive server that the sync engine's sight of it is made of; many at a time on one connection."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from homestow.client.adapters.netdrive_client import NetdriveServer, accepted
from homestow.client.adapters.netdrive_connection import Call
from homestow.client.adapters.netdrive_files import Announced, DocumentedFiles, File, FinalFiles
from homestow.client.adapters.remote_netdrive_tree import Seen, SeenFile, SeenFolder
from homestow.values.errors import Busy, CloudError, Forbidden, NotHomestow, Unreachable
from homestow.wire.netdrive import BLOCK_BYTES, TOP, Answer, Dialect, Error

PIECE: Final = 1024 * 1024
LISTING_S: Final = 60.0
"""So long a server may read contents before it answers a listing."""


class Begun(NamedTuple):
    """What became of an announced file: the number its blocks are sent under, and the ranges [start, stop) that came.

    `done`: nothing is to be sent, it is in its place.
    """

    vfile: int
    done: bool
    have: tuple[tuple[int, int], ...] = ()


class Place(NamedTuple):
    """A file's place as the server spells it."""

    path: str
    name: str


class Drive(Protocol):
    """One root on a netdrive server. Safe in several threads.

    Everything raises `CloudError`s, `Unreachable` when no answer came. Calls for many things answer each by itself.
    """

    @property
    def told_by_id(self) -> bool:
        """Whether files bear ids; then a listing also tells folders, and what it does not tell is gone."""

    def listing(self) -> Seen:
        """All there is."""

    def put(self, files: Sequence[tuple[Announced, bytes]]) -> list[int | CloudError]:
        """Store whole files over whatever is there; the id of each, 0 where the server tells none."""

    def announce(self, files: Sequence[Announced]) -> list[Begun | CloudError]:
        """Say that files are coming; the server may have their contents."""

    def put_block(self, file: Begun, offset: int, data: bytes) -> None:
        """Bytes of an announced file, of one of its blocks of 4 MiB."""

    def complete(self, file: Begun, size: int) -> int:
        """All blocks are sent: the id of the file, 0 where the server tells none.

        Raises:
            CloudError: some are missing, or it is not what was announced.
        """

    def fetch(self, files: Sequence[tuple[str, int]]) -> Iterator[bytes | CloudError]:
        """Whole contents by (MD5, size), in order."""

    def read(self, md5: str, start: int, stop: int) -> Iterator[bytes]:
        """Bytes [start, stop) of a content in pieces of at most 1 MiB."""

    def delete_files(self, places: Sequence[Place]) -> list[CloudError | None]:
        """Delete files."""

    def make_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        """Make folders, parents first; one that is there is fine."""

    def delete_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        """Delete empty folders, in order; one that is gone is fine."""

    def close(self) -> None:
        """Close connections; calls under way end with `Unreachable`."""


class ServerDrive:
    """A `Drive` on a server that is logged in to, by whatever dialect it speaks."""

    def __init__(self, server: NetdriveServer) -> None:
        self._server = server
        self._old = server.dialect is Dialect.FINAL
        self._documented, self._final = DocumentedFiles(server), FinalFiles(server)
        self._files: DocumentedFiles | FinalFiles = self._final if self._old else self._documented

    @property
    def told_by_id(self) -> bool:
        """See `Drive`; the first servers leave a file out while it is sent anew."""
        return not self._old

    def close(self) -> None:
        """See `Drive`."""
        self._server.close()

    def _run(self, calls: Iterable[Call], dialect: Dialect | None = None) -> Iterator[tuple[Call, Answer]]:
        source = iter(calls)
        return self._server.pump(lambda: next(source, None), dialect=dialect)

    # --- looking ------------------------------------------------------------------------------------------------------

    def listing(self) -> Seen:
        """See `Drive`."""
        if self._old:
            files = [
                SeenFile("", file.path, file.name, file.size, file.md5, file.mtime_s)
                for file in self._final.listing().files
            ]
            return Seen((), files, tells_gone=False, tells_folders=False)
        asked = Call("dirinfo", {**self._server.fields({}), "epoch": True}, wait_s=LISTING_S)
        try:
            answer = self._server.ask(asked, Dialect.DOCUMENTED)
        except Forbidden as error:
            # It has to read what it did not read yet, to know the MD5s; what it did by now it does not do again.
            raise Busy(error.message) from error
        try:
            folders = {int(row["dir_id"]): str(row["dir_path"]) for row in answer.fields["dirs"]}
            # A file that cannot be read now has no MD5; that is for `take` to see, and spoils no list.
            files = [
                SeenFile(
                    f"v{int(row['vfile_id'])}", folders[row["vfile_dir_id"]], str(row["vfile_name"]),
                    int(row["vfile_size"]), str(row["vfile_md5"]).lower(), int(row["vfile_server_mtime"] // 1),
                )
                for row in answer.fields["files"]
            ]  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise NotHomestow("The server's list of files cannot be read.") from error
        epoch = answer.fields.get("epoch")
        listed = [SeenFolder(f"d{node}", path) for node, path in folders.items()]
        return Seen(listed, files, epoch=epoch if isinstance(epoch, str) else None)

    # --- sending ------------------------------------------------------------------------------------------------------

    def put(self, files: Sequence[tuple[Announced, bytes]]) -> list[int | CloudError]:
        """See `Drive`; a server of the first kind hears of each file before its bytes."""
        if not self._old:
            calls = (self._documented.whole_call(file, content) for file, content in files)
            return [_vfile(answer) for _, answer in self._run(calls)]
        results: list[int | CloudError] = [Forbidden(_NO_EMPTY)] * len(files)
        places = [place for place, (file, _) in enumerate(files) if file.size]
        for place, begun in zip(places, self.announce([files[place][0] for place in places]), strict=True):
            results[place] = begun if isinstance(begun, CloudError) else self._put_rest(begun, files[place][1])
        return results

    def _put_rest(self, begun: Begun, content: bytes) -> int | CloudError:
        if not begun.done:
            try:
                for offset in range(0, len(content), BLOCK_BYTES):
                    self.put_block(begun, offset, content[offset : offset + BLOCK_BYTES])
            except Unreachable:
                raise
            except CloudError as error:
                return error
        return 0

    def announce(self, files: Sequence[Announced]) -> list[Begun | CloudError]:
        """See `Drive`."""
        if self._old and not all(file.size for file in files):
            raise Forbidden(_NO_EMPTY)
        return [self._begun(answer) for _, answer in self._run(self._files.announce_call(file) for file in files)]

    def _begun(self, answer: Answer) -> Begun | CloudError:
        try:
            begun = self._files.begun(answer)
        except CloudError as error:
            return error
        have = tuple((chunk.offset, chunk.offset + chunk.size) for chunk in begun.chunks or () if chunk.done)
        return Begun(begun.vfile_id, begun.instant or (self._old and answer.error == Error.OK), have)

    def put_block(self, file: Begun, offset: int, data: bytes) -> None:
        """See `Drive`."""
        call = self._files.block_call(file.vfile, offset, data)
        self._server.ask(call, self._server.dialect)

    def complete(self, file: Begun, size: int) -> int:
        """See `Drive`."""
        if self._old:
            return 0
        fields = self._server.fields({"vfile_id": file.vfile, "complete": True})
        answer = self._server.ask(Call("upload", fields, wait_s=size / _VERIFY_BYTES_S), Dialect.DOCUMENTED)
        return answer.maybe_integer("vfile_id") or file.vfile

    # --- receiving ----------------------------------------------------------------------------------------------------

    def fetch(self, files: Sequence[tuple[str, int]]) -> Iterator[bytes | CloudError]:
        """See `Drive`."""
        parts: list[bytes] = []
        calls = (self._download(md5, 0, size, parts) for md5, size in files if size)
        answers = self._run(calls)
        for _, size in files:
            if not size:
                yield b""
                continue
            _, answer = next(answers)
            content = b"".join(parts)
            parts.clear()
            yield content if answer.error == Error.OK else _refused(answer)
        for _ in answers:
            raise NotHomestow("The server answered more than it was asked.")

    def read(self, md5: str, start: int, stop: int) -> Iterator[bytes]:
        """See `Drive`."""
        parts: list[bytes] = []
        calls = (self._download(md5, at, min(PIECE, stop - at), parts) for at in range(start, stop, PIECE))
        for call, answer in self._run(calls):
            accepted(answer)
            content = b"".join(parts)
            parts.clear()
            if len(content) != call.gives:
                raise Unreachable("The server's answer ended early.")
            yield content

    def _download(self, md5: str, start: int, size: int, parts: list[bytes]) -> Call:
        file = File(TOP, "", start + size, md5, 0, None)
        return self._files.download_call(file, start, size, lambda piece: parts.append(bytes(piece)))

    # --- removing -----------------------------------------------------------------------------------------------------

    def delete_files(self, places: Sequence[Place]) -> list[CloudError | None]:
        """See `Drive`."""
        return self._each(self._final.delete_file_call(*place) for place in places)

    def make_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        """See `Drive`."""
        return self._each(self._final.create_dir_call(path, "") for path in paths)

    def delete_folders(self, paths: Sequence[str]) -> list[CloudError | None]:
        """See `Drive`."""
        return self._each(self._final.delete_dir_call(path, "") for path in paths)

    def _each(self, calls: Iterable[Call]) -> list[CloudError | None]:
        return [None if answer.error == Error.OK else _refused(answer) for _, answer in self._run(calls, Dialect.FINAL)]


_NO_EMPTY: Final = "This server is of an older kind, which takes no empty files."
_VERIFY_BYTES_S: Final = 10_000_000


def _vfile(answer: Answer) -> int | CloudError:
    if answer.error != Error.OK:
        return _refused(answer)
    found: Any = answer.maybe_integer("vfile_id")
    return int(found or 0)


def _refused(answer: Answer) -> CloudError:
    try:
        accepted(answer)
    except CloudError as error:
        return error
    return Forbidden("The server wants a file's content where it should have it.")
