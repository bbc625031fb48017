"""The tree as people use it: look, make, move, copy, delete, bring back."""

import secrets
from collections.abc import Sequence

import msgspec

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.content import Location
from homestow.server.ports.rights import StoreSet
from homestow.server.rules.access import OUTSIDE, Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.committer import Committer
from homestow.server.service.contents import Contents, OpenContent, OutsideLook
from homestow.server.service.placing import MakeFolders, Move, NewFolder, SetFacts
from homestow.server.service.publish import File, Outcome, check_free
from homestow.server.service.publishing import Attempt, Publisher
from homestow.server.service.small_files import drop_quietly
from homestow.server.service.trashing import Trash
from homestow.server.service.work import Once, RowsWork, answered
from homestow.values.errors import (
    BadRequest,
    Busy,
    CloudError,
    ContentMissing,
    NotFound,
    PathTaken,
    Stale,
    TooLarge,
    WouldCycle,
    WrongKind,
)
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import check_name
from homestow.wire.api import MAX_FOLDERS

_COPY_AT_ONCE = 64


class Files:
    """Nodes of roots, for those who may see or change them."""

    def __init__(
        self, catalogue: Catalogue, stores: StoreSet, access: Access, committer: Committer, publisher: Publisher,
        contents: Contents, outside: OutsideLook,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._stores = stores
        self._access = access
        self._committer = committer
        self._publisher = publisher
        self._contents = contents
        self._outside = outside

    # --- looking ---

    def node(self, who: Principal, node: NodeId) -> Node:
        """One node that stands at its place."""
        return self._access.node(who, node, Rights.READ).node()

    def resolve(self, who: Principal, root: RootId, path: Sequence[str]) -> Node:
        """The node at a path of names from the root's top.

        Raises:
            NotFound: a name on the way is not there.
        """
        row = self._access.top(who, root, Rights.READ)
        for name in path:
            below = self._catalogue.child(row.id, check_name(name)) if row.kind == Kind.FOLDER else None
            if below is None:
                raise NotFound("Nothing is there.")
            row = below
        return row.node()

    def path(self, who: Principal, node: NodeId) -> tuple[str, ...]:
        """Names from the root's top to a node."""
        return self.path_of(self._access.anything(who, node, Rights.READ))

    def path_of(self, row: NodeRow) -> tuple[str, ...]:
        """The same of a row; of something deleted where it was."""
        names: list[str] = []
        while row.parent is not None:
            names.append(row.name)
            above = self._catalogue.node(row.parent)
            if above is None:
                break
            row = above
        return tuple(reversed(names))

    def children(
        self, who: Principal, node: NodeId, after: str = "", limit: int = 1000
    ) -> tuple[list[Node], str | None]:
        """What a folder holds, by name; and what to give as `after` for the next page (None: that was all)."""
        row = self._access.node(who, node, Rights.READ, Kind.FOLDER)
        rows = self._catalogue.children(row.id, after, limit)
        return [each.node() for each in rows], rows[-1].name if len(rows) == limit else None

    def tree(
        self, who: Principal, root: RootId, after: NodeId = NodeId(0), under: NodeId | None = None, limit: int = 1000
    ) -> tuple[list[Node], NodeId | None]:
        """A page of all nodes of a root, or of one folder with all below it, by id; and `after` of the next page."""
        self._access.root(who, root, Rights.READ)
        if under is None:
            rows, following = self._catalogue.tree(root, after, limit)
        else:
            top = self._access.node(who, under, Rights.READ, Kind.FOLDER)
            if top.root != root:
                raise NotFound("Nothing is there.")
            rows, following = self._catalogue.subtree(top.id, after, limit)
        return [row.node() for row in rows], following

    # --- making ---

    def make_folder(self, who: Principal, parent: NodeId, name: str, once: Once | None = None) -> Node:
        """Make a folder.

        Raises:
            PathTaken: something of that name is there; fact `node`.
        """
        if (told := self._told_before(who, once)) is not None:
            return told
        row = self._access.node(who, parent, Rights.WRITE, Kind.FOLDER)
        return self._make_one(who, row.root, row.id, check_name(name), once)

    def _told_before(self, who: Principal, once: Once | None) -> Node | None:
        """What a call that makes one node answered to its key before."""
        told = answered(self._catalogue, who, once)
        return None if told is None else msgspec.json.decode(told, type=list[Outcome])[0].result()

    def _make_one(self, who: Principal, root: RootId, parent: NodeId, name: str, once: Once | None) -> Node:
        def attempt(disk_name: str | None) -> Attempt:
            folder = NewFolder(parent, name, disk_name)
            try:
                (made,) = self._committer.run(MakeFolders(who, root, [folder], join=False, once=once))
            except CloudError as error:
                return Attempt(None, error, folder.on_disk_taken, folder.location)
            return Attempt(made.result(), None, False, folder.location)

        return self._publisher.retried(root, parent, name, attempt)

    def make_folders(
        self, who: Principal, root: RootId, folders: Sequence[tuple[int, str]], once: Once | None = None
    ) -> list[Outcome]:
        """Make many folders, parents before children; an existing folder is its own answer.

        Args:
            folders: (parent, name); a parent is a node id, or -k for the k-th folder of this call, from 1.
        """
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=list[Outcome])
        self._access.root(who, root, Rights.WRITE)
        if len(folders) > MAX_FOLDERS:
            raise TooLarge(f"One call makes at most {MAX_FOLDERS} folders.", limit=MAX_FOLDERS)
        wanted: list[NewFolder] = []
        for parent, name in folders:
            folder = NewFolder(parent, name)
            try:
                folder.name = check_name(name)
                if parent == 0 or -parent > len(wanted):
                    raise BadRequest("A folder's parent is a node, or -k for an earlier folder of the call.")
            except CloudError as error:
                folder.error = error
            wanted.append(folder)
        if not wanted:
            return []
        try:
            outcomes = self._committer.run(MakeFolders(who, root, wanted, join=True, once=once))
        except CloudError as error:
            if wanted[0].error is not error:
                raise
            outcomes = [Outcome.of(error)]
        return [self._told(who, root, folder, made) for folder, made in zip(wanted, outcomes, strict=True)]

    def _told(self, who: Principal, root: RootId, folder: NewFolder, made: Outcome) -> Outcome:
        if folder.on_disk_taken and folder.parent > 0:
            try:
                return Outcome(self._make_one(who, root, NodeId(folder.parent), folder.name, None))
            except PathTaken as error:
                there = self._catalogue.child(NodeId(folder.parent), folder.name)
                return Outcome(there.node()) if there is not None and there.kind == Kind.FOLDER else Outcome.of(error)
            except CloudError as error:
                return Outcome.of(error)
        return made

    # --- changing ---

    def move(
        self, who: Principal, node: NodeId, parent: NodeId, name: str, *, base: int | None = None,
        place_only: bool = False, once: Once | None = None,
    ) -> Node:  # fmt: skip
        """Another place in the same root.

        Args:
            base: the node's `change` that the caller saw; None: whatever it is now.
            place_only: the bytes stay where they lie on disk.

        Raises:
            WouldCycle: a folder into itself.
            PathTaken, Stale, BadName, NotFound, Forbidden: it does not fit.
        """
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=Node)
        row = self._access.node(who, node, Rights.WRITE)
        target = self._access.node(who, parent, Rights.WRITE, Kind.FOLDER)
        if target.root != row.root:
            raise BadRequest("A node moves within its root; copy it to another one.")
        name = check_name(name)
        if base not in (None, row.change) and (row.parent, row.name) == (target.id, name):
            # Asked again by somebody who did not hear the answer (R22): what was wanted is so.
            return row.node()

        def attempt(disk_name: str | None) -> Attempt:
            work = Move(who, row, target.id, name, base=base, place_only=place_only, disk_name=disk_name, once=once)
            try:
                return Attempt(self._committer.run(work), None, False, ())
            except CloudError as error:
                location = work.move_plan.target if work.move_plan is not None else None
                return Attempt(None, error, work.on_disk_taken, location or ())

        try:
            return self._publisher.retried(row.root, target.id, name, attempt)
        except ContentMissing:
            self._contents.look_at(row)
            raise

    def set_facts(
        self, who: Principal, node: NodeId, mtime_ns: int, base: int | None = None, once: Once | None = None
    ) -> Node:
        """Another modification time for a file (R26)."""
        if (told := answered(self._catalogue, who, once)) is not None:
            return msgspec.json.decode(told, type=Node)
        row = self._access.node(who, node, Rights.WRITE, Kind.FILE)
        work = SetFacts(who, row, mtime_ns, base, once)
        try:
            return self._committer.run(work)
        except Stale:
            if not work.outside:
                raise
        self._contents.look_at(row)
        return self._committer.run(SetFacts(who, row, mtime_ns, base, once))

    def delete(self, who: Principal, node: NodeId, base: int | None = None, once: Once | None = None) -> None:
        """Into the trash, a folder with all it holds.

        Args:
            base: what the caller saw: a file's `change`, a folder's `below`; None: whatever it is now.

        Raises:
            Stale: it, or something in it, changed since.
            NotFound: it is not there (any more).
        """
        if answered(self._catalogue, who, once) is not None:
            return
        row = self._access.node(who, node, Rights.WRITE)
        for _ in range(4):
            work = Trash(who, row, base, once)
            try:
                self._committer.run(work)
            except Stale:
                if not work.outside:
                    raise
                self._contents.look_at(row)
                base = self._base_after_look(row, base)
            except Busy:
                if not work.astray:
                    raise
                self._bring_home(work.astray)
            else:
                return
            row = self._access.node(who, node, Rights.WRITE)
        raise Busy("It changes faster than it can be deleted; try again.", retry_after_s=2)

    @staticmethod
    def _base_after_look(row: NodeRow, base: int | None) -> int | None:
        """A caller that gave no base deletes what it believed to be there; what came from outside meanwhile stays (R6)."""
        return base if base is not None else row.below if row.kind == Kind.FOLDER else row.change

    def _bring_home(self, rows: Sequence[NodeRow]) -> None:
        """Move bytes that lie elsewhere than shown to where they are shown."""
        for row in rows:
            parent = row.parent
            if parent is None:
                continue

            def attempt(disk_name: str | None, row: NodeRow = row, parent: NodeId = parent) -> Attempt:
                work = Move(OUTSIDE, row, parent, row.name, disk_name=disk_name)
                try:
                    return Attempt(self._committer.run(work), None, False, ())
                except CloudError as error:
                    location: Location = (work.move_plan.target if work.move_plan is not None else None) or ()
                    return Attempt(None, error, work.on_disk_taken, location)

            self._publisher.retried(row.root, parent, row.name, attempt)

    # --- copying ---

    def copy(self, who: Principal, node: NodeId, parent: NodeId, name: str, once: Once | None = None) -> Node:
        """Copy a file, or a folder with all it holds, inside its root; older contents are not copied.

        A folder's copy appears at once and fills up.
        """
        if (told := self._told_before(who, once)) is not None:
            return told
        row = self._access.node(who, node, Rights.READ)
        target = self._access.node(who, parent, Rights.WRITE, Kind.FOLDER)
        name = check_name(name)
        if target.root != row.root:
            raise BadRequest("Copies stay within the root.")
        if row.kind == Kind.LINK:
            raise WrongKind("Symbolic links are listed, not copied.")
        if row.kind == Kind.FILE:
            check_free(self._catalogue, target.id, name)
            return self._copy_file(who, row, target.id, name, once)
        folder = self._catalogue.folder(target.id)
        if folder is None or row.id in folder.chain:
            raise WouldCycle("A folder cannot be copied into itself.")
        inside = self._catalogue.inside(row.id)
        # The folder goes under a key of its own, which no caller can have: a repetition fills up the copy that was begun.
        begun = None if once is None else Once(f"{once.key}\n", once.request)
        made = self._told_before(who, begun)
        if made is None:
            check_free(self._catalogue, target.id, name)
            made = self._make_one(who, row.root, target.id, name, begun)
        copies = {row.id: made.id}
        files: list[NodeRow] = []
        for each in inside:
            assert each.parent is not None
            there = self._catalogue.child(copies[each.parent], each.name)
            if each.kind == Kind.FOLDER:
                if there is not None and there.kind == Kind.FOLDER:
                    copies[each.id] = there.id
                else:
                    copies[each.id] = self._make_one(who, row.root, copies[each.parent], each.name, None).id
            elif each.kind == Kind.FILE and there is None:
                files.append(each)
        for at in range(0, len(files), _COPY_AT_ONCE):
            self._copy_files(who, row.root, files[at : at + _COPY_AT_ONCE], copies)
        copied = self.node(who, made.id)
        if once is not None:
            # Only now: a repetition after a failure in between must not be told that all of it is there.
            done = [Outcome(copied)]
            self._committer.run(RowsWork(who, row.root, lambda rows: done, once=once, gives=list[Outcome]))
        return copied

    def _copy_file(self, who: Principal, row: NodeRow, parent: NodeId, name: str, once: Once | None) -> Node:
        content = self._contents.open(row)
        try:
            file = self._staged_copy(content, row.root, parent, name)
        finally:
            content.close()
        return self.publish_copy(who, row.root, file, once)

    def publish_copy(self, who: Principal, root: RootId, file: File, once: Once | None) -> Node:
        """Publish a staged copy; nothing is left of it when that fails."""
        try:
            return self._publisher.one(who, root, file, once)
        finally:
            if file.published is None:
                drop_quietly(self._stores.get(root), file)

    def _copy_files(self, who: Principal, root: RootId, rows: Sequence[NodeRow], copies: dict[NodeId, NodeId]) -> None:
        staged: list[File] = []
        try:
            for row in rows:
                assert row.parent is not None
                try:
                    content = self._contents.open(row)
                except NotFound:
                    continue
                try:
                    staged.append(self._staged_copy(content, root, copies[row.parent], row.name))
                finally:
                    content.close()
            for outcome in self._publisher.many(who, root, staged):
                outcome.result()
        finally:
            for file in staged:
                if file.published is None:
                    drop_quietly(self._stores.get(root), file)

    def _staged_copy(self, content: OpenContent, root: RootId, parent: NodeId, name: str) -> File:
        return staged_copy(self._stores, self._contents, content, root, parent, name)


def staged_copy(
    stores: StoreSet, contents: Contents, content: OpenContent, root: RootId, parent: NodeId, name: str
) -> File:
    """A content copied into a root's staging area, ready to be published."""
    digest = contents.digest(content)
    staged = stores.get(root).stage(secrets.token_hex(16))
    try:
        if content.size:
            contents.copy(content, 0, content.size, staged, 0, root)
        return File(staged.key, parent, name, content.size, digest, staged.stat().inode, content.mtime_ns)
    except CloudError:
        stores.get(root).drop_staged(staged.key)
        raise
    finally:
        staged.close()
