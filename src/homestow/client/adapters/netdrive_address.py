"""Where a server of the netdrive protocol is."""

import ipaddress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from homestow.values.errors import BadSettings

DEFAULT_PORT: Final = 4500
"""The port that the protocol's document names."""


class NetdriveAddress(NamedTuple):
    """Host and port; `tls`: the connection is secured from its first byte."""

    host: str
    port: int
    tls: bool = False

    @property
    def authority(self) -> str:
        """Host and port as people write them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The one spelling under which this server is remembered."""
        return f"netdrive{'s' if self.tls else ''}://{self.authority}"

    @property
    def is_here(self) -> bool:
        """Whether what is sent never leaves this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_netdrive(text: str, *, tls: bool = False) -> NetdriveAddress:
    """Read `netdrive://host:port`, `netdrives://host:port` (TLS), or host and port alone; the port may be left out.

    Args:
        tls: secured also where the address does not say so.
    Raises:
        BadSettings: another scheme, no host, or more than host and port.
    """
    problem = (
        f"{text!r} is not the address of a netdrive server. It looks like netdrive://host:4500 or netdrives://host."
    )
    if any(c <= " " or c == "\x7f" for c in text):
        raise BadSettings(problem)
    try:
        parts = urlsplit(text if "://" in text else f"netdrive://{text}")
        port, host = parts.port, parts.hostname
        name = host.encode("idna").decode() if host and ":" not in host else host
    except ValueError as error:
        raise BadSettings(problem) from error
    more = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in ("netdrive", "netdrives") or not name or more or port == 0:
        raise BadSettings(problem)
    return NetdriveAddress(name, DEFAULT_PORT if port is None else port, tls or parts.scheme == "netdrives")
