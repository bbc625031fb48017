"""The two sockets of the document: one that is connected when it is made, and one that serves."""

import logging
import os
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable

from pycloud.remembering import talks
from pycloud.shelves import sweep

MOST_CONNECTIONS = 256
MOST_PER_ADDRESS = 64
IDLE_S = 60.0
"""A connection on which nothing comes for so long is closed (S72)."""
STOP_S = 5.0

_log = logging.getLogger("pycloud")


class ClientSocket(socket.socket):
    """A connection to a server; it stands when the object is made.

    Args:
        host: name or address of the server.
        port: its port, 46000 usually.
    Raises:
        OSError: nobody answers there.
    """

    def __init__(self, host: str, port: int) -> None:
        connected = socket.create_connection((host, port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(fileno=connected.detach())
        self.host = host
        self.port = port


class ServerSocket(socket.socket):
    """A socket that listens, on all addresses of this computer: the other computers shall reach it.

    `PYCLOUD_HOST` in the environment names one address to listen on instead, such as 127.0.0.1. Its files are those of the
    working directory.

    Args:
        port: where to listen; 0 takes a free one.
    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int) -> None:
        self.host = os.environ.get("PYCLOUD_HOST", "")
        super().__init__(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._stopped.set()
        self._active: threading.Thread | None = None
        self._wake, self._woken = socket.socketpair()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        try:
            if os.name == "posix":  # elsewhere it would let two servers have one port
                self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.bind((self.host, port))
            self.listen(128)
        except OSError:
            self.close()
            raise
        self.port: int = self.getsockname()[1]

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """The next connection and its address; what comes on it is a stranger's."""
        connection, address = super().accept()
        talks.of(connection).served = True
        return connection, address

    def activate(self) -> None:
        """Serve until `close` is called, a thread for each connection, any number of messages on each."""
        from pycloud.talking import evaluate

        self._active = threading.current_thread()
        self._stopped.clear()
        sweep()
        _log.info("serving port=%s", self.port)
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(self, selectors.EVENT_READ)
                ready.register(self._woken, selectors.EVENT_READ)
                while not self._stopping.is_set():
                    if any(key.fileobj is self for key, _ in ready.select()):
                        self._take_next(evaluate)
        finally:
            self._end_connections()
            self._stopped.set()
            self.close()

    def close(self) -> None:
        """Stop serving; may be called from another thread, and twice. Connections are ended."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._wake.send(b"x")
        if self._active not in (None, threading.current_thread()):
            self._stopped.wait(2 * STOP_S)
        if self._stopped.is_set():
            self._wake.close()
            self._woken.close()
            super().close()

    def _take_next(self, evaluate: Callable[[socket.socket], int]) -> None:
        try:
            connection, _ = self.accept()
        except OSError as error:  # it left before it was taken, or there are no more handles
            _log.warning("no connection taken: %s", error)
            self._stopping.wait(0.05)
            return
        peer = talks.of(connection).peer
        with self._counting:
            full = len(self._open) >= MOST_CONNECTIONS or self._counts[peer] >= MOST_PER_ADDRESS
            if not full:
                self._counts[peer] += 1
                thread = threading.Thread(target=self._serve, args=(connection, peer, evaluate), daemon=True)
                self._open[thread] = connection
        if full:
            _log.warning("too many connections peer=%s", peer)
            connection.close()
            return
        thread.start()

    def _serve(self, connection: socket.socket, peer: str, evaluate: Callable[[socket.socket], int]) -> None:
        """One connection to its end, in a thread of its own."""
        try:
            with connection:
                connection.settimeout(IDLE_S)
                while not self._stopping.is_set() and evaluate(connection) == 0:
                    pass
        except Exception:  # noqa: BLE001  # the outer loop of a worker: what one peer does ends that connection only
            _log.exception("a connection ended with an error peer=%s", peer)
        finally:
            with self._counting:
                self._open.pop(threading.current_thread(), None)
                self._counts[peer] -= 1
                if not self._counts[peer]:
                    del self._counts[peer]

    def _end_connections(self) -> None:
        with self._counting:
            left = dict(self._open)
        for connection in left.values():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                continue
        for thread in left:
            thread.join(STOP_S)
