"""Putting staged files into the tree: new ones and new contents, one or thousands in one work.

Replacing exchanges names and looks at what came out. Content that the catalogue did not know (an edit from outside a moment
ago) becomes a version of its own before ours, so it is never lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from homestow.server.ports.catalogue import (
    Catalogue,
    NodeRow,
    Rows,
    Seen,
    VersionRow,
    new_row,
    same_content,
    seen_from,
)
from homestow.server.ports.content import Content, EntryKind, Location, Published, Stat
from homestow.server.ports.journal import Note
from homestow.server.rules.access import Principal
from homestow.server.service.digesting import digest_open, digest_staged
from homestow.server.service.work import Ground, Once, Plan, Work
from homestow.values.changes import ChangeKind
from homestow.values.errors import (
    BadName,
    CloudError,
    NotFound,
    PathTaken,
    Stale,
    StorageFailed,
    WrongKind,
    by_code,
)
from homestow.values.faults import faultpoint
from homestow.values.ids import NO_DEVICE, SYSTEM, NodeId, RootId, UploadId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import RESERVED

COMPARED_BYTES = 64 * 1024 * 1024
"""A larger file whose time of change is not the known one is taken for edited: reading it would keep everybody waiting."""

UNNUMBERED = NodeId(0)
"""The id of a new node that has none reserved: it gets one when it is recorded."""


class Planned(NamedTuple):
    """One file of a plan.

    Attributes:
        staged: its staging key; also the key under which what it displaces is kept.
        node: the node it becomes; 0: a new id is given.
        parent, name: its place.
        base: rev it replaces, 0 for a new file.
        mtime_ns: modification time to bear, None: when it was written.
        digest: BLAKE3 as 32 bytes.
        inode: of the staging file, 0 where inodes are not stable.
        location: where it goes.
        disk_name: its name on disk, where that is not its own.
        upload: the upload it finishes, or None.
    """

    staged: str
    node: NodeId
    parent: NodeId
    name: str
    base: int
    size: int
    mtime_ns: int | None
    digest: bytes
    inode: int
    location: Location
    disk_name: str | None
    upload: UploadId | None


class PublishPlan(Plan, tag="publish"):
    """Files about to be published; `failed` are what became of the others of the work, by their numbers in it."""

    files: list[Planned]
    failed: dict[int, "Outcome"] = {}


@dataclass(slots=True)
class File:
    """A staged file and what becomes of it.

    Attributes:
        on_disk_taken: the disk has something at the name that the catalogue does not know, or cannot have the name.
        row: the node before (replacing) or after.
    """

    staged: str
    parent: NodeId
    name: str
    size: int
    digest: bytes
    inode: int
    mtime_ns: int | None = None
    node: NodeId = UNNUMBERED
    base: int = 0
    disk_name: str | None = None
    upload: UploadId | None = None
    reserved: int = 0
    location: Location = ()
    row: NodeRow | None = None
    looked: Stat | None = None
    published: Published | None = None
    error: CloudError | None = None
    on_disk_taken: bool = False

    def planned(self) -> Planned:
        """What an intent remembers of it."""
        return Planned(
            self.staged, self.node, self.parent, self.name, self.base, self.size, self.mtime_ns, self.digest, self.inode,
            self.location, self.disk_name, self.upload,
        )  # fmt: skip


class Outcome(msgspec.Struct):
    """What became of one file: the node, or the error's code, message and facts."""

    node: Node | None = None
    code: str = ""
    message: str = ""
    facts: dict[str, str | int | bool | None] = {}

    @classmethod
    def of(cls, error: CloudError) -> "Outcome":
        """A failure."""
        return cls(None, error.code, error.message, error.facts)

    def result(self) -> Node:
        """The node, or the error raised."""
        if self.node is None:
            raise by_code(self.code)(self.message, **self.facts)
        return self.node


class Publish(Work[list[Outcome]]):
    """Files into place. Its result: what became of each, in order."""

    gives = list[Outcome]

    def __init__(self, who: Principal, root: RootId, files: Sequence[File], once: Once | None = None) -> None:
        super().__init__(who, root, once)
        self.files = files
        self.staged = {file.staged: file.mtime_ns for file in files}
        self.keys = [key for file in files for key in _keys(file)]
        self.displaces = any(file.base for file in files)

    def prepare(self, ground: Ground) -> None:
        """Check every file; a wrong one gets its error, the others go on."""
        taken = self._names_in_use(ground.catalogue)
        replaced: set[NodeId] = set()
        for file in self.files:
            if file.error is None:
                try:
                    if file.base and file.node in replaced:
                        raise Stale("Another file of the same call replaces it already.", rev=file.base + 1)
                    self._check(ground, file, taken)
                    replaced.add(file.node)
                except CloudError as error:
                    file.error = error
        self._forget_failed()

    def _names_in_use(self, catalogue: Catalogue) -> dict[NodeId, dict[str, NodeId]] | None:
        """For several files the names they want, asked folder by folder; each taken by the first that wants it."""
        if len(self.files) == 1:
            return None
        wanted: dict[NodeId, list[str]] = {}
        for file in self.files:
            if not file.base:
                wanted.setdefault(file.parent, []).append(file.name)
        return {
            parent: {name: row.id for name, row in catalogue.children_named(parent, names).items()}
            for parent, names in wanted.items()
        }

    def _check(self, ground: Ground, file: File, taken: dict[NodeId, dict[str, NodeId]] | None) -> None:
        catalogue = ground.catalogue
        if file.base:
            row = catalogue.node(file.node)
            if row is None or row.gone or row.root != self.root or row.parent is None:
                raise NotFound("The file is not there any more.")
            if row.kind != Kind.FILE:
                raise WrongKind(f"{row.name!r} is a {row.kind}.")
            if row.rev != file.base:
                raise Stale("The file has other content by now.", rev=row.rev, change=row.change)
            lies = catalogue.lies(row)
            if lies.kept is not None or not live_folder(catalogue, self.root, row.parent):
                raise NotFound("The file is not there any more.")
            file.row, file.parent, file.name, file.location = row, row.parent, row.name, lies.location
        else:
            folder = catalogue.folder(file.parent)
            if folder is None or not folder.live or folder.root != self.root or folder.kept is not None:
                raise NotFound("The folder is not there any more.")
            if taken is None:
                check_free(catalogue, file.parent, file.name)
            else:
                names = taken[file.parent]
                if file.name in names:
                    raise PathTaken(f"{file.name!r} exists already.", node=names[file.name])
                names[file.name] = file.node
            if not folder.location and file.name == RESERVED:
                raise BadName(f"{RESERVED!r} is the server's own at the top of a root.")
            file.location = (*folder.location, file.disk_name or file.name)
        if file.upload is None:  # an upload has its entry since it began: a new file's, or that of the version it makes
            ground.enter(self.root)
        ground.grow(self.root, file.size - file.reserved)

    def _forget_failed(self) -> None:
        """A work of one file fails with it; of many, the others go on."""
        if len(self.files) == 1 and (error := self.files[0].error) is not None:
            raise error

    def plan(self) -> Plan | None:
        """All files that passed."""
        files = [file.planned() for file in self.files if file.error is None]
        if not files:
            return None
        failed = {at: Outcome.of(file.error) for at, file in enumerate(self.files) if file.error is not None}
        return PublishPlan(
            root=self.root,
            account=self.who.account,
            device=self.who.device,
            at_ns=self.at_ns,
            files=files,
            failed=failed,
        )

    def carry_out(self, store: Content) -> None:
        """One rename for each file."""
        for file in self.files:
            if file.error is None:
                try:
                    self._put(store, file)
                except StorageFailed:
                    raise
                except (PathTaken, BadName) as error:
                    file.error, file.on_disk_taken = error, not file.base
                except CloudError as error:
                    file.error = error
        self._forget_failed()

    def _put(self, store: Content, file: File) -> None:
        if file.base:
            file.looked = store.look(file.location)
        try:
            file.published = store.publish(file.staged, file.location, bool(file.base), file.mtime_ns)
        except CloudError as error:
            staged = store.look_staged(file.staged) if file.base else None
            if staged is not None and not self._is_ours(store, staged, file):
                # Exchanged, and then it failed: the intent must stay, for what was displaced is in staging.
                raise StorageFailed(f"Replacing {file.name!r} was not completed: {error.message}") from error
            raise
        self.touched.add(file.location[:-1])
        if file.published.displaced is not None:
            faultpoint("publish.displaced")
            try:
                store.keep_staged(file.staged, file.staged)
            except CloudError as error:
                self._swap_back(store, file, error)
                raise
            if self._is_untouched(store, file):
                file.looked = None
            faultpoint("publish.kept")

    @staticmethod
    def _is_untouched(store: Content, file: File) -> bool:
        """Whether the file that was replaced held what the catalogue says although its time of change is another one: somebody
        changed its rights, or a replace that a crash cut off moved it aside and back. That is no edit."""
        row, looked = file.row, file.looked
        if row is None or looked is None or row.digest is None or same_content(row, looked):
            return False
        if (looked.size, looked.mtime_ns, looked.inode) != (row.size, row.disk_mtime_ns, row.inode):
            return False
        if looked.size > COMPARED_BYTES:
            return False
        content = store.open_kept(file.staged)
        try:
            return digest_open(content, content.stat.size) == row.digest
        finally:
            content.close()

    @staticmethod
    def _swap_back(store: Content, file: File, why: CloudError) -> None:
        """What was displaced cannot be kept (no room): it goes back to its place."""
        if not isinstance(why, StorageFailed):
            try:
                store.publish(file.staged, file.location, True, None)
            except CloudError as error:
                raise StorageFailed(f"{file.name!r} is replaced, but what it replaced could not be kept.") from error

    def look_back(self, ground: Ground, store: Content) -> bool:
        """A staging file that is not there any more, or is another one, was put into place; the others of a pack follow it."""
        planned = [file for file in self.files if file.error is None]
        done = {id(file) for file in planned if self._was_put(ground.catalogue, store, file)}
        if not done:
            return False
        done.update(
            id(file) for file in planned if id(file) not in done and self._follows(ground.catalogue, store, file)
        )
        if len(done) < len(planned):
            self.once = None
        self.files = [file for file in self.files if id(file) in done or file.error is not None]
        return True

    def _follows(self, catalogue: Catalogue, store: Content, file: File) -> bool:
        """Put a file into place whose pack was begun, so that the pack is whole and its key can be answered (P8)."""
        staged = store.look_staged(file.staged)
        if staged is None or not self._is_ours(store, staged, file):
            return False
        if file.base:
            if file.row is None or file.row.gone or file.row.rev != file.base:
                return False
        elif not live_folder(catalogue, self.root, file.parent) or catalogue.child(file.parent, file.name) is not None:
            return False
        try:
            self._put(store, file)
        except StorageFailed:
            raise
        except CloudError:
            return False
        return True

    def _was_put(self, catalogue: Catalogue, store: Content, file: File) -> bool:
        if file.base:
            file.row = catalogue.node(file.node)
        staged, at, kept = store.look_staged(file.staged), store.look(file.location), store.look_kept(file.staged)
        if staged is not None and self._is_ours(store, staged, file):
            return False
        displaced = staged or kept
        if at is None or at.size != file.size or not self._lies_there(store, at, file):
            if displaced is None:
                return False
            # It was put into place and changed from outside since: the next look tells that from these facts.
            at = Stat(EntryKind.FILE, file.size, file.mtime_ns or 0, 0, 0, 0)
        if staged is not None:
            store.keep_staged(file.staged, file.staged)
        self.touched.add(file.location[:-1])
        file.published = Published(at, displaced)
        return True

    @staticmethod
    def _lies_there(store: Content, at: Stat, file: File) -> bool:
        """Whether an entry at the place is the file that was staged."""
        if file.inode and at.inode:
            return at.inode == file.inode
        opened = store.open(file.location)
        try:
            return digest_open(opened, file.size) == file.digest
        finally:
            opened.close()

    @staticmethod
    def _is_ours(store: Content, staged: Stat, file: File) -> bool:
        """Whether a staging file still is the one that was to be published, not what it displaced."""
        if file.inode and staged.inode:
            return staged.inode == file.inode
        if not file.base or staged.size != file.size:
            return not file.base
        return digest_staged(store, file.staged) == file.digest

    # --- rows ---

    def record(self, rows: Rows) -> None:
        """Nodes, versions, journal, usage."""
        done = [file for file in self.files if file.error is None and file.published is not None]
        without = sum(1 for file in done if not file.node)
        next_id = rows.take_ids(without) if without else NodeId(0)
        notes: list[Note] = []
        for file in done:
            if not file.node:
                file.node = next_id
                next_id = NodeId(next_id + 1)
            notes.extend(self._notes(file))
        number = rows.note(notes)
        fresh: list[NodeRow] = []
        live = 0
        for file in done:
            if file.base:
                number = self._replace(rows, file, number)
            else:
                file.row = self._fresh(file, number)
                fresh.append(file.row)
                live += file.size
                number += 1
            if file.upload is not None:
                self._close_upload(rows, file)
        rows.add(fresh)
        rows.charge(self.root, live=live, files=len(fresh), entries=len(fresh))
        self.result = [_outcome(file) for file in self.files]
        if any(file.on_disk_taken for file in self.files):
            self.once = None  # not the last word: they are tried again under other names

    def _notes(self, file: File) -> list[Note]:
        inside = (file.parent,)
        kind = ChangeKind.CONTENT if file.base else ChangeKind.CREATED
        ours = Note(self.root, file.node, kind, self.at_ns, self.who.account, self.who.device, inside)
        if file.base and self._outside_edit(file) is not None:
            return [Note(self.root, file.node, ChangeKind.CONTENT, self.at_ns, SYSTEM, NO_DEVICE, inside), ours]
        return [ours]

    def _fresh(self, file: File, number: int) -> NodeRow:
        assert file.published is not None
        stat = file.published.stat
        return new_row(
            file.node, self.root, file.parent, file.name, Kind.FILE, number, rev=1, size=file.size,
            mtime_ns=stat.mtime_ns if file.mtime_ns is None else file.mtime_ns, digest=file.digest, seen=seen_from(stat),
            loc_parent=None if file.disk_name is None else file.parent, loc_name=file.disk_name,
        )  # fmt: skip

    @staticmethod
    def _outside_edit(file: File) -> Stat | None:
        """What was displaced, when it was not what the catalogue knew."""
        row, displaced = file.row, file.published.displaced if file.published is not None else None
        if row is None or displaced is None:
            return None
        known = (displaced.size, displaced.mtime_ns, displaced.inode) == (row.size, row.disk_mtime_ns, row.inode)
        # Being moved changes the time of change, so that one is compared as it was before.
        untouched = file.looked is None or same_content(row, file.looked)
        return None if known and untouched else displaced

    def _replace(self, rows: Rows, file: File, number: int) -> int:
        """Record new content of a known file; the next free journal number."""
        row, published = file.row, file.published
        assert row is not None
        assert published is not None
        rev, kept = row.rev, 0
        edit = self._outside_edit(file)
        if edit is not None:
            rev, number = rev + 1, number + 1
            kept = edit.size
            rows.add_version(VersionRow(row.id, rev, edit.size, edit.mtime_ns, None, self.at_ns, file.staged))
        elif published.displaced is not None:
            kept = row.size
            rows.add_version(VersionRow(row.id, rev, row.size, row.mtime_ns, row.digest, self.at_ns, file.staged))
        entries = int(edit is not None or published.displaced is not None)
        rows.charge(self.root, live=file.size - row.size, kept=kept, entries=entries)
        stat = published.stat
        mtime_ns = stat.mtime_ns if file.mtime_ns is None else file.mtime_ns
        seen: Seen = seen_from(stat)
        rows.set_content(row.id, rev + 1, number, file.size, mtime_ns, file.digest, seen)
        file.row = row._replace(
            rev=rev + 1, change=number, below=number, size=file.size, mtime_ns=mtime_ns, digest=file.digest,
            inode=seen.inode, birth_ns=seen.birth_ns, ctime_ns=seen.ctime_ns, disk_mtime_ns=seen.mtime_ns,
        )  # fmt: skip
        return number + 1

    def _close_upload(self, rows: Rows, file: File) -> None:
        assert file.upload is not None
        assert file.row is not None
        upload = rows.upload(file.upload)
        if upload is not None and upload.state != "written":
            rows.save_upload(upload._replace(state="written", done_rev=file.row.rev, received=(), durable=()))
            rows.charge(self.root, reserved=-upload.size, entries=-1)


def _outcome(file: File) -> Outcome:
    if file.error is not None:
        return Outcome.of(file.error)
    return Outcome(None if file.row is None else file.row.node())


def _keys(file: File) -> list[object]:
    keys: list[object] = [("node", file.node)] if file.node else []
    if not file.base:
        keys.append(("place", file.parent, file.name))
    if file.upload is not None:
        keys.append(("upload", file.upload))
    return keys


def from_plan(plan: PublishPlan, who: Principal) -> Publish:
    """The work of an intent."""
    files = [
        File(
            p.staged, p.parent, p.name, p.size, p.digest, p.inode, p.mtime_ns, p.node, p.base, p.disk_name, p.upload,
            location=tuple(p.location),
        )
        for p in plan.files
    ]  # fmt: skip
    for at, outcome in sorted(plan.failed.items()):
        error = by_code(outcome.code)(outcome.message, **outcome.facts)
        files.insert(at, File("", NodeId(0), "", 0, b"", 0, error=error))
    return Publish(who, plan.root, files)


def check_free(catalogue: Catalogue, parent: NodeId, name: str) -> None:
    """Let a name of a folder be taken.

    Raises:
        PathTaken: it is in use; fact `node`.
    """
    there = catalogue.child(parent, name)
    if there is not None:
        raise PathTaken(f"{name!r} exists already.", node=there.id)


def live_folder(catalogue: Catalogue, root: RootId, node: NodeId) -> bool:
    """Whether this is a folder of the root that is there."""
    folder = catalogue.folder(node)
    return folder is not None and folder.live and folder.root == root
