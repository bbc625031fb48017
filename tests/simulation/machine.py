"""One computer: a disk that lives on, and a client process that is started, runs passes, and is killed."""

import errno
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.simulation.network import DOWNLOADS, MUTATIONS, Fate, SimRemote
from tests.simulation.process import Process
from tests.simulation.program import Event, Step

from homestow.client.adapters.clock_memory import Killed, SeededChance, SimClock
from homestow.client.adapters.disk_memory import DiskKind, SimDisk
from homestow.client.adapters.tree_memory import PRIVATE, SimTree, SimWatcher
from homestow.client.engine.filters import NOTHING, Filters
from homestow.client.engine.rules import Direction
from homestow.client.ports.localtree import LocalPath, LocalTree, SeenKind
from homestow.client.ports.remote import Remote
from homestow.client.running.outcome import Outcome
from homestow.values.errors import CloudError

Inside = Callable[[Any, Step, str], Fate | None]
"""Asked when something happens inside a client's pass: (the client, the step, the point); gives the call's fate."""

_WRITES = frozenset(
    ("put", "put_small", "make_folder", "move", "remove_file", "remove_folder", "set_mtime", "stage", "write_at")
)
_DECIDED = frozenset(("put:checked", "move:checked", "remove_file:checked"))
"""Points at which what is there was found to be as expected, and is about to be changed."""


class Client:
    """The client of one computer; what it stands on is a subclass's.

    Attributes:
        busy: a pass is under way (others may act inside it).
        faults: what befell the present pass, for the situation table.
        trouble: errno with which the next local call fails, None when none does.
        last: how the last pass ended, for people.
        at: the path its pass is at, None outside.
        settle_s: files younger than this wait (R19).
        direction: which side follows the other; a process begun later obeys it.
        sleeps: see `Process`; likewise.
        filters: what it leaves out; likewise.
        touched: what it did to things that it leaves out.
        part: the folder of the root that it keeps in step, "" for all of it; likewise.
    """

    def __init__(
        self, device: str, clock: SimClock, remote: Remote, trace: Callable[[str], None], inside: Inside, seed: int
    ) -> None:
        self.device = device
        self.busy = False
        self.faults: set[str] = set()
        self.trouble: int | None = None
        self.last = ""
        self.settle_s = 0.0
        self.direction = Direction.BOTH
        self.sleeps = seed % 3
        self.filters: Filters = NOTHING
        self.part = ""
        self.touched: list[str] = []
        self.at: LocalPath | None = None
        self._clock = clock
        self._trace = trace
        self._inside = inside
        self._remote = SimRemote(remote, self._at_remote)
        self._watcher: SimWatcher | None = None
        self._chance = SeededChance(f"{device} {seed}")
        self._process: Process | None = None
        self._tree: LocalTree | None = None
        self._store: bytes | None = None
        self._saved_store: bytes | None = None
        self._store_before: bytes | None = None
        self._events: list[Event] = []
        self._count: Counter[str] = Counter()
        self._armed: Fate | None = None
        self._writes = 0

    def _open_tree(self) -> LocalTree:
        """A new process's sight of the disk."""
        raise NotImplementedError

    def _leave_tree(self, tree: LocalTree) -> None:
        """The process is no more."""
        tree.close()

    # --- the process --------------------------------------------------------------------------------------------------

    def run(self, events: tuple[Event, ...]) -> None:
        """One pass, with what happens inside it; a client that was killed is started first."""
        self.busy = True
        self._events = list(events)
        self._count.clear()
        self._trace(f"{self.device} pass")
        try:
            if self._process is None:
                self._start()
            assert self._process is not None
            self._store_before = self._process.snapshot()
            self.last = _words(self._process.run())
        except Killed:
            self.last = "killed"
        except CloudError as error:
            self.last = f"failed: {error.code} {error.message}"
            self.kill()
        finally:
            self.busy = False
            self.at = None
            self._events = []
            self._armed = None
            self.trouble = None
        self._trace(f"{self.device} {self.last}")

    @property
    def top(self) -> int:
        """The node that its folder is in step with, 0 while it knows none."""
        return 0 if self._process is None else self._process.top

    def judge_deletes(self, doomed: Callable[[int], list[str]]) -> None:
        """Have its deletions on the server looked at; see `SimRemote.doomed`."""
        self._remote.doomed = doomed

    def unsound(self) -> Iterator[str]:
        """What is wrong with what it remembers."""
        yield from (f"left out: {self.device} did {what}" for what in (*self.touched, *self._remote.wrongs))
        if self._process is not None and self._process.unsound():
            yield f"state: {self.device} would begin anew, its state holds items without their folders"

    def _start(self) -> None:
        tree = self._tree = self._open_tree()
        self._remote.begin()
        self._process = Process(
            tree, self._remote, self._store, self._clock, self._chance, self._watcher, self.device, self.settle_s,
            self.direction, self._remote.fingerprints, self.sleeps,
            self.filters, self.part, self._remote,
        )  # fmt: skip

    def kill(self) -> None:
        """kill -9: the disk and what the state had committed stay."""
        if self._process is not None:
            self._store = self._process.committed()
        if self._tree is not None:
            self._leave_tree(self._tree)
        self._process = self._tree = None

    def lose_power(self, dice: random.Random) -> None:
        """The process is gone, and the newest of what its state committed may be lost too (the database is not flushed)."""
        self.kill()
        if dice.random() < 0.5 and self._store_before is not None:
            self._store = self._store_before

    def close(self) -> None:
        """The run is over."""
        self.kill()

    def befall_state(self, kind: str) -> None:
        """The client's memory is lost, copied away, or comes back from an old copy."""
        if self.busy:
            return
        self.kill()
        match kind:
            case "drop-state":
                self._store = None
            case "save-state":
                self._saved_store = self._store
            case _:
                self._store = self._saved_store

    # --- what befalls it ----------------------------------------------------------------------------------------------

    def partition(self, broken: bool) -> None:
        """The network is gone, or back."""
        self._remote.partitioned = broken

    def deliver(self) -> None:
        """A late request arrives."""
        self._remote.deliver()

    def overflow(self) -> None:
        """The watcher's queue ran over (SC-197)."""
        if self._watcher is not None:
            self._watcher.overflowed = True

    def accept_deletes(self) -> None:
        """The user answers the brake: delete (SC-193)."""
        if self._process is None:
            self._start()
        assert self._process is not None
        self._process.accept_deletes()

    def turned(self) -> dict[str, int]:
        """What was done so far on the side that its job's direction lets alone: calls by name, writes to the disk."""
        done = self.effort()
        match self.direction:
            case Direction.UP:
                names = DOWNLOADS | {"local writes"}
            case Direction.DOWN:
                names = MUTATIONS
            case Direction.BOTH:
                names = frozenset()
        return {name: number for name, number in done.items() if name in names and number}

    def effort(self) -> Counter[str]:
        """What was asked of server and disk so far that P5 forbids in a quiet pass."""
        found = Counter({name: n for name, n in self._remote.counts.items() if name in MUTATIONS | DOWNLOADS})
        found["local writes"] = self._writes
        return found

    @property
    def counts(self) -> Counter[str]:
        """Calls to the server so far."""
        return self._remote.counts

    # --- the gates ----------------------------------------------------------------------------------------------------

    def at_fault(self, name: str) -> None:
        """The process is about to make something persist: it may die here."""
        if self.busy and self._tree is not None:
            fate = self._gate("f:" + name, "")
            self._armed = fate or self._armed
            if self._tree is None:
                raise Killed

    def _at_remote(self, point: str) -> Fate | None:
        if self._process is None and not self.busy:
            raise Killed
        fate = self._gate("r:" + point, "")
        fate, self._armed = fate or self._armed, None
        if fate is not None:
            self.faults.add(_FAULTS[fate])
        if self._tree is None:
            raise Killed
        return fate

    def _gate(self, point: str, path: str) -> Fate | None:
        self._trace(f"  {self.device} {point} {path}")
        fate: Fate | None = None
        for key in ("", point):
            self._count[key] += 1
            for event in list(self._events):
                if event.point == key and event.nth == self._count[key]:
                    self._events.remove(event)
                    fate = self._inside(self, event.step, point) or fate
        return fate


class Machine(Client):
    """A client on a simulated disk, which anybody may use at any moment of a pass."""

    def __init__(
        self,
        device: str,
        kind: DiskKind,
        clock: SimClock,
        remote: Remote,
        trace: Callable[[str], None],
        inside: Inside,
        seed: int,
    ) -> None:
        super().__init__(device, clock, remote, trace, inside, seed)
        self.disk = SimDisk(clock.now_ns, kind)
        self._watcher = SimWatcher(self.disk, room=16)

    def change_disk(self, disk: SimDisk) -> None:
        """Stand on another disk; before the first pass."""
        self.disk = disk
        self._watcher = SimWatcher(disk, room=16)

    def _open_tree(self) -> LocalTree:
        return SimTree(self.disk, between=self._at_disk, trouble=self._fails)

    def _leave_tree(self, tree: LocalTree) -> None:
        assert isinstance(tree, SimTree)
        tree.kill()

    def heal(self) -> None:
        """All is well again: network, disk."""
        self._remote.partitioned = False
        while self._remote.late:
            self._remote.deliver()
        self.disk.bytes_limit = 1 << 40
        self.disk.connect()

    def _at_disk(self, point: str, path: LocalPath) -> None:
        if not self.busy:
            return
        if point in _WRITES:
            self._writes += 1
        elif point in _DECIDED:
            self._check_left_out(point, path)
        if path[:1] != (PRIVATE,):
            self.at = path
        fate = self._gate(point, "/".join(path))
        if fate is not None:
            self._armed = fate

    def _check_left_out(self, point: str, path: LocalPath) -> None:
        """Nothing is ever done to what is left out (SC-129)."""
        inode = self.disk.find(path)
        is_folder = inode is not None and inode.kind is SeenKind.FOLDER
        if path[:1] != (PRIVATE,) and inode is not None and self.filters.matcher().path(path, is_folder):
            self.touched.append(f"{point} {'/'.join(path)}")

    def _fails(self, point: str, path: LocalPath) -> int | None:
        if self.trouble is None or point in ("prepare", "check_root", "discard"):
            return None
        number, self.trouble = self.trouble, None
        self._trace(f"  {self.device} {point} fails: {errno.errorcode[number]}")
        return number


def _words(outcome: Outcome) -> str:
    problems = "; ".join(f"{'/'.join(held.path)}: {held.code}" for held in outcome.problems)
    return f"{outcome.ending.name} {outcome.trouble or ''} {outcome.brake or ''} [{problems}]"


_FAULTS: dict[Fate, str] = {
    Fate.LOST_REQUEST: "lost-request",
    Fate.LATE: "lost-request",
    Fate.LOST_REPLY: "lost-reply",
    Fate.TWICE: "lost-reply",
    Fate.CUT: "cut",
    Fate.CORRUPT: "cut",
    Fate.BUSY: "refused",
    Fate.BROKEN: "refused",
    Fate.FULL: "refused",
    Fate.CURSOR_GONE: "refused",
}
