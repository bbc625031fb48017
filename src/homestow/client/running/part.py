"""The top of a job that keeps one folder of a root in step, not all of it."""

from homestow.client.ports.remote import FolderMissing, Places, Remote, RemoteRoot
from homestow.client.ports.state import Life
from homestow.values.errors import BadName, NotFound, WrongKind
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind


class Part:
    """Finds the folder: by its path at first, from then on by its id, whatever it is called and wherever it goes.

    Args:
        remote, places: the root.
        path: names with "/" between, from the root's top.
        life: what the job's trees are about, None when it has none; the id is known from there.
    """

    def __init__(self, remote: Remote, places: Places, path: str, life: Life | None) -> None:
        self._remote, self._places = remote, places
        self._path = path.strip("/")
        self._known = life

    def of(self, root: RemoteRoot) -> RemoteRoot:
        """The root with the folder as its top, as it is now.

        Raises:
            FolderMissing: it is not there.
        """
        known = self._known
        if known is None or (known.epoch, known.root) != (root.epoch, root.id) or not self._is_there(known.top, root):
            # Another store may mean another folder by the same id, so the path says again which one it is.
            known = self._known = Life(root.epoch, root.id, self._find())
        return root._replace(top=NodeId(known.top), part=True)

    def _is_there(self, top: int, root: RemoteRoot) -> bool:
        try:
            node = self._remote.node(NodeId(top))
        except NotFound:
            return False
        return not node.gone and node.kind is Kind.FOLDER and node.root == root.id

    def _find(self) -> int:
        try:
            node = self._places.resolve(self._path)
        except (NotFound, BadName, WrongKind) as error:
            raise FolderMissing(
                f"There is no folder {self._path!r} on the server (any more). Nothing was changed on this computer. "
                "Make it there, bring it back from the trash, or choose another folder for this job."
            ) from error
        if node.kind is not Kind.FOLDER or node.gone:
            raise FolderMissing(f"{self._path!r} on the server is no folder; choose one for this job.")
        return node.id
