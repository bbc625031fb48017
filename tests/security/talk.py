"""HTTP as an attacker speaks it: bytes just so, over one connection or one each, and whatever comes back."""

import re
import socket
from types import TracebackType

from tests.fronts.api.rig import Answer, Rig

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


class Talk:
    """One connection that is kept, and opened anew when the server closed it."""

    def __init__(self, rig: Rig, user: str = "anna") -> None:
        self._rig = rig
        self._token = rig.token(user)
        self._sock: socket.socket | None = None
        self._rest = b""

    def __enter__(self) -> "Talk":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def ask(self, method: str, target: str, body: bytes = b"", kind: str = "application/json") -> Answer:
        """One request; `target` goes out as it is, in UTF-8."""
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if self._sock is None:
            self._sock = socket.create_connection((self._rig.host, self._rig.port), timeout=20)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.sendall(head.encode() + body)
        return self._answer()

    def _answer(self) -> Answer:
        head, _, self._rest = self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(self._rest) < size:
            self._rest += self._more()
        body, self._rest = self._rest[:size], self._rest[size:]
        if headers.get("connection") == "close" or first.startswith("HTTP/1.0 "):
            self._hang_up()
        return Answer(int(first.split(" ")[1]), headers, body)

    def _until(self, mark: bytes) -> tuple[bytes, bytes, bytes]:
        while mark not in self._rest:
            self._rest += self._more()
        return self._rest.partition(mark)

    def _more(self) -> bytes:
        assert self._sock is not None
        data = self._sock.recv(65536)
        assert data, "the server hung up without an answer"
        return data

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock, self._rest = None, b""


def everything(rig: Rig, data: bytes) -> bytes:
    """All that comes back for these bytes until the server closes or resets the connection."""
    got = b""
    with socket.create_connection((rig.host, rig.port), timeout=20) as sock:
        try:
            sock.sendall(data)
            while part := sock.recv(65536):
                got += part
        except ConnectionError:
            pass
    return got


def statuses(got: bytes) -> list[int]:
    """Statuses of the answers in what came back."""
    return [int(status) for status in _STATUS.findall(got)]
