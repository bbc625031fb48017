"""Publishing, and what to do when the disk has something at a name that the catalogue does not know."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from homestow.server.ports.catalogue import Catalogue
from homestow.server.ports.content import EntryKind, Location
from homestow.server.ports.rights import StoreSet
from homestow.server.rules.access import Principal
from homestow.server.rules.naming import MOST_NAMES, disk_names
from homestow.server.service.committer import Committer
from homestow.server.service.contents import OutsideLook
from homestow.server.service.publish import File, Outcome, Publish
from homestow.server.service.work import Once, RowsWork
from homestow.values.errors import Busy, CloudError, StorageFailed
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Node
from homestow.values.paths import nfc


class Publisher:
    """Runs works that take names on disk, with the next best name where the disk cannot have the first."""

    def __init__(self, catalogue: Catalogue, stores: StoreSet, committer: Committer, outside: OutsideLook) -> None:
        self._catalogue = catalogue
        self._stores = stores
        self._committer = committer
        self._outside = outside

    def one(self, who: Principal, root: RootId, file: File, once: Once | None = None) -> Node:
        """Publish one staged file."""
        tries = self.names(root, file.parent, file.name)
        while True:
            work = Publish(who, root, [file], once)
            try:
                (outcome,) = self._committer.run(work)
            except CloudError as error:
                if not file.on_disk_taken:
                    raise
                self._next_name(tries, root, file, error)
                continue
            return outcome.result()

    def many(self, who: Principal, root: RootId, files: Sequence[File], once: Once | None = None) -> list[Outcome]:
        """Publish many staged files; what became of each."""
        try:
            outcomes = self._committer.run(Publish(who, root, files, once))
        except CloudError as error:
            if len(files) != 1 or files[0].error is not error:
                raise
            outcomes = [Outcome.of(error)]
        again = False
        for at, file in enumerate(files):
            if file.on_disk_taken and file.error is not None:
                tries = self.names(root, file.parent, file.name)
                try:
                    self._next_name(tries, root, file, file.error)
                    outcomes[at] = Outcome(node=self.one(who, root, file))
                except CloudError as error:
                    outcomes[at] = Outcome.of(error)
                again = True
        if again and once is not None:
            self._committer.run(RowsWork(who, root, lambda rows: outcomes, once=once, gives=list[Outcome]))
        return outcomes

    def _next_name(self, tries: Iterator[str], root: RootId, file: File, error: CloudError) -> None:
        file.disk_name = self.after(tries, root, file.parent, file.name, file.location, error)
        if file.disk_name == file.name:
            file.disk_name = None
        file.error, file.on_disk_taken = None, False

    def names(self, root: RootId, parent: NodeId, name: str) -> Iterator[str]:
        """Names to try on disk, best first."""
        return islice(disk_names(name, self._stores.get(root).facts.max_name_bytes), MOST_NAMES)

    def after(
        self, tries: Iterator[str], root: RootId, parent: NodeId, name: str, location: Location, error: CloudError
    ) -> str:
        """The next name to try after the disk refused `location`: the same once more when what lay there is known now
        as the node at the wanted place (which the next try will say).

        Raises:
            Busy: something new lies there that cannot be taken in yet, because it is being written.
            CloudError: no name is left.
        """
        self._outside.look(root, [location[:-1]])
        at = self._catalogue.lying_at(parent, location[-1])
        if at is not None and (at.parent, at.name) == (parent, name):
            return location[-1]
        stat = self._stores.get(root).look(location)
        known = at is not None or self._is_folded(parent, location[-1])
        if stat is not None and stat.kind is not EntryKind.OTHER and not known:
            raise Busy(f"{location[-1]!r} is being written on the server's disk; try again.", retry_after_s=2)
        for candidate in tries:
            if candidate != location[-1]:
                return candidate
        raise error

    def _is_folded(self, parent: NodeId, name: str) -> bool:
        """Whether a node lies there under another spelling, on a disk that takes both for one."""
        folded = nfc(name).casefold()
        return any(
            nfc(row.name if row.loc_name is None else row.loc_name).casefold() == folded
            for row in self._catalogue.lying_in(parent)
        )

    def retried(self, root: RootId, parent: NodeId, name: str, attempt: Callable[[str | None], "Attempt"]) -> Node:
        """Run `attempt(disk_name)` until the disk takes a name."""
        tries = self.names(root, parent, name)
        disk_name: str | None = None
        while True:
            tried = attempt(disk_name)
            if tried.node is not None:
                return tried.node
            if tried.error is None:
                raise StorageFailed("The server did not come to an end with it; try again.")
            if not tried.on_disk_taken:
                raise tried.error
            chosen = self.after(tries, root, parent, name, tried.location, tried.error)
            disk_name = None if chosen == name else chosen


class Attempt:
    """What one try came to."""

    __slots__ = ("error", "location", "node", "on_disk_taken")

    def __init__(self, node: Node | None, error: CloudError | None, on_disk_taken: bool, location: Location) -> None:
        self.node = node
        self.error = error
        self.on_disk_taken = on_disk_taken
        self.location = location
