"""Packs: many small files in one body.

A pack is a sequence of parts. A part is a 4-byte big-endian length of its header, the header as JSON, and then as many
bytes of content as the header's `size` says. The body ends after the last part. Upward headers are `api.PackItem`,
downward ones `api.PackHeader`.

Worked bytes: a file of 2 bytes "hi" with header `{"size":2,"mtime_ns":0,"parent":1,"name":"a"}` (45 bytes) is
`00 00 00 2d`, the 45 bytes, `68 69`.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from homestow.values.errors import BadRequest, TooLarge
from homestow.wire.api import MAX_PACK_FILE_BYTES, MAX_PACK_FILES, PackHeader, PackItem

MAX_HEADER_BYTES = 4096
_LENGTH = struct.Struct(">I")
_encode = msgspec.json.Encoder().encode

HeaderT = TypeVar("HeaderT", PackItem, PackHeader)


def head(header: PackItem | PackHeader) -> bytes:
    """What stands before the content of one file: the header's length and the header."""
    encoded = _encode(header)
    return _LENGTH.pack(len(encoded)) + encoded


def part(header: PackItem | PackHeader, content: bytes) -> bytes:
    """One part of a pack; `header.size` must be `len(content)`."""
    return head(header) + content


class PackReader(Generic[HeaderT]):
    """Reads a pack as it arrives: feed bytes in pieces of any size, take finished parts.

    Memory stays below one part (header 4 KiB, content 1 MiB) plus the piece being fed.
    """

    def __init__(self, kind: type[HeaderT], max_files: int = MAX_PACK_FILES) -> None:
        self._decode: Callable[[bytes], HeaderT] = msgspec.json.Decoder(kind).decode
        self._max_files = max_files
        self._files = 0
        self._buffer = bytearray()
        self._pending: HeaderT | None = None

    def feed(self, piece: bytes | memoryview) -> Iterator[tuple[HeaderT, bytes]]:
        """The parts that `piece` completes, in order.

        Raises:
            BadRequest: a header that is too long or not of its form.
            TooLarge: more files than a pack may have, or a file over 1 MiB.
        """
        self._buffer += piece
        buffer, at = self._buffer, 0
        try:
            while True:
                header = self._pending
                if header is None:
                    if len(buffer) - at < 4:
                        break
                    (length,) = _LENGTH.unpack_from(buffer, at)
                    if length > MAX_HEADER_BYTES:
                        raise BadRequest("A pack header has at most 4,096 bytes.")
                    if len(buffer) - at - 4 < length:
                        break
                    header = self._header(bytes(buffer[at + 4 : at + 4 + length]))
                    at += 4 + length
                    self._pending = header
                if len(buffer) - at < header.size:
                    break
                content = bytes(buffer[at : at + header.size])
                at += header.size
                self._pending = None
                yield header, content
        finally:
            del buffer[:at]

    def _header(self, data: bytes) -> HeaderT:
        try:
            header: HeaderT = self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"A pack header is not of its form: {error}") from error
        if not 0 <= header.size <= MAX_PACK_FILE_BYTES:
            raise TooLarge(
                "A file in a pack has at most 1 MiB; send larger ones as uploads.", limit=MAX_PACK_FILE_BYTES
            )
        self._files += 1
        if self._files > self._max_files:
            raise TooLarge(f"A pack has at most {self._max_files} files.", limit=self._max_files)
        return header

    def close(self) -> None:
        """Say that the body has ended.

        Raises:
            BadRequest: in the middle of a part.
        """
        if self._buffer or self._pending is not None:
            raise BadRequest("The pack ends in the middle of a file.")
