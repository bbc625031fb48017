"""The trash and older contents: looking, bringing back, removing for good."""

import msgspec

from homestow.server.ports.catalogue import Catalogue, NodeRow, VersionRow
from homestow.server.ports.rights import StoreSet
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.committer import Committer
from homestow.server.service.contents import Contents
from homestow.server.service.files import Files, staged_copy
from homestow.server.service.publish import Outcome
from homestow.server.service.publishing import Attempt, Publisher
from homestow.server.service.trashing import Purge, Restore
from homestow.server.service.work import Once, RowsWork, answered
from homestow.values.errors import BadRequest, CloudError, NotFound, Stale
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name

_AT_ONCE = 200


class Trashed:
    """Something in the trash; `after` continues a listing behind it."""

    __slots__ = ("after", "by", "deleted_ns", "node", "path")

    def __init__(self, row: NodeRow, path: tuple[str, ...]) -> None:
        self.node = row.node()
        self.path = path
        self.deleted_ns = row.deleted_ns
        self.by: AccountId = row.deleted_by
        self.after = row.gone


class Trashcan:
    """What was deleted or replaced, as long as it is kept.

    Who may write in a root sees its trash and brings things back; only who owns it removes for good.
    """

    def __init__(
        self, catalogue: Catalogue, stores: StoreSet, access: Access, committer: Committer, publisher: Publisher,
        contents: Contents, files: Files,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._stores = stores
        self._access = access
        self._committer = committer
        self._publisher = publisher
        self._contents = contents
        self._files = files

    def trash(
        self, who: Principal, root: RootId, after: int = 0, limit: int = 1000
    ) -> tuple[list[Trashed], int | None]:
        """What was deleted, newest first; readers are shown an empty trash (S111)."""
        self._access.root(who, root, Rights.READ)
        if self._access.rights(who, root) < Rights.WRITE:
            return [], None
        rows = self._catalogue.trash(root, after, limit)
        following = rows[-1].gone if len(rows) == limit else None
        return [Trashed(row, self._files.path_of(row)) for row in rows], following

    def restore(
        self, who: Principal, node: NodeId, parent: NodeId | None = None, name: str | None = None,
        once: Once | None = None,
    ) -> Node:  # fmt: skip
        """Bring back, to its old place (or the nearest folder above that is there) or a given one.

        A taken name gets " (2)".
        """
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=Node)
        row = self._access.anything(who, node, Rights.WRITE)
        if name is not None:
            name = check_name(name)
        if parent is not None:
            target = self._access.node(who, parent, Rights.WRITE, Kind.FOLDER)
            if target.root != row.root:
                raise BadRequest("Things come back within their root.")

        def attempt(disk_name: str | None) -> Attempt:
            work = Restore(who, row, parent, name, disk_name=disk_name, once=once)
            try:
                return Attempt(self._committer.run(work), None, False, ())
            except CloudError as error:
                plan = work.restore_plan
                return Attempt(None, error, work.on_disk_taken, plan.target if plan is not None else ())

        # The folder it comes to is only known inside; names on disk are asked of the one that is likely.
        return self._publisher.retried(row.root, parent or row.parent or row.id, name or row.name, attempt)

    def purge(self, who: Principal, node: NodeId, once: Once | None = None) -> None:
        """Remove one thing of the trash for good, with all its versions.

        Raises:
            NotFound: it is not in the trash.
        """
        if answered(self._catalogue, who, once) is not None:
            return
        row = self._access.anything(who, node, Rights.OWN)
        self._committer.run(Purge(who, row.root, [row.id], once=once))

    def empty_trash(self, who: Principal, root: RootId, once: Once | None = None) -> int:
        """Remove everything in the trash for good; how many things."""
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=int)
        self._access.root(who, root, Rights.OWN)
        removed = 0
        # What is deleted while this runs stays: only what was there at the beginning goes.
        before = self._catalogue.last() + 1
        while rows := self._catalogue.trash(root, before, _AT_ONCE):
            before = rows[-1].gone
            removed += self._committer.run(Purge(who, root, [row.id for row in rows]))
        if once is not None:
            self._committer.run(RowsWork(who, root, lambda rows: removed, once=once, gives=int))
        return removed

    def versions(self, who: Principal, node: NodeId) -> tuple[Node, list[VersionRow]]:
        """A file and its older contents, newest first."""
        row = self._access.node(who, node, Rights.READ, Kind.FILE)
        return row.node(), self._catalogue.versions(row.id)

    def restore_version(
        self, who: Principal, node: NodeId, rev: int, base: int | None = None, once: Once | None = None
    ) -> Node:
        """Make an older content the present one, as a new rev; the older one stays as it is.

        Raises:
            NotFound: there is no such rev.
            Stale: the file has other content than `base` by now.
        """
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=list[Outcome])[0].result()
        row = self._access.node(who, node, Rights.WRITE, Kind.FILE)
        if base is not None and row.rev != base:
            raise Stale("The file has other content by now.", rev=row.rev, change=row.change)
        if rev == row.rev:
            if once is not None:
                present = [Outcome(row.node())]
                self._committer.run(RowsWork(who, row.root, lambda rows: present, once=once, gives=list[Outcome]))
            return row.node()
        if row.parent is None:
            raise NotFound("Nothing is there.")
        content = self._contents.open(row, rev)
        try:
            file = staged_copy(self._stores, self._contents, content, row.root, row.parent, row.name)
        finally:
            content.close()
        file.node, file.base = row.id, row.rev
        return self._files.publish_copy(who, row.root, file, once)
