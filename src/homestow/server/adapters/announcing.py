"""The server announces itself on the local network by mDNS, so that windows find it without an address."""

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from homestow import __version__
from homestow.wire.announcing import INTERFACES, SERVICE, Told, properties, shown

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

log = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 60.0
"""So often it is looked whether this machine has other addresses: a server is often up before its network is."""

_GOODBYE_S: Final = 3.0


class Announcer:
    """Announces one address of a server until `run` is cancelled, and says goodbye then.

    Args:
        host, port: what the HTTP front is bound to.
        told: what is said of it; its `name` also names the service, with a number behind it when another server has it.
        interfaces: addresses on whose networks to speak; empty: all of this machine but its own.
    """

    def __init__(self, host: str, port: int, told: Told, interfaces: Sequence[str] = ()) -> None:
        self._host, self._port, self._told, self._interfaces = host, port, told, interfaces
        self._speaking: AsyncZeroconf | None = None

    async def run(self) -> None:
        """Speak; trouble is told in the log once and tried again later."""
        before: list[str] | None = None
        failed = False
        try:
            while True:
                addresses = await asyncio.get_running_loop().run_in_executor(None, self.addresses)
                if addresses != before or (failed and addresses):
                    await self._end()
                    try:
                        if addresses:
                            await self._begin(addresses)
                        elif before is None:
                            log.warning("not announced: nothing but this machine itself could reach the server")
                        failed = False
                    except Exception as error:  # noqa: BLE001 - the outer loop: a network without multicast stops no server
                        await self._end()
                        if not failed:
                            log.warning("not announced on the local network", extra={"reason": str(error)})
                        failed = True
                    before = addresses
                await asyncio.sleep(LOOK_AGAIN_S)
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end(), _GOODBYE_S)

    def addresses(self) -> list[str]:
        """The addresses by which others reach the server; this machine's own only where `interfaces` names it."""
        import ifaddr

        if _is_everywhere(self._host):
            here = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
        else:
            try:
                here = [str(place[4][0]) for place in socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)]
            except OSError:
                here = []
        if self._interfaces:
            return sorted(set(here) & set(self._interfaces))
        return sorted({each for each in here if not ip_address(each.partition("%")[0]).is_loopback})

    async def _begin(self, addresses: list[str]) -> None:
        from zeroconf import IPVersion, ServiceInfo
        from zeroconf.asyncio import AsyncZeroconf

        only_v6 = all(":" in each for each in addresses)
        version = IPVersion.V6Only if only_v6 else IPVersion.V4Only
        self._speaking = AsyncZeroconf(
            interfaces=[each for each in addresses if only_v6 or ":" not in each], ip_version=version
        )
        host = socket.gethostname().partition(".")[0] or "homestow"
        info = ServiceInfo(
            SERVICE,
            f"{shown(self._told.name)}.{SERVICE}",
            port=self._port,
            parsed_addresses=addresses,
            properties=properties(self._told),
            server=f"{host}.local.",
        )
        await (await self._speaking.async_register_service(info, allow_name_change=True))
        log.info("announced on the local network", extra={"as": info.name, "addresses": addresses})

    async def _end(self) -> None:
        speaking, self._speaking = self._speaking, None
        if speaking is not None:
            await speaking.async_unregister_all_services()
            await speaking.async_close()


def _is_everywhere(host: str) -> bool:
    try:
        return not host or ip_address(host).is_unspecified
    except ValueError:
        return False


def announcer(host: str, port: int, env: Mapping[str, str], *, tls: bool, url: str) -> Announcer:
    """What announces this server under this machine's name; `url` is where it is reached from everywhere, "" nothing said."""
    interfaces = [each.strip() for each in env.get(INTERFACES, "").split(",") if each.strip()]
    return Announcer(host, port, Told(socket.gethostname().partition(".")[0], __version__, tls, url=url), interfaces)
