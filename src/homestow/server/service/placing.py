"""Folders made, nodes moved, facts set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from homestow.server.ports.catalogue import Catalogue, Folder, NodeRow, Rows, new_row, same_content, seen_from
from homestow.server.ports.content import Content, EntryKind, Location, Stat
from homestow.server.ports.journal import Note
from homestow.server.rules.access import Principal
from homestow.server.service.publish import Outcome, check_free
from homestow.server.service.work import Ground, Once, Plan, Work
from homestow.values.changes import ChangeKind
from homestow.values.errors import (
    BadName,
    CloudError,
    Forbidden,
    NotFound,
    PathTaken,
    Stale,
    StorageFailed,
    WouldCycle,
    WrongKind,
)
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import MAX_DEPTH, RESERVED


def check_place(folder: Folder | None, root: RootId, name: str) -> Folder:
    """A folder of the root in which something of this name may stand.

    Raises:
        NotFound: there is no such folder (any more).
        BadName: the name is the server's own, or the tree would be too deep (S14).
    """
    if folder is None or not folder.live or folder.root != root or folder.kept is not None:
        raise NotFound("The folder is not there any more.")
    if folder.parent is None and name == RESERVED:
        raise BadName(f"{RESERVED!r} is the server's own at the top of a root.")
    if len(folder.chain) > MAX_DEPTH:
        raise BadName(f"A tree has at most {MAX_DEPTH} levels.")
    return folder


class PlannedFolder(NamedTuple):
    """One folder of a plan; `parent` is a node, or -k for the k-th folder of the call."""

    parent: int
    name: str
    location: Location
    disk_name: str | None


class FoldersPlan(Plan, tag="folders"):
    """Folders about to be made."""

    folders: list[PlannedFolder]


@dataclass(slots=True)
class NewFolder:
    """A folder to make, and what becomes of it; `row` is set at once where it exists already."""

    parent: int
    name: str
    disk_name: str | None = None
    location: Location = ()
    stat: Stat | None = None
    row: NodeRow | None = None
    error: CloudError | None = None
    on_disk_taken: bool = False
    same_as: int | None = None


class MakeFolders(Work[list[Outcome]]):
    """Folders, parents before children. Its result: what became of each, in order.

    `join`: an existing folder of that name is the answer (many clients may make one tree at once).
    """

    gives = list[Outcome]
    displaces = False

    def __init__(
        self, who: Principal, root: RootId, folders: Sequence[NewFolder], *, join: bool, once: Once | None = None
    ) -> None:
        super().__init__(who, root, once)
        self.folders = folders
        self.join = join
        self.keys = [("place", folder.parent, folder.name) for folder in folders if folder.parent > 0]

    def prepare(self, ground: Ground) -> None:
        """Check each; a wrong one gets its error, the others go on."""
        wanted: dict[tuple[int, str], int] = {}
        for at, folder in enumerate(self.folders):
            if folder.error is None and folder.row is None:
                try:
                    self._check(ground.catalogue, folder)
                    first = wanted.setdefault((folder.parent, folder.name), at)
                    if first != at:
                        self._join_first(folder, first)
                    elif folder.row is None:
                        ground.enter(self.root)
                except CloudError as error:
                    folder.error, folder.location = error, ()
        self._forget_failed()

    def _join_first(self, folder: NewFolder, first: int) -> None:
        if not self.join:
            raise PathTaken(f"{folder.name!r} is wanted twice.")
        folder.same_as = first

    def _check(self, catalogue: Catalogue, folder: NewFolder) -> None:
        if folder.parent < 0:
            if -folder.parent > len(self.folders):
                raise NotFound("There is no such folder in this call.")
            above = self.folders[-folder.parent - 1]
            if above.same_as is not None:
                folder.parent = -above.same_as - 1
                above = self.folders[above.same_as]
            if above is folder or above.error is not None or (above.row is None and not above.location):
                raise NotFound("The folder above could not be made.")
            if above.row is None:
                if len(above.location) >= MAX_DEPTH:
                    raise BadName(f"A tree has at most {MAX_DEPTH} levels.")
                folder.location = (*above.location, folder.disk_name or folder.name)
                return
            folder.parent = above.row.id
        parent = NodeId(folder.parent)
        place = check_place(catalogue.folder(parent), self.root, folder.name)
        there = catalogue.child(parent, folder.name)
        if there is not None:
            if not self.join or there.kind != Kind.FOLDER:
                raise PathTaken(f"{folder.name!r} exists already.", node=there.id)
            folder.row = there
            return
        folder.location = (*place.location, folder.disk_name or folder.name)

    def _forget_failed(self) -> None:
        if len(self.folders) == 1 and (error := self.folders[0].error) is not None:
            raise error

    def _wanted(self) -> list[NewFolder]:
        return [each for each in self.folders if each.error is None and each.row is None and each.same_as is None]

    def plan(self) -> Plan | None:
        """Those that are not there yet."""
        if not self._wanted():
            return None
        folders = [PlannedFolder(each.parent, each.name, each.location, each.disk_name) for each in self.folders]
        return FoldersPlan(
            root=self.root, account=self.who.account, device=self.who.device, at_ns=self.at_ns, folders=folders
        )

    def carry_out(self, store: Content) -> None:
        """Make them."""
        for folder in self._wanted():
            try:
                if folder.parent < 0 and self.folders[-folder.parent - 1].error is not None:
                    raise NotFound("The folder above could not be made.")
                folder.stat = store.make_folder(folder.location)
                self.touched.add(folder.location[:-1])
            except StorageFailed:
                raise
            except (PathTaken, BadName) as error:
                folder.error, folder.on_disk_taken = error, True
            except CloudError as error:
                folder.error = error
        self._forget_failed()

    def look_back(self, ground: Ground, store: Content) -> bool:
        """Those that are there now."""
        for folder in self.folders:
            there = store.look(folder.location) if folder.location else None
            if there is None or there.kind is not EntryKind.FOLDER:
                folder.error = NotFound("It was not made.")
            elif folder.parent > 0 and ground.catalogue.child(NodeId(folder.parent), folder.name) is not None:
                folder.error = PathTaken("It is known already.")
            else:
                folder.stat = there
                self.touched.add(folder.location[:-1])
        if any(folder.error is not None for folder in self.folders):
            self.once = None
        return any(folder.stat is not None for folder in self.folders)

    def record(self, rows: Rows) -> None:
        """Nodes and journal."""
        made = [folder for folder in self.folders if folder.error is None and folder.stat is not None]
        if made:
            node = rows.take_ids(len(made))
            ids = {id(folder): NodeId(node + k) for k, folder in enumerate(made)}
            parents = [self._parent(folder, ids) for folder in made]
            notes = [
                Note(
                    self.root,
                    ids[id(folder)],
                    ChangeKind.CREATED,
                    self.at_ns,
                    self.who.account,
                    self.who.device,
                    (parent,),
                )
                for folder, parent in zip(made, parents, strict=True)
            ]
            number = rows.note(notes)
            for k, (folder, parent) in enumerate(zip(made, parents, strict=True)):
                assert folder.stat is not None
                folder.row = new_row(
                    NodeId(node + k), self.root, parent, folder.name, Kind.FOLDER, number + k, seen=seen_from(folder.stat),
                    loc_parent=None if folder.disk_name is None else parent, loc_name=folder.disk_name,
                )  # fmt: skip
            rows.add([folder.row for folder in made if folder.row is not None])
            rows.charge(self.root, entries=len(made))
        self.result = [self._outcome(folder) for folder in self.folders]
        if any(folder.on_disk_taken for folder in self.folders):
            self.once = None  # not the last word: they are tried again under other names

    def _outcome(self, folder: NewFolder) -> Outcome:
        told = folder if folder.same_as is None or folder.error is not None else self.folders[folder.same_as]
        if told.error is not None:
            return Outcome.of(told.error)
        return Outcome(None if told.row is None else told.row.node())

    def _parent(self, folder: NewFolder, ids: dict[int, NodeId]) -> NodeId:
        if folder.parent > 0:
            return NodeId(folder.parent)
        above = self.folders[-folder.parent - 1]
        return ids[id(above)] if above.row is None else above.row.id


def folders_from_plan(plan: FoldersPlan, who: Principal) -> MakeFolders:
    """The work of an intent."""
    folders = [NewFolder(p.parent, p.name, p.disk_name, tuple(p.location)) for p in plan.folders]
    return MakeFolders(who, plan.root, folders, join=True)


class MovePlan(Plan, tag="move"):
    """A node about to get another place, location or both; `target` None: the disk is left alone."""

    node: NodeId
    parent: NodeId
    name: str
    loc_parent: NodeId | None
    loc_name: str | None
    source: Location
    target: Location | None
    inode: int


class Move(Work[Node]):
    """A node to another place in its root; `place_only` leaves the bytes where they lie.

    Moving to the place it has, without `place_only`, brings its bytes there.
    """

    gives = Node

    def __init__(
        self, who: Principal, row: NodeRow, parent: NodeId, name: str, *, base: int | None = None,
        place_only: bool = False, disk_name: str | None = None, once: Once | None = None,
    ) -> None:  # fmt: skip
        super().__init__(who, row.root, once)
        self.node, self.parent, self.name = row.id, parent, name
        self.base = base
        self.place_only = place_only
        self.disk_name = disk_name
        self.exclusive = row.kind == Kind.FOLDER
        self.keys = (("node", row.id), ("place", row.parent, row.name), ("place", parent, name))
        self.on_disk_taken = False
        self.move_plan: MovePlan | None = None
        self._row = row
        self._known = False
        self._stat: Stat | None = None

    def prepare(self, ground: Ground) -> None:
        """Check base, place and cycles."""
        catalogue = ground.catalogue
        row = standing(catalogue, self.root, self.node)
        if row.parent is None:
            raise Forbidden("The top of a root cannot be moved.")
        if self.base is not None and row.change != self.base:
            raise Stale("It changed meanwhile.", rev=row.rev, change=row.change)
        folder = check_place(catalogue.folder(self.parent), self.root, self.name)
        if row.id in folder.chain or (row.id in folder.held and not self.place_only):
            raise WouldCycle("A folder cannot move into itself.")
        if (row.parent, row.name) != (self.parent, self.name):
            check_free(catalogue, self.parent, self.name)
        source = catalogue.lies(row).location
        target: Location | None = (*folder.location, self.disk_name or self.name)
        loc_parent, loc_name = (None, None) if self.disk_name is None else (self.parent, self.disk_name)
        if self.place_only:
            target = None
            loc_parent = row.parent if row.loc_parent is None else row.loc_parent
            loc_name = row.name if row.loc_name is None else row.loc_name
            if (loc_parent, loc_name) == (self.parent, self.name):
                loc_parent = loc_name = None
        elif target == source:
            target = None
        self._row = row
        self.move_plan = MovePlan(
            root=self.root, account=self.who.account, device=self.who.device, at_ns=self.at_ns, node=row.id,
            parent=self.parent, name=self.name, loc_parent=loc_parent, loc_name=loc_name, source=source, target=target,
            inode=row.inode,
        )  # fmt: skip

    def plan(self) -> Plan | None:
        """Nothing to write down when the disk is left alone."""
        return self.move_plan if self.move_plan is not None and self.move_plan.target is not None else None

    def carry_out(self, store: Content) -> None:
        """One rename."""
        plan = self.move_plan
        if plan is None or plan.target is None:
            return
        try:
            if self._row.kind == Kind.FILE:
                looked = store.look(plan.source)
                self._known = looked is not None and same_content(self._row, looked)
            self._stat = store.move(plan.source, plan.target)
            self.touched.update((plan.source[:-1], plan.target[:-1]))
        except (PathTaken, BadName):
            self.on_disk_taken = True
            raise

    def look_back(self, ground: Ground, store: Content) -> bool:
        """It is at the target and no longer at the source."""
        plan, row = self.move_plan, ground.catalogue.node(self.node)
        if plan is None or plan.target is None or row is None:
            return False
        there = store.look(plan.target)
        if store.look(plan.source) is not None or there is None or (plan.inode and there.inode != plan.inode):
            return False
        self._row, self._stat = row, there
        self._known = (there.size, there.mtime_ns) == (row.size, row.disk_mtime_ns)
        self.touched.update((plan.source[:-1], plan.target[:-1]))
        return True

    def record(self, rows: Rows) -> None:
        """Place, location and journal; only the location when the place stays."""
        plan, row = self.move_plan, self._row
        assert plan is not None
        assert row.parent is not None
        if (row.parent, row.name) == (plan.parent, plan.name):
            if (row.loc_parent, row.loc_name) != (plan.loc_parent, plan.loc_name):
                rows.set_location(row.id, plan.loc_parent, plan.loc_name)
        else:
            note = Note(
                self.root, row.id, ChangeKind.MOVED, self.at_ns, self.who.account, self.who.device,
                (row.parent, plan.parent),
            )  # fmt: skip
            rows.set_place(row.id, plan.parent, plan.name, plan.loc_parent, plan.loc_name, rows.note([note]))
        if self._known and self._stat is not None:
            # Being moved changes the entry's time of change; an edit that nobody saw yet must stay visible.
            rows.set_seen(row.id, row.mtime_ns, seen_from(self._stat), None)
        after = rows.node(row.id)
        assert after is not None
        self.result = after.node()

    @classmethod
    def from_plan(cls, plan: MovePlan, who: Principal, row: NodeRow) -> "Move":
        """The work of an intent."""
        work = cls(who, row, plan.parent, plan.name)
        plan.source = tuple(plan.source)
        plan.target = None if plan.target is None else tuple(plan.target)
        work.move_plan = plan
        return work


class FactsPlan(Plan, tag="facts"):
    """A file about to get another modification time."""

    node: NodeId
    mtime_ns: int
    location: Location


class SetFacts(Work[Node]):
    """Another modification time for a file (R26).

    `outside`: the disk shows other content than the catalogue knows; it must be looked at first.
    """

    gives = Node

    def __init__(
        self, who: Principal, row: NodeRow, mtime_ns: int, base: int | None = None, once: Once | None = None
    ) -> None:
        super().__init__(who, row.root, once)
        self.node, self.mtime_ns, self.base = row.id, mtime_ns, base
        self.keys = (("node", row.id),)
        self.outside = False
        self._row = row
        self._location: Location = ()
        self._stat: Stat | None = None

    def prepare(self, ground: Ground) -> None:
        """Check base and kind."""
        row = standing(ground.catalogue, self.root, self.node)
        if row.kind != Kind.FILE:
            raise WrongKind("Only files bear a modification time of their own.")
        if self.base is not None and row.change != self.base:
            raise Stale("It changed meanwhile.", rev=row.rev, change=row.change)
        self._row = row
        self._location = ground.catalogue.lies(row).location

    def plan(self) -> Plan | None:
        """What is set on which file."""
        return FactsPlan(
            root=self.root, account=self.who.account, device=self.who.device, at_ns=self.at_ns, node=self.node,
            mtime_ns=self.mtime_ns, location=self._location,
        )  # fmt: skip

    def carry_out(self, store: Content) -> None:
        """Set it, unless that would hide an edit from outside."""
        looked = store.look(self._location)
        if looked is None or not same_content(self._row, looked):
            self.outside = True
            raise Stale("It changed meanwhile.", rev=self._row.rev, change=self._row.change)
        self._stat = store.set_mtime(self._location, self.mtime_ns)
        self.touched.add(self._location[:-1])

    def look_back(self, ground: Ground, store: Content) -> bool:
        """The file bears the time."""
        row, there = ground.catalogue.node(self.node), store.look(self._location)
        if row is None or there is None or (there.size, there.inode) != (row.size, row.inode):
            return False
        if abs(there.mtime_ns - self.mtime_ns) >= 2_000_000_000 or there.mtime_ns == row.disk_mtime_ns:
            return False
        self._row, self._stat = row, there
        return True

    def record(self, rows: Rows) -> None:
        """Facts and journal."""
        row = self._row
        assert self._stat is not None
        assert row.parent is not None
        note = Note(self.root, row.id, ChangeKind.FACTS, self.at_ns, self.who.account, self.who.device, (row.parent,))
        number = rows.note([note])
        rows.set_seen(row.id, self.mtime_ns, seen_from(self._stat), number)
        self.result = row._replace(mtime_ns=self.mtime_ns, change=number, below=number).node()

    @classmethod
    def from_plan(cls, plan: FactsPlan, who: Principal, row: NodeRow) -> "SetFacts":
        """The work of an intent."""
        work = cls(who, row, plan.mtime_ns)
        work._location = tuple(plan.location)
        return work


def standing(catalogue: Catalogue, root: RootId, node: NodeId) -> NodeRow:
    """A node that stands at its place, as the catalogue has it now.

    Raises:
        NotFound: it does not.
    """
    row = catalogue.node(node)
    if row is None or row.gone or row.root != root:
        raise NotFound("It is not there any more.")
    if row.parent is not None:
        folder = catalogue.folder(row.parent)
        if folder is None or not folder.live:
            raise NotFound("It is not there any more.")
    return row
