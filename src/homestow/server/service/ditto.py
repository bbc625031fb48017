"""The use cases of the Ditto services in one place, as their front is given them."""

from collections.abc import Sequence
from dataclasses import dataclass

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.clock import Clock
from homestow.server.ports.ditto import DittoRows
from homestow.server.ports.netdrive import Md5Rows
from homestow.server.ports.rights import RightsSource
from homestow.server.service.core import Core
from homestow.server.service.ditto_auth import DittoAuth
from homestow.server.service.ditto_events import DittoEvents
from homestow.server.service.ditto_files import DittoFiles
from homestow.server.service.ditto_tokens import Key
from homestow.server.service.md5s import Md5s
from homestow.server.service.services import Services

_AT_ONCE = 1000
_UNUSED_NS = 400 * 24 * 3600 * 1_000_000_000
"""A watch nobody used for so long is forgotten, and would begin with all there is again."""


@dataclass(frozen=True, slots=True)
class Ditto:
    """The use cases; each is safe to call from any thread. `close` before the core is closed."""

    services: Services
    auth: DittoAuth
    files: DittoFiles
    events: DittoEvents
    md5s: Md5s
    clock: Clock

    def close(self) -> None:
        """End what reads contents."""
        self.md5s.stop()


def drop_ditto_orphans(rows: DittoRows, catalogue: Catalogue, clock: Clock) -> None:
    """Forget what belongs to nothing any more; upkeep does it now and then."""
    while rows.drop_orphans(catalogue.compacted(), clock.now_ns() - _UNUSED_NS, _AT_ONCE) >= _AT_ONCE:
        continue


def make_ditto(
    core: Core, services: Services, rights: RightsSource, accounts: AccountRows, rows: DittoRows, md5_rows: Md5Rows,
    clock: Clock, keys: Sequence[Key], issuer: str,
) -> Ditto:  # fmt: skip
    """Put the use cases together.

    Args:
        keys: that sign access tokens, the newest last.
        issuer: what tokens name as their giver.
    """
    md5s = Md5s(core.catalogue, core.access, core.contents, md5_rows, clock)
    files = DittoFiles(core, services.roots, accounts, rows, md5s, clock)
    return Ditto(
        services=services,
        auth=DittoAuth(rows, services.accounts, clock, keys, issuer),
        files=files,
        events=DittoEvents(core.catalogue, rights, core.committer, rows, md5s, files.uuid_of, clock),
        md5s=md5s,
        clock=clock,
    )
