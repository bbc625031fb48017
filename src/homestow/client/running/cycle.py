"""One pass: look at both sides, plan, act, until both are in step or only waiting items are left.

All decisions are the engine's; here is the order of things, and what is done when something is not as planned.
"""

from collections.abc import Callable, Iterable

from homestow.client.engine.feed import drop_there, held_there
from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.leaving import told_there
from homestow.client.engine.planner import plan
from homestow.client.engine.rules import Direction, Rules
from homestow.client.engine.settle import settle
from homestow.client.engine.steps import (
    Action,
    Brake,
    DownloadContent,
    DownloadNew,
    Held,
    MoveLocal,
    MoveRemote,
    Plan,
    Rebirth,
    RenameToConflict,
    Split,
    UploadContent,
    UploadNew,
)
from homestow.client.engine.trees import LocalItem, Trees
from homestow.client.ports.clock import Chance, Clock, Workers
from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.localtree import LocalTree
from homestow.client.ports.remote import Places, Remote
from homestow.client.ports.state import Saved, State
from homestow.client.ports.watcher import Hints
from homestow.client.running.deeds import Told, nobody
from homestow.client.running.executor import Executor
from homestow.client.running.looking import Looking
from homestow.client.running.news import News
from homestow.client.running.outcome import Counts, Ending, Outcome, counts_as_left
from homestow.client.running.part import Part
from homestow.client.running.progress import Doing, Progress
from homestow.client.running.settling import Settling
from homestow.client.running.work import Stopped, Trouble, Work
from homestow.values.errors import CloudError
from homestow.values.nodes import Node

ROUNDS = 200
"""Planner iterations at most in one pass (P4)."""

ITEM_PATIENCE_S = 4.0
"""A single run tries failing items again for so long."""

SERVER_PATIENCE_S = 15.0
"""A single run waits so long for a server that went away in the middle."""


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
        fingerprints: beside a `remote` that tells contents apart by MD5.
        told: hears what was done.
        filters: what is left out on both sides.
        remote_folder: with `places`, the path of the folder of the root that is kept in step instead of all of it.
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
        fingerprints: Fingerprints | None = None,
        told: Told = nobody,
        filters: Filters = NOTHING,
        remote_folder: str = "",
        places: Places | None = None,
    ) -> None:
        self.progress = progress or Progress(clock)
        saved = state.load()
        trees = _trees_of(saved)
        self._work = Work(
            tree, remote, state, trees, clock, chance, workers, device, self.progress, stop, fingerprints, told,
            filters.matcher(),
        )  # fmt: skip
        self._looking = Looking(self._work)
        part = Part(remote, places, remote_folder, saved.life) if places is not None and remote_folder else None
        self._news = News(self._work, saved.life, saved.cursor, self._looking.forget, part)
        self._executor = Executor(self._work, self._news.take, lambda: self._news.cursor)
        self.settling = Settling(self._work, self._news, self._looking, self._rules)
        self._direction, self._settle_s = direction, settle_s
        self._accept_deletes = accept_deletes
        self._plan_held: tuple[Held, ...] = ()
        self._asleep = False

    # --- for the caller -----------------------------------------------------------------------------------------------

    @property
    def trees(self) -> Trees:
        """The three trees as known now; for the thread that does the passes."""
        self.wake()
        return self._work.trees

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return self._work.counts

    @property
    def cursor(self) -> str | None:
        """How far the feed was read; None before the first pass."""
        return self._news.cursor

    @property
    def asleep(self) -> bool:
        """Whether the trees are let go."""
        return self._asleep

    def sleep(self) -> bool:
        """Let go of the trees, which are most of the memory: the state has them. True when that was done now.

        What else is known is kept, so that the next pass does what it would have done.
        """
        if self._asleep:
            return False
        try:
            self._work.remember()
        except (CloudError, Trouble):
            return False  # the next pass meets it again, and tells
        self._looking.keep()
        self._work.sleep()
        self._asleep = True
        return True

    def wake(self) -> None:
        """Have the trees again.

        Raises:
            StorageFailed: the state cannot be read.
        """
        if not self._asleep:
            return
        saved = self._work.state.load()
        self._work.wake(_trees_of(saved))
        if not self._news.woke(saved.life, saved.cursor):
            self._looking.forget()
            self._work.forget_failures()
        self._asleep = False

    def next_retry(self) -> float | None:
        """When (monotonic seconds) something that waits may be tried again; None when nothing waits."""
        retry = self._work.next_retry()
        if self._settle_s and self._hot():
            soon = self._work.clock.monotonic() + self._settle_s
            return soon if retry is None else min(retry, soon)
        return retry

    def refused(self, node: Node, error: CloudError) -> bool:
        """See `News.refused`."""
        return self._news.refused(node, error)

    def accept_deletes(self) -> None:
        """The user answers the brake: delete what was asked about (SC-193)."""
        self._work.state.accept_deletes(True)

    def run_pass(self, hints: Hints | None = None) -> Outcome:
        """One pass; with `hints` only the folders they name are looked at on disk, if all was looked at before."""
        work = self._work
        work.begin_pass()
        try:
            self.wake()
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

    def once(self, wait: Callable[[float], None]) -> Outcome:
        """Passes until both sides are settled, or until waiting a little for what is left did not help.

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
            if outcome.ending is Ending.TROUBLE and (moved := self.progress.moved_at) is not None:
                # A file of gigabytes is one step that takes long: the server has gone only since its last bytes.
                begun = max(begun, moved)
            match outcome.ending:
                case Ending.IN_STEP | Ending.BRAKE | Ending.STOPPED:
                    return outcome
                case Ending.TROUBLE if outcome.trouble is None or outcome.trouble[0] not in _PASSING:
                    return outcome
                case Ending.ITEMS_LEFT if (retry := self.next_retry()) is not None and retry - begun <= ITEM_PATIENCE_S:
                    pause = max(retry - now, 0.05)
                case Ending.TROUBLE if now - begun < SERVER_PATIENCE_S:
                    pause = 1.0
                case _:
                    return outcome
            wait(pause)

    # --- a pass -------------------------------------------------------------------------------------------------------

    def _pass(self, hints: Hints | None) -> Outcome:
        work = self._work
        work.check_stop()
        work.tree.check_root()
        self._news.meet()
        self._news.take()
        self._news.look_for_left_out()
        self._drop_stale_uploads()
        self._drop_stale_downloads()
        work.check_stop()
        self.progress.at(Doing.SCANNING)
        self._looking.look(hints)
        self._drop_stale_uploads()
        self._news.recognise_own()
        self._news.recognise_placed()
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
            self._look_for_left_out(chosen.actions)
            if work.taken == before:
                break
        work.remember()
        self._news.skip_own()
        self._forget_acceptance()
        problems = self._problems()
        work.state.put_problems(problems)
        left = any(counts_as_left(problem) for problem in problems) or bool(self._hot())
        return self._outcome(Ending.ITEMS_LEFT if left else Ending.IN_STEP)

    def _outcome(self, ending: Ending, error: CloudError | None = None, brake: Brake | None = None) -> Outcome:
        trouble = None if error is None else (error.code, error.message)
        if ending is Ending.IN_STEP:
            self.progress.at(Doing.IDLE)
        elif error is not None:
            self.progress.at(Doing.WAITING, error.message)
        return Outcome(ending, self._work.counts, self._problems(), brake, trouble)

    def _rules(self) -> Rules:
        writable = self._news.root is None or self._news.root.writable
        accepted = self._accept_deletes or self._work.state.deletes_accepted()
        return Rules(self._direction, self._work.tree.facts, writable, accepted, self._work.matcher.filters)

    def _plan(self) -> Plan:
        """The next actions, with all settlements before them taken."""
        work, rules = self._work, self._rules()
        leave = work.waiting() | self._hot()
        for _ in range(ROUNDS):
            chosen = plan(work.trees, rules, leave, self._looking.held_items(), self._looking.left_in())
            if not chosen.settlements:
                self._plan_held = chosen.held
                return chosen
            for settlement in chosen.settlements:
                if isinstance(settlement, Rebirth):
                    self._looking.follow(settlement.item, work.trees.next_new)
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
        held = (*self._plan_held, *held_there(self._work.trees), *told_there(self._work.trees))
        return [*self._looking.problems(), *held, *self._work.problems()]

    def _forget_acceptance(self) -> None:
        """The answer to the brake is used up once nothing is left to delete."""
        trees = self._work.trees
        if not any(mine is None for mine in trees.local.values()) and not any(
            theirs is None for theirs in trees.remote.values()
        ):
            self._work.state.accept_deletes(False)

    # --- where things are not as planned ------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Look again where something was not as planned: at folders here, at nodes there."""
        work = self._work
        nodes, work.ask_again = sorted(work.ask_again), set()
        folders, work.look_again = sorted(work.look_again), set()
        for item in nodes:
            work.check_stop()
            if self._news.is_gone(item) and work.trees.is_there(item):
                drop_there(work.trees, item)
        if nodes:
            self._news.take()
        if folders:
            work.tree.check_root()
            self._looking.look_at(folders)
        self._news.recognise_own()
        self._news.recognise_placed()

    def _look_for_left_out(self, taken: Iterable[Action]) -> None:
        """Folders that got other names may have brought something into sight, or out of it."""
        work = self._work
        if work.matcher.by_path and any(isinstance(step, MoveLocal | MoveRemote | RenameToConflict) for step in taken):
            self._news.look_for_left_out()
            self._looking.look(None)

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


_PASSING = frozenset({"unreachable", "busy", "internal", "cursor-gone"})
"""Trouble that may pass by itself in a moment."""


def _trees_of(saved: Saved) -> Trees:
    top = saved.life.top if saved.life else 0
    return Trees(top, saved.synced, saved.local, saved.remote, saved.passed, saved.earlier)


def _young(mine: LocalItem, now_ns: int, settle_ns: int) -> bool:
    # A disk's clock may be a little ahead; a time far in the future says nothing about when it was written. The time of
    # the last change of facts (ctime) is no sign: our own renames set it.
    return abs(now_ns - mine.mtime_ns) < settle_ns
