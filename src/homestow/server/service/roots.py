"""Roots: which trees there are, who may see them, how much they may hold, and the store each lies in.

This is the `RightsSource` and the `StoreSet` of the other use cases. Rights are kept in memory once they were read and
forgotten on every change, so that what is taken away is gone at once.
"""

import logging
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from homestow.server.ports.accounts import Account
from homestow.server.ports.accounts import Accounts as AccountRows
from homestow.server.ports.catalogue import Catalogue, new_row
from homestow.server.ports.clock import Clock
from homestow.server.ports.content import Location
from homestow.server.ports.journal import Note
from homestow.server.ports.roots import Root, RootState
from homestow.server.ports.roots import Roots as RootRows
from homestow.server.rules.access import Principal, Rights, require
from homestow.server.rules.quotas import Quota
from homestow.server.service.root_stores import OpenStore, RootStores
from homestow.values.changes import ChangeKind
from homestow.values.errors import BadRequest, Forbidden, NotFound, RootsOverlap, StorageFailed, TooManyTries
from homestow.values.ids import NO_DEVICE, SYSTEM, AccountId, NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import check_name, nfc, numbered
from homestow.values.words import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RootView:
    """A root as a member sees it: `top` is its top folder, `change` the newest change in it, `used` and `quota` bytes."""

    id: RootId
    name: str
    top: NodeId
    rights: Rights
    change: int
    used: int
    quota: int | None


class Roots(RootStores):
    """Use cases around roots. All methods may be called from any thread."""

    def __init__(
        self,
        rows: RootRows,
        accounts: AccountRows,
        catalogue: Catalogue,
        open_store: OpenStore,
        clock: Clock,
        files: Path,
        data: Path | None = None,
        default_quota: int = 0,
        entries: int = 0,
    ) -> None:
        """`files` is the folder in which own roots are made, `data` the server's own (None: the one around `files`).

        `default_quota` is in bytes per account (0: none). `entries` is how many an account's own roots together, or a root of
        nobody, may hold (0: any number).
        """
        super().__init__(rows, catalogue, open_store, clock)
        self._accounts = accounts
        self._files = files
        self._data = data
        self._lock = threading.RLock()
        self._default_quota = default_quota
        self._entries = entries
        self._rights: dict[tuple[AccountId, RootId], Rights] = {}
        self._quotas: dict[RootId, tuple[Quota, ...]] = {}
        self._most_entries: dict[RootId, Quota | None] = {}
        self._changes = 0

    # --- what other use cases ask ---------------------------------------------------------------------------------

    def rights(self, account: AccountId, root: RootId) -> Rights:
        """Rights of an account in a root; NONE for unknown ones. The system has all rights in every root."""
        found = self._rights.get((account, root))
        if found is not None:
            return found
        changes = self._changes
        row = self._rows.root(root)
        if row is None or row.state is RootState.REMOVED:
            found = Rights.NONE
        else:
            found = Rights.OWN if account == SYSTEM else self._accounts.rights(account, root)
        with self._lock:
            if changes == self._changes:
                if len(self._rights) > 100_000:
                    self._rights.clear()
                self._rights[account, root] = found
        return found

    def readable(self, account: AccountId) -> list[RootId]:
        """The roots an account may read, oldest first; all of them for the system."""
        if account == SYSTEM:
            return [root.id for root in self._rows.roots()]
        known = {root.id for root in self._rows.roots()}
        return [root for root, rights in self._accounts.roots_of(account) if rights >= Rights.READ and root in known]

    def quotas(self, root: RootId) -> Sequence[Quota]:
        """Every quota that counts what lies in this root."""
        found = self._quotas.get(root)
        if found is None:
            changes = self._changes
            found = tuple(self._read_quotas(root))
            with self._lock:
                if changes == self._changes:
                    self._quotas[root] = found
        return found

    def most_entries(self, root: RootId) -> Quota | None:
        """How many entries a root and those counted with it may hold: all of its owner's, or it alone when nobody owns it."""
        try:
            return self._most_entries[root]
        except KeyError:
            changes = self._changes
        row = self._rows.root(root)
        found = None
        if self._entries and row is not None:
            alone = row.owner == SYSTEM or self._accounts.account(row.owner) is None
            found = Quota(self._entries, (root,) if alone else self._own_roots(row.owner))
        with self._lock:
            if changes == self._changes:
                self._most_entries[root] = found
        return found

    # --- members --------------------------------------------------------------------------------------------------

    def of(self, who: Principal) -> list[RootView]:
        """The roots somebody may see, the own first; whoever has none at all gets an own one now."""
        if not self._accounts.roots_of(who.account) and (account := self._accounts.account(who.account)) is not None:
            self.own(account)
        rows = [row for row in map(self._rows.root, self.readable(who.account)) if row is not None]
        rows.sort(key=lambda row: (row.owner != who.account, row.id))
        return [self._view(row, self.rights(who.account, row.id)) for row in rows]

    def usage(self, account: AccountId) -> tuple[int, int | None]:
        """Bytes in the account's own roots, and how many there may be (None: no limit)."""
        own = [row.id for row in self._rows.roots() if row.owner == account]
        found = self._accounts.account(account)
        limit = found.quota if found is not None and found.quota is not None else self._default_quota
        return sum(usage.total for usage in self._catalogue.usage(own).values()), limit or None

    def members(self, who: Principal, root: RootId) -> list[tuple[Account, Rights]]:
        """Who may see a root, told to those who may. Raises `NotFound`."""
        require(self.rights(who.account, root), Rights.READ)
        return self._accounts.members(root)

    def member_list(self, root: RootId) -> list[tuple[Account, Rights]]:
        """A root's members by name, for the server itself."""
        return self._accounts.members(root)

    def files_in(self, root: RootId) -> int:
        """How many files are known in a root, those in the trash included."""
        return self._catalogue.usage([root])[root].files

    def set_member(self, who: Principal, root: RootId, user: str, rights: Rights) -> list[tuple[Account, Rights]]:
        """Give or take rights; by owners of the root, and nobody loses the last owner.

        Raises:
            NotFound: no such root for the caller, or no such user (to an owner only).
            Forbidden: the caller is no owner, or would leave the root without one.
            TooManyTries: the caller named too many users there are not (S45); fact `retry_after_s`.
        """
        require(self.rights(who.account, root), Rights.OWN)
        account = self._asked(who, user)
        owners = [member.id for member, have in self._accounts.members(root) if have is Rights.OWN]
        if owners == [account.id] and rights is not Rights.OWN:
            raise Forbidden("This is the root's only owner; make somebody else an owner first.")
        self.give(root, account.id, rights)
        return self._accounts.members(root)

    def give(self, root: RootId, account: AccountId, rights: Rights) -> None:
        """Set somebody's rights, whoever asks."""
        self._accounts.set_rights(account, root, rights)
        self.forget_cached()
        log.info("rights set", extra={"root": root, "account": account, "rights": rights.word})

    # --- making and removing --------------------------------------------------------------------------------------

    def own(self, account: Account) -> Root:
        """The account's own root, made when there is none: named as the account, in a folder of that name in ours."""
        with self._lock:
            for row in self._rows.roots():
                if row.owner == account.id:
                    return row
            folder = self._make_folder(account)
            return self._add(account.name, str(folder), account.id, [(account.id, Rights.OWN)])

    def add(
        self, name: str, folder: str, members: Sequence[tuple[str, Rights]], around: Collection[RootId] = ()
    ) -> Root:
        """Adopt an existing folder as a root: nothing is copied and nothing written into it.

        A folder that was a root before comes back as that root, with its trash and versions. What is in the folder is
        found by `outside.Outside.rescan`.

        Args:
            around: roots that lie in the folder and will become folders of the new one (`service.merging`).

        Raises:
            BadName: the name cannot be.
            BadRequest: no such folder.
            RootsOverlap: the folder lies in another root's folder or around it, or around the server's own data.
            NotFound: a member that is no user.
        """
        name = check_name(name)
        wanted = [(self._named(user).id, rights) for user, rights in members]
        path = os.path.realpath(folder)
        if not os.path.isdir(path):
            raise BadRequest(f"{folder} is not a folder on this machine; make it first.")
        with self._lock:
            before = self._rows.root_in(path)
            back = {before.id} if before is not None and before.state is RootState.AWAY else set()
            self._refuse_overlap(path, back | set(around))
            if before is None:
                return self._add(name, path, SYSTEM, wanted)
            self._rows.rename_root(before.id, name)
            self._rows.set_identity(before.id, 0, 0, False)
            self._rows.set_state(before.id, RootState.PRESENT)
            self._trusted.add(before.id)
            self._close(before.id)
            for account, rights in wanted:
                self._accounts.set_rights(account, before.id, rights)
            self.forget_cached()
            log.info("root is back", extra={"root": before.id, "root_name": name})
            return self._rows.root(before.id) or before

    def remove(self, name: str) -> Root:
        """Take a root off the server: nobody sees it any more; its folder and everything in it stay. Raises `NotFound`."""
        row = self.named(name)
        with self._lock:
            self._rows.set_state(row.id, RootState.REMOVED)
            self._rows.set_owner(row.id, SYSTEM)
            self._accounts.forget_root(row.id)
            self._close(row.id)
            self.forget_cached()
        log.info("root removed", extra={"root": row.id, "root_name": row.name})
        return row

    def grafted(self, root: RootId) -> None:
        """A root became a folder of another one: its store is closed, and nothing remembered of it counts any more."""
        with self._lock:
            self._close(root)
            self.forget_cached()

    def left_over(self) -> list[tuple[Root, RootId, Location]]:
        """Folders of removed roots that lie in another one now: the removed root, the other one, where it lies there."""
        found = []
        for gone in self._rows.removed_roots():
            for row in self._rows.roots():
                if _within(gone.folder, row.folder) and gone.folder != row.folder and row.state is RootState.PRESENT:
                    found.append((gone, row.id, tuple(os.path.relpath(gone.folder, row.folder).split("/"))))
        return found

    def holding(self, path: str) -> Root | None:
        """The root in whose folder a path (links resolved) lies, or whose folder it is."""
        return next((row for row in self._rows.roots() if _within(path, row.folder)), None)

    def inside(self, path: str) -> list[Root]:
        """The roots whose folders lie below a path (links resolved)."""
        return [row for row in self._rows.roots() if _within(row.folder, path) and row.folder != path]

    def leave(self, account: AccountId) -> list[Root]:
        """Make the own roots of an account that is being removed nobody's; they stay on disk. Which they were."""
        own = [row for row in self._rows.roots() if row.owner == account]
        for row in own:
            self._rows.set_owner(row.id, SYSTEM)
        self.forget_cached()
        return own

    def named(self, name: str) -> Root:
        """The root of a name. Raises `NotFound`."""
        row = self._rows.root_named(name)
        if row is None:
            raise NotFound(f"There is no root {name!r}; `homestow root list` shows all.")
        return row

    def all(self) -> list[Root]:
        """All roots, oldest first."""
        return self._rows.roots()

    def folders(self) -> list[str]:
        """Folders that belong to the store: of all roots, and the server's own."""
        return [*(row.folder for row in self._rows.roots()), str(self._own())]

    def set_quota(self, name: str, quota: int | None) -> None:
        """Set how many bytes a root may hold; 0 or None: no limit of its own. Raises `NotFound`."""
        self._rows.set_root_quota(self.named(name).id, quota)
        self.forget_cached()

    def adopt_orphans(self) -> list[Root]:
        """Make roots of folders among the own roots' that belong to none, without members: the catalogue was lost."""
        known = {row.folder for row in self._rows.roots()}
        made: list[Root] = []
        with self._lock:
            for entry in sorted(os.scandir(self._files), key=lambda entry: entry.name):
                path = os.path.realpath(entry.path)
                if entry.is_dir(follow_symlinks=False) and path not in known:
                    made.append(self.add(nfc(entry.name), path, []))
        return made

    def ensure_tops(self) -> None:
        """Give every root its top folder; one is missing only when the server was killed between two steps."""
        for row in self._rows.roots():
            self._ensure_top(row.id)

    def forget_cached(self) -> None:
        """Read rights and quotas anew from now on."""
        with self._lock:
            self._changes += 1
            self._rights.clear()
            self._quotas.clear()
            self._most_entries.clear()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _add(self, name: str, folder: str, owner: AccountId, members: Sequence[tuple[AccountId, Rights]]) -> Root:
        row = self._rows.add_root(name, folder, owner, self._clock.now_ns())
        self._ensure_top(row.id)
        for account, rights in members:
            self._accounts.set_rights(account, row.id, rights)
        self.forget_cached()
        log.info("root made", extra={"root": row.id, "root_name": row.name, "folder": folder})
        return row

    def _ensure_top(self, root: RootId) -> None:
        if self._catalogue.top(root) is not None:
            return
        with self._catalogue.write() as rows:
            if rows.top(root) is None:
                node = rows.take_ids(1)
                note = Note(root, node, ChangeKind.CREATED, self._clock.now_ns(), SYSTEM, NO_DEVICE, ())
                rows.add([new_row(node, root, None, "", Kind.FOLDER, rows.note([note]))])

    def _make_folder(self, account: Account) -> Path:
        """A new folder for an own root; with the id when something of the name is there: it may be somebody's (S06)."""
        try:
            taken = {entry.name for entry in os.scandir(self._files)}
        except OSError as error:
            raise _own_failed(self._files, error) from error
        name = account.name if account.name not in taken else numbered(f"{account.name}-{account.id}", taken)
        folder = self._files / check_name(name)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise _own_failed(folder, error) from error
        return folder

    def _own(self) -> Path:
        return (self._files.parent if self._data is None else self._data).resolve()

    def _refuse_overlap(self, path: str, but: Collection[RootId]) -> None:
        own, files = self._own(), self._files.resolve()
        if _within(str(own), path) or _within(str(files), path):
            raise RootsOverlap(f"{path} holds the server's own data folder; choose a folder beside it.")
        if any(_within(path, str(folder)) for folder in (own, files)) and Path(path).parent != files:
            raise RootsOverlap(f"{path} lies in the server's own data folder; choose a folder outside of it.")
        for row in self._rows.roots():
            if row.id in but:
                continue
            if _within(path, row.folder) or _within(row.folder, path):
                raise RootsOverlap(
                    f"{path} overlaps {row.folder}, the folder of the root {row.name!r}; choose another."
                )

    def _read_quotas(self, root: RootId) -> list[Quota]:
        row = self._rows.root(root)
        if row is None:
            return []
        found = [Quota(row.quota, (root,))] if row.quota else []
        if row.owner != SYSTEM and (account := self._accounts.account(row.owner)) is not None:
            limit = self._default_quota if account.quota is None else account.quota
            if limit:
                found.append(Quota(limit, self._own_roots(row.owner)))
        return found

    def _own_roots(self, owner: AccountId) -> tuple[RootId, ...]:
        return tuple(other.id for other in self._rows.roots() if other.owner == owner)

    def _view(self, row: Root, rights: Rights) -> RootView:
        top = self._catalogue.top(row.id)
        if top is None:
            raise StorageFailed(f"The root {row.name} has no top folder; run `homestow repair`.")
        used = self._catalogue.usage([row.id])[row.id].total
        limits = [quota.limit for quota in self.quotas(row.id)]
        return RootView(row.id, row.name, top.id, rights, top.below, used, min(limits, default=None))

    def _asked(self, who: Principal, user: str) -> Account:
        """The account somebody else names. Names that nobody has count as tries of a login do (S45).

        A try is counted before the name is looked at, so that those made side by side count; a name that is right gives it back.
        """
        if who.account == SYSTEM:
            return self._named(user)
        key, now_ns = f"names:{who.account}", self._clock.now_ns()
        wait_s = self._accounts.count_try((key,), now_ns)
        if wait_s is not None:
            raise TooManyTries(
                f"Too many names that nobody here has; wait {counted(wait_s, 'second')}.", retry_after_s=wait_s
            )
        account = self._named(user)
        self._accounts.give_back(key, now_ns)
        return account

    def _named(self, user: str) -> Account:
        account = self._accounts.account_named(user)
        if account is None:
            raise NotFound(f"There is no user {user!r}.")
        return account


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _own_failed(folder: Path, error: OSError) -> StorageFailed:
    """A folder for somebody's own files cannot be made; which one is for the log and the operator (S34)."""
    reason = f"{folder}: {error.strerror}"
    log.error("an own folder cannot be made", extra={"reason": reason})
    return StorageFailed("A folder for your files cannot be made; the server's log says why.").because(reason)
