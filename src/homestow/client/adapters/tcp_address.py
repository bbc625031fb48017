"""Where a server is that is not reached over HTTP: `scheme://host:port`, an `s` behind the scheme for TLS."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from homestow.values.errors import BadSettings


class TcpAddress(NamedTuple):
    """Host and port; `tls`: the connection is secured from its first byte; `scheme` without its `s`."""

    scheme: str
    host: str
    port: int
    tls: bool = False

    @property
    def authority(self) -> str:
        """Host and port as people, and gRPC, write them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The one spelling under which this server is remembered."""
        return f"{self.scheme}{'s' if self.tls else ''}://{self.authority}"

    @property
    def is_here(self) -> bool:
        """Whether what is sent never leaves this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(
    text: str, scheme: str, port: int, problem: str, *, tls: bool = False, others: Sequence[str] = ()
) -> TcpAddress:
    """Read an address; scheme and port may be left out.

    Args:
        scheme: the usual one; with an `s` behind it the connection is secured.
        port: where none is named.
        problem: the message when it is none.
        tls: secured also where the address does not say so.
        others: schemes that mean the same, of which those that end in `s` are secured.
    Raises:
        BadSettings: another scheme, no host, or more than host and port.
    """
    if any(c <= " " or c == "\x7f" for c in text):
        raise BadSettings(problem)
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        given, host = parts.port, parts.hostname
        name = host.encode("idna").decode() if host and ":" not in host else host
    except ValueError as error:
        raise BadSettings(problem) from error
    more = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in (scheme, f"{scheme}s", *others) or not name or more or given == 0:
        raise BadSettings(problem)
    return TcpAddress(scheme, name, port if given is None else given, tls or parts.scheme.endswith("s"))
