"""Connect a socket, secured when asked for, before a deadline; what fails is said in words."""

import errno
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from homestow.values.errors import NotHomestow, Unreachable

if TYPE_CHECKING:
    import ssl


class Dialer:
    """Connections to one host and port; may be used from several threads.

    Args:
        authority: what errors call it.
        tls: always verified, TLS 1.2 or newer; SSL_CERT_FILE names other roots of trust (S89).
        timeout_s: longest time for a connection, its security included.
        path: of a local socket, which takes the place of host and port; "": none.
        protocols: what is spoken (ALPN); empty where that has no name.
    """

    def __init__(
        self, host: str, port: int, authority: str, *, tls: bool, timeout_s: float, path: str = "",
        protocols: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._host, self._port, self.authority, self._tls = host, port, authority, tls
        self._timeout_s = timeout_s
        self._path = path
        self._protocols = protocols
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def connect(self) -> socket.socket:
        """A new connection, without delay for small messages.

        Raises:
            Unreachable: nothing answers there. NotHomestow: it cannot prove who it is, or speaks no TLS.
        """
        deadline = time.monotonic() + self._timeout_s
        sock = None
        try:
            sock = self._dial(deadline)
            if self._tls:
                sock = self._secure(sock, deadline)
        except OSError as error:
            if sock is not None:
                sock.close()
            raise self._failed(error) from error
        return sock

    def broken(self, error: BaseException) -> Unreachable:
        """The error for a connection that failed."""
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.authority} did not answer within {self._timeout_s:g} seconds.")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the connection broke"
        return Unreachable(f"{self.authority} cannot be reached: {reason}.")

    def _dial(self, deadline: float) -> socket.socket:
        if self._path:
            return self._dial_local()
        failed: OSError = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        # As bytes: of text, Python would load its tables of international names even for plain ones.
        asked = self._host.encode() if self._host.isascii() else self._host
        for family, kind, protocol, _, place in socket.getaddrinfo(asked, self._port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                sock.connect(place)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                sock.close()
                failed = error
                continue
            return sock
        raise failed

    def _dial_local(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self._timeout_s)
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        return sock

    def _secure(self, sock: socket.socket, deadline: float) -> socket.socket:
        import ssl

        with self._lock:
            if self._context is None:
                context = ssl.create_default_context()
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                if self._protocols:
                    context.set_alpn_protocols(list(self._protocols))
                self._context = context
            context = self._context
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        return context.wrap_socket(sock, server_hostname=self._host)

    def _failed(self, error: OSError) -> Unreachable | NotHomestow:
        if not self._tls:
            return self.broken(error)
        import ssl

        if isinstance(error, ssl.SSLCertVerificationError):
            return NotHomestow(
                f"{self.authority} cannot prove who it is: {error.verify_message}. "
                "For a certificate of your own, name its authority's file in SSL_CERT_FILE."
            )
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            return NotHomestow(f"{self.authority} does not speak TLS 1.2 or newer. Is the address right?")
        return self.broken(error)
