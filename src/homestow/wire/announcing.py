"""What a server tells of itself on the local network (mDNS, DNS-SD), and how little of what others tell is believed.

The record holds nothing secret and nothing of the store: version, whether TLS is spoken, the path of the API, the name that
people see, and where the owner has set it the address that the server is reached by from everywhere.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

SERVICE: Final = "_homestow._tcp.local."
"""The kind of service, as DNS-SD names it (RFC 6763)."""

INTERFACES: Final = "HOMESTOW_MDNS"
"""Environment variable of both ends: addresses of this machine, with commas between, on whose networks mDNS is spoken; without
it all but this machine's own."""

MAX_NAME: Final = 60
"""Bytes of the name that people see; a label of DNS has 63."""

_MAX_VALUE: Final = 200
_MAX_URL: Final = 240


class Told(NamedTuple):
    """What a record says: `name` for people; `url` where the server is reached from everywhere, "" not said."""

    name: str
    version: str
    tls: bool
    path: str = "/"
    url: str = ""


def shown(name: str) -> str:
    """A name as it may stand in a record or before people: printable, at most `MAX_NAME` bytes, "Homestow" when nothing is left."""
    kept = "".join(letter if letter.isprintable() and letter != "." else " " for letter in name)
    data = " ".join(kept.split()).encode(errors="ignore")[:MAX_NAME]
    return data.decode(errors="ignore").strip() or "Homestow"


def properties(told: Told) -> dict[str, str]:
    """A record as text fields."""
    found = {"name": shown(told.name), "version": told.version, "tls": "1" if told.tls else "0", "path": told.path}
    return found | ({"url": told.url} if told.url and len(told.url) <= _MAX_URL else {})


def read(fields: Mapping[bytes, bytes | None]) -> Told | None:
    """What a record says, whoever sent it (S92); None when it can be none of ours.

    Whether path and address are such is left to whoever makes an address of them.
    """
    text = {key: _text(fields.get(key.encode())) for key in ("name", "version", "tls", "path", "url")}
    if text["tls"] not in ("0", "1") or not text["version"]:
        return None
    return Told(shown(text["name"]), text["version"][:20], text["tls"] == "1", text["path"] or "/", text["url"])


def _text(value: bytes | None) -> str:
    """A field as text: "" where it is missing, too long, or anything but printable."""
    if value is None or len(value) > max(_MAX_VALUE, _MAX_URL):
        return ""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""
