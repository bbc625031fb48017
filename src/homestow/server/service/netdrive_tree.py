"""Roots as netdrive clients see them: bound by number, listed as a whole, folders made and removed."""

import logging

from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import Catalogue, NodeRow
from homestow.server.ports.clock import Clock
from homestow.server.ports.netdrive import NetdriveRows
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.files import Files
from homestow.server.service.md5s import Md5s
from homestow.server.service.netdrive_facts import ListedFile, Listing, NotBound, NotEmpty
from homestow.server.service.netdrive_places import Names, Places
from homestow.server.service.roots import Roots
from homestow.values.errors import Forbidden, LoginNeeded, NotFound, StorageFailed, StorageFull
from homestow.values.ids import AccountId, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import nfc

LISTING_S = 30.0
"""How long a list may wait for contents to be read before it is refused; what was read by then is not read again."""

_PAGE = 5000
_USED_AGAIN_NS = 3600 * 1_000_000_000
_SECOND = 1_000_000_000

log = logging.getLogger(__name__)


class NetdriveTree:
    """Use cases around roots and folders. All methods may be called from any thread."""

    def __init__(
        self, catalogue: Catalogue, access: Access, roots: Roots, files: Files, accounts: AccountRows, rows: NetdriveRows,
        places: Places, md5s: Md5s, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._roots = roots
        self._files = files
        self._accounts = accounts
        self._rows = rows
        self._places = places
        self._md5s = md5s
        self._clock = clock
        self._own: dict[AccountId, RootId] = {}
        self._used: dict[RootId, int] = {}

    # --- binds ----------------------------------------------------------------------------------------------------

    def bind(self, who: Principal) -> int:
        """The number of the user's bind, 0 for none; all clients of a user share it."""
        return self._rows.bind(who.account)

    def set_bind(self, who: Principal, number: int) -> bool:
        """Bind to the root of a number, 1 for the own one; False when the user has no such root."""
        try:
            self.root(who, number)
        except NotBound:
            return False
        self._rows.set_bind(who.account, number)
        return True

    def unbind(self, who: Principal) -> None:
        """Be bound to nothing."""
        self._rows.set_bind(who.account, 0)

    def root(self, who: Principal, bind: int | None) -> RootId:
        """The root a number means for this user; None: the own one, made when missing.

        Numbers are given once: the own root first, then the others in their order, later ones the next numbers. A number whose
        root is gone means nothing any more.

        Raises:
            NotBound: 0, or no root (any more).
            StorageFailed: the own root cannot be made.
        """
        if bind is None:
            return self._own_root(who)
        if bind > 0:
            numbers = self._rows.numbers(who.account)
            if bind not in numbers:
                self._own_root(who)  # the first number is its, also when it is made only now
                numbers = self._rows.give_numbers(who.account, [view.id for view in self._roots.of(who)])
            root = numbers.get(bind)
            if root is not None and self._access.rights(who, root) >= Rights.READ:
                return root
        raise NotBound("This number is bound to no root of yours; bind another one.")

    def numbered(self, who: Principal) -> list[tuple[int, str, bool]]:
        """Every root of the user: its number, its name, and whether the user may change it."""
        self._own_root(who)
        views = {view.id: view for view in self._roots.of(who)}
        numbers = self._rows.give_numbers(who.account, list(views))
        found = ((number, views.get(root)) for number, root in sorted(numbers.items()))
        return [(number, view.name, view.rights >= Rights.WRITE) for number, view in found if view is not None]

    def epoch(self) -> str:
        """Which life of the store this is; another one after it was restored."""
        return self._catalogue.epoch()

    def _own_root(self, who: Principal) -> RootId:
        known = self._own.get(who.account)
        if known is not None and self._access.rights(who, known) >= Rights.READ:
            return known
        account = self._accounts.account(who.account)
        if account is None:
            raise LoginNeeded("The account is gone.")
        found = self._own[who.account] = self._roots.own(account).id
        return found

    # --- looking --------------------------------------------------------------------------------------------------

    def listing(self, who: Principal, root: RootId) -> Listing:
        """All folders and complete files of a root; contents of which the MD5 is not known are read first.

        Raises:
            NotFound: the root is not for this one.
            Busy: contents are still being read; ask again.
        """
        top = self._access.top(who, root, Rights.READ)
        self._note_used(root)
        folders: dict[NodeId, NodeRow] = {}
        files: list[NodeRow] = []
        after: NodeId | None = NodeId(0)
        while after is not None:
            rows, after = self._catalogue.tree(root, after, _PAGE)
            for row in rows:
                if row.kind == Kind.FILE:
                    files.append(row)
                elif row.kind == Kind.FOLDER:
                    folders[row.id] = row
        known = self._md5s.of_root(root)
        unknown = [row for row in files if row.id not in known]
        read = self._md5s.read(unknown, self._clock.monotonic() + LISTING_S)
        paths = _paths(top.id, folders)
        spelled = {node: self._places.folder_path(who, root, node, names) for node, names in paths.items()}
        listed = []
        for row in files:
            md5: bytes | None = known.get(row.id)
            if md5 is None:
                if row.id not in read:
                    continue  # it went meanwhile
                row, md5 = read[row.id]
            path = None if row.parent is None else spelled.get(row.parent)
            if path is None or row.parent is None:
                continue
            listed.append(
                ListedFile(
                    row.id, row.parent, path, self._places.file_name(who, root, row.id, row.name), row.size,
                    "" if md5 is None else md5.hex(), row.mtime_ns // _SECOND,
                )
            )  # fmt: skip
        dirs = sorted(paths, key=lambda node: paths[node])
        return Listing([(int(node), spelled[node]) for node in dirs], listed)

    def _note_used(self, root: RootId) -> None:
        now = self._clock.now_ns()
        if now - self._used.get(root, 0) >= _USED_AGAIN_NS:
            self._used[root] = now
            try:
                self._rows.note_used(root, now)
            except (StorageFull, StorageFailed) as error:
                # A list can be given from a full disk too, also to who wants to make room.
                log.warning("the use of a root is not noted", extra={"root": int(root), "reason": error.message})

    # --- changing -------------------------------------------------------------------------------------------------

    def make_dir(self, who: Principal, root: RootId, path: str) -> bool:
        """Make a folder with what is missing above it; whether it is new.

        Raises:
            PathTaken, WrongKind: a file is in the way.
            BadName, NotFound, Forbidden, QuotaExceeded: it cannot be.
        """
        folder, names, made = self._places.make(who, root, path)
        if made:
            # Clients join a prefix and a name, so what they give has no slash at its end; folders they list do.
            said = path if path.endswith("/") else f"{path}/"
            self._places.spell_folder(who, root, folder, said, names)
        return made

    def drop_dir(self, who: Principal, root: RootId, path: str) -> bool:
        """An empty folder into the trash; False when there is none.

        Raises:
            NotEmpty: something is in it.
            Forbidden: it is the top, or the root is only to be read.
        """
        try:
            row, _ = self._places.find(who, root, path, Rights.WRITE)
        except NotFound:
            self._access.root(who, root, Rights.WRITE)
            return False
        if row.parent is None:
            raise Forbidden("The top of a root cannot be deleted.")
        if self._catalogue.children(row.id, "", 1):
            raise NotEmpty("The folder is not empty; delete what is in it first.")
        self._files.delete(who, row.id, base=row.below)
        return True

    def drop_file(self, who: Principal, root: RootId, folder: int | str, name: str) -> None:
        """A file into the trash.

        Raises:
            NoFolder: its folder is not there.
            NotFound: it is not there, or is no file.
            Forbidden: the root is only to be read.
        """
        row, _ = self._places.find(who, root, folder, Rights.WRITE)
        there = self._catalogue.child(row.id, nfc(name))
        if there is None or there.kind == Kind.FOLDER:
            raise NotFound("There is no such file.")
        self._files.delete(who, there.id)


def _paths(top: NodeId, folders: dict[NodeId, NodeRow]) -> dict[NodeId, Names]:
    """Names from the top of every folder that stands."""
    found: dict[NodeId, Names] = {top: ()}
    for node in folders:
        chain: list[NodeRow] = []
        at: NodeId | None = node
        while at is not None and at not in found and at in folders:
            chain.append(folders[at])
            at = folders[at].parent
        if at is None or at not in found:
            continue
        names = found[at]
        for row in reversed(chain):
            names = found[row.id] = (*names, row.name)
    return found
