"""The use cases of PiCloud's messages in one place, as their front is given them."""

import logging
from dataclasses import dataclass

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.sessions import Sessions as SessionRows
from homestow.server.service.core import Core
from homestow.server.service.picloud_files import PicloudFiles
from homestow.server.service.picloud_logins import LOGIN_S, Logins
from homestow.server.service.services import Services

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picloud:
    """The use cases; each is safe to call from any thread."""

    services: Services
    logins: Logins
    files: PicloudFiles

    def close(self) -> None:
        """Write down what is only in memory; before the database is closed."""
        self.logins.flush()


def make_picloud(
    core: Core, services: Services, accounts: AccountRows, sessions: SessionRows, *, inbox_root: str | None = None,
    current_user: bool = False, login_s: int = LOGIN_S,
) -> Picloud:  # fmt: skip
    """Put the use cases together.

    Args:
        inbox_root: name of the root that takes files of those who are not logged in.
        current_user: whoever is not logged in counts as the one who logged in last; a warning is told.
        login_s: seconds an address stays logged in without being used.
    """
    if current_user:
        log.warning(
            "picloud_current_user is on: who is not logged in reads and writes the files of whoever logged in last; "
            "leave it on only where one person uses this server"
        )
    logins = Logins(
        sessions, services.accounts, accounts, services.roots, services.clock, idle_s=login_s, current_user=current_user
    )
    files = PicloudFiles(
        core.catalogue, accounts, services.roots, core.files, core.whole, core.downloads, inbox_root
    )  # fmt: skip
    return Picloud(services, logins, files)
