"""All use cases of one server in one place, as fronts are given them."""

from dataclasses import dataclass
from typing import Protocol

from homestow.server.ports.clock import Clock
from homestow.server.service.accounts import Accounts
from homestow.server.service.answers import Answers
from homestow.server.service.changes import Changes
from homestow.server.service.downloads import Downloads
from homestow.server.service.files import Files
from homestow.server.service.media import Media
from homestow.server.service.roots import Roots
from homestow.server.service.shares import Shares
from homestow.server.service.thumbnails import Thumbnails
from homestow.server.service.trashcan import Trashcan
from homestow.server.service.uploads import Uploads
from homestow.server.service.whole import WholeFiles
from homestow.wire.api import Order, Outcome


class Orders(Protocol):
    """Administration, as `service.admin` carries it out."""

    def run(self, order: Order) -> Outcome:
        """Carry out one order."""


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases; each is safe to call from any thread."""

    accounts: Accounts
    roots: Roots
    files: Files
    whole: WholeFiles
    uploads: Uploads
    downloads: Downloads
    trashcan: Trashcan
    changes: Changes
    admin: Orders
    clock: Clock
    answers: Answers
    media: Media
    thumbnails: Thumbnails
    shares: Shares

    def epoch(self) -> str:
        """Which life of the store this is."""
        return self.changes.epoch()
