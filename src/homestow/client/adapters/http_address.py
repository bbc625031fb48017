"""Where a server is."""

from typing import NamedTuple
from urllib.parse import urlsplit

from homestow.values.errors import BadSettings


class Address(NamedTuple):
    """Where a server is: `path` of a unix socket, or host and port; `prefix` stands before every path of the API."""

    host: str
    port: int
    tls: bool
    prefix: str
    path: str = ""

    @property
    def authority(self) -> str:
        """The value of `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_url(url: str) -> Address:
    """Read a server's URL.

    Raises:
        BadSettings: not http, https or unix (S88), no host, with a user, a query or a fragment, or with control characters.
    """
    problem = (
        f"{url!r} is not the address of a server. It looks like http://host:5000 or https://cloud.example.org/path."
    )
    if any(c <= " " or c == "\x7f" for c in url):
        raise BadSettings(problem)
    if url.startswith("unix:/") and not url.startswith("unix://"):
        return Address("localhost", 80, tls=False, prefix="", path=url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
        name = host.encode("idna").decode() if host and ":" not in host else host
    except ValueError as error:
        raise BadSettings(problem) from error
    if parts.scheme not in ("http", "https") or not name or parts.query or parts.fragment or parts.username is not None:
        raise BadSettings(problem)
    tls = parts.scheme == "https"
    if not parts.path.isascii():
        raise BadSettings(problem)
    return Address(name, port or (443 if tls else 80), tls, parts.path.rstrip("/"))
