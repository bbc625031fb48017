"""What is known of the other end of a connection, and how one that is gone is noticed."""

import asyncio
import socket
import ssl
import sys
from contextlib import suppress
from fcntl import ioctl
from ipaddress import IPv6Address, ip_address
from termios import TIOCOUTQ
from typing import Final

_TCP_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)
_PROBES: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))
"""Whoever is silent for so many seconds is asked whether it is there, so often, so many times."""


def is_loopback(host: str) -> bool:
    """Whether `host` is an address of this machine's own loopback."""
    if host == "127.0.0.1":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def neighbourhood(host: str) -> str:
    """What one peer's connections are counted under: its address, of IPv6 the first 64 bits, which are one customer's."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))


def uses_tls(transport: asyncio.BaseTransport) -> bool:
    """Whether what is written to `transport` is encrypted on the way."""
    return isinstance(transport.get_extra_info("sslcontext"), ssl.SSLContext)


def end_stalled(sock: socket.socket, stall_s: float) -> None:
    """Have the kernel end the connection when its peer takes nothing that was sent for so long, sendfile included."""
    if _TCP_USER_TIMEOUT is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, int(stall_s * 1000))


def end_vanished(sock: socket.socket) -> None:
    """Have the kernel ask a peer that may be silent for long now and then whether it is still there."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def untaken(transport: asyncio.WriteTransport) -> int:
    """How many bytes were written and not taken by the peer, as far as the system tells."""
    waiting = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    with suppress(OSError):
        waiting += int.from_bytes(ioctl(sock.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    return waiting
