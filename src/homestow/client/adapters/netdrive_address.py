"""Where a server of the netdrive protocol is."""

from typing import Final

from homestow.client.adapters.tcp_address import TcpAddress, parse_address

NetdriveAddress = TcpAddress

DEFAULT_PORT: Final = 4500
"""The port that the protocol's document names."""


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
    return parse_address(text, "netdrive", DEFAULT_PORT, problem, tls=tls)
