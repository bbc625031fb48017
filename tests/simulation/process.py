"""One life of a client process: the real sync engine on simulated ports, its state in a SQLite database in memory."""

from homestow.client.adapters.clock_memory import InlineWorkers, SeededChance, SimClock
from homestow.client.adapters.state_sqlite import SqliteState, _sound
from homestow.client.adapters.tree_memory import SimWatcher
from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.rules import Direction
from homestow.client.ports.fingerprints import Fingerprints
from homestow.client.ports.localtree import LocalTree
from homestow.client.ports.remote import Places, Remote
from homestow.client.running.cycle import Cycle
from homestow.client.running.outcome import Outcome


class Process:
    """Started with the bytes of what an earlier life had committed, None for a new state.

    Every other pass looks only where the watcher says that something happened. After each `sleeps`-th one, with 0 never, it
    rests so long that it lets go of its trees.
    """

    def __init__(
        self,
        tree: LocalTree,
        remote: Remote,
        store: bytes | None,
        clock: SimClock,
        chance: SeededChance,
        watcher: SimWatcher | None,
        device: str,
        settle_s: float,
        direction: Direction = Direction.BOTH,
        names: Fingerprints | None = None,
        sleeps: int = 0,
        filters: Filters = NOTHING,
        part: str = "",
        places: Places | None = None,
    ) -> None:
        if store is not None:
            tree.check_root()
        tree.prepare()
        self._state = SqliteState(":memory:")
        if store is not None:
            self._state._db.deserialize(store)
        self._watcher = watcher
        self._passes, self._sleeps = 0, sleeps
        self._cycle = Cycle(
            tree, remote, self._state, clock, chance, InlineWorkers(), device=device, settle_s=settle_s,
            direction=direction, fingerprints=names, filters=filters,
            remote_folder=part, places=places,
        )  # fmt: skip

    def run(self) -> Outcome:
        """One pass; how it ended."""
        hints = self._watcher.take() if self._watcher is not None else None
        self._passes += 1
        outcome = self._cycle.run_pass(hints if self._passes % 2 == 0 else None)
        if self._sleeps and self._passes % self._sleeps == 0:
            self._cycle.sleep()
        return outcome

    @property
    def top(self) -> int:
        """The node that its folder is in step with, as far as it knows."""
        return self._cycle.trees.top

    def accept_deletes(self) -> None:
        """The user answers the brake: delete (SC-193)."""
        self._cycle.accept_deletes()

    def snapshot(self) -> bytes:
        """What the state holds now, between two passes."""
        return self._state._db.serialize()

    def unsound(self) -> bool:
        """Whether a new process would not believe what the state holds now, between two passes."""
        return not _sound(self._state._load())

    def committed(self) -> bytes:
        """What the state had committed; the process is no more."""
        db = self._state._db
        if db.in_transaction:
            db.rollback()
        store = db.serialize()
        self._state.close()
        return store
