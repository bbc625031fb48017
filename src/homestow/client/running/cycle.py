"""One pass: look at both sides, plan, act, until both are in step or only waiting items are left.

All decisions are the engine's; here is the order of things, and what is done when something is not as planned.
"""

from collections.abc import Callable, Iterable

from homestow.client.engine.feed import drop_there, missing_there, take_nodes
from homestow.client.engine.planner import plan
from homestow.client.engine.rules import Direction, Rules
from homestow.client.engine.settle import settle
from homestow.client.engine.sightings import Scan, Sightings
from homestow.client.engine.steps import (
    Action,
    Brake,
    DownloadContent,
    DownloadNew,
    Held,
    Plan,
    Replace,
    Split,
    UploadContent,
    UploadNew,
)
from homestow.client.engine.trees import LocalItem, Trees
from homestow.client.ports.clock import Chance, Clock, Workers
from homestow.client.ports.localtree import LocalPath, LocalTree, LocalTrouble, Seen
from homestow.client.ports.remote import Remote, RemoteRoot
from homestow.client.ports.state import Life, State
from homestow.client.ports.watcher import Hints
from homestow.client.running.executor import Executor
from homestow.client.running.outcome import Counts, Ending, Outcome
from homestow.client.running.progress import Doing, Progress
from homestow.client.running.work import Stopped, Trouble, Work
from homestow.values.changes import Cursor, parse_cursor
from homestow.values.errors import BadRequest, CloudError, CursorGone, NotFound
from homestow.values.ids import NodeId
from homestow.values.nodes import Node

ROUNDS = 200
"""Planner iterations at most in one pass (P4)."""

LISTED_ONLY = frozenset({"link"})
"""Reasons that are listed but do not count as items left: links are not synced by default (R25)."""


def _never() -> bool:
    return False


class Cycle:
    """Keeps one folder in step with one root, pass by pass; used by one thread.

    Args:
        tree, remote, state, clock, chance, workers: the world, see `ports`. The caller has called `tree.prepare()`.
        device: this computer's name, for conflict names.
        direction: see `Direction`.
        settle_s: a file younger than this waits (R19); 0 for a single run.
        accept_deletes: the brake's question is answered: delete.
        progress: where to tell what is going on.
        stop: asked between steps and inside transfers; once true, everything ends soon.
    """

    def __init__(
        self,
        tree: LocalTree,
        remote: Remote,
        state: State,
        clock: Clock,
        chance: Chance,
        workers: Workers,
        *,
        device: str,
        direction: Direction = Direction.BOTH,
        settle_s: float = 0.0,
        accept_deletes: bool = False,
        progress: Progress | None = None,
        stop: Callable[[], bool] = _never,
    ) -> None:
        self.progress = progress or Progress(clock)
        saved = state.load()
        self._life, self._cursor = saved.life, saved.cursor
        trees = Trees(saved.life.top if saved.life else 0, saved.synced, saved.local, saved.remote)
        self._work = Work(tree, remote, state, trees, clock, chance, workers, device, self.progress, stop)
        self._executor = Executor(self._work, self._take_feed, lambda: self._cursor)
        self._direction, self._settle_s = direction, settle_s
        self._accept_deletes = accept_deletes
        self._held: dict[int, list[Held]] = {}
        self._held_items: dict[int, set[int]] = {}
        self._plan_held: tuple[Held, ...] = ()
        self._root: RemoteRoot | None = None
        self._scanned = False

    # --- for the caller -----------------------------------------------------------------------------------------------

    @property
    def trees(self) -> Trees:
        """The three trees as known now."""
        return self._work.trees

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return self._work.counts

    @property
    def cursor(self) -> str | None:
        """How far the feed was read; None before the first pass."""
        return self._cursor

    def next_retry(self) -> float | None:
        """When (monotonic seconds) something that waits may be tried again; None when nothing waits."""
        retry = self._work.next_retry()
        if self._settle_s and self._hot():
            soon = self._work.clock.monotonic() + self._settle_s
            return soon if retry is None else min(retry, soon)
        return retry

    def accept_deletes(self) -> None:
        """The user answers the brake: delete what was asked about (SC-193)."""
        self._work.state.accept_deletes(True)

    def run_pass(self, hints: Hints | None = None) -> Outcome:
        """One pass; with `hints` only the folders they name are looked at on disk, if all was looked at before."""
        work = self._work
        work.begin_pass()
        try:
            return self._pass(hints)
        except Stopped:
            return self._outcome(Ending.STOPPED)
        except Trouble as trouble:
            error = trouble.error
        except CloudError as other:
            error = other
        if work.stop():
            # We closed the connections ourselves.
            return self._outcome(Ending.STOPPED)
        return self._outcome(Ending.TROUBLE, error)

    def once(self, wait: Callable[[float], None], patience_s: float = 15.0) -> Outcome:
        """Passes until both sides are settled, or nothing moves any more for `patience_s`.

        Args:
            wait: lets so many seconds pass, less when we shall stop.
        """
        work = self._work
        begun = work.clock.monotonic()
        while True:
            before = (work.counts.total(), len(work.trees.differing()))
            outcome = self.run_pass()
            if (work.counts.total(), len(work.trees.differing())) != before:
                begun = work.clock.monotonic()
            now = work.clock.monotonic()
            match outcome.ending:
                case Ending.IN_STEP | Ending.BRAKE | Ending.STOPPED:
                    return outcome
                case Ending.TROUBLE if outcome.trouble is None or outcome.trouble[0] not in _PASSING:
                    return outcome
                case Ending.ITEMS_LEFT if (retry := self.next_retry()) is not None and retry - begun <= patience_s:
                    pause = max(retry - now, 0.05)
                case Ending.TROUBLE if now - begun < patience_s:
                    pause = 1.0
                case _:
                    return outcome
            wait(pause)

    # --- a pass -------------------------------------------------------------------------------------------------------

    def _pass(self, hints: Hints | None) -> Outcome:
        work = self._work
        work.check_stop()
        work.tree.check_root()
        self._meet_server()
        self._take_feed()
        self._drop_stale_uploads()
        self._drop_stale_downloads()
        work.check_stop()
        self.progress.at(Doing.SCANNING)
        self._scan(self._hinted(hints))
        self._drop_stale_uploads()
        self._recognise_own()
        work.remember()
        for _ in range(ROUNDS):
            chosen = self._plan()
            if chosen.brake is not None:
                work.state.put_problems(self._problems())
                return self._outcome(Ending.BRAKE, brake=chosen.brake)
            if not chosen.actions:
                break
            work.remember()
            self.progress.at(Doing.SYNCING)
            self._expect(chosen.actions)
            before = work.taken
            self._executor.run(chosen.actions)
            self._refresh()
            if work.taken == before:
                break
        work.remember()
        self._skip_own()
        self._forget_acceptance()
        problems = self._problems()
        work.state.put_problems(problems)
        left = any(problem.code not in LISTED_ONLY for problem in problems) or bool(self._hot())
        return self._outcome(Ending.ITEMS_LEFT if left else Ending.IN_STEP)

    def _outcome(self, ending: Ending, error: CloudError | None = None, brake: Brake | None = None) -> Outcome:
        trouble = None if error is None else (error.code, error.message)
        if ending is Ending.IN_STEP:
            self.progress.at(Doing.IDLE)
        elif error is not None:
            self.progress.at(Doing.WAITING, error.message)
        return Outcome(ending, self._work.counts, self._problems(), brake, trouble)

    def _rules(self) -> Rules:
        writable = self._root is None or self._root.writable
        accepted = self._accept_deletes or self._work.state.deletes_accepted()
        return Rules(self._direction, self._work.tree.facts, writable, accepted)

    def _plan(self) -> Plan:
        """The next actions, with all settlements before them taken."""
        work, rules = self._work, self._rules()
        leave = work.waiting() | self._hot()
        held = {item for items in self._held_items.values() for item in items}
        held.update(self._held.keys() & self._unread)
        for _ in range(ROUNDS):
            chosen = plan(work.trees, rules, leave, held)
            if not chosen.settlements:
                self._plan_held = chosen.held
                return chosen
            for settlement in chosen.settlements:
                settle(work.trees, settlement)
                if isinstance(settlement, Split):
                    work.settled(settlement.item)
        return Plan()

    def _expect(self, actions: Iterable[Action]) -> None:
        files = size = 0
        for step in actions:
            match step:
                case UploadNew(expect=stamp) | UploadContent(expect=stamp):
                    files, size = files + 1, size + stamp.size
                case DownloadNew(size=more) | DownloadContent(size=more):
                    files, size = files + 1, size + more
                case _:
                    pass
        self.progress.expect(files, size)

    def _problems(self) -> list[Held]:
        trees = self._work.trees
        live = [folder for folder in sorted(self._held) if folder == trees.top or trees.is_here(trees.now(folder))]
        seen = [held for folder in live for held in self._held[folder]]
        return [*seen, *self._plan_held, *self._work.problems()]

    def _forget_acceptance(self) -> None:
        """The answer to the brake is used up once nothing is left to delete."""
        trees = self._work.trees
        if not any(mine is None for mine in trees.local.values()) and not any(
            theirs is None for theirs in trees.remote.values()
        ):
            self._work.state.accept_deletes(False)

    # --- the server ---------------------------------------------------------------------------------------------------

    def _meet_server(self) -> None:
        """Make sure that it is the root and the life of the store that our trees are about (R23)."""
        root = self._work.remote.root()
        self._root = root
        life = Life(root.epoch, root.id, root.top)
        if life != self._life:
            self._begin_life(life)

    def _begin_life(self, life: Life) -> None:
        """A first run, a restored server or another root: nothing is agreed, all is merged by union (R23, R24)."""
        work, old = self._work, self._work.trees
        trees = Trees(life.top)
        # What was known of the disk stays known, under new ids, so that nothing has to be read again.
        ids = {old.top: life.top}
        for item in old.all_here(old.top):
            mine = old.here(item)
            if mine is not None:
                ids[item] = trees.new_id()
                trees.set_here(ids[item], mine._replace(parent=ids[mine.parent]))
        work.trees = trees
        work.forget_failures()
        self._held.clear()
        self._held_items.clear()
        self._life, self._cursor, self._scanned = life, None, False
        work.state.begin_life(life, trees.drain())

    def _take_feed(self) -> int:
        """Take what is new on the server into the remote tree, with the cursor in one transaction; how much was new."""
        work, news = self._work, 0
        if self._cursor is None:
            return self._list_anew()
        try:
            while True:
                feed = work.remote.changes(self._cursor, 0)
                news += take_nodes(work.trees, self._told(feed.nodes))
                if feed.cursor != self._cursor:
                    self._cursor = feed.cursor
                    work.state.save(work.trees.drain(), feed.cursor)
                if not feed.more:
                    return news
                work.check_stop()
        except CursorGone:
            self._cursor = None
            self._meet_server()
            return news + self._list_anew()

    def _skip_own(self) -> None:
        """Move the cursor over changes that all were ours, so that they are not told to us again.

        Each number is one change. A number that we were not answered with may be somebody else's: there we stop.
        """
        own, self._work.own_changes = self._work.own_changes, set()
        try:
            cursor = parse_cursor(self._cursor or "")
        except BadRequest:
            return
        number = cursor.number
        while number + 1 in own:
            number += 1
        if number > cursor.number:
            self._cursor = str(Cursor(cursor.epoch, number))
            self._work.state.save(self._work.trees.drain(), self._cursor)

    def _told(self, nodes: Iterable[Node]) -> Iterable[Node]:
        for node in nodes:
            if node.id == self._work.trees.top and node.gone:
                raise NotFound("The root was deleted on the server.")
            yield node

    def _list_anew(self) -> int:
        """Take the whole tree; what is not in it is asked for by id before it counts as gone (R17, SC-169)."""
        work = self._work
        self.progress.at(Doing.LISTING)
        listed: list[Node] = []
        part = work.remote.tree()
        cursor = part.cursor
        listed.extend(part.nodes)
        while part.next is not None:
            work.check_stop()
            part = work.remote.tree(part.next, cursor)
            listed.extend(part.nodes)
        news = take_nodes(work.trees, listed)
        for item in missing_there(work.trees, {node.id for node in listed}):
            if self._is_gone(item):
                drop_there(work.trees, item)
                news += 1
        self._cursor = cursor
        work.state.save(work.trees.drain(), cursor)
        return news + self._take_feed()

    def _is_gone(self, item: int) -> bool:
        try:
            node = self._work.remote.node(NodeId(item))
        except NotFound:
            return True
        if not node.gone:
            take_nodes(self._work.trees, [node])
        return node.gone

    def _refresh(self) -> None:
        """Look again where something was not as planned: at folders here, at nodes there."""
        work = self._work
        nodes, work.ask_again = sorted(work.ask_again), set()
        folders, work.look_again = sorted(work.look_again), set()
        for item in nodes:
            work.check_stop()
            if self._is_gone(item) and work.trees.is_there(item):
                drop_there(work.trees, item)
        if nodes:
            self._take_feed()
        if folders:
            work.tree.check_root()
            self._scan(self._known_folders(folders))
        self._recognise_own()

    def _recognise_own(self) -> None:
        """Content that we offered without hearing the answer, and that the server now shows, is agreed (SC-093, SC-141)."""
        work, trees = self._work, self._work.trees
        done: list[int] = []
        for sent in work.state.sent():
            item = trees.now(sent.item)
            if item > 0:
                base, theirs = trees.synced.get(item), trees.there(item)
                if base is not None and theirs is not None and theirs.rev == base.rev:
                    continue
                done.append(sent.item)
                if base is None or theirs is None or theirs.digest != sent.digest or theirs.rev != sent.base_rev + 1:
                    continue
                new = base._replace(size=theirs.size, digest=theirs.digest, rev=theirs.rev, change=theirs.change)
                trees.set_synced(item, new._replace(mtime_ns=theirs.mtime_ns))
                continue
            mine = trees.here(item)
            if mine is None:
                done.append(sent.item)
                continue
            for node in trees.kids_there(mine.parent):
                theirs = trees.there(node)
                if theirs is not None and theirs.name == mine.name and node not in trees.synced:
                    done.append(sent.item)
                    if theirs.digest == sent.digest and theirs.rev == 1 and not trees.is_here(node):
                        settle(trees, Replace(item, node))
                    break
        if done:
            work.state.drop_sent(done)

    # --- the disk -----------------------------------------------------------------------------------------------------

    def _hinted(self, hints: Hints | None) -> list[tuple[int, LocalPath]] | None:
        """The folders to look at; None for all."""
        if hints is None or hints.everything or not self._scanned:
            return None
        found: dict[int, LocalPath] = {}
        for path in hints.folders:
            # A folder that is not known yet is found by looking at the nearest known one above it.
            item, known = self._nearest(path)
            found[item] = known
        for item in self._unread:
            if (path_here := self._path(item)) is not None:
                found[item] = path_here
        return list(found.items())

    def _nearest(self, path: LocalPath) -> tuple[int, LocalPath]:
        trees = self._work.trees
        item, known = trees.top, 0
        for name in path:
            for kid in trees.kids_here(item):
                mine = trees.here(kid)
                if mine is not None and mine.folder and mine.spelled == name:
                    item, known = kid, known + 1
                    break
            else:
                break
        return item, path[:known]

    def _path(self, folder: int) -> LocalPath | None:
        return () if folder == self._work.trees.top else self._work.trees.path_here(folder)

    def _known_folders(self, folders: Iterable[int]) -> list[tuple[int, LocalPath]]:
        found: dict[int, LocalPath] = {}
        for folder in folders:
            folder = self._work.trees.now(folder)
            path = self._path(folder)
            if path is None:
                folder, path = self._work.trees.top, ()
            found[folder] = path
        return list(found.items())

    @property
    def _unread(self) -> set[int]:
        return {item for item, held in self._held.items() if any(one.code in _UNREAD for one in held)}

    def _scan(self, folders: list[tuple[int, LocalPath]] | None) -> None:
        """Look at the disk and take what is found into the local tree."""
        work = self._work
        scan = Scan(work.trees, work.tree.facts, folders)
        listings = _Listings(work.tree, deep=folders is None)
        looked: list[int] = []
        entries = 0
        while (upcoming := scan.next()) is not None:
            folder, path = upcoming
            looked.append(folder)
            listing = listings.of(path)
            if isinstance(listing, LocalTrouble):
                if not path:
                    raise listing
                scan.failed(folder, path, _UNREAD_CODE, listing.message)
            else:
                scan.take(folder, path, listing)
                entries += len(listing)
                if entries >= 1000:
                    self.progress.looked(entries)
                    entries = 0
                    work.check_stop()
        listings.close()
        found = scan.finish()
        scan.apply(found)
        self.progress.looked(entries)
        self._note(found, looked, everything=folders is None)

    def _note(self, found: Sightings, looked: list[int], everything: bool) -> None:
        """Keep what is held, by the folder it was seen in."""
        if everything:
            self._held.clear()
            self._held_items.clear()
            self._scanned = True
        trees = self._work.trees
        for folder in [folder for folder in self._held.keys() | self._held_items.keys() if folder < 0]:
            # The folder reached the server meanwhile, or is no more.
            held, items = self._held.pop(folder, []), self._held_items.pop(folder, set())
            if trees.is_here(now := trees.now(folder)):
                self._held.setdefault(now, held)
                self._held_items.setdefault(now, items)
        for folder in looked:
            self._held.pop(folder, None)
            self._held_items.pop(folder, None)
        for folder, one in found.held_in:
            self._held.setdefault(folder, []).append(one)
        for folder, item in found.held_items_in:
            self._held_items.setdefault(folder, set()).add(item)

    def _hot(self) -> set[int]:
        """Files that changed so short a time ago that they may still be written (R19)."""
        if not self._settle_s:
            return set()
        now, settle_ns = self._work.clock.now_ns(), int(self._settle_s * 1e9)
        return {
            item
            for item, mine in self._work.trees.local.items()
            if mine is not None and not mine.folder and _young(mine, now, settle_ns)
        }

    def _drop_stale_uploads(self) -> None:
        """Cancel uploads of what is no more (SC-136); before new ids are given too, which may be the same."""
        work = self._work
        for upload in work.state.open_uploads():
            if work.trees.here(upload.item) is None:
                work.remote.cancel(upload.upload)
                work.state.drop_upload(upload.item)

    def _drop_stale_downloads(self) -> None:
        """Drop what was received of contents that nobody wants any more."""
        work = self._work
        kept = set()
        for download in work.state.open_downloads():
            theirs = work.trees.there(download.item)
            if theirs is not None and theirs.rev == download.rev:
                kept.add(download.key)
            else:
                work.state.drop_download(download.item)
        for key in list(work.tree.staged()):
            if key not in kept:
                work.tree.stage(key, 0).discard()

    def close(self) -> None:
        """Let go of the state; the other ports are the caller's."""
        self._work.state.close()


_UNREAD_CODE = "unreadable-folder"
_UNREAD = frozenset({_UNREAD_CODE})
_PASSING = frozenset({"unreachable", "busy", "internal", "cursor-gone"})
"""Trouble that may pass by itself in a moment."""


def _young(mine: LocalItem, now_ns: int, settle_ns: int) -> bool:
    # A disk's clock may be a little ahead; a time far in the future says nothing about when it was written. The time of
    # the last change of facts (ctime) is no sign: our own renames set it.
    return abs(now_ns - mine.mtime_ns) < settle_ns


class _Listings:
    """Listings by path: a full scan walks the tree in one go, which is faster; single folders are listed one by one."""

    def __init__(self, tree: LocalTree, deep: bool) -> None:
        self._tree = tree
        self._walk = tree.list_tree() if deep else None
        self._met: dict[LocalPath, list[Seen] | LocalTrouble] = {}

    def of(self, path: LocalPath) -> list[Seen] | LocalTrouble:
        """The folder's listing, or why there is none."""
        if self._walk is not None:
            while path not in self._met:
                upcoming = next(self._walk, None)
                if upcoming is None:
                    break
                self._met[upcoming[0]] = upcoming[1]
            if path in self._met:
                return self._met.pop(path)
        try:
            return self._tree.list_folder(path)
        except LocalTrouble as error:
            return error

    def close(self) -> None:
        """Finish the walk: at its end the tree tells whether the root is still there (R18)."""
        if self._walk is not None:
            for _ in self._walk:
                pass

