"""Taking the actions of a plan: each is checked by the port that takes it, acted on, and remembered; a refusal is noted.

Steps of one kind that follow each other go together, where the server or the workers can take them together. Nothing is
ever forced: what is not as planned is looked at again and planned anew.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import md5, sha256
from itertools import groupby

from blake3 import blake3

from homestow.client.engine.feed import drop_there, remote_item
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import (
    Action,
    Adopt,
    DeleteRemote,
    DownloadContent,
    DownloadNew,
    LearnDigest,
    MakeLocalFolder,
    MakeRemoteFolder,
    MoveLocal,
    MoveRemote,
    ReadDigest,
    RemoveLocal,
    RenameToConflict,
    SetMtimeLocal,
    SetMtimeRemote,
    UploadContent,
    UploadNew,
)
from homestow.client.engine.trees import LocalItem
from homestow.client.ports.localtree import LocalPath
from homestow.client.running.deeds import Did
from homestow.client.running.downloads import Downloads
from homestow.client.running.reading import digest_of, read_whole
from homestow.client.running.uploads import Uploads
from homestow.client.running.work import Work, folder_here, free_name, stamped, value_of
from homestow.values.changes import parse_cursor
from homestow.values.digests import Digest
from homestow.values.errors import BadRequest, NotFound, Stale
from homestow.values.ids import NodeId
from homestow.values.nodes import Kind, Node
from homestow.values.paths import conflict_name

_SAVE_EVERY = 256


class Executor:
    """Takes actions. `news` brings the server's latest and says how much of it was not known."""

    def __init__(self, work: Work, news: Callable[[], int], cursor: Callable[[], str | None]) -> None:
        self._work = work
        self._news, self._cursor = news, cursor
        self._uploads = Uploads(work)
        self._downloads = Downloads(work)

    def run(self, actions: Sequence[Action]) -> None:
        """Take the actions in order, as far as they still hold.

        Raises:
            Trouble: something concerns everything; what was done so far is remembered.
            Stopped: we were asked to stop; likewise.
        """
        try:
            for kind, group in groupby(actions, type):
                steps = list(group)
                if issubclass(kind, DeleteRemote) and self._work.own_acts and self._news_of_others():
                    return
                self._take(steps)
                self._work.remember()
        finally:
            self._work.remember()

    def _news_of_others(self) -> bool:
        """Whether the server tells something new before we delete there; then the plan is made anew (R8)."""
        self._work.own_acts = False
        return self._news() > 0

    def _take(self, steps: Sequence[Action]) -> None:
        work = self._work
        work.check_stop()
        match steps[0]:
            case UploadNew() | UploadContent():
                self._uploads.run([step for step in steps if isinstance(step, UploadNew | UploadContent)])
            case DownloadNew() | DownloadContent():
                self._downloads.run([step for step in steps if isinstance(step, DownloadNew | DownloadContent)])
            case MakeRemoteFolder():
                self._make_remote([step for step in steps if isinstance(step, MakeRemoteFolder)])
            case ReadDigest():
                self._read_digests([step for step in steps if isinstance(step, ReadDigest)])
            case MoveRemote():
                self._move_remote([step for step in steps if isinstance(step, MoveRemote)])
            case DeleteRemote():
                self._delete_remote([step for step in steps if isinstance(step, DeleteRemote)])
            case _:
                for number, step in enumerate(steps, 1):
                    work.check_stop()
                    with work.answering(work.trees.now(step.item)):
                        self._take_one(step)
                    if number % _SAVE_EVERY == 0:
                        work.remember()

    def _take_one(self, step: Action) -> None:
        match step:
            case LearnDigest(item, rev):
                self._learn_digest(item, rev)
            case SetMtimeRemote(item, mtime_ns, _):
                mine = self._work.here(item)
                node = self._work.remote.set_mtime(NodeId(item), mtime_ns, self._work.there(item).change)
                self._work.same_content(item, mine, remote_item(node)._replace(digest=mine.digest))
                self._work.acted_there(node)
            case SetMtimeLocal(item, mtime_ns, _):
                mine, theirs = self._work.here(item), self._work.there(item)
                stamp = self._work.tree.set_mtime(self._work.path(item), mtime_ns, mine.stamp)
                self._work.same_content(item, stamped(mine, stamp), theirs)
            case MakeLocalFolder(item):
                self._make_local(item)
            case MoveLocal(item, parent, name, _):
                self._move_local(item, self._work.trees.now(parent), name)
            case RenameToConflict(item, parent, name, _):
                self._rename_to_conflict(self._work.trees.now(item), self._work.trees.now(parent), name)
            case RemoveLocal(item, _, folder):
                self._remove_local(item, folder)
            case _:
                raise AssertionError(step)  # the groups above take the others

    # --- knowing ------------------------------------------------------------------------------------------------------

    def _read_digests(self, steps: list[ReadDigest]) -> None:
        work = self._work
        paths: list[tuple[int, LocalPath, LocalItem]] = []
        for step in steps:
            with work.answering(step.item):
                paths.append((step.item, work.path(step.item), work.here(step.item)))

        def read(file: tuple[int, LocalPath, LocalItem]) -> Digest:
            return digest_of(work.tree, file[1], file[2].stamp, work.check_stop, work.fingerprints)

        for number, ((item, _, mine), outcome) in enumerate(work.workers.run(read, paths), 1):
            with work.answering(item):
                digest = value_of(outcome)
                work.trees.set_here(item, mine._replace(digest=digest))
                work.taken += 1
            if number % _SAVE_EVERY == 0:
                work.remember()
            work.check_stop()

    def _learn_digest(self, item: int, rev: int) -> None:
        work, theirs = self._work, self._work.there(item)
        digest = None if work.fingerprints is None else work.fingerprints.digest_of(NodeId(item), rev)
        if digest is None:
            hasher, other = blake3(), md5(usedforsecurity=False)
            for piece in work.remote.read(NodeId(item), rev, 0, theirs.size):
                work.check_stop()
                hasher.update(piece)
                if work.fingerprints is not None:
                    other.update(piece)
            digest = Digest(hasher.hexdigest())
            if work.fingerprints is not None:
                work.fingerprints.check(NodeId(item), rev, digest, other.hexdigest())
        work.trees.set_there(item, theirs._replace(digest=digest))
        self._work.taken += 1

    # --- the server ---------------------------------------------------------------------------------------------------

    def _make_remote(self, steps: list[MakeRemoteFolder]) -> None:
        """Make many folders with one call each pack; a folder that somebody made meanwhile is taken."""
        work = self._work
        most = work.remote.limits.pack_files
        for start in range(0, len(steps), most):
            items: list[int] = []
            wanted: list[tuple[int, str]] = []
            numbers: dict[int, int] = {}
            for step in steps[start : start + most]:
                item = work.trees.now(step.item)
                mine = work.trees.here(item)
                if mine is None or item > 0:
                    continue
                parent = work.trees.now(mine.parent)
                if parent < 0 and parent not in numbers:
                    continue
                items.append(item)
                numbers[item] = len(items)
                wanted.append((-numbers[parent] if parent < 0 else parent, mine.name))
            if not items:
                continue
            with work.answering(items[0]):
                for item, made in zip(items, work.remote.make_folders(wanted), strict=True):
                    with work.answering(item, work.here(item).parent):
                        self._made_remote(item, value_of(made))
            work.remember()
            work.check_stop()

    def _made_remote(self, item: int, node: Node) -> None:
        work = self._work
        if node.id in work.trees.synced or work.trees.is_here(node.id):
            raise Stale("The folder is there already.", node=node.id)
        work.trees.set_there(node.id, remote_item(node))
        settle(work.trees, Adopt(item, node.id))
        work.counts.folders += 1
        work.settled(item)
        work.did(Did.MKDIR, here=False, path=work.place_there(node.id), folder=True)
        work.acted_there(node)

    def _move_remote(self, steps: list[MoveRemote]) -> None:
        """Renames one after the other; where they cannot touch each other, several at once."""
        work = self._work

        def move(step: MoveRemote) -> Node:
            return work.remote.move(NodeId(step.item), NodeId(step.parent), step.name, step.base)

        for batch in self._apart(steps):
            ready: list[MoveRemote] = []
            for step in batch:
                parent = work.trees.now(step.parent)
                theirs = work.trees.there(step.item)
                if parent > 0 and theirs is not None:
                    ready.append(MoveRemote(step.item, parent, step.name, theirs.change))
            for step, outcome in work.workers.run(move, ready):
                with work.answering(step.item, step.parent):
                    node, before = value_of(outcome), work.place_there(step.item)
                    work.told(step.item, node)
                    work.counts.moves += 1
                    folder = node.kind is Kind.FOLDER
                    work.did(Did.MOVE, here=False, path=before, to=work.place_there(step.item), folder=folder)
            work.check_stop()

    def _apart(self, steps: list[MoveRemote]) -> Iterator[list[MoveRemote]]:
        """Runs of moves that can be made in any order: files whose old and new places are all different."""
        run: list[MoveRemote] = []
        places: set[tuple[int, str]] = set()
        items: set[int] = set()
        for step in steps:
            theirs = self._work.trees.there(step.item)
            if theirs is None:
                continue
            marks = {(theirs.parent, theirs.name), (self._work.trees.now(step.parent), step.name)}
            if theirs.folder or step.item in items or places & marks:
                if run:
                    yield run
                run, places, items = [], set(), set()
                if theirs.folder:
                    yield [step]
                    continue
            run.append(step)
            places |= marks
            items.add(step.item)
        if run:
            yield run

    def _delete_remote(self, steps: list[DeleteRemote]) -> None:
        work = self._work
        cursor = self._cursor()

        def delete(step: DeleteRemote) -> None:
            base = step.base
            if step.folder:
                node = work.remote.node(NodeId(step.item))
                if node.gone:
                    return
                base = node.below
                if base > _number(cursor):
                    raise Stale("Something in the folder changed meanwhile.")
            work.remote.delete(NodeId(step.item), base)

        for step, outcome in work.workers.run(delete, steps):
            with work.answering(step.item):
                try:
                    value_of(outcome)
                except NotFound:
                    pass  # what we wanted
                work.counts.deletes += 1
                work.did(Did.DELETE, here=False, path=work.place_there(step.item), folder=step.folder)
                drop_there(work.trees, step.item)
                work.settled(step.item)
            work.check_stop()

    # --- the disk -----------------------------------------------------------------------------------------------------

    def _make_local(self, item: int) -> None:
        work = self._work
        theirs = work.there(item)
        path = (*self._folder_path(theirs.parent), theirs.name)
        stamp = work.tree.make_folder(path)
        work.acted_here()
        work.trees.agree(item, folder_here(theirs.parent, theirs.name, stamp), theirs)
        work.settled(item)
        work.counts.folders += 1
        work.did(Did.MKDIR, here=True, path=path, folder=True)

    def _folder_path(self, folder: int) -> LocalPath:
        return () if folder == self._work.trees.top else self._work.path(folder)

    def _move_local(self, item: int, parent: int, name: str) -> None:
        work = self._work
        mine, source, target = work.here(item), work.path(item), (*self._folder_path(parent), name)
        stamp = work.tree.move(source, target, mine.stamp)
        work.acted_here()
        mine = stamped(mine._replace(parent=parent, name=name, disk=None), stamp)
        work.trees.set_here(item, mine)
        if (base := work.trees.synced.get(item)) is not None:
            work.trees.set_synced(item, base._replace(parent=parent, name=name))
        work.settled(item)
        work.counts.moves += 1
        work.did(Did.MOVE, here=True, path=source, to=target, folder=mine.folder)

    def _rename_to_conflict(self, item: int, parent: int, name: str) -> None:
        """The losing content gets its conflict name; it is found by the same name again after a crash (R4, P6)."""
        work = self._work
        mine, source = work.here(item), work.path(item)
        if mine.folder:
            hexdigest, mtime_ns = sha256(name.encode()).hexdigest(), 0
        else:
            hexdigest, mtime_ns = self._sha256(source, mine), mine.mtime_ns
        folder = self._folder_path(parent)
        new = conflict_name(name, work.device, mtime_ns, hexdigest)
        new = free_name(work.tree, folder, new)
        stamp = work.tree.move(source, (*folder, new), mine.stamp)
        work.acted_here()
        work.trees.set_here(item, stamped(mine._replace(parent=parent, name=new, disk=None), stamp))
        base, theirs = work.trees.synced.get(item), work.trees.there(item)
        if base is not None and theirs is not None:
            # The name is our choice: it is the change that remains, whatever else the server did with the place.
            work.trees.set_synced(item, base._replace(parent=theirs.parent, name=theirs.name))
        work.settled(item)
        work.counts.conflicts += 1
        work.did(Did.CONFLICT, here=True, path=(*folder, name), to=(*folder, new), folder=mine.folder)

    def _sha256(self, path: LocalPath, mine: LocalItem) -> str:
        hasher = sha256()
        for piece in read_whole(self._work.tree, path, mine.stamp, self._work.check_stop):
            hasher.update(piece)
        return hasher.hexdigest()

    def _remove_local(self, item: int, folder: bool) -> None:
        work = self._work
        path = work.path(item)
        if folder:
            work.tree.remove_folder(path)
            for below in list(work.trees.all_here(item)):
                # It was empty, so whatever was believed to be in it went by another hand.
                work.trees.set_here(below, None)
        else:
            work.tree.remove_file(path, work.here(item).stamp)
        work.acted_here()
        work.trees.set_here(item, None)
        work.settled(item)
        work.counts.deletes += 1
        work.did(Did.DELETE, here=True, path=path, folder=folder)


def _number(cursor: str | None) -> int:
    """How far the feed was read; without limit where cursors are not the native ones."""
    try:
        return 2**63 if cursor is None else parse_cursor(cursor).number
    except BadRequest:
        return 2**63
