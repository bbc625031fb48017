"""The use cases around nodes and content, put together over their ports."""

from collections.abc import Callable
from dataclasses import dataclass

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.clock import Clock
from homestow.server.ports.rights import RightsSource, StoreSet
from homestow.server.service.access import Access
from homestow.server.service.answers import Answers
from homestow.server.service.appends import Appends
from homestow.server.service.arrivals import Arrivals
from homestow.server.service.blocks import Blocks
from homestow.server.service.changes import Changes
from homestow.server.service.committer import Committer
from homestow.server.service.contents import Contents, OutsideLook
from homestow.server.service.downloads import Downloads
from homestow.server.service.files import Files
from homestow.server.service.publishing import Publisher
from homestow.server.service.recovery import settle_intents
from homestow.server.service.trashcan import Trashcan
from homestow.server.service.uploads import LIFETIME_NS, Uploads
from homestow.server.service.whole import WholeFiles
from homestow.server.service.work import Ground


@dataclass(frozen=True, slots=True)
class Core:
    """Everything fronts call about files; `close` ends it."""

    catalogue: Catalogue
    ground: Ground
    committer: Committer
    access: Access
    contents: Contents
    files: Files
    trashcan: Trashcan
    uploads: Uploads
    arrivals: Arrivals
    appends: Appends
    whole: WholeFiles
    downloads: Downloads
    changes: Changes
    answers: Answers
    outside: OutsideLook

    def close(self) -> None:
        """Finish what is under way and let go."""
        self.committer.close()
        self.uploads.close()


def make_core(
    catalogue: Catalogue, stores: StoreSet, rights: RightsSource, clock: Clock, boot: str,
    outside: Callable[[Committer], OutsideLook], *, inline: bool = False, upload_lifetime_ns: int = LIFETIME_NS,
) -> Core:  # fmt: skip
    """Settle what a crash left, then put the use cases together.

    Args:
        boot: which run of the machine this is (see `Arrivals`).
        outside: makes who registers changes from outside, given the committer.
        inline: no committer thread: every change is carried out by its caller (simulation, tools).
    """
    ground = Ground(catalogue, stores, rights, clock)
    settle_intents(ground)
    committer = Committer(ground, lambda: settle_intents(ground), inline=inline)
    looks = outside(committer)
    access = Access(catalogue, rights)
    contents = Contents(catalogue, stores, committer, looks)
    publisher = Publisher(catalogue, stores, committer, looks)
    blocks = Blocks()
    arrivals = Arrivals(stores, committer, clock, boot, upload_lifetime_ns)
    uploads = Uploads(
        catalogue, stores, access, committer, publisher, contents, blocks, clock, arrivals, upload_lifetime_ns
    )
    files = Files(catalogue, stores, access, committer, publisher, contents, looks)
    return Core(
        catalogue=catalogue,
        ground=ground,
        committer=committer,
        access=access,
        contents=contents,
        files=files,
        trashcan=Trashcan(catalogue, stores, access, committer, publisher, contents, files),
        uploads=uploads,
        arrivals=arrivals,
        appends=Appends(catalogue, access, contents, uploads, arrivals),
        whole=WholeFiles(catalogue, stores, access, committer, publisher),
        downloads=Downloads(catalogue, access, contents, blocks),
        changes=Changes(catalogue, access, committer),
        answers=Answers(catalogue, committer),
        outside=looks,
    )  # fmt: skip
