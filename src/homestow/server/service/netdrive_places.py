"""Folders as netdrive clients name them: by id, or by a path in whatever spelling.

Clients compare the paths and names they are listed with their own, byte for byte. So a spelling that is not ours is remembered
for the account that used it, and told again as long as it still means the same place.
"""

import threading
from collections.abc import Sequence

from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.netdrive import NetdriveRows
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.files import Files
from homestow.server.service.netdrive_facts import TOP, NoFolder
from homestow.values.errors import BadName, NotFound, WrongKind
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import MAX_DEPTH, MAX_PATH_BYTES, check_name, nfc

Names = tuple[str, ...]

_MOST_SPELLED = 8 * 1024
_MOST_CACHED = 1000


def names_of(path: str) -> Names:
    """Names from a root's top; empty and `.` segments say nothing.

    Raises:
        BadName: `..` or another segment that is no name, over 4,096 bytes or 256 levels (S01, S14).
    """
    if len(path) > _MOST_SPELLED:
        raise BadName("A path has at most 4,096 bytes and 256 levels.")
    names = tuple(check_name(name) for name in path.split("/") if name not in ("", "."))
    if len(names) > MAX_DEPTH or sum(len(name.encode()) + 1 for name in names) > MAX_PATH_BYTES:
        raise BadName("A path has at most 4,096 bytes and 256 levels.")
    return names


def path_of(names: Sequence[str]) -> str:
    """A folder's path as it is told to who spelled none of his own: `//` for the top, `/a/b/` for others."""
    return f"/{'/'.join(names)}/" if names else TOP


class Places:
    """Finds and makes folders. All methods may be called from any thread."""

    def __init__(self, catalogue: Catalogue, access: Access, files: Files, rows: NetdriveRows) -> None:
        self._catalogue = catalogue
        self._access = access
        self._files = files
        self._rows = rows
        self._spelled: dict[tuple[AccountId, RootId], dict[NodeId, str]] = {}
        self._lock = threading.Lock()

    def find(self, who: Principal, root: RootId, folder: int | str, need: Rights) -> tuple[NodeRow, Names]:
        """A folder that is there.

        Raises:
            NoFolder: it is not.
            WrongKind: it is a file.
            BadName, NotFound, Forbidden: the path is none; the root is not for this one.
        """
        if isinstance(folder, int):
            return self._by_id(who, root, folder, need)
        names = names_of(folder)
        row, found = self._down(who, root, names, need)
        if found < len(names):
            raise NoFolder(f"There is no folder {path_of(names)}.")
        return row, names

    def make(self, who: Principal, root: RootId, folder: int | str) -> tuple[NodeId, Names, bool]:
        """A folder with its names, and whether it was made now, with what is missing above it.

        Raises:
            NoFolder: there is none of this id.
            PathTaken, WrongKind: a file is in the way.
            BadName, NotFound, Forbidden, QuotaExceeded: it cannot be.
        """
        if isinstance(folder, int):
            row, names = self._by_id(who, root, folder, Rights.WRITE)
            return row.id, names, False
        names = names_of(folder)
        row, found = self._down(who, root, names, Rights.WRITE)
        if found == len(names):
            return row.id, names, False
        wanted = [(row.id if at == 0 else -at, name) for at, name in enumerate(names[found:])]
        outcomes = self._files.make_folders(who, root, wanted)
        made = [outcome.result() for outcome in outcomes][-1]
        return made.id, names, True

    def _by_id(self, who: Principal, root: RootId, folder: int, need: Rights) -> tuple[NodeRow, Names]:
        try:
            row = self._access.node(who, NodeId(folder), need, Kind.FOLDER)
        except NotFound as error:
            raise NoFolder("There is no folder of this id.") from error
        if row.root != root:
            raise NoFolder("There is no folder of this id.")
        return row, self._files.path_of(row)

    def _down(self, who: Principal, root: RootId, names: Names, need: Rights) -> tuple[NodeRow, int]:
        """The deepest folder of a path that is there, and how many of its names were found."""
        row = self._access.top(who, root, need)
        for at, name in enumerate(names):
            below = self._catalogue.child(row.id, name)
            if below is None:
                return row, at
            if below.kind != Kind.FOLDER:
                raise WrongKind(f"{path_of(names[: at + 1])} is a {below.kind}.")
            row = below
        return row, len(names)

    # --- spellings ------------------------------------------------------------------------------------------------

    def spell_folder(self, who: Principal, root: RootId, folder: NodeId, said: int | str, names: Names) -> None:
        """Remember how a client spelled a folder's path."""
        if isinstance(said, str):
            self._spell(who, root, folder, None if said == path_of(names) else said)

    def spell_file(self, who: Principal, root: RootId, node: NodeId, said: str, name: str) -> None:
        """Remember how a client spelled a file's name."""
        self._spell(who, root, node, None if said == name else said)

    def _spell(self, who: Principal, root: RootId, node: NodeId, said: str | None) -> None:
        known = self._known(who, root)
        if known.get(node) != said:
            self._rows.spell(who.account, root, node, said)
            if said is None:
                known.pop(node, None)
            else:
                known[node] = said

    def folder_path(self, who: Principal, root: RootId, folder: NodeId, names: Names) -> str:
        """A folder's path as its reader spelled it last, when that still means it."""
        said = self._known(who, root).get(folder)
        if said is not None and _means(said, names):
            return said
        return path_of(names)

    def file_name(self, who: Principal, root: RootId, node: NodeId, name: str) -> str:
        """A file's name as its reader spelled it last, when that still means it."""
        said = self._known(who, root).get(node)
        return said if said is not None and nfc(said) == name else name

    def _known(self, who: Principal, root: RootId) -> dict[NodeId, str]:
        known = self._spelled.get((who.account, root))
        if known is None:
            with self._lock:
                if len(self._spelled) >= _MOST_CACHED:
                    self._spelled.clear()
                known = self._spelled[who.account, root] = self._rows.spelled(who.account, root)
        return known


def _means(said: str, names: Names) -> bool:
    try:
        return names_of(said) == names
    except BadName:
        return False
