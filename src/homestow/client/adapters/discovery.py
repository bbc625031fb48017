"""Servers that announce themselves on the local network (mDNS).

What comes from the network is read in a process of its own, `python -m homestow.client.adapters.discovery SECONDS`: it goes when
it is done, and with it the memory that the library takes. Nothing that is announced is believed (S92): a server is only shown,
and asked who it is when somebody chooses it.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from homestow.client.adapters.server_address import address_of
from homestow.client.ports.accounts import Announced
from homestow.values.errors import BadRequest, Unreachable
from homestow.wire.announcing import INTERFACES, SERVICE, read, shown

if TYPE_CHECKING:
    from zeroconf import ServiceInfo

MAX_FOUND: Final = 100
"""So many servers are shown; more there are only where somebody floods the network."""

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MAX_OUTPUT: Final = 1024 * 1024
_START_S: Final = 15.0


def discover(seconds: float) -> Sequence[Announced]:
    """Look for servers for so long, by name; each address once.

    Raises:
        Unreachable: this computer cannot look.
    """
    try:
        ran = subprocess.run(
            [sys.executable, "-m", __name__, f"{seconds:.3f}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds + _START_S,
            check=False,
        )
        rows = json.loads(ran.stdout[:_MAX_OUTPUT]) if ran.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise Unreachable("This computer cannot look for servers on the local network; type the address.") from error
    if rows is None:
        raise Unreachable("This computer cannot look for servers on the local network; type the address.")
    return [Announced(str(name), str(url)) for name, url in rows]


def look(seconds: float, interfaces: Sequence[str] = ()) -> list[Announced]:
    """The same in this process.

    Args:
        interfaces: addresses of this machine on whose networks to look; empty: all.
    Raises:
        OSError: there is no network, or none with multicast.
    """
    from zeroconf import InterfaceChoice, ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

    names: dict[str, None] = {}

    def heard(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            names.pop(name, None)
        elif len(names) < MAX_FOUND:
            names[name] = None

    give_up = time.monotonic() + seconds
    network = Zeroconf(interfaces=list(interfaces) or InterfaceChoice.Default)
    try:
        browser = ServiceBrowser(network, SERVICE, handlers=[heard])
        time.sleep(max(0.0, seconds * 0.75))
        found: dict[str, Announced] = {}
        for name in list(names):
            info = ServiceInfo(SERVICE, name)
            left_ms = 1000 * (give_up - time.monotonic())
            if info.load_from_cache(network) or (left_ms > 0 and info.request(network, min(left_ms, 1000))):
                if (server := announced(info)) is not None:
                    found.setdefault(server.url, server)
        browser.cancel()
    finally:
        network.close()
    return sorted(found.values())


def announced(info: "ServiceInfo") -> Announced | None:
    """The server of a record, by an address that could be one; None where there is none."""
    told = read(info.properties)
    if told is None or not info.port:
        return None
    if told.url:
        # Where the owner says that it is reached from everywhere: also when this computer is elsewhere.
        try:
            return Announced(told.name, _web(told.url))
        except BadRequest:
            return None
    scheme = "https" if told.tls else "http"
    # A certificate is made out to a name; without one the number works also where names of the network are not asked for.
    name = (info.server or "").rstrip(".")
    hosts = [name] if told.tls and _HOST.fullmatch(name) else []
    hosts += [f"[{each}]" if ":" in each else each for each in info.parsed_addresses() if _is_somebody(each)]
    for host in hosts:
        try:
            return Announced(told.name, _web(f"{scheme}://{host}:{info.port}{'/' + told.path.strip('/')}"))
        except BadRequest:
            continue
    return None


def _web(url: str) -> str:
    if not url.isascii() or not url.lower().startswith(("http://", "https://")):
        raise BadRequest("Not the address of a server.")
    return address_of(url)


def _is_somebody(address: str) -> bool:
    """Whether one machine can have this address; a part of its own network alone (fe80::) needs an interface beside it."""
    found = ip_address(address.partition("%")[0])
    return not (found.is_unspecified or found.is_multicast or (found.version == 6 and found.is_link_local))


def main(seconds: str) -> None:
    """Look, and print name and address of each server as JSON."""
    interfaces = [each.strip() for each in os.environ.get(INTERFACES, "").split(",") if each.strip()]
    rows = [(shown(name), url) for name, url in look(min(max(float(seconds), 0.1), 60.0), interfaces)]
    sys.stdout.write(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1])
