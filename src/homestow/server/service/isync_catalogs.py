"""Folders as catalogs: looked at, made, shown elsewhere, deleted."""

from collections.abc import Sequence
from dataclasses import replace

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import Extras, ExtrasRows, Folders
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.files import Files
from homestow.server.service.isync_infos import SECOND, Infos, shown_name, with_help
from homestow.server.service.isync_places import at_free_name
from homestow.server.service.roots import Roots
from homestow.values.errors import BadRequest, NotFound, WrongKind
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node
from homestow.wire.isync import NO_PARENT, CatalogInfo, HelpInfo, node_name
from homestow.wire.isync_calls import ChangeCatalog, NewCatalog, SetHelp

_AT_ONCE = 1000


class Catalogs:
    """Use cases around catalogs. A root's catalog is its top folder."""

    def __init__(
        self, catalogue: Catalogue, access: Access, roots: Roots, files: Files, rows: ExtrasRows, folders: Folders,
        infos: Infos, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._roots = roots
        self._files = files
        self._rows = rows
        self._folders = folders
        self._infos = infos
        self._clock = clock

    def below(self, who: Principal, parents: Sequence[int]) -> list[CatalogInfo]:
        """What stands directly in catalogs, by id; -1 stands for all roots. Unknown ones hold nothing.

        Raises:
            StorageFailed: an own root, for whoever has none, cannot be made.
        """
        found: dict[NodeId, NodeRow] = {}
        if NO_PARENT in parents:
            tops = [view.top for view in self._roots.of(who)]
            found.update(self._catalogue.nodes(tops))
        seen = self.visible(who, [NodeId(parent) for parent in parents if parent > 0], Rights.READ)
        if seen:
            found.update((row.id, row) for row in self._folders.folders_in([row.id for row in seen]))
        return self._infos.catalogs([found[node] for node in sorted(found)])

    def visible(self, who: Principal, ids: Sequence[NodeId], need: Rights) -> list[NodeRow]:
        """Those of these folders that somebody may see.

        Raises:
            Forbidden: one may be seen, but `need` is more than that.
        """
        rows: list[NodeRow] = []
        for node in ids:
            try:
                rows.append(self._access.node(who, node, need, Kind.FOLDER))
            except (NotFound, WrongKind):
                continue
        return rows

    def create(self, who: Principal, asked: NewCatalog) -> CatalogInfo:
        """Make a folder. A display name that is taken there is kept; the folder is called "… (2)".

        Raises:
            NotFound, WrongKind, Forbidden: no such parent, or no right in it.
            BadName: no folder can have the name there.
        """
        parent = self._access.node(who, NodeId(asked.parent), Rights.WRITE, Kind.FOLDER)

        def attempt(name: str) -> Node:
            return self._files.make_folder(who, parent.id, name)

        made = at_free_name(self._catalogue, parent.id, node_name(asked.name), attempt)
        now_s = self._clock.now_ns() // SECOND

        def fill(row: Extras) -> Extras:
            return replace(
                row, shown=asked.name, shown_for=made.name, created_s=now_s if asked.created_s is None else asked.created_s,
                modified_s=now_s, memo=asked.memo, help_int=asked.help_int, help_text=asked.help_text,
            )  # fmt: skip

        self._rows.change(made.id, made.root, fill)
        return self._info(who, made.id)

    def change(self, who: Principal, asked: ChangeCatalog) -> CatalogInfo:
        """Show a folder elsewhere or under another name, or keep something with it; where it lies stays as it is.

        A root gets another display name only. Nothing moves to another root.

        Raises:
            NotFound, WrongKind, Forbidden: no such catalog or parent, or no right in it.
            BadRequest: nothing is to be changed, or it cannot go there.
            WouldCycle: into itself.
        """
        row = self._access.node(who, NodeId(asked.id), Rights.WRITE, Kind.FOLDER)
        parent = row
        moves = asked.parent is not None and asked.parent != row.parent
        if (
            not moves
            and asked.name is None
            and asked.memo is None
            and asked.help_int is None
            and asked.help_text is None
        ):
            raise BadRequest("Nothing is to be changed.")
        if asked.parent is not None and moves:
            parent = self._access.node(who, NodeId(asked.parent), Rights.WRITE, Kind.FOLDER)
            if row.parent is None or parent.root != row.root:
                raise BadRequest("A catalog moves within its root.")
        known = self._rows.extras([row.id]).get(row.id)
        shown = asked.name if asked.name is not None else shown_name(row, known, "")
        name = row.name
        if row.parent is not None and (moves or asked.name is not None):
            name = self.move(who, row, parent.id if moves else row.parent, node_name(shown))
        now_s = self._clock.now_ns() // SECOND

        def fill(extras: Extras) -> Extras:
            if asked.name is not None or (extras.shown is not None and extras.shown_for == row.name):
                extras = replace(extras, shown=shown, shown_for=name)
            return replace(
                extras,
                modified_s=now_s,
                memo=extras.memo if asked.memo is None else asked.memo,
                help_int=extras.help_int if asked.help_int is None else asked.help_int,
                help_text=extras.help_text if asked.help_text is None else asked.help_text,
            )

        self._rows.change(row.id, row.root, fill)
        return self._info(who, row.id)

    def move(self, who: Principal, row: NodeRow, parent: NodeId, name: str) -> str:
        """Show a node at another place, its bytes stay where they lie; what it is called there.

        Raises:
            WouldCycle, NotFound, BadName: as `Files.move`.
        """

        def attempt(free: str) -> str:
            if (parent, free) == (row.parent, row.name):
                return free
            return self._files.move(who, row.id, parent, free, place_only=True).name

        return at_free_name(self._catalogue, parent, name, attempt, row.id)

    def delete(self, who: Principal, ids: Sequence[int]) -> None:
        """Folders with all they hold into the trash; of a root everything in it. Unknown ones are left out.

        Raises:
            Forbidden: one of them may be seen, but not deleted; then none is.
        """
        for row in self.visible(who, [NodeId(each) for each in ids if each > 0], Rights.WRITE):
            if row.parent is not None:
                self._delete(who, row.id)
                continue
            while children := self._catalogue.children(row.id, "", _AT_ONCE):
                for child in children:
                    self._delete(who, child.id)

    def help(self, who: Principal, node: NodeId) -> HelpInfo:
        """What a client keeps with a folder. Raises `NotFound`, `WrongKind`."""
        info = self._info(who, node)
        return HelpInfo(help_int=info.help_int, help_text=info.help_text, last_modify_time=info.last_modify_time)

    def set_help(self, who: Principal, asked: SetHelp) -> None:
        """Keep something with a folder. Raises `NotFound`, `WrongKind`, `Forbidden`."""
        row = self._access.node(who, NodeId(asked.id), Rights.WRITE, Kind.FOLDER)
        self._rows.change(row.id, row.root, with_help(asked, self._clock.now_ns() // SECOND))

    def _info(self, who: Principal, node: NodeId) -> CatalogInfo:
        return self._infos.catalogs([self._access.node(who, node, Rights.READ, Kind.FOLDER)])[0]

    def _delete(self, who: Principal, node: NodeId) -> None:
        try:
            self._files.delete(who, node)
        except NotFound:
            return
