"""Deleting into the trash, bringing back, and removing for good."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from homestow.server.ports.catalogue import Catalogue, Folder, NodeRow, Rows, VersionRow, same_content, seen_from
from homestow.server.ports.content import Content, Location, Stat
from homestow.server.ports.journal import Note
from homestow.server.rules.access import Principal
from homestow.server.service.placing import check_place, standing
from homestow.server.service.publish import check_free
from homestow.server.service.work import Ground, Once, Plan, Work
from homestow.values.changes import ChangeKind
from homestow.values.errors import BadName, Busy, Forbidden, NotFound, PathTaken, Stale
from homestow.values.faults import faultpoint
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import numbered


class TrashPlan(Plan, tag="trash"):
    """A node about to be kept out of sight."""

    node: NodeId
    location: Location
    kept: str


class Trash(Work[None]):
    """A node into the trash; a folder with all it holds, in one rename.

    Attributes:
        astray: nodes that lie in the folder but are shown elsewhere, or the other way round. They must be brought to their
            places first; then try again.
        outside: the disk shows other content than the catalogue knows, or nothing; it must be looked at first.
    """

    gives = None

    def __init__(self, who: Principal, row: NodeRow, base: int | None = None, once: Once | None = None) -> None:
        super().__init__(who, row.root, once)
        self.node, self.base = row.id, base
        self.exclusive = row.kind == Kind.FOLDER
        self.keys = (("node", row.id), ("place", row.parent, row.name))
        self.kept = secrets.token_hex(16)
        self.astray: list[NodeRow] = []
        self.outside = False
        self._row = row
        self._location: Location = ()

    def prepare(self, ground: Ground) -> None:
        """Check base; find what lies astray."""
        row = standing(ground.catalogue, self.root, self.node)
        if row.parent is None:
            raise Forbidden("The top of a root cannot be deleted.")
        seen = row.below if row.kind == Kind.FOLDER else row.change
        if self.base is not None and seen != self.base:
            raise Stale("It changed meanwhile.", rev=row.rev, change=seen)
        if row.kind == Kind.FOLDER:
            self.astray = _astray(ground.catalogue, row)
            if self.astray:
                raise Busy("Files shown elsewhere lie in this folder.", retry_after_s=1)
        self._row = row
        self._location = ground.catalogue.lies(row).location

    def plan(self) -> Plan | None:
        """What goes where."""
        return TrashPlan(
            root=self.root, account=self.who.account, device=self.who.device, at_ns=self.at_ns, node=self.node,
            location=self._location, kept=self.kept,
        )  # fmt: skip

    def carry_out(self, store: Content) -> None:
        """One rename."""
        looked = store.look(self._location)
        if looked is None or (self._row.kind == Kind.FILE and not same_content(self._row, looked)):
            self.outside = True
            raise Stale("It changed meanwhile.", rev=self._row.rev, change=self._row.change)
        store.keep(self._location, self.kept)
        self.touched.add(self._location[:-1])

    def look_back(self, ground: Ground, store: Content) -> bool:
        """It is kept."""
        row = ground.catalogue.node(self.node)
        if row is None or row.gone or store.look_kept(self.kept) is None:
            return False
        self._row = row
        self.touched.add(self._location[:-1])
        return True

    def record(self, rows: Rows) -> None:
        """Gone, and journal."""
        row = self._row
        assert row.parent is not None
        note = Note(self.root, row.id, ChangeKind.TRASHED, self.at_ns, self.who.account, self.who.device, (row.parent,))
        rows.set_gone(row.id, rows.note([note]), self.at_ns, self.who.account, self.kept)

    @classmethod
    def from_plan(cls, plan: TrashPlan, who: Principal, row: NodeRow) -> "Trash":
        """The work of an intent."""
        work = cls(who, row)
        work.kept, work._location = plan.kept, tuple(plan.location)
        return work


def _astray(catalogue: Catalogue, folder: NodeRow) -> list[NodeRow]:
    """Nodes of which only place or only location is in a folder."""
    found = []
    for row in catalogue.lying_elsewhere(folder.root):
        if row.parent is None or row.loc_parent is None or row.id == folder.id:
            continue
        shown, lies = catalogue.folder(row.parent), catalogue.folder(row.loc_parent)
        if shown is not None and lies is not None and (folder.id in shown.chain) != (folder.id in lies.held):
            found.append(row)
    return found


class RestorePlan(Plan, tag="restore"):
    """Something kept about to come back."""

    node: NodeId
    kept: str
    parent: NodeId
    name: str
    disk_name: str | None
    target: Location


class Restore(Work[Node]):
    """Out of the trash: to its old place (or the nearest folder above that is still there), or to a given one."""

    gives = Node

    def __init__(
        self, who: Principal, row: NodeRow, parent: NodeId | None, name: str | None, *, disk_name: str | None = None,
        once: Once | None = None,
    ) -> None:  # fmt: skip
        super().__init__(who, row.root, once)
        self.node, self.parent, self.name, self.disk_name = row.id, parent, name, disk_name
        # The free name is found in `prepare`: nothing else may take names in a folder at the same time.
        self.exclusive = True
        self.on_disk_taken = False
        self.restore_plan: RestorePlan | None = None
        self._row = row
        self._stat: Stat | None = None

    def prepare(self, ground: Ground) -> None:
        """Find folder and free name."""
        catalogue = ground.catalogue
        row = catalogue.node(self.node)
        if row is None or not row.gone or row.kept is None or row.parent is None:
            raise NotFound("It is not in the trash.")
        wanted = self.name or row.name
        if self.parent is None:
            folder = check_place(_nearest(catalogue, row.parent), self.root, wanted)
        else:
            folder = check_place(catalogue.folder(self.parent), self.root, wanted)
        name = _free_name(catalogue, folder.id, wanted)
        check_free(catalogue, folder.id, name)
        self._row = row
        self.restore_plan = RestorePlan(
            root=self.root, account=self.who.account, device=self.who.device, at_ns=self.at_ns, node=row.id,
            kept=row.kept, parent=folder.id, name=name, disk_name=self.disk_name,
            target=(*folder.location, self.disk_name or name),
        )  # fmt: skip

    def plan(self) -> Plan | None:
        """What goes where."""
        return self.restore_plan

    def carry_out(self, store: Content) -> None:
        """One rename."""
        assert self.restore_plan is not None
        try:
            self._stat = store.bring_back(self.restore_plan.kept, self.restore_plan.target)
        except (PathTaken, BadName):
            self.on_disk_taken = True
            raise
        self.touched.add(self.restore_plan.target[:-1])

    def look_back(self, ground: Ground, store: Content) -> bool:
        """It is at its place and no longer kept."""
        row, plan = ground.catalogue.node(self.node), self.restore_plan
        if plan is None or row is None or not row.gone or store.look_kept(plan.kept) is not None:
            return False
        self._stat = store.look(plan.target)
        if self._stat is None or (row.inode and self._stat.inode != row.inode):
            return False
        self._row = row
        self.touched.add(plan.target[:-1])
        return True

    def record(self, rows: Rows) -> None:
        """Place and journal; everything in a folder is told anew."""
        plan, row = self.restore_plan, self._row
        assert plan is not None
        assert self._stat is not None
        inside = rows.inside(row.id) if row.kind == Kind.FOLDER else []

        def note(node: NodeRow, parent: NodeId) -> Note:
            return Note(
                self.root, node.id, ChangeKind.RESTORED, self.at_ns, self.who.account, self.who.device, (parent,)
            )

        notes = [note(row, plan.parent), *(note(each, each.parent or plan.parent) for each in inside)]
        number = rows.note(notes)
        loc_parent = None if plan.disk_name is None else plan.parent
        rows.set_place(row.id, plan.parent, plan.name, loc_parent, plan.disk_name, number)
        if row.kind == Kind.FILE and (self._stat.size, self._stat.mtime_ns) == (row.size, row.disk_mtime_ns):
            rows.set_seen(row.id, row.mtime_ns, seen_from(self._stat), None)
        rows.bump((each.id, number + 1 + k) for k, each in enumerate(inside))
        after = rows.node(row.id)
        assert after is not None
        self.result = after._replace(below=number + len(inside)).node()

    @classmethod
    def from_plan(cls, plan: RestorePlan, who: Principal, row: NodeRow) -> "Restore":
        """The work of an intent."""
        work = cls(who, row, plan.parent, plan.name, disk_name=plan.disk_name)
        plan.target = tuple(plan.target)
        work.restore_plan = plan
        return work


def _nearest(catalogue: Catalogue, parent: NodeId) -> Folder | None:
    """The folder, or the first above it that is there."""
    folder = catalogue.folder(parent)
    while folder is not None and not folder.live and folder.parent is not None:
        folder = catalogue.folder(folder.parent)
    return folder


def _free_name(catalogue: Catalogue, folder: NodeId, name: str) -> str:
    taken: set[str] = set()
    while (candidate := numbered(name, taken)) not in taken and catalogue.child(folder, candidate) is not None:
        taken.add(candidate)
    return candidate


class PlannedVersion(NamedTuple):
    """An older content about to be removed."""

    node: NodeId
    rev: int
    size: int
    kept: str


class PurgePlan(Plan, tag="purge"):
    """Deleted nodes and older contents about to be removed for good; once written down it is always carried out."""

    nodes: list[NodeId]
    keys: list[str]
    versions: list[PlannedVersion]


class Purge(Work[int]):
    """Deleted nodes (with all in them and all their versions) and older contents, for good; how many of both were removed."""

    gives = int

    def __init__(
        self, who: Principal, root: RootId, nodes: Sequence[NodeId], versions: Sequence[VersionRow] = (),
        once: Once | None = None,
    ) -> None:  # fmt: skip
        super().__init__(who, root, once)
        self.nodes = list(nodes)
        self.keys = [*(("node", node) for node in nodes), *(("node", version.node) for version in versions)]
        self.exclusive = bool(self.nodes)
        self._wanted = versions
        self.purge_plan: PurgePlan | None = None

    def prepare(self, ground: Ground) -> None:
        """Gather what goes: nodes still deleted, versions still kept."""
        catalogue = ground.catalogue
        tops: list[NodeId] = []
        keys: list[str] = []
        for node in self.nodes:
            row = catalogue.node(node)
            if row is not None and row.root == self.root and row.gone and row.kept is not None:
                tops.append(node)
                keys.append(row.kept)
                below = catalogue.inside(node) if row.kind == Kind.FOLDER else []
                for each in (row, *below):
                    keys.extend(version.kept for version in catalogue.versions(each.id))
        versions = []
        for wanted in self._wanted:
            version = catalogue.version(wanted.node, wanted.rev)
            if version is not None:
                versions.append(PlannedVersion(version.node, version.rev, version.size, version.kept))
        if not tops and not versions:
            raise NotFound("It is not in the trash.")
        self.purge_plan = PurgePlan(
            root=self.root, account=self.who.account, device=self.who.device, at_ns=self.at_ns, nodes=tops, keys=keys,
            versions=versions,
        )  # fmt: skip

    def plan(self) -> Plan | None:
        """All keys."""
        return self.purge_plan

    def carry_out(self, store: Content) -> None:
        """Remove; a second time is harmless."""
        assert self.purge_plan is not None
        for key in (*self.purge_plan.keys, *(version.kept for version in self.purge_plan.versions)):
            faultpoint("purge.next")
            store.drop_kept(key)
        self.touched.add(())  # the hidden areas are flushed with any folder: what was removed must not come back

    def look_back(self, ground: Ground, store: Content) -> bool:
        """Go on removing."""
        self.carry_out(store)
        return True

    def record(self, rows: Rows) -> None:
        """Tombstones, rows, usage, journal."""
        assert self.purge_plan is not None
        for node in self.purge_plan.nodes:
            self._remove(rows, node)
        for version in self.purge_plan.versions:
            rows.drop_version(version.node, version.rev)
            rows.charge(self.root, kept=-version.size, entries=-1)
        self.result = len(self.purge_plan.nodes) + len(self.purge_plan.versions)

    def _remove(self, rows: Rows, node: NodeId) -> None:
        row = rows.node(node)
        if row is None or row.kept is None or row.parent is None:
            return
        below = rows.inside(node) if row.kind == Kind.FOLDER else []
        files = [each for each in (row, *below) if each.kind == Kind.FILE]
        versions = [version for each in files for version in rows.versions(each.id)]
        rows.charge(
            self.root, live=-sum(each.size for each in files), kept=-sum(version.size for version in versions),
            files=-len(files), entries=-(1 + len(below) + len(versions)),
        )  # fmt: skip
        note = Note(self.root, node, ChangeKind.PURGED, self.at_ns, self.who.account, self.who.device, (row.parent,))
        number = rows.note([note])
        rows.forget((each.id for each in reversed(below)), number)
        for version in rows.versions(node):
            rows.drop_version(node, version.rev)
        rows.set_purged(node, number)

    @classmethod
    def from_plan(cls, plan: PurgePlan, who: Principal) -> "Purge":
        """The work of an intent."""
        work = cls(who, plan.root, plan.nodes)
        plan.versions = [PlannedVersion(*version) for version in plan.versions]
        work.purge_plan = plan
        return work
