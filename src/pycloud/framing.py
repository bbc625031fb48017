"""Frames on a blocking socket: four bytes of length, then the payload.

A socket with a timeout (those that `ServerSocket` accepts have one) is held to a pace, so that nobody keeps a thread by
sending a byte now and then; a socket without one is waited for as long as it takes.
"""

import socket
import time
from collections.abc import Callable, Iterator

from homestow.wire import picloud

MOST_ANSWER_BYTES = 65_536
"""Longest answer to a question that a client may send."""
HEAD_S = 10.0
"""A begun header has to be there after so many seconds (S72)."""
WINDOW_S = 30.0
LEAST_BYTES_PER_S = 1024
TRUNCATED_S = 10.0
"""So long the last bytes of a payload that the first PiCloud cuts off are waited for."""

_PIECE = 256 << 10


class CutShort(Exception):
    """The payload ended where the first PiCloud's sender forgets its last bytes: they never come."""


class Pace:
    """Whether bytes come fast enough: at least 1 KB/s over each 30 seconds (S72)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._came = 0

    def step(self, count: int) -> None:
        """So many bytes more have come.

        Raises:
            TimeoutError: in the last window it were too few.
        """
        self._came += count
        now = self._clock()
        if now - self._since >= WINDOW_S:
            if self._came < LEAST_BYTES_PER_S * (now - self._since):
                raise TimeoutError("It comes too slowly.")
            self._since, self._came = now, 0


def recv_all(client_sock: socket.socket) -> bytes | None:
    """Receive one message: the length first, then so many bytes.

    It comes as one `bytes` object, up to the 4 GiB that a frame can carry; `evaluate` writes long files to the disk instead.
    Returns:
        The payload, b"" for an empty message; None when the connection ended before the message was whole.
    """
    return receive(client_sock, most=picloud.MAX_PAYLOAD)


def proc_block(client_sock: socket.socket, length: int) -> bytes | None:
    """Receive exactly `length` bytes; None when the connection ends before that. 0 gives b"" at once."""
    block = bytearray()
    try:
        for piece in pieces(client_sock, length):
            block += piece
    except (OSError, CutShort):
        return None
    return bytes(block) if len(block) == length else None


def send(sock: socket.socket, b_data: bytes) -> int | None:
    """Send one message, `b_data` being its payload, b"" included: 0 success, None failure (the connection is gone, or 4 GiB)."""
    if len(b_data) > picloud.MAX_PAYLOAD:
        return None
    # The beginning goes with the length: a small message is one write, as the first PiCloud's reader needs it.
    view = memoryview(b_data)
    try:
        sock.sendall(len(b_data).to_bytes(picloud.HEAD_BYTES, "big") + view[:_PIECE])
        if len(b_data) > _PIECE:
            sock.sendall(view[_PIECE:])
    except OSError:
        return None
    return 0


def receive(sock: socket.socket, most: int) -> bytes | None:
    """One message of at most `most` bytes; None when there is none, or when it is longer: then nothing of it was read."""
    try:
        length = head(sock)
        if length is None or length > most:
            return None
        return proc_block(sock, length)
    except OSError:
        return None


def head(sock: socket.socket, within: float | None = None) -> int | None:
    """Length of the next message; None when the connection ended, or nothing came `within` seconds (None: as the socket says).

    Raises:
        OSError: the connection broke inside of the header.
    """
    patience = sock.gettimeout()
    if within is not None:
        sock.settimeout(within)
    try:
        got = sock.recv(picloud.HEAD_BYTES)
    except TimeoutError:
        return None
    finally:
        sock.settimeout(patience)
    until = time.monotonic() + HEAD_S
    while got and len(got) < picloud.HEAD_BYTES:
        more = sock.recv(picloud.HEAD_BYTES - len(got))
        if not more or (patience is not None and time.monotonic() > until):
            return None
        got += more
    return int.from_bytes(got, "big") if got else None


def pieces(sock: socket.socket, length: int) -> Iterator[bytes]:
    """The next `length` bytes as they come; fewer when the connection ends.

    Raises:
        OSError: the connection broke or is too slow.
        CutShort: it stands still where a sender of the first PiCloud stops.
    """
    patience = sock.gettimeout()
    pace = None if patience is None else Pace()
    missing = picloud.lost_at_end(length)
    left = length
    while left:
        waits_for_cut = patience is not None and left == missing
        if waits_for_cut:
            sock.settimeout(TRUNCATED_S)
        try:
            piece = sock.recv(min(left, _PIECE))
        except TimeoutError:
            if waits_for_cut:
                raise CutShort from None
            raise
        finally:
            if waits_for_cut:
                sock.settimeout(patience)
        if not piece:
            return
        left -= len(piece)
        if pace is not None:
            pace.step(len(piece))
        yield piece
