"""Addresses of servers, as people type them and as we spell them."""

from typing import Final

from homestow.client.adapters.http_address import parse_url
from homestow.client.adapters.netdrive_address import parse_netdrive
from homestow.client.adapters.tcp_address import TcpAddress
from homestow.values.errors import BadRequest, BadSettings

_PORT: Final = 5000
_SCHEMES: Final = ("http", "https", "netdrive", "netdrives")


def address_of(url: str) -> str:
    """The one spelling of a server's address with its scheme.

    Raises:
        BadRequest: it is none, or of another kind than a server of ours has (S88).
    """
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in _SCHEMES:
        raise BadRequest(
            f"{url[:200]!r} is not the address of a server. It looks like https://cloud.example.org or http://192.168.1.20:5000."
        )
    try:
        if is_netdrive(scheme):
            return parse_netdrive(url).url
        address = parse_url(url)
    except BadSettings as error:
        raise BadRequest(error.message) from error
    return f"{scheme}://{address.authority}{address.prefix}"


def candidates_of(text: str) -> list[str]:
    """The addresses that somebody may mean who typed `text`, TLS first; with a scheme it is just that one.

    Raises:
        BadRequest: it can be none.
    """
    text = text.strip()
    if "://" in text or not text:
        return [address_of(text)]
    first = address_of(f"https://{text}")
    authority = text.partition("/")[0]
    has_port = authority.rpartition("]")[2].rpartition(":")[2].isdigit() and ":" in authority.rpartition("]")[2]
    plain = address_of(f"http://{text}")
    if has_port:
        return [first, plain]
    with_port = f"{authority}:{_PORT}{text[len(authority) :]}"
    return [first, address_of(f"https://{with_port}"), address_of(f"http://{with_port}"), plain]


def is_plain(url: str) -> bool:
    """Whether what is sent to this address, as typed by `address_of`, crosses a network without protection."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "netdrive"):
        return False
    address = parse_url(f"http://{rest}")
    return not TcpAddress("http", address.host, address.port).is_here


def is_netdrive(url: str) -> bool:
    """Whether an address, or a scheme, is of the netdrive protocol."""
    return url.partition("://")[0] in ("netdrive", "netdrives")
