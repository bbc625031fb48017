"""What server and worker say to each other: length and MessagePack over a socket pair, the file as a descriptor beside it."""

import socket
import struct
from typing import Final

import msgspec

from homestow.server.ports.media import Facts

MAX_ASK: Final = 16 * 1024
MAX_TOLD: Final = 32 * 1024 * 1024
_LENGTH: Final = struct.Struct("<I")


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One item; its file comes with it.

    Attributes:
        name: only its extension counts.
        sizes: longest sides of the thumbnails wanted; empty: facts are wanted.
        kind, duration_s: known facts, where thumbnails are wanted.
    """

    name: str
    sizes: tuple[int, ...] = ()
    kind: int = 0
    duration_s: float | None = None


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """A worker is ready; `walls` are those of `confine` that stand."""

    walls: list[str]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The answer.

    Attributes:
        broken: why there is none, else None.
        pictures: by size.
        used_bytes: memory the worker holds; a large one is replaced.
    """

    broken: str | None = None
    facts: Facts | None = None
    pictures: dict[int, bytes] = {}
    used_bytes: int = 0


def send(channel: socket.socket, body: bytes, descriptor: int | None = None) -> None:
    """Send one message, with a descriptor or without."""
    head = _LENGTH.pack(len(body))
    if descriptor is None:
        channel.sendall(head + body)
    else:
        # So short a message goes whole, or the channel is broken.
        socket.send_fds(channel, [head + body], [descriptor])


def receive(channel: socket.socket, limit: int) -> tuple[bytes, int] | None:
    """One message and the descriptor that came with it (-1: none); None at the end of the channel or for nonsense."""
    data, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, 1)
    descriptor = descriptors[0] if descriptors else -1
    while data and len(data) < _LENGTH.size:
        data += channel.recv(_LENGTH.size - len(data))
    if len(data) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(data)
    if length > limit:
        return None
    body = bytearray(length)
    view = memoryview(body)
    while view:
        got = channel.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return bytes(body), descriptor
