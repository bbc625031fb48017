"""Small whole files by netdrive, many at once: the committer stages and publishes them as one work, new and replacing ones mixed.

What stands at the places is looked at by the committer itself, so that nobody can come between; md5s are recorded with the files.
"""

import hashlib
import secrets
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from homestow.server.ports.catalogue import Catalogue, NodeRow, Rows, same_content
from homestow.server.ports.clock import Clock
from homestow.server.ports.netdrive import Md5Row
from homestow.server.ports.rights import StoreSet
from homestow.server.rules.access import Principal, Rights
from homestow.server.service.access import Access
from homestow.server.service.committer import Committer
from homestow.server.service.digesting import digest_bytes
from homestow.server.service.files import Files
from homestow.server.service.md5s import Md5s, parse_md5
from homestow.server.service.netdrive_facts import Announced, mtime_ns_of
from homestow.server.service.netdrive_places import Places
from homestow.server.service.placing import check_place
from homestow.server.service.publish import File
from homestow.server.service.publishing import Publisher
from homestow.server.service.small_files import SmallFile, SmallFiles, drop_quietly
from homestow.server.service.work import Ground
from homestow.values.errors import (
    BadRequest,
    Busy,
    CloudError,
    DigestMismatch,
    NotFound,
    PathTaken,
    ServerError,
    Stale,
)
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind
from homestow.values.paths import check_name

SECOND = 1_000_000_000
_TRIES = 4
_TRIES_ALONE = 8
_MOST_TOGETHER = 256


_MOST_LED = 1024
_GATHER_S = 0.0003
_GATHER_TIMES = 4
_NO_END = "The server did not come to an end with it; try again."

Small = tuple[Principal, RootId, Announced, bytes]
"""A small whole file: whose, into which root, as announced, its bytes."""


@dataclass(slots=True, eq=False)
class _Call:
    """Files of one caller. `turn`: they are stored, or it is his turn to store them."""

    files: Sequence[Small]
    turn: threading.Event = field(default_factory=threading.Event)
    results: list[int | CloudError] | None = None


@dataclass(slots=True, eq=False)
class _Small(SmallFile):
    """One file; `there` stood at its place when it was looked at, `same` has the same content already."""

    at: int = 0
    md5: bytes = b""
    there: NodeRow | None = None
    same: NodeRow | None = None


class OverFiles(SmallFiles):
    """Stages and publishes small files of one person in one root over whatever stands at their places.

    Attributes:
        mine: all of them, also those of which nothing had to be published.
    """

    def __init__(self, who: Principal, root: RootId, small: Sequence[_Small], access: Access, md5s: Md5s) -> None:
        super().__init__(who, root, small, lambda person, into: access.root(person, into, Rights.WRITE), _nobody)
        self.mine = list(small)
        self._md5s = md5s
        self.keys = {("place", each.file.parent, each.file.name) for each in small}
        self.keys |= {("node", each.there.id) for each in small if each.there is not None}

    def absorb(self, other: object) -> bool:
        """Never: whoever asked waits for his own work."""
        return False

    def prepare(self, ground: Ground) -> None:
        """Look what stands at the places now, then as for new files."""
        for folder, names in _by_folder(self.mine).items():
            there = ground.catalogue.children_named(folder, list(names))
            for name, each in names.items():
                self._look(ground, each, there.get(name))
        self._small = [each for each in self.mine if each.same is None]
        self.files = [each.file for each in self._small]
        self.displaces = any(file.base for file in self.files)
        if self.files:
            super().prepare(ground)
        else:
            self._may(self.who, self.root)
            self.staged = {}

    def _look(self, ground: Ground, each: _Small, there: NodeRow | None) -> None:
        file = each.file
        file.node, file.base = NodeId(0), 0
        if there is None:
            return
        if there.kind != Kind.FILE:
            file.error = PathTaken(f"A {there.kind} {there.name!r} is in its place.", node=there.id)
        elif ("node", there.id) not in self.keys:
            file.error = Stale("Another file stands there by now.", rev=there.rev, change=there.change)
        elif (there.size, there.digest) == (len(each.body), each.digest) and self._on_disk_as_known(ground, there):
            each.same = there
        else:
            file.node, file.base = there.id, there.rev

    @staticmethod
    def _on_disk_as_known(ground: Ground, row: NodeRow) -> bool:
        lies = ground.catalogue.lies(row)
        stat = None if lies.kept is not None else ground.stores.get(row.root).look(lies.location)
        return stat is not None and same_content(row, stat)

    def record(self, rows: Rows) -> None:
        """Nodes and md5s."""
        if not self.files:
            self.result = []
            return
        super().record(rows)
        self._md5s.note(
            [
                Md5Row(row.id, row.rev, each.md5, row.size)
                for each in self.mine
                if each.same is None and each.file.error is None and (row := each.file.row) is not None
            ]
        )


class SmallPuts:
    """Whole files that arrived in memory. All methods may be called from any thread."""

    def __init__(
        self, catalogue: Catalogue, access: Access, files: Files, committer: Committer, publisher: Publisher,
        stores: StoreSet, places: Places, md5s: Md5s, clock: Clock,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._access = access
        self._files = files
        self._committer = committer
        self._publisher = publisher
        self._stores = stores
        self._places = places
        self._md5s = md5s
        self._clock = clock
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._waiting: deque[_Call] = deque()
        self._led = False
        self._answered = 0
        self._answered_s = 0.0

    def put_all(self, files: Sequence[Small]) -> list[int | CloudError]:
        """Store them; the id or the error of each, in order. Of two for one place the later one counts in the end."""
        mine = _Call(files)
        with self._lock:
            self._waiting.append(mine)
            self._came.notify()
            leads, self._led = not self._led, True
        if not leads:
            mine.turn.wait()
        if mine.results is None:
            self._lead(mine)
        assert mine.results is not None
        return mine.results

    def _lead(self, mine: "_Call") -> None:
        """Store the files of all calls that wait, this one's too, on this thread; then the next one waiting leads.

        Threads that each look up and digest many tiny files hand Python's lock around at every step (see `Turns`).
        """
        with self._lock:
            self._gather()
            calls = [mine]
            self._waiting.remove(mine)
            size = len(mine.files)
            while self._waiting and size + len(self._waiting[0].files) <= _MOST_LED:
                calls.append(self._waiting.popleft())
                size += len(calls[-1].files)
        try:
            results = self._put([file for call in calls for file in call.files])
            at = 0
            for call in calls:
                call.results = results[at : at + len(call.files)]
                at += len(call.files)
        except CloudError as error:
            for call in calls:
                call.results = [error] * len(call.files)
        finally:
            with self._lock:
                self._answered, self._answered_s = len(calls), self._clock.monotonic()
                following = self._waiting[0] if self._waiting else None
                self._led = following is not None
            for call in calls:
                if call.results is None:
                    call.results = [ServerError(_NO_END)] * len(call.files)
                call.turn.set()
            if following is not None:
                following.turn.set()

    def _gather(self) -> None:
        """Who was just answered asks again in a moment; together they take half the flushes. Nobody who is alone waits."""
        waiting = len(self._waiting)
        wanted = self._answered + waiting - 1
        if waiting == 1 and self._clock.monotonic() - self._answered_s > _GATHER_S * _GATHER_TIMES:
            return
        for _ in range(_GATHER_TIMES):
            if len(self._waiting) >= wanted:
                break
            self._came.wait(_GATHER_S)

    def _put(self, files: Sequence[Small]) -> list[int | CloudError]:
        results: list[int | CloudError] = [ServerError(_NO_END)] * len(files)
        waiting, tries = list(range(len(files))), Counter[int]()
        while waiting:
            waiting, failed = self._round(files, waiting, results)
            tries.update(failed)
            waiting = sorted([*waiting, *(at for at in failed if tries[at] < _TRIES)])
        return results

    def _round(
        self, files: Sequence[Small], waiting: Sequence[int],
        results: list[int | CloudError],
    ) -> tuple[list[int], list[int]]:  # fmt: skip
        """One try of each place; those that wait for another one to be there first, and those to be tried again."""
        folders: dict[tuple[Principal, RootId, int | str], NodeId | CloudError] = {}
        for at in waiting:
            who, root, announced, _ = files[at]
            key = who, root, announced.folder
            if key not in folders:
                folders[key] = self._folder(*key)
        groups: dict[tuple[Principal, RootId], list[_Small]] = {}
        taken: set[tuple[NodeId, str]] = set()
        later: list[int] = []
        with self._committer.turns.mine():
            for at in waiting:
                try:
                    small = self._small(at, *files[at], folders)
                except CloudError as error:
                    results[at] = error
                    continue
                place = small.file.parent, small.file.name
                if place in taken:
                    later.append(at)
                else:
                    taken.add(place)
                    groups.setdefault((small.who, small.root), []).append(small)
            works = [work for (who, root), group in groups.items() for work in self._works(who, root, group)]
        for work in works:
            self._committer.submit(work)
        return later, [at for work in works for at in self._settle(work, files, results)]

    def _small(
        self, at: int, who: Principal, root: RootId, announced: Announced, body: bytes,
        folders: dict[tuple[Principal, RootId, int | str], NodeId | CloudError],
    ) -> _Small:  # fmt: skip
        if len(body) != announced.size:
            raise BadRequest("The size is not that of what came.")
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        if announced.md5 is not None and parse_md5(announced.md5) != md5:
            raise DigestMismatch("The file that arrived is not the announced one; send it again.")
        name = check_name(announced.name)
        folder = folders[who, root, announced.folder]
        if isinstance(folder, CloudError):
            raise folder
        check_place(self._catalogue.folder(folder), root, name)
        file = File(secrets.token_hex(16), folder, name, len(body), b"", 0, mtime_ns_of(announced.mtime_s))
        return _Small(who, root, file, body, digest_bytes(body), at=at, md5=md5)

    def _folder(self, who: Principal, root: RootId, folder: int | str) -> NodeId | CloudError:
        try:
            found, names, _ = self._places.make(who, root, folder)
            self._places.spell_folder(who, root, found, folder, names)
        except CloudError as error:
            return error
        return found

    def _works(self, who: Principal, root: RootId, group: Sequence[_Small]) -> list[OverFiles]:
        for folder, names in _by_folder(group).items():
            for name, row in self._catalogue.children_named(folder, list(names)).items():
                names[name].there = row
        return [
            OverFiles(who, root, group[start : start + _MOST_TOGETHER], self._access, self._md5s)
            for start in range(0, len(group), _MOST_TOGETHER)
        ]

    def _settle(
        self, work: OverFiles, files: Sequence[Small],
        results: list[int | CloudError],
    ) -> list[int]:  # fmt: skip
        """Wait for a work, and tell what became of each file; those to be tried again."""
        failed: CloudError | None = None
        try:
            work.wait()
        except CloudError as error:
            failed = error
        again: list[int] = []
        for each in work.mine:
            trouble = each.file.error or failed
            if each.file.on_disk_taken:
                results[each.at] = self._alone(each)
            elif trouble is not None:
                results[each.at] = trouble
                if isinstance(trouble, Stale | NotFound | PathTaken):
                    again.append(each.at)  # something came between
            elif each.same is not None:
                results[each.at] = self._as_announced(each, each.same)
            elif each.node is not None:
                results[each.at] = int(each.node.id)
                self._places.spell_file(each.who, each.root, each.node.id, files[each.at][2].name, each.node.name)
        return again

    def _as_announced(self, each: _Small, row: NodeRow) -> int | CloudError:
        """A file that has the content already bears the announced time too."""
        mtime_ns = each.file.mtime_ns
        if mtime_ns is not None and mtime_ns // SECOND != row.mtime_ns // SECOND:
            try:
                self._files.set_facts(each.who, row.id, mtime_ns)
            except CloudError as error:
                return error
        self._md5s.note([Md5Row(row.id, row.rev, each.md5, row.size)])
        return int(row.id)

    def _alone(self, each: _Small) -> int | CloudError:
        """One whose name the disk cannot have, or has for something nobody knew."""
        wanted, store = each.file, self._stores.get(each.root)
        for _ in range(_TRIES_ALONE):
            there = self._catalogue.child(wanted.parent, wanted.name)
            if there is not None and there.kind != Kind.FILE:
                return PathTaken(f"A {there.kind} {there.name!r} is in its place.", node=there.id)
            node, base = (NodeId(0), 0) if there is None else (there.id, there.rev)
            file = File(
                secrets.token_hex(16), wanted.parent, wanted.name, wanted.size, each.digest or b"", 0, wanted.mtime_ns,
                node, base,
            )  # fmt: skip
            try:
                file.inode = store.stage_small(file.staged, each.body).inode
                made = self._publisher.one(each.who, each.root, file)
            except (Stale, PathTaken):
                continue
            except CloudError as error:
                return error
            finally:
                if file.published is None:
                    drop_quietly(store, file)
            self._md5s.note([Md5Row(made.id, made.rev, each.md5, made.size)])
            return int(made.id)
        return Busy("The place changes faster than the file can be put there; try again.", retry_after_s=2)


def _by_folder(small: Sequence[_Small]) -> dict[NodeId, dict[str, _Small]]:
    found: dict[NodeId, dict[str, _Small]] = {}
    for each in small:
        found.setdefault(each.file.parent, {})[each.file.name] = each
    return found


def _nobody(files: Sequence[SmallFile]) -> None:
    """Nobody is told: whoever asked waits."""
