"""Everything that keeps a store in order, put together: administration, watching the disk, upkeep, verify and backup."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.clock import Clock
from homestow.server.ports.copies import Copies
from homestow.server.rules.retention import Retention
from homestow.server.service.accounts import Accounts
from homestow.server.service.admin import Admin
from homestow.server.service.backup import Backup
from homestow.server.service.core import Core
from homestow.server.service.merging import Merging
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.server.service.scanning import ReadMedia, Scanning
from homestow.server.service.stopping import Stopping
from homestow.server.service.upkeep import Upkeep
from homestow.server.service.verify import Verify
from homestow.server.service.watching import Watching


@dataclass(frozen=True, slots=True)
class Keeping:
    """`start` what runs beside a server; commands on a store without one need only `admin`."""

    admin: Admin
    verify: Verify
    backup: Backup
    upkeep: Upkeep
    watching: Watching
    stopping: Stopping

    def start(self) -> None:
        """Begin watching and upkeep on threads of their own."""
        self.stopping.reset()
        self.watching.start()
        self.upkeep.start()

    def stop(self) -> None:
        """End both, and whatever else goes through whole roots; before the core is closed."""
        self.stopping.ask()
        self.watching.stop()
        self.upkeep.stop()


def make_keeping(
    core: Core, outside: Outside, accounts: Accounts, account_rows: AccountRows, roots: Roots, copies: Copies,
    clock: Clock, policy: Retention, rescan_s: float, watch: bool, backup_key: bytes | None,
    read_media: ReadMedia | None = None, data: Path | None = None, sweeps: Sequence[Callable[[], object]] = (),
) -> Keeping:  # fmt: skip
    """Put it together.

    Args:
        rescan_s: seconds between full comparisons with the disk, 0 for none after the first.
        watch: take hints about outside changes where the store gives them.
        backup_key: seals backups; None leaves them unsealed.
        data: the data folder, whose settings files are backed up.
        sweeps: what other use cases do in each round of upkeep.
        read_media: reads what a scan leaves to be read; None: nothing is.
    """
    merging = Merging(core.catalogue, roots, core.committer, clock)
    merging.settle()
    verify = Verify(core.catalogue, roots, core.committer, outside, copies, clock)
    backup = Backup(core.catalogue, roots, core.committer, outside, copies, clock, backup_key, data)
    scanning = Scanning(accounts, roots, outside, merging, clock, read_media)
    return Keeping(
        admin=Admin(core, accounts, roots, outside, verify, backup, scanning),
        verify=verify,
        backup=backup,
        upkeep=Upkeep(core, accounts, account_rows, roots, clock, policy, sweeps),
        watching=Watching(outside, roots, clock, rescan_s, watch),
        stopping=outside.stopping,
    )
