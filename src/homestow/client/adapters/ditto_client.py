"""A client of the Ditto services: files sent in numbered blocks, and a stream of events.

`docs/guides/ditto.md` has an example. It needs the package's gRPC parts, which are loaded with this module.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from homestow.client.adapters.ditto_connection import PATIENCE_S, TIMEOUT_S, DittoConnection, TokenStore
from homestow.client.adapters.ditto_sending import STREAMS, Known, Progress, Sending
from homestow.client.adapters.ditto_values import (
    BlockStatus,
    DittoAccess,
    DittoBlock,
    DittoEvent,
    DittoFile,
    DittoTokens,
    EventKind,
    FileStatus,
    block_of,
    file_of,
    parse_ditto,
)
from homestow.client.adapters.ditto_watching import Watching
from homestow.values.errors import NotFound
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb
from homestow.wire.ditto.calls import FAST_BLOCK_BYTES, MAX_PAGE

_SLOWEST: Final = 16 * 1024
"""Bytes a second of a link on which a block still comes through before its deadline."""

_VERIFIED: Final = 32 * 1024 * 1024
"""Bytes a second that the slowest server reads again to verify a whole file."""


class DittoClient:
    """One user of one server, through one registered client; safe to use from several threads at once. Close it.

    Every method raises a `CloudError` of `values.errors` that says what went wrong, by its code: `login-failed` (wrong client,
    secret, user or password), `login-needed` (the login ended and there is no password), `not-found`, `digest-mismatch`,
    `quota-exceeded`, `unreachable` and so on. A call has a deadline; one that no answer came to is made again for `patience_s`
    seconds if that is harmless, and `unreachable` after that.

    Args:
        address: "host:port", "ditto://host:port", or "dittos://host:port" for TLS.
        client_id, client_secret: as `homestow client add` gave them.
        user, password: of an account; the password may be left out beside `tokens` or a `store` that has some.
        tls: secured also where the address does not say so.
        ca: PEM of the authorities to trust instead of this computer's.
        http: the server's HTTP address, where a refresh token can be used; without it the password is needed every hour.
        allow_plain: connect to another machine without TLS.
        timeout_s: seconds for an answer; blocks get more, by their size.
        pause: waits so many seconds between tries, for tests.
    Raises:
        BadSettings: the address is none, or another machine's without TLS.
    """

    def __init__(
        self, address: str, client_id: str, client_secret: str, user: str = "", password: str | None = None, *,
        tokens: DittoTokens | None = None, store: TokenStore | None = None, tls: bool = False, ca: bytes | None = None,
        http: str | None = None, allow_plain: bool = False, timeout_s: float = TIMEOUT_S, patience_s: float = PATIENCE_S,
        pause: Callable[[float], object] | None = None,
    ) -> None:  # fmt: skip
        self._connection = DittoConnection(
            parse_ditto(address, tls=tls), DittoAccess(client_id, client_secret, user, password), tokens=tokens,
            store=store, ca=ca, http=http, allow_plain=allow_plain, timeout_s=timeout_s, patience_s=patience_s, pause=pause,
        )  # fmt: skip

    def __enter__(self) -> "DittoClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections; streams of events end, calls of other threads fail with `unreachable`."""
        self._connection.close()

    def log_in(self) -> DittoTokens:
        """Tokens that count now; a login happens when there are none. Calls do this by themselves."""
        return self._connection.tokens()

    # --- files --------------------------------------------------------------------------------------------------------

    def create(self, name: str, size: int, *, md5: str = "", kind: str = "") -> DittoFile:
        """Announce a file; its blocks come next. One of 0 bytes is written at once.

        Not made again when no answer came, since there could be two then.

        Args:
            name: slashes make folders below the folder `Ditto`; 1,024 bytes of UTF-8 at most.
            size: bytes.
            md5: 32 hexadecimal digits of the whole content, which is not written unless it has it; "": not verified.
            kind: whatever says what it is, a media type for example.
        """
        file = pb.DittoFile(name=name, size=size, md5=md5, type=kind)
        made = self._connection.call(calls.CREATE_FILE, pb.CreateFileRequest(file=file), repeatable=False)
        return file_of(made)

    def get(self, uuid: str) -> DittoFile:
        """The file as it is now. Raises `NotFound` when there is none of this user's."""
        return file_of(self._connection.call(calls.GET_FILE, pb.GetFileRequest(uuid=uuid)))

    def list(self, status: FileStatus | None = None) -> Iterator[DittoFile]:
        """All files that were announced, in that order; those of one status if it is told. Asks page by page."""
        request = pb.ListFilesRequest(page_size=MAX_PAGE, status=None if status is None else status.name)
        while True:
            page = self._connection.call(calls.LIST_FILES, request)
            yield from map(file_of, page.files)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def list_blocks(self, uuid: str, first: int = 0, status: BlockStatus | None = None) -> Iterator[DittoBlock]:
        """Blocks of a file from number `first` on, in order; those of one status if it is told. Asks page by page.

        Missing ones are among them (`NONE`) as soon as the server knows how large the blocks are.
        """
        request = pb.ListFileBlocksRequest(
            file_uuid=uuid, block_no=first, page_size=MAX_PAGE, status=None if status is None else status.name
        )
        while True:
            page = self._connection.call(calls.LIST_FILE_BLOCKS, request)
            yield from map(block_of, page.blocks)
            if not page.next_block_no:
                return
            request.block_no = page.next_block_no

    def upload_block(self, uuid: str, no: int, data: bytes, *, md5: str = "", file_size: int = 0) -> DittoBlock:
        """Send a block; the same again is harmless. The one that completes the file has it verified and written.

        Args:
            no: from 0 on; all blocks but the last have one size, 8,384,512 bytes at most.
            md5: 32 hexadecimal digits, of this block; "": not verified.
            file_size: of the whole file in bytes; a long one gets more time to be verified.
        Raises:
            DigestMismatch: the block, or now the whole file, is not what was declared. The blocks are kept.
            Stale: the file is written, with another block.
        """
        block = pb.DittoFileBlock(block_no=no, block_size=len(data), md5=md5, block=data)
        wait_s = self._connection.timeout_s + len(data) / _SLOWEST + file_size / _VERIFIED
        request = pb.UploadFileBlockRequest(file_uuid=uuid, block=block)
        return block_of(self._connection.call(calls.UPLOAD_FILE_BLOCK, request, timeout_s=wait_s))

    def delete(self, uuid: str) -> None:
        """Delete a file; one that is written goes to the trash. Raises `NotFound` when there is none."""
        self._connection.call(calls.DELETE_FILE, pb.DeleteFileRequest(uuid=uuid), done_if=NotFound)

    def upload(
        self, path: str | Path, *, name: str | None = None, kind: str | None = None, known: Known | None = None,
        block_size: int = FAST_BLOCK_BYTES, streams: int = STREAMS, progress: Progress | None = None,
        announced: Callable[[Known], None] | None = None,
    ) -> DittoFile:  # fmt: skip
        """Send a whole file, several blocks side by side, and see it written.

        Args:
            name: what it is called there; default: as here.
            kind: default: its media type, by its name.
            known: what an earlier upload of it was told as `announced`: it goes on there, if the file is still the same.
            block_size: bytes, 1 to 8,384,512.
            streams: connections that blocks go over at the same time.
            progress: told (name, bytes) for each block that the server has, from several threads; those of a file that goes
                on at once.
            announced: told once, before the first block goes out, what to keep for a later `known`.
        Returns:
            the file, WRITTEN.
        Raises:
            Stale: it changed while it was read. OSError: it cannot be read.
        """
        sending = Sending(self, block_size, streams, progress or (lambda *_: None))
        return sending.send(Path(path), name, kind, known, announced or (lambda _: None))

    # --- events -------------------------------------------------------------------------------------------------------

    def watch(self, kinds: Collection[EventKind] = (), watch_uuid: str = "") -> Iterator[DittoEvent]:
        """Events of this user, oldest first, without end; whatever happens to the connection, none is left out.

        Asking for the next event tells the server that the one before was processed. An event that was handed out before is
        not handed out again by this iterator; another one, of a program that was started anew, may give it again with the same
        uuid.

        Args:
            kinds: those alone; none: all.
            watch_uuid: which reader this is, up to 128 characters: the server remembers how far each came. A new one, also "",
                begins with all the history there is.
        """
        return Watching(self._connection, kinds, watch_uuid).events()
