"""Where a server listens, and the certificate it shows."""

import asyncio
import errno
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
_CERTIFICATE_CHECK_S: Final = 60.0
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ListenFailed(Exception):
    """The server cannot listen on `address`; the text says why in one line and what to do."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {address}: {reason}")
        self.address = address


class TlsUnusable(Exception):
    """The certificate or its key cannot be used; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a front answers. `url` has no slash at its end."""

    host: str
    port: int
    url: str

    @property
    def shown(self) -> str:
        """HOST:PORT, as people write it."""
        return shown(self.host, self.port)


class Tls:
    """A certificate and its key, read anew when the files change (S101). TLS 1.2 at least, forward secrecy always.

    Raises:
        TlsUnusable: a file is missing or unreadable, or they do not belong together.
    """

    def __init__(self, cert: Path, key: Path, protocol: str | None = "http/1.1") -> None:
        """Take them.

        Args:
            protocol: what is spoken (ALPN); None where that has no name, so that nobody is sent here for HTTP.
        """
        self._cert, self._key = cert, key
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        if protocol is not None:
            context.set_alpn_protocols([protocol])
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        self.context = context
        self._seen = self._stamp()
        self._load(context)

    def _stamp(self) -> tuple[int, int]:
        try:
            return self._cert.stat().st_mtime_ns, self._key.stat().st_mtime_ns
        except OSError as error:
            raise TlsUnusable(f"cannot read the certificate or its key: {error}") from error

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            raise TlsUnusable(f"cannot use {self._cert} with {self._key}: {error}") from error

    def renewed(self) -> tuple[int, int] | None:
        """Look whether there is a renewed certificate, and try it; what `take` needs, None when there is none.

        Raises:
            TlsUnusable: the new files cannot be used.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        # Into a context of its own, so that half-written files never spoil the one in use.
        self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        return stamp

    def take(self, stamp: tuple[int, int]) -> None:
        """Use what `renewed` found for connections to come. On the loop, where no handshake can begin between the two files.

        Raises:
            TlsUnusable: the files have changed since and cannot be used.
        """
        self._load(self.context)
        self._seen = stamp


class Renewals:
    """Looks once a minute whether certificates were renewed."""

    def __init__(self) -> None:
        self._watched: list[Tls] = []
        self._watch: asyncio.Task[None] | None = None

    def follow(self, tls: Tls) -> None:
        """Look after one more, on the running loop."""
        self._watched.append(tls)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Look no more. May be called twice."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_CERTIFICATE_CHECK_S)
            for tls in self._watched:
                try:
                    stamp = await loop.run_in_executor(None, tls.renewed)
                    if stamp is not None:
                        tls.take(stamp)
                        log.info("the TLS certificate was renewed")
                except TlsUnusable as error:
                    log.error("keeping the old TLS certificate: %s", error)


def shown(host: str, port: int) -> str:
    """HOST:PORT, as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_reason(error: OSError) -> str:
    """Why listening failed and what to do, in one line."""
    match error.errno:
        case errno.EADDRINUSE:
            return "something else listens there already; stop it or choose another port"
        case errno.EACCES | errno.EPERM:
            return "this user may not; choose a port above 1023"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return error.strerror or str(error)
