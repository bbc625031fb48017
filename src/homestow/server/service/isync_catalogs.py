"""Folders as catalogs: looked at, made, shown elsewhere, deleted."""

from collections.abc import Sequence

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.extras import ExtrasRows, Folders
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.files import Files
from homestow.server.service.isync_infos import Infos
from homestow.server.service.roots import Roots
from homestow.values.errors import NotFound, WrongKind
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind
from homestow.wire.isync import NO_PARENT, CatalogInfo


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
