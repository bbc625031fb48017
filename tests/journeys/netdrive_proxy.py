"""A proxy before a netdrive server that counts which bytes of files pass it, reading the protocol as it goes by."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType

from homestow.wire.netdrive import Data, Requests


class CountingProxy:
    """Passes connections on to wherever the server is at that moment.

    Attributes:
        sent: bytes of files that went to the server, those sent again counted again.
    """

    def __init__(self, target: Callable[[], int | None]) -> None:
        """`target` gives the server's port now, None while there is none."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.sent = 0

    @property
    def url(self) -> str:
        """Its address as the client takes it."""
        return f"netdrive://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "CountingProxy":
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                _shut(sock)
        for thread in self._threads:
            thread.join(10)

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            port = self._target()
            try:
                server = socket.create_connection(("127.0.0.1", port), timeout=5) if port else None
            except OSError:
                server = None
            if server is None:
                client.close()
                continue
            server.settimeout(None)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._pass(client, server)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        reader = Requests()
        self._begin(lambda: self._pump(client, server, lambda data: self._count(reader, data)))
        self._begin(lambda: self._pump(server, client, lambda _: None))

    def _pump(self, source: socket.socket, sink: socket.socket, seen: Callable[[memoryview], None]) -> None:
        buffer = memoryview(bytearray(1 << 18))
        try:
            while count := source.recv_into(buffer):
                sink.sendall(buffer[:count])
                seen(buffer[:count])
        except OSError:
            pass
        finally:
            _shut(source)
            _shut(sink)
            with self._lock:
                self._open.discard(source)
            source.close()

    def _count(self, reader: Requests, data: memoryview) -> None:
        if reader.body_left and not reader.buffered:
            inside = min(reader.body_left, len(data))
            reader.passed(inside)
            self._add(inside)
            data = data[inside:]
        if not data:
            return
        reader.feed(data)
        while (event := reader.next()) is not None:
            if isinstance(event, Data):
                self._add(len(event.data))

    def _add(self, count: int) -> None:
        with self._lock:
            self.sent += count


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
