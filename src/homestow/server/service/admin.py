"""Administration orders, for the owner of the machine and, where they touch nothing but the store, for admins.

One dispatcher serves the command line, whether it reaches a running server through its socket or opens the data folder
itself. Orders and their arguments (`?`: may be left out):

    user.add {name, password, admin?, no_root?}    user.passwd {name, password}
    user.list {}    user.remove {name}             user.quota {name, bytes: int | null}
    root.add {name, path, members?: ["USER[:read|write|own]"]}
    root.member {name, user, rights: read|write|own|none}
    root.list {}    root.remove {name}             root.quota {name, bytes: int | null}
    root.scan {name?, accept_deletes?}             root.trust {name}
    trash.list {root?}    trash.restore {path | node}    trash.empty {root?}
    versions.list {path}    versions.restore {path, rev}
    scan.start {items}    scan.state {}    scan.stop {}
    verify {quick?}    repair {}    backup {target}    status {}

Those of the Ditto services are `service.admin_ditto`'s.

`items` is the scan configuration as JSON with absolute paths, see `scan_items`. A PATH is ROOTNAME/inner/path. `restore` is
no order: it happens while no server runs (`service.restore`).
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from homestow.server.ports.catalogue import NodeRow
from homestow.server.ports.roots import Root, RootState
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.accounts import Accounts
from homestow.server.service.admin_args import Args, Orders, outcome
from homestow.server.service.backup import Backup, Done
from homestow.server.service.backup_pruning import Pruned
from homestow.server.service.core import Core
from homestow.server.service.outside import Outside
from homestow.server.service.roots import Roots
from homestow.server.service.scanning import Item, Person, Scanning
from homestow.server.service.verify import Verify
from homestow.values.errors import BadRequest, CloudError, Forbidden, NotFound
from homestow.values.ids import SYSTEM, NodeId
from homestow.values.paths import split_path
from homestow.values.words import counted
from homestow.wire.api import Order, Outcome

OPERATOR = Principal(SYSTEM, "", operator=True)
"""The owner of the machine: whoever may open the data folder or its socket."""

_RIGHTS = {rights.word: rights for rights in Rights}
_HERE_ONLY = frozenset({"root.add", "root.trust", "backup", "repair", "scan.start", "scan.state", "scan.stop"})
"""Orders that name folders of the machine or rewrite what is known of them."""

_MOST_LISTED = 10_000
_SCAN_TELLS_S = 0.25
_MOST_TOLD = 1000

log = logging.getLogger(__name__)


class Admin:
    """Carries out orders."""

    def __init__(
        self, core: Core, accounts: Accounts, roots: Roots, outside: Outside, verify: Verify, backup: Backup,
        scanning: Scanning,
    ) -> None:  # fmt: skip
        self._core = core
        self._accounts = accounts
        self._roots = roots
        self._outside = outside
        self._verify = verify
        self._backup = backup
        self._scanning = scanning
        self._orders: dict[str, Callable[[Args], Outcome]] = {
            "user.add": self._user_add, "user.passwd": self._user_passwd, "user.list": self._user_list,
            "user.remove": self._user_remove, "user.quota": self._user_quota,
            "root.add": self._root_add, "root.member": self._root_member, "root.list": self._root_list,
            "root.remove": self._root_remove, "root.quota": self._root_quota, "root.scan": self._root_scan,
            "root.trust": self._root_trust,
            "scan.start": self._scan_start, "scan.state": self._scan_state, "scan.stop": self._scan_stop,
            "trash.list": self._trash_list, "trash.restore": self._trash_restore, "trash.empty": self._trash_empty,
            "versions.list": self._versions_list, "versions.restore": self._versions_restore,
            "verify": self._run_verify, "repair": self._run_repair, "backup": self._run_backup, "status": self._status,
        }  # fmt: skip

    def include(self, orders: Orders) -> None:
        """Carry out these orders too; before the first one is given."""
        self._orders.update(orders)

    def run(self, order: Order, who: Principal = OPERATOR) -> Outcome:
        """Carry out an order.

        Args:
            who: the machine's owner, or an admin who came over the network.

        Raises:
            Forbidden: neither admin nor the machine's owner, or an order for the latter only.
            BadRequest: no such order, or wrong arguments.
            CloudError: whatever it came to.
        """
        if not who.operator and not who.admin:
            raise Forbidden("This needs an administrator.")
        carry_out = self._orders.get(order.name)
        if carry_out is None:
            raise BadRequest(f"There is no order {order.name!r}; there are {', '.join(self._orders)}.")
        if order.name in _HERE_ONLY and not who.operator:
            raise Forbidden("This is done on the server's machine itself, with the homestow command.")
        log.info("order", extra={"order": order.name, "by": who.name or "operator"})
        return carry_out(Args(order))

    # --- users ----------------------------------------------------------------------------------------------------

    def _user_add(self, args: Args) -> Outcome:
        account = self._accounts.add(args.text("name"), args.text("password"), args.flag("admin"))
        if args.flag("no_root"):
            return outcome([f"{account.name}: the account is made."], {"user": account.name, "root": None})
        root = self._roots.own(account)
        return outcome(
            [f"{account.name}: the account is made; its own root {root.name} lies in {root.folder}."],
            {"user": account.name, "root": root.name, "folder": root.folder},
        )

    def _user_passwd(self, args: Args) -> Outcome:
        name = args.text("name")
        self._accounts.set_password(name, args.text("password"))
        return outcome([f"{name}: the password is set; all devices are logged out."], {"user": name})

    def _user_list(self, args: Args) -> Outcome:
        lines: list[str] = []
        data: list[dict[str, object]] = []
        for account in self._accounts.all():
            used, quota = self._roots.usage(account.id)
            room = f"{_size(used)} of {_size(quota)}" if quota is not None else _size(used)
            lines.append(f"{account.name}{'  admin' if account.admin else ''}  {room}")
            data.append({"name": account.name, "admin": account.admin, "used": used, "quota": quota})
        return outcome(lines or ["No users; make one with `homestow user add NAME`."], data)

    def _user_remove(self, args: Args) -> Outcome:
        account = self._accounts.named(args.text("name"))
        left = self._roots.leave(account.id)
        self._accounts.remove(account.name)
        self._roots.forget_cached()
        lines = [f"{account.name}: the account is removed; all its devices are logged out."]
        lines += [
            f"Its files stay: root {root.name} in {root.folder}. "
            f"`homestow root member {root.name!r} USER` gives it to somebody, `homestow root remove {root.name!r}` takes "
            "it off the server; neither deletes a file."
            for root in left
        ]
        return outcome(lines, {"user": account.name, "roots": [root.name for root in left]})

    def _user_quota(self, args: Args) -> Outcome:
        name, quota = args.text("name"), args.maybe_number("bytes")
        self._accounts.set_quota(name, quota)
        self._roots.forget_cached()
        return outcome([f"{name}: {_quota(quota)}."], {"user": name, "quota": quota})

    # --- roots ----------------------------------------------------------------------------------------------------

    def _root_add(self, args: Args) -> Outcome:
        members = [_member(text) for text in args.texts("members")]
        root = self._roots.add(args.text("name"), args.text("path"), members)
        found = self._outside.rescan(root.id)
        inside = counted(found.seen, "file or folder", "files and folders")
        lines = [f"{root.name}: {root.folder} is shared; {inside} in it, nothing copied or changed."]
        return outcome(
            lines + [f"left out: {line}" for line in found.skipped],
            {"root": root.name, "id": root.id, "nodes": found.new, "skipped": found.skipped},
        )

    def _root_member(self, args: Args) -> Outcome:
        root, account = self._roots.named(args.text("name")), self._accounts.named(args.text("user"))
        rights = _rights(args.text("rights"))
        self._roots.give(root.id, account.id, rights)
        return outcome(
            [
                f"{root.name}: {account.name} has {'no rights' if rights is Rights.NONE else f'the right to {rights.word}'}."
            ],
            {"root": root.name, "user": account.name, "rights": rights.word},
        )

    def _root_list(self, args: Args) -> Outcome:
        lines: list[str] = []
        data: list[dict[str, object]] = []
        for root in self._roots.all():
            usage = self._core.catalogue.usage([root.id])[root.id]
            members = {account.name: rights.word for account, rights in self._roots.members(OPERATOR, root.id)}
            state = "" if root.state is RootState.PRESENT else f"  {root.state.value}: its folder is not there"
            held = self._outside.held(root.id)
            if held:
                state = f"  {_missing(held)}: deletions wait for `homestow root scan --accept-deletes`"
            who = ", ".join(f"{name}:{word}" for name, word in members.items()) or "nobody"
            lines.append(
                f"{root.name}  {root.folder}  {counted(usage.files, 'file')}, {_size(usage.total)}  {who}{state}"
            )
            data.append({
                "name": root.name, "id": root.id, "folder": root.folder, "members": members, "state": root.state.value,
                "files": usage.files, "live": usage.live, "kept": usage.kept, "quota": root.quota, "held": held,
            })  # fmt: skip
        return outcome(lines or ["No roots."], data)

    def _root_remove(self, args: Args) -> Outcome:
        root = self._roots.remove(args.text("name"))
        return outcome(
            [
                f"{root.name}: off the server; its files stay in {root.folder}.",
                f"`homestow root add {root.name!r} {root.folder!r}` brings it back with its trash and versions.",
            ],
            {"root": root.name, "folder": root.folder},
        )

    def _root_quota(self, args: Args) -> Outcome:
        name, quota = args.text("name"), args.maybe_number("bytes")
        self._roots.set_quota(name, quota)
        return outcome([f"{name}: {_quota(quota)}."], {"root": name, "quota": quota})

    def _root_scan(self, args: Args) -> Outcome:
        lines: list[str] = []
        data: dict[str, object] = {}
        name, accepted = args.maybe_text("name"), args.flag("accept_deletes")
        if accepted and name is None:
            raise BadRequest("root.scan accepts the deletions of one root: name it.")
        for root in self._chosen(name):
            found = self._outside.rescan(root.id, accepted)
            if found.away:
                lines.append(f"{root.name}: its folder is not there; nothing was changed.")
            else:
                lines.append(
                    f"{root.name}: {found.seen:,} seen, {found.new:,} new, {found.edited:,} edited, {found.moved:,} moved, "
                    f"{found.gone:,} gone."
                )
            if found.held:
                lines.append(_held(root, found.held))
            lines += [f"left out: {root.name}/{line}" for line in found.skipped]
            data[root.name] = {
                "new": found.new, "edited": found.edited, "moved": found.moved, "gone": found.gone, "away": found.away,
                "held": found.held,
            }  # fmt: skip
        return outcome(lines, data)

    def _root_trust(self, args: Args) -> Outcome:
        """The disk of a root failed to keep what was written, and somebody looked at it."""
        root = self._roots.named(args.text("name"))
        self._roots.reopen(root.id)
        self._core.uploads.doubt(root.id)
        self._core.committer.trust_again(root.id)
        return outcome(
            [f"{root.name}: takes changes again; `homestow verify` reads whether what it holds is whole."],
            {"root": root.name},
        )

    # --- scanning -------------------------------------------------------------------------------------------------

    def _scan_start(self, args: Args) -> Outcome:
        self._scanning.start(scan_items(args.text("items")))
        return outcome([], {})

    def _scan_state(self, args: Args) -> Outcome:
        """How far the latest scan is, told when it ended or a moment went by."""
        running = self._scanning.latest()
        if running is None:
            raise BadRequest("No scan was begun.")
        running.ended.wait(_SCAN_TELLS_S)
        ended = running.ended.is_set()
        if ended and running.error is not None:
            raise running.error
        return outcome(
            [], {"ended": ended, "step": asdict(running.step), "result": asdict(running.result) if ended else None}
        )

    def _scan_stop(self, args: Args) -> Outcome:
        if (running := self._scanning.latest()) is not None:
            running.stopping.set()
        return outcome([], {})

    # --- trash and versions ---------------------------------------------------------------------------------------

    def _trash_list(self, args: Args) -> Outcome:
        lines: list[str] = []
        data: list[dict[str, object]] = []
        for root in self._chosen(args.maybe_text("root")):
            after: int | None = 0
            while after is not None and len(data) < _MOST_LISTED:
                items, after = self._core.trashcan.trash(OPERATOR, root.id, after, 1000)
                for item in items:
                    path = "/".join((root.name, *item.path))
                    lines.append(f"{_when(item.deleted_ns)}  {_size(item.node.size)}  {path}")
                    data.append({"node": item.node.id, "path": path, "deleted_ns": item.deleted_ns})
        return outcome(lines or ["The trash is empty."], data)

    def _trash_restore(self, args: Args) -> Outcome:
        node = args.maybe_number("node")
        if node is None:
            node = self._trashed_at(args.text("path"))
        back = self._core.trashcan.restore(OPERATOR, NodeId(node))
        path = self._path(back.id)
        return outcome([f"{path} is back."], {"node": back.id, "path": path})

    def _trash_empty(self, args: Args) -> Outcome:
        removed = sum(
            self._core.trashcan.empty_trash(OPERATOR, root.id)
            for root in self._chosen(args.maybe_text("root"))
            if root.state is RootState.PRESENT
        )
        return outcome([f"{counted(removed, 'thing')} removed for good."], {"removed": removed})

    def _versions_list(self, args: Args) -> Outcome:
        path = args.text("path")
        node, versions = self._core.trashcan.versions(OPERATOR, self._node_at(path))
        lines = [f"{node.rev}  {_when(node.mtime_ns)}  {_size(node.size)}  present"]
        lines += [
            f"{one.rev}  {_when(one.mtime_ns)}  {_size(one.size)}  replaced {_when(one.saved_ns)}" for one in versions
        ]
        data = [{"rev": node.rev, "size": node.size, "mtime_ns": node.mtime_ns, "current": True}]
        data += [{"rev": one.rev, "size": one.size, "mtime_ns": one.mtime_ns, "current": False} for one in versions]
        return outcome(lines, data)

    def _versions_restore(self, args: Args) -> Outcome:
        path, rev = args.text("path"), args.number("rev")
        node = self._core.trashcan.restore_version(OPERATOR, self._node_at(path), rev)
        return outcome(
            [f"{path} has the content of version {rev} again; what it had is kept as a version."],
            {"node": node.id, "rev": node.rev},
        )

    # --- the whole store ------------------------------------------------------------------------------------------

    def _run_verify(self, args: Args) -> Outcome:
        report = self._verify.run(quick=args.flag("quick"))
        return outcome(report.lines(), report.data())

    def _run_repair(self, args: Args) -> Outcome:
        report = self._verify.repair()
        return outcome(report.lines(), report.data())

    def _run_backup(self, args: Args) -> Outcome:
        done = self._backup.run(Path(args.text("target")), args.maybe_number("keep"))
        return outcome(_backed_up(done), _backup_data(done))

    def _status(self, args: Args) -> Outcome:
        roots = self._roots.all()
        usage = self._core.catalogue.usage([root.id for root in roots])
        trouble = {
            root.name: f"{root.name}: its folder {root.folder} is not there; nothing is deleted. Mount its disk again."
            for root in roots
            if root.state is RootState.AWAY
        }
        for root in roots:
            if (broken := self._core.committer.broken(root.id)) is not None:
                trouble[root.name] = f"{root.name}: read-only, its disk failed: {broken.message}"
            elif held := self._outside.held(root.id):
                trouble[root.name] = _held(root, held)
        files, size = sum(one.files for one in usage.values()), sum(one.total for one in usage.values())
        users = counted(len(self._accounts.all()), "user")
        lines = [f"{users}, {counted(len(roots), 'root')}, {counted(files, 'file')}, {_size(size)}"]
        data = {
            "epoch": self._core.catalogue.epoch(), "change": self._core.catalogue.last(), "roots": len(roots),
            "files": files, "size": size, "trouble": list(trouble.values()),
        }  # fmt: skip
        return outcome(lines + list(trouble.values()), data)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _chosen(self, name: str | None) -> list[Root]:
        return [self._roots.named(name)] if name is not None else self._roots.all()

    def _split(self, path: str) -> tuple[Root, tuple[str, ...]]:
        name, *inner = split_path(path) or ("",)
        if not name:
            raise BadRequest("A path is ROOT/inner/path; `homestow root list` shows the roots.")
        return self._roots.named(name), tuple(inner)

    def _node_at(self, path: str) -> NodeId:
        root, inner = self._split(path)
        return self._core.files.resolve(OPERATOR, root.id, inner).id

    def _trashed_at(self, path: str) -> NodeId:
        root, inner = self._split(path)
        after: int | None = 0
        while after is not None:
            items, after = self._core.trashcan.trash(OPERATOR, root.id, after, 1000)
            for item in items:  # newest first
                if tuple(item.path) == inner:
                    return item.node.id
        raise NotFound(f"{path} is not in the trash; `homestow trash list` shows what is.")

    def _path(self, node: NodeId) -> str:
        row: NodeRow | None = self._core.catalogue.node(node)
        if row is None:
            return str(node)
        name = next((root.name for root in self._roots.all() if root.id == row.root), str(row.root))
        try:
            return "/".join((name, *self._core.files.path(OPERATOR, node)))
        except CloudError:
            return f"{name}/{row.name}"


class _GivenPerson(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    password: str | None = None


class _GivenItem(msgspec.Struct, forbid_unknown_fields=True):
    paths: list[str]
    people: list[_GivenPerson] = []
    merge: bool = True
    known_only: bool = False


def scan_items(text: str) -> list[Item]:
    """The items of a scan order: a JSON array of {paths, people: [{name, password}], merge, known_only}, paths absolute.

    Raises:
        BadRequest: it is none.
    """
    try:
        given = msgspec.json.decode(text, type=list[_GivenItem])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"scan.start takes a list of items: {error}.") from error
    if any(not path.startswith("/") for item in given for path in item.paths):
        raise BadRequest("scan.start takes absolute paths.")
    return [
        Item(item.paths, [Person(one.name, one.password) for one in item.people], item.merge, item.known_only)
        for item in given
    ]


def _held(root: Root, missing: int) -> str:
    return (
        f"{root.name}: {_missing(missing)} in {root.folder}, most of the root; nothing was deleted. Bring back what "
        f"is missing, or, if it was meant to go: homestow root scan {root.name!r} --accept-deletes"
    )


def _missing(files: int) -> str:
    return f"{counted(files, 'file')} {'is' if files == 1 else 'are'} missing"


def _backed_up(done: Done) -> list[str]:
    lines = [f"{done.target}: {counted(done.files, 'file')}, {_size(done.size)}; {_copied(done.files, done.copied)}."]
    lines += _pruned(done.pruned)
    lines += [f"not in the backup: {line}" for line in done.missing[:_MOST_TOLD]]
    if (more := len(done.missing) - _MOST_TOLD) > 0:
        lines.append(f"not in the backup: {more:,} more")
    return lines


def _backup_data(done: Done) -> dict[str, object]:
    return {
        "target": str(done.target), "files": done.files, "size": done.size, "copied": done.copied,
        "missing": done.missing, "removed": list(done.pruned.removed),
    }  # fmt: skip


def _copied(files: int, copied: int) -> str:
    """How much of a backup was copied, and that the rest needed no copy."""
    if copied >= files:
        return "all copied now"
    return f"{copied:,} copied now, the others were there" if copied else "nothing new, all were there"


def _pruned(pruned: Pruned) -> list[str]:
    """What was removed of older backups."""
    if not pruned.removed:
        return []
    freed = pruned.kept_back or f"{_size(pruned.size)} freed"
    return [f"{counted(len(pruned.removed), 'older backup')} removed; {freed}."]


def _member(text: str) -> tuple[str, Rights]:
    user, colon, word = text.rpartition(":")
    return (user, _rights(word)) if colon else (text, Rights.WRITE)


def _rights(word: str) -> Rights:
    rights = _RIGHTS.get(word)
    if rights is None:
        raise BadRequest(f"Rights are {', '.join(_RIGHTS)}, not {word!r}.")
    return rights


def _quota(quota: int | None) -> str:
    if quota is None:
        return "the quota is the server's default"
    return f"at most {_size(quota)}" if quota else "no limit"


def _size(size_bytes: int) -> str:
    """A size for people, in powers of 1,024: "3.4 MiB"."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _when(at_ns: int) -> str:
    """A time for people, UTC, to the minute."""
    try:
        return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "at an odd time"
