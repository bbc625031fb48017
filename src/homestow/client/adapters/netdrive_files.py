"""Files on a netdrive server: lists, uploads and downloads, in the documented list and in the final dialect.

Methods that end in `_call` only make the call, so that many can be on their way on one connection (`NetdriveServer.pump`); the
others make it and wait. A `path` is spelled as the clients do, `//` for the top and `/a/b/` else, and comes back as it was sent.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from homestow.client.adapters.http_client import FileSlice
from homestow.client.adapters.netdrive_client import NetdriveServer, accepted
from homestow.client.adapters.netdrive_connection import Call, Sink
from homestow.values.errors import NotHomestow
from homestow.wire.netdrive import (
    BLOCK_BYTES,
    TOP,
    Answer,
    Chunk,
    Dialect,
    Error,
    Say,
    WrongField,
    read_chunks,
    read_dirs,
    read_files,
    read_listed,
)

VERIFY_BYTES_S: Final = 10_000_000
"""A server reads a file this fast at least, in bytes a second, when it compares it with its digest before it answers."""

Body = bytes | FileSlice


class File(NamedTuple):
    """A file on the server; `mtime_s` in whole seconds since 1970; `vfile_id` None where only the digest names it."""

    path: str
    name: str
    size: int
    md5: str
    mtime_s: int
    vfile_id: int | None


class Listing(NamedTuple):
    """All folders (path) and files; the final dialect tells of no folders beside those of files."""

    folders: Sequence[str]
    files: Sequence[File]


class Announced(NamedTuple):
    """A file that is going to be sent; `md5` of 32 hexadecimal digits."""

    path: str
    name: str
    md5: str
    size: int
    mtime_s: int


@dataclass(frozen=True, slots=True)
class Begun:
    """What a server said to an announcement.

    Attributes:
        vfile_id: where the blocks go.
        instant: it has the content already, and the file is in its place.
        chunks: its progress; None: it does not tell.
    """

    vfile_id: int
    instant: bool
    chunks: tuple[Chunk, ...] | None


class Files(Protocol):
    """What both dialects can do."""

    def listing(self) -> Listing:
        """All files of the root."""

    def announce_call(self, file: Announced) -> Call:
        """Say that a file is coming; read its answer with `begun`."""

    def begun(self, answer: Answer) -> Begun:
        """The answer to `announce_call`; raises what the server refused."""

    def block_call(self, vfile_id: int, offset: int, body: Body) -> Call:
        """Bytes of an announced file; harmless when repeated."""

    def complete_call(self, vfile_id: int, size: int) -> Call | None:
        """Say that all blocks are sent; None where the dialect has no such notice."""

    def download_call(self, file: File, offset: int, size: int, sink: Sink) -> Call:
        """`size` bytes from `offset`."""


class DocumentedFiles:
    """By the documented list: `dirinfo`, `upload`, `download`."""

    def __init__(self, server: NetdriveServer) -> None:
        self._server = server

    def listing(self) -> Listing:
        """All folders and files."""
        answer = self._server.ask(Call("dirinfo", self._server.fields({})), Dialect.DOCUMENTED)
        with _Doubted(self._server):
            paths = {row.dir_id: row.dir_path for row in read_dirs(answer.fields["dirs"])}
            files = [
                File(
                    paths.get(row.vfile_dir_id, TOP), row.vfile_name, row.vfile_size, row.vfile_md5,
                    row.vfile_server_mtime, row.vfile_id,
                )
                for row in read_files(answer.fields["files"])
            ]  # fmt: skip
        return Listing(list(paths.values()), files)

    def whole_call(self, file: Announced, content: Body) -> Call:
        """A file in one message; the answer, once it is in its place, has its `vfile_id`."""
        fields = self._server.fields(_described(file))
        return Call("upload", fields, content, wait_s=file.size / VERIFY_BYTES_S)

    def announce_call(self, file: Announced) -> Call:
        """A piece of no bytes says that a file is coming."""
        fields = self._server.fields({**_described(file), "offset": 0, "chunksize": 0})
        return Call("upload", fields, b"", wait_s=file.size / VERIFY_BYTES_S)

    def begun(self, answer: Answer) -> Begun:
        """See `Files`."""
        accepted(answer)
        vfile_id = answer.maybe_integer("vfile_id")
        if vfile_id is None:
            raise NotHomestow(f"{self._server.address.authority} gives an announced file no vfile_id.")
        instant = answer.error == Error.OK and answer.message == Say.INSTANT
        with _Doubted(self._server):
            return Begun(vfile_id, instant, tuple(read_chunks(answer.fields.get("done", []))))

    def block_call(self, vfile_id: int, offset: int, body: Body) -> Call:
        """See `Files`."""
        fields = {"vfile_id": vfile_id, "offset": offset, "chunksize": _length(body)}
        return Call("upload", self._server.fields(fields), body, about=offset)

    def complete_call(self, vfile_id: int, size: int) -> Call:
        """Say that all blocks are sent: when it is accepted the file is in its place. May be repeated."""
        fields = self._server.fields({"vfile_id": vfile_id, "complete": True})
        return Call("upload", fields, wait_s=size / VERIFY_BYTES_S)

    def complete(self, vfile_id: int, size: int) -> None:
        """Say it and wait.

        Raises:
            CloudError: some blocks are missing, or the content has not the announced digest.
        """
        self._server.ask(self.complete_call(vfile_id, size), Dialect.DOCUMENTED)

    def download_call(self, file: File, offset: int, size: int, sink: Sink) -> Call:
        """See `Files`; by id, or by digest where there is none."""
        which: dict[str, Any] = {"md5": file.md5} if file.vfile_id is None else {"vfile_id": file.vfile_id}
        fields = self._server.fields({**which, "offset": offset, "size": size})
        return Call("download", fields, sink=sink, gives=size, about=offset)


class FinalFiles:
    """By the final dialect: `getdir`, `uploadFile`, `uploadChunk`, `downloadFile`, `deleteFile`, `createDir`, `deleteDir`."""

    def __init__(self, server: NetdriveServer) -> None:
        self._server = server
        self._numbers = iter(range(1, 2**53))

    def listing(self) -> Listing:
        """All files whose content is complete."""
        answer = self._server.ask(Call("getdir", self._server.fields({})), Dialect.FINAL)
        with _Doubted(self._server):
            files = [
                File(row.path, row.filename, row.size, row.md5, row.mtime, None)
                for row in read_listed(answer.fields["dir_list"])
            ]
        return Listing(sorted({file.path for file in files}), files)

    def announce_call(self, file: Announced) -> Call:
        """See `Files`."""
        return self._call("uploadFile", _described(file), wait_s=file.size / VERIFY_BYTES_S)

    def begun(self, answer: Answer) -> Begun:
        """See `Files`; this dialect does not tell its progress."""
        accepted(answer)
        return Begun(answer.integer("vfile_id"), answer.error == Error.OK, None)

    def block_call(self, vfile_id: int, offset: int, body: Body) -> Call:
        """See `Files`; `offset` is that of one of the blocks of 4 MiB, and the body all of it."""
        fields = {
            "vfile_id": vfile_id, "chunkid": offset // BLOCK_BYTES, "offset": offset, "chunksize": _length(body),
        }  # fmt: skip
        return self._call(
            "uploadChunk", fields, body=body, wait_s=(offset + BLOCK_BYTES) / VERIFY_BYTES_S, about=offset
        )

    def complete_call(self, vfile_id: int, size: int) -> None:
        """The last block says it."""

    def download_call(self, file: File, offset: int, size: int, sink: Sink) -> Call:
        """See `Files`; by digest."""
        fields = {"md5": file.md5, "offset": offset, "chunksize": size}
        return self._call("downloadFile", fields, sink=sink, gives=size, about=offset)

    def delete_file_call(self, path: str, name: str) -> Call:
        """Delete a file."""
        return self._call("deleteFile", {"filename": name, "path": path}, repeatable=False)

    def create_dir_call(self, prefix: str, name: str) -> Call:
        """Make a folder at `prefix` + `name`; one that is there is fine."""
        return self._call("createDir", {"prefix": prefix, "dirname": name})

    def delete_dir_call(self, prefix: str, name: str) -> Call:
        """Delete an empty folder; one that is gone is fine."""
        return self._call("deleteDir", {"prefix": prefix, "dirname": name})

    def ask(self, call: Call) -> Answer:
        """Make one of these calls and wait; raises what the server refused."""
        return self._server.ask(call, Dialect.FINAL)

    def _call(self, type: str, fields: dict[str, Any], **more: Any) -> Call:
        numbered = {**fields, "queueid": next(self._numbers)}
        return self._server.check(Call(type, self._server.fields(numbered), **more))


def files_of(server: NetdriveServer) -> Files:
    """Files in the dialect that the server was found to speak."""
    return FinalFiles(server) if server.dialect is Dialect.FINAL else DocumentedFiles(server)


def md5_of(read: Callable[[int], bytes], moved: Callable[[int], None] | None = None) -> tuple[str, int]:
    """MD5 in hexadecimal and length of what `read(size)` gives until b""; `moved` is told the bytes of each step."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    while piece := read(1024 * 1024):
        digest.update(piece)
        size += len(piece)
        if moved is not None:
            moved(len(piece))
    return digest.hexdigest(), size


class _Doubted:
    """Turns lists that are none into `NotHomestow`."""

    def __init__(self, server: NetdriveServer) -> None:
        self._authority = server.address.authority

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WrongField):
            raise NotHomestow(f"{self._authority} sends a list that cannot be read: {error}.") from error


def _described(file: Announced) -> dict[str, Any]:
    return {"filename": file.name, "path": file.path, "md5": file.md5, "size": file.size, "mtime": file.mtime_s}


def _length(body: Body) -> int:
    return len(body) if isinstance(body, bytes) else body.size
