"""The one place where changes become durable: many works share each flush (P1).

Order of a batch: check all; make staged bytes durable; record intents; carry out on disk; make renames durable; record rows,
journal and answers in one transaction; answer. A work that fails answers its own caller only. When a flush fails nothing
of that root is answered as done and the root takes no changes until a restart or `trust_again`; its intents stay and are
settled then.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from homestow.server.ports.content import Location
from homestow.server.rules.access import OUTSIDE
from homestow.server.service.turns import Turns
from homestow.server.service.work import Ground, RowsWork, Work, save_answer
from homestow.values.errors import Busy, CloudError, ServerError, StorageFailed
from homestow.values.faults import faultpoint
from homestow.values.ids import RootId

T = TypeVar("T")
Listener = Callable[[frozenset[RootId], int], None]

_log = logging.getLogger(__name__)
_MOST_WAITING = 4096
_MOST_AT_ONCE = 256
_GATHER_S = 0.0003
_GATHER_TIMES = 4
_encode = msgspec.json.Encoder().encode


def _size(work: Work[Any]) -> int:
    """For how many callers a work stands, roughly: as many as files it publishes."""
    return max(1, len(work.staged))


class Committer:
    """Carries out works, in batches, on a thread of its own; or at once in the calling thread (`inline`: simulations, tools).

    Args:
        recover: settles recorded intents; called before further changes when a batch could not be recorded.

    Attributes:
        turns: who stages many files takes them in turns with the committer.
    """

    def __init__(self, ground: Ground, recover: Callable[[], object], *, inline: bool = False) -> None:
        self._ground = ground
        self._recover = recover
        self._broken: dict[RootId, StorageFailed] = {}
        self._unsettled = False
        self._listeners: tuple[Listener, ...] = ()
        self._queue: deque[Work[Any]] = deque()
        self._taken: list[Work[Any]] = []
        self._wakeup = threading.Condition(threading.Lock())
        self._closing = False
        self._answered = 0
        self._answered_s = 0.0
        self._wanted = 0
        self._one = threading.RLock()
        self.turns = Turns()
        self._thread: threading.Thread | None = None
        if not inline:
            self._thread = threading.Thread(target=self._loop, name="committer", daemon=True)
            self._thread.start()

    def run(self, work: Work[T]) -> T:
        """Do a work and wait until it is durable.

        Raises:
            Busy: too many works wait.
            CloudError: whatever the work came to.
        """
        self.submit(work)
        return work.wait()

    def submit(self, work: Work[Any]) -> None:
        """The same without waiting: `work.settle` tells when it is durable or has failed.

        Raises:
            Busy: too many works wait.
        """
        if self._thread is None:
            with self._one:
                self._run([work])
            return
        with self._wakeup:
            if self._closing:
                raise Busy("The server is shutting down.", retry_after_s=5)
            if len(self._queue) >= _MOST_WAITING:
                raise Busy("The server is busy; try again.", retry_after_s=1)
            self._queue.append(work)
            if not self._wanted or sum(map(_size, self._queue)) >= self._wanted:
                self._wakeup.notify()

    def settle(self) -> None:
        """Wait until everything asked before is done; what rows and disk show then belongs together."""
        barrier: Work[None] = _Barrier()
        self.run(barrier)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener(roots, number)` called after each batch that entered something in the journal; how to stop it.

        It is called on the committer's thread and must return at once.
        """
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return stop

    def broken(self, root: RootId) -> StorageFailed | None:
        """Why a root takes no changes; None when it does."""
        return self._broken.get(root)

    def distrust(self, root: RootId, error: StorageFailed) -> None:
        """Take no more changes for a root whose disk failed."""
        self._broken[root] = error
        _log.error("the root is read-only: its disk failed", extra={"root": root, "reason": error.message})

    def trust_again(self, root: RootId) -> None:
        """The owner looked at the disk, and the root's store was opened anew: settle what is open and take changes again."""
        self._broken.pop(root, None)
        self._unsettled = True
        self.settle()

    def close(self) -> None:
        """Finish what waits, then stop."""
        with self._wakeup:
            self._closing = True
            self._wakeup.notify()
        if self._thread is not None:
            self._thread.join()

    # --- the thread ---

    def _loop(self) -> None:
        going = True
        while going:
            try:
                going = self._turn()
            except BaseException:  # noqa: BLE001 - the outer loop: nobody may wait for a thread that is gone
                _log.exception("the committer failed; whoever waits is told")
                self._abandon()

    def _turn(self) -> bool:
        """Carry out the next batch; False at the end."""
        with self._wakeup:
            waited = sum(map(_size, self._queue))
            while not self._queue:
                if self._closing:
                    return False
                self._wakeup.wait()
            self._gather(waited)
            batch = self._take()
        self._run(batch)
        self._answered, self._answered_s = sum(map(_size, batch)), self._ground.clock.monotonic()
        return True

    def _abandon(self) -> None:
        """Tell everybody who waits that it failed, taken already or not: nobody knows whose mistake it was."""
        with self._wakeup:
            waiting = [*self._taken, *self._queue]
            self._queue.clear()
            self._taken = []
        self._unsettled = True
        self._answered = self._wanted = 0
        self._fail(waiting, ServerError("The server failed inside; its log says more."))
        for work in waiting:
            work.settle()

    def _gather(self, waited: int) -> None:
        """Who was just answered asks again in a moment: one batch of them and of those who wait takes half the flushes.

        Nobody who is alone waits: there is something to gather for only when others waited already (`waited` callers), or
        several were answered together a moment ago.
        """
        if not waited and self._ground.clock.monotonic() - self._answered_s > _GATHER_S * _GATHER_TIMES:
            return
        wanted = self._wanted = waited + self._answered
        for _ in range(_GATHER_TIMES):
            if self._closing or sum(map(_size, self._queue)) >= wanted:
                break
            self._wakeup.wait(_GATHER_S)
        self._wanted = 0

    def _take(self) -> list[Work[Any]]:
        """The longest beginning of the queue whose works do not touch one another."""
        batch = self._taken = [self._queue.popleft()]
        if batch[0].exclusive:
            return batch
        touched = batch[0].touches()
        while self._queue and len(batch) < _MOST_AT_ONCE:
            following = self._queue[0]
            wanted = following.touches()
            if following.exclusive or not touched.isdisjoint(wanted):
                break
            touched |= wanted
            if not any(work.absorb(following) for work in batch):
                batch.append(following)
            self._queue.popleft()
        return batch

    def _run(self, batch: list[Work[Any]]) -> None:
        roots: frozenset[RootId] = frozenset()
        number = 0
        try:
            roots, number = self._commit(batch)
            faultpoint("committer.before_answers")
        except CloudError as error:
            self._fail(batch, error)
        except Exception:  # noqa: BLE001 - the outer loop of the committer: its thread must outlive a mistake in one work
            _log.exception("a batch of changes failed")
            self._unsettled = True
            self._fail(batch, ServerError("The server failed inside; its log says more."))
        self._taken = []
        for work in batch:
            work.settle()
        if roots:
            self._tell(roots, number)

    def _tell(self, roots: frozenset[RootId], number: int) -> None:
        for listener in self._listeners:
            try:
                listener(roots, number)
            except Exception:  # noqa: BLE001 - part of the outer loop: a listener's mistake must not end the committer
                _log.exception("a listener failed")

    def _commit(self, batch: list[Work[Any]]) -> tuple[frozenset[RootId], int]:
        ground = self._ground
        if self._unsettled:
            self._recover()
            self._unsettled = False
        ground.next_batch()
        with self.turns.mine():
            works = self._prepare(batch)
        faultpoint("committer.prepared")
        works = self._sync_staged(works)
        faultpoint("committer.staged_durable")
        intents = self._write_down(works)
        faultpoint("committer.intents_recorded")
        with self.turns.mine():
            works = self._carry_out(works)
        faultpoint("committer.carried_out")
        works = self._sync_folders(works)
        faultpoint("committer.renames_durable")
        try:
            return self._record(works, intents)
        except BaseException:
            self._unsettled = True
            raise

    def _prepare(self, batch: list[Work[Any]]) -> list[Work[Any]]:
        ready = []
        now = self._ground.clock.now_ns()
        for work in batch:
            try:
                if work.answered_before(self._ground.catalogue):
                    continue
                broken = self._broken.get(work.root)
                if broken is not None:
                    raise StorageFailed(broken.message, **broken.facts)
                if work.on_disk:
                    self._ground.stores.get(work.root)  # a root that is away is no failure of its disk
                work.at_ns = now
                work.prepare(self._ground)
                ready.append(work)
            except CloudError as error:
                work.error = error
            except Exception:  # noqa: BLE001 - part of the outer loop: what cannot be checked must not fail the others
                _log.exception("a change could not be checked")
                work.error = ServerError("The server failed inside; its log says more.")
        return ready

    def _sync_staged(self, works: list[Work[Any]]) -> list[Work[Any]]:
        staged: dict[RootId, dict[str, int | None]] = {}
        for work in works:
            if work.staged:
                staged.setdefault(work.root, {}).update(work.staged)
        for root, times in staged.items():
            try:
                self._ground.stores.get(root).sync_staged(times.keys(), times)
            except CloudError as error:
                self._lose(root, works, error)
        return [work for work in works if work.error is None]

    def _write_down(self, works: list[Work[Any]]) -> dict[int, Work[Any]]:
        """Record what is about to be done; the works by the numbers of their intents."""
        planned = [(work, plan) for work in works if (plan := work.plan()) is not None]
        if not planned:
            return {}
        for work, plan in planned:
            plan.once = None if work.once is None else (work.once.key, work.once.request)
        relaxed = not any(work.displaces for work, _ in planned)
        with self._ground.catalogue.write(relaxed) as rows:
            numbers = rows.add_intents([(work.root, _encode(plan)) for work, plan in planned])
        return {number: work for number, (work, _) in zip(numbers, planned, strict=True)}

    def _carry_out(self, works: list[Work[Any]]) -> list[Work[Any]]:
        for work in works:
            if work.error is None and work.on_disk:
                try:
                    work.carry_out(self._ground.stores.get(work.root))
                except StorageFailed as error:
                    self._lose(work.root, works, error)
                except CloudError as error:
                    work.error = error
        return [work for work in works if work.error is None]

    def _sync_folders(self, works: list[Work[Any]]) -> list[Work[Any]]:
        touched: dict[RootId, set[Location]] = {}
        for work in works:
            if work.touched:
                touched.setdefault(work.root, set()).update(work.touched)
        for root, folders in touched.items():
            try:
                self._ground.stores.get(root).sync_folders(folders)
            except CloudError as error:
                self._lose(root, works, error)
        return [work for work in works if work.error is None]

    def _record(self, works: list[Work[Any]], intents: dict[int, Work[Any]]) -> tuple[frozenset[RootId], int]:
        done = [number for number, work in intents.items() if work.root not in self._broken]
        if not works and not done:
            return frozenset(), 0
        relaxed = not done and not any(work.durable for work in works)
        with self._ground.catalogue.write(relaxed) as rows, self.turns.mine():
            before = rows.last()
            for work in works:
                try:
                    work.record(rows)
                except CloudError as error:
                    if not isinstance(work, RowsWork):
                        raise
                    work.error = error
                    continue
                save_answer(rows, work)
            if done:
                rows.drop_intents(done)
            number = rows.last()
        faultpoint("committer.recorded")
        if number == before:
            return frozenset(), number
        return frozenset(work.root for work in works), number

    def _lose(self, root: RootId, works: Iterable[Work[Any]], error: CloudError) -> None:
        """A step that all works of a root share failed."""
        if isinstance(error, StorageFailed):
            self.distrust(root, error)
        for work in works:
            if work.root == root and work.error is None:
                work.error = error

    @staticmethod
    def _fail(batch: Iterable[Work[Any]], error: CloudError) -> None:
        for work in batch:
            if work.error is None:
                work.error = error
                work.result = None


class _Barrier(Work[None]):
    """Nothing to do, but in order: alone, after everything before it."""

    exclusive = True
    on_disk = False

    def __init__(self) -> None:

        super().__init__(OUTSIDE, RootId(0))
