"""Finding a node for somebody: existence and right are asked in one call, so that no second look-up can differ (S09)."""

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.rights import RightsSource
from homestow.server.rules.access import Principal, Rights, require
from homestow.values.errors import NotFound, WrongKind
from homestow.values.ids import SYSTEM, NodeId, RootId
from homestow.values.nodes import Kind


class Access:
    """Rights of whoever asks, over the rows of the catalogue."""

    def __init__(self, catalogue: Catalogue, source: RightsSource) -> None:
        self._catalogue = catalogue
        self._source = source

    def rights(self, who: Principal, root: RootId) -> Rights:
        """What somebody may do in a root; the machine's owner and the system itself everything."""
        if who.operator or who.account == SYSTEM:
            return Rights.OWN
        return self._source.rights(who.account, root)

    def root(self, who: Principal, root: RootId, need: Rights) -> None:
        """Let somebody act in a root, or not.

        Raises:
            NotFound, Forbidden: see `require`.
        """
        require(self.rights(who, root), need)

    def top(self, who: Principal, root: RootId, need: Rights) -> NodeRow:
        """A root's top folder."""
        self.root(who, root, need)
        row = self._catalogue.top(root)
        if row is None:
            raise NotFound("Nothing is there.")
        return row

    def node(self, who: Principal, node: NodeId, need: Rights, kind: Kind | None = None) -> NodeRow:
        """A node that stands at its place.

        Raises:
            NotFound: unknown, deleted (itself or a folder above), or not for this one to know.
            Forbidden: it may be seen, but this needs more rights.
            WrongKind: it is not of this kind.
        """
        row = self.anything(who, node, need)
        if row.gone or not self.stands_in(row.parent):
            raise NotFound("Nothing is there.")
        if kind is not None and row.kind != kind:
            raise WrongKind(f"This needs a {kind.value}, and {row.name!r} is a {row.kind}.")
        return row

    def anything(self, who: Principal, node: NodeId, need: Rights) -> NodeRow:
        """The same of a node that may be deleted."""
        row = self._catalogue.node(node)
        if row is None:
            raise NotFound("Nothing is there.")
        require(self.rights(who, row.root), need)
        return row

    def stands_in(self, parent: NodeId | None) -> bool:
        """Whether a folder and all above it are there; True for what is above a root's top."""
        if parent is None:
            return True
        folder = self._catalogue.folder(parent)
        return folder is not None and folder.live
